-- Attack: the caller's own settings. Any role may change settings of the context "user". With each of them, a scenario that
-- uses all functions must leave the same rows and give the same answers.
\set ECHO none
\i test/lib/regress.sql
CREATE ROLE regress_ak_mallory;
SELECT apikeys.grant_access('regress_ak_mallory', 'admin') \g /dev/null
SET jit = off;
CREATE SCHEMA attack AUTHORIZATION regress_ak_mallory;
GRANT USAGE ON SCHEMA attack TO PUBLIC;
SET ROLE regress_ak_mallory;
CREATE TABLE attack.said (run integer, n integer GENERATED ALWAYS AS IDENTITY, what text);
CREATE TABLE attack.setting (run integer GENERATED ALWAYS AS IDENTITY, name text, value text);

-- Notes a row, without what is never the same twice (list_keys() tells the last use as the worker has flushed it); as it is
-- whatever the settings are.
CREATE FUNCTION attack.note(run integer, r anyelement) RETURNS void LANGUAGE sql SET TimeZone = 'UTC' SET DateStyle = 'ISO' SET IntervalStyle = 'postgres' SET bytea_output = 'hex'
	SET standard_conforming_strings = on SET transform_null_equals = off SET extra_float_digits = 1 AS $$
	INSERT INTO attack.said (run, what) SELECT run, regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(to_jsonb(r)::text,
		'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'uuid', 'g'), '\macme\d+', 'acme', 'g'), '20\d\d-\d\d-\d\d[T ][0-9:.]+[+0-9:]*', 'time', 'g'),
		'\mac(_[0-9A-Za-z]+|[.]{3}[0-9A-Za-z]{4})', 'secret', 'g'), '"(audit_id|rate_reset|quota_reset)": \d+', '"\1": 0', 'g'),
		'"last_used_at": (null|"[^"]*")', '"last_used_at": "or never"', 'g')
$$;

CREATE FUNCTION attack.scenario(run integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	w text := 'acme' || run;
	k apikeys.issued_key;
	v apikeys.verdict;
	r record;
	old text;
	call text;
	message text;
BEGIN
	PERFORM apikeys.create_workspace(w, 'Acme', 'ac', 3, 10, interval '30 days', interval '400 days', 1000, interval '300 days'), apikeys.add_team_member('ann', 'red', w);
	PERFORM apikeys.act_as('ann', NULL, '192.0.2.7');
	k := apikeys.create_key('Größe '' 100% ' || w, '{push,data}', w, NULL, 'owner ''1''', NULL, '{192.0.2.0/24,2001:db8::/32}', 5, interval '200 days', 7, 'day',
		jsonb_build_object('a', ARRAY[1.50, NULL], 't', 'ä' || chr(92) || 'b'));
	PERFORM attack.note(run, apikeys.import_key('Imported', '{data}', sha256(convert_to(w, 'UTF8')), 'a…b', w, rate_limit => 3));
	old := k.key;
	PERFORM attack.note(run, apikeys.validate_key(old, 'data', '192.0.2.9', w));
	FOREACH call IN ARRAY ARRAY['key, ''push''', 'key, ''data'', ''198.51.100.1''', 'key || ''x''', '''''', 'NULL', 'key, NULL, ''2001:db8::1'', ''default''', 'key, NULL, ''2001:db8::1'', cost => 100'] LOOP
		EXECUTE format('SELECT v.code FROM (SELECT $1 AS key) AS k, apikeys.validate_key(%s) AS v', call) INTO message USING old;
		PERFORM attack.note(run, message);
	END LOOP;
	v := apikeys.authenticate('Basic ' || translate(encode(convert_to(w || ':' || old, 'UTF8'), 'base64'), chr(10), ''), 'data', '192.0.2.9');
	PERFORM attack.note(run, v), attack.note(run, apikeys.response_headers(v) - '{RateLimit}'::text[]);
	PERFORM attack.note(run, concat_ws(' ', apikeys.current_workspace(), apikeys.current_owner(), apikeys.current_key_metadata(), apikeys.current_key_allows('push'), apikeys.current_key_allows('x')));
	-- what is refused
	FOREACH call IN ARRAY ARRAY['apikeys.update_key(id, expires_at => ''infinity'')', 'apikeys.update_key(id, rate_limit => -1)', 'apikeys.update_key(id, allowed_cidrs => ''{x}'')', 'apikeys.key_id(''nobody'', w)',
		'apikeys.update_key(id, name => ''imported'')', 'apikeys.create_key(''a'', ''{data}'', w, rate_limit => 1, rate_window => interval ''-1 second'')', 'apikeys.list_keys(w, order_by => ''size'')',
		'apikeys.update_key(id, if_updated_at => now())', 'apikeys.purge_audit_logs(now() + interval ''1 day'', w)', 'apikeys.audit_feed(-1, w)'] LOOP
		BEGIN
			EXECUTE format('SELECT count(*) FROM (SELECT $1 AS id, $2 AS w) AS a, %s', call) USING k.key_id, w;
			PERFORM attack.note(run, 'accepted: ' || call);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS message = PG_EXCEPTION_HINT;
			PERFORM attack.note(run, concat_ws(' ', SQLSTATE, SQLERRM, message));
		END;
	END LOOP;
	PERFORM attack.note(run, apikeys.update_key(k.key_id, 'Other', '{data}', 'blue', '', clock_timestamp() + interval '1 day', '{}', 0, NULL, 9, 'week', '{"b": {"c": 1e3}}'));
	k := apikeys.regenerate_key(k.key_id, interval '1 hour', 'it''s old');
	PERFORM attack.note(run, k);
	PERFORM attack.note(run, f) FROM apikeys.find_secrets(concat('x ', old, ' ', k.key, ' ac_', repeat('0', 49))) AS f;
	PERFORM attack.note(run, apikeys.revoke_key(old) = k.key_id), attack.note(run, apikeys.validate_key(old)), attack.note(run, apikeys.validate_key(k.key, 'data'));
	PERFORM attack.note(run, apikeys.disable_key(k.key_id, 'why')), attack.note(run, apikeys.enable_key(k.key_id));
	PERFORM attack.note(run, apikeys.report_leak(jsonb_build_array(jsonb_build_object('token', k.key, 'type', 't', 'url', 'u'))) #> '{0,label}');
	PERFORM attack.note(run, i) FROM apikeys.identify_key(k.key) AS i;
	PERFORM attack.note(run, apikeys.archive_key(apikeys.key_id(' IMPORTED', w), 'gone')), attack.note(run, apikeys.archive_key(k.key_id));
	PERFORM attack.note(run, l) FROM apikeys.list_keys(w, state => 'all', order_by => 'name desc', max_rows => 5) AS l;
	PERFORM attack.note(run, l) FROM apikeys.list_keys(w, 'oth', 'archived', 'data', 'blue', expires_before => clock_timestamp() + interval '2 days', unused_since => clock_timestamp() + interval '1 day') AS l;
	PERFORM attack.note(run, t) FROM apikeys.keys AS t WHERE t.workspace = w;
	PERFORM attack.note(run, t) FROM apikeys.workspaces AS t WHERE t.workspace = w;
	PERFORM attack.note(run, t) FROM (SELECT workspace, key_id, name, api, valid, denied, old_secret FROM apikeys.key_usage) AS t WHERE t.workspace = w ORDER BY name, api;
	PERFORM attack.note(run, a) FROM apikeys.search_audit_logs('OTHER', w, '{red,blue}', '{Update,Delete}', '{ann}', now() - interval '1 day', 'infinity', '{API Keys}') AS a;
	PERFORM attack.note(run, regexp_replace(line, '^[0-9TZ:.+ -]*', '')) FROM apikeys.export_audit_logs(workspace => w) AS line;
	PERFORM attack.note(run, h.detail) FROM apikeys.key_history(k.key_id) AS h;
	PERFORM attack.note(run, f) FROM apikeys.audit_filters(w) AS f;
	PERFORM attack.note(run, f.problem) FROM apikeys.verify_audit_logs(w) AS f WHERE NOT ok;
	PERFORM apikeys.purge_audit_logs(clock_timestamp(), w);
END $$;

-- Runs the scenario under a setting, and undoes it. What is refused as a setting is no attack.
CREATE FUNCTION attack.under(names text[], to_values text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n integer;
	c text;
BEGIN
	INSERT INTO attack.setting (name, value) VALUES (array_to_string(names, ' '), array_to_string(to_values, ' ')) RETURNING run INTO n;
	FOR i IN 1 .. cardinality(names) LOOP
		PERFORM set_config(names[i], to_values[i], true);
	END LOOP;
	PERFORM attack.scenario(n);
	EXECUTE 'RESET ALL; SET jit = off; SET TimeZone = ''UTC''';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS c = PG_EXCEPTION_CONTEXT;
	INSERT INTO attack.setting (name, value) VALUES (array_to_string(names, ' '), array_to_string(to_values, ' ')) RETURNING run INTO n;
	INSERT INTO attack.said (run, what) VALUES (n, concat_ws(' ', SQLSTATE, SQLERRM, c));
END $$;

SELECT attack.under('{application_name}', '{plain}');
SELECT count(*) > 60 AS much FROM attack.said;
-- in a session whose kept statements are parsed under them
\c -
SET jit = off;
SET ROLE regress_ak_mallory;
SELECT attack.under('{transform_null_equals,standard_conforming_strings,backslash_quote,array_nulls,bytea_output,DateStyle,IntervalStyle,TimeZone,quote_all_identifiers,search_path,extra_float_digits,default_transaction_isolation,plan_cache_mode,join_collapse_limit,lc_numeric,lc_monetary,lc_time,xmloption}',
	/* standard_conforming_strings cannot be off any more on PostgreSQL 19 */
	replace('{on,CONFORMING,off,off,escape,"SQL, DMY",sql_standard,Pacific/Kiritimati,on,pg_temp,-15,serializable,force_generic_plan,1,C,C,C,document}',
		'CONFORMING', CASE WHEN current_setting('server_version_num')::integer < 190000 THEN 'off' ELSE 'on' END)::text[]);
-- each flag turned over, each value of each enumeration, and some of the others
SELECT count(attack.under(ARRAY[name], ARRAY[value])) > 60 AS many FROM (
	SELECT name, CASE setting WHEN 'on' THEN 'off' ELSE 'on' END AS value FROM pg_settings WHERE context = 'user' AND vartype = 'bool'
		AND (name <> 'standard_conforming_strings' OR current_setting('server_version_num')::integer < 190000)
	UNION ALL SELECT name, unnest(enumvals) FROM pg_settings WHERE context = 'user' AND vartype = 'enum'
	UNION ALL VALUES ('work_mem', '64kB'), ('hash_mem_multiplier', '1'), ('DateStyle', 'German'), ('DateStyle', 'SQL, MDY'), ('TimeZone', 'America/St_Johns'), ('TimeZone', '<+13:37>-13:37'),
		('extra_float_digits', '-15'), ('from_collapse_limit', '1'), ('cpu_tuple_cost', '1e30'), ('random_page_cost', '0'), ('cursor_tuple_fraction', '0'), ('geqo_threshold', '2'), ('timezone_abbreviations', 'India'),
		('default_tablespace', ''), ('temp_buffers', '100'), ('gin_fuzzy_search_limit', '1'), ('tcp_user_timeout', '1'), ('commit_siblings', '1000')) AS s
WHERE name !~ '^(apikeys\.|transaction_|exit_on_error|client_min_messages|default_transaction_read_only|trace_|jit|debug_(print|pretty)|client_connection)';
SELECT s.name, s.value, d.what, d.has FROM attack.setting s, LATERAL (
	(SELECT what, 'only under it' AS has FROM attack.said WHERE run = s.run EXCEPT ALL SELECT what, 'only under it' FROM attack.said WHERE run = 1)
	UNION ALL (SELECT what, 'not under it' FROM attack.said WHERE run = 1 EXCEPT ALL SELECT what, 'not under it' FROM attack.said WHERE run = s.run)) AS d WHERE s.run > 1 ORDER BY s.run, d.has, d.what LIMIT 40;
RESET ROLE;
CALL apikeys.sequence_audit_logs();
SELECT workspace, problem FROM apikeys.verify_audit_logs() WHERE NOT ok;
SET client_min_messages = warning;
DROP SCHEMA attack CASCADE;
DROP OWNED BY regress_ak_mallory;
DROP ROLE regress_ak_mallory;
