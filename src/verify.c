/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Prove the audit log: verify_audit_log() and audit_anchor().
 *
 * Verification reads everything under one snapshot, the latest, in which
 * entries and their links stand together because they commit together.  It
 * takes no lock that anybody waits for.  The entries of the verifying
 * transaction itself have no link yet, and are passed over.
 *
 * Three passes, each of which names the entry that it finds bad:
 *	  links		every link follows from the one before, its position and its
 *				entry's digest, which follows from the entry
 *	  entries	every entry has its link
 *	  keys		every key's row has its right digest and is as its last entry
 *				left it; a key that is gone was dropped by an entry that says so
 * Then the anchors, if any: each must be a link of its chain.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "access.h"
#include "audit.h"
#include "catalog.h"
#include "chain.h"
#include "compat.h"
#include "context.h"
#include "query.h"
#include "rowdigest.h"

PG_FUNCTION_INFO_V1(ak_verify_audit_log);
PG_FUNCTION_INFO_V1(ak_audit_anchor);

/* Columns of the type apikeys.audit_verdict */
enum
{
	Anum_audit_verdict_workspace = 1,
	Anum_audit_verdict_entries,
	Anum_audit_verdict_ok,
	Anum_audit_verdict_first_bad,
	Anum_audit_verdict_problem,
	Anum_audit_verdict_head,
	_Anum_audit_verdict_max
};

/* What an anchor says of a chain */
typedef struct AkAnchor
{
	int64		position;		/* 0: there is no anchor */
	int64		audit_id;
	uint8		link[AK_HASH_LEN];
} AkAnchor;

/* A chain under verification */
typedef struct AkChain
{
	char	   *workspace;		/* '' for what belongs to none */
	int64		entries;
	int64		position;		/* of the last link; 0: none */
	uint8		head[AK_HASH_LEN];	/* the last link */
	const char *problem;		/* NULL: none so far */
	int64		first_bad;		/* the audit_id of the bad entry */
	AkAnchor	anchor;
} AkChain;

/* All that a verification works with */
typedef struct AkVerification
{
	Snapshot	snapshot;
	AkChain    *chains;			/* ordered by workspace */
	int			count;
	Datum		names;			/* their workspaces, text[] */
} AkVerification;

/* Notes a problem; of several, that of the entry with the smallest audit_id stays. */
static void
note(AkChain *chain, int64 audit_id, const char *problem)
{
	if (chain->problem == NULL || audit_id < chain->first_bad)
	{
		chain->problem = problem;
		chain->first_bad = audit_id;
	}
}

static int
chain_order(const void *a, const void *b)
{
	return strcmp(((const AkChain *) a)->workspace, ((const AkChain *) b)->workspace);
}

static AkChain *
chain_of(const AkVerification *v, Datum workspace)
{
	AkChain		key = {.workspace = TextDatumGetCString(workspace)};

	return bsearch(&key, v->chains, v->count, sizeof(AkChain), chain_order);
}

/* A bytea of 32 bytes; NULL when it is anything else. */
static const uint8 *
hash_bytes_of(Datum value, bool isnull)
{
	bytea	   *bytes;

	if (isnull)
		return NULL;
	bytes = DatumGetByteaPP(value);
	return VARSIZE_ANY_EXHDR(bytes) == AK_HASH_LEN ? (const uint8 *) VARDATA_ANY(bytes) : NULL;
}

/*
 * Checks one entry by itself and its link: computes what the link must be into
 * chain->head.  "entry" is NULL when there is none of that audit_id.
 */
static void
verify_link(AkChain *chain, TupleDesc log_desc, HeapTuple entry, int64 position, int64 audit_id,
			const uint8 *link)
{
	Datum		values[_Anum_audit_log_max - 1];
	bool		nulls[_Anum_audit_log_max - 1];
	uint8		digest[AK_HASH_LEN];
	uint8		expected[AK_HASH_LEN];
	const uint8 *stored;

	if (position != chain->position + 1)
		note(chain, audit_id, "links before this entry are missing");
	else if (entry == NULL)
		note(chain, audit_id, "the entry is missing");
	else
	{
		heap_deform_tuple(entry, log_desc, values, nulls);
		ak_row_digest(log_desc, values, nulls, digest);
		stored = hash_bytes_of(values[Anum_audit_log_digest - 1], nulls[Anum_audit_log_digest - 1]);
		if (stored == NULL || !ak_hash_equal(stored, digest))
			note(chain, audit_id, "the entry was altered");
		else if (strcmp(nulls[Anum_audit_log_workspace - 1] ? "" :
						TextDatumGetCString(values[Anum_audit_log_workspace - 1]), chain->workspace) != 0)
			note(chain, audit_id, "the entry belongs to another workspace");
		else if (link == NULL ||
				 !ak_link(chain->position > 0 ? chain->head : NULL, position, digest, expected) ||
				 !ak_hash_equal(expected, link))
			note(chain, audit_id, "the link does not follow from the entry and the link before");
	}
	chain->entries += entry != NULL;
	chain->position = position;
	if (link != NULL)
		memcpy(chain->head, link, AK_HASH_LEN);
	if (position == chain->anchor.position &&
		(link == NULL || !ak_hash_equal(chain->anchor.link, link)))
		note(chain, audit_id, "the chain differs from its anchor");
}

/*
 * The entry of an audit_id, borrowed from the slot; NULL if there is none.
 * Links mostly follow each other as their entries do: then the next entry of
 * the scan is the one, and only otherwise the index is descended anew.
 */
static HeapTuple
find_entry(IndexScanDesc scan, TupleTableSlot *slot, bool *in_step, Datum audit_id)
{
	for (int attempt = *in_step ? 0 : 1; attempt < 2; attempt++)
	{
		bool		isnull;

		if (attempt == 1)
		{
			ScanKeyData key;

			ScanKeyInit(&key, Anum_audit_log_audit_id, BTGreaterEqualStrategyNumber, F_INT8GE, audit_id);
			index_rescan(scan, &key, 1, NULL, 0);
		}
		*in_step = index_getnext_slot(scan, ForwardScanDirection, slot);
		if (*in_step &&
			DatumGetInt64(slot_getattr(slot, Anum_audit_log_audit_id, &isnull)) == DatumGetInt64(audit_id))
			return ExecFetchSlotHeapTuple(slot, false, NULL);
	}
	return NULL;
}

/* First pass: walks a chain in its order, and looks up each link's entry. */
static void
verify_links(const AkVerification *v, AkChain *chain)
{
	Relation	links = ak_table_open(AK_AUDIT_LINK, AccessShareLock);
	Relation	log = ak_table_open(AK_AUDIT_LOG, AccessShareLock);
	Relation	links_index = index_open(ak_relid(AK_AUDIT_LINK_PKEY), AccessShareLock);
	Relation	log_index = index_open(ak_relid(AK_AUDIT_LOG_PKEY), AccessShareLock);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(log), table_slot_callbacks(log));
	IndexScanDesc lookup = index_beginscan_compat(log, log_index, v->snapshot, 1);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "apikeys verify", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	bool		in_step = false;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_audit_link_workspace, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(chain->workspace));
	key.sk_collation = DEFAULT_COLLATION_OID;	/* the column's */
	scan = systable_beginscan_ordered(links, links_index, v->snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		Datum		values[_Anum_audit_link_max - 1];
		bool		nulls[_Anum_audit_link_max - 1];
		HeapTuple	entry;

		CHECK_FOR_INTERRUPTS();
		heap_deform_tuple(tuple, RelationGetDescr(links), values, nulls);
		/* a scan keeps memory of its own where it is called: not in the row's context */
		entry = find_entry(lookup, slot, &in_step, values[Anum_audit_link_audit_id - 1]);
		old = MemoryContextSwitchTo(context);
		verify_link(chain, RelationGetDescr(log), entry,
					DatumGetInt64(values[Anum_audit_link_position - 1]),
					DatumGetInt64(values[Anum_audit_link_audit_id - 1]),
					hash_bytes_of(values[Anum_audit_link_link - 1], false));
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	systable_endscan_ordered(scan);
	index_endscan(lookup);
	ExecDropSingleTupleTableSlot(slot);
	index_close(log_index, AccessShareLock);
	index_close(links_index, AccessShareLock);
	table_close(log, AccessShareLock);
	table_close(links, AccessShareLock);

	if (chain->anchor.position > chain->position)
		note(chain, chain->anchor.audit_id, "the chain ends before its anchor");
}

/* Runs a query with the workspaces as $1 under the verification's snapshot, as the owner; SPI is connected. */
static void
run(const AkVerification *v, const char *sql)
{
	Oid			argtypes[1] = {TEXTARRAYOID};
	Datum		args[1] = {v->names};
	SPIPlanPtr	plan = SPI_prepare(sql, 1, argtypes);
	int			rc;

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	rc = SPI_execute_snapshot(plan, args, NULL, v->snapshot, InvalidSnapshot, true, false, 0);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_snapshot failed: %s", SPI_result_code_string(rc));
}

/* Notes a problem for every row (workspace, audit_id) of the last query. */
static void
note_rows(const AkVerification *v, const char *problem)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		AkChain    *chain = chain_of(v, ak_query_result(i, 1, &isnull));
		int64		audit_id = DatumGetInt64(ak_query_result(i, 2, &isnull));

		if (chain != NULL && !ak_entry_pending(audit_id))
			note(chain, audit_id, problem);
	}
}

/* Entries of the workspaces $1, in which '' stands for none: in words that an index on workspace serves */
#define OF_OUR_WORKSPACES(log) \
	"(" log ".workspace OPERATOR(pg_catalog.=) ANY ($1) OR " log ".workspace IS NULL AND '' OPERATOR(pg_catalog.=) ANY ($1))"

/*
 * Second pass: entries that no link names.  Where each link found its entry,
 * and there are as many entries as links, there are none.
 */
static void
verify_entries(const AkVerification *v)
{
	bool		search = false;

	run(v,
		"SELECT COALESCE(a.workspace, ''), pg_catalog.count(*) FROM apikeys.audit_log a "
		"WHERE " OF_OUR_WORKSPACES("a") " GROUP BY 1");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		AkChain    *chain = chain_of(v, ak_query_result(i, 1, &isnull));

		search |= chain != NULL &&
			(chain->problem != NULL || chain->entries != DatumGetInt64(ak_query_result(i, 2, &isnull)));
	}
	if (!search)
		return;
	run(v,
		"SELECT COALESCE(a.workspace, ''), a.audit_id FROM apikeys.audit_log a "
		"WHERE " OF_OUR_WORKSPACES("a") " AND NOT EXISTS "
		"(SELECT 1 FROM apikeys.audit_link l WHERE l.audit_id OPERATOR(pg_catalog.=) a.audit_id) "
		"ORDER BY a.audit_id LIMIT 100000");
	note_rows(v, "the entry is not in the chain");
}

/* A key's row, and whether its entry stands beside it and left it so. */
static void
verify_key(const AkVerification *v, const Datum *values, const bool *nulls, TupleDesc desc,
		   Datum entry_digest, bool no_entry)
{
	AkChain    *chain = chain_of(v, values[Anum_key_workspace - 1]);
	int64		audit_id = DatumGetInt64(values[Anum_key_audit_id - 1]);
	const uint8 *left = hash_bytes_of(entry_digest, no_entry);
	const uint8 *is = hash_bytes_of(values[Anum_key_row_digest - 1], nulls[Anum_key_row_digest - 1]);

	if (chain == NULL)
		return;
	if (left == NULL)
		note(chain, audit_id, "the last entry of a key is missing");
	else if (is == NULL || !ak_hash_equal(left, is))
		note(chain, audit_id, "a key is not as its last entry left it");
	else if (!ak_row_digest_right(desc, values, nulls))
		note(chain, audit_id, "a key was altered after this entry");
}

/* Third pass: keys and their last entries. */
static void
verify_keys(const AkVerification *v)
{
	Relation	key = ak_table_open(AK_KEY, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(key);
	Oid			argtypes[1] = {TEXTARRAYOID};
	Datum		args[1] = {v->names};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "apikeys verify", ALLOCSET_DEFAULT_SIZES);
	Portal		portal;

	ak_check_columns(key, AK_KEY);
	PushActiveSnapshot(v->snapshot);	/* the cursor's */
	portal = SPI_cursor_open_with_args(NULL,
									   "SELECT k.*, a.row_digest FROM apikeys.key k LEFT JOIN apikeys.audit_log a "
									   "ON a.audit_id OPERATOR(pg_catalog.=) k.audit_id "
									   "AND a.key_id OPERATOR(pg_catalog.=) k.key_id "
									   "WHERE k.workspace OPERATOR(pg_catalog.=) ANY ($1) "
	/* every key: so that the two partial indexes serve */
									   "AND (k.archived_at IS NULL OR k.archived_at IS NOT NULL)",
									   1, argtypes, args, NULL, true, 0);
	PopActiveSnapshot();
	for (;;)
	{
		SPI_cursor_fetch(portal, true, 1000);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			Datum		values[_Anum_key_max];	/* and the entry's row_digest */
			bool		nulls[_Anum_key_max];
			MemoryContext old = MemoryContextSwitchTo(context);

			heap_deform_tuple(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, values, nulls);
			verify_key(v, values, nulls, desc, values[_Anum_key_max - 1], nulls[_Anum_key_max - 1]);
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	MemoryContextDelete(context);
	table_close(key, AccessShareLock);

	/* keys that are older than their last entry, or gone without one that drops them */
	run(v,
		"SELECT last.workspace, last.audit_id FROM "
		"(SELECT a.workspace, a.key_id, pg_catalog.max(a.audit_id) AS audit_id FROM apikeys.audit_log a "
		"WHERE a.workspace OPERATOR(pg_catalog.=) ANY ($1) AND a.key_id IS NOT NULL GROUP BY a.workspace, a.key_id) AS last "
		"LEFT JOIN apikeys.key k ON k.key_id OPERATOR(pg_catalog.=) last.key_id "
		"LEFT JOIN (SELECT DISTINCT CASE WHEN (gone OPERATOR(pg_catalog.->>) 'key_id') OPERATOR(pg_catalog.~) "
		"'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' "
		"THEN (gone OPERATOR(pg_catalog.->>) 'key_id')::pg_catalog.uuid END AS key_id FROM apikeys.audit_log e, "
		"LATERAL pg_catalog.jsonb_array_elements(e.changes OPERATOR(pg_catalog.->) 'evicted') AS gone "
		"WHERE e.workspace OPERATOR(pg_catalog.=) ANY ($1) "
		"AND e.action OPERATOR(pg_catalog.<>) 'Create' AND pg_catalog.jsonb_typeof("
		"e.changes OPERATOR(pg_catalog.->) 'evicted') OPERATOR(pg_catalog.=) 'array') AS evicted "
		"ON evicted.key_id OPERATOR(pg_catalog.=) last.key_id "
		"WHERE k.audit_id OPERATOR(pg_catalog.<) last.audit_id OR k.key_id IS NULL AND evicted.key_id IS NULL "
		"ORDER BY last.audit_id LIMIT 100000");
	note_rows(v, "a key is not as this entry left it, or gone without one that drops it");
}

/* Reads the anchors into the chains.  Raises 22023 for what audit_anchor() does not give. */
static void
read_anchors(AkVerification *v, Datum anchors)
{
	static AkQuery query = {
		"SELECT a.key, COALESCE((a.value OPERATOR(pg_catalog.->>) 'position') OPERATOR(pg_catalog.~) '^[1-9][0-9]{0,17}$' "
		"AND (a.value OPERATOR(pg_catalog.->>) 'audit_id') OPERATOR(pg_catalog.~) '^[1-9][0-9]{0,17}$' "
		"AND (a.value OPERATOR(pg_catalog.->>) 'link') OPERATOR(pg_catalog.~) '^[0-9a-f]{64}$', false), "
		"a.value OPERATOR(pg_catalog.->>) 'position', a.value OPERATOR(pg_catalog.->>) 'audit_id', "
		"a.value OPERATOR(pg_catalog.->>) 'link' "
		"FROM pg_catalog.jsonb_each(CASE WHEN pg_catalog.jsonb_typeof($1) OPERATOR(pg_catalog.=) 'object' THEN $1 "
		"ELSE '{\"\": null}' END) AS a",
		1, {JSONBOID}, NULL
	};
	Datum		args[1] = {anchors};

	ak_query(&query, args, NULL, AK_SEE_TRANSACTION);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		workspace = ak_query_result(i, 1, &isnull);
		AkChain    *chain = chain_of(v, workspace);
		Datum		link;

		if (!DatumGetBool(ak_query_result(i, 2, &isnull)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("anchors are not what audit_anchor() gives")));
		if (chain == NULL)
			continue;
		chain->anchor.position = strtoll(TextDatumGetCString(ak_query_result(i, 3, &isnull)), NULL, 10);
		chain->anchor.audit_id = strtoll(TextDatumGetCString(ak_query_result(i, 4, &isnull)), NULL, 10);
		link = DirectFunctionCall2(binary_decode, ak_query_result(i, 5, &isnull), CStringGetTextDatum("hex"));
		memcpy(chain->anchor.link, VARDATA_ANY(DatumGetByteaPP(link)), AK_HASH_LEN);
	}
}

/*
 * Every workspace of which something is there: itself, a link, an entry, a key,
 * or an anchor (NULL: none given).  Of one that was removed the log remains.
 */
static Datum
traced_workspaces(NullableDatum anchors)
{
	static AkQuery query = {
		"WITH RECURSIVE linked (workspace) AS ("
		"(SELECT l.workspace FROM apikeys.audit_link l ORDER BY l.workspace LIMIT 1) UNION ALL "
		"SELECT (SELECT l.workspace FROM apikeys.audit_link l "
		"WHERE l.workspace OPERATOR(pg_catalog.>) c.workspace ORDER BY l.workspace LIMIT 1) "
		"FROM linked c WHERE c.workspace IS NOT NULL), told (workspace) AS ("
		"(SELECT a.workspace FROM apikeys.audit_log a WHERE a.workspace IS NOT NULL ORDER BY a.workspace LIMIT 1) UNION ALL "
		"SELECT (SELECT a.workspace FROM apikeys.audit_log a "
		"WHERE a.workspace OPERATOR(pg_catalog.>) c.workspace ORDER BY a.workspace LIMIT 1) "
		"FROM told c WHERE c.workspace IS NOT NULL) "
		"SELECT pg_catalog.array_agg(n.workspace) FROM (SELECT '' AS workspace "
		"UNION SELECT w.workspace FROM apikeys.workspace w UNION SELECT k.workspace FROM apikeys.key k "
		"UNION SELECT c.workspace FROM linked c UNION SELECT c.workspace FROM told c "
		"UNION SELECT a.key FROM pg_catalog.jsonb_each(CASE WHEN pg_catalog.jsonb_typeof($1) OPERATOR(pg_catalog.=) 'object' "
		"THEN $1 END) AS a) AS n WHERE n.workspace IS NOT NULL",
		1, {JSONBOID}, NULL
	};
	MemoryContext context = CurrentMemoryContext;
	AkCaller	caller;
	bool		isnull;
	Datum		names;

	ak_become_owner(&caller);
	SPI_connect();
	ak_query(&query, &anchors.value, anchors.isnull ? "n" : NULL, AK_SEE_LATEST);
	names = ak_query_result(0, 1, &isnull);
	MemoryContextSwitchTo(context);
	names = PointerGetDatum(PG_DETOAST_DATUM_COPY(names));
	SPI_finish();
	ak_become_caller(&caller);
	return names;
}

/*
 * The workspaces to look at: the one named, or all in which the caller may
 * audit; '' for what belongs to none.  Who may audit everywhere looks at every
 * one of which there is a trace, so that none is passed over.  Raises 42704 and
 * 42501.
 */
static Datum
audited_workspaces(FunctionCallInfo fcinfo, NullableDatum anchors)
{
	char	   *workspace;

	ak_require_anywhere(AK_AUDIT);
	if (PG_ARGISNULL(0) && ak_sees_everywhere(AK_AUDIT))
		return traced_workspaces(anchors);
	if (PG_ARGISNULL(0))
		return ak_visible_workspaces(AK_AUDIT);
	workspace = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ak_check_workspace_argument(workspace);
	ak_require_workspace(AK_AUDIT, workspace);
	return PointerGetDatum(construct_array(&fcinfo->args[0].value, 1, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * verify_audit_log(workspace text = NULL, anchors jsonb = NULL) -> setof audit_verdict
 *
 * One row for each workspace that has entries (or an anchor, or was named), in
 * which NULL stands for what belongs to none.  Raises 42704, 42501, and 22023
 * for anchors that are not ours.
 */
Datum
ak_verify_audit_log(PG_FUNCTION_ARGS)
{
	AkVerification v;
	ReturnSetInfo *rsinfo;
	Datum	   *elements;
	AkCaller	caller;

	v.names = audited_workspaces(fcinfo, fcinfo->args[1]);
	InitMaterializedSRF_compat(fcinfo);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	deconstruct_array(DatumGetArrayTypeP(v.names), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &v.count);
	v.chains = palloc0(sizeof(AkChain) * Max(1, v.count));
	for (int i = 0; i < v.count; i++)
		v.chains[i].workspace = TextDatumGetCString(elements[i]);
	qsort(v.chains, v.count, sizeof(AkChain), chain_order);
	v.snapshot = RegisterSnapshot(GetLatestSnapshot());

	ak_become_owner(&caller);
	SPI_connect();
	if (!PG_ARGISNULL(1))
		read_anchors(&v, PG_GETARG_DATUM(1));
	for (int i = 0; i < v.count; i++)
		verify_links(&v, &v.chains[i]);
	verify_entries(&v);
	verify_keys(&v);
	SPI_finish();
	ak_become_caller(&caller);
	UnregisterSnapshot(v.snapshot);

	for (int i = 0; i < v.count; i++)
	{
		const AkChain *chain = &v.chains[i];
		Datum		values[_Anum_audit_verdict_max - 1] = {0};
		bool		nulls[_Anum_audit_verdict_max - 1] = {false};

		if (PG_ARGISNULL(0) && chain->position == 0 && chain->problem == NULL)
			continue;
		nulls[Anum_audit_verdict_workspace - 1] = chain->workspace[0] == '\0';
		values[Anum_audit_verdict_workspace - 1] = CStringGetTextDatum(chain->workspace);
		values[Anum_audit_verdict_entries - 1] = Int64GetDatum(chain->entries);
		values[Anum_audit_verdict_ok - 1] = BoolGetDatum(chain->problem == NULL);
		nulls[Anum_audit_verdict_first_bad - 1] = nulls[Anum_audit_verdict_problem - 1] = chain->problem == NULL;
		if (chain->problem != NULL)
		{
			values[Anum_audit_verdict_first_bad - 1] = Int64GetDatum(chain->first_bad);
			values[Anum_audit_verdict_problem - 1] = CStringGetTextDatum(chain->problem);
		}
		nulls[Anum_audit_verdict_head - 1] = chain->position == 0;
		values[Anum_audit_verdict_head - 1] = ak_digest_datum(chain->head);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * audit_anchor(workspace text = NULL) -> jsonb
 *
 * {"<workspace>": {"position": ..., "audit_id": ..., "link": "<hex>"}, ...}, ""
 * for what belongs to none.  Raises 42704 and 42501.
 */
Datum
ak_audit_anchor(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"SELECT COALESCE(pg_catalog.jsonb_object_agg(l.workspace, pg_catalog.jsonb_build_object("
		"'position', l.position, 'audit_id', l.audit_id, 'link', pg_catalog.encode(l.link, 'hex'))), '{}') "
		"FROM pg_catalog.unnest($1) AS w, LATERAL (SELECT * FROM apikeys.audit_link i "
		"WHERE i.workspace OPERATOR(pg_catalog.=) w ORDER BY i.position DESC LIMIT 1) AS l",
		1, {TEXTARRAYOID}, NULL
	};
	Datum		args[1] = {audited_workspaces(fcinfo, (NullableDatum) {.isnull = true})};
	MemoryContext context = CurrentMemoryContext;
	AkCaller	caller;
	bool		isnull;
	Datum		result;

	ak_become_owner(&caller);
	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	result = ak_query_result(0, 1, &isnull);
	MemoryContextSwitchTo(context);
	result = PointerGetDatum(PG_DETOAST_DATUM_COPY(result));
	SPI_finish();
	ak_become_caller(&caller);
	return result;
}
