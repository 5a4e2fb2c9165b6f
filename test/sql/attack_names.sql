-- Attack: objects with names like ours, made by a role with CREATE on the database. They have no effect, whatever is loaded.
-- What such a role can do while the extension is being dropped is in test/specs/attack_drop.
\set ECHO none
\i test/lib/regress.sql
\set ECHO all
\set VERBOSITY terse
CREATE ROLE regress_ak_forger;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_ak_forger', current_database()); END $$;
SELECT FROM apikeys.grant_access('regress_ak_forger', 'admin');
SELECT key AS secret FROM apikeys.create_key('One', '{data}') \gset
SELECT string_agg(format(CASE WHEN relkind = 'r' THEN 'CREATE TABLE %1$s.%2$I (LIKE %3$s INCLUDING DEFAULTS);' ELSE 'CREATE TABLE %1$s.%2$I ();' END, replace(relnamespace::regnamespace::text, 'apikeys', 'forged'), relname, oid::regclass), ' ') AS forge
FROM pg_class WHERE relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND relkind IN ('r', 'i', 'S') \gset
SELECT code FROM apikeys.validate_key(:'secret');

-- the library is loaded, and knows the extension; then that is gone, and there is another schema of its name
BEGIN;
CREATE SCHEMA forged;
CREATE SCHEMA forged_internal;
:forge
DO $$ DECLARE t regclass; BEGIN
	FOR t IN SELECT oid FROM pg_class WHERE relnamespace IN ('forged'::regnamespace, 'forged_internal'::regnamespace) AND relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE %s OWNER TO regress_ak_forger', t);
	END LOOP;
END $$;
ALTER SCHEMA forged OWNER TO regress_ak_forger;
ALTER SCHEMA forged_internal OWNER TO regress_ak_forger;
DROP EXTENSION apikeys CASCADE;
COMMIT;
SET ROLE regress_ak_forger;
ALTER SCHEMA forged RENAME TO apikeys;
ALTER SCHEMA forged_internal RENAME TO apikeys_internal;

-- a type of the name of ours under a plan that is kept: PostgreSQL's own rules, and nobody's crash
CREATE TYPE apikeys.verdict AS (valid boolean, code text, n integer);
CREATE FUNCTION apikeys.validate_key(key text) RETURNS apikeys.verdict LANGUAGE plpgsql AS $$
DECLARE
	v apikeys.verdict;
BEGIN
	EXECUTE 'SELECT true, 12345, 7' INTO v;
	RETURN v;
END $$;
SET plan_cache_mode = force_generic_plan;
PREPARE one AS SELECT upper(code) AS code, n FROM apikeys.validate_key('x');
PREPARE two AS SELECT v IS NULL AS v FROM apikeys.validate_key('x') v;
EXECUTE one;
EXECUTE two;
ALTER TYPE apikeys.verdict ALTER ATTRIBUTE code TYPE bigint;
DO $$ BEGIN EXECUTE 'EXECUTE one'; RAISE 'NOT REFUSED'; EXCEPTION WHEN datatype_mismatch OR undefined_function THEN NULL; END $$;
EXECUTE two;
ALTER TYPE apikeys.verdict ALTER ATTRIBUTE code TYPE text;
ALTER TYPE apikeys.verdict ALTER ATTRIBUTE valid TYPE text;
EXECUTE one;
EXECUTE two;
DROP TYPE apikeys.verdict CASCADE;

-- made by a superuser, but not by CREATE EXTENSION; and beside the extension, in a schema of another name
RESET ROLE;
ALTER SCHEMA apikeys OWNER TO CURRENT_USER;
ALTER SCHEMA apikeys_internal OWNER TO CURRENT_USER;
CREATE EXTENSION apikeys;
ALTER SCHEMA apikeys RENAME TO beside;
CREATE EXTENSION apikeys;
ALTER SCHEMA apikeys_internal RENAME TO beside_internal;
CREATE EXTENSION apikeys;
SELECT code FROM apikeys.validate_key(:'secret');
SELECT name FROM apikeys.create_key('Two', '{data}');
-- the extension's own schema under another name, and another in its place
ALTER SCHEMA apikeys RENAME TO away;
ALTER SCHEMA beside RENAME TO apikeys;
SELECT code FROM away.validate_key(:'secret');
SELECT name FROM away.create_key('Three', '{data}');
SELECT FROM away.flush_usage();
SET client_min_messages = warning;
DROP SCHEMA apikeys, beside_internal CASCADE;
RESET client_min_messages;
SELECT code FROM away.validate_key(:'secret');
ALTER SCHEMA away RENAME TO apikeys;
SELECT code FROM apikeys.validate_key(:'secret');
SELECT name FROM apikeys.create_key('Three', '{data}');
-- the same of the other
ALTER SCHEMA apikeys_internal RENAME TO away_internal;
CREATE SCHEMA apikeys_internal;
SELECT code FROM apikeys.validate_key(:'secret');
DROP SCHEMA apikeys_internal;
ALTER SCHEMA away_internal RENAME TO apikeys_internal;
SELECT code FROM apikeys.validate_key(:'secret');
-- a table of ours that its owner gave away
ALTER TABLE apikeys.access OWNER TO regress_ak_forger;
SELECT name FROM apikeys.create_key('Four', '{data}');
ALTER TABLE apikeys.access OWNER TO CURRENT_USER;
SELECT name FROM apikeys.create_key('Four', '{data}');

DEALLOCATE ALL;
DROP OWNED BY regress_ak_forger;
DROP ROLE regress_ak_forger;
