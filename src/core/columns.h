/*-------------------------------------------------------------------------
 *
 * columns.h
 *	  The columns of our tables that are ours.  See columns.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_COLUMNS_H
#define AK_COLUMNS_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

#include "core/catalog.h"

#define AK_NATTS_MAX 40 /* of our columns in a table */

/* Our columns of a table, in the order of its Anum_ enum */
typedef struct AkColumns
{
	AkRelation table;
	int natts;
	AttrNumber digest;                /* of these, the one with the row's digest; 0: none */
	bool in_place;                    /* each has this number in the table */
	AttrNumber attnums[AK_NATTS_MAX]; /* the number that it has there */
	TupleDesc desc;                   /* a row of these alone */
} AkColumns;

extern void ak_find_columns(Relation rel, AkRelation which);
extern const AkColumns *ak_columns(AkRelation which);
extern const AkColumns *ak_columns_of(Relation rel);
extern void ak_deform(HeapTuple tuple, TupleDesc desc, const AkColumns *columns, Datum *values, bool *nulls);
extern void ak_slot_read(TupleTableSlot *slot, const AkColumns *columns, Datum *values, bool *nulls);

#endif /* AK_COLUMNS_H */
