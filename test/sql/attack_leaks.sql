-- Attack: a webhook and a tenant who know secrets. What they send to find_secrets(), report_leak(), revoke_key(), disable_key()
-- and response_headers() is meant to take long, to be believed, or to be repeated in an answer.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
SELECT apikeys.create_workspace('red'), apikeys.create_workspace('blue', prefix => 'bl') \g /dev/null
SELECT key AS blue, key_id AS blue_id FROM apikeys.create_key('Blue', '{data}', 'blue') \gset
SELECT key AS red, key_id AS red_id FROM apikeys.create_key('Red', '{data}', 'red') \gset
SELECT name FROM apikeys.import_key('Foreign', '{data}', sha256('a-foreign-secret-of-blue'), workspace => 'blue');
SELECT name FROM apikeys.import_key('Own', '{data}', sha256('a-foreign-secret-of-red'), workspace => 'red');
CREATE ROLE regress_ak_red;
SELECT apikeys.grant_access('regress_ak_red', 'manage', 'red') \g /dev/null
SELECT max(audit_id) AS before FROM apikeys.audit_log \gset
SET ROLE regress_ak_red;

-- texts that a scanner meant for people does not end with: 10 MB each, and in the time that reading them takes
SELECT n, (SELECT count(*) FROM apikeys.find_secrets(t)) AS found FROM (VALUES ('prefixes', repeat('a_', 5000000)), ('letters', repeat('a', 10000000)), ('underscores', repeat('_', 10000000)), ('two bytes', repeat('ä', 5000000)),
	('one letter short', repeat('ak_' || repeat('a', 48) || ' ', 200000)), ('wrong checksum', repeat('ak_' || repeat('0', 49) || ' ', 20000)), ('nobody''s', repeat('ak_00000000000000000000000000000000000000000002PL60u', 20000))) AS v (n, t);
SELECT n, length(apikeys.report_leak(jsonb_build_array(jsonb_build_object('token', :'red', 'url', t, 'source', t, 'type', 't')))::text) < 200 AS short FROM (VALUES ('prefixes', repeat('a_', 500000)), ('words', repeat('a b ', 250000)), ('one word', repeat('x', 1000000))) AS v (n, t);
SELECT jsonb_array_length(apikeys.report_leak((SELECT jsonb_agg(jsonb_build_object('token', 'nobody''s ' || i)) FROM generate_series(1, 20000) AS i))) AS answers;
SELECT apikeys.report_leak((repeat('[', 5000) || repeat(']', 5000))::jsonb), apikeys.report_leak('[[{"token": "x"}]]');
-- the same secret a hundred times: shut once, told of each time; all of it undone with its savepoint
SELECT state FROM apikeys.enable_key(:'red_id', 'a false alarm');
BEGIN;
SAVEPOINT one;
SELECT jsonb_array_length(apikeys.report_leak((SELECT jsonb_agg(jsonb_build_object('token', :'red')) FROM generate_series(1, 100)))) AS answers;
SELECT code FROM apikeys.validate_key(:'red');
SELECT apikeys.revoke_key(:'red') = :'red_id' AS revoked, apikeys.revoke_key(:'red') AS again;
ROLLBACK TO one;
SELECT code FROM apikeys.validate_key(:'red');
COMMIT;

-- another's secret: nobody's, whatever it comes with, and nothing happens to its key
CREATE FUNCTION pg_temp.labels(alerts jsonb) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(e ->> 'label', ' ' ORDER BY n) FROM jsonb_array_elements(apikeys.report_leak(alerts)) WITH ORDINALITY AS a (e, n) $$;
SELECT pg_temp.labels(jsonb_build_array(jsonb_build_object('token', :'blue'), jsonb_build_object('token', 'a-foreign-secret-of-blue'), jsonb_build_object('token', 'nobody''s'), jsonb_build_object('token', 'a-foreign-secret-of-red', 'url', 'x')));
SELECT apikeys.revoke_key(:'blue') AS revoked, apikeys.revoke_key(:'blue', repeat('x', 1000)) AS with_reason, apikeys.revoke_key('a-foreign-secret-of-blue', E'\r\n') AS hidden, apikeys.revoke_key(repeat('x', 10000000)) AS huge;
SELECT f.valid_checksum, f.key_id, f.name FROM apikeys.find_secrets(:'blue' || ' a-foreign-secret-of-blue') AS f;
-- A reason with a secret is refused, one of another workspace's foreign secrets not: that would tell that it is one.
SELECT r AS refused FROM unnest(ARRAY[:'red', :'blue', 'see a-foreign-secret-of-red', repeat('x', 501), E'a\r\nSet-Cookie: x', U&'a\202Eb', U&'a\200Bb']) AS reason, LATERAL pg_temp.refused(format('SELECT apikeys.disable_key(%L, %L)', :'red_id', reason)) AS r;
BEGIN;
SELECT state FROM apikeys.enable_key(:'red_id', 'see a-foreign-secret-of-blue') ;
SELECT state FROM apikeys.disable_key(:'red_id', 'see a-foreign-secret-of-blue');
ROLLBACK;
-- not in a list's filters, either
SELECT r AS refused FROM unnest(ARRAY[format('order_by => %L', :'red'), format('state => %L', :'red'), format('order_by => %L', E'name\r\n; x'), format('state => repeat(%L, 1000000)', 'x'), format('workspace => %L', :'red')]) AS a, LATERAL pg_temp.refused(format('SELECT apikeys.list_keys(%s)', a)) AS r;
SELECT count(*) AS by_secret FROM (SELECT total FROM apikeys.list_keys(search => :'red') UNION ALL SELECT total FROM apikeys.list_keys(owner => :'red', team => :'red', api => :'red')) AS l;

-- Headers: of numbers and fixed words alone, whatever a verdict says; every one is one line, and the error is JSON whatever the client sent.
SELECT h AS hostile FROM unnest(ARRAY['(f,"X""\r\nSet-Cookie: a=b",401,,"\r\n","\r\n","\r\n","\r\n","{""\r\n""}",,,2147483647,-2147483648,0,-1,-1,-9223372036854775808,9223372036854775807,-1,"{""\r\n"": 1}")',
	'(t,VALID,-32768,,,,,,,infinity,-infinity,-1,,60,,5,,,5,null)', '(f,MISSING,401,,,,,,,,,,,,,,,,,)', '(f,"",429,,,,,,,,,0,0,0,0,0,0,0,0,)']::apikeys.verdict[]) AS v, LATERAL apikeys.response_headers(v) AS h;
CREATE FUNCTION pg_temp.error_of(header text, api text, client text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; hint text;
BEGIN
	PERFORM apikeys.require_key(header, api, client);
	RETURN 'accepted';
EXCEPTION WHEN SQLSTATE 'PGRST' THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN (SELECT string_agg(DISTINCT jsonb_typeof(v), ' ') FROM jsonb_each(message::jsonb) AS j (k, v)) || ' ' || (detail::jsonb ->> 'status') || ' ' || (detail::jsonb -> 'headers')::text
		|| CASE WHEN message || detail || hint ~ '[\r\n]|Set-Cookie|evil' THEN ' REPEATED' ELSE '' END;
END $$;
SELECT DISTINCT pg_temp.error_of(h, a, c) FROM unnest(ARRAY[E'Bearer x\r\nSet-Cookie: evil', E'\r\n', E'Basic \r\n', '"evil"', U&'evil\2028', repeat('evil', 1000000), :'red']) AS h, unnest(ARRAY[E'evil"\r\n', 'push']) AS a, unnest(ARRAY[E'evil\r\n', '::ffff:1.2.3.4']) AS c ORDER BY 1;
-- metadata and an owner with everything in them come back as they are, and end with the transaction
SELECT key AS odd FROM apikeys.create_key('Odd', '{data}', 'red', owner => '12:x"''\{}', metadata => '{"a\r\n\b\f\t\u0001": "3:x\u2028", "-1:": [null, 1e300]}') \gset
BEGIN;
SELECT code FROM apikeys.authenticate(:'odd');
SELECT apikeys.current_owner(), apikeys.current_key_metadata(), apikeys.current_key_allows('data'), apikeys.current_key_allows('12:x"''\{}'), apikeys.current_key_allows(''), apikeys.current_key_allows('-1:');
SAVEPOINT one;
SELECT code FROM apikeys.authenticate(:'blue');
SELECT apikeys.current_owner(), apikeys.current_key();
ROLLBACK TO one;
SELECT apikeys.current_owner();
COMMIT;
SELECT apikeys.current_owner(), apikeys.current_key_metadata();

RESET ROLE;
SELECT name, state FROM apikeys.keys WHERE workspace = 'blue' ORDER BY name;
SELECT count(*) AS about_blue FROM apikeys.audit_log WHERE audit_id > :before AND workspace = 'blue';
SELECT count(*) AS longest FROM apikeys.audit_log WHERE length(changes::text) > 4000;
SELECT * FROM pg_temp.wrong();
DROP OWNED BY regress_ak_red;
DROP ROLE regress_ak_red;
