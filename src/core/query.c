/*-------------------------------------------------------------------------
 *
 * query.c
 *	  Owner sections, and our own SQL in them: kept plans and a stated snapshot.
 *
 * Our functions are not SECURITY DEFINER, because a function could not tell the
 * caller's role then.  They check the caller, and then work in an owner section.
 * The owner is a superuser.  So search_path is pg_catalog, pg_temp in a section, and
 * no name or operator of our SQL can mean an object of somebody else.  The same path
 * applies to users' triggers on our tables, which run with the owner's rights there.
 *
 * Nor is anything less than a NOTICE sent to the client in a section: with
 * debug_print_plan, a setting that every role has, PostgreSQL would show the plan of
 * our SQL, and with it what statistics, which are of all tenants, estimate for the
 * value that was asked for.
 *
 * Validation has no owner section: it runs no SQL.  Elsewhere, restricting
 * search_path costs 1 to 2 us a section, within the noise of create_key() and
 * update_key() (40 and 54 us), and nothing in a section within another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/query.h"

/*
 * The open owner sections, the innermost last.  The abort of a transaction ends them
 * by this array: the AkCaller of the function that began one is gone by then.
 */
typedef struct AkSection
{
	AkPurpose purpose;
	int nest_level;       /* of its (sub)transaction */
	const char *old_path; /* search_path before it, kept by its GUC nest level; NULL: already restricted */
} AkSection;

static AkSection *open_sections = NULL;
static int section_count = 0;
static int sections_allocated = 0;

/*
 * Restricts search_path, if it is not so already or if "always", and for a role that
 * is no superuser what is sent to the client.  Returns the GUC nest level for
 * restore_path(); 0: none.
 */
static int
restrict_path(bool always)
{
	bool quiet = client_min_messages < NOTICE && !superuser();
	int guc_level;

	if (!always && !quiet && strcmp(namespace_search_path, AK_SAFE_PATH) == 0)
		return 0;
	guc_level = NewGUCNestLevel();
	RestrictSearchPath_compat();
	if (quiet)
		(void) set_config_option("client_min_messages", "notice", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
	return guc_level;
}

static void
restore_path(int guc_level)
{
	if (guc_level != 0)
		AtEOXact_GUC(true, guc_level);
}

/*
 * Begins an owner section: until ak_owner_end(), code runs with the rights of the
 * owner of our tables, and names are looked up in pg_catalog and pg_temp alone.  The
 * caller's rights must have been checked before.  Locks the extension against being
 * dropped until the transaction ends.  Raises 42P01 if it is gone.
 *
 * After an error nothing need be done: the abort of the transaction or
 * subtransaction restores user, search_path and sections.  Sections can be nested;
 * the purpose of the innermost counts.
 */
void
ak_owner_begin(AkCaller *caller, AkPurpose purpose)
{
	Oid owner = ak_lock_extension();
	AkSection *section;

	if (section_count == sections_allocated)
	{
		int wanted = Max(8, sections_allocated * 2);

		open_sections = open_sections == NULL ? MemoryContextAlloc(TopMemoryContext, wanted * sizeof(AkSection))
											  : repalloc(open_sections, wanted * sizeof(AkSection));
		sections_allocated = wanted;
	}
	section = &open_sections[section_count];
	section->purpose = purpose;
	section->nest_level = GetCurrentTransactionNestLevel();
	section->old_path = namespace_search_path;
	/* what users' triggers set in a job of the worker is undone, as in PostgreSQL's own maintenance */
	caller->guc_level = restrict_path(purpose == AK_TO_WORK);
	if (caller->guc_level == 0)
		section->old_path = NULL;
	caller->place = section_count++;

	GetUserIdAndSecContext(&caller->userid, &caller->sec_context);
	SetUserIdAndSecContext(owner, caller->sec_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS |
									  (purpose == AK_TO_WORK ? SECURITY_RESTRICTED_OPERATION : 0));
}

/* Ends the innermost owner section: the user and search_path are the caller's again. */
void
ak_owner_end(const AkCaller *caller)
{
	AkPurpose purpose = ak_owner_purpose();

	Assert(section_count == caller->place + 1);
	section_count = caller->place;
	SetUserIdAndSecContext(caller->userid, caller->sec_context);
	if (caller->guc_level != 0)
		AtEOXact_GUC(purpose != AK_TO_WORK, caller->guc_level);
}

/* Returns what the innermost owner section is for; AK_TO_NOTHING outside of all. */
AkPurpose
ak_owner_purpose(void)
{
	return section_count > 0 ? open_sections[section_count - 1].purpose : AK_TO_NOTHING;
}

/*
 * Leaves all owner sections until ak_outside_end(), to try what would run at commit:
 * with the rights of the session's role, and the search_path from before the first
 * section.  Settings that are changed meanwhile are restored.
 */
void
ak_outside_begin(AkOutside *outside)
{
	const char *path = NULL;

	for (int i = 0; path == NULL && i < section_count; i++)
		path = open_sections[i].old_path;
	GetUserIdAndSecContext(&outside->userid, &outside->sec_context);
	SetUserIdAndSecContext(GetOuterUserId(), outside->sec_context & ~SECURITY_NOFORCE_RLS);
	outside->guc_level = NewGUCNestLevel();
	if (path != NULL)
		(void) set_config_option("search_path", path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* Goes back into the sections that ak_outside_begin() left. */
void
ak_outside_end(const AkOutside *outside)
{
	AtEOXact_GUC(false, outside->guc_level);
	SetUserIdAndSecContext(outside->userid, outside->sec_context);
}

/* At the abort of the subtransaction of that level, 1 for the transaction: its sections are over. */
void
ak_owner_abort(int level)
{
	while (section_count > 0 && open_sections[section_count - 1].nest_level >= level)
		section_count--;
}

/*
 * Before a statement of ours: a trigger of a user that ran in this section may
 * have set another search_path.  For restore_path().
 */
static int
begin_query(void)
{
	/* a mistake in our own code, as are the other elog()s here: SPI raises the errors of statements itself */
	if (section_count == 0)
		elog(ERROR, "a statement of apikeys runs outside of an owner section");
	return restrict_path(false);
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
 * Runs a statement in an owner section, with SPI connected.  Returns the SPI result
 * code; the rows are in SPI_tuptable, their number in SPI_processed.  "nulls" is as
 * for SPI_execute_plan().  Raises what the statement raises.
 */
int
ak_query(AkQuery *query, Datum *args, const char *nulls, AkSight sight)
{
	int guc_level = begin_query();
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
	restore_path(guc_level);
	return rc;
}

/* The same for a read-only statement, with the given snapshot and no NULL among its arguments. */
void
ak_query_snapshot(AkQuery *query, Datum *args, Snapshot snapshot)
{
	int guc_level = begin_query();
	int rc = SPI_execute_snapshot(plan_of(query), args, NULL, snapshot, InvalidSnapshot, true, false, 0);

	if (rc < 0)
		elog(ERROR, "SPI_execute_snapshot failed: %s", SPI_result_code_string(rc));
	restore_path(guc_level);
}

/*
 * Opens a cursor for a read-only statement, with the active snapshot.
 * SPI_cursor_fetch() and SPI_cursor_close() follow.
 */
Portal
ak_query_cursor(AkQuery *query, Datum *args, const char *nulls)
{
	int guc_level = begin_query();
	Portal portal = SPI_cursor_open(NULL, plan_of(query), args, nulls, true);

	if (portal == NULL)
		elog(ERROR, "SPI_cursor_open failed: %s", SPI_result_code_string(SPI_result));
	restore_path(guc_level);
	return portal;
}

/* Returns a value of the last statement's result; rows are numbered from 0, columns from 1. */
Datum
ak_query_result(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

/*
 * Runs a statement in an owner section of its own, and returns the number of
 * its rows.  SPI need not be connected.
 */
uint64
ak_run_as_owner(AkPurpose purpose, AkQuery *query, Datum *args, const char *nulls, AkSight sight)
{
	AkCaller caller;
	uint64 rows;

	ak_owner_begin(&caller, purpose);
	SPI_connect();
	ak_query(query, args, nulls, sight);
	rows = SPI_processed;
	SPI_finish();
	ak_owner_end(&caller);
	return rows;
}

/*
 * The same for a statement that must write "count" rows.  Raises 09000, which names
 * the table and what was refused, if it wrote fewer: a trigger of a user returned
 * NULL.
 */
void
ak_write_rows(AkPurpose purpose, AkQuery *query, Datum *args, const char *nulls, AkSight sight, uint64 count,
			  const char *table, const char *what)
{
	if (ak_run_as_owner(purpose, query, args, nulls, sight) < count)
		ak_refused_by_trigger(table, what);
}

/*
 * The same for a statement that changes rows which may not be there, and returns
 * ak_rows_changed(): 0 if there were none.
 */
uint64
ak_change_rows(AkQuery *query, Datum *args, const char *nulls, const char *table, const char *what)
{
	AkCaller caller;
	uint64 rows;

	ak_owner_begin(&caller, AK_TO_MANAGE);
	SPI_connect();
	ak_query(query, args, nulls, AK_SEE_TRANSACTION);
	rows = ak_rows_changed(table, what);
	SPI_finish();
	ak_owner_end(&caller);
	return rows;
}

/*
 * To be called after a statement that locks the rows that it finds, changes these,
 * and returns two numbers: of those that it found, and of those that it changed.
 * Returns the number.  Raises 09000 as ak_write_rows() does if they differ.
 */
uint64
ak_rows_changed(const char *table, const char *what)
{
	bool isnull;
	uint64 found = DatumGetInt64(ak_query_result(0, 1, &isnull));

	if (DatumGetInt64(ak_query_result(0, 2, &isnull)) < (int64) found)
		ak_refused_by_trigger(table, what);
	return found;
}

/*
 * Runs a statement that reads one value, of a type passed by value, in an owner
 * section of its own.  Returns it; *isnull is true for NULL, and where there is no
 * row.
 */
Datum
ak_read_value(AkQuery *query, Datum *args, const char *nulls, AkSight sight, bool *isnull)
{
	AkCaller caller;
	Datum value = (Datum) 0;

	*isnull = true;
	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(query, args, nulls, sight);
	if (SPI_processed > 0)
	{
		Assert(TupleDescAttr(SPI_tuptable->tupdesc, 0)->attbyval);
		value = ak_query_result(0, 1, isnull);
	}
	SPI_finish();
	ak_owner_end(&caller);
	return value;
}

/* The same for a value of type text: returns it palloc'd; NULL for NULL, and where there is no row. */
char *
ak_read_text(AkQuery *query, Datum *args, const char *nulls, AkSight sight)
{
	MemoryContext context = CurrentMemoryContext;
	AkCaller caller;
	char *value = NULL;

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(query, args, nulls, sight);
	if (SPI_processed > 0)
		value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (value != NULL)
		value = MemoryContextStrdup(context, value);
	SPI_finish();
	ak_owner_end(&caller);
	return value;
}

/*
 * Before PostgreSQL 18, the AFTER triggers of a table that a foreign key's ON
 * DELETE action changes run with the rights of the role that deleted from ours.
 * So only tables of the extension's owner or of a superuser may have such an action:
 * raises 55000 if another table has one on apikeys.key ("keys"), or on another table
 * of ours (not "keys").  SPI is connected.
 */
void
ak_refuse_foreign_actions(bool keys)
{
	static AkQuery query = {"SELECT c.conrelid::regclass::text, c.confrelid::regclass::text "
							"FROM pg_constraint c JOIN pg_class f ON f.oid = c.conrelid "
							"JOIN pg_class p ON p.oid = c.confrelid JOIN pg_roles r ON r.oid = f.relowner "
							"WHERE c.contype = 'f' "
							"AND p.relnamespace = ANY (ARRAY['apikeys', 'apikeys_internal']::regnamespace[]) "
							"AND c.confdeltype IN ('c', 'n', 'd') "
							"AND (p.oid = $1) = $2 AND NOT r.rolsuper AND f.relowner <> p.relowner LIMIT 1",
							2,
							{OIDOID, BOOLOID},
							NULL};
	Datum args[2] = {ObjectIdGetDatum(ak_relid(AK_KEY)), BoolGetDatum(keys)};

	if (!AK_TRIGGERS_RUN_AS_CURRENT_USER)
		return;
	ak_query(&query, args, NULL, AK_SEE_TRANSACTION);
	if (SPI_processed > 0)
		ak_wrong_state(errmsg("table \"%s\" must not act on deletions from \"%s\"",
							  SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1),
							  SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2)),
					   errdetail("Its triggers would run as a superuser, and its owner is none."),
					   errhint("Drop that foreign key, or make it one without ON DELETE."));
}
