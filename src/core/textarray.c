/*-------------------------------------------------------------------------
 *
 * textarray.c
 *	  Arrays of text.
 *
 * PostgreSQL 16 has deconstruct_array_builtin() and construct_array_builtin()
 * for this.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/textarray.h"

/* Returns the elements, palloc'd, of a text[] without NULLs. */
Datum *
ak_text_elements(Datum list, int *count)
{
	Datum *elements;

	deconstruct_array(DatumGetArrayTypeP(list), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, count);
	return elements;
}

/* Returns a text[] of these elements. */
Datum
ak_text_array(Datum *elements, int count)
{
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Returns a text[] with a single element. */
Datum
ak_text_array_of(Datum element)
{
	return ak_text_array(&element, 1);
}
