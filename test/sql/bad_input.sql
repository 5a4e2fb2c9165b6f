-- Bad input, generated from the catalog: every function with NULL for each argument, and with hostile values for each type.
-- Validation answers; all else is refused with an SQLSTATE that callers may rely on and the name of the argument; and nothing
-- changes without an entry.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = error;

SELECT key_id AS key_id, key FROM apikeys.create_key('Key', '{data}') \gset
CREATE TEMPORARY TABLE hostile (type regtype, value text);
INSERT INTO hostile VALUES
	('text', 'NULL'), ('text', $$''$$), ('text', $$' '$$), ('text', $$'default'$$), ('text', $$'Key'$$), ('text', $$'data'$$), ('text', $$repeat('x', 200)$$),
	('text', $$repeat('é', 100000)$$), ('text', $$E'\x01'$$), ('text', $$''';--'$$), ('text', $$'%s%n%d'$$), ('text', $$'{}'$$), ('text', $$'a b c'$$), ('text', $$'Basic ='$$), ('text', $$'Bearer x'$$),
	('text[]', 'NULL'), ('text[]', $$'{}'$$), ('text[]', $$'{NULL}'$$), ('text[]', $$'{{a},{b}}'$$), ('text[]', $$'[5:6]={data,push}'$$), ('text[]', $$ARRAY['']$$), ('text[]', $$'{data}'$$),
	('text[]', $$array_fill('x'::text, ARRAY[10000])$$), ('text[]', $$'{192.0.2.1/24}'$$),
	('uuid', 'NULL'), ('uuid', $$'00000000-0000-0000-0000-000000000000'$$), ('uuid', $$'ffffffff-ffff-ffff-ffff-ffffffffffff'$$), ('uuid', format('%L', :'key_id')),
	('timestamptz', 'NULL'), ('timestamptz', $$'infinity'$$), ('timestamptz', $$'-infinity'$$), ('timestamptz', $$'294276-12-31 23:59:59+00'$$), ('timestamptz', $$'4713-01-01 00:00+00 BC'$$),
	('integer', 'NULL'), ('integer', '0'), ('integer', '-1'), ('integer', '2147483647'), ('integer', '''-2147483648'''),
	('bigint', 'NULL'), ('bigint', '0'), ('bigint', '-1'), ('bigint', '9223372036854775807'), ('bigint', '''-9223372036854775808'''),
	('interval', 'NULL'), ('interval', $$'0'$$), ('interval', $$'-1 day'$$), ('interval', $$'178000000 years'$$), ('interval', $$'1 day -1000 years'$$), ('interval', $$'-178000000 years'$$), ('interval', $$'2147483647 days'$$),
	('jsonb', 'NULL'), ('jsonb', $$'null'$$), ('jsonb', $$'[]'$$), ('jsonb', $$'{}'$$), ('jsonb', $$'"x"'$$), ('jsonb', $$'{"default": null}'$$), ('jsonb', $$'{"default": {"position": -1, "audit_id": "x", "link": "00"}}'$$),
	('jsonb', $$'{"default": {"position": 99999999999999999999, "audit_id": 1, "link": "zz"}}'$$), ('jsonb', $$('{"a": "' || repeat('x', 100000) || '"}')::jsonb$$), ('jsonb', $$(repeat('[', 1000) || repeat(']', 1000))::jsonb$$),
	('bytea', 'NULL'), ('bytea', $$''$$), ('bytea', $$'\x00'$$), ('bytea', $$sha256('x')$$), ('bytea', $$convert_to(repeat('x', 1000000), 'UTF8')$$),
	('name', 'NULL'), ('name', $$''$$), ('name', $$'public'$$), ('name', $$'regress_ak_nobody'$$), ('name', $$'none'$$),
	('apikeys.verdict', 'NULL'), ('apikeys.verdict', $$'(,,,,,,,,,,,,,,,,,,,)'$$), ('apikeys.verdict', $$'(t,"\r\n",-1,,,,,,,,,-1,-1,-1,-1,-1,-9223372036854775808,-1,-1,)'$$), ('apikeys.verdict', $$'(,X,429,,,,,,,,,2147483647,2147483647,,0,,9223372036854775807,9223372036854775807,,)'$$),
	('inet', 'NULL'), ('inet', $$'::1'$$), ('boolean', 'NULL');

-- what callers may rely on; 22007, 22008 and the like are refused by PostgreSQL before a function is called
CREATE TEMPORARY TABLE codes (code text);
INSERT INTO codes VALUES ('42704'), ('22023'), ('22004'), ('23505'), ('42710'), ('2BP01'), ('55000'), ('42501'), ('21000'), ('40001');

CREATE TEMPORARY TABLE functions AS
	SELECT p.oid, p.oid::regproc::text AS name, p.pronargs AS n, array(SELECT unnest(p.proargtypes)::regtype) AS types
	FROM pg_proc p WHERE p.pronamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND p.prorettype <> 'trigger'::regtype AND p.prokind <> 'p'
	AND 'internal'::regtype <> ALL (p.proargtypes::oid[]);
-- a type that this test has nothing hostile for
SELECT DISTINCT t::regtype AS "not here" FROM functions, unnest(types) AS t WHERE t NOT IN (SELECT type FROM hostile) ORDER BY 1;

-- a good value for each type, so that one bad value at a time is met, too
CREATE FUNCTION pg_temp.good(t regtype, key_id uuid) RETURNS text LANGUAGE sql AS
$$ SELECT CASE t WHEN 'text'::regtype THEN '''default''' WHEN 'text[]'::regtype THEN '''{data}''' WHEN 'uuid'::regtype THEN quote_literal(key_id) WHEN 'timestamptz'::regtype THEN '''infinity'''
	WHEN 'integer'::regtype THEN '5' WHEN 'bigint'::regtype THEN '5' WHEN 'interval'::regtype THEN '''1 hour''' WHEN 'bytea'::regtype THEN 'sha256(''y'')' WHEN 'name'::regtype THEN '''regress_ak_nobody'''
	ELSE 'NULL' END $$;
CREATE FUNCTION pg_temp.call(name text, args text[]) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
	statement text := format('SELECT count(*) FROM (SELECT * FROM %s(%s)) AS s', name, array_to_string(args, ', '));
	argument text;
BEGIN
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'AK000';	/* undone, so that calls do not depend on each other */
EXCEPTION
	WHEN sqlstate 'AK000' THEN
		RETURN 'ok';
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS argument = COLUMN_NAME;
		RETURN SQLSTATE || CASE WHEN octet_length(SQLERRM) > 1000 THEN ' LONG' ELSE '' END || '|' || argument;
END
$$;
CREATE TEMPORARY TABLE results (name text, args text, result text, argument text);
-- each argument in turn hostile, the others good
INSERT INTO results
SELECT f.name, format('%s: %s', i, h.value), pg_temp.call(f.name, array(SELECT CASE WHEN j = i THEN h.value WHEN f.name = 'apikeys.update_key' AND j = 10 THEN 'NULL' ELSE pg_temp.good(t, :'key_id') END || '::' || t FROM unnest(f.types) WITH ORDINALITY AS u (t, j) ORDER BY j))
FROM functions f, generate_series(1, f.n) AS i JOIN LATERAL (SELECT * FROM hostile h WHERE h.type = f.types[i]) AS h ON true;
-- each in turn hostile, the others NULL
INSERT INTO results
SELECT f.name, format('%s alone: %s', i, h.value), pg_temp.call(f.name, array(SELECT CASE WHEN j = i THEN h.value ELSE 'NULL' END || '::' || t FROM unnest(f.types) WITH ORDINALITY AS u (t, j) ORDER BY j))
FROM functions f, generate_series(1, f.n) AS i JOIN LATERAL (SELECT * FROM hostile h WHERE h.type = f.types[i]) AS h ON true WHERE f.n > 1;
-- all of them NULL, and the first good and the rest NULL
INSERT INTO results SELECT f.name, 'all NULL', pg_temp.call(f.name, array(SELECT 'NULL::' || t FROM unnest(f.types) AS t)) FROM functions f;
INSERT INTO results SELECT f.name, 'rest NULL', pg_temp.call(f.name, array(SELECT CASE WHEN j = 1 THEN pg_temp.good(t, :'key_id') ELSE 'NULL' END || '::' || t FROM unnest(f.types) WITH ORDINALITY AS u (t, j) ORDER BY j)) FROM functions f WHERE f.n > 1;
-- all of them hostile, the n-th of each type
INSERT INTO results
SELECT f.name, 'all hostile ' || k, pg_temp.call(f.name, array(SELECT (array(SELECT h.value FROM hostile h WHERE h.type = t ORDER BY h.value COLLATE "C"))[1 + (k + j) % (SELECT count(*) FROM hostile h WHERE h.type = t)] || '::' || t
	FROM unnest(f.types) WITH ORDINALITY AS u (t, j) ORDER BY j)) FROM functions f, generate_series(1, 15) AS k WHERE f.n > 0;

UPDATE results SET argument = split_part(result, '|', 2), result = split_part(result, '|', 1);
SELECT count(*) > 1000 AS many FROM results;
-- a bad value is of an argument, and the error's COLUMN field names it
SELECT DISTINCT r.name COLLATE "C" AS name, r.result, r.argument AS "no argument of it" FROM results r JOIN functions f USING (name) JOIN pg_proc p ON p.oid = f.oid
WHERE r.result IN ('22004', '22023', '23505', '23514') AND (r.argument = ANY (p.proargnames[:p.pronargs])) IS NOT TRUE AND p.pronamespace = 'apikeys'::regnamespace ORDER BY 1, 2, 3;
SELECT count(DISTINCT (name, argument)) > 40 AS many FROM results WHERE argument <> '';
-- refused by what is not ours to say
SELECT name, args, result FROM results WHERE result <> 'ok' AND result NOT IN (SELECT code FROM codes) AND NOT (name = 'apikeys.require_key' AND result = 'PGRST') ORDER BY name COLLATE "C", args COLLATE "C";
-- validation, and what asks for the current key, refuses nothing at all but a negative cost, which is the server's own
SELECT name, args, result FROM results WHERE name IN ('apikeys.validate_key', 'apikeys.authenticate', 'apikeys.response_headers', 'apikeys.current_key', 'apikeys.current_workspace', 'apikeys.current_owner', 'apikeys.current_key_metadata', 'apikeys.current_key_allows', 'apikeys.identify_key') AND result <> 'ok' AND NOT (args LIKE 'all hostile%' AND result = '22023') ORDER BY name COLLATE "C", args COLLATE "C";
-- every function that changes something refuses NULL for what it needs
SELECT name, result FROM results WHERE args = 'all NULL' ORDER BY name COLLATE "C";

-- nothing is left of it, and nothing is wrong
SELECT name FROM apikeys.active_keys;
SELECT count(*) FROM apikeys.audit_log;
SELECT pg_temp.wrong();
