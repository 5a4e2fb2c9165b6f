/*-------------------------------------------------------------------------
 *
 * usage.c
 *	  Count validations in shared memory (slots.c), without writing to disk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "core/guc.h"
#include "usage/memory.h"
#include "usage/usage.h"
#include "worker/worker.h"

/*
 * Returns the OID of apikeys_internal.usage.  In the id of a slot, it distinguishes
 * the figures of this extension from those of one that was dropped.  Raises 42P01
 * if the extension is gone.
 */
Oid
ak_usage_relid(void)
{
	return ak_relid(AK_USAGE);
}

/*
 * Returns the hour to count a request in.  A standby flushes nothing until it is
 * promoted: it uses a single hour, so that its figures do not grow in number.
 */
static inline int32
hour_of(TimestampTz now)
{
	static TimestampTz start = 0; /* of the hour seen last */
	static int32 hour = 0;

	if (RecoveryInProgress())
		return ak_usage_made_hour();
	if (unlikely(now < start || now >= start + USECS_PER_HOUR))
	{
		hour = (int32) (now / USECS_PER_HOUR);
		start = hour * USECS_PER_HOUR;
	}
	return hour;
}

/*
 * Fills in the id of a request's figure.
 *
 * An API name is counted if it is one of the key's or registered.  Any other
 * name is counted as no API, so that clients cannot fill memory with made-up
 * names.
 */
static void
identify_slot(const AkUsed *used, AkSlotId *id)
{
	memset(id, 0, sizeof(*id));
	id->database = MyDatabaseId;
	id->relid = ak_usage_relid();
	id->kind = used->code;
	id->old_secret = used->old_secret;
	id->hour = hour_of(used->now);
	if (used->key_id != NULL)
		memcpy(id->key_id, used->key_id->data, UUID_LEN);
	if (used->api != 0 && (used->api_known || ak_api_is_registered(used->api)))
		id->api = used->api;
}

/* Reads the client's address; its bits are 0 if there is none.  The last one is kept, since addresses repeat. */
static void
read_client(const AkUsed *used, AkAddress *client)
{
	static char last[AK_CLIENT_MAX];
	static size_t last_len = 0;
	static AkAddress last_client;

	if (used->client == NULL)
		client->bits = 0;
	else if (used->client_len == last_len && memcmp(used->client, last, last_len) == 0)
		*client = last_client;
	else if (!ak_client_parse(used->client, used->client_len, client))
		client->bits = 0;
	else
	{
		Assert(used->client_len <= sizeof(last));
		memcpy(last, used->client, used->client_len);
		last_len = used->client_len;
		last_client = *client;
	}
}

/*
 * Counts a request in shared memory, unless apikeys.track_usage is off.  A request
 * for which there is no memory is counted as lost (memory.c).  Starts the worker
 * if the database has none.  Raises nothing but 42P01, if the extension has been
 * dropped.
 */
void
ak_usage_count(const AkUsed *used)
{
	AkSlotId id;
	AkAddress client;
	AkSlot *slot;

	if (!ak_guc_track_usage)
		return;
	/* the worker is started even if there is no memory: it logs the loss */
	(void) ak_worker_ensure();
	if (unlikely(!ak_usage_attach()))
	{
		ak_memory_lost(AK_LOST_COUNT, 1);
		return;
	}

	identify_slot(used, &id);
	read_client(used, &client);

	slot = ak_usage_acquire(&id, used->workspace ? used->workspace : "", used->workspace_len, used->items);
	if (unlikely(slot == NULL))
	{
		ak_memory_lost(AK_LOST_COUNT, 1);
		return;
	}
	slot->count++;
	slot->last_at = Max(slot->last_at, used->now);
	if (client.bits != 0)
		slot->client = client;
	ak_usage_release(slot);
}
