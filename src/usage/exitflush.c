/*-------------------------------------------------------------------------
 *
 * exitflush.c
 *	  Flush usage as a session leaves a database that has no worker.
 *
 * No count is lost when the server stops cleanly.  A worker waits for the last
 * session to end, and flushes.  A database that waits for its turn to have a
 * worker (worker.c) has none during a shutdown, and none can be started then.  So
 * the sessions of such a database flush when they end, at a shutdown or not.
 *
 * Like the removal of temporary tables, this is a transaction in a callback of
 * before_shmem_exit().  There, PostgreSQL makes every ERROR a FATAL, which no
 * PG_TRY() catches: it is logged, and the exit goes on with the abort of the
 * transaction.  What was not flushed stays in memory.
 *
 * Nor is any interrupt processed there: what such a session waits for, neither a
 * timeout nor pg_terminate_backend() nor the server's stop can end.  So it waits for
 * locks only for a while, and for no standby.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"

#include "core/query.h"
#include "usage/exitflush.h"
#include "usage/flush.h"
#include "worker/worker.h"

/* How long a session waits for locks as it ends, and how long if it was terminated: the server may be stopping */
#define WAIT_MS      2000
#define LAST_WAIT_MS 30000

/* Flushes in a transaction, unless the extension is gone or about to be dropped.  Raises what a flush raises. */
static void
flush_in_transaction(int wait_ms)
{
	AkCaller caller;
	Oid extension;

	StartTransactionCommand();
	/* whatever the session's defaults are */
	XactReadOnly = false;
	XactIsoLevel = XACT_READ_COMMITTED;
	synchronous_commit = SYNCHRONOUS_COMMIT_LOCAL_FLUSH;
	extension = get_extension_oid("apikeys", true);
	if (OidIsValid(extension) && ConditionalLockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock) &&
		get_extension_oid("apikeys", true) == extension)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		ak_owner_begin(&caller, AK_TO_WORK);
		SPI_connect();
		if (!ak_flush_here(wait_ms))
			ereport(LOG_SERVER_ONLY,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("usage was not flushed as a session ended"),
					 errdetail("Another session has locked the tables of usage. The counts stay in memory.")));
		SPI_finish();
		ak_owner_end(&caller);
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
}

static void
flush_at_exit(int code, Datum arg)
{
	/* a session may have been terminated because the server stops */
	if (RecoveryInProgress() || !ak_worker_is_away(code != 0))
		return;
	AbortOutOfAnyTransaction();
	flush_in_transaction(code != 0 ? LAST_WAIT_MS : WAIT_MS);
}

/*
 * To be called when a session uses the extension, any number of times: the session
 * will flush when it ends, if its database has no worker then.  Not for the worker
 * itself, which flushes as a job.
 */
void
ak_exit_flush_init(void)
{
	static bool done = false;

	if (done || !IsUnderPostmaster || IsParallelWorker() || ak_worker_is_me())
		return;
	before_shmem_exit(flush_at_exit, (Datum) 0);
	done = true;
}
