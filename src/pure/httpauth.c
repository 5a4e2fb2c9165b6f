/*-------------------------------------------------------------------------
 *
 * httpauth.c
 *	  Read an HTTP Authorization header: Basic or Bearer.
 *
 * Two forms are understood, the scheme in any case (RFC 9110, 11.1), then one
 * or more spaces, the credentials, and spaces that are ignored:
 *
 *		Basic base64(workspace:key)		RFC 7617, base64 of RFC 4648, 4
 *		Bearer key						RFC 6750, 2.1
 *
 * The text comes from the network as it is, so the reader is strict: one
 * header has one meaning here and in whatever stands in front of us.  Base64
 * must be what an encoder would have written, with its padding, no blanks and
 * no stray bits in the last character (RFC 4648, 3.5).  After Bearer, RFC 6750
 * allows letters, digits and "-._~+/="; keys issued elsewhere carry other signs
 * as well, so every printable character but the space will do.
 *
 * Rules of this file.  It is pure: no catalog, no memory context, no ereport,
 * no state.  It reads the header by pointer and length and never beyond, and
 * it wipes what it copied of a key, except for the result.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"

#include "pure/httpauth.h"

/* Base64 grows three bytes to four, so this holds any header's credentials */
#define DECODED_MAX		(AK_HEADER_MAX_BYTES / 4 * 3)

/* Does the header begin with this scheme (given in lower case) and a space? */
static bool
scheme_is(const char *header, size_t len, const char *scheme)
{
	size_t		scheme_len = strlen(scheme);
	size_t		i;

	if (len <= scheme_len || header[scheme_len] != ' ')
		return false;
	for (i = 0; i < scheme_len; i++)
	{
		/* ASCII alone, whatever the locale: only letters differ by 0x20 here */
		if ((header[i] | 0x20) != scheme[i])
			return false;
	}
	return true;
}

/* Are these bytes all within lowest..0x7e? */
static bool
all_printable(const char *text, size_t len, unsigned char lowest)
{
	size_t		i;

	for (i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c < lowest || c > 0x7e)
			return false;
	}
	return true;
}

/* Take the key over, unless its length or its characters forbid it. */
static bool
take_key(const char *key, size_t len, unsigned char lowest, AkHttpAuth *out)
{
	if (len == 0 || len > AK_KEY_MAX_BYTES || !all_printable(key, len, lowest))
		return false;
	memcpy(out->key, key, len);
	out->key_len = len;
	return true;
}

/* Split workspace:key at the first colon: a key may contain more of them. */
static bool
take_workspace_and_key(const char *text, size_t len, AkHttpAuth *out)
{
	const char *colon = memchr(text, ':', len);
	size_t		workspace_len;

	if (colon == NULL)
		return false;
	workspace_len = colon - text;
	if (!ak_workspace_valid(text, workspace_len) ||
		!take_key(colon + 1, len - workspace_len - 1, 0x20, out))
		return false;

	memcpy(out->workspace, text, workspace_len);
	out->workspace_len = workspace_len;
	out->has_workspace = true;
	return true;
}

/* Read the credentials after Basic. */
static bool
parse_basic(const char *text, size_t len, AkHttpAuth *out)
{
	char		decoded[DECODED_MAX];
	char		again[AK_HEADER_MAX_BYTES];
	int			decoded_len;
	bool		ok;

	/*
	 * pg_b64_decode() lets some things pass that no encoder writes, such as
	 * characters after the padding.  What encodes to the same text again is
	 * strict by definition.  (18 has uint8 * where 14 to 17 have char *.)
	 */
	decoded_len = pg_b64_decode(text, (int) len,
								(void *) decoded, sizeof(decoded));
	ok = decoded_len > 0 &&
		pg_b64_encode((const void *) decoded, decoded_len,
					  again, sizeof(again)) == (int) len &&
		memcmp(again, text, len) == 0 &&
		take_workspace_and_key(decoded, decoded_len, out);

	explicit_bzero(decoded, sizeof(decoded));
	explicit_bzero(again, sizeof(again));
	return ok;
}

/*
 * Read the len bytes of an Authorization header's value.
 *
 * True: *out holds a key of 1 to AK_KEY_MAX_BYTES printable characters and,
 * from Basic, the id of a workspace (a well-formed one, which need not exist).
 * False, with *out all zeros: anything else, such as another scheme, more than
 * AK_HEADER_MAX_BYTES, bad base64, no colon, an empty or ill-formed workspace,
 * an empty key, a NUL or another byte that is not printable ASCII.
 *
 * The key is a secret in the clear: wipe *out when done.
 */
bool
ak_httpauth_parse(const char *header, size_t len, AkHttpAuth *out)
{
	const char *credentials;
	bool		basic;

	memset(out, 0, sizeof(*out));
	if (len == 0 || len > AK_HEADER_MAX_BYTES)
		return false;

	basic = scheme_is(header, len, "basic");
	if (!basic && !scheme_is(header, len, "bearer"))
		return false;
	credentials = header + strlen(basic ? "basic" : "bearer");
	len -= credentials - header;

	/* The first character is a space, so neither loop runs out of text */
	while (len > 0 && credentials[len - 1] == ' ')
		len--;
	while (len > 0 && credentials[0] == ' ')
	{
		credentials++;
		len--;
	}

	if (basic)
		return parse_basic(credentials, len, out);
	return take_key(credentials, len, 0x21, out);
}
