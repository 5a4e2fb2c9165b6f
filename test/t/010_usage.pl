# Usage through restarts, crashes and failures of the worker: no request is lost or counted twice.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

# The worker flushes when it starts and when it must; else we say when.
my $node = new_node('main', conf => "restart_after_crash = on\napikeys.flush_interval = '1h'\n");

my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'";

sub validate
{
	my ($db, $key, $times) = @_;

	return query($node, $db, "SELECT count(*) FROM (SELECT (apikeys.validate_key('$key', 'data')).code FROM generate_series(1, $times)) AS s WHERE code = 'VALID'");
}

# What the views say, and what the tables hold.
sub seen
{
	my ($db) = @_;

	return query($node, $db, "SELECT coalesce(sum(valid), 0) FROM apikeys.key_usage");
}

sub in_tables
{
	my ($db) = @_;

	return query($node, $db, "SELECT coalesce((SELECT sum(count) FROM apikeys_internal.usage WHERE code = 'VALID'), 0) || ' ' || "
		  . "coalesce((SELECT sum(count) FROM apikeys_internal.usage_hour WHERE code = 'VALID'), 0)");
}

sub make_database
{
	my ($db) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	install_in($node, $db);
	return query($node, $db, "SELECT key FROM apikeys.create_key('one', '{data}')");
}

#
# The first use starts a worker, without preload: an entry of the log, which is to enter the tree, or a request.
#
$node->safe_psql('postgres', 'CREATE DATABASE unused');
install_in($node, 'unused');
is(query($node, 'postgres', $workers), '0', 'no worker before the first use');
$node->safe_psql('postgres', 'DROP DATABASE unused');
my $key = make_database('one');
ok(wait_for($node, 'postgres', $workers, '1'), 'the first entry starts a worker');
is(validate('one', $key, 10), '10', 'the first requests');
# it is there before it knows that it is the worker
ok(wait_for($node, 'one', 'SELECT worker, tracking, reason IS NULL, counts_lost FROM apikeys.status()', 'running|t|t|0'), 'status() says so');

#
# A clean stop loses nothing, not even what the last backend counted when it was told to go.
#
$node->safe_psql('one', 'CREATE SEQUENCE calls');
my ($out, $err) = ('', '');
my $busy = IPC::Run::start(
	[ 'psql', '-qXAt', '-d', $node->connstr('one'),
	  '-c', "SELECT count(nextval('calls')), count((apikeys.validate_key('$key', 'data')).code) FROM generate_series(1, 3000), generate_series(1, 3000) AS b" ],
	'>', \$out, '2>', \$err);
ok(wait_for($node, 'one', 'SELECT last_value > 500 FROM calls'), 'a backend is busy');
$node->stop('fast');
$busy->finish;
$node->start;
is(query($node, 'postgres', $workers), '0', 'without preload no worker after a restart');
my $calls = query($node, 'one', 'SELECT last_value FROM calls');
my $seen = seen('one');
ok(abs($seen - 10 - $calls) <= 1, "the last backend's requests are there ($seen seen, 10 + $calls made)");
is(in_tables('one'), "$seen $seen", 'in both tables');

#
# A crash loses what was not flushed, no more; the server's own restart brings the worker back.
#
validate('one', $key, 7);
ok(wait_for($node, 'postgres', $workers, '1'), 'requests start a worker');
is(query($node, 'one', 'SELECT apikeys.flush_usage() >= 0'), 't', 'flushed');
$seen += 7;
is(in_tables('one'), "$seen $seen", 'it is in the tables');
# its first flush may be still to come
my $held = hold_worker($node, 'one');
validate('one', $key, 5);
is(seen('one'), $seen + 5, 'and more in memory');
ok(wait_for($node, 'postgres', $workers, '1'), 'there is a worker');
my $old_worker = query($node, 'postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'apikeys worker'");
my $victim = IPC::Run::start([ 'psql', '-qXAt', '-d', $node->connstr('postgres'), '-c', 'SELECT pg_sleep(300)' ], '>', \$out, '2>', \$err);
ok(wait_for($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(300)%' AND pid <> pg_backend_pid()", '1'), 'a victim');
my $pid = query($node, 'postgres', "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(300)%' AND pid <> pg_backend_pid()");
kill 'KILL', $pid;
$victim->finish;
release_worker($held);
for (1 .. 300)
{
	last if (run_code([ 'psql', '-qXAt', '-d', $node->connstr('postgres'), '-c', "$workers AND pid <> $old_worker" ]))[1] eq "1\n";
	sleep 1;
}
is(query($node, 'postgres', "$workers AND pid <> $old_worker"), '1', 'a crash brings the worker back by itself');
is(seen('one'), $seen, 'a crash loses what was not flushed, and nothing else');
validate('one', $key, 3);
$seen += 3;
is(seen('one'), $seen, 'counting goes on');
$node->stop('immediate');
$node->start;
cmp_ok(seen('one'), '>=', $seen - 3, 'so it is with the whole server');
$seen = seen('one');

#
# A flush that fails changes nothing, and the next one makes up for it; the same when the worker is told to go.
#
$node->safe_psql('one', q{CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no flush today'; END $$;
CREATE TRIGGER fail BEFORE INSERT ON apikeys_internal.usage FOR EACH ROW EXECUTE FUNCTION fail()});
# while there is another session, the worker stays
my $other = session($node, 'one');
$other->run('SELECT 1');
validate('one', $key, 11);
$seen += 11;
my ($code, undef, $message) = $node->psql('one', 'SELECT apikeys.flush_usage()');
like($message, qr/no flush today/, 'a flush fails');
is(seen('one'), $seen, 'and no figure changes');
is(in_tables('one'), ($seen - 11) . ' ' . ($seen - 11), 'in no table');
$node->safe_psql('one', 'DROP TRIGGER fail ON apikeys_internal.usage; DROP FUNCTION fail()');
ok(wait_for($node, 'postgres', $workers, '1'), 'there is a worker');
is(query($node, 'one', "SELECT pg_terminate_backend(pid, 180000) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'"), 't', 'a worker that is told to go');
is(seen('one'), $seen, 'no figure changed');
is(in_tables('one'), "$seen $seen", 'it flushed before');
ok(wait_for($node, 'postgres', $workers, '1'), 'and it comes back');
$other->quit;

# a flush in a transaction that is to be prepared
validate('one', $key, 2);
$seen += 2;
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5");
$node->restart;
validate('one', $key, 2);
$seen += 2;
my (undef, undef, $refused) = $node->psql('one', "BEGIN; SELECT apikeys.flush_usage(); PREPARE TRANSACTION 'flush'");
like($refused, qr/cannot PREPARE a transaction that has called flush_usage\(\)/, 'it is not: others would wait for it');
is(seen('one'), $seen, 'a flush that was refused has not happened');
validate('one', $key, 4);
$seen += 4;
is(seen('one'), $seen, 'counting goes on');
query($node, 'one', 'SELECT apikeys.flush_usage()');
is(in_tables('one'), "$seen $seen", 'and the next one makes it whole');

#
# Two databases count apart; the worker is not in the way of DROP, RENAME and TEMPLATE; what a dropped database left is
# taken for something else.
#
my $key_two = make_database('two');
my @stay = map { session($node, $_) } 'one', 'two';
$_->run('SELECT 1') foreach @stay;
validate('one', $key, 1);
$seen++;
validate('two', $key_two, 21);
is(seen('two'), '21', 'a second database');
is(seen('one'), $seen, 'the first one does not see it');
ok(wait_for($node, 'postgres', $workers, '2'), 'each has a worker');
$_->quit foreach @stay;
run_ok('RENAME', [ 'psql', '-qX', '-d', $node->connstr('postgres'), '-c', 'ALTER DATABASE two RENAME TO deux' ]);
is(seen('deux'), '21', 'the figures moved with it');
validate('deux', $key_two, 1);
ok(wait_for($node, 'deux', "$workers AND datname = 'deux'", '1'), 'it has a worker');
run_ok('TEMPLATE', [ 'psql', '-qX', '-d', $node->connstr('postgres'), '-c', 'CREATE DATABASE three TEMPLATE deux' ]);
is(seen('deux'), '22', 'the original goes on');
validate('three', $key_two, 1);
ok(wait_for($node, 'three', "$workers AND datname = 'three'", '1'), 'the copy has a worker');
run_ok('DROP', [ 'psql', '-qX', '-d', $node->connstr('postgres'), '-c', 'DROP DATABASE three' ]);
validate('deux', $key_two, 1);
ok(wait_for($node, 'deux', "$workers AND datname = 'deux'", '1'), 'it has a worker');
run_ok('DROP WITH (FORCE)', [ 'psql', '-qX', '-d', $node->connstr('postgres'), '-c', 'DROP DATABASE deux WITH (FORCE)' ]);
ok(wait_for($node, 'postgres', "$workers AND datname <> 'one'", '0'), 'their workers are gone');

#
# DROP EXTENSION while the worker works; what comes after it starts from nothing.
#
$node->append_conf('postgresql.conf', "apikeys.flush_interval = '100ms'");
$node->reload;
my $log = -s $node->logfile;
my $another = make_database('drop');
foreach my $round (1 .. 5)
{
	is(validate('drop', $another, 100 + $round), 100 + $round, "round $round: requests");
	is(seen('drop'), 100 + $round, "round $round: figures");
	$node->safe_psql('drop', 'DROP EXTENSION apikeys');
	install_in($node, 'drop');
	$another = query($node, 'drop', "SELECT key FROM apikeys.create_key('again', '{data}')");
	is(seen('drop'), '0', "round $round: from nothing");
}
$node->safe_psql('drop', 'DROP EXTENSION apikeys');
ok(wait_for($node, 'postgres', "$workers AND datname = 'drop'", '0'), 'without the extension, no worker');
$node->safe_psql('postgres', 'DROP DATABASE drop');
# where the machine is slow, a job may wait longer for DROP EXTENSION than it waits for anything
unlike(slurp_file($node->logfile, $log), qr/ (ERROR:  (?!canceling statement due to lock timeout)|FATAL:|PANIC:|WARNING:)/, 'and nobody complained');

#
# No slot for a worker: status() says so; sessions flush as they leave, and flush_usage() does its work.
#
$node->append_conf('postgresql.conf', "max_worker_processes = 1");
$node->restart;
$seen = seen('one');
like(query($node, 'one', "SELECT count((apikeys.validate_key('$key')).code) FROM generate_series(1, 2); SELECT worker, reason FROM apikeys.status()"),
	qr/^2\nnone: max_worker_processes.*\|without a worker, memory does not grow$/, 'no slot for a worker');
$seen += 2;
# psql does not wait for it
sub arrive
{
	my ($what) = @_;
	my $found;

	for (1 .. 600)
	{
		$found = in_tables('one');
		last if $found eq "$seen $seen";
		select undef, undef, undef, 0.1;
	}
	return is($found, "$seen $seen", $what);
}
arrive('a session flushes as it leaves');
# a flush that fails is logged, and ends the session as any other; what it counted is flushed by the next
my $failing = -s $node->logfile;
$node->safe_psql('one', "CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not today''; END';
CREATE TRIGGER zz BEFORE INSERT OR UPDATE ON apikeys_internal.usage_hour FOR EACH ROW EXECUTE FUNCTION public.fail()");
is(query($node, 'one', "SELECT count((apikeys.validate_key('$key')).code) FROM generate_series(1, 3)"), '3', 'a session whose flush fails');
ok(wait_for($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE datname = 'one'", '0'), 'leaves');
like(slurp_file($node->logfile, $failing), qr/ FATAL: .* not today/, 'its error is logged');
is(in_tables('one'), "$seen $seen", 'nothing was flushed');
$node->safe_psql('one', 'DROP TRIGGER zz ON apikeys_internal.usage_hour; DROP FUNCTION public.fail');
is(query($node, 'one', "SELECT count((apikeys.validate_key('$key')).code) FROM generate_series(1, 2)"), '2', 'another one');
$seen += 5;
is(seen('one'), $seen, 'nothing is lost');
arrive('the next session flushes it');
is(query($node, 'one', "SELECT count((apikeys.validate_key('$key')).code) FROM generate_series(1, 6); SELECT apikeys.flush_usage()"), "6\n6",
	'flush_usage() does its work');
$seen += 6;
is(in_tables('one'), "$seen $seen", 'in the tables');
is(query($node, 'one', "SELECT count((apikeys.validate_key('$key')).code) FROM generate_series(1, 6); SELECT apikeys.flush_usage()"), "6\n6",
	'again');
$seen += 6;
$node->append_conf('postgresql.conf', "max_worker_processes = 8\napikeys.flush_interval = '1h'");

#
# Preloaded, the workers come with the server; databases without the extension have none for long.  What is older than the
# retention goes: hours, and the totals of keys that are gone.
#
$node->safe_psql('one', q{
INSERT INTO apikeys_internal.usage_hour SELECT k.key_id, date_trunc('hour', now()) - d * interval '1 day', 'data', 'ADDRESS_NOT_ALLOWED', false, 'default', 1, now(), NULL, 1, 1
FROM apikeys.key k, generate_series(3, 8) AS d WHERE k.name = 'one';
INSERT INTO apikeys_internal.usage SELECT gen_random_uuid(), 'data', 'ADDRESS_NOT_ALLOWED', false, 'default', d, now() - d * interval '1 day', NULL FROM generate_series(3, 8) AS d;
UPDATE apikeys_internal.usage SET last_at = now() - interval '1 year' WHERE key_id = apikeys.key_id('one');
});
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'apikeys'\napikeys.usage_retention = '130h'");
$seen = seen('one');
$node->restart;
$other = session($node, 'one');
$other->run('SELECT 1');
ok(wait_for($node, 'postgres', "$workers AND datname = 'one'", '1'), 'preloaded, the worker comes with the server');
ok(wait_for($node, 'postgres', $workers, '1'), 'where the extension is, and nowhere else');
ok(wait_for($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikeys launcher'", '0'), 'the launcher is gone');
my $kept = "SELECT string_agg(DISTINCT count::text, ' ' ORDER BY count::text) FROM apikeys_internal.usage WHERE last_at BETWEEN now() - interval '9 days' AND now() - interval '2 days'";
ok(wait_for($node, 'one', $kept, '3 4 5'), 'totals of keys that are gone, older than the retention, are gone');
ok(wait_for($node, 'one', "SELECT count(*) FROM apikeys_internal.usage_hour WHERE code = 'ADDRESS_NOT_ALLOWED'", '3'), 'and old hours');
$other->quit;
is(seen('one'), $seen, 'the figures are there');
validate('one', $key, 8);
is(seen('one'), $seen + 8, 'counting goes on');
$node->stop('fast');
$node->start;
is(seen('one'), $seen + 8, 'a clean stop loses nothing');
is(problems($node, 'one'), '', 'the database is sound');

done_testing();
