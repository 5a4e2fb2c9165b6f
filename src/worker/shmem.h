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
	Oid database;                  /* InvalidOid: the entry is free */
	int pid;                       /* 0: not running yet */
	AkTicks since;                 /* time of registration or start */
	bool waiting;                  /* for its turn; if not, its worker runs or is being started */
	bool refused;                  /* waiting, because the last worker could not connect, at "since" */
	AkTicks due;                   /* while waiting: when the first of its jobs is due */
	AkTicks job_due[AK_JOB_COUNT]; /* of each job, when the last worker left; 0: at once */
	uint32 woken;                  /* the jobs requested by ak_worker_wake_at_commit(), as AK_JOB_BIT()s */
	Latch *latch;                  /* the running worker's */
} AkWorkerEntry;

/* What found no room in memory since the server started; see AkLoss in usage/memory.h */
typedef struct AkLosses
{
	pg_atomic_uint64 counts;    /* requests that were not counted */
	pg_atomic_uint64 unlimited; /* requests whose limit found no room */
	pg_atomic_uint64 given_up;  /* limits that were given up before they were replenished */
	pg_atomic_uint64 told;      /* sum of the three when they were last logged */
	pg_atomic_uint64 told_at;   /* when they were last logged, an AkTicks */
} AkLosses;

typedef struct AkAnchor
{
	LWLock lock;       /* protects workers[] */
	int tranche;       /* of our locks */
	LWLock usage_lock; /* held while the memory is created or attached */
	dsm_handle usage;  /* first segment of memory.h's memory; DSM_HANDLE_INVALID until it is created */
	AkLosses losses;
	int max_workers; /* length of workers[] */
	AkWorkerEntry workers[FLEXIBLE_ARRAY_MEMBER];
} AkAnchor;

extern void ak_shmem_init(Size layout);
extern AkAnchor *ak_anchor(void);
extern bool ak_try(void (*call)(void *arg), void *arg, ErrorData **error);

#endif /* AK_SHMEM_H */
