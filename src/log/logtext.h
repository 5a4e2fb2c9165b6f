/*-------------------------------------------------------------------------
 *
 * logtext.h
 *	  Entries of the audit log as text: searched, and written as CSV.  See
 *	  logtext.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_LOGTEXT_H
#define AK_LOGTEXT_H

#include "lib/stringinfo.h"

#include "core/catalog.h"

/* The shown columns, in the order in which they are shown */
#define AK_SHOWN_COUNT 7

typedef struct AkNeedle AkNeedle;

extern AkNeedle *ak_needle(const char *search);
extern bool ak_needle_found(AkNeedle *needle, const Datum *values, const bool *nulls);

extern void ak_csv_header(StringInfo buf);
extern void ak_csv_line(StringInfo buf, const Datum *values, const bool *nulls);

#endif /* AK_LOGTEXT_H */
