/*-------------------------------------------------------------------------
 *
 * await.c
 *	  Waits for the sequencer, so that a proof has what was committed before.
 *
 * What proves from the trees first wakes the worker, so that it takes in what is
 * committed and pending, and waits for it, at most WAIT_MS; not under an older
 * snapshot, which would not see it, nor where nothing is sequenced: on a standby
 * or subscriber.  If it waited in vain, a NOTICE says so.
 *
 * For a checkpoint the worker also notes the trees' sizes (apikeys.audit_size),
 * so that it can be confirmed after any purge.  The trees may grow at any time: so
 * the answer is given from the snapshot under which that was so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "core/catalog.h"
#include "core/clock.h"
#include "core/compat.h"
#include "core/indexscan.h"
#include "core/query.h"
#include "core/subscriber.h"
#include "log/await.h"
#include "worker/worker.h"

/* How long to wait for the worker, and between two looks */
#define WAIT_MS 2000
#define LOOK_MS 10

/* Returns the newest pending entry of a committed transaction, of those up to a number; 0 if there is none. */
static int64
newest_pending(int64 up_to, Snapshot snapshot)
{
	AkIndexScan scan;
	ScanKeyData keys[2];
	int64 newest = 0;

	ak_index_begin(&scan, AK_AUDIT_PENDING, AK_AUDIT_PENDING_PKEY, snapshot, 2);
	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(0));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(up_to));
	ak_index_seek(&scan, keys, 2);
	while (newest == 0 && ak_index_next(&scan, BackwardScanDirection))
	{
		bool isnull;
		TransactionId xmin =
			DatumGetTransactionId(slot_getsysattr(scan.slot, MinTransactionIdAttributeNumber, &isnull));

		/* nobody sequences our own before we commit */
		if (!TransactionIdIsCurrentTransactionId(xmin))
			newest = DatumGetInt64(slot_getattr(scan.slot, Anum_audit_pending_audit_id, &isnull));
	}
	ak_index_end(&scan);
	return newest;
}

/* Returns true if the sizes of the trees of these workspaces (0: of all) were noted, under a snapshot. */
static bool
sizes_noted(Datum workspaces, Snapshot snapshot)
{
	static AkQuery of_some = {
		"SELECT NOT EXISTS (SELECT 1 FROM unnest($1) AS w (name), LATERAL (SELECT t.position + 1 AS size "
		"FROM apikeys.audit_tree t WHERE t.workspace = w.name ORDER BY t.position DESC LIMIT 1) AS tip "
		"WHERE NOT EXISTS (SELECT 1 FROM apikeys.audit_size a WHERE a.workspace = w.name AND a.size = tip.size))",
		1,
		{TEXTARRAYOID},
		NULL};
	static AkQuery of_all = {
		"SELECT NOT EXISTS (SELECT 1 FROM apikeys_internal.tree_sizes s WHERE NOT EXISTS (SELECT 1 "
		"FROM apikeys.audit_size a WHERE a.workspace = s.workspace AND a.size = s.size))",
		0,
		{0},
		NULL};
	AkCaller caller;
	bool isnull;
	bool noted;

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query_snapshot(workspaces != 0 ? &of_some : &of_all, &workspaces, snapshot);
	noted = DatumGetBool(ak_query_result(0, 1, &isnull));
	SPI_finish();
	ak_owner_end(&caller);
	return noted;
}

/*
 * Locks the tables of the log until the transaction ends, with "keys" also those of
 * what it tells of: to a snapshot from before, a table that ALTER TABLE rewrites would
 * be empty.
 */
static void
lock_tables(bool keys)
{
	for (AkRelation table = keys ? AK_WORKSPACE : AK_AUDIT_LOG; table <= AK_AUDIT_SIZE; table++)
		table_close(ak_table_open(table, AccessShareLock), NoLock);
}

/*
 * Waits for the worker to take in what is pending, and for checkpoints ("sizes") to
 * note the sizes of the trees of these workspaces (an array; 0: of all): see the head
 * of this file.  Returns the snapshot that the answer is to be given from, registered.
 * Under it, what was awaited has been done: if not, raises a NOTICE.
 */
static Snapshot
await(bool sizes, Datum workspaces)
{
	/* then nothing is awaited, since it would not be seen */
	bool fixed = IsolationUsesXactSnapshot();
	AkTicks until = ak_ticks() + AK_TICKS_OF_MS(WAIT_MS);
	int64 newest = fixed ? 0 : PG_INT64_MAX;
	Snapshot snapshot;

	for (;;)
	{
		AkWorkerState state;

		snapshot = RegisterSnapshot(fixed ? GetTransactionSnapshot() : GetLatestSnapshot());
		if (RecoveryInProgress() || ak_is_subscriber())
			return snapshot;
		/* of those that are pending now, not of what comes while it waits */
		if (newest != 0)
			newest = newest_pending(newest, snapshot);
		if (newest == 0 && (!sizes || sizes_noted(workspaces, snapshot)))
			return snapshot;
		if (fixed)
			break;
		state = ak_worker_wake(sizes ? AK_JOB_CHECKPOINT : AK_JOB_SEQUENCER);
		if (state < AK_WORKER_WAITING || ak_ticks() >= until)
			break;
		UnregisterSnapshot(snapshot);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	/* not which: they may be another tenant's */
	if (newest != 0)
		ereport(NOTICE, (errmsg("the trees of the audit log lack entries that are committed"),
						 errhint("The background worker takes them in, and the server log has its errors; "
								 "CALL apikeys.sequence_audit_logs() does it at once.")));
	else
		ereport(NOTICE,
				(errmsg("the size of a checkpoint is not noted"),
				 errdetail("If entries on both sides of it are purged, it cannot be confirmed."),
				 errhint("The background worker notes it, and the server log has its errors; "
						 "CALL apikeys.sequence_audit_logs() does it at once: then ask again, in a new transaction.")));
	return snapshot;
}

/*
 * Waits for the worker to take in what is pending.  Returns the snapshot that the
 * answer is to be given from, registered.  Raises a NOTICE if something is still
 * pending then.  Locks the tables of the log until the transaction ends, and with
 * "keys" those of what it tells of.
 */
Snapshot
ak_await_entries(bool keys)
{
	lock_tables(keys);
	return await(false, (Datum) 0);
}

/*
 * The same for checkpoints of these workspaces (an array; 0: of all): also waits
 * until the sizes that their trees have under the snapshot are noted.  Raises a
 * NOTICE if one is not.
 */
Snapshot
ak_await_checkpoints(Datum workspaces)
{
	lock_tables(false);
	return await(true, workspaces);
}
