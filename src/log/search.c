/*-------------------------------------------------------------------------
 *
 * search.c
 *	  The SQL functions that read the audit log: search_audit_logs(),
 *	  export_audit_logs() and audit_filters().
 *
 * They only read: they see what the calling statement sees, write nothing, and
 * work on a standby.  The first two return one row per call, so that in a select
 * list nothing is collected; in FROM, PostgreSQL collects the rows, on disk beyond
 * work_mem.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "access/access.h"
#include "access/context.h"
#include "access/label.h"
#include "core/args.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/query.h"
#include "log/logscan.h"
#include "log/logtext.h"
#include "log/search.h"

PG_FUNCTION_INFO_V1(ak_search_audit_logs);
PG_FUNCTION_INFO_V1(ak_export_audit_logs);
PG_FUNCTION_INFO_V1(ak_audit_filters);

/* Every entry is compared with the text, so its length is limited */
#define SEARCH_MAX 1000 /* characters */

#define MAX_ROWS_DEFAULT 50

static const char *const known_actions[] = {"Create", "Update", "Delete", "Export", NULL};
static const char *const known_entities[] = {"API Keys", "APIs", "Workspaces", "Access", "Teams", "Audit Logs", NULL};

/* The columns of the view audit_logs, as columns of its table */
static const AttrNumber view_columns[] = {Anum_audit_log_time,     Anum_audit_log_team,      Anum_audit_log_entity,
										  Anum_audit_log_activity, Anum_audit_log_action,    Anum_audit_log_actor,
										  Anum_audit_log_ip,       Anum_audit_log_workspace, Anum_audit_log_subject,
										  Anum_audit_log_key_id,   Anum_audit_log_key_name,  Anum_audit_log_changes,
										  Anum_audit_log_db_user,  Anum_audit_log_audit_id};

/* The state of a scan between calls */
typedef struct AkReading
{
	AkLogScan *scan;
	Snapshot snapshot;
	int64 left; /* number of rows still wanted; -1: all */
	bool header_sent;
	StringInfoData line;
} AkReading;

/*
 * Returns a text[] argument as a set, or NULL for NULL; "what" is one of its
 * values.  "known", if not NULL, lists the valid values.  Raises 22004 for a
 * NULL element, 22023 for a value that is not valid.
 */
static AkTexts *
text_set(FunctionCallInfo fcinfo, int n, const char *argument, const char *what, const char *const *known)
{
	AkTexts *texts;
	Datum *elements;
	bool *nulls;

	if (PG_ARGISNULL(n))
		return NULL;
	texts = palloc(sizeof(AkTexts));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &texts->count);
	texts->values = palloc(Max(1, texts->count) * sizeof(char *));
	for (int i = 0; i < texts->count; i++)
	{
		int k = 0;

		if (nulls[i])
			ak_null_argument(argument, errmsg("%s list must not contain null", what));
		texts->values[i] = TextDatumGetCString(elements[i]);
		while (known != NULL && known[k] != NULL && strcmp(known[k], texts->values[i]) != 0)
			k++;
		if (known != NULL && known[k] == NULL)
			ak_bad_argument(argument, errmsg("unknown %s \"%s\"", what, ak_quoted(texts->values[i])),
							known == known_actions
								? errhint("There are Create, Update, Delete and Export.")
								: errhint("There are API Keys, APIs, Workspaces, Access, Teams and Audit Logs."));
	}
	ak_make_set(texts);
	return texts;
}

/*
 * Returns the workspaces whose entries the caller may read: the argument's, or
 * all of them; NULL for all, with entries without a workspace.  Raises 42501
 * and 42704.
 */
static AkTexts *
readable_workspaces(FunctionCallInfo fcinfo, int n)
{
	AkTexts *texts;
	Datum *elements;

	ak_require_anywhere(AK_AUDIT);
	if (PG_ARGISNULL(n) && ak_sees_everywhere(AK_AUDIT))
		return NULL;
	texts = palloc0(sizeof(AkTexts));
	if (!PG_ARGISNULL(n))
	{
		texts->count = 1;
		texts->values = palloc(sizeof(char *));
		texts->values[0] = text_to_cstring(PG_GETARG_TEXT_PP(n));
		ak_check_workspace_argument(texts->values[0]);
		ak_require_workspace(AK_AUDIT, texts->values[0]);
		return texts;
	}
	elements = ak_text_elements(ak_visible_workspaces(AK_AUDIT), &texts->count);
	texts->values = palloc(Max(1, texts->count) * sizeof(char *));
	for (int i = 0; i < texts->count; i++)
		texts->values[i] = TextDatumGetCString(elements[i]);
	ak_make_set(texts);
	return texts;
}

/*
 * Reads the arguments from "search" to "key_id", beginning with argument
 * "first", and checks what the caller may read.  Allocates in the current
 * memory context.  Raises 42501 and 42704 for a workspace, 22023 and 22004 for
 * values that are not valid.
 */
AkLogFilter *
ak_filter_from_args(FunctionCallInfo fcinfo, int first)
{
	AkLogFilter *filter = palloc0(sizeof(AkLogFilter));
	enum
	{
		SEARCH,
		WORKSPACE,
		TEAMS,
		ACTIONS,
		ACTORS,
		SINCE,
		UNTIL,
		ENTITIES,
		KEY_ID
	};

	filter->workspaces = readable_workspaces(fcinfo, first + WORKSPACE);
	filter->apart = !ak_may(AK_AUDIT, NULL);
	if (!PG_ARGISNULL(first + SEARCH))
	{
		filter->search = text_to_cstring(PG_GETARG_TEXT_PP(first + SEARCH));
		ak_check_length("search", "search text", filter->search, SEARCH_MAX);
	}
	filter->teams = text_set(fcinfo, first + TEAMS, "teams", "team", NULL);
	filter->actions = text_set(fcinfo, first + ACTIONS, "actions", "action", known_actions);
	filter->actors = text_set(fcinfo, first + ACTORS, "actors", "actor", NULL);
	filter->entities = text_set(fcinfo, first + ENTITIES, "entities", "entity", known_entities);
	filter->has_since = !PG_ARGISNULL(first + SINCE);
	if (filter->has_since)
		filter->since = PG_GETARG_TIMESTAMPTZ(first + SINCE);
	filter->has_until = !PG_ARGISNULL(first + UNTIL);
	if (filter->has_until)
		filter->until = PG_GETARG_TIMESTAMPTZ(first + UNTIL);
	if (filter->has_since && filter->has_until && filter->since > filter->until)
		ak_bad_argument("since", errmsg("since must not be after until"));
	filter->has_key_id = !PG_ARGISNULL(first + KEY_ID);
	if (filter->has_key_id)
		filter->key_id = *PG_GETARG_UUID_P(first + KEY_ID);
	return filter;
}

/* Ends a scan: after its last row, or when the executor needs no more. */
static void
end_reading(Datum arg)
{
	AkReading *reading = (AkReading *) DatumGetPointer(arg);

	ak_log_end(reading->scan);
	UnregisterSnapshot(reading->snapshot);
}

/* Ends a scan after its last row; its memory is freed with the multi-call context. */
static void
finish_reading(FunctionCallInfo fcinfo, AkReading *reading)
{
	UnregisterExprContextCallback(((ReturnSetInfo *) fcinfo->resultinfo)->econtext, end_reading,
								  PointerGetDatum(reading));
	end_reading(PointerGetDatum(reading));
}

/*
 * Starts a scan in the multi-call context, which is current.  It ends by itself
 * if the executor does not fetch all rows.
 */
static AkReading *
begin_reading(FunctionCallInfo fcinfo, const AkLogFilter *filter)
{
	AkReading *reading = palloc0(sizeof(AkReading));

	reading->snapshot = RegisterSnapshot(GetActiveSnapshot());
	reading->scan = ak_log_begin(filter, reading->snapshot);
	RegisterExprContextCallback(((ReturnSetInfo *) fcinfo->resultinfo)->econtext, end_reading,
								PointerGetDatum(reading));
	return reading;
}

/*
 * search_audit_logs(search text = NULL, workspace text = NULL, teams text[] = NULL, actions text[] = NULL,
 *	actors text[] = NULL, since timestamptz = NULL, until timestamptz = NULL, entities text[] = NULL,
 *	key_id uuid = NULL, max_rows integer = 50, before_id bigint = NULL) -> setof audit_logs
 *
 * Entries get their audit_id before they are committed.  Pages are cut by
 * audit_id.  So an entry that is visible when the first page is read is on
 * exactly one page; one that becomes visible later is on a later page or on
 * none.  Errors: see ak_filter_from_args();  22023 for an invalid max_rows or
 * before_id.
 */
Datum
ak_search_audit_logs(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	AkReading *reading;
	TupleTableSlot *slot;
	Datum values[lengthof(view_columns)];
	bool nulls[lengthof(view_columns)];

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		AkLogFilter *filter;
		int64 max_rows;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		call->tuple_desc = ak_result_descriptor(fcinfo);
		if (call->tuple_desc->natts < (int) lengthof(view_columns))
			ak_wrong_version("view", "apikeys.audit_logs");
		filter = ak_filter_from_args(fcinfo, 0);
		max_rows = PG_ARGISNULL(AK_FILTER_ARGS) ? MAX_ROWS_DEFAULT : PG_GETARG_INT32(AK_FILTER_ARGS);
		if (max_rows < 0)
			ak_bad_argument("max_rows", errmsg("max_rows must not be negative"));
		if (!PG_ARGISNULL(AK_FILTER_ARGS + 1))
		{
			filter->before = PG_GETARG_INT64(AK_FILTER_ARGS + 1);
			if (filter->before <= 0)
				ak_bad_argument("before_id", errmsg("before_id must be positive"),
								errhint("It is the audit_id of the last row of the page before."));
		}
		reading = begin_reading(fcinfo, filter);
		reading->left = max_rows;
		call->user_fctx = reading;
		MemoryContextSwitchTo(old);
	}

	call = SRF_PERCALL_SETUP();
	reading = call->user_fctx;
	slot = reading->left != 0 ? ak_log_next(reading->scan) : NULL;
	if (slot == NULL)
	{
		finish_reading(fcinfo, reading);
		SRF_RETURN_DONE(call);
	}
	if (reading->left > 0)
		reading->left--;
	for (int i = 0; i < (int) lengthof(view_columns); i++)
	{
		values[i] = slot->tts_values[view_columns[i] - 1];
		nulls[i] = slot->tts_isnull[view_columns[i] - 1];
	}
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, nulls)));
}

/*
 * export_audit_logs(search text = NULL, ... key_id uuid = NULL) -> setof text
 *
 * Errors: see ak_filter_from_args().
 */
Datum
ak_export_audit_logs(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	AkReading *reading;
	TupleTableSlot *slot;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		reading = begin_reading(fcinfo, ak_filter_from_args(fcinfo, 0));
		initStringInfo(&reading->line);
		call->user_fctx = reading;
		MemoryContextSwitchTo(old);
	}

	call = SRF_PERCALL_SETUP();
	reading = call->user_fctx;
	resetStringInfo(&reading->line);
	if (!reading->header_sent)
	{
		ak_csv_header(&reading->line);
		reading->header_sent = true;
	}
	else if ((slot = ak_log_next(reading->scan)) != NULL)
		ak_csv_line(&reading->line, slot->tts_values, slot->tts_isnull);
	else
	{
		finish_reading(fcinfo, reading);
		SRF_RETURN_DONE(call);
	}
	SRF_RETURN_NEXT(call, PointerGetDatum(cstring_to_text_with_len(reading->line.data, reading->line.len)));
}

/* Returns names, up to NULL, as a text[]. */
static Datum
name_array(const char *const *names)
{
	Datum elements[10];
	int count = 0;

	for (; names[count] != NULL; count++)
		elements[count] = CStringGetTextDatum(names[count]);
	return ak_array(elements, count, TEXTOID);
}

/*
 * audit_filters(workspace text = NULL) -> (teams text[], actions text[], actors text[], entities text[])
 *
 * What the filters of search_audit_logs() can be set to: the teams and actors of
 * the entries that the caller may read, and all actions and entities.  In the
 * whole log each team and actor costs a look-up in an index, however many
 * entries there are; in some workspaces all of their entries are read.  Raises
 * 42501, 42704.
 */
Datum
ak_audit_filters(PG_FUNCTION_ARGS)
{
#define NEXT_OF(column)                                                                             \
	"ARRAY(WITH RECURSIVE next AS ("                                                                \
	"(SELECT l." column " FROM apikeys.audit_log l WHERE l." column " IS NOT NULL "                 \
	"ORDER BY l." column " COLLATE \"C\" LIMIT 1) "                                                 \
	"UNION ALL SELECT (SELECT l." column " FROM apikeys.audit_log l "                               \
	"WHERE l." column " COLLATE \"C\" > n." column " ORDER BY l." column " COLLATE \"C\" LIMIT 1) " \
	"FROM next n WHERE n." column " IS NOT NULL) "                                                  \
	"SELECT " column " FROM next WHERE " column " IS NOT NULL)"
	static AkQuery whole = {"SELECT " NEXT_OF("team") ", " NEXT_OF("actor"), 0, {0}, NULL};
	static AkQuery some = {"SELECT array_agg(DISTINCT l.team COLLATE \"C\") FILTER (WHERE l.team IS NOT NULL), "
						   "array_agg(DISTINCT l.actor COLLATE \"C\") "
						   "FROM apikeys.audit_log l WHERE l.workspace = ANY ($1)",
						   1,
						   {TEXTARRAYOID},
						   NULL};
	enum
	{
		TEAMS,
		ACTIONS,
		ACTORS,
		ENTITIES,
		NATTS
	};
	static const int found[] = {TEAMS, ACTORS};
	AkTexts *workspaces = readable_workspaces(fcinfo, 0);
	MemoryContext context = CurrentMemoryContext;
	Datum values[NATTS];
	bool nulls[NATTS] = {0};
	Datum args[1] = {0};
	AkCaller caller;
	Datum *names;

	if (workspaces != NULL)
	{
		names = palloc(Max(1, workspaces->count) * sizeof(Datum));
		for (int i = 0; i < workspaces->count; i++)
			names[i] = CStringGetTextDatum(workspaces->values[i]);
		args[0] = ak_array(names, workspaces->count, TEXTOID);
	}
	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(workspaces != NULL ? &some : &whole, args, NULL, AK_SEE_TRANSACTION);
	for (int i = 0; i < (int) lengthof(found); i++)
	{
		bool isnull;
		Datum value = ak_query_result(0, i + 1, &isnull);
		MemoryContext spi = MemoryContextSwitchTo(context);

		values[found[i]] =
			isnull ? PointerGetDatum(construct_empty_array(TEXTOID)) : PointerGetDatum(DatumGetArrayTypePCopy(value));
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	ak_owner_end(&caller);
	values[ACTIONS] = name_array(known_actions);
	values[ENTITIES] = name_array(known_entities);
	return HeapTupleGetDatum(heap_form_tuple(ak_result_descriptor(fcinfo), values, nulls));
}
