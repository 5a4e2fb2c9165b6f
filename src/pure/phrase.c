/*-------------------------------------------------------------------------
 *
 * phrase.c
 *	  Text in the header of a mail.  Pure: no catalog, no state.
 *
 * libcurl makes the mail, but sends header lines unchanged.  Text in them is
 * written unchanged only if it is plain words, else as encoded words (RFC
 * 2047), which are ASCII without line ends.  So no text can begin another
 * header.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pure/base64.h"
#include "pure/phrase.h"

#define LINE_MAX_WORDS 76 /* maximum length of a line with an encoded word, by RFC 2047 */

/* Returns true if the text can be written unchanged in a header: letters, digits, '-', '_' and single spaces. */
static bool
is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		char c = text[i];

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_')
			continue;
		/* other spaces than single inner ones are lost when a line is folded */
		if (c == ' ' && i > 0 && i < len - 1 && text[i - 1] != ' ')
			continue;
		return false;
	}
	return true;
}

/* Returns the length of the first UTF-8 character of a text of len bytes; 1 if it is ill-formed. */
static size_t
character_length(const char *text, size_t len)
{
	size_t length = 1;

	if (((uint8) text[0] & 0xc0) != 0xc0)
		return 1;
	while (length < Min(len, 4) && ((uint8) text[length] & 0xc0) == 0x80)
		length++;
	return length;
}

/*
 * Appends a text (UTF-8) to a header line that already has "column" characters,
 * at least one: plain, or as encoded words.  Each encoded word has whole
 * characters, and each but the first is on a new line, after CRLF and a space.
 */
void
ak_append_phrase(StringInfo out, const char *text, size_t len, int column)
{
	static const char begin[] = "=?UTF-8?B?";
	static const char end[] = "?=";
	const int around = sizeof(begin) - 1 + sizeof(end) - 1;

	if (is_plain(text, len) && column + len <= LINE_MAX_WORDS)
	{
		appendBinaryStringInfo(out, text, len);
		return;
	}
	while (len > 0)
	{
		size_t room = Max(1, (LINE_MAX_WORDS - column - around) / 4) * 3;
		size_t take = 0;

		while (take < len)
		{
			size_t next = character_length(text + take, len - take);

			if (take > 0 && take + next > room)
				break;
			take += next;
		}
		appendStringInfoString(out, begin);
		ak_base64_append(out, text, take);
		appendStringInfoString(out, end);
		text += take;
		len -= take;
		if (len > 0)
			appendStringInfoString(out, "\r\n ");
		column = 1;
	}
}
