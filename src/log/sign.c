/*-------------------------------------------------------------------------
 *
 * sign.c
 *	  Ed25519 keys that sign checkpoints, from the file that
 *	  apikeys.audit_signing_key_file names.
 *
 * The file has private keys in PEM, as "openssl genpkey -algorithm ed25519"
 * writes them.  The first one signs.  Others are earlier keys: signatures made
 * with them are still recognized.  The file is read at each use, so that
 * replacing it takes effect at once.  It must not be accessible to other users
 * of the system, and only superusers see its name; no message here has it.
 *
 * Signing is the server's OpenSSL.  A server without it has no signatures, and
 * the setting is an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#if defined(USE_OPENSSL) && __has_include(<openssl/evp.h>)
#define AK_HAVE_SIGNATURES
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#endif

#include "storage/fd.h"

#include "core/guc.h"
#include "log/sign.h"

#ifdef AK_HAVE_SIGNATURES

/* A file with more bytes has no keys of ours */
#define FILE_MAX 65536

#define SETTING "apikeys.audit_signing_key_file"

/* Raises F0000 for a file that is not as it must be. */
#define bad_file(...) ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), __VA_ARGS__))

/* Reads the file into a palloc'd text.  Raises F0000, and what the system says of a file that cannot be read. */
static char *
read_key_file(size_t *length)
{
	FILE *file = AllocateFile(ak_guc_audit_signing_key_file, PG_BINARY_R);
	struct stat st;
	char *text;

	if (file == NULL)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not open the file of \"%s\": %m", SETTING)));
	if (fstat(fileno(file), &st) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not stat the file of \"%s\": %m", SETTING)));
	if (!S_ISREG(st.st_mode))
		bad_file(errmsg("the file of \"%s\" is not a regular file", SETTING));
	if (st.st_uid != geteuid() && st.st_uid != 0)
		bad_file(errmsg("the file of \"%s\" must belong to the server's user or root", SETTING));
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		bad_file(errmsg("the file of \"%s\" has group or world access", SETTING),
				 errhint("Who can read it can sign: chmod 0600."));
	if (st.st_size > FILE_MAX)
		bad_file(errmsg("the file of \"%s\" is too large", SETTING));
	text = palloc0(FILE_MAX + 1);
	*length = fread(text, 1, FILE_MAX, file);
	if (ferror(file))
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not read the file of \"%s\": %m", SETTING)));
	FreeFile(file);
	return text;
}

/* Frees the keys at the end of their memory context. */
static void
free_keys(void *arg)
{
	AkSigningKeys *keys = arg;

	for (int i = 0; i < keys->count; i++)
		EVP_PKEY_free(keys->keys[i]);
	keys->count = 0;
}

/* An encrypted key has no passphrase here, and nobody is to be asked for one. */
static int
no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	return -1;
}

/* Reads the keys of a PEM text. */
static void
parse_keys(AkSigningKeys *keys, const char *text, size_t length)
{
	BIO *bio = BIO_new_mem_buf(text, (int) length);
	EVP_PKEY *key;
	bool right = true;

	if (bio == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	while (right && keys->count < AK_SIGN_KEYS_MAX && (key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)))
	{
		size_t public_len = AK_NOTE_KEY_LEN;

		keys->keys[keys->count] = key;
		right = EVP_PKEY_id(key) == EVP_PKEY_ED25519 &&
				EVP_PKEY_get_raw_public_key(key, keys->publics[keys->count], &public_len) == 1 &&
				public_len == AK_NOTE_KEY_LEN;
		keys->count++;
	}
	BIO_free(bio);
	ERR_clear_error();
	if (!right)
		bad_file(errmsg("the file of \"%s\" has a key that is not an Ed25519 key", SETTING),
				 errhint("Make one with: openssl genpkey -algorithm ed25519"));
	if (keys->count == 0)
		bad_file(errmsg("the file of \"%s\" has no private key in PEM without a passphrase", SETTING),
				 errhint("Make one with: openssl genpkey -algorithm ed25519"));
}

/*
 * Returns the keys of apikeys.audit_signing_key_file, none if it is not set.
 * Raises F0000 for a file with wrong permissions or contents, and the SQLSTATE
 * of what the system says if it cannot be read.
 */
AkSigningKeys *
ak_signing_keys(void)
{
	AkSigningKeys *keys = palloc0(sizeof(AkSigningKeys));
	MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));
	size_t length;
	char *text;

	if (ak_guc_audit_signing_key_file[0] == '\0')
		return keys;
	callback->func = free_keys;
	callback->arg = keys;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	text = read_key_file(&length);
	PG_TRY();
	{
		parse_keys(keys, text, length);
	}
	PG_FINALLY();
	{
		explicit_bzero(text, FILE_MAX + 1);
		pfree(text);
	}
	PG_END_TRY();
	return keys;
}

/* Signs with the first key.  Raises XX000 if the library fails. */
void
ak_sign(const AkSigningKeys *keys, const void *data, size_t len, uint8 out[AK_NOTE_SIGNATURE_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t out_len = AK_NOTE_SIGNATURE_LEN;
	bool ok;

	Assert(keys->count > 0);
	ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, keys->keys[0]) == 1 &&
		 EVP_DigestSign(ctx, out, &out_len, data, len) == 1 && out_len == AK_NOTE_SIGNATURE_LEN;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	if (!ok)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not sign a checkpoint")));
}

/* Returns true if a signature was made with the key of that number. */
bool
ak_signature_right(const AkSigningKeys *keys, int number, const void *data, size_t len, const uint8 *signature,
				   size_t signature_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, keys->keys[number]) == 1 &&
			  EVP_DigestVerify(ctx, signature, signature_len, data, len) == 1;

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

#else /* !AK_HAVE_SIGNATURES */

/* Returns no keys.  Raises 0A000 if apikeys.audit_signing_key_file is set. */
AkSigningKeys *
ak_signing_keys(void)
{
	if (ak_guc_audit_signing_key_file[0] != '\0')
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("checkpoints cannot be signed: this server was built without OpenSSL")));
	return palloc0(sizeof(AkSigningKeys));
}

/* Not called: there are no keys. */
void
ak_sign(const AkSigningKeys *keys, const void *data, size_t len, uint8 out[AK_NOTE_SIGNATURE_LEN])
{
	pg_unreachable();
}

/* Not called either. */
bool
ak_signature_right(const AkSigningKeys *keys, int number, const void *data, size_t len, const uint8 *signature,
				   size_t signature_len)
{
	return false;
}

#endif /* AK_HAVE_SIGNATURES */
