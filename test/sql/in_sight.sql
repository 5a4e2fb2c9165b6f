-- Every view, with every capability in one workspace: no row of another workspace, and none of what belongs to no workspace.
\set ECHO none
\i test/lib/regress.sql

-- something to be seen of two workspaces in every view
SELECT apikeys.create_workspace('acme'), apikeys.create_workspace('rival') \g /dev/null
SELECT k.key AS acme FROM apikeys.create_key('A', '{data}', 'acme') AS k \gset
SELECT k.key AS rival FROM apikeys.create_key('R', '{data}', 'rival') AS k \gset
SELECT k.key AS gone, k.key_id AS gone_id FROM apikeys.create_key('G', '{data}', 'rival') AS k \gset
SELECT (apikeys.archive_key(:'gone_id')).state;
SELECT v.code, count(*) FROM unnest(ARRAY['data', 'push']) AS a, unnest(ARRAY[:'acme', :'rival', :'gone', 'nobody''s']) AS k, apikeys.validate_key(k, a) AS v GROUP BY 1 ORDER BY 1;
SELECT apikeys.register_api('billing');
SELECT count(DISTINCT seen_in) >= 5 AS in_many_views FROM pg_temp.seen_beside('acme') WHERE what = 'rival';

CREATE ROLE regress_ak_validate;
CREATE ROLE regress_ak_view;
CREATE ROLE regress_ak_manage;
CREATE ROLE regress_ak_audit;
CREATE ROLE regress_ak_admin;
SELECT apikeys.grant_access(('regress_ak_' || c)::name, c, 'acme') FROM unnest('{validate,view,manage,audit,admin}'::text[]) AS c \g /dev/null
SET ROLE regress_ak_view;
SELECT * FROM pg_temp.seen_beside('acme');
SELECT count(DISTINCT seen_in) > 0 AS its_own FROM pg_temp.seen_beside('nothing');
SET ROLE regress_ak_manage;
SELECT * FROM pg_temp.seen_beside('acme');
SELECT count(DISTINCT seen_in) > 0 AS its_own FROM pg_temp.seen_beside('nothing');
SET ROLE regress_ak_audit;
SELECT * FROM pg_temp.seen_beside('acme');
SELECT count(DISTINCT seen_in) > 0 AS its_own FROM pg_temp.seen_beside('nothing');
SET ROLE regress_ak_admin;
SELECT * FROM pg_temp.seen_beside('acme');
SELECT count(DISTINCT seen_in) > 0 AS its_own FROM pg_temp.seen_beside('nothing');
SET ROLE regress_ak_validate;
SELECT * FROM pg_temp.seen_beside('acme');
SELECT count(DISTINCT seen_in) AS nothing FROM pg_temp.seen_beside('nothing');
RESET ROLE;

-- the setting bounds those who see everything, too
SELECT apikeys.grant_access('regress_ak_admin', 'admin');
SET ROLE regress_ak_admin;
SELECT count(DISTINCT seen_in) >= 5 AS in_many_views FROM pg_temp.seen_beside('acme') WHERE what = 'rival';
SET apikeys.workspace = 'acme';
SELECT * FROM pg_temp.seen_beside('acme');
SET apikeys.workspace = 'nowhere';
SELECT * FROM pg_temp.seen_beside('acme');
RESET apikeys.workspace;
RESET ROLE;

DROP OWNED BY regress_ak_validate, regress_ak_view, regress_ak_manage, regress_ak_audit, regress_ak_admin;
DROP ROLE regress_ak_validate, regress_ak_view, regress_ak_manage, regress_ak_audit, regress_ak_admin;
