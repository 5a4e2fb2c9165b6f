/*-------------------------------------------------------------------------
 *
 * query.h
 *	  One kept plan for one SQL statement.  See query.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_QUERY_H
#define AK_QUERY_H

#include "executor/spi.h"

#define AK_QUERY_MAX_ARGS 20

/*
 * A statement that this backend prepares once.  Every name and operator in sql
 * is written with its schema, because it runs under its caller's search_path.
 */
typedef struct AkQuery
{
	const char *sql;
	int			nargs;
	Oid			argtypes[AK_QUERY_MAX_ARGS];
	SPIPlanPtr	plan;			/* NULL until first use */
} AkQuery;

/* Which snapshot a statement sees */
typedef enum AkSight
{
	AK_SEE_TRANSACTION,			/* what a new statement of this transaction sees */
	AK_SEE_LATEST				/* all that is committed, whatever the isolation level: for what a constraint would see */
} AkSight;

/* Acting as the owner of our tables, and back */
typedef struct AkCaller
{
	Oid			userid;
	int			sec_context;
} AkCaller;

extern void ak_become_owner(AkCaller *caller);
extern void ak_restrict_security(void);
extern void ak_refuse_foreign_actions(bool keys);
extern void ak_become_caller(const AkCaller *caller);

extern int	ak_query(AkQuery *query, Datum *args, const char *nulls, AkSight sight);
extern void ak_query_snapshot(AkQuery *query, Datum *args, const char *nulls, Snapshot snapshot);
extern Portal ak_query_cursor(AkQuery *query, Datum *args, const char *nulls);
extern Datum ak_query_result(int row, int column, bool *isnull);

#endif							/* AK_QUERY_H */
