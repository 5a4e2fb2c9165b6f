-- Make :entries entries of the audit log, nearly all by create_key(), in five workspaces, by twenty actors of four teams; a few
-- regenerate and archive keys. An actor's entries follow on each other: the first one's are the oldest.
\set ON_ERROR_STOP on
SET client_min_messages = error;
SET synchronous_commit = off;
SELECT apikeys.create_workspace('log' || i) FROM generate_series(1, 5) i \g /dev/null
DO $$
BEGIN
	FOR i IN 1..20 LOOP
		PERFORM apikeys.act_as('actor' || i || '@example.com', 'Team ' || i % 4, '192.0.2.' || i);
		PERFORM count(key_id) FROM generate_series(1, greatest(current_setting('bench.entries')::integer / 20 - 10, 10)) n,
			LATERAL apikeys.create_key('Key ' || i || '-' || n, '{data,push}', 'log' || n % 5 + 1);
		PERFORM count(r.key_id) FROM generate_series(1, 5) n,
			LATERAL apikeys.regenerate_key(apikeys.key_id('Key ' || i || '-' || n)) r;
		PERFORM count(a.key_id) FROM generate_series(6, 10) n,
			LATERAL apikeys.archive_key(apikeys.key_id('Key ' || i || '-' || n)) a;
		COMMIT;
	END LOOP;
END $$;
-- What a purge may take: all but the last entry of each key.
SELECT apikeys.create_workspace('purged' || w) FROM generate_series(1, 5) w \g /dev/null
SELECT count(k.key_id) FROM generate_series(1, 5) w, generate_series(1, 100) n,
	LATERAL apikeys.create_key('Key ' || n, '{data}', 'purged' || w) k \g /dev/null
DO $$
BEGIN
	FOR i IN 1..greatest(1, current_setting('bench.entries')::integer / 5000) LOOP
		PERFORM count(u.key_id) FROM apikeys.key k, LATERAL apikeys.update_key(k.key_id, team => 'Team ' || i) u
		WHERE k.workspace ~ '^purged';
		COMMIT;
	END LOOP;
END $$;

-- What is asked of the log.
SELECT "time" AS middle, audit_id AS middle_id, key_id AS middle_key
FROM apikeys.audit_log WHERE key_id IS NOT NULL ORDER BY audit_id OFFSET :entries / 2 LIMIT 1 \gset
INSERT INTO bench.arm (kind, calls, arm, query)
SELECT kind, 1, arm, format('SELECT count(*) FROM apikeys.search_audit_logs(%s)', arguments)
FROM (VALUES
	('page', 'no filter', ''),
	('page', 'one workspace', $$workspace => 'log3'$$),
	('page', 'one team', $$teams => '{Team 2}'$$),
	('page', 'a frequent action', $$actions => '{Create}'$$),
	('page', 'a rare action', $$actions => '{Delete}'$$),
	('page', 'one actor', $$actors => '{actor7@example.com}'$$),
	('page', 'an actor who is not there', $$actors => '{nobody}'$$),
	('page', 'a rare entity', $$entities => '{Workspaces}'$$),
	('page', 'one key', format('key_id => %L', :'middle_key')),
	('page', 'since and until', format('since => %L, until => %L', :'middle'::timestamptz - interval '1 second', :'middle')),
	('page', 'workspace, team, action and actor',
		$$workspace => 'log3', teams => '{Team 3}', actions => '{Create}', actors => '{actor3@example.com}'$$),
	('page', 'a page deep in the log', format('before_id => %s', :middle_id)),
	-- found at once
	('substring', 'of every entry', $$'created key'$$),
	('substring', 'a date', format('%L', left(:'middle', 10))),
	('substring', 'three characters', $$'7-3'$$),
	-- found after a while
	('substring', 'of a rare entry', $$'archived'$$),
	('substring', 'an actor of long ago', $$'actor3@example.com'$$),
	('substring', 'an address of long ago', $$'192.0.2.3'$$),
	('substring', 'three characters of long ago', $$' 3-'$$),
	('substring', 'a time', format('%L', substr(:'middle', 12, 10))),
	('substring', 'the names of many keys', $$'created key "Key 7-3'$$),
	-- found in one entry or two
	('substring', 'of one entry', $$'key 7-33"'$$),
	('substring', 'of the oldest key', $$'key 1-1"'$$),
	('substring', 'of an entry as old as the log', $$'"log1"'$$),
	-- found nowhere
	('substring', 'of none', $$'no such thing'$$),
	('substring', 'three characters of none', $$'qqq'$$),
	('substring', 'words of every entry, not in this order', $$'key created'$$),
	('substring', 'runs of three characters of every entry, not in a row', $$'createam'$$),
	('substring', 'more digits than there are in a row', $$'1111111'$$),
	('substring', 'an address of none', $$'192.0.2.99'$$),
	('substring', 'a time that never was', $$'25:61:61'$$)
) AS a (kind, arm, arguments);
INSERT INTO bench.arm (kind, calls, arm, query) VALUES
	('export', 1, 'export', $$COPY (SELECT * FROM apikeys.export_audit_logs()) TO '/dev/null'$$),
	('export', 1, 'copy', $$COPY (SELECT "time", team, entity, activity, action, actor, ip FROM apikeys.audit_log
		ORDER BY audit_id DESC) TO '/dev/null' CSV HEADER$$),
	('verify', 1, 'verify', 'SELECT count(*) FROM apikeys.verify_audit_logs()'),
	('verify', 1, 'sha256', $$SELECT count(sha256(convert_to(l::text, 'UTF8'))) FROM apikeys.audit_log l$$);
INSERT INTO bench.arm (kind, calls, arm, query) VALUES
	('proof', 100, 'proof', $$SELECT count(apikeys.audit_inclusion_proof(audit_id)) FROM (SELECT audit_id FROM apikeys.audit_log
		WHERE workspace = 'log3' AND hashint8(audit_id) % 97 = 0 LIMIT 100) e$$);
CREATE SEQUENCE bench.purged;
INSERT INTO bench.arm (kind, calls, arm, query)
SELECT 'purge', greatest(1, :entries / 5000) * 100, 'purge', $$SELECT apikeys.purge_audit_logs(clock_timestamp(), 'purged' || nextval('bench.purged'))$$;
INSERT INTO bench.arm (kind, calls, arm, query) VALUES
	('others', 100, 'status()', 'SELECT count(apikeys.status()) FROM generate_series(1, 100)');
-- What asking for a report costs who asks; mailing it is the worker's.
SELECT count(*) > 0 AS mail FROM pg_config, LATERAL pg_stat_file(setting || '/apikeys_mail.so', true) AS f
WHERE name = 'PKGLIBDIR' AND f.size IS NOT NULL \gset
\if :mail
INSERT INTO bench.arm (kind, calls, arm, query) VALUES
	('others', 1, 'email_audit_logs of the entries of one key',
		format($$SELECT apikeys.email_audit_logs('ann@example.com', key_id => %L)$$, :'middle_key')),
	('others', 1, 'email_audit_logs of one entry in twenty',
		$$SELECT apikeys.email_audit_logs('ann@example.com', actors => '{actor7@example.com}')$$);
\endif
VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
