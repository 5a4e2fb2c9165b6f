/*-------------------------------------------------------------------------
 *
 * leak.c
 *	  Leaked secrets: find_secrets() and secret_pattern().
 *
 * A secret is recognized by its shape and its checksum.  The pattern for
 * scanners tells the shape alone: a prefix in use, now or before, "_", 49 letters
 * and digits, between word boundaries.  It has no lookaround and no
 * backreference, which RE2, Hyperscan and Rust do not know.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "access/context.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/query.h"
#include "pure/digest.h"
#include "pure/token.h"
#include "validate/keystore.h"

PG_FUNCTION_INFO_V1(ak_find_secrets);
PG_FUNCTION_INFO_V1(ak_secret_pattern);

/* The columns of find_secrets() */
enum
{
	FOUND_KEY,
	FOUND_VALID_CHECKSUM,
	FOUND_KEY_ID,
	FOUND_WORKSPACE,
	FOUND_NAME,
	FOUND_STATE,
	FOUND_NATTS
};

/* Adds the row of a secret that was found in a text; "valid" tells of its checksum. */
static void
put_secret(ReturnSetInfo *rsinfo, const char *secret, size_t len, bool valid)
{
	Datum values[FOUND_NATTS] = {0};
	bool nulls[FOUND_NATTS] = {false, false, true, true, true, true};
	AkLookup lookup;
	uint8 hash[AK_HASH_LEN];

	values[FOUND_KEY] = PointerGetDatum(cstring_to_text_with_len(secret, len));
	values[FOUND_VALID_CHECKSUM] = BoolGetDatum(valid);
	if (!valid)
	{
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		return;
	}
	if (!ak_sha256(secret, len, hash))
		ak_hash_failed();
	if (ak_keystore_find_seen(&lookup, hash) &&
		ak_sees(AK_VIEW, TextDatumGetCString(AK_FOUND(&lookup, Anum_key_workspace))))
	{
		const char *state = !AK_FOUND_NULL(&lookup, Anum_key_archived_at)   ? "archived"
							: !AK_FOUND_NULL(&lookup, Anum_key_disabled_at) ? "disabled"
																			: "active";

		values[FOUND_KEY_ID] = AK_FOUND(&lookup, Anum_key_key_id);
		values[FOUND_WORKSPACE] = AK_FOUND(&lookup, Anum_key_workspace);
		values[FOUND_NAME] = AK_FOUND(&lookup, Anum_key_name);
		values[FOUND_STATE] = CStringGetTextDatum(state);
		memset(nulls, false, sizeof(nulls));
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	ak_keystore_end(&lookup);
}

/*
 * find_secrets(content text) -> setof (key, valid_checksum, key_id, workspace, name, state)
 *
 * A row for each text of our shape, in the order of the content; key_id and what
 * follows is NULL if it is nobody's, or of a key that the caller may not see.
 * As the transaction sees keys.  Raises 42501.
 */
Datum
ak_find_secrets(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo;
	MemoryContext context;
	text *content;
	size_t len;
	size_t at = 0;
	size_t found_len;
	bool valid;

	ak_require_anywhere(AK_VIEW);
	InitMaterializedSRF_compat(fcinfo);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	content = PG_GETARG_TEXT_PP(0);
	len = VARSIZE_ANY_EXHDR(content);
	context = AllocSetContextCreate(CurrentMemoryContext, "apikeys secret", ALLOCSET_SMALL_SIZES);
	while ((at = ak_token_scan(VARDATA_ANY(content), len, at, &found_len, &valid)) < len)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		put_secret(rsinfo, VARDATA_ANY(content) + at, found_len, valid);
		at += found_len;
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return (Datum) 0;
}

/*
 * secret_pattern(workspace text = NULL) -> text
 *
 * The regular expression of the secrets that are, or were ever, issued in a
 * workspace; NULL: in all that the caller may use.  NULL if there is none.
 * Raises 42704, 42501.
 */
Datum
ak_secret_pattern(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"SELECT CASE WHEN count(*) > 1 THEN '(?:' || string_agg(prefix, '|' ORDER BY prefix) || ')' "
		"ELSE min(prefix) END "
		"FROM (SELECT DISTINCT p.prefix COLLATE \"C\" AS prefix FROM apikeys.workspace w, "
		"unnest(w.prefix || w.former_prefixes) AS p (prefix) "
		"WHERE $1 IS NULL OR w.workspace = ANY ($1)) AS used",
		1,
		{TEXTARRAYOID},
		NULL};
	Datum args[1] = {0};
	char *prefix;

	if (!PG_ARGISNULL(0))
	{
		char *workspace = text_to_cstring(PG_GETARG_TEXT_PP(0));
		Datum only = CStringGetTextDatum(workspace);
		AkWorkspace settings;

		ak_check_workspace_argument(workspace);
		/* any capability will do: without one, or without a workspace, this raises 42704 */
		if (!ak_may_something(workspace) || !ak_workspace_settings(workspace, &settings))
			ak_require_workspace(AK_VIEW, workspace);
		args[0] = ak_text_array_of(only);
	}
	else if (!ak_sees_everywhere(AK_ANY))
		args[0] = ak_visible_workspaces(AK_ANY);

	prefix = ak_read_text(&query, args, args[0] == 0 ? "n" : NULL, AK_SEE_TRANSACTION);
	if (prefix == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("\\b%s_[0-9A-Za-z]{%d}\\b", prefix, AK_RANDOM_LEN + AK_CHECKSUM_LEN)));
}
