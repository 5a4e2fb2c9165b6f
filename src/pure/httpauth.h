/*-------------------------------------------------------------------------
 *
 * httpauth.h
 *	  Read an HTTP Authorization header.  See httpauth.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_HTTPAUTH_H
#define AK_HTTPAUTH_H

#include "pure/token.h"

/* The longest accepted header; the longest valid one has 774 bytes */
#define AK_HEADER_MAX_BYTES 1024

/* The credentials.  Both texts are NUL-terminated and contain no other NUL. */
typedef struct AkHttpAuth
{
	bool has_workspace;   /* true for Basic, false for Bearer */
	size_t workspace_len; /* 1 to AK_WORKSPACE_MAX, or 0 without one */
	size_t key_len;       /* 1 to AK_KEY_MAX_BYTES */
	char workspace[AK_WORKSPACE_MAX + 1];
	char key[AK_KEY_MAX_BYTES + 1]; /* a secret: to be wiped after use */
} AkHttpAuth;

extern bool ak_httpauth_parse(const char *header, size_t len, AkHttpAuth *out);

#endif /* AK_HTTPAUTH_H */
