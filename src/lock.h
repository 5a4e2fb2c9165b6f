/*-------------------------------------------------------------------------
 *
 * lock.h
 *	  Locks on names under our tables.  See lock.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_LOCK_H
#define AK_LOCK_H

#include "storage/lockdefs.h"

#include "catalog.h"

/* So many names under one table a transaction locks one by one */
#define AK_LOCK_MANY	1000

extern uint32 ak_lock_tag(const char *name);
extern void ak_lock_object(AkRelation relation, const char *name, LOCKMODE mode);
extern void ak_lock_all(AkRelation relation, LOCKMODE mode);
extern void ak_forget_locks(void);

#endif							/* AK_LOCK_H */
