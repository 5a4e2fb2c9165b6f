-- Rows as PostgreSQL stores them: compressed in the row, or moved out of it, as the owner sets it. No result depends on that.
\set ECHO none
\i test/lib/regress.sql
-- PostgreSQL 19 takes lz4 unless it is told otherwise
SET default_toast_compression = pglz;

-- A workspace of 33 times the same letter beside 1.8 kB that do not compress: then it is what is compressed.
SELECT repeat('a', 33) AS ws, jsonb_build_object('noise', string_agg(md5(i::text), '')) AS noise FROM generate_series(1, 56) AS i \gset
CREATE FUNCTION pg_temp.stored(OUT workspace text, OUT name text, OUT apis text, OUT metadata text) RETURNS SETOF record LANGUAGE sql AS
$$
	SELECT coalesce(pg_column_compression(k.workspace), CASE WHEN pg_column_size(k.workspace) = 18 THEN 'external' ELSE 'plain' END),
		coalesce(pg_column_compression(k.name), 'plain'), coalesce(pg_column_compression(k.apis), 'plain'),
		coalesce(pg_column_compression(k.metadata), 'plain')
	FROM apikeys.key k WHERE archived_at IS NULL
$$;
CREATE ROLE storage_gateway;

SELECT apikeys.create_workspace(:'ws');
SELECT apikeys.register_api(repeat('b', 99) || i) FROM generate_series(1, 2) AS i;
SELECT apikeys.grant_access('storage_gateway', 'validate', :'ws');
SELECT key AS secret, key_id FROM apikeys.create_key(repeat('n', 100), ARRAY['data', repeat('b', 99) || '1'], :'ws', team => repeat('t', 100),
	allowed_cidrs => ARRAY['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'], rate_limit => 100, metadata => :'noise') \gset
SELECT * FROM pg_temp.stored();

-- What one request and the same again, which remembers the place, say of it; as the owner, and as who sees this workspace alone.
PREPARE verdict AS
SELECT v.code, v.workspace = $2 AS workspace, length(v.name) AS name, length(v.team) AS team, length(v.apis::text) AS apis, length(v.metadata::text) AS metadata,
	(apikeys.authenticate('Bearer ' || $1)).code AS bearer, (apikeys.authenticate('Basic ' || translate(encode(convert_to($2 || ':' || $1, 'UTF8'), 'base64'), E'\n', ''), 'data', '192.0.2.9')).code AS elsewhere
FROM apikeys.validate_key($1, 'data', '192.0.2.3', $2) AS v;
EXECUTE verdict (:'secret', :'ws');
EXECUTE verdict (:'secret', :'ws');
SET ROLE storage_gateway;
EXECUTE verdict (:'secret', :'ws');
SET apikeys.workspace = :'ws';
EXECUTE verdict (:'secret', :'ws');
RESET apikeys.workspace;
RESET ROLE;
SELECT apikeys.flush_usage() >= 0 AS flushed;
SELECT DISTINCT workspace = :'ws' AS workspace, workspace ~ '^a+$' AS letters FROM apikeys_internal.usage;
SELECT api, valid, denied FROM apikeys.key_usage WHERE key_id = :'key_id';

-- However the owner has them stored.
CREATE FUNCTION pg_temp.store(storage text) RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
	EXECUTE (SELECT format('ALTER TABLE apikeys.key %s', string_agg(format('ALTER COLUMN %I SET STORAGE %s', attname, storage), ', '))
		FROM pg_attribute WHERE attrelid = 'apikeys.key'::regclass AND attnum > 0 AND attlen = -1);
END
$$;
ALTER TABLE apikeys.key SET (toast_tuple_target = 128);
SELECT pg_temp.store('EXTERNAL');
SELECT name = repeat('n', 100) AS named FROM apikeys.update_key(:'key_id', rate_limit => 200);
SELECT team = repeat('u', 100) AS moved FROM apikeys.update_key(:'key_id', team => repeat('u', 100));
SELECT key AS secret FROM apikeys.regenerate_key(:'key_id') \gset
-- one that is moved out whole: the hash, the name, the workspace
SELECT pg_column_size(key_hash) AS key_hash, pg_column_size(name) AS name, pg_column_size(workspace) AS workspace FROM apikeys.key;
EXECUTE verdict (:'secret', :'ws');
EXECUTE verdict (:'secret', :'ws');
SET ROLE storage_gateway;
EXECUTE verdict (:'secret', :'ws');
RESET ROLE;
SELECT pg_temp.store('MAIN');
SELECT team = repeat('v', 100) AS moved FROM apikeys.update_key(:'key_id', team => repeat('v', 100));
SELECT * FROM pg_temp.stored();
EXECUTE verdict (:'secret', :'ws');
EXECUTE verdict (:'secret', :'ws');

-- A hash that compresses, present and old.
SELECT pg_temp.store('EXTENDED');
SELECT name FROM apikeys.import_key('zeros', '{data}', decode(repeat('00', 32), 'hex'), metadata => :'noise'::jsonb || jsonb_build_object('more', :'noise'::jsonb));
SELECT pg_column_compression(key_hash) FROM apikeys.key WHERE name = 'zeros';
SELECT * FROM pg_temp.refused(format('SELECT apikeys.import_key(''again'', ''{data}'', decode(repeat(''00'', 32), ''hex''), metadata => %L)', :'noise'));
SELECT name FROM apikeys.regenerate_key(apikeys.key_id('zeros', 'default'), '1 hour');
SELECT pg_column_compression(old_key_hash) FROM apikeys.key WHERE name = 'zeros';
SELECT * FROM pg_temp.refused(format('SELECT apikeys.import_key(''again'', ''{data}'', decode(repeat(''00'', 32), ''hex''), metadata => %L)', :'noise'));

-- An old secret, an archived key, and whose secret it is.
SELECT key AS later FROM apikeys.regenerate_key(:'key_id', '1 hour') \gset
EXECUTE verdict (:'secret', :'ws');
EXECUTE verdict (:'later', :'ws');
SELECT length(name) AS name, workspace = :'ws' AS workspace FROM apikeys.identify_key(:'secret');
SELECT state, length(metadata::text) AS metadata FROM apikeys.archive_key(:'key_id');
EXECUTE verdict (:'later', :'ws');
SELECT count(*) AS archived FROM apikeys.archived_keys WHERE workspace = :'ws';
SELECT length(activity) > 100 AS told FROM apikeys.search_audit_logs(workspace => :'ws', max_rows => 1);
SELECT * FROM pg_temp.wrong();

DROP OWNED BY storage_gateway;
DROP ROLE storage_gateway;
