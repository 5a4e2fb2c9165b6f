-- psql as a CGI program: status, headers and body for one request.
--
--     HTTP_AUTHORIZATION='Bearer ...' REMOTE_ADDR=192.0.2.7 psql -qAtX -U shop_gateway -d shop -f request.sql
--
-- The secret comes by the environment, since everybody on a machine sees arguments. psql writes it into the statement,
-- which a server that logs statements logs; from psql 16 on, \bind sends it as a parameter instead.

\set ON_ERROR_STOP on
\set authorization ''
\set x_api_key ''
\getenv authorization HTTP_AUTHORIZATION
\getenv x_api_key HTTP_X_API_KEY
\getenv client REMOTE_ADDR

BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
-- In a statement of its own, before those that read.
SELECT v.valid, v.http_status, apikeys.response_headers(v) AS headers
FROM apikeys.authenticate(COALESCE(NULLIF(:'authorization', ''), :'x_api_key'), 'data', :'client') AS v \gset

\echo Status: :http_status
SELECT h.key || ': ' || h.value FROM pg_catalog.jsonb_each_text(:'headers') AS h;
\echo Content-Type: application/json
\echo
\if :valid
SELECT pg_catalog.json_build_object('orders', COALESCE(pg_catalog.json_agg(o ORDER BY o.order_id), '[]'))
FROM (SELECT order_id, item FROM shop.orders) AS o;
\else
SELECT pg_catalog.json_build_object('error', CASE :http_status
	WHEN 401 THEN 'unauthorized' WHEN 403 THEN 'forbidden' ELSE 'too many requests' END);
\endif
COMMIT;
