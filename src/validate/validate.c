/*-------------------------------------------------------------------------
 *
 * validate.c
 *	  The SQL functions that validate keys.
 *
 * The steps of a request: classify the text, hash it, find the key, decide, charge
 * its limits, count it, return the verdict.  No input of a client raises an error,
 * nothing is written to disk, and no state of a key is cached: the verdict is by
 * the latest commit.
 *
 * These functions must be PARALLEL UNSAFE: the latest snapshot cannot be taken in
 * parallel mode.
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
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "access/access.h"
#include "access/context.h"
#include "core/arrays.h"
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
#include "validate/verdict.h"

PG_FUNCTION_INFO_V1(ak_validate_key);
PG_FUNCTION_INFO_V1(ak_authenticate);
PG_FUNCTION_INFO_V1(ak_require_key);

/* A text argument, not NUL-terminated; data is NULL if the argument is */
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
	int32 cost;
	bool malformed; /* the Authorization header cannot be parsed */
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

/*
 * Returns the argument "cost", 1 for NULL.  Raises 22023 if it is negative: it comes
 * from the server's own code, not from the client.
 */
static int32
cost_argument(FunctionCallInfo fcinfo, int n)
{
	int32 cost = PG_ARGISNULL(n) ? 1 : PG_GETARG_INT32(n);

	if (cost < 0)
		ak_bad_argument("cost", errmsg("cost must not be negative"),
						errhint("With cost 0, the verdict shows limits and quota without charging them."));
	return cost;
}

/* Returns true for NULL, and for a text of nothing but blanks: the request has no credentials. */
static inline bool
is_missing(const AkText *text)
{
	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] != ' ' && (text->data[i] < '\t' || text->data[i] > '\r'))
			return false;
	return true;
}

static inline bool
text_is(const AkText *text, const char *data, size_t len)
{
	return text->len == len && memcmp(text->data, data, len) == 0;
}

/* Returns true if the API is in a key's list, a text[] without NULLs, as the guard trigger ensures. */
static bool
api_listed(const AkText *api, Datum apis)
{
	return ak_text_listed(api->data, api->len, DatumGetArrayTypeP(apis));
}

/* Returns true if the client's text is an address inside one of the networks, a cidr[]. */
static bool
client_inside(const AkText *client, Datum networks)
{
	ArrayType *array = DatumGetArrayTypeP(networks);
	AkAddress address;
	Datum *elements;
	int count;

	if (client->data == NULL || !ak_client_parse(client->data, client->len, &address))
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

/* Fills in what the decision needs to know of the key. */
static void
read_key_state(const AkLookup *found, const AkRequest *request, AkKeyState *state)
{
#define IS_SET(column) (!AK_FOUND_NULL(found, Anum_key_##column))
#define VALUE(column)  AK_FOUND(found, Anum_key_##column)

	state->archived = IS_SET(archived_at);
	state->by_old_secret = found->by_old_secret;
	state->old_valid_until = IS_SET(old_valid_until) ? DatumGetTimestampTz(VALUE(old_valid_until)) : DT_NOBEGIN;
	state->disabled = IS_SET(disabled_at);
	state->expires_at = IS_SET(expires_at) ? DatumGetTimestampTz(VALUE(expires_at)) : DT_NOEND;
	state->bound_to_networks = IS_SET(allowed_cidrs);
	state->client_in_networks = IS_SET(allowed_cidrs) && client_inside(&request->client, VALUE(allowed_cidrs));
	state->api_allowed = request->api.data == NULL || api_listed(&request->api, VALUE(apis));

#undef IS_SET
#undef VALUE
}

/*
 * Returns true if the caller may validate keys of this workspace, and it is the one
 * of the request and of apikeys.workspace, where these name one.
 */
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
	used->items = found->items;
}

/*
 * Charges a request that is VALID but for its limits and quota, and returns its
 * code.  What was charged is in *charge, to which *charged is set if there are
 * limits or a quota.
 */
static AkCode
charge_request(const AkRequest *request, const AkLookup *found, const AkUsed *used, AkCharge *charge,
			   const AkCharge **charged)
{
	const AkSharedLimit *shared = ak_shared_limit(used->workspace, used->workspace_len);

	if (likely(shared == NULL && AK_FOUND_NULL(found, Anum_key_rate_limit) && AK_FOUND_NULL(found, Anum_key_quota)))
		return AK_VALID;
	*charge = (AkCharge){.key_id = used->key_id,
						 .workspace = used->workspace,
						 .workspace_len = used->workspace_len,
						 .now = used->now,
						 .cost = request->cost,
						 .quota = -1,
						 .shared = shared,
						 .items = used->items};
	if (!AK_FOUND_NULL(found, Anum_key_rate_limit))
	{
		charge->limit = DatumGetInt32(AK_FOUND(found, Anum_key_rate_limit));
		charge->window = ak_window_nsecs(DatumGetIntervalP(AK_FOUND(found, Anum_key_rate_window)));
	}
	if (!AK_FOUND_NULL(found, Anum_key_quota))
	{
		charge->quota = DatumGetInt64(AK_FOUND(found, Anum_key_quota));
		charge->period =
			ak_quota_period(AK_FOUND(found, Anum_key_quota_period), AK_FOUND_NULL(found, Anum_key_quota_period));
	}
	ak_charge(charge);
	*charged = charge;
	return charge->quota_refused ? AK_QUOTA_EXCEEDED : charge->limit_refused ? AK_RATE_LIMITED : AK_VALID;
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

/* Warns of an API that is not registered: the verdict alone does not show that its name may be misspelt. */
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

/* Warns if validate_key() was given an Authorization header: the verdict alone does not show that. */
static void
warn_of_header(const AkText *key)
{
	static AkTicks next = 0;

	if (key->len > 6 && (key->data[0] | 0x20) == 'b' &&
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
validate_request(const AkRequest *request, bool become_caller)
{
	uint8 hash[AK_HASH_LEN];
	AkUsed used = to_be_counted(request);
	AkLookup lookup;
	AkCharge charge;
	const AkCharge *charged = NULL;
	bool found;
	Datum verdict;

	if (unlikely(request->malformed) || ak_token_classify(request->key.data, request->key.len) == AK_TOKEN_MALFORMED ||
		is_missing(&request->key))
	{
		if (!request->malformed && is_missing(&request->key))
			used.code = AK_MISSING;
		used.now = GetCurrentTimestamp();
		ak_usage_count(&used);
		return ak_verdict_make(used.code, NULL, NULL);
	}
	if (!ak_sha256(request->key.data, request->key.len, hash))
		ak_hash_failed();

	found = ak_keystore_find(&lookup, hash) && in_sight(request, AK_FOUND(&lookup, Anum_key_workspace));
	used.code = AK_NOT_FOUND;
	used.now = GetCurrentTimestamp();
	if (found)
	{
		AkKeyState state;

		read_key_state(&lookup, request, &state);
		set_used_key(&used, &lookup);
		used.code = ak_policy_decide(&state, used.now);
		if (used.code == AK_VALID)
			used.code = charge_request(request, &lookup, &used, &charge, &charged);
		used.api_known = state.api_allowed;
	}
	if (become_caller && used.code == AK_VALID)
		ak_set_current_key(&lookup);
	if (unlikely(used.api != 0 && !used.api_known && !ak_api_is_registered(used.api)))
		warn_of_unknown_api(request);
	verdict = ak_verdict_make(used.code, found ? &lookup : NULL, charged);
	ak_usage_count(&used);
	ak_keystore_end(&lookup);
	return verdict;
}

/*
 * validate_key(key text, api text = NULL, client text = NULL, workspace text = NULL, cost integer = 1) -> verdict
 *
 * Validates a secret, as of the latest commit, and counts and charges the request.
 * api NULL: whatever the key may call.  client NULL: no address, which a key with
 * allowed networks refuses.  workspace NULL: in any that the caller may validate
 * in.  Raises 42501 without the capability "validate" in any workspace, or if
 * workspace differs from apikeys.workspace, and 22023 for a negative cost; nothing
 * else.
 */
Datum
ak_validate_key(PG_FUNCTION_ARGS)
{
	AkRequest request = {.key = text_argument(fcinfo, 0),
						 .api = text_argument(fcinfo, 1),
						 .client = text_argument(fcinfo, 2),
						 .workspace = text_argument(fcinfo, 3),
						 .cost = cost_argument(fcinfo, 4)};

	ak_require_anywhere(AK_VALIDATE);
	warn_of_header(&request.key);
	if (request.workspace.data != NULL && ak_bound_workspace() != NULL)
		ak_check_workspace_argument(pnstrdup(request.workspace.data, request.workspace.len));
	return validate_request(&request, false);
}

/* Validates the first argument as a header.  A VALID key becomes the current key; any other verdict leaves none. */
static Datum
validate_header(FunctionCallInfo fcinfo)
{
	AkText header = text_argument(fcinfo, 0);
	AkRequest request = {.api = text_argument(fcinfo, 1),
						 .client = text_argument(fcinfo, 2),
						 .cost = cost_argument(fcinfo, 3)};
	AkHttpAuth auth;
	Datum verdict;

	ak_require_anywhere(AK_VALIDATE);
	ak_clear_current_key();
	if (is_missing(&header))
		request.key = header;
	else if (ak_httpauth_parse(header.data, header.len, &auth))
	{
		request.key = (AkText){auth.key, auth.key_len};
		if (auth.has_workspace)
			request.workspace = (AkText){auth.workspace, auth.workspace_len};
	}
	else
		request.malformed = true;
	verdict = validate_request(&request, true);
	explicit_bzero(&auth, sizeof(auth));
	return verdict;
}

/*
 * authenticate(authorization text, api text = NULL, client text = NULL, cost integer = 1) -> verdict
 *
 * The same for the value of an HTTP Authorization header, or of a header with the
 * key alone; a VALID key becomes the current key of the transaction.  The workspace
 * in a Basic header is chosen by the client: if it is not the key's, or the caller
 * may not validate keys in it, the verdict is NOT_FOUND.
 */
Datum
ak_authenticate(PG_FUNCTION_ARGS)
{
	return validate_header(fcinfo);
}

/*
 * require_key(authorization text, api text = NULL, client text = NULL, cost integer = 1) -> uuid
 *
 * The same, but returns the id of a VALID key, and raises any other verdict as
 * an error with the SQLSTATE PGRST.
 */
Datum
ak_require_key(PG_FUNCTION_ARGS)
{
	HeapTupleHeader verdict = DatumGetHeapTupleHeader(validate_header(fcinfo));
	bool isnull;

	if (!DatumGetBool(GetAttributeByNum(verdict, Anum_verdict_valid, &isnull)))
		ak_verdict_raise(verdict);
	return GetAttributeByNum(verdict, Anum_verdict_key_id, &isnull);
}
