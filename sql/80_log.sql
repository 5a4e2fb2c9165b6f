/*
 * The audit log.
 */
CREATE PROCEDURE apikeys.sequence_audit_logs()
LANGUAGE C AS 'MODULE_PATHNAME', 'ak_sequence_audit_logs';
COMMENT ON PROCEDURE apikeys.sequence_audit_logs() IS
'takes committed entries into the trees, as the background worker does by itself; commits batch by batch, and does not run inside a transaction';

CREATE FUNCTION apikeys.audit_checkpoint(workspace text = NULL)
RETURNS TABLE (workspace text, size bigint, root bytea, note text)
LANGUAGE C VOLATILE ROWS 10 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_audit_checkpoint';
COMMENT ON FUNCTION apikeys.audit_checkpoint(text) IS
'the trees'' sizes and roots; the note (C2SP tlog-checkpoint), kept elsewhere and handed to verify_audit_logs, shows that no tree was cut or rewritten; an empty name stands for what belongs to no workspace';

CREATE FUNCTION apikeys.audit_inclusion_proof(audit_id bigint, size bigint = NULL,
	OUT workspace text, OUT "position" bigint, OUT size bigint, OUT root bytea, OUT leaf bytea, OUT path bytea[])
RETURNS record LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_audit_inclusion_proof';
COMMENT ON FUNCTION apikeys.audit_inclusion_proof(bigint, bigint) IS
'proves by RFC 6962 that an entry is in the tree of that size (NULL: the present one); leaf is the entry''s canonical bytes';

CREATE FUNCTION apikeys.audit_consistency_proof(workspace text, old_size bigint, new_size bigint = NULL)
RETURNS bytea[] LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_audit_consistency_proof';
COMMENT ON FUNCTION apikeys.audit_consistency_proof(text, bigint, bigint) IS
'proves by RFC 6962 that the larger tree (NULL: the present one) begins with the smaller one';

CREATE FUNCTION apikeys.verify_audit_logs(workspace text = NULL, checkpoints text[] = NULL)
RETURNS SETOF apikeys.audit_verdict LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_verify_audit_logs';
COMMENT ON FUNCTION apikeys.verify_audit_logs(text, text[]) IS
'verifies every entry, its place in the tree, and that each row is as its last entry left it; names the first bad entry of each workspace; checkpoints are notes of audit_checkpoint';

CREATE FUNCTION apikeys.audit_feed(after_sequence bigint = 0, workspace text = NULL, max_rows integer = 1000)
RETURNS TABLE (sequence bigint, "time" timestamptz, team text, entity text, activity text, action text, actor text, ip inet,
	workspace text, subject jsonb, key_id uuid, key_name text, changes jsonb, db_user text, audit_id bigint)
LANGUAGE C STABLE ROWS 1000 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_audit_feed';
COMMENT ON FUNCTION apikeys.audit_feed(bigint, text, integer) IS
'entries in the order of the log, for a reader that keeps the last sequence that it has read; fails if entries after it were purged';

CREATE FUNCTION apikeys.purge_audit_logs(older_than timestamptz, workspace text)
RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_purge_audit_logs';
COMMENT ON FUNCTION apikeys.purge_audit_logs(timestamptz, text) IS
'removes the older entries of a workspace, except the last one of everything that exists, and returns their number; the rest still verifies; an empty name stands for what belongs to none';

CREATE VIEW apikeys_internal.tree_sizes AS
WITH RECURSIVE w (workspace) AS (
	(SELECT t.workspace FROM apikeys.audit_tree t ORDER BY t.workspace LIMIT 1)
	UNION ALL
	SELECT (SELECT t.workspace FROM apikeys.audit_tree t WHERE t.workspace > w.workspace
		ORDER BY t.workspace LIMIT 1)
	FROM w WHERE w.workspace IS NOT NULL)
SELECT	w.workspace, (SELECT t."position" + 1 FROM apikeys.audit_tree t
		WHERE t.workspace = w.workspace ORDER BY t."position" DESC LIMIT 1) AS size
FROM	w WHERE w.workspace IS NOT NULL;
COMMENT ON VIEW apikeys_internal.tree_sizes IS 'the trees of the audit log and their sizes; internal, for functions of the extension';

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

CREATE FUNCTION apikeys.key_history(key_id uuid, OUT "time" timestamptz, OUT action text, OUT activity text, OUT actor text,
	OUT detail apikeys.key_detail)
RETURNS SETOF record LANGUAGE C STABLE ROWS 20 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_key_history';
COMMENT ON FUNCTION apikeys.key_history(uuid) IS
'what was done with a key, newest first, and the key as it was then, back to its creation or the oldest entry left; also of a key that was dropped';

CREATE FUNCTION apikeys.export_audit_logs(search text = NULL, workspace text = NULL, teams text[] = NULL,
	actions text[] = NULL, actors text[] = NULL, since timestamptz = NULL, until timestamptz = NULL,
	entities text[] = NULL, key_id uuid = NULL)
RETURNS SETOF text LANGUAGE C STABLE ROWS 10000 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_export_audit_logs';
COMMENT ON FUNCTION apikeys.export_audit_logs(text, text, text[], text[], text[], timestamptz, timestamptz, text[], uuid) IS
'the entries that pass all filters, newest first, as lines of CSV with a header';

CREATE FUNCTION apikeys.audit_filters(workspace text = NULL, OUT teams text[], OUT actions text[], OUT actors text[], OUT entities text[])
RETURNS record LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_audit_filters';
COMMENT ON FUNCTION apikeys.audit_filters(text) IS
'the values for filters of search_audit_logs: the teams and actors in the log, and all actions and entities';
