-- The registry of APIs: register_api, unregister_api, the view apis, and all errors.
\set ECHO none
\i test/lib/regress.sql

SELECT api, description FROM apikeys.apis;
SELECT apikeys.register_api('billing', 'Billing API');
SELECT apikeys.register_api('no description');
SELECT api, description, created_at <= now() AS created, created_by = session_user AS by_me FROM apikeys.apis;
SELECT time IS NOT NULL AS "time", entity, action, activity, actor = session_user AS me, workspace, key_id, key_name, changes FROM apikeys.audit_logs;
SELECT count(*) FROM pg_temp.entries();

-- mistakes
SELECT pg_temp.refused($$SELECT apikeys.register_api('billing')$$);
SELECT pg_temp.refused($$SELECT apikeys.register_api('data', 'x')$$);
SELECT pg_temp.refused($$SELECT apikeys.register_api(NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.register_api('')$$);
SELECT pg_temp.refused($$SELECT apikeys.register_api(repeat('x', 101))$$);
SELECT pg_temp.refused($$SELECT apikeys.register_api(E'a\x1fb')$$);
SELECT pg_temp.refused($$SELECT apikeys.unregister_api('nothing')$$);
SELECT pg_temp.refused($$SELECT apikeys.unregister_api('')$$);
SELECT pg_temp.refused($$SELECT apikeys.unregister_api(NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.unregister_api('Billing')$$);

-- in use by an active key, in whatever workspace; an archived one does not count
SELECT apikeys.create_workspace('acme') \g /dev/null
SELECT key_id FROM apikeys.create_key('K', '{billing,data}', 'acme') \gset
SELECT pg_temp.refused($$SELECT apikeys.unregister_api('billing')$$);
SELECT (apikeys.archive_key(:'key_id')).state;
SELECT apikeys.unregister_api('billing');
SELECT api FROM apikeys.apis;
SELECT pg_temp.refused($$SELECT apikeys.unregister_api('billing')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{billing}')$$);
SELECT apis, state, access FROM apikeys.key_details(:'key_id');

-- registered once more, it is the last; keys' lists follow the registry's order
SELECT apikeys.register_api('billing', 'Once more');
SELECT api, description FROM apikeys.apis;
SELECT apis, access FROM apikeys.create_key('All', '{billing,no description,push,segmentation,data}');
SELECT apis FROM apikeys.create_key('Some', '{billing,data,no description}');
SELECT * FROM pg_temp.entries();

-- what came out of the box can go, and a list of APIs with a hint that follows
SELECT apikeys.unregister_api('segmentation') FROM apikeys.update_key(apikeys.key_id('All'), apis => '{data}') AS k;
SELECT apikeys.update_key(apikeys.key_id('Some'), apis => '{push}') IS NULL AS n;
SELECT apikeys.unregister_api('data') FROM apikeys.update_key(apikeys.key_id('All'), apis => '{push}') AS k;
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}')$$);
SELECT apikeys.unregister_api('billing'), apikeys.unregister_api('no description');
SELECT name, access FROM apikeys.active_keys ORDER BY 1;
SELECT (apikeys.archive_key(key_id)).state FROM apikeys.active_keys;
SELECT apikeys.unregister_api('push');
SELECT count(*) FROM apikeys.apis;
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{}')$$);
SELECT name, access FROM apikeys.archived_keys ORDER BY 1;
SELECT apikeys.register_api('data');
SELECT count(*) FROM apikeys.create_key('x', '{data}');
SELECT DISTINCT action FROM pg_temp.entries() ORDER BY 1;

-- names that would be trouble if they were pasted into SQL or JSON
SELECT apikeys.register_api(a) FROM unnest(ARRAY['it''s', '"q"', '\', '{}', 'a,b', 'NULL', ' ', '𐍈', '$1', '%s']) AS a \g /dev/null
SELECT apis FROM apikeys.create_key('trouble', (SELECT array_agg(api) FROM apikeys.apis));
SELECT string_agg(code, ' ') FROM apikeys.create_key('trouble 2', (SELECT array_agg(api) FROM apikeys.apis)) AS k, apikeys.apis a, apikeys.validate_key(k.key, a.api) AS v;
SELECT k.key FROM apikeys.create_key('trouble 3', (SELECT array_agg(api) FROM apikeys.apis)) AS k \gset
SELECT a.api, v.code FROM apikeys.apis a, apikeys.validate_key(:'key', a.api) AS v;
SELECT activity, changes FROM pg_temp.entries();

-- rolled back, it was never registered
BEGIN;
SELECT apikeys.register_api('undone');
ROLLBACK;
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{undone}')$$);
SELECT pg_temp.wrong();
