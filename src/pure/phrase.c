/*-------------------------------------------------------------------------
 *
 * phrase.c
 *	  Text in the header of a mail.  Pure.
 *
 * libcurl makes the mail, but takes the lines of its header as they are.  Text
 * is written there as it is only when it is plain words, else as encoded words
 * (RFC 2047), which are ASCII without line ends.  So nobody's name can begin a
 * header of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"

#include "pure/phrase.h"

#define LINE_MAX_WORDS	76		/* of a line that holds an encoded word */

/* May this text stand in a header as it is: words of letters, digits and a little more? */
static bool
is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		char		c = text[i];

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_')
			continue;
		/* single spaces inside; others get lost when a line is folded */
		if (c == ' ' && i > 0 && i < len - 1 && text[i - 1] != ' ')
			continue;
		return false;
	}
	return true;
}

/* The length of the UTF-8 character at the start of a text of len bytes; 1 for what is none. */
static size_t
character_length(const char *text, size_t len)
{
	size_t		length = 1;

	if (((uint8) text[0] & 0xc0) != 0xc0)
		return 1;
	while (length < Min(len, 4) && ((uint8) text[length] & 0xc0) == 0x80)
		length++;
	return length;
}

/*
 * Appends text (UTF-8) as the words of a header whose line has "column"
 * characters before, at least one: plain, or as encoded words, each of whole characters and
 * each in a line of its own, after CRLF and a space.
 */
void
ak_append_phrase(StringInfo out, const char *text, size_t len, int column)
{
	static const char begin[] = "=?UTF-8?B?";
	static const char end[] = "?=";
	const int	around = sizeof(begin) - 1 + sizeof(end) - 1;

	if (is_plain(text, len) && column + len <= LINE_MAX_WORDS)
	{
		appendBinaryStringInfo(out, text, len);
		return;
	}
	while (len > 0)
	{
		size_t		room = Max(1, (LINE_MAX_WORDS - column - around) / 4) * 3;
		char		word[LINE_MAX_WORDS + 1];
		int			word_len;
		size_t		take = 0;

		while (take < len)
		{
			size_t		next = character_length(text + take, len - take);

			if (take > 0 && take + next > room)
				break;
			take += next;
		}
		word_len = pg_b64_encode((const void *) text, take, word, sizeof(word));
		Assert(word_len > 0);
		appendStringInfo(out, "%s%.*s%s", begin, word_len, word, end);
		text += take;
		len -= take;
		if (len > 0)
			appendStringInfoString(out, "\r\n ");
		column = 1;
	}
}
