/*
 * Validation.
 */
CREATE FUNCTION apikeys_internal.validation_support(internal) RETURNS internal LANGUAGE C STRICT AS 'MODULE_PATHNAME', 'ak_validation_support';
COMMENT ON FUNCTION apikeys_internal.validation_support(internal) IS
'planner support of the functions that validate: no call is answered from the cache of a Memoize node';

CREATE FUNCTION apikeys.validate_key(key text, api text = NULL, client text = NULL, workspace text = NULL, cost integer = 1)
RETURNS apikeys.verdict LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10 SUPPORT apikeys_internal.validation_support
AS 'MODULE_PATHNAME', 'ak_validate_key';
COMMENT ON FUNCTION apikeys.validate_key(text, text, text, text, integer) IS
'whether the holder of this secret may call that API from that address, as of the latest commit, whatever the isolation level; a valid request counts "cost" times against limits and quota';

CREATE FUNCTION apikeys.authenticate("authorization" text, api text = NULL, client text = NULL, cost integer = 1)
RETURNS apikeys.verdict LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10 SUPPORT apikeys_internal.validation_support
AS 'MODULE_PATHNAME', 'ak_authenticate';
COMMENT ON FUNCTION apikeys.authenticate(text, text, text, integer) IS
'validates the header Basic base64(workspace:key), Bearer key or the key alone, and makes a valid key the one that the transaction acts for; to be called in a statement of its own, before those that read';

CREATE FUNCTION apikeys.require_key("authorization" text, api text = NULL, client text = NULL, cost integer = 1)
RETURNS uuid LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10 SUPPORT apikeys_internal.validation_support
AS 'MODULE_PATHNAME', 'ak_require_key';
COMMENT ON FUNCTION apikeys.require_key(text, text, text, integer) IS
'as apikeys.authenticate(), but returns the id of a valid key, and raises any other verdict as the error (SQLSTATE PGRST) that PostgREST turns into a response';

CREATE FUNCTION apikeys.response_headers(verdict apikeys.verdict)
RETURNS jsonb LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_response_headers';
COMMENT ON FUNCTION apikeys.response_headers(apikeys.verdict) IS
'the headers of the HTTP response to a request with that verdict: WWW-Authenticate, Retry-After, RateLimit-Policy, RateLimit';

CREATE FUNCTION apikeys.current_key()
RETURNS uuid LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_key';
COMMENT ON FUNCTION apikeys.current_key() IS
'the key that apikeys.authenticate() found valid in this transaction; NULL without one';

CREATE FUNCTION apikeys.current_workspace()
RETURNS text LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_workspace';
COMMENT ON FUNCTION apikeys.current_workspace() IS 'the workspace of the current key; NULL without one';

CREATE FUNCTION apikeys.current_owner()
RETURNS text LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_owner';
COMMENT ON FUNCTION apikeys.current_owner() IS 'the owner of the current key; NULL without a key or owner';

CREATE FUNCTION apikeys.current_key_metadata()
RETURNS jsonb LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_key_metadata';
COMMENT ON FUNCTION apikeys.current_key_metadata() IS 'the metadata of the current key; NULL without a key or metadata';

CREATE FUNCTION apikeys.current_key_allows(api text)
RETURNS boolean LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'ak_current_key_allows';
COMMENT ON FUNCTION apikeys.current_key_allows(text) IS 'whether the current key may call that API; false without a key';
