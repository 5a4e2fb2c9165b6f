/*-------------------------------------------------------------------------
 *
 * onecall.c
 *	  Make each call one validation, whatever plan is chosen.
 *
 * For a join such as
 *
 *	  FROM requests r, apikeys.validate_key(r.key) v WHERE v.valid AND ...
 *
 * PostgreSQL may put a Memoize node above the call, which answers for a
 * repeated key from its cache.  (It checks whether the columns and conditions
 * are volatile, but not whether the function in FROM is, at least up to 19.)
 * Then 2000 requests of a key limited to 3 are 2000 times VALID, and
 * authenticate() leaves a current key that is not the row's.
 *
 * The support function below prevents Memoize.  The planner calls it for the
 * cost of a call when it makes the paths of the call's relation: after that
 * relation's lateral dependencies are set, and before joins are considered.
 * Memoize requires that all lateral dependencies are hashable, so the function
 * adds one that is not.  The planner uses that list for nothing else
 * afterwards.  Other statements are not affected.
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

/* Returns true for the NULL of type json, which has no hash function, that ends the lateral_vars of a relation. */
static bool
is_refusal(const Node *node)
{
	return IsA(node, Const) && ((const Const *) node)->consttype == JSONOID;
}

/*
 * Prevents Memoize for all relations with lateral dependencies, at the query
 * level of the call and the levels around it: a sub-select in FROM can be such
 * a relation, too.
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
 * validate_key and authenticate.  It returns NULL: the planner uses its
 * defaults, also for the cost.
 */
Datum
ak_validation_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestCost))
		refuse_memoize(((SupportRequestCost *) request)->root);
	PG_RETURN_POINTER(NULL);
}
