/*-------------------------------------------------------------------------
 *
 * logindex.c
 *	  Entries of the audit log with a text in them, by an index.
 *
 * The index (grams.c) tells which pages may hold a text among entries of some
 * audit_ids; what no VACUUM has brought into it yet, always may.  These pages
 * are read as they lie, and the audit_ids of the visible entries in which the
 * text stands are sorted.  So the answer is exact in whatever order entries lie
 * on their pages, and wrong guesses of the index cost time only.
 *
 * Asking costs about as much as reading some ten thousand entries: it is done
 * when that many were read in vain.  The answer is for a window of audit_ids,
 * from where the search stands down to what reading a limited number of pages
 * makes known: not many more than were read so far.  So a text that stands in
 * every page is not looked for in all of them when only its newest entries are
 * wanted, while the windows grow, and with them what one question tells.
 *
 * Memory: 64 kB for a window's audit_ids, and a bitmap of pages within work_mem.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/tidbitmap.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "compat.h"
#include "grams.h"
#include "logindex.h"

/* So many entries are looked at before the index is asked */
#define LOOKED_BEFORE_ASKING	4096

/*
 * A window's entries are on so many pages: about as many as are read in the time
 * of a question, which is a part of all pages, and one for some entries looked at
 */
#define QUESTION_PART			32
#define LOOKED_PER_PAGE			8

/* To read a page costs as much as that the caller looks at so many entries, which is a detour for each */
#define LOOKS_OF_A_PAGE			4

/* A window is not narrower */
#define NARROWEST				4096

/* When it has twice as many entries, it keeps the newest of them, and ends there */
#define KNOWN_MAX				4096

/* Columns of the index */
#define INDEX_AUDIT_ID			1
#define INDEX_TEXT				2

struct AkTextSearch
{
	Relation	log;
	Snapshot	snapshot;
	AkNeedle   *needle;
	bool		all;			/* all entries are wanted, not a page */
	Relation	index;
	IndexScanDesc scan;
	Datum		grams[2];		/* of the text, and of the same as a time */
	MemoryContext ask_context,	/* for one question */
				row_context;	/* for one entry */
	TableScanDesc pages;
	TupleTableSlot *slot;

	int64		looked;			/* entries looked at, here and by the caller */
	int64		found;			/* the text was in so many of those that the caller looked at */
	int64		ask_at;			/* the index is asked when so many were looked at */

	/* since no window helps the caller */
	int64		alone_since;	/* target then; 0: there is a window */
	int64		alone_looked;	/* entries looked at */
	double		density;		/* what the caller would look at, of as many audit_ids */

	/* a window: the entries from low to high; there is none when high < low */
	int64		low;
	int64		high;
	int64	   *known;			/* those with the text, ascending, read from the end */
	int			known_count;
	double		spread;			/* pages for each of its audit_ids; 0: not known */

	/* pages to read next */
	BlockNumber first_page,
				last_page;
	int64		page_count;
	int64		pass;			/* so many are still passed over */
};

/*
 * Starts to look for a text under a snapshot, in the current memory context;
 * "all" says that all entries with it are wanted.  The index is locked in
 * AccessShareLock until the end.  Returns NULL when no index can help.
 */
AkTextSearch *
ak_text_begin(Relation log, Snapshot snapshot, AkNeedle *needle, bool all)
{
	AkTextSearch *search;
	Relation	index;
	Datum		grams[2];

	for (int i = 0; i < 2; i++)
	{
		const char *text = ak_needle_text(needle, i);

		grams[i] = text != NULL ? ak_grams_of(text) : (Datum) 0;
		if (text != NULL && grams[i] == (Datum) 0)
			return NULL;
	}
	index = index_open(ak_relid(AK_AUDIT_LOG_TEXT), AccessShareLock);
	if (!index->rd_index->indisvalid || log->rd_tableam->scan_getnextslot_tidrange == NULL ||
		(index->rd_index->indcheckxmin &&
		 !TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data), TransactionXmin)))
	{
		index_close(index, AccessShareLock);
		return NULL;
	}

	search = palloc0(sizeof(AkTextSearch));
	search->log = log;
	search->snapshot = snapshot;
	search->needle = needle;
	search->all = all;
	search->index = index;
	memcpy(search->grams, grams, sizeof(grams));
	search->ask_at = LOOKED_BEFORE_ASKING;
	search->low = 1;
	search->density = 1.0;
	return search;
}

/* Ends it, and gives back all but memory. */
void
ak_text_end(AkTextSearch *search)
{
	if (search->slot != NULL)
		ExecDropSingleTupleTableSlot(search->slot);
	if (search->pages != NULL)
		table_endscan(search->pages);
	if (search->scan != NULL)
		index_endscan(search->scan);
	index_close(search->index, AccessShareLock);
}

/* The caller looked at an entry, and found the text in it or not. */
void
ak_text_looked(AkTextSearch *search, bool found)
{
	search->looked++;
	search->alone_looked++;
	search->found += found;
}

/* What is made when it is needed first. */
static void
get_ready(AkTextSearch *search)
{
	ItemPointerData none;

	if (search->scan != NULL)
		return;
	search->ask_context = AllocSetContextCreate(CurrentMemoryContext, "apikeys text search", ALLOCSET_DEFAULT_SIZES);
	search->row_context = AllocSetContextCreate(CurrentMemoryContext, "apikeys text search row", ALLOCSET_SMALL_SIZES);
	search->slot = MakeSingleTupleTableSlot(RelationGetDescr(search->log), table_slot_callbacks(search->log));
	search->known = palloc(2 * KNOWN_MAX * sizeof(int64));
	search->scan = index_beginscan_bitmap_compat(search->index, search->snapshot, 3);
	ItemPointerSet(&none, 0, FirstOffsetNumber);
	search->pages = table_beginscan_tidrange_compat(search->log, search->snapshot, &none, &none);
}

static void
count_page(BlockNumber page, void *arg)
{
	((AkTextSearch *) arg)->page_count++;
}

/* The pages on which the text may be among these entries, and their number. */
static TIDBitmap *
pages_between(AkTextSearch *search, int64 low, int64 high)
{
	TIDBitmap  *bitmap = tbm_create(work_mem * (Size) 1024, NULL);
	ScanKeyData keys[3];

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < 2 && search->grams[i] != (Datum) 0; i++)
	{
		ScanKeyEntryInitialize(&keys[0], 0, INDEX_AUDIT_ID, BTGreaterEqualStrategyNumber, INT8OID,
							   InvalidOid, F_INT8GE, Int64GetDatum(low));
		ScanKeyEntryInitialize(&keys[1], 0, INDEX_AUDIT_ID, BTLessEqualStrategyNumber, INT8OID,
							   InvalidOid, F_INT8LE, Int64GetDatum(high));
		/* no operator stands for this question, which only grams.c answers */
		ScanKeyEntryInitialize(&keys[2], 0, INDEX_TEXT, BTEqualStrategyNumber, TEXTOID,
							   search->index->rd_indcollation[INDEX_TEXT - 1], F_TEXTEQ, search->grams[i]);
		index_rescan(search->scan, keys, 3, NULL, 0);
		index_getbitmap(search->scan, bitmap);
	}
	search->page_count = 0;
	tbm_each_page_compat(bitmap, count_page, search);
	return bitmap;
}

static int
id_order(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/* Reads the pages to read next, and notes the entries of the window in which the text stands. */
static void
read_pages(AkTextSearch *search)
{
	TupleTableSlot *slot = search->slot;
	ItemPointerData from,
				to;

	ItemPointerSet(&from, search->first_page, FirstOffsetNumber);
	ItemPointerSet(&to, search->last_page, MaxOffsetNumber);
	table_rescan_tidrange(search->pages, &from, &to);
	while (table_scan_getnextslot_tidrange(search->pages, ForwardScanDirection, slot))
	{
		int64		audit_id;
		bool		isnull;
		bool		found;
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		search->looked++;
		audit_id = DatumGetInt64(slot_getattr(slot, Anum_audit_log_audit_id, &isnull));
		if (audit_id < search->low || audit_id > search->high)
			continue;
		slot_getsomeattrs(slot, AK_SHOWN_LAST);
		old = MemoryContextSwitchTo(search->row_context);
		found = ak_needle_found(search->needle, slot->tts_values, slot->tts_isnull);
		MemoryContextSwitchTo(old);
		MemoryContextReset(search->row_context);
		if (!found)
			continue;
		search->known[search->known_count++] = audit_id;
		if (search->known_count == 2 * KNOWN_MAX)
		{
			qsort(search->known, search->known_count, sizeof(int64), id_order);
			memmove(search->known, search->known + KNOWN_MAX, KNOWN_MAX * sizeof(int64));
			search->known_count = KNOWN_MAX;
			search->low = search->known[0];
		}
	}
	ExecClearTuple(slot);
}

/* Adds a page to those that are to be read next, and reads them when it does not follow on them. */
static void
take_page(BlockNumber page, void *arg)
{
	AkTextSearch *search = arg;

	if (search->first_page != InvalidBlockNumber && page == search->last_page + 1)
	{
		search->last_page = page;
		return;
	}
	if (search->first_page != InvalidBlockNumber)
		read_pages(search);
	search->first_page = search->last_page = page;
}

/* Notes a page, when those that were to be passed over are. */
static void
pass_page(BlockNumber page, void *arg)
{
	AkTextSearch *search = arg;

	if (search->pass-- == 0)
		search->first_page = page;
}

/*
 * The lowest audit_id on the first of a bitmap's last pages, so many of them.
 * Where entries lie in order, the others are on earlier pages.
 */
static int64
oldest_of_last(AkTextSearch *search, TIDBitmap *bitmap, int64 pages)
{
	int64		oldest = PG_INT64_MAX;
	ItemPointerData from,
				to;

	search->pass = search->page_count - pages;
	tbm_each_page_compat(bitmap, pass_page, search);
	ItemPointerSet(&from, search->first_page, FirstOffsetNumber);
	ItemPointerSet(&to, search->first_page, MaxOffsetNumber);
	table_rescan_tidrange(search->pages, &from, &to);
	while (table_scan_getnextslot_tidrange(search->pages, ForwardScanDirection, search->slot))
	{
		bool		isnull;

		oldest = Min(oldest, DatumGetInt64(slot_getattr(search->slot, Anum_audit_log_audit_id, &isnull)));
	}
	ExecClearTuple(search->slot);
	return oldest;
}

/*
 * Makes a window that begins at "high" and ends at "lowest" or before.  Returns
 * false, and makes none, when the index does not help: it knows nothing of too
 * many pages, or the caller has less to look at than is on the pages, because
 * of its other filters.
 */
static bool
ask(AkTextSearch *search, int64 lowest, int64 high)
{
	int64		most = RelationGetNumberOfBlocks(search->log) / QUESTION_PART + search->looked / LOOKED_PER_PAGE;
	int64		low = lowest;
	double		width = (double) high - Max(low, 1) + 1;
	TIDBitmap  *bitmap;
	MemoryContext old;
	bool		helps;

	get_ready(search);
	old = MemoryContextSwitchTo(search->ask_context);
	if (search->spread * width > most)
	{
		width = Max(most / search->spread, NARROWEST);
		low = Max(lowest, high - (int64) width);
	}
	bitmap = pages_between(search, low, high);
	for (int i = 0; i < 2 && search->page_count > 2 * most && width > NARROWEST; i++)
	{
		/* down to where the last of these pages begin, or else as if they were spread evenly */
		low = i == 0 ? oldest_of_last(search, bitmap, most) : high - (int64) (width * most / search->page_count);
		low = Max(lowest, Min(low, high - NARROWEST));
		width = (double) high - Max(low, 1) + 1;
		tbm_free(bitmap);
		bitmap = pages_between(search, low, high);
	}
	helps = search->page_count <= 2 * most &&
		search->page_count * LOOKS_OF_A_PAGE <= width * search->density;
	search->known_count = 0;
	search->spread = helps ? search->page_count / width : 0;
	if (helps)
	{
		search->low = low;
		search->high = high;
		search->first_page = InvalidBlockNumber;
		tbm_each_page_compat(bitmap, take_page, search);
		if (search->first_page != InvalidBlockNumber)
			read_pages(search);
		qsort(search->known, search->known_count, sizeof(int64), id_order);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(search->ask_context);
	return helps;
}

/*
 * The highest audit_id that is not above the target and may be that of an entry
 * with the text; every one, while the index is not asked.  Targets never rise.
 * Below "lowest" nobody looks.
 */
int64
ak_text_seek(AkTextSearch *search, int64 target, int64 lowest)
{
	if (target < search->low || target > search->high)
	{
		if (search->alone_since == 0)
		{
			search->alone_since = target;
			search->alone_looked = 0;
		}
		if (search->looked < search->ask_at || (search->all && search->found > search->looked / 20))
			return target;
		if (search->alone_looked > 0)
			search->density = Min(1.0, search->alone_looked / ((double) search->alone_since - target + 1));
		if (!ask(search, lowest, target))
		{
			search->ask_at = search->looked * 2;
			search->alone_since = target;
			search->alone_looked = 0;
			return target;
		}
		search->alone_since = 0;
	}
	while (search->known_count > 0 && search->known[search->known_count - 1] > target)
		search->known_count--;
	return search->known_count > 0 ? search->known[search->known_count - 1] : search->low - 1;
}
