-- Attack: ask for a value of another tenant, and count what was read for the answer. Every role sees the counters of its own
-- transaction, as pg_stat_xact_all_tables shows them. They must be those of a value that does not exist.
\set ECHO none
\i test/lib/regress.sql
\set ECHO none
SET client_min_messages = warning;
SELECT apikeys.create_workspace('acme'), apikeys.create_workspace('bolt'), apikeys.create_workspace('rival') \g /dev/null
CREATE ROLE regress_ak_one;
CREATE ROLE regress_ak_two;
SELECT apikeys.grant_access('regress_ak_one', 'admin', 'acme'), apikeys.grant_access('regress_ak_two', 'admin', w)
FROM unnest('{acme,bolt}'::text[]) AS w \g /dev/null

-- The rival has names, a team, an actor and actions of its own, before and after what the others do.
BEGIN;
CREATE FUNCTION pg_temp.act(w text, n text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM apikeys.act_as(w || ' actor', w || ' team');
	PERFORM apikeys.create_key(w || ' key ' || n, '{data}', w, owner => w || ' owner', team => w || ' team');
	IF w = 'rival' THEN
		PERFORM apikeys.add_team_member(w || ' actor', w || ' team ' || n, w);
		PERFORM apikeys.purge_audit_logs('2000-01-01', w);
	END IF;
END $$;
SELECT pg_temp.act(w, n::text || c) FROM generate_series(1, 3) AS n, unnest('{acme,bolt,rival,bolt,acme}'::text[]) WITH ORDINALITY AS o (w, c) \g /dev/null
COMMIT;
-- and so many keys of one team and owner that it matters for a plan
SELECT count(k) FROM unnest('{acme,rival}'::text[]) AS w, generate_series(1, CASE w WHEN 'acme' THEN 1000 ELSE 2000 END) AS i,
	LATERAL apikeys.create_key(w || ' many ' || i, '{data}', w, owner => w || ' owner' || CASE w WHEN 'acme' THEN (i % 5)::text ELSE '' END, team => w || ' team') AS k \g /dev/null
CALL apikeys.sequence_audit_logs();
VACUUM ANALYZE apikeys.key;
SELECT audit_id AS theirs FROM apikeys.audit_logs WHERE workspace = 'rival' AND key_id IS NOT NULL OFFSET 1 LIMIT 1 \gset

-- What an expression reads of our tables and indexes, when it is computed the second time.
CREATE FUNCTION pg_temp.counters() RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_object_agg(c.relname, ARRAY[pg_stat_get_xact_numscans(c.oid), pg_stat_get_xact_tuples_returned(c.oid), pg_stat_get_xact_tuples_fetched(c.oid)])
	FROM pg_class c WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind IN ('r', 'i') $$;
CREATE FUNCTION pg_temp.counted(expression text) RETURNS TABLE (answer text, relation text, read text) LANGUAGE plpgsql AS $$
DECLARE
	before jsonb;
	after jsonb;
BEGIN
	FOR i IN 1 .. 2 LOOP
		before := pg_temp.counters();
		BEGIN
			EXECUTE format('SELECT count(s) FROM (SELECT %s OFFSET 0) AS s', expression) INTO answer;
		EXCEPTION WHEN OTHERS THEN
			answer := SQLSTATE;
		END;
		after := pg_temp.counters();
	END LOOP;
	RETURN QUERY SELECT answer, a.key, (SELECT string_agg((x.value::bigint - y.value::bigint)::text, ' ' ORDER BY x.n)
		FROM jsonb_array_elements_text(a.value) WITH ORDINALITY AS x (value, n)
		JOIN jsonb_array_elements_text(b.value) WITH ORDINALITY AS y (value, n) USING (n))
		FROM jsonb_each(after) AS a JOIN jsonb_each(before) AS b USING (key);
END $$;

-- Expressions with $ for the value of the rival, or that of nobody.
CREATE TEMP TABLE probe (expression text, theirs text, nobodys text);
GRANT SELECT ON probe TO PUBLIC;
INSERT INTO probe VALUES
	('apikeys.key_id($)', 'rival key 13', 'rivak key 13'),
	('apikeys.key_id(''acme key 11'', $)', 'rival', 'rivak'),
	('apikeys.list_keys(search => $)', 'rival key 13', 'rivak key 13'),
	('apikeys.list_keys(team => $, state => ''all'')', 'rival team', 'rivak team'),
	('apikeys.list_keys(owner => $)', 'rival owner', 'rivak owner'),
	('apikeys.list_keys(owner => $, order_by => ''name'')', 'rival owner', 'rivak owner'),
	('apikeys.list_keys(workspace => $)', 'rival', 'rivak'),
	('apikeys.search_audit_logs($)', 'rival actor', 'rivak actor'),
	('apikeys.search_audit_logs(workspace => $)', 'rival', 'rivak'),
	('apikeys.search_audit_logs(teams => ARRAY[$])', 'rival team', 'rivak team'),
	('apikeys.search_audit_logs(actors => ARRAY[$])', 'rival actor', 'rivak actor'),
	('apikeys.search_audit_logs(actors => ARRAY[$], teams => ''{acme team}'', since => ''2000-01-01'')', 'rival actor', 'rivak actor'),
	('apikeys.search_audit_logs(entities => ARRAY[$])', 'Audit Logs', 'APIs'),
	('apikeys.search_audit_logs(entities => ''{Teams}'', actions => ARRAY[$])', 'Create', 'Export'),
	('apikeys.export_audit_logs(actors => ARRAY[$])', 'rival actor', 'rivak actor'),
	('apikeys.audit_filters($)', 'rival', 'rivak'),
	('apikeys.audit_inclusion_proof($)', :'theirs', '1000000'),
	('apikeys.audit_consistency_proof($, 0)', 'rival', 'rivak'),
	('apikeys.audit_checkpoint($)', 'rival', 'rivak'),
	('apikeys.verify_audit_logs($)', 'rival', 'rivak'),
	('apikeys.purge_audit_logs(''2000-01-01'', $)', 'rival', 'rivak'),
	('apikeys.secret_pattern($)', 'rival', 'rivak'),
	('apikeys.create_key(''acme key 11'', ''{data}'', $)', 'rival', 'rivak'),
	('apikeys.update_workspace($)', 'rival', 'rivak'),
	('apikeys.drop_workspace($)', 'rival', 'rivak'),
	('apikeys.remove_team_member(''rival actor'', $)', 'rival', 'rivak'),
	('apikeys.remove_team_member($, ''acme'')', 'rival actor', 'rivak actor'),
	('apikeys.grant_access(''regress_ak_one'', ''view'', $)', 'rival', 'rivak'),
	('apikeys.revoke_access(''regress_ak_one'', ''view'', $)', 'rival', 'rivak'),
	('apikeys.validate_key(''ak_0'', workspace => $)', 'rival', 'rivak'),
	('(SELECT count(*) FROM apikeys.keys WHERE workspace = $)', 'rival', 'rivak'),
	('(SELECT count(*) FROM apikeys.audit_logs WHERE actor = $)', 'rival actor', 'rivak actor'),
	('(SELECT count(*) FROM apikeys.team_members WHERE actor = $)', 'rival actor', 'rivak actor');

CREATE FUNCTION pg_temp.leaks() RETURNS TABLE (expression text, relation text, theirs text, nobodys text) LANGUAGE sql AS $$
	SELECT p.expression, t.relation, t.answer || ': ' || t.read, n.answer || ': ' || n.read
	FROM probe p, LATERAL (SELECT * FROM pg_temp.counted(replace(p.expression, '$', quote_literal(p.theirs))) OFFSET 0) AS t
	JOIN LATERAL (SELECT * FROM pg_temp.counted(replace(p.expression, '$', quote_literal(p.nobodys))) OFFSET 0) AS n USING (relation)
	WHERE (t.answer, t.read) IS DISTINCT FROM (n.answer, n.read)
	ORDER BY 1, 2 $$;
\set ECHO all
SET ROLE regress_ak_one;
SELECT * FROM pg_temp.leaks();
SET ROLE regress_ak_two;
SELECT * FROM pg_temp.leaks();
-- nor is the plan of our own SQL shown, whose estimates are by the statistics of all tenants
CREATE FUNCTION pg_temp.show_plans() RETURNS text LANGUAGE sql AS $$ SELECT left(set_config('debug_print_plan', 'on', true) || set_config('client_min_messages', 'log', true), 0) $$;
SELECT count(*) FROM pg_temp.show_plans() AS s, apikeys.list_keys(team => 'rival team' || s) AS a, apikeys.list_keys(owner => 'rival owner' || s) AS b;
SELECT cardinality(actors) FROM pg_temp.show_plans() AS s, apikeys.audit_filters('acme' || s);
SELECT count(*) FROM pg_temp.show_plans() AS s, apikeys.audit_feed(0, 'acme' || s, max_rows => 0);
SELECT state FROM pg_temp.show_plans() AS s, apikeys.update_key(apikeys.key_id('acme key 11' || s), owner => 'rival owner');
SHOW client_min_messages;
-- who may see all finds it all the same, and what is read is counted
RESET ROLE;
SET client_min_messages = error;
SELECT apikeys.key_id('rival key 13') IS NOT NULL AS found, count(*) FROM apikeys.search_audit_logs(actors => '{rival actor}', entities => '{API Keys}'), apikeys.audit_inclusion_proof(:theirs) AS p WHERE p.workspace = 'rival';
SELECT count(*) > 10 AS counted FROM pg_temp.leaks();

DROP OWNED BY regress_ak_one, regress_ak_two;
DROP ROLE regress_ak_one, regress_ak_two;
