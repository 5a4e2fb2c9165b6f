/*-------------------------------------------------------------------------
 *
 * usage.h
 *	  Count validations in shared memory.  See usage.c and slots.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_USAGE_H
#define AK_USAGE_H

#include "datatype/timestamp.h"
#include "storage/spin.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "policy.h"

#define AK_WORKSPACE_MAX 63		/* bytes of a workspace's id */

/* What a slot is for: a code of policy.h, or */
enum
{
	AK_SLOT_UNCOUNTED = AK_CODE_COUNT,	/* requests that found the memory full */
	AK_SLOT_LIMIT,				/* the rate limit of a key */
	AK_SLOT_FLUSH				/* when a database was flushed last */
};

/* What makes a slot the one of a figure; compared byte by byte */
typedef struct AkSlotId
{
	Oid			database;		/* InvalidOid: the slot is free */
	Oid			relid;			/* of apikeys.usage: one for each CREATE EXTENSION */
	uint64		api;			/* ak_api_hash() of its name; 0: none */
	uint8		key_id[UUID_LEN];	/* all zero: none */
	int32		hour;			/* since 2000-01-01 00:00 UTC */
	uint8		kind;			/* a code, or one of AK_SLOT_ */
	uint8		old_secret;		/* the request came with the previous secret */
	uint8		zero[2];
} AkSlotId;

/* A figure, or a rate limit */
typedef struct AkSlot
{
	slock_t		mutex;			/* protects all but "next" */
	uint32		next;			/* number of the next slot in its chain, from 1; 0: last */
	AkSlotId	id;				/* changes under the chain's lock and the mutex */
	union
	{
		int64		count;		/* since the slot was taken: it only grows */
		int64		full_at;	/* of a limit: see limit.c */
	};
	union
	{
		TimestampTz last_at;
		int64		interval;	/* of a limit */
	};
	/* counting a request ends here, if it named no client */
	int64		flushed;		/* so much of "count" is committed in the tables, */
	TimestampTz flushed_at;		/* since then, as far as memory has learnt */
	int64		number;			/* no other slot, ever, has the same */
	AkAddress	client;			/* the last one that was named; bits 0: none */
	uint8		workspace_len;
	char		workspace[AK_WORKSPACE_MAX];
} AkSlot;

/* A copy of a slot */
typedef struct AkFigure
{
	AkSlot		slot;
	AkSlot	   *origin;
} AkFigure;

/* A request to be counted */
typedef struct AkUsed
{
	AkCode		code;
	const pg_uuid_t *key_id;	/* NULL: it belongs to no key */
	const char *workspace;		/* of the key; NULL without one */
	size_t		workspace_len;
	uint32		whose;			/* of the secret's hash; 0 without a key */
	uint64		api;			/* ak_api_hash() of the one that was named; 0: none was */
	bool		api_known;		/* it is among the key's: registered for sure */
	const char *client;			/* NULL: none was named */
	size_t		client_len;
	bool		old_secret;
	TimestampTz now;
} AkUsed;

extern Oid	ak_usage_relid(void);
extern void ak_usage_lost(TimestampTz now);
extern void ak_usage_expect(const AkUsed *used);
extern void ak_usage_count(const AkUsed *used);
extern bool ak_limit_take(const pg_uuid_t *key_id, const char *workspace, size_t workspace_len,
						  int32 limit, const Interval *window, TimestampTz now, int32 *retry_after);

/* The slots; in slots.c */
extern Size ak_usage_size(void);
extern void ak_usage_make(void *segment, int tranche);
extern void ak_usage_fetch_hint(uint32 whose, uint64 api);
extern void ak_usage_fetch_slot(const AkSlotId *id, uint32 whose, bool with_client);
extern AkSlot *ak_usage_acquire(const AkSlotId *id, uint32 whose, const char *workspace, size_t workspace_len,
								TimestampTz now);
extern void ak_usage_release(AkSlot *slot);
extern void ak_usage_note_lost(void);
extern int32 ak_usage_made_hour(void);
extern AkFigure *ak_usage_copy(bool (*wanted) (const AkSlot *slot), int *count);
extern TimestampTz ak_usage_last_used(const pg_uuid_t *key_id, char *workspace);
extern Oid *ak_usage_databases(int *count);
extern void ak_usage_reclaim(const Oid *dead_databases, int count);
extern bool ak_usage_capacity(int *used, int *max);

/* Where this backend found slots last; in slothint.c */
extern uint32 ak_slot_hint(uint32 tag);
extern void ak_slot_hint_keep(uint32 tag, uint32 number);
extern void ak_slot_hint_fetch(uint32 tag);

/* The registry as counting needs it; in apinames.c */
extern void ak_apinames_init(void);
extern uint64 ak_api_hash(const char *name, size_t len);
extern bool ak_api_is_registered(uint64 hash);
extern bool ak_api_has_name(uint64 hash);
extern char *ak_api_name(uint64 hash);

#endif							/* AK_USAGE_H */
