/*-------------------------------------------------------------------------
 *
 * pool.h
 *	  A hash table in shared memory that grows in steps.  See pool.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_POOL_H
#define AK_POOL_H

#include "storage/dsm.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#include "core/clock.h"

#define AK_POOL_PARTITIONS 128
#define AK_POOL_STEPS      32

/* Items per chunk; each step begins with a new chunk */
#define AK_POOL_CHUNK_BITS 12
#define AK_POOL_CHUNK      (1 << AK_POOL_CHUNK_BITS)

/* In place of an item's number: no item; an item or chain in a step that this process has not mapped */
#define AK_POOL_NONE   0
#define AK_POOL_BEYOND PG_UINT32_MAX

/* An array of items, in one segment, with the hash table's buckets for all items so far if there were too few */
typedef struct AkPoolStep
{
	dsm_handle handle; /* DSM_HANDLE_INVALID: in the segment of the pool itself */
	uint32 first;      /* number of its first item, from 1 */
	uint32 count;      /* number of its items */
	uint32 fresh;      /* number of them that were taken at least once */
	uint32 nbuckets;   /* a power of two; 0: there were enough */
	Size buckets;      /* offset from the segment's beginning, in bytes */
	Size chunks;       /* offset of its chunks */
} AkPoolStep;

/* In shared memory */
typedef struct AkPoolShared
{
	slock_t mutex;    /* protects: */
	uint32 free_head; /* list of items that were given back */
	uint32 filling;   /* the step from which fresh items are taken */
	uint32 capacity;  /* number of items of all steps */
	uint32 used;      /* number of items taken */
	uint32 nbuckets;  /* of the last step that has some */
	pg_atomic_uint32 nsteps;
	AkPoolStep steps[AK_POOL_STEPS];
	union
	{
		struct
		{
			LWLock lock; /* protects the partition's chains and "step" */
			uint32 step; /* the step that has their buckets */
		};
		char pad[PG_CACHE_LINE_SIZE];
	} partitions[AK_POOL_PARTITIONS];
} AkPoolShared;

/* A pool, as seen by this process */
typedef struct AkPool
{
	/* constants: a description of the items */
	Size item_size;
	Size next_offset; /* of the uint32 that links an item to the next in its chain */
	Size id_offset;   /* of the item's id, compared byte by byte */
	Size id_size;
	uint32 (*hash_of)(const void *item);
	void (*init_item)(void *item); /* initializes a fresh item's spinlock */
	Size hint_size;                /* for each item, a chunk begins with room for a hint of this size; 0: none */

	/* locations in memory */
	AkPoolShared *shared; /* NULL: not attached */
	uint32 attached;      /* number of steps that this process has mapped */
	char *segments[AK_POOL_STEPS];
	char **chunks; /* the items of each chunk */
	uint32 nchunks;
	uint32 *buckets; /* of the last step that has some */
	uint32 nbuckets;
	AkTicks retry_at; /* when to try again after a failure to attach */
} AkPool;

/* Returns the item with that number, which must not be AK_POOL_NONE or AK_POOL_BEYOND. */
static inline void *
ak_pool_item(const AkPool *pool, uint32 number)
{
	return pool->chunks[(number - 1) >> AK_POOL_CHUNK_BITS] + ((number - 1) & (AK_POOL_CHUNK - 1)) * pool->item_size;
}

/* Returns true if this process has mapped the item with that number, which must not be AK_POOL_NONE. */
static inline bool
ak_pool_is_mapped(const AkPool *pool, uint32 number)
{
	return ((number - 1) >> AK_POOL_CHUNK_BITS) < pool->nchunks;
}

/* Prefetches an item, if there is one with that number and this process has mapped it. */
static inline void
ak_pool_prefetch(const AkPool *pool, uint32 number)
{
#ifdef __GNUC__
	if (number != AK_POOL_NONE && ak_pool_is_mapped(pool, number))
		__builtin_prefetch(ak_pool_item(pool, number), 1);
#endif
}

/* Returns the room for the hints of a chunk, AK_POOL_CHUNK of them; "chunk" must be less than pool->nchunks. */
static inline void *
ak_pool_hints(const AkPool *pool, uint32 chunk)
{
	return pool->chunks[chunk] - AK_POOL_CHUNK * pool->hint_size;
}

extern Size ak_pool_size(const AkPool *pool, uint32 items);
extern uint32 ak_pool_fit(const AkPool *pool, Size room);
extern void ak_pool_make(AkPool *pool, AkPoolShared *shared, char *segment, Size offset, uint32 items, int tranche);
extern void ak_pool_join(AkPool *pool, AkPoolShared *shared, char *segment);
extern bool ak_pool_attach(AkPool *pool);
extern void ak_pool_grow(AkPool *pool, uint32 items);
extern uint32 ak_pool_peek(const AkPool *pool, uint32 hash, const void *id, uint32 guess);
extern uint32 ak_pool_find(AkPool *pool, uint32 hash, const void *id);
extern uint32 ak_pool_enter(AkPool *pool, uint32 hash, const void *id, uint32 reserve,
							void (*fill)(void *item, void *arg), void *arg);
extern void ak_pool_visit(AkPool *pool, uint32 hash, void (*visit)(void *item, void *arg), void *arg);
extern bool ak_pool_remove(AkPool *pool, uint32 number, bool (*clear)(void *item, void *arg), void *arg);
extern uint32 ak_pool_next(AkPool *pool, uint32 number);
extern uint32 ak_pool_free(const AkPool *pool);

#endif /* AK_POOL_H */
