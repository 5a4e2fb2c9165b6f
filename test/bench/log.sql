-- Make :entries entries of the audit log, all by create_key(), in five workspaces, by twenty actors of four teams.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET synchronous_commit = off;
SELECT apikeys.create_workspace('log' || i) FROM generate_series(1, 5) i \g /dev/null
DO $$
BEGIN
	FOR i IN 1..20 LOOP
		PERFORM apikeys.act_as('actor' || i || '@example.com', 'Team ' || i % 4, '192.0.2.' || i);
		PERFORM count(key_id) FROM generate_series(1, current_setting('bench.entries')::integer / 20) n,
			LATERAL apikeys.create_key('Key ' || i || '-' || n, '{data,push}', 'log' || n % 5 + 1);
		COMMIT;
	END LOOP;
END $$;
VACUUM (FREEZE, ANALYZE);
CHECKPOINT;
