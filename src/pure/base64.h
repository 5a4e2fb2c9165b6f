/*-------------------------------------------------------------------------
 *
 * base64.h
 *	  Base64 as an encoder writes it.  See base64.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_BASE64_H
#define AK_BASE64_H

#include "lib/stringinfo.h"

/* The longest text that is decoded */
#define AK_BASE64_MAX_BYTES 1024

extern void ak_base64_append(StringInfo out, const void *bytes, size_t len);
extern int ak_base64_decode(const char *text, size_t len, void *out, size_t room);

#endif /* AK_BASE64_H */
