/*-------------------------------------------------------------------------
 *
 * key_detail.c
 *	  A key as people see it: the types key_detail and issued_key.
 *
 * The functions that write a key return it as the statement returned the row,
 * without reading it once more.  The view apikeys_internal.key_rows computes the
 * same columns in SQL for the other views; test/sql/key_detail.sql compares both.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "core/args.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "keys/key_detail.h"
#include "usage/figures.h"
#include "usage/limit.h"

/*
 * Returns "Full" if a key's APIs are all that are registered, else "Partial",
 * as the transaction sees the registry.
 */
static const char *
access_by(Datum apis)
{
	Relation rel = ak_table_open(AK_API, AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple tuple;
	ArrayType *list = DatumGetArrayTypeP(apis);
	bool full = true;

	while (full && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool isnull;
		text *api;

		if (!heap_attisnull(tuple, Anum_api_unregistered_at, RelationGetDescr(rel)))
			continue;
		api = DatumGetTextPP(heap_getattr(tuple, Anum_api_api, RelationGetDescr(rel), &isnull));
		full = ak_text_listed(VARDATA_ANY(api), VARSIZE_ANY_EXHDR(api), list);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return full ? "Full" : "Partial";
}

/* Returns a cidr[] as text[]. */
static Datum
texts_from_cidrs(Datum cidrs)
{
	Datum *elements;
	int count;

	deconstruct_array(DatumGetArrayTypeP(cidrs), CIDROID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	for (int i = 0; i < count; i++)
		elements[i] = CStringGetTextDatum(DatumGetCString(DirectFunctionCall1(cidr_out, elements[i])));
	return ak_array(elements, count, TEXTOID);
}

static const char *
state_of(const AkRow *key)
{
	if (!AK_IS_NULL(key, Anum_key_archived_at))
		return "archived";
	return AK_IS_NULL(key, Anum_key_disabled_at) ? "active" : "disabled";
}

static void
set_value(Datum *values, bool *nulls, AttrNumber column, Datum value)
{
	values[column - 1] = value;
	nulls[column - 1] = false;
}

/* Gives the key_detail of a row of the key table: AK_KEY_DETAIL_NATTS columns. */
void
ak_key_detail(const AkRow *key, Datum *values, bool *nulls)
{
	static const AttrNumber columns[AK_KEY_DETAIL_NATTS + 1] = {
		[Anum_key_detail_key_id] = Anum_key_key_id,
		[Anum_key_detail_workspace] = Anum_key_workspace,
		[Anum_key_detail_name] = Anum_key_name,
		[Anum_key_detail_apis] = Anum_key_apis,
		[Anum_key_detail_team] = Anum_key_team,
		[Anum_key_detail_owner] = Anum_key_owner,
		[Anum_key_detail_hint] = Anum_key_hint,
		[Anum_key_detail_expires_at] = Anum_key_expires_at,
		[Anum_key_detail_allowed_cidrs] = Anum_key_allowed_cidrs,
		[Anum_key_detail_rate_limit] = Anum_key_rate_limit,
		[Anum_key_detail_rate_window] = Anum_key_rate_window,
		[Anum_key_detail_quota] = Anum_key_quota,
		[Anum_key_detail_quota_period] = Anum_key_quota_period,
		[Anum_key_detail_metadata] = Anum_key_metadata,
		[Anum_key_detail_created_at] = Anum_key_created_at,
		[Anum_key_detail_created_by] = Anum_key_created_by,
		[Anum_key_detail_updated_at] = Anum_key_updated_at,
		[Anum_key_detail_updated_by] = Anum_key_updated_by,
		[Anum_key_detail_regenerated_at] = Anum_key_regenerated_at,
		[Anum_key_detail_regenerated_by] = Anum_key_regenerated_by,
		[Anum_key_detail_old_valid_until] = Anum_key_old_valid_until,
		[Anum_key_detail_disabled_at] = Anum_key_disabled_at,
		[Anum_key_detail_disabled_by] = Anum_key_disabled_by,
		[Anum_key_detail_archived_at] = Anum_key_archived_at,
		[Anum_key_detail_archived_by] = Anum_key_archived_by,
	};
	Datum key_id = AK_VALUE(key, Anum_key_key_id);
	TimestampTz last_used_at = ak_last_used_at(DatumGetUUIDP(key_id));

	for (int i = 1; i <= AK_KEY_DETAIL_NATTS; i++)
	{
		/* computed below */
		nulls[i - 1] = true;
		values[i - 1] = (Datum) 0;
		if (columns[i] != 0 && !AK_IS_NULL(key, columns[i]))
			set_value(values, nulls, i, AK_VALUE(key, columns[i]));
	}
	set_value(values, nulls, Anum_key_detail_state, CStringGetTextDatum(state_of(key)));
	set_value(values, nulls, Anum_key_detail_access, CStringGetTextDatum(access_by(AK_VALUE(key, Anum_key_apis))));
	if (!AK_IS_NULL(key, Anum_key_allowed_cidrs))
		set_value(values, nulls, Anum_key_detail_allowed_cidrs,
				  texts_from_cidrs(AK_VALUE(key, Anum_key_allowed_cidrs)));
	if (!AK_IS_NULL(key, Anum_key_quota))
		set_value(values, nulls, Anum_key_detail_quota_used,
				  Int64GetDatum(ak_quota_used(DatumGetUUIDP(key_id),
											  ak_quota_period(AK_VALUE(key, Anum_key_quota_period), false))));
	if (last_used_at != 0)
		set_value(values, nulls, Anum_key_detail_last_used_at, TimestampTzGetDatum(last_used_at));
}

/* Returns a key as the result of a function that returns a key_detail. */
Datum
ak_return_key(FunctionCallInfo fcinfo, const AkRow *key)
{
	Datum values[AK_KEY_DETAIL_NATTS];
	bool nulls[AK_KEY_DETAIL_NATTS];

	ak_key_detail(key, values, nulls);
	return HeapTupleGetDatum(heap_form_tuple(ak_result_descriptor(fcinfo), values, nulls));
}

/* The same for issued_key, the secret first.  Wipes what is ours of the secret, not the result. */
Datum
ak_return_issued_key(FunctionCallInfo fcinfo, char *secret, const AkRow *key)
{
	Datum values[1 + AK_KEY_DETAIL_NATTS];
	bool nulls[1 + AK_KEY_DETAIL_NATTS];
	text *copy = cstring_to_text(secret);
	HeapTuple result;

	values[0] = PointerGetDatum(copy);
	nulls[0] = false;
	ak_key_detail(key, values + 1, nulls + 1);
	result = heap_form_tuple(ak_result_descriptor(fcinfo), values, nulls);
	explicit_bzero(VARDATA(copy), VARSIZE(copy) - VARHDRSZ);
	explicit_bzero(secret, strlen(secret));
	return HeapTupleGetDatum(result);
}
