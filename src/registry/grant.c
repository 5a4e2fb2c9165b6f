/*-------------------------------------------------------------------------
 *
 * grant.c
 *	  grant_access(), revoke_access() and regrant_access().
 *
 * An access is a row of apikeys.access, with the role's name, the capability
 * and the workspace, a row of apikeys_internal.access_role, with the role's OID, and
 * PostgreSQL's own privileges (privilege.c).
 *
 * The OID decides.  So a renamed role keeps its accesses, a dropped one loses
 * them, and no other role inherits them by its name.  The OID is in a table of
 * its own because it must not be dumped: where the dump is restored, another
 * role may have it.  An access that was restored, or that came by logical
 * replication, has no OID and allows nothing until regrant_access() or
 * grant_access() assigns it to the role of its name.
 *
 * The name is for people and for dumps.  The next grant to the role and the
 * worker's job correct it; both also remove the accesses of dropped roles,
 * since DROP ROLE fires no trigger.
 *
 * Granting and revoking lock the access (role, capability and workspace) until
 * the end of the transaction, so that a concurrent one finds the resulting row;
 * and the role, so that its privileges agree with its rows.  An admin of single
 * workspaces locks the role only at commit: it must not block an admin of all
 * workspaces, who may be about to revoke the former's access.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/action.h"
#include "audit/entry.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/lock.h"
#include "core/query.h"
#include "core/subscriber.h"
#include "registry/grant.h"
#include "registry/privilege.h"

PG_FUNCTION_INFO_V1(ak_grant_access);
PG_FUNCTION_INFO_V1(ak_revoke_access);
PG_FUNCTION_INFO_V1(ak_regrant_access);

/* The arguments of grant_access and revoke_access */
typedef struct AkGrant
{
	char *role;
	char *capability;
	char *workspace; /* NULL: all */
	bool at_commit;  /* the caller is an admin of single workspaces: see privilege.c */
	Datum args[4];   /* of a query by role, capability, workspace, and the role's oid */
	char nulls[4];
} AkGrant;

/*
 * Reads and checks the arguments.  Raises 22004, 22023 for an unknown
 * capability, 42501 if the caller is no admin there, and 42704 for an unknown
 * workspace.
 */
static void
read_grant(FunctionCallInfo fcinfo, AkGrant *grant)
{
	static const char *const names[] = {"role", "capability", "workspace"};

	ak_require_anywhere(AK_ADMIN);
	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			ak_null_argument(names[i], errmsg("%s must not be null", names[i]),
							 i == 2 ? errhint("'*' stands for all workspaces.") : 0);
	grant->role = pstrdup(NameStr(*PG_GETARG_NAME(0)));
	grant->capability = text_to_cstring(PG_GETARG_TEXT_PP(1));
	grant->workspace = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (strcmp(grant->workspace, "*") == 0)
		grant->workspace = ak_bound_workspace() ? pstrdup(ak_bound_workspace()) : NULL;
	ak_check_workspace_argument(grant->workspace);

	if (ak_capability_allows(grant->capability) == 0)
		ak_bad_argument("capability", errmsg("unknown capability \"%s\"", ak_quoted(grant->capability)),
						errhint("There are validate, view, manage, audit, admin and monitor."));
	if (grant->workspace != NULL)
		ak_require_workspace(AK_ADMIN, grant->workspace);
	else
		ak_require(AK_ADMIN, NULL);

	grant->at_commit = !ak_may(AK_ADMIN, NULL);
	grant->args[0] = PG_GETARG_DATUM(0);
	grant->args[1] = PG_GETARG_DATUM(1);
	grant->args[2] = grant->workspace ? CStringGetTextDatum(grant->workspace) : (Datum) 0;
	memset(grant->nulls, ' ', 4);
	if (grant->workspace == NULL)
		grant->nulls[2] = 'n';
}

/* Returns the OID of a role.  Raises 42704, since PostgreSQL's own message would repeat a secret given as the name. */
static Oid
need_role(const char *name)
{
	Oid role = get_role_oid(name, true);

	if (!OidIsValid(role))
		ak_not_found(errmsg("role \"%s\" does not exist", ak_quoted(name)));
	return role;
}

/*
 * Locks an access, and the role unless that is deferred until commit.  Returns
 * the role's OID; InvalidOid if there is none of that name.
 */
static Oid
lock_access(const AkGrant *grant)
{
	for (;;)
	{
		Oid role = get_role_oid(grant->role, true);
		char *who = OidIsValid(role) ? psprintf("%u", role) : grant->role;

		ak_lock_object(AK_ACCESS,
					   psprintf("%s %s %s", grant->capability, grant->workspace ? grant->workspace : "*", who),
					   ExclusiveLock);
		if (OidIsValid(role) && !grant->at_commit)
			ak_lock_role(role);
		/* renamed or dropped while we waited? */
		if (get_role_oid(grant->role, true) == role)
			return role;
	}
}

/* Records which role an access belongs to.  SPI must be connected, as the owner. */
static void
set_role(Datum grant_id, Oid role)
{
	static AkQuery query = {"INSERT INTO apikeys_internal.access_role (grant_id, roleid) VALUES ($1, $2) "
							"ON CONFLICT (grant_id) DO UPDATE SET roleid = EXCLUDED.roleid",
							2,
							{UUIDOID, OIDOID},
							NULL};
	Datum args[2] = {grant_id, ObjectIdGetDatum(role)};

	ak_query(&query, args, NULL, AK_SEE_LATEST);
	if (SPI_processed == 0)
		ak_refused_by_trigger("apikeys_internal.access_role", "role of an access");
}

/*
 * The rest of a statement that begins with "WITH found AS", the grant_ids of
 * accesses, locked: removes these, and returns ak_rows_changed().
 */
#define REMOVE_FOUND                                                                                                   \
	", removed AS (DELETE FROM apikeys.access a USING found WHERE a.grant_id = found.grant_id RETURNING a.grant_id), " \
	"roles AS (DELETE FROM apikeys_internal.access_role r USING removed WHERE r.grant_id = removed.grant_id) "         \
	"SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM removed)"

/*
 * Removes accesses by a statement that ends in REMOVE_FOUND, with an action or NULL,
 * and returns their number.  Raises 09000 if a trigger of a user refuses it: an
 * access that stays would be effective again with the next grant to the role.  SPI
 * is connected, as the owner.
 */
static uint64
remove_accesses(const AkAction *action, AkQuery *query, Datum *args, const char *nulls)
{
	ak_act(action, query, args, nulls, AK_SEE_LATEST);
	return ak_rows_changed("apikeys.access", "deletion");
}

/*
 * Gives the accesses of a renamed role its present name.  Each is deleted and
 * inserted again, with an entry for both; grant_id stays.  The role is locked;
 * SPI is connected, as the owner.
 */
static void
rename_accesses(Oid role)
{
	static AkQuery names = {"SELECT DISTINCT a.role FROM apikeys_internal.access_role r "
							"JOIN apikeys.access a ON a.grant_id = r.grant_id "
							"WHERE r.roleid = $1 AND a.role <> $2",
							2,
							{OIDOID, NAMEOID},
							NULL};
	/* here and below, SKIP LOCKED: an access that is being revoked needs no new name, and no wait */
	static AkQuery end = {"DELETE FROM apikeys.access a USING (SELECT a.grant_id FROM apikeys_internal.access_role r "
						  "JOIN apikeys.access a ON a.grant_id = r.grant_id "
						  "WHERE r.roleid = $1 AND a.role = $2 FOR UPDATE OF a SKIP LOCKED) AS old "
						  "WHERE a.grant_id = old.grant_id RETURNING a.capability, a.workspace, a.grant_id",
						  2,
						  {OIDOID, NAMEOID},
						  NULL};
	static AkQuery begin = {
		"INSERT INTO apikeys.access (role, capability, workspace, grant_id) VALUES ($1, $2, $3, $4)",
		4,
		{NAMEOID, TEXTOID, TEXTOID, UUIDOID},
		NULL};
	char *name = GetUserNameFromId(role, false);
	NameData new_name;
	Datum args[2] = {ObjectIdGetDatum(role), NameGetDatum(&new_name)};
	SPITupleTable *old_names;
	uint64 old_count;

	if (!ak_text_valid(name, strlen(name)))
		return; /* not to be recorded; the name before stays */
	namestrcpy(&new_name, name);
	ak_query(&names, args, NULL, AK_SEE_LATEST);
	old_names = SPI_tuptable;
	old_count = SPI_processed;
	for (uint64 i = 0; i < old_count; i++)
	{
		AkAction action = {.table = AK_ACCESS, .why = psprintf("is now named \"%s\"", name)};
		bool isnull;
		Datum old_name = SPI_getbinval(old_names->vals[i], old_names->tupdesc, 1, &isnull);
		SPITupleTable *ended;
		uint64 ended_count;

		args[1] = old_name;
		ak_act(&action, &end, args, NULL, AK_SEE_LATEST);
		ended = SPI_tuptable;
		ended_count = SPI_processed;
		action.why = psprintf("was named \"%s\" before", NameStr(*DatumGetName(old_name)));
		for (uint64 j = 0; j < ended_count; j++)
		{
			Datum row[4] = {NameGetDatum(&new_name)};
			char nulls[4] = {' ', ' ', ' ', ' '};

			for (int column = 1; column <= 3; column++)
			{
				row[column] = SPI_getbinval(ended->vals[j], ended->tupdesc, column, &isnull);
				nulls[column] = isnull ? 'n' : ' ';
			}
			ak_act(&action, &begin, row, nulls, AK_SEE_LATEST);
			if (SPI_processed == 0)
				ak_refused_by_trigger("apikeys.access", "access");
		}
	}
}

/*
 * Removes the accesses of the dropped role with that OID, and of dropped roles
 * that had that name.  SPI must be connected, as the owner.
 */
static void
remove_dropped(Oid role, const char *name)
{
	static AkQuery query = {"WITH found AS (SELECT a.grant_id FROM apikeys_internal.access_role r "
							"JOIN apikeys.access a ON a.grant_id = r.grant_id "
							"WHERE (r.roleid = $1 OR a.role = $2) "
							"AND NOT EXISTS (SELECT FROM pg_authid u WHERE u.oid = r.roleid) "
							"FOR UPDATE OF a SKIP LOCKED)" REMOVE_FOUND,
							2,
							{OIDOID, NAMEOID},
							NULL};
	static const AkAction action = {.table = AK_ACCESS, .why = "was dropped"};
	NameData old_name;
	Datum args[2] = {ObjectIdGetDatum(role), NameGetDatum(&old_name)};

	namestrcpy(&old_name, name);
	(void) remove_accesses(&action, &query, args, NULL);
}

/*
 * Removes the accesses of capabilities of which the role holds no privilege any
 * more, after DROP OWNED or a manual REVOKE: granting another capability must
 * not bring them back.  The role is locked; SPI is connected, as the owner.
 */
static void
remove_unheld(Oid role)
{
	static AkQuery query = {"WITH found AS (SELECT a.grant_id FROM apikeys_internal.access_role r "
							"JOIN apikeys.access a ON a.grant_id = r.grant_id "
							"WHERE r.roleid = $1 AND a.capability = $2 FOR UPDATE OF a SKIP LOCKED)" REMOVE_FOUND,
							2,
							{OIDOID, TEXTOID},
							NULL};
	static const AkAction action = {.table = AK_ACCESS, .why = "no longer holds what it needs"};
	int held = ak_capabilities_held(role);

	for (int i = 0; i < AK_CAPABILITY_COUNT; i++)
	{
		Datum args[2] = {ObjectIdGetDatum(role), CStringGetTextDatum(ak_capability_name(1 << i))};

		if ((held & (1 << i)) == 0)
			(void) remove_accesses(&action, &query, args, NULL);
	}
}

/*
 * Looks for the access of a grant.  Returns its grant_id, 0 if there is none,
 * and sets *has if the role has it already.  An access without a role, out of a
 * dump or from a publisher, is found by the role's name.  SPI must be
 * connected, as the owner.
 */
static Datum
find_access(AkGrant *grant, bool *has)
{
	static AkQuery query = {"SELECT a.grant_id, r.roleid IS NOT NULL AND r.roleid = $4 AS has FROM apikeys.access a "
							"LEFT JOIN apikeys_internal.access_role r ON r.grant_id = a.grant_id "
							"WHERE a.role = $1 AND a.capability = $2 "
							"AND COALESCE(a.workspace, '') = COALESCE($3, '') "
							"AND (r.roleid IS NULL OR r.roleid = $4) ORDER BY 2 DESC LIMIT 1",
							4,
							{NAMEOID, TEXTOID, TEXTOID, OIDOID},
							NULL};
	bool isnull;

	*has = false;
	ak_query(&query, grant->args, grant->nulls, AK_SEE_LATEST);
	if (SPI_processed == 0)
		return (Datum) 0;
	*has = DatumGetBool(ak_query_result(0, 2, &isnull));
	return ak_query_result(0, 1, &isnull);
}

/* Records that a role has an access.  The role is locked; SPI is connected, as the owner. */
static void
record_access(AkGrant *grant, Oid role)
{
	static AkQuery insert = {
		"INSERT INTO apikeys.access (role, capability, workspace) VALUES ($1, $2, $3) RETURNING grant_id",
		3,
		{NAMEOID, TEXTOID, TEXTOID},
		NULL};
	Datum grant_id;
	bool has;

	if (!ak_is_subscriber())
	{
		/* an admin of single workspaces must not wait for accesses to others */
		if (!grant->at_commit)
			remove_dropped(InvalidOid, grant->role);
		rename_accesses(role);
		remove_unheld(role);
	}
	grant_id = find_access(grant, &has);
	if (grant_id == 0)
	{
		bool isnull;

		ak_refuse_on_subscriber();
		ak_query(&insert, grant->args, grant->nulls, AK_SEE_LATEST);
		if (SPI_processed == 0)
			ak_refused_by_trigger("apikeys.access", "access");
		grant_id = ak_query_result(0, 1, &isnull);
	}
	if (!has)
		set_role(grant_id, role);
}

/*
 * grant_access(role name, capability text, workspace text = '*') -> text, the role
 *
 * '*' is all workspaces, or the one that apikeys.workspace names.  Errors: see
 * read_grant; 42704 for an unknown role; 42501 if an admin of single workspaces
 * grants to a role that has access elsewhere: that role would accept this
 * workspace's keys where it expects others.  Granting again only gives the
 * capability's privileges again, and confirms a restored access.  On a
 * subscriber, confirms a replicated access, and raises 55000 for any other.
 * Waits for a transaction that grants or revokes the same access, or, for an
 * admin of all workspaces, any access of the same role.  The transaction cannot
 * be prepared.  Privileges that an admin of single workspaces grants are given
 * at commit.
 */
Datum
ak_grant_access(PG_FUNCTION_ARGS)
{
	AkGrant grant;
	AkCaller caller;
	Oid role;

	ak_refuse_read_only(fcinfo);
	read_grant(fcinfo, &grant);
	(void) need_role(grant.role);
	ak_refuse_prepare("grant_access");
	role = lock_access(&grant);
	if (!OidIsValid(role))
		role = need_role(grant.role);
	/* checked again at commit: another admin may grant to it meanwhile */
	if (grant.at_commit)
		ak_refuse_access_elsewhere(role);

	grant.args[3] = ObjectIdGetDatum(role);
	ak_owner_begin(&caller, AK_TO_MANAGE);
	SPI_connect();
	record_access(&grant, role);
	ak_change_privileges(role, ak_capability_allows(grant.capability), 0, grant.at_commit, caller.userid);
	SPI_finish();
	ak_owner_end(&caller);
	PG_RETURN_TEXT_P(cstring_to_text(grant.role));
}

/*
 * revoke_access(role name, capability text, workspace text = '*') -> text, the role
 *
 * Removes the access of the role of this name, one of this name that waits for
 * regrant_access(), and one of a dropped role of this name.  Errors: see
 * read_grant; 42704 for a role that neither exists nor is recorded.  Emits a
 * WARNING if there was nothing to revoke, as REVOKE of a membership does.
 * Raises 09000 if a trigger of a user refuses it.  Waits as grant_access() does.  The
 * transaction cannot be prepared.
 */
Datum
ak_revoke_access(PG_FUNCTION_ARGS)
{
	static AkQuery remove = {
		"WITH found AS (SELECT a.grant_id FROM apikeys.access a "
		"LEFT JOIN apikeys_internal.access_role r ON r.grant_id = a.grant_id "
		"WHERE a.capability = $2 "
		"AND COALESCE(a.workspace, '') = COALESCE($3, '') "
		"AND (r.roleid = $4 OR a.role = $1 "
		"AND NOT EXISTS (SELECT FROM pg_authid u WHERE u.oid = r.roleid)) FOR UPDATE OF a)" REMOVE_FOUND,
		4,
		{NAMEOID, TEXTOID, TEXTOID, OIDOID},
		NULL};
	AkGrant grant;
	AkCaller caller;
	Oid role;

	ak_refuse_read_only(fcinfo);
	read_grant(fcinfo, &grant);
	ak_refuse_prepare("revoke_access");
	role = lock_access(&grant);

	grant.args[3] = ObjectIdGetDatum(role);
	ak_owner_begin(&caller, AK_TO_MANAGE);
	SPI_connect();
	if (remove_accesses(NULL, &remove, grant.args, grant.nulls) == 0)
	{
		if (!OidIsValid(role))
			(void) need_role(grant.role);
		ereport(WARNING,
				(errmsg("role \"%s\" has not been granted \"%s\" %s", grant.role, grant.capability,
						grant.workspace ? psprintf("in workspace \"%s\"", grant.workspace) : "in all workspaces")));
	}
	else if (OidIsValid(role))
		ak_change_privileges(role, 0, ak_capability_allows(grant.capability), grant.at_commit, caller.userid);
	SPI_finish();
	ak_owner_end(&caller);
	PG_RETURN_TEXT_P(cstring_to_text(grant.role));
}

/* Selects the accesses that wait for regrant_access(): the role's OID, grant_id and capability, ordered by OID. */
static void
find_waiting(void)
{
	static AkQuery query = {
		"SELECT u.oid, a.grant_id, a.capability FROM apikeys.access a "
		"JOIN pg_authid u ON u.rolname = a.role "
		"WHERE NOT EXISTS (SELECT FROM apikeys_internal.access_role r WHERE r.grant_id = a.grant_id) "
		"AND ($1 IS NULL OR a.workspace = $1) ORDER BY u.oid",
		1,
		{TEXTOID},
		NULL};
	const char *bound = ak_bound_workspace();
	Datum args[1] = {bound ? CStringGetTextDatum(bound) : (Datum) 0};

	ak_query(&query, args, bound ? NULL : "n", AK_SEE_LATEST);
}

static Oid
waiting_role(SPITupleTable *waiting, uint64 row)
{
	bool isnull;

	return DatumGetObjectId(SPI_getbinval(waiting->vals[row], waiting->tupdesc, 1, &isnull));
}

/* Writes the entry of regrant_access(), which names the roles. */
static void
tell_regrant(uint64 count, const char *roles)
{
	AkEntry entry = {0};

	entry.workspace = ak_bound_workspace();
	entry.entity = "Access";
	entry.action = "Update";
	entry.activity = psprintf("Granted again what a restore brought back: " UINT64_FORMAT " %s", count,
							  count == 1 ? "access" : "accesses");
	entry.subject = psprintf("{\"roles\": [%s]}", roles);
	entry.changes = psprintf("{\"accesses\": " UINT64_FORMAT ", \"roles\": [%s]}", count, roles);
	ak_write_entry(&entry);
}

/*
 * regrant_access() -> integer
 *
 * Assigns every access that came out of a dump, or from a publisher, to the
 * role of its name, if that exists, and gives the privileges; if
 * apikeys.workspace is set, only those in that workspace.  Returns their
 * number.  Raises 42501 without "admin" in all workspaces.  Waits for
 * transactions that grant to one of these roles or revoke from it.  The
 * transaction cannot be prepared.
 */
Datum
ak_regrant_access(PG_FUNCTION_ARGS)
{
	AkCaller caller;
	SPITupleTable *waiting;
	uint64 count;
	StringInfoData roles;

	ak_refuse_read_only(fcinfo);
	ak_require(AK_ADMIN, NULL);
	ak_refuse_prepare("regrant_access");
	ak_owner_begin(&caller, AK_TO_MANAGE);
	SPI_connect();

	/* all roles before the privileges, as other transactions lock them */
	find_waiting();
	waiting = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
		if (i == 0 || waiting_role(waiting, i) != waiting_role(waiting, i - 1))
			ak_lock_role(waiting_role(waiting, i));

	/* again under the locks: others may have confirmed or revoked some */
	find_waiting();
	waiting = SPI_tuptable;
	count = SPI_processed;
	initStringInfo(&roles);
	for (uint64 i = 0; i < count; i++)
	{
		Oid role = waiting_role(waiting, i);
		int give = 0;

		escape_json(&roles, ak_role_name(role));
		for (;; i++)
		{
			bool isnull;

			set_role(SPI_getbinval(waiting->vals[i], waiting->tupdesc, 2, &isnull), role);
			give |= ak_capability_allows(
				TextDatumGetCString(SPI_getbinval(waiting->vals[i], waiting->tupdesc, 3, &isnull)));
			if (i + 1 == count || waiting_role(waiting, i + 1) != role)
				break;
		}
		ak_change_privileges(role, give, 0, false, caller.userid);
		if (i + 1 < count)
			appendStringInfoString(&roles, ", ");
	}
	if (count > 0 && !ak_is_subscriber())
		tell_regrant(count, roles.data);
	SPI_finish();
	ak_owner_end(&caller);
	PG_RETURN_INT32((int32) count);
}

/* Returns the renamed and dropped roles that have accesses, as an array in that memory context. */
static Oid *
outdated_roles(MemoryContext context, uint64 *count)
{
	static AkQuery query = {"SELECT DISTINCT r.roleid FROM apikeys_internal.access_role r "
							"JOIN apikeys.access a ON a.grant_id = r.grant_id "
							"LEFT JOIN pg_authid u ON u.oid = r.roleid "
							"WHERE u.oid IS NULL OR u.rolname <> a.role ORDER BY 1",
							0,
							{0},
							NULL};
	Oid *roles;

	ak_query(&query, NULL, NULL, AK_SEE_LATEST);
	*count = SPI_processed;
	roles = MemoryContextAlloc(context, Max(1, *count) * sizeof(Oid));
	for (uint64 i = 0; i < *count; i++)
		roles[i] = waiting_role(SPI_tuptable, i);
	return roles;
}

/*
 * The worker's job: gives the accesses of renamed roles the new names, and
 * removes those of dropped ones, role by role.  A role that another transaction
 * has locked is left for the next run.
 */
AkJobNext
ak_access_job(void)
{
	static AkQuery orphans = {"DELETE FROM apikeys_internal.access_role r "
							  "WHERE NOT EXISTS (SELECT FROM apikeys.access a WHERE a.grant_id = r.grant_id)",
							  0,
							  {0},
							  NULL};
	MemoryContext context = CurrentMemoryContext;
	Oid *roles = NULL;
	uint64 count = 0;

	if (!ak_job_begin())
		return AK_JOB_IDLE;
	/* a subscriber's accesses are maintained on the publisher */
	if (!ak_is_subscriber())
	{
		roles = outdated_roles(context, &count);
		/* rows whose access direct SQL removed */
		ak_query(&orphans, NULL, NULL, AK_SEE_LATEST);
	}
	ak_job_commit();
	for (uint64 i = 0; i < count && !ak_worker_must_stop(); i++)
	{
		if (!ak_job_begin())
			break;
		if (ak_try_lock_role(roles[i]))
		{
			if (GetUserNameFromId(roles[i], true) != NULL)
				rename_accesses(roles[i]);
			else
				remove_dropped(roles[i], "");
		}
		ak_job_commit();
	}
	return AK_JOB_IDLE;
}
