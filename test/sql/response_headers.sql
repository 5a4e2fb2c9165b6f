-- The response headers for every code, and the error of require_key() as PostgREST reads it.
\set ECHO none
\i test/lib/regress.sql

CREATE FUNCTION pg_temp.headers(v apikeys.verdict) RETURNS SETOF text LANGUAGE sql AS
$$ SELECT h.key || ': ' || regexp_replace(h.value, 't=\d{2,}', 't=<n>', 'g') FROM jsonb_each_text(apikeys.response_headers(v)) AS h ORDER BY 1 $$;

SELECT key_id, key FROM apikeys.create_key('A', '{data}') \gset
-- VALID, without limits: nothing to tell
SELECT apikeys.response_headers(v) FROM apikeys.validate_key(:'key') AS v;
SELECT apikeys.response_headers(NULL), apikeys.response_headers(ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL));
-- 401: a challenge, without an error where no credentials came
SELECT code, apikeys.response_headers(v) FROM apikeys.validate_key(NULL) AS v;
SELECT code, apikeys.response_headers(v) FROM apikeys.validate_key('ak_' || repeat('0', 49)) AS v;
SELECT code, apikeys.response_headers(v) FROM apikeys.validate_key('nobody''s') AS v;
-- 403
SELECT code, apikeys.response_headers(v) FROM apikeys.validate_key(:'key', 'push') AS v;
SELECT allowed_cidrs FROM apikeys.update_key(:'key_id', allowed_cidrs => '{192.0.2.1}');
SELECT code, apikeys.response_headers(v) FROM apikeys.validate_key(:'key') AS v;
SELECT allowed_cidrs FROM apikeys.update_key(:'key_id', allowed_cidrs => '{}');
-- limits, and 429
SELECT rate_limit FROM apikeys.update_key(:'key_id', rate_limit => 1);
SELECT code, apikeys.response_headers(v) FROM apikeys.validate_key(:'key') AS v;
SELECT code, apikeys.response_headers(v) - '{Retry-After,RateLimit}'::text[] AS headers, apikeys.response_headers(v) ->> 'Retry-After' = v.retry_after::text AS retry_after,
	apikeys.response_headers(v) ->> 'RateLimit' = format('"rate";r=0;t=%s', v.rate_reset) AS ratelimit FROM apikeys.validate_key(:'key') AS v;
UPDATE apikeys.key SET rate_limit = NULL, rate_window = NULL, quota = 9223372036854775807, quota_period = 'total' WHERE key_id = :'key_id';
SELECT code, apikeys.response_headers(v) FROM apikeys.validate_key(:'key') AS v;
UPDATE apikeys.key SET rate_limit = 100, rate_window = '1 hour', quota = 3, quota_period = 'month' WHERE key_id = :'key_id';
SELECT code, h FROM apikeys.validate_key(:'key') AS v, pg_temp.headers(v) AS h;
UPDATE apikeys.key SET quota_period = 'total' WHERE key_id = :'key_id';
-- a total quota never comes back: no Retry-After
SELECT code, h FROM apikeys.validate_key(:'key', cost => 3) AS v, pg_temp.headers(v) AS h;
SELECT code, h FROM apikeys.validate_key(:'key', cost => 3) AS v, pg_temp.headers(v) AS h;
-- the rest of the 401s
UPDATE apikeys.key SET disabled_at = now() WHERE key_id = :'key_id';
SELECT code, apikeys.response_headers(v) FROM apikeys.validate_key(:'key') AS v;
UPDATE apikeys.key SET disabled_at = NULL WHERE key_id = :'key_id';
SELECT expires_at < now() AS past FROM apikeys.update_key(:'key_id', expires_at => now() - interval '1 day');
SELECT code, apikeys.response_headers(v) FROM apikeys.validate_key(:'key') AS v;
SELECT key AS newer FROM apikeys.regenerate_key(:'key_id') \gset
SELECT code, apikeys.response_headers(v) FROM apikeys.validate_key(:'key') AS v;
SELECT state FROM apikeys.archive_key(:'key_id');
SELECT code, apikeys.response_headers(v) FROM apikeys.validate_key(:'key') AS v;

-- any role that may something may call it, and it reads nothing: a verdict of one's own will do
CREATE ROLE regress_ak_headers;
SELECT apikeys.grant_access('regress_ak_headers', 'audit') \g /dev/null
SET ROLE regress_ak_headers;
SELECT apikeys.response_headers('(f,RATE_LIMITED,429,,,,,,,,,7,10,60,0,42,1000,5,86400,)');
RESET ROLE;
DROP OWNED BY regress_ak_headers;
DROP ROLE regress_ak_headers;

-- require_key: "message" and "detail" as PostgREST documents them for the SQLSTATE PGRST
CREATE FUNCTION pg_temp.answer(header text, api text = NULL, client text = NULL, cost integer = 1, OUT id uuid, OUT state text, OUT message jsonb, OUT detail jsonb, OUT hint text) LANGUAGE plpgsql AS
$$
DECLARE
	message_text text; detail_text text;
BEGIN
	id := apikeys.require_key(header, api, client, cost);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message_text = MESSAGE_TEXT, detail_text = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	message := message_text::jsonb;
	detail := detail_text::jsonb;
END
$$;
SELECT key_id AS b_id, key AS b FROM apikeys.create_key('B', '{data}', rate_limit => 1, rate_window => '1 hour', metadata => '{"secret plan": 1}') \gset
SELECT id = :'b_id' AS id, state, message, detail, hint FROM pg_temp.answer('Bearer ' || :'b', 'data', '192.0.2.1');
SELECT * FROM pg_temp.answer('') \gx
SELECT * FROM pg_temp.answer('Digest x="y"') \gx
SELECT * FROM pg_temp.answer('Bearer nobodys') \gx
SELECT * FROM pg_temp.answer(:'newer') \gx
SELECT * FROM pg_temp.answer(:'b', 'push') \gx
SELECT state, message, detail #- '{headers,Retry-After}' #- '{headers,RateLimit}' AS detail, (detail #>> '{headers,Retry-After}')::integer BETWEEN 3590 AND 3600 AS retry_after FROM pg_temp.answer(:'b') \gx
-- the names and types that PostgREST reads, and nothing of the key
SELECT array(SELECT jsonb_object_keys(message) ORDER BY 1) AS message, array(SELECT jsonb_object_keys(detail) ORDER BY 1) AS detail, jsonb_typeof(detail -> 'status') AS status,
	(SELECT array_agg(DISTINCT jsonb_typeof(value)) FROM jsonb_each(detail -> 'headers')) AS headers,
	concat(message, detail) ~ format('%s|%s|secret plan|"B"', :'b', :'b_id') AS tells FROM pg_temp.answer(:'b');

SELECT pg_temp.wrong();
