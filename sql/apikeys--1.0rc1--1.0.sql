/* From 1.0rc1 to 1.0. */
\echo Use "ALTER EXTENSION apikeys UPDATE" to load this file. \quit

SET LOCAL search_path = pg_catalog, pg_temp;

/* what would be parsed for each statement: the trigger functions tell themselves whether they have to act */
ALTER TABLE apikeys.key DROP CONSTRAINT key_key_hash_check, DROP CONSTRAINT key_old_key_hash_check;
DROP TRIGGER archive_limit ON apikeys.key;
CREATE TRIGGER archive_limit AFTER UPDATE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys_internal.archive_limit();
DROP TRIGGER a_unique_hash_again ON apikeys.key;
DROP TRIGGER a_unique_hash ON apikeys.key;
CREATE TRIGGER a_unique_hash AFTER INSERT OR UPDATE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys_internal.unique_hash();

COMMENT ON COLUMN apikeys.key_usage.valid IS 'how many requests were valid';
COMMENT ON COLUMN apikeys.usage_history.valid IS 'how many requests were valid';
COMMENT ON COLUMN apikeys.usage_daily.valid IS 'how many requests were valid';
COMMENT ON COLUMN apikeys.key_usage.api IS 'the API that they named; NULL: none';
COMMENT ON COLUMN apikeys.usage_history.api IS 'the API that they named; NULL: none';
COMMENT ON COLUMN apikeys.usage_daily.api IS 'the API that they named; NULL: none';
COMMENT ON COLUMN apikeys.denials.api IS 'the API that they named; NULL: none';
COMMENT ON COLUMN apikeys.verdict.valid IS 'whether the request may pass';
COMMENT ON COLUMN apikeys.api.api IS 'the name of the API';
COMMENT ON COLUMN apikeys.apis.api IS 'the name of the API';

/* a renamed role has its new name at once, and the access of a dropped one is not in force */
CREATE OR REPLACE VIEW apikeys.accesses WITH (security_barrier) AS
SELECT	COALESCE(u.rolname, a.role) AS role, a.capability, COALESCE(a.workspace, '*') AS workspace, u.oid IS NOT NULL AS in_force
FROM	apikeys.access a
		LEFT JOIN apikeys_internal.access_role r ON r.grant_id = a.grant_id
		LEFT JOIN pg_roles u ON u.oid = r.roleid
WHERE	COALESCE(a.workspace, '') = ANY ((SELECT apikeys_internal.visible_workspaces('admin'))::text[])
ORDER BY 1, a.capability, a.workspace NULLS FIRST
OFFSET 0;
COMMENT ON COLUMN apikeys.accesses.in_force IS 'false: recorded, but waiting for apikeys.regrant_access(), as after a restore, or of a role that was dropped';

SELECT apikeys_internal.finish_update();
