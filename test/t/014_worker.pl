# The background worker: what wakes it, and with whose rights it runs.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "apikeys.flush_interval = '1s'\n");
install_in($node, 'postgres');
my $key = query($node, 'postgres', "SELECT key FROM apikeys.create_key('one', '{data}')");
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'";

#
# Who wakes one job does not run the others: retention, which reads a table whole, runs when the worker starts and then
# once an hour.
#
query($node, 'postgres', "SELECT (apikeys.validate_key('$key')).code");
my $other = session($node, 'postgres');    # while it is there, the worker stays
$other->run('SELECT 1');
ok(wait_for_round($node, 'postgres'), 'the worker has done its first round');
my $scans = "SELECT seq_scan FROM pg_stat_all_tables WHERE relid = 'apikeys_internal.usage'::regclass";
SKIP: {
	skip 'built without libcurl', 2 if ($node->psql('postgres', "SELECT apikeys.email_audit_logs('ann\@example.com')"))[0] != 0;
	ok(wait_for($node, 'postgres', "SELECT seq_scan > 0 FROM pg_stat_all_tables WHERE relid = 'apikeys_internal.usage'::regclass"),
		'in it, retention ran');
	my $before = query($node, 'postgres', $scans);
	for (1 .. 10)
	{
		query($node, 'postgres', "SELECT apikeys.email_audit_logs('ann\@example.com')");
		select(undef, undef, undef, 0.1);
	}
	is(query($node, 'postgres', $scans), $before, 'ten reports that are queued do not run it again');
}
$other->quit;

# A worker that runs its jobs from now on.  The first statement starts one if the last one has left, for want of work.
sub restart_worker
{
	$node->psql('postgres', 'SELECT worker FROM apikeys.status()');
	query($node, 'postgres', "SELECT count(pg_terminate_backend(pid, 180000)) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'");
	return;
}

#
# Whatever a database's owner sets for it, its worker works: a flush that takes longer than the timeouts, and one that fails.
#
my $newer = server_major($node) >= 17;
my @settings = ('exit_on_error = on', 'role = pg_monitor', 'transform_null_equals = on',
	'statement_timeout = 1000', 'idle_in_transaction_session_timeout = 1000', 'default_transaction_read_only = on',
	'default_transaction_isolation = serializable', 'search_path = public', 'jit_above_cost = 0', 'array_nulls = off',
	# PostgreSQL 19 knows no other strings
	server_major($node) < 19 ? 'standard_conforming_strings = off' : (),
	$newer ? ('transaction_timeout = 1000', "restrict_nonsystem_relation_kind = 'view'") : ());
$node->safe_psql('postgres', 'CREATE DATABASE hostile');
install_in($node, 'hostile');
my $hostile = query($node, 'hostile', "SELECT key FROM apikeys.create_key('one', '{data}')");
$node->safe_psql('hostile', q{
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN PERFORM pg_catalog.pg_sleep(1.5); IF NEW.code = 'REGENERATED' THEN RAISE 'not today'; END IF; RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON apikeys_internal.usage FOR EACH ROW EXECUTE FUNCTION slow()});
$node->safe_psql('postgres', join ';', map { "ALTER DATABASE hostile SET $_" } @settings);
sub in_hostile
{
	local $ENV{PGOPTIONS} = join ' ', map { "-c $_" } 'role=none', 'search_path=pg_catalog', $newer ? 'restrict_nonsystem_relation_kind=' : ();
	return (run_code([ 'psql', '-qXAt', '-d', $node->connstr('hostile'), '-c', $_[0] ]))[1];
}
restart_worker();
$other = session($node, 'hostile');
$other->run('SELECT 1');
is(in_hostile("SELECT code FROM apikeys.validate_key('$hostile')"), "VALID\n", 'a request');
my $worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'apikeys worker' AND datname = 'hostile'";
ok(wait_for($node, 'postgres', "SELECT count(*) FROM ($worker) AS s", '1'), 'with hostile settings, a worker');
my $pid = query($node, 'postgres', $worker);
for (1 .. 1800)
{
	last if in_hostile("SELECT sum(count) FROM apikeys_internal.usage WHERE code = 'VALID'") eq "1\n";
	select(undef, undef, undef, 0.1);
}
is(in_hostile("SELECT sum(count) FROM apikeys_internal.usage WHERE code = 'VALID'"), "1\n", 'flushes slowly');
my $log = -s $node->logfile;
{
	local $ENV{PGOPTIONS} = '-c role=none -c default_transaction_read_only=off';
	$node->safe_psql('hostile', "SELECT count(*) FROM apikeys.regenerate_key(apikeys.key_id('one'))");
}
in_hostile("SELECT code FROM apikeys.validate_key('$hostile')");
$node->wait_for_log(qr/ERROR: .*not today/, $log);
is(query($node, 'postgres', $worker), $pid, 'and stays when a flush fails');
$other->quit;
$node->safe_psql('postgres', 'DROP DATABASE hostile WITH (FORCE)');

#
# DROP DATABASE, RENAME and TEMPLATE give up after five seconds: a job's statement is cancelled before.
#
my $in_busy;
foreach my $what ('CREATE DATABASE copy TEMPLATE busy', 'ALTER DATABASE busy RENAME TO used', 'DROP DATABASE used')
{
	my $db = $what =~ /^DROP/ ? 'used' : 'busy';
	if ($what =~ /^CREATE/)
	{
		$node->safe_psql('postgres', 'CREATE DATABASE busy');
		install_in($node, 'busy');
		$in_busy = query($node, 'busy', "SELECT key FROM apikeys.create_key('one', '{data}')");
		$node->safe_psql('busy', q{
		CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_catalog.pg_sleep(30); RETURN NEW; END $$;
		CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON apikeys_internal.usage FOR EACH ROW EXECUTE FUNCTION slow()});
	}
	query($node, $db, "SELECT code FROM apikeys.validate_key('$in_busy')");
	# the statement has run for one to two seconds, and will be cancelled two to three seconds after the command has begun to wait for it:
	# neither before nor when it has given up, though the machine be slow
	my $commander = session($node, 'postgres');
	is(join(' ', $commander->run(<<"SQL")), 'ok found', "$what: a job is in a long statement");
DO \$\$ BEGIN FOR i IN 1 .. 18000 LOOP
	PERFORM pg_stat_clear_snapshot();
	EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'apikeys worker' AND datname = '$db' AND query = 'flush usage' AND state = 'active'
		AND wait_event = 'PgSleep' AND clock_timestamp() - xact_start BETWEEN interval '1 s' AND interval '2 s');
	PERFORM pg_sleep(0.01);
END LOOP; END \$\$;
SELECT 'found'
SQL
	$log = -s $node->logfile;
	is(join(' ', $commander->run($what)), 'ok ', $what);
	$commander->quit;
	unlike(slurp_file($node->logfile, $log), qr/ERROR|FATAL|WARNING/, 'and nobody complains');
}
$node->safe_psql('postgres', 'DROP DATABASE copy');

#
# A copy of a database holds the reports that the original has queued, and mails none; the original sends them.
#
SKIP: {
	skip 'built without libcurl', 6 if query($node, 'postgres', 'SELECT count(*) FROM apikeys.reports') eq '0';
	my $reports = "SELECT state || ' ' || count(*) || ' ' || sum(attempts) FROM apikeys.reports GROUP BY state";
	is(query($node, 'postgres', $reports), 'queued 11 0', 'reports are queued');
	query($node, 'template1', "SELECT count(pg_terminate_backend(pid, 180000)) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'");
	run_ok('a copy', [ 'psql', '-qX', '-d', $node->connstr('template1'), '-c', 'CREATE DATABASE copy TEMPLATE postgres' ]);
	# nobody listens there: whoever tries, counts it
	$node->append_conf('postgresql.conf', "apikeys.smtp_url = 'smtp://127.0.0.1:1'");
	$node->reload;
	query($node, 'copy', "SELECT code FROM apikeys.validate_key('$key')");
	query($node, 'postgres', "SELECT code FROM apikeys.validate_key('$key')");
	ok(wait_for($node, 'copy', 'SELECT bool_and(state = $$held$$) FROM apikeys.reports'), 'those of the copy are held');
	ok(wait_for($node, 'postgres', 'SELECT bool_and(attempts > 0) FROM apikeys.reports'), 'those of the original are tried');
	is(query($node, 'copy', $reports), 'held 11 0', 'and none of the copy is');
	$node->append_conf('postgresql.conf', "apikeys.smtp_url = ''");
	$node->reload;
	$node->safe_psql('postgres', 'DROP DATABASE copy');
}

#
# A trigger of another role never runs with the worker's rights, not even one that waits for the commit.
#
my $superusers = "SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname = 'app'";
# a table of his refers to one of ours
$node->safe_psql('postgres', q{
CREATE ROLE app LOGIN;
CREATE SCHEMA app AUTHORIZATION app;
GRANT USAGE ON SCHEMA apikeys, apikeys_internal TO app;
GRANT REFERENCES ON apikeys_internal.usage_hour TO app;
SET ROLE app;
CREATE TABLE app.seen (who text);
CREATE TABLE app.hour (key_id uuid, hour timestamptz, api text, code text, old_secret boolean,
	FOREIGN KEY (key_id, hour, api, code, old_secret) REFERENCES apikeys_internal.usage_hour ON DELETE CASCADE);
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
INSERT INTO apikeys_internal.usage_hour SELECT k.key_id, timestamptz '2001-01-01', 'data', 'VALID', false, 'default', 1, now(), NULL, 1, 1 FROM apikeys.key k;
INSERT INTO app.hour SELECT key_id, hour, api, code, old_secret FROM apikeys_internal.usage_hour WHERE hour < '2002-01-01';
});
my $old_hours = "SELECT count(*) FROM apikeys_internal.usage_hour WHERE hour < '2002-01-01'";
$log = -s $node->logfile;
restart_worker();
if (server_major($node) >= 18)
{
	ok(wait_for($node, 'postgres', $old_hours, '0'), 'retention deletes an hour to which a table of app refers');
	is(query($node, 'postgres', 'SELECT * FROM app.seen'), 'app may not', 'the deferred trigger of app runs as app');
	$log = -s $node->logfile;
	$node->safe_psql('postgres', q{
	SET ROLE app;
	CREATE FUNCTION app.defer() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN SET CONSTRAINTS ALL DEFERRED; RETURN OLD; END';
	CREATE TRIGGER defer BEFORE DELETE ON app.hour FOR EACH ROW EXECUTE FUNCTION app.defer();
	RESET ROLE;
	INSERT INTO apikeys_internal.usage_hour SELECT k.key_id, timestamptz '2001-01-01', 'data', 'VALID', false, 'default', 1, now(), NULL, 1, 1 FROM apikeys.key k;
	INSERT INTO app.hour SELECT key_id, hour, api, code, old_secret FROM apikeys_internal.usage_hour WHERE hour < '2002-01-01';
	});
	restart_worker();
	$node->wait_for_log(qr/cannot fire deferred trigger within security-restricted operation/, $log);
}
else
{
	$node->wait_for_log(qr/ERROR: .*table "app.hour" must not act on deletions from "apikeys_internal.usage_hour"/, $log);
	is(query($node, 'postgres', "$old_hours"), '1', 'retention leaves an hour alone to which a table of app refers');
	$node->safe_psql('postgres', 'DROP TABLE app.hour');
	restart_worker();
	ok(wait_for($node, 'postgres', $old_hours, '0'), 'until that is gone');
}
is(query($node, 'postgres', $superusers), '0', 'app is no superuser');

# all our tables were given to him: then they are not ours, and nothing of his runs
# no job runs meanwhile, which would lock our tables in another order
$node->safe_psql('postgres', q{
BEGIN;
CREATE FUNCTION pg_temp.hold() RETURNS integer LANGUAGE sql AS 'SELECT 1';
ALTER FUNCTION pg_temp.hold() NO DEPENDS ON EXTENSION apikeys;
DROP SCHEMA app CASCADE;
DO $$ DECLARE t regclass; BEGIN
	FOR t IN SELECT c.oid FROM pg_class c WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind = 'r' LOOP
		EXECUTE format('ALTER TABLE %s OWNER TO app', t);
	END LOOP;
END $$;
COMMIT;
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
CREATE CONSTRAINT TRIGGER climb AFTER INSERT OR UPDATE ON apikeys_internal.usage DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION climb();
});
my ($status, $out, $error) = $node->psql('postgres', "SELECT (apikeys.validate_key('$key')).code");
like($error, qr/relation "apikeys\.\w+" does not exist/, 'tables that somebody else owns are not ours');
restart_worker();
is(query($node, 'postgres', 'SELECT count(*) FROM seen'), '0', 'no trigger of his runs');
is(query($node, 'postgres', $superusers), '0', 'and nobody is a superuser by it');

done_testing();
