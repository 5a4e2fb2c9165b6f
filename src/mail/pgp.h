/*-------------------------------------------------------------------------
 *
 * pgp.h
 *	  Encrypt to an OpenPGP public key, with pgcrypto.  See pgp.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_PGP_H
#define AK_PGP_H

#include "postgres.h"

extern bytea *ak_pgp_read_key(bytea *key);
extern bytea *ak_pgp_encrypt(bytea *data, bytea *key);

#endif /* AK_PGP_H */
