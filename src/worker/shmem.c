/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  The anchor of our shared memory, created at first use.
 *
 * shared_preload_libraries is not needed: PostgreSQL's main shared memory has some
 * kilobytes to spare, in which the first process that needs the anchor makes it.
 * Its name contains a fingerprint of all layouts, so that a backend with another
 * build of the library, still running after an upgrade, has its own anchor and does
 * not touch ours.  Large structures are in dynamic shared memory, to which the
 * anchor points (memory.c).
 *
 * After a crash of any backend, PostgreSQL reinitializes its shared memory, and
 * the anchor is lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "core/compat.h"
#include "worker/shmem.h"

/* Version of all structures in shared memory: increment it if a change does not change their size */
#define LAYOUT 5

/* Databases that have a worker or wait for one; the limit keeps the anchor small */
#define WORKERS_MAX 64

/* After a failure, the delay until the next attempt */
#define RETRY_MS 10000

static AkAnchor *the_anchor = NULL;
static Size memory_layout; /* fingerprint of the memory that the anchor points to */

static Size
anchor_size(void)
{
	return MAXALIGN(offsetof(AkAnchor, workers) + WORKERS_MAX * sizeof(AkWorkerEntry));
}

/*
 * Returns the anchor's name.  Most changes of a layout change it even if LAYOUT was
 * not incremented, and so does another size of the server's own structures.
 */
static const char *
anchor_name(void)
{
	static char name[32];
	const Size sizes[] = {LAYOUT, sizeof(AkAnchor), sizeof(AkWorkerEntry), memory_layout};

	snprintf(name, sizeof(name), "apikeys %08x", hash_bytes((const unsigned char *) sizes, sizeof(sizes)));
	return name;
}

/* Finds or creates the anchor.  Raises 53200 if there is no room for it. */
static void
attach_anchor(void *arg)
{
	AkAnchor *found_anchor;
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	found_anchor = ShmemInitStruct(anchor_name(), anchor_size(), &found);
	if (!found)
	{
		memset(found_anchor, 0, anchor_size());
		found_anchor->tranche = LWLockNewTrancheId_compat("apikeys");
		LWLockInitialize(&found_anchor->lock, found_anchor->tranche);
		LWLockInitialize(&found_anchor->usage_lock, found_anchor->tranche);
		found_anchor->usage = DSM_HANDLE_INVALID;
		pg_atomic_init_u64(&found_anchor->losses.counts, 0);
		pg_atomic_init_u64(&found_anchor->losses.unlimited, 0);
		pg_atomic_init_u64(&found_anchor->losses.given_up, 0);
		pg_atomic_init_u64(&found_anchor->losses.told, 0);
		pg_atomic_init_u64(&found_anchor->losses.told_at, 0);
		found_anchor->max_workers = WORKERS_MAX;
	}
	LWLockRelease(AddinShmemInitLock);
	LWLockRegisterTranche_compat(found_anchor->tranche, "apikeys");
	the_anchor = found_anchor;
}

/*
 * Calls a function that may raise an error, in a subtransaction.  Returns false if
 * it raised one; unless "error" is NULL, the error is then copied to *error, in the
 * current context.  A cancel that arrives meanwhile is not taken for such an error:
 * it waits.  Outside of a transaction, errors are passed on.  To be called with no
 * LWLock or spinlock held.
 */
bool
ak_try(void (*call)(void *arg), void *arg, ErrorData **error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	if (!IsTransactionState())
	{
		call(arg);
		return true;
	}
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		HOLD_INTERRUPTS();
		call(arg);
		RESUME_INTERRUPTS(); /* an error has done it, too */
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (error != NULL)
			*error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

/*
 * Returns the anchor; NULL if there is no room for it, and in a single-user server.
 * Does not raise in a transaction.  The anchor is kept: code that must not fail, as
 * at commit, calls this before.
 */
AkAnchor *
ak_anchor(void)
{
	static AkTicks retry_at = 0;

	if (likely(the_anchor != NULL))
		return the_anchor;
	if (!IsUnderPostmaster || ak_ticks() < retry_at)
		return NULL;
	if (!ak_try(attach_anchor, NULL, NULL))
		retry_at = ak_ticks() + AK_TICKS_OF_MS(RETRY_MS);
	return the_anchor;
}

static shmem_startup_hook_type prev_startup_hook = NULL;
static shmem_request_hook_type prev_request_hook = NULL;

static void
shmem_request(void)
{
	if (prev_request_hook)
		prev_request_hook();
	RequestAddinShmemSpace(anchor_size());
}

/* Runs in the postmaster, whose children inherit the address, and again after a crash. */
static void
shmem_startup(void)
{
	if (prev_startup_hook)
		prev_startup_hook();
	attach_anchor(NULL);
}

/*
 * Called once, from _PG_init; "layout" is a fingerprint of the memory to which the
 * anchor points.  A preloaded library reserves room for its anchor.
 */
void
ak_shmem_init(Size layout)
{
	memory_layout = layout;
	if (!process_shared_preload_libraries_in_progress)
		return;
	shmem_request_hook_compat(shmem_request, &prev_request_hook);
	prev_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}
