-- Charging: what a valid request costs a quota, the key's limit and the workspace's. It is charged to all of them, or to none.
\set ECHO none
\i test/lib/regress.sql

CREATE FUNCTION pg_temp.rest(key text, cost integer = 1, api text = NULL) RETURNS text LANGUAGE sql AS
$$ SELECT concat_ws(' ', v.code, 'rate', coalesce(v.rate_remaining || '/' || v.rate_limit || ' in ' || v.rate_window, '-'), 'quota', coalesce(v.quota_remaining || '/' || v.quota, '-'))
   FROM apikeys.validate_key(key, api, cost => cost) AS v $$;
CREATE FUNCTION pg_temp.codes(key text, n integer) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(code || ' x ' || times, ', ' ORDER BY first) FROM (
	SELECT code, count(*) AS times, min(i) AS first FROM (
		SELECT (apikeys.validate_key(key)).code, i FROM generate_series(1, n) AS i) AS calls GROUP BY code) AS s $$;
CREATE FUNCTION pg_temp.quota(key_id uuid, quota bigint, period text) RETURNS void LANGUAGE sql AS
$$ UPDATE apikeys.key k SET quota = $2, quota_period = $3 WHERE k.key_id = $1 $$;

-- without limits there is nothing to tell
SELECT key_id AS a_id, key AS a FROM apikeys.create_key('A', '{data}') \gset
SELECT rate_limit, rate_window, rate_remaining, rate_reset, quota, quota_remaining, quota_reset, retry_after FROM apikeys.validate_key(:'a');
SELECT code FROM apikeys.validate_key(:'a', cost => 2147483647);

-- a quota: as many as it says
SELECT pg_temp.quota(:'a_id', 5, 'total');
SELECT quota, quota_remaining, quota_reset, retry_after FROM apikeys.validate_key(:'a');
SELECT pg_temp.codes(:'a', 10);
SELECT code, http_status, name, quota, quota_remaining, quota_reset, retry_after FROM apikeys.validate_key(:'a');
-- 0 looks, and costs nothing: it is never too much
SELECT pg_temp.rest(:'a', 0);
-- raised, lowered, removed and set again, what was used up stays so
SELECT pg_temp.quota(:'a_id', 7, 'total');
SELECT pg_temp.rest(:'a', 0);
SELECT pg_temp.quota(:'a_id', 3, 'total');
SELECT pg_temp.rest(:'a');
SELECT pg_temp.quota(:'a_id', NULL, NULL);
SELECT pg_temp.rest(:'a');
SELECT pg_temp.quota(:'a_id', 6, 'total');
SELECT pg_temp.codes(:'a', 2);
-- another period counts from its own beginning
SELECT pg_temp.quota(:'a_id', 6, 'month');
SELECT pg_temp.rest(:'a', 0);

-- cost: all of it or nothing
SELECT pg_temp.rest(:'a', 4);
SELECT pg_temp.rest(:'a', 3);
SELECT pg_temp.rest(:'a', 2);
SELECT pg_temp.rest(:'a', 1);
SELECT pg_temp.rest(:'a', NULL);
SELECT pg_temp.refused($$SELECT apikeys.validate_key('x', cost => -1)$$);
SELECT pg_temp.refused($$SELECT apikeys.authenticate('x', cost => -2147483648)$$);
SELECT pg_temp.refused($$SELECT apikeys.require_key('x', cost => -1)$$);
DO $$
DECLARE
	argument text;
BEGIN
	PERFORM apikeys.validate_key('x', cost => -1);
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS argument = COLUMN_NAME;
	RAISE NOTICE 'the argument is %', argument;
END
$$;

-- only what is VALID is charged, in a transaction that is rolled back, too
SELECT key_id AS b_id, key AS b FROM apikeys.create_key('B', '{data}', rate_limit => 10, rate_window => '1 hour', allowed_cidrs => '{192.0.2.1}') \gset
SELECT pg_temp.quota(:'b_id', 8, 'day');
SELECT pg_temp.codes(:'b', 50);
SELECT DISTINCT (apikeys.validate_key(:'b', 'push', '192.0.2.1')).code FROM generate_series(1, 50);
SELECT allowed_cidrs FROM apikeys.update_key(:'b_id', allowed_cidrs => '{}');
BEGIN;
SELECT pg_temp.rest(:'b');
SAVEPOINT one;
SELECT pg_temp.rest(:'b', 2);
ROLLBACK TO one;
ROLLBACK;
SELECT pg_temp.rest(:'b', 0);
-- old secret and new, validate_key, authenticate and require_key use up one quota
SELECT key AS b2 FROM apikeys.regenerate_key(:'b_id', '1 hour') \gset
SELECT pg_temp.rest(:'b');
SELECT pg_temp.rest(:'b2');
SELECT quota_remaining, rate_remaining FROM apikeys.authenticate(:'b2', cost => 2);
SELECT apikeys.require_key(:'b2') = :'b_id' AS it;
SELECT pg_temp.rest(:'b2', 0);
-- the quota comes first, the longest wait counts, and a refusal by one charges no other
SELECT code, retry_after = quota_reset AS till_midnight, rate_remaining FROM apikeys.validate_key(:'b2');
SELECT code, retry_after, quota_remaining, rate_remaining FROM apikeys.validate_key(:'b2', cost => 11);
SELECT pg_temp.quota(:'b_id', 1000, 'day');
SELECT pg_temp.rest(:'b2', 2);
SELECT code, retry_after BETWEEN 350 AND 360 AS retry_after, quota_remaining, rate_remaining FROM apikeys.validate_key(:'b2');
-- more than the limit is never allowed: no wait helps
SELECT code, retry_after FROM apikeys.validate_key(:'b2', cost => 11);
SELECT code, retry_after BETWEEN 3590 AND 3600 AS retry_after FROM apikeys.validate_key(:'b2', cost => 10);

-- before QUOTA_EXCEEDED nothing is told of limits
SELECT code, rate_limit, rate_window, rate_remaining, rate_reset, quota, quota_remaining, quota_reset, retry_after FROM apikeys.validate_key(:'b2', 'push');

-- a workspace's limit is shared by its keys
SELECT apikeys.create_workspace('acme');
SELECT key_id AS c_id, key AS c FROM apikeys.create_key('C', '{data}', 'acme', rate_limit => 3, rate_window => '1 hour') \gset
SELECT key_id AS d_id, key AS d FROM apikeys.create_key('D', '{data}', 'acme') \gset
SELECT pg_temp.rest(:'d');
UPDATE apikeys.workspace SET rate_limit = 10, rate_window = '1 day' WHERE workspace = 'acme';
SELECT pg_temp.rest(:'d');
SELECT pg_temp.rest(:'c');
-- the tighter is told: the key's, then the workspace's
SELECT pg_temp.rest(:'d', 6);
SELECT pg_temp.rest(:'c');
SELECT pg_temp.rest(:'c');
-- refused by the workspace, the key's limit is not charged; nor the other way
SELECT code, rate_limit, rate_remaining, retry_after BETWEEN 8600 AND 8640 AS retry_after FROM apikeys.validate_key(:'d');
SELECT code, rate_limit, rate_remaining FROM apikeys.validate_key(:'c');
UPDATE apikeys.workspace SET rate_limit = 1000 WHERE workspace = 'acme';
SELECT rate_limit FROM apikeys.update_key(:'c_id', rate_limit => 2, rate_window => '1 hour');
SELECT pg_temp.codes(:'c', 5);
SELECT pg_temp.rest(:'d', 0);
-- with a quota, all three
SELECT pg_temp.quota(:'d_id', 5, 'week');
SELECT rate_limit FROM apikeys.update_key(:'d_id', rate_limit => 20, rate_window => '1 hour');
SELECT pg_temp.rest(:'d', 3);
SELECT pg_temp.rest(:'d', 3);
UPDATE apikeys.workspace SET rate_limit = 15, rate_window = '1 day' WHERE workspace = 'acme';
SELECT pg_temp.rest(:'d', 0);
SELECT pg_temp.codes(:'d', 5);
-- another workspace has its own, and none without
SELECT pg_temp.rest(:'a', 0);
UPDATE apikeys.workspace SET rate_limit = 1, rate_window = '1 hour' WHERE workspace = 'default';
SELECT key_id AS e_id, key AS e FROM apikeys.create_key('E', '{data}') \gset
SELECT pg_temp.codes(:'e', 2);
UPDATE apikeys.workspace SET rate_limit = NULL, rate_window = NULL WHERE workspace = 'default';
SELECT pg_temp.rest(:'e');
-- a limit in a transaction that is rolled back is none
BEGIN;
UPDATE apikeys.workspace SET rate_limit = 1, rate_window = '1 hour' WHERE workspace = 'default';
ROLLBACK;
SELECT pg_temp.codes(:'e', 20);
UPDATE apikeys.workspace SET rate_limit = NULL, rate_window = NULL WHERE workspace = 'acme';
SELECT pg_temp.rest(:'c', 0);

-- where several refuse, retry_after is the longest of their waits; none where one of them never ends
SELECT apikeys.create_workspace('by-day', rate_limit => 1, rate_window => '1 day'), apikeys.create_workspace('by-hour', rate_limit => 1, rate_window => '1 hour') \g /dev/null
SELECT w, first.code, v.code, v.retry_after BETWEEN 86300 AND 86400 AS a_day, v.rate_window
FROM (VALUES ('by-day', interval '1 hour'), ('by-hour', '1 day')) AS k (w, rate_window), LATERAL apikeys.create_key('G', '{data}', w, rate_limit => 1, rate_window => k.rate_window) AS g,
	LATERAL apikeys.validate_key(g.key) AS first, LATERAL apikeys.validate_key(g.key, api => CASE WHEN first.valid THEN 'data' END) AS v;
SELECT key_id AS g_id, key AS g FROM apikeys.create_key('H', '{data}', rate_limit => 1, rate_window => '1 hour', quota => 1, quota_period => 'total') \gset
SELECT pg_temp.rest(:'g');
SELECT code, retry_after, rate_remaining FROM apikeys.validate_key(:'g');
-- a DISABLED key: both secrets, while the overlap's clock runs on; it is charged nothing
SELECT key_id AS f_id, key AS f_old FROM apikeys.create_key('F', '{data}', rate_limit => 3, rate_window => '1 hour') \gset
SELECT key AS f FROM apikeys.regenerate_key(:'f_id', '1 hour') \gset
UPDATE apikeys.key SET disabled_at = now() WHERE key_id = :'f_id';
SELECT valid, code, http_status, name, old_valid_until IS NOT NULL AS old, rate_limit FROM apikeys.validate_key(:'f');
SELECT valid, code, http_status, name, old_valid_until IS NOT NULL AS old, rate_limit FROM apikeys.validate_key(:'f_old');
UPDATE apikeys.key SET old_valid_until = now() WHERE key_id = :'f_id';
SELECT code FROM apikeys.validate_key(:'f_old');
UPDATE apikeys.key SET disabled_at = NULL WHERE key_id = :'f_id';
SELECT pg_temp.rest(:'f');

-- periods of the calendar, in UTC whatever the session's zone: what is left of them
SET TimeZone = 'Pacific/Kiritimati';
CREATE FUNCTION pg_temp.left_of(period text) RETURNS interval LANGUAGE sql AS
$$ SELECT date_trunc(period, utc) + ('1 ' || period)::interval - utc FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS utc) AS s $$;
CREATE FUNCTION pg_temp.reset_is_right(key text, key_id uuid, period text) RETURNS boolean LANGUAGE plpgsql AS
$$
DECLARE
	before interval := pg_temp.left_of(period);
	reset integer;
BEGIN
	PERFORM pg_temp.quota(key_id, 100, period);
	SELECT quota_reset INTO reset FROM apikeys.validate_key(key);
	-- rounded up; at a period's end it is a new one
	RETURN reset BETWEEN extract(epoch FROM pg_temp.left_of(period)) AND extract(epoch FROM before) + 1 OR pg_temp.left_of(period) > before;
END
$$;
SELECT period, pg_temp.reset_is_right(:'f', :'f_id', period) FROM unnest('{hour,day,week}'::text[]) AS period;
SELECT rate_limit FROM apikeys.update_key(:'f_id', rate_limit => 0);
SELECT pg_temp.reset_is_right(:'f', :'f_id', 'month');
RESET TimeZone;

-- flushed: one row for a key, without a write for a request
SELECT apikeys.flush_usage() >= 0 AS flushed;
SELECT k.name, q.period, q.since = date_trunc(q.period, now(), 'UTC') AS since, q.used FROM apikeys_internal.quota_used q JOIN apikeys.key k USING (key_id) WHERE q.period <> 'total' ORDER BY k.name;
SELECT pg_temp.quota(:'a_id', 100, 'total');
SELECT pg_temp.rest(:'a', 10);
SELECT apikeys.flush_usage() >= 0 AS flushed;
SELECT k.name, q.period, q.since, q.used FROM apikeys_internal.quota_used q JOIN apikeys.key k USING (key_id) WHERE q.period = 'total' ORDER BY k.name;
-- a flush that is rolled back, or within a savepoint, or made twice, is flushed once; and not by the worker, whose jobs wait for this lock
BEGIN;
ALTER FUNCTION pg_temp.codes(text, integer) NO DEPENDS ON EXTENSION apikeys;
SELECT pg_temp.rest(:'a', 2);
SELECT apikeys.flush_usage() > 0 AS flushed;
ROLLBACK;
BEGIN;
ALTER FUNCTION pg_temp.codes(text, integer) NO DEPENDS ON EXTENSION apikeys;
SELECT pg_temp.rest(:'a', 3);
SAVEPOINT one;
SELECT apikeys.flush_usage() > 0 AS flushed;
ROLLBACK TO one;
SELECT apikeys.flush_usage() > 0 AS flushed;
SELECT apikeys.flush_usage() > 0 AS flushed;
SELECT pg_temp.rest(:'a', 7);
SELECT apikeys.flush_usage() > 0 AS flushed;
COMMIT;
SELECT apikeys.flush_usage() >= 0 AS flushed;
SELECT used FROM apikeys_internal.quota_used WHERE key_id = :'a_id';
SELECT apikeys_internal.quota_used(:'a_id', 'total'), apikeys_internal.quota_used(:'a_id', 'day'), apikeys_internal.quota_used(gen_random_uuid(), 'total'), apikeys_internal.quota_used(:'a_id', 'year'), apikeys_internal.quota_used(:'a_id', NULL);

-- in bulk, each row is charged
CREATE TEMPORARY TABLE requests AS SELECT :'a'::text AS key FROM generate_series(1, 30);
SELECT code, count(*), min(quota_remaining), max(quota_remaining) FROM requests r, apikeys.validate_key(r.key, cost => 2) GROUP BY code ORDER BY code;
SELECT code, count(*), min(quota_remaining), max(quota_remaining) FROM requests r, apikeys.validate_key(r.key) GROUP BY code ORDER BY code;

SELECT pg_temp.wrong();
