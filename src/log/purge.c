/*-------------------------------------------------------------------------
 *
 * purge.c
 *	  Retention: purge_audit_logs(), and the worker's job that keeps
 *	  apikeys.audit_retention.
 *
 * A purge removes the entries of one workspace that are older than a given
 * time, except the last entry of every thing that exists: of a key, unless an
 * entry says that it was dropped; of a workspace, API, team member or access,
 * unless that entry removes it.  So what there is can still be compared with its
 * entry (verify_rows.c), and what was deleted behind the log's back is missed.
 * What is not in the tree yet stays.
 *
 * Of the purged entries the tree keeps the roots of whole subtrees
 * (subtrees.c): the root of the tree can still be computed, and so can that of
 * every checkpoint.  Such a subtree could also hide an entry that was deleted
 * otherwise.  So the entry that records the purge has the number of leaves up to
 * the last purged one, and a hash over the leaves that were kept before it
 * (kept.c).
 *
 * A tree is read once, in batches, and each of its entries is looked up by
 * index.  So a purge takes time in proportion to the entries, whatever the
 * number of keys.  purge_audit_logs() is one transaction and writes one entry
 * that records it; the worker does so for every few batches.
 *
 * The sequencer only appends to a tree, and reads nodes that a purge leaves: they
 * do not wait for each other.  Purges of one workspace run one at a time, under a
 * lock held until the end of the transaction; the worker skips a workspace that
 * is being purged.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/entry.h"
#include "core/args.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/lock.h"
#include "core/query.h"
#include "core/subscriber.h"
#include "log/await.h"
#include "log/kept.h"
#include "log/last_entry.h"
#include "log/purge.h"
#include "log/subtrees.h"
#include "log/tree.h"

PG_FUNCTION_INFO_V1(ak_purge_audit_logs);

/* Rows of a tree to read in one batch */
#define PURGE_BATCH 4096

/* Batches in one transaction of the worker: some tenths of a second */
#define RETENTION_BATCHES 5

/* The progress of purging a log */
typedef struct AkPurge
{
	const char *workspace; /* '' for entries without a workspace */
	TimestampTz older_than;
	HTAB *dropped;  /* keys that an entry says were dropped; NULL: not read yet */
	int64 position; /* the last one read; -1: none */
	bool done;      /* the end of the tree was reached */
	int64 purge_id; /* audit_id of the entry that records the purge; 0: nothing removed yet */
	int64 entries;  /* number of entries removed */
	bool any_old;   /* an entry was old enough, removed or kept */
} AkPurge;

/* Starts the purge of a log, from its first leaf. */
static AkPurge
purge_of(const char *workspace)
{
	return (AkPurge){.workspace = workspace, .position = -1};
}

/* Reads which keys of the workspace an entry says were dropped.  SPI is connected, as the owner. */
static void
read_dropped(AkPurge *purge, MemoryContext context)
{
	static AkQuery query = {
		"SELECT (d ->> 'key_id')::uuid FROM apikeys.audit_log a, jsonb_array_elements(CASE WHEN jsonb_typeof(a.changes -> "
		"'evicted') = 'array' THEN a.changes -> 'evicted' ELSE '[]' END) AS d WHERE a.workspace = $1 AND a.changes ? 'evicted' "
		"AND (d ->> 'key_id') ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'",
		1,
		{TEXTOID},
		NULL};
	HASHCTL ctl = {.keysize = UUID_LEN, .entrysize = UUID_LEN, .hcxt = context};
	Datum args[1] = {CStringGetTextDatum(purge->workspace)};

	purge->dropped = hash_create("apikeys dropped keys", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;

		hash_search(purge->dropped, DatumGetUUIDP(ak_query_result(i, 1, &isnull)), HASH_ENTER, NULL);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Reads the sizes of checkpoints among these positions.  SPI is connected, as the owner. */
static int64 *
read_sizes(const AkPurge *purge, int64 first, int64 last, int *count)
{
	static AkQuery query = {
		"SELECT size FROM apikeys.audit_size WHERE workspace = $1 AND size BETWEEN $2 AND $3 ORDER BY size",
		3,
		{TEXTOID, INT8OID, INT8OID},
		NULL};
	Datum args[3] = {CStringGetTextDatum(purge->workspace), Int64GetDatum(first), Int64GetDatum(last + 1)};
	int64 *sizes;

	ak_query(&query, args, NULL, AK_SEE_LATEST);
	*count = (int) SPI_processed;
	sizes = palloc(Max(*count, 1) * sizeof(int64));
	for (int i = 0; i < *count; i++)
	{
		bool isnull;

		sizes[i] = DatumGetInt64(ak_query_result(i, 1, &isnull));
	}
	SPI_freetuptable(SPI_tuptable);
	return sizes;
}

/* Removes entries, and changes the rows of the tree.  SPI is connected, as the owner. */
static void
write_batch(const AkPurge *purge, Datum *gone, int gone_count, const AkSubtrees *subtrees)
{
	/* no joins with unnest(): the planner may take the few rows of old statistics first, and compare each with all of them */
	static AkQuery delete_entries = {"DELETE FROM apikeys.audit_log WHERE audit_id = ANY ($1)",
									 1,
									 {INT8ARRAYOID},
									 NULL};
	static AkQuery delete_rows = {"DELETE FROM apikeys.audit_tree WHERE workspace = $1 AND position = ANY ($2)",
								  2,
								  {TEXTOID, INT8ARRAYOID},
								  NULL};
	static AkQuery change_rows = {
		"UPDATE apikeys.audit_tree SET audit_id = NULL, level = ($3)[array_position($2, position)], "
		"hashes = substring(hashes FROM ((($3)[array_position($2, position)] - level) * 32 + 1)::integer) "
		"WHERE workspace = $1 AND position = ANY ($2)",
		3,
		{TEXTOID, INT8ARRAYOID, INT8ARRAYOID},
		NULL};
	Datum *positions = palloc(Max(subtrees->change_count, 1) * sizeof(Datum));
	Datum *levels = palloc(Max(subtrees->change_count, 1) * sizeof(Datum));
	Datum args[3];
	int count = 0;

	args[0] = ak_array(gone, gone_count, INT8OID);
	ak_write_rows(AK_TO_LOG, &delete_entries, args, NULL, AK_SEE_LATEST, gone_count, "apikeys.audit_log", "deletion");

	args[0] = CStringGetTextDatum(purge->workspace);
	for (int i = 0; i < subtrees->change_count; i++)
		if (subtrees->changes[i].level < 0)
			positions[count++] = Int64GetDatum(subtrees->changes[i].position);
	args[1] = ak_array(positions, count, INT8OID);
	ak_write_rows(AK_TO_LOG, &delete_rows, args, NULL, AK_SEE_LATEST, count, "apikeys.audit_tree", "deletion");

	count = 0;
	for (int i = 0; i < subtrees->change_count; i++)
		if (subtrees->changes[i].level >= 0)
		{
			positions[count] = Int64GetDatum(subtrees->changes[i].position);
			levels[count++] = Int64GetDatum(subtrees->changes[i].level);
		}
	args[1] = ak_array(positions, count, INT8OID);
	args[2] = ak_array(levels, count, INT8OID);
	ak_write_rows(AK_TO_LOG, &change_rows, args, NULL, AK_SEE_LATEST, count, "apikeys.audit_tree", "change");
}

/* What a batch reads of each row of the tree */
enum
{
	BATCH_POSITION = 1,
	BATCH_LEVEL,
	BATCH_AUDIT_ID,
	BATCH_OLD,
	BATCH_KEY_ID,
	BATCH_THING, /* of an entry about no key: what ak_last_of_thing() takes */
	BATCH_ENDS,  /* it removes what it tells of, or that has no row */
	BATCH_NEEDED /* it records the dropping of keys that newer entries tell of */
};

/*
 * Returns true if an old entry goes, the n-th row of a batch: a later entry
 * tells of the same thing, or it is the last and removes the thing, or tells of
 * a key that was dropped, or of a leak that changed nothing.
 */
static bool
entry_goes(const AkPurge *purge, SPITupleTable *found, int n, AkLastFinder *finder)
{
	HeapTuple row = found->vals[n];
	bool isnull;
	int64 audit_id = DatumGetInt64(SPI_getbinval(row, found->tupdesc, BATCH_AUDIT_ID, &isnull));
	Datum key_id;

	if (DatumGetBool(SPI_getbinval(row, found->tupdesc, BATCH_NEEDED, &isnull)))
		return false;
	if (DatumGetBool(SPI_getbinval(row, found->tupdesc, BATCH_ENDS, &isnull)))
		return true;
	key_id = SPI_getbinval(row, found->tupdesc, BATCH_KEY_ID, &isnull);
	if (!isnull)
		/* not greater than: the last one that changed the key may be before a report of a leak */
		return ak_last_of_key(finder, key_id) != audit_id ||
			   hash_search(purge->dropped, DatumGetUUIDP(key_id), HASH_FIND, NULL) != NULL;
	return ak_last_of_thing(finder, SPI_getbinval(row, found->tupdesc, BATCH_THING, &isnull)) > audit_id;
}

/* Decides about each row of a batch; returns how many entries go. */
static int
decide_batch(AkPurge *purge, SPITupleTable *found, int rows, AkSubtrees *subtrees, Datum *gone)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	AkLastFinder finder;
	int count = 0;

	ak_last_begin(&finder, snapshot);
	for (int i = 0; i < rows; i++)
	{
		HeapTuple row = found->vals[i];
		bool isnull;
		int64 position = DatumGetInt64(SPI_getbinval(row, found->tupdesc, BATCH_POSITION, &isnull));
		int level = DatumGetInt16(SPI_getbinval(row, found->tupdesc, BATCH_LEVEL, &isnull));
		bool old = DatumGetBool(SPI_getbinval(row, found->tupdesc, BATCH_OLD, &isnull));
		bool goes = old && entry_goes(purge, found, i, &finder);
		int64 audit_id = DatumGetInt64(SPI_getbinval(row, found->tupdesc, BATCH_AUDIT_ID, &isnull));

		purge->any_old |= old;
		if (goes)
			gone[count++] = Int64GetDatum(audit_id);
		if (goes || isnull)
			ak_subtrees_add(subtrees, position, level, goes);
		else
			ak_subtrees_close(subtrees);
	}
	ak_subtrees_close(subtrees);
	ak_last_end(&finder);
	UnregisterSnapshot(snapshot);
	return count;
}

/* Loads the subtrees that end where a batch begins; returns the position of the first. */
static int64
load_subtrees(const AkPurge *purge, AkSubtrees *subtrees)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	AkTreeReader reader;

	ak_tree_begin(&reader, purge->workspace, snapshot);
	ak_subtrees_load(subtrees, &reader, purge->position + 1);
	ak_tree_end(&reader);
	UnregisterSnapshot(snapshot);
	return subtrees->count > 0 ? subtrees->open[0].position : purge->position;
}

/*
 * Reads the next rows of the tree, removes the entries that go, and joins their
 * rows to subtrees.  SPI is connected, as the owner, after
 * ak_begin_index_plans().
 *
 * An entry that removes the workspace that the extension came with stays: the
 * workspace would be missed.
 */
static void
purge_batch(AkPurge *purge)
{
	/* OFFSET 0: one index look-up per row, never a join of whole tables */
	static AkQuery find = {
		"SELECT b.position, b.level, b.audit_id, COALESCE(e.old, false), e.key_id, e.thing, COALESCE(e.ends, false), "
		"COALESCE(e.needed, false) "
		"FROM (SELECT t.position, t.level, t.audit_id FROM apikeys.audit_tree t WHERE t.workspace = $1 AND t.position > $2 "
		"ORDER BY t.position LIMIT $4) AS b "
		"LEFT JOIN LATERAL (SELECT a.\"time\" < $3 AS old, a.key_id, "
		"CASE WHEN a.key_id IS NULL THEN COALESCE(a.subject -> 'grant_id', a.subject) END AS thing, "
		"a.key_id IS NULL AND a.row_digest IS NULL AND a.subject <> '{\"workspace\": \"default\"}' AS ends, "
		"a.\"time\" < $3 AND a.changes ? 'evicted' AND EXISTS (SELECT 1 FROM jsonb_array_elements(CASE WHEN "
		"jsonb_typeof(a.changes -> 'evicted') = 'array' THEN a.changes -> 'evicted' ELSE '[]' END) AS d, apikeys.audit_log o "
		"WHERE o.key_id = CASE WHEN (d ->> 'key_id') ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' "
		"THEN (d ->> 'key_id')::uuid END AND o.\"time\" >= $3) AS needed "
		"FROM apikeys.audit_log a WHERE a.audit_id = b.audit_id AND COALESCE(a.workspace, '') = $1 OFFSET 0) AS e ON true "
		"ORDER BY b.position",
		4,
		{TEXTOID, INT8OID, TIMESTAMPTZOID, INT8OID},
		NULL};
	Datum args[4] = {CStringGetTextDatum(purge->workspace), Int64GetDatum(purge->position),
					 TimestampTzGetDatum(purge->older_than), Int64GetDatum(PURGE_BATCH)};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "apikeys purge", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SPITupleTable *found;
	int rows;

	ak_query(&find, args, NULL, AK_SEE_LATEST);
	found = SPI_tuptable;
	rows = (int) SPI_processed;
	purge->done = rows < PURGE_BATCH;
	if (rows > 0)
	{
		AkSubtrees *subtrees = palloc0(sizeof(AkSubtrees));
		Datum *gone = palloc(rows * sizeof(Datum));
		int64 first = load_subtrees(purge, subtrees);
		int count;
		bool isnull;

		purge->position = DatumGetInt64(SPI_getbinval(found->vals[rows - 1], found->tupdesc, BATCH_POSITION, &isnull));
		/* after the rows: no leaf behind a size comes before the size is committed */
		subtrees->sizes = read_sizes(purge, first, purge->position, &subtrees->size_count);
		subtrees->changes = palloc((rows + AK_MERKLE_LEVELS + 1) * 2 * sizeof(AkTreeChange));
		count = decide_batch(purge, found, rows, subtrees, gone);
		if (count > 0 && purge->purge_id == 0)
			purge->purge_id = nextval_internal(ak_relid(AK_AUDIT_ID_SEQ), false);
		purge->entries += count;
		if (subtrees->change_count > 0)
			write_batch(purge, gone, count, subtrees);
	}
	SPI_freetuptable(found);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Returns the number of leaves up to the last purged one, and the hash over those kept before it. */
static int64
purged_through(const char *workspace, AkKept *kept)
{
	static AkQuery query = {"SELECT COALESCE(max(position) + 1, 0) FROM apikeys.audit_tree WHERE workspace = $1 "
							"AND audit_id IS NULL",
							1,
							{TEXTOID},
							NULL};
	Datum args[1] = {CStringGetTextDatum(workspace)};
	Snapshot snapshot;
	AkTreeReader reader;
	AkTreeRow row;
	int64 through;
	bool isnull;
	bool found;

	ak_query(&query, args, NULL, AK_SEE_LATEST);
	through = DatumGetInt64(ak_query_result(0, 1, &isnull));
	memset(kept, 0, sizeof(AkKept));
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ak_tree_begin(&reader, workspace, snapshot);
	for (found = ak_tree_first(&reader, 0, &row); found && row.position < through; found = ak_tree_next(&reader, &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (row.audit_id != 0)
			ak_kept_add(kept, row.position, row.hashes[0]);
	}
	ak_tree_end(&reader);
	UnregisterSnapshot(snapshot);
	return through;
}

/* Appends the workspace as JSON; null for none. */
static void
append_workspace(StringInfo json, const char *workspace)
{
	if (workspace == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, workspace);
}

/* Writes the entry that records a purge. */
static void
write_purge_entry(const AkPurge *purge)
{
	AkKept kept;
	char hex[2 * AK_HASH_LEN + 1];
	char time[MAXDATELEN + 1];
	int utc = 0;
	int64 through = purged_through(purge->workspace, &kept);
	AkEntry entry = {0};
	StringInfoData subject;

	hex[hex_encode((const char *) kept.hash, AK_HASH_LEN, hex)] = '\0';
	JsonEncodeDateTime(time, TimestampTzGetDatum(purge->older_than), TIMESTAMPTZOID, &utc);
	entry.audit_id = purge->purge_id;
	entry.workspace = purge->workspace[0] != '\0' ? purge->workspace : NULL;
	entry.entity = "Audit Logs";
	entry.action = "Delete";
	entry.activity = psprintf("Purged " INT64_FORMAT " %s from before %s", purge->entries,
							  purge->entries == 1 ? "entry" : "entries", time);
	initStringInfo(&subject);
	appendStringInfo(&subject, "{\"older_than\": \"%s\", \"workspace\": ", time);
	append_workspace(&subject, entry.workspace);
	appendStringInfoChar(&subject, '}');
	entry.subject = subject.data;
	entry.changes = psprintf("{\"older_than\": \"%s\", \"entries\": " INT64_FORMAT ", \"through\": " INT64_FORMAT
							 ", \"kept\": " INT64_FORMAT ", \"kept_sha256\": \"%s\"}",
							 time, purge->entries, through, kept.count, hex);
	ak_write_entry(&entry);
}

/*
 * Continues the purge of a log for at most that number of batches, and writes
 * the entry that records it, if entries were removed.  The caller has checked
 * the user's rights and locked the purges of this log; SPI is connected, as the
 * owner.
 */
static void
purge_log(AkPurge *purge, int batches, MemoryContext context)
{
	int nest_level = ak_begin_index_plans();

	if (purge->dropped == NULL)
		read_dropped(purge, context);
	for (int i = 0; i < batches && !purge->done; i++)
	{
		purge_batch(purge);
		ak_job_go_on();
	}
	if (purge->entries > 0)
		write_purge_entry(purge);
	AtEOXact_GUC(true, nest_level);
}

/*
 * purge_audit_logs(older_than timestamptz, workspace text) -> bigint
 *
 * Returns the number of entries removed.  The workspace may be NULL only if
 * apikeys.workspace is set; '' purges the entries without a workspace.  Raises
 * 22004, 22023 for a time in the future, 42704, and 42501 without "admin" in
 * the workspace.  Waits for other purges of this workspace.  The transaction
 * cannot be prepared.
 */
Datum
ak_purge_audit_logs(PG_FUNCTION_ARGS)
{
	const char *workspace = PG_ARGISNULL(1) ? ak_bound_workspace() : text_to_cstring(PG_GETARG_TEXT_PP(1));
	AkPurge purge;
	AkCaller caller;

	ak_require_anywhere(AK_ADMIN);
	ak_need_argument(fcinfo, 0, "older_than");
	if (workspace == NULL)
		ak_need_argument(fcinfo, 1, "workspace");
	purge = purge_of(workspace);
	purge.older_than = PG_GETARG_TIMESTAMPTZ(0);
	if (purge.older_than > GetCurrentTimestamp())
		ak_bad_argument(
			"older_than", errmsg("older_than must not be in the future"),
			errhint("For what is older than a year: pg_catalog.now() OPERATOR(pg_catalog.-) interval '1 year'."));
	ak_check_workspace_argument(workspace);
	if (workspace[0] == '\0')
		ak_require(AK_ADMIN, NULL);
	else
		ak_require_workspace(AK_ADMIN, workspace);

	ak_refuse_read_only(fcinfo);
	/* what is not in the tree yet would stay */
	UnregisterSnapshot(ak_await_entries(false));
	ak_refuse_prepare("purge_audit_logs");
	ak_lock_object(AK_AUDIT_SIZE, workspace, ExclusiveLock);
	ak_owner_begin(&caller, AK_TO_LOG);
	SPI_connect();
	purge_log(&purge, INT_MAX, CurrentMemoryContext);
	SPI_finish();
	ak_owner_end(&caller);
	PG_RETURN_INT64(purge.entries);
}

/* Returns the next workspace after this one that has a tree, or NULL. */
static char *
next_log(const char *after)
{
	static AkQuery query = {"SELECT min(workspace) FROM apikeys.audit_tree WHERE workspace > $1", 1, {TEXTOID}, NULL};
	Datum args[1] = {CStringGetTextDatum(after)};
	int nest_level = ak_begin_index_plans();

	ak_query(&query, args, NULL, AK_SEE_LATEST);
	AtEOXact_GUC(true, nest_level);
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/*
 * The worker's job "audit retention": purges what is older than
 * apikeys.audit_retention, log by log.  The transactions are short, so that
 * other sessions, also commands that wait for the database, do not wait long.
 *
 * If a transaction found no old entry, the rest of the log is newer and is
 * not read.  An entry of a long transaction, which follows younger ones in the
 * tree, is removed when these are old enough.
 */
AkJobNext
ak_purge_job(void)
{
	MemoryContext context = CurrentMemoryContext;
	AkPurge purge = purge_of(""); /* the first log of all, whether it exists or not */

	while (ak_guc_audit_retention > 0 && purge.workspace != NULL && !ak_worker_must_stop())
	{
		if (!ak_job_begin())
			break;
		/* a subscriber's log is purged on the publisher */
		if (ak_is_subscriber())
			purge.workspace = NULL;
		else
		{
			purge.older_than = GetCurrentTimestamp() - ak_guc_audit_retention * USECS_PER_MINUTE;
			purge.purge_id = purge.entries = 0;
			purge.any_old = false;
			/* a workspace that is being purged waits for the next run */
			if (ak_try_lock_object(AK_AUDIT_SIZE, purge.workspace))
				purge_log(&purge, RETENTION_BATCHES, context);
			else
				purge.done = true;
			if (purge.done || !purge.any_old)
			{
				char *next = next_log(purge.workspace);

				purge = purge_of(next ? MemoryContextStrdup(context, next) : NULL);
			}
		}
		ak_job_commit();
	}
	return AK_JOB_IDLE;
}
