/*-------------------------------------------------------------------------
 *
 * privilege.c
 *	  Capabilities and PostgreSQL's own privileges.
 *
 * This file lists the functions and views that each capability needs.  A grant
 * gives the privileges of its capability and no others, so that those that a
 * DBA revoked by hand stay revoked.  Revoking takes the capability's
 * privileges, except those that the role's other capabilities need.  Privileges
 * that need no change are left alone: every backend would have to reload the
 * catalog row.
 *
 * The privileges of all roles on a function are in one catalog row, and a
 * transaction that changes it waits for another that has changed it.  So the
 * changes of an admin of single workspaces are made at commit, so that its open
 * transaction blocks no other.  Those of an admin of all workspaces are made at
 * once.  Both take two locks until they end, before they read the privileges:
 * one on the role, so that its privileges agree with its accesses, and one on
 * all privileges, if any change: concurrent changes of a catalog row fail.
 *
 * This library may be newer than the SQL of the database, until ALTER EXTENSION
 * UPDATE.  What it lists and the database does not have yet is passed over: the
 * update gives it to all roles that need it (finish_update()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "access/access.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/lock.h"
#include "core/query.h"
#include "registry/privilege.h"

PG_FUNCTION_INFO_V1(ak_finish_update);

/*
 * The objects that a role needs for a capability, as GRANT names them.  A view
 * calls functions with the privileges of the role that reads it; their schema,
 * apikeys_internal, stays closed, since a view finds them by their OIDs.
 */
static const struct
{
	int needed_for;
	const char *object;
} objects[] = {
	{AK_ANY, "SCHEMA apikeys"},
	{AK_VALIDATE, "FUNCTION apikeys.validate_key"},
	{AK_VALIDATE, "FUNCTION apikeys.authenticate"},
	{AK_VALIDATE, "FUNCTION apikeys.require_key"},
	{AK_VALIDATE, "FUNCTION apikeys.report_leak"},
	{AK_VALIDATE, "FUNCTION apikeys.revoke_key"},
	{AK_VALIDATE, "FUNCTION apikeys.current_key"},
	{AK_VALIDATE, "FUNCTION apikeys.current_workspace"},
	{AK_VALIDATE, "FUNCTION apikeys.current_owner"},
	{AK_VALIDATE, "FUNCTION apikeys.current_key_metadata"},
	{AK_VALIDATE, "FUNCTION apikeys.current_key_allows"},
	{AK_ANY, "FUNCTION apikeys.response_headers"},
	{AK_VIEW, "FUNCTION apikeys.key_details"},
	{AK_VIEW, "FUNCTION apikeys.list_keys"},
	{AK_VIEW, "FUNCTION apikeys.key_id"},
	{AK_VIEW, "FUNCTION apikeys.identify_key"},
	{AK_VIEW, "FUNCTION apikeys.find_secrets"},
	{AK_VIEW, "TABLE apikeys.apis"},
	{AK_VIEW, "TABLE apikeys.workspaces"},
	{AK_VIEW, "TABLE apikeys.team_members"},
	{AK_VIEW, "TABLE apikeys.keys"},
	{AK_VIEW, "TABLE apikeys.active_keys"},
	{AK_VIEW, "TABLE apikeys.archived_keys"},
	{AK_VIEW, "TABLE apikeys.key_usage"},
	{AK_VIEW, "TABLE apikeys.usage_history"},
	{AK_VIEW, "TABLE apikeys.usage_daily"},
	{AK_VIEW, "TABLE apikeys.denials"},
	{AK_VIEW, "FUNCTION apikeys_internal.usage_memory"},
	{AK_VIEW, "FUNCTION apikeys_internal.last_use"},
	{AK_VIEW, "FUNCTION apikeys_internal.quota_used"},
	{AK_VIEW, "FUNCTION apikeys.usage_chart"},
	{AK_MONITOR, "FUNCTION apikeys.status"},
	{AK_MONITOR, "FUNCTION apikeys.metrics"},
	{AK_ADMIN, "FUNCTION apikeys.flush_usage"},
	{AK_VIEW | AK_AUDIT, "FUNCTION apikeys_internal.visible_workspaces"},
	{AK_VIEW | AK_AUDIT, "FUNCTION apikeys_internal.sees_everywhere"},
	{AK_VIEW | AK_AUDIT, "FUNCTION apikeys_internal.only_workspace"},
	{AK_VIEW | AK_AUDIT, "FUNCTION apikeys_internal.several_workspaces"},
	{AK_MANAGE, "FUNCTION apikeys.create_key"},
	{AK_MANAGE, "FUNCTION apikeys.import_key"},
	{AK_MANAGE, "FUNCTION apikeys.regenerate_key"},
	{AK_MANAGE, "FUNCTION apikeys.end_overlap"},
	{AK_MANAGE, "FUNCTION apikeys.update_key"},
	{AK_MANAGE, "FUNCTION apikeys.disable_key"},
	{AK_MANAGE, "FUNCTION apikeys.enable_key"},
	{AK_MANAGE, "FUNCTION apikeys.archive_key"},
	{AK_ANY, "FUNCTION apikeys.act_as"},
	{AK_ANY, "FUNCTION apikeys.secret_pattern"},
	{AK_AUDIT, "TABLE apikeys.audit_logs"},
	{AK_AUDIT, "FUNCTION apikeys.search_audit_logs"},
	{AK_AUDIT, "FUNCTION apikeys.key_history"},
	{AK_AUDIT, "FUNCTION apikeys.export_audit_logs"},
	{AK_AUDIT, "FUNCTION apikeys.audit_filters"},
	{AK_AUDIT, "FUNCTION apikeys.audit_feed"},
	{AK_AUDIT, "PROCEDURE apikeys.sequence_audit_logs"},
	{AK_AUDIT, "FUNCTION apikeys.audit_checkpoint"},
	{AK_AUDIT, "FUNCTION apikeys.audit_inclusion_proof"},
	{AK_AUDIT, "FUNCTION apikeys.audit_consistency_proof"},
	{AK_AUDIT, "FUNCTION apikeys.verify_audit_logs"},
	{AK_AUDIT, "FUNCTION apikeys.email_audit_logs"},
	{AK_AUDIT, "FUNCTION apikeys.release_report"},
	{AK_AUDIT, "TABLE apikeys.reports"},
	{AK_ADMIN, "FUNCTION apikeys.register_api"},
	{AK_ADMIN, "FUNCTION apikeys.unregister_api"},
	{AK_ADMIN, "FUNCTION apikeys.create_workspace"},
	{AK_ADMIN, "FUNCTION apikeys.update_workspace"},
	{AK_ADMIN, "FUNCTION apikeys.drop_workspace"},
	{AK_ADMIN, "FUNCTION apikeys.add_team_member"},
	{AK_ADMIN, "FUNCTION apikeys.remove_team_member"},
	{AK_ADMIN, "FUNCTION apikeys.purge_audit_logs"},
	{AK_ADMIN, "TABLE apikeys.accesses"},
	{AK_ADMIN, "FUNCTION apikeys.grant_access"},
	{AK_ADMIN, "FUNCTION apikeys.revoke_access"},
	{AK_ADMIN, "FUNCTION apikeys.regrant_access"},
};

/* Of a role: which of them the database has, and which the owner has granted to the role itself */
typedef struct AkHeld
{
	bool exists[lengthof(objects)];
	bool objects[lengthof(objects)];
} AkHeld;

/* A change to be made at commit; capabilities are bits */
typedef struct AkPrivilegeChange
{
	Oid role;
	Oid userid;     /* the caller */
	int nest_level; /* of the caller's (sub)transaction */
	int give;
	int take;
	const char *object; /* if not NULL, give what the role's capabilities need of this one */
} AkPrivilegeChange;

static AkPrivilegeChange *deferred_changes = NULL; /* in TopTransactionContext */
static int deferred_count = 0;
static int deferred_allocated = 0;

/* Returns, as bits, what the accesses of a role allow in any workspace.  SPI must be connected, as the owner. */
static int
allowed_to_role(Oid role)
{
	static AkQuery query = {"SELECT DISTINCT a.capability FROM apikeys_internal.access_role r "
							"JOIN apikeys.access a ON a.grant_id = r.grant_id WHERE r.roleid = $1",
							1,
							{OIDOID},
							NULL};
	Datum args[1] = {ObjectIdGetDatum(role)};
	int allowed = 0;

	ak_query(&query, args, NULL, AK_SEE_LATEST);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;

		allowed |= ak_capability_allows(TextDatumGetCString(ak_query_result(i, 1, &isnull)));
	}
	return allowed;
}

/* Reads the privileges that a role holds.  SPI must be connected, as the owner. */
static void
read_privileges(Oid role, AkHeld *held)
{
	static AkQuery query = {"SELECT o.object, count(a.grantee) > 0 FROM ("
							"SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END "
							"|| n.nspname || '.' || p.proname, p.proacl, p.proowner, 'EXECUTE' "
							"FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
							"UNION ALL "
							"SELECT 'TABLE ' || n.nspname || '.' || c.relname, "
							"c.relacl, c.relowner, 'SELECT' "
							"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
							"UNION ALL "
							"SELECT 'SCHEMA ' || n.nspname, n.nspacl, n.nspowner, 'USAGE' FROM pg_namespace n"
							") o (object, acl, owner, privilege) LEFT JOIN LATERAL aclexplode(o.acl) a "
							"ON a.grantee = $1 AND a.grantor = o.owner AND a.privilege_type = o.privilege "
							"WHERE o.object = ANY ($2) GROUP BY o.object",
							2,
							{OIDOID, TEXTARRAYOID},
							NULL};
	Datum names[lengthof(objects)];
	Datum args[2];

	memset(held, 0, sizeof(AkHeld));
	for (int i = 0; i < (int) lengthof(objects); i++)
		names[i] = CStringGetTextDatum(objects[i].object);
	args[0] = ObjectIdGetDatum(role);
	args[1] = ak_array(names, lengthof(objects), TEXTOID);
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool isnull;
		char *object = TextDatumGetCString(ak_query_result(row, 1, &isnull));
		bool granted = DatumGetBool(ak_query_result(row, 2, &isnull));

		for (int i = 0; i < (int) lengthof(objects); i++)
			if (strcmp(objects[i].object, object) == 0)
			{
				held->exists[i] = true;
				held->objects[i] = granted;
			}
	}
}

/* GRANTs or REVOKEs what a role needs of an object. */
static void
set_privilege(bool give, const char *object, const char *role)
{
	const char *privilege = strncmp(object, "TABLE", 5) == 0    ? "SELECT"
							: strncmp(object, "SCHEMA", 6) == 0 ? "USAGE"
																: "EXECUTE";

	SPI_execute(psprintf("%s %s ON %s %s %s", give ? "GRANT" : "REVOKE", privilege, object, give ? "TO" : "FROM",
						 quote_identifier(role)),
				false, 0);
}

/*
 * Gives a role the privileges that the capabilities "give" need, and takes
 * those that "take" need and "remaining", all that it still has, do not.
 * Returns true if there was anything to change; changes nothing if "look" is
 * true.
 */
static bool
set_privileges(Oid role, int give, int take, int remaining, bool look)
{
	char *name = look ? NULL : GetUserNameFromId(role, false);
	AkHeld held;
	bool any = false;

	read_privileges(role, &held);
	for (int i = 0; i < (int) lengthof(objects); i++)
	{
		int needed_for = objects[i].needed_for;
		bool gives = held.exists[i] && !held.objects[i] && (needed_for & give) != 0;
		bool takes = held.objects[i] && (needed_for & take) != 0 && (needed_for & remaining) == 0;

		any |= gives || takes;
		if ((gives || takes) && !look)
			set_privilege(gives, objects[i].object, name);
	}
	return any;
}

/* Returns the name by which a role is locked. */
static const char *
role_lock(Oid role)
{
	return psprintf("role %u", role);
}

/* Locks a role for changes of its privileges. */
void
ak_lock_role(Oid role)
{
	ak_lock_object(AK_ACCESS, role_lock(role), ExclusiveLock);
}

/* The same, but returns false if another transaction has locked the role. */
bool
ak_try_lock_role(Oid role)
{
	return ak_try_lock_object(AK_ACCESS, role_lock(role));
}

/*
 * Raises 42501 if a role has access where the current user is no admin: an
 * admin of single workspaces must not extend the access of other workspaces'
 * roles.
 */
void
ak_refuse_access_elsewhere(Oid role)
{
	if (ak_has_access_elsewhere(role))
		ak_denied(
			errmsg("permission denied to grant access to role \"%s\"", GetUserNameFromId(role, false)),
			errdetail(
				"It, a role that it is a member of, or a member of it has access beyond the workspaces that you administer."),
			errhint("Grant to a role of this workspace alone, or ask an admin of all workspaces."));
}

/* Makes a change now.  Gives only what the role's accesses still allow. */
static void
change_privileges(Oid role, int give, int take)
{
	int remaining = allowed_to_role(role);

	give &= remaining;
	if (!set_privileges(role, give, take, remaining, true))
		return;
	ak_lock_object(AK_ACCESS, "", ExclusiveLock);
	(void) set_privileges(role, give, take, remaining, false);
}

/* Adds a change to those to be made at commit. */
static void
defer_change(AkPrivilegeChange change)
{
	if (deferred_changes == NULL)
	{
		deferred_allocated = 8;
		deferred_changes = MemoryContextAlloc(TopTransactionContext, deferred_allocated * sizeof(AkPrivilegeChange));
	}
	else if (deferred_count == deferred_allocated)
	{
		deferred_allocated *= 2;
		deferred_changes = repalloc(deferred_changes, deferred_allocated * sizeof(AkPrivilegeChange));
	}
	change.nest_level = GetCurrentTransactionNestLevel();
	deferred_changes[deferred_count++] = change;
}

/*
 * Changes what a role holds, after its accesses have changed: "give" and "take"
 * are the capabilities that were granted and revoked, as bits.  The role must
 * be locked, unless "at_commit", which defers the change; "userid" is the
 * caller.  SPI is connected, as the owner.
 */
void
ak_change_privileges(Oid role, int give, int take, bool at_commit, Oid userid)
{
	if (!at_commit)
	{
		change_privileges(role, give, take);
		return;
	}
	defer_change((AkPrivilegeChange){.role = role, .userid = userid, .give = give, .take = take});
}

/*
 * Returns, as bits, the capabilities of which a role holds at least one
 * function or view that no other capability needs, or will when this
 * transaction commits.  SPI must be connected, as the owner.
 */
int
ak_capabilities_held(Oid role)
{
	AkHeld held;
	int result = 0;

	read_privileges(role, &held);
	for (int i = 0; i < (int) lengthof(objects); i++)
		/* needed for one capability alone */
		if (held.objects[i] && (objects[i].needed_for & (objects[i].needed_for - 1)) == 0)
			result |= objects[i].needed_for;
	for (int i = 0; i < deferred_count; i++)
		if (deferred_changes[i].role == role)
			result |= deferred_changes[i].give;
	return result;
}

/* Gives a role what its capabilities need of one object. */
static void
give_object(Oid role, const char *object)
{
	int allowed = allowed_to_role(role);

	for (int i = 0; i < (int) lengthof(objects); i++)
	{
		if (strcmp(objects[i].object, object) != 0 || (objects[i].needed_for & allowed) == 0)
			continue;
		ak_lock_object(AK_ACCESS, "", ExclusiveLock);
		set_privilege(true, object, GetUserNameFromId(role, false));
	}
}

/*
 * Takes PUBLIC's privileges on the row types of our tables and views, which
 * pg_upgrade gives back: pg_dump never dumps any.  They are no initial
 * privileges, of which pg_dump would warn.
 */
static void
close_row_types(void)
{
	static AkQuery open = {"SELECT t.oid::regtype::text FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace, "
						   "aclexplode(coalesce(t.typacl, acldefault('T', t.typowner))) a "
						   "WHERE n.nspname IN ('apikeys', 'apikeys_internal') AND t.typrelid <> 0 AND a.grantee = 0",
						   0,
						   {0},
						   NULL};
	static AkQuery forget = {
		"DELETE FROM pg_init_privs i USING pg_class c, pg_namespace n "
		"WHERE i.classoid = 'pg_type'::regclass AND i.objoid = c.reltype AND n.oid = c.relnamespace "
		"AND n.nspname IN ('apikeys', 'apikeys_internal') AND c.relkind IN ('r', 'v')",
		0,
		{0},
		NULL};
	SPITupleTable *types;
	uint64 count;

	ak_query(&open, NULL, NULL, AK_SEE_LATEST);
	types = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
		SPI_execute(psprintf("REVOKE ALL ON TYPE %s FROM PUBLIC", SPI_getvalue(types->vals[i], types->tupdesc, 1)),
					false, 0);
	if (count > 0)
		ak_query(&forget, NULL, NULL, AK_SEE_LATEST);
}

/*
 * Raises 55000 if this library does not know an object that an update has made,
 * and is not the one that is installed: the session was connected before, and
 * would grant the object to nobody.  SPI is connected, as the owner.
 */
static void
refuse_unknown_object(const char *object)
{
	static AkQuery query = {"SELECT default_version FROM pg_available_extensions WHERE name = 'apikeys'", 0, {0}, NULL};
	char *installed;
	bool isnull;

	for (int i = 0; i < (int) lengthof(objects); i++)
		if (strcmp(objects[i].object, object) == 0)
			return;
	ak_query(&query, NULL, NULL, AK_SEE_LATEST);
	if (SPI_processed == 0)
		return;
	installed = TextDatumGetCString(ak_query_result(0, 1, &isnull));
	if (strcmp(installed, AK_VERSION) != 0)
		ak_wrong_state(
			errmsg("version %s of extension \"%s\" is installed, and its library in this session is of version %s",
				   installed, "apikeys", AK_VERSION),
			errhint("Reconnect. If shared_preload_libraries names apikeys, restart the server."));
}

/*
 * apikeys_internal.finish_update(made text[] = '{}') -> void
 *
 * The last statement of a delta; also to be called after pg_upgrade.  Raises
 * 55000 if the tables are not as this library knows them, or if the session has an
 * older library that does not know what the delta created.  "made" are the
 * objects that the delta created, new or anew with another signature, as GRANT
 * names them; every role that has access gets what its capabilities need of
 * them.  At commit: what the script of an extension grants, pg_dump takes for
 * initial privileges, which it leaves out.
 */
Datum
ak_finish_update(PG_FUNCTION_ARGS)
{
	static AkQuery find_roles = {"SELECT DISTINCT r.roleid FROM apikeys_internal.access_role r", 0, {0}, NULL};
	AkCaller caller;
	Datum *made;
	int made_count;
	SPITupleTable *roles;
	uint64 count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &made, NULL, &made_count);
	ak_check_tables();
	ak_owner_begin(&caller, AK_TO_MANAGE);
	SPI_connect();
	for (int i = 0; i < made_count; i++)
		refuse_unknown_object(TextDatumGetCString(made[i]));
	ak_query(&find_roles, NULL, NULL, AK_SEE_LATEST);
	roles = SPI_tuptable;
	count = SPI_processed;
	for (uint64 row = 0; row < count; row++)
	{
		bool isnull;
		Oid role = DatumGetObjectId(SPI_getbinval(roles->vals[row], roles->tupdesc, 1, &isnull));

		for (int i = 0; i < made_count; i++)
			defer_change((
				AkPrivilegeChange){.role = role,
								   .userid = caller.userid,
								   .object = MemoryContextStrdup(TopTransactionContext, TextDatumGetCString(made[i]))});
	}
	close_row_types();
	SPI_finish();
	ak_owner_end(&caller);
	PG_RETURN_VOID();
}

static int
change_order(const void *a, const void *b)
{
	Oid x = ((const AkPrivilegeChange *) a)->role;
	Oid y = ((const AkPrivilegeChange *) b)->role;

	return x < y ? -1 : x > y;
}

/* ak_refuse_access_elsewhere() with the rights of another role, the caller of grant_access(). */
static void
refuse_access_elsewhere_as(Oid userid, Oid role)
{
	Oid current;
	int sec_context;

	/* a role that was dropped meanwhile has no privileges left */
	if (GetUserNameFromId(role, true) == NULL)
		return;
	GetUserIdAndSecContext(&current, &sec_context);
	SetUserIdAndSecContext(userid, sec_context | SECURITY_LOCAL_USERID_CHANGE);
	ak_refuse_access_elsewhere(role);
	SetUserIdAndSecContext(current, sec_context);
}

/*
 * At commit: makes the deferred changes.  Called before anything else is locked
 * for the commit, since it may wait for transactions that change the same role
 * or any privileges.  Raises 42501 if a role was granted access elsewhere
 * meanwhile.
 */
void
ak_commit_privileges(void)
{
	AkCaller caller;

	if (deferred_count == 0)
		return;
	/* the extension itself was dropped */
	if (!OidIsValid(ak_relid_if_any(AK_ACCESS)))
		return;
	qsort(deferred_changes, deferred_count, sizeof(AkPrivilegeChange), change_order);
	PushActiveSnapshot(GetTransactionSnapshot());
	for (int i = 0; i < deferred_count; i++)
	{
		if (i == 0 || deferred_changes[i].role != deferred_changes[i - 1].role)
			ak_lock_role(deferred_changes[i].role);
		if (deferred_changes[i].give != 0)
			refuse_access_elsewhere_as(deferred_changes[i].userid, deferred_changes[i].role);
	}
	ak_owner_begin(&caller, AK_TO_MANAGE);
	SPI_connect();
	for (int i = 0; i < deferred_count; i++)
	{
		const AkPrivilegeChange *change = &deferred_changes[i];

		if (GetUserNameFromId(change->role, true) == NULL)
			continue;
		if (change->object)
			give_object(change->role, change->object);
		else
			change_privileges(change->role, change->give, change->take);
	}
	SPI_finish();
	ak_owner_end(&caller);
	PopActiveSnapshot();
	deferred_count = 0;
}

/* At the end of the subtransaction of that level: its changes are forgotten, or become its parent's. */
void
ak_privileges_end_subtransaction(int level, bool committed)
{
	for (int i = deferred_count - 1; i >= 0 && deferred_changes[i].nest_level >= level; i--)
	{
		if (committed)
			deferred_changes[i].nest_level = level - 1;
		else
			deferred_count--;
	}
}

/* At the end of a transaction, which frees the memory. */
void
ak_forget_privileges(void)
{
	deferred_changes = NULL;
	deferred_count = deferred_allocated = 0;
}
