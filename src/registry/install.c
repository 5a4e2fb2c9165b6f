/*-------------------------------------------------------------------------
 *
 * install.c
 *	  Two functions for the install script, which creates, calls and drops them.
 *
 * They run as the superuser who creates the extension.  They are in C, so that
 * CREATE EXTENSION needs no procedural language.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"

#include "audit/sealed_row.h"

PG_FUNCTION_INFO_V1(ak_install_check);
PG_FUNCTION_INFO_V1(ak_install_revoke);

/* Runs a query without arguments inside an open SPI connection. */
static void
run(const char *sql)
{
	int rc = SPI_execute(sql, true, 0);

	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(rc));
}

/* Raises 55000 outside of the install script. */
static void
need_installing(void)
{
	if (!ak_installing())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("only CREATE EXTENSION can do this")));
}

/*
 * install_check()
 *
 * pgcrypto is a trusted extension: any role with CREATE on the database may
 * have created it, in a schema of its own.  Dropping either would drop apikeys,
 * so both must belong to a superuser or to the owner of the database.  Raises
 * 42501.
 */
Datum
ak_install_check(PG_FUNCTION_ARGS)
{
	need_installing();
	SPI_connect();
	run("SELECT r.rolname::pg_catalog.text "
		"FROM pg_catalog.pg_extension e, pg_catalog.pg_namespace n, pg_catalog.pg_roles r, pg_catalog.pg_database d "
		"WHERE e.extname OPERATOR(pg_catalog.=) 'pgcrypto' AND n.oid OPERATOR(pg_catalog.=) e.extnamespace "
		"AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() "
		"AND (r.oid OPERATOR(pg_catalog.=) e.extowner OR r.oid OPERATOR(pg_catalog.=) n.nspowner) "
		"AND NOT r.rolsuper AND r.oid OPERATOR(pg_catalog.<>) d.datdba "
		"AND r.rolname OPERATOR(pg_catalog.<>) 'pg_database_owner' LIMIT 1");
	if (SPI_processed > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("extension \"pgcrypto\" or its schema belongs to role \"%s\"",
						SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1)),
				 errdetail("Who drops it would drop apikeys and all keys."),
				 errhint(
					 "Have a superuser or the owner of the database create pgcrypto, in a schema such as public.")));
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * install_revoke()
 *
 * Revokes what default privileges (ALTER DEFAULT PRIVILEGES) granted on the new
 * objects to roles other than their owner, and PUBLIC's privileges on the row
 * types of tables and views: a temporary table with a column of such a type
 * would block ALTER TYPE and DROP EXTENSION.
 *
 * Initial privileges on these types are not recorded: pg_dump would warn of
 * them, since it never dumps such privileges.
 */
Datum
ak_install_revoke(PG_FUNCTION_ARGS)
{
	SPITupleTable *revokes;
	int rc;

	need_installing();
	SPI_connect();
	run("SELECT DISTINCT pg_catalog.format('REVOKE ALL ON %s FROM %s CASCADE', o.object, "
		"CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC' "
		"ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END) "
		"FROM (SELECT CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END "
		"OPERATOR(pg_catalog.||) c.oid::pg_catalog.regclass::pg_catalog.text AS object, c.relacl AS acl, c.relowner AS owner "
		"FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) 'apikeys'::pg_catalog.regnamespace "
		"UNION ALL SELECT 'FUNCTION ' OPERATOR(pg_catalog.||) p.oid::pg_catalog.regprocedure::pg_catalog.text, "
		"p.proacl, p.proowner FROM pg_catalog.pg_proc p "
		"WHERE p.pronamespace OPERATOR(pg_catalog.=) 'apikeys'::pg_catalog.regnamespace "
		"UNION ALL SELECT 'TYPE ' OPERATOR(pg_catalog.||) t.oid::pg_catalog.regtype::pg_catalog.text, t.typacl, t.typowner "
		"FROM pg_catalog.pg_type t WHERE t.typnamespace OPERATOR(pg_catalog.=) 'apikeys'::pg_catalog.regnamespace "
		"UNION ALL SELECT 'TYPE ' OPERATOR(pg_catalog.||) c.reltype::pg_catalog.regtype::pg_catalog.text, "
		"pg_catalog.acldefault('T', c.relowner), c.relowner FROM pg_catalog.pg_class c "
		"WHERE c.relnamespace OPERATOR(pg_catalog.=) 'apikeys'::pg_catalog.regnamespace "
		"AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'v']::pg_catalog.\"char\"[]) "
		"UNION ALL SELECT 'SCHEMA apikeys', n.nspacl, n.nspowner "
		"FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) 'apikeys') AS o, "
		"LATERAL pg_catalog.aclexplode(o.acl) AS a WHERE a.grantee OPERATOR(pg_catalog.<>) o.owner");
	revokes = SPI_tuptable;
	for (uint64 i = 0, count = SPI_processed; i < count; i++)
	{
		char *revoke = SPI_getvalue(revokes->vals[i], revokes->tupdesc, 1);

		rc = SPI_execute(revoke, false, 0);
		if (rc != SPI_OK_UTILITY)
			elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(rc));
	}
	rc = SPI_execute("DELETE FROM pg_catalog.pg_init_privs i USING pg_catalog.pg_class c "
					 "WHERE i.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass "
					 "AND i.objoid OPERATOR(pg_catalog.=) c.reltype "
					 "AND c.relnamespace OPERATOR(pg_catalog.=) 'apikeys'::pg_catalog.regnamespace "
					 "AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'v']::pg_catalog.\"char\"[])",
					 false, 0);
	if (rc != SPI_OK_DELETE)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(rc));
	SPI_finish();
	PG_RETURN_VOID();
}
