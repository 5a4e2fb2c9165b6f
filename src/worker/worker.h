/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  Work in the background.  See worker.c.
 *
 * One worker serves a database: it runs the jobs of the table in apikeys.c, one
 * after the other.  To add one, write
 *
 *		AkJobNext my_job(void);
 *
 * and put it there, and its number into AkJobNumber below.  A job runs when the
 * worker starts, when somebody calls ak_worker_wake() for it, every "period",
 * and when it asked for.  It does its work in transactions of its own, as many
 * as it likes:
 *
 *		if (!ak_job_begin())		the extension is gone: leave it at that
 *			return AK_JOB_IDLE;
 *		... SPI and ak_query(), as the owner of our tables ...
 *		ak_job_commit();
 *
 * and holds no transaction open while it waits for the world outside.  An
 * error in a job is logged, its transaction is rolled back, and it runs again
 * after a while, which grows with each failure in a row.  However often a job
 * is woken, it rests nine times as long as its last run took, so that it takes
 * a tenth of a processor at most.  Long work asks ak_worker_must_stop() now and then and returns
 * when it says so: the server is being stopped, or the database is to be
 * dropped, renamed or copied; meanwhile, outside of a transaction, it lets
 * flushes go on.  A statement is cancelled after 4 s, for DROP DATABASE gives up
 * after 5: jobs work in batches, and call this or ak_job_go_on() between them.  Jobs do not run on a standby; on a server that
 * is promoted they begin to.
 *
 * What a job returns tells when it wants to run next and whether the worker
 * must stay for it: see AkJobNext.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_WORKER_H
#define AK_WORKER_H

#include "core/clock.h"

/* The jobs, in the order in which they run when several are due */
typedef enum AkJobNumber
{
	AK_JOB_FLUSH,
	AK_JOB_LIMITS,
	AK_JOB_MAIL,
	AK_JOB_USAGE_RETENTION,
	AK_JOB_AUDIT_RETENTION,
	AK_JOB_ACCESS
} AkJobNumber;

#define AK_JOB_COUNT		(AK_JOB_ACCESS + 1)
/* In the worker's entry in shared memory, a job that was woken is a bit */
#define AK_JOB_BIT(number)	((uint32) 1 << (number))

/*
 * In how many milliseconds a job is to run again.  With pending work the worker
 * stays although no session is connected to its database; else it leaves after
 * a while, and the next use of the extension starts another one.
 */
typedef struct AkJobNext
{
	int			delay_ms;		/* -1: not before its period, or until woken */
	bool		pending;		/* is there work left to do? */
} AkJobNext;

/* Nothing to do until woken, or until the job's period */
#define AK_JOB_IDLE			((AkJobNext) {.delay_ms = -1,.pending = false})
/* There is more to do, in so many milliseconds; 0: at once */
#define AK_JOB_PENDING(ms)	((AkJobNext) {.delay_ms = (ms),.pending = true})

/* A job */
typedef struct AkJob
{
	const char *name;			/* as activity and in errors */
	AkJobNext	(*run) (void);
	const int  *period_ms;		/* runs at least that often; NULL: when woken or asked for */
	bool		at_end;			/* also runs when the worker ends */
} AkJob;

/* What the worker has to do, which other files know */
typedef struct AkWorkerPlan
{
	AkJob		jobs[AK_JOB_COUNT];
	/* called often in the worker: what cannot wait for a job; returns jobs to be run, as AK_JOB_BIT()s */
	uint32		(*tend) (void);
	/* called in a session, any number of times, when its database has no worker that is known to run */
	void		(*unattended) (void);
} AkWorkerPlan;

/* How it stands with the worker of the current database */
typedef enum AkWorkerState
{
	AK_WORKER_NONE,				/* it was not started: no shared memory, single user */
	AK_WORKER_NO_SLOT,			/* max_worker_processes, or room for databases, is exhausted */
	AK_WORKER_WAITING,			/* apikeys.max_workers serve other databases */
	AK_WORKER_STARTING,
	AK_WORKER_RUNNING
} AkWorkerState;

extern void ak_worker_init(const AkWorkerPlan *plan);

/* For backends.  None of them raises, whatever happens. */
extern AkWorkerState ak_worker_ensure(void);
extern bool ak_worker_is_away(bool stopping);
extern AkWorkerState ak_worker_wake(AkJobNumber job);
extern void ak_worker_nudge(void);
extern void ak_worker_wake_at_commit(AkJobNumber job);

/* For the worker's own process. */
extern bool ak_worker_is_me(void);
extern bool ak_worker_register(Oid database);
extern void ak_worker_first_due(AkTicks *job_due);
extern bool ak_worker_others_wait(void);
extern bool ak_worker_hand_over(const AkTicks *job_due);
extern bool ak_worker_unregister(bool unless_woken);
extern void ak_worker_succeed(void);
extern uint32 ak_worker_take_wakes(void);

/* The plan; in worker.c. */
extern const AkWorkerPlan *ak_worker_plan;

/* For jobs; in jobs.c. */
extern bool ak_job_begin(void);
extern void ak_job_commit(void);
extern bool ak_job_acts(void);
extern void ak_job_go_on(void);
extern bool ak_worker_must_stop(void);

#endif							/* AK_WORKER_H */
