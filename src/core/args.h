/*-------------------------------------------------------------------------
 *
 * args.h
 *	  Arguments and results of our SQL functions.  See args.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ARGS_H
#define AK_ARGS_H

#include "access/tupdesc.h"
#include "fmgr.h"

extern void ak_need_argument(FunctionCallInfo fcinfo, int n, const char *argument);
extern char *ak_text_argument(FunctionCallInfo fcinfo, int n, const char *argument);
extern char *ak_optional_text(FunctionCallInfo fcinfo, int n);
extern void ak_refuse_read_only(FunctionCallInfo fcinfo);
extern TupleDesc ak_result_descriptor(FunctionCallInfo fcinfo);

#endif /* AK_ARGS_H */
