/*-------------------------------------------------------------------------
 *
 * flush.c
 *	  Write usage counters from shared memory to tables.
 *
 * The table usage_hour has a row for each figure, with the number of the slot that
 * was last flushed into it, and that slot's count at the time.  A flush adds what
 * the slot has counted since then.  In the same statement, the totals of the key
 * (table usage), those of the workspace (usage_total) and the time of the key's
 * last use (key_use) follow.  So it does not matter how a flush ends: rolled back,
 * killed, prepared, or partly in a savepoint.  A count and the state of its slot
 * are stored together, or neither is.  Nothing is subtracted in memory.
 *
 * After a commit, the slots note how much of them the tables have, so that they
 * can be reused, and for a row into which another slot was flushed since: that is
 * so while two builds of the library, with different layouts of memory, count the
 * same hour (worker/shmem.c).  If a flush did not note it, the next one does.
 *
 * Locks: flushes of a database run one after the other, under a lock that is held
 * until the transaction ends.  Nothing else waits for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "core/args.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/lock.h"
#include "core/query.h"
#include "core/subscriber.h"
#include "usage/figures.h"
#include "usage/flush.h"
#include "usage/limit.h"
#include "usage/memory.h"
#include "usage/metrics.h"
#include "usage/usage.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(ak_flush_usage);

/* Figures per statement: some 10 ms, after which the worker checks whether memory must grow */
#define PIECE 500

/* Figures per transaction of the worker: after its commit, their slots can be reused */
#define BATCH 20000

/* When memory is full, the delay until a flush that can give back the slots that this one wrote: see slots.c */
#define ROOM_MS 1100

/* Delay before another attempt while another flush holds the lock */
#define BUSY_MS 1000

/* How often a session that ends tries to get its locks */
#define POLL_MS 10

/* What this transaction flushed, applied to memory when it commits; in TopTransactionContext */
typedef struct AkFlushed
{
	struct AkFlushed *next;
	int count;
	AkFigure *figures;
	AkSlot *clock; /* the slot of the time of the flush; NULL: none */
	int64 clock_number;
} AkFlushed;

static AkFlushed *flushed_batches = NULL;

static bool
is_figure(const AkSlot *copy, void *arg)
{
	return copy->id.kind < AK_CODE_COUNT;
}

/* Locks the flushes of this database until the transaction ends.  Without "wait", returns false if it cannot. */
static bool
lock_flush(bool wait)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ak_usage_relid(), 0, 0);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/* Returns true if a database no longer exists. */
bool
ak_is_dead_database(Oid database)
{
	return database != MyDatabaseId && !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database));
}

/* Writes up to PIECE figures to the tables; returns the number of requests added.  SPI is connected, as the owner. */
static int64
write_piece(const AkFigure *figures, int count)
{
#define WRITE_ARGS 11
	static AkQuery query = {
		"WITH memory AS ("
		"SELECT * FROM ROWS FROM (unnest($1), unnest($2), unnest($3), "
		"unnest($4), unnest($5), unnest($6), unnest($7), "
		"unnest($8), unnest($9), unnest($10), unnest($11)) "
		"AS m (key_id, hour, api, code, old_secret, workspace, slot, slot_count, last_at, last_client, flushed)), "
		"added AS MATERIALIZED ("
		"SELECT m.*, m.slot_count - "
		"CASE WHEN h.slot = m.slot THEN h.slot_count WHEN h.slot <> m.slot THEN m.flushed ELSE 0 END AS count "
		"FROM memory m LEFT JOIN apikeys_internal.usage_hour h ON h.key_id = m.key_id "
		"AND h.hour = m.hour AND h.api = m.api "
		"AND h.code = m.code AND h.old_secret = m.old_secret), "
		"hours AS ("
		"INSERT INTO apikeys_internal.usage_hour AS h (key_id, hour, api, code, old_secret, workspace, count, last_at, "
		"last_client, slot, slot_count) "
		"SELECT key_id, hour, api, code, old_secret, workspace, count, last_at, last_client, slot, slot_count "
		"FROM added WHERE count <> 0 "
		"ON CONFLICT (key_id, hour, api, code, old_secret) DO UPDATE SET "
		"count = h.count + EXCLUDED.count, "
		"last_at = GREATEST(h.last_at, EXCLUDED.last_at), "
		"last_client = COALESCE(EXCLUDED.last_client, h.last_client), "
		"slot = EXCLUDED.slot, slot_count = EXCLUDED.slot_count), "
		"totals AS ("
		"INSERT INTO apikeys_internal.usage AS u (key_id, api, code, old_secret, workspace, count, last_at, last_client) "
		"SELECT key_id, api, code, old_secret, min(workspace), "
		"sum(count)::int8, max(last_at), "
		"(array_agg(last_client ORDER BY last_at DESC) FILTER (WHERE last_client IS NOT NULL))[1] "
		"FROM added WHERE count <> 0 GROUP BY key_id, api, code, old_secret "
		"ON CONFLICT (key_id, api, code, old_secret) DO UPDATE SET "
		"count = u.count + EXCLUDED.count, "
		"last_at = GREATEST(u.last_at, EXCLUDED.last_at), "
		"last_client = COALESCE(EXCLUDED.last_client, u.last_client)), "
		"uses AS ("
		"INSERT INTO apikeys_internal.key_use AS u (key_id, last_used_at) "
		"SELECT key_id, max(last_at) FROM added WHERE count <> 0 AND code = 'VALID' GROUP BY key_id "
		"ON CONFLICT (key_id) DO UPDATE SET last_used_at = EXCLUDED.last_used_at "
		"WHERE u.last_used_at < EXCLUDED.last_used_at), "
		"workspaces AS ("
		"INSERT INTO apikeys_internal.usage_total AS t (workspace, api, code, count, old_secret, last_at, last_client) "
		"SELECT workspace, api, code, sum(count)::int8, COALESCE(sum(count) FILTER (WHERE old_secret), 0)::int8, "
		"max(last_at), "
		"(array_agg(last_client ORDER BY last_at DESC) FILTER (WHERE last_client IS NOT NULL))[1] "
		"FROM added WHERE count <> 0 GROUP BY workspace, api, code "
		"ON CONFLICT (workspace, api, code) DO UPDATE SET "
		"count = t.count + EXCLUDED.count, "
		"old_secret = t.old_secret + EXCLUDED.old_secret, "
		"last_at = GREATEST(t.last_at, EXCLUDED.last_at), "
		"last_client = COALESCE(EXCLUDED.last_client, t.last_client)) "
		"SELECT COALESCE(sum(count), 0)::int8 FROM added",
		WRITE_ARGS,
		{UUIDARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, TEXTARRAYOID, BOOLARRAYOID, TEXTARRAYOID, INT8ARRAYOID,
		 INT8ARRAYOID, TIMESTAMPTZARRAYOID, INETARRAYOID, INT8ARRAYOID},
		NULL};
	/* of figures.h, in the order of the arguments */
	static const int columns[WRITE_ARGS] = {AK_FIGURE_KEY_ID,      AK_FIGURE_HOUR,       AK_FIGURE_API,
											AK_FIGURE_CODE,        AK_FIGURE_OLD_SECRET, AK_FIGURE_WORKSPACE,
											AK_FIGURE_SLOT,        AK_FIGURE_COUNT,      AK_FIGURE_LAST_AT,
											AK_FIGURE_LAST_CLIENT, AK_FIGURE_FLUSHED};
	Datum args[WRITE_ARGS];
	bool isnull;
	Datum *values = palloc(count * AK_FIGURE_NATTS * sizeof(Datum));
	bool *nulls = palloc(count * AK_FIGURE_NATTS * sizeof(bool));
	Datum *elements = palloc(count * sizeof(Datum));
	bool *element_nulls = palloc(count * sizeof(bool));

	for (int i = 0; i < count; i++)
		ak_figure_row(&figures[i], values + i * AK_FIGURE_NATTS, nulls + i * AK_FIGURE_NATTS);
	for (int c = 0; c < WRITE_ARGS; c++)
	{
		for (int i = 0; i < count; i++)
		{
			elements[i] = values[i * AK_FIGURE_NATTS + columns[c]];
			element_nulls[i] = nulls[i * AK_FIGURE_NATTS + columns[c]];
		}
		args[c] = ak_array_with_nulls(elements, element_nulls, count, get_element_type(query.argtypes[c]));
	}
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	return DatumGetInt64(ak_query_result(0, 1, &isnull));
#undef WRITE_ARGS
}

/*
 * Removes from an array the figures of APIs that have no name yet, because their
 * registration is not committed; returns the number of those left.  The figures
 * stay in memory: stored under another name, they would be counted again under
 * their own.
 */
static int
keep_named(AkFigure *figures, int count)
{
	int kept = 0;

	for (int i = 0; i < count; i++)
		if (figures[i].slot.id.api == 0 || ak_api_has_name(figures[i].slot.id.api))
			figures[kept++] = figures[i];
	return kept;
}

/* For qsort(): by workspace, so that a statement has few totals of workspaces to write, and by key, as indexes are */
static int
in_order(const void *a, const void *b)
{
	const AkSlot *x = &((const AkFigure *) a)->slot;
	const AkSlot *y = &((const AkFigure *) b)->slot;
	int order = (int) x->workspace_len - (int) y->workspace_len;

	if (order == 0)
		order = memcmp(x->workspace, y->workspace, x->workspace_len);
	return order != 0 ? order : memcmp(x->id.key_id, y->id.key_id, UUID_LEN);
}

/*
 * Flushes this database's figures as part of the current transaction: all of them,
 * or a BATCH that starts at *at, where *at is left at the next one, 0 after the
 * last.  Quotas are flushed with the last batch.  Returns the number of requests
 * added to the tables.  The caller has locked the flushes; SPI is connected, as the
 * owner.
 */
static int64
flush_batch(uint32 *at)
{
	AkSlotId clock = {.database = MyDatabaseId, .relid = ak_usage_relid(), .kind = AK_SLOT_FLUSH};
	MemoryContext old;
	AkFlushed *batch;
	int64 added = 0;

	ak_usage_reclaim(ak_is_dead_database);
	old = MemoryContextSwitchTo(TopTransactionContext);
	batch = palloc0(sizeof(AkFlushed));
	batch->figures = ak_usage_copy(true, is_figure, NULL, at, BATCH, &batch->count);
	batch->count = keep_named(batch->figures, batch->count);
	if (batch->count > 0)
		qsort(batch->figures, batch->count, sizeof(AkFigure), in_order);
	MemoryContextSwitchTo(old);

	for (int start = 0; start < batch->count; start += PIECE, ak_job_go_on())
		added += write_piece(batch->figures + start, Min(PIECE, batch->count - start));

	if (at == NULL || *at == 0)
		ak_quota_flush();

	/* the time of the flush is kept only if there is memory: a flush does not create it */
	batch->clock = ak_memory(false) != NULL ? ak_usage_acquire(&clock, "", 0, NULL) : NULL;
	if (batch->clock != NULL)
	{
		batch->clock_number = batch->clock->number;
		ak_usage_release(batch->clock);
	}
	/* what a rollback to a savepoint may undo is not noted at commit: the next flush notes it */
	if (GetCurrentTransactionNestLevel() == 1)
	{
		batch->next = flushed_batches;
		flushed_batches = batch;
	}
	return added;
}

/* At commit, notes in the slots how much of them the tables have now.  Must not fail. */
static void
note_flushed(void)
{
	TimestampTz now = GetCurrentTimestamp();
	AkTicks ticks = ak_ticks();

	for (; flushed_batches != NULL; flushed_batches = flushed_batches->next)
	{
		for (int i = 0; i < flushed_batches->count; i++)
		{
			const AkSlot *copy = &flushed_batches->figures[i].slot;
			AkSlot *slot = flushed_batches->figures[i].origin;

			SpinLockAcquire(&slot->mutex);
			if (slot->number == copy->number && copy->count > slot->flushed)
			{
				slot->flushed = copy->count;
				slot->flushed_at = ticks;
			}
			SpinLockRelease(&slot->mutex);
		}
		if (flushed_batches->clock != NULL)
		{
			SpinLockAcquire(&flushed_batches->clock->mutex);
			if (flushed_batches->clock->number == flushed_batches->clock_number)
				flushed_batches->clock->last_at = now;
			SpinLockRelease(&flushed_batches->clock->mutex);
		}
	}
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		return;
	ak_quota_at_end(event == XACT_EVENT_COMMIT);
	if (flushed_batches != NULL && event == XACT_EVENT_COMMIT)
		note_flushed();
	flushed_batches = NULL;
}

/* Called once, from _PG_init. */
void
ak_flush_init(void)
{
	RegisterXactCallback(at_transaction_event, NULL);
}

/*
 * flush_usage() -> bigint
 *
 * Writes the counts and quotas in memory to the tables, as part of the transaction,
 * and counts the keys for metrics().  Returns the number of requests added.  Waits
 * for a flush in progress, and the next one waits for this transaction, which
 * cannot be prepared.  Raises 42501 without the capability "admin" in all
 * workspaces, since the flushes of all of them wait, 25006 in a read-only transaction
 * or on a standby, and 55000 on a subscriber of the tables of usage.
 */
Datum
ak_flush_usage(PG_FUNCTION_ARGS)
{
	AkCaller caller;
	int64 added;

	ak_require(AK_ADMIN, NULL);
	PreventCommandDuringRecovery("flush_usage()");
	ak_refuse_read_only(fcinfo);
	if (ak_takes_usage())
		ak_wrong_state(errmsg("usage cannot be flushed here"),
					   errdetail("The tables of usage are replicated from another database."),
					   errhint("Leave them out of the publication, or end the subscription."));
	ak_refuse_prepare("flush_usage");
	(void) ak_worker_ensure();
	ak_owner_begin(&caller, AK_TO_COUNT);
	SPI_connect();
	(void) lock_flush(true);
	added = flush_batch(NULL);
	ak_count_keys();
	SPI_finish();
	ak_owner_end(&caller);
	PG_RETURN_INT64(added);
}

/* Takes all locks of a flush that can be had without waiting; returns true if these are all. */
static bool
lock_now(void)
{
	static const char *const tables[] = {"usage_hour", "usage", "usage_total", "key_use", "quota_used"};
	Oid schema = get_rel_namespace(ak_usage_relid());

	if (!lock_flush(false))
		return false;
	for (int i = 0; i < (int) lengthof(tables); i++)
	{
		Oid table = get_relname_relid(tables[i], schema);

		if (OidIsValid(table) && !ConditionalLockRelationOid(table, RowExclusiveLock))
			return false;
	}
	return true;
}

/*
 * Flushes as part of the current transaction, in a session that ends: no interrupt
 * is processed there, neither a cancel nor a timeout.  So this waits for its locks
 * by itself, for that long, and returns false if it does not get them.  SPI is
 * connected, as the owner.
 */
bool
ak_flush_here(int wait_ms)
{
	AkTicks until = ak_ticks() + AK_TICKS_OF_MS(wait_ms);

	if (ak_takes_usage())
		return true;
	while (!lock_now())
	{
		if (ak_ticks() >= until)
			return false;
		pg_usleep(POLL_MS * 1000L);
	}
	(void) flush_batch(NULL);
	return true;
}

/* The worker's job "flush usage": a BATCH in each transaction.  Tries again later if another flush has the lock. */
AkJobNext
ak_flush_job(void)
{
	int64 added = 0;
	uint32 at = 0;

	do
	{
		bool busy;

		if (!ak_job_begin())
			return AK_JOB_IDLE;
		if (ak_takes_usage())
		{
			ak_job_commit();
			return AK_JOB_IDLE;
		}
		busy = !lock_flush(false);
		if (!busy)
			added += flush_batch(&at);
		ak_job_commit();
		if (busy)
			return AK_JOB_PENDING(BUSY_MS);
	} while (at != 0);

	/* the slots just flushed can be reused only after a moment: flush again if room is needed */
	if (added != 0 && ak_memory_is_full(AK_ROOM_COUNTERS))
		return AK_JOB_PENDING(ROOM_MS);
	return AK_JOB_IDLE;
}

/*
 * Deletes the rows of a table whose ctids a query returns, PIECE at a time.  Returns
 * false if the worker must stop before all are deleted.  SPI is connected, as the
 * owner.
 */
static bool
delete_in_pieces(AkQuery *find, AkQuery *delete, Datum *args)
{
	Portal portal = ak_query_cursor(find, args, NULL);
	Datum *ctids = palloc(PIECE * sizeof(Datum));
	bool stop = false;
	bool isnull;

	for (;;)
	{
		Datum array;

		SPI_cursor_fetch(portal, true, PIECE);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
			ctids[i] = ak_query_result(i, 1, &isnull);
		array = ak_array(ctids, SPI_processed, TIDOID);
		SPI_freetuptable(SPI_tuptable);
		ak_query(delete, &array, NULL, AK_SEE_TRANSACTION);
		pfree(DatumGetPointer(array));
		if ((stop = ak_worker_must_stop()))
			break;
	}
	SPI_cursor_close(portal);
	return !stop;
}

/*
 * The worker's job "usage retention": deletes hours older than
 * apikeys.usage_retention, and of keys and workspaces that no longer exist, totals,
 * times of the last use and quotas that are as old.
 */
AkJobNext
ak_usage_retention_job(void)
{
	static AkQuery old_hours = {"SELECT ctid FROM apikeys_internal.usage_hour WHERE hour < $1",
								1,
								{TIMESTAMPTZOID},
								NULL};
	static AkQuery old_totals = {"SELECT u.ctid FROM apikeys_internal.usage u WHERE u.last_at < $1 "
								 "AND u.key_id <> '00000000-0000-0000-0000-000000000000'::uuid "
								 "AND NOT EXISTS (SELECT FROM apikeys.key k WHERE k.key_id = u.key_id)",
								 1,
								 {TIMESTAMPTZOID},
								 NULL};
	static AkQuery old_uses = {"SELECT u.ctid FROM apikeys_internal.key_use u WHERE u.last_used_at < $1 "
							   "AND NOT EXISTS (SELECT FROM apikeys.key k WHERE k.key_id = u.key_id)",
							   1,
							   {TIMESTAMPTZOID},
							   NULL};
	static AkQuery old_workspaces = {"SELECT t.ctid FROM apikeys_internal.usage_total t WHERE t.last_at < $1 "
									 "AND t.workspace <> '' "
									 "AND NOT EXISTS (SELECT FROM apikeys.workspace w WHERE w.workspace = t.workspace)",
									 1,
									 {TIMESTAMPTZOID},
									 NULL};
	static AkQuery delete_workspaces = {"DELETE FROM apikeys_internal.usage_total WHERE ctid = ANY ($1)",
										1,
										{TIDARRAYOID},
										NULL};
	static AkQuery delete_uses = {"DELETE FROM apikeys_internal.key_use WHERE ctid = ANY ($1)", 1, {TIDARRAYOID}, NULL};
	static AkQuery delete_hours = {"DELETE FROM apikeys_internal.usage_hour WHERE ctid = ANY ($1)",
								   1,
								   {TIDARRAYOID},
								   NULL};
	static AkQuery delete_totals = {"DELETE FROM apikeys_internal.usage WHERE ctid = ANY ($1)", 1, {TIDARRAYOID}, NULL};
	static AkQuery old_quotas = {"SELECT q.ctid FROM apikeys_internal.quota_used q WHERE q.since < $1 "
								 "AND NOT EXISTS (SELECT FROM apikeys.key k WHERE k.key_id = q.key_id)",
								 1,
								 {TIMESTAMPTZOID},
								 NULL};
	static AkQuery delete_quotas = {"DELETE FROM apikeys_internal.quota_used WHERE ctid = ANY ($1)",
									1,
									{TIDARRAYOID},
									NULL};
	Datum args[1];
	TimestampTz before;

	/* flushes are locked: one could renew a row between the cursor's scan and the deletion */
	if (ak_guc_usage_retention == 0 || !ak_job_begin())
		return AK_JOB_IDLE;
	if (!lock_flush(false))
	{
		ak_job_commit();
		return AK_JOB_PENDING(BUSY_MS);
	}
	/* at least two hours: memory may still hold slots of the hour before, whose rows tell what of them is flushed */
	before = GetCurrentTimestamp() - Max(ak_guc_usage_retention, 2 * MINS_PER_HOUR) * USECS_PER_MINUTE;
	args[0] = TimestampTzGetDatum(before - before % USECS_PER_HOUR);
	(void) (delete_in_pieces(&old_hours, &delete_hours, args) && delete_in_pieces(&old_totals, &delete_totals, args) &&
			delete_in_pieces(&old_uses, &delete_uses, args) && delete_in_pieces(&old_quotas, &delete_quotas, args) &&
			delete_in_pieces(&old_workspaces, &delete_workspaces, args));
	ak_job_commit();
	return AK_JOB_IDLE;
}
