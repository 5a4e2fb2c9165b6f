/*-------------------------------------------------------------------------
 *
 * limit.c
 *	  Rate limits: a generic cell rate algorithm (as ITU-T I.371 calls it) for
 *	  each key, in shared memory (memory.c).
 *
 * A key with a limit of n in a window w may be used n times at once, and then
 * once every w/n.  The only state is "full_at", the time at which the limit is
 * replenished, as if the key had never been used.  Each use delays it by w/n,
 * and it must not be more than w in the future.  Time is in nanoseconds of the
 * monotonic clock, so that w/n is right for limits far above what a server can
 * answer, and setting the wall clock has no effect.
 *
 * The state is read and changed under one spinlock: of any number of concurrent
 * requests, exactly the allowed number passes.
 *
 * A limit takes 40 bytes (48 where a spinlock has four) in a pool of its own
 * (pool.c).  A replenished limit carries no information, so its item can be
 * given back (limitroom.c).  When no item is free, apikeys.limits_when_full
 * decides.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "common/hashfn.h"
#include "miscadmin.h"

#include "core/guc.h"
#include "usage/limit.h"
#include "usage/memory.h"
#include "usage/usage.h"

#define NSECS_PER_SEC INT64CONST(1000000000)
#define WINDOW_MAX_NS (AK_WINDOW_MAX * 1000)

/* The float's rounding of an interval must not take a use away: allow a quarter of a millionth */
#define ROUNDING (1.0 - 1.0 / (1 << 22))

StaticAssertDecl(sizeof(AkLimit) <= 48, "docs/operations.md tells the size of a limit");

static uint32
hash_of(const void *item)
{
	const AkLimitId *id = &((const AkLimit *) item)->id;
	uint32 hash;

	/* key_ids are random */
	memcpy(&hash, id->key_id, sizeof(hash));
	return hash ^ id->database;
}

static void
forge(void *item)
{
	SpinLockInit(&((AkLimit *) item)->mutex);
}

AkPool ak_limits = {.item_size = sizeof(AkLimit),
					.next_offset = offsetof(AkLimit, next),
					.id_offset = offsetof(AkLimit, id),
					.id_size = sizeof(AkLimitId),
					.hash_of = hash_of,
					.forge = forge};

/* Returns the current time by the clock of full_at. */
int64
ak_limit_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSECS_PER_SEC + now.tv_nsec;
}

/* Returns a window's length in microseconds, AK_WINDOW_MAX + 1 if it is longer; months have 30 days. */
int64
ak_window_usecs(const Interval *window)
{
	double usecs = ((double) window->month * DAYS_PER_MONTH + window->day) * USECS_PER_DAY + window->time;

	if (usecs > (double) AK_WINDOW_MAX)
		return AK_WINDOW_MAX + 1;
	return ((int64) window->month * DAYS_PER_MONTH + window->day) * USECS_PER_DAY + window->time;
}

/*
 * Consumes one use and returns 0, or returns the number of nanoseconds until
 * the next use is allowed.
 *
 * If the limit has changed since the last use, the number of consumed uses is
 * carried over to the new limit.
 */
static int64
take(AkLimit *state, int32 limit, int64 window, int64 now)
{
	int64 interval = Max(window / limit, 1);
	int64 ahead = Max(state->full_at - now, 0);

	if (state->interval != 0 && state->interval != (float4) interval)
		ahead = (int64) Min((double) ahead / state->interval * interval * ROUNDING, (double) WINDOW_MAX_NS);
	state->interval = (float4) interval;
	/* a lowered limit must not leave full_at too far ahead */
	ahead = Min(ahead, interval * limit);
	if (ahead > interval * (limit - 1))
	{
		state->full_at = now + ahead;
		return ahead - interval * (limit - 1);
	}
	state->full_at = now + ahead + interval;
	return 0;
}

/* A new limit; fill() also counts it for its workspace */
typedef struct AkNewLimit
{
	AkMemory *memory;
	AkLimitId id;
	uint16 share;
} AkNewLimit;

static void
fill(void *item, void *arg)
{
	const AkNewLimit *new = arg;
	AkLimit *limit = item;

	SpinLockAcquire(&limit->mutex);
	limit->id = new->id;
	limit->interval = 0;
	limit->full_at = 0;
	limit->share = new->share;
	SpinLockRelease(&limit->mutex);
	pg_atomic_fetch_add_u32(&new->memory->held[new->share], 1);
}

/*
 * Returns the number of items to leave free.  It is not 0 only at the ceiling,
 * for a workspace that has more than half of all items.
 */
static uint32
reserve_for(AkMemory *memory, uint16 share)
{
	uint32 capacity = ak_limits.shared->capacity;

	if (!pg_atomic_read_u32(&memory->rooms[AK_ROOM_LIMITS].at_ceiling) ||
		pg_atomic_read_u32(&memory->held[share]) <= capacity / 2)
		return 0;
	return capacity / AK_LIMITS_LOW / 2;
}

/*
 * Returns the limit of that key, with its mutex held, after making it if there
 * is none.  Returns NULL if no item is free.
 */
static AkLimit *
acquire(AkMemory *memory, const AkLimitId *id, const char *workspace, size_t workspace_len)
{
	uint32 tag;
	uint32 number;

	memcpy(&tag, id->key_id, sizeof(tag));
	number = ak_slot_hint(AK_HINT_LIMIT, tag);
	for (;;)
	{
		AkLimit *limit;

		if (likely(number != AK_POOL_NONE))
		{
			limit = ak_pool_item(&ak_limits, number);
			/* a check without the lock avoids taking the lock of another key's item */
			if (memcmp(&limit->id, id, sizeof(*id)) == 0)
			{
				SpinLockAcquire(&limit->mutex);
				if (likely(memcmp(&limit->id, id, sizeof(*id)) == 0))
					return limit;
				SpinLockRelease(&limit->mutex);
			}
		}
		number = ak_pool_find(&ak_limits, tag ^ id->database, id);
		if (number == AK_POOL_NONE)
		{
			AkNewLimit new = {.memory = memory, .id = *id};

			new.share = (hash_bytes((const unsigned char *) workspace, workspace_len) ^ id->database) % AK_SHARES;
			number = ak_pool_enter(&ak_limits, tag ^ id->database, id, reserve_for(memory, new.share), fill, &new);
			ak_memory_took(memory, AK_ROOM_LIMITS, &ak_limits);
		}
		if (number == AK_POOL_NONE || number == AK_POOL_BEYOND)
			return NULL;
		/* the item may be reused before its lock is taken: the loop checks it again */
		ak_slot_hint_keep(AK_HINT_LIMIT, tag, number);
	}
}

/*
 * Consumes one use of the key's limit for an otherwise valid request, and
 * returns true.  If none is left, returns false, and *retry_after is the number
 * of seconds, rounded up, until the next use is allowed.  If there is no room
 * for the limit, that is a loss, and apikeys.limits_when_full decides the
 * result.
 */
bool
ak_limit_take(const pg_uuid_t *key_id, const char *workspace, size_t workspace_len, int32 limit, const Interval *window,
			  int32 *retry_after)
{
	AkMemory *memory = ak_memory(true);
	AkLimitId id = {.database = MyDatabaseId};
	int64 length = Min(ak_window_usecs(window), AK_WINDOW_MAX) * 1000;
	int64 now = ak_limit_now();
	AkLimit *state = NULL;
	int64 wait;

	memcpy(id.key_id, key_id->data, UUID_LEN);
	if (memory != NULL)
		state = acquire(memory, &id, workspace, workspace_len);
	if (state == NULL)
	{
		ak_memory_lost(AK_LOST_LIMIT, 1);
		*retry_after = 1;
		return ak_guc_limits_when_full == AK_LIMITS_ALLOW;
	}
	wait = take(state, limit, length, now);
	SpinLockRelease(&state->mutex);
	if (wait == 0)
		return true;
	*retry_after = (int32) ((wait + NSECS_PER_SEC - 1) / NSECS_PER_SEC);
	return false;
}
