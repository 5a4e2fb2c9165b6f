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
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "core/args.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/query.h"
#include "keys/key_lookup.h"

PG_FUNCTION_INFO_V1(ak_usage_chart);

#define CHART_WIDTH     50
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

/* Returns the line of the chart for a row of the query's result. */
static text *
chart_line(int row, int64 max)
{
	bool isnull;
	char *hour = TextDatumGetCString(ak_query_result(row, 1, &isnull));
	int64 valid = DatumGetInt64(ak_query_result(row, 2, &isnull));
	int64 denied = DatumGetInt64(ak_query_result(row, 3, &isnull));
	StringInfoData line;
	int bars;
	int denied_bars;

	/* rounded up: a single request gets a bar */
	bars = (int) ceil((double) (valid + denied) / max * CHART_WIDTH);
	denied_bars = denied == 0 ? 0 : Min(bars, (int) ceil((double) denied / max * CHART_WIDTH));
	if (valid > 0 && denied_bars == bars && bars > 1)
		denied_bars--;

	initStringInfo(&line);
	appendStringInfo(&line, "%s  ", hour);
	for (int i = 0; i < CHART_WIDTH; i++)
		appendStringInfoChar(&line, i < bars - denied_bars ? '#' : i < bars ? 'x' : ' ');
	appendStringInfo(&line, "  " INT64_FORMAT, valid);
	if (denied > 0)
		appendStringInfo(&line, " + " INT64_FORMAT " denied", denied);
	return cstring_to_text_with_len(line.data, line.len);
}

/*
 * usage_chart(key_id uuid, span interval = '24 hours') -> setof text
 *
 * Returns a line for each hour, the oldest first, with a bar: "#" valid
 * requests, "x" denied ones.  Hours are those of UTC, and are shown in the
 * session's time zone.  Raises 22004, 42704, 42501, and 22023 for a span that
 * is not positive or over 10000 hours.
 */
Datum
ak_usage_chart(PG_FUNCTION_ARGS)
{
	static AkQuery query = {"SELECT to_char(t.hour, 'YYYY-MM-DD HH24:MI'), "
							"COALESCE(sum(l.count) FILTER (WHERE l.code = 'VALID'), 0)::int8, "
							"COALESCE(sum(l.count) FILTER (WHERE l.code <> 'VALID'), 0)::int8 "
							"FROM generate_series($2, $3, '1 hour') AS t (hour) "
							"LEFT JOIN (SELECT hour, code, count FROM apikeys_internal.usage_hours_live "
							"WHERE key_id = $1 AND hour >= $2) AS l "
							"ON l.hour = t.hour GROUP BY t.hour ORDER BY t.hour",
							3,
							{UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID},
							NULL};
	TimestampTz now = GetCurrentTimestamp();
	Tuplestorestate *lines;
	AkFoundKey key;
	AkCaller caller;
	Interval *span;
	double hours;
	TimestampTz first;
	Datum args[3];
	int64 max = 1;
	bool isnull;

	ak_find_key(fcinfo, AK_VIEW, &key);
	ak_need_argument(fcinfo, 1, "span");
	span = PG_GETARG_INTERVAL_P(1);
	hours = ((double) span->month * DAYS_PER_MONTH + span->day) * HOURS_PER_DAY + (double) span->time / USECS_PER_HOUR;
	if (!(hours > 0 && hours <= CHART_HOURS_MAX))
		ak_bad_argument("span", errmsg("span must be positive and at most %d hours", CHART_HOURS_MAX));

	lines = start_lines(fcinfo);
	now -= now % USECS_PER_HOUR;
	first = now - ((int64) ceil(hours) - 1) * USECS_PER_HOUR;
	args[0] = key.key_id;
	args[1] = TimestampTzGetDatum(first);
	args[2] = TimestampTzGetDatum(now);

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_TRANSACTION);
	for (uint64 i = 0; i < SPI_processed; i++)
		max = Max(max, DatumGetInt64(ak_query_result(i, 2, &isnull)) + DatumGetInt64(ak_query_result(i, 3, &isnull)));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Datum value = PointerGetDatum(chart_line(i, max));
		bool null = false;

		tuplestore_putvalues(lines, ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc, &value, &null);
	}
	SPI_finish();
	ak_owner_end(&caller);
	return (Datum) 0;
}
