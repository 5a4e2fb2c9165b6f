/*-------------------------------------------------------------------------
 *
 * scope.h
 *	  What a role may do, and in which workspaces.  See scope.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_SCOPE_H
#define AK_SCOPE_H

#include "nodes/pg_list.h"

/* Bits; capabilities[] in scope.c is in this order */
typedef enum AkCapability
{
	AK_VALIDATE = 1 << 0,
	AK_VIEW = 1 << 1,
	AK_MANAGE = 1 << 2,
	AK_AUDIT = 1 << 3,
	AK_ADMIN = 1 << 4,
	AK_MONITOR = 1 << 5
} AkCapability;

#define AK_CAPABILITY_COUNT 6

/* Of several, for functions that ask for at least one; each capability includes one of these */
#define AK_ANY (AK_VALIDATE | AK_VIEW | AK_AUDIT | AK_MONITOR)

extern void ak_scope_init(void);
extern int ak_capability_allows(const char *name);
extern const char *ak_capability_name(AkCapability capability);
extern bool ak_may(AkCapability capability, const char *workspace);
extern bool ak_may_still(AkCapability capability, const char *workspace, size_t len);
extern bool ak_may_anywhere(AkCapability capability);
extern bool ak_may_something(const char *workspace);
extern bool ak_has_access_elsewhere(Oid role);
extern bool ak_awaits_regrant(void);
extern List *ak_single_workspaces(AkCapability capability);

#endif /* AK_SCOPE_H */
