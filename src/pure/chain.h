/*-------------------------------------------------------------------------
 *
 * chain.h
 *	  Canonical bytes of a row, and links of the hash chain.  See chain.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_CHAIN_H
#define AK_CHAIN_H

#include "postgres.h"

#include <limits.h>

#include "lib/stringinfo.h"

#include "pure/digest.h"

extern void ak_canon_begin(StringInfo buf);
extern int ak_canon_column(StringInfo buf, const char *name);
extern void ak_canon_json_text(StringInfo buf, const char *data, size_t len);
extern void ak_canon_end(StringInfo buf, int column);

/* Ensures room for "len" more bytes. */
static inline void
ak_canon_room(StringInfo buf, size_t len)
{
	if (unlikely(len >= (size_t) (buf->maxlen - buf->len)))
		enlargeStringInfo(buf, (int) Min(len, INT_MAX));
}

/* Appends bytes unchanged. */
static inline void
ak_canon_bytes(StringInfo buf, const void *data, size_t len)
{
	ak_canon_room(buf, len);
	memcpy(buf->data + buf->len, data, len);
	buf->len += (int) len;
}

/* Appends a number as that many bytes (1 to 8), in network order. */
static inline void
ak_canon_uint(StringInfo buf, uint64 value, int bytes)
{
	uint8 *out;

	ak_canon_room(buf, 8);
	out = (uint8 *) buf->data + buf->len;
	for (int i = 0; i < bytes; i++)
		out[i] = (uint8) (value >> (8 * (bytes - 1 - i)));
	buf->len += bytes;
}
extern bool ak_link(const uint8 *previous, int64 position, const uint8 *digest, uint8 out[AK_HASH_LEN]);

#endif /* AK_CHAIN_H */
