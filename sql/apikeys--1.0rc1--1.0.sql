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

/* what the objects are, in plainer words */
COMMENT ON COLUMN apikeys.access.role IS 'the name of the role; its OID is in apikeys_internal.access_role';
COMMENT ON COLUMN apikeys.audit_log.digest IS 'the hash of the leaf in the tree: SHA-256 of a byte 0 and the canonical bytes of this entry';
COMMENT ON COLUMN apikeys.audit_log.key_id IS 'the key that the entry is about; NULL: something else';
COMMENT ON COLUMN apikeys.audit_log.row_digest IS 'row_digest of the row after this action; NULL if there is none';
COMMENT ON COLUMN apikeys.audit_log.subject IS 'what the entry is about: the columns that identify it';
COMMENT ON COLUMN apikeys.audit_logs.key_id IS 'the key that the entry is about; NULL: something else';
COMMENT ON COLUMN apikeys.audit_logs.subject IS 'what the entry is about: the columns that identify it';
COMMENT ON COLUMN apikeys.audit_size.size IS 'the number of leaves';
COMMENT ON COLUMN apikeys.audit_size.workspace IS 'the workspace of the tree; '''': the tree of the entries that belong to none';
COMMENT ON COLUMN apikeys.audit_tree.position IS 'the position of the leaf, from 0';
COMMENT ON COLUMN apikeys.audit_tree.audit_id IS 'the entry; NULL: the row stands for a subtree of purged entries that ends here';
COMMENT ON COLUMN apikeys.audit_tree.hashes IS 'the hashes of the complete subtrees that end with this leaf, from level upwards, 32 bytes each';
COMMENT ON COLUMN apikeys.audit_tree.level IS 'the level of the first hash: the row stands for 2^level leaves; 0 for an entry';
COMMENT ON COLUMN apikeys.audit_tree.sequence IS 'the number of the leaf in apikeys.audit_feed(), unique in the database';
COMMENT ON COLUMN apikeys.audit_tree.workspace IS 'the workspace of the tree; '''': the tree of the entries that belong to none';
COMMENT ON COLUMN apikeys.reports.workspace IS 'the workspace of the entries; NULL: several, or all';
COMMENT ON COLUMN apikeys.audit_verdict.workspace IS 'the workspace of the entries; NULL: those that belong to none';
COMMENT ON COLUMN apikeys.verdict.quota_remaining IS 'what is left of the quota in the period, after this request';
COMMENT ON COLUMN apikeys.verdict.quota_reset IS 'seconds until the period ends; NULL for total';
COMMENT ON COLUMN apikeys.verdict.rate_limit IS 'the tighter of the rate limits of key and workspace; so are the next three columns';
COMMENT ON COLUMN apikeys.verdict.rate_reset IS 'seconds until the limit is replenished';
COMMENT ON COLUMN apikeys.verdict.retry_after IS 'seconds until the request would be allowed; NULL if http_status is not 429, or if waiting does not help';
COMMENT ON COLUMN apikeys_internal.access_role.grant_id IS 'the grant_id of the access';
COMMENT ON COLUMN apikeys_internal.access_role.roleid IS 'the oid of the role in pg_roles';
COMMENT ON COLUMN apikeys_internal.key_total.counted_at IS 'when the keys were counted; of a single workspace, when a number last changed';
COMMENT ON COLUMN apikeys_internal.key_total.expired IS 'those that are active or disabled, and have expired';
COMMENT ON COLUMN apikeys_internal.key_total.workspace IS 'the workspace; '''': all workspaces together';
COMMENT ON COLUMN apikeys_internal.quota_used.since IS 'the beginning of the period; -infinity for total';
COMMENT ON COLUMN apikeys_internal.quota_used.used IS 'the costs of the valid requests in the period, added up';
COMMENT ON COLUMN apikeys_internal.report.origin IS 'the database that queued it, as <system identifier>/<oid>: in any other, the report is held';
COMMENT ON COLUMN apikeys_internal.report.workspace IS 'the workspace of the entries; NULL: several, or all';
COMMENT ON COLUMN apikeys_internal.usage.old_secret IS 'whether the requests came with the old secret';
COMMENT ON COLUMN apikeys_internal.usage_hour.slot IS 'the number of the slot in shared memory that was last flushed into this row';
COMMENT ON COLUMN apikeys_internal.usage_hour.slot_count IS 'the count of that slot at the time';
COMMENT ON FUNCTION apikeys.audit_feed(bigint, text, integer) IS 'entries in the order of the log, for a reader that keeps the last sequence that it has read; fails if entries after it were purged';
COMMENT ON FUNCTION apikeys.audit_filters(text) IS 'the values for filters of search_audit_logs: the teams and actors in the log, and all actions and entities';
COMMENT ON FUNCTION apikeys.authenticate(text, text, text, integer) IS 'validates the header Basic base64(workspace:key), Bearer key or the key alone, and makes a valid key the one that the transaction acts for; to be called in a statement of its own, before those that read';
COMMENT ON FUNCTION apikeys.create_key(text, text[], text, text, text, timestamptz, text[], integer, interval, bigint, text, jsonb) IS 'creates a key with access to the named APIs; its secret, column key of the result, is shown only this once';
COMMENT ON FUNCTION apikeys.create_workspace(text, text, text, integer, integer, interval, interval, integer, interval, text) IS 'creates a workspace; unless given, its prefix is ak, its archive limit 10, and it has no other limits';
COMMENT ON FUNCTION apikeys.current_key_allows(text) IS 'whether the current key may call that API; false without a key';
COMMENT ON FUNCTION apikeys.drop_workspace(text) IS 'removes a workspace with its archived keys, team members and accesses; fails while it has other keys; its log stays and verifies';
COMMENT ON FUNCTION apikeys.email_audit_logs(text, text, text, text[], text[], text[], timestamptz, timestamptz, text[], uuid, bytea) IS 'mails the present entries as CSV, after commit; encrypt_to is an OpenPGP public key; returns the report''s id in view reports';
COMMENT ON FUNCTION apikeys.find_secrets(text) IS 'what has the form of a secret in a text, in its order, with its key; key_id and the columns after it are NULL if there is no such key that the current user may see; not counted as use';
COMMENT ON FUNCTION apikeys.flush_usage() IS 'writes what was counted to the tables, as the background worker does by itself; returns the number of requests';
COMMENT ON FUNCTION apikeys.identify_key(text) IS 'the key whose secret this is, current, old or archived; no row if there is no such key; not counted as use';
COMMENT ON FUNCTION apikeys.import_key(text, text[], bytea, text, text, text, text, timestamptz, text[], integer, interval, bigint, text, jsonb) IS 'adopts a key issued elsewhere, by the SHA-256 of its whole text; the key stays valid as it is';
COMMENT ON FUNCTION apikeys.key_history(uuid) IS 'what was done with a key, newest first, and the key as it was then, back to its creation or the oldest entry left; also of a key that was dropped';
COMMENT ON FUNCTION apikeys.metrics() IS 'totals for a monitoring system, as of the last flush and the worker''s last count of keys; without names of keys';
COMMENT ON FUNCTION apikeys.purge_audit_logs(timestamptz, text) IS 'removes the older entries of a workspace, except the last one of everything that exists, and returns their number; the rest still verifies; an empty name stands for what belongs to none';
COMMENT ON FUNCTION apikeys.regenerate_key(uuid, interval, text) IS 'gives a key a new secret; the old one is invalid at commit, or valid for the overlap';
COMMENT ON FUNCTION apikeys.regrant_access() IS 'after a restore: gives the roles that exist the accesses that are recorded for their names; returns the number of accesses';
COMMENT ON FUNCTION apikeys.response_headers(apikeys.verdict) IS 'the headers of the HTTP response to a request with that verdict: WWW-Authenticate, Retry-After, RateLimit-Policy, RateLimit';
COMMENT ON FUNCTION apikeys.status() IS 'whether usage is counted, and if not, why; the state of the background worker; what the whole server holds in memory, and has lost since it started; the last flush of this database';
COMMENT ON FUNCTION apikeys.update_key(uuid, text, text[], text, text, timestamptz, text[], integer, interval, bigint, text, jsonb, timestamptz) IS 'edits a key; NULL keeps a value, '''' clears the team or owner, ''{}'' the addresses or the metadata, ''infinity'' the expiry, 0 the rate limit or quota; fails (40001) when the key was updated since if_updated_at, the updated_at or created_at that the caller has read';
COMMENT ON FUNCTION apikeys.update_workspace(text, text, text, integer, integer, interval, interval, integer, interval, text) IS 'edits a workspace; NULL keeps a value, 0 clears key_limit or rate_limit, ''0'' a lifetime; a lower archive limit drops the keys archived first at once, 0 keeps none';
COMMENT ON FUNCTION apikeys.validate_key(text, text, text, text, integer) IS 'whether the holder of this secret may call that API from that address, as of the latest commit, whatever the isolation level; a valid request counts "cost" times against limits and quota';
COMMENT ON FUNCTION apikeys.verify_audit_logs(text, text[]) IS 'verifies every entry, its place in the tree, and that each row is as its last entry left it; names the first bad entry of each workspace; checkpoints are notes of audit_checkpoint';
COMMENT ON FUNCTION apikeys_internal.archive_limit() IS 'trigger: drops the keys beyond the archive limit, those archived first';
COMMENT ON FUNCTION apikeys_internal.audit() IS 'trigger: writes the entry of a change';
COMMENT ON FUNCTION apikeys_internal.entry_arrived() IS 'trigger: notes that replicated entries are in no tree here, and numbers new entries after them, so that this database can take over';
COMMENT ON FUNCTION apikeys_internal.finish_update(text[]) IS 'ends an update of the extension: checks the tables, and grants roles the privileges that they need on the objects that the update created';
COMMENT ON FUNCTION apikeys_internal.guard_log() IS 'trigger: entries and trees are written by the extension or come out of a dump, and are never changed';
COMMENT ON FUNCTION apikeys_internal.guard_report() IS 'trigger: holds a restored or replicated report, and refuses changes by hand';
COMMENT ON FUNCTION apikeys_internal.guard_truncate() IS 'trigger: refuses TRUNCATE';
COMMENT ON FUNCTION apikeys_internal.invalidate() IS 'trigger: at commit, every backend forgets what it has cached of this table';
COMMENT ON FUNCTION apikeys_internal.keep_here() IS 'trigger: leaves out what another database replicates into this table';
COMMENT ON FUNCTION apikeys_internal.last_use(uuid) IS 'the last valid request with a key, flushed or not: last_used_at in the views of keys';
COMMENT ON FUNCTION apikeys_internal.make_way() IS 'trigger: deletes a row that the extension came with before the restored or replicated row of the same name';
COMMENT ON FUNCTION apikeys_internal.only_workspace(text) IS 'the one workspace in which the current user has that capability, within the setting apikeys.workspace; NULL if there are none, several or all';
COMMENT ON FUNCTION apikeys_internal.sees_everywhere(text) IS 'whether the current user has that capability in all workspaces, and apikeys.workspace is not set';
COMMENT ON FUNCTION apikeys_internal.several_workspaces(text) IS 'the workspaces in which the current user has that capability; NULL if there are none, one or all';
COMMENT ON FUNCTION apikeys_internal.unique_hash() IS 'trigger: refuses a new key_hash that is the old_key_hash of a key';
COMMENT ON FUNCTION apikeys_internal.usage_memory() IS 'what shared memory has counted, as far as the current user may see it; key_usage, usage_history and denials add it to the tables';
COMMENT ON FUNCTION apikeys_internal.visible_workspaces(text) IS 'the workspaces in which the current user has that capability, within the setting apikeys.workspace; '''' stands for what belongs to none';
COMMENT ON SCHEMA apikeys_internal IS 'internal tables, views and functions of the extension apikeys';
COMMENT ON TABLE apikeys.access IS 'what each role may do, and in which workspace (NULL: in all); roles are named, so that a dump can be restored where one is missing';
COMMENT ON TABLE apikeys.audit_size IS 'the sizes of trees for which checkpoints may exist: a purge keeps the hashes by which these are verified';
COMMENT ON TABLE apikeys.audit_tree IS 'the Merkle trees (RFC 6962) of the entries of each workspace, with a row for each leaf';
COMMENT ON TABLE apikeys_internal.access_role IS 'the role of each access: a renamed role keeps its accesses, and no other role gets them by its name; an access without a row here waits for apikeys.regrant_access()';
COMMENT ON TABLE apikeys_internal.audit_pending IS 'entries that are not in a tree yet; 0: restored or replicated entries may be missing here';
COMMENT ON TABLE apikeys_internal.key_total IS 'the number of keys of each workspace, as the worker last counted them';
COMMENT ON TABLE apikeys_internal.key_use IS 'the last valid request with each key, as of the last flush';
COMMENT ON TABLE apikeys_internal.quota_used IS 'how much of its quota each key has used, as of the last flush';
COMMENT ON TABLE apikeys_internal.usage IS 'requests by key, API and code: all of them, as of the last flush';
COMMENT ON TABLE apikeys_internal.usage_hour IS 'requests by key, API, code and hour, as of the last flush';
COMMENT ON TABLE apikeys_internal.usage_total IS 'requests by workspace, API and code, also with keys that were dropped since, as of the last flush';
COMMENT ON TYPE apikeys.audit_verdict IS 'the result of verifying the log of one workspace';
COMMENT ON TYPE apikeys.issued_key IS 'what create_key and regenerate_key return: the secret, which is shown only this once, and its key';
COMMENT ON TYPE apikeys.listed_key IS 'a key in a list, with the number of keys in the whole list';
COMMENT ON TYPE apikeys.verdict IS 'the answer to a request: show the client its http_status, and keep the rest';
COMMENT ON TYPE apikeys_internal.layout_1 IS 'its name says which layout of tables and results the library must work with';
COMMENT ON VIEW apikeys.key_usage IS 'how often each key was used for each API, up to now; a key that was never used has one row';
COMMENT ON VIEW apikeys.usage_daily IS 'how often each key was used for each API on each day of UTC, up to now; name is NULL if the key was dropped';
COMMENT ON VIEW apikeys.usage_history IS 'how often each key was used for each API in each hour, up to now; name is NULL if the key was dropped';
COMMENT ON VIEW apikeys_internal.active_in_sight IS 'the keys that are not archived and that the current user may see; internal, for active_keys';
COMMENT ON VIEW apikeys_internal.all_in_sight IS 'the keys in every state that the current user may see; internal, for keys';
COMMENT ON VIEW apikeys_internal.archived_in_sight IS 'the archived keys that the current user may see; internal, for archived_keys';
COMMENT ON VIEW apikeys_internal.key_rows IS 'every key as key_detail; internal, for the views and functions of the extension';
COMMENT ON VIEW apikeys_internal.keys_in_sight IS 'the keys that the current user may see; internal, for other views';
COMMENT ON VIEW apikeys_internal.tree_sizes IS 'the trees of the audit log and their sizes; internal, for functions of the extension';
COMMENT ON VIEW apikeys_internal.usage_hours_live IS 'requests by key, API, code and hour, up to now, in one or more rows to be added up; internal, for other views';
COMMENT ON VIEW apikeys_internal.usage_live IS 'requests by key, API and code, up to now, in one or more rows to be added up; internal, for other views';
COMMENT ON VIEW apikeys_internal.usage_unflushed IS 'what shared memory has counted and the tables do not have yet; internal, for other views';

SELECT apikeys_internal.finish_update();
