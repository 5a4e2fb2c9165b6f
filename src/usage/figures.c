/*-------------------------------------------------------------------------
 *
 * figures.c
 *	  SQL functions for the views of usage, and status().
 *
 * The views add up the tables and usage_memory(), and subtract the part of a slot
 * that the tables already have (see flush.c).  A function in a view runs with the
 * rights of the role that reads the view, so the functions here check what that
 * role may see.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inet.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "core/args.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/guc.h"
#include "core/query.h"
#include "core/subscriber.h"
#include "usage/figures.h"
#include "usage/memory.h"
#include "usage/usage.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(ak_usage_memory);
PG_FUNCTION_INFO_V1(ak_last_use);
PG_FUNCTION_INFO_V1(ak_status);

static Datum
address_datum(const AkAddress *address)
{
	inet *value = palloc0(sizeof(inet));

	ip_family(value) = address->is_v6 ? PGSQL_AF_INET6 : PGSQL_AF_INET;
	ip_bits(value) = address->bits;
	memcpy(ip_addr(value), address->bytes, ip_addrsize(value));
	SET_INET_VARSIZE(value);
	return InetPGetDatum(value);
}

/* Writes a figure as a row: AK_FIGURE_NATTS values and nulls. */
void
ak_figure_row(const AkFigure *figure, Datum *values, bool *nulls)
{
	const AkSlot *slot = &figure->slot;
	pg_uuid_t *key_id = palloc(sizeof(pg_uuid_t));

	memset(nulls, 0, AK_FIGURE_NATTS * sizeof(bool));
	memcpy(key_id->data, slot->id.key_id, UUID_LEN);
	values[AK_FIGURE_KEY_ID] = UUIDPGetDatum(key_id);
	values[AK_FIGURE_WORKSPACE] = PointerGetDatum(cstring_to_text_with_len(slot->workspace, slot->workspace_len));
	values[AK_FIGURE_HOUR] = TimestampTzGetDatum(slot->id.hour * USECS_PER_HOUR);
	values[AK_FIGURE_API] = CStringGetTextDatum(slot->id.api != 0 ? ak_api_name(slot->id.api) : "");
	values[AK_FIGURE_CODE] = CStringGetTextDatum(ak_code_name(slot->id.kind));
	values[AK_FIGURE_OLD_SECRET] = BoolGetDatum(slot->id.old_secret);
	values[AK_FIGURE_SLOT] = Int64GetDatum(slot->number);
	values[AK_FIGURE_COUNT] = Int64GetDatum(slot->count);
	values[AK_FIGURE_LAST_AT] = TimestampTzGetDatum(slot->last_at);
	nulls[AK_FIGURE_LAST_CLIENT] = slot->client.bits == 0;
	values[AK_FIGURE_LAST_CLIENT] = slot->client.bits == 0 ? (Datum) 0 : address_datum(&slot->client);
	values[AK_FIGURE_FLUSHED] = Int64GetDatum(slot->flushed);
}

/* Returns true if the caller may see the usage of that workspace ('': usage without a workspace). */
static bool
in_sight(const char *workspace)
{
	return ak_sees(AK_VIEW, workspace[0] != '\0' ? workspace : NULL);
}

/* The workspace of the last figure, and whether it is in sight */
typedef struct AkSeenWorkspace
{
	char workspace[AK_WORKSPACE_MAX + 1];
	bool in_sight;
} AkSeenWorkspace;

/* Returns true for a figure (not for the time of the last flush) that the caller may see. */
static bool
is_figure_in_sight(const AkSlot *copy, void *arg)
{
	AkSeenWorkspace *last = arg;

	CHECK_FOR_INTERRUPTS();
	if (copy->id.kind >= AK_CODE_COUNT)
		return false;
	if (strncmp(last->workspace, copy->workspace, copy->workspace_len) != 0 ||
		last->workspace[copy->workspace_len] != '\0')
	{
		memcpy(last->workspace, copy->workspace, copy->workspace_len);
		last->workspace[copy->workspace_len] = '\0';
		last->in_sight = in_sight(last->workspace);
	}
	return last->in_sight;
}

/*
 * usage_memory() -> setof (see figures.h)
 *
 * Returns the figures of this database in memory that the caller may see.
 */
Datum
ak_usage_memory(PG_FUNCTION_ARGS)
{
	AkSeenWorkspace last = {.workspace = "", .in_sight = in_sight("")};
	ReturnSetInfo *rsinfo;
	AkFigure *figures;
	int count;

	InitMaterializedSRF_compat(fcinfo);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	figures = ak_usage_copy(false, is_figure_in_sight, &last, NULL, 0, &count);
	for (int i = 0; i < count; i++)
	{
		Datum values[AK_FIGURE_NATTS];
		bool nulls[AK_FIGURE_NATTS];

		CHECK_FOR_INTERRUPTS();
		ak_figure_row(&figures[i], values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * Returns when the tables last have a valid request with a key, and the key's
 * workspace in "workspace", of AK_WORKSPACE_MAX + 1 bytes; 0, with "workspace"
 * unchanged, if they have none.
 */
static TimestampTz
flushed_last_use(Datum key_id, char *workspace)
{
	enum
	{
		KEY_ID,
		API,
		CODE,
		OLD_SECRET,
		WORKSPACE,
		COUNT,
		LAST_AT,
		NATTS
	};
	Relation rel = table_open(ak_usage_relid(), AccessShareLock);
	TimestampTz last_at = 0;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, KEY_ID + 1, BTEqualStrategyNumber, F_UUID_EQ, key_id);
	scan = systable_beginscan(rel, ak_relid(AK_USAGE_PKEY), true, GetActiveSnapshot(), 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool isnull;
		text *code = DatumGetTextPP(heap_getattr(tuple, CODE + 1, RelationGetDescr(rel), &isnull));

		if (VARSIZE_ANY_EXHDR(code) != 5 || memcmp(VARDATA_ANY(code), "VALID", 5) != 0)
			continue;
		last_at = Max(last_at, DatumGetTimestampTz(heap_getattr(tuple, LAST_AT + 1, RelationGetDescr(rel), &isnull)));
		text_to_cstring_buffer(DatumGetTextPP(heap_getattr(tuple, WORKSPACE + 1, RelationGetDescr(rel), &isnull)),
							   workspace, AK_WORKSPACE_MAX + 1);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return last_at;
}

/*
 * Returns when a request with a key was last valid, by the tables as the calling
 * statement sees them and by memory; 0 if none was, or if the caller may not see
 * the key.  One index scan and one look-up in memory cost a third of a sub-select
 * in SQL.
 */
TimestampTz
ak_last_used_at(const pg_uuid_t *key_id)
{
	char workspace[AK_WORKSPACE_MAX + 1];
	TimestampTz flushed = flushed_last_use(UUIDPGetDatum(key_id), workspace);
	TimestampTz last_at = Max(flushed, ak_usage_last_used(key_id, workspace));

	return last_at == 0 || !in_sight(workspace) ? 0 : last_at;
}

/*
 * last_use(key_id uuid) -> timestamptz
 *
 * The same in SQL; NULL for 0.  The views call it for each key that they show.
 */
Datum
ak_last_use(PG_FUNCTION_ARGS)
{
	TimestampTz last_at = ak_last_used_at(PG_GETARG_UUID_P(0));

	if (last_at == 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(last_at);
}

/* Returns true for the slot of the time of the database's last flush. */
static bool
is_clock(const AkSlot *copy, void *arg)
{
	return copy->id.kind == AK_SLOT_FLUSH;
}

/*
 * Starts the worker of this database if it has none, and returns the worker's
 * state, which begins with "none" if there is none yet.
 */
const char *
ak_worker_text(void)
{
	switch (ak_worker_ensure())
	{
		case AK_WORKER_RUNNING:
			return RecoveryInProgress() ? "waiting for promotion" : "running";
		case AK_WORKER_STARTING:
			return "starting";
		case AK_WORKER_WAITING:
			return "waiting for its turn";
		case AK_WORKER_NO_SLOT:
			return "none: max_worker_processes are all in use; call flush_usage() from time to time";
		case AK_WORKER_REFUSED:
			return "none: it could not connect to the database, see the server log; call flush_usage() from time to time";
		case AK_WORKER_NONE:
			break;
	}
	return "none";
}

/* Returns why requests may not be counted in full, or NULL if they are. */
static const char *
reason_text(const AkMemoryStatus *memory, bool worker)
{
	if (!ak_guc_track_usage)
		return "apikeys.track_usage is off";
	if (!memory->had)
		return "there is no shared memory for it";
	if (RecoveryInProgress())
		return "a standby counts in memory alone";
	if (ak_takes_usage())
		return "a subscriber of the tables of usage counts in memory alone";
	if (!worker)
		return "without a worker, memory does not grow";
	if (memory->refused)
		return "the system has no more shared memory to give";
	return NULL;
}

/* Returns when this database was last flushed since the memory was created; 0 if it was not. */
TimestampTz
ak_last_flush(void)
{
	int count;
	AkFigure *clock = ak_usage_copy(false, is_clock, NULL, NULL, 0, &count);

	return count == 0 ? 0 : clock->slot.last_at;
}

/*
 * status() -> version, tracking, reason, worker, entries, limits, bytes,
 *			   max_bytes, counts_lost, limits_not_kept, limits_given_up, last_flush
 *
 * Returns the state of usage counting.  What is of the whole server (the memory,
 * and the losses since the server started) is NULL unless the caller may monitor
 * all workspaces.  Raises 42501 unless it may monitor at least one.
 */
Datum
ak_status(PG_FUNCTION_ARGS)
{
	static AkQuery query = {"SELECT extversion FROM pg_extension WHERE extname = 'apikeys'", 0, {0}, NULL};
	enum
	{
		VERSION,
		TRACKING,
		REASON,
		WORKER,
		ENTRIES,
		LIMITS,
		BYTES,
		MAX_BYTES,
		COUNTS_LOST,
		LIMITS_NOT_KEPT,
		LIMITS_GIVEN_UP,
		LAST_FLUSH,
		NATTS
	};
	Datum values[NATTS] = {0};
	bool nulls[NATTS] = {0};
	AkMemoryStatus memory;
	const char *worker;
	const char *reason;

	ak_require_anywhere(AK_MONITOR);
	ak_memory_status(&memory);
	worker = ak_worker_text();
	reason = reason_text(&memory, strncmp(worker, "none", 4) != 0);
	values[TRACKING] = BoolGetDatum(ak_guc_track_usage && memory.had);
	nulls[REASON] = reason == NULL;
	if (reason != NULL)
		values[REASON] = CStringGetTextDatum(reason);
	values[WORKER] = CStringGetTextDatum(worker);

	values[ENTRIES] = Int64GetDatum(memory.used[AK_ROOM_COUNTERS]);
	values[LIMITS] = Int64GetDatum(memory.used[AK_ROOM_LIMITS]);
	values[BYTES] = Int64GetDatum(memory.bytes);
	values[MAX_BYTES] = Int64GetDatum(memory.ceiling);
	values[COUNTS_LOST] = Int64GetDatum(memory.lost[AK_LOST_COUNT]);
	values[LIMITS_NOT_KEPT] = Int64GetDatum(memory.lost[AK_LOST_LIMIT]);
	values[LIMITS_GIVEN_UP] = Int64GetDatum(memory.lost[AK_LOST_EARLY]);
	for (int i = ENTRIES; i <= LIMITS_GIVEN_UP; i++)
		nulls[i] = !ak_sees(AK_MONITOR, NULL);

	values[LAST_FLUSH] = TimestampTzGetDatum(ak_last_flush());
	nulls[LAST_FLUSH] = ak_last_flush() == 0;

	values[VERSION] = CStringGetTextDatum(ak_read_text(&query, NULL, NULL, AK_SEE_TRANSACTION));
	return HeapTupleGetDatum(heap_form_tuple(ak_result_descriptor(fcinfo), values, nulls));
}
