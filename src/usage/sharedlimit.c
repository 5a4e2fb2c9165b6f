/*-------------------------------------------------------------------------
 *
 * sharedlimit.c
 *	  Read the rate limit that the keys of a workspace share.
 *
 * Every validation needs it, so each backend keeps what it has read of the table
 * workspace, until a change of that table commits (a trigger invalidates the
 * table's relation cache entry).  If no workspace has a limit, which one look into
 * a partial index tells, nothing else is read or kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "access/context.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "pure/digest.h"
#include "pure/token.h"
#include "usage/limit.h"

/* Workspaces that a backend keeps; a power of two */
#define KEPT 1024

typedef struct AkKeptLimit
{
	AkSharedLimit limit;
	uint8 len; /* 0: the entry is empty */
	char workspace[AK_WORKSPACE_MAX];
} AkKeptLimit;

static AkKeptLimit *kept_limits = NULL; /* by a hash of the workspace */
static bool any_limit = false;          /* a workspace has a limit */
static bool limits_valid = false;       /* kept_limits and any_limit are as of the latest commit */
static uint64 invalidations = 0;        /* their number, to notice one that comes while the table is read */

static void
forget_limits(Oid relid)
{
	if (relid == InvalidOid || ak_is_relation(relid, AK_WORKSPACE))
	{
		limits_valid = false;
		invalidations++;
	}
}

/* Called once, from _PG_init. */
void
ak_sharedlimit_init(void)
{
	ak_on_relation_change(forget_limits);
}

/* Returns true if any workspace has a limit, as of the latest commit. */
static bool
any_is_limited(void)
{
	Relation rel = ak_table_open(AK_WORKSPACE, AccessShareLock);
	Oid index = ak_relid(AK_WORKSPACE_LIMITED);
	SysScanDesc scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 0, NULL);
	HeapTuple tuple;
	bool found = false;

	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = !heap_attisnull(tuple, Anum_workspace_rate_limit, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Reads a workspace's limit as of the latest commit. */
static void
read_limit(const char *workspace, AkSharedLimit *limit)
{
	Relation rel = ak_table_open(AK_WORKSPACE, AccessShareLock);
	TupleDesc desc = RelationGetDescr(rel);
	SysScanDesc scan = ak_begin_lookup(rel, AK_WORKSPACE_PKEY, NULL, 1, &workspace);
	HeapTuple tuple = systable_getnext(scan);
	uint8 hash[AK_HASH_LEN];

	memset(limit, 0, sizeof(*limit));
	if (HeapTupleIsValid(tuple))
	{
		bool no_limit, no_window;
		Datum uses = heap_getattr(tuple, Anum_workspace_rate_limit, desc, &no_limit);
		Datum window = heap_getattr(tuple, Anum_workspace_rate_window, desc, &no_window);

		if (!no_limit && !no_window)
		{
			limit->limit = DatumGetInt32(uses);
			limit->window = ak_window_nsecs(DatumGetIntervalP(window));
		}
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (limit->limit <= 0 || limit->window <= 0)
		limit->limit = 0;
	else if (!ak_sha256(workspace, strlen(workspace), hash))
		ak_hash_failed();
	else
		memcpy(limit->id, hash, sizeof(limit->id));
}

/*
 * Returns the limit of a workspace as of the latest commit, NULL if it has none.
 * It is valid until the next call.  The caller has called ak_may() before, which
 * accepts invalidations.  Raises what reading the table workspace raises.
 */
const AkSharedLimit *
ak_shared_limit(const char *workspace, size_t len)
{
	static AkSharedLimit unkept;
	AkKeptLimit *entry;
	char name[AK_WORKSPACE_MAX + 1];
	uint64 seen = invalidations;

	if (unlikely(!limits_valid))
	{
		if (kept_limits != NULL)
			MemSet(kept_limits, 0, KEPT * sizeof(AkKeptLimit));
		any_limit = any_is_limited();
		if (any_limit && kept_limits == NULL)
			kept_limits = MemoryContextAllocZero(TopMemoryContext, KEPT * sizeof(AkKeptLimit));
		limits_valid = seen == invalidations;
	}
	if (!any_limit || len == 0 || len > AK_WORKSPACE_MAX)
		return NULL;
	entry = &kept_limits[hash_bytes((const unsigned char *) workspace, (int) len) & (KEPT - 1)];
	if (entry->len == len && memcmp(entry->workspace, workspace, len) == 0)
		return entry->limit.limit > 0 ? &entry->limit : NULL;

	memcpy(name, workspace, len);
	name[len] = '\0';
	read_limit(name, &unkept);
	if (seen == invalidations)
	{
		entry->limit = unkept;
		entry->len = (uint8) len;
		memcpy(entry->workspace, workspace, len);
	}
	return unkept.limit > 0 ? &unkept : NULL;
}
