-- A workspace with many keys, and one among many workspaces, cost no more than a small one alone. The test counts the rows that
-- are read, so that neither the machine nor the version matters.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;
-- what is internal must hold where its schema does not keep roles out
GRANT USAGE ON SCHEMA apikeys_internal TO PUBLIC;
SET max_parallel_workers_per_gather = 0;
SET random_page_cost = 1.1;     -- a table of this size fits in memory: no reason to sort what an index has in order

SELECT count(apikeys.create_workspace('w' || i)) FROM generate_series(1, 300) AS i;
CREATE TEMPORARY TABLE secrets AS
    SELECT (made).workspace, (made).key FROM (SELECT apikeys.create_key('key ' || i, '{data}', 'w' || (i + 1) / 2) AS made
        FROM generate_series(1, 600) AS i OFFSET 0) AS k;
GRANT SELECT ON secrets TO PUBLIC;
SELECT count(apikeys.create_key('big ' || i, '{data}')) FROM generate_series(1, 3000) AS i;
SELECT count(apikeys.archive_key(apikeys.key_id('key ' || i))) FROM generate_series(2, 200, 2) AS i;
ANALYZE;
CREATE ROLE regress_ak_one;
CREATE ROLE regress_ak_few;
CREATE ROLE regress_ak_all;
SELECT count(apikeys.grant_access(role, capability, workspace))
FROM (VALUES ('regress_ak_one', 'default'), ('regress_ak_few', 'w1'), ('regress_ak_few', 'w2'), ('regress_ak_all', '*')) AS r (role, workspace),
     unnest('{manage,audit}'::text[]) AS capability;

-- rows of our tables that a statement reads
CREATE FUNCTION pg_temp.total() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables
    WHERE schemaname IN ('apikeys', 'apikeys_internal') AND relname NOT IN ('api', 'access')
$$;
CREATE FUNCTION pg_temp.reads(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before bigint := pg_temp.total();
    reads bigint;
BEGIN
    EXECUTE statement;
    reads := pg_temp.total() - before;
    -- a condition on a view is asked of every row that the role sees, once (estimates.sql says why)
    RETURN CASE WHEN reads <= 200 THEN 'few' WHEN reads <= 5000 THEN 'each once' ELSE reads || ' rows' END;
END
$$;

CREATE TABLE statements (n integer GENERATED ALWAYS AS IDENTITY, statement text);
INSERT INTO statements (statement) VALUES
    ('SELECT * FROM apikeys.active_keys LIMIT 20'),
    ('SELECT * FROM apikeys.active_keys WHERE workspace = ''default'' LIMIT 20'),
    ('SELECT * FROM apikeys.active_keys WHERE workspace = ''w1'''),
    ('SELECT * FROM apikeys.active_keys WHERE key_id = (SELECT key_id FROM apikeys.active_keys LIMIT 1)'),
    ('SELECT * FROM apikeys.archived_keys LIMIT 20'),
    ('SELECT * FROM apikeys.archived_keys WHERE workspace = ''w1'''),
    ('SELECT * FROM apikeys.audit_logs LIMIT 20'),
    ('SELECT * FROM apikeys.audit_logs WHERE workspace = ''w1''');
GRANT SELECT ON statements TO PUBLIC;

-- everything
SELECT statement, pg_temp.reads(statement) FROM statements ORDER BY n;
SET ROLE regress_ak_all;
SELECT statement, pg_temp.reads(statement) FROM statements ORDER BY n;
SELECT count(*) FROM apikeys.active_keys;
-- one workspace, a big one
SET ROLE regress_ak_one;
SELECT statement, pg_temp.reads(statement) FROM statements ORDER BY n;
SELECT count(*) FROM apikeys.active_keys;
-- two, small ones
SET ROLE regress_ak_few;
SELECT statement, pg_temp.reads(statement) FROM statements ORDER BY n;
SELECT name, workspace FROM apikeys.active_keys;
RESET ROLE;
-- bound to one
SET apikeys.workspace = 'default';
SELECT statement, pg_temp.reads(statement) FROM statements ORDER BY n;
SET apikeys.workspace = 'w1';
SELECT statement, pg_temp.reads(statement) FROM statements ORDER BY n;
SELECT name FROM apikeys.active_keys;
SELECT name FROM apikeys.archived_keys;
RESET apikeys.workspace;

-- last_used_at is looked up for the rows that come out, after conditions, order and limit
CREATE FUNCTION pg_temp.scans() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT sum(pg_stat_get_xact_numscans(indexrelid))::bigint FROM pg_index WHERE indrelid = 'apikeys_internal.usage'::regclass
$$;
CREATE FUNCTION pg_temp.look_ups(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint := pg_temp.scans();
BEGIN
    EXECUTE statement;
    RETURN pg_temp.scans() - before;
END
$$;
CREATE TABLE look_ups (n integer GENERATED ALWAYS AS IDENTITY, statement text);
INSERT INTO look_ups (statement) VALUES
    ('SELECT count(*) FROM apikeys.active_keys'),
    ('SELECT key_id, name FROM apikeys.active_keys ORDER BY name'),
    ('SELECT * FROM apikeys.active_keys ORDER BY name LIMIT 20'),
    ('SELECT * FROM apikeys.active_keys WHERE name = ''big 700'''),
    ('SELECT * FROM apikeys.active_keys WHERE team IS NOT NULL'),
    ('SELECT max(last_used_at) FROM (SELECT last_used_at FROM apikeys.active_keys ORDER BY name LIMIT 7) AS k'),
    ('SELECT * FROM apikeys.archived_keys ORDER BY name LIMIT 5');
GRANT SELECT ON look_ups TO PUBLIC;
SELECT statement, pg_temp.look_ups(statement) FROM look_ups ORDER BY n;
SET ROLE regress_ak_all;
SELECT statement, pg_temp.look_ups(statement) FROM look_ups ORDER BY n;
SET ROLE regress_ak_one;
SELECT statement, pg_temp.look_ups(statement) FROM look_ups ORDER BY n;
RESET ROLE;

CALL apikeys.sequence_audit_logs();
-- looking for one key, and changing it
SELECT statement, pg_temp.reads(statement) FROM (VALUES
    ('SELECT apikeys.key_id(''BIG 700'')'),
    ('SELECT apikeys.key_id(''big 700'', ''default'')'),
    ('SELECT apikeys.key_details(apikeys.key_id(''big 700''))'),
    ('SELECT * FROM apikeys.search_audit_logs(workspace => ''w1'')'),
    ('SELECT apikeys.create_key(''big one more'', ''{data}'')'),
    ('SELECT apikeys.update_key(apikeys.key_id(''big 700''), team => ''x'')'),
    ('SELECT apikeys.regenerate_key(apikeys.key_id(''big 700''))'),
    ('SELECT apikeys.archive_key(apikeys.key_id(''big 700''))'),
    ('SELECT apikeys.validate_key(''nobody''''s'')'),
    ('SELECT apikeys.identify_key(''nobody''''s'')'),
    ('SELECT apikeys.verify_audit_logs(''w1'')'),
    ('SELECT apikeys.audit_checkpoint(''w1'')')) AS s (statement);

-- The lists, the log and its purge, in entries of indexes and rows of sequential scans: no more than a page, a few pages, or
-- all of them that many times. An index on the time has a bucket for 8192 entries, and here one for all.
CALL apikeys.sequence_audit_logs();
CREATE FUNCTION pg_temp.total_entries() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT sum(pg_stat_get_xact_tuples_returned(c.oid))::bigint FROM pg_class AS c
    WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind IN ('r', 'i')
$$;
CREATE FUNCTION pg_temp.entries(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before bigint := pg_temp.total_entries();
    entries bigint;
BEGIN
    EXECUTE statement;
    entries := pg_temp.total_entries() - before;
    RETURN CASE WHEN entries <= 100 THEN 'a page' WHEN entries <= 500 THEN 'a few' ELSE 'all x ' || ceil(entries / 4500.0) END;
END
$$;
SELECT key_id AS middle_key, audit_id AS middle_id, "time" AS middle FROM apikeys.audit_log WHERE key_name = 'big 1500' \gset
SELECT what, pg_temp.entries(format('SELECT * FROM apikeys.search_audit_logs(%s)', arguments)) FROM (VALUES
    ('all',                     ''),
    ('a workspace',             $$workspace => 'w1'$$),
    ('a large workspace',       $$workspace => 'default'$$),
    ('a team of none',          $$teams => '{none}'$$),
    ('a rare action',           $$actions => '{Delete}'$$),
    ('a frequent action',       $$actions => '{Create}'$$),
    ('an actor of none',        $$actors => '{none}'$$),
    ('a rare entity',           $$entities => '{Access}'$$),
    ('a key',                   format('key_id => %L', :'middle_key')),
    ('since',                   format('since => %L', :'middle')),
    ('until',                   format('until => %L', :'middle')),
    ('before',                  format('before_id => %s', :middle_id)),
    ('two that never meet',     $$workspace => 'default', entities => '{Access}'$$),
    ('two, the rarer decides',  $$workspace => 'w1', actions => '{Create}'$$),
    ('a text of most',          $$'created'$$),
    ('a text of none',          $$'nowhere'$$),
    ('a text in a workspace',   $$'nowhere', workspace => 'w1'$$)) AS s (what, arguments);
SELECT what, pg_temp.entries(format('SELECT * FROM apikeys.list_keys(%s)', arguments)) FROM (VALUES
    ('all',                     ''),
    ('a workspace',             $$'w1'$$),
    ('a large workspace',       $$'default'$$),
    ('by name',                 $$'default', order_by => 'name'$$),
    ('by last use',             $$'default', order_by => 'last_used_at desc'$$),
    ('archived',                $$'w1', state => 'archived'$$),
    ('a text',                  $$'default', 'nowhere'$$),
    ('a team',                  $$'default', team => 'none'$$),
    ('never used',              $$'default', unused_since => now()$$)) AS s (what, arguments);
SELECT statement, pg_temp.entries(statement) FROM (VALUES
    ('SELECT * FROM apikeys.export_audit_logs()'),
    ('SELECT * FROM apikeys.export_audit_logs(workspace => ''w1'')'),
    ('SELECT * FROM apikeys.verify_audit_logs()'),
    ('SELECT * FROM apikeys.verify_audit_logs(''w1'')'),
    ('SELECT * FROM apikeys.audit_feed(0, ''w1'')'),
    ('SELECT * FROM apikeys.audit_feed(2000, max_rows => 10)'),
    ('SELECT * FROM apikeys.key_details(apikeys.key_id(''big 7''))'),
    ('SELECT * FROM apikeys.key_history(apikeys.key_id(''big 7''))'),
    ('SELECT apikeys.key_id(''big 7'')'),
    ('SELECT apikeys.audit_inclusion_proof(2000)'),
    ('SELECT apikeys.purge_audit_logs(now(), ''w1'')'),
    ('SELECT apikeys.purge_audit_logs(now(), ''default'')')) AS s (statement);

-- a role that has a capability in many single workspaces has it in those alone
CREATE ROLE regress_ak_each;
SELECT count(apikeys.grant_access('regress_ak_each', 'validate', 'w' || i)) FROM generate_series(2, 40) AS i WHERE i NOT IN (10, 30, 39);
SELECT count(apikeys.grant_access('regress_ak_each', 'view', 'w' || i)) FROM generate_series(40, 30, -1) AS i;
SET ROLE regress_ak_each;
SELECT string_agg(DISTINCT s.workspace, ' ') FROM secrets AS s, LATERAL (SELECT * FROM apikeys.validate_key(s.key) OFFSET 0) AS v
WHERE v.code = 'NOT_FOUND' AND s.workspace IN ('w1', 'w2', 'w3', 'w4', 'w10', 'w30', 'w39', 'w40', 'w100');
SELECT count(*), count(DISTINCT workspace), min(workspace), max(workspace) FROM apikeys.active_keys;
RESET ROLE;

DROP TABLE statements, look_ups, secrets;
DROP OWNED BY regress_ak_each;
DROP ROLE regress_ak_each;
DROP OWNED BY regress_ak_one, regress_ak_few, regress_ak_all;
DROP ROLE regress_ak_one, regress_ak_few, regress_ak_all;
