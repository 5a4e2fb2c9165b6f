-- The index for substrings: the same rows as without it, in the same order, however entries lie on their pages and whatever
-- of them the index knows.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;
SET TimeZone = 'UTC'; SET DateStyle = 'ISO';
ALTER TABLE apikeys.audit_log SET (autovacuum_enabled = off);
ALTER TABLE apikeys.audit_log DISABLE TRIGGER guard;
SELECT setseed(0.25) \g /dev/null

-- Entries with these numbers, in this order: some texts are rare, some in every entry, some long enough to be stored elsewhere.
CREATE FUNCTION pg_temp.fill(ids bigint[]) RETURNS void LANGUAGE sql AS $$
	INSERT INTO apikeys.audit_log (audit_id, "time", workspace, team, entity, action, activity, actor, ip, key_name, db_user, digest)
	SELECT i, '2026-01-01'::timestamptz + i * interval '61.000007 seconds', 'default', CASE WHEN i % 3 > 0 THEN 'Team ' || i % 5 END,
		CASE WHEN i % 1000 = 7 THEN 'APIs' ELSE 'API Keys' END, CASE WHEN i % 500 = 7 THEN 'Delete' ELSE 'Create' END,
		CASE WHEN i % 997 = 0 THEN 'long ' || (SELECT string_agg(md5(n::text), ' ') FROM generate_series(i, i + 200) n) || ' Ende' || i
			WHEN i % 701 = 0 THEN 'Schlüssel für ' || i || ' angelegt: ÄÖÜ'
			ELSE 'created key "Key ' || i % 20 || '-' || i || '"' END,
		CASE WHEN i < 300 THEN 'Old.Hand' ELSE 'actor' || i % 20 || '@example.com' END,
		CASE WHEN i % 4 > 0 THEN ('192.0.2.' || i % 256)::inet ELSE ('2001:db8::' || to_hex(i % 5000))::inet END, repeat('wide ', 60), 'nobody', '\x00'
	FROM unnest(ids) WITH ORDINALITY AS u (i, n) ORDER BY n
$$;

-- What the search finds of some patterns, page by page and all rows, against what a plain statement does.
CREATE TEMP TABLE said (audit_id bigint, text text, "time" text);
CREATE FUNCTION pg_temp.reference(search text) RETURNS bigint[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(audit_id ORDER BY audit_id DESC), '{}') FROM said
	WHERE position(lower(search) IN text) > 0 OR position(regexp_replace(search, '(\d)[Tt](\d)', '\1 \2') IN "time") > 0
$$;
CREATE PROCEDURE pg_temp.compare(VARIADIC more text[] = '{}') LANGUAGE plpgsql AS $$
DECLARE
	patterns text[] = ARRAY['created key', 'key 7-', 'KEY 7-3', '"Key 7-27"', 'key 1-1"', '7-3', ' 3-', 'Old.hand', 'delete', 'apis',
		'actor3@example.com', '192.0.2.7', '2.77', '2001:db8::1f', '2026-01-03', '01-02t1', '05:07:0', '00:0', '000707', 'schlüssel', 'FÜR 701 ', 'äöü', 'ü', 'ende',
		'ende1994', md5('1994'), 'team 4', 'no such thing', 'key created', 'createam', '1111111', 'qqq', '%', '___', 'xy', E'key\n', 'api keys' || E'\ncreated'] || more;
	p text;
	n integer;
	b bigint;
	all_rows bigint[];
	got bigint[];
BEGIN
	TRUNCATE said;
	INSERT INTO said SELECT audit_id, lower(concat_ws(chr(1), team, entity, activity, action, actor, host(ip))), "time" FROM apikeys.audit_log;
	FOREACH p IN ARRAY patterns LOOP
		CONTINUE WHEN random() < 0.8 AND p <> ALL (more);
		b := NULL;
		all_rows := pg_temp.reference(p);
		got := ARRAY(SELECT audit_id FROM apikeys.search_audit_logs(p, max_rows => NULL));
		IF got <> all_rows THEN
			RAISE EXCEPTION '"%": % instead of % rows', p, cardinality(got), cardinality(all_rows);
		END IF;
		FOR i IN 1..4 LOOP
			n := 1 + floor(random() * random() * 300);
			got := ARRAY(SELECT audit_id FROM apikeys.search_audit_logs(p, before => b, max_rows => n));
			IF got <> coalesce(all_rows[1:n], '{}') THEN
				RAISE EXCEPTION '"%" before %: % instead of %', p, b, got, all_rows[1:n];
			END IF;
			EXIT WHEN cardinality(got) < n;
			b := got[n];
			all_rows := all_rows[n + 1:];
		END LOOP;
	END LOOP;
END $$;
CREATE FUNCTION pg_temp.asked(search text, max_rows integer = 50) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before bigint = pg_stat_get_xact_numscans('apikeys.audit_log_text'::regclass);
	n bigint = (SELECT count(*) FROM apikeys.search_audit_logs(search, max_rows => asked.max_rows));
BEGIN
	RETURN n || ' rows, the index ' || CASE WHEN pg_stat_get_xact_numscans('apikeys.audit_log_text'::regclass) > before THEN 'asked' ELSE 'not asked' END;
END $$;

-- Nothing is in the index.
SELECT pg_temp.fill(ARRAY(SELECT generate_series(1, 15000))) \g /dev/null
CALL pg_temp.compare();
-- Everything is; a new entry is not.
VACUUM apikeys.audit_log;
CALL pg_temp.compare();
SELECT pg_temp.fill('{15001}') \g /dev/null
CALL pg_temp.compare();
SELECT s AS search, pg_temp.asked(s) FROM unnest(ARRAY['no such thing', 'old.hand', '"Key 7-27"', 'created key', 'xy', 'ü', '2026-01-01t05:07']) AS s;
SELECT pg_temp.asked('created key', NULL) AS "all of what is frequent", pg_temp.asked('old.hand', NULL) AS "all of what is rare";

-- With little memory, and at every isolation level.
SET work_mem = '64kB';
CALL pg_temp.compare();
RESET work_mem;
BEGIN ISOLATION LEVEL SERIALIZABLE;
CALL pg_temp.compare();
SELECT pg_temp.fill('{15002,15003}') \g /dev/null
DELETE FROM apikeys.audit_log WHERE audit_id BETWEEN 100 AND 110;
UPDATE apikeys.audit_log SET actor = 'Moved' WHERE audit_id BETWEEN 50 AND 60;
CALL pg_temp.compare('moved');
ROLLBACK;
CALL pg_temp.compare('moved');

-- What is removed makes room: for newer entries in no order, for older ones that had been left out, for long ones.
DELETE FROM apikeys.audit_log WHERE audit_id BETWEEN 2000 AND 7000 OR audit_id % 7 = 0;
CALL pg_temp.compare();
VACUUM apikeys.audit_log;
CALL pg_temp.compare();
SELECT pg_temp.fill(ARRAY(SELECT n FROM generate_series(15002, 19000) n ORDER BY hashint8(n))) \g /dev/null
SELECT pg_temp.fill(ARRAY(SELECT n FROM generate_series(3000, 6000) n WHERE n % 7 > 0 ORDER BY hashint8(n))) \g /dev/null
SELECT count(*) > 100 AS "out of order" FROM (SELECT audit_id < lag(audit_id) OVER (ORDER BY ctid) AS back FROM apikeys.audit_log) AS l WHERE back;
CALL pg_temp.compare();
UPDATE apikeys.audit_log SET actor = 'Moved' WHERE audit_id % 1000 = 77;
CALL pg_temp.compare('moved', 'actor17@example.com');
VACUUM apikeys.audit_log;
CALL pg_temp.compare('moved', 'actor17@example.com');

-- More of one text than a window keeps, behind many entries without it.
SELECT pg_temp.fill(ARRAY(SELECT generate_series(100001, 140000))) \g /dev/null
ALTER TABLE apikeys.audit_log ALTER COLUMN actor SET DEFAULT 'filler';
INSERT INTO apikeys.audit_log (audit_id, "time", entity, action, activity, key_name, db_user, digest)
SELECT n, '2026-02-01', 'APIs', 'Update', 'Filled', repeat('wide ', 80), 'nobody', '\x00' FROM generate_series(1000000, 1005000) n;
VACUUM apikeys.audit_log;
SELECT pg_temp.asked('@example.com', 7), pg_temp.asked('filled', 7), pg_temp.asked('actor3@', 7);
CALL pg_temp.compare('@example.com', 'filled');
-- Windows end between any two entries.
WITH said AS MATERIALIZED (SELECT audit_id FROM apikeys.audit_log WHERE activity ~ 'Key 3-')
SELECT count(*) AS wrong FROM generate_series(139000, 139019) AS b
WHERE (SELECT count(*) FROM apikeys.search_audit_logs('key 3-', before => b, max_rows => 100000)) <> (SELECT count(*) FROM said WHERE audit_id < b);
-- audit_ids far from all others, and as large as they can be.
INSERT INTO apikeys.audit_log (audit_id, "time", entity, action, activity, db_user, digest)
SELECT n, '2026-02-01', 'APIs', 'Update', 'Far away', 'nobody', '\x00' FROM unnest('{9223372036854775807,9223372036854770000,4611686018427387904,-5}'::bigint[]) n;
CALL pg_temp.compare('old.hand', 'away');
REINDEX INDEX apikeys.audit_log_text;
CALL pg_temp.compare('old.hand', 'away');
-- Other filters beside it.
SELECT (SELECT array_agg(audit_id) FROM apikeys.search_audit_logs('key 7-', actions => '{Delete}', max_rows => NULL))
	= ARRAY(SELECT x FROM unnest(pg_temp.reference('key 7-')) x JOIN apikeys.audit_log l ON l.audit_id = x WHERE l.action = 'Delete' ORDER BY x DESC) AS action,
	(SELECT count(*) FROM apikeys.search_audit_logs('created key', actors => '{filler}', max_rows => NULL)) AS none,
	(SELECT array_agg(audit_id) FROM apikeys.search_audit_logs('07:0', since => '2026-01-02', until => '2026-01-20', teams => '{Team 1,Team 2}', max_rows => NULL))
	= ARRAY(SELECT x FROM unnest(pg_temp.reference('07:0')) x JOIN apikeys.audit_log l ON l.audit_id = x
		WHERE l."time" >= '2026-01-02' AND l."time" < '2026-01-20' AND team IN ('Team 1', 'Team 2') ORDER BY x DESC) AS times;

-- An abandoned search leaves nothing open.
BEGIN;
DECLARE c CURSOR FOR SELECT (apikeys.search_audit_logs('old.hand', max_rows => NULL)).audit_id;
FETCH 2 FROM c;
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
FETCH 1 FROM c;
CLOSE c;
COMMIT;
SELECT (s).audit_id FROM (SELECT apikeys.search_audit_logs('old.hand') AS s LIMIT 2) AS x;
SET client_min_messages = warning; DROP EXTENSION apikeys CASCADE; RESET client_min_messages;
