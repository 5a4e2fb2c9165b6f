/*-------------------------------------------------------------------------
 *
 * insert.h
 *	  Insert a row into one of our tables without a plan.  See insert.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_INSERT_H
#define AK_INSERT_H

#include "access/htup.h"
#include "utils/relcache.h"

extern HeapTuple ak_insert_row(Relation rel, int natts, const Datum *values, const bool *nulls);

#endif /* AK_INSERT_H */
