-- create_workspace and update_workspace, the rules for ids, prefixes and limits, and all errors.
\set ECHO none
\i test/lib/regress.sql

SELECT workspace, name, prefix, archive_limit FROM apikeys.workspace;
SELECT apikeys.create_workspace('acme');
SELECT apikeys.create_workspace('rival', 'Rival Inc.', 'rival_live', 3);
SELECT workspace, name, prefix, archive_limit, created_by = session_user AS by_me, updated_at, updated_by FROM apikeys.workspace WHERE workspace <> 'default' ORDER BY 1;
SELECT key ~ '^ak_[0-9A-Za-z]{49}$' AS ak, workspace FROM apikeys.create_key('x', '{data}', 'acme');
SELECT key ~ '^rival_live_[0-9A-Za-z]{49}$' AS rival, workspace FROM apikeys.create_key('x', '{data}', 'rival');

-- one by one; NULL keeps
SELECT apikeys.update_workspace('acme', 'Acme');
SELECT apikeys.update_workspace('acme', prefix => 'acme');
SELECT apikeys.update_workspace('acme', archive_limit => 5);
SELECT apikeys.update_workspace('acme');
SELECT apikeys.update_workspace('acme', 'Acme', 'acme', 5);
SELECT apikeys.update_workspace('acme', NULL, NULL, NULL);
SELECT apikeys.update_workspace('default', 'Everybody', 'all', 1);
SELECT workspace, name, prefix, archive_limit, updated_by = session_user AS by_me FROM apikeys.workspace ORDER BY 1;
SELECT * FROM pg_temp.entries();

-- ids: ^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$, with regard to case
SELECT apikeys.create_workspace(w) FROM unnest(ARRAY['A', '0', 'a.b_c-D', repeat('w', 63), 'Acme', 'DEFAULT', 'a--', '9.']) AS w \g /dev/null
SELECT count(*) FROM pg_temp.entries();
SELECT w, pg_temp.refused(format('SELECT apikeys.create_workspace(%L)', w)) FROM unnest(ARRAY['', ' ', '-a', '.a', '_a', 'a b', 'a/b', 'é', 'aé', E'a\n', E'\x01', 'a:b', '*', 'a''', NULL]) WITH ORDINALITY AS u (w, n) ORDER BY n;
SELECT pg_temp.refused($$SELECT apikeys.create_workspace(repeat('w', 64))$$);
SELECT substr(pg_temp.refused($$SELECT apikeys.create_workspace(repeat('w', 1000000))$$), 1, 120);

-- prefixes: ^[a-z][a-z0-9]*(_[a-z0-9]+)*$, at most 20
SELECT apikeys.update_workspace('acme', prefix => p) FROM unnest(ARRAY['a', 'z9', 'a_1', 'a_b_c', 'x2_y3', repeat('p', 20), 'a_23456789_123456789']) AS p \g /dev/null
SELECT prefix FROM apikeys.workspace WHERE workspace = 'acme';
SELECT key ~ '^a_23456789_123456789_[0-9A-Za-z]{49}$' AS prefix, code FROM apikeys.create_key('long prefix', '{data}', 'acme') AS k, LATERAL (SELECT 1) AS x (code);
SELECT p, pg_temp.refused(format('SELECT apikeys.update_workspace(%L, prefix => %L)', 'acme', p)) FROM unnest(ARRAY['', 'A', 'aB', '1a', '_a', 'a_', 'a__b', 'a-b', 'a b', 'é', 'aé', E'a\n', repeat('p', 21), 'a.b', 'ak_live_']) WITH ORDINALITY AS u (p, n) ORDER BY n;
SELECT pg_temp.refused($$SELECT apikeys.create_workspace('new', prefix => 'X')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_workspace('new', prefix => '')$$);

-- limits
SELECT pg_temp.refused(format('SELECT apikeys.update_workspace(%L, archive_limit => %s)', 'acme', l)) FROM unnest('{-1,1000001,2147483647,-2147483648}'::int[]) AS l;
SELECT pg_temp.refused($$SELECT apikeys.create_workspace('new', archive_limit => -1)$$);
SELECT apikeys.update_workspace('acme', archive_limit => 1000000);
SELECT apikeys.update_workspace('acme', archive_limit => 1);

-- names
SELECT apikeys.update_workspace('acme', repeat('é', 100));
SELECT pg_temp.refused($$SELECT apikeys.update_workspace('acme', repeat('é', 101))$$);
SELECT pg_temp.refused($$SELECT apikeys.update_workspace('acme', E'\x01')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_workspace('acme', E'\t')$$);

-- what there is, and what there is not
SELECT pg_temp.refused($$SELECT apikeys.create_workspace('acme')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_workspace('default', 'x')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_workspace('nowhere', 'x')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_workspace('ACME', 'x')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_workspace('', 'x')$$);
SELECT pg_temp.refused($$SELECT apikeys.update_workspace(NULL, 'x')$$);

-- one workspace's names and keys are not another's
SELECT count(*) FROM unnest('{default,Acme,DEFAULT}'::text[]) AS w, apikeys.create_key('same name', '{data}', w);
SELECT workspace, name FROM apikeys.active_keys WHERE name = 'same name' ORDER BY workspace COLLATE "C";

SELECT pg_temp.wrong();

-- a unique constraint of a user's own, which a trigger meets, is not taken for that of workspaces
CREATE TABLE public.regress_ak_label (label text UNIQUE);
CREATE FUNCTION public.regress_ak_label() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.regress_ak_label VALUES ('the same'); RETURN NULL; END $$;
CREATE TRIGGER label AFTER INSERT ON apikeys.workspace FOR EACH ROW EXECUTE FUNCTION public.regress_ak_label();
SELECT apikeys.create_workspace('label-1');
SELECT pg_temp.refused($$SELECT apikeys.create_workspace('label-2')$$);
DROP TRIGGER label ON apikeys.workspace;
DROP FUNCTION public.regress_ak_label();
DROP TABLE public.regress_ak_label;
