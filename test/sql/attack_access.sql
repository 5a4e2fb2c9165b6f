-- Attack: reach beyond what was granted. One role manages and audits workspace red, another is red's admin. Workspace blue
-- belongs to others: nothing in it may be seen or changed, nor be known to exist.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE ROLE regress_ak_red;
CREATE ROLE regress_ak_red_admin;
CREATE ROLE regress_ak_stranger;
CREATE ROLE regress_ak_child NOINHERIT;
CREATE ROLE regress_ak_heir INHERIT;

-- Default privileges, set long before, give nobody anything of what the extension creates.
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, regress_ak_stranger;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC, regress_ak_stranger;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC, regress_ak_stranger WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO PUBLIC, regress_ak_stranger;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC, regress_ak_stranger;
SET client_min_messages = warning; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC, regress_ak_stranger;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM PUBLIC, regress_ak_stranger;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM regress_ak_stranger;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TYPES FROM regress_ak_stranger;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM PUBLIC, regress_ak_stranger;
-- (pg_monitor has what test/sql/privileges.sql shows)
SELECT 'relation ' || c.oid::regclass AS open_to_strangers FROM pg_class c, LATERAL aclexplode(c.relacl) a
	WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND a.grantee NOT IN (c.relowner, 'pg_monitor'::regrole)
UNION SELECT 'function ' || p.oid::regprocedure FROM pg_proc p, LATERAL aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) a
	WHERE p.pronamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND a.grantee NOT IN (p.proowner, 'pg_monitor'::regrole)
UNION SELECT 'type ' || t.oid::regtype FROM pg_type t, LATERAL aclexplode(t.typacl) a
	WHERE t.typnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND a.grantee NOT IN (t.typowner, 'pg_monitor'::regrole)
UNION SELECT 'schema ' || n.nspname FROM pg_namespace n, LATERAL aclexplode(n.nspacl) a
	WHERE n.nspname IN ('apikeys', 'apikeys_internal') AND a.grantee NOT IN (n.nspowner, 'pg_monitor'::regrole)
ORDER BY 1;

-- what is internal must hold where its schema does not keep roles out
GRANT USAGE ON SCHEMA apikeys_internal TO PUBLIC;
SELECT apikeys.create_workspace('red'), apikeys.create_workspace('blue', 'Secret customer', 'bl', 1);
SELECT apikeys.add_team_member('bluebeard', 'blue team', 'blue');
SELECT apikeys.grant_access('regress_ak_red', c, 'red') FROM unnest('{manage,audit,validate}'::text[]) AS c;
SELECT apikeys.grant_access('regress_ak_red_admin', 'admin', 'red');
SELECT key AS blue, key_id AS blue_id FROM apikeys.create_key('Blue secret name', '{data}', 'blue', 'blue team', 'blue owner', NULL, '{192.0.2.1}', NULL, NULL, NULL, NULL, '{"tier": "gold"}') \gset
SELECT key_id AS old_blue_id FROM apikeys.create_key('Old blue', '{data}', 'blue') \gset
SELECT state FROM apikeys.archive_key(:'old_blue_id');
SELECT key AS red, key_id AS red_id FROM apikeys.create_key('Red', '{data}', 'red') \gset
SELECT count(*) FROM unnest('{red,blue}'::text[]) AS w, apikeys.create_key('Both', '{data}', w);
ANALYZE apikeys.key, apikeys.audit_log, apikeys.workspace, apikeys.team_member, apikeys.access;

-- A key of another workspace does not exist: each function says of it, word for word, what it says of one that was
-- never there.
CREATE TABLE public.said (call text, of text, state text, message text, detail text, hint text);
GRANT ALL ON public.said TO PUBLIC;
CREATE FUNCTION public.try(call text, of text, known text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	s text; m text; d text; h text;
BEGIN
	EXECUTE 'SELECT count(*) FROM ' || replace(call, '?', quote_literal(of)) || ' AS r' INTO m;
	INSERT INTO public.said VALUES (call, known, '00000', m);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS s = RETURNED_SQLSTATE, m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	INSERT INTO public.said VALUES (call, known, s, replace(m, of, '?'), replace(d, of, '?'), replace(h, of, '?'));
END $$;
SET ROLE regress_ak_red_admin;
SELECT count(public.try(call, id, known)) FROM unnest(ARRAY[
	'apikeys.key_details(?)', 'apikeys.update_key(?, ''x'')', 'apikeys.update_key(?)', 'apikeys.archive_key(?)',
	'apikeys.regenerate_key(?)', 'apikeys.end_overlap(?)', 'apikeys.usage_chart(?)', 'apikeys_internal.last_use(?)', 'apikeys.release_report(?)',
	'apikeys.search_audit_logs(key_id => ?)', 'apikeys.key_history(?)', 'apikeys.export_audit_logs(key_id => ?)']) AS call,
	(VALUES (:'blue_id', 'theirs'), (:'old_blue_id', 'theirs, archived'), ('00000000-0000-4000-8000-000000000000', 'nobody''s')) AS k (id, known);
SELECT count(public.try(call, name, known)) FROM unnest(ARRAY['apikeys.key_id(?)', 'apikeys.key_id(?, ''red'')']) AS call,
	(VALUES ('Blue secret name', 'theirs'), ('Nobody''s name', 'nobody''s')) AS k (name, known);
SELECT count(public.try(call, ws, known)) FROM unnest(ARRAY[
	'apikeys.key_id(''Both'', ?)', 'apikeys.create_key(''x'', ''{data}'', ?)', 'apikeys.create_workspace(?)',
	'apikeys.update_workspace(?, ''x'')', 'apikeys.add_team_member(''bluebeard'', ''t'', ?)', 'apikeys.remove_team_member(''bluebeard'', ?)',
	'apikeys.grant_access(''regress_ak_red'', ''view'', ?)', 'apikeys.revoke_access(''regress_ak_red'', ''view'', ?)',
	'apikeys.search_audit_logs(workspace => ?)', 'apikeys.export_audit_logs(workspace => ?)', 'apikeys.email_audit_logs(''ann@example.com'', workspace => ?)',
	'apikeys.verify_audit_logs(?)', 'apikeys.audit_checkpoint(?)', 'apikeys.audit_consistency_proof(?, 0)', 'apikeys.audit_feed(0, ?)', 'apikeys.purge_audit_logs(now(), ?)', 'apikeys.validate_key(''x'', NULL, NULL, ?)']) AS call,
	(VALUES ('blue', 'theirs'), ('nowhere', 'nobody''s'), ('default', 'theirs')) AS k (ws, known);
SELECT count(public.try(call, secret, known)) FROM unnest(ARRAY[
	'apikeys.identify_key(?)', 'apikeys.validate_key(?)', 'apikeys.authenticate(''Bearer '' || ?)']) AS call,
	(VALUES (:'blue', 'theirs'), ('nobody''s secret', 'nobody''s')) AS k (secret, known);
RESET ROLE;
SELECT call, count(DISTINCT (state, message, detail, hint)) AS answers FROM public.said GROUP BY call
	HAVING count(DISTINCT (state, message, detail, hint)) > 1;
SELECT DISTINCT call COLLATE "C" AS call, state, message FROM public.said ORDER BY 1, 2;

CALL apikeys.sequence_audit_logs();
-- The setting apikeys.workspace bounds, and never widens.
SET ROLE regress_ak_red_admin;
SET apikeys.workspace = 'blue';
SELECT * FROM apikeys.active_keys;
SELECT * FROM apikeys.audit_logs;
SELECT * FROM apikeys.verify_audit_logs();
SELECT (SELECT count(*) FROM apikeys.audit_checkpoint()), apikeys_internal.visible_workspaces('admin');
SELECT count(*) FROM apikeys.search_audit_logs();
SELECT count(*) FROM apikeys.export_audit_logs();
SELECT (SELECT count(*) FROM apikeys.key_usage) + (SELECT count(*) FROM apikeys.usage_history) + (SELECT count(*) FROM apikeys.denials)
	+ (SELECT count(*) FROM apikeys_internal.usage_memory()) + (SELECT count(*) FROM apikeys.reports) AS seen;
SELECT code, key_id FROM apikeys.validate_key(:'blue');
SELECT apikeys.create_key('x', '{data}');
\set VERBOSITY sqlstate
SELECT apikeys.key_details(:'blue_id');
SELECT apikeys.key_details(:'red_id');
\set VERBOSITY default
SELECT apikeys.grant_access('regress_ak_red_admin', 'admin');
SELECT apikeys.create_workspace('blue');
RESET apikeys.workspace;
-- used and denied in red and blue; one sees red
RESET ROLE;
SELECT code FROM unnest(ARRAY[:'red', :'blue', 'nobody''s']) AS k, apikeys.validate_key(k, NULL, '192.0.2.1');
SELECT code FROM unnest(ARRAY[:'red', :'blue']) AS k, apikeys.validate_key(k, 'push');
SET ROLE regress_ak_red_admin;
SELECT DISTINCT workspace FROM apikeys.key_usage UNION SELECT workspace FROM apikeys.usage_history UNION SELECT workspace FROM apikeys.denials
	UNION SELECT workspace FROM apikeys_internal.usage_memory();
SELECT apikeys_internal.last_use(:'blue_id'), apikeys_internal.last_use(:'red_id') IS NOT NULL AS red, counts_lost FROM apikeys.status();
SELECT DISTINCT workspace FROM apikeys.search_audit_logs(max_rows => 2147483647);
SELECT count(*) FROM apikeys.export_audit_logs() AS line WHERE line ~* 'blue';
-- Both workspaces have a key of this name; only one of them is in sight.
SELECT name, workspace FROM apikeys.key_details(apikeys.key_id('Both'));

-- One workspace's admin stays its admin.
SELECT apikeys.grant_access('regress_ak_red_admin', 'admin');
SELECT apikeys.grant_access('regress_ak_red_admin', 'admin', 'blue');
SELECT apikeys.grant_access('regress_ak_stranger', 'validate', NULL);
SELECT apikeys.grant_access('regress_ak_stranger', 'validate', '*');
SELECT apikeys.regrant_access();
SELECT apikeys.flush_usage();
-- nor does he widen what is another's: a gateway of blue, a group that it is in, or one that has it as a member
RESET ROLE;
SELECT apikeys.grant_access('regress_ak_child', 'validate', 'blue') \g /dev/null
GRANT regress_ak_child TO regress_ak_heir;
GRANT regress_ak_stranger TO regress_ak_child;
SET ROLE regress_ak_red_admin;
SELECT apikeys.grant_access('regress_ak_child', 'validate', 'red');
SELECT apikeys.grant_access('regress_ak_heir', 'validate', 'red');
SELECT apikeys.grant_access('regress_ak_stranger', 'validate', 'red');
RESET ROLE;
REVOKE regress_ak_child FROM regress_ak_heir;
REVOKE regress_ak_stranger FROM regress_ak_child;
SELECT apikeys.revoke_access('regress_ak_child', 'validate', 'blue') \g /dev/null
SET ROLE regress_ak_red_admin;
SELECT apikeys.revoke_access('regress_ak_red', 'manage');
SELECT apikeys.register_api('mine');
SELECT apikeys.unregister_api('push');
SELECT apikeys.create_workspace('green');
SELECT apikeys.grant_access('pg_read_all_data', 'sudo', 'red');
SELECT apikeys.grant_access('public', 'view', 'red');
SELECT apikeys.grant_access('current_user', 'view', 'red');
SELECT apikeys.grant_access('regress_ak_stranger; ALTER ROLE regress_ak_red SUPERUSER', 'view', 'red');
SET apikeys.workspace = '';
SELECT apikeys.add_team_member('x', 't', 'default');
RESET ROLE;
SELECT role, capability, workspace FROM apikeys.access ORDER BY 1, 2, 3;

-- Names that are quoting exercises are names.
CREATE ROLE "regress_ak_"" ; DROP TABLE apikeys.key; --";
SET ROLE regress_ak_red_admin;
SELECT apikeys.grant_access('regress_ak_" ; DROP TABLE apikeys.key; --', 'view', 'red');
SELECT apikeys.revoke_access('regress_ak_" ; DROP TABLE apikeys.key; --', 'view', 'red');
RESET ROLE;
DROP ROLE "regress_ak_"" ; DROP TABLE apikeys.key; --";

-- Tables, sequence, inner view, trigger functions: nothing for anybody.
SET ROLE regress_ak_red_admin;
SELECT key_hash FROM apikeys.key;
SELECT * FROM apikeys_internal.key_rows;
SELECT nextval('apikeys_internal.audit_id_seq');
INSERT INTO apikeys.access (role, capability) VALUES ('regress_ak_red_admin', 'admin');
BEGIN;
LOCK TABLE apikeys.key IN ACCESS SHARE MODE;
ROLLBACK;
UPDATE apikeys.active_keys SET name = 'x';
DELETE FROM apikeys.audit_logs;
SELECT name FROM apikeys.active_keys FOR UPDATE;
BEGIN;
LOCK TABLE apikeys.active_keys;
ROLLBACK;
CREATE TEMP TABLE mine (workspace text, audit_id bigint, row_digest bytea);
CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION apikeys_internal.audit();
CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION apikeys_internal.make_way();
CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION apikeys_internal.invalidate();
CREATE TRIGGER t AFTER INSERT ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys_internal.audit();
CREATE RULE r AS ON INSERT TO apikeys.key DO NOTHING;
CREATE TEMP TABLE child () INHERITS (apikeys.key);
CREATE TEMP TABLE fk (id uuid REFERENCES apikeys.key);
ALTER TABLE apikeys.key DISABLE TRIGGER guard;
COMMENT ON TABLE apikeys.key IS 'mine';
CREATE FUNCTION apikeys.mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TEMP TABLE like_key (LIKE apikeys.key);
SET session_replication_role = replica;
RESET ROLE;

-- Leaky functions and operators in a condition see no row of others.
SET ROLE regress_ak_red;
CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'leaked: %', $1; RETURN true; END $$;
CREATE FUNCTION pg_temp.leak(text, text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE 'leaked: % %', $1, $2; RETURN true; END $$;
CREATE OPERATOR pg_temp.<<< (FUNCTION = pg_temp.leak, LEFTARG = text, RIGHTARG = text, RESTRICT = eqsel);
SELECT name FROM apikeys.active_keys WHERE pg_temp.leak(name) ORDER BY name;
SELECT name FROM apikeys.active_keys WHERE name OPERATOR(pg_temp.<<<) 'x' ORDER BY name;
SELECT name FROM apikeys.archived_keys WHERE pg_temp.leak(name);
SELECT count(*) > 0 FROM apikeys.audit_logs WHERE NOT pg_temp.leak(activity) OR workspace <> 'red';
SELECT name FROM apikeys.active_keys WHERE 1 / (length(workspace) - 4) = 1;
SELECT name FROM apikeys.active_keys WHERE metadata ->> 'tier' = 'gold' OR 1 / (CASE workspace WHEN 'blue' THEN 0 ELSE 1 END) = 2;
-- statistics
SELECT tablename, attname FROM pg_stats WHERE schemaname IN ('apikeys', 'apikeys_internal');
SELECT statistics_name FROM pg_stats_ext WHERE schemaname IN ('apikeys', 'apikeys_internal');
SELECT count(*) FROM pg_statistic;
RESET ROLE;

-- Views and functions of others. A view shows what the one who asks may see, not what its maker may; a SECURITY DEFINER
-- function does what its owner may, and no more.
GRANT CREATE ON SCHEMA public TO regress_ak_red;
SET ROLE regress_ak_red;
CREATE VIEW public.red_keys AS SELECT workspace, name FROM apikeys.active_keys;
GRANT SELECT ON public.red_keys TO PUBLIC;
CREATE FUNCTION public.red_names() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT string_agg(workspace || ' ' || name, ', ' ORDER BY name) FROM apikeys.active_keys $$;
CREATE FUNCTION public.red_touch(id uuid) RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT name FROM apikeys.update_key(id, team => 'touched') $$;
RESET ROLE;
SELECT apikeys.grant_access('regress_ak_stranger', 'validate', 'blue');
SET ROLE regress_ak_stranger;
SELECT * FROM public.red_keys;
SELECT public.red_names();
SELECT public.red_touch(:'red_id');
\set VERBOSITY sqlstate
SELECT public.red_touch(:'blue_id');
\set VERBOSITY default
RESET ROLE;
SELECT apikeys.grant_access('regress_ak_stranger', 'view', 'blue');
SET ROLE regress_ak_stranger;
SELECT * FROM public.red_keys ORDER BY name;
RESET ROLE;
SELECT apikeys.revoke_access('regress_ak_stranger', 'view', 'blue'), apikeys.revoke_access('regress_ak_stranger', 'validate', 'blue');
-- the database user of an entry is the session's, whoever owns the function
SELECT DISTINCT db_user = session_user AS session_user, actor = session_user AS actor FROM apikeys.audit_logs WHERE key_name = 'Red';

-- Membership counts as in SQL: inherited at once, or after SET ROLE alone.
GRANT regress_ak_red TO regress_ak_child, regress_ak_heir;
SET ROLE regress_ak_heir;
SELECT name FROM apikeys.active_keys ORDER BY name;
SET ROLE regress_ak_child;
SELECT name FROM apikeys.active_keys;
RESET ROLE;
-- one that has EXECUTE by another way has no row of its own, and does not get its parent's
SELECT apikeys.grant_access('regress_ak_child', 'view', 'blue');
SET ROLE regress_ak_child;
SELECT name FROM apikeys.active_keys ORDER BY name;
SELECT apikeys.key_id('Red');
SELECT name FROM apikeys.key_details(apikeys.key_id('Both'));
RESET ROLE;
SET SESSION AUTHORIZATION regress_ak_child;
SET ROLE regress_ak_red;
SELECT name FROM apikeys.active_keys ORDER BY name;
RESET SESSION AUTHORIZATION;
REVOKE regress_ak_red FROM regress_ak_heir, regress_ak_child;
SET ROLE regress_ak_heir;
SELECT name FROM apikeys.active_keys;
RESET ROLE;

-- A role that was dropped leaves its rows. Another of its name inherits nothing of them, nor do its members.
CREATE ROLE regress_ak_ghost;
SELECT apikeys.grant_access('regress_ak_ghost', 'admin');
SET client_min_messages = warning;
DROP OWNED BY regress_ak_ghost;
DROP ROLE regress_ak_ghost;
CREATE ROLE regress_ak_ghost;
RESET client_min_messages;
GRANT regress_ak_ghost TO regress_ak_red;
SET ROLE regress_ak_red;
SELECT name FROM apikeys.active_keys WHERE workspace <> 'red';
\set VERBOSITY sqlstate
SELECT name FROM apikeys.key_details(:'blue_id');
\set VERBOSITY default
SELECT code FROM apikeys.validate_key(:'blue');
SELECT apikeys_internal.visible_workspaces('audit');
RESET ROLE;
ALTER ROLE regress_ak_ghost RENAME TO regress_ak_ghost2;
ALTER ROLE regress_ak_ghost2 RENAME TO regress_ak_ghost;
SELECT apikeys.grant_access('regress_ak_ghost', 'view', 'red');
SET ROLE regress_ak_red;
SELECT name FROM apikeys.active_keys WHERE workspace <> 'red';
RESET ROLE;

-- An index expression or a materialized view runs while somebody else maintains the table. Nobody manages keys in his
-- name there.
SET ROLE regress_ak_red;
CREATE FUNCTION public.trojan(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	BEGIN
		PERFORM apikeys.archive_key(apikeys.key_id('Red', 'red'));
		RAISE NOTICE 'archived as %', CASE WHEN current_user = session_user THEN 'superuser' ELSE current_user::text END;
	EXCEPTION WHEN OTHERS THEN
		RAISE NOTICE '%: %', SQLSTATE, SQLERRM;
	END;
	RETURN i;
END $$;
CREATE TABLE public.trojan_horse (i int);
INSERT INTO public.trojan_horse VALUES (1);
CREATE MATERIALIZED VIEW public.trojan_view AS SELECT public.trojan(i) FROM public.trojan_horse WITH NO DATA;
RESET ROLE;
REFRESH MATERIALIZED VIEW public.trojan_view;
CREATE INDEX ON public.trojan_horse (public.trojan(i));
SELECT name, state FROM apikeys.key_details(:'red_id');

-- A superuser who puts a trigger of ours where it does not belong gets an error, no crash.
CREATE TEMP TABLE elsewhere (a text, b int);
CREATE TRIGGER t BEFORE INSERT ON elsewhere FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_key();
INSERT INTO elsewhere VALUES ('x', 1);
DROP TRIGGER t ON elsewhere;
CREATE TRIGGER t BEFORE INSERT ON elsewhere FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_row();
INSERT INTO elsewhere VALUES ('x', 1);
DROP TRIGGER t ON elsewhere;
CREATE TRIGGER t BEFORE INSERT ON elsewhere FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_log();
INSERT INTO elsewhere VALUES ('x', 1);
DROP TRIGGER t ON elsewhere;
CREATE TRIGGER t BEFORE INSERT ON elsewhere FOR EACH ROW EXECUTE FUNCTION apikeys_internal.make_way();
INSERT INTO elsewhere VALUES ('x', 1);
DROP TRIGGER t ON elsewhere;
CREATE TRIGGER t AFTER INSERT ON elsewhere FOR EACH ROW EXECUTE FUNCTION apikeys_internal.audit();
INSERT INTO elsewhere VALUES ('x', 1);
DROP TRIGGER t ON elsewhere;
CREATE TRIGGER t AFTER INSERT ON elsewhere FOR EACH ROW EXECUTE FUNCTION apikeys_internal.invalidate();
INSERT INTO elsewhere VALUES ('x', 1);
DROP TABLE elsewhere;
SELECT apikeys_internal.audit();

CALL apikeys.sequence_audit_logs();
SELECT workspace, ok, problem FROM apikeys.verify_audit_logs() ORDER BY 1 NULLS FIRST;
SET client_min_messages = warning;
DROP OWNED BY regress_ak_red, regress_ak_red_admin, regress_ak_stranger, regress_ak_child, regress_ak_heir, regress_ak_ghost;
DROP ROLE regress_ak_red, regress_ak_red_admin, regress_ak_stranger, regress_ak_child, regress_ak_heir, regress_ak_ghost;
DROP TABLE public.said;
DROP FUNCTION public.try(text, text, text);

-- A role with manage archives a key while another's table refers to keys: its own deferred triggers do not run with our
-- rights.
CREATE ROLE regress_ak_climber;
SELECT apikeys.grant_access('regress_ak_climber', 'manage', 'default') \g /dev/null
UPDATE apikeys.workspace SET archive_limit = 1 WHERE workspace = 'default';
CREATE TABLE public.refers (key_id uuid REFERENCES apikeys.key);
SET client_min_messages = error;
SET ROLE regress_ak_climber;
SELECT count(*) FROM generate_series(1, 3) AS i, apikeys.create_key('climb ' || i, '{data}');
SELECT state FROM apikeys.archive_key(apikeys.key_id('climb 1'));
BEGIN;
CREATE TEMP TABLE climb (who text);
CREATE TEMP TABLE bait (i integer);
CREATE FUNCTION pg_temp.climb() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO climb VALUES (current_user); RAISE WARNING ''%'', current_user; RETURN NULL; END';
CREATE CONSTRAINT TRIGGER climb AFTER INSERT ON bait DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pg_temp.climb();
INSERT INTO bait VALUES (1);
SET client_min_messages = warning;
SELECT state FROM apikeys.archive_key(apikeys.key_id('climb 2'));
SET client_min_messages = error;
COMMIT;
SELECT * FROM climb;
RESET ROLE;
DROP TABLE climb, bait, public.refers;
SELECT apikeys.revoke_access('regress_ak_climber', 'manage', 'default') \g /dev/null
DROP OWNED BY regress_ak_climber;
DROP ROLE regress_ak_climber;
RESET client_min_messages;
