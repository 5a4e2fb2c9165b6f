/*-------------------------------------------------------------------------
 *
 * purge.c
 *	  Retention: purge_audit_log(), and the worker's job that keeps
 *	  apikeys.audit_retention.
 *
 * A purge removes the entries of one workspace that are older than a given
 * time, except the last entry of every existing key.  The rest can still be
 * verified:
 *
 * Each run of entries that are neighbours in the chain and are removed together
 * is replaced by one row of apikeys.audit_purged, with the digests of the
 * entries and the last link.  So every link can still be computed from the
 * first position on, and an anchor made at any time still confirms it.
 *
 * A row of that table could also hide an entry that was deleted otherwise.  So
 * the entry that records the purge has the last purged position, and a hash
 * over the links that were kept up to there.  A row beyond that position, or in
 * place of an entry that was kept, is detected.
 *
 * A chain is read once, in batches, and each of its entries is looked up by
 * index.  So a purge takes time in proportion to the chain, whatever the number
 * of keys.  purge_audit_log() is one transaction and writes one entry that
 * records it; the worker does so for every few batches.
 *
 * Only a purge changes a chain up to its head, so a purge does not take the
 * chain's lock: writers continue.  Purges of one workspace run one at a time,
 * under a lock held until the end of the transaction; the worker skips a
 * workspace that is being purged.
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
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/entry.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/guc.h"
#include "core/lock.h"
#include "core/query.h"
#include "log/purge.h"
#include "pure/chain.h"

PG_FUNCTION_INFO_V1(ak_purge_audit_log);

/* Links of a chain to read in one batch */
#define PURGE_BATCH 4096

/* Batches in one transaction of the worker: some tenths of a second */
#define RETENTION_BATCHES 5

/* The progress of purging a chain */
typedef struct AkPurge
{
	const char *workspace; /* '' for entries without a workspace */
	TimestampTz older_than;
	int64 position; /* the last one read */
	bool done;      /* the end of the chain was reached */
	int64 purge_id; /* audit_id of the entry that records the purge; 0: nothing removed yet */
	int64 entries;  /* number of entries removed */
	bool any_old;   /* an entry was old enough, removed or kept */
} AkPurge;

/*
 * Makes the planner use nested loops over indexes: the statistics of our tables
 * may be missing or outdated, and a cached plan may have been made when they
 * were empty.  A batch is then read and removed row by row.  Returns the
 * nesting level for AtEOXact_GUC().
 */
static int
begin_index_plans(void)
{
	static const char *const off[] = {"enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin",
									  "jit"};
	int nest_level = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(off); i++)
		(void) set_config_option(off[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return nest_level;
}

/*
 * Reads the next links of the chain, moves the digests of the entries to remove
 * into runs, and removes these entries and their links.  SPI is connected, as
 * the owner, after begin_index_plans().
 *
 * Old entries that stay: the last entry of an existing key, and an entry that
 * records dropped keys while newer entries describe these keys.
 */
static void
purge_batch(AkPurge *purge)
{
	/* OFFSET 0: one index look-up per link, never a join of whole tables */
	static AkQuery find = {
		"SELECT count(*), max(b.position), COALESCE(bool_or(e.old), false), "
		"count(*) FILTER (WHERE e.gone), array_agg(b.position) FILTER (WHERE e.gone), "
		"array_agg(b.audit_id) FILTER (WHERE e.gone), array_agg(b.link) FILTER (WHERE e.gone), "
		"array_agg(e.digest) FILTER (WHERE e.gone) "
		"FROM (SELECT l.position, l.audit_id, l.link FROM apikeys.audit_link l WHERE l.workspace = $1 "
		"AND l.position > $2 ORDER BY l.position LIMIT $4) AS b "
		"LEFT JOIN LATERAL (SELECT a.digest, a.\"time\" < $3 AS old, a.\"time\" < $3 "
		"AND NOT COALESCE((SELECT k.audit_id = a.audit_id FROM apikeys.key k "
		"WHERE k.key_id = a.key_id), false) "
		"AND NOT EXISTS (SELECT 1 FROM jsonb_array_elements(CASE WHEN jsonb_typeof("
		"a.changes -> 'evicted') = 'array' "
		"THEN a.changes -> 'evicted' ELSE '[]' END) AS dropped, apikeys.audit_log o "
		"WHERE o.key_id = CASE WHEN (dropped ->> 'key_id') ~ "
		"'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' "
		"THEN (dropped ->> 'key_id')::uuid END AND o.\"time\" >= $3) AS gone "
		"FROM apikeys.audit_log a WHERE a.audit_id = b.audit_id "
		"AND COALESCE(a.workspace, '') = $1 OFFSET 0) AS e ON true",
		4,
		{TEXTOID, INT8OID, TIMESTAMPTZOID, INT8OID},
		NULL};
	static AkQuery make_runs = {
		"INSERT INTO apikeys.audit_purged (workspace, first_position, last_position, audit_id, digests, link) "
		"SELECT $1, min(position), max(position), $2, string_agg(digest, '' ORDER BY position), "
		"(array_agg(link ORDER BY position DESC))[1] "
		"FROM (SELECT g.position, g.link, g.digest, "
		"g.position - row_number() OVER (ORDER BY g.position) AS run "
		"FROM ROWS FROM (unnest($3), unnest($4), unnest($5)) AS g (position, link, digest)) "
		"AS gone GROUP BY run",
		5,
		{TEXTOID, INT8OID, INT8ARRAYOID, BYTEAARRAYOID, BYTEAARRAYOID},
		NULL};
	static AkQuery delete_entries = {"DELETE FROM apikeys.audit_log a USING unnest($1) AS gone (audit_id) "
									 "WHERE a.audit_id = gone.audit_id",
									 1,
									 {INT8ARRAYOID},
									 NULL};
	static AkQuery delete_links = {"DELETE FROM apikeys.audit_link l USING unnest($2) AS gone (position) "
								   "WHERE l.workspace = $1 AND l.position = gone.position",
								   2,
								   {TEXTOID, INT8ARRAYOID},
								   NULL};
	Datum args[5] = {CStringGetTextDatum(purge->workspace), Int64GetDatum(purge->position),
					 TimestampTzGetDatum(purge->older_than), Int64GetDatum(PURGE_BATCH)};
	SPITupleTable *found;
	Datum audit_ids;
	bool isnull;
	int64 links, gone;

	ak_query(&find, args, NULL, AK_SEE_LATEST);
	found = SPI_tuptable;
	links = DatumGetInt64(ak_query_result(0, 1, &isnull));
	purge->done = links < PURGE_BATCH;
	if (links > 0)
		purge->position = DatumGetInt64(ak_query_result(0, 2, &isnull));
	if (DatumGetBool(ak_query_result(0, 3, &isnull)))
		purge->any_old = true;
	gone = DatumGetInt64(ak_query_result(0, 4, &isnull));
	if (gone > 0)
	{
		if (purge->purge_id == 0)
			purge->purge_id = nextval_internal(ak_relid(AK_AUDIT_ID_SEQ), false);
		purge->entries += gone;
		args[1] = Int64GetDatum(purge->purge_id);
		args[2] = ak_query_result(0, 5, &isnull);
		audit_ids = ak_query_result(0, 6, &isnull);
		args[3] = ak_query_result(0, 7, &isnull);
		args[4] = ak_query_result(0, 8, &isnull);
		ak_purge_query(&make_runs, args);
		args[1] = args[2];
		ak_purge_query(&delete_links, args);
		args[0] = audit_ids;
		ak_purge_query(&delete_entries, args);
	}
	SPI_freetuptable(found);
}

/* Returns the end of a chain's last run: no position beyond it was purged.  SPI is connected, as the owner. */
static int64
purged_through(Datum workspace)
{
	static AkQuery query = {"SELECT max(last_position) FROM apikeys.audit_purged WHERE workspace = $1",
							1,
							{TEXTOID},
							NULL};
	bool isnull;

	ak_query(&query, &workspace, NULL, AK_SEE_LATEST);
	return DatumGetInt64(ak_query_result(0, 1, &isnull));
}

/* Computes the hash over the links kept up to a position, and returns their number. */
static int64
hash_kept(Datum workspace, int64 through, uint8 *hash)
{
	static AkQuery query = {"SELECT position, link FROM apikeys.audit_link WHERE workspace = $1 "
							"AND position > $2 AND position <= $3 ORDER BY position LIMIT 10000",
							3,
							{TEXTOID, INT8OID, INT8OID},
							NULL};
	Datum args[3] = {workspace, Int64GetDatum(0), Int64GetDatum(through)};
	int64 kept = 0;

	memset(hash, 0, AK_HASH_LEN);
	for (;;)
	{
		ak_query(&query, args, NULL, AK_SEE_LATEST);
		if (SPI_processed == 0)
			return kept;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool isnull;
			int64 position = DatumGetInt64(ak_query_result(i, 1, &isnull));
			bytea *link = DatumGetByteaPP(ak_query_result(i, 2, &isnull));

			if (VARSIZE_ANY_EXHDR(link) != AK_HASH_LEN ||
				!ak_link(kept > 0 ? hash : NULL, position, (const uint8 *) VARDATA_ANY(link), hash))
				ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a link of the audit log is damaged"),
								errhint("apikeys.verify_audit_log() tells more.")));
			kept++;
			args[1] = Int64GetDatum(position);
		}
		SPI_freetuptable(SPI_tuptable);
	}
}

/* Writes the entry that records a purge. */
static void
tell(const AkPurge *purge)
{
	Datum name = CStringGetTextDatum(purge->workspace);
	uint8 hash[AK_HASH_LEN];
	char hex[2 * AK_HASH_LEN + 1];
	char time[MAXDATELEN + 1];
	int utc = 0;
	int64 through = purged_through(name);
	int64 kept = hash_kept(name, through, hash);
	AkEntry entry = {0};
	StringInfoData subject;

	hex[hex_encode((const char *) hash, AK_HASH_LEN, hex)] = '\0';
	JsonEncodeDateTime(time, TimestampTzGetDatum(purge->older_than), TIMESTAMPTZOID, &utc);
	entry.audit_id = purge->purge_id;
	entry.workspace = purge->workspace[0] != '\0' ? purge->workspace : NULL;
	entry.entity = "Audit Logs";
	entry.action = "Delete";
	entry.activity = psprintf("Purged " INT64_FORMAT " %s from before %s", purge->entries,
							  purge->entries == 1 ? "entry" : "entries", time);
	initStringInfo(&subject);
	appendStringInfo(&subject, "{\"older_than\": \"%s\", \"workspace\": ", time);
	if (entry.workspace != NULL)
		escape_json(&subject, entry.workspace);
	else
		appendStringInfoString(&subject, "null");
	appendStringInfoChar(&subject, '}');
	entry.subject = subject.data;
	entry.changes = psprintf("{\"older_than\": \"%s\", \"entries\": " INT64_FORMAT ", \"through\": " INT64_FORMAT
							 ", \"kept\": " INT64_FORMAT ", \"kept_sha256\": \"%s\"}",
							 time, purge->entries, through, kept, hex);
	ak_write_entry(&entry);
}

/*
 * Continues the purge of a chain for at most that number of batches, and writes
 * the entry that records it, if entries were removed.  The caller has checked
 * the user's rights and locked the purges of this chain; SPI is connected, as
 * the owner.
 */
static void
purge_chain(AkPurge *purge, int batches)
{
	AkCaller caller;
	int nest_level;

	ak_owner_begin(&caller, AK_TO_LOG);
	nest_level = begin_index_plans();
	for (int i = 0; i < batches && !purge->done; i++)
		purge_batch(purge);
	if (purge->entries > 0)
		tell(purge);
	AtEOXact_GUC(true, nest_level);
	ak_owner_end(&caller);
}

/*
 * purge_audit_log(older_than timestamptz, workspace text) -> bigint
 *
 * Returns the number of entries removed.  The workspace may be NULL only if
 * apikeys.workspace is set; '' purges the entries without a workspace.  Raises
 * 22004, 22023 for a time in the future, 42704, and 42501 without "admin" in
 * the workspace.  Waits for other purges of this workspace.  The transaction
 * cannot be prepared.
 */
Datum
ak_purge_audit_log(PG_FUNCTION_ARGS)
{
	const char *workspace = PG_ARGISNULL(1) ? ak_bound_workspace() : text_to_cstring(PG_GETARG_TEXT_PP(1));
	AkPurge purge = {.workspace = workspace};
	AkCaller caller;

	if (PG_ARGISNULL(0) || workspace == NULL)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("%s must not be null", PG_ARGISNULL(0) ? "older_than" : "workspace")));
	purge.older_than = PG_GETARG_TIMESTAMPTZ(0);
	if (purge.older_than > GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("older_than must not be in the future"),
				 errhint("For what is older than a year: pg_catalog.now() OPERATOR(pg_catalog.-) interval '1 year'."),
				 err_generic_string(PG_DIAG_COLUMN_NAME, "older_than")));
	ak_require_anywhere(AK_ADMIN);
	ak_check_workspace_argument(workspace);
	if (workspace[0] == '\0')
		ak_require(AK_ADMIN, NULL);
	else
		ak_require_workspace(AK_ADMIN, workspace);

	ak_refuse_prepare("purge_audit_log");
	ak_lock_object(AK_AUDIT_PURGED, workspace, ExclusiveLock);
	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	purge_chain(&purge, INT_MAX);
	SPI_finish();
	ak_owner_end(&caller);
	PG_RETURN_INT64(purge.entries);
}

/* Returns the next workspace after this one that has links, or NULL. */
static char *
next_chain(const char *after)
{
	static AkQuery query = {"SELECT min(workspace) FROM apikeys.audit_link WHERE workspace > $1", 1, {TEXTOID}, NULL};
	Datum args[1] = {CStringGetTextDatum(after)};
	int nest_level = begin_index_plans();

	ak_query(&query, args, NULL, AK_SEE_LATEST);
	AtEOXact_GUC(true, nest_level);
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/*
 * The worker's job "audit retention": purges what is older than
 * apikeys.audit_retention, chain by chain.  The transactions are short, so that
 * other sessions, also commands that wait for the database, do not wait long.
 *
 * If a transaction found no old entry, the rest of the chain is newer and is
 * not read.  An entry of a long transaction, which follows younger ones in the
 * chain, is removed when these are old enough.
 */
AkJobNext
ak_purge_job(void)
{
	MemoryContext context = CurrentMemoryContext;
	AkPurge purge = {.workspace = ""}; /* the first chain of all, whether it exists or not */

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
			if (ak_try_lock_object(AK_AUDIT_PURGED, purge.workspace))
				purge_chain(&purge, RETENTION_BATCHES);
			else
				purge.done = true;
			if (purge.done || !purge.any_old)
			{
				char *next = next_chain(purge.workspace);

				purge = (AkPurge){.workspace = next ? MemoryContextStrdup(context, next) : NULL};
			}
		}
		ak_job_commit();
	}
	return AK_JOB_IDLE;
}
