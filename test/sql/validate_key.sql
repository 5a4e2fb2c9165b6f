-- validate_key: every code, in its order of precedence, and what the verdict shows.
\set ECHO none
\i test/lib/regress.sql

CREATE FUNCTION pg_temp.code(key text, api text = NULL, client text = NULL, workspace text = NULL) RETURNS text LANGUAGE sql AS
$$ SELECT v.code || ' ' || v.http_status || CASE WHEN v.valid THEN ' valid' ELSE '' END || CASE WHEN v.key_id IS NULL THEN '' ELSE ' of ' || v.name END
   || CASE WHEN v.old_valid_until IS NULL THEN '' ELSE ' (old)' END FROM apikeys.validate_key(key, api, client, workspace) AS v $$;

SELECT key_id, key FROM apikeys.create_key('A', '{data,push}', team => 'T', expires_at => '2999-01-01 00:00+00', metadata => '{"m": 1}') \gset
SELECT key_id = :'key_id' AS its_id, v.* FROM apikeys.validate_key(:'key') AS v \gset
\echo :its_id :valid :code :http_status :workspace :name :team :apis :expires_at :metadata
SELECT old_valid_until, retry_after FROM apikeys.validate_key(:'key');
SELECT pg_typeof(http_status), pg_typeof(retry_after), pg_typeof(metadata) FROM apikeys.validate_key(:'key');

-- MISSING: NULL, nothing, or only blanks
SELECT * FROM apikeys.validate_key(NULL) \gx
SELECT pg_temp.code('');
SELECT pg_temp.code(' ');
SELECT pg_temp.code(repeat(E' \t\r\n\x0b\f', 1000));
SELECT pg_temp.code(repeat(E' ', 1000) || E'\x08');
SELECT pg_temp.code(chr(160));

-- MALFORMED: too much, not printable ASCII, our shape with a wrong checksum
SELECT pg_temp.code(repeat('x', 512));
SELECT pg_temp.code(repeat('x', 513));
SELECT pg_temp.code(repeat('x', 10000000));
SELECT pg_temp.code(repeat('é', 256));
SELECT pg_temp.code('é');
SELECT pg_temp.code(E'a\tb');
SELECT pg_temp.code(E'\x7f');
SELECT pg_temp.code(E'\x01');
SELECT pg_temp.code(:'key' || E'\n');
SELECT pg_temp.code('~ !"#');
SELECT pg_temp.code(overlay(:'key' PLACING CASE right(:'key', 1) WHEN 'a' THEN 'b' ELSE 'a' END FROM length(:'key')));
SELECT pg_temp.code(overlay(:'key' PLACING CASE substr(:'key', 10, 1) WHEN 'a' THEN 'b' ELSE 'a' END FROM 10));
SELECT pg_temp.code(upper(:'key') || lower(:'key'));
-- one digit for another, in each place, never gets past the checksum
SELECT DISTINCT v.code FROM generate_series(4, length(:'key')) AS i, regexp_split_to_table('0aA9zZ', '') AS c,
	apikeys.validate_key(overlay(:'key' PLACING c FROM i)) AS v WHERE substr(:'key', i, 1) <> c;
-- nor do two neighbours that were swapped
SELECT DISTINCT v.code FROM generate_series(4, length(:'key') - 1) AS i,
	apikeys.validate_key(overlay(:'key' PLACING reverse(substr(:'key', i, 2)) FROM i)) AS v WHERE substr(:'key', i, 1) <> substr(:'key', i + 1, 1);

-- NOT_FOUND: nobody's, or not in that workspace; nothing of the key is shown
SELECT pg_temp.code('somebody else''s');
SELECT pg_temp.code('ak_' || repeat('0', 43) || '2PL60u');
SELECT pg_temp.code('ak_' || repeat('0', 43) || '2PL60v');
SELECT pg_temp.code(' ' || :'key');
SELECT pg_temp.code(:'key' || ' ');
SELECT apikeys.create_workspace('acme');
SELECT pg_temp.code(:'key', workspace => 'default');
SELECT pg_temp.code(:'key', workspace => 'acme');
SELECT pg_temp.code(:'key', workspace => 'Default');
SELECT pg_temp.code(:'key', workspace => 'nowhere');
SELECT pg_temp.code(:'key', workspace => '');
SELECT pg_temp.code(:'key', workspace => repeat('x', 1000000));
SELECT * FROM apikeys.validate_key(:'key', workspace => 'acme') \gx

-- for a malformed secret no table is read; for one that is not known, one index of the table of keys and the other
CREATE FUNCTION pg_temp.scans() RETURNS numeric LANGUAGE sql AS
$$ SELECT sum(pg_stat_get_xact_numscans(c.oid)) FROM pg_class c WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind IN ('r', 'i') $$;
CREATE FUNCTION pg_temp.scans_of(key text, OUT code text, OUT scans int) LANGUAGE plpgsql AS
$$
DECLARE
	before bigint := pg_temp.scans();
BEGIN
	SELECT v.code INTO scans_of.code FROM apikeys.validate_key(scans_of.key) AS v;
	scans := pg_temp.scans() - before;
END
$$;
SELECT n, s.* FROM (VALUES (1, 'ak_' || repeat('0', 49)), (2, NULL), (3, ''), (4, E'\x01'), (5, 'é'), (6, repeat('x', 513)), (7, 'nobody''s'), (8, 'ak_' || repeat('0', 43) || '2PL60u')) AS t (n, k), pg_temp.scans_of(k) AS s ORDER BY n;

-- REGENERATED
SELECT key AS new FROM apikeys.regenerate_key(:'key_id', '1 hour') \gset
SELECT pg_temp.code(:'key');
SELECT pg_temp.code(:'new');
SELECT count(*) FROM apikeys.end_overlap(:'key_id');
SELECT pg_temp.code(:'key');
SELECT workspace, name, team, apis, expires_at, metadata FROM apikeys.validate_key(:'key');

-- INSUFFICIENT_PERMISSIONS: APIs compare byte by byte
SELECT pg_temp.code(:'new', 'data');
SELECT pg_temp.code(:'new', 'push');
SELECT pg_temp.code(:'new', 'segmentation');
SELECT pg_temp.code(:'new', 'Data');
SELECT pg_temp.code(:'new', 'dat');
SELECT pg_temp.code(:'new', 'data ');
SELECT pg_temp.code(:'new', '');
SELECT pg_temp.code(:'new', 'no such API');
SELECT pg_temp.code(:'new', repeat('data', 1000000));
SELECT pg_temp.code(:'new', NULL);

-- ADDRESS_NOT_ALLOWED: addresses, with a port or without
SELECT key AS bound, key_id AS bound_id FROM apikeys.create_key('Bound', '{data}',
	allowed_cidrs => '{192.0.2.0/25,198.51.100.7,2001:db8::/33,2001:db8:ffff::1}') \gset
SELECT client, pg_temp.code(:'bound', 'data', client) FROM (VALUES (NULL),
	('192.0.2.0'), ('192.0.2.127'), ('192.0.2.128'), ('198.51.100.7'), ('198.51.100.6'), ('198.51.100.8'),
	('::ffff:192.0.2.127'), ('::ffff:192.0.2.128'), ('::FFFF:c000:0201'), ('::192.0.2.1'), ('64:ff9b::192.0.2.1'),
	('2001:db8::'), ('2001:0DB8:7fff:ffff:ffff:ffff:ffff:ffff'), ('2001:db8:8000::'), ('2001:db8:ffff::1'), ('2001:db8:ffff::2'),
	('192.0.2.1/32'), ('192.0.2.1/24'), ('192.0.2.1:80'), ('192.0.2.128:80'), ('192.0.2.1:'), ('192.0.2.1:65535'), ('192.0.2.1:65536'), ('192.0.2.1:x'), ('192.0.2.1:80:80'), (':80'),
	('[2001:db8::1]'), ('[2001:db8::1]:443'), ('[2001:db8:8000::]:443'), ('[2001:db8::1]443'), ('[2001:db8::1]:'), ('[2001:db8::1]:-1'), ('[2001:db8::1'), ('[192.0.2.1]:80'), ('[::ffff:192.0.2.1]:80'), ('[]'), ('['), ('[]:80'), ('2001:db8::1%lo'), (' 192.0.2.1'), ('192.0.2.1 '),
	('192.0.2'), ('3221225985'), ('0xc0.0.2.1'), ('192.0.2.01'), ('192.0.2.1, 10.0.0.1'), (''), ('localhost'), ('é'), (E'192.0.2.1\n')) AS c (client);
SELECT pg_temp.code(:'bound', 'data', repeat('1', 1000000));
-- without an address list, any client will do
SELECT pg_temp.code(:'new', 'data', 'nonsense');
-- IPv4 that a list has as IPv6
SELECT count(*) FROM apikeys.update_key(:'bound_id', allowed_cidrs => '{::ffff:192.0.2.0/120}');
SELECT client, pg_temp.code(:'bound', 'data', client) FROM (VALUES ('192.0.2.1'), ('::ffff:192.0.2.1'), ('192.0.3.1'), ('::1')) AS c (client);
-- everything of one kind is not everything
SELECT count(*) FROM apikeys.update_key(:'bound_id', allowed_cidrs => '{0.0.0.0/0}');
SELECT client, pg_temp.code(:'bound', 'data', client) FROM (VALUES ('192.0.2.1'), ('::ffff:192.0.2.1'), ('::1')) AS c (client);
SELECT count(*) FROM apikeys.update_key(:'bound_id', allowed_cidrs => '{::/0}');
SELECT client, pg_temp.code(:'bound', 'data', client) FROM (VALUES ('192.0.2.1'), ('::ffff:192.0.2.1'), ('::1')) AS c (client);

-- what comes first: ARCHIVED, REGENERATED, DISABLED, EXPIRED, ADDRESS_NOT_ALLOWED, INSUFFICIENT_PERMISSIONS
SELECT pg_temp.code(:'bound', 'push', '192.0.2.1');
SELECT pg_temp.code(:'bound', 'push', '::1');
SELECT count(*) FROM apikeys.update_key(:'bound_id', expires_at => now());
SELECT pg_temp.code(:'bound', 'push', '192.0.2.1');
UPDATE apikeys.key SET disabled_at = now() WHERE key_id = :'bound_id';
SELECT pg_temp.code(:'bound', 'push', '192.0.2.1');
SELECT key AS newer FROM apikeys.regenerate_key(:'bound_id') \gset
SELECT pg_temp.code(:'bound', 'push', '192.0.2.1');
SELECT pg_temp.code(:'newer', 'push', '192.0.2.1');
SELECT state FROM apikeys.archive_key(:'bound_id');
SELECT pg_temp.code(:'bound', 'push', '192.0.2.1');
SELECT pg_temp.code(:'newer', 'push', '192.0.2.1');
SELECT pg_temp.code(:'newer', 'push', '192.0.2.1', 'acme');

-- an expiry that passes by itself
SELECT key AS brief FROM apikeys.create_key('Brief', '{data}', expires_at => clock_timestamp() + interval '3 seconds') \gset
SELECT pg_temp.code(:'brief');
SELECT pg_sleep_until((SELECT expires_at FROM apikeys.key WHERE name = 'Brief'));
SELECT pg_temp.code(:'brief');

-- an API list as long as one likes, a name and metadata beyond a page
SELECT apikeys.register_api('api ' || i) FROM generate_series(1, 200) AS i \g /dev/null
SELECT key AS wide FROM apikeys.create_key(repeat('é', 100), (SELECT array_agg(api) FROM apikeys.apis), metadata => jsonb_build_object('a', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 10000) AS i))) \gset
SELECT code, length(name), cardinality(apis), length(metadata::text) FROM apikeys.validate_key(:'wide', 'api 200');
SELECT code FROM apikeys.validate_key(:'wide', 'api 201');

-- it reads; nothing was written
SELECT count(*) > 0 AS told FROM pg_temp.entries();
BEGIN READ ONLY;
SELECT pg_temp.code(:'new', 'data');
SELECT pg_temp.code(:'key', 'data');
SELECT code FROM apikeys.authenticate('Bearer ' || :'new');
SELECT apikeys.current_workspace();
SELECT name FROM apikeys.identify_key(:'new');
COMMIT;
SELECT * FROM pg_temp.entries();

-- what is committed now decides, whatever the isolation level of the transaction
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.code(:'new', 'data');
SELECT state FROM apikeys.archive_key(:'key_id');
SELECT pg_temp.code(:'new', 'data');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT pg_temp.code(:'new', 'data');
COMMIT;

-- called as people call functions
SELECT (v).code FROM (SELECT apikeys.validate_key(:'new') AS v OFFSET 0) AS s;
SELECT (apikeys.validate_key(:'new')).code;
SELECT code FROM (VALUES (:'new'), (NULL), ('x')) AS r (k), apikeys.validate_key(k);
PREPARE request AS SELECT valid FROM apikeys.validate_key($1, $2);
EXECUTE request(:'new', 'data');
EXECUTE request(:'new', 'segmentation');
DEALLOCATE request;
CREATE TEMPORARY TABLE verdicts AS SELECT * FROM apikeys.validate_key(:'new', 'data');
SELECT code, name FROM verdicts;
DROP TABLE verdicts;

-- What is the server's own mistake is said to it, once a minute: an API that is not registered, a header instead of a key.
\c
SELECT code FROM apikeys.validate_key('nobody''s', 'dada');
SELECT code FROM apikeys.validate_key('nobody''s', 'dada');
SELECT code FROM apikeys.validate_key('nobody''s', 'data');
SELECT code FROM apikeys.validate_key('bearer nobody''s');
SELECT code FROM apikeys.validate_key('Basic bm9ib2R5');
\c
SELECT code FROM apikeys.authenticate('Bearer nobody''s', 'ak_0000000000000000000000000000000000000000000000000');
SELECT code FROM apikeys.authenticate('Bearer nobody''s', 'data');
