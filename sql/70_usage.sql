/*
 * Usage.
 */
CREATE FUNCTION apikeys_internal.usage_memory(OUT key_id uuid, OUT workspace text, OUT hour timestamptz, OUT api text, OUT code text,
	OUT old_secret boolean, OUT slot bigint, OUT count bigint, OUT last_at timestamptz, OUT last_client inet)
RETURNS SETOF record LANGUAGE C STABLE ROWS 1000 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_usage_memory';
COMMENT ON FUNCTION apikeys_internal.usage_memory() IS
'what shared memory has counted, as far as the current user may see it; key_usage, usage_history and denials add it to the tables';

CREATE FUNCTION apikeys_internal.last_use(key_id uuid)
RETURNS timestamptz LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 20 AS 'MODULE_PATHNAME', 'ak_last_use';
COMMENT ON FUNCTION apikeys_internal.last_use(uuid) IS 'the last valid request with a key, flushed or not: last_used_at in the views of keys';

CREATE FUNCTION apikeys_internal.quota_used(key_id uuid, quota_period text)
RETURNS bigint LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 20 AS 'MODULE_PATHNAME', 'ak_quota_used_sql';
COMMENT ON FUNCTION apikeys_internal.quota_used(uuid, text) IS 'how much of its quota a key has used in the present period, flushed or not: quota_used in the views of keys';

CREATE FUNCTION apikeys.usage_chart(key_id uuid, span interval = '24 hours')
RETURNS SETOF text LANGUAGE C STABLE ROWS 24 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_usage_chart';
COMMENT ON FUNCTION apikeys.usage_chart(uuid, interval) IS 'the last hours of a key as bars: # valid requests, x denied ones';

CREATE FUNCTION apikeys.flush_usage()
RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_flush_usage';
COMMENT ON FUNCTION apikeys.flush_usage() IS
'writes what was counted to the tables, as the background worker does by itself; returns the number of requests';

CREATE FUNCTION apikeys.status(OUT version text, OUT tracking boolean, OUT reason text, OUT worker text,
	OUT entries bigint, OUT limits bigint, OUT bytes bigint, OUT max_bytes bigint,
	OUT counts_lost bigint, OUT limits_not_kept bigint, OUT limits_given_up bigint, OUT last_flush timestamptz)
RETURNS record LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_status';
COMMENT ON FUNCTION apikeys.status() IS
'whether usage is counted, and if not, why; the state of the background worker; what the whole server holds in memory, and has lost since it started; the last flush of this database';

CREATE FUNCTION apikeys.metrics(OUT name text, OUT labels jsonb, OUT value double precision)
RETURNS SETOF record LANGUAGE C VOLATILE ROWS 100 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_metrics';
COMMENT ON FUNCTION apikeys.metrics() IS
'totals for a monitoring system, as of the last flush and the worker''s last count of keys; without names of keys';
