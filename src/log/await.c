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
 * so that it can be confirmed after any purge.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
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
newest_pending(int64 up_to)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
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
	UnregisterSnapshot(snapshot);
	return newest;
}

/*
 * Returns true if the size of each of these workspaces' trees was noted, as of
 * the latest commit.
 */
static bool
sizes_noted(Datum workspaces)
{
	static AkQuery query = {
		"SELECT NOT EXISTS (SELECT 1 FROM unnest($1) AS w (name), LATERAL (SELECT t.position + 1 AS size "
		"FROM apikeys.audit_tree t WHERE t.workspace = w.name ORDER BY t.position DESC LIMIT 1) AS tip "
		"WHERE NOT EXISTS (SELECT 1 FROM apikeys.audit_size a WHERE a.workspace = w.name AND a.size = tip.size))",
		1,
		{TEXTARRAYOID},
		NULL};
	bool isnull;

	return DatumGetBool(ak_read_value(&query, &workspaces, NULL, AK_SEE_LATEST, &isnull));
}

/*
 * Waits for the worker to take in what is pending, and, given workspaces (an
 * array; 0: none), to note their trees' sizes: see the head of this file.
 * Raises a NOTICE if something is still pending then.
 */
void
ak_await_sequencer(Datum workspaces)
{
	AkTicks until = ak_ticks() + AK_TICKS_OF_MS(WAIT_MS);
	int64 newest;

	if (RecoveryInProgress() || IsolationUsesXactSnapshot() || ak_is_subscriber())
		return;
	newest = newest_pending(PG_INT64_MAX);
	while (newest != 0 || (workspaces != 0 && !sizes_noted(workspaces)))
	{
		AkWorkerState state = ak_worker_wake(workspaces != 0 ? AK_JOB_CHECKPOINT : AK_JOB_SEQUENCER);

		if (state < AK_WORKER_WAITING || ak_ticks() >= until)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (newest != 0)
			newest = newest_pending(newest);
	}
	/* not which: they may be another tenant's */
	if (newest != 0)
		ereport(NOTICE, (errmsg("the trees of the audit log lack entries that are committed"),
						 errhint("The background worker takes them in, and the server log has its errors; "
								 "CALL apikeys.sequence_audit_logs() does it at once.")));
}

/*
 * Returns the snapshot that an answer is given from, registered.  Locks the tables of
 * the log until the transaction ends, with "keys" also those of what it tells of: to
 * a snapshot from before, a table that ALTER TABLE rewrites would be empty.
 */
Snapshot
ak_answer_snapshot(bool keys)
{
	for (AkRelation table = keys ? AK_WORKSPACE : AK_AUDIT_LOG; table <= AK_AUDIT_SIZE; table++)
		table_close(ak_table_open(table, AccessShareLock), NoLock);
	return RegisterSnapshot(IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetLatestSnapshot());
}
