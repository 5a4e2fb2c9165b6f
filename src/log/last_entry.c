/*-------------------------------------------------------------------------
 *
 * last_entry.c
 *	  The last entry of a key or another thing, by one look at an index.
 *
 * No SQL: with statistics that are missing or outdated, the planner looks for a
 * later entry in the primary key, among all entries.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "utils/fmgroids.h"

#include "core/catalog.h"
#include "core/indexscan.h"
#include "log/last_entry.h"

/* Starts to find last entries, with a registered snapshot. */
void
ak_last_begin(AkLastFinder *finder, Snapshot snapshot)
{
	ak_index_begin(&finder->by_key, AK_AUDIT_LOG, AK_AUDIT_LOG_KEY_ID, snapshot, 1);
	ak_index_begin(&finder->by_subject, AK_AUDIT_LOG, AK_AUDIT_LOG_SUBJECT, snapshot, 1);
}

/* Tells whether the entry in the slot tells of a key without having changed it: a report of a leak. */
static bool
changed_nothing(TupleTableSlot *slot)
{
	bool isnull;
	text *action;

	(void) slot_getattr(slot, Anum_audit_log_row_digest, &isnull);
	if (!isnull)
		return false;
	(void) slot_getattr(slot, Anum_audit_log_key_id, &isnull);
	if (isnull)
		return false;
	action = DatumGetTextPP(slot_getattr(slot, Anum_audit_log_action, &isnull));
	return VARSIZE_ANY_EXHDR(action) == 6 && memcmp(VARDATA_ANY(action), "Update", 6) == 0;
}

/*
 * Returns the greatest audit_id of an index's entries with that first column
 * that changed something; 0 if there are none.
 */
static int64
find_last(AkIndexScan *scan, RegProcedure equal, Datum value)
{
	ScanKeyData key;
	int64 last = 0;
	bool isnull;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, equal, value);
	ak_index_seek(scan, &key, 1);
	while (last == 0 && ak_index_next(scan, BackwardScanDirection))
		if (!changed_nothing(scan->slot))
			last = DatumGetInt64(slot_getattr(scan->slot, Anum_audit_log_audit_id, &isnull));
	return last;
}

/* Returns the last entry of a key (uuid); 0 if there is none. */
int64
ak_last_of_key(AkLastFinder *finder, Datum key_id)
{
	return find_last(&finder->by_key, F_UUID_EQ, key_id);
}

/*
 * Returns the last entry of a thing that is no key: of a subject (jsonb), or of
 * the grant_id in it; 0 if there is none.
 */
int64
ak_last_of_thing(AkLastFinder *finder, Datum thing)
{
	return find_last(&finder->by_subject, F_JSONB_EQ, thing);
}

/* Ends the scans. */
void
ak_last_end(AkLastFinder *finder)
{
	ak_index_end(&finder->by_subject);
	ak_index_end(&finder->by_key);
}
