/*-------------------------------------------------------------------------
 *
 * key_history.c
 *	  key_history(): each change of a key, and the key after it.
 *
 * The last state of a key is its row.  The states before it follow from the
 * entries, one after the other back in time: each has the old values of what it
 * changed.  Of a key that was dropped, the last state follows from its entries
 * since its creation, forwards.
 *
 * Who did something, and when, is not among what an entry changes, but the
 * actor and the time of the entry itself.  If the entry was purged, it is not
 * known, unless the row still has it.
 *
 * Reads with one snapshot, and takes no lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "audit/changes.h"
#include "core/args.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/query.h"

PG_FUNCTION_INFO_V1(ak_key_history);

/* Columns of the result */
enum
{
	Anum_history_time = 1,
	Anum_history_action,
	Anum_history_activity,
	Anum_history_actor,
	Anum_history_detail,
	_Anum_history_max
};

/* An attribute of the key, by its column */
typedef struct AkAttribute
{
	char *name;
	Jsonb *value; /* NULL: null, or not known */
	struct AkAttribute *next;
} AkAttribute;

/* What an entry says of who did what: pairs of columns "_at" and "_by" */
typedef enum AkStamp
{
	AK_CREATED,
	AK_UPDATED,
	AK_REGENERATED,
	AK_DISABLED,
	AK_ARCHIVED,
	AK_STAMP_COUNT
} AkStamp;

static const char *const stamp_names[AK_STAMP_COUNT][2] = {
	[AK_CREATED] = {"created_at", "created_by"},
	[AK_UPDATED] = {"updated_at", "updated_by"},
	[AK_REGENERATED] = {"regenerated_at", "regenerated_by"},
	[AK_DISABLED] = {"disabled_at", "disabled_by"},
	[AK_ARCHIVED] = {"archived_at", "archived_by"},
};

/* An entry about the key; Datums are in the memory of SPI */
typedef struct AkKeyEntry
{
	Datum columns[4]; /* time, action, activity, actor */
	Jsonb *changes;   /* NULL: none */
	bool left_row;    /* it changed the row */
	Jsonb *at;        /* time and actor once more */
	Jsonb *by;
	Datum registered; /* text[], the APIs that were registered then */
	bool stamps[AK_STAMP_COUNT];
} AkKeyEntry;

typedef struct AkHistory
{
	Datum key_id;
	char *workspace;
	Jsonb *row; /* NULL: the key was dropped */
	AkKeyEntry *entries;
	int count;
	AkAttribute *state;
} AkHistory;

/* Returns a member of a JSON object; NULL if it is missing or null. */
static Jsonb *
find_member(Jsonb *object, const char *name)
{
	JsonbValue *value = object != NULL && JB_ROOT_IS_OBJECT(object)
							? getKeyJsonValueFromContainer(&object->root, name, strlen(name), NULL)
							: NULL;

	return value != NULL && value->type != jbvNull ? JsonbValueToJsonb(value) : NULL;
}

/* Returns the attribute of that name, new if need be. */
static AkAttribute *
find_attribute(AkHistory *history, const char *name)
{
	AkAttribute *a;

	for (a = history->state; a != NULL; a = a->next)
		if (strcmp(a->name, name) == 0)
			return a;
	a = palloc0(sizeof(AkAttribute));
	a->name = pstrdup(name);
	a->next = history->state;
	history->state = a;
	return a;
}

/* A column's change in an entry */
typedef struct AkChange
{
	char *name;
	Jsonb *old; /* NULL: null */
	Jsonb *new;
} AkChange;

/* Returns the changes of columns in an entry, and their number. */
static AkChange *
read_changes(const AkKeyEntry *entry, int *count)
{
	JsonbIterator *it;
	JsonbValue key;
	JsonbValue value;
	AkChange *changes;

	*count = 0;
	if (entry->changes == NULL || !JB_ROOT_IS_OBJECT(entry->changes))
		return NULL;
	changes = palloc(sizeof(AkChange) * Max(1, JB_ROOT_COUNT(entry->changes)));
	it = JsonbIteratorInit(&entry->changes->root);
	(void) JsonbIteratorNext(&it, &key, true); /* the object's begin */
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		AkChange *change = &changes[*count];
		Jsonb *sides;

		(void) JsonbIteratorNext(&it, &value, true);
		sides = JsonbValueToJsonb(&value);
		/* others, as the reason, have no sides */
		if (!JB_ROOT_IS_OBJECT(sides) || getKeyJsonValueFromContainer(&sides->root, "old", 3, NULL) == NULL ||
			getKeyJsonValueFromContainer(&sides->root, "new", 3, NULL) == NULL)
			continue;
		change->name = pnstrdup(key.val.string.val, key.val.string.len);
		change->old = find_member(sides, "old");
		change->new = find_member(sides, "new");
		(*count)++;
	}
	return changes;
}

/* Takes the state from before an entry to after it, or ("back") the other way. */
static void
move_state(AkHistory *history, const AkKeyEntry *entry, bool back)
{
	int count;
	AkChange *changes = read_changes(entry, &count);

	for (int i = 0; i < count; i++)
	{
		AkAttribute *a = find_attribute(history, changes[i].name);

		if (back)
			a->value = ak_apply_change(a->value, changes[i].new, changes[i].old);
		else
			a->value = ak_apply_change(a->value, changes[i].old, changes[i].new);
	}
}

/* Finds out which pairs of columns "_at" and "_by" an entry has set, as the guard of the table sets them. */
static void
read_stamps(AkKeyEntry *entry)
{
	int count;
	AkChange *changes = read_changes(entry, &count);
	bool edited = false;

	memset(entry->stamps, 0, sizeof(entry->stamps));
	if (!entry->left_row)
		return;
	if (strcmp(TextDatumGetCString(entry->columns[1]), "Create") == 0)
	{
		entry->stamps[AK_CREATED] = true;
		return;
	}
	for (int i = 0; i < count; i++)
	{
		bool disabling = strcmp(changes[i].name, "disabled_at") == 0 && changes[i].new != NULL;

		if (strcmp(changes[i].name, "archived_at") == 0)
			entry->stamps[AK_ARCHIVED] = true;
		else if (strcmp(changes[i].name, "regenerated_at") == 0)
			entry->stamps[AK_REGENERATED] = true;
		else if (disabling)
			entry->stamps[AK_DISABLED] = true;
		else
			edited = true;
	}
	entry->stamps[AK_UPDATED] = edited && !entry->stamps[AK_ARCHIVED] && !entry->stamps[AK_REGENERATED];
}

/* Returns the workspace of a key, which may be dropped; NULL if nothing tells of the key. */
static char *
workspace_of_key(Datum key_id, Snapshot snapshot)
{
	static AkQuery query = {
		"SELECT COALESCE((SELECT workspace FROM apikeys.key WHERE key_id = $1), "
		"(SELECT workspace FROM apikeys.audit_log WHERE key_id = $1 AND entity = 'API Keys' LIMIT 1))",
		1,
		{UUIDOID},
		NULL};
	MemoryContext context = CurrentMemoryContext;
	char *workspace;
	AkCaller caller;

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query_snapshot(&query, &key_id, snapshot);
	workspace = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (workspace != NULL)
		workspace = MemoryContextStrdup(context, workspace);
	SPI_finish();
	ak_owner_end(&caller);
	return workspace;
}

/* Reads the key's row and its entries, oldest first.  SPI is connected, in an owner section. */
static void
read_history(AkHistory *history, Snapshot snapshot)
{
	/* a column that a user added may have the name of a column of key_detail that is computed */
	static AkQuery find_row = {"SELECT to_jsonb(k) - '{access,quota_used,last_used_at}'::text[] FROM apikeys.key k "
							   "WHERE key_id = $1",
							   1,
							   {UUIDOID},
							   NULL};
	/* an API was registered if its last entry until then, or the opposite of its next one, or else its row says so */
	static AkQuery find_entries = {
		"SELECT l.\"time\", l.action, l.activity, l.actor, l.changes, l.row_digest IS NOT NULL, "
		"to_jsonb(l.\"time\"), to_jsonb(l.actor), "
		"ARRAY(SELECT a.api FROM apikeys.api a WHERE COALESCE("
		"(SELECT e.action <> 'Delete' FROM apikeys.audit_log e WHERE e.entity COLLATE \"C\" = 'APIs' AND e.action <> 'Update' "
		"AND e.subject = jsonb_build_object('api', a.api) AND e.audit_id <= l.audit_id ORDER BY e.audit_id DESC LIMIT 1), "
		"(SELECT e.action = 'Delete' FROM apikeys.audit_log e WHERE e.entity COLLATE \"C\" = 'APIs' AND e.action <> 'Update' "
		"AND e.subject = jsonb_build_object('api', a.api) AND e.audit_id > l.audit_id ORDER BY e.audit_id LIMIT 1), "
		"a.unregistered_at IS NULL)) "
		"FROM apikeys.audit_log l WHERE l.key_id = $1 AND l.entity = 'API Keys' ORDER BY l.audit_id",
		1,
		{UUIDOID},
		NULL};
	bool isnull;

	ak_query_snapshot(&find_row, &history->key_id, snapshot);
	if (SPI_processed > 0)
		history->row = DatumGetJsonbPCopy(ak_query_result(0, 1, &isnull));
	ak_query_snapshot(&find_entries, &history->key_id, snapshot);
	history->count = (int) SPI_processed;
	history->entries = palloc0(sizeof(AkKeyEntry) * Max(1, history->count));
	for (int i = 0; i < history->count; i++)
	{
		AkKeyEntry *entry = &history->entries[i];
		Datum changes;

		for (int column = 1; column <= 4; column++)
			entry->columns[column - 1] = ak_query_result(i, column, &isnull);
		changes = ak_query_result(i, 5, &isnull);
		entry->changes = isnull ? NULL : DatumGetJsonbP(changes);
		entry->left_row = DatumGetBool(ak_query_result(i, 6, &isnull));
		entry->at = DatumGetJsonbP(ak_query_result(i, 7, &isnull));
		entry->by = DatumGetJsonbP(ak_query_result(i, 8, &isnull));
		entry->registered = ak_query_result(i, 9, &isnull);
		read_stamps(entry);
	}
}

/* Sets the state after the last entry. */
static void
find_last_state(AkHistory *history)
{
	JsonbIterator *it;
	JsonbValue key;
	JsonbValue value;

	if (history->row == NULL)
	{
		for (int i = 0; i < history->count; i++)
			move_state(history, &history->entries[i], false);
		return;
	}
	it = JsonbIteratorInit(&history->row->root);
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &value, true);
		if (value.type != jbvNull)
			find_attribute(history, pnstrdup(key.val.string.val, key.val.string.len))->value =
				JsonbValueToJsonb(&value);
	}
}

static void
append_member(StringInfo json, const char *name, Jsonb *value)
{
	appendStringInfo(json, "%s\"%s\": ", json->len > 1 ? ", " : "", name);
	if (value != NULL)
		JsonbToCString(json, &value->root, VARSIZE(value));
	else
		appendStringInfoString(json, "null");
}

/*
 * Appends who did something last, and when, as of entry n: an entry up to there
 * says it, or else the row, if no later entry did the same.
 */
static void
append_stamp(StringInfo json, AkHistory *history, int n, AkStamp stamp)
{
	Jsonb *at = find_member(history->row, stamp_names[stamp][0]);
	Jsonb *by = find_member(history->row, stamp_names[stamp][1]);
	int i = n;

	while (i >= 0 && !history->entries[i].stamps[stamp])
		i--;
	if (i >= 0)
	{
		at = history->entries[i].at;
		by = history->entries[i].by;
	}
	else
	{
		for (i = n + 1; i < history->count; i++)
			if (history->entries[i].stamps[stamp])
				at = by = NULL;
	}
	if (stamp == AK_DISABLED)
	{
		/* its time is among the changes, also that it was enabled */
		at = find_attribute(history, stamp_names[stamp][0])->value;
		by = at != NULL ? by : NULL;
	}
	append_member(json, stamp_names[stamp][0], at);
	append_member(json, stamp_names[stamp][1], by);
}

/* Returns the key as entry n left it, as JSON with the columns of key_detail but access. */
static Datum
detail_as_json(AkHistory *history, int n)
{
	StringInfoData json;
	const char *state = "active";

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (AkAttribute *a = history->state; a != NULL; a = a->next)
		append_member(&json, a->name, a->value);
	/* of two members of the same name, the last one counts */
	for (AkStamp stamp = 0; stamp < AK_STAMP_COUNT; stamp++)
		append_stamp(&json, history, n, stamp);
	if (find_attribute(history, "archived_at")->value != NULL)
		state = "archived";
	else if (find_attribute(history, "disabled_at")->value != NULL)
		state = "disabled";
	appendStringInfo(&json, ", \"state\": \"%s\", \"key_id\": \"%s\", \"workspace\": ", state,
					 DatumGetCString(DirectFunctionCall1(uuid_out, history->key_id)));
	escape_json(&json, history->workspace);
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/* Returns the key_detail of the key as entry n left it.  SPI is connected, in an owner section. */
static Datum
detail_as_row(AkHistory *history, int n, Snapshot snapshot)
{
	static AkQuery query = {
		"SELECT jsonb_populate_record(NULL::apikeys.key_detail, $1 || jsonb_build_object('access', "
		"CASE WHEN ARRAY(SELECT jsonb_array_elements_text($1 -> 'apis')) @> $2 THEN 'Full' ELSE 'Partial' END))",
		2,
		{JSONBOID, TEXTARRAYOID},
		NULL};
	Datum args[2] = {detail_as_json(history, n), history->entries[n].registered};
	bool isnull;

	ak_query_snapshot(&query, args, snapshot);
	return ak_query_result(0, 1, &isnull);
}

/*
 * key_history(key_id uuid) -> setof (time timestamptz, action text, activity text, actor text, detail key_detail)
 *
 * Newest first, back to the oldest entry left; if that is not the key's creation,
 * a NOTICE says so.  In a detail, quota_used and last_used_at are NULL: they are
 * no part of the log.  Raises 42704 for a key that the caller may not see, 22004,
 * and 42501 without "audit".
 */
Datum
ak_key_history(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	AkHistory history = {0};
	Snapshot snapshot = GetActiveSnapshot();
	AkCaller caller;

	ak_require_anywhere(AK_AUDIT);
	ak_need_argument(fcinfo, 0, "key_id");
	InitMaterializedSRF_compat(fcinfo);
	history.key_id = PG_GETARG_DATUM(0);
	history.workspace = workspace_of_key(history.key_id, snapshot);
	if (history.workspace == NULL || !ak_sees(AK_AUDIT, history.workspace))
		ak_not_found(errmsg("key %s does not exist", DatumGetCString(DirectFunctionCall1(uuid_out, history.key_id))),
					 errhint("apikeys.audit_logs has the entries that you may see."));

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	read_history(&history, snapshot);
	find_last_state(&history);
	for (int i = history.count - 1; i >= 0; i--)
	{
		AkKeyEntry *entry = &history.entries[i];
		Datum values[_Anum_history_max - 1];
		bool nulls[_Anum_history_max - 1] = {false};

		CHECK_FOR_INTERRUPTS();
		memcpy(values, entry->columns, sizeof(entry->columns));
		values[Anum_history_detail - 1] = detail_as_row(&history, i, snapshot);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		SPI_freetuptable(SPI_tuptable);
		move_state(&history, entry, true);
	}
	if (history.count == 0 || strcmp(TextDatumGetCString(history.entries[0].columns[1]), "Create") != 0)
		ereport(NOTICE, (errmsg("older entries of this key were purged"),
						 errdetail("Its history begins with the oldest entry left.")));
	SPI_finish();
	ak_owner_end(&caller);
	return (Datum) 0;
}
