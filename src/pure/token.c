/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Make, classify and checksum the text of a secret.
 *
 * A secret reads
 *
 *		<prefix>_<43 characters><6 characters>
 *
 * The 43 are uniform over 0-9A-Za-z, which is 256 bits of randomness.  The last
 * six are the CRC-32 of everything before them, in base 62.  So a scanner can
 * recognize a leaked secret by its form alone, and a mistyped one is refused
 * before any table is read.  The checksum protects no secret: comparing it need
 * not take constant time.
 *
 * Rules of this file: no catalog, no memory context, no ereport, no state
 * except a table of constants, so that a fuzzer can link it.  It reads text by
 * pointer and length, never beyond the length, and needs no terminating zero;
 * bytes of 0x80 and above are not printable.  Character classes are ASCII
 * comparisons, never <ctype.h>, because the locale must not matter.  The table
 * of the CRC is the server's own (pg_crc32_table).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/pg_crc.h"

#include "pure/token.h"

/* The digits of base 62, in the order of their value */
static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define BASE 62

/* What follows the "_" of a secret */
#define TAIL_LEN (AK_RANDOM_LEN + AK_CHECKSUM_LEN)

/* Minimum lengths of a run that looks random, see ak_token_find() */
#define CUT_MIN          33
#define CUT_PREFIXED_MIN 28
#define CUT_DEFAULT_MIN  16

/* The largest multiple of 62 in a byte: digits from higher bytes would be biased */
#define UNBIASED_BYTES (256 / BASE * BASE)

/*
 * Random bytes per draw, and the maximum number of draws.  One byte in 32 is
 * discarded, so one draw nearly always yields 43 digits.  If eight are not
 * enough, the random source is broken.
 */
#define DRAW_BYTES 64
#define MAX_DRAWS  8

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

/* Returns true if a character is not in 0-9A-Za-z.  Without a branch, for tail_alnum(). */
static inline bool
is_other(unsigned char c)
{
	return ((unsigned char) (c - '0') > 9) & ((unsigned char) ((c | 0x20) - 'a') > 25);
}

/*
 * Returns true if the 49 characters of a secret behind its prefix are in
 * 0-9A-Za-z.  Without a branch per character: in a random text about half of the
 * branches would be mispredicted, which would cost more than the rest of the
 * function.  In bytes, and 48 of them in a loop, which compilers turn into vector
 * instructions: 80 for 630.
 */
static bool
tail_alnum(const char *tail)
{
	unsigned char other = is_other(tail[TAIL_LEN - 1]);

	for (int i = 0; i < TAIL_LEN - 1; i++)
		other |= is_other(tail[i]);
	return other == 0;
}

/* Returns true if the text has exactly the form of our secrets, whatever its checksum. */
static bool
has_our_shape(const char *text, size_t len)
{
	size_t prefix_len;

	if (len < 1 + 1 + TAIL_LEN || len > AK_SECRET_MAX)
		return false;

	/* the tail contains no '_', so there is only one way to split the text */
	prefix_len = len - TAIL_LEN - 1;
	return text[prefix_len] == '_' && tail_alnum(text + prefix_len + 1) && ak_prefix_valid(text, prefix_len);
}

/*
 * Classifies a text that was given as a key.
 *
 * MALFORMED: empty, over AK_KEY_MAX_BYTES, with a byte outside 0x20..0x7e, or
 * exactly our form with a wrong checksum.  OURS: our form and the right
 * checksum.  FOREIGN: any other printable text, which may be an imported key.
 * text may be NULL if len is 0.
 */
AkTokenKind
ak_token_classify(const char *text, size_t len)
{
	char checksum[AK_CHECKSUM_LEN];
	size_t body;
	size_t i;

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
 * Returns true if a run of 0-9A-Za-z looks random, rather than written by
 * people or in base 16, 32 or 36: it has a digit, at least an eighth are
 * capitals and an eighth small letters, and at least two in five characters are
 * of another of these three kinds than the previous one (in random runs, 62 in
 * 100 are).
 */
static bool
looks_random(const char *run, size_t len)
{
	size_t digits = 0;
	size_t small = 0;
	size_t changes = 0;

	for (size_t i = 0; i < len; i++)
	{
		digits += is_digit(run[i]);
		small += is_lower(run[i]);
		changes += i > 0 && (is_digit(run[i]) != is_digit(run[i - 1]) || is_lower(run[i]) != is_lower(run[i - 1]));
	}
	return digits > 0 && 8 * small >= len && 8 * (len - digits - small) >= len && 5 * changes >= 2 * (len - 1);
}

/* Returns true if a run of 0-9A-Za-z after a "_" is the rest of a secret that begins before it. */
static bool
ends_secret(const char *text, const char *run, size_t len)
{
	if (len < TAIL_LEN)
		return false;
	for (const char *start = run - 2; start >= text && run - 1 - start <= AK_PREFIX_MAX; start--)
		if (ak_token_classify(start, run - start + TAIL_LEN) == AK_TOKEN_OURS)
			return true;
	return false;
}

/*
 * Finds the first part of a text (with its NUL) that looks like a secret of
 * ours, whole, cut, or within other text.  Returns the beginning of its random
 * part, or NULL.  It looks for
 *
 *	  - a secret with its checksum, whatever surrounds it;
 *	  - a run of 0-9A-Za-z that looks random, of CUT_MIN characters or more,
 *		or of CUT_PREFIXED_MIN after a "_", or of CUT_DEFAULT_MIN after
 *		"ak_".
 *
 * This misses 2 in 100 random runs of 28 characters, and one in 400 of 43.  A
 * secret cut to less, after another prefix than "ak_", lacks 95 bits, one
 * without a prefix 60.  Common identifiers have no such runs: UUIDs, digests in
 * hexadecimal, ULIDs, KSUIDs (27 after a "_"), the 32 characters of
 * better-auth.  Most long words do not match either.  For a message, which can
 * do without the text, shorter runs count.
 */
const char *
ak_token_find(const char *text, bool for_message)
{
	const char *run = text;

	while (*(run += strcspn(run, base62)) != '\0')
	{
		size_t len = strspn(run, base62);
		bool prefixed = run > text && run[-1] == '_';
		bool by_default = prefixed && run - text >= 3 && memcmp(run - 3, "ak_", 3) == 0;
		size_t min = by_default || (for_message && prefixed) ? CUT_DEFAULT_MIN
					 : prefixed || for_message               ? CUT_PREFIXED_MIN
															 : CUT_MIN;

		if ((len >= min && looks_random(run, len)) ||
			(prefixed && (for_message ? len >= TAIL_LEN : ends_secret(text, run, len))))
			return run;
		run += len;
	}
	return NULL;
}

/*
 * Finds the next secret at or after "from" in a text of len bytes, such as a log
 * or a file: where 49 of 0-9A-Za-z follow a "_" that follows a valid prefix.
 * Returns its offset, with its length in *found_len, and in *valid whether its
 * checksum is right; returns len if there is none.
 *
 * The checksum decides where the prefix begins, since a secret may stand behind
 * other text ("key_ak_..."), and whether it ends in a longer run.  If it is
 * right for no prefix, the longest one counts, but not before another letter,
 * digit or "_".  So nothing written before a secret hides it: a prefix may even
 * begin in the tail of the secret before, which ends at "from".
 */
size_t
ak_token_scan(const char *text, size_t len, size_t from, size_t *found_len, bool *valid)
{
	size_t at = from;

	while (at < len)
	{
		size_t run = at;
		size_t longest = len;

		while (at < len && is_alnum(text[at]))
			at++;
		if (run > from && text[run - 1] == '_' && at - run >= TAIL_LEN)
		{
			for (size_t start = run - 1; start-- > 0 && run - 1 - start <= AK_PREFIX_MAX;)
			{
				*found_len = run + TAIL_LEN - start;
				*valid = ak_token_classify(text + start, *found_len) == AK_TOKEN_OURS;
				if (*valid)
					return start;
				if (start >= from && ak_prefix_valid(text + start, run - 1 - start))
					longest = start;
			}
			if (longest < len && at - run == TAIL_LEN && (at == len || text[at] != '_'))
			{
				*found_len = run + TAIL_LEN - longest;
				return longest;
			}
		}
		at++;
	}
	return len;
}

/*
 * Makes a new secret in out, NUL-terminated.
 *
 * prefix is NUL-terminated and satisfies ak_prefix_valid().  random_bytes fills
 * a buffer with cryptographically strong random bytes and returns false on
 * failure: pg_strong_random() in the server.  Every digit comes from a byte
 * below 4 * 62, taken modulo 62, so all 62 are equally likely.
 *
 * Returns false, with out all zeros, if the random source failed or the prefix
 * is not valid.  The random bytes are wiped; the caller must wipe out.
 */
bool
ak_token_make(const char *prefix, bool (*random_bytes)(void *buf, size_t len), char out[AK_SECRET_MAX + 1])
{
	size_t prefix_len = strnlen(prefix, AK_PREFIX_MAX + 1);
	uint8 drawn[DRAW_BYTES];
	char *next;
	char *end;
	int draws;

	memset(out, 0, AK_SECRET_MAX + 1);
	if (!ak_prefix_valid(prefix, prefix_len))
		return false;

	memcpy(out, prefix, prefix_len);
	out[prefix_len] = '_';
	next = out + prefix_len + 1;
	end = next + AK_RANDOM_LEN;

	for (draws = 0; draws < MAX_DRAWS && next < end; draws++)
	{
		size_t i;

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
 * Computes the checksum of a text: the CRC-32 of IEEE 802.3 (as in Ethernet,
 * zip and PNG) of its len bytes, as a base-62 number with the digits 0-9A-Za-z,
 * most significant first, padded with '0'.  Six digits always suffice, since
 * 62^6 is above 2^32.  out gets AK_CHECKSUM_LEN characters and no terminating
 * zero.
 *
 * Test vector: "ak_" and 43 zeros give 2PL60u.
 */
void
ak_token_checksum(const char *text, size_t len, char out[AK_CHECKSUM_LEN])
{
	pg_crc32 crc;
	int i;

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
 * Returns true for a valid prefix of a workspace's secrets:
 * ^[a-z][a-z0-9]*(_[a-z0-9]+)*$, 1 to AK_PREFIX_MAX bytes.
 */
bool
ak_prefix_valid(const char *text, size_t len)
{
	size_t i;

	if (len == 0 || len > AK_PREFIX_MAX || !is_lower(text[0]))
		return false;

	for (i = 1; i < len; i++)
	{
		if (text[i] == '_')
		{
			/* only between two characters: neither doubled nor at the end */
			if (text[i - 1] == '_' || i == len - 1)
				return false;
		}
		else if (!is_lower(text[i]) && !is_digit(text[i]))
			return false;
	}
	return true;
}

/*
 * Returns true for a valid id of a workspace:
 * ^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$, so 1 to AK_WORKSPACE_MAX bytes.
 */
bool
ak_workspace_valid(const char *text, size_t len)
{
	size_t i;

	if (len == 0 || len > AK_WORKSPACE_MAX || !is_alnum(text[0]))
		return false;

	for (i = 1; i < len; i++)
	{
		if (!is_alnum(text[i]) && text[i] != '.' && text[i] != '_' && text[i] != '-')
			return false;
	}
	return true;
}
