-- create_key: what it returns, and all errors.
\set ECHO none
\i test/lib/regress.sql

SELECT name, apis, access, workspace, old_valid_until FROM apikeys.create_key('Mobile app', '{data,segmentation,push}');
SELECT name, apis, access, workspace FROM apikeys.create_key('Vendor', '{push}');
SELECT * FROM pg_temp.entries();

-- an API list without repeats, in the registry's order
SELECT apis, access FROM apikeys.create_key('Order', '{push,data,push,data}');
SELECT apis, access FROM apikeys.create_key('All', '{push,segmentation,data}');

-- names: trimmed, unique without regard to case, at most 100 characters, whatever their bytes
SELECT '[' || name || ']' AS name FROM apikeys.create_key('   Trimmed  name   ', '{data}');
SELECT pg_temp.refused($$SELECT apikeys.create_key('TRIMMED  Name', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key(' Mobile app', '{data}')$$);
SELECT name FROM apikeys.create_key('Clé à molette 𐍈', '{data}');
SELECT pg_temp.refused($$SELECT apikeys.create_key('CLÉ À MOLETTE 𐍈', '{data}')$$);
SELECT length(name), octet_length(name) FROM apikeys.create_key(repeat('é', 100), '{data}');
SELECT length(name) FROM apikeys.create_key('  ' || repeat('x', 100) || '  ', '{data}');
SELECT name FROM apikeys.create_key('x', '{data}');
SELECT name FROM apikeys.create_key($$'; DROP TABLE apikeys.key; --$$, '{data}');
SELECT name FROM apikeys.create_key('"quoted" \ %s %n {json}', '{data}');
SELECT pg_temp.refused($$SELECT apikeys.create_key(repeat('x', 101), '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key(repeat('é', 101), '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key(repeat('x', 10000000), '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('   ', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key(E'a\tb', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key(E'a\nb', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key(E'a\x7f', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key(E'a\u0085b', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key(NULL, '{data}')$$);

-- APIs
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data,NULL}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data,billing}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{DATA}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{""}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{{data,push},{push,data}}')$$);

-- workspaces
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', 'nowhere')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', '')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', 'Default')$$);
SELECT apikeys.create_workspace('acme');
SELECT name, workspace FROM apikeys.create_key('Mobile app', '{data}', 'acme');

-- team, expiry, addresses, limits, metadata
SELECT name FROM apikeys.create_key('Full of it', '{data}', team => 'Platform', expires_at => '2999-12-31 23:59:59+00',
	allowed_cidrs => '{192.0.2.77/24,198.51.100.7,2001:DB8::1/32,2001:db8::7}', rate_limit => 10, rate_window => '1 hour',
	metadata => '{"contract": 4711, "tags": ["a", "b"]}');
SELECT workspace, state, apis, access, team, expires_at, allowed_cidrs, rate_limit, rate_window, metadata,
	created_at <= now() AS created, created_by = session_user AS by_me, updated_at, updated_by, regenerated_at,
	regenerated_by, old_valid_until, archived_at, archived_by
FROM apikeys.key_details(apikeys.key_id('Full of it')) \gx
SELECT * FROM pg_temp.entries() AS e WHERE e.activity ~ 'Full of it' \gx
SELECT name FROM apikeys.create_key('Says nothing', '{data}', team => '', expires_at => 'infinity', allowed_cidrs => '{}', metadata => '{}');
SELECT team, expires_at, allowed_cidrs, rate_limit, rate_window, metadata FROM apikeys.key_details(apikeys.key_id('Says nothing'));
SELECT name FROM apikeys.create_key('By the minute', '{data}', rate_limit => 60);
SELECT rate_limit, rate_window FROM apikeys.key_details(apikeys.key_id('By the minute'));
SELECT name FROM apikeys.create_key('Scalar', '{data}', metadata => '"just text"');
SELECT metadata FROM apikeys.key_details(apikeys.key_id('Scalar'));
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', team => repeat('x', 101))$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', team => E'a\u0007')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', expires_at => now())$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', expires_at => now() - interval '1 microsecond')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', expires_at => '-infinity')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{192.0.2.256}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{192.0.2.0/33}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{192.0.2.0/}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{192.0.2.0/-1}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{192.0.2.0/24/24}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{192.0.2}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{2001:db8::/129}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{2001:db8::/4294967297}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{fe80::1%eth0}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{" 192.0.2.7"}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{example.com}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{""}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{192.0.2.7,NULL}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', allowed_cidrs => '{{192.0.2.7},{192.0.2.8}}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', rate_limit => -1)$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', rate_window => '1 minute')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', rate_limit => 1, rate_window => '0')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', rate_limit => 1, rate_window => '-1 second')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}', rate_limit => 1, rate_window => '1 month -1 day')$$);

-- an address list is stored masked; IPv4 written as IPv6 is IPv4
SELECT name FROM apikeys.create_key('Masks', '{data}', allowed_cidrs => '{10.1.2.3/8,10.1.2.3/0,10.1.2.3/32,2001:db8:ffff::/33,::ffff:192.0.2.77/120,::ffff:192.0.2.7,::/0}');
SELECT allowed_cidrs FROM apikeys.key_details(apikeys.key_id('Masks'));

-- as many as one likes: each call has a secret and an id of its own
SELECT count(*), count(DISTINCT k.key), count(DISTINCT k.key_id) FROM generate_series(1, 20) AS i, apikeys.create_key('bulk ' || i, '{data}') AS k;
SELECT bool_and(hint = 'ak...' || right(hint, 4)) AS hint FROM apikeys.active_keys WHERE name LIKE 'bulk %';

-- newest first
SELECT name FROM apikeys.active_keys LIMIT 3;

SELECT pg_temp.wrong();
