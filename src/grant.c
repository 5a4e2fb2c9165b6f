/*-------------------------------------------------------------------------
 *
 * grant.c
 *	  grant_access() and revoke_access().
 *
 * A capability is a row of apikeys.access, which says where, and PostgreSQL's
 * own privileges on the functions and views that it needs.  Which those are
 * stands here.
 *
 * Who grants or revokes holds a lock until the end of the transaction, so that
 * the next one finds the rows and privileges that this one leaves; without it,
 * two GRANTs on the same function fail each other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access.h"
#include "catalog.h"
#include "context.h"
#include "lock.h"
#include "query.h"

PG_FUNCTION_INFO_V1(ak_grant_access);
PG_FUNCTION_INFO_V1(ak_revoke_access);

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
	{AK_VIEW, true, "key_usage"},
	{AK_VIEW, true, "usage_history"},
	{AK_VIEW, true, "denials"},
	{AK_VIEW, false, "usage_memory"},
	{AK_VIEW, false, "last_use"},
	{AK_VIEW, false, "usage_chart"},
	{AK_VIEW, false, "status"},
	{AK_ADMIN, false, "flush_usage"},
	{AK_VIEW | AK_AUDIT, false, "visible_workspaces"},
	{AK_VIEW | AK_AUDIT, false, "sees_everywhere"},
	{AK_VIEW | AK_AUDIT, false, "only_workspace"},
	{AK_VIEW | AK_AUDIT, false, "several_workspaces"},
	{AK_MANAGE, false, "create_key"},
	{AK_MANAGE, false, "import_key"},
	{AK_MANAGE, false, "regenerate_key"},
	{AK_MANAGE, false, "end_overlap"},
	{AK_MANAGE, false, "update_key"},
	{AK_MANAGE, false, "archive_key"},
	{AK_MANAGE | AK_AUDIT | AK_ADMIN, false, "act_as"},
	{AK_AUDIT, true, "audit_logs"},
	{AK_AUDIT, false, "search_audit_logs"},
	{AK_AUDIT, false, "export_audit_logs"},
	{AK_AUDIT, false, "verify_audit_log"},
	{AK_AUDIT, false, "audit_anchor"},
	{AK_AUDIT, false, "email_audit_logs"},
	{AK_AUDIT, false, "release_report"},
	{AK_AUDIT, true, "reports"},
	{AK_ADMIN, false, "register_api"},
	{AK_ADMIN, false, "unregister_api"},
	{AK_ADMIN, false, "create_workspace"},
	{AK_ADMIN, false, "update_workspace"},
	{AK_ADMIN, false, "add_team_member"},
	{AK_ADMIN, false, "remove_team_member"},
	{AK_ADMIN, false, "purge_audit_log"},
	{AK_ADMIN, false, "grant_access"},
	{AK_ADMIN, false, "revoke_access"},
};

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

		allowed |= ak_capability_allows(TextDatumGetCString(ak_query_result(i, 1, &isnull)));
	}
	return allowed;
}

/* What a role holds itself, by the owner's grant */
typedef struct AkHeld
{
	bool		objects[lengthof(objects)];
	bool		schema;
} AkHeld;

/*
 * Looks what a role holds; nothing when it is not there.  SPI must be
 * connected, as the owner.
 */
static void
look_at_privileges(const char *role, AkHeld *held)
{
	static AkQuery query = {
		"SELECT p.proname, false FROM pg_catalog.pg_roles r, pg_catalog.pg_proc p, LATERAL pg_catalog.aclexplode(p.proacl) a "
		"WHERE p.pronamespace OPERATOR(pg_catalog.=) 'apikeys'::pg_catalog.regnamespace "
		"AND r.rolname OPERATOR(pg_catalog.=) $1 AND a.grantee OPERATOR(pg_catalog.=) r.oid "
		"AND a.grantor OPERATOR(pg_catalog.=) p.proowner "
		"UNION ALL "
		"SELECT c.relname, true FROM pg_catalog.pg_roles r, pg_catalog.pg_class c, LATERAL pg_catalog.aclexplode(c.relacl) a "
		"WHERE c.relnamespace OPERATOR(pg_catalog.=) 'apikeys'::pg_catalog.regnamespace "
		"AND r.rolname OPERATOR(pg_catalog.=) $1 AND a.grantee OPERATOR(pg_catalog.=) r.oid "
		"AND a.grantor OPERATOR(pg_catalog.=) c.relowner AND a.privilege_type OPERATOR(pg_catalog.=) 'SELECT' "
		"UNION ALL "
		"SELECT NULL, NULL FROM pg_catalog.pg_roles r, pg_catalog.pg_namespace n, LATERAL pg_catalog.aclexplode(n.nspacl) a "
		"WHERE n.oid OPERATOR(pg_catalog.=) 'apikeys'::pg_catalog.regnamespace "
		"AND r.rolname OPERATOR(pg_catalog.=) $1 AND a.grantee OPERATOR(pg_catalog.=) r.oid "
		"AND a.grantor OPERATOR(pg_catalog.=) n.nspowner AND a.privilege_type OPERATOR(pg_catalog.=) 'USAGE'",
		1, {NAMEOID}, NULL
	};
	NameData	name;
	Datum		args[1];

	memset(held, 0, sizeof(AkHeld));
	namestrcpy(&name, role);
	args[0] = NameGetDatum(&name);
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		bool		is_view = DatumGetBool(ak_query_result(row, 2, &isnull));
		Datum		object = ak_query_result(row, 1, &isnull);

		if (isnull)
			held->schema = true;
		for (int i = 0; !isnull && i < (int) lengthof(objects); i++)
			if (objects[i].is_view == is_view && strcmp(objects[i].name, NameStr(*DatumGetName(object))) == 0)
				held->objects[i] = true;
	}
}

/* GRANTs or REVOKEs one privilege, if that changes anything. */
static void
set_privilege(bool held, bool wanted, const char *object, const char *role)
{
	if (held != wanted)
		SPI_execute(psprintf("%s %s %s %s", wanted ? "GRANT" : "REVOKE", object, wanted ? "TO" : "FROM",
							 quote_identifier(role)),
					false, 0);
}

/*
 * Gives a role what it needs for "allowed", and takes what it needs for nothing
 * of it.  What it has stays untouched: a catalog row rewritten is one that
 * every backend reads anew.  SPI must be connected, as the owner.
 */
static void
set_privileges(const char *role, const AkHeld *held, int allowed)
{
	for (int i = 0; i < (int) lengthof(objects); i++)
		set_privilege(held->objects[i], (objects[i].needed_for & allowed) != 0,
					  psprintf("%s apikeys.%s", objects[i].is_view ? "SELECT ON TABLE" : "EXECUTE ON FUNCTION", objects[i].name),
					  role);
	set_privilege(held->schema, allowed != 0, "USAGE ON SCHEMA apikeys", role);
}

/*
 * Does the role hold any function that nothing but a capability needs?  A role
 * of the same name that was dropped took its privileges along, and left its
 * rows.
 */
static bool
holds_capability(const AkHeld *held, int capability)
{
	for (int i = 0; i < (int) lengthof(objects); i++)
		if (objects[i].needed_for == capability && held->objects[i])
			return true;
	return false;
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
	if (ak_capability_allows(grant->capability) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown capability \"%s\"", ak_quoted(grant->capability)),
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

/* Is it recorded?  SPI must be connected, as the owner. */
static bool
is_granted(AkGrant *grant)
{
	static AkQuery query = {
		"SELECT 1 FROM apikeys.access WHERE role OPERATOR(pg_catalog.=) $1 AND capability OPERATOR(pg_catalog.=) $2 "
		"AND COALESCE(workspace, '') OPERATOR(pg_catalog.=) COALESCE($3, '')",
		3, {NAMEOID, TEXTOID, TEXTOID}, NULL
	};

	ak_query(&query, grant->args, grant->nulls, AK_SEE_LATEST);
	return SPI_processed > 0;
}

/*
 * grant_access(role name, capability text, workspace text = NULL)
 *
 * Errors: see read_grant.  Granting again changes nothing, and gives back
 * privileges that a restore could not.  Where the records come from another
 * database by logical replication, it gives the privileges alone, and raises
 * 55000 for what is not recorded.  Waits for a transaction that grants or
 * revokes.
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
	AkHeld		held;
	AkCaller	caller;

	PreventCommandIfReadOnly("grant_access()");
	read_grant(fcinfo, &grant);
	get_role_oid(grant.role, false);
	ak_refuse_prepare("grant_access");
	ak_lock_object(AK_ACCESS, "", ExclusiveLock);

	ak_become_owner(&caller);
	SPI_connect();
	look_at_privileges(grant.role, &held);
	if (ak_is_subscriber())
	{
		if (!is_granted(&grant))
			ak_refuse_on_subscriber();
	}
	else
	{
		for (int i = 0; i < AK_CAPABILITY_COUNT; i++)
		{
			/* rows without their privileges are those of a role that is gone */
			if (!holds_capability(&held, 1 << i))
			{
				Datum		args[2] = {grant.args[0], CStringGetTextDatum(ak_capability_name(1 << i))};

				ak_query(&forget, args, NULL, AK_SEE_LATEST);
			}
		}
		ak_query(&insert, grant.args, grant.nulls, AK_SEE_LATEST);
	}
	set_privileges(grant.role, &held, allowed_to_role(grant.role));
	SPI_finish();
	ak_become_caller(&caller);
	PG_RETURN_VOID();
}

/*
 * revoke_access(role name, capability text, workspace text = NULL)
 *
 * Errors: see read_grant.  A WARNING when there was nothing to revoke, as
 * REVOKE of a membership gives one.  Waits for a transaction that grants or
 * revokes.
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
	AkHeld		held;
	AkCaller	caller;

	PreventCommandIfReadOnly("revoke_access()");
	read_grant(fcinfo, &grant);
	ak_refuse_prepare("revoke_access");
	ak_lock_object(AK_ACCESS, "", ExclusiveLock);

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
	{
		look_at_privileges(grant.role, &held);
		set_privileges(grant.role, &held, allowed_to_role(grant.role));
	}
	SPI_finish();
	ak_become_caller(&caller);
	PG_RETURN_VOID();
}
