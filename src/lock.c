/*-------------------------------------------------------------------------
 *
 * lock.c
 *	  Locks on names under our tables, until the end of the transaction.
 *
 * What is locked under which table:
 *	  key			the archive of a workspace: who archives there
 *	  audit_link	the chain of a workspace: who links entries, at commit
 *	  api			an API: shared by who gives it to a key; '' orders the registry
 *	  workspace		a workspace: shared by who puts something into it
 *	  access		'': who grants or revokes
 *	  audit_purged	'': who purges
 *
 * These are no advisory locks, which any role could hold.  Names share a lock
 * when their hashes do: that costs a wait, never more, because all who lock
 * several at once sort by ak_lock_tag().
 *
 * The server's lock table is small and everybody's.  So a transaction that
 * comes to more than AK_LOCK_MANY names under one table locks all names of
 * that table instead; for this to be seen, every lock on a name comes with a
 * weak one on all, as a row lock comes with a table lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "storage/lmgr.h"

#include "catalog.h"
#include "lock.h"

/* objsubid of the two kinds of lock */
#define ONE_NAME	0
#define ALL_NAMES	1

/* The names that this transaction locked, to know when they are many */
static struct
{
	int			count;
	uint32		tags[AK_LOCK_MANY];
}			locked[AK_TABLE_COUNT];

uint32
ak_lock_tag(const char *name)
{
	return hash_bytes((const unsigned char *) name, strlen(name));
}

/* Is this one more name than we lock one by one? */
static bool
too_many(AkRelation relation, uint32 tag)
{
	for (int i = locked[relation].count - 1; i >= 0; i--)
		if (locked[relation].tags[i] == tag)
			return false;
	if (locked[relation].count == AK_LOCK_MANY)
		return true;
	locked[relation].tags[locked[relation].count++] = tag;
	return false;
}

/*
 * Locks a name under one of our tables, in ShareLock or ExclusiveLock.  A
 * subtransaction that is rolled back gives up what it locked.
 */
void
ak_lock_object(AkRelation relation, const char *name, LOCKMODE mode)
{
	uint32		tag = ak_lock_tag(name);

	Assert(relation < AK_TABLE_COUNT);
	Assert(mode == ShareLock || mode == ExclusiveLock);
	if (too_many(relation, tag))
	{
		ak_lock_all(relation, mode);
		return;
	}
	/* these two conflict with the strong modes of ak_lock_all(), not with each other */
	LockDatabaseObject(ak_relid(relation), 0, ALL_NAMES, mode == ShareLock ? RowShareLock : RowExclusiveLock);
	LockDatabaseObject(ak_relid(relation), tag, ONE_NAME, mode);
}

/* Locks all names under one of our tables. */
void
ak_lock_all(AkRelation relation, LOCKMODE mode)
{
	LockDatabaseObject(ak_relid(relation), 0, ALL_NAMES, mode);
}

/* At the end of a transaction, which gives up all locks. */
void
ak_forget_locks(void)
{
	for (int i = 0; i < AK_TABLE_COUNT; i++)
		locked[i].count = 0;
}
