/*-------------------------------------------------------------------------
 *
 * token_fuzz.c
 *	  Fuzz target for src/pure/token.c.
 *
 * The input is used twice: as a text to recognise, and as the bytes of a
 * random source from which a secret is made, whose prefix is the input's
 * beginning or "ak".
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "pure/token.h"

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* The random source under our control, and what it has given so far */
static struct
{
	const uint8 *data;
	size_t size;
	size_t used;
	bool failed;
} source;

static bool
source_bytes(void *buf, size_t len)
{
	if (len > source.size - source.used)
	{
		/* a broken source may well leave something behind */
		memset(buf, 0x55, len);
		source.failed = true;
		return false;
	}
	memcpy(buf, source.data + source.used, len);
	source.used += len;
	return true;
}

/* CRC-32 by its definition, bit by bit */
static uint32
reference_crc(const char *text, size_t len)
{
	uint32 crc = 0xFFFFFFFF;

	for (size_t i = 0; i < len; i++)
	{
		for (int bit = 0; bit < 8; bit++)
		{
			bool in = (((uint8) text[i]) >> bit) & 1;

			crc = (crc >> 1) ^ ((crc & 1) != in ? 0xEDB88320 : 0);
		}
	}
	return ~crc;
}

/* Do these six characters write this number?  Read, where token.c writes. */
static bool
reference_checksum_is(const char *checksum, uint32 crc)
{
	uint64 value = 0;

	for (int i = 0; i < AK_CHECKSUM_LEN; i++)
	{
		const char *digit = checksum[i] ? strchr(digits, checksum[i]) : NULL;

		if (digit == NULL)
			return false;
		value = value * 62 + (uint64) (digit - digits);
	}
	return value == crc;
}

static bool
reference_prefix(const char *text, size_t len)
{
	static Pattern prefix = {.source = "^[a-z][a-z0-9]*(_[a-z0-9]+)*$"};

	return len <= 20 && matches(&prefix, text, len);
}

static bool
reference_workspace(const char *text, size_t len)
{
	static Pattern workspace = {.source = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"};

	return matches(&workspace, text, len);
}

static AkTokenKind
reference_classify(const char *text, size_t len)
{
	static Pattern printable = {.source = "^[ -~]+$"};
	static Pattern shape = {.source = "^[a-z][a-z0-9]*(_[a-z0-9]+)*_[0-9A-Za-z]{49}$"};

	if (len > 512 || !matches(&printable, text, len))
		return AK_TOKEN_MALFORMED;
	if (len > 20 + 1 + 43 + 6 || !matches(&shape, text, len))
		return AK_TOKEN_FOREIGN;
	return reference_checksum_is(text + len - 6, reference_crc(text, len - 6)) ? AK_TOKEN_OURS : AK_TOKEN_MALFORMED;
}

/* Every function that reads a text, against its reference */
static void
check_text(const uint8 *data, size_t size)
{
	char *text = exact_copy(data, size);
	char *checksum = malloc(AK_CHECKSUM_LEN);

	CHECK(checksum != NULL);
	CHECK(ak_token_classify(text, size) == reference_classify(text, size));
	CHECK(ak_prefix_valid(text, size) == reference_prefix(text, size));
	CHECK(ak_workspace_valid(text, size) == reference_workspace(text, size));
	ak_token_checksum(text, size, checksum);
	CHECK(reference_checksum_is(checksum, reference_crc(text, size)));
	free(checksum);
	free(text);
}

/* No single error in a secret, and no swapped pair, may go unnoticed */
static void
check_typos(const char *secret, size_t len, uint8 other)
{
	char *typo = exact_copy(secret, len);
	size_t body = len - AK_CHECKSUM_LEN;

	CHECK(ak_token_classify(typo, len) == AK_TOKEN_OURS);
	for (size_t i = 0; i < len; i++)
	{
		char wrong[3];

		/* one that stays in our alphabet, one of the input, one flipped bit */
		wrong[0] = digits[(other + i) % 62];
		wrong[1] = (char) other;
		wrong[2] = (char) (secret[i] ^ (1 << (other % 8)));
		for (int k = 0; k < 3; k++)
		{
			typo[i] = wrong[k];
			CHECK((ak_token_classify(typo, len) == AK_TOKEN_OURS) == (wrong[k] == secret[i]));
		}
		typo[i] = secret[i];

		/* a CRC finds every burst of up to 32 bits in what it covers */
		if (i + 1 < body && secret[i] != secret[i + 1])
		{
			typo[i] = secret[i + 1];
			typo[i + 1] = secret[i];
			CHECK(ak_token_classify(typo, len) != AK_TOKEN_OURS);
			typo[i] = secret[i];
			typo[i + 1] = secret[i + 1];
		}
	}

	/* one of them, and the secret cut short, by the reference as well */
	typo[other % len] = (char) other;
	check_text((const uint8 *) typo, len);
	check_text((const uint8 *) secret, other % len);
	free(typo);
}

/* A secret is found whatever stands around it */
static void
check_found(const char *secret, size_t len)
{
	static const char *const around[][2] = {{"", ""},     {"Bearer ", "\n"},    {"x", "x"},
											{"__", "__"}, {"\xc3\xa9\"", "\""}, {"key=", "&v=1"}};

	for (int i = 0; i < (int) lengthof(around); i++)
	{
		size_t before = strlen(around[i][0]);
		char *text = calloc(1, before + len + strlen(around[i][1]) + 1);

		CHECK(text != NULL);
		strcat(strcat(strcpy(text, around[i][0]), secret), around[i][1]);
		CHECK(ak_token_find(text, false) == text + before + len - AK_RANDOM_LEN - AK_CHECKSUM_LEN);
		CHECK(ak_token_find(text, true) != NULL);
		free(text);
	}
}

/* Make a secret with this prefix out of these random bytes */
static void
check_make(const char *prefix, const uint8 *data, size_t size)
{
	size_t prefix_len = strlen(prefix);
	char *out = malloc(AK_SECRET_MAX + 1);
	bool made;

	CHECK(out != NULL);
	memset(out, 0x55, AK_SECRET_MAX + 1);
	source.data = data;
	source.size = size;
	source.used = 0;
	source.failed = false;
	made = ak_token_make(prefix, source_bytes, out);

	if (made)
	{
		size_t len = strnlen(out, AK_SECRET_MAX + 1);
		size_t next = 0;

		CHECK(!source.failed);
		CHECK(reference_prefix(prefix, prefix_len));
		CHECK(len == prefix_len + 1 + 43 + 6);
		CHECK(memcmp(out, prefix, prefix_len) == 0 && out[prefix_len] == '_');
		CHECK(reference_classify(out, len) == AK_TOKEN_OURS);

		/* the digits are the usable bytes of the source, in their order */
		for (int i = 0; i < AK_RANDOM_LEN; i++)
		{
			while (data[next] >= 4 * 62)
				next++;
			CHECK(out[prefix_len + 1 + i] == digits[data[next++] % 62]);
		}
		CHECK(next <= source.used);
		check_typos(out, len, data[0]);
		check_found(out, len);
	}
	else
	{
		size_t usable = 0;

		for (size_t i = 0; i < source.used; i++)
			usable += data[i] < 4 * 62;
		CHECK(usable < AK_RANDOM_LEN);
		CHECK(all_zero(out, AK_SECRET_MAX + 1));
	}
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char *terminated;

	check_text(data, size);

	check_make("ak", data, size);

	/* the input up to its first NUL as a prefix, the rest as random bytes */
	terminated = calloc(1, size + 1);
	CHECK(terminated != NULL);
	if (size > 0)
		memcpy(terminated, data, size);
	check_make(terminated, data + strlen(terminated), size - strlen(terminated));
	free(terminated);
	return 0;
}
