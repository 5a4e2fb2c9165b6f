/*-------------------------------------------------------------------------
 *
 * entry.c
 *	  One action, one entry.
 *
 * An entry is written by the statement that acts, and with it a row of
 * apikeys_internal.audit_pending: "not in its tree yet".  The sequencer takes it into the
 * tree after the commit (log/sequencer.c).  So writing an entry takes no lock,
 * reads neither the log nor a tree, and waits for nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "access/context.h"
#include "audit/entry.h"
#include "audit/row_digest.h"
#include "audit/sealed_row.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/rowwrite.h"
#include "core/query.h"
#include "core/subscriber.h"
#include "pure/digest.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(ak_guard_log);
PG_FUNCTION_INFO_V1(ak_guard_truncate);
PG_FUNCTION_INFO_V1(ak_entry_arrived);

/* Notes that an entry is not in the tree yet.  The sequencer takes it from there after the commit. */
static void
insert_pending(int64 audit_id)
{
	Relation rel = ak_table_open(AK_AUDIT_PENDING, RowExclusiveLock);
	Datum values[] = {Int64GetDatum(audit_id)};
	bool nulls[] = {false};

	if (ak_insert_row(rel, lengthof(values), values, nulls) == NULL)
		ak_refused_by_trigger("apikeys_internal.audit_pending", "entry");
	table_close(rel, NoLock);
}

/*
 * Writes an entry.  Number, actor and time are filled in here unless they are
 * given.
 * The caller's rights are not checked.
 *
 * Raises 42501 within a security-restricted operation, such as an index
 * expression in ANALYZE: there, code of one user runs in the session of
 * another, and the entry would name the wrong one.  The worker's jobs, which
 * are also restricted, may write entries.  Raises 55000 if ak_is_subscriber(),
 * and 09000 if a user's trigger suppressed the entry: nothing is done untold.
 */
void
ak_write_entry(const AkEntry *entry)
{
	AkRow row;
	Relation log = ak_table_open(AK_AUDIT_LOG, RowExclusiveLock);
	int64 audit_id = entry->audit_id;
	uint8 digest[AK_HASH_LEN];
	AkCaller caller;
	AkActor actor;

	if (InSecurityRestrictedOperation() && !ak_job_acts())
		ak_denied(errmsg("cannot manage keys within security-restricted operation"));
	ak_refuse_on_subscriber();
	if (audit_id == 0)
		audit_id = nextval_internal(ak_relid(AK_AUDIT_ID_SEQ), false);
	if (entry->actor != NULL)
		actor = *entry->actor;
	else
		ak_current_actor(entry->workspace, NULL, &actor);

	ak_row_begin(&row, log);

#define SET(column, value) ak_row_set(&row, Anum_audit_log_##column, value)
#define SET_TEXT(column, text)                                    \
	do                                                            \
	{                                                             \
		if ((text) != NULL)                                       \
			ak_row_set_text(&row, Anum_audit_log_##column, text); \
	} while (0)

	SET(audit_id, Int64GetDatum(audit_id));
	SET(time, TimestampTzGetDatum(entry->time != 0 ? entry->time : GetCurrentTimestamp()));
	SET_TEXT(workspace, entry->workspace);
	SET_TEXT(team, actor.team);
	SET_TEXT(entity, entry->entity);
	SET_TEXT(action, entry->action);
	SET_TEXT(activity, entry->activity);
	SET_TEXT(actor, actor.actor);
	if (actor.has_ip)
		SET(ip, actor.ip);
	SET(subject, DirectFunctionCall1(jsonb_in, CStringGetDatum(entry->subject)));
	if (entry->key_id != 0)
		SET(key_id, entry->key_id);
	SET_TEXT(key_name, entry->key_name);
	if (entry->changes != NULL)
		SET(changes, DirectFunctionCall1(jsonb_in, CStringGetDatum(entry->changes)));
	SET_TEXT(db_user, actor.db_user);
	if (entry->row_digest != 0)
		SET(row_digest, entry->row_digest);
	ak_row_digest(row.columns, row.values, row.nulls, digest);
	SET(digest, ak_digest_datum(digest));

#undef SET
#undef SET_TEXT

	ak_owner_begin(&caller, AK_TO_LOG);
	if (ak_insert_row(log, row.columns->natts, row.values, row.nulls) == NULL)
		ak_refused_by_trigger("apikeys.audit_log", "entry");
	insert_pending(audit_id);
	ak_owner_end(&caller);
	table_close(log, NoLock);

	/* it takes the entry into the tree, and enforces apikeys.audit_retention */
	(void) ak_worker_ensure();
}

/*
 * Trigger BEFORE INSERT OR UPDATE OR DELETE of the log's tables, each row.
 * Passes what this extension writes, and what a restore inserts: entries with
 * the right digest, and rows of trees.  Refuses the rest with 55000.
 */
Datum
ak_guard_log(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata =
		ak_trigger_data(fcinfo, "guard_log", AK_BEFORE | AK_ON_CHANGE,
						AK_TABLE_BIT(AK_AUDIT_LOG) | AK_TABLE_BIT(AK_AUDIT_TREE) | AK_TABLE_BIT(AK_AUDIT_SIZE));
	bool is_entry = RelationGetRelid(trigdata->tg_relation) == ak_relid(AK_AUDIT_LOG);

	if (ak_owner_purpose() == AK_TO_LOG)
		return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple
																		   : trigdata->tg_trigtuple);
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		AkRow row;

		ak_row_read(&row, trigdata->tg_relation, trigdata->tg_trigtuple);
		if (!is_entry || ak_row_digest_right(row.columns, row.values, row.nulls))
			return PointerGetDatum(trigdata->tg_trigtuple);
	}
	ak_wrong_state(errmsg("the audit log cannot be changed"),
				   errdetail("Entries are written by the actions that they tell of."));
}

/*
 * Row trigger BEFORE INSERT of audit_log, enabled for replicas only: an entry
 * that a logical replication worker brings.
 *
 * Should this database take over, then what has no place in a tree by then must
 * get one, and new entries need new numbers.  So the trigger makes sure that
 * row 0 of audit_pending is there, which has the sequencer derive the pending
 * rows (log/sequencer.c), and that the sequence is not behind.  It leaves other
 * rows alone: what somebody inserts with session_replication_role = replica has
 * to be found.
 *
 * Nothing here is still missing when a subscription is dropped: that ends its
 * workers first, and no row is derived before.
 */
Datum
ak_entry_arrived(PG_FUNCTION_ARGS)
{
	static AkQuery derive = {"INSERT INTO apikeys_internal.audit_pending (audit_id) VALUES (0) ON CONFLICT DO NOTHING",
							 0,
							 {0},
							 NULL};
	static AkQuery reached = {"SELECT last_value FROM apikeys_internal.audit_id_seq", 0, {0}, NULL};
	/* the (sub)transaction in which row 0 was looked at, and what the sequence has at least */
	static TransactionId looked_in = InvalidTransactionId;
	static int64 last_number;
	TriggerData *trigdata =
		ak_trigger_data(fcinfo, "entry_arrived", AK_BEFORE | AK_ON_INSERT, AK_TABLE_BIT(AK_AUDIT_LOG));
	TransactionId xid;
	AkCaller caller;
	AkRow row;
	int64 audit_id;

	if (!IsLogicalWorker())
		return PointerGetDatum(trigdata->tg_trigtuple);
	ak_row_read(&row, trigdata->tg_relation, trigdata->tg_trigtuple);
	audit_id = DatumGetInt64(AK_VALUE(&row, Anum_audit_log_audit_id));
	xid = GetCurrentTransactionId();
	ak_owner_begin(&caller, AK_TO_LOG);
	SPI_connect();
	if (looked_in != xid)
	{
		ak_query(&derive, NULL, NULL, AK_SEE_LATEST);
		last_number = 0;
		looked_in = xid;
	}
	if (last_number < audit_id)
	{
		Oid sequence = ak_relid(AK_AUDIT_ID_SEQ);
		bool isnull;

		/* another worker may bring entries, too, and setval() is no part of a transaction: the sequence must not go back */
		LockRelationOid(sequence, ShareUpdateExclusiveLock);
		ak_query(&reached, NULL, NULL, AK_SEE_LATEST);
		last_number = DatumGetInt64(ak_query_result(0, 1, &isnull));
		if (last_number < audit_id)
			DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence), Int64GetDatum(audit_id));
		last_number = Max(last_number, audit_id);
		UnlockRelationOid(sequence, ShareUpdateExclusiveLock);
	}
	SPI_finish();
	ak_owner_end(&caller);
	return PointerGetDatum(trigdata->tg_trigtuple);
}

/* Trigger BEFORE TRUNCATE: refuses with 55000. */
Datum
ak_guard_truncate(PG_FUNCTION_ARGS)
{
	Relation rel;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_TRUNCATE(((TriggerData *) fcinfo->context)->tg_event))
		ak_no_trigger_call("guard_truncate", "a trigger of TRUNCATE");
	rel = ((TriggerData *) fcinfo->context)->tg_relation;
	ak_wrong_state(errmsg("table \"%s.%s\" cannot be truncated", get_namespace_name(RelationGetNamespace(rel)),
						  RelationGetRelationName(rel)));
}
