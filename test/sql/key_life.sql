-- A key between its creation and its end: disabled, enabled, revoked by a holder of its secret, each with a reason; and what is
-- refused.
\set ECHO none
\i test/lib/regress.sql
CREATE FUNCTION pg_temp.said() RETURNS TABLE (action text, activity text, changes text) LANGUAGE sql AS
$$
	SELECT action, activity, regexp_replace(changes::text, '"[0-9]{4}-[0-9]{2}-[0-9]{2}T[^"]*"', '"<time>"', 'g') FROM pg_temp.entries()
$$;
CREATE FUNCTION pg_temp.codes(VARIADIC keys text[]) RETURNS text LANGUAGE sql AS
$$
	SELECT string_agg(v.code || CASE WHEN v.old_valid_until IS NULL THEN '' ELSE ' (old)' END, ', ' ORDER BY n)
	FROM unnest(keys) WITH ORDINALITY AS u (k, n), apikeys.validate_key(k) AS v
$$;

-- disabled: both secrets stop, an overlap's clock runs on, the rest of the key stays; enabled: all is as it was
SELECT key AS first, key_id FROM apikeys.create_key('Paused', '{data,push}', owner => 'customer 7', expires_at => '2999-01-01', rate_limit => 3, quota => 5) \gset
SELECT state, quota, quota_period, quota_used, disabled_at, last_used_at FROM apikeys.key_details(:'key_id');
SELECT key AS second, state FROM apikeys.regenerate_key(:'key_id', '1 day', 'moving to a new host') \gset
SELECT old_valid_until AS until FROM apikeys.key_details(:'key_id') \gset
SELECT name, state, disabled_at >= created_at AS since, disabled_by = session_user AS by_me, updated_at, old_valid_until = :'until' AS overlap, expires_at
FROM apikeys.disable_key(:'key_id', 'The customer''s invoice is open.');
SELECT state FROM apikeys.key_details(:'key_id');
SELECT state FROM apikeys_internal.key_rows WHERE key_id = :'key_id';
-- once more is nothing: who did it first stays, and no entry tells of it
SET apikeys.actor = 'somebody else';
SELECT disabled_by = session_user AS by_me FROM apikeys.disable_key(:'key_id', 'again');
RESET apikeys.actor;
-- what is paused can be edited and regenerated
SELECT state, owner FROM apikeys.update_key(:'key_id', owner => 'customer 8');
SELECT name, state, disabled_at, disabled_by, updated_by = session_user AS by_me FROM apikeys.enable_key(:'key_id', 'Paid.');
SELECT state FROM apikeys.enable_key(:'key_id');
SELECT pg_temp.codes(:'first', :'second');
SELECT * FROM pg_temp.said() \gx

-- enabling a key that has expired succeeds
SELECT key AS expired, key_id AS expired_id FROM apikeys.create_key('Expired', '{data}') \gset
SELECT state FROM apikeys.disable_key(:'expired_id');
SELECT state FROM apikeys.update_key(:'expired_id', expires_at => '2000-01-01');
SELECT state, expires_at FROM apikeys.enable_key(:'expired_id');
SELECT pg_temp.codes(:'expired');

-- archiving ends an overlap; a disabled key can be archived, and says of both
SELECT state FROM apikeys.disable_key(:'key_id');
SELECT state, old_valid_until, disabled_at < archived_at AS disabled_before FROM apikeys.archive_key(:'key_id', 'The project is over.');
SELECT * FROM pg_temp.said() \gx
SELECT pg_temp.refused(format('SELECT apikeys.disable_key(%L)', :'key_id'));
SELECT pg_temp.refused(format('SELECT apikeys.enable_key(%L)', :'key_id'));
SELECT pg_temp.refused(format('SELECT apikeys.archive_key(%L, %L)', :'key_id', 'again'));
SELECT pg_temp.refused(format('SELECT apikeys.regenerate_key(%L)', :'key_id'));
SELECT pg_temp.refused(format('SELECT apikeys.end_overlap(%L)', :'key_id'));

-- reasons: a short text that can be shown, and no secret; '' and NULL are none
SELECT key AS secret, key_id FROM apikeys.create_key('Reasons', '{data}') \gset
SELECT count(*) FROM apikeys.import_key('Foreign', '{data}', sha256('a_foreign_secret_long'));
SELECT f, pg_temp.refused(format('SELECT apikeys.%s(%L, reason => %L)', f, :'key_id', r.reason))
FROM unnest('{disable_key,archive_key,regenerate_key}'::text[]) AS f, (VALUES (E'two\nlines'), (E'in\u200bvisible'), ('was a_foreign_secret_long, I think')) AS r (reason);
SELECT pg_temp.refused(format('SELECT apikeys.archive_key(%L, %L)', :'key_id', 'pasted ' || :'secret'));
SELECT pg_temp.refused(format('SELECT apikeys.archive_key(%L, %L)', :'key_id', repeat('x', 501)));
SELECT count(*) FROM pg_temp.entries();
SELECT state FROM apikeys.disable_key(:'key_id', '');
SELECT state FROM apikeys.enable_key(:'key_id', NULL);
SELECT changes FROM pg_temp.said();

-- revoke_key: possession is the permission
SELECT key AS first, key_id FROM apikeys.create_key('Revoked', '{data}') \gset
SELECT key AS second FROM apikeys.regenerate_key(:'key_id', '1 day') \gset
CREATE ROLE regress_ak_gateway;
SELECT apikeys.grant_access('regress_ak_gateway', 'validate') \g /dev/null
SELECT count(*) >= 0 AS read FROM pg_temp.entries();
SET ROLE regress_ak_gateway;
-- an old secret within its overlap ends the overlap
SELECT apikeys.revoke_key(:'first', 'found in a log') = :'key_id' AS revoked;
RESET ROLE;
SELECT state, old_valid_until, key_id = :'key_id' AS same FROM apikeys.key_details(:'key_id');
SELECT pg_temp.codes(:'first', :'second');
SET ROLE regress_ak_gateway;
SELECT apikeys.revoke_key(:'first') AS dead;
-- the current one archives the key
SELECT apikeys.revoke_key(:'second') = :'key_id' AS revoked;
SELECT apikeys.revoke_key(k) FROM (VALUES (:'first'), (:'second'), ('ak_' || repeat('0', 43) || '2PL60u'), (left(:'second', -1)), ('nobody''s'), (''), (NULL), (E'\x01')) AS s (k);
RESET ROLE;
SELECT state FROM apikeys.key_details(:'key_id');
SELECT * FROM pg_temp.said() \gx
-- a disabled and an expired key have a holder, too; a foreign one needs no more than its text
SELECT state FROM apikeys.disable_key(apikeys.key_id('Foreign'));
SELECT apikeys.revoke_key('a_foreign_secret_long') = key_id AS revoked, state FROM apikeys.identify_key('a_foreign_secret_long');
SELECT apikeys.revoke_key(:'expired') = :'expired_id' AS revoked;
SELECT name, state FROM apikeys.identify_key('a_foreign_secret_long');
SELECT pg_temp.refused(format('SELECT apikeys.revoke_key(%L, %L)', :'secret', E'\n'));
-- not another workspace's
SELECT apikeys.create_workspace('acme'), apikeys.create_workspace('rival') \g /dev/null
SELECT key AS theirs FROM apikeys.create_key('Theirs', '{data}', 'rival') \gset
SELECT apikeys.revoke_access('regress_ak_gateway', 'validate'), apikeys.grant_access('regress_ak_gateway', 'validate', 'acme') \g /dev/null
SET ROLE regress_ak_gateway;
SELECT apikeys.revoke_key(:'theirs') AS theirs;
RESET ROLE;
SET apikeys.workspace = 'acme';
SELECT apikeys.revoke_key(:'theirs') AS theirs;
RESET apikeys.workspace;
SELECT name, state FROM apikeys.identify_key(:'theirs');

-- direct SQL obeys the same rules, and gets the same entries
SELECT key_id FROM apikeys.create_key('Direct', '{data}') \gset
SELECT count(*) >= 0 AS read FROM pg_temp.entries();
UPDATE apikeys.key SET disabled_at = '1999-01-01' WHERE key_id = :'key_id';
SELECT state, disabled_at > '2020-01-01' AS now, disabled_by = session_user AS by_me, updated_at FROM apikeys.key_details(:'key_id');
SELECT pg_temp.refused(format('UPDATE apikeys.key SET disabled_at = now() WHERE key_id = %L', :'key_id'));
SELECT pg_temp.refused(format('UPDATE apikeys.key SET disabled_by = %L WHERE key_id = %L', 'nobody', :'key_id'));
UPDATE apikeys.key SET disabled_at = NULL, name = 'Direct 2' WHERE key_id = :'key_id';
SELECT state, name, disabled_by, updated_at IS NOT NULL AS updated FROM apikeys.key_details(:'key_id');
SELECT * FROM pg_temp.said() \gx
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash, disabled_at) VALUES ('bad', '{data}', 'default', sha256('bad'), now())$$);
SELECT pg_temp.refused($$INSERT INTO apikeys.key (name, apis, workspace, key_hash, disabled_by) VALUES ('bad', '{data}', 'default', sha256('bad'), 'me')$$);
-- a trigger of somebody's that suppresses the change is told of
CREATE FUNCTION pg_temp.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER zz BEFORE UPDATE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION pg_temp.no();
SELECT pg_temp.refused(format('SELECT apikeys.disable_key(%L)', :'key_id'));
SELECT pg_temp.refused(format('SELECT apikeys.update_key(%L, %L)', :'key_id', 'other'));
DROP TRIGGER zz ON apikeys.key;
SELECT * FROM pg_temp.wrong();

DROP OWNED BY regress_ak_gateway;
DROP ROLE regress_ak_gateway;
