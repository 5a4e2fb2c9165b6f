/*-------------------------------------------------------------------------
 *
 * logscan.h
 *	  Entries of the audit log that pass a filter, newest first.  See logscan.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_LOGSCAN_H
#define AK_LOGSCAN_H

#include "executor/tuptable.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* The values that a column may have; sorted, without duplicates */
typedef struct AkTexts
{
	int count;
	char **values;
} AkTexts;

/* A filter of entries; a field that is NULL or not set passes all */
typedef struct AkLogFilter
{
	AkTexts *workspaces; /* NULL: all, also entries without a workspace */
	bool apart;          /* the caller may not see other workspaces: read nothing of theirs */
	AkTexts *teams;
	AkTexts *actions;
	AkTexts *actors;
	AkTexts *entities;
	bool has_since, has_until, has_key_id;
	TimestampTz since; /* inclusive */
	TimestampTz until; /* exclusive */
	pg_uuid_t key_id;
	char *search; /* substring of a shown column, in any case */
	int64 before; /* only entries with a smaller audit_id; 0: all */
} AkLogFilter;

typedef struct AkLogScan AkLogScan;

extern void ak_make_set(AkTexts *texts);
extern AkLogScan *ak_log_begin(const AkLogFilter *filter, Snapshot snapshot);
extern TupleTableSlot *ak_log_next(AkLogScan *scan);
extern void ak_log_end(AkLogScan *scan);

#endif /* AK_LOGSCAN_H */
