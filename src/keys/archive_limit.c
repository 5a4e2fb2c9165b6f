/*-------------------------------------------------------------------------
 *
 * archive_limit.c
 *	  Trigger: beyond the archive limit, the keys archived first are dropped.
 *
 * It fires after a key is archived or a workspace's limit is lowered, when the
 * row is written and can be seen, and before the audit trigger, whose entry
 * names the dropped keys.
 *
 * Archiving ends a key that may have leaked, and never fails because of another
 * key.  So where a user's foreign key, trigger or rule watches the table's
 * deletions, keys are dropped in a subtransaction: if that fails, a key stays,
 * with a WARNING that says why.
 *
 * Deferred constraints fail at commit only, which is too late.  So the deletion
 * is tried first, with all constraints immediate, and rolled back.  That
 * restores the state of all constraints; the rows stay locked meanwhile, so
 * that no new reference to them can appear between the trial and the deletion.
 *
 * Locks, until the end of the transaction: the archive lock of the workspace,
 * which the caller holds, and the rows that are dropped.  A row that another
 * transaction has locked is not waited for: it stays.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/uuid.h"

#include "access/context.h"
#include "audit/action.h"
#include "audit/changes.h"
#include "audit/sealed_row.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/lock.h"
#include "core/query.h"
#include "keys/archive_limit.h"

PG_FUNCTION_INFO_V1(ak_archive_limit);

/* After a failed deletion keys are tried one by one, until this number of them was refused */
#define REFUSED_MAX 10

/* A key beyond the limit */
typedef struct AkSurplus
{
	pg_uuid_t key_id;
	char *name;
	bool locked; /* by us, to be dropped */
	bool dropped;
} AkSurplus;

/* Keys to be dropped together */
typedef struct AkDrop
{
	AkSurplus *keys;
	int count;
	bool watched; /* is_watched(): the deletion may fail */
} AkDrop;

/* Locks a workspace for archives until the end of the transaction. */
void
ak_lock_archive(const char *workspace)
{
	ak_lock_object(AK_KEY, workspace, ExclusiveLock);
}

/*
 * Returns the keys of a workspace beyond its limit, as of the latest commit, in
 * the order of archiving; palloc'd in the current memory context.
 */
static AkSurplus *
find_surplus(const char *workspace, int archive_limit, int *count)
{
	static AkQuery query = {"SELECT key_id, name FROM (SELECT key_id, name, archived_at FROM apikeys.key "
							"WHERE workspace = $1 AND archived_at IS NOT NULL "
							"ORDER BY archived_at DESC, key_id OFFSET $2) AS surplus ORDER BY archived_at, key_id DESC",
							2,
							{TEXTOID, INT8OID},
							NULL};
	MemoryContext context = CurrentMemoryContext;
	Datum args[2] = {CStringGetTextDatum(workspace), Int64GetDatum(archive_limit)};
	AkSurplus *keys;

	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	*count = (int) SPI_processed;
	keys = MemoryContextAllocZero(context, sizeof(AkSurplus) * Max(1, *count));
	for (int i = 0; i < *count; i++)
	{
		bool isnull;

		keys[i].key_id = *DatumGetUUIDP(ak_query_result(i, 1, &isnull));
		keys[i].name = MemoryContextStrdup(context, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2));
	}
	SPI_finish();
	return keys;
}

/*
 * Runs a statement with the id of one key.  Returns true if it reached the key.
 * SPI is connected.
 *
 * One key at a time: whatever the planner believes of the table, it takes the
 * index.  A join with an array of keys it may turn into a comparison of each row
 * with each key.
 */
static bool
reaches_key(const AkAction *action, AkQuery *query, AkSurplus *key)
{
	Datum args[1] = {UUIDPGetDatum(&key->key_id)};
	bool reached;

	CHECK_FOR_INTERRUPTS();
	ak_act(action, query, args, NULL, AK_SEE_LATEST);
	reached = SPI_processed > 0;
	SPI_freetuptable(SPI_tuptable);
	return reached;
}

static void
lock_rows(AkDrop *drop)
{
	static AkQuery query = {"SELECT FROM apikeys.key WHERE key_id = $1 FOR UPDATE SKIP LOCKED", 1, {UUIDOID}, NULL};

	SPI_connect();
	for (int i = 0; i < drop->count; i++)
		drop->keys[i].locked = reaches_key(NULL, &query, &drop->keys[i]);
	SPI_finish();
}

static void
delete_rows(AkDrop *drop)
{
	static AkQuery query = {"DELETE FROM apikeys.key WHERE key_id = $1 RETURNING true", 1, {UUIDOID}, NULL};
	static const AkAction action = {.table = AK_KEY, .verb = AK_VERB_DROP};

	SPI_connect();
	for (int i = 0; i < drop->count; i++)
		if (drop->keys[i].locked)
			drop->keys[i].dropped = reaches_key(&action, &query, &drop->keys[i]);
	SPI_finish();
}

/*
 * Deletes the keys, and raises what the deletion raises or the commit would.
 * This also fires the other deferred triggers of the transaction, including the
 * caller's own: they run as at commit, with the rights of the session's role and
 * its search_path, never with the owner's.
 */
static void
try_to_delete(AkDrop *drop)
{
	AkOutside outside;
	int rc;

	SPI_connect();
	ak_refuse_foreign_actions(true);
	SPI_finish();
	delete_rows(drop);
	ak_outside_begin(&outside);
	SPI_connect();
	rc = SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0);
	if (rc != SPI_OK_UTILITY) /* a statement that fails raises its own error */
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(rc));
	SPI_finish();
	ak_outside_end(&outside);
}

/* Returns true if a foreign key, a trigger other than our guard, or a rule watches the table's deletions. */
static bool
is_watched(void)
{
	Relation rel = ak_table_open(AK_KEY, RowExclusiveLock);
	TriggerDesc *triggers = rel->trigdesc;
	bool watched = rel->rd_rules != NULL;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		if (TRIGGER_FOR_DELETE(triggers->triggers[i].tgtype) &&
			(triggers->triggers[i].tgisinternal || strcmp(triggers->triggers[i].tgname, "guard") != 0))
			watched = true;
	table_close(rel, NoLock);
	return watched;
}

/* Returns true if an error does not concern the key, and must end the whole action. */
static bool
must_pass_on(int sqlerrcode)
{
	int category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_OPERATOR_INTERVENTION || category == ERRCODE_INSUFFICIENT_RESOURCES ||
		   sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

/*
 * Calls work() in a subtransaction, and rolls that back unless "keep".  Returns
 * NULL, or the error because of which it was rolled back.  Raises a
 * cancellation, a lack of memory or disk, and a serialization failure, after
 * which the transaction has to be repeated as a whole.
 */
static ErrorData *
in_subtransaction(void (*work)(AkDrop *drop), AkDrop *drop, bool keep)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(drop);
		if (keep)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	if (error != NULL && must_pass_on(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

static void
drop_now(AkDrop *drop)
{
	for (int i = 0; i < drop->count; i++)
		drop->keys[i].locked = drop->keys[i].dropped = false;
	lock_rows(drop);
	if (drop->watched)
	{
		ErrorData *error = in_subtransaction(try_to_delete, drop, false);

		if (error != NULL)
			ReThrowError(error);
		for (int i = 0; i < drop->count; i++)
			drop->keys[i].dropped = false;
	}
	delete_rows(drop);
}

/* Drops those of the keys that are not locked by others, all or none; returns the error if it was none. */
static ErrorData *
drop_together(AkSurplus *keys, int count, bool watched)
{
	AkDrop drop = {keys, count, watched};
	ErrorData *error = NULL;

	/*
	 * A subtransaction has an xid of its own, and a row that the transaction
	 * archived is locked by the transaction's: both together make a
	 * MultiXactId, which every later look at the row would have to read.
	 */
	if (watched)
		error = in_subtransaction(drop_now, &drop, true);
	else
		drop_now(&drop);
	for (int i = 0; error != NULL && i < count; i++)
		keys[i].dropped = false;
	return error;
}

static char *
key_id_text(const AkSurplus *key)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&key->key_id)));
}

/* Warns of a key that stays. */
static void
warn_of(const AkSurplus *key, const ErrorData *error)
{
	ereport(WARNING, (errmsg("archived key \"%s\" (%s) could not be dropped, and stays beyond the archive limit",
							 key->name, key_id_text(key)),
					  error == NULL && key->locked ? errdetail("A trigger kept it.")
					  : error == NULL              ? errdetail("Another transaction has locked it.")
					  : error->detail              ? errdetail_internal("%s: %s", error->message, error->detail)
												   : errdetail_internal("%s", error->message),
					  errhint("The next key that is archived in this workspace tries again.")));
}

/*
 * Drops the keys of a workspace beyond its archive limit, those archived first,
 * and returns their number.  The archive lock must be held.  Each key is
 * reported by a NOTICE and appended to "evicted", by ak_append_evicted();
 * a key that cannot be dropped stays, with a WARNING.  Sees all that is
 * committed, whatever the isolation level.
 */
static int
drop_surplus(const char *workspace, int archive_limit, StringInfo evicted)
{
	AkCaller caller;
	AkSurplus *keys;
	int count;
	int dropped = 0;
	bool watched;
	ErrorData *error;

	ak_owner_begin(&caller, AK_TO_MANAGE);
	keys = find_surplus(workspace, archive_limit, &count);
	watched = count > 0 && is_watched();
	error = count > 0 ? drop_together(keys, count, watched) : NULL;
	if (error != NULL && count > 1)
	{
		int refused = 0;

		/* the last archived first: among the older ones, many may have been refused before */
		for (int i = count - 1; i >= 0 && refused < REFUSED_MAX; i--)
		{
			ErrorData *why = drop_together(&keys[i], 1, watched);

			if (keys[i].dropped)
				continue;
			warn_of(&keys[i], why);
			refused++;
		}
	}
	else
	{
		for (int i = 0; i < count; i++)
			if (!keys[i].dropped)
				warn_of(&keys[i], error);
	}
	ak_owner_end(&caller);

	for (int i = 0; i < count; i++)
	{
		if (!keys[i].dropped)
			continue;
		ak_append_evicted(evicted, dropped++, key_id_text(&keys[i]), keys[i].name);
		ereport(NOTICE,
				(errmsg("archived key \"%s\" (%s) was dropped", keys[i].name, key_id_text(&keys[i])),
				 errdetail_plural("Workspace \"%s\" keeps %d archived key.", "Workspace \"%s\" keeps %d archived keys.",
								  archive_limit, workspace, archive_limit)));
	}
	return dropped;
}

/*
 * Trigger AFTER UPDATE of apikeys.key, each row: acts if the key becomes
 * archived; and of apikeys.workspace, each row whose archive_limit becomes lower.
 *
 * The archive lock is held already for a key, and taken for a workspace.
 */
Datum
ak_archive_limit(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata =
		ak_trigger_data(fcinfo, "archive_limit", AK_ON_UPDATE, AK_TABLE_BIT(AK_KEY) | AK_TABLE_BIT(AK_WORKSPACE));
	Relation rel = trigdata->tg_relation;
	StringInfoData evicted;
	char *workspace;
	int limit;
	AkRow new;

	if (RelationGetRelid(rel) == ak_relid(AK_KEY) &&
		(!heap_attisnull(trigdata->tg_trigtuple, Anum_key_archived_at, RelationGetDescr(rel)) ||
		 heap_attisnull(trigdata->tg_newtuple, Anum_key_archived_at, RelationGetDescr(rel))))
		return PointerGetDatum(NULL);
	ak_row_read(&new, rel, trigdata->tg_newtuple);
	if (RelationGetRelid(rel) == ak_relid(AK_KEY))
	{
		AkWorkspace settings;

		workspace = ak_row_text(&new, Anum_key_workspace);
		if (!ak_workspace_settings(workspace, &settings))
			return PointerGetDatum(NULL);
		limit = settings.archive_limit;
	}
	else
	{
		workspace = ak_row_text(&new, Anum_workspace_workspace);
		limit = DatumGetInt32(AK_VALUE(&new, Anum_workspace_archive_limit));
		ak_lock_archive(workspace);
	}
	initStringInfo(&evicted);
	if (drop_surplus(workspace, limit, &evicted) > 0)
	{
		appendStringInfoChar(&evicted, ']');
		ak_add_details(&new, evicted.data);
	}
	return PointerGetDatum(NULL);
}
