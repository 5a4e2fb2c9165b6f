/*-------------------------------------------------------------------------
 *
 * logindex.h
 *	  Entries of the audit log with a text in them, by an index.  See logindex.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_LOGINDEX_H
#define AK_LOGINDEX_H

#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "logtext.h"

typedef struct AkTextSearch AkTextSearch;

extern AkTextSearch *ak_text_begin(Relation log, Snapshot snapshot, AkNeedle *needle, bool all);
extern int64 ak_text_seek(AkTextSearch *search, int64 target, int64 lowest);
extern void ak_text_looked(AkTextSearch *search, bool found);
extern void ak_text_end(AkTextSearch *search);

#endif							/* AK_LOGINDEX_H */
