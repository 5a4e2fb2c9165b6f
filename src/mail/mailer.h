/*-------------------------------------------------------------------------
 *
 * mailer.h
 *	  The worker's job that sends reports by email.  See mailer.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_MAILER_H
#define AK_MAILER_H

#include "worker/worker.h"

extern void ak_require_mail_library(void);
extern AkJobNext ak_mailer_job(void);

#endif /* AK_MAILER_H */
