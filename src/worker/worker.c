/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  When a database has a background worker, which flushes usage and runs the
 *	  other jobs.
 *
 * A worker starts when a session uses the extension in its database, or, with
 * shared_preload_libraries = 'apikeys', when the server starts: a launcher then
 * starts one in every database, and those that find no extension exit.  After a
 * crash of the server, PostgreSQL restarts the workers that ran.  Without
 * preload, the first use after a restart of the server starts the worker.
 *
 * It must not block other commands.  While it is connected, DROP DATABASE,
 * ALTER DATABASE RENAME and CREATE DATABASE ... TEMPLATE would fail; but they
 * lock the database before they wait, up to five seconds, for other sessions to
 * end.  So the worker checks every second whether such a lock is held, and
 * exits.  It also exits when it has been alone for a while with nothing to do.
 *
 * There are at most apikeys.max_workers, and databases have them in turn.  A
 * database without one waits, with the time at which its first job is due.  Each
 * worker checks every second whether another database is due, and no further worker
 * may be started for it.  If so, then as soon as none of its own jobs is due, it
 * records when they will be, starts a worker for the database that has been due
 * longest, and exits.  While a database waits, at least one worker runs, to check
 * this.  The sessions of a waiting database flush their last counts when they end
 * (exitflush.c), since no worker would do so at a shutdown.
 *
 * A worker that ends by itself exits with 0, so PostgreSQL does not restart it.
 * After pg_terminate_backend() it starts a successor.  After an error or a crash
 * PostgreSQL restarts it once a minute, forever, even if its library is gone.  So
 * if it cannot connect, it exits with 0 as well: its database was dropped, or does
 * not allow connections any more.  Sessions may still use the latter; they try again
 * to start a worker, but not with each request, and nobody else does.
 *
 * On a standby it runs, and runs its jobs after the promotion.
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

/* After a failure to start a worker, or its failure to connect, the delay until the next attempt */
#define RETRY_MS 10000

/* While the database waits for its turn, how often a session asks for a worker */
#define LOOK_AGAIN_MS 1000

/* A worker that does not run this long after its registration is started anew */
#define START_MS 10000

/* How long PostgreSQL waits to restart a worker after an error; after a crash of the server it does not wait */
#define RESTART_SECONDS 60

const AkWorkerPlan *ak_worker_plan;

static AkAnchor *the_anchor = NULL;
static bool am_worker = false;         /* this process is a worker */
static bool is_connected = false;      /* this process is a worker, and connected to its database */
static AkWorkerEntry *my_entry = NULL; /* this database's entry, as last seen */

/*
 * ------------------------------------------------------------ for backends
 */

static void
describe_worker(BackgroundWorker *worker, const char *type, const char *function)
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

/* Returns the entry of a database, or NULL.  The caller holds the lock. */
static AkWorkerEntry *
entry_of(Oid database)
{
	for (int i = 0; i < the_anchor->max_workers; i++)
		if (the_anchor->workers[i].database == database)
			return &the_anchor->workers[i];
	return NULL;
}

/*
 * Returns the entry of a database, made if there was none; NULL if all are in use by
 * others.  The entry of a database whose worker could not connect is not in use: the
 * database may be gone.  The caller holds the lock.
 */
static AkWorkerEntry *
entry_for(Oid database, AkTicks now)
{
	AkWorkerEntry *entry = entry_of(database);

	if (entry != NULL)
		return entry;
	entry = entry_of(InvalidOid);
	for (int i = 0; i < the_anchor->max_workers && entry == NULL; i++)
		if (the_anchor->workers[i].refused)
			entry = &the_anchor->workers[i];
	if (entry != NULL)
		*entry = (AkWorkerEntry){.database = database, .waiting = true, .due = now};
	return entry;
}

/* Returns true if the entry's worker is being started. */
static bool
is_starting(const AkWorkerEntry *entry, AkTicks now)
{
	return !entry->waiting && entry->pid == 0 && now < entry->since + AK_TICKS_OF_MS(START_MS);
}

/* Returns the number of workers that run or are being started.  The caller holds the lock. */
static int
count_workers(AkTicks now)
{
	int count = 0;

	for (int i = 0; i < the_anchor->max_workers; i++)
		if (the_anchor->workers[i].database != InvalidOid &&
			(the_anchor->workers[i].pid != 0 || is_starting(&the_anchor->workers[i], now)))
			count++;
	return count;
}

/*
 * Returns the waiting database whose due time is the earliest; NULL if none waits, but
 * for those that refused their worker.  The caller holds the lock.
 */
static AkWorkerEntry *
next_in_turn(void)
{
	AkWorkerEntry *next = NULL;

	for (int i = 0; i < the_anchor->max_workers; i++)
	{
		AkWorkerEntry *entry = &the_anchor->workers[i];

		if (entry->database != InvalidOid && entry->waiting && !entry->refused &&
			(next == NULL || entry->due < next->due))
			next = entry;
	}
	return next;
}

/*
 * Starts workers for the databases that are due, up to apikeys.max_workers; if
 * no worker runs, also for the next one that is not due yet.  The caller holds
 * the lock.
 */
static void
start_waiting(AkTicks now)
{
	AkWorkerEntry *entry;
	int count = count_workers(now);

	while (count < ak_guc_max_workers && (entry = next_in_turn()) != NULL && (entry->due <= now || count == 0))
	{
		BackgroundWorker worker;

		describe_worker(&worker, "apikeys worker", "ak_worker_main");
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
 * Ensures that a database has a worker or waits for one, and wakes the jobs in
 * "woken" (AK_JOB_BIT()s).  Returns the worker's state.  Does not raise.
 */
static AkWorkerState
start_or_wake(Oid database, uint32 woken)
{
	AkWorkerEntry *entry;
	AkWorkerState state = AK_WORKER_NO_SLOT;
	AkTicks now = ak_ticks();

	LWLockAcquire(&the_anchor->lock, LW_EXCLUSIVE);
	entry = entry_for(database, now);
	if (entry != NULL)
	{
		if (entry->refused && now >= entry->since + AK_TICKS_OF_MS(RETRY_MS))
			entry->refused = false;
		/* it was started, but did not register in time */
		if (entry->pid == 0 && !is_starting(entry, now))
			entry->waiting = true;
		/* nothing to do if they are woken already */
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
		else if (entry->refused)
			state = AK_WORKER_REFUSED;
		else if (!entry->waiting)
			state = AK_WORKER_STARTING;
		else if (count_workers(now) > 0)
			state = AK_WORKER_WAITING;
	}
	if (database == MyDatabaseId)
		my_entry = entry;
	LWLockRelease(&the_anchor->lock);
	return state;
}

/*
 * Ensures that the current database has a worker or waits for one, and returns the
 * worker's state.  Cheap enough for every request: while the worker runs, this only
 * reads its entry in shared memory.  Does not raise.
 */
AkWorkerState
ak_worker_ensure(void)
{
	static AkTicks retry_at = 0;
	static AkWorkerState state = AK_WORKER_NONE;
	AkTicks now;

	if (likely(my_entry != NULL && my_entry->database == MyDatabaseId && my_entry->pid != 0))
		return AK_WORKER_RUNNING;
	ak_worker_plan->unattended();
	the_anchor = ak_anchor();
	if (the_anchor == NULL || IsBinaryUpgrade)
		return AK_WORKER_NONE;
	now = ak_ticks();
	if (now < retry_at)
		return state;
	state = start_or_wake(MyDatabaseId, 0);
	if (state == AK_WORKER_NO_SLOT)
		retry_at = now + AK_TICKS_OF_MS(RETRY_MS);
	else if (state == AK_WORKER_WAITING || state == AK_WORKER_REFUSED)
		retry_at = now + AK_TICKS_OF_MS(LOOK_AGAIN_MS);
	return state;
}

/*
 * Returns true if the current database has no worker, and none is being started.
 * With "stopping", one that is being started does not count: the server is stopping,
 * and it will not run.
 */
bool
ak_worker_is_away(bool stopping)
{
	AkWorkerEntry *entry;
	bool away;

	if (the_anchor == NULL)
		return true;
	LWLockAcquire(&the_anchor->lock, LW_SHARED);
	entry = entry_of(MyDatabaseId);
	away = entry == NULL || (entry->pid == 0 && (stopping || !is_starting(entry, ak_ticks())));
	LWLockRelease(&the_anchor->lock);
	return away;
}

/*
 * Wakes the running workers of all databases: each then calls the plan's tend(),
 * which grows the memory for usage.  Does not raise.
 */
void
ak_worker_nudge(void)
{
	(void) ak_worker_ensure();
	if (the_anchor == NULL)
		return;
	LWLockAcquire(&the_anchor->lock, LW_SHARED);
	for (int i = 0; i < the_anchor->max_workers; i++)
		if (the_anchor->workers[i].database != InvalidOid && the_anchor->workers[i].pid != 0)
			SetLatch(the_anchor->workers[i].latch);
	LWLockRelease(&the_anchor->lock);
}

/*
 * Wakes a job at once, for work that other transactions have committed, and returns
 * the worker's state.  Does not raise.
 */
AkWorkerState
ak_worker_wake(AkJobNumber job)
{
	AkWorkerState state = ak_worker_ensure();

	if (the_anchor == NULL || IsBinaryUpgrade)
		return state;
	return start_or_wake(MyDatabaseId, AK_JOB_BIT(job));
}

static uint32 wake_at_commit = 0; /* AK_JOB_BIT()s */

/*
 * Wakes a job when this transaction has committed, since the job would not see its
 * changes before.  If the transaction is prepared instead, the work waits for the
 * job's own period.
 */
void
ak_worker_wake_at_commit(AkJobNumber job)
{
	/* attached now, since nothing may fail at commit */
	the_anchor = ak_anchor();
	wake_at_commit |= AK_JOB_BIT(job);
}

static void
at_transaction_event(XactEvent event, void *arg)
{
	uint32 woken = wake_at_commit;

	if (woken == 0 || event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		return;
	wake_at_commit = 0;
	if (event == XACT_EVENT_COMMIT && the_anchor != NULL && !IsBinaryUpgrade)
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
	describe_worker(&launcher, "apikeys launcher", "ak_launcher_main");
	RegisterBackgroundWorker(&launcher);
}

/*
 * ------------------------------------------- for the worker's own process
 */

/*
 * Gives up this process's role as the worker; the next use of the extension starts
 * another one.  With "unless_woken", does nothing and returns false if a job was
 * woken since the last ak_worker_take_wakes().
 */
bool
ak_worker_unregister(bool unless_woken)
{
	bool gone = true;

	LWLockAcquire(&the_anchor->lock, LW_EXCLUSIVE);
	if (my_entry != NULL && my_entry->pid == MyProcPid)
	{
		if (unless_woken && my_entry->woken != 0)
			gone = false;
		else
		{
			memset(my_entry, 0, sizeof(*my_entry));
			start_waiting(ak_ticks());
		}
	}
	LWLockRelease(&the_anchor->lock);
	return gone;
}

/* Returns in job_due[] when each job is due, as the previous worker recorded; 0: at once. */
void
ak_worker_first_due(AkTicks *job_due)
{
	memcpy(job_due, my_entry->job_due, sizeof(my_entry->job_due));
}

/* Starts workers for databases that are due.  Returns true if one is left for which no further worker may be started. */
bool
ak_worker_others_wait(void)
{
	AkTicks now = ak_ticks();
	AkWorkerEntry *next;
	bool others;

	LWLockAcquire(&the_anchor->lock, LW_EXCLUSIVE);
	start_waiting(now);
	next = next_in_turn();
	others = next != NULL && next->due <= now && count_workers(now) >= ak_guc_max_workers;
	LWLockRelease(&the_anchor->lock);
	return others;
}

/*
 * Gives up this process's role as the worker, and lets its database wait until the
 * first of its jobs is due.  Does nothing and returns false if a job was woken since
 * the last ak_worker_take_wakes().
 */
bool
ak_worker_hand_over(const AkTicks *job_due)
{
	bool gone = false;

	LWLockAcquire(&the_anchor->lock, LW_EXCLUSIVE);
	if (my_entry->pid == MyProcPid && my_entry->woken == 0)
	{
		my_entry->pid = 0;
		my_entry->latch = NULL;
		my_entry->waiting = true;
		my_entry->due = AK_TICKS_NEVER;
		memcpy(my_entry->job_due, job_due, sizeof(my_entry->job_due));
		for (int i = 0; i < AK_JOB_COUNT; i++)
			my_entry->due = Min(my_entry->due, job_due[i]);
		start_waiting(ak_ticks());
		gone = true;
	}
	LWLockRelease(&the_anchor->lock);
	return gone;
}

/* Starts a successor of this process, which was terminated and has given up its role.  While the server stops, it does not start. */
void
ak_worker_succeed(void)
{
	(void) start_or_wake(MyDatabaseId, 0);
}

/* Gives up this process's role as the worker before it was connected. */
static void
note_refusal(void)
{
	AkTicks now = ak_ticks();

	LWLockAcquire(&the_anchor->lock, LW_EXCLUSIVE);
	if (my_entry->pid == MyProcPid)
		*my_entry =
			(AkWorkerEntry){.database = my_entry->database, .waiting = true, .refused = true, .since = now, .due = now};
	start_waiting(now);
	LWLockRelease(&the_anchor->lock);
}

static void
unregister_at_exit(int code, Datum arg)
{
	if (is_connected)
		(void) ak_worker_unregister(false);
	else
		note_refusal();
}

/* Exits with 0 if connecting failed; otherwise PostgreSQL would restart the worker forever. */
static void
give_up_at_exit(int code, Datum arg)
{
	if (!is_connected)
		_exit(0);
}

/*
 * Makes this process the worker of a database until it exits.  Returns false if the
 * database has one, or if apikeys.max_workers run already.
 */
bool
ak_worker_register(Oid database)
{
	AkWorkerEntry *entry;
	AkTicks now = ak_ticks();
	bool registered = false;

	the_anchor = ak_anchor();
	if (the_anchor == NULL)
		return false;
	LWLockAcquire(&the_anchor->lock, LW_EXCLUSIVE);
	/* there may be no entry: PostgreSQL has restarted this worker */
	entry = entry_for(database, now);
	if (entry != NULL && entry->pid == 0 && (is_starting(entry, now) || count_workers(now) < ak_guc_max_workers))
	{
		entry->waiting = entry->refused = false;
		entry->since = now;
		entry->latch = MyLatch;
		entry->pid = MyProcPid;
		my_entry = entry;
		registered = true;
	}
	LWLockRelease(&the_anchor->lock);
	am_worker = true;
	if (registered)
	{
		before_shmem_exit(unregister_at_exit, (Datum) 0);
		on_proc_exit(give_up_at_exit, (Datum) 0);
	}
	return registered;
}

/* Notes that this worker is connected to its database. */
void
ak_worker_connected(void)
{
	is_connected = true;
}

/* Returns true if this process is a worker. */
bool
ak_worker_is_me(void)
{
	return am_worker;
}

/* Returns the jobs woken since the last call, as AK_JOB_BIT()s. */
uint32
ak_worker_take_wakes(void)
{
	uint32 woken;

	LWLockAcquire(&the_anchor->lock, LW_EXCLUSIVE);
	woken = my_entry->woken;
	my_entry->woken = 0;
	LWLockRelease(&the_anchor->lock);
	return woken;
}

/* Returns true if a job was woken since the last ak_worker_take_wakes(). */
bool
ak_worker_is_woken(void)
{
	bool woken;

	LWLockAcquire(&the_anchor->lock, LW_SHARED);
	woken = my_entry->woken != 0;
	LWLockRelease(&the_anchor->lock);
	return woken;
}

/*
 * ------------------------------------------------------------ the launcher
 */

/* Returns the OIDs of the databases that allow connections and are no templates, as a list in the current context. */
static List *
list_databases(void)
{
	MemoryContext context = CurrentMemoryContext;
	List *databases = NIL;
	Relation rel;
	TableScanDesc scan;
	HeapTuple tuple;

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
 * Main function of the launcher, which starts with the server if the library is
 * preloaded: it registers each database for a worker, and exits.  If there are more
 * than can wait at a time, it waits until some were served: those without the
 * extension take little time.
 */
void
ak_launcher_main(Datum arg)
{
	ListCell *cell;
	List *databases;

	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	the_anchor = ak_anchor();
	if (the_anchor == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	databases = list_databases();
	foreach(cell, databases)
	{
		AkTicks until = ak_ticks() + AK_TICKS_OF_MS(START_MS);

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
