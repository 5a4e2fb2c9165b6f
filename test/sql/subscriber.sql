-- A subscription that brings keys stops management, but only if its owner may write to our tables.
\set ECHO none
\i test/lib/regress.sql
SET client_min_messages = error;
CREATE ROLE regress_ak_subscriber;
CREATE SUBSCRIPTION regress_ak CONNECTION 'dbname=nowhere' PUBLICATION nothing WITH (connect = false, slot_name = NONE);
-- as a REFRESH would
SET allow_system_table_mods = on;
INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) SELECT oid, 'apikeys.key'::regclass, 'r' FROM pg_subscription WHERE subname = 'regress_ak';
SELECT name FROM apikeys.create_key('superuser''s', '{data}');
-- from PostgreSQL 16 on, with pg_create_subscription
UPDATE pg_subscription SET subowner = 'regress_ak_subscriber'::regrole WHERE subname = 'regress_ak';
SELECT name FROM apikeys.create_key('nobody''s', '{data}');
ALTER ROLE regress_ak_subscriber SUPERUSER;
SELECT name FROM apikeys.create_key('superuser''s again', '{data}');
ALTER ROLE regress_ak_subscriber NOSUPERUSER;
SELECT name FROM apikeys.create_key('nobody''s again', '{data}');
DROP SUBSCRIPTION regress_ak;
DROP ROLE regress_ak_subscriber;
