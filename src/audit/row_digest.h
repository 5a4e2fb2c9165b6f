/*-------------------------------------------------------------------------
 *
 * row_digest.h
 *	  The digests of rows and entries.  See row_digest.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ROW_DIGEST_H
#define AK_ROW_DIGEST_H

#include "lib/stringinfo.h"

#include "core/columns.h"
#include "core/compat.h"

pg_noreturn extern void ak_refuse_column_type(Oid type);
extern void ak_row_bytes(StringInfo buf, const AkColumns *columns, const Datum *values, const bool *nulls);
extern void ak_row_digest(const AkColumns *columns, const Datum *values, const bool *nulls, uint8 *out);
extern bool ak_row_digest_right(const AkColumns *columns, const Datum *values, const bool *nulls);
extern const uint8 *ak_hash_bytes(Datum value, bool isnull);
extern Datum ak_digest_datum(const uint8 *digest);

#endif /* AK_ROW_DIGEST_H */
