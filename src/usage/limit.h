/*-------------------------------------------------------------------------
 *
 * limit.h
 *	  Rate limits.  See limit.c and limitroom.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_LIMIT_H
#define AK_LIMIT_H

#include "datatype/timestamp.h"
#include "storage/spin.h"
#include "utils/uuid.h"

#include "worker/worker.h"

/* The longest window, in microseconds: a leap year */
#define AK_WINDOW_MAX (INT64CONST(366) * USECS_PER_DAY)

/* At the ceiling, if fewer than 1/AK_LIMITS_LOW are free, limits are given up until 1/AK_LIMITS_ENOUGH are */
#define AK_LIMITS_LOW    16
#define AK_LIMITS_ENOUGH 8

/* Identifies the limit of a key */
typedef struct AkLimitId
{
	uint8 key_id[UUID_LEN];
	Oid database; /* InvalidOid: the item is free */
} AkLimitId;

/* The used part of a key's limit */
typedef struct AkLimit
{
	AkLimitId id;    /* changes under the chain's lock and the mutex */
	float4 interval; /* between two uses, in nanoseconds; 0: never used */
	int64 full_at;   /* when it is replenished: see limit.c */
	uint32 next;     /* the next item in its chain: see pool.c */
	slock_t mutex;   /* protects interval and full_at */
	uint16 share;    /* of the workspace, an index of AkMemory's held[] */
} AkLimit;

extern int64 ak_window_usecs(const Interval *window);
extern int64 ak_limit_now(void);
extern bool ak_limit_take(const pg_uuid_t *key_id, const char *workspace, size_t workspace_len, int32 limit,
						  const Interval *window, int32 *retry_after);

/* Freeing items; in limitroom.c, for the worker */
extern void ak_limits_make_room(void);
extern AkJobNext ak_limits_job(void);

#endif /* AK_LIMIT_H */
