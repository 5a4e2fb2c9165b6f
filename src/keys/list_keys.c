/*-------------------------------------------------------------------------
 *
 * list_keys.c
 *	  Filter, sort and page keys: list_keys().
 *
 * The statement is built of fixed pieces, one for each filter that is given, so that
 * it is planned without the others.  What the caller gives is always a parameter,
 * never text of the statement.  The keys that pass are counted, and key_id and sort
 * column of the page are found, each by one scan of the workspace at most; all other
 * columns are read for the keys of the page alone.  (To find the keys once, and then
 * count and sort them, took twice as long: they had to be stored.)
 *
 * The statement is planned at each call, for its parameters.  It sees what the
 * calling statement sees; last_used_at is as of the last flush.
 *
 * Statistics are of all tenants.  The plan must not depend on how many keys others
 * have of a team or owner: a caller could tell it by the time, or by which index is
 * read (pg_stat_xact_all_tables).  So for a caller who may not see all workspaces, a
 * filter's value comes from a sub-select, which the planner does not look into.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "access/access.h"
#include "access/context.h"
#include "access/label.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/query.h"

PG_FUNCTION_INFO_V1(ak_list_keys);

/* The arguments */
enum
{
	ARG_WORKSPACE,
	ARG_SEARCH,
	ARG_STATE,
	ARG_API,
	ARG_TEAM,
	ARG_OWNER,
	ARG_EXPIRES_BEFORE,
	ARG_UNUSED_SINCE,
	ARG_ORDER_BY,
	ARG_MAX_ROWS,
	ARG_SKIP
};

#define MAX_ROWS_DEFAULT 50
#define MAX_PARAMS       12

/* A search text is compared with every key, so its length is limited */

/* A statement being built, with its parameters */
typedef struct AkListing
{
	StringInfoData conditions;
	Oid types[MAX_PARAMS];
	Datum values[MAX_PARAMS];
	int count;
	bool apart;     /* the caller may not see all workspaces: the planner must not see the values of filters */
	bool joins_use; /* a condition or the order needs key_use */
	const char *column;
	const char *direction;
} AkListing;

/* The values of "state" and their conditions; NULL: no condition */
static const struct
{
	const char *name;
	const char *condition;
} states[] = {
	{"active", "k.archived_at IS NULL AND k.disabled_at IS NULL"},
	{"disabled", "k.archived_at IS NULL AND k.disabled_at IS NOT NULL"},
	{"archived", "k.archived_at IS NOT NULL"},
	{"all", NULL},
};

/*
 * The columns to sort by.  NULLs are always last, as PostgreSQL has them in
 * ascending order.  name and created_at are never NULL, and need the plain order for
 * their index.
 */
static const struct
{
	const char *name;
	const char *column;
	const char *descending;
	bool joins_use;
} orders[] = {
	{"name", "k.name", "DESC", false},
	{"created_at", "k.created_at", "DESC", false},
	{"last_used_at", "u.last_used_at", "DESC NULLS LAST", true},
	{"expires_at", "k.expires_at", "DESC NULLS LAST", false},
};

/* Adds a parameter, and returns its number. */
static int
add_param(AkListing *listing, Oid type, Datum value)
{
	Assert(listing->count < MAX_PARAMS);
	listing->types[listing->count] = type;
	listing->values[listing->count] = value;
	return ++listing->count;
}

static void
add_condition(AkListing *listing, const char *condition)
{
	appendStringInfo(&listing->conditions, " AND %s", condition);
}

/* The same for a condition with a parameter, which replaces %s. */
static void
add_filter(AkListing *listing, const char *condition, Oid type, Datum value)
{
	appendStringInfoString(&listing->conditions, " AND ");
	appendStringInfo(&listing->conditions, condition,
					 psprintf(listing->apart ? "(SELECT $%d)" : "$%d", add_param(listing, type, value)));
}

/*
 * Restricts the list to the argument "workspace", or to all in which the caller may
 * view; filters that are added later are planned accordingly.  Raises 42704, 42501.
 */
static void
add_workspaces(AkListing *listing, FunctionCallInfo fcinfo)
{
	if (!PG_ARGISNULL(ARG_WORKSPACE))
	{
		char *workspace = text_to_cstring(PG_GETARG_TEXT_PP(ARG_WORKSPACE));

		ak_check_workspace_argument(workspace);
		ak_require_workspace(AK_VIEW, workspace);
		add_filter(listing, "k.workspace = %s", TEXTOID, PG_GETARG_DATUM(ARG_WORKSPACE));
	}
	else if (!ak_sees_everywhere(AK_VIEW))
		add_filter(listing, "k.workspace = ANY (%s)", TEXTARRAYOID, ak_visible_workspaces(AK_VIEW));
	listing->apart = !ak_may(AK_VIEW, NULL);
}

/* Returns true for the text of a uuid as PostgreSQL writes it, in any case. */
static bool
is_uuid(const char *text)
{
	for (int i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !isxdigit((unsigned char) text[i]))
			return false;
	return text[36] == '\0';
}

/*
 * Adds the condition of the argument "search": a part of the name (folded as for the
 * uniqueness of names), of the owner or of the hint (in lower case), or a key_id.
 * %, _ and \ have no special meaning.  Raises 22023 if it is too long.
 */
static void
add_search(AkListing *listing, const char *search)
{
	int folded;
	int plain;

	if (search[0] == '\0')
		return;
	ak_check_length("search", "search text", search, AK_TRIMMED_MAX);
	folded = add_param(listing, BYTEAOID, ak_fold_name(search));
	plain = add_param(listing, TEXTOID, CStringGetTextDatum(search));
	appendStringInfo(&listing->conditions,
					 " AND (position($%d IN k.name_folded) > 0 OR strpos(lower(k.owner), lower($%d)) > 0 "
					 "OR strpos(lower(k.hint), lower($%d)) > 0",
					 folded, plain, plain);
	if (is_uuid(search))
		appendStringInfo(&listing->conditions, " OR k.key_id = $%d",
						 add_param(listing, UUIDOID, DirectFunctionCall1(uuid_in, CStringGetDatum(search))));
	appendStringInfoChar(&listing->conditions, ')');
}

/* Adds the condition of the argument "state"; NULL: not archived.  Raises 22023 for an unknown state. */
static void
add_state(AkListing *listing, const char *state)
{
	if (state == NULL)
	{
		add_condition(listing, "k.archived_at IS NULL");
		return;
	}
	for (int i = 0; i < (int) lengthof(states); i++)
		if (strcmp(states[i].name, state) == 0)
		{
			if (states[i].condition != NULL)
				add_condition(listing, states[i].condition);
			return;
		}
	ak_bad_argument("state", errmsg("unknown state \"%s\"", ak_quoted(state)),
					errhint("There are active, disabled, archived and all; null is all that are not archived."));
}

/* Adds the condition that a column has that value; '' stands for NULL. */
static void
add_label(AkListing *listing, const char *column, Datum value)
{
	if (VARSIZE_ANY_EXHDR(DatumGetTextPP(value)) == 0)
		add_condition(listing, psprintf("k.%s IS NULL", column));
	else
		add_filter(listing, psprintf("k.%s = %%s", column), TEXTOID, value);
}

/* Reads the argument "order_by": a column, and asc or desc.  Raises 22023. */
static void
read_order(AkListing *listing, const char *order_by)
{
	char *rest = NULL;
	char *column = strtok_r(pstrdup(order_by), " \t\n", &rest);
	char *direction = column ? strtok_r(NULL, " \t\n", &rest) : NULL;
	bool descending = direction != NULL && pg_strcasecmp(direction, "desc") == 0;
	bool known = direction == NULL || descending || pg_strcasecmp(direction, "asc") == 0;

	if (column != NULL && known && (direction == NULL || strtok_r(NULL, " \t\n", &rest) == NULL))
		for (int i = 0; i < (int) lengthof(orders); i++)
			if (pg_strcasecmp(orders[i].name, column) == 0)
			{
				listing->column = orders[i].column;
				listing->direction = descending ? orders[i].descending : "ASC";
				listing->joins_use |= orders[i].joins_use;
				return;
			}
	ak_bad_argument("order_by", errmsg("cannot order keys by \"%s\"", ak_quoted(order_by)),
					errhint("There are name, created_at, last_used_at and expires_at, each with asc or desc."));
}

/* Returns an argument that must not be negative; for NULL its default.  Raises 22023. */
static int32
read_count(FunctionCallInfo fcinfo, int n, const char *argument, int32 default_value)
{
	int32 value = PG_ARGISNULL(n) ? default_value : PG_GETARG_INT32(n);

	if (value < 0)
		ak_bad_argument(argument, errmsg("%s must not be negative", argument));
	return value;
}

/* Runs the statement, and adds its rows to the result. */
static void
put_page(ReturnSetInfo *rsinfo, AkListing *listing, int32 max_rows, int32 skip)
{
	int natts = rsinfo->setDesc->natts;
	Datum *values = palloc(natts * sizeof(Datum));
	bool *nulls = palloc(natts * sizeof(bool));
	int limit = add_param(listing, INT8OID, Int64GetDatum(max_rows));
	int offset = add_param(listing, INT8OID, Int64GetDatum(skip));
	const char *from = psprintf("FROM apikeys.key k %s WHERE true%s",
								listing->joins_use ? "LEFT JOIN apikeys_internal.key_use u ON u.key_id = k.key_id" : "",
								listing->conditions.data);
	char *sql =
		psprintf("SELECT (SELECT count(*) %s), r.*, u.last_used_at "
				 "FROM (SELECT k.key_id, %s AS sorted_by %s ORDER BY %s %s, k.key_id LIMIT $%d OFFSET $%d) AS page "
				 "JOIN apikeys_internal.key_rows r ON r.key_id = page.key_id "
				 "LEFT JOIN apikeys_internal.key_use u ON u.key_id = page.key_id "
				 "ORDER BY page.sorted_by %s, page.key_id",
				 from, listing->column, from, listing->column, listing->direction, limit, offset, listing->direction);
	AkCaller caller;

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	/* a statement that fails raises its own error */
	if (SPI_execute_with_args(sql, listing->count, listing->types, listing->values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "list_keys() failed: %s", SPI_result_code_string(SPI_result));
	if (SPI_tuptable->tupdesc->natts != natts)
		ak_wrong_version("view", "apikeys_internal.key_rows");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	SPI_finish();
	ak_owner_end(&caller);
}

/*
 * list_keys(workspace text, search text, state text, api text, team text, owner text, expires_before timestamptz,
 *			 unused_since timestamptz, order_by text, max_rows integer, skip integer) -> setof listed_key
 *
 * An argument that is NULL filters nothing, or is the default.  total is the number
 * of keys that pass the filters.  Raises 42704 for an unknown workspace, 22023 for an
 * invalid value of an argument, 42501 without "view".
 */
Datum
ak_list_keys(PG_FUNCTION_ARGS)
{
	AkListing listing = {.column = "k.created_at", .direction = "DESC"};
	ReturnSetInfo *rsinfo;
	int32 max_rows;
	int32 skip;

	ak_require_anywhere(AK_VIEW);
	InitMaterializedSRF_compat(fcinfo);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	initStringInfo(&listing.conditions);
	add_workspaces(&listing, fcinfo);
	if (!PG_ARGISNULL(ARG_SEARCH))
		add_search(&listing, ak_trim_name(text_to_cstring(PG_GETARG_TEXT_PP(ARG_SEARCH))));
	add_state(&listing, PG_ARGISNULL(ARG_STATE) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(ARG_STATE)));
	if (!PG_ARGISNULL(ARG_API))
		add_filter(&listing, "k.apis @> ARRAY[%s]", TEXTOID, PG_GETARG_DATUM(ARG_API));
	if (!PG_ARGISNULL(ARG_TEAM))
		add_label(&listing, "team", PG_GETARG_DATUM(ARG_TEAM));
	if (!PG_ARGISNULL(ARG_OWNER))
		add_label(&listing, "owner", PG_GETARG_DATUM(ARG_OWNER));
	if (!PG_ARGISNULL(ARG_EXPIRES_BEFORE))
		add_filter(&listing, "k.expires_at < %s", TIMESTAMPTZOID, PG_GETARG_DATUM(ARG_EXPIRES_BEFORE));
	/* a key that was never used is unused since its creation */
	if (!PG_ARGISNULL(ARG_UNUSED_SINCE))
	{
		add_filter(&listing, "COALESCE(u.last_used_at, k.created_at) < %s", TIMESTAMPTZOID,
				   PG_GETARG_DATUM(ARG_UNUSED_SINCE));
		listing.joins_use = true;
	}
	if (!PG_ARGISNULL(ARG_ORDER_BY))
		read_order(&listing, text_to_cstring(PG_GETARG_TEXT_PP(ARG_ORDER_BY)));
	max_rows = read_count(fcinfo, ARG_MAX_ROWS, "max_rows", MAX_ROWS_DEFAULT);
	skip = read_count(fcinfo, ARG_SKIP, "skip", 0);
	put_page(rsinfo, &listing, max_rows, skip);
	return (Datum) 0;
}
