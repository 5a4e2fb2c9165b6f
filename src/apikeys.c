/*-------------------------------------------------------------------------
 *
 * apikeys.c
 *	  API keys in PostgreSQL: the module.
 *
 * Two paths lead through the source:
 *
 *	  a request   validate/validate -> pure/token -> pure/digest ->
 *				  validate/keystore -> pure/policy -> usage/limit ->
 *				  usage/usage -> validate/verdict
 *	  a change    keys/manage -> keys/key_write -> table -> keys/key_guard
 *				  (BEFORE trigger) -> audit/audit_trigger (AFTER trigger) ->
 *				  audit/entry; after the commit, in batches: log/sequencer
 *
 * The tables hold the state, the triggers enforce the rules, and the functions
 * are a convenience.  docs/ARCHITECTURE.md says what each directory is for,
 * scripts/rooms which others it may include.
 *
 * This file registers the jobs of the worker, and calls the other files when
 * the library is loaded and when a transaction ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "access/access.h"
#include "audit/sealed_row.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/guc.h"
#include "core/lock.h"
#include "core/query.h"
#include "core/subscriber.h"
#include "log/checkpoint.h"
#include "log/purge.h"
#include "log/sequencer.h"
#include "mail/mailer.h"
#include "registry/grant.h"
#include "registry/privilege.h"
#include "usage/exitflush.h"
#include "usage/flush.h"
#include "usage/limit.h"
#include "usage/memory.h"
#include "usage/metrics.h"
#include "usage/usage.h"
#include "validate/current.h"
#include "worker/shmem.h"
#include "worker/worker.h"

AK_MODULE_MAGIC("apikeys");

void _PG_init(void);

/* Interval of the mail job: how soon waiting reports are sent after apikeys.smtp_url is set */
static const int mail_period_ms = 10000;
static const int hour_ms = 3600000;

/* How long a dump may contain the old name of a renamed role, and an archived key's limit keep its place in memory */
static const int minute_ms = 60000;

/* How long an entry may stay after apikeys.audit_retention */
static const int purge_period_ms = 10 * 60 * 1000;

static const AkWorkerPlan plan = {
	.jobs =
		{
			[AK_JOB_FLUSH] = {"flush usage", ak_flush_job, &ak_guc_flush_interval, true},
			[AK_JOB_LIMITS] = {"limits", ak_limits_job, &minute_ms, false},
			[AK_JOB_MAIL] = {"mail", ak_mailer_job, &mail_period_ms, false},
			[AK_JOB_USAGE_RETENTION] = {"usage retention", ak_usage_retention_job, &hour_ms, false},
			[AK_JOB_AUDIT_RETENTION] = {"audit retention", ak_purge_job, &purge_period_ms, false},
			[AK_JOB_ACCESS] = {"access", ak_access_job, &minute_ms, false},
			[AK_JOB_KEY_TOTALS] = {"key totals", ak_key_totals_job, &ak_key_totals_period_ms, false},
			[AK_JOB_SEQUENCER] = {"audit sequencer", ak_sequencer_job, &ak_guc_flush_interval, true},
			[AK_JOB_CHECKPOINT] = {"audit checkpoints", ak_checkpoint_job, NULL, false},
			[AK_JOB_CHECKPOINT_LOG] = {"checkpoint log", ak_checkpoint_log_job, &minute_ms, false},
		},
	.tend = ak_memory_tend,
	.unattended = ak_exit_flush_init,
};

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
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			ak_owner_abort(1);
			ak_forget_fresh();
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
	int level = GetCurrentTransactionNestLevel();
	bool committed = event == SUBXACT_EVENT_COMMIT_SUB;

	if (!committed && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	ak_locks_end_subtransaction(level, committed);
	ak_privileges_end_subtransaction(level, committed);
	if (!committed)
		ak_owner_abort(level);
}

/*
 * Holds interrupts: after a cancellation in here, the settings would be defined
 * but the library not loaded, and no later call in the session could load it.
 * A WARNING, as of a forged setting, checks for interrupts.
 */
void
_PG_init(void)
{
	HOLD_INTERRUPTS();
	ak_current_init();
	ak_guc_init();
	ak_catalog_init();
	ak_subscriber_init();
	ak_scope_init();
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
	ak_shmem_init(ak_memory_layout());
	ak_worker_init(&plan);
	ak_apinames_init();
	ak_flush_init();
	ak_sharedlimit_init();
	RESUME_INTERRUPTS();
}
