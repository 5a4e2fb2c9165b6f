/*-------------------------------------------------------------------------
 *
 * indexscan.c
 *	  Read rows of one of our tables by an index, without SQL.
 *
 * Where a plan must not depend on statistics, which may be missing or outdated,
 * or where a look-up is made for each row of something.  Table privileges, row
 * security and accesses are not checked: the caller has done so.
 *
 * The table and the index are locked in AccessShareLock until the end of the
 * transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"

#include "core/compat.h"
#include "core/indexscan.h"

/*
 * Starts to read a table with a registered snapshot.  Each look-up has nkeys
 * keys.  The scan's memory is in the current context.
 */
void
ak_index_begin(AkIndexScan *scan, AkRelation table, AkRelation index, Snapshot snapshot, int nkeys)
{
	scan->table = ak_table_open(table, AccessShareLock);
	scan->index = index_open(ak_relid(index), AccessShareLock);
	scan->slot = MakeSingleTupleTableSlot(RelationGetDescr(scan->table), table_slot_callbacks(scan->table));
	scan->scan = index_beginscan_compat(scan->table, scan->index, snapshot, nkeys);
	scan->context = CurrentMemoryContext;
}

/* Starts a look-up: ak_index_next() then finds the rows that match these keys. */
void
ak_index_seek(AkIndexScan *scan, ScanKey keys, int nkeys)
{
	index_rescan(scan->scan, keys, nkeys, NULL, 0);
}

/*
 * Reads the next row of a look-up into scan->slot; returns false if there is
 * none.  An index keeps memory of the context in which it is asked: that is the
 * scan's own, not one that the caller resets for each row.
 */
bool
ak_index_next(AkIndexScan *scan, ScanDirection direction)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	bool found = index_getnext_slot(scan->scan, direction, scan->slot);

	MemoryContextSwitchTo(old);
	return found;
}

void
ak_index_end(AkIndexScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->table, NoLock);
}
