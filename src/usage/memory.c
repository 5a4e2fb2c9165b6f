/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  The shared memory of usage counters and rate limits: how it is made,
 *	  grows, and what becomes of requests that it has no room for.
 *
 * There are two pools (pool.c): counters and rate limits, apart, so that
 * neither can push the other out: limits may take a quarter of
 * apikeys.usage_memory.  Who counts or limits first makes a segment with a first
 * step of both, about 8 MB: enough for what is used until the background worker
 * is there.  All further steps are made by the worker, in ak_memory_tend(),
 * before they are needed, when less is free than may be taken in half a second,
 * or an eighth of all.  A backend that sees this wakes the worker, and goes on.  A worker has time for
 * it between the pieces of its jobs, and on a standby as well.
 *
 * At the ceiling (the setting's, or where the system has no more), counters are
 * flushed early (flush.c), and the worker keeps some limits free (limitroom.c).
 * What finds no room all the same is a loss, of one of three kinds.  Losses are
 * counted in the anchor, shown by status(), and told to the server's log, at
 * most once a minute.
 *
 * Nothing here raises in a validation: what may is called in a subtransaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/guc.h"
#include "usage/limit.h"
#include "usage/memory.h"
#include "usage/usage.h"
#include "worker/shmem.h"
#include "worker/worker.h"

/*
 * Items of the first step.  Where 100,000 keys a second are used for the first
 * time, it lasts a third of a second: on a busy machine, a worker needs a tenth
 * to start, and another one until it has written a piece of a flush.
 */
#define FIRST_ITEMS 32768
/* What a step adds at least, and what is to be free at any time: some half a second of that */
#define STEP_ITEMS (3 * FIRST_ITEMS)
#define AHEAD_ITEMS (2 * FIRST_ITEMS)
/* Not worth a step of its own */
#define FEWEST_ITEMS 64

/* After a failure to make the memory, or when the system refused to let it grow, how long until the next attempt */
#define RETRY_MS 10000

/* How often a worker is asked for room, and when there is none to be had */
#define ASK_MS 10
#define ASK_AT_CEILING_MS 500

/* How often the log is told of losses */
#define TELL_MS 60000

/* After it has looked for room, a worker rests so many times as long as that took */
#define REST 9

static AkPool *const pools[AK_ROOM_COUNT] = {&ak_counters, &ak_limits};

static AkMemory *memory = NULL;

/* A number that changes with what is in our segments. */
Size
ak_memory_layout(void)
{
	return sizeof(AkMemory) * 31 + sizeof(AkSlot) * 7 + sizeof(AkLimit) + FIRST_ITEMS;
}

/* What a pool may take of apikeys.usage_memory. */
static Size
part_of(AkRoom room)
{
	Size		all = (Size) ak_guc_usage_memory * 1024 - sizeof(AkMemory);

	return room == AK_ROOM_LIMITS ? all / 4 : all - all / 4;
}

/*
 * ---------------------------------------------------------- the first step
 */

/* How many items a pool's next step should have; 0: the ceiling is reached. */
static uint32
next_step(AkRoom room)
{
	Size		part = part_of(room);
	Size		bytes = pg_atomic_read_u64(&memory->rooms[room].bytes);
	uint32		capacity = pools[room]->shared->capacity;
	uint32		wanted = Max(capacity / 2, STEP_ITEMS);
	uint32		items = bytes < part ? Min(ak_pool_fit(pools[room], part - bytes), wanted) : 0;

	if (pg_atomic_read_u32(&pools[room]->shared->nsteps) == AK_POOL_STEPS)
		return 0;
	return items >= Max(capacity / 8, FEWEST_ITEMS) ? items : 0;
}

/* How much is to be left when the worker is asked for more. */
static void
set_mark(AkRoom room, bool at_ceiling)
{
	uint32		capacity = pools[room]->shared->capacity;
	uint32		mark;

	if (!at_ceiling)
		mark = Max(capacity / 8, Min(AHEAD_ITEMS, capacity - capacity / 4));
	else
		mark = room == AK_ROOM_LIMITS ? capacity / AK_LIMITS_LOW : capacity / 4;
	pg_atomic_write_u32(&memory->rooms[room].at_ceiling, at_ceiling);
	pg_atomic_write_u32(&memory->rooms[room].mark, mark);
}

/* Makes the memory in a new segment, its first steps smaller by a factor of 2^"smaller".  Raises what dsm_create() does. */
static dsm_segment *
make_memory(AkMemory **made, int smaller)
{
	AkAnchor   *anchor = ak_anchor();
	Size		offset = TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(AkMemory));
	uint32		items[AK_ROOM_COUNT];
	Size		sizes[AK_ROOM_COUNT];
	dsm_segment *segment;
	AkMemory   *m;
	uint64		first;

	for (int i = 0; i < AK_ROOM_COUNT; i++)
	{
		items[i] = Max(Min(FIRST_ITEMS, ak_pool_fit(pools[i], part_of(i))) >> smaller, FEWEST_ITEMS);
		sizes[i] = ak_pool_size(pools[i], items[i]);
	}
	segment = dsm_create(offset + sizes[AK_ROOM_COUNTERS] + sizes[AK_ROOM_LIMITS], 0);
	m = dsm_segment_address(segment);
	memset(m, 0, sizeof(*m));
	m->made_hour = GetCurrentTimestamp() / USECS_PER_HOUR;
	/* no number of an earlier memory, which tables may hold, comes again */
	if (!pg_strong_random(&first, sizeof(first)))
		elog(ERROR, "could not generate random values");
	pg_atomic_init_u64(&m->next_number, first >> 2);
	LWLockInitialize(&m->grow_lock, anchor->tranche);
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
	bool		make;			/* the memory, if there is none */
	int			smaller;
} AkAttempt;

/*
 * Finds or makes the memory.  Raises what dsm_create() and dsm_attach() raise.
 */
static void
attach_memory(void *arg)
{
	const AkAttempt *attempt = arg;
	AkAnchor   *anchor = ak_anchor();
	dsm_segment *segment = NULL;
	AkMemory   *found;

	LWLockAcquire(&anchor->usage_lock, LW_EXCLUSIVE);
	if (anchor->usage != DSM_HANDLE_INVALID)
	{
		segment = dsm_attach(anchor->usage);
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
 * The memory; NULL when there is none, and it is not to be made or cannot be
 * had.  To be called in a transaction; does not raise.
 */
AkMemory *
ak_memory(bool make)
{
	static AkTicks retry_at = 0;
	AkAnchor   *anchor;
	AkAttempt	attempt = {.make = make};

	if (likely(memory != NULL))
		return memory;
	anchor = ak_anchor();
	if (anchor == NULL || (!make && anchor->usage == DSM_HANDLE_INVALID) || ak_ticks() < retry_at)
		return NULL;
	/* where the system has little to give, less will have to do */
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

/* True for one process every so many milliseconds. */
bool
ak_my_turn(pg_atomic_uint64 *last, int milliseconds)
{
	uint64		before = pg_atomic_read_u64(last);
	uint64		now = ak_ticks();

	return (before == 0 || now >= before + AK_TICKS_OF_MS(milliseconds)) &&
		pg_atomic_compare_exchange_u64(last, &before, now);
}

/* Tells the log what was lost since it was told last, if that is long enough ago. */
static void
tell_losses(AkAnchor *anchor, int elevel)
{
	uint64		counts = pg_atomic_read_u64(&anchor->losses.counts);
	uint64		unlimited = pg_atomic_read_u64(&anchor->losses.unlimited);
	uint64		given_up = pg_atomic_read_u64(&anchor->losses.given_up);
	uint64		all = counts + unlimited + given_up;

	if (all == pg_atomic_read_u64(&anchor->losses.told) || !ak_my_turn(&anchor->losses.told_at, TELL_MS))
		return;
	pg_atomic_write_u64(&anchor->losses.told, all);
	ereport(elevel,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("shared memory of apikeys is full"),
			 errdetail("Since the server started, " UINT64_FORMAT " requests were not counted, " UINT64_FORMAT
					   " requests found no room for their rate limit, and " UINT64_FORMAT
					   " rate limits were forgotten early.", counts, unlimited, given_up),
			 errhint("apikeys.status() tells how much there is. \"apikeys.usage_memory\" bounds it; the system's "
					 "shared memory (/dev/shm) and a background worker are needed for it to grow.")));
}

/* Takes a loss down; where no worker does, the log is told from here.  Raises nothing. */
void
ak_memory_lost(AkLoss loss, uint64 times)
{
	AkAnchor   *anchor = ak_anchor();
	AkWorkerState worker;

	if (anchor == NULL)
		return;
	pg_atomic_fetch_add_u64(loss_counter(anchor, loss), times);
	worker = ak_worker_ensure();
	if (worker == AK_WORKER_NONE || worker == AK_WORKER_NO_SLOT)
		tell_losses(anchor, LOG_SERVER_ONLY);
}

/* Little is left in a pool: the worker is to know.  Raises nothing. */
void
ak_memory_ask(AkRoom room)
{
	AkRoomState *state = &memory->rooms[room];

	if (!ak_my_turn(&state->asked_at, pg_atomic_read_u32(&state->at_ceiling) ? ASK_AT_CEILING_MS : ASK_MS))
		return;
	ak_worker_nudge();
}

/*
 * --------------------------------------------------------- for the worker
 */

typedef struct AkGrowth
{
	AkRoom		room;
	int			smaller;		/* than the pool should have, by a factor of 2^that */
	bool		busy;			/* another worker is at it */
	bool		grown;
} AkGrowth;

/* Adds a step to a pool.  Raises what dsm_create() does; then the lock is released with all others. */
static void
add_step(void *arg)
{
	AkGrowth   *growth = arg;
	AkPool	   *pool = pools[growth->room];
	uint32		items;
	Size		size;

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
 * Lets a pool grow, by less where the system has not enough.  Returns whether
 * it did, or another worker sees to it.
 */
static bool
grow(AkRoom room)
{
	AkRoomState *state = &memory->rooms[room];
	AkGrowth	growth = {.room = room};
	uint64		refused_at = pg_atomic_read_u64(&state->refused_at);
	ErrorData  *error = NULL;

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
			ereport(WARNING,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("shared memory of apikeys cannot grow"),
					 errdetail("%s", error->message)));
		pg_atomic_write_u64(&state->refused_at, ak_ticks());
	}
	return growth.grown;
}

/*
 * Where little is left in a pool, lets it grow; at the ceiling, keeps limits
 * free.  Returns the jobs that can make room, as AK_JOB_BIT()s.
 */
static uint32
make_room(void)
{
	static AkTicks rest_until = 0;
	AkTicks		start = ak_ticks();
	uint32		jobs = 0;

	for (int room = 0; room < AK_ROOM_COUNT; room++)
	{
		if (ak_pool_free(pools[room]) >= pg_atomic_read_u32(&memory->rooms[room].mark) || grow(room))
			continue;
		jobs |= AK_JOB_BIT(room == AK_ROOM_COUNTERS ? AK_JOB_FLUSH : AK_JOB_LIMITS);
		if (room == AK_ROOM_LIMITS && start >= rest_until)
		{
			ak_limits_make_room();
			rest_until = ak_ticks() + REST * (ak_ticks() - start);
		}
	}
	return jobs;
}

/*
 * What the worker does for the memory whenever it can, also within a job and on
 * a standby.  Returns the jobs that are to be woken, as AK_JOB_BIT()s.  Raises
 * only when memory of its own is short.
 */
uint32
ak_memory_tend(void)
{
	AkAnchor   *anchor = ak_anchor();
	bool		in_transaction = IsTransactionState();
	uint32		jobs = 0;

	if (anchor == NULL)
		return 0;
	tell_losses(anchor, WARNING);
	if (anchor->usage == DSM_HANDLE_INVALID)
		return 0;
	if (memory != NULL && !ak_memory_is_low(AK_ROOM_COUNTERS) && !ak_memory_is_low(AK_ROOM_LIMITS))
		return 0;
	if (!in_transaction)
		StartTransactionCommand();
	if (ak_memory(false) != NULL)
		jobs = make_room();
	if (!in_transaction)
		CommitTransactionCommand();
	return jobs;
}

/* Is there little left in a pool? */
bool
ak_memory_is_low(AkRoom room)
{
	return ak_pool_free(pools[room]) < pg_atomic_read_u32(&memory->rooms[room].mark);
}

/* Is there little left in a pool that does not grow? */
bool
ak_memory_is_full(AkRoom room)
{
	return memory != NULL && ak_memory_is_low(room) && pg_atomic_read_u32(&memory->rooms[room].at_ceiling);
}

/* How it stands with the memory, for status(). */
void
ak_memory_status(AkMemoryStatus *status)
{
	AkAnchor   *anchor = ak_anchor();

	memset(status, 0, sizeof(*status));
	status->ceiling = (int64) ak_guc_usage_memory * 1024;
	status->had = anchor != NULL;
	if (anchor != NULL)
		for (int loss = 0; loss <= AK_LOST_EARLY; loss++)
			status->lost[loss] = pg_atomic_read_u64(loss_counter(anchor, loss));
	if (ak_memory(false) == NULL)
	{
		/* there is none: nothing was used yet, or it was refused */
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
