-- audit_filters(): the values for the drop-down lists of a log page, for each caller. Each value finds an entry, except actions
-- and entities that have not happened yet.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = warning;
SELECT apikeys.create_workspace('acme'), apikeys.create_workspace('rival') \g /dev/null
BEGIN; SELECT apikeys.act_as('ann', 'Platform') \g /dev/null
SELECT count(*) FROM apikeys.create_key('A', '{data}', 'acme'); COMMIT;
BEGIN; SELECT apikeys.act_as('Émile', 'sales') \g /dev/null
SELECT count(*) FROM apikeys.create_key('B', '{data}', 'acme'); COMMIT;
BEGIN; SELECT apikeys.act_as('bob', 'Rival''s team') \g /dev/null
SELECT count(*) FROM apikeys.create_key('R', '{data}', 'rival'); COMMIT;
CREATE FUNCTION pg_temp.but_us(text[]) RETURNS text[] LANGUAGE sql AS $$ SELECT array_remove($1, session_user::text) $$;

SELECT teams, actions, pg_temp.but_us(actors) AS actors, entities FROM apikeys.audit_filters();
SELECT teams, pg_temp.but_us(actors) AS actors FROM apikeys.audit_filters('acme');
SELECT teams, pg_temp.but_us(actors) AS actors FROM apikeys.audit_filters(NULL);
-- they are those of the log, and work as filters
SELECT f.teams = (SELECT array_agg(DISTINCT team COLLATE "C") FROM apikeys.audit_logs WHERE team IS NOT NULL) AS teams,
	f.actors = (SELECT array_agg(DISTINCT actor COLLATE "C") FROM apikeys.audit_logs) AS actors FROM apikeys.audit_filters() AS f;
SELECT t AS finds_nothing FROM apikeys.audit_filters() AS f, unnest(f.teams) AS t WHERE NOT EXISTS (SELECT FROM apikeys.search_audit_logs(teams => ARRAY[t]));
SELECT count(*) > 0 AS some FROM apikeys.audit_filters() AS f, LATERAL apikeys.search_audit_logs(teams => f.teams, actions => f.actions, actors => f.actors, entities => f.entities);
CREATE ROLE regress_ak_auditor;
SELECT apikeys.grant_access('regress_ak_auditor', 'audit', 'acme') \g /dev/null
SET ROLE regress_ak_auditor;
SELECT teams, pg_temp.but_us(actors) AS actors FROM apikeys.audit_filters();
SELECT pg_temp.refused($$SELECT apikeys.audit_filters('rival')$$);
RESET ROLE;
SET apikeys.workspace = 'rival';
SELECT teams, pg_temp.but_us(actors) AS actors FROM apikeys.audit_filters();
RESET apikeys.workspace;
-- in the whole log a value costs a look-up, however many entries there are
SELECT count(*) FROM (SELECT count(apikeys.update_key(apikeys.key_id('A', 'acme'), team => 't' || i % 2)) FROM generate_series(1, 500) AS i) AS changes;
SELECT cardinality(actors) FROM apikeys.audit_filters();
BEGIN;
CREATE FUNCTION pg_temp.read() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(pg_stat_get_xact_tuples_fetched(i) + pg_stat_get_xact_tuples_returned(i))::bigint FROM unnest(ARRAY['apikeys.audit_log'::regclass, 'apikeys.audit_log_team'::regclass, 'apikeys.audit_log_actor'::regclass]) AS i $$;
SELECT pg_temp.read() AS before \gset
SELECT cardinality(actors) FROM apikeys.audit_filters();
SELECT pg_temp.read() - :before < 100 AS few;
SELECT count(*) > 500 AS many FROM apikeys.search_audit_logs(max_rows => 1000);
COMMIT;
-- and NULL is the default of max_rows, 50
SELECT (SELECT count(*) FROM apikeys.search_audit_logs(max_rows => NULL)) AS null_rows, (SELECT count(*) FROM apikeys.search_audit_logs()) AS default_rows, (SELECT count(*) FROM apikeys.search_audit_logs(max_rows => 0)) AS no_rows;
DROP OWNED BY regress_ak_auditor;
DROP ROLE regress_ak_auditor;
