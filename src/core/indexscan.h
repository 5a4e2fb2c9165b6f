/*-------------------------------------------------------------------------
 *
 * indexscan.h
 *	  Read rows of one of our tables by an index, without SQL.  See indexscan.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_INDEXSCAN_H
#define AK_INDEXSCAN_H

#include "access/genam.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "core/catalog.h"

typedef struct AkIndexScan
{
	Relation table;
	Relation index;
	IndexScanDesc scan;
	TupleTableSlot *slot;  /* the row that was found */
	MemoryContext context; /* of the scan */
} AkIndexScan;

extern void ak_index_begin(AkIndexScan *scan, AkRelation table, AkRelation index, Snapshot snapshot, int nkeys);
extern void ak_index_seek(AkIndexScan *scan, ScanKey keys, int nkeys);
extern bool ak_index_next(AkIndexScan *scan, ScanDirection direction);
extern void ak_index_end(AkIndexScan *scan);

#endif /* AK_INDEXSCAN_H */
