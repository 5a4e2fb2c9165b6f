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

#include "core/catalog.h"

/* How many names under one table a transaction locks one by one */
#define AK_LOCK_MANY 1000

extern void ak_lock_object(AkRelation relation, const char *name, LOCKMODE mode);
extern bool ak_try_lock_object(AkRelation relation, const char *name);
extern void ak_lock_object_behind(AkRelation relation, const char *name);
extern void ak_lock_all(AkRelation relation, LOCKMODE mode);
extern void ak_refuse_prepare(const char *function);
extern void ak_check_prepare(void);
extern void ak_locks_end_subtransaction(int level, bool committed);
extern void ak_forget_locks(void);

#endif /* AK_LOCK_H */
