/*-------------------------------------------------------------------------
 *
 * current.c
 *	  The key that the current transaction acts for, set by authenticate().
 *
 * It is stored in a setting, apikeys.current_key, as by SET LOCAL.  So it ends with
 * the transaction, rolling back to a savepoint restores the previous key, and
 * parallel workers inherit it.  The setting's check hook accepts a value only from
 * this file, and from the leader of a parallel worker.  It rejects SET, SET LOCAL,
 * set_config(), ALTER ROLE, start-up options, and the value of a SET before the
 * library was loaded.  RESET only clears the key.
 *
 * A statement that calls authenticate() or require_key() must not see the previous
 * key: it may read a table before the call, and the table's policies would then
 * show the rows of the previous key.  So that key is cleared when the executor
 * starts such a statement: it prepares the call then, for which PostgreSQL calls
 * object_access_hook.  Without a current key, the hook does nothing; with one, it
 * looks up the C symbol of each function.  No plan is inspected or changed, so
 * prepared statements and cached plans are covered.
 *
 * The value is a list of parts: key_id, workspace, owner, metadata and the APIs.
 * Each begins with its length, since an owner can contain any character; a part
 * that is NULL has the length -1.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "core/arrays.h"
#include "core/compat.h"
#include "validate/current.h"

PG_FUNCTION_INFO_V1(ak_current_key);
PG_FUNCTION_INFO_V1(ak_current_workspace);
PG_FUNCTION_INFO_V1(ak_current_owner);
PG_FUNCTION_INFO_V1(ak_current_key_metadata);
PG_FUNCTION_INFO_V1(ak_current_key_allows);

/* The parts of the setting; the APIs follow */
enum
{
	PART_KEY_ID,
	PART_WORKSPACE,
	PART_OWNER,
	PART_METADATA,
	PART_APIS
};

static char *current_key = NULL;
static bool is_setting = false; /* true while this file sets it */
static object_access_hook_type previous_hook = NULL;

static void function_prepared(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg);

static bool
check_current_key(char **newval, void **extra, GucSource source)
{
	/* RESET is allowed: it only clears the key */
	if (is_setting || InitializingParallelWorker || (source == PGC_S_DEFAULT && (*newval)[0] == '\0'))
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
	is_setting = true;
	PG_TRY();
	{
		(void) set_config_option("apikeys.current_key", value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
	}
	PG_FINALLY();
	{
		is_setting = false;
	}
	PG_END_TRY();
}

/* Adds a part to the setting's value; NULL is none. */
static void
add_part(StringInfo value, const char *part)
{
	if (part == NULL)
		appendStringInfoString(value, "-1:");
	else
		appendStringInfo(value, "%d:%s", (int) strlen(part), part);
}

static void
add_text(StringInfo value, const AkLookup *found, int column)
{
	add_part(value, AK_FOUND_NULL(found, column) ? NULL : TextDatumGetCString(AK_FOUND(found, column)));
}

/* Makes the key that was found the current key of this transaction.  Raises nothing but for want of memory. */
void
ak_set_current_key(const AkLookup *found)
{
	StringInfoData value;
	Datum *elements;
	int count;

	initStringInfo(&value);
	add_part(&value, DatumGetCString(DirectFunctionCall1(uuid_out, AK_FOUND(found, Anum_key_key_id))));
	add_text(&value, found, Anum_key_workspace);
	add_text(&value, found, Anum_key_owner);
	add_part(&value, AK_FOUND_NULL(found, Anum_key_metadata)
						 ? NULL
						 : DatumGetCString(DirectFunctionCall1(jsonb_out, AK_FOUND(found, Anum_key_metadata))));
	elements = ak_text_elements(AK_FOUND(found, Anum_key_apis), &count);
	for (int i = 0; i < count; i++)
		add_part(&value, TextDatumGetCString(elements[i]));
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

/* Returns true for a function that sets the key.  Its C symbol is enough: only superusers can create C functions. */
static bool
sets_key(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool result = false;

	if (HeapTupleIsValid(tuple))
	{
		if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId)
		{
			bool isnull;
			Datum symbol = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);

			if (!isnull)
			{
				char *name = TextDatumGetCString(symbol);

				result = strcmp(name, "ak_authenticate") == 0 || strcmp(name, "ak_require_key") == 0;
			}
		}
		ReleaseSysCache(tuple);
	}
	return result;
}

/* Called when the executor prepares a function call: clears the previous key before one that sets it. */
static void
function_prepared(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (previous_hook)
		previous_hook(access, class_id, object_id, sub_id, arg);
	if (access == OAT_FUNCTION_EXECUTE && current_key != NULL && current_key[0] != '\0' && sets_key(object_id))
		ak_clear_current_key();
}

/* Reads the part of the setting at *at, NULL for NULL, and moves *at to the next.  Returns false at the end. */
static bool
next_part(const char **at, const char **part, int *len)
{
	char *colon;

	if (*at == NULL || **at == '\0')
		return false;
	*len = (int) strtol(*at, &colon, 10);
	*part = *len < 0 ? NULL : colon + 1;
	*at = colon + 1 + Max(*len, 0);
	return true;
}

/* Returns the n-th part of the setting, not NUL-terminated, or NULL. */
static const char *
part_at(int n, int *len)
{
	const char *at = current_key;
	const char *part = NULL;

	while (next_part(&at, &part, len) && n-- > 0)
		part = NULL;
	return part;
}

static Datum
text_part(FunctionCallInfo fcinfo, int n)
{
	int len;
	const char *value = part_at(n, &len);

	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(value, len));
}

/* current_key() -> uuid; NULL without a key. */
Datum
ak_current_key(PG_FUNCTION_ARGS)
{
	int len;
	const char *key_id = part_at(PART_KEY_ID, &len);

	if (key_id == NULL)
		PG_RETURN_NULL();
	return DirectFunctionCall1(uuid_in, CStringGetDatum(pnstrdup(key_id, len)));
}

/* current_workspace() -> text; NULL without a key. */
Datum
ak_current_workspace(PG_FUNCTION_ARGS)
{
	return text_part(fcinfo, PART_WORKSPACE);
}

/* current_owner() -> text; NULL without a key, or if the key has no owner. */
Datum
ak_current_owner(PG_FUNCTION_ARGS)
{
	return text_part(fcinfo, PART_OWNER);
}

/* current_key_metadata() -> jsonb; NULL without a key, or if the key has no metadata. */
Datum
ak_current_key_metadata(PG_FUNCTION_ARGS)
{
	int len;
	const char *metadata = part_at(PART_METADATA, &len);

	if (metadata == NULL)
		PG_RETURN_NULL();
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(metadata, len)));
}

/* current_key_allows(api text) -> boolean; false without a key, or for NULL. */
Datum
ak_current_key_allows(PG_FUNCTION_ARGS)
{
	const char *at = current_key;
	const char *listed;
	text *api;
	int len;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	api = PG_GETARG_TEXT_PP(0);
	for (int n = 0; next_part(&at, &listed, &len); n++)
		if (n >= PART_APIS && len == (int) VARSIZE_ANY_EXHDR(api) && memcmp(listed, VARDATA_ANY(api), len) == 0)
			PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(false);
}
