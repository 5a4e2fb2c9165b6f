/*-------------------------------------------------------------------------
 *
 * logscan.c
 *	  Scan the entries of the audit log that pass a filter, newest first.
 *
 * Each column with a filter has an index that ends in audit_id, so the entries
 * of one value are a run in that index, already in the order of the result.
 * The union of the runs of one filter's values is a stream.  The result is the
 * intersection of the streams, found by leaping.  All streams move to the
 * highest audit_id not yet passed; the lowest position among them is the next
 * candidate; where they agree, there is an entry.  The cost depends on the
 * rarest filter, not on statistics, which a planner may lack, and which do not
 * know an actor who left last year.  The table itself is read only where all
 * streams agree.
 *
 * since and until become bounds of audit_id.  The log is only nearly in the
 * order of time: a transaction may read the clock later than one with a higher
 * number, and clocks are set back.  So the index on the time has one bucket per
 * 8192 audit_ids; finding the first or last time in a bucket is one probe.
 *
 * A substring is searched last, in the entries that pass all other filters,
 * newest first, until enough are found.
 *
 * The runs of a team, an actor or an action are of all workspaces.  A caller
 * who may see only some of them could find out, by the statistics of its own
 * transaction (pg_stat_xact_all_tables), by EXPLAIN (BUFFERS) or by the time,
 * whether others have such a team or actor.  For such a caller these filters
 * are checked row by row in the entries of its workspaces, at 0.2 us an entry.
 * The runs of a key_id stay, since nobody guesses one.
 *
 * The scan does not check the table's privileges: the caller has checked what
 * the user may see.  The only lock is AccessShareLock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "log/logscan.h"
#include "log/logtext.h"

/* Entries of a run to step over before a new descent of the index */
#define STEPS_BEFORE_LEAP 16

/* A filter with more values is checked row by row */
#define RUNS_MAX 64

/* A bucket of audit_log_time has 2^BUCKET_BITS audit_ids */
#define BUCKET_BITS 13

#define AT_END PG_INT64_MIN

/* The entries of one value, in an index whose last column is audit_id */
typedef struct AkRun
{
	IndexScanDesc scan;
	int equal; /* number of leading columns with a fixed value */
	ScanKeyData keys[3];
	bool started;  /* "current" is set */
	int64 current; /* audit_id of the current entry, or AT_END */
} AkRun;

/* The union of the runs of one filter */
typedef struct AkStream
{
	Relation index;
	AkRun *runs;
	int count;
} AkStream;

#define STREAMS_MAX 8

struct AkLogScan
{
	MemoryContext context;
	MemoryContext row_context; /* for the checks of one row */
	const AkLogFilter *filter;
	Snapshot snapshot;
	Relation log;
	TupleTableSlot *slot;
	AkStream streams[STREAMS_MAX]; /* the first one fetches the rows */
	int count;
	int64 next;   /* the highest audit_id not yet passed */
	int64 lowest; /* the lowest audit_id that can pass */
	bool check_workspace, check_team, check_action, check_actor, check_entity;
	AkNeedle *needle; /* NULL: no substring is searched */
};

/* Moves a run to its next entry. */
static void
run_step(AkRun *run)
{
	IndexScanDesc scan = run->scan;
	bool isnull;

	if (index_getnext_tid(scan, BackwardScanDirection) != NULL)
		run->current = DatumGetInt64(index_getattr(scan->xs_itup, run->equal + 1, scan->xs_itupdesc, &isnull));
	else
		run->current = AT_END;
}

/* Moves a run to its highest entry that is not above target. */
static void
run_seek(AkRun *run, int64 target)
{
	if (run->started)
	{
		for (int i = 0; run->current > target && i < STEPS_BEFORE_LEAP; i++)
			run_step(run);
		if (run->current <= target)
			return;
	}
	run->started = true;
	ScanKeyInit(&run->keys[run->equal], run->equal + 1, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(target));
	index_rescan(run->scan, run->keys, run->equal + 1, NULL, 0);
	run_step(run);
}

/* Returns the highest entry of a stream that is not above target, or AT_END. */
static int64
stream_seek(AkStream *stream, int64 target)
{
	int64 highest = AT_END;

	for (int i = 0; i < stream->count; i++)
	{
		run_seek(&stream->runs[i], target);
		highest = Max(highest, stream->runs[i].current);
	}
	return highest;
}

/* Adds a stream, with room for "count" runs, in that index. */
static AkStream *
add_stream(AkLogScan *scan, AkRelation index, int count)
{
	AkStream *stream = &scan->streams[scan->count++];

	Assert(scan->count <= STREAMS_MAX);
	stream->index = index_open(ak_relid(index), AccessShareLock);
	stream->runs = palloc0(count * sizeof(AkRun));
	stream->count = 0;
	return stream;
}

/* Adds a run to a stream: the entries with these values in the leading columns. */
static AkRun *
add_run(AkLogScan *scan, AkStream *stream, int equal, const Datum *values, Oid collation)
{
	AkRun *run = &stream->runs[stream->count++];

	run->equal = equal;
	for (int i = 0; i < equal; i++)
	{
		ScanKeyInit(&run->keys[i], i + 1, BTEqualStrategyNumber, OidIsValid(collation) ? F_TEXTEQ : F_UUID_EQ,
					values[i]);
		run->keys[i].sk_collation = collation;
	}
	run->scan = index_beginscan_compat(scan->log, stream->index, scan->snapshot, equal + 1);
	run->scan->xs_want_itup = true;
	return run;
}

/*
 * Adds a filter by texts as a stream.  Returns false if the filter must be checked
 * row by row: if it has many values, or the caller must not read the index.
 */
static bool
add_texts(AkLogScan *scan, const AkTexts *texts, AkRelation index)
{
	AkStream *stream;

	if (texts == NULL)
		return true;
	if (texts->count > RUNS_MAX || (scan->filter->apart && index != AK_AUDIT_LOG_WORKSPACE))
		return false;
	stream = add_stream(scan, index, texts->count);
	for (int i = 0; i < texts->count; i++)
	{
		Datum value = CStringGetTextDatum(texts->values[i]);

		add_run(scan, stream, 1, &value, stream->index->rd_indcollation[0]);
	}
	return true;
}

static int
text_order(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Sorts texts and removes duplicates. */
void
ak_make_set(AkTexts *texts)
{
	int kept = 0;

	qsort(texts->values, texts->count, sizeof(char *), text_order);
	for (int i = 0; i < texts->count; i++)
		if (i == 0 || strcmp(texts->values[i], texts->values[kept - 1]) != 0)
			texts->values[kept++] = texts->values[i];
	texts->count = kept;
}

static bool
texts_contain(const AkTexts *texts, const char *value)
{
	return bsearch(&value, texts->values, texts->count, sizeof(char *), text_order) != NULL;
}

/*
 * Finds the first (entity, action) in the index that matches the nkeys keys on
 * these columns; palloc'd.  Returns false if there is none.
 */
static bool
next_pair(AkLogScan *scan, Relation index, ScanKey keys, int nkeys, Datum *pair)
{
	IndexScanDesc probe = index_beginscan_compat(scan->log, index, scan->snapshot, nkeys);
	bool found;
	bool isnull;

	probe->xs_want_itup = true;
	index_rescan(probe, keys, nkeys, NULL, 0);
	found = index_getnext_tid(probe, ForwardScanDirection) != NULL;
	for (int i = 0; found && i < 2; i++)
		pair[i] = datumCopy(index_getattr(probe->xs_itup, i + 1, probe->xs_itupdesc, &isnull), false, -1);
	index_endscan(probe);
	return found;
}

/*
 * Adds the filters by entity and action, which share an index, as runs of the
 * pairs that pass.  The log has only few pairs.
 */
static void
add_entities(AkLogScan *scan)
{
	const AkLogFilter *filter = scan->filter;
	AkStream *stream;
	ScanKeyData keys[2];
	Datum pair[2];
	int nkeys = 0;

	if (filter->entities == NULL && filter->actions == NULL)
		return;
	if (filter->apart)
	{
		scan->check_entity = scan->check_action = true;
		return;
	}
	stream = add_stream(scan, AK_AUDIT_LOG_ENTITY, RUNS_MAX);
	while (stream->count < RUNS_MAX)
	{
		/* try the same entity and a later action, then a later entity */
		if (next_pair(scan, stream->index, keys, nkeys, pair))
		{
			if ((filter->entities == NULL || texts_contain(filter->entities, TextDatumGetCString(pair[0]))) &&
				(filter->actions == NULL || texts_contain(filter->actions, TextDatumGetCString(pair[1]))))
				add_run(scan, stream, 2, pair, C_COLLATION_OID);
			nkeys = 2;
			ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, pair[0]);
			ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_TEXT_GT, pair[1]);
		}
		else if (nkeys == 2)
		{
			nkeys = 1;
			ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_TEXT_GT, pair[0]);
		}
		else
			return;
	}

	/* only a forged log has this many pairs: check row by row */
	for (int i = 0; i < stream->count; i++)
		index_endscan(stream->runs[i].scan);
	index_close(stream->index, AccessShareLock);
	scan->count--;
	scan->check_entity = scan->check_action = true;
}

/*
 * Reads the first or last time of a bucket in audit_log_time: of the first or
 * last bucket that "strategy" allows, which is stored in *bucket.  Returns
 * false if there is none.
 */
static bool
bucket_probe(IndexScanDesc probe, StrategyNumber strategy, int64 *bucket, ScanDirection direction, TimestampTz *time)
{
	ScanKeyData key;
	bool isnull;

	ScanKeyInit(&key, 1, strategy,
				strategy == BTEqualStrategyNumber       ? F_INT8EQ
				: strategy == BTLessEqualStrategyNumber ? F_INT8LE
														: F_INT8GE,
				Int64GetDatum(*bucket));
	index_rescan(probe, &key, 1, NULL, 0);
	if (index_getnext_tid(probe, direction) == NULL)
		return false;
	*bucket = DatumGetInt64(index_getattr(probe->xs_itup, 1, probe->xs_itupdesc, &isnull));
	*time = DatumGetTimestampTz(index_getattr(probe->xs_itup, 2, probe->xs_itupdesc, &isnull));
	return true;
}

/* Narrows the scan's bounds to the buckets that may have entries between since and until. */
static void
bound_by_time(AkLogScan *scan)
{
	const AkLogFilter *filter = scan->filter;
	Relation index;
	IndexScanDesc probe;
	int64 bucket;
	TimestampTz time;

	if (!filter->has_since && !filter->has_until)
		return;
	index = index_open(ak_relid(AK_AUDIT_LOG_TIME), AccessShareLock);
	probe = index_beginscan_compat(scan->log, index, scan->snapshot, 1);
	probe->xs_want_itup = true;
	if (filter->has_until)
	{
		/* down to the last bucket that begins before "until" */
		bucket = scan->next >> BUCKET_BITS;
		for (;; bucket--)
		{
			CHECK_FOR_INTERRUPTS();
			if (!bucket_probe(probe, BTLessEqualStrategyNumber, &bucket, BackwardScanDirection, &time))
			{
				scan->next = AT_END;
				break;
			}
			if (bucket_probe(probe, BTEqualStrategyNumber, &bucket, ForwardScanDirection, &time) &&
				time < filter->until)
			{
				scan->next = Min(scan->next, (bucket << BUCKET_BITS) | ((INT64CONST(1) << BUCKET_BITS) - 1));
				break;
			}
		}
	}
	if (filter->has_since)
	{
		/* up to the first bucket that ends at or after "since" */
		bucket = PG_INT64_MIN >> BUCKET_BITS;
		for (;; bucket++)
		{
			CHECK_FOR_INTERRUPTS();
			if (!bucket_probe(probe, BTGreaterEqualStrategyNumber, &bucket, ForwardScanDirection, &time))
			{
				scan->next = AT_END;
				break;
			}
			if (bucket_probe(probe, BTEqualStrategyNumber, &bucket, BackwardScanDirection, &time) &&
				time >= filter->since)
			{
				scan->lowest = bucket << BUCKET_BITS;
				break;
			}
		}
	}
	index_endscan(probe);
	index_close(index, AccessShareLock);
}

/*
 * Starts a scan under a snapshot, which the caller keeps until the end.  The
 * filter must live as long as the scan.  All memory is allocated in, or below,
 * the current memory context, and belongs to the current resource owner.
 */
AkLogScan *
ak_log_begin(const AkLogFilter *filter, Snapshot snapshot)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "apikeys log scan", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	AkLogScan *scan = palloc0(sizeof(AkLogScan));

	scan->context = context;
	scan->row_context = AllocSetContextCreate(context, "apikeys log scan row", ALLOCSET_SMALL_SIZES);
	scan->filter = filter;
	scan->snapshot = snapshot;
	scan->log = ak_table_open(AK_AUDIT_LOG, AccessShareLock);
	scan->slot = MakeSingleTupleTableSlot(RelationGetDescr(scan->log), table_slot_callbacks(scan->log));
	scan->next = filter->before > 0 ? filter->before - 1 : PG_INT64_MAX;
	scan->lowest = AT_END + 1;
	if (filter->search != NULL)
		scan->needle = ak_needle(filter->search);

	bound_by_time(scan);
	if (filter->has_key_id)
	{
		Datum key_id = UUIDPGetDatum(&filter->key_id);

		add_run(scan, add_stream(scan, AK_AUDIT_LOG_KEY_ID, 1), 1, &key_id, InvalidOid);
	}
	scan->check_actor = !add_texts(scan, filter->actors, AK_AUDIT_LOG_ACTOR);
	scan->check_team = !add_texts(scan, filter->teams, AK_AUDIT_LOG_TEAM);
	scan->check_workspace = !add_texts(scan, filter->workspaces, AK_AUDIT_LOG_WORKSPACE);
	add_entities(scan);
	if (scan->count == 0)
		add_run(scan, add_stream(scan, AK_AUDIT_LOG_PKEY, 1), 0, NULL, InvalidOid);
	MemoryContextSwitchTo(old);
	return scan;
}

/* Ends a scan and releases its resources. */
void
ak_log_end(AkLogScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	for (int i = 0; i < scan->count; i++)
	{
		for (int j = 0; j < scan->streams[i].count; j++)
			index_endscan(scan->streams[i].runs[j].scan);
		index_close(scan->streams[i].index, AccessShareLock);
	}
	table_close(scan->log, AccessShareLock);
	MemoryContextDelete(scan->context);
}

/* Returns true if a text column has one of these values. */
static bool
column_in(TupleTableSlot *slot, AttrNumber column, const AkTexts *texts)
{
	return !slot->tts_isnull[column - 1] && texts_contain(texts, TextDatumGetCString(slot->tts_values[column - 1]));
}

/* Checks a row against the filters that are not streams. */
static bool
row_passes(AkLogScan *scan)
{
	const AkLogFilter *filter = scan->filter;
	TupleTableSlot *slot = scan->slot;

	slot_getallattrs(slot);
	if (filter->has_since || filter->has_until)
	{
		TimestampTz time = DatumGetTimestampTz(slot->tts_values[Anum_audit_log_time - 1]);

		if ((filter->has_since && time < filter->since) || (filter->has_until && time >= filter->until))
			return false;
	}
	if ((scan->check_workspace && !column_in(slot, Anum_audit_log_workspace, filter->workspaces)) ||
		(scan->check_team && !column_in(slot, Anum_audit_log_team, filter->teams)) ||
		(scan->check_actor && !column_in(slot, Anum_audit_log_actor, filter->actors)) ||
		(scan->check_action && filter->actions && !column_in(slot, Anum_audit_log_action, filter->actions)) ||
		(scan->check_entity && filter->entities && !column_in(slot, Anum_audit_log_entity, filter->entities)))
		return false;
	return scan->needle == NULL || ak_needle_found(scan->needle, slot->tts_values, slot->tts_isnull);
}

/* Fetches the entry that all streams agree on.  Returns false if it is not visible. */
static bool
fetch_entry(AkLogScan *scan, int64 audit_id)
{
	AkStream *stream = &scan->streams[0];

	/* an index may have several versions of one audit_id, of which one is visible */
	for (int i = 0; i < stream->count; i++)
	{
		AkRun *run = &stream->runs[i];

		for (; run->current == audit_id; run_step(run))
			if (index_fetch_heap(run->scan, scan->slot))
				return true;
	}
	return false;
}

/*
 * Returns the next entry, newest first, or NULL at the end.  The slot and its
 * contents are valid until the next call.
 */
TupleTableSlot *
ak_log_next(AkLogScan *scan)
{
	/* index scans allocate memory in the current context */
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	TupleTableSlot *result = NULL;

	while (result == NULL && scan->next >= scan->lowest)
	{
		int64 target = scan->next;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0, agreed = 0; agreed < scan->count && target >= scan->lowest; i = (i + 1) % scan->count)
		{
			int64 position = stream_seek(&scan->streams[i], target);

			if (position < target)
			{
				target = position;
				agreed = 0;
			}
			agreed++;
		}
		if (target < scan->lowest)
		{
			scan->next = AT_END;
			break;
		}
		scan->next = target - 1;
		if (!fetch_entry(scan, target))
			continue;

		MemoryContextSwitchTo(scan->row_context);
		if (row_passes(scan))
			result = scan->slot;
		MemoryContextSwitchTo(scan->context);
		MemoryContextReset(scan->row_context);
	}
	MemoryContextSwitchTo(old);
	return result;
}
