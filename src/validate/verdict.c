/*-------------------------------------------------------------------------
 *
 * verdict.c
 *	  The verdict: as a row, as headers of an HTTP response, and as an error for
 *	  PostgREST.
 *
 * The row has 20 columns, most of which are NULL or copied from the key's row.
 * heap_form_tuple() took a sixth of the instructions of a validation, so the
 * row is laid out here: see form_row().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "validate/verdict.h"

PG_FUNCTION_INFO_V1(ak_response_headers);

/* The largest Integer of a structured field (RFC 9651, 3.3.1) */
#define FIELD_INTEGER_MAX INT64CONST(999999999999999)

/* The SQLSTATE by which PostgREST knows an error that is a response; see ak_verdict_raise() */
#define ERRCODE_PGRST MAKE_SQLSTATE('P', 'G', 'R', 'S', 'T')

/*
 * ------------------------------------------------------------------ the row
 */

/* How the columns are stored: the length, -1 for a varlena, and the alignment, both in bytes */
static const struct
{
	int8 len;
	uint8 align;
} layout[VERDICT_NATTS] = {
	{1, 1},  /* valid */
	{-1, 4}, /* code */
	{2, 2},  /* http_status */
	{16, 1}, /* key_id */
	{-1, 4}, /* workspace */
	{-1, 4}, /* name */
	{-1, 4}, /* team */
	{-1, 4}, /* owner */
	{-1, 4}, /* apis */
	{8, 8},  /* expires_at */
	{8, 8},  /* old_valid_until */
	{4, 4},  /* retry_after */
	{4, 4},  /* rate_limit */
	{4, 4},  /* rate_window */
	{4, 4},  /* rate_remaining */
	{4, 4},  /* rate_reset */
	{8, 8},  /* quota */
	{8, 8},  /* quota_remaining */
	{4, 4},  /* quota_reset */
	{-1, 4}, /* metadata */
};

#define ROW_OFFSET MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(VERDICT_NATTS))
#define FIXED_MAX  160 /* bytes of all columns that are no varlena, and of all padding */

/* Returns true if a column of the type is stored as layout[] says. */
static bool
is_laid_out(TupleDesc desc, int i)
{
	Form_pg_attribute attr = TupleDescAttr(desc, i);
	int align = attr->attalign == TYPALIGN_CHAR    ? 1
				: attr->attalign == TYPALIGN_SHORT ? ALIGNOF_SHORT
				: attr->attalign == TYPALIGN_INT   ? ALIGNOF_INT
												   : ALIGNOF_DOUBLE;

	return attr->attlen == layout[i].len && align == layout[i].align;
}

/* The row type apikeys.verdict, valid while "generation" is that of the catalog */
static struct
{
	TupleDesc desc;
	uint64 generation;
	HeapTuple empty; /* a row of it, all NULL */
	bool laid_out;   /* it is stored as layout[] says */
	/* rows of it for requests without a key, by code, once they were made */
	HeapTupleHeader without_key[AK_CODE_COUNT];
} row_type;

/* Looks up the row type.  Raises 55000 if it has another number of columns. */
static void
look_up_row_type(void)
{
	TupleDesc type = lookup_rowtype_tupdesc(get_rel_type_id(ak_relid(AK_VERDICT)), -1);
	Datum values[VERDICT_NATTS] = {0};
	bool nulls[VERDICT_NATTS];
	MemoryContext old;

	if (type->natts != VERDICT_NATTS)
		ak_wrong_version("type", "apikeys.verdict");
	memset(nulls, true, sizeof(nulls));
	if (row_type.desc != NULL)
	{
		FreeTupleDesc(row_type.desc);
		heap_freetuple(row_type.empty);
		for (int i = 0; i < AK_CODE_COUNT; i++)
			if (row_type.without_key[i] != NULL)
				pfree(row_type.without_key[i]);
		memset(&row_type, 0, sizeof(row_type));
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	row_type.empty = heap_form_tuple(type, values, nulls);
	row_type.desc = CreateTupleDescCopy(type);
	MemoryContextSwitchTo(old);
	ReleaseTupleDesc(type);
	row_type.laid_out = FLOAT8PASSBYVAL && row_type.empty->t_len == ROW_OFFSET;
	for (int i = 0; i < VERDICT_NATTS; i++)
		row_type.laid_out &= is_laid_out(row_type.desc, i);
	row_type.generation = ak_catalog_generation();
}

/*
 * Returns a row of these columns, as heap_form_tuple() and HeapTupleGetDatum()
 * would, with a quarter of the instructions (520 instead of 2,130 for a key with
 * five columns set): the columns' types are known, and varlenas are copied as they
 * are stored.  The header is copied from a row that heap_form_tuple() made.  If a
 * value is in the TOAST table, those two functions make the row: they fetch the
 * value while its row is visible.
 */
static Datum
form_row(const Datum *values, const bool *nulls)
{
	Size bound = ROW_OFFSET + FIXED_MAX;
	bool fast;
	HeapTupleHeader row;
	char *at;

	fast = row_type.laid_out;
	for (int i = 0; i < VERDICT_NATTS && fast; i++)
	{
		if (nulls[i] || layout[i].len >= 0)
			continue;
		bound += VARSIZE_ANY(DatumGetPointer(values[i]));
		fast = !VARATT_IS_EXTERNAL(DatumGetPointer(values[i]));
	}
	if (unlikely(!fast))
		return HeapTupleGetDatum(heap_form_tuple(row_type.desc, (Datum *) values, (bool *) nulls));

	row = palloc0(bound);
	memcpy(row, row_type.empty->t_data, ROW_OFFSET);
	row->t_infomask |= HEAP_HASVARWIDTH;
	at = (char *) row + ROW_OFFSET;
	for (int i = 0; i < VERDICT_NATTS; i++)
	{
		const void *value = DatumGetPointer(values[i]);
		Size len = layout[i].len;

		if (nulls[i])
			continue;
		row->t_bits[i >> 3] |= 1 << (i & 7);
		switch (layout[i].len)
		{
			case 1:
				*at = DatumGetBool(values[i]);
				break;
			case 2:
				at = (char *) SHORTALIGN(at);
				*(int16 *) at = DatumGetInt16(values[i]);
				break;
			case 4:
				at = (char *) INTALIGN(at);
				*(int32 *) at = DatumGetInt32(values[i]);
				break;
			case 8:
				at = (char *) DOUBLEALIGN(at);
				*(int64 *) at = DatumGetInt64(values[i]);
				break;
			case -1:
				len = VARSIZE_ANY(value);
				if (!VARATT_IS_SHORT(value))
					at = (char *) INTALIGN(at);
				memcpy(at, value, len);
				break;
			default:
				memcpy(at, value, len);
				break;
		}
		at += len;
	}
	Assert(at <= (char *) row + bound);
	HeapTupleHeaderSetDatumLength(row, at - (char *) row);
	return PointerGetDatum(row);
}

/* Returns a code as a text, which is made once. */
static Datum
code_datum(AkCode code)
{
	static text *texts[AK_CODE_COUNT];

	if (unlikely(texts[code] == NULL))
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		texts[code] = cstring_to_text(ak_code_name(code));
		MemoryContextSwitchTo(old);
	}
	return PointerGetDatum(texts[code]);
}

#define SET_VERDICT(column, datum) \
	(values[Anum_verdict_##column - 1] = (datum), nulls[Anum_verdict_##column - 1] = false)

/* Sets the columns of limits and quota. */
static void
set_charge(AkCode code, const AkCharge *charge, Datum *values, bool *nulls)
{
	if (code != AK_VALID && charge->retry_after >= 0)
		SET_VERDICT(retry_after, Int32GetDatum(charge->retry_after));
	if (charge->rate_limit > 0)
	{
		SET_VERDICT(rate_limit, Int32GetDatum(charge->rate_limit));
		SET_VERDICT(rate_window, Int32GetDatum(charge->rate_window));
		SET_VERDICT(rate_remaining, Int32GetDatum(charge->rate_remaining));
		SET_VERDICT(rate_reset, Int32GetDatum(charge->rate_reset));
	}
	if (charge->quota >= 0)
		SET_VERDICT(quota, Int64GetDatum(charge->quota));
	if (charge->quota_remaining >= 0)
		SET_VERDICT(quota_remaining, Int64GetDatum(charge->quota_remaining));
	if (charge->quota_reset >= 0)
		SET_VERDICT(quota_reset, Int32GetDatum(charge->quota_reset));
}

/* Sets the columns that every verdict has, the others to NULL. */
static void
set_code(AkCode code, Datum *values, bool *nulls)
{
	memset(nulls, true, VERDICT_NATTS * sizeof(bool));
	SET_VERDICT(valid, BoolGetDatum(code == AK_VALID));
	SET_VERDICT(code, code_datum(code));
	SET_VERDICT(http_status, Int16GetDatum(ak_code_http_status(code)));
}

/*
 * Returns the verdict on a request without a key, which depends on the code alone:
 * a copy of a row that is made once, 120 instructions instead of 610.
 */
static Datum
row_without_key(AkCode code)
{
	HeapTupleHeader made = row_type.without_key[code];
	HeapTupleHeader row;

	if (unlikely(made == NULL))
	{
		Datum values[VERDICT_NATTS];
		bool nulls[VERDICT_NATTS];

		set_code(code, values, nulls);
		row = DatumGetHeapTupleHeader(form_row(values, nulls));
		made = MemoryContextAlloc(TopMemoryContext, HeapTupleHeaderGetDatumLength(row));
		memcpy(made, row, HeapTupleHeaderGetDatumLength(row));
		row_type.without_key[code] = made;
	}
	row = palloc(HeapTupleHeaderGetDatumLength(made));
	memcpy(row, made, HeapTupleHeaderGetDatumLength(made));
	return PointerGetDatum(row);
}

/*
 * Returns a verdict as a Datum of type apikeys.verdict, in the current context.
 * found NULL: the request has no key, and "charge" is NULL, too.  charge NULL: the
 * columns of limits and quota are NULL.  Raises 55000 if the type has other columns
 * than this library knows.
 */
Datum
ak_verdict_make(AkCode code, const AkLookup *found, const AkCharge *charge)
{
	static const struct
	{
		int verdict;
		int key;
	} columns[] = {
		{Anum_verdict_key_id, Anum_key_key_id},
		{Anum_verdict_workspace, Anum_key_workspace},
		{Anum_verdict_name, Anum_key_name},
		{Anum_verdict_team, Anum_key_team},
		{Anum_verdict_owner, Anum_key_owner},
		{Anum_verdict_apis, Anum_key_apis},
		{Anum_verdict_expires_at, Anum_key_expires_at},
		{Anum_verdict_metadata, Anum_key_metadata},
	};
	Datum values[VERDICT_NATTS];
	bool nulls[VERDICT_NATTS];

	if (unlikely(row_type.desc == NULL || row_type.generation != ak_catalog_generation()))
		look_up_row_type();
	if (found == NULL)
		return row_without_key(code);
	set_code(code, values, nulls);
	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		values[columns[i].verdict - 1] = AK_FOUND(found, columns[i].key);
		nulls[columns[i].verdict - 1] = AK_FOUND_NULL(found, columns[i].key);
	}
	if (found->by_old_secret && !AK_FOUND_NULL(found, Anum_key_old_valid_until))
		SET_VERDICT(old_valid_until, AK_FOUND(found, Anum_key_old_valid_until));
	if (charge != NULL)
		set_charge(code, charge, values, nulls);
	return form_row(values, nulls);
}

/*
 * -------------------------------------------------------------- the headers
 */

/* Reads the columns of a row of type verdict.  Raises 55000 if it has another number of them. */
static void
read_verdict(HeapTupleHeader verdict, Datum *values, bool *nulls)
{
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(verdict), .t_data = verdict};
	TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(verdict), HeapTupleHeaderGetTypMod(verdict));

	if (desc->natts != VERDICT_NATTS)
		ak_wrong_version("type", "apikeys.verdict");
	heap_deform_tuple(&tuple, desc, values, nulls);
	ReleaseTupleDesc(desc);
}

static void
add_member(StringInfo json, const char *name, const char *value)
{
	appendStringInfoString(json, json->len > 1 ? ", " : "");
	escape_json(json, name);
	appendStringInfoString(json, ": ");
	escape_json(json, value);
}

/*
 * Adds the header WWW-Authenticate, where the response needs one.
 *
 * RFC 9110, 11.6.1: "A server generating a 401 (Unauthorized) response MUST
 * send a WWW-Authenticate header field containing at least one challenge."
 *
 * RFC 6750, 3: "All challenges defined by this specification MUST use the
 * auth-scheme value "Bearer".  This scheme MUST be followed by one or more
 * auth-param values."  3.1: invalid_token is for a token that "is expired,
 * revoked, malformed, or invalid for other reasons", insufficient_scope for a
 * request that "requires higher privileges than provided by the access token";
 * "If the request lacks any authentication information [...], the resource
 * server SHOULD NOT include an error code or other error information."
 */
static void
add_challenge(StringInfo json, const char *code, int status)
{
	if (strcmp(code, ak_code_name(AK_MISSING)) == 0)
		add_member(json, "WWW-Authenticate", "Bearer realm=\"apikeys\"");
	else if (status == ak_code_http_status(AK_NOT_FOUND))
		add_member(json, "WWW-Authenticate", "Bearer realm=\"apikeys\", error=\"invalid_token\"");
	else if (strcmp(code, ak_code_name(AK_INSUFFICIENT_PERMISSIONS)) == 0)
		add_member(json, "WWW-Authenticate", "Bearer realm=\"apikeys\", error=\"insufficient_scope\"");
}

/*
 * Adds the fields of draft-ietf-httpapi-ratelimit-headers-10 (27 September
 * 2025): RateLimit-Policy is a list of policies, each a String with the
 * parameters q, the quota allocated, and w, the window in seconds; RateLimit a
 * list of the same Strings with r, what is left, and t, the seconds until more
 * is.  The rate limit is the policy "rate", the quota is "quota", without a
 * window, since those of the calendar differ in length.
 *
 *		RateLimit-Policy: "rate";q=100;w=60, "quota";q=1000
 *		RateLimit: "rate";r=99;t=1, "quota";r=999;t=86400
 */
static void
add_rate_limits(StringInfo json, const Datum *values, const bool *nulls)
{
#define HAS(column)    (!nulls[Anum_verdict_##column - 1])
#define NUMBER(column) DatumGetInt32(values[Anum_verdict_##column - 1])
#define BIG(column)    Min(DatumGetInt64(values[Anum_verdict_##column - 1]), FIELD_INTEGER_MAX)
	StringInfoData policy;
	StringInfoData state;

	initStringInfo(&policy);
	initStringInfo(&state);
	if (HAS(rate_limit))
		appendStringInfo(&policy, "\"rate\";q=%d", NUMBER(rate_limit));
	if (HAS(rate_limit) && HAS(rate_window))
		appendStringInfo(&policy, ";w=%d", NUMBER(rate_window));
	if (HAS(rate_remaining))
		appendStringInfo(&state, "\"rate\";r=%d", NUMBER(rate_remaining));
	if (HAS(rate_remaining) && HAS(rate_reset))
		appendStringInfo(&state, ";t=%d", NUMBER(rate_reset));
	if (HAS(quota))
		appendStringInfo(&policy, "%s\"quota\";q=" INT64_FORMAT, policy.len > 0 ? ", " : "", BIG(quota));
	if (HAS(quota_remaining))
		appendStringInfo(&state, "%s\"quota\";r=" INT64_FORMAT, state.len > 0 ? ", " : "", BIG(quota_remaining));
	if (HAS(quota_remaining) && HAS(quota_reset))
		appendStringInfo(&state, ";t=%d", NUMBER(quota_reset));
	if (policy.len > 0)
		add_member(json, "RateLimit-Policy", policy.data);
	if (state.len > 0)
		add_member(json, "RateLimit", state.data);
}

/*
 * Returns the headers of a response to a request with that verdict, as the text
 * of a JSON object of strings.
 */
static char *
headers_text(const Datum *values, const bool *nulls)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	if (HAS(code) && HAS(http_status))
	{
		add_challenge(&json, TextDatumGetCString(values[Anum_verdict_code - 1]),
					  DatumGetInt16(values[Anum_verdict_http_status - 1]));
		/* RFC 9110, 10.2.3: Retry-After = HTTP-date / delay-seconds; RFC 6585, 4: a 429 MAY have it */
		if (HAS(retry_after))
			add_member(&json, "Retry-After", psprintf("%d", NUMBER(retry_after)));
		add_rate_limits(&json, values, nulls);
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

/*
 * response_headers(verdict) -> jsonb
 *
 * Returns the headers of the HTTP response to a request with that verdict, each as
 * a member: WWW-Authenticate, Retry-After, RateLimit-Policy and RateLimit, those
 * for which the verdict has values; {} for NULL.
 */
Datum
ak_response_headers(PG_FUNCTION_ARGS)
{
	Datum values[VERDICT_NATTS];
	bool nulls[VERDICT_NATTS];

	memset(nulls, true, sizeof(nulls));
	if (!PG_ARGISNULL(0))
		read_verdict(PG_GETARG_HEAPTUPLEHEADER(0), values, nulls);
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(headers_text(values, nulls)));
}

/*
 * ---------------------------------------------------------------- the error
 */

/* Returns the message for the body of a response.  It shows nothing of the key's row. */
static const char *
message_of(int status)
{
	switch (status)
	{
		case 401:
			return "a valid API key is required";
		case 403:
			return "the API key is not allowed to make this request";
		default:
			return "the API key has no requests left";
	}
}

static const char *
hint_of(const char *code)
{
	if (strcmp(code, ak_code_name(AK_MISSING)) == 0)
		return "Send it as \"Authorization: Bearer <key>\".";
	return NULL;
}

/*
 * Raises a verdict that is not VALID as an error with SQLSTATE PGRST, which
 * PostgREST turns into a response.  Its documentation (https://docs.postgrest.org/en/stable/references/errors.html,
 * "Add HTTP Headers with RAISE"): "For full control over headers and status you
 * can raise a PGRST SQLSTATE error.  You can achieve this by adding the code,
 * message, detail and hint in the PostgreSQL error message field as a JSON
 * object.  Here, the details and hint are optional.  Similarly, the status and
 * headers must be added to the SQL error detail field as a JSON object.  For
 * instance:
 *
 *		RAISE sqlstate 'PGRST' USING
 *		    message = '{"code":"123","message":"Payment Required","details":"Quota exceeded","hint":"Upgrade your plan"}',
 *		    detail = '{"status":402,"headers":{"X-Powered-By":"Nerd Rage"}}';"
 */
void
ak_verdict_raise(HeapTupleHeader verdict)
{
	Datum values[VERDICT_NATTS];
	bool nulls[VERDICT_NATTS];
	const char *code;
	const char *hint;
	int status;
	StringInfoData message;

	read_verdict(verdict, values, nulls);
	code = TextDatumGetCString(values[Anum_verdict_code - 1]);
	status = DatumGetInt16(values[Anum_verdict_http_status - 1]);
	hint = hint_of(code);
	initStringInfo(&message);
	appendStringInfoChar(&message, '{');
	add_member(&message, "code", code);
	add_member(&message, "message", message_of(status));
	appendStringInfoString(&message, ", \"details\": null, \"hint\": ");
	if (hint != NULL)
		escape_json(&message, hint);
	else
		appendStringInfoString(&message, "null");
	appendStringInfoChar(&message, '}');
	ereport(ERROR, (errcode(ERRCODE_PGRST), errmsg_internal("%s", message.data),
					errdetail_internal("{\"status\": %d, \"headers\": %s}", status, headers_text(values, nulls))));
}
