/*-------------------------------------------------------------------------
 *
 * keyindex.h
 *	  Look up rows of apikeys.key by the hash of a secret, or by key_id.  See keyindex.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_KEYINDEX_H
#define AK_KEYINDEX_H

#include "access/genam.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "pure/digest.h"

/*
 * Returns a variable-length value of a row, detoasted.  Even a short value may
 * be toasted: in a row over 2 kB, compressible values are compressed, and ALTER
 * TABLE ... SET STORAGE can move values out of line.
 */
static inline Datum
ak_as_written(Datum value)
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(value);

	if (unlikely(VARATT_IS_COMPRESSED(stored) || VARATT_IS_EXTERNAL(stored)))
		return PointerGetDatum(pg_detoast_datum_packed(stored));
	return value;
}

/* Returns true if a bytea column of a row is this hash.  Compares in constant time. */
static inline bool
ak_is_hash(Datum column, bool isnull, const uint8 *hash)
{
	const struct varlena *stored;

	if (isnull)
		return false;
	stored = (const struct varlena *) DatumGetPointer(ak_as_written(column));
	return VARSIZE_ANY_EXHDR(stored) == AK_HASH_LEN && ak_hash_equal((const uint8 *) VARDATA_ANY(stored), hash);
}

extern bool ak_key_probe(Relation key, Snapshot snapshot, TupleTableSlot **slot, AkRelation which, AttrNumber column,
						 const uint8 *hash, ItemPointer root);
extern bool ak_hash_is_old(const uint8 *hash);
extern char *ak_hash_workspace(const uint8 *hash);
extern SysScanDesc ak_key_scan(Relation key, Datum key_id, Snapshot snapshot);

#endif /* AK_KEYINDEX_H */
