/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  The rules of the key table.  See guard.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_GUARD_H
#define AK_GUARD_H

#include "compat.h"

pg_noreturn extern void ak_refuse_unknown_api(const char *api);

#endif							/* AK_GUARD_H */
