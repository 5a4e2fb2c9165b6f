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
 * The trigger records, and does nothing else: rules are enforced by the guards.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "audit/action.h"
#include "audit/entry.h"
#include "audit/sealed_row.h"
#include "audit/subject.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/guc.h"

PG_FUNCTION_INFO_V1(ak_audit);

/* A column whose changes are recorded, and its label in the activity */
typedef struct AkTold
{
	AttrNumber column;
	const char *label; /* NULL: not named in the activity */
} AkTold;

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
									 {Anum_key_disabled_at, NULL},
									 {Anum_key_archived_at, NULL},
									 {0, NULL}};

/* Of a JSON object above this number of bytes, only the members that changed are recorded */
#define LARGE_OBJECT 2048

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

/* Appends a value as JSON, free of DateStyle, TimeZone and the like. */
static void
append_json(StringInfo json, Oid type, Datum value)
{
	switch (type)
	{
		case INT4OID:
			appendStringInfo(json, "%d", DatumGetInt32(value));
			break;
		case INT8OID:
			appendStringInfo(json, INT64_FORMAT, DatumGetInt64(value));
			break;
		case TEXTOID:
			escape_json(json, TextDatumGetCString(value));
			break;
		case NAMEOID:
			escape_json(json, NameStr(*DatumGetName(value)));
			break;
		case UUIDOID:
			escape_json(json, DatumGetCString(DirectFunctionCall1(uuid_out, value)));
			break;
		case TIMESTAMPTZOID:
		{
			char buf[MAXDATELEN + 1];
			int utc = 0;

			JsonEncodeDateTime(buf, value, TIMESTAMPTZOID, &utc);
			escape_json(json, buf);
			break;
		}
		case INTERVALOID:
		{
			int style = IntervalStyle;
			char *written;

			IntervalStyle = INTSTYLE_POSTGRES;
			written = DatumGetCString(DirectFunctionCall1(interval_out, value));
			IntervalStyle = style;
			escape_json(json, written);
			break;
		}
		case JSONBOID:
		{
			Jsonb *j = DatumGetJsonbP(value);

			JsonbToCString(json, &j->root, VARSIZE(j));
			break;
		}
		case TEXTARRAYOID:
		case CIDRARRAYOID:
		{
			Oid element_type = type == TEXTARRAYOID ? TEXTOID : CIDROID;
			Datum *elements;
			int count;

			deconstruct_array(DatumGetArrayTypeP(value), element_type, -1, false, TYPALIGN_INT, &elements, NULL,
							  &count);
			appendStringInfoChar(json, '[');
			for (int i = 0; i < count; i++)
			{
				if (i > 0)
					appendStringInfoString(json, ", ");
				append_json(json, element_type, elements[i]);
			}
			appendStringInfoChar(json, ']');
			break;
		}
		case CIDROID:
			escape_json(json, DatumGetCString(DirectFunctionCall1(cidr_out, value)));
			break;
		default:
			elog(ERROR, "no JSON for type %u", type);
	}
}

/*
 * Appends, as JSON, the members of an object that differ in another object;
 * does the same recursively for a member that is an object in both.
 */
static void
append_differing_members(StringInfo json, Jsonb *object, Jsonb *other)
{
	JsonbIterator *it;
	JsonbValue key;
	JsonbValue value;
	const char *separator = "";

	check_stack_depth();
	it = JsonbIteratorInit(&object->root);
	(void) JsonbIteratorNext(&it, &key, true); /* the object's begin */
	appendStringInfoChar(json, '{');
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		JsonbValue *other_value =
			getKeyJsonValueFromContainer(&other->root, key.val.string.val, key.val.string.len, NULL);
		Jsonb *member;
		Jsonb *other_member = other_value != NULL ? JsonbValueToJsonb(other_value) : NULL;

		(void) JsonbIteratorNext(&it, &value, true);
		member = JsonbValueToJsonb(&value);
		if (other_member != NULL &&
			DatumGetBool(DirectFunctionCall2(jsonb_eq, JsonbPGetDatum(member), JsonbPGetDatum(other_member))))
			continue;
		appendStringInfoString(json, separator);
		escape_json(json, pnstrdup(key.val.string.val, key.val.string.len));
		appendStringInfoString(json, ": ");
		if (other_member != NULL && JB_ROOT_IS_OBJECT(member) && JB_ROOT_IS_OBJECT(other_member))
			append_differing_members(json, member, other_member);
		else
			JsonbToCString(json, &member->root, VARSIZE(member));
		separator = ", ";
	}
	appendStringInfoChar(json, '}');
}

/* Appends a value as JSON; if it and the other value are objects, one of them large, only the differing members. */
static void
append_changed_json(StringInfo json, Oid type, const AkRow *row, const AkRow *other, int column)
{
	if (type == JSONBOID && other != NULL && !AK_IS_NULL(other, column))
	{
		Jsonb *object = DatumGetJsonbP(AK_VALUE(row, column));
		Jsonb *other_object = DatumGetJsonbP(AK_VALUE(other, column));

		if (Max(VARSIZE(object), VARSIZE(other_object)) > LARGE_OBJECT && JB_ROOT_IS_OBJECT(object) &&
			JB_ROOT_IS_OBJECT(other_object))
		{
			append_differing_members(json, object, other_object);
			return;
		}
	}
	append_json(json, type, AK_VALUE(row, column));
}

/*
 * Records the old and new value of every column that changed: appends {"name":
 * {"old": ..., "new": ...}, ...} without the closing brace to "changes", and
 * the columns' labels to "labels".  old is NULL for an inserted row, new for a
 * deleted one.
 */
static void
tell_changes(StringInfo changes, StringInfo labels, const AkTold *told, const AkRow *old, const AkRow *new)
{
	const AkRow *sides[2] = {old, new};

	appendStringInfoChar(changes, '{');
	for (; told->column != 0; told++)
	{
		Form_pg_attribute attr = TupleDescAttr((new ? new : old)->desc, told->column - 1);

		if (old != NULL && new != NULL ? !ak_column_changed(old, new, told->column)
									   : AK_IS_NULL(old ? old : new, told->column))
			continue;
		if (changes->len > 1)
			appendStringInfoString(changes, ", ");
		escape_json(changes, NameStr(attr->attname));
		for (int i = 0; i < 2; i++)
		{
			appendStringInfoString(changes, i == 0 ? ": {\"old\": " : ", \"new\": ");
			if (sides[i] == NULL || AK_IS_NULL(sides[i], told->column))
				appendStringInfoString(changes, "null");
			else
				append_changed_json(changes, attr->atttypid, sides[i], sides[1 - i], told->column);
		}
		appendStringInfoChar(changes, '}');
		if (told->label != NULL)
			appendStringInfo(labels, "%s%s", labels->len > 0 ? ", " : "", told->label);
	}
}

static bool
overlap_ended(const AkRow *key)
{
	return AK_IS_NULL(key, Anum_key_old_valid_until) ||
		   DatumGetTimestampTz(AK_VALUE(key, Anum_key_old_valid_until)) <= GetCurrentTimestamp();
}

/* Adds members of a JSON object to "changes". */
static void
append_members(StringInfo changes, const char *members)
{
	appendStringInfo(changes, "%s%s", changes->len > 1 ? ", " : "", members);
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
	tell_changes(changes, &labels, key_columns, old, new);

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
	tell_changes(changes, &labels, workspace_columns, old, new);
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
	tell_changes(changes, &labels, api_columns, was_registered ? old : NULL, is_registered ? new : NULL);
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
	tell_changes(changes, &labels, team_member_columns, old, new);
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
	tell_changes(changes, &labels, access_columns, old, new);
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
 * Trigger AFTER INSERT OR UPDATE OR DELETE of every audited table, each row.
 *
 * Writes the entry of a row that the guard sealed in this transaction, or that
 * is deleted.  A row that came out of a dump, did not change, or is removed by
 * make_way() has none.
 */
Datum
ak_audit(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = ak_trigger_data(fcinfo, "audit",
											AK_TABLE_BIT(AK_KEY) | AK_TABLE_BIT(AK_WORKSPACE) | AK_TABLE_BIT(AK_API) |
												AK_TABLE_BIT(AK_TEAM_MEMBER) | AK_TABLE_BIT(AK_ACCESS));
	Relation rel = trigdata->tg_relation;
	static const AkAction direct_sql = {0};
	const AkAction *action = ak_action_on(rel);
	const char *details = NULL;
	AkEntry entry = {0};
	StringInfoData changes;
	AkRow rows[2];
	AkRow *old = NULL;
	AkRow *new = NULL;

	if (action == NULL)
		action = &direct_sql;
	if (action->verb == AK_VERB_MAKE_WAY)
		return PointerGetDatum(NULL);
	if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		old = &rows[0];
		ak_row_read(old, rel, trigdata->tg_trigtuple);
	}
	if (!TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
	{
		new = &rows[1];
		ak_row_read(new, rel, old ? trigdata->tg_newtuple : trigdata->tg_trigtuple);
		entry.audit_id = ak_row_audit_id(new);
		entry.row_digest = AK_VALUE(new, new->natts);
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
	if (action->why != NULL)
		entry.activity = psprintf("%s, which %s", entry.activity, action->why);
	if (action->reason != NULL)
	{
		append_members(&changes, "\"reason\": ");
		escape_json(&changes, action->reason);
	}
	if (action->details != NULL)
		append_members(&changes, action->details);
	if (details != NULL)
		append_members(&changes, details);
	appendStringInfoChar(&changes, '}');
	entry.changes = changes.data;
	ak_write_entry(&entry);

	/* for clients that cache verdicts; only the id, since every role may LISTEN */
	if (ak_guc_notify && entry.key_id != 0)
		Async_Notify("apikeys", DatumGetCString(DirectFunctionCall1(uuid_out, entry.key_id)));
	return PointerGetDatum(NULL);
}
