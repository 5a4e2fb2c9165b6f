/*-------------------------------------------------------------------------
 *
 * context.c
 *	  Actor, team, address and workspace of the present action; the settings of a
 *	  workspace.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "access/context.h"
#include "access/label.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/guc.h"
#include "pure/policy.h"

PG_FUNCTION_INFO_V1(ak_act_as);

static inline bool
is_set(const char *setting)
{
	return setting != NULL && setting[0] != '\0';
}

/*
 * Returns the address that the actor acts from.  Raises 22023 if apikeys.client
 * is no address.
 */
static Datum
current_ip(bool *has_ip)
{
	LOCAL_FCINFO(fcinfo, 0);
	Datum ip;

	if (is_set(ak_guc_client))
	{
		AkAddress address;

		if (!ak_address_parse(ak_guc_client, strlen(ak_guc_client), &address))
			ak_bad_value(errmsg("client address is not an IP address"),
						 errhint("It comes from apikeys.act_as() or the setting apikeys.client."));
		*has_ip = true;
		return DirectFunctionCall1(inet_in, CStringGetDatum(ak_guc_client));
	}
	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	ip = inet_client_addr(fcinfo);
	*has_ip = !fcinfo->isnull;
	return ip;
}

/*
 * Starts an index scan for one row of one of our tables, with a snapshot or
 * (NULL) as of the latest commit.  The primary key must be the first columns,
 * and of type text.
 */
SysScanDesc
ak_begin_lookup(Relation rel, AkRelation index, Snapshot snapshot, int nkeys, const char *const *values)
{
	ScanKeyData key[2];

	for (int i = 0; i < nkeys; i++)
	{
		ScanKeyInit(&key[i], i + 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(values[i]));
		key[i].sk_collation = DEFAULT_COLLATION_OID; /* the column's */
	}
	return systable_beginscan(rel, ak_relid(index), true, snapshot, nkeys, key);
}

/* Copies a lifetime of a workspace; returns false if it is NULL. */
static bool
read_lifetime(Relation rel, HeapTuple tuple, AttrNumber column, Interval *out)
{
	bool isnull;
	Datum lifetime = heap_getattr(tuple, column, RelationGetDescr(rel), &isnull);

	if (!isnull)
		*out = *DatumGetIntervalP(lifetime);
	return !isnull;
}

/*
 * Reads a workspace's settings, as of the latest commit.  Returns false if it
 * does not exist.
 */
bool
ak_workspace_settings(const char *workspace, AkWorkspace *out)
{
	Relation rel = ak_table_open(AK_WORKSPACE, AccessShareLock);
	SysScanDesc scan = ak_begin_lookup(rel, AK_WORKSPACE_PKEY, NULL, 1, &workspace);
	HeapTuple tuple = systable_getnext(scan);
	bool found = HeapTupleIsValid(tuple);

	if (found)
	{
		bool isnull;
		Datum prefix = heap_getattr(tuple, Anum_workspace_prefix, RelationGetDescr(rel), &isnull);

		strlcpy(out->prefix, TextDatumGetCString(prefix), sizeof(out->prefix));
		out->archive_limit =
			DatumGetInt32(heap_getattr(tuple, Anum_workspace_archive_limit, RelationGetDescr(rel), &isnull));
		out->key_limit = DatumGetInt32(heap_getattr(tuple, Anum_workspace_key_limit, RelationGetDescr(rel), &isnull));
		if (isnull)
			out->key_limit = 0;
		out->has_default_lifetime = read_lifetime(rel, tuple, Anum_workspace_default_lifetime, &out->default_lifetime);
		out->has_max_lifetime = read_lifetime(rel, tuple, Anum_workspace_max_lifetime, &out->max_lifetime);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Returns the team of an actor in a workspace; NULL if none.  For the snapshot see ak_current_team(). */
static char *
team_of(const char *workspace, const char *actor, Snapshot snapshot)
{
	const char *const values[] = {workspace, actor};
	Relation rel = ak_table_open(AK_TEAM_MEMBER, AccessShareLock);
	SysScanDesc scan;
	HeapTuple tuple;
	char *team = NULL;

	snapshot = RegisterSnapshot(snapshot ? snapshot : GetTransactionSnapshot());
	scan = ak_begin_lookup(rel, AK_TEAM_MEMBER_PKEY, snapshot, 2, values);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool isnull;

		team = TextDatumGetCString(heap_getattr(tuple, Anum_team_member_team, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return team;
}

/*
 * Returns true, with a WARNING, if a setting contains the secret of a key of
 * that workspace: then it is not recorded.  The action is not refused: else a
 * manager of the workspace could import the SHA-256 of an operator's name, and
 * the operator could no longer archive its keys.
 */
static bool
holds_secret(const char *what, const char *text, const char *workspace)
{
	if (!ak_has_known_secret(text, workspace))
		return false;
	ereport(WARNING, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s contains a secret", what),
					  errdetail("It is left out of what is recorded.")));
	return true;
}

/*
 * Returns the name of the actor of an action in that workspace (NULL: in none),
 * palloc'd.  Raises 22023 if the setting is not a valid name.
 */
char *
ak_current_actor_name(const char *workspace)
{
	if (is_set(ak_guc_actor))
	{
		ak_check_label("actor", "actor", ak_guc_actor);
		if (!holds_secret("actor", ak_guc_actor, workspace))
			return pstrdup(ak_guc_actor);
	}
	return ak_role_name(GetSessionUserId());
}

/*
 * Returns that actor's team, palloc'd; NULL: none.  The team is read with a
 * snapshot, or (NULL) as the transaction sees it now.  Raises 22023 if the
 * setting is not a valid team.
 */
char *
ak_current_team(const char *workspace, const char *actor, Snapshot snapshot)
{
	if (!is_set(ak_guc_team))
		return workspace != NULL ? team_of(workspace, actor, snapshot) : NULL;
	ak_check_label("team", "team", ak_guc_team);
	return holds_secret("team", ak_guc_team, workspace) ? NULL : pstrdup(ak_guc_team);
}

/* The same with the actor's address.  Raises 22023 also if apikeys.client is no address. */
void
ak_current_actor(const char *workspace, Snapshot snapshot, AkActor *out)
{
	out->actor = ak_current_actor_name(workspace);
	out->team = ak_current_team(workspace, out->actor, snapshot);
	out->ip = current_ip(&out->has_ip);
	out->db_user = ak_role_name(GetSessionUserId());
}

/* Returns the setting apikeys.workspace; NULL if it is empty. */
const char *
ak_bound_workspace(void)
{
	return is_set(ak_guc_workspace) ? ak_guc_workspace : NULL;
}

/* Raises 42501 if a workspace argument disagrees with apikeys.workspace. */
void
ak_check_workspace_argument(const char *workspace)
{
	const char *bound = ak_bound_workspace();

	if (workspace != NULL && bound != NULL && strcmp(workspace, bound) != 0)
		ak_denied(errmsg("workspace \"%s\" is outside the setting apikeys.workspace", ak_quoted(workspace)),
				  errhint("Leave the argument out, or RESET apikeys.workspace."));
}

/*
 * Returns true if the function was called by the client's own statement, not
 * from within a function or a DO block.  Those, and SPI, have an error context;
 * the client's statement has at most that of its parameters.
 */
static bool
is_top_level(void)
{
	return error_context_stack == NULL ||
		   (error_context_stack->callback == ParamsErrorCallback && error_context_stack->previous == NULL);
}

/*
 * act_as(actor text, team text = NULL, client text = NULL) -> text, the actor
 *
 * Sets the actor for the rest of the transaction, as SET LOCAL does; NULL sets
 * the default.  Raises 22004 without an actor, 22023 for an invalid name or
 * address.
 */
Datum
ak_act_as(PG_FUNCTION_ARGS)
{
	static const char *const settings[] = {"apikeys.actor", "apikeys.team", "apikeys.client"};
	char *values[3];

	ak_need_argument(fcinfo, 0, "actor");
	for (int i = 0; i < 3; i++)
		values[i] = PG_ARGISNULL(i) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(i));

	ak_check_label("actor", "actor", values[0]);
	if (values[1][0] != '\0')
		ak_check_label("team", "team", values[1]);
	if (values[2][0] != '\0')
	{
		AkAddress address;

		if (!ak_address_parse(values[2], strlen(values[2]), &address))
			ak_bad_argument("client", errmsg("client is not an IP address"));
	}
	if (is_top_level())
		WarnNoTransactionBlock(true, "act_as()");
	for (int i = 0; i < 3; i++)
		(void) set_config_option(settings[i], values[i], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}
