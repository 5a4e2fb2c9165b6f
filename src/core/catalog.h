/*-------------------------------------------------------------------------
 *
 * catalog.h
 *	  Our tables: their OIDs and column numbers.  See catalog.c.
 *
 * The Anum_ enums mirror the tables in sql/, and the lists of columns.c, which
 * refuses to work with a table that lacks one of these columns.  Columns that a
 * user added are ignored.
 *
 * A column that version 1.0 had has the same number in every database, and may
 * be read by heap_getattr() or slot_getattr().  A column of a later version
 * stands behind those in its enum, and in a database that was updated behind
 * columns that a user had added.  So it is found by its name, and read through
 * AkColumns (columns.h), in an AkRow or by ak_slot_read().
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_CATALOG_H
#define AK_CATALOG_H

#include "utils/relcache.h"
#include "storage/lockdefs.h"

/* The relations whose OIDs catalog.c knows; tables, with an Anum_ enum, come first */
typedef enum AkRelation
{
	AK_WORKSPACE,
	AK_API,
	AK_KEY,
	AK_TEAM_MEMBER,
	AK_ACCESS,
	AK_AUDIT_LOG,
	AK_AUDIT_TREE,
	AK_AUDIT_SIZE,
	AK_AUDIT_PENDING,
	AK_REPORT,
	AK_LOCK_SALT,
	AK_ACCESS_ROLE,
	/* indexes */
	AK_WORKSPACE_PKEY,
	AK_WORKSPACE_LIMITED,
	AK_API_PKEY,
	AK_KEY_PKEY,
	AK_KEY_HASH,
	AK_KEY_OLD_HASH,
	AK_KEY_ACTIVE,
	AK_KEY_ACTIVE_NAME,
	AK_KEY_ARCHIVED,
	AK_TEAM_MEMBER_PKEY,
	AK_AUDIT_LOG_PKEY,
	AK_AUDIT_LOG_KEY_ID,
	AK_AUDIT_LOG_WORKSPACE,
	AK_AUDIT_LOG_TEAM,
	AK_AUDIT_LOG_ACTOR,
	AK_AUDIT_LOG_ENTITY,
	AK_AUDIT_LOG_TIME,
	AK_AUDIT_LOG_SUBJECT,
	AK_AUDIT_TREE_PKEY,
	AK_AUDIT_TREE_AUDIT_ID,
	AK_AUDIT_SIZE_PKEY,
	AK_AUDIT_PENDING_PKEY,
	/* the sequence */
	AK_AUDIT_ID_SEQ,
	/* row types */
	AK_VERDICT,
	AK_LAYOUT_TYPE,
	/* tables without an Anum_ enum, since mostly SQL reads and writes them, and their indexes */
	AK_USAGE,
	AK_USAGE_PKEY,
	AK_QUOTA_USED,
	AK_QUOTA_USED_PKEY,
	AK_RELATION_COUNT
} AkRelation;

/*
 * The layout that this library works with: what the tables and the results of
 * our functions look like.  The type apikeys_internal.layout_N marks that of a
 * database.  A delta drops the type and creates the next one when a library of
 * the version before would misread what it leaves.
 */
#define AK_LAYOUT 1

#define AK_TABLE_COUNT      (AK_ACCESS_ROLE + 1)
#define AK_TABLE_BIT(table) (1 << (table)) /* in a set of tables */

enum
{
	Anum_workspace_workspace = 1,
	Anum_workspace_name,
	Anum_workspace_prefix,
	Anum_workspace_archive_limit,
	Anum_workspace_key_limit,
	Anum_workspace_default_lifetime,
	Anum_workspace_max_lifetime,
	Anum_workspace_rate_limit,
	Anum_workspace_rate_window,
	Anum_workspace_leak_action,
	Anum_workspace_former_prefixes,
	Anum_workspace_created_at,
	Anum_workspace_created_by,
	Anum_workspace_updated_at,
	Anum_workspace_updated_by,
	Anum_workspace_audit_id,
	Anum_workspace_row_digest,
	_Anum_workspace_max
};

enum
{
	Anum_api_api = 1,
	Anum_api_description,
	Anum_api_ordinal,
	Anum_api_created_at,
	Anum_api_created_by,
	Anum_api_unregistered_at,
	Anum_api_unregistered_by,
	Anum_api_audit_id,
	Anum_api_row_digest,
	_Anum_api_max
};

enum
{
	Anum_key_key_id = 1,
	Anum_key_audit_id,
	Anum_key_key_hash,
	Anum_key_workspace,
	Anum_key_name,
	Anum_key_apis,
	Anum_key_team,
	Anum_key_expires_at,
	Anum_key_archived_at,
	Anum_key_disabled_at,
	Anum_key_old_key_hash,
	Anum_key_old_valid_until,
	Anum_key_allowed_cidrs,
	Anum_key_rate_limit,
	Anum_key_rate_window,
	Anum_key_quota,
	Anum_key_quota_period,
	Anum_key_owner,
	Anum_key_metadata,
	Anum_key_hint,
	Anum_key_name_folded,
	Anum_key_created_at,
	Anum_key_created_by,
	Anum_key_updated_at,
	Anum_key_updated_by,
	Anum_key_regenerated_at,
	Anum_key_regenerated_by,
	Anum_key_disabled_by,
	Anum_key_archived_by,
	Anum_key_row_digest,
	_Anum_key_max
};

enum
{
	Anum_team_member_workspace = 1,
	Anum_team_member_actor,
	Anum_team_member_team,
	Anum_team_member_audit_id,
	Anum_team_member_row_digest,
	_Anum_team_member_max
};

enum
{
	Anum_access_role = 1,
	Anum_access_capability,
	Anum_access_workspace,
	Anum_access_grant_id,
	Anum_access_audit_id,
	Anum_access_row_digest,
	_Anum_access_max
};

enum
{
	Anum_audit_log_audit_id = 1,
	Anum_audit_log_time,
	Anum_audit_log_workspace,
	Anum_audit_log_team,
	Anum_audit_log_entity,
	Anum_audit_log_action,
	Anum_audit_log_activity,
	Anum_audit_log_actor,
	Anum_audit_log_ip,
	Anum_audit_log_subject,
	Anum_audit_log_key_id,
	Anum_audit_log_key_name,
	Anum_audit_log_changes,
	Anum_audit_log_db_user,
	Anum_audit_log_row_digest,
	Anum_audit_log_digest,
	_Anum_audit_log_max
};

enum
{
	Anum_audit_tree_workspace = 1,
	Anum_audit_tree_position,
	Anum_audit_tree_audit_id,
	Anum_audit_tree_sequence,
	Anum_audit_tree_level,
	Anum_audit_tree_hashes,
	_Anum_audit_tree_max
};

enum
{
	Anum_audit_size_workspace = 1,
	Anum_audit_size_size,
	Anum_audit_size_logged_at,
	_Anum_audit_size_max
};

enum
{
	Anum_audit_pending_audit_id = 1,
	_Anum_audit_pending_max
};

enum
{
	Anum_report_report_id = 1,
	Anum_report_workspace,
	Anum_report_scope,
	Anum_report_recipient,
	Anum_report_filters,
	Anum_report_entries,
	Anum_report_size,
	Anum_report_encrypted,
	Anum_report_asked_at,
	Anum_report_asked_by,
	Anum_report_state,
	Anum_report_queued_at,
	Anum_report_attempts,
	Anum_report_next_attempt_at,
	Anum_report_finished_at,
	Anum_report_last_error,
	Anum_report_id_domain,
	Anum_report_content,
	Anum_report_origin,
	_Anum_report_max
};

enum
{
	Anum_lock_salt_salt = 1,
	_Anum_lock_salt_max
};

enum
{
	Anum_access_role_grant_id = 1,
	Anum_access_role_roleid,
	_Anum_access_role_max
};

extern void ak_catalog_init(void);
extern void ak_on_relation_change(void (*callback)(Oid relid));
extern uint64 ak_catalog_generation(void);
extern Oid ak_relid(AkRelation which);
extern Oid ak_relid_if_any(AkRelation which);
extern bool ak_is_relation(Oid relid, AkRelation which);
extern char *ak_relation_name(AkRelation which);
extern AkRelation ak_table_of(Relation rel);
extern void ak_check_tables(void);
extern Relation ak_table_open(AkRelation which, LOCKMODE lockmode);
extern Oid ak_extension_owner(void);
extern Oid ak_lock_extension(void);

#endif /* AK_CATALOG_H */
