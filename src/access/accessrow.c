/*-------------------------------------------------------------------------
 *
 * accessrow.c
 *	  Read apikeys.access, with the role of each row.
 *
 * Reads two tables as a whole: they are small, and access.c caches the result.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "access/accessrow.h"
#include "core/catalog.h"
#include "core/columns.h"

/* The role of an access */
typedef struct AkAccessRole
{
	pg_uuid_t grant_id; /* the key */
	Oid role;
} AkAccessRole;

/* Starts a scan of all accesses, as of the latest commit; ak_end_accesses() ends it. */
void
ak_begin_accesses(AkAccessScan *accesses)
{
	HASHCTL ctl = {.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(AkAccessRole)};
	Relation rel = ak_table_open(AK_ACCESS_ROLE, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple tuple;

	accesses->context = AllocSetContextCreate(CurrentMemoryContext, "apikeys accesses", ALLOCSET_DEFAULT_SIZES);
	ctl.hcxt = accesses->context;
	accesses->roles = hash_create("apikeys access roles", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool isnull;
		Datum grant_id = heap_getattr(tuple, Anum_access_role_grant_id, RelationGetDescr(rel), &isnull);
		AkAccessRole *entry = hash_search(accesses->roles, DatumGetUUIDP(grant_id), HASH_ENTER, NULL);

		entry->role = DatumGetObjectId(heap_getattr(tuple, Anum_access_role_roleid, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	accesses->rel = ak_table_open(AK_ACCESS, AccessShareLock);
	accesses->scan = systable_beginscan(accesses->rel, InvalidOid, false, NULL, 0, NULL);
}

/* Reads the next access; returns false if there is none. */
bool
ak_next_access(AkAccessScan *accesses)
{
	HeapTuple tuple = systable_getnext(accesses->scan);
	Datum values[_Anum_access_max - 1];
	bool nulls[_Anum_access_max - 1];
	AkAccessRole *entry;
	MemoryContext old;

	if (!HeapTupleIsValid(tuple))
		return false;
	old = MemoryContextSwitchTo(accesses->context);
	ak_deform(tuple, RelationGetDescr(accesses->rel), ak_columns(AK_ACCESS), values, nulls);
	entry = hash_search(accesses->roles, DatumGetUUIDP(values[Anum_access_grant_id - 1]), HASH_FIND, NULL);
	accesses->waiting = entry == NULL;
	accesses->role = entry ? entry->role : get_role_oid(NameStr(*DatumGetName(values[Anum_access_role - 1])), true);
	accesses->capability = TextDatumGetCString(values[Anum_access_capability - 1]);
	accesses->workspace =
		nulls[Anum_access_workspace - 1] ? NULL : TextDatumGetCString(values[Anum_access_workspace - 1]);
	MemoryContextSwitchTo(old);
	return true;
}

/* Ends the scan, and frees its memory. */
void
ak_end_accesses(AkAccessScan *accesses)
{
	systable_endscan(accesses->scan);
	table_close(accesses->rel, AccessShareLock);
	MemoryContextDelete(accesses->context);
}
