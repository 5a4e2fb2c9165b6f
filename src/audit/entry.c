/*-------------------------------------------------------------------------
 *
 * entry.c
 *	  One action, one entry; before commit, its link in the chain.
 *
 * An entry is written by the statement that acts.  All entries of a transaction
 * are linked into their workspaces' chains just before commit, so that an open
 * transaction blocks no other: only commits in the same workspace wait for each
 * other, for the duration of a commit.  All transactions lock chains in the
 * same order, so that they cannot deadlock; a chain's head is read with
 * SnapshotSelf under the lock, so that this works at every isolation level.
 * Entries of a rolled back subtransaction are forgotten.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "access/context.h"
#include "audit/entry.h"
#include "audit/row_digest.h"
#include "audit/sealed_row.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/insert.h"
#include "core/lock.h"
#include "core/query.h"
#include "pure/chain.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(ak_guard_log);
PG_FUNCTION_INFO_V1(ak_guard_truncate);

/* An entry of this transaction that is not linked yet */
typedef struct AkPending
{
	int64 audit_id;
	Oid log;         /* the table that it is in */
	int nest_level;  /* of the (sub)transaction that wrote it */
	uint32 lock_tag; /* of its workspace's chain */
	char *workspace; /* '' for none */
	uint8 digest[AK_HASH_LEN];
} AkPending;

static AkPending *pending = NULL; /* in TopTransactionContext */
static int pending_count = 0;
static int pending_allocated = 0;

/* True if this transaction purged: the last link of a chain may then be in audit_purged */
static bool purged = false;

static void
remember_pending(int64 audit_id, const char *workspace, const uint8 *digest)
{
	AkPending *new;

	if (pending_count == pending_allocated)
	{
		pending_allocated = Max(8, pending_allocated * 2);
		if (pending == NULL)
			pending = MemoryContextAlloc(TopTransactionContext, pending_allocated * sizeof(AkPending));
		else
			pending = repalloc_huge(pending, pending_allocated * sizeof(AkPending));
	}
	new = &pending[pending_count];
	new->audit_id = audit_id;
	new->log = ak_relid(AK_AUDIT_LOG);
	new->nest_level = GetCurrentTransactionNestLevel();
	/* a transaction mostly stays in one workspace */
	if (pending_count > 0 && strcmp(new[-1].workspace, workspace) == 0)
		new->workspace = new[-1].workspace;
	else
		new->workspace = MemoryContextStrdup(TopTransactionContext, workspace);
	new->lock_tag = ak_lock_tag(workspace);
	memcpy(new->digest, digest, AK_HASH_LEN);
	pending_count++;
}

/* Returns true if the current transaction wrote this entry and has not linked it yet. */
bool
ak_entry_pending(int64 audit_id)
{
	for (int i = pending_count - 1; i >= 0; i--)
		if (pending[i].audit_id == audit_id)
			return true;
	return false;
}

/* Notes that an entry is not in the tree yet.  The sequencer takes it from there after the commit. */
static void
insert_pending(int64 audit_id)
{
	Relation rel = ak_table_open(AK_AUDIT_PENDING, RowExclusiveLock);
	Datum values[] = {Int64GetDatum(audit_id)};
	bool nulls[] = {false};

	ak_insert_row(rel, lengthof(values), values, nulls);
	table_close(rel, NoLock);
}

/*
 * Writes an entry and returns its audit_id.  Actor and time are filled in here.
 * The caller's rights are not checked.
 *
 * Raises 42501 within a security-restricted operation, such as an index
 * expression in ANALYZE: there, code of one user runs in the session of
 * another, and the entry would name the wrong one.  The worker's jobs, which
 * are also restricted, may write entries.  Raises 55000 if ak_is_subscriber().
 */
int64
ak_write_entry(const AkEntry *entry)
{
	AkRow row;
	Relation log = ak_table_open(AK_AUDIT_LOG, RowExclusiveLock);
	int64 audit_id = entry->audit_id;
	uint8 digest[AK_HASH_LEN];
	AkCaller caller;
	AkActor actor;

	if (InSecurityRestrictedOperation() && !ak_job_acts())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("cannot manage keys within security-restricted operation")));
	ak_refuse_on_subscriber();
	if (audit_id == 0)
		audit_id = nextval_internal(ak_relid(AK_AUDIT_ID_SEQ), false);
	ak_current_actor(entry->workspace, &actor);
	/* taken now, so that the commit need not wait for a table lock */
	LockRelationOid(ak_relid(AK_AUDIT_LINK), RowExclusiveLock);

	ak_row_begin(&row, log);

#define SET(column, value) ak_row_set(&row, Anum_audit_log_##column, value)
#define SET_TEXT(column, text)                                    \
	do                                                            \
	{                                                             \
		if ((text) != NULL)                                       \
			ak_row_set_text(&row, Anum_audit_log_##column, text); \
	} while (0)

	SET(audit_id, Int64GetDatum(audit_id));
	SET(time, TimestampTzGetDatum(GetCurrentTimestamp()));
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
	ak_entry_digest(row.desc, row.natts, row.values, row.nulls, digest);
	SET(digest, ak_digest_datum(digest));

#undef SET
#undef SET_TEXT

	ak_owner_begin(&caller, AK_TO_LOG);
	ak_insert_row(log, row.natts, row.values, row.nulls);
	insert_pending(audit_id);
	ak_owner_end(&caller);
	table_close(log, NoLock);

	remember_pending(audit_id, entry->workspace ? entry->workspace : "", digest);
	/* it takes the entry into the tree, and enforces apikeys.audit_retention */
	(void) ak_worker_ensure();
	return audit_id;
}

/*
 * Reads the last row of a workspace in one of the chain's tables: returns its
 * position, 0 if there is none, and its link.  See read_head().
 */
static int64
read_last(AkRelation table, AkRelation pkey, AttrNumber position_column, AttrNumber link_column, const char *workspace,
		  uint8 *link)
{
	Relation rel = ak_table_open(table, RowExclusiveLock);
	Relation index = index_open(ak_relid(pkey), AccessShareLock);
	int64 position = 0;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(workspace));
	key.sk_collation = DEFAULT_COLLATION_OID; /* the column's */
	scan = systable_beginscan_ordered(rel, index, SnapshotSelf, 1, &key);
	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	if (HeapTupleIsValid(tuple))
	{
		bool isnull;
		bytea *value;

		position = DatumGetInt64(heap_getattr(tuple, position_column, RelationGetDescr(rel), &isnull));
		value = DatumGetByteaPP(heap_getattr(tuple, link_column, RelationGetDescr(rel), &isnull));
		if (VARSIZE_ANY_EXHDR(value) != AK_HASH_LEN)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED), errmsg("the last link of workspace \"%s\" is damaged", workspace),
					 errhint("apikeys.verify_audit_log() tells more.")));
		memcpy(link, VARDATA_ANY(value), AK_HASH_LEN);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, NoLock);
	return position;
}

/*
 * Reads the last link of a workspace's chain ('' for none): returns its
 * position, 0 if the chain is empty, and the link.  The chain's lock must be
 * held: then no other transaction can add to it, and SnapshotSelf sees all that
 * is committed.
 */
static int64
read_head(const char *workspace, uint8 *link)
{
	int64 position =
		read_last(AK_AUDIT_LINK, AK_AUDIT_LINK_PKEY, Anum_audit_link_position, Anum_audit_link_link, workspace, link);

	if (purged)
	{
		uint8 in_run[AK_HASH_LEN];
		int64 run = read_last(AK_AUDIT_PURGED, AK_AUDIT_PURGED_PKEY, Anum_audit_purged_last_position,
							  Anum_audit_purged_link, workspace, in_run);

		if (run > position)
		{
			memcpy(link, in_run, AK_HASH_LEN);
			return run;
		}
	}
	return position;
}

/* Orders by workspace, in the order of their locks; within one, by audit_id. */
static int
pending_order(const void *a, const void *b)
{
	const AkPending *x = a;
	const AkPending *y = b;

	if (x->lock_tag != y->lock_tag)
		return x->lock_tag < y->lock_tag ? -1 : 1;
	if (x->workspace != y->workspace)
	{
		int order = strcmp(x->workspace, y->workspace);

		if (order != 0)
			return order;
	}
	return x->audit_id < y->audit_id ? -1 : x->audit_id > y->audit_id;
}

/* Forgets the entries of an extension that this transaction dropped. */
static void
forget_dropped(void)
{
	Oid log = ak_relid_if_any(AK_AUDIT_LOG);
	int kept = 0;

	for (int i = 0; i < pending_count; i++)
		if (pending[i].log == log)
			pending[kept++] = pending[i];
	pending_count = kept;
}

/* Returns the number of chains of the pending entries, which are sorted. */
static int
count_chains(void)
{
	int count = 1;

	for (int i = 1; i < pending_count; i++)
		count += strcmp(pending[i].workspace, pending[i - 1].workspace) != 0;
	return count;
}

/* Links to be inserted together: enough to make a statement's own cost small, few enough to take little memory */
#define LINK_BATCH 500

typedef struct AkLinks
{
	int count;
	Datum workspace[LINK_BATCH];
	Datum position[LINK_BATCH];
	Datum audit_id[LINK_BATCH];
	Datum link[LINK_BATCH];
} AkLinks;

/* Inserts links.  SPI must be connected, as the owner. */
static void
insert_links(AkLinks *links)
{
	static AkQuery one = {
		"INSERT INTO apikeys.audit_link (workspace, position, audit_id, link) VALUES ($1, $2, $3, $4)",
		4,
		{TEXTOID, INT8OID, INT8OID, BYTEAOID},
		NULL};
	static AkQuery many = {"INSERT INTO apikeys.audit_link (workspace, position, audit_id, link) "
						   "SELECT * FROM ROWS FROM (unnest($1), unnest($2), "
						   "unnest($3), unnest($4))",
						   4,
						   {TEXTARRAYOID, INT8ARRAYOID, INT8ARRAYOID, BYTEAARRAYOID},
						   NULL};
	Datum args[4] = {links->workspace[0], links->position[0], links->audit_id[0], links->link[0]};

	if (links->count > 1)
	{
		args[0] = PointerGetDatum(construct_array(links->workspace, links->count, TEXTOID, -1, false, TYPALIGN_INT));
		args[1] = PointerGetDatum(
			construct_array(links->position, links->count, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		args[2] = PointerGetDatum(
			construct_array(links->audit_id, links->count, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
		args[3] = PointerGetDatum(construct_array(links->link, links->count, BYTEAOID, -1, false, TYPALIGN_INT));
	}
	ak_query(links->count > 1 ? &many : &one, args, NULL, AK_SEE_TRANSACTION);
	links->count = 0;
}

/* Links all of this transaction's entries. */
static void
link_pending(void)
{
	AkCaller caller;
	AkLinks *links;
	MemoryContext batch;
	MemoryContext old;
	uint8 link[AK_HASH_LEN];
	int64 position = 0;
	const char *workspace = NULL;
	bool many;

	PushActiveSnapshot(GetTransactionSnapshot());
	ak_owner_begin(&caller, AK_TO_LOG);
	SPI_connect();
	links = palloc(sizeof(AkLinks));
	links->count = 0;
	batch = AllocSetContextCreate(CurrentMemoryContext, "apikeys links", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(batch);

	qsort(pending, pending_count, sizeof(AkPending), pending_order);
	many = count_chains() > AK_LOCK_MANY;
	if (many)
		ak_lock_all(AK_AUDIT_LINK, ExclusiveLock);
	for (int i = 0; i < pending_count; i++)
	{
		if (workspace == NULL || strcmp(workspace, pending[i].workspace) != 0)
		{
			workspace = pending[i].workspace;
			if (!many)
				ak_lock_object(AK_AUDIT_LINK, workspace, ExclusiveLock);
			position = read_head(workspace, link);
		}
		if (!ak_link(position > 0 ? link : NULL, position + 1, pending[i].digest, link))
			ak_hash_failed();
		position++;
		links->workspace[links->count] = CStringGetTextDatum(workspace);
		links->position[links->count] = Int64GetDatum(position);
		links->audit_id[links->count] = Int64GetDatum(pending[i].audit_id);
		links->link[links->count] = ak_digest_datum(link);
		if (++links->count == LINK_BATCH || i == pending_count - 1)
		{
			insert_links(links);
			MemoryContextReset(batch);
		}
	}

	MemoryContextSwitchTo(old);
	SPI_finish();
	ak_owner_end(&caller);
	PopActiveSnapshot();
	pending_count = 0;
}

/* Runs a statement of a purge with AK_SEE_LATEST, in a section AK_TO_LOG.  SPI must be connected. */
void
ak_purge_query(AkQuery *query, Datum *args)
{
	purged = true;
	ak_query(query, args, NULL, AK_SEE_LATEST);
}

/* Just before a transaction commits or is prepared: links its entries. */
void
ak_audit_before_commit(void)
{
	if (pending_count > 0)
		forget_dropped();
	if (pending_count > 0)
		link_pending();
}

/* At the end of a transaction, which frees the memory. */
void
ak_audit_end(void)
{
	pending = NULL;
	pending_count = pending_allocated = 0;
	purged = false;
	ak_forget_fresh();
}

/* At the end of the subtransaction of that level. */
void
ak_audit_end_subtransaction(int level, bool committed)
{
	for (int i = pending_count - 1; i >= 0 && pending[i].nest_level >= level; i--)
	{
		if (committed)
			pending[i].nest_level = level - 1;
		else
			pending_count--;
	}
}

/*
 * Trigger BEFORE INSERT OR UPDATE OR DELETE of the log's tables, each row.
 * Passes what this extension writes, and what a restore inserts: entries with
 * the right digest, links, and runs of purged ones.  Refuses the rest with
 * 55000.
 */
Datum
ak_guard_log(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata =
		ak_trigger_data(fcinfo, "guard_log",
						AK_TABLE_BIT(AK_AUDIT_LOG) | AK_TABLE_BIT(AK_AUDIT_LINK) | AK_TABLE_BIT(AK_AUDIT_PURGED));
	bool is_entry = RelationGetRelid(trigdata->tg_relation) == ak_relid(AK_AUDIT_LOG);

	if (ak_owner_purpose() == AK_TO_LOG)
		return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple
																		   : trigdata->tg_trigtuple);
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		AkRow row;

		ak_row_read(&row, trigdata->tg_relation, trigdata->tg_trigtuple);
		if (!is_entry || ak_entry_digest_right(row.desc, row.natts, row.values, row.nulls))
			return PointerGetDatum(trigdata->tg_trigtuple);
	}
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("the audit log cannot be changed"),
					errdetail("Entries are written by the actions that they tell of.")));
}

/* Trigger BEFORE TRUNCATE: refuses with 55000. */
Datum
ak_guard_truncate(PG_FUNCTION_ARGS)
{
	Relation rel;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_TRUNCATE(((TriggerData *) fcinfo->context)->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function \"%s\" must be called as a trigger of TRUNCATE", "guard_truncate")));
	rel = ((TriggerData *) fcinfo->context)->tg_relation;
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("table \"%s.%s\" cannot be truncated", get_namespace_name(RelationGetNamespace(rel)),
						   RelationGetRelationName(rel))));
}
