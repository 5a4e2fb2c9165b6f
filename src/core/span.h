/*-------------------------------------------------------------------------
 *
 * span.h
 *	  Intervals that stand for a length of time.  See span.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SPAN_H
#define AK_SPAN_H

#include "datatype/timestamp.h"

#define AK_WINDOW_DAYS_MAX   366    /* of a rate limit */
#define AK_LIFETIME_DAYS_MAX 365250 /* 1000 years */

extern void ak_check_span(const char *argument, const char *what, const Interval *span, int64 min_usecs, int max_days);
extern TimestampTz ak_span_end(TimestampTz start, const Interval *span);
extern char *ak_span_text(const Interval *span);

#endif /* AK_SPAN_H */
