/*-------------------------------------------------------------------------
 *
 * mailqueue.h
 *	  The queue of reports to mail.  See mailqueue.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_MAILQUEUE_H
#define AK_MAILQUEUE_H

#include "utils/timestamp.h"

#include "core/query.h"

/* Maximum number of attempts to send a report */
#define AK_REPORT_ATTEMPTS 5

/* Maximum number of queued reports of a workspace */
#define AK_REPORTS_MAX 100

/* A claimed report; palloc'd in the context that was current */
typedef struct AkReport
{
	char *id;
	char *workspace; /* NULL: several or all */
	char *recipient;
	char *filters; /* JSON; NULL: none */
	char *asked_by;
	char *id_domain;
	int64 entries;
	bool encrypted;
	TimestampTz asked_at;
	TimestampTz queued_at;
	bytea *content;
} AkReport;

extern char *ak_report_origin(void);
extern void ak_report_hold_copies(void);
extern int64 ak_reports_queued(Datum workspace, Datum scope, const char *nulls);
extern bool ak_report_claim(const char *id_domain, AkReport *report);
extern void ak_report_sent(const char *id);
extern void ak_report_failed(const char *id, const char *error, bool for_good);
extern int64 ak_report_wait(void);

#endif /* AK_MAILQUEUE_H */
