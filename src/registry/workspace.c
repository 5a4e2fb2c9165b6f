/*-------------------------------------------------------------------------
 *
 * workspace.c
 *	  Workspaces: create_workspace(), update_workspace(), and their policies.
 *
 * The policies, what they may be, and how they bind the keys:
 *
 * default_lifetime	the expiry of a key that is created without one, but not
 *					beyond max_lifetime
 * max_lifetime		a key that is created, or whose expiry is changed, must
 *					expire within it, counted from now
 * key_limit		how many keys may exist that are not archived
 * rate_limit		shared by all keys; decided at validation
 *
 * The triggers of the key table call this file, so that direct SQL obeys, too.
 * A policy binds what is done from then on: tightening one ends no key.
 *
 * Locks, until the end of the transaction: creating a key locks the number of
 * keys of its workspace, in ShareLock where there is no key_limit, so that nobody
 * waits, and in ExclusiveLock where there is one.  Both, so that keys created
 * before a limit was set, and not committed yet, are counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "access/context.h"
#include "access/label.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/lock.h"
#include "core/query.h"
#include "core/span.h"
#include "registry/workspace.h"

PG_FUNCTION_INFO_V1(ak_create_workspace);
PG_FUNCTION_INFO_V1(ak_update_workspace);

#define KEY_LIMIT_MAX 1000000 /* creating a key counts them */

/*
 * Brings a rate limit and its window, two columns of a row, into their form: a
 * limit without a window is per minute.  Raises 22023.
 */
void
ak_normalize_rate(AkRow *row, AttrNumber limit, AttrNumber window)
{
	if (AK_IS_NULL(row, limit))
	{
		if (!AK_IS_NULL(row, window))
			ak_bad_argument("rate_window", errmsg("rate window needs a rate limit"));
		return;
	}
	if (DatumGetInt32(AK_VALUE(row, limit)) <= 0)
		ak_bad_argument("rate_limit", errmsg("rate limit must be positive"));
	if (AK_IS_NULL(row, window))
	{
		Interval *minute = palloc0(sizeof(Interval));

		minute->time = USECS_PER_MINUTE;
		ak_row_set(row, window, IntervalPGetDatum(minute));
	}
	ak_check_span("rate_window", "rate window", DatumGetIntervalP(AK_VALUE(row, window)), 1, AK_WINDOW_DAYS_MAX);
}

/*
 * Brings the policies of a workspace into their form, and checks those that
 * changed; old is NULL for a new workspace.  Raises 22023.
 */
void
ak_normalize_policies(const AkRow *old, AkRow *new)
{
	static const struct
	{
		AttrNumber column;
		const char *argument;
		const char *what;
	} lifetimes[] = {{Anum_workspace_default_lifetime, "default_lifetime", "default lifetime"},
					 {Anum_workspace_max_lifetime, "max_lifetime", "maximum lifetime"}};
	char *leak_action = ak_row_text(new, Anum_workspace_leak_action);

	for (int i = 0; i < (int) lengthof(lifetimes); i++)
	{
		AttrNumber column = lifetimes[i].column;

		const Interval *lifetime;

		if (AK_IS_NULL(new, column) || (old != NULL && !ak_column_changed(old, new, column)))
			continue;
		lifetime = DatumGetIntervalP(AK_VALUE(new, column));
		ak_check_span(lifetimes[i].argument, lifetimes[i].what, lifetime, USECS_PER_MINUTE, AK_LIFETIME_DAYS_MAX);
		if (lifetime->month == 0 && lifetime->day == 0 && lifetime->time < USECS_PER_HOUR)
			ereport(NOTICE, (errmsg("%s of workspace \"%s\" is %s", lifetimes[i].what,
									ak_row_text(new, Anum_workspace_workspace), ak_span_text(lifetime)),
							 errhint("An interval without a unit is in seconds: write '90 days'.")));
	}
	if (!AK_IS_NULL(new, Anum_workspace_key_limit))
	{
		int limit = DatumGetInt32(AK_VALUE(new, Anum_workspace_key_limit));

		if (limit < 1 || limit > KEY_LIMIT_MAX)
			ak_bad_argument("key_limit", errmsg("key limit must be between 1 and %d", KEY_LIMIT_MAX));
	}
	if (leak_action != NULL && strcmp(leak_action, "disable") != 0 && strcmp(leak_action, "archive") != 0 &&
		strcmp(leak_action, "log") != 0)
		ak_bad_argument("leak_action", errmsg("unknown leak action \"%s\"", ak_quoted(leak_action)),
						errhint("There are disable, archive and log."));
	ak_normalize_rate(new, Anum_workspace_rate_limit, Anum_workspace_rate_window);
}

/* Gives a new key without an expiry the one of the workspace's default_lifetime. */
void
ak_set_default_expiry(AkRow *key, const AkWorkspace *settings, TimestampTz now)
{
	TimestampTz end;

	if (!AK_IS_NULL(key, Anum_key_expires_at) || !settings->has_default_lifetime)
		return;
	end = ak_span_end(now, &settings->default_lifetime);
	if (settings->has_max_lifetime)
		end = Min(end, ak_span_end(now, &settings->max_lifetime));
	ak_row_set(key, Anum_key_expires_at, TimestampTzGetDatum(end));
}

/*
 * Checks a new expiry, NULL if there is none, against the workspace's
 * max_lifetime.  Raises 23514 with constraint name max_lifetime.
 */
void
ak_check_expiry(const AkRow *key, const AkWorkspace *settings, TimestampTz now)
{
	if (!settings->has_max_lifetime ||
		(!AK_IS_NULL(key, Anum_key_expires_at) &&
		 DatumGetTimestampTz(AK_VALUE(key, Anum_key_expires_at)) <= ak_span_end(now, &settings->max_lifetime)))
		return;
	ak_against_policy("max_lifetime", "expires_at",
					  errmsg("key \"%s\" would outlive the maximum lifetime of workspace \"%s\"",
							 ak_row_text(key, Anum_key_name), ak_row_text(key, Anum_key_workspace)),
					  errdetail("Its keys must expire within %s.", ak_span_text(&settings->max_lifetime)),
					  AK_IS_NULL(key, Anum_key_expires_at)
						  ? errhint("Set expires_at, or let default_lifetime of the workspace set it.")
						  : errhint("Set an earlier expires_at."));
}

/*
 * Locks the number of keys of a workspace, which is held, for one more, and
 * reads its settings again: what they were before decides how it is locked.
 */
static void
lock_count(const char *workspace, AkWorkspace *settings)
{
	/* a blank, which no workspace's id has */
	char *lock = psprintf("keys of %s", workspace);
	bool limited;

	do
	{
		limited = settings->key_limit != 0;
		ak_lock_object(AK_WORKSPACE, lock, limited ? ExclusiveLock : ShareLock);
		(void) ak_workspace_settings(workspace, settings);
	} while (settings->key_limit != 0 && !limited);
}

/*
 * To be called for a new key, after ak_hold_workspace(): locks the number of
 * keys in its workspace, and gives the settings as they are then.  Raises 23514
 * with constraint name key_limit if there are as many as the limit allows.
 */
void
ak_take_place(const char *workspace, AkWorkspace *settings)
{
	static AkQuery query = {"SELECT count(*) FROM (SELECT FROM apikeys.key WHERE workspace = $1 "
							"AND archived_at IS NULL LIMIT $2) AS k",
							2,
							{TEXTOID, INT8OID},
							NULL};
	Datum args[2];
	int limit;
	bool isnull;

	lock_count(workspace, settings);
	limit = settings->key_limit;
	if (limit == 0)
		return;
	args[0] = CStringGetTextDatum(workspace);
	args[1] = Int64GetDatum(limit);
	if (DatumGetInt64(ak_read_value(&query, args, NULL, AK_SEE_LATEST, &isnull)) >= limit)
		ak_against_policy("key_limit", "workspace",
						  errmsg("workspace \"%s\" has as many keys as its key limit allows", workspace),
						  errdetail_plural("It may have %d key that is not archived.",
										   "It may have %d keys that are not archived.", limit, limit),
						  errhint(
							  "Archive a key that nobody needs, or have an admin of all workspaces raise key_limit."));
}

/* Arguments of create_workspace and update_workspace */
enum
{
	ARG_WORKSPACE,
	ARG_NAME,
	ARG_PREFIX,
	ARG_ARCHIVE_LIMIT,
	ARG_KEY_LIMIT,
	ARG_DEFAULT_LIFETIME,
	ARG_MAX_LIFETIME,
	ARG_RATE_LIMIT,
	ARG_RATE_WINDOW,
	ARG_LEAK_ACTION,
	WORKSPACE_ARGS
};

/* The types of these arguments */
#define WORKSPACE_ARG_TYPES                                                                                  \
	{                                                                                                        \
		TEXTOID, TEXTOID, TEXTOID, INT4OID, INT4OID, INTERVALOID, INTERVALOID, INT4OID, INTERVALOID, TEXTOID \
	}

/*
 * What bounds a workspace is not for those who administer it alone.  Raises
 * 42501 if such an argument is given, and the caller is no admin of all
 * workspaces.
 */
static void
check_policy_rights(FunctionCallInfo fcinfo, const char *workspace)
{
	static const struct
	{
		int arg;
		const char *name;
	} bounds[] = {{ARG_KEY_LIMIT, "key_limit"},
				  {ARG_MAX_LIFETIME, "max_lifetime"},
				  {ARG_RATE_LIMIT, "rate_limit"},
				  {ARG_RATE_WINDOW, "rate_window"}};

	for (int i = 0; i < (int) lengthof(bounds); i++)
		if (!PG_ARGISNULL(bounds[i].arg) && !ak_may(AK_ADMIN, NULL))
			ak_denied(errmsg("permission denied to set %s of workspace \"%s\"", bounds[i].name, ak_quoted(workspace)),
					  errdetail("It bounds the workspace: the capability \"admin\" is needed, in all workspaces."));
}

/* Copies the arguments of create_workspace or update_workspace for a query: WORKSPACE_ARGS values and nulls. */
static void
read_arguments(FunctionCallInfo fcinfo, Datum *args, char *nulls)
{
	for (int i = 0; i < WORKSPACE_ARGS; i++)
	{
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
		args[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
	}
}

/*
 * create_workspace(workspace text, name text = NULL, prefix text = NULL, archive_limit integer = NULL,
 *					key_limit integer = NULL, default_lifetime interval = NULL, max_lifetime interval = NULL,
 *					rate_limit integer = NULL, rate_window interval = NULL, leak_action text = NULL) -> text, the workspace
 *
 * Takes the same values as update_workspace, and raises the same but 42704; and
 * 42710 if the workspace exists.
 */
Datum
ak_create_workspace(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"INSERT INTO apikeys.workspace (workspace, name, prefix, archive_limit, key_limit, default_lifetime, "
		"max_lifetime, rate_limit, rate_window, leak_action) "
		"VALUES ($1, $2, COALESCE($3, 'ak'), COALESCE($4, 10), CASE WHEN $5 <> 0 THEN $5 END, "
		"CASE WHEN $6 <> '0'::interval THEN $6 END, "
		"CASE WHEN $7 <> '0'::interval THEN $7 END, "
		"CASE WHEN $8 <> 0 THEN $8 END, "
		"CASE WHEN $8 = 0 THEN NULL ELSE $9 END, $10)",
		WORKSPACE_ARGS, WORKSPACE_ARG_TYPES, NULL};
	Datum args[WORKSPACE_ARGS];
	char nulls[WORKSPACE_ARGS];
	MemoryContext context = CurrentMemoryContext;
	char *workspace;

	ak_require_anywhere(AK_ADMIN);
	ak_refuse_read_only(fcinfo);
	if (PG_ARGISNULL(ARG_WORKSPACE))
		ak_require(AK_ADMIN, NULL);
	workspace = ak_text_argument(fcinfo, ARG_WORKSPACE, "workspace");
	ak_check_workspace_argument(workspace);
	ak_require(AK_ADMIN, ak_may_something(workspace) ? workspace : NULL);
	read_arguments(fcinfo, args, nulls);
	PG_TRY();
	{
		ak_write_rows(AK_TO_MANAGE, &query, args, nulls, AK_SEE_TRANSACTION, 1, "apikeys.workspace", "workspace");
	}
	PG_CATCH();
	{
		ErrorData *error;

		/* not ON CONFLICT, which fails if the other row is newer than the transaction's snapshot */
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && error->constraint_name != NULL &&
			strcmp(error->constraint_name, "workspace_pkey") == 0)
		{
			FlushErrorState();
			ak_exists(errmsg("workspace \"%s\" already exists", workspace));
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/*
 * update_workspace(the same arguments) -> text, the workspace
 *
 * NULL keeps a value; 0 clears key_limit, and rate_limit with its window, '0'
 * the lifetimes, '' the name; archive_limit 0 keeps no archived key.  Raises
 * 42704 for an unknown workspace, 22004 for NULL as its id, 22023 for an invalid
 * value, 42501 without "admin" for it, or in all workspaces for what bounds it, and
 * 09000 if a trigger of a user refuses the change.  A lower archive limit waits for
 * transactions that archive in this workspace.
 */
Datum
ak_update_workspace(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"WITH found AS (SELECT FROM apikeys.workspace WHERE workspace = $1 FOR NO KEY UPDATE), changed AS ("
		"UPDATE apikeys.workspace SET name = COALESCE($2, name), prefix = COALESCE($3, prefix), "
		"archive_limit = COALESCE($4, archive_limit), "
		"key_limit = CASE WHEN $5 = 0 THEN NULL ELSE COALESCE($5, key_limit) END, "
		"default_lifetime = CASE WHEN $6 = '0'::interval THEN NULL "
		"ELSE COALESCE($6, default_lifetime) END, "
		"max_lifetime = CASE WHEN $7 = '0'::interval THEN NULL "
		"ELSE COALESCE($7, max_lifetime) END, "
		"rate_limit = CASE WHEN $8 = 0 THEN NULL ELSE COALESCE($8, rate_limit) END, "
		"rate_window = CASE WHEN $8 = 0 THEN NULL ELSE COALESCE($9, rate_window) END, "
		"leak_action = COALESCE($10, leak_action) "
		"WHERE workspace = $1 AND EXISTS (SELECT FROM found) RETURNING 1) "
		"SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM changed)",
		WORKSPACE_ARGS, WORKSPACE_ARG_TYPES, NULL};
	Datum args[WORKSPACE_ARGS];
	char nulls[WORKSPACE_ARGS];
	char *workspace;

	ak_require_anywhere(AK_ADMIN);
	ak_refuse_read_only(fcinfo);
	workspace = ak_text_argument(fcinfo, ARG_WORKSPACE, "workspace");
	ak_check_workspace_argument(workspace);
	ak_require_workspace(AK_ADMIN, workspace);
	check_policy_rights(fcinfo, workspace);
	read_arguments(fcinfo, args, nulls);
	/* none, although it exists: it was created after the transaction's snapshot */
	if (ak_change_rows(&query, args, nulls, "apikeys.workspace", "change") == 0)
		ak_not_found(errmsg("workspace \"%s\" does not exist", ak_quoted(workspace)));
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
