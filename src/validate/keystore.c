/*-------------------------------------------------------------------------
 *
 * keystore.c
 *	  Find a key by the hash of its secret.
 *
 * The result is what is committed at the time of the request, whatever the
 * isolation level of the calling transaction.  There are two ways to find a
 * key:
 *
 *	  The index		A scan of a btree under the latest snapshot, taken here and
 *					registered: first of the current secrets, then of the old
 *					ones.  Not a hash index: its hash has 32 bits, and an
 *					attacker can compute many secrets with the same one.  With
 *					4,000 of these imported, a look-up took 530 us, with a
 *					btree 4; hashing the SHA-256 once more would only cost the
 *					attacker minutes.  Among 1,000,000 random hashes the btree
 *					takes 1.8 us of CPU more (6.6 instead of 4.8).
 *
 *	  A hint		Where a backend found the same hash before: a buffer and a line
 *					pointer.  If that buffer holds a block of the table, and the
 *					row there is live and has the requested key_hash, this is the
 *					key.  Otherwise the indexes are scanned.
 *
 * A hint holds a location, never contents.  The row itself is checked at the
 * time of the look-up, under SnapshotSelf, which is later than any snapshot: a
 * row that was deleted or updated is dead from the moment of the commit.
 * key_hash is unique, so the index could not have found another live row.  No hint
 * needs to be invalidated: ReadRecentBuffer() checks by the buffer's tag that the
 * buffer holds a block of the table's current file, not one that VACUUM truncated,
 * VACUUM FULL rewrote or DROP removed; the lock on the table keeps these from
 * happening meanwhile.  There are no hints for old secrets.
 *
 * A hint saves opening, locking and scanning the index: a validation takes 10,900
 * instructions instead of 25,900, whichever backend found the key before.  Hints
 * are in shared memory beside the counters of usage (slots.c), one word each, in a
 * set-associative table without locks.  When that memory grows, they are forgotten.
 * Only existing keys get hints, so guessed keys evict none.
 *
 * Beside each hint is what the last request with that key used: its counter and its
 * limit (AkKeyItems).  They are prefetched together with the row, and need not be
 * looked for in a hash table afterwards.  With requests spread over 100,000 keys,
 * that saves 12 % of a validation (1.31 -> 1.16 us, minimum of each of 40 batches of
 * keys).
 *
 * Locks: AccessShareLock on the table and the scanned indexes, until the
 * look-up ends.  So a transaction that stays open after a validation blocks
 * nobody, and on a hot standby delays no replay.  Table privileges and row
 * security are not checked here: the callers check access (access.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "port/atomics.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "core/keyindex.h"
#include "pure/digest.h"
#include "validate/keystore.h"

/*
 * Where the row of a hash was found: the buffer, the line pointer of the row or
 * of the root of its HOT chain, and bits of the hash, in a word that is read
 * and written as one.  0: no hint.
 */
#define HINT_OFFSET_BITS 11
#define HINT_TAG_BITS    21

#define HINT_BUFFER(hint) ((Buffer) (uint32) (hint))
#define HINT_OFFSET(hint) ((OffsetNumber) ((hint) >> 32) & ((1 << HINT_OFFSET_BITS) - 1))
#define HINT_TAG(hint)    ((uint32) ((hint) >> (32 + HINT_OFFSET_BITS)))

/* Hints are in sets by the hash.  Beside each is what the last request with that key used. */
typedef struct AkHintSet
{
	pg_atomic_uint64 hints[AK_HINT_WAYS];
	AkKeyItems items[AK_HINT_WAYS];
} AkHintSet;

StaticAssertDecl(sizeof(AkHintSet) == AK_HINT_SET_SIZE, "the memory is made for sets of this size");
StaticAssertDecl(32 + HINT_OFFSET_BITS + HINT_TAG_BITS == 64, "a hint is a word");
StaticAssertDecl(MaxHeapTuplesPerPage < (1 << HINT_OFFSET_BITS), "a hint holds any line pointer");

static inline uint32
hint_tag(const uint8 *hash)
{
	uint32 bits;

	memcpy(&bits, hash + sizeof(bits), sizeof(bits));
	return bits >> (32 - HINT_TAG_BITS);
}

/*
 * Returns the set of a hash, or with neighbour = 1 the set next to it, which
 * takes the hints that do not fit; NULL if there is no memory for hints.
 */
static inline AkHintSet *
hint_set(const uint8 *hash, uint32 neighbour)
{
	uint32 bits;

	memcpy(&bits, hash, sizeof(bits));
	return ak_usage_hint_set(bits, neighbour);
}

/* Returns the index of the tag's hint in a set, or of the first free one; AK_HINT_WAYS if there is neither. */
static inline int
place_in_set(AkHintSet *set, uint32 tag)
{
	for (int i = 0; i < AK_HINT_WAYS; i++)
	{
		uint64 hint = pg_atomic_read_u64(&set->hints[i]);

		if (hint == 0 || HINT_TAG(hint) == tag)
			return i;
	}
	return AK_HINT_WAYS;
}

/* Copies a hint and what is beside it within a set. */
static inline void
move_hint(AkHintSet *set, int from, int to)
{
	pg_atomic_write_u64(&set->hints[to], pg_atomic_read_u64(&set->hints[from]));
	pg_atomic_write_u32(&set->items[to].counter, pg_atomic_read_u32(&set->items[from].counter));
	pg_atomic_write_u32(&set->items[to].limit, pg_atomic_read_u32(&set->items[from].limit));
}

/*
 * Adds a hint for a hash, the row in lookup->slot and the TID as the index has
 * it, at the front of its set or of the neighbour.  If both are full, the last
 * one of its set is dropped.
 */
static void
remember_place(AkLookup *lookup, const uint8 *hash, const ItemPointerData *root)
{
	const BufferHeapTupleTableSlot *slot = (const BufferHeapTupleTableSlot *) lookup->slot;
	uint32 tag = hint_tag(hash);
	AkHintSet *set;
	int place;

	if (!TTS_IS_BUFFERTUPLE(lookup->slot) || !BufferIsValid(slot->buffer) || BufferIsLocal(slot->buffer))
		return;
	set = hint_set(hash, 0);
	if (set == NULL)
		return;
	place = place_in_set(set, tag);
	if (place == AK_HINT_WAYS)
	{
		AkHintSet *neighbour = hint_set(hash, 1);

		place = place_in_set(neighbour, tag);
		if (place < AK_HINT_WAYS)
			set = neighbour;
		else
			place = AK_HINT_WAYS - 1;
	}
	for (; place > 0; place--)
		move_hint(set, place - 1, place);
	pg_atomic_write_u64(&set->hints[0], (uint64) tag << (32 + HINT_OFFSET_BITS) |
											(uint64) ItemPointerGetOffsetNumber(root) << 32 | (uint32) slot->buffer);
	lookup->items = &set->items[0];
	pg_atomic_write_u32(&lookup->items->counter, 0);
	pg_atomic_write_u32(&lookup->items->limit, 0);
}

/* Returns the hint for a hash, with lookup->items beside it; 0 if there is none. */
static uint64
find_hint(AkLookup *lookup, const uint8 *hash)
{
	uint32 tag = hint_tag(hash);

	for (uint32 neighbour = 0; neighbour < 2; neighbour++)
	{
		AkHintSet *set = hint_set(hash, neighbour);

		for (int i = 0; set != NULL && i < AK_HINT_WAYS; i++)
		{
			uint64 hint = pg_atomic_read_u64(&set->hints[i]);

			if (hint != 0 && HINT_TAG(hint) == tag)
			{
				lookup->items = &set->items[i];
				return hint;
			}
		}
	}
	return 0;
}

/*
 * Prefetches the memory that recall_key() will most likely read, so that it
 * arrives while the table is opened and locked.  That saves 13 % of a validation
 * (median of ten interleaved rounds, with 100,000 of 1,000,000 keys).
 *
 * With large shared buffers, the pages are not in the TLB either, and a prefetch
 * instruction is then dropped or too late.  So a byte of each of them is read.  The
 * buffer may hold another block by now: what is read here decides nothing.
 */
static inline void
fetch_early(uint64 hint)
{
#ifdef __GNUC__
	const char *page = (const char *) BufferGetPage(HINT_BUFFER(hint));
	const ItemIdData *line = (const ItemIdData *) (page + SizeOfPageHeaderData) + HINT_OFFSET(hint) - 1;
	unsigned place;

	(void) *(volatile const char *) GetBufferDescriptor(HINT_BUFFER(hint) - 1);
	(void) *(volatile const char *) page;
	place = ((const volatile ItemIdData *) line)->lp_off;
	for (int at = 0; at < 5 * PG_CACHE_LINE_SIZE / 2; at += PG_CACHE_LINE_SIZE / 2)
		__builtin_prefetch(page + Min(place + at, BLCKSZ - 1));
#endif
}

/*
 * Looks up a key by its hint.  If it is found, its row is in lookup->tuple, in
 * lookup->buffer, which is pinned.
 */
static bool
recall_key(AkLookup *lookup, uint64 hint, const uint8 *hash)
{
	Buffer buffer = HINT_BUFFER(hint);
	/* read without a lock; ReadRecentBuffer() checks that the buffer still holds that block */
	BlockNumber block = ((const volatile BufferDesc *) GetBufferDescriptor(buffer - 1))->tag.blockNum;
	ItemPointerData tid;
	bool isnull;

	if (lookup->key->rd_rel->relam != HEAP_TABLE_AM_OID)
		return false;
	if (!ReadRecentBuffer_compat(lookup->key, block, buffer))
		return false;

	ItemPointerSet(&tid, block, HINT_OFFSET(hint));
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (heap_hot_search_buffer(&tid, lookup->key, buffer, SnapshotSelf, &lookup->tuple, NULL, true))
	{
		Datum found = heap_getattr(&lookup->tuple, Anum_key_key_hash, RelationGetDescr(lookup->key), &isnull);

		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		if (ak_is_hash(found, isnull, hash))
		{
			lookup->buffer = buffer;
			return true;
		}
		ReleaseBuffer(buffer);
	}
	else
		UnlockReleaseBuffer(buffer);
	return false;
}

/* Looks up a key in the indexes under that snapshot.  ak_keystore_end() releases what this acquires. */
static bool
search_indexes(AkLookup *lookup, Snapshot snapshot, const uint8 *hash)
{
	ItemPointerData root;

	lookup->snapshot = snapshot;
	lookup->items = NULL;
	if (ak_key_probe(lookup->key, snapshot, &lookup->slot, AK_KEY_HASH, Anum_key_key_hash, hash, &root))
	{
		remember_place(lookup, hash, &root);
		return true;
	}
	lookup->by_old_secret =
		ak_key_probe(lookup->key, snapshot, &lookup->slot, AK_KEY_OLD_HASH, Anum_key_old_key_hash, hash, &root);
	return lookup->by_old_secret;
}

/* Returns a descriptor of the columns that a look-up reads, the table's first ones; kept until our tables change. */
static TupleDesc
head_desc(Relation key)
{
	static TupleDesc desc = NULL;
	static uint64 generation = 0;

	if (unlikely(desc == NULL || generation != ak_catalog_generation()))
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc made = CreateTemplateTupleDesc(AK_LOOKUP_NATTS);

		for (int i = 1; i <= AK_LOOKUP_NATTS; i++)
			TupleDescCopyEntry(made, i, RelationGetDescr(key), i);
		TupleDescFinalize_compat(made);
		MemoryContextSwitchTo(old);
		if (desc != NULL)
			FreeTupleDesc(desc);
		desc = made;
		generation = ak_catalog_generation();
	}
	return desc;
}

/* Starts a look-up. */
static void
begin_lookup(AkLookup *lookup)
{
	lookup->key = ak_table_open(AK_KEY, AccessShareLock);
	lookup->snapshot = NULL;
	lookup->slot = NULL;
	lookup->buffer = InvalidBuffer;
	lookup->by_old_secret = false;
}

/* Reads the columns from the slot. */
static void
read_slot(AkLookup *lookup)
{
	slot_getsomeattrs(lookup->slot, AK_LOOKUP_NATTS);
	memcpy(lookup->values, lookup->slot->tts_values, sizeof(lookup->values));
	memcpy(lookup->nulls, lookup->slot->tts_isnull, sizeof(lookup->nulls));
}

/* Detoasts the texts among the columns, for callers that read them in place. */
static void
detoast_texts(AkLookup *lookup)
{
	static const AttrNumber texts[] = {Anum_key_workspace, Anum_key_name, Anum_key_team, Anum_key_owner};

	for (int i = 0; i < (int) lengthof(texts); i++)
		if (!AK_FOUND_NULL(lookup, texts[i]))
			AK_FOUND(lookup, texts[i]) = ak_as_written(AK_FOUND(lookup, texts[i]));
}

/*
 * Finds the key whose current secret, or else whose old secret, has that SHA-256
 * (32 bytes), as of the latest commit.  Returns true if there is one, in any state,
 * with its columns in lookup->values and nulls.  ak_keystore_end() must follow in
 * either case.  The caller has checked, or checks, what the role may do.  Raises
 * 42P01 if the extension has been dropped.
 */
bool
ak_keystore_find(AkLookup *lookup, const uint8 *hash)
{
	uint64 hint = find_hint(lookup, hash);

	if (hint != 0)
	{
		fetch_early(hint);
		ak_usage_prefetch(lookup->items);
	}
	begin_lookup(lookup);
	if (hint != 0 && recall_key(lookup, hint, hash))
		heap_deform_tuple(&lookup->tuple, head_desc(lookup->key), lookup->values, lookup->nulls);
	else if (search_indexes(lookup, RegisterSnapshot(GetLatestSnapshot()), hash))
		read_slot(lookup);
	else
		return false;
	detoast_texts(lookup);
	return true;
}

/* The same as this transaction sees it: for showing keys, not for validating them. */
bool
ak_keystore_find_seen(AkLookup *lookup, const uint8 *hash)
{
	begin_lookup(lookup);
	if (!search_indexes(lookup, RegisterSnapshot(GetTransactionSnapshot()), hash))
		return false;
	read_slot(lookup);
	detoast_texts(lookup);
	return true;
}

/* Ends a look-up: releases its locks and pin.  Its values must not be used any more. */
void
ak_keystore_end(AkLookup *lookup)
{
	if (BufferIsValid(lookup->buffer))
		ReleaseBuffer(lookup->buffer);
	if (lookup->slot != NULL)
		ExecDropSingleTupleTableSlot(lookup->slot);
	if (lookup->snapshot != NULL)
		UnregisterSnapshot(lookup->snapshot);
	table_close(lookup->key, AccessShareLock);
}
