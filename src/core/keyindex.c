/*-------------------------------------------------------------------------
 *
 * keyindex.c
 *	  Look up rows of apikeys.key by the hash of a secret, current or old, or by
 *	  key_id.
 *
 * Table privileges, row security and accesses are not checked: callers have done
 * so, or show nothing of what is found.
 *
 * Locks: AccessShareLock on the index, and in the functions that open it, on the
 * table, until the look-up ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "core/keyindex.h"

/*
 * Looks for a hash (32 bytes) in an index ("which") of apikeys.key and the column
 * that it indexes, under a registered snapshot or SnapshotSelf.  The caller has
 * opened the table.  Returns true if there is such a row; it is then in the slot,
 * and the TID in the index entry in *root.  If *slot is NULL, the slot is made when
 * the index has an entry: most guessed secrets have none.
 */
bool
ak_key_probe(Relation key, Snapshot snapshot, TupleTableSlot **slot, AkRelation which, AttrNumber column,
			 const uint8 *hash, ItemPointer root)
{
	union
	{
		struct varlena header;
		char bytes[VARHDRSZ + AK_HASH_LEN];
	} value;
	Relation index = index_open(ak_relid(which), AccessShareLock);
	ScanKeyData scan_key;
	IndexScanDesc scan;
	ItemPointer tid;
	bool found = false;

	SET_VARSIZE(&value, sizeof(value));
	memcpy(VARDATA(&value), hash, AK_HASH_LEN);
	ScanKeyInit(&scan_key, 1, BTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(&value));

	scan = index_beginscan_compat(key, index, snapshot, 1);
	index_rescan(scan, &scan_key, 1, NULL, 0);
	while (!found && (tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		bool isnull;
		Datum datum;

		*root = *tid;
		if (*slot == NULL)
			*slot = MakeSingleTupleTableSlot(RelationGetDescr(key), table_slot_callbacks(key));
		if (!index_fetch_heap(scan, *slot))
			continue;
		/* decided by the row, not by the index entry */
		datum = slot_getattr(*slot, column, &isnull);
		found = ak_is_hash(datum, isnull, hash);
	}
	index_endscan(scan);
	index_close(index, AccessShareLock);
	return found;
}

/*
 * Returns the workspace, palloc'd, of the key with this hash in that column; NULL if
 * there is none.  The snapshot is registered, or SnapshotSelf.
 */
static char *
workspace_of(AkRelation index, AttrNumber column, const uint8 *hash, Snapshot snapshot)
{
	Relation key = ak_table_open(AK_KEY, AccessShareLock);
	TupleTableSlot *slot = NULL;
	ItemPointerData root;
	char *workspace = NULL;

	if (ak_key_probe(key, snapshot, &slot, index, column, hash, &root))
	{
		bool isnull;

		workspace = TextDatumGetCString(slot_getattr(slot, Anum_key_workspace, &isnull));
	}
	if (slot != NULL)
		ExecDropSingleTupleTableSlot(slot);
	table_close(key, AccessShareLock);
	return workspace;
}

/*
 * Returns true if this is the SHA-256 of the old secret of any key.  Sees all that
 * is committed, and the transaction's own changes.  A SERIALIZABLE transaction uses
 * SnapshotSelf, which takes no predicate locks: with these, transactions that
 * create keys would make each other fail.
 */
bool
ak_hash_is_old(const uint8 *hash)
{
	Snapshot snapshot;
	bool found;

	if (IsolationIsSerializable())
		return workspace_of(AK_KEY_OLD_HASH, Anum_key_old_key_hash, hash, SnapshotSelf) != NULL;
	/* to see the changes of the calling statement, too */
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	found = workspace_of(AK_KEY_OLD_HASH, Anum_key_old_key_hash, hash, snapshot) != NULL;
	UnregisterSnapshot(snapshot);
	return found;
}

/*
 * Returns the workspace, palloc'd, of the key whose current or old secret has
 * this SHA-256; NULL if there is none.  Uses SnapshotSelf: sees all that is
 * committed and the transaction's own changes, takes no predicate locks, and
 * can miss a row that is being updated concurrently.
 */
char *
ak_hash_workspace(const uint8 *hash)
{
	char *workspace = workspace_of(AK_KEY_HASH, Anum_key_key_hash, hash, SnapshotSelf);

	return workspace != NULL ? workspace : workspace_of(AK_KEY_OLD_HASH, Anum_key_old_key_hash, hash, SnapshotSelf);
}

/*
 * Starts to look for the row of a key, as systable_beginscan() does: systable_getnext()
 * and systable_endscan() follow.  The caller has opened the table.  snapshot: NULL means
 * as of the latest commit.
 */
SysScanDesc
ak_key_scan(Relation key, Datum key_id, Snapshot snapshot)
{
	ScanKeyData scan_key;

	ScanKeyInit(&scan_key, Anum_key_key_id, BTEqualStrategyNumber, F_UUID_EQ, key_id);
	return systable_beginscan(key, ak_relid(AK_KEY_PKEY), true, snapshot, 1, &scan_key);
}
