/*-------------------------------------------------------------------------
 *
 * changes.h
 *	  The old and new values of a change as JSON.  See changes.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_CHANGES_H
#define AK_CHANGES_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "audit/sealed_row.h"

/* A column whose changes are recorded, and its label in the activity */
typedef struct AkTold
{
	AttrNumber column;
	const char *label; /* NULL: not named in the activity */
} AkTold;

extern void ak_tell_changes(StringInfo changes, StringInfo labels, const AkTold *told, const AkRow *old,
							const AkRow *new);
extern void ak_append_members(StringInfo changes, const char *members);
extern void ak_append_evicted(StringInfo changes, int n, const char *key_id, const char *name);
extern Jsonb *ak_apply_change(Jsonb *value, Jsonb *from, Jsonb *to);

#endif /* AK_CHANGES_H */
