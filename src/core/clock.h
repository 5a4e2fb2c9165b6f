/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  Time that never goes backwards.
 *
 * The wall clock (GetCurrentTimestamp()) is for what people read: entries,
 * expiry dates, hours of usage.  An operator or NTP may set it back, and a wait
 * for a point of time would then last until the clock has caught up.  So
 * durations are measured with the monotonic clock below.  It is the same in all
 * processes of a server and starts anew with the machine: its readings are kept
 * in shared memory, never in a table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_CLOCK_H
#define AK_CLOCK_H

#include <time.h>

/* A reading of the monotonic clock, in microseconds */
typedef int64 AkTicks;

#define AK_TICKS_NEVER     PG_INT64_MAX
#define AK_TICKS_OF_MS(ms) ((AkTicks) (ms) *1000)

static inline AkTicks
ak_ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (AkTicks) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Returns the processor time that this process has used, in microseconds. */
static inline AkTicks
ak_processor_ticks(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (AkTicks) used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

#endif /* AK_CLOCK_H */
