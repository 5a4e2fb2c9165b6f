/*-------------------------------------------------------------------------
 *
 * current.c
 *	  The key that the current transaction acts for, as authenticate() set it.
 *
 * It lives in a setting, apikeys.current_key, set as by SET LOCAL: so it ends
 * with the transaction, a rolled back savepoint brings the one before it back,
 * and parallel workers inherit it.  The setting's check hook takes no value
 * but from here (and from the leader of a parallel worker), whoever tries: SET,
 * SET LOCAL, set_config(), ALTER ROLE, start-up options, or a SET before the
 * library is loaded, whose value is thrown away when it is.  RESET forgets the key, no more.
 *
 * In a statement that calls authenticate(), nothing sees the key of before: a
 * table that is read beside the call may be read before it, and its policies
 * would have let the statement see what belongs to another.  So the key of
 * before is forgotten when the executor starts on such a statement, which is
 * when it prepares the call: PostgreSQL tells that to object_access_hook.  For
 * any other function that costs, and does, nothing as long as there is no
 * current key; then, a look at its name.  No plan is looked at or changed, so
 * that it holds for prepared statements and kept plans, too.
 *
 * The value is key_id, workspace and the APIs, separated by U+001F, which none
 * of them can contain.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

#include "core/compat.h"
#include "validate/current.h"

PG_FUNCTION_INFO_V1(ak_current_key);
PG_FUNCTION_INFO_V1(ak_current_workspace);
PG_FUNCTION_INFO_V1(ak_current_key_allows);

#define SEPARATOR '\x1f'

static char *current_key = NULL;
static bool setting = false;	/* while we set it */
static object_access_hook_type previous_hook = NULL;

static void function_prepared(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg);

static bool
check_current_key(char **newval, void **extra, GucSource source)
{
	/* to forget the key is no forgery */
	if (setting || InitializingParallelWorker ||
		(source == PGC_S_DEFAULT && (*newval)[0] == '\0'))
		return true;
	GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
	GUC_check_errmsg("parameter \"apikeys.current_key\" cannot be set");
	GUC_check_errhint("apikeys.authenticate() sets it.");
	return false;
}

/* Called once, from _PG_init, before the settings' prefix is reserved. */
void
ak_current_init(void)
{
	DefineCustomStringVariable("apikeys.current_key",
							   "The key that the current transaction acts for.",
							   "authenticate() sets it; nobody else can.",
							   &current_key, "", PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NO_RESET_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   check_current_key, NULL, NULL);
	previous_hook = object_access_hook;
	object_access_hook = function_prepared;
}

static void
set_current_key(const char *value)
{
	setting = true;
	PG_TRY();
	{
		(void) set_config_option("apikeys.current_key", value, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	}
	PG_FINALLY();
	{
		setting = false;
	}
	PG_END_TRY();
}

/*
 * Makes a key the one that this transaction acts for: its uuid, its workspace
 * (text) and its APIs (text[]).
 */
void
ak_set_current_key(Datum key_id, Datum workspace, Datum apis)
{
	StringInfoData value;
	Datum	   *elements;
	int			count;

	initStringInfo(&value);
	appendStringInfo(&value, "%s%c%s",
					 DatumGetCString(DirectFunctionCall1(uuid_out, key_id)),
					 SEPARATOR, TextDatumGetCString(workspace));
	deconstruct_array(DatumGetArrayTypeP(apis), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	for (int i = 0; i < count; i++)
		appendStringInfo(&value, "%c%s", SEPARATOR, TextDatumGetCString(elements[i]));
	set_current_key(value.data);
	pfree(value.data);
}

/* From here on, this transaction acts for no key. */
void
ak_clear_current_key(void)
{
	if (current_key != NULL && current_key[0] != '\0')
		set_current_key("");
}

/* Is this authenticate()?  Functions in C are made by superusers alone. */
static bool
is_authenticate(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId)
		{
			bool		isnull;
			Datum		symbol = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);

			result = !isnull && strcmp(TextDatumGetCString(symbol), "ak_authenticate") == 0;
		}
		ReleaseSysCache(tuple);
	}
	return result;
}

/* The executor prepares a call, at the start of a statement: the key of before ends with authenticate(). */
static void
function_prepared(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (previous_hook)
		previous_hook(access, class_id, object_id, sub_id, arg);
	if (access == OAT_FUNCTION_EXECUTE && current_key != NULL && current_key[0] != '\0' &&
		is_authenticate(object_id))
		ak_clear_current_key();
}

/* The n-th part of the setting, not NUL-terminated; NULL if there is none. */
static const char *
part(int n, size_t *len)
{
	const char *start = current_key;

	if (start == NULL || start[0] == '\0')
		return NULL;
	for (; n > 0; n--)
	{
		start = strchr(start, SEPARATOR);
		if (start == NULL)
			return NULL;
		start++;
	}
	*len = strcspn(start, (const char[]) {SEPARATOR, '\0'});
	return start;
}

/* current_key() -> uuid; NULL without a key. */
Datum
ak_current_key(PG_FUNCTION_ARGS)
{
	size_t		len;
	const char *key_id = part(0, &len);

	if (key_id == NULL)
		PG_RETURN_NULL();
	return DirectFunctionCall1(uuid_in, CStringGetDatum(pnstrdup(key_id, len)));
}

/* current_workspace() -> text; NULL without a key. */
Datum
ak_current_workspace(PG_FUNCTION_ARGS)
{
	size_t		len;
	const char *workspace = part(1, &len);

	if (workspace == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(workspace, len));
}

/* current_key_allows(api text) -> boolean; false without a key, or for NULL. */
Datum
ak_current_key_allows(PG_FUNCTION_ARGS)
{
	text	   *api;
	const char *listed;
	size_t		len;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	api = PG_GETARG_TEXT_PP(0);
	for (int n = 2; (listed = part(n, &len)) != NULL; n++)
		if (len == VARSIZE_ANY_EXHDR(api) && memcmp(listed, VARDATA_ANY(api), len) == 0)
			PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(false);
}
