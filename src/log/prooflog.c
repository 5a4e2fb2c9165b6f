/*-------------------------------------------------------------------------
 *
 * prooflog.c
 *	  Verifying entries and links against each other.
 *
 * One pass reads the entries in the order of audit_id, and beside it the links
 * of each chain in the order of their positions, which is nearly the same
 * order: for each entry whose link was not read yet, one link of its chain is
 * read.  An entry or link without its counterpart waits in a hash table.  So
 * the memory depends on how late transactions committed, not on the size of the
 * log.
 *
 * The digest of each entry is computed again.  A link is right if it follows
 * from the previous link, its position and that digest.  The digests of purged
 * entries are in the run that replaced them (purge.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_collation.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audit/entry.h"
#include "audit/row_digest.h"
#include "core/catalog.h"
#include "core/compat.h"
#include "core/errors.h"
#include "log/proof.h"
#include "pure/chain.h"

/* Links of a chain to read at once */
#define LINKS_AHEAD 32

typedef struct AkLink
{
	int64 position;
	int64 audit_id;
	bool broken; /* previous links are missing, or the link is not 32 bytes */
	uint8 previous[AK_HASH_LEN];
	uint8 link[AK_HASH_LEN];
} AkLink;

/* A link whose entry was not read yet, or an entry whose link was not */
typedef struct AkHalf
{
	int64 audit_id; /* the hash key */
	AkChain *chain;
	bool is_link;
	AkLink link; /* for an entry, link.link is its digest */
} AkHalf;

typedef struct AkWalk
{
	AkVerification *v;
	Relation links;
	Relation links_index;
	Relation runs;
	Relation runs_index;
	HTAB *halves;
	MemoryContext context;
	MemoryContext row_context; /* for one entry */
} AkWalk;

static SysScanDesc
begin_positions(const AkWalk *walk, Relation rel, Relation index, AkChain *chain, int64 from)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(chain->workspace));
	keys[0].sk_collation = DEFAULT_COLLATION_OID; /* the column's */
	ScanKeyInit(&keys[1], 2, BTGreaterEqualStrategyNumber, F_INT8GE, Int64GetDatum(from));
	return systable_beginscan_ordered(rel, index, walk->v->snapshot, 2, keys);
}

/* Reads the next links of a chain, those after position "after". */
static void
read_ahead(const AkWalk *walk, AkChain *chain, int64 after)
{
	TupleDesc desc = RelationGetDescr(walk->links);
	SysScanDesc scan;
	HeapTuple tuple;

	if (chain->ahead == NULL)
		chain->ahead = MemoryContextAlloc(walk->context, LINKS_AHEAD * sizeof(AkLink));
	chain->ahead_count = chain->ahead_next = 0;
	scan = begin_positions(walk, walk->links, walk->links_index, chain, after + 1);
	while (chain->ahead_count < LINKS_AHEAD &&
		   HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		AkLink *link = &chain->ahead[chain->ahead_count++];
		Datum values[_Anum_audit_link_max - 1];
		bool nulls[_Anum_audit_link_max - 1];
		const uint8 *bytes;

		ak_deform(tuple, desc, lengthof(values), values, nulls);
		link->position = DatumGetInt64(values[Anum_audit_link_position - 1]);
		link->audit_id = DatumGetInt64(values[Anum_audit_link_audit_id - 1]);
		bytes = ak_hash_bytes(values[Anum_audit_link_link - 1], nulls[Anum_audit_link_link - 1]);
		link->broken = bytes == NULL;
		if (bytes != NULL)
			memcpy(link->link, bytes, AK_HASH_LEN);
		else
			memset(link->link, 0, AK_HASH_LEN);
	}
	chain->ahead_last = chain->ahead_count < LINKS_AHEAD;
	systable_endscan_ordered(scan);
}

/* Moves the head of a chain to its next position, with that link. */
static void
move_head(AkChain *chain, int64 position, const uint8 *link, int64 audit_id)
{
	chain->position = position;
	memcpy(chain->head, link, AK_HASH_LEN);
	if (position == chain->anchor.position && !ak_hash_equal(chain->anchor.link, link))
		ak_note(chain, audit_id, "the chain differs from its anchor");
}

/*
 * Follows the run of purged entries that begins after the head of a chain, and
 * returns true if there is one; "next" is the audit_id of the entry after it.
 */
static bool
follow_run(const AkWalk *walk, AkChain *chain, int64 next)
{
	SysScanDesc scan = begin_positions(walk, walk->runs, walk->runs_index, chain, chain->position + 1);
	HeapTuple tuple = systable_getnext_ordered(scan, ForwardScanDirection);
	bool found = false;

	if (HeapTupleIsValid(tuple))
	{
		Datum values[_Anum_audit_purged_max - 1];
		bool nulls[_Anum_audit_purged_max - 1];
		int64 first, last;
		bytea *digests;
		const uint8 *stored;

		ak_deform(tuple, RelationGetDescr(walk->runs), lengthof(values), values, nulls);
		first = DatumGetInt64(values[Anum_audit_purged_first_position - 1]);
		last = DatumGetInt64(values[Anum_audit_purged_last_position - 1]);
		digests = DatumGetByteaPP(values[Anum_audit_purged_digests - 1]);
		stored = ak_hash_bytes(values[Anum_audit_purged_link - 1], nulls[Anum_audit_purged_link - 1]);
		if (next == 0)
			next = DatumGetInt64(values[Anum_audit_purged_audit_id - 1]);

		found = first == chain->position + 1 && last >= first &&
				VARSIZE_ANY_EXHDR(digests) == (last - first + 1) * AK_HASH_LEN;
		if (found)
		{
			const uint8 *digest = (const uint8 *) VARDATA_ANY(digests);

			for (int64 position = first; position <= last; position++, digest += AK_HASH_LEN)
			{
				uint8 link[AK_HASH_LEN];

				if (!ak_link(position > 1 ? chain->head : NULL, position, digest, link))
					ak_hash_failed();
				move_head(chain, position, link, next);
			}
			if (stored == NULL || !ak_hash_equal(stored, chain->head))
				ak_note(chain, next, "what stands for purged entries before this one was altered");
			if (last > chain->purged_through)
				ak_note(chain, next, "entries before this one are missing, and no purge says so");
		}
	}
	systable_endscan_ordered(scan);
	return found;
}

/* Reads the next link of a chain, which becomes its head.  Returns false at the end. */
static bool
next_link(const AkWalk *walk, AkChain *chain, AkLink *link)
{
	if (chain->ahead_next == chain->ahead_count && !chain->ahead_last)
		read_ahead(walk, chain, chain->ahead_count > 0 ? chain->ahead[chain->ahead_count - 1].position : 0);
	if (chain->ahead_next == chain->ahead_count)
	{
		while (follow_run(walk, chain, 0))
			CHECK_FOR_INTERRUPTS();
		return false;
	}
	*link = chain->ahead[chain->ahead_next++];
	while (link->position > chain->position + 1 && follow_run(walk, chain, link->audit_id))
		CHECK_FOR_INTERRUPTS();
	if (link->position != chain->position + 1)
	{
		ak_note(chain, link->audit_id, "links before this entry are missing");
		link->broken = true;
	}
	memcpy(link->previous, chain->head, AK_HASH_LEN);
	if (link->position <= chain->purged_through)
	{
		if (!ak_link(chain->any_kept ? chain->kept : NULL, link->position, link->link, chain->kept))
			ak_hash_failed();
		chain->any_kept = true;
	}
	move_head(chain, link->position, link->link, link->audit_id);
	return true;
}

/* Checks a link against the digest of its entry. */
static void
join_halves(AkChain *of_link, const AkLink *link, AkChain *of_entry, const uint8 *digest)
{
	uint8 expected[AK_HASH_LEN];

	of_link->entries++;
	if (of_link != of_entry)
		ak_note(of_link, link->audit_id, "the entry belongs to another workspace");
	else if (!link->broken && !(ak_link(link->position > 1 ? link->previous : NULL, link->position, digest, expected) &&
								ak_hash_equal(expected, link->link)))
		ak_note(of_link, link->audit_id, "the link does not follow from the entry and the link before");
}

/* Handles a link that was read: joins it with its entry, or lets it wait. */
static void
meet_entry(AkWalk *walk, AkChain *chain, const AkLink *link)
{
	bool found;
	AkHalf *half = hash_search(walk->halves, &link->audit_id, HASH_ENTER, &found);

	if (!found)
	{
		half->chain = chain;
		half->is_link = true;
		half->link = *link;
	}
	else if (half->is_link)
		ak_note(chain, link->audit_id, "the entry has two links");
	else
	{
		join_halves(chain, link, half->chain, half->link.link);
		hash_search(walk->halves, &link->audit_id, HASH_REMOVE, NULL);
	}
}

/* Handles an entry that was read: joins it with its link, waiting or next in the chain, or lets it wait. */
static void
meet_link(AkWalk *walk, AkChain *chain, int64 audit_id, const uint8 *digest)
{
	AkHalf *half = NULL;
	AkLink link;

	if (hash_get_num_entries(walk->halves) > 0)
		half = hash_search(walk->halves, &audit_id, HASH_FIND, NULL);
	if (half != NULL && half->is_link)
	{
		join_halves(half->chain, &half->link, chain, digest);
		hash_search(walk->halves, &audit_id, HASH_REMOVE, NULL);
		return;
	}
	if (next_link(walk, chain, &link))
	{
		if (link.audit_id == audit_id)
		{
			join_halves(chain, &link, chain, digest);
			return;
		}
		meet_entry(walk, chain, &link);
	}
	half = hash_search(walk->halves, &audit_id, HASH_ENTER, NULL);
	half->chain = chain;
	half->is_link = false;
	memcpy(half->link.link, digest, AK_HASH_LEN);
}

/* Verifies one entry: its digest, its link, and the row that it describes. */
static void
prove_entry(AkWalk *walk, AkRowProof *rows, TupleTableSlot *slot)
{
	const Datum *values = slot->tts_values;
	const bool *nulls = slot->tts_isnull;
	uint8 digest[AK_HASH_LEN];
	const uint8 *stored;
	AkChain *chain;
	int64 audit_id;

	slot_getallattrs(slot);
	chain = ak_chain_of_value(walk->v, values[Anum_audit_log_workspace - 1], nulls[Anum_audit_log_workspace - 1]);
	if (chain == NULL)
		return;
	audit_id = DatumGetInt64(values[Anum_audit_log_audit_id - 1]);
	ak_entry_digest(slot->tts_tupleDescriptor, _Anum_audit_log_max - 1, values, nulls, digest);
	stored = ak_hash_bytes(values[Anum_audit_log_digest - 1], nulls[Anum_audit_log_digest - 1]);
	if (stored == NULL || !ak_hash_equal(stored, digest))
		ak_note(chain, audit_id, "the entry was altered");
	ak_prove_rows_entry(rows, chain, values, nulls);
	meet_link(walk, chain, audit_id, digest);
}

/* Verifies the entries in the order of audit_id. */
static void
prove_entries(AkWalk *walk, AkRowProof *rows)
{
	AkVerification *v = walk->v;
	Relation log = ak_table_open(AK_AUDIT_LOG, AccessShareLock);
	Relation index = index_open(ak_relid(v->one ? AK_AUDIT_LOG_WORKSPACE : AK_AUDIT_LOG_PKEY), AccessShareLock);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(log), table_slot_callbacks(log));
	IndexScanDesc scan = index_beginscan_compat(log, index, v->snapshot, v->one ? 1 : 0);
	ScanKeyData key;

	if (v->one)
		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(v->chains[0].workspace));
	index_rescan(scan, &key, v->one ? 1 : 0, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		/* index_getnext_slot() allocates memory in the current context: not in the row's */
		MemoryContext old = MemoryContextSwitchTo(walk->row_context);

		CHECK_FOR_INTERRUPTS();
		prove_entry(walk, rows, slot);
		MemoryContextSwitchTo(old);
		MemoryContextReset(walk->row_context);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(log, AccessShareLock);
}

/* Notes the links without an entry and the entries without a link. */
static void
note_halves(AkWalk *walk)
{
	Relation log = ak_table_open(AK_AUDIT_LOG, AccessShareLock);
	Relation index = index_open(ak_relid(AK_AUDIT_LOG_PKEY), AccessShareLock);
	HASH_SEQ_STATUS status;
	AkHalf *half;

	hash_seq_init(&status, walk->halves);
	while ((half = hash_seq_search(&status)) != NULL)
	{
		const char *problem = "the entry is missing";

		CHECK_FOR_INTERRUPTS();
		if (!half->is_link)
		{
			if (!ak_entry_pending(half->audit_id))
				ak_note(half->chain, half->audit_id, "the entry is not in the chain");
			continue;
		}
		if (half->chain->problem == NULL || half->audit_id < half->chain->first_bad)
		{
			ScanKeyData key;
			SysScanDesc scan;
			HeapTuple tuple;

			/* the entry may be in another chain */
			ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(half->audit_id));
			scan = systable_beginscan_ordered(log, index, walk->v->snapshot, 1, &key);
			tuple = systable_getnext_ordered(scan, ForwardScanDirection);
			if (HeapTupleIsValid(tuple))
			{
				bool isnull;
				Datum workspace = heap_getattr(tuple, Anum_audit_log_workspace, RelationGetDescr(log), &isnull);

				problem = ak_chain_of_value(walk->v, workspace, isnull) == half->chain
							  ? "the entry has two links"
							  : "the entry belongs to another workspace";
			}
			systable_endscan_ordered(scan);
			ak_note(half->chain, half->audit_id, problem);
		}
	}
	index_close(index, AccessShareLock);
	table_close(log, AccessShareLock);
}

/*
 * Verifies the entries and links of all chains, and passes each entry to
 * ak_prove_rows_entry().
 */
void
ak_prove_log(AkVerification *v, AkRowProof *rows)
{
	AkWalk walk = {.v = v, .context = CurrentMemoryContext};
	HASHCTL ctl = {.keysize = sizeof(int64), .entrysize = sizeof(AkHalf), .hcxt = CurrentMemoryContext};
	AkLink link;

	walk.halves = hash_create("apikeys entries and links", 1024, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	walk.row_context = AllocSetContextCreate(CurrentMemoryContext, "apikeys verify", ALLOCSET_DEFAULT_SIZES);
	walk.links = ak_table_open(AK_AUDIT_LINK, AccessShareLock);
	walk.runs = ak_table_open(AK_AUDIT_PURGED, AccessShareLock);
	walk.links_index = index_open(ak_relid(AK_AUDIT_LINK_PKEY), AccessShareLock);
	walk.runs_index = index_open(ak_relid(AK_AUDIT_PURGED_PKEY), AccessShareLock);

	prove_entries(&walk, rows);
	for (int i = 0; i < v->count; i++)
	{
		AkChain *chain = &v->chains[i];

		while (next_link(&walk, chain, &link))
		{
			CHECK_FOR_INTERRUPTS();
			meet_entry(&walk, chain, &link);
		}
		if (chain->anchor.position > chain->position)
			ak_note(chain, chain->anchor.audit_id, "the chain ends before its anchor");
		if (chain->purge_id != 0 &&
			(chain->purged_through > chain->position || !ak_hash_equal(chain->kept, chain->kept_expected)))
			ak_note(chain, chain->purge_id, "what this purge kept is not there any more");
	}
	note_halves(&walk);

	index_close(walk.runs_index, AccessShareLock);
	index_close(walk.links_index, AccessShareLock);
	table_close(walk.runs, AccessShareLock);
	table_close(walk.links, AccessShareLock);
	MemoryContextDelete(walk.row_context);
	hash_destroy(walk.halves);
}
