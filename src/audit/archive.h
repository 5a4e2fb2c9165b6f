/*-------------------------------------------------------------------------
 *
 * archive.h
 *	  The archive limit.  See archive.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ARCHIVE_H
#define AK_ARCHIVE_H

#include "lib/stringinfo.h"

/* Set while ak_evict() deletes keys: nothing else may delete them */
extern bool ak_evicting;

extern void ak_lock_archive(const char *workspace);
extern int ak_evict(const char *workspace, int archive_limit, StringInfo evicted);

#endif /* AK_ARCHIVE_H */
