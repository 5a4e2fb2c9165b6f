/*-------------------------------------------------------------------------
 *
 * chain.c
 *	  Links of the hash chain.  Pure: no catalog, no state.
 *
 * A link is the SHA-256 of a version byte, the previous link (32 zero bytes for
 * the first), the position (8 bytes, from 1) and the digest of the entry.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pure/chain.h"

#define LINK_VERSION 1

/*
 * Computes the link of an entry: previous is the previous link, NULL for the
 * first; position counts from 1; digest is the entry's.  Returns false if the
 * hash could not be computed.  out may be previous.
 */
bool
ak_link(const uint8 *previous, int64 position, const uint8 *digest, uint8 out[AK_HASH_LEN])
{
	uint8 bytes[1 + AK_HASH_LEN + 8 + AK_HASH_LEN] = {LINK_VERSION};

	if (previous != NULL)
		memcpy(bytes + 1, previous, AK_HASH_LEN);
	for (int i = 0; i < 8; i++)
		bytes[1 + AK_HASH_LEN + i] = (uint8) ((uint64) position >> (56 - 8 * i));
	memcpy(bytes + 1 + AK_HASH_LEN + 8, digest, AK_HASH_LEN);
	return ak_sha256(bytes, sizeof(bytes), out);
}
