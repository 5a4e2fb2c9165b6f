-- key_details, key_id, identify_key, and the views of keys.
\set ECHO none
\i test/lib/regress.sql

SELECT apikeys.create_workspace('acme') \g /dev/null
SELECT key_id AS a_id, key AS a_key FROM apikeys.create_key('Alpha', '{data,segmentation,push}', expires_at => '2999-01-01 00:00+00', metadata => '{"n": 1}') \gset
SELECT key_id AS b_id, key AS b_old FROM apikeys.create_key('Beta', '{data}', 'acme') \gset
SELECT key AS b_key FROM apikeys.regenerate_key(:'b_id', '1 day') \gset
SELECT key_id AS c_id, key AS c_key FROM apikeys.create_key('Gamma', '{push}') \gset
SELECT (apikeys.archive_key(:'c_id')).state;

-- key_details: active or archived, in whatever workspace; the same columns as the views
SELECT workspace, name, state, access FROM (VALUES (:'a_id'::uuid), (:'b_id'), (:'c_id')) AS i (id), apikeys.key_details(id);
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'apikeys.key_detail'::regclass AND attnum > 0 ORDER BY attnum;
SELECT v AS view, a.attname AS "missing" FROM (VALUES ('apikeys.active_keys'::regclass), ('apikeys.archived_keys')) AS t (v), pg_attribute a
WHERE a.attrelid = 'apikeys.key_detail'::regclass AND a.attnum > 0 AND NOT EXISTS (SELECT FROM pg_attribute x WHERE x.attrelid = v AND x.attname = a.attname AND x.atttypid = a.atttypid);
-- no view, function result or type of ours shows a hash
SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind IN ('v', 'c') AND (a.attname ~ 'hash' OR a.atttypid = 'bytea'::regtype) AND c.relname <> 'audit_verdict';
SELECT count(*) FROM apikeys.active_keys a, apikeys.key_details(a.key_id) d WHERE (a.key_id, a.workspace, a.name, a.state, a.apis, a.access, a.hint, a.created_at) = (d.key_id, d.workspace, d.name, d.state, d.apis, d.access, d.hint, d.created_at);
SELECT pg_temp.refused($$SELECT apikeys.key_details(NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.key_details(gen_random_uuid())$$);
SELECT pg_temp.refused($$SELECT apikeys.key_details('00000000-0000-0000-0000-000000000000')$$);

-- key_id: of the active key, trimmed and without regard to case
SELECT apikeys.key_id('Alpha') = :'a_id' AS a, apikeys.key_id('  aLPHA ') = :'a_id' AS trimmed, apikeys.key_id('Alpha', 'default') = :'a_id' AS there, apikeys.key_id('beta') = :'b_id' AS b;
SELECT pg_temp.refused($$SELECT apikeys.key_id('Beta', 'default')$$);
SELECT pg_temp.refused($$SELECT apikeys.key_id('Gamma')$$);
SELECT pg_temp.refused($$SELECT apikeys.key_id('')$$);
SELECT pg_temp.refused($$SELECT apikeys.key_id(NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.key_id('Alpha', 'nowhere')$$);
SELECT pg_temp.refused($$SELECT apikeys.key_id('%')$$);
SELECT count(*) FROM apikeys.create_key('ALPHA', '{data}', 'acme');
SELECT pg_temp.refused($$SELECT apikeys.key_id('Alpha')$$);
SELECT apikeys.key_id('Alpha', 'default') = :'a_id' AS a, apikeys.key_id('Alpha', 'acme') <> :'a_id' AS another;

-- identify_key: present, old or archived; no row for anything else
SELECT s.what, i.workspace, i.name, i.state FROM (VALUES (1, 'present', :'a_key'), (2, 'present', :'b_key'), (3, 'old', :'b_old'), (4, 'archived', :'c_key')) AS s (n, what, k), apikeys.identify_key(k) AS i ORDER BY n;
SELECT count(*) FROM apikeys.end_overlap(:'b_id');
SELECT name FROM apikeys.identify_key(:'b_old');
SELECT count(*) FROM (VALUES (NULL), (''), ('x'), (repeat('x', 513)), (repeat('x', 10000000)), ('é'), (E'\x01'), ('ak_' || repeat('0', 43) || '2PL60u'), ('ak_' || repeat('0', 49)), (:'a_key' || ' '), (lower(:'a_key'))) AS s (k), apikeys.identify_key(k);
SELECT count(*) FROM apikeys.regenerate_key(:'b_id');
SELECT name FROM apikeys.identify_key(:'b_old');
SELECT name FROM apikeys.identify_key(:'b_key');
SELECT count(*) FROM apikeys.update_key(:'a_id', expires_at => now());
SELECT name, state FROM apikeys.identify_key(:'a_key');
-- where a set is not expected
SELECT (SELECT name FROM apikeys.identify_key(:'a_key')), (SELECT name FROM apikeys.identify_key('x'));
SELECT (apikeys.identify_key(:'a_key')).name;

-- looking writes nothing, and works READ ONLY and in any isolation
SELECT count(*) > 0 AS told FROM pg_temp.entries();
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT name FROM apikeys.identify_key(:'a_key');
SELECT name FROM apikeys.key_details(:'a_id');
SELECT apikeys.key_id('Alpha', 'default') = :'a_id' AS a;
SELECT name FROM apikeys.active_keys ORDER BY name COLLATE "C";
COMMIT;
SELECT * FROM pg_temp.entries();

-- Full and Partial are computed: of active and archived keys, as APIs come and go
SELECT * FROM (SELECT name, state, access FROM apikeys.active_keys UNION ALL SELECT name, state, access FROM apikeys.archived_keys) AS k ORDER BY name COLLATE "C";
SELECT apikeys.register_api('billing');
SELECT name, access, (apikeys.key_details(key_id)).access FROM apikeys.active_keys ORDER BY name COLLATE "C";
SELECT access FROM apikeys.create_key('Full', '{data,segmentation,push,billing}');
SELECT access FROM apikeys.update_key(apikeys.key_id('Full'), apis => '{data,segmentation,push}');
SELECT access FROM apikeys.regenerate_key(apikeys.key_id('Full'));
SELECT apikeys.unregister_api('billing');
SELECT name, access FROM apikeys.active_keys ORDER BY name COLLATE "C";
SELECT access FROM apikeys.regenerate_key(apikeys.key_id('Full'));

SELECT pg_temp.wrong();
