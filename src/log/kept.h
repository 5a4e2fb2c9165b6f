/*-------------------------------------------------------------------------
 *
 * kept.h
 *	  A hash over the leaves that a purge kept.  See kept.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_KEPT_H
#define AK_KEPT_H

#include "pure/digest.h"

/* Starts with all zero */
typedef struct AkKept
{
	int64 count;
	uint8 hash[AK_HASH_LEN];
} AkKept;

extern void ak_kept_add(AkKept *kept, int64 position, const uint8 *leaf);

#endif /* AK_KEPT_H */
