/*-------------------------------------------------------------------------
 *
 * current.h
 *	  The key that the current transaction acts for.  See current.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_CURRENT_H
#define AK_CURRENT_H

#include "validate/keystore.h"

extern void ak_current_init(void);
extern void ak_set_current_key(const AkLookup *found);
extern void ak_clear_current_key(void);

#endif /* AK_CURRENT_H */
