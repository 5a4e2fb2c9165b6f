/*-------------------------------------------------------------------------
 *
 * chain.c
 *	  Canonical bytes of a row, and links of the hash chain.  Pure.
 *
 * The canonical bytes of a row are a version byte and then, for every column
 * that is not NULL, in the table's order: the length of its name (2 bytes) and
 * the name, the length of its value (4 bytes) and the value.  Numbers are in
 * network order, texts in UTF-8.  A column that is NULL leaves no trace, so
 * that a row written before a later version added a column still has the same
 * bytes after.  Nothing here depends on a setting.
 *
 * A link is the SHA-256 of a version byte, the link before (32 zero bytes for
 * the first), the position (8 bytes, from 1) and the digest of the entry.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "chain.h"

#define CANON_VERSION	1
#define LINK_VERSION	1

static inline void
put_uint(uint8 *out, uint64 value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (uint8) (value >> (8 * (bytes - 1 - i)));
}

/* Starts a row in an initialised, empty buffer. */
void
ak_canon_begin(StringInfo buf)
{
	appendStringInfoCharMacro(buf, CANON_VERSION);
}

/* Appends a number in so many bytes (1 to 8), in network order. */
void
ak_canon_uint(StringInfo buf, uint64 value, int bytes)
{
	enlargeStringInfo(buf, 8);
	put_uint((uint8 *) buf->data + buf->len, value, bytes);
	buf->len += bytes;
}

/* Appends bytes as they are. */
void
ak_canon_bytes(StringInfo buf, const void *data, size_t len)
{
	appendBinaryStringInfo(buf, (const char *) data, len);
}

/* Starts a column; the value follows, and ak_canon_end() with what this returns. */
int
ak_canon_column(StringInfo buf, const char *name)
{
	size_t		len = strlen(name);
	uint8	   *out;

	enlargeStringInfo(buf, 2 + len + 4);
	out = (uint8 *) buf->data + buf->len;
	put_uint(out, len, 2);
	memcpy(out + 2, name, len);
	buf->len += 2 + len + 4;
	return buf->len;
}

/* Ends a column: writes the length of its value. */
void
ak_canon_end(StringInfo buf, int column)
{
	put_uint((uint8 *) buf->data + column - 4, buf->len - column, 4);
}

/*
 * The link of an entry: previous is the link before, NULL for the first;
 * position counts from 1; digest is the entry's.  Returns false when the hash
 * could not be computed.  out may be previous.
 */
bool
ak_link(const uint8 *previous, int64 position, const uint8 *digest, uint8 out[AK_HASH_LEN])
{
	uint8		bytes[1 + AK_HASH_LEN + 8 + AK_HASH_LEN] = {LINK_VERSION};

	if (previous != NULL)
		memcpy(bytes + 1, previous, AK_HASH_LEN);
	put_uint(bytes + 1 + AK_HASH_LEN, position, 8);
	memcpy(bytes + 1 + AK_HASH_LEN + 8, digest, AK_HASH_LEN);
	return ak_sha256(bytes, sizeof(bytes), out);
}
