/*-------------------------------------------------------------------------
 *
 * scope.c
 *	  What a role may do in which workspaces, kept per backend.
 *
 * PostgreSQL's privileges decide whether a role may call a function or read a
 * view at all; the table apikeys.access decides for which workspaces.  Both are
 * needed: a row of the table without the GRANT has no effect, and a GRANT without a
 * row is refused (access.c).  The extension's owner, the members of that role and
 * superusers may do everything.  Members of pg_monitor have the capability
 * "monitor" in all workspaces.
 *
 * The role of a row is recorded in apikeys_internal.access_role, by its OID.  A row
 * without that, out of a dump or from a publisher, allows nothing until it is
 * granted again (grant.c).  Nor does a row count if its role does not itself hold
 * USAGE on our schema, as after DROP OWNED: a new role that happens to get the OID
 * of a dropped one does not hold it.
 *
 * What the current role may do is cached, because every validation needs it.  The
 * cache is invalidated by changes of apikeys.access and access_role (a trigger
 * invalidates the table's relation cache entry), of roles, of memberships and of
 * schemas, when they commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_namespace.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "access/accessrow.h"
#include "access/scope.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"

PG_FUNCTION_INFO_V1(ak_invalidate);

/* The capabilities, in the order of AkCapability, with all that each of them includes */
static const struct
{
	const char *name;
	int allows;
} capabilities[] = {
	{"validate", AK_VALIDATE},
	{"view", AK_VIEW},
	{"manage", AK_MANAGE | AK_VIEW | AK_VALIDATE},
	{"audit", AK_AUDIT},
	{"admin", AK_VALIDATE | AK_VIEW | AK_MANAGE | AK_AUDIT | AK_ADMIN | AK_MONITOR},
	{"monitor", AK_MONITOR},
};

/* The id of a workspace, not NUL-terminated */
typedef struct AkScopedName
{
	const char *data;
	size_t len;
} AkScopedName;

/* What a role may do in one workspace */
typedef struct AkScopedWorkspace
{
	AkScopedName name;
	int may;
	char status; /* simplehash's own */
} AkScopedWorkspace;

#define SH_PREFIX            scoped
#define SH_ELEMENT_TYPE      AkScopedWorkspace
#define SH_KEY_TYPE          AkScopedName
#define SH_KEY               name
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) (key).data, (int) (key).len)
#define SH_EQUAL(tb, a, b)   ((a).len == (b).len && memcmp((a).data, (b).data, (a).len) == 0)
#define SH_SCOPE             static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* What a role may do: in all workspaces, and in single ones as well */
typedef struct AkScope
{
	bool valid;
	Oid userid;
	int everywhere;
	int anywhere;            /* everywhere, or in at least one workspace */
	bool waiting;            /* an access of the role waits for regrant_access() */
	scoped_hash *workspaces; /* in scope_context; NULL: none */
} AkScope;

static AkScope kept_scope;
static MemoryContext scope_context = NULL;
static uint64 invalidation_count = 0; /* for load_scope() to notice an invalidation meanwhile */

static void
forget_scope(void)
{
	kept_scope.valid = false;
	invalidation_count++;
}

static void
access_changed(Oid relid)
{
	if (relid == InvalidOid || ak_is_relation(relid, AK_ACCESS) || ak_is_relation(relid, AK_ACCESS_ROLE))
		forget_scope();
}

static void
roles_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_scope();
}

/* Called once, from _PG_init. */
void
ak_scope_init(void)
{
	ak_on_relation_change(access_changed);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, roles_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, roles_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, roles_changed, (Datum) 0);
	/* the owner of the database is a member of pg_database_owner */
	CacheRegisterSyscacheCallback(DATABASEOID, roles_changed, (Datum) 0);
}

/* Returns, as bits, all capabilities that the one of that name includes; 0 for an unknown name. */
int
ak_capability_allows(const char *name)
{
	for (int i = 0; i < (int) lengthof(capabilities); i++)
		if (strcmp(capabilities[i].name, name) == 0)
			return capabilities[i].allows;
	return 0;
}

/* Returns the name of a capability; of several, that of the first. */
const char *
ak_capability_name(AkCapability capability)
{
	return capabilities[pg_rightmost_one_pos32(capability)].name;
}

/* Adds what an access row allows to the scope being loaded. */
static void
add_to_scope(AkScope *loaded, int may, const char *workspace)
{
	AkScopedName name = {.data = workspace};
	AkScopedWorkspace *entry;
	bool found;

	loaded->anywhere |= may;
	if (workspace == NULL)
	{
		loaded->everywhere |= may;
		return;
	}
	if (loaded->workspaces == NULL)
		loaded->workspaces = scoped_create(scope_context, 8, NULL);
	name.len = strlen(workspace);
	entry = scoped_insert(loaded->workspaces, name, &found);
	if (!found)
	{
		entry->name.data = MemoryContextStrdup(scope_context, workspace);
		entry->may = 0;
	}
	entry->may |= may;
}

/* Returns the ACL of our schema; NULL: only its owner has privileges. */
static Acl *
schema_acl(void)
{
	HeapTuple tuple = SearchSysCache1(NAMESPACENAME, CStringGetDatum("apikeys"));
	Datum acl;
	bool isnull;
	Acl *result = NULL;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	acl = SysCacheGetAttr(NAMESPACENAME, tuple, Anum_pg_namespace_nspacl, &isnull);
	if (!isnull)
		result = DatumGetAclPCopy(acl);
	ReleaseSysCache(tuple);
	return result;
}

/* Returns true if the schema's USAGE was granted to the role itself, not only to one that it is a member of. */
static bool
holds_usage(const Acl *acl, Oid role)
{
	for (int i = 0; acl != NULL && i < ACL_NUM(acl); i++)
		if (ACL_DAT(acl)[i].ai_grantee == role && (ACLITEM_GET_PRIVS(ACL_DAT(acl)[i]) & ACL_USAGE) != 0)
			return true;
	return false;
}

/* Loads what the current role may do, as of the latest commit.  Raises 42P01 if the extension is gone. */
static void
load_scope(Oid userid)
{
	AkScope loaded = {.userid = userid};
	uint64 seen = invalidation_count;

	kept_scope.valid = false;
	if (scope_context == NULL)
		scope_context = AllocSetContextCreate(TopMemoryContext, "apikeys access", ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(scope_context);

	if (superuser_arg(userid) || has_privs_of_role(userid, ak_extension_owner()))
		loaded.everywhere = loaded.anywhere = ak_capability_allows("admin");
	else
	{
		AkAccessScan accesses;
		Acl *acl = schema_acl();

		ak_begin_accesses(&accesses);
		while (ak_next_access(&accesses))
		{
			if (!OidIsValid(accesses.role) || !has_privs_of_role(userid, accesses.role))
				continue;
			if (accesses.waiting)
				loaded.waiting = true;
			else if (holds_usage(acl, accesses.role))
				add_to_scope(&loaded, ak_capability_allows(accesses.capability), accesses.workspace);
		}
		ak_end_accesses(&accesses);
		if (has_privs_of_role(userid, ROLE_PG_MONITOR))
			add_to_scope(&loaded, AK_MONITOR, NULL);
	}

	kept_scope = loaded;
	kept_scope.valid = (seen == invalidation_count);
}

/* Returns what the current role may do, as of the last check. */
static inline const AkScope *
last_scope(void)
{
	Oid userid = GetUserId();

	if (unlikely(!kept_scope.valid || kept_scope.userid != userid))
		load_scope(userid);
	return &kept_scope;
}

/* Returns what the current role may do, as of the latest commit. */
static const AkScope *
current_scope(void)
{
	/* so that a long transaction, too, notices a revoked access at once */
	AcceptInvalidationMessages();
	return last_scope();
}

static bool
scope_allows(const AkScope *may, AkCapability capability, const char *workspace, size_t len)
{
	AkScopedName name = {workspace, len};
	AkScopedWorkspace *entry;

	if (may->everywhere & capability)
		return true;
	if (workspace == NULL || may->workspaces == NULL)
		return false;
	entry = scoped_lookup(may->workspaces, name);
	return entry != NULL && (entry->may & capability) != 0;
}

/*
 * Returns true if the current role has the capability in that workspace; NULL: in
 * all workspaces.  As of the latest commit; ignores apikeys.workspace.  Raises 42P01
 * if the extension is gone.
 */
bool
ak_may(AkCapability capability, const char *workspace)
{
	return scope_allows(current_scope(), capability, workspace, workspace ? strlen(workspace) : 0);
}

/*
 * The same for a workspace that is not NUL-terminated, as of the last check:
 * for a caller that has called ak_may() in the same SQL function call already.
 */
bool
ak_may_still(AkCapability capability, const char *workspace, size_t len)
{
	return scope_allows(last_scope(), capability, workspace, len);
}

/* Returns true if the current role has the capability in at least one workspace. */
bool
ak_may_anywhere(AkCapability capability)
{
	return (current_scope()->anywhere & capability) != 0;
}

/* Returns true if the current role has any capability in that workspace. */
bool
ak_may_something(const char *workspace)
{
	return ak_may(AK_VALIDATE, workspace) || ak_may(AK_VIEW, workspace) || ak_may(AK_AUDIT, workspace) ||
		   ak_may(AK_MONITOR, workspace);
}

/*
 * Returns true if a role, one that it is a member of, or a member of it has an
 * access where the current role is no admin.  A membership that is only for
 * granting does not count.  An access that waits for regrant_access() counts, and
 * so does one whose privileges the role does not hold: both may become effective
 * again.
 */
bool
ak_has_access_elsewhere(Oid role)
{
	AkAccessScan accesses;
	bool found = superuser_arg(role) || has_privs_of_role(role, ak_extension_owner());

	(void) current_scope();
	ak_begin_accesses(&accesses);
	while (!found && ak_next_access(&accesses))
		found = OidIsValid(accesses.role) &&
				!scope_allows(last_scope(), AK_ADMIN, accesses.workspace,
							  accesses.workspace ? strlen(accesses.workspace) : 0) &&
				(can_use_role_compat(role, accesses.role) || can_use_role_compat(accesses.role, role));
	ak_end_accesses(&accesses);
	return found;
}

/* Returns true if an access of the current role, as of the last check, waits for regrant_access(). */
bool
ak_awaits_regrant(void)
{
	return last_scope()->waiting;
}

/*
 * Returns the workspaces, as a list of text, in which accesses to single workspaces
 * give the current role the capability.  As of the latest commit.
 */
List *
ak_single_workspaces(AkCapability capability)
{
	const AkScope *may = current_scope();
	List *found = NIL;
	scoped_iterator each;
	AkScopedWorkspace *entry;

	if (may->workspaces == NULL)
		return NIL;
	scoped_start_iterate(may->workspaces, &each);
	while ((entry = scoped_iterate(may->workspaces, &each)) != NULL)
		if (entry->may & capability)
			found = lappend(found, cstring_to_text_with_len(entry->name.data, (int) entry->name.len));
	return found;
}

/*
 * Trigger AFTER INSERT OR UPDATE OR DELETE of access, access_role, api and
 * workspace, each row: at commit, every backend forgets what it caches of the table.
 * Raises 39P01 if it is called in another way.
 */
Datum
ak_invalidate(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ak_no_trigger_call("invalidate", "a row trigger");
	CacheInvalidateRelcache(trigdata->tg_relation);
	/* this transaction sees its own change */
	forget_scope();
	PG_RETURN_POINTER(NULL);
}
