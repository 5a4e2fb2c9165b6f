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

extern void ak_await_sequencer(Datum workspaces);
extern Snapshot ak_answer_snapshot(bool keys);

#endif /* AK_AWAIT_H */
