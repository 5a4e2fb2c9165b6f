/*-------------------------------------------------------------------------
 *
 * jobs.c
 *	  The background worker's process: its jobs, and when they run.
 *
 * See worker.h for what a job is, and worker.c for when there is a worker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "core/catalog.h"
#include "core/clock.h"
#include "core/compat.h"
#include "core/query.h"
#include "worker/worker.h"

PGDLLEXPORT void ak_worker_main(Datum arg);

/* How often the worker checks for a promotion, and for commands that need the database without connections */
#define LOOK_MS 1000

/*
 * The time limit of a job's statements until the worker checks again whether a
 * command waits for the database: DROP DATABASE gives up after 5 s.
 */
#define STATEMENT_MS 4000

/* How long the worker stays while there is no other session in the database, and no work */
#define LINGER_MS 30000

/* At a shutdown, how long the worker waits for the other sessions to end before the last flush */
#define LAST_WAIT_MS 3000

/*
 * Delay before a failed job runs again, woken or not; doubled with each failure
 * in a row, up to RETRY_MAX_MS.  After a lock timeout or a serialization failure
 * the job works again before those who wait for the sequencer give up
 * (log/await.c); an error that lasts is logged a few times a minute at most.
 */
#define RETRY_MS     1000
#define RETRY_MAX_MS 80000

/* A job that was woken rests REST times as long as its last run kept a processor busy, but at most REST_MAX_MS */
#define REST        9
#define REST_MAX_MS 10000

/* The state of each job */
static struct
{
	AkTicks last;  /* end of its last run; 0: never ran */
	AkTicks took;  /* processor time of its last run: waiting for a lock is no work */
	AkTicks asked; /* when the job asked to run next */
	bool pending;
	bool woken;
	int failures; /* in a row */
} states[AK_JOB_COUNT];

static int running_job = -1; /* the job that is running */
static AkCaller job_caller;

static AkTicks job_due_at(int number);
static void run_job(int number);

/*
 * ----------------------------------------------------------------- for jobs
 */

/* Returns true if a command holds a lock on our database and waits for all other sessions to leave. */
static bool
database_wanted(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
	/* conflicts with the lock of DROP, RENAME and CREATE ... TEMPLATE */
	if (LockAcquire(&tag, RowExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, RowExclusiveLock, true);
	return false;
}

/* Starts the time limit STATEMENT_MS, if a job is in a transaction. */
static void
limit_statements(void)
{
	if (running_job >= 0 && IsTransactionState())
		enable_timeout_after(STATEMENT_TIMEOUT, STATEMENT_MS);
}

/*
 * To be called between the statements of a long transaction, in a job or not.
 * In a job, raises 57014 if a command waits for the database.
 */
void
ak_job_go_on(void)
{
	if (running_job < 0)
		return;
	CHECK_FOR_INTERRUPTS();
	if (database_wanted())
		ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED), errmsg("the database is to be dropped, renamed or copied")));
	(void) ak_worker_plan->tend();
	limit_statements();
}

/*
 * Returns true if the running job must end.  A job calls this regularly while
 * it waits for an external service; outside of a transaction, flushes run here.
 */
bool
ak_worker_must_stop(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ShutdownRequestPending || database_wanted())
		return true;
	(void) ak_worker_plan->tend();
	limit_statements();
	if (running_job >= 0 && !IsTransactionState() && !RecoveryInProgress())
		for (int i = 0; i < AK_JOB_COUNT; i++)
			if (ak_worker_plan->jobs[i].at_end && i != running_job && job_due_at(i) <= ak_ticks())
				run_job(i);
	return false;
}

/*
 * Starts a transaction of a job: with a snapshot, SPI connected, as the owner
 * of our tables, and with the extension locked against DROP EXTENSION.  That
 * lock is taken before any table's, so that DROP EXTENSION and a job cannot
 * deadlock.  Returns false, in no transaction, if the extension has been
 * dropped.
 *
 * At commit, the worker acts as its own user, a superuser.  A user's trigger,
 * on a table that refers to one of ours, must not run then.  So all constraints
 * are immediate here, and their triggers run with the rights at the event;
 * setting them deferred again raises an error, by the security restriction.
 */
bool
ak_job_begin(void)
{
	ConstraintsSetStmt immediate = {.type = T_ConstraintsSetStmt, .constraints = NIL, .deferred = false};
	Oid extension;

	StartTransactionCommand();
	extension = get_extension_oid("apikeys", true);
	if (OidIsValid(extension))
	{
		LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
		/* it may have been dropped while we waited */
		if (get_extension_oid("apikeys", true) != extension)
			extension = InvalidOid;
	}
	if (!OidIsValid(extension))
	{
		CommitTransactionCommand();
		return false;
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	ak_owner_begin(&job_caller, AK_TO_WORK);
	AfterTriggerSetState(&immediate);
	limit_statements();
	SPI_connect();
	ak_refuse_foreign_actions(false);
	return true;
}

/* Commits the transaction that ak_job_begin() started. */
void
ak_job_commit(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	SPI_finish();
	ak_owner_end(&job_caller);
	PopActiveSnapshot();
	CommitTransactionCommand();
	(void) pgstat_report_stat(true);
}

/* Returns true in the worker's own code of a job, not in a user's trigger or function that the job runs. */
bool
ak_job_acts(void)
{
	return running_job >= 0 && GetUserId() == ak_extension_owner();
}

/*
 * -------------------------------------------------------------- the worker
 */

/*
 * Overrides settings of the server, the database (its owner may have made them)
 * or the worker's user that would break our jobs.
 */
static void
fix_settings(void)
{
	/* not every major version has all of them */
	static const char *const fixed[][2] = {
		/* whose rights apply, and where names are looked up */
		{"role", "none"},
		{"search_path", "pg_catalog, pg_temp"},
		/* an error in a job must not end the worker */
		{"exit_on_error", "off"},
		{"transaction_timeout", "0"},
		/* the meaning of our statements, and what they may read */
		{"standard_conforming_strings", "on"},
		{"transform_null_equals", "off"},
		{"array_nulls", "on"},
		{"restrict_nonsystem_relation_kind", ""},
		/* the text form of values, as in reports and entries */
		{"DateStyle", "ISO, MDY"},
		{"IntervalStyle", "postgres"},
		{"extra_float_digits", "1"},
		{"bytea_output", "hex"},
		/* compiling a job's statements costs more than it saves */
		{"jit", "off"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_deferrable", "off"},
		{"session_replication_role", "origin"},
		{"row_security", "off"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		/* neither a job nor other sessions wait long for each other */
		{"lock_timeout", "2s"},
		/* a commit waits for the local disk, not for a standby */
		{"synchronous_commit", "local"},
		{"apikeys.workspace", ""},
		{"apikeys.actor", ""},
		{"apikeys.team", ""},
		{"apikeys.client", ""},
	};

	for (int i = 0; i < (int) lengthof(fixed); i++)
		if (GetConfigOption(fixed[i][0], true, false) != NULL)
			SetConfigOption(fixed[i][0], fixed[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

static void
job_error_context(void *arg)
{
	errcontext("apikeys worker, job \"%s\"", ((const AkJob *) arg)->name);
}

/* Runs a job; an error is logged. */
static void
run_job(int number)
{
	const AkJob *job = &ak_worker_plan->jobs[number];
	volatile AkJobNext next = AK_JOB_IDLE;
	volatile bool failed = false;
	AkTicks start = ak_processor_ticks();
	int outer = running_job;
	MemoryContext old = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "apikeys job", ALLOCSET_DEFAULT_SIZES);
	ErrorContextCallback error_context = {.previous = error_context_stack,
										  .callback = job_error_context,
										  .arg = unconstify(AkJob *, job)};

	running_job = number;
	states[number].woken = false;
	pgstat_report_activity(STATE_RUNNING, job->name);
	MemoryContextSwitchTo(context);
	error_context_stack = &error_context;
	PG_TRY();
	{
		AkJobNext result = job->run();

		next.delay_ms = result.delay_ms;
		next.pending = result.pending;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		disable_timeout(STATEMENT_TIMEOUT, false);
		QueryCancelPending = false;
		LWLockReleaseAll();
		/* a cancellation for a waiting command is expected: do not log it */
		if (geterrcode() != ERRCODE_QUERY_CANCELED || !database_wanted())
			EmitErrorReport();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		failed = true;
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	error_context_stack = error_context.previous;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	running_job = outer;
	if (running_job >= 0)
		pgstat_report_activity(STATE_RUNNING, ak_worker_plan->jobs[running_job].name);
	else
		pgstat_report_activity(STATE_IDLE, NULL);

	states[number].last = ak_ticks();
	states[number].took = ak_processor_ticks() - start;
	states[number].failures = failed ? states[number].failures + 1 : 0;
	states[number].pending = failed || next.pending;
	states[number].asked = next.delay_ms < 0 ? AK_TICKS_NEVER : states[number].last + AK_TICKS_OF_MS(next.delay_ms);
}

/* Returns when a job is due. */
static AkTicks
job_due_at(int number)
{
	AkTicks last = states[number].last;
	AkTicks when = states[number].asked;

	/* a job without a period does not run when the worker starts, only when it is woken */
	if (last == 0)
		return ak_worker_plan->jobs[number].period_ms != NULL || states[number].woken ? 0 : AK_TICKS_NEVER;
	if (states[number].failures > 0)
		return last + AK_TICKS_OF_MS(Min(RETRY_MS << Min(states[number].failures - 1, 8), RETRY_MAX_MS));
	if (ak_worker_plan->jobs[number].period_ms != NULL)
		when = Min(when, last + AK_TICKS_OF_MS(*ak_worker_plan->jobs[number].period_ms));
	if (states[number].woken)
		when = Min(when, last + Min(REST * states[number].took, AK_TICKS_OF_MS(REST_MAX_MS)));
	return when;
}

/* Returns true if the extension still exists. */
static bool
extension_exists(void)
{
	bool exists;

	StartTransactionCommand();
	exists = OidIsValid(get_extension_oid("apikeys", true));
	CommitTransactionCommand();
	return exists;
}

/*
 * Runs the jobs that are due, or with at_end those that also run when the worker
 * ends.  Returns false if the extension has been dropped.  On a standby, no job
 * runs.
 */
static bool
run_jobs(bool at_end)
{
	bool checked = false;

	for (int i = 0; i < AK_JOB_COUNT; i++)
	{
		if (at_end ? !ak_worker_plan->jobs[i].at_end : job_due_at(i) > ak_ticks())
			continue;
		if (!at_end && ak_worker_must_stop())
			break;
		if (!checked && !extension_exists())
			return false;
		checked = true;
		if (!RecoveryInProgress())
			run_job(i);
	}
	return true;
}

/* Returns true if a job has work left. */
static bool
work_pending(void)
{
	for (int i = 0; i < AK_JOB_COUNT; i++)
		if (states[i].pending || states[i].woken)
			return true;
	return false;
}

/*
 * Waits for the latch, at most until a job is due or for LOOK_MS.  Not if a job was
 * woken: whatever the jobs waited for may have reset the latch.
 */
static void
worker_wait(void)
{
	AkTicks now = ak_ticks();
	AkTicks until = ak_worker_is_woken() ? now : now + AK_TICKS_OF_MS(LOOK_MS);

	if (!RecoveryInProgress())
		for (int i = 0; i < AK_JOB_COUNT; i++)
			until = Min(until, job_due_at(i));
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 until > now ? (until - now + 999) / 1000 : 0, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

/*
 * If another database waits for a worker, and no job is due here now, gives up the
 * role as the worker and returns true.  This database then waits for its next turn,
 * unless it has neither other sessions nor work left.
 */
static bool
turn_is_over(void)
{
	AkTicks job_due[AK_JOB_COUNT];
	AkTicks now = ak_ticks();

	if (RecoveryInProgress() || !ak_worker_others_wait())
		return false;
	for (int i = 0; i < AK_JOB_COUNT; i++)
		if ((job_due[i] = job_due_at(i)) <= now)
			return false;
	if (CountDBBackends(MyDatabaseId) > 1 || work_pending())
		return ak_worker_hand_over(job_due);
	return ak_worker_unregister(true);
}

/* The worker's main loop.  Returns 1 if the worker was terminated, 0 if it is no longer needed. */
static int
worker_work(void)
{
	AkTicks alone_since = AK_TICKS_NEVER;
	AkTicks job_due[AK_JOB_COUNT];

	ak_worker_first_due(job_due);
	for (int i = 0; i < AK_JOB_COUNT; i++)
		if (job_due[i] != 0)
		{
			states[i].last = ak_ticks();
			states[i].asked = job_due[i];
		}
	for (;;)
	{
		uint32 woken;
		AkTicks now;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (database_wanted())
			return 0;
		if (ShutdownRequestPending)
			return 1;

		woken = ak_worker_take_wakes() | ak_worker_plan->tend();
		for (int i = 0; i < AK_JOB_COUNT; i++)
			states[i].woken = states[i].woken || (woken & AK_JOB_BIT(i)) != 0;
		if (!run_jobs(false))
			return 0;

		/* exit after LINGER_MS alone and without work, but not on a standby, where counts wait for the promotion */
		now = ak_ticks();
		if (CountDBBackends(MyDatabaseId) > 1 || work_pending() || RecoveryInProgress())
			alone_since = AK_TICKS_NEVER;
		else if (alone_since == AK_TICKS_NEVER)
			alone_since = now;
		if (turn_is_over() || (alone_since != AK_TICKS_NEVER && now >= alone_since + AK_TICKS_OF_MS(LINGER_MS) &&
							   ak_worker_unregister(true)))
		{
			/*
			 * After the role has been given up: sessions that ended before left their
			 * counts to this worker, and those that end from now on flush them.
			 */
			(void) run_jobs(true);
			return 0;
		}
		worker_wait();
	}
}

/*
 * The last flush after SIGTERM.  At a shutdown, all backends get SIGTERM at the same
 * time, and each counts requests until it ends.  Those that take longer than
 * LAST_WAIT_MS flush their counts themselves: the role is given up first.
 */
static void
last_round(void)
{
	AkTicks until = ak_ticks() + AK_TICKS_OF_MS(LAST_WAIT_MS);

	while (CountDBBackends(MyDatabaseId) > 1 && ak_ticks() < until && !database_wanted())
		pg_usleep(10000L);
	(void) ak_worker_unregister(false);
	if (!database_wanted())
		(void) run_jobs(true);
}

/* Main function of a database's worker; the argument is the database's OID. */
void
ak_worker_main(Datum arg)
{
	Oid database = DatumGetObjectId(arg);

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();

	if (!ak_worker_register(database))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	ak_worker_connected();
	fix_settings();
	pgstat_report_activity(STATE_IDLE, NULL);

	if (worker_work() != 0)
	{
		last_round();
		ak_worker_succeed();
	}
	proc_exit(0);
}
