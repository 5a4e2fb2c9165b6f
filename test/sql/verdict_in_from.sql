-- A verdict in FROM: one call is one validation, wherever the planner puts it.
\set ECHO none
\i test/lib/regress.sql
\set ECHO all
CREATE ROLE regress_ak_from;
SELECT FROM apikeys.grant_access('regress_ak_from', 'validate');
SELECT key AS secret FROM apikeys.create_key('One', '{data}') \gset
SELECT key AS limited FROM apikeys.create_key('Limited', '{data}', rate_limit => 3, rate_window => '1 day') \gset
CREATE TEMP TABLE requests AS SELECT n, :'limited'::text AS key, :'secret'::text AS unlimited FROM generate_series(1, 2000) n;
CREATE TEMP TABLE seen (id integer, code text);
GRANT ALL ON requests, seen TO regress_ak_from;
ANALYZE requests;

-- With no more than the capability: as a whole, below UNION ALL and other set operations, beside tables, in sub-selects.
SET ROLE regress_ak_from;
SELECT left(v::text, 17) AS v FROM (SELECT v FROM apikeys.validate_key('x') v UNION ALL SELECT v FROM apikeys.validate_key('y') v) s;
SELECT s.code, left(s::text, 17) AS s FROM (SELECT * FROM apikeys.validate_key('x') UNION ALL SELECT * FROM apikeys.authenticate('y y')) s ORDER BY 1;
CREATE TEMP TABLE stored AS SELECT v::text FROM (SELECT v FROM apikeys.validate_key('x') v UNION ALL SELECT v FROM apikeys.validate_key('y') v) s;
SELECT left(v, 17) AS v, length(v) < 100 AS short FROM stored;
SELECT code, valid FROM apikeys.validate_key(:'secret') INTERSECT ALL SELECT code, valid FROM apikeys.validate_key(:'secret');
SELECT a.code, b.code FROM apikeys.validate_key(:'secret') a FULL JOIN apikeys.validate_key('x') b ON a.valid = b.valid ORDER BY 1;
SELECT a.code, b.code, a.v IS NULL FROM (SELECT v.code, v FROM apikeys.validate_key(:'secret') v) a LEFT JOIN apikeys.validate_key('x') b ON a.v = b;
SELECT v.ordinality, v.code FROM ROWS FROM (apikeys.validate_key(:'secret'), generate_series(1, 2)) WITH ORDINALITY AS v;
SELECT k, (SELECT v.code FROM apikeys.validate_key(:'secret', CASE k WHEN 2 THEN 'push' END) v) FROM generate_series(1, 3) k;
SELECT k, (SELECT string_agg(c, ' ') FROM (SELECT j || v.code AS c FROM generate_series(1, 2) j,
	LATERAL apikeys.validate_key(:'secret', CASE WHEN j = k THEN 'push' ELSE 'data' END) v) s) FROM generate_series(1, 3) k;
INSERT INTO seen SELECT n, v.code FROM requests r, apikeys.validate_key(r.unlimited) v WHERE n <= 2 RETURNING *;
UPDATE seen SET code = v.code || ' ' || id FROM apikeys.validate_key(:'secret') v WHERE v.valid RETURNING seen.*;
SELECT s.code, v.http_status FROM seen s, apikeys.validate_key(:'secret') v ORDER BY id FOR UPDATE OF s;
DELETE FROM seen USING apikeys.validate_key(:'secret') v WHERE v.valid RETURNING v.code;
RESET ROLE;

-- Cursors that go back, and one that outlives its transaction: a row that is fetched again is not validated again.
SELECT apikeys.flush_usage() >= 0 AS flushed;
SELECT sum(valid + denied) AS before FROM apikeys.key_usage WHERE name = 'One' \gset
BEGIN;
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT n, v.code FROM requests r, apikeys.validate_key(r.unlimited) v WHERE n <= 3;
FETCH 2 FROM c;
FETCH BACKWARD 2 FROM c;
FETCH ALL FROM c;
FETCH FIRST FROM c;
COMMIT;
FETCH LAST FROM c;
FETCH PRIOR FROM c;
CLOSE c;
SELECT sum(valid + denied) - :before AS calls FROM apikeys.key_usage WHERE name = 'One';

-- Prepared, with a plan of its own for each execution and with one for all.
PREPARE p (text, text) AS SELECT code FROM apikeys.validate_key($1, $2);
SET plan_cache_mode = force_generic_plan;
EXECUTE p (:'secret', 'data');
EXECUTE p (:'secret', 'push');
EXECUTE p (NULL, NULL);
SET plan_cache_mode = force_custom_plan;
EXECUTE p (:'secret', 'data');
RESET plan_cache_mode;

-- EXPLAIN calls nothing; EXPLAIN ANALYZE calls as often as it says.
SELECT sum(valid + denied) AS before FROM apikeys.key_usage WHERE name = 'One' \gset
EXPLAIN (COSTS OFF) SELECT code FROM apikeys.validate_key('x', 'data') WHERE valid;
EXPLAIN (COSTS OFF) SELECT v.code FROM requests r, apikeys.validate_key(r.unlimited) v;
SELECT sum(valid + denied) - :before AS calls FROM apikeys.key_usage WHERE name = 'One';
DO $$ BEGIN EXECUTE 'EXPLAIN (ANALYZE) SELECT v.code FROM requests r, apikeys.validate_key(r.unlimited) v'; END $$;
SELECT sum(valid + denied) - :before AS calls FROM apikeys.key_usage WHERE name = 'One';

-- In bulk, every row is validated, counted and limited, where PostgreSQL by itself would answer from a cache of what it had
-- for the same key (Memoize). Of 2000 requests with a key limited to 3, 3 are valid. How it would be without us:
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
CREATE FUNCTION pg_temp.plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	lines text = '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		lines := lines || line;
	END LOOP;
	RETURN CASE WHEN lines ~ 'Memoize' THEN 'Memoize' ELSE 'every row' END;
END $$;
CREATE FUNCTION pg_temp.volatile(key text) RETURNS text LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN key; END';
SELECT pg_temp.plan('SELECT 1 FROM requests r, pg_temp.volatile(r.key) v WHERE length(v) > 1 AND v > ''''');
CREATE FUNCTION pg_temp.bulk(query text, OUT plan text, OUT valid bigint, OUT calls numeric) LANGUAGE plpgsql AS $$
DECLARE
	issued apikeys.issued_key;
BEGIN
	SELECT * INTO issued FROM apikeys.create_key(md5(query), '{data}', rate_limit => 3, rate_window => '1 day');
	TRUNCATE requests;
	INSERT INTO requests SELECT n, issued.key FROM generate_series(1, 2000) n;
	ANALYZE requests;
	plan := pg_temp.plan(query);
	EXECUTE query INTO valid;
	SELECT sum(u.valid + u.denied) INTO calls FROM apikeys.key_usage u WHERE key_id = issued.key_id;
END $$;
SELECT * FROM pg_temp.bulk('SELECT count(*) FROM requests r, apikeys.validate_key(r.key) v WHERE v.valid');
SELECT * FROM pg_temp.bulk('SELECT count(*) FROM requests r, apikeys.validate_key(r.key) v WHERE v.valid AND length(v.code) > 1 AND v.http_status > 1');
SELECT * FROM pg_temp.bulk('SELECT count(*) FROM requests r, apikeys.authenticate(''Bearer '' || r.key) v WHERE v.valid AND length(v.code) > 1 AND v.http_status > 1');
SELECT * FROM pg_temp.bulk('SELECT count(v.valid) FROM requests r LEFT JOIN LATERAL apikeys.validate_key(r.key) v ON v.valid AND length(v.code) > 1');
SELECT * FROM pg_temp.bulk('SELECT count(*) FROM requests r, apikeys.validate_key(r.key, client => r.key) v WHERE v.code <> r.key AND v.valid AND length(v.code) > 1');
SELECT * FROM pg_temp.bulk('SELECT count(*) FROM requests r, LATERAL (SELECT apikeys.validate_key(r.key) AS v) s WHERE (s.v).valid');
SELECT * FROM pg_temp.bulk('SELECT count(*) FROM requests r, LATERAL (SELECT code FROM apikeys.validate_key(r.key) OFFSET 0) s WHERE s.code = ''VALID''');
SELECT * FROM pg_temp.bulk('SELECT count(*) FROM requests r, LATERAL (SELECT (SELECT code FROM apikeys.validate_key(r.key)) AS code OFFSET 0) s WHERE s.code = ''VALID''');
SELECT * FROM pg_temp.bulk('SELECT count(*) FROM requests r, LATERAL (SELECT i.code FROM (SELECT r.key OFFSET 0) k, LATERAL (SELECT code, valid FROM apikeys.validate_key(k.key) OFFSET 0) i WHERE i.valid OFFSET 0) s WHERE s.code = ''VALID''');
SELECT * FROM pg_temp.bulk('SELECT count(*) FROM requests r, apikeys.validate_key(r.key) v, LATERAL (SELECT 1 WHERE v.valid OFFSET 0) w');
SELECT * FROM pg_temp.bulk('SELECT count(*) FROM requests r JOIN requests q USING (n), apikeys.validate_key(q.key) v WHERE v.valid AND length(v.code) > 1');
-- other statements are planned as ever
SELECT pg_temp.plan('SELECT 1 FROM requests r, pg_temp.volatile(r.key) v WHERE length(v) > 1 AND v > ''''');
-- the key of each row becomes the current one
TRUNCATE requests;
INSERT INTO requests SELECT n, CASE n % 2 WHEN 0 THEN :'secret' ELSE :'limited' END FROM generate_series(1, 2000) n;
ANALYZE requests;
SELECT count(*), count(*) FILTER (WHERE apikeys.current_key() IS NOT DISTINCT FROM CASE WHEN v.valid THEN v.key_id END) AS own
FROM requests r, apikeys.authenticate('Bearer ' || r.key) v WHERE v.http_status > 1 AND length(v.code) > 1;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;

-- The extension made anew under a kept plan.
SET client_min_messages = warning;
DROP EXTENSION apikeys CASCADE;
EXECUTE p (NULL, 'data');
CREATE EXTENSION apikeys;
RESET client_min_messages;
EXECUTE p (:'secret', 'data');

DEALLOCATE p;
DROP OWNED BY regress_ak_from;
DROP ROLE regress_ak_from;
