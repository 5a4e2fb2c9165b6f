/*-------------------------------------------------------------------------
 *
 * report_leak.c
 *	  A secret-scanning partner's alert: report_leak().
 *
 * Possession of a secret is the permission to end what it allows, so the role of
 * the webhook needs the capability "validate" alone.  The leak_action of the
 * workspace says what happens to the key of a current secret.  Each element of
 * the alert is handled by itself: one that is malformed, or names the secret of
 * no key, stops none of the others.
 *
 * The partner's texts go into the entry, but no secret does: a URL may hold one.
 *
 * Locks: those of the changes that are made, see manage.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "access/access.h"
#include "audit/action.h"
#include "audit/entry.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/query.h"
#include "keys/key_lookup.h"
#include "keys/manage.h"
#include "pure/digest.h"
#include "pure/token.h"

PG_FUNCTION_INFO_V1(ak_report_leak);

/* The most of a partner's text that an entry keeps */
#define TEXT_MAX 1000 /* characters */

/* An element of an alert; a member that is missing, or no text, is NULL */
typedef struct AkAlert
{
	char *token;
	char *type;
	char *url;
	char *source;
} AkAlert;

/* Returns a member of a JSON object that is a text; else NULL. */
static char *
text_member(JsonbContainer *object, const char *name)
{
	JsonbValue buf;
	JsonbValue *value = getKeyJsonValueFromContainer(object, name, strlen(name), &buf);

	return value != NULL && value->type == jbvString ? pnstrdup(value->val.string.val, value->val.string.len) : NULL;
}

/* Appends a member of JSON, if there is a text, cut to TEXT_MAX, unless it is or may be what must not be stored. */
static void
append_told(StringInfo json, const char *name, const char *text, const char *workspace)
{
	int len;

	if (text == NULL)
		return;
	len = strlen(text);
	if (json->len > 0 && json->data[json->len - 1] != '{')
		appendStringInfoString(json, ", ");
	appendStringInfo(json, "\"%s\": ", name);
	if (!ak_text_valid(text, len))
		escape_json(json, "(left out: its encoding is not valid)");
	else if (ak_token_find(text, true) != NULL || ak_has_known_secret(text, workspace))
		escape_json(json, "(left out: it contains a secret)");
	else
		escape_json(json, pnstrdup(text, pg_mbcharcliplen(text, len, TEXT_MAX)));
}

/* Returns what an entry tells of the alert, as the member "leak" of its changes. */
static char *
leak_details(const AkAlert *alert, AkSecretUse use, const char *workspace)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "\"leak\": {");
	append_told(&json, "source", alert->source, workspace);
	append_told(&json, "url", alert->url, workspace);
	append_told(&json, "type", alert->type, workspace);
	append_told(&json, "secret",
				use == AK_SECRET_CURRENT      ? "current"
				: use == AK_SECRET_IN_OVERLAP ? "old, within its overlap"
											  : "dead",
				NULL);
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* Returns the leak_action of a workspace, as of the latest commit. */
static char *
leak_action(const char *workspace)
{
	static AkQuery query = {"SELECT leak_action FROM apikeys.workspace WHERE workspace = $1", 1, {TEXTOID}, NULL};
	Datum args[1] = {CStringGetTextDatum(workspace)};
	char *result = ak_read_text(&query, args, NULL, AK_SEE_LATEST);

	return result ? result : pstrdup("disable");
}

/* Writes an entry that tells of a leak that changes nothing. */
static void
log_leak(const AkFoundKey *key, const char *details)
{
	AkEntry entry = {0};
	AkCaller caller;
	StringInfoData name;

	initStringInfo(&name);
	appendStringInfo(&name, "A secret of key \"%s\" was reported as leaked", key->name);
	entry.workspace = key->workspace;
	entry.entity = "API Keys";
	entry.action = "Update";
	entry.activity = name.data;
	entry.subject = psprintf("{\"key_id\": \"%s\"}", DatumGetCString(DirectFunctionCall1(uuid_out, key->key_id)));
	entry.key_name = key->name;
	entry.key_id = key->key_id;
	entry.changes = psprintf("{%s}", details);
	ak_owner_begin(&caller, AK_TO_MANAGE);
	SPI_connect();
	ak_write_entry(&entry);
	SPI_finish();
	ak_owner_end(&caller);
}

/*
 * Ends what a leaked secret allows, as the leak_action of its workspace says.
 * Returns false if it is no key's secret, or of a key that the caller may not
 * validate.
 */
static bool
act_on_leak(const AkAlert *alert)
{
	AkAction action = {.table = AK_KEY, .why = "was reported as leaked"};
	AkFoundKey key;
	bool done;

	do
	{
		AkSecretUse use = ak_find_secret(alert->token, strlen(alert->token), AK_VALIDATE, &key);
		char *to_do;

		CHECK_FOR_INTERRUPTS();
		if (use == AK_SECRET_UNKNOWN)
			return false;
		action.details = leak_details(alert, use, key.workspace);
		to_do = leak_action(key.workspace);
		done = true;
		if (use == AK_SECRET_IN_OVERLAP)
			done = ak_end_overlap_row(&key, &action);
		else if (use == AK_SECRET_CURRENT && strcmp(to_do, "archive") == 0)
			done = ak_archive_key_row(&key, &action);
		else if (use == AK_SECRET_CURRENT && strcmp(to_do, "disable") == 0 &&
				 AK_IS_NULL(&key.row, Anum_key_disabled_at))
			done = ak_disable_key_row(&key, &action);
		else
		{
			/* paused already, unless somebody has enabled it since the snapshot */
			if (use == AK_SECRET_CURRENT && strcmp(to_do, "disable") == 0)
				ak_check_seen(&key);
			log_leak(&key, action.details);
		}
	} while (!done);
	return true;
}

/* Appends the answer to an alert: a JSON object. */
static void
append_answer(StringInfo answer, const AkAlert *alert, bool ours)
{
	const char *utf8 = ak_text_utf8(alert->token, strlen(alert->token));
	uint8 hash[AK_HASH_LEN];
	char hex[2 * AK_HASH_LEN + 1];

	/* where it has no UTF-8, of the token as it came */
	if (utf8 == NULL)
		utf8 = alert->token;
	if (!ak_sha256(utf8, strlen(utf8), hash))
		ak_hash_failed();
	hex[hex_encode((const char *) hash, AK_HASH_LEN, hex)] = '\0';
	appendStringInfo(answer, "%s{\"token_hash\": \"%s\", \"token_type\": ", answer->len > 1 ? ", " : "", hex);
	if (alert->type != NULL)
		escape_json(answer, alert->type);
	else
		appendStringInfoString(answer, "null");
	appendStringInfo(answer, ", \"label\": \"%s\"}", ours ? "true_positive" : "false_positive");
}

/*
 * report_leak(alerts jsonb) -> jsonb
 *
 * Takes a partner's array [{"token", "type", "url", "source"}], and returns
 * [{"token_hash", "token_type", "label"}] for the elements that have a token, in
 * their order.  Raises 22004 for NULL, 22023 unless it is an array, 42501, and
 * what a change of a key raises.  Under REPEATABLE READ, 40001 if a key was
 * changed after the snapshot.
 */
Datum
ak_report_leak(PG_FUNCTION_ARGS)
{
	StringInfoData answer;
	Jsonb *alerts;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue value;

	ak_require_anywhere(AK_VALIDATE);
	ak_need_argument(fcinfo, 0, "alerts");
	ak_refuse_read_only(fcinfo);
	alerts = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_ARRAY(alerts) || JB_ROOT_IS_SCALAR(alerts))
		ak_bad_argument(
			"alerts", errmsg("alerts must be a JSON array"),
			errhint("Pass what the partner sent: [{\"token\": ..., \"type\": ..., \"url\": ..., \"source\": ...}]."));
	initStringInfo(&answer);
	appendStringInfoChar(&answer, '[');
	it = JsonbIteratorInit(&alerts->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		AkAlert alert;

		if (token != WJB_ELEM || value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
			continue;
		alert.token = text_member(value.val.binary.data, "token");
		if (alert.token == NULL)
			continue;
		alert.type = text_member(value.val.binary.data, "type");
		alert.url = text_member(value.val.binary.data, "url");
		alert.source = text_member(value.val.binary.data, "source");
		append_answer(&answer, &alert, act_on_leak(&alert));
	}
	appendStringInfoChar(&answer, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(answer.data));
}
