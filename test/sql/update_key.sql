-- update_key: what it changes, what it keeps, and all errors.
\set ECHO none
\i test/lib/regress.sql

CREATE FUNCTION pg_temp.id() RETURNS uuid LANGUAGE sql AS $$ SELECT key_id FROM apikeys.active_keys WHERE created_by = 'maker' $$;
CREATE VIEW pg_temp.shown AS
	SELECT name, apis, access, team, expires_at, allowed_cidrs, rate_limit AS lim, rate_window AS per, metadata, updated_by
	FROM apikeys.active_keys WHERE created_by = 'maker';
SET apikeys.actor = 'maker';
SELECT key FROM apikeys.create_key('First', '{data}', team => 'One', expires_at => '2999-01-01 00:00+00',
	allowed_cidrs => '{192.0.2.0/24}', rate_limit => 5, rate_window => '1 hour', metadata => '{"a": 1}') \gset
SET apikeys.actor = 'editor';
SELECT key_id AS other FROM apikeys.create_key('Other', '{data}') \gset
SELECT count(*) FROM pg_temp.entries();

-- nothing changes: it succeeds, without an entry and without a trace on the key
SELECT name, updated_at, updated_by FROM apikeys.update_key(pg_temp.id());
SELECT name, updated_at, updated_by FROM apikeys.update_key(pg_temp.id(), name => ' First ', apis => '{data,data}', team => 'One',
	expires_at => '2999-01-01 00:00+00', allowed_cidrs => '{192.0.2.99/24}', rate_limit => 5, rate_window => '1 hour', metadata => '{"a":1}');
SELECT * FROM pg_temp.entries();

-- one by one
SELECT name, updated_by, updated_at >= created_at AS updated, regenerated_at FROM apikeys.update_key(pg_temp.id(), name => '  Second ');
SELECT apis, access FROM apikeys.update_key(pg_temp.id(), apis => '{push,data}');
SELECT apis, access FROM apikeys.update_key(pg_temp.id(), apis => '{push,data,segmentation}');
SELECT team FROM apikeys.update_key(pg_temp.id(), team => 'Two');
SELECT expires_at FROM apikeys.update_key(pg_temp.id(), expires_at => '2998-01-01 00:00+00');
SELECT allowed_cidrs FROM apikeys.update_key(pg_temp.id(), allowed_cidrs => '{198.51.100.7,2001:db8::1/64}');
SELECT rate_limit, rate_window FROM apikeys.update_key(pg_temp.id(), rate_limit => 6);
SELECT rate_limit, rate_window FROM apikeys.update_key(pg_temp.id(), rate_window => '1 day');
SELECT metadata FROM apikeys.update_key(pg_temp.id(), metadata => '{"b": 2}');
SELECT * FROM pg_temp.entries() \gx
TABLE shown \gx

-- all at once is one action
SELECT count(*) FROM apikeys.update_key(pg_temp.id(), 'Third', '{segmentation}', 'Three', 'customer 3', '2997-01-01 00:00+00', '{10.0.0.0/8}', 1, '2 days', 30, 'week', '{"c": 3}');
SELECT * FROM pg_temp.entries() \gx
TABLE shown \gx

-- what clears
SELECT team FROM apikeys.update_key(pg_temp.id(), team => '');
SELECT expires_at FROM apikeys.update_key(pg_temp.id(), expires_at => 'infinity');
SELECT allowed_cidrs FROM apikeys.update_key(pg_temp.id(), allowed_cidrs => '{}');
SELECT rate_limit, rate_window FROM apikeys.update_key(pg_temp.id(), rate_limit => 0);
SELECT metadata FROM apikeys.update_key(pg_temp.id(), metadata => '{}');
-- and JSON's null, which some clients send for nothing, is nothing
SELECT metadata IS NULL AS none FROM apikeys.update_key(pg_temp.id(), metadata => 'null');
SELECT metadata FROM apikeys.update_key(pg_temp.id(), metadata => '[null]');
SELECT metadata IS NULL AS none FROM apikeys.update_key(pg_temp.id(), metadata => 'null');
SELECT count(*) FROM apikeys.update_key(pg_temp.id(), team => '', expires_at => 'infinity', allowed_cidrs => '{}', rate_limit => 0, metadata => '{}');
SELECT * FROM pg_temp.entries() \gx
SELECT rate_limit, rate_window FROM apikeys.update_key(pg_temp.id(), rate_limit => 7);

-- the secret stays
SELECT code FROM apikeys.validate_key(:'key');

-- suspended until a later date is set
SELECT expires_at <= now() AS suspended FROM apikeys.update_key(pg_temp.id(), expires_at => now());
SELECT code FROM apikeys.validate_key(:'key');
SELECT name FROM apikeys.update_key(pg_temp.id(), name => 'Renamed while suspended');
SELECT code FROM apikeys.validate_key(:'key');
SELECT expires_at FROM apikeys.update_key(pg_temp.id(), expires_at => '2996-01-01 00:00+00');
SELECT code FROM apikeys.validate_key(:'key');
SELECT expires_at FROM apikeys.update_key(pg_temp.id(), expires_at => '-infinity');
SELECT code FROM apikeys.validate_key(:'key');
SELECT expires_at FROM apikeys.update_key(pg_temp.id(), expires_at => 'infinity');
SELECT code FROM apikeys.validate_key(:'key');
SELECT activity, changes FROM pg_temp.entries();

-- a change of case is a new name; a name taken is refused, in any case; an archived key's name is free
SELECT name FROM apikeys.update_key(pg_temp.id(), name => 'RENAMED WHILE SUSPENDED');
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), name => 'OTHER')$$);
SELECT state FROM apikeys.archive_key(:'other');
SELECT name FROM apikeys.update_key(pg_temp.id(), name => 'OTHER');

-- only if nobody updated it meanwhile: what was read decides, updated_at or, of a key never updated, created_at; and NULL is no condition
SELECT key_id AS form FROM apikeys.create_key('Form', '{data}') \gset
SELECT created_at AS read FROM apikeys.key_details(:'form') \gset
SELECT updated_at AS later FROM apikeys.update_key(:'form', team => 'first', if_updated_at => :'read') \gset
SELECT count(*) FROM pg_temp.entries();
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L, team => ''second'', if_updated_at => %L)', :'form', :'read'));
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L, team => ''second'', if_updated_at => ''infinity'')', :'form'));
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L, team => ''second'', if_updated_at => %L)', gen_random_uuid(), :'read'));
SELECT count(*) FROM pg_temp.entries();
-- the same, in another time zone; a regeneration is no update
SET TimeZone = 'Asia/Kathmandu';
SELECT team FROM apikeys.update_key(:'form', team => 'second', if_updated_at => :'later');
SET TimeZone = 'UTC';
SELECT updated_at AS later FROM apikeys.key_details(:'form') \gset
SELECT name FROM apikeys.regenerate_key(:'form');
SELECT team FROM apikeys.update_key(:'form', team => 'third', if_updated_at => :'later');
SELECT team FROM apikeys.update_key(:'form', team => 'fourth', if_updated_at => NULL);
SELECT state FROM apikeys.archive_key(:'form');
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L, team => ''fifth'', if_updated_at => %L)', :'form', :'later'));

-- mistakes
SELECT count(*) FROM pg_temp.entries();
SELECT pg_temp.refused($$SELECT apikeys.update_key(NULL, name => 'x')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key((SELECT key_id FROM apikeys.active_keys WHERE name = 'none'), name => 'x')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(gen_random_uuid(), name => 'x')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), name => '')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), name => repeat('n', 101))$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), name => E'\x01')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), apis => '{}')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), apis => '{NULL}')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), apis => '{data,none}')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), team => repeat('t', 101))$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), allowed_cidrs => '{nonsense}')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), allowed_cidrs => '{NULL}')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), rate_limit => -5)$$);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), rate_window => '-5 minutes')$$);
SELECT count(*) FROM apikeys.update_key(pg_temp.id(), rate_limit => 0);
SELECT pg_temp.refused($$SELECT apikeys.update_key(pg_temp.id(), rate_window => '5 minutes')$$);
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L, name => %L)', :'other', 'x'));
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L)', :'other'));
SELECT action, activity FROM pg_temp.entries();

SELECT pg_temp.wrong();

-- Of large metadata the log tells what changed, not both whole.
SELECT key_id AS large_id FROM apikeys.create_key('large', '{data}', metadata => jsonb_build_object('filler', repeat('x', 5000), 'plan', 'free',
	'nested', '{"a": 1, "b": {"c": 2, "d": [1, 2]}}'::jsonb, 'gone', true)) \gset
SELECT key_id = :'large_id' AS updated FROM apikeys.update_key(:'large_id', metadata => jsonb_build_object('filler', repeat('x', 5000), 'plan', 'pro',
	'nested', '{"a": 1, "b": {"c": 2, "d": [1, 3]}}'::jsonb, 'new', NULL));
SELECT changes FROM apikeys.audit_logs WHERE key_id = :'large_id' LIMIT 1;
SELECT key_id = :'large_id' AS updated FROM apikeys.update_key(:'large_id', metadata => '{}');
SELECT length(changes::text), changes->'metadata'->'new' AS new FROM apikeys.audit_logs WHERE key_id = :'large_id' LIMIT 1;
CALL apikeys.sequence_audit_logs();
SELECT ok FROM apikeys.verify_audit_logs() WHERE NOT ok;
