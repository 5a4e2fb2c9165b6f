/*-------------------------------------------------------------------------
 *
 * details.c
 *	  Find a key and show it: key_details(), key_id(), identify_key().
 *
 * A key is found with the snapshot of a new statement of the transaction; a key
 * that the caller may not see does not exist for it.  The functions that change
 * keys also use this file, to find a key and to return the changed one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "access/access.h"
#include "access/context.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/query.h"
#include "keys/details.h"
#include "pure/digest.h"
#include "pure/token.h"
#include "validate/keystore.h"

PG_FUNCTION_INFO_V1(ak_key_details);
PG_FUNCTION_INFO_V1(ak_key_id);
PG_FUNCTION_INFO_V1(ak_identify_key);

/*
 * Finds the key that the first argument names, and checks that the caller has
 * the capability for it.  Raises 22004, 42704 for a key that the caller may not
 * see, 42501, and 55000 for an archived key if the capability is AK_MANAGE.
 */
void
ak_find_key(FunctionCallInfo fcinfo, AkCapability capability, AkWhere *where)
{
	static AkQuery query = {"SELECT workspace, name, archived_at IS NOT NULL FROM apikeys.key WHERE key_id = $1",
							1,
							{UUIDOID},
							NULL};
	MemoryContext context = CurrentMemoryContext;
	AkCaller caller;
	Datum args[1];
	bool archived = false;

	ak_need_argument(fcinfo, 0, "key_id");
	ak_require_anywhere(capability);
	where->key_id = args[0] = PG_GETARG_DATUM(0);
	where->workspace = where->name = NULL;

	/* if one of our columns is missing, the error names it */
	table_close(ak_table_open(AK_KEY, AccessShareLock), AccessShareLock);
	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_TRANSACTION);
	if (SPI_processed > 0)
	{
		bool isnull;
		MemoryContext spi = MemoryContextSwitchTo(context);

		where->workspace = TextDatumGetCString(ak_query_result(0, 1, &isnull));
		where->name = TextDatumGetCString(ak_query_result(0, 2, &isnull));
		archived = DatumGetBool(ak_query_result(0, 3, &isnull));
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	ak_owner_end(&caller);

	if (where->workspace == NULL || !ak_sees(AK_VIEW, where->workspace))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("key %s does not exist", DatumGetCString(DirectFunctionCall1(uuid_out, where->key_id))),
						errhint("apikeys.active_keys and apikeys.archived_keys list the keys that you may see.")));
	ak_require(capability, where->workspace);
	if (archived && capability == AK_MANAGE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("key \"%s\" is archived", where->name),
				 errdetail("An archived key cannot be changed any more.")));
}

/*
 * Returns the key_detail of a key as this transaction sees it; NULL if the key
 * was dropped meanwhile.
 */
static Datum
detail(FunctionCallInfo fcinfo, TupleDesc desc, Datum key_id, bool *isnull)
{
	static AkQuery query = {
		"SELECT key_id, workspace, name, state, apis, access, team, hint, expires_at, allowed_cidrs, "
		"rate_limit, rate_window, metadata, created_at, created_by, updated_at, updated_by, "
		"regenerated_at, regenerated_by, old_valid_until, archived_at, archived_by "
		"FROM apikeys_internal.key_rows WHERE key_id = $1",
		1,
		{UUIDOID},
		NULL};
	Datum args[1] = {key_id};
	AkCaller caller;
	Datum result = (Datum) 0;

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_TRANSACTION);
	*isnull = SPI_processed == 0;
	if (!*isnull)
	{
		Datum *values = palloc(desc->natts * sizeof(Datum));
		bool *nulls = palloc(desc->natts * sizeof(bool));

		heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
		result = HeapTupleHeaderGetDatum(SPI_returntuple(heap_form_tuple(desc, values, nulls), desc));
	}
	SPI_finish();
	ak_owner_end(&caller);
	return result;
}

/* The same, as the result of a function that returns a key_detail. */
Datum
ak_return_detail(FunctionCallInfo fcinfo, Datum key_id)
{
	bool isnull;
	Datum result = detail(fcinfo, ak_result_descriptor(fcinfo), key_id, &isnull);

	if (isnull)
		PG_RETURN_NULL();
	return result;
}

/* key_details(key_id uuid) -> key_detail.  Raises 42704, 22004, 42501. */
Datum
ak_key_details(PG_FUNCTION_ARGS)
{
	AkWhere where;

	ak_find_key(fcinfo, AK_VIEW, &where);
	return ak_return_detail(fcinfo, where.key_id);
}

/*
 * key_id(name text, workspace text = NULL) -> uuid
 *
 * Returns the id of the active key of that name, which is trimmed and folded as
 * by create_key(); workspace NULL: in all that the caller may see.  Raises
 * 42704 if there is none, 21000 if there are several, 22004, 42501.
 */
Datum
ak_key_id(PG_FUNCTION_ARGS)
{
	static AkQuery query = {"SELECT key_id, workspace FROM apikeys.key WHERE archived_at IS NULL "
							"AND name_folded = $1 "
							"AND ($2 IS NULL OR workspace = ANY ($2))",
							2,
							{BYTEAOID, TEXTARRAYOID},
							NULL};
	MemoryContext context = CurrentMemoryContext;
	AkCaller caller;
	Datum args[2] = {0};
	char nulls[2] = {' ', ' '};
	char *name;
	uint64 found;
	Datum key_id = (Datum) 0;

	ak_need_argument(fcinfo, 0, "name");
	ak_require_anywhere(AK_VIEW);
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	args[0] = ak_fold_name(ak_trim_name(name));
	if (PG_ARGISNULL(1))
	{
		if (ak_sees_everywhere(AK_VIEW))
			nulls[1] = 'n';
		else
			args[1] = ak_visible_workspaces(AK_VIEW);
	}
	else
	{
		char *workspace = text_to_cstring(PG_GETARG_TEXT_PP(1));

		ak_check_workspace_argument(workspace);
		ak_require_workspace(AK_VIEW, workspace);
		args[1] = PointerGetDatum(construct_array(&fcinfo->args[1].value, 1, TEXTOID, -1, false, TYPALIGN_INT));
	}

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(&query, args, nulls, AK_SEE_TRANSACTION);
	found = SPI_processed;
	if (found == 1)
	{
		bool isnull;
		MemoryContext spi = MemoryContextSwitchTo(context);

		key_id = datumCopy(ak_query_result(0, 1, &isnull), false, UUID_LEN);
		MemoryContextSwitchTo(spi);
	}
	SPI_finish();
	ak_owner_end(&caller);

	if (found == 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("active key \"%s\" does not exist", ak_quoted(name)),
						errhint("apikeys.active_keys lists the keys that you may see.")));
	if (found > 1)
		ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION),
						errmsg("several workspaces have an active key \"%s\"", ak_quoted(name)),
						errhint("Name the workspace.")));
	return key_id;
}

/*
 * identify_key(key text) -> setof key_detail
 *
 * Returns the key, active or archived, whose present or old secret this is; no
 * row if there is none, or if the caller may not see it.  Raises 42501.
 */
Datum
ak_identify_key(PG_FUNCTION_ARGS)
{
	AkLookup lookup;
	uint8 hash[AK_HASH_LEN];
	text *key;
	Datum key_id = (Datum) 0;
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

	if (ak_keystore_find_seen(&lookup, hash, GetTransactionSnapshot()))
	{
		if (ak_sees(AK_VIEW, TextDatumGetCString(AK_FOUND(&lookup, Anum_key_workspace))))
			key_id = datumCopy(AK_FOUND(&lookup, Anum_key_key_id), false, UUID_LEN);
	}
	ak_keystore_end(&lookup);

	if (key_id != 0)
	{
		bool isnull;
		Datum row = detail(fcinfo, BlessTupleDesc(rsinfo->setDesc), key_id, &isnull);

		if (!isnull)
		{
			HeapTupleHeader header = DatumGetHeapTupleHeader(row);
			HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};

			tuplestore_puttuple(rsinfo->setResult, &tuple);
		}
	}
	return (Datum) 0;
}
