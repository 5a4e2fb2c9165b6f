/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  The rules of the key table.  See guard.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_GUARD_H
#define AK_GUARD_H

#include "core/compat.h"

extern void ak_hold_workspace(const char *workspace);
pg_noreturn extern void ak_refuse_unknown_api(const char *api);

#endif							/* AK_GUARD_H */
