/*-------------------------------------------------------------------------
 *
 * keyindex.c
 *	  Rows of apikeys.key by the hash of a secret: the two indexes.
 *
 * These functions do not look at table privileges, row security or accesses:
 * whoever calls them has done so, or shows nothing of what is found.
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
 * Looks for a hash (32 bytes) in one of the two indexes of apikeys.key, which
 * is open, as a registered snapshot or SnapshotSelf sees it; "column" is what
 * the index is made on.  Returns whether there is such a row: it is in the
 * slot then, and *root is the place that the index names.
 */
bool
ak_key_probe(Relation key, Snapshot snapshot, TupleTableSlot *slot, AkRelation which, AttrNumber column,
			 const uint8 *hash, ItemPointer root)
{
	union
	{
		struct varlena header;
		char		bytes[VARHDRSZ + AK_HASH_LEN];
	}			value;
	Relation	index = index_open(ak_relid(which), AccessShareLock);
	ScanKeyData scan_key;
	IndexScanDesc scan;
	ItemPointer tid;
	bool		found = false;

	SET_VARSIZE(&value, sizeof(value));
	memcpy(VARDATA(&value), hash, AK_HASH_LEN);
	ScanKeyInit(&scan_key, 1, BTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(&value));

	scan = index_beginscan_compat(key, index, snapshot, 1);
	index_rescan(scan, &scan_key, 1, NULL, 0);
	while (!found && (tid = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		bool		isnull;
		Datum		datum;

		*root = *tid;
		if (!index_fetch_heap(scan, slot))
			continue;
		/* the row itself decides */
		datum = slot_getattr(slot, column, &isnull);
		found = ak_is_hash(datum, isnull, hash);
	}
	index_endscan(scan);
	index_close(index, AccessShareLock);
	return found;
}

/* The workspace of the key with this hash in that column, by a snapshot that is registered or SnapshotSelf; NULL: there is none. */
static char *
workspace_of(AkRelation index, AttrNumber column, const uint8 *hash, Snapshot snapshot)
{
	Relation	key = ak_table_open(AK_KEY, AccessShareLock);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(key), table_slot_callbacks(key));
	ItemPointerData root;
	char	   *workspace = NULL;

	if (ak_key_probe(key, snapshot, slot, index, column, hash, &root))
	{
		bool		isnull;

		workspace = TextDatumGetCString(slot_getattr(slot, Anum_key_workspace, &isnull));
	}
	ExecDropSingleTupleTableSlot(slot);
	table_close(key, AccessShareLock);
	return workspace;
}

/*
 * Is this the SHA-256 of some key's old secret?  Sees what is committed and
 * what this transaction did.  In a SERIALIZABLE transaction by SnapshotSelf,
 * which leaves no trace by which such transactions that create keys would fail
 * each other.
 */
bool
ak_hash_is_old(const uint8 *hash)
{
	Snapshot	snapshot;
	bool		found;

	if (IsolationIsSerializable())
		return workspace_of(AK_KEY_OLD_HASH, Anum_key_old_key_hash, hash, SnapshotSelf) != NULL;
	/* with what the statement that we are called from has done */
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	found = workspace_of(AK_KEY_OLD_HASH, Anum_key_old_key_hash, hash, snapshot) != NULL;
	UnregisterSnapshot(snapshot);
	return found;
}

/*
 * The workspace, palloc'd, of the key whose present or old secret has this
 * SHA-256; NULL when there is none.  Sees what is committed and what this
 * transaction did, and leaves no trace; a row that somebody changes at this
 * very moment can be missed.
 */
char *
ak_hash_whose(const uint8 *hash)
{
	char	   *workspace = workspace_of(AK_KEY_HASH, Anum_key_key_hash, hash, SnapshotSelf);

	return workspace != NULL ? workspace : workspace_of(AK_KEY_OLD_HASH, Anum_key_old_key_hash, hash, SnapshotSelf);
}
