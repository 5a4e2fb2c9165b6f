/*-------------------------------------------------------------------------
 *
 * keystore.c
 *	  The only look-up in the key table: hash -> key.
 *
 * What is committed when a request comes decides, whatever the isolation level
 * of the transaction that asks.  There are two ways to a key:
 *
 *	  The index		A scan of a btree under the latest snapshot, taken here and
 *					registered: of the present secrets, and if it is none of
 *					those, of the old ones.  Not a hash index: it finds by 32
 *					bits, for which anybody can compute as many hashes as he
 *					likes.  With 4,000 of these imported, a look-up took 530 us
 *					where a btree takes 4; SHA-256 over the hash once more would
 *					cost the attacker minutes.  Among random hashes the btree
 *					takes 1.8 us of CPU more (6.6 for 4.8, 1,000,000 keys).
 *
 *	  A hint		Where this backend found the same hash before: a buffer, a
 *					block, a line pointer.  If that buffer still holds that block
 *					of the table, if the row at that place is live, and if its
 *					key_hash is the one asked for, then this is the key; anything
 *					else is no answer, and the index is asked.
 *
 * A hint remembers where, and never what.  The row's own state decides at the
 * moment it is looked at, under SnapshotSelf, which is later than any snapshot
 * could be: a row that was deleted or updated is dead from the very moment of
 * the commit.  key_hash is unique, so that there is no other live row that the
 * index could have found.  Nothing has to be invalidated: the buffer's tag
 * (ReadRecentBuffer) tells whether it is still a block of the table's present
 * file, and no longer one that VACUUM truncated, VACUUM FULL rewrote or DROP
 * removed, while we hold the table's lock.  Old secrets are not remembered.
 *
 * A hint saves opening, locking and walking the index, which is half of a
 * validation.  Hints take 8 kB at first and 512 kB at most, in a set
 * associative table that grows when what is in use has no room; only keys that
 * exist get in, so that guesses push nothing out.
 *
 * The locks are AccessShareLock on the table and the indexes asked, until the
 * look-up ends: a transaction that stays open after a validation is in nobody's
 * way, and on a hot standby delays no replay.  This does not look at table
 * privileges or row security: whoever calls it has asked access.c.
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
	uint32		tag;			/* the first bits of the hash */
	BlockNumber block;
	Buffer		buffer;			/* that the block was in; InvalidBuffer: no hint here */
	OffsetNumber offset;		/* of the row, or the root of its HOT chain */
	uint16		place;			/* where in the page the row's bytes began: to be fetched early, no more */
} AkHint;

#define HINT_WAYS		4		/* places for one tag: a cache line */
#define HINT_SETS_MIN	128
#define HINT_SETS_MAX	8192

static AkHint *hints = NULL;	/* HINT_WAYS for each set, on a cache line */
static void *hints_memory = NULL;	/* what hints was allocated as */
static uint32 hint_sets = 0;
static uint32 hints_dropped = 0;	/* since the table was last made */

StaticAssertDecl(sizeof(AkHint) == 16, "hints of one tag fill a cache line");

static inline uint32
hint_tag(const uint8 *hash)
{
	uint32		tag;

	memcpy(&tag, hash, sizeof(tag));
	return tag;
}

/* The places for a tag: its own set, and the neighbour, which takes what has no room there. */
static inline AkHint *
hint_set(uint32 tag, uint32 neighbour)
{
	return hints + (size_t) ((tag & (hint_sets - 1)) ^ neighbour) * HINT_WAYS;
}

/* Which of a set's places a tag has, or is to have; HINT_WAYS: all are others'. */
static inline int
place_in_set(const AkHint *set, uint32 tag)
{
	int			i = 0;

	while (i < HINT_WAYS && set[i].buffer != InvalidBuffer && set[i].tag != tag)
		i++;
	return i;
}

/* Puts a hint first in its set, or the neighbour; without room in either, the last one of its set has to go. */
static void
add_hint(const AkHint *hint)
{
	AkHint	   *set = hint_set(hint->tag, 0);
	int			place = place_in_set(set, hint->tag);

	if (place == HINT_WAYS)
	{
		AkHint	   *neighbour = hint_set(hint->tag, 1);

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

/* Makes the table, or a larger one with the same hints; without memory, all stays as it is. */
static void
enlarge_hints(uint32 sets)
{
	void	   *old_memory = hints_memory;
	AkHint	   *old = hints;
	uint32		old_count = hint_sets * HINT_WAYS;
	void	   *memory;

	memory = MemoryContextAllocExtended(TopMemoryContext,
										sets * HINT_WAYS * sizeof(AkHint) + PG_CACHE_LINE_SIZE,
										MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);
	if (memory == NULL)
		return;
	hints_memory = memory;
	hints = (AkHint *) CACHELINEALIGN(memory);
	hint_sets = sets;
	for (uint32 i = old_count; i > 0; i--)
		if (old[i - 1].buffer != InvalidBuffer)
			add_hint(&old[i - 1]);
	hints_dropped = 0;
	if (old_memory != NULL)
		pfree(old_memory);
}

/* Remembers where a hash was found: the row in lookup->slot, the place as the index names it. */
static void
remember(const AkLookup *lookup, const uint8 *hash, const ItemPointerData *root)
{
	const BufferHeapTupleTableSlot *slot = (const BufferHeapTupleTableSlot *) lookup->slot;
	AkHint		hint = {.tag = hint_tag(hash)};

	if (!TTS_IS_BUFFERTUPLE(lookup->slot) || !BufferIsValid(slot->buffer) || BufferIsLocal(slot->buffer))
		return;
	if (hints == NULL)
		enlarge_hints(HINT_SETS_MIN);
	else if (hints_dropped > hint_sets / 8 && hint_sets < HINT_SETS_MAX)
		enlarge_hints(hint_sets * 2);
	if (hints == NULL)
		return;
	hint.buffer = slot->buffer;
	hint.block = ItemPointerGetBlockNumber(root);
	hint.offset = ItemPointerGetOffsetNumber(root);
	hint.place = (const char *) slot->base.tuple->t_data - (const char *) BufferGetPage(slot->buffer);
	add_hint(&hint);
}

/* The hint for a hash; NULL if there is none. */
static const AkHint *
find_hint(const uint8 *hash)
{
	uint32		tag = hint_tag(hash);

	for (uint32 neighbour = 0; hints != NULL && neighbour < 2; neighbour++)
	{
		const AkHint *set = hint_set(tag, neighbour);
		int			place = place_in_set(set, tag);

		if (place < HINT_WAYS)
			return set[place].buffer != InvalidBuffer ? &set[place] : NULL;
	}
	return NULL;
}

/*
 * Has the processor fetch from memory what recall() will most likely look at.
 * It takes its time, in which the table is opened and locked.
 *
 * With shared buffers of some size, the pages are not in the processor's table
 * of addresses either, and a prefetch then comes to nothing or too late.  So a
 * byte of each place is really read, of all at once, rather than one after the
 * other later on.  Nothing is done with it: another block may be there.
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
 * Looks where a key was found before.  On success its row is in lookup->tuple,
 * in lookup->buffer, which is pinned.
 */
static bool
recall(AkLookup *lookup, const AkHint *hint, const uint8 *hash)
{
	ItemPointerData tid;
	bool		isnull;

	if (hint == NULL || lookup->key->rd_rel->relam != HEAP_TABLE_AM_OID)
		return false;
	if (!ReadRecentBuffer_compat(lookup->key, hint->block, hint->buffer))
		return false;

	ItemPointerSet(&tid, hint->block, hint->offset);
	LockBuffer(hint->buffer, BUFFER_LOCK_SHARE);
	if (heap_hot_search_buffer(&tid, lookup->key, hint->buffer, SnapshotSelf, &lookup->tuple, NULL, true))
	{
		Datum		found = heap_getattr(&lookup->tuple, Anum_key_key_hash, RelationGetDescr(lookup->key), &isnull);

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

/* Looks in the indexes, under that snapshot.  The caller ends what this begins. */
static bool
search(AkLookup *lookup, Snapshot snapshot, const uint8 *hash)
{
	ItemPointerData root;

	lookup->snapshot = snapshot;
	lookup->slot = MakeSingleTupleTableSlot(RelationGetDescr(lookup->key),
											table_slot_callbacks(lookup->key));
	if (ak_key_probe(lookup->key, snapshot, lookup->slot, AK_KEY_HASH, Anum_key_key_hash, hash, &root))
	{
		remember(lookup, hash, &root);
		return true;
	}
	lookup->by_old_secret = ak_key_probe(lookup->key, snapshot, lookup->slot, AK_KEY_OLD_HASH, Anum_key_old_key_hash, hash, &root);
	return lookup->by_old_secret;
}

/* The table's first columns, the only ones worth taking a tuple apart for. */
static TupleDesc
head_desc(Relation key)
{
	static TupleDesc desc = NULL;
	static uint64 generation = 0;

	if (unlikely(desc == NULL || generation != ak_catalog_generation()))
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc	made = CreateTemplateTupleDesc(AK_LOOKUP_NATTS);

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

/* What a look-up begins with. */
static void
begin(AkLookup *lookup)
{
	lookup->key = ak_table_open(AK_KEY, AccessShareLock);
	lookup->snapshot = NULL;
	lookup->slot = NULL;
	lookup->buffer = InvalidBuffer;
	lookup->by_old_secret = false;
}

/* The columns that a look-up reads, once the slot has a row. */
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
	static const AttrNumber texts[] = {Anum_key_workspace, Anum_key_name, Anum_key_team};

	for (int i = 0; i < (int) lengthof(texts); i++)
		if (!AK_FOUND_NULL(lookup, texts[i]))
			AK_FOUND(lookup, texts[i]) = ak_as_written(AK_FOUND(lookup, texts[i]));
}

/*
 * Finds the key whose present secret, or else whose old one, has that SHA-256
 * (32 bytes), and returns whether there is one; its columns are in
 * lookup->values and nulls, then.  ak_keystore_end() must follow in either
 * case.  Raises 42P01 when the extension is gone.
 */
bool
ak_keystore_find(AkLookup *lookup, const uint8 *hash)
{
	const AkHint *hint = find_hint(hash);

	if (hint != NULL)
		fetch_early(hint);
	begin(lookup);
	if (recall(lookup, hint, hash))
		heap_deform_tuple(&lookup->tuple, head_desc(lookup->key), lookup->values, lookup->nulls);
	else if (search(lookup, RegisterSnapshot(GetLatestSnapshot()), hash))
		read_slot(lookup);
	else
		return false;
	write_out_texts(lookup);
	return true;
}

/* The same as that snapshot sees it: for what shows keys, and does not validate. */
bool
ak_keystore_find_seen(AkLookup *lookup, const uint8 *hash, Snapshot snapshot)
{
	begin(lookup);
	if (!search(lookup, RegisterSnapshot(snapshot), hash))
		return false;
	read_slot(lookup);
	write_out_texts(lookup);
	return true;
}

/* Gives back what a look-up holds. */
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
