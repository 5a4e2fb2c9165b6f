-- The text of a secret: <prefix>_<43 characters><6 characters>. The test has its own computation of the last six, the checksum.
\set ECHO none
\i test/lib/regress.sql

-- CRC-32 (IEEE 802.3) of a text in base 62, six digits 0-9A-Za-z
CREATE FUNCTION pg_temp.checksum(t text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
	digits constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
	bytes bytea := convert_to(t, 'UTF8');
	crc bigint := 4294967295;
	result text := '';
BEGIN
	FOR i IN 0 .. length(bytes) - 1 LOOP
		crc := crc # get_byte(bytes, i);
		FOR j IN 1 .. 8 LOOP
			crc := CASE WHEN crc & 1 = 1 THEN (crc >> 1) # 3988292384 ELSE crc >> 1 END;
		END LOOP;
	END LOOP;
	crc := crc # 4294967295;
	FOR i IN 1 .. 6 LOOP
		result := substr(digits, (crc % 62)::int + 1, 1) || result;
		crc := crc / 62;
	END LOOP;
	RETURN result;
END
$$;
-- the vector, and what is known of CRC-32
SELECT pg_temp.checksum('ak_' || repeat('0', 43));
SELECT pg_temp.checksum('123456789'), pg_temp.checksum('');
SELECT code FROM apikeys.validate_key('ak_' || repeat('0', 43) || '2PL60u');

SELECT apikeys.create_workspace('w' || n, prefix => p) FROM unnest(ARRAY['a', 'ak_live', 'x9_y_z', repeat('p', 20)]) WITH ORDINALITY AS u (p, n) \g /dev/null
CREATE TEMPORARY TABLE secrets AS
	SELECT w.prefix, k.key, k.key_id FROM apikeys.workspace w, generate_series(1, 100) AS i, apikeys.create_key('k' || i, '{data}', w.workspace) AS k;
SELECT prefix, count(*), bool_and(key ~ ('^' || prefix || '_[0-9A-Za-z]{49}$')) AS shape,
	bool_and(right(key, 6) = pg_temp.checksum(left(key, -6))) AS checksum, bool_and(length(key) = length(prefix) + 50) AS length
FROM secrets GROUP BY prefix ORDER BY prefix;
SELECT count(DISTINCT key) FROM secrets;
SELECT DISTINCT code FROM secrets, apikeys.validate_key(key);
-- of a regenerated key, too
SELECT DISTINCT r.key ~ ('^' || s.prefix || '_[0-9A-Za-z]{49}$') AND right(r.key, 6) = pg_temp.checksum(left(r.key, -6)) AS right FROM secrets s, apikeys.regenerate_key(s.key_id) AS r;
-- every digit comes in the 43, and none far too often: 500 secrets hold each about 347 times (within eight standard deviations)
SELECT count(DISTINCT c), min(n) > 197 AS often_enough, max(n) < 497 AS not_too_often FROM (
	SELECT c, count(*) AS n FROM secrets, regexp_split_to_table(substr(key, length(prefix) + 2, 43), '') AS c GROUP BY c) AS s;
-- and in each place
SELECT count(*) FROM (SELECT i FROM secrets, generate_series(1, 43) AS i GROUP BY i HAVING count(DISTINCT substr(key, length(prefix) + 1 + i, 1)) < 50) AS s;

-- our shape with the right checksum is looked up, with any other it is malformed; what is not our shape is foreign
CREATE FUNCTION pg_temp.code(t text) RETURNS text LANGUAGE sql AS $$ SELECT code FROM apikeys.validate_key(t) $$;
SELECT p, pg_temp.code(p || '_' || repeat('z', 43) || pg_temp.checksum(p || '_' || repeat('z', 43))) AS right,
	pg_temp.code(p || '_' || repeat('z', 49)) AS wrong FROM unnest(ARRAY['a', 'ak', 'ak_live', repeat('p', 20), repeat('p', 21), 'A', '1', '', 'a__b', 'a-b']) WITH ORDINALITY AS u (p, n) ORDER BY n;
SELECT pg_temp.code('ak_' || repeat('z', 42) || pg_temp.checksum('ak_' || repeat('z', 42))) AS too_short, pg_temp.code('ak_' || repeat('z', 44) || pg_temp.checksum('ak_' || repeat('z', 44))) AS too_long,
	pg_temp.code('ak_' || repeat('z', 42) || '-' || repeat('z', 6)) AS no_digit, pg_temp.code('ak-' || repeat('z', 49)) AS no_underscore;
-- a prefix that ends otherwise is part of the checksum
SELECT pg_temp.code('bk' || substr(key, 3)) AS other_prefix FROM secrets WHERE prefix = 'ak' LIMIT 1;

-- the hint: prefix, ellipsis, the last four
SELECT count(*) FROM apikeys.active_keys a, LATERAL (SELECT key FROM apikeys.regenerate_key(a.key_id) LIMIT 1) AS r WHERE a.name = 'k1' AND (SELECT hint FROM apikeys.key_details(a.key_id)) <> split_part(a.hint, '...', 1) || '...' || right(r.key, 4);
