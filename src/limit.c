/*-------------------------------------------------------------------------
 *
 * limit.c
 *	  Rate limits: a generic cell rate algorithm (as ITU-T I.371 calls it) for
 *	  each key, in the memory of usage.c.
 *
 * A key with a limit of n in a window w may be used n times at once, and then
 * again every w/n.  All that is remembered is when the key will be as if it
 * had never been used, "full_at": each use puts it off by w/n, and it must not
 * lie further than w ahead.  Time is in nanoseconds since 2000, so that w/n is
 * right for limits far above what a server can answer.
 *
 * The state is read and changed under one spinlock: of any number of requests
 * that come together, exactly as many pass as may.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"

#include "usage.h"

#define NSECS_PER_SEC	INT64CONST(1000000000)

/* 73 years: with today's date no sum exceeds an int64 */
#define WINDOW_MAX_NS	(INT64CONST(1) << 61)

/* A window's length; months have 30 days. */
static int64
window_ns(const Interval *window)
{
	double		usecs = ((double) window->month * DAYS_PER_MONTH + window->day) * USECS_PER_DAY + window->time;

	if (usecs >= (double) (WINDOW_MAX_NS / 1000))
		return WINDOW_MAX_NS;
	return (((int64) window->month * DAYS_PER_MONTH + window->day) * USECS_PER_DAY + window->time) * 1000;
}

/*
 * Lets a use pass, or returns in how many nanoseconds the next may (0: passed).
 *
 * When the limit has changed since the last use, as many uses as were used up
 * of the old one are used up of the new.
 */
static int64
take(int64 *full_at, int64 *interval, int32 limit, int64 window, int64 now)
{
	int64		new_interval = Max(window / limit, 1);
	int64		ahead = Max(*full_at - now, 0);

	if (*interval != 0 && *interval != new_interval)
		ahead = (int64) Min((double) ahead / *interval * new_interval, (double) WINDOW_MAX_NS);
	*interval = new_interval;
	/* also when the limit was lowered, or the clock set back */
	ahead = Min(ahead, new_interval * limit);
	if (ahead > new_interval * (limit - 1))
	{
		*full_at = now + ahead;
		return ahead - new_interval * (limit - 1);
	}
	*full_at = now + ahead + new_interval;
	return 0;
}

/*
 * May a request of this key, otherwise valid, pass its limit?  If so, one use
 * is used up; if not, *retry_after is in how many seconds, rounded up, the
 * next may.  Where no memory can be had, nobody is limited; that is counted.
 */
bool
ak_limit_take(const pg_uuid_t *key_id, const char *workspace, size_t workspace_len,
			  int32 limit, const Interval *window, TimestampTz now, int32 *retry_after)
{
	AkSlotId	id = {.database = MyDatabaseId,.relid = ak_usage_relid(),.kind = AK_SLOT_LIMIT};
	int64		length = window_ns(window);
	uint32		whose;
	AkSlot	   *slot;
	int64		wait;

	memcpy(id.key_id, key_id->data, UUID_LEN);
	memcpy(&whose, key_id->data, sizeof(whose));
	slot = ak_usage_acquire(&id, whose, workspace, workspace_len, now);
	if (slot == NULL)
	{
		ak_usage_lost(now);
		return true;
	}
	wait = take(&slot->full_at, &slot->interval, limit, length, now * 1000);
	ak_usage_release(slot);
	if (wait == 0)
		return true;
	*retry_after = (int32) Min((wait + NSECS_PER_SEC - 1) / NSECS_PER_SEC, INT_MAX);
	return false;
}
