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

#include <limits.h>

#include "utils/guc.h"

#include "core/compat.h"
#include "core/guc.h"
#include "pure/address.h"

/*
 * apikeys.workspace: the only workspace that this session can see or change; an
 * argument that names a workspace must then be NULL or the same.  Default: empty,
 * all workspaces that the role has access to.
 */
char *ak_guc_workspace = NULL;

/*
 * apikeys.actor, apikeys.team, apikeys.client: the actor of management actions,
 * its team, and its address; act_as() sets them for a transaction.  Ignored if
 * set for a database, or for all roles.  Default: empty, which
 * means session_user, that actor's team in apikeys.team_member, and
 * inet_client_addr().
 */
char *ak_guc_actor = NULL;
char *ak_guc_team = NULL;
char *ak_guc_client = NULL;

/*
 * apikeys.track_usage: whether validations are counted.  Only a superuser can
 * switch it off, for a session, a role, a database or the server.  Rate limits and
 * quotas hold either way.  Default: on.
 */
bool ak_guc_track_usage = true;

/*
 * apikeys.flush_interval: how often the worker writes counted usage to the
 * tables, and takes entries into their trees; a crash loses at most that much
 * usage.  Default: 10 seconds.
 */
int ak_guc_flush_interval = 10000;

/*
 * apikeys.usage_memory: the most shared memory for counters and rate limits,
 * for the whole server.  It is allocated in steps, as needed.  A quarter is for
 * rate limits.  Default: 256 MB.
 */
int ak_guc_usage_memory = 256 * 1024;

/*
 * apikeys.limits_when_full: whether a request whose rate limit finds no room in
 * memory passes (allow) or is RATE_LIMITED (deny).  Default: allow.
 */
int ak_guc_limits_when_full = AK_LIMITS_ALLOW;

static const struct config_enum_entry limits_when_full_values[] = {{"allow", AK_LIMITS_ALLOW, false},
																   {"deny", AK_LIMITS_DENY, false},
																   {NULL, 0, false}};

/*
 * apikeys.max_workers: the number of background workers that serve the server's
 * databases, in turn.  Default: 2.
 */
int ak_guc_max_workers = 2;

/*
 * apikeys.usage_retention: for how long usage_history is kept; 0: for ever.
 * Default: 400 days.
 */
int ak_guc_usage_retention = 400 * 24 * 60;

/*
 * apikeys.smtp_url: the server that takes the reports by email,
 * smtp://host[:port] or smtps://host[:port].  Default: empty, reports wait.
 *
 * apikeys.smtp_netrc: a file, in the format of .netrc, with the login for that
 * server; only superusers see its path.  Default: empty, no login.
 *
 * apikeys.smtp_ca: a file of CA certificates to verify the server's certificate
 * with.  Default: empty, those that the system trusts.
 *
 * apikeys.mail_from: the reports' sender, an address or "Name <address>".
 * Default: empty, which means apikeys at this machine's name.
 */
char *ak_guc_smtp_url = NULL;
char *ak_guc_smtp_netrc = NULL;
char *ak_guc_smtp_ca = NULL;
char *ak_guc_mail_from = NULL;

/*
 * apikeys.smtp_timeout: how long the mail server may be silent.
 * Default: 60 s.
 *
 * apikeys.mail_retry_pause: the pause after the first failed attempt; each
 * further one is four times as long, up to five attempts.  Default: 1 minute.
 *
 * apikeys.max_report_size: the largest CSV that is mailed, before compression
 * and encryption.  Default: 20 MB.
 */
int ak_guc_smtp_timeout = 60 * 1000;
int ak_guc_mail_retry_pause = 60 * 1000;
int ak_guc_max_report_size = 20 * 1024;

/*
 * apikeys.audit_retention: entries older than this are purged by the worker.
 * Default: 0, off.
 */
int ak_guc_audit_retention = 0;

/*
 * apikeys.audit_signing_key_file: a file with the Ed25519 private key, in PEM,
 * that signs checkpoints of the audit log; further keys in it are earlier ones,
 * whose signatures are still recognized.  Only superusers see its path.
 * Default: empty, checkpoints are not signed.
 *
 * apikeys.audit_checkpoint_interval: how often the checkpoints of trees that
 * changed are written to the server log; 0: never.  Default: 1 hour.
 */
char *ak_guc_audit_signing_key_file = NULL;
int ak_guc_audit_checkpoint_interval = 3600 * 1000;

/*
 * apikeys.notify: whether each change of a key also sends NOTIFY apikeys, with the
 * key's id.  Default: off.
 */
bool ak_guc_notify = false;

/*
 * Ignores values of ALTER DATABASE and ALTER ROLE ALL: the owner of a database must
 * not set the actor of other roles.
 */
static bool
check_actor(char **newval, void **extra, GucSource source)
{
	if (source == PGC_S_DATABASE || source == PGC_S_GLOBAL)
		(*newval)[0] = '\0';
	return true;
}

static bool
check_smtp_url(char **newval, void **extra, GucSource source)
{
	AkSmtpUrl parsed;
	const char *problem = NULL;

	if (**newval != '\0')
		problem = ak_smtp_url_parse(*newval, &parsed);
	if (problem == NULL)
		return true;
	/* not PostgreSQL's own message, which repeats the value: there may be a password in it */
	GUC_check_errmsg("invalid value for parameter \"%s\"", "apikeys.smtp_url");
	GUC_check_errdetail("%s", problem);
	return false;
}

static bool
check_mail_from(char **newval, void **extra, GucSource source)
{
	AkMailbox mailbox;

	if (**newval == '\0' || ak_mailbox_parse(*newval, &mailbox))
		return true;
	GUC_check_errdetail("It must be an address, or a name and an address in angle brackets.");
	return false;
}

/*
 * The flag of all settings: one may have been set, in a session or in the
 * configuration, before the library is loaded.  If it is loaded in a parallel
 * operation, as by a function that a parallel query calls, only this flag keeps the
 * value.  A session that lost its apikeys.workspace would see every workspace.
 */
#define FLAGS_OF_ALL GUC_ALLOW_IN_PARALLEL

/* Defines a setting of a session. */
static void
define_text(const char *name, const char *description, char **variable, GucStringCheckHook check_hook)
{
	DefineCustomStringVariable(name, description, NULL, variable, "", PGC_USERSET, FLAGS_OF_ALL, check_hook, NULL,
							   NULL);
}

/* Defines a setting of a session that only a superuser can change; its default is what the variable holds now. */
static void
define_switch(const char *name, const char *description, bool *variable)
{
	DefineCustomBoolVariable(name, description, NULL, variable, *variable, PGC_SUSET, FLAGS_OF_ALL, NULL, NULL, NULL);
}

/* Defines a setting of the server, which a session cannot change. */
static void
define_server_text(const char *name, const char *description, char **variable, int flags, GucStringCheckHook check_hook)
{
	DefineCustomStringVariable(name, description, NULL, variable, "", PGC_SIGHUP, FLAGS_OF_ALL | flags, check_hook,
							   NULL, NULL);
}

/* The same for a number, in a unit (GUC_UNIT_) or 0; its default is what the variable holds now. */
static void
define_server_int(const char *name, const char *description, const char *more, int *variable, int min, int max,
				  int unit)
{
	DefineCustomIntVariable(name, description, more, variable, *variable, min, max, PGC_SIGHUP, FLAGS_OF_ALL | unit,
							NULL, NULL, NULL);
}

/* Called once, from _PG_init. */
void
ak_guc_init(void)
{
	define_text("apikeys.workspace", "Bounds everything to this workspace.", &ak_guc_workspace, NULL);
	define_text("apikeys.actor", "The actor of management actions.", &ak_guc_actor, check_actor);
	define_text("apikeys.team", "The team that the actor acts for.", &ak_guc_team, check_actor);
	define_text("apikeys.client", "The address that the actor acts from.", &ak_guc_client, check_actor);

	define_server_text("apikeys.smtp_url", "The server that takes the reports by email.", &ak_guc_smtp_url, 0,
					   check_smtp_url);
	define_server_text("apikeys.smtp_netrc", "The file with the login for the mail server.", &ak_guc_smtp_netrc,
					   GUC_SUPERUSER_ONLY, NULL);
	define_server_text("apikeys.smtp_ca", "The certificates that the mail server's is checked against.",
					   &ak_guc_smtp_ca, 0, NULL);
	define_server_text("apikeys.mail_from", "The sender of the reports by email.", &ak_guc_mail_from, 0,
					   check_mail_from);
	define_server_int("apikeys.smtp_timeout", "How long the mail server may be silent.", NULL, &ak_guc_smtp_timeout,
					  1000, 600 * 1000, GUC_UNIT_MS);
	define_server_int("apikeys.mail_retry_pause", "The pause after the first attempt to send a report.",
					  "Each further pause is four times as long.", &ak_guc_mail_retry_pause, 1, 3600 * 1000,
					  GUC_UNIT_MS);
	define_server_int("apikeys.max_report_size", "The largest report that is mailed.", NULL, &ak_guc_max_report_size, 1,
					  256 * 1024, GUC_UNIT_KB);

	define_switch("apikeys.track_usage", "Counts validations.", &ak_guc_track_usage);
	define_server_int("apikeys.flush_interval", "How often counted usage is written to tables.", NULL,
					  &ak_guc_flush_interval, 100, 3600000, GUC_UNIT_MS);
	define_server_int("apikeys.usage_memory", "The most shared memory for counters and rate limits.",
					  "It is taken in steps, as it is needed.", &ak_guc_usage_memory, 256, 64 * 1024 * 1024,
					  GUC_UNIT_KB);
	DefineCustomEnumVariable("apikeys.limits_when_full",
							 "What becomes of a request whose rate limit finds no room in memory.", NULL,
							 &ak_guc_limits_when_full, AK_LIMITS_ALLOW, limits_when_full_values, PGC_SIGHUP,
							 FLAGS_OF_ALL, NULL, NULL, NULL);
	define_server_int("apikeys.max_workers", "How many background workers serve the server's databases, in turn.", NULL,
					  &ak_guc_max_workers, 1, 64, 0);
	define_server_int("apikeys.usage_retention", "For how long usage_history is kept.", "0 keeps it for ever.",
					  &ak_guc_usage_retention, 0, INT_MAX, GUC_UNIT_MIN);
	define_server_int("apikeys.audit_retention", "Older entries of the audit log are purged.", "0 turns that off.",
					  &ak_guc_audit_retention, 0, INT_MAX, GUC_UNIT_MIN);
	define_server_text("apikeys.audit_signing_key_file", "The file of the key that signs checkpoints of the audit log.",
					   &ak_guc_audit_signing_key_file, GUC_SUPERUSER_ONLY, NULL);
	define_server_int("apikeys.audit_checkpoint_interval",
					  "How often checkpoints of the audit log are written to the server log.", "0 turns that off.",
					  &ak_guc_audit_checkpoint_interval, 0, INT_MAX, GUC_UNIT_MS);
	define_switch("apikeys.notify", "Sends NOTIFY apikeys with the key's id at every management action.",
				  &ak_guc_notify);

	MarkGUCPrefixReserved_compat("apikeys");
}
