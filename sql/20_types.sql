/*
 * Row types.
 */
CREATE TYPE apikeys.issued_key AS (
	key_id			uuid,
	key				text,
	name			text,
	apis			text[],
	access			text,
	workspace		text,
	old_valid_until	timestamptz
);
COMMENT ON TYPE apikeys.issued_key IS 'what create_key and regenerate_key return: the only time that a secret is seen';

CREATE TYPE apikeys.key_detail AS (
	key_id			uuid,
	workspace		text,
	name			text,
	state			text,
	apis			text[],
	access			text,
	team			text,
	hint			text,
	expires_at		timestamptz,
	allowed_cidrs	text[],
	rate_limit		integer,
	rate_window		interval,
	metadata		jsonb,
	created_at		timestamptz,
	created_by		text,
	updated_at		timestamptz,
	updated_by		text,
	regenerated_at	timestamptz,
	regenerated_by	text,
	old_valid_until	timestamptz,
	archived_at		timestamptz,
	archived_by		text
);
COMMENT ON TYPE apikeys.key_detail IS 'a key as people see it; state is active or archived, access Full or Partial';

CREATE TYPE apikeys.verdict AS (
	valid			boolean,
	code			text,
	http_status		smallint,
	key_id			uuid,
	workspace		text,
	name			text,
	team			text,
	apis			text[],
	expires_at		timestamptz,
	old_valid_until	timestamptz,
	retry_after		integer,
	metadata		jsonb
);
COMMENT ON TYPE apikeys.verdict IS 'the answer to a request: show its client the http_status, keep the rest';

CREATE TYPE apikeys.audit_verdict AS (
	workspace		text,
	entries			bigint,
	ok				boolean,
	first_bad		bigint,
	problem			text,
	head			bytea
);
COMMENT ON TYPE apikeys.audit_verdict IS 'the outcome of verifying one workspace''s chain; first_bad is an audit_id';
