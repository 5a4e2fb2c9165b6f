-- Every way to end a transaction: an entry enters its tree after the commit, and a rollback leaves no entry.
\set ECHO none
\i test/lib/regress.sql

-- procedural code that commits, rolls back and catches
DO $$
BEGIN
	PERFORM apikeys.create_key('committed in DO', '{data}');
	COMMIT;
	PERFORM apikeys.create_key('rolled back in DO', '{data}');
	ROLLBACK;
	BEGIN
		PERFORM apikeys.create_key('undone by an exception', '{data}');
		RAISE EXCEPTION 'undo';
	EXCEPTION WHEN raise_exception THEN
		PERFORM apikeys.create_key('in the handler', '{data}');
	END;
END $$;
CREATE PROCEDURE regress_ak_commits() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..3 LOOP
		PERFORM apikeys.create_key('in a procedure ' || i, '{data}');
		COMMIT;
	END LOOP;
END $$;
CALL regress_ak_commits();

-- chained transactions
BEGIN;
SELECT name FROM apikeys.create_key('chained', '{data}');
COMMIT AND CHAIN;
SELECT name FROM apikeys.create_key('chained, rolled back', '{data}');
ROLLBACK AND CHAIN;
SELECT name FROM apikeys.create_key('chained at last', '{data}');
COMMIT;

-- what runs at the commit itself: a deferred trigger, a cursor that is held
CREATE TABLE regress_ak_names (name text);
CREATE FUNCTION regress_ak_create() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM apikeys.create_key(NEW.name, '{data}');
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER create_key AFTER INSERT ON regress_ak_names
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION regress_ak_create();
INSERT INTO regress_ak_names VALUES ('by a deferred trigger');
BEGIN;
DECLARE held CURSOR WITH HOLD FOR
	SELECT k.name FROM generate_series(1, 2) AS i, apikeys.create_key('by a held cursor ' || i, '{data}') AS k;
COMMIT;
FETCH ALL FROM held;
CLOSE held;

-- a commit that fails leaves nothing, and nothing behind
CREATE FUNCTION regress_ak_fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'not this one';
END $$;
CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON regress_ak_names
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.name = 'fail') EXECUTE FUNCTION regress_ak_fail();
BEGIN;
SELECT name FROM apikeys.create_key('failed', '{data}');
INSERT INTO regress_ak_names VALUES ('fail');
COMMIT;
SELECT name FROM apikeys.create_key('after it', '{data}');

CALL apikeys.sequence_audit_logs();
SELECT a.activity FROM apikeys.audit_log a FULL JOIN apikeys.audit_tree l USING (audit_id) ORDER BY l.position;
SELECT workspace, entries, ok, problem FROM apikeys.verify_audit_logs();

DROP TABLE regress_ak_names;
DROP FUNCTION regress_ak_create, regress_ak_fail;
DROP PROCEDURE regress_ak_commits;
