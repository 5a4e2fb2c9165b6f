/*
 * Keys.
 */
CREATE FUNCTION apikeys.create_key(name text, apis text[], workspace text = NULL, team text = NULL,
	expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, metadata jsonb = NULL)
RETURNS apikeys.issued_key LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_create_key';
COMMENT ON FUNCTION apikeys.create_key(text, text[], text, text, timestamptz, text[], integer, interval, jsonb) IS
'creates a key with access to the named APIs; its secret, column key of the result, is seen this once';

CREATE FUNCTION apikeys.import_key(name text, apis text[], key_hash bytea, hint text = NULL, workspace text = NULL,
	team text = NULL, expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, metadata jsonb = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_import_key';
COMMENT ON FUNCTION apikeys.import_key(text, text[], bytea, text, text, text, timestamptz, text[], integer, interval, jsonb) IS
'adopts a key issued elsewhere from the SHA-256 of its whole text; its holder notices nothing';

CREATE FUNCTION apikeys.regenerate_key(key_id uuid, overlap interval = '0')
RETURNS apikeys.issued_key LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_regenerate_key';
COMMENT ON FUNCTION apikeys.regenerate_key(uuid, interval) IS
'gives a key a new secret; the old one is dead at commit, or valid for the overlap';

CREATE FUNCTION apikeys.end_overlap(key_id uuid)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_end_overlap';
COMMENT ON FUNCTION apikeys.end_overlap(uuid) IS 'ends the time in which a key''s old secret is still valid';

CREATE FUNCTION apikeys.update_key(key_id uuid, name text = NULL, apis text[] = NULL, team text = NULL,
	expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, metadata jsonb = NULL, if_updated_at timestamptz = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_update_key';
COMMENT ON FUNCTION apikeys.update_key(uuid, text, text[], text, timestamptz, text[], integer, interval, jsonb, timestamptz) IS
'edits a key; NULL keeps what is, '''' clears the team, ''{}'' the addresses or the metadata, ''infinity'' the expiry, 0 the rate limit; fails (40001) when the key was updated since if_updated_at, the updated_at or created_at that the caller has read';

CREATE FUNCTION apikeys.archive_key(key_id uuid)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_archive_key';
COMMENT ON FUNCTION apikeys.archive_key(uuid) IS
'ends a key for good at commit; beyond the workspace''s archive limit the key archived first is dropped';

CREATE FUNCTION apikeys.key_details(key_id uuid)
RETURNS apikeys.key_detail LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_key_details';
COMMENT ON FUNCTION apikeys.key_details(uuid) IS 'one key, active or archived';

CREATE FUNCTION apikeys.key_id(name text, workspace text = NULL)
RETURNS uuid LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_key_id';
COMMENT ON FUNCTION apikeys.key_id(text, text) IS 'the id of the active key of that name';

CREATE FUNCTION apikeys.identify_key(key text)
RETURNS SETOF apikeys.key_detail LANGUAGE C STABLE ROWS 1 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_identify_key';
COMMENT ON FUNCTION apikeys.identify_key(text) IS
'whose secret is this? present, old or archived; no row if nobody''s; not counted as use';
