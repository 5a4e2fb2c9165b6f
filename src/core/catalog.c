/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  OIDs of our tables, looked up once and forgotten when they change.
 *
 * Relations are found by name.  Where the extension does not exist, any role
 * that may create schemas can make a schema "apikeys".  Since code that acts as
 * a superuser works on what is found here, a relation counts only if the
 * extension exists, the schema is its member, the relation belongs to the
 * extension's owner, and it is of the right kind.  ak_lock_extension() keeps
 * the extension from being dropped and replaced under code that acts as its
 * owner.
 *
 * A backend may outlive the extension: DROP EXTENSION and CREATE EXTENSION in
 * another session give every table a new OID.  Dropping a table sends a
 * relation cache invalidation for its OID; the callback then forgets all OIDs,
 * and ak_table_open() looks again if the table was dropped between the look-up
 * and the lock.  Code that caches something derived from our relations compares
 * ak_catalog_generation(), which every new look-up changes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_subscription.h"
#include "catalog/pg_subscription_rel.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "core/catalog.h"
#include "core/compat.h"

static const char *const ak_relation_names[AK_RELATION_COUNT] = {"workspace",
																 "api",
																 "key",
																 "team_member",
																 "access",
																 "audit_log",
																 "audit_link",
																 "audit_purged",
																 "audit_pending",
																 "report",
																 "lock_salt",
																 "access_role",
																 "workspace_pkey",
																 "api_pkey",
																 "key_pkey",
																 "key_key_hash_key",
																 "key_old_key_hash",
																 "key_active",
																 "key_archived",
																 "team_member_pkey",
																 "audit_log_pkey",
																 "audit_log_key_id",
																 "audit_log_workspace",
																 "audit_log_team",
																 "audit_log_actor",
																 "audit_log_entity",
																 "audit_log_time",
																 "audit_link_pkey",
																 "audit_purged_pkey",
																 "audit_id_seq",
																 "verdict",
																 "usage",
																 "usage_pkey"};

static const int ak_table_natts[AK_TABLE_COUNT] = {_Anum_workspace_max - 1,     _Anum_api_max - 1,
												   _Anum_key_max - 1,           _Anum_team_member_max - 1,
												   _Anum_access_max - 1,        _Anum_audit_log_max - 1,
												   _Anum_audit_link_max - 1,    _Anum_audit_purged_max - 1,
												   _Anum_audit_pending_max - 1, _Anum_report_max - 1,
												   _Anum_lock_salt_max - 1,     _Anum_access_role_max - 1};

/* Their columns, as the Anum_ enums number them: a dropped column has no name in pg_attribute */
static const char *const ak_table_columns[AK_TABLE_COUNT] = {
	"workspace name prefix archive_limit key_limit default_lifetime max_lifetime rate_limit rate_window leak_action "
	"created_at created_by updated_at updated_by audit_id row_digest",
	"api description ordinal created_at created_by unregistered_at unregistered_by audit_id "
	"row_digest",
	"key_id audit_id key_hash workspace name apis team expires_at archived_at disabled_at old_key_hash "
	"old_valid_until allowed_cidrs rate_limit rate_window quota quota_period owner metadata hint name_folded "
	"created_at created_by updated_at updated_by regenerated_at regenerated_by disabled_by archived_by row_digest",
	"workspace actor team audit_id row_digest",
	"role capability workspace grant_id audit_id row_digest",
	"audit_id time workspace team entity action activity actor ip subject key_id key_name changes db_user "
	"row_digest digest",
	"workspace position audit_id link",
	"workspace last_position first_position audit_id digests link",
	"audit_id",
	"report_id workspace scope recipient filters entries size encrypted asked_at asked_by state "
	"queued_at attempts next_attempt_at finished_at last_error id_domain content origin",
	"salt",
	"grant_id roleid"};

#define LOOK_UPS_MAX 8 /* attempts in a row */

static Oid relids[AK_RELATION_COUNT];
static Oid extension;
static Oid owner;
static uint32 schema_hash; /* of the schema, in invalidation messages */
static bool relids_valid = false;
static uint64 generation = 0;
static uint64 changes = 0; /* number of messages that may concern us, for a look-up to notice new ones */

/*
 * Relation cache callback: forgets all OIDs if the relation is one of ours, or
 * if the message is for all relations.
 */
static void
relation_changed(Datum arg, Oid relid)
{
	if (!relids_valid)
	{
		changes++;
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

/* True if the database subscribes to another's keys or log; looked up again when its subscriptions change */
static bool subscribes;
static bool subscribes_valid = false;

static void
subscriptions_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	subscribes_valid = false;
}

/* Syscache callback: a schema was changed, perhaps renamed; forgets all OIDs if it may be ours. */
static void
schema_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	if (!relids_valid)
		changes++;
	else if (hashvalue == 0 || hashvalue == schema_hash)
		relids_valid = false;
}

/* How many names there are in a list of them. */
static inline int
count_names(const char *names)
{
	int count = 1;

	for (; *names; names++)
		count += *names == ' ';
	return count;
}

/* Called once, from _PG_init. */
void
ak_catalog_init(void)
{
	for (int i = 0; i < AK_TABLE_COUNT; i++)
		Assert(count_names(ak_table_columns[i]) == ak_table_natts[i]);
	CacheRegisterSyscacheCallback(NAMESPACEOID, schema_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(SUBSCRIPTIONRELMAP, subscriptions_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(SUBSCRIPTIONOID, subscriptions_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, subscriptions_changed, (Datum) 0);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

/* Finds the extension: its OID and its owner.  Returns false when it does not exist. */
static bool
find_extension(void)
{
	Relation rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("apikeys"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found)
	{
		extension = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Returns the extension's schema; InvalidOid if there is none, or if the one of that name is not the extension's. */
static Oid
find_schema(void)
{
	Oid schema;

	if (!find_extension())
		return InvalidOid;
	schema = get_namespace_oid("apikeys", true);
	if (!OidIsValid(schema) || getExtensionOfObject(NamespaceRelationId, schema) != extension)
		return InvalidOid;
	schema_hash = GetSysCacheHashValue1(NAMESPACEOID, ObjectIdGetDatum(schema));
	return schema;
}

static char
relation_kind(AkRelation which)
{
	if (which < AK_TABLE_COUNT || which == AK_USAGE)
		return RELKIND_RELATION;
	if (which == AK_AUDIT_ID_SEQ)
		return RELKIND_SEQUENCE;
	return which == AK_VERDICT ? RELKIND_COMPOSITE_TYPE : RELKIND_INDEX;
}

/* Returns one of our relations in that schema; InvalidOid if it is missing, or has another owner or kind. */
static Oid
find_relation(AkRelation which, Oid schema)
{
	HeapTuple tuple = SearchSysCache2(RELNAMENSP, CStringGetDatum(ak_relation_names[which]), ObjectIdGetDatum(schema));
	Oid relid = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class class = (Form_pg_class) GETSTRUCT(tuple);

		if (class->relowner == owner && class->relkind == relation_kind(which))
			relid = class->oid;
		ReleaseSysCache(tuple);
	}
	return relid;
}

static bool
look_up_once(bool missing_ok)
{
	Oid schema = find_schema();

	for (int i = 0; i < AK_RELATION_COUNT; i++)
	{
		relids[i] = OidIsValid(schema) ? find_relation(i, schema) : InvalidOid;
		if (!OidIsValid(relids[i]) && missing_ok)
			return false;
		if (!OidIsValid(relids[i]))
			ereport(
				ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"apikeys.%s\" does not exist", ak_relation_names[i]),
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
		uint64 seen = changes;

		if (!look_up_once(missing_ok))
			return false;
		relids_valid = seen == changes;
	}
	generation++;
	return true;
}

/* Returns the number of the present look-up of our relations, after looking them up if need be. */
uint64
ak_catalog_generation(void)
{
	if (unlikely(!relids_valid))
		look_up(false);
	return generation;
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
	return owner;
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
		locked = extension;
		/* processes the invalidations of those who had the lock before */
		LockDatabaseObject(ExtensionRelationId, locked, 0, AccessShareLock);
		(void) ak_extension_owner();
		if (likely(locked == extension))
			return owner;
		UnlockDatabaseObject(ExtensionRelationId, locked, 0, AccessShareLock);
	}
}

/*
 * Raises 55000 unless a table has all columns that this library knows.  Checked
 * once after each change of our relations, such as adding or dropping a column.
 */
static inline void
check_columns(Relation rel, AkRelation which)
{
	static uint64 checked[AK_TABLE_COUNT];
	TupleDesc desc = RelationGetDescr(rel);
	const char *name = ak_table_columns[which];

	if (likely(checked[which] == generation))
		return;
	if (desc->natts < ak_table_natts[which])
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"apikeys.%s\" is not of the version of the loaded library", ak_relation_names[which]),
				 errhint("Run ALTER EXTENSION apikeys UPDATE, or reconnect.")));
	for (int i = 0; i < ak_table_natts[which]; i++)
	{
		int len = strcspn(name, " ");

		if (TupleDescAttr(desc, i)->attisdropped)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("column \"%.*s\" of table \"apikeys.%s\" was dropped", len, name, ak_relation_names[which]),
					 errdetail("Nothing works without it."),
					 errhint("It cannot be added again. Restore the database from a backup.")));
		name += len + 1;
	}
	checked[which] = generation;
}

/*
 * Returns the number of our columns of one of our tables: they are the first.
 * Raises 55000 if one is missing.
 */
int
ak_own_columns(Relation rel)
{
	for (int i = 0; i < AK_TABLE_COUNT; i++)
	{
		if (ak_relid(i) == RelationGetRelid(rel))
		{
			check_columns(rel, i);
			return ak_table_natts[i];
		}
	}
	elog(ERROR, "relation %u is no table of apikeys", RelationGetRelid(rel));
}

/* Deforms the first natts columns of a tuple, which may have more. */
void
ak_deform(HeapTuple tuple, TupleDesc desc, int natts, Datum *values, bool *nulls)
{
	Datum *all_values;
	bool *all_nulls;

	if (likely(desc->natts == natts))
	{
		heap_deform_tuple(tuple, desc, values, nulls);
		return;
	}
	Assert(desc->natts > natts);
	all_values = palloc(desc->natts * sizeof(Datum));
	all_nulls = palloc(desc->natts * sizeof(bool));
	heap_deform_tuple(tuple, desc, all_values, all_nulls);
	memcpy(values, all_values, natts * sizeof(Datum));
	memcpy(nulls, all_nulls, natts * sizeof(bool));
	pfree(all_values);
	pfree(all_nulls);
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

/*
 * Returns true if the owner of a subscription may write to our tables: only
 * then does it change them.  Since PostgreSQL 16, a role that is no superuser
 * can own a subscription, and must not be able to stop management with it.
 */
static bool
is_trusted_subscription(Oid subscription)
{
	HeapTuple tuple = SearchSysCache1(SUBSCRIPTIONOID, ObjectIdGetDatum(subscription));
	bool trusted;

	if (!HeapTupleIsValid(tuple))
		return false;
	trusted = has_privs_of_role(((Form_pg_subscription) GETSTRUCT(tuple))->subowner, ak_extension_owner());
	ReleaseSysCache(tuple);
	return trusted;
}

/*
 * Returns true if the keys or the log of this database come from another by
 * logical replication.  Local changes would then collide with replicated ones,
 * in audit_ids and in the chains, and stop the replication.
 */
bool
ak_is_subscriber(void)
{
	static uint64 looked_at = 0;
	Relation rel;
	SysScanDesc scan;
	HeapTuple tuple;

	if (likely(subscribes_valid && looked_at == ak_catalog_generation()))
		return subscribes;

	/* one row for each table of each subscription of this database */
	looked_at = ak_catalog_generation();
	rel = table_open(SubscriptionRelRelationId, AccessShareLock);
	subscribes_valid = true;
	subscribes = false;
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (!subscribes && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_subscription_rel subscribed = (Form_pg_subscription_rel) GETSTRUCT(tuple);

		subscribes = (subscribed->srrelid == ak_relid(AK_KEY) || subscribed->srrelid == ak_relid(AK_AUDIT_LOG)) &&
					 is_trusted_subscription(subscribed->srsubid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return subscribes;
}

/* Raises 55000 if ak_is_subscriber(). */
void
ak_refuse_on_subscriber(void)
{
	if (ak_is_subscriber())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("keys cannot be managed here"),
						errdetail("They come from another database by logical replication."),
						errhint("Make the change on the publisher.")));
}
