-- The extension is created and dropped several times in one session and leaves nothing behind; its schema is its own.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;

SELECT extversion = default_version AS newest, extrelocatable, nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace
JOIN pg_available_extensions a ON a.name = extname WHERE extname = 'apikeys';
SELECT api, description FROM apikeys.apis;
SELECT workspace, name, prefix, archive_limit FROM apikeys.workspace;
SELECT count(*) FROM apikeys.audit_logs;

-- every object explains itself
SELECT pg_describe_object(classid, objid, objsubid)
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'apikeys')
AND obj_description(objid, classid::regclass::text) IS NULL
AND NOT (classid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type t WHERE t.oid = objid AND (t.typelem <> 0
    OR t.typrelid IN (SELECT oid FROM pg_class WHERE relkind <> 'c'))))
ORDER BY 1;

-- what was made under a name of ours goes with it
SELECT name FROM apikeys.create_key('a key', '{data}');
DROP EXTENSION apikeys;
SELECT count(*) FROM pg_namespace WHERE nspname IN ('apikeys', 'apikeys_internal');
CREATE EXTENSION apikeys;
SELECT count(*) FROM apikeys.active_keys;
SELECT name FROM apikeys.create_key('a key', '{data}');
CALL apikeys.sequence_audit_logs();
SELECT workspace, ok FROM apikeys.verify_audit_logs();
DROP EXTENSION apikeys;

-- not into a schema that somebody made before
\set SHOW_CONTEXT never
CREATE SCHEMA apikeys;
CREATE EXTENSION apikeys;
DROP SCHEMA apikeys;
CREATE SCHEMA apikeys_internal;
CREATE EXTENSION apikeys;
DROP SCHEMA apikeys_internal;
CREATE EXTENSION apikeys;

-- once it is there, it needs no language but C
BEGIN;
SET LOCAL client_min_messages = warning;
DROP EXTENSION plpgsql CASCADE;
SELECT name FROM apikeys.create_key('a key', '{data}');
ROLLBACK;
