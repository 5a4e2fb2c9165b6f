/*-------------------------------------------------------------------------
 *
 * key_lookup.h
 *	  Find a key.  See key_lookup.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_KEY_LOOKUP_H
#define AK_KEY_LOOKUP_H

#include "fmgr.h"

#include "access/access.h"
#include "audit/sealed_row.h"
#include "core/compat.h"

/* A key that was found; palloc'd in the memory context of the caller */
typedef struct AkFoundKey
{
	Datum key_id;
	char *workspace;
	char *name;
	AkRow row;
} AkFoundKey;

/* What a secret is to its key */
typedef enum AkSecretUse
{
	AK_SECRET_UNKNOWN,    /* nobody's, or of a key that the caller may not see */
	AK_SECRET_CURRENT,    /* the current one of a key that is not archived */
	AK_SECRET_IN_OVERLAP, /* the old one, still valid */
	AK_SECRET_DEAD        /* the old one past its overlap, or of an archived key */
} AkSecretUse;

extern void ak_check_seen(const AkFoundKey *key);
extern bool ak_read_key(Datum key_id, AkRow *key);
extern void ak_find_key(FunctionCallInfo fcinfo, AkCapability capability, AkFoundKey *key);
extern AkSecretUse ak_find_secret(const char *secret, size_t len, AkCapability capability, AkFoundKey *key);
pg_noreturn extern void ak_refuse_unknown_key(Datum key_id);

#endif /* AK_KEY_LOOKUP_H */
