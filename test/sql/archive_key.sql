-- archive_key: the end of a key, the archive limit, which keys it drops, a lower limit, and all errors.
\set ECHO none
\i test/lib/regress.sql

SELECT key_id, key FROM apikeys.create_key('First', '{data}') \gset
SELECT code FROM apikeys.validate_key(:'key');
SELECT name, state, apis, access, updated_by, archived_at >= created_at AS archived, archived_by = session_user AS by_me FROM apikeys.archive_key(:'key_id');
SELECT code, http_status, name FROM apikeys.validate_key(:'key');
SELECT name, state, archived_by = session_user AS by_me FROM apikeys.archived_keys;
SELECT count(*) FROM apikeys.active_keys;
SELECT name, state FROM apikeys.key_details(:'key_id');
SELECT * FROM pg_temp.entries() \gx

-- its name is free again; the archive has as many keys of one name as there were
SELECT key_id AS second_id FROM apikeys.create_key('First', '{data}') \gset
SELECT state FROM apikeys.archive_key(:'second_id');
SELECT count(*) FROM apikeys.create_key('First', '{data}');
SELECT name, state FROM apikeys.archived_keys;

-- mistakes; it cannot be undone
SELECT count(*) FROM pg_temp.entries();
SELECT pg_temp.refused(format('SELECT apikeys.archive_key(%L)', :'key_id'));
SELECT pg_temp.refused($$SELECT apikeys.archive_key(NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.archive_key(gen_random_uuid())$$);
SELECT pg_temp.refused(format('UPDATE apikeys.key SET archived_at = NULL WHERE key_id = %L', :'key_id'));
SELECT pg_temp.refused(format('UPDATE apikeys.key SET archived_at = NULL, archived_by = NULL WHERE key_id = %L', :'key_id'));
SELECT * FROM pg_temp.entries();

-- ten are kept, the newest first; one more drops the one that was archived first, and a NOTICE names it
SELECT count(*) FROM generate_series(1, 12) AS i, apikeys.create_key('k' || i, '{data}');
SELECT count(*) FROM pg_temp.entries();
SELECT a.name FROM generate_series(1, 8) AS i, apikeys.archive_key(apikeys.key_id('k' || i)) AS a;
SELECT name FROM apikeys.archived_keys;
SELECT count(*) FROM pg_temp.entries();
SET client_min_messages = warning;
SELECT name FROM apikeys.archive_key(apikeys.key_id('k9'));
RESET client_min_messages;
SELECT name FROM apikeys.archived_keys;
SELECT * FROM pg_temp.entries() \gx
SELECT code FROM apikeys.validate_key(:'key');
SELECT pg_temp.refused(format('SELECT apikeys.key_details(%L)', :'key_id'));
SELECT pg_temp.refused(format('SELECT apikeys.archive_key(%L)', :'key_id'));

-- the entries of what was dropped stay
SELECT action, activity FROM apikeys.audit_logs WHERE key_id = :'key_id';

-- several in one statement: an entry each, the oldest drop
SET client_min_messages = warning;
UPDATE apikeys.key SET archived_at = now() WHERE name IN ('k10', 'k11', 'k12');
SELECT count(*) FROM apikeys.archived_keys;
SELECT count(*), count(DISTINCT archived_at) FROM apikeys.key WHERE archived_at IS NOT NULL;
SELECT action, changes ~ 'evicted' AS evicted FROM pg_temp.entries();

-- another workspace has a limit of its own
SELECT apikeys.create_workspace('small', archive_limit => 1);
SELECT count(*) FROM generate_series(1, 3) AS i, apikeys.create_key('s' || i, '{data}', 'small');
SELECT a.name, a.workspace FROM generate_series(1, 3) AS i, apikeys.archive_key(apikeys.key_id('s' || i)) AS a;
SELECT workspace, count(*) FROM apikeys.archived_keys GROUP BY 1 ORDER BY 1;

-- raising the limit brings nothing back; lowering it drops at once, those archived first
SELECT apikeys.update_workspace('small', archive_limit => 100);
SELECT workspace, count(*) FROM apikeys.archived_keys GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM pg_temp.entries();
SELECT apikeys.update_workspace('default', archive_limit => 3);
SELECT name FROM apikeys.archived_keys WHERE workspace = 'default';
SELECT action, activity, changes FROM pg_temp.entries() \gx
UPDATE apikeys.workspace SET archive_limit = 2 WHERE workspace = 'default';
SELECT name FROM apikeys.archived_keys WHERE workspace = 'default';
SELECT action, activity, changes FROM pg_temp.entries() \gx
SELECT apikeys.update_workspace('default', archive_limit => 2);
SELECT * FROM pg_temp.entries();
RESET client_min_messages;

-- the NOTICE, of keys whose ids are known
SELECT apikeys.create_workspace('notice', archive_limit => 1);
INSERT INTO apikeys.key (key_id, name, apis, workspace, key_hash)
SELECT ('00000000-0000-4000-8000-00000000000' || i)::uuid, 'known ' || i, '{data}', 'notice', sha256(i::text::bytea) FROM generate_series(1, 4) AS i;
SELECT state FROM apikeys.archive_key('00000000-0000-4000-8000-000000000001');
SELECT state FROM apikeys.archive_key('00000000-0000-4000-8000-000000000002');
SELECT apikeys.update_workspace('notice', archive_limit => 5);
SELECT a.name FROM generate_series(3, 4) AS i, apikeys.archive_key(('00000000-0000-4000-8000-00000000000' || i)::uuid) AS a;
SELECT apikeys.update_workspace('notice', archive_limit => 1);

-- rolled back, nothing was dropped
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT apikeys.update_workspace('default', archive_limit => 1);
SELECT count(*) FROM apikeys.archived_keys WHERE workspace = 'default';
ROLLBACK;
SELECT count(*) FROM apikeys.archived_keys WHERE workspace = 'default';
SELECT pg_temp.wrong();

-- a key with an overlap, and one that is expired
SELECT key_id, key AS old FROM apikeys.create_key('Overlap', '{data}', 'small') \gset
SELECT key AS new FROM apikeys.regenerate_key(:'key_id', '1 day') \gset
SELECT count(*) FROM apikeys.update_key(:'key_id', expires_at => now());
SELECT state, old_valid_until > now() AS overlap FROM apikeys.archive_key(:'key_id');
SELECT code FROM apikeys.validate_key(:'old');
SELECT code FROM apikeys.validate_key(:'new');

-- archived in the same transaction as it was created
BEGIN;
SELECT key_id, key FROM apikeys.create_key('Short', '{data}', 'small') \gset
SELECT state FROM apikeys.archive_key(:'key_id');
SELECT code FROM apikeys.validate_key(:'key');
COMMIT;
SELECT code FROM apikeys.validate_key(:'key');
SELECT pg_temp.wrong();
