/*-------------------------------------------------------------------------
 *
 * span.c
 *	  Intervals that stand for a length of time: windows and lifetimes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/errors.h"
#include "core/span.h"

/*
 * Raises 22023 for an interval with a negative part, for one that is infinite, and
 * for one that is shorter or longer than allowed; months have 30 days.  "what" names
 * it in the message, "argument" in the error's field COLUMN.
 */
void
ak_check_span(const char *argument, const char *what, const Interval *span, int64 min_usecs, int max_days)
{
	double usecs = ((double) span->month * DAYS_PER_MONTH + span->day) * USECS_PER_DAY + span->time;

	if (span->month < 0 || span->day < 0 || span->time < 0 || usecs == 0)
		ak_bad_argument(argument, errmsg("%s must be positive", what));
	/* infinity, since PostgreSQL 17 */
	if (span->month == PG_INT32_MAX && span->day == PG_INT32_MAX && span->time == PG_INT64_MAX)
		ak_bad_argument(argument, errmsg("%s must be finite", what));
	if (usecs < (double) min_usecs)
		ak_bad_argument(argument, errmsg("%s must be at least one minute", what),
						errdetail("It is %s.", ak_span_text(span)),
						errhint("An interval without a unit is in seconds: write '90 days'."));
	if (usecs > (double) max_days * USECS_PER_DAY)
		ak_bad_argument(argument, errmsg("%s must be at most %d days", what, max_days));
}

/* Returns when a span that ak_check_span() has passed ends, by days and months in UTC. */
TimestampTz
ak_span_end(TimestampTz start, const Interval *span)
{
	/* a timestamptz is a timestamp of UTC */
	return DatumGetTimestamp(
		DirectFunctionCall2(timestamp_pl_interval, TimestampGetDatum(start), IntervalPGetDatum(span)));
}

/* Returns a span as a message shows it. */
char *
ak_span_text(const Interval *span)
{
	return DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(span)));
}
