/*-------------------------------------------------------------------------
 *
 * report.c
 *	  Reports by email: request and release.
 *
 * A report is made by the statement that requests it: the rows of one snapshot
 * as CSV, encrypted if requested, in a row of apikeys_internal.report.  Later events,
 * such as a purge or the late commit of an entry with a lower number, cannot
 * change it, and a dump contains it.  The worker (mailer.c) finds the row after
 * its commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "access/access.h"
#include "access/context.h"
#include "audit/entry.h"
#include "core/args.h"
#include "core/arrays.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/query.h"
#include "log/logtext.h"
#include "log/search.h"
#include "mail/mailer.h"
#include "mail/mailqueue.h"
#include "mail/pgp.h"
#include "pure/address.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(ak_email_audit_logs);
PG_FUNCTION_INFO_V1(ak_release_report);

/* Arguments of email_audit_logs() */
enum
{
	ARG_RECIPIENT,
	ARG_FILTERS,
	ARG_WORKSPACE = ARG_FILTERS + 1,
	ARG_ENCRYPT_TO = ARG_FILTERS + AK_FILTER_ARGS
};

/* The workspaces of a report */
typedef struct AkScopeOfReport
{
	char *workspace; /* a single workspace; NULL: several or all */
	Datum scope;     /* text[]; 0: all, and entries without a workspace */
} AkScopeOfReport;

/*
 * Returns the recipient.  Raises 22004, and 22023 unless it is a single plain
 * address; messages do not repeat the argument, since it may contain anything.
 */
static char *
read_recipient(FunctionCallInfo fcinfo)
{
	text *recipient;

	ak_need_argument(fcinfo, ARG_RECIPIENT, "recipient");
	recipient = PG_GETARG_TEXT_PP(ARG_RECIPIENT);
	if (!ak_addr_spec_valid(VARDATA_ANY(recipient), VARSIZE_ANY_EXHDR(recipient)))
		ak_bad_argument("recipient", errmsg("recipient is not an email address"),
						errhint("It is one address such as ann@example.com, in ASCII, of at most %d characters.",
								AK_ADDR_SPEC_MAX));
	ak_refuse_secret("recipient", "recipient", text_to_cstring(recipient));
	ak_refuse_known_secret("recipient", "recipient", text_to_cstring(recipient), NULL, NULL);
	return text_to_cstring(recipient);
}

/*
 * Determines the workspaces of the report: those requested that the caller may
 * read.  Raises 42501 and 42704.
 */
static void
read_scope(FunctionCallInfo fcinfo, AkScopeOfReport *scope)
{
	Datum visible;
	Datum *elements;
	int count;

	scope->workspace = ak_optional_text(fcinfo, ARG_WORKSPACE);
	scope->scope = (Datum) 0;

	ak_require_anywhere(AK_AUDIT);
	ak_check_workspace_argument(scope->workspace);
	if (scope->workspace == NULL && ak_bound_workspace() != NULL)
		scope->workspace = pstrdup(ak_bound_workspace());
	if (scope->workspace != NULL)
		ak_require_workspace(AK_AUDIT, scope->workspace);
	else if (!ak_may(AK_AUDIT, NULL))
	{
		visible = ak_visible_workspaces(AK_AUDIT);
		elements = ak_text_elements(visible, &count);
		if (count == 1)
			scope->workspace = TextDatumGetCString(elements[0]);
		else
			scope->scope = visible;
	}
	if (scope->workspace != NULL)
		scope->scope = ak_text_array_of(CStringGetTextDatum(scope->workspace));
}

/* Raises 54000 if AK_REPORTS_MAX reports of these workspaces are queued already. */
static void
refuse_too_many(const AkScopeOfReport *scope)
{
	char nulls[2] = {scope->workspace ? ' ' : 'n', scope->scope ? ' ' : 'n'};
	Datum workspace = scope->workspace ? CStringGetTextDatum(scope->workspace) : (Datum) 0;

	if (ak_reports_queued(workspace, scope->scope, nulls) < AK_REPORTS_MAX)
		return;
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					scope->workspace
						? errmsg("%d reports of workspace \"%s\" are queued already", AK_REPORTS_MAX, scope->workspace)
						: errmsg("%d reports of these workspaces are queued already", AK_REPORTS_MAX),
					errhint("The view apikeys.reports shows why they wait.")));
}

/*
 * Returns the given filters as JSON, or NULL if there is none.  The workspace
 * is left out: it is stored separately.  Raises 22023 for a filter that
 * contains a secret or is in no valid encoding, since filters are stored.
 */
static char *
read_filters(FunctionCallInfo fcinfo)
{
	static AkQuery query = {"SELECT jsonb_strip_nulls(jsonb_build_object("
							"'search', $1, 'teams', $2, 'actions', $3, 'actors', $4, "
							"'since', $5, 'until', $6, 'entities', $7, 'key_id', $8))::text",
							8,
							{TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
							 TEXTARRAYOID, UUIDOID},
							NULL};
	Datum args[8];
	char nulls[8];
	bool any = false;
	char *json;
	int n = 0;

	for (int i = ARG_FILTERS; i < ARG_ENCRYPT_TO; i++)
	{
		if (i == ARG_WORKSPACE)
			continue;
		args[n] = fcinfo->args[i].value;
		nulls[n] = fcinfo->args[i].isnull ? 'n' : ' ';
		any = any || !fcinfo->args[i].isnull;
		n++;
	}
	if (!any)
		return NULL;
	json = ak_read_text(&query, args, nulls, AK_SEE_TRANSACTION);
	ak_check_encoding("search", "filter", json, strlen(json));
	ak_refuse_secret("search", "filter", json);
	ak_refuse_known_secret("search", "filter", json, NULL, NULL);
	return json;
}

/*
 * Writes the entries that the caller's statement sees as CSV in UTF-8, with
 * CRLF as line end, into a bytea; its size is that of "csv".  Returns false as
 * soon as the size limit is exceeded.
 */
static bool
export_entries(FunctionCallInfo fcinfo, StringInfo csv, int64 *entries)
{
	int limit = ak_guc_max_report_size * 1024; /* at most a quarter of what a StringInfo can hold */
	AkLogFilter *filter = ak_filter_from_args(fcinfo, ARG_FILTERS);
	AkLogScan *scan = ak_log_begin(filter, GetActiveSnapshot());
	StringInfoData line;
	MemoryContext each = AllocSetContextCreate(CurrentMemoryContext, "apikeys report", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(each);
	TupleTableSlot *slot = NULL;
	bool fits = true;

	*entries = 0;
	do
	{
		char *utf8;

		MemoryContextReset(each);
		initStringInfo(&line);
		if (slot == NULL)
			ak_csv_header(&line);
		else
		{
			slot_getallattrs(slot);
			ak_csv_line(&line, slot->tts_values, slot->tts_isnull);
			(*entries)++;
		}
		utf8 = pg_server_to_any(line.data, line.len, PG_UTF8);
		appendBinaryStringInfo(csv, utf8, utf8 == line.data ? line.len : (int) strlen(utf8));
		appendBinaryStringInfo(csv, "\r\n", 2);
		fits = csv->len - VARHDRSZ <= limit;
		CHECK_FOR_INTERRUPTS();
	} while (fits && (slot = ak_log_next(scan)) != NULL);
	ak_log_end(scan);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(each);
	return fits;
}

/*
 * Writes the entry that records a report.
 */
static void
tell_export(const char *report_id, const char *workspace, const char *recipient, const char *filters, bool encrypted,
			const char *activity)
{
	AkEntry entry = {.workspace = workspace, .entity = "Audit Logs", .action = "Export", .activity = activity};
	StringInfoData changes;

	initStringInfo(&changes);
	appendStringInfo(&changes,
					 "{\"report_id\": {\"old\": null, \"new\": \"%s\"}, "
					 "\"recipient\": {\"old\": null, \"new\": ",
					 report_id);
	escape_json(&changes, recipient);
	appendStringInfo(&changes, "}, \"encrypted\": {\"old\": null, \"new\": %s}", encrypted ? "true" : "false");
	if (filters != NULL)
		appendStringInfo(&changes, ", \"filters\": {\"old\": null, \"new\": %s}", filters);
	appendStringInfoChar(&changes, '}');
	entry.changes = changes.data;
	entry.subject = psprintf("{\"report_id\": \"%s\"}", report_id);
	ak_write_entry(&entry);
}

/*
 * email_audit_logs(recipient text, the filters, encrypt_to bytea = NULL) -> uuid
 *
 * Queues a report of the entries that the calling statement sees, and returns
 * its id.  A report that is too large is stored as failed, without an entry.
 *
 * Raises 42501 without "audit" in the workspaces, 42704 for an unknown
 * workspace, 22004 and 22023 for an invalid recipient, filter or key, 0A000 if
 * the mail library is missing, 54000 if AK_REPORTS_MAX are queued, and 25006 in
 * a read-only transaction.
 */
Datum
ak_email_audit_logs(PG_FUNCTION_ARGS)
{
	static AkQuery query = {
		"INSERT INTO apikeys_internal.report (report_id, workspace, scope, recipient, filters, entries, size, encrypted, "
		"asked_at, asked_by, state, queued_at, next_attempt_at, finished_at, last_error, content, origin) "
		"VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9, $10, $11, $9, $12, $13, $14, $15, $16)",
		16,
		{UUIDOID, TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, INT8OID, INT8OID, BOOLOID, TIMESTAMPTZOID, TEXTOID, TEXTOID,
		 TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, BYTEAOID, TEXTOID},
		NULL};
	TimestampTz now = GetCurrentTimestamp();
	AkScopeOfReport scope;
	AkActor actor;
	char *recipient;
	char *filters;
	bytea *key = NULL;
	bytea *content = NULL;
	StringInfoData csv;
	int64 entries;
	int64 size;
	bool fits;
	Datum report_id;
	Datum args[16];
	char nulls[16];

	ak_refuse_read_only(fcinfo);
	read_scope(fcinfo, &scope);
	recipient = read_recipient(fcinfo);
	ak_require_mail_library();
	refuse_too_many(&scope);
	if (!PG_ARGISNULL(ARG_ENCRYPT_TO))
		key = ak_pgp_read_key(PG_GETARG_BYTEA_PP(ARG_ENCRYPT_TO));
	filters = read_filters(fcinfo);
	ak_current_actor(scope.workspace, NULL, &actor);

	initStringInfo(&csv);
	appendStringInfoSpaces(&csv, VARHDRSZ);
	fits = export_entries(fcinfo, &csv, &entries);
	size = csv.len - VARHDRSZ;
	if (fits)
	{
		content = (bytea *) csv.data;
		SET_VARSIZE(content, csv.len);
		if (key != NULL)
			content = ak_pgp_encrypt(content, key);
	}

	report_id = DirectFunctionCall1(gen_random_uuid, (Datum) 0);
	memset(nulls, ' ', sizeof(nulls));
#define ARG(n, is_set, value)                                  \
	(nulls[AttrNumberGetAttrOffset(n)] = (is_set) ? ' ' : 'n', \
	 args[AttrNumberGetAttrOffset(n)] = (is_set) ? (value) : (Datum) 0)
	ARG(1, true, report_id);
	ARG(2, scope.workspace != NULL, CStringGetTextDatum(scope.workspace));
	ARG(3, scope.scope != (Datum) 0, scope.scope);
	ARG(4, true, CStringGetTextDatum(recipient));
	ARG(5, filters != NULL, CStringGetTextDatum(filters));
	ARG(6, fits, Int64GetDatum(entries));
	ARG(7, fits, Int64GetDatum(size));
	ARG(8, true, BoolGetDatum(key != NULL));
	ARG(9, true, TimestampTzGetDatum(now));
	ARG(10, true, CStringGetTextDatum(actor.actor));
	ARG(11, true, CStringGetTextDatum(fits ? "queued" : "failed"));
	ARG(12, fits, TimestampTzGetDatum(now));
	ARG(13, !fits, TimestampTzGetDatum(now));
	ARG(14, !fits, CStringGetTextDatum("the report is larger than apikeys.max_report_size"));
	ARG(15, fits, PointerGetDatum(content));
	ARG(16, true, CStringGetTextDatum(ak_report_origin()));
#undef ARG
	ak_write_rows(AK_TO_MAIL, &query, args, nulls, AK_SEE_TRANSACTION, 1, "apikeys_internal.report", "report");

	if (fits)
	{
		tell_export(DatumGetCString(DirectFunctionCall1(uuid_out, report_id)), scope.workspace, recipient, filters,
					key != NULL,
					psprintf("Mailed a report of " INT64_FORMAT " %s to \"%s\"", entries,
							 entries == 1 ? "entry" : "entries", recipient));
		ak_worker_wake_at_commit(AK_JOB_MAIL);
		if (ak_guc_smtp_url == NULL || ak_guc_smtp_url[0] == '\0')
			ereport(NOTICE, (errmsg("the report waits until a mail server is set"),
							 errhint("Set apikeys.smtp_url in the server's configuration.")));
	}
	else
		ereport(WARNING, (errmsg("the report is too large to be mailed"),
						  errhint("Filter it, or raise apikeys.max_report_size, now %d kB.", ak_guc_max_report_size)));
	PG_RETURN_DATUM(report_id);
}

/* Returns true if the caller may see reports of that scope, a text[] that is NULL for all. */
static bool
sees_scope(Datum scope, bool isnull)
{
	Datum *elements;
	int count;

	if (isnull)
		return ak_sees(AK_AUDIT, NULL);
	elements = ak_text_elements(scope, &count);
	for (int i = 0; i < count; i++)
		if (!ak_sees(AK_AUDIT, TextDatumGetCString(elements[i])))
			return false;
	return true;
}

/*
 * release_report(report_id uuid) -> text, its id
 *
 * Queues a report that is held or failed, with its number of attempts reset,
 * and writes an entry.  Waits for a concurrent change of the row.  Raises 42704
 * for a report that the caller cannot see, 55000 for one that is queued, sent
 * or too large, 54000 if AK_REPORTS_MAX are queued, 22004, 42501 without
 * "audit", and 0A000 if the mail library is missing.
 */
Datum
ak_release_report(PG_FUNCTION_ARGS)
{
	static AkQuery read = {
		"SELECT workspace, scope, recipient, filters::text, encrypted, state, content IS NULL FROM apikeys_internal.report "
		"WHERE report_id = $1 FOR UPDATE",
		1,
		{UUIDOID},
		NULL};
	static AkQuery release = {
		"UPDATE apikeys_internal.report SET state = 'queued', attempts = 0, queued_at = $2, next_attempt_at = $2, "
		"finished_at = NULL, last_error = NULL, origin = $3 WHERE report_id = $1",
		3,
		{UUIDOID, TIMESTAMPTZOID, TEXTOID},
		NULL};
	Datum args[3];
	char *id;
	char *texts[4];
	char *state;
	bool encrypted;
	bool empty;
	bool isnull;
	MemoryContext context = CurrentMemoryContext;
	AkScopeOfReport scope;
	AkCaller caller;

	ak_require_anywhere(AK_AUDIT);
	ak_need_argument(fcinfo, 0, "report_id");
	ak_refuse_read_only(fcinfo);
	id = DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(0)));
	args[0] = PG_GETARG_DATUM(0);
	args[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	args[2] = CStringGetTextDatum(ak_report_origin());

	ak_owner_begin(&caller, AK_TO_READ);
	SPI_connect();
	ak_query(&read, args, NULL, AK_SEE_TRANSACTION);
	ak_owner_end(&caller);
	if (SPI_processed == 1)
	{
		Datum workspaces = ak_query_result(0, 2, &isnull);

		if (!sees_scope(workspaces, isnull))
			SPI_processed = 0;
	}
	if (SPI_processed == 0)
		ak_not_found(errmsg("report %s does not exist", id),
					 errhint("The view apikeys.reports shows those that you may see."));
	for (int i = 0; i < 4; i++)
	{
		Datum value = ak_query_result(0, i + 1, &isnull);

		/* texts[1], the scope, is a text[] */
		texts[i] = isnull || i == 1 ? NULL : MemoryContextStrdup(context, TextDatumGetCString(value));
	}
	encrypted = DatumGetBool(ak_query_result(0, 5, &isnull));
	state = TextDatumGetCString(ak_query_result(0, 6, &isnull));
	empty = DatumGetBool(ak_query_result(0, 7, &isnull));
	if (strcmp(state, "held") != 0 && strcmp(state, "failed") != 0)
		ak_wrong_state(errmsg("report %s is %s", id, state),
					   errhint("Only a report that is held or failed can be released."));
	if (empty)
		ak_wrong_state(errmsg("report %s was too large and is not kept", id),
					   errhint("Ask for another with apikeys.email_audit_logs()."));
	scope.workspace = texts[0];
	scope.scope = ak_query_result(0, 2, &isnull);
	refuse_too_many(&scope);
	SPI_finish();
	ak_require_mail_library();

	ak_write_rows(AK_TO_MAIL, &release, args, NULL, AK_SEE_TRANSACTION, 1, "apikeys_internal.report", "change");
	tell_export(id, texts[0], texts[2], texts[3], encrypted, psprintf("Released a report to \"%s\"", texts[2]));
	ak_worker_wake_at_commit(AK_JOB_MAIL);
	PG_RETURN_TEXT_P(cstring_to_text(DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(0)))));
}
