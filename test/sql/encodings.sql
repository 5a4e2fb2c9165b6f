-- Databases that are not in UTF-8. A secret has the same bytes in all of them, and whatever bytes the encoding allows get an
-- answer.
\set ECHO none
\set main :DBNAME
CREATE DATABASE regress_ak_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
CREATE DATABASE regress_ak_ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
CREATE DATABASE regress_ak_euc ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;

\c regress_ak_latin1
\set ECHO none
\i test/lib/regress.sql
SET client_encoding = 'UTF8';
SELECT name, length(name), octet_length(name) FROM apikeys.create_key('Clé', '{data}', team => 'Équipe', metadata => '{"é": "\u00e9"}');
SELECT hint = 'ak...' || right(hint, 4) AS hint FROM apikeys.active_keys;
SELECT activity, team FROM apikeys.audit_logs;
SELECT length(name) FROM apikeys.create_key(repeat('é', 100), '{data}');
SELECT pg_temp.refused($$SELECT apikeys.create_key(repeat('é', 101), '{data}')$$);
-- C1 control characters are one byte here
SELECT pg_temp.refused($$SELECT apikeys.create_key('a' || chr(133) || 'b', '{data}')$$);
SELECT name = 'a' || chr(160) || 'b' AS name FROM apikeys.create_key(chr(160) || 'a' || chr(160) || 'b' || chr(133), '{data}');
-- names are compared in UTF-8, so that a copy in another encoding finds them; what is compared need not be in this one
SELECT name FROM apikeys.create_key('CLÉ µ ÿ', '{data}');
SELECT name_folded = '\x636cc3a920cebc20c3bf' AS folded FROM apikeys.key WHERE name = 'CLÉ µ ÿ';
SELECT pg_temp.refused($$SELECT apikeys.create_key('clé µ ÿ', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('a' || chr(173) || 'b', '{data}')$$);
SELECT code, count(*) FROM generate_series(1, 255) AS i, apikeys.validate_key(chr(i), chr(i), chr(i)) GROUP BY 1 ORDER BY 1;
SELECT code, count(*) FROM generate_series(1, 255) AS i, apikeys.authenticate('Bearer ' || chr(i)) GROUP BY 1 ORDER BY 1;
SELECT name FROM apikeys.update_key(apikeys.key_id('Clé'), name => 'Clef', team => 'Ü');
SELECT key FROM apikeys.regenerate_key(apikeys.key_id('Clef'), '1 hour') \gset
SELECT code, name, team, metadata FROM apikeys.validate_key(:'key');
BEGIN;
SELECT apikeys.act_as('É', 'Ü', '192.0.2.7');
SELECT name FROM apikeys.create_key('Ö', '{data}');
COMMIT;
SELECT regexp_replace(l, '^[^,]*', 'time') FROM apikeys.export_audit_logs(teams => '{Ü}') AS l;
CREATE ROLE "regress_ak_zoé" SUPERUSER LOGIN;
SELECT pg_temp.wrong();

\c regress_ak_euc
\set ECHO none
\i test/lib/regress.sql
SET client_encoding = 'UTF8';
SELECT name, length(name), octet_length(name) FROM apikeys.create_key('鍵', '{data}', metadata => '{"名": "鍵"}');
SELECT pg_temp.refused($$SELECT apikeys.create_key(repeat('鍵', 101), '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.key_id(repeat('鍵', 200))$$);
SELECT name FROM apikeys.create_key('　КЛЮЧ　1　', '{data}');
SELECT name_folded = '\xd0bad0bbd18ed1872031' AS folded FROM apikeys.key WHERE name <> '鍵';
SELECT activity, changes - 'hint' AS changes FROM apikeys.audit_logs;
SELECT code FROM apikeys.validate_key('鍵', '鍵', '鍵');
-- a formula in full width is one, too
BEGIN;
SELECT apikeys.act_as('＝鍵', '鍵', '192.0.2.7');
SELECT name FROM apikeys.create_key('＝', '{data}');
COMMIT;
SELECT regexp_replace(l, '^[^,]*', 'time') FROM apikeys.export_audit_logs(teams => '{鍵}') AS l;
-- a character that has no equivalent in UTF-8 is in no entry, and an alert that has it is heard
CREATE TEMP TABLE odd AS SELECT convert_from('\xfefe', 'EUC_JP') AS c;
SELECT key, key_id FROM apikeys.create_key('leaked', '{data}') \gset
SELECT jsonb_path_query_array(apikeys.report_leak(jsonb_build_array(jsonb_build_object('token', :'key', 'url', c, 'source', 'git'),
	jsonb_build_object('token', c))), '$[*].label') AS labels FROM odd;
SELECT state, (SELECT changes -> 'leak' FROM apikeys.audit_logs l WHERE l.key_id = k.key_id ORDER BY audit_id DESC LIMIT 1) AS leak FROM apikeys.key_details(:'key_id') AS k;
SELECT v.code FROM odd, apikeys.validate_key(c, c, c) AS v;
DO $$
BEGIN
	PERFORM apikeys.create_key('odd', '{data}', team => c) FROM odd;
EXCEPTION WHEN invalid_parameter_value OR untranslatable_character THEN
	RAISE NOTICE 'refused with %', SQLSTATE;
END $$;
SELECT pg_temp.wrong();

\c regress_ak_ascii
\set ECHO none
\i test/lib/regress.sql
SELECT name, encode(convert_to(name, 'SQL_ASCII'), 'hex') AS bytes FROM apikeys.create_key('plain', '{data}');
-- bytes that are no UTF-8
SELECT encode(convert_to(name, 'SQL_ASCII'), 'hex') AS bytes FROM apikeys.create_key(E'cl\xe9', '{data}', team => E'\xc9quipe');
SELECT encode(convert_to(activity, 'SQL_ASCII'), 'hex') AS bytes FROM apikeys.audit_logs LIMIT 1;
SELECT encode(convert_to(name, 'SQL_ASCII'), 'hex') AS bytes, name_folded FROM apikeys.key ORDER BY 1;
SELECT name FROM apikeys.update_key(apikeys.key_id(E'CL\xe9'), name => 'clef');
-- bytes that are UTF-8 count as that
SELECT apikeys.key_id(E'caf\xc3\xa9') = key_id AS found FROM apikeys.create_key(E'CAF\xc3\x89 ', '{data}');
SELECT pg_temp.refused($$SELECT apikeys.create_key(E'a\xe2\x80\x8bb', '{data}')$$);
SELECT code, count(*) FROM generate_series(1, 255) AS i, apikeys.validate_key(chr(i), chr(i), chr(i)) GROUP BY 1 ORDER BY 1;
SELECT pg_temp.refused($$SELECT apikeys.create_key(repeat(E'\xff', 101), '{data}')$$);
BEGIN;
SELECT apikeys.act_as(E'\xc9mile', 'team') <> '' AS acts;
SELECT name FROM apikeys.create_key('of Emile', '{data}');
COMMIT;
SELECT count(*), bool_or(l LIKE E'%,\xc9mile,%') AS raw FROM apikeys.export_audit_logs(teams => '{team}') AS l;
SELECT count(*) FROM apikeys.search_audit_logs(search => E'\xe9');
SELECT pg_temp.wrong();

-- What PostgreSQL does not check, since it is no value: settings at the start of a session, and the name of a role that was made
-- in a database of another encoding. In a table they would make a dump that no database takes back.
\c :main
\set ECHO none
\i test/lib/regress.sql
CREATE ROLE regress_ak_manager LOGIN;
SELECT apikeys.grant_access('regress_ak_manager', 'manage');
SELECT key_id FROM apikeys.create_key('Key', '{data}') \gset
\set here 'dbname=' :main
\set options `printf -- '-c apikeys.actor=zo\351abc'`
\setenv PGOPTIONS :options
\c -reuse-previous=off :here
SET SESSION AUTHORIZATION regress_ak_manager;
\set VERBOSITY terse
SELECT apikeys.disable_key(:'key_id');
\set options `printf -- '-c apikeys.team=zo\377 -c other.setting=zo\377'`
\setenv PGOPTIONS :options
\c -reuse-previous=off :here
SET SESSION AUTHORIZATION regress_ak_manager;
SELECT apikeys.disable_key(:'key_id');
SET apikeys.team = 'team';
\set VERBOSITY default
CREATE FUNCTION pg_temp.refusal(call text) RETURNS text LANGUAGE plpgsql AS
$$ DECLARE c text; BEGIN EXECUTE 'SELECT apikeys.' || call; RETURN 'accepted'; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS c = COLUMN_NAME; RETURN SQLSTATE || ' ' || c || ': ' || SQLERRM; END $$;
SELECT call, pg_temp.refusal(replace(call, '$1', $$current_setting('other.setting')$$)) FROM unnest(ARRAY[
	'create_key($1, ''{data}'')', 'create_key(''x'', ''{data}'', team => $1)', 'create_key(''x'', ''{data}'', owner => $1)', 'create_key(''x'', ''{data}'', metadata => to_jsonb($1))',
	'create_key(''x'', ''{data}'', metadata => jsonb_build_object($1, 1))', 'create_key(''x'', ''{data}'', metadata => jsonb_build_array(1, jsonb_build_array($1)))', 'import_key(''x'', ''{data}'', sha256(''x''), hint => $1)',
	'act_as($1)', 'list_keys(search => $1)']) AS call;
SELECT code FROM apikeys.validate_key(current_setting('other.setting'), NULL, current_setting('other.setting'));
\set options `printf -- '-c other.setting=zo\351'`
\setenv PGOPTIONS :options
\c -reuse-previous=off :here
-- a name that no client of this database can write
SELECT count(set_config('session_authorization', rolname, false)) FROM pg_roles WHERE rolname >= 'regress_ak_zo' AND rolname < 'regress_ak_zp';
SELECT created_by FROM apikeys.create_key('of a role', '{data}');
SELECT actor, db_user, activity FROM apikeys.audit_logs LIMIT 1;
\set VERBOSITY terse
SELECT apikeys.grant_access(rolname, 'view') FROM pg_roles WHERE rolname >= 'regress_ak_zo' AND rolname < 'regress_ak_zp';
SELECT apikeys.email_audit_logs('ann@example.com', actors => ARRAY[current_setting('other.setting')]);
SELECT jsonb_array_length(apikeys.report_leak((SELECT jsonb_build_array(jsonb_build_object('token', key, 'type', 'x', 'url', current_setting('other.setting'))) FROM apikeys.create_key('leaked', '{data}'))));
\set VERBOSITY default
SELECT changes -> 'leak' AS leak FROM apikeys.audit_logs WHERE changes ? 'leak';
\setenv PGOPTIONS ''
\c -reuse-previous=off dbname=regress_ak_latin1
SET client_encoding = 'UTF8';
DROP ROLE "regress_ak_zoé";
\c :main
DROP OWNED BY regress_ak_manager;
DROP ROLE regress_ak_manager;
DROP DATABASE regress_ak_latin1;
DROP DATABASE regress_ak_ascii;
DROP DATABASE regress_ak_euc;
