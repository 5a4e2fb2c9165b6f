/*-------------------------------------------------------------------------
 *
 * slothint.c
 *	  Where this backend last found counters (slots.c) and limits (limit.c).
 *
 * A number kept here is a hint, to be checked by the id in the item itself.  A set
 * of hints fills a cache line.  It takes several of the tags that map to it, so
 * that keys that are in use do not evict each other.  The sets of a kind are
 * 256 kB; a backend has memory only for the pages that it has written to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "usage/usage.h"

#define HINT_WAYS 8
#define HINT_SETS 4096 /* a power of two */

#define HINT_LINE 64

typedef struct AkSlotHint
{
	uint32 tag;
	uint32 number; /* of the item, from 1; 0: no hint */
} AkSlotHint;

typedef struct AkSlotHintSet
{
	pg_attribute_aligned(HINT_LINE) AkSlotHint ways[HINT_WAYS];
} AkSlotHintSet;

StaticAssertDecl(sizeof(AkSlotHintSet) == HINT_LINE, "a set of hints fills a cache line");

static AkSlotHintSet sets[AK_HINT_KINDS][HINT_SETS];

static inline AkSlotHint *
ways_of(AkHintKind kind, uint32 tag)
{
	return sets[kind][tag & (HINT_SETS - 1)].ways;
}

/* Returns the number of the item kept for that tag; 0 if there is none. */
uint32
ak_slot_hint(AkHintKind kind, uint32 tag)
{
	const AkSlotHint *ways = ways_of(kind, tag);

	for (int i = 0; i < HINT_WAYS; i++)
		if (ways[i].tag == tag)
			return ways[i].number;
	return 0;
}

/* Keeps an item, first in its set.  It replaces the hint with its tag, or else the last one of a full set. */
void
ak_slot_hint_keep(AkHintKind kind, uint32 tag, uint32 number)
{
	AkSlotHint *ways = ways_of(kind, tag);
	int i = 0;

	while (i < HINT_WAYS - 1 && ways[i].number != 0 && ways[i].tag != tag)
		i++;
	memmove(ways + 1, ways, i * sizeof(AkSlotHint));
	ways[0] = (AkSlotHint){tag, number};
}
