/*-------------------------------------------------------------------------
 *
 * merkle.h
 *	  The Merkle tree of RFC 6962 and its proofs.  See merkle.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_MERKLE_H
#define AK_MERKLE_H

#include "pure/digest.h"

/* The greatest size of a tree has 63 bits, so a node's level is at most 62 */
#define AK_MERKLE_LEVELS 63
/* The longest proof: one hash for each level, and one for the start of a consistency proof */
#define AK_MERKLE_PATH_MAX (AK_MERKLE_LEVELS + 1)

/*
 * Reads the hash of a complete subtree: node "index" of "level" covers the
 * leaves [index << level, (index + 1) << level).  Returns false if it is not
 * stored.  May raise.
 */
typedef bool (*AkMerkleReader)(void *arg, int level, uint64 index, uint8 out[AK_HASH_LEN]);

typedef enum AkMerkleResult
{
	AK_MERKLE_OK,
	AK_MERKLE_NO_NODE, /* a node that is needed is not stored */
	AK_MERKLE_NO_HASH, /* the library could not hash */
	AK_MERKLE_NO_PROOF /* no such leaf or size */
} AkMerkleResult;

/* A tree to append to: its size, and of each bit of the size that is set, the root of that complete subtree */
typedef struct AkMerkleTree
{
	uint64 size;
	uint8 peaks[AK_MERKLE_LEVELS][AK_HASH_LEN]; /* by level */
} AkMerkleTree;

/* A proof */
typedef struct AkMerklePath
{
	int count;
	uint8 hashes[AK_MERKLE_PATH_MAX][AK_HASH_LEN];
} AkMerklePath;

extern bool ak_merkle_node(const uint8 *left, const uint8 *right, uint8 out[AK_HASH_LEN]);

extern AkMerkleResult ak_merkle_open(AkMerkleTree *tree, uint64 size, AkMerkleReader reader, void *arg);
extern int ak_merkle_append(AkMerkleTree *tree, int level, const uint8 *hash, uint8 completed[][AK_HASH_LEN]);
extern bool ak_merkle_root(const AkMerkleTree *tree, uint8 out[AK_HASH_LEN]);

extern AkMerkleResult ak_merkle_inclusion(uint64 position, uint64 size, AkMerkleReader reader, void *arg,
										  AkMerklePath *path);
extern AkMerkleResult ak_merkle_consistency(uint64 old_size, uint64 new_size, AkMerkleReader reader, void *arg,
											AkMerklePath *path);

#endif /* AK_MERKLE_H */
