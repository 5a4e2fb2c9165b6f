-- drop_workspace(): what it refuses, what it removes with the workspace, and that the log stays and verifies.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
SELECT apikeys.create_workspace('acme'), apikeys.create_workspace('rival'), apikeys.create_workspace('empty') \g /dev/null
CREATE ROLE regress_ak_gateway;
CREATE ROLE regress_ak_both;
SELECT apikeys.grant_access('regress_ak_gateway', 'validate', 'acme'), apikeys.grant_access('regress_ak_both', 'view', 'acme'),
	apikeys.grant_access('regress_ak_both', 'manage', 'rival'), apikeys.grant_access('regress_ak_both', 'audit', 'acme') \g /dev/null
SELECT apikeys.add_team_member('bob', 'Sales', 'acme') \g /dev/null
SELECT k.key AS one, k.key_id AS one_id FROM apikeys.create_key('One', '{data}', 'acme') AS k \gset
SELECT k.key AS two, k.key_id AS two_id FROM apikeys.create_key('Two "quoted"', '{data}', 'acme') AS k \gset
SELECT (apikeys.archive_key(:'two_id')).state;
RESET client_min_messages;

SELECT pg_temp.refused($$SELECT apikeys.drop_workspace('acme')$$);
SELECT pg_temp.refused($$SELECT apikeys.drop_workspace('nowhere')$$);
SELECT pg_temp.refused($$SELECT apikeys.drop_workspace(NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.drop_workspace('default')$$);
SET apikeys.workspace = 'rival';
SELECT pg_temp.refused($$SELECT apikeys.drop_workspace('acme')$$);
RESET apikeys.workspace;
-- an admin of one workspace does not drop it
SELECT apikeys.grant_access('regress_ak_both', 'admin', 'empty') \g /dev/null
SET ROLE regress_ak_both;
SELECT pg_temp.refused($$SELECT apikeys.drop_workspace('empty')$$);
RESET ROLE;
SELECT apikeys.revoke_access('regress_ak_both', 'admin', 'empty') \g /dev/null

-- all of it, or nothing
SELECT (apikeys.archive_key(:'one_id')).state;
BEGIN;
SELECT apikeys.drop_workspace('acme');
SELECT code FROM apikeys.validate_key(:'one');
ROLLBACK;
SELECT workspace, name, state FROM apikeys.key_details(:'one_id');
-- who drops it loses a team by that, and all entries tell the same actor and team
SET apikeys.actor = 'carol';
SELECT apikeys.add_team_member('carol', 'Platform', 'acme') \g /dev/null
SELECT max(audit_id) AS before FROM apikeys.audit_logs \gset
SELECT apikeys.drop_workspace('acme'), apikeys.drop_workspace('empty');
RESET apikeys.actor;
SELECT actor, team, entity, action, activity, workspace, subject - 'grant_id' AS subject FROM apikeys.audit_logs WHERE audit_id > :before AND entity <> 'Workspaces' ORDER BY activity COLLATE "C";
SELECT actor, team, activity, workspace, (SELECT jsonb_agg(e->>'name' ORDER BY e->>'name') FROM jsonb_array_elements(changes->'evicted') AS e) AS evicted FROM apikeys.audit_logs WHERE audit_id > :before AND entity = 'Workspaces' ORDER BY activity COLLATE "C";
SELECT workspace FROM apikeys.workspaces;
SELECT count(*) FROM apikeys.team_members WHERE workspace = 'acme';
SELECT role, capability, workspace FROM apikeys.accesses;
SELECT code, key_id FROM unnest(ARRAY[:'one', :'two']) AS k, apikeys.validate_key(k);
SELECT pg_temp.refused(format('SELECT apikeys.key_details(%L)', :'one_id'));
-- privileges that only it needed are gone, others stay
SELECT r AS role, has_function_privilege(r, 'apikeys.validate_key'::regproc, 'EXECUTE') AS validates, has_function_privilege(r, 'apikeys.create_key'::regproc, 'EXECUTE') AS manages,
	has_table_privilege(r, 'apikeys.audit_logs', 'SELECT') AS audits FROM unnest('{regress_ak_gateway,regress_ak_both}'::text[]) AS r;
SELECT pg_temp.wrong();
-- who may read all of the log reads its entries on, and a purge of it works
SELECT count(*) > 5 AS entries FROM apikeys.audit_logs WHERE workspace = 'acme';
-- the name is free
SELECT apikeys.create_workspace('acme') \g /dev/null
SELECT count(*) FROM apikeys.create_key('One', '{data}', 'acme');
SELECT pg_temp.wrong();

-- a role with access to it was dropped
SELECT apikeys.create_workspace('left') \g /dev/null
CREATE ROLE regress_ak_gone;
SELECT apikeys.grant_access('regress_ak_gone', 'view', 'left');
DROP OWNED BY regress_ak_gone;
DROP ROLE regress_ak_gone;
SELECT apikeys.drop_workspace('left');
SELECT activity FROM apikeys.audit_logs WHERE workspace = 'left' LIMIT 1;
SELECT pg_temp.wrong();

DROP OWNED BY regress_ak_gateway, regress_ak_both;
DROP ROLE regress_ak_gateway, regress_ak_both;
