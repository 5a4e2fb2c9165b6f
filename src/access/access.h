/*-------------------------------------------------------------------------
 *
 * access.h
 *	  Check what the current role may do, and list the workspaces that it may see.
 *	  See access.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ACCESS_H
#define AK_ACCESS_H

#include "access/context.h"
#include "access/scope.h"

extern bool ak_sees(AkCapability capability, const char *workspace);
extern bool ak_sees_everywhere(AkCapability capability);
extern void ak_require(AkCapability capability, const char *workspace);
extern void ak_require_anywhere(AkCapability capability);
extern void ak_require_workspace(AkCapability capability, const char *workspace);
extern void ak_require_workspace_settings(AkCapability capability, const char *workspace, AkWorkspace *settings);
extern char *ak_target_workspace(AkCapability capability, const char *workspace);
extern Datum ak_visible_workspaces(AkCapability capability);

#endif /* AK_ACCESS_H */
