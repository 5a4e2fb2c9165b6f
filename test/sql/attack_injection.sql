-- Attack: text that has a meaning elsewhere (SQL, LIKE, format strings, JSON, CSV, HTML, the shell, bidirectional writing), in
-- every text that is stored and in every setting. It stays text: it comes out as it went in, once, everywhere.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE ROLE regress_ak_app;
SELECT apikeys.grant_access('regress_ak_app', 'admin');
CREATE TABLE public.hostile (n serial, t text);
INSERT INTO public.hostile (t) VALUES
	($$'; DROP TABLE apikeys.key; --$$), ($$' OR '1'='1$$), ($$"; DROP TABLE apikeys.key; --$$), ($$\'; SELECT 1; --$$), ($$$1 $2 $$ || '$$'),
	($$%s%s%s%n%x%1000000d$$), ($$%%_\%\_\\$$), ($${"a": "b", "new": null}$$), ($$", "evicted": [{"key_id": "x"}], "x": "$$), ($$\u0000\u0022$$),
	($$=cmd|' /C calc'!A0$$), ($$a,"b",c$$), ($$<script>alert(1)</script>$$), ($$`id` $(id) ${HOME} ; id$$), (U&'\05D0gnp.exe'), ($$NULL$$),
	($$'::regclass$$), ($$E'\\x00'$$), ($$../../../etc/passwd$$), (repeat($$'$$, 100)), (repeat('"', 100)), (repeat('\', 100)), (repeat('%', 100));
GRANT SELECT ON public.hostile TO regress_ak_app;
SET ROLE regress_ak_app;

CREATE FUNCTION pg_temp.must(VARIADIC ok boolean[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. array_length(ok, 1) LOOP
		IF ok[i] IS NOT TRUE THEN
			RAISE EXCEPTION 'number % is %', i, ok[i];
		END IF;
	END LOOP;
END $$;

-- names, teams, actors, metadata, descriptions: stored and told as they are
DO $$
DECLARE
	h record; k record; d record; e record; v record;
BEGIN
	FOR h IN SELECT n, t FROM public.hostile ORDER BY n LOOP
		PERFORM apikeys.act_as(h.t, h.t, '192.0.2.1');
		PERFORM apikeys.add_team_member(h.t, h.t);
		PERFORM apikeys.register_api(h.t, h.t);
		PERFORM apikeys.create_workspace('w' || h.n, h.t);
		SELECT * INTO k FROM apikeys.create_key(h.t, ARRAY[h.t], team => h.t, metadata => jsonb_build_object(h.t, h.t));
		SELECT * INTO d FROM apikeys.key_details(apikeys.key_id(h.t));
		PERFORM pg_temp.must(k.name = h.t, k.apis = ARRAY[h.t], d.key_id = k.key_id, d.team = h.t, d.created_by = h.t,
			d.metadata = jsonb_build_object(h.t, h.t));
		SELECT * INTO v FROM apikeys.validate_key(k.key, h.t);
		PERFORM pg_temp.must(v.valid, v.name = h.t, v.metadata = d.metadata, v.apis = ARRAY[h.t]);
		SELECT * INTO e FROM apikeys.audit_logs WHERE key_id = k.key_id;
		PERFORM pg_temp.must(e.actor = h.t, e.team = h.t, e.key_name = h.t, e.activity = 'Created key "' || h.t || '"',
			e.changes -> 'name' ->> 'new' = h.t, e.changes -> 'apis' -> 'new' = jsonb_build_array(h.t),
			e.changes -> 'metadata' -> 'new' = d.metadata, e.changes ->> 'evicted' IS NULL, e.action = 'Create');
		-- renamed, and back
		PERFORM apikeys.update_key(k.key_id, name => 'x' || left(h.t, 90));
		PERFORM apikeys.update_key(k.key_id, name => h.t);
		SELECT * INTO e FROM apikeys.audit_logs WHERE key_id = k.key_id LIMIT 1;
		PERFORM pg_temp.must(e.changes -> 'name' -> 'new' = to_jsonb(h.t), e.changes -> 'name' -> 'old' = to_jsonb('x' || left(h.t, 90)));
	END LOOP;
END $$;

-- clients' text: any of it is a verdict
SELECT DISTINCT code FROM public.hostile, apikeys.validate_key(t, t, t, t) ORDER BY code;
SELECT DISTINCT code FROM public.hostile, unnest('{"","Bearer ","Basic "}'::text[]) AS s, apikeys.authenticate(s || t, t, t) ORDER BY code;
SELECT count(*) FROM public.hostile, apikeys.identify_key(t);
SELECT count(*) FROM public.hostile WHERE apikeys.current_key_allows(t);

-- searched for, each finds its own: a substring, never a pattern
SELECT h.n, h.t FROM public.hostile h WHERE NOT EXISTS
	(SELECT FROM apikeys.search_audit_logs(h.t, max_rows => 2147483647) s WHERE s.key_name = h.t)
	OR EXISTS (SELECT FROM apikeys.search_audit_logs(h.t, max_rows => 2147483647) s
		WHERE strpos(lower(concat_ws(' ', s.team, s.activity, s.actor, s.entity, s.action)), lower(h.t)) = 0);
SELECT h.n FROM public.hostile h WHERE (SELECT count(*) FROM apikeys.search_audit_logs(actors => ARRAY[h.t], teams => ARRAY[h.t], max_rows => 2147483647))
	<> (SELECT count(*) FROM apikeys.audit_logs WHERE actor = h.t AND team = h.t);
-- exported, each entry is one record of seven fields
SELECT count(*) - 1 = (SELECT count(*) FROM apikeys.audit_logs) AS one_line_each FROM apikeys.export_audit_logs();
SELECT line FROM apikeys.export_audit_logs() AS line WHERE line !~ '^(?:[^",\r\n]*|"(?:[^"]|"")*")(?:,(?:[^",\r\n]*|"(?:[^"]|"")*")){6}$';

-- settings
DO $$
DECLARE
	h record;
BEGIN
	FOR h IN SELECT n, t FROM public.hostile ORDER BY n LOOP
		PERFORM set_config('apikeys.workspace', h.t, true);
		PERFORM pg_temp.must((SELECT count(*) FROM apikeys.active_keys) = 0, (SELECT count(*) FROM apikeys.audit_logs) = 0,
			(SELECT count(*) FROM apikeys.search_audit_logs()) = 0, (SELECT code FROM apikeys.validate_key('x')) = 'NOT_FOUND');
		PERFORM set_config('apikeys.workspace', '', true), set_config('apikeys.actor', h.t, true), set_config('apikeys.team', h.t, true);
		PERFORM apikeys.update_key(apikeys.key_id(h.t), metadata => '1');
		PERFORM pg_temp.must((SELECT actor = h.t AND team = h.t FROM apikeys.audit_logs LIMIT 1));
		PERFORM set_config('apikeys.client', h.t, true);
		BEGIN
			PERFORM apikeys.update_key(apikeys.key_id(h.t), metadata => '2');
			RAISE EXCEPTION 'accepted: %', h.t;
		EXCEPTION WHEN invalid_parameter_value THEN
			NULL;
		END;
		PERFORM set_config('apikeys.client', '', true);
	END LOOP;
END $$;

-- what is no name at all: refused without a trace
DO $$
DECLARE
	t text; call text;
BEGIN
	FOREACH t IN ARRAY ARRAY[E'\t', E'a\nb', E'a\rb', E'\x1b[2J', E'a\x7f', U&'a\0085b', U&'\009F'] LOOP
		FOREACH call IN ARRAY ARRAY['create_key($1, ''{data}'')', 'create_key(''a'', ''{data}'', team => $1)', 'act_as($1)', 'act_as(''a'', $1)',
			'register_api($1)', 'create_workspace($1)', 'create_workspace(''ok'', $1)', 'add_team_member($1, ''t'')', 'add_team_member(''a'', $1)',
			'import_key(''a'', ''{data}'', sha256(''a''), $1)'] LOOP
			BEGIN
				EXECUTE 'SELECT count(*) FROM apikeys.' || call || ' AS r' USING t;
				RAISE EXCEPTION 'accepted: % for %', to_json(t), call;
			EXCEPTION WHEN invalid_parameter_value THEN
				NULL;
			END;
		END LOOP;
	END LOOP;
END $$;

RESET ROLE;
CALL apikeys.sequence_audit_logs();
SET ROLE regress_ak_app;
SELECT workspace, ok, problem FROM apikeys.verify_audit_logs() WHERE NOT ok;
RESET ROLE;
SELECT count(*) FROM apikeys.active_keys;
DROP TABLE public.hostile;
DROP OWNED BY regress_ak_app;
DROP ROLE regress_ak_app;
