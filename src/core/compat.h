/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences between the supported PostgreSQL versions (14 to 19).
 *
 * No other file uses PG_VERSION_NUM.  Each difference is a *_compat inline
 * function, or a macro, with the meaning of the newest version.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_COMPAT_H
#define AK_COMPAT_H

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "common/unicode_norm.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parse_relation.h"
#include "storage/bufmgr.h"
#include "storage/lwlock.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#if PG_VERSION_NUM < 140000
#error "apikeys needs PostgreSQL 14 or newer"
#endif

/* The module's name and version, which since 18 pg_get_loaded_modules() shows */
#if PG_VERSION_NUM >= 180000
#define AK_MODULE_MAGIC(module) PG_MODULE_MAGIC_EXT(.name = module, .version = AK_VERSION)
#else
#define AK_MODULE_MAGIC(module) PG_MODULE_MAGIC
#endif

/* Marks a case that falls through to the next one, as in 19 */
#if PG_VERSION_NUM < 190000
#define pg_fallthrough __attribute__((fallthrough))
#endif

/* Before 15, Makefile.global defines it, but not for extensions */
#if PG_VERSION_NUM < 150000
#define DLSUFFIX ".so"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM >= 150000
#include "access/xlogrecovery.h"
#endif

/* In minor versions since November 2024; before, a parallel worker could lose such a setting (see ak_guc_init) */
#ifndef GUC_ALLOW_IN_PARALLEL
#error "this minor version of PostgreSQL is too old for apikeys"
#endif

/* Since 18, AFTER triggers run as the user who was current at their event; before, as the one when they fire */
#define AK_TRIGGERS_RUN_AS_CURRENT_USER (PG_VERSION_NUM < 180000)

/* Precedes a function's declaration, as in 18 */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* Since 19, must be called after the last change of a tuple descriptor's columns. */
static inline void
TupleDescFinalize_compat(TupleDesc desc)
{
#if PG_VERSION_NUM >= 190000
	TupleDescFinalize(desc);
#else
	(void) desc;
#endif
}

/* Pins a buffer if it still holds that block of the relation; returns true if it does. */
static inline bool
ReadRecentBuffer_compat(Relation rel, BlockNumber block, Buffer buffer)
{
#if PG_VERSION_NUM >= 160000
	return ReadRecentBuffer(rel->rd_locator, MAIN_FORKNUM, block, buffer);
#else
	return ReadRecentBuffer(rel->rd_node, MAIN_FORKNUM, block, buffer);
#endif
}

static inline IndexScanDesc
index_beginscan_compat(Relation heap, Relation index, Snapshot snapshot, int nkeys)
{
#if PG_VERSION_NUM >= 190000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0, 0);
#elif PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, nkeys, 0);
#else
	return index_beginscan(heap, index, snapshot, nkeys, 0);
#endif
}

static inline TableScanDesc
table_beginscan_compat(Relation rel, Snapshot snapshot)
{
#if PG_VERSION_NUM >= 190000
	return table_beginscan(rel, snapshot, 0, NULL, SO_NONE);
#else
	return table_beginscan(rel, snapshot, 0, NULL);
#endif
}

/* The search_path of RestrictSearchPath() */
#define AK_SAFE_PATH "pg_catalog, pg_temp"

/* Sets search_path until the end of the GUC nest level. */
static inline void
RestrictSearchPath_compat(void)
{
#if PG_VERSION_NUM >= 170000
	RestrictSearchPath();
#else
	(void) set_config_option("search_path", AK_SAFE_PATH, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
#endif
}

static inline void
MarkGUCPrefixReserved_compat(const char *prefix)
{
#if PG_VERSION_NUM >= 150000
	MarkGUCPrefixReserved(prefix);
#else
	EmitWarningsOnPlaceholders(prefix);
#endif
}

/*
 * LWLock tranches: since PostgreSQL 19, a tranche is created with its name, and
 * every backend knows it.
 */
static inline int
LWLockNewTrancheId_compat(const char *name)
{
#if PG_VERSION_NUM >= 190000
	return LWLockNewTrancheId(name);
#else
	(void) name;
	return LWLockNewTrancheId();
#endif
}

static inline void
LWLockRegisterTranche_compat(int tranche, const char *name)
{
#if PG_VERSION_NUM >= 190000
	(void) tranche;
	(void) name;
#else
	LWLockRegisterTranche(tranche, name);
#endif
}

/*
 * Called from _PG_init: installs request(), to be called when a preloaded
 * library may request shared memory and max_worker_processes is known.
 * request() first calls *previous, unless that is NULL.
 */
#if PG_VERSION_NUM < 150000
typedef void (*shmem_request_hook_type)(void);
#endif

static inline void
shmem_request_hook_compat(shmem_request_hook_type request, shmem_request_hook_type *previous)
{
#if PG_VERSION_NUM >= 150000
	*previous = shmem_request_hook;
	shmem_request_hook = request;
#else
	*previous = NULL;
	request();
#endif
}

/* Returns the normal form of a text, palloc'd; both are zero-terminated. */
static inline pg_wchar *
unicode_normalize_compat(UnicodeNormalizationForm form, const pg_wchar *text)
{
#if PG_VERSION_NUM >= 190000
	return (pg_wchar *) unicode_normalize(form, (const char32_t *) text);
#else
	return unicode_normalize(form, text);
#endif
}

/* Returns the timeline that WAL is written on, or on a standby the one that is replayed. */
static inline TimeLineID
current_timeline_compat(void)
{
	TimeLineID timeline;

	if (RecoveryInProgress())
	{
		(void) GetXLogReplayRecPtr(&timeline);
		return timeline;
	}
#if PG_VERSION_NUM >= 150000
	return GetWALInsertionTimeLine();
#else
	return ThisTimeLineID;
#endif
}

/*
 * Returns true if a role has the privileges of another by membership, or can SET ROLE
 * to it.  From 16 on, a membership may be for neither: who creates a role gets one that
 * is only for granting it.  To be a superuser is no membership.
 */
static inline bool
can_use_role_compat(Oid member, Oid role)
{
	if (!is_member_of_role_nosuper(member, role))
		return false;
#if PG_VERSION_NUM >= 160000
	return has_privs_of_role(member, role) || member_can_set_role(member, role);
#else
	return true;
#endif
}

/* Starts a set-returning function that fills rsinfo->setResult. */
static inline void
InitMaterializedSRF_compat(FunctionCallInfo fcinfo)
{
#if PG_VERSION_NUM >= 160000
	InitMaterializedSRF(fcinfo, 0);
#elif PG_VERSION_NUM >= 150000
	SetSingleFuncCall(fcinfo, 0);
#else
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;
	TupleDesc desc;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) || !(rsinfo->allowedModes & SFRM_Materialize))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("set-valued function called in context that cannot accept a set")));
	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setDesc = BlessTupleDesc(desc);
	rsinfo->setResult = tuplestore_begin_heap(true, false, work_mem);
	MemoryContextSwitchTo(old);
#endif
}

/* Makes one relation, open with RowExclusiveLock, the range table of an executor's state; "updated" as in 16. */
static inline void
ExecInitRangeTable_compat(EState *estate, Relation rel, Bitmapset *updated)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
#if PG_VERSION_NUM >= 160000
	List *permissions = NIL;
#endif

	rte->rtekind = RTE_RELATION;
	rte->relid = RelationGetRelid(rel);
	rte->relkind = rel->rd_rel->relkind;
	rte->rellockmode = RowExclusiveLock;
#if PG_VERSION_NUM >= 160000
	addRTEPermissionInfo(&permissions, rte)->updatedCols = updated;
#else
	rte->updatedCols = updated;
#endif
#if PG_VERSION_NUM >= 180000
	ExecInitRangeTable(estate, list_make1(rte), permissions, bms_make_singleton(1));
#elif PG_VERSION_NUM >= 160000
	ExecInitRangeTable(estate, list_make1(rte), permissions);
#else
	ExecInitRangeTable(estate, list_make1(rte));
#endif
}

#endif /* AK_COMPAT_H */
