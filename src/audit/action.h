/*-------------------------------------------------------------------------
 *
 * action.h
 *	  What a statement of ours does, where its rows do not tell.  See action.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ACTION_H
#define AK_ACTION_H

#include "fmgr.h"
#include "utils/rel.h"

#include "access/context.h"
#include "core/catalog.h"
#include "core/query.h"

typedef enum AkVerb
{
	AK_VERB_NONE,    /* what the row before and after tells */
	AK_VERB_ISSUE,   /* the key's new secret was drawn just now */
	AK_VERB_IMPORT,  /* the key was issued elsewhere */
	AK_VERB_DROP,    /* DELETE of archived keys: refused without this verb */
	AK_VERB_MAKE_WAY /* DELETE of a row that the extension's script inserted: has no entry */
} AkVerb;

/* The action of one statement on one of our tables; NULL: nothing */
typedef struct AkAction
{
	AkRelation table;
	AkVerb verb;
	const char *why;     /* ends the activity, as in ", which was dropped" */
	const char *reason;  /* given by the caller: ak_reason_argument() */
	const char *details; /* further members of "changes", as JSON without the braces */
	/* who acts, where the action removes what would tell that; NULL: ak_current_actor() says so */
	const AkActor *actor;
} AkAction;

extern const AkAction *ak_action_on(Relation rel);
extern int ak_act(const AkAction *action, AkQuery *query, Datum *args, const char *nulls, AkSight sight);
extern HeapTuple ak_act_insert(const AkAction *action, Relation rel, int natts, const Datum *values, const bool *nulls);
extern bool ak_act_update(const AkAction *action, Relation rel, HeapTuple old, const Datum *values, const bool *nulls,
						  const bool *changed, HeapTuple *row);
extern char *ak_reason_argument(FunctionCallInfo fcinfo, int n, const char *workspace);

#endif /* AK_ACTION_H */
