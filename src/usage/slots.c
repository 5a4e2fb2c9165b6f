/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  The counters of usage in shared memory.
 *
 * A slot is a figure: how often requests of one key, for one API, in one hour,
 * ended with one code.  Slots are the items of a pool (pool.c) that grows with
 * what is used (memory.c).  They hang in chains by the hash of their key, so
 * that all figures of a key are in one chain.
 *
 * To count is: find the slot, take its spinlock, see that it is still the one,
 * add.  Each backend remembers where it found slots last (slothint.c); that is
 * a hint, since the slot itself says what it is.  Nothing on that way writes, or
 * waits for more than a spinlock or a chain's lock.
 *
 * A slot's count only grows, and a slot has a number that no other ever has.
 * A flush (flush.c) writes both beside what it adds to the tables: so the
 * tables themselves say how much of a slot they contain, and a figure is in
 * memory or in a table, as seen by any snapshot, however a flush ends.
 *
 * A slot can be taken for something else a moment after all that it counted was
 * committed, when its hour is over, or at the ceiling when room is needed.  (The
 * moment is for who reads tables and memory: only to a snapshot older than that,
 * as of a long REPEATABLE READ transaction, a figure can seem to be in neither.)
 * A flush gives such slots back.
 *
 * Locks: a chain changes under its partition's lock, exclusively; what a slot
 * holds, under its spinlock.
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

/* How long after its flush a slot stays what it is */
#define STAY_MS 1000

/* How often slots of hours that are over are looked for */
#define RECLAIM_MS 60000

/* What counting touches of a slot is one cache line: another's slot is not on it */
#define SLOT_LINE 64
#define SLOT_SIZE TYPEALIGN(SLOT_LINE, sizeof(AkSlot))

StaticAssertDecl(offsetof(AkSlot, flushed) <= SLOT_LINE, "counting a request touches one cache line");
StaticAssertDecl(SLOT_SIZE == 192, "docs/operations.md tells the size of a counter");

static AkMemory *memory = NULL;

/* By the key alone: keys are random, and requests without one are few figures. */
static inline uint32
hash_of_id(const AkSlotId *id)
{
	uint32		hash;

	memcpy(&hash, id->key_id, sizeof(hash));
	return hash ^ id->database;
}

static uint32
hash_of(const void *item)
{
	return hash_of_id(&((const AkSlot *) item)->id);
}

static void
forge(void *item)
{
	SpinLockInit(&((AkSlot *) item)->mutex);
}

AkPool		ak_counters = {
	.item_size = SLOT_SIZE,.next_offset = offsetof(AkSlot, next),
	.id_offset = offsetof(AkSlot, id),.id_size = sizeof(AkSlotId),
	.hash_of = hash_of,.forge = forge
};

/* A slot by its number, from 1. */
static inline AkSlot *
slot_at(uint32 number)
{
	return ak_pool_item(&ak_counters, number);
}

/* Is there memory to count in?  It is made if there is none.  In a transaction; does not raise. */
bool
ak_usage_attach(void)
{
	if (unlikely(memory == NULL))
		memory = ak_memory(true);
	return memory != NULL;
}

/* Is there something counted in memory? */
static bool
is_there(void)
{
	if (memory == NULL)
		memory = ak_memory(false);
	return memory != NULL && ak_pool_attach(&ak_counters);
}

/* By what a hint is found, and in which set, but for the kind: an hour's figure is where the next hour's hint goes. */
static inline uint32
hint_tag(uint32 whose, uint64 api, int kind, bool old_secret)
{
	return whose ^ (uint32) (api >> 7) ^ ((kind | old_secret << 5) << 24);
}

/* A new slot */
typedef struct AkNewSlot
{
	const AkSlotId *id;
	const char *workspace;
	size_t		workspace_len;
} AkNewSlot;

static void
fill(void *item, void *arg)
{
	const AkNewSlot *new = arg;
	AkSlot	   *slot = item;

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
 * The slot of that id, with its spinlock held: ak_usage_release() must follow
 * in a few instructions.  It is made when there is none; the workspace is that
 * of the key.  The hint to it is kept by "whose", a number that is likely to be
 * another for another key.  NULL when memory is full or cannot be had.
 */
AkSlot *
ak_usage_acquire(const AkSlotId *id, uint32 whose, const char *workspace, size_t workspace_len)
{
	uint32		tag = hint_tag(whose, id->api, id->kind, id->old_secret);
	uint32		number;

	if (!ak_usage_attach())
		return NULL;
	number = ak_slot_hint(AK_HINT_SLOT, tag);
	for (;;)
	{
		if (likely(number != AK_POOL_NONE))
		{
			AkSlot	   *slot = slot_at(number);

			/* a look without the lock spares the lock of another's slot */
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
			AkNewSlot	new = {.id = id,.workspace = workspace,.workspace_len = workspace_len};

			number = ak_pool_enter(&ak_counters, hash_of_id(id), id, 0, fill, &new);
			ak_memory_took(memory, AK_ROOM_COUNTERS, &ak_counters);
		}
		if (number == AK_POOL_NONE || number == AK_POOL_BEYOND)
			return NULL;
		/* it may have become another's meanwhile: then once more */
		ak_slot_hint_keep(AK_HINT_SLOT, tag, number);
	}
}

void
ak_usage_release(AkSlot *slot)
{
	SpinLockRelease(&slot->mutex);
}

/* Is this a slot of the current database's extension? */
static inline bool
is_ours(const AkSlot *slot, Oid relid)
{
	return slot->id.database == MyDatabaseId && slot->id.relid == relid;
}

/*
 * Copies of the figures of this database that are wanted: an array in the
 * current context.  "unflushed": of those alone that hold more than the tables,
 * as far as memory knows.  wanted() is called with a copy, and no lock held.
 * *at is where to go on from, 0 at first, and afterwards where to go on from
 * when "most" were copied, or 0; NULL: all of them are.
 */
AkFigure *
ak_usage_copy(bool unflushed, bool (*wanted) (const AkSlot *copy, void *arg), void *arg, uint32 *at, int most, int *count)
{
	uint32		number = at != NULL ? *at : AK_POOL_NONE;
	Oid			relid = ak_usage_relid();
	AkFigure   *figures = NULL;
	int			allocated = 0;

	*count = 0;
	if (at != NULL)
		*at = AK_POOL_NONE;
	if (!is_there())
		return NULL;
	while ((number = ak_pool_next(&ak_counters, number)) != AK_POOL_NONE)
	{
		AkSlot	   *slot = slot_at(number);
		AkSlot		copy;

		/* without the lock: what this process has counted is seen, and what others count now may be or not */
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
			figures = figures == NULL ? palloc_extended(allocated * sizeof(AkFigure), MCXT_ALLOC_HUGE) :
				repalloc_huge(figures, allocated * sizeof(AkFigure));
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

/* What is asked about a key */
typedef struct AkLastUse
{
	const pg_uuid_t *key_id;
	Oid			relid;
	TimestampTz last_at;
	char	   *workspace;
} AkLastUse;

static void
note_last_use(void *item, void *arg)
{
	AkSlot	   *slot = item;
	AkLastUse  *use = arg;

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
 * When memory saw a key valid last, and the key's workspace, in AK_WORKSPACE_MAX
 * + 1 bytes; 0: it did not.
 */
TimestampTz
ak_usage_last_used(const pg_uuid_t *key_id, char *workspace)
{
	AkSlotId	id = {.database = MyDatabaseId};
	AkLastUse	use = {.key_id = key_id,.relid = ak_usage_relid(),.workspace = workspace};

	if (!is_there())
		return 0;
	memcpy(id.key_id, key_id->data, UUID_LEN);
	ak_pool_visit(&ak_counters, hash_of_id(&id), note_last_use, &use);
	return use.last_at;
}

/* What decides whether a slot can be taken for something else */
typedef struct AkReclaim
{
	Oid			relid;			/* of this database's figures */
	Oid			dead_database;	/* one that is gone */
	int32		hour;			/* now */
	AkTicks		flushed_before;
	bool		need_room;
} AkReclaim;

/* Can the slot be taken for something else? */
static bool
is_reclaimable(const AkSlot *slot, const AkReclaim *reclaim)
{
	if (slot->id.database == reclaim->dead_database)
		return true;
	if (slot->id.database == MyDatabaseId && slot->id.relid != reclaim->relid)
		return true;
	return slot->id.kind != AK_SLOT_FLUSH && slot->flushed == slot->count &&
		slot->flushed_at <= reclaim->flushed_before &&
		(slot->id.hour != reclaim->hour || reclaim->need_room);
}

/* For ak_pool_remove(). */
static bool
let_go(void *item, void *arg)
{
	AkSlot	   *slot = item;
	bool		gone;

	SpinLockAcquire(&slot->mutex);
	gone = is_reclaimable(slot, arg);
	if (gone)
		memset(&slot->id, 0, sizeof(slot->id));
	SpinLockRelease(&slot->mutex);
	return gone;
}

/*
 * Gives slots back that can be taken for something else, also what is left of
 * databases that are gone; now and then, or when room is needed.
 */
void
ak_usage_reclaim(bool (*is_dead) (Oid database))
{
	static AkTicks looked_at = 0;
	static int32 hour = 0;
	AkReclaim	reclaim = {.relid = ak_usage_relid(),.need_room = ak_memory_is_full(AK_ROOM_COUNTERS)};
	AkTicks		now = ak_ticks();

	if (!is_there())
		return;
	reclaim.hour = GetCurrentTimestamp() / USECS_PER_HOUR;
	reclaim.flushed_before = now - AK_TICKS_OF_MS(STAY_MS);
	if (!reclaim.need_room && reclaim.hour == hour && now < looked_at + AK_TICKS_OF_MS(RECLAIM_MS))
		return;
	hour = reclaim.hour;
	looked_at = now;
	for (uint32 number = ak_pool_next(&ak_counters, 0); number != AK_POOL_NONE; number = ak_pool_next(&ak_counters, number))
	{
		const AkSlot *slot = slot_at(number);
		Oid			database = slot->id.database;

		if (!OidIsValid(database))
			continue;
		reclaim.dead_database = is_dead(database) ? database : InvalidOid;
		/* a look without the lock: what is taken meanwhile will be seen the next time */
		if (is_reclaimable(slot, &reclaim))
			(void) ak_pool_remove(&ak_counters, number, let_go, &reclaim);
	}
}

/* The hour in which the memory was made; 0: there is none. */
int32
ak_usage_made_hour(void)
{
	return ak_usage_attach() ? memory->made_hour : 0;
}
