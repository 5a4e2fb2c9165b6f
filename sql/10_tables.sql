/*
 * Tables.
 *
 * Every table that holds what people decided carries two columns at its end:
 * audit_id, the entry of the audit log that tells of the row's last change
 * (0: as the extension made it), and row_digest, the SHA-256 of the row.  Both
 * are set by triggers.  A row that is inserted with its right digest is a row
 * that comes out of a dump; it is taken as it is.  No foreign keys: a parallel
 * restore loads these tables in any order.
 */
CREATE SEQUENCE apikeys_internal.audit_id_seq AS bigint CACHE 1;
COMMENT ON SEQUENCE apikeys_internal.audit_id_seq IS 'numbers the entries of the audit log';

CREATE TABLE apikeys.workspace (
	workspace		text NOT NULL,
	name			text,
	prefix			text NOT NULL DEFAULT 'ak',
	archive_limit	integer NOT NULL DEFAULT 10,
	key_limit		integer,
	default_lifetime interval,
	max_lifetime	interval,
	rate_limit		integer,
	rate_window		interval,
	leak_action		text,
	former_prefixes	text[],
	created_at		timestamptz NOT NULL,
	created_by		text NOT NULL,
	updated_at		timestamptz,
	updated_by		text,
	audit_id		bigint NOT NULL,
	row_digest		bytea NOT NULL,
	CONSTRAINT workspace_pkey PRIMARY KEY (workspace)
);
/* for validation, which asks whether there is any */
CREATE INDEX workspace_limited ON apikeys.workspace (workspace) WHERE rate_limit IS NOT NULL;
COMMENT ON TABLE apikeys.workspace IS 'tenants: each has its own keys, secret prefix and archive limit';
COMMENT ON COLUMN apikeys.workspace.prefix IS 'what the secrets issued in this workspace begin with';
COMMENT ON COLUMN apikeys.workspace.former_prefixes IS 'what its secrets began with before, oldest first: some of them may still be valid';
COMMENT ON COLUMN apikeys.workspace.archive_limit IS 'how many archived keys are kept';
COMMENT ON COLUMN apikeys.workspace.key_limit IS 'how many keys that are not archived it may have; NULL: any number';
COMMENT ON COLUMN apikeys.workspace.default_lifetime IS 'a key created without an expiry expires after this; NULL: never';
COMMENT ON COLUMN apikeys.workspace.max_lifetime IS 'every expiry set must lie within this; NULL: no bound';
COMMENT ON COLUMN apikeys.workspace.rate_limit IS 'requests in rate_window that all its keys share; NULL: no limit';
COMMENT ON COLUMN apikeys.workspace.rate_window IS 'the time that rate_limit is for';
COMMENT ON COLUMN apikeys.workspace.leak_action IS 'what apikeys.report_leak() does with a key: disable, archive or log; NULL: disable';

CREATE TABLE apikeys.api (
	api				text NOT NULL,
	description		text,
	ordinal			integer NOT NULL,
	created_at		timestamptz NOT NULL,
	created_by		text NOT NULL,
	unregistered_at	timestamptz,
	unregistered_by	text,
	audit_id		bigint NOT NULL,
	row_digest		bytea NOT NULL,
	CONSTRAINT api_pkey PRIMARY KEY (api)
);
COMMENT ON TABLE apikeys.api IS 'the registry: what a key can be allowed to call; an unregistered API keeps its row, so that a restore does not bring it back';
COMMENT ON COLUMN apikeys.api.ordinal IS 'the registry''s order, in which API lists are stored';

CREATE TABLE apikeys.key (
	key_id			uuid NOT NULL,
	audit_id		bigint NOT NULL,
	key_hash		bytea NOT NULL,
	workspace		text NOT NULL,
	name			text NOT NULL,
	apis			text[] NOT NULL,
	team			text,
	expires_at		timestamptz,
	archived_at		timestamptz,
	disabled_at		timestamptz,
	old_key_hash	bytea,
	old_valid_until	timestamptz,
	allowed_cidrs	cidr[],
	rate_limit		integer,
	rate_window		interval,
	quota			bigint,
	quota_period	text,
	owner			text,
	metadata		jsonb,
	hint			text,
	name_folded		bytea NOT NULL,
	created_at		timestamptz NOT NULL,
	created_by		text NOT NULL,
	updated_at		timestamptz,
	updated_by		text,
	regenerated_at	timestamptz,
	regenerated_by	text,
	disabled_by		text,
	archived_by		text,
	row_digest		bytea NOT NULL,
	CONSTRAINT key_pkey PRIMARY KEY (key_id),
	/* a btree: the hashes of imported keys are chosen by others, who could fill one bucket of a hash index */
	CONSTRAINT key_key_hash_key UNIQUE (key_hash)
	/* no CHECK, which would be parsed for each statement: the guard says what a row must be */
);
CREATE UNIQUE INDEX key_old_key_hash ON apikeys.key (old_key_hash) WHERE old_key_hash IS NOT NULL;
/* the name first, so that key_id() finds it in any workspace */
CREATE UNIQUE INDEX key_active_name ON apikeys.key (name_folded, workspace) WHERE archived_at IS NULL;
/* newest first, of one workspace and of all; disabled_at, so that the active ones are counted in the index alone */
CREATE INDEX key_active ON apikeys.key (workspace, created_at, key_id) INCLUDE (disabled_at) WHERE archived_at IS NULL;
CREATE INDEX key_active_everywhere ON apikeys.key (created_at, key_id) INCLUDE (disabled_at) WHERE archived_at IS NULL;
CREATE INDEX key_archived ON apikeys.key (workspace, archived_at, key_id) WHERE archived_at IS NOT NULL;
CREATE INDEX key_archived_everywhere ON apikeys.key (archived_at, key_id) WHERE archived_at IS NOT NULL;
CREATE INDEX key_owner ON apikeys.key (workspace, owner) WHERE owner IS NOT NULL;
COMMENT ON TABLE apikeys.key IS 'keys, active and archived; of a secret only its SHA-256 is here';
COMMENT ON COLUMN apikeys.key.key_hash IS 'SHA-256 of the current secret';
COMMENT ON COLUMN apikeys.key.old_key_hash IS 'SHA-256 of the old secret, which the current one replaced';
COMMENT ON COLUMN apikeys.key.old_valid_until IS 'the old secret is valid until then';
COMMENT ON COLUMN apikeys.key.disabled_at IS 'since when the key is paused; NULL: it is not';
COMMENT ON COLUMN apikeys.key.quota IS 'valid requests in quota_period; NULL: any number';
COMMENT ON COLUMN apikeys.key.quota_period IS 'hour, day, week, month (of UTC) or total';
COMMENT ON COLUMN apikeys.key.owner IS 'whose key it is, in the words of the application';
COMMENT ON COLUMN apikeys.key.name_folded IS 'what the name is compared by: in UTF-8, composed (NFC), without regard to case';
COMMENT ON COLUMN apikeys.key.hint IS 'prefix and last characters of the secret, for people to recognize it by';

CREATE TABLE apikeys.team_member (
	workspace		text NOT NULL,
	actor			text NOT NULL,
	team			text NOT NULL,
	audit_id		bigint NOT NULL,
	row_digest		bytea NOT NULL,
	CONSTRAINT team_member_pkey PRIMARY KEY (workspace, actor)
);
COMMENT ON TABLE apikeys.team_member IS 'the team that an actor acts for in a workspace, where apikeys.act_as() names none';

CREATE TABLE apikeys.access (
	role			name NOT NULL,
	capability		text NOT NULL,
	workspace		text,
	grant_id		uuid NOT NULL,
	audit_id		bigint NOT NULL,
	row_digest		bytea NOT NULL,
	CONSTRAINT access_pkey PRIMARY KEY (grant_id)
);
/* not unique: roles swap their names one after the other */
CREATE INDEX access_role_capability ON apikeys.access (role, capability);
COMMENT ON TABLE apikeys.access IS 'what each role may do, and in which workspace (NULL: in all); roles are named, so that a dump can be restored where one is missing';
COMMENT ON COLUMN apikeys.access.role IS 'the name of the role; its OID is in apikeys_internal.access_role';

/* Not dumped: where a dump is restored, the same oid may be another role's. */
CREATE TABLE apikeys_internal.access_role (
	grant_id		uuid NOT NULL,
	roleid			oid NOT NULL,
	CONSTRAINT access_role_pkey PRIMARY KEY (grant_id)
);
CREATE INDEX access_role_roleid ON apikeys_internal.access_role (roleid);
COMMENT ON TABLE apikeys_internal.access_role IS 'the role of each access: a renamed role keeps its accesses, and no other role gets them by its name; an access without a row here waits for apikeys.regrant_access()';
COMMENT ON COLUMN apikeys_internal.access_role.grant_id IS 'the grant_id of the access';
COMMENT ON COLUMN apikeys_internal.access_role.roleid IS 'the oid of the role in pg_roles';

CREATE TABLE apikeys.audit_log (
	audit_id		bigint NOT NULL,
	"time"			timestamptz NOT NULL,
	workspace		text,
	team			text,
	entity			text NOT NULL,
	action			text NOT NULL,
	activity		text NOT NULL,
	actor			text NOT NULL,
	ip				inet,
	subject			jsonb NOT NULL,
	key_id			uuid,
	key_name		text,
	changes			jsonb,
	db_user			text NOT NULL,
	row_digest		bytea,
	digest			bytea NOT NULL,
	CONSTRAINT audit_log_pkey PRIMARY KEY (audit_id)
);
/* for every filter of a search, its entries in order (logscan.c); the last has a bucket for 8192 entries */
CREATE INDEX audit_log_key_id ON apikeys.audit_log (key_id, audit_id) WHERE key_id IS NOT NULL;
CREATE INDEX audit_log_workspace ON apikeys.audit_log (workspace, audit_id) WHERE workspace IS NOT NULL;
CREATE INDEX audit_log_team ON apikeys.audit_log (team COLLATE "C", audit_id) WHERE team IS NOT NULL;
CREATE INDEX audit_log_actor ON apikeys.audit_log (actor COLLATE "C", audit_id);
CREATE INDEX audit_log_entity ON apikeys.audit_log (entity COLLATE "C", action COLLATE "C", audit_id);
CREATE INDEX audit_log_time ON apikeys.audit_log ((audit_id >> 13), "time");
/* for a purge: the entries of a thing that is no key; an access is what its grant_id says */
CREATE INDEX audit_log_subject ON apikeys.audit_log ((COALESCE(subject -> 'grant_id', subject)), audit_id)
	WHERE key_id IS NULL;
/* for a purge: the entries that record dropped keys */
CREATE INDEX audit_log_evicted ON apikeys.audit_log (workspace, audit_id) WHERE changes ? 'evicted';
COMMENT ON TABLE apikeys.audit_log IS 'who did what: one row for one action, never changed';
COMMENT ON COLUMN apikeys.audit_log.subject IS 'what the entry is about: the columns that identify it';
COMMENT ON COLUMN apikeys.audit_log.row_digest IS 'row_digest of the row after this action; NULL if there is none';
COMMENT ON COLUMN apikeys.audit_log.digest IS 'the hash of the leaf in the tree: SHA-256 of a byte 0 and the canonical bytes of this entry';

CREATE TABLE apikeys.audit_tree (
	workspace		text NOT NULL,
	position		bigint NOT NULL,
	audit_id		bigint,
	sequence		bigint NOT NULL,
	level			smallint NOT NULL,
	hashes			bytea NOT NULL,
	CONSTRAINT audit_tree_pkey PRIMARY KEY (workspace, position)
);
CREATE UNIQUE INDEX audit_tree_audit_id ON apikeys.audit_tree (audit_id) WHERE audit_id IS NOT NULL;
CREATE UNIQUE INDEX audit_tree_sequence ON apikeys.audit_tree (sequence);
CREATE INDEX audit_tree_purged ON apikeys.audit_tree (workspace, position) WHERE audit_id IS NULL;
COMMENT ON TABLE apikeys.audit_tree IS 'the Merkle trees (RFC 6962) of the entries of each workspace, with a row for each leaf';
COMMENT ON COLUMN apikeys.audit_tree.workspace IS 'the workspace of the tree; '''': the tree of the entries that belong to none';
COMMENT ON COLUMN apikeys.audit_tree.position IS 'the position of the leaf, from 0';
COMMENT ON COLUMN apikeys.audit_tree.audit_id IS 'the entry; NULL: the row stands for a subtree of purged entries that ends here';
COMMENT ON COLUMN apikeys.audit_tree.sequence IS 'the number of the leaf in apikeys.audit_feed(), unique in the database';
COMMENT ON COLUMN apikeys.audit_tree.level IS 'the level of the first hash: the row stands for 2^level leaves; 0 for an entry';
COMMENT ON COLUMN apikeys.audit_tree.hashes IS 'the hashes of the complete subtrees that end with this leaf, from level upwards, 32 bytes each';

CREATE TABLE apikeys.audit_size (
	workspace		text NOT NULL,
	size			bigint NOT NULL,
	logged_at		timestamptz,
	CONSTRAINT audit_size_pkey PRIMARY KEY (workspace, size)
);
/* for metrics() */
CREATE INDEX audit_size_logged_at ON apikeys.audit_size (logged_at) WHERE logged_at IS NOT NULL;
COMMENT ON TABLE apikeys.audit_size IS 'the sizes of trees for which checkpoints may exist: a purge keeps the hashes by which these are verified';
COMMENT ON COLUMN apikeys.audit_size.workspace IS 'the workspace of the tree; '''': the tree of the entries that belong to none';
COMMENT ON COLUMN apikeys.audit_size.size IS 'the number of leaves';
COMMENT ON COLUMN apikeys.audit_size.logged_at IS 'when the checkpoint was written to the server log; NULL: it was not';

/*
 * Not dumped: loaded by a restore before the entries, or between them, it would
 * make the sequencer work on half a log.
 */
CREATE TABLE apikeys_internal.audit_pending (
	audit_id		bigint NOT NULL,
	CONSTRAINT audit_pending_pkey PRIMARY KEY (audit_id)
);
COMMENT ON TABLE apikeys_internal.audit_pending IS 'entries that are not in a tree yet; 0: restored or replicated entries may be missing here';

/* Not dumped: the tags of locks mean something in this database alone. */
CREATE TABLE apikeys_internal.lock_salt (
	salt			uuid NOT NULL,
	CONSTRAINT lock_salt_pkey PRIMARY KEY (salt)
);
COMMENT ON TABLE apikeys_internal.lock_salt IS 'hashed with a name, it gives the tag of the name''s lock, so that pg_locks, which every role can read, shows no name';
COMMENT ON COLUMN apikeys_internal.lock_salt.salt IS 'random';

/* Restored, a queued report is held (a trigger): a copy of a database must not mail anybody by itself. */
CREATE TABLE apikeys_internal.report (
	report_id		uuid NOT NULL,
	workspace		text,
	scope			text[],
	recipient		text NOT NULL,
	filters			jsonb,
	entries			bigint,
	size			bigint,
	encrypted		boolean NOT NULL,
	asked_at		timestamptz NOT NULL,
	asked_by		text NOT NULL,
	state			text NOT NULL,
	queued_at		timestamptz NOT NULL,
	attempts		integer NOT NULL DEFAULT 0,
	next_attempt_at	timestamptz,
	finished_at		timestamptz,
	last_error		text,
	id_domain		text,
	content			bytea,
	origin			text,
	CONSTRAINT report_pkey PRIMARY KEY (report_id),
	CONSTRAINT report_state_check CHECK (state = ANY (ARRAY['queued', 'held', 'sent', 'failed']))
);
CREATE INDEX report_queue ON apikeys_internal.report (next_attempt_at) WHERE state = 'queued';
COMMENT ON TABLE apikeys_internal.report IS 'audit logs to be mailed, and those that were';
COMMENT ON COLUMN apikeys_internal.report.workspace IS 'the workspace of the entries; NULL: several, or all';
COMMENT ON COLUMN apikeys_internal.report.scope IS 'the workspaces whose entries it may hold; NULL: all';
COMMENT ON COLUMN apikeys_internal.report.size IS 'bytes of the CSV';
COMMENT ON COLUMN apikeys_internal.report.id_domain IS 'what follows the @ in Message-ID; NULL before the first attempt';
COMMENT ON COLUMN apikeys_internal.report.origin IS 'the database that queued it, as <system identifier>/<oid>: in any other, the report is held';
COMMENT ON COLUMN apikeys_internal.report.content IS 'the CSV, encrypted if that was asked for; NULL once it is sent';

/*
 * What was counted (flush.c).  No digest and no trigger: these are figures, not
 * decisions.  key_id all zero, api and workspace '': none.
 */
CREATE TABLE apikeys_internal.usage (
	key_id			uuid NOT NULL,
	api				text NOT NULL,
	code			text NOT NULL,
	old_secret		boolean NOT NULL,
	workspace		text NOT NULL,
	count			bigint NOT NULL,
	last_at			timestamptz NOT NULL,
	last_client		inet,
	CONSTRAINT usage_pkey PRIMARY KEY (key_id, api, code, old_secret)
) WITH (fillfactor = 70);
COMMENT ON TABLE apikeys_internal.usage IS 'requests by key, API and code: all of them, as of the last flush';
COMMENT ON COLUMN apikeys_internal.usage.old_secret IS 'whether the requests came with the old secret';

CREATE TABLE apikeys_internal.usage_hour (
	key_id			uuid NOT NULL,
	hour			timestamptz NOT NULL,
	api				text NOT NULL,
	code			text NOT NULL,
	old_secret		boolean NOT NULL,
	workspace		text NOT NULL,
	count			bigint NOT NULL,
	last_at			timestamptz NOT NULL,
	last_client		inet,
	slot			bigint NOT NULL,
	slot_count		bigint NOT NULL,
	CONSTRAINT usage_hour_pkey PRIMARY KEY (key_id, hour, api, code, old_secret)
) WITH (fillfactor = 70);
/* rows come in the order of their hours */
CREATE INDEX usage_hour_hour ON apikeys_internal.usage_hour USING brin (hour);
COMMENT ON TABLE apikeys_internal.usage_hour IS 'requests by key, API, code and hour, as of the last flush';
COMMENT ON COLUMN apikeys_internal.usage_hour.slot IS 'the number of the slot in shared memory that was last flushed into this row';
COMMENT ON COLUMN apikeys_internal.usage_hour.slot_count IS 'the count of that slot at the time';

/* What lists and metrics read, which must not add up the usage of all keys; written by the same flush. */
CREATE TABLE apikeys_internal.key_use (
	key_id			uuid NOT NULL,
	last_used_at	timestamptz NOT NULL,
	CONSTRAINT key_use_pkey PRIMARY KEY (key_id)
) WITH (fillfactor = 70);
COMMENT ON TABLE apikeys_internal.key_use IS 'the last valid request with each key, as of the last flush';

CREATE TABLE apikeys_internal.usage_total (
	workspace		text NOT NULL,
	api				text NOT NULL,
	code			text NOT NULL,
	count			bigint NOT NULL,
	old_secret		bigint NOT NULL,
	last_at			timestamptz NOT NULL,
	last_client		inet,
	CONSTRAINT usage_total_pkey PRIMARY KEY (workspace, api, code)
) WITH (fillfactor = 70);
COMMENT ON TABLE apikeys_internal.usage_total IS 'requests by workspace, API and code, also with keys that were dropped since, as of the last flush';
COMMENT ON COLUMN apikeys_internal.usage_total.old_secret IS 'how many of these requests came with the old secret';

/* Not dumped: it is counted again. */
CREATE TABLE apikeys_internal.key_total (
	workspace		text NOT NULL,
	counted_at		timestamptz NOT NULL,
	active			bigint NOT NULL,
	disabled		bigint NOT NULL,
	archived		bigint NOT NULL,
	expired			bigint NOT NULL,
	expiring_1d		bigint NOT NULL,
	expiring_7d		bigint NOT NULL,
	expiring_30d	bigint NOT NULL,
	CONSTRAINT key_total_pkey PRIMARY KEY (workspace)
) WITH (fillfactor = 70);
COMMENT ON TABLE apikeys_internal.key_total IS 'the number of keys of each workspace, as the worker last counted them';
COMMENT ON COLUMN apikeys_internal.key_total.workspace IS 'the workspace; '''': all workspaces together';
COMMENT ON COLUMN apikeys_internal.key_total.counted_at IS 'when the keys were counted; of a single workspace, when a number last changed';
COMMENT ON COLUMN apikeys_internal.key_total.active IS 'active, whether they have expired or not';
COMMENT ON COLUMN apikeys_internal.key_total.expired IS 'those that are active or disabled, and have expired';

/* What is used of quotas (quota.c): of each key that has one, in the period that is told. */
CREATE TABLE apikeys_internal.quota_used (
	key_id			uuid NOT NULL,
	period			text NOT NULL,
	since			timestamptz NOT NULL,
	used			bigint NOT NULL,
	CONSTRAINT quota_used_pkey PRIMARY KEY (key_id)
) WITH (fillfactor = 70);
COMMENT ON TABLE apikeys_internal.quota_used IS 'how much of its quota each key has used, as of the last flush';
COMMENT ON COLUMN apikeys_internal.quota_used.period IS 'hour, day, week, month or total';
COMMENT ON COLUMN apikeys_internal.quota_used.since IS 'the beginning of the period; -infinity for total';
COMMENT ON COLUMN apikeys_internal.quota_used.used IS 'the costs of the valid requests in the period, added up';
