-- grant_access and revoke_access: what they record and grant, membership, and all errors.
\set ECHO none
\i test/lib/regress.sql

CREATE ROLE regress_ak_one;
CREATE ROLE regress_ak_group;
CREATE ROLE regress_ak_member IN ROLE regress_ak_group;
CREATE ROLE regress_ak_stranger NOINHERIT IN ROLE regress_ak_group;
CREATE ROLE "regress_ak ""odd"" role";
CREATE ROLE regress_ak_fresh;
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
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}', 'default')$$);
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
SELECT apikeys_internal.visible_workspaces('view');
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
SELECT apikeys_internal.visible_workspaces('view'), apikeys_internal.visible_workspaces('manage');
RESET ROLE;

-- an admin grants no more than he has; one of a workspace grants in it
SELECT apikeys.grant_access('regress_ak_member', 'admin', 'acme');
SELECT apikeys.grant_access('regress_ak_group', 'audit');
SET ROLE regress_ak_member;
SELECT apikeys.grant_access('regress_ak_fresh', 'audit', 'acme');
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_fresh', 'audit')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_fresh', 'audit', 'default')$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_group', 'audit')$$);
SELECT apikeys.revoke_access('regress_ak_fresh', 'audit', 'acme');
RESET ROLE;

-- mistakes
SELECT count(*) FROM pg_temp.entries();
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_one', 'everything')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_one', 'MANAGE')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_one', '')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_one', NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access(NULL, 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_one', 'view', NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_one', 'view', NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_not_there', 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('public', 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('', 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_one', 'view', 'nowhere')$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_one', 'everything')$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_one', NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access(NULL, 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_not_there', 'view')$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_one', 'view', 'nowhere')$$);
SELECT pg_temp.refused($$SELECT apikeys_internal.visible_workspaces('everything')$$);
SELECT apikeys_internal.visible_workspaces(NULL);
SELECT * FROM pg_temp.entries();

-- a role that is gone leaves its rows; one of its name starts without what the old one had, and its first grant removes them
SELECT apikeys.grant_access('regress_ak_stranger', 'admin');
DROP OWNED BY regress_ak_stranger;
DROP ROLE regress_ak_stranger;
CREATE ROLE regress_ak_stranger;
SET ROLE regress_ak_stranger;
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}')$$);
RESET ROLE;
SELECT apikeys.grant_access('regress_ak_stranger', 'view', 'acme');
SET ROLE regress_ak_stranger;
SELECT apikeys_internal.visible_workspaces('view'), apikeys_internal.visible_workspaces('admin');
RESET ROLE;
SELECT role, capability, workspace FROM apikeys.access WHERE role = 'regress_ak_stranger';
-- rows of a role that is gone can be revoked
DROP OWNED BY regress_ak_stranger;
DROP ROLE regress_ak_stranger;
SELECT apikeys.revoke_access('regress_ak_stranger', 'view', 'acme');
SELECT count(*) FROM apikeys.access WHERE role = 'regress_ak_stranger';

-- '*' is all workspaces, and under apikeys.workspace that one
SELECT apikeys.grant_access('regress_ak_fresh', 'view', '*');
SET apikeys.workspace = 'acme';
SELECT apikeys.grant_access('regress_ak_fresh', 'audit');
SELECT apikeys.grant_access('regress_ak_fresh', 'manage', '*');
SELECT apikeys.revoke_access('regress_ak_fresh', 'view');
RESET apikeys.workspace;
SELECT role, capability, workspace FROM apikeys.access WHERE role = 'regress_ak_fresh' ORDER BY 2, 3;
SELECT apikeys.revoke_access('regress_ak_fresh', 'view', '*'), apikeys.revoke_access('regress_ak_fresh', 'audit', 'acme'),
	apikeys.revoke_access('regress_ak_fresh', 'manage', 'acme');
DROP ROLE regress_ak_fresh;
SELECT count(*) FROM pg_temp.entries();

-- a role that is renamed keeps its access; its next grant corrects the name
CREATE ROLE regress_ak_x;
CREATE ROLE regress_ak_y;
SELECT apikeys.grant_access('regress_ak_x', 'manage', 'acme'), apikeys.grant_access('regress_ak_y', 'view') \g /dev/null
ALTER ROLE regress_ak_x RENAME TO regress_ak_z;
SET ROLE regress_ak_z;
SELECT apikeys_internal.visible_workspaces('manage');
RESET ROLE;
SELECT role, capability, workspace, in_force FROM apikeys.accesses WHERE role LIKE 'regress_ak__';
SELECT * FROM pg_temp.entries();
SELECT apikeys.grant_access('regress_ak_z', 'audit', 'acme');
SELECT role, capability, workspace FROM apikeys.access WHERE role LIKE 'regress_ak__' ORDER BY 1, 2, 3;
SELECT action, activity FROM pg_temp.entries();
-- nobody inherits by taking the name: one made anew, one renamed, two that swap theirs
CREATE ROLE regress_ak_x;
SET ROLE regress_ak_x;
SELECT pg_temp.sqlstate($$SELECT apikeys_internal.visible_workspaces('view')$$);
RESET ROLE;
DROP ROLE regress_ak_x;
ALTER ROLE regress_ak_y RENAME TO regress_ak_x;
ALTER ROLE regress_ak_z RENAME TO regress_ak_y;
SET ROLE regress_ak_x;
SELECT apikeys_internal.visible_workspaces('view') @> '{default}' AS everywhere, apikeys_internal.visible_workspaces('manage');
SET ROLE regress_ak_y;
SELECT apikeys_internal.visible_workspaces('view'), apikeys_internal.visible_workspaces('manage');
RESET ROLE;
SELECT apikeys.grant_access('regress_ak_y', 'manage', 'acme'), apikeys.grant_access('regress_ak_x', 'view');
SELECT role, capability, workspace FROM apikeys.access WHERE role LIKE 'regress_ak__' ORDER BY 1, 2, 3;
SELECT action, activity FROM pg_temp.entries();
SELECT pg_temp.wrong();
-- what is revoked is what the role of that name has, whatever the rows are called
ALTER ROLE regress_ak_x RENAME TO regress_ak_t;
ALTER ROLE regress_ak_y RENAME TO regress_ak_x;
ALTER ROLE regress_ak_t RENAME TO regress_ak_y;
SELECT apikeys.revoke_access('regress_ak_y', 'view');
SELECT apikeys.revoke_access('regress_ak_x', 'view');
SELECT role, capability, workspace FROM apikeys.access WHERE role LIKE 'regress_ak__' ORDER BY 1, 2, 3;
SET ROLE regress_ak_x;
SELECT apikeys_internal.visible_workspaces('manage');
RESET ROLE;
-- one that is dropped takes its access with it, and revoking gives nobody anything
SET client_min_messages = warning;
DROP OWNED BY regress_ak_x, regress_ak_y;
DROP ROLE regress_ak_x, regress_ak_y;
RESET client_min_messages;
CREATE ROLE regress_ak_x;
CREATE ROLE regress_ak_y;
SELECT apikeys.grant_access('regress_ak_y', 'admin'), apikeys.grant_access('regress_ak_y', 'view', 'acme') \g /dev/null
DROP OWNED BY regress_ak_y;
DROP ROLE regress_ak_y;
CREATE ROLE regress_ak_y;
SELECT count(*) FROM apikeys.accesses WHERE role = 'regress_ak_y' AND in_force;
SELECT apikeys.revoke_access('regress_ak_y', 'view', 'acme');
SELECT has_schema_privilege('regress_ak_y', 'apikeys', 'USAGE');
SELECT role, capability, workspace FROM apikeys.access WHERE role LIKE 'regress_ak__' ORDER BY 1, 2, 3;
SELECT apikeys.grant_access('regress_ak_y', 'validate', 'acme');
SELECT role, capability, workspace FROM apikeys.access WHERE role LIKE 'regress_ak__' ORDER BY 1, 2, 3;
SELECT action, activity FROM pg_temp.entries();

-- a grant gives what its own capability needs: what somebody revoked by hand stays revoked
SELECT apikeys.grant_access('regress_ak_x', 'manage');
REVOKE EXECUTE ON FUNCTION apikeys.archive_key FROM regress_ak_x;
SELECT apikeys.grant_access('regress_ak_x', 'validate'), apikeys.grant_access('regress_ak_x', 'view', 'acme');
SELECT apikeys.revoke_access('regress_ak_x', 'view', 'acme');
SELECT has_function_privilege('regress_ak_x', 'apikeys.archive_key(uuid, text)', 'EXECUTE') AS archive,
	has_function_privilege('regress_ak_x', 'apikeys.key_details(uuid)', 'EXECUTE') AS details;
-- its own come back when it is granted again
SELECT apikeys.grant_access('regress_ak_x', 'manage');
SELECT has_function_privilege('regress_ak_x', 'apikeys.archive_key(uuid, text)', 'EXECUTE');
-- what somebody gave by hand stays
GRANT EXECUTE ON FUNCTION apikeys.verify_audit_logs TO regress_ak_x;
SELECT apikeys.grant_access('regress_ak_x', 'view'), apikeys.revoke_access('regress_ak_x', 'validate');
SELECT has_function_privilege('regress_ak_x', 'apikeys.verify_audit_logs(text,text[])', 'EXECUTE');
-- without all of its privileges a capability is gone, and another one does not bring it back
SELECT FROM pg_temp.entries();
DROP OWNED BY regress_ak_x;
SELECT apikeys.grant_access('regress_ak_x', 'validate', 'acme');
SELECT role, capability, workspace FROM apikeys.access WHERE role = 'regress_ak_x';
SELECT action, activity FROM pg_temp.entries();
SELECT apikeys.revoke_access('regress_ak_x', 'validate', 'acme'), apikeys.revoke_access('regress_ak_y', 'validate', 'acme');

-- an admin of one workspace grants in it to roles that have access in it alone
SELECT apikeys.create_workspace('blue') \g /dev/null
CREATE ROLE regress_ak_acme;
CREATE ROLE regress_ak_both;
CREATE ROLE regress_ak_parent;
CREATE ROLE regress_ak_child IN ROLE regress_ak_parent;
SELECT apikeys.grant_access('regress_ak_acme', 'admin', 'acme'), apikeys.grant_access('regress_ak_both', 'admin', 'acme'),
	apikeys.grant_access('regress_ak_both', 'admin', 'blue'), apikeys.grant_access('regress_ak_x', 'validate', 'blue') \g /dev/null
SET ROLE regress_ak_acme;
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_x', 'validate', 'acme')$$);
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_both', 'view', 'acme')$$);
SELECT pg_temp.refused(format('SELECT apikeys.grant_access(%L, %L, %L)', session_user, 'view', 'acme')) LIKE '42501%' AS of_the_owner;
SELECT apikeys.grant_access('regress_ak_child', 'view', 'acme'), apikeys.grant_access('regress_ak_parent', 'view', 'acme');
-- in workspaces that he administers, too
SET ROLE regress_ak_both;
SELECT apikeys.grant_access('regress_ak_x', 'validate', 'acme');
RESET ROLE;
-- by membership, and through a member
SELECT apikeys.grant_access('regress_ak_parent', 'view', 'blue');
SET ROLE regress_ak_acme;
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_child', 'audit', 'acme')$$);
RESET ROLE;
SELECT apikeys.revoke_access('regress_ak_parent', 'view', 'blue'), apikeys.grant_access('regress_ak_child', 'view', 'blue');
SET ROLE regress_ak_acme;
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_parent', 'audit', 'acme')$$);
-- he revokes in it always
SELECT apikeys.revoke_access('regress_ak_child', 'view', 'acme'), apikeys.revoke_access('regress_ak_parent', 'view', 'acme'),
	apikeys.revoke_access('regress_ak_x', 'validate', 'acme');
RESET ROLE;
SELECT role, capability, workspace FROM apikeys.access WHERE role IN ('regress_ak_x', 'regress_ak_parent', 'regress_ak_child') ORDER BY 1, 2, 3;

-- what he grants and revokes holds from his commit on: until then nobody waits for him
CREATE FUNCTION pg_temp.validates() RETURNS boolean LANGUAGE sql AS
	$$SELECT has_function_privilege('regress_ak_y', (SELECT oid FROM pg_proc WHERE proname = 'validate_key'), 'EXECUTE')$$;
SET ROLE regress_ak_acme;
BEGIN;
SELECT apikeys.grant_access('regress_ak_y', 'validate', 'acme');
SELECT pg_temp.validates();
SAVEPOINT s;
SELECT apikeys.grant_access('regress_ak_y', 'audit', 'acme');
ROLLBACK TO s;
SAVEPOINT s;
SELECT apikeys.grant_access('regress_ak_y', 'view', 'acme');
RELEASE s;
COMMIT;
SELECT pg_temp.validates(), has_table_privilege('regress_ak_y', 'apikeys.audit_logs', 'SELECT') AS audits, has_table_privilege('regress_ak_y', 'apikeys.active_keys', 'SELECT') AS views;
BEGIN;
SELECT apikeys.revoke_access('regress_ak_y', 'validate', 'acme');
SELECT pg_temp.validates();
ROLLBACK;
BEGIN;
SELECT apikeys.revoke_access('regress_ak_y', 'validate', 'acme'), apikeys.grant_access('regress_ak_y', 'validate', 'acme'),
	apikeys.revoke_access('regress_ak_y', 'validate', 'acme'), apikeys.revoke_access('regress_ak_y', 'view', 'acme');
COMMIT;
SELECT pg_temp.validates(), has_schema_privilege('regress_ak_y', 'apikeys', 'USAGE');
RESET ROLE;

-- an access that comes out of a dump waits: regrant_access() says that the role of its name is meant
SELECT FROM pg_temp.entries();
INSERT INTO apikeys.access (role, capability, workspace) VALUES
	('regress_ak_y', 'validate', NULL), ('regress_ak_y', 'view', 'acme'), ('regress_ak_not_there', 'admin', NULL);
GRANT USAGE ON SCHEMA apikeys TO regress_ak_y;
GRANT EXECUTE ON FUNCTION apikeys.validate_key TO regress_ak_y;
SET ROLE regress_ak_y;
SELECT pg_temp.refused($$SELECT apikeys.validate_key('x')$$);
SET ROLE regress_ak_acme;
-- it counts as access that there is
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_y', 'view', 'acme')$$);
SELECT pg_temp.refused($$SELECT apikeys.regrant_access()$$);
RESET ROLE;
SET apikeys.workspace = 'blue';
SELECT apikeys.regrant_access();
RESET apikeys.workspace;
SELECT apikeys.regrant_access();
SET ROLE regress_ak_y;
SELECT code FROM apikeys.validate_key('x');
SELECT apikeys_internal.visible_workspaces('view');
RESET ROLE;
SELECT apikeys.regrant_access();
SELECT action, activity, CASE WHEN activity LIKE '%again%' THEN changes END AS changes FROM pg_temp.entries();
-- or grant_access() of that one, or it is revoked
INSERT INTO apikeys.access (role, capability) VALUES ('regress_ak_x', 'view'), ('regress_ak_x', 'audit');
SELECT FROM pg_temp.entries();
SELECT apikeys.grant_access('regress_ak_x', 'view'), apikeys.revoke_access('regress_ak_x', 'audit'), apikeys.revoke_access('regress_ak_not_there', 'admin');
SELECT action, activity FROM pg_temp.entries();
SELECT role, capability, workspace FROM apikeys.access WHERE role IN ('regress_ak_x', 'regress_ak_not_there') ORDER BY 1, 2, 3;
SELECT apikeys.regrant_access();

-- Who creates a role can grant it, from PostgreSQL 16 on as a member that neither has its privileges nor may SET ROLE to it:
-- the creator's own access is not widened with the role's. A member that has or may is in the way.
CREATE ROLE regress_ak_creator CREATEROLE;
CREATE ROLE regress_ak_user;
SELECT apikeys.grant_access('regress_ak_creator', 'admin'), apikeys.grant_access('regress_ak_user', 'view');
SET ROLE regress_ak_creator;
CREATE ROLE regress_ak_created;
SET ROLE regress_ak_acme;
SELECT apikeys.grant_access('regress_ak_created', 'view', 'acme');
RESET ROLE;
GRANT regress_ak_created TO regress_ak_user;
SET ROLE regress_ak_acme;
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_created', 'audit', 'acme')$$);
RESET ROLE;
SET client_min_messages = warning;
DROP OWNED BY regress_ak_created, regress_ak_creator, regress_ak_user;
DROP ROLE regress_ak_created, regress_ak_creator, regress_ak_user;
RESET client_min_messages;

-- superusers and members of the owner need no grant
SELECT apikeys_internal.visible_workspaces('admin') @> '{acme,default,""}' AS everything;

SELECT pg_temp.wrong();
SET client_min_messages = warning;
DROP OWNED BY regress_ak_one, regress_ak_group, regress_ak_member, "regress_ak ""odd"" role", regress_ak_x, regress_ak_y,
	regress_ak_acme, regress_ak_both, regress_ak_parent, regress_ak_child;
DROP ROLE regress_ak_one, regress_ak_group, regress_ak_member, "regress_ak ""odd"" role", regress_ak_x, regress_ak_y,
	regress_ak_acme, regress_ak_both, regress_ak_parent, regress_ak_child;

-- An admin of one workspace whose transaction grants more than a few: all of it is given at its commit.
SELECT apikeys.create_workspace('many') \g /dev/null
SELECT format('CREATE ROLE regress_ak_many_%s', i) FROM generate_series(0, 10) AS i \gexec
SELECT apikeys.grant_access('regress_ak_many_0', 'admin', 'many');
SET ROLE regress_ak_many_0;
BEGIN;
SELECT count(apikeys.grant_access(('regress_ak_many_' || i)::name, c, 'many')) FROM generate_series(1, 10) AS i, unnest('{view,audit}'::text[]) AS c;
SAVEPOINT one;
SELECT count(apikeys.revoke_access(('regress_ak_many_' || i)::name, 'audit', 'many')) FROM generate_series(1, 10) AS i;
ROLLBACK TO one;
SELECT count(apikeys.revoke_access(('regress_ak_many_' || i)::name, 'view', 'many')) FROM generate_series(6, 10) AS i;
COMMIT;
RESET ROLE;
SELECT has_table_privilege(r, 'apikeys.keys', 'SELECT') AS view, has_table_privilege(r, 'apikeys.audit_logs', 'SELECT') AS audit, count(*) FROM (SELECT 'regress_ak_many_' || i AS r FROM generate_series(1, 10) AS i) AS s GROUP BY 1, 2 ORDER BY 1;
SELECT format('DROP OWNED BY regress_ak_many_%s', i) FROM generate_series(0, 10) AS i \gexec
SELECT format('DROP ROLE regress_ak_many_%s', i) FROM generate_series(0, 10) AS i \gexec
