/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  OIDs of our tables, looked up once and forgotten when they change.
 *
 * Relations are found by name.  In a database without the extension, any role that
 * may create schemas can create ones of our names.  Since code that acts as a
 * superuser works on what is found here, a relation counts only if the extension
 * exists, the schema is a member of it, and the relation belongs to the extension's
 * owner and is of the right kind.  ak_lock_extension() keeps the extension from
 * being dropped and replaced while code acts as its owner.
 *
 * A backend may outlive the extension: DROP EXTENSION and CREATE EXTENSION in
 * another session give every table a new OID.  Dropping a table sends a
 * relation cache invalidation for its OID; the callback then forgets all OIDs,
 * and ak_table_open() looks again if the table was dropped between the look-up
 * and the lock.  Code that caches something derived from our relations compares
 * ak_catalog_generation(), which every new look-up changes.
 *
 * The library and the extension may be of different versions, after make
 * install or ALTER EXTENSION UPDATE.  They work together as long as the layout
 * (catalog.h) is the same; every look-up checks it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "core/catalog.h"
#include "core/columns.h"
#include "core/compat.h"
#include "core/errors.h"

typedef enum AkSchema
{
	AK_FACE,     /* apikeys: what callers use, and the tables that are published */
	AK_INTERNAL, /* apikeys_internal: all else */
	AK_SCHEMA_COUNT
} AkSchema;

static const char *const schema_names[AK_SCHEMA_COUNT] = {[AK_FACE] = "apikeys", [AK_INTERNAL] = "apikeys_internal"};

typedef struct AkRelationName
{
	AkSchema schema;
	const char *name;
} AkRelationName;

static const AkRelationName relation_names[AK_RELATION_COUNT] = {
	[AK_WORKSPACE] = {AK_FACE, "workspace"},
	[AK_API] = {AK_FACE, "api"},
	[AK_KEY] = {AK_FACE, "key"},
	[AK_TEAM_MEMBER] = {AK_FACE, "team_member"},
	[AK_ACCESS] = {AK_FACE, "access"},
	[AK_AUDIT_LOG] = {AK_FACE, "audit_log"},
	[AK_AUDIT_TREE] = {AK_FACE, "audit_tree"},
	[AK_AUDIT_SIZE] = {AK_FACE, "audit_size"},
	[AK_AUDIT_PENDING] = {AK_INTERNAL, "audit_pending"},
	[AK_REPORT] = {AK_INTERNAL, "report"},
	[AK_LOCK_SALT] = {AK_INTERNAL, "lock_salt"},
	[AK_ACCESS_ROLE] = {AK_INTERNAL, "access_role"},
	[AK_WORKSPACE_PKEY] = {AK_FACE, "workspace_pkey"},
	[AK_WORKSPACE_LIMITED] = {AK_FACE, "workspace_limited"},
	[AK_API_PKEY] = {AK_FACE, "api_pkey"},
	[AK_KEY_PKEY] = {AK_FACE, "key_pkey"},
	[AK_KEY_HASH] = {AK_FACE, "key_key_hash_key"},
	[AK_KEY_OLD_HASH] = {AK_FACE, "key_old_key_hash"},
	[AK_KEY_ACTIVE] = {AK_FACE, "key_active"},
	[AK_KEY_ACTIVE_NAME] = {AK_FACE, "key_active_name"},
	[AK_KEY_ARCHIVED] = {AK_FACE, "key_archived"},
	[AK_TEAM_MEMBER_PKEY] = {AK_FACE, "team_member_pkey"},
	[AK_AUDIT_LOG_PKEY] = {AK_FACE, "audit_log_pkey"},
	[AK_AUDIT_LOG_KEY_ID] = {AK_FACE, "audit_log_key_id"},
	[AK_AUDIT_LOG_WORKSPACE] = {AK_FACE, "audit_log_workspace"},
	[AK_AUDIT_LOG_TEAM] = {AK_FACE, "audit_log_team"},
	[AK_AUDIT_LOG_ACTOR] = {AK_FACE, "audit_log_actor"},
	[AK_AUDIT_LOG_ENTITY] = {AK_FACE, "audit_log_entity"},
	[AK_AUDIT_LOG_TIME] = {AK_FACE, "audit_log_time"},
	[AK_AUDIT_LOG_SUBJECT] = {AK_FACE, "audit_log_subject"},
	[AK_AUDIT_TREE_PKEY] = {AK_FACE, "audit_tree_pkey"},
	[AK_AUDIT_TREE_AUDIT_ID] = {AK_FACE, "audit_tree_audit_id"},
	[AK_AUDIT_SIZE_PKEY] = {AK_FACE, "audit_size_pkey"},
	[AK_AUDIT_PENDING_PKEY] = {AK_INTERNAL, "audit_pending_pkey"},
	[AK_AUDIT_ID_SEQ] = {AK_INTERNAL, "audit_id_seq"},
	[AK_VERDICT] = {AK_FACE, "verdict"},
	[AK_LAYOUT_TYPE] = {AK_INTERNAL, "layout_" CppAsString2(AK_LAYOUT)},
	[AK_USAGE] = {AK_INTERNAL, "usage"},
	[AK_USAGE_PKEY] = {AK_INTERNAL, "usage_pkey"},
	[AK_QUOTA_USED] = {AK_INTERNAL, "quota_used"},
	[AK_QUOTA_USED_PKEY] = {AK_INTERNAL, "quota_used_pkey"},
};

#define LOOK_UPS_MAX 8 /* attempts in a row */

static Oid relids[AK_RELATION_COUNT];
static Oid extension_oid;
static Oid owner_oid;
static char extension_version[NAMEDATALEN];
static uint32 schema_hashes[AK_SCHEMA_COUNT]; /* of the schemas, in invalidation messages */
static bool relids_valid = false;
static uint64 look_up_number = 0;
static uint64 change_count = 0; /* invalidations while relids are not valid, for a look-up to notice new ones */

/* Forgets all OIDs if the relation is one of ours, or if the message is for all relations. */
static void
forget_relids(Oid relid)
{
	if (!relids_valid)
	{
		change_count++;
		return;
	}
	for (int i = 0; relid != InvalidOid && i < AK_RELATION_COUNT; i++)
	{
		if (relids[i] == relid)
		{
			relids_valid = false;
			return;
		}
	}
	if (relid == InvalidOid)
		relids_valid = false;
}

static void (*change_callbacks[4])(Oid relid);
static int change_callback_count = 0;

/*
 * Registers a function that is called for each invalidation of a relation's cache
 * entry, with InvalidOid for those of all relations.  Called from _PG_init.
 *
 * A process has 10 places for callbacks like these, for PostgreSQL and all its
 * libraries together, and a library that finds no place ends the session.  So
 * all of ours share one: beside Citus, which takes five, four were too many.
 */
void
ak_on_relation_change(void (*callback)(Oid relid))
{
	Assert(change_callback_count < (int) lengthof(change_callbacks));
	change_callbacks[change_callback_count++] = callback;
}

/* Relation cache callback */
static void
relation_changed(Datum arg, Oid relid)
{
	for (int i = 0; i < change_callback_count; i++)
		change_callbacks[i](relid);
}

/* Syscache callback: a schema was changed, perhaps renamed; forgets all OIDs if it may be ours. */
static void
schema_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	if (!relids_valid)
		change_count++;
	else if (hashvalue == 0 || hashvalue == schema_hashes[AK_FACE] || hashvalue == schema_hashes[AK_INTERNAL])
		relids_valid = false;
}

/* Called once, from _PG_init. */
void
ak_catalog_init(void)
{
	CacheRegisterSyscacheCallback(NAMESPACEOID, schema_changed, (Datum) 0);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	ak_on_relation_change(forget_relids);
}

/* Finds the extension: its OID, owner and version.  Returns false when it does not exist. */
static bool
find_extension(void)
{
	Relation rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found;
	bool isnull;
	Datum version;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("apikeys"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found)
	{
		extension_oid = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
		owner_oid = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
		version = heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(rel), &isnull);
		text_to_cstring_buffer(DatumGetTextPP(version), extension_version, sizeof(extension_version));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * Finds the extension's schemas: InvalidOid for one that does not exist, or
 * that is not the extension's.
 */
static void
find_schemas(Oid schemas[AK_SCHEMA_COUNT])
{
	bool exists = find_extension();

	for (int i = 0; i < AK_SCHEMA_COUNT; i++)
	{
		schemas[i] = exists ? get_namespace_oid(schema_names[i], true) : InvalidOid;
		if (!OidIsValid(schemas[i]))
			continue;
		schema_hashes[i] = GetSysCacheHashValue1(NAMESPACEOID, ObjectIdGetDatum(schemas[i]));
		if (getExtensionOfObject(NamespaceRelationId, schemas[i]) != extension_oid)
			schemas[i] = InvalidOid;
	}
}

static char
relation_kind(AkRelation which)
{
	if (which < AK_TABLE_COUNT || which == AK_USAGE || which == AK_QUOTA_USED)
		return RELKIND_RELATION;
	if (which == AK_AUDIT_ID_SEQ)
		return RELKIND_SEQUENCE;
	return which == AK_VERDICT || which == AK_LAYOUT_TYPE ? RELKIND_COMPOSITE_TYPE : RELKIND_INDEX;
}

/* Returns one of our relations in that schema; InvalidOid if it is missing, or has another owner or kind. */
static Oid
find_relation(AkRelation which, Oid schema)
{
	HeapTuple tuple =
		SearchSysCache2(RELNAMENSP, CStringGetDatum(relation_names[which].name), ObjectIdGetDatum(schema));
	Oid relid = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class class = (Form_pg_class) GETSTRUCT(tuple);

		if (class->relowner == owner_oid && class->relkind == relation_kind(which))
			relid = class->oid;
		ReleaseSysCache(tuple);
	}
	return relid;
}

/* Returns the name of a relation with its schema, palloc'd. */
char *
ak_relation_name(AkRelation which)
{
	return psprintf("%s.%s", schema_names[relation_names[which].schema], relation_names[which].name);
}

/*
 * Returns true if the extension has the layout that this library works with.
 * Otherwise raises 55000, or returns false if "refused_ok".
 *
 * A session may have loaded the library before the new one was installed and
 * the extension updated, and so may the postmaster, from which all sessions
 * then have it; or a new library may meet an extension that was not updated
 * yet.  An update that changes the layout drops the type, which is one of our
 * relations, so that every session looks again.
 */
static bool
check_layout(Oid schema, bool refused_ok)
{
	bool older = false;

	if (!OidIsValid(schema) || OidIsValid(find_relation(AK_LAYOUT_TYPE, schema)))
		return true;
	if (refused_ok)
		return false;
	for (int i = 0; i < AK_LAYOUT; i++)
		older |= OidIsValid(get_relname_relid(psprintf("layout_%d", i), schema));
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("extension \"%s\" is of version %s, and its library in this session of version %s",
						   "apikeys", extension_version, AK_VERSION),
					older ? errhint("Run ALTER EXTENSION apikeys UPDATE.")
						  : errhint("Reconnect. If shared_preload_libraries names apikeys, restart the server.")));
}

static bool
look_up_once(bool missing_ok)
{
	Oid schemas[AK_SCHEMA_COUNT];

	find_schemas(schemas);
	if (!check_layout(schemas[AK_INTERNAL], missing_ok))
		return false;
	for (int i = 0; i < AK_RELATION_COUNT; i++)
	{
		Oid schema = schemas[relation_names[i].schema];

		relids[i] = OidIsValid(schema) ? find_relation(i, schema) : InvalidOid;
		/* it goes with a column, and the error must name that */
		if (i == AK_WORKSPACE_LIMITED)
			continue;
		if (!OidIsValid(relids[i]) && missing_ok)
			return false;
		if (!OidIsValid(relids[i]))
			ereport(
				ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation \"%s\" does not exist", ak_relation_name(i)),
				 errhint(
					 "CREATE EXTENSION apikeys makes it. What others made under that name, or own, does not count.")));
	}
	return true;
}

/*
 * Looks up all relations, until none changed meanwhile.  Returns false if one
 * is missing.  With debug_discard_caches, where they always change, the last
 * result is used, but not kept.
 */
static bool
look_up(bool missing_ok)
{
	for (int i = 0; i < LOOK_UPS_MAX && !relids_valid; i++)
	{
		uint64 seen = change_count;

		if (!look_up_once(missing_ok))
			return false;
		relids_valid = seen == change_count;
	}
	look_up_number++;
	return true;
}

/* Returns the number of the present look-up of our relations, after looking them up if need be. */
uint64
ak_catalog_generation(void)
{
	if (unlikely(!relids_valid))
		look_up(false);
	return look_up_number;
}

/*
 * Returns the OID of one of our relations.  Raises 42P01 if the extension is
 * gone.
 */
Oid
ak_relid(AkRelation which)
{
	if (unlikely(!relids_valid))
		look_up(false);
	return relids[which];
}

/* The same, but returns InvalidOid if the extension is gone. */
Oid
ak_relid_if_any(AkRelation which)
{
	return relids_valid || look_up(true) ? relids[which] : InvalidOid;
}

/*
 * Returns true if this was the relation's OID at the last look-up.  Looks
 * nothing up, so that invalidation callbacks can call it.
 */
bool
ak_is_relation(Oid relid, AkRelation which)
{
	return relids[which] == relid;
}

/* Returns the owner of the extension and its tables, as whom management writes. */
Oid
ak_extension_owner(void)
{
	if (unlikely(!relids_valid))
		look_up(false);
	return owner_oid;
}

/*
 * Locks the extension against DROP and ALTER EXTENSION until the transaction
 * ends, and returns its owner.  Code that acts as the owner must have called
 * this: otherwise a statement that waits for a lock on our tables could go on,
 * as a superuser, with tables and triggers that another role put in their
 * place.  Raises 42P01 if the extension is gone.
 */
Oid
ak_lock_extension(void)
{
	for (;;)
	{
		Oid locked;

		(void) ak_extension_owner();
		locked = extension_oid;
		/* processes the invalidations of those who had the lock before */
		LockDatabaseObject(ExtensionRelationId, locked, 0, AccessShareLock);
		(void) ak_extension_owner();
		if (likely(locked == extension_oid))
			return owner_oid;
		UnlockDatabaseObject(ExtensionRelationId, locked, 0, AccessShareLock);
	}
}

/* Finds our columns in a table once after each change of our relations, such as adding or dropping a column. */
static inline void
check_columns(Relation rel, AkRelation which)
{
	static uint64 checked[AK_TABLE_COUNT];

	if (likely(checked[which] == look_up_number))
		return;
	ak_find_columns(rel, which);
	checked[which] = look_up_number;
}

/* Raises 55000 if a table lacks a column, or is not as this library knows it: the last step of an update. */
void
ak_check_tables(void)
{
	for (int i = 0; i < AK_TABLE_COUNT; i++)
		table_close(ak_table_open(i, AccessShareLock), NoLock);
}

/* Returns which of our tables a relation is, after finding its columns if need be.  Raises 55000 if one is missing. */
AkRelation
ak_table_of(Relation rel)
{
	for (int i = 0; i < AK_TABLE_COUNT; i++)
	{
		if (ak_relid(i) == RelationGetRelid(rel))
		{
			check_columns(rel, i);
			return i;
		}
	}
	/* cannot happen: callers have opened it by ak_table_open(), or checked it by ak_trigger_data() */
	elog(ERROR, "relation %u is no table of apikeys", RelationGetRelid(rel));
}

/*
 * Opens one of our tables with that lock; the caller closes it.  Raises 42P01
 * if the extension is gone, 55000 if the table is of another version or one of
 * our columns was dropped.
 */
Relation
ak_table_open(AkRelation which, LOCKMODE lockmode)
{
	Relation rel;

	for (;;)
	{
		Oid relid = ak_relid(which);

		/* processes the invalidations of those who had the lock before */
		LockRelationOid(relid, lockmode);
		if (likely(relid == ak_relid(which)))
		{
			rel = table_open(relid, NoLock);
			break;
		}
		/* dropped and created anew since the look-up */
		UnlockRelationOid(relid, lockmode);
	}
	check_columns(rel, which);
	return rel;
}
