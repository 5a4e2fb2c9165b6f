-- The tables of other systems that docs/migration.md reads, with rows that these systems made.

-- better-auth 1.7.5 with @better-auth/api-key 1.7.5, on PostgreSQL: the table as its migration makes it, three keys by
-- auth.api.createApiKey(), the last one paused. The secrets are in test/t/034_migration.pl.
CREATE TABLE public.apikey (
	id text NOT NULL PRIMARY KEY, "configId" text NOT NULL, name text, start text, "referenceId" text NOT NULL, prefix text, key text NOT NULL,
	"refillInterval" integer, "refillAmount" integer, "lastRefillAt" timestamptz, enabled boolean, "rateLimitEnabled" boolean,
	"rateLimitTimeWindow" integer, "rateLimitMax" integer, "requestCount" integer, remaining integer, "lastRequest" timestamptz,
	"expiresAt" timestamptz, "createdAt" timestamptz NOT NULL, "updatedAt" timestamptz NOT NULL, permissions text, metadata text);
INSERT INTO public.apikey VALUES
	('gBD4l0EiEzYQJwvTCvgPqO0S868xm33m', 'default', 'plain', 'fnkBGu', '6ywvx8XcgXYqPxCBVsjoOGYPklwNtMrD', NULL,
	 'f884YRSXPW4bV6O9PhPRLR2a4tHvMazMIw7Bv8c-rDw', NULL, NULL, NULL, true, true, 86400000, 10, 1, NULL,
	 '2026-11-29 17:58:58.645+00', NULL, '2026-11-29 17:58:58.607+00', '2026-11-29 17:58:58.655+00', NULL, 'null'),
	-- its expiry was a year; here it is one that no test outlives
	('3XcLNVFTdVzCdF4J7ZnVSehhPxgWFb7X', 'default', NULL, 'acme_y', '6ywvx8XcgXYqPxCBVsjoOGYPklwNtMrD', 'acme_',
	 'U00IUBX-0jGX5JnkAXyiwUMqCqeiFIlUl2MacQ7x_4Y', NULL, NULL, NULL, true, true, 60000, 100, 1, 999,
	 '2026-11-29 17:58:58.714+00', '2999-11-29 17:58:58.676+00', '2026-11-29 17:58:58.676+00', '2026-11-29 17:58:58.718+00',
	 '{"data":["read"],"push":["send"]}', '{"plan":"pro"}'),
	('FFgpqn7LVQ2pwDCQhf2MhdbjRokwskvz', 'default', 'paused', 'kEseXU', '6ywvx8XcgXYqPxCBVsjoOGYPklwNtMrD', NULL,
	 'wVIOYqgIE4BWLTQJWshAef0BJiqrjGFwUlovkzv5eGE', NULL, NULL, NULL, false, true, 86400000, 10, 1, NULL,
	 '2026-11-29 17:58:58.758+00', NULL, '2026-11-29 17:58:58.738+00', '2026-11-29 17:58:58.763+00', NULL, 'null');

-- Unkey: the columns of its MySQL table `keys`, and external_id of `identities`. The hash is what its pkg/hash/sha256.go
-- makes of the whole key, in Node.js: createHash('sha256').update(key).digest('base64').
CREATE TABLE public.unkey_keys (
	id text, hash text, start text, name text, external_id text, expires timestamptz, enabled boolean, remaining_requests bigint, meta text);
INSERT INTO public.unkey_keys VALUES
	('key_2cGKbMxRyIzhCxo1Idjz8q', '34xYociP7zwrp0SIqpX2fp2lkfzCaJYGum4h6HiQ5X4=', 'unkey_3ZGk', 'with a prefix', 'user_1', NULL, true, 5, '{"plan": "pro"}'),
	('key_7TkpoLBLsyZQJd9EWaPm1c', 'xdebx6h8D3vzNcmkz37aJ430Z6UEqA8ZLrmOQ5PnVcM=', '3Zjo', NULL, NULL, '2999-01-01', true, NULL, NULL),
	('key_9usedUpXXXXXXXXXXXXXXX', 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=', 'abc', 'used up', NULL, NULL, true, 0, NULL);

CREATE TABLE public.api_keys (name text, key_hash text, customer text);

-- sha256sum of the secret
CREATE TABLE public.stripe_like (name text, mode text, livemode boolean, key_hash text, last4 text);
INSERT INTO public.stripe_like VALUES
	('shop', 'sk_live', true, '61130ace362c7a4ab606d79fa6be1ebba0cb41dff276780a32e4c581a94a28fc', 'W4hJ'),
	('shop', 'sk_test', false, '0a9ce723ef421958bce7c5be624ec40fd8bbbdc5498bcac137466f535f19a6dc', 'W4hJ');

-- Laravel Sanctum: as its migration makes it. The token is 17|M4kT..., the hash PHP's hash('sha256', 'M4kT...').
CREATE TABLE public.personal_access_tokens (
	id bigint, tokenable_type text, tokenable_id bigint, name text, token text, abilities text, last_used_at timestamptz, expires_at timestamptz);
INSERT INTO public.personal_access_tokens VALUES
	(17, 'App\Models\User', 4711, 'CI', '7eaaa41356588cd729b0d2fedf8a7b9f6a6e182d1f5f24d9619ba795ffa257ae', '["*"]', NULL, NULL),
	(18, 'App\Models\User', 4711, 'seam', 'ef37756b7cb7795f4eaf11f8c99a2696d658b790282ebea364d973b97446afc0', '["*"]', NULL, NULL);

-- SHA-512 in hex
CREATE TABLE public.old_keys (id bigint, name text, owner text, prefix text, key_hash text);
