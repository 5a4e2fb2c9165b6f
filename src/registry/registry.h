/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  APIs, workspaces, teams.  See registry.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_REGISTRY_H
#define AK_REGISTRY_H

#include "core/compat.h"

extern void ak_hold_workspace(const char *workspace);
pg_noreturn extern void ak_refuse_unknown_api(const char *api);

#endif							/* AK_REGISTRY_H */
