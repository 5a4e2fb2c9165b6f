/*-------------------------------------------------------------------------
 *
 * workspace.h
 *	  Workspaces and their policies.  See workspace.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_WORKSPACE_H
#define AK_WORKSPACE_H

#include "access/context.h"
#include "audit/sealed_row.h"

extern void ak_normalize_rate(AkRow *row, AttrNumber limit, AttrNumber window);
extern void ak_normalize_policies(const AkRow *old, AkRow *new);
extern void ak_set_default_expiry(AkRow *key, const AkWorkspace *settings, TimestampTz now);
extern void ak_check_expiry(const AkRow *key, const AkWorkspace *settings, TimestampTz now);
extern void ak_take_place(const char *workspace, AkWorkspace *settings);

#endif /* AK_WORKSPACE_H */
