/*-------------------------------------------------------------------------
 *
 * logtext.c
 *	  Entries of the audit log as text: to search in, and as CSV.
 *
 * Seven columns are shown: time, team, entity, activity, action, actor and ip.
 * A search looks for its text in each of them, in any case.  The time is
 * written as ISO 8601 in UTC, whatever TimeZone and DateStyle are, so that it
 * is the same in every session.  In a search, it may have a blank or a T in the
 * middle, and +00 or a Z at the end.
 *
 * The functions for entries take the values of a row of apikeys.audit_log, as
 * slot_getallattrs() returns them; the texts may be toasted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <sys/socket.h>

#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/formatting.h"
#include "utils/inet.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "log/logtext.h"

/* A text to search for */
struct AkNeedle
{
	char *text; /* in lower case */
	int length;
	bool plain;    /* ASCII texts can be compared byte by byte */
	char *as_time; /* the text in the format of our times; NULL: no part of a time */
	bool may_be_ip;
	StringInfoData buf; /* a column in lower case */
};

static const AttrNumber shown[AK_SHOWN_COUNT] = {Anum_audit_log_time,     Anum_audit_log_team,   Anum_audit_log_entity,
												 Anum_audit_log_activity, Anum_audit_log_action, Anum_audit_log_actor,
												 Anum_audit_log_ip};

static const char *const shown_names[AK_SHOWN_COUNT] = {"Time", "Team", "Entity", "Activity", "Action", "Actor", "IP"};

/* Appends two digits. */
static inline char *
two_digits(char *to, int n)
{
	*to++ = '0' + n / 10;
	*to++ = '0' + n % 10;
	return to;
}

/*
 * Appends a time as ISO 8601 in UTC, in PostgreSQL's format: 2026-01-31
 * 23:59:59.25+00.  The date is cached: times appended in sequence are often of
 * the same day.
 */
static void
append_time(StringInfo buf, TimestampTz time)
{
	static TimestampTz day = DT_NOBEGIN; /* beginning of the cached day */
	static char date[MAXDATELEN + 1];    /* its date, with a blank at the end */
	static int date_len;
	char written[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t fsec;

	if (day != DT_NOBEGIN && time >= day && (uint64) time - (uint64) day < (uint64) USECS_PER_DAY)
	{
		int seconds = (time - day) / USECS_PER_SEC;
		int fraction = (time - day) % USECS_PER_SEC;
		char *to = written;

		to = two_digits(to, seconds / SECS_PER_HOUR);
		*to++ = ':';
		to = two_digits(to, seconds / SECS_PER_MINUTE % MINS_PER_HOUR);
		*to++ = ':';
		to = two_digits(to, seconds % SECS_PER_MINUTE);
		if (fraction != 0)
		{
			*to++ = '.';
			for (int digit = USECS_PER_SEC / 10; fraction > 0; digit /= 10)
			{
				*to++ = '0' + fraction / digit;
				fraction %= digit;
			}
		}
		appendBinaryStringInfo(buf, date, date_len);
		appendBinaryStringInfo(buf, written, to - written);
		appendStringInfoString(buf, "+00");
		return;
	}
	if (TIMESTAMP_NOT_FINITE(time))
		EncodeSpecialTimestamp(time, written);
	else if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) == 0)
	{
		tm.tm_isdst = 0; /* known; otherwise the zone would be omitted */
		EncodeDateTime(&tm, fsec, true, 0, NULL, USE_ISO_DATES, written);
		/* years BC have their BC at the end: not cached */
		if (tm.tm_year > 0)
		{
			day = time -
				  (((tm.tm_hour * MINS_PER_HOUR + tm.tm_min) * SECS_PER_MINUTE + tm.tm_sec) * USECS_PER_SEC + fsec);
			date_len = strchr(written, ' ') + 1 - written;
			memcpy(date, written, date_len);
		}
	}
	else
		ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	appendStringInfoString(buf, written);
}

/* Returns true if lower case of A to Z is a to z in the database's collation.  (In Turkish it is not.) */
static bool
ascii_lowers_plainly(void)
{
	static int plainly = -1;

	if (plainly < 0)
	{
		char upper[27];
		char *lower;

		for (int i = 0; i < 26; i++)
			upper[i] = 'A' + i;
		upper[26] = '\0';
		lower = str_tolower(upper, 26, DEFAULT_COLLATION_OID);
		plainly = strcmp(lower, "abcdefghijklmnopqrstuvwxyz") == 0;
		pfree(lower);
	}
	return plainly;
}

static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Appends an address as inet_out() writes it. */
static void
append_ip(StringInfo buf, inet *ip)
{
	if (ip_family(ip) == PGSQL_AF_INET && ip_bits(ip) == 32)
	{
		const unsigned char *bytes = ip_addr(ip);

		enlargeStringInfo(buf, 16);
		for (int i = 0; i < 4; i++)
		{
			if (i > 0)
				buf->data[buf->len++] = '.';
			buf->len += pg_ultoa_n(bytes[i], buf->data + buf->len);
		}
		buf->data[buf->len] = '\0';
	}
	else
	{
		char *written = DatumGetCString(DirectFunctionCall1(inet_out, InetPGetDatum(ip)));

		appendStringInfoString(buf, written);
		pfree(written);
	}
}

/* Appends the text of a shown column, which is not NULL. */
static void
append_shown(StringInfo buf, AttrNumber column, Datum value)
{
	switch (column)
	{
		case Anum_audit_log_time:
			append_time(buf, DatumGetTimestampTz(value));
			break;
		case Anum_audit_log_ip:
			append_ip(buf, DatumGetInetPP(value));
			break;
		default:
		{
			text *t = DatumGetTextPP(value);

			appendBinaryStringInfo(buf, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
			if ((Pointer) t != DatumGetPointer(value))
				pfree(t);
		}
	}
}

/*
 * Returns a part of a time in the format of our times: in 2026-01-31T23:59:59Z
 * the T between digits becomes a blank, and the Z after a digit +00.  Returns
 * NULL if it cannot be a part of a time.
 */
static char *
part_of_time(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const char *p = text; *p; p++)
	{
		bool after_digit = p > text && isdigit((unsigned char) p[-1]);

		if (*p == 't' && after_digit && isdigit((unsigned char) p[1]))
			appendStringInfoChar(&buf, ' ');
		else if (*p == 'z' && after_digit && p[1] == '\0')
			appendStringInfoString(&buf, "+00");
		else if (strchr("0123456789-:.+ ", *p) != NULL)
			appendStringInfoChar(&buf, *p);
		else
			return NULL;
	}
	/* with two points it is an address */
	return strchr(buf.data, '.') == strrchr(buf.data, '.') ? buf.data : NULL;
}

/* Prepares a search; palloc'd in the current context. */
AkNeedle *
ak_needle(const char *search)
{
	AkNeedle *needle = palloc(sizeof(AkNeedle));

	needle->text = str_tolower(search, strlen(search), DEFAULT_COLLATION_OID);
	needle->length = strlen(needle->text);
	needle->plain = ascii_lowers_plainly();
	needle->as_time = part_of_time(needle->text);
	needle->may_be_ip = needle->text[strspn(needle->text, "0123456789abcdef.:/")] == '\0';
	initStringInfo(&needle->buf);
	return needle;
}

/*
 * Returns true if a text in ASCII contains the needle, in any case.  If the
 * text is not in ASCII, sets *ascii to false; the result has no meaning then.
 */
static bool
ascii_contains(const char *data, int len, const char *needle, int needle_len, bool *ascii)
{
	char first = needle[0];

	for (int i = 0; i < len; i++)
	{
		int k = 0;

		if (IS_HIGHBIT_SET(data[i]))
		{
			*ascii = false;
			return false;
		}
		if (ascii_lower(data[i]) != first || len - i < needle_len)
			continue;
		while (k < needle_len && ascii_lower(data[i + k]) == needle[k])
			k++;
		if (k == needle_len)
			return true;
	}
	return false;
}

/* Returns true if a text contains the needle, in any case. */
static bool
text_contains(AkNeedle *needle, Datum value)
{
	text *t = DatumGetTextPP(value);
	bool ascii = needle->plain && needle->length > 0;
	bool found = ascii && ascii_contains(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t), needle->text, needle->length, &ascii);

	if (!ascii)
	{
		char *lower = str_tolower(VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t), DEFAULT_COLLATION_OID);

		found = strstr(lower, needle->text) != NULL;
		pfree(lower);
	}
	return found;
}

/* Returns true if a shown column of this entry contains the text. */
bool
ak_needle_found(AkNeedle *needle, const Datum *values, const bool *nulls)
{
	for (int i = 0; i < AK_SHOWN_COUNT; i++)
	{
		AttrNumber column = shown[i];
		bool is_time = column == Anum_audit_log_time;
		bool is_ip = column == Anum_audit_log_ip;

		if (nulls[column - 1])
			continue;
		if (!is_time && !is_ip)
		{
			if (text_contains(needle, values[column - 1]))
				return true;
		}
		else if (is_time ? needle->as_time != NULL : needle->may_be_ip)
		{
			resetStringInfo(&needle->buf);
			append_shown(&needle->buf, column, values[column - 1]);
			if (strstr(needle->buf.data, is_time ? needle->as_time : needle->text) != NULL)
				return true;
		}
	}
	return false;
}

/* Appends the column names, without a line end. */
void
ak_csv_header(StringInfo buf)
{
	for (int i = 0; i < AK_SHOWN_COUNT; i++)
		appendStringInfo(buf, "%s%s", i > 0 ? "," : "", shown_names[i]);
}

/* Quotes the text appended since "start", if RFC 4180 requires it. */
static void
quote_cell(StringInfo buf, int start)
{
	int quotes = 0;
	bool special = false;
	char *from, *to;

	for (int i = start; i < buf->len; i++)
	{
		char c = buf->data[i];

		quotes += c == '"';
		special |= c == '"' || c == ',' || c == '\n' || c == '\r';
	}
	if (!special)
		return;

	/* from the end to the beginning, so that it works in place */
	enlargeStringInfo(buf, quotes + 2);
	from = buf->data + buf->len;
	buf->len += quotes + 2;
	buf->data[buf->len] = '\0';
	to = buf->data + buf->len;
	*--to = '"';
	while (from > buf->data + start)
	{
		char c = *--from;

		*--to = c;
		if (c == '"')
			*--to = '"';
	}
	*--to = '"';
	Assert(to == buf->data + start);
}

/*
 * Returns true if a spreadsheet would take a cell for a formula: it begins with
 * = + - @, in full width, too, or with a tab or a line end.  (The list is OWASP's,
 * "CSV Injection".)
 */
static bool
is_formula(const char *cell, int len)
{
	static const char *const wide[] = {"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"};
	int encoding = GetDatabaseEncoding();

	if (len == 0)
		return false;
	if (!IS_HIGHBIT_SET(cell[0]))
		return strchr("=+-@\t\r\n", cell[0]) != NULL;
	/* in SQL_ASCII, bytes are taken for UTF-8 */
	if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII)
		cell = pg_server_to_any(cell, pg_mblen(cell), PG_UTF8);
	for (int i = 0; i < (int) lengthof(wide); i++)
		if (strncmp(cell, wide[i], 3) == 0)
			return true;
	return false;
}

/*
 * Appends an entry as a line of CSV with RFC 4180's quoting, without a line
 * end; NULL is empty.  A cell that a spreadsheet would take for a formula gets
 * an apostrophe in front.
 */
void
ak_csv_line(StringInfo buf, const Datum *values, const bool *nulls)
{
	for (int i = 0; i < AK_SHOWN_COUNT; i++)
	{
		AttrNumber column = shown[i];
		int start;

		if (i > 0)
			appendStringInfoChar(buf, ',');
		if (nulls[column - 1])
			continue;
		start = buf->len;
		append_shown(buf, column, values[column - 1]);
		if (column != Anum_audit_log_time && is_formula(buf->data + start, buf->len - start))
		{
			appendStringInfoChar(buf, '\0');
			memmove(buf->data + start + 1, buf->data + start, buf->len - 1 - start);
			buf->data[start] = '\'';
		}
		quote_cell(buf, start);
	}
}
