/*-------------------------------------------------------------------------
 *
 * pool.c
 *	  A hash table in shared memory that grows in steps.
 *
 * A pool has items of one size, numbered from 1.  Its first step is an array of
 * items.  Each further step is a segment of dynamic shared memory with another
 * array, created by one process (ak_pool_grow()), pinned and never freed.  So
 * the address of an item never changes, and code that has found a number without
 * a lock (ak_pool_peek()) may read the item: it is still an item, although it
 * may have been reused.
 *
 * Items are in chains by their hash.  If there are fewer buckets than items, a
 * step brings new ones, enough for all: the chains move to them partition by
 * partition.
 *
 * Items are allocated in chunks.  A chunk can also have room for hints of the
 * caller, zeroed at first: with the items, the room for hints grows.
 *
 * A process maps a step when it first meets it (ak_pool_attach()), in a
 * subtransaction, with no lock held.  If that fails, it cannot reach the items of
 * that step, or those behind them in their chains, until it succeeds later.
 *
 * Locks: a chain changes under its partition's lock, exclusively; the list of
 * free items changes under the mutex.  The caller ensures that one process at a
 * time grows a pool.  The contents of an item are the caller's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/atomics.h"
#include "utils/memutils.h"

#include "core/compat.h"
#include "usage/pool.h"
#include "worker/shmem.h"

/* After a failure to attach, the delay until the next attempt */
#define RETRY_MS 10000

/* Items of a chain that are looked at without its lock */
#define PEEK_STEPS 64

/* Items are aligned to cache lines */
#define ALIGNED(size) TYPEALIGN(PG_CACHE_LINE_SIZE, size)

static inline uint32 *
next_of(const AkPool *pool, uint32 number)
{
	return (uint32 *) ((char *) ak_pool_item(pool, number) + pool->next_offset);
}

static inline bool
has_id(const AkPool *pool, uint32 number, const void *id)
{
	return memcmp((char *) ak_pool_item(pool, number) + pool->id_offset, id, pool->id_size) == 0;
}

/* Returns the partition of a hash, which is also the number of its first bucket. */
static inline uint32
partition_of(uint32 hash)
{
	return hash % AK_POOL_PARTITIONS;
}

static inline uint32 *
bucket_at(const AkPool *pool, uint32 step, uint32 hash)
{
	const AkPoolStep *s = &pool->shared->steps[step];

	return (uint32 *) (pool->segments[step] + s->buckets) + (hash & (s->nbuckets - 1));
}

/*
 * ------------------------------------------------------------------- sizes
 */

/* Returns the number of buckets in a step of that number of items; 0 if those that the pool has are enough. */
static uint32
bucket_count(const AkPool *pool, uint32 items)
{
	uint32 before = pool->shared != NULL ? pool->shared->capacity : 0;
	uint32 n = AK_POOL_PARTITIONS;

	if (pool->shared != NULL && before + items <= pool->shared->nbuckets)
		return 0;
	while (n < before + items)
		n *= 2;
	return n;
}

/* Returns the number of chunks for that number of items. */
static inline uint32
chunk_count(uint32 items)
{
	return (items + AK_POOL_CHUNK - 1) / AK_POOL_CHUNK;
}

/* Returns the size of the hints of a chunk, which are before its items. */
static inline Size
hints_size(const AkPool *pool)
{
	return AK_POOL_CHUNK * pool->hint_size;
}

/* Returns the size of a chunk, if it is not the last one of its step. */
static inline Size
chunk_size(const AkPool *pool)
{
	return hints_size(pool) + AK_POOL_CHUNK * pool->item_size;
}

/* Returns the size in bytes of a step of that number of items, added to what the pool has. */
Size
ak_pool_size(const AkPool *pool, uint32 items)
{
	return ALIGNED(bucket_count(pool, items) * sizeof(uint32)) + chunk_count(items) * hints_size(pool) +
		   ALIGNED(items * pool->item_size);
}

/* Returns the number of items in a step of at most that size; 0 if none fits. */
uint32
ak_pool_fit(const AkPool *pool, Size room)
{
	Size items = Min(room / pool->item_size, PG_INT32_MAX / 2);
	Size size = ak_pool_size(pool, items);

	while (items > 0 && size > room)
	{
		items -= Min(items, (size - room + pool->item_size - 1) / pool->item_size);
		size = ak_pool_size(pool, items);
	}
	return items;
}

/*
 * -------------------------------------------------------------- the steps
 */

/* Maps the next step in this process.  Raises 53200. */
static void
map_step(AkPool *pool, char *segment)
{
	const AkPoolStep *step = &pool->shared->steps[pool->attached];
	uint32 nchunks = chunk_count(step->first - 1 + step->count);

	if (pool->chunks == NULL)
		pool->chunks = MemoryContextAlloc(TopMemoryContext, nchunks * sizeof(char *));
	else
		pool->chunks = repalloc(pool->chunks, nchunks * sizeof(char *));
	for (uint32 i = pool->nchunks; i < nchunks; i++)
		pool->chunks[i] = segment + step->chunks + (i - pool->nchunks) * chunk_size(pool) + hints_size(pool);
	pool->segments[pool->attached] = segment;
	if (step->nbuckets > 0)
	{
		pool->buckets = (uint32 *) (segment + step->buckets);
		pool->nbuckets = step->nbuckets;
	}
	pool->nchunks = nchunks;
	pool->attached++;
}

/* Fills in the description of the next step, and initializes its buckets and hints. */
static AkPoolStep *
prepare_step(AkPool *pool, char *segment, Size offset, uint32 items)
{
	AkPoolShared *shared = pool->shared;
	uint32 number = pg_atomic_read_u32(&shared->nsteps);
	AkPoolStep *step = &shared->steps[number];

	step->handle = DSM_HANDLE_INVALID;
	step->first = 1;
	if (number > 0)
		step->first += TYPEALIGN(AK_POOL_CHUNK, step[-1].first - 1 + step[-1].count);
	step->count = items;
	step->fresh = 0;
	step->nbuckets = bucket_count(pool, items);
	step->buckets = offset;
	step->chunks = offset + ALIGNED(step->nbuckets * sizeof(uint32));
	memset(segment + step->buckets, 0, step->chunks - step->buckets);
	for (uint32 i = 0; i < chunk_count(items); i++)
		memset(segment + step->chunks + i * chunk_size(pool), 0, hints_size(pool));
	return step;
}

/* Makes the step's items available. */
static void
publish_step(AkPoolShared *shared)
{
	uint32 number = pg_atomic_read_u32(&shared->nsteps);

	pg_write_barrier();
	SpinLockAcquire(&shared->mutex);
	shared->capacity += shared->steps[number].count;
	shared->nbuckets = Max(shared->nbuckets, shared->steps[number].nbuckets);
	pg_atomic_write_u32(&shared->nsteps, number + 1);
	SpinLockRelease(&shared->mutex);
}

/*
 * Creates a pool, with its first step in ak_pool_size() bytes of a segment,
 * from "offset" on.  Raises 53200.
 */
void
ak_pool_make(AkPool *pool, AkPoolShared *shared, char *segment, Size offset, uint32 items, int tranche)
{
	memset(shared, 0, sizeof(*shared));
	SpinLockInit(&shared->mutex);
	pg_atomic_init_u32(&shared->nsteps, 0);
	for (int i = 0; i < AK_POOL_PARTITIONS; i++)
		LWLockInitialize(&shared->partitions[i].lock, tranche);
	pool->shared = shared;
	(void) prepare_step(pool, segment, offset, items);
	publish_step(shared);
	pool->shared = NULL;
	ak_pool_join(pool, shared, segment);
}

/* Attaches to a pool whose first step is in that segment.  Raises 53200. */
void
ak_pool_join(AkPool *pool, AkPoolShared *shared, char *segment)
{
	pool->shared = shared;
	pool->attached = 0;
	pool->nchunks = 0;
	map_step(pool, segment);
}

/* Maps the steps that are new to this process.  Raises what dsm_attach() raises. */
static void
attach_steps(void *arg)
{
	AkPool *pool = arg;

	while (pool->attached < pg_atomic_read_u32(&pool->shared->nsteps))
	{
		dsm_segment *segment = dsm_attach(pool->shared->steps[pool->attached].handle);

		/* never raised to a user: ak_try() catches it */
		if (segment == NULL)
			elog(ERROR, "could not attach to shared memory of apikeys");
		map_step(pool, dsm_segment_address(segment));
		dsm_pin_mapping(segment);
	}
}

/*
 * Maps the steps that are new to this process.  Returns true if it can reach all
 * items.  After a failure, nothing is tried for RETRY_MS.  To be called in a
 * transaction, with no lock held; does not raise.
 */
bool
ak_pool_attach(AkPool *pool)
{
	AkTicks now;

	if (likely(pool->attached == pg_atomic_read_u32(&pool->shared->nsteps)))
		return true;
	now = ak_ticks();
	if (now < pool->retry_at)
		return false;
	if (ak_try(attach_steps, pool, NULL))
		return true;
	pool->retry_at = now + AK_TICKS_OF_MS(RETRY_MS);
	return false;
}

/* Moves the chains of a partition into the buckets of the last step. */
static void
move_partition(AkPool *pool, uint32 partition)
{
	uint32 from = pool->shared->partitions[partition].step;
	uint32 to = pool->attached - 1;

	LWLockAcquire(&pool->shared->partitions[partition].lock, LW_EXCLUSIVE);
	for (uint32 i = partition; i < pool->shared->steps[from].nbuckets; i += AK_POOL_PARTITIONS)
	{
		uint32 number = *bucket_at(pool, from, i);

		while (number != AK_POOL_NONE)
		{
			uint32 *next = next_of(pool, number);
			uint32 after = *next;
			uint32 *bucket = bucket_at(pool, to, pool->hash_of(ak_pool_item(pool, number)));

			*next = *bucket;
			*bucket = number;
			number = after;
		}
	}
	pool->shared->partitions[partition].step = to;
	LWLockRelease(&pool->shared->partitions[partition].lock);
}

/*
 * Adds a step of that number of items.  Raises what dsm_create() raises: 53200
 * if the system has no more memory, 53400 if there are too many segments or
 * steps.
 */
void
ak_pool_grow(AkPool *pool, uint32 items)
{
	dsm_segment *segment;
	AkPoolStep *step;

	attach_steps(pool);
	if (pool->attached == AK_POOL_STEPS)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("shared memory of apikeys has grown %d times already", AK_POOL_STEPS)));
	segment = dsm_create(ak_pool_size(pool, items), 0);
	step = prepare_step(pool, dsm_segment_address(segment), 0, items);
	step->handle = dsm_segment_handle(segment);
	map_step(pool, dsm_segment_address(segment));
	/* nothing can fail from here on */
	dsm_pin_segment(segment);
	dsm_pin_mapping(segment);
	publish_step(pool->shared);
	for (uint32 i = 0; i < AK_POOL_PARTITIONS && step->nbuckets > 0; i++)
		move_partition(pool, i);
}

/*
 * --------------------------------------------------------------- the items
 */

/*
 * Returns the item with that id in its chain, AK_POOL_NONE, or AK_POOL_BEYOND.
 * The caller holds the partition's lock.
 */
static uint32
find_in_chain(const AkPool *pool, uint32 hash, const void *id)
{
	uint32 step = pool->shared->partitions[partition_of(hash)].step;
	uint32 number;

	if (step >= pool->attached)
		return AK_POOL_BEYOND;
	number = *bucket_at(pool, step, hash);
	while (number != AK_POOL_NONE)
	{
		if (!ak_pool_is_mapped(pool, number))
			return AK_POOL_BEYOND;
		if (has_id(pool, number, id))
			break;
		number = *next_of(pool, number);
	}
	return number;
}

/*
 * Takes a free item, if more than "reserve" are free.  Returns AK_POOL_NONE if
 * not, AK_POOL_BEYOND if this process has not mapped the item.
 */
static uint32
take_free(AkPool *pool, uint32 reserve)
{
	AkPoolShared *shared = pool->shared;
	uint32 number = AK_POOL_NONE;

	SpinLockAcquire(&shared->mutex);
	if (shared->capacity - shared->used > reserve)
	{
		if (shared->free_head != AK_POOL_NONE)
		{
			number = shared->free_head;
			if (ak_pool_is_mapped(pool, number))
				shared->free_head = *next_of(pool, number);
			else
				number = AK_POOL_BEYOND;
		}
		else
		{
			while (shared->steps[shared->filling].fresh == shared->steps[shared->filling].count)
				shared->filling++;
			number = shared->steps[shared->filling].first + shared->steps[shared->filling].fresh;
			if (ak_pool_is_mapped(pool, number))
			{
				/* no other process reads the item before it is counted as taken */
				memset(ak_pool_item(pool, number), 0, pool->item_size);
				pool->init_item(ak_pool_item(pool, number));
				pg_write_barrier();
				shared->steps[shared->filling].fresh++;
			}
			else
				number = AK_POOL_BEYOND;
		}
		if (number != AK_POOL_BEYOND)
			shared->used++;
	}
	SpinLockRelease(&shared->mutex);
	return number;
}

/*
 * Looks for the item with that id and hash without a lock.  What it returns is a
 * hint: the caller locks the item, and checks that it still has that id.
 * AK_POOL_NONE: it was not found, although it may be there.  "guess" is the number
 * of an item that most likely is the one, or AK_POOL_NONE.
 *
 * A chain that changes meanwhile may lead into another one, or into the list of
 * free items.  Each of them is an item, and only so many are looked at.
 */
uint32
ak_pool_peek(const AkPool *pool, uint32 hash, const void *id, uint32 guess)
{
	uint32 number;

	if (guess != AK_POOL_NONE && ak_pool_is_mapped(pool, guess) && has_id(pool, guess, id))
		return guess;
	number = *(const volatile uint32 *) &pool->buckets[hash & (pool->nbuckets - 1)];
	for (int i = 0; i < PEEK_STEPS && number != AK_POOL_NONE && ak_pool_is_mapped(pool, number); i++)
	{
		if (has_id(pool, number, id))
			return number;
		number = *(const volatile uint32 *) next_of(pool, number);
	}
	return AK_POOL_NONE;
}

/*
 * Returns the item with that id and hash, AK_POOL_NONE if there is none, or
 * AK_POOL_BEYOND if this process cannot reach it.  No lock may be held.
 */
uint32
ak_pool_find(AkPool *pool, uint32 hash, const void *id)
{
	LWLock *lock = &pool->shared->partitions[partition_of(hash)].lock;
	uint32 number;

	do
	{
		(void) ak_pool_attach(pool);
		LWLockAcquire(lock, LW_SHARED);
		number = find_in_chain(pool, hash, id);
		LWLockRelease(lock);
		/* the pool may have grown */
	} while (unlikely(number == AK_POOL_BEYOND) && pool->attached < pg_atomic_read_u32(&pool->shared->nsteps) &&
			 ak_pool_attach(pool));
	return number;
}

/*
 * The same, but if there is no such item, takes a free one, lets fill() write its
 * id and the rest, and adds it to its chain.  Takes none if that would leave fewer
 * than "reserve" free.
 */
uint32
ak_pool_enter(AkPool *pool, uint32 hash, const void *id, uint32 reserve, void (*fill)(void *item, void *arg), void *arg)
{
	LWLock *lock = &pool->shared->partitions[partition_of(hash)].lock;
	uint32 number;

	do
	{
		(void) ak_pool_attach(pool);
		LWLockAcquire(lock, LW_EXCLUSIVE);
		number = find_in_chain(pool, hash, id);
		if (number == AK_POOL_NONE)
		{
			number = take_free(pool, reserve);
			if (number != AK_POOL_NONE && number != AK_POOL_BEYOND)
			{
				uint32 *bucket = bucket_at(pool, pool->shared->partitions[partition_of(hash)].step, hash);

				fill(ak_pool_item(pool, number), arg);
				*next_of(pool, number) = *bucket;
				*bucket = number;
			}
		}
		LWLockRelease(lock);
	} while (unlikely(number == AK_POOL_BEYOND) && pool->attached < pg_atomic_read_u32(&pool->shared->nsteps) &&
			 ak_pool_attach(pool));
	return number;
}

/* Calls a function for each item in the chain of a hash that this process can reach, under the partition's lock. */
void
ak_pool_visit(AkPool *pool, uint32 hash, void (*visit)(void *item, void *arg), void *arg)
{
	uint32 partition = partition_of(hash);
	uint32 step;

	(void) ak_pool_attach(pool);
	LWLockAcquire(&pool->shared->partitions[partition].lock, LW_SHARED);
	step = pool->shared->partitions[partition].step;
	if (step < pool->attached)
		for (uint32 number = *bucket_at(pool, step, hash); number != AK_POOL_NONE && ak_pool_is_mapped(pool, number);
			 number = *next_of(pool, number))
			visit(ak_pool_item(pool, number), arg);
	LWLockRelease(&pool->shared->partitions[partition].lock);
}

/*
 * Gives an item back for reuse if clear() agrees, and returns true if it did.
 * clear() is called under the partition's lock: it clears the item's id and
 * returns true, or returns false if the item is still needed.
 */
bool
ak_pool_remove(AkPool *pool, uint32 number, bool (*clear)(void *item, void *arg), void *arg)
{
	AkPoolShared *shared = pool->shared;
	void *item = ak_pool_item(pool, number);
	uint32 hash = pool->hash_of(item);
	LWLock *lock = &shared->partitions[partition_of(hash)].lock;
	uint32 step;
	uint32 *link = NULL;
	bool removed = false;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	step = shared->partitions[partition_of(hash)].step;
	if (step < pool->attached)
	{
		link = bucket_at(pool, step, hash);
		while (*link != AK_POOL_NONE && *link != number && ak_pool_is_mapped(pool, *link))
			link = next_of(pool, *link);
	}
	/* an item that is not in that chain was given back meanwhile, and perhaps reused */
	if (link != NULL && *link == number && clear(item, arg))
	{
		*link = *next_of(pool, number);
		SpinLockAcquire(&shared->mutex);
		*next_of(pool, number) = shared->free_head;
		shared->free_head = number;
		shared->used--;
		SpinLockRelease(&shared->mutex);
		removed = true;
	}
	LWLockRelease(lock);
	return removed;
}

/*
 * Walks over the items that were ever taken, free or not: returns the number after
 * that one, of AK_POOL_NONE the first, and AK_POOL_NONE after the last.
 * ak_pool_attach() must have been called before.
 */
uint32
ak_pool_next(AkPool *pool, uint32 number)
{
	uint32 next = number + 1;

	for (uint32 i = 0; i < pool->attached; i++)
	{
		const volatile AkPoolStep *step = &pool->shared->steps[i];

		if (next < step->first)
			next = step->first;
		if (next < step->first + step->fresh)
		{
			pg_read_barrier();
			return next;
		}
	}
	return AK_POOL_NONE;
}

/* Returns the number of free items. */
uint32
ak_pool_free(const AkPool *pool)
{
	const volatile AkPoolShared *shared = pool->shared;

	return shared->capacity - shared->used;
}
