/*-------------------------------------------------------------------------
 *
 * keystore.h
 *	  Find the key of a secret.  See keystore.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_KEYSTORE_H
#define AK_KEYSTORE_H

#include "executor/tuptable.h"
#include "storage/buf.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "core/catalog.h"
#include "usage/usage.h"

/* The columns that a look-up reads: the first ones, up to metadata */
#define AK_LOOKUP_NATTS Anum_key_metadata

/*
 * A look-up.  The values of the key that it found point into a pinned page until
 * it ends.  Texts are detoasted.  Arrays and metadata are as stored: they may be
 * compressed or in the TOAST table.
 */
typedef struct AkLookup
{
	Datum values[AK_LOOKUP_NATTS]; /* of the key found */
	bool nulls[AK_LOOKUP_NATTS];
	bool by_old_secret; /* the secret is the key's old one */
	AkKeyItems *items;  /* what the last request with the key used; NULL: not known */
	/* private to keystore.c */
	Relation key;        /* apikeys.key */
	HeapTupleData tuple; /* found by a hint; in "buffer" */
	Buffer buffer;
	Snapshot snapshot;    /* registered, if an index was scanned */
	TupleTableSlot *slot; /* the row that the index scan found */
} AkLookup;

/* The n-th column (an Anum_key_) of the found key */
#define AK_FOUND(lookup, column)      ((lookup)->values[AttrNumberGetAttrOffset(column)])
#define AK_FOUND_NULL(lookup, column) ((lookup)->nulls[AttrNumberGetAttrOffset(column)])

extern bool ak_keystore_find(AkLookup *lookup, const uint8 *hash);
extern bool ak_keystore_find_seen(AkLookup *lookup, const uint8 *hash);
extern void ak_keystore_end(AkLookup *lookup);

#endif /* AK_KEYSTORE_H */
