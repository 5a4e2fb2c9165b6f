/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  The anchor of our shared memory.  See shmem.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SHMEM_H
#define AK_SHMEM_H

#include "port/atomics.h"
#include "storage/dsm.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "core/clock.h"
#include "worker/worker.h"

/* A database that has a worker, or waits for its turn to have one: see worker.c */
typedef struct AkWorkerEntry
{
	Oid			database;		/* InvalidOid: the entry is free */
	int			pid;			/* 0: not running yet */
	AkTicks		since;			/* registered or running since */
	bool		waiting;		/* for its turn; else its worker runs or is being started */
	AkTicks		due;			/* waiting: when the first of its jobs is due */
	AkTicks		job_due[AK_JOB_COUNT];	/* when each was due as the last worker left; 0: at once */
	uint32		woken;			/* the jobs that ak_worker_wake() asked for, as AK_JOB_BIT()s */
	Latch	   *latch;			/* of the running worker */
} AkWorkerEntry;

/* What usage had no memory for, since the server started; see memory.c */
typedef struct AkLosses
{
	pg_atomic_uint64 counts;	/* requests that were not counted */
	pg_atomic_uint64 unlimited; /* requests whose limit could not be kept */
	pg_atomic_uint64 given_up;	/* limits that were forgotten before they were whole */
	pg_atomic_uint64 told;		/* the sum of the three, when the log was told last, */
	pg_atomic_uint64 told_at;	/* an AkTicks */
} AkLosses;

typedef struct AkAnchor
{
	LWLock		lock;			/* protects the workers */
	int			tranche;		/* of our locks */
	LWLock		usage_lock;		/* held by who makes: */
	dsm_handle	usage;			/* the first segment of usage.h's memory; DSM_HANDLE_INVALID until it is made */
	AkLosses	losses;
	int			max_workers;	/* length of workers[]: databases */
	AkWorkerEntry workers[FLEXIBLE_ARRAY_MEMBER];
} AkAnchor;

extern void ak_shmem_init(Size layout);
extern AkAnchor *ak_anchor(void);
extern bool ak_try(void (*call) (void *arg), void *arg, ErrorData **error);

#endif							/* AK_SHMEM_H */
