-- The audit log: every entity and action, with all columns of its entry.
\set ECHO none
\i test/lib/regress.sql

SET apikeys.actor = 'ann@example.com';
SET apikeys.client = '192.0.2.7';
CREATE ROLE regress_ak_app;
-- one action after the other, each told once
CREATE TEMPORARY TABLE actions (n serial, what text, statement text);
INSERT INTO actions (what, statement) VALUES
	('API Keys Create', $$SELECT apikeys.create_key('Key', '{data}')$$),
	('API Keys Create', $$SELECT apikeys.import_key('Imported', '{data}', sha256('imported'))$$),
	('API Keys Update', $$SELECT apikeys.update_key(apikeys.key_id('Key'), name => 'New name')$$),
	('API Keys Update', $$SELECT apikeys.update_key(apikeys.key_id('New name'), apis => '{push}')$$),
	('API Keys Update', $$SELECT apikeys.update_key(apikeys.key_id('New name'), team => 'Team')$$),
	('API Keys Update', $$SELECT apikeys.update_key(apikeys.key_id('New name'), expires_at => '2999-01-01')$$),
	('API Keys Update', $$SELECT apikeys.update_key(apikeys.key_id('New name'), allowed_cidrs => '{192.0.2.0/24}')$$),
	('API Keys Update', $$SELECT apikeys.update_key(apikeys.key_id('New name'), rate_limit => 1)$$),
	('API Keys Update', $$SELECT apikeys.update_key(apikeys.key_id('New name'), metadata => '{"a": 1}')$$),
	('API Keys Update', $$UPDATE apikeys.key SET owner = 'customer 7', quota = 5000000000, quota_period = 'month' WHERE name = 'New name'$$),
	('API Keys Update', $$UPDATE apikeys.key SET disabled_at = '2026-01-01' WHERE name = 'New name'$$),
	('API Keys Update', $$UPDATE apikeys.key SET disabled_at = NULL WHERE name = 'New name'$$),
	('API Keys Update', $$SELECT apikeys.regenerate_key(apikeys.key_id('New name'))$$),
	('API Keys Update', $$SELECT apikeys.regenerate_key(apikeys.key_id('New name'), '1 day')$$),
	('API Keys Update', $$SELECT apikeys.end_overlap(apikeys.key_id('New name'))$$),
	('API Keys Delete', $$SELECT apikeys.archive_key(apikeys.key_id('New name'))$$),
	('APIs Create', $$SELECT apikeys.register_api('billing', 'Billing API')$$),
	('APIs Update', $$UPDATE apikeys.api SET description = 'Invoices' WHERE api = 'billing'$$),
	('APIs Delete', $$SELECT apikeys.unregister_api('billing')$$),
	('Workspaces Create', $$SELECT apikeys.create_workspace('acme', 'Acme')$$),
	('Workspaces Update', $$SELECT apikeys.update_workspace('acme', 'Acme Inc.', 'acme', 5)$$),
	('Workspaces Update', $$UPDATE apikeys.workspace SET key_limit = 100, default_lifetime = '90 days', max_lifetime = '1 year', rate_limit = 5,
		rate_window = '1 second', leak_action = 'log' WHERE workspace = 'acme'$$),
	('Workspaces Create', $$SELECT apikeys.create_workspace('gone')$$),
	('Workspaces Delete', $$DELETE FROM apikeys.workspace WHERE workspace = 'gone'$$),
	('Access Create', $$SELECT apikeys.grant_access('regress_ak_app', 'manage', 'acme')$$),
	('Access Delete', $$SELECT apikeys.revoke_access('regress_ak_app', 'manage', 'acme')$$),
	('Access Create', $$SELECT apikeys.grant_access('regress_ak_app', 'audit')$$),
	('Access Delete', $$SELECT apikeys.revoke_access('regress_ak_app', 'audit')$$),
	('Teams Create', $$SELECT apikeys.add_team_member('ann@example.com', 'Platform')$$),
	('Teams Update', $$SELECT apikeys.add_team_member('ann@example.com', 'Data')$$),
	('Teams Delete', $$SELECT apikeys.remove_team_member('ann@example.com')$$);
CREATE FUNCTION pg_temp.perform(n int) RETURNS void LANGUAGE plpgsql AS
$$
DECLARE
	a record;
	before bigint := (SELECT coalesce(max(audit_id), 0) FROM apikeys.audit_log);
	told text;
BEGIN
	SELECT * INTO a FROM actions x WHERE x.n = perform.n;
	EXECUTE a.statement;
	SELECT string_agg(l.entity || ' ' || l.action, ', ') INTO told FROM apikeys.audit_log l WHERE l.audit_id > before;
	IF told IS DISTINCT FROM a.what THEN
		RAISE WARNING '% told %', a.statement, told;
	END IF;
END
$$;
SELECT count(pg_temp.perform(n)) FROM (SELECT n FROM actions ORDER BY n) AS s;
SELECT a.entity, a.action, a.workspace, a.team, a.activity, a.key_name, a.key_id IS NOT NULL AS has_key FROM apikeys.audit_logs a ORDER BY a.audit_id;
SELECT * FROM pg_temp.entries();
-- what each tells of, as data
SELECT DISTINCT a.entity, regexp_replace(a.subject::text, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '<uuid>', 'g') COLLATE "C" AS subject FROM apikeys.audit_logs a ORDER BY 2;
SELECT count(*) FROM apikeys.audit_logs WHERE subject ->> 'key_id' IS DISTINCT FROM key_id::text;
-- who, whence, when
SELECT DISTINCT actor, ip, db_user = session_user AS db_user FROM apikeys.audit_logs;
SELECT count(*) FROM apikeys.audit_logs WHERE "time" NOT BETWEEN now() - interval '5 minutes' AND clock_timestamp();
-- newest first
SELECT count(*) FROM (SELECT audit_id, lag(audit_id) OVER () AS before FROM apikeys.audit_logs) AS s WHERE audit_id >= before;
SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'apikeys.audit_logs'::regclass AND attnum > 0;

CALL apikeys.sequence_audit_logs();
-- reading is not an action
SELECT (SELECT count(*) FROM apikeys.active_keys), (SELECT count(*) FROM apikeys.audit_logs) > 0, (SELECT count(*) FROM apikeys.verify_audit_logs()) > 0, (SELECT count(*) FROM apikeys.audit_checkpoint()) > 0,
	(SELECT count(*) FROM apikeys.search_audit_logs()) > 0, (SELECT code FROM apikeys.validate_key('x')), (SELECT count(*) FROM apikeys.identify_key('x')) \g /dev/null
SELECT * FROM pg_temp.entries();

-- the tree: each workspace's own, positions without a gap, every entry once
CALL apikeys.sequence_audit_logs();
SELECT l.workspace, count(*), min(position), max(position), count(*) = count(DISTINCT l.audit_id) AS once FROM apikeys.audit_tree l GROUP BY 1 ORDER BY 1;
SELECT workspace, entries, ok, first_bad, problem, length(root) FROM apikeys.verify_audit_logs() ORDER BY 1;
SELECT count(*) FROM apikeys.audit_log a FULL JOIN apikeys.audit_tree l ON l.audit_id = a.audit_id AND l.workspace = coalesce(a.workspace, '') WHERE a.audit_id IS NULL OR l.audit_id IS NULL;

-- names that would be trouble in an activity or in JSON
SELECT count(*) FROM apikeys.create_key(E'"; \\ {} %s é 𐍈 ''', '{data}', team => E'T"\\', metadata => '{"\"": "\\", "null": null, "é": 1.50}');
SELECT activity, key_name, changes - 'hint' AS changes FROM apikeys.audit_logs LIMIT 1;

-- what a user's trigger does is an action of its own: the key that it creates is not imported
CREATE FUNCTION pg_temp.another() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
	INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES (NEW.name || ', too', '{data}', 'default', sha256('another'));
	RETURN NULL;
END
$$;
CREATE TRIGGER another AFTER INSERT ON apikeys.key FOR EACH ROW WHEN (NEW.name = 'Two') EXECUTE FUNCTION pg_temp.another();
SELECT action, activity FROM pg_temp.entries() \g /dev/null
SELECT count(*) FROM apikeys.import_key('Two', '{data}', sha256('two'));
DROP TRIGGER another ON apikeys.key;
SELECT action, activity FROM pg_temp.entries();

SELECT pg_temp.wrong();
DROP OWNED BY regress_ak_app;
DROP ROLE regress_ak_app;
