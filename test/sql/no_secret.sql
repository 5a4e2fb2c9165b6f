-- A secret is returned once. After that it is in no table, view, entry, error, notice or notification.
\set ECHO none
\i test/lib/regress.sql

CREATE TEMPORARY TABLE secrets (key text);
CREATE ROLE regress_ak_app;
SELECT apikeys.grant_access('regress_ak_app', 'admin');
INSERT INTO secrets SELECT k.key FROM generate_series(1, 3) AS i, apikeys.create_key('key ' || i, '{data}', metadata => '{"a": 1}') AS k;
INSERT INTO secrets SELECT k.key FROM apikeys.active_keys a, apikeys.regenerate_key(a.key_id, '1 hour') AS k;
INSERT INTO secrets SELECT k.key FROM apikeys.active_keys a, apikeys.regenerate_key(a.key_id) AS k;
INSERT INTO secrets VALUES ('a foreign secret of some length');
SELECT count(*) FROM apikeys.import_key('foreign', '{data}', sha256('a foreign secret of some length'), 'a fo…gth');
SELECT code, count(*) FROM secrets, apikeys.validate_key(key) GROUP BY 1 ORDER BY 1;
SELECT code, count(*) FROM secrets, apikeys.authenticate('Bearer ' || translate(key, ' ', '_')) GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM secrets, apikeys.identify_key(key);
SELECT (apikeys.archive_key(apikeys.key_id('key 1'))).state;

-- every column of every table and view of ours, and everything beside in this database that we could have written
CREATE FUNCTION pg_temp.places() RETURNS TABLE (place text, line text) LANGUAGE plpgsql AS
$$
DECLARE
	r regclass;
BEGIN
	FOR r IN SELECT c.oid FROM pg_class c WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind IN ('r', 'v', 'm', 'p') LOOP
		RETURN QUERY EXECUTE format('SELECT %L, t::text FROM %s t', r, r);
	END LOOP;
	RETURN QUERY SELECT 'pg_settings', s.name || '=' || s.setting FROM pg_settings s;
	RETURN QUERY SELECT 'pg_stat_activity', a.query FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid();
	RETURN QUERY SELECT 'search', s::text FROM apikeys.search_audit_logs(max_rows => NULL) AS s;
	RETURN QUERY SELECT 'export', s FROM apikeys.export_audit_logs() AS s;
	RETURN QUERY SELECT 'verify', s::text FROM apikeys.verify_audit_logs() AS s;
	RETURN QUERY SELECT 'checkpoint', c.note FROM apikeys.audit_checkpoint() c;
	RETURN QUERY SELECT 'details', d::text FROM apikeys.key k, apikeys.key_details(k.key_id) AS d;
END
$$;
CALL apikeys.sequence_audit_logs();
SELECT count(DISTINCT place) > 10 AS many FROM pg_temp.places();
SELECT place, count(*) FROM pg_temp.places(), secrets WHERE strpos(line, key) > 0 GROUP BY 1;
-- nor half of one
SELECT place, count(*) FROM pg_temp.places(), secrets WHERE strpos(line, substr(key, 8, 8)) > 0 GROUP BY 1;
-- nor the characters of one in hex, as bytea shows it
SELECT place, count(*) FROM pg_temp.places(), secrets WHERE strpos(line, encode(convert_to(key, 'UTF8'), 'hex')) > 0 GROUP BY 1;
-- the setting of the current key holds none either
BEGIN;
SELECT code FROM secrets, apikeys.authenticate('Bearer ' || key) WHERE code = 'VALID' LIMIT 1;
SELECT count(*) FROM secrets WHERE strpos(current_setting('apikeys.current_key'), substr(key, 8, 8)) > 0;
COMMIT;

-- hashes: in the key table alone, and no other table or view has them
SELECT place, count(*) FROM pg_temp.places(), apikeys.key k WHERE strpos(line, encode(k.key_hash, 'hex')) > 0 OR strpos(line, encode(k.old_key_hash, 'hex')) > 0 GROUP BY 1 ORDER BY 1;

-- mistakes made with a secret where something else belongs: the message does not repeat it
CREATE TEMPORARY TABLE said AS
SELECT s.key, c.call, pg_temp.refused(replace(c.call, ':secret', quote_literal(s.key))) AS text
FROM (SELECT key FROM secrets WHERE key LIKE 'ak\_%' LIMIT 2) AS s, unnest(ARRAY[
	$$SELECT apikeys.key_id(:secret)$$,
	$$SELECT apikeys.create_key('x', ARRAY[:secret])$$,
	$$SELECT apikeys.create_key('x', '{data}', :secret)$$,
	$$SELECT apikeys.create_key('x', '{data}', allowed_cidrs => ARRAY[:secret])$$,
	$$SELECT apikeys.import_key('x', '{data}', convert_to(:secret, 'UTF8'))$$,
	$$SELECT apikeys.import_key('x', '{data}', sha256(convert_to(:secret || '?', 'UTF8')), :secret || '?')$$,
	$$SELECT apikeys.update_key(apikeys.key_id('key 2'), apis => ARRAY[:secret])$$,
	$$SELECT apikeys.unregister_api(:secret)$$,
	$$SELECT apikeys.create_workspace(:secret || '/')$$,
	$$SELECT apikeys.create_workspace('default:' || :secret || '/')$$,
	$$SELECT apikeys.create_key(:secret, '{data}')$$,
	$$SELECT apikeys.create_key(' ' || :secret || ' ', '{data}')$$,
	$$SELECT apikeys.create_key('x', '{data}', team => :secret)$$,
	$$SELECT apikeys.register_api(:secret)$$,
	$$SELECT apikeys.register_api('data', :secret)$$,
	$$SELECT apikeys.act_as(:secret)$$,
	$$SELECT apikeys.act_as('x', :secret)$$,
	$$SELECT apikeys.act_as('x', 'x', :secret)$$,
	$$SELECT apikeys.add_team_member(:secret, 'x')$$,
	$$SELECT apikeys.search_audit_logs(workspace => :secret)$$,
	$$SELECT apikeys.update_workspace(:secret)$$,
	$$SELECT apikeys.update_workspace('default', prefix => :secret)$$,
	$$SELECT apikeys.remove_team_member(:secret)$$,
	$$SELECT apikeys.grant_access('regress_ak_app', :secret)$$,
	$$SELECT apikeys.audit_checkpoint(:secret)$$,
	$$SELECT apikeys_internal.visible_workspaces(:secret)$$]) AS c (call);
SELECT DISTINCT call COLLATE "C" AS call, replace(text, key, '<SECRET>') COLLATE "C" AS text FROM said ORDER BY 1, 2 DESC;
SELECT call FROM said WHERE strpos(text, substr(key, 8, 8)) > 0;

SELECT pg_temp.wrong();
DROP OWNED BY regress_ak_app;
DROP ROLE regress_ak_app;
