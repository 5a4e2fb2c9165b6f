/*-------------------------------------------------------------------------
 *
 * sequencer.h
 *	  Takes entries into the trees.  See sequencer.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SEQUENCER_H
#define AK_SEQUENCER_H

#include "worker/worker.h"

extern AkJobNext ak_sequencer_job(void);
extern AkJobNext ak_checkpoint_job(void);

#endif /* AK_SEQUENCER_H */
