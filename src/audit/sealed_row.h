/*-------------------------------------------------------------------------
 *
 * sealed_row.h
 *	  Rows under a guard or the audit trigger.  See sealed_row.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SEALED_ROW_H
#define AK_SEALED_ROW_H

#include "access/htup.h"
#include "commands/trigger.h"
#include "utils/rel.h"

#include "core/catalog.h"
#include "core/columns.h"

/* Our columns of a row that a trigger reads and may change */
typedef struct AkRow
{
	HeapTuple tuple;  /* as the trigger got it */
	TupleDesc stored; /* the table's, while it is open */
	const AkColumns *columns;
	Datum values[AK_NATTS_MAX];
	bool nulls[AK_NATTS_MAX];
} AkRow;

/* The n-th column (an Anum_) of a row */
#define AK_VALUE(row, column)   ((row)->values[AttrNumberGetAttrOffset(column)])
#define AK_IS_NULL(row, column) ((row)->nulls[AttrNumberGetAttrOffset(column)])

/* When a row trigger fires: without AK_BEFORE, after the row is written */
#define AK_BEFORE    1
#define AK_ON_INSERT 2
#define AK_ON_UPDATE 4
#define AK_ON_DELETE 8
#define AK_ON_CHANGE (AK_ON_INSERT | AK_ON_UPDATE | AK_ON_DELETE)

extern TriggerData *ak_trigger_data(FunctionCallInfo fcinfo, const char *name, int when, int tables);
extern void ak_row_begin(AkRow *row, Relation rel);
extern void ak_row_read(AkRow *row, Relation rel, HeapTuple tuple);
extern void ak_trigger_rows(const TriggerData *trigdata, AkRow rows[2], AkRow **old, AkRow **new);
extern const char *ak_column_name(const AkRow *row, AttrNumber column);
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
extern int64 ak_row_audit_id(const AkRow *row);
extern bool ak_row_fresh(const AkRow *row);
extern void ak_add_details(const AkRow *row, const char *details);
extern bool ak_take_fresh(int64 audit_id, const char **details);
extern void ak_forget_fresh(void);

#endif /* AK_SEALED_ROW_H */
