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
 * A statement that a backend prepares once.  Its SQL writes every name and
 * operator with its schema, because it runs with the caller's search_path.
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

/* The user before ak_become_owner(), for ak_become_caller() */
typedef struct AkCaller
{
	Oid userid;
	int sec_context;
} AkCaller;

extern void ak_become_owner(AkCaller *caller);
extern void ak_restrict_security(void);
extern void ak_refuse_foreign_actions(bool keys);
extern void ak_become_caller(const AkCaller *caller);

extern int ak_query(AkQuery *query, Datum *args, const char *nulls, AkSight sight);
extern void ak_query_snapshot(AkQuery *query, Datum *args, const char *nulls, Snapshot snapshot);
extern Portal ak_query_cursor(AkQuery *query, Datum *args, const char *nulls);
extern Datum ak_query_result(int row, int column, bool *isnull);

#endif /* AK_QUERY_H */
