/*-------------------------------------------------------------------------
 *
 * merkle_check.c
 *	  Check proofs of src/pure/merkle.c, as those do who get one.
 *
 * The algorithms of RFC 9162, 2.1.3.2 and 2.1.4.2, with its names.  Part of the
 * fuzz target, and of the library that test/model/tree_test.py loads.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pure/merkle.h"

extern bool ak_merkle_check_inclusion(const uint8 *leaf, uint64 position, uint64 size, const AkMerklePath *path,
									  const uint8 *root);
extern bool ak_merkle_check_consistency(uint64 old_size, uint64 new_size, const uint8 *old_root, const uint8 *new_root,
										const AkMerklePath *path);

/* Goes up one level from node *fn, of which *sn is the last one. */
static void
go_up(uint64 *fn, uint64 *sn)
{
	*fn >>= 1;
	*sn >>= 1;
}

/*
 * From a node that is a right part, or the last one, goes up to where it was
 * joined with a left part: the levels on which it is the only one of a pair.
 */
static void
skip_single(uint64 *fn, uint64 *sn)
{
	while (!(*fn & 1) && *fn != 0)
		go_up(fn, sn);
}

/* RFC 9162, 2.1.3.2: returns true if the path proves that the leaf has this position in the tree with this root. */
bool
ak_merkle_check_inclusion(const uint8 *leaf, uint64 position, uint64 size, const AkMerklePath *path, const uint8 *root)
{
	uint64 fn = position;
	uint64 sn = size - 1;
	uint8 r[AK_HASH_LEN];

	if (position >= size)
		return false;
	memcpy(r, leaf, AK_HASH_LEN);
	for (int i = 0; i < path->count; i++)
	{
		const uint8 *p = path->hashes[i];

		if (sn == 0)
			return false;
		if ((fn & 1) || fn == sn)
		{
			if (!ak_merkle_node(p, r, r))
				return false;
			skip_single(&fn, &sn);
		}
		else if (!ak_merkle_node(r, p, r))
			return false;
		go_up(&fn, &sn);
	}
	return sn == 0 && ak_hash_equal(r, root);
}

/*
 * RFC 9162, 2.1.4.2: returns true if the path proves that the tree with the new
 * root begins with the leaves of the tree with the old root.
 */
bool
ak_merkle_check_consistency(uint64 old_size, uint64 new_size, const uint8 *old_root, const uint8 *new_root,
							const AkMerklePath *path)
{
	uint64 fn = old_size - 1;
	uint64 sn = new_size - 1;
	uint8 fr[AK_HASH_LEN];
	uint8 sr[AK_HASH_LEN];
	int i = 0;

	if (old_size > new_size)
		return false;
	if (old_size == new_size)
		return path->count == 0 && ak_hash_equal(old_root, new_root);
	if (old_size == 0)
		return path->count == 0 && ak_sha256("", 0, fr) && ak_hash_equal(fr, old_root);
	if (path->count == 0)
		return false;
	/* the old tree is complete: its root is the first step */
	if ((old_size & (old_size - 1)) == 0)
		memcpy(fr, old_root, AK_HASH_LEN);
	else
		memcpy(fr, path->hashes[i++], AK_HASH_LEN);
	memcpy(sr, fr, AK_HASH_LEN);
	while (fn & 1)
		go_up(&fn, &sn);
	for (; i < path->count; i++)
	{
		const uint8 *c = path->hashes[i];

		if (sn == 0)
			return false;
		if ((fn & 1) || fn == sn)
		{
			if (!ak_merkle_node(c, fr, fr) || !ak_merkle_node(c, sr, sr))
				return false;
			skip_single(&fn, &sn);
		}
		else if (!ak_merkle_node(sr, c, sr))
			return false;
		go_up(&fn, &sn);
	}
	return sn == 0 && ak_hash_equal(fr, old_root) && ak_hash_equal(sr, new_root);
}
