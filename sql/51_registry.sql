/*
 * APIs, workspaces and teams.
 */
CREATE FUNCTION apikeys.register_api(api text, description text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_register_api';
COMMENT ON FUNCTION apikeys.register_api(text, text) IS 'adds an API to the registry; keys with Full access become Partial';

CREATE FUNCTION apikeys.unregister_api(api text)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_unregister_api';
COMMENT ON FUNCTION apikeys.unregister_api(text) IS 'removes an API that no active key uses from the registry';

CREATE FUNCTION apikeys.create_workspace(workspace text, name text = NULL, prefix text = NULL, archive_limit integer = NULL,
	key_limit integer = NULL, default_lifetime interval = NULL, max_lifetime interval = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, leak_action text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_create_workspace';
COMMENT ON FUNCTION apikeys.create_workspace(text, text, text, integer, integer, interval, interval, integer, interval, text) IS
'creates a workspace; unless given, its prefix is ak, its archive limit 10, and it has no other limits';

CREATE FUNCTION apikeys.update_workspace(workspace text, name text = NULL, prefix text = NULL, archive_limit integer = NULL,
	key_limit integer = NULL, default_lifetime interval = NULL, max_lifetime interval = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, leak_action text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_update_workspace';
COMMENT ON FUNCTION apikeys.update_workspace(text, text, text, integer, integer, interval, interval, integer, interval, text) IS
'edits a workspace; NULL keeps a value, 0 clears key_limit or rate_limit, ''0'' a lifetime; a lower archive limit drops the keys archived first at once, 0 keeps none';

CREATE FUNCTION apikeys.drop_workspace(workspace text)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_drop_workspace';
COMMENT ON FUNCTION apikeys.drop_workspace(text) IS
'removes a workspace with its archived keys, team members and accesses; fails while it has other keys; its log stays and verifies';

CREATE FUNCTION apikeys.add_team_member(actor text, team text, workspace text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_add_team_member';
COMMENT ON FUNCTION apikeys.add_team_member(text, text, text) IS 'puts an actor into a team, or moves the actor there';

CREATE FUNCTION apikeys.remove_team_member(actor text, workspace text = NULL)
RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_remove_team_member';
COMMENT ON FUNCTION apikeys.remove_team_member(text, text) IS 'takes an actor out of the team';
