-- PL/pgSQL: each request is one call of a function, which answers with status, headers and body.
--
--     SELECT * FROM shop.get_orders('Bearer ...', '192.0.2.7');                           -- as shop_gateway
--     SELECT * FROM shop.create_key('ann@example.com', 'acme', 'Mobile app', '{data}');   -- as shop_admin
--
-- Run this file as a superuser, after shop.sql.

GRANT USAGE ON SCHEMA shop TO shop_admin;

-- The statements inside are one after the other: what reads the table comes after authenticate().
CREATE FUNCTION shop.get_orders(credentials text, client text, OUT status integer, OUT headers jsonb, OUT body jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
	verdict apikeys.verdict;
BEGIN
	verdict := apikeys.authenticate(credentials, 'data', client);
	status := verdict.http_status;
	headers := apikeys.response_headers(verdict);
	IF verdict.valid THEN
		SELECT jsonb_build_object('orders', COALESCE(jsonb_agg(o ORDER BY o.order_id), '[]'))
		INTO body FROM (SELECT order_id, item FROM shop.orders) AS o;
	ELSE
		body := jsonb_build_object('error', CASE status
			WHEN 401 THEN 'unauthorized' WHEN 403 THEN 'forbidden' ELSE 'too many requests' END);
	END IF;
END
$$;

-- SQLSTATE to HTTP; of class 22 (a bad value) all are 400. NULL: no mistake of the client's, so raise it again.
CREATE FUNCTION shop.http_status(sqlstate text) RETURNS integer LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS
$$
	SELECT CASE
		WHEN $1 LIKE '22%' OR $1 = '23514' THEN 400
		WHEN $1 = '42501' THEN 403
		WHEN $1 = '42704' THEN 404
		WHEN $1 IN ('23505', '42710', '2BP01', '55000', '40001') THEN 409
	END
$$;

CREATE FUNCTION shop.create_key(actor text, workspace text, name text, apis text[], OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
	state text; message text; hint text; field text;
BEGIN
	PERFORM apikeys.act_as(actor);
	SELECT 201, jsonb_build_object('key_id', k.key_id, 'name', k.name, 'key', k.key) INTO status, body
	FROM apikeys.create_key(create_key.name, create_key.apis, workspace => create_key.workspace) AS k;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, field = COLUMN_NAME;
	status := shop.http_status(state);
	IF status IS NULL THEN
		RAISE;
	END IF;
	body := jsonb_build_object('error', message, 'hint', NULLIF(hint, ''), 'field', NULLIF(field, ''));
END
$$;

CREATE FUNCTION shop.archive_key(actor text, key_id uuid, OUT status integer, OUT body jsonb)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
	state text; message text; hint text; field text;
BEGIN
	PERFORM apikeys.act_as(actor);
	SELECT 200, jsonb_build_object('key_id', k.key_id, 'state', k.state) INTO status, body
	FROM apikeys.archive_key(archive_key.key_id) AS k;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, field = COLUMN_NAME;
	status := shop.http_status(state);
	IF status IS NULL THEN
		RAISE;
	END IF;
	body := jsonb_build_object('error', message, 'hint', NULLIF(hint, ''), 'field', NULLIF(field, ''));
END
$$;

REVOKE EXECUTE ON FUNCTION shop.get_orders(text, text), shop.create_key(text, text, text, text[]), shop.archive_key(text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shop.get_orders(text, text) TO shop_gateway;
GRANT EXECUTE ON FUNCTION shop.create_key(text, text, text, text[]), shop.archive_key(text, uuid) TO shop_admin;
