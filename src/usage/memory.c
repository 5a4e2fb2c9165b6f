/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  The shared memory of usage counters and rate limits: its creation and
 *	  growth, and the count of requests that found no room.
 *
 * There are two pools (pool.c), one for counters and one for rate limits, so
 * that neither can take the other's room: limits may take a quarter of
 * apikeys.usage_memory.  The first use creates a segment with the first step of
 * both pools, about 8 MB: enough until the background worker runs.  The worker
 * makes all further steps, in ak_memory_tend(), before they are needed: when
 * less is free than may be taken in half a second, or less than an eighth of
 * the pool.  A backend that notices this wakes the worker and goes on.  The
 * worker does this between the pieces of its jobs too, and also on a standby.
 *
 * At the ceiling (the setting's, or where the system has no more memory),
 * counters are flushed early (flush.c), and the worker keeps some limits free
 * (limitroom.c).  A request that still finds no room is a loss.  Losses are counted
 * by kind (AkLoss) in the anchor, shown by status(), and logged at most once a
 * minute.
 *
 * Nothing here raises an error in a validation: code that may do so runs in a
 * subtransaction.
 *
 * Locks: usage_lock of the anchor while the memory is created or attached, and
 * grow_lock while a step is added.  Only another process that does the same waits
 * for them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/errors.h"
#include "core/guc.h"
#include "usage/limit.h"
#include "usage/memory.h"
#include "usage/usage.h"
#include "worker/shmem.h"
#include "worker/worker.h"

/*
 * Items of the first step.  If 100,000 keys per second are used for the first
 * time, it lasts a third of a second.  On a busy machine, a worker needs a
 * tenth of a second to start, and another to write the first piece of a flush.
 */
#define FIRST_ITEMS 32768
/* The least that a step adds, and what should always be free: about half a second of that rate */
#define STEP_ITEMS  (3 * FIRST_ITEMS)
#define AHEAD_ITEMS (2 * FIRST_ITEMS)
/* The fewest items that are worth a step */
#define FEWEST_ITEMS 64

/* After a failure to create or grow the memory, the delay until the next attempt */
#define RETRY_MS 10000

/* The shortest time between two wake-ups of the worker for want of room, below and at the ceiling */
#define ASK_MS            10
#define ASK_AT_CEILING_MS 500

/* The shortest time between two messages that log losses */
#define TELL_MS 60000

/* After it has made room for limits, a worker rests REST times as long as that took */
#define REST 9

static AkPool *const pools[AK_ROOM_COUNT] = {&ak_counters, &ak_limits};

static AkMemory *memory = NULL;

/* Returns a fingerprint of the layout of our segments, for the anchor's name. */
Size
ak_memory_layout(void)
{
	return sizeof(AkMemory) * 31 + sizeof(AkSlot) * 7 + sizeof(AkLimit) + AK_HINT_SET_SIZE + FIRST_ITEMS;
}

/* Returns a pool's part of apikeys.usage_memory, in bytes. */
static Size
part_of(AkRoom room)
{
	Size all = (Size) ak_guc_usage_memory * 1024 - sizeof(AkMemory);

	return room == AK_ROOM_LIMITS ? all / 4 : all - all / 4;
}

/*
 * ---------------------------------------------------------- the first step
 */

/* Returns the number of items of a pool's next step; 0 if the pool is at its ceiling. */
static uint32
next_step(AkRoom room)
{
	Size part = part_of(room);
	Size bytes = pg_atomic_read_u64(&memory->rooms[room].bytes);
	uint32 capacity = pools[room]->shared->capacity;
	uint32 wanted = Max(capacity / 2, STEP_ITEMS);
	uint32 items = bytes < part ? Min(ak_pool_fit(pools[room], part - bytes), wanted) : 0;

	if (pg_atomic_read_u32(&pools[room]->shared->nsteps) == AK_POOL_STEPS)
		return 0;
	return items >= Max(capacity / 8, FEWEST_ITEMS) ? items : 0;
}

/* Notes whether a pool can grow, and sets the number of free items below which the worker is woken. */
static void
set_mark(AkRoom room, bool at_ceiling)
{
	uint32 capacity = pools[room]->shared->capacity;
	uint32 mark;

	if (!at_ceiling)
		mark = Max(capacity / 8, Min(AHEAD_ITEMS, capacity - capacity / 4));
	else
		mark = room == AK_ROOM_LIMITS ? capacity / AK_LIMITS_LOW : capacity / 4;
	pg_atomic_write_u32(&memory->rooms[room].at_ceiling, at_ceiling);
	pg_atomic_write_u32(&memory->rooms[room].mark, mark);
}

/* Creates the memory in a new segment, with first steps divided by 2^smaller.  Raises what dsm_create() raises. */
static dsm_segment *
make_memory(AkMemory **made, int smaller)
{
	AkAnchor *anchor = ak_anchor();
	Size offset = TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(AkMemory));
	uint32 items[AK_ROOM_COUNT];
	Size sizes[AK_ROOM_COUNT];
	dsm_segment *segment;
	AkMemory *m;
	uint64 first;

	for (int i = 0; i < AK_ROOM_COUNT; i++)
	{
		items[i] = Max(Min(FIRST_ITEMS, ak_pool_fit(pools[i], part_of(i))) >> smaller, FEWEST_ITEMS);
		sizes[i] = ak_pool_size(pools[i], items[i]);
	}
	segment = dsm_create(offset + sizes[AK_ROOM_COUNTERS] + sizes[AK_ROOM_LIMITS], 0);
	m = dsm_segment_address(segment);
	memset(m, 0, sizeof(*m));
	m->made_hour = GetCurrentTimestamp() / USECS_PER_HOUR;
	/* random, so that no slot number of an earlier memory, which the tables may hold, is used again */
	if (!pg_strong_random(&first, sizeof(first)))
		ak_random_failed();
	pg_atomic_init_u64(&m->next_number, first >> 2);
	LWLockInitialize(&m->grow_lock, anchor->tranche);
	pg_atomic_init_u64(&m->releases, 0);
	for (int i = 0; i < AK_SHARES; i++)
		pg_atomic_init_u32(&m->held[i], 0);
	for (int i = 0; i < AK_ROOM_COUNT; i++)
	{
		ak_pool_make(pools[i], &m->pools[i], (char *) m, offset, items[i], anchor->tranche);
		offset += sizes[i];
		pg_atomic_init_u64(&m->rooms[i].bytes, sizes[i]);
		pg_atomic_init_u64(&m->rooms[i].asked_at, 0);
		pg_atomic_init_u64(&m->rooms[i].refused_at, 0);
		pg_atomic_init_u32(&m->rooms[i].at_ceiling, 0);
		pg_atomic_init_u32(&m->rooms[i].mark, 0);
	}
	*made = m;
	return segment;
}

typedef struct AkAttempt
{
	bool make; /* create the memory if there is none */
	int smaller;
} AkAttempt;

/*
 * Attaches the memory, or creates it.  Raises what dsm_create() and
 * dsm_attach() raise.
 */
static void
attach_memory(void *arg)
{
	const AkAttempt *attempt = arg;
	AkAnchor *anchor = ak_anchor();
	dsm_segment *segment = NULL;
	AkMemory *found;

	LWLockAcquire(&anchor->usage_lock, LW_EXCLUSIVE);
	if (anchor->usage != DSM_HANDLE_INVALID)
	{
		segment = dsm_attach(anchor->usage);
		/* never raised to a user: ak_try() catches it */
		if (segment == NULL)
			elog(ERROR, "could not attach to shared memory of apikeys");
		found = dsm_segment_address(segment);
		for (int i = 0; i < AK_ROOM_COUNT; i++)
			ak_pool_join(pools[i], &found->pools[i], (char *) found);
		memory = found;
	}
	else if (attempt->make)
	{
		segment = make_memory(&found, attempt->smaller);
		memory = found;
		for (int i = 0; i < AK_ROOM_COUNT; i++)
			set_mark(i, next_step(i) == 0);
		dsm_pin_segment(segment);
		anchor->usage = dsm_segment_handle(segment);
	}
	if (segment != NULL)
		dsm_pin_mapping(segment);
	LWLockRelease(&anchor->usage_lock);
}

/*
 * Returns the memory; with "make", creates it if there is none.  Returns NULL if
 * there is none, or if it cannot be created or attached; then nothing is tried for
 * RETRY_MS.  To be called in a transaction, with no lock held; does not raise.
 */
AkMemory *
ak_memory(bool make)
{
	static AkTicks retry_at = 0;
	AkAnchor *anchor;
	AkAttempt attempt = {.make = make};

	if (likely(memory != NULL))
		return memory;
	anchor = ak_anchor();
	if (anchor == NULL || (!make && anchor->usage == DSM_HANDLE_INVALID) || ak_ticks() < retry_at)
		return NULL;
	/* if the system has too little memory left, smaller first steps are tried */
	for (; FIRST_ITEMS >> attempt.smaller >= FEWEST_ITEMS; attempt.smaller++)
	{
		if (ak_try(attach_memory, &attempt, NULL))
			return memory;
		for (int i = 0; i < AK_ROOM_COUNT; i++)
			pools[i]->shared = NULL;
	}
	memory = NULL;
	retry_at = ak_ticks() + AK_TICKS_OF_MS(RETRY_MS);
	return NULL;
}

/*
 * ------------------------------------------------------------------ losses
 */

static pg_atomic_uint64 *
loss_counter(AkAnchor *anchor, AkLoss loss)
{
	switch (loss)
	{
		case AK_LOST_COUNT:
			return &anchor->losses.counts;
		case AK_LOST_LIMIT:
			return &anchor->losses.unlimited;
		case AK_LOST_EARLY:
			return &anchor->losses.given_up;
	}
	return NULL;
}

/* Returns true for one process every "milliseconds". */
static bool
my_turn(pg_atomic_uint64 *last, int milliseconds)
{
	uint64 before = pg_atomic_read_u64(last);
	uint64 now = ak_ticks();

	return (before == 0 || now >= before + AK_TICKS_OF_MS(milliseconds)) &&
		   pg_atomic_compare_exchange_u64(last, &before, now);
}

/* Logs the losses, if there are new ones and TELL_MS have passed since the last message. */
static void
log_losses(AkAnchor *anchor, int elevel)
{
	uint64 counts = pg_atomic_read_u64(&anchor->losses.counts);
	uint64 unlimited = pg_atomic_read_u64(&anchor->losses.unlimited);
	uint64 given_up = pg_atomic_read_u64(&anchor->losses.given_up);
	uint64 all = counts + unlimited + given_up;

	if (all == pg_atomic_read_u64(&anchor->losses.told) || !my_turn(&anchor->losses.told_at, TELL_MS))
		return;
	pg_atomic_write_u64(&anchor->losses.told, all);
	ereport(elevel,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("shared memory of apikeys is full"),
			 errdetail("Since the server started, " UINT64_FORMAT " requests were not counted, " UINT64_FORMAT
					   " requests found no room for their rate limit, and " UINT64_FORMAT
					   " rate limits were forgotten early.",
					   counts, unlimited, given_up),
			 errhint("apikeys.status() tells how much there is. \"apikeys.usage_memory\" bounds it; the system's "
					 "shared memory (/dev/shm) and a background worker are needed for it to grow.")));
}

/* Counts losses of one kind, and logs them if the database has no worker that does.  Raises nothing. */
void
ak_memory_lost(AkLoss loss, uint64 times)
{
	AkAnchor *anchor = ak_anchor();

	if (anchor == NULL)
		return;
	pg_atomic_fetch_add_u64(loss_counter(anchor, loss), times);
	if (ak_worker_ensure() < AK_WORKER_WAITING)
		log_losses(anchor, LOG_SERVER_ONLY);
}

/* Wakes the workers because little is left in a pool, unless they were woken just now.  Raises nothing. */
void
ak_memory_ask(AkRoom room)
{
	AkRoomState *state = &memory->rooms[room];

	if (!my_turn(&state->asked_at, pg_atomic_read_u32(&state->at_ceiling) ? ASK_AT_CEILING_MS : ASK_MS))
		return;
	ak_worker_nudge();
}

/*
 * --------------------------------------------------------- for the worker
 */

typedef struct AkGrowth
{
	AkRoom room;
	int smaller; /* the step's size is divided by 2^smaller */
	bool busy;   /* another worker is making a step */
	bool grown;
} AkGrowth;

/* Returns true if little is left in a pool. */
static bool
is_low(AkRoom room)
{
	return ak_pool_free(pools[room]) < pg_atomic_read_u32(&memory->rooms[room].mark);
}

/* Adds a step to a pool.  Raises what dsm_create() raises; the abort then releases the lock. */
static void
add_step(void *arg)
{
	AkGrowth *growth = arg;
	AkPool *pool = pools[growth->room];
	uint32 items;
	Size size;

	if (!LWLockConditionalAcquire(&memory->grow_lock, LW_EXCLUSIVE))
	{
		growth->busy = true;
		return;
	}
	items = next_step(growth->room) >> growth->smaller;
	if (items >= Max(pool->shared->capacity / 8, FEWEST_ITEMS))
	{
		size = ak_pool_size(pool, items);
		ak_pool_grow(pool, items);
		pg_atomic_fetch_add_u64(&memory->rooms[growth->room].bytes, size);
		growth->grown = true;
	}
	LWLockRelease(&memory->grow_lock);
}

/*
 * Grows a pool, by a smaller step if the system has too little memory.  Returns true
 * if it grew, or if another worker is growing it.  After a refusal by the system,
 * nothing is tried for RETRY_MS.
 */
static bool
grow_room(AkRoom room)
{
	AkRoomState *state = &memory->rooms[room];
	AkGrowth growth = {.room = room};
	uint64 refused_at = pg_atomic_read_u64(&state->refused_at);
	ErrorData *error = NULL;

	if (refused_at != 0 && ak_ticks() < (AkTicks) refused_at + AK_TICKS_OF_MS(RETRY_MS))
		return false;
	while (!ak_try(add_step, &growth, &error))
		growth.smaller++;
	if (growth.busy)
		return true;
	set_mark(room, !growth.grown);
	if (growth.grown)
		pg_atomic_write_u64(&state->refused_at, 0);
	else if (error != NULL)
	{
		if (refused_at == 0)
			ereport(WARNING, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("shared memory of apikeys cannot grow"),
							  errdetail("%s", error->message)));
		pg_atomic_write_u64(&state->refused_at, ak_ticks());
	}
	return growth.grown;
}

/*
 * Grows each pool that has little left; if the pool of limits cannot grow, frees
 * some.  Returns the jobs that can make room, as AK_JOB_BIT()s.
 */
static uint32
make_room(void)
{
	static AkTicks rest_until = 0;
	AkTicks start = ak_ticks();
	uint32 jobs = 0;

	for (int room = 0; room < AK_ROOM_COUNT; room++)
	{
		if (!is_low(room) || grow_room(room))
			continue;
		/* a flush makes room for limits as well: items whose quotas are flushed can be given back */
		jobs |= AK_JOB_BIT(AK_JOB_FLUSH);
		if (room == AK_ROOM_LIMITS)
			jobs |= AK_JOB_BIT(AK_JOB_LIMITS);
		if (room == AK_ROOM_LIMITS && start >= rest_until)
		{
			ak_limits_make_room();
			rest_until = ak_ticks() + REST * (ak_ticks() - start);
		}
	}
	return jobs;
}

/*
 * The worker's upkeep of the memory, called as often as possible, also within a
 * job and on a standby.  Returns the jobs to wake, as AK_JOB_BIT()s.  Raises an
 * error only if the worker itself is out of memory.
 */
uint32
ak_memory_tend(void)
{
	AkAnchor *anchor = ak_anchor();
	bool in_transaction = IsTransactionState();
	uint32 jobs = 0;

	if (anchor == NULL)
		return 0;
	log_losses(anchor, WARNING);
	if (anchor->usage == DSM_HANDLE_INVALID)
		return 0;
	if (memory != NULL && !is_low(AK_ROOM_COUNTERS) && !is_low(AK_ROOM_LIMITS))
		return 0;
	if (!in_transaction)
		StartTransactionCommand();
	if (ak_memory(false) != NULL)
		jobs = make_room();
	if (!in_transaction)
		CommitTransactionCommand();
	return jobs;
}

/* Returns true if little is left in a pool that cannot grow. */
bool
ak_memory_is_full(AkRoom room)
{
	return memory != NULL && is_low(room) && pg_atomic_read_u32(&memory->rooms[room].at_ceiling);
}

/* Returns the state of the memory, for status(). */
void
ak_memory_status(AkMemoryStatus *status)
{
	AkAnchor *anchor = ak_anchor();

	memset(status, 0, sizeof(*status));
	status->ceiling = (int64) ak_guc_usage_memory * 1024;
	status->had = anchor != NULL;
	if (anchor != NULL)
		for (int loss = 0; loss <= AK_LOST_EARLY; loss++)
			status->lost[loss] = pg_atomic_read_u64(loss_counter(anchor, loss));
	if (ak_memory(false) == NULL)
	{
		/* either nothing was used yet, or the memory could not be created */
		status->had = anchor != NULL && anchor->usage == DSM_HANDLE_INVALID && status->lost[AK_LOST_COUNT] == 0;
		return;
	}
	status->bytes = TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(AkMemory));
	for (int room = 0; room < AK_ROOM_COUNT; room++)
	{
		status->used[room] = pools[room]->shared->used;
		status->bytes += pg_atomic_read_u64(&memory->rooms[room].bytes);
		status->refused = status->refused || pg_atomic_read_u64(&memory->rooms[room].refused_at) != 0;
	}
}
