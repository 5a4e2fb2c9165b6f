/*-------------------------------------------------------------------------
 *
 * chain.h
 *	  Canonical bytes of a row, and links of the hash chain.  See chain.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_CHAIN_H
#define AK_CHAIN_H

#include "lib/stringinfo.h"

#include "digest.h"

extern void ak_canon_begin(StringInfo buf);
extern int	ak_canon_column(StringInfo buf, const char *name);
extern void ak_canon_bytes(StringInfo buf, const void *data, size_t len);
extern void ak_canon_uint(StringInfo buf, uint64 value, int bytes);
extern void ak_canon_end(StringInfo buf, int column);
extern bool ak_link(const uint8 *previous, int64 position, const uint8 *digest,
					uint8 out[AK_HASH_LEN]);

#endif							/* AK_CHAIN_H */
