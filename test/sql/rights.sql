-- The table of capabilities in docs/reference.md is what grant_access() gives: each function and view of schema apikeys is in
-- exactly one row, and a role with one capability may use the objects of its row, of the rows that this row includes, and of
-- "any".
\set ECHO none
\i test/lib/regress.sql
\set doc `sed -n '/^| capability | includes/,/^$/p' docs/reference.md`
CREATE TEMPORARY TABLE row_of_doc AS
SELECT c[1] AS capability, ARRAY(SELECT m[1] FROM regexp_matches(c[2], '`(\w+)`', 'g') AS m) AS includes,
	ARRAY(SELECT m[1] FROM regexp_matches(c[3], '`(\w+(?:\(\))?)`', 'g') AS m) AS objects
FROM regexp_split_to_table(:'doc', '\n') AS line, regexp_match(line, '^\| `?(\w+)`? \|(.*)\|(.*)\|$') AS c WHERE line !~ '^\|( capability|---)' AND c IS NOT NULL;
SELECT string_agg(capability, ' ') AS capabilities, sum(cardinality(objects)) > 40 AS many FROM row_of_doc;

-- what there is: functions and procedures as name(), views as name
CREATE TEMPORARY TABLE face AS
SELECT p.proname || '()' AS object, p.oid, true AS is_function FROM pg_proc p WHERE p.pronamespace = 'apikeys'::regnamespace
UNION ALL
SELECT c.relname, c.oid, false FROM pg_class c WHERE c.relnamespace = 'apikeys'::regnamespace AND c.relkind = 'v';
SELECT object AS "not in exactly one row", count(r) FROM face f LEFT JOIN row_of_doc r ON f.object = ANY (r.objects) GROUP BY 1 HAVING count(r) <> 1 ORDER BY 1;
SELECT object AS "in the table, but not there" FROM row_of_doc r, unnest(r.objects) AS object WHERE object NOT IN (SELECT object FROM face);

-- what a role has that was granted one capability
SELECT format('CREATE ROLE regress_ak_%s', capability) FROM row_of_doc WHERE capability <> 'any' \gexec
SELECT apikeys.grant_access(('regress_ak_' || capability)::name, capability) FROM row_of_doc WHERE capability <> 'any' \g /dev/null
CREATE FUNCTION pg_temp.wrong_rights() RETURNS TABLE (capability text, object text, has boolean) LANGUAGE sql AS $$
	SELECT r.capability, f.object, h.has
	FROM row_of_doc r, face f,
		LATERAL (SELECT CASE WHEN f.is_function THEN has_function_privilege('regress_ak_' || r.capability, f.oid, 'EXECUTE')
			ELSE has_table_privilege('regress_ak_' || r.capability, f.oid, 'SELECT') END AS has) AS h
	WHERE r.capability <> 'any' AND h.has <> EXISTS (SELECT FROM row_of_doc o WHERE f.object = ANY (o.objects)
		AND (o.capability IN (r.capability, 'any') OR o.capability = ANY (r.includes)))
	ORDER BY 1, 2
$$;
SELECT * FROM pg_temp.wrong_rights();

-- a view that may be read works: what it calls may be called
CREATE FUNCTION pg_temp.unreadable() RETURNS TABLE (capability text, view text, problem text) LANGUAGE plpgsql AS $$
BEGIN
	FOR capability, view IN SELECT r.capability, f.object FROM row_of_doc r, face f WHERE r.capability <> 'any' AND NOT f.is_function
		AND has_table_privilege('regress_ak_' || r.capability, f.oid, 'SELECT') LOOP
		BEGIN
			EXECUTE format('SET LOCAL ROLE regress_ak_%s', capability);
			EXECUTE format('SELECT count(v) FROM (SELECT * FROM apikeys.%I) AS v', view);
			RESET ROLE;
		EXCEPTION WHEN OTHERS THEN
			RESET ROLE;
			problem := SQLERRM;
			RETURN NEXT;
		END;
	END LOOP;
END $$;
SELECT * FROM pg_temp.unreadable();

-- what a capability includes is what the access table allows in C, too: a manager validates
SELECT k.key FROM apikeys.create_key('Key', '{data}') AS k \gset
SET ROLE regress_ak_manage;
SELECT code FROM apikeys.validate_key(:'key', 'data');
RESET ROLE;

-- revoking gives back nothing that another capability needs
SELECT apikeys.grant_access('regress_ak_view', 'manage') \g /dev/null
SELECT apikeys.revoke_access('regress_ak_view', 'manage') \g /dev/null
SELECT apikeys.grant_access('regress_ak_manage', 'view'), apikeys.grant_access('regress_ak_manage', 'validate', 'default') \g /dev/null
SELECT apikeys.revoke_access('regress_ak_manage', 'view'), apikeys.revoke_access('regress_ak_manage', 'validate', 'default') \g /dev/null
SELECT * FROM pg_temp.wrong_rights();
-- nor what was revoked by hand
REVOKE EXECUTE ON FUNCTION apikeys.validate_key FROM regress_ak_manage;
SELECT apikeys.grant_access('regress_ak_manage', 'audit') \g /dev/null
SELECT * FROM pg_temp.wrong_rights() WHERE has IS FALSE;

-- NULL grants nothing; one undefined variable must not grant every tenant
SELECT pg_temp.refused($$SELECT apikeys.grant_access('regress_ak_view', 'view', NULL)$$);
SELECT pg_temp.refused($$SELECT apikeys.revoke_access('regress_ak_view', 'view', NULL)$$);

-- members of pg_monitor monitor, and no more
CREATE ROLE regress_ak_prometheus;
GRANT pg_monitor TO regress_ak_prometheus;
SET ROLE regress_ak_prometheus;
SELECT version > '' AS version, entries IS NOT NULL AS entries FROM apikeys.status();
SELECT pg_temp.refused($$SELECT * FROM apikeys.active_keys$$);
SELECT pg_temp.refused($$SELECT * FROM apikeys.validate_key('x')$$);
RESET ROLE;
-- a monitor of one workspace is told nothing of the whole server
SELECT apikeys.create_workspace('acme') \g /dev/null
SELECT apikeys.revoke_access('regress_ak_monitor', 'monitor'), apikeys.grant_access('regress_ak_monitor', 'monitor', 'acme') \g /dev/null
SET ROLE regress_ak_monitor;
SELECT version > '' AS version, entries, bytes FROM apikeys.status();
RESET ROLE;

-- accesses, team_members and workspaces, for those who may
SELECT apikeys.add_team_member('alice', 'Platform'), apikeys.add_team_member('bob', 'Sales', 'acme') \g /dev/null
SELECT apikeys.grant_access('regress_ak_prometheus', 'admin', 'acme') \g /dev/null
SELECT role, capability, workspace, in_force FROM apikeys.accesses WHERE role = 'regress_ak_prometheus';
SELECT count(*) > 5 AS all FROM apikeys.accesses;
SET ROLE regress_ak_prometheus;
SELECT role, capability, workspace, in_force FROM apikeys.accesses;
SELECT workspace, actor, team FROM apikeys.team_members;
SELECT workspace, prefix, archive_limit, leak_action, created_by = session_user AS made_by_us FROM apikeys.workspaces;
RESET ROLE;
-- restored, an access is not in force
INSERT INTO apikeys.access (role, capability, workspace) VALUES ('regress_ak_none', 'view', 'acme');
SELECT role, in_force FROM apikeys.accesses WHERE role = 'regress_ak_none';

SELECT format('DROP OWNED BY %s', string_agg(rolname, ', ' ORDER BY rolname)) FROM pg_roles WHERE rolname ~ '^regress_ak_' \gexec
SELECT format('DROP ROLE %s', string_agg(rolname, ', ' ORDER BY rolname)) FROM pg_roles WHERE rolname ~ '^regress_ak_' \gexec
