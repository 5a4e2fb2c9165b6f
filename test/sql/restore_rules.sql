-- How the triggers treat rows of a dump: a row that brings its right digest passes as it is, without an entry; any other row is
-- new.
\set ECHO none
\i test/lib/regress.sql

SELECT apikeys.update_workspace('default', 'Renamed', archive_limit => 2), apikeys.create_workspace('acme', prefix => 'acme'), apikeys.register_api('billing'), apikeys.add_team_member('ann', 'Platform') \g /dev/null
SELECT apikeys.unregister_api('segmentation');
CREATE ROLE regress_ak_app;
SELECT apikeys.grant_access('regress_ak_app', 'view', 'acme');
SELECT key_id AS a_id, key AS a_old FROM apikeys.create_key('A', '{data,billing}', team => 'T', expires_at => '2999-01-01 00:00+00', allowed_cidrs => '{192.0.2.0/24,2001:db8::/32}', rate_limit => 100, rate_window => '1 mon 2 days 03:04:05.678', metadata => '{"ü": [1.50, null]}') \gset
SELECT key AS a FROM apikeys.regenerate_key(:'a_id', '1 hour') \gset
SELECT key_id AS b_id, key AS b FROM apikeys.create_key('B', '{push}', 'acme') \gset
SELECT (apikeys.archive_key(key_id)).state FROM apikeys.create_key('C', '{push}') AS k;

CALL apikeys.sequence_audit_logs();
-- everything taken out, as a dump has it, and put back into an extension made anew
CREATE TEMPORARY TABLE d_workspace AS TABLE apikeys.workspace;
CREATE TEMPORARY TABLE d_api AS TABLE apikeys.api;
CREATE TEMPORARY TABLE d_key AS TABLE apikeys.key;
CREATE TEMPORARY TABLE d_team_member AS TABLE apikeys.team_member;
CREATE TEMPORARY TABLE d_access AS TABLE apikeys.access;
CREATE TEMPORARY TABLE d_audit_log AS TABLE apikeys.audit_log;
CREATE TEMPORARY TABLE d_audit_tree AS TABLE apikeys.audit_tree;
CREATE TEMPORARY TABLE d_state AS SELECT pg_temp.state() AS state, last_value FROM apikeys_internal.audit_id_seq;
SET client_min_messages = warning;
DROP EXTENSION apikeys;
CREATE EXTENSION apikeys;
RESET client_min_messages;
SET apikeys.actor = 'somebody else';
SET TimeZone = 'Asia/Kolkata';
SET DateStyle = 'German';
SET IntervalStyle = 'iso_8601';
SET bytea_output = 'escape';
-- in an order that no foreign key would allow
INSERT INTO apikeys.audit_tree TABLE d_audit_tree;
INSERT INTO apikeys.access TABLE d_access;
INSERT INTO apikeys.key TABLE d_key;
INSERT INTO apikeys.team_member TABLE d_team_member;
INSERT INTO apikeys.audit_log TABLE d_audit_log;
INSERT INTO apikeys.api TABLE d_api;
INSERT INTO apikeys.workspace TABLE d_workspace;
SELECT count(setval('apikeys_internal.audit_id_seq', last_value)) FROM d_state;
RESET ALL;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
SELECT state = pg_temp.state() AS same FROM d_state;
SELECT pg_temp.wrong();
SELECT api FROM apikeys.apis;
SELECT workspace, name, prefix, archive_limit FROM apikeys.workspace ORDER BY 1;
SELECT code FROM apikeys.validate_key(:'a', 'data', '192.0.2.1');
SELECT code FROM apikeys.validate_key(:'a_old', 'billing', '2001:db8::1');
SELECT code FROM apikeys.validate_key(:'b');
-- it goes on where it was
SELECT name FROM apikeys.update_key(:'a_id', name => 'A2');
SELECT name FROM apikeys.create_key('D', '{data}');
SELECT pg_temp.wrong();

-- the same row twice is a mistake, as anywhere
SELECT pg_temp.sqlstate('INSERT INTO apikeys.key TABLE d_key');
SELECT pg_temp.sqlstate('INSERT INTO apikeys.audit_log TABLE d_audit_log');
SELECT pg_temp.sqlstate('INSERT INTO apikeys.audit_tree TABLE d_audit_tree');
SELECT pg_temp.sqlstate('INSERT INTO apikeys.team_member TABLE d_team_member');
-- what the extension came with gives way once, to a restored row; what was made here does not
SELECT pg_temp.sqlstate('INSERT INTO apikeys.workspace TABLE d_workspace');
SELECT pg_temp.sqlstate('INSERT INTO apikeys.api TABLE d_api');
SELECT pg_temp.wrong();

-- a row whose digest is not right is a new one: it is checked, numbered and told
SELECT count(*) FROM pg_temp.entries();
CREATE FUNCTION pg_temp.tampered(change text) RETURNS SETOF text LANGUAGE plpgsql AS
$$
BEGIN
	CREATE TEMPORARY TABLE one AS SELECT * FROM d_key WHERE name = 'B';
	UPDATE one SET key_id = '00000000-0000-4000-8000-000000000001', key_hash = sha256('other'), name = 'tampered';
	EXECUTE 'UPDATE one SET ' || change;
	RETURN QUERY SELECT pg_temp.refused('INSERT INTO apikeys.key TABLE one');
	DROP TABLE one;
END
$$;
SELECT pg_temp.tampered('archived_at = now()');
SELECT pg_temp.tampered('name = repeat(''x'', 101)');
SELECT pg_temp.tampered('apis = ''{none}''');
SELECT pg_temp.tampered('workspace = ''nowhere''');
SELECT pg_temp.tampered('old_key_hash = sha256(''x'')');
SELECT pg_temp.tampered('row_digest = NULL, updated_by = ''x''');
SELECT pg_temp.tampered('row_digest = ''short'', updated_by = ''x''');
CREATE TEMPORARY TABLE one AS SELECT * FROM d_key WHERE name = 'B';
UPDATE one SET key_id = '00000000-0000-4000-8000-000000000001', key_hash = sha256('other'), name = 'tampered', created_by = 'nobody', created_at = '1999-01-01';
INSERT INTO apikeys.key TABLE one;
SELECT created_by = session_user AS by_me, created_at > '2000-01-01' AS now FROM apikeys.key_details('00000000-0000-4000-8000-000000000001');
SELECT * FROM pg_temp.entries();
SELECT pg_temp.refused($$INSERT INTO apikeys.audit_log SELECT * FROM (SELECT audit_id + 1000, "time", workspace, team, entity, action, activity, actor, ip, subject, key_id, key_name, changes, db_user, row_digest, digest FROM d_audit_log LIMIT 1) AS s$$);

-- a restored row that is then deleted by a rolled back transaction, and one restored in a subtransaction that is rolled back
BEGIN;
DELETE FROM apikeys.access;
ROLLBACK;
SELECT pg_temp.wrong();

-- an UPDATE that changes nothing passes without an entry, as logical replication and COPY may do it
UPDATE apikeys.key SET name = name, row_digest = row_digest, audit_id = audit_id WHERE archived_at IS NOT NULL;
UPDATE apikeys.workspace SET audit_id = audit_id;
UPDATE apikeys.api SET audit_id = audit_id;
UPDATE apikeys.team_member SET audit_id = audit_id;
UPDATE apikeys.access SET audit_id = audit_id;
SELECT * FROM pg_temp.entries();

-- what pg_dump is told to dump: every table, and the sequence, but for what is this database's own
SELECT c.relname FROM pg_class c WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind IN ('r', 'S')
AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'apikeys' AND c.oid = ANY (e.extconfig)) ORDER BY 1;
-- an access is dumped under no name that is another role's: of a, as it is; b and c, which swapped their names, not until the
-- names are right; d is dumped as it was named; e is gone, and its name is another's; f waits, and g is nobody
BEGIN;
CREATE ROLE regress_ak_a;
CREATE ROLE regress_ak_b;
CREATE ROLE regress_ak_c;
CREATE ROLE regress_ak_d;
CREATE ROLE regress_ak_e;
CREATE ROLE regress_ak_f;
SELECT count(apikeys.grant_access(('regress_ak_' || r)::name, 'view')) FROM unnest('{a,b,c,d,e}'::text[]) AS r;
INSERT INTO apikeys.access (role, capability) VALUES ('regress_ak_f', 'view'), ('regress_ak_g', 'view');
ALTER ROLE regress_ak_b RENAME TO regress_ak_x;
ALTER ROLE regress_ak_c RENAME TO regress_ak_b;
ALTER ROLE regress_ak_x RENAME TO regress_ak_c;
ALTER ROLE regress_ak_d RENAME TO regress_ak_d2;
DROP OWNED BY regress_ak_e;
DROP ROLE regress_ak_e;
CREATE ROLE regress_ak_e;
SELECT format('SELECT role, capability FROM apikeys.access %s ORDER BY 1', condition) FROM pg_extension, unnest(extconfig, extcondition) AS c (config, condition)
WHERE extname = 'apikeys' AND config = 'apikeys.access'::regclass \gexec
ROLLBACK;
-- no foreign keys between them, which order a serial restore only
SELECT conname FROM pg_constraint WHERE connamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND contype = 'f';

SELECT pg_temp.wrong();
DROP OWNED BY regress_ak_app;
DROP ROLE regress_ak_app;
