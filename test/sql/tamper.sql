-- verify_audit_logs: finds what somebody who got past the triggers has done, and names the first bad entry.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
CREATE ROLE regress_ak_one;

-- the numbers of the entries, without 14, which an attempt to insert took
SELECT apikeys.create_workspace('acme', prefix => 'acme', archive_limit => 2);							-- 1
SELECT apikeys.act_as('ann', 'team', '192.0.2.1'), count(name)
	FROM generate_series(1, 4) AS i, LATERAL apikeys.create_key('K' || i, '{data}', 'acme', metadata => '{"a": 1}') \g /dev/null
-- 2 to 5
SELECT apikeys.create_key('Other', '{data}') \g /dev/null
-- 6
BEGIN;
SELECT apikeys.act_as('ann', 'team', '192.0.2.1');
SELECT apikeys.update_key(apikeys.key_id('K1', 'acme'), name => 'K1 new') \g /dev/null
-- 7
COMMIT;
SELECT apikeys.archive_key(apikeys.key_id(n, 'acme')) FROM unnest('{K2,K3,K4}'::text[]) AS n \g /dev/null
-- 8 to 10; 10 drops K2
SELECT apikeys.register_api('bills', 'x');																-- 11
UPDATE apikeys.api SET description = 'y' WHERE api = 'bills';											-- 12
SELECT apikeys.add_team_member('ann', 'x" to team "y', 'acme');											-- 13
SELECT apikeys.add_team_member('ann', 'z', 'acme');														-- 15
SELECT apikeys.add_team_member('bob', 'z', 'acme');														-- 17
SELECT apikeys.remove_team_member('bob', 'acme');														-- 17
SELECT apikeys.grant_access('regress_ak_one', 'audit');													-- 18
SELECT apikeys.grant_access('regress_ak_one', 'view', 'acme');											-- 19
SELECT apikeys.revoke_access('regress_ak_one', 'view', 'acme');											-- 20
SELECT apikeys.update_workspace('acme', 'Acme');														-- 21
SELECT apikeys.update_key(apikeys.key_id('K1 new', 'acme'), team => 'other') \g /dev/null
-- 22
SELECT audit_id, workspace, activity FROM apikeys.audit_logs ORDER BY audit_id;
CALL apikeys.sequence_audit_logs();
SELECT workspace, entries, ok, first_bad, problem FROM apikeys.verify_audit_logs();

-- Does something under no trigger, tells what verification finds, and undoes it.
CREATE FUNCTION pg_temp.tamper(sql text, checkpoints text[] = NULL, workspace text = NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
	changed bigint;
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE sql;
		GET DIAGNOSTICS changed = ROW_COUNT;
		SET LOCAL session_replication_role = origin;
		SELECT string_agg(format('%s: %s %s', coalesce(v.workspace, '-'), first_bad, problem), '; ' ORDER BY v.workspace NULLS FIRST) INTO found
			FROM apikeys.verify_audit_logs(tamper.workspace, checkpoints) AS v WHERE NOT ok;
		RAISE EXCEPTION USING ERRCODE = 'ZZ001', MESSAGE = CASE WHEN changed = 0 THEN 'nothing was done' ELSE coalesce(found, 'NOT FOUND') END;
	EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
		RETURN SQLERRM;
	END;
END $$;

-- Every column of an entry: in the middle, the first, the last.
SELECT c.attname AS "altered", pg_temp.tamper(format('UPDATE apikeys.audit_log SET %1$I = %2$s WHERE audit_id = 7', c.attname,
	CASE c.attname WHEN 'audit_id' THEN '1000' WHEN 'key_id' THEN '(SELECT key_id FROM apikeys.key WHERE name = ''Other'')'
		WHEN 'workspace' THEN '''default''' WHEN 'changes' THEN 'changes || ''{"name": 1}''' WHEN 'subject' THEN '''{"key_id": 1}''' WHEN 'ip' THEN '''192.0.2.2'''
		WHEN 'time' THEN 'time + interval ''1 us''' ELSE CASE c.atttypid WHEN 'bytea'::regtype THEN 'sha256(''x'')' ELSE format('%I || '' ''', c.attname) END END))
FROM pg_attribute AS c WHERE c.attrelid = 'apikeys.audit_log'::regclass AND c.attnum > 0 AND NOT c.attisdropped ORDER BY c.attnum;
SELECT c.attname AS "set to null", pg_temp.tamper(format('UPDATE apikeys.audit_log SET %I = NULL WHERE audit_id = 7', c.attname))
FROM pg_attribute AS c WHERE c.attrelid = 'apikeys.audit_log'::regclass AND c.attnum > 0 AND NOT c.attisdropped AND NOT c.attnotnull ORDER BY c.attnum;
SELECT e AS evicted, pg_temp.tamper(format('UPDATE apikeys.audit_log SET changes = changes || %L WHERE audit_id = 10', e)) FROM unnest(ARRAY['{"evicted": [1, "x", [], {}, {"key_id": 5}, {"key_id": "x"}]}', '{"evicted": [{"key_id": "00000000000000000000000000000000abcd"}, {"key_id": "zzzzzzzz-0000-0000-0000-000000000000"}]}', '{"evicted": 1}', '{"evicted": null}']) AS e;
SELECT d AS digest, pg_temp.tamper(format('UPDATE apikeys.key SET row_digest = %L WHERE name = ''K1 new''', d::bytea)) FROM unnest(ARRAY['', 'short', repeat('x', 33)]) AS d;
SELECT n AS entry, pg_temp.tamper(format('UPDATE apikeys.audit_log SET actor = ''eve'' WHERE audit_id = %s', n)) FROM unnest('{1,6,11,22}'::integer[]) AS n;
-- Every column of a row of the tree, and rows that are damaged.
SELECT c.attname AS "altered", pg_temp.tamper(format('UPDATE apikeys.audit_tree SET %I = %s WHERE audit_id = 7', c.attname,
	CASE c.attname WHEN 'workspace' THEN '''default''' WHEN 'hashes' THEN 'sha256(''x'')' WHEN 'level' THEN '1' ELSE '1000' END))
FROM pg_attribute AS c WHERE c.attrelid = 'apikeys.audit_tree'::regclass AND c.attnum > 0 ORDER BY c.attnum;
SELECT v AS "altered", pg_temp.tamper('UPDATE apikeys.audit_tree SET ' || v || ' WHERE audit_id = 7') FROM unnest(ARRAY['audit_id = NULL', 'level = -1', 'level = 63', 'level = 9999',
	'hashes = ''''', 'hashes = ''short''', 'hashes = hashes || sha256(''x'')', 'position = -1', 'sequence = -1', 'position = 9223372036854775807']) AS v;
SELECT pg_temp.tamper($$UPDATE apikeys.audit_tree SET hashes = overlay(hashes PLACING '\x00' FROM 33) WHERE workspace = 'acme' AND position = 3$$) AS "a node altered",
	pg_temp.tamper($$UPDATE apikeys.audit_tree SET hashes = substring(hashes FROM 1 FOR 32) WHERE workspace = 'acme' AND position = 3$$) AS "a node gone",
	pg_temp.tamper($$DELETE FROM apikeys.audit_log WHERE audit_id IN (SELECT audit_id FROM apikeys.audit_tree WHERE workspace = 'acme' AND position IN (2, 3));
		DELETE FROM apikeys.audit_tree WHERE workspace = 'acme' AND position = 2;
		UPDATE apikeys.audit_tree SET audit_id = NULL, level = 1, hashes = substring(hashes FROM 33) WHERE workspace = 'acme' AND position = 3$$) AS "as if purged";
-- What no hash holds: the sizes that a purge heeds.
SELECT pg_temp.tamper($$DELETE FROM apikeys.audit_size$$) AS "sizes gone", pg_temp.tamper($$UPDATE apikeys.audit_size SET size = size + 1000, logged_at = NULL$$) AS "altered";

-- Removed: the first, one in the middle, the last; the entry alone, its leaf alone, both. The last with its leaf is missed
-- by its key, and in any case by a checkpoint.
SELECT array_agg(note) AS anchor FROM apikeys.audit_checkpoint() \gset
SELECT n AS removed, pg_temp.tamper(format('DELETE FROM apikeys.audit_log WHERE audit_id = %s', n)) AS entry,
	pg_temp.tamper(format('DELETE FROM apikeys.audit_tree WHERE audit_id = %s', n)) AS leaf,
	pg_temp.tamper(format('WITH l AS (DELETE FROM apikeys.audit_tree WHERE audit_id = %1$s) DELETE FROM apikeys.audit_log WHERE audit_id = %1$s', n)) AS both
FROM unnest('{1,7,20,21,22}'::integer[]) AS n;
SELECT pg_temp.tamper($$WITH l AS (DELETE FROM apikeys.audit_tree WHERE audit_id IN (2, 7, 22)), k AS (DELETE FROM apikeys.key WHERE name = 'K1 new')
	DELETE FROM apikeys.audit_log WHERE key_id = (SELECT key_id FROM apikeys.key WHERE name = 'K1 new')$$) AS "a key with all its entries";
SELECT pg_temp.tamper('WITH l AS (DELETE FROM apikeys.audit_tree WHERE audit_id = 18), a AS (DELETE FROM apikeys.access WHERE audit_id = 18)
		DELETE FROM apikeys.audit_log WHERE audit_id = 18') AS "the last, with its row",
	pg_temp.tamper('WITH l AS (DELETE FROM apikeys.audit_tree WHERE audit_id = 18), a AS (DELETE FROM apikeys.access WHERE audit_id = 18)
		DELETE FROM apikeys.audit_log WHERE audit_id = 18', :'anchor') AS "with a checkpoint",
	pg_temp.tamper('WITH l AS (DELETE FROM apikeys.audit_tree) DELETE FROM apikeys.audit_log', :'anchor') AS "all of it, with a checkpoint";

-- Inserted: an entry alone, one that waits for the tree, one with a leaf at the end, a second leaf.
SELECT pg_temp.tamper($$INSERT INTO apikeys.audit_log SELECT (jsonb_populate_record(a, '{"audit_id": 500}')).* FROM apikeys.audit_log a WHERE audit_id = 7$$) AS "an entry",
	pg_temp.tamper($$WITH l AS (INSERT INTO apikeys.audit_tree VALUES ('acme', 17, 500, 1000, 0, sha256('x')))
		INSERT INTO apikeys.audit_log SELECT (jsonb_populate_record(a, '{"audit_id": 500}')).* FROM apikeys.audit_log a WHERE audit_id = 7$$) AS "with a leaf",
	pg_temp.tamper($$SET LOCAL session_replication_role = origin; INSERT INTO apikeys_internal.audit_pending VALUES (500)$$) AS "one that waits, without an entry",
	pg_temp.tamper($$DROP INDEX apikeys.audit_tree_audit_id; CREATE INDEX audit_tree_audit_id ON apikeys.audit_tree (audit_id);
		INSERT INTO apikeys.audit_tree SELECT 'acme', 17, 7, 1000, 0, digest FROM apikeys.audit_log WHERE audit_id = 7$$) AS "a second leaf",
	pg_temp.tamper($$INSERT INTO apikeys.audit_tree SELECT 'gone', 0, NULL, 1000, 0, sha256('x')$$) AS "in a tree of its own";
-- Reordered: two entries change places.
SELECT pg_temp.tamper('UPDATE apikeys.audit_tree SET audit_id = -audit_id WHERE audit_id IN (7, 8); UPDATE apikeys.audit_tree SET audit_id = CASE audit_id WHEN -7 THEN 8 ELSE 7 END WHERE audit_id < 0') AS "two leaves swapped",
	pg_temp.tamper('UPDATE apikeys.audit_log SET audit_id = -audit_id WHERE audit_id IN (7, 8)') AS "two entries renumbered";
-- Moved to another workspace, with and without its leaf.
SELECT pg_temp.tamper($$UPDATE apikeys.audit_log SET workspace = 'default' WHERE audit_id = 21$$) AS "moved",
	pg_temp.tamper($$UPDATE apikeys.audit_log SET workspace = 'default' WHERE audit_id = 21$$, NULL, 'acme') AS "one workspace verified",
	pg_temp.tamper($$UPDATE apikeys.audit_log SET workspace = 'nowhere' WHERE audit_id = 21$$) AS "to nowhere",
	pg_temp.tamper($$WITH l AS (UPDATE apikeys.audit_tree SET workspace = 'default', position = 1 WHERE audit_id = 22)
		UPDATE apikeys.audit_log SET workspace = 'default' WHERE audit_id = 22$$) AS "with its leaf";

-- Keys: every column; the row of before; gone; a dropped one back; its entry gone from the log.
SELECT c.attname AS "key altered", pg_temp.tamper(format('UPDATE apikeys.key SET %1$I = %2$s WHERE name = ''K1 new''', c.attname,
	CASE c.attname WHEN 'key_id' THEN 'gen_random_uuid()' WHEN 'audit_id' THEN '7' WHEN 'workspace' THEN '''default''' WHEN 'apis' THEN '''{data,push}'''
		WHEN 'allowed_cidrs' THEN '''{10.0.0.0/8}''' WHEN 'rate_limit' THEN '1' WHEN 'rate_window' THEN '''1 h''' WHEN 'metadata' THEN '''{}'''
		ELSE CASE c.atttypid WHEN 'timestamptz'::regtype THEN 'coalesce(' || c.attname || ', now()) + interval ''1 us''' WHEN 'bytea'::regtype THEN 'sha256(''x'')'
			WHEN 'bigint'::regtype THEN 'coalesce(' || c.attname || ', 0) + 1' ELSE format('coalesce(%I, '''') || ''x''', c.attname) END END))
FROM pg_attribute AS c WHERE c.attrelid = 'apikeys.key'::regclass AND c.attnum > 0 AND NOT c.attisdropped ORDER BY c.attnum;
CREATE TABLE before AS SELECT * FROM apikeys.key WHERE name = 'Other';
SELECT apikeys.update_key(apikeys.key_id('Other'), apis => '{data,push}') \g /dev/null
-- 23
SELECT pg_temp.tamper($$WITH d AS (DELETE FROM apikeys.key k USING before b WHERE k.key_id = b.key_id) SELECT FROM before; INSERT INTO apikeys.key SELECT * FROM before$$)
	AS "a key as it was before";
SELECT pg_temp.tamper($$DELETE FROM apikeys.key WHERE name = 'K1 new'$$) AS "a key is gone",
	pg_temp.tamper($$DELETE FROM apikeys.key WHERE name = 'K3'$$) AS "an archived key is gone",
	pg_temp.tamper($$INSERT INTO apikeys.key SELECT (jsonb_populate_record(k, jsonb_build_object('key_id', a.key_id, 'key_hash', '\x' || repeat('00', 32),
		'name', 'K2', 'audit_id', 8, 'row_digest', a.row_digest))).* FROM apikeys.key k, apikeys.audit_log a WHERE k.name = 'K3' AND a.audit_id = 8$$) AS "a dropped key is back",
	pg_temp.tamper($$INSERT INTO apikeys.key SELECT (jsonb_populate_record(k, jsonb_build_object('key_id', gen_random_uuid(), 'key_hash', '\x' || repeat('00', 32),
		'name', 'K9'))).* FROM apikeys.key k WHERE k.name = 'K3'$$) AS "a key without entries";

-- The other audited tables: altered, as they were before, gone, forged.
SELECT t AS "altered", pg_temp.tamper(sql) FROM (VALUES
	('workspace', $$UPDATE apikeys.workspace SET prefix = 'eve' WHERE workspace = 'acme'$$),
	('workspace, not registered', $$UPDATE apikeys.workspace SET archive_limit = 1000 WHERE workspace = 'default'$$),
	('API', $$UPDATE apikeys.api SET description = 'x' WHERE api = 'bills'$$),
	('API of the script', $$UPDATE apikeys.api SET ordinal = 9 WHERE api = 'data'$$),
	('team', $$UPDATE apikeys.team_member SET team = 'admins' WHERE actor = 'ann'$$),
	('access', $$UPDATE apikeys.access SET capability = 'admin' WHERE capability = 'audit'$$),
	('workspace gone', $$DELETE FROM apikeys.workspace WHERE workspace = 'acme'$$),
	('API gone', $$DELETE FROM apikeys.api WHERE api = 'bills'$$),
	('team gone', $$DELETE FROM apikeys.team_member WHERE actor = 'ann'$$),
	('workspace made', $$INSERT INTO apikeys.workspace SELECT (jsonb_populate_record(w, '{"workspace": "eve"}')).* FROM apikeys.workspace w WHERE workspace = 'acme'$$),
	('API made', $$INSERT INTO apikeys.api SELECT (jsonb_populate_record(a, '{"api": "eve"}')).* FROM apikeys.api a WHERE api = 'data'$$),
	('access gone', $$DELETE FROM apikeys.access WHERE capability = 'audit'$$),
	('API of the script gone', $$DELETE FROM apikeys.api WHERE api = 'push'$$),
	('workspace of the script gone', $$DELETE FROM apikeys.workspace WHERE workspace = 'default'$$),
	('team made', $$INSERT INTO apikeys.team_member SELECT (jsonb_populate_record(m, '{"actor": "eve"}')).* FROM apikeys.team_member m WHERE actor = 'ann'$$),
	('access made', $$INSERT INTO apikeys.access SELECT (jsonb_populate_record(a, '{"role": "eve", "audit_id": 0, "grant_id": "00000000-0000-4000-8000-000000000000"}')).* FROM apikeys.access a$$)
) AS v (t, sql);
-- A row that was right once: removed access, an earlier team, an earlier workspace.
CREATE TABLE was (LIKE apikeys.access);
CREATE TABLE was_member (LIKE apikeys.team_member);
CREATE TABLE was_workspace (LIKE apikeys.workspace);
SELECT apikeys.grant_access('regress_ak_one', 'admin', 'acme');											-- 24
INSERT INTO was SELECT * FROM apikeys.access WHERE capability = 'admin';
INSERT INTO was_member SELECT * FROM apikeys.team_member;
INSERT INTO was_workspace SELECT * FROM apikeys.workspace WHERE workspace = 'acme';
SELECT apikeys.revoke_access('regress_ak_one', 'admin', 'acme');										-- 25
SELECT apikeys.add_team_member('ann', 'y', 'acme');														-- 27
SELECT apikeys.update_workspace('acme', archive_limit => 3);											-- 28
SELECT pg_temp.tamper('INSERT INTO apikeys.access SELECT * FROM was') AS "access that was revoked",
	pg_temp.tamper('DELETE FROM apikeys.team_member; INSERT INTO apikeys.team_member SELECT * FROM was_member') AS "a team of before",
	pg_temp.tamper($$DELETE FROM apikeys.workspace WHERE workspace = 'acme'; INSERT INTO apikeys.workspace SELECT * FROM was_workspace$$) AS "a workspace of before";

-- What the extension came with, altered and with a digest that is right.
CREATE FUNCTION pg_temp.canonical(columns text[], types text[], contents bytea[]) RETURNS bytea LANGUAGE sql AS $$
	SELECT '\x02'::bytea || string_agg(substring(int8send(octet_length(c)) FROM 8) || c::bytea || t::bytea || substring(int8send(octet_length(v)) FROM 5) || v, '' ORDER BY n)
	FROM unnest(columns, types, contents) WITH ORDINALITY AS u (c, t, v, n) WHERE v IS NOT NULL
$$;
CREATE FUNCTION pg_temp.api_digest(a apikeys.api) RETURNS bytea LANGUAGE sql AS $$
	SELECT sha256(pg_temp.canonical('{api,description,ordinal,created_at,created_by,audit_id}', '{t,t,i,d,t,i}', ARRAY[a.api::bytea, a.description::bytea,
		int8send(a.ordinal), timestamptz_send(a.created_at), a.created_by::bytea, int8send(a.audit_id)]))
$$;
SELECT api, pg_temp.api_digest(a) = row_digest AS "the digest by hand" FROM apikeys.api a ORDER BY ordinal;
SELECT pg_temp.tamper($$UPDATE apikeys.api a SET description = 'other', row_digest = pg_temp.api_digest((a.api, 'other', a.ordinal, a.created_at, a.created_by, NULL, NULL, a.audit_id, NULL)) WHERE api = 'data'$$)
	AS "an API of the script, with the right digest",
	pg_temp.tamper($$INSERT INTO apikeys.api SELECT 'eve', a.description, a.ordinal, a.created_at, a.created_by, NULL, NULL, 0,
		pg_temp.api_digest(('eve', a.description, a.ordinal, a.created_at, a.created_by, NULL, NULL, 0, NULL)) FROM apikeys.api a WHERE api = 'data'$$) AS "one as if of the script";

-- A tree that was rewritten whole is sound in itself; a checkpoint shows it.
CALL apikeys.sequence_audit_logs();
SELECT array_agg(note) AS anchor FROM apikeys.audit_checkpoint() \gset
CREATE FUNCTION pg_temp.regrow(ws text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	l record;
	n bigint = 0;
	lev integer;
	node bytea;
	nodes bytea;
BEGIN
	FOR l IN SELECT t.audit_id, a.digest FROM apikeys.audit_tree t JOIN apikeys.audit_log a USING (audit_id) WHERE t.workspace = ws ORDER BY t.position LOOP
		node := l.digest;
		nodes := node;
		lev := 0;
		WHILE (n >> lev) & 1 = 1 LOOP
			SELECT sha256('\x01'::bytea || substring(hashes FROM 32 * lev + 1 FOR 32) || node) INTO node
			FROM apikeys.audit_tree WHERE workspace = ws AND position = ((n >> lev) << lev) - 1;
			nodes := nodes || node;
			lev := lev + 1;
		END LOOP;
		UPDATE apikeys.audit_tree SET position = n, hashes = nodes WHERE audit_id = l.audit_id;
		n := n + 1;
	END LOOP;
END $$;
SELECT pg_temp.tamper($$SELECT pg_temp.regrow('acme')$$, :'anchor') AS "rewritten as it was";
SELECT pg_temp.tamper($$DELETE FROM apikeys.audit_tree WHERE audit_id = 17; DELETE FROM apikeys.audit_log WHERE audit_id = 17; SELECT pg_temp.regrow('acme')$$) AS "one less, rewritten",
	pg_temp.tamper($$DELETE FROM apikeys.audit_tree WHERE audit_id = 17; DELETE FROM apikeys.audit_log WHERE audit_id = 17; SELECT pg_temp.regrow('acme')$$, :'anchor') AS "with a checkpoint",
	pg_temp.tamper($$UPDATE apikeys.audit_tree SET position = -position, sequence = -sequence WHERE audit_id IN (7, 8);
		UPDATE apikeys.audit_tree t SET position = -o.position, sequence = -o.sequence FROM apikeys.audit_tree o WHERE o.audit_id = 15 - t.audit_id AND t.audit_id IN (7, 8);
		SELECT pg_temp.regrow('acme')$$, :'anchor') AS "two swapped, with a checkpoint";

-- After a purge, which keeps the last entry of everything that there is: rows invented, widened, deleted.
BEGIN;
SELECT apikeys.purge_audit_logs(clock_timestamp(), w) > 0 FROM unnest('{"",acme,default}'::text[]) AS w;
SELECT workspace, activity FROM apikeys.audit_logs WHERE entity <> 'Audit Logs' ORDER BY audit_id;
SELECT workspace, entries, ok, problem FROM apikeys.verify_audit_logs(NULL, :'anchor');
SELECT t AS "altered", pg_temp.tamper(sql) AS found, pg_temp.tamper(sql, :'anchor') = pg_temp.tamper(sql) AS "the same with a checkpoint" FROM (VALUES
	('access invented', $$INSERT INTO apikeys.access SELECT (jsonb_populate_record(a, '{"role": "eve", "audit_id": 3, "grant_id": "00000000-0000-4000-8000-000000000000"}')).* FROM apikeys.access a$$),
	('access widened', $$UPDATE apikeys.access SET capability = 'admin' WHERE capability = 'audit'$$),
	('access gone', $$DELETE FROM apikeys.access WHERE capability = 'audit'$$),
	('access that was revoked', $$INSERT INTO apikeys.access SELECT * FROM was$$),
	('team invented', $$INSERT INTO apikeys.team_member SELECT (jsonb_populate_record(m, '{"actor": "eve"}')).* FROM apikeys.team_member m WHERE actor = 'ann'$$),
	('team gone', $$DELETE FROM apikeys.team_member WHERE actor = 'ann'$$),
	('team of before', $$DELETE FROM apikeys.team_member; INSERT INTO apikeys.team_member SELECT * FROM was_member$$),
	('workspace invented', $$INSERT INTO apikeys.workspace SELECT (jsonb_populate_record(w, '{"workspace": "eve"}')).* FROM apikeys.workspace w WHERE workspace = 'acme'$$),
	('workspace gone', $$DELETE FROM apikeys.workspace WHERE workspace = 'acme'$$),
	('API invented', $$INSERT INTO apikeys.api SELECT (jsonb_populate_record(a, '{"api": "eve", "audit_id": 11}')).* FROM apikeys.api a WHERE api = 'bills'$$),
	('API gone', $$DELETE FROM apikeys.api WHERE api = 'bills'$$),
	('key gone', $$DELETE FROM apikeys.key WHERE name = 'Other'$$),
	('key as it was before', $$DELETE FROM apikeys.key WHERE name = 'Other'; INSERT INTO apikeys.key SELECT * FROM before$$)
) AS v (t, sql);
ROLLBACK;
-- A key, an access deleted without triggers, then an ordinary purge: the last entry stays, and is missed.
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM apikeys.key WHERE name = 'K1 new';
DELETE FROM apikeys.access WHERE capability = 'audit';
SET LOCAL session_replication_role = origin;
SELECT apikeys.purge_audit_logs(clock_timestamp(), w) > 0 FROM unnest('{"",acme}'::text[]) AS w;
SELECT workspace, ok, first_bad, problem FROM apikeys.verify_audit_logs();
ROLLBACK;

-- Checkpoints that are not ours, or not of this log.
\set VERBOSITY terse
SELECT note AS ours FROM apikeys.audit_checkpoint('acme') \gset
SELECT n.message, c FROM (VALUES (''), ('x'), (E'x\n'), ('[]'), (E'apikeys/1/2/registry\n1\n'), (E'a b\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n'),
	(E'apikeys/1/2/registry\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n'), (E'apikeys/1/2/registry\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n'),
	(E'apikeys/1/2/registry\n99999999999999999999\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n'), (E'apikeys/1/2/registry\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n'),
	(E'apikeys/1/2/registry\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n'), (E'apikeys/1/2/registry\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n'),
	(E'go.sum\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n'),
	(E'apikeys/x\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n'), (E'apikeys/1/2/workspace/\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n')) AS v (c),
	LATERAL pg_temp.refused(format('SELECT FROM apikeys.verify_audit_logs(NULL, ARRAY[%L])', c)) AS n (message);
SELECT FROM apikeys.verify_audit_logs(checkpoints => '{NULL}');
SELECT FROM apikeys.verify_audit_logs('default', ARRAY[:'ours']);
SELECT FROM apikeys.verify_audit_logs('nowhere');
SELECT count(*) FROM apikeys.verify_audit_logs(checkpoints => '{}') WHERE NOT ok;
-- larger than the tree, with another root, of a workspace that is not there, of another database
SELECT v, workspace, entries, ok, first_bad, problem FROM (VALUES
	('as it was', :'ours'),
	('copied without its last newline', rtrim(:'ours', E'\n')),
	('larger', regexp_replace(:'ours', '\n\d+\n', E'\n1000\n')),
	('smaller', regexp_replace(:'ours', '\n\d+\n', E'\n3\n')),
	('empty', regexp_replace(:'ours', '\n\d+\n', E'\n0\n')),
	('another root', regexp_replace(:'ours', '\n[^\n]{43}=\n', E'\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n')),
	('of elsewhere', replace(:'ours', 'workspace/acme', 'workspace/elsewhere')),
	('of another database, the same tree', regexp_replace(:'ours', 'apikeys/\d+/\d+/', 'apikeys/1/2/')),
	('of another database, another tree', regexp_replace(regexp_replace(:'ours', 'apikeys/\d+/\d+/', 'apikeys/1/2/'), '\n\d+\n', E'\n3\n'))) AS c (v, note),
	LATERAL apikeys.verify_audit_logs(checkpoints => ARRAY[note]) WHERE workspace IN ('acme', 'elsewhere');
-- Another's entries are no false alarm, and neither are one's own that are not committed.
BEGIN;
SELECT apikeys.create_key('Mine', '{data}', 'acme') \g /dev/null
SELECT workspace, entries, ok FROM apikeys.verify_audit_logs();
SAVEPOINT s;
SELECT apikeys.create_key('Mine 2', '{data}', 'acme') \g /dev/null
ROLLBACK TO s;
SELECT workspace, entries, ok, first_bad, problem FROM apikeys.verify_audit_logs('acme', ARRAY[:'ours']);
COMMIT;
CALL apikeys.sequence_audit_logs();
SELECT workspace, entries, ok FROM apikeys.verify_audit_logs();

DROP TABLE before, was, was_member, was_workspace;
SET client_min_messages = warning; DROP EXTENSION apikeys CASCADE; RESET client_min_messages;
DROP ROLE regress_ak_one;
