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

#include "pure/token.h"

/* The digits of a secret, in the order of their value */
static const char base62[] =
"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define BASE			62

/* How long a run that looks random is to be no name, see ak_token_find() */
#define CUT_MIN				33
#define CUT_PREFIXED_MIN	28
#define CUT_DEFAULT_MIN		16

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
 * Does a run of 0-9A-Za-z look as if it were drawn, rather than written by
 * people or in base 16, 32 or 36?  It has a digit, an eighth of it are capitals
 * and an eighth small letters, and two in five of its characters are of another
 * of these three kinds than the one before: of drawn ones, 62 in 100 are.
 */
static bool
looks_random(const char *run, size_t len)
{
	size_t		digits = 0;
	size_t		small = 0;
	size_t		changes = 0;

	for (size_t i = 0; i < len; i++)
	{
		digits += is_digit(run[i]);
		small += is_lower(run[i]);
		changes += i > 0 && (is_digit(run[i]) != is_digit(run[i - 1]) || is_lower(run[i]) != is_lower(run[i - 1]));
	}
	return digits > 0 && 8 * small >= len && 8 * (len - digits - small) >= len &&
		5 * changes >= 2 * (len - 1);
}

/* Is a run of 0-9A-Za-z in a text, behind a "_", the rest of a secret that begins before it? */
static bool
ends_secret(const char *text, const char *run, size_t len)
{
	if (len < AK_RANDOM_LEN + AK_CHECKSUM_LEN)
		return false;
	for (const char *start = run - 2; start >= text && run - 1 - start <= AK_PREFIX_MAX; start--)
		if (ak_token_classify(start, run - start + AK_RANDOM_LEN + AK_CHECKSUM_LEN) == AK_TOKEN_OURS)
			return true;
	return false;
}

/*
 * Where in a text (with its NUL) the random part of the first thing begins that
 * looks like a secret of ours, whole, cut, or within other text; NULL when
 * there is none.  That is
 *
 *	  - a secret with its checksum, whatever stands around it;
 *	  - a run of 0-9A-Za-z that looks random, of CUT_MIN characters or more,
 *		or of CUT_PREFIXED_MIN behind a "_", or of CUT_DEFAULT_MIN behind
 *		"ak_".
 *
 * Of drawn runs of 28 that misses 2 in 100, of 43 one in 400; a secret cut to
 * less, but behind another prefix than ours, lacks 95 bits, one without a
 * prefix 60.  What people call things by has no such runs: UUIDs, digests in
 * hexadecimal, ULIDs, KSUIDs (27 behind a "_"), the 32 characters of better-auth.
 * Words without a break are mostly no alarm either.  For a message, which does
 * well without, less will do.
 */
const char *
ak_token_find(const char *text, bool for_message)
{
	const char *run = text;

	while (*(run += strcspn(run, base62)) != '\0')
	{
		size_t		len = strspn(run, base62);
		bool		prefixed = run > text && run[-1] == '_';
		bool		by_default = prefixed && run - text >= 3 && memcmp(run - 3, "ak_", 3) == 0;
		size_t		min = by_default || (for_message && prefixed) ? CUT_DEFAULT_MIN :
			prefixed || for_message ? CUT_PREFIXED_MIN : CUT_MIN;

		if ((len >= min && looks_random(run, len)) ||
			(prefixed && (for_message ? len >= AK_RANDOM_LEN + AK_CHECKSUM_LEN : ends_secret(text, run, len))))
			return run;
		run += len;
	}
	return NULL;
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
