-- A capability in a workspace reaches that workspace alone: for the role, keys and entries of another do not exist. It gets the
-- same answer about them as about what does not exist.
\set ECHO none
\i test/lib/regress.sql

CREATE ROLE regress_ak_acme;
SELECT apikeys.create_workspace('acme'), apikeys.create_workspace('rival') \g /dev/null
SELECT apikeys.add_team_member('ann', 'Acme team', 'acme'), apikeys.add_team_member('ann', 'Rival team', 'rival') \g /dev/null
SELECT key_id AS acme_id, key AS acme_key FROM apikeys.create_key('Shared name', '{data}', 'acme') \gset
SELECT key_id AS other_id, key AS other_old FROM apikeys.create_key('Shared name', '{data}', 'rival') \gset
SELECT key AS other_key FROM apikeys.regenerate_key(:'other_id', '1 hour') \gset
SELECT key_id AS gone_id, key AS gone_key FROM apikeys.create_key('Gone', '{data}', 'rival') \gset
SELECT (apikeys.archive_key(:'gone_id')).state;
SELECT count(*) FROM apikeys.create_key('Only there', '{data}', 'rival');
-- they were used, too
SELECT code FROM apikeys.validate_key(:'other_key');
SELECT code FROM apikeys.validate_key(:'other_key', 'push');
SELECT code FROM apikeys.validate_key(:'gone_key');
SELECT code FROM apikeys.validate_key('nobody''s');
SELECT apikeys.register_api('billing');

-- every function that takes a key or a workspace has its call here: :other stands for a key that the role must not see, then
-- for one that is nowhere; :there for a workspace, likewise
CREATE TEMPORARY TABLE calls (function text, call text);
GRANT SELECT ON calls TO PUBLIC;
INSERT INTO calls VALUES
	('key_details', $$SELECT apikeys.key_details(:other)$$),
	('regenerate_key', $$SELECT apikeys.regenerate_key(:other)$$),
	('regenerate_key', $$SELECT apikeys.regenerate_key(:other, '-1 day')$$),
	('regenerate_key', $$SELECT apikeys.regenerate_key(:other, NULL)$$),
	('end_overlap', $$SELECT apikeys.end_overlap(:other)$$),
	('update_key', $$SELECT apikeys.update_key(:other, name => 'x')$$),
	('update_key', $$SELECT apikeys.update_key(:other, name => '', apis => '{}')$$),
	('disable_key', $$SELECT apikeys.disable_key(:other)$$),
	('enable_key', $$SELECT apikeys.enable_key(:other, E'\n')$$),
	('archive_key', $$SELECT apikeys.archive_key(:other)$$),
	('archive_key', $$SELECT apikeys.archive_key(:other, E'\n')$$),
	('update_workspace', $$SELECT apikeys.update_workspace(:there, key_limit => 1)$$),
	('usage_chart', $$SELECT apikeys.usage_chart(:other)$$),
	('usage_chart', $$SELECT apikeys.usage_chart(:other, '-1 day')$$),
	('last_use', $$SELECT apikeys_internal.last_use(:other)$$),
	('usage_memory', $$SELECT count(*) FROM apikeys_internal.usage_memory() WHERE key_id = :other OR workspace = :there$$),
	('key_id', $$SELECT apikeys.key_id('Shared name', :there)$$),
	('key_id', $$SELECT apikeys.key_id('Only there')$$),
	('list_keys', $$SELECT apikeys.list_keys(:there)$$),
	('list_keys', $$SELECT apikeys.list_keys(search => :other)$$),
	('find_secrets', $$SELECT apikeys.find_secrets('ak_' || repeat('0', 43) || '2PL60u')$$),
	('audit_filters', $$SELECT apikeys.audit_filters(:there)$$),
	('drop_workspace', $$SELECT apikeys.drop_workspace(:there)$$),
	('secret_pattern', $$SELECT apikeys.secret_pattern(:there)$$),
	('create_key', $$SELECT apikeys.create_key('x', '{data}', :there)$$),
	('create_key', $$SELECT apikeys.create_key('', '{}', :there)$$),
	('import_key', $$SELECT apikeys.import_key('x', '{data}', sha256('x'), workspace => :there)$$),
	('update_workspace', $$SELECT apikeys.update_workspace(:there, 'x')$$),
	('update_workspace', $$SELECT apikeys.update_workspace(:there, prefix => '?')$$),
	('create_workspace', $$SELECT apikeys.create_workspace(:there)$$),
	('add_team_member', $$SELECT apikeys.add_team_member('ann', 'x', :there)$$),
	('remove_team_member', $$SELECT apikeys.remove_team_member('ann', :there)$$),
	('grant_access', $$SELECT apikeys.grant_access('regress_ak_acme', 'admin', :there)$$),
	('grant_access', $$SELECT apikeys.grant_access('regress_ak_acme', 'admin')$$),
	('revoke_access', $$SELECT apikeys.revoke_access('regress_ak_acme', 'admin', :there)$$),
	('revoke_access', $$SELECT apikeys.revoke_access('regress_ak_acme', 'admin')$$),
	('search_audit_logs', $$SELECT apikeys.search_audit_logs(workspace => :there)$$),
	('search_audit_logs', $$SELECT apikeys.search_audit_logs(key_id => :other)$$),
	('key_history', $$SELECT apikeys.key_history(:other)$$),
	('export_audit_logs', $$SELECT string_agg(l, '/') FROM apikeys.export_audit_logs(workspace => :there) AS l$$),
	('export_audit_logs', $$SELECT string_agg(l, '/') FROM apikeys.export_audit_logs(key_id => :other) AS l$$),
	('email_audit_logs', $$SELECT apikeys.email_audit_logs('a@example.invalid', workspace => :there)$$),
	('verify_audit_logs', $$SELECT apikeys.verify_audit_logs(:there)$$),
	('audit_checkpoint', $$SELECT apikeys.audit_checkpoint(:there)$$),
	('audit_consistency_proof', $$SELECT apikeys.audit_consistency_proof(:there, 0)$$),
	('audit_feed', $$SELECT apikeys.audit_feed(0, :there)$$),
	('purge_audit_logs', $$SELECT apikeys.purge_audit_logs('-infinity', :there)$$),
	('quota_used', $$SELECT apikeys_internal.quota_used(:other, 'month')$$),
	('validate_key', $$SELECT (apikeys.validate_key('ak_' || repeat('0', 43) || '2PL60u', workspace => :there)).code$$);
SELECT p.proname AS "not here" FROM pg_proc p WHERE p.pronamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace)
AND p.proargnames[1:p.pronargs] && '{key_id,workspace}' AND NOT EXISTS (SELECT FROM calls c WHERE c.function = p.proname) ORDER BY 1;

-- the answer to a call, whatever it is, in one text without what was asked for
CREATE FUNCTION pg_temp.answer(call text, other text, there text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
	result text;
	message text; detail text; hint text;
BEGIN
	EXECUTE replace(replace(call, ':other', quote_literal(other)), ':there', quote_literal(there)) INTO result;
	RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ': ' || replace(replace(concat_ws(' | ', message, nullif(detail, ''), nullif(hint, '')), other, '<key>'), there, '<workspace>');
END
$$;

SET apikeys.actor = 'ann';
SELECT apikeys.grant_access('regress_ak_acme', 'admin', 'acme');
SET ROLE regress_ak_acme;
SELECT call, pg_temp.answer(call, :'other_id', 'rival') AS answer FROM calls ORDER BY call COLLATE "C";
-- not one answer differs from that about what is nowhere
SELECT call FROM calls WHERE pg_temp.answer(call, :'other_id', 'rival') <> pg_temp.answer(call, '00000000-0000-4000-8000-000000000000', 'nowhere');
SELECT call FROM calls WHERE pg_temp.answer(call, :'gone_id', 'default') <> pg_temp.answer(call, '00000000-0000-4000-8000-000000000000', 'nowhere');

-- validation and look-up by secret
SELECT v.* FROM (VALUES (:'other_key'), (:'other_old'), (:'gone_key')) AS s (k), apikeys.validate_key(k) AS v;
SELECT code FROM apikeys.validate_key(:'other_key', workspace => 'rival');
SELECT code FROM apikeys.validate_key(:'acme_key', workspace => 'acme');
SELECT code FROM apikeys.validate_key(:'acme_key', workspace => 'rival');
SELECT code, workspace FROM apikeys.validate_key(:'acme_key');
SELECT code FROM apikeys.authenticate('Bearer ' || :'other_key');
SELECT code FROM apikeys.authenticate('Basic ' || translate(encode(convert_to('rival:' || :'other_key', 'UTF8'), 'base64'), E'\n', ''));
SELECT code FROM apikeys.authenticate('Bearer ' || :'acme_key');
SELECT name FROM (VALUES (:'other_key'), (:'other_old'), (:'gone_key')) AS s (k), apikeys.identify_key(k);
SELECT apikeys.revoke_key(k, 'not mine') FROM (VALUES (:'other_key'), (:'other_old'), (:'gone_key')) AS s (k);
SELECT workspace, name FROM apikeys.identify_key(:'acme_key');

-- views; the registry is everybody's
SELECT workspace, name, state FROM apikeys.active_keys;
SELECT workspace, name, state FROM apikeys.archived_keys;
SELECT workspace, entity, activity FROM apikeys.audit_logs;
SELECT api FROM apikeys.apis;
SELECT apikeys_internal.visible_workspaces(c) FROM unnest('{validate,view,manage,audit,admin}'::text[]) AS c;
SELECT DISTINCT workspace FROM apikeys.search_audit_logs(max_rows => 2147483647);
SELECT count(*) FROM apikeys.export_audit_logs() AS l WHERE l ~ 'rival|Rival|there|Gone';
CALL apikeys.sequence_audit_logs();
SELECT workspace, ok FROM apikeys.verify_audit_logs();
SELECT workspace FROM apikeys.audit_checkpoint();
SELECT apikeys.key_id('Shared name') = :'acme_id' AS its_own;

-- usage; what belongs to no key is not a scoped role's to see, nor how much there is of others
SELECT DISTINCT workspace, name FROM apikeys.key_usage;
SELECT DISTINCT workspace, name FROM apikeys.usage_history;
SELECT DISTINCT workspace FROM apikeys.denials;
SELECT entries, limits, bytes, max_bytes, counts_lost, limits_not_kept, limits_given_up FROM apikeys.status();

-- a cheap function in a query does not see other rows either
CREATE FUNCTION pg_temp.peep(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE NOTICE 'peeped at %', $1; RETURN true; END $$;
SELECT count(*) FROM apikeys.active_keys WHERE pg_temp.peep(name || ' of ' || workspace);
SELECT count(*) FROM apikeys.archived_keys WHERE pg_temp.peep(name);
SELECT count(*) FROM apikeys.key_usage WHERE pg_temp.peep(name || ' of ' || workspace);
SELECT count(*) FROM apikeys.usage_history WHERE pg_temp.peep(name || ' of ' || workspace);
SELECT count(*) FROM apikeys.denials WHERE pg_temp.peep(code || ' of ' || workspace);
SELECT count(*) FROM apikeys.audit_logs WHERE pg_temp.peep(activity) AND entity = 'API Keys';

-- what belongs to no workspace is not in a scoped role's hands
SELECT pg_temp.refused($$SELECT apikeys.register_api('x')$$);
SELECT pg_temp.refused($$SELECT apikeys.unregister_api('billing')$$);
SELECT pg_temp.refused($$SELECT apikeys.unregister_api('nothing')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_workspace('mine')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_workspace('acme')$$);

-- default is not this role's: it does not exist (without a workspace argument, what it creates goes to its own: contract.sql)
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}', 'default')$$);
SELECT pg_temp.refused($$SELECT apikeys.add_team_member('x', 'x', 'default')$$);
-- bound to its workspace, it needs no argument
SET apikeys.workspace = 'acme';
SELECT name, workspace FROM apikeys.create_key('Bound', '{data}');
SELECT apikeys.grant_access('regress_ak_acme', 'view');
RESET apikeys.workspace;
SET apikeys.workspace = 'rival';
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}', 'acme')$$);
SELECT (SELECT count(*) FROM apikeys.active_keys), (SELECT count(*) FROM apikeys.audit_logs), apikeys_internal.visible_workspaces('view');
SELECT code FROM apikeys.validate_key(:'other_key');
SELECT code FROM apikeys.validate_key(:'acme_key');
SELECT name FROM apikeys.identify_key(:'acme_key');
RESET apikeys.workspace;

-- in its workspace it may do everything
SELECT name, workspace FROM apikeys.create_key('New', '{data}', 'acme');
SELECT team, created_by FROM apikeys.active_keys WHERE name = 'New';
SELECT name FROM apikeys.update_key(:'acme_id', name => 'Renamed');
SELECT apikeys.update_workspace('acme', 'Acme Inc.', 'acme');
SELECT (apikeys.archive_key(:'acme_id')).state;
SELECT apikeys.grant_access('regress_ak_acme', 'audit', 'acme');
SELECT apikeys.revoke_access('regress_ak_acme', 'audit', 'acme');
RESET ROLE;

-- less than admin: what one may see but not do is refused as such
SELECT apikeys.revoke_access('regress_ak_acme', 'admin', 'acme');
SELECT apikeys.grant_access('regress_ak_acme', 'manage', 'rival');
SET ROLE regress_ak_acme;
SELECT apikeys_internal.visible_workspaces('view'), apikeys_internal.visible_workspaces('manage'), apikeys_internal.visible_workspaces('audit');
SELECT name FROM apikeys.update_key(:'other_id', team => 'mine');
SELECT pg_temp.refused($$SELECT apikeys.archive_key(apikeys.key_id('Bound', 'acme'))$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}', 'acme')$$);
SELECT workspace, name FROM apikeys.active_keys ORDER BY 1, 2;
SELECT pg_temp.refused($$SELECT apikeys.key_id('Nothing')$$);
RESET ROLE;
SELECT count(*) FROM apikeys.create_key('Only there', '{data}', 'acme');
SET ROLE regress_ak_acme;
SELECT pg_temp.refused($$SELECT apikeys.key_id('Only there')$$);
RESET ROLE;

-- revoked in the middle of a transaction: from the next statement on
SELECT apikeys.revoke_access('regress_ak_acme', 'view', 'acme'), apikeys.revoke_access('regress_ak_acme', 'manage', 'rival') \g /dev/null
SELECT apikeys.grant_access('regress_ak_acme', 'validate', 'rival');
BEGIN;
SET LOCAL ROLE regress_ak_acme;
SELECT code FROM apikeys.validate_key(:'other_key');
RESET ROLE;
SELECT apikeys.grant_access('regress_ak_acme', 'validate', 'acme');
SELECT apikeys.revoke_access('regress_ak_acme', 'validate', 'rival');
SET LOCAL ROLE regress_ak_acme;
SELECT code FROM apikeys.validate_key(:'other_key');
ROLLBACK;
SET ROLE regress_ak_acme;
SELECT code FROM apikeys.validate_key(:'other_key');
RESET ROLE;

-- the owner of the database has what pg_database_owner was granted, until the next owner has it
CREATE ROLE regress_ak_last;
CREATE ROLE regress_ak_next;
SELECT apikeys.grant_access('pg_database_owner', 'validate', 'rival'), apikeys.grant_access(r::name, 'validate', 'acme') FROM unnest('{regress_ak_last,regress_ak_next}'::text[]) AS r \g /dev/null
SELECT datdba::regrole AS owner FROM pg_database WHERE datname = current_database() \gset
ALTER DATABASE :DBNAME OWNER TO regress_ak_last;
SET ROLE regress_ak_last;
SELECT code FROM apikeys.validate_key(:'other_key');
RESET ROLE;
ALTER DATABASE :DBNAME OWNER TO regress_ak_next;
SET ROLE regress_ak_last;
SELECT code FROM apikeys.validate_key(:'other_key');
SET ROLE regress_ak_next;
SELECT code FROM apikeys.validate_key(:'other_key');
RESET ROLE;
ALTER DATABASE :DBNAME OWNER TO :owner;
SET ROLE regress_ak_next;
SELECT code FROM apikeys.validate_key(:'other_key');
RESET ROLE;
SELECT apikeys.revoke_access('pg_database_owner', 'validate', 'rival');

SELECT pg_temp.wrong();
DROP OWNED BY regress_ak_acme, regress_ak_last, regress_ak_next;
DROP ROLE regress_ak_acme, regress_ak_last, regress_ak_next;
