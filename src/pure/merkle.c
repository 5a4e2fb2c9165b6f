/*-------------------------------------------------------------------------
 *
 * merkle.c
 *	  The Merkle tree of RFC 6962 and its proofs.  Pure: no catalog, no state, no
 *	  ereport.
 *
 * The hash of a leaf is SHA-256(0x00, data), that of a node SHA-256(0x01, left,
 * right).  A tree of n leaves has on its left the largest complete subtree that
 * has fewer than n leaves.  So a subtree that is complete stays a node of every
 * larger tree, and nothing else has to be stored: a leaf completes as many
 * subtrees as its position has trailing ones in binary, two hashes a leaf on
 * average with its own.  Every root and proof is made of these nodes, which a
 * callback of the caller reads, and is O(log n) of them.
 *
 * Proofs are those of RFC 6962, 2.1.1 and 2.1.2.  Nothing here checks one: that
 * is for those who get them, by the algorithms of RFC 9162, 2.1.3.2 and 2.1.4.2.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "pure/merkle.h"

/* Computes the hash of a node.  Returns false if the library fails.  out may be left or right. */
bool
ak_merkle_node(const uint8 *left, const uint8 *right, uint8 out[AK_HASH_LEN])
{
	uint8 bytes[1 + 2 * AK_HASH_LEN];

	bytes[0] = 0x01;
	memcpy(bytes + 1, left, AK_HASH_LEN);
	memcpy(bytes + 1 + AK_HASH_LEN, right, AK_HASH_LEN);
	return ak_sha256(bytes, sizeof(bytes), out);
}

/* Returns the level of the largest complete subtree that a proper left part of [lo, hi) can be: log2 of RFC's k. */
static inline int
split_level(uint64 leaves)
{
	return pg_leftmost_one_pos64(leaves - 1);
}

/*
 * Starts to append to a tree of that size: reads the roots of the complete
 * subtrees that it consists of.
 */
AkMerkleResult
ak_merkle_open(AkMerkleTree *tree, uint64 size, AkMerkleReader reader, void *arg)
{
	tree->size = size;
	for (int level = 0; level < AK_MERKLE_LEVELS; level++)
		if ((size >> level) & 1)
			if (!reader(arg, level, (size >> level) - 1, tree->peaks[level]))
				return AK_MERKLE_NO_NODE;
	return AK_MERKLE_OK;
}

/*
 * Appends a complete subtree of 1 << level leaves (level 0: one leaf) with that
 * hash; the tree's size must be a multiple of these.  Stores the hashes of all
 * subtrees that this completes into "completed" (at most AK_MERKLE_LEVELS; the
 * given one first), unless that is NULL.  Returns their number; 0 if hashing
 * failed, the tree is then of no use.
 */
int
ak_merkle_append(AkMerkleTree *tree, int level, const uint8 *hash, uint8 completed[][AK_HASH_LEN])
{
	uint8 node[AK_HASH_LEN];
	int count = 0;
	int l = level;

	memcpy(node, hash, AK_HASH_LEN);
	for (;;)
	{
		if (completed != NULL)
			memcpy(completed[count], node, AK_HASH_LEN);
		count++;
		if (!((tree->size >> l) & 1))
			break;
		if (!ak_merkle_node(tree->peaks[l], node, node))
			return 0;
		l++;
	}
	memcpy(tree->peaks[l], node, AK_HASH_LEN);
	tree->size += UINT64CONST(1) << level;
	return count;
}

/* Joins a complete subtree with what is to its right, in out; *any is false while that is nothing. */
static bool
join_left(const uint8 *subtree, bool *any, uint8 out[AK_HASH_LEN])
{
	if (*any)
		return ak_merkle_node(subtree, out, out);
	memcpy(out, subtree, AK_HASH_LEN);
	*any = true;
	return true;
}

/* Computes the root.  Returns false if hashing failed. */
bool
ak_merkle_root(const AkMerkleTree *tree, uint8 out[AK_HASH_LEN])
{
	bool any = false;

	if (tree->size == 0)
		return ak_sha256("", 0, out);
	for (int level = 0; level < AK_MERKLE_LEVELS; level++)
		if (((tree->size >> level) & 1) && !join_left(tree->peaks[level], &any, out))
			return false;
	return true;
}

/*
 * Computes the hash of the leaves [lo, hi), which is a subtree of some tree: lo
 * is a multiple of a power of two that is at least their number.
 */
static AkMerkleResult
range_root(uint64 lo, uint64 hi, AkMerkleReader reader, void *arg, uint8 out[AK_HASH_LEN])
{
	uint64 leaves = hi - lo;
	bool any = false;

	/* its complete subtrees, from the right, where the smallest is */
	for (int level = 0; level < AK_MERKLE_LEVELS; level++)
	{
		uint8 node[AK_HASH_LEN];

		if (!((leaves >> level) & 1))
			continue;
		hi -= UINT64CONST(1) << level;
		if (!reader(arg, level, hi >> level, node))
			return AK_MERKLE_NO_NODE;
		if (!join_left(node, &any, out))
			return AK_MERKLE_NO_HASH;
	}
	return AK_MERKLE_OK;
}

static AkMerkleResult
add_range(AkMerklePath *path, uint64 lo, uint64 hi, AkMerkleReader reader, void *arg)
{
	return range_root(lo, hi, reader, arg, path->hashes[path->count++]);
}

/*
 * Goes down one level in the tree of the leaves [*lo, *hi), to its left or right
 * part, and adds the hash of the other part to the path.
 */
static AkMerkleResult
go_down(AkMerklePath *path, uint64 *lo, uint64 *hi, bool left, uint64 middle, AkMerkleReader reader, void *arg)
{
	uint64 first = left ? middle : *lo;
	uint64 end = left ? *hi : middle;

	if (left)
		*hi = middle;
	else
		*lo = middle;
	return add_range(path, first, end, reader, arg);
}

/* The steps were added from the root down, and are wanted from the leaf up. */
static void
reverse_path(AkMerklePath *path)
{
	for (int i = 0, j = path->count - 1; i < j; i++, j--)
	{
		uint8 swap[AK_HASH_LEN];

		memcpy(swap, path->hashes[i], AK_HASH_LEN);
		memcpy(path->hashes[i], path->hashes[j], AK_HASH_LEN);
		memcpy(path->hashes[j], swap, AK_HASH_LEN);
	}
}

/* PATH(position, D[size]) of RFC 6962, 2.1.1. */
AkMerkleResult
ak_merkle_inclusion(uint64 position, uint64 size, AkMerkleReader reader, void *arg, AkMerklePath *path)
{
	uint64 lo = 0;
	uint64 hi = size;

	path->count = 0;
	if (position >= size)
		return AK_MERKLE_NO_PROOF;
	while (hi - lo > 1)
	{
		uint64 middle = lo + (UINT64CONST(1) << split_level(hi - lo));
		AkMerkleResult result = go_down(path, &lo, &hi, position < middle, middle, reader, arg);

		if (result != AK_MERKLE_OK)
			return result;
	}
	reverse_path(path);
	return AK_MERKLE_OK;
}

/*
 * PROOF(old_size, D[new_size]) of RFC 6962, 2.1.2.  It is empty for equal sizes
 * and for an old size of 0.
 */
AkMerkleResult
ak_merkle_consistency(uint64 old_size, uint64 new_size, AkMerkleReader reader, void *arg, AkMerklePath *path)
{
	uint64 lo = 0;
	uint64 hi = new_size;

	path->count = 0;
	if (old_size > new_size)
		return AK_MERKLE_NO_PROOF;
	if (old_size == 0)
		return AK_MERKLE_OK;
	while (old_size < hi)
	{
		uint64 middle = lo + (UINT64CONST(1) << split_level(hi - lo));
		AkMerkleResult result = go_down(path, &lo, &hi, old_size <= middle, middle, reader, arg);

		if (result != AK_MERKLE_OK)
			return result;
	}
	/* RFC's b is false: what is left is not the whole old tree */
	if (lo > 0)
	{
		AkMerkleResult result = add_range(path, lo, hi, reader, arg);

		if (result != AK_MERKLE_OK)
			return result;
	}
	reverse_path(path);
	return AK_MERKLE_OK;
}
