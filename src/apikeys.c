/*-------------------------------------------------------------------------
 *
 * apikeys.c
 *	  API keys in PostgreSQL: the module.
 *
 * Two ways lead through this directory:
 *
 *	  a request   validate.c -> token.c -> digest.c -> keystore.c -> policy.c
 *	              -> limit.c -> usage.c -> verdict
 *	  a change    manage.c -> table -> guard.c trigger -> audit.c trigger ->
 *	              entry; before commit: chain.c -> link
 *
 * The tables are the truth, the triggers are the law, the functions are the
 * convenience.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "access/access.h"
#include "audit/audit.h"
#include "core/catalog.h"
#include "core/guc.h"
#include "core/shmem.h"
#include "usage/flush.h"
#include "usage/usage.h"
#include "validate/current.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

/*
 * A cancellation in here would leave settings that are defined by a library
 * that is not loaded: no later call in the session could load it.  A WARNING,
 * as of a forged setting, is a moment at which one strikes.
 */
void
_PG_init(void)
{
	HOLD_INTERRUPTS();
	ak_current_init();
	ak_guc_init();
	ak_catalog_init();
	ak_access_init();
	ak_audit_init();
	ak_shmem_init();
	ak_worker_init();
	ak_apinames_init();
	ak_flush_init();
	RESUME_INTERRUPTS();
}
