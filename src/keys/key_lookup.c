/*-------------------------------------------------------------------------
 *
 * key_lookup.c
 *	  Find a key: key_details(), key_id(), identify_key().
 *
 * A key is found under the snapshot of a new statement of the transaction.  One that
 * the caller may not see is reported as one that does not exist.  The functions that
 * change keys also find them here.
 *
 * Locks: AccessShareLock on the table and the index, until the look-up ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "access/access.h"
#include "access/context.h"
#include "core/args.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/keyindex.h"
#include "core/subscriber.h"
#include "keys/key_detail.h"
#include "keys/key_lookup.h"
#include "pure/digest.h"
#include "pure/token.h"
#include "validate/keystore.h"

PG_FUNCTION_INFO_V1(ak_key_details);
PG_FUNCTION_INFO_V1(ak_key_id);
PG_FUNCTION_INFO_V1(ak_identify_key);

/*
 * Reads the row of a key under a snapshot (NULL: as of the latest commit); returns
 * false if there is none.  Not by a statement: where the planner finds the table
 * small, that would read all of it, which under SERIALIZABLE conflicts with every
 * change of a key.
 */
static bool
read_key_under(Datum key_id, Snapshot snapshot, AkRow *key)
{
	Relation rel = ak_table_open(AK_KEY, AccessShareLock);
	SysScanDesc scan;
	HeapTuple tuple;
	bool found;

	scan = ak_key_scan(rel, key_id, snapshot);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found)
		ak_row_read(key, rel, heap_copytuple(tuple));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Reads the row of a key as this transaction sees it, palloc'd; returns false if there is none. */
bool
ak_read_key(Datum key_id, AkRow *key)
{
	/* locked before the snapshot: to an older one, a table that ALTER TABLE has rewritten meanwhile is empty */
	Relation rel = ak_table_open(AK_KEY, AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
	bool found = read_key_under(key_id, snapshot, key);

	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * To be called by a function that finds nothing to change in a key.  Under
 * REPEATABLE READ and SERIALIZABLE, raises 40001 if the key was changed after the
 * transaction's snapshot: disable_key() must not succeed on a key that has been
 * enabled meanwhile.
 */
void
ak_check_seen(const AkFoundKey *key)
{
	AkRow latest;

	if (!IsolationUsesXactSnapshot())
		return;
	if (!read_key_under(key->key_id, NULL, &latest) || ak_column_changed(&key->row, &latest, Anum_key_audit_id))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("could not serialize access due to concurrent update"),
						errdetail("Key \"%s\" was changed after the transaction's snapshot.", key->name)));
}

/* Raises 42704: there is no key with that key_id that the caller may see. */
void
ak_refuse_unknown_key(Datum key_id)
{
	ak_not_found(errmsg("key %s does not exist", DatumGetCString(DirectFunctionCall1(uuid_out, key_id))),
				 errhint(
					 "apikeys.key_id() finds the key_id of a name, apikeys.list_keys() the keys that you may see."));
}

/*
 * Finds the key whose key_id is the function's first argument, and checks that the
 * caller has the capability for it.  Raises 22004 for NULL, 42704 for a key that the
 * caller may not see, 42501 without the capability, and for AK_MANAGE also 25006, and
 * 55000 for an archived key and on a subscriber.
 */
void
ak_find_key(FunctionCallInfo fcinfo, AkCapability capability, AkFoundKey *key)
{
	ak_require_anywhere(capability);
	if (capability == AK_MANAGE)
		ak_refuse_read_only(fcinfo);
	if (PG_ARGISNULL(0))
		ak_null_argument("key_id", errmsg("key_id must not be null"),
						 errhint(
							 "A sub-select that finds no key gives null; apikeys.key_id() raises an error instead."));
	key->key_id = PG_GETARG_DATUM(0);
	if (!ak_read_key(key->key_id, &key->row))
		ak_refuse_unknown_key(key->key_id);
	key->workspace = ak_row_text(&key->row, Anum_key_workspace);
	key->name = ak_row_text(&key->row, Anum_key_name);
	if (!ak_sees(AK_VIEW, key->workspace))
		ak_refuse_unknown_key(key->key_id);
	ak_require(capability, key->workspace);
	if (capability != AK_MANAGE)
		return;
	/* checked here, although the guard trigger does: the key may need no change */
	ak_refuse_on_subscriber();
	if (!AK_IS_NULL(&key->row, Anum_key_archived_at))
		ak_wrong_state(errmsg("key \"%s\" is archived", key->name),
					   errdetail("An archived key cannot be changed any more."));
}

/*
 * Finds the key of a secret, as this transaction sees it, and returns what the
 * secret is to it.  Returns AK_SECRET_UNKNOWN, with *key undefined, if there is none,
 * or if the caller does not have the capability in its workspace.
 */
AkSecretUse
ak_find_secret(const char *secret, size_t len, AkCapability capability, AkFoundKey *key)
{
	uint8 hash[AK_HASH_LEN];
	AkLookup lookup;
	AkSecretUse use = AK_SECRET_UNKNOWN;
	bool found;

	if (ak_token_classify(secret, len) == AK_TOKEN_MALFORMED)
		return AK_SECRET_UNKNOWN;
	if (!ak_sha256(secret, len, hash))
		ak_hash_failed();
	found = ak_keystore_find_seen(&lookup, hash);
	if (found)
	{
		key->workspace = TextDatumGetCString(AK_FOUND(&lookup, Anum_key_workspace));
		found = ak_sees(capability, key->workspace);
	}
	if (found)
		key->key_id = datumCopy(AK_FOUND(&lookup, Anum_key_key_id), false, UUID_LEN);
	ak_keystore_end(&lookup);

	if (!found || !ak_read_key(key->key_id, &key->row))
		return AK_SECRET_UNKNOWN;
	key->name = ak_row_text(&key->row, Anum_key_name);
	if (ak_is_hash(AK_VALUE(&key->row, Anum_key_key_hash), false, hash))
		use = AK_SECRET_CURRENT;
	else if (!AK_IS_NULL(&key->row, Anum_key_old_valid_until) &&
			 DatumGetTimestampTz(AK_VALUE(&key->row, Anum_key_old_valid_until)) > GetCurrentTimestamp())
		use = AK_SECRET_IN_OVERLAP;
	else
		use = AK_SECRET_DEAD;
	return AK_IS_NULL(&key->row, Anum_key_archived_at) ? use : AK_SECRET_DEAD;
}

/* key_details(key_id uuid) -> key_detail.  Raises 22004 for NULL, 42704 for an unknown key, 42501 without "view". */
Datum
ak_key_details(PG_FUNCTION_ARGS)
{
	AkFoundKey key;

	ak_find_key(fcinfo, AK_VIEW, &key);
	return ak_return_key(fcinfo, &key.row);
}

/*
 * Finds the keys of a name, folded, that are not archived, as this transaction sees
 * them, in a workspace (0: in all).  Adds their number to *found, until it is two, and
 * returns the key_id of one.
 */
static void
find_by_name(Datum folded, Datum workspace, Datum *key_id, int *found)
{
	Relation rel = ak_table_open(AK_KEY, AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
	ScanKeyData scankey[2];
	SysScanDesc scan;
	HeapTuple tuple;

	/* keys that are archived are not in the index */
	ScanKeyInit(&scankey[0], Anum_key_name_folded, BTEqualStrategyNumber, F_BYTEAEQ, folded);
	if (workspace != 0)
	{
		ScanKeyInit(&scankey[1], Anum_key_workspace, BTEqualStrategyNumber, F_TEXTEQ, workspace);
		scankey[1].sk_collation = DEFAULT_COLLATION_OID; /* the column's */
	}
	scan = systable_beginscan(rel, ak_relid(AK_KEY_ACTIVE_NAME), true, snapshot, workspace == 0 ? 1 : 2, scankey);
	while (*found < 2 && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool isnull;

		*key_id = datumCopy(heap_getattr(tuple, Anum_key_key_id, RelationGetDescr(rel), &isnull), false, UUID_LEN);
		(*found)++;
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
}

/*
 * find_by_name() in a workspace (0: in all in which the caller may view); returns
 * the number of keys found.
 */
static int
find_in_sight(Datum folded, Datum workspace, Datum *key_id)
{
	int found = 0;
	int count;
	Datum *workspaces;

	if (workspace != 0 || ak_sees_everywhere(AK_VIEW))
	{
		find_by_name(folded, workspace, key_id, &found);
		return found;
	}
	/* not in all: who may not see other workspaces must not notice, by what is read, the names in them */
	workspaces = ak_text_elements(ak_visible_workspaces(AK_VIEW), &count);
	for (int i = 0; i < count && found < 2; i++)
		find_by_name(folded, workspaces[i], key_id, &found);
	return found;
}

/*
 * key_id(name text, workspace text = NULL) -> uuid
 *
 * Returns the key_id of the key of that name that is not archived.  The name is
 * trimmed and folded as by create_key().  workspace NULL: in all in which the caller
 * may view.  Raises 42704 if there is none or the workspace is unknown, 21000 if
 * there are several, 22004 for a NULL name, 42501 without "view".
 */
Datum
ak_key_id(PG_FUNCTION_ARGS)
{
	char *name;
	char *trimmed;
	Datum workspace = (Datum) 0;
	Datum key_id = (Datum) 0;
	int found = 0;

	ak_require_anywhere(AK_VIEW);
	ak_need_argument(fcinfo, 0, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!PG_ARGISNULL(1))
	{
		char *given = text_to_cstring(PG_GETARG_TEXT_PP(1));

		ak_check_workspace_argument(given);
		ak_require_workspace(AK_VIEW, given);
		workspace = PG_GETARG_DATUM(1);
	}
	/* a longer text is cut, and nobody's name */
	trimmed = ak_trim_name(name);
	if (!ak_text_longer(trimmed, AK_TRIMMED_MAX))
		found = find_in_sight(ak_fold_name(trimmed), workspace, &key_id);
	if (found == 0)
		ak_not_found(errmsg("key \"%s\" does not exist", ak_quoted(name)),
					 errhint(
						 "Archived keys are not found by name; apikeys.list_keys() lists the keys that you may see."));
	if (found > 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("several workspaces have a key \"%s\"", ak_quoted(name)), errhint("Name the workspace.")));
	return key_id;
}

/*
 * identify_key(key text) -> setof key_detail
 *
 * Returns the key, in any state, whose current or old secret this is; no row if
 * there is none that the caller may see, and for NULL.  Raises 42501 without "view"
 * in any workspace.
 */
Datum
ak_identify_key(PG_FUNCTION_ARGS)
{
	AkFoundKey key;
	ReturnSetInfo *rsinfo;
	Datum values[AK_KEY_DETAIL_NATTS];
	bool nulls[AK_KEY_DETAIL_NATTS];
	text *secret;

	ak_require_anywhere(AK_VIEW);
	InitMaterializedSRF_compat(fcinfo);
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	secret = PG_GETARG_TEXT_PP(0);
	if (ak_find_secret(VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret), AK_VIEW, &key) == AK_SECRET_UNKNOWN)
		return (Datum) 0;
	ak_key_detail(&key.row, values, nulls);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}
