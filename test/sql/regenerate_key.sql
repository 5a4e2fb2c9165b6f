-- regenerate_key and end_overlap: which secret is valid until when, and all errors.
\set ECHO none
\i test/lib/regress.sql

CREATE FUNCTION pg_temp.codes(VARIADIC keys text[]) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(v.code || CASE WHEN v.old_valid_until IS NULL THEN '' ELSE ' (old)' END, ', ' ORDER BY i)
   FROM unnest(keys) WITH ORDINALITY AS u (k, i), apikeys.validate_key(k) AS v $$;

SELECT key_id, key AS first FROM apikeys.create_key('Rotating', '{data,push}', team => 'One', expires_at => '2999-01-01 00:00+00',
	allowed_cidrs => NULL, rate_limit => 500, metadata => '{"a": 1}') \gset
SELECT count(*) FROM pg_temp.entries();
SELECT pg_temp.codes(:'first');

-- without an overlap the old secret is dead at once; name, APIs, expiry, limits and id stay
SELECT key AS second, key_id = :'key_id' AS same_id, name, apis, access, workspace, old_valid_until IS NULL AS no_overlap
FROM apikeys.regenerate_key(:'key_id') \gset
\echo :same_id :name :apis :access :workspace :no_overlap
SELECT pg_temp.codes(:'first', :'second');
SELECT name, apis, team, expires_at, rate_limit, rate_window, metadata, updated_at, regenerated_at >= created_at AS regenerated,
	regenerated_by = session_user AS by_me, old_valid_until, hint = 'ak...' || right(:'second', 4) AS hint
FROM apikeys.key_details(:'key_id') \gx
SELECT * FROM pg_temp.entries() \gx

-- with an overlap both are valid until then
SELECT key AS third, old_valid_until - now() BETWEEN interval '59 minutes' AND interval '61 minutes' AS in_an_hour
FROM apikeys.regenerate_key(:'key_id', '1 hour') \gset
\echo :in_an_hour
SELECT pg_temp.codes(:'first', :'second', :'third');
SELECT old_valid_until - now() BETWEEN interval '59 minutes' AND interval '61 minutes' AS in_an_hour FROM apikeys.key_details(:'key_id');

-- another regeneration ends it: one old secret at most
SELECT key AS fourth FROM apikeys.regenerate_key(:'key_id', overlap => '2 days') \gset
SELECT pg_temp.codes(:'first', :'second', :'third', :'fourth');

-- end_overlap ends it; what is not there can be ended again
SELECT name, old_valid_until FROM apikeys.end_overlap(:'key_id');
SELECT pg_temp.codes(:'third', :'fourth');
SELECT name, old_valid_until FROM apikeys.end_overlap(:'key_id');
SELECT * FROM pg_temp.entries() \gx

-- an overlap that has passed by itself
SELECT key AS fifth FROM apikeys.regenerate_key(:'key_id', '1 microsecond') \gset
SELECT pg_sleep(0.01);
SELECT pg_temp.codes(:'third', :'fourth', :'fifth');
SELECT old_valid_until < now() AS passed FROM apikeys.end_overlap(:'key_id');
SELECT count(*) FROM pg_temp.entries();

-- within one transaction
BEGIN;
SELECT key AS sixth FROM apikeys.regenerate_key(:'key_id', '1 hour') \gset
SELECT key AS seventh FROM apikeys.regenerate_key(:'key_id', '1 hour') \gset
COMMIT;
SELECT pg_temp.codes(:'fifth', :'sixth', :'seventh');

-- rolled back, the old secret is as it was
BEGIN;
SELECT key AS eighth FROM apikeys.regenerate_key(:'key_id') \gset
SELECT pg_temp.codes(:'seventh', :'eighth');
ROLLBACK;
SELECT pg_temp.codes(:'sixth', :'seventh', :'eighth');
SELECT count(*) FROM pg_temp.entries();

-- a new prefix applies from the next secret on
SELECT apikeys.update_workspace('default', prefix => 'new_prefix');
SELECT key ~ '^new_prefix_[0-9A-Za-z]{49}$' AS new_prefix, key AS ninth FROM apikeys.regenerate_key(:'key_id', '1 hour') \gset
\echo :new_prefix
SELECT pg_temp.codes(:'seventh', :'ninth');
SELECT hint = 'new_prefix...' || right(:'ninth', 4) AS hint FROM apikeys.key_details(:'key_id');

-- an expired key can be regenerated, and is still expired
SELECT count(*) FROM apikeys.update_key(:'key_id', expires_at => now());
SELECT key AS tenth FROM apikeys.regenerate_key(:'key_id') \gset
SELECT pg_temp.codes(:'ninth', :'tenth');

-- an archived one cannot; its old secret is archived, too
SELECT count(*) FROM apikeys.update_key(:'key_id', expires_at => 'infinity');
SELECT key AS eleventh FROM apikeys.regenerate_key(:'key_id', '1 hour') \gset
SELECT pg_temp.codes(:'tenth', :'eleventh');
SELECT state FROM apikeys.archive_key(:'key_id');
SELECT pg_temp.codes(:'ninth', :'tenth', :'eleventh');
SELECT count(*) > 0 AS told FROM pg_temp.entries();
SELECT pg_temp.refused(format('SELECT apikeys.regenerate_key(%L)', :'key_id'));
SELECT pg_temp.refused(format('SELECT apikeys.end_overlap(%L)', :'key_id'));

-- mistakes
SELECT count(*) FROM apikeys.create_key('Other', '{data}');
SELECT pg_temp.refused($$SELECT apikeys.regenerate_key(NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.regenerate_key(gen_random_uuid())$$);
SELECT pg_temp.refused($$SELECT apikeys.regenerate_key(apikeys.key_id('Other'), '-1 microsecond')$$);
SELECT pg_temp.refused($$SELECT apikeys.regenerate_key(apikeys.key_id('Other'), '-1 day')$$);
SELECT pg_temp.refused($$SELECT apikeys.regenerate_key(apikeys.key_id('Other'), '100000000 days')$$);
SELECT pg_temp.refused($$SELECT apikeys.regenerate_key(apikeys.key_id('Other'), '170000000 years')$$);
SELECT pg_temp.refused($$SELECT apikeys.end_overlap(NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.end_overlap(gen_random_uuid())$$);
SELECT action, activity FROM pg_temp.entries();

SELECT pg_temp.wrong();
