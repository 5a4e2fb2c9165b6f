/*-------------------------------------------------------------------------
 *
 * rowwrite.h
 *	  Insert or update a row of one of our tables without a plan.  See
 *	  rowwrite.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ROWWRITE_H
#define AK_ROWWRITE_H

#include "access/htup.h"
#include "utils/relcache.h"

extern HeapTuple ak_insert_row(Relation rel, int natts, const Datum *values, const bool *nulls);
extern bool ak_update_row(Relation rel, HeapTuple old, const Datum *values, const bool *nulls, const bool *changed,
						  HeapTuple *row);

#endif /* AK_ROWWRITE_H */
