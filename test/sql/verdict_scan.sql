-- A verdict in FROM has a plan node of its own, which must do what Function Scan does.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS apikeys CASCADE;
CREATE EXTENSION apikeys CASCADE;
RESET client_min_messages;
CREATE ROLE regress_ak_scan;
SELECT apikeys.grant_access('regress_ak_scan', 'validate');

CREATE TEMP TABLE issued AS SELECT * FROM apikeys.create_key('One', '{data}');
GRANT SELECT ON issued TO regress_ak_scan;
SELECT key AS secret FROM issued \gset

-- The plan; what is called, with which arguments, is told as in Function Scan.
EXPLAIN (COSTS OFF) SELECT valid, code FROM apikeys.validate_key('x');
EXPLAIN (COSTS OFF, VERBOSE) SELECT valid, code FROM apikeys.validate_key('x') v WHERE code <> 'VALID';
EXPLAIN (COSTS OFF, VERBOSE) SELECT * FROM apikeys.authenticate('x');
EXPLAIN (COSTS OFF, VERBOSE) SELECT count(*) FROM apikeys.validate_key('x');
EXPLAIN (COSTS OFF, VERBOSE)
SELECT k, v.code FROM generate_series(1, 3) k, apikeys.validate_key('x' || k, NULL, 'y') v WHERE v.http_status > k;
-- where that node remains
EXPLAIN (COSTS OFF) SELECT v FROM apikeys.validate_key('x') v;
EXPLAIN (COSTS OFF) SELECT valid FROM apikeys.validate_key('x') WITH ORDINALITY;
EXPLAIN (COSTS OFF) SELECT valid FROM ROWS FROM (apikeys.validate_key('x'), generate_series(1, 2));
EXPLAIN (COSTS OFF) SELECT valid FROM issued, apikeys.validate_key((SELECT min(k) FROM unnest(ARRAY[key]) k));

-- Rows and columns, in any order, repeated, in expressions, none.
SELECT code, valid, code || '!' AS again, http_status, name, apis, team, key_id = (SELECT key_id FROM issued) AS same
FROM apikeys.validate_key(:'secret', 'data');
SELECT valid, code, http_status, key_id, workspace, name, team, apis, expires_at, old_valid_until, retry_after, metadata
FROM apikeys.validate_key('nobody''s');
SELECT count(*), count(key_id) FROM apikeys.validate_key('nobody''s');
SELECT valid FROM apikeys.validate_key(:'secret') WHERE code = 'EXPIRED';
SELECT valid FROM apikeys.validate_key(:'secret') WHERE false;
SELECT 1 AS one FROM apikeys.validate_key(:'secret') LIMIT 0;
SELECT v.code, (v).code = v.code AS again FROM apikeys.validate_key(:'secret') v;
SELECT a.code, b.code FROM apikeys.validate_key(:'secret') a FULL JOIN apikeys.validate_key('x') b ON a.valid = b.valid ORDER BY 1;
SELECT code FROM apikeys.validate_key(:'secret') UNION ALL SELECT code FROM apikeys.validate_key('x') ORDER BY 1;
SELECT code FROM apikeys.authenticate('Bearer ' || :'secret');
SELECT v.code, v IS NULL AS whole FROM apikeys.validate_key(:'secret') v;
SELECT v.code || v.code AS twice, count(*) FROM apikeys.validate_key(:'secret') v GROUP BY v.code || v.code ORDER BY 1;
SELECT code, unnest(apis) AS api FROM apikeys.validate_key(:'secret');
SELECT k, v.code, c FROM generate_series(1, 2) k LEFT JOIN (SELECT *, coalesce(code, '') || '!' AS c
	FROM apikeys.validate_key(:'secret')) v ON k = v.http_status - 199 ORDER BY k;
SELECT k, c FROM generate_series(1, 2) k LEFT JOIN LATERAL (SELECT v.code || k AS c, v.valid
	FROM apikeys.validate_key(:'secret') v) s ON s.valid AND k = 1 ORDER BY k;
WITH v AS MATERIALIZED (SELECT * FROM apikeys.validate_key(:'secret')) SELECT a.code, b.code FROM v a, v b;

-- The call is made once for each set of arguments, and counted so.
SELECT apikeys.flush_usage() >= 0 AS flushed;
SELECT coalesce(sum(valid + denied), 0) AS before FROM apikeys.key_usage \gset
SELECT k, v.code FROM generate_series(1, 3) k, apikeys.validate_key(:'secret', CASE k WHEN 2 THEN 'push' END) v;
SELECT sum(valid + denied) - :before AS lateral_calls FROM apikeys.key_usage;
SET enable_material = off;
SELECT k, v.code FROM generate_series(1, 3) k LEFT JOIN apikeys.validate_key(:'secret') v ON k::text < v.code ORDER BY k;
RESET enable_material;
SELECT sum(valid + denied) - :before AS and_one FROM apikeys.key_usage;
SELECT k, (SELECT code FROM apikeys.validate_key(:'secret') v WHERE k < v.http_status) FROM generate_series(199, 201) k;
SELECT sum(valid + denied) - :before AS and_one_or_three FROM apikeys.key_usage;
SELECT k, (SELECT code FROM apikeys.validate_key(:'secret', a.api)) FROM generate_series(1, 2) k, (VALUES ('data'), ('push')) AS a (api) ORDER BY k, api;
SELECT sum(valid + denied) - :before AS and_four FROM apikeys.key_usage;
EXPLAIN (COSTS OFF) SELECT valid FROM apikeys.validate_key(:'secret');
SELECT sum(valid + denied) - :before AS and_none FROM apikeys.key_usage;

-- Correlated with a query further out.
SELECT k, (SELECT string_agg(c, ' ') FROM (SELECT j || v.code AS c FROM generate_series(1, 2) j,
	LATERAL apikeys.validate_key(:'secret', CASE WHEN j = k THEN 'push' ELSE 'data' END) v) s) AS codes
FROM generate_series(1, 3) k;
SELECT k, (SELECT v.code FROM apikeys.validate_key((SELECT min(t) FROM unnest(ARRAY[:'secret' || nullif(k, 1)]) t WHERE k > 0)) v)
FROM generate_series(1, 3) k;
SELECT code FROM apikeys.validate_key((SELECT key FROM issued));

-- Cursors that go back, and one that outlives its transaction.
BEGIN;
DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT code FROM apikeys.validate_key(:'secret');
FETCH ALL FROM c;
FETCH BACKWARD ALL FROM c;
FETCH ALL FROM c;
COMMIT;
FETCH FIRST FROM c;
CLOSE c;

-- Prepared, with a plan of its own for each execution and with one for all; in PL/pgSQL, in SQL, in a view.
PREPARE p (text, text) AS SELECT code FROM apikeys.validate_key($1, $2);
SET plan_cache_mode = force_generic_plan;
EXECUTE p (:'secret', 'data');
EXECUTE p (:'secret', 'push');
EXPLAIN (COSTS OFF, VERBOSE) EXECUTE p (:'secret', 'push');
EXECUTE p (NULL, NULL);
SET plan_cache_mode = force_custom_plan;
EXECUTE p (:'secret', 'data');
RESET plan_cache_mode;
CREATE FUNCTION pg_temp.in_plpgsql(key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v apikeys.verdict;
	c text;
BEGIN
	SELECT * INTO v FROM apikeys.validate_key(key);
	SELECT code INTO c FROM apikeys.validate_key(key, 'push');
	RETURN v.code || ' ' || c;
END $$;
SELECT pg_temp.in_plpgsql(:'secret') FROM generate_series(1, 2);
CREATE FUNCTION pg_temp.in_sql(key text) RETURNS text LANGUAGE sql AS 'SELECT code FROM apikeys.validate_key(key)';
SELECT pg_temp.in_sql(:'secret') FROM generate_series(1, 2);
CREATE TEMP VIEW verdicts AS SELECT i.name, v.code, v.valid FROM issued i, apikeys.validate_key(i.key) v;
SELECT * FROM verdicts;
SELECT code FROM verdicts;

-- Beside tables that are changed or locked.
CREATE TEMP TABLE seen (key text, code text);
INSERT INTO seen SELECT i.key, v.code FROM issued i, apikeys.validate_key(i.key) v RETURNING code;
UPDATE seen s SET code = v.code || ' ' || v.http_status FROM apikeys.validate_key(:'secret') v WHERE v.valid RETURNING s.code;
SELECT i.name, v.code FROM issued i, apikeys.validate_key(i.key) v FOR UPDATE OF i;
DELETE FROM seen s USING apikeys.validate_key(:'secret') v WHERE v.valid RETURNING v.code;

-- EXECUTE is needed, also for a plan made before it was taken away.
SET ROLE regress_ak_scan;
SELECT code FROM apikeys.validate_key(:'secret');
EXECUTE p (:'secret', 'data');
RESET ROLE;
SELECT apikeys.revoke_access('regress_ak_scan', 'validate');
SET ROLE regress_ak_scan;
\set VERBOSITY terse
EXECUTE p (NULL, 'data');
RESET ROLE;
GRANT USAGE ON SCHEMA apikeys TO regress_ak_scan;
SET ROLE regress_ak_scan;
EXECUTE p (:'secret', 'data');
SELECT count(*) FROM apikeys.validate_key(:'secret');
RESET ROLE;
EXECUTE p (:'secret', 'data');

-- Whatever returns a verdict; one that returns NULL.
CREATE FUNCTION pg_temp.no_verdict(n integer) RETURNS apikeys.verdict LANGUAGE plpgsql AS 'BEGIN IF n > 1 THEN RETURN NULL; END IF; RETURN (true, ''MINE'', n, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::apikeys.verdict; END';
SELECT n, valid, code, http_status FROM generate_series(1, 2) n, pg_temp.no_verdict(n);

-- The extension made anew under a kept plan.
SET client_min_messages = warning;
DROP EXTENSION apikeys CASCADE;
EXECUTE p (NULL, 'data');
CREATE EXTENSION apikeys;
RESET client_min_messages;
EXECUTE p (:'secret', 'data');
SELECT code FROM apikeys.validate_key(:'secret');

DEALLOCATE p;
DROP OWNED BY regress_ak_scan;
DROP ROLE regress_ak_scan;
