/*-------------------------------------------------------------------------
 *
 * onecall.c
 *	  One call is one validation, wherever the planner puts it.
 *
 * For a join such as
 *
 *	  FROM requests r, apikeys.validate_key(r.key) v WHERE v.valid AND ...
 *
 * PostgreSQL may put a Memoize node above the call, which answers for a key
 * that was there before from its cache.  (It asks whether the columns and
 * conditions are volatile, and not whether the function in FROM is: up to 19 at
 * least.)  Then 2000 requests of a key limited to 3 are 2000 times VALID, and
 * authenticate() leaves another key current than the one of the row.
 *
 * The support function below keeps Memoize away.  The planner asks it for the
 * cost of a call when it makes the paths of the relation with the call, after
 * what the relation depends on is settled and before joins are considered.
 * Memoize wants everything that a relation depends on laterally to be hashable;
 * so it gets one thing more there that is not.  The planner looks at that list
 * for nothing else any more.  No other statement is concerned.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"

PG_FUNCTION_INFO_V1(ak_validation_support);

/* A NULL of a type without a hash function, json, ends the lateral_vars of a relation that must not be cached. */
static bool
is_refusal(const Node *node)
{
	return IsA(node, Const) && ((const Const *) node)->consttype == JSONOID;
}

/*
 * Keeps Memoize away from all that is lateral to something else at the level of
 * the statement where the call is, and at those around it: a sub-select in FROM
 * is such a thing, too.
 */
static void
refuse_memoize(PlannerInfo *root)
{
	for (; root != NULL; root = root->parent_root)
	{
		for (int i = 1; i < root->simple_rel_array_size; i++)
		{
			RelOptInfo *rel = root->simple_rel_array[i];

			if (rel != NULL && rel->lateral_vars != NIL && !is_refusal(llast(rel->lateral_vars)))
				rel->lateral_vars = lappend(rel->lateral_vars, makeNullConst(JSONOID, -1, InvalidOid));
		}
	}
}

/*
 * validation_support(internal) -> internal: the planner support function of
 * validate_key and authenticate.  It answers nothing: the planner's defaults
 * hold, that of the cost, too.
 */
Datum
ak_validation_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestCost))
		refuse_memoize(((SupportRequestCost *) request)->root);
	PG_RETURN_POINTER(NULL);
}
