/*-------------------------------------------------------------------------
 *
 * tree.c
 *	  The Merkle trees of the audit log, as tables.
 *
 * Each workspace has a tree of its entries, and there is one, of workspace '',
 * of those that belong to none.  apikeys.audit_tree has one row for each leaf,
 * with the hashes of all subtrees that this leaf completes, from the leaf's own
 * upwards.  So node "index" of "level" is in the row of its last leaf, and a row
 * is never changed but by a purge.  The size of a tree is the last position and
 * one: no row holds it.
 *
 * A purge replaces the rows of a complete subtree of purged entries by one: that
 * of the last leaf, without an audit_id, with the hashes from the subtree's root
 * upwards.
 *
 * apikeys.audit_size has the sizes of which checkpoints were made.  No subtree
 * of purged entries extends over such a size, so that its root can always be
 * computed.
 *
 * Only the sequencer and a purge write to these tables, and a restore, which
 * inserts.  The trigger guard_log refuses the rest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"

#include "log/tree.h"

/*
 * Reads a row that is in a slot.  Raises XX001 if it is damaged: what there is
 * can then not be proved.
 */
static void
read_tree_row(TupleTableSlot *slot, AkTreeRow *row)
{
	const Datum *values;
	bytea *hashes;
	Size length;

	slot_getsomeattrs(slot, _Anum_audit_tree_max - 1);
	values = slot->tts_values;
	row->position = DatumGetInt64(values[Anum_audit_tree_position - 1]);
	row->audit_id =
		slot->tts_isnull[Anum_audit_tree_audit_id - 1] ? 0 : DatumGetInt64(values[Anum_audit_tree_audit_id - 1]);
	row->sequence = DatumGetInt64(values[Anum_audit_tree_sequence - 1]);
	row->level = DatumGetInt16(values[Anum_audit_tree_level - 1]);
	hashes = DatumGetByteaPP(values[Anum_audit_tree_hashes - 1]);
	length = VARSIZE_ANY_EXHDR(hashes);
	row->count = 0;
	/* what is left of a damaged row is none */
	if (row->level >= 0 && row->level < AK_MERKLE_LEVELS && length % AK_HASH_LEN == 0 &&
		length / AK_HASH_LEN <= (Size) (AK_MERKLE_LEVELS - row->level))
	{
		row->count = length / AK_HASH_LEN;
		memcpy(row->hashes, VARDATA_ANY(hashes), length);
	}
	if ((Pointer) hashes != DatumGetPointer(values[Anum_audit_tree_hashes - 1]))
		pfree(hashes);
}

/*
 * Starts to read the tree of a workspace ('' for the registry's), with a
 * registered snapshot.  Locks as in ak_index_begin().
 */
void
ak_tree_begin(AkTreeReader *reader, const char *workspace, Snapshot snapshot)
{
	ak_index_begin(&reader->rows, AK_AUDIT_TREE, AK_AUDIT_TREE_PKEY, snapshot, 2);
	reader->workspace = CStringGetTextDatum(workspace);
}

/* Goes on with the tree of another workspace. */
void
ak_tree_change_workspace(AkTreeReader *reader, const char *workspace)
{
	pfree(DatumGetPointer(reader->workspace));
	reader->workspace = CStringGetTextDatum(workspace);
}

/* Ends the scan. */
void
ak_tree_end(AkTreeReader *reader)
{
	ak_index_end(&reader->rows);
	pfree(DatumGetPointer(reader->workspace));
}

static bool
fetch_row(AkTreeReader *reader, ScanDirection direction, AkTreeRow *row)
{
	if (!ak_index_next(&reader->rows, direction))
		return false;
	read_tree_row(reader->rows.slot, row);
	return true;
}

static bool
find_row(AkTreeReader *reader, StrategyNumber strategy, RegProcedure compare, int64 position, ScanDirection direction,
		 AkTreeRow *row)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, reader->workspace);
	keys[0].sk_collation = DEFAULT_COLLATION_OID; /* the column's */
	ScanKeyInit(&keys[1], 2, strategy, compare, Int64GetDatum(position));
	ak_index_seek(&reader->rows, keys, 2);
	return fetch_row(reader, direction, row);
}

/* Reads the first row at this position or behind it; returns false if there is none.  ak_tree_next() goes on. */
bool
ak_tree_first(AkTreeReader *reader, int64 position, AkTreeRow *row)
{
	return find_row(reader, BTGreaterEqualStrategyNumber, F_INT8GE, position, ForwardScanDirection, row);
}

/* Reads the next row; returns false if there is none. */
bool
ak_tree_next(AkTreeReader *reader, AkTreeRow *row)
{
	return fetch_row(reader, ForwardScanDirection, row);
}

/* Reads the last row before this position; returns false if there is none.  ak_tree_previous() goes on. */
bool
ak_tree_last(AkTreeReader *reader, int64 before, AkTreeRow *row)
{
	return find_row(reader, BTLessStrategyNumber, F_INT8LT, before, BackwardScanDirection, row);
}

/* Reads the previous row; returns false if there is none. */
bool
ak_tree_previous(AkTreeReader *reader, AkTreeRow *row)
{
	return fetch_row(reader, BackwardScanDirection, row);
}

/* Returns the size of the tree. */
uint64
ak_tree_size(AkTreeReader *reader)
{
	AkTreeRow row;

	return ak_tree_last(reader, PG_INT64_MAX, &row) ? row.position + 1 : 0;
}

/* An AkMerkleReader. */
bool
ak_tree_node(void *arg, int level, uint64 index, uint8 out[AK_HASH_LEN])
{
	AkTreeReader *reader = arg;
	int64 last = (int64) (((index + 1) << level) - 1);
	AkTreeRow row;

	if (!find_row(reader, BTEqualStrategyNumber, F_INT8EQ, last, ForwardScanDirection, &row) || level < row.level ||
		level >= row.level + row.count)
		return false;
	memcpy(out, row.hashes[level - row.level], AK_HASH_LEN);
	return true;
}

/* Opens the tree as it was with that size: see ak_merkle_open(). */
AkMerkleResult
ak_tree_open(AkTreeReader *reader, uint64 size, AkMerkleTree *tree)
{
	return ak_merkle_open(tree, size, ak_tree_node, reader);
}

/*
 * Starts to find leaves, with a registered snapshot.  With in_order, the caller
 * asks for entries in ascending order, and for most there are.  Then all leaves are
 * read in that order, in place of a look-up for each: verify_audit_logs() takes
 * 14 % less.  Locks as in ak_index_begin().
 */
void
ak_leaves_begin(AkLeafFinder *finder, Snapshot snapshot, bool in_order)
{
	ak_index_begin(&finder->rows, AK_AUDIT_TREE, AK_AUDIT_TREE_AUDIT_ID, snapshot, in_order ? 0 : 1);
	finder->in_order = in_order;
	finder->at = 0;
	finder->at_end = false;
	if (in_order)
		ak_index_seek(&finder->rows, NULL, 0);
}

/* Looks for the leaf of an entry. */
static bool
look_up_leaf(AkLeafFinder *finder, int64 audit_id)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(audit_id));
	ak_index_seek(&finder->rows, &key, 1);
	return ak_index_next(&finder->rows, ForwardScanDirection);
}

/* Reads on to the leaf of an entry, over those of entries before it. */
static bool
read_on_to_leaf(AkLeafFinder *finder, int64 audit_id)
{
	TupleTableSlot *slot = finder->rows.slot;
	bool isnull;

	while (!finder->at_end && (TTS_EMPTY(slot) || finder->at < audit_id))
	{
		CHECK_FOR_INTERRUPTS();
		finder->at_end = !ak_index_next(&finder->rows, ForwardScanDirection);
		/* not NULL: the index has no others */
		if (!finder->at_end)
			finder->at = DatumGetInt64(slot_getattr(slot, Anum_audit_tree_audit_id, &isnull));
	}
	return !TTS_EMPTY(slot) && finder->at == audit_id;
}

/*
 * Finds the leaf of an entry.  Returns false if the entry is in no tree.  The
 * workspace, a text, is valid until the next call.
 */
bool
ak_leaf_of_entry(AkLeafFinder *finder, int64 audit_id, AkTreeRow *row, Datum *workspace)
{
	if (!(finder->in_order ? read_on_to_leaf(finder, audit_id) : look_up_leaf(finder, audit_id)))
		return false;
	read_tree_row(finder->rows.slot, row);
	*workspace = finder->rows.slot->tts_values[Anum_audit_tree_workspace - 1];
	return true;
}

/* Ends the scan. */
void
ak_leaves_end(AkLeafFinder *finder)
{
	ak_index_end(&finder->rows);
}

/*
 * Makes the planner use nested loops over indexes: the statistics of our tables
 * may be missing or outdated, and a cached plan may have been made when they
 * were empty.  A batch is then read and written row by row.  Returns the
 * nesting level for AtEOXact_GUC().
 */
int
ak_begin_index_plans(void)
{
	static const char *const off[] = {"enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin",
									  "jit"};
	int nest_level = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(off); i++)
		(void) set_config_option(off[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return nest_level;
}
