/*-------------------------------------------------------------------------
 *
 * feed.c
 *	  The log in its own order: audit_feed().
 *
 * The sequencer gives every leaf the next number of one sequence, under the lock
 * that it holds until its commit.  So numbers become visible in their order, and
 * a reader that remembers the last one misses nothing.  Within a tree, numbers
 * rise with positions: where a reader of single workspaces begins is found by
 * bisection over the positions.
 *
 * Of purged entries the last leaf of a subtree keeps its number.  So the
 * greatest number of such a leaf tells who is behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "access/context.h"
#include "core/arrays.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/query.h"
#include "log/tree.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(ak_audit_feed);

#define FEED_COLUMNS 15

#define FEED_ENTRY                                                                                                      \
	"e.\"time\", e.team, e.entity, e.activity, e.action, e.actor, e.ip, e.workspace, e.subject, e.key_id, e.key_name, " \
	"e.changes, e.db_user, e.audit_id"

/* Returns the position of the first leaf of a tree with a greater number. */
static int64
first_after(AkTreeReader *reader, int64 sequence)
{
	int64 lo = 0;
	int64 hi = ak_tree_size(reader);

	/* rows before lo have no greater number, and those from hi on have */
	while (lo < hi)
	{
		int64 middle = lo + (hi - lo) / 2;
		AkTreeRow row;

		CHECK_FOR_INTERRUPTS();
		if (!ak_tree_first(reader, middle, &row) || row.position >= hi)
			hi = middle;
		else if (row.sequence > sequence)
			hi = middle;
		else
			lo = row.position + 1;
	}
	return lo;
}

/* Returns the workspaces to read, as an array; 0: all. */
static Datum
feed_workspaces(FunctionCallInfo fcinfo)
{
	ak_require_anywhere(AK_AUDIT);
	if (!PG_ARGISNULL(1))
	{
		char *workspace = text_to_cstring(PG_GETARG_TEXT_PP(1));

		ak_check_workspace_argument(workspace);
		ak_require_workspace(AK_AUDIT, workspace);
		return ak_text_array_of(PG_GETARG_DATUM(1));
	}
	if (ak_sees_everywhere(AK_AUDIT))
		return (Datum) 0;
	return ak_visible_workspaces(AK_AUDIT);
}

/*
 * Raises 55000 if entries with a number greater than "after" were purged, of
 * these workspaces (0: any).  SPI is connected, as the owner.
 */
static void
refuse_behind(int64 after, Datum workspaces, Snapshot snapshot)
{
	/* of a tree, the last of such leaves has the greatest number */
	static AkQuery of_some = {
		"SELECT max(p.sequence) FROM unnest($1) AS w (name), LATERAL (SELECT t.sequence FROM apikeys.audit_tree t "
		"WHERE t.workspace = w.name AND t.audit_id IS NULL ORDER BY t.position DESC LIMIT 1) AS p",
		1,
		{TEXTARRAYOID},
		NULL};
	static AkQuery of_all = {
		"SELECT max(p.sequence) FROM apikeys_internal.tree_sizes w, LATERAL (SELECT t.sequence FROM apikeys.audit_tree t "
		"WHERE t.workspace = w.workspace AND t.audit_id IS NULL ORDER BY t.position DESC LIMIT 1) AS p",
		0,
		{0},
		NULL};
	bool isnull;
	int64 purged;

	ak_query_snapshot(workspaces != 0 ? &of_some : &of_all, &workspaces, snapshot);
	purged = DatumGetInt64(ak_query_result(0, 1, &isnull));
	if (isnull || purged <= after)
		return;
	ak_wrong_state(errmsg("entries after sequence " INT64_FORMAT " were purged", after),
				   errdetail("The first sequence from which on nothing was purged is " INT64_FORMAT ".", purged + 1),
				   errhint("Read what is left, as in apikeys.audit_logs, and continue with "
						   "apikeys.audit_feed(" INT64_FORMAT ").",
						   purged));
}

/* Returns, for these workspaces, where each is to be read from. */
static Datum
first_positions(Datum workspaces, int64 after, Snapshot snapshot)
{
	AkTreeReader reader;
	int count;
	Datum *names = ak_text_elements(workspaces, &count);

	ak_tree_begin(&reader, "", snapshot);
	for (int i = 0; i < count; i++)
	{
		ak_tree_change_workspace(&reader, TextDatumGetCString(names[i]));
		names[i] = Int64GetDatum(first_after(&reader, after));
	}
	ak_tree_end(&reader);
	return ak_array(names, count, INT8OID);
}

/*
 * audit_feed(after_sequence bigint = 0, workspace text = NULL, max_rows integer = 1000)
 *		-> setof (sequence bigint, the columns of audit_logs)
 *
 * Raises 55000 for a reader that is behind what was purged, 22023 for a negative
 * number, 42704 and 42501.
 */
Datum
ak_audit_feed(PG_FUNCTION_ARGS)
{
	static AkQuery of_all = {"SELECT t.sequence, " FEED_ENTRY
							 " FROM apikeys.audit_tree t JOIN apikeys.audit_log e ON e.audit_id = t.audit_id "
							 "WHERE t.sequence > $1 ORDER BY t.sequence LIMIT $2",
							 2,
							 {INT8OID, INT8OID},
							 NULL};
	static AkQuery of_some = {
		"SELECT t.sequence, " FEED_ENTRY
		" FROM (SELECT w.name, l.sequence, l.audit_id FROM unnest($1, $2) AS w (name, first), "
		"LATERAL (SELECT i.sequence, i.audit_id FROM apikeys.audit_tree i WHERE i.workspace = w.name "
		"AND i.position >= w.first AND i.audit_id IS NOT NULL ORDER BY i.position LIMIT $3) AS l "
		"ORDER BY l.sequence LIMIT $3) AS t JOIN apikeys.audit_log e ON e.audit_id = t.audit_id AND e.workspace = t.name "
		"ORDER BY t.sequence",
		3,
		{TEXTARRAYOID, INT8ARRAYOID, INT8OID},
		NULL};
	int64 after = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
	int32 max_rows = PG_ARGISNULL(2) ? 1000 : PG_GETARG_INT32(2);
	Datum workspaces = feed_workspaces(fcinfo);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Snapshot snapshot = GetActiveSnapshot();
	Datum args[3];
	AkCaller caller;
	int nest_level;

	if (after < 0)
		ak_bad_argument("after_sequence", errmsg("after_sequence must not be negative"));
	if (max_rows < 0)
		ak_bad_argument("max_rows", errmsg("max_rows must not be negative"));
	InitMaterializedSRF_compat(fcinfo);
	/* so that entries get their numbers, also of a server that crashed before they had them */
	(void) ak_worker_ensure();

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	nest_level = ak_begin_index_plans();
	refuse_behind(after, workspaces, snapshot);
	if (workspaces == 0)
	{
		args[0] = Int64GetDatum(after);
		args[1] = Int64GetDatum(max_rows);
		ak_query_snapshot(&of_all, args, snapshot);
	}
	else
	{
		args[0] = workspaces;
		args[1] = first_positions(workspaces, after, snapshot);
		args[2] = Int64GetDatum(max_rows);
		ak_query_snapshot(&of_some, args, snapshot);
	}
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Datum values[FEED_COLUMNS];
		bool nulls[FEED_COLUMNS];

		for (int column = 0; column < FEED_COLUMNS; column++)
			values[column] = ak_query_result(i, column + 1, &nulls[column]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	AtEOXact_GUC(true, nest_level);
	SPI_finish();
	ak_owner_end(&caller);
	return (Datum) 0;
}
