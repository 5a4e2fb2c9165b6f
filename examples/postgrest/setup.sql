-- PostgREST: keys are checked by its pre-request function. Run this file as a superuser, after shop.sql.
--
--     db-schemas = "rest"
--     db-anon-role = "shop_gateway"
--     db-pre-request = "rest_private.check_key"
--
-- Clients send their key in the header X-API-Key, or by Basic: what comes as Bearer is a JWT to PostgREST, which answers 401 by itself.
--
-- Each request is one transaction: READ ONLY for GET, the role set, the headers in the setting request.headers. Then comes
-- the function, in a statement of its own, then what was asked for: row-level security goes by the key.

CREATE ROLE shop_authenticator LOGIN NOINHERIT;       -- as which PostgREST connects
GRANT shop_gateway, shop_admin TO shop_authenticator;

-- Only what is in "rest" can be called from outside.
CREATE SCHEMA rest;
CREATE SCHEMA rest_private;
GRANT USAGE ON SCHEMA rest, rest_private TO shop_gateway, shop_admin;

-- A view with the rights of its caller from PostgreSQL 15 on; a function does on every version.
CREATE FUNCTION rest.orders() RETURNS TABLE (order_id integer, item text) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS
$$ SELECT o.order_id, o.item FROM shop.orders AS o ORDER BY o.order_id $$;

-- The short form: a refused request raises what PostgREST answers with: status, headers and body.
CREATE FUNCTION rest_private.check_key() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
	headers json := current_setting('request.headers', true);
BEGIN
	IF current_user = 'shop_admin' THEN
		RETURN;                                       -- an operator with a JWT; see rest.create_key()
	END IF;
	PERFORM apikeys.require_key(COALESCE(headers ->> 'authorization', headers ->> 'x-api-key'), 'data',
		headers ->> 'x-real-ip');                     -- which your proxy sets, whatever the client sent
END
$$;

-- The long form: valid requests get the headers RateLimit and RateLimit-Policy, too.
CREATE FUNCTION rest_private.check_key_and_tell() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
	headers json := current_setting('request.headers', true);
	verdict apikeys.verdict;
	answer jsonb;
BEGIN
	IF current_user = 'shop_admin' THEN
		RETURN;
	END IF;
	verdict := apikeys.authenticate(COALESCE(headers ->> 'authorization', headers ->> 'x-api-key'), 'data', headers ->> 'x-real-ip');
	answer := apikeys.response_headers(verdict);
	IF NOT verdict.valid THEN
		RAISE SQLSTATE 'PGRST' USING
			MESSAGE = jsonb_build_object('code', verdict.http_status::text, 'details', NULL, 'hint', NULL, 'message',
				CASE verdict.http_status WHEN 401 THEN 'unauthorized' WHEN 403 THEN 'forbidden' ELSE 'too many requests' END),
			DETAIL = jsonb_build_object('status', verdict.http_status, 'headers', answer);
	END IF;
	PERFORM set_config('response.headers',
		(SELECT COALESCE(jsonb_agg(jsonb_build_object(h.key, h.value)), '[]')::text FROM jsonb_each_text(answer) AS h), true);
END
$$;

-- Management, for operators whose JWT has the role shop_admin. PostgREST would answer 400 for all but a few SQLSTATEs.
CREATE FUNCTION rest_private.raise(sqlstate text, message text, hint text, field text) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
	status integer := CASE
		WHEN $1 LIKE '22%' OR $1 = '23514' THEN 400
		WHEN $1 = '42501' THEN 403
		WHEN $1 = '42704' THEN 404
		WHEN $1 IN ('23505', '42710', '2BP01', '55000', '40001') THEN 409
		ELSE 500 END;
BEGIN
	RAISE SQLSTATE 'PGRST' USING
		MESSAGE = jsonb_build_object('code', $1, 'message', CASE WHEN status = 500 THEN 'internal error' ELSE message END,
			'hint', NULLIF(hint, ''), 'details', NULLIF(field, '')),
		DETAIL = jsonb_build_object('status', status, 'headers', jsonb_build_object());
END
$$;

CREATE FUNCTION rest.create_key(workspace text, name text, apis text[]) RETURNS jsonb LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
	state text; message text; hint text; field text;
BEGIN
	PERFORM apikeys.act_as(current_setting('request.jwt.claims', true)::jsonb ->> 'email');
	RETURN (SELECT jsonb_build_object('key_id', k.key_id, 'name', k.name, 'key', k.key)
		FROM apikeys.create_key(create_key.name, create_key.apis, workspace => create_key.workspace) AS k);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, field = COLUMN_NAME;
	PERFORM rest_private.raise(state, message, hint, field);
END
$$;

CREATE FUNCTION rest.archive_key(key_id uuid) RETURNS jsonb LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS
$$
DECLARE
	state text; message text; hint text; field text;
BEGIN
	PERFORM apikeys.act_as(current_setting('request.jwt.claims', true)::jsonb ->> 'email');
	RETURN (SELECT jsonb_build_object('key_id', k.key_id, 'state', k.state) FROM apikeys.archive_key(archive_key.key_id) AS k);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT, field = COLUMN_NAME;
	PERFORM rest_private.raise(state, message, hint, field);
END
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA rest, rest_private FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rest.orders(), rest_private.check_key(), rest_private.check_key_and_tell() TO shop_gateway;
GRANT EXECUTE ON FUNCTION rest.create_key(text, text, text[]), rest.archive_key(uuid), rest_private.check_key(),
	rest_private.check_key_and_tell(), rest_private.raise(text, text, text, text) TO shop_admin;
