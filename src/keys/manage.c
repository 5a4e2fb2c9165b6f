/*-------------------------------------------------------------------------
 *
 * manage.c
 *	  SQL functions that change a key: update_key(), disable_key(), enable_key(),
 *	  end_overlap(), archive_key(), revoke_key().
 *
 * How a row is changed is in key_write.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "audit/action.h"
#include "audit/sealed_row.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "keys/key_columns.h"
#include "keys/key_detail.h"
#include "keys/key_lookup.h"
#include "keys/key_write.h"
#include "keys/manage.h"

PG_FUNCTION_INFO_V1(ak_end_overlap);
PG_FUNCTION_INFO_V1(ak_update_key);
PG_FUNCTION_INFO_V1(ak_disable_key);
PG_FUNCTION_INFO_V1(ak_enable_key);
PG_FUNCTION_INFO_V1(ak_archive_key);
PG_FUNCTION_INFO_V1(ak_revoke_key);

typedef bool (*AkChange)(AkFoundKey *key, const AkAction *action);

/*
 * Makes a change of the key that the first argument names, and returns its
 * key_detail.  The n-th argument is the reason; 0: there is none.
 */
static Datum
change_by_id(FunctionCallInfo fcinfo, AkChange change, int n)
{
	AkAction action = {.table = AK_KEY};
	AkFoundKey key;

	do
	{
		CHECK_FOR_INTERRUPTS();
		ak_find_key(fcinfo, AK_MANAGE, &key);
		if (n != 0)
			action.reason = ak_reason_argument(fcinfo, n, key.workspace);
	} while (!change(&key, &action));
	return ak_return_key(fcinfo, &key.row);
}

/* Sets one time of a key; 0 clears it. */
static bool
change_time(AkFoundKey *key, const AkAction *action, AttrNumber column, TimestampTz time)
{
	AkRow wanted = key->row;

	if (time != 0)
		ak_row_set(&wanted, column, TimestampTzGetDatum(time));
	else
		ak_row_clear(&wanted, column);
	return ak_change_key(key, action, &wanted);
}

/* A key is as it should be; returns true. */
static bool
is_so(const AkFoundKey *key)
{
	ak_check_seen(key);
	return true;
}

/* Ends a pause. */
static bool
enable_row(AkFoundKey *key, const AkAction *action)
{
	return AK_IS_NULL(&key->row, Anum_key_disabled_at) ? is_so(key) : change_time(key, action, Anum_key_disabled_at, 0);
}

/*
 * The changes that report_leak() makes, too.  The key was found, and is not
 * archived; the caller's rights were checked.  Each returns true if the key is
 * now as it should be, also if it was before, with the row in key->row; false
 * if somebody changed the key since it was read: find it again.  Errors as in
 * ak_change_key().
 */

/* Pauses a key. */
bool
ak_disable_key_row(AkFoundKey *key, const AkAction *action)
{
	return AK_IS_NULL(&key->row, Anum_key_disabled_at)
			   ? change_time(key, action, Anum_key_disabled_at, GetCurrentTimestamp())
			   : is_so(key);
}

/* Ends an overlap. */
bool
ak_end_overlap_row(AkFoundKey *key, const AkAction *action)
{
	if (AK_IS_NULL(&key->row, Anum_key_old_valid_until) ||
		DatumGetTimestampTz(AK_VALUE(&key->row, Anum_key_old_valid_until)) <= GetCurrentTimestamp())
		return is_so(key);
	return change_time(key, action, Anum_key_old_valid_until, 0);
}

/* Archives a key.  Waits for a transaction that archives a key of the same workspace. */
bool
ak_archive_key_row(AkFoundKey *key, const AkAction *action)
{
	return change_time(key, action, Anum_key_archived_at, GetCurrentTimestamp());
}

/* disable_key(key_id uuid, reason text = NULL) -> key_detail.  Raises 42704, 22004, 22023, 55000, 42501. */
Datum
ak_disable_key(PG_FUNCTION_ARGS)
{
	return change_by_id(fcinfo, ak_disable_key_row, 1);
}

/* enable_key(key_id uuid, reason text = NULL) -> key_detail.  Errors as in disable_key. */
Datum
ak_enable_key(PG_FUNCTION_ARGS)
{
	return change_by_id(fcinfo, enable_row, 1);
}

/* end_overlap(key_id uuid) -> key_detail.  Raises 42704, 22004, 55000, 42501. */
Datum
ak_end_overlap(PG_FUNCTION_ARGS)
{
	return change_by_id(fcinfo, ak_end_overlap_row, 0);
}

/* archive_key(key_id uuid, reason text = NULL) -> key_detail.  Errors as in disable_key. */
Datum
ak_archive_key(PG_FUNCTION_ARGS)
{
	return change_by_id(fcinfo, ak_archive_key_row, 1);
}

/*
 * revoke_key(key text, reason text = NULL) -> uuid
 *
 * Possession is the permission: the current secret archives its key, an old one
 * within its overlap ends the overlap.  Returns the key_id; NULL, without an
 * entry, for a secret that is dead, nobody's, or of a key that the caller may
 * not validate.  Raises 22023 for an invalid reason, 42501.
 */
Datum
ak_revoke_key(PG_FUNCTION_ARGS)
{
	AkAction action = {.table = AK_KEY, .why = "was revoked by a holder of its secret"};
	AkFoundKey key;
	AkSecretUse use;
	text *secret;

	ak_require_anywhere(AK_VALIDATE);
	ak_refuse_read_only(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	secret = PG_GETARG_TEXT_PP(0);
	do
	{
		CHECK_FOR_INTERRUPTS();
		use = ak_find_secret(VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret), AK_VALIDATE, &key);
		if (use != AK_SECRET_CURRENT && use != AK_SECRET_IN_OVERLAP)
			PG_RETURN_NULL();
		action.reason = ak_reason_argument(fcinfo, 1, key.workspace);
	} while (use == AK_SECRET_CURRENT ? !ak_archive_key_row(&key, &action) : !ak_end_overlap_row(&key, &action));
	return key.key_id;
}

/*
 * Gives in *new the row of a key as update_key() is to leave it, with the
 * columns in their form; returns true if any of them changes.
 */
static bool
apply_update(FunctionCallInfo fcinfo, const AkRow *old, AkRow *new)
{
	*new = *old;
	if (!PG_ARGISNULL(1))
		ak_row_set(new, Anum_key_name, PG_GETARG_DATUM(1));
	if (!PG_ARGISNULL(2) && !ak_same_apis(PG_GETARG_DATUM(2), AK_VALUE(old, Anum_key_apis)))
		ak_row_set(new, Anum_key_apis, PG_GETARG_DATUM(2));
	ak_set_common_columns(fcinfo, 3, new);
	ak_normalize_key(old, new);
	/* it follows from the name, and the guard sets it */
	ak_row_set(new, Anum_key_name_folded, AK_VALUE(old, Anum_key_name_folded));
	return ak_row_changed(old, new);
}

/* Raises 40001 unless if_updated_at, the n-th argument, is NULL or tells when the key was updated last. */
static void
check_if_updated(FunctionCallInfo fcinfo, int n, const AkFoundKey *key)
{
	AttrNumber column = AK_IS_NULL(&key->row, Anum_key_updated_at) ? Anum_key_created_at : Anum_key_updated_at;

	if (PG_ARGISNULL(n) || PG_GETARG_TIMESTAMPTZ(n) == DatumGetTimestampTz(AK_VALUE(&key->row, column)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errmsg("key \"%s\" was changed since it was read", key->name),
			 errhint("Read it again with apikeys.key_details(), and repeat the change.")));
}

/*
 * update_key(key_id uuid, name, apis, team, owner, expires_at, allowed_cidrs, rate_limit, rate_window,
 *			  quota, quota_period, metadata, if_updated_at timestamptz) -> key_detail
 *
 * NULL keeps a value; '' clears the team or the owner, '{}' the addresses or the
 * metadata, 'infinity' the expiry, 0 the rate limit or the quota.  Raises
 * 42704, 22023, 22004, 23505, 23514, 55000, 42501, and 40001 if the key was
 * updated since if_updated_at.
 */
Datum
ak_update_key(PG_FUNCTION_ARGS)
{
	AkFoundKey key;
	AkRow wanted;

	do
	{
		CHECK_FOR_INTERRUPTS();
		ak_find_key(fcinfo, AK_MANAGE, &key);
		check_if_updated(fcinfo, 12, &key);
		if (!apply_update(fcinfo, &key.row, &wanted))
		{
			ak_check_seen(&key);
			break;
		}
	} while (!ak_change_key(&key, NULL, &wanted));
	return ak_return_key(fcinfo, &key.row);
}
