-- The setting apikeys.workspace restricts functions, views and validation to one workspace; a workspace argument must be NULL
-- or name the same one.
\set ECHO none
\i test/lib/regress.sql

SELECT apikeys.create_workspace('acme', prefix => 'acme'), apikeys.create_workspace('rival') \g /dev/null
SELECT key_id AS a_id, key AS a FROM apikeys.create_key('A', '{data}', 'acme') \gset
SELECT key_id AS r_id, key AS r FROM apikeys.create_key('R', '{data}', 'rival') \gset
SELECT key_id AS d_id, key AS d FROM apikeys.create_key('D', '{data}') \gset
SELECT key_id AS gone_id FROM apikeys.create_key('Gone', '{data}', 'rival') \gset
SELECT (apikeys.archive_key(:'gone_id')).state;

-- without it: default for what creates, everything for what reads
SHOW apikeys.workspace;
SELECT workspace, name FROM apikeys.active_keys ORDER BY 1;
SELECT k, (SELECT code FROM apikeys.validate_key(k)) = 'VALID' AS valid FROM unnest(ARRAY[:'a', :'r', :'d']) WITH ORDINALITY AS u (x, n), LATERAL (SELECT x AS k) AS s ORDER BY n \g /dev/null
SELECT count(*) FROM unnest(ARRAY[:'a', :'r', :'d']) AS k, apikeys.validate_key(k) WHERE valid;

SET apikeys.workspace = 'acme';
-- what creates
SELECT name, workspace, key ~ '^acme_' AS prefix FROM apikeys.create_key('B', '{data}');
SELECT name, workspace FROM apikeys.create_key('C', '{data}', 'acme');
SELECT name, workspace FROM apikeys.import_key('I', '{data}', sha256('i'));
SELECT apikeys.add_team_member('ann', 'Acme team');
SELECT workspace, actor, team FROM apikeys.team_member;
-- what reads; but for two internal views, which show a superuser what is flushed of all workspaces
SELECT * FROM pg_temp.seen_beside('acme') WHERE seen_in NOT IN ('apikeys_internal.usage_live', 'apikeys_internal.usage_hours_live');
SELECT workspace, name FROM apikeys.active_keys ORDER BY 2;
SELECT count(*) FROM apikeys.archived_keys;
SELECT DISTINCT workspace FROM apikeys.audit_logs;
SELECT DISTINCT workspace FROM apikeys.search_audit_logs(max_rows => 2147483647);
CALL apikeys.sequence_audit_logs();
SELECT workspace FROM apikeys.verify_audit_logs();
SELECT workspace FROM apikeys.audit_checkpoint();
SELECT apikeys_internal.visible_workspaces('view');
SELECT name FROM apikeys.key_details(:'a_id');
SELECT apikeys.key_id('A') = :'a_id' AS its_own;
SELECT name FROM apikeys.identify_key(:'a');
SELECT name FROM apikeys.identify_key(:'r');
-- validation
SELECT code FROM apikeys.validate_key(:'a');
SELECT code FROM apikeys.validate_key(:'a', workspace => 'acme');
SELECT code, key_id, name FROM apikeys.validate_key(:'r');
SELECT code FROM apikeys.authenticate('Bearer ' || :'d');
-- by key_id: another's does not exist, archived or not
SELECT pg_temp.refused(format('SELECT apikeys.key_details(%L)', :'r_id'));
SELECT pg_temp.refused(format('SELECT apikeys.key_details(%L)', :'gone_id'));
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L)', :'r_id'));
SELECT pg_temp.refused(format('SELECT apikeys.regenerate_key(%L)', :'d_id'));
SELECT pg_temp.refused(format('SELECT apikeys.end_overlap(%L)', :'r_id'));
SELECT pg_temp.refused(format('SELECT apikeys.archive_key(%L)', :'r_id'));
SELECT pg_temp.refused($$SELECT apikeys.key_id('R')$$);
-- every function that takes a key_id, but the search, for which it is a filter
CREATE TEMPORARY TABLE by_id AS SELECT p.proname::text AS function, format('SELECT apikeys.%I(%%L)', p.proname) AS call FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace AND p.proargnames[1] = 'key_id' AND p.proargtypes[0] = 'uuid'::regtype;
SELECT string_agg(function, ' ' ORDER BY function COLLATE "C") FROM by_id;
SELECT function, id, r AS says FROM by_id, (VALUES ('another''s', :'r_id'), ('archived', :'gone_id')) AS t (id, key_id), LATERAL pg_temp.sqlstate(format(call, key_id)) AS r WHERE r <> '42704';
SELECT count(*) FROM apikeys.search_audit_logs(key_id => :'r_id');
-- and every function that takes a secret: it is nobody's
SELECT apikeys.revoke_key(:'r') IS NULL AS revoked_none;
SELECT apikeys.report_leak(jsonb_build_array(jsonb_build_object('token', :'r'))) -> 0 ->> 'label' AS leak;
SELECT valid_checksum, key_id, workspace, name, state FROM apikeys.find_secrets(:'r');
SELECT code FROM apikeys.authenticate('Basic ' || translate(encode(convert_to('rival:' || :'r', 'UTF8'), 'base64'), E'\n', ''));
SELECT pg_temp.sqlstate(format('SELECT apikeys.require_key(%L)', :'r'));
RESET apikeys.workspace;
SELECT state FROM apikeys.key_details(:'r_id');
SET apikeys.workspace = 'acme';
-- an argument that disagrees
CREATE TEMPORARY TABLE calls (call text);
INSERT INTO calls VALUES ($$create_key('x', '{data}', :there)$$), ($$import_key('x', '{data}', sha256('x'), workspace => :there)$$), ($$key_id('R', :there)$$),
	($$validate_key('x', workspace => :there)$$), ($$validate_key(NULL, workspace => :there)$$), ($$create_workspace(:there)$$), ($$update_workspace(:there)$$), ($$add_team_member('x', 'x', :there)$$),
	($$remove_team_member('x', :there)$$), ($$grant_access('regress_ak_nobody', 'view', :there)$$), ($$revoke_access('regress_ak_nobody', 'view', :there)$$),
	($$verify_audit_logs(:there)$$), ($$audit_checkpoint(:there)$$), ($$audit_consistency_proof(:there, 0)$$), ($$audit_feed(0, :there)$$), ($$purge_audit_logs('-infinity', :there)$$), ($$search_audit_logs(workspace => :there)$$), ($$export_audit_logs(workspace => :there)$$),
	($$list_keys(:there)$$),
	($$secret_pattern(:there)$$),
	($$audit_filters(:there)$$),
	($$drop_workspace(:there)$$),
	($$email_audit_logs('audit@example.com', workspace => :there)$$);
SELECT p.proname AS "not here" FROM pg_proc p WHERE p.pronamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND p.proargnames[:p.pronargs] @> '{workspace}'
AND NOT EXISTS (SELECT FROM calls WHERE call LIKE replace(p.proname, '_', '\_') || '(%') ORDER BY 1;
SELECT DISTINCT r COLLATE "C" AS refused FROM calls, pg_temp.refused('SELECT apikeys.' || replace(call, ':there', quote_literal('rival'))) AS r ORDER BY 1;
SELECT DISTINCT r COLLATE "C" AS refused FROM calls, pg_temp.refused('SELECT apikeys.' || replace(call, ':there', quote_literal('nowhere'))) AS r ORDER BY 1;
SELECT DISTINCT r COLLATE "C" AS refused FROM calls, pg_temp.refused('SELECT apikeys.' || replace(call, ':there', quote_literal('ACME'))) AS r ORDER BY 1;
-- what belongs to no workspace is beyond it
SELECT count(*) FROM apikeys.audit_logs WHERE workspace IS NULL;
RESET apikeys.workspace;

CALL apikeys.sequence_audit_logs();
-- a workspace that there is none
SET apikeys.workspace = 'nowhere';
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}')$$);
SELECT code FROM apikeys.validate_key(:'a');
SELECT (SELECT count(*) FROM apikeys.active_keys), (SELECT count(*) FROM apikeys.archived_keys), (SELECT count(*) FROM apikeys.audit_logs);
SELECT count(*) FROM apikeys.verify_audit_logs();
SET apikeys.workspace = E'\'; DROP TABLE apikeys.key; --';
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}')$$);
SELECT code FROM apikeys.validate_key(:'a');
SET apikeys.workspace = '';
SELECT code FROM apikeys.validate_key(:'a');

-- for a transaction, a function, a role
BEGIN;
SET LOCAL apikeys.workspace = 'rival';
SELECT code FROM apikeys.validate_key(:'a');
COMMIT;
SELECT code FROM apikeys.validate_key(:'a');
CREATE FUNCTION pg_temp.bound() RETURNS SETOF text LANGUAGE sql SET apikeys.workspace = 'rival' AS $$ SELECT name FROM apikeys.active_keys ORDER BY 1 $$;
SELECT pg_temp.bound();

-- ungranted capabilities do not come by it
CREATE ROLE regress_ak_scoped;
SELECT apikeys.grant_access('regress_ak_scoped', 'view', 'acme');
SET ROLE regress_ak_scoped;
SET apikeys.workspace = 'rival';
SELECT count(*) FROM apikeys.active_keys;
SET apikeys.workspace = 'acme';
SELECT count(*) FROM apikeys.active_keys;
RESET apikeys.workspace;
RESET ROLE;

SELECT pg_temp.wrong();
DROP OWNED BY regress_ak_scoped;
DROP ROLE regress_ak_scoped;
