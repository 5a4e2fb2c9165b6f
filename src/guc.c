/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  Define the settings.
 *
 * None of them holds a secret: until the library is loaded, a custom setting
 * is a placeholder that any role can show.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "compat.h"
#include "guc.h"

/*
 * apikeys.workspace: bounds everything that this session does to one
 * workspace.  A workspace argument must then be NULL or agree with it.
 * Default: empty, no bound.
 */
char	   *ak_guc_workspace = NULL;

/*
 * apikeys.actor, apikeys.team, apikeys.client_addr: who does the management
 * actions, for whom, and from where; what act_as() sets for a transaction.
 * Default: empty, which means session_user, that actor's team in
 * apikeys.team_member, and inet_client_addr().
 */
char	   *ak_guc_actor = NULL;
char	   *ak_guc_team = NULL;
char	   *ak_guc_client_addr = NULL;

static void
define_text(const char *name, const char *description, char **variable)
{
	DefineCustomStringVariable(name, description, NULL, variable, "",
							   PGC_USERSET, 0, NULL, NULL, NULL);
}

/* Called once, from _PG_init. */
void
ak_guc_init(void)
{
	define_text("apikeys.workspace", "Bounds everything to this workspace.", &ak_guc_workspace);
	define_text("apikeys.actor", "Who does the management actions.", &ak_guc_actor);
	define_text("apikeys.team", "The team that the actor acts for.", &ak_guc_team);
	define_text("apikeys.client_addr", "The address that the actor acts from.", &ak_guc_client_addr);

	MarkGUCPrefixReserved_compat("apikeys");
}
