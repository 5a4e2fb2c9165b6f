/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  Background jobs.  See worker.c.
 *
 * One worker serves a database: it runs the jobs of the table in apikeys.c, one
 * after the other.  To add a job, write
 *
 *		AkJobNext my_job(void);
 *
 * add it to that table, and its number to AkJobNumber below.  A job runs when the
 * worker starts, if it has a period, then once every period, at the time for which
 * its last run asked, and when it is woken (ak_worker_wake(),
 * ak_worker_wake_at_commit()).  It works in transactions of its own, as many as it
 * needs:
 *
 *		if (!ak_job_begin())		the extension has been dropped
 *			return AK_JOB_IDLE;
 *		... SPI and ak_query(), as the owner of our tables ...
 *		ak_job_commit();
 *
 * and holds no transaction open while it waits for an external service.  An error
 * in a job is logged, its transaction is rolled back, and it runs again after a
 * delay that grows with each failure in a row.  Before a job that was woken runs, it
 * rests nine times as long as its last run kept a processor busy, ten seconds at
 * most, so that it takes about a tenth of a processor.
 *
 * A long job calls ak_worker_must_stop() regularly and returns if that is true: the
 * server is being stopped, or the database is to be dropped, renamed or copied.
 * Outside of a transaction, that call lets flushes run.  A statement is cancelled
 * after 4 s, since DROP DATABASE gives up after 5 s: jobs work in batches, and call
 * this or ak_job_go_on() between them.  Jobs run on a standby only after its
 * promotion.
 *
 * A job's result says when it wants to run next and whether the worker must
 * stay for it: see AkJobNext.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_WORKER_H
#define AK_WORKER_H

#include "core/clock.h"

/* The jobs, in the order in which they run if several are due */
typedef enum AkJobNumber
{
	AK_JOB_FLUSH,
	AK_JOB_LIMITS,
	AK_JOB_MAIL,
	AK_JOB_USAGE_RETENTION,
	AK_JOB_AUDIT_RETENTION,
	AK_JOB_ACCESS,
	AK_JOB_KEY_TOTALS,
	AK_JOB_SEQUENCER,
	AK_JOB_CHECKPOINT,
	AK_JOB_CHECKPOINT_LOG
} AkJobNumber;

#define AK_JOB_COUNT (AK_JOB_CHECKPOINT_LOG + 1)
/* A woken job is a bit in the worker's entry in shared memory */
#define AK_JOB_BIT(number) ((uint32) 1 << (number))

/*
 * When a job is to run next.  With pending work the worker stays even if no
 * session is connected to its database; else it exits after a while, and the
 * next use of the extension starts another one.
 */
typedef struct AkJobNext
{
	int delay_ms; /* -1: at its period, or when woken */
	bool pending; /* true if there is work left */
} AkJobNext;

/* Nothing to do until woken, or until the job's period */
#define AK_JOB_IDLE ((AkJobNext){.delay_ms = -1, .pending = false})
/* More to do in "ms" milliseconds; 0: at once */
#define AK_JOB_PENDING(ms) ((AkJobNext){.delay_ms = (ms), .pending = true})

/* A job */
typedef struct AkJob
{
	const char *name; /* for pg_stat_activity and errors */
	AkJobNext (*run)(void);
	const int *period_ms; /* the longest time between two runs; NULL: only when woken or asked for */
	bool at_end;          /* also runs when the worker ends */
} AkJob;

/* What the worker does; defined in apikeys.c */
typedef struct AkWorkerPlan
{
	AkJob jobs[AK_JOB_COUNT];
	/* called often in the worker, for work that cannot wait for a job; returns jobs to wake, as AK_JOB_BIT()s */
	uint32 (*tend)(void);
	/* called in a session, any number of times, as long as it does not know of a running worker for its database */
	void (*unattended)(void);
} AkWorkerPlan;

/* State of the current database's worker; before AK_WORKER_WAITING: there is none, and none will come soon */
typedef enum AkWorkerState
{
	AK_WORKER_NONE,    /* not started: no shared memory, or a single-user server */
	AK_WORKER_NO_SLOT, /* max_worker_processes, or the number of databases, is exhausted */
	AK_WORKER_REFUSED, /* it could not connect to the database */
	AK_WORKER_WAITING, /* apikeys.max_workers serve other databases */
	AK_WORKER_STARTING,
	AK_WORKER_RUNNING
} AkWorkerState;

extern void ak_worker_init(const AkWorkerPlan *plan);

/* For sessions.  None of them raises. */
extern AkWorkerState ak_worker_ensure(void);
extern bool ak_worker_is_away(bool stopping);
extern AkWorkerState ak_worker_wake(AkJobNumber job);
extern void ak_worker_nudge(void);
extern void ak_worker_wake_at_commit(AkJobNumber job);

/* For the worker's own process */
extern bool ak_worker_is_me(void);
extern bool ak_worker_register(Oid database);
extern void ak_worker_connected(void);
extern void ak_worker_first_due(AkTicks *job_due);
extern bool ak_worker_others_wait(void);
extern bool ak_worker_hand_over(const AkTicks *job_due);
extern bool ak_worker_unregister(bool unless_woken);
extern void ak_worker_succeed(void);
extern uint32 ak_worker_take_wakes(void);
extern bool ak_worker_is_woken(void);

/* The plan; in worker.c */
extern const AkWorkerPlan *ak_worker_plan;

/* For jobs; in jobs.c */
extern bool ak_job_begin(void);
extern void ak_job_commit(void);
extern bool ak_job_acts(void);
extern void ak_job_go_on(void);
extern bool ak_worker_must_stop(void);

#endif /* AK_WORKER_H */
