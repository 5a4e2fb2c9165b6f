/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  The counters of usage in shared memory.
 *
 * A slot holds a figure: the number of requests with one key, for one API, in one
 * hour, that got one code.  Slots are the items of a pool (pool.c) that
 * grows as needed (memory.c).  They are in chains by the hash of their key, so
 * that all figures of a key are in one chain.
 *
 * To count a request: find the slot in its chain without a lock, take its
 * spinlock, check that it is still the right one, add.  Only if it is not found,
 * the chain is locked, and the slot made if there is none.  This path writes
 * nothing to disk, and waits only for a spinlock or a chain's lock.
 *
 * A slot's count only grows, and its number is unique, even after a restart.  A
 * flush (flush.c) stores both in the row to which it adds the count.  So the row
 * tells how much of the slot it contains: however a flush ends, each request is
 * counted once, in memory or in the tables.
 *
 * A flush gives a slot back for reuse when all of its count was committed STAY_MS
 * ago, and its hour is over or, at the ceiling, room is needed.  (The delay is for
 * queries that read the tables and memory.  Only under an older snapshot, as in a
 * long REPEATABLE READ transaction, can a figure be missing in both.)
 *
 * Locks: a chain changes under its partition's lock, exclusively; a slot's
 * contents change under its spinlock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/timestamp.h"

#include "core/compat.h"
#include "core/guc.h"
#include "usage/memory.h"
#include "usage/usage.h"

/* The delay between a slot's flush and its reuse */
#define STAY_MS 1000

/* The interval between searches for slots of past hours */
#define RECLAIM_MS 60000

/* Counting touches only one cache line of a slot, which no other slot shares */
#define SLOT_LINE 64
#define SLOT_SIZE TYPEALIGN(SLOT_LINE, sizeof(AkSlot))

StaticAssertDecl(offsetof(AkSlot, flushed) <= SLOT_LINE, "counting a request touches one cache line");
StaticAssertDecl(SLOT_SIZE == 192, "docs/operations.md tells the size of a counter");

static AkMemory *memory = NULL;

/* Returns the hash of a slot's id: of its key alone, since key ids are random; without a key, of all but the hour. */
static inline uint32
hash_of_id(const AkSlotId *id)
{
	static const uint8 no_key[UUID_LEN];
	uint32 hash;

	if (memcmp(id->key_id, no_key, UUID_LEN) == 0)
		hash = (uint32) (id->api >> 32) ^ id->kind;
	else
		memcpy(&hash, id->key_id, sizeof(hash));
	return hash ^ id->database;
}

static uint32
hash_of(const void *item)
{
	return hash_of_id(&((const AkSlot *) item)->id);
}

static void
init_slot(void *item)
{
	SpinLockInit(&((AkSlot *) item)->mutex);
}

AkPool ak_counters = {.item_size = SLOT_SIZE,
					  .next_offset = offsetof(AkSlot, next),
					  .id_offset = offsetof(AkSlot, id),
					  .id_size = sizeof(AkSlotId),
					  .hash_of = hash_of,
					  .init_item = init_slot,
					  .hint_size = AK_HINT_SET_SIZE / AK_HINT_WAYS};

/* Returns a slot by its number, from 1. */
static inline AkSlot *
slot_at(uint32 number)
{
	return ak_pool_item(&ak_counters, number);
}

/* Attaches the memory, or creates it; returns false if that fails.  To be called in a transaction; does not raise. */
bool
ak_usage_attach(void)
{
	if (unlikely(memory == NULL))
		memory = ak_memory(true);
	return memory != NULL;
}

/*
 * Returns the set of hints to keys (keystore.c) for a hash, or with neighbour = 1
 * the set next to it: AK_HINT_SET_SIZE bytes, zeroed at first.  When memory grows,
 * each hash gets another set.  NULL if memory cannot be had.  To be called in a
 * transaction, with no lock held; does not raise.
 */
void *
ak_usage_hint_set(uint32 hash, uint32 neighbour)
{
	const uint32 per_chunk = AK_POOL_CHUNK / AK_HINT_WAYS;
	uint32 set;

	if (!ak_usage_attach())
		return NULL;
	(void) ak_pool_attach(&ak_counters);
	set = (uint32) ((uint64) hash * (ak_counters.nchunks * per_chunk) >> 32) ^ neighbour;
	return (char *) ak_pool_hints(&ak_counters, set / per_chunk) + set % per_chunk * AK_HINT_SET_SIZE;
}

/* Prefetches what the last request with a key used. */
void
ak_usage_prefetch(AkKeyItems *items)
{
	if (ak_guc_track_usage)
		ak_pool_prefetch(&ak_counters, pg_atomic_read_u32(&items->counter));
	ak_pool_prefetch(&ak_limits, pg_atomic_read_u32(&items->limit));
}

/* Attaches the memory; returns false if it does not exist, or if this process cannot reach all counters. */
static bool
attach_existing(void)
{
	if (memory == NULL)
		memory = ak_memory(false);
	return memory != NULL && ak_pool_attach(&ak_counters);
}

/* Argument of fill_slot() */
typedef struct AkNewSlot
{
	const AkSlotId *id;
	const char *workspace;
	size_t workspace_len;
} AkNewSlot;

static void
fill_slot(void *item, void *arg)
{
	const AkNewSlot *new = arg;
	AkSlot *slot = item;

	SpinLockAcquire(&slot->mutex);
	slot->id = *new->id;
	slot->count = 0;
	slot->flushed = 0;
	slot->flushed_at = 0;
	slot->number = pg_atomic_fetch_add_u64(&memory->next_number, 1);
	slot->last_at = 0;
	slot->client.bits = 0;
	slot->workspace_len = Min(new->workspace_len, AK_WORKSPACE_MAX);
	memcpy(slot->workspace, new->workspace, slot->workspace_len);
	SpinLockRelease(&slot->mutex);
}

/*
 * Returns the slot with that id, with its spinlock held; makes it if there is
 * none.  ak_usage_release() must follow within a few instructions.  The workspace
 * is that of the key; the slot is looked for first, and noted, in "items", if that
 * is not NULL.  Returns NULL if memory is full, or cannot be created or attached.
 * To be called in a transaction, with no lock held; does not raise.
 */
AkSlot *
ak_usage_acquire(const AkSlotId *id, const char *workspace, size_t workspace_len, AkKeyItems *items)
{
	uint32 hash = hash_of_id(id);
	uint32 guess = items != NULL ? pg_atomic_read_u32(&items->counter) : AK_POOL_NONE;
	uint32 number;

	if (!ak_usage_attach())
		return NULL;
	number = ak_pool_peek(&ak_counters, hash, id, guess);
	for (;;)
	{
		if (likely(number != AK_POOL_NONE))
		{
			AkSlot *slot = slot_at(number);

			SpinLockAcquire(&slot->mutex);
			if (likely(memcmp(&slot->id, id, sizeof(*id)) == 0))
			{
				if (items != NULL && number != guess)
					pg_atomic_write_u32(&items->counter, number);
				return slot;
			}
			SpinLockRelease(&slot->mutex);
		}
		number = ak_pool_find(&ak_counters, hash, id);
		if (number == AK_POOL_NONE)
		{
			AkNewSlot new = {.id = id, .workspace = workspace, .workspace_len = workspace_len};

			number = ak_pool_enter(&ak_counters, hash, id, 0, fill_slot, &new);
			ak_memory_took(memory, AK_ROOM_COUNTERS, &ak_counters);
		}
		/* the slot may be reused before its lock is taken: the loop checks it again */
		if (number == AK_POOL_NONE || number == AK_POOL_BEYOND)
			return NULL;
	}
}

/* Releases the spinlock of a slot that ak_usage_acquire() returned. */
void
ak_usage_release(AkSlot *slot)
{
	SpinLockRelease(&slot->mutex);
}

/* Returns true for a slot of the current database's extension. */
static inline bool
is_ours(const AkSlot *slot, Oid relid)
{
	return slot->id.database == MyDatabaseId && slot->id.relid == relid;
}

/*
 * Copies the figures of this database for which wanted() returns true.  Returns an
 * array in the current context, and its length in *count.  With "unflushed", only
 * figures of which the tables are not known to have all.  wanted() is called with
 * a copy, and no lock held.
 *
 * If "at" is NULL, all are copied; else at most "most": *at is where to continue,
 * 0 for the first call and after the last figure.
 *
 * Raises 42P01 if the extension is gone, and what wanted() raises.
 */
AkFigure *
ak_usage_copy(bool unflushed, bool (*wanted)(const AkSlot *copy, void *arg), void *arg, uint32 *at, int most,
			  int *count)
{
	uint32 number = at != NULL ? *at : AK_POOL_NONE;
	Oid relid = ak_usage_relid();
	AkFigure *figures = NULL;
	int allocated = 0;

	*count = 0;
	if (at != NULL)
		*at = AK_POOL_NONE;
	if (!attach_existing())
		return NULL;
	while ((number = ak_pool_next(&ak_counters, number)) != AK_POOL_NONE)
	{
		AkSlot *slot = slot_at(number);
		AkSlot copy;

		/* read without the lock: sees what this process has counted, and may miss what others count now */
		if (slot->id.database != MyDatabaseId || (unflushed && slot->count == slot->flushed))
			continue;
		SpinLockAcquire(&slot->mutex);
		copy = *slot;
		SpinLockRelease(&slot->mutex);
		if (!is_ours(&copy, relid) || (unflushed && copy.count == copy.flushed) || !wanted(&copy, arg))
			continue;
		if (*count == allocated)
		{
			allocated = Max(64, allocated * 2);
			figures = figures == NULL ? palloc_extended(allocated * sizeof(AkFigure), MCXT_ALLOC_HUGE)
									  : repalloc_huge(figures, allocated * sizeof(AkFigure));
		}
		figures[*count].slot = copy;
		figures[*count].origin = slot;
		(*count)++;
		if (at != NULL && *count == most)
		{
			*at = number;
			break;
		}
	}
	return figures;
}

/* Argument of note_last_use() */
typedef struct AkLastUse
{
	const pg_uuid_t *key_id;
	Oid relid;
	TimestampTz last_at;
	char *workspace;
} AkLastUse;

static void
note_last_use(void *item, void *arg)
{
	AkSlot *slot = item;
	AkLastUse *use = arg;

	if (!is_ours(slot, use->relid) || slot->id.kind != AK_VALID ||
		memcmp(slot->id.key_id, use->key_id->data, UUID_LEN) != 0)
		return;
	SpinLockAcquire(&slot->mutex);
	use->last_at = Max(use->last_at, slot->last_at);
	memcpy(use->workspace, slot->workspace, slot->workspace_len);
	use->workspace[slot->workspace_len] = '\0';
	SpinLockRelease(&slot->mutex);
}

/*
 * Returns when memory last counted a valid request with a key, and the key's
 * workspace in "workspace", of AK_WORKSPACE_MAX + 1 bytes; 0, with "workspace"
 * unchanged, if it has counted none.
 */
TimestampTz
ak_usage_last_used(const pg_uuid_t *key_id, char *workspace)
{
	AkSlotId id = {.database = MyDatabaseId};
	AkLastUse use = {.key_id = key_id, .relid = ak_usage_relid(), .workspace = workspace};

	if (!attach_existing())
		return 0;
	memcpy(id.key_id, key_id->data, UUID_LEN);
	ak_pool_visit(&ak_counters, hash_of_id(&id), note_last_use, &use);
	return use.last_at;
}

/* The conditions for reusing a slot */
typedef struct AkReclaim
{
	Oid relid;         /* of this database's usage table */
	Oid dead_database; /* the slot's database if it no longer exists */
	int32 hour;        /* the current hour */
	AkTicks flushed_before;
	bool need_room;
} AkReclaim;

/* Returns true if the slot can be reused. */
static bool
is_reclaimable(const AkSlot *slot, const AkReclaim *reclaim)
{
	if (slot->id.database == reclaim->dead_database)
		return true;
	if (slot->id.database == MyDatabaseId && slot->id.relid != reclaim->relid)
		return true;
	return slot->id.kind != AK_SLOT_FLUSH && slot->flushed == slot->count &&
		   slot->flushed_at <= reclaim->flushed_before && (slot->id.hour != reclaim->hour || reclaim->need_room);
}

/* For ak_pool_remove(): if the slot can be reused, clears its id and returns true. */
static bool
clear_slot(void *item, void *arg)
{
	AkSlot *slot = item;
	bool cleared;

	SpinLockAcquire(&slot->mutex);
	cleared = is_reclaimable(slot, arg);
	if (cleared)
		memset(&slot->id, 0, sizeof(slot->id));
	SpinLockRelease(&slot->mutex);
	return cleared;
}

/*
 * Gives back the slots that can be reused, including those of databases for which
 * is_dead() returns true: they no longer exist.  Does nothing for RECLAIM_MS after
 * the last time, unless an hour began meanwhile or room is needed.
 */
void
ak_usage_reclaim(bool (*is_dead)(Oid database))
{
	static AkTicks last = 0;
	static int32 hour = 0;
	AkReclaim reclaim = {.relid = ak_usage_relid(), .need_room = ak_memory_is_full(AK_ROOM_COUNTERS)};
	AkTicks now = ak_ticks();

	if (!attach_existing())
		return;
	reclaim.hour = GetCurrentTimestamp() / USECS_PER_HOUR;
	reclaim.flushed_before = now - AK_TICKS_OF_MS(STAY_MS);
	if (!reclaim.need_room && reclaim.hour == hour && now < last + AK_TICKS_OF_MS(RECLAIM_MS))
		return;
	hour = reclaim.hour;
	last = now;
	for (uint32 number = ak_pool_next(&ak_counters, 0); number != AK_POOL_NONE;
		 number = ak_pool_next(&ak_counters, number))
	{
		const AkSlot *slot = slot_at(number);
		Oid database = slot->id.database;

		if (!OidIsValid(database))
			continue;
		reclaim.dead_database = is_dead(database) ? database : InvalidOid;
		/* read without the lock; clear_slot() checks under it, and the next call finds a slot that changes now */
		if (is_reclaimable(slot, &reclaim))
			(void) ak_pool_remove(&ak_counters, number, clear_slot, &reclaim);
	}
}

/* Returns the hour in which the memory was created; creates it if there is none.  0 if that fails. */
int32
ak_usage_made_hour(void)
{
	return ak_usage_attach() ? memory->made_hour : 0;
}
