/*-------------------------------------------------------------------------
 *
 * proof.c
 *	  Checkpoints and proofs: audit_checkpoint(), audit_inclusion_proof() and
 *	  audit_consistency_proof().
 *
 * They answer from the committed trees, after the worker had time to take in
 * what is pending (await.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/row_digest.h"
#include "core/args.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/columns.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/indexscan.h"
#include "core/query.h"
#include "log/await.h"
#include "log/checkpoint.h"
#include "log/tree.h"

PG_FUNCTION_INFO_V1(ak_audit_checkpoint);
PG_FUNCTION_INFO_V1(ak_audit_inclusion_proof);
PG_FUNCTION_INFO_V1(ak_audit_consistency_proof);

/*
 * Checks that the caller may audit a workspace: the one given, or
 * apikeys.workspace; without both, and for '', what belongs to none.  Returns
 * its name.  Raises 42704 and 42501.
 */
static const char *
audited_workspace(const char *workspace)
{
	const char *name = workspace != NULL ? workspace : ak_bound_workspace();

	ak_require_anywhere(AK_AUDIT);
	if (name == NULL || name[0] == '\0')
	{
		ak_check_workspace_argument("");
		ak_require(AK_AUDIT, NULL);
		return "";
	}
	ak_check_workspace_argument(name);
	ak_require_workspace(AK_AUDIT, name);
	return name;
}

/* Raises what an AkMerkleResult means here. */
static void
check_result(AkMerkleResult result, const char *workspace)
{
	if (result == AK_MERKLE_NO_HASH)
		ak_hash_failed();
	if (result == AK_MERKLE_NO_NODE)
		ak_wrong_state(
			errmsg("entries of workspace \"%s\" that this proof needs were purged", workspace),
			errhint("Sizes for which apikeys.audit_checkpoint() gave a checkpoint can always be proved. If nothing was "
					"purged, the tree is damaged: apikeys.verify_audit_logs() tells more."));
	Assert(result == AK_MERKLE_OK);
}

static Datum
path_datum(const AkMerklePath *path)
{
	Datum *elements = palloc(Max(path->count, 1) * sizeof(Datum));

	for (int i = 0; i < path->count; i++)
		elements[i] = ak_digest_datum(path->hashes[i]);
	return ak_array(elements, path->count, BYTEAOID);
}

/* Adds the checkpoint of one tree to the result. */
static void
put_checkpoint(ReturnSetInfo *rsinfo, AkTreeReader *reader, const AkSigningKeys *keys, const char *workspace,
			   uint64 size)
{
	AkMerkleTree *tree = palloc(sizeof(AkMerkleTree));
	uint8 root[AK_HASH_LEN];
	Datum values[4];
	bool nulls[4] = {workspace[0] == '\0'};

	check_result(ak_tree_open(reader, size, tree), workspace);
	if (!ak_merkle_root(tree, root))
		ak_hash_failed();
	values[0] = CStringGetTextDatum(workspace);
	values[1] = Int64GetDatum(size);
	values[2] = ak_digest_datum(root);
	values[3] = CStringGetTextDatum(ak_checkpoint_note(keys, workspace, size, root));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	pfree(tree);
}

/* Returns the workspaces to make checkpoints of: the given one, or all that the caller may audit; 0: all. */
static Datum
checkpoint_workspaces(FunctionCallInfo fcinfo)
{
	if (!PG_ARGISNULL(0))
		return ak_text_array_of(CStringGetTextDatum(audited_workspace(text_to_cstring(PG_GETARG_TEXT_PP(0)))));
	ak_require_anywhere(AK_AUDIT);
	return ak_sees_everywhere(AK_AUDIT) ? (Datum) 0 : ak_visible_workspaces(AK_AUDIT);
}

/* Returns the workspaces that have a tree, under a snapshot. */
static Datum
workspaces_with_trees(Snapshot snapshot)
{
	static AkQuery query = {
		"SELECT COALESCE(array_agg(workspace ORDER BY workspace), '{}') FROM apikeys_internal.tree_sizes",
		0,
		{0},
		NULL};
	MemoryContext context = CurrentMemoryContext;
	AkCaller caller;
	bool isnull;
	Datum all;

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query_snapshot(&query, NULL, snapshot);
	all = ak_query_result(0, 1, &isnull);
	MemoryContextSwitchTo(context);
	all = PointerGetDatum(PG_DETOAST_DATUM_COPY(all));
	SPI_finish();
	ak_owner_end(&caller);
	return all;
}

/*
 * audit_checkpoint(workspace text = NULL)
 *		-> setof (workspace text, size bigint, root bytea, note text)
 *
 * Returns a checkpoint of the given workspace's tree ('' for what belongs to
 * none), or of all trees that the caller may audit.  Raises 42704, 42501, and
 * F0000 if the file of the signing key is not right.
 */
Datum
ak_audit_checkpoint(PG_FUNCTION_ARGS)
{
	Datum workspaces = checkpoint_workspaces(fcinfo);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	AkSigningKeys *keys = ak_signing_keys();
	AkTreeReader reader;
	Snapshot snapshot;
	Datum *names;
	int count;

	snapshot = ak_await_checkpoints(workspaces);
	names = ak_text_elements(workspaces != 0 ? workspaces : workspaces_with_trees(snapshot), &count);
	InitMaterializedSRF_compat(fcinfo);
	ak_tree_begin(&reader, "", snapshot);
	for (int i = 0; i < count; i++)
	{
		char *name = TextDatumGetCString(names[i]);
		uint64 size;

		CHECK_FOR_INTERRUPTS();
		ak_tree_change_workspace(&reader, name);
		size = ak_tree_size(&reader);
		if (size > 0 || !PG_ARGISNULL(0))
			put_checkpoint(rsinfo, &reader, keys, name, size);
	}
	ak_tree_end(&reader);
	UnregisterSnapshot(snapshot);
	return (Datum) 0;
}

/*
 * Finds an entry by an index whose last column is audit_id.  "workspace" is the
 * value of the column before, 0 if there is none.  Returns false if there is no such
 * entry, or the caller may not see it; otherwise the entry's canonical bytes and its
 * workspace ('' for none), palloc'd.
 */
static bool
find_entry(AkRelation index, Datum workspace, int64 audit_id, Snapshot snapshot, bytea **bytes, char **of)
{
	AkIndexScan scan;
	ScanKeyData keys[2];
	int nkeys = 0;
	bool found;

	ak_index_begin(&scan, AK_AUDIT_LOG, index, snapshot, workspace != 0 ? 2 : 1);
	if (workspace != 0)
	{
		ScanKeyInit(&keys[nkeys], nkeys + 1, BTEqualStrategyNumber, F_TEXTEQ, workspace);
		keys[nkeys++].sk_collation = DEFAULT_COLLATION_OID; /* the column's */
	}
	ScanKeyInit(&keys[nkeys], nkeys + 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(audit_id));
	ak_index_seek(&scan, keys, nkeys + 1);
	found = ak_index_next(&scan, ForwardScanDirection);
	if (found)
	{
		Datum values[_Anum_audit_log_max - 1];
		bool nulls[_Anum_audit_log_max - 1];
		StringInfoData buf;
		bool isnull;
		Datum name;

		ak_slot_read(scan.slot, ak_columns(AK_AUDIT_LOG), values, nulls);
		name = slot_getattr(scan.slot, Anum_audit_log_workspace, &isnull);
		*of = isnull ? "" : TextDatumGetCString(name);
		found = ak_sees(AK_AUDIT, isnull ? NULL : *of);
		initStringInfo(&buf);
		ak_row_bytes(&buf, ak_columns(AK_AUDIT_LOG), values, nulls);
		*bytes = palloc(VARHDRSZ + buf.len);
		SET_VARSIZE(*bytes, VARHDRSZ + buf.len);
		memcpy(VARDATA(*bytes), buf.data, buf.len);
		pfree(buf.data);
	}
	ak_index_end(&scan);
	return found;
}

/*
 * The same by audit_id alone.  A caller who may not see all workspaces must not
 * notice, by what is read, that others have an entry of that number: so it is looked
 * for in each workspace that the caller may see.
 */
static bool
read_entry(int64 audit_id, Snapshot snapshot, bytea **bytes, char **workspace)
{
	Datum *names;
	int count;

	if (ak_sees_everywhere(AK_AUDIT))
		return find_entry(AK_AUDIT_LOG_PKEY, (Datum) 0, audit_id, snapshot, bytes, workspace);
	names = ak_text_elements(ak_visible_workspaces(AK_AUDIT), &count);
	for (int i = 0; i < count; i++)
		if (find_entry(AK_AUDIT_LOG_WORKSPACE, names[i], audit_id, snapshot, bytes, workspace))
			return true;
	return false;
}

/* Returns a size argument, or the tree's present size if it is NULL.  Raises 22023 if it is not one of the tree. */
static uint64
size_argument(FunctionCallInfo fcinfo, int number, const char *name, uint64 present)
{
	int64 size = PG_ARGISNULL(number) ? (int64) present : PG_GETARG_INT64(number);

	if (size < 0 || size > (int64) present)
		ak_bad_argument(name, errmsg("%s must be from 0 to the size of the tree", name),
						errdetail("The tree has " INT64_FORMAT " entries.", (int64) present));
	return size;
}

/*
 * audit_inclusion_proof(audit_id bigint, size bigint = NULL)
 *		-> (workspace text, position bigint, size bigint, root bytea, leaf bytea, path bytea[])
 *
 * The leaf is the entry's canonical bytes.  Raises 22004; 42704 for an entry
 * that does not exist or that the caller may not see; 55000 for one that is not
 * in its tree yet; 22023 for a size that is not the tree's or does not have the
 * entry.
 */
Datum
ak_audit_inclusion_proof(PG_FUNCTION_ARGS)
{
	int64 audit_id;
	Snapshot snapshot;
	AkTreeReader reader;
	AkTreeRow row;
	AkMerkleTree *tree = palloc(sizeof(AkMerkleTree));
	AkMerklePath *path = palloc(sizeof(AkMerklePath));
	AkLeafFinder leaves;
	char *workspace;
	Datum tree_workspace;
	bytea *leaf;
	uint64 size;
	uint8 root[AK_HASH_LEN];
	Datum values[6];
	bool nulls[6] = {false};
	bool found;

	ak_require_anywhere(AK_AUDIT);
	ak_need_argument(fcinfo, 0, "audit_id");
	audit_id = PG_GETARG_INT64(0);
	snapshot = ak_await_entries(false);
	if (!read_entry(audit_id, snapshot, &leaf, &workspace))
		ak_not_found(errmsg("entry " INT64_FORMAT " does not exist", audit_id));

	ak_leaves_begin(&leaves, snapshot, false);
	found = ak_leaf_of_entry(&leaves, audit_id, &row, &tree_workspace) &&
			strcmp(TextDatumGetCString(tree_workspace), workspace) == 0;
	ak_leaves_end(&leaves);
	if (!found)
		ak_wrong_state(errmsg("entry " INT64_FORMAT " is not in the tree yet", audit_id),
					   errdetail("Entries enter it shortly after their transaction has committed."),
					   errhint("Where no background worker runs: CALL apikeys.sequence_audit_logs()."));
	ak_tree_begin(&reader, workspace, snapshot);
	size = size_argument(fcinfo, 1, "size", ak_tree_size(&reader));
	if (row.position >= (int64) size)
		ak_bad_argument("size",
						errmsg("a tree of size " UINT64_FORMAT " does not have entry " INT64_FORMAT, size, audit_id),
						errdetail("Its position is " INT64_FORMAT ".", row.position));
	check_result(ak_tree_open(&reader, size, tree), workspace);
	check_result(ak_merkle_inclusion(row.position, size, ak_tree_node, &reader, path), workspace);
	if (!ak_merkle_root(tree, root))
		ak_hash_failed();
	ak_tree_end(&reader);
	UnregisterSnapshot(snapshot);

	nulls[0] = workspace[0] == '\0';
	values[0] = CStringGetTextDatum(workspace);
	values[1] = Int64GetDatum(row.position);
	values[2] = Int64GetDatum(size);
	values[3] = ak_digest_datum(root);
	values[4] = PointerGetDatum(leaf);
	values[5] = path_datum(path);
	return HeapTupleGetDatum(heap_form_tuple(ak_result_descriptor(fcinfo), values, nulls));
}

/*
 * audit_consistency_proof(workspace text, old_size bigint, new_size bigint = NULL) -> bytea[]
 *
 * Empty for an old size of 0 or equal sizes.  The workspace NULL is
 * apikeys.workspace, or what belongs to none, as ''.  Raises 22004, 42704,
 * 42501, and 22023 for sizes that are not the tree's, or not in order.
 */
Datum
ak_audit_consistency_proof(PG_FUNCTION_ARGS)
{
	const char *workspace = audited_workspace(ak_optional_text(fcinfo, 0));
	AkMerklePath *path = palloc(sizeof(AkMerklePath));
	AkTreeReader reader;
	Snapshot snapshot;
	uint64 old_size;
	uint64 new_size;
	uint64 present;

	ak_need_argument(fcinfo, 1, "old_size");
	snapshot = ak_await_entries(false);
	ak_tree_begin(&reader, workspace, snapshot);
	present = ak_tree_size(&reader);
	new_size = size_argument(fcinfo, 2, "new_size", present);
	old_size = size_argument(fcinfo, 1, "old_size", present);
	if (old_size > new_size)
		ak_bad_argument("old_size", errmsg("old_size must not be greater than new_size"));
	check_result(ak_merkle_consistency(old_size, new_size, ak_tree_node, &reader, path), workspace);
	ak_tree_end(&reader);
	UnregisterSnapshot(snapshot);
	PG_RETURN_DATUM(path_datum(path));
}
