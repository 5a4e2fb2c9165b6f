/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  The rules of the key table.  See guard.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_GUARD_H
#define AK_GUARD_H

#include "lib/stringinfo.h"

#include "compat.h"

extern void ak_lock_archive(const char *workspace);
extern int	ak_evict(const char *workspace, int archive_limit, StringInfo evicted);
pg_noreturn extern void ak_refuse_unknown_api(const char *api);

#endif							/* AK_GUARD_H */
