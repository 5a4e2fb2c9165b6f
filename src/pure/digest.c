/*-------------------------------------------------------------------------
 *
 * digest.c
 *	  SHA-256, and comparison in constant time.
 *
 * Every validation hashes one secret of some 50 to 70 bytes, so the overhead of
 * a hash matters more than the hashing.  pg_cryptohash allocates and registers
 * a context for each message, and under OpenSSL 3 looks the algorithm up by
 * name each time it starts one: 0.45 us for 70 bytes, of which hashing is 0.07
 * (PostgreSQL 15, OpenSSL 3.0.19, EPYC with SHA instructions).  Keeping a
 * pg_cryptohash context would tie it to the resource owner of one transaction,
 * and would not save the look-up.
 *
 * So if the server is built with OpenSSL, we call the same library directly, as
 * contrib/pgcrypto does: the algorithm is fetched once, and one context serves
 * all messages of this process, 0.12 us.  It is the provider that pg_cryptohash
 * would use, so a FIPS configuration applies here as well.  The context is
 * allocated by the library with malloc(), belongs to no transaction and is
 * never freed.  OpenSSL wipes its input block when a hash is finished; a kept
 * context holds the last hash, which is no secret.
 *
 * Servers without OpenSSL have SHA-256 in C behind pg_cryptohash, without that
 * overhead.  Builds without OpenSSL's headers, or with AK_NO_LIBCRYPTO defined,
 * use pg_cryptohash too.
 *
 * Rules of this file: no catalog, no ereport, no palloc of its own.  Because of
 * the kept context, ak_sha256() is not thread-safe; a backend has one thread.
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

/* This process's context and algorithm; either both are set or none */
static EVP_MD_CTX *sha256_ctx = NULL;
static const EVP_MD *sha256_md = NULL;

/* Fetches the algorithm and makes the context.  Returns false if the library fails. */
static bool
sha256_prepare(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *md;

	/* in OpenSSL 3, EVP_sha256() is only a name, which is fetched at each use */
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
 * Computes the SHA-256 (FIPS 180-4) of the len bytes at data, which may be NULL
 * if len is 0.  Returns false if the library failed, with out undefined: the
 * caller raises an internal error, or refuses the request.  With pg_cryptohash
 * (see above), out of memory may be raised.
 */
bool
ak_sha256(const void *data, size_t len, uint8 out[AK_HASH_LEN])
{
	if (likely(sha256_ctx != NULL || sha256_prepare()) &&
		likely(EVP_DigestInit_ex(sha256_ctx, sha256_md, NULL) == 1 && EVP_DigestUpdate(sha256_ctx, data, len) == 1 &&
			   EVP_DigestFinal_ex(sha256_ctx, out, NULL) == 1))
		return true;

	/* leave no errors in the queue for other users of OpenSSL */
	ERR_clear_error();
	return false;
}

#else /* !AK_USE_LIBCRYPTO */

/* The same with the server's own interface. */
bool
ak_sha256(const void *data, size_t len, uint8 out[AK_HASH_LEN])
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	bool ok;

	if (ctx == NULL)
		return false;
	ok = pg_cryptohash_init(ctx) >= 0 && pg_cryptohash_update(ctx, data, len) >= 0 &&
		 pg_cryptohash_final(ctx, out, AK_HASH_LEN) >= 0;
	pg_cryptohash_free(ctx);
	return ok;
}

#endif /* AK_USE_LIBCRYPTO */

/*
 * Returns true if two hashes of AK_HASH_LEN bytes are equal.  The time does not
 * depend on where they differ, so it does not show how close a guess was.
 */
bool
ak_hash_equal(const uint8 *a, const uint8 *b)
{
	/* volatile: keeps the compiler from ending the loop early */
	volatile uint64 difference = 0;
	int i;

	for (i = 0; i < AK_HASH_LEN; i += sizeof(uint64))
	{
		uint64 word_a;
		uint64 word_b;

		/* copied, because neither argument need be aligned */
		memcpy(&word_a, a + i, sizeof(uint64));
		memcpy(&word_b, b + i, sizeof(uint64));
		difference |= word_a ^ word_b;
	}
	return difference == 0;
}
