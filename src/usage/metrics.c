/*-------------------------------------------------------------------------
 *
 * metrics.c
 *	  Figures for a monitoring system: metrics().
 *
 * A monitoring system calls it every few seconds, so metrics() reads only what is
 * small: the table usage_total, which flushes keep, counters in shared memory, and
 * the table key_total, for which the worker counts the keys about once a minute.
 * Counting takes a sequential scan; the pause after it is at least 100 times as
 * long, so that it takes at most one percent of a core.  Nobody waits for a lock
 * of it.  The number of metrics of single workspaces is bounded;
 * apikeys_workspaces_left_out says of how many workspaces some are left out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "core/clock.h"
#include "core/compat.h"
#include "core/guc.h"
#include "core/query.h"
#include "core/subscriber.h"
#include "core/subscriber.h"
#include "usage/figures.h"
#include "usage/memory.h"
#include "usage/metrics.h"

PG_FUNCTION_INFO_V1(ak_metrics);

/* The shortest time between two counts of the keys */
#define PERIOD_MS 60000

/* The pause after a count is at least this many times as long as the count took */
#define REST 100

/*
 * The most rows of apikeys_validations_total, and the most workspaces, that
 * metrics() returns, so that a large number of tenants overloads neither it nor the
 * monitoring system.  They are taken in the order of the workspaces' names, so that
 * each call returns the same ones.
 */
#define SERIES_MAX     "1000"
#define WORKSPACES_MAX "200"

/* The most pending entries that are counted */
#define PENDING_MAX "50000"

/* The period of the job "key totals", which each count sets anew */
int ak_key_totals_period_ms = PERIOD_MS;

/* Counts the keys by workspace and state, into the table key_total.  SPI is connected, as the owner. */
void
ak_count_keys(void)
{
	static AkQuery query = {
		"WITH at AS MATERIALIZED (SELECT clock_timestamp() AS now), "
		"by_workspace AS MATERIALIZED (SELECT k.workspace, "
		"count(*) FILTER (WHERE archived_at IS NULL AND disabled_at IS NULL) AS active, "
		"count(*) FILTER (WHERE archived_at IS NULL AND disabled_at IS NOT NULL) AS disabled, "
		"count(*) FILTER (WHERE archived_at IS NOT NULL) AS archived, "
		"count(*) FILTER (WHERE archived_at IS NULL AND expires_at <= now) AS expired, "
		"count(*) FILTER (WHERE archived_at IS NULL AND expires_at > now AND expires_at <= now + interval '1 day') AS expiring_1d, "
		"count(*) FILTER (WHERE archived_at IS NULL AND expires_at > now AND expires_at <= now + interval '7 days') AS expiring_7d, "
		"count(*) FILTER (WHERE archived_at IS NULL AND expires_at > now AND expires_at <= now + interval '30 days') AS expiring_30d "
		"FROM at, apikeys.key k GROUP BY k.workspace), "
		"counted AS (SELECT * FROM by_workspace UNION ALL SELECT '', COALESCE(sum(active), 0), COALESCE(sum(disabled), 0), "
		"COALESCE(sum(archived), 0), COALESCE(sum(expired), 0), COALESCE(sum(expiring_1d), 0), COALESCE(sum(expiring_7d), 0), "
		"COALESCE(sum(expiring_30d), 0) FROM by_workspace), "
		"gone AS (DELETE FROM apikeys_internal.key_total t WHERE NOT EXISTS (SELECT FROM counted c WHERE c.workspace = t.workspace)) "
		"INSERT INTO apikeys_internal.key_total AS t (workspace, counted_at, active, disabled, archived, expired, expiring_1d, "
		"expiring_7d, expiring_30d) SELECT workspace, now, active, disabled, archived, expired, expiring_1d, expiring_7d, "
		"expiring_30d FROM counted, at "
		"ON CONFLICT (workspace) DO UPDATE SET counted_at = EXCLUDED.counted_at, active = EXCLUDED.active, "
		"disabled = EXCLUDED.disabled, archived = EXCLUDED.archived, expired = EXCLUDED.expired, "
		"expiring_1d = EXCLUDED.expiring_1d, expiring_7d = EXCLUDED.expiring_7d, expiring_30d = EXCLUDED.expiring_30d "
		"WHERE t.workspace = '' OR (t.active, t.disabled, t.archived, t.expired, t.expiring_1d, t.expiring_7d, t.expiring_30d) "
		"IS DISTINCT FROM (EXCLUDED.active, EXCLUDED.disabled, EXCLUDED.archived, EXCLUDED.expired, EXCLUDED.expiring_1d, "
		"EXCLUDED.expiring_7d, EXCLUDED.expiring_30d)",
		0,
		{0},
		NULL};

	ak_query(&query, NULL, NULL, AK_SEE_LATEST);
}

/* The worker's job "key totals": counts the keys, and sets the pause until it does so again. */
AkJobNext
ak_key_totals_job(void)
{
	AkTicks start = ak_ticks();

	if (!ak_job_begin())
		return AK_JOB_IDLE;
	if (!ak_takes_usage())
		ak_count_keys();
	ak_job_commit();
	ak_key_totals_period_ms = (int) Max(PERIOD_MS, Min(PG_INT32_MAX, (ak_ticks() - start) / 1000 * REST));
	return AK_JOB_IDLE;
}

/* Adds a row to the result: a metric with one label, or none if "label" is NULL. */
static void
put_metric(ReturnSetInfo *rsinfo, const char *name, const char *label, const char *label_value, double value)
{
	StringInfoData labels;
	Datum values[3];
	bool nulls[3] = {false, false, false};

	initStringInfo(&labels);
	if (label != NULL)
	{
		appendStringInfo(&labels, "{\"%s\": ", label);
		escape_json(&labels, label_value);
		appendStringInfoChar(&labels, '}');
	}
	else
		appendStringInfoString(&labels, "{}");
	values[0] = CStringGetTextDatum(name);
	values[1] = DirectFunctionCall1(jsonb_in, CStringGetDatum(labels.data));
	values[2] = Float8GetDatum(value);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Adds the rows of the last query: name, labels, value. */
static void
put_found(ReturnSetInfo *rsinfo)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Datum values[3];
		bool nulls[3];

		for (int c = 0; c < 3; c++)
			values[c] = ak_query_result(i, c + 1, &nulls[c]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/* Adds the metrics that tables have: of these workspaces, a text[]; 0: of all workspaces, and of the database. */
static void
put_from_tables(ReturnSetInfo *rsinfo, Datum workspaces)
{
	static AkQuery query = {
		/* the first workspace of which something may be left out; NULL: of none */
		"WITH border AS MATERIALIZED (SELECT LEAST("
		"(SELECT u.workspace FROM apikeys_internal.usage_total u WHERE $1 IS NULL OR u.workspace = ANY ($1) "
		"ORDER BY u.workspace, u.api, u.code OFFSET " SERIES_MAX " LIMIT 1), "
		"(SELECT w.workspace FROM apikeys.workspace w WHERE $1 IS NULL OR w.workspace = ANY ($1) "
		"ORDER BY w.workspace OFFSET " WORKSPACES_MAX " LIMIT 1)) AS workspace), "
		"totals AS MATERIALIZED (SELECT u.* FROM apikeys_internal.usage_total u "
		"WHERE ($1 IS NULL OR u.workspace = ANY ($1)) "
		"AND ((SELECT workspace FROM border) IS NULL OR u.workspace <= (SELECT workspace FROM border))) "
		"(SELECT 'apikeys_validations_total', jsonb_build_object('workspace', workspace, 'api', api, 'code', code), "
		"count::float8 FROM totals ORDER BY workspace, api, code LIMIT " SERIES_MAX ") "
		"UNION ALL "
		"SELECT 'apikeys_old_secret_requests_total', jsonb_build_object('workspace', workspace), sum(old_secret)::float8 "
		"FROM totals GROUP BY workspace "
		"UNION ALL "
		"SELECT 'apikeys_workspace_keys', jsonb_build_object('workspace', w.workspace, 'state', s.state), s.count::float8 "
		"FROM (SELECT workspace FROM apikeys.workspace WHERE ($1 IS NULL OR workspace = ANY ($1)) "
		"AND ((SELECT workspace FROM border) IS NULL OR workspace <= (SELECT workspace FROM border)) "
		"ORDER BY workspace LIMIT " WORKSPACES_MAX ") AS w "
		"LEFT JOIN apikeys_internal.key_total t ON t.workspace = w.workspace, "
		"LATERAL (VALUES ('active', COALESCE(t.active, 0)), ('disabled', COALESCE(t.disabled, 0)), "
		"('archived', COALESCE(t.archived, 0))) AS s (state, count) "
		"WHERE EXISTS (SELECT FROM apikeys_internal.key_total WHERE workspace = '') "
		"UNION ALL "
		"SELECT 'apikeys_workspaces_left_out', '{}', (SELECT count(*) FROM apikeys.workspace "
		"WHERE ($1 IS NULL OR workspace = ANY ($1)) AND workspace >= (SELECT workspace FROM border))::float8 "
		"UNION ALL "
		"SELECT 'apikeys_reports', jsonb_build_object('state', s), (SELECT count(*) FROM apikeys_internal.report r "
		"WHERE r.state = s AND ($1 IS NULL OR r.scope <@ $1))::float8 "
		"FROM unnest(ARRAY['queued', 'held', 'sent', 'failed']) AS s",
		1,
		{TEXTARRAYOID},
		NULL};
	static AkQuery of_database = {
		"SELECT m.name, m.labels, m.value FROM apikeys_internal.key_total t, LATERAL (VALUES "
		"('apikeys_keys', jsonb_build_object('state', 'active'), t.active::float8), "
		"('apikeys_keys', jsonb_build_object('state', 'disabled'), t.disabled::float8), "
		"('apikeys_keys', jsonb_build_object('state', 'archived'), t.archived::float8), "
		"('apikeys_keys_expired', '{}', t.expired::float8), "
		"('apikeys_keys_expiring', jsonb_build_object('days', '1'), t.expiring_1d::float8), "
		"('apikeys_keys_expiring', jsonb_build_object('days', '7'), t.expiring_7d::float8), "
		"('apikeys_keys_expiring', jsonb_build_object('days', '30'), t.expiring_30d::float8), "
		"('apikeys_keys_counted_age_seconds', '{}', extract(epoch FROM clock_timestamp() - t.counted_at)::float8)"
		") AS m (name, labels, value) WHERE t.workspace = '' "
		"UNION ALL "
		"SELECT m.name, '{}', m.value FROM "
		"(SELECT min(audit_id) AS audit_id FROM apikeys_internal.audit_pending WHERE audit_id > 0) AS pending, "
		/* one row each, with NULLs where there is nothing yet */
		"(SELECT (SELECT sequence FROM apikeys.audit_tree ORDER BY sequence DESC LIMIT 1) AS sequence, "
		"(SELECT audit_id FROM apikeys.audit_tree ORDER BY sequence DESC LIMIT 1) AS audit_id) AS tree, "
		"LATERAL (SELECT (SELECT max(logged_at) FROM apikeys.audit_size) AS logged_at, "
		"(SELECT e.\"time\" FROM apikeys.audit_log e WHERE e.audit_id = tree.audit_id) AS newest, "
		"(SELECT e.\"time\" FROM apikeys.audit_log e ORDER BY e.audit_id LIMIT 1) AS oldest) AS log, "
		"LATERAL (VALUES "
		"('apikeys_audit_entries_total', COALESCE(tree.sequence, 0)::float8), "
		"('apikeys_audit_pending_entries', (SELECT count(*) FROM (SELECT FROM apikeys_internal.audit_pending "
		"WHERE audit_id > 0 LIMIT " PENDING_MAX ") AS p)::float8), "
		"('apikeys_audit_pending_age_seconds', COALESCE(extract(epoch FROM clock_timestamp() - (SELECT e.\"time\" "
		"FROM apikeys.audit_log e WHERE e.audit_id = pending.audit_id)), 0)::float8), "
		"('apikeys_audit_checkpoint_age_seconds', CASE WHEN NOT $1 THEN NULL "
		"WHEN log.newest > COALESCE(log.logged_at, '-infinity') "
		"THEN extract(epoch FROM clock_timestamp() - COALESCE(log.logged_at, log.oldest))::float8 ELSE 0 END)"
		") AS m (name, value) WHERE m.value IS NOT NULL",
		1,
		{BOOLOID},
		NULL};
	AkCaller caller;

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(&query, &workspaces, workspaces == 0 ? "n" : NULL, AK_SEE_TRANSACTION);
	put_found(rsinfo);
	if (workspaces == 0)
	{
		/* the publisher's server log has the checkpoints of what a subscriber takes over */
		Datum checkpoints = BoolGetDatum(ak_guc_audit_checkpoint_interval > 0 && !ak_is_subscriber());

		ak_query(&of_database, &checkpoints, NULL, AK_SEE_TRANSACTION);
		put_found(rsinfo);
	}
	SPI_finish();
	ak_owner_end(&caller);
}

/*
 * metrics() -> setof (name text, labels jsonb, value double precision)
 *
 * Names and labels follow the rules of Prometheus.  Metrics of the database and the
 * server are left out unless the caller may monitor all workspaces.  Raises 42501
 * unless it may monitor at least one.
 */
Datum
ak_metrics(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo;
	AkMemoryStatus memory;
	TimestampTz flushed;
	bool all;

	ak_require_anywhere(AK_MONITOR);
	InitMaterializedSRF_compat(fcinfo);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	all = ak_sees_everywhere(AK_MONITOR);
	put_from_tables(rsinfo, all ? (Datum) 0 : ak_visible_workspaces(AK_MONITOR));
	if (!all)
		return (Datum) 0;

	ak_memory_status(&memory);
	put_metric(rsinfo, "apikeys_memory_entries", "kind", "counters", memory.used[AK_ROOM_COUNTERS]);
	put_metric(rsinfo, "apikeys_memory_entries", "kind", "limits", memory.used[AK_ROOM_LIMITS]);
	put_metric(rsinfo, "apikeys_memory_bytes", NULL, NULL, memory.bytes);
	put_metric(rsinfo, "apikeys_memory_max_bytes", NULL, NULL, memory.ceiling);
	put_metric(rsinfo, "apikeys_lost_total", "kind", "counts", memory.lost[AK_LOST_COUNT]);
	put_metric(rsinfo, "apikeys_lost_total", "kind", "limits_not_kept", memory.lost[AK_LOST_LIMIT]);
	put_metric(rsinfo, "apikeys_lost_total", "kind", "limits_given_up", memory.lost[AK_LOST_EARLY]);
	flushed = ak_last_flush();
	if (flushed != 0)
		put_metric(rsinfo, "apikeys_last_flush_age_seconds", NULL, NULL,
				   Max(0, GetCurrentTimestamp() - flushed) / (double) USECS_PER_SEC);
	put_metric(rsinfo, "apikeys_worker", "state", ak_worker_text(), 1);
	return (Datum) 0;
}
