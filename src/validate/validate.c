/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  The SQL functions that validate keys.
 *
 * The steps of a request: classify the text, hash it, find the key, decide,
 * return the verdict.  No input of a client raises an error, nothing is written
 * to disk, and nothing is cached that could make a key valid after it is no
 * longer.
 *
 * These functions must be PARALLEL UNSAFE: the latest snapshot cannot be taken
 * in parallel mode.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "access/access.h"
#include "access/context.h"
#include "core/catalog.h"
#include "core/clock.h"
#include "core/compat.h"
#include "core/errors.h"
#include "pure/digest.h"
#include "pure/httpauth.h"
#include "pure/policy.h"
#include "pure/token.h"
#include "usage/limit.h"
#include "usage/usage.h"
#include "validate/current.h"
#include "validate/keystore.h"

PG_FUNCTION_INFO_V1(ak_validate_key);
PG_FUNCTION_INFO_V1(ak_authenticate);

/* Columns of the type apikeys.verdict */
enum
{
	Anum_verdict_valid = 1,
	Anum_verdict_code,
	Anum_verdict_http_status,
	Anum_verdict_key_id,
	Anum_verdict_workspace,
	Anum_verdict_name,
	Anum_verdict_team,
	Anum_verdict_apis,
	Anum_verdict_expires_at,
	Anum_verdict_old_valid_until,
	Anum_verdict_retry_after,
	Anum_verdict_metadata,
	_Anum_verdict_max
};

#define VERDICT_NATTS (_Anum_verdict_max - 1)

/* A text argument, not NUL-terminated; data is NULL for SQL's NULL */
typedef struct AkText
{
	const char *data;
	size_t len;
} AkText;

/* The arguments of validate_key and authenticate */
typedef struct AkRequest
{
	AkText key;
	AkText api;
	AkText client;
	AkText workspace;
} AkRequest;

static AkText
text_argument(FunctionCallInfo fcinfo, int n)
{
	AkText result = {NULL, 0};

	if (!PG_ARGISNULL(n))
	{
		text *value = PG_GETARG_TEXT_PP(n);

		result.data = VARDATA_ANY(value);
		result.len = VARSIZE_ANY_EXHDR(value);
	}
	return result;
}

static inline bool
text_is(const AkText *text, const char *data, size_t len)
{
	return text->len == len && memcmp(text->data, data, len) == 0;
}

/* Returns true if the API is in a key's list, a text[]. */
static bool
api_listed(const AkText *api, Datum apis)
{
	ArrayType *array = DatumGetArrayTypeP(apis);
	int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	char *element = ARR_DATA_PTR(array);

	/* the guard trigger keeps NULLs out of the list */
	for (int i = 0; i < count; i++)
	{
		if (text_is(api, VARDATA_ANY(element), VARSIZE_ANY_EXHDR(element)))
			return true;
		element = (char *) att_align_nominal(element + VARSIZE_ANY(element), TYPALIGN_INT);
	}
	return false;
}

/* Returns true if the client's text is an address inside one of the networks, a cidr[]. */
static bool
client_inside(const AkText *client, Datum networks)
{
	ArrayType *array = DatumGetArrayTypeP(networks);
	AkAddress address;
	Datum *elements;
	int count;

	if (client->data == NULL || !ak_address_parse(client->data, client->len, &address))
		return false;
	deconstruct_array(array, CIDROID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		inet *element = DatumGetInetPP(elements[i]);
		AkAddress network = {.is_v6 = ip_family(element) == PGSQL_AF_INET6, .bits = ip_bits(element)};

		memcpy(network.bytes, ip_addr(element), ip_addrsize(element));
		if (ak_address_inside(&address, &network))
			return true;
	}
	return false;
}

/* Fills in the key's part of the decision. */
static void
read_key_state(const AkLookup *found, const AkRequest *request, AkKeyState *state)
{
#define IS_SET(column) (!AK_FOUND_NULL(found, Anum_key_##column))
#define VALUE(column)  AK_FOUND(found, Anum_key_##column)

	state->archived = IS_SET(archived_at);
	state->by_old_secret = found->by_old_secret;
	state->old_valid_until = IS_SET(old_valid_until) ? DatumGetTimestampTz(VALUE(old_valid_until)) : DT_NOBEGIN;
	state->expires_at = IS_SET(expires_at) ? DatumGetTimestampTz(VALUE(expires_at)) : DT_NOEND;
	state->bound_to_networks = IS_SET(allowed_cidrs);
	state->client_in_networks = IS_SET(allowed_cidrs) && client_inside(&request->client, VALUE(allowed_cidrs));
	state->api_allowed = request->api.data == NULL || api_listed(&request->api, VALUE(apis));

#undef IS_SET
#undef VALUE
}

/*
 * Returns the row type apikeys.verdict, cached until our relations change.
 */
static TupleDesc
verdict_descriptor(void)
{
	static TupleDesc desc = NULL;
	static uint64 generation = 0;

	if (unlikely(desc == NULL || generation != ak_catalog_generation()))
	{
		TupleDesc type = lookup_rowtype_tupdesc(get_rel_type_id(ak_relid(AK_VERDICT)), -1);
		MemoryContext old;

		if (type->natts != VERDICT_NATTS)
			elog(ERROR, "unexpected row type of a verdict");
		if (desc != NULL)
			FreeTupleDesc(desc);
		old = MemoryContextSwitchTo(TopMemoryContext);
		desc = CreateTupleDescCopy(type);
		MemoryContextSwitchTo(old);
		ReleaseTupleDesc(type);
		generation = ak_catalog_generation();
	}
	return desc;
}

/* Returns a code as text; the texts are made once. */
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

/* Returns the verdict as a row; "found" is the key to show, or NULL. */
static Datum
make_verdict(AkCode code, const AkLookup *found, int32 retry_after)
{
	static const struct
	{
		int verdict;
		int key;
	} columns[] = {
		{Anum_verdict_key_id, Anum_key_key_id},     {Anum_verdict_workspace, Anum_key_workspace},
		{Anum_verdict_name, Anum_key_name},         {Anum_verdict_team, Anum_key_team},
		{Anum_verdict_apis, Anum_key_apis},         {Anum_verdict_expires_at, Anum_key_expires_at},
		{Anum_verdict_metadata, Anum_key_metadata},
	};
	Datum values[VERDICT_NATTS];
	bool nulls[VERDICT_NATTS];

	memset(nulls, true, sizeof(nulls));

#define SET_VERDICT(column, datum) \
	(values[Anum_verdict_##column - 1] = (datum), nulls[Anum_verdict_##column - 1] = false)

	SET_VERDICT(valid, BoolGetDatum(code == AK_VALID));
	SET_VERDICT(code, code_datum(code));
	SET_VERDICT(http_status, Int16GetDatum(ak_code_http_status(code)));
	if (found != NULL)
	{
		for (int i = 0; i < (int) lengthof(columns); i++)
		{
			values[columns[i].verdict - 1] = AK_FOUND(found, columns[i].key);
			nulls[columns[i].verdict - 1] = AK_FOUND_NULL(found, columns[i].key);
		}
		if (found->by_old_secret && !AK_FOUND_NULL(found, Anum_key_old_valid_until))
			SET_VERDICT(old_valid_until, AK_FOUND(found, Anum_key_old_valid_until));
	}

	if (code == AK_RATE_LIMITED)
		SET_VERDICT(retry_after, Int32GetDatum(retry_after));

#undef SET_VERDICT

	/* heap_form_tuple() detoasts a long metadata, while its row is visible */
	return HeapTupleGetDatum(heap_form_tuple(verdict_descriptor(), values, nulls));
}

/* Returns true if the caller may validate keys of this workspace and it is the requested one, if one was. */
static bool
in_sight(const AkRequest *request, Datum workspace)
{
	const char *data = VARDATA_ANY(DatumGetPointer(workspace));
	size_t len = VARSIZE_ANY_EXHDR(DatumGetPointer(workspace));
	const char *bound = ak_bound_workspace();

	if (request->workspace.data != NULL && !text_is(&request->workspace, data, len))
		return false;
	if (bound != NULL && (strncmp(bound, data, len) != 0 || bound[len] != '\0'))
		return false;
	return ak_may_still(AK_VALIDATE, data, len);
}

/* Returns the usage record of a request whose key is not known yet. */
static AkUsed
to_be_counted(const AkRequest *request)
{
	return (AkUsed){.code = AK_MALFORMED,
					.api = request->api.data ? ak_api_hash(request->api.data, request->api.len) : 0,
					.client = request->client.data,
					.client_len = request->client.len};
}

/* Adds the key to a usage record. */
static void
set_used_key(AkUsed *used, const AkLookup *found)
{
	struct varlena *workspace = (struct varlena *) DatumGetPointer(AK_FOUND(found, Anum_key_workspace));

	used->key_id = DatumGetUUIDP(AK_FOUND(found, Anum_key_key_id));
	used->workspace = VARDATA_ANY(workspace);
	used->workspace_len = VARSIZE_ANY_EXHDR(workspace);
	used->old_secret = found->by_old_secret;
}

/*
 * Returns true if the key has no rate limit, or consumes one use of it.  If
 * none is left, returns false, and *retry_after is the number of seconds to
 * wait.
 */
static bool
within_limit(const AkLookup *found, int32 *retry_after)
{
	struct varlena *workspace = (struct varlena *) DatumGetPointer(AK_FOUND(found, Anum_key_workspace));

	if (AK_FOUND_NULL(found, Anum_key_rate_limit))
		return true;
	return ak_limit_take(DatumGetUUIDP(AK_FOUND(found, Anum_key_key_id)), VARDATA_ANY(workspace),
						 VARSIZE_ANY_EXHDR(workspace), DatumGetInt32(AK_FOUND(found, Anum_key_rate_limit)),
						 DatumGetIntervalP(AK_FOUND(found, Anum_key_rate_window)), retry_after);
}

/* Returns true at most once a minute per kind of warning; *next is the time of the next one. */
static bool
may_warn(AkTicks *next)
{
	AkTicks now = ak_ticks();

	if (now < *next)
		return false;
	*next = now + AK_TICKS_OF_MS(60000);
	return true;
}

/* Warns of an unknown API: the verdict alone does not show that its name may be misspelt. */
static void
warn_of_unknown_api(const AkRequest *request)
{
	static AkTicks next = 0;

	if (may_warn(&next))
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("API \"%s\" is not registered", ak_quoted(pnstrdup(request->api.data, request->api.len))),
				 errhint("No key may call it. The view apikeys.apis lists those that are.")));
}

/* Warns of a whole header given as a key: the verdict does not show that either. */
static void
warn_of_header(const AkText *key)
{
	static AkTicks next = 0;

	if (key->data != NULL && key->len > 6 &&
		(pg_strncasecmp(key->data, "bearer ", 7) == 0 || pg_strncasecmp(key->data, "basic ", 6) == 0) &&
		may_warn(&next))
		ereport(WARNING,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("validate_key() was given an Authorization header"),
				 errhint("apikeys.authenticate() takes headers.")));
}

/*
 * Validates a request, and returns the verdict as a row.  With become_caller, a
 * VALID key becomes the transaction's current key.
 */
static Datum
validate(const AkRequest *request, bool become_caller)
{
	uint8 hash[AK_HASH_LEN];
	AkUsed used = to_be_counted(request);
	AkLookup lookup;
	int32 retry_after = 0;
	uint32 whose;
	bool found;
	Datum verdict;

	if (request->key.data == NULL || ak_token_classify(request->key.data, request->key.len) == AK_TOKEN_MALFORMED)
	{
		used.now = GetCurrentTimestamp();
		ak_usage_count(&used);
		return make_verdict(AK_MALFORMED, NULL, 0);
	}
	if (!ak_sha256(request->key.data, request->key.len, hash))
		ak_hash_failed();

	memcpy(&whose, hash, sizeof(whose));
	found = ak_keystore_find(&lookup, hash) && in_sight(request, AK_FOUND(&lookup, Anum_key_workspace));
	used.code = AK_NOT_FOUND;
	used.now = GetCurrentTimestamp();
	if (found)
	{
		AkKeyState state;

		read_key_state(&lookup, request, &state);
		used.code = ak_policy_decide(&state, used.now);
		if (used.code == AK_VALID && !within_limit(&lookup, &retry_after))
			used.code = AK_RATE_LIMITED;
		used.api_known = state.api_allowed;
		used.whose = whose;
		set_used_key(&used, &lookup);
	}
	if (become_caller && used.code == AK_VALID)
		ak_set_current_key(AK_FOUND(&lookup, Anum_key_key_id), AK_FOUND(&lookup, Anum_key_workspace),
						   AK_FOUND(&lookup, Anum_key_apis));
	if (unlikely(used.api != 0 && !used.api_known && !ak_api_is_registered(used.api)))
		warn_of_unknown_api(request);
	verdict = make_verdict(used.code, found ? &lookup : NULL, retry_after);
	ak_usage_count(&used);
	ak_keystore_end(&lookup);
	return verdict;
}

/*
 * validate_key(key text, api text = NULL, client text = NULL, workspace text = NULL) -> verdict
 *
 * Decides by what is committed now.  Raises 42501 without the capability
 * "validate", or if workspace differs from apikeys.workspace; nothing else.
 */
Datum
ak_validate_key(PG_FUNCTION_ARGS)
{
	AkRequest request = {.key = text_argument(fcinfo, 0),
						 .api = text_argument(fcinfo, 1),
						 .client = text_argument(fcinfo, 2),
						 .workspace = text_argument(fcinfo, 3)};

	ak_require_anywhere(AK_VALIDATE);
	warn_of_header(&request.key);
	if (request.workspace.data != NULL && ak_bound_workspace() != NULL)
		ak_check_workspace_argument(pnstrdup(request.workspace.data, request.workspace.len));
	return validate(&request, false);
}

/*
 * authenticate(authorization text, api text = NULL, client text = NULL) -> verdict
 *
 * The same for an HTTP Authorization header.  The workspace in a Basic header
 * is chosen by the client: if it is not the key's, or the caller may not
 * validate keys in it, the verdict is NOT_FOUND.  A VALID key becomes the
 * transaction's current key; any other verdict clears the current key.
 */
Datum
ak_authenticate(PG_FUNCTION_ARGS)
{
	AkText header = text_argument(fcinfo, 0);
	AkRequest request = {.api = text_argument(fcinfo, 1), .client = text_argument(fcinfo, 2)};
	AkHttpAuth auth;
	Datum verdict;

	ak_require_anywhere(AK_VALIDATE);
	ak_clear_current_key();
	if (header.data != NULL && ak_httpauth_parse(header.data, header.len, &auth))
	{
		request.key = (AkText){auth.key, auth.key_len};
		if (auth.has_workspace)
			request.workspace = (AkText){auth.workspace, auth.workspace_len};
	}
	verdict = validate(&request, true);
	ak_wipe(&auth, sizeof(auth));
	return verdict;
}
