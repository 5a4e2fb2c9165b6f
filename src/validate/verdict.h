/*-------------------------------------------------------------------------
 *
 * verdict.h
 *	  The row of type apikeys.verdict.  See verdict.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_VERDICT_H
#define AK_VERDICT_H

#include "pure/policy.h"
#include "usage/limit.h"
#include "validate/keystore.h"

/* The columns of the type apikeys.verdict; verdict.c raises 55000 if it has another number of them */
enum
{
	Anum_verdict_valid = 1,
	Anum_verdict_code,
	Anum_verdict_http_status,
	Anum_verdict_key_id,
	Anum_verdict_workspace,
	Anum_verdict_name,
	Anum_verdict_team,
	Anum_verdict_owner,
	Anum_verdict_apis,
	Anum_verdict_expires_at,
	Anum_verdict_old_valid_until,
	Anum_verdict_retry_after,
	Anum_verdict_rate_limit,
	Anum_verdict_rate_window,
	Anum_verdict_rate_remaining,
	Anum_verdict_rate_reset,
	Anum_verdict_quota,
	Anum_verdict_quota_remaining,
	Anum_verdict_quota_reset,
	Anum_verdict_metadata,
	_Anum_verdict_max
};

#define VERDICT_NATTS (_Anum_verdict_max - 1)

extern Datum ak_verdict_make(AkCode code, const AkLookup *found, const AkCharge *charge);
extern void ak_verdict_raise(HeapTupleHeader verdict);

#endif /* AK_VERDICT_H */
