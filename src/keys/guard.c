/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Trigger: the rules of the key table.
 *
 * Forbidden changes of a key are refused here, for direct SQL as for our own
 * functions: un-archiving, deleting, changing what identifies it.  Columns are
 * normalized here, too: names are trimmed, API lists are sorted, empty address
 * lists and metadata become NULL.
 *
 * Locks, all until the end of the transaction: archiving takes the archive lock
 * of the workspace, so that archived keys have an order and the limit holds;
 * giving a key an API takes that API's lock in ShareLock, so that
 * unregister_api() can wait for it; creating a key takes its workspace's lock
 * in ShareLock, so that the workspace is not removed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "access/context.h"
#include "audit/action.h"
#include "audit/sealed_row.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/lock.h"
#include "core/query.h"
#include "core/keyindex.h"
#include "keys/archive_limit.h"
#include "pure/digest.h"
#include "registry/names.h"
#include "usage/limit.h"

PG_FUNCTION_INFO_V1(ak_guard_key);
PG_FUNCTION_INFO_V1(ak_unique_hash);

/*
 * Limits of one key.  A validation reads the whole row, and an entry records
 * it: a manager must not make either slow for others.
 */
#define APIS_MAX     1000
#define NETWORKS_MAX 1000
#define METADATA_MAX (1024 * 1024) /* bytes, as jsonb */
#define HINT_MAX     32            /* characters */

/*
 * Trims the name and folds it.
 */
static void
normalize_name(AkRow *row)
{
	char *name;

	if (AK_IS_NULL(row, Anum_key_name))
		null_argument("name", errmsg("key name must not be null"));
	name = ak_trim_name(ak_row_text(row, Anum_key_name));
	ak_row_set_text(row, Anum_key_name, name);
	ak_row_set(row, Anum_key_name_folded, ak_fold_name(name));
}

typedef struct AkApi
{
	int ordinal;
	char *name;
} AkApi;

static int
api_order(const void *a, const void *b)
{
	const AkApi *x = a;
	const AkApi *y = b;

	if (x->ordinal != y->ordinal)
		return x->ordinal < y->ordinal ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Returns the ordinal of an API as of the latest commit.  Raises 42704 if it is not registered. */
static int
api_ordinal(const char *api)
{
	Relation rel = ak_table_open(AK_API, AccessShareLock);
	SysScanDesc scan = ak_begin_lookup(rel, AK_API_PKEY, NULL, 1, &api);
	HeapTuple tuple = systable_getnext(scan);
	int ordinal = 0;

	if (HeapTupleIsValid(tuple) && heap_attisnull(tuple, Anum_api_unregistered_at, RelationGetDescr(rel)))
	{
		bool isnull;

		ordinal = DatumGetInt32(heap_getattr(tuple, Anum_api_ordinal, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (ordinal == 0)
		ak_refuse_unknown_api(api);
	return ordinal;
}

/*
 * Sorts the API list in the registry's order, without duplicates.  Every API
 * must be registered, and is locked: it stays so until the transaction ends.
 */
static void
normalize_apis(AkRow *row)
{
	Datum *elements;
	bool *nulls;
	int count;
	AkApi *apis;
	int kept = 0;
	ArrayType *array;

	if (AK_IS_NULL(row, Anum_key_apis))
		null_argument("apis", errmsg("API list must not be null"));
	array = DatumGetArrayTypeP(AK_VALUE(row, Anum_key_apis));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	if (count == 0)
		bad_argument("apis", errmsg("API list must not be empty"), errhint("Name at least one of apikeys.apis."));
	if (ARR_NDIM(array) != 1)
		bad_argument("apis", errmsg("API list must have one dimension"));
	if (count > APIS_MAX)
		bad_argument("apis", errmsg("API list is too long"), errdetail("At most %d APIs are allowed.", APIS_MAX));

	apis = palloc(count * sizeof(AkApi));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			null_argument("apis", errmsg("API list must not contain null"));
		apis[i].name = TextDatumGetCString(elements[i]);
		(void) api_ordinal(apis[i].name);
		ak_lock_object(AK_API, apis[i].name, ShareLock);
		apis[i].ordinal = api_ordinal(apis[i].name);
	}
	qsort(apis, count, sizeof(AkApi), api_order);
	for (int i = 0; i < count; i++)
		if (i == 0 || strcmp(apis[i].name, apis[i - 1].name) != 0)
			elements[kept++] = CStringGetTextDatum(apis[i].name);
	ak_row_set(row, Anum_key_apis, PointerGetDatum(construct_array(elements, kept, TEXTOID, -1, false, TYPALIGN_INT)));
}

/* A rate limit without a window is per minute; a window needs a limit. */
static void
normalize_limit(AkRow *row)
{
	const Interval *window;

	if (AK_IS_NULL(row, Anum_key_rate_limit))
	{
		if (!AK_IS_NULL(row, Anum_key_rate_window))
			bad_argument("rate_window", errmsg("rate window needs a rate limit"));
		return;
	}
	if (DatumGetInt32(AK_VALUE(row, Anum_key_rate_limit)) <= 0)
		bad_argument("rate_limit", errmsg("rate limit must be positive"));
	if (AK_IS_NULL(row, Anum_key_rate_window))
	{
		Interval *minute = palloc0(sizeof(Interval));

		minute->time = USECS_PER_MINUTE;
		ak_row_set(row, Anum_key_rate_window, IntervalPGetDatum(minute));
	}
	window = DatumGetIntervalP(AK_VALUE(row, Anum_key_rate_window));
	if (window->month < 0 || window->day < 0 || window->time < 0 ||
		(window->month == 0 && window->day == 0 && window->time == 0))
		bad_argument("rate_window", errmsg("rate window must be positive"));
	/* infinity, since PostgreSQL 17 */
	if (window->month == PG_INT32_MAX && window->day == PG_INT32_MAX && window->time == PG_INT64_MAX)
		bad_argument("rate_window", errmsg("rate window must be finite"));
	if (ak_window_usecs(window) > AK_WINDOW_MAX)
		bad_argument("rate_window", errmsg("rate window must be at most 366 days"));
}

/*
 * IPv4-mapped IPv6 networks (RFC 4291, 2.5.5.2) become IPv4, as clients'
 * addresses do.  Raises 22023 for an invalid list.
 */
static void
normalize_networks(AkRow *row)
{
	static const uint8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	ArrayType *array = DatumGetArrayTypeP(AK_VALUE(row, Anum_key_allowed_cidrs));
	Datum *elements;
	int count;
	bool changed = false;

	if (ARR_NDIM(array) == 0)
	{
		ak_row_clear(row, Anum_key_allowed_cidrs);
		return;
	}
	if (ARR_NDIM(array) != 1 || array_contains_nulls(array))
		bad_argument("allowed_cidrs", errmsg("address list must have one dimension and no null"));
	if (ARR_DIMS(array)[0] > NETWORKS_MAX)
		bad_argument("allowed_cidrs", errmsg("address list is too long"),
					 errdetail("At most %d addresses are allowed.", NETWORKS_MAX));
	deconstruct_array(array, CIDROID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		inet *network = DatumGetInetPP(elements[i]);
		uint8 *address = ip_addr(network);

		if (ip_family(network) != PGSQL_AF_INET6 || ip_bits(network) < 96 ||
			memcmp(address, mapped, sizeof(mapped)) != 0)
			continue;
		elements[i] =
			DirectFunctionCall1(cidr_in, CStringGetDatum(psprintf("%u.%u.%u.%u/%d", address[12], address[13],
																  address[14], address[15], ip_bits(network) - 96)));
		changed = true;
	}
	if (changed)
		ak_row_set(row, Anum_key_allowed_cidrs,
				   PointerGetDatum(construct_array(elements, count, CIDROID, -1, false, TYPALIGN_INT)));
}

/* Empty values become NULL; the others are checked. */
static void
normalize_rest(AkRow *row)
{
	if (!AK_IS_NULL(row, Anum_key_team))
	{
		char *team = ak_row_text(row, Anum_key_team);

		if (team[0] == '\0')
			ak_row_clear(row, Anum_key_team);
	}
	if (!AK_IS_NULL(row, Anum_key_expires_at) && DatumGetTimestampTz(AK_VALUE(row, Anum_key_expires_at)) == DT_NOEND)
		ak_row_clear(row, Anum_key_expires_at);
	if (!AK_IS_NULL(row, Anum_key_allowed_cidrs))
		normalize_networks(row);
	if (!AK_IS_NULL(row, Anum_key_metadata))
	{
		Jsonb *metadata = DatumGetJsonbP(AK_VALUE(row, Anum_key_metadata));

		if (JB_ROOT_IS_OBJECT(metadata) && JB_ROOT_COUNT(metadata) == 0)
			ak_row_clear(row, Anum_key_metadata);
		else if (VARSIZE(metadata) > METADATA_MAX)
			bad_argument("metadata", errmsg("metadata is too large"),
						 errdetail("At most %d bytes are allowed.", METADATA_MAX));
	}
	normalize_limit(row);
}

/* A SHA-256 has 32 bytes.  Raises 22004 and 22023; the message shows no hash. */
static void
check_hash(const AkRow *row)
{
	if (AK_IS_NULL(row, Anum_key_key_hash))
		null_argument("key_hash", errmsg("key hash must not be null"));
	if (VARSIZE_ANY_EXHDR(DatumGetByteaPP(AK_VALUE(row, Anum_key_key_hash))) != AK_HASH_LEN)
		bad_argument(
			"key_hash", errmsg("key hash must have 32 bytes"),
			errhint(
				"It is the SHA-256 of the key's whole text: pg_catalog.sha256(pg_catalog.convert_to(key, 'UTF8'))."));
}

/*
 * Checks the key's labels that are new; old is NULL for a new key.  An
 * unchanged label must not keep the key from being archived.  Raises 22023 for
 * an invalid label, and for one that contains a secret.
 */
static void
check_labels(const AkRow *old, const AkRow *new)
{
	static const struct
	{
		AttrNumber column;
		const char *argument;
		const char *what;
	} labels[] = {{Anum_key_name, "name", "key name"},
				  {Anum_key_team, "team", "team"},
				  {Anum_key_hint, "hint", "hint"}};
	bytea *hash = DatumGetByteaPP(AK_VALUE(new, Anum_key_key_hash));
	char *workspace = ak_row_text(new, Anum_key_workspace);
	uint8 digest[AK_HASH_LEN];

	for (int i = 0; i < (int) lengthof(labels); i++)
	{
		char *text = ak_row_text(new, labels[i].column);

		if (text == NULL || (old != NULL && !ak_column_changed(old, new, labels[i].column)))
			continue;
		ak_check_label(labels[i].argument, labels[i].what, text);
		if (labels[i].column == Anum_key_hint && pg_mbstrlen(text) > HINT_MAX)
			bad_argument("hint", errmsg("hint is too long"), errdetail("At most %d characters are allowed.", HINT_MAX));
		ak_refuse_known_secret(labels[i].argument, labels[i].what, text, workspace, (const uint8 *) VARDATA_ANY(hash));
		/* hints are taken from the secret: a short secret must not be its own hint */
		if (labels[i].column == Anum_key_hint && ak_sha256(text, strlen(text), digest) &&
			ak_hash_equal(digest, (const uint8 *) VARDATA_ANY(hash)))
			bad_argument("hint", errmsg("hint must not be the secret itself"));
	}
}

/* Checks and seals a new key, not one out of a dump. */
static HeapTuple
guard_insert(AkRow *row)
{
	static const AttrNumber later[] = {Anum_key_archived_at,     Anum_key_archived_by,   Anum_key_old_key_hash,
									   Anum_key_old_valid_until, Anum_key_updated_at,    Anum_key_updated_by,
									   Anum_key_regenerated_at,  Anum_key_regenerated_by};
	TimestampTz now = GetCurrentTimestamp();
	AkActor actor;
	char *workspace;

	for (int i = 0; i < (int) lengthof(later); i++)
		if (!AK_IS_NULL(row, later[i]))
			refuse(errmsg("column \"%s\" of a new key must be null",
						  NameStr(TupleDescAttr(row->desc, later[i] - 1)->attname)));
	check_hash(row);
	if (AK_IS_NULL(row, Anum_key_workspace))
		null_argument("workspace", errmsg("workspace of a key must not be null"));
	workspace = ak_row_text(row, Anum_key_workspace);
	ak_hold_workspace(workspace);
	if (AK_IS_NULL(row, Anum_key_key_id))
		ak_row_set(row, Anum_key_key_id, DirectFunctionCall1(gen_random_uuid, (Datum) 0));

	ak_current_actor(workspace, &actor);
	if (AK_IS_NULL(row, Anum_key_team) && actor.team != NULL)
		ak_row_set_text(row, Anum_key_team, actor.team);
	normalize_name(row);
	normalize_apis(row);
	normalize_rest(row);
	check_labels(NULL, row);
	if (!AK_IS_NULL(row, Anum_key_expires_at) && DatumGetTimestampTz(AK_VALUE(row, Anum_key_expires_at)) <= now)
		bad_argument("expires_at", errmsg("expiry is in the past"));

	ak_row_set(row, Anum_key_created_at, TimestampTzGetDatum(now));
	ak_row_set_text(row, Anum_key_created_by, actor.actor);
	return ak_row_seal(row);
}

/* A new secret makes the present one the old one; an overlap can only be shortened. */
static void
guard_secrets(const AkRow *old, AkRow *new)
{
	bool until_changed = ak_column_changed(old, new, Anum_key_old_valid_until);

	if (ak_column_changed(old, new, Anum_key_key_hash))
	{
		check_hash(new);
		ak_row_set(new, Anum_key_old_key_hash, AK_VALUE(old, Anum_key_key_hash));
		if (!until_changed)
			ak_row_clear(new, Anum_key_old_valid_until);
		else if (!AK_IS_NULL(new, Anum_key_old_valid_until) &&
				 TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(AK_VALUE(new, Anum_key_old_valid_until))))
			bad_argument("old_valid_until", errmsg("overlap must be finite"));
		return;
	}
	if (ak_column_changed(old, new, Anum_key_old_key_hash))
		refuse(errmsg("the old hash of a key cannot be changed"));
	if (until_changed && !AK_IS_NULL(new, Anum_key_old_valid_until) &&
		(AK_IS_NULL(old, Anum_key_old_valid_until) || DatumGetTimestampTz(AK_VALUE(new, Anum_key_old_valid_until)) >
														  DatumGetTimestampTz(AK_VALUE(old, Anum_key_old_valid_until))))
		refuse(errmsg("an overlap can only be shortened"));
}

/* Returns the latest archived_at of a workspace, whose archive lock must be held. */
static TimestampTz
last_archived(const char *workspace)
{
	static AkQuery query = {"SELECT max(archived_at) FROM apikeys.key "
							"WHERE workspace = $1 AND archived_at IS NOT NULL",
							1,
							{TEXTOID},
							NULL};
	Datum args[1] = {CStringGetTextDatum(workspace)};
	AkCaller caller;
	bool isnull;
	Datum last;

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	last = ak_query_result(0, 1, &isnull);
	SPI_finish();
	ak_owner_end(&caller);
	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(last);
}

static HeapTuple
guard_update(const AkRow *old, AkRow *new)
{
	static const AttrNumber fixed[] = {Anum_key_key_id,         Anum_key_workspace,      Anum_key_created_at,
									   Anum_key_created_by,     Anum_key_updated_at,     Anum_key_updated_by,
									   Anum_key_regenerated_at, Anum_key_regenerated_by, Anum_key_archived_by,
									   Anum_key_name_folded,    Anum_key_audit_id,       Anum_key_row_digest};
	char *workspace = ak_row_text(old, Anum_key_workspace);
	char *name = ak_row_text(old, Anum_key_name);
	TimestampTz now;
	AkActor actor;

	if (!ak_row_changed(old, new))
		return new->tuple;
	if (!AK_IS_NULL(old, Anum_key_archived_at))
	{
		if (AK_IS_NULL(new, Anum_key_archived_at))
			refuse(errmsg("key \"%s\" cannot be un-archived", name), errhint("Create a new key instead."));
		refuse(errmsg("key \"%s\" is archived", name), errdetail("An archived key cannot be changed any more."));
	}
	for (int i = 0; i < (int) lengthof(fixed); i++)
		if (ak_column_changed(old, new, fixed[i]))
			refuse(errmsg("column \"%s\" of a key cannot be changed",
						  NameStr(TupleDescAttr(old->desc, fixed[i] - 1)->attname)));

	guard_secrets(old, new);
	if (ak_column_changed(old, new, Anum_key_name))
		normalize_name(new);
	if (ak_column_changed(old, new, Anum_key_apis))
		normalize_apis(new);
	normalize_rest(new);
	check_labels(old, new);
	if (!ak_row_changed(old, new))
		return ak_row_written(new); /* the same values, once they are normalized */

	if (!AK_IS_NULL(new, Anum_key_archived_at))
	{
		/* set under the lock, so that archived_at grows in the order of archiving */
		ak_lock_archive(workspace);
		now = Max(GetCurrentTimestamp(), last_archived(workspace) + 1);
		ak_row_set(new, Anum_key_archived_at, TimestampTzGetDatum(now));
		ak_current_actor(workspace, &actor);
		ak_row_set_text(new, Anum_key_archived_by, actor.actor);
		return ak_row_seal(new);
	}

	ak_current_actor(workspace, &actor);
	now = GetCurrentTimestamp();
	if (ak_column_changed(old, new, Anum_key_key_hash))
	{
		ak_row_set(new, Anum_key_regenerated_at, TimestampTzGetDatum(now));
		ak_row_set_text(new, Anum_key_regenerated_by, actor.actor);
	}
	else
	{
		ak_row_set(new, Anum_key_updated_at, TimestampTzGetDatum(now));
		ak_row_set_text(new, Anum_key_updated_by, actor.actor);
	}
	return ak_row_seal(new);
}

/*
 * Trigger BEFORE INSERT OR UPDATE OR DELETE of apikeys.key, each row.
 *
 * Raises 55000 for a forbidden change, 22023 and 22004 for an invalid value,
 * 42704 for an unknown workspace or API.
 */
Datum
ak_guard_key(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = ak_trigger_data(fcinfo, "guard_key", AK_TABLE_BIT(AK_KEY));
	AkRow old, new;

	if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
	{
		const AkAction *action = ak_action_on(trigdata->tg_relation);

		if (action == NULL || action->verb != AK_VERB_DROP)
			refuse(
				errmsg("a key cannot be deleted"),
				errhint(
					"apikeys.archive_key() ends a key; beyond the archive limit the key archived first is dropped."));
		return PointerGetDatum(trigdata->tg_trigtuple);
	}
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		ak_row_read(&new, trigdata->tg_relation, trigdata->tg_trigtuple);
		if (ak_row_restored(&new))
			return PointerGetDatum(trigdata->tg_trigtuple);
		return PointerGetDatum(guard_insert(&new));
	}
	ak_row_read(&old, trigdata->tg_relation, trigdata->tg_trigtuple);
	ak_row_read(&new, trigdata->tg_relation, trigdata->tg_newtuple);
	return PointerGetDatum(guard_update(&old, &new));
}

/*
 * Trigger AFTER INSERT or UPDATE of apikeys.key, each row with a new key_hash.
 *
 * Raises 23505 if the hash is the old hash of a key; a unique constraint covers
 * the present hashes.  It fires after the row is in that constraint's index:
 * the key that has this hash as its present one cannot make it its old one
 * meanwhile.  And before the audit trigger, after which a row is fresh no more.
 */
Datum
ak_unique_hash(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = ak_trigger_data(fcinfo, "unique_hash", AK_TABLE_BIT(AK_KEY));
	bytea *hash;
	AkRow new;

	ak_row_read(&new, trigdata->tg_relation,
				TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) ? trigdata->tg_trigtuple : trigdata->tg_newtuple);
	if (!ak_row_fresh(&new))
		return PointerGetDatum(NULL);
	hash = DatumGetByteaPP(AK_VALUE(&new, Anum_key_key_hash));
	if (ak_hash_is_old((const uint8 *) VARDATA_ANY(hash)))
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), err_argument("key_hash"),
						errmsg("a key with this hash is already known")));
	return PointerGetDatum(NULL);
}
