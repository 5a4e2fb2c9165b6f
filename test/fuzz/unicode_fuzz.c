/*-------------------------------------------------------------------------
 *
 * unicode_fuzz.c
 *	  Fuzz target for src/pure/unicode.c.
 *
 * The input is read as UTF-8; the reference is the table of well-formed byte
 * sequences (Unicode, table 3-7) as a pattern.  The foldings are checked by
 * what must hold for any: folding again changes nothing, and what shows, or is
 * no space, remains so.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "pure/unicode.h"

/* How long the well-formed character is that this begins with; 0: none */
static int
reference_length(const uint8 *p, size_t size)
{
	static Pattern well_formed[] = {
		{.source = "^[\x01-\x7f]$"},
		{.source = "^[\xc2-\xdf][\x80-\xbf]$"},
		{.source = "^(\xe0[\xa0-\xbf]|[\xe1-\xec][\x80-\xbf]|\xed[\x80-\x9f]|[\xee-\xef][\x80-\xbf])[\x80-\xbf]$"},
		{.source = "^(\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf][\x80-\xbf]$"}};

	if (size > 0 && p[0] == 0)
		return 1; /* which no pattern admits */
	for (int len = 1; len <= 4 && (size_t) len <= size; len++)
		if (matches(&well_formed[len - 1], (const char *) p, len))
			return len;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char *text = exact_copy(data, size);

	for (size_t at = 0; at < size;)
	{
		uint32 c = 0;
		int len = ak_utf8_decode(text + at, text + size, &c);
		uint32 folded;
		char encoded[4];

		CHECK(len == reference_length(data + at, size - at));
		if (len == 0)
		{
			at++;
			continue;
		}
		CHECK(ak_utf8_encode(c, encoded) == len);
		CHECK(memcmp(encoded, text + at, len) == 0);

		folded = ak_char_fold(c);
		CHECK(ak_char_fold(folded) == folded);
		CHECK(folded <= 0x10ffff);
		CHECK(folded == c || !(ak_char_is_space(c) || ak_char_is_invisible(c) || ak_char_is_control(c)));
		CHECK(folded == c || !(ak_char_is_space(folded) || ak_char_is_invisible(folded) || ak_char_is_control(folded)));
		/* ASCII, by itself */
		if (c < 0x80)
		{
			CHECK(folded == (c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c));
			CHECK(ak_char_is_space(c) == (c == ' ' || (c >= '\t' && c <= '\r')));
			CHECK(!ak_char_is_invisible(c));
		}
		at += len;
	}
	CHECK(ak_utf8_decode(text + size, text + size, &(uint32){0}) == 0);
	free(text);
	return 0;
}
