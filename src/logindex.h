/*-------------------------------------------------------------------------
 *
 * logindex.h
 *	  The index for substring search of the audit log.  See logindex.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_LOGINDEX_H
#define AK_LOGINDEX_H

#include "utils/relcache.h"
#include "utils/snapshot.h"

extern int64 *ak_ask_search_index(Relation log, Snapshot snapshot, const char *pattern,
								  const char *other, uint64 *count);

#endif							/* AK_LOGINDEX_H */
