-- Columns that users added to our tables, and dropped again: they are not ours, and everything works as without them.
\set ECHO none
\i test/lib/regress.sql

CREATE FUNCTION pg_temp.life(label text) RETURNS SETOF text LANGUAGE plpgsql AS
$$
DECLARE
	k apikeys.issued_key;
	r apikeys.issued_key;
BEGIN
	k := apikeys.create_key('key ' || label, '{data}');
	RETURN NEXT 'created: ' || (apikeys.validate_key(k.key, 'data')).code;
	PERFORM apikeys.update_key(k.key_id, team => 'team ' || label, metadata => '{"a": 1}');
	r := apikeys.regenerate_key(k.key_id, '1 hour');
	RETURN NEXT 'regenerated ' || r.name || ', access ' || r.access || ', apis ' || r.apis::text || ': ' || (apikeys.validate_key(k.key)).code || ', ' || (apikeys.validate_key(r.key)).code;
	PERFORM apikeys.end_overlap(k.key_id);
	RETURN NEXT 'team: ' || (apikeys.key_details(k.key_id)).team || ', identified: ' || (SELECT count(*) FROM apikeys.identify_key(k.key));
	PERFORM apikeys.archive_key(k.key_id);
	RETURN NEXT 'archived: ' || (apikeys.validate_key(r.key)).code;
	PERFORM apikeys.import_key('imported ' || label, '{push}', sha256(convert_to(label, 'UTF8')));
	PERFORM apikeys.register_api('api ' || label);
	PERFORM apikeys.create_workspace('w' || replace(label, ' ', ''));
	PERFORM apikeys.update_workspace('w' || replace(label, ' ', ''), name => label);
	PERFORM apikeys.add_team_member('actor ' || label, 'team');
	PERFORM apikeys.grant_access('columns_role', 'manage');
	PERFORM apikeys.revoke_access('columns_role', 'manage');
END
$$;
CREATE ROLE columns_role;

-- The worker locks several tables, too, and each would wait for the other: a job begins with a lock on the extension, and waits for that
-- until the transaction ends.
CREATE FUNCTION pg_temp.hold_worker() RETURNS void LANGUAGE plpgsql AS
$$ BEGIN ALTER FUNCTION pg_temp.life(text) NO DEPENDS ON EXTENSION apikeys; END $$;

-- One on each table, before anything is there, and once more with what takes a value.
CREATE FUNCTION pg_temp.on_each(what text) RETURNS void LANGUAGE plpgsql AS
$$
DECLARE
	t text;
BEGIN
	PERFORM pg_temp.hold_worker();
	FOREACH t IN ARRAY ARRAY['apikeys.workspace', 'apikeys.api', 'apikeys.key', 'apikeys.team_member', 'apikeys.access', 'apikeys.audit_log', 'apikeys.audit_tree', 'apikeys.audit_size', 'apikeys_internal.report'] LOOP
		EXECUTE format('ALTER TABLE %s %s', t, what);
	END LOOP;
END
$$;
SELECT pg_temp.on_each('ADD COLUMN note text');
SELECT * FROM pg_temp.life('1');
SELECT * FROM pg_temp.wrong();
SELECT pg_temp.on_each('ADD COLUMN "number" integer NOT NULL DEFAULT 7');
SELECT pg_temp.on_each('ADD COLUMN serial_number bigint GENERATED ALWAYS AS IDENTITY');
SELECT pg_temp.on_each('ADD COLUMN doubled integer GENERATED ALWAYS AS ("number" * 2) STORED');
SELECT * FROM pg_temp.life('2');
SELECT * FROM pg_temp.wrong();
SELECT name, note, "number", serial_number, doubled FROM apikeys.key ORDER BY created_at;
SELECT count(*) = count("number") AND count(*) = count(DISTINCT serial_number) AND bool_and(doubled = 14) AS filled FROM apikeys.audit_log;
-- with all plans made anew
DISCARD PLANS;
SELECT key AS secret, key_id FROM apikeys.create_key('fresh', '{data}') \gset
SELECT code, name FROM apikeys.validate_key(:'secret');

-- Nobody's: to change one writes no entry and breaks no seal, on an archived key, too, and with one of ours it is kept.
SELECT count(*) AS entries FROM apikeys.audit_log \gset
UPDATE apikeys.key SET note = 'noted';
UPDATE apikeys.workspace SET note = 'noted';
UPDATE apikeys.api SET note = 'noted';
UPDATE apikeys.team_member SET note = 'noted';
UPDATE apikeys.key SET note = 'noted with a space', name = name || ' ' WHERE archived_at IS NULL;
SELECT count(*) - :entries AS new_entries FROM apikeys.audit_log;
UPDATE apikeys.key SET note = 'noted with a team', team = 'new' WHERE key_id = :'key_id';
SELECT count(*) - :entries AS new_entries FROM apikeys.audit_log;
SELECT name, note, "number", doubled, team FROM apikeys.key ORDER BY created_at;
CALL apikeys.sequence_audit_logs();
SELECT workspace, ok, problem FROM apikeys.verify_audit_logs();
UPDATE apikeys.key SET note = 'un-archived', archived_at = NULL WHERE archived_at IS NOT NULL;

-- Dropped again, and others in their place.
SELECT pg_temp.on_each('DROP COLUMN note');
SET client_min_messages = warning;
SELECT pg_temp.on_each('DROP COLUMN "number" CASCADE');
RESET client_min_messages;
SELECT pg_temp.on_each('ADD COLUMN small smallint');
SELECT pg_temp.on_each('ADD COLUMN tall text NOT NULL DEFAULT pg_catalog.repeat(''tall'', 3)');
SELECT * FROM pg_temp.life('3');
SELECT * FROM pg_temp.wrong();
SELECT name, small, tall, serial_number FROM apikeys.key ORDER BY created_at DESC LIMIT 2;
SELECT code, name FROM apikeys.validate_key(:'secret');
CALL apikeys.sequence_audit_logs();
SELECT apikeys.purge_audit_logs(pg_catalog.clock_timestamp(), 'default') > 10 AS purged;
CALL apikeys.sequence_audit_logs();
SELECT workspace, ok, problem FROM apikeys.verify_audit_logs();
SELECT apikeys.email_audit_logs('somebody@example.com') IS NOT NULL AS queued;
SELECT state, tall FROM apikeys_internal.report;

-- Of the names of columns that key_detail computes.
ALTER TABLE apikeys.key ADD COLUMN state integer DEFAULT 1, ADD COLUMN access integer DEFAULT 1, ADD COLUMN quota_used text DEFAULT 'x', ADD COLUMN last_used_at text DEFAULT 'x';
SELECT (detail).state, (detail).access, (detail).quota_used, (detail).last_used_at FROM apikeys.key_history(:'key_id') LIMIT 1;
SELECT d.state, d.access, d.quota_used, d.last_used_at IS NOT NULL AS used FROM apikeys.key_details(:'key_id') AS d;
ALTER TABLE apikeys.key DROP COLUMN state, DROP COLUMN access, DROP COLUMN quota_used, DROP COLUMN last_used_at;

-- One that cannot be without a value, and has no default: our functions do not know of it.
ALTER TABLE apikeys.key ADD COLUMN wanted text NOT NULL DEFAULT 'x';
ALTER TABLE apikeys.key ALTER COLUMN wanted DROP DEFAULT;
SELECT * FROM pg_temp.refused('SELECT apikeys.create_key(''unwanted'', ''{data}'')');
ALTER TABLE apikeys.key ALTER COLUMN wanted SET DEFAULT 'x';
ALTER TABLE apikeys.key ADD CONSTRAINT key_wanted_check CHECK (wanted <> 'x') NOT VALID;
SELECT * FROM pg_temp.refused('SELECT apikeys.create_key(''unwanted'', ''{data}'')');
SELECT * FROM pg_temp.refused(format('SELECT apikeys.update_key(%L, team => ''x'')', :'key_id'));
ALTER TABLE apikeys.key DROP COLUMN wanted;
SELECT code FROM apikeys.validate_key(:'secret');

-- A trigger of certain columns sees what the functions change, and another one refuses it.
CREATE FUNCTION tell_owner() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN RAISE NOTICE 'owner was %, is %', OLD.owner, NEW.owner; RETURN NULL; END $$;
CREATE TRIGGER z_owner AFTER UPDATE OF owner ON apikeys.key FOR EACH ROW EXECUTE FUNCTION tell_owner();
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER z_refuse BEFORE UPDATE OF team ON apikeys.key FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT owner, rate_limit FROM apikeys.update_key(:'key_id', rate_limit => 7);
SELECT owner, rate_limit FROM apikeys.update_key(:'key_id', owner => 'me');
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L, owner => ''you'', team => ''theirs'')', :'key_id'));
SELECT owner, team FROM apikeys.key_details(:'key_id');
DROP TRIGGER z_owner ON apikeys.key;
DROP TRIGGER z_refuse ON apikeys.key;
DROP FUNCTION tell_owner(), refuse();

-- A domain that refuses NULL, as for INSERT.
BEGIN;
CREATE DOMAIN not_null AS text NOT NULL;
CREATE DOMAIN not_empty AS text DEFAULT 'x' CHECK (VALUE <> '');
ALTER TABLE apikeys.key ADD COLUMN filled not_empty;
SELECT count(*) FROM apikeys.create_key('of a domain', '{data}');
SELECT filled FROM apikeys.key WHERE name = 'of a domain';
ALTER TABLE apikeys.key DISABLE TRIGGER USER;
DELETE FROM apikeys.key;
ALTER TABLE apikeys.key ENABLE TRIGGER USER;
ALTER TABLE apikeys.key ADD COLUMN wanted not_null;
SELECT pg_temp.refused($$SELECT apikeys.create_key('without', '{data}')$$);
ROLLBACK;

-- What comes out of a dump that knows nothing of them.
CREATE TEMP TABLE dumped AS SELECT * FROM apikeys.key WHERE name = 'imported 3';
ALTER TABLE apikeys.key DISABLE TRIGGER USER;
DELETE FROM apikeys.key WHERE name = 'imported 3';
ALTER TABLE apikeys.key ENABLE TRIGGER USER;
ALTER TABLE dumped DROP COLUMN small, DROP COLUMN tall, DROP COLUMN serial_number;
DO $$
DECLARE
	columns text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'dumped'::regclass AND attnum > 0 AND NOT attisdropped);
BEGIN
	EXECUTE format('INSERT INTO apikeys.key (%s) SELECT %1$s FROM dumped', columns);
END
$$;
SELECT name, tall FROM apikeys.key WHERE name = 'imported 3';
SELECT * FROM pg_temp.wrong();

-- One of ours: everything that needs the table says which. (Where a view shows the column, PostgreSQL does not drop it:
-- the view belongs to the extension, which has the table.)
CREATE FUNCTION pg_temp.without(rel text, statement text) RETURNS SETOF text LANGUAGE plpgsql AS
$$
DECLARE
	col text;
BEGIN
	PERFORM pg_temp.hold_worker();
	FOREACH col IN ARRAY (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = rel::regclass
		AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('serial_number', 'small', 'tall', 'wanted')) LOOP
		BEGIN
			EXECUTE format('ALTER TABLE %s DROP COLUMN %I CASCADE', rel, col);
			EXECUTE statement;
			RETURN NEXT 'NOT REFUSED';
		EXCEPTION WHEN object_in_use THEN
			NULL;
		WHEN OTHERS THEN
			RETURN NEXT col || ': ' || SQLSTATE || ': ' || SQLERRM;
		END;
	END LOOP;
END
$$;
SELECT apikeys.grant_access('columns_role', 'view');
SET client_min_messages = warning;
SELECT * FROM pg_temp.without('apikeys.key', format('SELECT apikeys.key_details(%L)', :'key_id'));
SELECT * FROM pg_temp.without('apikeys.key', format('SELECT apikeys.validate_key(%L)', :'secret'));
SELECT * FROM pg_temp.without('apikeys.workspace', 'SELECT apikeys.update_workspace(''default'', name => ''x'')');
SELECT * FROM pg_temp.without('apikeys.api', 'SELECT apikeys.create_key(''y'', ''{data}'')');
SELECT * FROM pg_temp.without('apikeys.team_member', 'SELECT apikeys.create_key(''y'', ''{data}'')');
SELECT * FROM pg_temp.without('apikeys.access', 'SET LOCAL ROLE columns_role; SELECT apikeys_internal.visible_workspaces(''view'')');
SELECT * FROM pg_temp.without('apikeys.audit_log', 'SELECT apikeys.create_key(''y'', ''{data}'')');
SELECT * FROM pg_temp.without('apikeys.audit_tree', 'SELECT FROM apikeys.verify_audit_logs()');
RESET client_min_messages;
SELECT code, name FROM apikeys.validate_key(:'secret');
DROP OWNED BY columns_role;
DROP ROLE columns_role;
