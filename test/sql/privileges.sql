-- Every function, view, table, sequence and type, and what each capability and PUBLIC may do with it. An object without a row
-- here fails the test.
\set ECHO none
\i test/lib/regress.sql
-- as it is
REVOKE USAGE ON SCHEMA apikeys_internal FROM PUBLIC;

CREATE ROLE regress_ak_none;
CREATE ROLE regress_ak_validate;
CREATE ROLE regress_ak_view;
CREATE ROLE regress_ak_manage;
CREATE ROLE regress_ak_audit;
CREATE ROLE regress_ak_admin;
CREATE ROLE regress_ak_monitor;
SELECT apikeys.create_workspace('acme');
SELECT apikeys.grant_access(('regress_ak_' || c)::name, c) FROM unnest('{validate,view,manage,audit,admin,monitor}'::text[]) AS c \g /dev/null

-- what may be done, by whom (capabilities; PUBLIC is none of them), and a call that whoever has no capability is refused
CREATE TEMPORARY TABLE may (kind text, object text, capabilities text[], call text);
INSERT INTO may VALUES
	('schema', 'apikeys', '{validate,view,manage,audit,admin,monitor}', NULL),
	('schema', 'apikeys_internal', '{}', NULL),

	('function', 'validate_key', '{validate,manage,admin}', $$SELECT apikeys.validate_key('x')$$),
	('function', 'authenticate', '{validate,manage,admin}', $$SELECT apikeys.authenticate('Bearer x')$$),
	('function', 'require_key', '{validate,manage,admin}', $$SELECT apikeys.require_key('Bearer x')$$),
	('function', 'report_leak', '{validate,manage,admin}', $$SELECT apikeys.report_leak('[]')$$),
	('function', 'revoke_key', '{validate,manage,admin}', $$SELECT apikeys.revoke_key('x')$$),
	('function', 'current_key', '{validate,manage,admin}', NULL),
	('function', 'current_owner', '{validate,manage,admin}', NULL),
	('function', 'current_key_metadata', '{validate,manage,admin}', NULL),
	('function', 'current_workspace', '{validate,manage,admin}', NULL),
	('function', 'current_key_allows', '{validate,manage,admin}', NULL),

	('function', 'key_details', '{view,manage,admin}', $$SELECT apikeys.key_details(gen_random_uuid())$$),
	('function', 'list_keys', '{view,manage,admin}', $$SELECT apikeys.list_keys()$$),
	('function', 'key_id', '{view,manage,admin}', $$SELECT apikeys.key_id('Key')$$),
	('function', 'identify_key', '{view,manage,admin}', $$SELECT apikeys.identify_key('x')$$),
	('function', 'find_secrets', '{view,manage,admin}', $$SELECT apikeys.find_secrets('x')$$),
	('view', 'apis', '{view,manage,admin}', NULL),
	('view', 'workspaces', '{view,manage,admin}', NULL),
	('view', 'team_members', '{view,manage,admin}', NULL),
	('view', 'keys', '{view,manage,admin}', NULL),
	('view', 'active_keys', '{view,manage,admin}', NULL),
	('view', 'archived_keys', '{view,manage,admin}', NULL),
	('view', 'key_usage', '{view,manage,admin}', NULL),
	('view', 'usage_history', '{view,manage,admin}', NULL),
	('view', 'denials', '{view,manage,admin}', NULL),
	('function', 'usage_memory', '{view,manage,admin}', NULL),
	('function', 'last_use', '{view,manage,admin}', NULL),
	('function', 'usage_chart', '{view,manage,admin}', $$SELECT apikeys.usage_chart(gen_random_uuid())$$),
	('view', 'usage_daily', '{view,manage,admin}', NULL),
	('function', 'status', '{admin,monitor}', $$SELECT apikeys.status()$$),
	('function', 'metrics', '{admin,monitor}', $$SELECT apikeys.metrics()$$),

	('function', 'create_key', '{manage,admin}', $$SELECT apikeys.create_key('x', '{data}')$$),
	('function', 'import_key', '{manage,admin}', $$SELECT apikeys.import_key('x', '{data}', sha256('x'))$$),
	('function', 'regenerate_key', '{manage,admin}', $$SELECT apikeys.regenerate_key(gen_random_uuid())$$),
	('function', 'end_overlap', '{manage,admin}', $$SELECT apikeys.end_overlap(gen_random_uuid())$$),
	('function', 'update_key', '{manage,admin}', $$SELECT apikeys.update_key(gen_random_uuid())$$),
	('function', 'disable_key', '{manage,admin}', $$SELECT apikeys.disable_key(gen_random_uuid())$$),
	('function', 'enable_key', '{manage,admin}', $$SELECT apikeys.enable_key(gen_random_uuid())$$),
	('function', 'archive_key', '{manage,admin}', $$SELECT apikeys.archive_key(gen_random_uuid())$$),

	('view', 'audit_logs', '{audit,admin}', NULL),
	('function', 'search_audit_logs', '{audit,admin}', $$SELECT apikeys.search_audit_logs()$$),
	('function', 'key_history', '{audit,admin}', $$SELECT apikeys.key_history(gen_random_uuid())$$),
	('function', 'export_audit_logs', '{audit,admin}', $$SELECT apikeys.export_audit_logs()$$),
	('function', 'audit_filters', '{audit,admin}', $$SELECT apikeys.audit_filters()$$),
	('function', 'verify_audit_logs', '{audit,admin}', $$SELECT apikeys.verify_audit_logs()$$),
	('function', 'audit_feed', '{audit,admin}', $$SELECT apikeys.audit_feed()$$),
	('function', 'sequence_audit_logs', '{audit,admin}', $$CALL apikeys.sequence_audit_logs()$$),
	('function', 'audit_checkpoint', '{audit,admin}', $$SELECT apikeys.audit_checkpoint()$$),
	('function', 'audit_inclusion_proof', '{audit,admin}', $$SELECT apikeys.audit_inclusion_proof(1)$$),
	('function', 'audit_consistency_proof', '{audit,admin}', $$SELECT apikeys.audit_consistency_proof('default', 0)$$),
	('function', 'email_audit_logs', '{audit,admin}', $$SELECT apikeys.email_audit_logs('a@example.invalid')$$),
	('function', 'release_report', '{audit,admin}', $$SELECT apikeys.release_report(gen_random_uuid())$$),
	('view', 'reports', '{audit,admin}', NULL),

	('function', 'flush_usage', '{admin}', $$SELECT apikeys.flush_usage()$$),
	('function', 'register_api', '{admin}', $$SELECT apikeys.register_api('x')$$),
	('function', 'unregister_api', '{admin}', $$SELECT apikeys.unregister_api('data')$$),
	('function', 'create_workspace', '{admin}', $$SELECT apikeys.create_workspace('x')$$),
	('function', 'update_workspace', '{admin}', $$SELECT apikeys.update_workspace('default')$$),
	('function', 'drop_workspace', '{admin}', $$SELECT apikeys.drop_workspace('default')$$),
	('function', 'add_team_member', '{admin}', $$SELECT apikeys.add_team_member('x', 'x')$$),
	('function', 'remove_team_member', '{admin}', $$SELECT apikeys.remove_team_member('x')$$),
	('function', 'purge_audit_logs', '{admin}', $$SELECT apikeys.purge_audit_logs(now(), 'default')$$),
	('view', 'accesses', '{admin}', NULL),
	('function', 'grant_access', '{admin}', $$SELECT apikeys.grant_access('regress_ak_none', 'admin')$$),
	('function', 'revoke_access', '{admin}', $$SELECT apikeys.revoke_access('regress_ak_none', 'admin')$$),
	('function', 'regrant_access', '{admin}', $$SELECT apikeys.regrant_access()$$),

	-- neither shows or changes more than its caller may anyway
	('function', 'response_headers', '{validate,view,manage,audit,admin,monitor}', NULL),
	('function', 'secret_pattern', '{validate,view,manage,audit,admin,monitor}', NULL),
	('function', 'act_as', '{validate,view,manage,audit,admin,monitor}', NULL),
	('function', 'visible_workspaces', '{view,manage,audit,admin}', NULL),
	('function', 'sees_everywhere', '{view,manage,audit,admin}', NULL),
	('function', 'only_workspace', '{view,manage,audit,admin}', NULL),
	('function', 'several_workspaces', '{view,manage,audit,admin}', NULL),

	-- nobody's but the owner's
	('function', 'guard_key', '{}', NULL),
	('function', 'guard_row', '{}', NULL),
	('function', 'unique_hash', '{}', NULL),
	('function', 'archive_limit', '{}', NULL),
	('function', 'guard_log', '{}', NULL),
	('function', 'guard_truncate', '{}', NULL),
	('function', 'entry_arrived', '{}', NULL),
	('function', 'guard_report', '{}', NULL),
	('function', 'make_way', '{}', NULL),
	('function', 'audit', '{}', NULL),
	('function', 'finish_update', '{}', NULL),
	('function', 'invalidate', '{}', NULL),
	('function', 'keep_here', '{}', NULL),
	('function', 'validation_support', '{}', NULL),
	('function', 'quota_used', '{view,manage,admin}', NULL),
	('view', 'key_rows', '{}', NULL),
	('view', 'active_in_sight', '{}', NULL),
	('view', 'all_in_sight', '{}', NULL),
	('view', 'archived_in_sight', '{}', NULL),
	('view', 'keys_in_sight', '{}', NULL),
	('view', 'usage_unflushed', '{}', NULL),
	('view', 'usage_live', '{}', NULL),
	('view', 'usage_hours_live', '{}', NULL),
	('table', 'workspace', '{}', NULL),
	('table', 'api', '{}', NULL),
	('table', 'key', '{}', NULL),
	('table', 'team_member', '{}', NULL),
	('table', 'access', '{}', NULL),
	('table', 'audit_log', '{}', NULL),
	('table', 'audit_tree', '{}', NULL),
	('table', 'audit_size', '{}', NULL),
	('view', 'tree_sizes', '{}', NULL),
	('table', 'report', '{}', NULL),
	('table', 'usage', '{}', NULL),
	('table', 'usage_hour', '{}', NULL),
	('table', 'usage_total', '{}', NULL),
	('table', 'key_use', '{}', NULL),
	('table', 'key_total', '{}', NULL),
	('table', 'quota_used', '{}', NULL),
	('table', 'audit_pending', '{}', NULL),
	('table', 'lock_salt', '{}', NULL),
	('table', 'access_role', '{}', NULL),
	('sequence', 'audit_id_seq', '{}', NULL);
-- nobody may use a type in objects of his own; those that come with tables and views are out of reach with the schema
INSERT INTO may SELECT 'type', t.typname, '{}', NULL FROM pg_type t WHERE t.typnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND t.typelem = 0
	AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'));

-- what there is
CREATE TEMPORARY TABLE there_is AS
	SELECT 'function' AS kind, p.proname::text AS object, p.oid, p.proacl AS acl, p.proowner AS owner FROM pg_proc p WHERE p.pronamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace)
	UNION ALL
	SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'r' THEN 'table' WHEN 'S' THEN 'sequence' ELSE c.relkind::text END, c.relname, c.oid, c.relacl, c.relowner
	FROM pg_class c WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind NOT IN ('i', 'c')
	UNION ALL
	SELECT 'type', t.typname, t.oid, t.typacl, t.typowner FROM pg_type t WHERE t.typnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND t.typelem = 0
	AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
	UNION ALL
	SELECT 'schema', n.nspname, n.oid, n.nspacl, n.nspowner FROM pg_namespace n WHERE n.nspname IN ('apikeys', 'apikeys_internal');

-- privileges as they are, other than the owner's: role and privilege
CREATE FUNCTION pg_temp.privileges() RETURNS TABLE (kind text, object text, privilege text) LANGUAGE sql AS
$$
	SELECT o.kind, o.object, coalesce(r.rolname, 'PUBLIC') || ' ' || a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
	FROM there_is o,
		LATERAL aclexplode(coalesce(CASE o.kind
			WHEN 'function' THEN (SELECT p.proacl FROM pg_proc p WHERE p.oid = o.oid)
			WHEN 'type' THEN (SELECT t.typacl FROM pg_type t WHERE t.oid = o.oid)
			WHEN 'schema' THEN (SELECT n.nspacl FROM pg_namespace n WHERE n.oid = o.oid)
			ELSE (SELECT c.relacl FROM pg_class c WHERE c.oid = o.oid) END,
			acldefault(CASE o.kind WHEN 'function' THEN 'f' WHEN 'type' THEN 'T' WHEN 'schema' THEN 'n' WHEN 'sequence' THEN 's' ELSE 'r' END::"char", o.owner))) AS a
	LEFT JOIN pg_roles r ON r.oid = a.grantee
	WHERE a.grantee <> o.owner
	-- pg_monitor's own, below
	AND a.grantee <> 'pg_monitor'::regrole
$$;
SELECT o.kind, o.object, a.privilege_type FROM there_is o, LATERAL aclexplode(o.acl) AS a WHERE a.grantee = 'pg_monitor'::regrole ORDER BY 1, 2;

-- the comparison: no row is right
CREATE FUNCTION pg_temp.wrong_privileges() RETURNS TABLE (problem text) LANGUAGE sql AS
$$
	SELECT 'no row in this test for ' || t.kind || ' ' || t.object FROM there_is t
	WHERE NOT EXISTS (SELECT FROM may m WHERE (m.kind, m.object) = (t.kind, t.object))
	UNION ALL
	SELECT 'a row in this test without ' || m.kind || ' ' || m.object FROM may m
	WHERE NOT EXISTS (SELECT FROM there_is t WHERE (m.kind, m.object) = (t.kind, t.object))
	UNION ALL
	SELECT 'several of the name: ' || t.kind || ' ' || t.object FROM there_is t GROUP BY t.kind, t.object HAVING count(*) > 1
	UNION ALL
	SELECT CASE WHEN p.privilege IS NULL THEN 'missing: ' ELSE 'too much: ' END || coalesce(p.kind, e.kind) || ' ' || coalesce(p.object, e.object) || ': ' || coalesce(p.privilege, e.privilege)
	FROM pg_temp.privileges() p
	FULL JOIN (SELECT m.kind, m.object, 'regress_ak_' || c || CASE m.kind WHEN 'function' THEN ' EXECUTE' WHEN 'view' THEN ' SELECT' ELSE ' USAGE' END AS privilege
		FROM may m, unnest(m.capabilities) AS c) AS e
	ON (p.kind, p.object, p.privilege) = (e.kind, e.object, e.privilege)
	WHERE p.privilege IS NULL OR e.privilege IS NULL
	ORDER BY 1
$$;
SELECT * FROM pg_temp.wrong_privileges();

-- on columns nobody has a privilege, and there are no default privileges
SELECT attrelid::regclass, attname FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace)) AND attacl IS NOT NULL;
SELECT count(*) FROM pg_default_acl WHERE defaclnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace);

-- no function of ours acts as its owner by declaration: C checks its caller first
SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND (p.prosecdef OR p.proconfig IS NOT NULL OR p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c'));
-- a view that shows rows by workspace does not show them to a cheap function of its caller: it, or all that it reads, is a barrier, with a fence
SELECT c.relname FROM pg_class c WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind = 'v' AND c.relname NOT IN ('key_rows', 'keys_in_sight', 'usage_unflushed', 'usage_live', 'usage_hours_live', 'tree_sizes')
AND EXISTS (SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid
	JOIN pg_class b ON b.oid IN (c.oid, d.refobjid)
	WHERE r.ev_class = c.oid
	GROUP BY d.refobjid HAVING NOT bool_or(b.relkind = 'v' AND coalesce(b.reloptions @> '{security_barrier=true}', false) AND pg_get_viewdef(b.oid) ~ 'OFFSET 0;$'));

-- with a workspace, the privileges are the same
SELECT apikeys.revoke_access(('regress_ak_' || c)::name, c) FROM unnest('{validate,view,manage,audit,admin,monitor}'::text[]) AS c \g /dev/null
SELECT * FROM pg_temp.privileges();
SELECT apikeys.grant_access(('regress_ak_' || c)::name, c, 'acme') FROM unnest('{validate,view,manage,audit,admin,monitor}'::text[]) AS c \g /dev/null
SELECT * FROM pg_temp.wrong_privileges();
SELECT apikeys.revoke_access(('regress_ak_' || c)::name, c, 'acme') FROM unnest('{validate,view,manage,audit,admin,monitor}'::text[]) AS c \g /dev/null
SELECT * FROM pg_temp.privileges();

-- two capabilities of one role are both there, and what is left after one is revoked: no row is wrong
CREATE FUNCTION pg_temp.wrong_of_none(has text[]) RETURNS TABLE (object text, privilege text) LANGUAGE sql AS
$$
	SELECT coalesce(p.object, m.object), p.privilege FROM pg_temp.privileges() p
	FULL JOIN (SELECT kind, object FROM may WHERE capabilities && has) AS m ON (p.kind, p.object) = (m.kind, m.object)
	WHERE p.object IS NULL OR m.object IS NULL OR p.privilege !~ '^regress_ak_none '
$$;
SELECT apikeys.grant_access('regress_ak_none', 'validate'), apikeys.grant_access('regress_ak_none', 'view'), apikeys.grant_access('regress_ak_none', 'view', 'acme') \g /dev/null
SELECT * FROM pg_temp.wrong_of_none('{validate,view}');
SELECT apikeys.revoke_access('regress_ak_none', 'view') \g /dev/null
SELECT * FROM pg_temp.wrong_of_none('{validate,view}');
SELECT apikeys.revoke_access('regress_ak_none', 'view', 'acme') \g /dev/null
SELECT * FROM pg_temp.wrong_of_none('{validate}');
SELECT apikeys.revoke_access('regress_ak_none', 'validate') \g /dev/null
SELECT * FROM pg_temp.wrong_of_none('{}');

-- a role without privileges is told by PostgreSQL
GRANT USAGE ON SCHEMA apikeys_internal TO PUBLIC;
SET ROLE regress_ak_none;
SELECT pg_temp.refused($$SELECT apikeys.validate_key('x')$$);
SELECT pg_temp.refused($$SELECT * FROM apikeys.active_keys$$);
RESET ROLE;

-- privileges alone, by a hasty GRANT, open nothing: C asks for the capability
GRANT USAGE ON SCHEMA apikeys, apikeys_internal TO regress_ak_none;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA apikeys, apikeys_internal TO regress_ak_none;
GRANT SELECT ON apikeys.active_keys, apikeys.archived_keys, apikeys.audit_logs TO regress_ak_none;
SELECT count(*) FROM apikeys.create_key('Key', '{data}');
SELECT (apikeys.archive_key(key_id)).state FROM apikeys.create_key('Archived', '{data}');
CREATE TEMPORARY TABLE calls AS SELECT object, call FROM may WHERE call IS NOT NULL;
GRANT SELECT ON calls TO PUBLIC;
-- the same with NULL for every argument: rights are asked for before arguments
CREATE TEMPORARY TABLE null_calls AS SELECT m.object,
	format('SELECT apikeys.%I(%s)', p.proname, (SELECT string_agg('NULL::' || format_type(t, NULL), ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n))) AS call
FROM may m JOIN pg_proc p ON p.proname = m.object AND p.pronamespace = 'apikeys'::regnamespace AND p.prokind = 'f' WHERE m.call IS NOT NULL;
GRANT SELECT ON null_calls TO PUBLIC;
SELECT object FROM may WHERE kind = 'function' AND capabilities <> '{}' AND call IS NULL ORDER BY 1;
SET ROLE regress_ak_none;
SELECT object AS "not refused" FROM calls WHERE (SELECT min(r) FROM pg_temp.refused(call) AS r WHERE r ~ '^42501: permission denied (in every workspace|for all workspaces)') IS NULL ORDER BY 1;
SELECT count(*) > 40 AS many FROM null_calls;
SELECT object AS "not refused" FROM null_calls WHERE (SELECT min(r) FROM pg_temp.refused(call) AS r WHERE r ~ '^42501: permission denied (in every workspace|for all workspaces)') IS NULL ORDER BY 1;
SELECT DISTINCT r COLLATE "C" AS refused FROM calls, pg_temp.refused(call) AS r ORDER BY 1;
SELECT (SELECT count(*) FROM apikeys.active_keys), (SELECT count(*) FROM apikeys.archived_keys), (SELECT count(*) FROM apikeys.audit_logs);
SELECT apikeys.current_key(), apikeys.current_workspace(), apikeys.current_key_allows('data'), apikeys_internal.visible_workspaces('view'), apikeys_internal.visible_workspaces('audit');
-- what tables hold is not in reach
SELECT pg_temp.refused($$SELECT * FROM apikeys.key$$);
SELECT pg_temp.refused($$SELECT * FROM apikeys_internal.key_rows$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.access (role, capability) VALUES ('regress_ak_none', 'admin')$$);
SELECT pg_temp.refused($$SELECT nextval('apikeys_internal.audit_id_seq')$$);
-- and triggers are no way in
CREATE TEMPORARY TABLE mine (LIKE calls);
CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_key();
SELECT pg_temp.refused($$INSERT INTO mine VALUES ('x', 'x')$$);
DROP TABLE mine;
RESET ROLE;

-- who administers one workspace is refused what takes all, before an argument is asked for; else the argument is named
SELECT apikeys.grant_access('regress_ak_none', 'admin', 'acme') \g /dev/null
SET ROLE regress_ak_none;
SELECT object, (SELECT min(r) FROM pg_temp.refused(call) AS r WHERE r ~ '^[0-9A-Z]{5}: ') AS refused FROM null_calls
WHERE object <> ALL ('{metrics,status,identify_key,find_secrets,list_keys,search_audit_logs,export_audit_logs,audit_filters,audit_feed,audit_checkpoint,verify_audit_logs,validate_key,authenticate,require_key,revoke_key}') ORDER BY object COLLATE "C";
RESET ROLE;
SELECT apikeys.revoke_access('regress_ak_none', 'admin', 'acme') \g /dev/null
GRANT USAGE ON SCHEMA apikeys, apikeys_internal TO regress_ak_none;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA apikeys, apikeys_internal TO regress_ak_none;

-- a row alone opens nothing either
REVOKE ALL ON ALL ROUTINES IN SCHEMA apikeys, apikeys_internal FROM regress_ak_none;
REVOKE ALL ON apikeys.active_keys, apikeys.archived_keys, apikeys.audit_logs FROM regress_ak_none;
INSERT INTO apikeys.access (role, capability) VALUES ('regress_ak_none', 'admin');
SET ROLE regress_ak_none;
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}')$$);
RESET ROLE;
REVOKE USAGE ON SCHEMA apikeys, apikeys_internal FROM regress_ak_none;

DROP ROLE regress_ak_none, regress_ak_validate, regress_ak_view, regress_ak_manage, regress_ak_audit, regress_ak_admin, regress_ak_monitor;
SELECT pg_temp.wrong();

-- Nobody's object depends on our types: row types of tables and views, neither.
SELECT t.oid::regtype FROM pg_type t WHERE t.typnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND t.typelem = 0
AND has_type_privilege('pg_monitor', t.oid, 'USAGE') ORDER BY 1;
CREATE ROLE regress_ak_viewer;
SELECT apikeys.grant_access('regress_ak_viewer', 'view', 'default') \g /dev/null
SET ROLE regress_ak_viewer;
CREATE TEMP TABLE mine (k apikeys.active_keys);
CREATE TEMP TABLE mine AS SELECT k FROM apikeys.active_keys k;
CREATE FUNCTION pg_temp.mine(k apikeys.key_usage) RETURNS integer LANGUAGE sql AS 'SELECT 1';
SELECT count(*) FROM apikeys.active_keys k WHERE k IS NOT NULL;
RESET ROLE;
SELECT apikeys.revoke_access('regress_ak_viewer', 'view', 'default') \g /dev/null
DROP OWNED BY regress_ak_viewer;
DROP ROLE regress_ak_viewer;
