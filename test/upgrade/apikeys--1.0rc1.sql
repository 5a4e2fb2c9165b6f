/*
 * The install script of apikeys is made of the files NN_*.sql, in their order:
 * schemas, tables, row types, triggers, what is there from the start, functions
 * and views by topic, and last the privileges.
 *
 * The extension's own "schema" is pg_catalog and its two schemas are made here,
 * so that CREATE EXTENSION fails, rather than adopts them, when somebody else
 * made schemas of these names before.
 */
\echo Use "CREATE EXTENSION apikeys" to load this file. \quit

/*
 * CREATE EXTENSION puts the schemas of what is required, often public, into the
 * search_path; nothing in them shall be taken for an operator or a function of
 * PostgreSQL.  Views, constraints and indexes are stored as what is found now.
 */
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA apikeys;
COMMENT ON SCHEMA apikeys IS 'API keys: issue, validate, rotate, archive and audit them';
CREATE SCHEMA apikeys_internal;
COMMENT ON SCHEMA apikeys_internal IS 'what apikeys keeps for itself';

/*
 * pgcrypto is a trusted extension: any role with CREATE on the database may
 * have created it, in a schema of its own.  Dropping either would drop apikeys,
 * so both must belong to a superuser or to the owner of the database.
 */
DO $$
DECLARE
	stranger name;
BEGIN
	SELECT	r.rolname INTO stranger
	FROM	pg_extension e
	JOIN	pg_namespace n ON n.oid = e.extnamespace
	JOIN	pg_database d ON d.datname = current_database()
	JOIN	pg_roles r ON r.oid IN (e.extowner, n.nspowner)
	WHERE	e.extname = 'pgcrypto' AND NOT r.rolsuper AND r.oid <> d.datdba AND r.rolname <> 'pg_database_owner'
	LIMIT	1;
	IF FOUND THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('extension "pgcrypto" or its schema belongs to role "%s"', stranger),
			DETAIL = 'Who drops it would drop apikeys and all keys.',
			HINT = 'Have a superuser or the owner of the database create pgcrypto, in a schema such as public.';
	END IF;
END
$$;
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
	CONSTRAINT key_key_hash_key UNIQUE (key_hash),
	CONSTRAINT key_key_hash_check CHECK (octet_length(key_hash) = 32),
	CONSTRAINT key_old_key_hash_check CHECK (octet_length(old_key_hash) = 32)
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
COMMENT ON TABLE apikeys.access IS 'what each role may do, and in which workspace (NULL: in all); by name, so that a dump restores where a role is missing';
COMMENT ON COLUMN apikeys.access.role IS 'the name of the role; which role that is, access_role says';

/* Not dumped: where a dump is restored, the same oid may be another role's. */
CREATE TABLE apikeys_internal.access_role (
	grant_id		uuid NOT NULL,
	roleid			oid NOT NULL,
	CONSTRAINT access_role_pkey PRIMARY KEY (grant_id)
);
CREATE INDEX access_role_roleid ON apikeys_internal.access_role (roleid);
COMMENT ON TABLE apikeys_internal.access_role IS 'the role of each access: a renamed role keeps it, and no other role inherits it by its name; an access without its row here waits for apikeys.regrant_access()';
COMMENT ON COLUMN apikeys_internal.access_role.grant_id IS 'of apikeys.access';
COMMENT ON COLUMN apikeys_internal.access_role.roleid IS 'of pg_roles';

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
COMMENT ON COLUMN apikeys.audit_log.subject IS 'what the entry tells of, as data: the columns that identify it';
COMMENT ON COLUMN apikeys.audit_log.row_digest IS 'row_digest of the row as this action left it; NULL when it left none';
COMMENT ON COLUMN apikeys.audit_log.digest IS 'the leaf''s hash in the tree: SHA-256 of a byte 0 and this entry''s canonical bytes';

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
COMMENT ON TABLE apikeys.audit_tree IS 'the Merkle tree (RFC 6962) of each workspace''s entries, one row a leaf; workspace '''' for what belongs to none';
COMMENT ON COLUMN apikeys.audit_tree.workspace IS 'whose tree; '''': of what belongs to no workspace';
COMMENT ON COLUMN apikeys.audit_tree.position IS 'of the leaf, from 0';
COMMENT ON COLUMN apikeys.audit_tree.audit_id IS 'the entry; NULL: a subtree of purged entries ends here';
COMMENT ON COLUMN apikeys.audit_tree.sequence IS 'its number in the feed, one sequence for the database';
COMMENT ON COLUMN apikeys.audit_tree.level IS 'of the first hash: the row stands for 2^level leaves; 0 for an entry';
COMMENT ON COLUMN apikeys.audit_tree.hashes IS 'of the complete subtrees that end with this leaf, from level upwards, 32 bytes each';

CREATE TABLE apikeys.audit_size (
	workspace		text NOT NULL,
	size			bigint NOT NULL,
	logged_at		timestamptz,
	CONSTRAINT audit_size_pkey PRIMARY KEY (workspace, size)
);
/* for metrics() */
CREATE INDEX audit_size_logged_at ON apikeys.audit_size (logged_at) WHERE logged_at IS NOT NULL;
COMMENT ON TABLE apikeys.audit_size IS 'the sizes of trees for which there may be checkpoints: a purge leaves what these are confirmed by';
COMMENT ON COLUMN apikeys.audit_size.workspace IS 'whose tree; '''': of what belongs to no workspace';
COMMENT ON COLUMN apikeys.audit_size.size IS 'how many leaves the tree had';
COMMENT ON COLUMN apikeys.audit_size.logged_at IS 'when the checkpoint was written to the server log; NULL: it was not';

/*
 * Not dumped: loaded by a restore before the entries, or between them, it would
 * make the sequencer work on half a log.
 */
CREATE TABLE apikeys_internal.audit_pending (
	audit_id		bigint NOT NULL,
	CONSTRAINT audit_pending_pkey PRIMARY KEY (audit_id)
);
COMMENT ON TABLE apikeys_internal.audit_pending IS 'entries that are not in the tree yet; 0: entries that were restored or replicated may be missing here';

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
COMMENT ON COLUMN apikeys_internal.report.workspace IS 'whose entries; NULL: those of several, or of all';
COMMENT ON COLUMN apikeys_internal.report.scope IS 'the workspaces whose entries it may hold; NULL: all';
COMMENT ON COLUMN apikeys_internal.report.size IS 'bytes of the CSV';
COMMENT ON COLUMN apikeys_internal.report.id_domain IS 'what follows the @ in Message-ID; NULL before the first attempt';
COMMENT ON COLUMN apikeys_internal.report.origin IS 'the database that queued it, as <system identifier>/<oid>: queued in another, it is held';
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
COMMENT ON TABLE apikeys_internal.usage IS 'how often requests of a key, for an API, ended with a code: in total, as far as flushed';
COMMENT ON COLUMN apikeys_internal.usage.old_secret IS 'the requests came with the old secret';

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
COMMENT ON TABLE apikeys_internal.usage_hour IS 'the same by the hour in which it was counted';
COMMENT ON COLUMN apikeys_internal.usage_hour.slot IS 'the slot in shared memory that was flushed here last';
COMMENT ON COLUMN apikeys_internal.usage_hour.slot_count IS 'what that slot had counted then';

/* What lists and metrics read, which must not add up the usage of all keys; written by the same flush. */
CREATE TABLE apikeys_internal.key_use (
	key_id			uuid NOT NULL,
	last_used_at	timestamptz NOT NULL,
	CONSTRAINT key_use_pkey PRIMARY KEY (key_id)
) WITH (fillfactor = 70);
COMMENT ON TABLE apikeys_internal.key_use IS 'when each key was valid last, as far as flushed';

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
COMMENT ON TABLE apikeys_internal.usage_total IS 'usage of all keys of a workspace together, also of those that were dropped since, as far as flushed';
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
COMMENT ON TABLE apikeys_internal.key_total IS 'how many keys there were when the worker counted them last';
COMMENT ON COLUMN apikeys_internal.key_total.workspace IS 'whose keys; empty: of all workspaces';
COMMENT ON COLUMN apikeys_internal.key_total.counted_at IS 'of a workspace, when the figures changed last';
COMMENT ON COLUMN apikeys_internal.key_total.active IS 'active, whether they have expired or not';
COMMENT ON COLUMN apikeys_internal.key_total.expired IS 'of those that are active or disabled';

/* What is used of quotas (quota.c): of each key that has one, in the period that is told. */
CREATE TABLE apikeys_internal.quota_used (
	key_id			uuid NOT NULL,
	period			text NOT NULL,
	since			timestamptz NOT NULL,
	used			bigint NOT NULL,
	CONSTRAINT quota_used_pkey PRIMARY KEY (key_id)
) WITH (fillfactor = 70);
COMMENT ON TABLE apikeys_internal.quota_used IS 'how much of its quota a key has used, as far as flushed';
COMMENT ON COLUMN apikeys_internal.quota_used.period IS 'hour, day, week, month or total';
COMMENT ON COLUMN apikeys_internal.quota_used.since IS 'when the period began that the figure is of; -infinity for total';
COMMENT ON COLUMN apikeys_internal.quota_used.used IS 'valid requests, each as often as its cost';
/*
 * Row types.
 */
CREATE TYPE apikeys.key_detail AS (
	key_id			uuid,
	workspace		text,
	name			text,
	state			text,
	apis			text[],
	access			text,
	team			text,
	owner			text,
	hint			text,
	expires_at		timestamptz,
	allowed_cidrs	text[],
	rate_limit		integer,
	rate_window		interval,
	quota			bigint,
	quota_period	text,
	quota_used		bigint,
	metadata		jsonb,
	created_at		timestamptz,
	created_by		text,
	updated_at		timestamptz,
	updated_by		text,
	regenerated_at	timestamptz,
	regenerated_by	text,
	old_valid_until	timestamptz,
	disabled_at		timestamptz,
	disabled_by		text,
	archived_at		timestamptz,
	archived_by		text,
	last_used_at	timestamptz
);
COMMENT ON TYPE apikeys.key_detail IS 'a key as people see it; state is active, disabled or archived, access Full or Partial';

CREATE TYPE apikeys.issued_key AS (
	key				text,
	key_id			uuid,
	workspace		text,
	name			text,
	state			text,
	apis			text[],
	access			text,
	team			text,
	owner			text,
	hint			text,
	expires_at		timestamptz,
	allowed_cidrs	text[],
	rate_limit		integer,
	rate_window		interval,
	quota			bigint,
	quota_period	text,
	quota_used		bigint,
	metadata		jsonb,
	created_at		timestamptz,
	created_by		text,
	updated_at		timestamptz,
	updated_by		text,
	regenerated_at	timestamptz,
	regenerated_by	text,
	old_valid_until	timestamptz,
	disabled_at		timestamptz,
	disabled_by		text,
	archived_at		timestamptz,
	archived_by		text,
	last_used_at	timestamptz
);
COMMENT ON TYPE apikeys.issued_key IS 'what create_key and regenerate_key return: the only time that a secret is seen, and the key that it is of';

CREATE TYPE apikeys.listed_key AS (
	total			bigint,
	key_id			uuid,
	workspace		text,
	name			text,
	state			text,
	apis			text[],
	access			text,
	team			text,
	owner			text,
	hint			text,
	expires_at		timestamptz,
	allowed_cidrs	text[],
	rate_limit		integer,
	rate_window		interval,
	quota			bigint,
	quota_period	text,
	quota_used		bigint,
	metadata		jsonb,
	created_at		timestamptz,
	created_by		text,
	updated_at		timestamptz,
	updated_by		text,
	regenerated_at	timestamptz,
	regenerated_by	text,
	old_valid_until	timestamptz,
	disabled_at		timestamptz,
	disabled_by		text,
	archived_at		timestamptz,
	archived_by		text,
	last_used_at	timestamptz
);
COMMENT ON TYPE apikeys.listed_key IS 'a key in a list, with the number of keys that the whole list has';

CREATE TYPE apikeys.verdict AS (
	valid			boolean,
	code			text,
	http_status		smallint,
	key_id			uuid,
	workspace		text,
	name			text,
	team			text,
	owner			text,
	apis			text[],
	expires_at		timestamptz,
	old_valid_until	timestamptz,
	retry_after		integer,
	rate_limit		integer,
	rate_window		integer,
	rate_remaining	integer,
	rate_reset		integer,
	quota			bigint,
	quota_remaining	bigint,
	quota_reset		integer,
	metadata		jsonb
);
COMMENT ON TYPE apikeys.verdict IS 'the answer to a request: show its client the http_status, keep the rest';
COMMENT ON COLUMN apikeys.verdict.retry_after IS 'seconds until the request would be allowed; NULL unless http_status is 429, and where waiting does not help';
COMMENT ON COLUMN apikeys.verdict.rate_limit IS 'the tighter of the rate limits of key and workspace, as the next three';
COMMENT ON COLUMN apikeys.verdict.rate_window IS 'in seconds';
COMMENT ON COLUMN apikeys.verdict.rate_remaining IS 'requests that are left at once, after this one';
COMMENT ON COLUMN apikeys.verdict.rate_reset IS 'seconds until nothing of the limit is used up';
COMMENT ON COLUMN apikeys.verdict.quota_remaining IS 'what is left of the quota in this period, after this request';
COMMENT ON COLUMN apikeys.verdict.quota_reset IS 'seconds until the next period begins; NULL if none does';

CREATE TYPE apikeys.audit_verdict AS (
	workspace		text,
	entries			bigint,
	ok				boolean,
	first_bad		bigint,
	problem			text,
	root			bytea
);
COMMENT ON TYPE apikeys.audit_verdict IS 'the outcome of verifying one workspace''s log; first_bad is an audit_id';

/* a delta that leaves what an older library would misread drops it, and creates the next (catalog.h) */
CREATE TYPE apikeys_internal.layout_1 AS ();
COMMENT ON TYPE apikeys_internal.layout_1 IS 'the layout of tables and results, which the library must know';
/*
 * Triggers.
 *
 * guard_*: what must never happen, and what every row must be.  audit: one
 * entry for one change.  Where ENABLE ALWAYS stands, a logical replication
 * worker needs the trigger too.
 */
CREATE FUNCTION apikeys_internal.guard_key() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_key';
COMMENT ON FUNCTION apikeys_internal.guard_key() IS 'trigger: the rules of the key table';
CREATE FUNCTION apikeys_internal.unique_hash() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_unique_hash';
COMMENT ON FUNCTION apikeys_internal.unique_hash() IS 'trigger: no new key_hash is the old_key_hash of a key';
CREATE FUNCTION apikeys_internal.archive_limit() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_archive_limit';
COMMENT ON FUNCTION apikeys_internal.archive_limit() IS 'trigger: beyond the archive limit, drops the keys archived first';
CREATE FUNCTION apikeys_internal.guard_row() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_row';
COMMENT ON FUNCTION apikeys_internal.guard_row() IS 'trigger: the rules of workspace, api, team_member and access';
CREATE FUNCTION apikeys_internal.guard_log() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_log';
COMMENT ON FUNCTION apikeys_internal.guard_log() IS 'trigger: entries and trees are made by this extension or come out of a dump, and are never changed';
CREATE FUNCTION apikeys_internal.entry_arrived() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_entry_arrived';
COMMENT ON FUNCTION apikeys_internal.entry_arrived() IS 'trigger: entries that come by replication get a place in a tree should this database take over, and its own come after them';
CREATE FUNCTION apikeys_internal.guard_truncate() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_truncate';
COMMENT ON FUNCTION apikeys_internal.guard_truncate() IS 'trigger: no TRUNCATE';
CREATE FUNCTION apikeys_internal.make_way() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_make_way';
COMMENT ON FUNCTION apikeys_internal.make_way() IS 'trigger: what the extension came with gives way to the restored or replicated row of the same name';
CREATE FUNCTION apikeys_internal.audit() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_audit';
COMMENT ON FUNCTION apikeys_internal.audit() IS 'trigger: writes the entry that tells of a change';
CREATE FUNCTION apikeys_internal.invalidate() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_invalidate';
COMMENT ON FUNCTION apikeys_internal.invalidate() IS 'trigger: what every backend remembers of this table is outdated at commit';

CREATE FUNCTION apikeys_internal.keep_here() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_keep_here';
COMMENT ON FUNCTION apikeys_internal.keep_here() IS 'trigger: what another database replicates into this table is left out';

CREATE FUNCTION apikeys_internal.guard_report() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_report';
COMMENT ON FUNCTION apikeys_internal.guard_report() IS 'trigger: a report that is restored or replicated is held; none is changed by hand';

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_key();
/* triggers fire in the order of their names; what is before audit may add to the entry that it writes */
CREATE TRIGGER archive_limit AFTER UPDATE ON apikeys.key FOR EACH ROW
	WHEN (OLD.archived_at IS NULL AND NEW.archived_at IS NOT NULL) EXECUTE FUNCTION apikeys_internal.archive_limit();
CREATE TRIGGER a_unique_hash AFTER INSERT ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys_internal.unique_hash();
CREATE TRIGGER a_unique_hash_again AFTER UPDATE ON apikeys.key FOR EACH ROW
	WHEN (OLD.key_hash <> NEW.key_hash) EXECUTE FUNCTION apikeys_internal.unique_hash();
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys_internal.audit();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.key EXECUTE FUNCTION apikeys_internal.guard_truncate();

CREATE TRIGGER a_make_way BEFORE INSERT ON apikeys.workspace FOR EACH ROW EXECUTE FUNCTION apikeys_internal.make_way();
ALTER TABLE apikeys.workspace ENABLE ALWAYS TRIGGER a_make_way;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.workspace FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_row();
CREATE TRIGGER archive_limit AFTER UPDATE ON apikeys.workspace FOR EACH ROW
	WHEN (NEW.archive_limit < OLD.archive_limit) EXECUTE FUNCTION apikeys_internal.archive_limit();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON apikeys.workspace FOR EACH ROW EXECUTE FUNCTION apikeys_internal.audit();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.workspace EXECUTE FUNCTION apikeys_internal.guard_truncate();

CREATE TRIGGER a_make_way BEFORE INSERT ON apikeys.api FOR EACH ROW EXECUTE FUNCTION apikeys_internal.make_way();
ALTER TABLE apikeys.api ENABLE ALWAYS TRIGGER a_make_way;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.api FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_row();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON apikeys.api FOR EACH ROW EXECUTE FUNCTION apikeys_internal.audit();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.api EXECUTE FUNCTION apikeys_internal.guard_truncate();

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.team_member FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_row();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON apikeys.team_member FOR EACH ROW EXECUTE FUNCTION apikeys_internal.audit();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.team_member EXECUTE FUNCTION apikeys_internal.guard_truncate();

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.access FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_row();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON apikeys.access FOR EACH ROW EXECUTE FUNCTION apikeys_internal.audit();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.access EXECUTE FUNCTION apikeys_internal.guard_truncate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON apikeys.access FOR EACH ROW EXECUTE FUNCTION apikeys_internal.invalidate();
ALTER TABLE apikeys.access ENABLE ALWAYS TRIGGER invalidate;
CREATE TRIGGER keep BEFORE INSERT OR UPDATE OR DELETE ON apikeys_internal.access_role FOR EACH ROW EXECUTE FUNCTION apikeys_internal.keep_here();
ALTER TABLE apikeys_internal.access_role ENABLE REPLICA TRIGGER keep;
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON apikeys_internal.access_role FOR EACH ROW EXECUTE FUNCTION apikeys_internal.invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON apikeys.api FOR EACH ROW EXECUTE FUNCTION apikeys_internal.invalidate();
ALTER TABLE apikeys.api ENABLE ALWAYS TRIGGER invalidate;
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON apikeys.workspace FOR EACH ROW EXECUTE FUNCTION apikeys_internal.invalidate();
ALTER TABLE apikeys.workspace ENABLE ALWAYS TRIGGER invalidate;

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.audit_log FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_log();
CREATE TRIGGER arrived BEFORE INSERT ON apikeys.audit_log FOR EACH ROW EXECUTE FUNCTION apikeys_internal.entry_arrived();
ALTER TABLE apikeys.audit_log ENABLE REPLICA TRIGGER arrived;
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.audit_log EXECUTE FUNCTION apikeys_internal.guard_truncate();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.audit_tree FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_log();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.audit_tree EXECUTE FUNCTION apikeys_internal.guard_truncate();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.audit_size FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_log();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.audit_size EXECUTE FUNCTION apikeys_internal.guard_truncate();

CREATE TRIGGER keep BEFORE INSERT OR UPDATE OR DELETE ON apikeys_internal.audit_pending FOR EACH ROW EXECUTE FUNCTION apikeys_internal.keep_here();
ALTER TABLE apikeys_internal.audit_pending ENABLE REPLICA TRIGGER keep;
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys_internal.audit_pending EXECUTE FUNCTION apikeys_internal.guard_truncate();

CREATE TRIGGER keep BEFORE INSERT OR UPDATE OR DELETE ON apikeys_internal.lock_salt FOR EACH ROW EXECUTE FUNCTION apikeys_internal.keep_here();
ALTER TABLE apikeys_internal.lock_salt ENABLE REPLICA TRIGGER keep;

CREATE TRIGGER hold BEFORE INSERT ON apikeys_internal.report FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_report();
ALTER TABLE apikeys_internal.report ENABLE ALWAYS TRIGGER hold;
CREATE TRIGGER guard BEFORE UPDATE ON apikeys_internal.report FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_report();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys_internal.report EXECUTE FUNCTION apikeys_internal.guard_truncate();
/*
 * What is there from the start, and what a dump holds.
 */
INSERT INTO apikeys.workspace (workspace, name) VALUES ('default', 'Default workspace');
INSERT INTO apikeys.api (api, description, ordinal) VALUES
	('data', 'Data API', 1),
	('segmentation', 'Segmentation API', 2),
	('push', 'Push API', 3);

INSERT INTO apikeys_internal.audit_pending (audit_id) VALUES (0);
INSERT INTO apikeys_internal.lock_salt (salt) VALUES (gen_random_uuid());

SELECT pg_extension_config_dump('apikeys_internal.audit_id_seq', '');
SELECT pg_extension_config_dump('apikeys.workspace', '');
SELECT pg_extension_config_dump('apikeys.api', '');
SELECT pg_extension_config_dump('apikeys.key', '');
SELECT pg_extension_config_dump('apikeys.team_member', '');
/* of roles that are there, and under no name that is another role's by now; pg_dump runs the condition */
SELECT pg_extension_config_dump('apikeys.access', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r
	LEFT JOIN apikeys_internal.access_role a ON a.grant_id OPERATOR(pg_catalog.=) access.grant_id
	WHERE CASE WHEN a.roleid IS NULL THEN r.rolname OPERATOR(pg_catalog.=) access.role
	ELSE r.oid OPERATOR(pg_catalog.=) a.roleid AND (r.rolname OPERATOR(pg_catalog.=) access.role
		OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles o WHERE o.rolname OPERATOR(pg_catalog.=) access.role)) END)');
SELECT pg_extension_config_dump('apikeys.audit_log', '');
SELECT pg_extension_config_dump('apikeys.audit_tree', '');
SELECT pg_extension_config_dump('apikeys.audit_size', '');
SELECT pg_extension_config_dump('apikeys_internal.report', '');
SELECT pg_extension_config_dump('apikeys_internal.usage', '');
SELECT pg_extension_config_dump('apikeys_internal.usage_hour', '');
SELECT pg_extension_config_dump('apikeys_internal.key_use', '');
SELECT pg_extension_config_dump('apikeys_internal.usage_total', '');
SELECT pg_extension_config_dump('apikeys_internal.quota_used', '');
/*
 * Keys.
 */
CREATE FUNCTION apikeys.create_key(name text, apis text[] = NULL, workspace text = NULL, team text = NULL, owner text = NULL,
	expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, quota bigint = NULL, quota_period text = NULL, metadata jsonb = NULL)
RETURNS apikeys.issued_key LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_create_key';
COMMENT ON FUNCTION apikeys.create_key(text, text[], text, text, text, timestamptz, text[], integer, interval, bigint, text, jsonb) IS
'creates a key with access to the named APIs; its secret, column key of the result, is seen this once';

CREATE FUNCTION apikeys.import_key(name text, apis text[], key_hash bytea, hint text = NULL, workspace text = NULL,
	team text = NULL, owner text = NULL,
	expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, quota bigint = NULL, quota_period text = NULL, metadata jsonb = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_import_key';
COMMENT ON FUNCTION apikeys.import_key(text, text[], bytea, text, text, text, text, timestamptz, text[], integer, interval, bigint, text, jsonb) IS
'adopts a key issued elsewhere from the SHA-256 of its whole text; its holder notices nothing';

CREATE FUNCTION apikeys.regenerate_key(key_id uuid, overlap interval = '0', reason text = NULL)
RETURNS apikeys.issued_key LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_regenerate_key';
COMMENT ON FUNCTION apikeys.regenerate_key(uuid, interval, text) IS
'gives a key a new secret; the old one is dead at commit, or valid for the overlap';

CREATE FUNCTION apikeys.end_overlap(key_id uuid)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_end_overlap';
COMMENT ON FUNCTION apikeys.end_overlap(uuid) IS 'ends the time in which a key''s old secret is still valid';

CREATE FUNCTION apikeys.update_key(key_id uuid, name text = NULL, apis text[] = NULL, team text = NULL, owner text = NULL,
	expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, quota bigint = NULL, quota_period text = NULL, metadata jsonb = NULL,
	if_updated_at timestamptz = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_update_key';
COMMENT ON FUNCTION apikeys.update_key(uuid, text, text[], text, text, timestamptz, text[], integer, interval, bigint, text, jsonb, timestamptz) IS
'edits a key; NULL keeps what is, '''' clears the team or owner, ''{}'' the addresses or the metadata, ''infinity'' the expiry, 0 the rate limit or quota; fails (40001) when the key was updated since if_updated_at, the updated_at or created_at that the caller has read';

CREATE FUNCTION apikeys.disable_key(key_id uuid, reason text = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_disable_key';
COMMENT ON FUNCTION apikeys.disable_key(uuid, text) IS 'pauses a key at commit, until enable_key';

CREATE FUNCTION apikeys.enable_key(key_id uuid, reason text = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_enable_key';
COMMENT ON FUNCTION apikeys.enable_key(uuid, text) IS 'ends the pause of a key; its expiry is what it was';

CREATE FUNCTION apikeys.archive_key(key_id uuid, reason text = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_archive_key';
COMMENT ON FUNCTION apikeys.archive_key(uuid, text) IS
'ends a key for good at commit; beyond the workspace''s archive limit the key archived first is dropped';

CREATE FUNCTION apikeys.revoke_key(key text, reason text = NULL)
RETURNS uuid LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_revoke_key';
COMMENT ON FUNCTION apikeys.revoke_key(text, text) IS
'a holder gives up a secret: the current one archives its key, an old one within its overlap ends the overlap; returns the key_id, NULL for any other text';

CREATE FUNCTION apikeys.key_details(key_id uuid)
RETURNS apikeys.key_detail LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_key_details';
COMMENT ON FUNCTION apikeys.key_details(uuid) IS 'one key, in any state';

CREATE FUNCTION apikeys.key_id(name text, workspace text = NULL)
RETURNS uuid LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_key_id';
COMMENT ON FUNCTION apikeys.key_id(text, text) IS 'the id of the key of that name that is not archived';

CREATE FUNCTION apikeys.identify_key(key text)
RETURNS SETOF apikeys.key_detail LANGUAGE C STABLE ROWS 1 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_identify_key';
COMMENT ON FUNCTION apikeys.identify_key(text) IS
'the key whose secret this is, current, old or archived; no row if it is no key''s; not counted as use';

CREATE FUNCTION apikeys.list_keys(workspace text = NULL, search text = NULL, state text = NULL, api text = NULL, team text = NULL,
	owner text = NULL, expires_before timestamptz = NULL, unused_since timestamptz = NULL, order_by text = 'created_at desc',
	max_rows integer = 50, skip integer = 0)
RETURNS SETOF apikeys.listed_key LANGUAGE C STABLE ROWS 50 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_list_keys';
COMMENT ON FUNCTION apikeys.list_keys(text, text, text, text, text, text, timestamptz, timestamptz, text, integer, integer) IS
'a page of keys: those that pass all filters, in an order; state null: not archived, all: in any state; search is a substring of name, owner or hint, or a whole key_id; total counts the rows without max_rows and skip';
/*
 * APIs, workspaces and teams.
 */
CREATE FUNCTION apikeys.register_api(api text, description text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_register_api';
COMMENT ON FUNCTION apikeys.register_api(text, text) IS 'adds an API to the registry; keys with Full access become Partial';

CREATE FUNCTION apikeys.unregister_api(api text)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_unregister_api';
COMMENT ON FUNCTION apikeys.unregister_api(text) IS 'removes an API that no active key uses from the registry';

CREATE FUNCTION apikeys.create_workspace(workspace text, name text = NULL, prefix text = NULL, archive_limit integer = NULL,
	key_limit integer = NULL, default_lifetime interval = NULL, max_lifetime interval = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, leak_action text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_create_workspace';
COMMENT ON FUNCTION apikeys.create_workspace(text, text, text, integer, integer, interval, interval, integer, interval, text) IS
'creates a workspace; prefix ak and archive limit 10 unless given, and no policy that is not';

CREATE FUNCTION apikeys.update_workspace(workspace text, name text = NULL, prefix text = NULL, archive_limit integer = NULL,
	key_limit integer = NULL, default_lifetime interval = NULL, max_lifetime interval = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, leak_action text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_update_workspace';
COMMENT ON FUNCTION apikeys.update_workspace(text, text, text, integer, integer, interval, interval, integer, interval, text) IS
'edits a workspace; NULL keeps what is, 0 clears key_limit or rate_limit, ''0'' a lifetime; a lower archive limit drops the keys archived first at once, 0 keeps none';

CREATE FUNCTION apikeys.drop_workspace(workspace text)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_drop_workspace';
COMMENT ON FUNCTION apikeys.drop_workspace(text) IS
'removes a workspace without keys that are not archived, with its archived keys, team members and accesses; its log stays and verifies';

CREATE FUNCTION apikeys.add_team_member(actor text, team text, workspace text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_add_team_member';
COMMENT ON FUNCTION apikeys.add_team_member(text, text, text) IS 'puts an actor into a team, or moves the actor there';

CREATE FUNCTION apikeys.remove_team_member(actor text, workspace text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_remove_team_member';
COMMENT ON FUNCTION apikeys.remove_team_member(text, text) IS 'takes an actor out of the team';
/*
 * Who acts, and who may do what.
 */
CREATE FUNCTION apikeys.act_as(actor text, team text = NULL, client text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_act_as';
COMMENT ON FUNCTION apikeys.act_as(text, text, text) IS
'names who does the management actions of the current transaction; the database user is recorded beside it';

CREATE FUNCTION apikeys.grant_access(role name, capability text, workspace text = '*')
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_grant_access';
COMMENT ON FUNCTION apikeys.grant_access(name, text, text) IS
'lets a role validate, view, manage, audit, admin or monitor, in one workspace or (*) in all';

CREATE FUNCTION apikeys.regrant_access()
RETURNS integer LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_regrant_access';
COMMENT ON FUNCTION apikeys.regrant_access() IS
'after a restore: gives the roles that there are again what is recorded for their names; returns how many accesses that were';

CREATE FUNCTION apikeys.revoke_access(role name, capability text, workspace text = '*')
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_revoke_access';
COMMENT ON FUNCTION apikeys.revoke_access(name, text, text) IS 'takes back what grant_access gave with the same arguments';

CREATE FUNCTION apikeys_internal.visible_workspaces(capability text)
RETURNS text[] LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_visible_workspaces_sql';
COMMENT ON FUNCTION apikeys_internal.visible_workspaces(text) IS
'the workspaces in which the current user has that capability, within the setting apikeys.workspace; '''' among them: also what belongs to none';

/*
 * What the views ask, so that each arm of them is planned for what it is.
 */
CREATE FUNCTION apikeys_internal.sees_everywhere(capability text)
RETURNS boolean LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_sees_everywhere_sql';
COMMENT ON FUNCTION apikeys_internal.sees_everywhere(text) IS
'has the current user that capability in every workspace and beside them, and is apikeys.workspace not set?';

CREATE FUNCTION apikeys_internal.only_workspace(capability text)
RETURNS text LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_only_workspace';
COMMENT ON FUNCTION apikeys_internal.only_workspace(text) IS
'the one workspace in which the current user has that capability, within the setting apikeys.workspace; NULL when there are none, several or all';

CREATE FUNCTION apikeys_internal.several_workspaces(capability text)
RETURNS text[] LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_several_workspaces';
COMMENT ON FUNCTION apikeys_internal.several_workspaces(text) IS
'the several workspaces in which the current user has that capability; NULL when there are none, one or all';

/*
 * Deltas, sql/apikeys--OLD--NEW.sql, end with a call of it.
 */
CREATE FUNCTION apikeys_internal.finish_update(made text[] = '{}')
RETURNS void LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_finish_update';
COMMENT ON FUNCTION apikeys_internal.finish_update(text[]) IS
'the end of an update of the extension: checks the tables, and gives roles what they need of the objects that the update created';
/*
 * Leaked secrets.
 */
CREATE FUNCTION apikeys.find_secrets(content text, OUT key text, OUT valid_checksum boolean, OUT key_id uuid, OUT workspace text,
	OUT name text, OUT state text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 1 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_find_secrets';
COMMENT ON FUNCTION apikeys.find_secrets(text) IS
'the secrets of our shape in a text, in its order, and their keys; key_id and what follows is NULL for the secret of no key, or of one that the current user may not see; not counted as use';

CREATE FUNCTION apikeys.secret_pattern(workspace text = NULL)
RETURNS text LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_secret_pattern';
COMMENT ON FUNCTION apikeys.secret_pattern(text) IS
'the regular expression (PCRE, RE2, Python) that finds the secrets of a workspace, or of all that the current user may use, for a secret scanner';

CREATE FUNCTION apikeys.report_leak(alerts jsonb)
RETURNS jsonb LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_report_leak';
COMMENT ON FUNCTION apikeys.report_leak(jsonb) IS
'disables or archives the keys of leaked secrets, as leak_action of their workspace says: takes a scanning partner''s array of token, type, url and source, and returns its answer';
/*
 * Validation.
 */
CREATE FUNCTION apikeys_internal.validation_support(internal) RETURNS internal LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'ak_validation_support';
COMMENT ON FUNCTION apikeys_internal.validation_support(internal) IS
'planner support of the functions that validate: no call is answered from the cache of a Memoize node';

CREATE FUNCTION apikeys.validate_key(key text, api text = NULL, client text = NULL, workspace text = NULL, cost integer = 1)
RETURNS apikeys.verdict LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10 SUPPORT apikeys_internal.validation_support
AS 'MODULE_PATHNAME', 'ak_validate_key';
COMMENT ON FUNCTION apikeys.validate_key(text, text, text, text, integer) IS
'may the holder of this secret call that API from that address? As of the latest commit, whatever the isolation level; a valid request counts "cost" times against limits and quota';

CREATE FUNCTION apikeys.authenticate("authorization" text, api text = NULL, client text = NULL, cost integer = 1)
RETURNS apikeys.verdict LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10 SUPPORT apikeys_internal.validation_support
AS 'MODULE_PATHNAME', 'ak_authenticate';
COMMENT ON FUNCTION apikeys.authenticate(text, text, text, integer) IS
'validates the header Basic base64(workspace:key), Bearer key or the key alone, and makes a valid key the one that the transaction acts for; belongs in a statement of its own, before those that read';

CREATE FUNCTION apikeys.require_key("authorization" text, api text = NULL, client text = NULL, cost integer = 1)
RETURNS uuid LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10 SUPPORT apikeys_internal.validation_support
AS 'MODULE_PATHNAME', 'ak_require_key';
COMMENT ON FUNCTION apikeys.require_key(text, text, text, integer) IS
'as apikeys.authenticate(), but returns the id of a valid key, and raises any other verdict as the error (SQLSTATE PGRST) that PostgREST turns into a response';

CREATE FUNCTION apikeys.response_headers(verdict apikeys.verdict)
RETURNS jsonb LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_response_headers';
COMMENT ON FUNCTION apikeys.response_headers(apikeys.verdict) IS
'the headers of HTTP for a response to a request with that verdict: WWW-Authenticate, Retry-After, RateLimit-Policy, RateLimit';

CREATE FUNCTION apikeys.current_key()
RETURNS uuid LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_key';
COMMENT ON FUNCTION apikeys.current_key() IS
'the key that apikeys.authenticate() found valid in this transaction; NULL without one';

CREATE FUNCTION apikeys.current_workspace()
RETURNS text LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_workspace';
COMMENT ON FUNCTION apikeys.current_workspace() IS 'the workspace of the current key; NULL without one';

CREATE FUNCTION apikeys.current_owner()
RETURNS text LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_owner';
COMMENT ON FUNCTION apikeys.current_owner() IS 'the owner of the current key; NULL without a key or owner';

CREATE FUNCTION apikeys.current_key_metadata()
RETURNS jsonb LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_key_metadata';
COMMENT ON FUNCTION apikeys.current_key_metadata() IS 'the metadata of the current key; NULL without a key or metadata';

CREATE FUNCTION apikeys.current_key_allows(api text)
RETURNS boolean LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_key_allows';
COMMENT ON FUNCTION apikeys.current_key_allows(text) IS 'may the current key call that API? false without a key';
/*
 * Usage.
 */
CREATE FUNCTION apikeys_internal.usage_memory(OUT key_id uuid, OUT workspace text, OUT hour timestamptz, OUT api text, OUT code text,
	OUT old_secret boolean, OUT slot bigint, OUT count bigint, OUT last_at timestamptz, OUT last_client inet)
RETURNS SETOF record LANGUAGE C STABLE ROWS 1000 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_usage_memory';
COMMENT ON FUNCTION apikeys_internal.usage_memory() IS
'what is counted in shared memory and the current user may see; key_usage, usage_history and denials add it to the tables';

CREATE FUNCTION apikeys_internal.last_use(key_id uuid)
RETURNS timestamptz LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 20 AS 'MODULE_PATHNAME', 'ak_last_use';
COMMENT ON FUNCTION apikeys_internal.last_use(uuid) IS 'when a key was valid last, flushed or not: last_used_at in the views of keys';

CREATE FUNCTION apikeys_internal.quota_used(key_id uuid, quota_period text)
RETURNS bigint LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 20 AS 'MODULE_PATHNAME', 'ak_quota_used_sql';
COMMENT ON FUNCTION apikeys_internal.quota_used(uuid, text) IS 'how much of its quota a key has used in the present period, flushed or not: quota_used in the views of keys';

CREATE FUNCTION apikeys.usage_chart(key_id uuid, span interval = '24 hours')
RETURNS SETOF text LANGUAGE C STABLE ROWS 24 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_usage_chart';
COMMENT ON FUNCTION apikeys.usage_chart(uuid, interval) IS 'the last hours of a key as bars: # valid requests, x denied ones';

CREATE FUNCTION apikeys.flush_usage()
RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_flush_usage';
COMMENT ON FUNCTION apikeys.flush_usage() IS
'writes what was counted to the tables, as the background worker does by itself; returns how many requests that were';

CREATE FUNCTION apikeys.status(OUT version text, OUT tracking boolean, OUT reason text, OUT worker text,
	OUT entries bigint, OUT limits bigint, OUT bytes bigint, OUT max_bytes bigint,
	OUT counts_lost bigint, OUT limits_not_kept bigint, OUT limits_given_up bigint, OUT last_flush timestamptz)
RETURNS record LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_status';
COMMENT ON FUNCTION apikeys.status() IS
'is usage counted, and if not why; is there a background worker; what the whole server holds in memory, and has lost since it started; when this database was flushed last';

CREATE FUNCTION apikeys.metrics(OUT name text, OUT labels jsonb, OUT value double precision)
RETURNS SETOF record LANGUAGE C VOLATILE ROWS 100 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_metrics';
COMMENT ON FUNCTION apikeys.metrics() IS
'totals for a monitoring system, as of the last flush and the worker''s last count of keys; no key''s name';
/*
 * Views of keys, APIs and usage.
 *
 * A view that roles read has security_barrier and ends in OFFSET 0.  The first
 * keeps the planner from looking at statistics, which are of all tenants, to
 * estimate a condition on its columns; the second keeps every condition above
 * the view, those of leakproof operators, too.  So the plan below is the same
 * whatever is asked for, and EXPLAIN and EXPLAIN ANALYZE tell nothing of what
 * the role may not see (test/sql/estimates.sql).  The price is that a condition
 * on such a view uses no index.
 *
 * The views of keys have this fence one level lower, in active_in_sight and
 * archived_in_sight.  They add last_used_at, a look-up for each row, above it:
 * the planner makes them part of the caller's query, and looks up only for the
 * rows that are left after its conditions, its order and its limit.
 *
 * Each arm below finds its rows, and their order, in an index: all, those of
 * one workspace, those of several.  An arm that has nothing to say costs
 * nothing.  One condition for all three would be asked again for every row.
 * The arms stand in a subquery, since the planner computes every column of a
 * UNION, but of a SELECT only those that are asked for.
 */
CREATE VIEW apikeys_internal.key_rows AS
SELECT	k.key_id, k.workspace, k.name,
		CASE WHEN k.archived_at IS NOT NULL THEN 'archived' WHEN k.disabled_at IS NOT NULL THEN 'disabled' ELSE 'active' END AS state,
		k.apis,
		CASE WHEN k.apis @>
			(SELECT COALESCE(array_agg(a.api), '{}') FROM apikeys.api a WHERE a.unregistered_at IS NULL)
			THEN 'Full' ELSE 'Partial' END AS access,
		k.team, k.owner, k.hint, k.expires_at, k.allowed_cidrs::text[] AS allowed_cidrs, k.rate_limit, k.rate_window,
		k.quota, k.quota_period, CASE WHEN k.quota IS NOT NULL THEN apikeys_internal.quota_used(k.key_id, k.quota_period) END AS quota_used, k.metadata,
		k.created_at, k.created_by, k.updated_at, k.updated_by, k.regenerated_at, k.regenerated_by,
		k.old_valid_until, k.disabled_at, k.disabled_by, k.archived_at, k.archived_by
FROM	apikeys.key k;
COMMENT ON VIEW apikeys_internal.key_rows IS 'every key as key_detail; what the other views and functions read, granted to nobody';

CREATE VIEW apikeys_internal.active_in_sight WITH (security_barrier) AS
SELECT	k.*
FROM	((SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NULL AND (SELECT apikeys_internal.sees_everywhere('view'))
		ORDER BY k.created_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NULL AND k.workspace = apikeys_internal.only_workspace('view')
		ORDER BY k.created_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NULL
		AND		k.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[])
		AND		(SELECT apikeys_internal.several_workspaces('view')) IS NOT NULL
		ORDER BY k.created_at DESC, k.key_id DESC)) AS k
ORDER BY k.created_at DESC, k.key_id DESC
OFFSET 0;
COMMENT ON VIEW apikeys_internal.active_in_sight IS 'the keys that are not archived and that the current user may see; what active_keys reads, granted to nobody';

CREATE VIEW apikeys.active_keys AS
SELECT	k.*, apikeys_internal.last_use(k.key_id) AS last_used_at
FROM	apikeys_internal.active_in_sight k
WHERE	k.disabled_at IS NULL;
COMMENT ON VIEW apikeys.active_keys IS 'the active keys that the current user may see, newest first';

CREATE VIEW apikeys_internal.archived_in_sight WITH (security_barrier) AS
SELECT	k.*
FROM	((SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NOT NULL AND (SELECT apikeys_internal.sees_everywhere('view'))
		ORDER BY k.archived_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NOT NULL AND k.workspace = apikeys_internal.only_workspace('view')
		ORDER BY k.archived_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys_internal.key_rows k
		WHERE	k.archived_at IS NOT NULL
		AND		k.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[])
		AND		(SELECT apikeys_internal.several_workspaces('view')) IS NOT NULL
		ORDER BY k.archived_at DESC, k.key_id DESC)) AS k
ORDER BY k.archived_at DESC, k.key_id DESC
OFFSET 0;
COMMENT ON VIEW apikeys_internal.archived_in_sight IS 'the archived keys that the current user may see; what archived_keys reads, granted to nobody';

CREATE VIEW apikeys.archived_keys AS
SELECT	k.*, apikeys_internal.last_use(k.key_id) AS last_used_at
FROM	apikeys_internal.archived_in_sight k;
COMMENT ON VIEW apikeys.archived_keys IS 'the archived keys that the current user may see, newest first';

/* the archived ones are few, and are sorted */
CREATE VIEW apikeys_internal.all_in_sight WITH (security_barrier) AS
SELECT	k.*
FROM	(SELECT k.* FROM apikeys_internal.active_in_sight k
		UNION ALL
		SELECT k.* FROM apikeys_internal.archived_in_sight k) AS k
ORDER BY k.created_at DESC, k.key_id DESC
OFFSET 0;
COMMENT ON VIEW apikeys_internal.all_in_sight IS 'the keys that the current user may see; what keys reads, granted to nobody';

CREATE VIEW apikeys.keys AS
SELECT	k.*, apikeys_internal.last_use(k.key_id) AS last_used_at
FROM	apikeys_internal.all_in_sight k;
COMMENT ON VIEW apikeys.keys IS 'the keys in every state that the current user may see, newest first';

CREATE VIEW apikeys_internal.usage_unflushed AS
SELECT	u.key_id, u.hour, u.api, u.code, u.old_secret, u.workspace, u.count, u.last_at, u.last_client
FROM	(SELECT m.key_id, m.hour, m.api, m.code, m.old_secret, m.workspace,
			m.count - CASE WHEN h.slot = m.slot THEN h.slot_count ELSE 0 END AS count,
			m.last_at, m.last_client
		FROM apikeys_internal.usage_memory() m
		LEFT JOIN apikeys_internal.usage_hour h ON h.key_id = m.key_id AND h.hour = m.hour
			AND h.api = m.api AND h.code = m.code
			AND h.old_secret = m.old_secret) AS u
WHERE	u.count <> 0;
COMMENT ON VIEW apikeys_internal.usage_unflushed IS 'what shared memory has counted and the tables do not tell of yet; granted to nobody';

CREATE VIEW apikeys_internal.usage_live AS
SELECT	u.key_id, u.api, u.code, u.old_secret, u.workspace, u.count, u.last_at, u.last_client
FROM	apikeys_internal.usage u
UNION ALL
SELECT	m.key_id, m.api, m.code, m.old_secret, m.workspace, m.count, m.last_at, m.last_client
FROM	apikeys_internal.usage_unflushed m;
COMMENT ON VIEW apikeys_internal.usage_live IS 'tables and memory, in total; several rows can tell of one figure; granted to nobody';

CREATE VIEW apikeys_internal.usage_hours_live AS
SELECT	h.key_id, h.hour, h.api, h.code, h.old_secret, h.workspace, h.count, h.last_at, h.last_client
FROM	apikeys_internal.usage_hour h
UNION ALL
SELECT	m.key_id, m.hour, m.api, m.code, m.old_secret, m.workspace, m.count, m.last_at, m.last_client
FROM	apikeys_internal.usage_unflushed m;
COMMENT ON VIEW apikeys_internal.usage_hours_live IS 'tables and memory, by hour; several rows can tell of one figure; granted to nobody';

CREATE VIEW apikeys_internal.keys_in_sight AS
SELECT	k.key_id, k.workspace, k.name
FROM	apikeys.key k
WHERE	(SELECT apikeys_internal.sees_everywhere('view'))
UNION ALL
SELECT	k.key_id, k.workspace, k.name
FROM	apikeys.key k
WHERE	k.workspace = apikeys_internal.only_workspace('view')
UNION ALL
SELECT	k.key_id, k.workspace, k.name
FROM	apikeys.key k
WHERE	k.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[])
AND		(SELECT apikeys_internal.several_workspaces('view')) IS NOT NULL;
COMMENT ON VIEW apikeys_internal.keys_in_sight IS 'the keys that the current user may see; what other views read, granted to nobody';

CREATE VIEW apikeys.key_usage WITH (security_barrier) AS
SELECT	k.workspace, k.key_id, k.name,
		CASE WHEN l.api <> '' THEN l.api END AS api,
		COALESCE(sum(l.count) FILTER (WHERE l.code = 'VALID'), 0)::bigint AS valid,
		COALESCE(sum(l.count) FILTER (WHERE l.code <> 'VALID'), 0)::bigint AS denied,
		COALESCE(sum(l.count) FILTER (WHERE l.old_secret), 0)::bigint AS old_secret,
		max(l.last_at) FILTER (WHERE l.code = 'VALID') AS last_used_at,
		(array_agg(l.last_client ORDER BY l.last_at DESC)
			FILTER (WHERE l.code = 'VALID' AND l.last_client IS NOT NULL))[1] AS last_client
FROM	apikeys_internal.keys_in_sight k
		LEFT JOIN apikeys_internal.usage_live l ON l.key_id = k.key_id
GROUP BY k.workspace, k.key_id, k.name, l.api
ORDER BY k.workspace, k.name, k.key_id, l.api
OFFSET 0;
COMMENT ON VIEW apikeys.key_usage IS 'how often each key was used for each API, up to now; a key never used has one row';
COMMENT ON COLUMN apikeys.key_usage.old_secret IS 'requests that came with the old secret, valid or not';
COMMENT ON COLUMN apikeys.key_usage.last_used_at IS 'the last valid request';
COMMENT ON COLUMN apikeys.key_usage.last_client IS 'the address that the last valid request named, if any did';

CREATE VIEW apikeys.usage_history WITH (security_barrier) AS
SELECT	l.hour, l.workspace, l.key_id, k.name,
		CASE WHEN l.api <> '' THEN l.api END AS api,
		COALESCE(sum(l.count) FILTER (WHERE l.code = 'VALID'), 0)::bigint AS valid,
		COALESCE(sum(l.count) FILTER (WHERE l.code <> 'VALID'), 0)::bigint AS denied,
		COALESCE(sum(l.count) FILTER (WHERE l.old_secret), 0)::bigint AS old_secret,
		max(l.last_at) FILTER (WHERE l.code = 'VALID') AS last_used_at,
		(array_agg(l.last_client ORDER BY l.last_at DESC)
			FILTER (WHERE l.code = 'VALID' AND l.last_client IS NOT NULL))[1] AS last_client
FROM	apikeys_internal.usage_hours_live l
		LEFT JOIN apikeys.key k ON k.key_id = l.key_id
WHERE	((SELECT apikeys_internal.sees_everywhere('view'))
		OR l.workspace = (SELECT apikeys_internal.only_workspace('view'))
		OR l.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[]))
AND		l.key_id <> '00000000-0000-0000-0000-000000000000'
GROUP BY l.hour, l.workspace, l.key_id, k.name, l.api
OFFSET 0;
COMMENT ON VIEW apikeys.usage_history IS 'how often each key was used for each API in each hour, up to now; name is NULL when the key was dropped';

CREATE VIEW apikeys.usage_daily WITH (security_barrier) AS
SELECT	(l.hour AT TIME ZONE 'UTC')::date AS day, l.workspace, l.key_id, k.name,
		CASE WHEN l.api <> '' THEN l.api END AS api,
		COALESCE(sum(l.count) FILTER (WHERE l.code = 'VALID'), 0)::bigint AS valid,
		COALESCE(sum(l.count) FILTER (WHERE l.code <> 'VALID'), 0)::bigint AS denied,
		COALESCE(sum(l.count) FILTER (WHERE l.old_secret), 0)::bigint AS old_secret,
		max(l.last_at) FILTER (WHERE l.code = 'VALID') AS last_used_at,
		(array_agg(l.last_client ORDER BY l.last_at DESC)
			FILTER (WHERE l.code = 'VALID' AND l.last_client IS NOT NULL))[1] AS last_client
FROM	apikeys_internal.usage_hours_live l
		LEFT JOIN apikeys.key k ON k.key_id = l.key_id
WHERE	((SELECT apikeys_internal.sees_everywhere('view'))
		OR l.workspace = (SELECT apikeys_internal.only_workspace('view'))
		OR l.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[]))
AND		l.key_id <> '00000000-0000-0000-0000-000000000000'
GROUP BY 1, l.workspace, l.key_id, k.name, l.api
OFFSET 0;
COMMENT ON VIEW apikeys.usage_daily IS 'how often each key was used for each API on each day of UTC, up to now; name is NULL when the key was dropped';

CREATE VIEW apikeys.denials WITH (security_barrier) AS
SELECT	CASE WHEN l.workspace <> '' THEN l.workspace END AS workspace, l.code,
		CASE WHEN l.api <> '' THEN l.api END AS api,
		sum(l.count)::bigint AS count, max(l.last_at) AS last_at,
		(array_agg(l.last_client ORDER BY l.last_at DESC) FILTER (WHERE l.last_client IS NOT NULL))[1] AS last_client
FROM	(SELECT t.workspace, t.api, t.code, t.count, t.last_at, t.last_client
		FROM apikeys_internal.usage_total t
		UNION ALL
		SELECT m.workspace, m.api, m.code, m.count, m.last_at, m.last_client
		FROM apikeys_internal.usage_unflushed m) AS l
WHERE	((SELECT apikeys_internal.sees_everywhere('view'))
		OR l.workspace = (SELECT apikeys_internal.only_workspace('view'))
		OR l.workspace = ANY ((SELECT apikeys_internal.several_workspaces('view'))::text[]))
AND		l.code <> 'VALID'
GROUP BY l.workspace, l.code, l.api
ORDER BY max(l.last_at) DESC
OFFSET 0;
COMMENT ON VIEW apikeys.denials IS 'requests that were not valid, up to now; workspace NULL: they belong to no key, and only roles with access to all workspaces see them';
COMMENT ON COLUMN apikeys.denials.last_client IS 'the address that the last of these requests named, if any did';

CREATE VIEW apikeys.apis WITH (security_barrier) AS
SELECT	a.api, a.description, a.created_at, a.created_by
FROM	apikeys.api a
WHERE	a.unregistered_at IS NULL
ORDER BY a.ordinal
OFFSET 0;
COMMENT ON VIEW apikeys.apis IS 'the registered APIs, in the registry''s order';

CREATE VIEW apikeys.workspaces WITH (security_barrier) AS
SELECT	w.workspace, w.name, w.prefix, w.archive_limit, w.key_limit, w.default_lifetime, w.max_lifetime, w.rate_limit,
		w.rate_window, COALESCE(w.leak_action, 'disable') AS leak_action, w.created_at, w.created_by, w.updated_at, w.updated_by
FROM	apikeys.workspace w
WHERE	w.workspace = ANY ((SELECT apikeys_internal.visible_workspaces('view'))::text[])
ORDER BY w.workspace
OFFSET 0;
COMMENT ON VIEW apikeys.workspaces IS 'the workspaces that the current user may see, with their settings';
COMMENT ON COLUMN apikeys.workspaces.leak_action IS 'what apikeys.report_leak() does with a key of this workspace: disable, archive or log';

CREATE VIEW apikeys.team_members WITH (security_barrier) AS
SELECT	m.workspace, m.actor, m.team
FROM	apikeys.team_member m
WHERE	m.workspace = ANY ((SELECT apikeys_internal.visible_workspaces('view'))::text[])
ORDER BY m.workspace, m.actor
OFFSET 0;
COMMENT ON VIEW apikeys.team_members IS 'the team that each actor acts for in a workspace that the current user may see';

CREATE VIEW apikeys.accesses WITH (security_barrier) AS
SELECT	a.role, a.capability, COALESCE(a.workspace, '*') AS workspace,
		EXISTS (SELECT FROM apikeys_internal.access_role r WHERE r.grant_id = a.grant_id) AS in_force
FROM	apikeys.access a
WHERE	COALESCE(a.workspace, '') = ANY ((SELECT apikeys_internal.visible_workspaces('admin'))::text[])
ORDER BY a.role, a.capability, a.workspace NULLS FIRST
OFFSET 0;
COMMENT ON VIEW apikeys.accesses IS 'what roles may do in the workspaces that the current user administers; workspace *: in all';
COMMENT ON COLUMN apikeys.accesses.in_force IS 'false: recorded, but waiting for apikeys.regrant_access(), as after a restore';
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
'proves every entry, its place in the tree, and that what there is is as its last entry left it; names the first bad entry of each workspace; checkpoints are notes of audit_checkpoint';

CREATE FUNCTION apikeys.audit_feed(after_sequence bigint = 0, workspace text = NULL, max_rows integer = 1000)
RETURNS TABLE (sequence bigint, "time" timestamptz, team text, entity text, activity text, action text, actor text, ip inet,
	workspace text, subject jsonb, key_id uuid, key_name text, changes jsonb, db_user text, audit_id bigint)
LANGUAGE C STABLE ROWS 1000 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_audit_feed';
COMMENT ON FUNCTION apikeys.audit_feed(bigint, text, integer) IS
'entries in the log''s own order, for a reader that remembers the last sequence it has read; fails for one that is behind what was purged';

CREATE FUNCTION apikeys.purge_audit_logs(older_than timestamptz, workspace text)
RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_purge_audit_logs';
COMMENT ON FUNCTION apikeys.purge_audit_logs(timestamptz, text) IS
'removes the older entries of a workspace, but for the last one of every thing that there is, and returns how many; the rest still verifies; an empty name stands for what belongs to none';

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
COMMENT ON VIEW apikeys_internal.tree_sizes IS 'the trees of the audit log and their sizes; granted to nobody';

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
'what was done with a key, newest first, and the key after it, back to its creation or the oldest entry left; also of a key that was dropped';

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
/*
 * Reports by email.
 */
CREATE FUNCTION apikeys.email_audit_logs(recipient text, search text = NULL, workspace text = NULL, teams text[] = NULL,
	actions text[] = NULL, actors text[] = NULL, since timestamptz = NULL, until timestamptz = NULL,
	entities text[] = NULL, key_id uuid = NULL, encrypt_to bytea = NULL)
RETURNS uuid LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_email_audit_logs';
COMMENT ON FUNCTION apikeys.email_audit_logs(text, text, text, text[], text[], text[], timestamptz, timestamptz, text[], uuid, bytea) IS
'mails the entries that there are now as CSV, after commit; encrypt_to is an OpenPGP public key; returns the report''s id in view reports';

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
			('team_members.team', 'the team that the actor acts for'),
			('audit_logs.audit_id', 'the number of the entry'),
			('audit_log.audit_id', 'the number of the entry'),
			('audit_log.workspace', 'where it was done; NULL: what belongs to no workspace, such as the registry of APIs'),
			('audit_logs.workspace', 'where it was done; NULL: what belongs to no workspace, such as the registry of APIs'),
			('audit_log.team', 'the team that the actor acted for'),
			('audit_logs.team', 'the team that the actor acted for'),
			('audit_log.key_id', 'the key that the entry tells of; NULL: something else'),
			('audit_logs.key_id', 'the key that the entry tells of; NULL: something else'),
			('team_member.team', 'the team that the actor acts for'),
			('denials.workspace', 'the workspace of the key; NULL: the requests belong to no key'),
			('audit_verdict.workspace', 'whose entries; NULL: those that belong to no workspace'),
			('reports.workspace', 'whose entries; NULL: those of several workspaces, or of all'),
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
			('valid', 'whether the request may pass; in usage, how many were valid'),
			('code', 'VALID, or why the request is refused'),
			('http_status', 'the status to answer the client with'),
			('retry_after', 'seconds after which the request may pass; NULL: waiting does not help'),
			('rate_remaining', 'requests that are left of the limit now'),
			('rate_reset', 'seconds until the limit is whole again'),
			('quota_remaining', 'requests that are left of the quota in this period'),
			('quota_reset', 'seconds until the period ends'),
			('api', 'the API; in usage, NULL: the request named none'),
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
			('subject', 'what the entry tells of, as data: the columns that identify it'),
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
