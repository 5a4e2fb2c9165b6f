/*-------------------------------------------------------------------------
 *
 * lock.c
 *	  Locks on names under our tables, until the end of the transaction.
 *
 * What is locked under which table:
 *	  key			the archive of a workspace: to archive keys there
 *	  audit_tree	all: to append to the trees, or to note their sizes in audit_size
 *	  api			an API: shared, to give it to a key; '': to order the registry
 *	  workspace		a workspace: shared, to add something to it; "keys of" it: to create a key,
 *					shared where the workspace has no key_limit
 *	  access		an access: to grant or revoke it; a role: to change its privileges;
 *					'': to change any privileges
 *	  audit_size	a workspace: to purge its log
 *
 * They are not advisory locks, because any role could hold those.  Every role can
 * read pg_locks, so the tag of a name is a hash with a salt that only the owner can
 * read (apikeys_internal.lock_salt): it does not show which names exist.  Names with
 * the same tag share a lock, which can cost a wait.
 *
 * The server's lock table is small and shared by all databases.  So a
 * transaction that needs more than AK_LOCK_MANY names under one table locks all
 * names of that table instead.  For that lock to conflict, every lock on a name
 * comes with a weak lock on all names, as a row lock comes with a table lock.
 * Names whose locks a rolled back subtransaction released do not count.  Names
 * that do not exist cannot fill the lock table: callers look a name up before they
 * lock it, and again under the lock, or raise an error, which releases the lock.
 *
 * A prepared transaction keeps its locks until it is finished.  Functions whose
 * locks others would wait for too long call ak_refuse_prepare().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/inval.h"
#include "utils/uuid.h"

#include "core/catalog.h"
#include "core/errors.h"
#include "core/lock.h"
#include "pure/digest.h"

/* objsubid of the two kinds of lock */
#define ONE_NAME  0
#define ALL_NAMES 1

/* The names that this transaction locked, up to AK_LOCK_MANY; those of outer (sub)transactions first */
static struct
{
	int count;
	struct
	{
		uint32 tag;
		int nest_level; /* of the (sub)transaction that locked it */
	} names[AK_LOCK_MANY];
} locked[AK_TABLE_COUNT];

/* The function because of which this transaction cannot be prepared; NULL: none */
static const char *unpreparable_by = NULL;

static pg_uuid_t lock_salt;
static uint64 salt_generation = 0; /* ak_catalog_generation() when the salt was read; 0: not read */

/* Reads the salt.  Raises 55000 when its table is empty. */
static void
read_salt(void)
{
	Relation rel = ak_table_open(AK_LOCK_SALT, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple tuple = systable_getnext(scan);
	bool isnull;

	if (!HeapTupleIsValid(tuple))
		ak_wrong_state(errmsg("table \"%s\" is empty", "apikeys_internal.lock_salt"),
					   errhint("Insert pg_catalog.gen_random_uuid() while nobody manages keys."));
	lock_salt = *DatumGetUUIDP(heap_getattr(tuple, Anum_lock_salt_salt, RelationGetDescr(rel), &isnull));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/*
 * Returns the tag of a name, the same in every backend of this database.
 * Raises 55000 if the salt is missing.
 */
static uint32
name_tag(const char *name)
{
	uint64 generation = ak_catalog_generation();
	size_t length = strlen(name);
	uint8 hash[AK_HASH_LEN];
	uint8 *salted;
	uint32 tag;

	if (unlikely(salt_generation != generation))
	{
		read_salt();
		salt_generation = generation;
	}
	salted = palloc(UUID_LEN + length);
	memcpy(salted, lock_salt.data, UUID_LEN);
	memcpy(salted + UUID_LEN, name, length);
	if (!ak_sha256((const char *) salted, UUID_LEN + length, hash))
		ak_hash_failed();
	pfree(salted);
	memcpy(&tag, hash, sizeof(tag));
	return tag;
}

/* Notes a name that is to be locked.  Returns true, without noting it, if there are too many to lock one by one. */
static bool
too_many(AkRelation relation, uint32 tag)
{
	int count = locked[relation].count;

	for (int i = count - 1; i >= 0; i--)
		if (locked[relation].names[i].tag == tag)
			return false;
	if (count == AK_LOCK_MANY)
		return true;
	locked[relation].names[count].tag = tag;
	locked[relation].names[count].nest_level = GetCurrentTransactionNestLevel();
	locked[relation].count++;
	return false;
}

/* Takes the weak lock on all names that comes with a lock on one.  It conflicts only with locks by ak_lock_all(). */
static void
lock_all_weakly(AkRelation relation, LOCKMODE mode)
{
	LockDatabaseObject(ak_relid(relation), 0, ALL_NAMES, mode == ShareLock ? RowShareLock : RowExclusiveLock);
}

/*
 * Locks a name under one of our tables, in ShareLock or ExclusiveLock, until the
 * transaction ends; a rolled back subtransaction releases its locks.  Raises 42P01
 * if the extension is gone.
 */
void
ak_lock_object(AkRelation relation, const char *name, LOCKMODE mode)
{
	uint32 tag = name_tag(name);

	Assert(relation < AK_TABLE_COUNT);
	Assert(mode == ShareLock || mode == ExclusiveLock);
	if (too_many(relation, tag))
	{
		ak_lock_all(relation, mode);
		return;
	}
	lock_all_weakly(relation, mode);
	LockDatabaseObject(ak_relid(relation), tag, ONE_NAME, mode);
}

/*
 * The same in ExclusiveLock, but returns false at once if another transaction has a
 * lock on the name; it still waits for one that has locked all names.  The name is
 * not counted: for transactions that lock few.
 */
bool
ak_try_lock_object(AkRelation relation, const char *name)
{
	LOCKTAG tag;

	lock_all_weakly(relation, ExclusiveLock);
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ak_relid(relation), name_tag(name), ONE_NAME);
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	/* as LockDatabaseObject() does: see what its last holder changed */
	AcceptInvalidationMessages();
	return true;
}

/*
 * The same, but waits for other transactions' locks on the name, though not in the
 * lock's queue: shared locks that are requested meanwhile are granted.
 */
void
ak_lock_object_behind(AkRelation relation, const char *name)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ak_relid(relation), name_tag(name), ONE_NAME);
	while (!ak_try_lock_object(relation, name))
	{
		WaitForLockers(tag, ExclusiveLock, false);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Locks all names under one of our tables. */
void
ak_lock_all(AkRelation relation, LOCKMODE mode)
{
	LockDatabaseObject(ak_relid(relation), 0, ALL_NAMES, mode);
}

/* Makes PREPARE TRANSACTION of this transaction fail, with an error that names the function. */
void
ak_refuse_prepare(const char *function)
{
	unpreparable_by = function;
}

/* Before a transaction is prepared: raises 0A000 after ak_refuse_prepare(). */
void
ak_check_prepare(void)
{
	if (unpreparable_by != NULL)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot PREPARE a transaction that has called %s()", unpreparable_by),
						errdetail("Others would wait for it until it is finished."),
						errhint("Call the function in a transaction of its own.")));
}

/*
 * At the end of the subtransaction of that level: its locks are released, or
 * become its parent's.
 */
void
ak_locks_end_subtransaction(int level, bool committed)
{
	for (int i = 0; i < AK_TABLE_COUNT; i++)
		for (int j = locked[i].count - 1; j >= 0 && locked[i].names[j].nest_level >= level; j--)
		{
			if (committed)
				locked[i].names[j].nest_level = level - 1;
			else
				locked[i].count--;
		}
}

/* At the end of a transaction, which releases all locks. */
void
ak_forget_locks(void)
{
	for (int i = 0; i < AK_TABLE_COUNT; i++)
		locked[i].count = 0;
	unpreparable_by = NULL;
}
