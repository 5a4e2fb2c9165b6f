-- The canonical bytes of rows and entries, computed a second time in SQL from their description in canonical.c: every digest in
-- the tables is their SHA-256; that of an entry has a byte 0 before them.
\set ECHO none
\i test/lib/regress.sql

CREATE FUNCTION pg_temp.value_bytes(type text, value text) RETURNS bytea LANGUAGE plpgsql AS
$$
DECLARE
	sent bytea;
	element text;
	elements text[];
BEGIN
	CASE type
	WHEN 'text', 'name', 'jsonb' THEN
		RETURN convert_to(value, 'UTF8');
	WHEN 'bytea' THEN
		RETURN value::bytea;
	WHEN 'uuid' THEN
		RETURN uuid_send(value::uuid);
	WHEN 'integer', 'bigint' THEN
		RETURN int8send(value::bigint);
	WHEN 'timestamp with time zone' THEN
		RETURN timestamptz_send(value::timestamptz);
	WHEN 'interval' THEN
		RETURN interval_send(value::interval);
	WHEN 'inet', 'cidr' THEN
		/* family, bits, is_cidr, length, address; the family as PostgreSQL numbers it */
		sent := inet_send(value::inet);
		RETURN CASE WHEN family(value::inet) = 4 THEN '\x04'::bytea ELSE '\x06' END || substr(sent, 2, 1) || substr(sent, 5);
	WHEN 'text[]', 'cidr[]' THEN
		elements := value::text[];
		sent := int4send(cardinality(elements));
		FOREACH element IN ARRAY elements LOOP
			sent := sent || coalesce(int4send(octet_length(pg_temp.value_bytes(left(type, -2), element)))
				|| pg_temp.value_bytes(left(type, -2), element), '\xffffffff');
		END LOOP;
		RETURN sent;
	END CASE;
END
$$;

-- the row as JSON, since a function cannot take a row of any table apart
CREATE FUNCTION pg_temp.row_bytes(rel regclass, line jsonb, own integer) RETURNS bytea LANGUAGE plpgsql AS
$$
DECLARE
	bytes bytea := '\x02';
	a record;
	value bytea;
	text_value text;
BEGIN
	FOR a IN SELECT attname, format_type(atttypid, NULL) AS type FROM pg_attribute
		WHERE attrelid = rel AND attnum BETWEEN 1 AND own - 1 ORDER BY attnum LOOP
		text_value := CASE WHEN right(a.type, 2) = '[]' AND jsonb_typeof(line -> a.attname) = 'array'
			THEN (SELECT array_agg(e ORDER BY n)::text FROM jsonb_array_elements_text(line -> a.attname) WITH ORDINALITY AS s (e, n))
			WHEN a.type = 'jsonb' THEN nullif(line -> a.attname, 'null')::text
			ELSE line ->> a.attname END;
		CONTINUE WHEN text_value IS NULL OR (a.attname, text_value) IN (('prefix', 'ak'), ('archive_limit', '10'));
		value := pg_temp.value_bytes(a.type, text_value);
		bytes := bytes || substr(int4send(length(a.attname)), 4) || convert_to(a.attname, 'UTF8')
			|| CASE a.type WHEN 'text' THEN 't' WHEN 'name' THEN 't' WHEN 'bytea' THEN 'b' WHEN 'uuid' THEN 'u' WHEN 'integer' THEN 'i'
				WHEN 'bigint' THEN 'i' WHEN 'timestamp with time zone' THEN 'd' WHEN 'interval' THEN 'p' WHEN 'inet' THEN 'n'
				WHEN 'cidr' THEN 'n' WHEN 'jsonb' THEN 'j' WHEN 'text[]' THEN 'T' WHEN 'cidr[]' THEN 'N' END::bytea
			|| int4send(octet_length(value)) || value;
	END LOOP;
	RETURN bytes;
END
$$;

-- rows and entries with everything in them
CREATE ROLE regress_ak_app;
SELECT apikeys.act_as('ann@example.com', 'Platform', '2001:db8::7') \g /dev/null
SET apikeys.actor = 'zoë@example.com';
SET apikeys.client = '192.0.2.7';
SELECT key_id FROM apikeys.create_key(E'All "of" it \\ é 𐍈', '{data,push}', NULL, 'Team', 'customer 7', '2999-01-01', '{192.0.2.0/24,2001:db8::/32}', 5, '1 mon 2 days 3.5 seconds',
	9223372036854775807, 'total', '{"a": [1, 1.50, -0, true, null, "\\ \" \u0007 \n é", {}], "": {"b": []}}') \gset
SELECT count(*) FROM apikeys.create_key('Plain', '{data}');
SELECT count(*) FROM apikeys.regenerate_key(:'key_id', '1 day');
SELECT state FROM apikeys.archive_key(apikeys.key_id('Plain'));
SELECT apikeys.create_workspace('acme', 'Acme', 'acme', 3), apikeys.register_api('billing', 'Billing'), apikeys.add_team_member('ann', 'Ops', 'acme'),
	apikeys.grant_access('regress_ak_app', 'manage', 'acme'), apikeys.grant_access('regress_ak_app', 'view') \g /dev/null
UPDATE apikeys.workspace SET key_limit = 1, default_lifetime = '1 month 2 days', max_lifetime = '1 year', rate_limit = 1, rate_window = '1 hour', leak_action = 'log', prefix = 'acme_live' WHERE workspace = 'acme';

CREATE FUNCTION pg_temp.wrong_digests() RETURNS TABLE (relation text, line jsonb) LANGUAGE sql AS
$$
	SELECT 'key', to_jsonb(t) FROM apikeys.key t WHERE row_digest IS DISTINCT FROM sha256(pg_temp.row_bytes('apikeys.key', to_jsonb(t), 30)) UNION ALL
	SELECT 'workspace', to_jsonb(t) FROM apikeys.workspace t WHERE row_digest IS DISTINCT FROM sha256(pg_temp.row_bytes('apikeys.workspace', to_jsonb(t), 17)) UNION ALL
	SELECT 'api', to_jsonb(t) FROM apikeys.api t WHERE row_digest IS DISTINCT FROM sha256(pg_temp.row_bytes('apikeys.api', to_jsonb(t), 9)) UNION ALL
	SELECT 'team_member', to_jsonb(t) FROM apikeys.team_member t WHERE row_digest IS DISTINCT FROM sha256(pg_temp.row_bytes('apikeys.team_member', to_jsonb(t), 5)) UNION ALL
	SELECT 'access', to_jsonb(t) FROM apikeys.access t WHERE row_digest IS DISTINCT FROM sha256(pg_temp.row_bytes('apikeys.access', to_jsonb(t), 6)) UNION ALL
	SELECT 'audit_log', to_jsonb(t) FROM apikeys.audit_log t WHERE digest IS DISTINCT FROM sha256('\x00'::bytea || pg_temp.row_bytes('apikeys.audit_log', to_jsonb(t), 16))
$$;
SELECT * FROM pg_temp.wrong_digests();
SELECT (SELECT count(*) FROM apikeys.key) AS keys, (SELECT count(*) FROM apikeys.workspace) AS workspaces, (SELECT count(*) FROM apikeys.api) AS apis,
	(SELECT count(*) FROM apikeys.team_member) AS members, (SELECT count(*) FROM apikeys.access) AS accesses, (SELECT count(*) FROM apikeys.audit_log) AS entries;

-- no setting changes them
SET DateStyle = 'German, DMY'; SET TimeZone = 'Pacific/Chatham'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'escape'; SET extra_float_digits = -15;
SELECT count(*) FROM apikeys.create_key('Abroad', '{data}', rate_limit => 1, metadata => '{"n": 1.10}', expires_at => '2999-01-01');
SELECT count(*) FROM pg_temp.wrong_digests();
RESET DateStyle; RESET TimeZone; RESET IntervalStyle; RESET bytea_output; RESET extra_float_digits;
SELECT count(*) FROM pg_temp.wrong_digests();

-- a column that a later version adds, NULL in the rows of before, changes none of them
ALTER TABLE apikeys.audit_log ADD COLUMN later text;
SELECT count(*) FROM pg_temp.wrong_digests();
SELECT pg_temp.wrong();
DROP OWNED BY regress_ak_app;
DROP ROLE regress_ak_app;
