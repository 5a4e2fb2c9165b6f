/*
 * Keys.
 */
CREATE FUNCTION apikeys.create_key(name text, apis text[] = NULL, workspace text = NULL, team text = NULL, owner text = NULL,
	expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, quota bigint = NULL, quota_period text = NULL, metadata jsonb = NULL)
RETURNS apikeys.issued_key LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_create_key';
COMMENT ON FUNCTION apikeys.create_key(text, text[], text, text, text, timestamptz, text[], integer, interval, bigint, text, jsonb) IS
'creates a key with access to the named APIs; its secret, column key of the result, is shown only this once';

CREATE FUNCTION apikeys.import_key(name text, apis text[], key_hash bytea, hint text = NULL, workspace text = NULL,
	team text = NULL, owner text = NULL,
	expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, quota bigint = NULL, quota_period text = NULL, metadata jsonb = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_import_key';
COMMENT ON FUNCTION apikeys.import_key(text, text[], bytea, text, text, text, text, timestamptz, text[], integer, interval, bigint, text, jsonb) IS
'adopts a key issued elsewhere, by the SHA-256 of its whole text; the key stays valid as it is';

CREATE FUNCTION apikeys.regenerate_key(key_id uuid, overlap interval = '0', reason text = NULL)
RETURNS apikeys.issued_key LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_regenerate_key';
COMMENT ON FUNCTION apikeys.regenerate_key(uuid, interval, text) IS
'gives a key a new secret; the old one is invalid at commit, or valid for the overlap';

CREATE FUNCTION apikeys.end_overlap(key_id uuid)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_end_overlap';
COMMENT ON FUNCTION apikeys.end_overlap(uuid) IS 'ends the time in which a key''s old secret is still valid';

CREATE FUNCTION apikeys.update_key(key_id uuid, name text = NULL, apis text[] = NULL, team text = NULL, owner text = NULL,
	expires_at timestamptz = NULL, allowed_cidrs text[] = NULL, rate_limit integer = NULL,
	rate_window interval = NULL, quota bigint = NULL, quota_period text = NULL, metadata jsonb = NULL,
	if_updated_at timestamptz = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_update_key';
COMMENT ON FUNCTION apikeys.update_key(uuid, text, text[], text, text, timestamptz, text[], integer, interval, bigint, text, jsonb, timestamptz) IS
'edits a key; NULL keeps a value, '''' clears the team or owner, ''{}'' the addresses or the metadata, ''infinity'' the expiry, 0 the rate limit or quota; fails (40001) when the key was updated since if_updated_at, the updated_at or created_at that the caller has read';

CREATE FUNCTION apikeys.disable_key(key_id uuid, reason text = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_disable_key';
COMMENT ON FUNCTION apikeys.disable_key(uuid, text) IS 'pauses a key at commit, until enable_key';

CREATE FUNCTION apikeys.enable_key(key_id uuid, reason text = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_enable_key';
COMMENT ON FUNCTION apikeys.enable_key(uuid, text) IS 'ends the pause of a key; its expiry is what it was';

CREATE FUNCTION apikeys.archive_key(key_id uuid, reason text = NULL)
RETURNS apikeys.key_detail LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_archive_key';
COMMENT ON FUNCTION apikeys.archive_key(uuid, text) IS
'ends a key for good at commit; beyond the workspace''s archive limit the key archived first is dropped';

CREATE FUNCTION apikeys.revoke_key(key text, reason text = NULL)
RETURNS uuid LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_revoke_key';
COMMENT ON FUNCTION apikeys.revoke_key(text, text) IS
'a holder gives up a secret: the current one archives its key, an old one within its overlap ends the overlap; returns the key_id, NULL for any other text';

CREATE FUNCTION apikeys.key_details(key_id uuid)
RETURNS apikeys.key_detail LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_key_details';
COMMENT ON FUNCTION apikeys.key_details(uuid) IS 'one key, in any state';

CREATE FUNCTION apikeys.key_id(name text, workspace text = NULL)
RETURNS uuid LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_key_id';
COMMENT ON FUNCTION apikeys.key_id(text, text) IS 'the id of the key of that name that is not archived';

CREATE FUNCTION apikeys.identify_key(key text)
RETURNS SETOF apikeys.key_detail LANGUAGE C STABLE ROWS 1 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_identify_key';
COMMENT ON FUNCTION apikeys.identify_key(text) IS
'the key whose secret this is, current, old or archived; no row if there is no such key; not counted as use';

CREATE FUNCTION apikeys.list_keys(workspace text = NULL, search text = NULL, state text = NULL, api text = NULL, team text = NULL,
	owner text = NULL, expires_before timestamptz = NULL, unused_since timestamptz = NULL, order_by text = 'created_at desc',
	max_rows integer = 50, skip integer = 0)
RETURNS SETOF apikeys.listed_key LANGUAGE C STABLE ROWS 50 PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'ak_list_keys';
COMMENT ON FUNCTION apikeys.list_keys(text, text, text, text, text, text, timestamptz, timestamptz, text, integer, integer) IS
'a page of keys: those that pass all filters, in an order; state null: not archived, all: in any state; search is a substring of name, owner or hint, or a whole key_id; total counts the rows without max_rows and skip';
