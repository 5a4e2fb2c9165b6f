-- import_key: keys issued elsewhere are adopted by their SHA-256.
\set ECHO none
\i test/lib/regress.sql

SELECT code FROM apikeys.validate_key('sk_live_51H_legacy', 'data');
SELECT workspace, name, state, apis, access, team, hint, expires_at, allowed_cidrs, rate_limit, rate_window, metadata, created_by = session_user AS by_me
FROM apikeys.import_key('Legacy', '{push,data}', sha256('sk_live_51H_legacy'), 'sk_live…gacy') \gx
SELECT code, name FROM apikeys.validate_key('sk_live_51H_legacy', 'data');
SELECT * FROM pg_temp.entries() \gx

-- everything that create_key takes
SELECT apikeys.create_workspace('acme', prefix => 'acme');
SELECT workspace, name, team, owner, hint, expires_at, allowed_cidrs, rate_limit, rate_window, quota, quota_period, metadata
FROM apikeys.import_key(' All of it ', '{data}', sha256('second'), NULL, 'acme', 'Team', 'customer 7', '2999-01-01 00:00+00', '{192.0.2.99/24}', 5, '1 hour', 7, 'day', '{"a": 1}') \gx
SELECT code FROM apikeys.validate_key('second', 'data', '192.0.2.1', 'acme');
SELECT code FROM apikeys.validate_key('second', 'data', '192.0.3.1', 'acme');

-- regenerated, it gets a secret of ours, with the workspace's prefix; the foreign one is the old one
SELECT key ~ '^acme_[0-9A-Za-z]{49}$' AS ours FROM apikeys.regenerate_key(apikeys.key_id('All of it'), '1 hour');
SELECT code, old_valid_until > now() AS old FROM apikeys.validate_key('second', 'data', '192.0.2.1');
SELECT hint ~ '^acme[.]{3}.{4}$' AS ours FROM apikeys.key_details(apikeys.key_id('All of it'));

-- a hash stands once, present or old, in whatever workspace and state; the message shows no hash and does not say whose
SELECT key AS mine, key_id FROM apikeys.create_key('Mine', '{data}') \gset
SELECT count(*) FROM pg_temp.entries();
SELECT pg_temp.refused($$SELECT apikeys.import_key('again', '{data}', sha256('sk_live_51H_legacy'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('again', '{data}', sha256('sk_live_51H_legacy'), workspace => 'acme')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('again', '{data}', sha256('second'))$$);
SELECT pg_temp.refused(format('SELECT apikeys.import_key(%L, %L, sha256(%L))', 'again', '{data}', :'mine'));
SELECT count(*) FROM apikeys.regenerate_key(:'key_id');
SELECT pg_temp.refused(format('SELECT apikeys.import_key(%L, %L, sha256(%L))', 'again', '{data}', :'mine'));
SELECT (apikeys.archive_key(:'key_id')).state;
SELECT pg_temp.refused(format('SELECT apikeys.import_key(%L, %L, sha256(%L))', 'again', '{data}', :'mine'));
-- what is two regenerations ago is nobody's
SELECT key_id AS third_id, key AS third FROM apikeys.create_key('Third', '{data}') \gset
SELECT count(*) FROM apikeys.regenerate_key(:'third_id');
SELECT count(*) FROM apikeys.regenerate_key(:'third_id');
SELECT code FROM apikeys.validate_key(:'third');
SELECT name FROM apikeys.import_key('Adopted', '{data}', sha256(:'third'));
SELECT code, name FROM apikeys.validate_key(:'third');

-- mistakes
SELECT count(*) FROM pg_temp.entries();
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', '')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', 'the key itself')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', convert_to(encode(sha256('bad'), 'hex'), 'UTF8'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', substr(sha256('bad'), 2))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha512('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key(NULL, '{data}', sha256('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('', '{data}', sha256('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('legacy', '{data}', sha256('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{}', sha256('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{none}', sha256('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), workspace => 'nowhere')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), expires_at => now())$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), allowed_cidrs => '{x}')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), rate_window => '1 day')$$);

-- the hint: at most 32 characters, and never the secret
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), 'bad')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), repeat('x', 33))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), '')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), E'a\nb')$$);
SELECT length(hint), octet_length(hint) FROM apikeys.import_key('Hint', '{data}', sha256('hinted'), repeat('…', 32));
SELECT pg_temp.refused($$UPDATE apikeys.key SET hint = 'hinted' WHERE name = 'Hint'$$);

-- as others store them: hexadecimal; Unkey; better-auth
SELECT name, is_it FROM (VALUES
	('Hex', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'hex'),
	('Unkey', 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=', 'base64')) AS v (name, hash, encoding),
	pg_catalog.decode(hash, encoding) AS decoded, LATERAL (SELECT decoded = sha256('abc') AS is_it) AS c;
SELECT pg_catalog.decode(pg_catalog.translate('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0', '-_', '+/') || '=', 'base64') = sha256('abc') AS better_auth;

-- a foreign key of our exact shape fails the checksum: adopted, it would never be valid
SELECT name FROM apikeys.import_key('Shape', '{data}', sha256(convert_to('ak_' || repeat('x', 49), 'UTF8')));
SELECT code FROM apikeys.validate_key('ak_' || repeat('x', 49));

-- any printable text is a key
SELECT name FROM apikeys.import_key('Odd', '{data}', sha256(' !"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~'));
SELECT code, name FROM apikeys.validate_key(E' !"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~');
SELECT name FROM apikeys.import_key('Long', '{data}', sha256(convert_to(repeat('x', 512), 'UTF8')));
SELECT code, name FROM apikeys.validate_key(repeat('x', 512));

SELECT action, activity FROM pg_temp.entries();

-- Chosen hashes slow nobody down. These are all one to the function by which PostgreSQL's hash indexes find: it mixes 12 bytes,
-- then adds 12 more to what came out, and the second 12 can make up for whatever the first are.
CREATE FUNCTION pg_temp.words(hash bytea) RETURNS bigint[] LANGUAGE sql AS
$$
	SELECT array_agg(get_byte(hash, i) + get_byte(hash, i + 1) * 256 + get_byte(hash, i + 2) * 65536 + get_byte(hash, i + 3) * 16777216::bigint)
	FROM generate_series(0, 28, 4) i
$$;
CREATE FUNCTION pg_temp.mixed(words bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS
$$
DECLARE
	s bigint[];		-- 2654435769 + 32 + 3923095
	x int; y int; z int; bits int;
BEGIN
	FOR i IN 1..3 LOOP s[i] := (2658358896 + words[i]) & 4294967295; END LOOP;
	FOR i IN 0..5 LOOP
		x := i % 3 + 1; y := (i + 1) % 3 + 1; z := (i + 2) % 3 + 1; bits := ('{4,6,8,16,19,4}'::int[])[i + 1];
		s[x] := ((s[x] - s[z]) & 4294967295) # (((s[z] << bits) | (s[z] >> (32 - bits))) & 4294967295);
		s[z] := (s[z] + s[y]) & 4294967295;
	END LOOP;
	RETURN s;
END
$$;
CREATE FUNCTION pg_temp.chosen(hash bytea, n bigint) RETURNS bytea LANGUAGE plpgsql AS
$$
DECLARE
	w bigint[] := pg_temp.words(hash);
	was bigint[] := pg_temp.mixed(w);
	is_now bigint[];
	result bytea := '';
BEGIN
	w[1] := n;
	is_now := pg_temp.mixed(w);
	FOR i IN 1..3 LOOP w[3 + i] := (w[3 + i] + was[i] - is_now[i]) & 4294967295; END LOOP;
	FOR i IN 1..8 LOOP
		FOR byte IN 0..3 LOOP result := result || set_byte('\x00', 0, (w[i] >> 8 * byte & 255)::int); END LOOP;
	END LOOP;
	RETURN result;
END
$$;
-- that they are: all in one bucket, or else this test shows nothing
CREATE TEMPORARY TABLE hashes (hash bytea);
INSERT INTO hashes SELECT pg_temp.chosen(sha256('of nobody'), n) FROM generate_series(1, 1000) n;
SELECT count(DISTINCT hash) FROM hashes;
CREATE INDEX ON hashes USING hash (hash);
CREATE FUNCTION pg_temp.explain(statement text) RETURNS json LANGUAGE plpgsql AS
$$
DECLARE
	plan json;
BEGIN
	EXECUTE statement;
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || statement INTO plan;
	RETURN plan->0->'Plan';
END
$$;
CREATE FUNCTION pg_temp.pages(statement text) RETURNS integer LANGUAGE sql AS
$$
	SELECT (plan->>'Shared Hit Blocks')::integer + (plan->>'Shared Read Blocks')::integer FROM pg_temp.explain(statement) AS plan
$$;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT pg_temp.explain($$SELECT FROM hashes WHERE hash = sha256('of nobody')$$)->>'Rows Removed by Index Recheck' AS by_a_hash_index;
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT count(key_id) FROM (SELECT row_number() OVER () AS n, hash FROM hashes) AS h, LATERAL apikeys.import_key('Chosen ' || n, '{data}', hash);
SELECT code FROM apikeys.validate_key('of nobody');
SELECT pg_temp.pages($$SELECT apikeys.validate_key('of nobody')$$) < 20 AS by_ours;
-- old ones, too
UPDATE apikeys.key SET key_hash = sha256(key_hash) WHERE name LIKE 'Chosen%';
SELECT count(*) FROM apikeys.key JOIN hashes ON old_key_hash = hash;
SELECT pg_temp.pages($$SELECT apikeys.validate_key('of nobody')$$) < 20 AS by_ours;

SELECT pg_temp.wrong();
