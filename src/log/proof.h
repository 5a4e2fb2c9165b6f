/*-------------------------------------------------------------------------
 *
 * proof.h
 *	  Structures for verifying the audit log.  See verify.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_PROOF_H
#define AK_PROOF_H

#include "utils/snapshot.h"

#include "pure/digest.h"

/* A chain's anchor */
typedef struct AkChainAnchor
{
	int64 position; /* 0: there is no anchor */
	int64 audit_id;
	uint8 link[AK_HASH_LEN];
} AkChainAnchor;

/* The state of verifying the chain of one workspace */
typedef struct AkChain
{
	char *workspace;         /* '' for entries without a workspace */
	int length;              /* of that name */
	int64 entries;           /* number of entries found in the chain */
	int64 position;          /* of the last link read; 0: none */
	uint8 head[AK_HASH_LEN]; /* the last link */
	const char *problem;     /* in entries and links; NULL: none so far */
	int64 first_bad;         /* the audit_id of the bad entry */
	const char *row_problem; /* in rows that contradict their entries */
	int64 row_first_bad;
	AkChainAnchor anchor;

	/* the result of the last purge: see purge.c */
	int64 purge_id;       /* audit_id of its entry; 0: never purged */
	int64 purged_through; /* no position beyond this was purged */
	uint8 kept_expected[AK_HASH_LEN];
	uint8 kept[AK_HASH_LEN]; /* hash over the links kept up to there */
	bool any_kept;

	/* links that were read ahead, and the next one to use */
	struct AkLink *ahead;
	int ahead_count;
	int ahead_next;
	bool ahead_last; /* there are no more links after them */
} AkChain;

/* The state of a verification */
typedef struct AkVerification
{
	Snapshot snapshot;
	AkChain *chains; /* ordered by workspace */
	int count;
	bool one;        /* a single workspace was given */
	bool everywhere; /* all workspaces are verified */
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

#endif /* AK_PROOF_H */
