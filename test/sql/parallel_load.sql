-- apikeys.workspace, set before the library is loaded, is in force where a parallel operation loads the library: in a worker,
-- and in the leader during the operation.
\set ECHO none
\i test/lib/regress.sql
SELECT apikeys.create_workspace('a'), apikeys.create_workspace('b') \g /dev/null
SELECT count(*) FROM unnest('{a,b}'::text[]) AS w, apikeys.create_key('one', '{data}', w);
CREATE FUNCTION parallel_load_seen() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE COST 100000 AS
	$$ BEGIN RETURN (SELECT string_agg(DISTINCT workspace, ' ') FROM apikeys.audit_logs WHERE key_name IS NOT NULL); END $$;
CREATE TABLE parallel_load (i int) WITH (parallel_workers = 2);
INSERT INTO parallel_load SELECT generate_series(1, 100);
ANALYZE parallel_load;

\set settings 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0'
-- in a worker, and nowhere else
\c
SET apikeys.workspace = 'a';
:settings; SET parallel_leader_participation = off;
EXPLAIN (COSTS OFF) SELECT parallel_load_seen() FROM parallel_load;
SELECT DISTINCT seen FROM (SELECT parallel_load_seen() AS seen FROM parallel_load OFFSET 0) AS s;
SHOW apikeys.workspace;
-- in the leader, which finds no worker
\c
SET apikeys.workspace = 'a';
SET apikeys.actor = 'ann';
:settings; SET max_parallel_workers = 0;
SELECT DISTINCT seen FROM (SELECT parallel_load_seen() AS seen FROM parallel_load OFFSET 0) AS s;
SHOW apikeys.workspace;
SHOW apikeys.actor;
SELECT parallel_load_seen();
RESET apikeys.workspace;
SELECT parallel_load_seen();

DROP TABLE parallel_load;
DROP FUNCTION parallel_load_seen();
