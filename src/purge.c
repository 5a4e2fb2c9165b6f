/*-------------------------------------------------------------------------
 *
 * purge.c
 *	  Retention: purge_audit_log(), and the worker's job that keeps
 *	  apikeys.audit_retention.
 *
 * A purge removes entries of one workspace that are older than a time, but for
 * the last entry of every key that there is.  What makes the rest verify:
 *
 * For each run of neighbours in the chain that are removed together stands one
 * row of apikeys.audit_purged, with the digests of the entries and the last
 * link.  So every link can still be computed from the first position on, and
 * an anchor made at any time still confirms it.
 *
 * A row of that table could also hide an entry that somebody deleted.  So the
 * entry that tells of the purge says through which position entries were
 * purged, and has a hash over the links that it kept up to there: no row
 * beyond that position, and none instead of what was kept, goes unnoticed.
 *
 * Nothing up to the head of a chain ever changes but by a purge, so a purge
 * does not take the chain's lock: writers go on.  Purges come one by one.
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
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "access.h"
#include "audit.h"
#include "catalog.h"
#include "chain.h"
#include "compat.h"
#include "context.h"
#include "guc.h"
#include "lock.h"
#include "purge.h"
#include "query.h"

PG_FUNCTION_INFO_V1(ak_purge_audit_log);

/* The head's position of a chain; 0 when it is empty.  SPI is connected, as the owner. */
static int64
head_position(Datum workspace)
{
	static AkQuery query = {
		"SELECT COALESCE(pg_catalog.max(position), 0) FROM apikeys.audit_link WHERE workspace OPERATOR(pg_catalog.=) $1",
		1, {TEXTOID}, NULL
	};
	bool		isnull;

	ak_query(&query, &workspace, NULL, AK_SEE_LATEST);
	return DatumGetInt64(ak_query_result(0, 1, &isnull));
}

/*
 * Moves the digests of the old entries into runs, and removes the entries and
 * their links.  Returns how many.
 */
static int64
remove_entries(Datum workspace, TimestampTz older_than, int64 purge_id, int64 through)
{
	/* an entry that says which keys were dropped stays while others tell of these keys */
	static AkQuery make_runs = {
		"WITH gone AS (SELECT l.position, l.link, a.digest, "
		"l.position OPERATOR(pg_catalog.-) pg_catalog.row_number() OVER (ORDER BY l.position) AS run "
		"FROM apikeys.audit_link l JOIN apikeys.audit_log a ON a.audit_id OPERATOR(pg_catalog.=) l.audit_id "
		"WHERE l.workspace OPERATOR(pg_catalog.=) $1 AND l.position OPERATOR(pg_catalog.<=) $4 "
		"AND COALESCE(a.workspace, '') OPERATOR(pg_catalog.=) $1 AND a.\"time\" OPERATOR(pg_catalog.<) $2 "
		"AND NOT EXISTS (SELECT 1 FROM apikeys.key k WHERE k.key_id OPERATOR(pg_catalog.=) a.key_id "
		"AND k.audit_id OPERATOR(pg_catalog.=) a.audit_id) "
		"AND NOT EXISTS (SELECT 1 FROM pg_catalog.jsonb_array_elements(CASE WHEN pg_catalog.jsonb_typeof("
		"a.changes OPERATOR(pg_catalog.->) 'evicted') OPERATOR(pg_catalog.=) 'array' "
		"THEN a.changes OPERATOR(pg_catalog.->) 'evicted' ELSE '[]' END) AS dropped, apikeys.audit_log o "
		"WHERE o.key_id OPERATOR(pg_catalog.=) CASE WHEN (dropped OPERATOR(pg_catalog.->>) 'key_id') OPERATOR(pg_catalog.~) "
		"'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' "
		"THEN (dropped OPERATOR(pg_catalog.->>) 'key_id')::pg_catalog.uuid END AND o.\"time\" OPERATOR(pg_catalog.>=) $2)), "
		"made AS (INSERT INTO apikeys.audit_purged (workspace, first_position, last_position, audit_id, digests, link) "
		"SELECT $1, pg_catalog.min(position), pg_catalog.max(position), $3, pg_catalog.string_agg(digest, '' ORDER BY position), "
		"(pg_catalog.array_agg(link ORDER BY position DESC))[1] FROM gone "
		"GROUP BY run, position OPERATOR(pg_catalog./) 4096 "
		"RETURNING last_position OPERATOR(pg_catalog.-) first_position OPERATOR(pg_catalog.+) 1 AS entries) "
		"SELECT COALESCE(pg_catalog.sum(entries), 0)::pg_catalog.int8 FROM made",
		4, {TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID}, NULL
	};
	static AkQuery delete_entries = {
		"DELETE FROM apikeys.audit_log a USING apikeys.audit_purged p, apikeys.audit_link l "
		"WHERE p.workspace OPERATOR(pg_catalog.=) $1 AND p.audit_id OPERATOR(pg_catalog.=) $2 "
		"AND l.workspace OPERATOR(pg_catalog.=) $1 AND l.position OPERATOR(pg_catalog.>=) p.first_position "
		"AND l.position OPERATOR(pg_catalog.<=) p.last_position AND a.audit_id OPERATOR(pg_catalog.=) l.audit_id",
		2, {TEXTOID, INT8OID}, NULL
	};
	static AkQuery delete_links = {
		"DELETE FROM apikeys.audit_link l USING apikeys.audit_purged p "
		"WHERE p.workspace OPERATOR(pg_catalog.=) $1 AND p.audit_id OPERATOR(pg_catalog.=) $2 "
		"AND l.workspace OPERATOR(pg_catalog.=) $1 AND l.position OPERATOR(pg_catalog.>=) p.first_position "
		"AND l.position OPERATOR(pg_catalog.<=) p.last_position",
		2, {TEXTOID, INT8OID}, NULL
	};
	Datum		args[4] = {workspace, TimestampTzGetDatum(older_than), Int64GetDatum(purge_id), Int64GetDatum(through)};
	bool		isnull;
	int64		entries;

	ak_purge_query(&make_runs, args);
	entries = DatumGetInt64(ak_query_result(0, 1, &isnull));
	if (entries > 0)
	{
		args[1] = Int64GetDatum(purge_id);
		ak_purge_query(&delete_entries, args);
		ak_purge_query(&delete_links, args);
	}
	return entries;
}

/* The hash over the links that are kept up to a position, and their number. */
static int64
hash_kept(Datum workspace, int64 through, uint8 *hash)
{
	static AkQuery query = {
		"SELECT position, link FROM apikeys.audit_link WHERE workspace OPERATOR(pg_catalog.=) $1 "
		"AND position OPERATOR(pg_catalog.>) $2 AND position OPERATOR(pg_catalog.<=) $3 ORDER BY position LIMIT 10000",
		3, {TEXTOID, INT8OID, INT8OID}, NULL
	};
	Datum		args[3] = {workspace, Int64GetDatum(0), Int64GetDatum(through)};
	int64		kept = 0;

	memset(hash, 0, AK_HASH_LEN);
	for (;;)
	{
		ak_query(&query, args, NULL, AK_SEE_LATEST);
		if (SPI_processed == 0)
			return kept;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool		isnull;
			int64		position = DatumGetInt64(ak_query_result(i, 1, &isnull));
			bytea	   *link = DatumGetByteaPP(ak_query_result(i, 2, &isnull));

			if (VARSIZE_ANY_EXHDR(link) != AK_HASH_LEN ||
				!ak_link(kept > 0 ? hash : NULL, position, (const uint8 *) VARDATA_ANY(link), hash))
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("a link of the audit log is damaged"),
						 errhint("verify_audit_log() tells more.")));
			kept++;
			args[1] = Int64GetDatum(position);
		}
		SPI_freetuptable(SPI_tuptable);
	}
}

/*
 * Purges one chain ('' for what belongs to no workspace) and returns how many
 * entries it removed; none, and no entry tells of it, when there are none so
 * old.  The caller's rights were checked; SPI is connected, as the owner.
 */
static int64
purge_chain(const char *workspace, TimestampTz older_than)
{
	Datum		name = CStringGetTextDatum(workspace);
	uint8		hash[AK_HASH_LEN];
	char		hex[2 * AK_HASH_LEN + 1];
	char		time[MAXDATELEN + 1];
	int			utc = 0;
	int64		through,
				purge_id,
				entries,
				kept;
	AkEntry		entry = {0};

	ak_lock_object(AK_AUDIT_PURGED, "", ExclusiveLock);
	through = head_position(name);
	purge_id = nextval_internal(ak_relid(AK_AUDIT_ID_SEQ), false);
	entries = remove_entries(name, older_than, purge_id, through);
	if (entries == 0)
		return 0;
	kept = hash_kept(name, through, hash);

	hex[hex_encode((const char *) hash, AK_HASH_LEN, hex)] = '\0';
	JsonEncodeDateTime(time, TimestampTzGetDatum(older_than), TIMESTAMPTZOID, &utc);
	entry.audit_id = purge_id;
	entry.workspace = workspace[0] != '\0' ? workspace : NULL;
	entry.entity = "Audit Logs";
	entry.action = "Delete";
	entry.activity = psprintf("Purged " INT64_FORMAT " %s from before %s", entries, entries == 1 ? "entry" : "entries", time);
	entry.changes = psprintf("{\"older_than\": \"%s\", \"entries\": " INT64_FORMAT ", \"through\": " INT64_FORMAT
							 ", \"kept\": " INT64_FORMAT ", \"kept_sha256\": \"%s\"}",
							 time, entries, through, kept, hex);
	ak_write_entry(&entry);
	return entries;
}

/*
 * purge_audit_log(older_than timestamptz, workspace text) -> bigint
 *
 * How many entries were removed.  The workspace may be NULL only within the
 * setting apikeys.workspace; '' purges what belongs to no workspace.  Raises
 * 22004, 42704, and 42501 without "admin" there.  Waits for other purges.
 */
Datum
ak_purge_audit_log(PG_FUNCTION_ARGS)
{
	const char *workspace = PG_ARGISNULL(1) ? ak_bound_workspace() : text_to_cstring(PG_GETARG_TEXT_PP(1));
	AkCaller	caller;
	int64		entries;

	if (PG_ARGISNULL(0) || workspace == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", PG_ARGISNULL(0) ? "older_than" : "workspace")));
	ak_require_anywhere(AK_ADMIN);
	ak_check_workspace_argument(workspace);
	if (workspace[0] == '\0')
		ak_require(AK_ADMIN, NULL);
	else
		ak_require_workspace(AK_ADMIN, workspace);

	ak_become_owner(&caller);
	SPI_connect();
	entries = purge_chain(workspace, PG_GETARG_TIMESTAMPTZ(0));
	SPI_finish();
	ak_become_caller(&caller);
	PG_RETURN_INT64(entries);
}

/* The first chain behind a name that has links ("" is the first of all); NULL at the end. */
static char *
next_chain(const char *after)
{
	static AkQuery query = {
		"SELECT workspace FROM apikeys.audit_link WHERE $1 IS NULL OR workspace OPERATOR(pg_catalog.>) $1 "
		"ORDER BY workspace LIMIT 1",
		1, {TEXTOID}, NULL
	};
	Datum		args[1] = {after ? CStringGetTextDatum(after) : (Datum) 0};

	ak_query(&query, args, after ? NULL : "n", AK_SEE_LATEST);
	return SPI_processed == 0 ? NULL : SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

/* The worker's job: purges what is older than apikeys.audit_retention, chain by chain. */
AkJobNext
ak_purge_job(void)
{
	MemoryContext context = CurrentMemoryContext;
	char	   *workspace = NULL;

	while (ak_guc_audit_retention > 0 && !ak_worker_must_stop())
	{
		TimestampTz older_than = GetCurrentTimestamp() - ak_guc_audit_retention * USECS_PER_MINUTE;

		if (!ak_job_begin())
			break;
		/* a subscriber's log is purged where it comes from */
		workspace = ak_is_subscriber() ? NULL : next_chain(workspace);
		if (workspace != NULL)
		{
			workspace = MemoryContextStrdup(context, workspace);
			(void) purge_chain(workspace, older_than);
		}
		ak_job_commit();
		if (workspace == NULL)
			break;
	}
	return AK_JOB_IDLE;
}
