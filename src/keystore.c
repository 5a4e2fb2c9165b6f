/*-------------------------------------------------------------------------
 *
 * keystore.c
 *	  The only index scan on the key table: hash -> key.
 *
 * It runs under the latest snapshot, taken here and registered: what is
 * committed when a request comes decides, whatever the isolation level of the
 * transaction that asks.  It takes an AccessShareLock on the table and its
 * indexes, no more, and works on a hot standby.  It does not look at table
 * privileges or row security: whoever calls it has asked access.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "utils/fmgroids.h"

#include "catalog.h"
#include "compat.h"
#include "digest.h"
#include "keystore.h"

/* Looks in one of the two hash indexes; the slot holds what was found. */
static bool
probe(AkLookup *lookup, AkRelation which, AttrNumber column, const uint8 *hash)
{
	union
	{
		struct varlena header;
		char		bytes[VARHDRSZ + AK_HASH_LEN];
	}			value;
	Relation	index = index_open(ak_relid(which), AccessShareLock);
	ScanKeyData key;
	IndexScanDesc scan;
	bool		found = false;

	SET_VARSIZE(&value, sizeof(value));
	memcpy(VARDATA(&value), hash, AK_HASH_LEN);
	ScanKeyInit(&key, 1, HTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(&value));

	scan = index_beginscan_compat(lookup->key, index, lookup->snapshot, 1);
	index_rescan(scan, &key, 1, NULL, 0);
	while (!found && index_getnext_slot(scan, ForwardScanDirection, lookup->slot))
	{
		/* a hash index finds by 32 bits; the whole hash decides */
		bool		isnull;
		Datum		datum = slot_getattr(lookup->slot, column, &isnull);

		found = !isnull &&
			VARSIZE_ANY_EXHDR(DatumGetPointer(datum)) == AK_HASH_LEN &&
			ak_hash_equal((const uint8 *) VARDATA_ANY(DatumGetPointer(datum)), hash);
	}
	index_endscan(scan);
	index_close(index, AccessShareLock);
	return found;
}

/*
 * Finds the key whose present secret, or else whose old one, has that SHA-256
 * (32 bytes), and returns whether there is one.  ak_keystore_end() must follow
 * in either case.
 */
bool
ak_keystore_find(AkLookup *lookup, const uint8 *hash)
{
	lookup->key = ak_table_open(AK_KEY, AccessShareLock);
	lookup->snapshot = RegisterSnapshot(GetLatestSnapshot());
	lookup->slot = MakeSingleTupleTableSlot(RelationGetDescr(lookup->key),
											table_slot_callbacks(lookup->key));
	lookup->by_old_secret = false;
	if (probe(lookup, AK_KEY_HASH, Anum_key_key_hash, hash))
		return true;
	lookup->by_old_secret = true;
	return probe(lookup, AK_KEY_OLD_HASH, Anum_key_old_key_hash, hash);
}

/*
 * Is this the SHA-256 of some key's old secret?  Sees what is committed and
 * what this transaction did.  In a SERIALIZABLE transaction by SnapshotSelf,
 * which leaves no trace by which such transactions that create keys would fail
 * each other.
 */
bool
ak_keystore_is_old(const uint8 *hash)
{
	AkLookup	lookup;
	bool		found;

	lookup.key = ak_table_open(AK_KEY, AccessShareLock);
	if (IsolationIsSerializable())
		lookup.snapshot = SnapshotSelf;
	else
	{
		/* with what the statement that we are called from has done */
		CommandCounterIncrement();
		lookup.snapshot = RegisterSnapshot(GetLatestSnapshot());
	}
	lookup.slot = MakeSingleTupleTableSlot(RelationGetDescr(lookup.key),
										   table_slot_callbacks(lookup.key));
	found = probe(&lookup, AK_KEY_OLD_HASH, Anum_key_old_key_hash, hash);
	ExecDropSingleTupleTableSlot(lookup.slot);
	if (lookup.snapshot != SnapshotSelf)
		UnregisterSnapshot(lookup.snapshot);
	table_close(lookup.key, AccessShareLock);
	return found;
}

/* Gives back what a look-up holds. */
void
ak_keystore_end(AkLookup *lookup)
{
	ExecDropSingleTupleTableSlot(lookup->slot);
	UnregisterSnapshot(lookup->snapshot);
	table_close(lookup->key, AccessShareLock);
}
