/* From 1.0rc1 to 1.0. */
\echo Use "ALTER EXTENSION apikeys UPDATE" to load this file. \quit

SET LOCAL search_path = pg_catalog, pg_temp;

COMMENT ON COLUMN apikeys.key_usage.valid IS 'how many requests were valid';
COMMENT ON COLUMN apikeys.usage_history.valid IS 'how many requests were valid';
COMMENT ON COLUMN apikeys.usage_daily.valid IS 'how many requests were valid';
COMMENT ON COLUMN apikeys.key_usage.api IS 'the API that they named; NULL: none';
COMMENT ON COLUMN apikeys.usage_history.api IS 'the API that they named; NULL: none';
COMMENT ON COLUMN apikeys.usage_daily.api IS 'the API that they named; NULL: none';
COMMENT ON COLUMN apikeys.denials.api IS 'the API that they named; NULL: none';
COMMENT ON COLUMN apikeys.verdict.valid IS 'whether the request may pass';
COMMENT ON COLUMN apikeys.api.api IS 'the name of the API';
COMMENT ON COLUMN apikeys.apis.api IS 'the name of the API';

SELECT apikeys_internal.finish_update();
