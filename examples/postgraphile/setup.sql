-- PostGraphile: the functions that become mutations for operators. Run this file as a superuser, after shop.sql.

CREATE SCHEMA shop_manage;
GRANT USAGE ON SCHEMA shop_manage TO shop_admin;

CREATE FUNCTION shop_manage.create_key(workspace text, name text, apis text[]) RETURNS jsonb LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS
$$
	SELECT jsonb_build_object('key_id', k.key_id, 'name', k.name, 'key', k.key)
	FROM apikeys.create_key($2, $3, workspace => $1) AS k
$$;

CREATE FUNCTION shop_manage.archive_key(key_id uuid) RETURNS jsonb LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS
$$ SELECT jsonb_build_object('key_id', k.key_id, 'state', k.state) FROM apikeys.archive_key($1) AS k $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA shop_manage FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA shop_manage TO shop_admin;
