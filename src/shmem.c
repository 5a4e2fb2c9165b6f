/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  The anchor of our shared memory, made at first use.
 *
 * shared_preload_libraries is not needed: PostgreSQL's main shared memory has
 * some kilobytes to spare, and whoever comes first puts the anchor there.  It
 * is small, and its name carries the number of its layout, so that a backend
 * with an older library, still running after an upgrade, has an anchor of its own.
 * What is big lives in dynamic shared memory that the anchor points to.
 *
 * A crash of any backend makes PostgreSQL start its shared memory anew, and
 * the anchor is gone with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "compat.h"
#include "shmem.h"
#include "usage.h"

#define ANCHOR_NAME "apikeys 3"

/* Databases that have a worker or wait for one; it keeps the anchor small */
#define WORKERS_MAX 64

/* After a failure, do not try again with every request */
#define RETRY_MS 10000

static AkAnchor *anchor = NULL;
static void *usage = NULL;

static int
max_workers(void)
{
	return WORKERS_MAX;
}

static Size
anchor_size(void)
{
	return MAXALIGN(offsetof(AkAnchor, workers) + max_workers() * sizeof(AkWorkerEntry));
}

/* Finds or makes the anchor.  Raises 53200 when there is no room for it. */
static void
attach_anchor(void)
{
	AkAnchor   *found_anchor;
	bool		found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	found_anchor = ShmemInitStruct(ANCHOR_NAME, anchor_size(), &found);
	if (!found)
	{
		memset(found_anchor, 0, anchor_size());
		found_anchor->tranche = LWLockNewTrancheId_compat("apikeys");
		LWLockInitialize(&found_anchor->lock, found_anchor->tranche);
		found_anchor->usage = DSM_HANDLE_INVALID;
		found_anchor->max_workers = max_workers();
	}
	LWLockRelease(AddinShmemInitLock);
	LWLockRegisterTranche_compat(found_anchor->tranche, "apikeys");
	anchor = found_anchor;
}

/*
 * Finds or makes the segment of the counters.  It is made whole, pinned, and
 * never freed, so that later nothing can fail.  Raises what dsm_create() and
 * dsm_attach() raise.
 */
static void
attach_usage(void)
{
	dsm_segment *segment;

	LWLockAcquire(&anchor->lock, LW_EXCLUSIVE);
	if (anchor->usage == DSM_HANDLE_INVALID)
	{
		segment = dsm_create(ak_usage_size(), 0);
		ak_usage_make(dsm_segment_address(segment), anchor->tranche);
		dsm_pin_segment(segment);
		anchor->usage = dsm_segment_handle(segment);
	}
	else
		segment = dsm_attach(anchor->usage);
	LWLockRelease(&anchor->lock);
	if (segment == NULL)
		elog(ERROR, "could not attach to the counters of apikeys");
	dsm_pin_mapping(segment);
	usage = dsm_segment_address(segment);
}

/*
 * Calls a function that may raise, in a subtransaction when there is a
 * transaction; returns whether it did not.
 */
static bool
try(void (*attach) (void))
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	if (!IsTransactionState())
	{
		attach();
		return true;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		attach();
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

/*
 * The anchor; NULL when there is no room for it, or in a single-user server.
 * Never raises in a transaction.  Where nothing may be allocated, as at
 * commit, call it before: then it is remembered.
 */
AkAnchor *
ak_anchor(void)
{
	static AkTicks retry_at = 0;

	if (likely(anchor != NULL))
		return anchor;
	if (!IsUnderPostmaster || ak_ticks() < retry_at)
		return NULL;
	if (!try(attach_anchor))
		retry_at = ak_ticks() + AK_TICKS_OF_MS(RETRY_MS);
	return anchor;
}

/*
 * The counters; NULL when there is no shared memory for them.  To be called in
 * a transaction; does not raise.
 */
void *
ak_usage_segment(void)
{
	static AkTicks retry_at = 0;

	if (likely(usage != NULL))
		return usage;
	if (ak_anchor() == NULL || ak_ticks() < retry_at)
		return NULL;
	if (!try(attach_usage))
		retry_at = ak_ticks() + AK_TICKS_OF_MS(RETRY_MS);
	return usage;
}

static shmem_startup_hook_type prev_startup_hook = NULL;
static shmem_request_hook_type prev_request_hook = NULL;

static void
request(void)
{
	if (prev_request_hook)
		prev_request_hook();
	RequestAddinShmemSpace(anchor_size());
}

/* In the postmaster, whose children inherit the address; and again after a crash. */
static void
startup(void)
{
	if (prev_startup_hook)
		prev_startup_hook();
	attach_anchor();
}

/*
 * Called once, from _PG_init.  A preloaded library has room for its anchor for
 * sure.
 */
void
ak_shmem_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	shmem_request_hook_compat(request, &prev_request_hook);
	prev_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}
