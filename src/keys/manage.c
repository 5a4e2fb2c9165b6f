/*-------------------------------------------------------------------------
 *
 * manage.c
 *	  SQL functions that create, import, regenerate, update and archive keys.
 *
 * Every function here checks the caller's capability, then writes as the owner
 * of the tables; the triggers apply to it as to direct SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/action.h"
#include "audit/row_digest.h"
#include "audit/sealed_row.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/query.h"
#include "keys/details.h"
#include "pure/digest.h"
#include "pure/policy.h"
#include "pure/token.h"

PG_FUNCTION_INFO_V1(ak_create_key);
PG_FUNCTION_INFO_V1(ak_import_key);
PG_FUNCTION_INFO_V1(ak_regenerate_key);
PG_FUNCTION_INFO_V1(ak_end_overlap);
PG_FUNCTION_INFO_V1(ak_update_key);
PG_FUNCTION_INFO_V1(ak_archive_key);

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
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate random values")));
	len = strlen(secret->text);
	if (!ak_sha256(secret->text, len, secret->hash))
		ak_hash_failed();
	/* three dots, since not every client encoding has an ellipsis */
	snprintf(secret->hint, sizeof(secret->hint), "%s...%s", prefix, secret->text + len - AK_HINT_TAIL);
}

/*
 * Returns an address or a network as cidr, the host bits masked.  Raises 22023
 * for anything else.
 */
static Datum
cidr_from_text(char *written)
{
	const char *slash = strchr(written, '/');
	size_t len = slash ? (size_t) (slash - written) : strlen(written);
	int width = strchr(written, ':') ? 128 : 32;
	int bits = width;
	AkAddress address;
	Datum network;

	if (slash != NULL)
	{
		/* one to three digits */
		bits = strspn(slash + 1, "0123456789") == strlen(slash + 1) && slash[1] != '\0' && strlen(slash + 1) <= 3
				   ? atoi(slash + 1)
				   : 1000;
	}
	if (!ak_address_parse(written, len, &address) || bits > width)
		bad_argument("allowed_cidrs", errmsg("\"%s\" is neither an IP address nor a network", ak_quoted(written)),
					 errhint("Write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32."));
	network = DirectFunctionCall1(network_network, DirectFunctionCall1(inet_in, CStringGetDatum(written)));
	return DirectFunctionCall1(inet_to_cidr, network);
}

/*
 * Returns a text[] of addresses and networks as cidr[].  Raises 22023 for an
 * invalid element or more than one dimension, 22004 for a NULL element.
 */
static Datum
cidrs_from_text(ArrayType *array)
{
	Datum *elements;
	bool *nulls;
	int count;

	if (ARR_NDIM(array) > 1)
		bad_argument("allowed_cidrs", errmsg("address list must have one dimension"));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			null_argument("allowed_cidrs", errmsg("address list must not contain null"));
		elements[i] = cidr_from_text(TextDatumGetCString(elements[i]));
	}
	return PointerGetDatum(construct_array(elements, count, CIDROID, -1, false, TYPALIGN_INT));
}

/*
 * Returns the end of an overlap that begins now.  Raises 22023 for an overlap
 * that is negative, not finite, or longer than about 90000 years.
 */
static TimestampTz
overlap_end(TimestampTz now, const Interval *overlap)
{
	const int64 years = 90000; /* three times this is still a timestamp */
	TimestampTz until;

	if (overlap->month > years * MONTHS_PER_YEAR || overlap->month < -years * MONTHS_PER_YEAR ||
		overlap->day > years * 365 || overlap->day < -years * 365 || overlap->time > years * 365 * USECS_PER_DAY ||
		overlap->time < -years * 365 * USECS_PER_DAY)
		until = DT_NOEND;
	else
		until = DatumGetTimestampTz(
			DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), IntervalPGetDatum(overlap)));
	if (until < now || TIMESTAMP_NOT_FINITE(until))
		bad_argument("overlap", errmsg("overlap must be finite and not negative"));
	return until;
}

/*
 * To be called where writing a key failed.  Raises 23505 with messages of our
 * own, which show no hash, for a name or a hash that exists; any other error as
 * it is, but without a detail that shows the row.
 */
static void
rethrow_mistake(MemoryContext context)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && error->constraint_name != NULL &&
		(strcmp(error->constraint_name, "key_key_hash_key") == 0 ||
		 strcmp(error->constraint_name, "key_old_key_hash") == 0))
	{
		FlushErrorState();
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), err_argument("key_hash"),
						errmsg("a key with this hash is already known")));
	}
	if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && error->constraint_name != NULL &&
		strcmp(error->constraint_name, "key_active_name") == 0)
	{
		FlushErrorState();
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), err_argument("name"),
						errmsg("an active key of this name already exists in the workspace"),
						errhint("Names are compared without regard to case; archived keys do not count.")));
	}
	/* a constraint that a user added: its detail shows the whole row, including the hash */
	if (error->sqlerrcode == ERRCODE_NOT_NULL_VIOLATION ||
		(error->sqlerrcode == ERRCODE_CHECK_VIOLATION && error->table_name != NULL))
	{
		FlushErrorState();
		error->detail = NULL;
		ReThrowError(error);
	}
	PG_RE_THROW();
}

/*
 * Runs a statement on the key table as its owner, with an action or NULL.  SPI stays connected, and
 * the owner's rights stay, for the caller to read the result; leave() ends
 * both.
 */
static void
write_key(const AkAction *action, AkQuery *query, Datum *args, const char *nulls, AkCaller *caller)
{
	MemoryContext context = CurrentMemoryContext;

	ak_owner_begin(caller, AK_TO_MANAGE);
	SPI_connect();
	PG_TRY();
	{
		ak_act(action, query, args, nulls, AK_SEE_TRANSACTION);
	}
	PG_CATCH();
	{
		rethrow_mistake(context);
	}
	PG_END_TRY();
}

static void
leave(const AkCaller *caller)
{
	SPI_finish();
	ak_owner_end(caller);
}

/*
 * Runs an UPDATE of one key.  Raises 42704 if the key was dropped from the
 * archive since ak_find_key(), and 40001 if it was changed after the
 * transaction's snapshot, as for any row.
 */
static void
change_key(const AkAction *action, AkQuery *query, const AkWhere *where, Datum *args, const char *nulls,
		   AkCaller *caller)
{
	write_key(action, query, args, nulls, caller);
	if (SPI_processed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("key %s does not exist", DatumGetCString(DirectFunctionCall1(uuid_out, where->key_id)))));
}

/* Sets the n-th argument of a query. */
static void
set_arg(Datum *args, char *nulls, int n, Datum value, bool isnull)
{
	args[n] = isnull ? (Datum) 0 : value;
	nulls[n] = isnull ? 'n' : ' ';
}

/*
 * Sets the arguments that create_key, import_key and update_key have in common:
 * team, expires_at, allowed_cidrs, rate_limit, rate_window, metadata.  "from"
 * is the position of the first among the function's arguments, "to" among the
 * query's.
 */
static void
set_common_args(FunctionCallInfo fcinfo, int from, Datum *args, char *nulls, int to)
{
	for (int i = 0; i < 6; i++)
	{
		bool isnull = PG_ARGISNULL(from + i);

		set_arg(args, nulls, to + i,
				isnull   ? (Datum) 0
				: i == 2 ? cidrs_from_text(PG_GETARG_ARRAYTYPE_P(from + i))
						 : PG_GETARG_DATUM(from + i),
				isnull);
	}
}

/* Inserts a key, and returns the inserted row. */
static void
insert_key(FunctionCallInfo fcinfo, AkVerb verb, const char *workspace, const uint8 *hash, const char *hint,
		   int common_args, AkRow *row)
{
	static const AttrNumber common[] = {Anum_key_team,       Anum_key_expires_at,  Anum_key_allowed_cidrs,
										Anum_key_rate_limit, Anum_key_rate_window, Anum_key_metadata};
	AkAction action = {.table = AK_KEY, .verb = verb};
	MemoryContext context = CurrentMemoryContext;
	Datum args[lengthof(common)];
	char nulls[lengthof(common)];
	AkCaller caller;
	Relation rel;

	PreventCommandIfReadOnly("INSERT");
	rel = ak_table_open(AK_KEY, RowExclusiveLock);
	ak_row_begin(row, rel);
	if (!PG_ARGISNULL(0))
		ak_row_set(row, Anum_key_name, PG_GETARG_DATUM(0));
	if (!PG_ARGISNULL(1))
		ak_row_set(row, Anum_key_apis, PG_GETARG_DATUM(1));
	ak_row_set_text(row, Anum_key_workspace, workspace);
	ak_row_set(row, Anum_key_key_hash, ak_digest_datum(hash));
	if (hint != NULL)
		ak_row_set_text(row, Anum_key_hint, hint);
	set_common_args(fcinfo, common_args, args, nulls, 0);
	for (int i = 0; i < (int) lengthof(common); i++)
		if (nulls[i] != 'n')
			ak_row_set(row, common[i], args[i]);

	ak_owner_begin(&caller, AK_TO_MANAGE);
	PG_TRY();
	{
		row->tuple = ak_act_insert(&action, rel, row->natts, row->values, row->nulls);
	}
	PG_CATCH();
	{
		rethrow_mistake(context);
	}
	PG_END_TRY();
	ak_owner_end(&caller);
	if (row->tuple == NULL)
		ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
						errmsg("a trigger of table \"apikeys.key\" refused the key")));
	ak_row_read(row, rel, row->tuple);
	table_close(rel, NoLock);
}

/* Returns true if a text is among the elements. */
static bool
among(Datum wanted, const Datum *elements, int count)
{
	text *w = DatumGetTextPP(wanted);

	for (int i = 0; i < count; i++)
	{
		text *t = DatumGetTextPP(elements[i]);

		if (VARSIZE_ANY_EXHDR(t) == VARSIZE_ANY_EXHDR(w) &&
			memcmp(VARDATA_ANY(t), VARDATA_ANY(w), VARSIZE_ANY_EXHDR(w)) == 0)
			return true;
	}
	return false;
}

/*
 * Returns the views' "access" for a key's APIs: "Full" if they are all that are
 * registered.  Read here, because a sub-select in the statement that writes the
 * key would cost several times as much.
 */
static const char *
access_by(Datum apis)
{
	Relation rel = ak_table_open(AK_API, AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple tuple;
	Datum *elements;
	int count;
	bool full = true;

	deconstruct_array(DatumGetArrayTypeP(apis), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	while (full && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool isnull;

		if (heap_attisnull(tuple, Anum_api_unregistered_at, RelationGetDescr(rel)))
			full = among(heap_getattr(tuple, Anum_api_api, RelationGetDescr(rel), &isnull), elements, count);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return full ? "Full" : "Partial";
}

/* Returns the issued_key of a key as it was written.  Wipes the secret. */
static Datum
issue(FunctionCallInfo fcinfo, AkSecret *secret, const AkRow *row)
{
	static const AttrNumber columns[][2] = {{Anum_issued_key_key_id, Anum_key_key_id},
											{Anum_issued_key_name, Anum_key_name},
											{Anum_issued_key_apis, Anum_key_apis},
											{Anum_issued_key_workspace, Anum_key_workspace},
											{Anum_issued_key_old_valid_until, Anum_key_old_valid_until}};
	TupleDesc desc = ak_result_descriptor(fcinfo);
	Datum values[_Anum_issued_key_max - 1];
	bool nulls[_Anum_issued_key_max - 1];
	text *key = cstring_to_text(secret->text);
	HeapTuple result;

	for (int i = 0; i < (int) lengthof(columns); i++)
	{
		values[columns[i][0] - 1] = AK_VALUE(row, columns[i][1]);
		nulls[columns[i][0] - 1] = AK_IS_NULL(row, columns[i][1]);
	}
	values[Anum_issued_key_key - 1] = PointerGetDatum(key);
	nulls[Anum_issued_key_key - 1] = false;
	values[Anum_issued_key_access - 1] = CStringGetTextDatum(access_by(AK_VALUE(row, Anum_key_apis)));
	nulls[Anum_issued_key_access - 1] = false;
	result = heap_form_tuple(desc, values, nulls);
	ak_wipe(VARDATA(key), VARSIZE(key) - VARHDRSZ);
	ak_wipe(secret, sizeof(*secret));
	PG_RETURN_DATUM(HeapTupleGetDatum(result));
}

/* Returns the workspace that a key is to be created in, checked, and its settings. */
static char *
new_key_workspace(FunctionCallInfo fcinfo, int n, AkWorkspace *settings)
{
	char *workspace;

	ak_require_anywhere(AK_MANAGE);
	workspace = ak_target_workspace(PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n)));
	ak_require_workspace_settings(AK_MANAGE, workspace, settings);
	return workspace;
}

/*
 * create_key(name text, apis text[], workspace, team, expires_at, allowed_cidrs, rate_limit,
 *			  rate_window, metadata) -> issued_key
 *
 * Raises 22023 and 22004 for an invalid value, 42704 for an unknown workspace
 * or API, 23505 for a name that exists, and 42501.  Waits only for a
 * transaction that takes the name, unregisters one of the APIs, or removes the
 * workspace.
 */
Datum
ak_create_key(PG_FUNCTION_ARGS)
{
	AkWorkspace settings;
	AkSecret secret;
	AkRow row;
	char *workspace = new_key_workspace(fcinfo, 2, &settings);

	make_secret(&secret, settings.prefix);
	insert_key(fcinfo, AK_VERB_NONE, workspace, secret.hash, secret.hint, 3, &row);
	return issue(fcinfo, &secret, &row);
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
	AkRow row;
	char *workspace = new_key_workspace(fcinfo, 4, &settings);
	bytea *hash;

	ak_need_argument(fcinfo, 2, "key_hash");
	hash = PG_GETARG_BYTEA_PP(2);
	if (VARSIZE_ANY_EXHDR(hash) != AK_HASH_LEN)
		bad_argument(
			"key_hash", errmsg("key hash must have 32 bytes"),
			errhint(
				"It is the SHA-256 of the key's whole text: pg_catalog.sha256(pg_catalog.convert_to(key, 'UTF8'))."));
	insert_key(fcinfo, AK_VERB_IMPORT, workspace, (const uint8 *) VARDATA_ANY(hash),
			   PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)), 5, &row);
	return ak_return_detail(fcinfo, AK_VALUE(&row, Anum_key_key_id));
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
	static AkQuery query = {"UPDATE apikeys.key AS k SET key_hash = $2, hint = $3, old_valid_until = $4 "
							"WHERE k.key_id = $1 "
							"RETURNING k.*",
							4,
							{UUIDOID, BYTEAOID, TEXTOID, TIMESTAMPTZOID},
							NULL};
	AkWorkspace settings;
	AkSecret secret;
	AkCaller caller;
	AkWhere where;
	AkRow row = {0};
	Datum args[4];
	char nulls[4];
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;

	ak_find_key(fcinfo, AK_MANAGE, &where);
	ak_need_argument(fcinfo, 1, "overlap");
	until = overlap_end(now, PG_GETARG_INTERVAL_P(1));
	if (!ak_workspace_settings(where.workspace, &settings))
		strlcpy(settings.prefix, "ak", sizeof(settings.prefix));

	make_secret(&secret, settings.prefix);
	set_arg(args, nulls, 0, where.key_id, false);
	set_arg(args, nulls, 1, ak_digest_datum(secret.hash), false);
	set_arg(args, nulls, 2, CStringGetTextDatum(secret.hint), false);
	set_arg(args, nulls, 3, TimestampTzGetDatum(until), until == now);
	change_key(NULL, &query, &where, args, nulls, &caller);
	row.tuple = SPI_copytuple(SPI_tuptable->vals[0]);
	ak_deform(row.tuple, SPI_tuptable->tupdesc, _Anum_key_max - 1, row.values, row.nulls);
	leave(&caller);
	return issue(fcinfo, &secret, &row);
}

/*
 * end_overlap(key_id uuid) -> key_detail
 *
 * Without an overlap nothing changes.  Raises 42704, 22004, 55000, 42501.
 */
Datum
ak_end_overlap(PG_FUNCTION_ARGS)
{
	static AkQuery query = {"UPDATE apikeys.key SET old_valid_until = CASE "
							"WHEN old_valid_until <= clock_timestamp() THEN old_valid_until END "
							"WHERE key_id = $1",
							1,
							{UUIDOID},
							NULL};
	AkWhere where;
	AkCaller caller;

	ak_find_key(fcinfo, AK_MANAGE, &where);
	change_key(NULL, &query, &where, &where.key_id, NULL, &caller);
	leave(&caller);
	return ak_return_detail(fcinfo, where.key_id);
}

/*
 * Raises 40001: the key was changed since the caller read it.  If it was
 * archived or dropped meanwhile, raises 55000 or 42704 instead.
 */
static void
refuse_outdated(FunctionCallInfo fcinfo)
{
	AkWhere where;

	ak_find_key(fcinfo, AK_MANAGE, &where);
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE), errmsg("key \"%s\" was changed since it was read", where.name),
			 errhint("Read it again with apikeys.key_details(), and repeat the change.")));
}

/*
 * update_key(key_id uuid, name, apis, team, expires_at, allowed_cidrs, rate_limit, rate_window, metadata,
 *			  if_updated_at timestamptz) -> key_detail
 *
 * NULL keeps a value; '' clears the team, '{}' the addresses or the metadata,
 * 'infinity' the expiry, 0 the rate limit.  Raises 42704, 22023, 22004, 23505,
 * 55000, 42501, and 40001 if the key was updated since if_updated_at.
 */
Datum
ak_update_key(PG_FUNCTION_ARGS)
{
	/* the guard turns empty values into NULL */
	static AkQuery query = {"UPDATE apikeys.key SET name = COALESCE($2, name), apis = COALESCE($3, apis), "
							"team = COALESCE($4, team), expires_at = COALESCE($5, expires_at), "
							"allowed_cidrs = COALESCE($6, allowed_cidrs), "
							"rate_limit = CASE WHEN $7 = 0 THEN NULL ELSE COALESCE($7, rate_limit) END, "
							"rate_window = CASE WHEN $7 = 0 THEN NULL ELSE COALESCE($8, rate_window) END, "
							"metadata = COALESCE($9, metadata) "
							"WHERE key_id = $1 "
							"AND ($10 IS NULL OR COALESCE(updated_at, created_at) = $10)",
							10,
							{UUIDOID, TEXTOID, TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID, CIDRARRAYOID, INT4OID,
							 INTERVALOID, JSONBOID, TIMESTAMPTZOID},
							NULL};
	AkWhere where;
	AkCaller caller;
	Datum args[10];
	char nulls[10];

	ak_find_key(fcinfo, AK_MANAGE, &where);
	for (int i = 0; i < 3; i++)
		set_arg(args, nulls, i, PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i), PG_ARGISNULL(i));
	set_common_args(fcinfo, 3, args, nulls, 3);
	set_arg(args, nulls, 9, PG_ARGISNULL(9) ? (Datum) 0 : PG_GETARG_DATUM(9), PG_ARGISNULL(9));
	write_key(NULL, &query, args, nulls, &caller);
	if (SPI_processed == 0)
	{
		leave(&caller);
		refuse_outdated(fcinfo);
	}
	leave(&caller);
	return ak_return_detail(fcinfo, where.key_id);
}

/*
 * archive_key(key_id uuid) -> key_detail
 *
 * Raises 42704, 22004, 55000 if the key is archived already, 42501.  Waits for
 * a transaction that archives a key of the same workspace.
 */
Datum
ak_archive_key(PG_FUNCTION_ARGS)
{
	static AkQuery query = {"UPDATE apikeys.key SET archived_at = clock_timestamp() WHERE key_id = $1",
							1,
							{UUIDOID},
							NULL};
	AkWhere where;
	AkCaller caller;

	ak_find_key(fcinfo, AK_MANAGE, &where);
	change_key(NULL, &query, &where, &where.key_id, NULL, &caller);
	leave(&caller);
	return ak_return_detail(fcinfo, where.key_id);
}
