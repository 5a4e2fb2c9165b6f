/*-------------------------------------------------------------------------
 *
 * subtrees.h
 *	  Joins the rows of purged leaves to those of subtrees.  See subtrees.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SUBTREES_H
#define AK_SUBTREES_H

#include "log/tree.h"

/* A subtree of purged entries */
typedef struct AkSubtree
{
	int64 position; /* of its last leaf */
	int level;
	int stored; /* the level that its row has; -1: it is still that of an entry */
} AkSubtree;

/* A change of a row */
typedef struct AkTreeChange
{
	int64 position;
	int level; /* the row's new level; -1: it goes */
} AkTreeChange;

/* The subtrees to the left of where a purge is, which the next may be joined to */
typedef struct AkSubtrees
{
	int count;
	AkSubtree open[AK_MERKLE_LEVELS + 1];
	const int64 *sizes; /* of checkpoints: no subtree extends over one */
	int size_count;
	AkTreeChange *changes;
	int change_count;
} AkSubtrees;

extern void ak_subtrees_load(AkSubtrees *subtrees, AkTreeReader *reader, int64 before);
extern void ak_subtrees_add(AkSubtrees *subtrees, int64 position, int level, bool purged);
extern void ak_subtrees_close(AkSubtrees *subtrees);

#endif /* AK_SUBTREES_H */
