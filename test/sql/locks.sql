-- What is locked, for how long, and what pg_locks shows of it.
\set ECHO none
\i test/lib/regress.sql

CREATE ROLE regress_ak_none;
CREATE ROLE regress_ak_red;
SELECT apikeys.create_workspace('red'), apikeys.create_workspace('blue') \g /dev/null
SELECT apikeys.grant_access('regress_ak_red', 'admin', 'red') \g /dev/null

-- Names that are nothing are not locked: after 1,001 of them, others still register APIs.
SET ROLE regress_ak_red;
BEGIN;
DO $$
BEGIN
	FOR i IN 1..1001 LOOP
		BEGIN
			PERFORM apikeys.create_key('x', ARRAY['none' || i], 'red');
		EXCEPTION WHEN undefined_object THEN
			NULL;
		END;
	END LOOP;
END
$$;
SELECT classid::regclass, objsubid, mode FROM pg_locks WHERE locktype = 'object' AND pid = pg_backend_pid() AND classid = 'apikeys.api'::regclass;
ROLLBACK;
RESET ROLE;
-- Nor do names count whose locks a rolled back savepoint gave up, or names met twice.
SELECT count(apikeys.register_api('many' || i)) FROM generate_series(1, 1100) AS i;
SET ROLE regress_ak_red;
BEGIN;
DO $$
BEGIN
	FOR i IN 1..1100 LOOP
		BEGIN
			PERFORM apikeys.create_key('undone', ARRAY['data', 'many' || i], 'red');
			RAISE no_data_found;
		EXCEPTION WHEN no_data_found THEN
			NULL;
		END;
	END LOOP;
END
$$;
SELECT count(*) FROM apikeys.create_key('done', '{data,many1}', 'red');
SELECT classid::regclass, objsubid, mode, count(*) FROM pg_locks
WHERE locktype = 'object' AND pid = pg_backend_pid() AND classid = 'apikeys.api'::regclass GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT name FROM apikeys.update_key(apikeys.key_id('done'), apis => (SELECT array_agg('many' || i) FROM generate_series(1, 999) AS i));
-- names kept do count, the one of a savepoint that was released among them
SAVEPOINT s;
SELECT count(*) FROM apikeys.create_key('more', '{many1000,many1001}', 'red');
RELEASE s;
SELECT classid::regclass, objsubid, mode, count(*) FROM pg_locks
WHERE locktype = 'object' AND pid = pg_backend_pid() AND classid = 'apikeys.api'::regclass GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
ROLLBACK;
RESET ROLE;

-- Nobody reads a name out of pg_locks: a tag is no hash of the name alone, and another database has other tags.
BEGIN;
SELECT count(*) FROM apikeys.create_key('k', '{data,push}', 'red');
SET LOCAL ROLE regress_ak_none;
SELECT array_agg(objid) AS tags FROM pg_locks WHERE locktype = 'object' AND pid = pg_backend_pid() AND objsubid = 0
AND classid IN (SELECT oid FROM pg_class WHERE relname IN ('api', 'workspace')) \gset
SELECT count(DISTINCT tag) FROM unnest(:'tags'::oid[]) AS tag;
SELECT name AS recognised FROM unnest('{red,data,push}'::text[]) AS name, unnest(:'tags'::oid[]) AS tag
WHERE tag::bigint IN (hashtext(name)::bigint & 4294967295, hashtextextended(name, 0) & 4294967295,
	('x' || encode(substr(sha256(name::bytea), 1, 4), 'hex'))::bit(32)::bigint,
	('x' || regexp_replace(encode(substr(sha256(name::bytea), 1, 4), 'hex'), '(..)(..)(..)(..)', '\4\3\2\1'))::bit(32)::bigint);
SELECT pg_temp.sqlstate('SELECT * FROM apikeys_internal.lock_salt');
ROLLBACK;
SET client_min_messages = warning;
DROP EXTENSION apikeys;
CREATE EXTENSION apikeys;
RESET client_min_messages;
BEGIN;
SELECT apikeys.create_workspace('red') \g /dev/null
SELECT count(*) FROM apikeys.create_key('k', '{data,push}', 'red');
SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND pid = pg_backend_pid() AND objid = ANY (:'tags');
ROLLBACK;

-- What holds up others cannot be prepared. (Where max_prepared_transactions is 0, this is said first, too.)
CREATE ROLE regress_ak_two;
SET client_min_messages = warning;
BEGIN;
SELECT apikeys.flush_usage() >= 0 AS flushed;
PREPARE TRANSACTION 'regress_ak';
BEGIN;
SELECT apikeys.purge_audit_logs(now(), 'default') >= 0 AS purged;
PREPARE TRANSACTION 'regress_ak';
BEGIN;
SELECT apikeys.grant_access('regress_ak_two', 'view') \g /dev/null
PREPARE TRANSACTION 'regress_ak';
BEGIN;
SAVEPOINT s;
SELECT apikeys.revoke_access('regress_ak_two', 'view') \g /dev/null
ROLLBACK TO s;
PREPARE TRANSACTION 'regress_ak';
\set ECHO none
-- the next transaction knows nothing of it
BEGIN;
SELECT current_setting('max_prepared_transactions')::int > 0 AS prepares \gset
\if :prepares
PREPARE TRANSACTION 'regress_ak';
ROLLBACK PREPARED 'regress_ak';
\else
ROLLBACK;
\endif
DROP ROLE regress_ak_none, regress_ak_red, regress_ak_two;
