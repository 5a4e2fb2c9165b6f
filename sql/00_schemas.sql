/*
 * The install script of apikeys is made of the files NN_*.sql, in their order:
 * schemas, tables, row types, triggers, what is there from the start, functions
 * and views by topic, and last the privileges.
 *
 * The extension's own "schema" is pg_catalog and its two schemas are made here,
 * so that CREATE EXTENSION fails, rather than adopts them, when somebody else
 * made schemas of these names before.
 */
\echo Use "CREATE EXTENSION apikeys" to load this file. \quit

/*
 * CREATE EXTENSION puts the schemas of what is required, often public, into the
 * search_path; nothing in them shall be taken for an operator or a function of
 * PostgreSQL.  Views, constraints and indexes are stored as what is found now.
 */
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA apikeys;
COMMENT ON SCHEMA apikeys IS 'API keys: issue, validate, rotate, archive and audit them';
CREATE SCHEMA apikeys_internal;
COMMENT ON SCHEMA apikeys_internal IS 'internal tables, views and functions of the extension apikeys';

/*
 * pgcrypto is a trusted extension: any role with CREATE on the database may
 * have created it, in a schema of its own.  Dropping either would drop apikeys,
 * so both must belong to a superuser or to the owner of the database.
 */
DO $$
DECLARE
	stranger name;
BEGIN
	SELECT	r.rolname INTO stranger
	FROM	pg_extension e
	JOIN	pg_namespace n ON n.oid = e.extnamespace
	JOIN	pg_database d ON d.datname = current_database()
	JOIN	pg_roles r ON r.oid IN (e.extowner, n.nspowner)
	WHERE	e.extname = 'pgcrypto' AND NOT r.rolsuper AND r.oid <> d.datdba AND r.rolname <> 'pg_database_owner'
	LIMIT	1;
	IF FOUND THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('extension "pgcrypto" or its schema belongs to role "%s"', stranger),
			DETAIL = 'Who drops it would drop apikeys and all keys.',
			HINT = 'Have a superuser or the owner of the database create pgcrypto, in a schema such as public.';
	END IF;
END
$$;
