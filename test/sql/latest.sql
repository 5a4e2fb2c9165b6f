-- A backend that has validated a key remembers where it found it, but none of its values: every change is in the next verdict.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;

SELECT key AS secret, key_id FROM apikeys.create_key('first', '{data}') \gset
PREPARE verdict AS SELECT v.code, v.name, v.metadata, v.key_id = k.key_id AS right_key
FROM apikeys.validate_key($1) AS v LEFT JOIN apikeys.key AS k ON k.name = v.name;

-- by the index, then by what is remembered
EXECUTE verdict (:'secret');
EXECUTE verdict (:'secret');

-- A row that moves within its page, and one that moves in the indexes.
SELECT name FROM apikeys.update_key(:'key_id', metadata => '{"n": 1}');
EXECUTE verdict (:'secret');
SELECT name FROM apikeys.update_key(:'key_id', metadata => '{"n": 2}');
EXECUTE verdict (:'secret');
SELECT name FROM apikeys.update_key(:'key_id', name => 'renamed');
EXECUTE verdict (:'secret');
EXECUTE verdict (:'secret');

-- The transaction's own changes, and their end.
BEGIN;
SELECT name FROM apikeys.update_key(:'key_id', metadata => '{"n": 3}');
EXECUTE verdict (:'secret');
SAVEPOINT s;
SELECT state FROM apikeys.archive_key(:'key_id');
EXECUTE verdict (:'secret');
ROLLBACK TO s;
EXECUTE verdict (:'secret');
ROLLBACK;
EXECUTE verdict (:'secret');

-- The table is written anew, its indexes are, and it is cut.
VACUUM FULL apikeys.key;
EXECUTE verdict (:'secret');
EXECUTE verdict (:'secret');
REINDEX TABLE apikeys.key;
EXECUTE verdict (:'secret');
ANALYZE apikeys.key;
EXECUTE verdict (:'secret');

-- Regenerated: the old secret's place is not the key's any more.
SELECT key AS second FROM apikeys.regenerate_key(:'key_id') \gset
EXECUTE verdict (:'secret');
EXECUTE verdict (:'second');
EXECUTE verdict (:'second');
SELECT key AS third FROM apikeys.regenerate_key(:'key_id', '1 hour') \gset
EXECUTE verdict (:'second');
EXECUTE verdict (:'third');
SELECT name FROM apikeys.end_overlap(:'key_id');
EXECUTE verdict (:'second');
EXECUTE verdict (:'third');

-- Archived, dropped, and its place taken by another key.
SELECT state FROM apikeys.archive_key(:'key_id');
EXECUTE verdict (:'third');
SELECT apikeys.update_workspace('default', archive_limit => 1);
SET client_min_messages = warning;
SELECT a.state FROM apikeys.create_key('last', '{data}') AS k, LATERAL apikeys.archive_key(k.key_id) AS a;
RESET client_min_messages;
EXECUTE verdict (:'third');
VACUUM apikeys.key;
EXECUTE verdict (:'third');
SELECT key AS other FROM apikeys.create_key('other', '{push}') \gset
EXECUTE verdict (:'third');
EXECUTE verdict (:'other');
EXECUTE verdict (:'other');

-- More keys than there is room for at first, each time in the same order.
CREATE TEMP TABLE many AS
SELECT key AS secret, name FROM generate_series(1, 3000) AS i, LATERAL apikeys.create_key('many ' || i, '{data}');
SELECT v.code, count(*), count(*) FILTER (WHERE v.name = m.name) AS right_key
FROM generate_series(1, 4) AS round, many AS m, LATERAL apikeys.validate_key(m.secret) AS v GROUP BY v.code;
SELECT count(u.key_id) FROM apikeys.key AS k, LATERAL apikeys.update_key(k.key_id, name => k.name || '.') AS u
WHERE k.name LIKE 'many 1%';
SELECT v.code, count(*), count(*) FILTER (WHERE v.name IN (m.name, m.name || '.')) AS right_key
FROM generate_series(1, 2) AS round, many AS m, LATERAL apikeys.validate_key(m.secret) AS v GROUP BY v.code;

-- All of it made anew, the row type of the verdict, too.
SELECT apikeys.response_headers(apikeys.validate_key('of nobody'));
SET client_min_messages = warning; DROP EXTENSION apikeys CASCADE; CREATE EXTENSION apikeys; RESET client_min_messages;
SELECT apikeys.response_headers(apikeys.validate_key('of nobody'));
SELECT code FROM apikeys.validate_key(:'other');
SELECT name FROM apikeys.import_key('adopted', '{data}', sha256(:'other'::bytea));
SELECT code, name FROM apikeys.validate_key(:'other');
SELECT code, name FROM apikeys.validate_key(:'other');
DEALLOCATE verdict;
DROP TABLE many;
