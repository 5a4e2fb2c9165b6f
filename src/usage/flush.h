/*-------------------------------------------------------------------------
 *
 * flush.h
 *	  Write usage to tables.  See flush.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_FLUSH_H
#define AK_FLUSH_H

#include "worker/worker.h"

extern void ak_flush_init(void);
extern bool ak_flush_here(int wait_ms);
extern AkJobNext ak_flush_job(void);
extern AkJobNext ak_usage_retention_job(void);
extern bool ak_is_dead_database(Oid database);

#endif /* AK_FLUSH_H */
