/*-------------------------------------------------------------------------
 *
 * subscriber.c
 *	  Find out whether the keys or the log of this database come from another one,
 *	  by logical replication.
 *
 * On such a subscriber, local changes would collide with replicated ones, in
 * audit_ids and in the trees, and stop the replication.
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
#include "utils/syscache.h"

#include "core/catalog.h"
#include "core/errors.h"
#include "core/subscriber.h"

static bool is_subscriber;
static bool is_valid = false; /* is_subscriber is as of the last change */

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

/* Returns true if the keys or the log of this database come from another by logical replication. */
bool
ak_is_subscriber(void)
{
	static uint64 generation = 0;
	Relation rel;
	SysScanDesc scan;
	HeapTuple tuple;

	if (likely(is_valid && generation == ak_catalog_generation()))
		return is_subscriber;

	/* one row for each table of each subscription of this database */
	generation = ak_catalog_generation();
	rel = table_open(SubscriptionRelRelationId, AccessShareLock);
	is_valid = true;
	is_subscriber = false;
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (!is_subscriber && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_subscription_rel subscribed = (Form_pg_subscription_rel) GETSTRUCT(tuple);

		is_subscriber = (subscribed->srrelid == ak_relid(AK_KEY) || subscribed->srrelid == ak_relid(AK_AUDIT_LOG)) &&
						is_trusted_subscription(subscribed->srsubid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return is_subscriber;
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
