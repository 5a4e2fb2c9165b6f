/*-------------------------------------------------------------------------
 *
 * key_detail.h
 *	  The types key_detail and issued_key.  See key_detail.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_KEY_DETAIL_H
#define AK_KEY_DETAIL_H

#include "fmgr.h"

#include "audit/sealed_row.h"

/* Columns of the type apikeys.key_detail */
enum
{
	Anum_key_detail_key_id = 1,
	Anum_key_detail_workspace,
	Anum_key_detail_name,
	Anum_key_detail_state,
	Anum_key_detail_apis,
	Anum_key_detail_access,
	Anum_key_detail_team,
	Anum_key_detail_owner,
	Anum_key_detail_hint,
	Anum_key_detail_expires_at,
	Anum_key_detail_allowed_cidrs,
	Anum_key_detail_rate_limit,
	Anum_key_detail_rate_window,
	Anum_key_detail_quota,
	Anum_key_detail_quota_period,
	Anum_key_detail_quota_used,
	Anum_key_detail_metadata,
	Anum_key_detail_created_at,
	Anum_key_detail_created_by,
	Anum_key_detail_updated_at,
	Anum_key_detail_updated_by,
	Anum_key_detail_regenerated_at,
	Anum_key_detail_regenerated_by,
	Anum_key_detail_old_valid_until,
	Anum_key_detail_disabled_at,
	Anum_key_detail_disabled_by,
	Anum_key_detail_archived_at,
	Anum_key_detail_archived_by,
	Anum_key_detail_last_used_at,
	_Anum_key_detail_max
};

#define AK_KEY_DETAIL_NATTS (_Anum_key_detail_max - 1)

extern void ak_key_detail(const AkRow *key, Datum *values, bool *nulls);
extern Datum ak_return_key(FunctionCallInfo fcinfo, const AkRow *key);
extern Datum ak_return_issued_key(FunctionCallInfo fcinfo, char *secret, const AkRow *key);

#endif /* AK_KEY_DETAIL_H */
