/*-------------------------------------------------------------------------
 *
 * drop_workspace.c
 *	  Remove a workspace: drop_workspace().
 *
 * Its keys must be archived before, which stops every client at a moment that
 * somebody chose.  Then everything that belongs to it goes in one transaction:
 * archived keys, team members, accesses with the privileges that only they
 * needed, and the workspace itself.  Each writes the entry that direct SQL would
 * write, and all tell the same actor and team; the last one names the keys, as an
 * archive limit does.  The log stays.
 *
 * Locks, until the end of the transaction: the roles that have access there, as
 * grant_access() takes them, then the workspace, which keeps new keys, members
 * and accesses out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/action.h"
#include "audit/changes.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/lock.h"
#include "core/query.h"
#include "registry/privilege.h"

PG_FUNCTION_INFO_V1(ak_drop_workspace);

/* A role that has access in the workspace, and the capabilities that it loses there, as bits */
typedef struct AkLosing
{
	Oid role;
	int take;
} AkLosing;

/* Returns the roles with access in a workspace, ordered by OID, as of the latest commit. */
static AkLosing *
find_roles(Datum workspace, MemoryContext context, int *count)
{
	static AkQuery query = {"SELECT r.roleid, a.capability FROM apikeys_internal.access_role r "
							"JOIN apikeys.access a ON a.grant_id = r.grant_id WHERE a.workspace = $1 ORDER BY 1",
							1,
							{TEXTOID},
							NULL};
	AkLosing *roles;

	*count = 0;
	ak_query(&query, &workspace, NULL, AK_SEE_LATEST);
	roles = MemoryContextAlloc(context, Max(1, SPI_processed) * sizeof(AkLosing));
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;
		Oid role = DatumGetObjectId(ak_query_result(i, 1, &isnull));

		if (*count == 0 || roles[*count - 1].role != role)
			roles[(*count)++] = (AkLosing){.role = role, .take = 0};
		roles[*count - 1].take |= ak_capability_allows(TextDatumGetCString(ak_query_result(i, 2, &isnull)));
	}
	return roles;
}

/* Removes team members and accesses of a workspace, and the privileges that these gave. */
static void
remove_people(Datum workspace, const AkActor *actor, MemoryContext context, Oid userid)
{
	static AkQuery members = {"DELETE FROM apikeys.team_member WHERE workspace = $1", 1, {TEXTOID}, NULL};
	static AkQuery accesses = {"WITH gone AS (DELETE FROM apikeys.access WHERE workspace = $1 RETURNING grant_id) "
							   "DELETE FROM apikeys_internal.access_role r USING gone WHERE r.grant_id = gone.grant_id",
							   1,
							   {TEXTOID},
							   NULL};
	AkAction of_members = {.table = AK_TEAM_MEMBER, .why = "went with the workspace", .actor = actor};
	AkAction of_accesses = {.table = AK_ACCESS, .why = "went with the workspace", .actor = actor};
	AkLosing *roles;
	int count;

	ak_act(&of_members, &members, &workspace, NULL, AK_SEE_LATEST);
	roles = find_roles(workspace, context, &count);
	ak_act(&of_accesses, &accesses, &workspace, NULL, AK_SEE_LATEST);
	for (int i = 0; i < count; i++)
		if (SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(roles[i].role)))
			ak_change_privileges(roles[i].role, 0, roles[i].take, false, userid);
}

/*
 * Removes the archived keys of a workspace.  Returns them as the member
 * "evicted" of an entry's changes; NULL if there were none.
 */
static char *
remove_keys(Datum workspace, MemoryContext context)
{
	static AkQuery query = {"DELETE FROM apikeys.key WHERE workspace = $1 AND archived_at IS NOT NULL "
							"RETURNING key_id, name",
							1,
							{TEXTOID},
							NULL};
	static const AkAction action = {.table = AK_KEY, .verb = AK_VERB_DROP};
	StringInfoData evicted;
	MemoryContext spi;

	ak_act(&action, &query, &workspace, NULL, AK_SEE_LATEST);
	if (SPI_processed == 0)
		return NULL;
	spi = MemoryContextSwitchTo(context);
	initStringInfo(&evicted);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];

		ak_append_evicted(&evicted, (int) i, SPI_getvalue(row, SPI_tuptable->tupdesc, 1),
						  SPI_getvalue(row, SPI_tuptable->tupdesc, 2));
	}
	appendStringInfoChar(&evicted, ']');
	MemoryContextSwitchTo(spi);
	return evicted.data;
}

/*
 * drop_workspace(workspace text) -> text
 *
 * Returns its name.  Raises 42704 if there is none, 2BP01 if it has keys that
 * are not archived, 55000 for "default", 22004, 42501 without "admin" in all
 * workspaces, and what a user's foreign key on a key raises.  Waits for
 * transactions that add something to the workspace, or change the rights of one
 * of its roles.  The transaction cannot be prepared.
 */
Datum
ak_drop_workspace(PG_FUNCTION_ARGS)
{
	static AkQuery used = {"SELECT count(*) FROM apikeys.key WHERE workspace = $1 AND archived_at IS NULL",
						   1,
						   {TEXTOID},
						   NULL};
	static AkQuery query = {"DELETE FROM apikeys.workspace WHERE workspace = $1", 1, {TEXTOID}, NULL};
	MemoryContext context = CurrentMemoryContext;
	AkAction action = {.table = AK_WORKSPACE};
	AkWorkspace settings;
	AkActor actor;
	AkCaller caller;
	AkLosing *roles;
	Datum args[1];
	char *workspace;
	int64 active;
	int count;
	bool isnull;

	ak_require(AK_ADMIN, NULL);
	workspace = ak_text_argument(fcinfo, 0, "workspace");
	ak_refuse_read_only(fcinfo);
	args[0] = PG_GETARG_DATUM(0);
	ak_check_workspace_argument(workspace);
	ak_require_workspace_settings(AK_ADMIN, workspace, &settings);
	ak_refuse_prepare("drop_workspace");
	/* the membership that gives the actor a team goes, too */
	ak_current_actor(workspace, NULL, &actor);
	action.actor = &actor;

	ak_owner_begin(&caller, AK_TO_MANAGE);
	SPI_connect();
	roles = find_roles(args[0], context, &count);
	for (int i = 0; i < count; i++)
		ak_lock_role(roles[i].role);
	ak_lock_object(AK_WORKSPACE, workspace, ExclusiveLock);
	ak_query(&used, args, NULL, AK_SEE_LATEST);
	active = DatumGetInt64(ak_query_result(0, 1, &isnull));
	if (active > 0)
		ak_in_use(errmsg("workspace \"%s\" is still in use", workspace),
				  errdetail_plural("It has " INT64_FORMAT " key that is not archived.",
								   "It has " INT64_FORMAT " keys that are not archived.", active, active),
				  errhint("Archive them first, with apikeys.archive_key()."));
	action.details = remove_keys(args[0], context);
	remove_people(args[0], &actor, context, caller.userid);
	ak_act(&action, &query, args, NULL, AK_SEE_LATEST);
	if (SPI_processed == 0)
	{
		if (!ak_workspace_settings(workspace, &settings))
			ak_not_found(errmsg("workspace \"%s\" does not exist", workspace));
		ak_refused_by_trigger("apikeys.workspace", "deletion");
	}
	SPI_finish();
	ak_owner_end(&caller);
	PG_RETURN_DATUM(args[0]);
}
