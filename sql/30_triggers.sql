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
COMMENT ON FUNCTION apikeys_internal.unique_hash() IS 'trigger: refuses a new key_hash that is the old_key_hash of a key';
CREATE FUNCTION apikeys_internal.archive_limit() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_archive_limit';
COMMENT ON FUNCTION apikeys_internal.archive_limit() IS 'trigger: drops the keys beyond the archive limit, those archived first';
CREATE FUNCTION apikeys_internal.guard_row() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_row';
COMMENT ON FUNCTION apikeys_internal.guard_row() IS 'trigger: the rules of workspace, api, team_member and access';
CREATE FUNCTION apikeys_internal.guard_log() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_log';
COMMENT ON FUNCTION apikeys_internal.guard_log() IS 'trigger: entries and trees are written by the extension or come out of a dump, and are never changed';
CREATE FUNCTION apikeys_internal.entry_arrived() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_entry_arrived';
COMMENT ON FUNCTION apikeys_internal.entry_arrived() IS 'trigger: notes that replicated entries are in no tree here, and numbers new entries after them, so that this database can take over';
CREATE FUNCTION apikeys_internal.guard_truncate() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_truncate';
COMMENT ON FUNCTION apikeys_internal.guard_truncate() IS 'trigger: refuses TRUNCATE';
CREATE FUNCTION apikeys_internal.make_way() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_make_way';
COMMENT ON FUNCTION apikeys_internal.make_way() IS 'trigger: deletes a row that the extension came with before the restored or replicated row of the same name';
CREATE FUNCTION apikeys_internal.audit() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_audit';
COMMENT ON FUNCTION apikeys_internal.audit() IS 'trigger: writes the entry of a change';
CREATE FUNCTION apikeys_internal.invalidate() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_invalidate';
COMMENT ON FUNCTION apikeys_internal.invalidate() IS 'trigger: at commit, every backend forgets what it has cached of this table';

CREATE FUNCTION apikeys_internal.keep_here() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_keep_here';
COMMENT ON FUNCTION apikeys_internal.keep_here() IS 'trigger: leaves out what another database replicates into this table';

CREATE FUNCTION apikeys_internal.guard_report() RETURNS trigger LANGUAGE C AS 'MODULE_PATHNAME', 'ak_guard_report';
COMMENT ON FUNCTION apikeys_internal.guard_report() IS 'trigger: holds a restored or replicated report, and refuses changes by hand';

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys_internal.guard_key();
/* triggers fire in the order of their names; what is before audit may add to the entry that it writes */
/* no WHEN: it would be parsed for each statement, which costs more than the call */
CREATE TRIGGER archive_limit AFTER UPDATE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys_internal.archive_limit();
CREATE TRIGGER a_unique_hash AFTER INSERT OR UPDATE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION apikeys_internal.unique_hash();
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
