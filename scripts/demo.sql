-- What scripts/demo shows: one tour through apikeys, in psql. Statements are printed as they are sent.

\set ECHO none
SET client_min_messages = warning;
CREATE EXTENSION apikeys CASCADE;
RESET client_min_messages;
CREATE ROLE app LOGIN;

\echo
\echo '== An application may do what it was granted, and nothing else'
\echo
\set ECHO queries
SELECT apikeys.grant_access('app', 'manage');
SELECT apikeys.grant_access('app', 'validate');
SELECT apikeys.grant_access('app', 'audit');

\set ECHO none
\connect - app
\echo
\echo '== From here on as the role app. A key for all three APIs: Full access'
\echo
\set ECHO queries
SELECT * FROM apikeys.create_key('Mobile app', '{data,segmentation,push}') \gset mobile_
\echo '     key_id  ' :mobile_key_id
\echo '     key     ' :mobile_key '    <- this once; only its SHA-256 is stored'
\echo '     access  ' :mobile_access
\echo
\echo '== A key for one of them: Partial access'
\echo
SELECT * FROM apikeys.create_key('Nightly import', '{data}', team => 'Analytics') \gset import_
\echo '     key_id  ' :import_key_id
\echo '     key     ' :import_key
\echo '     access  ' :import_access

\echo
\echo '== Validate it'
\echo
SELECT valid, code, http_status, name, team, apis FROM apikeys.validate_key(:'import_key', 'data');

\echo '== An API that it may not call'
\echo
SELECT valid, code, http_status, name FROM apikeys.validate_key(:'import_key', 'push');

\echo '== A typo: the checksum in the last six characters refuses it without reading a table'
\echo
\set ECHO none
SELECT left(:'import_key', -1) || CASE right(:'import_key', 1) WHEN 'x' THEN 'y' ELSE 'x' END AS typo,
       'Basic ' || translate(encode(convert_to('default:' || :'mobile_key', 'UTF8'), 'base64'), E'\n', '') AS header \gset
\set ECHO queries
SELECT valid, code, http_status, name FROM apikeys.validate_key(:'typo');

\echo '== Authenticate by the Authorization header of an HTTP request; row-level security can then ask for the key'
\echo
BEGIN;
SELECT valid, code, name, workspace FROM apikeys.authenticate(:'header', 'push');
SELECT apikeys.current_workspace(), apikeys.current_key_allows('push'), apikeys.current_key_allows('billing');
COMMIT;

\echo '== Regenerate: the old secret is dead at once'
\echo
SELECT * FROM apikeys.regenerate_key(:'import_key_id') \gset second_
SELECT code, http_status FROM apikeys.validate_key(:'import_key');
SELECT code, http_status FROM apikeys.validate_key(:'second_key');

\echo '== Regenerate with an overlap: both are valid until then'
\echo
SELECT * FROM apikeys.regenerate_key(:'import_key_id', overlap => '1 hour') \gset third_
SELECT code, http_status, old_valid_until FROM apikeys.validate_key(:'second_key');
SELECT code, http_status, old_valid_until FROM apikeys.validate_key(:'third_key');

\echo '== Every request was counted, in memory; here is who still sends an old secret'
\echo
SELECT name, api, valid, denied, old_secret, last_used_at IS NOT NULL AS used FROM apikeys.key_usage;
SELECT code, api, count FROM apikeys.denials ORDER BY code;
SELECT * FROM apikeys.usage_chart(:'import_key_id', '3 hours');

\echo '== Edit its name and its APIs; the secret stays'
\echo
SELECT name, apis, access, hint FROM apikeys.update_key(:'import_key_id', name => 'Hourly import', apis => '{data,push}');
SELECT code, http_status FROM apikeys.validate_key(:'third_key', 'push');
SELECT name, access, apis, team, hint, created_by FROM apikeys.active_keys;

\echo '== Archive it: it stops validating in the same commit, for good'
\echo
SELECT name, state, archived_by FROM apikeys.archive_key(:'import_key_id');
SELECT code, http_status FROM apikeys.validate_key(:'third_key');

\echo '== Ten archived keys are kept: archiving one more drops the one that was archived first'
\echo
SELECT count(*) AS created FROM generate_series(1, 10) AS i, apikeys.create_key('Spare ' || i, '{data}');
SELECT a.name, a.state FROM generate_series(1, 10) AS i, apikeys.archive_key(apikeys.key_id('Spare ' || i)) AS a;
SELECT count(*) FROM apikeys.archived_keys;

\set ECHO none
\connect - postgres
\echo '== Not even a superuser brings a key back by direct SQL'
\echo
\set ECHO queries
\set ON_ERROR_STOP off
UPDATE apikeys.key SET archived_at = NULL, archived_by = NULL WHERE name = 'Spare 10';
\set refused :LAST_ERROR_SQLSTATE
\set ON_ERROR_STOP on
\echo '     SQLSTATE' :refused

\set ECHO none
SELECT :'refused' <> '55000' AS wrong \gset
\if :wrong
	DO $$ BEGIN RAISE 'un-archiving was not refused as it should be'; END $$;
\endif
\connect - app
\echo
\echo '== Every one of these actions is in the audit log, in the same transaction'
\echo
\set ECHO queries
SELECT date_trunc('second', time) AS time, entity, activity, action, actor FROM apikeys.audit_logs ORDER BY audit_id;

\echo '== Its entries are the leaves of a Merkle tree'
\echo
SELECT workspace, entries, ok FROM apikeys.verify_audit_logs();

\set ECHO none
\connect - postgres
\echo '== Someone with every right switches the triggers off and rewrites history'
\echo
\set ECHO queries
SELECT audit_id, activity FROM apikeys.audit_log WHERE key_name = 'Mobile app';
ALTER TABLE apikeys.audit_log DISABLE TRIGGER ALL;
UPDATE apikeys.audit_log SET actor = 'somebody else' WHERE key_name = 'Mobile app';
ALTER TABLE apikeys.audit_log ENABLE TRIGGER ALL;

\echo
\echo '== and verification names the first bad entry'
\echo
SELECT workspace, entries, ok, first_bad, problem FROM apikeys.verify_audit_logs();
