/*-------------------------------------------------------------------------
 *
 * apinames.c
 *	  The names of APIs by their hashes.
 *
 * A figure in shared memory holds a hash of the API's name, because names can be
 * long.  Each backend keeps all names of the table api by their hashes, including
 * those of APIs that are no longer registered.  It reads the table again after a
 * change, of which a trigger tells by invalidating the table's relation cache
 * entry.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "common/hashfn.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "usage/usage.h"

typedef struct AkApiName
{
	uint64 hash; /* the key */
	bool registered;
	char *name;
} AkApiName;

static HTAB *api_names = NULL;
static MemoryContext names_context = NULL;
static bool names_valid = false;
static uint64 invalidations = 0; /* lets load_names() notice an invalidation during its scan */

static void
registry_changed(Oid relid)
{
	if (relid == InvalidOid || ak_is_relation(relid, AK_API))
	{
		names_valid = false;
		invalidations++;
	}
}

/* Called once, from _PG_init. */
void
ak_apinames_init(void)
{
	ak_on_relation_change(registry_changed);
}

/* Returns the hash of an API's name, never 0. */
uint64
ak_api_hash(const char *name, size_t len)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) name, len, 0);

	return hash != 0 ? hash : 1;
}

/* Reads the registry as of the latest commit. */
static void
load_names(void)
{
	HASHCTL ctl = {.keysize = sizeof(uint64), .entrysize = sizeof(AkApiName)};
	uint64 seen = invalidations;
	Relation rel = ak_table_open(AK_API, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple tuple;

	api_names = NULL;
	if (names_context == NULL)
		names_context = AllocSetContextCreate(TopMemoryContext, "apikeys API names", ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(names_context);
	ctl.hcxt = names_context;
	api_names = hash_create("apikeys API names", 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool isnull;
		char *name = TextDatumGetCString(heap_getattr(tuple, Anum_api_api, RelationGetDescr(rel), &isnull));
		uint64 hash = ak_api_hash(name, strlen(name));
		AkApiName *entry = hash_search(api_names, &hash, HASH_ENTER, NULL);

		entry->name = MemoryContextStrdup(names_context, name);
		(void) heap_getattr(tuple, Anum_api_unregistered_at, RelationGetDescr(rel), &isnull);
		entry->registered = isnull;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	names_valid = (seen == invalidations);
}

/*
 * Returns true if a registered API has a name with this hash.  Does not wait: if the
 * table must be read and another transaction has locked it, returns false.  Raises
 * 42P01 if the extension is gone.
 */
bool
ak_api_is_registered(uint64 hash)
{
	AkApiName *entry;

	if (unlikely(!names_valid))
	{
		Oid relid = ak_relid(AK_API);

		if (!ConditionalLockRelationOid(relid, AccessShareLock))
			return false;
		load_names();
		UnlockRelationOid(relid, AccessShareLock);
	}
	entry = hash_search(api_names, &hash, HASH_FIND, NULL);
	return entry != NULL && entry->registered;
}

/* Returns true if the registry has an API whose name has this hash, still registered or not. */
bool
ak_api_has_name(uint64 hash)
{
	if (!names_valid)
		load_names();
	return hash_search(api_names, &hash, HASH_FIND, NULL) != NULL;
}

/*
 * Returns a copy of an API's name.  An API that is not in the registry, because
 * its registration is not committed or was rolled back, gets "#" and the hash.
 */
char *
ak_api_name(uint64 hash)
{
	AkApiName *entry;

	if (!names_valid)
		load_names();
	entry = hash_search(api_names, &hash, HASH_FIND, NULL);
	return entry != NULL ? pstrdup(entry->name) : psprintf("#" UINT64_FORMAT, hash);
}
