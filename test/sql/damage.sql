-- What a superuser can do to our tables: triggers that refuse rows, columns and rows taken away, false entries. Each function
-- says what is wrong, and none fails silently. (What verify_audit_logs() finds is in tamper.sql.)
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
\set SHOW_CONTEXT never
SELECT apikeys.create_workspace('acme'), apikeys.create_workspace('empty') \g /dev/null
SELECT key_id AS a_id, key AS a FROM apikeys.create_key('A', '{data}', 'acme') \gset
CREATE ROLE regress_ak_role;

-- A trigger that returns NULL: an error, 09000, from whatever would have written that row.
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION pg_temp.with_trigger(relation regclass, event text, VARIADIC statements text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	s text;
BEGIN
	EXECUTE format('CREATE TRIGGER zz BEFORE %s ON %s FOR EACH ROW EXECUTE FUNCTION public.refuse()', event, relation);
	FOREACH s IN ARRAY statements LOOP
		RETURN QUERY SELECT pg_temp.refused(s);
	END LOOP;
	EXECUTE format('DROP TRIGGER zz ON %s', relation);
END $$;
SELECT * FROM pg_temp.with_trigger('apikeys.key', 'INSERT', 'SELECT apikeys.create_key(''B'', ''{data}'')', 'SELECT apikeys.import_key(''B'', ''{data}'', sha256(''b''))');
SELECT * FROM pg_temp.with_trigger('apikeys.key', 'UPDATE', format('SELECT apikeys.update_key(%L, ''B'')', :'a_id'), format('SELECT apikeys.regenerate_key(%L)', :'a_id'), format('SELECT apikeys.disable_key(%L)', :'a_id'), format('SELECT apikeys.archive_key(%L)', :'a_id'),
	format('SELECT apikeys.revoke_key(%L)', :'a'), format('SELECT apikeys.report_leak(jsonb_build_array(jsonb_build_object(''token'', %L::text)))', :'a'));
SELECT * FROM pg_temp.with_trigger('apikeys.workspace', 'INSERT OR DELETE', 'SELECT apikeys.create_workspace(''w'')', 'SELECT apikeys.drop_workspace(''empty'')');
SELECT * FROM pg_temp.with_trigger('apikeys.api', 'INSERT', 'SELECT apikeys.register_api(''x'')');
SELECT * FROM pg_temp.with_trigger('apikeys.team_member', 'INSERT', 'SELECT apikeys.add_team_member(''ann'', ''red'', ''acme'')');
SELECT * FROM pg_temp.with_trigger('apikeys.access', 'INSERT', 'SELECT apikeys.grant_access(''regress_ak_role'', ''view'')');
-- nor does one that would have changed or deleted it say that there is none
BEGIN;
SELECT apikeys.register_api('extra'), apikeys.add_team_member('bob', 'red', 'acme'), apikeys.add_team_member('bob', 'red', 'empty'), apikeys.grant_access('regress_ak_role', 'view'), apikeys.grant_access('regress_ak_role', 'view', 'empty') \g /dev/null
SELECT * FROM pg_temp.with_trigger('apikeys.workspace', 'UPDATE', 'SELECT apikeys.update_workspace(''acme'', ''A'')', 'SELECT apikeys.update_workspace(''nowhere'', ''A'')');
SELECT * FROM pg_temp.with_trigger('apikeys.api', 'UPDATE', 'SELECT apikeys.unregister_api(''extra'')', 'SELECT apikeys.unregister_api(''nowhere'')');
SELECT * FROM pg_temp.with_trigger('apikeys.team_member', 'UPDATE OR DELETE', 'SELECT apikeys.add_team_member(''bob'', ''blue'', ''acme'')', 'SELECT apikeys.remove_team_member(''bob'', ''acme'')', 'SELECT apikeys.remove_team_member(''ann'', ''acme'')',
	'SELECT apikeys.drop_workspace(''empty'')');
SELECT * FROM pg_temp.with_trigger('apikeys.access', 'DELETE', 'SELECT apikeys.revoke_access(''regress_ak_role'', ''view'')', 'SELECT apikeys.drop_workspace(''empty'')');
SELECT * FROM pg_temp.with_trigger('apikeys_internal.access_role', 'INSERT', 'SELECT apikeys.grant_access(''regress_ak_role'', ''manage'')');
-- an access without its privileges, which the next grant would give again
DROP OWNED BY regress_ak_role;
SELECT * FROM pg_temp.with_trigger('apikeys.access', 'DELETE', 'SELECT apikeys.grant_access(''regress_ak_role'', ''audit'')');
-- the new name of a role
ALTER ROLE regress_ak_role RENAME TO regress_ak_renamed;
SELECT * FROM pg_temp.with_trigger('apikeys.access', 'INSERT', 'SELECT apikeys.grant_access(''regress_ak_renamed'', ''view'')');
ROLLBACK;
-- nothing is done that no entry tells of
SELECT * FROM pg_temp.with_trigger('apikeys.audit_log', 'INSERT', 'SELECT apikeys.create_workspace(''w'')', format('SELECT apikeys.disable_key(%L)', :'a_id'), 'SELECT apikeys.email_audit_logs(''ann@example.com'')', 'DELETE FROM apikeys.team_member; INSERT INTO apikeys.workspace (workspace) VALUES (''w'')');
SELECT * FROM pg_temp.with_trigger('apikeys_internal.audit_pending', 'INSERT', 'SELECT apikeys.create_workspace(''w'')');
SELECT pg_temp.wrong();
-- one that acts in turn, more deeply than anybody should
CREATE FUNCTION public.deeper() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.archive_limit < 30 THEN
		PERFORM apikeys.update_workspace(NEW.workspace, archive_limit => NEW.archive_limit + 1);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER zz AFTER UPDATE ON apikeys.workspace FOR EACH ROW EXECUTE FUNCTION public.deeper();
SELECT apikeys.update_workspace('acme', archive_limit => 11);
SELECT archive_limit, (SELECT count(*) FROM apikeys.audit_logs WHERE entity = 'Workspaces' AND action = 'Update') AS told FROM apikeys.workspaces WHERE workspace = 'acme';
DROP TRIGGER zz ON apikeys.workspace;
SELECT pg_temp.wrong();

-- Our triggers where they do not belong, or called as others.
CREATE TABLE public.elsewhere (workspace text);
CREATE TRIGGER t BEFORE INSERT ON public.elsewhere EXECUTE FUNCTION apikeys_internal.invalidate();
SELECT pg_temp.refused('INSERT INTO public.elsewhere VALUES (''x'')');
DROP TRIGGER t ON public.elsewhere;
CREATE TRIGGER t BEFORE INSERT ON public.elsewhere EXECUTE FUNCTION apikeys_internal.keep_here();
SELECT pg_temp.refused('INSERT INTO public.elsewhere VALUES (''x'')');
DROP TABLE public.elsewhere;

-- The salt of the locks is gone, or a workspace.
BEGIN;
DELETE FROM apikeys_internal.lock_salt;
ALTER TABLE apikeys.key SET (fillfactor = 90);
SELECT pg_temp.refused(format('SELECT apikeys.archive_key(%L)', :'a_id'));
ROLLBACK;
-- a subscriber keeps its own, whatever comes from the publisher
BEGIN;
SET LOCAL session_replication_role = replica;
WITH gone AS (DELETE FROM apikeys_internal.lock_salt RETURNING salt) SELECT count(*) AS gone FROM gone;
ROLLBACK;
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM apikeys.workspace WHERE workspace = 'acme';
SET LOCAL session_replication_role = origin;
SELECT code FROM apikeys.validate_key(:'a', 'data');
SELECT apikeys.report_leak(jsonb_build_array(jsonb_build_object('token', :'a'))) #> '{0,label}' AS label, (SELECT state FROM apikeys.enable_key(:'a_id')) AS state;
SELECT left(key, 3) AS prefix FROM apikeys.regenerate_key(:'a_id');
SELECT pg_temp.refused('SELECT apikeys.create_key(''B'', ''{data}'', ''acme'')');
SELECT name, state FROM apikeys.archive_key(:'a_id');
ROLLBACK;
SET apikeys.workspace = 'nowhere';
SELECT apikeys.secret_pattern() IS NULL AS no_pattern, (SELECT count(*) FROM apikeys.find_secrets(:'a')) AS found, (SELECT count(*) FROM apikeys.audit_checkpoint()) AS checkpoints;
RESET apikeys.workspace;

-- Entries that are none do not keep the others out of the tree; a tree without a node takes no more, and says so.
CREATE FUNCTION pg_temp.forge(n integer, kind text, d bytea) RETURNS void LANGUAGE sql AS $$
	INSERT INTO apikeys.audit_log SELECT (jsonb_populate_record(l, jsonb_build_object('audit_id', 100000 + n, 'entity', kind, 'action', kind, 'digest', d))).* FROM apikeys.audit_log AS l ORDER BY audit_id LIMIT 1 $$;
BEGIN;
SET LOCAL session_replication_role = replica;
SELECT pg_temp.forge(i, 'Forged', d) FROM (VALUES (2, 'short'::bytea), (3, sha256('x'))) AS v (i, d) \g /dev/null
SET LOCAL session_replication_role = origin;
INSERT INTO apikeys_internal.audit_pending SELECT i FROM unnest('{100002,100003,100004,1}'::bigint[]) AS i;
COMMIT;
CALL apikeys.sequence_audit_logs();
SELECT array_agg(audit_id ORDER BY audit_id) AS waiting FROM apikeys_internal.audit_pending;
SELECT count(*) AS leaves FROM apikeys.audit_tree WHERE audit_id > 100000;
SELECT entity, count(*) FROM apikeys.search_audit_logs(entities => '{API Keys}') GROUP BY 1;
BEGIN;
DELETE FROM apikeys_internal.audit_pending WHERE audit_id >= 100000;
SET LOCAL session_replication_role = replica;
DELETE FROM apikeys.audit_tree WHERE audit_id >= 100000;
DELETE FROM apikeys.audit_log WHERE audit_id >= 100000;
CREATE TABLE public.kept AS SELECT * FROM apikeys.audit_tree;
UPDATE apikeys.audit_tree SET hashes = ''::bytea WHERE workspace = 'acme';
COMMIT;
SELECT apikeys.update_workspace('acme', 'Acme');
CALL apikeys.sequence_audit_logs();
SELECT pg_temp.refused('SELECT apikeys.audit_consistency_proof(''acme'', 1)');
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE apikeys.audit_tree AS t SET hashes = k.hashes FROM public.kept AS k WHERE k.workspace = t.workspace AND k.position = t.position;
COMMIT;
CALL apikeys.sequence_audit_logs();
SELECT pg_temp.wrong();
DROP TABLE public.kept;

-- A forged log with more kinds of entries than the index is asked for: row by row, and the same is found.
CREATE FUNCTION pg_temp.found() RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', (SELECT count(*) FROM apikeys.search_audit_logs(entities => '{API Keys}', max_rows => 1000)), (SELECT count(*) FROM apikeys.search_audit_logs(actions => '{Update}', max_rows => 1000)),
	(SELECT count(*) FROM apikeys.search_audit_logs(entities => '{Workspaces}', actions => '{Update}', max_rows => 1000)), (SELECT count(*) FROM apikeys.search_audit_logs(actions => '{Create}', workspace => 'acme', max_rows => 1000))) $$;
SELECT pg_temp.found();
BEGIN;
SET LOCAL session_replication_role = replica;
SELECT pg_temp.forge(i, 'Forged ' || i, '') FROM generate_series(1, 200) AS i \g /dev/null
SELECT count(*) AS forged FROM apikeys.audit_log WHERE entity ~ '^Forged';
SELECT pg_temp.found();
-- more actions of one entity than are read side by side
INSERT INTO apikeys.audit_log SELECT (jsonb_populate_record(NULL::apikeys.audit_log, to_jsonb(l) || jsonb_build_object('audit_id', 200000 + i, 'entity', 'API Keys', 'action', 'Forged ' || i))).* FROM generate_series(1, 100) AS i, (SELECT * FROM apikeys.audit_log ORDER BY audit_id LIMIT 1) AS l;
SELECT count(*), count(*) = (SELECT count(*) FROM apikeys.audit_logs WHERE entity = 'API Keys') AS all_of_them FROM apikeys.search_audit_logs(entities => '{API Keys}', max_rows => 1000);
SELECT count(*) FROM apikeys.search_audit_logs('forged', entities => '{API Keys}', actors => '{nobody}');
-- changes that are no object, and an entry of a key that tells of nothing
UPDATE apikeys.audit_log SET changes = '[1, "x"]' WHERE key_id = :'a_id' AND action = 'Create';
SELECT action, (detail).name, (detail).state FROM apikeys.key_history(:'a_id');
UPDATE apikeys.audit_log SET changes = NULL WHERE key_id = :'a_id' AND action = 'Create';
SELECT action, (detail).name, (detail).state FROM apikeys.key_history(:'a_id');
UPDATE apikeys.audit_log SET "time" = 'infinity' WHERE key_id = :'a_id' AND action = 'Create';
SELECT "time" FROM apikeys.key_history(:'a_id');
SELECT count(*) FROM apikeys.search_audit_logs('infinity');
ROLLBACK;

-- An entry that does not get into its tree, a report that is not queued, entries that are not purged.
CREATE TRIGGER zz BEFORE INSERT ON apikeys.audit_tree FOR EACH ROW EXECUTE FUNCTION public.refuse();
SELECT apikeys.update_workspace('acme', 'Acme once more');
CALL apikeys.sequence_audit_logs();
DROP TRIGGER zz ON apikeys.audit_tree;
CALL apikeys.sequence_audit_logs();
SELECT count(*) AS pending FROM apikeys_internal.audit_pending;
BEGIN;
SELECT * FROM pg_temp.with_trigger('apikeys_internal.report', 'INSERT', 'SELECT apikeys.email_audit_logs(''ann@example.com'')');
SELECT apikeys.email_audit_logs('ann@example.com') AS report \gset
SET LOCAL session_replication_role = replica;
UPDATE apikeys_internal.report SET state = 'failed';
SET LOCAL session_replication_role = origin;
SELECT * FROM pg_temp.with_trigger('apikeys_internal.report', 'UPDATE', format('SELECT apikeys.release_report(%L)', :'report'));
SELECT * FROM pg_temp.with_trigger('apikeys.audit_log', 'DELETE', 'SELECT apikeys.purge_audit_logs(clock_timestamp(), ''acme'')');
SELECT * FROM pg_temp.with_trigger('apikeys.audit_tree', 'DELETE', 'SELECT apikeys.purge_audit_logs(clock_timestamp(), ''acme'')');
SELECT * FROM pg_temp.with_trigger('apikeys.audit_tree', 'UPDATE', 'SELECT apikeys.purge_audit_logs(clock_timestamp(), ''acme'')');
ROLLBACK;

SELECT pg_temp.wrong();
DROP OWNED BY regress_ak_role;
DROP ROLE regress_ak_role;
DROP FUNCTION public.refuse, public.deeper;
