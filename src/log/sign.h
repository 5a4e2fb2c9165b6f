/*-------------------------------------------------------------------------
 *
 * sign.h
 *	  Ed25519 keys that sign checkpoints.  See sign.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SIGN_H
#define AK_SIGN_H

#include "pure/note.h"

/* The most keys that a file may have: the one that signs, and earlier ones */
#define AK_SIGN_KEYS_MAX 16

/* Keys, valid as long as the memory context in which they were read */
typedef struct AkSigningKeys
{
	int count; /* 0: none is configured */
	uint8 publics[AK_SIGN_KEYS_MAX][AK_NOTE_KEY_LEN];
	void *keys[AK_SIGN_KEYS_MAX]; /* EVP_PKEY */
} AkSigningKeys;

extern AkSigningKeys *ak_signing_keys(void);
extern void ak_sign(const AkSigningKeys *keys, const void *data, size_t len, uint8 out[AK_NOTE_SIGNATURE_LEN]);
extern bool ak_signature_right(const AkSigningKeys *keys, int number, const void *data, size_t len,
							   const uint8 *signature, size_t signature_len);

#endif /* AK_SIGN_H */
