-- purge_audit_logs: what it removes and keeps, that the rest verifies, and that tampering before a purge is still found after
-- it.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
CREATE ROLE regress_ak_admin;
CREATE ROLE regress_ak_acme;
CREATE ROLE regress_ak_auditor;
SELECT apikeys.create_workspace('acme', archive_limit => 2);
-- checkpoints of all times: after each action
CREATE TABLE anchors (anchor text);
\o /dev/null
SELECT s, 'CALL apikeys.sequence_audit_logs()', 'INSERT INTO anchors SELECT note FROM apikeys.audit_checkpoint(''acme'')' FROM (
	SELECT 1, i, format('SELECT FROM apikeys.create_key(%L, ''{data}'', ''acme'')', 'K' || i) FROM generate_series(1, 6) AS i UNION ALL
	SELECT 2, i, format('SELECT FROM apikeys.update_key(apikeys.key_id(''K1'', ''acme''), metadata => ''{"n": %s}'')', i) FROM generate_series(1, 5) AS i UNION ALL
	SELECT 3, i, format('SELECT FROM apikeys.archive_key(apikeys.key_id(%L, ''acme''))', 'K' || i) FROM generate_series(2, 5) AS i) AS a (kind, n, s) ORDER BY kind, n \gexec
\o
SELECT count(DISTINCT anchor) FROM anchors;
SELECT apikeys.grant_access('regress_ak_admin', 'admin'), apikeys.grant_access('regress_ak_acme', 'admin', 'acme'),
	apikeys.grant_access('regress_ak_auditor', 'audit');
CALL apikeys.sequence_audit_logs();
SELECT array_agg(note) AS anchor FROM apikeys.audit_checkpoint() \gset
SELECT array_agg(audit_id ORDER BY audit_id) AS early FROM apikeys.audit_log \gset
CREATE FUNCTION pg_temp.anchors() RETURNS TABLE (anchors bigint, confirmed bigint) LANGUAGE sql AS
$$ SELECT count(*), count(*) FILTER (WHERE (SELECT bool_and(ok) FROM apikeys.verify_audit_logs(NULL, ARRAY[anchor]))) FROM anchors $$;
SELECT pg_sleep(0.01) \g /dev/null
SELECT clock_timestamp() AS then \gset
SELECT apikeys.update_key(apikeys.key_id('K6', 'acme'), team => 'late') \g /dev/null

CALL apikeys.sequence_audit_logs();
-- Bad input, and who may not.
SELECT * FROM pg_temp.refused($$SELECT apikeys.purge_audit_logs(NULL, 'acme')$$);
SELECT * FROM pg_temp.refused($$SELECT apikeys.purge_audit_logs(now(), NULL)$$);
SELECT * FROM pg_temp.refused($$SELECT apikeys.purge_audit_logs(clock_timestamp() + interval '1 minute', 'acme')$$);
SELECT * FROM pg_temp.refused($$SELECT apikeys.purge_audit_logs('infinity', 'acme')$$);
DO $$
DECLARE
	argument text;
BEGIN
	PERFORM apikeys.purge_audit_logs('infinity', 'acme');
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS argument = COLUMN_NAME;
	RAISE WARNING '%', argument;
END $$;
SELECT * FROM pg_temp.refused($$SELECT apikeys.purge_audit_logs(now(), 'nowhere')$$);
SET ROLE regress_ak_auditor;
SELECT apikeys.purge_audit_logs(now(), 'acme');
SET ROLE regress_ak_acme;
SELECT apikeys.purge_audit_logs(now(), 'default');
SELECT apikeys.purge_audit_logs(now(), '');
SET apikeys.workspace = 'default';
SELECT apikeys.purge_audit_logs(now(), 'acme');
RESET apikeys.workspace;

-- Nothing so old: nothing removed, nothing told.
SELECT apikeys.purge_audit_logs('2000-01-01', 'acme');
SELECT apikeys.purge_audit_logs('-infinity', 'acme');
RESET ROLE;
SELECT count(*) FROM apikeys.audit_log WHERE entity = 'Audit Logs';

-- What is older than then: all but the last entry of each key, the workspace and the access that is there.
SELECT count(*) AS expected FROM apikeys.audit_log a WHERE workspace = 'acme' AND "time" < :'then'
	AND (a.audit_id <> (SELECT max(audit_id) FROM apikeys.audit_log b WHERE b.entity = a.entity AND b.subject = a.subject)
		OR a.key_id IS NOT NULL AND a.key_id NOT IN (SELECT key_id FROM apikeys.key));
SET ROLE regress_ak_acme;
SELECT apikeys.act_as('ann', 'ops', '192.0.2.1'), apikeys.purge_audit_logs(:'then', 'acme');
SELECT team, entity, action, regexp_replace(activity, 'before .*', 'before <time>') AS activity, actor, ip, changes - 'older_than' - 'kept_sha256' AS changes
FROM apikeys.search_audit_logs(entities => '{Audit Logs}');
SELECT apikeys.purge_audit_logs(:'then', 'acme');
RESET ROLE;
SELECT key_name, action, "time" < :'then' AS early FROM apikeys.audit_logs WHERE workspace = 'acme';
CALL apikeys.sequence_audit_logs();
SELECT workspace, entries, ok, problem FROM apikeys.verify_audit_logs(NULL, :'anchor');
SELECT * FROM pg_temp.anchors();
SELECT position, audit_id IS NULL AS purged, level, octet_length(hashes) / 32 AS hashes FROM apikeys.audit_tree WHERE workspace = 'acme' ORDER BY position;

-- Again, in a transaction with other work; all of it, also the head of the chain.
BEGIN;
SELECT apikeys.create_key('K7', '{data}', 'acme') \g /dev/null
SELECT apikeys.purge_audit_logs(clock_timestamp(), 'acme') > 0 AS purged;
SELECT apikeys.update_key(apikeys.key_id('K6', 'acme'), team => 'later') \g /dev/null
SELECT workspace, entries, ok, problem FROM apikeys.verify_audit_logs(NULL, :'anchor');
SAVEPOINT s;
SELECT apikeys.purge_audit_logs(clock_timestamp(), 'default') > 0 AS purged;
ROLLBACK TO s;
COMMIT;
CALL apikeys.sequence_audit_logs();
SELECT workspace, entries, ok, problem FROM apikeys.verify_audit_logs(NULL, :'anchor');
SELECT * FROM pg_temp.anchors();
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT apikeys.purge_audit_logs(clock_timestamp(), '') > 0 AS purged;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT apikeys.purge_audit_logs(clock_timestamp(), 'acme') > 0 AS purged;
COMMIT;
CALL apikeys.sequence_audit_logs();
SELECT workspace, entries, ok, problem FROM apikeys.verify_audit_logs(NULL, :'anchor');
SELECT * FROM pg_temp.anchors();
-- Life goes on: a key whose old entry was kept is archived and dropped, and then its entries go, too.
SELECT apikeys.archive_key(apikeys.key_id(n, 'acme')) FROM unnest('{K6,K7}'::text[]) AS n \g /dev/null
CALL apikeys.sequence_audit_logs();
SELECT apikeys.purge_audit_logs(clock_timestamp(), 'acme') > 0 AS purged;
SELECT key_name, action FROM apikeys.audit_logs WHERE workspace = 'acme';
CALL apikeys.sequence_audit_logs();
SELECT workspace, entries, ok, problem FROM apikeys.verify_audit_logs(NULL, :'anchor');
SELECT * FROM pg_temp.anchors();

-- Direct SQL is refused as before.
SELECT * FROM pg_temp.refused('DELETE FROM apikeys.audit_log');
SELECT * FROM pg_temp.refused('DELETE FROM apikeys.audit_tree');
SELECT * FROM pg_temp.refused('UPDATE apikeys.audit_tree SET audit_id = NULL');
SELECT * FROM pg_temp.refused('TRUNCATE apikeys.audit_tree');
SELECT * FROM pg_temp.refused('DELETE FROM apikeys.audit_size');
SELECT * FROM pg_temp.refused('UPDATE apikeys.audit_size SET size = 1');
SELECT * FROM pg_temp.refused('TRUNCATE apikeys.audit_size');

-- Nothing can be hidden as if it had been purged.
SELECT apikeys.update_key(apikeys.key_id('K1', 'acme'), team => n) FROM unnest('{a,b,c}'::text[]) AS n \g /dev/null
CALL apikeys.sequence_audit_logs();
CREATE FUNCTION pg_temp.hide(VARIADIC hidden bigint[]) RETURNS void LANGUAGE sql AS $$
	UPDATE apikeys.audit_tree SET audit_id = NULL WHERE audit_id = ANY (hidden);
	DELETE FROM apikeys.audit_log WHERE audit_id = ANY (hidden);
$$;
CREATE FUNCTION pg_temp.tamper(sql text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE sql;
		SET LOCAL session_replication_role = origin;
		SELECT string_agg(coalesce(v.workspace, '-') || ': ' || problem, '; ' ORDER BY v.workspace NULLS FIRST) INTO found
			FROM apikeys.verify_audit_logs() AS v WHERE NOT ok;
		RAISE EXCEPTION USING ERRCODE = 'ZZ001', MESSAGE = coalesce(found, 'NOT FOUND');
	EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
		RETURN SQLERRM;
	END;
END $$;
SELECT min(audit_id) AS kept, max(audit_id) - 1 AS late FROM apikeys.audit_log WHERE key_name = 'K1' \gset
SELECT pg_temp.tamper(format('SELECT pg_temp.hide(%s)', :late)) AS "after the purge", pg_temp.tamper(format('SELECT pg_temp.hide(%s)', :kept)) AS "what it kept",
	pg_temp.tamper($$DELETE FROM apikeys.audit_tree WHERE workspace = 'acme' AND position = (SELECT min(position) FROM apikeys.audit_tree WHERE workspace = 'acme' AND audit_id IS NULL)$$) AS "a subtree is gone",
	pg_temp.tamper($$UPDATE apikeys.audit_tree SET hashes = overlay(hashes placing '\x00' from 5) WHERE workspace = 'acme' AND audit_id IS NULL$$) AS "one altered",
	pg_temp.tamper($$UPDATE apikeys.audit_tree SET level = level + 1 WHERE workspace = 'acme' AND audit_id IS NULL$$) AS "its level altered",
	pg_temp.tamper($$UPDATE apikeys.audit_tree SET workspace = 'default', position = position + 1000 WHERE audit_id IS NULL$$) AS "moved";
SELECT pg_temp.tamper($$UPDATE apikeys.audit_log SET changes = changes || '{"through": 1000}' WHERE entity = 'Audit Logs'$$) AS "the purge's entry altered",
	pg_temp.tamper($$DELETE FROM apikeys.audit_log WHERE entity = 'Audit Logs' AND workspace = 'acme'$$) AS "the purge's entry gone";
SELECT * FROM pg_temp.wrong();

-- Each entry is read a few times, beside however many keys, whatever the planner believes of the tables.
\c -
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.read() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables WHERE schemaname IN ('apikeys', 'apikeys_internal')
$$;
CREATE FUNCTION pg_temp.purge_many(w text) RETURNS TABLE (purged bigint, "read" text) LANGUAGE plpgsql AS $$
DECLARE
	linear bigint := 12 * (SELECT count(*) FROM apikeys.audit_log WHERE workspace = w);
	before bigint := pg_temp.read();
BEGIN
	purged := apikeys.purge_audit_logs(clock_timestamp(), w);
	"read" := CASE WHEN pg_temp.read() - before <= linear THEN 'each a few times' ELSE (pg_temp.read() - before) || ' rows' END;
	RETURN NEXT;
END $$;
SELECT apikeys.create_workspace('many' || i) FROM generate_series(1, 4) AS i \g /dev/null
SELECT apikeys.create_key('many ' || i, '{data}', 'many' || i % 4 + 1) FROM generate_series(1, 4000) AS i \g /dev/null
SELECT apikeys.update_key(key_id, team => 'many') FROM apikeys.key WHERE workspace ~ 'many' \g /dev/null
CALL apikeys.sequence_audit_logs();
SELECT * FROM pg_temp.purge_many('many1');
\set stale 'UPDATE pg_class SET reltuples = 100, relpages = 10000 WHERE oid ='
:stale 'apikeys.audit_log'::regclass;
SELECT * FROM pg_temp.purge_many('many2');
ANALYZE apikeys.audit_log;
:stale 'apikeys.audit_tree'::regclass;
SELECT * FROM pg_temp.purge_many('many3');
ANALYZE;
:stale 'apikeys.key'::regclass;
SET plan_cache_mode = force_generic_plan;
SELECT * FROM pg_temp.purge_many('many4');
CALL apikeys.sequence_audit_logs();
SELECT * FROM pg_temp.purge_many('many4');
ANALYZE apikeys.key;
RESET plan_cache_mode;
SELECT workspace, ok, problem FROM apikeys.verify_audit_logs() WHERE NOT ok;

DROP TABLE anchors;
SET client_min_messages = warning; DROP OWNED BY regress_ak_admin, regress_ak_acme, regress_ak_auditor; DROP EXTENSION apikeys CASCADE; RESET client_min_messages;
DROP ROLE regress_ak_admin, regress_ak_acme, regress_ak_auditor;
