-- Everything that people see in schema apikeys has a comment, for \d+, \df+ and the tools that show comments. The comment of a
-- new column is in sql/89_comments.sql, or where its table, view or type is made.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;

SELECT c.oid::regclass AS relation, a.attname
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'apikeys'::regnamespace AND c.relkind IN ('r', 'v', 'c')
AND coalesce(col_description(c.oid, a.attnum), '') = ''
ORDER BY 1, a.attnum;
SELECT c.oid::regclass FROM pg_class c
WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind IN ('r', 'v', 'S')
AND coalesce(obj_description(c.oid, 'pg_class'), '') = '' ORDER BY 1;
SELECT t.oid::regtype FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
WHERE t.typnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace)
AND coalesce(obj_description(t.oid, 'pg_type'), '') = '' ORDER BY 1;
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace)
AND coalesce(obj_description(p.oid, 'pg_proc'), '') = '' ORDER BY 1;
SELECT n.nspname FROM pg_namespace n
WHERE n.nspname LIKE 'apikeys%' AND coalesce(obj_description(n.oid, 'pg_namespace'), '') = '';

-- the question finds what it asks for
SELECT count(*) > 100 AS many FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'apikeys'::regnamespace AND c.relkind IN ('r', 'v', 'c') AND col_description(c.oid, a.attnum) <> '';
ALTER TABLE apikeys.key ADD COLUMN mute text;
SELECT c.oid::regclass AS relation, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'apikeys'::regnamespace AND c.relkind IN ('r', 'v', 'c') AND coalesce(col_description(c.oid, a.attnum), '') = '';
ALTER TABLE apikeys.key DROP COLUMN mute;
