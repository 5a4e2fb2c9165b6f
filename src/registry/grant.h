/*-------------------------------------------------------------------------
 *
 * grant.h
 *	  Which role has which access.  See grant.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_GRANT_H
#define AK_GRANT_H

#include "worker/worker.h"

extern AkJobNext ak_access_job(void);

#endif /* AK_GRANT_H */
