/*-------------------------------------------------------------------------
 *
 * access.c
 *	  Check what the current role may do, and list the workspaces that it may see.
 *
 * What a role may do is in scope.c.  Here it is bounded to the setting
 * apikeys.workspace, refused with an error, or listed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "access/access.h"
#include "access/context.h"
#include "core/arrays.h"
#include "core/catalog.h"
#include "core/errors.h"

#define WORKSPACES_LISTED 10 /* in a hint */

PG_FUNCTION_INFO_V1(ak_visible_workspaces_sql);
PG_FUNCTION_INFO_V1(ak_sees_everywhere_sql);
PG_FUNCTION_INFO_V1(ak_only_workspace);
PG_FUNCTION_INFO_V1(ak_several_workspaces);

/* Returns true if the current role has the capability in that workspace (NULL: in all), within apikeys.workspace. */
bool
ak_sees(AkCapability capability, const char *workspace)
{
	const char *bound = ak_bound_workspace();

	if (bound != NULL && (workspace == NULL || strcmp(bound, workspace) != 0))
		return false;
	return ak_may(capability, workspace);
}

/* Returns the hint of how the current role can get the access that was refused. */
static const char *
access_hint(void)
{
	return ak_awaits_regrant() ? "What was granted before a restore holds again when apikeys.regrant_access() says so."
							   : "apikeys.grant_access() gives it.";
}

/* Raises 42501 unless the current role has the capability in that workspace (NULL: in all). */
void
ak_require(AkCapability capability, const char *workspace)
{
	if (ak_may(capability, workspace))
		return;
	if (workspace != NULL)
		ak_denied(errmsg("permission denied for workspace \"%s\"", ak_quoted(workspace)),
				  errdetail("The capability \"%s\" is needed.", ak_capability_name(capability)),
				  errhint("%s", access_hint()));
	ak_denied(errmsg("permission denied for all workspaces"),
			  errdetail("The capability \"%s\" is needed, without a workspace.", ak_capability_name(capability)),
			  errhint("%s", access_hint()));
}

/* Returns the first of the workspaces in which the current role has any capability, for a hint. */
static char *
some_workspaces(void)
{
	StringInfoData list;
	int count;
	Datum *elements = ak_text_elements(ak_visible_workspaces(AK_ANY), &count);
	int listed = 0;

	initStringInfo(&list);
	for (int i = 0; i < count && listed <= WORKSPACES_LISTED; i++)
	{
		char *name = TextDatumGetCString(elements[i]);

		/* '' stands for rows without a workspace */
		if (name[0] == '\0')
			continue;
		if (listed++ > 0)
			appendStringInfoString(&list, ", ");
		appendStringInfoString(&list, listed > WORKSPACES_LISTED ? "..." : name);
	}
	return list.data;
}

/*
 * The same for an argument that names a workspace: raises 42704 if the workspace does
 * not exist or the current role has no capability in it, 42501 if it lacks this one.
 */
void
ak_require_workspace(AkCapability capability, const char *workspace)
{
	AkWorkspace settings;

	ak_require_workspace_settings(capability, workspace, &settings);
}

/* The same, and returns the workspace's settings. */
void
ak_require_workspace_settings(AkCapability capability, const char *workspace, AkWorkspace *settings)
{
	if (!ak_may_something(workspace) || !ak_workspace_settings(workspace, settings))
	{
		char *there_are = ak_bound_workspace() ? NULL : some_workspaces();

		ak_not_found(errmsg("workspace \"%s\" does not exist", ak_quoted(workspace)),
					 there_are == NULL      ? errhint("The setting apikeys.workspace names it.")
					 : there_are[0] != '\0' ? errhint("Workspaces that you may use: %s.", there_are)
											: errhint("apikeys.grant_access() lets you use one."));
	}
	ak_require(capability, workspace);
}

/* Raises 42501 unless the current role has the capability in at least one workspace. */
void
ak_require_anywhere(AkCapability capability)
{
	if (!ak_may_anywhere(capability))
		ak_denied(errmsg("permission denied in every workspace"),
				  errdetail("The capability \"%s\" is needed.", ak_capability_name(capability)),
				  errhint("%s", access_hint()));
}

/* Returns the capability that an argument names.  Raises 22023 for an unknown name. */
static AkCapability
capability_argument(const text *argument)
{
	char *name = text_to_cstring(argument);

	for (int i = 0; i < AK_CAPABILITY_COUNT; i++)
		if (strcmp(ak_capability_name(1 << i), name) == 0)
			return 1 << i;
	ak_bad_argument("capability", errmsg("unknown capability \"%s\"", ak_quoted(name)));
}

/* Returns true if the current role has the capability in all workspaces, and apikeys.workspace is not set. */
bool
ak_sees_everywhere(AkCapability capability)
{
	return ak_bound_workspace() == NULL && ak_may(capability, NULL);
}

/*
 * Returns the workspaces, as a list of text, in which the current role has the
 * capability, within apikeys.workspace; NIL if ak_sees_everywhere().
 */
static List *
visible_list(AkCapability capability)
{
	const char *bound = ak_bound_workspace();

	if (bound != NULL)
		return ak_may(capability, bound) ? list_make1(cstring_to_text(bound)) : NIL;
	return ak_may(capability, NULL) ? NIL : ak_single_workspaces(capability);
}

/*
 * Returns the workspace in which a function creates something: its argument, or if
 * that is NULL, that of the setting; without the setting, the only one in which the
 * current role has the capability; else "default".  Raises 42501 if argument and
 * setting differ.
 */
char *
ak_target_workspace(AkCapability capability, const char *workspace)
{
	List *found;

	ak_check_workspace_argument(workspace);
	if (workspace != NULL)
		return pstrdup(workspace);
	if (ak_bound_workspace() != NULL)
		return pstrdup(ak_bound_workspace());
	found = visible_list(capability);
	return list_length(found) == 1 ? text_to_cstring(linitial(found)) : pstrdup("default");
}

static int
text_order(const ListCell *a, const ListCell *b)
{
	const text *x = lfirst(a);
	const text *y = lfirst(b);
	int order = memcmp(VARDATA_ANY(x), VARDATA_ANY(y), Min(VARSIZE_ANY_EXHDR(x), VARSIZE_ANY_EXHDR(y)));

	return order != 0 ? order : (int) VARSIZE_ANY_EXHDR(x) - (int) VARSIZE_ANY_EXHDR(y);
}

/* Returns texts as a sorted text[]. */
static Datum
sorted_array(List *texts)
{
	Datum *elements = palloc(Max(1, list_length(texts)) * sizeof(Datum));
	int count = 0;
	ListCell *cell;

	list_sort(texts, text_order);
	foreach(cell, texts)
		elements[count++] = PointerGetDatum(lfirst(cell));
	return ak_array(elements, count, TEXTOID);
}

/*
 * Returns the workspaces, a text[], in which the current role has a capability,
 * within apikeys.workspace; '' stands for rows without a workspace.  As of the
 * latest commit.
 */
Datum
ak_visible_workspaces(AkCapability capability)
{
	List *found = visible_list(capability);

	if (ak_sees_everywhere(capability))
	{
		Relation rel = ak_table_open(AK_WORKSPACE, AccessShareLock);
		SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
		HeapTuple tuple;
		bool isnull;

		found = list_make1(cstring_to_text(""));
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
			found = lappend(found, DatumGetTextPCopy(
									   heap_getattr(tuple, Anum_workspace_workspace, RelationGetDescr(rel), &isnull)));
		systable_endscan(scan);
		table_close(rel, AccessShareLock);
	}
	return sorted_array(found);
}

/* visible_workspaces(capability text) -> text[].  22023 for an unknown capability. */
Datum
ak_visible_workspaces_sql(PG_FUNCTION_ARGS)
{
	return ak_visible_workspaces(capability_argument(PG_GETARG_TEXT_PP(0)));
}

/*
 * For the views.  Each view has three arms, of which at most one returns rows,
 * so that each arm is planned for its case: all workspaces, in the order of an
 * index; one workspace, with its own statistics, again in the order of an
 * index; or several workspaces.
 *
 * sees_everywhere(capability text) -> boolean
 * only_workspace(capability text) -> text, NULL unless there is just one
 * several_workspaces(capability text) -> text[], NULL unless there are several
 *
 * As of the latest commit, within apikeys.workspace.  22023 for an unknown
 * capability.
 */
Datum
ak_sees_everywhere_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ak_sees_everywhere(capability_argument(PG_GETARG_TEXT_PP(0))));
}

Datum
ak_only_workspace(PG_FUNCTION_ARGS)
{
	List *found = visible_list(capability_argument(PG_GETARG_TEXT_PP(0)));

	if (list_length(found) != 1)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(linitial(found));
}

Datum
ak_several_workspaces(PG_FUNCTION_ARGS)
{
	List *found = visible_list(capability_argument(PG_GETARG_TEXT_PP(0)));

	if (list_length(found) < 2)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(sorted_array(found));
}
