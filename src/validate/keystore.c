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
 *					attacker minutes.  Among random hashes the btree takes
 *					1.8 us of CPU more (6.6 for 4.8, 1,000,000 keys).
 *
 *	  A hint		Where this backend found the same hash before: a buffer, a
 *					block, a line pointer.  If that buffer still holds that block
 *					of the table, and the row there is live and has the requested
 *					key_hash, then this is the key.  Otherwise the index is
 *					scanned.
 *
 * A hint holds a location, never contents.  The row itself is checked at the
 * time of the look-up, under SnapshotSelf, which is later than any snapshot: a
 * row that was deleted or updated is dead from the moment of the commit.
 * key_hash is unique, so the index could not have found another live row.  No
 * hint needs to be invalidated: ReadRecentBuffer() checks by the buffer's tag
 * that it still is a block of the table's current file, so not one that VACUUM
 * truncated, VACUUM FULL rewrote or DROP removed; the table's lock keeps these
 * out meanwhile.  There are no hints for old secrets.
 *
 * A hint saves opening, locking and scanning the index, half of the cost of a
 * validation.  Hints take 8 kB at first and 512 kB at most, in a set
 * associative table that grows when the keys in use do not fit.  Only existing
 * keys get hints, so guessed keys evict nothing.
 *
 * Locks: AccessShareLock on the table and the scanned indexes, until the
 * look-up ends.  So a transaction that stays open after a validation blocks
 * nobody, and on a hot standby delays no replay.  Table privileges and row
 * security are not checked here: the callers check access (access.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "storage/buf_internals.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"

#include "core/catalog.h"
#include "core/compat.h"
#include "core/keyindex.h"
#include "pure/digest.h"
#include "validate/keystore.h"

/* Where the row of a hash was found */
typedef struct AkHint
{
	uint32 tag; /* the first bits of the hash */
	BlockNumber block;
	Buffer buffer;       /* the block's buffer; InvalidBuffer: no hint */
	OffsetNumber offset; /* of the row, or the root of its HOT chain */
	uint16 place;        /* offset of the row in the page; used only to prefetch it */
} AkHint;

#define HINT_WAYS     4 /* hints per set: a cache line */
#define HINT_SETS_MIN 128
#define HINT_SETS_MAX 8192

static AkHint *kept_hints = NULL; /* HINT_WAYS for each set, aligned to a cache line */
static void *hints_memory = NULL; /* the allocation that "hints" is in */
static uint32 hint_sets = 0;
static uint32 hints_dropped = 0; /* since the table was last allocated */

StaticAssertDecl(sizeof(AkHint) == 16, "hints of one tag fill a cache line");

static inline uint32
hint_tag(const uint8 *hash)
{
	uint32 tag;

	memcpy(&tag, hash, sizeof(tag));
	return tag;
}

/* Returns the set of a tag, or with neighbour = 1 the set next to it, which takes the hints that do not fit. */
static inline AkHint *
hint_set(uint32 tag, uint32 neighbour)
{
	return kept_hints + (size_t) ((tag & (hint_sets - 1)) ^ neighbour) * HINT_WAYS;
}

/* Returns the index of the tag's hint in a set, or of the first free one; HINT_WAYS if there is neither. */
static inline int
place_in_set(const AkHint *set, uint32 tag)
{
	int i = 0;

	while (i < HINT_WAYS && set[i].buffer != InvalidBuffer && set[i].tag != tag)
		i++;
	return i;
}

/* Adds a hint at the front of its set or of the neighbour.  If both are full, the last one of its set is dropped. */
static void
add_hint(const AkHint *hint)
{
	AkHint *set = hint_set(hint->tag, 0);
	int place = place_in_set(set, hint->tag);

	if (place == HINT_WAYS)
	{
		AkHint *neighbour = hint_set(hint->tag, 1);

		place = place_in_set(neighbour, hint->tag);
		if (place < HINT_WAYS)
			set = neighbour;
		else
		{
			hints_dropped++;
			place = HINT_WAYS - 1;
		}
	}
	memmove(set + 1, set, place * sizeof(AkHint));
	set[0] = *hint;
}

/* Allocates the table, or a larger one with the same hints.  Changes nothing if memory is short. */
static void
enlarge_hints(uint32 sets)
{
	void *old_memory = hints_memory;
	AkHint *old = kept_hints;
	uint32 old_count = hint_sets * HINT_WAYS;
	void *memory;

	memory = MemoryContextAllocExtended(TopMemoryContext, sets * HINT_WAYS * sizeof(AkHint) + PG_CACHE_LINE_SIZE,
										MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);
	if (memory == NULL)
		return;
	hints_memory = memory;
	kept_hints = (AkHint *) CACHELINEALIGN(memory);
	hint_sets = sets;
	for (uint32 i = old_count; i > 0; i--)
		if (old[i - 1].buffer != InvalidBuffer)
			add_hint(&old[i - 1]);
	hints_dropped = 0;
	if (old_memory != NULL)
		pfree(old_memory);
}

/* Adds a hint for a hash: the row in lookup->slot, the TID as the index has it. */
static void
remember_place(const AkLookup *lookup, const uint8 *hash, const ItemPointerData *root)
{
	const BufferHeapTupleTableSlot *slot = (const BufferHeapTupleTableSlot *) lookup->slot;
	AkHint hint = {.tag = hint_tag(hash)};

	if (!TTS_IS_BUFFERTUPLE(lookup->slot) || !BufferIsValid(slot->buffer) || BufferIsLocal(slot->buffer))
		return;
	if (kept_hints == NULL)
		enlarge_hints(HINT_SETS_MIN);
	else if (hints_dropped > hint_sets / 8 && hint_sets < HINT_SETS_MAX)
		enlarge_hints(hint_sets * 2);
	if (kept_hints == NULL)
		return;
	hint.buffer = slot->buffer;
	hint.block = ItemPointerGetBlockNumber(root);
	hint.offset = ItemPointerGetOffsetNumber(root);
	hint.place = (const char *) slot->base.tuple->t_data - (const char *) BufferGetPage(slot->buffer);
	add_hint(&hint);
}

/* Returns the hint for a hash, or NULL. */
static const AkHint *
find_hint(const uint8 *hash)
{
	uint32 tag = hint_tag(hash);

	for (uint32 neighbour = 0; kept_hints != NULL && neighbour < 2; neighbour++)
	{
		const AkHint *set = hint_set(tag, neighbour);
		int place = place_in_set(set, tag);

		if (place < HINT_WAYS)
			return set[place].buffer != InvalidBuffer ? &set[place] : NULL;
	}
	return NULL;
}

/*
 * Prefetches the memory that recall_key() will most likely read, so that it
 * arrives while the table is opened and locked.  That saves 11 % of a validation
 * (1.25 us for 1.40 without, 10,000 known keys all over 63 MB).
 *
 * With large shared buffers, the pages are not in the TLB either, and a
 * prefetch instruction is then dropped or too late.  So one byte of each place
 * is really read, all at once rather than one after the other.  The bytes are
 * not used: the buffer may hold another block.
 */
static inline void
fetch_early(const AkHint *hint)
{
#ifdef __GNUC__
	const char *page = (const char *) BufferGetPage(hint->buffer);

	(void) *(volatile const char *) GetBufferDescriptor(hint->buffer - 1);
	(void) *(volatile const char *) page;
	(void) *(volatile const char *) (page + Min(hint->place, BLCKSZ - 1));
	__builtin_prefetch(page + SizeOfPageHeaderData + (hint->offset - 1) * sizeof(ItemIdData));
	for (int at = 0; at < 5 * PG_CACHE_LINE_SIZE / 2; at += PG_CACHE_LINE_SIZE / 2)
		__builtin_prefetch(page + Min(hint->place + at, BLCKSZ - 1));
#endif
}

/*
 * Looks up a key by its hint.  If it is found, its row is in lookup->tuple, in
 * lookup->buffer, which is pinned.
 */
static bool
recall_key(AkLookup *lookup, const AkHint *hint, const uint8 *hash)
{
	ItemPointerData tid;
	bool isnull;

	if (hint == NULL || lookup->key->rd_rel->relam != HEAP_TABLE_AM_OID)
		return false;
	if (!ReadRecentBuffer_compat(lookup->key, hint->block, hint->buffer))
		return false;

	ItemPointerSet(&tid, hint->block, hint->offset);
	LockBuffer(hint->buffer, BUFFER_LOCK_SHARE);
	if (heap_hot_search_buffer(&tid, lookup->key, hint->buffer, SnapshotSelf, &lookup->tuple, NULL, true))
	{
		Datum found = heap_getattr(&lookup->tuple, Anum_key_key_hash, RelationGetDescr(lookup->key), &isnull);

		LockBuffer(hint->buffer, BUFFER_LOCK_UNLOCK);
		if (ak_is_hash(found, isnull, hash))
		{
			lookup->buffer = hint->buffer;
			return true;
		}
		ReleaseBuffer(hint->buffer);
	}
	else
		UnlockReleaseBuffer(hint->buffer);
	return false;
}

/* Looks up a key in the indexes under that snapshot.  ak_keystore_end() releases what this acquires. */
static bool
search_indexes(AkLookup *lookup, Snapshot snapshot, const uint8 *hash)
{
	ItemPointerData root;

	lookup->snapshot = snapshot;
	lookup->slot = MakeSingleTupleTableSlot(RelationGetDescr(lookup->key), table_slot_callbacks(lookup->key));
	if (ak_key_probe(lookup->key, snapshot, lookup->slot, AK_KEY_HASH, Anum_key_key_hash, hash, &root))
	{
		remember_place(lookup, hash, &root);
		return true;
	}
	lookup->by_old_secret =
		ak_key_probe(lookup->key, snapshot, lookup->slot, AK_KEY_OLD_HASH, Anum_key_old_key_hash, hash, &root);
	return lookup->by_old_secret;
}

/* Returns a descriptor of the columns that a look-up reads, which are the table's first ones. */
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

static void
write_out_texts(AkLookup *lookup)
{
	static const AttrNumber texts[] = {Anum_key_workspace, Anum_key_name, Anum_key_team, Anum_key_owner};

	for (int i = 0; i < (int) lengthof(texts); i++)
		if (!AK_FOUND_NULL(lookup, texts[i]))
			AK_FOUND(lookup, texts[i]) = ak_as_written(AK_FOUND(lookup, texts[i]));
}

/*
 * Finds the key whose current secret, or else whose old secret, has that
 * SHA-256 (32 bytes), and returns true if there is one, with its columns in
 * lookup->values and nulls.  ak_keystore_end() must follow in either case.
 * Raises 42P01 if the extension has been dropped.
 */
bool
ak_keystore_find(AkLookup *lookup, const uint8 *hash)
{
	const AkHint *hint = find_hint(hash);

	if (hint != NULL)
		fetch_early(hint);
	begin_lookup(lookup);
	if (recall_key(lookup, hint, hash))
		heap_deform_tuple(&lookup->tuple, head_desc(lookup->key), lookup->values, lookup->nulls);
	else if (search_indexes(lookup, RegisterSnapshot(GetLatestSnapshot()), hash))
		read_slot(lookup);
	else
		return false;
	write_out_texts(lookup);
	return true;
}

/* Like ak_keystore_find(), but under that snapshot: for showing keys, not for validating them. */
bool
ak_keystore_find_seen(AkLookup *lookup, const uint8 *hash, Snapshot snapshot)
{
	begin_lookup(lookup);
	if (!search_indexes(lookup, RegisterSnapshot(snapshot), hash))
		return false;
	read_slot(lookup);
	write_out_texts(lookup);
	return true;
}

/* Releases what a look-up holds. */
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
