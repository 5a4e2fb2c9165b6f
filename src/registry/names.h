/*-------------------------------------------------------------------------
 *
 * names.h
 *	  Checks that the APIs and workspaces that a key or another row names exist.
 *	  See names.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_NAMES_H
#define AK_NAMES_H

#include "access/context.h"
#include "core/compat.h"

extern int ak_api_ordinal(const char *api);
extern void ak_hold_workspace(const char *workspace, AkWorkspace *settings);
pg_noreturn extern void ak_refuse_no_apis(bool isnull);
pg_noreturn extern void ak_refuse_unknown_api(const char *api);

#endif /* AK_NAMES_H */
