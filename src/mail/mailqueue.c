/*-------------------------------------------------------------------------
 *
 * mailqueue.c
 *	  The queue of reports to mail: the table apikeys_internal.report.
 *
 * To send a report, the worker first claims it in a transaction of its own,
 * which counts the attempt and sets the time of the next one.  So nothing is
 * lost if the worker dies while it talks to the mail server, and a report is
 * sent at least once.  No lock is held during a delivery.
 *
 * A row that was not inserted by email_audit_logs(), but by a restore or by
 * replication, is held until release_report(); otherwise a copy of a database
 * would send mail to its recipients.  CREATE DATABASE ... TEMPLATE and
 * pg_upgrade copy rows unchanged: so a row has the identifier of the database
 * that queued it, and the worker of another database holds it when it starts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "audit/sealed_row.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/query.h"
#include "mail/mailqueue.h"

PG_FUNCTION_INFO_V1(ak_guard_report);

/* Returns the pause after N attempts, in milliseconds. */
static int64
pause_after(int attempts)
{
	int64 pause = attempts == 0 ? 0 : ak_guc_mail_retry_pause;

	for (int i = 1; i < Min(attempts, AK_REPORT_ATTEMPTS); i++)
		pause *= 4;
	return pause;
}

/*
 * Returns the latest time at which the next attempt can be due, for each number
 * of previous attempts: an array of timestamptz, [1] for none.  If an attempt
 * is due later than that, the clock was set back since it was scheduled, and it
 * is due now.
 */
static Datum
latest_attempts(TimestampTz now)
{
	Datum latest[AK_REPORT_ATTEMPTS + 1];

	for (int i = 0; i <= AK_REPORT_ATTEMPTS; i++)
		latest[i] = TimestampTzGetDatum(TimestampTzPlusMilliseconds(now, pause_after(i)));
	return ak_array(latest, lengthof(latest), TIMESTAMPTZOID);
}

#define IS_DUE(now, latest)                             \
	"(next_attempt_at <= " now " OR next_attempt_at > " \
	"(" latest ")[attempts + 1])"

/*
 * Trigger of apikeys_internal.report, for each row: BEFORE INSERT, always, holds a
 * report that was not inserted by email_audit_logs(); BEFORE UPDATE raises
 * 55000 for changes that are not ours, so that a report's recipient is always
 * the one in its audit entry.
 */
Datum
ak_guard_report(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata =
		ak_trigger_data(fcinfo, "guard_report", AK_BEFORE | AK_ON_INSERT | AK_ON_UPDATE, AK_TABLE_BIT(AK_REPORT));
	AkRow row;
	int column = Anum_report_state;
	Datum held = CStringGetTextDatum("held");
	bool isnull = false;
	bool ours = ak_owner_purpose() == AK_TO_MAIL;

	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		if (!ours)
			ak_wrong_state(errmsg("a report cannot be changed"),
						   errhint("apikeys.release_report() queues one that is held or failed; DELETE removes one."));
		return PointerGetDatum(trigdata->tg_newtuple);
	}
	ak_row_read(&row, trigdata->tg_relation, trigdata->tg_trigtuple);
	if (ours || AK_IS_NULL(&row, Anum_report_state) || strcmp(ak_row_text(&row, Anum_report_state), "queued") != 0)
		return PointerGetDatum(trigdata->tg_trigtuple);
	return PointerGetDatum(heap_modify_tuple_by_cols(trigdata->tg_trigtuple, row.stored, 1, &column, &held, &isnull));
}

/* Returns an identifier that a copy of the database does not share, unless the whole cluster was copied; palloc'd. */
char *
ak_report_origin(void)
{
	return psprintf(UINT64_FORMAT "/%u", GetSystemIdentifier(), MyDatabaseId);
}

/* Holds reports that another database queued, of which this one is a copy. */
void
ak_report_hold_copies(void)
{
	static AkQuery query = {
		"UPDATE apikeys_internal.report SET state = 'held', next_attempt_at = NULL, last_error = NULL "
		"WHERE state = 'queued' AND COALESCE(origin, '') <> $1",
		1,
		{TEXTOID},
		NULL};
	Datum args[1] = {CStringGetTextDatum(ak_report_origin())};

	ak_run_as_owner(AK_TO_MAIL, &query, args, NULL, AK_SEE_TRANSACTION);
}

/*
 * Returns the number of queued reports of a workspace, or of the same list of
 * workspaces; "nulls" as for ak_query().
 */
int64
ak_reports_queued(Datum workspace, Datum scope, const char *nulls)
{
	static AkQuery query = {"SELECT count(*) FROM apikeys_internal.report WHERE state = 'queued' "
							"AND COALESCE(workspace, '') = COALESCE($1, '') "
							"AND COALESCE(scope, '{}') = COALESCE($2, '{}')",
							2,
							{TEXTOID, TEXTARRAYOID},
							NULL};
	Datum args[2] = {workspace, scope};
	bool isnull;

	return DatumGetInt64(ak_read_value(&query, args, nulls, AK_SEE_LATEST, &isnull));
}

/* Sets reports to failed whose last attempt was interrupted. */
static void
give_up_interrupted(TimestampTz now)
{
	static AkQuery query = {
		"UPDATE apikeys_internal.report SET state = 'failed', finished_at = $1, next_attempt_at = NULL, "
		"last_error = COALESCE(last_error, 'the last attempt was interrupted; the server''s log may tell why') "
		"WHERE state = 'queued' AND " IS_DUE("$1", "$3") " AND attempts >= $2",
		3,
		{TIMESTAMPTZOID, INT4OID, TIMESTAMPTZARRAYOID},
		NULL};
	Datum args[3] = {TimestampTzGetDatum(now), Int32GetDatum(AK_REPORT_ATTEMPTS), latest_attempts(now)};

	ak_run_as_owner(AK_TO_MAIL, &query, args, NULL, AK_SEE_TRANSACTION);
}

/*
 * Claims the report that is due first: copies it to *report and counts the
 * attempt.  After the commit of this transaction, it may be sent.  id_domain is
 * for the Message-ID, if the report has none yet.  Returns false if none is
 * due.  Locked reports are skipped.
 */
bool
ak_report_claim(const char *id_domain, AkReport *report)
{
	static AkQuery next = {
		"SELECT report_id::text, workspace, recipient, filters::text, asked_by, COALESCE(id_domain, $2), "
		"entries, encrypted, asked_at, queued_at, content, attempts, report_id FROM apikeys_internal.report "
		"WHERE state = 'queued' AND " IS_DUE(
			"$1", "$3") " AND content IS NOT NULL ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED",
		3,
		{TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZARRAYOID},
		NULL};
	static AkQuery claim = {"UPDATE apikeys_internal.report SET attempts = $2, next_attempt_at = $3, id_domain = $4 "
							"WHERE report_id = $1",
							4,
							{UUIDOID, INT4OID, TIMESTAMPTZOID, TEXTOID},
							NULL};
	char **texts[] = {&report->id,      &report->workspace, &report->recipient,
					  &report->filters, &report->asked_by,  &report->id_domain};
	MemoryContext context = CurrentMemoryContext;
	MemoryContext spi_context;
	TimestampTz now = GetCurrentTimestamp();
	Datum args[4] = {TimestampTzGetDatum(now), CStringGetTextDatum(id_domain), latest_attempts(now)};
	AkCaller caller;
	bool isnull;
	bool found;
	int attempts;

	give_up_interrupted(now);

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(&next, args, NULL, AK_SEE_TRANSACTION);
	found = SPI_processed == 1;
	if (found)
	{
		spi_context = MemoryContextSwitchTo(context);
		for (int i = 0; i < (int) lengthof(texts); i++)
		{
			Datum value = ak_query_result(0, i + 1, &isnull);

			*texts[i] = isnull ? NULL : TextDatumGetCString(value);
		}
		report->entries = DatumGetInt64(ak_query_result(0, 7, &isnull));
		report->encrypted = DatumGetBool(ak_query_result(0, 8, &isnull));
		report->asked_at = DatumGetTimestampTz(ak_query_result(0, 9, &isnull));
		report->queued_at = DatumGetTimestampTz(ak_query_result(0, 10, &isnull));
		report->content = DatumGetByteaPCopy(ak_query_result(0, 11, &isnull));
		attempts = DatumGetInt32(ak_query_result(0, 12, &isnull)) + 1;
		args[0] = datumCopy(ak_query_result(0, 13, &isnull), false, UUID_LEN);
		args[1] = Int32GetDatum(attempts);
		args[2] = TimestampTzGetDatum(TimestampTzPlusMilliseconds(now, pause_after(attempts)));
		args[3] = CStringGetTextDatum(report->id_domain);
		MemoryContextSwitchTo(spi_context);
	}
	SPI_finish();
	ak_owner_end(&caller);
	if (found)
		ak_run_as_owner(AK_TO_MAIL, &claim, args, NULL, AK_SEE_TRANSACTION);
	return found;
}

/* Records that a report was sent, and removes its content. */
void
ak_report_sent(const char *id)
{
	static AkQuery query = {
		"UPDATE apikeys_internal.report SET state = 'sent', finished_at = $2, next_attempt_at = NULL, last_error = NULL, "
		"content = NULL WHERE report_id = $1 AND state = 'queued'",
		2,
		{UUIDOID, TIMESTAMPTZOID},
		NULL};
	Datum args[2];

	args[0] = DirectFunctionCall1(uuid_in, CStringGetDatum(id));
	args[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	ak_run_as_owner(AK_TO_MAIL, &query, args, NULL, AK_SEE_TRANSACTION);
}

/*
 * Records why an attempt failed.  After the last attempt, or with for_good, the
 * report is failed.  It keeps its content, for release_report().
 */
void
ak_report_failed(const char *id, const char *error, bool for_good)
{
	static AkQuery query = {"UPDATE apikeys_internal.report SET last_error = $2, "
							"state = CASE WHEN $3 OR attempts >= $4 THEN 'failed' ELSE state END, "
							"finished_at = CASE WHEN $3 OR attempts >= $4 THEN $5 END, "
							"next_attempt_at = CASE WHEN $3 OR attempts >= $4 THEN NULL ELSE next_attempt_at END "
							"WHERE report_id = $1 AND state = 'queued'",
							5,
							{UUIDOID, TEXTOID, BOOLOID, INT4OID, TIMESTAMPTZOID},
							NULL};
	Datum args[5];
	char *ascii = pstrdup(error);

	/* the server's reply may contain anything */
	for (char *p = ascii; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	args[0] = DirectFunctionCall1(uuid_in, CStringGetDatum(id));
	args[1] = CStringGetTextDatum(ascii);
	args[2] = BoolGetDatum(for_good);
	args[3] = Int32GetDatum(AK_REPORT_ATTEMPTS);
	args[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	ak_run_as_owner(AK_TO_MAIL, &query, args, NULL, AK_SEE_TRANSACTION);
}

/* Returns the number of milliseconds until the next attempt is due; -1 if no report is queued. */
int64
ak_report_wait(void)
{
	static AkQuery query = {
		"SELECT min(CASE WHEN " IS_DUE("$1", "$2") " THEN $1 ELSE next_attempt_at END) FROM apikeys_internal.report "
												   "WHERE state = 'queued' AND content IS NOT NULL",
		2,
		{TIMESTAMPTZOID, TIMESTAMPTZARRAYOID},
		NULL};
	TimestampTz now = GetCurrentTimestamp();
	Datum args[2] = {TimestampTzGetDatum(now), latest_attempts(now)};
	bool isnull;
	Datum due = ak_read_value(&query, args, NULL, AK_SEE_TRANSACTION, &isnull);

	return isnull ? -1 : TimestampDifferenceMilliseconds(now, DatumGetTimestampTz(due));
}
