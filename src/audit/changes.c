/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  The old and new values of a change as JSON, and the way back.
 *
 * An entry's "changes" has a member for each column that changed: {"name":
 * {"old": ..., "new": ...}}, and others that are told apart by not having these
 * two members.  Of a large JSON object only the members that differ are
 * recorded, recursively, on both sides.  So from the value after a change
 * follows the one before it, and the other way round: ak_apply_change().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"

#include "audit/changes.h"
#include "audit/row_digest.h"
#include "core/compat.h"

/* Of a JSON object above this number of bytes, only the members that changed are recorded */
#define LARGE_OBJECT 2048

/* Appends a value as JSON, free of DateStyle, TimeZone and the like. */
static void
append_json(StringInfo json, Oid type, Datum value)
{
	switch (type)
	{
		case INT4OID:
			appendStringInfo(json, "%d", DatumGetInt32(value));
			break;
		case INT8OID:
			appendStringInfo(json, INT64_FORMAT, DatumGetInt64(value));
			break;
		case TEXTOID:
			escape_json(json, TextDatumGetCString(value));
			break;
		case NAMEOID:
			escape_json(json, NameStr(*DatumGetName(value)));
			break;
		case UUIDOID:
			escape_json(json, DatumGetCString(DirectFunctionCall1(uuid_out, value)));
			break;
		case TIMESTAMPTZOID:
		{
			char buf[MAXDATELEN + 1];
			int utc = 0;

			JsonEncodeDateTime(buf, value, TIMESTAMPTZOID, &utc);
			escape_json(json, buf);
			break;
		}
		case INTERVALOID:
		{
			int style = IntervalStyle;
			char *written;

			IntervalStyle = INTSTYLE_POSTGRES;
			written = DatumGetCString(DirectFunctionCall1(interval_out, value));
			IntervalStyle = style;
			escape_json(json, written);
			break;
		}
		case JSONBOID:
		{
			Jsonb *j = DatumGetJsonbP(value);

			JsonbToCString(json, &j->root, VARSIZE(j));
			break;
		}
		case TEXTARRAYOID:
		case CIDRARRAYOID:
		{
			Oid element_type = type == TEXTARRAYOID ? TEXTOID : CIDROID;
			Datum *elements;
			int count;

			deconstruct_array(DatumGetArrayTypeP(value), element_type, -1, false, TYPALIGN_INT, &elements, NULL,
							  &count);
			appendStringInfoChar(json, '[');
			for (int i = 0; i < count; i++)
			{
				if (i > 0)
					appendStringInfoString(json, ", ");
				append_json(json, element_type, elements[i]);
			}
			appendStringInfoChar(json, ']');
			break;
		}
		case CIDROID:
			escape_json(json, DatumGetCString(DirectFunctionCall1(cidr_out, value)));
			break;
		default:
			ak_refuse_column_type(type);
	}
}

/* Returns a value's object, in place; NULL if it is none. */
static JsonbContainer *
object_of(const JsonbValue *value)
{
	return value != NULL && value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data)
			   ? value->val.binary.data
			   : NULL;
}

/* Returns true if two values are the same, also in what comparisons overlook, as the scale of numbers. */
static bool
same_value(JsonbValue *a, JsonbValue *b)
{
	Jsonb *x = JsonbValueToJsonb(a);
	Jsonb *y = JsonbValueToJsonb(b);
	bool same = VARSIZE(x) == VARSIZE(y) && memcmp(x, y, VARSIZE(x)) == 0;

	pfree(x);
	pfree(y);
	return same;
}

/* Appends the name of a member, after a comma unless it is the first one. */
static void
append_name(StringInfo json, const JsonbValue *key)
{
	char *name = pnstrdup(key->val.string.val, key->val.string.len);

	appendStringInfoString(json, json->data[json->len - 1] == '{' ? "" : ", ");
	escape_json(json, name);
	appendStringInfoString(json, ": ");
	pfree(name);
}

/* Appends the value of a member. */
static void
append_value(StringInfo json, JsonbValue *value)
{
	Jsonb *copy;

	if (value->type == jbvBinary)
	{
		JsonbToCString(json, value->val.binary.data, value->val.binary.len);
		return;
	}
	copy = JsonbValueToJsonb(value);
	JsonbToCString(json, &copy->root, VARSIZE(copy));
	pfree(copy);
}

/*
 * Appends, as JSON, the members of an object that differ in another object;
 * does the same recursively for a member that is an object in both.  Returns false
 * if the objects are the same.
 *
 * Objects are read in place and each is read once: with a copy and a comparison of
 * what is below it at each level, 5,000 levels in 1 MB would take gigabytes.
 */
static bool
append_differing_members(StringInfo json, JsonbContainer *object, JsonbContainer *other)
{
	bool differ = JsonContainerSize(object) != JsonContainerSize(other);
	JsonbIterator *it;
	JsonbValue key;
	JsonbValue value;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	it = JsonbIteratorInit(object);
	(void) JsonbIteratorNext(&it, &key, true); /* the object's begin */
	appendStringInfoChar(json, '{');
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		JsonbValue *other_value = getKeyJsonValueFromContainer(other, key.val.string.val, key.val.string.len, NULL);
		int length = json->len;
		bool same = false;

		(void) JsonbIteratorNext(&it, &value, true);
		append_name(json, &key);
		if (object_of(&value) != NULL && object_of(other_value) != NULL)
			same = !append_differing_members(json, object_of(&value), object_of(other_value));
		else if (other_value != NULL && same_value(&value, other_value))
			same = true;
		else
			append_value(json, &value);
		if (same)
		{
			json->len = length;
			json->data[length] = '\0';
		}
		differ = differ || !same;
		if (other_value != NULL)
			pfree(other_value);
	}
	appendStringInfoChar(json, '}');
	return differ;
}

/* Appends a value as JSON; if it and the other value are objects, one of them large, only the differing members. */
static void
append_changed_json(StringInfo json, Oid type, const AkRow *row, const AkRow *other, int column)
{
	if (type == JSONBOID && other != NULL && !AK_IS_NULL(other, column))
	{
		Jsonb *object = DatumGetJsonbP(AK_VALUE(row, column));
		Jsonb *other_object = DatumGetJsonbP(AK_VALUE(other, column));

		if (Max(VARSIZE(object), VARSIZE(other_object)) > LARGE_OBJECT && JB_ROOT_IS_OBJECT(object) &&
			JB_ROOT_IS_OBJECT(other_object))
		{
			(void) append_differing_members(json, &object->root, &other_object->root);
			return;
		}
	}
	append_json(json, type, AK_VALUE(row, column));
}

/*
 * Records the old and new value of every column that changed: appends {"name":
 * {"old": ..., "new": ...}, ...} without the closing brace to "changes", and
 * the columns' labels to "labels".  old is NULL for an inserted row, new for a
 * deleted one.
 */
void
ak_tell_changes(StringInfo changes, StringInfo labels, const AkTold *told, const AkRow *old, const AkRow *new)
{
	const AkRow *sides[2] = {old, new};

	appendStringInfoChar(changes, '{');
	for (; told->column != 0; told++)
	{
		Form_pg_attribute attr = TupleDescAttr((new ? new : old)->columns->desc, told->column - 1);

		if (old != NULL && new != NULL ? !ak_column_changed(old, new, told->column)
									   : AK_IS_NULL(old ? old : new, told->column))
			continue;
		if (changes->len > 1)
			appendStringInfoString(changes, ", ");
		escape_json(changes, NameStr(attr->attname));
		for (int i = 0; i < 2; i++)
		{
			appendStringInfoString(changes, i == 0 ? ": {\"old\": " : ", \"new\": ");
			if (sides[i] == NULL || AK_IS_NULL(sides[i], told->column))
				appendStringInfoString(changes, "null");
			else
				append_changed_json(changes, attr->atttypid, sides[i], sides[1 - i], told->column);
		}
		appendStringInfoChar(changes, '}');
		if (told->label != NULL)
			appendStringInfo(labels, "%s%s", labels->len > 0 ? ", " : "", told->label);
	}
}

/* Adds members of a JSON object to "changes". */
void
ak_append_members(StringInfo changes, const char *members)
{
	appendStringInfo(changes, "%s%s", changes->len > 1 ? ", " : "", members);
}

/*
 * Adds a dropped key to the member "evicted" of "changes": the n-th one, from
 * 0.  The caller closes the array.
 */
void
ak_append_evicted(StringInfo changes, int n, const char *key_id, const char *name)
{
	appendStringInfo(changes, "%s{\"key_id\": \"%s\", \"name\": ", n == 0 ? "\"evicted\": [" : ", ", key_id);
	escape_json(changes, name);
	appendStringInfoChar(changes, '}');
}

/*
 * Appends an object in which the members of "from" are replaced by those of
 * "to"; a member that is an object in both is treated the same way.
 */
static void
append_applied(StringInfo json, JsonbContainer *object, JsonbContainer *from, JsonbContainer *to)
{
	JsonbIterator *it;
	JsonbValue key;
	JsonbValue value;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	appendStringInfoChar(json, '{');
	it = JsonbIteratorInit(object);
	(void) JsonbIteratorNext(&it, &key, true); /* the object's begin */
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		const char *name = key.val.string.val;
		int len = key.val.string.len;
		JsonbValue *from_member = getKeyJsonValueFromContainer(from, name, len, NULL);
		JsonbValue *to_member = getKeyJsonValueFromContainer(to, name, len, NULL);

		(void) JsonbIteratorNext(&it, &value, true);
		if (from_member != NULL && to_member == NULL)
			continue;
		append_name(json, &key);
		if (object_of(&value) != NULL && object_of(from_member) != NULL && object_of(to_member) != NULL)
			append_applied(json, object_of(&value), object_of(from_member), object_of(to_member));
		else
			append_value(json, to_member != NULL ? to_member : &value);
	}
	it = JsonbIteratorInit(to);
	(void) JsonbIteratorNext(&it, &key, true);
	while (JsonbIteratorNext(&it, &key, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&it, &value, true);
		if (getKeyJsonValueFromContainer(object, key.val.string.val, key.val.string.len, NULL) != NULL)
			continue;
		append_name(json, &key);
		append_value(json, &value);
	}
	appendStringInfoChar(json, '}');
}

/*
 * Returns what a value becomes by a change that is recorded as "from" and "to":
 * "old" and "new", or for the value before the change "new" and "old".  A value
 * that is not known is NULL; so is "from" or "to" if it was not recorded.
 */
Jsonb *
ak_apply_change(Jsonb *value, Jsonb *from, Jsonb *to)
{
	StringInfoData json;

	if (value == NULL || from == NULL || to == NULL || !JB_ROOT_IS_OBJECT(value) || !JB_ROOT_IS_OBJECT(from) ||
		!JB_ROOT_IS_OBJECT(to))
		return to;
	initStringInfo(&json);
	append_applied(&json, &value->root, &from->root, &to->root);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}
