/*-------------------------------------------------------------------------
 *
 * canonical.h
 *	  The canonical bytes of a row.  See canonical.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_CANONICAL_H
#define AK_CANONICAL_H

#include "postgres.h"

#include <limits.h>

#include "lib/stringinfo.h"

/* The types of values.  These bytes are stored in no table, but hashed: they never change. */
typedef enum AkCanonType
{
	AK_CANON_TEXT = 't',
	AK_CANON_BYTES = 'b',
	AK_CANON_UUID = 'u',     /* 16 bytes */
	AK_CANON_INTEGER = 'i',  /* 8 bytes, two's complement, whatever the column's width */
	AK_CANON_TIME = 'd',     /* 8 bytes, microseconds since 2000-01-01 00:00 UTC, two's complement */
	AK_CANON_INTERVAL = 'p', /* microseconds (8 bytes), days (4), months (4), two's complement */
	AK_CANON_NETWORK = 'n',  /* 4 or 6, the number of bits of the network, the address (4 or 16 bytes) */
	AK_CANON_JSON = 'j',     /* as jsonb is written: keys by length, then bytes; ", " and ": " between */
	AK_CANON_TEXTS = 'T',    /* an array: the number of elements (4 bytes), and of each the length (4 bytes; all
							  * bits set: NULL) and the value */
	AK_CANON_NETWORKS = 'N'  /* the same */
} AkCanonType;

extern void ak_canon_begin(StringInfo buf);
extern int ak_canon_column(StringInfo buf, const char *name, AkCanonType type);
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

/* Writes a number as that many bytes (1 to 8), in network order. */
static inline void
ak_put_uint(uint8 *out, uint64 value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (uint8) (value >> (8 * (bytes - 1 - i)));
}

/* Appends a number as that many bytes (1 to 8), in network order. */
static inline void
ak_canon_uint(StringInfo buf, uint64 value, int bytes)
{
	ak_canon_room(buf, 8);
	ak_put_uint((uint8 *) buf->data + buf->len, value, bytes);
	buf->len += bytes;
}

#endif /* AK_CANONICAL_H */
