-- A session whose library does not know the layout of the tables says so in every call, with what to do.
-- (test/t/071_upgrade_load.pl runs a real older library with a newer version.)
\set ECHO none
\i test/lib/regress.sql
SELECT key AS secret, key_id FROM apikeys.create_key('Key', '{data}') \gset

CREATE FUNCTION pg_temp.says(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; hint text;
BEGIN
	EXECUTE call;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN format('%s: %s (%s)', state, replace(message, (SELECT extversion FROM pg_extension WHERE extname = 'apikeys'), 'N'), hint);
END
$$;
CREATE TEMPORARY TABLE calls (n serial, call text);
INSERT INTO calls (call) VALUES
	(format('SELECT apikeys.validate_key(%L)', :'secret')),
	('SELECT apikeys.authenticate(''Bearer x'')'),
	('SELECT apikeys.create_key(''Another'', ''{data}'')'),
	(format('SELECT apikeys.archive_key(%L)', :'key_id')),
	('SELECT * FROM apikeys.list_keys()'),
	('SELECT * FROM apikeys.keys'),
	('SELECT * FROM apikeys.search_audit_logs()'),
	('SELECT * FROM apikeys.verify_audit_logs()'),
	('SELECT apikeys.grant_access(''pg_monitor'', ''view'')'),
	('SELECT apikeys.flush_usage()'),
	('SELECT * FROM apikeys.status()'),
	('INSERT INTO apikeys.team_member (workspace, actor, team) VALUES (''default'', ''a'', ''b'')'),
	('UPDATE apikeys.key SET name = ''Other''');

\echo '-- the extension was updated after the session loaded the library'
ALTER TYPE apikeys_internal.layout_1 RENAME TO layout_2;
SELECT pg_temp.says(call), count(*), min(call) FILTER (WHERE pg_temp.says(call) NOT LIKE '55000%') AS other FROM calls GROUP BY 1;
\echo '-- the library was installed, and the extension is not updated yet'
ALTER TYPE apikeys_internal.layout_2 RENAME TO layout_0;
SELECT pg_temp.says(call), count(*), min(call) FILTER (WHERE pg_temp.says(call) NOT LIKE '55000%') AS other FROM calls GROUP BY 1;
\echo '-- they are of one layout again: the same session goes on, and nothing happened'
ALTER TYPE apikeys_internal.layout_0 RENAME TO layout_1;
SELECT name, state FROM apikeys.keys;
SELECT code FROM apikeys.validate_key(:'secret');
SELECT count(*) FROM apikeys.audit_logs;
CALL apikeys.sequence_audit_logs();
SELECT ok, entries FROM apikeys.verify_audit_logs();

\echo '-- the last statement of an update refuses a table that lacks a column of ours; what the user has added there is no matter'
ALTER TABLE apikeys.team_member ADD COLUMN squad_leader text;
ALTER TABLE apikeys.team_member RENAME COLUMN team TO squad;
SELECT pg_temp.says('SELECT apikeys_internal.finish_update()');
ALTER TABLE apikeys.team_member RENAME COLUMN squad TO team;
SELECT pg_temp.says('SELECT apikeys_internal.finish_update()');

\echo '-- what an update makes, roles get that need it: at commit, and only that'
CREATE ROLE regress_ak_view;
CREATE ROLE regress_ak_validate;
SELECT apikeys.grant_access('regress_ak_view', 'view'), apikeys.grant_access('regress_ak_validate', 'validate') \g /dev/null
REVOKE EXECUTE ON FUNCTION apikeys.list_keys FROM regress_ak_view;
REVOKE EXECUTE ON FUNCTION apikeys.usage_chart FROM regress_ak_view;
REVOKE SELECT ON apikeys.denials FROM regress_ak_view;
CREATE VIEW pg_temp.held AS
	SELECT r AS role, has_function_privilege(r, 'apikeys.list_keys(text,text,text,text,text,text,timestamptz,timestamptz,text,integer,integer)', 'EXECUTE') AS list_keys,
		has_table_privilege(r, 'apikeys.denials', 'SELECT') AS denials, has_function_privilege(r, 'apikeys.usage_chart(uuid,interval)', 'EXECUTE') AS usage_chart
	FROM unnest('{regress_ak_view,regress_ak_validate}'::name[]) AS r;
BEGIN;
SELECT apikeys_internal.finish_update('{FUNCTION apikeys.list_keys,TABLE apikeys.denials}') \g /dev/null
SELECT * FROM pg_temp.held;
COMMIT;
SELECT * FROM pg_temp.held;
-- not of what is rolled back
REVOKE SELECT ON apikeys.denials FROM regress_ak_view;
BEGIN;
SAVEPOINT a;
SELECT apikeys_internal.finish_update('{TABLE apikeys.denials}') \g /dev/null
ROLLBACK TO a;
COMMIT;
SELECT * FROM pg_temp.held;
DROP OWNED BY regress_ak_view, regress_ak_validate;
DROP ROLE regress_ak_view, regress_ak_validate;
