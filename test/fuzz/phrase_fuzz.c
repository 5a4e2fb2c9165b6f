/*-------------------------------------------------------------------------
 *
 * phrase_fuzz.c
 *	  Fuzz target for src/pure/phrase.c.
 *
 * The first byte of the input says in which column the text begins, the rest is the
 * text.  The header is read by a reader of our own: lines, encoded words,
 * base64; what it reads must be what went in.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "pure/phrase.h"

static const char begin[] = "=?UTF-8?B?";
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Appends what base64 stands for. */
static void
decode(const char *text, size_t len, StringInfo out)
{
	uint32 bits = 0;
	int count = 0;
	size_t padding = 0;

	for (size_t i = 0; i < len; i++)
	{
		const char *digit;

		if (text[i] == '=')
		{
			padding++;
			continue;
		}
		digit = strchr(digits, text[i]);
		CHECK(digit != NULL && padding == 0);
		bits = bits << 6 | (uint32) (digit - digits);
		count += 6;
		if (count >= 8)
		{
			count -= 8;
			appendStringInfoChar(out, (char) (bits >> count));
			bits &= (1U << count) - 1;
		}
	}
	CHECK(bits == 0 && padding <= 2 && count == (int) padding * 2);
}

/* Undoes encoded words; plain words are themselves. */
static void
read_phrase(const char *text, size_t len, size_t column, StringInfo out)
{
	if (len < sizeof(begin) || strncmp(text, begin, sizeof(begin) - 1) != 0)
	{
		CHECK(column + len <= 76);
		for (size_t i = 0; i < len; i++)
			CHECK(isalnum((unsigned char) text[i]) || strchr("-_ ", text[i]) != NULL);
		appendBinaryStringInfo(out, text, len);
		return;
	}
	for (const char *word = text; word < text + len;)
	{
		const char *end = strstr(word, "?=");

		CHECK(strncmp(word, begin, sizeof(begin) - 1) == 0 && end != NULL && end - word <= 73);
		decode(word + sizeof(begin) - 1, end - word - (sizeof(begin) - 1), out);
		word = end + 2;
		if (word < text + len)
		{
			CHECK(strncmp(word, "\r\n ", 3) == 0);
			word += 3;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	StringInfoData header, got;
	char *text;
	size_t column;

	if (size == 0)
		return 0;
	column = 1 + data[0] % 32;
	text = exact_copy(data + 1, size - 1);
	initStringInfo(&header);
	initStringInfo(&got);

	ak_append_phrase(&header, text, size - 1, column);
	for (int i = 0; i < header.len; i++)
		CHECK((header.data[i] >= ' ' && header.data[i] <= '~') || header.data[i] == '\r' || header.data[i] == '\n');
	read_phrase(header.data, header.len, column, &got);
	CHECK((size_t) got.len == size - 1 && memcmp(got.data, text, size - 1) == 0);

	pfree(header.data);
	pfree(got.data);
	free(text);
	return 0;
}
