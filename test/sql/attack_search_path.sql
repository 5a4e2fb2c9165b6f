-- Attack: functions, operators, types and relations of the attacker come first in search_path while the extension's code runs
-- as its owner, a superuser. Each of them reports when it is used.
SET client_min_messages = warning; DROP EXTENSION IF EXISTS apikeys CASCADE; RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE ROLE regress_ak_mallory;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_ak_mallory', current_database()); END $$;
SET ROLE regress_ak_mallory;
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.shout(what text) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN
	RAISE EXCEPTION 'ATTACK: % ran as %', what,
		CASE WHEN current_user OPERATOR(pg_catalog.=) 'regress_ak_mallory' THEN 'mallory' ELSE 'somebody else' END;
END $$;

-- A shadow of every operator and every function of pg_catalog that our statements could mean.
DO $$
DECLARE
	ours CONSTANT pg_catalog.regtype[] = '{text,name,bytea,bool,int2,int4,int8,uuid,jsonb,json,timestamptz,interval,inet,cidr,oid,
		regclass,regproc,regnamespace,float8,numeric,"char",aclitem,text[],name[],int8[],bytea[],cidr[],aclitem[],
		anyelement,anyarray,anycompatible,anycompatiblearray,anynonarray}';
	o record;
	n integer = 0;
BEGIN
	FOR o IN
		SELECT oprname, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result
		FROM pg_operator
		WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprresult <> 0
		AND (oprleft = 0 OR oprleft = ANY (ours)) AND oprright = ANY (ours)
	LOOP
		n := n + 1;
		EXECUTE format('CREATE FUNCTION hostile.op_%s(%s) RETURNS %s LANGUAGE plpgsql AS '
			'''BEGIN PERFORM hostile.shout(''''operator %s''''); END''', n,
			concat_ws(', ', CASE WHEN o.l <> 0 THEN o.l END, o.r), o.result, o.oprname);
		EXECUTE format('CREATE OPERATOR hostile.%s (FUNCTION = hostile.op_%s%s, RIGHTARG = %s)', o.oprname, n,
			CASE WHEN o.l <> 0 THEN ', LEFTARG = ' || o.l END, o.r);
	END LOOP;
	FOR o IN
		SELECT DISTINCT proname, proargtypes, pg_get_function_result(oid) AS result,
			(SELECT string_agg(format_type(u.t, NULL), ', ' ORDER BY u.place) FROM unnest(proargtypes::oid[]) WITH ORDINALITY AS u (t, place)) AS args
		FROM pg_proc
		WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a') AND NOT proretset
		AND proargtypes::oid[] <@ ours::oid[] AND prorettype = ANY (ours)
		AND proname !~ '(in|out|recv|send|_ops|sel|hash|sortsupport)$' AND provariadic = 0
	LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql AS '
				'''BEGIN PERFORM hostile.shout(%s); END''', o.proname, o.args, o.result,
				replace(quote_literal('function ' || o.proname), '''', ''''''));
			n := n + 1;
		EXCEPTION WHEN duplicate_function OR invalid_function_definition THEN
			NULL;
		END;
	END LOOP;
	IF n < 1000 THEN
		RAISE EXCEPTION 'only % shadows', n;
	END IF;
END $$;

-- The same for types and relations, in the schema and in pg_temp, which is searched even when nobody names it.
DO $$
DECLARE
	name pg_catalog.text;
BEGIN
	FOREACH name IN ARRAY '{pg_roles,pg_proc,pg_class,pg_type,pg_namespace,pg_authid,pg_auth_members,pg_extension,
		pg_database,pg_attribute,key,workspace,api,access,team_member,audit_log,audit_tree,key_rows,active_in_sight,active_keys,
		archived_in_sight,archived_keys,apis,audit_logs}'::pg_catalog.text[]
	LOOP
		EXECUTE format('CREATE VIEW hostile.%I AS SELECT hostile.shout(%L)', name, 'relation ' || name);
		EXECUTE format('CREATE TEMP VIEW %I AS SELECT hostile.shout(%L)', name, 'relation ' || name);
	END LOOP;
	FOREACH name IN ARRAY '{uuid,jsonb,bytea,timestamptz,inet,cidr,regclass,regproc,regnamespace,oid,name,text}'::pg_catalog.text[]
	LOOP
		EXECUTE format('CREATE DOMAIN hostile.%I AS pg_catalog.%1$I CHECK (hostile.shout(%L))', name, 'type ' || name);
		EXECUTE format('CREATE DOMAIN pg_temp.%I AS pg_catalog.%1$I CHECK (hostile.shout(%L))', name, 'type ' || name);
	END LOOP;
END $$;
GRANT USAGE ON SCHEMA hostile TO PUBLIC;
RESET ROLE;

-- The traps work.
SET search_path = pg_temp, hostile, pg_catalog;
SELECT 'a'::pg_catalog.text = 'b'::pg_catalog.text;
SELECT lower('A'::pg_catalog.text);
SELECT NULLIF('a'::pg_catalog.text, 'b'::pg_catalog.text);
SELECT 'a'::text;
SELECT * FROM key;

-- Before the extension is there: the script.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pgcrypto SCHEMA public;
CREATE EXTENSION apikeys;
-- what is internal must hold where its schema does not keep roles out
GRANT USAGE ON SCHEMA apikeys_internal TO PUBLIC;
SELECT apikeys.grant_access('regress_ak_mallory', 'admin');

-- After: every function and view, by one who may do everything but is no superuser.
SET ROLE regress_ak_mallory;
SELECT apikeys.act_as('mallory', 'red', '192.0.2.1');
SELECT apikeys.create_workspace('blue', 'Blue', 'bl', 2);
SELECT apikeys.update_workspace('blue', archive_limit => 1);
SELECT apikeys.register_api('billing', 'Bills');
SELECT apikeys.unregister_api('billing');
SELECT apikeys.register_api('billing');
SELECT apikeys.unregister_api('nobody');
SELECT apikeys.add_team_member('mallory', 'red', 'blue');
SELECT apikeys.add_team_member('mallory', 'green', 'blue');
SELECT apikeys.add_team_member('eve', 'green', 'blue');
SELECT apikeys.remove_team_member('eve', 'blue');
SELECT apikeys.grant_access('regress_ak_mallory', 'view', 'blue');
SELECT apikeys.revoke_access('regress_ak_mallory', 'view', 'blue');

SELECT key_id AS one, key AS secret FROM apikeys.create_key('One', '{push,data}', 'blue', 'red', 'owner', 'infinity', '{192.0.2.0/24,::1}', 5,
	'1 hour', 7, 'day', '{"a": [1, {"b": null}]}') \gset
SELECT state FROM apikeys.import_key('Two', '{data}', pg_catalog.sha256('two'), 't…o', 'blue');
SELECT state FROM apikeys.import_key('Three', '{data}', pg_catalog.sha256('two'), 't…o', 'blue');
SELECT state FROM apikeys.create_key('ONE', '{data}', 'blue');
SELECT state FROM apikeys.create_key('Four', '{data,nothing}', 'blue');
SELECT access, apis FROM apikeys.update_key(:'one', 'Uno', '{data,segmentation,push,billing}', '', '', 'infinity', '{}', 0, NULL, 0, NULL, '{}');
SELECT name FROM apikeys.update_key(:'one', rate_limit => 7);
SELECT name FROM apikeys.update_key(:'one');
SELECT name FROM apikeys.regenerate_key(:'one', '1 hour');
SELECT name FROM apikeys.end_overlap(:'one');
SELECT key AS secret FROM apikeys.regenerate_key(:'one', '1 day') \gset
SELECT name, hint FROM apikeys.key_details(apikeys.key_id('TWO', 'blue'));
SELECT name FROM apikeys.key_details(apikeys.key_id('uno'));
SELECT name FROM apikeys.identify_key(:'secret');
SELECT code FROM apikeys.validate_key(:'secret', 'data', '192.0.2.9', 'blue');
SELECT code FROM apikeys.validate_key('no such key', 'data', '192.0.2.9', 'blue');
SELECT code, apikeys.current_workspace(), apikeys.current_key_allows('data'), apikeys.current_key() IS NULL
FROM apikeys.authenticate('Bearer two', 'data');
SELECT state FROM apikeys.archive_key(:'one');
SELECT state FROM apikeys.archive_key(apikeys.key_id('Two'));

SELECT name FROM apikeys.active_keys;
SELECT name FROM apikeys.archived_keys;
SELECT api FROM apikeys.apis;
SELECT activity FROM apikeys.audit_logs;
-- the worker failed while the extension was renamed, and pauses now
CALL apikeys.sequence_audit_logs();
SELECT workspace, ok FROM apikeys.verify_audit_logs();
SELECT workspace, ok FROM apikeys.verify_audit_logs('blue', ARRAY(SELECT note FROM apikeys.audit_checkpoint('blue')));
SELECT workspace, ok FROM apikeys.verify_audit_logs(checkpoints => '{x}');
SELECT apikeys_internal.visible_workspaces('audit');
SELECT activity FROM apikeys.search_audit_logs('uno', 'blue', NULL, '{Update,Create}', ARRAY['mallory', :'USER', 'regress_ak_mallory'], '2001-01-01', 'infinity',
	'{API Keys}', :'one', 3, 1000000);
SELECT pg_catalog.count(line) OPERATOR(pg_catalog.>) 1 AS lines FROM apikeys.export_audit_logs('created', 'blue') AS line;
SELECT pg_catalog.count(*) FROM apikeys.search_audit_logs('100% _ \ sure');
SELECT apikeys.flush_usage() IS NOT NULL AS flushed;
SELECT name, valid, denied FROM apikeys.key_usage;
SELECT name, valid, denied FROM apikeys.usage_history ORDER BY name;
SELECT workspace, code, count FROM apikeys.denials ORDER BY code;
SELECT pg_catalog.count(line) FROM apikeys.archived_keys AS k, apikeys.usage_chart(k.key_id, '2 hours') AS line;
SELECT pg_catalog.length(version) OPERATOR(pg_catalog.>) 0 AS version FROM apikeys.status();
SELECT pg_catalog.count(*) FROM apikeys.reports;
SELECT apikeys.release_report('00000000-0000-4000-8000-000000000000');
SELECT apikeys.purge_audit_logs(pg_catalog.clock_timestamp(), 'blue') OPERATOR(pg_catalog.>) 0 AS purged;
SELECT workspace, ok, problem FROM apikeys.verify_audit_logs('blue');
SELECT apikeys.purge_audit_logs(pg_catalog.clock_timestamp(), '') OPERATOR(pg_catalog.>) 0 AS purged;

-- An error in the midst of our statements gives user and path back: to a subtransaction, and to the session.
DO $$
BEGIN
	PERFORM apikeys.create_key('Nothing', '{data}', 'blue', allowed_cidrs => '{192.0.2.1}', rate_limit => -1);
EXCEPTION WHEN invalid_parameter_value THEN
	RAISE WARNING '%: % with %', sqlerrm, current_user, pg_catalog.current_setting('search_path');
END $$;
SELECT apikeys.create_key('Nothing', '{nothing}', 'blue');
SELECT current_user, pg_catalog.current_setting('search_path');
DO $$
BEGIN
	FOR i IN 1 .. 20 LOOP
		BEGIN
			PERFORM apikeys.create_key('Nothing', '{nothing}', 'blue');
		EXCEPTION WHEN undefined_object THEN
			PERFORM apikeys.update_workspace('blue', name => pg_catalog.format('Blue %s', i));
		END;
	END LOOP;
	RAISE WARNING '% with %', current_user, pg_catalog.current_setting('search_path');
END $$;

-- Triggers of the database's owner run with our owner's rights there: not with the caller's path. One on a table that
-- refers to ours sets the path; our statements after it go on under their own.
RESET ROLE;
CREATE FUNCTION public.look() RETURNS pg_catalog.trigger LANGUAGE plpgsql AS $$
BEGIN
	IF lower(NEW.name) = 'never' THEN
		RETURN NULL;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER look BEFORE INSERT OR UPDATE ON apikeys.key FOR EACH ROW EXECUTE FUNCTION public.look();
CREATE FUNCTION public.set_path() RETURNS pg_catalog.trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_catalog.set_config('search_path', 'pg_temp, hostile, pg_catalog', false);
	RETURN NULL;
END $$;
CREATE TABLE public.child (key_id pg_catalog.uuid REFERENCES apikeys.key ON DELETE CASCADE);
CREATE TRIGGER set_path AFTER DELETE ON public.child FOR EACH ROW EXECUTE FUNCTION public.set_path();
CREATE TABLE public.strict_child (key_id pg_catalog.uuid REFERENCES apikeys.key);
SET ROLE regress_ak_mallory;
SELECT apikeys.update_workspace('blue', archive_limit => 5);
SELECT name, state FROM apikeys.archive_key((SELECT key_id FROM apikeys.create_key('Watched 1', '{data}', 'blue')));
SELECT name, state FROM apikeys.archive_key((SELECT key_id FROM apikeys.create_key('Watched 2', '{data}', 'blue')));
SELECT name, state FROM apikeys.archive_key((SELECT key_id FROM apikeys.create_key('Watched 3', '{data}', 'blue')));
SELECT name, state FROM apikeys.archive_key((SELECT key_id FROM apikeys.create_key('Watched 4', '{data}', 'blue')));
SELECT name, state FROM apikeys.archive_key((SELECT key_id FROM apikeys.create_key('Watched 5', '{data}', 'blue')));
RESET ROLE;
INSERT INTO public.strict_child SELECT key_id FROM apikeys.key WHERE name OPERATOR(pg_catalog.=) 'Watched 1';
INSERT INTO public.child SELECT key_id FROM apikeys.key WHERE name OPERATOR(pg_catalog.=) 'Watched 3';
-- all together cannot be dropped, and then one by one, the last first: after Watched 3 the path is another
SET ROLE regress_ak_mallory;
SET client_min_messages = error; -- the warning shows an id
SELECT apikeys.update_workspace('blue', archive_limit => 1);
SET client_min_messages = warning;
SHOW search_path;
SELECT name FROM apikeys.archived_keys WHERE workspace OPERATOR(pg_catalog.=) 'blue';
RESET ROLE;
SELECT pg_catalog.count(*) FROM public.child;
DROP TABLE public.strict_child;
DROP TABLE public.child;
DROP TRIGGER look ON apikeys.key;
DROP FUNCTION public.look(), public.set_path();

-- Direct SQL by the owner under the same path: triggers, constraints, index expressions.
SET apikeys.notify = on;
INSERT INTO apikeys.key (name, apis, workspace, key_hash) VALUES ('Direct', '{data}', 'default', pg_catalog.sha256('direct'));
UPDATE apikeys.key SET name = 'Direct 2' WHERE name OPERATOR(pg_catalog.=) 'Direct';
UPDATE apikeys.key SET archived_at = pg_catalog.now() WHERE name OPERATOR(pg_catalog.=) 'Direct 2';
-- A log that does not verify is searched by other statements.
CALL apikeys.sequence_audit_logs();
ALTER TABLE apikeys.audit_tree DISABLE TRIGGER guard;
DELETE FROM apikeys.audit_tree WHERE workspace OPERATOR(pg_catalog.=) 'default';
ALTER TABLE apikeys.audit_tree ENABLE TRIGGER guard;
SET ROLE regress_ak_mallory;
SELECT ok, problem FROM apikeys.verify_audit_logs('default');
RESET ROLE;
SELECT apikeys.revoke_access('regress_ak_mallory', 'admin');

RESET search_path;
RESET apikeys.notify;
RESET client_min_messages;
-- A temporary object of a name that pg_catalog has stands behind it only if pg_temp is named last.
DISCARD TEMP;

-- Somebody made the schema first, to own what is created in it.
SET client_min_messages = warning; DROP EXTENSION apikeys CASCADE; RESET client_min_messages;
SET ROLE regress_ak_mallory;
CREATE SCHEMA apikeys;
CREATE FUNCTION apikeys.create_key(text, text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'mine'::text $$;
RESET ROLE;
CREATE EXTENSION apikeys;
SELECT count(*) FROM pg_extension WHERE extname = 'apikeys';
DROP SCHEMA apikeys CASCADE;

-- Somebody made pgcrypto first, to drop it, and apikeys with it; or CASCADE puts it into a schema of his.
SET client_min_messages = warning;
DROP EXTENSION pgcrypto CASCADE;
SET ROLE regress_ak_mallory;
CREATE SCHEMA his;
CREATE EXTENSION pgcrypto SCHEMA his;
RESET ROLE;
CREATE EXTENSION apikeys;
DROP EXTENSION pgcrypto;
CREATE EXTENSION pgcrypto SCHEMA his;
CREATE EXTENSION apikeys;
DROP EXTENSION pgcrypto;
SET search_path = his, pg_catalog;
CREATE EXTENSION apikeys CASCADE;
RESET search_path;
-- what he adds to it is not taken for its own
CREATE EXTENSION pgcrypto SCHEMA public;
CREATE EXTENSION apikeys;
CREATE FUNCTION his.dearmor(text) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN PERFORM hostile.shout('dearmor'); END $$;
ALTER EXTENSION pgcrypto ADD FUNCTION his.dearmor(text);
DO $$
BEGIN
	PERFORM apikeys.email_audit_logs('ann@example.com', encrypt_to => '-----BEGIN PGP PUBLIC KEY BLOCK-----');
EXCEPTION
	WHEN invalid_parameter_value THEN	-- pgcrypto's own had a look
	WHEN feature_not_supported THEN		-- built without libcurl
END $$;
ALTER EXTENSION pgcrypto DROP FUNCTION his.dearmor(text);

DROP SCHEMA his CASCADE;
DROP SCHEMA hostile CASCADE;
RESET client_min_messages;
DROP OWNED BY regress_ak_mallory;
DROP ROLE regress_ak_mallory;
