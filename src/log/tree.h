/*-------------------------------------------------------------------------
 *
 * tree.h
 *	  The Merkle trees of the audit log, as tables.  See tree.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_TREE_H
#define AK_TREE_H

#include "core/indexscan.h"
#include "pure/merkle.h"

/* A row of apikeys.audit_tree */
typedef struct AkTreeRow
{
	int64 position;
	int64 audit_id; /* 0: it stands for purged entries */
	int64 sequence;
	int level; /* of the first hash */
	int count; /* of hashes */
	uint8 hashes[AK_MERKLE_LEVELS][AK_HASH_LEN];
} AkTreeRow;

/* Reads the tree of one workspace */
typedef struct AkTreeReader
{
	AkIndexScan rows;
	Datum workspace;
} AkTreeReader;

/* Finds the leaves of entries */
typedef struct AkLeafFinder
{
	AkIndexScan rows;
	bool in_order; /* by reading on, not by look-ups */
	int64 at;      /* if in order: the entry whose leaf is in the slot, unless that is empty */
	bool at_end;   /* there are no more */
} AkLeafFinder;

extern void ak_tree_begin(AkTreeReader *reader, const char *workspace, Snapshot snapshot);
extern void ak_tree_change_workspace(AkTreeReader *reader, const char *workspace);
extern void ak_tree_end(AkTreeReader *reader);
extern bool ak_tree_first(AkTreeReader *reader, int64 position, AkTreeRow *row);
extern bool ak_tree_next(AkTreeReader *reader, AkTreeRow *row);
extern bool ak_tree_last(AkTreeReader *reader, int64 before, AkTreeRow *row);
extern bool ak_tree_previous(AkTreeReader *reader, AkTreeRow *row);
extern uint64 ak_tree_size(AkTreeReader *reader);
extern bool ak_tree_node(void *reader, int level, uint64 index, uint8 out[AK_HASH_LEN]);
extern AkMerkleResult ak_tree_open(AkTreeReader *reader, uint64 size, AkMerkleTree *tree);
extern void ak_leaves_begin(AkLeafFinder *finder, Snapshot snapshot, bool in_order);
extern bool ak_leaf_of_entry(AkLeafFinder *finder, int64 audit_id, AkTreeRow *row, Datum *workspace);
extern void ak_leaves_end(AkLeafFinder *finder);

extern int ak_begin_index_plans(void);

#endif /* AK_TREE_H */
