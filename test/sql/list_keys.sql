-- list_keys(): every filter and order, compared with the view keys; pages, NULLs, errors, and what each role sees.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
SELECT apikeys.create_workspace('acme'), apikeys.create_workspace('rival') \g /dev/null
SELECT apikeys.register_api('billing') \g /dev/null
-- 60 keys: names in both cases, owners with wildcards, some expired, disabled, archived, used
SELECT count(*) FROM generate_series(1, 60) AS i, apikeys.create_key(CASE i % 3 WHEN 0 THEN 'Mobile app ' WHEN 1 THEN 'ÉTAGE ' ELSE 'feed_' END || i,
	CASE i % 2 WHEN 0 THEN '{data}' ELSE '{data,push}' END::text[], CASE i % 4 WHEN 0 THEN 'acme' WHEN 1 THEN 'rival' END,
	team => CASE i % 5 WHEN 0 THEN 'Platform' WHEN 1 THEN 'Sales' END, owner => CASE i % 6 WHEN 0 THEN 'Customer_' || i WHEN 1 THEN '100% ' || i END,
	expires_at => CASE i % 7 WHEN 0 THEN now() + i * interval '1 day' WHEN 1 THEN now() + interval '1 hour' END) AS k;
SELECT count(apikeys.update_key(key_id, expires_at => now() - interval '1 hour')) FROM apikeys.keys WHERE substring(name FROM '\d+$')::integer % 7 = 1;
SELECT count(apikeys.disable_key(key_id)) FROM apikeys.keys WHERE name ~ '[38]$';
SELECT count(apikeys.archive_key(key_id)) FROM apikeys.keys WHERE name ~ '[16]9?$' AND workspace <> 'default';
SELECT count(v.code) FROM apikeys.create_key('Used today', '{data}') AS k, apikeys.validate_key(k.key, 'data') AS v;
SELECT apikeys.flush_usage() >= 0 AS flushed;
INSERT INTO apikeys_internal.key_use SELECT key_id, now() - (row_number() OVER (ORDER BY name)) * interval '1 day' FROM apikeys.keys WHERE name ~ '[24]$';
SELECT state, count(*) FROM apikeys.keys GROUP BY 1 ORDER BY 1;

-- the keys as the oracle has them: those of the view, with last_used_at as flushed
CREATE TEMPORARY VIEW oracle AS SELECT k.*, u.last_used_at AS flushed_at FROM apikeys.keys k LEFT JOIN apikeys_internal.key_use u USING (key_id);
CREATE TEMPORARY TABLE filter (arguments text, condition text);
INSERT INTO filter VALUES
	('', $$state <> 'archived'$$),
	($$state => NULL, workspace => NULL, search => NULL, max_rows => NULL, skip => NULL, order_by => NULL$$, $$state <> 'archived'$$),
	($$state => 'all'$$, 'true'), ($$state => 'active'$$, $$state = 'active'$$), ($$state => 'disabled'$$, $$state = 'disabled'$$), ($$state => 'archived'$$, $$state = 'archived'$$),
	($$workspace => 'acme'$$, $$workspace = 'acme' AND state <> 'archived'$$),
	($$workspace => 'acme', state => 'all'$$, $$workspace = 'acme'$$),
	($$search => 'mobile'$$, $$name ~* 'mobile' AND state <> 'archived'$$), ($$search => '  MOBILE APP '$$, $$name ~* 'mobile app' AND state <> 'archived'$$),
	($$search => 'étage'$$, $$name ~* 'étage' AND state <> 'archived'$$),
	($$search => '_'$$, $$(position('_' IN name) > 0 OR position('_' IN owner) > 0 OR position('_' IN hint) > 0) AND state <> 'archived'$$), ($$search => 'D_1'$$, $$position('d_1' IN name) > 0 AND state <> 'archived'$$),
	($$search => '%'$$, $$position('%' IN owner) > 0 AND state <> 'archived'$$), ($$search => 'customer_6', state => 'all'$$, $$owner ~ 'Customer_6'$$),
	($$search => ''$$, $$state <> 'archived'$$), ($$search => 'nothing at all'$$, 'false'),
	($$api => 'push'$$, $$'push' = ANY (apis) AND state <> 'archived'$$), ($$api => 'nowhere'$$, 'false'),
	($$team => 'Sales'$$, $$team = 'Sales' AND state <> 'archived'$$), ($$team => ''$$, $$team IS NULL AND state <> 'archived'$$),
	($$owner => 'Customer_6'$$, $$owner = 'Customer_6' AND state <> 'archived'$$), ($$owner => ''$$, $$owner IS NULL AND state <> 'archived'$$),
	($$expires_before => now()$$, $$expires_at < now() AND state <> 'archived'$$), ($$expires_before => now() + interval '30 days', state => 'all'$$, $$expires_at < now() + interval '30 days'$$),
	($$unused_since => now() - interval '5 days', state => 'all'$$, $$coalesce(flushed_at, created_at) < now() - interval '5 days'$$),
	($$unused_since => now() + interval '1 hour'$$, $$state <> 'archived'$$),
	($$workspace => 'rival', search => 'e', api => 'push', team => 'Sales', state => 'all'$$, $$workspace = 'rival' AND (name ~* 'e' OR owner ~* 'e' OR hint ~* 'e') AND 'push' = ANY (apis) AND team = 'Sales'$$);
INSERT INTO filter SELECT format('search => %L', k.key_id), format('key_id = %L', k.key_id) FROM apikeys.keys k WHERE k.name = 'feed_2';
INSERT INTO filter SELECT format('search => %L', upper(k.key_id::text)), format('key_id = %L', k.key_id) FROM apikeys.keys k WHERE k.name = 'feed_2';
INSERT INTO filter SELECT format('search => %L', upper(right(k.hint, 5))), format('upper(right(hint, 5)) = %L', upper(right(k.hint, 5))) FROM apikeys.keys k WHERE k.name = 'feed_2';

-- each filter in each order: all keys that it should have, in order, with their total
CREATE FUNCTION pg_temp.wrong_lists() RETURNS TABLE (call text, sorted text, has text, should text) LANGUAGE plpgsql AS $$
DECLARE
	f filter;
	col text;
BEGIN
	FOR f IN TABLE filter LOOP
		FOREACH sorted IN ARRAY ARRAY['name', 'created_at', 'last_used_at', 'expires_at', 'NAME asc', 'created_at  desc', 'last_used_at DESC', ' expires_at desc '] LOOP
			col := lower(substring(sorted FROM '\w+'));
			call := format('apikeys.list_keys(%s)', concat_ws(', ', nullif(regexp_replace(f.arguments, ', max_rows.*', ''), ''), format('order_by => %L, max_rows => 100', sorted)));
			EXECUTE format('SELECT string_agg(key_id::text, '' '' ORDER BY n), string_agg(DISTINCT total::text, '','') FROM %s WITH ORDINALITY AS k (total, %s, n)', call,
				(SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'apikeys.key_detail'::regclass AND attnum > 0)) INTO has, should;
			has := has || ' of ' || should;
			EXECUTE format('SELECT string_agg(key_id::text, '' '' ORDER BY %s %s NULLS LAST, key_id) || '' of '' || count(*) FROM oracle WHERE %s',
				CASE col WHEN 'last_used_at' THEN 'flushed_at' ELSE col END, CASE WHEN sorted ~* 'desc' THEN 'DESC' ELSE 'ASC' END, f.condition) INTO should;
			IF has IS DISTINCT FROM should THEN
				RETURN NEXT;
			END IF;
		END LOOP;
	END LOOP;
END $$;
SELECT count(*) > 25 AS many FROM filter;
SELECT * FROM pg_temp.wrong_lists();
-- what each filter finds, so that it is seen to find something
SELECT f.condition = 'false' AS none, count(*) FROM filter f, LATERAL (SELECT count(*) AS n FROM oracle) AS o WHERE f.arguments !~ 'key_id|search => ''[0-9A-F-]{36}|search => ''\.' GROUP BY 1 ORDER BY 1;

-- the default: 50, newest first
SELECT count(*), min(total) AS total, array_agg(key_id ORDER BY n) = (SELECT array_agg(key_id) FROM (SELECT key_id FROM apikeys.keys WHERE state <> 'archived' ORDER BY created_at DESC, key_id LIMIT 50) AS k) AS newest_first
FROM (SELECT row_number() OVER () AS n, * FROM apikeys.list_keys()) AS k;
-- pages: every key on one
SELECT array_agg(k.key_id) = (SELECT array_agg(key_id) FROM (SELECT key_id FROM apikeys.list_keys(order_by => 'last_used_at', state => 'all', max_rows => 1000)) AS a) AS same, count(DISTINCT k.total) AS totals
FROM generate_series(0, 100, 7) AS page, LATERAL (SELECT * FROM apikeys.list_keys(order_by => 'last_used_at', state => 'all', max_rows => 7, skip => page)) AS k;
SELECT count(*) FROM apikeys.list_keys(max_rows => 0);
SELECT count(*) FROM apikeys.list_keys(skip => 1000);
-- the columns are those of key_details
SELECT count(*) FROM apikeys.list_keys(state => 'all', max_rows => 1000) AS l, LATERAL apikeys.key_details(l.key_id) AS d
WHERE (to_jsonb(l) - 'total' - 'last_used_at') <> (to_jsonb(d) - 'last_used_at');
SELECT total, last_used_at > now() - interval '1 minute' AS now FROM apikeys.list_keys(search => 'used today');

-- mistakes
SELECT r AS refused FROM unnest(ARRAY['state => ''Active''', 'state => ''''', 'order_by => ''size''', 'order_by => ''name up''', 'order_by => ''name desc nulls first''', 'order_by => ''''',
	'order_by => ''name; DROP TABLE x''', 'max_rows => -1', 'skip => -1', 'workspace => ''nowhere''', 'search => repeat(''x'', 1001)']) AS a, LATERAL pg_temp.refused(format('SELECT count(*) FROM apikeys.list_keys(%s)', a)) AS r;
-- foreign text stays text
SELECT count(*) FROM unnest(ARRAY['''; DROP TABLE apikeys.key; --', '$1', '\', '%s', '.*', E'a\nb']) AS t, LATERAL apikeys.list_keys(search => t, team => t, owner => t, api => t) AS k;

-- each role sees its own, the setting bounds everybody
CREATE ROLE regress_ak_viewer;
CREATE ROLE regress_ak_two;
SELECT apikeys.grant_access('regress_ak_viewer', 'view', 'acme'), apikeys.grant_access('regress_ak_two', 'view', 'acme'), apikeys.grant_access('regress_ak_two', 'manage', 'rival') \g /dev/null
SET ROLE regress_ak_viewer;
SELECT workspace, total, count(*) FROM apikeys.list_keys(state => 'all', max_rows => 100) GROUP BY 1, 2;
SELECT pg_temp.refused($$SELECT apikeys.list_keys('rival')$$);
SELECT (SELECT count(*) FROM apikeys.keys) AS keys, (SELECT count(*) FROM apikeys.active_keys) AS active, (SELECT count(*) FROM apikeys.archived_keys) AS archived;
SET ROLE regress_ak_two;
SELECT workspace, total, count(*) FROM apikeys.list_keys(state => 'all', max_rows => 100) GROUP BY 1, 2 ORDER BY 1;
RESET ROLE;
SET apikeys.workspace = 'rival';
SELECT workspace, total, count(*) FROM apikeys.list_keys(state => 'all', max_rows => 100) GROUP BY 1, 2;
RESET apikeys.workspace;

-- the views: all, those that are active, those that are archived
SELECT (SELECT count(*) FROM apikeys.keys) = (SELECT count(*) FROM apikeys.key) AS all_keys, (SELECT array_agg(key_id) FROM apikeys.active_keys) = (SELECT array_agg(key_id) FROM (SELECT key_id FROM apikeys.keys WHERE state = 'active') AS k) AS active_ones,
	(SELECT count(*) FROM apikeys.archived_keys) = (SELECT count(*) FROM apikeys.keys WHERE state = 'archived') AS archived_ones;
SELECT count(*) FROM (TABLE apikeys.active_keys UNION ALL TABLE apikeys.archived_keys EXCEPT TABLE apikeys.keys) AS differ;
SELECT array_agg(key_id) = array_agg(key_id ORDER BY created_at DESC, key_id DESC) AS newest_first FROM apikeys.keys;

DROP OWNED BY regress_ak_viewer, regress_ak_two;
DROP ROLE regress_ak_viewer, regress_ak_two;
