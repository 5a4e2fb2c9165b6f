/*-------------------------------------------------------------------------
 *
 * story.h
 *	  What an entry records of a change.  See story.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_STORY_H
#define AK_STORY_H

/* Set while import_key() inserts: the activity is "Imported", not "Created" */
extern bool ak_importing;

/* Set while make_way() removes a row of the extension's script: no entry is written */
extern bool ak_making_way;

/* Why accesses end or begin without a revoke or a grant: ends the activity, as in ", which was dropped" */
extern const char *ak_story_access_why;

#endif /* AK_STORY_H */
