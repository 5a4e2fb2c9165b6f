/*
 * The audit log.
 */
CREATE FUNCTION apikeys.verify_audit_log(workspace text = NULL, anchors jsonb = NULL)
RETURNS SETOF apikeys.audit_verdict LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_verify_audit_log';
COMMENT ON FUNCTION apikeys.verify_audit_log(text, jsonb) IS
'proves every entry, its place in the chain and the keys'' last entries; names the first bad entry of each workspace';

CREATE FUNCTION apikeys.purge_audit_log(older_than timestamptz, workspace text)
RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_purge_audit_log';
COMMENT ON FUNCTION apikeys.purge_audit_log(timestamptz, text) IS
'removes the older entries of a workspace, but for the last one of every key that there is, and returns how many; the rest still verifies; an empty name stands for what belongs to none';

CREATE FUNCTION apikeys.audit_anchor(workspace text = NULL)
RETURNS jsonb LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_audit_anchor';
COMMENT ON FUNCTION apikeys.audit_anchor(text) IS
'the heads of the chains; kept elsewhere and handed to verify_audit_log, they prove that no chain was cut or rewritten';

CREATE VIEW apikeys.audit_logs WITH (security_barrier) AS
SELECT	l.*
FROM	((SELECT l."time", l.team, l.entity, l.activity, l.action, l.actor, l.ip, l.workspace, l.subject, l.key_id,
				l.key_name, l.changes, l.db_user, l.audit_id
		FROM	apikeys.audit_log l
		WHERE	(SELECT apikeys_internal.sees_everywhere('audit'))
		ORDER BY l.audit_id DESC)
		UNION ALL
		(SELECT l."time", l.team, l.entity, l.activity, l.action, l.actor, l.ip, l.workspace, l.subject, l.key_id,
				l.key_name, l.changes, l.db_user, l.audit_id
		FROM	apikeys.audit_log l
		WHERE	l.workspace = apikeys_internal.only_workspace('audit')
		ORDER BY l.audit_id DESC)
		UNION ALL
		(SELECT l."time", l.team, l.entity, l.activity, l.action, l.actor, l.ip, l.workspace, l.subject, l.key_id,
				l.key_name, l.changes, l.db_user, l.audit_id
		FROM	apikeys.audit_log l
		WHERE	l.workspace = ANY ((SELECT apikeys_internal.several_workspaces('audit'))::text[])
		AND		(SELECT apikeys_internal.several_workspaces('audit')) IS NOT NULL
		ORDER BY l.audit_id DESC)) AS l
ORDER BY l.audit_id DESC
OFFSET 0;
COMMENT ON VIEW apikeys.audit_logs IS 'the entries that the current user may see, newest first';

CREATE FUNCTION apikeys.search_audit_logs(search text = NULL, workspace text = NULL, teams text[] = NULL,
	actions text[] = NULL, actors text[] = NULL, since timestamptz = NULL, until timestamptz = NULL,
	entities text[] = NULL, key_id uuid = NULL, max_rows integer = 50, before_id bigint = NULL)
RETURNS SETOF apikeys.audit_logs LANGUAGE C STABLE ROWS 50 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_search_audit_logs';
COMMENT ON FUNCTION apikeys.search_audit_logs(text, text, text[], text[], text[], timestamptz, timestamptz, text[], uuid, integer, bigint) IS
'entries, newest first, that pass all filters; search is a substring of a shown column in any case, until is exclusive; for the next page, before_id is the audit_id of the last row';

CREATE FUNCTION apikeys.export_audit_logs(search text = NULL, workspace text = NULL, teams text[] = NULL,
	actions text[] = NULL, actors text[] = NULL, since timestamptz = NULL, until timestamptz = NULL,
	entities text[] = NULL, key_id uuid = NULL)
RETURNS SETOF text LANGUAGE C STABLE ROWS 10000 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_export_audit_logs';
COMMENT ON FUNCTION apikeys.export_audit_logs(text, text, text[], text[], text[], timestamptz, timestamptz, text[], uuid) IS
'the entries that pass all filters, newest first, as lines of CSV with a header';

CREATE FUNCTION apikeys.audit_filters(workspace text = NULL, OUT teams text[], OUT actions text[], OUT actors text[], OUT entities text[])
RETURNS record LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_audit_filters';
COMMENT ON FUNCTION apikeys.audit_filters(text) IS
'what the filters of search_audit_logs can be set to: the teams and actors that there are, and all actions and entities';
