/*-------------------------------------------------------------------------
 *
 * details.h
 *	  Find a key and show it.  See details.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_DETAILS_H
#define AK_DETAILS_H

#include "access/tupdesc.h"
#include "fmgr.h"

#include "access/access.h"

/* The key that a function's key_id argument names */
typedef struct AkWhere
{
	char *workspace;
	char *name;
	Datum key_id;
} AkWhere;

extern void ak_find_key(FunctionCallInfo fcinfo, AkCapability capability, AkWhere *where);
extern Datum ak_return_detail(FunctionCallInfo fcinfo, Datum key_id);

#endif /* AK_DETAILS_H */
