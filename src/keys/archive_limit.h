/*-------------------------------------------------------------------------
 *
 * archive_limit.h
 *	  The archive limit.  See archive_limit.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ARCHIVE_LIMIT_H
#define AK_ARCHIVE_LIMIT_H

extern void ak_lock_archive(const char *workspace);

#endif /* AK_ARCHIVE_LIMIT_H */
