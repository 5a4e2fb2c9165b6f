-- Attack: the current key. Set one that authenticate() did not find valid, keep one after its transaction, gain rights by one.
-- What it does in ordinary use is in current_key.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; CREATE EXTENSION apikeys CASCADE; RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE ROLE regress_ak_gate;
CREATE ROLE regress_ak_plain;
SELECT apikeys.grant_access('regress_ak_gate', 'validate');
SELECT apikeys.create_workspace('red'), apikeys.create_workspace('blue');
SELECT key AS red, key_id AS red_id FROM apikeys.create_key('Red', '{data,push}', 'red') \gset
SELECT key AS blue, key_id AS blue_id FROM apikeys.create_key('Blue', '{segmentation}', 'blue') \gset

CREATE TABLE public.orders (workspace text, item text);
INSERT INTO public.orders SELECT w, w || i FROM unnest('{red,blue}'::text[]) AS w, generate_series(1, 3) AS i;
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.orders USING (workspace = apikeys.current_workspace());
CREATE POLICY needs_data ON public.orders AS RESTRICTIVE USING (apikeys.current_key_allows('data') OR apikeys.current_key_allows('segmentation'));
GRANT SELECT, INSERT ON public.orders TO regress_ak_gate;

SET ROLE regress_ak_gate;
-- which key the transaction acts for, in the words of this test
CREATE FUNCTION pg_temp.who() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', COALESCE(apikeys.current_workspace(), 'nobody'),
		CASE WHEN apikeys.current_key() IS NOT NULL THEN 'key' END,
		(SELECT string_agg(api, ' ') FROM unnest('{data,segmentation,push}'::text[]) AS api WHERE apikeys.current_key_allows(api))) $$;

-- Savepoints bring back what was before them.
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
SAVEPOINT a;
SELECT code FROM apikeys.authenticate('Bearer ' || :'blue');
SAVEPOINT b;
SELECT code FROM apikeys.authenticate('Bearer nobody');
SELECT pg_temp.who();
ROLLBACK TO b;
SELECT pg_temp.who();
RELEASE b;
SELECT pg_temp.who(), (SELECT string_agg(item, ' ') FROM public.orders);
ROLLBACK TO a;
SELECT pg_temp.who(), (SELECT string_agg(item, ' ') FROM public.orders);
SAVEPOINT c;
SELECT code FROM apikeys.authenticate('Bearer ' || :'blue');
RELEASE c;
SELECT pg_temp.who();
-- an error inside PL/pgSQL is a savepoint, too
CREATE FUNCTION pg_temp.change_and_fail(header text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM apikeys.authenticate(header);
		RAISE EXCEPTION 'no: %', pg_temp.who();
	EXCEPTION WHEN raise_exception THEN
		RETURN SQLERRM || ', then ' || pg_temp.who();
	END;
END $$;
SELECT pg_temp.change_and_fail('Bearer ' || :'red');
SELECT pg_temp.who();
COMMIT;
SELECT pg_temp.who();

-- A procedure's transactions are transactions.
CREATE PROCEDURE pg_temp.two_transactions(header text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM apikeys.authenticate(header);
	RAISE NOTICE 'before COMMIT: %', pg_temp.who();
	COMMIT;
	RAISE NOTICE 'after COMMIT: %', pg_temp.who();
	PERFORM apikeys.authenticate(header);
	ROLLBACK;
	RAISE NOTICE 'after ROLLBACK: %', pg_temp.who();
END $$;
SELECT 'Bearer ' || :'red' AS header \gset
CALL pg_temp.two_transactions(:'header');

-- A cached plan asks anew each time: generic and custom, and across keys.
PREPARE mine AS SELECT string_agg(item, ' ') FROM public.orders;
SET plan_cache_mode = force_generic_plan;
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
EXECUTE mine;
SELECT code FROM apikeys.authenticate('Bearer ' || :'blue');
EXECUTE mine;
SELECT code FROM apikeys.authenticate('Bearer x');
EXECUTE mine;
COMMIT;
EXECUTE mine;
SET plan_cache_mode = force_custom_plan;
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'blue');
EXECUTE mine;
COMMIT;
EXECUTE mine;
RESET plan_cache_mode;
-- in PL/pgSQL, whose plans stay for the session
CREATE FUNCTION pg_temp.items() RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT string_agg(item, ' ') FROM public.orders); END $$;
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
SELECT pg_temp.items();
SELECT code FROM apikeys.authenticate('Bearer ' || :'blue');
SELECT pg_temp.items();
COMMIT;
SELECT pg_temp.items();

-- What is written is bounded, too.
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
INSERT INTO public.orders VALUES ('red', 'red4');
INSERT INTO public.orders VALUES ('blue', 'blue4');
ROLLBACK;

-- Parallel workers see the leader's.
RESET ROLE;
SELECT CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'debug_parallel_query' ELSE 'force_parallel_mode' END AS force \gset
SET ROLE regress_ak_gate;
SELECT set_config(:'force', 'on', false), set_config('parallel_setup_cost', '0', false), set_config('parallel_tuple_cost', '0', false),
	set_config('min_parallel_table_scan_size', '0', false);
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
CREATE FUNCTION pg_temp.is_parallel(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	RETURN plan::text ~ '"Gather"';
END $$;
SELECT pg_temp.is_parallel('SELECT count(*) FROM public.orders WHERE apikeys.current_workspace() = ''red''');
SELECT count(*) FROM public.orders WHERE apikeys.current_workspace() = 'red' AND apikeys.current_key_allows('push') AND apikeys.current_key() IS NOT NULL;
SAVEPOINT a;
SELECT code FROM apikeys.authenticate('Bearer ' || :'blue');
SELECT count(*) FROM public.orders WHERE apikeys.current_workspace() = 'blue' AND apikeys.current_key_allows('segmentation');
ROLLBACK TO a;
SELECT count(*) FROM public.orders WHERE apikeys.current_workspace() = 'red';
COMMIT;
SELECT count(*) FROM public.orders WHERE apikeys.current_workspace() IS NULL;
RESET ROLE;
RESET ALL;
SET ROLE regress_ak_gate;

-- Forgery. What a value looks like is no secret.
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
SELECT replace(current_setting('apikeys.current_key'), :'red_id', :'blue_id') AS forged \gset
COMMIT;
SET apikeys.current_key = 'x';
SET SESSION apikeys.current_key = :'forged';
SET LOCAL apikeys.current_key = :'forged';
SET apikeys.current_key = '';
SET "apikeys.CURRENT_KEY" = :'forged';
SELECT set_config('apikeys.current_key', :'forged', false);
SELECT set_config('apikeys.current_key', :'forged', true);
UPDATE pg_settings SET setting = :'forged' WHERE name = 'apikeys.current_key';
ALTER ROLE regress_ak_gate SET apikeys.current_key = 'x';
SELECT pg_temp.who();
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
SAVEPOINT a;
SELECT set_config('apikeys.current_key', current_setting('apikeys.current_key'), false);
ROLLBACK TO a;
SET apikeys.current_key FROM CURRENT;
ROLLBACK TO a;
CREATE FUNCTION pg_temp.keeps() RETURNS text LANGUAGE sql SET apikeys.current_key FROM CURRENT AS $$ SELECT pg_temp.who() $$;
ROLLBACK TO a;
CREATE FUNCTION pg_temp.brings() RETURNS text LANGUAGE sql SET apikeys.current_key = 'x' AS $$ SELECT pg_temp.who() $$;
ROLLBACK TO a;
ALTER FUNCTION pg_temp.who() SET apikeys.current_key = 'x';
ROLLBACK TO a;
ALTER ROLE regress_ak_gate SET apikeys.current_key FROM CURRENT;
ROLLBACK TO a;
SELECT pg_temp.who();
COMMIT;

-- A superuser's settings do not forge one either: database, role, configuration file, functions.
RESET ROLE;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET apikeys.current_key = ''x''', current_database()); END $$;
ALTER ROLE regress_ak_gate SET apikeys.current_key = 'x';
ALTER SYSTEM SET apikeys.current_key = 'x';
CREATE FUNCTION public.brings() RETURNS text LANGUAGE sql SET apikeys.current_key = 'x' AS $$ SELECT apikeys.current_workspace() $$;

-- Before the library is loaded the setting is anybody's: what was put there is thrown away when it is. (Each connection
-- is a new backend; the library comes with the first call.)
\connect -
SET apikeys.current_key = 'x';
SET client_min_messages = error;
SELECT apikeys.current_key(), apikeys.current_workspace(), apikeys.current_key_allows('data');
SELECT current_setting('apikeys.current_key');
RESET client_min_messages;
\connect -
CREATE FUNCTION public.brings() RETURNS text LANGUAGE plpgsql SET apikeys.current_key = 'x' AS $$ BEGIN RETURN apikeys.current_workspace(); END $$;
GRANT EXECUTE ON FUNCTION public.brings() TO regress_ak_gate;
SET client_min_messages = error;
SET ROLE regress_ak_gate;
SELECT public.brings();
SELECT public.brings();
SELECT apikeys.current_workspace();
RESET ROLE;
DROP FUNCTION public.brings();
\connect -
BEGIN;
SET LOCAL apikeys.current_key = 'x';
SET client_min_messages = error;
SELECT apikeys.current_workspace();
SAVEPOINT a;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
ROLLBACK TO a;
SELECT apikeys.current_workspace();
COMMIT;
SELECT apikeys.current_workspace();
RESET client_min_messages;

-- To forget the key is no forgery; what a pooler says between two clients does so.
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
RESET apikeys.current_key;
SELECT apikeys.current_workspace();
COMMIT;
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
ROLLBACK;
DISCARD ALL;
SELECT apikeys.current_workspace();
-- an open cursor's rest, after the key has changed
BEGIN;
SET LOCAL ROLE regress_ak_gate;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
DECLARE c CURSOR FOR SELECT item FROM public.orders;
FETCH 1 FROM c;
SELECT code FROM apikeys.authenticate('Bearer ' || :'blue', 'data');
FETCH ALL FROM c;
COMMIT;

-- A key widens nothing: who may only validate manages, views and audits nothing, with a valid key, through SECURITY
-- DEFINER functions of its own, or by SET ROLE.
BEGIN;
SET LOCAL ROLE regress_ak_gate;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
SAVEPOINT a;
SELECT apikeys.create_key('More', '{data}', 'red');
ROLLBACK TO a;
SELECT apikeys.regenerate_key(apikeys.current_key());
ROLLBACK TO a;
SELECT apikeys.archive_key(apikeys.current_key());
ROLLBACK TO a;
SELECT apikeys.key_details(apikeys.current_key());
ROLLBACK TO a;
SELECT * FROM apikeys.active_keys;
ROLLBACK TO a;
SELECT * FROM apikeys.audit_logs;
ROLLBACK TO a;
SELECT apikeys.grant_access('regress_ak_gate', 'admin', 'red');
ROLLBACK TO a;
RESET ROLE;
SET LOCAL ROLE regress_ak_plain;
SELECT apikeys.current_key();
ROLLBACK;

-- A role that may only validate in one workspace is not carried into another by the key that somebody else
-- authenticated in the same transaction.
SELECT apikeys.revoke_access('regress_ak_gate', 'validate'), apikeys.grant_access('regress_ak_gate', 'validate', 'blue');
BEGIN;
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
SET LOCAL ROLE regress_ak_gate;
SELECT code FROM apikeys.validate_key(:'red');
SELECT code FROM apikeys.authenticate('Bearer ' || :'red');
SELECT apikeys.current_workspace();
SELECT code FROM apikeys.authenticate('Bearer ' || :'blue');
SELECT apikeys.current_workspace();
COMMIT;

DROP TABLE public.orders;
DROP OWNED BY regress_ak_gate, regress_ak_plain;
DROP ROLE regress_ak_gate, regress_ak_plain;
