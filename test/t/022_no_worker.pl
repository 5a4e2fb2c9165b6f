# A database whose worker cannot run: its sessions flush their counts as they leave, and wait for nothing that does not come; and where
# the worker cannot connect, it is not tried again with each request.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', init => { allows_streaming => 1 }, conf => "apikeys.flush_interval = '1h'\nmax_worker_processes = 0\n");
my $counted = "SELECT coalesce(sum(count), 0) FROM apikeys_internal.usage";
my $sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'keys'";

$node->safe_psql('postgres', 'CREATE DATABASE keys');
install_in($node, 'keys');
my $key = query($node, 'keys', "SELECT key FROM apikeys.create_key('one', '{data}')");
my $validate = "SELECT (apikeys.validate_key('$key')).code";

# What the table of usage says, by a session that has nothing to flush.
sub flushed
{
	return query($node, 'keys', $counted);
}

# A session that validates, and leaves.  It must be gone soon: what it waits for as it ends, nobody can end.
sub leaves
{
	my ($what) = @_;

	is(query($node, 'keys', $validate), 'VALID', "$what: a request");
	my $until = time + 180;
	select undef, undef, undef, 0.1 while query($node, 'postgres', $sessions) > ($_[1] // 0) && time < $until;
	return if cmp_ok(query($node, 'postgres', $sessions), '<=', $_[1] // 0, "$what: its session leaves");
	$node->stop('immediate');
	BAIL_OUT('a stop of the server would wait for that session');
}

like(query($node, 'keys', 'SELECT worker FROM apikeys.status()'), qr/^none: max_worker_processes/, 'there is no worker');
leaves('nothing in its way');
is(flushed(), '1', 'what it counted is flushed');

# a standby that is away: who changes something waits for it, who validates does not
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'away'");
$node->reload;
my $waiting = IPC::Run::start([ 'psql', '-qX', '-d', $node->connstr('postgres'), '-c', 'CREATE TABLE waits ()' ], '>', \my $out, '2>', \my $err);
ok(wait_for($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"), 'a commit waits for a standby');
leaves('without the standby');
is(flushed(), '2', 'and flushed');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
$waiting->finish;

# a flush that is not committed, and DDL on a table of usage
my $other = session($node, 'keys');
my $log = -s $node->logfile;
foreach my $lock ('SELECT apikeys.flush_usage()', 'LOCK TABLE apikeys_internal.usage_hour IN SHARE MODE', 'LOCK TABLE apikeys_internal.quota_used')
{
	my $before = flushed();

	is(($other->run("BEGIN; $lock"))[0], 'ok', $lock);
	leaves($lock, '1');
	is(flushed(), $before, "$lock: its counts are still in memory");
	$other->run('ROLLBACK');
	leaves('without that lock', '1');
	is(flushed(), $before + 2, 'the next one that leaves flushes them as well');
}
is(() = slurp_file($node->logfile, $log) =~ /LOG: +usage was not flushed as a session ended/g, 3, 'the log tells it');
$other->run('BEGIN; LOCK TABLE apikeys_internal.usage_hour IN SHARE MODE');
my $before = flushed();
my $leaving = IPC::Run::start([ 'psql', '-qXAt', '-d', $node->connstr('keys'), '-c', $validate ], '>', \$out, '2>', \$err);
$leaving->finish;
$node->stop('fast');
$node->append_conf('postgresql.conf', "max_worker_processes = 8\napikeys.flush_interval = '1s'");
$node->start;
is(flushed(), $before + 1, 'a stop ends who has the lock, and loses nothing');

#
# A database that allows no connections any more, while sessions are still there.
#
$other = session($node, 'keys');
$other->run($validate);
ok(wait_for_round($node, 'keys'), 'there is a worker');
$node->safe_psql('postgres', 'ALTER DATABASE keys ALLOW_CONNECTIONS false');
$log = -s $node->logfile;
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'");
$node->wait_for_log(qr/FATAL: .*not currently accepting connections/, $log);
my ($status, $codes) = $other->run("SELECT count((apikeys.validate_key('$key')).code), min(pg_sleep(0.02)::text) FROM generate_series(1, 50)");
is("$status $codes", 'ok 50|', 'requests go on');
my $tried = () = slurp_file($node->logfile, $log) =~ /FATAL/g;
cmp_ok($tried, '<=', 5, 'and it is not started again with each request');
my $worker;
for (1 .. 600)
{
	$worker = ($other->run('SELECT worker FROM apikeys.status()'))[1];
	last if $worker =~ /^none/;
	select undef, undef, undef, 0.1;
}
like($worker, qr/^none: it could not connect/, 'status() says why there is no worker');
$node->safe_psql('postgres', 'ALTER DATABASE keys ALLOW_CONNECTIONS true');
for (1 .. 600)
{
	last if ($other->run('SELECT worker FROM apikeys.status()'))[1] eq 'running';
	select undef, undef, undef, 0.1;
}
is(($other->run('SELECT worker FROM apikeys.status()'))[1], 'running', 'allowed again, there is a worker');
my $all = $before + 1 + 1 + 50;
ok(wait_for($node, 'keys', $counted, $all), 'which flushes what was counted meanwhile');

done_testing();
