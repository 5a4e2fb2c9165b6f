/*-------------------------------------------------------------------------
 *
 * query.h
 *	  Owner sections, and our own SQL in them.  See query.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_QUERY_H
#define AK_QUERY_H

#include "executor/spi.h"

#define AK_QUERY_MAX_ARGS 20

/*
 * A statement that a backend prepares once.  It runs in an owner section, where
 * search_path is pg_catalog, pg_temp.
 */
typedef struct AkQuery
{
	const char *sql;
	int nargs;
	Oid argtypes[AK_QUERY_MAX_ARGS];
	SPIPlanPtr plan; /* NULL until first use */
} AkQuery;

/* The snapshot that a statement uses */
typedef enum AkSight
{
	AK_SEE_TRANSACTION, /* that of a new statement of this transaction */
	AK_SEE_LATEST       /* all that is committed, whatever the isolation level, as for a constraint */
} AkSight;

/* What an owner section is for.  Triggers of tables that only we write check it. */
typedef enum AkPurpose
{
	AK_TO_NOTHING, /* no section */
	AK_TO_READ,    /* look something up */
	AK_TO_MANAGE,  /* write keys, APIs, workspaces, teams, accesses: what direct SQL can do, too */
	AK_TO_LOG,     /* write or purge the audit log */
	AK_TO_MAIL,    /* change the queue of reports */
	AK_TO_COUNT,   /* write usage */
	AK_TO_WORK     /* the worker's own: triggers and functions of users cannot leave anything behind */
} AkPurpose;

/* What to restore when an owner section ends: see ak_owner_end() */
typedef struct AkCaller
{
	Oid userid;
	int sec_context;
	int guc_level; /* 0: search_path was restricted already */
	int place;     /* in open_sections[] */
} AkCaller;

/* What to restore at ak_outside_end() */
typedef struct AkOutside
{
	Oid userid;
	int sec_context;
	int guc_level;
} AkOutside;

extern void ak_owner_begin(AkCaller *caller, AkPurpose purpose);
extern void ak_owner_end(const AkCaller *caller);
extern AkPurpose ak_owner_purpose(void);
extern void ak_outside_begin(AkOutside *outside);
extern void ak_outside_end(const AkOutside *outside);
extern void ak_owner_abort(int level);
extern void ak_refuse_foreign_actions(bool keys);

extern int ak_query(AkQuery *query, Datum *args, const char *nulls, AkSight sight);
extern void ak_query_snapshot(AkQuery *query, Datum *args, Snapshot snapshot);
extern Portal ak_query_cursor(AkQuery *query, Datum *args, const char *nulls);
extern uint64 ak_run_as_owner(AkPurpose purpose, AkQuery *query, Datum *args, const char *nulls, AkSight sight);
extern void ak_write_rows(AkPurpose purpose, AkQuery *query, Datum *args, const char *nulls, AkSight sight,
						  uint64 count, const char *table, const char *what);
extern uint64 ak_change_rows(AkQuery *query, Datum *args, const char *nulls, const char *table, const char *what);
extern uint64 ak_rows_changed(const char *table, const char *what);
extern Datum ak_read_value(AkQuery *query, Datum *args, const char *nulls, AkSight sight, bool *isnull);
extern char *ak_read_text(AkQuery *query, Datum *args, const char *nulls, AkSight sight);
extern Datum ak_query_result(int row, int column, bool *isnull);

#endif /* AK_QUERY_H */
