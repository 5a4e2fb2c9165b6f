/*-------------------------------------------------------------------------
 *
 * key_write.c
 *	  Insert or change the row of a key, for the SQL functions that do.
 *
 * The row is written as the owner of the tables; the caller's rights must have
 * been checked before.  The triggers apply as to direct SQL.
 *
 * Whatever changes a key reads it first, without a lock.  If there is nothing to
 * change, nothing is written or locked.  The version of the row that was read is
 * then locked and updated: if somebody changed the key meanwhile, the function
 * reads the key again, and decides again.  So all that an argument means is
 * written once, in C.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "audit/action.h"
#include "audit/row_digest.h"
#include "audit/sealed_row.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/query.h"
#include "keys/key_columns.h"
#include "keys/key_lookup.h"
#include "keys/key_write.h"
#include "pure/policy.h"

/* What create_key, import_key and update_key have in common, in the order of their arguments */
const AttrNumber ak_common_columns[AK_COMMON_COLUMNS] = {Anum_key_team,       Anum_key_owner,
														 Anum_key_expires_at, Anum_key_allowed_cidrs,
														 Anum_key_rate_limit, Anum_key_rate_window,
														 Anum_key_quota,      Anum_key_quota_period,
														 Anum_key_metadata};

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
		ak_bad_argument("allowed_cidrs", errmsg("\"%s\" is neither an IP address nor a network", ak_quoted(written)),
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
		ak_bad_argument("allowed_cidrs", errmsg("address list must have one dimension"));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ak_null_argument("allowed_cidrs", errmsg("address list must not contain null"));
		elements[i] = cidr_from_text(TextDatumGetCString(elements[i]));
	}
	return ak_array(elements, count, CIDROID);
}

/*
 * To be called where writing a key failed.  Raises 23505 with messages of our
 * own, which show no hash, for a name or a hash that exists; any other error as
 * it is, but without a detail that shows the row.  The name has passed the
 * guard.
 */
static void
rethrow_mistake(MemoryContext context, const AkRow *key)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && error->constraint_name != NULL &&
		(strcmp(error->constraint_name, "key_key_hash_key") == 0 ||
		 strcmp(error->constraint_name, "key_old_key_hash") == 0))
	{
		FlushErrorState();
		ak_refuse_known_hash();
	}
	if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && error->constraint_name != NULL &&
		strcmp(error->constraint_name, "key_active_name") == 0)
	{
		FlushErrorState();
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), err_argument("name"),
						errmsg("key \"%s\" already exists in workspace \"%s\"",
							   ak_trim_name(ak_row_text(key, Anum_key_name)), ak_row_text(key, Anum_key_workspace)),
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

/* Returns the n-th argument, one of the common ones, as its column has it. */
static Datum
common_argument(FunctionCallInfo fcinfo, int n, AttrNumber column)
{
	if (column == Anum_key_allowed_cidrs)
		return cidrs_from_text(PG_GETARG_ARRAYTYPE_P(n));
	return PG_GETARG_DATUM(n);
}

/*
 * Sets the columns of a key that the common arguments give, the first of which
 * is the n-th of the function.  0 clears a rate limit or quota, with its window
 * or period.
 */
void
ak_set_common_columns(FunctionCallInfo fcinfo, int n, AkRow *key)
{
	for (int i = 0; i < AK_COMMON_COLUMNS; i++)
		if (!PG_ARGISNULL(n + i))
			ak_row_set(key, ak_common_columns[i], common_argument(fcinfo, n + i, ak_common_columns[i]));
	if (!AK_IS_NULL(key, Anum_key_rate_limit) && DatumGetInt32(AK_VALUE(key, Anum_key_rate_limit)) == 0)
	{
		ak_row_clear(key, Anum_key_rate_limit);
		ak_row_clear(key, Anum_key_rate_window);
	}
	if (!AK_IS_NULL(key, Anum_key_quota) && DatumGetInt64(AK_VALUE(key, Anum_key_quota)) == 0)
	{
		ak_row_clear(key, Anum_key_quota);
		ak_row_clear(key, Anum_key_quota_period);
	}
}

/* Inserts a key, and returns the inserted row. */
void
ak_insert_key(FunctionCallInfo fcinfo, AkVerb verb, const char *workspace, const uint8 *hash, const char *hint,
			  int common_args, AkRow *row)
{
	AkAction action = {.table = AK_KEY, .verb = verb};
	MemoryContext context = CurrentMemoryContext;
	AkCaller caller;
	Relation rel;

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
	ak_set_common_columns(fcinfo, common_args, row);

	ak_owner_begin(&caller, AK_TO_MANAGE);
	PG_TRY();
	{
		row->tuple = ak_act_insert(&action, rel, row->columns->natts, row->values, row->nulls);
	}
	PG_CATCH();
	{
		rethrow_mistake(context, row);
	}
	PG_END_TRY();
	ak_owner_end(&caller);
	if (row->tuple == NULL)
		ak_refused_by_trigger("apikeys.key", "key");
	ak_row_read(row, rel, row->tuple);
	table_close(rel, NoLock);
}

/*
 * Changes a key, as it was read, to what is wanted, with an action or NULL.
 * Returns true, with the row as it is now in key->row; false if the key was
 * changed since it was read.  Raises what the triggers raise, 40001 if the key
 * was changed after the transaction's snapshot, and 09000 if a user's trigger
 * suppressed the change.
 *
 * What does not change is not written once more, which matters for large
 * metadata.
 */
bool
ak_change_key(AkFoundKey *key, const AkAction *action, const AkRow *wanted)
{
	MemoryContext context = CurrentMemoryContext;
	bool changed[AK_NATTS_MAX];
	HeapTuple row;
	AkCaller caller;
	Relation rel;
	bool found;

	for (int column = 1; column <= wanted->columns->natts; column++)
		changed[AttrNumberGetAttrOffset(column)] = ak_column_changed(&key->row, wanted, column);
	rel = ak_table_open(AK_KEY, RowExclusiveLock);
	ak_owner_begin(&caller, AK_TO_MANAGE);
	PG_TRY();
	{
		found = ak_act_update(action, rel, key->row.tuple, wanted->values, wanted->nulls, changed, &row);
	}
	PG_CATCH();
	{
		rethrow_mistake(context, wanted);
	}
	PG_END_TRY();
	ak_owner_end(&caller);
	if (found && row == NULL)
		ak_refused_by_trigger("apikeys.key", psprintf("change of key \"%s\"", key->name));
	if (found)
		ak_row_read(&key->row, rel, row);
	table_close(rel, NoLock);
	return found;
}
