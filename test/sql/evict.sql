-- Archiving a leaked key works, whatever prevents the archive limit from dropping another key: foreign keys and triggers of
-- users.
\set ECHO none
\i test/lib/regress.sql

SELECT apikeys.update_workspace('default', archive_limit => 1);
-- archives the key of that name; what becomes of the one before
CREATE FUNCTION pg_temp.archive(name text) RETURNS text LANGUAGE sql AS
$$
	SELECT a.name || ' is ' || a.state FROM apikeys.archive_key(apikeys.key_id($1)) AS a
$$;
CREATE FUNCTION pg_temp.archived() RETURNS text LANGUAGE sql AS
$$
	SELECT string_agg(k.name, ', ' ORDER BY k.archived_at) FROM apikeys.key k WHERE k.archived_at IS NOT NULL
$$;
CREATE FUNCTION pg_temp.evicted() RETURNS text LANGUAGE sql AS
$$
	SELECT string_agg(e ->> 'name', ', ') FROM (SELECT changes FROM apikeys.audit_log ORDER BY audit_id DESC LIMIT 1) AS l,
		jsonb_array_elements(l.changes -> 'evicted') AS e
$$;
SET client_min_messages = error;
SELECT count(apikeys.create_key('k' || i, '{data}')) FROM generate_series(1, 30) AS i;
SELECT pg_temp.archive('k1');

-- A foreign key: the one before stays, and the log says that nothing was dropped.
CREATE TABLE customer (name text, key_id uuid REFERENCES apikeys.key);
INSERT INTO customer SELECT name, key_id FROM apikeys.key WHERE name = 'k1';
SELECT pg_temp.archive('k2'), pg_temp.archived(), pg_temp.evicted();
SELECT pg_temp.archive('k3'), pg_temp.archived(), pg_temp.evicted();
-- when the reference is gone, it goes with the next
DELETE FROM customer;
SELECT pg_temp.archive('k4'), pg_temp.archived(), pg_temp.evicted();
SELECT * FROM pg_temp.wrong();

-- One that is checked at commit alone; and the transaction commits.
DROP TABLE customer;
CREATE TABLE customer (name text, key_id uuid REFERENCES apikeys.key DEFERRABLE INITIALLY DEFERRED);
INSERT INTO customer SELECT name, key_id FROM apikeys.key WHERE name IN ('k4', 'k5');
SELECT pg_temp.archive('k5'), pg_temp.archived(), pg_temp.evicted();
BEGIN;
SELECT pg_temp.archive('k6'), pg_temp.archived(), pg_temp.evicted();
COMMIT;
SELECT pg_temp.archived();
DELETE FROM customer WHERE name = 'k4';
-- now two of three can be dropped
SELECT pg_temp.archive('k7'), pg_temp.archived(), pg_temp.evicted();
SELECT * FROM pg_temp.wrong();
DELETE FROM customer;

-- What the transaction deferred stays so: a violation that is mended before commit, and one that is not.
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int CONSTRAINT child_fkey REFERENCES parent DEFERRABLE INITIALLY IMMEDIATE);
BEGIN;
SET CONSTRAINTS child_fkey DEFERRED;
SELECT pg_temp.archive('k8'), pg_temp.archived(), pg_temp.evicted();
INSERT INTO child VALUES (1);
-- its check would fail, so that nothing can be tried now
SELECT pg_temp.archive('k9'), pg_temp.archived(), pg_temp.evicted();
INSERT INTO child VALUES (2);
INSERT INTO parent VALUES (1), (2);
SELECT pg_temp.archive('k10'), pg_temp.archived(), pg_temp.evicted();
COMMIT;
BEGIN;
SET CONSTRAINTS child_fkey DEFERRED;
SELECT pg_temp.archive('k11'), pg_temp.archived(), pg_temp.evicted();
INSERT INTO child VALUES (3);
COMMIT;
SELECT pg_temp.archived();
DROP TABLE child, parent;

-- Those that look after themselves.
DROP TABLE customer;
CREATE TABLE customer (name text, key_id uuid REFERENCES apikeys.key ON DELETE CASCADE, kept uuid REFERENCES apikeys.key ON DELETE SET NULL);
INSERT INTO customer SELECT 'cascades', key_id FROM apikeys.key WHERE name = 'k10';
INSERT INTO customer SELECT 'is kept', NULL, key_id FROM apikeys.key WHERE name = 'k10';
SELECT pg_temp.archive('k12'), pg_temp.archived(), pg_temp.evicted();
SELECT name, key_id, kept FROM customer;
-- and who refers to what goes along, checked at commit
ALTER TABLE customer ADD PRIMARY KEY (name);
CREATE TABLE invoice (customer text REFERENCES customer DEFERRABLE INITIALLY DEFERRED);
INSERT INTO customer SELECT 'billed', key_id FROM apikeys.key WHERE name = 'k12';
INSERT INTO invoice VALUES ('billed');
SELECT pg_temp.archive('k13'), pg_temp.archived(), pg_temp.evicted();
SELECT name FROM customer;
DROP TABLE invoice, customer;

-- Triggers: one that raises, one that says no without a word, one that raises at commit, one that cancels.
CREATE FUNCTION pg_temp.watch() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
	IF TG_ARGV[0] = 'raises' THEN
		RAISE 'no deletions on a Friday';
	ELSIF TG_ARGV[0] = 'cancels' THEN
		RAISE query_canceled;
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER watch BEFORE DELETE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION pg_temp.watch('raises');
SELECT pg_temp.archive('k14'), pg_temp.archived(), pg_temp.evicted();
DROP TRIGGER watch ON apikeys.key;
CREATE TRIGGER watch BEFORE DELETE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION pg_temp.watch('keeps');
SELECT pg_temp.archive('k15'), pg_temp.archived(), pg_temp.evicted();
DROP TRIGGER watch ON apikeys.key;
CREATE CONSTRAINT TRIGGER watch AFTER DELETE ON apikeys.key DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pg_temp.watch('raises');
SELECT pg_temp.archive('k16'), pg_temp.archived(), pg_temp.evicted();
DROP TRIGGER watch ON apikeys.key;
CREATE TRIGGER watch BEFORE DELETE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION pg_temp.watch('cancels');
\set VERBOSITY terse
SELECT pg_temp.archive('k17');
\set VERBOSITY default
SELECT pg_temp.archived();
DROP TRIGGER watch ON apikeys.key;
CREATE RULE watch AS ON DELETE TO apikeys.key DO INSTEAD NOTHING;
SELECT pg_temp.archive('k30'), pg_temp.archived(), pg_temp.evicted();
DROP RULE watch ON apikeys.key;
-- nobody but us deletes, before and after
SELECT pg_temp.sqlstate('DELETE FROM apikeys.key WHERE archived_at IS NOT NULL');
-- the way is free: all at once
SELECT pg_temp.archive('k17'), pg_temp.archived(), pg_temp.evicted();
SELECT * FROM pg_temp.wrong();

-- What it looks like, and a limit that is lowered over many, of which some must stay.
SELECT apikeys.update_workspace('default', archive_limit => 20);
SELECT pg_temp.archive('k' || i) FROM generate_series(18, 28) AS i;
CREATE TABLE customer (name text, key_id uuid CONSTRAINT customer_key REFERENCES apikeys.key);
INSERT INTO customer SELECT name, key_id FROM apikeys.key WHERE name IN ('k19', 'k23');
SELECT apikeys.update_workspace('default', archive_limit => 2);
SELECT pg_temp.archived(), pg_temp.evicted();
SELECT ok, problem FROM apikeys.verify_audit_logs('default');
-- its own words, with ids that are always the same
UPDATE customer SET name = 'k23';
ALTER TABLE apikeys.key DISABLE TRIGGER USER;
ALTER TABLE customer DROP CONSTRAINT customer_key;
UPDATE apikeys.key SET key_id = '00000000-0000-4000-8000-000000000019' WHERE name = 'k19';
UPDATE customer SET key_id = '00000000-0000-4000-8000-000000000019';
DELETE FROM apikeys.key WHERE name = 'k23';
ALTER TABLE apikeys.key ENABLE TRIGGER USER;
ALTER TABLE customer ADD CONSTRAINT customer_key FOREIGN KEY (key_id) REFERENCES apikeys.key;
DELETE FROM customer WHERE ctid <> (SELECT min(ctid) FROM customer);
SELECT pg_temp.archive('k29');
SET client_min_messages = warning;
SELECT apikeys.update_workspace('default', archive_limit => 2), apikeys.update_workspace('default', archive_limit => 1);
DROP TABLE customer;

-- Whatever the planner believes of the table, few of its rows are read.
SELECT apikeys.create_workspace('many', archive_limit => 300) \g /dev/null
SELECT apikeys.create_key('many ' || i, '{data}', 'many') FROM generate_series(1, 3000) AS i \g /dev/null
SELECT apikeys.archive_key(key_id) FROM apikeys.key WHERE workspace = 'many' ORDER BY name LIMIT 300 \g /dev/null
VACUUM ANALYZE apikeys.key;
UPDATE pg_class SET reltuples = 1, relpages = 10000 WHERE oid = 'apikeys.key'::regclass;
\c -
SET client_min_messages = error;
BEGIN;
SELECT apikeys.update_workspace('many', archive_limit => 100) \g /dev/null
SELECT seq_tup_read, idx_tup_fetch < 2000 AS few FROM pg_stat_xact_user_tables WHERE relid = 'apikeys.key'::regclass;
SELECT count(*) AS archived FROM apikeys.key WHERE workspace = 'many' AND archived_at IS NOT NULL;
COMMIT;
ANALYZE apikeys.key;
