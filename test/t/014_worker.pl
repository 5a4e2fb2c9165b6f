# The background worker: what wakes it, and whose rights it has.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');
install_in($node, 'postgres');
my $key = query($node, 'postgres', "SELECT key FROM apikeys.create_key('one', '{data}')");
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'";

#
# Who wakes one job does not run the others: retention, which reads a table whole, runs when the worker starts and then
# once an hour.
#
query($node, 'postgres', "SELECT (apikeys.validate_key('$key')).code");
ok(wait_for($node, 'postgres', "$workers AND state = 'idle'", '1'), 'the worker has done its first round');
my $scans = "SELECT seq_scan FROM pg_stat_all_tables WHERE relid = 'apikeys.usage'::regclass";
SKIP: {
	skip 'built without libcurl', 2 if ($node->psql('postgres', "SELECT apikeys.email_audit_logs('ann\@example.com')"))[0] != 0;
	ok(wait_for($node, 'postgres', "SELECT seq_scan > 0 FROM pg_stat_all_tables WHERE relid = 'apikeys.usage'::regclass"),
		'in it, retention ran');
	my $before = query($node, 'postgres', $scans);
	for (1 .. 10)
	{
		query($node, 'postgres', "SELECT apikeys.email_audit_logs('ann\@example.com')");
		select(undef, undef, undef, 0.1);
	}
	is(query($node, 'postgres', $scans), $before, 'ten reports that are queued do not run it again');
}

#
# A trigger of another role never runs with the worker's rights, not even one that waits for the commit.
#
my $superusers = "SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname = 'app'";
sub restart_worker
{
	query($node, 'postgres', "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'");
	return;
}

# a table of his refers to one of ours
$node->safe_psql('postgres', q{
CREATE ROLE app LOGIN;
CREATE SCHEMA app AUTHORIZATION app;
GRANT USAGE ON SCHEMA apikeys TO app;
GRANT REFERENCES ON apikeys.usage_hour TO app;
SET ROLE app;
CREATE TABLE app.seen (who text);
CREATE TABLE app.hour (key_id uuid, hour timestamptz, api text, code text, old_secret boolean,
	FOREIGN KEY (key_id, hour, api, code, old_secret) REFERENCES apikeys.usage_hour ON DELETE CASCADE);
CREATE FUNCTION app.climb() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO app.seen VALUES (current_user);
	ALTER ROLE app SUPERUSER;
	RETURN NULL;
EXCEPTION WHEN insufficient_privilege THEN
	INSERT INTO app.seen VALUES (current_user || ' may not');
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER climb AFTER DELETE ON app.hour DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.climb();
RESET ROLE;
INSERT INTO apikeys.usage_hour SELECT k.key_id, timestamptz '2001-01-01', 'data', 'VALID', false, 'default', 1, now(), NULL, 1, 1 FROM apikeys.key k;
INSERT INTO app.hour SELECT key_id, hour, api, code, old_secret FROM apikeys.usage_hour WHERE hour < '2002-01-01';
});
my $old_hours = "SELECT count(*) FROM apikeys.usage_hour WHERE hour < '2002-01-01'";
my $log = -s $node->logfile;
restart_worker();
if ($node->pg_version->major >= 18)
{
	ok(wait_for($node, 'postgres', $old_hours, '0'), 'retention deletes an hour to which a table of app refers');
	is(query($node, 'postgres', 'SELECT * FROM app.seen'), 'app may not', 'the deferred trigger of app runs as app');
	$log = -s $node->logfile;
	$node->safe_psql('postgres', q{
	SET ROLE app;
	CREATE FUNCTION app.defer() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN SET CONSTRAINTS ALL DEFERRED; RETURN OLD; END';
	CREATE TRIGGER defer BEFORE DELETE ON app.hour FOR EACH ROW EXECUTE FUNCTION app.defer();
	RESET ROLE;
	INSERT INTO apikeys.usage_hour SELECT k.key_id, timestamptz '2001-01-01', 'data', 'VALID', false, 'default', 1, now(), NULL, 1, 1 FROM apikeys.key k;
	INSERT INTO app.hour SELECT key_id, hour, api, code, old_secret FROM apikeys.usage_hour WHERE hour < '2002-01-01';
	});
	restart_worker();
	$node->wait_for_log(qr/cannot fire deferred trigger within security-restricted operation/, $log);
}
else
{
	$node->wait_for_log(qr/ERROR: .*table "app.hour" must not act on deletions from "apikeys.usage_hour"/, $log);
	is(query($node, 'postgres', "$old_hours"), '1', 'retention leaves an hour alone to which a table of app refers');
	$node->safe_psql('postgres', 'DROP TABLE app.hour');
	restart_worker();
	ok(wait_for($node, 'postgres', $old_hours, '0'), 'until that is gone');
}
is(query($node, 'postgres', $superusers), '0', 'app is no superuser');

# all our tables were given to him: his triggers run as him
$node->safe_psql('postgres', q{
DROP SCHEMA app CASCADE;
DELETE FROM apikeys.usage_hour WHERE hour < '2002-01-01';
DO $$ DECLARE t regclass; BEGIN
	FOR t IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'apikeys'::regnamespace AND c.relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE %s OWNER TO app', t);
	END LOOP;
END $$;
CREATE TABLE seen (who text);
GRANT INSERT ON seen TO app;
GRANT CREATE ON SCHEMA public TO app;
SET ROLE app;
CREATE FUNCTION climb() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.seen VALUES (current_user);
	ALTER ROLE app SUPERUSER;
	RETURN NULL;
EXCEPTION WHEN insufficient_privilege THEN
	INSERT INTO public.seen VALUES (current_user || ' may not');
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER climb AFTER INSERT OR UPDATE ON apikeys.usage DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION climb();
});
query($node, 'postgres', "SELECT (apikeys.validate_key('$key')).code");
restart_worker();
is(query($node, 'postgres', 'SELECT DISTINCT who FROM seen'), 'app may not', 'a deferred trigger on a table of ours runs as its owner');
is(query($node, 'postgres', $superusers), '0', 'and nobody is a superuser by it');

done_testing();
