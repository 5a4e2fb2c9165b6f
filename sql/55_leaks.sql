/*
 * Leaked secrets.
 */
CREATE FUNCTION apikeys.find_secrets(content text, OUT key text, OUT valid_checksum boolean, OUT key_id uuid, OUT workspace text,
	OUT name text, OUT state text)
RETURNS SETOF record LANGUAGE C STABLE ROWS 1 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_find_secrets';
COMMENT ON FUNCTION apikeys.find_secrets(text) IS
'what has the form of a secret in a text, in its order, with its key; key_id and the columns after it are NULL if there is no such key that the current user may see; not counted as use';

CREATE FUNCTION apikeys.secret_pattern(workspace text = NULL)
RETURNS text LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_secret_pattern';
COMMENT ON FUNCTION apikeys.secret_pattern(text) IS
'the regular expression (PCRE, RE2, Python) that finds the secrets of a workspace, or of all that the current user may use, for a secret scanner';

CREATE FUNCTION apikeys.report_leak(alerts jsonb)
RETURNS jsonb LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_report_leak';
COMMENT ON FUNCTION apikeys.report_leak(jsonb) IS
'disables or archives the keys of leaked secrets, as leak_action of their workspace says: takes a scanning partner''s array of token, type, url and source, and returns its answer';
