/*-------------------------------------------------------------------------
 *
 * base64.c
 *	  Base64 (RFC 4648, 4), with the server's encoder and decoder.
 *
 * pg_b64_decode() accepts some texts that no encoder writes, such as characters
 * after the padding, blanks, or unused bits in the last character.  What we read
 * comes from the network or must have one form only (RFC 4648, 3.5).  So what
 * was decoded is encoded again, and must be the same text.
 *
 * Rules of this file: no catalog, no ereport, no state.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"

#include "pure/base64.h"

/* Appends bytes in base64. */
void
ak_base64_append(StringInfo out, const void *bytes, size_t len)
{
	int room = pg_b64_enc_len((int) len) + 1;
	int written;

	enlargeStringInfo(out, room);
	written = pg_b64_encode(bytes, (int) len, out->data + out->len, room);
	Assert(written >= 0);
	out->len += written;
	out->data[out->len] = '\0';
}

/*
 * Decodes what an encoder wrote, at most AK_BASE64_MAX_BYTES, into the "room"
 * bytes at out.  Returns the number of bytes, or -1 for any other text.  It may
 * be a secret: the copy made here is wiped, and the caller must wipe out.
 */
int
ak_base64_decode(const char *text, size_t len, void *out, size_t room)
{
	char again[AK_BASE64_MAX_BYTES];
	int decoded;

	if (len > sizeof(again))
		return -1;
	/* before PostgreSQL 18, the types of these arguments are other ones: void * fits all */
	decoded = pg_b64_decode(text, (int) len, out, (int) room);
	if (decoded >= 0 && (pg_b64_encode((const void *) out, decoded, again, sizeof(again)) != (int) len ||
						 memcmp(again, text, len) != 0))
		decoded = -1;
	explicit_bzero(again, sizeof(again));
	return decoded;
}
