/*-------------------------------------------------------------------------
 *
 * story.h
 *	  What an entry tells of a change.  See story.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_STORY_H
#define AK_STORY_H

/* Set while import_key() inserts: its key was not created here */
extern bool ak_importing;

#endif							/* AK_STORY_H */
