-- authenticate: HTTP Authorization headers as they come from the network.
\set ECHO none
\i test/lib/regress.sql

CREATE FUNCTION pg_temp.basic(text) RETURNS text LANGUAGE sql AS $$ SELECT translate(encode(convert_to($1, 'UTF8'), 'base64'), E'\n', '') $$;
SELECT apikeys.create_workspace('acme') \g /dev/null
SELECT key_id, key FROM apikeys.create_key('A', '{data}', team => 'T', metadata => '{"m": 1}') \gset
SELECT key AS acme FROM apikeys.create_key('B', '{push}', 'acme', allowed_cidrs => '{192.0.2.0/24}') \gset

SELECT valid, code, http_status, key_id = :'key_id' AS its_id, workspace, name, team, apis, metadata FROM apikeys.authenticate('Bearer ' || :'key', 'data') \gx
SELECT scheme, (SELECT code FROM apikeys.authenticate(scheme || :'key')) FROM unnest('{"Bearer ","bearer ","BEARER ","bEaReR ","Bearer    "}'::text[]) AS scheme;
SELECT scheme, (SELECT code FROM apikeys.authenticate(scheme || pg_temp.basic('default:' || :'key'))) FROM unnest('{"Basic ","basic ","BASIC ","bAsIc ","Basic   "}'::text[]) AS scheme;
SELECT code FROM apikeys.authenticate('Bearer ' || :'key' || '   ');
SELECT code FROM apikeys.authenticate('Basic ' || pg_temp.basic('default:' || :'key') || '   ');

-- api and client
SELECT code FROM apikeys.authenticate('Bearer ' || :'key', 'push');
SELECT code FROM apikeys.authenticate('Bearer ' || :'acme', 'push');
SELECT code FROM apikeys.authenticate('Bearer ' || :'acme', 'push', '192.0.2.7');
SELECT code FROM apikeys.authenticate('Basic ' || pg_temp.basic('acme:' || :'acme'), 'push', '::ffff:192.0.2.7');
SELECT code FROM apikeys.authenticate('Basic ' || pg_temp.basic('acme:' || :'acme'), 'data', '192.0.2.7');

-- the workspace of a Basic header is the client's word
SELECT w, (SELECT code FROM apikeys.authenticate('Basic ' || pg_temp.basic(w || ':' || :'key'))) FROM unnest('{default,acme,nowhere,Default,""," default","default ",-,a/b,é}'::text[]) AS w;
SET apikeys.workspace = 'default';
SELECT code FROM apikeys.authenticate('Basic ' || pg_temp.basic('acme:' || :'acme'), 'push', '192.0.2.7');
SELECT code FROM apikeys.authenticate('Bearer ' || :'acme', 'push', '192.0.2.7');
SELECT code FROM apikeys.authenticate('Basic ' || pg_temp.basic('default:' || :'key'));
RESET apikeys.workspace;

-- a key with colons
SELECT count(*) FROM apikeys.import_key('Colons', '{data}', sha256('a:b:c'));
SELECT code, name FROM apikeys.authenticate('Basic ' || pg_temp.basic('default:a:b:c'));
SELECT code, name FROM apikeys.authenticate('Bearer a:b:c');

-- neither Basic nor Bearer, or not what an encoder writes
SELECT h, code, http_status, key_id FROM (VALUES (1, NULL), (2, ''), (3, ' '), (4, 'Bearer'), (5, 'Bearer '), (6, 'Basic'), (7, 'Basic '), (8, 'Basic Og=='), (9, 'Basic :'),
	(10, 'Digest username="x"'), (11, 'Token x'), (12, 'Bearerx'), (13, 'Bearer x y'), (14, 'Bearer é'), (15, E'Bearer x\n'), (16, E'Bearer\tx'), (17, 'ApiKey x'),
	(18, 'Basic ZGVmYXVsdDp4'), (19, 'Basic ZGVmYXVsdDp4 '), (20, 'Basic ZGVmYXVsdDp4=='), (21, 'Basic ZGVmYXVs dDp4'), (22, 'Basic ZGVmYXVsdA=='), (23, 'Basic ZGVmYXVsdDo='),
	(24, 'Basic ZGVmYXVsdDp4eA=='), (25, 'Basic ZGVmYXVsdDp4eA='), (26, 'Basic ZGVmYXVsdDp4eA'), (27, 'Basic ZGVmYXVsdDp4eB=='), (28, 'Basic !!!!'), (29, 'Basic ===='), (30, 'Basic ZGVmYXVsdDp4_-'),
	(31, 'Basic ZGVmYXVsdDoA'), (32, 'Basic ZGVmYXVsdDrDqQ=='), (33, 'x Bearer y'), (34, ' Bearer x'), (35, 'Bearer' || chr(160) || 'x'), (36, 'Basic ZGVmYXVsdDp4' || chr(233))) AS t (n, h), apikeys.authenticate(h) ORDER BY n;
SELECT code FROM apikeys.authenticate('Bearer ' || repeat('x', 512));
SELECT code FROM apikeys.authenticate('Bearer ' || repeat('x', 513));
SELECT code FROM apikeys.authenticate('Bearer ' || repeat('x', 10000000));
SELECT code FROM apikeys.authenticate('Basic ' || pg_temp.basic(repeat('w', 63) || ':' || repeat('x', 512)));
SELECT code FROM apikeys.authenticate('Basic ' || pg_temp.basic(repeat('w', 64) || ':' || repeat('x', 100)));
SELECT code FROM apikeys.authenticate('Basic ' || repeat('QUFB', 2500000));
SELECT code FROM apikeys.authenticate(repeat(' ', 1000000));
SELECT code FROM apikeys.authenticate('Basic ' || repeat(' ', 1000000));
-- each of these headers with an api and a client that are as bad
SELECT code FROM apikeys.authenticate('Bearer ' || :'key', repeat('é', 100000), repeat('é', 100000));
SELECT code FROM apikeys.authenticate('Bearer ' || :'acme', E'\x01', E'\x01');
-- every byte that text may hold, one at a time, as header and after each scheme: a verdict, never an error
SELECT code, count(*) FROM generate_series(1, 2000) AS i, unnest('{"","Basic ","Bearer "}'::text[]) AS s, apikeys.authenticate(s || chr(i)) GROUP BY 1 ORDER BY 1;
SELECT code, count(*) FROM generate_series(1, 2000) AS i, apikeys.validate_key(chr(i), chr(i), chr(i)) GROUP BY 1 ORDER BY 1;
SELECT code, count(*) FROM generate_series(0, 700) AS i, apikeys.authenticate('Basic ' || repeat('A', i)) GROUP BY 1 ORDER BY 1;
SELECT code, count(*) FROM generate_series(1, 255) AS i, apikeys.authenticate('Basic ' || translate(encode(convert_to('default:', 'UTF8') || decode(lpad(to_hex(i), 2, '0'), 'hex'), 'base64'), E'\n', '')) GROUP BY 1 ORDER BY 1;
