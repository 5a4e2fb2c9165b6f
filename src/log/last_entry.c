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

#include "access/table.h"
#include "access/tableam.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "log/last_entry.h"

/* Starts to find last entries, with a registered snapshot. */
void
ak_last_begin(AkLastFinder *finder, Snapshot snapshot)
{
	finder->log = ak_table_open(AK_AUDIT_LOG, AccessShareLock);
	finder->by_key = index_open(ak_relid(AK_AUDIT_LOG_KEY_ID), AccessShareLock);
	finder->by_subject = index_open(ak_relid(AK_AUDIT_LOG_SUBJECT), AccessShareLock);
	finder->snapshot = snapshot;
	finder->slot = MakeSingleTupleTableSlot(RelationGetDescr(finder->log), table_slot_callbacks(finder->log));
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
find_last(AkLastFinder *finder, Relation index, RegProcedure equal, Datum value)
{
	IndexScanDesc scan = index_beginscan_compat(finder->log, index, finder->snapshot, 1);
	ScanKeyData key;
	int64 last = 0;
	bool isnull;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, equal, value);
	index_rescan(scan, &key, 1, NULL, 0);
	while (last == 0 && index_getnext_slot(scan, BackwardScanDirection, finder->slot))
		if (!changed_nothing(finder->slot))
			last = DatumGetInt64(slot_getattr(finder->slot, Anum_audit_log_audit_id, &isnull));
	ExecClearTuple(finder->slot);
	index_endscan(scan);
	return last;
}

/* Returns the last entry of a key (uuid); 0 if there is none. */
int64
ak_last_of_key(AkLastFinder *finder, Datum key_id)
{
	return find_last(finder, finder->by_key, F_UUID_EQ, key_id);
}

/*
 * Returns the last entry of a thing that is no key: of a subject (jsonb), or of
 * the grant_id in it; 0 if there is none.
 */
int64
ak_last_of_thing(AkLastFinder *finder, Datum thing)
{
	return find_last(finder, finder->by_subject, F_JSONB_EQ, thing);
}

void
ak_last_end(AkLastFinder *finder)
{
	ExecDropSingleTupleTableSlot(finder->slot);
	index_close(finder->by_subject, NoLock);
	index_close(finder->by_key, NoLock);
	table_close(finder->log, NoLock);
}
