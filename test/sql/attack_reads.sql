-- Attack: learn about another tenant from the functions and views that read, by plans and cursors made with other rights,
-- settings changed while a statement runs, casts and types of the attacker, numbers and lists out of range.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
SELECT apikeys.create_workspace('red'), apikeys.create_workspace('blue', prefix => 'bl') \g /dev/null
SELECT key AS blue, key_id AS blue_id FROM apikeys.create_key('Blue', '{data}', 'blue', owner => 'blue owner', metadata => '{"tier": "gold"}', quota => 3) \gset
SELECT key AS red, key_id AS red_id FROM apikeys.create_key('Red', '{data}', 'red') \gset
SELECT code FROM unnest(ARRAY[:'blue', :'red']) AS k, apikeys.validate_key(k);
CALL apikeys.sequence_audit_logs();
SELECT apikeys.flush_usage() >= 0 AS flushed;
CREATE ROLE regress_ak_red;
CREATE ROLE regress_ak_red_monitor;
SELECT apikeys.grant_access('regress_ak_red', c, 'red') FROM unnest('{manage,audit,admin}'::text[]) AS c \g /dev/null
SELECT apikeys.grant_access('regress_ak_red_monitor', 'monitor', 'red') \g /dev/null

-- plans made by one who sees all, and kept: each execution sees what its role may, and what the setting bounds
SET plan_cache_mode = force_generic_plan;
CREATE TEMPORARY TABLE readers (name text, statement text);
INSERT INTO readers SELECT v, format('SELECT workspace FROM apikeys.%s', v) FROM unnest('{keys,active_keys,key_usage,usage_history,usage_daily,denials,audit_logs,workspaces,team_members,accesses,reports}'::text[]) AS v;
INSERT INTO readers SELECT f, format('SELECT workspace FROM apikeys.%s()', f) FROM unnest('{list_keys,search_audit_logs,audit_feed,audit_checkpoint,verify_audit_logs}'::text[]) AS f;
INSERT INTO readers VALUES ('metrics', 'SELECT labels ->> ''workspace'' AS workspace FROM apikeys.metrics()'),
	('find_secrets', format('SELECT f.workspace FROM apikeys.find_secrets(%L) AS f', :'blue' || ' ' || :'red')),
	('identify_key', format('SELECT i.workspace FROM unnest(ARRAY[%L, %L]) AS k, apikeys.identify_key(k) AS i', :'blue', :'red')),
	('audit_filters', 'SELECT NULL::text AS workspace FROM apikeys.audit_filters() AS f WHERE f.actors @> ''{nobody}''');
\set ECHO none
SELECT format('PREPARE attack_%s AS SELECT %L AS what, string_agg(DISTINCT workspace, '','') AS seen, coalesce(bool_or(workspace = ''blue''), false) AS blue FROM (%s) AS s', name, name, statement) FROM readers \gexec
\set ECHO all
GRANT SELECT ON readers TO PUBLIC;
CREATE FUNCTION pg_temp.seen(OUT what text, OUT seen text, OUT blue boolean) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT * FROM readers ORDER BY name COLLATE "C" LOOP
		BEGIN
			EXECUTE 'EXECUTE attack_' || r.name INTO what, seen, blue;
		EXCEPTION WHEN insufficient_privilege THEN
			what := r.name;
			seen := 'refused';
			blue := false;
		END;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT count(*) >= 10 AS sees_blue_in_many FROM pg_temp.seen() WHERE blue;
SET ROLE regress_ak_red;
SELECT * FROM pg_temp.seen();
SET ROLE regress_ak_red_monitor;
SELECT string_agg(what, ' ') FILTER (WHERE seen <> 'refused') AS may, bool_or(blue) AS blue FROM pg_temp.seen();
RESET ROLE;
SET apikeys.workspace = 'red';
SELECT bool_or(blue) AS blue FROM pg_temp.seen();
RESET apikeys.workspace;
RESET plan_cache_mode;

-- a cursor reads with the rights that its role has when it is read; a held one, too, whose rows are made at commit
SET ROLE regress_ak_red;
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT name FROM apikeys.keys;
DECLARE mine CURSOR FOR SELECT name FROM apikeys.keys;
RESET ROLE;
SELECT apikeys.revoke_access('regress_ak_red', c, 'red') FROM unnest('{manage,admin}'::text[]) AS c \g /dev/null
SET ROLE regress_ak_red;
FETCH ALL FROM mine;
COMMIT;
FETCH ALL FROM held;
CLOSE held;
RESET ROLE;
SELECT apikeys.grant_access('regress_ak_red', 'manage', 'red') \g /dev/null
SET ROLE regress_ak_red;
-- the setting narrowed and widened while a search is half read, and by an argument of the call itself
BEGIN;
DECLARE page CURSOR FOR SELECT workspace FROM apikeys.search_audit_logs();
FETCH 1 FROM page;
SET LOCAL apikeys.workspace = 'blue';
SELECT count(*) FROM apikeys.search_audit_logs();
MOVE FORWARD 100 FROM page;
COMMIT;
CREATE FUNCTION pg_temp.widen() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('apikeys.workspace', '', false); RETURN NULL; END $$;
SET apikeys.workspace = 'blue';
SELECT workspace FROM apikeys.list_keys(pg_temp.widen());
SET apikeys.workspace = 'blue';
SELECT k.workspace FROM apikeys.keys AS k WHERE pg_temp.widen() IS NULL;
RESET apikeys.workspace;

-- types, casts and domains of the attacker's: code of his runs as himself alone
CREATE TYPE pg_temp.bait AS (a text);
CREATE FUNCTION pg_temp.steal(pg_temp.bait) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'cast as %', current_user; RETURN 'red'; END $$;
CREATE CAST (pg_temp.bait AS text) WITH FUNCTION pg_temp.steal(pg_temp.bait) AS IMPLICIT;
CREATE DOMAIN pg_temp.trap AS text CHECK (current_user = 'regress_ak_red');
SELECT (SELECT workspace FROM apikeys.list_keys(ROW('x')::pg_temp.bait)), (SELECT workspace FROM apikeys.list_keys('red'::pg_temp.trap)), (SELECT count(*) FROM apikeys.audit_feed(0, 'red'::pg_temp.trap)) > 0 AS feed;
SELECT pg_temp.sqlstate(s) AS refused, s FROM unnest(ARRAY['CREATE TABLE pg_temp.t (v apikeys.verdict)', 'CREATE FUNCTION apikeys.name(apikeys.key_detail) RETURNS text LANGUAGE sql AS ''SELECT 1''', 'ALTER TYPE apikeys.verdict ADD ATTRIBUTE x integer',
	'CREATE OPERATOR apikeys.=(FUNCTION = texteq, LEFTARG = text, RIGHTARG = text)', 'CREATE CAST (apikeys.key_detail AS text) WITH INOUT AS IMPLICIT', 'CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION apikeys_internal.audit()',
	'ALTER VIEW apikeys.keys SET (security_barrier = off)', 'CREATE RULE r AS ON SELECT TO apikeys.keys DO INSTEAD SELECT 1', 'CREATE STATISTICS s ON name, team FROM apikeys.key', 'ALTER FUNCTION apikeys.list_keys COST 0', 'GRANT SELECT ON apikeys.keys TO PUBLIC WITH GRANT OPTION',
	'COPY apikeys.key TO STDOUT', 'TABLE apikeys_internal.key_use', 'TABLE apikeys_internal.lock_salt', 'ALTER DATABASE postgres SET apikeys.audit_signing_key_file = ''/tmp/x''', 'SET apikeys.smtp_netrc = ''/tmp/x''', 'LOAD ''apikeys''; SET apikeys.usage_memory = 1', 'PREPARE TRANSACTION ''x''']) AS s ORDER BY s COLLATE "C";
DROP CAST (pg_temp.bait AS text);

-- what is another's is what nobody has, word for word
CREATE FUNCTION pg_temp.answer(call text, VARIADIC things text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text[];
	m text; d text; h text;
BEGIN
	FOR i IN 1 .. 2 LOOP
		BEGIN
			EXECUTE format('SELECT count(*)::text FROM apikeys.%s AS r', call) INTO m USING things[i];
			said[i] := m || ' rows';
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
			said[i] := replace(concat_ws(' | ', SQLSTATE, m, d, h), things[i], '?');
		END;
	END LOOP;
	RETURN CASE WHEN said[1] = said[2] THEN said[1] ELSE 'IT TELLS: ' || said::text END;
END $$;
SELECT min(audit_id) AS audit_id FROM apikeys.search_audit_logs() \gset
RESET ROLE;
SELECT audit_id AS theirs FROM apikeys.audit_log WHERE key_id = :'blue_id' LIMIT 1 \gset
SET ROLE regress_ak_red;
SELECT call, pg_temp.answer(call, :'theirs', '987654321') FROM unnest(ARRAY['audit_inclusion_proof($1::bigint)', 'audit_inclusion_proof($1::bigint, 1)', 'audit_inclusion_proof($1::bigint, -1)']) AS call;
SELECT call, pg_temp.answer(call, 'blue', 'nowhere') FROM unnest(ARRAY['audit_feed(0, $1)', 'audit_consistency_proof($1, 0)', 'audit_consistency_proof($1, -1)', 'audit_checkpoint($1)', 'verify_audit_logs($1)', 'audit_filters($1)', 'list_keys($1)', 'secret_pattern($1)', 'key_id(''Blue'', $1)']) AS call;
SELECT call, pg_temp.answer(call, :'blue_id', '00000000-0000-4000-8000-000000000000') FROM unnest(ARRAY['key_history($1::uuid)', 'key_details($1::uuid)', 'usage_chart($1::uuid)', 'disable_key($1::uuid)', 'enable_key($1::uuid)', 'list_keys(search => $1)', 'search_audit_logs(key_id => $1::uuid)',
	'update_key($1::uuid, if_updated_at => ''infinity'')', 'regenerate_key($1::uuid, ''-1 day'')']) AS call;
-- bounds
CALL apikeys.sequence_audit_logs();
SELECT call, r AS refused FROM unnest(ARRAY['audit_feed(-1)', 'audit_feed(0, NULL, -1)', 'audit_feed(''-9223372036854775808'')', format('audit_inclusion_proof(%s, 9223372036854775807)', :audit_id), format('audit_inclusion_proof(%s, 0)', :audit_id), 'audit_inclusion_proof(''-9223372036854775808'')',
	'audit_consistency_proof(''red'', 9223372036854775807)', 'audit_consistency_proof(''red'', 1, ''-1'')', 'audit_consistency_proof('''', 0)', 'audit_checkpoint('''')', 'audit_feed(0, '''')', 'list_keys(skip => ''-2147483648'')', 'list_keys(max_rows => ''-2147483648'')', 'search_audit_logs(max_rows => -1)',
	'verify_audit_logs(''red'', array_fill(''x''::text, ARRAY[2,2,2]))', 'verify_audit_logs(''red'', ''{NULL}'')', 'search_audit_logs(teams => ''{NULL}'')', 'create_key(''x'', ''{{data},{push}}'', ''red'')', 'create_key(''x'', ''{data}'', ''red'', allowed_cidrs => ''{{10.0.0.0/8}}'')']) AS call, LATERAL pg_temp.refused(format('SELECT count(*) FROM apikeys.%s AS r', call)) AS r;
SELECT (SELECT count(*) FROM apikeys.audit_feed(9223372036854775807, NULL, 2147483647)) AS feed, (SELECT count(*) FROM apikeys.audit_feed(max_rows => 0)) AS none, (SELECT count(*) FROM apikeys.list_keys(skip => 2147483647, max_rows => 2147483647)) AS skipped,
	(SELECT count(*) FROM apikeys.list_keys(expires_before => '-infinity', unused_since => 'infinity')) AS before, (SELECT count(*) FROM apikeys.search_audit_logs(teams => array_fill('x'::text, ARRAY[2,2,2]), actions => '{{{Create}}}')) AS dimensions;
RESET ROLE;

-- Monitoring within a workspace tells of no other's, and of nothing of the server.
SELECT apikeys.flush_usage() \g /dev/null
SET ROLE regress_ak_red_monitor;
SELECT name, labels, value FROM apikeys.metrics() ORDER BY 1, 2;
SELECT count(*) FROM apikeys.status();
RESET ROLE;
DEALLOCATE ALL;
SELECT * FROM pg_temp.wrong();
DROP OWNED BY regress_ak_red, regress_ak_red_monitor;
DROP ROLE regress_ak_red, regress_ak_red_monitor;
