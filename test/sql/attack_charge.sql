-- Attack: what a request is charged. A client and a tenant try to make counters overflow, to get charges back, and to use up
-- what belongs to others.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
SELECT apikeys.create_workspace('red', rate_limit => 2147483647, rate_window => '1 year'), apikeys.create_workspace('blue') \g /dev/null
SELECT key AS red, key_id AS red_id FROM apikeys.create_key('Red', '{data}', 'red', rate_limit => 2147483647, rate_window => '1 year', quota => 9223372036854775807, quota_period => 'total') \gset
SELECT key AS blue, key_id AS blue_id FROM apikeys.create_key('Blue', '{data}', 'blue', rate_limit => 10, rate_window => '1 year', quota => 10, quota_period => 'total', allowed_cidrs => '{192.0.2.1}') \gset
SELECT key AS small, key_id AS small_id FROM apikeys.create_key('Small', '{data}', 'red', rate_limit => 3, rate_window => '1 year', quota => 5, quota_period => 'total') \gset
CREATE ROLE regress_ak_red;
SELECT apikeys.grant_access('regress_ak_red', 'manage', 'red') \g /dev/null
SET ROLE regress_ak_red;

-- the greatest cost, again and again: nothing wraps around
SELECT code, rate_remaining BETWEEN 0 AND 100 AS rate, quota_remaining FROM generate_series(1, 3) AS i, apikeys.validate_key(:'red', cost => 2147483647 + i * 0) ORDER BY i;
SELECT rate_limit FROM apikeys.update_key(:'red_id', rate_limit => 0);
RESET ROLE;
SELECT apikeys.update_workspace('red', rate_limit => 0);
SET ROLE regress_ak_red;
SELECT sum((v.code = 'VALID')::int) AS valid, min(quota_remaining) AS least FROM generate_series(1, 1000) AS i, apikeys.validate_key(:'red', cost => 2147483647 + i * 0) AS v;
SELECT quota_used FROM apikeys.key_details(:'red_id');
-- a lower quota and a higher one do not give back what was used, nor does a new secret, or another name
SELECT quota_used FROM apikeys.update_key(:'red_id', quota => 1, name => 'Other');
SELECT code, quota_remaining FROM apikeys.validate_key(:'red', cost => 0);
SELECT code FROM apikeys.validate_key(:'red');
SELECT key AS red FROM apikeys.regenerate_key(:'red_id') \gset
SELECT code FROM apikeys.validate_key(:'red');
SELECT state FROM apikeys.disable_key(:'red_id');
SELECT state FROM apikeys.enable_key(:'red_id');
SELECT code FROM apikeys.validate_key(:'red');

-- spent is spent: rolled back, in a savepoint, in a function that fails, in a cursor read half, in a READ ONLY transaction
CREATE FUNCTION pg_temp.rest(key text) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', code, 'rate', rate_remaining, 'quota', quota_remaining) FROM apikeys.validate_key(key, cost => 0) $$;
CREATE FUNCTION pg_temp.spend(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM v.code FROM apikeys.validate_key(key) AS v;
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
	RETURN pg_temp.rest(key);
END $$;
BEGIN;
SELECT pg_temp.spend(:'small');
SAVEPOINT one;
SELECT code FROM apikeys.require_key(:'small') AS id, apikeys.validate_key(:'small', 'push');
ROLLBACK TO one;
ROLLBACK;
SELECT pg_temp.rest(:'small');
BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY, DEFERRABLE;
DECLARE c CURSOR FOR SELECT v.code FROM generate_series(1, 1000) AS i, apikeys.validate_key(:'small') AS v;
FETCH 2 FROM c;
ROLLBACK;
SELECT pg_temp.rest(:'small');
-- what is not shown is called all the same, or not at all: never twice
SELECT rate_limit FROM apikeys.update_key(:'small_id', rate_limit => 0, quota => 100);
SELECT pg_temp.rest(:'small');
SELECT count(*) FROM (SELECT v.code FROM apikeys.validate_key(:'small') AS v) AS s;
SELECT (v).code, (v).valid FROM (SELECT apikeys.validate_key(:'small') AS v OFFSET 0) AS s;
SELECT count(*) FROM apikeys.validate_key(:'small') AS a, apikeys.validate_key(:'small') AS b;
SELECT EXISTS (SELECT FROM apikeys.validate_key(:'small')), CASE WHEN false THEN (apikeys.validate_key(:'small')).code END, COALESCE('x', (apikeys.validate_key(:'small')).code);
SELECT pg_temp.rest(:'small');

-- another's key is not charged, by whatever way: it is not found, and its owner has all of it
SELECT DISTINCT code FROM generate_series(1, 20) AS i, unnest(ARRAY[NULL, '192.0.2.1']) AS client, apikeys.validate_key(:'blue', 'data', client) AS v;
SELECT DISTINCT code FROM unnest(ARRAY['Bearer ' || :'blue', 'Basic ' || translate(encode(convert_to('blue:' || :'blue', 'UTF8'), 'base64'), E'\n', ''), 'Basic ' || translate(encode(convert_to('red:' || :'blue', 'UTF8'), 'base64'), E'\n', '')]) AS header, apikeys.authenticate(header, 'data', '192.0.2.1', 5);
SELECT apikeys_internal.quota_used(:'blue_id', 'total') AS theirs, apikeys_internal.quota_used(:'small_id', 'total') AS own, apikeys_internal.quota_used(:'small_id', E'\r\n') AS no_period;
RESET ROLE;
SELECT DISTINCT code FROM generate_series(1, 20) AS i, apikeys.validate_key(:'blue', 'data', '192.0.2.2');
SELECT code, rate_remaining, quota_remaining FROM apikeys.validate_key(:'blue', 'data', '192.0.2.1', cost => 0);
-- nor can a tenant set what bounds it
SET ROLE regress_ak_red;
SELECT r AS refused FROM unnest(ARRAY['update_workspace(''red'', rate_limit => 1)', 'create_key(''x'', ''{data}'', ''red'', quota => -1)', 'create_key(''x'', ''{data}'', ''red'', quota => 1, quota_period => ''year'')', 'create_key(''x'', ''{data}'', ''red'', quota_period => ''day'')',
	'create_key(''x'', ''{data}'', ''red'', rate_limit => 1, rate_window => ''2 years'')', 'create_key(''x'', ''{data}'', ''red'', rate_limit => 1, rate_window => ''1 month -1 day'')', 'create_key(''x'', ''{data}'', ''red'', rate_window => ''1 day'')', 'validate_key(''x'', cost => ''-2147483648'')']) AS call, LATERAL pg_temp.refused(format('SELECT count(*) FROM apikeys.%s AS r', call)) AS r;
RESET ROLE;
SELECT * FROM pg_temp.wrong();
DROP OWNED BY regress_ak_red;
DROP ROLE regress_ak_red;
