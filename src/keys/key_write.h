/*-------------------------------------------------------------------------
 *
 * key_write.h
 *	  Insert or change the row of a key.  See key_write.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_KEY_WRITE_H
#define AK_KEY_WRITE_H

#include "audit/action.h"
#include "keys/key_lookup.h"

#define AK_COMMON_COLUMNS 9

extern const AttrNumber ak_common_columns[AK_COMMON_COLUMNS];

extern void ak_set_common_columns(FunctionCallInfo fcinfo, int n, AkRow *key);
extern void ak_insert_key(FunctionCallInfo fcinfo, AkVerb verb, const char *workspace, const uint8 *hash,
						  const char *hint, int common_args, AkRow *row);
extern bool ak_change_key(AkFoundKey *key, const AkAction *action, const AkRow *wanted);

#endif /* AK_KEY_WRITE_H */
