/*
 * Who acts, and who may do what.
 */
CREATE FUNCTION apikeys.act_as(actor text, team text = NULL, client text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_act_as';
COMMENT ON FUNCTION apikeys.act_as(text, text, text) IS
'names who does the management actions of the current transaction; the database user is recorded beside it';

CREATE FUNCTION apikeys.grant_access(role name, capability text, workspace text = '*')
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_grant_access';
COMMENT ON FUNCTION apikeys.grant_access(name, text, text) IS
'lets a role validate, view, manage, audit, admin or monitor, in one workspace or (*) in all';

CREATE FUNCTION apikeys.regrant_access()
RETURNS integer LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_regrant_access';
COMMENT ON FUNCTION apikeys.regrant_access() IS
'after a restore: gives the roles that exist the accesses that are recorded for their names; returns the number of accesses';

CREATE FUNCTION apikeys.revoke_access(role name, capability text, workspace text = '*')
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_revoke_access';
COMMENT ON FUNCTION apikeys.revoke_access(name, text, text) IS 'takes back what grant_access gave with the same arguments';

CREATE FUNCTION apikeys_internal.visible_workspaces(capability text)
RETURNS text[] LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_visible_workspaces_sql';
COMMENT ON FUNCTION apikeys_internal.visible_workspaces(text) IS
'the workspaces in which the current user has that capability, within the setting apikeys.workspace; '''' stands for what belongs to none';

/*
 * What the views ask, so that each arm of them is planned for what it is.
 */
CREATE FUNCTION apikeys_internal.sees_everywhere(capability text)
RETURNS boolean LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_sees_everywhere_sql';
COMMENT ON FUNCTION apikeys_internal.sees_everywhere(text) IS
'whether the current user has that capability in all workspaces, and apikeys.workspace is not set';

CREATE FUNCTION apikeys_internal.only_workspace(capability text)
RETURNS text LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_only_workspace';
COMMENT ON FUNCTION apikeys_internal.only_workspace(text) IS
'the one workspace in which the current user has that capability, within the setting apikeys.workspace; NULL if there are none, several or all';

CREATE FUNCTION apikeys_internal.several_workspaces(capability text)
RETURNS text[] LANGUAGE C STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_several_workspaces';
COMMENT ON FUNCTION apikeys_internal.several_workspaces(text) IS
'the workspaces in which the current user has that capability; NULL if there are none, one or all';

/*
 * Deltas, sql/apikeys--OLD--NEW.sql, end with a call of it.
 */
CREATE FUNCTION apikeys_internal.finish_update(made text[] = '{}')
RETURNS void LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_finish_update';
COMMENT ON FUNCTION apikeys_internal.finish_update(text[]) IS
'ends an update of the extension: checks the tables, and grants roles the privileges that they need on the objects that the update created';
