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

/* The columns of a key that a look-up reads: the first, up to metadata */
#define AK_LOOKUP_NATTS Anum_key_metadata

/*
 * A look-up; what it found is borrowed from a pinned page until its end.  Its
 * texts are as they were written; arrays and metadata are as they are stored,
 * perhaps compressed or in the TOAST table.
 */
typedef struct AkLookup
{
	Datum		values[AK_LOOKUP_NATTS];	/* of the key found */
	bool		nulls[AK_LOOKUP_NATTS];
	bool		by_old_secret;	/* found by the secret before the present one */
	/* private to keystore.c */
	Relation	key;			/* apikeys.key */
	HeapTupleData tuple;		/* found by a hint, in buffer */
	Buffer		buffer;
	Snapshot	snapshot;		/* the latest, registered, when an index was asked */
	TupleTableSlot *slot;		/* what it found */
} AkLookup;

/* The n-th column (an Anum_key_) of the key found */
#define AK_FOUND(lookup, column)		((lookup)->values[(column) - 1])
#define AK_FOUND_NULL(lookup, column)	((lookup)->nulls[(column) - 1])

extern bool ak_keystore_find(AkLookup *lookup, const uint8 *hash);
extern bool ak_keystore_find_seen(AkLookup *lookup, const uint8 *hash, Snapshot snapshot);
extern void ak_keystore_end(AkLookup *lookup);

#endif							/* AK_KEYSTORE_H */
