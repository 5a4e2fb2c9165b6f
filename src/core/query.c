/*-------------------------------------------------------------------------
 *
 * query.c
 *	  Run our own SQL: kept plans, a stated snapshot, and the owner's rights.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "core/query.h"

/*
 * Switches to the owner of our tables.  The caller's rights must have been
 * checked before.  After an error nothing need be done: transactions and
 * subtransactions restore the user at abort.  Locks the extension against being
 * dropped until the transaction ends.
 */
void
ak_become_owner(AkCaller *caller)
{
	GetUserIdAndSecContext(&caller->userid, &caller->sec_context);
	SetUserIdAndSecContext(ak_lock_extension(),
						   caller->sec_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
}

void
ak_become_caller(const AkCaller *caller)
{
	SetUserIdAndSecContext(caller->userid, caller->sec_context);
}

/*
 * Until ak_become_caller(): triggers and functions of other users cannot leave
 * anything behind that would run later.
 */
void
ak_restrict_security(void)
{
	Oid userid;
	int sec_context;

	GetUserIdAndSecContext(&userid, &sec_context);
	SetUserIdAndSecContext(userid, sec_context | SECURITY_RESTRICTED_OPERATION);
}

/* Returns the kept plan of a statement, made at its first use. */
static SPIPlanPtr
plan_of(AkQuery *query)
{
	Assert(query->nargs <= AK_QUERY_MAX_ARGS);
	if (query->plan == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(query->sql, query->nargs, query->argtypes);

		if (plan == NULL)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		query->plan = plan;
	}
	return query->plan;
}

/*
 * Runs a statement inside an open SPI connection and returns the SPI result
 * code; its rows are in SPI_tuptable, their number in SPI_processed.  nulls as
 * for SPI_execute_plan.  Raises what the statement raises.
 */
int
ak_query(AkQuery *query, Datum *args, const char *nulls, AkSight sight)
{
	SPIPlanPtr plan = plan_of(query);
	int rc;

	if (sight == AK_SEE_LATEST && IsolationUsesXactSnapshot())
	{
		Snapshot snapshot;

		CommandCounterIncrement();
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		rc = SPI_execute_snapshot(plan, args, nulls, snapshot, InvalidSnapshot, false, true, 0);
		UnregisterSnapshot(snapshot);
	}
	else
		rc = SPI_execute_plan(plan, args, nulls, false, 0);
	if (rc < 0)
		elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(rc));
	return rc;
}

/* The same for a read-only statement, with the given snapshot. */
void
ak_query_snapshot(AkQuery *query, Datum *args, const char *nulls, Snapshot snapshot)
{
	int rc = SPI_execute_snapshot(plan_of(query), args, nulls, snapshot, InvalidSnapshot, true, false, 0);

	if (rc < 0)
		elog(ERROR, "SPI_execute_snapshot failed: %s", SPI_result_code_string(rc));
}

/*
 * Opens a cursor for a read-only statement, with the active snapshot.
 * SPI_cursor_fetch() and SPI_cursor_close() follow.
 */
Portal
ak_query_cursor(AkQuery *query, Datum *args, const char *nulls)
{
	Portal portal = SPI_cursor_open(NULL, plan_of(query), args, nulls, true);

	if (portal == NULL)
		elog(ERROR, "SPI_cursor_open failed: %s", SPI_result_code_string(SPI_result));
	return portal;
}

/* Returns a value of the last statement's result; rows are numbered from 0, columns from 1. */
Datum
ak_query_result(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

/*
 * Before PostgreSQL 18, the AFTER triggers of a table that a foreign key's ON
 * DELETE action changes run with the rights of the role that deleted from ours.
 * So only tables of the owner or of a superuser may have such an action on
 * apikeys.key ("keys"), or else on our other tables.  SPI must be connected.
 * Raises 55000.
 */
void
ak_refuse_foreign_actions(bool keys)
{
	static AkQuery query = {
		"SELECT c.conrelid::pg_catalog.regclass::pg_catalog.text, c.confrelid::pg_catalog.regclass::pg_catalog.text "
		"FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class f ON f.oid OPERATOR(pg_catalog.=) c.conrelid "
		"JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) c.confrelid "
		"JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) f.relowner "
		"WHERE c.contype OPERATOR(pg_catalog.=) 'f' AND p.relnamespace OPERATOR(pg_catalog.=) $1 "
		"AND c.confdeltype OPERATOR(pg_catalog.=) ANY (ARRAY['c', 'n', 'd']::pg_catalog.\"char\"[]) "
		"AND (p.oid OPERATOR(pg_catalog.=) $2) OPERATOR(pg_catalog.=) $3 AND NOT r.rolsuper "
		"AND f.relowner OPERATOR(pg_catalog.<>) p.relowner LIMIT 1",
		3,
		{OIDOID, OIDOID, BOOLOID},
		NULL};
	Datum args[3] = {ObjectIdGetDatum(get_namespace_oid("apikeys", false)), ObjectIdGetDatum(ak_relid(AK_KEY)),
					 BoolGetDatum(keys)};

	if (!AK_TRIGGERS_RUN_AS_CURRENT_USER)
		return;
	ak_query(&query, args, NULL, AK_SEE_TRANSACTION);
	if (SPI_processed > 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table \"%s\" must not act on deletions from \"%s\"",
							   SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1),
							   SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2)),
						errdetail("Its triggers would run as a superuser, and its owner is none."),
						errhint("Drop that foreign key, or make it one without ON DELETE.")));
}
