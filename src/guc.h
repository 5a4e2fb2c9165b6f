/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  The settings.  See guc.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_GUC_H
#define AK_GUC_H

extern char *ak_guc_workspace;
extern char *ak_guc_actor;
extern char *ak_guc_team;
extern char *ak_guc_client_addr;

extern void ak_guc_init(void);

#endif							/* AK_GUC_H */
