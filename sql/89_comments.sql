/*
 * What the columns of apikeys mean.  A name means the same in every table, view
 * and type; where it means something else, it has a COMMENT of its own before,
 * or stands below as relation.column.
 * test/sql/comments.sql refuses a column without one.
 */
DO $$
DECLARE
	the_column record;
BEGIN
	FOR the_column IN
		SELECT	DISTINCT ON (c.oid, a.attnum) c.oid::regclass AS relation, a.attname, m.meaning
		FROM	pg_class c
		JOIN	pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		JOIN	(VALUES
			/* where a name means something else */
			('access.workspace', 'where it holds; NULL: in all workspaces'),
			('accesses.workspace', 'where it holds; *: in all workspaces'),
			('key_usage.valid', 'how many requests were valid'),
			('usage_history.valid', 'how many requests were valid'),
			('usage_daily.valid', 'how many requests were valid'),
			('key_usage.api', 'the API that they named; NULL: none'),
			('usage_history.api', 'the API that they named; NULL: none'),
			('usage_daily.api', 'the API that they named; NULL: none'),
			('denials.api', 'the API that they named; NULL: none'),
			('team_members.team', 'the team that the actor acts for'),
			('audit_logs.audit_id', 'the number of the entry'),
			('audit_log.audit_id', 'the number of the entry'),
			('audit_log.workspace', 'where it was done; NULL: what belongs to no workspace, such as the registry of APIs'),
			('audit_logs.workspace', 'where it was done; NULL: what belongs to no workspace, such as the registry of APIs'),
			('audit_log.team', 'the team that the actor acted for'),
			('audit_logs.team', 'the team that the actor acted for'),
			('audit_log.key_id', 'the key that the entry is about; NULL: something else'),
			('audit_logs.key_id', 'the key that the entry is about; NULL: something else'),
			('team_member.team', 'the team that the actor acts for'),
			('denials.workspace', 'the workspace of the key; NULL: the requests belong to no key'),
			('audit_verdict.workspace', 'the workspace of the entries; NULL: those that belong to none'),
			('reports.workspace', 'the workspace of the entries; NULL: several, or all'),
			('reports.state', 'queued, held (since a restore), sent or failed'),
			/* keys */
			('key_id', 'the key''s id, which stays for as long as there is the key'),
			('key', 'the secret: shown this once, and stored nowhere'),
			('workspace', 'the tenant that it belongs to'),
			('name', 'what people call it'),
			('state', 'active, disabled or archived'),
			('apis', 'the APIs that the key may call, in the registry''s order'),
			('access', 'Full if the key may call every registered API, else Partial'),
			('team', 'the team that owns the key'),
			('owner', 'whose key it is, in the words of the application'),
			('hint', 'prefix and last characters of the secret, for people to recognize it by'),
			('expires_at', 'when the key ends; NULL: never'),
			('allowed_cidrs', 'the addresses and networks that requests may come from; NULL: any'),
			('rate_limit', 'valid requests in rate_window; NULL: any number'),
			('rate_window', 'the time that rate_limit is for'),
			('quota', 'valid requests in quota_period; NULL: any number'),
			('quota_period', 'hour, day, week, month (of UTC) or total'),
			('quota_used', 'valid requests in the present quota_period'),
			('metadata', 'the application''s own data of the key: a JSON object'),
			('old_valid_until', 'until when the old secret is valid; NULL: it is not'),
			('created_at', 'when it was created'),
			('created_by', 'the actor who created it'),
			('updated_at', 'when it was last changed; NULL: never'),
			('updated_by', 'the actor who last changed it'),
			('regenerated_at', 'when the current secret replaced another; NULL: it is the first'),
			('regenerated_by', 'the actor who regenerated the key'),
			('disabled_at', 'since when the key is disabled; NULL: it is not'),
			('disabled_by', 'the actor who disabled the key'),
			('archived_at', 'when the key was archived; NULL: it is not'),
			('archived_by', 'the actor who archived the key'),
			('last_used_at', 'the last valid request; NULL: none'),
			('total', 'the number of keys that the filters let through'),
			/* requests */
			('valid', 'whether the request may pass'),
			('code', 'VALID, or why the request is refused'),
			('http_status', 'the status to answer the client with'),
			('retry_after', 'seconds after which the request may pass; NULL: waiting does not help'),
			('rate_remaining', 'requests that are left of the limit now'),
			('rate_reset', 'seconds until the limit is replenished'),
			('quota_remaining', 'requests that are left of the quota in this period'),
			('quota_reset', 'seconds until the period ends'),
			('api', 'the name of the API'),
			('denied', 'requests that were refused'),
			('old_secret', 'requests that came with the old secret, valid or not'),
			('last_client', 'the address that the last valid request named, if any did'),
			('count', 'number of requests'),
			('last_at', 'the last of them'),
			('hour', 'the beginning of the hour'),
			('key_limit', 'how many keys that are not archived it may have; NULL: any number'),
			('default_lifetime', 'a key created without an expiry expires after this; NULL: never'),
			('max_lifetime', 'every expiry set must lie within this; NULL: no bound'),
			('day', 'the day, of UTC'),
			/* registry and access */
			('description', 'what the API is for'),
			('ordinal', 'the place in the registry''s order'),
			('unregistered_at', 'when the API was unregistered; NULL: it is registered'),
			('unregistered_by', 'the actor who unregistered it'),
			('prefix', 'what the secrets issued in the workspace begin with'),
			('archive_limit', 'how many archived keys are kept'),
			('actor', 'who acts: what apikeys.act_as() names, else the session''s role'),
			('role', 'the name of the role'),
			('capability', 'what the role may do: validate, view, manage, audit, admin or monitor'),
			('grant_id', 'identifies the access when its role is renamed'),
			/* the log */
			('time', 'when it was done'),
			('entity', 'what kind of thing: API Keys, APIs, Workspaces, Access, Teams or Audit Logs'),
			('action', 'Create, Update, Delete or Export'),
			('activity', 'what was done, in a sentence'),
			('ip', 'the address that the actor acted from'),
			('subject', 'what the entry is about: the columns that identify it'),
			('key_name', 'the key''s name at that time'),
			('changes', 'the old and new value of every attribute that changed, and the reason'),
			('db_user', 'the role that acted, always'),
			('audit_id', 'the entry of the row''s last change; 0: as the extension made it'),
			('row_digest', 'SHA-256 of the row'),
			('digest', 'SHA-256 of the entry'),
			('entries', 'how many entries'),
			('ok', 'whether nothing is wrong'),
			('first_bad', 'audit_id of the first entry with a problem'),
			('problem', 'what is wrong; NULL: nothing'),
			('root', 'the root of the tree, to compare with a checkpoint'),
			/* reports */
			('report_id', 'the report''s id, as email_audit_logs() returned it'),
			('recipient', 'the address that it is mailed to'),
			('attempts', 'how often sending was tried'),
			('last_error', 'why the last attempt failed'),
			('size', 'bytes of the CSV'),
			('encrypted', 'whether it is encrypted to a public key'),
			('filters', 'the filters of the entries; NULL: none'),
			('asked_at', 'when it was asked for'),
			('asked_by', 'the actor who asked for it'),
			('next_attempt_at', 'when sending is tried next'),
			('finished_at', 'when it was sent or given up')) AS m (name, meaning)
				ON m.name IN (a.attname, c.relname || '.' || a.attname)
		WHERE	c.relnamespace = 'apikeys'::regnamespace AND c.relkind IN ('r', 'v', 'c')
		AND		col_description(c.oid, a.attnum) IS NULL
		ORDER BY c.oid, a.attnum, length(m.name) DESC
	LOOP
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', the_column.relation, the_column.attname, the_column.meaning);
	END LOOP;
END
$$;
