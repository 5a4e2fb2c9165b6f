/*-------------------------------------------------------------------------
 *
 * args.c
 *	  Arguments and results of our SQL functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"

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
