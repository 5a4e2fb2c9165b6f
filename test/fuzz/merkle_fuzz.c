/*-------------------------------------------------------------------------
 *
 * merkle_fuzz.c
 *	  Fuzz target for src/pure/merkle.c.
 *
 * The input is a size, two numbers and bytes.  A tree of that size is built; its
 * root is computed again by the recursive definition; a proof for the numbers
 * must be accepted by the algorithms of RFC 9162, and the bytes, taken as a
 * proof, only if they are that proof.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include <openssl/sha.h>

#include "pure/merkle.h"

#include "merkle_check.c"

#define SIZE_MAX_HERE 1024

static uint8 leaves[SIZE_MAX_HERE][AK_HASH_LEN];
static uint8 nodes[SIZE_MAX_HERE][11][AK_HASH_LEN]; /* of the last leaf, by level */
static int completed_by[SIZE_MAX_HERE];

/* MTH of the leaves [lo, hi), as RFC 6962 defines it */
static void
definition(size_t lo, size_t hi, uint8 out[AK_HASH_LEN])
{
	uint8 bytes[65] = {1};
	size_t k = 1;

	if (hi == lo)
		SHA256(bytes, 0, out);
	else if (hi - lo == 1)
		memcpy(out, leaves[lo], AK_HASH_LEN);
	else
	{
		while (2 * k < hi - lo)
			k *= 2;
		definition(lo, lo + k, bytes + 1);
		definition(lo + k, hi, bytes + 33);
		SHA256(bytes, sizeof(bytes), out);
	}
}

static bool
read_node(void *arg, int level, uint64 index, uint8 out[AK_HASH_LEN])
{
	uint64 last = ((index + 1) << level) - 1;

	CHECK(last < *(uint64 *) arg && level < completed_by[last]);
	memcpy(out, nodes[last][level], AK_HASH_LEN);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static AkMerkleTree tree;
	AkMerkleTree opened;
	AkMerklePath path;
	AkMerklePath given;
	uint8 root[AK_HASH_LEN];
	uint8 old_root[AK_HASH_LEN];
	uint8 again[AK_HASH_LEN];
	uint64 n, a;

	if (size < 4)
		return 0;
	n = ((uint64) data[0] << 8 | data[1]) % (SIZE_MAX_HERE + 1);
	a = ((uint64) data[2] << 8 | data[3]) % (SIZE_MAX_HERE + 2);
	data += 4;
	size -= 4;

	memset(&tree, 0, sizeof(tree));
	for (uint64 i = 0; i < n; i++)
	{
		uint64 key = i * 2654435761u + (size > 0 ? data[i % size] : 0);

		SHA256((const uint8 *) &key, sizeof(key), leaves[i]);
		completed_by[i] = ak_merkle_append(&tree, 0, leaves[i], nodes[i]);
		CHECK(completed_by[i] == 1 + __builtin_ctzll(~i));
	}
	CHECK(tree.size == n && ak_merkle_root(&tree, root));
	definition(0, n, again);
	CHECK(memcmp(root, again, AK_HASH_LEN) == 0);
	CHECK(ak_merkle_open(&opened, n, read_node, &n) == AK_MERKLE_OK);
	CHECK(ak_merkle_root(&opened, again) && memcmp(root, again, AK_HASH_LEN) == 0);

	given.count = (int) Min(size / AK_HASH_LEN, AK_MERKLE_PATH_MAX);
	memcpy(given.hashes, data, (size_t) given.count * AK_HASH_LEN);

	if (a >= n)
		CHECK(ak_merkle_inclusion(a, n, read_node, &n, &path) == AK_MERKLE_NO_PROOF);
	else
	{
		CHECK(ak_merkle_inclusion(a, n, read_node, &n, &path) == AK_MERKLE_OK);
		CHECK(ak_merkle_check_inclusion(leaves[a], a, n, &path, root));
		CHECK(!ak_merkle_check_inclusion(leaves[a], a, n, &given, root) ||
			  (given.count == path.count && memcmp(given.hashes, path.hashes, (size_t) path.count * AK_HASH_LEN) == 0));
	}
	if (a > n)
		CHECK(ak_merkle_consistency(a, n, read_node, &n, &path) == AK_MERKLE_NO_PROOF);
	else
	{
		definition(0, a, old_root);
		CHECK(ak_merkle_consistency(a, n, read_node, &n, &path) == AK_MERKLE_OK);
		CHECK(ak_merkle_check_consistency(a, n, old_root, root, &path));
		CHECK(!ak_merkle_check_consistency(a, n, old_root, root, &given) ||
			  (given.count == path.count && memcmp(given.hashes, path.hashes, (size_t) path.count * AK_HASH_LEN) == 0));
		if (a != n)
		{
			root[0] ^= 1;
			CHECK(a == 0 || !ak_merkle_check_consistency(a, n, old_root, root, &path));
		}
	}
	return 0;
}
