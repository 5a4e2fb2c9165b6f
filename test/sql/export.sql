-- export_audit_logs: RFC 4180, the same as COPY of the same columns, with no cell that a spreadsheet takes for a formula.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;
SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German';

BEGIN;
SELECT apikeys.act_as('Ann "A" O''Hara, Ltd.', 'x,y', '2001:db8::7');
SELECT name FROM apikeys.create_key('"', '{data}');
SELECT name FROM apikeys.create_key(', "," ,', '{data}');
SELECT apikeys.act_as('=cmd()', '-1', '192.0.2.255');
SELECT name FROM apikeys.create_key('Ключ 𐍈', '{data}');
SELECT apikeys.act_as('＝cmd()', '＋1', '192.0.2.7');
SELECT name FROM apikeys.create_key('wide', '{data}');
SELECT apikeys.act_as('＠cmd()', '－1', '192.0.2.7');
SELECT name FROM apikeys.create_key('wide, too', '{data}');
SELECT apikeys.act_as('plain', NULL, '0.0.0.0');
SELECT name FROM apikeys.create_key(' x ', '{data}');
COMMIT;
SELECT regexp_replace(line, '^[-0-9]{10} [0-9:]{8}([.][0-9]+)?\+00,', 'time,') FROM apikeys.export_audit_logs() AS line;

-- What only those can write who get past the triggers: line ends, empty texts, networks, times of all sorts.
ALTER TABLE apikeys.audit_log DISABLE TRIGGER guard;
INSERT INTO apikeys.audit_log (audit_id, "time", team, entity, action, activity, actor, ip, subject, db_user, digest) VALUES
	(101, '2026-01-31 23:59:59.25+00', E'a\nb', 'APIs', 'Create', E'\r', E'\n', '10.0.0.0/8', '{}', '', ''),
	(102, '0044-03-15 12:00:00+00 BC', '', 'APIs', 'Create', '', '', '::ffff:1.2.3.4', '{}', '', ''),
	(103, 'infinity', '""', 'APIs', 'Create', '""""', 'a"', '::/0', '{}', '', ''),
	(104, '-infinity', ',', 'APIs', 'Create', repeat('"', 10000), '"a', '1.2.3.4/32', '{}', '', ''),
	(105, '294276-12-31 23:59:59.999999+00', '\.', 'APIs', 'Create', '\N', 'NULL', '1.2.3.4/31', '{}', '', '');
ALTER TABLE apikeys.audit_log ENABLE TRIGGER guard;
SELECT left(line, 100) FROM apikeys.export_audit_logs(entities => '{APIs}') AS line;

-- Read back, it is what was there, but for the apostrophe before what a spreadsheet would run.
CREATE FUNCTION pg_temp.defused(t text) RETURNS text LANGUAGE sql AS
$$ SELECT CASE WHEN t ~ E'^[-=+@＝＋－＠\\t\\r\\n]' THEN '''' ELSE '' END || t $$;
SET TimeZone = 'UTC'; SET DateStyle = 'ISO';
CREATE TEMP TABLE back (place serial, "time" timestamptz, team text, entity text, activity text, action text, actor text, ip inet);
CREATE FUNCTION pg_temp.cells(line text) RETURNS text[] LANGUAGE sql AS
$$ SELECT array_agg(CASE WHEN m[1] LIKE '"%' THEN replace(substr(m[1], 2, length(m[1]) - 2), '""', '"') ELSE m[1] END ORDER BY n)
	FROM regexp_matches(line, '(?:^|,)("(?:[^"]|"")*"|[^",]*)', 'g') WITH ORDINALITY AS r (m, n) $$;
INSERT INTO back ("time", team, entity, activity, action, actor, ip)
SELECT c[1]::timestamptz, c[2], c[3], c[4], c[5], c[6], nullif(c[7], '')::inet
FROM apikeys.export_audit_logs() WITH ORDINALITY AS e (line, n), LATERAL pg_temp.cells(line) AS c WHERE n > 1 ORDER BY n;
SELECT count(*) FROM back;
SELECT * FROM (SELECT row_number() OVER (ORDER BY audit_id DESC) AS place, "time", pg_temp.defused(coalesce(team, '')) AS team, entity, pg_temp.defused(activity) AS activity, action,
	pg_temp.defused(actor) AS actor, ip FROM apikeys.audit_log) AS l FULL JOIN back b USING (place)
WHERE (l."time", l.team, l.entity, l.activity, l.action, l.actor, l.ip) IS DISTINCT FROM (b."time", b.team, b.entity, b.activity, b.action, b.actor, b.ip);
-- The filters are those of the search.
SELECT (SELECT count(*) - 1 FROM apikeys.export_audit_logs('key', NULL, '{"x,y"}', '{Create}', '{"Ann \"A\" O''Hara, Ltd."}', now() - interval '1 hour',
	'infinity', '{API Keys}')) AS exported,
	(SELECT count(*) FROM apikeys.search_audit_logs('key', NULL, '{"x,y"}', '{Create}', '{"Ann \"A\" O''Hara, Ltd."}', now() - interval '1 hour',
	'infinity', '{API Keys}')) AS found;
SELECT count(*) FROM apikeys.export_audit_logs(key_id => apikeys.key_id('x'));
SELECT apikeys.export_audit_logs('nothing of the kind');
-- Reading writes nothing.
BEGIN READ ONLY;
SELECT count(*) FROM apikeys.export_audit_logs();
SELECT count(*) FROM apikeys.search_audit_logs(max_rows => 2147483647);
COMMIT;
SET client_min_messages = warning; DROP EXTENSION apikeys CASCADE; RESET client_min_messages;
