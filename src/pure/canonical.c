/*-------------------------------------------------------------------------
 *
 * canonical.c
 *	  The canonical bytes of a row.  Pure: no catalog, no state.
 *
 * They are the version, one byte, and then for each column that is stored, in
 * the table's order: the length of its name (1 byte), the name, the type of the
 * value (1 byte, AkCanonType), the length of the value (4 bytes), and the
 * value.  Numbers are in network order, texts in UTF-8.  Nothing here depends
 * on a setting, and the bytes can be read without the table.
 *
 * A column that is NULL or has its default is left out (row_digest.c), so that
 * a row has the same bytes before and after a later version adds a column.
 *
 * The version is never 0 or 1: RFC 6962 hashes a leaf's bytes behind a byte 0,
 * and a node of the tree behind a byte 1.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pure/canonical.h"

#define CANON_VERSION 2

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
ak_canon_column(StringInfo buf, const char *name, AkCanonType type)
{
	size_t len = strlen(name);
	uint8 *out;

	Assert(len <= UINT8_MAX);
	ak_canon_room(buf, 1 + len + 1 + 4);
	out = (uint8 *) buf->data + buf->len;
	*out++ = (uint8) len;
	memcpy(out, name, len);
	out[len] = (uint8) type;
	buf->len += 1 + len + 1 + 4;
	return buf->len;
}

/* Ends a column: fills in the length of its value. */
void
ak_canon_end(StringInfo buf, int column)
{
	ak_put_uint((uint8 *) buf->data + column - 4, buf->len - column, 4);
}
