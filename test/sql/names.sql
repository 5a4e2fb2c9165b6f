-- Names and other labels: they contain no secret and nothing invisible, and names that look the same are the same.
\set ECHO none
\i test/lib/regress.sql
\set VERBOSITY terse

-- a label in each place where there is one
CREATE FUNCTION pg_temp.places(label text) RETURNS TABLE (place text, said text) LANGUAGE plpgsql AS
$$
DECLARE
	call text;
BEGIN
	FOREACH call IN ARRAY ARRAY[
		'SELECT apikeys.create_key(%L, ''{data}'')',
		'SELECT apikeys.update_key(apikeys.key_id(''Here''), %L)',
		'SELECT apikeys.create_key(''x'', ''{data}'', team => %L)',
		'SELECT apikeys.import_key(''x'', ''{data}'', sha256(''x''), %L)',
		'SELECT apikeys.act_as(%L)',
		'SELECT apikeys.act_as(''x'', %L)',
		'SELECT apikeys.add_team_member(%L, ''x'')',
		'SELECT apikeys.add_team_member(''x'', %L)',
		'SELECT apikeys.register_api(%L)',
		'SELECT apikeys.register_api(''x'', %L)',
		'SELECT apikeys.create_workspace(''x'', %L)'] LOOP
		place := replace(replace(call, '%L', '?'), 'SELECT apikeys.', '');
		SELECT string_agg(r, ' ') INTO said FROM pg_temp.refused(format(call, label)) AS r;
		PERFORM set_config('apikeys.actor', '', true), set_config('apikeys.team', '', true);
		RETURN NEXT;
	END LOOP;
END
$$;
SELECT name FROM apikeys.create_key('Here', '{data}');

-- secrets of ours: whole, embedded, cut, without the prefix, of whatever workspace, alive or not; not one place takes any
SELECT apikeys.create_workspace('acme', prefix => 'acme_live');
CREATE TEMPORARY TABLE ours AS SELECT key FROM apikeys.create_key('One', '{data}') UNION ALL SELECT key FROM apikeys.create_key('Two', '{data}', 'acme');
CREATE TEMPORARY TABLE labels (what text, label text);
INSERT INTO labels SELECT w, l FROM ours, LATERAL (VALUES
	('whole', key), ('embedded', 'Bearer ' || key), ('embedded', 'use "' || key || '".'), ('embedded', 'x' || key || 'x')) AS l (w, l);
-- what is no whole one goes by its look, which one in a few hundred has not
INSERT INTO labels SELECT w, l FROM (VALUES ('ak_Ch9zPRzEBimmAduXrpR3KiuEpoPBB17jLs8nHF9Jtdp1tiAtM'), ('acme_live_z0Bv3N8kQ1yTtW5xRr7LdJ2hGgFfS4aEeMm6UuPpOoIi9YyXxCcVvB1qZ')) AS k (key), LATERAL (VALUES
	('without its checksum', left(key, -6)), ('cut', left(key, -13)), ('without its prefix', right(key, 49)),
	('without its prefix', right(key, 43)), ('mistyped', left(key, -1) || '#'), ('reversed', reverse(key))) AS l (w, l);
SELECT what, place, said FROM labels, pg_temp.places(label)
WHERE said !~ '^22023: [A-Za-z ]+ must not contain a secret$'
ORDER BY 1, 2, 3;
SELECT DISTINCT place, said FROM labels, pg_temp.places(label) ORDER BY 1, 2;
-- behind the default prefix, shorter ones, too
SELECT pg_temp.refused($$SELECT apikeys.create_key('see ak_Ch9zPRzEBimmAduXr', '{data}')$$);

-- what people call things by
SELECT count(key_id) FROM unnest(ARRAY['Partner feed EU', 'ak_production', '550e8400-e29b-41d4-a716-446655440000', encode(sha256('a'), 'hex'),
	upper(encode(sha512('a'), 'hex')) || 'x', '5feceb66ffc86f38d952786c6d696e79c2dbc239dd4e91b46729d73a27fb57e9',
	'01ARZ3NDEKTSV4RRFFQ69G5FAV', 'user_2NNEqL2nrIRdJ194ndJqAHwEfxC', '0ujsswThIGTUYm2K8FjOOfXtY1K', 'AC5ef8732a3c49700934481addd5ce1659',
	'cus_NffrFeUfNV2Hib', 'MyVeryLongServiceAccountNameForProduction2024', 'internationalization_and_localization_of_everything_everywhere',
	'arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_AdministratorAccess',
	'a-service@my-project-123456.iam.gserviceaccount.com', 'auth0|5f7c8ec7c33c6c004bbafe82', 'YXBpa2V5cw==', 'mobile_app_android_16_production_2026']) AS n,
	LATERAL apikeys.create_key(left(n, 100), '{data}');

-- foreign secrets, which look like nothing: imported, they are known, and stand nowhere; short words are words
SELECT name FROM apikeys.import_key('Foreign', '{data}', sha256('3ZjFqXkLw9-nBvRp2YhK'), '3Zj...YhK');
SELECT what, place, said FROM (VALUES ('whole', '3ZjFqXkLw9-nBvRp2YhK'), ('embedded', 'key=3ZjFqXkLw9-nBvRp2YhK;'), ('embedded', 'the (3ZjFqXkLw9-nBvRp2YhK)')) AS l (what, label),
	pg_temp.places(label) WHERE said !~ '^22023: [A-Za-z ]+ must not contain a secret$' ORDER BY 1, 2;
SELECT pg_temp.refused($$SELECT apikeys.key_id('3ZjFqXkLw9-nBvRp2YhK')$$);
SELECT pg_temp.refused($$SELECT apikeys.key_id('x', 'see 3ZjFqXkLw9-nBvRp2YhK')$$);
SELECT pg_temp.refused($$SELECT apikeys.import_key('not yet known-but-soon-1', '{data}', sha256('known-but-soon-1'))$$);
-- old ones are known
SELECT count(*) FROM apikeys.regenerate_key(apikeys.key_id('Foreign'));
SELECT pg_temp.refused($$SELECT apikeys.create_key('3ZjFqXkLw9-nBvRp2YhK', '{data}')$$);
-- an actor who is one is not written down; nobody is kept from archiving by it
BEGIN;
SELECT apikeys.act_as('it is 3ZjFqXkLw9-nBvRp2YhK', 'and 3ZjFqXkLw9-nBvRp2YhK');
SELECT archived_by = session_user AS by_the_role FROM apikeys.archive_key(apikeys.key_id('Foreign'));
SELECT actor = session_user AS by_the_role, team FROM apikeys.audit_logs LIMIT 1;
COMMIT;
-- in another workspace it is nobody's: what others call something can be imported in each
SELECT name FROM apikeys.import_key('Blocks', '{data}', sha256('ann.smith@example.com'), workspace => 'acme');
SELECT name FROM apikeys.create_key('ann.smith@example.com', '{data}');
SELECT pg_temp.refused($$SELECT apikeys.create_key('ann.smith@example.com', '{data}', 'acme')$$);
-- and what stands there already is in no way of a change
SELECT name FROM apikeys.create_key('Teamed', '{data}', 'acme', team => 'the.team.of.ann@example.com');
SELECT name FROM apikeys.import_key('Blocks as well', '{data}', sha256('the.team.of.ann@example.com'), workspace => 'acme');
SELECT name, rate_limit FROM apikeys.update_key(apikeys.key_id('Teamed'), rate_limit => 1);
SELECT state FROM apikeys.archive_key(apikeys.key_id('Teamed'));
SELECT count(*) FROM pg_temp.entries();

-- characters that do not show
SELECT to_hex(c) AS c, string_agg(DISTINCT regexp_replace(said, '(22023: )?(key name|team|hint|actor|API name|description|workspace name) ', ''), ', ') AS said
FROM unnest('{1,7f,9f,ad,34f,61c,115f,17b4,180e,200b,200d,202e,2028,2029,2060,2800,3164,fe00,feff,ffa0,fff0,1d173,e0001,e0100}'::text[]) AS h,
	LATERAL (SELECT ('x' || lpad(h, 8, '0'))::bit(32)::integer) AS v (c), pg_temp.places('a' || chr(c) || 'b')
GROUP BY c ORDER BY c;
-- those that do: Arabic number signs, emoji, marks, private use
SELECT count(key_id) FROM unnest('{600,6dd,70f,110bd,1f511,301,e000}'::text[]) AS h,
	LATERAL apikeys.create_key('shows ' || chr(('x' || lpad(h, 8, '0'))::bit(32)::integer), '{data}');
-- U+FE0F asks for an emoji's coloured form: it is left out of names, and elsewhere refused
SELECT name = U&'\2764' AS left_out FROM apikeys.create_key(U&'\2764\FE0F', '{data}');
SELECT pg_temp.refused($$SELECT apikeys.create_key(U&'\2764', '{data}')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key('x', '{data}', team => U&'\2764\FE0F')$$);
SELECT pg_temp.refused($$SELECT apikeys.create_key(U&'\FE0F', '{data}')$$);

-- every space is trimmed
SELECT '[' || name || ']' AS name FROM apikeys.create_key(U&'\3000\00A0\2003 \0009\000A\0085\1680\202F\205F\2028Spaced\3000out\00A0\2029', '{data}');
SELECT pg_temp.refused($$SELECT apikeys.create_key(U&'\3000\00A0', '{data}')$$);
SELECT apikeys.key_id(U&'\3000spaced out\00A0') = apikeys.key_id('SPACED OUT') AS same;

-- one name: in whatever case, composed or not, with whatever space
SELECT a, b, pg_temp.refused(format('SELECT apikeys.create_key(%L, ''{data}'')', b)) AS said FROM (VALUES
	('Café', U&'CAFE\0301'), ('Straße', 'STRAẞE'), ('Ωμέγα Σίγμας', 'ΩΜΈΓΑ ΣΊΓΜΑΣ'), ('ПЛАТЁЖ', U&'плате\0308ж'), (U&'\212Bngstrom', 'ångstrom'),
	(U&'J\030C', U&'\01F0'), ('Ǆ', 'ǅ'), (U&'\0390', U&'\0399\0308\0301'), ('𐐀', '𐐨'), (U&'a\00A0b', 'A b'), (U&'\1100\1161\11A8', '각'), ('Ꭰ', 'ꭰ')) AS v (a, b),
	LATERAL apikeys.create_key(a, '{data}') ORDER BY a COLLATE "C";
SELECT name, apikeys.key_id(U&'cafe\0301') = key_id AS found FROM apikeys.active_keys WHERE name = 'Café';
-- and others: ß is not ss, i in Turkish is not I, and what only resembles is not the same
SELECT count(key_id) FROM unnest(ARRAY['Strasse', 'ılk', 'ilk', 'İlk', 'CO2', 'CO²', 'Cafe']) AS n, LATERAL apikeys.create_key(n, '{data}');
-- a rename in no more than case is one; the folded name follows, and is nobody's to set
SELECT name FROM apikeys.update_key(apikeys.key_id('Café'), 'CAFÉ');
SELECT pg_temp.refused($$UPDATE apikeys.key SET name_folded = 'x' WHERE name = 'CAFÉ'$$);
SELECT name FROM apikeys.update_key(apikeys.key_id('Café'), 'Tea');
SELECT name_folded FROM apikeys.key WHERE name = 'Tea';

-- reports: who gets one and what is looked for are stored
SELECT pg_temp.refused(format('SELECT apikeys.email_audit_logs(%L)', left(key, 60) || '@example.com')) FROM ours;
SELECT pg_temp.refused(format('SELECT apikeys.email_audit_logs(%L, %L)', 'ann@example.com', 'was it ' || key)) FROM ours;
-- a role's name: it is there or is not, and is not repeated
SELECT pg_temp.refused(format('SELECT apikeys.%s_access(%L, %L)', f, key, 'view')) FROM ours, unnest('{grant,revoke}'::text[]) AS f WHERE key LIKE 'ak\_%' ORDER BY f;
SELECT pg_temp.wrong();
