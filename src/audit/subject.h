/*-------------------------------------------------------------------------
 *
 * subject.h
 *	  What an entry tells of, as data.  See subject.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SUBJECT_H
#define AK_SUBJECT_H

#include "core/catalog.h"

extern char *ak_row_subject(AkRelation table, const Datum *values, const bool *nulls);

#endif /* AK_SUBJECT_H */
