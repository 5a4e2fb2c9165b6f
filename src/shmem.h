/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  The anchor of our shared memory.  See shmem.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SHMEM_H
#define AK_SHMEM_H

#include "storage/dsm.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "clock.h"
#include "worker.h"

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

typedef struct AkAnchor
{
	LWLock		lock;			/* protects all that follows */
	int			tranche;		/* of our locks */
	dsm_handle	usage;			/* the counters; DSM_HANDLE_INVALID until they are made */
	int			max_workers;	/* length of workers[]: databases */
	AkWorkerEntry workers[FLEXIBLE_ARRAY_MEMBER];
} AkAnchor;

extern void ak_shmem_init(void);
extern AkAnchor *ak_anchor(void);
extern void *ak_usage_segment(void);

#endif							/* AK_SHMEM_H */
