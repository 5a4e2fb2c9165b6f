/*
 * apikeys 1.0: tables, constraints, triggers, views, functions, comments, and
 * last the privileges.
 *
 * Everything is written with its schema.  The extension's own "schema" is
 * pg_catalog and the schema apikeys is made here, so that CREATE EXTENSION
 * fails, rather than adopts it, when somebody else made a schema of that name
 * before.
 */
\echo Use "CREATE EXTENSION apikeys" to load this file. \quit

CREATE SCHEMA apikeys;
COMMENT ON SCHEMA apikeys IS 'API keys: issue, validate, rotate, archive and audit them';

/* may we stand on the pgcrypto that there is? */
CREATE FUNCTION apikeys.install_check() RETURNS void LANGUAGE C AS 'MODULE_PATHNAME', 'ak_install_check';
SELECT apikeys.install_check();
DROP FUNCTION apikeys.install_check();

/*
 * ------------------------------------------------------------------ tables
 *
 * Every table that holds what people decided carries two columns at its end:
 * audit_id, the entry of the audit log that tells of the row's last change
 * (0: as the extension made it), and row_digest, the SHA-256 of the row.  Both
 * are set by triggers.  A row that is inserted with its right digest is a row
 * that comes out of a dump; it is taken as it is.  No foreign keys: a parallel
 * restore loads these tables in any order.
 */
CREATE SEQUENCE apikeys.audit_id_seq AS bigint CACHE 1;
COMMENT ON SEQUENCE apikeys.audit_id_seq IS 'numbers the entries of the audit log';

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
	created_at		timestamptz NOT NULL,
	created_by		text NOT NULL,
	updated_at		timestamptz,
	updated_by		text,
	audit_id		bigint NOT NULL,
	row_digest		bytea NOT NULL,
	CONSTRAINT workspace_pkey PRIMARY KEY (workspace)
);
COMMENT ON TABLE apikeys.workspace IS 'tenants: each has its own keys, secret prefix and archive limit';
COMMENT ON COLUMN apikeys.workspace.prefix IS 'what the secrets issued in this workspace begin with';
COMMENT ON COLUMN apikeys.workspace.archive_limit IS 'how many archived keys are kept';
COMMENT ON COLUMN apikeys.workspace.key_limit IS 'how many keys that are not archived it may have; NULL: any number';
COMMENT ON COLUMN apikeys.workspace.default_lifetime IS 'a key created without an expiry expires after this; NULL: never';
COMMENT ON COLUMN apikeys.workspace.max_lifetime IS 'every expiry set must lie within this; NULL: no bound';
COMMENT ON COLUMN apikeys.workspace.rate_limit IS 'requests in rate_window that all its keys share; NULL: no limit';
COMMENT ON COLUMN apikeys.workspace.rate_window IS 'the time that rate_limit is for';
COMMENT ON COLUMN apikeys.workspace.leak_action IS 'what report_leak() does with a key: disable, archive or log; NULL: disable';

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
	CONSTRAINT key_key_hash_check CHECK (pg_catalog.octet_length(key_hash) OPERATOR(pg_catalog.=) 32),
	CONSTRAINT key_old_key_hash_check CHECK (pg_catalog.octet_length(old_key_hash) OPERATOR(pg_catalog.=) 32)
);
CREATE UNIQUE INDEX key_old_key_hash ON apikeys.key (old_key_hash) WHERE old_key_hash IS NOT NULL;
/* the name first, so that key_id() finds it in whatever workspace */
CREATE UNIQUE INDEX key_active_name ON apikeys.key (name_folded, workspace) WHERE archived_at IS NULL;
/* newest first, of one workspace and of all */
CREATE INDEX key_active ON apikeys.key (workspace, created_at, key_id) WHERE archived_at IS NULL;
CREATE INDEX key_active_everywhere ON apikeys.key (created_at, key_id) WHERE archived_at IS NULL;
CREATE INDEX key_archived ON apikeys.key (workspace, archived_at, key_id) WHERE archived_at IS NOT NULL;
CREATE INDEX key_archived_everywhere ON apikeys.key (archived_at, key_id) WHERE archived_at IS NOT NULL;
CREATE INDEX key_owner ON apikeys.key (workspace, owner) WHERE owner IS NOT NULL;
COMMENT ON TABLE apikeys.key IS 'keys, active and archived; of a secret only its SHA-256 is here';
COMMENT ON COLUMN apikeys.key.key_hash IS 'SHA-256 of the present secret';
COMMENT ON COLUMN apikeys.key.old_key_hash IS 'SHA-256 of the secret before the present one';
COMMENT ON COLUMN apikeys.key.old_valid_until IS 'the old secret is valid until then';
COMMENT ON COLUMN apikeys.key.disabled_at IS 'since when the key is paused; NULL: it is not';
COMMENT ON COLUMN apikeys.key.quota IS 'valid requests in quota_period; NULL: any number';
COMMENT ON COLUMN apikeys.key.quota_period IS 'hour, day, week, month (of UTC) or total';
COMMENT ON COLUMN apikeys.key.owner IS 'whose key it is, in the words of the application';
COMMENT ON COLUMN apikeys.key.name_folded IS 'what the name is compared by: in UTF-8, composed (NFC), without regard to case';
COMMENT ON COLUMN apikeys.key.hint IS 'prefix and last characters of the secret, for people to recognise it by';

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
CREATE TABLE apikeys.access_role (
	grant_id		uuid NOT NULL,
	roleid			oid NOT NULL,
	CONSTRAINT access_role_pkey PRIMARY KEY (grant_id)
);
CREATE INDEX access_role_roleid ON apikeys.access_role (roleid);
COMMENT ON TABLE apikeys.access_role IS 'whose each access is: it stays a role''s own when the role is renamed, and nobody inherits it by a name; an access without its row here waits for apikeys.regrant_access()';
COMMENT ON COLUMN apikeys.access_role.grant_id IS 'of apikeys.access';
COMMENT ON COLUMN apikeys.access_role.roleid IS 'of pg_roles';

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
CREATE INDEX audit_log_team ON apikeys.audit_log (team COLLATE pg_catalog."C", audit_id) WHERE team IS NOT NULL;
CREATE INDEX audit_log_actor ON apikeys.audit_log (actor COLLATE pg_catalog."C", audit_id);
CREATE INDEX audit_log_entity ON apikeys.audit_log (entity COLLATE pg_catalog."C", action COLLATE pg_catalog."C", audit_id);
CREATE INDEX audit_log_time ON apikeys.audit_log ((audit_id OPERATOR(pg_catalog.>>) 13), "time");
COMMENT ON TABLE apikeys.audit_log IS 'who did what: one row for one action, never changed';
COMMENT ON COLUMN apikeys.audit_log.subject IS 'what the entry tells of, as data: the columns that identify it';
COMMENT ON COLUMN apikeys.audit_log.row_digest IS 'row_digest of the row as this action left it; NULL when it left none';
COMMENT ON COLUMN apikeys.audit_log.digest IS 'SHA-256 of this entry';

CREATE TABLE apikeys.audit_link (
	workspace		text NOT NULL,
	position		bigint NOT NULL,
	audit_id		bigint NOT NULL,
	link			bytea NOT NULL,
	CONSTRAINT audit_link_pkey PRIMARY KEY (workspace, position)
);
COMMENT ON TABLE apikeys.audit_link IS 'the hash chain of each workspace''s entries in commit order; workspace '''' for what belongs to none';
COMMENT ON COLUMN apikeys.audit_link.link IS 'SHA-256 of the link before, the position and the entry''s digest';

CREATE TABLE apikeys.audit_purged (
	workspace		text NOT NULL,
	last_position	bigint NOT NULL,
	first_position	bigint NOT NULL,
	audit_id		bigint NOT NULL,
	digests			bytea NOT NULL,
	link			bytea NOT NULL,
	CONSTRAINT audit_purged_pkey PRIMARY KEY (workspace, last_position)
);
COMMENT ON TABLE apikeys.audit_purged IS 'stands for neighbours in a chain that were purged: the rest still verifies, and anchors still confirm it';
COMMENT ON COLUMN apikeys.audit_purged.audit_id IS 'the entry that tells of the purge';
COMMENT ON COLUMN apikeys.audit_purged.digests IS 'the digests of the entries, 32 bytes each';
COMMENT ON COLUMN apikeys.audit_purged.link IS 'the last link of the run';

/*
 * Not dumped: loaded by a restore before the entries, or between them, it would
 * make the sequencer work on half a log.
 */
CREATE TABLE apikeys.audit_pending (
	audit_id		bigint NOT NULL,
	CONSTRAINT audit_pending_pkey PRIMARY KEY (audit_id)
);
COMMENT ON TABLE apikeys.audit_pending IS 'entries that are not in the tree yet; 0: entries that were restored or replicated may be missing here';

/* Not dumped: what a tag says in pg_locks is this database's own affair. */
CREATE TABLE apikeys.lock_salt (
	salt			uuid NOT NULL,
	CONSTRAINT lock_salt_pkey PRIMARY KEY (salt)
);
COMMENT ON TABLE apikeys.lock_salt IS 'hashed with a name, it gives the tag of the name''s lock: pg_locks, which everybody may read, tells nobody a name';
COMMENT ON COLUMN apikeys.lock_salt.salt IS 'random';

/* Restored, a queued report is held (a trigger): a copy of a database must not mail anybody by itself. */
CREATE TABLE apikeys.report (
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
	CONSTRAINT report_state_check CHECK (state OPERATOR(pg_catalog.=) ANY (ARRAY['queued', 'held', 'sent', 'failed']))
);
CREATE INDEX report_queue ON apikeys.report (next_attempt_at) WHERE state OPERATOR(pg_catalog.=) 'queued';
COMMENT ON TABLE apikeys.report IS 'audit logs to be mailed, and those that were';
COMMENT ON COLUMN apikeys.report.workspace IS 'whose entries; NULL: those of several, or of all';
COMMENT ON COLUMN apikeys.report.scope IS 'the workspaces whose entries it may hold; NULL: all';
COMMENT ON COLUMN apikeys.report.size IS 'bytes of the CSV';
COMMENT ON COLUMN apikeys.report.id_domain IS 'what follows the @ in Message-ID; NULL before the first attempt';
COMMENT ON COLUMN apikeys.report.origin IS 'the database that queued it, as <system identifier>/<oid>: queued in another, it is held';
COMMENT ON COLUMN apikeys.report.content IS 'the CSV, encrypted if that was asked for; NULL once it is sent';

/*
 * What was counted (flush.c).  No digest and no trigger: these are figures, not
 * decisions.  key_id all zero, api and workspace '': none.
 */
CREATE TABLE apikeys.usage (
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
COMMENT ON TABLE apikeys.usage IS 'how often requests of a key, for an API, ended with a code: in total, as far as flushed';
COMMENT ON COLUMN apikeys.usage.old_secret IS 'the requests came with the secret before the present one';

CREATE TABLE apikeys.usage_hour (
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
CREATE INDEX usage_hour_hour ON apikeys.usage_hour USING brin (hour);
COMMENT ON TABLE apikeys.usage_hour IS 'the same by the hour in which it was counted';
COMMENT ON COLUMN apikeys.usage_hour.slot IS 'the slot in shared memory that was flushed here last';
COMMENT ON COLUMN apikeys.usage_hour.slot_count IS 'what that slot had counted then';

/*
 * ------------------------------------------------------------------- types
 */
CREATE TYPE apikeys.issued_key AS (
	key_id			uuid,
	key				text,
	name			text,
	apis			text[],
	access			text,
	workspace		text,
	old_valid_until	timestamptz
);
COMMENT ON TYPE apikeys.issued_key IS 'what create_key and regenerate_key return: the only time that a secret is seen';

CREATE TYPE apikeys.key_detail AS (
	key_id			uuid,
	workspace		text,
	name			text,
	state			text,
	apis			text[],
	access			text,
	team			text,
	hint			text,
	expires_at		timestamptz,
	allowed_cidrs	text[],
	rate_limit		integer,
	rate_window		interval,
	metadata		jsonb,
	created_at		timestamptz,
	created_by		text,
	updated_at		timestamptz,
	updated_by		text,
	regenerated_at	timestamptz,
	regenerated_by	text,
	old_valid_until	timestamptz,
	archived_at		timestamptz,
	archived_by		text
);
COMMENT ON TYPE apikeys.key_detail IS 'a key as people see it; state is active or archived, access Full or Partial';

CREATE TYPE apikeys.verdict AS (
	valid			boolean,
	code			text,
	http_status		smallint,
	key_id			uuid,
	workspace		text,
	name			text,
	team			text,
	apis			text[],
	expires_at		timestamptz,
	old_valid_until	timestamptz,
	retry_after		integer,
	metadata		jsonb
);
COMMENT ON TYPE apikeys.verdict IS 'the answer to a request: show its client the http_status, keep the rest';

CREATE TYPE apikeys.audit_verdict AS (
	workspace		text,
	entries			bigint,
	ok				boolean,
	first_bad		bigint,
	problem			text,
	head			bytea
);
COMMENT ON TYPE apikeys.audit_verdict IS 'the outcome of verifying one workspace''s chain; first_bad is an audit_id';

/*
 * ---------------------------------------------------------------- triggers
 *
 * guard_*: what must never happen, and what every row must be.  audit: one
 * entry for one change.  Where ENABLE ALWAYS stands, a logical replication
 * worker needs the trigger too.
 */
CREATE FUNCTION apikeys.guard_key() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_key';
COMMENT ON FUNCTION apikeys.guard_key() IS 'trigger: the rules of the key table';
CREATE FUNCTION apikeys.unique_hash() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_unique_hash';
COMMENT ON FUNCTION apikeys.unique_hash() IS 'trigger: no new key_hash is the old_key_hash of a key';
CREATE FUNCTION apikeys.archive_limit() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_archive_limit';
COMMENT ON FUNCTION apikeys.archive_limit() IS 'trigger: beyond the archive limit, drops the keys archived first';
CREATE FUNCTION apikeys.guard_row() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_row';
COMMENT ON FUNCTION apikeys.guard_row() IS 'trigger: the rules of workspace, api, team_member and access';
CREATE FUNCTION apikeys.guard_log() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_log';
COMMENT ON FUNCTION apikeys.guard_log() IS 'trigger: entries and links are made by this extension or come out of a dump, and are never changed';
CREATE FUNCTION apikeys.guard_truncate() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_truncate';
COMMENT ON FUNCTION apikeys.guard_truncate() IS 'trigger: no TRUNCATE';
CREATE FUNCTION apikeys.make_way() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_make_way';
COMMENT ON FUNCTION apikeys.make_way() IS 'trigger: what the extension came with gives way to the restored or replicated row of the same name';
CREATE FUNCTION apikeys.audit() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_audit';
COMMENT ON FUNCTION apikeys.audit() IS 'trigger: writes the entry that tells of a change';
CREATE FUNCTION apikeys.invalidate() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_invalidate';
COMMENT ON FUNCTION apikeys.invalidate() IS 'trigger: what every backend remembers of this table is outdated at commit';

CREATE FUNCTION apikeys.keep_here() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_keep_here';
COMMENT ON FUNCTION apikeys.keep_here() IS 'trigger: what another database replicates into this table is left out';

CREATE FUNCTION apikeys.guard_report() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_report';
COMMENT ON FUNCTION apikeys.guard_report() IS 'trigger: a report that is restored or replicated is held; none is changed by hand';

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys.guard_key();
/* triggers fire in the order of their names; what is before audit may add to the entry that it writes */
CREATE TRIGGER archive_limit AFTER UPDATE ON apikeys.key FOR EACH ROW
	WHEN (OLD.archived_at IS NULL AND NEW.archived_at IS NOT NULL) EXECUTE FUNCTION apikeys.archive_limit();
CREATE TRIGGER a_unique_hash AFTER INSERT ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys.unique_hash();
CREATE TRIGGER a_unique_hash_again AFTER UPDATE ON apikeys.key FOR EACH ROW
	WHEN (OLD.key_hash OPERATOR(pg_catalog.<>) NEW.key_hash) EXECUTE FUNCTION apikeys.unique_hash();
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys.audit();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.key EXECUTE FUNCTION apikeys.guard_truncate();

CREATE TRIGGER a_make_way BEFORE INSERT ON apikeys.workspace FOR EACH ROW EXECUTE FUNCTION apikeys.make_way();
ALTER TABLE apikeys.workspace ENABLE ALWAYS TRIGGER a_make_way;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.workspace FOR EACH ROW EXECUTE FUNCTION apikeys.guard_row();
CREATE TRIGGER archive_limit AFTER UPDATE ON apikeys.workspace FOR EACH ROW
	WHEN (NEW.archive_limit OPERATOR(pg_catalog.<) OLD.archive_limit) EXECUTE FUNCTION apikeys.archive_limit();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON apikeys.workspace FOR EACH ROW EXECUTE FUNCTION apikeys.audit();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.workspace EXECUTE FUNCTION apikeys.guard_truncate();

CREATE TRIGGER a_make_way BEFORE INSERT ON apikeys.api FOR EACH ROW EXECUTE FUNCTION apikeys.make_way();
ALTER TABLE apikeys.api ENABLE ALWAYS TRIGGER a_make_way;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.api FOR EACH ROW EXECUTE FUNCTION apikeys.guard_row();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON apikeys.api FOR EACH ROW EXECUTE FUNCTION apikeys.audit();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.api EXECUTE FUNCTION apikeys.guard_truncate();

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.team_member FOR EACH ROW EXECUTE FUNCTION apikeys.guard_row();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON apikeys.team_member FOR EACH ROW EXECUTE FUNCTION apikeys.audit();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.team_member EXECUTE FUNCTION apikeys.guard_truncate();

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.access FOR EACH ROW EXECUTE FUNCTION apikeys.guard_row();
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON apikeys.access FOR EACH ROW EXECUTE FUNCTION apikeys.audit();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.access EXECUTE FUNCTION apikeys.guard_truncate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON apikeys.access FOR EACH ROW EXECUTE FUNCTION apikeys.invalidate();
ALTER TABLE apikeys.access ENABLE ALWAYS TRIGGER invalidate;
CREATE TRIGGER keep BEFORE INSERT OR UPDATE OR DELETE ON apikeys.access_role FOR EACH ROW EXECUTE FUNCTION apikeys.keep_here();
ALTER TABLE apikeys.access_role ENABLE REPLICA TRIGGER keep;
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON apikeys.access_role FOR EACH ROW EXECUTE FUNCTION apikeys.invalidate();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE ON apikeys.api FOR EACH ROW EXECUTE FUNCTION apikeys.invalidate();
ALTER TABLE apikeys.api ENABLE ALWAYS TRIGGER invalidate;

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.audit_log FOR EACH ROW EXECUTE FUNCTION apikeys.guard_log();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.audit_log EXECUTE FUNCTION apikeys.guard_truncate();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.audit_link FOR EACH ROW EXECUTE FUNCTION apikeys.guard_log();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.audit_link EXECUTE FUNCTION apikeys.guard_truncate();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.audit_purged FOR EACH ROW EXECUTE FUNCTION apikeys.guard_log();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.audit_purged EXECUTE FUNCTION apikeys.guard_truncate();

CREATE TRIGGER keep BEFORE INSERT OR UPDATE OR DELETE ON apikeys.audit_pending FOR EACH ROW EXECUTE FUNCTION apikeys.keep_here();
ALTER TABLE apikeys.audit_pending ENABLE REPLICA TRIGGER keep;
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.audit_pending EXECUTE FUNCTION apikeys.guard_truncate();

CREATE TRIGGER keep BEFORE INSERT OR UPDATE OR DELETE ON apikeys.lock_salt FOR EACH ROW EXECUTE FUNCTION apikeys.keep_here();
ALTER TABLE apikeys.lock_salt ENABLE REPLICA TRIGGER keep;

CREATE TRIGGER hold BEFORE INSERT ON apikeys.report FOR EACH ROW EXECUTE FUNCTION apikeys.guard_report();
ALTER TABLE apikeys.report ENABLE ALWAYS TRIGGER hold;
CREATE TRIGGER guard BEFORE UPDATE ON apikeys.report FOR EACH ROW EXECUTE FUNCTION apikeys.guard_report();
CREATE TRIGGER truncate BEFORE TRUNCATE ON apikeys.report EXECUTE FUNCTION apikeys.guard_truncate();

/*
 * ------------------------------------------- out of the box, and in a dump
 */
INSERT INTO apikeys.workspace (workspace, name) VALUES ('default', 'Default workspace');
INSERT INTO apikeys.api (api, description, ordinal) VALUES
	('data', 'Data API', 1),
	('segmentation', 'Segmentation API', 2),
	('push', 'Push API', 3);

INSERT INTO apikeys.audit_pending (audit_id) VALUES (0);
INSERT INTO apikeys.lock_salt (salt) VALUES (pg_catalog.gen_random_uuid());

SELECT pg_catalog.pg_extension_config_dump('apikeys.audit_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('apikeys.workspace', '');
SELECT pg_catalog.pg_extension_config_dump('apikeys.api', '');
SELECT pg_catalog.pg_extension_config_dump('apikeys.key', '');
SELECT pg_catalog.pg_extension_config_dump('apikeys.team_member', '');
/* of roles that are there, and under no name that is another role's by now */
SELECT pg_catalog.pg_extension_config_dump('apikeys.access', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r
	LEFT JOIN apikeys.access_role a ON a.grant_id OPERATOR(pg_catalog.=) access.grant_id
	WHERE CASE WHEN a.roleid IS NULL THEN r.rolname OPERATOR(pg_catalog.=) access.role
	ELSE r.oid OPERATOR(pg_catalog.=) a.roleid AND (r.rolname OPERATOR(pg_catalog.=) access.role
		OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles o WHERE o.rolname OPERATOR(pg_catalog.=) access.role)) END)');
SELECT pg_catalog.pg_extension_config_dump('apikeys.audit_log', '');
SELECT pg_catalog.pg_extension_config_dump('apikeys.audit_link', '');
SELECT pg_catalog.pg_extension_config_dump('apikeys.audit_purged', '');
SELECT pg_catalog.pg_extension_config_dump('apikeys.report', '');
SELECT pg_catalog.pg_extension_config_dump('apikeys.usage', '');
SELECT pg_catalog.pg_extension_config_dump('apikeys.usage_hour', '');

/*
 * -------------------------------------------------------------- management
 */
CREATE FUNCTION apikeys.create_key(name text, apis text[], workspace text = NULL, team text = NULL,
	expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, metadata jsonb = NULL)
RETURNS apikeys.issued_key LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_create_key';
COMMENT ON FUNCTION apikeys.create_key(text, text[], text, text, timestamptz, text[], integer, interval, jsonb) IS
'creates a key with access to the named APIs; its secret, column key of the result, is seen this once';

CREATE FUNCTION apikeys.import_key(name text, apis text[], key_hash bytea, hint text = NULL, workspace text = NULL,
	team text = NULL, expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, metadata jsonb = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_import_key';
COMMENT ON FUNCTION apikeys.import_key(text, text[], bytea, text, text, text, timestamptz, text[], integer, interval, jsonb) IS
'adopts a key issued elsewhere from the SHA-256 of its whole text; its holder notices nothing';

CREATE FUNCTION apikeys.regenerate_key(key_id uuid, overlap interval = '0')
RETURNS apikeys.issued_key LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_regenerate_key';
COMMENT ON FUNCTION apikeys.regenerate_key(uuid, interval) IS
'gives a key a new secret; the old one is dead at commit, or valid for the overlap';

CREATE FUNCTION apikeys.end_overlap(key_id uuid)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_end_overlap';
COMMENT ON FUNCTION apikeys.end_overlap(uuid) IS 'ends the time in which a key''s old secret is still valid';

CREATE FUNCTION apikeys.update_key(key_id uuid, name text = NULL, apis text[] = NULL, team text = NULL,
	expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, metadata jsonb = NULL, if_updated_at timestamptz = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_update_key';
COMMENT ON FUNCTION apikeys.update_key(uuid, text, text[], text, timestamptz, text[], integer, interval, jsonb, timestamptz) IS
'edits a key; NULL keeps what is, '''' clears the team, ''{}'' the addresses or the metadata, ''infinity'' the expiry, 0 the rate limit; fails (40001) when the key was updated since if_updated_at, the updated_at or created_at that the caller has read';

CREATE FUNCTION apikeys.archive_key(key_id uuid)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_archive_key';
COMMENT ON FUNCTION apikeys.archive_key(uuid) IS
'ends a key for good at commit; beyond the workspace''s archive limit the key archived first is dropped';

CREATE FUNCTION apikeys.key_details(key_id uuid)
RETURNS apikeys.key_detail LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_key_details';
COMMENT ON FUNCTION apikeys.key_details(uuid) IS 'one key, active or archived';

CREATE FUNCTION apikeys.key_id(name text, workspace text = NULL)
RETURNS uuid LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_key_id';
COMMENT ON FUNCTION apikeys.key_id(text, text) IS 'the id of the active key of that name';

CREATE FUNCTION apikeys.identify_key(key text)
RETURNS SETOF apikeys.key_detail LANGUAGE C STABLE ROWS 1 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_identify_key';
COMMENT ON FUNCTION apikeys.identify_key(text) IS
'whose secret is this? present, old or archived; no row if nobody''s; not counted as use';

CREATE FUNCTION apikeys.register_api(api text, description text = NULL)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_register_api';
COMMENT ON FUNCTION apikeys.register_api(text, text) IS 'adds an API to the registry; keys with Full access become Partial';

CREATE FUNCTION apikeys.unregister_api(api text)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_unregister_api';
COMMENT ON FUNCTION apikeys.unregister_api(text) IS 'removes an API that no active key uses from the registry';

CREATE FUNCTION apikeys.create_workspace(workspace text, name text = NULL, prefix text = NULL, archive_limit integer = NULL)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_create_workspace';
COMMENT ON FUNCTION apikeys.create_workspace(text, text, text, integer) IS
'creates a workspace; prefix ak and archive limit 10 unless given';

CREATE FUNCTION apikeys.update_workspace(workspace text, name text = NULL, prefix text = NULL, archive_limit integer = NULL)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_update_workspace';
COMMENT ON FUNCTION apikeys.update_workspace(text, text, text, integer) IS
'edits a workspace; NULL keeps what is, a lower archive limit drops the keys archived first at once';

CREATE FUNCTION apikeys.add_team_member(actor text, team text, workspace text = NULL)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_add_team_member';
COMMENT ON FUNCTION apikeys.add_team_member(text, text, text) IS 'puts an actor into a team, or moves the actor there';

CREATE FUNCTION apikeys.remove_team_member(actor text, workspace text = NULL)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_remove_team_member';
COMMENT ON FUNCTION apikeys.remove_team_member(text, text) IS 'takes an actor out of the team';

CREATE FUNCTION apikeys.act_as(actor text, team text = NULL, client text = NULL)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_act_as';
COMMENT ON FUNCTION apikeys.act_as(text, text, text) IS
'names who does the management actions of the current transaction; the database user is recorded beside it';

CREATE FUNCTION apikeys.grant_access(role name, capability text, workspace text = '*')
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_grant_access';
COMMENT ON FUNCTION apikeys.grant_access(name, text, text) IS
'lets a role validate, view, manage, audit or admin, in one workspace or (*) in all';

CREATE FUNCTION apikeys.regrant_access()
RETURNS integer LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_regrant_access';
COMMENT ON FUNCTION apikeys.regrant_access() IS
'after a restore: gives the roles that there are again what is recorded for their names; returns how many accesses that were';

CREATE FUNCTION apikeys.revoke_access(role name, capability text, workspace text = '*')
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_revoke_access';
COMMENT ON FUNCTION apikeys.revoke_access(name, text, text) IS 'takes back what grant_access gave with the same arguments';

CREATE FUNCTION apikeys.visible_workspaces(capability text)
RETURNS text[] LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_visible_workspaces_sql';
COMMENT ON FUNCTION apikeys.visible_workspaces(text) IS
'the workspaces in which the current user has that capability, within the setting apikeys.workspace; '''' among them: also what belongs to none';

/*
 * What the views ask, so that each arm of them is planned for what it is.
 */
CREATE FUNCTION apikeys.sees_everywhere(capability text)
RETURNS boolean LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_sees_everywhere_sql';
COMMENT ON FUNCTION apikeys.sees_everywhere(text) IS
'has the current user that capability in every workspace and beside them, and is apikeys.workspace not set?';

CREATE FUNCTION apikeys.only_workspace(capability text)
RETURNS text LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_only_workspace';
COMMENT ON FUNCTION apikeys.only_workspace(text) IS
'the one workspace in which the current user has that capability, within the setting apikeys.workspace; NULL when there are none, several or all';

CREATE FUNCTION apikeys.several_workspaces(capability text)
RETURNS text[] LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_several_workspaces';
COMMENT ON FUNCTION apikeys.several_workspaces(text) IS
'the several workspaces in which the current user has that capability; NULL when there are none, one or all';

/*
 * -------------------------------------------------------------- validation
 */
CREATE FUNCTION apikeys.validation_support(internal) RETURNS internal LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'ak_validation_support';
COMMENT ON FUNCTION apikeys.validation_support(internal) IS
'planner support of the functions that validate: no call is answered from the cache of a Memoize node';

CREATE FUNCTION apikeys.validate_key(key text, api text = NULL, client text = NULL, workspace text = NULL)
RETURNS apikeys.verdict LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10 SUPPORT apikeys.validation_support
AS 'MODULE_PATHNAME', 'ak_validate_key';
COMMENT ON FUNCTION apikeys.validate_key(text, text, text, text) IS
'may the holder of this secret call that API from that address? As of the latest commit, whatever the isolation level';

CREATE FUNCTION apikeys.authenticate("authorization" text, api text = NULL, client text = NULL)
RETURNS apikeys.verdict LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10 SUPPORT apikeys.validation_support
AS 'MODULE_PATHNAME', 'ak_authenticate';
COMMENT ON FUNCTION apikeys.authenticate(text, text, text) IS
'validates the header Basic base64(workspace:key) or Bearer key, and makes a valid key the one that the transaction acts for; belongs in a statement of its own, before those that read';

CREATE FUNCTION apikeys.current_key()
RETURNS uuid LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_key';
COMMENT ON FUNCTION apikeys.current_key() IS
'the key that apikeys.authenticate() found valid in this transaction; NULL without one';

CREATE FUNCTION apikeys.current_workspace()
RETURNS text LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_workspace';
COMMENT ON FUNCTION apikeys.current_workspace() IS 'the workspace of the current key; NULL without one';

CREATE FUNCTION apikeys.current_key_allows(api text)
RETURNS boolean LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_key_allows';
COMMENT ON FUNCTION apikeys.current_key_allows(text) IS 'may the current key call that API? false without a key';

/*
 * --------------------------------------------------------------- audit log
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

/*
 * ------------------------------------------------------------------- usage
 */
CREATE FUNCTION apikeys.usage_memory(OUT key_id uuid, OUT workspace text, OUT hour timestamptz, OUT api text, OUT code text,
	OUT old_secret boolean, OUT slot bigint, OUT count bigint, OUT last_at timestamptz, OUT last_client inet)
RETURNS SETOF record LANGUAGE C STABLE ROWS 1000 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_usage_memory';
COMMENT ON FUNCTION apikeys.usage_memory() IS
'what is counted in shared memory and the current user may see; key_usage, usage_history and denials add it to the tables';

CREATE FUNCTION apikeys.last_use(key_id uuid)
RETURNS timestamptz LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 20 AS 'MODULE_PATHNAME', 'ak_last_use';
COMMENT ON FUNCTION apikeys.last_use(uuid) IS 'when a key was valid last, flushed or not: last_used_at in the views of keys';

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

/*
 * ------------------------------------------------------------------- views
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
CREATE VIEW apikeys.key_rows AS
SELECT	k.key_id, k.workspace, k.name,
		CASE WHEN k.archived_at IS NULL THEN 'active' ELSE 'archived' END AS state,
		k.apis,
		CASE WHEN k.apis OPERATOR(pg_catalog.@>)
			(SELECT COALESCE(pg_catalog.array_agg(a.api), '{}') FROM apikeys.api a WHERE a.unregistered_at IS NULL)
			THEN 'Full' ELSE 'Partial' END AS access,
		k.team, k.hint, k.expires_at, k.allowed_cidrs::text[] AS allowed_cidrs, k.rate_limit, k.rate_window, k.metadata,
		k.created_at, k.created_by, k.updated_at, k.updated_by, k.regenerated_at, k.regenerated_by,
		k.old_valid_until, k.archived_at, k.archived_by
FROM	apikeys.key k;
COMMENT ON VIEW apikeys.key_rows IS 'every key as key_detail; what the other views and functions read, granted to nobody';

CREATE VIEW apikeys.active_in_sight WITH (security_barrier) AS
SELECT	k.*
FROM	((SELECT k.*
		FROM	apikeys.key_rows k
		WHERE	k.archived_at IS NULL AND (SELECT apikeys.sees_everywhere('view'))
		ORDER BY k.created_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys.key_rows k
		WHERE	k.archived_at IS NULL AND k.workspace OPERATOR(pg_catalog.=) apikeys.only_workspace('view')
		ORDER BY k.created_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys.key_rows k
		WHERE	k.archived_at IS NULL
		AND		k.workspace OPERATOR(pg_catalog.=) ANY ((SELECT apikeys.several_workspaces('view'))::pg_catalog.text[])
		AND		(SELECT apikeys.several_workspaces('view')) IS NOT NULL
		ORDER BY k.created_at DESC, k.key_id DESC)) AS k
ORDER BY k.created_at DESC, k.key_id DESC
OFFSET 0;
COMMENT ON VIEW apikeys.active_in_sight IS 'the active keys that the current user may see; what active_keys reads, granted to nobody';

CREATE VIEW apikeys.active_keys AS
SELECT	k.*, apikeys.last_use(k.key_id) AS last_used_at
FROM	apikeys.active_in_sight k;
COMMENT ON VIEW apikeys.active_keys IS 'the active keys that the current user may see, newest first';

CREATE VIEW apikeys.archived_in_sight WITH (security_barrier) AS
SELECT	k.*
FROM	((SELECT k.*
		FROM	apikeys.key_rows k
		WHERE	k.archived_at IS NOT NULL AND (SELECT apikeys.sees_everywhere('view'))
		ORDER BY k.archived_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys.key_rows k
		WHERE	k.archived_at IS NOT NULL AND k.workspace OPERATOR(pg_catalog.=) apikeys.only_workspace('view')
		ORDER BY k.archived_at DESC, k.key_id DESC)
		UNION ALL
		(SELECT k.*
		FROM	apikeys.key_rows k
		WHERE	k.archived_at IS NOT NULL
		AND		k.workspace OPERATOR(pg_catalog.=) ANY ((SELECT apikeys.several_workspaces('view'))::pg_catalog.text[])
		AND		(SELECT apikeys.several_workspaces('view')) IS NOT NULL
		ORDER BY k.archived_at DESC, k.key_id DESC)) AS k
ORDER BY k.archived_at DESC, k.key_id DESC
OFFSET 0;
COMMENT ON VIEW apikeys.archived_in_sight IS 'the archived keys that the current user may see; what archived_keys reads, granted to nobody';

CREATE VIEW apikeys.archived_keys AS
SELECT	k.*, apikeys.last_use(k.key_id) AS last_used_at
FROM	apikeys.archived_in_sight k;
COMMENT ON VIEW apikeys.archived_keys IS 'the archived keys that the current user may see, newest first';

CREATE VIEW apikeys.usage_unflushed AS
SELECT	u.key_id, u.hour, u.api, u.code, u.old_secret, u.workspace, u.count, u.last_at, u.last_client
FROM	(SELECT m.key_id, m.hour, m.api, m.code, m.old_secret, m.workspace,
			m.count OPERATOR(pg_catalog.-) CASE WHEN h.slot OPERATOR(pg_catalog.=) m.slot THEN h.slot_count ELSE 0 END AS count,
			m.last_at, m.last_client
		FROM apikeys.usage_memory() m
		LEFT JOIN apikeys.usage_hour h ON h.key_id OPERATOR(pg_catalog.=) m.key_id AND h.hour OPERATOR(pg_catalog.=) m.hour
			AND h.api OPERATOR(pg_catalog.=) m.api AND h.code OPERATOR(pg_catalog.=) m.code
			AND h.old_secret OPERATOR(pg_catalog.=) m.old_secret) AS u
WHERE	u.count OPERATOR(pg_catalog.<>) 0;
COMMENT ON VIEW apikeys.usage_unflushed IS 'what shared memory has counted and the tables do not tell of yet; granted to nobody';

CREATE VIEW apikeys.usage_live AS
SELECT	u.key_id, u.api, u.code, u.old_secret, u.workspace, u.count, u.last_at, u.last_client
FROM	apikeys.usage u
UNION ALL
SELECT	m.key_id, m.api, m.code, m.old_secret, m.workspace, m.count, m.last_at, m.last_client
FROM	apikeys.usage_unflushed m;
COMMENT ON VIEW apikeys.usage_live IS 'tables and memory, in total; several rows can tell of one figure; granted to nobody';

CREATE VIEW apikeys.usage_hours_live AS
SELECT	h.key_id, h.hour, h.api, h.code, h.old_secret, h.workspace, h.count, h.last_at, h.last_client
FROM	apikeys.usage_hour h
UNION ALL
SELECT	m.key_id, m.hour, m.api, m.code, m.old_secret, m.workspace, m.count, m.last_at, m.last_client
FROM	apikeys.usage_unflushed m;
COMMENT ON VIEW apikeys.usage_hours_live IS 'tables and memory, by hour; several rows can tell of one figure; granted to nobody';

CREATE VIEW apikeys.keys_in_sight AS
SELECT	k.key_id, k.workspace, k.name
FROM	apikeys.key k
WHERE	(SELECT apikeys.sees_everywhere('view'))
UNION ALL
SELECT	k.key_id, k.workspace, k.name
FROM	apikeys.key k
WHERE	k.workspace OPERATOR(pg_catalog.=) apikeys.only_workspace('view')
UNION ALL
SELECT	k.key_id, k.workspace, k.name
FROM	apikeys.key k
WHERE	k.workspace OPERATOR(pg_catalog.=) ANY ((SELECT apikeys.several_workspaces('view'))::pg_catalog.text[])
AND		(SELECT apikeys.several_workspaces('view')) IS NOT NULL;
COMMENT ON VIEW apikeys.keys_in_sight IS 'the keys that the current user may see; what other views read, granted to nobody';

CREATE VIEW apikeys.key_usage WITH (security_barrier) AS
SELECT	k.workspace, k.key_id, k.name,
		CASE WHEN l.api OPERATOR(pg_catalog.<>) '' THEN l.api END AS api,
		COALESCE(pg_catalog.sum(l.count) FILTER (WHERE l.code OPERATOR(pg_catalog.=) 'VALID'), 0)::bigint AS valid,
		COALESCE(pg_catalog.sum(l.count) FILTER (WHERE l.code OPERATOR(pg_catalog.<>) 'VALID'), 0)::bigint AS denied,
		COALESCE(pg_catalog.sum(l.count) FILTER (WHERE l.old_secret), 0)::bigint AS old_secret,
		pg_catalog.max(l.last_at) FILTER (WHERE l.code OPERATOR(pg_catalog.=) 'VALID') AS last_used_at,
		(pg_catalog.array_agg(l.last_client ORDER BY l.last_at DESC)
			FILTER (WHERE l.code OPERATOR(pg_catalog.=) 'VALID' AND l.last_client IS NOT NULL))[1] AS last_client
FROM	apikeys.keys_in_sight k
		LEFT JOIN apikeys.usage_live l ON l.key_id OPERATOR(pg_catalog.=) k.key_id
GROUP BY k.workspace, k.key_id, k.name, l.api
ORDER BY k.workspace, k.name, k.key_id, l.api
OFFSET 0;
COMMENT ON VIEW apikeys.key_usage IS 'how often each key was used for each API, up to now; a key never used has one row';
COMMENT ON COLUMN apikeys.key_usage.old_secret IS 'requests that came with the secret before the present one, valid or not';
COMMENT ON COLUMN apikeys.key_usage.last_used_at IS 'the last valid request';
COMMENT ON COLUMN apikeys.key_usage.last_client IS 'the address that the last valid request named, if any did';

CREATE VIEW apikeys.usage_history WITH (security_barrier) AS
SELECT	l.hour, l.workspace, l.key_id, k.name,
		CASE WHEN l.api OPERATOR(pg_catalog.<>) '' THEN l.api END AS api,
		COALESCE(pg_catalog.sum(l.count) FILTER (WHERE l.code OPERATOR(pg_catalog.=) 'VALID'), 0)::bigint AS valid,
		COALESCE(pg_catalog.sum(l.count) FILTER (WHERE l.code OPERATOR(pg_catalog.<>) 'VALID'), 0)::bigint AS denied,
		COALESCE(pg_catalog.sum(l.count) FILTER (WHERE l.old_secret), 0)::bigint AS old_secret,
		pg_catalog.max(l.last_at) FILTER (WHERE l.code OPERATOR(pg_catalog.=) 'VALID') AS last_used_at,
		(pg_catalog.array_agg(l.last_client ORDER BY l.last_at DESC)
			FILTER (WHERE l.code OPERATOR(pg_catalog.=) 'VALID' AND l.last_client IS NOT NULL))[1] AS last_client
FROM	apikeys.usage_hours_live l
		LEFT JOIN apikeys.key k ON k.key_id OPERATOR(pg_catalog.=) l.key_id
WHERE	((SELECT apikeys.sees_everywhere('view'))
		OR l.workspace OPERATOR(pg_catalog.=) (SELECT apikeys.only_workspace('view'))
		OR l.workspace OPERATOR(pg_catalog.=) ANY ((SELECT apikeys.several_workspaces('view'))::pg_catalog.text[]))
AND		l.key_id OPERATOR(pg_catalog.<>) '00000000-0000-0000-0000-000000000000'
GROUP BY l.hour, l.workspace, l.key_id, k.name, l.api
OFFSET 0;
COMMENT ON VIEW apikeys.usage_history IS 'how often each key was used for each API in each hour, up to now; name is NULL when the key was dropped';

CREATE VIEW apikeys.denials WITH (security_barrier) AS
SELECT	CASE WHEN l.workspace OPERATOR(pg_catalog.<>) '' THEN l.workspace END AS workspace, l.code,
		CASE WHEN l.api OPERATOR(pg_catalog.<>) '' THEN l.api END AS api,
		pg_catalog.sum(l.count)::bigint AS count, pg_catalog.max(l.last_at) AS last_at
FROM	apikeys.usage_live l
WHERE	((SELECT apikeys.sees_everywhere('view'))
		OR l.workspace OPERATOR(pg_catalog.=) (SELECT apikeys.only_workspace('view'))
		OR l.workspace OPERATOR(pg_catalog.=) ANY ((SELECT apikeys.several_workspaces('view'))::pg_catalog.text[]))
AND		l.code OPERATOR(pg_catalog.<>) 'VALID'
GROUP BY l.workspace, l.code, l.api
ORDER BY pg_catalog.max(l.last_at) DESC
OFFSET 0;
COMMENT ON VIEW apikeys.denials IS 'requests that were not valid, up to now; workspace NULL: they belong to no key, and only roles with access to all workspaces see them';

CREATE VIEW apikeys.apis WITH (security_barrier) AS
SELECT	a.api, a.description, a.created_at, a.created_by
FROM	apikeys.api a
WHERE	a.unregistered_at IS NULL
ORDER BY a.ordinal
OFFSET 0;
COMMENT ON VIEW apikeys.apis IS 'the registered APIs, in the registry''s order';

CREATE VIEW apikeys.audit_logs WITH (security_barrier) AS
SELECT	l.*
FROM	((SELECT l."time", l.team, l.entity, l.activity, l.action, l.actor, l.ip, l.workspace, l.subject, l.key_id,
				l.key_name, l.changes, l.db_user, l.audit_id
		FROM	apikeys.audit_log l
		WHERE	(SELECT apikeys.sees_everywhere('audit'))
		ORDER BY l.audit_id DESC)
		UNION ALL
		(SELECT l."time", l.team, l.entity, l.activity, l.action, l.actor, l.ip, l.workspace, l.subject, l.key_id,
				l.key_name, l.changes, l.db_user, l.audit_id
		FROM	apikeys.audit_log l
		WHERE	l.workspace OPERATOR(pg_catalog.=) apikeys.only_workspace('audit')
		ORDER BY l.audit_id DESC)
		UNION ALL
		(SELECT l."time", l.team, l.entity, l.activity, l.action, l.actor, l.ip, l.workspace, l.subject, l.key_id,
				l.key_name, l.changes, l.db_user, l.audit_id
		FROM	apikeys.audit_log l
		WHERE	l.workspace OPERATOR(pg_catalog.=) ANY ((SELECT apikeys.several_workspaces('audit'))::pg_catalog.text[])
		AND		(SELECT apikeys.several_workspaces('audit')) IS NOT NULL
		ORDER BY l.audit_id DESC)) AS l
ORDER BY l.audit_id DESC
OFFSET 0;
COMMENT ON VIEW apikeys.audit_logs IS 'the entries that the current user may see, newest first';

CREATE FUNCTION apikeys.search_audit_logs(search text = NULL, workspace text = NULL, teams text[] = NULL,
	actions text[] = NULL, actors text[] = NULL, since timestamptz = NULL, until timestamptz = NULL,
	entities text[] = NULL, key_id uuid = NULL, max_rows integer = 50, before bigint = NULL)
RETURNS SETOF apikeys.audit_logs LANGUAGE C STABLE ROWS 50 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_search_audit_logs';
COMMENT ON FUNCTION apikeys.search_audit_logs(text, text, text[], text[], text[], timestamptz, timestamptz, text[], uuid, integer, bigint) IS
'entries, newest first, that pass all filters; search is a substring of a shown column in any case, until is exclusive; for the next page, before is the audit_id of the last row';

CREATE FUNCTION apikeys.export_audit_logs(search text = NULL, workspace text = NULL, teams text[] = NULL,
	actions text[] = NULL, actors text[] = NULL, since timestamptz = NULL, until timestamptz = NULL,
	entities text[] = NULL, key_id uuid = NULL)
RETURNS SETOF text LANGUAGE C STABLE ROWS 10000 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_export_audit_logs';
COMMENT ON FUNCTION apikeys.export_audit_logs(text, text, text[], text[], text[], timestamptz, timestamptz, text[], uuid) IS
'the entries that pass all filters, newest first, as lines of CSV with a header';

CREATE FUNCTION apikeys.email_audit_logs(recipient text, search text = NULL, workspace text = NULL, teams text[] = NULL,
	actions text[] = NULL, actors text[] = NULL, since timestamptz = NULL, until timestamptz = NULL,
	entities text[] = NULL, key_id uuid = NULL, encrypt_to bytea = NULL)
RETURNS uuid LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_email_audit_logs';
COMMENT ON FUNCTION apikeys.email_audit_logs(text, text, text, text[], text[], text[], timestamptz, timestamptz, text[], uuid, bytea) IS
'mails the entries that there are now as CSV, after commit; encrypt_to is an OpenPGP public key; returns the report''s id in view reports';

CREATE FUNCTION apikeys.release_report(report_id uuid)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_release_report';
COMMENT ON FUNCTION apikeys.release_report(uuid) IS
'queues a report that is held since a restore, or that failed, to be sent';

CREATE VIEW apikeys.reports WITH (security_barrier) AS
SELECT	r.report_id, r.workspace, r.recipient, r.state, r.attempts, r.last_error, r.entries, r.size, r.encrypted, r.filters,
		r.asked_at, r.asked_by, r.next_attempt_at, r.finished_at
FROM	apikeys.report r
WHERE	(SELECT apikeys.sees_everywhere('audit'))
OR		r.scope OPERATOR(pg_catalog.<@) (SELECT apikeys.visible_workspaces('audit'))
ORDER BY r.asked_at DESC, r.report_id
OFFSET 0;
COMMENT ON VIEW apikeys.reports IS 'reports by email that the current user may see, newest first: queued, sent, failed, or held since a restore';

/*
 * -------------------------------------------------------------- privileges
 *
 * Nothing for PUBLIC, nor for anybody else to whom default privileges gave
 * something of it just now; grant_access() gives each role what its
 * capabilities need (the list is in grant.c).
 */
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA apikeys FROM PUBLIC;
/*
 * No object of others shall depend on our types; install_revoke() does the same
 * for those that come with tables and views.
 */
REVOKE ALL ON TYPE
	apikeys.issued_key, apikeys.key_detail, apikeys.verdict, apikeys.audit_verdict
FROM PUBLIC;
CREATE FUNCTION apikeys.install_revoke() RETURNS void LANGUAGE C AS 'MODULE_PATHNAME', 'ak_install_revoke';
SELECT apikeys.install_revoke();
DROP FUNCTION apikeys.install_revoke();
