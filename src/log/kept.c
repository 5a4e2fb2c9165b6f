/*-------------------------------------------------------------------------
 *
 * kept.c
 *	  A hash over the leaves that a purge kept.
 *
 * The entry that records a purge has it, so that no leaf that the purge kept can
 * be replaced by a subtree of "purged" entries later.  It is SHA-256 of the hash
 * before (32 zero bytes at first), the position (8 bytes) and the leaf's hash.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/errors.h"
#include "log/kept.h"
#include "pure/canonical.h"

/* Adds a leaf; to be called in the order of positions. */
void
ak_kept_add(AkKept *kept, int64 position, const uint8 *leaf)
{
	uint8 bytes[AK_HASH_LEN + 8 + AK_HASH_LEN];

	memcpy(bytes, kept->hash, AK_HASH_LEN);
	ak_put_uint(bytes + AK_HASH_LEN, position, 8);
	memcpy(bytes + AK_HASH_LEN + 8, leaf, AK_HASH_LEN);
	if (!ak_sha256(bytes, sizeof(bytes), kept->hash))
		ak_hash_failed();
	kept->count++;
}
