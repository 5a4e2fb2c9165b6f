/*-------------------------------------------------------------------------
 *
 * apikeys.c
 *	  API keys in PostgreSQL: the module.
 *
 * Two ways lead through this directory:
 *
 *	  a request   validate/validate -> pure/token -> pure/digest ->
 *				  validate/keystore -> pure/policy -> usage/limit -> verdict
 *				  -> usage/usage
 *	  a change    keys/manage -> table -> keys/guard trigger -> audit/story
 *				  trigger -> audit/audit: entry; before commit, its link
 *
 * The tables are the truth, the triggers are the law, the functions are the
 * convenience.  What a room is for, and which rooms it may include, stands in
 * scripts/rooms and docs/ARCHITECTURE.md.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "access/access.h"
#include "audit/audit.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/guc.h"
#include "core/lock.h"
#include "log/purge.h"
#include "mail/mailer.h"
#include "registry/grant.h"
#include "registry/privilege.h"
#include "usage/exitflush.h"
#include "usage/flush.h"
#include "usage/limit.h"
#include "usage/memory.h"
#include "usage/usage.h"
#include "validate/current.h"
#include "worker/shmem.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

/* A mail server that was set only now finds what waits for it */
static const int mail_period_ms = 10000;
static const int hour_ms = 3600000;

/* How long a dump may carry the old name of a role that was renamed, and the limit of a key that is archived its place */
static const int minute_ms = 60000;

/* How long after its time an entry may stay */
static const int purge_period_ms = 10 * 60 * 1000;

static const AkWorkerPlan plan = {
	.jobs = {
		[AK_JOB_FLUSH] = {"flush usage", ak_flush_job, &ak_guc_flush_interval, true},
		[AK_JOB_LIMITS] = {"limits", ak_limits_job, &minute_ms, false},
		[AK_JOB_MAIL] = {"mail", ak_mailer_job, &mail_period_ms, false},
		[AK_JOB_USAGE_RETENTION] = {"usage retention", ak_usage_retention_job, &hour_ms, false},
		[AK_JOB_AUDIT_RETENTION] = {"audit retention", ak_purge_job, &purge_period_ms, false},
		[AK_JOB_ACCESS] = {"access", ak_access_job, &minute_ms, false},
	},
	.tend = ak_memory_tend,
	.unattended = ak_exit_flush_init,
};

/*
 * The order at the end of a transaction: whoever adds to the log does so before
 * the log's own work, and locks are forgotten last.
 */
static void
at_transaction_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			ak_check_prepare();
			pg_fallthrough;
		case XACT_EVENT_PRE_COMMIT:
			ak_commit_privileges();
			ak_audit_before_commit();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			ak_audit_end();
			ak_forget_locks();
			ak_forget_privileges();
			break;
		default:
			break;
	}
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();
	bool		committed = event == SUBXACT_EVENT_COMMIT_SUB;

	if (!committed && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	ak_locks_end_subtransaction(level, committed);
	ak_privileges_end_subtransaction(level, committed);
	ak_audit_end_subtransaction(level, committed);
}

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
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
	ak_shmem_init(ak_memory_layout());
	ak_worker_init(&plan);
	ak_apinames_init();
	ak_flush_init();
	RESUME_INTERRUPTS();
}
