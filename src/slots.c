/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  The shared memory of usage counters and rate limits.
 *
 * The memory is one array of slots, made whole at first use and never freed.
 * A slot is a figure: how often requests of one key, for one API, in one hour,
 * ended with one code.  Slots hang in chains by the hash of their key, so that
 * all figures of a key are in one chain.
 *
 * To count is: find the slot, take its spinlock, see that it is still the one,
 * add.  Each backend remembers where it found slots last (slothint.c); that is
 * a hint, since the slot itself says what it is.  Nothing on that way allocates,
 * writes or waits for more than a spinlock or a chain's lock.
 *
 * A slot's count only grows, and a slot has a number that no other ever has.
 * A flush (flush.c) writes both beside what it adds to the tables: so the
 * tables themselves say how much of a slot they contain, and a figure is in
 * memory or in a table, as seen by any snapshot, however a flush ends.
 *
 * A slot can be taken for something else a moment after all that it counted was
 * committed, when its hour is over or room is needed.  (The moment is for who
 * reads tables and memory: only to a snapshot older than that, as of a long
 * REPEATABLE READ transaction, a figure can seem to be in neither.)  When none
 * can be had, a flush is asked for, and the request is counted as one that
 * could not be counted.
 *
 * Locks: a chain changes under its partition's lock, exclusively; what a slot
 * holds under its spinlock; the list of free slots under its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "shmem.h"
#include "usage.h"
#include "worker.h"

#define PARTITIONS 16

/* What is kept free of figures: for rate limits, and to say that memory is full */
#define RESERVED_LAST 16
#define RESERVED(slots) ((slots) / 8 + RESERVED_LAST)

/* How long after its flush a slot stays what it is */
#define STAY_MS 1000

/* When memory is full, look for room and ask for a flush this often */
#define FULL_MS 500

typedef struct AkUsage
{
	uint32		nslots;
	uint32		nbuckets;		/* a power of two */
	int32		made_hour;		/* what a standby counts is counted there */
	pg_atomic_uint64 next_number;
	pg_atomic_uint64 looked_at; /* for room, last: a TimestampTz */
	pg_atomic_uint64 asked_at;	/* for a flush, last */
	pg_atomic_uint64 lost;		/* counted nowhere else */
	LWLockPadded partitions[PARTITIONS];
	slock_t		free_mutex;		/* protects: */
	uint32		free_head;
	uint32		free_count;
	uint32		buckets[FLEXIBLE_ARRAY_MEMBER];	/* then the slots */
} AkUsage;

/* What counting touches of a slot is one cache line: another's slot is not on it */
#define SLOT_LINE 64
#define SLOT_SIZE TYPEALIGN(SLOT_LINE, sizeof(AkSlot))

StaticAssertDecl(offsetof(AkSlot, flushed) <= SLOT_LINE, "counting a request touches one cache line");
StaticAssertDecl(SLOT_SIZE + 2 * sizeof(uint32) <= 256, "README promises 256 bytes an entry");

static AkUsage *usage = NULL;
static char *slots;

static uint32
bucket_count(uint32 nslots)
{
	uint32		n = PARTITIONS;

	while (n < nslots)
		n *= 2;
	return n;
}

/* Where the slots begin, in bytes from the segment's address, which is that of a page. */
static Size
slots_offset(uint32 nslots)
{
	return TYPEALIGN(SLOT_LINE, offsetof(AkUsage, buckets) + bucket_count(nslots) * sizeof(uint32));
}

/* A slot by its number, from 1. */
static inline AkSlot *
slot_at(uint32 number)
{
	return (AkSlot *) (slots + (Size) (number - 1) * SLOT_SIZE);
}

/* How many bytes ak_usage_make() needs. */
Size
ak_usage_size(void)
{
	Size		nslots = ak_guc_max_usage_entries;

	return slots_offset(nslots) + nslots * SLOT_SIZE;
}

/* Makes the memory, given the tranche of our locks. */
void
ak_usage_make(void *segment, int tranche)
{
	AkUsage    *memory = segment;
	uint64		first;

	memset(memory, 0, ak_usage_size());
	memory->nslots = ak_guc_max_usage_entries;
	memory->nbuckets = bucket_count(memory->nslots);
	memory->made_hour = GetCurrentTimestamp() / USECS_PER_HOUR;
	/* no number of an earlier memory, which tables may hold, comes again */
	if (!pg_strong_random(&first, sizeof(first)))
		elog(ERROR, "could not generate random values");
	pg_atomic_init_u64(&memory->next_number, first >> 2);
	pg_atomic_init_u64(&memory->looked_at, 0);
	pg_atomic_init_u64(&memory->asked_at, 0);
	pg_atomic_init_u64(&memory->lost, 0);
	for (int i = 0; i < PARTITIONS; i++)
		LWLockInitialize(&memory->partitions[i].lock, tranche);
	SpinLockInit(&memory->free_mutex);
	slots = (char *) memory + slots_offset(memory->nslots);
	for (uint32 number = 1; number <= memory->nslots; number++)
	{
		SpinLockInit(&slot_at(number)->mutex);
		slot_at(number)->next = number < memory->nslots ? number + 1 : 0;
	}
	memory->free_head = 1;
	memory->free_count = memory->nslots;
}

static bool
attach(void)
{
	if (unlikely(usage == NULL))
	{
		usage = ak_usage_segment();
		if (usage == NULL)
			return false;
		slots = (char *) usage + slots_offset(usage->nslots);
	}
	return true;
}

/* By the key alone: keys are random, and requests without one are few figures. */
static inline uint32
bucket_of(const AkSlotId *id)
{
	uint32		hash;

	memcpy(&hash, id->key_id, sizeof(hash));
	return (hash ^ id->database) & (usage->nbuckets - 1);
}

static inline LWLock *
partition_of(uint32 bucket)
{
	return &usage->partitions[bucket % PARTITIONS].lock;
}

/* By what a hint is found, and in which set, but for the kind: an hour's figure is where the next hour's hint goes. */
static inline uint32
hint_tag(uint32 whose, uint64 api, int kind, bool old_secret)
{
	return whose ^ (uint32) (api >> 7) ^ ((kind | old_secret << 5) << 24);
}

/* The slot of that id in its chain; its number, 0 if there is none.  Needs the partition's lock. */
static uint32
find(const AkSlotId *id, uint32 bucket)
{
	uint32		number = usage->buckets[bucket];

	while (number != 0 && memcmp(&slot_at(number)->id, id, sizeof(*id)) != 0)
		number = slot_at(number)->next;
	return number;
}

/* Takes a slot from the free ones, but for a reserve; its number, 0 if none. */
static uint32
take_free(uint32 reserve)
{
	uint32		number = 0;

	SpinLockAcquire(&usage->free_mutex);
	if (usage->free_count > reserve)
	{
		number = usage->free_head;
		usage->free_head = slot_at(number)->next;
		usage->free_count--;
	}
	SpinLockRelease(&usage->free_mutex);
	return number;
}

static void
give_free(uint32 number)
{
	SpinLockAcquire(&usage->free_mutex);
	slot_at(number)->next = usage->free_head;
	usage->free_head = number;
	usage->free_count++;
	SpinLockRelease(&usage->free_mutex);
}

/* True for one caller every FULL_MS. */
static bool
my_turn(pg_atomic_uint64 *last, TimestampTz now)
{
	uint64		before = pg_atomic_read_u64(last);

	return now >= TimestampTzPlusMilliseconds((TimestampTz) before, FULL_MS) &&
		pg_atomic_compare_exchange_u64(last, &before, now);
}

static uint32
reserve_for(int kind)
{
	switch (kind)
	{
		case AK_SLOT_UNCOUNTED:
		case AK_SLOT_FLUSH:
			return 0;
		case AK_SLOT_LIMIT:
			return RESERVED_LAST;
		default:
			return RESERVED(usage->nslots);
	}
}

/* A new slot, in its chain; its number, 0 when memory is full. */
static uint32
make(const AkSlotId *id, uint32 bucket, const char *workspace, size_t workspace_len)
{
	uint32		number;
	AkSlot	   *slot;

	LWLockAcquire(partition_of(bucket), LW_EXCLUSIVE);
	number = find(id, bucket);
	if (number == 0 && (number = take_free(reserve_for(id->kind))) != 0)
	{
		slot = slot_at(number);
		SpinLockAcquire(&slot->mutex);
		slot->id = *id;
		slot->count = 0;
		slot->flushed = 0;
		slot->flushed_at = 0;
		slot->number = pg_atomic_fetch_add_u64(&usage->next_number, 1);
		slot->last_at = 0;
		slot->client.bits = 0;
		slot->workspace_len = Min(workspace_len, AK_WORKSPACE_MAX);
		memcpy(slot->workspace, workspace, slot->workspace_len);
		SpinLockRelease(&slot->mutex);
		slot->next = usage->buckets[bucket];
		usage->buckets[bucket] = number;
	}
	LWLockRelease(partition_of(bucket));
	return number;
}

/* Is there no room for a figure or limit of that kind?  A look without a lock. */
static inline bool
is_full(int kind)
{
	return *(volatile uint32 *) &usage->free_count <= reserve_for(kind);
}

/*
 * Memory is full: have the worker flush, and look for room, but not with every
 * request.  Returns whether it is worth trying again.
 */
static bool
look_for_room(int kind, TimestampTz now)
{
	if (my_turn(&usage->asked_at, now))
		(void) ak_worker_wake(AK_JOB_FLUSH);
	if (!my_turn(&usage->looked_at, now))
		return false;
	ak_usage_reclaim(NULL, 0);
	return !is_full(kind);
}

/* Has the processor fetch where ak_usage_fetch_slot() will look. */
void
ak_usage_fetch_hint(uint32 whose, uint64 api)
{
	ak_slot_hint_fetch(hint_tag(whose, api, 0, false));
}

/* Has the processor fetch a slot that we remember, before it is acquired: what counting touches of it. */
void
ak_usage_fetch_slot(const AkSlotId *id, uint32 whose, bool with_client)
{
#ifdef __GNUC__
	uint32		number = usage != NULL ? ak_slot_hint(hint_tag(whose, id->api, id->kind, id->old_secret)) : 0;

	if (number != 0)
		__builtin_prefetch(slot_at(number), 1);
	if (number != 0 && with_client)
		__builtin_prefetch(&slot_at(number)->client, 1);
#endif
}

/*
 * The slot of that id, with its spinlock held: ak_usage_release() must follow
 * in a few instructions.  It is made when there is none; the workspace is that
 * of the key.  The hint to it is kept by "whose", a number that is likely to be
 * another for another key.  NULL when memory is full or cannot be had.
 */
AkSlot *
ak_usage_acquire(const AkSlotId *id, uint32 whose, const char *workspace, size_t workspace_len, TimestampTz now)
{
	uint32		tag = hint_tag(whose, id->api, id->kind, id->old_secret);
	uint32		number;

	if (!attach())
		return NULL;
	number = ak_slot_hint(tag);
	for (;;)
	{
		uint32		bucket;

		if (likely(number != 0))
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
		bucket = bucket_of(id);
		LWLockAcquire(partition_of(bucket), LW_SHARED);
		number = find(id, bucket);
		LWLockRelease(partition_of(bucket));
		if (number == 0)
		{
			if (is_full(id->kind) && !look_for_room(id->kind, now))
				return NULL;
			number = make(id, bucket, workspace, workspace_len);
			if (number == 0)
				return NULL;
		}
		/* it may have become another's meanwhile: then once more */
		ak_slot_hint_keep(tag, number);
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
 * Copies of the slots of this database that are wanted: an array in the
 * current context.  wanted() is called under a spinlock.
 */
AkFigure *
ak_usage_copy(bool (*wanted) (const AkSlot *slot), int *count)
{
	Oid			relid = ak_usage_relid();
	AkFigure   *figures = NULL;
	int			allocated = 0;

	*count = 0;
	if (!attach())
		return NULL;
	for (uint32 i = 0; i < usage->nslots; i++)
	{
		AkSlot	   *slot = slot_at(i + 1);

		if (slot->id.database != MyDatabaseId)
			continue;
		if (*count == allocated)
		{
			allocated = Max(64, allocated * 2);
			figures = figures == NULL ? palloc_extended(allocated * sizeof(AkFigure), MCXT_ALLOC_HUGE) :
				repalloc_huge(figures, allocated * sizeof(AkFigure));
		}
		SpinLockAcquire(&slot->mutex);
		if (is_ours(slot, relid) && wanted(slot))
		{
			figures[*count].slot = *slot;
			figures[*count].origin = slot;
			(*count)++;
		}
		SpinLockRelease(&slot->mutex);
	}
	return figures;
}

/*
 * When memory saw a key valid last, and the key's workspace, in AK_WORKSPACE_MAX
 * + 1 bytes; 0: it did not.
 */
TimestampTz
ak_usage_last_used(const pg_uuid_t *key_id, char *workspace)
{
	AkSlotId	id = {.database = MyDatabaseId};
	Oid			relid = ak_usage_relid();
	TimestampTz last_at = 0;
	uint32		bucket;

	if (!attach())
		return 0;
	memcpy(id.key_id, key_id->data, UUID_LEN);
	bucket = bucket_of(&id);
	LWLockAcquire(partition_of(bucket), LW_SHARED);
	for (uint32 number = usage->buckets[bucket]; number != 0; number = slot_at(number)->next)
	{
		AkSlot	   *slot = slot_at(number);

		if (!is_ours(slot, relid) || slot->id.kind != AK_VALID ||
			memcmp(slot->id.key_id, id.key_id, UUID_LEN) != 0)
			continue;
		SpinLockAcquire(&slot->mutex);
		last_at = Max(last_at, slot->last_at);
		memcpy(workspace, slot->workspace, slot->workspace_len);
		workspace[slot->workspace_len] = '\0';
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(partition_of(bucket));
	return last_at;
}

/* The databases that have slots; an array in the current context. */
Oid *
ak_usage_databases(int *count)
{
	Oid		   *databases = NULL;
	int			allocated = 0;
	Oid			last = InvalidOid;

	*count = 0;
	for (uint32 i = 0; attach() && i < usage->nslots; i++)
	{
		Oid			database = slot_at(i + 1)->id.database;
		bool		known = database == InvalidOid || database == last;

		for (int j = 0; j < *count && !known; j++)
			known = databases[j] == database;
		if (known)
			continue;
		last = database;
		if (*count == allocated)
		{
			allocated = Max(16, allocated * 2);
			databases = databases == NULL ? palloc(allocated * sizeof(Oid)) : repalloc(databases, allocated * sizeof(Oid));
		}
		databases[(*count)++] = database;
	}
	return databases;
}

/*
 * Can the slot be taken for something else?  Its spinlock is held.
 */
static bool
reclaimable(const AkSlot *slot, Oid relid, TimestampTz now, bool need_room,
			const Oid *dead_databases, int dead_count)
{
	for (int i = 0; i < dead_count; i++)
		if (slot->id.database == dead_databases[i])
			return true;
	if (slot->id.database == MyDatabaseId && slot->id.relid != relid)
		return true;
	switch (slot->id.kind)
	{
		case AK_SLOT_FLUSH:
			return false;
		case AK_SLOT_LIMIT:
			/* nothing of it is used up any more */
			return slot->full_at <= now * 1000;
		default:
			return slot->flushed == slot->count &&
				now >= TimestampTzPlusMilliseconds(slot->flushed_at, STAY_MS) &&
				(slot->id.hour < now / USECS_PER_HOUR || need_room);
	}
}

/*
 * Frees what can be taken for something else, also what is left of databases
 * that are gone.
 */
void
ak_usage_reclaim(const Oid *dead_databases, int count)
{
	Oid			relid = ak_usage_relid();
	TimestampTz now = GetCurrentTimestamp();
	bool		need_room;

	if (!attach())
		return;
	need_room = usage->free_count < usage->nslots / 2;
	for (int partition = 0; partition < PARTITIONS; partition++)
	{
		LWLockAcquire(&usage->partitions[partition].lock, LW_EXCLUSIVE);
		for (uint32 bucket = partition; bucket < usage->nbuckets; bucket += PARTITIONS)
		{
			uint32	   *link = &usage->buckets[bucket];

			while (*link != 0)
			{
				uint32		number = *link;
				AkSlot	   *slot = slot_at(number);
				bool		taken;

				SpinLockAcquire(&slot->mutex);
				taken = reclaimable(slot, relid, now, need_room, dead_databases, count);
				if (taken)
					memset(&slot->id, 0, sizeof(slot->id));
				SpinLockRelease(&slot->mutex);
				if (taken)
				{
					*link = slot->next;
					give_free(number);
				}
				else
					link = &slot->next;
			}
		}
		LWLockRelease(&usage->partitions[partition].lock);
	}
}

/* A request that not even AK_SLOT_UNCOUNTED had room for. */
void
ak_usage_note_lost(void)
{
	if (attach())
		pg_atomic_fetch_add_u64(&usage->lost, 1);
}

/* The hour in which the memory was made; 0: there is none. */
int32
ak_usage_made_hour(void)
{
	return attach() ? usage->made_hour : 0;
}

/* How many slots the server uses, and has.  False: there is no memory. */
bool
ak_usage_capacity(int *used, int *max)
{
	if (!attach())
		return false;
	*max = usage->nslots;
	*used = usage->nslots - usage->free_count;
	return true;
}
