/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  The counters of usage in shared memory.
 *
 * A slot is a figure: the number of requests of one key, for one API, in one
 * hour, that ended with one code.  Slots are the items of a pool (pool.c) that
 * grows as needed (memory.c).  They are in chains by the hash of their key, so
 * that all figures of a key are in one chain.
 *
 * To count a request: find the slot, take its spinlock, check that it is still
 * the right one, add.  Each backend remembers where it last found slots
 * (slothint.c); that is only a hint, since the slot itself holds its id.  This
 * path writes nothing to disk, and waits only for a spinlock or a chain's lock.
 *
 * A slot's count only grows, and no other slot ever has the same number.  A
 * flush (flush.c) writes both beside what it adds to the tables.  So the tables
 * show how much of a slot they contain: for any snapshot, a figure is either in
 * memory or in a table, however a flush ends.
 *
 * A slot can be reused a moment after all of its count was committed, when its
 * hour is over, or at the ceiling when room is needed.  (The delay is for
 * queries that read tables and memory.  Only with a snapshot older than that,
 * as in a long REPEATABLE READ transaction, can a figure seem to be in
 * neither.)  A flush gives such slots back.
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

/* By the key alone: key ids are random, and requests without a key have few figures. */
static inline uint32
hash_of_id(const AkSlotId *id)
{
	uint32 hash;

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
					  .hint_size = AK_KEY_HINT_SIZE};

/* Returns a slot by its number, from 1. */
static inline AkSlot *
slot_at(uint32 number)
{
	return ak_pool_item(&ak_counters, number);
}

/* Attaches the memory, or creates it; returns false if that fails.  Call in a transaction; does not raise. */
bool
ak_usage_attach(void)
{
	if (unlikely(memory == NULL))
		memory = ak_memory(true);
	return memory != NULL;
}

/*
 * Returns the room for hints to the rows of keys (keystore.c), AK_KEY_HINT_SIZE
 * bytes each, and their number, a power of two; NULL if memory cannot be had.
 * Call in a transaction, with no lock held; does not raise.
 */
void *
ak_usage_key_hints(uint32 *count)
{
	if (!ak_usage_attach())
		return NULL;
	(void) ak_pool_attach(&ak_counters);
	*count = ak_counters.nhints;
	return ak_counters.hints;
}

/* Returns true if the memory exists and all of its counters can be reached. */
static bool
is_there(void)
{
	if (memory == NULL)
		memory = ak_memory(false);
	return memory != NULL && ak_pool_attach(&ak_counters);
}

/* The tag and set of a hint.  The hour is left out: the hint of the next hour's slot replaces this one. */
static inline uint32
hint_tag(uint32 whose, uint64 api, int kind, bool old_secret)
{
	return whose ^ (uint32) (api >> 7) ^ ((kind | old_secret << 5) << 24);
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
 * Returns the slot with that id, with its spinlock held, after making it if
 * there is none: ak_usage_release() must follow within a few instructions.  The
 * workspace is that of the key.  "whose" selects the hint: a number that is
 * likely to differ between keys.  Returns NULL if memory is full, or there is
 * none.
 */
AkSlot *
ak_usage_acquire(const AkSlotId *id, uint32 whose, const char *workspace, size_t workspace_len)
{
	uint32 tag = hint_tag(whose, id->api, id->kind, id->old_secret);
	uint32 number;

	if (!ak_usage_attach())
		return NULL;
	number = ak_slot_hint(AK_HINT_SLOT, tag);
	for (;;)
	{
		if (likely(number != AK_POOL_NONE))
		{
			AkSlot *slot = slot_at(number);

			/* a check without the lock avoids taking the lock of another key's slot */
			if (memcmp(slot->id.key_id, id->key_id, UUID_LEN) == 0)
			{
				SpinLockAcquire(&slot->mutex);
				if (likely(memcmp(&slot->id, id, sizeof(*id)) == 0))
					return slot;
				SpinLockRelease(&slot->mutex);
			}
		}
		number = ak_pool_find(&ak_counters, hash_of_id(id), id);
		if (number == AK_POOL_NONE)
		{
			AkNewSlot new = {.id = id, .workspace = workspace, .workspace_len = workspace_len};

			number = ak_pool_enter(&ak_counters, hash_of_id(id), id, 0, fill_slot, &new);
			ak_memory_took(memory, AK_ROOM_COUNTERS, &ak_counters);
		}
		if (number == AK_POOL_NONE || number == AK_POOL_BEYOND)
			return NULL;
		/* the slot may be reused before its lock is taken: the loop checks it again */
		ak_slot_hint_keep(AK_HINT_SLOT, tag, number);
	}
}

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
 * Returns copies of the figures of this database for which wanted() returns
 * true, as an array in the current context.  With "unflushed", returns only
 * those that hold more than the tables, as far as memory knows.  wanted() is
 * called with a copy, and no lock held.  With "at", at most "most" are copied:
 * *at is the position to continue from, 0 at first and after the last one.  If
 * "at" is NULL, all are copied.
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
	if (!is_there())
		return NULL;
	while ((number = ak_pool_next(&ak_counters, number)) != AK_POOL_NONE)
	{
		AkSlot *slot = slot_at(number);
		AkSlot copy;

		/* without the lock: this process's own counts are seen, concurrent ones may not be */
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
 * Returns when a key was last valid according to memory, or 0.  The key's
 * workspace is stored in "workspace", which has AK_WORKSPACE_MAX + 1 bytes.
 */
TimestampTz
ak_usage_last_used(const pg_uuid_t *key_id, char *workspace)
{
	AkSlotId id = {.database = MyDatabaseId};
	AkLastUse use = {.key_id = key_id, .relid = ak_usage_relid(), .workspace = workspace};

	if (!is_there())
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

/* For ak_pool_remove(): clears the slot's id and returns true if the slot can be reused. */
static bool
let_go(void *item, void *arg)
{
	AkSlot *slot = item;
	bool gone;

	SpinLockAcquire(&slot->mutex);
	gone = is_reclaimable(slot, arg);
	if (gone)
		memset(&slot->id, 0, sizeof(slot->id));
	SpinLockRelease(&slot->mutex);
	return gone;
}

/*
 * Gives back slots that can be reused, including those of databases that no
 * longer exist.  Does so every RECLAIM_MS, at a new hour, or if room is needed.
 */
void
ak_usage_reclaim(bool (*is_dead)(Oid database))
{
	static AkTicks looked_at = 0;
	static int32 hour = 0;
	AkReclaim reclaim = {.relid = ak_usage_relid(), .need_room = ak_memory_is_full(AK_ROOM_COUNTERS)};
	AkTicks now = ak_ticks();

	if (!is_there())
		return;
	reclaim.hour = GetCurrentTimestamp() / USECS_PER_HOUR;
	reclaim.flushed_before = now - AK_TICKS_OF_MS(STAY_MS);
	if (!reclaim.need_room && reclaim.hour == hour && now < looked_at + AK_TICKS_OF_MS(RECLAIM_MS))
		return;
	hour = reclaim.hour;
	looked_at = now;
	for (uint32 number = ak_pool_next(&ak_counters, 0); number != AK_POOL_NONE;
		 number = ak_pool_next(&ak_counters, number))
	{
		const AkSlot *slot = slot_at(number);
		Oid database = slot->id.database;

		if (!OidIsValid(database))
			continue;
		reclaim.dead_database = is_dead(database) ? database : InvalidOid;
		/* without the lock: a slot that changes now is checked again the next time */
		if (is_reclaimable(slot, &reclaim))
			(void) ak_pool_remove(&ak_counters, number, let_go, &reclaim);
	}
}

/* Returns the hour in which the memory was created, after creating it if there is none; 0 if that fails. */
int32
ak_usage_made_hour(void)
{
	return ak_usage_attach() ? memory->made_hour : 0;
}
