-- create_key() in bulk, and the same two rows by INSERTs in a loop, :keys each; the tables beside have the same columns
-- and indexes.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE SCHEMA plain;
CREATE TABLE plain.key (LIKE apikeys.key INCLUDING ALL);
CREATE TABLE plain.audit_log (LIKE apikeys.audit_log INCLUDING ALL);
CREATE SEQUENCE plain.audit_id_seq;
CREATE SEQUENCE bench.n;

CREATE FUNCTION bench.create_by_loop(keys integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	secret	text;
	id		uuid;
	entry	bigint;
	label	text;
BEGIN
	FOR i IN 1..keys LOOP
		label := 'Key ' || nextval('bench.n');
		secret := 'ak_' || encode(public.gen_random_bytes(24), 'hex');
		id := gen_random_uuid();
		entry := nextval('plain.audit_id_seq');
		INSERT INTO plain.key (key_id, audit_id, key_hash, workspace, name, apis, hint, name_folded, created_at, created_by, row_digest)
		VALUES (id, entry, sha256(secret::bytea), 'default', label, '{data,push}', 'ak...' || right(secret, 4), convert_to(lower(label), 'UTF8'),
				clock_timestamp(), session_user, sha256(secret::bytea));
		INSERT INTO plain.audit_log (audit_id, "time", workspace, entity, action, activity, actor, subject, key_id, key_name,
									 changes, db_user, row_digest, digest)
		VALUES (entry, clock_timestamp(), 'default', 'API Keys', 'Create', 'Created key "' || label || '"', session_user,
				jsonb_build_object('key_id', id), id, label, jsonb_build_object('name', jsonb_build_object('old', NULL, 'new', label),
										  'apis', jsonb_build_object('old', NULL, 'new', '["data", "push"]'::jsonb),
										  'hint', jsonb_build_object('old', NULL, 'new', 'ak...' || right(secret, 4))),
				session_user, sha256(secret::bytea), sha256(secret::bytea));
	END LOOP;
END $$;

INSERT INTO bench.arm (kind, calls, arm, query) VALUES
	('create', :keys, 'create_key', format(
		$$SELECT count(key_id) FROM generate_series(1, %s) i, LATERAL apikeys.create_key('Key ' || nextval('bench.n') || '-' || i, '{data,push}')$$, :keys)),
	('create', :keys, 'two INSERTs', format('SELECT bench.create_by_loop(%s)', :keys));
