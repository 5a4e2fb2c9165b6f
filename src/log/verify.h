/*-------------------------------------------------------------------------
 *
 * verify.h
 *	  What verifying the audit log works on.  See verify.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_VERIFY_H
#define AK_VERIFY_H

#include "utils/snapshot.h"

#include "core/query.h"
#include "pure/digest.h"

/* A checkpoint that a log must agree with */
typedef struct AkKnownSize
{
	uint64 size;
	uint8 root[AK_HASH_LEN];
	bool here; /* it is of this database, not of one that this log was copied from */
} AkKnownSize;

/* The log of one workspace, and what was found */
typedef struct AkLog
{
	char *workspace; /* '' for none */
	int length;

	AkKnownSize *known; /* by size */
	int known_count;

	/* the last purge, as its entry says */
	int64 purge_id; /* 0: none */
	int64 purged_through;
	uint8 kept_expected[AK_HASH_LEN];

	/* the tree */
	uint64 size;
	uint8 root[AK_HASH_LEN];
	int64 leaves; /* that have an entry */
	int64 met;    /* of these, whose entry was found */

	int64 first_bad; /* an audit_id; 0: no entry is to be named */
	const char *problem;
	int64 row_first_bad;
	const char *row_problem;
	const char *checkpoint_problem;
} AkLog;

typedef struct AkVerification
{
	AkLog *logs; /* by name */
	int count;
	bool one;        /* a single workspace, by name */
	bool everywhere; /* all workspaces */
	bool may_lack;   /* an entry may be in no tree although nothing says so: restored, or replicated */
	Snapshot snapshot;
} AkVerification;

extern void ak_note(AkLog *log, int64 audit_id, const char *problem);
extern void ak_note_row(AkLog *log, int64 audit_id, const char *problem);
extern void ak_note_found(AkVerification *v, AkQuery *query, const char *problem);
extern AkLog *ak_log_of(const AkVerification *v, const char *name, int length);
extern AkLog *ak_log_of_value(const AkVerification *v, Datum workspace, bool isnull);

#endif /* AK_VERIFY_H */
