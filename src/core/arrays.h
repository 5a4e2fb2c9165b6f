/*-------------------------------------------------------------------------
 *
 * arrays.h
 *	  Arrays of PostgreSQL.  See arrays.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_ARRAYS_H
#define AK_ARRAYS_H

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "core/compat.h"

/*
 * Returns true if a text is among the elements of a text[] without NULLs.  A
 * validation calls it: it walks the array in place.
 */
static inline bool
ak_text_listed(const char *data, size_t len, ArrayType *list)
{
	int count = ArrayGetNItems(ARR_NDIM(list), ARR_DIMS(list));
	char *element = ARR_DATA_PTR(list);

	for (int i = 0; i < count; i++)
	{
		if (VARSIZE_ANY_EXHDR(element) == len && memcmp(VARDATA_ANY(element), data, len) == 0)
			return true;
		element = (char *) att_align_nominal(element + VARSIZE_ANY(element), TYPALIGN_INT);
	}
	return false;
}

extern Datum *ak_text_elements(Datum list, int *count);
extern Datum ak_array(Datum *elements, int count, Oid element_type);
extern Datum ak_array_with_nulls(Datum *elements, bool *nulls, int count, Oid element_type);
extern Datum ak_text_array_of(Datum element);

#endif /* AK_ARRAYS_H */
