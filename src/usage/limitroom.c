/*-------------------------------------------------------------------------
 *
 * limitroom.c
 *	  Give back the items of rate limits and quotas (limit.c).
 *
 * The worker does this, so that no request has to.
 *
 * - A replenished limit carries no information, nor does a quota all of which
 *	 is in the table: an item without more is given back where little room is
 *	 left.
 * - A key may no longer have a limit: it was archived, its creation was rolled
 *	 back, or its limit was removed.  The job "limits" looks such keys up in the
 *	 key table: some every minute, and all of them if room is needed.
 * - At the ceiling, limits are given up before they are replenished, to keep
 *	 some items free.  Only the workspaces that hold the most give some up, down
 *	 to the level at which enough is free; limits nearest to being replenished
 *	 go first, and quotas that are not flushed last.  So a workspace with many
 *	 keys, however long their windows, does not take the items of a workspace
 *	 with few.
 *
 * Limits are read without a lock, and checked again under their locks before
 * they are removed: a limit that was used in between stays.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "core/query.h"
#include "usage/flush.h"
#include "usage/limit.h"
#include "usage/memory.h"

/* Keys that one statement looks up */
#define PIECE 2000

/* Limits that the job reads in one run while no room is needed */
#define SOME 20000

/* A limit that is replenished this soon is not looked up */
#define SOON_NS (INT64CONST(120) * 1000000000)

/* A limit as it was read */
typedef struct AkSeenLimit
{
	uint32 number;
	uint16 share;
	AkLimitId id;
	int64 full_at;
	int64 used;
	bool shared;
	bool unflushed; /* it has a part of a quota that the table lacks */
} AkSeenLimit;

static void
look_at_limit(uint32 number, AkSeenLimit *seen)
{
	const AkLimit *limit = ak_pool_item(&ak_limits, number);

	seen->number = number;
	seen->share = limit->share;
	seen->id = limit->id;
	seen->full_at = limit->full_at;
	seen->used = limit->used;
	seen->shared = limit->shared;
	seen->unflushed = limit->period != AK_PERIOD_NONE && limit->used != limit->flushed;
}

/* Returns true if nothing is lost with the item. */
static inline bool
is_whole(const AkSeenLimit *seen, int64 now)
{
	return seen->full_at <= now && !seen->unflushed;
}

/* For ak_pool_remove(): clears the limit's id and returns true if the limit is still as it was read. */
static bool
is_as_seen(void *item, void *arg)
{
	AkLimit *limit = item;
	const AkSeenLimit *seen = arg;
	bool same;

	SpinLockAcquire(&limit->mutex);
	same = memcmp(&limit->id, &seen->id, sizeof(seen->id)) == 0 && limit->full_at == seen->full_at &&
		   limit->used == seen->used;
	if (same)
	{
		memset(&limit->id, 0, sizeof(limit->id));
		/* who read the table before must read it again, to begin with all that was flushed: limit.c */
		if (limit->period != AK_PERIOD_NONE)
			pg_atomic_fetch_add_u64(&ak_memory(false)->releases, 1);
	}
	SpinLockRelease(&limit->mutex);
	if (same)
		pg_atomic_fetch_sub_u32(&ak_memory(false)->held[seen->share], 1);
	return same;
}

static bool
let_go(AkSeenLimit *seen)
{
	return ak_pool_remove(&ak_limits, seen->number, is_as_seen, seen);
}

/* Gives back the items with which nothing is lost. */
static void
let_whole_go(void)
{
	int64 now = ak_limit_now();
	AkSeenLimit seen;

	for (uint32 number = ak_pool_next(&ak_limits, 0); number != AK_POOL_NONE; number = ak_pool_next(&ak_limits, number))
	{
		look_at_limit(number, &seen);
		if (OidIsValid(seen.id.database) && is_whole(&seen, now))
			(void) let_go(&seen);
	}
}

/*
 * --------------------------------------------------------- at the ceiling
 */

/* Returns the most items that a workspace may keep, so that about "wanted" items are given up in total. */
static uint32
find_level(const uint32 *held, uint64 wanted)
{
	uint32 low = 0;
	uint32 high = PG_UINT32_MAX;

	while (low < high)
	{
		uint32 level = low + (high - low) / 2;
		uint64 above = 0;

		for (int i = 0; i < AK_SHARES; i++)
			above += held[i] > level ? held[i] - level : 0;
		if (above > wanted)
			low = level + 1;
		else
			high = level;
	}
	/* rather one too many than none */
	return low > 0 ? low - 1 : 0;
}

/* Orders by share, then by what is lost: unflushed quotas last, then by the time of replenishment. */
static int
compare_seen(const void *a, const void *b)
{
	const AkSeenLimit *x = a;
	const AkSeenLimit *y = b;

	if (x->share != y->share)
		return x->share < y->share ? -1 : 1;
	if (x->unflushed != y->unflushed)
		return x->unflushed ? 1 : -1;
	return x->full_at < y->full_at ? -1 : x->full_at > y->full_at;
}

/* Gives up that number of limits, of the workspaces that hold the most. */
static void
give_up(uint32 wanted)
{
	AkMemory *memory = ak_memory(false);
	uint32 held[AK_SHARES];
	uint32 level;
	uint32 count = 0;
	uint32 allocated = 0;
	uint32 given_up = 0;
	AkSeenLimit *seen;

	for (int i = 0; i < AK_SHARES; i++)
		held[i] = pg_atomic_read_u32(&memory->held[i]);
	level = find_level(held, wanted);
	for (int i = 0; i < AK_SHARES; i++)
		allocated += held[i] > level ? held[i] : 0;
	seen = palloc_extended(Max(allocated, 1) * sizeof(AkSeenLimit), MCXT_ALLOC_HUGE);
	for (uint32 number = ak_pool_next(&ak_limits, 0); number != AK_POOL_NONE && count < allocated;
		 number = ak_pool_next(&ak_limits, number))
	{
		look_at_limit(number, &seen[count]);
		if (OidIsValid(seen[count].id.database) && held[seen[count].share % AK_SHARES] > level)
			count++;
	}
	qsort(seen, count, sizeof(AkSeenLimit), compare_seen);
	for (uint32 i = 0; i < count && given_up < wanted; i++)
	{
		uint32 *left = &held[seen[i].share % AK_SHARES];

		if (*left > level && let_go(&seen[i]))
		{
			(*left)--;
			given_up++;
		}
	}
	pfree(seen);
	ak_memory_lost(AK_LOST_EARLY, given_up);
}

/*
 * At the ceiling, gives back replenished limits, and gives up others if that is
 * not enough.
 */
void
ak_limits_make_room(void)
{
	uint32 capacity;
	uint32 free;

	if (!ak_pool_attach(&ak_limits))
		return;
	capacity = ak_limits.shared->capacity;
	let_whole_go();
	free = ak_pool_free(&ak_limits);
	if (free < capacity / AK_LIMITS_LOW)
		give_up(capacity / AK_LIMITS_ENOUGH - free);
}

/*
 * ------------------------------------------------------------ the job
 */

/* Gives back those of some limits of this database whose key no longer has a limit. */
static void
let_dead_go(AkSeenLimit *seen, int count)
{
	static AkQuery query = {"SELECT m.n::int4 FROM unnest($1) WITH ORDINALITY AS m (key_id, n) "
							"WHERE NOT EXISTS (SELECT FROM apikeys.key k WHERE k.key_id = m.key_id "
							"AND k.archived_at IS NULL AND (k.rate_limit IS NOT NULL OR k.quota IS NOT NULL))",
							1,
							{UUIDARRAYOID},
							NULL};
	Datum *key_ids = palloc(count * sizeof(Datum));
	Datum args[1];
	bool isnull;

	for (int i = 0; i < count; i++)
		key_ids[i] = PointerGetDatum(seen[i].id.id);
	args[0] = PointerGetDatum(construct_array(key_ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	for (uint64 i = 0; i < SPI_processed; i++)
		(void) let_go(&seen[DatumGetInt32(ak_query_result(i, 1, &isnull)) - 1]);
	pfree(key_ids);
}

/*
 * The worker's job "limits": gives back the items of replenished limits, of
 * keys that no longer have a limit, and of databases that no longer exist.
 */
AkJobNext
ak_limits_job(void)
{
	static uint32 last = AK_POOL_NONE; /* item at which the last run stopped */
	bool all = ak_memory_is_full(AK_ROOM_LIMITS);
	int64 now = ak_limit_now();
	AkSeenLimit *seen;
	uint32 looked_at = 0;
	uint32 number = all ? AK_POOL_NONE : last;
	int count = 0;

	if (ak_memory(false) == NULL || !ak_pool_attach(&ak_limits) || ak_limits.shared->used == 0 || !ak_job_begin())
		return AK_JOB_IDLE;
	seen = palloc(PIECE * sizeof(AkSeenLimit));
	while ((number = ak_pool_next(&ak_limits, number)) != AK_POOL_NONE && (all || looked_at++ < SOME))
	{
		look_at_limit(number, &seen[count]);
		if (!OidIsValid(seen[count].id.database))
			continue;
		if (is_whole(&seen[count], now) || ak_is_dead_database(seen[count].id.database))
			(void) let_go(&seen[count]);
		else if (seen[count].id.database == MyDatabaseId && !seen[count].shared && seen[count].full_at > now + SOON_NS)
			count++;
		if (count == PIECE)
		{
			let_dead_go(seen, count);
			count = 0;
			ak_job_go_on();
		}
	}
	last = number;
	if (count > 0)
		let_dead_go(seen, count);
	ak_job_commit();
	return AK_JOB_IDLE;
}
