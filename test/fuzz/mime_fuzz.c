/*-------------------------------------------------------------------------
 *
 * mime_fuzz.c
 *	  Fuzz target for src/mime.c.
 *
 * The input's first byte says where name, subject, body and file are cut from
 * the rest.  The message is read by a reader of our own: lines, headers,
 * encoded words, parts, base64; what it reads must be what went in.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "mime.h"

typedef struct Piece
{
	const char *text;
	size_t		len;
} Piece;

static const char digits[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Appends what base64 stands for, whatever the line ends. */
static void
decode(const char *text, size_t len, StringInfo out)
{
	uint32		bits = 0;
	int			count = 0;
	size_t		padding = 0;

	for (size_t i = 0; i < len; i++)
	{
		const char *digit;

		if (text[i] == '\r' || text[i] == '\n')
			continue;
		if (text[i] == '=')
		{
			padding++;
			continue;
		}
		digit = strchr(digits, text[i]);
		CHECK(digit != NULL && padding == 0);
		bits = bits << 6 | (uint32) (digit - digits);
		count += 6;
		if (count >= 8)
		{
			count -= 8;
			appendStringInfoChar(out, (char) (bits >> count));
			bits &= (1U << count) - 1;
		}
	}
	CHECK(bits == 0 && padding <= 2 && count == (int) padding * 2);
}

/* Undoes a header's encoded words; plain words are themselves. */
static void
decode_header(const char *text, size_t len, StringInfo out)
{
	static const char begin[] = "=?UTF-8?B?";

	if (len < sizeof(begin) || strncmp(text, begin, sizeof(begin) - 1) != 0)
	{
		for (size_t i = 0; i < len; i++)
			CHECK(isalnum((unsigned char) text[i]) || strchr("-_ ", text[i]) != NULL);
		appendBinaryStringInfo(out, text, len);
		return;
	}
	for (const char *word = text; word < text + len;)
	{
		const char *end = strstr(word, "?=");

		CHECK(strncmp(word, begin, sizeof(begin) - 1) == 0 && end != NULL && end - word <= 73);
		decode(word + sizeof(begin) - 1, end - word - (sizeof(begin) - 1), out);
		word = end + 2;
		if (word < text + len)
		{
			CHECK(strncmp(word, "\r\n ", 3) == 0);
			word += 3;
		}
	}
}

/* The value of a header that stands once in text, which is a string; folded lines belong to it. */
static Piece
header(const char *text, const char *name)
{
	Piece		value = {strstr(text, name), 0};
	const char *end;

	CHECK(value.text != NULL && strstr(value.text + 1, name) == NULL);
	value.text += strlen(name);
	end = strstr(value.text, "\r\n");
	while (end[2] == ' ')
		end = strstr(end + 2, "\r\n");
	value.len = end - value.text;
	return value;
}

static void
check_equal(StringInfo got, const char *expected, size_t len)
{
	CHECK((size_t) got->len == len && memcmp(got->data, expected, len) == 0);
	resetStringInfo(got);
}

static void
check_message(const AkMail *mail, const Piece *name)
{
	StringInfoData message,
				got,
				body;
	char		mark[64];
	char	   *parts[3];
	const char *line;
	int			headers = 0;
	Piece		value;

	initStringInfo(&message);
	initStringInfo(&got);
	initStringInfo(&body);
	ak_mime_message(&message, mail);
	CHECK(strlen(message.data) == (size_t) message.len);

	/* lines: ASCII, not too long, CRLF, and no more of them before the body than we wrote */
	for (line = message.data; *line;)
	{
		const char *end = strstr(line, "\r\n");

		CHECK(end != NULL && end - line <= 998);
		for (const char *p = line; p < end; p++)
			CHECK(*p >= ' ' && *p <= '~');
		if (headers >= 0 && line == end)
		{
			CHECK(headers == 8);
			headers = -1;
		}
		else if (headers >= 0 && *line != ' ')
			headers++;
		line = end + 2;
	}

	value = header(message.data, "From: ");
	CHECK(value.len >= 5 && strncmp(value.text + value.len - 5, "<a@b>", 5) == 0);
	if (name->len > 0)
		decode_header(value.text, value.len - strlen("\r\n <a@b>"), &got);
	check_equal(&got, name->text, name->len);
	value = header(message.data, "\r\nSubject: ");
	decode_header(value.text, value.len, &got);
	check_equal(&got, mail->subject, strlen(mail->subject));

	snprintf(mark, sizeof(mark), "\r\n--apikeys_%s", mail->id);
	parts[0] = message.data;
	for (int i = 1; i < 3; i++)
	{
		parts[i] = strstr(parts[i - 1], mark);
		CHECK(parts[i] != NULL);
		*parts[i] = '\0';
		parts[i] += strlen(mark);
	}
	for (int i = 1; i < 3; i++)
	{
		char	   *end = i == 1 ? parts[1] + strlen(parts[1]) : strstr(parts[2], mark);
		char	   *start = strstr(parts[i], "\r\n\r\n");

		/* the line end before a mark belongs to the mark: an empty part ends with its headers */
		CHECK(end != NULL);
		if (start != NULL && start + 4 < end)
			decode(start + 4, end - (start + 4), &got);
		if (i == 1)
		{
			for (const char *p = mail->body; *p; p++)
				appendStringInfo(&body, *p == '\n' ? "\r%c" : "%c", *p);
			check_equal(&got, body.data, body.len);
		}
		else
			check_equal(&got, mail->file, mail->file_len);
	}
	pfree(message.data);
	pfree(got.data);
	pfree(body.data);
}

/* A string that ends at the first NUL */
static char *
to_string(const uint8 *data, size_t size)
{
	char	   *string = calloc(1, size + 1);

	CHECK(string != NULL);
	if (size > 0)
		memcpy(string, data, size);
	return string;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	AkMail		mail = {.to = "c@d",.id = "0-1",.id_domain = "b",.file_type = "text/csv",.file_name = "a.csv"};
	StringInfoData date;
	Piece		name;
	char	   *strings[3];
	char	   *file;
	size_t		each;

	if (size == 0)
		return 0;
	each = (size - 1) * (data[0] % 8) / 24;
	for (int i = 0; i < 3; i++)
		strings[i] = to_string(data + 1 + i * each, each);
	mail.file_len = size - 1 - 3 * each;
	file = exact_copy(data + 1 + 3 * each, mail.file_len);

	name.text = strings[0];
	name.len = strlen(strings[0]);
	mail.from = (AkMailbox) {name.text, name.len, "a@b", 3};
	mail.subject = strings[1];
	mail.body = strings[2];
	mail.file = file;
	for (size_t i = 0; i < Min(size, 5); i++)
		mail.time = mail.time << 7 | data[i];
	check_message(&mail, &name);

	initStringInfo(&date);
	ak_mime_date(&date, mail.time);
	CHECK(date.len >= 31 && strcmp(date.data + date.len - 6, " +0000") == 0);
	pfree(date.data);
	for (int i = 0; i < 3; i++)
		free(strings[i]);
	free(file);
	return 0;
}
