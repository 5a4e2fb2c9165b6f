/*-------------------------------------------------------------------------
 *
 * last_entry.h
 *	  The last entry of a key or another thing.  See last_entry.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_LAST_ENTRY_H
#define AK_LAST_ENTRY_H

#include "core/indexscan.h"

/* Finds the last entries of things */
typedef struct AkLastFinder
{
	AkIndexScan by_key;
	AkIndexScan by_subject;
} AkLastFinder;

extern void ak_last_begin(AkLastFinder *finder, Snapshot snapshot);
extern int64 ak_last_of_key(AkLastFinder *finder, Datum key_id);
extern int64 ak_last_of_thing(AkLastFinder *finder, Datum thing);
extern void ak_last_end(AkLastFinder *finder);

#endif /* AK_LAST_ENTRY_H */
