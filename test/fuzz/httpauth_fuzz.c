/*-------------------------------------------------------------------------
 *
 * httpauth_fuzz.c
 *	  Fuzz target for src/pure/httpauth.c.
 *
 * The input's first byte says what the rest is: a whole header, which may be a
 * key alone, a key after
 * Bearer, credentials to be encoded after Basic, or the same with one
 * character of the base64 replaced.  Blind bytes alone would hardly ever be
 * base64 of something that has a colon.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "pure/httpauth.h"

/* Room for a header above every limit, and for its encoding */
#define HEADER_ROOM 4096

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

typedef struct Text
{
	size_t len;
	char bytes[HEADER_ROOM];
} Text;

/* What the parser should have said */
typedef struct Expected
{
	bool ok;
	bool has_workspace;
	Text workspace;
	Text key;
} Expected;

static void
append(Text *text, const void *bytes, size_t len)
{
	CHECK(len <= HEADER_ROOM - text->len);
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

/* RFC 4648, 4: 24 bits at a time as four digits */
static void
reference_encode(const uint8 *data, size_t size, Text *out)
{
	for (size_t i = 0; i < size; i += 3)
	{
		size_t have = Min(size - i, 3);
		uint32 bits = (uint32) data[i] << 16;
		char quad[4];

		if (have > 1)
			bits |= (uint32) data[i + 1] << 8;
		if (have > 2)
			bits |= data[i + 2];
		for (size_t k = 0; k < 4; k++)
			quad[k] = k <= have ? alphabet[(bits >> (18 - 6 * k)) & 63] : '=';
		append(out, quad, 4);
	}
}

/*
 * RFC 4648, 4 and 3.5: the form by a pattern, the bits one by one, and none
 * but zeros may be left over.
 */
static bool
reference_decode(const char *text, size_t len, Text *out)
{
	static Pattern base64 = {.source = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"};
	size_t bits = 0;
	unsigned value = 0;

	if (!matches(&base64, text, len))
		return false;
	for (size_t i = 0; i < len && text[i] != '='; i++)
	{
		unsigned digit = strchr(alphabet, text[i]) - alphabet;

		for (int bit = 5; bit >= 0; bit--)
		{
			value = (value << 1) | ((digit >> bit) & 1);
			if (++bits % 8 == 0)
			{
				char byte = (char) value;

				append(out, &byte, 1);
				value = 0;
			}
		}
	}
	return value == 0;
}

/* workspace:key, as decoded from Basic */
static void
reference_credentials(const char *text, size_t len, Expected *expected)
{
	static Pattern pair = {.source = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}:[ -~]+$"};
	size_t colon = 0;

	if (!matches(&pair, text, len))
		return;
	while (text[colon] != ':')
		colon++;
	if (len - colon - 1 > 512)
		return;
	expected->ok = true;
	expected->has_workspace = true;
	append(&expected->workspace, text, colon);
	append(&expected->key, text + colon + 1, len - colon - 1);
}

static void
reference_parse(const char *header, size_t len, Expected *expected)
{
	static Pattern basic = {.source = "^[Bb][Aa][Ss][Ii][Cc] +[A-Za-z0-9+/=]+ *$"};
	static Pattern bearer = {.source = "^[Bb][Ee][Aa][Rr][Ee][Rr] +[!-~]+ *$"};
	static Pattern bare = {.source = "^[!-~]+ *$"};
	static Pattern scheme = {.source = "^([Bb][Aa][Ss][Ii][Cc]|[Bb][Ee][Aa][Rr][Ee][Rr]) *$"};

	memset(expected, 0, sizeof(*expected));
	if (len > 1024)
		return;
	if (matches(&basic, header, len))
	{
		Text decoded = {0};

		header += 5;
		len -= 5;
		while (*header == ' ')
			header++, len--;
		while (header[len - 1] == ' ')
			len--;
		if (reference_decode(header, len, &decoded))
			reference_credentials(decoded.bytes, decoded.len, expected);
	}
	else if (matches(&bearer, header, len))
	{
		header += 6;
		len -= 6;
		while (*header == ' ')
			header++, len--;
		while (header[len - 1] == ' ')
			len--;
		if (len <= 512)
		{
			expected->ok = true;
			append(&expected->key, header, len);
		}
	}
	else if (matches(&bare, header, len) && !matches(&scheme, header, len))
	{
		while (header[len - 1] == ' ')
			len--;
		if (len <= 512)
		{
			expected->ok = true;
			append(&expected->key, header, len);
		}
	}
}

/* The parser on this header, against what is expected */
static void
check_header(const char *header, size_t len, const Expected *expected)
{
	char *exact = exact_copy(header, len);
	AkHttpAuth *auth = malloc(sizeof(AkHttpAuth));
	bool ok;

	CHECK(auth != NULL);
	memset(auth, 0x55, sizeof(*auth));
	ok = ak_httpauth_parse(exact, len, auth);

	CHECK(ok == expected->ok);
	if (ok)
	{
		CHECK(auth->has_workspace == expected->has_workspace);
		CHECK(auth->workspace_len == expected->workspace.len);
		CHECK(memcmp(auth->workspace, expected->workspace.bytes, auth->workspace_len) == 0);
		CHECK(all_zero(auth->workspace + auth->workspace_len, sizeof(auth->workspace) - auth->workspace_len));
		CHECK(auth->key_len == expected->key.len && auth->key_len > 0);
		CHECK(memcmp(auth->key, expected->key.bytes, auth->key_len) == 0);
		CHECK(all_zero(auth->key + auth->key_len, sizeof(auth->key) - auth->key_len));
		CHECK(memchr(auth->key, '\0', auth->key_len) == NULL);
		CHECK(auth->has_workspace == ak_workspace_valid(auth->workspace, auth->workspace_len));
	}
	else
		CHECK(all_zero(auth, sizeof(*auth)));

	free(auth);
	free(exact);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static Text header;
	static Expected expected;
	static Expected direct;
	uint8 mode;

	if (size == 0 || size > HEADER_ROOM / 2)
		return 0;
	mode = data[0];
	data++;
	size--;

	header.len = 0;
	switch (mode % 4)
	{
		case 0:
			append(&header, data, size);
			break;
		case 1:
			append(&header, (mode & 4) ? "Bearer " : "bEARER  ", (mode & 4) ? 7 : 8);
			append(&header, data, size);
			break;
		default:
			append(&header, (mode & 4) ? "Basic " : "bASIC  ", (mode & 4) ? 6 : 7);
			reference_encode(data, size, &header);
			if (mode & 8)
				append(&header, "  ", 2);
			break;
	}

	if (mode % 4 == 2)
	{
		/* what was encoded is what must come out, if it is any good */
		memset(&direct, 0, sizeof(direct));
		if (header.len <= 1024)
			reference_credentials((const char *) data, size, &direct);
		check_header(header.bytes, header.len, &direct);
	}
	else if (mode % 4 == 3 && size > 0)
		header.bytes[header.len - 1 - data[0] % header.len] = (char) data[size - 1];

	reference_parse(header.bytes, header.len, &expected);
	check_header(header.bytes, header.len, &expected);
	return 0;
}
