/*-------------------------------------------------------------------------
 *
 * issue.c
 *	  SQL functions that give a key its secret: create_key(), import_key(),
 *	  regenerate_key().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/action.h"
#include "audit/row_digest.h"
#include "audit/sealed_row.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "keys/key_detail.h"
#include "keys/key_lookup.h"
#include "keys/key_write.h"
#include "pure/digest.h"
#include "pure/token.h"

PG_FUNCTION_INFO_V1(ak_create_key);
PG_FUNCTION_INFO_V1(ak_import_key);
PG_FUNCTION_INFO_V1(ak_regenerate_key);

/* A new secret: its text, which is returned once and wiped, and what is stored of it */
typedef struct AkSecret
{
	char text[AK_SECRET_MAX + 1];
	char hint[AK_PREFIX_MAX + 3 + AK_HINT_TAIL + 1];
	uint8 hash[AK_HASH_LEN];
} AkSecret;

/* Makes a secret with the workspace's prefix. */
static void
make_secret(AkSecret *secret, const char *prefix)
{
	size_t len;

	if (!ak_token_make(prefix, pg_strong_random, secret->text))
		ak_random_failed();
	len = strlen(secret->text);
	if (!ak_sha256(secret->text, len, secret->hash))
		ak_hash_failed();
	/* three dots, since not every client encoding has an ellipsis */
	snprintf(secret->hint, sizeof(secret->hint), "%s...%s", prefix, secret->text + len - AK_HINT_TAIL);
}

/*
 * Returns the end of an overlap that begins now; NULL is none.  Raises 22023
 * for an overlap that is negative, not finite, or longer than about 90000
 * years.
 */
static TimestampTz
overlap_end(TimestampTz now, const Interval *overlap)
{
	const int64 years = 90000; /* three times this is still a timestamp */
	TimestampTz until;

	if (overlap == NULL)
		return now;
	if (overlap->month > years * MONTHS_PER_YEAR || overlap->month < -years * MONTHS_PER_YEAR ||
		overlap->day > years * 365 || overlap->day < -years * 365 || overlap->time > years * 365 * USECS_PER_DAY ||
		overlap->time < -years * 365 * USECS_PER_DAY)
		until = DT_NOEND;
	else
		until = DatumGetTimestampTz(
			DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), IntervalPGetDatum(overlap)));
	if (until < now || TIMESTAMP_NOT_FINITE(until))
		ak_bad_argument("overlap", errmsg("overlap must be finite and not negative"));
	if (until > now && until - now < USECS_PER_MINUTE)
		ereport(NOTICE, (errmsg("the old secret stays valid for less than a minute"),
						 errhint("An interval without a unit is in seconds: write '7 days'.")));
	return until;
}

/* Returns the workspace that a key is to be created in, checked, and its settings. */
static char *
new_key_workspace(FunctionCallInfo fcinfo, int n, AkWorkspace *settings)
{
	char *workspace;

	ak_require_anywhere(AK_MANAGE);
	ak_refuse_read_only(fcinfo);
	workspace = ak_target_workspace(AK_MANAGE, ak_optional_text(fcinfo, n));
	ak_require_workspace_settings(AK_MANAGE, workspace, settings);
	return workspace;
}

/*
 * create_key(name text, apis text[], workspace, team, owner, expires_at, allowed_cidrs, rate_limit, rate_window,
 *			  quota, quota_period, metadata) -> issued_key
 *
 * Raises 22023 and 22004 for an invalid value, 42704 for an unknown workspace
 * or API, 23505 for a name that exists, 23514 for what a policy of the
 * workspace refuses, and 42501.  Waits only for a transaction that takes the
 * name, unregisters one of the APIs, or removes the workspace, and in a
 * workspace with a key_limit for one that creates a key there.
 */
Datum
ak_create_key(PG_FUNCTION_ARGS)
{
	AkWorkspace settings;
	AkSecret secret;
	AkRow row;
	char *workspace = new_key_workspace(fcinfo, 2, &settings);

	make_secret(&secret, settings.prefix);
	ak_insert_key(fcinfo, AK_VERB_ISSUE, workspace, secret.hash, secret.hint, 3, &row);
	return ak_return_issued_key(fcinfo, secret.text, &row);
}

/*
 * import_key(name text, apis text[], key_hash bytea, hint text, workspace, team, ... metadata)
 *			  -> key_detail
 *
 * key_hash is the SHA-256 of the key's whole text, 32 bytes.  Errors as in
 * create_key; 23505 also for a hash that is known, current or old.
 */
Datum
ak_import_key(PG_FUNCTION_ARGS)
{
	AkWorkspace settings;
	AkRow row;
	char *workspace = new_key_workspace(fcinfo, 4, &settings);
	bytea *hash;

	ak_need_argument(fcinfo, 2, "key_hash");
	hash = PG_GETARG_BYTEA_PP(2);
	if (VARSIZE_ANY_EXHDR(hash) != AK_HASH_LEN)
		ak_bad_argument(
			"key_hash", errmsg("key hash must have 32 bytes"),
			errhint(
				"It is the SHA-256 of the key's whole text: pg_catalog.sha256(pg_catalog.convert_to(key, 'UTF8'))."));
	ak_insert_key(fcinfo, AK_VERB_IMPORT, workspace, (const uint8 *) VARDATA_ANY(hash), ak_optional_text(fcinfo, 3), 5,
				  &row);
	return ak_return_key(fcinfo, &row);
}

/*
 * regenerate_key(key_id uuid, overlap interval = '0', reason text = NULL) -> issued_key
 *
 * Raises 42704, 22004, 22023 for an invalid overlap or reason, 55000 for an
 * archived key, 42501.
 */
Datum
ak_regenerate_key(PG_FUNCTION_ARGS)
{
	AkAction action = {.table = AK_KEY, .verb = AK_VERB_ISSUE};
	AkWorkspace settings;
	AkSecret secret;
	AkFoundKey key;
	AkRow wanted;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;

	ak_find_key(fcinfo, AK_MANAGE, &key);
	until = overlap_end(now, PG_ARGISNULL(1) ? NULL : PG_GETARG_INTERVAL_P(1));
	action.reason = ak_reason_argument(fcinfo, 2, key.workspace);
	if (!ak_workspace_settings(key.workspace, &settings))
		strlcpy(settings.prefix, "ak", sizeof(settings.prefix));

	make_secret(&secret, settings.prefix);
	for (;;)
	{
		wanted = key.row;
		ak_row_set(&wanted, Anum_key_key_hash, ak_digest_datum(secret.hash));
		ak_row_set_text(&wanted, Anum_key_hint, secret.hint);
		if (until == now)
			ak_row_clear(&wanted, Anum_key_old_valid_until);
		else
			ak_row_set(&wanted, Anum_key_old_valid_until, TimestampTzGetDatum(until));
		if (ak_change_key(&key, &action, &wanted))
			return ak_return_issued_key(fcinfo, secret.text, &key.row);
		CHECK_FOR_INTERRUPTS();
		ak_find_key(fcinfo, AK_MANAGE, &key);
	}
}
