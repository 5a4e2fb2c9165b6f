/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Make, recognise and checksum the text of a secret.
 *
 * A secret reads
 *
 *		<prefix>_<43 characters><6 characters>
 *
 * The 43 are uniform over 0-9A-Za-z, which is 256 bits of chance.  The last
 * six are the CRC-32 of everything before them, in base 62.  So a scanner
 * finds a leaked secret by its shape alone, and a mistyped one is refused
 * before any table is read.  The checksum is public arithmetic and protects
 * nothing: comparing it need not take constant time.
 *
 * Rules of this file.  It is pure: no catalog, no memory context, no
 * ereport, no state but a table of constants, so that a fuzzer can link it.  It reads text by pointer
 * and length, never beyond the length, and asks for no terminating zero;
 * bytes of 0x80 and above are just not printable.  Character classes are
 * ASCII comparisons, never <ctype.h>, because the locale must not decide what
 * a secret looks like.  A CRC has been the same on every machine since 1975
 * and its table is the server's own (pg_crc32_table).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/pg_crc.h"

#include "token.h"

/* The digits of a secret, in the order of their value */
static const char base62[] =
"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define BASE			62

/* The multiples of 62 that fit into a byte; higher bytes would be biased */
#define UNBIASED_BYTES	(256 / BASE * BASE)

/*
 * Random bytes drawn at once, and how often.  One byte in 32 is thrown away,
 * so one draw nearly always yields 43 digits.  Running dry after eight means
 * that the source is broken, not that we had bad luck.
 */
#define DRAW_BYTES		64
#define MAX_DRAWS		8

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static inline bool
is_alnum(char c)
{
	return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

/*
 * Are these characters all of 0-9A-Za-z?  Without a branch for each: in a
 * random text the processor would guess digit, small or capital wrong every
 * other time, which costs more than all else here.
 */
static bool
all_alnum(const char *text, size_t len)
{
	unsigned	other = 0;

	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) text[i];

		other |= ((unsigned char) (c - '0') > 9) & ((unsigned char) ((c | 0x20) - 'a') > 25);
	}
	return other == 0;
}

/* Is this exactly our shape, whatever its checksum? */
static bool
has_our_shape(const char *text, size_t len)
{
	const size_t tail = AK_RANDOM_LEN + AK_CHECKSUM_LEN;
	size_t		prefix_len;

	if (len < 1 + 1 + tail || len > AK_SECRET_MAX)
		return false;

	/* The tail holds no '_', so there is only one way to cut the text */
	prefix_len = len - tail - 1;
	return text[prefix_len] == '_' && all_alnum(text + prefix_len + 1, tail) && ak_prefix_valid(text, prefix_len);
}

/*
 * What is this text that claims to be a key?
 *
 * MALFORMED: empty, over AK_KEY_MAX_BYTES, with a byte outside 0x20..0x7e, or
 * of our exact shape with a wrong checksum.  OURS: our shape and the right
 * checksum.  FOREIGN: any other printable text, which import_key may have
 * adopted.  text may be NULL when len is 0.
 */
AkTokenKind
ak_token_classify(const char *text, size_t len)
{
	char		checksum[AK_CHECKSUM_LEN];
	size_t		body;
	size_t		i;

	if (len == 0 || len > AK_KEY_MAX_BYTES)
		return AK_TOKEN_MALFORMED;

	if (!has_our_shape(text, len))
	{
		for (i = 0; i < len; i++)
		{
			unsigned char c = (unsigned char) text[i];

			if (c < 0x20 || c > 0x7e)
				return AK_TOKEN_MALFORMED;
		}
		return AK_TOKEN_FOREIGN;
	}

	body = len - AK_CHECKSUM_LEN;
	ak_token_checksum(text, body, checksum);
	if (memcmp(checksum, text + body, AK_CHECKSUM_LEN) != 0)
		return AK_TOKEN_MALFORMED;
	return AK_TOKEN_OURS;
}

/*
 * Make a new secret into out, NUL-terminated.
 *
 * prefix is NUL-terminated and satisfies ak_prefix_valid().  random_bytes
 * fills a buffer with bytes fit for keys and returns false when it cannot:
 * pg_strong_random() in the server.  Every digit comes from a byte below
 * 4 * 62, taken modulo 62, so all 62 are equally likely.
 *
 * Returns false, with out all zeros, when the random source failed or the
 * prefix is not valid.  What was drawn is wiped; wiping out is up to the
 * caller.
 */
bool
ak_token_make(const char *prefix,
			  bool (*random_bytes) (void *buf, size_t len),
			  char out[AK_SECRET_MAX + 1])
{
	size_t		prefix_len = strnlen(prefix, AK_PREFIX_MAX + 1);
	uint8		drawn[DRAW_BYTES];
	char	   *next;
	char	   *end;
	int			draws;

	memset(out, 0, AK_SECRET_MAX + 1);
	if (!ak_prefix_valid(prefix, prefix_len))
		return false;

	memcpy(out, prefix, prefix_len);
	out[prefix_len] = '_';
	next = out + prefix_len + 1;
	end = next + AK_RANDOM_LEN;

	for (draws = 0; draws < MAX_DRAWS && next < end; draws++)
	{
		size_t		i;

		if (!random_bytes(drawn, sizeof(drawn)))
			break;
		for (i = 0; i < sizeof(drawn) && next < end; i++)
		{
			if (drawn[i] < UNBIASED_BYTES)
				*next++ = base62[drawn[i] % BASE];
		}
	}
	explicit_bzero(drawn, sizeof(drawn));

	if (next < end)
	{
		explicit_bzero(out, AK_SECRET_MAX + 1);
		return false;
	}

	ak_token_checksum(out, end - out, end);
	return true;
}

/*
 * The checksum of a text: the CRC-32 of IEEE 802.3 (the one of Ethernet, zip
 * and PNG) of its len bytes, as a base-62 number in the digits 0-9A-Za-z, most
 * significant first, padded with '0'.  Six digits always suffice, since 62^6
 * is above 2^32.  out gets AK_CHECKSUM_LEN characters and no zero.
 *
 * Vector: "ak_" and 43 zeros give 2PL60u.
 */
void
ak_token_checksum(const char *text, size_t len, char out[AK_CHECKSUM_LEN])
{
	pg_crc32	crc;
	int			i;

	INIT_TRADITIONAL_CRC32(crc);
	COMP_TRADITIONAL_CRC32(crc, text, len);
	FIN_TRADITIONAL_CRC32(crc);
	for (i = AK_CHECKSUM_LEN - 1; i >= 0; i--)
	{
		out[i] = base62[crc % BASE];
		crc /= BASE;
	}
}

/*
 * May this be the prefix of a workspace's secrets?
 * ^[a-z][a-z0-9]*(_[a-z0-9]+)*$, 1 to AK_PREFIX_MAX bytes.
 */
bool
ak_prefix_valid(const char *text, size_t len)
{
	size_t		i;

	if (len == 0 || len > AK_PREFIX_MAX || !is_lower(text[0]))
		return false;

	for (i = 1; i < len; i++)
	{
		if (text[i] == '_')
		{
			/* between two characters only: neither doubled nor at the end */
			if (text[i - 1] == '_' || i == len - 1)
				return false;
		}
		else if (!is_lower(text[i]) && !is_digit(text[i]))
			return false;
	}
	return true;
}

/*
 * May this be the id of a workspace?
 * ^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$, so 1 to AK_WORKSPACE_MAX bytes.
 */
bool
ak_workspace_valid(const char *text, size_t len)
{
	size_t		i;

	if (len == 0 || len > AK_WORKSPACE_MAX || !is_alnum(text[0]))
		return false;

	for (i = 1; i < len; i++)
	{
		if (!is_alnum(text[i]) &&
			text[i] != '.' && text[i] != '_' && text[i] != '-')
			return false;
	}
	return true;
}
