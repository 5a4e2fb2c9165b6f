/*-------------------------------------------------------------------------
 *
 * row_digest.c
 *	  The digest of a row: SHA-256 of its canonical bytes (chain.c).
 *
 * The last of our columns of each audited table is the digest itself, and is
 * left out, as are columns that users added.  This file defines the canonical
 * bytes of every column type that these tables use.
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
#include "pure/chain.h"

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
			ak_canon_uint(buf, (uint32) DatumGetInt32(value), 4);
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
			elog(ERROR, "no canonical bytes for type %u", type);
	}
}

/*
 * Computes the digest of a row, of its natts columns except the last, into
 * "out" (32 bytes).  Values may be toasted.
 */
void
ak_row_digest(TupleDesc desc, int natts, const Datum *values, const bool *nulls, uint8 *out)
{
	/* kept for the next row */
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
	ak_canon_begin(&buf);
	for (int i = 0; i < natts - 1; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		int column;

		if (nulls[i])
			continue;
		column = ak_canon_column(&buf, NameStr(attr->attname));
		canon_value(&buf, attr->atttypid, values[i]);
		ak_canon_end(&buf, column);
	}
	if (!ak_sha256(buf.data, buf.len, out))
		ak_hash_failed();
}

/* Returns true if the last of a row's natts columns holds the right digest. */
bool
ak_row_digest_right(TupleDesc desc, int natts, const Datum *values, const bool *nulls)
{
	int last = natts - 1;
	uint8 digest[AK_HASH_LEN];
	bytea *given;

	if (nulls[last])
		return false;
	given = DatumGetByteaPP(values[last]);
	if (VARSIZE_ANY_EXHDR(given) != AK_HASH_LEN)
		return false;
	ak_row_digest(desc, natts, values, nulls, digest);
	return ak_hash_equal(digest, (const uint8 *) VARDATA_ANY(given));
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
