/*-------------------------------------------------------------------------
 *
 * verify.c
 *	  Verify the audit log: verify_audit_logs().
 *
 * Verification reads everything under one snapshot.  An entry is committed
 * before its leaf, so the snapshot has both, or the entry without the leaf, which
 * apikeys_internal.audit_pending then says; such entries are outside the tree and are not
 * counted.  No lock blocks readers or writers.
 *
 * verify_tree.c builds the trees again and compares entries with leaves, and
 * verify_rows.c the rows of the audited tables with the entries that describe
 * them; both report the entry that is bad.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/row_digest.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/indexscan.h"
#include "core/query.h"
#include "core/subscriber.h"
#include "log/await.h"
#include "log/checkpoint.h"
#include "log/verify_rows.h"
#include "log/verify_tree.h"

PG_FUNCTION_INFO_V1(ak_verify_audit_logs);

/* Columns of the type apikeys.audit_verdict */
enum
{
	Anum_audit_verdict_workspace = 1,
	Anum_audit_verdict_entries,
	Anum_audit_verdict_ok,
	Anum_audit_verdict_first_bad,
	Anum_audit_verdict_problem,
	Anum_audit_verdict_root,
	_Anum_audit_verdict_max
};

/* A checkpoint that was given */
typedef struct AkGiven
{
	char *workspace; /* '' for what belongs to none */
	AkKnownSize known;
	const char *problem; /* of its signature, or NULL */
} AkGiven;

/* Notes a problem of an entry; the problem with the smallest audit_id is kept. */
void
ak_note(AkLog *log, int64 audit_id, const char *problem)
{
	if (log->problem == NULL || audit_id < log->first_bad)
	{
		log->problem = problem;
		log->first_bad = audit_id;
	}
}

/*
 * The same for a row that contradicts its entry.  It is reported only if the
 * log itself is sound: otherwise the missing entry is the cause, and is
 * reported.
 */
void
ak_note_row(AkLog *log, int64 audit_id, const char *problem)
{
	if (log->row_problem == NULL || audit_id < log->row_first_bad)
	{
		log->row_problem = problem;
		log->row_first_bad = audit_id;
	}
}

/* Orders logs by length first, so that most names are distinguished at once. */
static int
log_order(const void *a, const void *b)
{
	const AkLog *x = a;
	const AkLog *y = b;

	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return memcmp(x->workspace, y->workspace, x->length);
}

/* Returns the log of a workspace ('' for none), or NULL if it is not verified. */
AkLog *
ak_log_of(const AkVerification *v, const char *name, int length)
{
	AkLog key = {.workspace = unconstify(char *, name), .length = length};

	return bsearch(&key, v->logs, v->count, sizeof(AkLog), log_order);
}

/* The same for a value of type text. */
AkLog *
ak_log_of_value(const AkVerification *v, Datum workspace, bool isnull)
{
	text *t;

	if (isnull)
		return ak_log_of(v, "", 0);
	t = DatumGetTextPP(workspace);
	return ak_log_of(v, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
}

/*
 * Reads the given checkpoints.  Raises 22004 for NULL, and 22023 for a text that
 * is none of ours.
 */
static AkGiven *
read_checkpoints(Datum array, int *count)
{
	AkSigningKeys *keys = ak_signing_keys();
	Datum *elements;
	bool *nulls;
	AkGiven *given;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, count);
	given = palloc0(Max(*count, 1) * sizeof(AkGiven));
	for (int i = 0; i < *count; i++)
	{
		char *given_text;
		AkNote note;

		if (nulls[i])
			ak_null_argument("checkpoints", errmsg("checkpoints must not contain null"));
		given_text = TextDatumGetCString(elements[i]);
		given_text = pg_server_to_any(given_text, strlen(given_text), PG_UTF8);
		if (!ak_note_read(given_text, strlen(given_text), &note))
			ak_bad_argument("checkpoints", errmsg("checkpoint %d is not a checkpoint", i + 1),
							errhint("Give column note of apikeys.audit_checkpoint() as it was."));
		given[i].workspace = ak_checkpoint_workspace(&note, &given[i].known.here);
		if (given[i].workspace == NULL)
			ak_bad_argument("checkpoints", errmsg("checkpoint %d is of a log with another origin", i + 1),
							errdetail("The origin of an audit log of this extension begins with \"apikeys/\"."));
		given[i].known.size = note.size;
		memcpy(given[i].known.root, note.root, AK_HASH_LEN);
		given[i].problem = ak_checkpoint_signature_problem(keys, &note);
	}
	return given;
}

/* Reads the result of each log's last purge from its entry. */
static void
read_purges(AkVerification *v)
{
	static AkQuery query = {
		"SELECT DISTINCT ON (COALESCE(workspace, '')) COALESCE(workspace, ''), audit_id, (changes ->> 'through')::bigint, "
		"decode(changes ->> 'kept_sha256', 'hex') FROM apikeys.audit_log WHERE entity = 'Audit Logs' COLLATE \"C\" "
		"AND action = 'Delete' COLLATE \"C\" AND (changes ->> 'through') ~ '^[0-9]{1,18}$' "
		"AND (changes ->> 'kept_sha256') ~ '^[0-9a-f]{64}$' ORDER BY COALESCE(workspace, ''), audit_id DESC",
		0,
		{0},
		NULL};

	ak_query_snapshot(&query, NULL, v->snapshot);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;
		AkLog *log = ak_log_of_value(v, ak_query_result(i, 1, &isnull), false);

		if (log == NULL)
			continue;
		log->purge_id = DatumGetInt64(ak_query_result(i, 2, &isnull));
		log->purged_through = DatumGetInt64(ak_query_result(i, 3, &isnull));
		memcpy(log->kept_expected, ak_hash_bytes(ak_query_result(i, 4, &isnull), false), AK_HASH_LEN);
	}
}

/* Sets v->may_lack.  SPI is connected, as the owner. */
static void
read_state(AkVerification *v)
{
	static AkQuery query = {"SELECT EXISTS (SELECT 1 FROM apikeys_internal.audit_pending WHERE audit_id = 0)",
							0,
							{0},
							NULL};
	bool isnull;

	ak_query_snapshot(&query, NULL, v->snapshot);
	v->may_lack = ak_is_subscriber() || DatumGetBool(ak_query_result(0, 1, &isnull));
}

/*
 * When all workspaces are verified: notes a problem with the entry whose number
 * a query returns, if it does, in the log of what belongs to no workspace.  SPI
 * is connected, as the owner.
 */
void
ak_note_found(AkVerification *v, AkQuery *query, const char *problem)
{
	AkLog *log = ak_log_of(v, "", 0);
	bool isnull;
	Datum found;

	if (!v->everywhere || log == NULL)
		return;
	ak_query_snapshot(query, NULL, v->snapshot);
	found = ak_query_result(0, 1, &isnull);
	if (!isnull)
		ak_note(log, DatumGetInt64(found), problem);
}

/*
 * Notes that the sequence of the entries' numbers was set back: new entries
 * would not come after those that there are.
 */
static void
check_numbers(AkVerification *v)
{
	static AkQuery query = {"SELECT max(audit_id) FROM apikeys.audit_log "
							"WHERE audit_id > (SELECT last_value FROM apikeys_internal.audit_id_seq)",
							0,
							{0},
							NULL};

	ak_note_found(v, &query, "the numbers of new entries would not come after this one");
}

/*
 * Adds the workspaces of a table's rows; the first column of the index is the
 * workspace.
 */
static ArrayBuildState *
add_workspaces(ArrayBuildState *names, Snapshot snapshot, AkRelation table, AkRelation index, Oid collation)
{
	Datum last = (Datum) 0;
	bool found;

	do
	{
		int nkeys = last == (Datum) 0 ? 0 : 1;
		AkIndexScan scan;
		ScanKeyData key;
		bool isnull;

		CHECK_FOR_INTERRUPTS();
		if (nkeys > 0)
		{
			ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_TEXT_GT, last);
			key.sk_collation = collation;
		}
		ak_index_begin(&scan, table, index, snapshot, nkeys);
		ak_index_seek(&scan, &key, nkeys);
		found = ak_index_next(&scan, ForwardScanDirection);
		if (found)
		{
			last = datumCopy(slot_getattr(scan.slot, scan.index->rd_index->indkey.values[0], &isnull), false, -1);
			names = accumArrayResult(names, last, isnull, TEXTOID, CurrentMemoryContext);
		}
		ak_index_end(&scan);
	} while (found);
	return names;
}

/*
 * Returns the workspaces to verify: the given one ('' for what belongs to none),
 * or all in which the caller may audit.  A caller who may audit everywhere
 * verifies all that have left a trace, also removed ones, whose log remains, and
 * those of the checkpoints.  The result may have duplicates.  Raises 42704 and
 * 42501.
 */
static Datum
audited_workspaces(FunctionCallInfo fcinfo, Snapshot snapshot, const AkGiven *given, int given_count)
{
	MemoryContext context = CurrentMemoryContext;
	ArrayBuildState *names;
	Datum *elements;
	int count;

	ak_require_anywhere(AK_AUDIT);
	if (!PG_ARGISNULL(0))
	{
		char *workspace = text_to_cstring(PG_GETARG_TEXT_PP(0));

		ak_check_workspace_argument(workspace);
		if (workspace[0] == '\0')
			ak_require(AK_AUDIT, NULL);
		else
			ak_require_workspace(AK_AUDIT, workspace);
		return ak_text_array_of(PG_GETARG_DATUM(0));
	}
	if (!ak_sees_everywhere(AK_AUDIT))
		return ak_visible_workspaces(AK_AUDIT);

	names = initArrayResult(TEXTOID, context, false);
	elements = ak_text_elements(ak_visible_workspaces(AK_AUDIT), &count);
	for (int i = 0; i < count; i++)
		names = accumArrayResult(names, elements[i], false, TEXTOID, context);
	names = add_workspaces(names, snapshot, AK_AUDIT_TREE, AK_AUDIT_TREE_PKEY, DEFAULT_COLLATION_OID);
	names = add_workspaces(names, snapshot, AK_AUDIT_LOG, AK_AUDIT_LOG_WORKSPACE, C_COLLATION_OID);
	for (int i = 0; i < given_count; i++)
		names = accumArrayResult(names, CStringGetTextDatum(given[i].workspace), false, TEXTOID, context);
	return makeArrayResult(names, context);
}

/* Makes the logs to verify from an array of workspaces. */
static void
make_logs(AkVerification *v, Datum names)
{
	Datum *elements = ak_text_elements(names, &v->count);

	v->logs = palloc0(sizeof(AkLog) * Max(1, v->count));
	for (int i = 0; i < v->count; i++)
	{
		v->logs[i].workspace = TextDatumGetCString(elements[i]);
		v->logs[i].length = strlen(v->logs[i].workspace);
	}
	qsort(v->logs, v->count, sizeof(AkLog), log_order);
	if (v->count > 0)
	{
		int kept = 1;

		for (int i = 1; i < v->count; i++)
			if (log_order(&v->logs[i], &v->logs[kept - 1]) != 0)
				v->logs[kept++] = v->logs[i];
		v->count = kept;
	}
}

static int
known_order(const void *a, const void *b)
{
	const AkKnownSize *x = a;
	const AkKnownSize *y = b;

	return x->size < y->size ? -1 : x->size > y->size;
}

/* Gives each log its checkpoints.  Raises 22023 for one of a log that is not verified. */
static void
give_checkpoints(AkVerification *v, const AkGiven *given, int count)
{
	for (int i = 0; i < count; i++)
	{
		AkLog *log = ak_log_of(v, given[i].workspace, strlen(given[i].workspace));

		if (log == NULL)
			ak_bad_argument("checkpoints", errmsg("checkpoint %d is of a log that is not verified here", i + 1),
							errhint("Give the checkpoints of the workspaces that are verified."));
		if (log->known == NULL)
			log->known = palloc(count * sizeof(AkKnownSize));
		log->known[log->known_count++] = given[i].known;
		if (given[i].problem != NULL)
			log->checkpoint_problem = given[i].problem;
	}
	for (int i = 0; i < v->count; i++)
		if (v->logs[i].known_count > 1)
			qsort(v->logs[i].known, v->logs[i].known_count, sizeof(AkKnownSize), known_order);
}

static int
name_order(const void *a, const void *b)
{
	return strcmp(((const AkLog *) a)->workspace, ((const AkLog *) b)->workspace);
}

/* Adds the verdict on a log to the result. */
static void
put_verdict(ReturnSetInfo *rsinfo, const AkLog *log)
{
	const char *problem = log->problem ? log->problem : log->row_problem;
	int64 first_bad = log->problem ? log->first_bad : log->row_first_bad;
	bool named = problem != NULL;
	Datum values[_Anum_audit_verdict_max - 1] = {0};
	bool nulls[_Anum_audit_verdict_max - 1] = {false};

	if (problem == NULL)
		problem = log->checkpoint_problem;
	nulls[Anum_audit_verdict_workspace - 1] = log->workspace[0] == '\0';
	values[Anum_audit_verdict_workspace - 1] = CStringGetTextDatum(log->workspace);
	values[Anum_audit_verdict_entries - 1] = Int64GetDatum(log->met);
	values[Anum_audit_verdict_ok - 1] = BoolGetDatum(problem == NULL);
	nulls[Anum_audit_verdict_first_bad - 1] = !named;
	values[Anum_audit_verdict_first_bad - 1] = Int64GetDatum(first_bad);
	nulls[Anum_audit_verdict_problem - 1] = problem == NULL;
	if (problem != NULL)
		values[Anum_audit_verdict_problem - 1] = CStringGetTextDatum(problem);
	nulls[Anum_audit_verdict_root - 1] = log->size == 0;
	values[Anum_audit_verdict_root - 1] = ak_digest_datum(log->root);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * verify_audit_logs(workspace text = NULL, checkpoints text[] = NULL) -> setof audit_verdict
 *
 * Returns one row for each workspace that has entries or a checkpoint, or was
 * given ('' for what belongs to none, whose row has workspace NULL).  Raises
 * 42704, 42501, 22004 and 22023 for checkpoints that are none, of another origin
 * or of a log that is not verified, and F0000 if the file of the signing key is
 * not right.  No lock blocks readers or writers.  Needs some 60 bytes of memory
 * per key.
 */
Datum
ak_verify_audit_logs(PG_FUNCTION_ARGS)
{
	AkVerification v = {.one = !PG_ARGISNULL(0) && VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)) > 0};
	ReturnSetInfo *rsinfo;
	AkRowProof *rows;
	AkCaller caller;
	AkGiven *given = NULL;
	int given_count = 0;

	ak_require_anywhere(AK_AUDIT);
	if (!PG_ARGISNULL(1))
		given = read_checkpoints(PG_GETARG_DATUM(1), &given_count);
	v.everywhere = PG_ARGISNULL(0) && ak_sees_everywhere(AK_AUDIT);
	v.snapshot = ak_await_entries(true);
	make_logs(&v, audited_workspaces(fcinfo, v.snapshot, given, given_count));
	give_checkpoints(&v, given, given_count);
	InitMaterializedSRF_compat(fcinfo);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	read_state(&v);
	read_purges(&v);
	ak_verify_trees(&v);
	rows = ak_prove_rows_begin(&v);
	ak_verify_entries(&v, rows);
	ak_prove_rows_end(rows);
	check_numbers(&v);
	UnregisterSnapshot(v.snapshot);

	qsort(v.logs, v.count, sizeof(AkLog), name_order);
	for (int i = 0; i < v.count; i++)
	{
		const AkLog *log = &v.logs[i];

		if (!PG_ARGISNULL(0) || log->size > 0 || log->problem != NULL || log->row_problem != NULL ||
			log->known_count > 0)
			put_verdict(rsinfo, log);
	}
	SPI_finish();
	ak_owner_end(&caller);
	return (Datum) 0;
}
