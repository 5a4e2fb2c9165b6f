/*-------------------------------------------------------------------------
 *
 * proof.h
 *	  What verifying the audit log works with.  See verify.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_PROOF_H
#define AK_PROOF_H

#include "utils/snapshot.h"

#include "pure/digest.h"

/* What an anchor says of a chain */
typedef struct AkChainAnchor
{
	int64		position;		/* 0: there is no anchor */
	int64		audit_id;
	uint8		link[AK_HASH_LEN];
} AkChainAnchor;

/* The chain of one workspace under verification */
typedef struct AkChain
{
	char	   *workspace;		/* '' for what belongs to none */
	int			length;			/* of that name */
	int64		entries;		/* so many were found in the chain */
	int64		position;		/* of the last link read; 0: none */
	uint8		head[AK_HASH_LEN];	/* the last link */
	const char *problem;		/* of entries and links; NULL: none so far */
	int64		first_bad;		/* the audit_id of the bad entry */
	const char *row_problem;	/* of rows that contradict their entries */
	int64		row_first_bad;
	AkChainAnchor	anchor;

	/* what the last purge left: see purge.c */
	int64		purge_id;		/* its entry's audit_id; 0: never purged */
	int64		purged_through; /* no position beyond was purged */
	uint8		kept_expected[AK_HASH_LEN];
	uint8		kept[AK_HASH_LEN];	/* over the links kept up to there */
	bool		any_kept;

	/* links read ahead, and the next one */
	struct AkLink *ahead;
	int			ahead_count;
	int			ahead_next;
	bool		ahead_last;		/* there are no more behind them */
} AkChain;

/* All that a verification works with */
typedef struct AkVerification
{
	Snapshot	snapshot;
	AkChain    *chains;			/* ordered by workspace */
	int			count;
	bool		one;			/* a single workspace was named */
	bool		everywhere;		/* all that there is is looked at */
} AkVerification;

typedef struct AkRowProof AkRowProof;

/* verify.c */
extern void ak_note(AkChain *chain, int64 audit_id, const char *problem);
extern void ak_note_row(AkChain *chain, int64 audit_id, const char *problem);
extern AkChain *ak_chain_of(const AkVerification *v, const char *name, int length);
extern AkChain *ak_chain_of_value(const AkVerification *v, Datum workspace, bool isnull);
extern const uint8 *ak_hash_bytes(Datum value, bool isnull);

/* prooflog.c */
extern void ak_prove_log(AkVerification *v, AkRowProof *rows);

/* proofrows.c */
extern AkRowProof *ak_prove_rows_begin(AkVerification *v);
extern void ak_prove_rows_entry(AkRowProof *proof, AkChain *chain, const Datum *values, const bool *nulls);
extern void ak_prove_rows_end(AkRowProof *proof);

#endif							/* AK_PROOF_H */
