/*-------------------------------------------------------------------------
 *
 * search.h
 *	  The filter arguments of search, export and reports.  See search.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SEARCH_H
#define AK_SEARCH_H

#include "fmgr.h"

#include "log/logscan.h"

/* The number of arguments from "search" to "key_id" */
#define AK_FILTER_ARGS 9

extern AkLogFilter *ak_filter_from_args(FunctionCallInfo fcinfo, int first);

#endif /* AK_SEARCH_H */
