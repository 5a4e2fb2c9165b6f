/*-------------------------------------------------------------------------
 *
 * verdictscan.c
 *	  The plan node of SELECT ... FROM apikeys.validate_key(...).
 *
 * PostgreSQL's own node for a function in FROM, Function Scan, is made for
 * functions that return many rows: it keeps what they return in a tuplestore,
 * with a memory context and a copy of the row type for each execution, which
 * costs more than a validation.  A function that returns one verdict gets this
 * node instead, which evaluates the call as an expression and hands out its
 * columns.  Nothing else differs: the call is made once, when the first row is
 * asked for; a rescan makes it anew only if its arguments changed; EXECUTE is
 * checked when the executor starts, by the executor itself.
 *
 * The planner asks the hook below once the library is loaded.  That it is from
 * the first statement of a session on is the job of ak_verdict_support(), the
 * support function of the functions in question, which the planner calls first.
 *
 * Where a row is needed as a whole (SELECT v FROM apikeys.validate_key(...) v),
 * with ordinality, in ROWS FROM beside others, and with a correlated sub-select
 * among the arguments, Function Scan remains.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "nodes/extensible.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"
#include "utils/typcache.h"

#include "catalog.h"
#include "compat.h"
#include "verdictscan.h"

PG_FUNCTION_INFO_V1(ak_verdict_support);

typedef struct AkVerdictScan
{
	CustomScanState css;
	ExprState  *call;
	Bitmapset  *call_params;	/* that the call's arguments depend on */
	TupleDesc	type;			/* of the row that it returns */
	MemoryContext context;		/* of that row; one of its own when there may be others after it */
	HeapTupleHeader row;		/* NULL: all columns are NULL */
	bool		called;
	bool		given;			/* the row was handed out */
	Datum	   *values;			/* the row's columns */
	bool	   *nulls;
	AttrNumber *columns;		/* which of them is the scan slot's first, second ... */
} AkVerdictScan;

static set_rel_pathlist_hook_type previous_hook = NULL;

static Plan *plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *children);
static Node *create_state(CustomScan *plan);
static void begin_scan(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *exec_scan(CustomScanState *node);
static void end_scan(CustomScanState *node);
static void rescan(CustomScanState *node);
static void explain_scan(CustomScanState *node, List *ancestors, ExplainState *es);

static const CustomPathMethods path_methods = {
	.CustomName = "Verdict",
	.PlanCustomPath = plan_scan
};

static const CustomScanMethods scan_methods = {
	.CustomName = "Verdict",
	.CreateCustomScanState = create_state
};

static const CustomExecMethods exec_methods = {
	.CustomName = "Verdict",
	.BeginCustomScan = begin_scan,
	.ExecCustomScan = exec_scan,
	.EndCustomScan = end_scan,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = explain_scan
};

/* ---------------------------------------------------------------- planning */

/* The call in FROM, when it is for this node; else NULL. */
static FuncExpr *
verdict_call(const RelOptInfo *rel, const RangeTblEntry *rte)
{
	RangeTblFunction *function;
	FuncExpr   *call;
	Oid			verdict;

	if (rte->rtekind != RTE_FUNCTION || rte->funcordinality || list_length(rte->functions) != 1)
		return NULL;
	function = linitial(rte->functions);
	call = (FuncExpr *) function->funcexpr;
	if (!IsA(call, FuncExpr) || call->funcretset || function->funccolnames != NIL)
		return NULL;
	/* what a correlated sub-select depends on is not to be seen in it */
	if (contain_subplans((Node *) call))
		return NULL;
	/* as a whole, or to be locked beside other tables */
	if (!bms_is_empty(rel->attr_needed[InvalidAttrNumber - rel->min_attr]))
		return NULL;
	verdict = ak_relid_if_any(AK_VERDICT);
	if (!OidIsValid(verdict) || call->funcresulttype != get_rel_type_id(verdict))
		return NULL;
	return call;
}

/* Puts this node in the place of Function Scan. */
static void
choose_scan(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *rte)
{
	CustomPath *path;
	Path	   *function_scan;

	if (previous_hook)
		previous_hook(root, rel, rti, rte);
	if (verdict_call(rel, rte) == NULL || list_length(rel->pathlist) != 1)
		return;
	function_scan = linitial(rel->pathlist);
	if (function_scan->pathtype != T_FunctionScan)
		return;

	path = makeNode(CustomPath);
	path->path = *function_scan;
	path->path.type = T_CustomPath;
	path->path.pathtype = T_CustomScan;
	path->flags = CUSTOMPATH_SUPPORT_PROJECTION;
	path->methods = &path_methods;
	rel->pathlist = list_make1(path);
}

/*
 * The plan.  Its scan tuple has the columns that anybody needs, and no others;
 * the target list is not final, as a projection above may put its own there.
 */
static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *tlist, List *clauses, List *children)
{
	CustomScan *plan = makeNode(CustomScan);
	List	   *quals = extract_actual_clauses(clauses, false);
	List	   *columns = NIL;
	ListCell   *cell;

	foreach(cell, pull_var_clause((Node *) list_make3(tlist, quals, rel->reltarget->exprs), PVC_RECURSE_PLACEHOLDERS))
	{
		Var		   *var = lfirst(cell);

		/* not those of tables that the call is lateral to */
		if (var->varno == rel->relid)
			columns = lappend(columns, var);
	}
	plan->scan.plan.targetlist = tlist;
	plan->scan.plan.qual = quals;
	plan->flags = path->flags;
	plan->custom_exprs = list_make1(verdict_call(rel, planner_rt_fetch(rel->relid, root)));
	plan->custom_scan_tlist = add_to_flat_tlist(NIL, columns);
	plan->methods = &scan_methods;
	return &plan->scan.plan;
}

/* --------------------------------------------------------------- execution */

static Node *
create_state(CustomScan *plan)
{
	AkVerdictScan *scan = (AkVerdictScan *) newNode(sizeof(AkVerdictScan), T_CustomScanState);

	scan->css.methods = &exec_methods;
	return (Node *) scan;
}

/* Adds the parameters that other nodes of the plan set for an expression. */
static bool
add_params(Node *node, void *params)
{
	Bitmapset **set = params;

	if (node != NULL && IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
		*set = bms_add_member(*set, ((Param *) node)->paramid);
	return expression_tree_walker(node, add_params, params);
}

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	AkVerdictScan *scan = (AkVerdictScan *) node;
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	Expr	   *call = linitial(plan->custom_exprs);
	int			n = 0;
	ListCell   *cell;

	scan->call = ExecInitExpr(call, &node->ss.ps);
	add_params((Node *) call, &scan->call_params);
	scan->type = lookup_rowtype_tupdesc(exprType((Node *) call), -1);
	scan->context = bms_is_empty(scan->call_params) ? estate->es_query_cxt :
		AllocSetContextCreate(estate->es_query_cxt, "apikeys verdict", ALLOCSET_SMALL_SIZES);
	scan->values = palloc(scan->type->natts * sizeof(Datum));
	scan->nulls = palloc(scan->type->natts * sizeof(bool));
	scan->columns = palloc(list_length(plan->custom_scan_tlist) * sizeof(AttrNumber));
	foreach(cell, plan->custom_scan_tlist)
		scan->columns[n++] = castNode(Var, lfirst_node(TargetEntry, cell)->expr)->varattno;
}

/* Makes the call. */
static void
call_function(AkVerdictScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	bool		isnull;
	Datum		row = ExecEvalExpr(scan->call, scan->css.ss.ps.ps_ExprContext, &isnull);

	scan->row = isnull ? NULL : DatumGetHeapTupleHeader(row);
	MemoryContextSwitchTo(old);
	scan->called = true;
}

/* Takes the row apart, into the columns of the scan slot. */
static void
fill_slot(AkVerdictScan *scan, TupleTableSlot *slot)
{
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(scan->row),.t_data = scan->row};

	heap_deform_tuple(&tuple, scan->type, scan->values, scan->nulls);
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		slot->tts_values[i] = scan->values[scan->columns[i] - 1];
		slot->tts_isnull[i] = scan->nulls[scan->columns[i] - 1];
	}
}

/* The next row, of which there is one. */
static TupleTableSlot *
next_row(ScanState *node)
{
	AkVerdictScan *scan = (AkVerdictScan *) node;
	TupleTableSlot *slot = node->ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (scan->given)
		return slot;
	if (!scan->called)
		call_function(scan);
	scan->given = true;
	if (scan->row == NULL)
		return ExecStoreAllNullTuple(slot);
	fill_slot(scan, slot);
	return ExecStoreVirtualTuple(slot);
}

/* Rows that are locked or updated need this row as a whole: never asked here. */
static bool
recheck_row(ScanState *node, TupleTableSlot *slot)
{
	return true;
}

static TupleTableSlot *
exec_scan(CustomScanState *node)
{
	return ExecScan(&node->ss, next_row, recheck_row);
}

static void
end_scan(CustomScanState *node)
{
	AkVerdictScan *scan = (AkVerdictScan *) node;

	/* what was allocated goes with the executor's own memory */
	ReleaseTupleDesc(scan->type);
}

static void
rescan(CustomScanState *node)
{
	AkVerdictScan *scan = (AkVerdictScan *) node;

	ExecScanReScan(&node->ss);
	scan->given = false;
	if (bms_overlap(node->ss.ps.chgParam, scan->call_params))
	{
		scan->called = false;
		MemoryContextReset(scan->context);
	}
}

/* As Function Scan does: the arguments, which may be a secret, are told only if asked for. */
static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *es)
{
	CustomScan *plan = (CustomScan *) node->ss.ps.plan;
	FuncExpr   *call = linitial(plan->custom_exprs);

	ExplainPropertyText("Function Name", get_func_name(call->funcid), es);
	if (es->verbose)
	{
		List	   *context = set_deparse_context_plan(es->deparse_cxt, &plan->scan.plan, ancestors);

		ExplainPropertyText("Function Call", deparse_expression((Node *) call, context, true, false), es);
	}
}

/* ------------------------------------------------------------------ set-up */

/*
 * verdict_support(internal) -> internal: the support function of validate_key
 * and authenticate.  It has nothing to tell the planner; that it is called has
 * the library loaded before a path is chosen.
 */
Datum
ak_verdict_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(NULL);
}

/* Called once, from _PG_init. */
void
ak_verdictscan_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
	previous_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = choose_scan;
}
