/*-------------------------------------------------------------------------
 *
 * memory.h
 *	  The shared memory of usage counters and rate limits.  See memory.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_MEMORY_H
#define AK_MEMORY_H

#include "port/atomics.h"

#include "usage/pool.h"

/* The parts of the memory */
typedef enum AkRoom
{
	AK_ROOM_COUNTERS, /* AkSlot, in slots.c */
	AK_ROOM_LIMITS    /* AkLimit, in limit.c: rate limits and quotas */
} AkRoom;

#define AK_ROOM_COUNT (AK_ROOM_LIMITS + 1)

/* Workspaces are assigned to shares by a hash; the limits of each share are counted */
#define AK_SHARES 1024

/* The room of a pool */
typedef struct AkRoomState
{
	pg_atomic_uint64 bytes;
	pg_atomic_uint32 mark;       /* if fewer items are free, the worker is woken */
	pg_atomic_uint32 at_ceiling; /* the pool cannot grow for now */
	pg_atomic_uint64 asked_at;   /* when the worker was last woken for this, an AkTicks */
	pg_atomic_uint64 refused_at; /* when the system refused memory, an AkTicks; 0: it did not */
} AkRoomState;

typedef struct AkMemory
{
	int32 made_hour;              /* hour of creation, in which a standby counts */
	pg_atomic_uint64 next_number; /* the next slot's number */
	LWLock grow_lock;             /* held while a step is added */
	pg_atomic_uint64 releases;    /* number of items with a quota that were given back: see limit.c */
	AkRoomState rooms[AK_ROOM_COUNT];
	pg_atomic_uint32 held[AK_SHARES]; /* the number of limits of each share */
	AkPoolShared pools[AK_ROOM_COUNT];
} AkMemory;

/* Kinds of losses; counted in the anchor's AkLosses */
typedef enum AkLoss
{
	AK_LOST_COUNT, /* a request was not counted */
	AK_LOST_LIMIT, /* a request found no room for its limit */
	AK_LOST_EARLY  /* a limit was given up before it was replenished */
} AkLoss;

/* For status() */
typedef struct AkMemoryStatus
{
	bool had;     /* the memory exists, or nothing has needed it yet; false: it cannot be created or attached */
	bool refused; /* the system has no more memory */
	uint32 used[AK_ROOM_COUNT];
	int64 bytes;
	int64 ceiling;
	int64 lost[AK_LOST_EARLY + 1];
} AkMemoryStatus;

extern Size ak_memory_layout(void);
extern AkMemory *ak_memory(bool make);
extern void ak_memory_ask(AkRoom room);
extern void ak_memory_lost(AkLoss loss, uint64 times);
extern uint32 ak_memory_tend(void);
extern bool ak_memory_is_full(AkRoom room);
extern void ak_memory_status(AkMemoryStatus *status);

/* The pools, as seen by this process */
extern AkPool ak_counters; /* in slots.c */
extern AkPool ak_limits;   /* in limit.c */

/* To be called after taking an item: wakes the worker if little is left. */
static inline void
ak_memory_took(AkMemory *memory, AkRoom room, const AkPool *pool)
{
	const volatile AkPoolShared *shared = pool->shared;

	if (unlikely(shared->capacity - shared->used < pg_atomic_read_u32(&memory->rooms[room].mark)))
		ak_memory_ask(room);
}

#endif /* AK_MEMORY_H */
