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

/* Set while make_way() removes what the extension came with: nobody did that, and nothing is told */
extern bool ak_making_way;

/* Why accesses end or begin that nobody revoked or granted: ends the activity, as in ", which was dropped" */
extern const char *ak_story_access_why;

#endif							/* AK_STORY_H */
