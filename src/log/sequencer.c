/*-------------------------------------------------------------------------
 *
 * sequencer.c
 *	  Takes entries into the trees: sequence_audit_logs(), and the worker's job
 *	  "audit sequencer".
 *
 * A transaction that writes an entry also inserts its number into
 * apikeys_internal.audit_pending.  The sequencer takes the committed ones from there, in
 * batches, each in a transaction of its own: it appends them to the trees of
 * their workspaces, gives each the next number of the feed, and deletes the
 * pending rows.  Entries of a transaction that commits later come later.  So
 * nobody waits for the log at commit, and what is in a tree is committed: what
 * was read of a tree, or signed, never is rolled back.  That is why only the
 * worker and this procedure do it, which refuses to run inside a transaction.
 *
 * One lock for the database, on the table of the trees (lock.c), is held until
 * the batch has committed; READ COMMITTED makes each batch see the one before.
 * A subscriber takes over the publisher's trees and sequences nothing.
 *
 * Where a search begins.  Deleted pending rows that an old snapshot still sees
 * cost time at every look: 100 ms for 500,000 of them, against 0.05 ms from the
 * bound on.  No pending row with a number below the bound can appear any more.
 * The bound is raised to a number that was the last given out, once all
 * transactions that had been given one by then have ended: they hold a lock on
 * the sequence as long as they run, prepared or not.  A superuser who sets the
 * sequence back breaks this rule.  So a bound is forgotten after a while, and
 * before what somebody asks for: a checkpoint, or the procedure.  What was behind
 * it then enters its tree like all else.
 *
 * After a restore.  apikeys_internal.audit_pending is not dumped; the install
 * script inserts a row 0, which says that the rows are to be derived: entries
 * without a leaf.  So does the trigger of entries that come by replication.  This
 * happens when there is another row, since then somebody acts in this database and
 * a restore is over, or when the procedure is called; but not by the worker alone,
 * which could do so between the COPYs of two tables.
 * The row stays until a run has taken in all that it derived: whatever ends that
 * run, the next one, in any process, derives again and forgets its bound.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "access/access.h"
#include "audit/entry.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/clock.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/lock.h"
#include "core/query.h"
#include "core/subscriber.h"
#include "log/sequencer.h"
#include "log/tree.h"

PG_FUNCTION_INFO_V1(ak_sequence_audit_logs);

/* Entries in one batch: enough to make the cost of a transaction small, some tenths of a second */
#define BATCH 5000

/* How long a bound is used */
#define BOUND_MS (10 * 60 * 1000)

/* Entries whose pending rows are derived by one statement */
#define DERIVE_BATCH 100000

/* An entry to take in */
typedef struct AkTaken
{
	int64 audit_id;
	int64 sequence;
	const char *workspace; /* '' for none */
	uint8 leaf[AK_HASH_LEN];
} AkTaken;

/* A run, which takes batch after batch; one inside another is possible, of another job */
typedef struct AkSequencerRun
{
	int64 from;   /* where the next batch begins; 0: this is the first */
	bool derived; /* the pending rows were derived in this run: see "After a restore" */
} AkSequencerRun;

/* See "Where a search begins"; in TopMemoryContext */
static struct
{
	uint64 generation; /* ak_catalog_generation() */
	AkTicks since;     /* when it was at the first number */
	int64 from;        /* no pending row below it can appear */
	int64 next;        /* "from" after the present batch has committed */
	int64 noted;       /* the last number given out when "running" was noted; 0: nothing noted */
	bool ended;        /* at the run's first batch, all of these had ended */
	VirtualTransactionId *running;
	int count;
} bound;

/* Forgets the bound. */
static void
reset_bound(void)
{
	bound.generation = ak_catalog_generation();
	bound.since = ak_ticks();
	bound.from = bound.next = 1;
	bound.noted = 0;
}

/* Notes the last number given out, and the transactions that may still use one.  SPI is connected, as the owner. */
static void
note_numbers(void)
{
	static AkQuery query = {"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM apikeys_internal.audit_id_seq",
							0,
							{0},
							NULL};
	VirtualTransactionId *holders;
	LOCKTAG tag;
	bool isnull;
	int64 last;
	int count;

	ak_query(&query, NULL, NULL, AK_SEE_LATEST);
	last = DatumGetInt64(ak_query_result(0, 1, &isnull));
	SET_LOCKTAG_RELATION(tag, MyDatabaseId, ak_relid(AK_AUDIT_ID_SEQ));
	holders = GetLockConflicts(&tag, ShareLock, &count);
	if (bound.running != NULL)
		pfree(bound.running);
	bound.running = MemoryContextAlloc(TopMemoryContext, Max(count, 1) * sizeof(VirtualTransactionId));
	memcpy(bound.running, holders, count * sizeof(VirtualTransactionId));
	bound.count = count;
	bound.noted = last;
}

/* Returns true if all transactions that were noted have ended. */
static bool
noted_ended(void)
{
	while (bound.count > 0)
	{
		if (!VirtualXactLock(bound.running[bound.count - 1], false))
			return false;
		bound.count--;
	}
	return true;
}

/* Returns true if the rows are still to be derived and this may be done now: see the head of this file. */
static bool
must_derive(bool called)
{
	/* the second look, at all rows, is not taken without need */
	static AkQuery query = {
		"SELECT EXISTS (SELECT 1 FROM apikeys_internal.audit_pending WHERE audit_id = 0) AND ($1 OR "
		"EXISTS (SELECT 1 FROM apikeys_internal.audit_pending WHERE audit_id > 0))",
		1,
		{BOOLOID},
		NULL};
	Datum args[1] = {BoolGetDatum(called)};
	bool isnull;

	ak_query(&query, args, NULL, AK_SEE_LATEST);
	return DatumGetBool(ak_query_result(0, 1, &isnull));
}

/* Derives the pending rows from the entries that have no leaf, and forgets the bound.  Row 0 stays. */
static void
derive_pending(void)
{
	static AkQuery derive = {
		"INSERT INTO apikeys_internal.audit_pending (audit_id) SELECT e.audit_id FROM (SELECT audit_id FROM apikeys.audit_log "
		"WHERE audit_id > $1 ORDER BY audit_id LIMIT $2) AS e WHERE NOT EXISTS (SELECT 1 FROM apikeys.audit_tree t "
		"WHERE t.audit_id = e.audit_id) ON CONFLICT DO NOTHING",
		2,
		{INT8OID, INT8OID},
		NULL};
	static AkQuery last = {"SELECT max(audit_id) FROM (SELECT audit_id FROM apikeys.audit_log WHERE audit_id > $1 "
						   "ORDER BY audit_id LIMIT $2) AS e",
						   2,
						   {INT8OID, INT8OID},
						   NULL};
	Datum args[2] = {Int64GetDatum(0), Int64GetDatum(DERIVE_BATCH)};

	for (;;)
	{
		Datum reached;
		bool isnull;

		ak_query(&last, args, NULL, AK_SEE_LATEST);
		reached = ak_query_result(0, 1, &isnull);
		if (isnull)
			break;
		ak_query(&derive, args, NULL, AK_SEE_LATEST);
		args[0] = reached;
		ak_job_go_on();
	}
	reset_bound();
}

/*
 * Reads the next pending entries from a number on, and gives them the next
 * numbers of the feed.  "*last" is the number of the last pending row read, 0 if
 * there are no more.  A row whose entry is missing or damaged stays, for
 * verification to tell; one whose entry is in a tree is only deleted.
 */
static AkTaken *
read_pending(int64 from, int64 *last, int *count, ArrayBuildState **done)
{
	/* OFFSET 0: look-ups for these rows, never a join of whole tables */
	static AkQuery query = {
		"SELECT p.audit_id, COALESCE(e.workspace, ''), e.digest, t.audit_id IS NOT NULL, "
		"(SELECT COALESCE(max(s.sequence), 0) FROM apikeys.audit_tree s) "
		"FROM (SELECT audit_id FROM apikeys_internal.audit_pending WHERE audit_id >= $1 ORDER BY audit_id LIMIT $2) AS p "
		"LEFT JOIN apikeys.audit_log e ON e.audit_id = p.audit_id "
		"LEFT JOIN apikeys.audit_tree t ON t.audit_id = p.audit_id ORDER BY p.audit_id",
		2,
		{INT8OID, INT8OID},
		NULL};
	Datum args[2] = {Int64GetDatum(from), Int64GetDatum(BATCH)};
	AkTaken *taken;
	int64 sequence;
	bool isnull;

	ak_query(&query, args, NULL, AK_SEE_LATEST);
	*count = 0;
	*last = 0;
	*done = initArrayResult(INT8OID, CurrentMemoryContext, false);
	taken = palloc(Max(SPI_processed, 1) * sizeof(AkTaken));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		AkTaken *next = &taken[*count];
		Datum digest;
		bytea *bytes;

		if (i == 0)
			sequence = DatumGetInt64(ak_query_result(0, 5, &isnull));
		next->audit_id = DatumGetInt64(ak_query_result(i, 1, &isnull));
		*last = SPI_processed == BATCH ? next->audit_id : 0;
		digest = ak_query_result(i, 3, &isnull);
		if (isnull)
			continue;
		bytes = DatumGetByteaPP(digest);
		if (VARSIZE_ANY_EXHDR(bytes) != AK_HASH_LEN)
			continue;
		*done = accumArrayResult(*done, Int64GetDatum(next->audit_id), false, INT8OID, CurrentMemoryContext);
		if (DatumGetBool(ak_query_result(i, 4, &isnull)))
			continue;
		memcpy(next->leaf, VARDATA_ANY(bytes), AK_HASH_LEN);
		next->workspace = TextDatumGetCString(ak_query_result(i, 2, &isnull));
		next->sequence = ++sequence;
		(*count)++;
	}
	return taken;
}

/* Orders by workspace; within one, by audit_id. */
static int
taken_order(const void *a, const void *b)
{
	const AkTaken *x = a;
	const AkTaken *y = b;
	int order = strcmp(x->workspace, y->workspace);

	return order != 0 ? order : x->audit_id < y->audit_id ? -1 : x->audit_id > y->audit_id;
}

/* Appends entries, which are in taken_order(), to their trees. */
static void
append_leaves(const AkTaken *taken, int count)
{
	static AkQuery query = {
		"INSERT INTO apikeys.audit_tree (workspace, position, audit_id, sequence, level, hashes) SELECT n.w, n.p, n.a, "
		"n.s, 0, n.h FROM ROWS FROM (unnest($1), unnest($2), unnest($3), unnest($4), unnest($5)) AS n (w, p, a, s, h)",
		5,
		{TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, BYTEAARRAYOID},
		NULL};
	Datum *columns[5];
	Datum args[5];
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	AkMerkleTree *tree = palloc(sizeof(AkMerkleTree));
	AkTreeReader reader;

	for (int i = 0; i < 5; i++)
		columns[i] = palloc(count * sizeof(Datum));
	ak_tree_begin(&reader, "", snapshot);
	for (int i = 0; i < count; i++)
	{
		uint8 completed[AK_MERKLE_LEVELS][AK_HASH_LEN];
		int hashes;
		bytea *bytes;

		if (i == 0 || strcmp(taken[i].workspace, taken[i - 1].workspace) != 0)
		{
			CHECK_FOR_INTERRUPTS();
			ak_tree_change_workspace(&reader, taken[i].workspace);
			if (ak_tree_open(&reader, ak_tree_size(&reader), tree) != AK_MERKLE_OK)
				ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
								errmsg("the audit log's tree of workspace \"%s\" is damaged", taken[i].workspace),
								errhint("apikeys.verify_audit_logs() tells more.")));
		}
		columns[1][i] = Int64GetDatum(tree->size);
		hashes = ak_merkle_append(tree, 0, taken[i].leaf, completed);
		if (hashes == 0)
			ak_hash_failed();
		bytes = palloc(VARHDRSZ + hashes * AK_HASH_LEN);
		SET_VARSIZE(bytes, VARHDRSZ + hashes * AK_HASH_LEN);
		memcpy(VARDATA(bytes), completed, hashes * AK_HASH_LEN);
		columns[0][i] = CStringGetTextDatum(taken[i].workspace);
		columns[2][i] = Int64GetDatum(taken[i].audit_id);
		columns[3][i] = Int64GetDatum(taken[i].sequence);
		columns[4][i] = PointerGetDatum(bytes);
	}
	ak_tree_end(&reader);
	UnregisterSnapshot(snapshot);

	for (int i = 0; i < 5; i++)
		args[i] = ak_array(columns[i], count, get_element_type(query.argtypes[i]));
	ak_write_rows(AK_TO_LOG, &query, args, NULL, AK_SEE_LATEST, count, "apikeys.audit_tree", "leaf");
}

/*
 * Takes a batch of entries into the trees, in the present transaction: at the
 * beginning of a run, those from the bound on, or "all", and then from where the
 * last batch ended.  "called": by the procedure.  Returns true if there may be
 * another one.  SPI is connected, as the owner.  The caller commits, and then calls
 * batch_committed().
 */
static bool
take_batch(AkSequencerRun *run, bool all, bool called)
{
	/* no join with unnest(): the planner may take the few rows of old statistics first, and compare each with all of $1 */
	static AkQuery forget = {"DELETE FROM apikeys_internal.audit_pending WHERE audit_id = ANY ($1)",
							 1,
							 {INT8ARRAYOID},
							 NULL};
	static AkQuery derived_all = {"DELETE FROM apikeys_internal.audit_pending WHERE audit_id = 0", 0, {0}, NULL};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "apikeys sequencer", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	ArrayBuildState *done;
	AkTaken *taken;
	int64 last;
	int count;
	int nest_level;

	Assert(!IsolationUsesXactSnapshot());
	ak_lock_all(AK_AUDIT_TREE, ExclusiveLock);
	/* a subscriber takes over what its publisher sequenced */
	if (ak_is_subscriber())
		return false;
	old = MemoryContextSwitchTo(context);
	nest_level = ak_begin_index_plans();
	if (bound.generation != ak_catalog_generation() ||
		(run->from == 0 && (all || ak_ticks() - bound.since > AK_TICKS_OF_MS(BOUND_MS))))
		reset_bound();
	bound.next = bound.from;
	if (run->from == 0)
	{
		run->from = bound.from;
		/* before rows are read: what those transactions have left is seen then */
		bound.ended = bound.noted > 0 && noted_ended();
	}

	taken = read_pending(run->from, &last, &count, &done);
	/* asked afterwards: a row that has been read is there, and row 0 does not stay behind it */
	if (!run->derived && must_derive(called))
	{
		derive_pending();
		run->derived = true;
		run->from = bound.from;
		taken = read_pending(run->from, &last, &count, &done);
	}
	if (count > 0)
	{
		qsort(taken, count, sizeof(AkTaken), taken_order);
		append_leaves(taken, count);
	}
	if (done->nelems > 0)
	{
		Datum args[1] = {makeArrayResult(done, context)};

		ak_query(&forget, args, NULL, AK_SEE_LATEST);
	}
	if (last != 0)
		run->from = last + 1;
	else
	{
		/* the run has read all rows from the bound on */
		if (run->derived)
			ak_query(&derived_all, NULL, NULL, AK_SEE_LATEST);
		if (bound.ended)
			bound.next = Max(bound.from, bound.noted + 1);
		if (bound.ended || bound.noted == 0)
			note_numbers();
		/* of a run around this one, they are others now */
		bound.ended = false;
	}
	AtEOXact_GUC(true, nest_level);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return last != 0;
}

/* After a batch has committed. */
static void
batch_committed(void)
{
	bound.from = bound.next;
}

/*
 * Notes the sizes of all trees as those of checkpoints: a purge then leaves what
 * their roots are computed from.  SPI is connected, as the owner.
 */
static void
mark_sizes(void)
{
	static AkQuery query = {"INSERT INTO apikeys.audit_size (workspace, size) SELECT workspace, size "
							"FROM apikeys_internal.tree_sizes ON CONFLICT DO NOTHING",
							0,
							{0},
							NULL};
	int nest_level = ak_begin_index_plans();

	/* no leaf behind a size comes before the size is committed: a purge relies on that */
	ak_lock_all(AK_AUDIT_TREE, ExclusiveLock);
	ak_run_as_owner(AK_TO_LOG, &query, NULL, NULL, AK_SEE_LATEST);
	AtEOXact_GUC(true, nest_level);
}

/* Takes entries into the trees, from the bound on or all, batch by batch.  Returns false if the job must end. */
static bool
run_batches(bool all)
{
	AkSequencerRun run = {.from = 0};
	bool more = true;

	while (more)
	{
		if (ak_worker_must_stop() || !ak_job_begin())
			return false;
		more = take_batch(&run, all, false);
		ak_job_commit();
		batch_committed();
	}
	return true;
}

/* The worker's job "audit sequencer". */
AkJobNext
ak_sequencer_job(void)
{
	(void) run_batches(false);
	return AK_JOB_IDLE;
}

/*
 * The worker's job "audit checkpoints", which audit_checkpoint() wakes: takes
 * the entries into the trees, and notes the trees' sizes.
 */
AkJobNext
ak_checkpoint_job(void)
{
	if (run_batches(true) && ak_job_begin())
	{
		if (!ak_is_subscriber())
			mark_sizes();
		ak_job_commit();
	}
	return AK_JOB_IDLE;
}

/*
 * CALL sequence_audit_logs()
 *
 * Takes all committed entries into the trees, batch by batch, committing each,
 * and notes the trees' sizes for checkpoints.  Raises 25001 in a transaction
 * block, a function or a DO block's exception handler, 25006 on a standby, 55000
 * on a subscriber, 42501 without "audit" in some workspace.  Waits for another
 * session that does the same.
 */
Datum
ak_sequence_audit_logs(PG_FUNCTION_ARGS)
{
	AkCaller caller;
	AkSequencerRun run = {.from = 0};
	bool more = true;

	ak_require_anywhere(AK_AUDIT);
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) || castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("apikeys.sequence_audit_logs() cannot run inside a transaction block"),
						errdetail("It commits batch by batch, so that no tree that was read or signed is rolled back."),
						errhint("Call it as a statement of its own.")));
	PreventCommandDuringRecovery("apikeys.sequence_audit_logs()");
	PreventCommandIfReadOnly("apikeys.sequence_audit_logs()");
	ak_refuse_on_subscriber();

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	/* each batch is in a transaction that has read nothing before */
	SPI_commit();
	while (more)
	{
		CHECK_FOR_INTERRUPTS();
		XactIsoLevel = XACT_READ_COMMITTED;
		/*
		 * Until the batch has committed, nothing is sent to the client: by not reading it, the client could keep
		 * the lock.  PostgreSQL's own messages of a commit, with debug5, come while it is held.
		 */
		(void) set_config_option("client_min_messages", "error", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
		ak_owner_begin(&caller, AK_TO_LOG);
		more = take_batch(&run, true, true);
		if (!more)
			mark_sizes();
		ak_owner_end(&caller);
		SPI_commit();
		batch_committed();
	}
	SPI_finish();
	PG_RETURN_VOID();
}
