/*-------------------------------------------------------------------------
 *
 * context.h
 *	  The actor and the workspace of the present action, and the settings of a
 *	  workspace.  See context.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_CONTEXT_H
#define AK_CONTEXT_H

#include "access/genam.h"
#include "datatype/timestamp.h"
#include "utils/snapshot.h"

#include "access/label.h"
#include "core/catalog.h"
#include "pure/token.h"

/* The actor of a management action; palloc'd in the current context */
typedef struct AkActor
{
	char *actor;
	char *team; /* NULL: none */
	Datum ip;   /* inet; valid if has_ip */
	bool has_ip;
	char *db_user; /* session_user, whatever the settings are */
} AkActor;

/* A workspace's settings for its keys */
typedef struct AkWorkspace
{
	char prefix[AK_PREFIX_MAX + 1];
	int archive_limit;
	int key_limit; /* 0: none */
	bool has_default_lifetime;
	bool has_max_lifetime;
	Interval default_lifetime;
	Interval max_lifetime;
} AkWorkspace;

extern SysScanDesc ak_begin_lookup(Relation rel, AkRelation index, Snapshot snapshot, int nkeys,
								   const char *const *values);
extern bool ak_workspace_settings(const char *workspace, AkWorkspace *out);
extern char *ak_current_actor_name(const char *workspace);
extern char *ak_current_team(const char *workspace, const char *actor, Snapshot snapshot);
extern void ak_current_actor(const char *workspace, Snapshot snapshot, AkActor *out);
extern const char *ak_bound_workspace(void);
extern void ak_check_workspace_argument(const char *workspace);

#endif /* AK_CONTEXT_H */
