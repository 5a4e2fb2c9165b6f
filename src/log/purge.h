/*-------------------------------------------------------------------------
 *
 * purge.h
 *	  Retention of the audit log.  See purge.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_PURGE_H
#define AK_PURGE_H

#include "worker/worker.h"

extern AkJobNext ak_purge_job(void);

#endif /* AK_PURGE_H */
