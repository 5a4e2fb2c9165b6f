-- The log's proofs: the sequencer, checkpoints, inclusion and consistency proofs, the feed; and what each refuses.
\set ECHO none
\i test/lib/regress.sql
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_ak_auditor;
CREATE ROLE regress_ak_one;

-- nothing yet
SELECT * FROM apikeys.audit_checkpoint();
SELECT workspace, size, root = sha256('') AS "of nothing", note ~ '^apikeys/\d+/\d+/workspace/default\n0\n47DEQpj8HBSa\+/TImW\+5JCeuQeRkm5NMpJWZG3hSuFU=\nsystem=\d+ database=\S+ timeline=\d+\n$' AS note FROM apikeys.audit_checkpoint('default');
SELECT * FROM apikeys.audit_feed();
SELECT apikeys.audit_consistency_proof('default', 0);

SELECT apikeys.create_workspace('acme');
SELECT count(name) FROM generate_series(1, 5) AS i, LATERAL apikeys.create_key('K' || i, '{data}', 'acme');
SELECT count(name) FROM generate_series(1, 3) AS i, LATERAL apikeys.create_key('K' || i, '{data}');
SELECT apikeys.register_api('bills');
SELECT apikeys.grant_access('regress_ak_auditor', 'audit'), apikeys.grant_access('regress_ak_one', 'audit', 'acme');
CALL apikeys.sequence_audit_logs();
SELECT workspace, position, audit_id, sequence, level, octet_length(hashes) / 32 AS hashes FROM apikeys.audit_tree ORDER BY sequence;

-- A checkpoint: as C2SP's tlog-checkpoint has it.
SET ROLE regress_ak_auditor;
SELECT workspace, size, note = format(E'apikeys/%s/%s/%s\n%s\n%s\nsystem=%s database=%s timeline=%s\n', c.system_identifier, d.oid, coalesce('workspace/' || workspace, 'registry'), size,
	encode(root, 'base64'), c.system_identifier, d.datname, t.timeline_id) AS note
FROM apikeys.audit_checkpoint(), pg_control_system() AS c, pg_control_checkpoint() AS t, pg_database AS d WHERE d.datname = current_database() ORDER BY 1 NULLS FIRST;
SELECT (SELECT root FROM apikeys.audit_checkpoint('acme')) = (SELECT root FROM apikeys.verify_audit_logs('acme')) AS "the same root";
SELECT workspace, size FROM apikeys.audit_checkpoint('');
RESET ROLE;

-- Inclusion: each entry, at each size that has it, by RFC 9162, 2.1.3.2.
CREATE FUNCTION pg_temp.root_of(leaf bytea, pos bigint, size bigint, path bytea[]) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
	fn bigint = pos;
	sn bigint = size - 1;
	r bytea = sha256('\x00'::bytea || leaf);
	p bytea;
BEGIN
	FOREACH p IN ARRAY path LOOP
		IF sn = 0 THEN RETURN NULL; END IF;
		IF fn & 1 = 1 OR fn = sn THEN
			r := sha256('\x01'::bytea || p || r);
			WHILE fn & 1 = 0 AND fn <> 0 LOOP fn := fn >> 1; sn := sn >> 1; END LOOP;
		ELSE
			r := sha256('\x01'::bytea || r || p);
		END IF;
		fn := fn >> 1;
		sn := sn >> 1;
	END LOOP;
	RETURN CASE WHEN sn = 0 THEN r END;
END $$;
SELECT count(*), bool_and(pg_temp.root_of(p.leaf, p.position, p.size, p.path) = p.root) AS "all hold", bool_and(p.position = t.position AND p.size = s) AS "as asked", bool_and(sha256('\x00'::bytea || leaf) = l.digest) AS leaf
FROM apikeys.audit_tree t JOIN apikeys.audit_log l USING (audit_id), generate_series(1, 6) AS s, apikeys.audit_inclusion_proof(t.audit_id, s) AS p WHERE t.workspace = 'acme' AND t.position < s;
SELECT workspace, position, size, array_length(path, 1) AS steps, convert_from(substring(leaf FROM position('K5'::bytea IN leaf) FOR 2), 'UTF8') AS "in the leaf" FROM apikeys.audit_inclusion_proof(6);
-- of what belongs to no workspace
SELECT workspace, position, size FROM apikeys.audit_inclusion_proof(10);

-- Consistency: from a power of two the first step is not the old root.
SELECT o, n, array_length(apikeys.audit_consistency_proof('acme', o, n), 1) FROM generate_series(0, 7) AS o, generate_series(o, 7) AS n WHERE o IN (0, 1, 4, 6, 7);
SELECT apikeys.audit_consistency_proof('acme', 3) = apikeys.audit_consistency_proof('acme', 3, 7) AS "to the present size";
SELECT array_length(apikeys.audit_consistency_proof('', 1), 1) AS registry, array_length(apikeys.audit_consistency_proof(NULL, 1), 1) AS "NULL, too";

-- What is refused.
SELECT * FROM pg_temp.refused('SELECT apikeys.audit_inclusion_proof(NULL)');
SELECT * FROM pg_temp.refused('SELECT apikeys.audit_inclusion_proof(1000)');
SELECT * FROM pg_temp.refused('SELECT apikeys.audit_inclusion_proof(-1)');
SELECT * FROM pg_temp.refused('SELECT apikeys.audit_inclusion_proof(6, 5)');
SELECT * FROM pg_temp.refused('SELECT apikeys.audit_inclusion_proof(6, 8)');
SELECT * FROM pg_temp.refused('SELECT apikeys.audit_inclusion_proof(6, -1)');
SELECT * FROM pg_temp.refused('SELECT apikeys.audit_inclusion_proof(6, 9223372036854775807)');
SELECT * FROM pg_temp.refused($$SELECT apikeys.audit_consistency_proof('acme', NULL)$$);
SELECT * FROM pg_temp.refused($$SELECT apikeys.audit_consistency_proof('acme', 5, 4)$$);
SELECT * FROM pg_temp.refused($$SELECT apikeys.audit_consistency_proof('acme', 8)$$);
SELECT * FROM pg_temp.refused($$SELECT apikeys.audit_consistency_proof('acme', 1, 8)$$);
SELECT * FROM pg_temp.refused($$SELECT apikeys.audit_consistency_proof('acme', -1)$$);
SELECT * FROM pg_temp.refused($$SELECT apikeys.audit_consistency_proof('nowhere', 0)$$);
SELECT * FROM pg_temp.refused($$SELECT * FROM apikeys.audit_checkpoint('nowhere')$$);
SELECT * FROM pg_temp.refused('SELECT * FROM apikeys.audit_feed(-1)');
SELECT * FROM pg_temp.refused('SELECT * FROM apikeys.audit_feed(0, NULL, -1)');
-- one's own entry is in no tree before one has committed, and no longer waited for than that takes, which may be long on a machine that is busy
CREATE FUNCTION pg_temp.at_once(proof text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz;
BEGIN
	FOR i IN 1 .. 20 LOOP
		began := clock_timestamp();
		BEGIN
			EXECUTE proof;
		EXCEPTION WHEN object_not_in_prerequisite_state THEN
			IF clock_timestamp() - began < '1.5 s' THEN RETURN true; END IF;
		END;
	END LOOP;
	RETURN false;
END $$;
BEGIN;
SELECT name FROM apikeys.create_key('mine', '{data}', 'acme');
SELECT * FROM pg_temp.refused(format('SELECT apikeys.audit_inclusion_proof(%s)', (SELECT max(audit_id) FROM apikeys.audit_log)));
SELECT pg_temp.at_once('SELECT apikeys.audit_inclusion_proof((SELECT max(audit_id) FROM apikeys.audit_log))') AS "at once", (SELECT size FROM apikeys.audit_checkpoint('acme')) AS size;
CALL apikeys.sequence_audit_logs();
ROLLBACK;
-- what others have just committed is waited for
SELECT name FROM apikeys.create_key('yours', '{data}', 'acme');
CREATE FUNCTION pg_temp.waited(proof text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
BEGIN
	EXECUTE proof;
	RETURN true;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	-- the machine is busy
	RETURN clock_timestamp() - began >= '2 s';
END $$;
SELECT pg_temp.waited('SELECT apikeys.audit_inclusion_proof((SELECT max(audit_id) FROM apikeys.audit_log))');
CALL apikeys.sequence_audit_logs();
SELECT position, size FROM apikeys.audit_inclusion_proof((SELECT max(audit_id) FROM apikeys.audit_log));
-- but not under a snapshot that could not see it, nor in a READ ONLY transaction's way
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT size FROM apikeys.audit_checkpoint('acme');
SELECT ok FROM apikeys.verify_audit_logs('acme');
COMMIT;

-- A note that was copied badly, or made up, is none; one without its last newline is.
SELECT note FROM apikeys.audit_checkpoint('acme') \gset
SELECT n, coalesce((SELECT min(r) FROM pg_temp.refused(format('SELECT apikeys.verify_audit_logs(''acme'', ARRAY[%L])', note)) AS r), '') AS said FROM (VALUES ('nothing', ''), ('one line', 'x'), ('no origin', E'\n1\n'), ('a blank in the origin', replace(:'note', '/acme', '/ac me')),
	('a size with a zero', regexp_replace(:'note', E'\n(\\d+)\n', E'\n0\\1\n')), ('a size that is none', regexp_replace(:'note', E'\n(\\d+)\n', E'\n-\\1\n')), ('a size of 19 digits', regexp_replace(:'note', E'\n(\\d+)\n', E'\n1234567890123456789\n')),
	('a root cut off', left(:'note', position(E'=\n' IN :'note') - 5)), ('a root too long', replace(:'note', E'=\n', E'=A\n')), ('a root that is no base64', replace(:'note', '=', '*')), ('a carriage return', replace(:'note', E'\n', E'\r\n')),
	('an empty line at the end', :'note' || E'\n'), ('a signature without a name', :'note' || E'\n— AAAAAAAA\n'), ('a line that is no signature', :'note' || E'\nx\n'), ('a signature of four bytes', :'note' || E'\n— x AAAAAA==\n'),
	('a signature that is no base64', :'note' || E'\n— x ****\n'), ('16 kB', :'note' || E'\n— x ' || repeat('A', 100000) || E'\n')) AS v (n, note);
SELECT ok, problem FROM unnest(ARRAY[rtrim(:'note', E'\n'), :'note' || E'\n— somebody.else/x ' || encode(sha256('x'), 'base64')]) AS c, apikeys.verify_audit_logs('acme', ARRAY[c]);

-- One workspace's auditor: another's entries do not exist.
SET ROLE regress_ak_one;
SELECT workspace, size FROM apikeys.audit_checkpoint();
SELECT sequence, workspace, activity FROM apikeys.audit_feed(5);
SELECT sequence, activity FROM apikeys.audit_feed(3, 'acme', 2);
SELECT n, regexp_replace(said, 'entry \d+', 'entry <id>') AS said FROM (VALUES ('of default', 8), ('of the registry', 10), ('of nobody', 99)) AS e (n, id), LATERAL pg_temp.refused(format('SELECT apikeys.audit_inclusion_proof(%s)', id)) AS said;
SELECT * FROM pg_temp.refused($$SELECT apikeys.audit_consistency_proof('default', 0)$$);
SELECT * FROM pg_temp.refused($$SELECT apikeys.audit_consistency_proof('', 0)$$);
SELECT * FROM pg_temp.refused($$SELECT * FROM apikeys.audit_checkpoint('default')$$);
SELECT * FROM pg_temp.refused($$SELECT * FROM apikeys.audit_feed(0, 'default')$$);
SELECT * FROM pg_temp.refused($$SELECT * FROM apikeys.verify_audit_logs('')$$);
CALL apikeys.sequence_audit_logs();
SET apikeys.workspace = 'default';
SELECT workspace, size FROM apikeys.audit_checkpoint();
SELECT count(*) FROM apikeys.audit_feed();
RESET apikeys.workspace;
RESET ROLE;

-- The feed: page after page, each entry once, in order; who is behind a purge is told.
CREATE TEMPORARY TABLE read (sequence bigint, audit_id bigint);
DO $$
DECLARE
	after bigint = 0;
BEGIN
	LOOP
		INSERT INTO read SELECT f.sequence, f.audit_id FROM apikeys.audit_feed(after, max_rows => 4) AS f;
		EXIT WHEN NOT FOUND;
		SELECT max(sequence) INTO after FROM read;
	END LOOP;
END $$;
SELECT count(*) = (SELECT count(*) FROM apikeys.audit_log) AS "each once", min(sequence), max(sequence) = count(*) AS "no gap", array_agg(audit_id ORDER BY sequence) = array_agg(audit_id ORDER BY audit_id) AS "in order" FROM read;
SELECT count(*) FROM apikeys.audit_feed(max_rows => 0);
SELECT count(*) FROM apikeys.audit_feed(NULL, NULL, NULL) AS f;
SELECT (f).* FROM (SELECT f FROM apikeys.audit_feed(0, NULL, 1) AS f) AS s \g /dev/null
SELECT string_agg(attname, ',' ORDER BY attnum) AS "the columns of audit_logs" FROM pg_attribute WHERE attrelid = 'apikeys.audit_logs'::regclass AND attnum > 0
EXCEPT SELECT string_agg(n, ',' ORDER BY i) FROM pg_proc, unnest(proargnames) WITH ORDINALITY AS u (n, i) WHERE proname = 'audit_feed' AND i > pronargs + 1;
SELECT name FROM apikeys.update_key(apikeys.key_id('K1', 'acme'), team => 't');
CALL apikeys.sequence_audit_logs();
SELECT apikeys.purge_audit_logs(clock_timestamp(), 'acme');
SELECT * FROM pg_temp.refused('SELECT * FROM apikeys.audit_feed(0)');
SELECT * FROM pg_temp.refused('SELECT * FROM apikeys.audit_feed(1)');
SELECT sequence, workspace, activity FROM apikeys.audit_feed(2) WHERE entity <> 'Audit Logs';
-- another workspace was not purged
SELECT sequence, activity FROM apikeys.audit_feed(0, 'default');
-- what was purged cannot be proved, what is left can, at every size for which there was a checkpoint
SELECT * FROM pg_temp.refused('SELECT apikeys.audit_inclusion_proof(2)');
SELECT pg_temp.root_of(p.leaf, p.position, p.size, p.path) = p.root AS holds FROM apikeys.audit_inclusion_proof(6, 7) AS p;
SELECT name FROM generate_series(1, 9) AS i, LATERAL apikeys.update_key(apikeys.key_id('K1', 'acme'), team => 't' || i) \g /dev/null
CALL apikeys.sequence_audit_logs();
SELECT apikeys.purge_audit_logs(clock_timestamp(), 'acme') > 0 AS purged;
SELECT * FROM pg_temp.refused($$SELECT apikeys.audit_consistency_proof('acme', 13)$$);
SELECT array_length(apikeys.audit_consistency_proof('acme', 7), 1) AS steps;

-- The settings.
SELECT name, setting, unit, context FROM pg_settings WHERE name IN ('apikeys.audit_signing_key_file', 'apikeys.audit_checkpoint_interval') ORDER BY 1;

SELECT pg_temp.wrong();
SET client_min_messages = warning; DROP OWNED BY regress_ak_auditor, regress_ak_one; DROP EXTENSION apikeys CASCADE; RESET client_min_messages;
DROP ROLE regress_ak_auditor, regress_ak_one;
