-- 20,000 entries, and the time to take them into the trees: "entries|seconds".
\set ON_ERROR_STOP on
SET client_min_messages = error;
SET synchronous_commit = off;
CREATE TEMP SEQUENCE n;
SELECT count(key_id) FROM generate_series(1, 20000) i, LATERAL apikeys.create_key('Sequenced ' || i || ' ' || clock_timestamp(), '{data}', 'log1') \g /dev/null
SELECT count(*) AS pending, clock_timestamp() AS begun FROM apikeys_internal.audit_pending \gset
CALL apikeys.sequence_audit_logs();
SELECT :pending - count(*), extract(epoch FROM clock_timestamp() - :'begun') FROM apikeys_internal.audit_pending;
