/*-------------------------------------------------------------------------
 *
 * row_digest.h
 *	  The digest of a row of one of our tables.  See row_digest.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ROW_DIGEST_H
#define AK_ROW_DIGEST_H

#include "access/tupdesc.h"

#include "core/compat.h"

extern void ak_row_digest(TupleDesc desc, int natts, const Datum *values, const bool *nulls, uint8 *out);
extern bool ak_row_digest_right(TupleDesc desc, int natts, const Datum *values, const bool *nulls);
extern Datum ak_digest_datum(const uint8 *digest);

#endif /* AK_ROW_DIGEST_H */
