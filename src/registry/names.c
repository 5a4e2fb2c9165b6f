/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Names of APIs and workspaces that others refer to: that they exist, and
 *	  stay.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "storage/lockdefs.h"

#include "access/context.h"
#include "access/label.h"
#include "core/catalog.h"
#include "core/lock.h"
#include "core/query.h"
#include "registry/names.h"

/* Raises 42704 for an API that is not registered; the hint lists those that are. */
void
ak_refuse_unknown_api(const char *api)
{
	static AkQuery query =
		{"SELECT string_agg(api, ', ' ORDER BY ordinal) FROM apikeys.api WHERE unregistered_at IS NULL", 0, {0}, NULL};
	AkCaller caller;
	char *registered;

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(&query, NULL, NULL, AK_SEE_LATEST);
	registered = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("API \"%s\" does not exist", ak_quoted(api)),
					registered ? errhint("Registered APIs: %s.", registered)
							   : errhint("No API is registered; apikeys.register_api() registers one.")));
}

/*
 * Keeps a workspace from being removed until the end of the transaction, which
 * adds something to it.  Raises 42704 if it does not exist.
 */
void
ak_hold_workspace(const char *workspace)
{
	AkWorkspace settings;
	bool exists = ak_workspace_settings(workspace, &settings);

	if (exists)
	{
		ak_lock_object(AK_WORKSPACE, workspace, ShareLock);
		exists = ak_workspace_settings(workspace, &settings);
	}
	if (!exists)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("workspace \"%s\" does not exist", ak_quoted(workspace))));
}
