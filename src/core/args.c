/*-------------------------------------------------------------------------
 *
 * args.c
 *	  Arguments and results of our SQL functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"

#include "core/args.h"
#include "core/errors.h"

/* Raises 22004 if the n-th argument, of that name, is NULL. */
void
ak_need_argument(FunctionCallInfo fcinfo, int n, const char *argument)
{
	if (PG_ARGISNULL(n))
		ak_null_argument(argument, errmsg("%s must not be null", argument));
}

/*
 * Returns the blessed descriptor of the function's composite result.
 */
TupleDesc
ak_result_descriptor(FunctionCallInfo fcinfo)
{
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return BlessTupleDesc(desc);
}
