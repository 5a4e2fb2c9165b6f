-- A key looks the same everywhere: in the result of the function that wrote it, in key_details() and identify_key(), and in the
-- view.
\set ECHO none
\i test/lib/regress.sql
SELECT apikeys.create_workspace('acme', prefix => 'acme');
SELECT apikeys.add_team_member(session_user, 'Team', 'acme');
-- team, owner, limits, quota and their defaults
SELECT key AS full, key_id AS full_id FROM apikeys.create_key('Full', '{push,data,data}', 'acme', 'Ops', 'customer 7', '2999-01-01', '{192.0.2.7/24,::1}', 5, '1 hour', 6, 'day', '{"a": 1}') \gset
SELECT key AS plain, key_id AS plain_id FROM apikeys.create_key('Plain', '{data,segmentation,push}', 'acme') \gset
SELECT name, apis, access, team, owner, hint = 'acme...' || right(:'full', 4) AS hint, expires_at, allowed_cidrs, rate_limit, rate_window, quota, quota_period, quota_used, metadata FROM apikeys.key_details(:'full_id') \gx
SELECT name, apis, access, team, owner, rate_limit, rate_window, quota, quota_period, quota_used, metadata FROM apikeys.key_details(:'plain_id') \gx
SELECT quota, quota_period, rate_limit, rate_window FROM apikeys.create_key('Defaults', '{data}', quota => 1, rate_limit => 1);
-- what clears, and what create_key takes of the same
SELECT team, owner, expires_at, allowed_cidrs, rate_limit, rate_window, quota, quota_period, metadata
FROM apikeys.create_key('Cleared', '{data}', 'acme', '', '', 'infinity', '{}', 0, '1 hour', 0, 'day', '{}');
SELECT team, owner, expires_at, allowed_cidrs, rate_limit, rate_window, quota, quota_period, metadata
FROM apikeys.update_key(:'full_id', NULL, NULL, '', '', 'infinity', '{}', 0, '1 hour', 0, 'day', '{}');
SELECT quota, quota_period FROM apikeys.update_key(:'full_id', quota => 10);
SELECT quota, quota_period FROM apikeys.update_key(:'full_id', quota_period => 'total');
SELECT quota, quota_period FROM apikeys.update_key(:'full_id', quota => 9223372036854775807);
SELECT p, quota_period FROM unnest('{hour,day,week,month,total}'::text[]) AS p, apikeys.create_key(p, '{data}', quota => 1, quota_period => p);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', quota => -1)$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', quota => 1, quota_period => 'year')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', quota => 1, quota_period => '')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', quota_period => 'day')$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash, quota) VALUES ('bad', '{data}', 'default', sha256('bad'), 0)$$);
-- an owner: 255 characters, and no secret
SELECT length(owner) FROM apikeys.create_key('Owned', '{data}', owner => repeat('ß', 255));
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', owner => repeat('x', 256))$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', owner => E'a\tb')$$);
SELECT pg_temp.refused(format('SELECT apikeys.create_key(%L, %L, owner => %L)', 'bad', '{data}', 'of ' || :'full'));
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('customer of ours, no. 8'), owner => 'customer of ours, no. 8')$$);

-- the same everywhere: as written, as read, in the view; used, paused, archived
SELECT code FROM apikeys.validate_key(:'plain', 'data', '192.0.2.7');
SELECT last_used_at IS NOT NULL AS used FROM apikeys.key_details(:'plain_id');
SELECT key AS limited, key_id AS limited_id FROM apikeys.create_key('Limited', '{data}', quota => 5) \gset
SELECT code FROM apikeys.validate_key(:'limited');
SELECT quota, quota_used, last_used_at IS NOT NULL AS used FROM apikeys.update_key(:'limited_id', owner => 'customer 9');
SELECT key AS later FROM apikeys.regenerate_key(:'plain_id', '1 day') \gset
SELECT count(*) FROM apikeys.disable_key(:'plain_id');
SELECT count(*) FROM apikeys.archive_key(apikeys.key_id('Defaults'));
CREATE FUNCTION pg_temp.differs() RETURNS TABLE (key_id uuid) LANGUAGE sql AS
$$
	SELECT k.key_id FROM (SELECT r.*, apikeys_internal.last_use(r.key_id) AS last_used_at FROM apikeys_internal.key_rows r) AS k, apikeys.key_details(k.key_id) AS d
	WHERE to_jsonb(k) IS DISTINCT FROM to_jsonb(d)
$$;
SELECT * FROM pg_temp.differs();
SELECT i = d AS same FROM (VALUES (:'plain'), (:'later')) AS s (k), apikeys.identify_key(k) AS i, apikeys.key_details(:'plain_id') AS d;
SELECT u = d AS same FROM apikeys.update_key(:'plain_id', owner => 'x') AS u, apikeys.key_details(:'plain_id') AS d;
SELECT u = d AS same FROM apikeys.enable_key(:'plain_id') AS u, apikeys.key_details(:'plain_id') AS d;
SELECT to_jsonb(u) - 'key' = to_jsonb(d) AS same FROM apikeys.regenerate_key(:'plain_id') AS u, apikeys.key_details(:'plain_id') AS d;
SELECT apikeys.flush_usage() >= 0 AS flushed;
SELECT * FROM pg_temp.differs();

-- changing nothing writes nothing, and locks nothing that outlasts it
SELECT ctid AS at, xmin AS by FROM apikeys.key WHERE key_id = :'plain_id' \gset
BEGIN;
SELECT name FROM apikeys.update_key(:'plain_id');
SELECT name FROM apikeys.update_key(:'plain_id', name => ' Plain ', apis => '{push,data,segmentation,data}', owner => 'x', team => 'Team', expires_at => 'infinity', allowed_cidrs => '{}', rate_limit => 0, quota => 0, metadata => '{}');
SELECT u.name FROM apikeys.key_details(:'plain_id') AS d, apikeys.update_key(d.key_id, if_updated_at => d.updated_at) AS u;
SELECT name FROM apikeys.enable_key(:'plain_id');
SELECT name FROM apikeys.end_overlap(:'plain_id');
SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype IN ('tuple', 'object', 'relation') AND mode <> 'AccessShareLock';
SELECT pg_current_xact_id_if_assigned();
COMMIT;
SELECT ctid = :'at' AS same_row, xmin = :'by' AS same_writer FROM apikeys.key WHERE key_id = :'plain_id';
-- large metadata stays where it is when something else changes
SELECT key_id FROM apikeys.create_key('Large', '{data}', metadata => (SELECT jsonb_build_object('noise', string_agg(md5(i::text), '')) FROM generate_series(1, 5000) AS i)) \gset
SELECT pg_relation_size(reltoastrelid) AS size FROM pg_class WHERE oid = 'apikeys.key'::regclass \gset
SELECT name FROM apikeys.update_key(:'key_id', owner => 'y');
SELECT pg_relation_size(reltoastrelid) = :size AS same_size FROM pg_class WHERE oid = 'apikeys.key'::regclass;
SELECT * FROM pg_temp.wrong();
