-- Hashes that an attacker chose against as many random ones: a table with :keys random hashes to begin with, then that many again,
-- random or (:chosen) such that a hash index would take them all for that of one secret, which is nobody's.
--
-- They are loaded as keys.sql does it, not by import_key(), which would make the same rows.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET session_replication_role = replica;
SET maintenance_work_mem = '1GB';
SET synchronous_commit = off;
CREATE FUNCTION bench.load(n integer, what text, hash bytea) RETURNS void LANGUAGE sql AS $$
	INSERT INTO apikeys.key (key_id, audit_id, key_hash, workspace, name, name_folded, apis, created_at, created_by, row_digest)
	VALUES (gen_random_uuid(), n, hash, 'default', what || n, convert_to(lower(what || n), 'UTF8'), '{data,push}', '2020-01-01'::timestamptz + n * interval '1 second', 'bench', hash)
$$;
SELECT count(bench.load(i, 'Random ', sha256(bench.make(i)::bytea))) FROM generate_series(1, :keys) i \g /dev/null
SELECT count(bench.load(i, 'More ', CASE WHEN :chosen THEN bench.chosen(sha256('nobody'), i) ELSE sha256(bench.make(-i)::bytea) END)) FROM generate_series(1, :keys) i \g /dev/null

-- the attacker's request, ours, and one that comes with the secret of a random key
CREATE TABLE bench.sample AS SELECT i::integer AS n, bench.make(1 + i * (:keys / 1000)) AS secret FROM generate_series(0, 999) i ORDER BY hashint4(i);
INSERT INTO bench.arm (kind, calls, arm, query)
SELECT 'chosen', calls, arm, 'SELECT count(' || call || ') FROM bench.sample WHERE n < ' || calls
FROM (VALUES
	(1000, 'constant', 'bench.constant(secret)'),
	(20, 'attacker''s', $$apikeys.validate_key('nobody' || left(secret, 0), 'data')$$),
	(1000, 'another''s', $$apikeys.validate_key(secret, 'data')$$)
) AS a (calls, arm, call);
SET session_replication_role = origin;
VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
