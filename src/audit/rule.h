/*-------------------------------------------------------------------------
 *
 * rule.h
 *	  What every guard and the audit trigger need of a row.  See rule.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_RULE_H
#define AK_RULE_H

#include "access/htup.h"
#include "commands/trigger.h"
#include "utils/rel.h"

#include "core/catalog.h"

#define AK_ROW_NATTS_MAX 40

/* A row that a trigger looks at and may change: the columns that are ours */
typedef struct AkRow
{
	HeapTuple	tuple;			/* as it came */
	TupleDesc	desc;
	int			natts;			/* how many are ours, of those that desc has the first */
	Datum		values[AK_ROW_NATTS_MAX];
	bool		nulls[AK_ROW_NATTS_MAX];
} AkRow;

/* The n-th column (an Anum_) of a row */
#define AK_VALUE(row, column)	((row)->values[(column) - 1])
#define AK_IS_NULL(row, column) ((row)->nulls[(column) - 1])

extern TriggerData *ak_trigger_data(FunctionCallInfo fcinfo, const char *name, int tables);
extern void ak_row_begin(AkRow *row, Relation rel);
extern void ak_row_read(AkRow *row, Relation rel, HeapTuple tuple);
extern char *ak_row_text(const AkRow *row, AttrNumber column);
extern void ak_row_set(AkRow *row, AttrNumber column, Datum value);
extern void ak_row_set_text(AkRow *row, AttrNumber column, const char *value);
extern void ak_row_clear(AkRow *row, AttrNumber column);
extern bool ak_column_changed(const AkRow *old, const AkRow *new, AttrNumber column);
extern bool ak_row_changed(const AkRow *old, const AkRow *new);
extern bool ak_row_restored(const AkRow *row);
extern bool ak_installing(void);
extern HeapTuple ak_row_written(const AkRow *row);
extern HeapTuple ak_row_seal(AkRow *row);
extern bool ak_take_fresh(int64 audit_id);
extern void ak_forget_fresh(void);

#endif							/* AK_RULE_H */
