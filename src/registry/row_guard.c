/*-------------------------------------------------------------------------
 *
 * row_guard.c
 *	  Trigger: the rules of the tables workspace, api, team_member and access.
 *
 * As for keys (keys/key_guard.c), what must not be is refused for direct SQL as
 * for our own functions, texts and policies are brought into their form, and the
 * row is sealed.  An unregistered API keeps its row, so that it stays
 * unregistered in a restore, where otherwise the extension's script would
 * register it again.
 *
 * Locks, until the end of the transaction: removing a workspace or unregistering
 * an API locks it against those who add something to it, and waits for them;
 * adding something to a workspace keeps it from being removed; a new API locks
 * the registry's order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/action.h"
#include "audit/sealed_row.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/lock.h"
#include "core/query.h"
#include "registry/names.h"
#include "registry/workspace.h"

PG_FUNCTION_INFO_V1(ak_guard_row);
PG_FUNCTION_INFO_V1(ak_make_way);

#define ARCHIVE_LIMIT_MAX 1000000
#define DESCRIPTION_MAX   1000 /* characters */

/* Sets the columns "at" and "by" to the present time and actor. */
static void
stamp_row(AkRow *row, AttrNumber at, AttrNumber by, const char *workspace)
{
	ak_row_set(row, at, TimestampTzGetDatum(GetCurrentTimestamp()));
	ak_row_set_text(row, by, ak_current_actor_name(workspace));
}

/* Raises 55000 if one of these columns changed. */
static void
refuse_changes(const AkRow *old, const AkRow *new, const AttrNumber *columns, int count)
{
	for (int i = 0; i < count; i++)
		if (ak_column_changed(old, new, columns[i]))
			ak_wrong_state(errmsg("column \"%s\" cannot be changed", ak_column_name(old, columns[i])));
}

/*
 * Adds the prefix that a workspace had to its former ones, unless it is among
 * them: secrets that begin with it stay valid, and secret_pattern() finds them.
 */
static void
keep_former_prefix(const AkRow *old, AkRow *new)
{
	Datum prefix = AK_VALUE(old, Anum_workspace_prefix);
	text *name = DatumGetTextPP(prefix);
	Datum *former = NULL;
	int count = 0;
	Datum *all;

	if (!AK_IS_NULL(old, Anum_workspace_former_prefixes))
	{
		Datum list = AK_VALUE(old, Anum_workspace_former_prefixes);

		if (ak_text_listed(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), DatumGetArrayTypeP(list)))
			return;
		former = ak_text_elements(list, &count);
	}
	all = palloc((count + 1) * sizeof(Datum));
	for (int i = 0; i < count; i++)
		all[i] = former[i];
	all[count] = prefix;
	ak_row_set(new, Anum_workspace_former_prefixes, ak_array(all, count + 1, TEXTOID));
}

static void
guard_workspace(const AkRow *old, AkRow *new)
{
	static const AttrNumber fixed[] = {Anum_workspace_workspace,       Anum_workspace_created_at,
									   Anum_workspace_created_by,      Anum_workspace_updated_at,
									   Anum_workspace_updated_by,      Anum_workspace_audit_id,
									   Anum_workspace_former_prefixes, Anum_workspace_row_digest};
	static AkQuery dependents = {"SELECT 1 WHERE EXISTS (SELECT FROM apikeys.key WHERE workspace = $1) "
								 "OR EXISTS (SELECT FROM apikeys.team_member WHERE workspace = $1) "
								 "OR EXISTS (SELECT FROM apikeys.access WHERE workspace = $1)",
								 1,
								 {TEXTOID},
								 NULL};
	const AkRow *row = new ? new : old;
	char *workspace = ak_row_text(row, Anum_workspace_workspace);
	char *name = ak_row_text(row, Anum_workspace_name);
	char *prefix = ak_row_text(row, Anum_workspace_prefix);
	int limit;

	if (new == NULL)
	{
		Datum args[1] = {AK_VALUE(old, Anum_workspace_workspace)};

		if (strcmp(workspace, "default") == 0)
			ak_wrong_state(errmsg("workspace \"default\" cannot be removed"));
		/* waits for transactions that add something to it, and blocks new ones */
		ak_lock_object(AK_WORKSPACE, workspace, ExclusiveLock);
		if (ak_run_as_owner(AK_TO_MANAGE, &dependents, args, NULL, AK_SEE_LATEST) > 0)
			ak_in_use(errmsg("workspace \"%s\" is still in use", workspace),
					  errdetail("It has keys, active or archived, team members or accesses."));
		return;
	}
	if (workspace == NULL || !ak_workspace_valid(workspace, strlen(workspace)))
		ak_bad_argument("workspace", errmsg("invalid workspace id \"%s\"", workspace ? ak_quoted(workspace) : ""),
						errhint("1 to 63 letters, digits, \".\", \"_\" or \"-\", the first a letter or digit."));
	ak_check_label("workspace", "workspace id", workspace);
	if (prefix == NULL || !ak_prefix_valid(prefix, strlen(prefix)))
		ak_bad_argument("prefix", errmsg("invalid prefix \"%s\"", prefix ? ak_quoted(prefix) : ""),
						errhint("Lower-case words of letters and digits joined by \"_\", at most %d characters.",
								AK_PREFIX_MAX));
	limit =
		AK_IS_NULL(new, Anum_workspace_archive_limit) ? -1 : DatumGetInt32(AK_VALUE(new, Anum_workspace_archive_limit));
	if (limit < 0 || limit > ARCHIVE_LIMIT_MAX)
		ak_bad_argument("archive_limit", errmsg("archive limit must be between 0 and %d", ARCHIVE_LIMIT_MAX));
	ak_normalize_policies(old, new);
	if (name != NULL && name[0] == '\0')
		ak_row_clear(new, Anum_workspace_name);
	else if (name != NULL && (old == NULL || ak_column_changed(old, new, Anum_workspace_name)))
	{
		ak_check_label("name", "workspace name", name);
		ak_refuse_known_secret("name", "workspace name", name, old ? workspace : NULL, NULL);
	}

	if (old == NULL || ak_column_changed(old, new, Anum_workspace_prefix))
		ak_refuse_known_secret("prefix", "prefix", prefix, old ? workspace : NULL, NULL);

	if (old == NULL)
	{
		ak_refuse_known_secret("workspace", "workspace id", workspace, NULL, NULL);
		stamp_row(new, Anum_workspace_created_at, Anum_workspace_created_by, workspace);
		ak_row_clear(new, Anum_workspace_former_prefixes);
		ak_row_clear(new, Anum_workspace_updated_at);
		ak_row_clear(new, Anum_workspace_updated_by);
	}
	else
	{
		refuse_changes(old, new, fixed, lengthof(fixed));
		if (ak_column_changed(old, new, Anum_workspace_prefix))
			keep_former_prefix(old, new);
		stamp_row(new, Anum_workspace_updated_at, Anum_workspace_updated_by, workspace);
	}
}

/* Makes an API the last in the registry's order, which is locked until the transaction ends. */
static void
set_next_ordinal(AkRow *row)
{
	static AkQuery query = {"SELECT COALESCE(max(ordinal), 0) + 1 FROM apikeys.api", 0, {0}, NULL};
	bool isnull;

	ak_lock_object(AK_API, "", ExclusiveLock);
	ak_row_set(row, Anum_api_ordinal, ak_read_value(&query, NULL, NULL, AK_SEE_LATEST, &isnull));
}

static void
guard_api(const AkRow *old, AkRow *new)
{
	static const AttrNumber fixed[] = {Anum_api_api, Anum_api_unregistered_by, Anum_api_audit_id, Anum_api_row_digest};
	static const AttrNumber creation[] = {Anum_api_ordinal, Anum_api_created_at, Anum_api_created_by};
	static AkQuery users = {"SELECT 1 FROM apikeys.key WHERE archived_at IS NULL "
							"AND apis @> ARRAY[$1] LIMIT 1",
							1,
							{TEXTOID},
							NULL};
	char *name;
	char *description;
	bool was_registered, is_registered;

	if (new == NULL)
		ak_wrong_state(errmsg("an API cannot be deleted"), errhint("Use apikeys.unregister_api()."));
	name = ak_row_text(new, Anum_api_api);
	if (name == NULL)
		ak_null_argument("api", errmsg("API must not be null"));
	ak_check_label("api", "API name", name);
	if (old == NULL)
		ak_refuse_known_secret("api", "API name", name, NULL, NULL);
	description = ak_row_text(new, Anum_api_description);
	if (description != NULL && description[0] == '\0')
		ak_row_clear(new, Anum_api_description);
	else if (description != NULL && (old == NULL || ak_column_changed(old, new, Anum_api_description)))
	{
		ak_check_text("description", "description", description, DESCRIPTION_MAX);
		ak_refuse_known_secret("description", "description", description, NULL, NULL);
	}

	is_registered = AK_IS_NULL(new, Anum_api_unregistered_at);

	if (old == NULL)
	{
		if (!is_registered)
			ak_wrong_state(errmsg("a new API cannot be unregistered"));
		ak_row_clear(new, Anum_api_unregistered_by);
		if (!ak_installing())
			set_next_ordinal(new);
		stamp_row(new, Anum_api_created_at, Anum_api_created_by, NULL);
		return;
	}
	refuse_changes(old, new, fixed, lengthof(fixed));
	was_registered = AK_IS_NULL(old, Anum_api_unregistered_at);
	if (was_registered)
		refuse_changes(old, new, creation, lengthof(creation));
	if (was_registered && !is_registered)
	{
		Datum args[1] = {AK_VALUE(new, Anum_api_api)};

		/* waits for transactions that give a key this API, and blocks new ones only once it has the lock */
		ak_lock_object_behind(AK_API, name);
		if (ak_run_as_owner(AK_TO_MANAGE, &users, args, NULL, AK_SEE_LATEST) > 0)
			ak_in_use(errmsg("API \"%s\" is still in use", name),
					  errdetail("Keys that are not archived have access to it."),
					  errhint("Take it out of these keys first."));
		stamp_row(new, Anum_api_unregistered_at, Anum_api_unregistered_by, NULL);
	}
	else if (!was_registered && !is_registered)
		ak_wrong_state(errmsg("API \"%s\" is not registered", ak_quoted(name)),
					   errhint("apikeys.register_api() registers it once more."));
	else if (!was_registered)
	{
		/* registered again: the last in the registry's order */
		ak_row_clear(new, Anum_api_unregistered_by);
		set_next_ordinal(new);
		stamp_row(new, Anum_api_created_at, Anum_api_created_by, NULL);
	}
}

static void
guard_team_member(const AkRow *old, AkRow *new)
{
	static const AttrNumber fixed[] = {Anum_team_member_workspace, Anum_team_member_actor, Anum_team_member_audit_id,
									   Anum_team_member_row_digest};
	static const AttrNumber needed[] = {Anum_team_member_workspace, Anum_team_member_actor, Anum_team_member_team};
	AkWorkspace settings;

	if (new == NULL)
		return;
	for (int i = 0; i < (int) lengthof(needed); i++)
		if (AK_IS_NULL(new, needed[i]))
			ak_null_argument(ak_column_name(new, needed[i]),
							 errmsg("%s must not be null", ak_column_name(new, needed[i])));
	for (int i = 1; i < (int) lengthof(needed); i++)
	{
		const char *what = ak_column_name(new, needed[i]);
		char *text = ak_row_text(new, needed[i]);

		if (old != NULL && !ak_column_changed(old, new, needed[i]))
			continue;
		ak_check_label(what, what, text);
		ak_refuse_known_secret(what, what, text, ak_row_text(new, Anum_team_member_workspace), NULL);
	}
	if (old == NULL)
		ak_hold_workspace(ak_row_text(new, Anum_team_member_workspace), &settings);
	else
		refuse_changes(old, new, fixed, lengthof(fixed));
}

static void
guard_access(const AkRow *old, AkRow *new)
{
	AkWorkspace settings;
	const char *role;
	char *capability;

	if (new == NULL)
		return;
	if (old != NULL)
		ak_wrong_state(errmsg("an access cannot be changed"), errhint("Revoke it, and grant another."));
	capability = ak_row_text(new, Anum_access_capability);
	if (AK_IS_NULL(new, Anum_access_role) || capability == NULL)
		ak_null_argument(capability == NULL ? "capability" : "role", errmsg("role and capability must not be null"));
	if (ak_capability_allows(capability) == 0)
		ak_bad_argument("capability", errmsg("unknown capability \"%s\"", ak_quoted(capability)));
	role = NameStr(*DatumGetName(AK_VALUE(new, Anum_access_role)));
	ak_check_encoding("role", "the role's name", role, strlen(role));
	if (AK_IS_NULL(new, Anum_access_grant_id))
		ak_row_set(new, Anum_access_grant_id, DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	if (!AK_IS_NULL(new, Anum_access_workspace))
		ak_hold_workspace(ak_row_text(new, Anum_access_workspace), &settings);
}

static const struct
{
	AkRelation relation;
	void (*guard)(const AkRow *old, AkRow *new);
} guards[] = {
	{AK_WORKSPACE, guard_workspace},
	{AK_API, guard_api},
	{AK_TEAM_MEMBER, guard_team_member},
	{AK_ACCESS, guard_access},
};

/*
 * Trigger BEFORE INSERT OR UPDATE OR DELETE of workspace, api, team_member and
 * access, each row.  A restored row passes; a new one is checked and sealed.
 * Raises 55000, 2BP01, 22023, 22004 and 42704.
 */
Datum
ak_guard_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = ak_trigger_data(fcinfo, "guard_row", AK_BEFORE | AK_ON_CHANGE,
											AK_TABLE_BIT(AK_WORKSPACE) | AK_TABLE_BIT(AK_API) |
												AK_TABLE_BIT(AK_TEAM_MEMBER) | AK_TABLE_BIT(AK_ACCESS));
	Relation rel = trigdata->tg_relation;
	const AkAction *action;
	AkRow rows[2];
	AkRow *old;
	AkRow *new;

	ak_trigger_rows(trigdata, rows, &old, &new);
	if (new != NULL && (old == NULL ? ak_row_restored(new) : !ak_row_changed(old, new)))
		return PointerGetDatum(new->tuple);
	action = ak_action_on(rel);
	if (action != NULL && action->verb == AK_VERB_MAKE_WAY)
		return PointerGetDatum(old->tuple);

	for (int i = 0; i < (int) lengthof(guards); i++)
		if (ak_relid(guards[i].relation) == RelationGetRelid(rel))
			guards[i].guard(old, new);
	return PointerGetDatum(new ? ak_row_seal(new) : old->tuple);
}

/*
 * Trigger BEFORE INSERT of workspace and api, each row, also in a logical
 * replication worker: a row of the same name that is still as the extension's
 * script made it is deleted before one that comes out of a dump or from a
 * publisher.
 */
Datum
ak_make_way(PG_FUNCTION_ARGS)
{
	static AkQuery workspace = {"DELETE FROM apikeys.workspace WHERE workspace = $1 AND audit_id = 0",
								1,
								{TEXTOID},
								NULL};
	static AkQuery api = {"DELETE FROM apikeys.api WHERE api = $1 AND audit_id = 0", 1, {TEXTOID}, NULL};
	TriggerData *trigdata = ak_trigger_data(fcinfo, "make_way", AK_BEFORE | AK_ON_INSERT,
											AK_TABLE_BIT(AK_WORKSPACE) | AK_TABLE_BIT(AK_API));
	bool is_api = RelationGetRelid(trigdata->tg_relation) == ak_relid(AK_API);
	AkAction action = {.table = is_api ? AK_API : AK_WORKSPACE, .verb = AK_VERB_MAKE_WAY};
	AkCaller caller;
	AkRow row;

	ak_row_read(&row, trigdata->tg_relation, trigdata->tg_trigtuple);
	if (!ak_row_restored(&row))
		return PointerGetDatum(row.tuple);
	ak_owner_begin(&caller, AK_TO_MANAGE);
	SPI_connect();
	/* the name is the first column of both */
	ak_act(&action, is_api ? &api : &workspace, &AK_VALUE(&row, 1), NULL, AK_SEE_LATEST);
	SPI_finish();
	ak_owner_end(&caller);
	return PointerGetDatum(row.tuple);
}
