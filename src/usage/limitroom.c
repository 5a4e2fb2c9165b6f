/*-------------------------------------------------------------------------
 *
 * limitroom.c
 *	  Give back the items of rate limits and quotas (limit.c).
 *
 * The worker does this, so that no request has to.
 *
 * - An item is idle if its rate limit is replenished and its quota flushed: it
 *	 holds nothing that the tables lack.  The job "limits" gives idle items back:
 *	 each minute it looks at some, and at all if room is needed.  At the ceiling,
 *	 so does the worker between its jobs.
 * - A key may no longer have a limit: it was archived, its creation was rolled
 *	 back, or its limit was removed.  The job looks for such keys in the key
 *	 table, and gives their items back.  A transaction in progress can use a key
 *	 that it has created or limited: what only it sees counts.
 * - At the ceiling, limits are given up before they are replenished, so that some
 *	 items stay free.  Only the workspaces that hold the most give some up, down
 *	 to the level at which enough items are free; limits that are replenished
 *	 soonest go first, quotas that are not flushed last.  So a workspace with many
 *	 keys, however long their windows, does not take the items of a workspace
 *	 with few.
 *
 * Items are read without a lock, and compared under their lock before they are
 * given back: one that was used meanwhile stays.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "core/arrays.h"
#include "core/catalog.h"
#include "core/keyindex.h"
#include "core/query.h"
#include "usage/flush.h"
#include "usage/limit.h"
#include "usage/memory.h"

/* Keys that one statement looks up */
#define PIECE 2000

/* Items that the job reads in one run while no room is needed */
#define SOME 20000

/* The key of a limit that is replenished this soon is not looked for: the item will be idle */
#define SOON_NS (INT64CONST(120) * 1000000000)

/* An item as it was read, without its lock */
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
read_item(uint32 number, AkSeenLimit *seen)
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

/* Returns true if the item holds nothing that the tables lack. */
static inline bool
is_idle(const AkSeenLimit *seen, int64 now)
{
	return seen->full_at <= now && !seen->unflushed;
}

/* For ak_pool_remove(): if the item is still as it was read, clears its id and returns true. */
static bool
clear_unchanged(void *item, void *arg)
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
		/* a backend that has read the table already must read it again: see lock_items() in limit.c */
		if (limit->period != AK_PERIOD_NONE)
			pg_atomic_fetch_add_u64(&ak_memory(false)->releases, 1);
	}
	SpinLockRelease(&limit->mutex);
	if (same)
		pg_atomic_fetch_sub_u32(&ak_memory(false)->held[seen->share], 1);
	return same;
}

/* Gives an item back, unless it was used since it was read; returns true if it was given back. */
static bool
give_back(AkSeenLimit *seen)
{
	return ak_pool_remove(&ak_limits, seen->number, clear_unchanged, seen);
}

/* Gives all idle items back. */
static void
give_back_idle(void)
{
	int64 now = ak_limit_now();
	AkSeenLimit seen;

	for (uint32 number = ak_pool_next(&ak_limits, 0); number != AK_POOL_NONE; number = ak_pool_next(&ak_limits, number))
	{
		read_item(number, &seen);
		if (OidIsValid(seen.id.database) && is_idle(&seen, now))
			(void) give_back(&seen);
	}
}

/*
 * --------------------------------------------------------- at the ceiling
 */

/* Returns how many items each share may keep, of those in held[], for about "wanted" to be given up in total. */
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
	/* one less, so that at least "wanted" are */
	return low > 0 ? low - 1 : 0;
}

/* Orders by share; within it, unflushed quotas come last, and limits that are replenished soonest first. */
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

/* Gives up that number of limits, of the shares that hold the most. */
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
		read_item(number, &seen[count]);
		if (OidIsValid(seen[count].id.database) && held[seen[count].share % AK_SHARES] > level)
			count++;
	}
	qsort(seen, count, sizeof(AkSeenLimit), compare_seen);
	for (uint32 i = 0; i < count && given_up < wanted; i++)
	{
		uint32 *left = &held[seen[i].share % AK_SHARES];

		if (*left > level && give_back(&seen[i]))
		{
			(*left)--;
			given_up++;
		}
	}
	pfree(seen);
	ak_memory_lost(AK_LOST_EARLY, given_up);
}

/*
 * To be called by the worker at the ceiling: gives idle items back, and gives up
 * limits if too few items are free then.  In a transaction; does not raise, unless
 * the worker itself is out of memory.
 */
void
ak_limits_make_room(void)
{
	uint32 capacity;
	uint32 free;

	if (!ak_pool_attach(&ak_limits))
		return;
	capacity = ak_limits.shared->capacity;
	give_back_idle();
	free = ak_pool_free(&ak_limits);
	if (free < capacity / AK_LIMITS_LOW)
		give_up(capacity / AK_LIMITS_ENOUGH - free);
}

/*
 * ------------------------------------------------------------ the job
 */

/*
 * Returns true if a key that is not archived has a limit or a quota, also by what a
 * transaction in progress has written.
 */
static bool
may_be_limited(Relation rel, const uint8 *key_id)
{
	TupleDesc desc = RelationGetDescr(rel);
	SnapshotData dirty;
	SysScanDesc scan;
	HeapTuple tuple;
	bool limited = false;

	InitDirtySnapshot(dirty);
	scan = ak_key_scan(rel, PointerGetDatum(key_id), &dirty);
	while (!limited && HeapTupleIsValid(tuple = systable_getnext(scan)))
		limited = heap_attisnull(tuple, Anum_key_archived_at, desc) &&
				  !(heap_attisnull(tuple, Anum_key_rate_limit, desc) && heap_attisnull(tuple, Anum_key_quota, desc));
	systable_endscan(scan);
	return limited;
}

/* Of some items of this database, gives back those whose key no longer has a limit.  SPI is connected, as the owner. */
static void
give_back_unlimited(AkSeenLimit *seen, int count)
{
	static AkQuery query = {"SELECT m.n::int4 FROM unnest($1) WITH ORDINALITY AS m (key_id, n) "
							"WHERE NOT EXISTS (SELECT FROM apikeys.key k WHERE k.key_id = m.key_id "
							"AND k.archived_at IS NULL AND (k.rate_limit IS NOT NULL OR k.quota IS NOT NULL))",
							1,
							{UUIDARRAYOID},
							NULL};
	Datum *key_ids = palloc(count * sizeof(Datum));
	Datum args[1];
	Relation rel;
	bool isnull;

	for (int i = 0; i < count; i++)
		key_ids[i] = PointerGetDatum(seen[i].id.id);
	args[0] = ak_array(key_ids, count, UUIDOID);
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	rel = ak_table_open(AK_KEY, AccessShareLock);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		AkSeenLimit *item = &seen[DatumGetInt32(ak_query_result(i, 1, &isnull)) - 1];

		if (!may_be_limited(rel, item->id.id))
			(void) give_back(item);
	}
	table_close(rel, AccessShareLock);
	pfree(key_ids);
}

/*
 * The worker's job "limits": gives back idle items, and those of keys that no
 * longer have a limit and of databases that no longer exist.
 */
AkJobNext
ak_limits_job(void)
{
	static uint32 last = AK_POOL_NONE; /* item at which the last run stopped */
	bool all = ak_memory_is_full(AK_ROOM_LIMITS);
	int64 now = ak_limit_now();
	AkSeenLimit *seen;
	uint32 examined = 0;
	uint32 number = all ? AK_POOL_NONE : last;
	int count = 0;

	if (ak_memory(false) == NULL || !ak_pool_attach(&ak_limits) || ak_limits.shared->used == 0 || !ak_job_begin())
		return AK_JOB_IDLE;
	seen = palloc(PIECE * sizeof(AkSeenLimit));
	while ((number = ak_pool_next(&ak_limits, number)) != AK_POOL_NONE && (all || examined++ < SOME))
	{
		read_item(number, &seen[count]);
		if (!OidIsValid(seen[count].id.database))
			continue;
		if (is_idle(&seen[count], now) || ak_is_dead_database(seen[count].id.database))
			(void) give_back(&seen[count]);
		else if (seen[count].id.database == MyDatabaseId && !seen[count].shared && seen[count].full_at > now + SOON_NS)
			count++;
		if (count == PIECE)
		{
			give_back_unlimited(seen, count);
			count = 0;
			ak_job_go_on();
		}
	}
	last = number;
	if (count > 0)
		give_back_unlimited(seen, count);
	ak_job_commit();
	return AK_JOB_IDLE;
}
