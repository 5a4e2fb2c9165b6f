/*-------------------------------------------------------------------------
 *
 * key_columns.h
 *	  The form of a key's columns.  See key_columns.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_KEY_COLUMNS_H
#define AK_KEY_COLUMNS_H

#include "audit/sealed_row.h"
#include "core/compat.h"

extern bool ak_same_apis(Datum a, Datum b);
extern void ak_check_key_hash(const AkRow *row);
pg_noreturn extern void ak_refuse_known_hash(void);
extern void ak_normalize_key(const AkRow *old, AkRow *new);

#endif /* AK_KEY_COLUMNS_H */
