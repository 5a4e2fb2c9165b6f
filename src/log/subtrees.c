/*-------------------------------------------------------------------------
 *
 * subtrees.c
 *	  Joins the rows of purged leaves to those of whole subtrees.
 *
 * A purge goes through a tree from the left.  Neighbours that are purged are
 * kept on a stack; two of the same level that are the halves of a subtree become
 * that subtree: the row of the left half goes, and that of the right half has
 * the hash of the whole.  They are not joined over the size of a checkpoint: its
 * root is made of subtrees that end there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "log/subtrees.h"

/*
 * Starts at a position: loads the subtrees of purged entries that end there.
 * "sizes" and "changes" are set by the caller.
 */
void
ak_subtrees_load(AkSubtrees *subtrees, AkTreeReader *reader, int64 before)
{
	AkSubtree found[AK_MERKLE_LEVELS + 1];
	int64 end = before;
	int count = 0;
	AkTreeRow row;
	bool any;

	/* from right to left, as long as each is larger than the one before: only such a left half can be joined later */
	for (any = ak_tree_last(reader, before, &row); any && count < AK_MERKLE_LEVELS;
		 any = ak_tree_previous(reader, &row))
	{
		if (row.audit_id != 0 || row.count == 0 || row.position != end - 1 ||
			(count > 0 && row.level <= found[count - 1].level))
			break;
		found[count++] = (AkSubtree){row.position, row.level, row.level};
		end = row.position + 1 - (INT64CONST(1) << row.level);
	}
	subtrees->count = 0;
	while (count > 0)
		subtrees->open[subtrees->count++] = found[--count];
}

/* Returns true if there is a checkpoint of that size. */
static bool
is_size(const AkSubtrees *subtrees, int64 size)
{
	int lo = 0;
	int hi = subtrees->size_count;

	while (lo < hi)
	{
		int middle = lo + (hi - lo) / 2;

		if (subtrees->sizes[middle] < size)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo < subtrees->size_count && subtrees->sizes[lo] == size;
}

/*
 * Adds the next subtree of purged entries: one that is there already, or
 * ("purged") a leaf that is being purged.
 */
void
ak_subtrees_add(AkSubtrees *subtrees, int64 position, int level, bool purged)
{
	AkSubtree *open = subtrees->open;

	/* more than there are levels, with checkpoints between them: what is left of the last can be joined to nothing */
	if (subtrees->count == AK_MERKLE_LEVELS + 1)
		ak_subtrees_close(subtrees);
	open[subtrees->count++] = (AkSubtree){position, level, purged ? -1 : level};
	while (subtrees->count >= 2)
	{
		AkSubtree *left = &open[subtrees->count - 2];
		AkSubtree *right = &open[subtrees->count - 1];
		int64 end = right->position + 1;

		if (left->level != right->level || end % (INT64CONST(2) << right->level) != 0 ||
			is_size(subtrees, left->position + 1))
			break;
		subtrees->changes[subtrees->change_count++] = (AkTreeChange){left->position, -1};
		right->level++;
		*left = *right;
		subtrees->count--;
	}
}

/* At an entry that stays, or at the end: the open subtrees remain as they are. */
void
ak_subtrees_close(AkSubtrees *subtrees)
{
	for (int i = 0; i < subtrees->count; i++)
	{
		const AkSubtree *open = &subtrees->open[i];

		if (open->level != open->stored)
			subtrees->changes[subtrees->change_count++] = (AkTreeChange){open->position, open->level};
	}
	subtrees->count = 0;
}
