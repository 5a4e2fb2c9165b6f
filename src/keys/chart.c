/*-------------------------------------------------------------------------
 *
 * chart.c
 *	  usage_chart(): a key's last hours as bars of text, for psql.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/query.h"
#include "keys/key_lookup.h"

PG_FUNCTION_INFO_V1(ak_usage_chart);

#define CHART_HOURS_MAX 10000

/* Starts the result, a set of text; returns its tuplestore. */
static Tuplestorestate *
start_lines(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) || !(rsinfo->allowedModes & SFRM_Materialize))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("set-valued function called in context that cannot accept a set")));
	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setDesc = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(rsinfo->setDesc, 1, "usage_chart", TEXTOID, -1, 0);
	TupleDescFinalize_compat(rsinfo->setDesc);
	rsinfo->setResult = tuplestore_begin_heap(true, false, work_mem);
	MemoryContextSwitchTo(old);
	return rsinfo->setResult;
}

/*
 * usage_chart(key_id uuid, span interval = '24 hours') -> setof text
 *
 * Returns a line for each hour, the oldest first, with a bar: "#" valid
 * requests, "x" denied ones; a single request gets a bar, too.  Hours are those
 * of UTC, and are shown in the session's time zone.  Raises 22004, 42704,
 * 42501, and 22023 for a span that is shorter than a minute or over 10000
 * hours.
 */
Datum
ak_usage_chart(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"WITH h AS (SELECT t.hour, COALESCE(sum(l.count) FILTER (WHERE l.code = 'VALID'), 0)::int8 AS valid, "
		"COALESCE(sum(l.count) FILTER (WHERE l.code <> 'VALID'), 0)::int8 AS denied "
		"FROM generate_series($2, $3, '1 hour') AS t (hour) "
		"LEFT JOIN (SELECT hour, code, count FROM apikeys_internal.usage_hours_live "
		"WHERE key_id = $1 AND hour >= $2) AS l ON l.hour = t.hour GROUP BY t.hour), "
		"b AS (SELECT h.*, ceil((valid + denied) * 50.0 / most)::int AS bars, ceil(denied * 50.0 / most)::int AS crosses "
		"FROM h, (SELECT greatest(max(valid + denied), 1) AS most FROM h) AS m), "
		/* where there was something valid, it shows */
		"x AS (SELECT b.*, least(crosses, CASE WHEN valid > 0 AND bars > 1 THEN bars - 1 ELSE bars END) AS denied_bars FROM b) "
		"SELECT to_char(hour, 'YYYY-MM-DD HH24:MI') || '  ' "
		"|| rpad(repeat('#', bars - denied_bars) || repeat('x', denied_bars), 50) || '  ' || valid "
		"|| CASE WHEN denied > 0 THEN ' + ' || denied || ' denied' ELSE '' END FROM x ORDER BY hour",
		3,
		{UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
		NULL};
	TimestampTz now = GetCurrentTimestamp();
	double hours = 24;
	Tuplestorestate *lines;
	AkFoundKey key;
	AkCaller caller;
	Datum args[3];

	ak_find_key(fcinfo, AK_VIEW, &key);
	if (!PG_ARGISNULL(1))
	{
		const Interval *span = PG_GETARG_INTERVAL_P(1);

		hours =
			((double) span->month * DAYS_PER_MONTH + span->day) * HOURS_PER_DAY + (double) span->time / USECS_PER_HOUR;
		if (!(hours > 0 && hours <= CHART_HOURS_MAX))
			ak_bad_argument("span", errmsg("span must be positive and at most %d hours", CHART_HOURS_MAX));
		if (hours < 1.0 / MINS_PER_HOUR)
			ak_bad_argument("span", errmsg("span must be at least one minute"),
							errhint("An interval without a unit is in seconds: write '24 hours'."));
	}

	lines = start_lines(fcinfo);
	now -= now % USECS_PER_HOUR;
	args[0] = key.key_id;
	args[1] = TimestampTzGetDatum(now - ((int64) ceil(hours) - 1) * USECS_PER_HOUR);
	args[2] = TimestampTzGetDatum(now);

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_TRANSACTION);
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(lines, SPI_tuptable->vals[i]);
	SPI_finish();
	ak_owner_end(&caller);
	return (Datum) 0;
}
