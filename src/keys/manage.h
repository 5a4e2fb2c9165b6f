/*-------------------------------------------------------------------------
 *
 * manage.h
 *	  Change a key that was found.  See manage.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_MANAGE_H
#define AK_MANAGE_H

#include "audit/action.h"
#include "keys/key_lookup.h"

extern bool ak_disable_key_row(AkFoundKey *key, const AkAction *action);
extern bool ak_end_overlap_row(AkFoundKey *key, const AkAction *action);
extern bool ak_archive_key_row(AkFoundKey *key, const AkAction *action);

#endif /* AK_MANAGE_H */
