/*-------------------------------------------------------------------------
 *
 * limit.c
 *	  Charge a request: the rate limits of its key and workspace, and the
 *	  key's quota, in shared memory (memory.c).
 *
 * A rate limit is a generic cell rate algorithm (as ITU-T I.371 calls it).  A
 * key with a limit of n in a window w may be used n times at once, and then
 * once every w/n.  The only state is "full_at", the time at which the limit is
 * replenished, as if the key had never been used.  Each use delays it by w/n,
 * and it must not be more than w in the future.  Time is in nanoseconds of the
 * monotonic clock, so that w/n is right for limits far above what a server can
 * answer, and setting the wall clock has no effect.
 *
 * An item of the pool (pool.c) holds the rate limit and the quota (quota.c) of
 * one key, or the rate limit that the keys of one workspace share
 * (sharedlimit.c).  So a request concerns two items at most.  Both are locked,
 * then both are measured, then both are charged or neither is: of any number of
 * concurrent requests, exactly the allowed number passes.  The key's spinlock is
 * always taken before the workspace's, and nothing but arithmetic is done under
 * them.
 *
 * An item takes 64 bytes (72 where a spinlock has four).  An item with a
 * replenished limit and a flushed quota holds nothing that the tables lack, and
 * can be given back (limitroom.c).  When no item is free,
 * apikeys.limits_when_full decides.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "access/xlog.h"
#include "common/hashfn.h"
#include "miscadmin.h"

#include "core/guc.h"
#include "core/span.h"
#include "usage/limit.h"
#include "usage/memory.h"
#include "usage/usage.h"

#define NSECS_PER_SEC INT64CONST(1000000000)
#define WINDOW_MAX    (AK_WINDOW_DAYS_MAX * USECS_PER_DAY * 1000)

/* The interval is kept as a float: its rounding, of less than a quarter of a millionth, must not take a use away */
#define ROUNDING (1.0 - 1.0 / (1 << 22))

/* A period that began up to this much later than the request, by its clock, is the present one: see quota.c */
#define CLOCK_SLACK USECS_PER_MINUTE

StaticAssertDecl(sizeof(AkLimit) <= 72, "docs/operations.md tells the size of a limit");

static uint32
hash_of_id(const AkLimitId *id)
{
	uint32 hash;

	/* key_ids are random, and workspaces' ids are hashes */
	memcpy(&hash, id->id, sizeof(hash));
	return hash ^ id->database;
}

static uint32
hash_of(const void *item)
{
	return hash_of_id(&((const AkLimit *) item)->id);
}

static void
init_limit(void *item)
{
	SpinLockInit(&((AkLimit *) item)->mutex);
}

AkPool ak_limits = {.item_size = sizeof(AkLimit),
					.next_offset = offsetof(AkLimit, next),
					.id_offset = offsetof(AkLimit, id),
					.id_size = sizeof(AkLimitId),
					.hash_of = hash_of,
					.init_item = init_limit};

/* Returns the current time by the clock of full_at. */
int64
ak_limit_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSECS_PER_SEC + now.tv_nsec;
}

/* Returns a window's length in nanoseconds, at most WINDOW_MAX; months have 30 days. */
int64
ak_window_nsecs(const Interval *window)
{
	double usecs = ((double) window->month * DAYS_PER_MONTH + window->day) * USECS_PER_DAY + window->time;

	if (usecs * 1000 > (double) WINDOW_MAX)
		return WINDOW_MAX;
	return (((int64) window->month * DAYS_PER_MONTH + window->day) * USECS_PER_DAY + window->time) * 1000;
}

/*
 * ------------------------------------------------------------- the items
 */

/* A new item; fill_limit() also counts it for its workspace */
typedef struct AkNewLimit
{
	AkMemory *memory;
	AkLimitId id;
	bool shared;
	uint16 share;
} AkNewLimit;

static void
fill_limit(void *item, void *arg)
{
	const AkNewLimit *new = arg;
	AkLimit *limit = item;

	SpinLockAcquire(&limit->mutex);
	limit->id = new->id;
	limit->interval = 0;
	limit->full_at = 0;
	limit->shared = new->shared;
	limit->period = AK_PERIOD_NONE;
	limit->standby = false;
	limit->share = new->share;
	limit->since = limit->used = limit->flushed = 0;
	SpinLockRelease(&limit->mutex);
	pg_atomic_fetch_add_u32(&new->memory->held[new->share], 1);
}

/*
 * Returns the number of items that the workspace of that share must leave free: 0,
 * except at the ceiling for one that holds more than half of all items.
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

static inline bool
has_id(const AkLimit *item, const AkLimitId *id)
{
	return memcmp(&item->id, id, sizeof(*id)) == 0;
}

/*
 * Returns the item with that id; makes it if there is none.  It is not locked, and
 * may be reused before the caller locks it.  Returns NULL if no item is free.  The
 * item counts for the share of the workspace, that of the key or ("shared") the
 * limited one itself.  It is looked for first, and noted, in "items", if that is not
 * NULL.
 */
static AkLimit *
find_item(AkMemory *memory, const AkLimitId *id, bool shared, const char *workspace, size_t workspace_len,
		  AkKeyItems *items)
{
	uint32 hash = hash_of_id(id);
	uint32 guess = items != NULL ? pg_atomic_read_u32(&items->limit) : AK_POOL_NONE;
	uint32 number = ak_pool_peek(&ak_limits, hash, id, guess);

	if (likely(number != AK_POOL_NONE && number == guess))
		return ak_pool_item(&ak_limits, number);
	if (number == AK_POOL_NONE)
		number = ak_pool_find(&ak_limits, hash, id);
	if (number == AK_POOL_NONE)
	{
		AkNewLimit new = {.memory = memory, .id = *id, .shared = shared};

		new.share = (hash_bytes((const unsigned char *) workspace, workspace_len) ^ id->database) % AK_SHARES;
		number = ak_pool_enter(&ak_limits, hash, id, reserve_for(memory, new.share), fill_limit, &new);
		ak_memory_took(memory, AK_ROOM_LIMITS, &ak_limits);
	}
	if (number == AK_POOL_NONE || number == AK_POOL_BEYOND)
		return NULL;
	if (items != NULL)
		pg_atomic_write_u32(&items->limit, number);
	return ak_pool_item(&ak_limits, number);
}

/* Locks an item, and returns true if it still has that id.  Otherwise it is not locked.  NULL: nothing to lock. */
static inline bool
lock_item(AkLimit *item, const AkLimitId *id)
{
	if (item == NULL)
		return true;
	SpinLockAcquire(&item->mutex);
	if (likely(has_id(item, id)))
		return true;
	SpinLockRelease(&item->mutex);
	return false;
}

static inline void
unlock_item(AkLimit *item)
{
	if (item != NULL)
		SpinLockRelease(&item->mutex);
}

/* Copies the item of a key; returns false if memory has none. */
bool
ak_limit_read(const pg_uuid_t *key_id, AkLimit *copy)
{
	AkLimitId id = {.database = MyDatabaseId};
	uint32 number;
	AkLimit *item;

	if (ak_memory(false) == NULL)
		return false;
	memcpy(id.id, key_id->data, UUID_LEN);
	number = ak_pool_find(&ak_limits, hash_of_id(&id), &id);
	if (number == AK_POOL_NONE || number == AK_POOL_BEYOND)
		return false;
	item = ak_pool_item(&ak_limits, number);
	if (!lock_item(item, &id))
		return false;
	*copy = *item;
	unlock_item(item);
	return true;
}

/*
 * ------------------------------------------------------------- arithmetic
 */

/* A rate limit as a request finds it, in nanoseconds */
typedef struct AkRate
{
	int64 interval; /* between two uses */
	int64 ahead;    /* until it is replenished */
	int64 wait;     /* until it allows the request; -1: never */
} AkRate;

/*
 * Measures a locked item against a limit.
 *
 * If the limit has changed since the last use, the number of consumed uses is
 * carried over to the new limit.
 */
static void
measure_rate(AkLimit *item, int32 limit, int64 window, int32 cost, int64 now, AkRate *rate)
{
	int64 interval = Max(window / limit, 1);
	int64 ahead = Max(item->full_at - now, 0);

	if (item->interval != 0 && item->interval != (float4) interval)
		ahead = (int64) Min((double) ahead / item->interval * interval * ROUNDING, (double) WINDOW_MAX);
	/* a lowered limit must not leave full_at too far ahead */
	ahead = Min(ahead, interval * limit);
	item->interval = (float4) interval;
	item->full_at = now + ahead;
	rate->interval = interval;
	rate->ahead = ahead;
	rate->wait = cost > limit ? -1 : Max(ahead - interval * (limit - cost), 0);
}

/* Sets the result's rate_ fields to this limit, unless they have a tighter one. */
static void
tell_rate(AkCharge *charge, const AkRate *rate, int32 limit, int64 window)
{
	int32 remaining = (int32) ((rate->interval * limit - rate->ahead) / rate->interval);
	int32 reset = (int32) ((rate->ahead + NSECS_PER_SEC - 1) / NSECS_PER_SEC);

	if (charge->rate_limit != 0 &&
		(remaining > charge->rate_remaining || (remaining == charge->rate_remaining && reset <= charge->rate_reset)))
		return;
	charge->rate_limit = limit;
	charge->rate_window = (int32) ((window + NSECS_PER_SEC - 1) / NSECS_PER_SEC);
	charge->rate_remaining = remaining;
	charge->rate_reset = reset;
}

/* Raises retry_after of the result to a wait of that length; -1: waiting does not help. */
static void
tell_wait(AkCharge *charge, int64 seconds)
{
	if (charge->retry_after < 0)
		return;
	charge->retry_after = seconds < 0 ? -1 : Max(charge->retry_after, (int32) seconds);
}

static void
tell_rate_wait(AkCharge *charge, const AkRate *rate)
{
	if (rate->wait == 0)
		return;
	charge->limit_refused = true;
	tell_wait(charge, rate->wait < 0 ? -1 : (rate->wait + NSECS_PER_SEC - 1) / NSECS_PER_SEC);
}

/* Counts as lost the items that found no room in memory; "denied": the request is refused for that. */
static void
tell_loss(AkCharge *charge, int items, bool denied)
{
	if (items == 0)
		return;
	ak_memory_lost(AK_LOST_LIMIT, items);
	if (!denied)
		return;
	charge->limit_refused = true;
	tell_wait(charge, 1);
}

/*
 * -------------------------------------------------------------- the charge
 */

/* Returns true if an item holds what is used of a quota in that period. */
static inline bool
is_period(const AkLimit *item, const AkCharge *charge, TimestampTz since)
{
	return item->period == charge->period &&
		   (item->since == since || (item->since > since && item->since - charge->now <= CLOCK_SLACK));
}

/* What the table has of a quota, for an item that begins a period with it */
typedef struct AkBase
{
	bool known;      /* the table was read */
	bool standby;    /* on a standby */
	uint64 releases; /* AkMemory's, before the table was read */
	int64 used;
} AkBase;

/*
 * Locks the items of a request; if the key's item holds another period of its
 * quota, begins the present one.  Returns false, with nothing locked, if the caller
 * must look for the items again, because one was reused, or read the table first.
 */
static bool
lock_items(AkMemory *memory, AkLimit *key, const AkLimitId *key_id, AkLimit *shared, const AkLimitId *shared_id,
		   const AkCharge *charge, TimestampTz since, AkBase *base)
{
	/* the item that was found for the key was reused for the workspace before the second was looked for */
	if ((key == shared && key != NULL) || !lock_item(key, key_id))
		return false;
	if (key != NULL && charge->quota >= 0 && unlikely(!is_period(key, charge, since)))
	{
		/* the key's item may have been flushed and given back after the table was read */
		if (!base->known || base->releases != pg_atomic_read_u64(&memory->releases))
		{
			base->known = false;
			unlock_item(key);
			return false;
		}
		key->period = charge->period;
		key->since = since;
		key->used = key->flushed = base->used;
		key->standby = base->standby;
	}
	if (likely(lock_item(shared, shared_id)))
		return true;
	unlock_item(key);
	return false;
}

/* Returns true if the key of a request has a rate limit or a quota. */
static inline bool
key_is_limited(const AkCharge *charge)
{
	return charge->limit > 0 || charge->quota >= 0;
}

/*
 * Finds or makes the items of a request, and locks them.  *key and *shared are NULL
 * where the request has no such limit, or memory has no room for one.  "since" is the
 * beginning of the quota's period.
 */
static inline void
lock_for_request(const AkCharge *charge, TimestampTz since, AkLimit **key, AkLimit **shared)
{
	AkMemory *memory = ak_memory(true);
	AkLimitId key_id = {.database = MyDatabaseId};
	AkLimitId shared_id = {.database = MyDatabaseId};
	AkBase base = {.known = false};

	*key = *shared = NULL;
	memcpy(key_id.id, charge->key_id->data, UUID_LEN);
	if (charge->shared != NULL)
		memcpy(shared_id.id, charge->shared->id, UUID_LEN);
	while (memory != NULL)
	{
		if (key_is_limited(charge))
			*key = find_item(memory, &key_id, false, charge->workspace, charge->workspace_len, charge->items);
		if (charge->shared != NULL)
			*shared = find_item(memory, &shared_id, true, charge->workspace, charge->workspace_len, NULL);
		/* read without the lock; lock_items() checks under it */
		if (*key != NULL && charge->quota >= 0 && !base.known && !is_period(*key, charge, since))
		{
			base.releases = pg_atomic_read_u64(&memory->releases);
			pg_read_barrier();
			base.standby = RecoveryInProgress();
			base.used = ak_quota_flushed(charge->key_id, charge->period, since);
			base.known = true;
		}
		if (likely(lock_items(memory, *key, &key_id, *shared, &shared_id, charge, since, &base)))
			break;
	}
}

/*
 * Charges a request that is valid but for its limits: its key's rate limit and
 * quota and its workspace's rate limit, or none of them if one refuses.  Fills in
 * the part "out" of *charge.
 *
 * Where memory has no room for a limit, the request passes, or is refused, as
 * apikeys.limits_when_full says; that is counted as lost.  To be called in a
 * transaction, with no lock held.  Raises nothing but what reading the table
 * quota_used raises, when a period of a quota begins in memory.
 */
void
ak_charge(AkCharge *charge)
{
	AkLimit *key;
	AkLimit *shared;
	int64 now = ak_limit_now();
	TimestampTz since = 0;
	TimestampTz until = 0;
	AkRate key_rate = {.wait = 0};
	AkRate shared_rate = {.wait = 0};
	bool enough = true;
	bool denied;
	int missing;

	if (charge->quota >= 0)
	{
		/* to be flushed, whether usage is counted or not */
		(void) ak_worker_ensure();
		ak_period_bounds(charge->period, charge->now, &since, &until);
	}
	lock_for_request(charge, since, &key, &shared);

	missing = (key == NULL && key_is_limited(charge)) + (shared == NULL && charge->shared != NULL);
	denied = missing > 0 && ak_guc_limits_when_full == AK_LIMITS_DENY;
	if (key != NULL && charge->quota >= 0)
		enough = charge->cost <= Max(charge->quota - key->used, 0);
	if (key != NULL && charge->limit > 0)
		measure_rate(key, charge->limit, charge->window, charge->cost, now, &key_rate);
	if (shared != NULL)
		measure_rate(shared, charge->shared->limit, charge->shared->window, charge->cost, now, &shared_rate);
	if (enough && !denied && key_rate.wait == 0 && shared_rate.wait == 0)
	{
		if (key != NULL && charge->quota >= 0)
			key->used += charge->cost;
		if (key != NULL && charge->limit > 0)
			key->full_at += key_rate.interval * charge->cost;
		if (shared != NULL)
			shared->full_at += shared_rate.interval * charge->cost;
		key_rate.ahead += key_rate.interval * charge->cost;
		shared_rate.ahead += shared_rate.interval * charge->cost;
	}
	charge->quota_remaining = key != NULL && charge->quota >= 0 ? Max(charge->quota - key->used, 0) : -1;
	unlock_item(shared);
	unlock_item(key);

	charge->quota_refused = !enough;
	charge->limit_refused = false;
	charge->retry_after = 0;
	charge->rate_limit = 0;
	charge->quota_reset = charge->period == AK_PERIOD_TOTAL || charge->quota < 0
							  ? -1
							  : (int32) ((until - charge->now + USECS_PER_SEC - 1) / USECS_PER_SEC);
	tell_loss(charge, missing, denied);
	if (!enough)
		tell_wait(charge, charge->cost > charge->quota ? -1 : charge->quota_reset);
	if (key != NULL && charge->limit > 0)
	{
		tell_rate(charge, &key_rate, charge->limit, charge->window);
		tell_rate_wait(charge, &key_rate);
	}
	if (shared != NULL)
	{
		tell_rate(charge, &shared_rate, charge->shared->limit, charge->shared->window);
		tell_rate_wait(charge, &shared_rate);
	}
}
