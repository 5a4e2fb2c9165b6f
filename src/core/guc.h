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
extern char *ak_guc_client;
extern char *ak_guc_smtp_url;
extern char *ak_guc_smtp_netrc;
extern char *ak_guc_smtp_ca;
extern char *ak_guc_mail_from;
extern int ak_guc_smtp_timeout;
extern int ak_guc_mail_retry_pause;
extern int ak_guc_max_report_size;
extern int ak_guc_audit_retention;
extern char *ak_guc_audit_signing_key_file;
extern int ak_guc_audit_checkpoint_interval;
extern bool ak_guc_notify;

extern bool ak_guc_track_usage;
extern int ak_guc_flush_interval;
extern int ak_guc_usage_memory;
extern int ak_guc_limits_when_full;
extern int ak_guc_max_workers;
extern int ak_guc_usage_retention;

/* Values of limits_when_full */
enum
{
	AK_LIMITS_ALLOW,
	AK_LIMITS_DENY
};

extern void ak_guc_init(void);

#endif /* AK_GUC_H */
