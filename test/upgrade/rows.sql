-- All kinds of rows of a database with apikeys, for the dumps in this directory (scripts/cut-candidate) and the tests of upgrades.
-- What the later version must say of it is in table public.expected, with the secrets: they are made for this and open nothing.
-- Nothing here depends on the day on which it is read again.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE TABLE public.expected (name text PRIMARY KEY, secret text NOT NULL, api text, client text, code text NOT NULL);
CREATE TABLE public.checkpoint (note text NOT NULL);
CREATE PROCEDURE public.expect(name text, secret text, code text, api text = NULL, client text = NULL) LANGUAGE sql
	AS 'INSERT INTO public.expected (name, secret, api, client, code) VALUES (name, secret, api, client, code)';

-- APIs, workspaces, teams; a workspace that was dropped, an API that was unregistered
SELECT apikeys.register_api('billing', 'Invoices <&> "more"') \g /dev/null
SELECT apikeys.register_api('orders:read') \g /dev/null
SELECT apikeys.unregister_api('push') \g /dev/null
SELECT apikeys.create_workspace('acme', 'Acme & Söhne', 'acme', 2, key_limit => 50, leak_action => 'archive') \g /dev/null
SELECT apikeys.create_workspace('globex', archive_limit => 3, default_lifetime => '365000 days', max_lifetime => '365250 days',
	rate_limit => 1000000, rate_window => '1 second') \g /dev/null
SELECT apikeys.create_workspace('quiet') \g /dev/null
SELECT apikeys.create_workspace('gone') \g /dev/null
SELECT apikeys.drop_workspace('gone') \g /dev/null
SELECT apikeys.update_workspace('default', name => 'Ours') \g /dev/null
SELECT apikeys.add_team_member('anna', 'platform') \g /dev/null
SELECT apikeys.add_team_member('bert', 'billing', 'acme') \g /dev/null
SELECT apikeys.add_team_member('bert', 'orders', 'acme') \g /dev/null
SELECT apikeys.remove_team_member('anna') \g /dev/null

-- accesses: in all workspaces, in one, revoked
SELECT apikeys.grant_access('regress_ak_gateway', 'validate') \g /dev/null
SELECT apikeys.grant_access('regress_ak_acme', 'manage', 'acme') \g /dev/null
SELECT apikeys.grant_access('regress_ak_acme', 'audit', 'acme') \g /dev/null
SELECT apikeys.grant_access('regress_ak_admin', 'admin') \g /dev/null
SELECT apikeys.grant_access('regress_ak_watch', 'monitor') \g /dev/null
SELECT apikeys.grant_access('regress_ak_watch', 'view', 'globex') \g /dev/null
SELECT apikeys.revoke_access('regress_ak_watch', 'view', 'globex') \g /dev/null

-- keys in each state, with every attribute
SELECT key, key_id FROM apikeys.create_key('Plain', '{data}') \gset
CALL public.expect('plain', :'key', 'VALID', 'data');
CALL public.expect('plain, another API', :'key', 'INSUFFICIENT_PERMISSIONS', 'billing');
BEGIN;
SELECT apikeys.act_as('anna', 'platform', '192.0.2.7') \g /dev/null
SELECT key, key_id FROM apikeys.create_key('Everything <b>ÄÖ</b> "x"', '{data,billing,orders:read}', 'acme', 'billing', 'customer 42', '2999-01-01',
	'{192.0.2.0/24,2001:db8::/32}', 7000000, '1 hour', 1000000000, 'total', '{"plan": "gold", "n": 1.10, "list": [1, null]}') \gset
COMMIT;
CALL public.expect('everything', :'key', 'VALID', 'billing', '192.0.2.9');
CALL public.expect('everything, from elsewhere', :'key', 'ADDRESS_NOT_ALLOWED', 'billing', '198.51.100.1');
SELECT count(*) FROM apikeys.update_key(:'key_id', name => 'All of it', metadata => '{"plan": "platinum"}') \g /dev/null
SELECT key, key_id FROM apikeys.create_key('Regenerated', '{data}', 'acme') \gset
CALL public.expect('the old secret', :'key', 'VALID');
SELECT key FROM apikeys.regenerate_key(:'key_id', '900 years', 'yearly') \gset
CALL public.expect('the new secret', :'key', 'VALID');
SELECT key, key_id FROM apikeys.create_key('Regenerated at once', '{data}', 'acme') \gset
CALL public.expect('an old secret without an overlap', :'key', 'REGENERATED');
SELECT count(*) FROM apikeys.regenerate_key(:'key_id', '0') \g /dev/null
SELECT key, key_id FROM apikeys.create_key('Paused', '{data}') \gset
CALL public.expect('disabled', :'key', 'DISABLED');
SELECT count(*) FROM apikeys.disable_key(:'key_id', 'too many requests') \g /dev/null
SELECT key, key_id FROM apikeys.create_key('Paused once', '{data}') \gset
CALL public.expect('enabled', :'key', 'VALID');
SELECT count(*) FROM apikeys.disable_key(:'key_id') \g /dev/null
SELECT count(*) FROM apikeys.enable_key(:'key_id') \g /dev/null
SELECT key, key_id FROM apikeys.create_key('Expired', '{data}') \gset
CALL public.expect('expired', :'key', 'EXPIRED');
SELECT count(*) FROM apikeys.update_key(:'key_id', expires_at => now()) \g /dev/null
SELECT key, key_id FROM apikeys.create_key('With a lifetime', '{data}', 'globex') \gset
CALL public.expect('with the default lifetime', :'key', 'VALID');
SELECT key, key_id FROM apikeys.create_key('Used up', '{data}', quota => 2, quota_period => 'total') \gset
CALL public.expect('a quota that is used up', :'key', 'QUOTA_EXCEEDED');
SELECT apikeys.validate_key(:'key') FROM generate_series(1, 2) \g /dev/null
SELECT count(*) FROM apikeys.import_key('Of before', '{data,billing}', sha256('sk_live_of_before'), 'sk_live_…fore', 'acme') \g /dev/null
CALL public.expect('imported', 'sk_live_of_before', 'VALID', 'billing');

-- archived ones; beyond the limit of acme, the first is dropped
SELECT key AS end1, key_id AS id1 FROM apikeys.create_key('End 1', '{data}', 'acme') \gset
SELECT key AS end2, key_id AS id2 FROM apikeys.create_key('End 2', '{data}', 'acme') \gset
SELECT key AS end3, key_id AS id3 FROM apikeys.create_key('End 3', '{data}', 'acme') \gset
SELECT apikeys.archive_key(:'id1') \g /dev/null
SELECT apikeys.archive_key(:'id2', 'no customer any more') \g /dev/null
SELECT apikeys.archive_key(:'id3') \g /dev/null
CALL public.expect('dropped from the archive', :'end1', 'NOT_FOUND');
CALL public.expect('archived, second', :'end2', 'ARCHIVED');
CALL public.expect('archived, last', :'end3', 'ARCHIVED');
SELECT key AS leaked FROM apikeys.create_key('Leaked', '{data}', 'globex') \gset
SELECT apikeys.revoke_key(:'leaked', 'found in a repository') \g /dev/null
CALL public.expect('revoked', :'leaked', 'ARCHIVED');

-- a log of which a part is purged, and one that has grown since the checkpoint
SELECT key, key_id FROM apikeys.create_key('Renamed often', '{data}', 'quiet') \gset
SELECT count(*) FROM generate_series(1, 20) AS n, apikeys.update_key(:'key_id', name => 'Name ' || n) \g /dev/null
CALL apikeys.sequence_audit_logs();
SELECT apikeys.purge_audit_logs(clock_timestamp(), 'quiet') \g /dev/null
CALL public.expect('of which entries are purged', :'key', 'VALID');
INSERT INTO public.checkpoint SELECT note FROM apikeys.audit_checkpoint();
SELECT count(*) FROM apikeys.update_key(apikeys.key_id('Plain'), team => 'platform') \g /dev/null

-- usage: each code, with and without an API
SELECT apikeys.validate_key(secret, api, client) FROM public.expected WHERE code NOT IN ('VALID', 'QUOTA_EXCEEDED') ORDER BY name \g /dev/null
SELECT apikeys.validate_key(secret, api, client) FROM public.expected, generate_series(1, 3) WHERE code = 'VALID' ORDER BY name \g /dev/null
SELECT apikeys.validate_key('nobody''s') \g /dev/null
SELECT apikeys.validate_key(NULL) \g /dev/null
SELECT apikeys.flush_usage() \g /dev/null

-- reports: one that waits, one that was sent, one that failed
SELECT apikeys.email_audit_logs('auditor@example.invalid', workspace => 'acme') \g /dev/null
INSERT INTO apikeys_internal.report (report_id, workspace, scope, recipient, filters, entries, size, encrypted, asked_at, asked_by, state, queued_at,
	attempts, finished_at, last_error, id_domain)
SELECT report_id, 'acme', '{acme}', 'auditor@example.invalid', '{"search": "End"}', 7, 1000, false, '2026-01-02 03:04:05Z', 'anna', state, '2026-01-02 03:04:05Z',
	attempts, '2026-01-02 04:04:05Z', last_error, 'example.invalid'
FROM (VALUES ('00000000-0000-4000-8000-000000000001'::uuid, 'sent', 1, NULL), ('00000000-0000-4000-8000-000000000002', 'failed', 5, '550 no such user'))
	AS r (report_id, state, attempts, last_error);

CALL apikeys.sequence_audit_logs();
