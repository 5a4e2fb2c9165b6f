/*-------------------------------------------------------------------------
 *
 * columns.c
 *	  The columns of our tables that are ours.
 *
 * Users may add columns to our tables, and a later version of ours may add some
 * behind them: where CREATE EXTENSION puts them one after the other, ALTER
 * EXTENSION UPDATE cannot.  So our columns are found by their names, and a row
 * is read in the order of the lists below, which is that of its digest as well
 * (audit/row_digest.c), whatever the order in the table.
 *
 * Those of version 1.0 are always the first of the table.  Code may read them
 * there (catalog.h), as the look-up of a key does: finding them costs a request
 * nothing.  A column that is added comes last in its list, and "placed" stays.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "core/catalog.h"
#include "core/columns.h"
#include "core/compat.h"
#include "core/errors.h"

/* Our columns of a table */
typedef struct AkColumnList
{
	int natts;
	AttrNumber placed; /* the last one of version 1.0: up to it, each has its number in every database */
	AttrNumber digest; /* the one with the row's digest; 0: none */
	const char *names; /* as the Anum_ enum numbers them */
} AkColumnList;

#define SEALED(table, last)   _Anum_##table##_max - 1, Anum_##table##_##last, Anum_##table##_##last
#define UNSEALED(table, last) _Anum_##table##_max - 1, Anum_##table##_##last, 0

static const AkColumnList lists[AK_TABLE_COUNT] = {
	[AK_WORKSPACE] =
		{SEALED(workspace, row_digest),
		 "workspace name prefix archive_limit key_limit default_lifetime max_lifetime rate_limit rate_window leak_action "
		 "former_prefixes created_at created_by updated_at updated_by audit_id row_digest"},
	[AK_API] = {SEALED(api, row_digest),
				"api description ordinal created_at created_by unregistered_at unregistered_by audit_id "
				"row_digest"},
	[AK_KEY] =
		{SEALED(key, row_digest),
		 "key_id audit_id key_hash workspace name apis team expires_at archived_at disabled_at old_key_hash "
		 "old_valid_until allowed_cidrs rate_limit rate_window quota quota_period owner metadata hint name_folded "
		 "created_at created_by updated_at updated_by regenerated_at regenerated_by disabled_by archived_by row_digest"},
	[AK_TEAM_MEMBER] = {SEALED(team_member, row_digest), "workspace actor team audit_id row_digest"},
	[AK_ACCESS] = {SEALED(access, row_digest), "role capability workspace grant_id audit_id row_digest"},
	[AK_AUDIT_LOG] =
		{SEALED(audit_log, digest),
		 "audit_id time workspace team entity action activity actor ip subject key_id key_name changes db_user "
		 "row_digest digest"},
	[AK_AUDIT_TREE] = {UNSEALED(audit_tree, hashes), "workspace position audit_id sequence level hashes"},
	[AK_AUDIT_SIZE] = {UNSEALED(audit_size, logged_at), "workspace size logged_at"},
	[AK_AUDIT_PENDING] = {UNSEALED(audit_pending, audit_id), "audit_id"},
	[AK_REPORT] = {UNSEALED(report, origin),
				   "report_id workspace scope recipient filters entries size encrypted asked_at asked_by state "
				   "queued_at attempts next_attempt_at finished_at last_error id_domain content origin"},
	[AK_LOCK_SALT] = {UNSEALED(lock_salt, salt), "salt"},
	[AK_ACCESS_ROLE] = {UNSEALED(access_role, roleid), "grant_id roleid"},
};

static AkColumns known_columns[AK_TABLE_COUNT];

/*
 * Returns the number of a column in a table by its name, which has that length,
 * if it is one of "first" to "last"; else 0.
 */
static AttrNumber
find_column(TupleDesc desc, AttrNumber first, AttrNumber last, const char *name, int len)
{
	for (AttrNumber attnum = first; attnum <= last; attnum++)
	{
		/* a dropped column has another name */
		const char *found = NameStr(TupleDescAttr(desc, attnum - 1)->attname);

		if (strlen(found) == len && strncmp(found, name, len) == 0)
			return attnum;
	}
	return 0;
}

/*
 * Finds our columns in a table; for catalog.c, which knows when.  Raises 55000
 * if one is missing, or if one of version 1.0 is not in its place.
 */
void
ak_find_columns(Relation rel, AkRelation which)
{
	const AkColumnList *known = &lists[which];
	AkColumns *columns = &known_columns[which];
	TupleDesc stored = RelationGetDescr(rel);
	const char *name = known->names;
	TupleDesc desc;
	MemoryContext old;

	Assert(known->natts <= AK_NATTS_MAX);
	if (stored->natts < known->natts)
		ak_wrong_version("table", ak_relation_name(which));
	columns->table = which;
	columns->natts = known->natts;
	columns->digest = known->digest;
	columns->in_place = true;
	for (int i = 0; i < known->natts; i++)
	{
		int len = strcspn(name, " ");
		bool placed = i < known->placed;
		AttrNumber attnum = placed ? find_column(stored, i + 1, i + 1, name, len)
								   : find_column(stored, known->placed + 1, stored->natts, name, len);

		if (placed && TupleDescAttr(stored, i)->attisdropped)
			ak_wrong_state(errmsg("column \"%.*s\" of table \"%s\" was dropped", len, name, ak_relation_name(which)),
						   errdetail("Nothing works without it."),
						   errhint("It cannot be added again. Restore the database from a backup."));
		if (attnum == 0)
			ak_wrong_state(errmsg("table \"%s\" has no column \"%.*s\"", ak_relation_name(which), len, name),
						   errdetail("It was renamed or dropped, and nothing works without it."),
						   errhint("Rename it back, or restore the database from a backup."));
		columns->attnums[i] = attnum;
		columns->in_place &= attnum == i + 1;
		name += len;
		/* the list is as long as the enum */
		Assert((*name == '\0') == (i + 1 == known->natts));
		name++;
	}

	old = MemoryContextSwitchTo(TopMemoryContext);
	desc = CreateTemplateTupleDesc(known->natts);
	for (int i = 0; i < known->natts; i++)
		TupleDescCopyEntry(desc, i + 1, stored, columns->attnums[i]);
	TupleDescFinalize_compat(desc);
	MemoryContextSwitchTo(old);
	/* one that is replaced, which is rare, is not freed: a row that is being worked on may have it */
	if (columns->desc != NULL && equalTupleDescs(columns->desc, desc))
		FreeTupleDesc(desc);
	else
		columns->desc = desc;
}

/* Returns our columns of a table that ak_table_open() has opened. */
const AkColumns *
ak_columns(AkRelation which)
{
	Assert(known_columns[which].desc != NULL);
	return &known_columns[which];
}

/* The same for a relation that is one of our tables, opened by anybody.  Raises 55000 if one is missing. */
const AkColumns *
ak_columns_of(Relation rel)
{
	return ak_columns(ak_table_of(rel));
}

/* Picks our columns, in our order, from the values of all columns of a row. */
static inline void
pick_columns(const AkColumns *columns, const Datum *all_values, const bool *all_nulls, Datum *values, bool *nulls)
{
	if (likely(columns->in_place))
	{
		memcpy(values, all_values, columns->natts * sizeof(Datum));
		memcpy(nulls, all_nulls, columns->natts * sizeof(bool));
		return;
	}
	for (int i = 0; i < columns->natts; i++)
	{
		int offset = AttrNumberGetAttrOffset(columns->attnums[i]);

		values[i] = all_values[offset];
		nulls[i] = all_nulls[offset];
	}
}

/* Reads our columns of a tuple, whose descriptor is that of the table. */
void
ak_deform(HeapTuple tuple, TupleDesc desc, const AkColumns *columns, Datum *values, bool *nulls)
{
	Datum *all_values;
	bool *all_nulls;

	if (likely(desc->natts == columns->natts && columns->in_place))
	{
		heap_deform_tuple(tuple, desc, values, nulls);
		return;
	}
	all_values = palloc(desc->natts * sizeof(Datum));
	all_nulls = palloc(desc->natts * sizeof(bool));
	heap_deform_tuple(tuple, desc, all_values, all_nulls);
	pick_columns(columns, all_values, all_nulls, values, nulls);
	pfree(all_values);
	pfree(all_nulls);
}

/* Reads our columns of the row in a slot of the table. */
void
ak_slot_read(TupleTableSlot *slot, const AkColumns *columns, Datum *values, bool *nulls)
{
	slot_getallattrs(slot);
	pick_columns(columns, slot->tts_values, slot->tts_isnull, values, nulls);
}
