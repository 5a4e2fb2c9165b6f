-- Rate limits: the number of requests that pass is exact, and what counts against a limit. Windows are long, so that nothing is
-- replenished during the test.
\set ECHO none
\i test/lib/regress.sql

CREATE FUNCTION pg_temp.codes(key text, n integer) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(code || CASE WHEN times > 1 THEN ' x ' || times ELSE '' END, ', ' ORDER BY first) FROM (
	SELECT code, count(*) AS times, min(i) AS first FROM (
		SELECT (apikeys.validate_key(key)).code, i FROM generate_series(1, n) AS i) AS calls GROUP BY code) AS s $$;

-- the limit, at once, and not one more
SELECT key_id AS a_id, key AS a FROM apikeys.create_key('A', '{data}', rate_limit => 3, rate_window => '1 hour') \gset
SELECT code, http_status, retry_after FROM apikeys.validate_key(:'a');
SELECT pg_temp.codes(:'a', 10);
SELECT valid, code, http_status, name, retry_after BETWEEN 1190 AND 1200 AS retry_after FROM apikeys.validate_key(:'a');
-- it does not come back by asking
SELECT pg_temp.codes(:'a', 1000);
-- a key's alone
SELECT key_id AS b_id, key AS b FROM apikeys.create_key('B', '{data}', rate_limit => 1, rate_window => '1 hour', allowed_cidrs => '{192.0.2.0/24}') \gset
-- used up by what would be VALID, and by nothing else
SELECT pg_temp.codes(:'b', 100);
SELECT code FROM apikeys.validate_key(:'b', 'push', '192.0.2.1');
SELECT code FROM apikeys.validate_key(:'b', 'data', '192.0.2.1');
SELECT code FROM apikeys.validate_key(:'b', 'data', '192.0.2.1');
-- what comes before the limit still comes before it
SELECT code FROM apikeys.validate_key(:'b', 'data', '198.51.100.1');
SELECT code FROM apikeys.validate_key(:'b', 'push', '192.0.2.1');

-- a limited key is nobody's key
BEGIN;
SELECT code, retry_after IS NOT NULL AS retry FROM apikeys.authenticate('Bearer ' || :'a');
SELECT apikeys.current_key();
COMMIT;

-- old and new secret use up one limit
SELECT key_id AS c_id, key AS c_old FROM apikeys.create_key('C', '{data}', rate_limit => 4, rate_window => '1 hour') \gset
SELECT key AS c_new FROM apikeys.regenerate_key(:'c_id', '1 hour') \gset
SELECT pg_temp.codes(:'c_old', 2);
SELECT pg_temp.codes(:'c_new', 5);
SELECT pg_temp.codes(:'c_old', 1);

-- changed, a limit takes effect at once, and what was used up stays so
SELECT rate_limit, rate_window FROM apikeys.update_key(:'a_id', rate_limit => 5);
SELECT pg_temp.codes(:'a', 5);
SELECT rate_limit, rate_window FROM apikeys.update_key(:'a_id', rate_limit => 2, rate_window => '1 hour');
SELECT code, retry_after BETWEEN 1790 AND 1800 AS retry_after FROM apikeys.validate_key(:'a');
SELECT rate_limit FROM apikeys.update_key(:'a_id', rate_limit => 1000, rate_window => '1 hour');
SELECT pg_temp.codes(:'a', 1500);
-- rolled back, it does not
BEGIN;
SELECT rate_limit FROM apikeys.update_key(:'a_id', rate_limit => 0);
SELECT pg_temp.codes(:'a', 100);
ROLLBACK;
SELECT pg_temp.codes(:'a', 10);
-- removed
SELECT rate_limit FROM apikeys.update_key(:'a_id', rate_limit => 0);
SELECT pg_temp.codes(:'a', 5000);

-- it holds without counting
SET apikeys.track_usage = off;
SELECT key AS d FROM apikeys.create_key('D', '{data}', rate_limit => 2, rate_window => '1 hour') \gset
SELECT pg_temp.codes(:'d', 3);
RESET apikeys.track_usage;

-- windows of a microsecond and of a year, limits of all sizes
SELECT pg_temp.codes(key, 100) FROM apikeys.create_key('E', '{data}', rate_limit => 1000000, rate_window => '1 us');
SELECT pg_temp.codes(key, 100) FROM apikeys.create_key('F', '{data}', rate_limit => 2147483647, rate_window => '1 us');
SELECT pg_temp.codes(key, 100) FROM apikeys.create_key('G', '{data}', rate_limit => 2147483647, rate_window => '1 year');
SELECT pg_temp.codes(key, 100) FROM apikeys.create_key('H', '{data}', rate_limit => 10, rate_window => '366 days');
SELECT key AS i FROM apikeys.create_key('I', '{data}', rate_limit => 1, rate_window => '366 days') \gset
SELECT code, retry_after FROM apikeys.validate_key(:'i');
SELECT code, retry_after BETWEEN 366 * 86400 - 10 AND 366 * 86400 AS a_year FROM apikeys.validate_key(:'i');
SELECT key AS j FROM apikeys.create_key('J', '{data}', rate_limit => 1, rate_window => '1 mon 1 day') \gset
SELECT code FROM apikeys.validate_key(:'j');
SELECT retry_after BETWEEN 31 * 86400 - 10 AND 31 * 86400 AS a_month_has_30_days FROM apikeys.validate_key(:'j');
-- a part of a second is a whole one
SELECT key_id AS k_id, key AS k FROM apikeys.create_key('K', '{data}', rate_limit => 1, rate_window => '0.9 s') \gset
SELECT min(r), max(r) FROM (SELECT (apikeys.validate_key(:'k')).retry_after AS r FROM generate_series(1, 50)) AS s;
-- and comes back
SELECT pg_sleep(1);
SELECT code FROM apikeys.validate_key(:'k');

-- what cannot be a limit
SELECT pg_temp.refused($$SELECT apikeys.create_key('X', '{data}', rate_limit => -1)$$);
SELECT rate_limit, rate_window FROM apikeys.create_key('None', '{data}', rate_limit => 0, rate_window => '1 s');
SELECT pg_temp.refused($$SELECT apikeys.create_key('X', '{data}', rate_limit => 1, rate_window => '0')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('X', '{data}', rate_limit => 1, rate_window => '-1 s')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('X', '{data}', rate_limit => 1, rate_window => '1 mon -1 day')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('X', '{data}', rate_window => '1 s')$$);
SELECT pg_temp.refused(format('SELECT apikeys.create_key(%L, %L, rate_limit => 1, rate_window => %L)', 'X', '{data}', w))
FROM unnest('{366 days 1 us,13 mons,80 years,178000000 years}'::text[]) AS w;
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L, rate_limit => 1, rate_window => %L)', :'k_id', '2 years'));
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L, rate_limit => -1)', :'k_id'));

-- all of it was counted
SELECT name, valid, denied FROM apikeys.key_usage WHERE name IN ('A', 'B', 'C', 'D') ORDER BY name, api;
