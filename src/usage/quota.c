/*-------------------------------------------------------------------------
 *
 * quota.c
 *	  Quotas: how many valid requests a key may make in a calendar period.
 *
 * What is used of a quota is counted in the key's item in shared memory
 * (limit.c), so that a request writes to no table.  The flush of usage (flush.c)
 * also adds to the key's row in the table quota_used what was used since the flush
 * before.  An item begins with what the table has for the period: after a restart,
 * after a crash, which forgets at most one flush interval, and after the item was
 * given back.
 *
 * Periods are those of the calendar in UTC, by the wall clock.  An item that holds
 * another period than the present one begins the present one with what the table
 * has for it.  If the clock is set back by up to a minute, an item keeps a period
 * that has begun.  If it is set back further, the item begins the earlier period
 * again, so that a wrong clock, once corrected, locks nobody out.
 *
 * A standby counts by itself, beginning with what the primary had flushed when the
 * key was first used there.  The first flush after a promotion adds this to what
 * the primary has flushed meanwhile, and the item then holds the sum.
 *
 * An item learns what was flushed when the transaction commits.  So a transaction
 * flushes quotas only once, and not within a savepoint; what it leaves, the next
 * flush writes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/keyindex.h"
#include "core/query.h"
#include "usage/limit.h"
#include "usage/memory.h"

PG_FUNCTION_INFO_V1(ak_quota_used_sql);

/* Quotas per statement of a flush */
#define PIECE 500

static const char *const period_names[] = {
	[AK_PERIOD_NONE] = "none", [AK_PERIOD_HOUR] = "hour",   [AK_PERIOD_DAY] = "day",
	[AK_PERIOD_WEEK] = "week", [AK_PERIOD_MONTH] = "month", [AK_PERIOD_TOTAL] = "total",
};

/* A quota as it is flushed */
typedef struct AkQuotaFigure
{
	AkLimit copy;
	AkLimit *origin;
	int64 in_table; /* what the row has after the flush */
} AkQuotaFigure;

/* What this transaction flushes, in TopTransactionContext; applied to memory when it commits */
static AkQuotaFigure *quota_figures = NULL;
static int figure_count = 0;

/*
 * ------------------------------------------------------------- the calendar
 */

/* Returns the period of that name, a text; AK_PERIOD_NONE for an unknown name. */
static AkPeriod
period_of(Datum name)
{
	const text *value = DatumGetTextPP(name);

	for (int i = AK_PERIOD_HOUR; i <= AK_PERIOD_TOTAL; i++)
		if (strlen(period_names[i]) == VARSIZE_ANY_EXHDR(value) &&
			memcmp(period_names[i], VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)) == 0)
			return i;
	return AK_PERIOD_NONE;
}

/* The same for a key's quota_period; NULL is a month. */
AkPeriod
ak_quota_period(Datum name, bool isnull)
{
	AkPeriod period = isnull ? AK_PERIOD_NONE : period_of(name);

	return period == AK_PERIOD_NONE ? AK_PERIOD_MONTH : period;
}

/* Returns the first day of a month, as a timestamp; months after December are of the next year. */
static TimestampTz
month_begins(int year, int month)
{
	return (date2j(year + (month - 1) / 12, (month - 1) % 12 + 1, 1) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY;
}

/*
 * Returns the beginning and the end of the period that a time is in.  The period
 * "total" begins at -infinity and ends at infinity.
 */
void
ak_period_bounds(AkPeriod period, TimestampTz now, TimestampTz *since, TimestampTz *until)
{
	/* 2000-01-01, from which timestamps count, was a Saturday */
	const TimestampTz monday = 2 * USECS_PER_DAY;
	const TimestampTz week = 7 * USECS_PER_DAY;
	int year, month, day;

	switch (period)
	{
		case AK_PERIOD_HOUR:
			*since = now - now % USECS_PER_HOUR;
			*until = *since + USECS_PER_HOUR;
			return;
		case AK_PERIOD_DAY:
			*since = now - now % USECS_PER_DAY;
			*until = *since + USECS_PER_DAY;
			return;
		case AK_PERIOD_WEEK:
			*since = now - (now - monday) % week;
			*until = *since + week;
			return;
		case AK_PERIOD_MONTH:
			j2date((int) (now / USECS_PER_DAY) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
			*since = month_begins(year, month);
			*until = month_begins(year, month + 1);
			return;
		case AK_PERIOD_NONE:
		case AK_PERIOD_TOTAL:
			break;
	}
	*since = DT_NOBEGIN;
	*until = DT_NOEND;
}

/*
 * ---------------------------------------------------------------- the table
 */

enum
{
	QUOTA_KEY_ID = 1,
	QUOTA_PERIOD,
	QUOTA_SINCE,
	QUOTA_USED
};

/*
 * Returns what the table has of a key's quota in the period that began at "since",
 * as of the latest commit; 0 if it has no such row.  Raises 42P01 if the extension
 * is gone.
 */
int64
ak_quota_flushed(const pg_uuid_t *key_id, AkPeriod period, TimestampTz since)
{
	Relation rel = table_open(ak_relid(AK_QUOTA_USED), AccessShareLock);
	TupleDesc desc = RelationGetDescr(rel);
	int64 used = 0;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, QUOTA_KEY_ID, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(key_id));
	scan = systable_beginscan(rel, ak_relid(AK_QUOTA_USED_PKEY), true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool isnull;

		if (period_of(heap_getattr(tuple, QUOTA_PERIOD, desc, &isnull)) == period &&
			DatumGetTimestampTz(heap_getattr(tuple, QUOTA_SINCE, desc, &isnull)) == since)
			used = DatumGetInt64(heap_getattr(tuple, QUOTA_USED, desc, &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return used;
}

/* Returns what a key has used of a quota in the present period: by its item in memory, or without one, by the table. */
int64
ak_quota_used(const pg_uuid_t *key_id, AkPeriod period)
{
	TimestampTz since, until;
	AkLimit copy;

	ak_period_bounds(period, GetCurrentTimestamp(), &since, &until);
	if (ak_limit_read(key_id, &copy) && copy.period == period && copy.since >= since)
		return copy.used;
	return ak_quota_flushed(key_id, period, since);
}

/* Returns true if the caller may see a key. */
static bool
key_in_sight(Datum key_id)
{
	Relation rel = ak_table_open(AK_KEY, AccessShareLock);
	bool in_sight = false;
	SysScanDesc scan;
	HeapTuple tuple;

	scan = ak_key_scan(rel, key_id, GetActiveSnapshot());
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool isnull;
		Datum workspace = heap_getattr(tuple, Anum_key_workspace, RelationGetDescr(rel), &isnull);

		in_sight = ak_sees(AK_VIEW, TextDatumGetCString(workspace));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return in_sight;
}

/*
 * quota_used(key_id uuid, quota_period text) -> bigint
 *
 * What a key has used of its quota in the present period, up to now.  Returns
 * NULL for what is no period, and for a key that the caller may not see.  The
 * views call it for the keys that have a quota.
 */
Datum
ak_quota_used_sql(PG_FUNCTION_ARGS)
{
	AkPeriod period = period_of(PG_GETARG_DATUM(1));

	if (period == AK_PERIOD_NONE || !key_in_sight(PG_GETARG_DATUM(0)))
		PG_RETURN_NULL();
	PG_RETURN_INT64(ak_quota_used(PG_GETARG_UUID_P(0), period));
}

/*
 * ---------------------------------------------------------------- the flush
 */

/* Returns true if the table lacks something of a quota, or may have something that the item lacks. */
static inline bool
is_unflushed(const AkLimit *item)
{
	return item->period != AK_PERIOD_NONE && (item->used != item->flushed || item->standby);
}

/* Copies the quotas of this database that are to be flushed. */
static void
copy_unflushed(void)
{
	int allocated = 0;
	uint32 number = AK_POOL_NONE;

	while ((number = ak_pool_next(&ak_limits, number)) != AK_POOL_NONE)
	{
		AkLimit *item = ak_pool_item(&ak_limits, number);
		AkLimit copy;

		/* read without the lock: sees what this process has charged, and may miss what others charge now */
		if (item->id.database != MyDatabaseId || !is_unflushed(item))
			continue;
		SpinLockAcquire(&item->mutex);
		copy = *item;
		SpinLockRelease(&item->mutex);
		if (copy.id.database != MyDatabaseId || !is_unflushed(&copy))
			continue;
		if (figure_count == allocated)
		{
			allocated = Max(64, allocated * 2);
			quota_figures = quota_figures == NULL
								? MemoryContextAllocHuge(TopTransactionContext, allocated * sizeof(AkQuotaFigure))
								: repalloc_huge(quota_figures, allocated * sizeof(AkQuotaFigure));
		}
		quota_figures[figure_count++] = (AkQuotaFigure){.copy = copy, .origin = item};
	}
}

/* Writes up to PIECE quotas, and sets in_table of each.  SPI is connected, as the owner. */
static void
write_piece(AkQuotaFigure *piece, int count)
{
	/* = ANY, for an index scan: with outdated statistics the planner may join each row of the table to all of memory */
	static AkQuery query = {"WITH memory AS ("
							"SELECT * FROM ROWS FROM (unnest($1), unnest($2), unnest($3), "
							"unnest($4), unnest($5)) WITH ORDINALITY "
							"AS m (key_id, period, since, used, added, n)), "
							"present AS ("
							"UPDATE apikeys_internal.quota_used q SET period = m.period, since = m.since, "
							"used = CASE WHEN q.period = m.period AND q.since = m.since "
							"THEN q.used + m.added ELSE m.used END "
							"FROM memory m WHERE q.key_id = ANY ($1) AND q.key_id = m.key_id RETURNING m.n, q.used), "
							"absent AS ("
							"INSERT INTO apikeys_internal.quota_used (key_id, period, since, used) "
							"SELECT m.key_id, m.period, m.since, m.used FROM memory m "
							"WHERE NOT EXISTS (SELECT FROM apikeys_internal.quota_used q WHERE q.key_id = m.key_id)) "
							"SELECT n, used FROM present",
							5,
							{UUIDARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID, INT8ARRAYOID},
							NULL};
	Datum *elements = palloc(5 * count * sizeof(Datum));
	Datum args[5];

	for (int i = 0; i < count; i++)
	{
		const AkLimit *copy = &piece[i].copy;

		piece[i].in_table = copy->used;
		elements[i] = PointerGetDatum(copy->id.id);
		elements[count + i] = CStringGetTextDatum(period_names[copy->period]);
		elements[2 * count + i] = TimestampTzGetDatum(copy->since);
		elements[3 * count + i] = Int64GetDatum(copy->used);
		elements[4 * count + i] = Int64GetDatum(copy->used - copy->flushed);
	}
	args[0] = ak_array(elements, count, UUIDOID);
	args[1] = ak_array(elements + count, count, TEXTOID);
	args[2] = ak_array(elements + 2 * count, count, TIMESTAMPTZOID);
	for (int i = 3; i < 5; i++)
		args[i] = ak_array(elements + i * count, count, INT8OID);
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool isnull;
		int64 n = DatumGetInt64(ak_query_result(row, 1, &isnull));

		piece[n - 1].in_table = DatumGetInt64(ak_query_result(row, 2, &isnull));
	}
	pfree(elements);
}

/*
 * Writes the quotas of this database to the table, as part of the transaction; at
 * most once in a transaction, and not within a savepoint.  The caller has locked
 * the flushes (flush.c); SPI is connected, as the owner.
 */
void
ak_quota_flush(void)
{
	if (quota_figures != NULL || GetCurrentTransactionNestLevel() != 1 || ak_memory(false) == NULL ||
		!ak_pool_attach(&ak_limits))
		return;
	copy_unflushed();
	for (int start = 0; start < figure_count; start += PIECE, ak_job_go_on())
		write_piece(quota_figures + start, Min(PIECE, figure_count - start));
}

/*
 * At the end of a transaction: if it was committed, the items learn what is now in
 * the table.  On a promoted standby that includes what the primary had flushed
 * meanwhile.  Must not fail.
 */
void
ak_quota_at_end(bool committed)
{
	for (int i = 0; committed && i < figure_count; i++)
	{
		const AkLimit *copy = &quota_figures[i].copy;
		AkLimit *item = quota_figures[i].origin;

		SpinLockAcquire(&item->mutex);
		/* not if the item has begun another period, was reused, or was given up and made anew from the table of before */
		if (memcmp(&item->id, &copy->id, sizeof(copy->id)) == 0 && item->period == copy->period &&
			item->since == copy->since && item->flushed == copy->flushed && item->used >= copy->used)
		{
			item->used += quota_figures[i].in_table - copy->used;
			item->flushed = quota_figures[i].in_table;
			item->standby = false;
		}
		SpinLockRelease(&item->mutex);
	}
	quota_figures = NULL;
	figure_count = 0;
}
