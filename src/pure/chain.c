/*-------------------------------------------------------------------------
 *
 * chain.c
 *	  Canonical bytes of a row, and links of the hash chain.  Pure: no catalog,
 *	  no state.
 *
 * The canonical bytes of a row are a version byte and then, for every column
 * that is not NULL, in the table's order: the length of its name (2 bytes) and
 * the name, the length of its value (4 bytes) and the value.  Numbers are in
 * network order, texts in UTF-8.  A NULL column adds nothing, so that a row has
 * the same bytes before and after a later version adds a column.  Nothing here
 * depends on a setting.
 *
 * A link is the SHA-256 of a version byte, the previous link (32 zero bytes for
 * the first), the position (8 bytes, from 1) and the digest of the entry.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pure/chain.h"

#define CANON_VERSION 1
#define LINK_VERSION  1

static inline void
put_uint(uint8 *out, uint64 value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		out[i] = (uint8) (value >> (8 * (bytes - 1 - i)));
}

/* Starts a row in an initialized, empty buffer. */
void
ak_canon_begin(StringInfo buf)
{
	appendStringInfoCharMacro(buf, CANON_VERSION);
}

/*
 * Appends a text of jsonb (UTF-8) in its canonical form: in quotes, with a
 * backslash before quotes and backslashes, control characters as \b, \f, \n,
 * \r, \t or \u00XX.
 */
void
ak_canon_json_text(StringInfo buf, const char *data, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t done = 0;

	ak_canon_bytes(buf, "\"", 1);
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = data[i];
		char escaped[6] = {'\\', 'u', '0', '0'};
		int size = 2;

		if (likely(c >= 0x20 && c != '"' && c != '\\'))
			continue;
		switch (c)
		{
			case '\b':
				escaped[1] = 'b';
				break;
			case '\f':
				escaped[1] = 'f';
				break;
			case '\n':
				escaped[1] = 'n';
				break;
			case '\r':
				escaped[1] = 'r';
				break;
			case '\t':
				escaped[1] = 't';
				break;
			case '"':
			case '\\':
				escaped[1] = c;
				break;
			default:
				escaped[4] = hex[c >> 4];
				escaped[5] = hex[c & 15];
				size = 6;
		}
		ak_canon_bytes(buf, data + done, i - done);
		ak_canon_bytes(buf, escaped, size);
		done = i + 1;
	}
	ak_canon_bytes(buf, data + done, len - done);
	ak_canon_bytes(buf, "\"", 1);
}

/* Starts a column.  Append the value, then call ak_canon_end() with the result. */
int
ak_canon_column(StringInfo buf, const char *name)
{
	size_t len = strlen(name);
	uint8 *out;

	ak_canon_room(buf, 2 + len + 4);
	out = (uint8 *) buf->data + buf->len;
	put_uint(out, len, 2);
	memcpy(out + 2, name, len);
	buf->len += 2 + len + 4;
	return buf->len;
}

/* Ends a column: fills in the length of its value. */
void
ak_canon_end(StringInfo buf, int column)
{
	put_uint((uint8 *) buf->data + column - 4, buf->len - column, 4);
}

/*
 * Computes the link of an entry: previous is the previous link, NULL for the
 * first; position counts from 1; digest is the entry's.  Returns false if the
 * hash could not be computed.  out may be previous.
 */
bool
ak_link(const uint8 *previous, int64 position, const uint8 *digest, uint8 out[AK_HASH_LEN])
{
	uint8 bytes[1 + AK_HASH_LEN + 8 + AK_HASH_LEN] = {LINK_VERSION};

	if (previous != NULL)
		memcpy(bytes + 1, previous, AK_HASH_LEN);
	put_uint(bytes + 1 + AK_HASH_LEN, position, 8);
	memcpy(bytes + 1 + AK_HASH_LEN + 8, digest, AK_HASH_LEN);
	return ak_sha256(bytes, sizeof(bytes), out);
}
