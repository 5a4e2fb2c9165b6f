/*-------------------------------------------------------------------------
 *
 * accessrow.h
 *	  Read apikeys.access, with the role of each row.  See accessrow.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ACCESSROW_H
#define AK_ACCESSROW_H

#include "access/genam.h"
#include "utils/hsearch.h"
#include "utils/relcache.h"

/* A scan of all accesses */
typedef struct AkAccessScan
{
	MemoryContext context; /* of all that the scan allocates */
	HTAB *roles;           /* of AkAccessRole */
	Relation rel;
	SysScanDesc scan;
	/* the present access */
	Oid role; /* may be dropped; if waiting, the role of that name, or InvalidOid */
	bool waiting;
	const char *capability;
	const char *workspace; /* NULL: all */
} AkAccessScan;

extern void ak_begin_accesses(AkAccessScan *accesses);
extern bool ak_next_access(AkAccessScan *accesses);
extern void ak_end_accesses(AkAccessScan *accesses);

#endif /* AK_ACCESSROW_H */
