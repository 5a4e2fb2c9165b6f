-- metrics(): totals for a monitoring system. They have no names of keys, agree with the views, and cost the same for any number
-- of keys.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
SELECT apikeys.create_workspace('acme'), apikeys.create_workspace('rival') \g /dev/null
SELECT k.key AS mine FROM apikeys.create_key('Secret name', '{data}', 'acme', expires_at => now() + interval '12 hours') AS k \gset
SELECT k.key AS week, k.key_id AS week_id FROM apikeys.create_key('Week', '{data}', 'acme', expires_at => now() + interval '3 days') AS k \gset
SELECT k.key AS theirs FROM apikeys.create_key('Theirs', '{push}', 'rival', expires_at => now() + interval '20 days') AS k \gset
SELECT count(apikeys.archive_key(k.key_id)) FROM apikeys.create_key('Gone', '{data}') AS k;
SELECT count(apikeys.regenerate_key(:'week_id', '1 hour'));
SELECT v.code, count(*) FROM unnest(ARRAY['data', 'push']) AS a, unnest(ARRAY[:'mine', :'week', :'week', :'theirs', 'nobody''s']) AS k, apikeys.validate_key(k, a, '192.0.2.9') AS v GROUP BY 1 ORDER BY 1;
SELECT apikeys.flush_usage() >= 0 AS flushed;

SELECT name, labels, value FROM apikeys.metrics() WHERE name ~ '^apikeys_(validations|old_secret|keys|workspace|reports)' AND name !~ 'age' ORDER BY name COLLATE "C", labels::text COLLATE "C";
SELECT name, labels, CASE WHEN name ~ 'age' THEN value BETWEEN 0 AND 60 WHEN name ~ 'bytes' THEN value > 0 ELSE value >= 0 END AS plausible
FROM apikeys.metrics() WHERE name !~ 'validations|old_secret|apikeys_(workspace_)?keys($|_exp)|reports|audit' ORDER BY name COLLATE "C", labels::text COLLATE "C";
-- each is one of a name and its labels, and none names a key
SELECT name, labels FROM apikeys.metrics() GROUP BY 1, 2 HAVING count(*) > 1;
SELECT count(*) FROM apikeys.metrics() WHERE labels::text ~ 'Secret|Week|Theirs|Gone' OR value IS NULL;
-- counters never go back, also when a key is dropped with its usage
SELECT apikeys.update_workspace('acme', archive_limit => 1) \g /dev/null
SELECT count(apikeys.archive_key(key_id)) FROM apikeys.active_keys WHERE workspace = 'acme';
SELECT apikeys.flush_usage() >= 0 AS flushed;
SELECT labels->>'workspace' AS workspace, sum(value) FROM apikeys.metrics() WHERE name = 'apikeys_validations_total' GROUP BY 1 ORDER BY 1;
SELECT labels->>'state' AS state, value FROM apikeys.metrics() WHERE name = 'apikeys_keys' ORDER BY 1;

-- the views agree: denials with the last client, usage by day and by hour
SELECT workspace, code, api, count, last_client FROM apikeys.denials ORDER BY 1, 2, 3;
SELECT day = (now() AT TIME ZONE 'UTC')::date AS today, workspace, name, api, valid, denied, old_secret, last_client FROM apikeys.usage_daily ORDER BY workspace, name, api;
SELECT count(*) FROM (SELECT (hour AT TIME ZONE 'UTC')::date, workspace, key_id, api, sum(valid), sum(denied), sum(old_secret), max(last_used_at) FROM apikeys.usage_history GROUP BY 1, 2, 3, 4
	EXCEPT SELECT day, workspace, key_id, api, valid, denied, old_secret, last_used_at FROM apikeys.usage_daily) AS differ;
SELECT count(*) FROM (SELECT key_id, max(last_used_at) FROM apikeys.key_usage GROUP BY 1 HAVING max(last_used_at) IS NOT NULL EXCEPT SELECT key_id, last_used_at FROM apikeys_internal.key_use) AS differ;

-- the log: its entries, those outside the tree and the age of the oldest
CALL apikeys.sequence_audit_logs();
SELECT name, value FROM apikeys.metrics() WHERE name ~ 'audit_pending' ORDER BY 1;
SELECT value = count(*) AS right, value > 5 AS some FROM apikeys.metrics(), apikeys.audit_logs WHERE name = 'apikeys_audit_entries_total' GROUP BY value;
BEGIN;
SELECT apikeys.register_api('log:' || i) FROM generate_series(1, 3) AS i \g /dev/null
SELECT pg_sleep(0.1) \g /dev/null
SELECT name, value = 3 OR name ~ 'age' AND value BETWEEN 0.1 AND 60 AS right FROM apikeys.metrics() WHERE name ~ 'audit_pending' ORDER BY 1;
ROLLBACK;
-- how old the last checkpoint in the server log is, if the log has grown since; without one, how old the log is
BEGIN;
ALTER TABLE apikeys.audit_size DISABLE TRIGGER USER;
DELETE FROM apikeys.audit_size;
SELECT value - extract(epoch FROM clock_timestamp() - min(l."time")) BETWEEN -5 AND 0 AS right
FROM apikeys.metrics() AS m, apikeys.audit_logs AS l WHERE m.name = 'apikeys_audit_checkpoint_age_seconds' GROUP BY value;
INSERT INTO apikeys.audit_size VALUES ('acme', 1000000, now() - interval '3 hours'), ('rival', 1000000, now() - interval '2 hours');
SELECT round(value / 3600) AS hours FROM apikeys.metrics() WHERE name = 'apikeys_audit_checkpoint_age_seconds';
INSERT INTO apikeys.audit_size SELECT 'default', 1000000, max("time") FROM apikeys.audit_logs;
SELECT value FROM apikeys.metrics() WHERE name = 'apikeys_audit_checkpoint_age_seconds';
ROLLBACK;

-- by workspace it is bounded, and says so
BEGIN;
SELECT count(apikeys.create_workspace('w' || to_char(i, 'FM000'))) FROM generate_series(1, 250) AS i;
SELECT count(*), max(labels ->> 'workspace') AS last FROM apikeys.metrics() WHERE name = 'apikeys_workspace_keys';
SELECT value = count(*) AS right, value FROM apikeys.metrics() AS m, apikeys.workspaces AS w
WHERE m.name = 'apikeys_workspaces_left_out' AND w.workspace > (SELECT max(labels ->> 'workspace') FROM apikeys.metrics() WHERE name = 'apikeys_workspace_keys') GROUP BY 2;
INSERT INTO apikeys_internal.usage_total SELECT 'w' || to_char(i, 'FM000'), 'a' || a, 'VALID', i, 1, now() FROM generate_series(1, 150) AS i, generate_series(1, 10) AS a;
SELECT count(*), max(labels ->> 'workspace') AS last FROM apikeys.metrics() WHERE name = 'apikeys_validations_total';
SELECT name, max(labels ->> 'workspace') AS last, count(*) < 600 AS few FROM apikeys.metrics() WHERE name IN ('apikeys_workspace_keys', 'apikeys_old_secret_requests_total') GROUP BY 1 ORDER BY 1;
SELECT value = count(*) AS right FROM apikeys.metrics() AS m, apikeys.workspaces AS w
WHERE m.name = 'apikeys_workspaces_left_out' AND w.workspace >= (SELECT max(labels ->> 'workspace') FROM apikeys.metrics() WHERE name = 'apikeys_validations_total') GROUP BY value;
-- who monitors few of them is told all of these
CREATE ROLE regress_ak_monitor;
SELECT apikeys.grant_access('regress_ak_monitor', 'monitor', w) FROM unnest('{w149,w150,w250}'::text[]) AS w \g /dev/null
SET LOCAL ROLE regress_ak_monitor;
SELECT name, count(*), sum(value) FROM apikeys.metrics() GROUP BY 1 ORDER BY 1;
ROLLBACK;
-- keys by workspace follow when the last key of one is gone
SELECT apikeys.update_workspace('acme', archive_limit => 0), apikeys.flush_usage() >= 0 \g /dev/null
SELECT labels ->> 'workspace' AS workspace, labels ->> 'state' AS state, value FROM apikeys.metrics() WHERE name = 'apikeys_workspace_keys' ORDER BY 1, 2;

-- a monitor of one workspace
CREATE ROLE regress_ak_monitor;
SELECT apikeys.grant_access('regress_ak_monitor', 'monitor', 'rival') \g /dev/null
SET ROLE regress_ak_monitor;
SELECT name, labels, value FROM apikeys.metrics() ORDER BY name COLLATE "C", labels::text COLLATE "C";
RESET ROLE;
-- it does not read the table of keys, nor what is counted by key
CREATE FUNCTION pg_temp.scans() RETURNS bigint LANGUAGE sql AS $$
	SELECT sum(coalesce(pg_stat_get_xact_numscans(c.oid), 0))::bigint FROM pg_class c
	WHERE c.oid IN ('apikeys.key'::regclass, 'apikeys_internal.usage'::regclass, 'apikeys_internal.usage_hour'::regclass, 'apikeys_internal.key_use'::regclass)
	OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN ('apikeys.key'::regclass, 'apikeys_internal.usage'::regclass, 'apikeys_internal.usage_hour'::regclass, 'apikeys_internal.key_use'::regclass))
$$;
SELECT count(*) > 10 AS some FROM apikeys.metrics();
BEGIN;
SELECT pg_temp.scans() AS before \gset
SELECT count(*) > 10 AS some FROM apikeys.metrics();
SELECT pg_temp.scans() - :before AS scans;
SELECT count(*) > 0 AS some FROM apikeys.active_keys;
SELECT pg_temp.scans() - :before > 0 AS this_test_can_fail;
COMMIT;

DROP OWNED BY regress_ak_monitor;
DROP ROLE regress_ak_monitor;
