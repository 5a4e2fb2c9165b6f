/*-------------------------------------------------------------------------
 *
 * current.c
 *	  The key that the current transaction acts for, set by authenticate().
 *
 * It is stored in a setting, apikeys.current_key, set as by SET LOCAL.  So it
 * ends with the transaction, rolling back to a savepoint restores the previous
 * key, and parallel workers inherit it.  The setting's check hook accepts a
 * value only from this file, or from the leader of a parallel worker.  It
 * rejects SET, SET LOCAL, set_config(), ALTER ROLE, start-up options, and the
 * value of a SET before the library was loaded.  RESET only clears the key.
 *
 * A statement that calls authenticate() must not see the previous key: it may
 * read a table before the call, and the table's policies would then show the
 * rows of the previous key.  So the previous key is cleared when the executor
 * starts such a statement: it then prepares the call, for which PostgreSQL
 * calls object_access_hook.  For other functions the hook does nothing unless
 * there is a current key; then it looks up the function's C symbol.  No plan is
 * inspected or changed, so this works for prepared statements and cached plans,
 * too.
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
static bool setting = false; /* true while this file sets it */
static object_access_hook_type previous_hook = NULL;

static void function_prepared(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg);

static bool
check_current_key(char **newval, void **extra, GucSource source)
{
	/* RESET is allowed: it only clears the key */
	if (setting || InitializingParallelWorker || (source == PGC_S_DEFAULT && (*newval)[0] == '\0'))
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
	DefineCustomStringVariable("apikeys.current_key", "The key that the current transaction acts for.",
							   "authenticate() sets it; nobody else can.", &current_key, "", PGC_USERSET,
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
		(void) set_config_option("apikeys.current_key", value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
	}
	PG_FINALLY();
	{
		setting = false;
	}
	PG_END_TRY();
}

/*
 * Makes a key the current key of this transaction: its uuid, its workspace
 * (text) and its APIs (text[]).
 */
void
ak_set_current_key(Datum key_id, Datum workspace, Datum apis)
{
	StringInfoData value;
	Datum *elements;
	int count;

	initStringInfo(&value);
	appendStringInfo(&value, "%s%c%s", DatumGetCString(DirectFunctionCall1(uuid_out, key_id)), SEPARATOR,
					 TextDatumGetCString(workspace));
	deconstruct_array(DatumGetArrayTypeP(apis), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	for (int i = 0; i < count; i++)
		appendStringInfo(&value, "%c%s", SEPARATOR, TextDatumGetCString(elements[i]));
	set_current_key(value.data);
	pfree(value.data);
}

/* Clears the current key of this transaction. */
void
ak_clear_current_key(void)
{
	if (current_key != NULL && current_key[0] != '\0')
		set_current_key("");
}

/* Returns true for authenticate().  Only superusers can create C functions, so the symbol is enough. */
static bool
is_authenticate(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool result = false;

	if (HeapTupleIsValid(tuple))
	{
		if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId)
		{
			bool isnull;
			Datum symbol = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);

			result = !isnull && strcmp(TextDatumGetCString(symbol), "ak_authenticate") == 0;
		}
		ReleaseSysCache(tuple);
	}
	return result;
}

/* Called when the executor prepares a function call: clears the previous key before authenticate(). */
static void
function_prepared(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (previous_hook)
		previous_hook(access, class_id, object_id, sub_id, arg);
	if (access == OAT_FUNCTION_EXECUTE && current_key != NULL && current_key[0] != '\0' && is_authenticate(object_id))
		ak_clear_current_key();
}

/* Returns the n-th part of the setting, not NUL-terminated, or NULL. */
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
	*len = strcspn(start, (const char[]){SEPARATOR, '\0'});
	return start;
}

/* current_key() -> uuid; NULL without a key. */
Datum
ak_current_key(PG_FUNCTION_ARGS)
{
	size_t len;
	const char *key_id = part(0, &len);

	if (key_id == NULL)
		PG_RETURN_NULL();
	return DirectFunctionCall1(uuid_in, CStringGetDatum(pnstrdup(key_id, len)));
}

/* current_workspace() -> text; NULL without a key. */
Datum
ak_current_workspace(PG_FUNCTION_ARGS)
{
	size_t len;
	const char *workspace = part(1, &len);

	if (workspace == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(workspace, len));
}

/* current_key_allows(api text) -> boolean; false without a key, or for NULL. */
Datum
ak_current_key_allows(PG_FUNCTION_ARGS)
{
	text *api;
	const char *listed;
	size_t len;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	api = PG_GETARG_TEXT_PP(0);
	for (int n = 2; (listed = part(n, &len)) != NULL; n++)
		if (len == VARSIZE_ANY_EXHDR(api) && memcmp(listed, VARDATA_ANY(api), len) == 0)
			PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(false);
}
