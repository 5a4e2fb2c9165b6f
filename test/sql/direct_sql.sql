-- The triggers enforce the rules: what the owner may do by direct SQL, and what nobody may.
\set ECHO none
\i test/lib/regress.sql

-- INSERT writes the same entry as create_key; what is left out is filled in, what is given is made as it must be
INSERT INTO apikeys.key (name, apis, workspace, key_hash, team, metadata, allowed_cidrs, expires_at)
VALUES ('  Direct  ', '{push,data,push}', 'default', sha256('direct secret'), '', '{}', '{}', 'infinity');
SELECT name, apis, team, metadata, allowed_cidrs, expires_at, hint, created_at BETWEEN now() - interval '1 minute' AND now() + interval '1 minute' AS now, created_by = session_user AS by_me
FROM apikeys.active_keys;
SELECT * FROM pg_temp.entries() \gx
SELECT code, name FROM apikeys.validate_key('direct secret', 'push');

-- creation columns are not the inserter's; a new key cannot come with a past
INSERT INTO apikeys.key (key_id, audit_id, name, apis, workspace, key_hash, created_at, created_by, row_digest)
VALUES ('00000000-0000-4000-8000-000000000001', 4711, 'Forged', '{data}', 'default', sha256('forged'), '1999-01-01', 'nobody', sha256('x'));
SELECT created_at > '2000-01-01' AS now, created_by = session_user AS by_me FROM apikeys.key_details('00000000-0000-4000-8000-000000000001');
SELECT audit_id <> 4711 AS numbered FROM apikeys.key WHERE name = 'Forged';
SELECT pg_temp.refused(format($$INSERT INTO apikeys.key (name, apis, workspace, key_hash, %I) VALUES ('bad', '{data}', 'default', sha256('bad'), %L)$$, c, v))
FROM (VALUES ('archived_at', '2999-01-01'), ('archived_by', 'me'), ('old_key_hash', '\x00'), ('old_valid_until', '2999-01-01'),
	('updated_at', '2999-01-01'), ('updated_by', 'me'), ('regenerated_at', '2999-01-01'), ('regenerated_by', 'me')) AS t (c, v);
SELECT pg_temp.sqlstate($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('bad', '{data}', 'default', sha256('direct secret'))$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('bad', '{data}', 'default', 'short')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('bad', '{data}', 'default', NULL)$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('bad', '{data}', NULL, sha256('bad'))$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('bad', '{data}', 'nowhere', sha256('bad'))$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('bad', '{none}', 'default', sha256('bad'))$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('bad', '{}', 'default', sha256('bad'))$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('', '{data}', 'default', sha256('bad'))$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('DIRECT', '{data}', 'default', sha256('bad'))$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash, hint) VALUES ('bad', '{data}', 'default', sha256('bad'), 'bad')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash, allowed_cidrs) VALUES ('bad', '{data}', 'default', sha256('bad'), '{10.0.0.0/8,NULL}')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash, expires_at) VALUES ('bad', '{data}', 'default', sha256('bad'), '1999-01-01')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash, rate_limit) VALUES ('bad', '{data}', 'default', sha256('bad'), 0)$$);

-- UPDATE: as update_key, an entry for each row
UPDATE apikeys.key SET team = 'Everybody', name = name || ' ' WHERE archived_at IS NULL;
UPDATE apikeys.key SET team = team, updated_at = updated_at;
SELECT action, activity FROM pg_temp.entries();
SELECT name, team, updated_by = session_user AS by_me FROM apikeys.active_keys ORDER BY 1;
UPDATE apikeys.key SET allowed_cidrs = '{::ffff:192.0.2.0/120,::ffff:10.0.0.1,::fffe:0:0/95,::/0,2001:db8::/32,10.0.0.0/8}' WHERE name = 'Forged';
SELECT allowed_cidrs FROM apikeys.key WHERE name = 'Forged';
UPDATE apikeys.key SET allowed_cidrs = '{::ffff:192.0.2.0/120,10.0.0.1/32,::fffe:0:0/95,::/0,2001:db8::/32,::ffff:10.0.0.0/104}' WHERE name = 'Forged';
UPDATE apikeys.key SET allowed_cidrs = NULL WHERE name = 'Forged';
UPDATE apikeys.key SET hint = 'fo…ed' WHERE name = 'Forged';
SELECT activity, changes FROM pg_temp.entries();

-- a new hash is a regeneration; the hash before becomes the old one
UPDATE apikeys.key SET key_hash = sha256('second') WHERE name = 'Forged';
SELECT name, regenerated_by = session_user AS by_me, updated_by = session_user AS updated_by_me, old_valid_until FROM apikeys.key_details('00000000-0000-4000-8000-000000000001');
SELECT k, code FROM (VALUES ('forged'), ('second')) AS s (k), apikeys.validate_key(k);
UPDATE apikeys.key SET key_hash = sha256('third'), old_valid_until = '2999-01-01' WHERE name = 'Forged';
SELECT k, code FROM (VALUES ('forged'), ('second'), ('third')) AS s (k), apikeys.validate_key(k);
-- a hash stands once, present or old, whosever it is
SELECT pg_temp.sqlstate($$UPDATE apikeys.key SET key_hash = sha256('direct secret') WHERE name = 'Forged'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET key_hash = sha256('second') WHERE name = 'Direct'$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('bad', '{data}', 'default', sha256('second'))$$);
-- an overlap can be shortened, no more
UPDATE apikeys.key SET old_valid_until = '2998-01-01' WHERE name = 'Forged';
SELECT pg_temp.refused($$UPDATE apikeys.key SET old_valid_until = '2999-01-01' WHERE name = 'Forged'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET old_valid_until = 'infinity' WHERE name = 'Forged'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET old_valid_until = '2999-01-01' WHERE name = 'Direct'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET key_hash = sha256('x'), old_valid_until = 'infinity' WHERE name = 'Direct'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET old_key_hash = sha256('x') WHERE name = 'Direct'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET old_key_hash = NULL WHERE name = 'Forged'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET key_hash = NULL WHERE name = 'Forged'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET key_hash = 'short' WHERE name = 'Forged'$$);
UPDATE apikeys.key SET old_valid_until = NULL WHERE name = 'Forged';
SELECT k, code FROM (VALUES ('second'), ('third')) AS s (k), apikeys.validate_key(k);
-- back to the secret before: it is the present one then, and the other is old
UPDATE apikeys.key SET key_hash = sha256('second') WHERE name = 'Forged';
SELECT k, code FROM (VALUES ('second'), ('third')) AS s (k), apikeys.validate_key(k);
SELECT action, activity FROM pg_temp.entries();

-- identity and creation columns, and what says who did what
SELECT c, pg_temp.refused(format($$UPDATE apikeys.key SET %I = %L WHERE name = 'Direct'$$, c, v))
FROM (VALUES ('key_id', gen_random_uuid()::text), ('workspace', 'acme'), ('created_at', '1999-01-01'), ('created_by', 'nobody'),
	('updated_at', '1999-01-01'), ('updated_by', 'somebody'), ('regenerated_at', '1999-01-01'), ('regenerated_by', 'nobody'),
	('archived_by', 'nobody'), ('audit_id', '0'), ('row_digest', '\x00'), ('created_at', NULL), ('key_id', NULL), ('workspace', NULL)) AS t (c, v);
SELECT pg_temp.refused($$UPDATE apikeys.key SET name = NULL WHERE name = 'Direct'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET apis = NULL WHERE name = 'Direct'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET apis = '{}' WHERE name = 'Direct'$$);

-- a key is not deleted; nothing is truncated
SELECT pg_temp.refused($$DELETE FROM apikeys.key$$);
SELECT pg_temp.refused(format('TRUNCATE apikeys.%I', t)) FROM (VALUES ('key'), ('workspace'), ('api'), ('team_member'), ('access'), ('audit_log'), ('audit_tree')) AS t (t);
SELECT pg_temp.refused($$TRUNCATE apikeys.audit_log, apikeys.audit_tree, apikeys.key CASCADE$$);

-- archived is archived
UPDATE apikeys.key SET archived_at = '1999-01-01' WHERE name = 'Direct';
SELECT name, archived_at > '2000-01-01' AS now, archived_by = session_user AS by_me FROM apikeys.archived_keys;
SELECT action, activity FROM pg_temp.entries();
SELECT pg_temp.refused($$UPDATE apikeys.key SET archived_at = NULL, archived_by = NULL WHERE name = 'Direct'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET archived_at = now() WHERE name = 'Direct'$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET archived_by = NULL WHERE name = 'Direct'$$);
SELECT c, pg_temp.refused(format($$UPDATE apikeys.key SET %I = %L WHERE name = 'Direct'$$, c, v))
FROM (VALUES ('name', 'x'), ('apis', '{data}'), ('team', 'x'), ('key_hash', sha256('x')::text), ('expires_at', '2999-01-01'), ('metadata', '{"a": 1}'), ('row_digest', '\x00')) AS t (c, v);
SELECT pg_temp.refused($$DELETE FROM apikeys.key WHERE name = 'Direct'$$);
UPDATE apikeys.key SET name = name;

-- the log
SELECT pg_temp.refused($$UPDATE apikeys.audit_log SET actor = 'nobody'$$);
SELECT pg_temp.refused($$UPDATE apikeys.audit_log SET actor = actor$$);
SELECT pg_temp.refused($$DELETE FROM apikeys.audit_log$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.audit_log (audit_id, "time", entity, action, activity, actor, db_user, digest) VALUES (999, now(), 'API Keys', 'Create', 'x', 'x', 'x', sha256('x'))$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.audit_log (audit_id, "time", entity, action, activity, actor, db_user, digest) VALUES (999, now(), 'API Keys', 'Create', 'x', 'x', 'x', NULL)$$);
CALL apikeys.sequence_audit_logs();
SELECT pg_temp.refused($$UPDATE apikeys.audit_tree SET hashes = hashes$$);
SELECT pg_temp.refused($$UPDATE apikeys.audit_tree SET hashes = sha256('x')$$);
SELECT pg_temp.refused($$DELETE FROM apikeys.audit_tree$$);
SELECT pg_temp.refused($$UPDATE apikeys.audit_logs SET actor = 'nobody'$$);
SELECT pg_temp.refused($$DELETE FROM apikeys.active_keys$$);
SELECT pg_temp.refused($$UPDATE apikeys.active_keys SET name = NULL$$);

-- workspaces
INSERT INTO apikeys.workspace (workspace, name, prefix, archive_limit) VALUES ('acme', 'Acme', 'acme_live', 3);
INSERT INTO apikeys.workspace (workspace) VALUES ('plain');
UPDATE apikeys.workspace SET name = 'Acme Inc.', prefix = 'acme', archive_limit = 4 WHERE workspace = 'acme';
UPDATE apikeys.workspace SET name = name;
SELECT workspace, name, prefix, archive_limit, created_by = session_user AS by_me, updated_by = session_user AS updated_by_me FROM apikeys.workspace WHERE workspace <> 'default' ORDER BY 1;
SELECT * FROM pg_temp.entries();
SELECT c, pg_temp.refused(format($$UPDATE apikeys.workspace SET %I = %L WHERE workspace = 'acme'$$, c, v))
FROM (VALUES ('workspace', 'other'), ('created_at', '1999-01-01'), ('created_by', 'nobody'), ('updated_at', '1999-01-01'), ('updated_by', 'nobody'),
	('audit_id', '0'), ('row_digest', '\x00'), ('prefix', 'Acme'), ('prefix', NULL), ('archive_limit', '-1'), ('archive_limit', NULL), ('name', E'\n')) AS t (c, v);
SELECT pg_temp.refused($$INSERT INTO apikeys.workspace (workspace) VALUES ('acme')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.workspace (workspace) VALUES (NULL)$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.workspace (workspace) VALUES ('not this')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.workspace (workspace, prefix) VALUES ('x', '_')$$);
INSERT INTO apikeys.workspace (workspace, created_at, created_by, updated_at, updated_by) VALUES ('forged', '1999-01-01', 'nobody', '1999-01-01', 'nobody');
SELECT created_at > '2000-01-01' AS now, created_by = session_user AS by_me, updated_at, updated_by FROM apikeys.workspace WHERE workspace = 'forged';
DELETE FROM apikeys.workspace WHERE workspace = 'forged';
SELECT * FROM pg_temp.entries();
SELECT pg_temp.refused($$DELETE FROM apikeys.workspace WHERE workspace = 'default'$$);
SELECT count(*) FROM apikeys.create_key('x', '{data}', 'acme');
SELECT pg_temp.refused($$DELETE FROM apikeys.workspace WHERE workspace = 'acme'$$);
SELECT apikeys.add_team_member('ann', 'Platform', 'plain');
SELECT pg_temp.refused($$DELETE FROM apikeys.workspace WHERE workspace = 'plain'$$);
SELECT apikeys.remove_team_member('ann', 'plain');
INSERT INTO apikeys.access (role, capability, workspace) VALUES ('regress_ak_nobody', 'view', 'plain');
SELECT pg_temp.refused($$DELETE FROM apikeys.workspace WHERE workspace = 'plain'$$);
DELETE FROM apikeys.access WHERE workspace = 'plain';
DELETE FROM apikeys.workspace WHERE workspace = 'plain';
-- what a workspace that is gone leaves behind is still in the log, which still verifies
SELECT entity, action, activity FROM apikeys.audit_logs WHERE workspace = 'plain';
CALL apikeys.sequence_audit_logs();
SELECT workspace, entries, ok FROM apikeys.verify_audit_logs() WHERE workspace IN ('plain', 'forged') ORDER BY 1;
-- nor is what was left passed over whose workspace somebody made disappear, or that an anchor alone still knows
SELECT apikeys.create_workspace('hidden') \g /dev/null
CALL apikeys.sequence_audit_logs();
SELECT array_agg(note) AS anchors FROM apikeys.audit_checkpoint() \gset
BEGIN;
ALTER TABLE apikeys.workspace DISABLE TRIGGER USER;
DELETE FROM apikeys.workspace WHERE workspace = 'hidden';
ALTER TABLE apikeys.workspace ENABLE TRIGGER USER;
ALTER TABLE apikeys.workspace ENABLE ALWAYS TRIGGER a_make_way;
SELECT workspace, entries, ok, problem FROM apikeys.verify_audit_logs() WHERE workspace = 'hidden';
ALTER TABLE apikeys.audit_log DISABLE TRIGGER USER;
ALTER TABLE apikeys.audit_tree DISABLE TRIGGER USER;
DELETE FROM apikeys.audit_log WHERE workspace = 'hidden';
SELECT workspace, entries, ok, problem FROM apikeys.verify_audit_logs() WHERE workspace = 'hidden';
DELETE FROM apikeys.audit_tree WHERE workspace = 'hidden';
SELECT workspace, entries, ok, problem FROM apikeys.verify_audit_logs() WHERE workspace = 'hidden';
SELECT workspace, entries, ok, problem FROM apikeys.verify_audit_logs(checkpoints => :'anchors') WHERE workspace = 'hidden';
SELECT apikeys.create_workspace('ghost') \g /dev/null
ALTER TABLE apikeys.audit_log DISABLE TRIGGER USER;
UPDATE apikeys.audit_log SET workspace = 'nowhere' WHERE workspace = 'default';
SELECT workspace, ok, problem FROM apikeys.verify_audit_logs() WHERE workspace IN ('nowhere', 'default') ORDER BY 1;
ROLLBACK;
SELECT count(*) FROM pg_temp.entries();

-- APIs
INSERT INTO apikeys.api (api, description) VALUES ('billing', 'Billing API');
INSERT INTO apikeys.api (api, ordinal, created_at, created_by) VALUES ('first', 1, '1999-01-01', 'nobody');
SELECT api, ordinal, created_at > '2000-01-01' AS now, created_by = session_user AS by_me FROM apikeys.api WHERE ordinal > 3 OR api = 'first' ORDER BY 2;
SELECT apis FROM apikeys.create_key('all of them', '{first,billing,push,segmentation,data}');
UPDATE apikeys.api SET description = 'Invoices' WHERE api = 'billing';
UPDATE apikeys.api SET description = description;
SELECT c, pg_temp.refused(format($$UPDATE apikeys.api SET %I = %L WHERE api = 'billing'$$, c, v))
FROM (VALUES ('api', 'other'), ('ordinal', '1'), ('created_at', '1999-01-01'), ('created_by', 'nobody'), ('unregistered_by', 'nobody'),
	('audit_id', '0'), ('row_digest', '\x00')) AS t (c, v);
SELECT pg_temp.refused($$DELETE FROM apikeys.api$$);
SELECT pg_temp.refused($$UPDATE apikeys.api SET unregistered_at = now() WHERE api = 'billing'$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.api (api, unregistered_at) VALUES ('x', now())$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.api (api) VALUES ('billing')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.api (api) VALUES ('')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.api (api) VALUES (NULL)$$);
SELECT count(*) FROM apikeys.update_key(apikeys.key_id('all of them'), apis => '{data}');
UPDATE apikeys.api SET unregistered_at = '1999-01-01' WHERE api = 'billing';
SELECT unregistered_at > '2000-01-01' AS now, unregistered_by = session_user AS by_me FROM apikeys.api WHERE api = 'billing';
SELECT pg_temp.refused($$UPDATE apikeys.api SET description = 'x' WHERE api = 'billing'$$);
SELECT pg_temp.refused($$UPDATE apikeys.api SET unregistered_at = '2999-01-01' WHERE api = 'billing'$$);
UPDATE apikeys.api SET unregistered_at = NULL, description = 'again' WHERE api = 'billing';
SELECT api, ordinal, unregistered_at, unregistered_by FROM apikeys.api WHERE ordinal > 3 ORDER BY 2;
SELECT * FROM pg_temp.entries();

-- teams and accesses
INSERT INTO apikeys.team_member (workspace, actor, team) VALUES ('default', 'ann', 'Platform'), ('acme', 'ann', 'Acme');
UPDATE apikeys.team_member SET team = 'Data' WHERE workspace = 'default';
UPDATE apikeys.team_member SET team = team;
DELETE FROM apikeys.team_member WHERE workspace = 'acme';
SELECT c, pg_temp.refused(format($$UPDATE apikeys.team_member SET %I = %L$$, c, v))
FROM (VALUES ('workspace', 'acme'), ('actor', 'bob'), ('audit_id', '0'), ('row_digest', '\x00'), ('team', ''), ('team', NULL)) AS t (c, v);
SELECT pg_temp.refused($$INSERT INTO apikeys.team_member (workspace, actor, team) VALUES ('nowhere', 'ann', 'x')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.team_member (workspace, actor, team) VALUES ('acme', '', 'x')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.team_member (workspace, actor, team) VALUES ('acme', 'ann', NULL)$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.team_member (workspace, actor, team) VALUES ('default', 'ann', 'x')$$);
INSERT INTO apikeys.access (role, capability, workspace) VALUES ('regress_ak_nobody', 'view', NULL), ('regress_ak_nobody', 'view', 'acme');
SELECT c, pg_temp.refused(format($$UPDATE apikeys.access SET %I = %L$$, c, v))
FROM (VALUES ('role', 'other'), ('capability', 'admin'), ('workspace', 'default'), ('audit_id', '0')) AS t (c, v);
SELECT pg_temp.refused($$INSERT INTO apikeys.access (role, capability) VALUES ('regress_ak_nobody', 'everything')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.access (role, capability) VALUES (NULL, 'view')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.access (role, capability) VALUES ('regress_ak_nobody', NULL)$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.access (role, capability, workspace) VALUES ('regress_ak_nobody', 'view', 'nowhere')$$);
DELETE FROM apikeys.access;
SELECT * FROM pg_temp.entries();

-- MERGE of old: INSERT ... ON CONFLICT
INSERT INTO apikeys.workspace AS w (workspace, name) VALUES ('acme', 'Acme Ltd.') ON CONFLICT (workspace) DO UPDATE SET name = excluded.name;
INSERT INTO apikeys.workspace (workspace, name) VALUES ('acme', 'Acme Co.') ON CONFLICT DO NOTHING;
SELECT * FROM pg_temp.entries();

-- trigger functions are triggers, of their tables
SELECT pg_temp.refused('SELECT apikeys_internal.guard_key()');
CREATE TEMPORARY TABLE other (a int);
CREATE TRIGGER t BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_row();
SELECT pg_temp.refused($$INSERT INTO other VALUES (1)$$);
DROP TRIGGER t ON other;
CREATE TRIGGER t BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_key();
SELECT pg_temp.refused($$INSERT INTO other VALUES (1)$$);
DROP TRIGGER t ON other;
CREATE TRIGGER t AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION apikeys_internal.audit();
SELECT pg_temp.refused($$INSERT INTO other VALUES (1)$$);
DROP TRIGGER t ON other;
CREATE TRIGGER t BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_log();
SELECT pg_temp.refused($$INSERT INTO other VALUES (1)$$);
-- and at the time and for the changes for which they are made: archive_limit() for a new row crashed
CREATE FUNCTION pg_temp.misplaced(trigger text, call text) RETURNS SETOF text LANGUAGE plpgsql AS
$$ BEGIN
	EXECUTE 'CREATE TRIGGER zz ' || format(trigger, 'apikeys_internal');
	RETURN QUERY SELECT trigger || ': ' || r FROM pg_temp.refused(call) AS r;
	EXECUTE 'DROP TRIGGER zz ON ' || split_part(split_part(trigger, ' ON ', 2), ' ', 1);
END $$;
SELECT pg_temp.misplaced(t || ' FOR EACH ROW EXECUTE FUNCTION %s.' || f || '()', $$SELECT apikeys.create_key('misplaced', '{data}')$$) FROM (VALUES
	('BEFORE INSERT ON apikeys.key', 'archive_limit'), ('AFTER INSERT ON apikeys.key', 'archive_limit'), ('BEFORE INSERT ON apikeys.key', 'audit'),
	('BEFORE INSERT ON apikeys.key', 'unique_hash'), ('AFTER INSERT ON apikeys.key', 'guard_key'), ('AFTER INSERT ON apikeys.audit_log', 'guard_log'), ('AFTER INSERT ON apikeys.audit_log', 'entry_arrived')) AS m (t, f);
SELECT pg_temp.misplaced('BEFORE UPDATE ON apikeys.workspace FOR EACH ROW EXECUTE FUNCTION %s.archive_limit()', $$SELECT apikeys.update_workspace('default', 'x')$$);
SELECT pg_temp.misplaced('AFTER INSERT ON apikeys.api FOR EACH ROW EXECUTE FUNCTION %s.' || f || '()', $$SELECT apikeys.register_api('misplaced')$$) FROM unnest('{make_way,guard_row}'::text[]) AS f;
SELECT pg_temp.misplaced('AFTER INSERT ON apikeys_internal.report FOR EACH ROW EXECUTE FUNCTION %s.guard_report()', $$SELECT apikeys.email_audit_logs('ann@example.com')$$);
DROP TRIGGER t ON other;
CREATE TRIGGER t BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION apikeys_internal.make_way();
SELECT pg_temp.refused($$INSERT INTO other VALUES (1)$$);
DROP TRIGGER t ON other;
CREATE TRIGGER t BEFORE INSERT ON other FOR EACH STATEMENT EXECUTE FUNCTION apikeys_internal.guard_truncate();
SELECT pg_temp.refused($$INSERT INTO other VALUES (1)$$);
DROP TABLE other;

SELECT pg_temp.wrong();
