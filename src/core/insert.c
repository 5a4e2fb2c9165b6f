/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  Insert a row into one of our tables without a plan.
 *
 * To set up an INSERT for every row, and to take it down again, costs about as
 * much as to write the row.  A logical replication worker, which has rows and
 * no statements, too, shows what is left to do without one.
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

#include "core/insert.h"

/*
 * Gives the columns behind the first natts their defaults; generated ones are
 * computed later.
 */
static void
fill_defaults(TupleTableSlot *slot, Relation rel, int natts, EState *estate)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = natts; i < desc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		Expr	   *value;

		slot->tts_values[i] = (Datum) 0;
		slot->tts_isnull[i] = true;
		if (attr->attisdropped || attr->attgenerated)
			continue;
		value = (Expr *) build_column_default(rel, i + 1);
		if (value != NULL)
			slot->tts_values[i] = ExecEvalExpr(ExecPrepareExpr(value, estate),
											   GetPerTupleExprContext(estate), &slot->tts_isnull[i]);
	}
}

/*
 * Inserts a row, of which the first natts columns are given, as INSERT would:
 * the others have their defaults, row triggers fire, and constraints and
 * indexes are kept.  What later commands of the transaction
 * see includes it.  Statement triggers and rules, which our tables have none
 * of for INSERT, are passed by.
 *
 * Privileges are not checked: the caller has done so, and acts as the owner,
 * for the sake of what triggers and indexes call (ak_become_owner).  rel is
 * open with RowExclusiveLock.  Raises what triggers and constraints raise.
 *
 * Returns a copy of the row as triggers made it; NULL when one of them kept it
 * out, which none of ours does.
 */
HeapTuple
ak_insert_row(Relation rel, int natts, const Datum *values, const bool *nulls)
{
	EState	   *estate = CreateExecutorState();
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	ResultRelInfo *target = makeNode(ResultRelInfo);
	TupleTableSlot *slot = ExecInitExtraTupleSlot(estate, RelationGetDescr(rel), table_slot_callbacks(rel));
	HeapTuple	row = NULL;

	memcpy(slot->tts_values, values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, nulls, natts * sizeof(bool));
	fill_defaults(slot, rel, natts, estate);
	ExecStoreVirtualTuple(slot);

	InitResultRelInfo(target, rel, 0, NULL, 0);
	/* where the triggers look for it; not to be closed with the others, since we did not open it */
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
