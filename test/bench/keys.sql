-- Load :keys keys, straight into the table, and beside them the table that one would write without the extension.
--
-- The rows are what create_key() would leave, but for the log: triggers are off (session_replication_role), so that
-- there are no entries and row_digest is not the right one, which validation does not read. The indexes are built after
-- the rows. One key in twenty has an old secret, half of them expire some day, one in ten has metadata.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET session_replication_role = replica;
SET maintenance_work_mem = '1GB';
SET synchronous_commit = off;

INSERT INTO apikeys.workspace (workspace, created_at, created_by, audit_id, row_digest)
SELECT 'w' || i, now(), 'bench', 0, '' FROM generate_series(1, least(1000, :keys / 100 + 1)) i;

UPDATE pg_index SET indisready = false WHERE indrelid = 'apikeys.key'::regclass;
-- three keys more, one without limits, one with a rate limit, one with a quota, which none of them reaches
CREATE TABLE bench.hot AS SELECT limits, bench.make(:keys + n) AS secret FROM (VALUES (1, 'none'), (2, 'rate limit'), (3, 'quota')) AS h (n, limits);
INSERT INTO apikeys.key (key_id, audit_id, key_hash, workspace, name, apis, team, expires_at, old_key_hash,
	old_valid_until, rate_limit, rate_window, quota, quota_period, metadata, hint, name_folded, created_at, created_by, row_digest)
SELECT gen_random_uuid(), i, sha256(secret::bytea), 'w' || i % least(1000, :keys / 100 + 1) + 1, 'Key ' || i,
	CASE WHEN i % 3 = 0 THEN '{data,segmentation,push}'::text[] ELSE '{data,push}' END, 'Team ' || i % 20,
	CASE WHEN i % 2 = 0 THEN '2100-01-01'::timestamptz END,
	CASE WHEN i % 20 = 0 THEN sha256(('old' || secret)::bytea) END,
	CASE WHEN i % 20 = 0 THEN '2020-01-01'::timestamptz END,
	CASE WHEN i = :keys + 2 THEN 1000000000 END, CASE WHEN i = :keys + 2 THEN interval '1 minute' END,
	CASE WHEN i = :keys + 3 THEN 1000000000000 END, CASE WHEN i = :keys + 3 THEN 'total' END,
	CASE WHEN i % 10 = 0 THEN jsonb_build_object('contract', i) END,
	'ak...' || right(secret, 4), convert_to('key ' || i, 'UTF8'), '2020-01-01'::timestamptz + i * interval '1 second', 'bench', sha256(secret::bytea)
FROM (SELECT i, bench.make(i) AS secret FROM generate_series(1::bigint, :keys + 3) i) AS made;
UPDATE pg_index SET indisready = true WHERE indrelid = 'apikeys.key'::regclass;
REINDEX TABLE apikeys.key;

CREATE SCHEMA plain;
CREATE TABLE plain.key (
	id			uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
	key_hash	bytea NOT NULL,
	name		text NOT NULL,
	apis		text[] NOT NULL,
	expires_at	timestamptz,
	archived_at	timestamptz
);
INSERT INTO plain.key SELECT key_id, key_hash, name, apis, expires_at, archived_at FROM apikeys.key;
CREATE UNIQUE INDEX ON plain.key (key_hash);

-- The keys that the requests come with: 10,000 of them at most, all over the table, in random order.
CREATE TABLE bench.sample AS
SELECT (row_number() OVER () - 1)::integer AS n, secret, secret::bytea AS secret_bytes, 'Bearer ' || secret AS header,
	left(secret, -1) || CASE right(secret, 1) WHEN 'x' THEN 'y' ELSE 'x' END AS misspelt, bench.make(-i) AS unknown
FROM (
	SELECT i % :keys + 1 AS i, bench.make(i % :keys + 1) AS secret
	FROM (SELECT n * (:keys::bigint / least(:keys, 10000)) AS i FROM generate_series(1, 10000) n) AS spread
	ORDER BY hashint8(i)
) AS sampled;

-- Keys that a backend has not met before: ten batches, all over the table and in random order; small ones, so that with the
-- sample they do not fill the memory for usage.
SELECT greatest(1, least(500, :keys / 10)) AS batch_size \gset
CREATE SEQUENCE bench.batch MINVALUE 0 MAXVALUE 9 CYCLE;
CREATE TABLE bench.unmet AS
SELECT n / :batch_size AS batch, secret FROM (
	SELECT row_number() OVER (ORDER BY hashint8(i)) - 1 AS n, bench.make(i) AS secret
	FROM (SELECT n * (:keys::bigint / (10 * :batch_size)) AS i FROM generate_series(1, 10 * :batch_size) n) AS spread
) AS made ORDER BY n;
CREATE INDEX ON bench.unmet (batch);

-- Keys that no backend has met since the server started: each batch serves once. Only where nothing else asks for each of the keys.
CREATE SEQUENCE bench.strange_batch MINVALUE 0;
CREATE TABLE bench.strange AS
SELECT (row_number() OVER (ORDER BY hashint8(i)) - 1) / :batch_size AS batch, bench.make(i) AS secret
FROM (SELECT n * 20 + 7 AS i FROM generate_series(1::bigint, CASE WHEN :keys > 100000 THEN :keys / 21 END) n) AS spread;
CREATE INDEX ON bench.strange (batch);

-- Each of the keys once, or 100,000 of them, in random order.
CREATE TABLE bench.spread AS
SELECT secret, secret::bytea AS secret_bytes FROM (SELECT i, bench.make(i) AS secret FROM generate_series(1, least(:keys, 100000)) i) AS made ORDER BY hashint8(i);

CREATE FUNCTION bench.by_sql(secret bytea) RETURNS text LANGUAGE sql STABLE AS
'SELECT name FROM plain.key WHERE key_hash = sha256(secret) LIMIT 1';
CREATE FUNCTION bench.by_plpgsql(secret bytea) RETURNS text LANGUAGE plpgsql STABLE AS
'BEGIN RETURN (SELECT name FROM plain.key WHERE key_hash = sha256(secret)); END';
CREATE FUNCTION bench.by_spi(secret bytea) RETURNS text LANGUAGE C STABLE AS 'apikeys_bench', 'bench_by_spi';

SET session_replication_role = origin;
SELECT apikeys.grant_access(role, 'validate') FROM unnest('{bench_app,bench_single}'::name[]) AS r (role) \g /dev/null
SELECT count(apikeys.grant_access('bench_team', 'validate', workspace)) FROM apikeys.workspace \g /dev/null
GRANT USAGE ON SCHEMA bench, plain TO bench_app, bench_single, bench_scoped;
GRANT SELECT ON ALL TABLES IN SCHEMA bench, plain TO bench_app, bench_single, bench_scoped;
GRANT USAGE ON SEQUENCE bench.batch, bench.strange_batch TO bench_app;
GRANT INSERT, TRUNCATE ON bench.timing TO bench_app, bench_scoped;
GRANT USAGE ON SCHEMA apikeys_internal TO bench_app;
GRANT EXECUTE ON FUNCTION apikeys_internal.sees_everywhere TO bench_app;
SELECT current_setting('server_version_num')::integer >= 150000 AS may_grant_set \gset
\if :may_grant_set
GRANT SET ON PARAMETER apikeys.track_usage TO bench_app;
\endif

-- The first arm to look at the keys brings them into the processor's caches for those behind it: what is compared with
-- validate_key in another setting is compared with "counted", the same again.
INSERT INTO bench.arm (kind, calls, arm, query, setting, value)
SELECT 'keys', 10000, arm, 'SELECT count(' || call || ') FROM bench.sample', setting, value
FROM (VALUES
	('constant', 'bench.constant(secret)', NULL, NULL),
	('sha256', 'sha256(secret_bytes)', NULL, NULL),
	('validate_key', $$apikeys.validate_key(secret, 'data')$$, NULL, NULL),
	('scoped', $$apikeys.validate_key(secret, 'data')$$, 'role', 'bench_scoped'),
	('counted', $$apikeys.validate_key(secret, 'data')$$, NULL, NULL),
	('uncounted', $$apikeys.validate_key(secret, 'data')$$, 'apikeys.track_usage', 'off'),
	('misspelt', $$apikeys.validate_key(misspelt, 'data')$$, NULL, NULL),
	('unknown', $$apikeys.validate_key(unknown, 'data')$$, NULL, NULL),
	('authenticate', $$apikeys.authenticate(header, 'data')$$, NULL, NULL),
	('C, SPI', 'bench.by_spi(secret_bytes)', NULL, NULL),
	('PL/pgSQL', 'bench.by_plpgsql(secret_bytes)', NULL, NULL),
	('SQL function', 'bench.by_sql(secret_bytes)', NULL, NULL)
) AS a (arm, call, setting, value)
WHERE a.setting IS NULL OR a.setting = 'role' OR :'may_grant_set';

INSERT INTO bench.arm (kind, calls, arm, query, setting, value)
SELECT 'spread', least(:keys, 100000), arm, 'SELECT count(' || call || ') FROM bench.spread', setting, value
FROM (VALUES
	('constant', 'bench.constant(secret)', NULL, NULL),
	('sha256', 'sha256(secret_bytes)', NULL, NULL),
	('counted', $$apikeys.validate_key(secret, 'data')$$, NULL, NULL),
	('uncounted', $$apikeys.validate_key(secret, 'data')$$, 'apikeys.track_usage', 'off')
) AS a (arm, call, setting, value)
WHERE a.setting IS NULL OR :'may_grant_set';

-- One hot key, again and again.
INSERT INTO bench.arm (kind, calls, arm, query)
SELECT 'keys', 10000, 'hot, ' || limits, format($$SELECT count(apikeys.validate_key(secret, 'data')) FROM bench.hot, generate_series(1, 10000) WHERE limits = %L$$, limits) FROM bench.hot;

-- What the access check costs. Nothing in SQL is that check and no more: sees_everywhere() asks the same question in the
-- same place, and reads its argument and the setting apikeys.workspace on top, so that the check costs less than it.
INSERT INTO bench.arm (kind, calls, arm, query)
SELECT 'keys', 100000, arm, 'SELECT count(' || call || ') FROM generate_series(1, 100000)'
FROM (VALUES
	('no access check', $$bench.constant('validate')$$),
	('access check', $$apikeys_internal.sees_everywhere('validate')$$)
) AS a (arm, call);

INSERT INTO bench.arm (kind, calls, arm, query) VALUES
	('unmet', :batch_size, 'constant', 'SELECT count(bench.constant(secret)) FROM bench.unmet WHERE batch = 0'),
	('unmet', :batch_size, 'validate_key', $$SELECT count(apikeys.validate_key(secret, 'data')) FROM bench.unmet
		WHERE batch = (SELECT nextval('bench.batch'))$$);
INSERT INTO bench.arm (kind, calls, arm, query)
SELECT 'unmet', :batch_size, 'met by none', $$SELECT count(apikeys.validate_key(secret, 'data')) FROM bench.strange
	WHERE batch = (SELECT nextval('bench.strange_batch'))$$ WHERE :keys > 100000;

VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
-- What is measured is what we think it is.
DO $$
BEGIN
	IF EXISTS (SELECT FROM (SELECT secret FROM bench.sample UNION ALL SELECT secret FROM bench.unmet UNION ALL SELECT secret FROM bench.hot) AS s, LATERAL apikeys.validate_key(secret, 'data') AS v WHERE v.code <> 'VALID') THEN
		RAISE EXCEPTION 'a secret of the sample is not valid';
	END IF;
END $$;
