/*-------------------------------------------------------------------------
 *
 * limit.h
 *	  Rate limits and quotas.  See limit.c, quota.c, sharedlimit.c and
 *	  limitroom.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_LIMIT_H
#define AK_LIMIT_H

#include "datatype/timestamp.h"
#include "storage/spin.h"
#include "utils/uuid.h"

#include "usage/usage.h"
#include "worker/worker.h"

/* At the ceiling, if less than 1/AK_LIMITS_LOW of the items is free, limits are given up until 1/AK_LIMITS_ENOUGH is */
#define AK_LIMITS_LOW    16
#define AK_LIMITS_ENOUGH 8

/* The periods of a quota */
typedef enum AkPeriod
{
	AK_PERIOD_NONE, /* no quota */
	AK_PERIOD_HOUR,
	AK_PERIOD_DAY,
	AK_PERIOD_WEEK,
	AK_PERIOD_MONTH,
	AK_PERIOD_TOTAL
} AkPeriod;

/* Identifies what is limited: a key, or a workspace */
typedef struct AkLimitId
{
	uint8 id[UUID_LEN]; /* the key's; of a workspace, the first bytes of its name's SHA-256 */
	Oid database;       /* InvalidOid: the item is free */
} AkLimitId;

/* What is used up of a key's or a workspace's limits */
typedef struct AkLimit
{
	AkLimitId id;      /* changes under the chain's lock and the mutex */
	float4 interval;   /* of the rate limit, between two uses, in nanoseconds; 0: never used */
	int64 full_at;     /* when the rate limit is replenished: see limit.c */
	uint32 next;       /* the next item in its chain: see pool.c */
	slock_t mutex;     /* protects all but "next" */
	uint8 shared : 1;  /* of a workspace */
	uint8 period : 4;  /* AkPeriod of the figures below; AK_PERIOD_NONE: there are none */
	uint8 standby : 1; /* they began on a standby: the table may have uses that they lack */
	uint16 share;      /* the workspace's index in AkMemory's held[] */
	/* of a key's quota: see quota.c */
	TimestampTz since; /* beginning of the period */
	int64 used;        /* in the period */
	int64 flushed;     /* the part of "used" that is committed in the table */
} AkLimit;

/* A workspace's limit, shared by its keys; see sharedlimit.c */
typedef struct AkSharedLimit
{
	uint8 id[UUID_LEN]; /* for AkLimitId */
	int32 limit;        /* 0: none */
	int64 window;       /* in nanoseconds */
} AkSharedLimit;

/* A request to be charged, and what became of it */
typedef struct AkCharge
{
	/* in */
	const pg_uuid_t *key_id;
	const char *workspace;
	size_t workspace_len;
	TimestampTz now;
	int32 cost;  /* how many uses it charges; 0: none */
	int32 limit; /* of the key, in "window" nanoseconds; 0: none */
	int64 window;
	int64 quota; /* of the key, in "period"; -1: none */
	AkPeriod period;
	const AkSharedLimit *shared; /* NULL: none */
	AkKeyItems *items;           /* of the key; NULL: not known */

	/* out */
	bool quota_refused;
	bool limit_refused;    /* by the key's limit or the workspace's, or because memory has no room for one */
	int32 retry_after;     /* if refused: in seconds; -1: waiting does not help */
	int32 rate_limit;      /* of the tighter of the two limits, as are the next three; 0: there is none */
	int32 rate_window;     /* in seconds */
	int32 rate_remaining;  /* after this request */
	int32 rate_reset;      /* seconds until it is replenished */
	int64 quota_remaining; /* -1: there is no quota, or it is not known */
	int32 quota_reset;     /* seconds until the period ends; -1: never */
} AkCharge;

extern int64 ak_window_nsecs(const Interval *window);
extern int64 ak_limit_now(void);
extern void ak_charge(AkCharge *charge);
extern bool ak_limit_read(const pg_uuid_t *key_id, AkLimit *copy);

/* Quotas; in quota.c */
extern AkPeriod ak_quota_period(Datum name, bool isnull);
extern void ak_period_bounds(AkPeriod period, TimestampTz now, TimestampTz *since, TimestampTz *until);
extern int64 ak_quota_flushed(const pg_uuid_t *key_id, AkPeriod period, TimestampTz since);
extern int64 ak_quota_used(const pg_uuid_t *key_id, AkPeriod period);
extern void ak_quota_flush(void);
extern void ak_quota_at_end(bool committed);

/* Limits of workspaces; in sharedlimit.c */
extern void ak_sharedlimit_init(void);
extern const AkSharedLimit *ak_shared_limit(const char *workspace, size_t len);

/* Freeing items; in limitroom.c, for the worker */
extern void ak_limits_make_room(void);
extern AkJobNext ak_limits_job(void);

#endif /* AK_LIMIT_H */
