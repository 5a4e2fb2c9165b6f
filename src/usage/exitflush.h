/*-------------------------------------------------------------------------
 *
 * exitflush.h
 *	  Flush usage as a session leaves.  See exitflush.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_EXITFLUSH_H
#define AK_EXITFLUSH_H

extern void ak_exit_flush_init(void);

#endif /* AK_EXITFLUSH_H */
