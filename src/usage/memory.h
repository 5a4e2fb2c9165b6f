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

/* What the memory is divided into */
typedef enum AkRoom
{
	AK_ROOM_COUNTERS,			/* AkSlot, in slots.c */
	AK_ROOM_LIMITS				/* AkLimit, in limit.c */
} AkRoom;

#define AK_ROOM_COUNT (AK_ROOM_LIMITS + 1)

/* Workspaces are told apart by a hash, for what each of them takes of the limits */
#define AK_SHARES 1024

/* How it stands with the room of a pool */
typedef struct AkRoomState
{
	pg_atomic_uint64 bytes;
	pg_atomic_uint32 mark;		/* when fewer items are free, the worker is asked */
	pg_atomic_uint32 at_ceiling;	/* it does not grow, for now */
	pg_atomic_uint64 asked_at;	/* last: an AkTicks */
	pg_atomic_uint64 refused_at;	/* the system had no memory then; 0: it did not refuse */
} AkRoomState;

typedef struct AkMemory
{
	int32		made_hour;		/* what a standby counts is counted there */
	pg_atomic_uint64 next_number;	/* of a counter */
	LWLock		grow_lock;		/* held by who adds steps */
	AkRoomState rooms[AK_ROOM_COUNT];
	pg_atomic_uint32 held[AK_SHARES];	/* limits, by the workspace's share */
	AkPoolShared pools[AK_ROOM_COUNT];
} AkMemory;

/* What was lost; in the anchor's AkLosses */
typedef enum AkLoss
{
	AK_LOST_COUNT,
	AK_LOST_LIMIT,
	AK_LOST_EARLY
} AkLoss;

/* For status() */
typedef struct AkMemoryStatus
{
	bool		had;			/* false: no memory can be had at all */
	bool		refused;		/* the system has no memory to give */
	uint32		used[AK_ROOM_COUNT];
	int64		bytes;
	int64		ceiling;
	int64		lost[AK_LOST_EARLY + 1];
} AkMemoryStatus;

extern Size ak_memory_layout(void);
extern AkMemory *ak_memory(bool make);
extern bool ak_my_turn(pg_atomic_uint64 *last, int milliseconds);
extern void ak_memory_ask(AkRoom room);
extern void ak_memory_lost(AkLoss loss, uint64 times);
extern uint32 ak_memory_tend(void);
extern bool ak_memory_is_low(AkRoom room);
extern bool ak_memory_is_full(AkRoom room);
extern void ak_memory_status(AkMemoryStatus *status);

/* The pools, as this process knows them */
extern AkPool ak_counters;		/* in slots.c */
extern AkPool ak_limits;		/* in limit.c */

/* Asks the worker for more room when little is left: to be called after an item was taken. */
static inline void
ak_memory_took(AkMemory *memory, AkRoom room, const AkPool *pool)
{
	const volatile AkPoolShared *shared = pool->shared;

	if (unlikely(shared->capacity - shared->used < pg_atomic_read_u32(&memory->rooms[room].mark)))
		ak_memory_ask(room);
}

#endif							/* AK_MEMORY_H */
