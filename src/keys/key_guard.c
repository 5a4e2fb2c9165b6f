/*-------------------------------------------------------------------------
 *
 * key_guard.c
 *	  Trigger: the rules of the key table.
 *
 * Forbidden changes of a key are refused here, for direct SQL as for our own
 * functions: un-archiving, deleting, changing what identifies it, what the
 * policies of its workspace refuse (registry/workspace.c).  Columns are brought
 * into their form (key_columns.c), and times and actors are set.
 *
 * A key is active, disabled or archived.  Disabling says since when and by
 * whom, and leaves the rest of the key as it is; enabling takes that back.
 * Archiving is for good; it ends an overlap.
 *
 * Locks, all until the end of the transaction: archiving takes the archive lock
 * of the workspace, so that archived keys have an order and the limit holds;
 * giving a key an API takes that API's lock in ShareLock, so that
 * unregister_api() can wait for it; creating a key takes its workspace's lock
 * in ShareLock, so that the workspace is not removed, and counts the workspace's
 * keys (ak_take_place()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access/context.h"
#include "audit/action.h"
#include "audit/sealed_row.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/keyindex.h"
#include "core/lock.h"
#include "core/query.h"
#include "keys/archive_limit.h"
#include "keys/key_columns.h"
#include "registry/names.h"
#include "registry/workspace.h"

PG_FUNCTION_INFO_V1(ak_guard_key);
PG_FUNCTION_INFO_V1(ak_unique_hash);

#define APIS_MAX 1000 /* of one key: a validation reads them, and an entry records them */

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
		ak_refuse_no_apis(true);
	array = DatumGetArrayTypeP(AK_VALUE(row, Anum_key_apis));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	if (count == 0)
		ak_refuse_no_apis(false);
	if (ARR_NDIM(array) != 1)
		ak_bad_argument("apis", errmsg("API list of a key must have one dimension"));
	if (count > APIS_MAX)
		ak_bad_argument("apis", errmsg("API list of a key is too long"),
						errdetail("At most %d APIs are allowed.", APIS_MAX));

	apis = palloc(count * sizeof(AkApi));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ak_null_argument("apis", errmsg("API list of a key must not contain null"));
		apis[i].name = TextDatumGetCString(elements[i]);
		ak_lock_object(AK_API, apis[i].name, ShareLock);
		apis[i].ordinal = ak_api_ordinal(apis[i].name);
		if (apis[i].ordinal == 0)
			ak_refuse_unknown_api(apis[i].name);
	}
	qsort(apis, count, sizeof(AkApi), api_order);
	for (int i = 0; i < count; i++)
		if (i == 0 || strcmp(apis[i].name, apis[i - 1].name) != 0)
			elements[kept++] = CStringGetTextDatum(apis[i].name);
	ak_row_set(row, Anum_key_apis, ak_array(elements, kept, TEXTOID));
}

/* Checks and seals a new key, not one out of a dump. */
static HeapTuple
guard_insert(AkRow *row)
{
	static const AttrNumber later[] = {Anum_key_archived_at,     Anum_key_archived_by,    Anum_key_old_key_hash,
									   Anum_key_old_valid_until, Anum_key_updated_at,     Anum_key_updated_by,
									   Anum_key_regenerated_at,  Anum_key_regenerated_by, Anum_key_disabled_at,
									   Anum_key_disabled_by};
	TimestampTz now = GetCurrentTimestamp();
	AkWorkspace settings;
	char *workspace;
	char *actor;

	for (int i = 0; i < (int) lengthof(later); i++)
		if (!AK_IS_NULL(row, later[i]))
			ak_wrong_state(errmsg("column \"%s\" of a new key must be null", ak_column_name(row, later[i])));
	ak_check_key_hash(row);
	if (AK_IS_NULL(row, Anum_key_workspace))
		ak_null_argument("workspace", errmsg("workspace of a key must not be null"));
	workspace = ak_row_text(row, Anum_key_workspace);
	ak_hold_workspace(workspace, &settings);
	ak_take_place(workspace, &settings);
	if (AK_IS_NULL(row, Anum_key_key_id))
		ak_row_set(row, Anum_key_key_id, DirectFunctionCall1(gen_random_uuid, (Datum) 0));

	actor = ak_current_actor_name(workspace);
	if (AK_IS_NULL(row, Anum_key_team))
	{
		char *team = ak_current_team(workspace, actor, NULL);

		if (team != NULL)
			ak_row_set_text(row, Anum_key_team, team);
	}
	ak_set_default_expiry(row, &settings, now);
	ak_normalize_key(NULL, row);
	normalize_apis(row);
	if (!AK_IS_NULL(row, Anum_key_expires_at) && DatumGetTimestampTz(AK_VALUE(row, Anum_key_expires_at)) <= now)
		ak_bad_argument("expires_at", errmsg("expiry of key \"%s\" is in the past", ak_row_text(row, Anum_key_name)));
	ak_check_expiry(row, &settings, now);

	ak_row_set(row, Anum_key_created_at, TimestampTzGetDatum(now));
	ak_row_set_text(row, Anum_key_created_by, actor);
	return ak_row_seal(row);
}

/* A new secret makes the current one the old one; an overlap can only be shortened. */
static void
guard_secrets(const AkRow *old, AkRow *new)
{
	bool until_changed = ak_column_changed(old, new, Anum_key_old_valid_until);

	if (ak_column_changed(old, new, Anum_key_key_hash))
	{
		ak_check_key_hash(new);
		ak_row_set(new, Anum_key_old_key_hash, AK_VALUE(old, Anum_key_key_hash));
		if (!until_changed)
			ak_row_clear(new, Anum_key_old_valid_until);
		else if (!AK_IS_NULL(new, Anum_key_old_valid_until) &&
				 TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(AK_VALUE(new, Anum_key_old_valid_until))))
			ak_bad_argument("old_valid_until", errmsg("overlap must be finite"));
		return;
	}
	if (ak_column_changed(old, new, Anum_key_old_key_hash))
		ak_wrong_state(errmsg("the old hash of a key cannot be changed"));
	if (until_changed && !AK_IS_NULL(new, Anum_key_old_valid_until) &&
		(AK_IS_NULL(old, Anum_key_old_valid_until) || DatumGetTimestampTz(AK_VALUE(new, Anum_key_old_valid_until)) >
														  DatumGetTimestampTz(AK_VALUE(old, Anum_key_old_valid_until))))
		ak_wrong_state(errmsg("an overlap can only be shortened"));
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
	bool isnull;
	Datum last = ak_read_value(&query, args, NULL, AK_SEE_LATEST, &isnull);

	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(last);
}

/* Returns true if more changes than that the key is disabled, which has columns of its own. */
static bool
is_edited(const AkRow *old, const AkRow *new)
{
	AkRow rest = *new;

	if (AK_IS_NULL(old, Anum_key_disabled_at))
		ak_row_clear(&rest, Anum_key_disabled_at);
	return ak_row_changed(old, &rest);
}

/* Disabling and enabling: the guard sets the time, and by whom. */
static void
guard_pause(const AkRow *old, AkRow *new, const char *actor)
{
	if (!ak_column_changed(old, new, Anum_key_disabled_at))
		return;
	if (AK_IS_NULL(new, Anum_key_disabled_at))
	{
		ak_row_clear(new, Anum_key_disabled_by);
		return;
	}
	if (!AK_IS_NULL(old, Anum_key_disabled_at))
		ak_wrong_state(errmsg("key \"%s\" is disabled already", ak_row_text(old, Anum_key_name)));
	ak_row_set(new, Anum_key_disabled_at, TimestampTzGetDatum(GetCurrentTimestamp()));
	ak_row_set_text(new, Anum_key_disabled_by, actor);
}

/* Ends the key: sets the time under the archive lock, so that archived_at grows in the order of archiving. */
static void
archive_row(AkRow *key, const char *workspace, const char *actor)
{
	TimestampTz now;

	ak_lock_archive(workspace);
	now = Max(GetCurrentTimestamp(), last_archived(workspace) + 1);
	ak_row_set(key, Anum_key_archived_at, TimestampTzGetDatum(now));
	ak_row_set_text(key, Anum_key_archived_by, actor);
	if (!AK_IS_NULL(key, Anum_key_old_valid_until) &&
		DatumGetTimestampTz(AK_VALUE(key, Anum_key_old_valid_until)) > now)
		ak_row_clear(key, Anum_key_old_valid_until);
}

static void
check_new_expiry(const AkRow *key, const char *workspace, TimestampTz now)
{
	AkWorkspace settings;

	/* a workspace that has keys is not removed */
	if (ak_workspace_settings(workspace, &settings))
		ak_check_expiry(key, &settings, now);
}

static HeapTuple
guard_update(const AkRow *old, AkRow *new)
{
	static const AttrNumber fixed[] = {Anum_key_key_id,         Anum_key_workspace,      Anum_key_created_at,
									   Anum_key_created_by,     Anum_key_updated_at,     Anum_key_updated_by,
									   Anum_key_regenerated_at, Anum_key_regenerated_by, Anum_key_archived_by,
									   Anum_key_disabled_by,    Anum_key_name_folded,    Anum_key_audit_id,
									   Anum_key_row_digest};
	char *workspace = ak_row_text(old, Anum_key_workspace);
	char *name = ak_row_text(old, Anum_key_name);
	TimestampTz now;
	char *actor;
	bool edited;

	if (!ak_row_changed(old, new))
		return new->tuple;
	if (!AK_IS_NULL(old, Anum_key_archived_at))
	{
		if (AK_IS_NULL(new, Anum_key_archived_at))
			ak_wrong_state(errmsg("key \"%s\" cannot be un-archived", name), errhint("Create a new key instead."));
		ak_wrong_state(errmsg("key \"%s\" is archived", name),
					   errdetail("An archived key cannot be changed any more."));
	}
	for (int i = 0; i < (int) lengthof(fixed); i++)
		if (ak_column_changed(old, new, fixed[i]))
			ak_wrong_state(errmsg("column \"%s\" of a key cannot be changed", ak_column_name(old, fixed[i])));

	guard_secrets(old, new);
	ak_normalize_key(old, new);
	if (ak_column_changed(old, new, Anum_key_apis))
		normalize_apis(new);
	if (!ak_row_changed(old, new))
		return ak_row_written(new); /* the same values, once they are normalized */

	now = GetCurrentTimestamp();
	actor = ak_current_actor_name(workspace);
	if (ak_column_changed(old, new, Anum_key_expires_at))
		check_new_expiry(new, workspace, now);
	edited = is_edited(old, new);
	guard_pause(old, new, actor);

	if (!AK_IS_NULL(new, Anum_key_archived_at))
		archive_row(new, workspace, actor);
	else if (ak_column_changed(old, new, Anum_key_key_hash))
	{
		ak_row_set(new, Anum_key_regenerated_at, TimestampTzGetDatum(now));
		ak_row_set_text(new, Anum_key_regenerated_by, actor);
	}
	else if (edited)
	{
		ak_row_set(new, Anum_key_updated_at, TimestampTzGetDatum(now));
		ak_row_set_text(new, Anum_key_updated_by, actor);
	}
	return ak_row_seal(new);
}

/*
 * Trigger BEFORE INSERT OR UPDATE OR DELETE of apikeys.key, each row.
 *
 * Raises 55000 for a forbidden change, 22023 and 22004 for an invalid value,
 * 23514 for what a policy of the workspace refuses, 42704 for an unknown
 * workspace or API.
 */
Datum
ak_guard_key(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = ak_trigger_data(fcinfo, "guard_key", AK_BEFORE | AK_ON_CHANGE, AK_TABLE_BIT(AK_KEY));
	AkRow rows[2];
	AkRow *old;
	AkRow *new;

	ak_trigger_rows(trigdata, rows, &old, &new);
	if (new == NULL)
	{
		const AkAction *action = ak_action_on(trigdata->tg_relation);

		if (action == NULL || action->verb != AK_VERB_DROP)
			ak_wrong_state(
				errmsg("a key cannot be deleted"),
				errhint(
					"apikeys.archive_key() ends a key; beyond the archive limit the key archived first is dropped."));
		return PointerGetDatum(old->tuple);
	}
	if (old != NULL)
		return PointerGetDatum(guard_update(old, new));
	if (!ak_row_restored(new))
		return PointerGetDatum(guard_insert(new));
	ak_check_key_hash(new);
	return PointerGetDatum(new->tuple);
}

/*
 * Trigger AFTER INSERT or UPDATE of apikeys.key, each row.
 *
 * Raises 23505 if a new hash is the old hash of a key; a unique constraint covers
 * the current hashes.  It fires after the row is in that constraint's index:
 * the key that has this hash as its current one cannot make it its old one
 * meanwhile.  And before the audit trigger, after which a row is fresh no more.
 */
Datum
ak_unique_hash(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = ak_trigger_data(fcinfo, "unique_hash", AK_ON_INSERT | AK_ON_UPDATE, AK_TABLE_BIT(AK_KEY));
	const AkAction *action = ak_action_on(trigdata->tg_relation);
	bytea *hash;
	AkRow rows[2];
	AkRow *old;
	AkRow *new;

	/* nobody can have had a secret that was drawn just now */
	if (action != NULL && action->verb == AK_VERB_ISSUE)
		return PointerGetDatum(NULL);
	ak_trigger_rows(trigdata, rows, &old, &new);
	if (!ak_row_fresh(new) || (old != NULL && !ak_column_changed(old, new, Anum_key_key_hash)))
		return PointerGetDatum(NULL);
	ak_check_key_hash(new);
	hash = DatumGetByteaPP(AK_VALUE(new, Anum_key_key_hash));
	if (ak_hash_is_old((const uint8 *) VARDATA_ANY(hash)))
		ak_refuse_known_hash();
	return PointerGetDatum(NULL);
}
