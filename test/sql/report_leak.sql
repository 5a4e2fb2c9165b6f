-- report_leak(): a scanning partner's own payload and answer, each leak_action, dead secrets and secrets issued elsewhere,
-- malformed elements.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
SELECT apikeys.create_workspace('acme', leak_action => 'archive'), apikeys.create_workspace('quiet', leak_action => 'log'), apikeys.create_workspace('rival') \g /dev/null
SELECT k.key AS one, k.key_id AS one_id FROM apikeys.create_key('One', '{data}') AS k \gset
SELECT k.key AS two, k.key_id AS two_id FROM apikeys.create_key('Two', '{data}', 'acme') AS k \gset
SELECT k.key AS three, k.key_id AS three_id FROM apikeys.create_key('Three', '{data}', 'quiet') AS k \gset
SELECT k.key AS old, k.key_id AS both_id FROM apikeys.create_key('Both', '{data}') AS k \gset
SELECT k.key AS new FROM apikeys.regenerate_key(:'both_id', '1 hour') AS k \gset
SELECT k.key AS dead, k.key_id AS dead_id FROM apikeys.create_key('Dead', '{data}') AS k \gset
SELECT (apikeys.archive_key(:'dead_id')).state;
SELECT name FROM apikeys.import_key('Foreign', '{data}', sha256('a-foreign-secret-of-24-ch'));
CREATE ROLE regress_ak_webhook;
SELECT apikeys.grant_access('regress_ak_webhook', 'validate') \g /dev/null
CREATE FUNCTION pg_temp.alert(token text, url text = 'https://github.com/octocat/Hello/blob/123/foo.txt', source text = 'content') RETURNS jsonb LANGUAGE sql AS
$$ SELECT jsonb_build_object('token', token, 'type', 'my_token', 'url', url, 'source', source) $$;
-- the answer, with our secrets' names in place of their hashes
CREATE FUNCTION pg_temp.answer(alerts jsonb, VARIADIC tokens text[]) RETURNS TABLE (n bigint, right_hash boolean, token_type text, label text, members bigint) LANGUAGE sql AS $$
	SELECT n, e->>'token_hash' = encode(sha256(convert_to(tokens[n], 'UTF8')), 'hex'), e->>'token_type', e->>'label', (SELECT count(*) FROM jsonb_object_keys(e))
	FROM jsonb_array_elements(apikeys.report_leak(alerts)) WITH ORDINALITY AS a (e, n)
$$;
SELECT max(audit_id) AS before FROM apikeys.audit_log \gset

-- GitHub's example, and all that can be known, by a role that may only validate
SET ROLE regress_ak_webhook;
SELECT apikeys.report_leak('[{"token":"NMIfyYncKcRALEXAMPLE","type":"mycompany_api_token","url":"https://github.com/octocat/Hello-World/blob/12345600b9cbe38a219f39a9941c9319b600c002/foo/bar.txt","source":"content"}]');
SELECT * FROM pg_temp.answer(jsonb_build_array(pg_temp.alert(:'one'), pg_temp.alert(:'two', source => 'commit'), pg_temp.alert(:'three'), pg_temp.alert(:'old'), pg_temp.alert(:'dead'),
	pg_temp.alert('nobody''s'), pg_temp.alert('a-foreign-secret-of-24-ch')), :'one', :'two', :'three', :'old', :'dead', 'nobody''s', 'a-foreign-secret-of-24-ch');
RESET ROLE;
SELECT name, state, old_valid_until > now() AS overlap, disabled_by, archived_by FROM apikeys.keys ORDER BY name;
SELECT k, v.code FROM unnest(ARRAY[:'one', :'two', :'three', :'old', :'new']) WITH ORDINALITY AS s (secret, k), apikeys.validate_key(secret) AS v ORDER BY k;
SELECT activity, action, workspace, actor, changes - 'disabled_at' - 'archived_at' - 'old_valid_until' - 'disabled_by' - 'archived_by' AS changes FROM apikeys.audit_logs WHERE audit_id > :before ORDER BY audit_id;
SELECT pg_temp.wrong();

-- again: true still, and told once more, but nothing changes
SELECT audit_id AS last FROM apikeys.key WHERE key_id = :'one_id' \gset
SELECT * FROM pg_temp.answer(jsonb_build_array(pg_temp.alert(:'one'), pg_temp.alert(:'two')), :'one', :'two');
SELECT audit_id = :last AS unchanged FROM apikeys.key WHERE key_id = :'one_id';
SELECT activity, key_id = :'one_id' AS one, subject->>'key_id' = key_id::text AS right_subject, changes->'leak'->>'secret' AS secret FROM apikeys.audit_logs ORDER BY audit_id DESC LIMIT 2;
SELECT pg_temp.wrong();
-- a later change of the key, whose last entry told of no row, is still confirmed
SELECT (apikeys.enable_key(:'one_id', 'a false alarm')).state;
SELECT pg_temp.wrong();

-- malformed elements stop nobody
SELECT n, right_hash, length(token_type) AS type, label FROM pg_temp.answer('[null, 1, "x", [], {}, {"token": null}, {"token": 5}, {"token": ["x"]}, {"type": "x"}]'::jsonb || jsonb_build_array(jsonb_build_object('token', :'one')) ||
	'[{"token": "", "type": 7, "url": {}, "source": []}]' || jsonb_build_object('token', repeat('x', 600), 'type', repeat('y', 2000)), :'one', '', repeat('x', 600));
SELECT name, state FROM apikeys.key_details(:'one_id');
SELECT changes->'leak' AS leak FROM apikeys.audit_logs WHERE key_id = :'one_id' ORDER BY audit_id DESC LIMIT 1;
SELECT apikeys.report_leak('[]');
SELECT r AS refused FROM unnest(ARRAY['NULL', '''{}''', '''"x"''', '''null''', '''7''']) AS a, LATERAL pg_temp.refused(format('SELECT apikeys.report_leak(%s)', a)) AS r;
-- no secret gets into the log, also where the partner's URL has it; its texts are cut
SELECT label FROM pg_temp.answer(jsonb_build_array(pg_temp.alert(:'new', 'https://example.com/?key=' || :'new', repeat('ä', 3000))), :'new');
SELECT changes->'leak'->>'url' AS url, length(changes->'leak'->>'source') AS source FROM apikeys.audit_logs ORDER BY audit_id DESC LIMIT 1;
SELECT count(*) FROM apikeys.audit_log l WHERE l::text ~ :'new' OR l::text ~ :'one';

-- within a scope: another's secret is nobody's, and nothing happens to it
SELECT k.key AS theirs, k.key_id AS theirs_id FROM apikeys.create_key('Theirs', '{data}', 'rival') AS k \gset
SELECT apikeys.revoke_access('regress_ak_webhook', 'validate'), apikeys.grant_access('regress_ak_webhook', 'validate', 'acme') \g /dev/null
SET ROLE regress_ak_webhook;
SELECT label FROM pg_temp.answer(jsonb_build_array(pg_temp.alert(:'theirs')), :'theirs');
RESET ROLE;
SET apikeys.workspace = 'acme';
SELECT label FROM pg_temp.answer(jsonb_build_array(pg_temp.alert(:'theirs')), :'theirs');
RESET apikeys.workspace;
SELECT state FROM apikeys.key_details(:'theirs_id');
-- all of it is undone with its transaction, and refused where nothing may be written
BEGIN;
SELECT label FROM pg_temp.answer(jsonb_build_array(pg_temp.alert(:'theirs')), :'theirs');
SELECT code FROM apikeys.validate_key(:'theirs');
ROLLBACK;
SELECT code FROM apikeys.validate_key(:'theirs');
BEGIN READ ONLY;
SELECT pg_temp.refused($$SELECT apikeys.report_leak('[]')$$);
ROLLBACK;
SELECT pg_temp.wrong();

-- A purge keeps the last entry that changed the key, and takes away those that only tell of a leak.
SELECT label FROM pg_temp.answer(jsonb_build_array(pg_temp.alert(:'three')), :'three');
CALL apikeys.sequence_audit_logs();
SELECT apikeys.purge_audit_logs(clock_timestamp(), 'quiet') \g /dev/null
SELECT activity FROM apikeys.audit_log WHERE key_id = :'three_id' ORDER BY audit_id;
SELECT pg_temp.wrong();

DROP OWNED BY regress_ak_webhook;
DROP ROLE regress_ak_webhook;
