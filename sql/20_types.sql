/*
 * Row types.
 */
CREATE TYPE apikeys.key_detail AS (
	key_id			uuid,
	workspace		text,
	name			text,
	state			text,
	apis			text[],
	access			text,
	team			text,
	owner			text,
	hint			text,
	expires_at		timestamptz,
	allowed_cidrs	text[],
	rate_limit		integer,
	rate_window		interval,
	quota			bigint,
	quota_period	text,
	quota_used		bigint,
	metadata		jsonb,
	created_at		timestamptz,
	created_by		text,
	updated_at		timestamptz,
	updated_by		text,
	regenerated_at	timestamptz,
	regenerated_by	text,
	old_valid_until	timestamptz,
	disabled_at		timestamptz,
	disabled_by		text,
	archived_at		timestamptz,
	archived_by		text,
	last_used_at	timestamptz
);
COMMENT ON TYPE apikeys.key_detail IS 'a key as people see it; state is active, disabled or archived, access Full or Partial';

CREATE TYPE apikeys.issued_key AS (
	key				text,
	key_id			uuid,
	workspace		text,
	name			text,
	state			text,
	apis			text[],
	access			text,
	team			text,
	owner			text,
	hint			text,
	expires_at		timestamptz,
	allowed_cidrs	text[],
	rate_limit		integer,
	rate_window		interval,
	quota			bigint,
	quota_period	text,
	quota_used		bigint,
	metadata		jsonb,
	created_at		timestamptz,
	created_by		text,
	updated_at		timestamptz,
	updated_by		text,
	regenerated_at	timestamptz,
	regenerated_by	text,
	old_valid_until	timestamptz,
	disabled_at		timestamptz,
	disabled_by		text,
	archived_at		timestamptz,
	archived_by		text,
	last_used_at	timestamptz
);
COMMENT ON TYPE apikeys.issued_key IS 'what create_key and regenerate_key return: the secret, which is shown only this once, and its key';

CREATE TYPE apikeys.listed_key AS (
	total			bigint,
	key_id			uuid,
	workspace		text,
	name			text,
	state			text,
	apis			text[],
	access			text,
	team			text,
	owner			text,
	hint			text,
	expires_at		timestamptz,
	allowed_cidrs	text[],
	rate_limit		integer,
	rate_window		interval,
	quota			bigint,
	quota_period	text,
	quota_used		bigint,
	metadata		jsonb,
	created_at		timestamptz,
	created_by		text,
	updated_at		timestamptz,
	updated_by		text,
	regenerated_at	timestamptz,
	regenerated_by	text,
	old_valid_until	timestamptz,
	disabled_at		timestamptz,
	disabled_by		text,
	archived_at		timestamptz,
	archived_by		text,
	last_used_at	timestamptz
);
COMMENT ON TYPE apikeys.listed_key IS 'a key in a list, with the number of keys in the whole list';

CREATE TYPE apikeys.verdict AS (
	valid			boolean,
	code			text,
	http_status		smallint,
	key_id			uuid,
	workspace		text,
	name			text,
	team			text,
	owner			text,
	apis			text[],
	expires_at		timestamptz,
	old_valid_until	timestamptz,
	retry_after		integer,
	rate_limit		integer,
	rate_window		integer,
	rate_remaining	integer,
	rate_reset		integer,
	quota			bigint,
	quota_remaining	bigint,
	quota_reset		integer,
	metadata		jsonb
);
COMMENT ON TYPE apikeys.verdict IS 'the answer to a request: show the client its http_status, and keep the rest';
COMMENT ON COLUMN apikeys.verdict.retry_after IS 'seconds until the request would be allowed; NULL if http_status is not 429, or if waiting does not help';
COMMENT ON COLUMN apikeys.verdict.rate_limit IS 'the tighter of the rate limits of key and workspace; so are the next three columns';
COMMENT ON COLUMN apikeys.verdict.rate_window IS 'in seconds';
COMMENT ON COLUMN apikeys.verdict.rate_remaining IS 'requests that are left at once, after this one';
COMMENT ON COLUMN apikeys.verdict.rate_reset IS 'seconds until the limit is replenished';
COMMENT ON COLUMN apikeys.verdict.quota_remaining IS 'what is left of the quota in the period, after this request';
COMMENT ON COLUMN apikeys.verdict.quota_reset IS 'seconds until the period ends; NULL for total';

CREATE TYPE apikeys.audit_verdict AS (
	workspace		text,
	entries			bigint,
	ok				boolean,
	first_bad		bigint,
	problem			text,
	root			bytea
);
COMMENT ON TYPE apikeys.audit_verdict IS 'the result of verifying the log of one workspace';

/* a delta that leaves what an older library would misread drops it, and creates the next (catalog.h) */
CREATE TYPE apikeys_internal.layout_1 AS ();
COMMENT ON TYPE apikeys_internal.layout_1 IS 'its name says which layout of tables and results the library must work with';
