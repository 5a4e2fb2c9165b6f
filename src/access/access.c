/*-------------------------------------------------------------------------
 *
 * access.c
 *	  What a role may do, and in which workspaces.
 *
 * PostgreSQL's privileges decide whether a role may call a function or read a
 * view at all; the table apikeys.access decides for which workspaces.  Both are
 * needed: a row of the table without the GRANT has no effect, and a GRANT
 * without a row is refused here.  The extension's owner, its members and
 * superusers may do everything.  Members of pg_monitor have the capability
 * "monitor" in all workspaces.
 *
 * The role of a row is recorded in apikeys_internal.access_role, by its OID.  A row
 * without that, out of a dump or from a publisher, allows nothing until it is
 * granted again (grant.c).  Nor does a row count if its role does not itself
 * hold USAGE on our schema, as after DROP OWNED: a new role that happens to get
 * the OID of a dropped one does not hold it.
 *
 * What the current user may do is cached per backend, because every validation
 * needs it.  The cache is invalidated by changes of apikeys.access and
 * access_role (a trigger invalidates the table's relation cache entry), of
 * roles, of memberships and of schemas, when they commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
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

#include "access/access.h"
#include "access/accessrow.h"
#include "access/context.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/textarray.h"

#define WORKSPACES_LISTED 10 /* in a hint */

PG_FUNCTION_INFO_V1(ak_visible_workspaces_sql);
PG_FUNCTION_INFO_V1(ak_sees_everywhere_sql);
PG_FUNCTION_INFO_V1(ak_only_workspace);
PG_FUNCTION_INFO_V1(ak_several_workspaces);
PG_FUNCTION_INFO_V1(ak_invalidate);

/* Capabilities by name, with all capabilities that each of them includes */
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

/* A workspace's id, not NUL-terminated */
typedef struct AkScopedName
{
	const char *data;
	size_t len;
} AkScopedName;

/* What one role may do in one workspace */
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

/* What one role may do: in all workspaces, and besides in single ones */
typedef struct AkScope
{
	bool valid;
	Oid userid;
	int everywhere;
	int anywhere;            /* everywhere, or in at least one workspace */
	bool waiting;            /* an access waits for regrant_access() */
	scoped_hash *workspaces; /* in scope_context; NULL: none */
} AkScope;

static AkScope kept_scope;
static MemoryContext scope_context = NULL;
static uint64 invalidation_count = 0; /* their number, for a reload to notice new ones */

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
ak_access_init(void)
{
	ak_on_relation_change(access_changed);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, roles_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, roles_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, roles_changed, (Datum) 0);
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

/*
 * Loads what the current user may do, as of the latest commit.
 */
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

static inline const AkScope *
last_scope(void)
{
	Oid userid = GetUserId();

	if (unlikely(!kept_scope.valid || kept_scope.userid != userid))
		load_scope(userid);
	return &kept_scope;
}

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
 * Returns true if the current user has the capability in that workspace; NULL:
 * in all workspaces.  As of the latest commit; ignores apikeys.workspace.
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

/* Returns true if the current user has any capability in that workspace. */
bool
ak_may_something(const char *workspace)
{
	return ak_may(AK_VALIDATE, workspace) || ak_may(AK_VIEW, workspace) || ak_may(AK_AUDIT, workspace) ||
		   ak_may(AK_MONITOR, workspace);
}

/*
 * Returns true if a role has access, itself, by membership or through a member,
 * where the current user is no admin.  An access that waits for
 * regrant_access() counts, and so does one whose privileges the role does not
 * hold: both may become effective again.
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
				(is_member_of_role_nosuper(role, accesses.role) || is_member_of_role_nosuper(accesses.role, role));
	ak_end_accesses(&accesses);
	return found;
}

/* The same as ak_may(), but only within the setting apikeys.workspace. */
bool
ak_sees(AkCapability capability, const char *workspace)
{
	const char *bound = ak_bound_workspace();

	if (bound != NULL && (workspace == NULL || strcmp(bound, workspace) != 0))
		return false;
	return ak_may(capability, workspace);
}

/* Returns the hint of how the current user can get the access that was refused. */
static const char *
access_hint(void)
{
	return last_scope()->waiting
			   ? "What was granted before a restore holds again when apikeys.regrant_access() says so."
			   : "apikeys.grant_access() gives it.";
}

/* Raises 42501 unless the current user has the capability in that workspace (NULL: in all). */
void
ak_require(AkCapability capability, const char *workspace)
{
	if (ak_may(capability, workspace))
		return;
	if (workspace != NULL)
		ak_denied(errmsg("permission denied for workspace \"%s\"", ak_quoted(workspace)),
				  errdetail("The capability \"%s\" is needed.", ak_capability_name(capability)),
				  errhint("%s", access_hint()));
	ak_denied(errmsg("permission denied for all workspaces"),
			  errdetail("The capability \"%s\" is needed, without a workspace.", ak_capability_name(capability)),
			  errhint("%s", access_hint()));
}

/* Returns the first of the workspaces in which the current user has any capability, for a hint. */
static char *
some_workspaces(void)
{
	StringInfoData list;
	int count;
	Datum *elements = ak_text_elements(ak_visible_workspaces(AK_ANY), &count);
	int listed = 0;

	initStringInfo(&list);
	for (int i = 0; i < count && listed <= WORKSPACES_LISTED; i++)
	{
		char *name = TextDatumGetCString(elements[i]);

		/* '' stands for rows without a workspace */
		if (name[0] == '\0')
			continue;
		if (listed++ > 0)
			appendStringInfoString(&list, ", ");
		appendStringInfoString(&list, listed > WORKSPACES_LISTED ? "..." : name);
	}
	return list.data;
}

/*
 * The same for a workspace argument: raises 42704 if the workspace does not
 * exist or the caller has no capability in it, 42501 if it lacks this one.
 */
void
ak_require_workspace(AkCapability capability, const char *workspace)
{
	AkWorkspace settings;

	ak_require_workspace_settings(capability, workspace, &settings);
}

/* The same, and returns the workspace's settings. */
void
ak_require_workspace_settings(AkCapability capability, const char *workspace, AkWorkspace *settings)
{
	if (!ak_may_something(workspace) || !ak_workspace_settings(workspace, settings))
	{
		char *there_are = ak_bound_workspace() ? NULL : some_workspaces();

		ak_not_found(errmsg("workspace \"%s\" does not exist", ak_quoted(workspace)),
					 there_are == NULL      ? errhint("The setting apikeys.workspace names it.")
					 : there_are[0] != '\0' ? errhint("Workspaces that you may use: %s.", there_are)
											: errhint("apikeys.grant_access() lets you use one."));
	}
	ak_require(capability, workspace);
}

/* Raises 42501 unless the current user has the capability in at least one workspace. */
void
ak_require_anywhere(AkCapability capability)
{
	if ((current_scope()->anywhere & capability) == 0)
		ak_denied(errmsg("permission denied in every workspace"),
				  errdetail("The capability \"%s\" is needed.", ak_capability_name(capability)),
				  errhint("%s", access_hint()));
}

/* Returns the capability that an argument names.  Raises 22023 for an unknown name. */
static AkCapability
capability_argument(const text *argument)
{
	char *name = text_to_cstring(argument);

	for (int i = 0; i < (int) lengthof(capabilities); i++)
		if (strcmp(capabilities[i].name, name) == 0)
			return 1 << i;
	ak_bad_argument("capability", errmsg("unknown capability \"%s\"", ak_quoted(name)));
}

/* Returns true if the current user has the capability in all workspaces, and apikeys.workspace is not set. */
bool
ak_sees_everywhere(AkCapability capability)
{
	return ak_bound_workspace() == NULL && ak_may(capability, NULL);
}

/*
 * Returns the workspaces, as a list of text, in which the current user has the
 * capability, within apikeys.workspace; NIL if ak_sees_everywhere().
 */
static List *
single_workspaces(AkCapability capability)
{
	const char *bound = ak_bound_workspace();
	List *found = NIL;

	if (bound != NULL)
	{
		if (ak_may(capability, bound))
			found = lappend(found, cstring_to_text(bound));
	}
	else if (!ak_may(capability, NULL))
	{
		const AkScope *may = current_scope();
		scoped_iterator each;
		AkScopedWorkspace *entry;

		if (may->workspaces == NULL)
			return NIL;
		scoped_start_iterate(may->workspaces, &each);
		while ((entry = scoped_iterate(may->workspaces, &each)) != NULL)
			if (entry->may & capability)
				found = lappend(found, cstring_to_text_with_len(entry->name.data, (int) entry->name.len));
	}
	return found;
}

/*
 * Returns the workspace in which a function creates something: its argument, or
 * if that is NULL the setting's; without the setting the caller's only one, if
 * it has the capability in just one, else "default".  Raises 42501 if argument
 * and setting disagree.
 */
char *
ak_target_workspace(AkCapability capability, const char *workspace)
{
	List *found;

	ak_check_workspace_argument(workspace);
	if (workspace != NULL)
		return pstrdup(workspace);
	if (ak_bound_workspace() != NULL)
		return pstrdup(ak_bound_workspace());
	found = single_workspaces(capability);
	return list_length(found) == 1 ? text_to_cstring(linitial(found)) : pstrdup("default");
}

static int
text_order(const ListCell *a, const ListCell *b)
{
	const text *x = lfirst(a);
	const text *y = lfirst(b);
	int order = memcmp(VARDATA_ANY(x), VARDATA_ANY(y), Min(VARSIZE_ANY_EXHDR(x), VARSIZE_ANY_EXHDR(y)));

	return order != 0 ? order : (int) VARSIZE_ANY_EXHDR(x) - (int) VARSIZE_ANY_EXHDR(y);
}

/* Returns texts as a sorted text[]. */
static Datum
sorted_array(List *texts)
{
	Datum *elements = palloc(Max(1, list_length(texts)) * sizeof(Datum));
	int count = 0;
	ListCell *cell;

	list_sort(texts, text_order);
	foreach(cell, texts)
		elements[count++] = PointerGetDatum(lfirst(cell));
	return ak_text_array(elements, count);
}

/*
 * Returns the workspaces, a text[], in which the current user has a capability,
 * within apikeys.workspace; '' stands for rows without a workspace.  As of the
 * latest commit.
 */
Datum
ak_visible_workspaces(AkCapability capability)
{
	List *found = single_workspaces(capability);

	if (ak_sees_everywhere(capability))
	{
		Relation rel = ak_table_open(AK_WORKSPACE, AccessShareLock);
		SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
		HeapTuple tuple;
		bool isnull;

		found = list_make1(cstring_to_text(""));
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
			found = lappend(found, DatumGetTextPCopy(
									   heap_getattr(tuple, Anum_workspace_workspace, RelationGetDescr(rel), &isnull)));
		systable_endscan(scan);
		table_close(rel, AccessShareLock);
	}
	return sorted_array(found);
}

/* visible_workspaces(capability text) -> text[].  22023 for an unknown capability. */
Datum
ak_visible_workspaces_sql(PG_FUNCTION_ARGS)
{
	return ak_visible_workspaces(capability_argument(PG_GETARG_TEXT_PP(0)));
}

/*
 * For the views.  Each view has three arms, of which at most one returns rows,
 * so that each arm is planned for its case: all workspaces, in the order of an
 * index; one workspace, with its own statistics, again in the order of an
 * index; or several workspaces.
 *
 * sees_everywhere(capability text) -> boolean
 * only_workspace(capability text) -> text, NULL unless there is just one
 * several_workspaces(capability text) -> text[], NULL unless there are several
 *
 * As of the latest commit, within apikeys.workspace.  22023 for an unknown
 * capability.
 */
Datum
ak_sees_everywhere_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ak_sees_everywhere(capability_argument(PG_GETARG_TEXT_PP(0))));
}

Datum
ak_only_workspace(PG_FUNCTION_ARGS)
{
	List *found = single_workspaces(capability_argument(PG_GETARG_TEXT_PP(0)));

	if (list_length(found) != 1)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(linitial(found));
}

Datum
ak_several_workspaces(PG_FUNCTION_ARGS)
{
	List *found = single_workspaces(capability_argument(PG_GETARG_TEXT_PP(0)));

	if (list_length(found) < 2)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(sorted_array(found));
}

/*
 * Row trigger of access, access_role and api: at commit, every backend drops
 * what it caches of the table.
 */
Datum
ak_invalidate(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ak_no_trigger_call("invalidate", "a row trigger");
	CacheInvalidateRelcache(trigdata->tg_relation);
	/* our own transaction sees its own change */
	forget_scope();
	PG_RETURN_POINTER(NULL);
}
