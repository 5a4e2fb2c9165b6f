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
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* A look-up; what it found is borrowed from a pinned page until its end */
typedef struct AkLookup
{
	Relation	key;			/* apikeys.key */
	Snapshot	snapshot;		/* the latest, registered */
	TupleTableSlot *slot;		/* of the key found */
	bool		by_old_secret;	/* found by the secret before the present one */
} AkLookup;

extern bool ak_keystore_find(AkLookup *lookup, const uint8 *hash);
extern bool ak_keystore_is_old(const uint8 *hash);
extern void ak_keystore_end(AkLookup *lookup);

#endif							/* AK_KEYSTORE_H */
