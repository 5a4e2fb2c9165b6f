/*-------------------------------------------------------------------------
 *
 * canonical_fuzz.c
 *	  Fuzz target for src/pure/canonical.c.
 *
 * The input is a row: for each column a byte for the length of its name, the
 * name, a byte for what its value is made of, and that.  Its canonical bytes
 * are read back here, and must give the same columns: then no two rows share
 * their bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "lib/stringinfo.h"

#include "pure/canonical.h"

#define COLUMNS_MAX 64

/* A column as it went in */
typedef struct Column
{
	char name[64];
	uint8 *value;
	size_t len;
	AkCanonType type;
} Column;

static uint64
read_uint(const uint8 *bytes, int count)
{
	uint64 value = 0;

	while (count-- > 0)
		value = value << 8 | *bytes++;
	return value;
}

/* Builds the canonical bytes of the input's row; returns the number of columns. */
static int
build(StringInfo buf, const uint8 *data, size_t size, Column *columns)
{
	int count = 0;

	ak_canon_begin(buf);
	while (size >= 2 && count < COLUMNS_MAX)
	{
		Column *column = &columns[count];
		size_t name_len = Min((size_t) data[0] % 64, size - 2);
		uint8 kind;
		size_t len;
		int start;

		memcpy(column->name, data + 1, name_len);
		column->name[name_len] = '\0';
		kind = data[1 + name_len];
		data += 2 + name_len;
		size -= 2 + name_len;
		len = Min((size_t) kind >> 1, size);

		column->type = kind & 1 ? AK_CANON_INTEGER : AK_CANON_BYTES;
		start = ak_canon_column(buf, column->name, column->type);
		if (kind & 1)
		{
			/* a number of one to eight bytes, which drops what is above them */
			int bytes = 1 + (kind >> 1) % 8;
			uint64 value = 0;

			memcpy(&value, data, Min(size, sizeof(value)));
			len = Min(size, sizeof(value));
			ak_canon_uint(buf, value, bytes);
			column->value = malloc(bytes);
			column->len = bytes;
			for (int i = 0; i < bytes; i++)
				column->value[i] = (uint8) (value >> (8 * (bytes - 1 - i)));
		}
		else
		{
			char *copy = exact_copy(data, len);

			ak_canon_bytes(buf, copy, len);
			free(copy);
			column->value = (uint8 *) exact_copy(data, len);
			column->len = len;
		}
		ak_canon_end(buf, start);
		data += len;
		size -= len;
		count++;
	}
	return count;
}

/* Reads canonical bytes back, and compares. */
static void
check_columns(const StringInfo buf, const Column *columns, int count)
{
	const uint8 *at = (const uint8 *) buf->data;
	const uint8 *end = at + buf->len;

	CHECK(buf->len >= 1 && *at == 2);
	at++;
	for (int i = 0; i < count; i++)
	{
		size_t len;

		CHECK(end - at >= 1);
		len = *at++;
		CHECK((size_t) (end - at) >= len + 1 + 4);
		CHECK(len == strlen(columns[i].name) && memcmp(at, columns[i].name, len) == 0);
		at += len;
		CHECK(*at++ == columns[i].type);
		len = read_uint(at, 4);
		at += 4;
		CHECK((size_t) (end - at) >= len);
		CHECK(len == columns[i].len && (len == 0 || memcmp(at, columns[i].value, len) == 0));
		at += len;
	}
	CHECK(at == end);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	StringInfoData buf;
	Column columns[COLUMNS_MAX];
	int count;

	initStringInfo(&buf);
	count = build(&buf, data, size, columns);
	check_columns(&buf, columns, count);
	for (int i = 0; i < count; i++)
		free(columns[i].value);
	pfree(buf.data);
	return 0;
}
