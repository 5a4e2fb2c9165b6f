/*-------------------------------------------------------------------------
 *
 * mime.c
 *	  A mail with one attachment, as bytes.  Pure.
 *
 * Whatever text comes in, what goes out is ASCII in lines of at most 998
 * bytes that end in CRLF: text in a header is written as it is only when it
 * is plain words, else as encoded words (RFC 2047), and both parts of the mail
 * are base64.  So nobody's name, team or search can begin a header, a part or
 * an SMTP command of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "address.h"
#include "mime.h"

#define LINE_MAX_WORDS	76		/* of a line that holds an encoded word */
#define LINE_BASE64		57		/* bytes that make a line of 76 characters */

static const char base64_digits[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Appends the base64 of these bytes, in one line. */
static void
append_base64(StringInfo out, const char *data, size_t len)
{
	const uint8 *p = (const uint8 *) data;

	for (; len >= 3; p += 3, len -= 3)
	{
		char		quad[4];

		quad[0] = base64_digits[p[0] >> 2];
		quad[1] = base64_digits[(p[0] & 3) << 4 | p[1] >> 4];
		quad[2] = base64_digits[(p[1] & 15) << 2 | p[2] >> 6];
		quad[3] = base64_digits[p[2] & 63];
		appendBinaryStringInfo(out, quad, 4);
	}
	if (len > 0)
	{
		uint8		second = len > 1 ? p[1] : 0;

		appendStringInfoChar(out, base64_digits[p[0] >> 2]);
		appendStringInfoChar(out, base64_digits[(p[0] & 3) << 4 | second >> 4]);
		appendStringInfoChar(out, len > 1 ? base64_digits[(second & 15) << 2] : '=');
		appendStringInfoChar(out, '=');
	}
}

/* Appends base64 in lines of 76 characters, each with its CRLF. */
void
ak_mime_base64(StringInfo out, const char *data, size_t len)
{
	enlargeStringInfo(out, (len / 3 + 1) * 4 + (len / LINE_BASE64 + 1) * 2);
	for (size_t start = 0; start < len; start += LINE_BASE64)
	{
		append_base64(out, data + start, Min(len - start, LINE_BASE64));
		appendBinaryStringInfo(out, "\r\n", 2);
	}
}

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

/* The length of the UTF-8 character at the front of so many bytes; 1 for what is none. */
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
 * Appends text as the words of a header whose line has "column" characters
 * before: plain, or as encoded words, each of whole characters and each in a
 * line of its own.
 */
void
ak_mime_phrase(StringInfo out, const char *text, size_t len, int column)
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
		size_t		take = 0;

		while (take < len)
		{
			size_t		next = character_length(text + take, len - take);

			if (take > 0 && take + next > room)
				break;
			take += next;
		}
		appendStringInfoString(out, begin);
		append_base64(out, text, take);
		appendStringInfoString(out, end);
		text += take;
		len -= take;
		if (len > 0)
			appendStringInfoString(out, "\r\n ");
		column = 1;
	}
}

/* Appends a time as RFC 5322 writes it, in UTC. */
void
ak_mime_date(StringInfo out, int64 time)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t		seconds = (time_t) time;
	struct tm	tm;

	if (gmtime_r(&seconds, &tm) == NULL)
		memset(&tm, 0, sizeof(tm)), tm.tm_year = 70, tm.tm_mday = 1, tm.tm_wday = 4;
	appendStringInfo(out, "%s, %02d %s %04d %02d:%02d:%02d +0000",
					 days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
					 tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Appends a text part's lines, which end in \n, as base64 of lines that end in CRLF. */
static void
append_body(StringInfo out, const char *body)
{
	StringInfoData lines;

	initStringInfo(&lines);
	for (; *body; body++)
	{
		if (*body == '\n')
			appendStringInfoChar(&lines, '\r');
		appendStringInfoChar(&lines, *body);
	}
	ak_mime_base64(out, lines.data, lines.len);
	pfree(lines.data);
}

/* Appends the whole message.  The same mail always gives the same bytes. */
void
ak_mime_message(StringInfo out, const AkMail *mail)
{
	/* "_" is no digit of base64, and the parts are nothing else */
	static const char *const boundary = "apikeys_";

	appendStringInfoString(out, "Date: ");
	ak_mime_date(out, mail->time);
	appendStringInfoString(out, "\r\nFrom: ");
	ak_mime_phrase(out, mail->from.name, mail->from.name_len, strlen("From: "));
	/* on a line of its own when the name may have filled one */
	appendStringInfo(out, "%s<%.*s>", mail->from.name_len > 0 ? "\r\n " : "",
					 (int) mail->from.address_len, mail->from.address);
	appendStringInfo(out, "\r\nTo: <%s>\r\nSubject: ", mail->to);
	ak_mime_phrase(out, mail->subject, strlen(mail->subject), strlen("Subject: "));
	appendStringInfo(out, "\r\nMessage-ID: <%s@%s>\r\n", mail->id, mail->id_domain);
	appendStringInfo(out,
					 "Auto-Submitted: auto-generated\r\n"
					 "MIME-Version: 1.0\r\n"
					 "Content-Type: multipart/mixed; boundary=\"%s%s\"\r\n"
					 "\r\n"
					 "--%s%s\r\n"
					 "Content-Type: text/plain; charset=utf-8\r\n"
					 "Content-Transfer-Encoding: base64\r\n"
					 "\r\n", boundary, mail->id, boundary, mail->id);
	append_body(out, mail->body);
	appendStringInfo(out,
					 "--%s%s\r\n"
					 "Content-Type: %s\r\n"
					 "Content-Transfer-Encoding: base64\r\n"
					 "Content-Disposition: attachment;\r\n"
					 " filename=\"%s\"\r\n"
					 "\r\n", boundary, mail->id, mail->file_type, mail->file_name);
	ak_mime_base64(out, mail->file, mail->file_len);
	appendStringInfo(out, "--%s%s--\r\n", boundary, mail->id);
}
