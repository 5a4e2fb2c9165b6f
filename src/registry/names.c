/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Checks that the APIs and workspaces that a key or another row names exist,
 *	  and keeps workspaces from being removed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"

#include "access/context.h"
#include "access/label.h"
#include "core/catalog.h"
#include "core/errors.h"
#include "core/lock.h"
#include "core/query.h"
#include "registry/names.h"

/* Returns the registered APIs as a text, as of the latest commit; NULL if there are none. */
static char *
registered_apis(void)
{
	static AkQuery query =
		{"SELECT string_agg(api, ', ' ORDER BY ordinal) FROM apikeys.api WHERE unregistered_at IS NULL", 0, {0}, NULL};

	return ak_read_text(&query, NULL, NULL, AK_SEE_LATEST);
}

/* Returns the place of an API in the registry's order, from 1, as of the latest commit; 0 if it is not registered. */
int
ak_api_ordinal(const char *api)
{
	Relation rel = ak_table_open(AK_API, AccessShareLock);
	SysScanDesc scan = ak_begin_lookup(rel, AK_API_PKEY, NULL, 1, &api);
	HeapTuple tuple = systable_getnext(scan);
	int ordinal = 0;

	if (HeapTupleIsValid(tuple) && heap_attisnull(tuple, Anum_api_unregistered_at, RelationGetDescr(rel)))
	{
		bool isnull;

		ordinal = DatumGetInt32(heap_getattr(tuple, Anum_api_ordinal, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return ordinal;
}

/* Raises 22004 or 22023 for a key without APIs: the list is NULL, or it is empty. */
void
ak_refuse_no_apis(bool isnull)
{
	char *registered = registered_apis();

	ereport(ERROR,
			(errcode(isnull ? ERRCODE_NULL_VALUE_NOT_ALLOWED : ERRCODE_INVALID_PARAMETER_VALUE), err_argument("apis"),
			 errmsg("API list of a key must not be %s", isnull ? "null" : "empty"),
			 registered ? errhint("Say what the key may call, as in apis => '{data}'. Registered APIs: %s.", registered)
						: errhint("No API is registered; apikeys.register_api() registers one.")));
}

/* Raises 42704 for an API that is not registered; the hint lists those that are. */
void
ak_refuse_unknown_api(const char *api)
{
	char *registered = registered_apis();

	ak_not_found(errmsg("API \"%s\" does not exist", ak_quoted(api)),
				 registered ? errhint("Registered APIs: %s.", registered)
							: errhint("No API is registered; apikeys.register_api() registers one."));
}

/*
 * Keeps a workspace from being removed until the end of the transaction, which
 * adds something to it, and returns its settings.  Raises 42704 if it does not
 * exist; the error releases the lock.
 */
void
ak_hold_workspace(const char *workspace, AkWorkspace *settings)
{
	ak_lock_object(AK_WORKSPACE, workspace, ShareLock);
	if (!ak_workspace_settings(workspace, settings))
		ak_not_found(errmsg("workspace \"%s\" does not exist", ak_quoted(workspace)));
}
