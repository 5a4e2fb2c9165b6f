/*-------------------------------------------------------------------------
 *
 * label.c
 *	  Texts that users give: names, actors, teams, hints, descriptions.
 *
 * Two things are refused in them.
 *
 * Invisible characters (unicode.c), so that two names that look the same are
 * the same.  In a SQL_ASCII database, a text that is valid UTF-8 is taken as
 * UTF-8; in any other, the meaning of bytes above 0x7f is unknown.
 *
 * Secrets, because labels are shown in entries and messages.  Our own are found
 * by their form, whole, cut or within other text (ak_token_find()).  Imported
 * ones have no form: a text is refused if it, or a word of 16 bytes or more in
 * it, has the SHA-256 of a key's current or old secret.  For a label of a
 * workspace only the keys of that workspace count: a manager of one tenant
 * could import the SHA-256 of another's names.  For the same reason only new
 * texts are checked, never those of a row that is archived.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "access/label.h"
#include "core/compat.h"
#include "core/errors.h"
#include "core/keyindex.h"
#include "pure/digest.h"
#include "pure/token.h"
#include "pure/unicode.h"

#define FOREIGN_MIN 16 /* bytes; docs/reference.md asks for 112 bits, which take 18 */

/*
 * Returns a text as UTF-8, and the text's own encoding in *encoding.  Returns
 * NULL if that is unknown: in SQL_ASCII, if the text is no valid UTF-8.
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

/*
 * Returns a text in UTF-8, which may be the text itself; in a database of SQL_ASCII it
 * is.  Returns NULL if it is not valid in the encoding of the database, or has a
 * character that has no equivalent in UTF-8.
 */
const char *
ak_text_utf8(const char *text, int len)
{
	int encoding = GetDatabaseEncoding();
	Oid conversion;
	char *utf8;
	Size size;

	if (!pg_verifymbstr(text, len, true))
		return NULL;
	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII || len == 0)
		return text;
	conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	if (!OidIsValid(conversion))
		return NULL;
	size = (Size) len * MAX_CONVERSION_GROWTH + 1;
	utf8 = palloc(size);
	if (pg_do_encoding_conversion_buf(conversion, encoding, PG_UTF8, (unsigned char *) unconstify(char *, text), len,
									  (unsigned char *) utf8, size, true) == len)
		return utf8;
	pfree(utf8);
	return NULL;
}

/*
 * Returns true if a text can be stored: it is valid in the encoding of the database,
 * and has an equivalent in UTF-8, in which rows are sealed.  A text that came as a
 * value is valid.  One that came as a setting at the start of a session need not be,
 * and a role's name may be of another database: in a table, it would make a dump that
 * cannot be restored.
 */
bool
ak_text_valid(const char *text, int len)
{
	return ak_text_utf8(text, len) != NULL;
}

/* Raises 22023 for a text that cannot be stored. */
void
ak_check_encoding(const char *argument, const char *what, const char *text, int len)
{
	if (ak_text_valid(text, len))
		return;
	if (pg_verifymbstr(text, len, true))
		ak_bad_argument(argument, errmsg("%s has a character that has no equivalent in UTF-8", what));
	ak_bad_argument(argument,
					errmsg("%s is not valid in the encoding of the database, %s", what, GetDatabaseEncodingName()));
}

/*
 * Returns the name of a role, palloc'd, as it is recorded: with \xHH for each byte
 * beyond ASCII if it is not valid in the encoding of the database.
 */
char *
ak_role_name(Oid role)
{
	char *name = GetUserNameFromId(role, false);
	StringInfoData escaped;

	if (ak_text_valid(name, strlen(name)))
		return name;
	initStringInfo(&escaped);
	for (const unsigned char *c = (unsigned char *) name; *c != '\0'; c++)
		appendStringInfo(&escaped, *c < 0x80 ? "%c" : "\\x%02x", *c);
	return escaped.data;
}

/* Returns true if a text has more than max characters; reads no more of them than it needs. */
bool
ak_text_longer(const char *text, int max)
{
	int len = strlen(text);

	return len > max * MAX_MULTIBYTE_CHAR_LEN || pg_mbcharcliplen(text, len, max) < len;
}

/* The secrets that a text is checked for */
typedef struct AkSuspect
{
	const uint8 *hash;     /* the one with this SHA-256; NULL: none */
	const char *workspace; /* those of all keys of this workspace; NULL: of all keys */
} AkSuspect;

static bool
is_secret(const char *text, size_t len, const AkSuspect *suspect)
{
	uint8 hash[AK_HASH_LEN];
	char *workspace;

	if (len < FOREIGN_MIN || !ak_sha256(text, len, hash))
		return false;
	if (suspect->hash != NULL && ak_hash_equal(hash, suspect->hash))
		return true;
	workspace = ak_hash_workspace(hash);
	return workspace != NULL && (suspect->workspace == NULL || strcmp(workspace, suspect->workspace) == 0);
}

/*
 * Returns the first word of a text that is such a secret, or NULL.  Words are
 * the whole text, its parts between blanks, and its parts between characters
 * that keys seldom contain.
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
		const char *set = made_of[i]; /* NULL: anything but blanks */
		const char *word = text;
		size_t len;

		while (word += set ? strcspn(word, set) : strspn(word, " \t\r\n"), *word != '\0')
		{
			CHECK_FOR_INTERRUPTS(); /* the filters of a report have any number of words */
			len = set ? strspn(word, set) : strcspn(word, " \t\r\n");
			if ((word != text || word[len] != '\0') && is_secret(word, len, suspect))
				return word;
			word += len;
		}
	}
	return NULL;
}

/* Returns true if the text is, or contains, the secret of a key of that workspace (NULL: of any). */
bool
ak_has_known_secret(const char *text, const char *workspace)
{
	AkSuspect suspect = {.workspace = workspace};

	return find_known(text, &suspect) != NULL;
}

/* Raises 22023: a text contains a secret. */
pg_noreturn static void
refuse_secret(const char *argument, const char *what)
{
	ak_bad_argument(argument, errmsg("%s must not contain a secret", what));
}

/*
 * Raises 22023 for a text that contains a foreign secret: the one with this
 * SHA-256 (32 bytes; NULL: none), or one of a key of the workspace (NULL: of
 * any).  The text is that of an argument or column; "what" names it in the
 * message.
 */
void
ak_refuse_known_secret(const char *argument, const char *what, const char *text, const char *workspace,
					   const uint8 *hash)
{
	AkSuspect suspect = {.hash = hash, .workspace = workspace};

	if (find_known(text, &suspect) != NULL)
		refuse_secret(argument, what);
}

/* Raises 22023 for a text that contains something that looks like a secret of ours. */
void
ak_refuse_secret(const char *argument, const char *what, const char *text)
{
	if (ak_token_find(text, false) != NULL)
		refuse_secret(argument, what);
}

/*
 * Returns a caller's text as a message may quote it, because messages end up in
 * logs: cut to the length of a name, after the prefix of what looks like a
 * secret of ours, and before a foreign one; control characters, which a
 * terminal would obey, as question marks.
 */
const char *
ak_quoted(const char *text)
{
	AkSuspect anybody = {0};
	int len = strlen(text);
	int kept = pg_mbcharcliplen(text, len, AK_LABEL_MAX);
	const char *found;
	char *quoted;

	/* our own secrets, in the part that is kept, and what follows of one that begins in it */
	text = pnstrdup(text, pg_mbcharcliplen(text, len, AK_LABEL_MAX + AK_SECRET_MAX));
	found = ak_token_find(text, true);
	if (found != NULL)
		kept = Min(kept, found - text);
	/* foreign ones, in the part that is kept */
	text = pnstrdup(text, kept);
	found = find_known(text, &anybody);
	if (found != NULL)
		kept = found - text;
	quoted = psprintf("%.*s%s", kept, text, kept < len ? "..." : "");
	for (char *c = quoted; *c; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
			*c = '?';
	return quoted;
}

/*
 * Raises 22023 for a text that is not valid in the encoding of the database, or has more
 * than max characters.  It is that of an argument or column; "what" names it in the
 * message.
 */
void
ak_check_length(const char *argument, const char *what, const char *text, int max)
{
	size_t len = strlen(text);

	if (len <= (size_t) max * MAX_MULTIBYTE_CHAR_LEN)
		ak_check_encoding(argument, what, text, len);
	if (ak_text_longer(text, max))
		ak_bad_argument(argument, errmsg("%s is too long", what), errdetail("At most %d characters are allowed.", max));
}

/*
 * Raises 22023 for a text that is not 1 to max characters long, not valid in the
 * encoding of the database, or contains control or invisible characters, or what
 * looks like a secret.  The text is that of an argument or column; "what" names it in
 * the message.
 */
void
ak_check_text(const char *argument, const char *what, const char *text, int max)
{
	int len = strlen(text);
	int encoding;
	const char *utf8;

	if (len == 0)
		ak_bad_argument(argument, errmsg("%s must not be empty", what));
	ak_check_length(argument, what, text, max);
	utf8 = as_utf8(text, len, &encoding);
	for (const char *p = utf8 ? utf8 : text, *end = p + strlen(p); p < end;)
	{
		uint32 c = (unsigned char) *p;

		p += utf8 ? Max(ak_utf8_decode(p, end, &c), 1) : 1;
		if (ak_char_is_control(c) && (utf8 || c < 0x80))
			ak_bad_argument(argument, errmsg("%s must not contain control characters", what));
		if (utf8 && ak_char_is_invisible(c))
			ak_bad_argument(argument, errmsg("%s must not contain invisible characters", what),
							errdetail("It contains U+%04X.", c));
	}
	ak_refuse_secret(argument, what, text);
}

/* ak_check_text() for a name, or another short label. */
void
ak_check_label(const char *argument, const char *what, const char *text)
{
	ak_check_text(argument, what, text, AK_LABEL_MAX);
}

/*
 * Returns a name as it is stored, palloc'd: without Unicode spaces at its ends,
 * and without U+FE0F, which is invisible and which telephones append to many
 * emoji.  Of a longer text, the first AK_TRIMMED_MAX characters and one more:
 * longer than what is a name, and than what is searched for.
 */
char *
ak_trim_name(const char *text)
{
	int len = strlen(text);
	StringInfoData result;
	int count = 0; /* of the characters of the name so far */
	int kept = 0;  /* length of the result without the spaces at its end */
	int encoding = GetDatabaseEncoding();
	bool known = encoding != PG_SQL_ASCII || as_utf8(text, len, &encoding) != NULL;

	initStringInfo(&result);
	for (const char *p = text, *end = text + len; p < end;)
	{
		int char_len = known ? Min(pg_encoding_mblen(encoding, p), end - p) : 1;
		uint32 c = (unsigned char) *p;
		bool space;

		CHECK_FOR_INTERRUPTS();
		if (known && c >= 0x80)
		{
			char *utf8 = encoding == PG_UTF8 ? unconstify(char *, p) : pg_server_to_any(p, char_len, PG_UTF8);

			(void) ak_utf8_decode(utf8, utf8 + (utf8 == p ? char_len : (int) strlen(utf8)), &c);
			if (utf8 != p)
				pfree(utf8);
		}
		space = ak_char_is_space(c) && (c < 0x80 || known);
		if (c != AK_EMOJI_STYLE && (result.len > 0 || !space))
		{
			if (count <= AK_TRIMMED_MAX)
				appendBinaryStringInfo(&result, p, char_len);
			count++;
			if (!space)
				kept = result.len;
			if (!space && count > AK_TRIMMED_MAX)
				break;
		}
		p += char_len;
	}
	result.data[kept] = '\0';
	return result.data;
}

/*
 * Returns the form in which a trimmed name is compared: a bytea, its characters
 * in UTF-8 whatever the database's encoding, normalized (NFC), case-folded,
 * with plain spaces.  It is stored beside the name, so that no index depends on
 * the server's version of Unicode.
 */
Datum
ak_fold_name(const char *name)
{
	int len = strlen(name);
	int encoding;
	const char *utf8 = as_utf8(name, len, &encoding);
	const char *p = utf8 ? utf8 : name;
	const char *end = p + strlen(p);
	bytea *result;
	char *out;
	pg_wchar *chars = palloc((end - p + 1) * sizeof(pg_wchar));
	int count = 0;
	bool ascii = true;

	while (p < end)
	{
		uint32 c = (unsigned char) *p;

		p += utf8 ? Max(ak_utf8_decode(p, end, &c), 1) : 1;
		ascii = ascii && c < 0x80;
		chars[count++] = c;
	}
	chars[count] = 0;
	/* composes, then folds; twice, since folding can leave characters to compose */
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
