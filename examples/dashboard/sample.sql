/*
 * Sample data for `make dashboard`: roles, operators' rights, workspaces, keys, traffic.  For a throwaway database.
 */
\set ON_ERROR_STOP on
\o /dev/null
SET client_min_messages = warning;
CREATE EXTENSION apikeys CASCADE;
SET search_path = pg_catalog, pg_temp;

-- The dashboard's own role may do nothing but become its operators' roles.
CREATE ROLE dashboard LOGIN NOINHERIT;
CREATE ROLE dashboard_admin;
CREATE ROLE dashboard_acme_view;
CREATE ROLE dashboard_acme_manage;
CREATE ROLE dashboard_nothing;
GRANT dashboard_admin, dashboard_acme_view, dashboard_acme_manage, dashboard_nothing TO dashboard;
SELECT apikeys.create_workspace('acme', 'Acme Ltd', 'acme_live');
SELECT apikeys.create_workspace('globex', 'Globex', 'glx', key_limit => 5);
SELECT apikeys.grant_access('dashboard_admin', 'admin');
SELECT apikeys.grant_access('dashboard_acme_view', 'view', 'acme');
SELECT apikeys.grant_access('dashboard_acme_manage', 'manage', 'acme');
SELECT apikeys.add_team_member('ann@example.com', 'Platform', workspace)
FROM	(VALUES ('default'), ('acme'), ('globex')) w (workspace);

SET apikeys.actor = 'ann@example.com';
SET apikeys.client = '192.0.2.7';
CREATE TEMPORARY TABLE sample AS
SELECT	k.key_id, k.key, k.name
FROM	(VALUES	('Mobile app',		'{data,push}'::text[],	'default'::text, NULL::text, 600, NULL::timestamptz),
				('Data pipeline',	'{data,segmentation,push}', 'default', 'Data', NULL, NULL),
				('Partner feed',	'{data}', 'default', 'Partners', 100, date_trunc('day', now()) + interval '90 days'),
				('Nightly import',	'{data,segmentation}', 'default', 'Data', NULL, NULL),
				('Old website',		'{data}', 'default', NULL, NULL, NULL),
				('Load test',		'{data,push}', 'default', NULL, NULL, NULL),
				('Acme shop',		'{data,segmentation,push}', 'acme', 'Shop', NULL, NULL),
				('Acme warehouse',	'{data}', 'acme', 'Logistics', NULL, NULL)) d (name, apis, workspace, team, rate_limit, expires_at),
		apikeys.create_key(d.name, d.apis, workspace => d.workspace, team => d.team, expires_at => d.expires_at,
			rate_limit => d.rate_limit) k;
SELECT	FROM sample s, apikeys.update_key(s.key_id, quota => 50000, quota_period => 'month') WHERE s.name = 'Acme shop';
SELECT	FROM sample s, apikeys.update_key(s.key_id, quota => 5000, quota_period => 'month') WHERE s.name = 'Partner feed';
-- What was used of them this month, which only a sample may say.
INSERT INTO apikeys_internal.quota_used (key_id, period, since, used)
SELECT	key_id, 'month', date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', CASE name WHEN 'Partner feed' THEN 3412 ELSE 9120 END
FROM	sample WHERE name IN ('Partner feed', 'Acme shop');
SELECT	FROM sample s, apikeys.archive_key(s.key_id, reason => 'the site is gone') WHERE s.name = 'Old website';
SET apikeys.actor = 'bob@example.com';
SET apikeys.team = 'Data';
SELECT	FROM sample s, apikeys.disable_key(s.key_id, reason => 'between two tests') WHERE s.name = 'Load test';
SELECT	FROM sample s, apikeys.update_key(s.key_id, owner => 'customer 4711', metadata => '{"contract": 4711}') WHERE s.name = 'Partner feed';
SELECT	FROM sample s, apikeys.regenerate_key(s.key_id, '7 days', 'yearly rotation') WHERE s.name = 'Data pipeline';

-- Requests: real ones now, and a day that the table of hours is told of, as only a sample may.
SELECT count(*) FROM sample s, generate_series(1, 40) i, apikeys.validate_key(s.key, CASE WHEN i % 9 = 0 THEN 'segmentation' ELSE 'data' END, '198.51.100.4');
SELECT apikeys.flush_usage();
INSERT INTO apikeys_internal.usage_hour (key_id, hour, api, code, old_secret, workspace, count, last_at, slot, slot_count)
SELECT	k.key_id, date_trunc('hour', now()) - h * interval '1 hour', 'data', v.code, false, k.workspace,
		CASE v.code WHEN 'VALID' THEN 120 + (100 * sin((extract(hour FROM now()) - h) / 3.8))::integer + hashtext(k.name || h) % 20 ELSE 8 + hashtext(k.name || h) % 8 END,
		date_trunc('hour', now()) - h * interval '1 hour' + interval '59 minutes', 0, 0
FROM	apikeys.active_keys k, generate_series(1, 150) h, (VALUES ('VALID'), ('RATE_LIMITED')) v (code);
