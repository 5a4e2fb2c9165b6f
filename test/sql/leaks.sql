-- Secrets in texts: find_secrets(); and the regular expression of secret_pattern(), which scanners use, in two engines.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
SELECT apikeys.create_workspace('acme', prefix => 'acme_live'), apikeys.create_workspace('rival') \g /dev/null
SELECT k.key AS mine, k.key_id AS mine_id FROM apikeys.create_key('Mine', '{data}') AS k \gset
SELECT k.key AS live FROM apikeys.create_key('Live', '{data}', 'acme') AS k \gset
SELECT k.key AS theirs FROM apikeys.create_key('Theirs', '{data}', 'rival') AS k \gset
SELECT k.key AS old, k.key_id AS old_id FROM apikeys.create_key('Old', '{data}', 'acme') AS k \gset
SELECT k.key AS new FROM apikeys.regenerate_key(:'old_id', '1 hour') AS k \gset
SELECT k.key AS gone, k.key_id AS gone_id FROM apikeys.create_key('Gone', '{data}', 'acme') AS k \gset
SELECT (apikeys.archive_key(:'gone_id')).state;

-- in a log, a URL, JSON, beside each other, behind other text and before more of it; in the order of the text
SELECT f.key = w.key AS right_text, f.valid_checksum, f.key_id = i.key_id AS right_key, f.workspace, f.name, f.state
FROM apikeys.find_secrets(format(E'2026-11-29 GET /x?api_key=%s&y=1 %s\t{"k":"%s"}\n%s,%s/%sX foo_%s.%s', :'mine', :'live', :'theirs', :'old', :'new', :'gone', :'mine', :'live'))
	WITH ORDINALITY AS f (key, valid_checksum, key_id, workspace, name, state, n)
JOIN unnest(ARRAY[:'mine', :'live', :'theirs', :'old', :'new', :'gone', :'mine', :'live']) WITH ORDINALITY AS w (key, n) USING (n)
LEFT JOIN LATERAL apikeys.identify_key(w.key) AS i ON true ORDER BY n;
-- of our shape, but with a wrong checksum; ours, but nobody's; none
SELECT f.key = w.key AS right_text, f.valid_checksum, f.key_id IS NOT NULL AS somebodys, f.state FROM (VALUES (overlay(:'mine' PLACING '!' FROM 10)), (left(:'mine', -1)), (:'mine' || 'x'), ('x_' || left(:'mine', -2) || 'zz'),
	('ak_00000000000000000000000000000000000000000000zzzzz'), ('ak_00000000000000000000000000000000000000000002PL60u'), ('ak__00000000000000000000000000000000000000000000zzzzz'), (NULL), ('')) AS w (key)
LEFT JOIN LATERAL apikeys.find_secrets(w.key) AS f ON true;
SELECT count(*) FROM apikeys.find_secrets(repeat('ak_', 100000) || repeat('a', 100000));
SELECT count(*) FROM apikeys.find_secrets(repeat('Grüße 😀 ' || :'mine' || ' ', 1000)) WHERE key_id = :'mine_id';

-- nothing written before a secret hides it
SELECT f.key = :'mine' AS right_text, f.valid_checksum, f.name FROM unnest(ARRAY['q_' || repeat('a', 47), 'q_' || repeat('a', 49) || '_', repeat('ak_', 30), 'ak_' || repeat('0', 43) || '2PL60u_']) AS before, apikeys.find_secrets(before || :'mine') AS f;

-- not counted, and each role is told of what it may see
SELECT sum(valid + denied) FROM apikeys.key_usage;
CREATE ROLE regress_ak_viewer;
SELECT apikeys.grant_access('regress_ak_viewer', 'view', 'acme') \g /dev/null
SET ROLE regress_ak_viewer;
SELECT valid_checksum, workspace, name, state FROM apikeys.find_secrets(:'mine' || ' ' || :'theirs' || ' ' || :'live' || ' ' || :'gone');
SELECT apikeys.secret_pattern(), apikeys.secret_pattern('acme');
SELECT pg_temp.refused($$SELECT apikeys.secret_pattern('rival')$$);
RESET ROLE;
SET apikeys.workspace = 'rival';
SELECT valid_checksum, workspace, name, state FROM apikeys.find_secrets(:'mine' || ' ' || :'theirs');
SELECT apikeys.secret_pattern();
SELECT pg_temp.refused($$SELECT apikeys.secret_pattern('acme')$$);
RESET apikeys.workspace;
SELECT apikeys.secret_pattern(), apikeys.secret_pattern('acme'), apikeys.secret_pattern(NULL);
SELECT pg_temp.refused($$SELECT apikeys.secret_pattern('nowhere')$$);

-- 10,000 secrets and 10,000 near misses: each line with a secret, and no other, matches, in every engine
CREATE TEMPORARY TABLE line (line text, secret boolean);
INSERT INTO line SELECT 'key: ' || k.key || ' in a line', true FROM generate_series(1, 5000) AS i, apikeys.create_key('s' || i, '{data}') AS k;
INSERT INTO line SELECT CASE i % 4 WHEN 0 THEN k.key WHEN 1 THEN '"' || k.key || '"' WHEN 2 THEN 'X=' || k.key || ';' ELSE 'https://x/?k=' || k.key || '&z' END, true
	FROM generate_series(1, 5000) AS i, apikeys.create_key('s' || i, '{data}', 'acme') AS k;
INSERT INTO line SELECT CASE i % 10
	WHEN 0 THEN left(secret, -1)					-- a character is missing
	WHEN 1 THEN secret || '7'						-- or too many
	WHEN 2 THEN secret || '_x'
	WHEN 3 THEN overlay(secret PLACING '-' FROM 20)	-- or another one
	WHEN 4 THEN overlay(secret PLACING ' ' FROM 30)
	WHEN 5 THEN 'x' || secret						-- within a word
	WHEN 6 THEN 'x_' || secret						-- another prefix
	WHEN 7 THEN upper(left(secret, 2)) || substr(secret, 3)
	WHEN 8 THEN replace(secret, '_', '-')
	ELSE 'bk' || substr(secret, 3) END, false
FROM (SELECT i, substring(line FROM '(?:ak|acme_live)_[0-9A-Za-z]{49}') AS secret FROM (SELECT row_number() OVER () AS i, line FROM line) AS l) AS s;
SELECT secret, count(*) FROM line GROUP BY 1 ORDER BY 1 DESC;
SELECT apikeys.secret_pattern() AS pattern \gset
\setenv AK_PATTERN :pattern

-- PCRE, and Python's own
\copy (SELECT line FROM line WHERE secret) TO PROGRAM 'grep -cP "$AK_PATTERN"; cat >/dev/null'
\copy (SELECT line FROM line WHERE NOT secret) TO PROGRAM 'grep -cP "$AK_PATTERN"; cat >/dev/null'
\copy (SELECT line FROM line WHERE secret) TO PROGRAM 'python3 -c "import os,re,sys; p=re.compile(os.environ[''AK_PATTERN'']); print(sum(1 for l in sys.stdin if p.search(l)))"'
\copy (SELECT line FROM line WHERE NOT secret) TO PROGRAM 'python3 -c "import os,re,sys; p=re.compile(os.environ[''AK_PATTERN'']); print(sum(1 for l in sys.stdin if p.search(l)))"'
-- find_secrets() finds each secret, with its key
SELECT count(*) AS lines, count(DISTINCT f.key_id) AS keys FROM line l, apikeys.find_secrets(l.line) AS f WHERE l.secret AND f.valid_checksum;

-- a disabled key, and one with an old secret
SELECT state FROM apikeys.disable_key(:'mine_id');
SELECT valid_checksum, name, state FROM apikeys.find_secrets(:'mine' || ' ' || :'old' || ' ' || :'new');
-- a prefix that was used before is not forgotten: its secrets are still valid, found, reported, and in the pattern; each once, oldest first
SELECT apikeys.create_workspace('renamed', prefix => 'first') \g /dev/null
SELECT k.key AS first, k.key_id AS first_id FROM apikeys.create_key('First', '{data}', 'renamed') AS k \gset
SELECT apikeys.update_workspace('renamed', prefix => p) FROM unnest('{second,first,third,third,second}'::text[]) AS p \g /dev/null
SELECT prefix, former_prefixes FROM apikeys.workspace WHERE workspace = 'renamed';
SELECT apikeys.secret_pattern('renamed');
SELECT (apikeys.validate_key(:'first')).code, f.valid_checksum, f.name, :'first' ~ replace(apikeys.secret_pattern('renamed'), '\b', '\y') AS matches FROM apikeys.find_secrets('x' || :'first') AS f;
SELECT count(*) FROM apikeys.regenerate_key(:'first_id', '1 hour');
SELECT apikeys.report_leak(jsonb_build_array(jsonb_build_object('token', :'first', 'type', 't'))) -> 0 ->> 'label' AS label;
-- it is written by the trigger alone, and a workspace of the same name begins anew
SELECT pg_temp.refused($$UPDATE apikeys.workspace SET former_prefixes = NULL WHERE workspace = 'renamed'$$);
UPDATE apikeys.workspace SET prefix = 'fourth' WHERE workspace = 'renamed';
INSERT INTO apikeys.workspace (workspace, prefix, former_prefixes) VALUES ('direct', 'five', '{forged}');
SELECT workspace, prefix, former_prefixes FROM apikeys.workspace WHERE workspace IN ('renamed', 'direct') ORDER BY 1;
SELECT count(apikeys.archive_key(:'first_id')), apikeys.drop_workspace('renamed'), apikeys.create_workspace('renamed', prefix => 'new') \g /dev/null
SELECT apikeys.secret_pattern('renamed');
SELECT workspace, problem FROM apikeys.verify_audit_logs() WHERE NOT ok;

DROP OWNED BY regress_ak_viewer;
DROP ROLE regress_ak_viewer;
