/*-------------------------------------------------------------------------
 *
 * subscriber.c
 *	  Find out whether the keys or the log of this database come from another one,
 *	  by logical replication, and whether its usage does.
 *
 * On such a subscriber, local changes would collide with replicated ones, in
 * audit_ids and in the trees, and stop the replication.  So would a flush, where
 * the publication is FOR ALL TABLES: such a subscriber counts in memory alone, as
 * a standby does.
 *
 * The result is kept until a subscription, a role or our tables change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_subscription.h"
#include "catalog/pg_subscription_rel.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "core/catalog.h"
#include "core/errors.h"
#include "core/subscriber.h"

static bool is_subscriber;
static bool takes_usage;      /* a table of usage is subscribed */
static bool is_valid = false; /* both are as of the last change */

static void
subscriptions_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	is_valid = false;
}

/* Called once, from _PG_init. */
void
ak_subscriber_init(void)
{
	CacheRegisterSyscacheCallback(SUBSCRIPTIONRELMAP, subscriptions_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(SUBSCRIPTIONOID, subscriptions_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, subscriptions_changed, (Datum) 0);
}

/*
 * Returns true if the owner of a subscription may write to our tables; otherwise
 * the subscription cannot change them.  Since PostgreSQL 16, a role that is no
 * superuser can own one, and must not be able to stop management with it.
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

/* Returns true if a table is one of those in which usage is flushed, and keys are counted. */
static bool
is_table_of_usage(Oid relid)
{
	static const char *const names[] = {"usage", "usage_hour", "usage_total", "key_use", "key_total", "quota_used"};
	const char *name;

	if (get_rel_namespace(relid) != get_rel_namespace(ak_relid(AK_USAGE)))
		return false;
	name = get_rel_name(relid);
	for (int i = 0; name != NULL && i < (int) lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Looks for subscriptions of our tables, unless nothing has changed since the last time. */
static void
find_subscriptions(void)
{
	static uint64 generation = 0;
	Relation rel;
	SysScanDesc scan;
	HeapTuple tuple;

	if (likely(is_valid && generation == ak_catalog_generation()))
		return;

	/* one row for each table of each subscription of this database */
	generation = ak_catalog_generation();
	rel = table_open(SubscriptionRelRelationId, AccessShareLock);
	is_valid = true;
	is_subscriber = takes_usage = false;
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_subscription_rel subscribed = (Form_pg_subscription_rel) GETSTRUCT(tuple);
		bool keys = subscribed->srrelid == ak_relid(AK_KEY) || subscribed->srrelid == ak_relid(AK_AUDIT_LOG);
		bool usage = is_table_of_usage(subscribed->srrelid);

		if ((keys || usage) && is_trusted_subscription(subscribed->srsubid))
		{
			is_subscriber |= keys;
			takes_usage |= usage;
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* Returns true if the keys or the log of this database come from another by logical replication. */
bool
ak_is_subscriber(void)
{
	find_subscriptions();
	return is_subscriber;
}

/* Returns true if usage comes from another database by logical replication, so that none may be flushed here. */
bool
ak_takes_usage(void)
{
	find_subscriptions();
	return takes_usage;
}

/* Raises 55000 if ak_is_subscriber(). */
void
ak_refuse_on_subscriber(void)
{
	if (ak_is_subscriber())
		ak_wrong_state(errmsg("keys cannot be managed here"),
					   errdetail("They come from another database by logical replication."),
					   errhint("Make the change on the publisher."));
}
