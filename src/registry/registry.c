/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  SQL functions of APIs and teams: register_api(), unregister_api(),
 *	  add_team_member(), remove_team_member().
 *
 * They check the caller and write a row; the rules of the tables are those of
 * row_guard.c.  09000 in the comments below: a trigger of a user refused the row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "access/access.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/lock.h"
#include "core/query.h"
#include "registry/names.h"

PG_FUNCTION_INFO_V1(ak_register_api);
PG_FUNCTION_INFO_V1(ak_unregister_api);
PG_FUNCTION_INFO_V1(ak_add_team_member);
PG_FUNCTION_INFO_V1(ak_remove_team_member);

/*
 * register_api(api text, description text = NULL) -> text, the API
 *
 * Raises 42710 if it is registered already, 42501 without "admin" in all
 * workspaces, 22004 for a NULL name, 22023 for an invalid name or description, 09000.
 */
Datum
ak_register_api(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"INSERT INTO apikeys.api AS a (api, description) VALUES ($1, $2) "
		"ON CONFLICT (api) DO UPDATE SET unregistered_at = NULL, description = EXCLUDED.description "
		"WHERE a.unregistered_at IS NOT NULL",
		2,
		{TEXTOID, TEXTOID},
		NULL};
	Datum args[2] = {PG_GETARG_DATUM(0), PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1)};
	char *api;

	ak_require(AK_ADMIN, NULL);
	ak_refuse_read_only(fcinfo);
	api = ak_text_argument(fcinfo, 0, "api");
	/* one registration at a time, for the registry's order */
	ak_lock_object(AK_API, "", ExclusiveLock);
	/* waits for unregister_api(); a name exists as of the latest commit, as in a unique index */
	ak_lock_object(AK_API, api, ShareLock);
	if (ak_api_ordinal(api) != 0)
		ak_exists(errmsg("API \"%s\" already exists", ak_quoted(api)));
	ak_write_rows(AK_TO_MANAGE, &query, args, PG_ARGISNULL(1) ? " n" : NULL, AK_SEE_TRANSACTION, 1, "apikeys.api",
				  "API");
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/*
 * unregister_api(api text) -> text, the API
 *
 * Raises 42704 if it is not registered, 2BP01 while active keys have access to
 * it, 42501 without "admin" in all workspaces, 22004, 09000.  Waits for
 * transactions that give keys this API.
 */
Datum
ak_unregister_api(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"WITH found AS (SELECT FROM apikeys.api WHERE api = $1 AND unregistered_at IS NULL FOR NO KEY UPDATE), "
		"changed AS (UPDATE apikeys.api SET unregistered_at = clock_timestamp() "
		"WHERE api = $1 AND unregistered_at IS NULL AND EXISTS (SELECT FROM found) RETURNING 1) "
		"SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM changed)",
		1,
		{TEXTOID},
		NULL};
	Datum args[1] = {PG_GETARG_DATUM(0)};
	char *api;

	ak_require(AK_ADMIN, NULL);
	ak_refuse_read_only(fcinfo);
	api = ak_text_argument(fcinfo, 0, "api");
	if (ak_change_rows(&query, args, NULL, "apikeys.api", "change") == 0)
		ak_refuse_unknown_api(api);
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* Returns the workspace argument of the team functions, checked. */
static Datum
team_workspace(FunctionCallInfo fcinfo, int n)
{
	char *workspace;

	workspace = ak_target_workspace(AK_ADMIN, ak_optional_text(fcinfo, n));
	ak_require_workspace(AK_ADMIN, workspace);
	return CStringGetTextDatum(workspace);
}

/*
 * add_team_member(actor text, team text, workspace text = NULL) -> text, the actor
 *
 * An actor is in one team of a workspace; adding it to another team moves it.
 * Raises 42704 for an unknown workspace, 22004, 22023 for an invalid name, 42501
 * without "admin", 09000.
 */
Datum
ak_add_team_member(PG_FUNCTION_ARGS)
{
	static AkQuery query = {"INSERT INTO apikeys.team_member AS m (workspace, actor, team) VALUES ($1, $2, $3) "
							"ON CONFLICT (workspace, actor) DO UPDATE SET team = EXCLUDED.team",
							3,
							{TEXTOID, TEXTOID, TEXTOID},
							NULL};
	Datum args[3];

	ak_require_anywhere(AK_ADMIN);
	ak_refuse_read_only(fcinfo);
	ak_need_argument(fcinfo, 0, "actor");
	ak_need_argument(fcinfo, 1, "team");
	args[0] = team_workspace(fcinfo, 2);
	args[1] = PG_GETARG_DATUM(0);
	args[2] = PG_GETARG_DATUM(1);
	ak_write_rows(AK_TO_MANAGE, &query, args, NULL, AK_SEE_TRANSACTION, 1, "apikeys.team_member", "team member");
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/*
 * remove_team_member(actor text, workspace text = NULL) -> text, the actor
 *
 * Raises 42704 for an unknown workspace or an actor who is in no team of it,
 * 22004, 42501 without "admin", 09000.
 */
Datum
ak_remove_team_member(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"WITH found AS (SELECT FROM apikeys.team_member WHERE workspace = $1 AND actor = $2 FOR UPDATE), "
		"deleted AS (DELETE FROM apikeys.team_member WHERE workspace = $1 AND actor = $2 "
		"AND EXISTS (SELECT FROM found) RETURNING 1) "
		"SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM deleted)",
		2,
		{TEXTOID, TEXTOID},
		NULL};
	Datum args[2];
	char *actor;

	ak_require_anywhere(AK_ADMIN);
	ak_refuse_read_only(fcinfo);
	actor = ak_text_argument(fcinfo, 0, "actor");
	args[0] = team_workspace(fcinfo, 1);
	args[1] = PG_GETARG_DATUM(0);
	if (ak_change_rows(&query, args, NULL, "apikeys.team_member", "deletion") == 0)
		ak_not_found(
			errmsg("actor \"%s\" is in no team of workspace \"%s\"", ak_quoted(actor), TextDatumGetCString(args[0])));
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
