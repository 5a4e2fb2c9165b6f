-- What every regress test starts with: the extension made anew, and helpers that go away with the session.
-- A test says:
--     \set ECHO none
--     \i test/lib/regress.sql

-- No hour ends while a test runs.
DO $$
DECLARE
	rest interval := date_trunc('hour', clock_timestamp()) + interval '1 hour' - clock_timestamp();
BEGIN
	IF rest < interval '20 s' THEN
		PERFORM pg_sleep_for(rest);
	END IF;
END
$$;

SET client_min_messages = warning;
DROP EXTENSION IF EXISTS apikeys CASCADE;
CREATE EXTENSION apikeys CASCADE;
RESET client_min_messages;
-- what is internal must hold also where its schema keeps nobody out
GRANT USAGE ON SCHEMA apikeys_internal TO PUBLIC;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';

-- Everything that there is, in one number.
CREATE FUNCTION pg_temp.state() RETURNS text LANGUAGE sql SECURITY DEFINER AS
$$
	SELECT md5(string_agg(line, ';' ORDER BY line)) FROM (
		SELECT 'w' || t FROM apikeys.workspace t UNION ALL
		SELECT 'a' || t FROM apikeys.api t UNION ALL
		SELECT 'k' || t FROM apikeys.key t UNION ALL
		SELECT 't' || t FROM apikeys.team_member t UNION ALL
		SELECT 'c' || t FROM apikeys.access t UNION ALL
		SELECT 'e' || t FROM apikeys.audit_log t) AS s (line)
$$;

-- Runs a statement that must be refused, and shows how. Whatever it says, it must show neither a secret nor a hash, and
-- must have changed nothing.
CREATE FUNCTION pg_temp.refused(statement text) RETURNS SETOF text LANGUAGE plpgsql AS
$$
DECLARE
	before text := pg_temp.state();
	code text; message text; detail text; hint text; context text; everything text;
BEGIN
	BEGIN
		EXECUTE statement;
		RETURN NEXT 'NOT REFUSED';
		RETURN;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
			hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
	END;
	everything := concat_ws(' ', message, detail, hint, replace(context, statement, ''));
	RETURN NEXT code || ': ' || regexp_replace(message, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '<uuid>', 'g');
	IF detail <> '' THEN
		RETURN NEXT 'DETAIL: ' || regexp_replace(detail, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '<uuid>', 'g');
	END IF;
	IF hint <> '' THEN
		RETURN NEXT 'HINT: ' || hint;
	END IF;
	IF everything ~ '_[0-9A-Za-z]{49}' THEN
		RETURN NEXT 'IT SHOWS A SECRET: ' || everything;
	END IF;
	IF everything ~ '[0-9a-f]{64}' THEN
		RETURN NEXT 'IT SHOWS A HASH: ' || everything;
	END IF;
	IF before <> pg_temp.state() THEN
		RETURN NEXT 'IT CHANGED SOMETHING';
	END IF;
END
$$;

-- Only its SQLSTATE, where the server's own message shows what is never the same twice.
CREATE FUNCTION pg_temp.sqlstate(statement text) RETURNS text LANGUAGE plpgsql AS
$$
BEGIN
	EXECUTE statement;
	RETURN 'NOT REFUSED';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;

-- The entries after the last call, oldest first; changes without what is never the same twice.
CREATE TEMPORARY TABLE told (audit_id bigint);
GRANT ALL ON told TO PUBLIC;
INSERT INTO told VALUES (0);
CREATE FUNCTION pg_temp.entries(OUT action text, OUT activity text, OUT changes text) RETURNS SETOF record
LANGUAGE sql SECURITY DEFINER AS
$$
	WITH new AS (
		SELECT l.* FROM apikeys.audit_log l WHERE l.audit_id > (SELECT t.audit_id FROM told t)),
	mark AS (
		UPDATE told SET audit_id = (SELECT max(n.audit_id) FROM new n) WHERE EXISTS (SELECT 1 FROM new))
	SELECT n.entity || ': ' || n.action, n.activity,
		regexp_replace(regexp_replace(regexp_replace(n.changes::text,
			'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '<uuid>', 'g'),
			'"[a-z][a-z0-9_]*[^"a-z0-9_]{1,3}[0-9A-Za-z]{4}"', '"<hint>"', 'g'),
			'"\d{4}-\d\d-\d\dT[0-9:.]+\+00:00"', '"<time>"', 'g')
	FROM new n ORDER BY n.audit_id
$$;

-- The workspaces other than this one of which any of our views shows the current user a row; the registry apart.
CREATE FUNCTION pg_temp.seen_beside(ours text) RETURNS TABLE (seen_in text, what text) LANGUAGE plpgsql AS
$$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT c.oid::regclass::text AS relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'workspace') AS has_workspace
		FROM pg_class c WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind = 'v' AND c.relname NOT IN ('apis', 'key_rows', 'tree_sizes') ORDER BY c.relname COLLATE "C" LOOP
		IF NOT has_table_privilege(r.relname, 'SELECT') THEN
			CONTINUE;	/* privileges.sql knows to whom it is */
		ELSIF NOT r.has_workspace THEN
			RETURN QUERY SELECT r.relname, 'has no workspace';
		ELSE
			RETURN QUERY EXECUTE format('SELECT DISTINCT %L, coalesce(workspace, ''NULL'') FROM %s WHERE workspace IS DISTINCT FROM %L', r.relname, r.relname, ours);
		END IF;
	END LOOP;
END
$$;

-- Nothing, when the log and everything else is as it should be.
CREATE FUNCTION pg_temp.wrong() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET client_min_messages = warning AS
$$
	SELECT 'the log: ' || problem FROM apikeys.verify_audit_logs() WHERE NOT ok
	UNION ALL
	SELECT 'an entry that is neither in a tree nor waits for it, or in both' FROM apikeys.audit_log a
	LEFT JOIN apikeys.audit_tree l USING (audit_id) LEFT JOIN apikeys_internal.audit_pending p USING (audit_id)
	/* nobody says so while they are still to be derived, after a restore */
	WHERE NOT EXISTS (SELECT FROM apikeys_internal.audit_pending WHERE audit_id = 0)
	GROUP BY audit_id HAVING count(l.position) + count(p.audit_id) <> 1
	UNION ALL
	SELECT 'the archive limit of ' || w.workspace FROM apikeys.key k JOIN apikeys.workspace w USING (workspace)
	WHERE k.archived_at IS NOT NULL GROUP BY w.workspace, w.archive_limit HAVING count(*) > w.archive_limit
	UNION ALL
	SELECT 'a name twice' FROM apikeys.key WHERE archived_at IS NULL GROUP BY workspace, name_folded HAVING count(*) > 1
	UNION ALL
	SELECT 'a hash twice' FROM apikeys.key, LATERAL (VALUES (key_hash), (old_key_hash)) AS h (hash)
	WHERE hash IS NOT NULL GROUP BY hash HAVING count(*) > 1
	UNION ALL
	SELECT 'a secret in ' || place FROM (
		SELECT 'a key', k::text FROM apikeys.key k UNION ALL
		SELECT 'an entry', a::text FROM apikeys.audit_log a) AS t (place, line) WHERE line ~ '_[0-9A-Za-z]{49}'
$$;

\set ECHO all
