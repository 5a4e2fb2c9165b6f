-- Forty mistakes that newcomers make, and the error of each, to be read together: SQLSTATE, message, detail, hint, and the
-- fields that a form reads.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
SELECT apikeys.create_workspace('acme', 'Acme', key_limit => 3, max_lifetime => '90 days', default_lifetime => '30 days') \g /dev/null
SELECT key AS secret, key_id FROM apikeys.create_key('Mobile app', '{data}') \gset
SELECT key_id AS gone_id FROM apikeys.create_key('Old app', '{data}') \gset
SELECT FROM apikeys.archive_key(:'gone_id') \g /dev/null
SELECT count(*) FROM unnest('{default,acme}'::text[]) AS w, apikeys.create_key('Both', '{data}', w) \g /dev/null
CREATE ROLE regress_ak_reader;
SELECT apikeys.grant_access('regress_ak_reader', 'view', 'acme') \g /dev/null
CREATE TEMPORARY TABLE mistakes (n serial, call text, role text);
INSERT INTO mistakes (call) VALUES
	-- a new key
	($$apikeys.create_key('My key')$$),
	($$apikeys.create_key('My key', '{}')$$),
	($$apikeys.create_key('My key', NULL)$$),
	($$apikeys.create_key('My key', '{date}')$$),
	($$apikeys.create_key('My key', '{Data}')$$),
	($$apikeys.create_key(NULL, '{data}')$$),
	($$apikeys.create_key('   ', '{data}')$$),
	($$apikeys.create_key('mobile APP', '{data}')$$),
	($$apikeys.create_key(repeat('long ', 30), '{data}')$$),
	($$apikeys.create_key('My key', '{data}', 'Acme')$$),
	($$apikeys.create_key('My key', '{data}', expires_at => '2020-01-01')$$),
	($$apikeys.create_key('My key', '{data}', allowed_cidrs => '{192.0.2.1-192.0.2.9}')$$),
	($$apikeys.create_key('My key', '{data}', allowed_cidrs => '{10.0.0.0/33}')$$),
	($$apikeys.create_key('My key', '{data}', rate_limit => -5)$$),
	($$apikeys.create_key('My key', '{data}', rate_window => '1 hour')$$),
	($$apikeys.create_key('My key', '{data}', rate_limit => 5, rate_window => '0')$$),
	($$apikeys.create_key('My key', '{data}', quota_period => 'day')$$),
	($$apikeys.create_key('My key', '{data}', quota => 1000, quota_period => 'monthly')$$),
	($$apikeys.create_key('My key', '{data}', owner => repeat('x', 300))$$),
	($$apikeys.create_key('My key', '{data}', 'acme', expires_at => 'infinity')$$),
	($$apikeys.create_key('My key', '{data}', 'acme', expires_at => now() + interval '1 year')$$),
	-- a key from elsewhere
	($$apikeys.import_key('Legacy', '{data}', 'the old key')$$),
	($$apikeys.import_key('Legacy', '{data}', pg_catalog.sha256(:secret))$$),
	($$apikeys.import_key('Legacy', '{data}', pg_catalog.sha256('old'), hint => :secret)$$),
	-- which key
	($$apikeys.key_details(NULL)$$),
	($$apikeys.key_details('00000000-0000-4000-8000-000000000000')$$),
	($$apikeys.key_id('Mobil app')$$),
	($$apikeys.key_id('Both')$$),
	($$apikeys.key_id('Old app')$$),
	-- changing it
	($$apikeys.update_key(:key_id, name => 'Both')$$),
	($$apikeys.update_key(:key_id, team => '2024-01-01', if_updated_at => '2024-01-01')$$),
	($$apikeys.update_key(:gone_id, name => 'Back again')$$),
	($$apikeys.regenerate_key(:key_id, '-1 hour')$$),
	($$apikeys.archive_key(:key_id, reason => 'leaked: ' || :secret)$$),
	($$apikeys.archive_key(:gone_id)$$),
	-- the registry
	($$apikeys.register_api('data')$$),
	($$apikeys.unregister_api('data')$$),
	($$apikeys.create_workspace('Acme Inc.')$$),
	($$apikeys.create_workspace('acme')$$),
	($$apikeys.create_workspace('new', prefix => 'My-Prefix')$$),
	($$apikeys.update_workspace('acme', default_lifetime => '45')$$),
	($$apikeys.update_workspace('acme', leak_action => 'delete')$$),
	-- rights
	($$apikeys.grant_access('regress_ak_reader', 'read')$$),
	($$apikeys.grant_access('regress_ak_nobody', 'view')$$);
INSERT INTO mistakes (call, role) VALUES
	($$apikeys.create_key('My key', '{data}')$$, 'regress_ak_reader'),
	($$apikeys.key_details(:key_id)$$, 'regress_ak_reader');
GRANT SELECT ON mistakes TO PUBLIC;

CREATE FUNCTION pg_temp.said(call text, role text, OUT said text) LANGUAGE plpgsql AS
$$
DECLARE
	message text; detail text; hint text; col text; cons text;
BEGIN
	IF role IS NOT NULL THEN
		EXECUTE format('SET LOCAL ROLE %I', role);
	END IF;
	EXECUTE 'SELECT ' || call;
	said := 'NO MISTAKE';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, col = COLUMN_NAME, cons = CONSTRAINT_NAME;
	said := concat_ws(E'\n', SQLSTATE || ': ' || message, 'DETAIL: ' || nullif(detail, ''), 'HINT: ' || nullif(hint, ''), 'COLUMN: ' || nullif(col, ''), 'CONSTRAINT: ' || nullif(cons, ''));
END
$$;
\pset format unaligned
\pset tuples_only
\pset recordsep '\n\n'
\pset fieldsep '\n'
SELECT 'apikeys=> SELECT ' || call || ';', replace(replace(replace(pg_temp.said(replace(replace(replace(call, ':secret', quote_literal(:'secret')), ':key_id', quote_literal(:'key_id')), ':gone_id', quote_literal(:'gone_id')), role),
	:'key_id', '<key_id>'), :'gone_id', '<gone_id>'), :'secret', 'THE SECRET')
FROM mistakes ORDER BY n;
-- what names no argument, though it is one's
SELECT n, call FROM mistakes, pg_temp.said(replace(replace(replace(call, ':secret', quote_literal(:'secret')), ':key_id', quote_literal(:'key_id')), ':gone_id', quote_literal(:'gone_id')), role)
WHERE said ~ '^(22004|22023|23505|23514)' AND said !~ 'COLUMN: ';
SELECT * FROM pg_temp.wrong();
DROP OWNED BY regress_ak_reader;
DROP ROLE regress_ak_reader;
