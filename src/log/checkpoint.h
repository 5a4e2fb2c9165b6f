/*-------------------------------------------------------------------------
 *
 * checkpoint.h
 *	  Checkpoints of the audit log's trees.  See checkpoint.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_CHECKPOINT_H
#define AK_CHECKPOINT_H

#include "log/sign.h"
#include "worker/worker.h"

extern char *ak_checkpoint_note(const AkSigningKeys *keys, const char *workspace, uint64 size, const uint8 *root);
extern char *ak_checkpoint_workspace(const AkNote *note, bool *here);
extern const char *ak_checkpoint_signature_problem(const AkSigningKeys *keys, AkNote *note);
extern AkJobNext ak_checkpoint_log_job(void);

#endif /* AK_CHECKPOINT_H */
