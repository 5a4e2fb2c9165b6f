/*-------------------------------------------------------------------------
 *
 * action.c
 *	  What a statement of ours does, where its rows do not tell.
 *
 * The audit trigger derives an entry from the row before and after, for direct
 * SQL as for our functions.  What the rows do not tell, such as the caller's
 * reason, a function hands over as the action of its statement: ak_act().
 *
 * The action holds for the rows that the statement itself changes in the
 * action's table.  Their triggers run one trigger level below the function.
 * What users' triggers and foreign keys do in turn runs deeper, and has no
 * action.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "access/label.h"
#include "audit/action.h"
#include "core/args.h"
#include "core/rowwrite.h"

#define REASON_MAX 500 /* characters */

/* The action under way, and the trigger level of the function that acts */
typedef struct AkActing
{
	const AkAction *action;
	int level;
} AkActing;

static AkActing acting = {NULL, 0};

static int
trigger_level(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

/*
 * To be called by a trigger: returns the action of its statement, NULL if it is
 * direct SQL or one of ours without an action.
 */
const AkAction *
ak_action_on(Relation rel)
{
	if (acting.action == NULL || trigger_level() != acting.level + 1 ||
		RelationGetRelid(rel) != ak_relid(acting.action->table))
		return NULL;
	return acting.action;
}

static AkActing
begin_action(const AkAction *action)
{
	AkActing outer = acting;

	acting.action = action;
	acting.level = trigger_level();
	return outer;
}

/* ak_query() with an action, which may be NULL. */
int
ak_act(const AkAction *action, AkQuery *query, Datum *args, const char *nulls, AkSight sight)
{
	AkActing outer = begin_action(action);
	int rc;

	PG_TRY();
	{
		rc = ak_query(query, args, nulls, sight);
	}
	PG_FINALLY();
	{
		acting = outer;
	}
	PG_END_TRY();
	return rc;
}

/* ak_insert_row() with an action, which may be NULL. */
HeapTuple
ak_act_insert(const AkAction *action, Relation rel, int natts, const Datum *values, const bool *nulls)
{
	AkActing outer = begin_action(action);
	HeapTuple row;

	PG_TRY();
	{
		row = ak_insert_row(rel, natts, values, nulls);
	}
	PG_FINALLY();
	{
		acting = outer;
	}
	PG_END_TRY();
	return row;
}

/* ak_update_row() with an action, which may be NULL. */
bool
ak_act_update(const AkAction *action, Relation rel, HeapTuple old, const Datum *values, const bool *nulls,
			  const bool *changed, HeapTuple *row)
{
	AkActing outer = begin_action(action);
	bool found;

	PG_TRY();
	{
		found = ak_update_row(rel, old, values, nulls, changed, row);
	}
	PG_FINALLY();
	{
		acting = outer;
	}
	PG_END_TRY();
	return found;
}

/*
 * Returns the n-th argument of a function as the reason of an action in that
 * workspace (NULL: in none); NULL if it is NULL or empty.  Raises 22023 for a
 * text longer than 500 characters, with characters that do not show, or with a
 * secret.
 */
char *
ak_reason_argument(FunctionCallInfo fcinfo, int n, const char *workspace)
{
	char *reason = ak_optional_text(fcinfo, n);

	if (reason == NULL || reason[0] == '\0')
		return NULL;
	ak_check_text("reason", "reason", reason, REASON_MAX);
	ak_refuse_known_secret("reason", "reason", reason, workspace, NULL);
	return reason;
}
