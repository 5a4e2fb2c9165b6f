/*-------------------------------------------------------------------------
 *
 * logindex.c
 *	  The index for substring search of the audit log, where there is one.
 *
 * The extension does not make it, because it needs pg_trgm; whoever wants it
 * makes it on audit_text() (see the README).  A plain statement that uses it
 * would look at every entry that the index names before it gives the first.
 * Here the index is asked for the places of entries, of which only audit_id is
 * read; what they say is looked at when their turn comes, newest first, which
 * for a page is seldom far.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_operator.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/tidbitmap.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "catalog.h"
#include "compat.h"
#include "logindex.h"

/* Does the index answer LIKE on audit_text(), for all entries? */
static bool
answers_search(Relation index)
{
	List	   *expressions;
	Node	   *expression;
	Oid			function;
	char	   *name;

	if (!index->rd_index->indisvalid || !index->rd_indam->amgetbitmap ||
		IndexRelationGetNumberOfKeyAttributes(index) != 1 ||
		RelationGetIndexPredicate(index) != NIL)
		return false;
	expressions = RelationGetIndexExpressions(index);
	if (list_length(expressions) != 1)
		return false;
	expression = linitial(expressions);
	if (!IsA(expression, FuncExpr))
		return false;
	function = ((FuncExpr *) expression)->funcid;
	name = get_func_name(function);
	return name != NULL && strcmp(name, "audit_text") == 0 &&
		get_func_namespace(function) == get_namespace_oid("apikeys", true) &&
		get_op_opfamily_strategy(OID_TEXT_LIKE_OP, index->rd_opfamily[0]) != InvalidStrategy;
}

/* Opens the index for substring search; NULL if there is none. */
static Relation
open_search_index(Relation log)
{
	List	   *indexes = RelationGetIndexList(log);
	ListCell   *cell;
	Relation	found = NULL;

	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		if (found == NULL && answers_search(index))
			found = index;
		else
			index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return found;
}

/* What reading a bitmap of entries collects */
typedef struct AkCollect
{
	IndexFetchTableData *fetch;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	int64	   *ids;
	uint64		count;
	uint64		allocated;
} AkCollect;

/* Called for every place in the bitmap: notes the audit_id of the visible entry there. */
static void
collect(ItemPointer tid, void *arg)
{
	AkCollect  *c = arg;
	bool		again = false;
	bool		isnull;

	if (!table_index_fetch_tuple(c->fetch, tid, c->snapshot, c->slot, &again, NULL))
		return;
	if (c->count == c->allocated)
	{
		c->allocated *= 2;
		c->ids = repalloc_huge(c->ids, c->allocated * sizeof(int64));
	}
	c->ids[c->count++] = DatumGetInt64(slot_getattr(c->slot, Anum_audit_log_audit_id, &isnull));
}

static int
id_order(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/*
 * The audit_ids, ascending, of all visible entries whose audit_text() may be
 * like one of the patterns (the second may be NULL); palloc'd, their number in
 * *count.  Some of them are not: the caller must look.  Returns NULL when there
 * is no index to ask.
 */
int64 *
ak_ask_search_index(Relation log, Snapshot snapshot, const char *pattern, const char *other, uint64 *count)
{
	const char *patterns[2] = {pattern, other};
	Relation	index = open_search_index(log);
	TIDBitmap  *bitmap;
	AkCollect	c;

	if (index == NULL)
		return NULL;
	bitmap = tbm_create(work_mem * 1024L, NULL);
	for (int i = 0; i < 2 && patterns[i] != NULL; i++)
	{
		IndexScanDesc scan = index_beginscan_bitmap_compat(index, snapshot, 1);
		ScanKeyData key;

		ScanKeyEntryInitialize(&key, 0, 1, get_op_opfamily_strategy(OID_TEXT_LIKE_OP, index->rd_opfamily[0]),
							   TEXTOID, index->rd_indcollation[0], F_TEXTLIKE, CStringGetTextDatum(patterns[i]));
		index_rescan(scan, &key, 1, NULL, 0);
		index_getbitmap(scan, bitmap);
		index_endscan(scan);
	}
	index_close(index, AccessShareLock);

	c.fetch = table_index_fetch_begin_compat(log);
	c.snapshot = snapshot;
	c.slot = MakeSingleTupleTableSlot(RelationGetDescr(log), table_slot_callbacks(log));
	c.allocated = 1024;
	c.ids = palloc(c.allocated * sizeof(int64));
	c.count = 0;
	tbm_each_compat(bitmap, collect, &c);
	ExecDropSingleTupleTableSlot(c.slot);
	table_index_fetch_end(c.fetch);
	tbm_free(bitmap);

	/* nearly in order already, as the table is */
	qsort(c.ids, c.count, sizeof(int64), id_order);
	*count = c.count;
	return c.ids;
}
