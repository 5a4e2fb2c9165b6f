# The shared memory of usage and limits, with default settings except where a maximum is tested: it grows before it is full, and
# what finds no room in it is reported. APIKEYS_LONG (make check LONG=1): a million keys.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'time';

my $long = $ENV{APIKEYS_LONG} || $ENV{LONG};
my $node = new_node('main', conf => "fsync = off\nmax_wal_size = 4GB\n");
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'";

# Imported: their secrets are known, and they are made fast.
my $make_keys = "CREATE FUNCTION secret(i integer) RETURNS text LANGUAGE sql IMMUTABLE AS \$\$ SELECT 'imported secret number ' || i \$\$;
CREATE FUNCTION make_keys(first integer, last integer, ws text, lim integer, win interval) RETURNS bigint LANGUAGE sql AS
\$\$ SELECT count(apikeys.import_key('key ' || i, '{data}', sha256(convert_to(secret(i), 'UTF8')), 'x', ws, rate_limit => lim, rate_window => win))
FROM generate_series(first, last) AS i \$\$;
CREATE FUNCTION use_keys(first integer, last integer) RETURNS bigint LANGUAGE sql AS
\$\$ SELECT count(*) FILTER (WHERE (v).valid) FROM (SELECT apikeys.validate_key(secret(i)) AS v FROM generate_series(first, last) AS i OFFSET 0) AS s \$\$;";

sub status
{
	my ($columns) = @_;

	return query($node, 'postgres', "SELECT $columns FROM apikeys.status()");
}

# Does the log come to say that?
sub wait_for_log
{
	my ($node, $pattern, $offset) = @_;

	for (1 .. 1800)
	{
		return 1 if slurp_file($node->logfile, $offset) =~ $pattern;
		select(undef, undef, undef, 0.1);
	}
	return 0;
}

# A server that has just begun, with settings of its own.
sub restart
{
	my ($conf) = @_;

	$node->append_conf('postgresql.conf', $conf) if $conf;
	$node->restart;
	return;
}

install_in($node, 'postgres');
$node->safe_psql('postgres', $make_keys);
query($node, 'postgres', "SELECT apikeys.create_workspace(w) FROM unnest('{many,honest}'::text[]) AS w");
my $n = $long ? 100_000 : 50_000;
is(query($node, 'postgres', "SELECT make_keys(1, $n, 'many', 1, '1 day')"), $n, "$n keys, each with a limit");
is(query($node, 'postgres', "SELECT make_keys(2000001, 2000001, 'honest', 3, '1 day')"), 1, 'and one in another workspace');

#
# Keys that are rolled back or archived, or have no limit any more, give their places back. The job that sees to it runs once
# a minute, and when a worker starts.
#
restart();
my $new_worker = "SELECT pg_terminate_backend(pid, 180000) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'";
my $held = hold_worker($node, 'postgres');
is(join(' ', $held->run("UPDATE apikeys.workspace SET archive_limit = 1000 WHERE workspace = 'honest'; "
		  . "SELECT make_keys(2000002, 2000100, 'honest', 1, '1 year'), use_keys(2000002, 2000100)")), 'ok 99|99', '99 keys');
is(join(' ', $held->run("SELECT count(apikeys.archive_key(apikeys.key_id('key ' || i, 'honest'))) FROM generate_series(2000002, 2000050) AS i")), 'ok 49', '49 of them are archived');
$held->run("SELECT count(*) FROM apikeys.update_key(apikeys.key_id('key 2000051', 'honest'), rate_limit => 0)");
$held->run("SAVEPOINT s; SELECT make_keys(3000001, 3000100, 'honest', 1, '1 year'), use_keys(3000001, 3000100); ROLLBACK TO s");
is(join(' ', $held->run('SELECT limits FROM apikeys.status()')), 'ok 199', 'their limits are there');
$held->run('COMMIT');
$held->quit;
ok(wait_for($node, 'postgres', $workers, '1'), 'there is a worker');
query($node, 'postgres', $new_worker);
ok(wait_for($node, 'postgres', 'SELECT limits FROM apikeys.status()', '49'), 'and go');

# What a transaction in progress has created or limited stays, though nobody else sees it yet.
my $open = session($node, 'postgres');
my $use = 'SELECT use_keys(3000101, 3000105), use_keys(2000051, 2000051)';
$open->run("BEGIN; SELECT make_keys(3000101, 3000105, 'honest', 1, '1 year') FROM apikeys.update_key(apikeys.key_id('key 2000051', 'honest'), rate_limit => 1, rate_window => '1 year')");
is(join(' ', $open->run($use)), 'ok 5|1', 'keys of a transaction in progress are used');
query($node, 'postgres', $new_worker);
ok(wait_for_round($node, 'postgres'), 'a worker has looked for limits to give back');
is(join(' ', $open->run($use)), 'ok 0|0', 'their limits hold');
$open->run('ROLLBACK');
$open->quit;
query($node, 'postgres', $new_worker);
ok(wait_for($node, 'postgres', 'SELECT limits FROM apikeys.status()', '49'), 'and go when it is rolled back');
query($node, 'postgres', "SELECT apikeys.update_key(apikeys.key_id('key 2000051', 'honest'), rate_limit => 1, rate_window => '1 year')");

#
# A fresh server takes nothing, and what one use takes is little; no worker waits in it.
#
restart();
is(status('entries, limits, bytes'), '0|0|0', 'before the first use, no memory is taken');
my $start = time;
is(query($node, 'postgres', "SELECT use_keys(1, $n)"), $n, 'each key is used, in the first moments of a server');
note sprintf '%d keys in %.2f s', $n, time - $start;
# the worker makes memory grow: where it did not get the processor in time, what was lost is told
is(query($node, 'postgres', "SELECT sum(valid) + (SELECT counts_lost FROM apikeys.status()) FROM apikeys.key_usage WHERE workspace = 'many'"), $n, 'each use is counted');
cmp_ok(status('bytes'), '<=', 64 * 1024 * 1024, 'in ' . status('bytes') . ' bytes');
is(query($node, 'postgres', "SELECT use_keys(1, $n) = limits_not_kept FROM apikeys.status()"), 't', 'each limit is kept');
cmp_ok(status('counts_lost + limits_not_kept'), '<=', $n / 10, 'nothing is lost: ' . status('counts_lost, limits_not_kept'));
is(status('limits_given_up'), '0', 'no limit is given up');
# refused requests have counters of their own
cmp_ok(status('bytes'), '<=', ($long ? 96 : 64) * 1024 * 1024, 'in ' . status('bytes') . ' bytes');
is(query($node, 'postgres', 'SELECT use_keys(2000001, 2000001) FROM generate_series(1, 5)'), "1\n1\n1\n0\n0", 'another workspace\'s limit holds');

restart("apikeys.usage_memory = '1MB'");

#
# At the ceiling.  A workspace makes many keys with long windows, some of which it rolls back: another's limits hold.
#
query($node, 'postgres', 'SELECT use_keys(2000001, 2000001)');
ok(wait_for($node, 'postgres', $workers, '1'), 'there is a worker');
my $log = -s $node->logfile;
query($node, 'postgres', "BEGIN; SELECT make_keys(3000001, 3012000, 'many', 1, '1 year'), use_keys(3000001, 3012000); ROLLBACK");
is(query($node, 'postgres', 'SELECT use_keys(2000001, 2000001) FROM generate_series(1, 4)'), "1\n1\n0\n0", 'the other\'s limit holds');
query($node, 'postgres', "SELECT use_keys(1, 12000)");
# those that come after it, too: the worker has had a moment to make room
ok(wait_for($node, 'postgres', 'SELECT limits_given_up + limits_not_kept > 0 FROM apikeys.status()'), 'there were more limits than memory holds');
my $kept = '';
foreach my $round (1 .. 600)
{
	my ($first, $last) = (4_000_000 + $round * 50, 4_000_049 + $round * 50);

	query($node, 'postgres', "SELECT make_keys($first, $last, 'honest', 1, '1 year')");
	$kept = query($node, 'postgres', "SELECT use_keys($first, $last), use_keys($first, $last)");
	last if $kept eq '50|0';
	select(undef, undef, undef, 0.1);
}
is($kept, '50|0', 'its other limits are kept as well');
is(query($node, 'postgres', 'SELECT use_keys(2000001, 2000001)'), 0, 'and the first');
cmp_ok(status('bytes'), '<=', 1024 * 1024, 'the ceiling is kept');
is(status('bytes <= max_bytes, max_bytes'), 't|1048576', 'status() tells it');

# counters are flushed early, and make room
foreach my $round (1 .. 8)
{
	query($node, 'postgres', 'SELECT use_keys(1, 1000); SELECT pg_sleep(0.3)');
}
ok(wait_for($node, 'postgres', "SELECT last_flush > now() - interval '5 s' FROM apikeys.status()"), 'counters are flushed early');
ok(wait_for($node, 'postgres', "SELECT entries < 3000 FROM apikeys.status()"), 'and make room');
my $seen = query($node, 'postgres', 'SELECT sum(valid + denied) FROM apikeys.key_usage');
my $lost = status('counts_lost');
is(query($node, 'postgres', 'SELECT use_keys(1, 1000)') + 0 <= 1000, 1, 'a thousand more');
is(query($node, 'postgres', 'SELECT sum(valid + denied) FROM apikeys.key_usage') + status('counts_lost') - $seen - $lost, 1000, 'what is not counted is told');

# the log is told, not more than once a minute
ok(wait_for_log($node, qr/WARNING: .*shared memory of apikeys is full/, $log), 'the log is told');
my @told = slurp_file($node->logfile, $log) =~ /^\S+ (\d+):(\d+):(\d+)\.\d+ .*shared memory of apikeys is full/mg;
my @seconds;
while (my ($h, $m, $s) = splice @told, 0, 3) { push @seconds, $h * 3600 + $m * 60 + $s; }
is(scalar(grep { ($seconds[$_] - $seconds[ $_ - 1 ]) % 86400 < 59 } 1 .. $#seconds), 0, 'once a minute');

#
# A small step: there are buckets enough for its items, and it brings no more. A new worker has read the setting.
#
restart("apikeys.usage_memory = '1250kB'\napikeys.track_usage = off");
is(query($node, 'postgres', 'SELECT use_keys(1, 3900)'), 3900, '3,900 limits');
my $bytes = status('bytes');
$node->append_conf('postgresql.conf', "apikeys.usage_memory = '1500kB'");
$node->reload;
query($node, 'postgres', "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'");
is(query($node, 'postgres', 'SELECT use_keys(3901, 4100)'), 200, 'some more');
ok(wait_for($node, 'postgres', "SELECT bytes > $bytes FROM apikeys.status()"), 'memory grows');
is(query($node, 'postgres', 'SELECT use_keys(4101, 4800)'), 700, 'and has room for them');
is(query($node, 'postgres', 'SELECT use_keys(1, 4800)'), 0, 'each limit is kept');
is(status('limits, limits_not_kept, limits_given_up'), '4800|0|0', 'none is lost');
$node->append_conf('postgresql.conf', 'apikeys.track_usage = on');

#
# What is to become of a request whose limit has no place.
#
restart("max_worker_processes = 0\napikeys.usage_memory = '256kB'");
is(query($node, 'postgres', "SELECT use_keys(1, 20000)"), 20000, 'allow: it passes');
like(status('worker, reason'), qr/^none.*does not grow/, 'without a worker, status() says that memory does not grow');
cmp_ok(status('limits_not_kept'), '>', 10000, 'and what was not kept');
restart('apikeys.limits_when_full = deny');
my $passed = query($node, 'postgres', "SELECT use_keys(1, 20000)");
is($passed + status('limits_not_kept'), 20000, "deny: $passed found a place");
is(query($node, 'postgres', "SELECT code, retry_after FROM apikeys.validate_key(secret(20000))"), 'RATE_LIMITED|1', 'another is refused');
like(slurp_file($node->logfile, $log), qr/LOG: .*shared memory of apikeys is full/, 'without a worker, the log is told all the same');

SKIP: {
skip 'LONG=1 uses a million keys', 7 if !$long;

my $million = 1_000_000;
my $limited = 850_000;
restart("max_worker_processes = 8\napikeys.usage_memory = '256MB'\napikeys.limits_when_full = allow");
is(query($node, 'postgres', "SELECT make_keys(100001, $limited, 'many', 1, '1 day') + make_keys($limited + 1, $million, 'many', NULL, NULL)"),
	$million - 100_000, 'a million keys');
my $before = query($node, 'postgres', 'SELECT sum(valid) FROM apikeys.key_usage');
$start = time;
is(query($node, 'postgres', "SELECT use_keys(1, $million)"), $million, 'each is used once');
note sprintf '%d keys in %.2f s', $million, time - $start;
# 256 MB hold about 925,000 counters and 865,000 limits
my $lost = status('counts_lost');
is(query($node, 'postgres', 'SELECT sum(valid) FROM apikeys.key_usage') - $before + $lost, $million, 'and counted, or told as lost');
cmp_ok($lost, '<', $million / 20, "$lost were lost");
is(query($node, 'postgres', "SELECT use_keys(1, $million)"), $million - $limited, 'and limited');
is(status('limits_not_kept, limits_given_up'), '0|0', 'no limit is lost');
cmp_ok(status('bytes'), '<=', 256 * 1024 * 1024, 'in ' . status('bytes') . ' bytes');
}

done_testing();
