/*-------------------------------------------------------------------------
 *
 * audit_trigger.c
 *	  The audit trigger: records a change of a row in its entry.
 *
 * This file defines, for each table, the columns that are recorded, their
 * labels, and the English activity line.  Hashes are never recorded.  What was
 * done follows from the row before and after, so that direct SQL is recorded
 * like our functions, which add what the rows do not tell (action.c).
 *
 * The trigger records, and with apikeys.notify sends NOTIFY.  Rules are enforced
 * by the guards.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/async.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "access/context.h"
#include "audit/action.h"
#include "audit/changes.h"
#include "audit/entry.h"
#include "audit/sealed_row.h"
#include "audit/subject.h"
#include "core/catalog.h"
#include "core/guc.h"
#include "core/query.h"

PG_FUNCTION_INFO_V1(ak_audit);

static const AkTold key_columns[] = {{Anum_key_name, "name"},
									 {Anum_key_apis, "API access"},
									 {Anum_key_team, "team"},
									 {Anum_key_owner, "owner"},
									 {Anum_key_expires_at, "expiry"},
									 {Anum_key_allowed_cidrs, "addresses"},
									 {Anum_key_rate_limit, "rate limit"},
									 {Anum_key_rate_window, "rate window"},
									 {Anum_key_quota, "quota"},
									 {Anum_key_quota_period, "quota period"},
									 {Anum_key_metadata, "metadata"},
									 {Anum_key_hint, "hint"},
									 {Anum_key_old_valid_until, NULL},
									 {Anum_key_regenerated_at, NULL},
									 {Anum_key_disabled_at, NULL},
									 {Anum_key_archived_at, NULL},
									 {0, NULL}};

static const AkTold workspace_columns[] = {{Anum_workspace_workspace, "workspace"},
										   {Anum_workspace_name, "name"},
										   {Anum_workspace_prefix, "prefix"},
										   {Anum_workspace_archive_limit, "archive limit"},
										   {Anum_workspace_key_limit, "key limit"},
										   {Anum_workspace_default_lifetime, "default lifetime"},
										   {Anum_workspace_max_lifetime, "maximum lifetime"},
										   {Anum_workspace_rate_limit, "rate limit"},
										   {Anum_workspace_rate_window, "rate window"},
										   {Anum_workspace_leak_action, "leak action"},
										   {0, NULL}};

static const AkTold api_columns[] = {{Anum_api_api, "API"}, {Anum_api_description, "description"}, {0, NULL}};

static const AkTold team_member_columns[] = {{Anum_team_member_actor, "actor"},
											 {Anum_team_member_team, "team"},
											 {0, NULL}};

static const AkTold access_columns[] = {{Anum_access_role, "role"},
										{Anum_access_capability, "capability"},
										{Anum_access_workspace, "workspace"},
										{Anum_access_grant_id, NULL},
										{0, NULL}};

static bool
overlap_ended(const AkRow *key)
{
	return AK_IS_NULL(key, Anum_key_old_valid_until) ||
		   DatumGetTimestampTz(AK_VALUE(key, Anum_key_old_valid_until)) <= GetCurrentTimestamp();
}

static void
tell_key(AkEntry *entry, StringInfo changes, const AkAction *action, const AkRow *old, const AkRow *new)
{
	StringInfoData labels;
	char *name = ak_row_text(new, Anum_key_name);

	initStringInfo(&labels);
	entry->entity = "API Keys";
	entry->workspace = ak_row_text(new, Anum_key_workspace);
	entry->key_name = name;
	entry->key_id = AK_VALUE(new, Anum_key_key_id);
	ak_tell_changes(changes, &labels, key_columns, old, new);

	if (old == NULL)
	{
		entry->action = "Create";
		entry->activity = psprintf("%s key \"%s\"", action->verb == AK_VERB_IMPORT ? "Imported" : "Created", name);
	}
	else if (!AK_IS_NULL(new, Anum_key_archived_at))
	{
		entry->action = "Delete";
		entry->activity = psprintf("Archived key \"%s\"", name);
	}
	else
	{
		entry->action = "Update";
		if (ak_column_changed(old, new, Anum_key_key_hash))
			entry->activity = psprintf("Regenerated key \"%s\"%s", name,
									   AK_IS_NULL(new, Anum_key_old_valid_until) ? "" : " with an overlap");
		else if (ak_column_changed(old, new, Anum_key_old_valid_until))
			entry->activity =
				psprintf("%s the overlap of key \"%s\"", overlap_ended(new) ? "Ended" : "Shortened", name);
		else if (AK_IS_NULL(old, Anum_key_disabled_at) != AK_IS_NULL(new, Anum_key_disabled_at))
			entry->activity =
				psprintf("%s key \"%s\"", AK_IS_NULL(new, Anum_key_disabled_at) ? "Enabled" : "Disabled", name);
		else
			entry->activity = psprintf("Updated key \"%s\": %s", name, labels.data);
	}
}

static void
tell_workspace(AkEntry *entry, StringInfo changes, const AkAction *action, const AkRow *old, const AkRow *new)
{
	StringInfoData labels;
	char *name = ak_row_text(new ? new : old, Anum_workspace_workspace);

	initStringInfo(&labels);
	entry->entity = "Workspaces";
	entry->workspace = name;
	ak_tell_changes(changes, &labels, workspace_columns, old, new);
	if (old == NULL || new == NULL)
	{
		entry->action = old == NULL ? "Create" : "Delete";
		entry->activity = psprintf("%s workspace \"%s\"", old == NULL ? "Created" : "Removed", name);
		return;
	}
	entry->action = "Update";
	entry->activity = psprintf("Updated workspace \"%s\": %s", name, labels.data);
}

static void
tell_api(AkEntry *entry, StringInfo changes, const AkAction *action, const AkRow *old, const AkRow *new)
{
	StringInfoData labels;
	char *name = ak_row_text(new, Anum_api_api);
	bool was_registered = old != NULL && AK_IS_NULL(old, Anum_api_unregistered_at);
	bool is_registered = AK_IS_NULL(new, Anum_api_unregistered_at);

	initStringInfo(&labels);
	entry->entity = "APIs";
	ak_tell_changes(changes, &labels, api_columns, was_registered ? old : NULL, is_registered ? new : NULL);
	if (!was_registered)
	{
		entry->action = "Create";
		entry->activity = psprintf("Registered API \"%s\"", name);
	}
	else if (!is_registered)
	{
		entry->action = "Delete";
		entry->activity = psprintf("Unregistered API \"%s\"", name);
	}
	else
	{
		entry->action = "Update";
		entry->activity = psprintf("Updated API \"%s\": %s", name, labels.data);
	}
}

static void
tell_team_member(AkEntry *entry, StringInfo changes, const AkAction *action, const AkRow *old, const AkRow *new)
{
	StringInfoData labels;
	const AkRow *row = new ? new : old;
	char *actor = ak_row_text(row, Anum_team_member_actor);
	char *team = ak_row_text(row, Anum_team_member_team);

	initStringInfo(&labels);
	entry->entity = "Teams";
	entry->workspace = ak_row_text(row, Anum_team_member_workspace);
	ak_tell_changes(changes, &labels, team_member_columns, old, new);
	entry->action = old == NULL ? "Create" : new == NULL ? "Delete" : "Update";
	entry->activity = psprintf(old == NULL   ? "Added \"%s\" to team \"%s\""
							   : new == NULL ? "Removed \"%s\" from team \"%s\""
											 : "Moved \"%s\" to team \"%s\"",
							   actor, team);
}

static void
tell_access(AkEntry *entry, StringInfo changes, const AkAction *action, const AkRow *old, const AkRow *new)
{
	StringInfoData labels;
	const AkRow *row = new ? new : old;
	char *role = NameStr(*DatumGetName(AK_VALUE(row, Anum_access_role)));
	char *capability = ak_row_text(row, Anum_access_capability);
	char *workspace = ak_row_text(row, Anum_access_workspace);

	initStringInfo(&labels);
	entry->entity = "Access";
	entry->workspace = workspace;
	ak_tell_changes(changes, &labels, access_columns, old, new);
	entry->action = old == NULL ? "Create" : new == NULL ? "Delete" : "Update";
	entry->activity = psprintf("%s \"%s\" %s %s role \"%s\"",
							   old == NULL   ? "Granted"
							   : new == NULL ? "Revoked"
											 : "Changed",
							   capability, workspace ? psprintf("in workspace \"%s\"", workspace) : "in all workspaces",
							   new == NULL ? "from" : "to", role);
}

static const struct
{
	AkRelation relation;
	void (*tell)(AkEntry *entry, StringInfo changes, const AkAction *action, const AkRow *old, const AkRow *new);
} tables[] = {
	{AK_KEY, tell_key},       {AK_WORKSPACE, tell_workspace}, {AK_API, tell_api}, {AK_TEAM_MEMBER, tell_team_member},
	{AK_ACCESS, tell_access},
};

/*
 * Returns the time that the guard has given a key's change, so that it is the
 * entry's, too: key_history() relies on that.  0: none, for other tables.
 */
static TimestampTz
time_of_change(Relation rel, const AkRow *old, const AkRow *new)
{
	static const AttrNumber stamps[] = {Anum_key_archived_at, Anum_key_regenerated_at, Anum_key_updated_at,
										Anum_key_disabled_at};

	if (RelationGetRelid(rel) != ak_relid(AK_KEY))
		return 0;
	if (old == NULL)
		return DatumGetTimestampTz(AK_VALUE(new, Anum_key_created_at));
	for (int i = 0; i < (int) lengthof(stamps); i++)
		if (!AK_IS_NULL(new, stamps[i]) && ak_column_changed(old, new, stamps[i]))
			return DatumGetTimestampTz(AK_VALUE(new, stamps[i]));
	return 0;
}

/*
 * Trigger AFTER INSERT OR UPDATE OR DELETE of every audited table, each row.
 *
 * Writes the entry of a row that the guard sealed in this transaction, or that
 * is deleted.  A row that came out of a dump, did not change, or is removed by
 * make_way() has none.
 */
Datum
ak_audit(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = ak_trigger_data(fcinfo, "audit", AK_ON_CHANGE,
											AK_TABLE_BIT(AK_KEY) | AK_TABLE_BIT(AK_WORKSPACE) | AK_TABLE_BIT(AK_API) |
												AK_TABLE_BIT(AK_TEAM_MEMBER) | AK_TABLE_BIT(AK_ACCESS));
	Relation rel = trigdata->tg_relation;
	static const AkAction direct_sql = {0};
	const AkAction *action = ak_action_on(rel);
	const char *details = NULL;
	AkEntry entry = {0};
	StringInfoData changes;
	AkActor actor;
	AkRow rows[2];
	AkRow *old;
	AkRow *new;

	if (action == NULL)
		action = &direct_sql;
	if (action->verb == AK_VERB_MAKE_WAY)
		return PointerGetDatum(NULL);
	ak_trigger_rows(trigdata, rows, &old, &new);
	if (new != NULL)
	{
		entry.audit_id = ak_row_audit_id(new);
		entry.row_digest = AK_VALUE(new, new->columns->digest);
		if (!ak_take_fresh(entry.audit_id, &details))
			return PointerGetDatum(NULL);
	}

	initStringInfo(&changes);
	for (int i = 0; i < (int) lengthof(tables); i++)
		if (ak_relid(tables[i].relation) == RelationGetRelid(rel))
		{
			tables[i].tell(&entry, &changes, action, old, new);
			entry.subject = ak_row_subject(tables[i].relation, (new ? new : old)->values, (new ? new : old)->nulls);
		}
	Assert(entry.entity != NULL);
	entry.actor = action->actor;
	if (entry.actor == NULL && ak_owner_purpose() == AK_TO_NOTHING)
	{
		/* direct SQL that changes the actor's membership: all its entries have the team of before */
		ak_current_actor(entry.workspace, GetActiveSnapshot(), &actor);
		entry.actor = &actor;
	}
	if (new != NULL)
		entry.time = time_of_change(rel, old, new);
	if (action->why != NULL)
		entry.activity = psprintf("%s, which %s", entry.activity, action->why);
	if (action->reason != NULL)
	{
		ak_append_members(&changes, "\"reason\": ");
		escape_json(&changes, action->reason);
	}
	if (action->details != NULL)
		ak_append_members(&changes, action->details);
	if (details != NULL)
		ak_append_members(&changes, details);
	appendStringInfoChar(&changes, '}');
	entry.changes = changes.data;
	ak_write_entry(&entry);

	/* for clients that cache verdicts; only the id, since every role may LISTEN */
	if (ak_guc_notify && entry.key_id != 0)
		Async_Notify("apikeys", DatumGetCString(DirectFunctionCall1(uuid_out, entry.key_id)));
	return PointerGetDatum(NULL);
}
