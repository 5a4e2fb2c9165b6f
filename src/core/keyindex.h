/*-------------------------------------------------------------------------
 *
 * keyindex.h
 *	  Rows of apikeys.key by the hash of a secret.  See keyindex.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_KEYINDEX_H
#define AK_KEYINDEX_H

#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "pure/digest.h"

/*
 * A variable-length value of a row, neither compressed nor in the TOAST table.
 * Any of them may be: of a row over 2 kB its compressible values are compressed,
 * long or not, and ALTER TABLE ... SET STORAGE moves them out.
 */
static inline Datum
ak_as_written(Datum value)
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(value);

	if (unlikely(VARATT_IS_COMPRESSED(stored) || VARATT_IS_EXTERNAL(stored)))
		return PointerGetDatum(pg_detoast_datum_packed(stored));
	return value;
}

/* Is this column of a row, a bytea, the hash?  Takes as long wherever they differ. */
static inline bool
ak_is_hash(Datum column, bool isnull, const uint8 *hash)
{
	const struct varlena *stored;

	if (isnull)
		return false;
	stored = (const struct varlena *) DatumGetPointer(ak_as_written(column));
	return VARSIZE_ANY_EXHDR(stored) == AK_HASH_LEN &&
		ak_hash_equal((const uint8 *) VARDATA_ANY(stored), hash);
}

extern bool ak_key_probe(Relation key, Snapshot snapshot, TupleTableSlot *slot, AkRelation which, AttrNumber column,
						 const uint8 *hash, ItemPointer root);
extern bool ak_hash_is_old(const uint8 *hash);
extern char *ak_hash_whose(const uint8 *hash);

#endif							/* AK_KEYINDEX_H */
