/*-------------------------------------------------------------------------
 *
 * rowdigest.c
 *	  The digest of a row: SHA-256 of its canonical bytes (chain.c).
 *
 * The last column of each of our audited tables is the digest itself, and is
 * left out.  Every column type that these tables use has its bytes here.
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
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "chain.h"
#include "compat.h"
#include "rowdigest.h"

/* Text as UTF-8, so that it has the same bytes in whatever database; what SQL_ASCII holds has no meaning but its bytes. */
static void
canon_text(StringInfo buf, const char *data, int len)
{
	const char *utf8 = GetDatabaseEncoding() == PG_SQL_ASCII ? data :
		pg_server_to_any(data, len, PG_UTF8);

	if (utf8 == data)
		ak_canon_bytes(buf, data, len);
	else
	{
		ak_canon_bytes(buf, utf8, strlen(utf8));
		pfree(unconstify(char *, utf8));
	}
}

static void canon_value(StringInfo buf, Oid type, Datum value);

static void
canon_array(StringInfo buf, Oid element_type, Datum value)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(value), element_type, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &count);
	ak_canon_uint(buf, count, 4);
	for (int i = 0; i < count; i++)
	{
		int			start;

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
				text	   *t = DatumGetTextPP(value);

				canon_text(buf, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
				break;
			}
		case NAMEOID:
			canon_text(buf, NameStr(*DatumGetName(value)), strlen(NameStr(*DatumGetName(value))));
			break;
		case BYTEAOID:
			{
				bytea	   *b = DatumGetByteaPP(value);

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
				Interval   *i = DatumGetIntervalP(value);

				ak_canon_uint(buf, (uint64) i->time, 8);
				ak_canon_uint(buf, (uint32) i->day, 4);
				ak_canon_uint(buf, (uint32) i->month, 4);
				break;
			}
		case INETOID:
		case CIDROID:
			{
				inet	   *i = DatumGetInetPP(value);

				ak_canon_uint(buf, ip_family(i) == PGSQL_AF_INET6 ? 6 : 4, 1);
				ak_canon_uint(buf, ip_bits(i), 1);
				ak_canon_bytes(buf, ip_addr(i), ip_addrsize(i));
				break;
			}
		case JSONBOID:
			{
				Jsonb	   *j = DatumGetJsonbP(value);
				StringInfoData json;

				/* jsonb keeps keys in an order of its own, so that its text is canonical */
				initStringInfo(&json);
				JsonbToCString(&json, &j->root, VARSIZE(j));
				canon_text(buf, json.data, json.len);
				pfree(json.data);
				break;
			}
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
 * Computes the digest of a row, all columns but the last, into 32 bytes.
 * Values may be toasted.
 */
void
ak_row_digest(TupleDesc desc, const Datum *values, const bool *nulls, uint8 *out)
{
	StringInfoData buf;

	initStringInfo(&buf);
	ak_canon_begin(&buf);
	for (int i = 0; i < desc->natts - 1; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);
		int			column;

		if (nulls[i] || attr->attisdropped)
			continue;
		column = ak_canon_column(&buf, NameStr(attr->attname));
		canon_value(&buf, attr->atttypid, values[i]);
		ak_canon_end(&buf, column);
	}
	if (!ak_sha256(buf.data, buf.len, out))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a SHA-256 hash")));
	pfree(buf.data);
}

/* Does the row's last column hold its right digest? */
bool
ak_row_digest_right(TupleDesc desc, const Datum *values, const bool *nulls)
{
	int			last = desc->natts - 1;
	uint8		digest[AK_HASH_LEN];
	bytea	   *given;

	if (nulls[last])
		return false;
	given = DatumGetByteaPP(values[last]);
	if (VARSIZE_ANY_EXHDR(given) != AK_HASH_LEN)
		return false;
	ak_row_digest(desc, values, nulls, digest);
	return ak_hash_equal(digest, (const uint8 *) VARDATA_ANY(given));
}

/* A digest as a palloc'd bytea. */
Datum
ak_digest_datum(const uint8 *digest)
{
	bytea	   *result = palloc(VARHDRSZ + AK_HASH_LEN);

	SET_VARSIZE(result, VARHDRSZ + AK_HASH_LEN);
	memcpy(VARDATA(result), digest, AK_HASH_LEN);
	return PointerGetDatum(result);
}
