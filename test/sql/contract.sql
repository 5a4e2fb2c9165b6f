-- test/contract.md maps what callers may rely on to tests: it names every function and view of schema apikeys, and every file
-- that it names exists.
\set ECHO none
\i test/lib/regress.sql
\set doc `cat test/contract.md`
\set files `ls test/sql test/specs test/t test/fuzz`
CREATE TEMPORARY TABLE line AS SELECT c[1] AS what, c[2] AS tests FROM regexp_split_to_table(:'doc', '\n') AS l, regexp_match(l, '^\| [^|]+ \| ([^|]+) \| ([^|]+) \|$') AS c WHERE c IS NOT NULL AND c[1] <> 'what';
SELECT count(*) > 25 AS many FROM line;
SELECT test AS "not there" FROM line, regexp_split_to_table(tests, ' ') AS test WHERE test <> ALL (regexp_split_to_array(:'files', '\s+'));
SELECT f AS "in no row" FROM (SELECT proname::text FROM pg_proc WHERE pronamespace = 'apikeys'::regnamespace UNION SELECT relname FROM pg_class WHERE relnamespace = 'apikeys'::regnamespace AND relkind = 'v') AS face (f)
-- (those of the proof stand in one row as a group)
WHERE f !~ '^(audit_(anchor|checkpoint|inclusion_proof|consistency_proof|feed)|verify_audit_logs?|purge_audit_logs?|sequence_audit_logs|key_history)$'
AND NOT EXISTS (SELECT FROM line WHERE what ~ ('`' || f || '`')) ORDER BY 1;
SELECT m[1] AS "named, but not there" FROM line, regexp_matches(what, '`(\w+)`', 'g') AS m
WHERE NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'apikeys'::regnamespace AND proname = m[1]) AND NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'apikeys'::regnamespace AND relname = m[1]);
-- what only reads says so
SELECT p.proname AS "is volatile" FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace AND p.provolatile = 'v'
AND p.proname = ANY ('{audit_filters,current_key,current_key_allows,current_key_metadata,current_owner,current_workspace,export_audit_logs,find_secrets,identify_key,key_details,key_id,list_keys,response_headers,search_audit_logs,secret_pattern,usage_chart}');
SELECT p.proname AS "is not immutable" FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace AND p.proname = 'response_headers' AND p.provolatile <> 'i';
-- what is volatile changes something, counts, or tells of memory or of what is committed beyond the statement's snapshot
SELECT string_agg(p.proname, ' ' ORDER BY p.proname COLLATE "C") AS volatile FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace AND p.provolatile = 'v';
-- no function returns void, each has its signature in signatures.sql, and whatever reads or writes the owner's tables takes NULL itself
SELECT p.proname AS "returns void" FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace AND p.prorettype = 'void'::regtype AND p.prokind = 'f';
SELECT p.proname AS "is strict" FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace AND p.proisstrict;
-- the face is what one calls, and the tables that are published; triggers and all else are internal
SELECT c.relname AS "tables of the face" FROM pg_class c WHERE c.relnamespace = 'apikeys'::regnamespace AND c.relkind NOT IN ('v', 'c', 'i') ORDER BY c.relname COLLATE "C";
SELECT p.proname AS "not to be called" FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace AND (p.prorettype IN ('trigger'::regtype, 'internal'::regtype) OR 'internal'::regtype = ANY (p.proargtypes));
SELECT extname, nspname, extrelocatable FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'apikeys';
SELECT superuser, trusted, relocatable, requires FROM pg_available_extension_versions WHERE name = 'apikeys' AND installed;

-- NULL means the default, for every argument that has one: with NULLs for these a function says what it says without them
SELECT count(apikeys.validate_key(k.key, 'data')) FROM apikeys.create_key('Used', '{data}', owner => 'customer 7', quota => 5, rate_limit => 3) AS k;
SELECT apikeys.key_id('Used') AS used \gset
CALL apikeys.sequence_audit_logs();
-- (without what is never the same twice: secrets, ids and times; and what was done is undone)
CREATE FUNCTION pg_temp.says(call text) RETURNS text LANGUAGE plpgsql AS $f$
DECLARE
	said text;
BEGIN
	EXECUTE 'SELECT string_agg(r::text, $x$,$x$) FROM ' || call || ' AS r' INTO said;
	RAISE EXCEPTION USING ERRCODE = 'AK000';
EXCEPTION
	WHEN sqlstate 'AK000' THEN
		RETURN md5(coalesce(regexp_replace(said, '\d\d:\d\d:\d\d\.\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\w+_[0-9A-Za-z]{49}|ak\.\.\.\w{4}', 'x', 'g'), ''));
	WHEN OTHERS THEN
		RETURN SQLERRM;
END
$f$;
CREATE TEMPORARY TABLE first_arguments (function text, arguments text[]);
INSERT INTO first_arguments VALUES ('key_id', '{"name => ''Used''"}'), ('usage_chart', '{"key_id => $key"}'), ('audit_inclusion_proof', '{"audit_id => 1"}'),
	('audit_consistency_proof', '{"workspace => ''default''","old_size => 1"}'), ('validate_key', '{"key => NULL"}'), ('authenticate', '{"authorization => NULL"}'), ('disable_key', '{"key_id => $key"}'),
	('enable_key', '{"key_id => $key"}'), ('update_key', '{"key_id => $key"}'), ('revoke_key', '{"key => ''x''"}'), ('act_as', '{"actor => ''ann''"}'), ('update_workspace', '{"workspace => ''default''"}'),
	('list_keys', '{}'), ('search_audit_logs', '{}'), ('export_audit_logs', '{}'), ('audit_filters', '{}'), ('audit_feed', '{}'), ('audit_checkpoint', '{}'), ('verify_audit_logs', '{}'), ('secret_pattern', '{}'),
	('regenerate_key', '{"key_id => $key"}'), ('archive_key', '{"key_id => $key"}'), ('create_key', '{"name => ''New''","apis => ''{data}''"}'), ('import_key', '{"name => ''New''","apis => ''{data}''","key_hash => sha256(''new'')"}'),
	('create_workspace', '{"workspace => ''new''"}'), ('register_api', '{"api => ''new''"}'), ('add_team_member', '{"actor => ''ann''","team => ''A''"}'), ('remove_team_member', '{"actor => ''bob''"}'),
	('email_audit_logs', '{"recipient => ''ann@example.com''"}'), ('require_key', '{"authorization => NULL"}'), ('grant_access', NULL), ('revoke_access', NULL);	/* a grant's workspace: NULL is refused */
SELECT apikeys.add_team_member('bob', 'B');
CALL apikeys.sequence_audit_logs(); -- the trees do not grow meanwhile
SET client_min_messages = warning;
SELECT p.proname AS "not tried" FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace AND p.pronargdefaults > 0 AND NOT EXISTS (SELECT FROM first_arguments f WHERE f.function = p.proname);
SELECT f.function AS "says something else", pg_temp.says(format('apikeys.%I(%s)', f.function, array_to_string(given, ', '))) AS without, pg_temp.says(format('apikeys.%I(%s)', f.function, array_to_string(given || nulls, ', '))) AS with_nulls
FROM (SELECT f.function, replace(f.arguments::text, '$key', quote_literal(:'used'))::text[] AS given,
		(SELECT array_agg(format('%I => NULL', p.proargnames[n])) FROM generate_series(p.pronargs - p.pronargdefaults + 1, p.pronargs) AS n WHERE f.arguments::text !~ format('"%s =>', p.proargnames[n])) AS nulls
	FROM first_arguments f JOIN pg_proc p ON p.proname = f.function AND p.pronamespace = 'apikeys'::regnamespace WHERE f.arguments IS NOT NULL) AS f
WHERE pg_temp.says(format('apikeys.%I(%s)', f.function, array_to_string(given, ', '))) IS DISTINCT FROM pg_temp.says(format('apikeys.%I(%s)', f.function, array_to_string(given || nulls, ', ')));
SELECT f.function AS refused, says FROM first_arguments f, pg_temp.says(format('apikeys.%I(%s)', f.function, array_to_string(replace(f.arguments::text, '$key', quote_literal(:'used'))::text[], ', '))) AS says
WHERE f.arguments IS NOT NULL AND says !~ '^[0-9a-f]{32}$';
SELECT pg_temp.says($$apikeys.list_keys()$$) <> pg_temp.says($$apikeys.list_keys(max_rows => 0)$$)
	AND pg_temp.says($$apikeys.create_key('New', '{data}')$$) <> pg_temp.says($$apikeys.create_key('New', '{data}', quota => 1)$$) AS this_test_can_fail;
RESET client_min_messages;
SELECT old_valid_until FROM apikeys.regenerate_key(:'used', overlap => NULL, reason => NULL);
SELECT workspace, team, owner, expires_at, allowed_cidrs, rate_limit, rate_window, quota, quota_period, metadata FROM apikeys.create_key('NULLs', '{data}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT hint, workspace, team, owner, expires_at, allowed_cidrs, rate_limit, rate_window, quota, quota_period, metadata FROM apikeys.import_key('NULLs, too', '{data}', sha256('nulls'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT apikeys.create_workspace('nulls', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) \g /dev/null
SELECT name, prefix, archive_limit, key_limit, default_lifetime, max_lifetime, rate_limit, rate_window, leak_action FROM apikeys.workspaces WHERE workspace = 'nulls';

-- whose keys: an index finds an owner's, of all workspaces' rows
SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = 'apikeys.key'::regclass AND pg_get_indexdef(i.indexrelid) ~ '\mowner\M';
-- the views of keys are newest first
SELECT bool_and(created_at >= next) AS keys FROM (SELECT created_at, lead(created_at) OVER () AS next FROM apikeys.keys) AS k;
SELECT bool_and(created_at >= next) AS active_keys FROM (SELECT created_at, lead(created_at) OVER () AS next FROM apikeys.active_keys) AS k;
SELECT count(apikeys.archive_key(key_id)) FROM apikeys.keys WHERE name LIKE 'NULLs%';
SELECT count(*), bool_and(archived_at >= next) AS archived_keys FROM (SELECT archived_at, lead(archived_at) OVER () AS next FROM apikeys.archived_keys) AS k;
-- and the log's columns are in the order that people rely on
SELECT string_agg(attname, ', ' ORDER BY attnum) AS audit_logs FROM pg_attribute WHERE attrelid = 'apikeys.audit_logs'::regclass AND attnum > 0;
-- each code has its status
SELECT DISTINCT ON (code) code, http_status, valid FROM (SELECT (apikeys.validate_key(k)).* FROM unnest(ARRAY[NULL, 'é', 'nobody''s']) AS k) AS v ORDER BY code;
-- what README and docs must say
\set readme `cat README.md`
\set docs `cat README.md docs/*.md`
SELECT says AS "README does not say" FROM unnest(ARRAY['a prefix of your own', 'NUL byte or bytes that are not of the client''s encoding', 'ENABLE ROW LEVEL SECURITY', 'FORCE ROW LEVEL SECURITY',
	'SET LOCAL apikeys.workspace = ''acme''', 'in a statement of its own', 'apikeys.import_key(', '40 lines of Python']) AS says WHERE strpos(:'readme', says) = 0;
SELECT says AS "docs do not say" FROM unnest(ARRAY['at least 112 bits of entropy', 'from Unkey', 'from better-auth', 'decode(hash, ''hex'')', 'exactly our shape but not our checksum', 'pg_dump -n apikeys', '-N apikeys',
	'-e apikeys', 'U+FE0F', 'pg_read_server_files', 'point-in-time recovery', 'apikeys.regrant_access()']) AS says WHERE strpos(:'docs', says) = 0;

-- without the setting and a workspace, what is created goes to default, or to the caller's only workspace
SELECT apikeys.create_workspace('one'), apikeys.create_workspace('two') \g /dev/null
CREATE ROLE regress_ak_one;
CREATE ROLE regress_ak_two;
SELECT apikeys.grant_access('regress_ak_one', 'admin', 'one'), apikeys.grant_access('regress_ak_one', 'validate'),
	apikeys.grant_access('regress_ak_two', 'manage', 'one'), apikeys.grant_access('regress_ak_two', 'manage', 'two') \g /dev/null
SET ROLE regress_ak_one;
SELECT workspace, name FROM apikeys.create_key('Mine', '{data}');
SELECT workspace, name FROM apikeys.import_key('Mine, too', '{data}', sha256('mine'));
SELECT apikeys.add_team_member('ann', 'A');
SELECT workspace, actor, team FROM apikeys.team_members;
SELECT apikeys.remove_team_member('ann');
SET ROLE regress_ak_two;
SELECT pg_temp.refused($$SELECT apikeys.create_key('Whose?', '{data}')$$);
SELECT workspace FROM apikeys.create_key('That one''s', '{data}', 'two');
SET apikeys.workspace = 'one';
SELECT workspace FROM apikeys.create_key('Bound', '{data}');
RESET apikeys.workspace;
RESET ROLE;
SELECT workspace FROM apikeys.create_key('Everywhere', '{data}');
DROP OWNED BY regress_ak_one, regress_ak_two;
DROP ROLE regress_ak_one, regress_ak_two;
