-- The key that a transaction acts for: only authenticate and require_key set it, as SET LOCAL does. Attacks on it are in
-- attack_current_key.
\set ECHO none
\i test/lib/regress.sql

CREATE FUNCTION pg_temp.now() RETURNS text LANGUAGE sql AS
$$ SELECT coalesce((SELECT name FROM apikeys.key WHERE key_id = apikeys.current_key()), '-') || ' ' || coalesce(apikeys.current_workspace(), '-') || ' '
	|| apikeys.current_key_allows('data') || ' ' || apikeys.current_key_allows('push') $$;
SELECT apikeys.create_workspace('acme') \g /dev/null
SELECT key_id, key AS a FROM apikeys.create_key('A', '{data}') \gset
SELECT key AS b FROM apikeys.create_key('B', '{data,push}', 'acme') \gset

-- nobody, before
SELECT apikeys.current_key(), apikeys.current_workspace(), apikeys.current_key_allows('data'), apikeys.current_key_allows(NULL), apikeys.current_key_allows('');

-- it ends with the transaction, which a single statement is, too
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'a');
SELECT pg_temp.now();
SELECT apikeys.current_key() = :'key_id' AS it, apikeys.current_key_allows('dat'), apikeys.current_key_allows('data '), apikeys.current_key_allows(''), apikeys.current_key_allows(NULL), apikeys.current_key_allows('default'), apikeys.current_key_allows(:'key_id');
COMMIT;
SELECT pg_temp.now();
SELECT code FROM apikeys.authenticate('Bearer ' || :'a');
SELECT pg_temp.now();
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'a');
ROLLBACK;
SELECT pg_temp.now();

-- the last one that was authenticated; one that is not valid clears it; validate_key has no part in it
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'a');
SELECT code FROM apikeys.authenticate('Bearer ' || :'b', 'push');
SELECT pg_temp.now();
SELECT code FROM apikeys.validate_key(:'a');
SELECT pg_temp.now();
SELECT code FROM apikeys.authenticate('Bearer ' || :'a', 'push');
SELECT pg_temp.now();
SELECT code FROM apikeys.authenticate('Bearer ' || :'a');
SELECT code FROM apikeys.authenticate('Bearer nobody');
SELECT pg_temp.now();
SELECT code FROM apikeys.authenticate('Bearer ' || :'a');
SELECT code FROM apikeys.authenticate(NULL);
SELECT pg_temp.now();
COMMIT;

-- savepoints: what was rolled back was not authenticated
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'a');
SAVEPOINT one;
SELECT code FROM apikeys.authenticate('Bearer ' || :'b');
SELECT pg_temp.now();
ROLLBACK TO one;
SELECT pg_temp.now();
SELECT code FROM apikeys.authenticate('Bearer ' || :'b');
RELEASE one;
SELECT pg_temp.now();
SAVEPOINT two;
SELECT code FROM apikeys.authenticate('Bearer nobody');
SELECT pg_temp.now();
ROLLBACK TO two;
SELECT pg_temp.now();
COMMIT;
SELECT pg_temp.now();

-- a key with an overlap is the same key; archived meanwhile, the next authentication says so
BEGIN;
SELECT key AS a2 FROM apikeys.regenerate_key(:'key_id', '1 hour') \gset
SELECT code FROM apikeys.authenticate('Bearer ' || :'a');
SELECT pg_temp.now();
SELECT (apikeys.archive_key(:'key_id')).state;
SELECT code FROM apikeys.authenticate('Bearer ' || :'a2');
SELECT pg_temp.now();
ROLLBACK;

-- RESET ALL leaves it, RESET forgets it
CREATE ROLE regress_ak_app;
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'a');
RESET ALL;
SELECT pg_temp.now();
RESET apikeys.current_key;
SELECT pg_temp.now();
COMMIT;

-- owner and metadata, whatever is in them
SELECT key_id AS o_id, key AS o FROM apikeys.create_key('O', '{data,push}', metadata => '{"plan": "pro", "odd": "\u001f 3:x \\ \" é"}') \gset
UPDATE apikeys.key SET owner = '2:ab-1:' || chr(233) || ' |' WHERE key_id = :'o_id';
CREATE FUNCTION pg_temp.whose() RETURNS text LANGUAGE sql AS
$$ SELECT pg_temp.now() || ' ' || coalesce(apikeys.current_owner(), '-') || ' ' || coalesce(apikeys.current_key_metadata()::text, '-') $$;
SELECT pg_temp.whose();
BEGIN;
SELECT code, owner FROM apikeys.authenticate(:'o');
SELECT pg_temp.whose();
SAVEPOINT one;
SELECT code FROM apikeys.authenticate(:'a');
SELECT pg_temp.whose();
ROLLBACK TO one;
SELECT pg_temp.whose();
-- it stays as it was at that moment
UPDATE apikeys.key SET owner = 'another', metadata = '{"plan": "free"}' WHERE key_id = :'o_id';
SELECT pg_temp.whose();
SELECT code FROM apikeys.authenticate(:'o');
SELECT pg_temp.whose();
ROLLBACK;
SELECT pg_temp.whose();
SELECT apikeys.current_owner(), apikeys.current_key_metadata();

-- require_key is authenticate, or an error
BEGIN;
SELECT apikeys.require_key('Bearer ' || :'o') = :'o_id' AS its_id;
SELECT pg_temp.whose();
SAVEPOINT one;
SELECT apikeys.require_key('Bearer ' || :'o', 'segmentation');
ROLLBACK TO one;
SELECT pg_temp.now();
DO $$
BEGIN
	PERFORM apikeys.require_key('');
EXCEPTION WHEN sqlstate 'PGRST' THEN
	RAISE NOTICE '%', SQLERRM;
END
$$;
SELECT pg_temp.now();
ROLLBACK;

-- row-level security: what a key's holder sees
CREATE TABLE orders (workspace text, what text);
INSERT INTO orders VALUES ('default', 'of default'), ('acme', 'of acme'), (NULL, 'of nobody');
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON orders USING (workspace = apikeys.current_workspace() AND apikeys.current_key_allows('data'));
GRANT ALL ON orders TO regress_ak_app;
SELECT apikeys.grant_access('regress_ak_app', 'validate') \g /dev/null
SET ROLE regress_ak_app;
SELECT what FROM orders;
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'b');
SELECT what FROM orders;
INSERT INTO orders VALUES ('default', 'smuggled');
ROLLBACK;
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'a');
SELECT what FROM orders;
INSERT INTO orders VALUES ('default', 'new');
SELECT what FROM orders ORDER BY 1;
ROLLBACK;
SELECT what FROM orders;
RESET ROLE;

DROP TABLE orders;
DROP OWNED BY regress_ak_app;
DROP ROLE regress_ak_app;
