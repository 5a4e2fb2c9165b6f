/*-------------------------------------------------------------------------
 *
 * digest.c
 *	  SHA-256, comparison in constant time, wiping.
 *
 * Every validation hashes one secret of some 50 to 70 bytes, so what counts
 * is the cost around the hash, not the hash.  pg_cryptohash allocates and
 * registers a context for each message, and under OpenSSL 3 looks the
 * algorithm up by name again each time it starts one: 0.45 us for 70 bytes,
 * of which hashing is 0.07 (PostgreSQL 15, OpenSSL 3.0.19, EPYC with SHA
 * instructions).  Keeping a pg_cryptohash context instead would tie it to the
 * resource owner of some transaction, and would not save the look-up.
 *
 * So where the server is built with OpenSSL we call the same library
 * directly, as contrib/pgcrypto does: the algorithm is fetched once and one
 * context serves all messages of this process, 0.12 us.  It is the same
 * provider that pg_cryptohash would choose, so a FIPS configuration holds
 * here as well.  The context is malloc'd by the library, belongs to no
 * transaction and is never freed.  OpenSSL wipes its input block when a hash
 * is finished; what a kept context remembers is the last hash, no secret.
 *
 * Servers without OpenSSL have SHA-256 in C behind pg_cryptohash, without
 * that overhead; builds without OpenSSL's headers at hand, or with AK_NO_LIBCRYPTO defined,
 * go the same way.
 *
 * Rules of this file.  It is pure: no catalog, no ereport, no palloc of its
 * own.  The kept context makes ak_sha256() unfit for threads, of which a
 * backend has one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#if defined(USE_OPENSSL) && !defined(AK_NO_LIBCRYPTO) && __has_include(<openssl/evp.h>)
#define AK_USE_LIBCRYPTO
#include <openssl/err.h>
#include <openssl/evp.h>
#else
#include "common/cryptohash.h"
#endif

#include "pure/digest.h"

#ifdef AK_USE_LIBCRYPTO

/* This process's context and algorithm; both are set, or neither is */
static EVP_MD_CTX *sha256_ctx = NULL;
static const EVP_MD *sha256_md = NULL;

/* Fetch the algorithm and make the context.  False when the library cannot. */
static bool
sha256_prepare(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *md;

	/* EVP_sha256() in OpenSSL 3 stands for a name to be fetched at each use */
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
	md = EVP_MD_fetch(NULL, "SHA256", NULL);
#else
	md = EVP_sha256();
#endif

	if (ctx == NULL || md == NULL)
	{
		EVP_MD_CTX_free(ctx);
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
		EVP_MD_free(unconstify(EVP_MD *, md));
#endif
		return false;
	}
	sha256_ctx = ctx;
	sha256_md = md;
	return true;
}

/*
 * SHA-256 (FIPS 180-4) of the len bytes at data, which may be NULL when len
 * is 0.  Returns false when the library failed, with out undefined: the
 * caller raises an internal error, or refuses.  A server whose pg_cryptohash
 * we use (see above) may itself raise out of memory.
 */
bool
ak_sha256(const void *data, size_t len, uint8 out[AK_HASH_LEN])
{
	if (likely(sha256_ctx != NULL || sha256_prepare()) &&
		likely(EVP_DigestInit_ex(sha256_ctx, sha256_md, NULL) == 1 &&
			   EVP_DigestUpdate(sha256_ctx, data, len) == 1 &&
			   EVP_DigestFinal_ex(sha256_ctx, out, NULL) == 1))
		return true;

	/* Leave nothing in the queue for the next user of OpenSSL to stumble on */
	ERR_clear_error();
	return false;
}

#else							/* !AK_USE_LIBCRYPTO */

/* See above; the same through the server's own interface. */
bool
ak_sha256(const void *data, size_t len, uint8 out[AK_HASH_LEN])
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	bool		ok;

	if (ctx == NULL)
		return false;
	ok = pg_cryptohash_init(ctx) >= 0 &&
		pg_cryptohash_update(ctx, data, len) >= 0 &&
		pg_cryptohash_final(ctx, out, AK_HASH_LEN) >= 0;
	pg_cryptohash_free(ctx);
	return ok;
}

#endif							/* AK_USE_LIBCRYPTO */

/*
 * Are two hashes of AK_HASH_LEN bytes equal?  Takes the same time wherever
 * they differ, so it tells nobody how near a guess came.
 */
bool
ak_hash_equal(const uint8 *a, const uint8 *b)
{
	/* volatile: the compiler may not leave the loop when it knows enough */
	volatile uint64 difference = 0;
	int			i;

	for (i = 0; i < AK_HASH_LEN; i += sizeof(uint64))
	{
		uint64		word_a;
		uint64		word_b;

		/* copied, because neither side need be aligned */
		memcpy(&word_a, a + i, sizeof(uint64));
		memcpy(&word_b, b + i, sizeof(uint64));
		difference |= word_a ^ word_b;
	}
	return difference == 0;
}

/*
 * Overwrite len bytes with zeros, even where the compiler sees that nobody
 * reads them again.  For every copy of a secret that we made ourselves.
 */
void
ak_wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}
