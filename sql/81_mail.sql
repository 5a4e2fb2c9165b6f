/*
 * Reports by email.
 */
CREATE FUNCTION apikeys.email_audit_logs(recipient text, search text = NULL, workspace text = NULL, teams text[] = NULL,
	actions text[] = NULL, actors text[] = NULL, since timestamptz = NULL, until timestamptz = NULL,
	entities text[] = NULL, key_id uuid = NULL, encrypt_to bytea = NULL)
RETURNS uuid LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_email_audit_logs';
COMMENT ON FUNCTION apikeys.email_audit_logs(text, text, text, text[], text[], text[], timestamptz, timestamptz, text[], uuid, bytea) IS
'mails the present entries as CSV, after commit; encrypt_to is an OpenPGP public key; returns the report''s id in view reports';

CREATE FUNCTION apikeys.release_report(report_id uuid)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_release_report';
COMMENT ON FUNCTION apikeys.release_report(uuid) IS
'queues a report that is held since a restore, or that failed, to be sent';

CREATE VIEW apikeys.reports WITH (security_barrier) AS
SELECT	r.report_id, r.workspace, r.recipient, r.state, r.attempts, r.last_error, r.entries, r.size, r.encrypted, r.filters,
		r.asked_at, r.asked_by, r.next_attempt_at, r.finished_at
FROM	apikeys_internal.report r
WHERE	(SELECT apikeys_internal.sees_everywhere('audit'))
OR		r.scope <@ (SELECT apikeys_internal.visible_workspaces('audit'))
ORDER BY r.asked_at DESC, r.report_id
OFFSET 0;
COMMENT ON VIEW apikeys.reports IS 'reports by email that the current user may see, newest first: queued, sent, failed, or held since a restore';
