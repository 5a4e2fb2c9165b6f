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
#include "port/atomics.h"
#include "storage/spin.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "core/clock.h"
#include "pure/policy.h"
#include "pure/token.h"

/* The kind of a slot: an AkCode of policy.h, or */
enum
{
	AK_SLOT_FLUSH = AK_CODE_COUNT /* the time of a database's last flush */
};

/* Identifies the slot of a figure; compared byte by byte */
typedef struct AkSlotId
{
	Oid database;           /* InvalidOid: the slot is free */
	Oid relid;              /* of apikeys_internal.usage: differs for each CREATE EXTENSION */
	uint64 api;             /* ak_api_hash() of its name; 0: none */
	uint8 key_id[UUID_LEN]; /* all zero: none */
	int32 hour;             /* since 2000-01-01 00:00 UTC */
	uint8 kind;             /* an AkCode, or AK_SLOT_FLUSH */
	uint8 old_secret;       /* the request came with the previous secret */
	uint8 zero[2];
} AkSlotId;

/* A figure in shared memory: see slots.c */
typedef struct AkSlot
{
	slock_t mutex; /* protects all but "next" */
	uint32 next;   /* number of the next slot in its chain, from 1; 0: last */
	AkSlotId id;   /* changes under the chain's lock and the mutex */
	int64 count;   /* since the slot was taken: it only grows */
	TimestampTz last_at;
	/* counting a request without a client address touches only the fields above */
	int64 flushed;      /* the part of "count" that the tables are known to have */
	AkTicks flushed_at; /* when the flush that wrote it committed */
	int64 number;       /* unique; a reused slot gets another */
	AkAddress client;   /* the last client address; bits 0: none */
	uint8 workspace_len;
	char workspace[AK_WORKSPACE_MAX];
} AkSlot;

/* A copy of a slot */
typedef struct AkFigure
{
	AkSlot slot;
	AkSlot *origin;
} AkFigure;

/*
 * What the last request with a key used, in shared memory beside the hint to the
 * key's row (keystore.c): the numbers of pool items, which are checked before use.
 * 0: none.
 */
typedef struct AkKeyItems
{
	pg_atomic_uint32 counter; /* an AkSlot */
	pg_atomic_uint32 limit;   /* an AkLimit */
} AkKeyItems;

/* A request to be counted */
typedef struct AkUsed
{
	AkCode code;
	const pg_uuid_t *key_id; /* NULL: no key */
	const char *workspace;   /* of the key; NULL without one */
	size_t workspace_len;
	uint64 api;         /* ak_api_hash() of the API in the request; 0: none */
	bool api_known;     /* the API is one of the key's, so it is registered */
	const char *client; /* NULL: none */
	size_t client_len;
	bool old_secret;
	TimestampTz now;
	AkKeyItems *items; /* of the key; NULL: not known */
} AkUsed;

extern Oid ak_usage_relid(void);
extern void ak_usage_count(const AkUsed *used);

/* Hints to keys are in sets (keystore.c): the number of hints, and the size, in bytes */
#define AK_HINT_WAYS     8
#define AK_HINT_SET_SIZE 128

/* The slots; in slots.c */
extern bool ak_usage_attach(void);
extern void *ak_usage_hint_set(uint32 hash, uint32 neighbour);
extern void ak_usage_prefetch(AkKeyItems *items);
extern AkSlot *ak_usage_acquire(const AkSlotId *id, const char *workspace, size_t workspace_len, AkKeyItems *items);
extern void ak_usage_release(AkSlot *slot);
extern int32 ak_usage_made_hour(void);
extern AkFigure *ak_usage_copy(bool unflushed, bool (*wanted)(const AkSlot *copy, void *arg), void *arg, uint32 *at,
							   int most, int *count);
extern TimestampTz ak_usage_last_used(const pg_uuid_t *key_id, char *workspace);
extern void ak_usage_reclaim(bool (*is_dead)(Oid database));

/* The registry of APIs; in apinames.c */
extern void ak_apinames_init(void);
extern uint64 ak_api_hash(const char *name, size_t len);
extern bool ak_api_is_registered(uint64 hash);
extern bool ak_api_has_name(uint64 hash);
extern char *ak_api_name(uint64 hash);

#endif /* AK_USAGE_H */
