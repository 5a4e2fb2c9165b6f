/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  Insert a row into one of our tables without a plan.
 *
 * To plan and run an INSERT of one row costs about as much again as to write the
 * row.  So this file does what a logical replication worker does, which has rows
 * and no statements either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "rewrite/rewriteHandler.h"
#include "utils/rel.h"

#include "core/columns.h"
#include "core/insert.h"

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
		if (value != NULL)
			slot->tts_values[i] =
				ExecEvalExpr(ExecPrepareExpr(value, estate), GetPerTupleExprContext(estate), &slot->tts_isnull[i]);
	}
}

/*
 * Inserts a row as INSERT would.  The first natts of our columns are given, the
 * others and those of users get their defaults.  Row triggers fire, constraints
 * are checked, and indexes are updated.  Later commands of the transaction see
 * the row.  Statement triggers and rules are skipped: our tables have none for
 * INSERT.
 *
 * Privileges are not checked: the caller has checked them, and acts in an
 * owner section, because triggers and index expressions run as the current
 * user.  rel is open with RowExclusiveLock.  Raises what triggers and
 * constraints raise.
 *
 * Returns a copy of the row as the triggers left it; NULL if one of them returned
 * NULL, which none of ours does.
 */
HeapTuple
ak_insert_row(Relation rel, int natts, const Datum *values, const bool *nulls)
{
	EState *estate = CreateExecutorState();
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	ResultRelInfo *target = makeNode(ResultRelInfo);
	TupleTableSlot *slot = ExecInitExtraTupleSlot(estate, RelationGetDescr(rel), table_slot_callbacks(rel));
	HeapTuple row = NULL;

	fill_slot(slot, rel, natts, values, nulls, estate);
	ExecStoreVirtualTuple(slot);

	InitResultRelInfo(target, rel, 0, NULL, 0);
	/* triggers look for the relation in this list; our caller, who opened it, closes it */
	estate->es_opened_result_relations = lappend(estate->es_opened_result_relations, target);
	estate->es_output_cid = GetCurrentCommandId(true);
	ExecOpenIndices(target, false);

	AfterTriggerBeginQuery();
	ExecSimpleRelationInsert(target, estate, slot);
	AfterTriggerEndQuery(estate);

	MemoryContextSwitchTo(old);
	if (ItemPointerIsValid(&slot->tts_tid))
		row = ExecCopySlotHeapTuple(slot);
	ExecCloseIndices(target);
	ExecResetTupleTable(estate->es_tupleTable, false);
	FreeExecutorState(estate);
	CommandCounterIncrement();
	return row;
}
