-- import_key: keys issued elsewhere, adopted from their SHA-256.
\set ECHO none
\i test/lib/regress.sql

SELECT code FROM apikeys.validate_key('sk_live_51H_legacy', 'data');
SELECT workspace, name, state, apis, access, team, hint, expires_at, allowed_cidrs, rate_limit, rate_window, metadata, created_by = session_user AS by_me
FROM apikeys.import_key('Legacy', '{push,data}', sha256('sk_live_51H_legacy'), 'sk_live…gacy') \gx
SELECT code, name FROM apikeys.validate_key('sk_live_51H_legacy', 'data');
SELECT * FROM pg_temp.entries() \gx

-- everything that create_key takes
SELECT apikeys.create_workspace('acme', prefix => 'acme');
SELECT workspace, name, team, hint, expires_at, allowed_cidrs, rate_limit, rate_window, metadata
FROM apikeys.import_key(' All of it ', '{data}', sha256('second'), NULL, 'acme', 'Team', '2999-01-01 00:00+00', '{192.0.2.99/24}', 5, '1 hour', '{"a": 1}') \gx
SELECT code FROM apikeys.validate_key('second', 'data', '192.0.2.1', 'acme');
SELECT code FROM apikeys.validate_key('second', 'data', '192.0.3.1', 'acme');

-- regenerated, it gets a secret of ours, with the workspace's prefix; the foreign one is the old one
SELECT key ~ '^acme_[0-9A-Za-z]{49}$' AS ours FROM apikeys.regenerate_key(apikeys.key_id('All of it'), '1 hour');
SELECT code, old_valid_until > now() AS old FROM apikeys.validate_key('second', 'data', '192.0.2.1');
SELECT hint ~ '^acme….{4}$' AS ours FROM apikeys.key_details(apikeys.key_id('All of it'));

-- a hash stands once, present or old, in whatever workspace and state; the message shows no hash and does not say whose
SELECT key AS mine, key_id FROM apikeys.create_key('Mine', '{data}') \gset
SELECT count(*) FROM pg_temp.entries();
SELECT pg_temp.refused($$SELECT apikeys.import_key('again', '{data}', sha256('sk_live_51H_legacy'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('again', '{data}', sha256('sk_live_51H_legacy'), workspace => 'acme')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('again', '{data}', sha256('second'))$$);
SELECT pg_temp.refused(format('SELECT apikeys.import_key(%L, %L, sha256(%L))', 'again', '{data}', :'mine'));
SELECT count(*) FROM apikeys.regenerate_key(:'key_id');
SELECT pg_temp.refused(format('SELECT apikeys.import_key(%L, %L, sha256(%L))', 'again', '{data}', :'mine'));
SELECT (apikeys.archive_key(:'key_id')).state;
SELECT pg_temp.refused(format('SELECT apikeys.import_key(%L, %L, sha256(%L))', 'again', '{data}', :'mine'));
-- what is two regenerations ago is nobody's
SELECT key_id AS third_id, key AS third FROM apikeys.create_key('Third', '{data}') \gset
SELECT count(*) FROM apikeys.regenerate_key(:'third_id');
SELECT count(*) FROM apikeys.regenerate_key(:'third_id');
SELECT code FROM apikeys.validate_key(:'third');
SELECT name FROM apikeys.import_key('Adopted', '{data}', sha256(:'third'));
SELECT code, name FROM apikeys.validate_key(:'third');

-- mistakes
SELECT count(*) FROM pg_temp.entries();
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', '')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', 'the key itself')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', convert_to(encode(sha256('bad'), 'hex'), 'UTF8'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', substr(sha256('bad'), 2))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha512('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key(NULL, '{data}', sha256('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('', '{data}', sha256('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('legacy', '{data}', sha256('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{}', sha256('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{none}', sha256('bad'))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), workspace => 'nowhere')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), expires_at => now())$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), allowed_cidrs => '{x}')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), rate_window => '1 day')$$);

-- the hint: at most 32 characters, and never the secret
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), 'bad')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), repeat('x', 33))$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), '')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('bad', '{data}', sha256('bad'), E'a\nb')$$);
SELECT length(hint), octet_length(hint) FROM apikeys.import_key('Hint', '{data}', sha256('hinted'), repeat('…', 32));
SELECT pg_temp.refused($$UPDATE apikeys.key SET hint = 'hinted' WHERE name = 'Hint'$$);

-- a foreign key of our exact shape fails the checksum: adopted, it would never be valid
SELECT name FROM apikeys.import_key('Shape', '{data}', sha256(convert_to('ak_' || repeat('x', 49), 'UTF8')));
SELECT code FROM apikeys.validate_key('ak_' || repeat('x', 49));

-- any printable text is a key
SELECT name FROM apikeys.import_key('Odd', '{data}', sha256(' !"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~'));
SELECT code, name FROM apikeys.validate_key(E' !"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~');
SELECT name FROM apikeys.import_key('Long', '{data}', sha256(convert_to(repeat('x', 512), 'UTF8')));
SELECT code, name FROM apikeys.validate_key(repeat('x', 512));

SELECT action, activity FROM pg_temp.entries();
SELECT pg_temp.wrong();
