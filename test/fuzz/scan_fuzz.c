/*-------------------------------------------------------------------------
 *
 * scan_fuzz.c
 *	  Fuzz target for ak_token_scan() of src/pure/token.c, which finds secrets in
 *	  any text for find_secrets().
 *
 * No fuzzer guesses a checksum, so the input is a recipe: some of its bytes say
 * that a secret stands there, or one with a mistake, or one that begins with the
 * last letter of the one before; the others are the text around them.  Every
 * secret that was planted must be found, and whatever is found must be what a
 * regular expression and the definition of the checksum say that it is.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "lib/stringinfo.h"
#include "pure/token.h"

#define TAIL        (AK_RANDOM_LEN + AK_CHECKSUM_LEN)
#define PLANTED_MAX 64

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char *const prefixes[] = {"ak", "a", "acme_live", "x9_y", "abcdefghij_klmnopqrs"};

/* Where secrets were planted: the offset of their tail, which tells them apart */
static size_t planted[PLANTED_MAX];
static int count;

static bool
is_shape(const char *text, size_t len)
{
	static Pattern shape = {.source = "^[a-z][a-z0-9]*(_[a-z0-9]+)*_[0-9A-Za-z]{49}$"};

	return len <= AK_SECRET_MAX && matches(&shape, text, len);
}

/* CRC-32 by its definition, bit by bit, as the number that the last six characters write */
static bool
is_secret(const char *text, size_t len)
{
	uint32 crc = 0xFFFFFFFF;
	uint64 value = 0;

	if (!is_shape(text, len))
		return false;
	for (size_t i = 0; i < len - AK_CHECKSUM_LEN; i++)
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) != ((((uint8) text[i]) >> bit) & 1) ? 0xEDB88320 : 0);
	for (size_t i = len - AK_CHECKSUM_LEN; i < len; i++)
		value = value * 62 + (uint64) (strchr(digits, text[i]) - digits);
	return value == (uint32) ~crc;
}

static bool
is_word(char c)
{
	return c != '\0' && strchr(digits, c) != NULL;
}

/* Appends the rest of a secret whose prefix and "_" stand at "start"; seed makes its digits. */
static void
append_tail(StringInfo text, size_t start, uint32 seed)
{
	char checksum[AK_CHECKSUM_LEN];

	if (count < PLANTED_MAX)
		planted[count++] = text->len;
	for (int i = 0; i < AK_RANDOM_LEN; i++)
	{
		seed = seed * 1664525 + 1013904223;
		appendStringInfoChar(text, digits[(seed >> 16) % 62]);
	}
	ak_token_checksum(text->data + start, text->len - start, checksum);
	appendBinaryStringInfo(text, checksum, AK_CHECKSUM_LEN);
}

static void
append_secret(StringInfo text, const char *prefix, uint32 seed)
{
	size_t start = text->len;

	appendStringInfo(text, "%s_", prefix);
	append_tail(text, start, seed);
}

/* Follows the recipe. */
static void
cook(const uint8 *data, size_t size, StringInfo text)
{
	count = 0;
	for (size_t i = 0; i < size && text->len < 20000; i++)
	{
		const char *prefix = prefixes[data[i] / 5 % lengthof(prefixes)];
		uint32 seed = (uint32) i * 2654435761U + data[i];

		if (data[i] < 0x80)
			appendStringInfoChar(text, (char) data[i]);
		else if (data[i] < 0xC0)
			append_secret(text, prefix, seed);
		else if (data[i] < 0xD0)
		{
			/* with a mistake in its checksum */
			append_secret(text, prefix, seed);
			text->data[text->len - 1] = text->data[text->len - 1] == '7' ? '8' : '7';
			count -= count > 0 && planted[count - 1] + TAIL == (size_t) text->len;
		}
		else if (data[i] < 0xE0)
		{
			/* one whose prefix is the last letter of what stands before */
			if (text->len == 0 || !(text->data[text->len - 1] >= 'a' && text->data[text->len - 1] <= 'z'))
				appendStringInfoChar(text, 'q');
			appendStringInfoChar(text, '_');
			append_tail(text, text->len - 2, seed);
		}
		else if (data[i] < 0xF0)
		{
			/* digits, as many as a tail has or nearly */
			for (int n = 40 + data[i] % 16; n > 0; n--)
				appendStringInfoChar(text, digits[(seed = seed * 1664525 + 1013904223) % 62]);
		}
		else
			appendStringInfoChar(text, (char) data[i]);
	}
}

/* Looks at one that was found at "at", where the one before ended at "from". */
static void
check_found(const char *text, size_t len, size_t from, size_t at, size_t found_len, bool valid)
{
	size_t tail = at + found_len - TAIL;

	CHECK(at + found_len <= len);
	CHECK(is_shape(text + at, found_len));
	CHECK(valid == is_secret(text + at, found_len));
	/* its "_" is not in the one before */
	CHECK(tail > from);
	for (size_t start = tail - 2; !valid && start + AK_PREFIX_MAX + 1 >= tail; start--)
	{
		/* none is right, and no longer prefix is possible */
		CHECK(!is_secret(text + start, tail + TAIL - start));
		CHECK(start >= at || start < from || !is_shape(text + start, tail + TAIL - start));
		if (start == 0)
			break;
	}
	/* a wrong one overlaps nothing, and ends where the pattern for scanners does */
	CHECK(valid || (at >= from && (tail + TAIL == len || !(is_word(text[tail + TAIL]) || text[tail + TAIL] == '_'))));
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	StringInfoData cooked;
	char *text;
	size_t len;
	size_t from = 0;
	size_t at;
	size_t found_len;
	bool valid;
	int next = 0;

	initStringInfo(&cooked);
	cook(data, size, &cooked);
	len = cooked.len;
	text = exact_copy(cooked.data, len);
	while ((at = ak_token_scan(text, len, from, &found_len, &valid)) < len)
	{
		size_t tail = at + found_len - TAIL;

		check_found(text, len, from, at, found_len, valid);
		/* those planted are found, in their order */
		CHECK(next >= count || planted[next] >= tail);
		if (next < count && planted[next] == tail)
		{
			CHECK(valid);
			next++;
		}
		from = at + found_len;
	}
	CHECK(at == len && next == count);
	free(text);
	pfree(cooked.data);
	return 0;
}
