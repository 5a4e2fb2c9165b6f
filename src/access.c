/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Who may do what, and in which workspace.
 *
 * PostgreSQL's privileges decide whether a role may call a function or read a
 * view at all; the table apikeys.access decides in which workspaces what it
 * calls may reach.  Both are needed: a row of the table without the GRANT does
 * nothing, and a GRANT without a row is refused here.  The extension's owner,
 * its members and superusers may do everything.
 *
 * What a role may do is remembered per backend, because a validation asks.  It
 * is forgotten when apikeys.access changes (a trigger invalidates the table's
 * relation cache entry) and when roles or memberships do, in the same commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "storage/sinval.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "access.h"
#include "catalog.h"
#include "compat.h"
#include "context.h"
#include "query.h"

PG_FUNCTION_INFO_V1(ak_grant_access);
PG_FUNCTION_INFO_V1(ak_revoke_access);
PG_FUNCTION_INFO_V1(ak_visible_workspaces);
PG_FUNCTION_INFO_V1(ak_invalidate);

/* Capabilities by name, and all that each of them allows */
static const struct
{
	const char *name;
	int			allows;
}			capabilities[] = {
	{"validate", AK_VALIDATE},
	{"view", AK_VIEW},
	{"manage", AK_MANAGE | AK_VIEW},
	{"audit", AK_AUDIT},
	{"admin", AK_VALIDATE | AK_VIEW | AK_MANAGE | AK_AUDIT | AK_ADMIN},
};

/* The functions and views that a role needs for a capability */
static const struct
{
	int			needed_for;
	bool		is_view;
	const char *name;
}			objects[] = {
	{AK_VALIDATE, false, "validate_key"},
	{AK_VALIDATE, false, "authenticate"},
	{AK_VALIDATE, false, "current_key"},
	{AK_VALIDATE, false, "current_workspace"},
	{AK_VALIDATE, false, "current_key_allows"},
	{AK_VIEW, false, "key_details"},
	{AK_VIEW, false, "key_id"},
	{AK_VIEW, false, "identify_key"},
	{AK_VIEW, true, "apis"},
	{AK_VIEW, true, "active_keys"},
	{AK_VIEW, true, "archived_keys"},
	{AK_VIEW | AK_AUDIT, false, "visible_workspaces"},
	{AK_MANAGE, false, "create_key"},
	{AK_MANAGE, false, "import_key"},
	{AK_MANAGE, false, "regenerate_key"},
	{AK_MANAGE, false, "end_overlap"},
	{AK_MANAGE, false, "update_key"},
	{AK_MANAGE, false, "archive_key"},
	{AK_MANAGE | AK_AUDIT | AK_ADMIN, false, "act_as"},
	{AK_AUDIT, true, "audit_logs"},
	{AK_AUDIT, false, "verify_audit_log"},
	{AK_AUDIT, false, "audit_anchor"},
	{AK_ADMIN, false, "register_api"},
	{AK_ADMIN, false, "unregister_api"},
	{AK_ADMIN, false, "create_workspace"},
	{AK_ADMIN, false, "update_workspace"},
	{AK_ADMIN, false, "add_team_member"},
	{AK_ADMIN, false, "remove_team_member"},
	{AK_ADMIN, false, "grant_access"},
	{AK_ADMIN, false, "revoke_access"},
};

/* What one role may do: everywhere, and beyond that in single workspaces */
typedef struct AkScope
{
	bool		valid;
	Oid			userid;
	int			everywhere;
	int			anywhere;		/* everywhere, and in any single workspace */
	int			nworkspaces;
	struct
	{
		char	   *name;
		int			may;
	}		   *workspaces;		/* in scope_context */
} AkScope;

static AkScope scope;
static MemoryContext scope_context = NULL;
static uint64 invalidations = 0;	/* so that a reload sees one that came meanwhile */

static void
forget_scope(void)
{
	scope.valid = false;
	invalidations++;
}

static void
access_changed(Datum arg, Oid relid)
{
	if (relid == InvalidOid || ak_is_relation(relid, AK_ACCESS))
		forget_scope();
}

static void
roles_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_scope();
}

/* Called once, from _PG_init. */
void
ak_access_init(void)
{
	CacheRegisterRelcacheCallback(access_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, roles_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, roles_changed, (Datum) 0);
}

/* All that the capability of that name allows; 0 for an unknown name. */
static int
allowed_by(const char *name)
{
	for (int i = 0; i < (int) lengthof(capabilities); i++)
		if (strcmp(capabilities[i].name, name) == 0)
			return capabilities[i].allows;
	return 0;
}

/* Is there a capability of that name? */
bool
ak_capability_exists(const char *name)
{
	return allowed_by(name) != 0;
}

static const char *
capability_name(AkCapability capability)
{
	return capabilities[pg_rightmost_one_pos32(capability)].name;
}

/* Adds what an access row allows to the scope being loaded. */
static void
add_to_scope(AkScope *loaded, int may, const char *workspace, int *allocated)
{
	int			i;

	loaded->anywhere |= may;
	if (workspace == NULL)
	{
		loaded->everywhere |= may;
		return;
	}
	for (i = 0; i < loaded->nworkspaces; i++)
	{
		if (strcmp(loaded->workspaces[i].name, workspace) == 0)
		{
			loaded->workspaces[i].may |= may;
			return;
		}
	}
	if (loaded->nworkspaces == *allocated)
	{
		*allocated = Max(8, *allocated * 2);
		if (loaded->workspaces == NULL)
			loaded->workspaces = MemoryContextAlloc(scope_context, *allocated * sizeof(*loaded->workspaces));
		else
			loaded->workspaces = repalloc(loaded->workspaces, *allocated * sizeof(*loaded->workspaces));
	}
	loaded->workspaces[i].name = MemoryContextStrdup(scope_context, workspace);
	loaded->workspaces[i].may = may;
	loaded->nworkspaces++;
}

/*
 * Loads what the current user may do, as of the latest commit.
 */
static void
load_scope(Oid userid)
{
	AkScope		loaded = {.userid = userid};
	uint64		seen = invalidations;
	int			allocated = 0;

	scope.valid = false;
	if (scope_context == NULL)
		scope_context = AllocSetContextCreate(TopMemoryContext, "apikeys access", ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(scope_context);

	if (superuser_arg(userid) || has_privs_of_role(userid, ak_extension_owner()))
		loaded.everywhere = loaded.anywhere = allowed_by("admin");
	else
	{
		Relation	rel = ak_table_open(AK_ACCESS, AccessShareLock);
		SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
		HeapTuple	tuple;

		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			Datum		values[_Anum_access_max - 1];
			bool		nulls[_Anum_access_max - 1];
			Oid			role;

			heap_deform_tuple(tuple, RelationGetDescr(rel), values, nulls);
			role = get_role_oid(NameStr(*DatumGetName(values[Anum_access_role - 1])), true);
			if (!OidIsValid(role) || !has_privs_of_role(userid, role))
				continue;
			add_to_scope(&loaded,
						 allowed_by(TextDatumGetCString(values[Anum_access_capability - 1])),
						 nulls[Anum_access_workspace - 1] ? NULL :
						 TextDatumGetCString(values[Anum_access_workspace - 1]),
						 &allocated);
		}
		systable_endscan(scan);
		table_close(rel, AccessShareLock);
	}

	scope = loaded;
	scope.valid = (seen == invalidations);
}

static const AkScope *
current_scope(void)
{
	Oid			userid = GetUserId();

	/* a long transaction, too, learns of a revoked access at once */
	AcceptInvalidationMessages();
	if (unlikely(!scope.valid || scope.userid != userid))
		load_scope(userid);
	return &scope;
}

/*
 * May the current user do this in that workspace?  NULL asks for everywhere.
 * As of the latest commit; the setting apikeys.workspace plays no part.
 */
bool
ak_may(AkCapability capability, const char *workspace)
{
	return ak_may_text(capability, workspace, workspace ? strlen(workspace) : 0);
}

/* The same for a workspace that is not NUL-terminated. */
bool
ak_may_text(AkCapability capability, const char *workspace, size_t len)
{
	const AkScope *may = current_scope();

	if (may->everywhere & capability)
		return true;
	for (int i = 0; workspace != NULL && i < may->nworkspaces; i++)
		if ((may->workspaces[i].may & capability) &&
			strncmp(may->workspaces[i].name, workspace, len) == 0 &&
			may->workspaces[i].name[len] == '\0')
			return true;
	return false;
}

/* May the current user do anything at all in that workspace? */
bool
ak_may_something(const char *workspace)
{
	return ak_may(AK_VALIDATE, workspace) || ak_may(AK_VIEW, workspace) ||
		ak_may(AK_AUDIT, workspace);
}

/* May the current user do this in any workspace at all? */
bool
ak_may_anywhere(AkCapability capability)
{
	return (current_scope()->anywhere & capability) != 0;
}

/* The same, within the setting apikeys.workspace: does that workspace exist for the caller? */
bool
ak_sees(AkCapability capability, const char *workspace)
{
	const char *bound = ak_bound_workspace();

	if (bound != NULL && (workspace == NULL || strcmp(bound, workspace) != 0))
		return false;
	return ak_may(capability, workspace);
}

/* Raises 42501 unless the current user may do this there (NULL: everywhere). */
void
ak_require(AkCapability capability, const char *workspace)
{
	if (ak_may(capability, workspace))
		return;
	if (workspace != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for workspace \"%s\"", workspace),
				 errdetail("The capability \"%s\" is needed.", capability_name(capability)),
				 errhint("apikeys.grant_access() gives it.")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied"),
			 errdetail("The capability \"%s\" is needed, without a workspace.", capability_name(capability)),
			 errhint("apikeys.grant_access() gives it.")));
}

/*
 * The same for a workspace that a caller named: 42704 when it does not exist
 * for the caller, 42501 when it does but the caller may not do this there.
 */
void
ak_require_workspace(AkCapability capability, const char *workspace)
{
	AkWorkspace settings;

	if (!ak_may_something(workspace) || !ak_workspace_settings(workspace, &settings))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("workspace \"%s\" does not exist", workspace),
				 errhint("Name another workspace, or set apikeys.workspace.")));
	ak_require(capability, workspace);
}

/* Raises 42501 unless the current user may do this in some workspace. */
void
ak_require_anywhere(AkCapability capability)
{
	if (!ak_may_anywhere(capability))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied"),
				 errdetail("The capability \"%s\" is needed.", capability_name(capability)),
				 errhint("apikeys.grant_access() gives it.")));
}

/*
 * visible_workspaces(capability text) -> text[]
 *
 * Where the current user has a capability, within apikeys.workspace; '' stands
 * for what belongs to no workspace.  22023 for an unknown capability.
 */
Datum
ak_visible_workspaces(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	int			capability = 0;
	const char *bound = ak_bound_workspace();
	ArrayBuildState *found = initArrayResult(TEXTOID, CurrentMemoryContext, false);

	for (int i = 0; i < (int) lengthof(capabilities); i++)
		if (strcmp(capabilities[i].name, name) == 0)
			capability = 1 << i;
	if (capability == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown capability \"%s\"", name)));

	if (bound != NULL)
	{
		if (ak_may(capability, bound))
			found = accumArrayResult(found, CStringGetTextDatum(bound), false, TEXTOID, CurrentMemoryContext);
	}
	else if (ak_may(capability, NULL))
	{
		Relation	rel = ak_table_open(AK_WORKSPACE, AccessShareLock);
		SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
		HeapTuple	tuple;
		bool		isnull;

		found = accumArrayResult(found, CStringGetTextDatum(""), false, TEXTOID, CurrentMemoryContext);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
			found = accumArrayResult(found,
									 heap_getattr(tuple, Anum_workspace_workspace, RelationGetDescr(rel), &isnull),
									 false, TEXTOID, CurrentMemoryContext);
		systable_endscan(scan);
		table_close(rel, AccessShareLock);
	}
	else
	{
		const AkScope *may = current_scope();

		for (int i = 0; i < may->nworkspaces; i++)
			if (may->workspaces[i].may & capability)
				found = accumArrayResult(found, CStringGetTextDatum(may->workspaces[i].name),
										 false, TEXTOID, CurrentMemoryContext);
	}
	PG_RETURN_DATUM(makeArrayResult(found, CurrentMemoryContext));
}

/*
 * Trigger of apikeys.access, each row: every backend forgets at commit what it
 * remembers of it.
 */
Datum
ak_invalidate(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a row trigger", "invalidate")));
	CacheInvalidateRelcache(trigdata->tg_relation);
	/* our own transaction sees its own change */
	forget_scope();
	PG_RETURN_POINTER(NULL);
}

/*
 * All that the rows of a role name allow, in whatever workspace.  SPI must be
 * connected, as the owner.
 */
static int
allowed_to_role(const char *role)
{
	static AkQuery query = {
		"SELECT DISTINCT capability FROM apikeys.access WHERE role OPERATOR(pg_catalog.=) $1",
		1, {NAMEOID}, NULL
	};
	NameData	name;
	Datum		args[1];
	int			allowed = 0;

	namestrcpy(&name, role);
	args[0] = NameGetDatum(&name);
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;

		allowed |= allowed_by(TextDatumGetCString(ak_query_result(i, 1, &isnull)));
	}
	return allowed;
}

/*
 * GRANTs a role what it needs for "allowed", and REVOKEs what it needs for
 * nothing of it.  SPI must be connected, as the owner.
 */
static void
set_privileges(const char *role, int allowed)
{
	StringInfoData sql;
	const char *grantee = quote_identifier(role);

	initStringInfo(&sql);
	for (int i = 0; i < (int) lengthof(objects); i++)
	{
		bool		grant = (objects[i].needed_for & allowed) != 0;

		resetStringInfo(&sql);
		appendStringInfo(&sql, "%s %s ON %s apikeys.%s %s %s",
						 grant ? "GRANT" : "REVOKE",
						 objects[i].is_view ? "SELECT" : "EXECUTE",
						 objects[i].is_view ? "TABLE" : "FUNCTION",
						 objects[i].name,
						 grant ? "TO" : "FROM",
						 grantee);
		SPI_execute(sql.data, false, 0);
	}
	resetStringInfo(&sql);
	appendStringInfo(&sql, "%s USAGE ON SCHEMA apikeys %s %s",
					 allowed ? "GRANT" : "REVOKE", allowed ? "TO" : "FROM", grantee);
	SPI_execute(sql.data, false, 0);
}

/*
 * Does the role hold a privilege on the one function that nothing but "allowed"
 * needs?  A role of the same name that was dropped took its privileges along,
 * and left its rows.
 */
static bool
holds_privileges(const char *role, int capability)
{
	for (int i = 0; i < (int) lengthof(objects); i++)
	{
		if (!objects[i].is_view && objects[i].needed_for == capability)
		{
			static AkQuery query = {
				"SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 FROM pg_catalog.pg_proc p, "
				"LATERAL pg_catalog.aclexplode(p.proacl) a, pg_catalog.pg_roles r "
				"WHERE p.pronamespace OPERATOR(pg_catalog.=) 'apikeys'::pg_catalog.regnamespace "
				"AND p.proname OPERATOR(pg_catalog.=) $1 AND r.rolname OPERATOR(pg_catalog.=) $2 "
				"AND a.grantee OPERATOR(pg_catalog.=) r.oid",
				2, {NAMEOID, NAMEOID}, NULL
			};
			NameData	function,
						grantee;
			Datum		args[2];
			bool		isnull;

			namestrcpy(&function, objects[i].name);
			namestrcpy(&grantee, role);
			args[0] = NameGetDatum(&function);
			args[1] = NameGetDatum(&grantee);
			ak_query(&query, args, NULL, AK_SEE_TRANSACTION);
			return DatumGetBool(ak_query_result(0, 1, &isnull));
		}
	}
	return true;
}

/* What grant_access and revoke_access share */
typedef struct AkGrant
{
	char	   *role;
	char	   *capability;
	char	   *workspace;		/* NULL: all */
	Datum		args[3];		/* of a query by these three */
	char		nulls[3];
} AkGrant;

/*
 * Reads and checks the arguments.  Raises 22004, 22023 for an unknown
 * capability, 42501 when the caller may not decide this, and 42704 for an
 * unknown role (or one that stands in no row, with known_to_us) or workspace.
 */
static void
read_grant(FunctionCallInfo fcinfo, AkGrant *grant)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", PG_ARGISNULL(0) ? "role" : "capability")));
	grant->role = pstrdup(NameStr(*PG_GETARG_NAME(0)));
	grant->capability = text_to_cstring(PG_GETARG_TEXT_PP(1));
	grant->workspace = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	ak_check_workspace_argument(grant->workspace);
	if (grant->workspace == NULL && ak_bound_workspace() != NULL)
		grant->workspace = pstrdup(ak_bound_workspace());

	ak_require_anywhere(AK_ADMIN);
	if (allowed_by(grant->capability) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown capability \"%s\"", grant->capability),
				 errhint("There are validate, view, manage, audit and admin.")));
	if (grant->workspace != NULL)
		ak_require_workspace(AK_ADMIN, grant->workspace);
	else
		ak_require(AK_ADMIN, NULL);

	grant->args[0] = PG_GETARG_DATUM(0);
	grant->args[1] = PG_GETARG_DATUM(1);
	grant->args[2] = grant->workspace ? CStringGetTextDatum(grant->workspace) : (Datum) 0;
	memset(grant->nulls, ' ', 3);
	if (grant->workspace == NULL)
		grant->nulls[2] = 'n';
}

/*
 * grant_access(role name, capability text, workspace text = NULL)
 *
 * Errors: see read_grant.  Granting again changes nothing, and gives back
 * privileges that a restore could not.
 */
Datum
ak_grant_access(PG_FUNCTION_ARGS)
{
	static AkQuery forget = {
		"DELETE FROM apikeys.access WHERE role OPERATOR(pg_catalog.=) $1 AND capability OPERATOR(pg_catalog.=) $2",
		2, {NAMEOID, TEXTOID}, NULL
	};
	static AkQuery insert = {
		"INSERT INTO apikeys.access (role, capability, workspace) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
		3, {NAMEOID, TEXTOID, TEXTOID}, NULL
	};
	AkGrant		grant;
	AkCaller	caller;

	read_grant(fcinfo, &grant);
	get_role_oid(grant.role, false);

	ak_become_owner(&caller);
	SPI_connect();
	for (int i = 0; i < (int) lengthof(capabilities); i++)
	{
		/* rows without their privileges are those of a role that is gone */
		if (!holds_privileges(grant.role, 1 << i))
		{
			Datum		args[2] = {grant.args[0], CStringGetTextDatum(capabilities[i].name)};

			ak_query(&forget, args, NULL, AK_SEE_LATEST);
		}
	}
	ak_query(&insert, grant.args, grant.nulls, AK_SEE_TRANSACTION);
	set_privileges(grant.role, allowed_to_role(grant.role));
	SPI_finish();
	ak_become_caller(&caller);
	PG_RETURN_VOID();
}

/*
 * revoke_access(role name, capability text, workspace text = NULL)
 *
 * Errors: see read_grant.  A WARNING when there was nothing to revoke, as
 * REVOKE of a membership gives one.
 */
Datum
ak_revoke_access(PG_FUNCTION_ARGS)
{
	static AkQuery remove = {
		"DELETE FROM apikeys.access WHERE role OPERATOR(pg_catalog.=) $1 AND capability OPERATOR(pg_catalog.=) $2 "
		"AND COALESCE(workspace, '') OPERATOR(pg_catalog.=) COALESCE($3, '')",
		3, {NAMEOID, TEXTOID, TEXTOID}, NULL
	};
	AkGrant		grant;
	AkCaller	caller;

	read_grant(fcinfo, &grant);

	ak_become_owner(&caller);
	SPI_connect();
	ak_query(&remove, grant.args, grant.nulls, AK_SEE_LATEST);
	if (SPI_processed == 0)
	{
		if (!OidIsValid(get_role_oid(grant.role, true)))
			get_role_oid(grant.role, false);
		ereport(WARNING,
				(errmsg("role \"%s\" has not been granted \"%s\" %s", grant.role, grant.capability,
						grant.workspace ? psprintf("in workspace \"%s\"", grant.workspace) : "in all workspaces")));
	}
	else if (OidIsValid(get_role_oid(grant.role, true)))
		set_privileges(grant.role, allowed_to_role(grant.role));
	SPI_finish();
	ak_become_caller(&caller);
	PG_RETURN_VOID();
}
