/*-------------------------------------------------------------------------
 *
 * await.h
 *	  Waits for the sequencer.  See await.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_AWAIT_H
#define AK_AWAIT_H

#include "utils/snapshot.h"

extern Snapshot ak_await_entries(bool keys);
extern Snapshot ak_await_checkpoints(Datum workspaces);

#endif /* AK_AWAIT_H */
