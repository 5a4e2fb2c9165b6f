/*
 * Nothing for PUBLIC, nor for anybody else to whom default privileges (ALTER
 * DEFAULT PRIVILEGES) gave something of it just now; grant_access() gives each
 * role what its capabilities need (the list is in privilege.c).
 *
 * PUBLIC's privileges on types go, too, also on the row types of tables and
 * views: a temporary table with a column of such a type would block ALTER TYPE
 * and DROP EXTENSION.
 */
REVOKE ALL ON ALL ROUTINES IN SCHEMA apikeys, apikeys_internal FROM PUBLIC;
DO $$
DECLARE
	ours CONSTANT regnamespace[] := ARRAY['apikeys', 'apikeys_internal'];
	revoke_it text;
BEGIN
	FOR revoke_it IN
		SELECT DISTINCT format('REVOKE ALL ON %s FROM %s CASCADE', o.object,
			CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
		FROM (
			SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass, c.relacl, c.relowner
			FROM pg_class c WHERE c.relnamespace = ANY (ours)
			UNION ALL
			SELECT (CASE p.prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END) || p.oid::regprocedure, p.proacl, p.proowner
			FROM pg_proc p WHERE p.pronamespace = ANY (ours)
			UNION ALL
			SELECT 'TYPE ' || t.oid::regtype, coalesce(t.typacl, acldefault('T', t.typowner)), t.typowner
			FROM pg_type t WHERE t.typnamespace = ANY (ours) AND t.typelem = 0
			UNION ALL
			SELECT 'SCHEMA ' || n.oid::regnamespace, n.nspacl, n.nspowner
			FROM pg_namespace n WHERE n.oid = ANY (ours)) AS o (object, acl, owner),
			LATERAL aclexplode(o.acl) AS a
		WHERE a.grantee <> o.owner
	LOOP
		EXECUTE revoke_it;
	END LOOP;
	/* as initial privileges, pg_dump would warn of those on row types, which it never dumps */
	DELETE FROM pg_init_privs i USING pg_class c
	WHERE i.classoid = 'pg_type'::regclass AND i.objoid = c.reltype AND c.relnamespace = ANY (ours) AND c.relkind IN ('r', 'v');
END
$$;

/* Members of pg_monitor read the figures of every extension. */
GRANT USAGE ON SCHEMA apikeys TO pg_monitor;
GRANT EXECUTE ON FUNCTION apikeys.status(), apikeys.metrics() TO pg_monitor;
