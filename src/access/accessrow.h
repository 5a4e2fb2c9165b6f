/*-------------------------------------------------------------------------
 *
 * accessrow.h
 *	  Reads apikeys.access, and with each row whose it is.  See accessrow.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ACCESSROW_H
#define AK_ACCESSROW_H

#include "access/genam.h"
#include "utils/hsearch.h"
#include "utils/relcache.h"

/* The accesses that there are, read one after the other */
typedef struct AkAccessScan
{
	MemoryContext context;		/* of all that is read */
	HTAB	   *roles;			/* of AkAccessRole */
	Relation	rel;
	SysScanDesc scan;
	/* the present one */
	Oid			role;			/* may be dropped; of one that waits, the role of that name, or InvalidOid */
	bool		waiting;
	const char *capability;
	const char *workspace;		/* NULL: all */
} AkAccessScan;

extern void ak_begin_accesses(AkAccessScan *accesses);
extern bool ak_next_access(AkAccessScan *accesses);
extern void ak_end_accesses(AkAccessScan *accesses);

#endif							/* AK_ACCESSROW_H */
