/*-------------------------------------------------------------------------
 *
 * figures.c
 *	  Usage as SQL sees it: what is in memory, a key's chart, and status().
 *
 * The views add up tables and usage_memory(), and leave out what of a slot is
 * in the tables already (see flush.c).  Functions in a view run as whoever
 * reads it, so that these here check what the caller may see.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>
#include <sys/socket.h>

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "access.h"
#include "compat.h"
#include "context.h"
#include "details.h"
#include "figures.h"
#include "guc.h"
#include "query.h"
#include "usage.h"
#include "worker.h"

PG_FUNCTION_INFO_V1(ak_usage_memory);
PG_FUNCTION_INFO_V1(ak_last_use);
PG_FUNCTION_INFO_V1(ak_usage_chart);
PG_FUNCTION_INFO_V1(ak_status);

#define CHART_WIDTH 50
#define CHART_HOURS_MAX 10000

static Datum
address_datum(const AkAddress *address)
{
	inet	   *value = palloc0(sizeof(inet));

	ip_family(value) = address->is_v6 ? PGSQL_AF_INET6 : PGSQL_AF_INET;
	ip_bits(value) = address->bits;
	memcpy(ip_addr(value), address->bytes, ip_addrsize(value));
	SET_INET_VARSIZE(value);
	return InetPGetDatum(value);
}

/* A figure as a row of usage_memory(): AK_FIGURE_NATTS values and nulls. */
void
ak_figure_row(const AkFigure *figure, Datum *values, bool *nulls)
{
	const AkSlot *slot = &figure->slot;
	pg_uuid_t  *key_id = palloc(sizeof(pg_uuid_t));

	memset(nulls, 0, AK_FIGURE_NATTS * sizeof(bool));
	memcpy(key_id->data, slot->id.key_id, UUID_LEN);
	values[AK_FIGURE_KEY_ID] = UUIDPGetDatum(key_id);
	values[AK_FIGURE_WORKSPACE] = PointerGetDatum(cstring_to_text_with_len(slot->workspace, slot->workspace_len));
	values[AK_FIGURE_HOUR] = TimestampTzGetDatum(slot->id.hour * USECS_PER_HOUR);
	values[AK_FIGURE_API] = CStringGetTextDatum(slot->id.api != 0 ? ak_api_name(slot->id.api) : "");
	values[AK_FIGURE_CODE] = CStringGetTextDatum(slot->id.kind < AK_CODE_COUNT ?
												 ak_code_name(slot->id.kind) : "UNCOUNTED");
	values[AK_FIGURE_OLD_SECRET] = BoolGetDatum(slot->id.old_secret);
	values[AK_FIGURE_SLOT] = Int64GetDatum(slot->number);
	values[AK_FIGURE_COUNT] = Int64GetDatum(slot->count);
	values[AK_FIGURE_LAST_AT] = TimestampTzGetDatum(slot->last_at);
	nulls[AK_FIGURE_LAST_CLIENT] = slot->client.bits == 0;
	values[AK_FIGURE_LAST_CLIENT] = slot->client.bits == 0 ? (Datum) 0 : address_datum(&slot->client);
}

static bool
is_figure(const AkSlot *slot)
{
	return slot->id.kind <= AK_SLOT_UNCOUNTED;
}

/* Does the caller see the usage of that workspace?  '': what belongs to none. */
static bool
in_sight(const char *workspace)
{
	return ak_sees(AK_VIEW, workspace[0] != '\0' ? workspace : NULL);
}

/* The same for a slot's; remembers the answer for the next slot. */
static bool
slot_in_sight(const AkSlot *slot, char *last, bool *last_in_sight)
{
	char		workspace[AK_WORKSPACE_MAX + 1];

	memcpy(workspace, slot->workspace, slot->workspace_len);
	workspace[slot->workspace_len] = '\0';
	if (strcmp(workspace, last) != 0)
	{
		strcpy(last, workspace);
		*last_in_sight = in_sight(workspace);
	}
	return *last_in_sight;
}

/*
 * usage_memory() -> setof (see figures.h)
 *
 * The figures in memory of this database that the caller may see.
 */
Datum
ak_usage_memory(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo;
	AkFigure   *figures;
	char		workspace[AK_WORKSPACE_MAX + 1] = "";
	bool		visible = in_sight("");
	int			count;

	InitMaterializedSRF_compat(fcinfo);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	figures = ak_usage_copy(is_figure, &count);
	for (int i = 0; i < count; i++)
	{
		Datum		values[AK_FIGURE_NATTS];
		bool		nulls[AK_FIGURE_NATTS];

		CHECK_FOR_INTERRUPTS();
		if (!slot_in_sight(&figures[i].slot, workspace, &visible))
			continue;
		ak_figure_row(&figures[i], values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * last_use(key_id uuid) -> timestamptz
 *
 * When memory saw a key valid last; NULL if it did not, or the caller may not
 * see the key.
 */
Datum
ak_last_use(PG_FUNCTION_ARGS)
{
	char		workspace[AK_WORKSPACE_MAX + 1];
	TimestampTz last_at = ak_usage_last_used(PG_GETARG_UUID_P(0), workspace);

	if (last_at == 0 || !in_sight(workspace))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(last_at);
}

/* Starts a function that returns a set of text: where to put it. */
static Tuplestorestate *
start_lines(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) || !(rsinfo->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
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

/* A line of the chart; counts of the SQL result's row. */
static text *
chart_line(int row, int64 max)
{
	bool		isnull;
	char	   *hour = TextDatumGetCString(ak_query_result(row, 1, &isnull));
	int64		valid = DatumGetInt64(ak_query_result(row, 2, &isnull));
	int64		denied = DatumGetInt64(ak_query_result(row, 3, &isnull));
	StringInfoData line;
	int			bars;
	int			denied_bars;

	/* whoever was there at all gets a bar */
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
 * A line for each hour, the oldest first, with a bar: "#" valid requests, "x"
 * denied ones.  Hours begin where UTC's do, and are shown in the session's
 * time zone.  Raises 22004, 42704, 42501, and 22023 for a span that is not
 * positive or over 10000 hours.
 */
Datum
ak_usage_chart(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"SELECT pg_catalog.to_char(t.hour, 'YYYY-MM-DD HH24:MI'), "
		"COALESCE(pg_catalog.sum(l.count) FILTER (WHERE l.code OPERATOR(pg_catalog.=) 'VALID'), 0)::pg_catalog.int8, "
		"COALESCE(pg_catalog.sum(l.count) FILTER (WHERE l.code OPERATOR(pg_catalog.<>) 'VALID'), 0)::pg_catalog.int8 "
		"FROM pg_catalog.generate_series($2, $3, '1 hour') AS t (hour) "
		"LEFT JOIN (SELECT hour, code, count FROM apikeys.usage_hours_live "
		"WHERE key_id OPERATOR(pg_catalog.=) $1 AND hour OPERATOR(pg_catalog.>=) $2) AS l "
		"ON l.hour OPERATOR(pg_catalog.=) t.hour GROUP BY t.hour ORDER BY t.hour",
		3, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}, NULL
	};
	TimestampTz now = GetCurrentTimestamp();
	Tuplestorestate *lines;
	AkWhere		where;
	AkCaller	caller;
	Interval   *span;
	double		hours;
	TimestampTz first;
	Datum		args[3];
	int64		max = 1;
	bool		isnull;

	ak_find_key(fcinfo, AK_VIEW, &where);
	ak_need_argument(fcinfo, 1, "span");
	span = PG_GETARG_INTERVAL_P(1);
	hours = ((double) span->month * DAYS_PER_MONTH + span->day) * HOURS_PER_DAY + (double) span->time / USECS_PER_HOUR;
	if (!(hours > 0 && hours <= CHART_HOURS_MAX))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("span must be positive and at most %d hours", CHART_HOURS_MAX)));

	lines = start_lines(fcinfo);
	now -= now % USECS_PER_HOUR;
	first = now - ((int64) ceil(hours) - 1) * USECS_PER_HOUR;
	args[0] = where.key_id;
	args[1] = TimestampTzGetDatum(first);
	args[2] = TimestampTzGetDatum(now);

	ak_become_owner(&caller);
	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_TRANSACTION);
	for (uint64 i = 0; i < SPI_processed; i++)
		max = Max(max, DatumGetInt64(ak_query_result(i, 2, &isnull)) + DatumGetInt64(ak_query_result(i, 3, &isnull)));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Datum		value = PointerGetDatum(chart_line(i, max));
		bool		null = false;

		tuplestore_putvalues(lines, ((ReturnSetInfo *) fcinfo->resultinfo)->setDesc, &value, &null);
	}
	SPI_finish();
	ak_become_caller(&caller);
	return (Datum) 0;
}

static bool
is_any(const AkSlot *slot)
{
	return true;
}

static const char *
worker_text(void)
{
	switch (ak_worker_ensure())
	{
		case AK_WORKER_RUNNING:
			return RecoveryInProgress() ? "waiting for promotion" : "running";
		case AK_WORKER_STARTING:
			return "starting";
		case AK_WORKER_WAITING:
			return "waiting for its turn";
		case AK_WORKER_NO_SLOT:
			return "none: max_worker_processes are all in use; call flush_usage() from time to time";
		case AK_WORKER_NONE:
			break;
	}
	return "none";
}

/*
 * status() -> version, tracking, reason, worker, entries, max_entries,
 *			   uncounted, last_flush
 *
 * How it stands with counting.  The entries are those that the caller may see;
 * what could not be counted is told to who sees all workspaces.  42501 without
 * the capability "view" in some workspace.
 */
Datum
ak_status(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'apikeys'), "
		"(SELECT COALESCE(pg_catalog.sum(count), 0)::pg_catalog.int8 FROM apikeys.usage_live "
		"WHERE code OPERATOR(pg_catalog.=) 'UNCOUNTED')",
		0, {0}, NULL
	};
	enum
	{
		VERSION, TRACKING, REASON, WORKER, ENTRIES, MAX_ENTRIES, UNCOUNTED, LAST_FLUSH, NATTS
	};
	Datum		values[NATTS] = {0};
	bool		nulls[NATTS] = {0};
	char		workspace[AK_WORKSPACE_MAX + 1] = "";
	bool		unscoped;
	bool		visible;
	int			count;
	int			entries = 0;
	int			used;
	int			max;
	AkFigure   *figures;
	AkCaller	caller;
	MemoryContext context = CurrentMemoryContext;
	MemoryContext spi;

	ak_require_anywhere(AK_VIEW);
	unscoped = visible = in_sight("");

	values[TRACKING] = BoolGetDatum(ak_guc_track_usage);
	nulls[REASON] = true;
	nulls[MAX_ENTRIES] = nulls[LAST_FLUSH] = true;
	figures = ak_usage_copy(is_any, &count);
	for (int i = 0; i < count; i++)
	{
		if (figures[i].slot.id.kind == AK_SLOT_FLUSH)
		{
			values[LAST_FLUSH] = TimestampTzGetDatum(figures[i].slot.last_at);
			nulls[LAST_FLUSH] = figures[i].slot.last_at == 0;
		}
		else if (slot_in_sight(&figures[i].slot, workspace, &visible))
			entries++;
	}
	if (!ak_usage_capacity(&used, &max))
	{
		values[TRACKING] = BoolGetDatum(false);
		values[REASON] = CStringGetTextDatum("shared memory could not be had");
		nulls[REASON] = false;
	}
	else
	{
		values[MAX_ENTRIES] = Int32GetDatum(max);
		nulls[MAX_ENTRIES] = false;
		if (!ak_guc_track_usage)
		{
			values[REASON] = CStringGetTextDatum("apikeys.track_usage is off");
			nulls[REASON] = false;
		}
		else if (RecoveryInProgress())
		{
			values[REASON] = CStringGetTextDatum("a standby counts in memory alone");
			nulls[REASON] = false;
		}
	}
	values[WORKER] = CStringGetTextDatum(worker_text());
	values[ENTRIES] = Int32GetDatum(entries);

	ak_become_owner(&caller);
	SPI_connect();
	ak_query(&query, NULL, NULL, AK_SEE_TRANSACTION);
	spi = MemoryContextSwitchTo(context);
	values[VERSION] = PointerGetDatum(cstring_to_text(TextDatumGetCString(ak_query_result(0, 1, &nulls[VERSION]))));
	values[UNCOUNTED] = ak_query_result(0, 2, &nulls[UNCOUNTED]);
	nulls[UNCOUNTED] = !unscoped;
	MemoryContextSwitchTo(spi);
	SPI_finish();
	ak_become_caller(&caller);
	return HeapTupleGetDatum(heap_form_tuple(ak_result_descriptor(fcinfo), values, nulls));
}
