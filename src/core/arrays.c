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
 * Returns an array of these elements, without NULLs.  It looks the type up: not
 * for the request path.
 */
Datum
ak_array(Datum *elements, int count, Oid element_type)
{
	int16 len;
	bool by_value;
	char align;

	get_typlenbyvalalign(element_type, &len, &by_value, &align);
	return PointerGetDatum(construct_array(elements, count, element_type, len, by_value, align));
}

/* Returns a text[] with a single element. */
Datum
ak_text_array_of(Datum element)
{
	return ak_array(&element, 1, TEXTOID);
}
