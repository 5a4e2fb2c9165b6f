/*-------------------------------------------------------------------------
 *
 * arrays.c
 *	  Arrays of PostgreSQL.
 *
 * The construct_array_builtin() of PostgreSQL 16 knows no uuid, timestamptz,
 * bytea or cidr.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/lsyscache.h"

#include "core/arrays.h"

/* Returns the elements, palloc'd, of a text[] without NULLs. */
Datum *
ak_text_elements(Datum list, int *count)
{
	Datum *elements;

	deconstruct_array(DatumGetArrayTypeP(list), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, count);
	return elements;
}

/*
 * Returns an array of these elements; "nulls" may be NULL.  It looks the type
 * up: not for the request path.
 */
Datum
ak_array_with_nulls(Datum *elements, bool *nulls, int count, Oid element_type)
{
	int lower = 1;
	int16 len;
	bool by_value;
	char align;

	get_typlenbyvalalign(element_type, &len, &by_value, &align);
	return PointerGetDatum(construct_md_array(elements, nulls, 1, &count, &lower, element_type, len, by_value, align));
}

/* The same without NULLs. */
Datum
ak_array(Datum *elements, int count, Oid element_type)
{
	return ak_array_with_nulls(elements, NULL, count, element_type);
}

/* Returns a text[] with a single element. */
Datum
ak_text_array_of(Datum element)
{
	return ak_array(&element, 1, TEXTOID);
}
