/*-------------------------------------------------------------------------
 *
 * manage.c
 *	  The SQL face of a key's life: create, import, regenerate, update, archive,
 *	  and looking at it.
 *
 * Every function here checks who calls it, then writes or reads by SPI as the
 * owner of the tables, so that the triggers hold for it as for direct SQL.  A
 * key is found as of the latest commit; a key that the caller may not see does
 * not exist for him.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inet.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "access.h"
#include "catalog.h"
#include "compat.h"
#include "context.h"
#include "digest.h"
#include "keystore.h"
#include "policy.h"
#include "query.h"
#include "rowdigest.h"
#include "story.h"
#include "token.h"

PG_FUNCTION_INFO_V1(ak_create_key);
PG_FUNCTION_INFO_V1(ak_import_key);
PG_FUNCTION_INFO_V1(ak_regenerate_key);
PG_FUNCTION_INFO_V1(ak_end_overlap);
PG_FUNCTION_INFO_V1(ak_update_key);
PG_FUNCTION_INFO_V1(ak_archive_key);
PG_FUNCTION_INFO_V1(ak_key_details);
PG_FUNCTION_INFO_V1(ak_key_id);
PG_FUNCTION_INFO_V1(ak_identify_key);

#define bad_value(...) \
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), __VA_ARGS__))

/* Columns of the type apikeys.issued_key */
enum
{
	Anum_issued_key_key_id = 1,
	Anum_issued_key_key,
	Anum_issued_key_name,
	Anum_issued_key_apis,
	Anum_issued_key_access,
	Anum_issued_key_workspace,
	Anum_issued_key_old_valid_until,
	_Anum_issued_key_max
};

/* A secret, just made: its text, which is returned once and wiped, and what is kept of it */
typedef struct AkSecret
{
	char		text[AK_SECRET_MAX + 1];
	char		hint[AK_PREFIX_MAX + 3 + AK_HINT_TAIL + 1];
	uint8		hash[AK_HASH_LEN];
} AkSecret;

/* Makes a secret with the workspace's prefix. */
static void
make_secret(AkSecret *secret, const char *prefix)
{
	size_t		len;

	if (!ak_token_make(prefix, pg_strong_random, secret->text))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	len = strlen(secret->text);
	if (!ak_sha256(secret->text, len, secret->hash))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a SHA-256 hash")));
	/* not every server encoding has U+2026 */
	snprintf(secret->hint, sizeof(secret->hint), "%s%s%s", prefix,
			 GetDatabaseEncoding() == PG_UTF8 ? "\xe2\x80\xa6" : "...",
			 secret->text + len - AK_HINT_TAIL);
}

/* Raises 22004 for a NULL argument that is needed. */
static void
need(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
}

/*
 * The n-th argument, a text[] of addresses and networks, as cidr[] with the
 * host bits masked.  Raises 22023 for anything else, 22004 for a NULL element.
 */
static Datum
cidrs_from_text(ArrayType *array)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *written;
		char	   *slash;
		AkAddress	address;
		int			bits = -1;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("address list must not contain null")));
		written = TextDatumGetCString(elements[i]);
		slash = strchr(written, '/');
		if (slash != NULL)
		{
			/* one to three digits */
			bits = strspn(slash + 1, "0123456789") == strlen(slash + 1) &&
				slash[1] != '\0' && strlen(slash + 1) <= 3 ? atoi(slash + 1) : 1000;
		}
		if (!ak_address_parse(written, slash ? (size_t) (slash - written) : strlen(written), &address) ||
			bits > (strchr(written, ':') ? 128 : 32))
			bad_value(errmsg("\"%s\" is neither an IP address nor a network", written),
					  errhint("Write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32."));
		elements[i] = DirectFunctionCall1(inet_to_cidr,
										  DirectFunctionCall1(network_network,
															  DirectFunctionCall1(inet_in, CStringGetDatum(written))));
	}
	return PointerGetDatum(construct_array(elements, count, CIDROID, -1, false, TYPALIGN_INT));
}

/*
 * The declared composite result of the function, blessed.
 */
static TupleDesc
result_descriptor(FunctionCallInfo fcinfo)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(desc);
}

/* Where a key is; the first thing that every function by key_id asks */
typedef struct AkWhere
{
	char	   *workspace;
	Datum		key_id;
} AkWhere;

/*
 * Finds the workspace of a key, the first argument, and checks that the caller
 * may do this to it.  Raises 22004, 42704 for a key that does not exist for
 * the caller, 42501, and 55000 for an archived key that is to be managed.
 */
static void
find_key(FunctionCallInfo fcinfo, AkCapability capability, AkWhere *where)
{
	static AkQuery query = {
		"SELECT workspace, name, archived_at IS NOT NULL FROM apikeys.key WHERE key_id OPERATOR(pg_catalog.=) $1",
		1, {UUIDOID}, NULL
	};
	MemoryContext context = CurrentMemoryContext;
	AkCaller	caller;
	Datum		args[1];
	char	   *name = NULL;
	bool		archived = false;

	need(fcinfo, 0, "key_id");
	ak_require_anywhere(capability);
	where->key_id = args[0] = PG_GETARG_DATUM(0);
	where->workspace = NULL;

	ak_become_owner(&caller);
	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	if (SPI_processed > 0)
	{
		bool		isnull;
		MemoryContext spi = MemoryContextSwitchTo(context);

		where->workspace = TextDatumGetCString(ak_query_result(0, 1, &isnull));
		name = TextDatumGetCString(ak_query_result(0, 2, &isnull));
		archived = DatumGetBool(ak_query_result(0, 3, &isnull));
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	ak_become_caller(&caller);

	if (where->workspace == NULL || !ak_sees(AK_VIEW, where->workspace))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("key %s does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out, where->key_id))),
				 errhint("apikeys.active_keys and apikeys.archived_keys list the keys that you may see.")));
	ak_require(capability, where->workspace);
	if (archived && capability == AK_MANAGE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("key \"%s\" is archived", name),
				 errdetail("An archived key cannot be changed any more.")));
}

/*
 * Runs a statement on the key table as its owner, and tells mistakes about
 * names and hashes in the contract's words: 23505, without showing a hash.
 * SPI stays connected, and the owner's rights stay, for the caller to read the
 * result; leave() ends both.
 */
static void
write_key(AkQuery *query, Datum *args, const char *nulls, AkCaller *caller)
{
	MemoryContext context = CurrentMemoryContext;

	ak_become_owner(caller);
	SPI_connect();
	PG_TRY();
	{
		ak_query(query, args, nulls, AK_SEE_LATEST);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_EXCLUSION_VIOLATION)
		{
			FlushErrorState();
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("a key with this hash is already known")));
		}
		if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && error->constraint_name != NULL &&
			strcmp(error->constraint_name, "key_active_name") == 0)
		{
			FlushErrorState();
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("an active key of this name already exists in the workspace"),
					 error->detail ? errdetail_internal("%s", error->detail) : 0,
					 errhint("Names are compared without regard to case; archived keys do not count.")));
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static void
leave(const AkCaller *caller)
{
	SPI_finish();
	ak_become_caller(caller);
}

/*
 * Runs an UPDATE of one key; a key that was dropped from the archive since we
 * looked raises 42704.
 */
static void
change_key(AkQuery *query, const AkWhere *where, Datum *args, const char *nulls, AkCaller *caller)
{
	write_key(query, args, nulls, caller);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("key %s does not exist",
						DatumGetCString(DirectFunctionCall1(uuid_out, where->key_id)))));
}

/* The n-th argument of a query, and whether it is NULL. */
static void
set_arg(Datum *args, char *nulls, int n, Datum value, bool isnull)
{
	args[n] = isnull ? (Datum) 0 : value;
	nulls[n] = isnull ? 'n' : ' ';
}

/*
 * The arguments that create_key, import_key and update_key have in common,
 * from "team" on: team, expires_at, allowed_cidrs, rate_limit, rate_window,
 * metadata; "from" is the first's place among the function's, "to" among the
 * query's.
 */
static void
set_common_args(FunctionCallInfo fcinfo, int from, Datum *args, char *nulls, int to)
{
	for (int i = 0; i < 6; i++)
	{
		bool		isnull = PG_ARGISNULL(from + i);

		set_arg(args, nulls, to + i,
				isnull ? (Datum) 0 :
				i == 2 ? cidrs_from_text(PG_GETARG_ARRAYTYPE_P(from + i)) :
				PG_GETARG_DATUM(from + i), isnull);
	}
}

/* Inserts a key; the query's result is in SPI. */
static void
insert_key(FunctionCallInfo fcinfo, const char *workspace, const uint8 *hash, const char *hint,
		   int common_args, AkCaller *caller)
{
	static AkQuery query = {
		"INSERT INTO apikeys.key AS k (name, apis, workspace, key_hash, hint, "
		"team, expires_at, allowed_cidrs, rate_limit, rate_window, metadata) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
		"RETURNING k.key_id, k.name, k.apis, "
		"CASE WHEN k.apis OPERATOR(pg_catalog.@>) "
		"(SELECT COALESCE(pg_catalog.array_agg(a.api), '{}') FROM apikeys.api a WHERE a.unregistered_at IS NULL) "
		"THEN 'Full' ELSE 'Partial' END, k.workspace, k.old_valid_until",
		11, {TEXTOID, TEXTARRAYOID, TEXTOID, BYTEAOID, TEXTOID,
		TEXTOID, TIMESTAMPTZOID, CIDRARRAYOID, INT4OID, INTERVALOID, JSONBOID}, NULL
	};
	Datum		args[11];
	char		nulls[11];

	for (int i = 0; i < 2; i++)
		set_arg(args, nulls, i, PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i), PG_ARGISNULL(i));
	set_arg(args, nulls, 2, CStringGetTextDatum(workspace), false);
	set_arg(args, nulls, 3, ak_digest_datum(hash), false);
	set_arg(args, nulls, 4, hint ? CStringGetTextDatum(hint) : (Datum) 0, hint == NULL);
	set_common_args(fcinfo, common_args, args, nulls, 5);
	write_key(&query, args, nulls, caller);
}

/*
 * The row of issued_key from the result of a statement that returns key_id,
 * name, apis, access, workspace and old_valid_until.  Ends SPI, and wipes the
 * secret.
 */
static Datum
issue(FunctionCallInfo fcinfo, AkSecret *secret, const AkCaller *caller)
{
	static const AttrNumber columns[] = {
		Anum_issued_key_key_id, Anum_issued_key_name, Anum_issued_key_apis,
		Anum_issued_key_access, Anum_issued_key_workspace, Anum_issued_key_old_valid_until
	};
	TupleDesc	desc = result_descriptor(fcinfo);
	Datum		values[_Anum_issued_key_max - 1];
	bool		nulls[_Anum_issued_key_max - 1];
	text	   *key = cstring_to_text(secret->text);
	HeapTupleHeader result;

	for (int i = 0; i < (int) lengthof(columns); i++)
		values[columns[i] - 1] = ak_query_result(0, i + 1, &nulls[columns[i] - 1]);
	values[Anum_issued_key_key - 1] = PointerGetDatum(key);
	nulls[Anum_issued_key_key - 1] = false;
	result = SPI_returntuple(heap_form_tuple(desc, values, nulls), desc);
	ak_wipe(VARDATA(key), VARSIZE(key) - VARHDRSZ);
	ak_wipe(secret, sizeof(*secret));
	leave(caller);
	PG_RETURN_HEAPTUPLEHEADER(result);
}

/*
 * The row of key_detail of a key as this transaction has it; NULL when it was
 * dropped meanwhile.
 */
static Datum
detail(FunctionCallInfo fcinfo, TupleDesc desc, Datum key_id, bool *isnull)
{
	static AkQuery query = {
		"SELECT key_id, workspace, name, state, apis, access, team, hint, expires_at, allowed_cidrs, "
		"rate_limit, rate_window, metadata, created_at, created_by, updated_at, updated_by, "
		"regenerated_at, regenerated_by, old_valid_until, archived_at, archived_by "
		"FROM apikeys.key_rows WHERE key_id OPERATOR(pg_catalog.=) $1",
		1, {UUIDOID}, NULL
	};
	Datum		args[1] = {key_id};
	AkCaller	caller;
	Datum		result = (Datum) 0;

	ak_become_owner(&caller);
	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	*isnull = SPI_processed == 0;
	if (!*isnull)
	{
		Datum	   *values = palloc(desc->natts * sizeof(Datum));
		bool	   *nulls = palloc(desc->natts * sizeof(bool));

		heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
		result = HeapTupleHeaderGetDatum(SPI_returntuple(heap_form_tuple(desc, values, nulls), desc));
	}
	leave(&caller);
	return result;
}

/* The result of a function that returns a key_detail. */
static Datum
return_detail(FunctionCallInfo fcinfo, Datum key_id)
{
	bool		isnull;
	Datum		result = detail(fcinfo, result_descriptor(fcinfo), key_id, &isnull);

	if (isnull)
		PG_RETURN_NULL();
	return result;
}

/* The workspace that a key is to be created in, checked; its settings. */
static char *
new_key_workspace(FunctionCallInfo fcinfo, int n, AkWorkspace *settings)
{
	char	   *workspace;

	ak_require_anywhere(AK_MANAGE);
	workspace = ak_target_workspace(PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n)));
	ak_require_workspace(AK_MANAGE, workspace);
	ak_workspace_settings(workspace, settings);
	return workspace;
}

/*
 * create_key(name text, apis text[], workspace, team, expires_at, allowed_cidrs, rate_limit,
 *			  rate_window, metadata) -> issued_key
 *
 * Raises 22023, 22004, 42704, 23505 and 42501 as the contract says.  Waits only
 * for a transaction that takes the same name, or unregisters one of the APIs.
 */
Datum
ak_create_key(PG_FUNCTION_ARGS)
{
	AkWorkspace settings;
	AkSecret	secret;
	AkCaller	caller;
	char	   *workspace = new_key_workspace(fcinfo, 2, &settings);

	make_secret(&secret, settings.prefix);
	insert_key(fcinfo, workspace, secret.hash, secret.hint, 3, &caller);
	return issue(fcinfo, &secret, &caller);
}

/*
 * import_key(name text, apis text[], key_hash bytea, hint text, workspace, team, ... metadata) -> key_detail
 *
 * key_hash is the SHA-256 of the key's whole text, 32 bytes.  Errors as in
 * create_key; 23505 also for a hash that is known, present or old.
 */
Datum
ak_import_key(PG_FUNCTION_ARGS)
{
	AkWorkspace settings;
	AkCaller	caller;
	char	   *workspace = new_key_workspace(fcinfo, 4, &settings);
	MemoryContext context = CurrentMemoryContext;
	bytea	   *hash;
	bool		isnull;
	Datum		key_id;

	need(fcinfo, 2, "key hash");
	hash = PG_GETARG_BYTEA_PP(2);
	if (VARSIZE_ANY_EXHDR(hash) != AK_HASH_LEN)
		bad_value(errmsg("key hash must have 32 bytes"),
				  errhint("It is the SHA-256 of the key's whole text: sha256(convert_to(key, 'UTF8'))."));
	ak_importing = true;
	PG_TRY();
	{
		insert_key(fcinfo, workspace, (const uint8 *) VARDATA_ANY(hash),
				   PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)), 5, &caller);
	}
	PG_FINALLY();
	{
		ak_importing = false;
	}
	PG_END_TRY();
	key_id = ak_query_result(0, 1, &isnull);
	MemoryContextSwitchTo(context);
	key_id = datumCopy(key_id, false, UUID_LEN);
	leave(&caller);
	return return_detail(fcinfo, key_id);
}

/*
 * regenerate_key(key_id uuid, overlap interval = '0') -> issued_key
 *
 * Raises 42704, 22004, 22023 for an overlap that is negative or not finite,
 * 55000 for an archived key, 42501.
 */
Datum
ak_regenerate_key(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"UPDATE apikeys.key AS k SET key_hash = $2, hint = $3, old_valid_until = $4 "
		"WHERE k.key_id OPERATOR(pg_catalog.=) $1 "
		"RETURNING k.key_id, k.name, k.apis, "
		"CASE WHEN k.apis OPERATOR(pg_catalog.@>) "
		"(SELECT COALESCE(pg_catalog.array_agg(a.api), '{}') FROM apikeys.api a WHERE a.unregistered_at IS NULL) "
		"THEN 'Full' ELSE 'Partial' END, k.workspace, k.old_valid_until",
		4, {UUIDOID, BYTEAOID, TEXTOID, TIMESTAMPTZOID}, NULL
	};
	AkWorkspace settings;
	AkSecret	secret;
	AkCaller	caller;
	AkWhere		where;
	Datum		args[4];
	char		nulls[4];
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;

	find_key(fcinfo, AK_MANAGE, &where);
	need(fcinfo, 1, "overlap");
	until = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
													PG_GETARG_DATUM(1)));
	if (until < now || TIMESTAMP_NOT_FINITE(until))
		bad_value(errmsg("overlap must be finite and not negative"));
	if (!ak_workspace_settings(where.workspace, &settings))
		strlcpy(settings.prefix, "ak", sizeof(settings.prefix));

	make_secret(&secret, settings.prefix);
	set_arg(args, nulls, 0, where.key_id, false);
	set_arg(args, nulls, 1, ak_digest_datum(secret.hash), false);
	set_arg(args, nulls, 2, CStringGetTextDatum(secret.hint), false);
	set_arg(args, nulls, 3, TimestampTzGetDatum(until), until == now);
	change_key(&query, &where, args, nulls, &caller);
	return issue(fcinfo, &secret, &caller);
}

/*
 * end_overlap(key_id uuid) -> key_detail
 *
 * Without an overlap nothing changes.  Raises 42704, 22004, 55000, 42501.
 */
Datum
ak_end_overlap(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"UPDATE apikeys.key SET old_valid_until = CASE "
		"WHEN old_valid_until OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() THEN old_valid_until END "
		"WHERE key_id OPERATOR(pg_catalog.=) $1",
		1, {UUIDOID}, NULL
	};
	AkWhere		where;
	AkCaller	caller;

	find_key(fcinfo, AK_MANAGE, &where);
	change_key(&query, &where, &where.key_id, NULL, &caller);
	leave(&caller);
	return return_detail(fcinfo, where.key_id);
}

/*
 * update_key(key_id uuid, name, apis, team, expires_at, allowed_cidrs, rate_limit, rate_window, metadata)
 *	 -> key_detail
 *
 * NULL keeps what is; '' clears the team, '{}' the addresses or the metadata,
 * 'infinity' the expiry, 0 the rate limit.  Raises 42704, 22023, 22004, 23505,
 * 55000, 42501.
 */
Datum
ak_update_key(PG_FUNCTION_ARGS)
{
	/* the guard makes NULL of what says nothing */
	static AkQuery query = {
		"UPDATE apikeys.key SET name = COALESCE($2, name), apis = COALESCE($3, apis), "
		"team = COALESCE($4, team), expires_at = COALESCE($5, expires_at), "
		"allowed_cidrs = COALESCE($6, allowed_cidrs), "
		"rate_limit = CASE WHEN $7 OPERATOR(pg_catalog.=) 0 THEN NULL ELSE COALESCE($7, rate_limit) END, "
		"rate_window = CASE WHEN $7 OPERATOR(pg_catalog.=) 0 THEN NULL ELSE COALESCE($8, rate_window) END, "
		"metadata = COALESCE($9, metadata) "
		"WHERE key_id OPERATOR(pg_catalog.=) $1",
		9, {UUIDOID, TEXTOID, TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID, CIDRARRAYOID, INT4OID, INTERVALOID, JSONBOID}, NULL
	};
	AkWhere		where;
	AkCaller	caller;
	Datum		args[9];
	char		nulls[9];

	find_key(fcinfo, AK_MANAGE, &where);
	for (int i = 0; i < 3; i++)
		set_arg(args, nulls, i, PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i), PG_ARGISNULL(i));
	set_common_args(fcinfo, 3, args, nulls, 3);
	change_key(&query, &where, args, nulls, &caller);
	leave(&caller);
	return return_detail(fcinfo, where.key_id);
}

/*
 * archive_key(key_id uuid) -> key_detail
 *
 * Raises 42704, 22004, 55000 when it is archived, 42501.  Waits for a
 * transaction that archives in the same workspace.
 */
Datum
ak_archive_key(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"UPDATE apikeys.key SET archived_at = pg_catalog.clock_timestamp() WHERE key_id OPERATOR(pg_catalog.=) $1",
		1, {UUIDOID}, NULL
	};
	AkWhere		where;
	AkCaller	caller;

	find_key(fcinfo, AK_MANAGE, &where);
	change_key(&query, &where, &where.key_id, NULL, &caller);
	leave(&caller);
	return return_detail(fcinfo, where.key_id);
}

/* key_details(key_id uuid) -> key_detail.  Raises 42704, 22004, 42501. */
Datum
ak_key_details(PG_FUNCTION_ARGS)
{
	AkWhere		where;

	find_key(fcinfo, AK_VIEW, &where);
	return return_detail(fcinfo, where.key_id);
}

/*
 * key_id(name text, workspace text = NULL) -> uuid
 *
 * Of the active key of that name, without regard to case; workspace NULL: of
 * all that the caller may see.  Raises 42704 if there is none, 21000 if there
 * are several, 22004, 42501.
 */
Datum
ak_key_id(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"SELECT key_id, workspace FROM apikeys.key WHERE archived_at IS NULL "
		"AND pg_catalog.lower(name) OPERATOR(pg_catalog.=) pg_catalog.lower($1) "
		"AND workspace OPERATOR(pg_catalog.=) ANY ($2)",
		2, {TEXTOID, TEXTARRAYOID}, NULL
	};
	MemoryContext context = CurrentMemoryContext;
	AkCaller	caller;
	Datum		args[2];
	char	   *name;
	uint64		found;
	Datum		key_id = (Datum) 0;

	need(fcinfo, 0, "key name");
	ak_require_anywhere(AK_VIEW);
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	args[0] = PG_GETARG_DATUM(0);
	if (PG_ARGISNULL(1))
		args[1] = DirectFunctionCall1(ak_visible_workspaces, CStringGetTextDatum("view"));
	else
	{
		char	   *workspace = text_to_cstring(PG_GETARG_TEXT_PP(1));

		ak_check_workspace_argument(workspace);
		ak_require_workspace(AK_VIEW, workspace);
		args[1] = PointerGetDatum(construct_array(&fcinfo->args[1].value, 1, TEXTOID, -1, false, TYPALIGN_INT));
	}

	ak_become_owner(&caller);
	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	found = SPI_processed;
	if (found == 1)
	{
		bool		isnull;
		MemoryContext spi = MemoryContextSwitchTo(context);

		key_id = datumCopy(ak_query_result(0, 1, &isnull), false, UUID_LEN);
		MemoryContextSwitchTo(spi);
	}
	leave(&caller);

	if (found == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("active key \"%s\" does not exist", name),
				 errhint("apikeys.active_keys lists the keys that you may see.")));
	if (found > 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("several workspaces have an active key \"%s\"", name),
				 errhint("Name the workspace.")));
	return key_id;
}

/*
 * identify_key(key text) -> setof key_detail
 *
 * Whose secret is this: present, old, or of an archived key?  One row, or none
 * when it is nobody's or its key is not in sight.  Raises 42501.
 */
Datum
ak_identify_key(PG_FUNCTION_ARGS)
{
	AkLookup	lookup;
	uint8		hash[AK_HASH_LEN];
	text	   *key;
	Datum		key_id = (Datum) 0;
	ReturnSetInfo *rsinfo;

	ak_require_anywhere(AK_VIEW);
	InitMaterializedSRF_compat(fcinfo);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	key = PG_GETARG_TEXT_PP(0);
	if (ak_token_classify(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)) == AK_TOKEN_MALFORMED ||
		!ak_sha256(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), hash))
		return (Datum) 0;

	if (ak_keystore_find(&lookup, hash))
	{
		bool		isnull;
		char	   *workspace = TextDatumGetCString(slot_getattr(lookup.slot, Anum_key_workspace, &isnull));

		if (ak_sees(AK_VIEW, workspace))
			key_id = datumCopy(slot_getattr(lookup.slot, Anum_key_key_id, &isnull), false, UUID_LEN);
	}
	ak_keystore_end(&lookup);

	if (key_id != 0)
	{
		bool		isnull;
		Datum		row = detail(fcinfo, BlessTupleDesc(rsinfo->setDesc), key_id, &isnull);

		if (!isnull)
		{
			HeapTupleHeader header = DatumGetHeapTupleHeader(row);
			HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),.t_data = header};

			tuplestore_puttuple(rsinfo->setResult, &tuple);
		}
	}
	return (Datum) 0;
}
