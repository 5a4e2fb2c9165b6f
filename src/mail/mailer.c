/*-------------------------------------------------------------------------
 *
 * mailer.c
 *	  The worker's job that sends reports by email.
 *
 * One report at a time: it is claimed in a first transaction, composed in a
 * second one, delivered outside of a transaction, and its result is recorded in
 * a third.  During a delivery the job returns about every half second, because
 * the worker has other duties that cannot wait for a mail server.
 *
 * libcurl is in a library of its own (apikeys_mail.c), which is loaded here, in
 * the worker, if there is a report to send.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/compat.h"
#include "core/errors.h"
#include "core/guc.h"
#include "mail/lib/apikeys_mail.h"
#include "mail/mailer.h"
#include "mail/mailqueue.h"
#include "pure/address.h"
#include "pure/phrase.h"
#include "pure/token.h"
#include "worker/worker.h"

#define COMPRESS_ABOVE (1024 * 1024) /* bytes of CSV */
#define STEP           500           /* milliseconds */
#define SHORTEST_WAIT  100           /* milliseconds; the due report may be locked */
#define LONGEST_WAIT   (3600 * 1000)

/* The state of the current report */
static enum
{
	NOTHING,
	SENDING,
	FINISHED /* but not recorded yet */
} stage = NOTHING;

static const AkMailLibrary *library = NULL;
static MemoryContext mail_context = NULL; /* context of the following variables */
static AkReport report;
static AkDelivery delivery;
static AkDelivered outcome;
static StringInfoData error;

/*
 * Returns the path of the library that links libcurl, in the directory of this
 * one, whether it exists or not.
 */
static char *
mail_library_path(void)
{
	Dl_info info;
	char path[MAXPGPATH];

	/* cannot fail: the function is in this library */
	if (dladdr((void *) mail_library_path, &info) == 0)
		elog(ERROR, "could not find the path of the library \"apikeys\"");
	strlcpy(path, info.dli_fname, sizeof(path));
	get_parent_directory(path);
	return psprintf("%s/apikeys_mail%s", path, DLSUFFIX);
}

/*
 * Raises 0A000 if that library is missing: a requested report would wait
 * forever.
 */
void
ak_require_mail_library(void)
{
	if (access(mail_library_path(), R_OK) != 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("reports by email are not installed"),
			 errdetail(
				 "The library \"%s\" is missing: apikeys was built without libcurl, or its package for mail is not installed.",
				 "apikeys_mail"),
			 errhint("Install that package; or libcurl with its headers, then build and install apikeys again.")));
}

/* Loads it once.  Raises what loading raises, and 55000 for a library of another build. */
static void
load_library(void)
{
	typedef const AkMailLibrary *(*Find)(void);
	Find find;

	if (library != NULL)
		return;
	find = (Find) load_external_function(mail_library_path(), "ak_mail_library", true, NULL);
	if (find()->version != AK_MAIL_LIBRARY_VERSION)
		ak_wrong_state(errmsg("library \"%s\" is not of the version of \"%s\"", "apikeys_mail", "apikeys"),
					   errhint("Build and install apikeys again."));
	library = find();
}

/* Reads the sender from the setting; the default is apikeys at this host. */
static void
read_sender(AkMailbox *sender)
{
	char host[256];
	char *address;

	if (ak_guc_mail_from[0] != '\0' && ak_mailbox_parse(pstrdup(ak_guc_mail_from), sender))
		return;
	if (gethostname(host, sizeof(host)) != 0)
		host[0] = '\0';
	host[sizeof(host) - 1] = '\0';
	address = psprintf("apikeys@%s", ak_domain_valid(host, strlen(host)) ? host : "localhost");
	ak_mailbox_parse(address, sender);
}

/* Returns a mailbox's address without the name, palloc'd. */
static char *
bare_address(const AkMailbox *mailbox)
{
	return pnstrdup(mailbox->address, mailbox->address_len);
}

/* Formats a time in UTC as strftime() does; palloc'd. */
static char *
utc_text(TimestampTz time, const char *format)
{
	pg_time_t seconds = timestamptz_to_time_t(time);
	char written[64];

	/* pg_strftime() does not depend on a locale */
	written[pg_strftime(written, sizeof(written) - 1, format, pg_gmtime(&seconds))] = '\0';
	return pstrdup(written);
}

/* The format of a time by RFC 5322 */
#define MAIL_DATE "%a, %d %b %Y %H:%M:%S +0000"

/* Returns true if the attachment should be compressed.  An encrypted one already is. */
static bool
too_large_as_it_is(void)
{
	return !report.encrypted && VARSIZE_ANY_EXHDR(report.content) > COMPRESS_ABOVE;
}

/* Returns the text of the mail, in UTF-8. */
static char *
compose_body(void)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "The audit log%s%s, as CSV.\n\n", report.workspace ? " of workspace " : "",
					 report.workspace ? report.workspace : "");
	appendStringInfo(&text, "Entries: " INT64_FORMAT "\n", report.entries);
	appendStringInfo(&text, "Filters: %s\n", report.filters ? report.filters : "none");
	appendStringInfo(&text, "Asked for by: %s\n", report.asked_by);
	appendStringInfo(&text, "Asked for at: %s\n", utc_text(report.asked_at, MAIL_DATE));
	appendStringInfo(&text, "Report: %s\n", report.id);
	if (report.encrypted)
		appendStringInfoString(&text, "\nThe attachment is encrypted to your OpenPGP key.\n");
	if (too_large_as_it_is() && library->gzip == NULL)
		appendStringInfoString(&text, "\nThe attachment is not compressed: apikeys was built without zlib.\n");
	return pg_server_to_any(text.data, text.len, PG_UTF8);
}

/* Returns the text with CRLF as line end. */
static char *
with_crlf(const char *text)
{
	StringInfoData lines;

	initStringInfo(&lines);
	for (; *text; text++)
	{
		if (*text == '\n')
			appendStringInfoChar(&lines, '\r');
		appendStringInfoChar(&lines, *text);
	}
	return lines.data;
}

/* Returns the name of the attachment, with the date of the request in UTC. */
static char *
compose_file_name(const char *suffix)
{
	const char *workspace = "all";

	/* a restored row may contain anything */
	if (report.workspace != NULL && ak_workspace_valid(report.workspace, strlen(report.workspace)))
		workspace = report.workspace;
	return psprintf("%s_%s_%s.csv%s", workspace, report.id, utc_text(report.asked_at, "%Y-%m-%d"), suffix);
}

/* Returns a header with a text, encoded if necessary, and "rest" after it. */
static char *
compose_header(const char *name, const char *text, size_t len, const char *rest)
{
	StringInfoData header;

	initStringInfo(&header);
	appendStringInfoString(&header, name);
	ak_append_phrase(&header, text, len, header.len);
	appendStringInfoString(&header, rest);
	return header.data;
}

/* Fills in the delivery of the claimed report, in the current context. */
static void
compose_message(void)
{
	AkMailbox from;
	const char *subject = report.workspace ? psprintf("Audit log of workspace %s", report.workspace) : "Audit log";
	const char *suffix = "";

	delivery.file = VARDATA_ANY(report.content);
	delivery.file_len = VARSIZE_ANY_EXHDR(report.content);
	delivery.file_type = "text/csv; charset=utf-8; header=present";
	if (report.encrypted)
	{
		suffix = ".pgp";
		delivery.file_type = "application/octet-stream";
	}
	else if (too_large_as_it_is() && library->gzip != NULL)
	{
		StringInfoData packed;

		initStringInfo(&packed);
		if (!library->gzip(delivery.file, delivery.file_len, &packed))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not compress report %s", report.id)));
		suffix = ".gz";
		delivery.file_type = "application/gzip";
		delivery.file = packed.data;
		delivery.file_len = packed.len;
	}
	delivery.file_name = compose_file_name(suffix);
	delivery.body = with_crlf(compose_body());

	read_sender(&from);
	delivery.from = bare_address(&from);
	delivery.to = report.recipient;
	memset(delivery.headers, 0, sizeof(delivery.headers));
	delivery.headers[0] = psprintf("Date: %s", utc_text(report.queued_at, MAIL_DATE));
	/* a name may fill its line: the address is on a line of its own */
	delivery.headers[1] = compose_header("From: ", from.name, from.name_len,
										 psprintf("%s<%s>", from.name_len > 0 ? "\r\n " : "", delivery.from));
	delivery.headers[2] = psprintf("To: <%s>", report.recipient);
	delivery.headers[3] = compose_header("Subject: ", subject, strlen(subject), "");
	delivery.headers[4] = psprintf("Message-ID: <%s@%s>", report.id, report.id_domain);
	delivery.headers[5] = "Auto-Submitted: auto-generated";
}

/*
 * Sets the server and how to connect to it.  A login is sent to another host
 * only over TLS.  Returns NULL, or the reason why the report cannot be sent.
 */
static const char *
read_route(void)
{
	AkSmtpUrl url;
	const char *problem PG_USED_FOR_ASSERTS_ONLY;
	struct stat netrc;

	delivery.url = pstrdup(ak_guc_smtp_url);
	delivery.netrc = ak_guc_smtp_netrc[0] != '\0' ? pstrdup(ak_guc_smtp_netrc) : NULL;
	delivery.ca = ak_guc_smtp_ca[0] != '\0' ? pstrdup(ak_guc_smtp_ca) : NULL;
	delivery.timeout = ak_guc_smtp_timeout;
	/* the check hook of the setting refuses any other */
	problem = ak_smtp_url_parse(delivery.url, &url);
	Assert(problem == NULL);
	/* a restored report may have any recipient */
	if (!ak_addr_spec_valid(report.recipient, strlen(report.recipient)))
		return "the recipient is not an email address";
	if (url.implicit_tls || (delivery.netrc != NULL && !url.loopback))
		delivery.tls = AK_TLS_REQUIRED;
	else if (url.loopback && delivery.ca == NULL)
		delivery.tls = AK_TLS_UNVERIFIED;
	else
		delivery.tls = AK_TLS_OFFERED;

	if (delivery.netrc != NULL)
	{
		/* only superusers may see the path: it is logged, not stored in the row */
		if (stat(delivery.netrc, &netrc) != 0 || access(delivery.netrc, R_OK) != 0)
		{
			ereport(LOG, (errcode_for_file_access(),
						  errmsg("could not read file \"%s\", which apikeys.smtp_netrc names: %m", delivery.netrc)));
			return "the file that apikeys.smtp_netrc names cannot be read";
		}
		if (netrc.st_mode & (S_IRWXG | S_IRWXO))
			ereport(WARNING,
					(errmsg("file \"%s\", which apikeys.smtp_netrc names, can be read by others", delivery.netrc),
					 errhint("Its permissions should be 0600.")));
	}
	return NULL;
}

/* Ends the work on the current report. */
static void
finish_report(void)
{
	stage = NOTHING;
	MemoryContextReset(mail_context);
}

static void
set_outcome(AkDelivered what, const char *reason)
{
	outcome = what;
	if (reason != NULL)
		appendStringInfoString(&error, reason);
	stage = FINISHED;
}

/*
 * Claims the next due report and starts to send it.  Returns false if there is
 * none; *wait is then the number of milliseconds until one is due, or -1.
 */
static bool
begin_next(int64 *wait)
{
	MemoryContext before = CurrentMemoryContext;
	AkMailbox sender;
	const char *problem;
	bool found;

	*wait = -1;
	if (mail_context == NULL)
		mail_context = AllocSetContextCreate(TopMemoryContext, "apikeys mail", ALLOCSET_DEFAULT_SIZES);
	if (!ak_job_begin())
		return false;
	MemoryContextSwitchTo(mail_context);
	MemoryContextReset(mail_context);
	initStringInfo(&error);
	read_sender(&sender);
	found = ak_report_claim(strchr(bare_address(&sender), '@') + 1, &report);
	if (!found)
		*wait = ak_report_wait();
	ak_job_commit();

	/* in another transaction: an error here leaves the attempt counted, and does not block other reports */
	if (found && ak_job_begin())
	{
		MemoryContextSwitchTo(mail_context);
		compose_message();
		ak_job_commit();
	}
	else
		found = false;
	MemoryContextSwitchTo(before);
	if (!found)
		return false;

	MemoryContextSwitchTo(mail_context);
	stage = SENDING;
	problem = read_route();
	if (problem != NULL)
		set_outcome(AK_DELIVERY_FAILED, problem);
	else if (!library->begin(&delivery, &error))
		set_outcome(AK_DELIVERY_FAILED, NULL);
	MemoryContextSwitchTo(before);
	return true;
}

/* Logs and records the result of the delivery. */
static void
record_attempt(void)
{
	if (outcome == AK_DELIVERED)
		ereport(LOG, (errmsg("report %s was mailed", report.id)));
	else
		ereport(LOG, (errmsg("report %s could not be mailed: %s", report.id, error.data)));
	if (ak_job_begin())
	{
		if (outcome == AK_DELIVERED)
			ak_report_sent(report.id);
		else
			ak_report_failed(report.id, error.data, outcome == AK_DELIVERY_REFUSED);
		ak_job_commit();
	}
	finish_report();
}

/*
 * The worker's job "mail".  Without a mail server, reports stay queued.
 */
AkJobNext
ak_mailer_job(void)
{
	static bool copies_held = false;
	int64 wait;

	if (!copies_held && ak_job_begin())
	{
		ak_report_hold_copies();
		ak_job_commit();
		copies_held = true;
	}
	if (stage == NOTHING)
	{
		if (ak_guc_smtp_url[0] == '\0' || access(mail_library_path(), R_OK) != 0)
			return AK_JOB_IDLE;
		load_library();
		if (!begin_next(&wait))
			return wait < 0 ? AK_JOB_IDLE : AK_JOB_PENDING(Min(Max(wait, SHORTEST_WAIT), LONGEST_WAIT));
	}
	if (stage == SENDING)
	{
		MemoryContext before = MemoryContextSwitchTo(mail_context);
		AkDelivered now = library->go_on(STEP, &error);

		MemoryContextSwitchTo(before);
		if (now == AK_DELIVERY_GOES_ON)
		{
			if (ak_worker_must_stop())
			{
				/* the attempt is counted; another worker makes the next one */
				library->cancel();
				finish_report();
				return AK_JOB_IDLE;
			}
			return AK_JOB_PENDING(0);
		}
		set_outcome(now, NULL);
	}
	record_attempt();
	return AK_JOB_PENDING(0);
}
