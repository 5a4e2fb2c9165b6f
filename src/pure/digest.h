/*-------------------------------------------------------------------------
 *
 * digest.h
 *	  SHA-256, and comparison in constant time.  See digest.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_DIGEST_H
#define AK_DIGEST_H

#define AK_HASH_LEN 32 /* bytes of a SHA-256, FIPS 180-4 */

extern bool ak_sha256(const void *data, size_t len, uint8 out[AK_HASH_LEN]);
extern bool ak_hash_equal(const uint8 *a, const uint8 *b);

#endif /* AK_DIGEST_H */
