/*-------------------------------------------------------------------------
 *
 * subject.c
 *	  What an entry tells of, as data: its subject.
 *
 * The subject of an entry about a row is a JSON object with the columns that
 * identify the row, as {"key_id": "..."}.  Two rows of a table never have the
 * same, at any time, and a row keeps its own for life: so what the last entry
 * of an entity and a subject says must be true of the row.  An access has its
 * grant_id for that, beside what people want to read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "audit/subject.h"

typedef struct AkSubjectColumn
{
	const char *name;
	AttrNumber column;
	Oid type;
} AkSubjectColumn;

static const struct
{
	AkRelation table;
	AkSubjectColumn columns[4];
} subjects[] = {
	{AK_KEY, {{"key_id", Anum_key_key_id, UUIDOID}}},
	{AK_WORKSPACE, {{"workspace", Anum_workspace_workspace, TEXTOID}}},
	{AK_API, {{"api", Anum_api_api, TEXTOID}}},
	{AK_TEAM_MEMBER, {{"actor", Anum_team_member_actor, TEXTOID}, {"workspace", Anum_team_member_workspace, TEXTOID}}},
	{AK_ACCESS,
	 {{"role", Anum_access_role, NAMEOID},
	  {"capability", Anum_access_capability, TEXTOID},
	  {"workspace", Anum_access_workspace, TEXTOID},
	  {"grant_id", Anum_access_grant_id, UUIDOID}}},
};

static const char *
column_text(Oid type, Datum value)
{
	switch (type)
	{
		case UUIDOID:
			return DatumGetCString(DirectFunctionCall1(uuid_out, value));
		case NAMEOID:
			return NameStr(*DatumGetName(value));
		default:
			return TextDatumGetCString(value);
	}
}

/* Returns the subject of the entries about a row of an audited table, as JSON. */
char *
ak_row_subject(AkRelation table, const Datum *values, const bool *nulls)
{
	const AkSubjectColumn *columns = NULL;
	StringInfoData json;

	for (int i = 0; i < (int) lengthof(subjects); i++)
		if (subjects[i].table == table)
			columns = subjects[i].columns;
	Assert(columns != NULL);

	initStringInfo(&json);
	for (int i = 0; i < (int) lengthof(subjects[0].columns) && columns[i].name != NULL; i++)
	{
		int offset = AttrNumberGetAttrOffset(columns[i].column);

		appendStringInfo(&json, "%s\"%s\": ", i == 0 ? "{" : ", ", columns[i].name);
		if (nulls[offset])
			appendStringInfoString(&json, "null");
		else
			escape_json(&json, column_text(columns[i].type, values[offset]));
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}
