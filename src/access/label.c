/*-------------------------------------------------------------------------
 *
 * label.c
 *	  Texts that people give: names, actors, teams, hints, descriptions.
 *
 * Two things are kept out of them.
 *
 * Characters that do not show (unicode.c), so that two names that look the same
 * are the same.  Text in SQL_ASCII counts as UTF-8 where it is that; where it is
 * not, nobody knows what bytes above 0x7f are.
 *
 * Secrets, because labels stand in entries, messages and notifications: whatever
 * looks like one of ours, whole, cut or within other text (ak_token_find()), and
 * foreign ones that were imported, which have no look: a text that has, or of
 * which a word of 16 bytes or more has, the SHA-256 of a key's present or old
 * secret.  Only keys of the workspace that the label is of count there: a
 * manager of one tenant could import the SHA-256 of what others call something.
 * For the same reason that is asked only where a text is new, never for what
 * stands in a row that is archived.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "access/label.h"
#include "core/compat.h"
#include "core/keyindex.h"
#include "pure/digest.h"
#include "pure/token.h"
#include "pure/unicode.h"

#define FOREIGN_MIN		16		/* bytes; docs/reference.md asks for 112 bits, which take 18 */

/*
 * A text as UTF-8, and in *encoding the one to step through it by: its own.
 * NULL when it has none that is known.
 */
static const char *
as_utf8(const char *text, int len, int *encoding)
{
	*encoding = GetDatabaseEncoding();
	if (*encoding != PG_SQL_ASCII)
		return pg_server_to_any(text, len, PG_UTF8);
	*encoding = PG_UTF8;
	return pg_verify_mbstr(PG_UTF8, text, len, true) ? text : NULL;
}

/* Whose secret may it be that a text is, or has within? */
typedef struct AkSuspect
{
	const uint8 *hash;			/* that of the key with this SHA-256; NULL: none */
	const char *workspace;		/* of any key of this workspace; NULL: of any key */
} AkSuspect;

static bool
is_secret(const char *text, size_t len, const AkSuspect *suspect)
{
	uint8		hash[AK_HASH_LEN];
	char	   *workspace;

	if (len < FOREIGN_MIN || !ak_sha256(text, len, hash))
		return false;
	if (suspect->hash != NULL && ak_hash_equal(hash, suspect->hash))
		return true;
	workspace = ak_hash_whose(hash);
	return workspace != NULL && (suspect->workspace == NULL || strcmp(workspace, suspect->workspace) == 0);
}

/*
 * The first word of a text that is such a secret; NULL when there is none.
 * Words are the whole, what stands between blanks, and in that, what stands
 * between characters that keys seldom have.
 */
static const char *
find_known(const char *text, const AkSuspect *suspect)
{
#define ALNUM "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	static const char *const made_of[] = {NULL, ALNUM "_-.~+/=", ALNUM "_-"};

	if (is_secret(text, strlen(text), suspect))
		return text;
	for (int i = 0; i < (int) lengthof(made_of); i++)
	{
		const char *set = made_of[i];	/* NULL: of anything but blanks */
		const char *word = text;
		size_t		len;

		while (word += set ? strcspn(word, set) : strspn(word, " \t\r\n"), *word != '\0')
		{
			len = set ? strspn(word, set) : strcspn(word, " \t\r\n");
			if ((word != text || word[len] != '\0') && is_secret(word, len, suspect))
				return word;
			word += len;
		}
	}
	return NULL;
}

/* Is the secret of a key of that workspace (NULL: of any) what this text is, or has within? */
bool
ak_has_known_secret(const char *text, const char *workspace)
{
	AkSuspect	suspect = {.workspace = workspace};

	return find_known(text, &suspect) != NULL;
}

/* Raises 22023: "what" has a secret in it. */
pg_noreturn static void
refuse_secret(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s must not contain a secret", what)));
}

/*
 * Raises 22023 for a text that has a foreign secret within: that with this
 * SHA-256 (32 bytes; NULL: none), or that of a key of the workspace (NULL: of
 * any).  "what" names the text in the message, as in "team".
 */
void
ak_refuse_known_secret(const char *what, const char *text, const char *workspace, const uint8 *hash)
{
	AkSuspect	suspect = {.hash = hash,.workspace = workspace};

	if (find_known(text, &suspect) != NULL)
		refuse_secret(what);
}

/* Raises 22023 for a text that has something within that looks like a secret of ours. */
void
ak_refuse_secret(const char *what, const char *text)
{
	if (ak_token_find(text, false) != NULL)
		refuse_secret(what);
}

/*
 * A caller's text as a message may quote it: no longer than a name can be, and
 * not beyond the prefix of a secret that was put where a name belongs, because
 * messages end up in logs.
 */
const char *
ak_quoted(const char *text)
{
	AkSuspect	anybody = {0};
	int			len = strlen(text);
	int			kept = pg_mbcharcliplen(text, len, AK_LABEL_MAX);
	const char *found = ak_token_find(text, true);

	if (found != NULL)
		kept = Min(kept, found - text);
	/* a foreign one in what is left */
	if (kept < len)
		text = pnstrdup(text, kept);
	found = find_known(text, &anybody);
	if (found != NULL)
		kept = found - text;
	return kept == len ? text : psprintf("%.*s...", kept, text);
}

/*
 * Refuses, with 22023, a text that is not 1 to max characters, has characters
 * that do not show, or what looks like a secret.  "what" names it in the
 * message.
 */
void
ak_check_text(const char *what, const char *text, int max)
{
	int			len = strlen(text);
	int			encoding;
	const char *utf8;

	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", what)));
	if (pg_mbstrlen_with_len(text, len) > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is too long", what),
				 errdetail("At most %d characters are allowed.", max)));
	utf8 = as_utf8(text, len, &encoding);
	for (const char *p = utf8 ? utf8 : text, *end = p + strlen(p); p < end;)
	{
		uint32		c = (unsigned char) *p;

		p += utf8 ? Max(ak_utf8_decode(p, end, &c), 1) : 1;
		if (ak_char_is_control(c) && (utf8 || c < 0x80))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not contain control characters", what)));
		if (utf8 && ak_char_is_invisible(c))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not contain invisible characters", what),
					 errdetail("It contains U+%04X.", c)));
	}
	ak_refuse_secret(what, text);
}

/* ak_check_text() of a name or what is as short. */
void
ak_check_label(const char *what, const char *text)
{
	ak_check_text(what, text, AK_LABEL_MAX);
}

/*
 * A name as it is stored, palloc'd: without spaces at its ends, whatever
 * Unicode calls a space, and without U+FE0F, which telephones put behind many
 * an emoji and which is not seen.
 */
char *
ak_trim_name(const char *text)
{
	int			len = strlen(text);
	char	   *result = palloc(len + 1);
	int			length = 0;		/* of the result */
	int			kept = 0;		/* the same without the spaces at its end */
	int			encoding;
	bool		known = as_utf8(text, len, &encoding) != NULL;

	for (const char *p = text, *end = text + len; p < end;)
	{
		int			char_len = known ? Min(pg_encoding_mblen(encoding, p), end - p) : 1;
		uint32		c = (unsigned char) *p;

		if (known && c >= 0x80)
		{
			const char *utf8 = encoding == PG_UTF8 ? p : pg_server_to_any(p, char_len, PG_UTF8);

			(void) ak_utf8_decode(utf8, utf8 + (utf8 == p ? char_len : (int) strlen(utf8)), &c);
		}
		if (c != AK_EMOJI_STYLE && (length > 0 || !ak_char_is_space(c) || (c >= 0x80 && !known)))
		{
			memcpy(result + length, p, char_len);
			length += char_len;
			if (!ak_char_is_space(c) || (c >= 0x80 && !known))
				kept = length;
		}
		p += char_len;
	}
	result[kept] = '\0';
	return result;
}

/*
 * What a name, trimmed, is compared by: a bytea, its characters in UTF-8
 * whatever the database's encoding, normalized (NFC), without regard to case,
 * every space a plain one.  Stored beside the name, so that no index depends on
 * the server's version of Unicode.
 */
Datum
ak_fold_name(const char *name)
{
	int			len = strlen(name);
	int			encoding;
	const char *utf8 = as_utf8(name, len, &encoding);
	const char *p = utf8 ? utf8 : name;
	const char *end = p + strlen(p);
	bytea	   *result;
	char	   *out;
	pg_wchar   *chars = palloc((end - p + 1) * sizeof(pg_wchar));
	int			count = 0;
	bool		ascii = true;

	while (p < end)
	{
		uint32		c = (unsigned char) *p;

		p += utf8 ? Max(ak_utf8_decode(p, end, &c), 1) : 1;
		ascii = ascii && c < 0x80;
		chars[count++] = c;
	}
	chars[count] = 0;
	/* composed, then folded, which can leave something to compose */
	for (int round = 0; round < 2; round++)
	{
		if (utf8 && !ascii)
			chars = unicode_normalize_compat(UNICODE_NFC, chars);
		for (pg_wchar *c = chars; *c != 0; c++)
			if (utf8 || *c < 0x80)
				*c = ak_char_is_space(*c) ? ' ' : ak_char_fold(*c);
		if (ascii)
			break;
	}
	for (count = 0; chars[count] != 0; count++)
		;
	result = palloc(VARHDRSZ + count * 4);
	out = VARDATA(result);
	for (int i = 0; i < count; i++)
	{
		if (utf8)
			out += ak_utf8_encode(chars[i], out);
		else
			*out++ = (char) chars[i];
	}
	SET_VARSIZE(result, out - (char *) result);
	return PointerGetDatum(result);
}
