-- The policies of a workspace (default and maximum lifetime, key limit, shared rate limit) hold however they are set, and for every
-- caller.
\set ECHO none
\i test/lib/regress.sql
-- what a mistake says, with the fields that a form reads
CREATE FUNCTION pg_temp.mistake(statement text) RETURNS TABLE (said text) LANGUAGE plpgsql AS
$$
DECLARE
	col text; cons text;
BEGIN
	RETURN QUERY SELECT pg_temp.refused(statement);
	EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS col = COLUMN_NAME, cons = CONSTRAINT_NAME;
	said := concat_ws(' ', 'COLUMN:', col, 'CONSTRAINT: ' || nullif(cons, ''));
	RETURN NEXT;
END
$$;
CREATE FUNCTION pg_temp.lasts(key_id uuid) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(date_trunc('hour', k.expires_at - k.created_at + interval '1 minute')::text, 'for ever') FROM apikeys.key_details(key_id) AS k $$;

SELECT apikeys.create_workspace('acme', 'Acme', key_limit => 3, default_lifetime => '30 days', max_lifetime => '90 days', rate_limit => 100, rate_window => '1 hour', leak_action => 'log');
SELECT archive_limit, key_limit, default_lifetime, max_lifetime, rate_limit, rate_window, leak_action FROM apikeys.workspace WHERE workspace = 'acme';
SELECT activity FROM pg_temp.entries();

-- default_lifetime is the expiry of a key without one; 'infinity' asks for none
SELECT pg_temp.lasts(key_id) FROM apikeys.create_key('Default', '{data}', 'acme');
SELECT pg_temp.lasts(key_id) FROM apikeys.create_key('Longer', '{data}', 'acme', expires_at => now() + interval '90 days');
SELECT pg_temp.mistake($$SELECT apikeys.create_key('Too long', '{data}', 'acme', expires_at => now() + interval '90 days 1 hour')$$);
SELECT pg_temp.mistake($$SELECT apikeys.create_key('Never', '{data}', 'acme', expires_at => 'infinity')$$);
SELECT pg_temp.mistake($$SELECT apikeys.import_key('Never', '{data}', sha256('x'), workspace => 'acme', expires_at => 'infinity')$$);
SELECT pg_temp.mistake($$INSERT INTO apikeys.key (name, apis, workspace, key_hash, expires_at) VALUES ('Never', '{data}', 'acme', sha256('bad'), 'infinity')$$);
-- a changed expiry must keep it, too
SELECT pg_temp.mistake(format('SELECT apikeys.update_key(%L, expires_at => %L)', apikeys.key_id('Default'), 'infinity'));
SELECT pg_temp.mistake(format('SELECT apikeys.update_key(%L, expires_at => %L)', apikeys.key_id('Default'), now() + interval '1 year'));
SELECT pg_temp.mistake($$UPDATE apikeys.key SET expires_at = NULL WHERE name = 'Default'$$);
SELECT name, expires_at > now() + interval '79 days' AS later FROM apikeys.update_key(apikeys.key_id('Default'), expires_at => now() + interval '80 days');
-- key_limit counts what is not archived, also what is disabled
SELECT state FROM apikeys.disable_key(apikeys.key_id('Default'));
SELECT count(*) FROM apikeys.create_key('Third', '{data}', 'acme');
SELECT pg_temp.mistake($$SELECT apikeys.create_key('Fourth', '{data}', 'acme')$$);
SELECT pg_temp.mistake($$SELECT apikeys.import_key('Fourth', '{data}', sha256('x'), workspace => 'acme')$$);
SELECT pg_temp.mistake($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('Fourth', '{data}', 'acme', sha256('bad'))$$);
SELECT state FROM apikeys.archive_key(apikeys.key_id('Third'));
SELECT count(*) FROM apikeys.create_key('Fourth', '{data}', 'acme');
-- several rows at once are counted one by one
SELECT apikeys.update_workspace('acme', key_limit => 5);
SELECT pg_temp.mistake($$INSERT INTO apikeys.key (name, apis, workspace, key_hash) SELECT 'Row ' || i, '{data}', 'acme', sha256(i::text::bytea) FROM generate_series(1, 3) AS i$$);
SELECT count(*) FROM apikeys.key WHERE workspace = 'acme' AND archived_at IS NULL;
-- others are not bound
SELECT pg_temp.lasts(key_id) FROM generate_series(1, 5) AS i, apikeys.create_key('k' || i, '{data}') AS k LIMIT 1;

-- tightening kills no key: each lives and can be edited, but not made longer
SELECT apikeys.update_workspace('acme', key_limit => 1, max_lifetime => '1 day');
SELECT code FROM apikeys.create_workspace('other'), apikeys.create_key('Old', '{data}', 'other') AS k, apikeys.validate_key(k.key);
SELECT name, expires_at > now() + interval '80 days' AS as_before FROM apikeys.update_key(apikeys.key_id('Longer'), team => 'Ops');
SELECT name FROM apikeys.regenerate_key(apikeys.key_id('Longer'));
SELECT pg_temp.mistake(format('SELECT apikeys.update_key(%L, expires_at => %L)', apikeys.key_id('Longer'), now() + interval '2 days'));
SELECT name FROM apikeys.update_key(apikeys.key_id('Longer'), expires_at => now() + interval '1 hour');
SELECT state FROM apikeys.enable_key(apikeys.key_id('Default'));
SELECT pg_temp.mistake($$SELECT apikeys.create_key('More', '{data}', 'acme')$$);
-- a default beyond the maximum ends with it; without a default, a key must say when it ends
SELECT apikeys.update_workspace('acme', key_limit => 0, default_lifetime => '30 days', max_lifetime => '7 days');
SELECT pg_temp.lasts(key_id) FROM apikeys.create_key('Seven', '{data}', 'acme');
SELECT apikeys.update_workspace('acme', default_lifetime => '0');
SELECT pg_temp.mistake($$SELECT apikeys.create_key('Which', '{data}', 'acme')$$);
-- months and days are those of UTC, whatever the session's time zone
SET TimeZone = 'America/New_York';
SELECT apikeys.update_workspace('acme', default_lifetime => '1 year', max_lifetime => '0');
SELECT key_id FROM apikeys.create_key('Year', '{data}', 'acme') \gset
SET TimeZone = 'UTC';
SELECT expires_at = created_at + interval '1 year' AS a_year FROM apikeys.key_details(:'key_id');

-- NULL keeps, 0 clears; archive_limit 0 keeps none
SELECT apikeys.update_workspace('acme');
SELECT apikeys.update_workspace('acme', rate_window => '1 minute');
SELECT archive_limit, key_limit, default_lifetime, max_lifetime, rate_limit, rate_window, leak_action FROM apikeys.workspace WHERE workspace = 'acme';
SET client_min_messages = warning;
SELECT apikeys.update_workspace('acme', '', archive_limit => 0, key_limit => 0, default_lifetime => '0', max_lifetime => '0', rate_limit => 0, leak_action => 'disable');
SELECT name, archive_limit, key_limit, default_lifetime, max_lifetime, rate_limit, rate_window, leak_action FROM apikeys.workspace WHERE workspace = 'acme';
SELECT count(*) FROM apikeys.archived_keys WHERE workspace = 'acme';
SELECT name, state, archived_at IS NOT NULL AS archived FROM apikeys.archive_key(apikeys.key_id('Seven'));
SELECT count(*) FROM apikeys.archived_keys WHERE workspace = 'acme';
RESET client_min_messages;
SELECT activity, changes FROM pg_temp.entries() ORDER BY 1 DESC LIMIT 3;
SELECT apikeys.create_workspace('none', archive_limit => 0, key_limit => 0, default_lifetime => '0', max_lifetime => '0', rate_limit => 0, rate_window => '1 hour');
SELECT archive_limit, key_limit, default_lifetime, max_lifetime, rate_limit, rate_window, leak_action FROM apikeys.workspace WHERE workspace = 'none';

-- mistakes
SELECT m, pg_temp.mistake(format('SELECT apikeys.update_workspace(%L, %s)', 'acme', m))
FROM unnest(ARRAY['key_limit => -1', 'key_limit => 1000001', 'default_lifetime => ''90''', 'default_lifetime => ''-1 day''', 'max_lifetime => ''1 month -1 day''',
	'max_lifetime => ''1100 years''', 'max_lifetime => ''30''', 'rate_limit => -1', 'rate_window => ''1 hour''', 'rate_limit => 1, rate_window => ''0''', 'rate_limit => 1, rate_window => ''2 years''',
	'leak_action => ''burn''']) AS m;
SELECT pg_temp.mistake($$UPDATE apikeys.workspace SET key_limit = 0 WHERE workspace = 'acme'$$);
SELECT pg_temp.mistake($$UPDATE apikeys.workspace SET rate_window = '1 hour' WHERE workspace = 'acme'$$);
SELECT pg_temp.mistake($$UPDATE apikeys.workspace SET leak_action = '' WHERE workspace = 'acme'$$);

-- what bounds a workspace is for an admin of all
CREATE ROLE regress_ak_tenant;
CREATE ROLE regress_ak_platform;
SELECT apikeys.grant_access('regress_ak_tenant', 'admin', 'acme'), apikeys.grant_access('regress_ak_platform', 'admin') \g /dev/null
SET ROLE regress_ak_tenant;
SELECT apikeys.update_workspace('acme', 'Acme', 'acme', 3, default_lifetime => '1 day', leak_action => 'archive');
SELECT m, pg_temp.refused(format('SELECT apikeys.update_workspace(%L, %s)', 'acme', m))
FROM unnest(ARRAY['key_limit => 0', 'max_lifetime => ''1 day''', 'rate_limit => 1', 'rate_window => ''1 hour''']) AS m;
SELECT pg_temp.refused($$SELECT apikeys.update_workspace('other', key_limit => 1)$$);
SET ROLE regress_ak_platform;
SELECT apikeys.update_workspace('acme', key_limit => 10, max_lifetime => '1 day', rate_limit => 1);
RESET ROLE;
SELECT name, prefix, archive_limit, key_limit, default_lifetime, max_lifetime, rate_limit, rate_window, leak_action FROM apikeys.workspace WHERE workspace = 'acme';
SELECT * FROM pg_temp.wrong();

DROP OWNED BY regress_ak_tenant, regress_ak_platform;
DROP ROLE regress_ak_tenant, regress_ak_platform;
