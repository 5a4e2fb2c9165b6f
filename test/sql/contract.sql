-- test/contract.md maps what callers may rely on to tests: every function and view of the face stands in it, and every file
-- that it names is there.
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
