-- search_audit_logs: every filter compared with an oracle, pages, what each role sees, bad input.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;
SET TimeZone = 'UTC'; SET DateStyle = 'ISO';

-- Written by the extension itself.
SELECT apikeys.create_workspace('acme');
BEGIN;
SELECT apikeys.act_as('Ann Ö. O''Hara', 'Büro 100%', '192.0.2.17');
SELECT name FROM apikeys.create_key('Mobile_App', '{data}');
SELECT name FROM apikeys.create_key('Büro', '{data}', 'acme');
COMMIT;
BEGIN;
SELECT apikeys.act_as('bob', NULL, '2001:db8::1:7');
SELECT name FROM apikeys.update_key(apikeys.key_id('Mobile_App'), name => 'Mobile "App"');
SELECT state FROM apikeys.archive_key(apikeys.key_id('Mobile "App"'));
SELECT apikeys.register_api('bills');
COMMIT;
\x
SELECT "time" BETWEEN now() - interval '1 hour' AND now() + interval '1 hour' AS "time", team, entity, activity, action, actor, ip, workspace,
	key_id IS NOT NULL AS key_id, key_name, changes -> 'archived_at' ->> 'old' AS changes, db_user = session_user AS db_user, audit_id
FROM apikeys.search_audit_logs(max_rows => 2) WHERE entity = 'API Keys';
\x
SELECT audit_id, activity FROM apikeys.search_audit_logs();
SELECT (SELECT array_agg(s) FROM apikeys.search_audit_logs() s) = (SELECT array_agg(l) FROM apikeys.audit_logs l) AS "as the view";

-- Substrings: in every column, in any case, nothing is a wildcard.
CREATE FUNCTION pg_temp.found(search text) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(audit_id::text, ' ') FROM apikeys.search_audit_logs(search) $$;
SELECT s AS search, pg_temp.found(s) AS found
FROM unnest('{ann ö,BÜRO,büro 100%,%,_,\\,mobile_,"o''hara",192.0.2,192.0.2.17/32,2001:DB8,api keys,Keys,delete,"\"app\"",bob,nobody,"a,b",","}'::text[]) AS s;
SELECT pg_temp.found('') = pg_temp.found(NULL) AS "empty finds all";
SELECT pg_temp.found(to_char(now(), 'YYYY-MM-DD')) = pg_temp.found(NULL) AS date,
	pg_temp.found("time"::text) ~ '^6( |$)' AS "time", pg_temp.found(replace("time"::text, ' ', 'T')) ~ '^6( |$)' AS "with T",
	pg_temp.found(replace(replace("time"::text, ' ', 't'), '+00', 'z')) ~ '^6( |$)' AS "with T and Z"
FROM apikeys.audit_logs WHERE audit_id = 6;
SELECT pg_temp.found('t1'), pg_temp.found('zz');
-- The same whatever the session's time looks like.
SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'SQL, DMY';
SELECT pg_temp.found(to_char("time" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')) IS NOT NULL AS "in UTC" FROM apikeys.audit_logs WHERE audit_id = 1;
SET TimeZone = 'UTC'; SET DateStyle = 'ISO';

-- Bad input.
\set VERBOSITY sqlstate
SELECT FROM apikeys.search_audit_logs(since => '2026-01-02', until => '2026-01-01');
SELECT FROM apikeys.search_audit_logs(max_rows => -1);
SELECT FROM apikeys.search_audit_logs(before_id => 0);
SELECT FROM apikeys.search_audit_logs(before_id => -1);
SELECT FROM apikeys.search_audit_logs(actions => '{Create,Destroy}');
SELECT FROM apikeys.search_audit_logs(entities => '{Keys}');
SELECT FROM apikeys.search_audit_logs(teams => ARRAY['x', NULL]);
SELECT FROM apikeys.search_audit_logs(workspace => 'nowhere');
SELECT FROM apikeys.export_audit_logs(since => '2026-01-02', until => '2026-01-01');
SELECT FROM apikeys.export_audit_logs(workspace => 'nowhere');
SELECT FROM apikeys.export_audit_logs(actions => '{Destroy}');
\set VERBOSITY default
SELECT FROM apikeys.search_audit_logs(actions => '{create}');
SELECT FROM apikeys.search_audit_logs(max_rows => -1);
SELECT FROM apikeys.search_audit_logs(before_id => -1);
-- Nothing, and nothing wrong with it.
SELECT count(*) FROM apikeys.search_audit_logs(max_rows => 0);
SELECT count(*) FROM apikeys.search_audit_logs(before_id => 1);
SELECT count(*) FROM apikeys.search_audit_logs(actions => '{}');
SELECT count(*) FROM apikeys.search_audit_logs(since => '2026-01-01', until => '2026-01-01');
SELECT count(*) FROM apikeys.search_audit_logs(since => 'infinity');
SELECT count(*) FROM apikeys.search_audit_logs(until => '-infinity');
SELECT count(*) FROM apikeys.search_audit_logs(key_id => '00000000-0000-0000-0000-000000000000');
SELECT count(*) FROM apikeys.search_audit_logs(since => '-infinity', until => 'infinity', before_id => 9223372036854775807, max_rows => 2147483647);
-- No more than asked for, in a select list, too; and an abandoned one leaves nothing open.
SELECT (s).audit_id FROM (SELECT apikeys.search_audit_logs(max_rows => 2147483647) AS s LIMIT 2) AS x;
BEGIN;
DECLARE c CURSOR FOR SELECT (apikeys.search_audit_logs(max_rows => 2147483647)).audit_id;
FETCH 2 FROM c;
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
FETCH 1 FROM c;
CLOSE c;
COMMIT;

-- What a role sees.
CREATE ROLE regress_ak_auditor;
CREATE ROLE regress_ak_acme;
CREATE ROLE regress_ak_viewer;
SELECT apikeys.grant_access('regress_ak_auditor', 'audit');
SELECT apikeys.grant_access('regress_ak_acme', 'audit', 'acme');
SELECT apikeys.grant_access('regress_ak_viewer', 'view');
SET ROLE regress_ak_auditor;
SELECT count(*) FROM apikeys.search_audit_logs(entities => '{APIs}');
SELECT activity FROM apikeys.search_audit_logs('büro', 'acme');
SET apikeys.workspace = 'acme';
SELECT activity FROM apikeys.search_audit_logs();
SELECT count(*) FROM apikeys.export_audit_logs();
SELECT activity FROM apikeys.search_audit_logs(workspace => 'default');
RESET apikeys.workspace;
SET ROLE regress_ak_acme;
SELECT activity FROM apikeys.search_audit_logs();
SELECT count(*) FROM apikeys.export_audit_logs('mobile');
SELECT activity FROM apikeys.search_audit_logs(workspace => 'default');
SELECT apikeys.export_audit_logs(workspace => 'default');
SET ROLE regress_ak_viewer;
SELECT activity FROM apikeys.search_audit_logs();
SELECT apikeys.export_audit_logs();
RESET ROLE;
DROP OWNED BY regress_ak_auditor, regress_ak_acme, regress_ak_viewer;
DROP ROLE regress_ak_auditor, regress_ak_acme, regress_ak_viewer;

-- Many entries, in several buckets of time, made by one who got past the triggers: the clock goes wrong now and then,
-- numbers are missing, some texts are long, one entry was altered in a way that moves it in the indexes.
ALTER TABLE apikeys.audit_log DISABLE TRIGGER guard;
SELECT setseed(0.5);
INSERT INTO apikeys.audit_log (audit_id, "time", workspace, team, entity, action, activity, actor, ip, subject, key_id, db_user, digest)
SELECT 100 + i * 11,
	'2026-01-01'::timestamptz + i * interval '1 minute' + CASE WHEN random() < 0.02 THEN (random() - 0.5) * interval '2 days' ELSE '0' END,
	CASE WHEN random() < 0.9 THEN (ARRAY['default', 'acme'])[1 + (i % 3) / 2] END,
	CASE WHEN random() < 0.8 THEN 'Team ' || floor(random() * 5) END,
	(ARRAY['API Keys', 'API Keys', 'API Keys', 'API Keys', 'APIs', 'Workspaces', 'Access', 'Teams', 'Audit Logs'])[1 + floor(random() * 9)],
	(ARRAY['Create', 'Update', 'Update', 'Update', 'Delete', 'Export'])[1 + floor(random() * 6)],
	CASE WHEN random() < 0.01 THEN repeat('long ', 1000) ELSE 'Did "' || i || '"' END,
	CASE WHEN i < 500 THEN 'old hand' ELSE 'Actor' || floor(random() * random() * 100) END,
	CASE WHEN random() < 0.5 THEN '192.0.2.0'::inet + floor(random() * 256)::integer END, '{}',
	CASE WHEN random() < 0.5 THEN ('00000000-0000-0000-0000-0000000000' || to_char(floor(random() * 90) + 10, 'FM00'))::uuid END,
	'nobody', '\x00'
FROM generate_series(1, 5000) AS i;
UPDATE apikeys.audit_log SET actor = 'moved', team = 'moved' WHERE audit_id = 100 + 300 * 11;
ALTER TABLE apikeys.audit_log ENABLE TRIGGER guard;

-- Pages of the search, one after the other, against what a plain statement finds.
CREATE PROCEDURE pg_temp.compare(rounds integer) LANGUAGE plpgsql AS $$
DECLARE
	s text; w text; t text[]; ac text[]; ar text[]; si timestamptz; un timestamptz; e text[]; k uuid;
	page integer;
	last bigint;
	got bigint[];
	more bigint[];
	expected bigint[];
	total bigint = 0;
BEGIN
	FOR round IN 1..rounds LOOP
		s := CASE WHEN random() < 0.2 THEN (ARRAY['did "1', 'LONG', '01-02 0', '192.0.2.1', 'TEAM 3', 'actor1', '%', 'xyz', '02T03:0', 'upd'])[1 + floor(random() * 10)] END;
		w := CASE WHEN random() < 0.3 THEN (ARRAY['default', 'acme'])[1 + floor(random() * 2)] END;
		t := CASE WHEN random() < 0.3 THEN ARRAY(SELECT 'Team ' || n FROM generate_series(0, 6) n WHERE random() < 0.4) || ARRAY['Team 1', 'Team 1'] END;
		ac := CASE WHEN random() < 0.3 THEN ARRAY(SELECT n FROM unnest('{Create,Update,Delete,Export}'::text[]) n WHERE random() < 0.5) END;
		ar := CASE WHEN random() < 0.2 THEN ARRAY(SELECT 'Actor' || n FROM generate_series(0, 100) n WHERE random() < 0.9)
			WHEN random() < 0.3 THEN ARRAY(SELECT (ARRAY['Actor0', 'Actor3', 'Actor77', 'old hand', 'moved'])[1 + floor(random() * 5)] FROM generate_series(1, 2)) END;
		si := CASE WHEN random() < 0.3 THEN '2026-01-01'::timestamptz + random() * interval '5000 minutes' END;
		un := CASE WHEN random() < 0.3 THEN coalesce(si, '2026-01-01') + random() * interval '2000 minutes' END;
		e := CASE WHEN random() < 0.3 THEN ARRAY(SELECT n FROM unnest('{API Keys,APIs,Workspaces,Access,Teams,Audit Logs}'::text[]) n WHERE random() < 0.4) END;
		k := CASE WHEN random() < 0.1 THEN '00000000-0000-0000-0000-000000000042'::uuid END;
		page := 1 + floor(random() * random() * 2000);

		got := '{}';
		last := CASE WHEN random() < 0.5 THEN 500000 END;
		LOOP
			more := ARRAY(SELECT audit_id FROM apikeys.search_audit_logs(s, w, t, ac, ar, si, un, e, k, page, last));
			got := got || more;
			EXIT WHEN cardinality(more) < page;
			last := more[page];
		END LOOP;
		expected := ARRAY(SELECT audit_id FROM apikeys.audit_log l
			WHERE (w IS NULL OR l.workspace = w) AND (t IS NULL OR l.team = ANY (t)) AND (ac IS NULL OR l.action = ANY (ac))
			AND (ar IS NULL OR l.actor = ANY (ar)) AND (e IS NULL OR l.entity = ANY (e)) AND (k IS NULL OR l.key_id = k)
			AND (si IS NULL OR l."time" >= si) AND (un IS NULL OR l."time" < un)
			AND (s IS NULL OR position(lower(s) IN lower(concat_ws(E'\n', l.team, l.entity, l.activity, l.action, l.actor, host(l.ip)))) > 0
				OR position(replace(s, 'T', ' ') IN l."time"::text) > 0)
			ORDER BY audit_id DESC);
		IF got <> expected THEN
			RAISE EXCEPTION 'search %, workspace %, teams %, actions %, actors %, since %, until %, entities %, key %: % instead of %',
				s, w, t, ac, ar, si, un, e, k, got, expected;
		END IF;
		total := total + cardinality(got);
	END LOOP;
	IF total < rounds THEN
		RAISE EXCEPTION 'only % entries found', total;
	END IF;
END $$;
CALL pg_temp.compare(300);

SET client_min_messages = warning; DROP EXTENSION apikeys CASCADE; RESET client_min_messages;
