/*-------------------------------------------------------------------------
 *
 * httpauth.c
 *	  Read an HTTP Authorization header: Basic, Bearer or a bare key.
 *
 * Two schemes are accepted, in any case (RFC 9110, 11.1), then one or more
 * spaces, the credentials, and optional spaces:
 *
 *		Basic base64(workspace:key)		RFC 7617, base64 of RFC 4648, 4
 *		Bearer key						RFC 6750, 2.1
 *
 * and so is a key alone, one word, as a header of its own such as X-API-Key has
 * it.  The name of one of the two schemes alone is no key.
 *
 * The text comes unchecked from the network, so the parser is strict: a header
 * must have the same meaning here and in a proxy in front of the server.
 * Base64 must be exactly what an encoder writes (base64.c).  After Bearer, RFC
 * 6750 allows letters, digits and "-._~+/="; keys issued elsewhere have other
 * characters too, so every printable character except the space is allowed.
 *
 * Rules of this file: no catalog, no memory context, no ereport, no state.  It
 * reads the header by pointer and length, never beyond, and wipes its copies of
 * a key, except the result.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pure/base64.h"
#include "pure/httpauth.h"

/* Base64 encodes three bytes as four, so this is enough for any header's credentials */
#define DECODED_MAX (AK_HEADER_MAX_BYTES / 4 * 3)

/* Returns true if the text is the name of this scheme, given in lower case. */
static bool
is_scheme(const char *text, size_t len, const char *scheme)
{
	if (len != strlen(scheme))
		return false;
	for (size_t i = 0; i < len; i++)
	{
		/* ASCII only, independent of the locale: only letters differ by 0x20 here */
		if ((text[i] | 0x20) != scheme[i])
			return false;
	}
	return true;
}

/* Returns true if the header begins with this scheme and a space. */
static bool
scheme_is(const char *header, size_t len, const char *scheme)
{
	size_t scheme_len = strlen(scheme);

	return len > scheme_len && header[scheme_len] == ' ' && is_scheme(header, scheme_len, scheme);
}

/* Returns true if all bytes are in lowest..0x7e. */
static bool
all_printable(const char *text, size_t len, unsigned char lowest)
{
	size_t i;

	for (i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c < lowest || c > 0x7e)
			return false;
	}
	return true;
}

/* Copies the key, unless its length or its characters are not allowed. */
static bool
take_key(const char *key, size_t len, unsigned char lowest, AkHttpAuth *out)
{
	if (len == 0 || len > AK_KEY_MAX_BYTES || !all_printable(key, len, lowest))
		return false;
	memcpy(out->key, key, len);
	out->key_len = len;
	return true;
}

/* Splits workspace:key at the first colon: a key may contain colons. */
static bool
take_workspace_and_key(const char *text, size_t len, AkHttpAuth *out)
{
	const char *colon = memchr(text, ':', len);
	size_t workspace_len;

	if (colon == NULL)
		return false;
	workspace_len = colon - text;
	if (!ak_workspace_valid(text, workspace_len) || !take_key(colon + 1, len - workspace_len - 1, 0x20, out))
		return false;

	memcpy(out->workspace, text, workspace_len);
	out->workspace_len = workspace_len;
	out->has_workspace = true;
	return true;
}

/* Reads the credentials after Basic. */
static bool
parse_basic(const char *text, size_t len, AkHttpAuth *out)
{
	char decoded[DECODED_MAX];
	int decoded_len = ak_base64_decode(text, len, decoded, sizeof(decoded));
	bool ok = decoded_len > 0 && take_workspace_and_key(decoded, decoded_len, out);

	explicit_bzero(decoded, sizeof(decoded));
	return ok;
}

/*
 * Parses the value of an Authorization header, of len bytes.
 *
 * Returns true if it is valid: *out then holds a key of 1 to AK_KEY_MAX_BYTES
 * printable characters and, for Basic, a well-formed workspace id, which need
 * not exist.  Returns false, with *out all zeros, for anything else, such as
 * another scheme, more than AK_HEADER_MAX_BYTES, bad base64, no colon, an empty
 * or ill-formed workspace, an empty key, a NUL or another byte that is not
 * printable ASCII.
 *
 * The key is a secret in clear text: the caller must wipe *out.
 */
bool
ak_httpauth_parse(const char *header, size_t len, AkHttpAuth *out)
{
	const char *credentials;
	bool basic;

	memset(out, 0, sizeof(*out));
	if (len == 0 || len > AK_HEADER_MAX_BYTES)
		return false;

	/* without this, the name of a scheme alone would be a bare key */
	while (len > 0 && header[len - 1] == ' ')
		len--;
	basic = scheme_is(header, len, "basic");
	if (!basic && !scheme_is(header, len, "bearer"))
		return !is_scheme(header, len, "basic") && !is_scheme(header, len, "bearer") &&
			   take_key(header, len, 0x21, out);
	credentials = header + strlen(basic ? "basic" : "bearer");
	len -= credentials - header;

	while (len > 0 && credentials[0] == ' ')
	{
		credentials++;
		len--;
	}

	if (basic)
		return parse_basic(credentials, len, out);
	return take_key(credentials, len, 0x21, out);
}
