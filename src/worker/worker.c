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
 * There are at most apikeys.max_workers of them, and databases have them in
 * turn.  A database that has none waits, with the time when its first job is
 * due.  Every worker looks each second whether another database's time has come
 * and there is no worker left for it; then, as soon as none of its own jobs is
 * due, it notes when they are, starts a worker for the one that is due longest,
 * and leaves.  While anybody waits, some worker is there to look.  What the
 * sessions of a waiting database counted last they flush themselves as they
 * leave (exitflush.c), for at a stop of the server nobody else would.
 *
 * A worker that ends by itself exits with 0, which makes PostgreSQL forget it.
 * After pg_terminate_backend() it starts a successor.  After an error or a crash
 * PostgreSQL starts it again, for ever, so once a minute: when its library is
 * gone, too.  When it cannot connect, because its database is gone, it exits
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

#include "core/guc.h"
#include "worker/shmem.h"
#include "worker/worker.h"

PGDLLEXPORT void ak_launcher_main(Datum arg);

/* After a failure to start one, do not try with every request */
#define RETRY_MS 10000

/* While others have their turn, a session looks this often */
#define LOOK_AGAIN_MS 1000

/* A worker that was registered and did not come in this time, will not */
#define START_MS 10000

/* When PostgreSQL starts a worker again that did not end by itself; after a crash of the server it does so at once */
#define RESTART_SECONDS 60

const AkWorkerPlan *ak_worker_plan;

static AkAnchor *anchor = NULL;
static bool am_worker = false;	/* this process is one */
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

/* Is its worker on its way? */
static bool
is_starting(const AkWorkerEntry *entry, AkTicks now)
{
	return !entry->waiting && entry->pid == 0 && now < entry->since + AK_TICKS_OF_MS(START_MS);
}

/* How many workers there are, or are to come.  The lock is held. */
static int
count_workers(AkTicks now)
{
	int			count = 0;

	for (int i = 0; i < anchor->max_workers; i++)
		if (anchor->workers[i].database != InvalidOid &&
			(anchor->workers[i].pid != 0 || is_starting(&anchor->workers[i], now)))
			count++;
	return count;
}

/* The waiting database whose jobs are due longest, or will be first; NULL if none waits.  The lock is held. */
static AkWorkerEntry *
next_in_turn(void)
{
	AkWorkerEntry *next = NULL;

	for (int i = 0; i < anchor->max_workers; i++)
	{
		AkWorkerEntry *entry = &anchor->workers[i];

		if (entry->database != InvalidOid && entry->waiting && (next == NULL || entry->due < next->due))
			next = entry;
	}
	return next;
}

/*
 * Starts workers for the databases that are due, as many as there may be; one
 * in any case while somebody waits.  The lock is held.
 */
static void
start_waiting(AkTicks now)
{
	AkWorkerEntry *entry;
	int			count = count_workers(now);

	while (count < ak_guc_max_workers && (entry = next_in_turn()) != NULL && (entry->due <= now || count == 0))
	{
		BackgroundWorker worker;

		describe(&worker, "apikeys worker", "ak_worker_main");
		worker.bgw_restart_time = RESTART_SECONDS;
		worker.bgw_main_arg = ObjectIdGetDatum(entry->database);
		if (!RegisterDynamicBackgroundWorker(&worker, NULL))
			break;
		entry->waiting = false;
		entry->since = now;
		count++;
	}
}

/*
 * Sees to it that a database has a worker, or its turn to have one, and returns
 * how it stands; has it run the jobs in "woken" (AK_JOB_BIT()s).  Raises nothing.
 */
static AkWorkerState
start_or_wake(Oid database, uint32 woken)
{
	AkWorkerEntry *entry;
	AkWorkerState state = AK_WORKER_NO_SLOT;
	AkTicks		now = ak_ticks();

	LWLockAcquire(&anchor->lock, LW_EXCLUSIVE);
	entry = entry_of(database);
	if (entry == NULL && (entry = entry_of(InvalidOid)) != NULL)
		*entry = (AkWorkerEntry) {.database = database,.waiting = true,.due = now};
	if (entry != NULL)
	{
		/* it was started, and never came */
		if (entry->pid == 0 && !is_starting(entry, now))
			entry->waiting = true;
		/* who finds its job woken already need not do so again */
		if ((entry->woken & woken) != woken)
		{
			entry->woken |= woken;
			entry->due = Min(entry->due, now);
			if (entry->pid != 0)
				SetLatch(entry->latch);
		}
		if (entry->waiting)
			start_waiting(now);
		if (entry->pid != 0)
			state = AK_WORKER_RUNNING;
		else if (!entry->waiting)
			state = AK_WORKER_STARTING;
		else if (count_workers(now) > 0)
			state = AK_WORKER_WAITING;
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
	static AkWorkerState state = AK_WORKER_NONE;
	AkTicks		now;

	if (likely(mine != NULL && mine->database == MyDatabaseId && mine->pid != 0))
		return AK_WORKER_RUNNING;
	ak_worker_plan->unattended();
	anchor = ak_anchor();
	if (anchor == NULL || IsBinaryUpgrade)
		return AK_WORKER_NONE;
	now = ak_ticks();
	if (now < retry_at)
		return state;
	state = start_or_wake(MyDatabaseId, 0);
	if (state == AK_WORKER_NO_SLOT || state == AK_WORKER_WAITING)
		retry_at = now + AK_TICKS_OF_MS(state == AK_WORKER_WAITING ? LOOK_AGAIN_MS : RETRY_MS);
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

/*
 * Has the current database no worker now, nor one that is being started?  At a
 * stop of the server that one will not come any more.
 */
bool
ak_worker_is_away(bool stopping)
{
	AkWorkerEntry *entry;
	bool		away;

	if (anchor == NULL)
		return true;
	LWLockAcquire(&anchor->lock, LW_SHARED);
	entry = entry_of(MyDatabaseId);
	away = entry == NULL || (entry->pid == 0 && (stopping || !is_starting(entry, ak_ticks())));
	LWLockRelease(&anchor->lock);
	return away;
}

/*
 * Has the workers that there are, of whatever database, look after the memory
 * for usage: see the plan's "tend".
 */
void
ak_worker_nudge(void)
{
	(void) ak_worker_ensure();
	if (anchor == NULL)
		return;
	LWLockAcquire(&anchor->lock, LW_SHARED);
	for (int i = 0; i < anchor->max_workers; i++)
		if (anchor->workers[i].database != InvalidOid && anchor->workers[i].pid != 0)
			SetLatch(anchor->workers[i].latch);
	LWLockRelease(&anchor->lock);
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
ak_worker_init(const AkWorkerPlan *plan)
{
	BackgroundWorker launcher;

	ak_worker_plan = plan;
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
		{
			memset(mine, 0, sizeof(*mine));
			start_waiting(ak_ticks());
		}
	}
	LWLockRelease(&anchor->lock);
	return gone;
}

/* When each job is due, as the worker before this one left it; 0: at once. */
void
ak_worker_first_due(AkTicks *job_due)
{
	memcpy(job_due, mine->job_due, sizeof(mine->job_due));
}

/* Is another database due, and no worker left for it? */
bool
ak_worker_others_wait(void)
{
	AkTicks		now = ak_ticks();
	AkWorkerEntry *next;
	bool		others;

	LWLockAcquire(&anchor->lock, LW_EXCLUSIVE);
	start_waiting(now);
	next = next_in_turn();
	others = next != NULL && next->due <= now && count_workers(now) >= ak_guc_max_workers;
	LWLockRelease(&anchor->lock);
	return others;
}

/*
 * This process is no longer the worker; its database waits until the first of
 * its jobs is due.  Returns false, and it still is, when somebody woke a job
 * since ak_worker_take_wakes().
 */
bool
ak_worker_hand_over(const AkTicks *job_due)
{
	bool		gone = false;

	LWLockAcquire(&anchor->lock, LW_EXCLUSIVE);
	if (mine->pid == MyProcPid && mine->woken == 0)
	{
		mine->pid = 0;
		mine->latch = NULL;
		mine->waiting = true;
		mine->due = AK_TICKS_NEVER;
		memcpy(mine->job_due, job_due, sizeof(mine->job_due));
		for (int i = 0; i < AK_JOB_COUNT; i++)
			mine->due = Min(mine->due, job_due[i]);
		start_waiting(ak_ticks());
		gone = true;
	}
	LWLockRelease(&anchor->lock);
	return gone;
}

/* This process was told to end: another one takes over, unless the server stops. */
void
ak_worker_succeed(void)
{
	(void) ak_worker_unregister(false);
	(void) start_or_wake(MyDatabaseId, 0);
}

static void
unregister_at_exit(int code, Datum arg)
{
	(void) ak_worker_unregister(false);
}

/*
 * Makes this process the worker of a database; false if it has one, or waits
 * for its turn.  At exit that ends by itself.
 */
bool
ak_worker_register(Oid database)
{
	AkWorkerEntry *entry;
	AkTicks		now = ak_ticks();
	bool		registered = false;

	anchor = ak_anchor();
	if (anchor == NULL)
		return false;
	LWLockAcquire(&anchor->lock, LW_EXCLUSIVE);
	entry = entry_of(database);
	/* PostgreSQL started it again */
	if (entry == NULL && (entry = entry_of(InvalidOid)) != NULL)
		*entry = (AkWorkerEntry) {.database = database,.waiting = true,.due = now};
	if (entry != NULL && entry->pid == 0 &&
		(is_starting(entry, now) || count_workers(now) < ak_guc_max_workers))
	{
		entry->waiting = false;
		entry->since = now;
		entry->latch = MyLatch;
		entry->pid = MyProcPid;
		mine = entry;
		registered = true;
	}
	LWLockRelease(&anchor->lock);
	am_worker = true;
	if (registered)
		before_shmem_exit(unregister_at_exit, (Datum) 0);
	return registered;
}

/* Is this process a worker? */
bool
ak_worker_is_me(void)
{
	return am_worker;
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
 * server: it has all databases wait for a worker, and ends.  Where they are more
 * than can wait at a time, the first ones have to be served before: those that
 * have no extension are gone soon.
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
		AkTicks		until = ak_ticks() + AK_TICKS_OF_MS(START_MS);

		while (start_or_wake(lfirst_oid(cell), 0) == AK_WORKER_NO_SLOT && ak_ticks() < until && !ShutdownRequestPending)
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 50, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
		if (ShutdownRequestPending)
			break;
	}
	proc_exit(0);
}
