/*-------------------------------------------------------------------------
 *
 * args.c
 *	  Arguments and results of our SQL functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "core/args.h"
#include "core/errors.h"

/* Raises 22004 if the n-th argument, of that name, is NULL. */
void
ak_need_argument(FunctionCallInfo fcinfo, int n, const char *argument)
{
	if (PG_ARGISNULL(n))
		ak_null_argument(argument, errmsg("%s must not be null", argument));
}

/* Returns the n-th argument, a text of that name.  Raises 22004 if it is NULL. */
char *
ak_text_argument(FunctionCallInfo fcinfo, int n, const char *argument)
{
	ak_need_argument(fcinfo, n, argument);
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* Returns the n-th argument, a text; NULL if it is NULL. */
char *
ak_optional_text(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/*
 * For a function that writes: raises 25006, with the function's name, in a READ
 * ONLY transaction and on a standby.  Without it, a statement of ours would be
 * refused, where nothing but its SQL tells what it is.
 */
void
ak_refuse_read_only(FunctionCallInfo fcinfo)
{
	if (XactReadOnly)
		PreventCommandIfReadOnly(psprintf("%s()", get_func_name(fcinfo->flinfo->fn_oid)));
}

/* Returns the row type of the function's result, blessed. */
TupleDesc
ak_result_descriptor(FunctionCallInfo fcinfo)
{
	TupleDesc desc;

	/* only where a superuser has declared the function in another way */
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(desc);
}
