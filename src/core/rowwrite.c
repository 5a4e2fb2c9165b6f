/*-------------------------------------------------------------------------
 *
 * rowwrite.c
 *	  Insert or update a row of one of our tables without a plan.
 *
 * To plan and run an INSERT or UPDATE of one row costs about as much again as to
 * write the row.  So this file does what a logical replication worker does, which
 * has rows and no statements either.
 *
 * Row triggers fire, constraints are checked, and indexes are updated.
 * Statement triggers and rules are skipped: our tables have none.
 *
 * Privileges are not checked: the caller has checked them, and acts in an owner
 * section, because triggers and index expressions run as the current user.  The
 * relation is open with RowExclusiveLock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "core/columns.h"
#include "core/compat.h"
#include "core/rowwrite.h"

/*
 * Fills a slot with the values of the first natts of our columns, and with the
 * defaults of all others; generated columns are computed later.
 */
static void
fill_slot(TupleTableSlot *slot, Relation rel, int natts, const Datum *values, const bool *nulls, EState *estate)
{
	TupleDesc desc = RelationGetDescr(rel);
	const AkColumns *columns = ak_columns_of(rel);
	bool *given = palloc0(desc->natts * sizeof(bool));

	for (int i = 0; i < natts; i++)
	{
		int offset = AttrNumberGetAttrOffset(columns->attnums[i]);

		slot->tts_values[offset] = values[i];
		slot->tts_isnull[offset] = nulls[i];
		given[offset] = true;
	}
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		Expr *value;

		if (given[i])
			continue;
		slot->tts_values[i] = (Datum) 0;
		slot->tts_isnull[i] = true;
		if (attr->attisdropped || attr->attgenerated)
			continue;
		value = (Expr *) build_column_default(rel, i + 1);
		/* a domain may refuse NULL */
		if (value == NULL && get_typtype(attr->atttypid) == TYPTYPE_DOMAIN)
			value = (Expr *) coerce_null_to_domain(attr->atttypid, attr->atttypmod, attr->attcollation, attr->attlen,
												   attr->attbyval);
		if (value != NULL)
			slot->tts_values[i] =
				ExecEvalExpr(ExecPrepareExpr(value, estate), GetPerTupleExprContext(estate), &slot->tts_isnull[i]);
	}
}

/*
 * Prepares to write one row of rel, which is the first and only relation of
 * "estate".  "updated" are the columns that an UPDATE changes, for triggers of
 * certain columns; NULL for an INSERT.
 */
static ResultRelInfo *
begin_write(EState *estate, Relation rel, Bitmapset *updated)
{
	ResultRelInfo *target = makeNode(ResultRelInfo);

	ExecInitRangeTable_compat(estate, rel, updated);
	InitResultRelInfo(target, rel, 1, NULL, 0);
	/* triggers look for the relation in this list; our caller, who opened it, closes it */
	estate->es_opened_result_relations = lappend(estate->es_opened_result_relations, target);
	estate->es_output_cid = GetCurrentCommandId(true);
	ExecOpenIndices(target, false);
	AfterTriggerBeginQuery();
	return target;
}

/*
 * Fires the AFTER triggers, and ends what begin_write() began.  Returns a copy
 * of the row in the slot as the triggers left it, in the memory context
 * "context"; NULL if one of them returned NULL.
 */
static HeapTuple
end_write(EState *estate, ResultRelInfo *target, TupleTableSlot *slot, MemoryContext context)
{
	HeapTuple row = NULL;

	AfterTriggerEndQuery(estate);
	MemoryContextSwitchTo(context);
	if (ItemPointerIsValid(&slot->tts_tid))
		row = ExecCopySlotHeapTuple(slot);
	ExecCloseIndices(target);
	ExecResetTupleTable(estate->es_tupleTable, false);
	FreeExecutorState(estate);
	CommandCounterIncrement();
	return row;
}

/*
 * Inserts a row as INSERT would.  The first natts of our columns are given, the
 * others and those of users get their defaults.  Later commands of the
 * transaction see the row.  Raises what triggers and constraints raise.
 *
 * Returns a copy of the row as the triggers left it; NULL if one of them returned
 * NULL, which none of ours does.
 */
HeapTuple
ak_insert_row(Relation rel, int natts, const Datum *values, const bool *nulls)
{
	EState *estate = CreateExecutorState();
	MemoryContext context = MemoryContextSwitchTo(estate->es_query_cxt);
	TupleTableSlot *slot = table_slot_create(rel, &estate->es_tupleTable);
	ResultRelInfo *target;

	fill_slot(slot, rel, natts, values, nulls, estate);
	ExecStoreVirtualTuple(slot);
	target = begin_write(estate, rel, NULL);
	ExecSimpleRelationInsert(target, estate, slot);
	return end_write(estate, target, slot, context);
}

/*
 * Locks a row, as it was read, for an UPDATE.  Waits for a transaction that
 * changes it.  Returns true, with the row in the slot; false if it was changed
 * or deleted since, but under REPEATABLE READ and SERIALIZABLE raises 40001 if
 * another transaction did.
 */
static bool
lock_row(EState *estate, ResultRelInfo *target, HeapTuple row, TupleTableSlot *slot)
{
	TM_FailureData failure;
	TM_Result result =
		table_tuple_lock(target->ri_RelationDesc, &row->t_self, GetActiveSnapshot(), slot, estate->es_output_cid,
						 ExecUpdateLockMode(estate, target), LockWaitBlock, 0, &failure);

	if (result == TM_Ok)
		return true;
	if (IsolationUsesXactSnapshot() && !TransactionIdIsCurrentTransactionId(failure.xmax))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg(result == TM_Deleted ? "could not serialize access due to concurrent delete"
													: "could not serialize access due to concurrent update")));
	return false;
}

/*
 * Updates a row as UPDATE would: "old", as a snapshot that is not older than
 * the active one saw it, so that no VACUUM has removed it since.  Our columns
 * are given, and which of them change; those of users keep their values.
 *
 * Returns false if the row was changed or deleted since it was read: nothing
 * is done.  Otherwise true; *row is a copy of the row as the triggers left it,
 * NULL if one of them returned NULL.  Later commands of the transaction see it.
 * Raises what triggers and constraints raise, and 40001 as lock_row().
 */
bool
ak_update_row(Relation rel, HeapTuple old, const Datum *values, const bool *nulls, const bool *changed, HeapTuple *row)
{
	EState *estate = CreateExecutorState();
	MemoryContext context = MemoryContextSwitchTo(estate->es_query_cxt);
	TupleTableSlot *found = table_slot_create(rel, &estate->es_tupleTable);
	TupleTableSlot *slot = table_slot_create(rel, &estate->es_tupleTable);
	EPQState unused = {0}; /* the row is locked: there is no newer one to look at */
	const AkColumns *columns = ak_columns_of(rel);
	Bitmapset *updated = NULL;
	ResultRelInfo *target;
	bool locked;

	for (int i = 0; i < columns->natts; i++)
		if (changed[i])
			updated = bms_add_member(updated, columns->attnums[i] - FirstLowInvalidHeapAttributeNumber);
	/* what the calling statement did before is seen, as by a statement of its own */
	CommandCounterIncrement();
	target = begin_write(estate, rel, updated);
	locked = lock_row(estate, target, old, found);
	if (locked)
	{
		slot_getallattrs(found);
		memcpy(slot->tts_values, found->tts_values, RelationGetNumberOfAttributes(rel) * sizeof(Datum));
		memcpy(slot->tts_isnull, found->tts_isnull, RelationGetNumberOfAttributes(rel) * sizeof(bool));
		for (int i = 0; i < columns->natts; i++)
			if (changed[i])
			{
				slot->tts_values[AttrNumberGetAttrOffset(columns->attnums[i])] = values[i];
				slot->tts_isnull[AttrNumberGetAttrOffset(columns->attnums[i])] = nulls[i];
			}
		ExecStoreVirtualTuple(slot);
		ExecSimpleRelationUpdate(target, estate, &unused, found, slot);
	}
	*row = end_write(estate, target, slot, context);
	return locked;
}
