/*-------------------------------------------------------------------------
 *
 * grant.c
 *	  grant_access(), revoke_access() and regrant_access().
 *
 * A capability of a role is a row of apikeys.access, which names the role and
 * says where, a row of apikeys.access_role, which says by its oid which role
 * that is, and PostgreSQL's own privileges (privilege.c).
 *
 * The oid is what counts.  So a role that is renamed keeps its accesses, one
 * that is dropped takes them along, and no other inherits them by its name.  It
 * stands in a table of its own because it must not be dumped: in the database
 * that a dump is restored into, another role may have it.  A restored access,
 * and one that came by logical replication, has no oid and allows nothing until
 * regrant_access() or grant_access() says that the role of this name is meant.
 *
 * The name is there for people and for dumps.  It is made right by the next
 * grant to that role, and by the worker's job; both remove the accesses of
 * dropped roles, too (DROP ROLE tells nobody).
 *
 * Who grants or revokes locks the access (role, capability and workspace) until
 * the end of the transaction, so that the next one finds the row that this one
 * leaves; and the role, while its privileges are made to agree with its rows.
 * An admin of single workspaces locks the role only at commit: he must not keep
 * an admin of all from it, who may be about to revoke his own access.
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
#include "utils/memutils.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/audit.h"
#include "audit/story.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/lock.h"
#include "core/query.h"
#include "registry/grant.h"
#include "registry/privilege.h"

PG_FUNCTION_INFO_V1(ak_grant_access);
PG_FUNCTION_INFO_V1(ak_revoke_access);
PG_FUNCTION_INFO_V1(ak_regrant_access);

/* What grant_access and revoke_access share */
typedef struct AkGrant
{
	char	   *role;
	char	   *capability;
	char	   *workspace;		/* NULL: all */
	bool		at_commit;		/* the caller is an admin of single workspaces: see privilege.c */
	Datum		args[4];		/* of a query by role, capability, workspace, and the role's oid */
	char		nulls[4];
} AkGrant;

/*
 * Reads and checks the arguments.  Raises 22004, 22023 for an unknown
 * capability, 42501 when the caller may not decide this, and 42704 for an
 * unknown workspace.
 */
static void
read_grant(FunctionCallInfo fcinfo, AkGrant *grant)
{
	static const char *const names[] = {"role", "capability", "workspace"};

	for (int i = 0; i < 3; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", names[i]),
					 i == 2 ? errhint("'*' stands for all workspaces.") : 0));
	grant->role = pstrdup(NameStr(*PG_GETARG_NAME(0)));
	grant->capability = text_to_cstring(PG_GETARG_TEXT_PP(1));
	grant->workspace = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (strcmp(grant->workspace, "*") == 0)
		grant->workspace = ak_bound_workspace() ? pstrdup(ak_bound_workspace()) : NULL;
	ak_check_workspace_argument(grant->workspace);

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

	grant->at_commit = !ak_may(AK_ADMIN, NULL);
	grant->args[0] = PG_GETARG_DATUM(0);
	grant->args[1] = PG_GETARG_DATUM(1);
	grant->args[2] = grant->workspace ? CStringGetTextDatum(grant->workspace) : (Datum) 0;
	memset(grant->nulls, ' ', 4);
	if (grant->workspace == NULL)
		grant->nulls[2] = 'n';
}

/* The role of that name.  Raises 42704: PostgreSQL's own message would repeat a secret that was given for it. */
static Oid
need_role(const char *name)
{
	Oid			role = get_role_oid(name, true);

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist", ak_quoted(name))));
	return role;
}

/*
 * Locks an access, and the role unless that is put off until commit.  Returns
 * the role's oid; InvalidOid when there is none of that name.
 */
static Oid
lock_access(const AkGrant *grant)
{
	for (;;)
	{
		Oid			role = get_role_oid(grant->role, true);
		char	   *who = OidIsValid(role) ? psprintf("%u", role) : grant->role;

		ak_lock_object(AK_ACCESS, psprintf("%s %s %s", grant->capability, grant->workspace ? grant->workspace : "*", who),
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
	static AkQuery query = {
		"INSERT INTO apikeys.access_role (grant_id, roleid) VALUES ($1, $2) "
		"ON CONFLICT (grant_id) DO UPDATE SET roleid = EXCLUDED.roleid",
		2, {UUIDOID, OIDOID}, NULL
	};
	Datum		args[2] = {grant_id, ObjectIdGetDatum(role)};

	ak_query(&query, args, NULL, AK_SEE_LATEST);
}

/*
 * Removes accesses of a role by a statement that returns capability, workspace
 * and grant_id of each; "why" ends the entries.  SPI must be connected, as the
 * owner.
 */
static void
remove_accesses(AkQuery *query, Datum *args, const char *why)
{
	ak_story_access_why = why;
	PG_TRY();
	{
		ak_query(query, args, NULL, AK_SEE_LATEST);
	}
	PG_FINALLY();
	{
		ak_story_access_why = NULL;
	}
	PG_END_TRY();
}

/*
 * The accesses of a role that was renamed get its present name.  An entry ends
 * each, and another begins it anew; grant_id stays.  The role is locked; SPI is
 * connected, as the owner.
 */
static void
rename_accesses(Oid role)
{
	static AkQuery names = {
		"SELECT DISTINCT a.role FROM apikeys.access_role r "
		"JOIN apikeys.access a ON a.grant_id OPERATOR(pg_catalog.=) r.grant_id "
		"WHERE r.roleid OPERATOR(pg_catalog.=) $1 AND a.role OPERATOR(pg_catalog.<>) $2",
		2, {OIDOID, NAMEOID}, NULL
	};
	/* here and below, SKIP LOCKED: what somebody is revoking needs no other name, and nobody to wait for it */
	static AkQuery end = {
		"DELETE FROM apikeys.access a USING (SELECT a.grant_id FROM apikeys.access_role r "
		"JOIN apikeys.access a ON a.grant_id OPERATOR(pg_catalog.=) r.grant_id "
		"WHERE r.roleid OPERATOR(pg_catalog.=) $1 AND a.role OPERATOR(pg_catalog.=) $2 FOR UPDATE OF a SKIP LOCKED) AS old "
		"WHERE a.grant_id OPERATOR(pg_catalog.=) old.grant_id RETURNING a.capability, a.workspace, a.grant_id",
		2, {OIDOID, NAMEOID}, NULL
	};
	static AkQuery begin = {
		"INSERT INTO apikeys.access (role, capability, workspace, grant_id) VALUES ($1, $2, $3, $4)",
		4, {NAMEOID, TEXTOID, TEXTOID, UUIDOID}, NULL
	};
	char	   *name = GetUserNameFromId(role, false);
	NameData	new_name;
	Datum		args[2] = {ObjectIdGetDatum(role), NameGetDatum(&new_name)};
	SPITupleTable *old_names;
	uint64		old_count;

	namestrcpy(&new_name, name);
	ak_query(&names, args, NULL, AK_SEE_LATEST);
	old_names = SPI_tuptable;
	old_count = SPI_processed;
	for (uint64 i = 0; i < old_count; i++)
	{
		bool		isnull;
		Datum		old_name = SPI_getbinval(old_names->vals[i], old_names->tupdesc, 1, &isnull);
		SPITupleTable *ended;
		uint64		ended_count;

		args[1] = old_name;
		remove_accesses(&end, args, psprintf("is now named \"%s\"", name));
		ended = SPI_tuptable;
		ended_count = SPI_processed;
		ak_story_access_why = psprintf("was named \"%s\" before", NameStr(*DatumGetName(old_name)));
		PG_TRY();
		{
			for (uint64 j = 0; j < ended_count; j++)
			{
				Datum		row[4] = {NameGetDatum(&new_name)};
				char		nulls[4] = {' ', ' ', ' ', ' '};

				for (int column = 1; column <= 3; column++)
				{
					row[column] = SPI_getbinval(ended->vals[j], ended->tupdesc, column, &isnull);
					nulls[column] = isnull ? 'n' : ' ';
				}
				ak_query(&begin, row, nulls, AK_SEE_LATEST);
			}
		}
		PG_FINALLY();
		{
			ak_story_access_why = NULL;
		}
		PG_END_TRY();
	}
}

/*
 * Removes the accesses of the dropped role with that oid, and of dropped roles
 * that had that name.  SPI must be connected, as the owner.
 */
static void
remove_dropped(Oid role, const char *name)
{
	static AkQuery query = {
		"WITH gone AS (SELECT a.grant_id FROM apikeys.access_role r "
		"JOIN apikeys.access a ON a.grant_id OPERATOR(pg_catalog.=) r.grant_id "
		"WHERE (r.roleid OPERATOR(pg_catalog.=) $1 OR a.role OPERATOR(pg_catalog.=) $2) "
		"AND NOT EXISTS (SELECT FROM pg_catalog.pg_authid u WHERE u.oid OPERATOR(pg_catalog.=) r.roleid) "
		"FOR UPDATE OF a SKIP LOCKED), "
		"roles AS (DELETE FROM apikeys.access_role r USING gone WHERE r.grant_id OPERATOR(pg_catalog.=) gone.grant_id) "
		"DELETE FROM apikeys.access a USING gone WHERE a.grant_id OPERATOR(pg_catalog.=) gone.grant_id",
		2, {OIDOID, NAMEOID}, NULL
	};
	NameData	old_name;
	Datum		args[2] = {ObjectIdGetDatum(role), NameGetDatum(&old_name)};

	namestrcpy(&old_name, name);
	remove_accesses(&query, args, "was dropped");
}

/*
 * Removes the accesses of capabilities of which the role holds nothing any
 * more, after DROP OWNED or as somebody revoked it by hand: granting another
 * one must not bring them back.  The role is locked; SPI is connected, as the
 * owner.
 */
static void
remove_unheld(Oid role)
{
	static AkQuery query = {
		"WITH gone AS (SELECT a.grant_id FROM apikeys.access_role r "
		"JOIN apikeys.access a ON a.grant_id OPERATOR(pg_catalog.=) r.grant_id "
		"WHERE r.roleid OPERATOR(pg_catalog.=) $1 AND a.capability OPERATOR(pg_catalog.=) $2 FOR UPDATE OF a SKIP LOCKED), "
		"roles AS (DELETE FROM apikeys.access_role r USING gone WHERE r.grant_id OPERATOR(pg_catalog.=) gone.grant_id) "
		"DELETE FROM apikeys.access a USING gone WHERE a.grant_id OPERATOR(pg_catalog.=) gone.grant_id",
		2, {OIDOID, TEXTOID}, NULL
	};
	int			held = ak_capabilities_held(role);

	for (int i = 0; i < AK_CAPABILITY_COUNT; i++)
	{
		Datum		args[2] = {ObjectIdGetDatum(role), CStringGetTextDatum(ak_capability_name(1 << i))};

		if ((held & (1 << i)) == 0)
			remove_accesses(&query, args, "no longer holds what it needs");
	}
}

/*
 * Looks for the access that a grant tells of, and returns its grant_id and
 * whether this role has it already; 0 when there is none.  One without a role,
 * out of a dump or from a publisher, is found by the role's name.  SPI must be
 * connected, as the owner.
 */
static Datum
find_access(AkGrant *grant, bool *has)
{
	static AkQuery query = {
		"SELECT a.grant_id, r.roleid IS NOT NULL AND r.roleid OPERATOR(pg_catalog.=) $4 AS has FROM apikeys.access a "
		"LEFT JOIN apikeys.access_role r ON r.grant_id OPERATOR(pg_catalog.=) a.grant_id "
		"WHERE a.role OPERATOR(pg_catalog.=) $1 AND a.capability OPERATOR(pg_catalog.=) $2 "
		"AND COALESCE(a.workspace, '') OPERATOR(pg_catalog.=) COALESCE($3, '') "
		"AND (r.roleid IS NULL OR r.roleid OPERATOR(pg_catalog.=) $4) ORDER BY 2 DESC LIMIT 1",
		4, {NAMEOID, TEXTOID, TEXTOID, OIDOID}, NULL
	};
	bool		isnull;

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
		3, {NAMEOID, TEXTOID, TEXTOID}, NULL
	};
	Datum		grant_id;
	bool		has;

	if (!ak_is_subscriber())
	{
		/* those of others are not an admin's of single workspaces to wait for */
		if (!grant->at_commit)
			remove_dropped(InvalidOid, grant->role);
		rename_accesses(role);
		remove_unheld(role);
	}
	grant_id = find_access(grant, &has);
	if (grant_id == 0)
	{
		bool		isnull;

		ak_refuse_on_subscriber();
		ak_query(&insert, grant->args, grant->nulls, AK_SEE_LATEST);
		grant_id = ak_query_result(0, 1, &isnull);
	}
	if (!has)
		set_role(grant_id, role);
}

/*
 * grant_access(role name, capability text, workspace text = '*')
 *
 * '*' is all workspaces, or the one that apikeys.workspace names.  Errors: see
 * read_grant; 42704 for an unknown role; 42501 when an admin of single
 * workspaces grants to a role that has access elsewhere: his keys would be let
 * in where somebody else's are meant.  Granting again changes nothing but that
 * it gives the capability's own privileges once more, and confirms a restored
 * access.  Where the accesses come from another database by logical
 * replication, it confirms what is recorded, and raises 55000 for what is not.
 * Waits for a transaction that grants or revokes the same, or, of an admin of all
 * workspaces, whatever of the same role.  The transaction cannot be prepared.
 * What an admin of single workspaces grants holds from his commit on.
 */
Datum
ak_grant_access(PG_FUNCTION_ARGS)
{
	AkGrant		grant;
	AkCaller	caller;
	Oid			role;

	PreventCommandIfReadOnly("grant_access()");
	read_grant(fcinfo, &grant);
	(void) need_role(grant.role);
	ak_refuse_prepare("grant_access");
	role = lock_access(&grant);
	if (!OidIsValid(role))
		role = need_role(grant.role);
	/* asked again at commit: somebody else may grant to it meanwhile */
	if (grant.at_commit)
		ak_refuse_access_elsewhere(role);

	grant.args[3] = ObjectIdGetDatum(role);
	ak_become_owner(&caller);
	SPI_connect();
	record_access(&grant, role);
	ak_change_privileges(role, ak_capability_allows(grant.capability), 0, grant.at_commit, caller.userid);
	SPI_finish();
	ak_become_caller(&caller);
	PG_RETURN_VOID();
}

/*
 * revoke_access(role name, capability text, workspace text = '*')
 *
 * Only takes away: the access of the role that has this name, those of this
 * name that wait for regrant_access(), and those of a dropped role that had it.
 * Errors: see read_grant; 42704 for a role that neither exists nor is recorded.
 * A WARNING when there was nothing to revoke, as REVOKE of a membership gives
 * one.  Waits as grant_access() does.  The transaction cannot be prepared.
 */
Datum
ak_revoke_access(PG_FUNCTION_ARGS)
{
	static AkQuery remove = {
		"WITH gone AS (SELECT a.grant_id FROM apikeys.access a "
		"LEFT JOIN apikeys.access_role r ON r.grant_id OPERATOR(pg_catalog.=) a.grant_id "
		"WHERE a.capability OPERATOR(pg_catalog.=) $2 "
		"AND COALESCE(a.workspace, '') OPERATOR(pg_catalog.=) COALESCE($3, '') "
		"AND (r.roleid OPERATOR(pg_catalog.=) $4 OR a.role OPERATOR(pg_catalog.=) $1 "
		"AND NOT EXISTS (SELECT FROM pg_catalog.pg_authid u WHERE u.oid OPERATOR(pg_catalog.=) r.roleid))), "
		"roles AS (DELETE FROM apikeys.access_role r USING gone WHERE r.grant_id OPERATOR(pg_catalog.=) gone.grant_id) "
		"DELETE FROM apikeys.access a USING gone WHERE a.grant_id OPERATOR(pg_catalog.=) gone.grant_id",
		4, {NAMEOID, TEXTOID, TEXTOID, OIDOID}, NULL
	};
	AkGrant		grant;
	AkCaller	caller;
	Oid			role;

	PreventCommandIfReadOnly("revoke_access()");
	read_grant(fcinfo, &grant);
	ak_refuse_prepare("revoke_access");
	role = lock_access(&grant);

	grant.args[3] = ObjectIdGetDatum(role);
	ak_become_owner(&caller);
	SPI_connect();
	ak_query(&remove, grant.args, grant.nulls, AK_SEE_LATEST);
	if (SPI_processed == 0)
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
	ak_become_caller(&caller);
	PG_RETURN_VOID();
}

/* The accesses that wait for regrant_access(), as rows of the role's oid, grant_id and capability, by oid. */
static void
find_waiting(void)
{
	static AkQuery query = {
		"SELECT u.oid, a.grant_id, a.capability FROM apikeys.access a "
		"JOIN pg_catalog.pg_authid u ON u.rolname OPERATOR(pg_catalog.=) a.role "
		"WHERE NOT EXISTS (SELECT FROM apikeys.access_role r WHERE r.grant_id OPERATOR(pg_catalog.=) a.grant_id) "
		"AND ($1 IS NULL OR a.workspace OPERATOR(pg_catalog.=) $1) ORDER BY u.oid",
		1, {TEXTOID}, NULL
	};
	const char *bound = ak_bound_workspace();
	Datum		args[1] = {bound ? CStringGetTextDatum(bound) : (Datum) 0};

	ak_query(&query, args, bound ? NULL : "n", AK_SEE_LATEST);
}

static Oid
waiting_role(SPITupleTable *waiting, uint64 row)
{
	bool		isnull;

	return DatumGetObjectId(SPI_getbinval(waiting->vals[row], waiting->tupdesc, 1, &isnull));
}

/* The entry of regrant_access(), which names the roles. */
static void
tell_regrant(uint64 count, const char *roles)
{
	AkEntry		entry = {0};

	entry.workspace = ak_bound_workspace();
	entry.entity = "Access";
	entry.action = "Update";
	entry.activity = psprintf("Granted again what a restore brought back: " UINT64_FORMAT " %s",
							  count, count == 1 ? "access" : "accesses");
	entry.changes = psprintf("{\"accesses\": " UINT64_FORMAT ", \"roles\": [%s]}", count, roles);
	ak_write_entry(&entry);
}

/*
 * regrant_access() -> integer
 *
 * Says of every access that came out of a dump, or from a publisher, that the
 * role of its name is meant, where there is one, and gives the privileges;
 * within apikeys.workspace, of that one's.  Returns how many.  42501 without
 * "admin" in all workspaces.  Waits for transactions that grant to one of these
 * roles or revoke from it.  The transaction cannot be prepared.
 */
Datum
ak_regrant_access(PG_FUNCTION_ARGS)
{
	AkCaller	caller;
	SPITupleTable *waiting;
	uint64		count;
	StringInfoData roles;

	PreventCommandIfReadOnly("regrant_access()");
	ak_require(AK_ADMIN, NULL);
	ak_refuse_prepare("regrant_access");
	ak_become_owner(&caller);
	SPI_connect();

	/* all roles before the privileges, which others lock after a role */
	find_waiting();
	waiting = SPI_tuptable;
	count = SPI_processed;
	for (uint64 i = 0; i < count; i++)
		if (i == 0 || waiting_role(waiting, i) != waiting_role(waiting, i - 1))
			ak_lock_role(waiting_role(waiting, i));

	/* under the locks, what others did not confirm or revoke meanwhile */
	find_waiting();
	waiting = SPI_tuptable;
	count = SPI_processed;
	initStringInfo(&roles);
	for (uint64 i = 0; i < count; i++)
	{
		Oid			role = waiting_role(waiting, i);
		int			give = 0;

		escape_json(&roles, GetUserNameFromId(role, false));
		for (;; i++)
		{
			bool		isnull;

			set_role(SPI_getbinval(waiting->vals[i], waiting->tupdesc, 2, &isnull), role);
			give |= ak_capability_allows(TextDatumGetCString(SPI_getbinval(waiting->vals[i], waiting->tupdesc, 3, &isnull)));
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
	ak_become_caller(&caller);
	PG_RETURN_INT32((int32) count);
}

/* The roles whose accesses bear another name than theirs, or that are gone, as an array in the caller's context. */
static Oid *
outdated_roles(MemoryContext context, uint64 *count)
{
	static AkQuery query = {
		"SELECT DISTINCT r.roleid FROM apikeys.access_role r "
		"JOIN apikeys.access a ON a.grant_id OPERATOR(pg_catalog.=) r.grant_id "
		"LEFT JOIN pg_catalog.pg_authid u ON u.oid OPERATOR(pg_catalog.=) r.roleid "
		"WHERE u.oid IS NULL OR u.rolname OPERATOR(pg_catalog.<>) a.role ORDER BY 1",
		0, {0}, NULL
	};
	Oid		   *roles;

	ak_query(&query, NULL, NULL, AK_SEE_LATEST);
	*count = SPI_processed;
	roles = MemoryContextAlloc(context, Max(1, *count) * sizeof(Oid));
	for (uint64 i = 0; i < *count; i++)
		roles[i] = waiting_role(SPI_tuptable, i);
	return roles;
}

/*
 * The worker's job: gives the accesses of renamed roles the new names, and
 * removes those of dropped ones, role by role.  One that somebody grants to at
 * the moment has its turn next time.
 */
AkJobNext
ak_access_job(void)
{
	static AkQuery orphans = {
		"DELETE FROM apikeys.access_role r "
		"WHERE NOT EXISTS (SELECT FROM apikeys.access a WHERE a.grant_id OPERATOR(pg_catalog.=) r.grant_id)",
		0, {0}, NULL
	};
	MemoryContext context = CurrentMemoryContext;
	Oid		   *roles = NULL;
	uint64		count = 0;

	if (!ak_job_begin())
		return AK_JOB_IDLE;
	/* a subscriber's accesses are kept where they come from */
	if (!ak_is_subscriber())
	{
		roles = outdated_roles(context, &count);
		/* accesses that direct SQL removed */
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
