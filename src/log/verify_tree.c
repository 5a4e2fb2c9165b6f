/*-------------------------------------------------------------------------
 *
 * verify_tree.c
 *	  Verifies the trees of the audit log, and the entries against them.
 *
 * First each tree is read from its first leaf to its last, and built again from
 * the hashes of its leaves and of the subtrees that stand for purged entries:
 * every stored hash must come out.  At the size of a checkpoint the root must be
 * the checkpoint's.
 *
 * Then all entries are read: the hash of each must be that of its leaf.  If a
 * tree has leaves whose entry was not found, it is read once more to name the
 * first.
 *
 * A subtree that stands for purged entries could hide an entry that was deleted
 * otherwise.  So the entry that records a purge has the number of leaves up to
 * the last purged one, and a hash over the leaves that were kept before it
 * (purge.c): another subtree beyond, or in place of a leaf that was kept, is
 * found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"

#include "audit/row_digest.h"
#include "core/catalog.h"
#include "core/columns.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/indexscan.h"
#include "core/query.h"
#include "log/kept.h"
#include "log/tree.h"
#include "log/verify_tree.h"

/* Verifies one tree */
typedef struct AkTreeWalk
{
	AkLog *log;
	AkMerkleTree tree; /* built from what was read */
	AkTreeRow row;
	AkKept kept;
	int64 sequence;      /* of the row before */
	int next_known;      /* the first checkpoint that is not compared yet */
	bool broken;         /* what follows cannot be built on what was read */
	const char *problem; /* of the tree before the next entry */
} AkTreeWalk;

/* Notes a problem at the present row: it is told of the next row that has an entry. */
static void
note_here(AkTreeWalk *walk, const char *problem)
{
	if (walk->problem == NULL)
		walk->problem = problem;
}

/* Compares the tree with the checkpoints up to its present size. */
static void
compare_known(AkTreeWalk *walk)
{
	AkLog *log = walk->log;

	for (; walk->next_known < log->known_count && log->known[walk->next_known].size <= walk->tree.size;
		 walk->next_known++)
	{
		const AkKnownSize *known = &log->known[walk->next_known];
		uint8 root[AK_HASH_LEN];

		/* what cannot be built is a problem already */
		if (walk->broken)
			continue;
		if (known->size < walk->tree.size)
		{
			log->checkpoint_problem =
				"the tree had this checkpoint's size among entries that were purged since, and no "
				"checkpoint was noted here";
			continue;
		}
		if (!ak_merkle_root(&walk->tree, root))
			ak_hash_failed();
		if (ak_hash_equal(root, known->root))
			continue;
		if (known->here)
			note_here(walk, "the tree differs from its checkpoint");
		else
			log->checkpoint_problem = "the checkpoint is of another database, and the tree differs from it";
	}
}

/* Checks the form and the place of a row.  Returns NULL, or the problem. */
static const char *
row_problem(const AkTreeWalk *walk)
{
	const AkTreeRow *row = &walk->row;
	uint64 end = (uint64) row->position + 1;
	uint64 leaves;

	/* without hashes, the level may be any number */
	if (row->count == 0 || row->position < 0 || (row->audit_id != 0 && row->level != 0))
		return "the tree's row is damaged";
	leaves = UINT64CONST(1) << row->level;
	if (end % leaves != 0)
		return "the tree's row is damaged";
	if (end - leaves > walk->tree.size)
		return "leaves before this entry are missing";
	if (end - leaves < walk->tree.size)
		return "the tree has two rows for one leaf";
	if (row->sequence <= walk->sequence)
		return "the numbers of the feed are not in order";
	return NULL;
}

/* Returns true if a row holds these hashes of subtrees, "count" of them, and no others. */
static bool
same_hashes(const AkTreeRow *row, uint8 (*completed)[AK_HASH_LEN], int count)
{
	bool same = row->count == count;

	for (int i = 0; same && i < count; i++)
		same = ak_hash_equal(row->hashes[i], completed[i]);
	return same;
}

/* Verifies the row that was read. */
static void
verify_row(AkTreeWalk *walk)
{
	uint8 completed[AK_MERKLE_LEVELS][AK_HASH_LEN];
	const AkTreeRow *row = &walk->row;
	AkLog *log = walk->log;
	const char *problem = walk->broken ? NULL : row_problem(walk);

	if (problem != NULL)
	{
		walk->broken = true;
		note_here(walk, problem);
	}
	walk->sequence = row->sequence;
	if (!walk->broken)
	{
		int count = ak_merkle_append(&walk->tree, row->level, row->hashes[0], completed);

		if (count == 0)
			ak_hash_failed();
		if (!same_hashes(row, completed, count))
			note_here(walk, "the tree does not follow from its leaves");
		if (row->audit_id == 0 && row->position >= log->purged_through)
			note_here(walk, "entries before this one are missing, and no purge says so");
		if (row->audit_id != 0 && row->position < log->purged_through)
			ak_kept_add(&walk->kept, row->position, row->hashes[0]);
		compare_known(walk);
	}
	if (row->audit_id == 0)
		return;
	log->leaves++;
	if (walk->problem != NULL)
		ak_note(log, row->audit_id, walk->problem);
	walk->problem = NULL;
}

static void
verify_tree(AkTreeReader *reader, AkLog *log)
{
	AkTreeWalk *walk = palloc0(sizeof(AkTreeWalk));
	bool found;

	walk->log = log;
	ak_tree_change_workspace(reader, log->workspace);
	/* a checkpoint of an empty tree */
	compare_known(walk);
	for (found = ak_tree_first(reader, 0, &walk->row); found; found = ak_tree_next(reader, &walk->row))
	{
		CHECK_FOR_INTERRUPTS();
		verify_row(walk);
	}
	if (walk->problem != NULL)
		ak_note(log, log->purge_id, walk->problem);
	if (!walk->broken)
	{
		if (walk->next_known < log->known_count)
			log->checkpoint_problem = log->known[log->known_count - 1].here
										  ? "the tree is smaller than its checkpoint"
										  : "the checkpoint is of another database, and the tree is smaller";
		if (log->purge_id != 0 &&
			(log->purged_through > (int64) walk->tree.size || !ak_hash_equal(walk->kept.hash, log->kept_expected)))
			ak_note(log, log->purge_id, "what this purge kept is not there any more");
	}
	log->size = walk->tree.size;
	if (!ak_merkle_root(&walk->tree, log->root))
		ak_hash_failed();
	pfree(walk);
}

/* Verifies the trees, without their entries. */
void
ak_verify_trees(AkVerification *v)
{
	AkTreeReader reader;

	ak_tree_begin(&reader, "", v->snapshot);
	for (int i = 0; i < v->count; i++)
		verify_tree(&reader, &v->logs[i]);
	ak_tree_end(&reader);
}

/* Returns true if apikeys_internal.audit_pending has that entry. */
static bool
is_pending(const AkVerification *v, int64 audit_id)
{
	static AkQuery query = {"SELECT 1 FROM apikeys_internal.audit_pending WHERE audit_id = $1", 1, {INT8OID}, NULL};
	Datum args[1] = {Int64GetDatum(audit_id)};
	bool found;

	ak_query_snapshot(&query, args, v->snapshot);
	found = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/* Verifies one entry: its digest, its leaf, and the row that it describes. */
static void
verify_entry(AkVerification *v, AkRowProof *rows, AkLeafFinder *leaves, TupleTableSlot *slot)
{
	Datum values[_Anum_audit_log_max - 1];
	bool nulls[_Anum_audit_log_max - 1];
	uint8 digest[AK_HASH_LEN];
	const uint8 *stored;
	AkTreeRow leaf;
	Datum workspace;
	AkLog *log;
	int64 audit_id;

	ak_slot_read(slot, ak_columns(AK_AUDIT_LOG), values, nulls);
	log = ak_log_of_value(v, values[Anum_audit_log_workspace - 1], nulls[Anum_audit_log_workspace - 1]);
	if (log == NULL)
		return;
	audit_id = DatumGetInt64(values[Anum_audit_log_audit_id - 1]);
	ak_row_digest(ak_columns(AK_AUDIT_LOG), values, nulls, digest);
	stored = ak_hash_bytes(values[Anum_audit_log_digest - 1], nulls[Anum_audit_log_digest - 1]);
	if (stored == NULL || !ak_hash_equal(stored, digest))
		ak_note(log, audit_id, "the entry was altered");
	ak_prove_rows_entry(rows, log, values, nulls);
	if (!ak_leaf_of_entry(leaves, audit_id, &leaf, &workspace))
	{
		if (!v->may_lack && !is_pending(v, audit_id))
			ak_note(log, audit_id, "the entry is not in the tree");
	}
	else if (ak_log_of_value(v, workspace, false) != log)
		ak_note(log, audit_id, "the entry is in the tree of another workspace");
	else
	{
		log->met++;
		if (leaf.count == 0 || leaf.level != 0 || !ak_hash_equal(leaf.hashes[0], digest))
			ak_note(log, audit_id, "the leaf is not that of the entry");
	}
}

/* Names the first leaf of a tree without its entry. */
static void
name_missing(const AkVerification *v, AkTreeReader *reader, AkLeafFinder *leaves, AkLog *log)
{
	static AkQuery query = {"SELECT COALESCE(workspace, '') FROM apikeys.audit_log WHERE audit_id = $1",
							1,
							{INT8OID},
							NULL};
	AkTreeRow row;
	bool found;

	ak_tree_change_workspace(reader, log->workspace);
	for (found = ak_tree_first(reader, 0, &row); found; found = ak_tree_next(reader, &row))
	{
		Datum args[1] = {Int64GetDatum(row.audit_id)};
		AkTreeRow leaf;
		Datum workspace;
		bool isnull;

		CHECK_FOR_INTERRUPTS();
		if (row.audit_id == 0 || (log->problem != NULL && row.audit_id >= log->first_bad))
			continue;
		ak_query_snapshot(&query, args, v->snapshot);
		if (SPI_processed == 0)
			ak_note(log, row.audit_id, "the entry is missing");
		else if (ak_log_of_value(v, ak_query_result(0, 1, &isnull), false) != log)
			ak_note(log, row.audit_id, "the entry belongs to another workspace");
		else if (ak_leaf_of_entry(leaves, row.audit_id, &leaf, &workspace) && leaf.position != row.position)
			ak_note(log, row.audit_id, "the entry has two leaves");
		SPI_freetuptable(SPI_tuptable);
	}
}

/* Notes an entry that was to enter a tree and is missing; nobody knows of which workspace it was. */
static void
note_lost_pending(AkVerification *v)
{
	static AkQuery query = {
		"SELECT min(p.audit_id) FROM apikeys_internal.audit_pending p LEFT JOIN apikeys.audit_log e "
		"ON e.audit_id = p.audit_id WHERE p.audit_id > 0 AND e.audit_id IS NULL",
		0,
		{0},
		NULL};

	ak_note_found(v, &query, "an entry that was to enter a tree is missing");
}

/*
 * Verifies the entries in the order of audit_id, after the trees, and passes
 * each to ak_prove_rows_entry().  SPI is connected, as the owner.
 */
void
ak_verify_entries(AkVerification *v, AkRowProof *rows)
{
	int nkeys = v->one ? 1 : 0;
	AkIndexScan scan;
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "apikeys verify", ALLOCSET_DEFAULT_SIZES);
	AkLeafFinder leaves;
	AkTreeReader reader;
	ScanKeyData key;

	ak_index_begin(&scan, AK_AUDIT_LOG, v->one ? AK_AUDIT_LOG_WORKSPACE : AK_AUDIT_LOG_PKEY, v->snapshot, nkeys);
	ak_leaves_begin(&leaves, v->snapshot, v->everywhere);
	if (v->one)
		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(v->logs[0].workspace));
	ak_index_seek(&scan, &key, nkeys);
	while (ak_index_next(&scan, ForwardScanDirection))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		CHECK_FOR_INTERRUPTS();
		verify_entry(v, rows, &leaves, scan.slot);
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	ak_index_end(&scan);
	ak_leaves_end(&leaves);

	ak_tree_begin(&reader, "", v->snapshot);
	ak_leaves_begin(&leaves, v->snapshot, false);
	for (int i = 0; i < v->count; i++)
		if (v->logs[i].met != v->logs[i].leaves)
			name_missing(v, &reader, &leaves, &v->logs[i]);
	note_lost_pending(v);
	ak_tree_end(&reader);
	ak_leaves_end(&leaves);
	MemoryContextDelete(row_context);
}
