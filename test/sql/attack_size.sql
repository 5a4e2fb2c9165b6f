-- Attack: size. Nothing that a client can send takes long, whatever its length; nothing that a manager can write slows others
-- down; no message repeats megabytes, or a secret that was given in place of a name.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;
-- what is internal must hold where its schema does not keep roles out
GRANT USAGE ON SCHEMA apikeys_internal TO PUBLIC;
\set SHOW_CONTEXT never

CREATE ROLE regress_ak_app;
SELECT apikeys.grant_access('regress_ak_app', c) FROM unnest('{manage,validate,audit}'::text[]) AS c;
SELECT key AS secret, key_id FROM apikeys.create_key('Victim', '{data}', allowed_cidrs => '{192.0.2.1}') \gset
SET ROLE regress_ak_app;

-- Of a message's length, and of its text but the input.
CREATE FUNCTION pg_temp.refusal(call text, input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	m text; d text; h text;
BEGIN
	EXECUTE 'SELECT count(*) FROM ' || call || ' AS r' USING input;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS m = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || regexp_replace(m, '(x|ä){20,}', '\1…') || CASE WHEN length(m || d || h) > 400 THEN ' LONG' ELSE '' END
		|| CASE WHEN strpos(m || d || h, input) > 0 THEN ' QUOTED' ELSE '' END;
END $$;
SELECT repeat('x', 2000000) AS huge \gset
SELECT repeat('ä', 600000) AS wide \gset

-- clients
SELECT code FROM apikeys.validate_key(repeat('x', 10000000));
SELECT code FROM apikeys.validate_key(:'secret', repeat('x', 10000000), '192.0.2.1');
SELECT code FROM apikeys.validate_key(:'secret', NULL, repeat('1', 10000000));
SELECT code FROM apikeys.validate_key(:'secret', NULL, '192.0.2.1', repeat('x', 10000000));
SELECT code FROM apikeys.authenticate('Bearer ' || repeat('x', 10000000));
SELECT code FROM apikeys.authenticate('Basic ' || repeat('QUJD', 2500000));
SELECT code FROM apikeys.authenticate(repeat(' ', 10000000));
SELECT count(*) FROM apikeys.identify_key(repeat('x', 10000000));
SET apikeys.workspace = :'huge';
SELECT code FROM apikeys.validate_key(:'secret');
SELECT pg_temp.refusal('apikeys.validate_key(''x'', workspace => $1)', 'other');
SELECT count(*) FROM apikeys.active_keys;
RESET apikeys.workspace;
SELECT apikeys.current_key_allows(repeat('x', 10000000));

-- managers
SELECT call, pg_temp.refusal(call, input) FROM unnest(ARRAY[
	'apikeys.create_key($1, ''{data}'')', 'apikeys.create_key(''a'', ARRAY[$1])', 'apikeys.create_key(''a'', ''{data}'', $1)',
	'apikeys.create_key(''a'', ''{data}'', team => $1)', 'apikeys.create_key(''a'', ''{data}'', allowed_cidrs => ARRAY[$1])',
	'apikeys.create_key(''a'', ''{data}'', metadata => to_jsonb($1))', 'apikeys.import_key(''a'', ''{data}'', sha256(''a''), $1)',
	'apikeys.import_key(''a'', ''{data}'', convert_to($1, ''UTF8''))', 'apikeys.key_id($1)', 'apikeys.key_id(''a'', $1)',
	'apikeys.act_as($1)', 'apikeys.act_as(''a'', $1)', 'apikeys.act_as(''a'', client => $1)', 'apikeys_internal.visible_workspaces($1)',
	'apikeys.verify_audit_logs($1)', 'apikeys.verify_audit_logs(checkpoints => ARRAY[$1])']) WITH ORDINALITY AS c (call, n),
	(VALUES (:'huge'), (:'wide')) AS i (input) ORDER BY n, input COLLATE "C";
RESET ROLE;
SELECT call, pg_temp.refusal(call, repeat('x', 1000000)) FROM unnest(ARRAY[
	'apikeys.register_api($1)', 'apikeys.register_api(''b'', $1)', 'apikeys.unregister_api($1)', 'apikeys.create_workspace($1)',
	'apikeys.create_workspace(''a'', $1)', 'apikeys.create_workspace(''a'', prefix => $1)', 'apikeys.update_workspace($1)',
	'apikeys.add_team_member($1, ''t'')', 'apikeys.add_team_member(''a'', $1)', 'apikeys.remove_team_member($1)',
	'apikeys.grant_access(''regress_ak_app'', $1)', 'apikeys.grant_access(''regress_ak_app'', ''view'', $1)',
	'apikeys.revoke_access(''regress_ak_app'', $1)']) AS call;
SET ROLE regress_ak_app;
-- lists
SELECT pg_temp.refusal('apikeys.create_key(''a'', array_fill(''data''::text, ARRAY[1000000]))', '-');
SELECT apis FROM apikeys.create_key('Thousand', array_fill('data'::text, ARRAY[1000]));
SELECT pg_temp.refusal('apikeys.create_key(''a'', ''{data}'', allowed_cidrs => (SELECT array_agg(''10.'' || i / 65536 || ''.'' || i / 256 % 256 || ''.'' || i % 256) FROM generate_series(1, 100000) AS i))', '-');
SELECT array_length(allowed_cidrs, 1) FROM apikeys.create_key('Networks', '{data}', allowed_cidrs =>
	(SELECT array_agg('10.0.' || i / 256 || '.' || i % 256) FROM generate_series(1, 1000) AS i));
-- metadata: 1 MB, and deep
SELECT pg_column_size(metadata) > 900000 FROM apikeys.create_key('Metadata', '{data}', metadata => to_jsonb((SELECT string_agg(md5(i::text), '') FROM generate_series(1, 30000) AS i)));
SELECT pg_temp.refusal('apikeys.create_key(''a'', ''{data}'', metadata => to_jsonb(repeat($1, 1100000)))', '-');
-- as it is written: a number of 14 bytes may have 131,072 digits
SELECT pg_temp.refusal('apikeys.create_key(''a'', ''{data}'', metadata => (SELECT jsonb_agg(1e131071) FROM generate_series(1, 9)))', '-');
SELECT name FROM apikeys.create_key('Digits', '{data}', metadata => (SELECT jsonb_agg(1e131071) FROM generate_series(1, 7)));
SELECT name FROM apikeys.create_key('Deep', '{data}', metadata => (repeat('[', 1000) || repeat(']', 1000))::jsonb);
-- numbers
SELECT pg_temp.refusal(format('apikeys.regenerate_key(%L, $1::interval)', :'key_id'), i) FROM unnest('{-1 day,300000 years,178000000 years,-178000000 years}'::text[]) AS i;
SELECT pg_temp.refusal('apikeys.create_key(''a'', ''{data}'', rate_limit => $1::int)', i) FROM unnest('{0,-1,-2147483648}'::text[]) AS i;
SELECT pg_temp.refusal('apikeys.create_key(''a'', ''{data}'', rate_limit => 1, rate_window => $1::interval)', i)
	FROM unnest('{0,-1 second,1 month -1 day}'::text[]) AS i;
SELECT pg_temp.refusal('apikeys.create_key(''a'', ''{data}'', expires_at => $1::timestamptz)', i) FROM unnest('{-infinity,4713-01-01 BC,epoch}'::text[]) AS i;

-- searching: neither a long text nor a long log costs memory for each entry
SELECT call, pg_temp.refusal(call, input) FROM unnest(ARRAY[
	'apikeys.search_audit_logs($1)', 'apikeys.export_audit_logs($1)', 'apikeys.search_audit_logs(workspace => $1)', 'apikeys.search_audit_logs(actions => ARRAY[$1])',
	'apikeys.search_audit_logs(entities => ARRAY[$1])', 'apikeys.email_audit_logs($1)']) WITH ORDINALITY AS c (call, n),
	(VALUES (:'huge'), (:'wide')) AS i (input) ORDER BY n, input COLLATE "C";
SELECT count(*) FROM apikeys.search_audit_logs(actors => ARRAY[:'huge'], teams => array_fill(:'wide'::text, ARRAY[3]));
SELECT count(*) FROM apikeys.search_audit_logs(actors => (SELECT array_agg('actor ' || i) FROM generate_series(1, 20000) AS i));
SELECT count(*) FROM apikeys.search_audit_logs(repeat('%', 1000));
SELECT count(*) FROM apikeys.search_audit_logs(since => '-infinity', until => 'infinity', max_rows => 2147483647, before_id => 9223372036854775807);
RESET ROLE;
SELECT count(*) FROM generate_series(1, 1000) AS i, apikeys.update_key(:'key_id', metadata => to_jsonb(i));
BEGIN;
-- the one entry that is found stands behind a thousand that are not
DECLARE found CURSOR FOR SELECT apikeys.search_audit_logs('created key "victim', max_rows => 2147483647);
MOVE FORWARD 1 FROM found;
SELECT sum(total_bytes) < 200000 AS little FROM pg_backend_memory_contexts WHERE name LIKE 'apikeys%';
COMMIT;
SET ROLE regress_ak_app;

-- A secret where a name belongs: refused, and not repeated.
SELECT call, pg_temp.refusal(call, :'secret') FROM unnest(ARRAY[
	'apikeys.key_id($1)', 'apikeys.key_id(''a'', $1)', 'apikeys.create_key($1, ''{data}'')', 'apikeys.create_key(''a'', ARRAY[$1])',
	'apikeys.create_key(''a'', ''{data}'', $1)', 'apikeys.create_key(''a'', ''{data}'', team => $1)', 'apikeys.create_key(''a'', ''{data}'', allowed_cidrs => ARRAY[$1])',
	'apikeys.import_key(''a'', ''{data}'', sha256(''a''), $1)', 'apikeys.act_as($1)', 'apikeys.act_as(''a'', $1)', 'apikeys.act_as(''a'', NULL, $1)',
	'apikeys_internal.visible_workspaces($1)', 'apikeys.verify_audit_logs($1)', 'apikeys.audit_checkpoint($1)']) AS call;
RESET ROLE;
SELECT call, pg_temp.refusal(call, :'secret') FROM unnest(ARRAY[
	'apikeys.register_api($1)', 'apikeys.unregister_api($1)', 'apikeys.create_workspace($1)', 'apikeys.create_workspace(''a'', $1)',
	'apikeys.create_workspace(''a'', NULL, $1)', 'apikeys.update_workspace($1)', 'apikeys.add_team_member($1, ''t'')', 'apikeys.add_team_member(''a'', $1)',
	'apikeys.remove_team_member($1)', 'apikeys.grant_access(''regress_ak_app'', $1)', 'apikeys.grant_access(''regress_ak_app'', ''view'', $1)']) AS call;
BEGIN;
SET LOCAL apikeys.actor = :'secret';
\set VERBOSITY terse
SELECT apikeys.create_workspace('more');
\set VERBOSITY default
ROLLBACK;
-- and the direct way
\set VERBOSITY terse
INSERT INTO apikeys.key (name, apis, workspace, key_hash, metadata) VALUES ('x', '{data}', 'default', sha256('x'), to_jsonb(repeat('x', 1100000)));
INSERT INTO apikeys.key (name, apis, workspace, key_hash, allowed_cidrs) VALUES ('x', '{data}', 'default', sha256('x'), array_fill('10.0.0.0/8'::cidr, ARRAY[1001]));
\set VERBOSITY default

-- What is refused by its length is not worked on, and work that the length of an argument sets ends when it is cancelled.
-- Each of these took more than 10 s, or failed with XX000 when it allocated memory.
SET statement_timeout = '10s';
SELECT pg_temp.refusal('apikeys.key_id(repeat(''x'', 268435456))', 'other');
SELECT pg_temp.refusal('apikeys.create_key(repeat(''x'', 268435456), ''{data}'')', 'other');
SELECT pg_temp.refusal('apikeys.create_key(repeat(U&''\0301'', 30000000), ''{data}'')', 'other');
SELECT pg_temp.refusal('apikeys.key_id(repeat(U&''a\0301'', 30000000))', 'other');
SELECT pg_temp.refusal('apikeys.key_id(repeat(''ak_'', 60000000))', 'other');
SELECT code FROM apikeys.validate_key('x', repeat('ak_', 60000000));
-- a name that is longer decomposed is found; one that begins as another is not that one, and none is cut to a name
SELECT key_id AS composed FROM apikeys.create_key(repeat('ä', 100), '{data}') \gset
SELECT apikeys.key_id(repeat(U&' ', 2000) || repeat(U&'a\0308', 100) || repeat(' ', 2000)) = :'composed' AS found;
SELECT pg_temp.refusal(format('apikeys.key_id(%L)', repeat('ä', 100) || repeat(' ', 2000) || 'b'), 'other');
SELECT pg_temp.refusal(format('apikeys.create_key(%L, ''{data}'')', 'a' || repeat(' ', 2000) || 'b'), 'other');
SELECT count(*) FROM apikeys.list_keys(search => ' ' || repeat('x', 1000) || ' ');
SELECT pg_temp.refusal(format('apikeys.list_keys(search => %L)', repeat('x', 1000) || ' y'), 'other');
RESET statement_timeout;
SELECT clock_timestamp() AS start \gset
SET statement_timeout = '100ms';
SELECT apikeys.email_audit_logs('a@b.example', actors => array_fill(repeat('actor0123456789 0123456789abcdefg', 1000), ARRAY[1000]));
RESET statement_timeout;
SELECT clock_timestamp() < timestamptz :'start' + interval '5 s' AS soon;

SELECT DISTINCT activity FROM apikeys.audit_logs WHERE entity = 'API Keys' ORDER BY activity;
CALL apikeys.sequence_audit_logs();
SELECT ok FROM apikeys.verify_audit_logs();
DROP OWNED BY regress_ak_app;
DROP ROLE regress_ak_app;
