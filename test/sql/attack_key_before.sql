-- Attack: in a transaction that has a current key, authenticate another key in the statement that reads a table. With every
-- plan, the table's policies never use the previous key.
\set ECHO none
\i test/lib/regress.sql
\set ECHO all
CREATE ROLE regress_ak_gate;
SELECT FROM apikeys.grant_access('regress_ak_gate', 'validate');
SELECT FROM apikeys.create_workspace('red') r, apikeys.create_workspace('blue') b;
SELECT 'Bearer ' || key AS red FROM apikeys.create_key('Red', '{data}', 'red') \gset
SELECT 'Bearer ' || key AS blue FROM apikeys.create_key('Blue', '{data}', 'blue') \gset
CREATE TABLE public.orders (workspace text, item text);
CREATE TABLE public.invoices (LIKE public.orders);
INSERT INTO public.orders SELECT w, w || i FROM unnest('{red,blue}'::text[]) AS w, generate_series(1, 3) AS i;
INSERT INTO public.invoices SELECT * FROM public.orders;
CREATE INDEX ON public.orders (workspace);
ANALYZE public.orders, public.invoices;
ALTER TABLE public.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.invoices ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON public.orders USING (workspace = apikeys.current_workspace() AND apikeys.current_key_allows('data'));
-- once for a statement, as an InitPlan
CREATE POLICY tenant ON public.invoices USING (workspace = (SELECT w.workspace FROM apikeys.current_workspace() AS w (workspace) WHERE (SELECT apikeys.current_key()) IS NOT NULL));
GRANT ALL ON public.orders, public.invoices TO regress_ak_gate;
SET ROLE regress_ak_gate;

-- Runs a statement with $1, the header, in a transaction that acts for red; says when it saw what is red's, or
-- red still acts after it; then the same for a header that is nobody's.
CREATE FUNCTION pg_temp.under_red(statement text, red text, blue text, generic boolean = true, times integer = 1) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	header text;
	seen text;
	code text;
BEGIN
	EXECUTE format('PREPARE statement (text) AS SELECT string_agg(DISTINCT s.workspace, '' '' ORDER BY s.workspace) FROM (%s) AS s', statement);
	PERFORM set_config('plan_cache_mode', CASE WHEN generic THEN 'force_generic_plan' ELSE 'force_custom_plan' END, true);
	FOREACH header IN ARRAY ARRAY[blue, 'Bearer nobody'] LOOP
		FOR i IN 1 .. times LOOP
			PERFORM a.valid FROM apikeys.authenticate(red) a;
			IF apikeys.current_workspace() IS DISTINCT FROM 'red' THEN
				RETURN NEXT 'not red';
			END IF;
			EXECUTE format('EXECUTE statement (%L)', header) INTO seen;
			IF seen ~ 'red' THEN
				RETURN NEXT 'IT SAW ' || seen;
			END IF;
		END LOOP;
		-- whether it saw what is blue's, and whether the call was made at all, depends on the plan
		RETURN NEXT CASE WHEN apikeys.current_workspace() IN ('blue') OR apikeys.current_key() IS NULL THEN 'never red' ELSE 'RED STILL ACTS' END;
	END LOOP;
	DEALLOCATE statement;
END $$;

SET enable_material = off;
SET join_collapse_limit = 1;
SET from_collapse_limit = 1;
CREATE TABLE pg_temp.settings AS SELECT * FROM (VALUES
	('nestloop', '{hashjoin,mergejoin}'::text[]), ('hashjoin', '{nestloop,mergejoin}'), ('mergejoin', '{nestloop,hashjoin}')) AS v (method, off);
CREATE FUNCTION pg_temp.every_way(statement text, red text, blue text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	s record;
	seqscan text;
	result text[] = '{}';
BEGIN
	FOR s IN SELECT * FROM settings LOOP
		PERFORM set_config('enable_' || m, CASE WHEN m = ANY (s.off) THEN 'off' ELSE 'on' END, true) FROM unnest('{nestloop,hashjoin,mergejoin}'::text[]) m;
		FOREACH seqscan IN ARRAY '{on,off}'::text[] LOOP
			PERFORM set_config('enable_seqscan', seqscan, true);
			result := result || ARRAY(SELECT pg_temp.under_red(statement, red, blue, true)) || ARRAY(SELECT pg_temp.under_red(statement, red, blue, false));
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT DISTINCT r FROM unnest(result) r ORDER BY r;
END $$;

-- the call outside and inside of a nested loop, joined, and cross joined
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM apikeys.authenticate($1) a, public.orders o', :'red', :'blue');
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM public.orders o CROSS JOIN apikeys.authenticate($1) a', :'red', :'blue');
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM public.orders o JOIN apikeys.authenticate($1) a ON true JOIN public.invoices i ON i.item = o.item', :'red', :'blue');
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM public.orders o JOIN apikeys.authenticate($1) a USING (workspace)', :'red', :'blue');
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM apikeys.authenticate($1) a JOIN public.orders o USING (workspace)', :'red', :'blue');
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM apikeys.authenticate($1) a LEFT JOIN public.invoices o USING (workspace)', :'red', :'blue');
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM public.invoices o FULL JOIN apikeys.authenticate($1) a USING (workspace)', :'red', :'blue');
-- in the list, in a condition, in sub-selects of all kinds, beside the table in a set operation
SELECT * FROM pg_temp.every_way('SELECT o.workspace, apikeys.authenticate($1) FROM public.orders o', :'red', :'blue');
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM public.orders o WHERE (apikeys.authenticate($1)).valid', :'red', :'blue');
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM public.orders o WHERE (SELECT a.valid FROM apikeys.authenticate($1) a)', :'red', :'blue');
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM public.invoices o WHERE (SELECT a.valid FROM apikeys.authenticate($1) a)', :'red', :'blue');
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM public.orders o WHERE EXISTS (SELECT FROM apikeys.authenticate($1) a WHERE a.valid OR o.item IS NULL)', :'red', :'blue');
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM public.orders o UNION ALL SELECT a.workspace FROM apikeys.authenticate($1) a', :'red', :'blue');
SELECT * FROM pg_temp.every_way('WITH a AS MATERIALIZED (SELECT * FROM apikeys.authenticate($1)) SELECT o.workspace FROM public.invoices o, a', :'red', :'blue');
SELECT * FROM pg_temp.every_way('WITH o AS MATERIALIZED (SELECT * FROM public.invoices) SELECT o.workspace FROM o, apikeys.authenticate($1) a', :'red', :'blue');
-- several calls: the last one counts, and none of them brings back what was before
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM public.orders o, apikeys.authenticate($1) a, public.invoices i, apikeys.authenticate($1) b', :'red', :'blue');
-- where it is never called, nobody acts
SELECT * FROM pg_temp.every_way('SELECT o.workspace FROM public.orders o WHERE o.item IS NULL OR CASE WHEN o.item IS NULL THEN (apikeys.authenticate($1)).valid ELSE true END', :'red', :'blue');
-- require_key, which says NOT_FOUND by an error, is the same
CREATE FUNCTION pg_temp.required(statement text, red text, blue text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	s record;
	header text;
	seen text;
BEGIN
	FOR s IN SELECT * FROM settings LOOP
		PERFORM set_config('enable_' || m, CASE WHEN m = ANY (s.off) THEN 'off' ELSE 'on' END, true) FROM unnest('{nestloop,hashjoin,mergejoin}'::text[]) m;
		FOREACH header IN ARRAY ARRAY[blue, 'Bearer nobody'] LOOP
			PERFORM a.valid FROM apikeys.authenticate(red) a;
			seen := NULL;
			BEGIN
				EXECUTE format('SELECT string_agg(DISTINCT s.workspace, '' '') FROM (%s) AS s', statement) INTO seen USING header;
				RETURN NEXT concat_ws(' ', CASE WHEN seen ~ 'red' THEN 'IT SAW RED' END, 'acts:', apikeys.current_workspace());
			EXCEPTION WHEN sqlstate 'PGRST' THEN
				RETURN NEXT 'refused';
			END;
		END LOOP;
	END LOOP;
END $$;
SELECT DISTINCT r FROM unnest(ARRAY['SELECT o.workspace FROM public.orders o CROSS JOIN apikeys.require_key($1) k', 'SELECT o.workspace FROM apikeys.require_key($1) k, public.orders o',
	'SELECT o.workspace FROM public.invoices o WHERE (SELECT apikeys.require_key($1)) IS NOT NULL', 'SELECT o.workspace, apikeys.require_key($1) FROM public.orders o']) AS statement,
	LATERAL pg_temp.required(statement, :'red', :'blue') AS r ORDER BY r;
RESET enable_material;
RESET join_collapse_limit;
RESET from_collapse_limit;

-- Kept plans of PL/pgSQL; DML; a cursor.
CREATE FUNCTION pg_temp.kept(red text, blue text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	n integer;
	c CURSOR FOR SELECT o.workspace FROM public.orders o, apikeys.authenticate(blue) a;
	r record;
BEGIN
	FOR i IN 1 .. 8 LOOP
		PERFORM a.valid FROM apikeys.authenticate(red) a;
		SELECT count(*) FILTER (WHERE o.workspace = 'red') INTO n FROM public.orders o CROSS JOIN apikeys.authenticate(blue) a;
		IF n > 0 THEN
			RETURN NEXT 'SELECT saw red';
		END IF;
		PERFORM a.valid FROM apikeys.authenticate(red) a;
		UPDATE public.orders o SET item = o.item FROM apikeys.authenticate(blue) a WHERE o.workspace = 'red';
		IF FOUND THEN
			RETURN NEXT 'UPDATE saw red';
		END IF;
		PERFORM a.valid FROM apikeys.authenticate(red) a;
		FOR r IN c LOOP
			IF r.workspace = 'red' THEN
				RETURN NEXT 'a cursor saw red';
			END IF;
		END LOOP;
	END LOOP;
	RETURN NEXT 'done';
END $$;
SELECT * FROM pg_temp.kept(:'red', :'blue');

-- Statement by statement, as it is meant; a savepoint brings back what the statement forgot; EXPLAIN forgets, too.
BEGIN;
SELECT code FROM apikeys.authenticate(:'red');
SELECT DISTINCT workspace FROM public.orders;
SAVEPOINT s;
SELECT DISTINCT workspace FROM public.orders o WHERE o.item < 'c' OR (apikeys.authenticate('nobody')).valid;
SELECT apikeys.current_workspace();
ROLLBACK TO s;
SELECT apikeys.current_workspace();
SELECT DISTINCT workspace FROM public.invoices;
SELECT code FROM apikeys.authenticate(:'blue');
SELECT DISTINCT workspace FROM public.invoices;
SELECT code FROM apikeys.validate_key('x');
SELECT apikeys.current_workspace();
EXPLAIN (COSTS OFF) SELECT code FROM apikeys.authenticate('x');
SELECT apikeys.current_workspace();
COMMIT;

RESET ROLE;
DROP TABLE public.orders, public.invoices;
DROP OWNED BY regress_ak_gate;
DROP ROLE regress_ak_gate;
