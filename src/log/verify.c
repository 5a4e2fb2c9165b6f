/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Verify the audit log: verify_audit_log() and audit_anchor().
 *
 * Verification reads everything under one snapshot, the latest.  Entries and
 * their links commit together, so the snapshot has both or neither.  No lock
 * blocks readers or writers.  The entries of the verifying transaction itself
 * have no link yet, and are skipped.
 *
 * prooflog.c compares entries with links, and proofrows.c the rows of the
 * audited tables with the entries that describe them; both report the entry
 * that is bad.  Anchors, if given, must be links of their chains.
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
#include "executor/tuptable.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/entry.h"
#include "audit/row_digest.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/query.h"
#include "log/proof.h"
#include "pure/chain.h"

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

/* Notes a problem of an entry; the problem with the smallest audit_id is kept. */
void
ak_note(AkChain *chain, int64 audit_id, const char *problem)
{
	if (chain->problem == NULL || audit_id < chain->first_bad)
	{
		chain->problem = problem;
		chain->first_bad = audit_id;
	}
}

/*
 * The same for a row that contradicts its entry.  It is reported only if the
 * log itself is sound: otherwise the missing entry is the cause, and is
 * reported.
 */
void
ak_note_row(AkChain *chain, int64 audit_id, const char *problem)
{
	if (chain->row_problem == NULL || audit_id < chain->row_first_bad)
	{
		chain->row_problem = problem;
		chain->row_first_bad = audit_id;
	}
}

/* Orders chains by length first, so that most names are distinguished at once. */
static int
chain_order(const void *a, const void *b)
{
	const AkChain *x = a;
	const AkChain *y = b;

	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return memcmp(x->workspace, y->workspace, x->length);
}

/* Returns the chain of a workspace ('' for none), or NULL if it is not verified. */
AkChain *
ak_chain_of(const AkVerification *v, const char *name, int length)
{
	AkChain key = {.workspace = unconstify(char *, name), .length = length};

	return bsearch(&key, v->chains, v->count, sizeof(AkChain), chain_order);
}

/* The same for a value of type text. */
AkChain *
ak_chain_of_value(const AkVerification *v, Datum workspace, bool isnull)
{
	text *t;

	if (isnull)
		return ak_chain_of(v, "", 0);
	t = DatumGetTextPP(workspace);
	return ak_chain_of(v, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
}

/* Returns the 32 bytes of a bytea, or NULL if it is NULL or has another length. */
const uint8 *
ak_hash_bytes(Datum value, bool isnull)
{
	bytea *bytes;

	if (isnull)
		return NULL;
	bytes = DatumGetByteaPP(value);
	return VARSIZE_ANY_EXHDR(bytes) == AK_HASH_LEN ? (const uint8 *) VARDATA_ANY(bytes) : NULL;
}

/* Reads 64 hexadecimal digits. */
static void
read_hash(Datum hex, uint8 *out)
{
	Datum bytes = DirectFunctionCall2(binary_decode, hex, CStringGetTextDatum("hex"));

	memcpy(out, VARDATA_ANY(DatumGetByteaPP(bytes)), AK_HASH_LEN);
}

/* Reads the anchors into the chains.  Raises 22023 if they are not as audit_anchor() returns them. */
static void
read_anchors(AkVerification *v, Datum anchors)
{
	static AkQuery query = {"SELECT a.key, COALESCE((a.value ->> 'position') ~ '^[1-9][0-9]{0,17}$' "
							"AND (a.value ->> 'audit_id') ~ '^[1-9][0-9]{0,17}$' "
							"AND (a.value ->> 'link') ~ '^[0-9a-f]{64}$', false), "
							"a.value ->> 'position', a.value ->> 'audit_id', "
							"a.value ->> 'link' "
							"FROM jsonb_each(CASE WHEN jsonb_typeof($1) = 'object' THEN $1 "
							"ELSE '{\"\": null}' END) AS a",
							1,
							{JSONBOID},
							NULL};
	Datum args[1] = {anchors};

	ak_query(&query, args, NULL, AK_SEE_TRANSACTION);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;
		Datum workspace = ak_query_result(i, 1, &isnull);
		AkChain *chain = ak_chain_of_value(v, workspace, false);

		if (!DatumGetBool(ak_query_result(i, 2, &isnull)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("anchors are not what audit_anchor() gives")));
		if (chain == NULL)
			continue;
		chain->anchor.position = strtoll(TextDatumGetCString(ak_query_result(i, 3, &isnull)), NULL, 10);
		chain->anchor.audit_id = strtoll(TextDatumGetCString(ak_query_result(i, 4, &isnull)), NULL, 10);
		read_hash(ak_query_result(i, 5, &isnull), chain->anchor.link);
	}
}

/* Reads the result of each chain's last purge from its entry. */
static void
read_purges(AkVerification *v)
{
	static AkQuery query = {"SELECT DISTINCT ON (COALESCE(workspace, '')) COALESCE(workspace, ''), audit_id, "
							"(changes ->> 'through')::int8, changes ->> 'kept_sha256' "
							"FROM apikeys.audit_log WHERE entity = 'Audit Logs' COLLATE \"C\" "
							"AND action = 'Delete' COLLATE \"C\" "
							"AND (changes ->> 'through') ~ '^[0-9]{1,18}$' "
							"AND (changes ->> 'kept_sha256') ~ '^[0-9a-f]{64}$' "
							"ORDER BY COALESCE(workspace, ''), audit_id DESC",
							0,
							{0},
							NULL};

	ak_query_snapshot(&query, NULL, NULL, v->snapshot);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;
		AkChain *chain = ak_chain_of_value(v, ak_query_result(i, 1, &isnull), false);

		if (chain == NULL)
			continue;
		chain->purge_id = DatumGetInt64(ak_query_result(i, 2, &isnull));
		chain->purged_through = DatumGetInt64(ak_query_result(i, 3, &isnull));
		read_hash(ak_query_result(i, 4, &isnull), chain->kept_expected);
	}
}

/*
 * Adds the workspaces of a table's rows; the first column of the index is the
 * workspace.
 */
static ArrayBuildState *
add_workspaces(ArrayBuildState *names, Snapshot snapshot, AkRelation table, AkRelation index, Oid collation)
{
	Relation rel = ak_table_open(table, AccessShareLock);
	Relation idx = index_open(ak_relid(index), AccessShareLock);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), table_slot_callbacks(rel));
	AttrNumber column = idx->rd_index->indkey.values[0];
	Datum last = (Datum) 0;
	bool found;

	do
	{
		int nkeys = last == (Datum) 0 ? 0 : 1;
		IndexScanDesc scan = index_beginscan_compat(rel, idx, snapshot, nkeys);
		ScanKeyData key;
		bool isnull;

		CHECK_FOR_INTERRUPTS();
		if (nkeys > 0)
		{
			ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_TEXT_GT, last);
			key.sk_collation = collation;
		}
		index_rescan(scan, nkeys > 0 ? &key : NULL, nkeys, NULL, 0);
		found = index_getnext_slot(scan, ForwardScanDirection, slot);
		if (found)
		{
			last = datumCopy(slot_getattr(slot, column, &isnull), false, -1);
			names = accumArrayResult(names, last, isnull, TEXTOID, CurrentMemoryContext);
		}
		index_endscan(scan);
	} while (found);
	ExecDropSingleTupleTableSlot(slot);
	index_close(idx, AccessShareLock);
	table_close(rel, AccessShareLock);
	return names;
}

/* Adds the workspaces of the anchors.  SPI must be connected, as the owner. */
static ArrayBuildState *
add_anchored(ArrayBuildState *names, Datum anchors, MemoryContext context)
{
	static AkQuery query = {"SELECT a.key FROM jsonb_each(CASE WHEN jsonb_typeof($1) = 'object' "
							"THEN $1 END) AS a",
							1,
							{JSONBOID},
							NULL};

	ak_query(&query, &anchors, NULL, AK_SEE_TRANSACTION);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;

		names = accumArrayResult(names, ak_query_result(i, 1, &isnull), false, TEXTOID, context);
	}
	return names;
}

/*
 * Returns the workspaces to verify: the given one, or all in which the caller
 * may audit; '' for entries without a workspace.  A caller who may audit
 * everywhere verifies all that have left a trace, also removed ones, whose log
 * remains.  The result may have duplicates.  Raises 42704 and 42501.
 */
static Datum
audited_workspaces(FunctionCallInfo fcinfo, Snapshot snapshot, NullableDatum anchors)
{
	MemoryContext context = CurrentMemoryContext;
	ArrayBuildState *names;
	AkCaller caller;
	Datum *elements;
	int count;

	ak_require_anywhere(AK_AUDIT);
	if (!PG_ARGISNULL(0))
	{
		char *workspace = text_to_cstring(PG_GETARG_TEXT_PP(0));

		ak_check_workspace_argument(workspace);
		ak_require_workspace(AK_AUDIT, workspace);
		return PointerGetDatum(construct_array(&fcinfo->args[0].value, 1, TEXTOID, -1, false, TYPALIGN_INT));
	}
	if (!ak_sees_everywhere(AK_AUDIT))
		return ak_visible_workspaces(AK_AUDIT);

	names = initArrayResult(TEXTOID, context, false);
	deconstruct_array(DatumGetArrayTypeP(ak_visible_workspaces(AK_AUDIT)), TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  NULL, &count);
	for (int i = 0; i < count; i++)
		names = accumArrayResult(names, elements[i], false, TEXTOID, context);
	names = add_workspaces(names, snapshot, AK_AUDIT_LINK, AK_AUDIT_LINK_PKEY, DEFAULT_COLLATION_OID);
	names = add_workspaces(names, snapshot, AK_AUDIT_PURGED, AK_AUDIT_PURGED_PKEY, DEFAULT_COLLATION_OID);
	names = add_workspaces(names, snapshot, AK_AUDIT_LOG, AK_AUDIT_LOG_WORKSPACE, C_COLLATION_OID);
	if (!anchors.isnull)
	{
		ak_owner_begin(&caller, AK_TO_READ);
		SPI_connect();
		names = add_anchored(names, anchors.value, context);
		SPI_finish();
		ak_owner_end(&caller);
	}
	return makeArrayResult(names, context);
}

/* Makes the chains to verify from an array of workspaces. */
static void
make_chains(AkVerification *v, Datum names)
{
	Datum *elements;

	deconstruct_array(DatumGetArrayTypeP(names), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &v->count);
	v->chains = palloc0(sizeof(AkChain) * Max(1, v->count));
	for (int i = 0; i < v->count; i++)
	{
		v->chains[i].workspace = TextDatumGetCString(elements[i]);
		v->chains[i].length = strlen(v->chains[i].workspace);
	}
	qsort(v->chains, v->count, sizeof(AkChain), chain_order);
	if (v->count > 0)
	{
		int kept = 1;

		for (int i = 1; i < v->count; i++)
			if (chain_order(&v->chains[i], &v->chains[kept - 1]) != 0)
				v->chains[kept++] = v->chains[i];
		v->count = kept;
	}
}

static int
name_order(const void *a, const void *b)
{
	return strcmp(((const AkChain *) a)->workspace, ((const AkChain *) b)->workspace);
}

/*
 * verify_audit_log(workspace text = NULL, anchors jsonb = NULL) -> setof audit_verdict
 *
 * Returns one row for each workspace that has entries or an anchor, or was
 * given; NULL is the row of entries without a workspace.  Raises 42704, 42501,
 * and 22023 for invalid anchors.  No lock blocks readers or writers.  Needs
 * some 60 bytes of memory per key.
 */
Datum
ak_verify_audit_log(PG_FUNCTION_ARGS)
{
	AkVerification v = {.one = !PG_ARGISNULL(0)};
	ReturnSetInfo *rsinfo;
	AkRowProof *rows;
	AkCaller caller;

	v.everywhere = !v.one && ak_sees_everywhere(AK_AUDIT);
	v.snapshot = RegisterSnapshot(GetLatestSnapshot());
	make_chains(&v, audited_workspaces(fcinfo, v.snapshot, fcinfo->args[1]));
	InitMaterializedSRF_compat(fcinfo);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	read_purges(&v);
	if (!PG_ARGISNULL(1))
		read_anchors(&v, PG_GETARG_DATUM(1));
	rows = ak_prove_rows_begin(&v);
	ak_prove_log(&v, rows);
	ak_prove_rows_end(rows);
	UnregisterSnapshot(v.snapshot);

	qsort(v.chains, v.count, sizeof(AkChain), name_order);
	for (int i = 0; i < v.count; i++)
	{
		AkChain *chain = &v.chains[i];
		Datum values[_Anum_audit_verdict_max - 1] = {0};
		bool nulls[_Anum_audit_verdict_max - 1] = {false};

		if (chain->problem == NULL)
		{
			chain->problem = chain->row_problem;
			chain->first_bad = chain->row_first_bad;
		}
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
	SPI_finish();
	ak_owner_end(&caller);
	return (Datum) 0;
}

/*
 * audit_anchor(workspace text = NULL) -> jsonb
 *
 * {"<workspace>": {"position": ..., "audit_id": ..., "link": "<hex>"}, ...},
 * with "" for entries without a workspace.  Raises 42704 and 42501.
 */
Datum
ak_audit_anchor(PG_FUNCTION_ARGS)
{
	static AkQuery query = {"SELECT COALESCE(jsonb_object_agg(l.workspace, jsonb_build_object("
							"'position', l.position, 'audit_id', l.audit_id, 'link', encode(l.link, 'hex'))), '{}') "
							"FROM (SELECT DISTINCT unnest($1)) AS n (w), LATERAL (SELECT * FROM apikeys.audit_link i "
							"WHERE i.workspace = n.w ORDER BY i.position DESC LIMIT 1) AS l",
							1,
							{TEXTARRAYOID},
							NULL};
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	Datum args[1] = {audited_workspaces(fcinfo, snapshot, (NullableDatum){.isnull = true})};
	MemoryContext context = CurrentMemoryContext;
	AkCaller caller;
	bool isnull;
	Datum result;

	UnregisterSnapshot(snapshot);
	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(&query, args, NULL, AK_SEE_LATEST);
	result = ak_query_result(0, 1, &isnull);
	MemoryContextSwitchTo(context);
	result = PointerGetDatum(PG_DETOAST_DATUM_COPY(result));
	SPI_finish();
	ak_owner_end(&caller);
	return result;
}
