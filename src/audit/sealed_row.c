/*-------------------------------------------------------------------------
 *
 * sealed_row.c
 *	  Rows under a trigger: reading, comparing, sealing.
 *
 * Sealing a row assigns the audit_id of the entry that will record its change,
 * and sets its digest.  The audit_id is remembered until the audit trigger has
 * written the entry, with what other triggers have to add to it.  A row with
 * the right digest and an audit_id that this transaction did not assign comes
 * out of a dump: no entry is written for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/extension.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "audit/row_digest.h"
#include "audit/sealed_row.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/query.h"
#include "pure/digest.h"

PG_FUNCTION_INFO_V1(ak_keep_here);

/* An entry that is still to be written, of a row that this transaction sealed */
typedef struct AkFresh
{
	int64 audit_id;
	char *details; /* to be added to "changes", as JSON members; NULL: nothing */
} AkFresh;

static HTAB *fresh = NULL; /* in TopTransactionContext */

/* Returns true if the relation is one of these tables (AK_TABLE_BIT of each). */
static bool
is_table_of(Relation rel, int tables)
{
	for (int i = 0; i < AK_TABLE_COUNT; i++)
		if ((tables & AK_TABLE_BIT(i)) && ak_relid(i) == RelationGetRelid(rel))
			return true;
	return false;
}

/* Returns true if a row trigger fires when it should (AK_BEFORE and the like). */
static bool
fires_when(TriggerEvent event, int when)
{
	int fired = TRIGGER_FIRED_BY_INSERT(event)   ? AK_ON_INSERT
				: TRIGGER_FIRED_BY_UPDATE(event) ? AK_ON_UPDATE
												 : AK_ON_DELETE;

	return (when & fired) != 0 && ((when & AK_BEFORE) != 0) == TRIGGER_FIRED_BEFORE(event);
}

/*
 * Checks that a function was called as a row trigger of one of these tables
 * (AK_TABLE_BIT of each), before or after the changes for which it is made
 * (AK_BEFORE and the like), and returns its data.  Raises 39P01.
 */
TriggerData *
ak_trigger_data(FunctionCallInfo fcinfo, const char *name, int when, int tables)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) ||
		!is_table_of(trigdata->tg_relation, tables))
		ak_no_trigger_call(name, "a row trigger of its table");
	if (!fires_when(trigdata->tg_event, when))
		ak_no_trigger_call(name, "a row trigger of the same time and events as its own");
	return trigdata;
}

/* Starts a row of rel, with all columns NULL. */
void
ak_row_begin(AkRow *row, Relation rel)
{
	row->tuple = NULL;
	row->stored = RelationGetDescr(rel);
	row->columns = ak_columns_of(rel);
	memset(row->values, 0, sizeof(row->values));
	memset(row->nulls, true, sizeof(row->nulls));
}

/* Reads a tuple of rel into row; the values are not copied. */
void
ak_row_read(AkRow *row, Relation rel, HeapTuple tuple)
{
	row->tuple = tuple;
	row->stored = RelationGetDescr(rel);
	row->columns = ak_columns_of(rel);
	ak_deform(tuple, row->stored, row->columns, row->values, row->nulls);
}

/*
 * Reads the rows of a row trigger into rows[0] and rows[1]: *old, NULL for an
 * INSERT, and *new, NULL for a DELETE.
 */
void
ak_trigger_rows(const TriggerData *trigdata, AkRow rows[2], AkRow **old, AkRow **new)
{
	Relation rel = trigdata->tg_relation;

	*old = TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) ? NULL : &rows[0];
	*new = TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) ? NULL : &rows[1];
	if (*old != NULL)
		ak_row_read(*old, rel, trigdata->tg_trigtuple);
	if (*new != NULL)
		ak_row_read(*new, rel, *old != NULL ? trigdata->tg_newtuple : trigdata->tg_trigtuple);
}

/* Returns the name of a column. */
const char *
ak_column_name(const AkRow *row, AttrNumber column)
{
	return NameStr(TupleDescAttr(row->columns->desc, AttrNumberGetAttrOffset(column))->attname);
}

/* Returns a text column as a C string; NULL if it is NULL. */
char *
ak_row_text(const AkRow *row, AttrNumber column)
{
	return AK_IS_NULL(row, column) ? NULL : TextDatumGetCString(AK_VALUE(row, column));
}

/* Sets a column; the value is not copied. */
void
ak_row_set(AkRow *row, AttrNumber column, Datum value)
{
	AK_VALUE(row, column) = value;
	AK_IS_NULL(row, column) = false;
}

/* The same with a copy of a C string. */
void
ak_row_set_text(AkRow *row, AttrNumber column, const char *value)
{
	ak_row_set(row, column, CStringGetTextDatum(value));
}

/* Sets a column to NULL. */
void
ak_row_clear(AkRow *row, AttrNumber column)
{
	AK_VALUE(row, column) = (Datum) 0;
	AK_IS_NULL(row, column) = true;
}

/* Returns true if a column differs, byte for byte. */
bool
ak_column_changed(const AkRow *old, const AkRow *new, AttrNumber column)
{
	Form_pg_attribute attr = TupleDescAttr(old->columns->desc, column - 1);

	if (AK_IS_NULL(old, column) || AK_IS_NULL(new, column))
		return AK_IS_NULL(old, column) != AK_IS_NULL(new, column);
	if (AK_VALUE(old, column) == AK_VALUE(new, column))
		return false; /* the same number or place: what is toasted need not be read */
	return !datum_image_eq(AK_VALUE(old, column), AK_VALUE(new, column), attr->attbyval, attr->attlen);
}

/* Returns true if any of our columns differs. */
bool
ak_row_changed(const AkRow *old, const AkRow *new)
{
	for (int column = 1; column <= old->columns->natts; column++)
		if (ak_column_changed(old, new, column))
			return true;
	return false;
}

/* Returns true if a row comes with the right digest, and is to be inserted as it is. */
bool
ak_row_restored(const AkRow *row)
{
	return ak_row_digest_right(row->columns, row->values, row->nulls);
}

/* Returns true while our own extension script runs, not another's that uses us. */
bool
ak_installing(void)
{
	return creating_extension && CurrentExtensionObject == get_extension_oid("apikeys", true);
}

/* Returns the row as a tuple; columns that are not ours are unchanged. */
HeapTuple
ak_row_written(const AkRow *row)
{
	int attnums[AK_NATTS_MAX];

	for (int i = 0; i < row->columns->natts; i++)
		attnums[i] = row->columns->attnums[i];
	return heap_modify_tuple_by_cols(row->tuple, row->stored, row->columns->natts, attnums, (Datum *) row->values,
									 (bool *) row->nulls);
}

/*
 * Sets the row's audit_id and its digest, and returns the row as a tuple.  Rows
 * that the extension's own script inserts have audit_id 0 and no entry.
 */
HeapTuple
ak_row_seal(AkRow *row)
{
	AttrNumber id_column = SPI_fnumber(row->columns->desc, "audit_id");
	uint8 digest[AK_HASH_LEN];
	int64 audit_id = 0;

	if (!ak_installing())
	{
		AkFresh *entry;

		audit_id = nextval_internal(ak_relid(AK_AUDIT_ID_SEQ), false);
		if (fresh == NULL)
		{
			HASHCTL ctl = {.keysize = sizeof(int64), .entrysize = sizeof(AkFresh), .hcxt = TopTransactionContext};

			fresh = hash_create("apikeys fresh entries", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		}
		entry = hash_search(fresh, &audit_id, HASH_ENTER, NULL);
		entry->details = NULL;
	}
	ak_row_set(row, id_column, Int64GetDatum(audit_id));
	ak_row_digest(row->columns, row->values, row->nulls, digest);
	ak_row_set(row, row->columns->digest, ak_digest_datum(digest));
	return ak_row_written(row);
}

/* Returns the audit_id of a row. */
int64
ak_row_audit_id(const AkRow *row)
{
	return DatumGetInt64(AK_VALUE(row, SPI_fnumber(row->columns->desc, "audit_id")));
}

/* Returns the fresh entry with that audit_id, or NULL. */
static AkFresh *
find_fresh(int64 audit_id)
{
	return fresh != NULL ? hash_search(fresh, &audit_id, HASH_FIND, NULL) : NULL;
}

/* Returns true if this transaction sealed a row, and its entry is still to be written: the row is not restored. */
bool
ak_row_fresh(const AkRow *row)
{
	return find_fresh(ak_row_audit_id(row)) != NULL;
}

/* Adds members of a JSON object to the "changes" of a fresh row's entry. */
void
ak_add_details(const AkRow *row, const char *details)
{
	AkFresh *entry = find_fresh(ak_row_audit_id(row));

	Assert(entry != NULL && entry->details == NULL);
	entry->details = MemoryContextStrdup(TopTransactionContext, details);
}

/*
 * Returns true, once, for an audit_id whose entry is to be written; *details is
 * what ak_add_details() added to it, or NULL.
 */
bool
ak_take_fresh(int64 audit_id, const char **details)
{
	AkFresh *entry = find_fresh(audit_id);

	if (entry == NULL)
		return false;
	*details = entry->details;
	hash_search(fresh, &audit_id, HASH_REMOVE, NULL);
	return true;
}

/* At the end of a transaction, which frees the memory. */
void
ak_forget_fresh(void)
{
	fresh = NULL;
}

/*
 * Row trigger BEFORE INSERT OR UPDATE OR DELETE, enabled for replicas only, of
 * tables whose rows are valid only in their own database: discards replicated
 * changes, and passes what ak_entry_arrived() writes.
 */
Datum
ak_keep_here(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		ak_no_trigger_call("keep_here", "a row trigger");
	return PointerGetDatum(
		ak_owner_purpose() == AK_TO_LOG && TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) ? trigdata->tg_trigtuple : NULL);
}
