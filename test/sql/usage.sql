-- What is counted, how it is shown, and that a flush changes no count. No result here depends on whether the worker has
-- flushed.
\set ECHO none
\i test/lib/regress.sql

CREATE ROLE regress_ak_app;
SELECT apikeys.grant_access('regress_ak_app', 'validate') \g /dev/null
SELECT apikeys.create_workspace('acme', archive_limit => 1) \g /dev/null
SELECT key_id AS a_id, key AS a FROM apikeys.create_key('Both', '{data,push}') \gset
SELECT key_id AS b_id, key AS b FROM apikeys.create_key('Other', '{data}', 'acme') \gset
SELECT count(*) FROM apikeys.create_key('Never used', '{data}');

-- the figures as they are, without what differs from run to run
CREATE VIEW pg_temp.figures AS
	SELECT workspace, name, api, valid, denied, old_secret, last_used_at IS NOT NULL AS used, last_client FROM apikeys.key_usage;

-- a key never used is there
SELECT * FROM pg_temp.figures;
SELECT count(*) FROM apikeys.usage_history;
SELECT count(*) FROM apikeys.denials;
SELECT name, last_used_at FROM apikeys.active_keys WHERE last_used_at IS NOT NULL;

-- valid and denied, by API; as a role that may validate and nothing else
SET ROLE regress_ak_app;
SELECT code FROM apikeys.validate_key(:'a', 'data', '192.0.2.1');
SELECT code FROM apikeys.validate_key(:'a', 'data', '2001:db8::2');
SELECT code FROM apikeys.validate_key(:'a', 'data', 'no address');
SELECT code FROM apikeys.validate_key(:'a', 'data');
SELECT code FROM apikeys.validate_key(:'a');
SELECT code FROM apikeys.validate_key(:'a', 'push', '::ffff:192.0.2.3');
SELECT code FROM apikeys.validate_key(:'a', 'segmentation', '192.0.2.4');
SELECT code FROM apikeys.authenticate('Bearer ' || :'a', 'data');
SELECT code FROM apikeys.validate_key(:'b', 'data');
-- of no key
SELECT code FROM apikeys.validate_key(NULL);
SELECT code FROM apikeys.validate_key(NULL, 'data');
SELECT code FROM apikeys.validate_key('');
SELECT code FROM apikeys.validate_key('nobody''s', 'push');
SELECT code FROM apikeys.validate_key(:'a', 'push', workspace => 'acme');
SELECT code FROM apikeys.authenticate('Digest x');
-- API names that nobody registered count under none, for a key and without one
SELECT count(*) FROM generate_series(1, 1000) AS i, apikeys.validate_key(:'a', 'made up ' || i);
SELECT count(*) FROM generate_series(1, 1000) AS i, apikeys.validate_key('nobody''s', 'made up ' || i);
SELECT code FROM apikeys.validate_key(:'a', '');
SELECT code FROM apikeys.validate_key(:'a', repeat('x', 100000));
RESET ROLE;
-- looking a secret up is no use
SELECT count(*) FROM apikeys.identify_key(:'a');

SELECT * FROM pg_temp.figures;
SELECT workspace, code, api, count FROM apikeys.denials ORDER BY code, api, workspace;
SELECT name, last_used_at IS NOT NULL AS used FROM apikeys.active_keys ORDER BY name;
-- it is in memory
SELECT tracking, reason, entries > 0 AS entries, bytes BETWEEN 1 AND max_bytes AS within,
	max_bytes = pg_size_bytes(current_setting('apikeys.usage_memory')) AS max, counts_lost IS NOT NULL AS lost FROM apikeys.status();

-- by hour: the same
SELECT workspace, name, api, sum(valid) AS valid, sum(denied) AS denied, sum(old_secret) AS old_secret FROM apikeys.usage_history
GROUP BY workspace, name, api ORDER BY workspace, name, api;
SELECT count(*) FROM apikeys.usage_history WHERE hour <> date_trunc('hour', hour) OR hour > now() OR hour < now() - interval '1 hour 1 min';

-- a flush changes nothing of it, however it ends, and writes no entry
CREATE TEMPORARY TABLE before AS SELECT * FROM apikeys.key_usage;
CREATE TEMPORARY TABLE hours_before AS SELECT * FROM apikeys.usage_history;
CREATE TEMPORARY TABLE denials_before AS SELECT * FROM apikeys.denials;
CREATE TEMPORARY TABLE entries_before AS SELECT * FROM apikeys.audit_log;
CREATE FUNCTION pg_temp.changed() RETURNS SETOF text LANGUAGE sql AS
$$
	SELECT u::text FROM (TABLE apikeys.key_usage EXCEPT TABLE before) AS u UNION ALL
	SELECT u::text FROM (TABLE before EXCEPT TABLE apikeys.key_usage) AS u UNION ALL
	SELECT u::text FROM (TABLE apikeys.usage_history EXCEPT TABLE hours_before) AS u UNION ALL
	SELECT u::text FROM (TABLE hours_before EXCEPT TABLE apikeys.usage_history) AS u UNION ALL
	SELECT u::text FROM (TABLE apikeys.denials EXCEPT TABLE denials_before) AS u UNION ALL
	SELECT u::text FROM (TABLE denials_before EXCEPT TABLE apikeys.denials) AS u UNION ALL
	SELECT l::text FROM (TABLE apikeys.audit_log EXCEPT TABLE entries_before) AS l
$$;
BEGIN;
SELECT apikeys.flush_usage() IS NOT NULL AS flushed;
SELECT pg_temp.changed();
ROLLBACK;
SELECT pg_temp.changed();
BEGIN;
SAVEPOINT s;
SELECT apikeys.flush_usage() IS NOT NULL AS flushed;
SELECT pg_temp.changed();
ROLLBACK TO s;
SELECT pg_temp.changed();
SELECT apikeys.flush_usage() IS NOT NULL AS flushed;
SAVEPOINT t;
SELECT apikeys.flush_usage();
SELECT pg_temp.changed();
COMMIT;
SELECT pg_temp.changed();
SELECT apikeys.flush_usage();
SELECT pg_temp.changed();
-- now it is all in the tables
SELECT sum(count) FROM apikeys_internal.usage;
SELECT sum(count) FROM apikeys_internal.usage_hour;
SELECT last_flush IS NOT NULL AS flushed FROM apikeys.status();

-- and counting goes on; REPEATABLE READ sees it, too, before and after a flush
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT valid FROM pg_temp.figures WHERE name = 'Both' AND api = 'data';
SELECT code FROM apikeys.validate_key(:'a', 'data', '192.0.2.5');
SELECT valid, last_client FROM pg_temp.figures WHERE name = 'Both' AND api = 'data';
SELECT apikeys.flush_usage() IS NOT NULL AS flushed;
SELECT valid, last_client FROM pg_temp.figures WHERE name = 'Both' AND api = 'data';
COMMIT;
SELECT valid, last_client FROM pg_temp.figures WHERE name = 'Both' AND api = 'data';
-- a rolled back transaction was a request all the same
BEGIN;
SELECT code FROM apikeys.validate_key(:'a', 'data');
ROLLBACK;
SELECT valid FROM pg_temp.figures WHERE name = 'Both' AND api = 'data';

-- what is in nobody's table: of a key and an API that were rolled back; nothing of it is in the way of a flush
BEGIN;
SELECT apikeys.register_api('for a moment');
SELECT code FROM apikeys.create_key('For a moment', '{data,"for a moment"}') AS k, apikeys.validate_key(k.key, 'for a moment');
ROLLBACK;
SELECT apikeys.flush_usage() IS NOT NULL AS flushed;
SELECT count(*) FROM pg_temp.figures WHERE name = 'For a moment';

-- an API registered now counts from now on
SELECT code FROM apikeys.validate_key(:'a', 'billing');
SELECT apikeys.register_api('billing');
SELECT code FROM apikeys.validate_key(:'a', 'billing');
SELECT apikeys.unregister_api('billing');
SELECT code FROM apikeys.validate_key(:'a', 'billing');
SELECT api, denied FROM pg_temp.figures WHERE name = 'Both' AND api = 'billing';

-- who still sends the old secret: in the overlap and past it
SELECT key AS c FROM apikeys.regenerate_key(:'a_id', '1 hour') \gset
SELECT code, old_valid_until IS NOT NULL AS old FROM apikeys.validate_key(:'a', 'push');
SELECT code FROM apikeys.validate_key(:'c', 'push');
SELECT count(*) FROM apikeys.end_overlap(:'a_id');
SELECT code FROM apikeys.validate_key(:'a', 'push');
SELECT api, valid, denied, old_secret FROM pg_temp.figures WHERE name = 'Both' AND old_secret > 0;

-- turned off, by a superuser alone; then nothing is counted
SET ROLE regress_ak_app;
SET apikeys.track_usage = off;
RESET ROLE;
SET apikeys.track_usage = off;
SELECT code FROM apikeys.validate_key(:'b', 'data');
SELECT tracking, reason FROM apikeys.status();
RESET apikeys.track_usage;
SELECT * FROM pg_temp.figures WHERE name = 'Other';
SET apikeys.flush_interval = '1 s';
SET apikeys.usage_memory = '1MB';
SET apikeys.limits_when_full = deny;
SET apikeys.usage_retention = '1 d';
SHOW apikeys.flush_interval;
SHOW apikeys.usage_memory;
SHOW apikeys.limits_when_full;
SHOW apikeys.usage_retention;

-- a flush writes, and says so
BEGIN READ ONLY;
SELECT code FROM apikeys.validate_key(:'b', 'data');
SELECT apikeys.flush_usage();
ROLLBACK;

-- an archived key goes on being counted; one dropped from the archive keeps its hours
SELECT (apikeys.archive_key(:'b_id')).state;
SELECT code FROM apikeys.validate_key(:'b', 'data');
SELECT * FROM pg_temp.figures WHERE workspace = 'acme';
SELECT name, last_used_at IS NOT NULL AS used FROM apikeys.archived_keys;
SET client_min_messages = warning;
SELECT (apikeys.archive_key(key_id)).state FROM apikeys.create_key('Next', '{data}', 'acme');
RESET client_min_messages;
SELECT * FROM pg_temp.figures WHERE workspace = 'acme';
SELECT workspace, name, api, sum(valid) AS valid, sum(denied) AS denied FROM apikeys.usage_history WHERE key_id = :'b_id' GROUP BY 1, 2, 3;
SELECT apikeys.flush_usage() IS NOT NULL AS flushed;
SELECT workspace, name, api, sum(valid) AS valid, sum(denied) AS denied FROM apikeys.usage_history WHERE key_id = :'b_id' GROUP BY 1, 2, 3;
SELECT code, count FROM apikeys.denials WHERE workspace = 'acme';

-- the chart: a line an hour, the last one is now; hours long ago come from the table
INSERT INTO apikeys_internal.usage_hour SELECT :'a_id', date_trunc('hour', now()) - interval '2 hours', 'data', code, false, 'default', n, now(), NULL, 1, 1
FROM (VALUES ('VALID', 10000), ('FORBIDDEN', 1)) AS v (code, n);
SELECT count(*) FROM apikeys.usage_chart(:'a_id');
SELECT substr(l, 17) AS line FROM apikeys.usage_chart(:'a_id', '4 hours') WITH ORDINALITY AS u (l, n) WHERE n <= 2;
SELECT count(*) FROM apikeys.usage_chart(:'a_id', '10 minutes');
SELECT count(*) FROM apikeys.usage_chart(:'a_id', '61 minutes');
SELECT pg_temp.refused(format('SELECT apikeys.usage_chart(%L, %L)', :'a_id', s)) FROM unnest('{0,-1 h,24,10001 h,178000000 years}'::text[]) AS s;
SELECT count(*) FROM apikeys.usage_chart(:'a_id', NULL);
SELECT pg_temp.refused($$SELECT apikeys.usage_chart(gen_random_uuid())$$);
SELECT pg_temp.refused($$SELECT apikeys.usage_chart(NULL)$$);

-- a day is one of UTC, whatever the session's zone
SELECT (now() AT TIME ZONE 'UTC')::date - 2 AS day \gset
INSERT INTO apikeys_internal.usage_hour SELECT :'a_id', (:'day' || ' ' || hour || ':00+00')::timestamptz, 'data', 'VALID', false, 'default', 100 + hour, now(), NULL, 1, 1 FROM unnest('{0,12,23}'::integer[]) AS hour;
SET TimeZone = 'Pacific/Kiritimati';
SELECT day = :'day' AS that_day, valid FROM apikeys.usage_daily WHERE day BETWEEN :'day'::date - 1 AND :'day'::date + 1 AND valid BETWEEN 100 AND 999;
SET TimeZone = 'Pacific/Pago_Pago';
SELECT day = :'day' AS that_day, valid FROM apikeys.usage_daily WHERE day BETWEEN :'day'::date - 1 AND :'day'::date + 1 AND valid BETWEEN 100 AND 999;
SET TimeZone = 'UTC';

DROP OWNED BY regress_ak_app;
DROP ROLE regress_ak_app;
