-- verify_audit_log: whatever somebody who got past the triggers does is found, and the first bad entry named.
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
SELECT workspace, entries, ok, first_bad, problem FROM apikeys.verify_audit_log();

-- Does something under no trigger, tells what verification finds, and undoes it.
CREATE FUNCTION pg_temp.tamper(sql text, anchors jsonb = NULL, workspace text = NULL) RETURNS text LANGUAGE plpgsql AS $$
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
			FROM apikeys.verify_audit_log(tamper.workspace, anchors) AS v WHERE NOT ok;
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
SELECT n AS entry, pg_temp.tamper(format('UPDATE apikeys.audit_log SET actor = ''eve'' WHERE audit_id = %s', n)) FROM unnest('{1,6,11,22}'::integer[]) AS n;
-- Every column of a link.
SELECT c.attname AS "altered", pg_temp.tamper(format('UPDATE apikeys.audit_link SET %I = %s WHERE audit_id = 7', c.attname,
	CASE c.attname WHEN 'workspace' THEN '''default''' WHEN 'position' THEN '1000' WHEN 'audit_id' THEN '1000' ELSE 'sha256(''x'')' END))
FROM pg_attribute AS c WHERE c.attrelid = 'apikeys.audit_link'::regclass AND c.attnum > 0 ORDER BY c.attnum;
SELECT pg_temp.tamper('UPDATE apikeys.audit_link SET link = ''short'' WHERE audit_id = 7') AS "a short link";

-- Removed: the first, one in the middle, the last; the entry alone, its link alone, both. The last with its link is missed
-- by its key, and in any case by an anchor.
SELECT apikeys.audit_anchor() AS anchor \gset
SELECT n AS removed, pg_temp.tamper(format('DELETE FROM apikeys.audit_log WHERE audit_id = %s', n)) AS entry,
	pg_temp.tamper(format('DELETE FROM apikeys.audit_link WHERE audit_id = %s', n)) AS link,
	pg_temp.tamper(format('WITH l AS (DELETE FROM apikeys.audit_link WHERE audit_id = %1$s) DELETE FROM apikeys.audit_log WHERE audit_id = %1$s', n)) AS both
FROM unnest('{1,7,20,21,22}'::integer[]) AS n;
SELECT pg_temp.tamper($$WITH l AS (DELETE FROM apikeys.audit_link WHERE audit_id IN (2, 7, 22)), k AS (DELETE FROM apikeys.key WHERE name = 'K1 new')
	DELETE FROM apikeys.audit_log WHERE key_id = (SELECT key_id FROM apikeys.key WHERE name = 'K1 new')$$) AS "a key with all its entries";
SELECT pg_temp.tamper('WITH l AS (DELETE FROM apikeys.audit_link WHERE audit_id = 18) DELETE FROM apikeys.audit_log WHERE audit_id = 18') AS "the last of a chain",
	pg_temp.tamper('WITH l AS (DELETE FROM apikeys.audit_link WHERE audit_id = 18) DELETE FROM apikeys.audit_log WHERE audit_id = 18', :'anchor') AS "with an anchor",
	pg_temp.tamper('WITH l AS (DELETE FROM apikeys.audit_link) DELETE FROM apikeys.audit_log', :'anchor') AS "all of it, with an anchor";

-- Inserted: an entry alone, one with a link at the end, a second link.
SELECT pg_temp.tamper($$INSERT INTO apikeys.audit_log SELECT (jsonb_populate_record(a, '{"audit_id": 500}')).* FROM apikeys.audit_log a WHERE audit_id = 7$$) AS "an entry",
	pg_temp.tamper($$WITH l AS (INSERT INTO apikeys.audit_link VALUES ('acme', 18, 500, sha256('x')))
		INSERT INTO apikeys.audit_log SELECT (jsonb_populate_record(a, '{"audit_id": 500}')).* FROM apikeys.audit_log a WHERE audit_id = 7$$) AS "with a link",
	pg_temp.tamper($$INSERT INTO apikeys.audit_link SELECT 'acme', 18, 7, sha256('x')$$) AS "a second link",
	pg_temp.tamper($$INSERT INTO apikeys.audit_link SELECT 'gone', 1, 7, sha256('x')$$) AS "in a chain of its own";
-- Reordered: two entries change places.
SELECT pg_temp.tamper('UPDATE apikeys.audit_link SET audit_id = CASE audit_id WHEN 7 THEN 8 ELSE 7 END WHERE audit_id IN (7, 8)') AS "two links swapped",
	pg_temp.tamper('UPDATE apikeys.audit_log SET audit_id = -audit_id WHERE audit_id IN (7, 8)') AS "two entries renumbered";
-- Moved to another workspace, with and without its link.
SELECT pg_temp.tamper($$UPDATE apikeys.audit_log SET workspace = 'default' WHERE audit_id = 21$$) AS "moved",
	pg_temp.tamper($$UPDATE apikeys.audit_log SET workspace = 'default' WHERE audit_id = 21$$, NULL, 'acme') AS "one workspace verified",
	pg_temp.tamper($$UPDATE apikeys.audit_log SET workspace = 'nowhere' WHERE audit_id = 21$$) AS "to nowhere",
	pg_temp.tamper($$WITH l AS (UPDATE apikeys.audit_link SET workspace = 'default', position = 2 WHERE audit_id = 22)
		UPDATE apikeys.audit_log SET workspace = 'default' WHERE audit_id = 22$$) AS "with its link";

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

-- A chain that was rewritten whole, with right links, is sound in itself; an anchor shows it.
SELECT apikeys.audit_anchor() AS anchor \gset
CREATE FUNCTION pg_temp.relink(ws text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	l record;
	previous bytea = decode(repeat('00', 32), 'hex');
	n bigint = 0;
BEGIN
	FOR l IN SELECT k.ctid, k.audit_id, a.digest FROM apikeys.audit_link k JOIN apikeys.audit_log a USING (audit_id) WHERE k.workspace = ws ORDER BY position LOOP
		n := n + 1;
		previous := sha256('\x01'::bytea || previous || int8send(n) || l.digest);
		UPDATE apikeys.audit_link SET position = n, link = previous WHERE ctid = l.ctid;
	END LOOP;
END $$;
SELECT pg_temp.tamper($$SELECT pg_temp.relink('acme')$$, :'anchor') AS "rewritten as it was";
SELECT pg_temp.tamper($$DELETE FROM apikeys.audit_link WHERE audit_id = 17; DELETE FROM apikeys.audit_log WHERE audit_id = 17; SELECT pg_temp.relink('acme')$$) AS "one less, rewritten",
	pg_temp.tamper($$DELETE FROM apikeys.audit_link WHERE audit_id = 17; DELETE FROM apikeys.audit_log WHERE audit_id = 17; SELECT pg_temp.relink('acme')$$, :'anchor') AS "with an anchor";

-- Anchors that are not ours.
\set VERBOSITY terse
SELECT FROM apikeys.verify_audit_log(anchors => '[]');
SELECT FROM apikeys.verify_audit_log(anchors => '1');
SELECT FROM apikeys.verify_audit_log(anchors => 'null');
SELECT FROM apikeys.verify_audit_log(anchors => '{"acme": null}');
SELECT FROM apikeys.verify_audit_log(anchors => '{"acme": {"position": 1, "audit_id": 1}}');
SELECT FROM apikeys.verify_audit_log(anchors => '{"acme": {"position": -1, "audit_id": 1, "link": "00"}}');
SELECT FROM apikeys.verify_audit_log(anchors => '{"acme": {"position": 99999999999999999999, "audit_id": 1, "link": ""}}');
SELECT FROM apikeys.verify_audit_log('nowhere');
SELECT count(*) FROM apikeys.verify_audit_log(anchors => '{}') WHERE NOT ok;
SELECT workspace, entries, ok, first_bad, problem FROM apikeys.verify_audit_log(anchors => jsonb_build_object('elsewhere', '{"position": 3, "audit_id": 77}'::jsonb || jsonb_build_object('link', repeat('0', 64))));
-- Another's entries are no false alarm, and neither are one's own that are not committed.
BEGIN;
SELECT apikeys.create_key('Mine', '{data}', 'acme') \g /dev/null
SELECT workspace, entries, ok FROM apikeys.verify_audit_log();
SAVEPOINT s;
SELECT apikeys.create_key('Mine 2', '{data}', 'acme') \g /dev/null
ROLLBACK TO s;
SELECT workspace, entries, ok, first_bad, problem FROM apikeys.verify_audit_log('acme', :'anchor');
COMMIT;
SELECT workspace, entries, ok FROM apikeys.verify_audit_log();

DROP TABLE before, was, was_member, was_workspace;
SET client_min_messages = warning; DROP EXTENSION apikeys CASCADE; RESET client_min_messages;
DROP ROLE regress_ak_one;
