/*-------------------------------------------------------------------------
 *
 * row_digest.c
 *	  The digests of rows and entries: SHA-256 of their canonical bytes
 *	  (canonical.c).
 *
 * This file defines which columns the canonical bytes have, and the bytes of
 * every column type of these tables.  Left out are the digest itself, columns
 * that users added, and values that are NULL or the column's default.
 *
 * The digest of an entry is its leaf hash in the tree of the log (RFC 6962): of
 * a byte 0 and then the canonical bytes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "audit/row_digest.h"
#include "core/compat.h"
#include "core/errors.h"
#include "pure/canonical.h"
#include "pure/digest.h"

/*
 * Raises 42804 for a column whose type was changed: the tables that we digest
 * have only the types below.
 */
void
ak_refuse_column_type(Oid type)
{
	ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("unexpected column type %s", format_type_be(type)),
					errdetail("A column of a table of apikeys was given another type."), errhint("Change it back.")));
}

/* Appends text as UTF-8, so that it has the same bytes in every database; SQL_ASCII text is appended as it is. */
static void
canon_text(StringInfo buf, const char *data, int len)
{
	const char *utf8 = GetDatabaseEncoding() == PG_SQL_ASCII ? data : pg_server_to_any(data, len, PG_UTF8);

	if (utf8 == data)
		ak_canon_bytes(buf, data, len);
	else
	{
		ak_canon_bytes(buf, utf8, strlen(utf8));
		pfree(unconstify(char *, utf8));
	}
}

/* Appends an object key or a scalar, as in the text of a jsonb. */
static void
canon_json_scalar(StringInfo buf, const JsonbValue *value)
{
	char *text;

	switch (value->type)
	{
		case jbvString:
			text = GetDatabaseEncoding() == PG_SQL_ASCII
					   ? value->val.string.val
					   : pg_server_to_any(value->val.string.val, value->val.string.len, PG_UTF8);
			if (text == value->val.string.val)
				ak_canon_json_text(buf, text, value->val.string.len);
			else
			{
				ak_canon_json_text(buf, text, strlen(text));
				pfree(text);
			}
			break;
		case jbvNumeric:
			text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
			ak_canon_bytes(buf, text, strlen(text));
			pfree(text);
			break;
		case jbvBool:
			if (value->val.boolean)
				ak_canon_bytes(buf, "true", 4);
			else
				ak_canon_bytes(buf, "false", 5);
			break;
		default:
			ak_canon_bytes(buf, "null", 4);
	}
}

/*
 * Appends the text of a jsonb as jsonb_out() writes it, in UTF-8.  It is
 * canonical, because jsonb keeps keys in a fixed order.
 */
static void
canon_json(StringInfo buf, Jsonb *json)
{
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	JsonbValue value;
	JsonbIteratorToken token;
	bool first = true;
	bool scalar = false;
	bool value_follows = false;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		bool closes = token == WJB_END_ARRAY || token == WJB_END_OBJECT;

		if (!closes && !first && !value_follows)
			ak_canon_bytes(buf, ", ", 2);
		value_follows = token == WJB_KEY;
		first = token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT;
		switch (token)
		{
			case WJB_BEGIN_ARRAY:
				scalar = value.val.array.rawScalar;
				if (!scalar)
					ak_canon_bytes(buf, "[", 1);
				break;
			case WJB_BEGIN_OBJECT:
				ak_canon_bytes(buf, "{", 1);
				break;
			case WJB_END_ARRAY:
				if (!scalar)
					ak_canon_bytes(buf, "]", 1);
				break;
			case WJB_END_OBJECT:
				ak_canon_bytes(buf, "}", 1);
				break;
			default:
				canon_json_scalar(buf, &value);
				if (token == WJB_KEY)
					ak_canon_bytes(buf, ": ", 2);
		}
	}
}

static void canon_value(StringInfo buf, Oid type, Datum value);

static void
canon_array(StringInfo buf, Oid element_type, Datum value)
{
	Datum *elements;
	bool *nulls;
	int count;

	deconstruct_array(DatumGetArrayTypeP(value), element_type, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	ak_canon_uint(buf, count, 4);
	for (int i = 0; i < count; i++)
	{
		int start;

		ak_canon_uint(buf, nulls[i] ? 0xffffffff : 0, 4);
		start = buf->len;
		if (nulls[i])
			continue;
		canon_value(buf, element_type, elements[i]);
		ak_canon_end(buf, start);
	}
}

static void
canon_value(StringInfo buf, Oid type, Datum value)
{
	switch (type)
	{
		case TEXTOID:
		{
			text *t = DatumGetTextPP(value);

			canon_text(buf, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
			break;
		}
		case NAMEOID:
			canon_text(buf, NameStr(*DatumGetName(value)), strlen(NameStr(*DatumGetName(value))));
			break;
		case BYTEAOID:
		{
			bytea *b = DatumGetByteaPP(value);

			ak_canon_bytes(buf, VARDATA_ANY(b), VARSIZE_ANY_EXHDR(b));
			break;
		}
		case UUIDOID:
			ak_canon_bytes(buf, DatumGetUUIDP(value)->data, UUID_LEN);
			break;
		case INT4OID:
			ak_canon_uint(buf, (uint64) DatumGetInt32(value), 8);
			break;
		case INT8OID:
			ak_canon_uint(buf, (uint64) DatumGetInt64(value), 8);
			break;
		case TIMESTAMPTZOID:
			ak_canon_uint(buf, (uint64) DatumGetTimestampTz(value), 8);
			break;
		case INTERVALOID:
		{
			Interval *i = DatumGetIntervalP(value);

			ak_canon_uint(buf, (uint64) i->time, 8);
			ak_canon_uint(buf, (uint32) i->day, 4);
			ak_canon_uint(buf, (uint32) i->month, 4);
			break;
		}
		case INETOID:
		case CIDROID:
		{
			inet *i = DatumGetInetPP(value);

			ak_canon_uint(buf, ip_family(i) == PGSQL_AF_INET6 ? 6 : 4, 1);
			ak_canon_uint(buf, ip_bits(i), 1);
			ak_canon_bytes(buf, ip_addr(i), ip_addrsize(i));
			break;
		}
		case JSONBOID:
			canon_json(buf, DatumGetJsonbP(value));
			break;
		case TEXTARRAYOID:
			canon_array(buf, TEXTOID, value);
			break;
		case CIDRARRAYOID:
			canon_array(buf, CIDROID, value);
			break;
		default:
			ak_refuse_column_type(type);
	}
}

static AkCanonType
canon_type(Oid type)
{
	switch (type)
	{
		case TEXTOID:
		case NAMEOID:
			return AK_CANON_TEXT;
		case BYTEAOID:
			return AK_CANON_BYTES;
		case UUIDOID:
			return AK_CANON_UUID;
		case INT4OID:
		case INT8OID:
			return AK_CANON_INTEGER;
		case TIMESTAMPTZOID:
			return AK_CANON_TIME;
		case INTERVALOID:
			return AK_CANON_INTERVAL;
		case INETOID:
		case CIDROID:
			return AK_CANON_NETWORK;
		case JSONBOID:
			return AK_CANON_JSON;
		case TEXTARRAYOID:
			return AK_CANON_TEXTS;
		case CIDRARRAYOID:
			return AK_CANON_NETWORKS;
		default:
			ak_refuse_column_type(type);
	}
}

/*
 * The columns that are NOT NULL and have a default, and its canonical bytes.  A
 * later version that adds such a column names it here: then rows written before
 * keep their digest.
 */
static const struct
{
	const char *column;
	int len;
	const char *bytes;
} defaults[] = {
	{"prefix", 2, "ak"},
	{"archive_limit", 8, "\0\0\0\0\0\0\0\012"},
};

static bool
is_default(const char *column, const char *bytes, int len)
{
	for (int i = 0; i < (int) lengthof(defaults); i++)
		if (len == defaults[i].len && strcmp(column, defaults[i].column) == 0 &&
			memcmp(bytes, defaults[i].bytes, len) == 0)
			return true;
	return false;
}

/*
 * Appends the canonical bytes of a row: of our columns, in the order of their
 * enum, but the digest.  Values may be toasted.
 */
void
ak_row_bytes(StringInfo buf, const AkColumns *columns, const Datum *values, const bool *nulls)
{
	ak_canon_begin(buf);
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(columns->desc, i);
		int before = buf->len;
		int start;

		if (nulls[i] || i + 1 == columns->digest)
			continue;
		start = ak_canon_column(buf, NameStr(attr->attname), canon_type(attr->atttypid));
		canon_value(buf, attr->atttypid, values[i]);
		if (is_default(NameStr(attr->attname), buf->data + start, buf->len - start))
			buf->len = before;
		else
			ak_canon_end(buf, start);
	}
}

/* Returns an empty buffer, kept for the next row. */
static StringInfo
row_buffer(void)
{
	static StringInfoData buf = {0};

	if (buf.data == NULL || buf.maxlen > 65536)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		if (buf.data != NULL)
			pfree(buf.data);
		buf.data = NULL;
		initStringInfo(&buf);
		MemoryContextSwitchTo(old);
	}
	buf.len = 0;
	return &buf;
}

/* Computes the digest of a row into "out" (32 bytes); that of an entry is its leaf hash. */
void
ak_row_digest(const AkColumns *columns, const Datum *values, const bool *nulls, uint8 *out)
{
	StringInfo buf = row_buffer();

	if (columns->table == AK_AUDIT_LOG)
		appendStringInfoCharMacro(buf, '\0');
	ak_row_bytes(buf, columns, values, nulls);
	if (!ak_sha256(buf->data, buf->len, out))
		ak_hash_failed();
}

/* Returns the 32 bytes of a bytea, or NULL if it is NULL or has another length. */
const uint8 *
ak_hash_bytes(Datum value, bool isnull)
{
	bytea *bytes;

	if (isnull)
		return NULL;
	bytes = DatumGetByteaPP(value);
	return VARSIZE_ANY_EXHDR(bytes) == AK_HASH_LEN ? (const uint8 *) VARDATA_ANY(bytes) : NULL;
}

/* Returns true if the digest that a row or entry holds is right. */
bool
ak_row_digest_right(const AkColumns *columns, const Datum *values, const bool *nulls)
{
	const uint8 *given = ak_hash_bytes(values[columns->digest - 1], nulls[columns->digest - 1]);
	uint8 digest[AK_HASH_LEN];

	/* a new row has none: nothing is computed for it */
	if (given == NULL)
		return false;
	ak_row_digest(columns, values, nulls, digest);
	return ak_hash_equal(digest, given);
}

/* Returns a digest as a palloc'd bytea. */
Datum
ak_digest_datum(const uint8 *digest)
{
	bytea *result = palloc(VARHDRSZ + AK_HASH_LEN);

	SET_VARSIZE(result, VARHDRSZ + AK_HASH_LEN);
	memcpy(VARDATA(result), digest, AK_HASH_LEN);
	return PointerGetDatum(result);
}
