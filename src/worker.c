/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  When and how a database has its background worker, which flushes usage and
 *	  does what else has time.
 *
 * A worker starts when somebody uses the extension in its database, or, with
 * shared_preload_libraries = 'apikeys', when the server starts: a launcher then
 * starts one in every database, and those that find no extension leave.  After
 * a crash of the server, PostgreSQL starts it again.  Without preload, after a
 * restart, the first use does.
 *
 * It must be in nobody's way.  While it is connected, DROP DATABASE, ALTER
 * DATABASE RENAME and CREATE DATABASE ... TEMPLATE would fail; but they lock
 * the database before they wait, up to five seconds, for others to leave.  So
 * the worker looks every second whether such a lock is held, and leaves.  When
 * it has been alone for a while with nothing to do, it leaves, too.
 *
 * A worker that ends by itself exits with 0, which makes PostgreSQL forget it.
 * Any other exit makes PostgreSQL start it again: after pg_terminate_backend()
 * or an error.  When it cannot connect, because its database is gone, it exits
 * with 0 as well, or it would be started forever.
 *
 * On a standby it starts, waits, and runs its jobs after the promotion.
 *
 * The registry of workers is in the anchor (shmem.c), under its lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/snapmgr.h"

#include "shmem.h"
#include "worker.h"

PGDLLEXPORT void ak_launcher_main(Datum arg);

/* After a failure to start one, do not try with every request */
#define RETRY_MS 10000

/* A worker that was registered and did not come in this time, will not */
#define START_MS 10000

/* When PostgreSQL starts a worker again that did not end by itself */
#define RESTART_SECONDS 5

static AkAnchor *anchor = NULL;
static AkWorkerEntry *mine = NULL;	/* of this database, as last seen */

/*
 * ------------------------------------------------------------ for backends
 */

static void
describe(BackgroundWorker *worker, const char *type, const char *function)
{
	memset(worker, 0, sizeof(*worker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_ConsistentState;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker->bgw_library_name, "apikeys", sizeof(worker->bgw_library_name));
	strlcpy(worker->bgw_function_name, function, sizeof(worker->bgw_function_name));
	strlcpy(worker->bgw_name, type, sizeof(worker->bgw_name));
	strlcpy(worker->bgw_type, type, sizeof(worker->bgw_type));
}

/* The worker's entry of a database; NULL if there is none.  The lock is held. */
static AkWorkerEntry *
entry_of(Oid database)
{
	for (int i = 0; i < anchor->max_workers; i++)
		if (anchor->workers[i].database == database)
			return &anchor->workers[i];
	return NULL;
}

/*
 * Starts a worker of a database that has none, and returns how it stands; has
 * it run the jobs in "woken" (AK_JOB_BIT()s).  Raises nothing.
 */
static AkWorkerState
start_or_wake(Oid database, uint32 woken)
{
	AkWorkerEntry *entry;
	AkWorkerState state;
	AkTicks		now = ak_ticks();

	LWLockAcquire(&anchor->lock, LW_EXCLUSIVE);
	entry = entry_of(database);
	if (entry != NULL &&
		(entry->pid != 0 || now < entry->since + AK_TICKS_OF_MS(START_MS)))
	{
		state = entry->pid != 0 ? AK_WORKER_RUNNING : AK_WORKER_STARTING;
		/* who finds its job woken already need not set the latch again */
		if ((entry->woken & woken) != woken)
		{
			entry->woken |= woken;
			if (entry->pid != 0)
				SetLatch(entry->latch);
		}
	}
	else
	{
		BackgroundWorker worker;

		state = AK_WORKER_NO_SLOT;
		if (entry == NULL)
			entry = entry_of(InvalidOid);
		describe(&worker, "apikeys worker", "ak_worker_main");
		worker.bgw_restart_time = RESTART_SECONDS;
		worker.bgw_main_arg = ObjectIdGetDatum(database);
		if (entry != NULL && RegisterDynamicBackgroundWorker(&worker, NULL))
		{
			*entry = (AkWorkerEntry) {.database = database,.since = now};
			state = AK_WORKER_STARTING;
		}
		else if (entry != NULL)
			entry->database = InvalidOid;
	}
	if (database == MyDatabaseId)
		mine = entry;
	LWLockRelease(&anchor->lock);
	return state;
}

/*
 * Sees to it that the current database has a worker.  Cheap enough for every
 * request: it looks at one word of shared memory as long as there is one.
 */
AkWorkerState
ak_worker_ensure(void)
{
	static AkTicks retry_at = 0;
	AkWorkerState state;
	AkTicks		now;

	if (likely(mine != NULL && mine->database == MyDatabaseId && mine->pid != 0))
		return AK_WORKER_RUNNING;
	anchor = ak_anchor();
	if (anchor == NULL || IsBinaryUpgrade)
		return AK_WORKER_NONE;
	now = ak_ticks();
	if (now < retry_at)
		return AK_WORKER_NO_SLOT;
	state = start_or_wake(MyDatabaseId, 0);
	if (state == AK_WORKER_NO_SLOT)
		retry_at = now + AK_TICKS_OF_MS(RETRY_MS);
	return state;
}

/*
 * The same, and has a job run now.  What this transaction did is not yet
 * visible to it: see ak_worker_wake_at_commit().  A worker that has to be
 * started runs all jobs.
 */
AkWorkerState
ak_worker_wake(AkJobNumber job)
{
	anchor = ak_anchor();
	if (anchor == NULL || IsBinaryUpgrade)
		return AK_WORKER_NONE;
	return start_or_wake(MyDatabaseId, AK_JOB_BIT(job));
}

static uint32 wake_at_commit = 0;	/* AK_JOB_BIT()s */

/*
 * Wakes a job when this transaction has committed.  When it is prepared
 * instead, the work waits for the job's own period.
 */
void
ak_worker_wake_at_commit(AkJobNumber job)
{
	/* attached now, since at commit nothing may fail */
	anchor = ak_anchor();
	wake_at_commit |= AK_JOB_BIT(job);
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	uint32		woken = wake_at_commit;

	if (woken == 0 || event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		return;
	wake_at_commit = 0;
	if (event == XACT_EVENT_COMMIT && anchor != NULL && !IsBinaryUpgrade)
		(void) start_or_wake(MyDatabaseId, woken);
}

/* Called once, from _PG_init, after ak_shmem_init(). */
void
ak_worker_init(void)
{
	BackgroundWorker launcher;

	RegisterXactCallback(at_transaction_event, NULL);
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	describe(&launcher, "apikeys launcher", "ak_launcher_main");
	RegisterBackgroundWorker(&launcher);
}

/*
 * ------------------------------------------- for the worker's own process
 */

/*
 * This process is no longer the worker: whoever needs one starts another.
 * Returns false, and it still is, when "unless_woken" and somebody woke a job
 * since ak_worker_take_wakes().
 */
bool
ak_worker_unregister(bool unless_woken)
{
	bool		gone = true;

	LWLockAcquire(&anchor->lock, LW_EXCLUSIVE);
	if (mine != NULL && mine->pid == MyProcPid)
	{
		if (unless_woken && mine->woken != 0)
			gone = false;
		else
			memset(mine, 0, sizeof(*mine));
	}
	LWLockRelease(&anchor->lock);
	return gone;
}

static void
unregister_at_exit(int code, Datum arg)
{
	(void) ak_worker_unregister(false);
}

/*
 * Makes this process the worker of a database; false if it has one.  At exit
 * that ends by itself.
 */
bool
ak_worker_register(Oid database)
{
	AkWorkerEntry *entry;
	bool		registered;

	anchor = ak_anchor();
	if (anchor == NULL)
		return false;
	LWLockAcquire(&anchor->lock, LW_EXCLUSIVE);
	entry = entry_of(database);
	if (entry == NULL)
		entry = entry_of(InvalidOid);
	registered = entry != NULL && entry->pid == 0;
	if (registered)
	{
		if (entry->database != database)
			entry->woken = 0;
		entry->database = database;
		entry->since = ak_ticks();
		entry->latch = MyLatch;
		entry->pid = MyProcPid;
		mine = entry;
	}
	LWLockRelease(&anchor->lock);
	if (registered)
		before_shmem_exit(unregister_at_exit, (Datum) 0);
	return registered;
}

/* The jobs that were woken since the last call, as AK_JOB_BIT()s. */
uint32
ak_worker_take_wakes(void)
{
	uint32		woken;

	LWLockAcquire(&anchor->lock, LW_EXCLUSIVE);
	woken = mine->woken;
	mine->woken = 0;
	LWLockRelease(&anchor->lock);
	return woken;
}

/*
 * ------------------------------------------------------------ the launcher
 */

/* The databases that one can connect to: a list of OIDs in the current context. */
static List *
list_databases(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *databases = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (database->datallowconn && !database->datistemplate)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			databases = lappend_oid(databases, database->oid);
			MemoryContextSwitchTo(old);
		}
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return databases;
}

/*
 * Main function of the launcher, which a preloaded library starts with the
 * server: it starts a worker in each database, one after the other, so that
 * they do not take all worker slots at once, and ends.
 */
void
ak_launcher_main(Datum arg)
{
	ListCell   *cell;
	List	   *databases;

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	anchor = ak_anchor();
	if (anchor == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	databases = list_databases();
	foreach(cell, databases)
	{
		Oid			database = lfirst_oid(cell);

		(void) start_or_wake(database, 0);
		/* until it came; one that finds no extension is gone soon after */
		for (int i = 0; i < START_MS / 50 && !ShutdownRequestPending; i++)
		{
			AkWorkerEntry *entry;
			bool		coming;

			LWLockAcquire(&anchor->lock, LW_SHARED);
			entry = entry_of(database);
			coming = entry != NULL && entry->pid == 0;
			LWLockRelease(&anchor->lock);
			if (!coming)
				break;
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
		}
		if (ShutdownRequestPending)
			break;
	}
	proc_exit(0);
}
