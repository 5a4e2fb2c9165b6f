/*-------------------------------------------------------------------------
 *
 * privilege.h
 *	  Capabilities and PostgreSQL's own privileges.  See privilege.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef AK_PRIVILEGE_H
#define AK_PRIVILEGE_H

extern void ak_lock_role(Oid role);
extern bool ak_try_lock_role(Oid role);
extern void ak_refuse_access_elsewhere(Oid role);
extern void ak_change_privileges(Oid role, int give, int take, bool at_commit, Oid userid);
extern int ak_capabilities_held(Oid role);
extern void ak_commit_privileges(void);
extern void ak_privileges_end_subtransaction(int level, bool committed);
extern void ak_forget_privileges(void);

#endif /* AK_PRIVILEGE_H */
