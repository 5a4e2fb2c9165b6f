/*-------------------------------------------------------------------------
 *
 * metrics.h
 *	  Totals for a monitoring system.  See metrics.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_METRICS_H
#define AK_METRICS_H

#include "worker/worker.h"

extern int ak_key_totals_period_ms;

extern void ak_count_keys(void);
extern AkJobNext ak_key_totals_job(void);

#endif /* AK_METRICS_H */
