/*-------------------------------------------------------------------------
 *
 * indexscan.c
 *	  Read rows of one of our tables by an index, without SQL.
 *
 * For reads that must not depend on statistics, which may be missing or outdated,
 * and for many look-ups in a row.  Table privileges, row security and accesses are
 * not checked: the caller has done so.
 *
 * Locks: AccessShareLock on the table and the index, until the transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"

#include "core/compat.h"
#include "core/indexscan.h"

/*
 * Starts to read a table under a registered snapshot, by look-ups with nkeys keys
 * each.  The scan's memory is in the current context.  Raises what ak_table_open()
 * raises.
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
 * Reads the next row of a look-up into scan->slot; returns false if there is none.
 * What an index allocates for the scan is in the scan's context, since the caller
 * may reset its own for each row.
 */
bool
ak_index_next(AkIndexScan *scan, ScanDirection direction)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	bool found = index_getnext_slot(scan->scan, direction, scan->slot);

	MemoryContextSwitchTo(old);
	return found;
}

/* Ends the scan; its locks stay until the transaction ends. */
void
ak_index_end(AkIndexScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->table, NoLock);
}
