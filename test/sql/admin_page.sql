-- A whole admin page, with one call for each click, by roles that have the capabilities they need and no more: list, search,
-- sort, create with check boxes, details with usage, edit, pause, regenerate, archive, the archived list, the log with filters,
-- export, workspaces, teams, rights, monitoring. Each arrow is a click.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
CREATE ROLE regress_ak_page;		-- the page of a tenant's own people
CREATE ROLE regress_ak_operator;	-- and of those who run all of it
CREATE ROLE regress_ak_service;		-- the service whose keys they are
SELECT apikeys.grant_access('regress_ak_operator', 'admin') \g /dev/null
RESET client_min_messages;

\echo '-> Operator: new workspace, with its policies'
SET ROLE regress_ak_operator;
SELECT count(*) FROM apikeys.create_workspace('acme', 'Acme Inc.', 'acme_live', key_limit => 20, default_lifetime => '365 days');
\echo '-> list of workspaces'
SELECT workspace, name, prefix, key_limit, default_lifetime FROM apikeys.workspaces;
\echo '-> edit it'
SELECT count(*) FROM apikeys.update_workspace('acme', max_lifetime => '400 days');
\echo '-> rights: what the tenant''s page may do, and what its service may'
SELECT count(*) FROM apikeys.grant_access('regress_ak_page', 'admin', 'acme');
SELECT count(*) FROM apikeys.grant_access('regress_ak_service', 'validate', 'acme');
\echo '-> list of rights'
SELECT role, capability, workspace, in_force FROM apikeys.accesses WHERE workspace = 'acme';
RESET ROLE;

SET ROLE regress_ak_page;
SET apikeys.workspace = 'acme';
SET apikeys.actor = 'ann@acme.example';
SET apikeys.client = '192.0.2.7';
\echo '-> teams: add somebody, list'
SELECT count(*) FROM apikeys.add_team_member('ann@acme.example', 'Platform');
SELECT actor, team FROM apikeys.team_members;
\echo '-> the check boxes of "new key"'
SELECT api, description IS NULL AS plain FROM apikeys.apis;
\echo '-> create, with two of them checked'
SELECT k.key AS mobile, k.key_id AS mobile_id, k.name, k.access, k.team, k.expires_at > now() + interval '364 days' AS expires, k.hint = 'acme_live...' || right(k.key, 4) AS hint
FROM apikeys.create_key('Mobile app', '{data,push}', owner => 'customer 4711') AS k \gset
\echo :name / :access / :team / :expires / :hint
\echo '-> create with all checked'
SELECT k.name, k.access FROM apikeys.create_key('Nightly import', '{data,segmentation,push}', rate_limit => 100) AS k;
SELECT count(*) FROM generate_series(1, 5) AS i, apikeys.create_key('Feed ' || i, '{data}', team => 'Sales') AS k;
\echo '-> a form with a mistake: the field that is wrong is named'
SELECT pg_temp.refused($$SELECT apikeys.create_key('Mobile APP', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('No boxes', '{}')$$);
\echo '-> list, first page'
SELECT total, name, access, team, state FROM apikeys.list_keys(max_rows => 3);
\echo '-> next page'
SELECT total, name, access, team, state FROM apikeys.list_keys(max_rows => 3, skip => 3);
\echo '-> sort by name'
SELECT name FROM apikeys.list_keys(order_by => 'name');
\echo '-> search'
SELECT name, owner FROM apikeys.list_keys(search => '4711');
\echo '-> filter by team'
SELECT count(*), min(total) AS total FROM apikeys.list_keys(team => 'Sales');

-- the service gets some requests
RESET ROLE;
SET ROLE regress_ak_service;
SELECT v.code, v.owner FROM apikeys.validate_key(:'mobile', 'data', '192.0.2.7') AS v;
SELECT v.code, v.http_status FROM apikeys.validate_key(:'mobile', 'segmentation') AS v;
RESET ROLE;
SET ROLE regress_ak_page;

\echo '-> details'
SELECT name, state, apis, owner, last_used_at > now() - interval '1 minute' AS just_used FROM apikeys.key_details(:'mobile_id');
\echo '-> its usage'
SELECT api, valid, denied, last_client FROM apikeys.key_usage WHERE key_id = :'mobile_id' ORDER BY api;
SELECT count(*) FROM apikeys.usage_chart(:'mobile_id', '3 hours');
SELECT day = (now() AT TIME ZONE 'UTC')::date AS today, api, valid, denied FROM apikeys.usage_daily WHERE key_id = :'mobile_id' ORDER BY api;
\echo '-> edit, as it was read'
SELECT coalesce(updated_at, created_at) AS read_at FROM apikeys.key_details(:'mobile_id') \gset
SELECT name, apis, owner, team FROM apikeys.update_key(:'mobile_id', name => 'Mobile app 2', apis => '{data}', if_updated_at => :'read_at');
\echo '-> edit, by somebody who read it before'
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L, name => ''Mine'', if_updated_at => %L)', :'mobile_id', :'read_at'));
\echo '-> pause, with a reason; and enable'
SELECT name, state FROM apikeys.disable_key(:'mobile_id', 'invoice overdue');
SELECT name, state FROM apikeys.enable_key(:'mobile_id', 'paid');
\echo '-> regenerate, with an overlap'
SELECT k.key AS second, k.name, k.old_valid_until > now() AS overlap FROM apikeys.regenerate_key(:'mobile_id', '1 hour', 'yearly rotation') AS k \gset
\echo :name / :overlap
\echo '-> end the overlap'
SELECT name, old_valid_until IS NULL AS ended FROM apikeys.end_overlap(:'mobile_id');
\echo '-> archive; the archived list'
SELECT name, state FROM apikeys.archive_key(:'mobile_id', 'app was sold');
SELECT total, name, archived_by, last_used_at IS NULL OR last_used_at < now() AS used FROM apikeys.list_keys(state => 'archived');
\echo '-> whose is this secret, that was found in a log?'
SELECT f.name, f.state, f.valid_checksum FROM apikeys.find_secrets('GET /?key=' || :'mobile' || ' 200') AS f;

\echo '-> the log: what the drop-downs offer'
SELECT teams, actions, actors FROM apikeys.audit_filters();
\echo '-> the log, filtered'
SELECT activity, actor, team, changes->>'reason' AS reason FROM apikeys.search_audit_logs('mobile app', actions => '{Update,Delete}', max_rows => 4);
\echo '-> its next page'
SELECT activity, changes->>'reason' AS reason FROM apikeys.search_audit_logs('mobile app', actions => '{Update,Delete}', max_rows => 4,
	before_id => (SELECT min(audit_id) FROM apikeys.search_audit_logs('mobile app', actions => '{Update,Delete}', max_rows => 4)));
\echo '-> export it'
SELECT regexp_replace(line, '^[-0-9: .+]+,', '<time>,') AS line FROM (SELECT apikeys.export_audit_logs(actions => '{Delete}') AS line) AS e;
\echo '-> denials'
SELECT code, api, count FROM apikeys.denials;
\echo '-> what the page does not see: others'
SELECT count(*) AS others FROM (SELECT workspace FROM apikeys.keys UNION ALL SELECT workspace FROM apikeys.audit_logs UNION ALL SELECT workspace FROM apikeys.workspaces) AS w WHERE workspace <> 'acme';
RESET ROLE;
RESET apikeys.workspace;
RESET apikeys.actor;
RESET apikeys.client;

SET ROLE regress_ak_operator;
\echo '-> Operator: is all well?'
SELECT count(*) > 10 AS metrics FROM apikeys.metrics();
CALL apikeys.sequence_audit_logs();
SELECT workspace, ok FROM apikeys.verify_audit_logs() WHERE workspace = 'acme';
\echo '-> the tenant leaves: archive what is there, and drop it'
SELECT count(apikeys.archive_key(key_id)) FROM apikeys.list_keys('acme', max_rows => 1000);
SELECT count(*) FROM apikeys.drop_workspace('acme');
SELECT workspace FROM apikeys.workspaces;
SELECT role, workspace FROM apikeys.accesses WHERE workspace <> '*';
RESET ROLE;
SELECT pg_temp.wrong();

DROP OWNED BY regress_ak_page, regress_ak_operator, regress_ak_service;
DROP ROLE regress_ak_page, regress_ak_operator, regress_ak_service;
