/*-------------------------------------------------------------------------
 *
 * search.h
 *	  The filters that search, export and reports share.  See search.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SEARCH_H
#define AK_SEARCH_H

#include "fmgr.h"

#include "log/logscan.h"

/* From "search" up to "key_id" */
#define AK_FILTER_ARGS	9

extern AkLogFilter *ak_filter_from_args(FunctionCallInfo fcinfo, int first);

#endif							/* AK_SEARCH_H */
