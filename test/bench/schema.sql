-- The benchmark's own schema: its functions, what it measures, and how.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION apikeys CASCADE;
CREATE SCHEMA bench;

CREATE FUNCTION bench.constant(text) RETURNS boolean LANGUAGE C VOLATILE AS 'apikeys_bench', 'bench_constant';
CREATE FUNCTION bench.mark() RETURNS void LANGUAGE C VOLATILE AS 'apikeys_bench', 'bench_mark';
CREATE FUNCTION bench.make(bigint) RETURNS text LANGUAGE C IMMUTABLE AS 'apikeys_bench', 'bench_make';
CREATE FUNCTION bench.chosen(hash bytea, n bigint) RETURNS bytea LANGUAGE C IMMUTABLE AS 'apikeys_bench', 'bench_chosen';
CREATE FUNCTION bench.secret(integer) RETURNS text LANGUAGE C STABLE AS 'apikeys_bench', 'bench_secret';
CREATE FUNCTION bench.secret_bytes(integer) RETURNS bytea LANGUAGE C STABLE AS 'apikeys_bench', 'bench_secret';

-- One line for each thing to measure: a query, and how many calls are in it.
CREATE TABLE bench.arm (
	arm		text NOT NULL,
	kind	text NOT NULL,
	calls	bigint NOT NULL,
	query	text NOT NULL,
	setting	text,				-- changed to "value" while it runs
	value	text,
	n		integer GENERATED ALWAYS AS IDENTITY
);

-- Runs all arms of a kind in turn, rounds + 1 times, and keeps the microseconds a call of each, its commit included, but for
-- the first time, which warms up.
CREATE UNLOGGED TABLE bench.timing (round integer, arm text, us double precision);
CREATE PROCEDURE bench.measure(kind text, rounds integer) LANGUAGE plpgsql AS $$
DECLARE
	a		record;
	begun	timestamptz;
	before	text;
BEGIN
	FOR r IN 0..rounds LOOP
		FOR a IN SELECT b.* FROM bench.arm b WHERE b.kind = measure.kind ORDER BY b.n LOOP
			IF a.setting IS NOT NULL THEN
				before := current_setting(a.setting);
				PERFORM set_config(a.setting, a.value, false);
				PERFORM apikeys.validate_key('');	-- what a new role may do is found out once
			END IF;
			begun := clock_timestamp();
			EXECUTE a.query;
			COMMIT;
			INSERT INTO bench.timing
			SELECT r, a.arm, extract(epoch FROM clock_timestamp() - begun) * 1e6 / a.calls WHERE r > 0;
			IF a.setting IS NOT NULL THEN
				PERFORM set_config(a.setting, before, false);
			END IF;
		END LOOP;
	END LOOP;
END $$;
