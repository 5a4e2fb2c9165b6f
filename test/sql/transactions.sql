-- Transactions: an entry is committed or rolled back with its action; entries enter the tree after the commit, at every
-- isolation level.
\set ECHO none
\i test/lib/regress.sql

CREATE VIEW pg_temp.tree AS SELECT l.workspace, l.position, a.activity FROM apikeys.audit_tree l JOIN apikeys.audit_log a USING (audit_id) ORDER BY 1, 2;

-- rolled back whole
BEGIN;
SELECT key FROM apikeys.create_key('undone', '{data}') \gset
SELECT code FROM apikeys.validate_key(:'key');
ROLLBACK;
SELECT code FROM apikeys.validate_key(:'key');
SELECT count(*) FROM apikeys.audit_log;
CALL apikeys.sequence_audit_logs();
SELECT count(*) FROM apikeys.audit_tree;

-- savepoints, nested, released and rolled back
BEGIN;
SELECT name FROM apikeys.create_key('1', '{data}');
SAVEPOINT a;
SELECT name FROM apikeys.create_key('1a undone', '{data}');
SAVEPOINT b;
SELECT name FROM apikeys.create_key('1ab undone', '{data}');
RELEASE b;
ROLLBACK TO a;
SELECT name FROM apikeys.create_key('2', '{data}');
SAVEPOINT c;
SELECT name FROM apikeys.create_key('3', '{data}');
SAVEPOINT d;
SELECT name FROM apikeys.create_key('3d undone', '{data}');
ROLLBACK TO d;
SELECT name FROM apikeys.create_key('4', '{data}');
RELEASE c;
ROLLBACK TO a;
SELECT name FROM apikeys.create_key('5', '{data}');
COMMIT;
SELECT activity FROM apikeys.audit_logs ORDER BY audit_id;
CALL apikeys.sequence_audit_logs();
TABLE tree;
SELECT pg_temp.wrong();

-- errors in subtransactions
DO $$
BEGIN
	FOR i IN 1 .. 5 LOOP
		BEGIN
			PERFORM apikeys.create_key('loop ' || i, '{data}');
			PERFORM apikeys.archive_key(apikeys.key_id('loop ' || i));
			IF i % 2 = 0 THEN
				PERFORM apikeys.create_key('', '{data}');
			END IF;
		EXCEPTION WHEN invalid_parameter_value THEN
			PERFORM apikeys.create_key('after ' || i, '{data}');
		END;
	END LOOP;
END
$$;
SELECT activity FROM apikeys.audit_logs WHERE activity ~ 'loop|after' ORDER BY audit_id;
SELECT name FROM apikeys.archived_keys ORDER BY 1;
SELECT pg_temp.wrong();

-- an error ends it all
BEGIN;
SELECT name FROM apikeys.create_key('6', '{data}');
SELECT name FROM apikeys.create_key('6', '{data}');
SELECT name FROM apikeys.create_key('7', '{data}');
COMMIT;
SELECT count(*) FROM apikeys.active_keys WHERE name IN ('6', '7');
SELECT pg_temp.wrong();

CALL apikeys.sequence_audit_logs();
-- one that changes several workspaces, and what belongs to none
BEGIN;
SELECT apikeys.create_workspace('b'), apikeys.create_workspace('a');
SELECT name FROM apikeys.create_key('in b', '{data}', 'b');
SELECT name FROM apikeys.create_key('in a', '{data}', 'a');
SELECT apikeys.register_api('billing');
SELECT name FROM apikeys.create_key('in b again', '{billing}', 'b');
-- its own entries have no link yet, and are passed over
SELECT workspace, entries, ok FROM apikeys.verify_audit_logs();
SELECT name, access FROM apikeys.active_keys WHERE workspace IN ('a', 'b') ORDER BY 1;
COMMIT;
CALL apikeys.sequence_audit_logs();
SELECT workspace, position, activity FROM tree WHERE workspace IN ('', 'a', 'b');
SELECT workspace, entries, ok, first_bad, problem FROM apikeys.verify_audit_logs();

-- many changes of one key in one transaction: an entry each
BEGIN;
SELECT key_id, key AS k1 FROM apikeys.create_key('all of it', '{data}', 'a') \gset
SELECT name FROM apikeys.update_key(:'key_id', name => 'all of it 2');
SELECT key AS k2 FROM apikeys.regenerate_key(:'key_id', '1 hour') \gset
SELECT name FROM apikeys.end_overlap(:'key_id');
SELECT name FROM apikeys.update_key(:'key_id', name => 'all of it');
SELECT state FROM apikeys.archive_key(:'key_id');
COMMIT;
SELECT action, activity FROM apikeys.audit_logs WHERE key_id = :'key_id' ORDER BY audit_id;
SELECT pg_temp.wrong();

-- several in one statement
SELECT count(*) FROM generate_series(1, 100) AS i, apikeys.create_key('bulk ' || i, '{data}', 'a');
WITH made AS (SELECT * FROM apikeys.create_key('in a CTE', '{data}', 'a')) SELECT name FROM made;
SELECT (SELECT name FROM apikeys.create_key('left', '{data}', 'a')) || (SELECT name FROM apikeys.create_key('right', '{data}', 'a'));
UPDATE apikeys.key SET team = 'bulk' WHERE name LIKE 'bulk %';
SELECT count(*) FROM apikeys.audit_logs WHERE activity ~ 'bulk';
SELECT pg_temp.wrong();

-- every isolation level, with snapshots taken before
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM apikeys.active_keys WHERE name LIKE 'rr%';
SELECT key_id, key FROM apikeys.create_key('rr', '{data}', 'b') \gset
SELECT name FROM apikeys.key_details(:'key_id');
SELECT name FROM apikeys.update_key(:'key_id', name => 'rr 2');
SELECT code, name FROM apikeys.validate_key(:'key');
SELECT key AS key2 FROM apikeys.regenerate_key(apikeys.key_id('rr 2')) \gset
SELECT code, name FROM apikeys.validate_key(:'key2');
SELECT pg_temp.refused($$SELECT apikeys.create_key('rr 2', '{data}', 'b')$$);
SELECT state FROM apikeys.archive_key(:'key_id');
SELECT apikeys.register_api('rr'), apikeys.create_workspace('rr'), apikeys.add_team_member('rr', 'rr') \g /dev/null
SELECT name, access FROM apikeys.create_key('rr', '{rr}', 'rr');
SELECT ok FROM apikeys.verify_audit_logs('b');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM apikeys.active_keys WHERE name LIKE 'sr%';
SELECT key_id, key FROM apikeys.create_key('sr', '{data}', 'b') \gset
SELECT name FROM apikeys.update_key(:'key_id', name => 'sr 2');
SELECT key AS key2 FROM apikeys.regenerate_key(apikeys.key_id('sr 2')) \gset
SELECT state FROM apikeys.archive_key(:'key_id');
SELECT code, name FROM apikeys.validate_key(:'key2');
SELECT apikeys.unregister_api('rr') FROM apikeys.archive_key(apikeys.key_id('rr', 'rr')) AS k;
SELECT apikeys.remove_team_member('rr');
COMMIT;
SELECT name, state FROM apikeys.archived_keys WHERE name ~ '^[rs]r' ORDER BY 1;
SELECT pg_temp.wrong();

-- READ ONLY: nothing is changed, and one is told so
BEGIN READ ONLY;
SELECT count(*) >= 0 AS reads FROM apikeys.active_keys;
SELECT pg_temp.refused($$SELECT name FROM apikeys.create_key('ro', '{data}')$$);
ROLLBACK;
-- by every function that changes something, before anything else: its name, and none of our SQL
CREATE TEMPORARY TABLE writes (call text);
INSERT INTO writes VALUES ($$create_key('ro', '{data}')$$), ($$import_key('ro', '{data}', sha256('ro'))$$), ($$update_key(NULL)$$), ($$regenerate_key(NULL)$$), ($$end_overlap(NULL)$$), ($$disable_key(NULL)$$), ($$enable_key(NULL)$$),
	($$archive_key(NULL)$$), ($$revoke_key('nobody''s')$$), ($$report_leak('[]')$$), ($$register_api('ro')$$), ($$unregister_api('push')$$), ($$create_workspace('ro')$$), ($$update_workspace('b')$$), ($$drop_workspace('a')$$),
	($$add_team_member('ro', 'ro')$$), ($$remove_team_member('ro')$$), ($$grant_access('postgres', 'view')$$), ($$revoke_access('postgres', 'view')$$), ($$regrant_access()$$), ($$purge_audit_logs('-infinity', 'b')$$),
	($$email_audit_logs('ro@example.com')$$), ($$release_report('00000000-0000-0000-0000-000000000000')$$), ($$flush_usage()$$);
SELECT p.proname AS "not here" FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace AND p.provolatile = 'v' AND p.prokind = 'f' AND NOT EXISTS (SELECT FROM writes WHERE call LIKE replace(p.proname, '_', '\_') || '(%')
-- these write to no table
AND p.proname NOT IN ('validate_key', 'authenticate', 'require_key', 'act_as', 'status', 'metrics', 'verify_audit_logs', 'audit_checkpoint', 'audit_inclusion_proof', 'audit_consistency_proof');
CREATE FUNCTION pg_temp.said(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	context text;
BEGIN
	EXECUTE 'SELECT apikeys.' || call;
	RETURN 'NOT REFUSED';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RETURN SQLSTATE || ': ' || SQLERRM || CASE WHEN context ~ '^SQL statement "SELECT apikeys[^\n]*\nPL/pgSQL function [^\n]*$' THEN '' ELSE ' IN ' || context END;
END
$$;
BEGIN READ ONLY;
SELECT call, said FROM writes, pg_temp.said(call) WHERE said <> format('25006: cannot execute %s() in a read-only transaction', substring(call FROM '^\w+'));
SELECT count(*) FROM writes, pg_temp.said(call) WHERE said LIKE '25006: %';
ROLLBACK;
CALL apikeys.sequence_audit_logs();
BEGIN READ ONLY;
SELECT ok FROM apikeys.verify_audit_logs('b');
SELECT count(*) FROM apikeys.audit_checkpoint('b');
COMMIT;

-- deferred constraints and SET CONSTRAINTS do not undo the entry
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT name FROM apikeys.create_key('immediate', '{data}', 'b');
SET CONSTRAINTS ALL DEFERRED;
COMMIT;
SELECT pg_temp.wrong();

-- a cursor, a prepared statement, a procedure that commits
BEGIN;
DECLARE c CURSOR FOR SELECT k.name FROM generate_series(1, 3) AS i, apikeys.create_key('cursor ' || i, '{data}', 'b') AS k;
FETCH 1 FROM c;
SAVEPOINT s;
FETCH 1 FROM c;
COMMIT;
SELECT count(*) FROM apikeys.active_keys WHERE name LIKE 'cursor%';
PREPARE make AS SELECT name FROM apikeys.create_key($1, '{data}', 'b');
EXECUTE make('prepared 1');
EXECUTE make('prepared 2');
DEALLOCATE make;
CREATE PROCEDURE pg_temp.make() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM apikeys.create_key('procedure 1', '{data}', 'b');
	COMMIT;
	PERFORM apikeys.create_key('procedure 2', '{data}', 'b');
	ROLLBACK;
	PERFORM apikeys.create_key('procedure 3', '{data}', 'b');
END
$$;
CALL pg_temp.make();
SELECT name FROM apikeys.active_keys WHERE name LIKE 'p%' ORDER BY 1;
SELECT pg_temp.wrong();

-- the extension made anew in the transaction that uses it
DROP VIEW tree;
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT name FROM apikeys.create_key('before', '{data}');
DROP EXTENSION apikeys;
CREATE EXTENSION apikeys;
SELECT name FROM apikeys.create_key('new', '{data}');
COMMIT;
CALL apikeys.sequence_audit_logs();
SELECT workspace, entries, ok FROM apikeys.verify_audit_logs();
BEGIN;
SELECT name FROM apikeys.create_key('dropped with it', '{data}');
DROP EXTENSION apikeys;
COMMIT;
SELECT count(*) FROM pg_extension WHERE extname = 'apikeys';
CREATE EXTENSION apikeys;
SELECT name FROM apikeys.create_key('after', '{data}');
SELECT pg_temp.wrong();
