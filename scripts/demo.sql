-- What scripts/demo shows: a story of two minutes in psql. Statements are printed as they are sent; :h and :n switch the
-- colour of headings on and off. At most 150 lines come out, which scripts/check holds.

\set ECHO none
SET client_min_messages = warning;
CREATE EXTENSION apikeys CASCADE;
RESET client_min_messages;
CREATE ROLE app LOGIN;
CREATE TABLE orders (workspace text, item text);
INSERT INTO orders VALUES ('default', 'an anvil'), ('acme', 'a rocket');
GRANT SELECT ON orders TO app;
\o /dev/null
SELECT apikeys.create_workspace('acme');
\o
CREATE POLICY tenant ON orders USING (workspace = apikeys.current_workspace());
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;

\echo
\echo :h'1. Nothing is granted to PUBLIC. The application gets a role, and the role what it needs':n
\set ECHO queries
\o /dev/null
SELECT apikeys.grant_access('app', c) FROM unnest('{manage,validate,audit}'::text[]) AS c;
\o
\set ECHO none
\connect - app

\echo
\echo :h'2. A key with a limit and a quota. Its secret is shown once; what is stored is its SHA-256':n
\set ECHO queries
SELECT key, access, hint FROM apikeys.create_key('Mobile app', '{data,push}',
    owner => 'customer 4711', rate_limit => 3, quota => 1000)
\gset mobile_
\echo '   ' :mobile_key '   ' :mobile_access '   afterwards:' :mobile_hint

\set ECHO none
\echo
\echo :h'3. Every request is one call. The verdict says what is left, and the fourth within a minute is too many':n
\set ECHO queries
SELECT code, http_status, name, rate_remaining, quota_remaining, retry_after
FROM generate_series(1, 4) AS n, apikeys.validate_key(:'mobile_key', 'data', client => '192.0.2.' || n);

\set ECHO none
SELECT key FROM apikeys.create_key('Nightly import', '{data}') \gset import_
SELECT left(:'import_key', -1) || CASE right(:'import_key', 1) WHEN 'x' THEN 'y' ELSE 'x' END AS typo \gset
\echo :h'4. A key may call its APIs alone. A typo is refused by its checksum: no table is read':n
\set ECHO queries
SELECT code, http_status FROM apikeys.validate_key(:'import_key', 'push');
SELECT code, http_status FROM apikeys.validate_key(:'typo', 'data');

\set ECHO none
\echo :h'5. Row-level security goes by the key of the request: the table also has orders of workspace acme':n
\set ECHO queries
BEGIN;
SELECT code, workspace, name FROM apikeys.authenticate('Bearer ' || :'import_key', 'data');
SELECT * FROM orders;
COMMIT;

\set ECHO none
\echo
\echo :h'6. Pause a key, with a reason, and resume it':n
\set ECHO queries
\o /dev/null
SELECT apikeys.disable_key(apikeys.key_id('Nightly import'), 'invoice 77 is open');
\o
SELECT code, http_status FROM apikeys.validate_key(:'import_key', 'data');
\o /dev/null
SELECT apikeys.enable_key(apikeys.key_id('Nightly import'), 'invoice 77 is paid');
\o

\set ECHO none
\echo
\echo :h'7. Rotate without downtime: for an hour, both secrets are valid, and usage shows who still sends the old one':n
\set ECHO queries
SELECT key FROM apikeys.regenerate_key(apikeys.key_id('Nightly import'), overlap => '1 hour')
\gset second_
\set ECHO none
\o /dev/null
SELECT apikeys.validate_key(:'second_key', 'data');
\o
\set ECHO queries
SELECT code, old_valid_until > now() AS is_the_old_one FROM apikeys.validate_key(:'import_key', 'data');
SELECT name, api, valid, denied, old_secret FROM apikeys.key_usage;

\set ECHO none
\echo :h'8. A secret leaks into a log. It is found in any text, and reporting it shuts its key':n
\set line 'GET /v1/orders X-API-Key: ':second_key' 200'
\set ECHO queries
SELECT name, workspace, state, valid_checksum FROM apikeys.find_secrets(:'line');
\set ECHO none
SELECT jsonb_build_array(jsonb_build_object('token', :'second_key', 'type', 'apikeys', 'url', 'https://paste.example/7')) AS alert \gset
\set ECHO queries
SELECT apikeys.report_leak(:'alert') -> 0 ->> 'label' AS answer;
SELECT code, http_status FROM apikeys.validate_key(:'second_key', 'data');

\set ECHO none
SELECT apikeys.key_id('Mobile app') AS mobile_id \gset
\setenv KEY_ID :mobile_id
\echo :h'9. Revoked is revoked, in the same commit: even a transaction whose snapshot still shows the key is refused':n
\set ECHO queries
BEGIN ISOLATION LEVEL REPEATABLE READ;
\o /dev/null
SELECT 'its snapshot is taken';
\o
\echo '    another session:  SELECT apikeys.archive_key(apikeys.key_id(''Mobile app''));'
\! psql -qX -d postgres -U app -c "SELECT apikeys.archive_key('$KEY_ID')" >/dev/null
SELECT name, state AS state_in_the_snapshot FROM apikeys.active_keys WHERE key_id = :'mobile_id';
SELECT code, http_status FROM apikeys.validate_key(:'mobile_key', 'data');
COMMIT;

\set ECHO none
\connect - postgres
\echo
\echo :h'10. For good: not even a superuser brings it back by direct SQL':n
\set ECHO queries
\set ON_ERROR_STOP off
UPDATE apikeys.key SET archived_at = NULL, archived_by = NULL WHERE name = 'Mobile app';
\set ECHO none
\set refused :LAST_ERROR_SQLSTATE
\set ON_ERROR_STOP on
SELECT :'refused' <> '55000' AS wrong \gset
\if :wrong
	DO $$ BEGIN RAISE 'un-archiving was not refused as it should be'; END $$;
\endif

\connect - app
\echo
\echo :h'11. Each of these actions left one entry in the audit log, in the same transaction':n
\set ECHO queries
SELECT to_char("time", 'HH24:MI:SS') AS time, activity, actor, changes ->> 'reason' AS reason FROM apikeys.audit_logs LIMIT 12;

\set ECHO none
-- where the worker is busy elsewhere
CALL apikeys.sequence_audit_logs();
SELECT max(audit_id) AS id FROM apikeys.audit_logs WHERE key_name = 'Nightly import' \gset
CREATE TEMPORARY TABLE proof AS SELECT p.* FROM apikeys.audit_inclusion_proof(:id) AS p;
\echo :h'12. An entry and the proof that it is in the log, checked offline by openssl':n
\pset format unaligned
\pset tuples_only on
\pset fieldsep '\n'
SELECT position, size, leaf, path FROM proof
\g proof
SELECT rtrim(note, E'\n') FROM apikeys.audit_checkpoint('default')
\g checkpoint
SELECT position, size, set_bit(leaf, 300, 1 - get_bit(leaf, 300)), path FROM proof
\g forged
\pset format aligned
\pset tuples_only off
\echo '    $ scripts/check-proof proof checkpoint'
\! "$CHECK_PROOF" proof checkpoint
\echo '    $ scripts/check-proof forged checkpoint        # the same with one bit of the entry flipped'
\! "$CHECK_PROOF" forged checkpoint

\connect - postgres
\echo
\echo :h'13. Someone with every right switches the triggers off and rewrites history. It shows':n
\set ECHO queries
ALTER TABLE apikeys.audit_log DISABLE TRIGGER ALL;
UPDATE apikeys.audit_log SET actor = 'somebody else' WHERE key_name = 'Mobile app' AND action = 'Delete';
ALTER TABLE apikeys.audit_log ENABLE TRIGGER ALL;
SELECT workspace, ok, first_bad, problem FROM apikeys.verify_audit_logs() WHERE NOT ok;

\set ECHO none
\echo :h'That was the tour, and nothing of it stays on this machine. What next?':n
\echo '    make dashboard               the same, to click, in your browser'
\echo '    make && sudo make install    into your own PostgreSQL; go on in README.md, "First steps"'
\echo '    less docs/faq.md             what people ask'
