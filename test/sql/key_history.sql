-- key_history(): every state that a key has had, as key_details() showed it then.
\set ECHO none
\i test/lib/regress.sql

SET client_min_messages = warning;
-- what key_details() says, without what is no part of the log
CREATE FUNCTION pg_temp.shown(detail jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT detail - '{quota_used,last_used_at}'::text[] $$;
CREATE TEMPORARY TABLE seen (n serial, key_id uuid, audit_id bigint, detail jsonb);

-- acts, and keeps how every key is then of which entries tell
CREATE FUNCTION pg_temp.act(statement text) RETURNS void LANGUAGE plpgsql AS
$$
DECLARE
	before bigint := (SELECT coalesce(max(audit_id), 0) FROM apikeys.audit_log);
BEGIN
	EXECUTE statement;
	INSERT INTO seen (key_id, audit_id, detail)
	SELECT l.key_id, l.audit_id, pg_temp.shown(to_jsonb(apikeys.key_details(l.key_id)))
	FROM apikeys.audit_log l WHERE l.audit_id > before AND l.key_id IS NOT NULL;
END
$$;

-- where the history differs from what was seen: attribute by attribute, of the n-th entry back
CREATE FUNCTION pg_temp.differences() RETURNS TABLE (n bigint, attribute text, was jsonb, history jsonb) LANGUAGE sql AS
$$
	SELECT n, attribute, s.detail -> attribute, h.detail -> attribute
	FROM (SELECT DISTINCT key_id FROM seen) AS k,
	LATERAL (SELECT row_number() OVER (ORDER BY s.audit_id DESC) AS n, s.detail FROM seen s WHERE s.key_id = k.key_id) AS s
	FULL JOIN LATERAL (SELECT h.n, pg_temp.shown(to_jsonb(h.detail)) AS detail FROM
		apikeys.key_history(k.key_id) WITH ORDINALITY AS h ("time", action, activity, actor, detail, n)) AS h USING (n),
	LATERAL (SELECT jsonb_object_keys(coalesce(s.detail, '{}')) UNION SELECT jsonb_object_keys(coalesce(h.detail, '{}'))) AS a (attribute)
	WHERE s.detail -> attribute IS DISTINCT FROM h.detail -> attribute
$$;

-- one of each, under several names, through the functions and by direct SQL
SET apikeys.actor = 'ann@example.com';
SELECT pg_temp.act($$SELECT apikeys.create_key('Key', '{data,push}', team => 'Team', metadata => '{"plan": "free", "a": {"b": 1}}')$$);
SELECT apikeys.key_id('Key') AS key_id \gset
CREATE TEMPORARY TABLE id AS SELECT apikeys.key_id('Key') AS key_id;
SELECT count(pg_temp.act(format(statement, id.key_id))) FROM id, unnest(ARRAY[
	$$SELECT apikeys.update_key(%L, name => 'New name', expires_at => '2999-01-01 12:34:56.789012+00')$$,
	$$SELECT set_config('apikeys.actor', 'bob@example.com', false)$$,
	$$SELECT apikeys.regenerate_key(%L, '1 day')$$,
	$$SELECT apikeys.update_key(%L, apis => '{data,segmentation,push}', allowed_cidrs => '{192.0.2.0/24,2001:db8::/32}', rate_limit => 7, rate_window => '1 mon 2 days 3.5 s')$$,
	$$SELECT apikeys.register_api('billing')$$,
	$$SELECT apikeys.update_key(%L, team => '')$$,
	$$SELECT apikeys.unregister_api('billing')$$,
	$$UPDATE apikeys.key SET owner = 'customer 7', quota = 5000000000, quota_period = 'month' WHERE key_id = %L$$,
	$$SELECT apikeys.disable_key(%L, 'it leaked')$$,
	$$UPDATE apikeys.key SET owner = 'customer 8' WHERE key_id = %L$$,
	$$SELECT set_config('apikeys.actor', '"carl" \ éè', false)$$,
	$$SELECT apikeys.enable_key(%L)$$,
	$$UPDATE apikeys.key SET disabled_at = clock_timestamp(), name = 'Once more', rate_limit = NULL, rate_window = NULL WHERE key_id = %L$$,
	$$SELECT apikeys.end_overlap(%L)$$,
	$$SELECT apikeys.register_api('billing')$$,
	$$SELECT apikeys.update_key(%L, metadata => '{}')$$,
	$$SELECT apikeys.archive_key(%L)$$]) WITH ORDINALITY AS s (statement, n);
RESET apikeys.actor;
SELECT * FROM pg_temp.differences();
SELECT h.action, h.activity, h.actor, (h.detail).name, (h.detail).state, (h.detail).access, (h.detail).owner, (h.detail).disabled_by
FROM apikeys.key_history(:'key_id') AS h;
-- an entry's time is the one that the key has of it
SELECT count(*) FROM apikeys.key_history(:'key_id') AS h WHERE h."time" NOT IN ((h.detail).created_at, (h.detail).updated_at, (h.detail).regenerated_at,
	(h.detail).disabled_at, (h.detail).archived_at);

-- what it was at a time
SELECT (h.detail).name FROM apikeys.key_history(:'key_id') AS h WHERE h."time" <= (SELECT max(h."time") FROM apikeys.key_history(:'key_id') AS h WHERE (h.detail).name = 'New name') LIMIT 1;

-- Metadata of which only the parts that changed are in the log: objects in objects, what comes, goes, changes its kind.
SELECT setseed(0.25);
CREATE FUNCTION pg_temp.random_json(depth integer) RETURNS jsonb LANGUAGE plpgsql AS
$$
DECLARE
	kind double precision := random();
BEGIN
	IF depth > 0 AND kind < 0.6 THEN
		RETURN (SELECT coalesce(jsonb_object_agg(chr(97 + floor(random() * 5)::integer), pg_temp.random_json(depth - 1)), '{}')
			FROM generate_series(1, floor(random() * 5)::integer));
	END IF;
	RETURN CASE WHEN kind < 0.7 THEN to_jsonb(floor(random() * 3)) WHEN kind < 0.8 THEN 'null' WHEN kind < 0.9 THEN '[]' ELSE to_jsonb(repeat('x', floor(random() * 3)::integer)) END;
END
$$;
CREATE FUNCTION pg_temp.random_object() RETURNS jsonb LANGUAGE plpgsql AS
$$
DECLARE
	made jsonb;
BEGIN
	LOOP
		made := pg_temp.random_json(4);
		EXIT WHEN jsonb_typeof(made) = 'object';
	END LOOP;
	RETURN made;
END
$$;
SELECT pg_temp.act($$SELECT apikeys.create_key('Large', '{data}')$$);
SELECT count(pg_temp.act(format('SELECT apikeys.update_key(%L, metadata => %L, team => %L)', apikeys.key_id('Large'),
	pg_temp.random_object() || CASE WHEN n % 7 = 0 THEN '{}' ELSE jsonb_build_object('filler', repeat('filler ', 500)) END, 't' || n)))
FROM generate_series(1, 150) AS n;
SELECT * FROM pg_temp.differences();
SELECT count(*) FROM apikeys.key_history(apikeys.key_id('Large'));
-- only the parts are there
SELECT count(*) > 50 FROM apikeys.audit_log WHERE changes #> '{metadata,new}' IS NOT NULL AND NOT changes #> '{metadata,new}' ? 'filler';

-- A key that was dropped has its history, too.
SELECT apikeys.update_workspace('default', archive_limit => 1);
SELECT pg_temp.act($$SELECT apikeys.create_key('Other', '{data}')$$);
SELECT pg_temp.act($$SELECT apikeys.archive_key(apikeys.key_id('Other'))$$);
SELECT count(*) FROM apikeys.key WHERE key_id = :'key_id';
SELECT * FROM pg_temp.differences();

-- Who may ask: who may audit there.
CREATE ROLE regress_ak_auditor;
CREATE ROLE regress_ak_viewer;
SELECT apikeys.create_workspace('acme'), apikeys.grant_access('regress_ak_auditor', 'audit', 'acme'), apikeys.grant_access('regress_ak_viewer', 'view') \g /dev/null
SELECT key_id AS acme_id FROM apikeys.create_key('Acme', '{data}', 'acme') \gset
SET ROLE regress_ak_auditor;
SELECT action, (detail).name FROM apikeys.key_history(:'acme_id');
SELECT pg_temp.sqlstate(format('SELECT * FROM apikeys.key_history(%L)', :'key_id'));
SELECT pg_temp.sqlstate('SELECT * FROM apikeys.key_history(gen_random_uuid())');
SELECT pg_temp.sqlstate('SELECT * FROM apikeys.key_history(NULL)');
SET ROLE regress_ak_viewer;
SELECT pg_temp.sqlstate(format('SELECT * FROM apikeys.key_history(%L)', :'acme_id'));
RESET ROLE;
SET apikeys.workspace = 'acme';
SELECT count(*) FROM apikeys.key_history(:'acme_id');
SELECT pg_temp.refused(format('SELECT * FROM apikeys.key_history(%L)', :'key_id'));
RESET apikeys.workspace;
DROP OWNED BY regress_ak_auditor, regress_ak_viewer;
DROP ROLE regress_ak_auditor, regress_ak_viewer;

-- of large metadata, where a number changes its scale alone, or an object becomes empty, both are seen as they were
SELECT key_id AS scale FROM apikeys.create_key('Scale', '{data}', metadata => jsonb_build_object('n', 1.0, 'a', '[1.0]'::jsonb, 'o', '{"p": {"q": 1}}'::jsonb, 'pad', repeat('x', 3000))) \gset
SELECT name FROM apikeys.update_key(:'scale', metadata => jsonb_build_object('n', 1.00, 'a', '[1.00]'::jsonb, 'o', '{"p": {}}'::jsonb, 'pad', repeat('x', 3000)));
SELECT name FROM apikeys.update_key(:'scale', metadata => jsonb_build_object('n', 1.00, 'a', '[1.00]'::jsonb, 'o', '{"p": {"q": {"r": 2}}}'::jsonb, 'pad', repeat('x', 3000)));
SELECT action, (detail).metadata - 'pad' AS metadata FROM apikeys.key_history(:'scale');

-- of deeply nested metadata, neither a change nor its history copies at each level what is below it: 1,000 levels in 900 kB took 3.6 GB
SET statement_timeout = '10s';
SELECT key_id AS nested FROM apikeys.create_key('Nested', '{data}') \gset
SELECT count(*) FROM generate_series(1, 5) AS i, apikeys.update_key(:'nested', metadata => (repeat('{"a":', 2000) || format('["%s", %s]', repeat('x', 900000), i) || repeat('}', 2000))::jsonb);
SELECT count(*), count(DISTINCT (detail).metadata), bool_and(right((detail).metadata #>> array_fill('a'::text, ARRAY[2000]), 4) = format(', %s]', n - 1)) AS right
	FROM (SELECT detail, row_number() OVER (ORDER BY time) AS n FROM apikeys.key_history(:'nested')) AS h WHERE n > 1;
RESET statement_timeout;

-- After a purge it begins with the oldest entry left, and says so. From there on it is exact; who did something before, and
-- when, is what was seen, or NULL.
CREATE TEMPORARY TABLE purged (key_id uuid);
SELECT count(pg_temp.act(format($$SELECT apikeys.create_key(%L, '{data}', metadata => '{"n": 0}')$$, name))) FROM unnest('{Purged,Quiet}'::text[]) AS name;
INSERT INTO purged SELECT apikeys.key_id('Purged');
CREATE FUNCTION pg_temp.acts(VARIADIC statements text[]) RETURNS bigint LANGUAGE sql AS
$$ SELECT count(pg_temp.act(format(statement, p.key_id))) FROM purged AS p, unnest(statements) WITH ORDINALITY AS s (statement, n) $$;
SELECT pg_temp.acts($$SELECT apikeys.update_key(%L, team => 'early', metadata => '{"n": 1}')$$, $$SELECT apikeys.disable_key(%L, 'early')$$,
	$$SELECT apikeys.enable_key(%L)$$, $$SELECT apikeys.regenerate_key(%L)$$, $$SELECT apikeys.update_key(%L, name => 'Purged 2')$$, $$SELECT pg_sleep(0.01)$$);
SELECT clock_timestamp() AS then \gset
SET apikeys.actor = 'late@example.com';
SELECT pg_temp.acts($$SELECT apikeys.update_key(%L, owner => 'late', metadata => '{"n": 2}')$$, $$SELECT apikeys.regenerate_key(%L, '1 day')$$,
	$$SELECT apikeys.disable_key(%L, 'late')$$, $$SELECT apikeys.enable_key(%L)$$);
RESET apikeys.actor;
CALL apikeys.sequence_audit_logs();
SELECT apikeys.purge_audit_logs(:'then', 'default') > 100 AS purged;
SET client_min_messages = notice;
SELECT h.action, h.activity, (h.detail).name, (h.detail).state, (h.detail).owner, (h.detail).metadata, (h.detail).created_by, (h.detail).updated_by, (h.detail).regenerated_by
FROM purged, LATERAL apikeys.key_history(key_id) AS h;
-- before it, nothing
SELECT count(*) FROM purged, LATERAL apikeys.key_history(key_id) AS h WHERE h."time" < :'then';
-- of this one, its creation is the last entry
SELECT h.activity, (h.detail).name FROM apikeys.key_history(apikeys.key_id('Quiet')) AS h;
SET client_min_messages = warning;
DELETE FROM seen WHERE key_id <> (SELECT key_id FROM purged);
SELECT d.n, d.attribute, d.history FROM pg_temp.differences() AS d
WHERE d.n <= (SELECT count(*) FROM purged, LATERAL apikeys.key_history(key_id)) ORDER BY 1, 2;
SELECT pg_temp.wrong();
