-- Actor, team and client: act_as, the settings, team_member; and who the entries say has acted.
\set ECHO none
\i test/lib/regress.sql

CREATE VIEW pg_temp.last AS SELECT CASE WHEN actor = session_user THEN 'me' ELSE actor END AS actor, team, ip, db_user = session_user AS db_user_is_me, activity FROM apikeys.audit_logs ORDER BY audit_id DESC LIMIT 1;
SELECT apikeys.create_workspace('acme') \g /dev/null

-- without anything: session_user, no team, no address over a Unix socket
SELECT count(*) FROM apikeys.create_key('1', '{data}');
SELECT actor, team, coalesce(ip, inet_client_addr()) IS NOT DISTINCT FROM inet_client_addr() AS ip, db_user_is_me, activity FROM last;

-- act_as: for the transaction
BEGIN;
SELECT apikeys.act_as('ann@example.com', 'Platform', '192.0.2.7');
SELECT count(*) FROM apikeys.create_key('2', '{data}');
TABLE last;
SELECT created_by, team FROM apikeys.active_keys WHERE name = '2';
SELECT apikeys.act_as('bob');
SELECT count(*) FROM apikeys.create_key('3', '{data}');
COMMIT;
SELECT actor, team, activity FROM last;
SELECT created_by, team FROM apikeys.active_keys WHERE name = '3';
SELECT count(*) FROM apikeys.create_key('4', '{data}');
SELECT actor, team, db_user_is_me, activity FROM last;
-- savepoints
BEGIN;
SELECT apikeys.act_as('ann', 'A');
SAVEPOINT s;
SELECT apikeys.act_as('bob', 'B');
ROLLBACK TO s;
SELECT count(*) FROM apikeys.create_key('5', '{data}');
COMMIT;
SELECT actor, team, activity FROM last;
-- IPv6, and IPv4 as it is written
BEGIN;
SELECT apikeys.act_as('ann', client => '2001:DB8::7');
SELECT count(*) FROM apikeys.create_key('6', '{data}');
TABLE last;
SELECT apikeys.act_as('ann', '', '');
SELECT count(*) FROM apikeys.create_key('6b', '{data}');
SELECT actor, team, activity FROM last;
COMMIT;

-- the settings, for a session
SET apikeys.actor = 'carol';
SET apikeys.team = 'Team C';
SET apikeys.client = '198.51.100.1';
SELECT count(*) FROM apikeys.create_key('7', '{data}');
TABLE last;
SELECT created_by, team FROM apikeys.active_keys WHERE name = '7';
-- what a key's team is to be, said, wins; '' is none
SELECT count(*) FROM apikeys.create_key('8', '{data}', team => 'Other');
SELECT count(*) FROM apikeys.create_key('9', '{data}', team => '');
SELECT name, team FROM apikeys.active_keys WHERE name IN ('8', '9') ORDER BY 1;
TABLE last;
-- act_as goes over the settings; what it leaves out is as without a setting
BEGIN;
SELECT apikeys.act_as('dave');
SELECT count(*) FROM apikeys.create_key('10', '{data}');
SELECT actor, team, ip IS NOT DISTINCT FROM inet_client_addr() AS ip FROM last;
ROLLBACK;
-- every kind of change carries them
SELECT key_id FROM apikeys.create_key('11', '{data}') \gset
SELECT updated_by FROM apikeys.update_key(:'key_id', name => '11b');
SELECT count(*) FROM apikeys.regenerate_key(:'key_id', '1 hour');
SELECT regenerated_by FROM apikeys.end_overlap(:'key_id');
SELECT archived_by FROM apikeys.archive_key(:'key_id');
SELECT apikeys.register_api('x'), apikeys.unregister_api('x'), apikeys.update_workspace('acme', 'Acme'), apikeys.add_team_member('x', 'y') \g /dev/null
UPDATE apikeys.key SET team = 'direct' WHERE name = '8';
SELECT DISTINCT actor, team, ip FROM apikeys.audit_logs WHERE audit_id > (SELECT max(audit_id) FROM apikeys.audit_logs WHERE activity ~ '"9"');
RESET apikeys.actor;
RESET apikeys.team;
RESET apikeys.client;

-- team_member: the actor's team in that workspace
SELECT apikeys.add_team_member('ann', 'Platform');
SELECT apikeys.add_team_member('ann', 'Acme team', 'acme');
SELECT apikeys.add_team_member(session_user::text, 'My team');
SELECT count(*) FROM apikeys.create_key('12', '{data}');
SELECT actor, team FROM last;
SET apikeys.actor = 'ann';
SELECT count(*) FROM apikeys.create_key('13', '{data}');
SELECT count(*) FROM apikeys.create_key('14', '{data}', 'acme');
SELECT name, workspace, team, created_by FROM apikeys.active_keys WHERE name IN ('13', '14') ORDER BY 1;
SELECT actor, team, activity FROM apikeys.audit_logs ORDER BY audit_id DESC LIMIT 2;
-- what belongs to no workspace has no team
SELECT apikeys.register_api('billing');
SELECT actor, team, activity FROM last;
-- moving, with a trace; adding to the same team leaves none
SELECT count(*) FROM pg_temp.entries();
SELECT apikeys.add_team_member('ann', 'Data');
SELECT apikeys.add_team_member('ann', 'Data');
SELECT apikeys.remove_team_member('ann', 'acme');
SELECT * FROM pg_temp.entries();
SELECT count(*) FROM apikeys.create_key('15', '{data}');
SELECT actor, team FROM last;
SELECT apikeys.remove_team_member('ann');
SELECT count(*) FROM apikeys.create_key('16', '{data}');
SELECT actor, team FROM last;
RESET apikeys.actor;

-- mistakes
SELECT count(*) FROM pg_temp.entries();
SELECT pg_temp.refused($$SELECT apikeys.act_as(NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.act_as('')$$);
SELECT pg_temp.refused($$SELECT apikeys.act_as(repeat('x', 101))$$);
SELECT pg_temp.refused($$SELECT apikeys.act_as(E'a\nb')$$);
SELECT pg_temp.refused($$SELECT apikeys.act_as('a', repeat('x', 101))$$);
SELECT pg_temp.refused($$SELECT apikeys.act_as('a', E'\x02')$$);
SELECT pg_temp.refused($$SELECT apikeys.act_as('a', 'b', 'nonsense')$$);
SELECT pg_temp.refused($$SELECT apikeys.act_as('a', 'b', '192.0.2.0/24')$$);
SELECT pg_temp.refused($$SELECT apikeys.act_as('a', 'b', repeat('1', 1000000))$$);
SELECT pg_temp.refused($$SELECT apikeys.add_team_member(NULL, 'x')$$);
SELECT pg_temp.refused($$SELECT apikeys.add_team_member('x', NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.add_team_member('', 'x')$$);
SELECT pg_temp.refused($$SELECT apikeys.add_team_member('x', '')$$);
SELECT pg_temp.refused($$SELECT apikeys.add_team_member(repeat('x', 101), 'x')$$);
SELECT pg_temp.refused($$SELECT apikeys.add_team_member('x', E'\r')$$);
SELECT pg_temp.refused($$SELECT apikeys.add_team_member('x', 'x', 'nowhere')$$);
SELECT pg_temp.refused($$SELECT apikeys.remove_team_member('nobody')$$);
SELECT pg_temp.refused($$SELECT apikeys.remove_team_member(NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.remove_team_member('ann', 'nowhere')$$);
-- settings that cannot be an actor, team or address: nothing is done under them, but validation does not care
SET apikeys.actor = E'a\nb';
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}')$$);
SELECT code FROM apikeys.validate_key('x');
SELECT count(*) > 0 AS seen FROM apikeys.active_keys;
RESET apikeys.actor;
SET apikeys.team = E'\x03';
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}')$$);
RESET apikeys.team;
SET apikeys.client = 'nonsense';
SELECT pg_temp.refused($$SELECT apikeys.create_key('bad', '{data}')$$);
SELECT pg_temp.refused($$UPDATE apikeys.key SET team = 'x' WHERE archived_at IS NULL$$);
RESET apikeys.client;
SET apikeys.actor = 'an actor of exactly one hundred characters ..................................................... end';
SELECT length(current_setting('apikeys.actor'));
SELECT count(*) FROM apikeys.create_key('17', '{data}');
RESET apikeys.actor;
SELECT action, activity FROM pg_temp.entries();

-- who changes the own membership acts for the team of before
SET apikeys.actor = 'eve';
SELECT apikeys.add_team_member('eve', 'One') \g /dev/null
SELECT apikeys.add_team_member('eve', 'Two') \g /dev/null
SELECT apikeys.remove_team_member('eve') \g /dev/null
RESET apikeys.actor;
SELECT team, activity FROM apikeys.audit_logs ORDER BY audit_id DESC LIMIT 3;

-- the real database user is recorded, whoever acts; SET ROLE does not change who that is
CREATE ROLE regress_ak_app LOGIN;
SELECT apikeys.grant_access('regress_ak_app', 'manage');
SET ROLE regress_ak_app;
SELECT count(*) FROM apikeys.create_key('18', '{data}');
RESET ROLE;
SELECT actor, db_user_is_me FROM last;
SET SESSION AUTHORIZATION regress_ak_app;
BEGIN;
SELECT apikeys.act_as('ann');
SELECT count(*) FROM apikeys.create_key('19', '{data}');
COMMIT;
SELECT count(*) FROM apikeys.create_key('20', '{data}');
RESET SESSION AUTHORIZATION;
SELECT actor, db_user, activity FROM apikeys.audit_logs ORDER BY audit_id DESC LIMIT 2;

SELECT pg_temp.wrong();
DROP OWNED BY regress_ak_app;
DROP ROLE regress_ak_app;

-- Direct SQL that changes memberships, the actor's own among them: all entries of a statement have the team of before.
BEGIN;
SET LOCAL apikeys.actor = 'erin';
INSERT INTO apikeys.team_member (workspace, actor, team) SELECT 'default', a, 'Crew' FROM unnest('{dora,erin,fred}'::text[]) a;
UPDATE apikeys.team_member SET team = 'Staff' WHERE team = 'Crew';
DELETE FROM apikeys.team_member WHERE team = 'Staff';
SELECT team, activity FROM (SELECT audit_id, team, activity FROM apikeys.audit_logs ORDER BY audit_id DESC LIMIT 9) AS l ORDER BY audit_id;
ROLLBACK;

-- act_as() lasts for a transaction: alone, it warns; not in a block, nor in a function.
SELECT apikeys.act_as('ann');
BEGIN; SELECT apikeys.act_as('ann'); COMMIT;
DO $$ BEGIN PERFORM apikeys.act_as('ann'); PERFORM apikeys.register_api('by-ann'); PERFORM apikeys.unregister_api('by-ann'); END $$;
SELECT actor FROM apikeys.audit_logs WHERE entity = 'APIs' LIMIT 1;
-- Who acts is not for the database's owner to say, nor from where and for which team.
SELECT format('ALTER DATABASE %I SET apikeys.actor = ''boss''', current_database()),
	format('ALTER DATABASE %I SET apikeys.team = ''bosses''', current_database()),
	format('ALTER DATABASE %I SET apikeys.client = ''192.0.2.66''', current_database()) \gexec
\c
SELECT apikeys.register_api('by-boss'), apikeys.unregister_api('by-boss') \g /dev/null
SELECT actor = session_user AS by_me, team, ip IS NOT DISTINCT FROM inet_client_addr() AS from_here FROM apikeys.audit_logs WHERE entity = 'APIs' LIMIT 1;
SHOW apikeys.actor;
SET apikeys.actor = 'ann';
SHOW apikeys.actor;
SELECT format('ALTER DATABASE %I RESET apikeys.actor', current_database()), format('ALTER DATABASE %I RESET apikeys.team', current_database()),
	format('ALTER DATABASE %I RESET apikeys.client', current_database()) \gexec
