-- 50,000 keys of one workspace, one in ten archived, one in two of some owner, and what is asked of their lists.
\set ON_ERROR_STOP on
SET client_min_messages = error;
SET synchronous_commit = off;
SELECT apikeys.update_workspace('default', archive_limit => 100000) \g /dev/null
SELECT count(key_id) FROM generate_series(1, 50000) i, LATERAL apikeys.create_key('Key ' || (i::bigint * 7919) % 50000, CASE i % 2 WHEN 0 THEN '{data}'::text[] ELSE '{data,push}' END,
	team => 'Team ' || i % 20, owner => CASE i % 2 WHEN 0 THEN 'customer ' || i % 1000 END, expires_at => CASE i % 3 WHEN 0 THEN now() + i * interval '1 hour' END) \g /dev/null
SELECT count(apikeys.archive_key(key_id)) FROM (SELECT key_id FROM apikeys.key ORDER BY name LIMIT 5000) k \g /dev/null
SELECT count(apikeys.disable_key(key_id)) FROM (SELECT key_id FROM apikeys.key WHERE archived_at IS NULL ORDER BY name LIMIT 1000) k \g /dev/null
VACUUM (FREEZE, ANALYZE) apikeys.key;
-- the bare table: the same rows, without an index of ours, which the planner takes or leaves
CREATE TABLE bench.bare AS TABLE apikeys.key;
VACUUM (FREEZE, ANALYZE) bench.bare;
INSERT INTO bench.arm (kind, calls, arm, query) VALUES
	('views', 1, 'count, bare table', 'SELECT count(*) FROM bench.bare WHERE archived_at IS NULL AND disabled_at IS NULL'),
	('views', 1, 'count, table', 'SELECT count(*) FROM apikeys.key WHERE archived_at IS NULL AND disabled_at IS NULL'),
	('views', 1, 'count, view', 'SELECT count(*) FROM apikeys.active_keys'),
	('views', 1, 'by name, view', 'SELECT count(*) FROM (SELECT key_id, name FROM apikeys.active_keys ORDER BY name LIMIT 20) k');
INSERT INTO bench.arm (kind, calls, arm, query)
SELECT 'list', 1, arm, format('SELECT count(*) FROM apikeys.list_keys(%s)', arguments)
FROM (VALUES
	('no filter', ''),
	('by name', $$order_by => 'name'$$),
	('by name, descending, deep', $$order_by => 'name desc', skip => 30000$$),
	('by expiry', $$order_by => 'expires_at'$$),
	('by last use', $$order_by => 'last_used_at desc'$$),
	('all states', $$state => 'all'$$),
	('archived', $$state => 'archived'$$),
	('disabled', $$state => 'disabled'$$),
	('an API', $$api => 'push'$$),
	('a team', $$team => 'Team 3'$$),
	('an owner', $$owner => 'customer 4'$$),
	('a text in many names', $$search => 'key 1'$$),
	('a text in none', $$search => 'nowhere'$$),
	('expires soon', $$expires_before => now() + interval '30 days'$$),
	('never used', $$unused_since => now()$$)
) AS a (arm, arguments);
