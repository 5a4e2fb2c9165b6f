-- grant_access and revoke_access: what they record and grant, membership, and every mistake.
\set ECHO none
\i test/lib/regress.sql

CREATE ROLE regress_ak_one;
CREATE ROLE regress_ak_group;
CREATE ROLE regress_ak_member IN ROLE regress_ak_group;
CREATE ROLE regress_ak_stranger NOINHERIT IN ROLE regress_ak_group;
CREATE ROLE "regress_ak ""odd"" role";
SELECT apikeys.create_workspace('acme') \g /dev/null
SELECT key FROM apikeys.create_key('K', '{data}', 'acme') \gset

-- recorded by name, and told
SELECT apikeys.grant_access('regress_ak_one', 'manage', 'acme');
SELECT apikeys.grant_access('regress_ak_one', 'manage');
SELECT apikeys.grant_access('regress_ak "odd" role', 'view');
SELECT role, capability, workspace FROM apikeys.access ORDER BY 1, 2, 3;
SELECT * FROM pg_temp.entries();
-- again: nothing new
SELECT apikeys.grant_access('regress_ak_one', 'manage', 'acme');
SELECT * FROM pg_temp.entries();
SET ROLE "regress_ak ""odd"" role";
SELECT name FROM apikeys.active_keys;
RESET ROLE;

-- revoke takes back what grant gave with the same arguments, no more; a WARNING when there is nothing
SELECT apikeys.revoke_access('regress_ak_one', 'manage');
SET ROLE regress_ak_one;
SELECT name FROM apikeys.active_keys;
SELECT name FROM apikeys.create_key('x', '{data}', 'acme');
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}')$$);
RESET ROLE;
SELECT apikeys.revoke_access('regress_ak_one', 'manage');
SELECT apikeys.revoke_access('regress_ak_one', 'view', 'acme');
SELECT apikeys.revoke_access('regress_ak_one', 'manage', 'acme');
SELECT apikeys.revoke_access('regress_ak "odd" role', 'view');
SET ROLE regress_ak_one;
SELECT pg_temp.refused($$SELECT name FROM apikeys.active_keys$$);
RESET ROLE;
SELECT count(*) FROM apikeys.access;
SELECT * FROM pg_temp.entries();

-- rolled back, nothing was granted
BEGIN;
SELECT apikeys.grant_access('regress_ak_one', 'validate');
SET LOCAL ROLE regress_ak_one;
SELECT code FROM apikeys.validate_key(:'key');
RESET ROLE;
SAVEPOINT s;
SELECT apikeys.revoke_access('regress_ak_one', 'validate');
SET LOCAL ROLE regress_ak_one;
SELECT pg_temp.refused($$SELECT code FROM apikeys.validate_key('x')$$);
ROLLBACK TO s;
SET LOCAL ROLE regress_ak_one;
SELECT code FROM apikeys.validate_key(:'key');
ROLLBACK;
SET ROLE regress_ak_one;
SELECT pg_temp.refused($$SELECT code FROM apikeys.validate_key('x')$$);
RESET ROLE;

-- membership counts as in SQL: who inherits has it, who does not must SET ROLE
SELECT apikeys.grant_access('regress_ak_group', 'view', 'acme');
SET ROLE regress_ak_member;
SELECT name FROM apikeys.active_keys ORDER BY 1;
RESET ROLE;
SET ROLE regress_ak_stranger;
SELECT pg_temp.refused($$SELECT name FROM apikeys.active_keys$$);
RESET ROLE;
SELECT apikeys.grant_access('regress_ak_stranger', 'validate');
SET ROLE regress_ak_stranger;
SELECT apikeys.visible_workspaces('view');
RESET ROLE;
SET SESSION AUTHORIZATION regress_ak_stranger;
SET ROLE regress_ak_group;
SELECT name FROM apikeys.active_keys ORDER BY 1;
RESET SESSION AUTHORIZATION;
-- the membership ends, and with it the access
SET ROLE regress_ak_member;
SELECT count(*) FROM apikeys.active_keys;
RESET ROLE;
REVOKE regress_ak_group FROM regress_ak_member;
SET ROLE regress_ak_member;
SELECT pg_temp.refused($$SELECT name FROM apikeys.active_keys$$);
RESET ROLE;
-- capabilities of several roles add up
GRANT regress_ak_group TO regress_ak_one;
SELECT apikeys.grant_access('regress_ak_one', 'manage', 'default');
SET ROLE regress_ak_one;
SELECT apikeys.visible_workspaces('view'), apikeys.visible_workspaces('manage');
RESET ROLE;

-- an admin grants no more than he has; one of a workspace grants in it
SELECT apikeys.grant_access('regress_ak_member', 'admin', 'acme');
SELECT apikeys.grant_access('regress_ak_group', 'audit');
SET ROLE regress_ak_member;
SELECT apikeys.grant_access('regress_ak_stranger', 'audit', 'acme');
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_stranger', 'audit')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_stranger', 'audit', 'default')$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_group', 'audit')$$);
SELECT apikeys.revoke_access('regress_ak_stranger', 'audit', 'acme');
RESET ROLE;

-- mistakes
SELECT count(*) FROM pg_temp.entries();
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_one', 'everything')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_one', 'MANAGE')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_one', '')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_one', NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access(NULL, 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_not_there', 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('public', 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('', 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_one', 'view', 'nowhere')$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_one', 'everything')$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_one', NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access(NULL, 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_not_there', 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_one', 'view', 'nowhere')$$);
SELECT pg_temp.refused($$SELECT apikeys.visible_workspaces('everything')$$);
SELECT apikeys.visible_workspaces(NULL);
SELECT * FROM pg_temp.entries();

-- a role that is gone leaves its rows; one of its name starts without what the old one had
SELECT apikeys.grant_access('regress_ak_stranger', 'admin');
DROP OWNED BY regress_ak_stranger;
DROP ROLE regress_ak_stranger;
CREATE ROLE regress_ak_stranger;
SET ROLE regress_ak_stranger;
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}')$$);
RESET ROLE;
SELECT apikeys.grant_access('regress_ak_stranger', 'view', 'acme');
SET ROLE regress_ak_stranger;
SELECT apikeys.visible_workspaces('view'), apikeys.visible_workspaces('admin');
RESET ROLE;
SELECT role, capability, workspace FROM apikeys.access WHERE role = 'regress_ak_stranger';
-- rows of a role that is gone can be revoked
DROP OWNED BY regress_ak_stranger;
DROP ROLE regress_ak_stranger;
SELECT apikeys.revoke_access('regress_ak_stranger', 'view', 'acme');
SELECT count(*) FROM apikeys.access WHERE role = 'regress_ak_stranger';

-- superusers and members of the owner need no grant
SELECT apikeys.visible_workspaces('admin') @> '{acme,default,""}' AS everything;

SELECT pg_temp.wrong();
DROP OWNED BY regress_ak_one, regress_ak_group, regress_ak_member, "regress_ak ""odd"" role";
DROP ROLE regress_ak_one, regress_ak_group, regress_ak_member, "regress_ak ""odd"" role";
