# The clock is set back by an hour: counts are still flushed, and mail is still tried.  Ten minutes later: the sequencer looks for entries
# below its bound again.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

# The server's clocks are ours: one file says by how many seconds the wall clock is behind, another by how many the monotonic one is ahead.
my $dir = PostgreSQL::Test::Utils::tempdir;
my $shim = <<'C';
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long seconds_in(const char *file)
{
	char text[32] = "";
	int fd = open(getenv(file), O_RDONLY);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	long result = syscall(SYS_clock_gettime, clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec -= seconds_in("AK_CLOCK_BEHIND");
	if (clock == CLOCK_MONOTONIC)
		now->tv_sec += seconds_in("AK_CLOCK_AHEAD");
	return (int) result;
}

int gettimeofday(struct timeval *now, void *zone)
{
	struct timespec spec;
	int result = clock_gettime(CLOCK_REALTIME, &spec);

	now->tv_sec = spec.tv_sec;
	now->tv_usec = spec.tv_nsec / 1000;
	return result;
}
C
append_to_file("$dir/clock.c", $shim);
plan skip_all => 'needs a C compiler' if (run_code([ 'cc', '-shared', '-fPIC', '-o', "$dir/clock.so", "$dir/clock.c" ]))[0] != 0;

# No hour ends in this test: unless it is set, the wall clock is behind so that the hour began ten minutes ago.
my $behind = time % 3600 - 600;

sub set_clock
{
	my ($file, $seconds) = @_;

	append_to_file("$dir/$file.new", $seconds);
	rename "$dir/$file.new", "$dir/$file" or die $!;
	return;
}

sub set_clock_behind
{
	my ($seconds) = @_;

	return set_clock('behind', $behind + $seconds);
}

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"max_connections = 20\nshared_buffers = 16MB\napikeys.flush_interval = '1s'\napikeys.mail_retry_pause = '2s'\n");
{
	local $ENV{AK_CLOCK_BEHIND} = "$dir/behind";
	local $ENV{AK_CLOCK_AHEAD} = "$dir/ahead";
	local $ENV{LD_PRELOAD} = join ':', grep { $_ } $ENV{LD_PRELOAD}, "$dir/clock.so";
	$node->start;
}
# not before, because pg_ctl waits for a server that has started now
set_clock_behind(0);
install_in($node, 'postgres');
my $key = query($node, 'postgres', "SELECT key FROM apikeys.create_key('one', '{data}')");
my $in_table = "SELECT coalesce(sum(count), 0) FROM apikeys_internal.usage WHERE code = 'VALID'";

query($node, 'postgres', "SELECT count((apikeys.validate_key('$key')).code) FROM generate_series(1, 10)");
ok(wait_for($node, 'postgres', $in_table, '10'), 'ten requests are flushed');
# a build without libcurl mails nothing
my $mails = ($node->psql('postgres', "SELECT apikeys.email_audit_logs('ann\@example.com')"))[0] == 0;

my $limited = query($node, 'postgres', "SELECT key FROM apikeys.create_key('limited', '{data}', rate_limit => 100, rate_window => '100 days')");
is(query($node, 'postgres', "SELECT (apikeys.validate_key('$limited')).code"), 'VALID', 'one use of a hundred');
ok(wait_for($node, 'postgres', $in_table, '11'), 'is flushed as well');

# quotas: of the hour, and of all time
my %quota = map { $_ => query($node, 'postgres', "SELECT key FROM apikeys.create_key('$_', '{data}')") } qw(hour total);
$node->safe_psql('postgres', "UPDATE apikeys.key SET quota = 3, quota_period = name WHERE name IN ('hour', 'total')");
my $left = "SELECT code || ' ' || quota_remaining FROM apikeys.validate_key('%s')";
is(query($node, 'postgres', sprintf $left, $quota{hour}), 'VALID 2', 'one of three in an hour');
is(query($node, 'postgres', sprintf $left, $quota{total}), 'VALID 2', 'one of three for ever');
ok(wait_for($node, 'postgres', 'SELECT count(*) FROM apikeys_internal.quota_used', '2'), 'both are flushed');
ok(wait_for($node, 'postgres', $in_table, '13'), 'and counted');
set_clock_behind(-3600);
is(query($node, 'postgres', sprintf $left, $quota{hour}), 'VALID 2', 'the next hour has its own');
is(query($node, 'postgres', sprintf $left, $quota{hour}), 'VALID 1', 'which is used up');
is(query($node, 'postgres', sprintf $left, $quota{hour}), 'VALID 0', 'like any');
is(query($node, 'postgres', sprintf $left, $quota{hour}), 'QUOTA_EXCEEDED 0', 'and then no more');
is(query($node, 'postgres', sprintf $left, $quota{total}), 'VALID 1', 'for all time there is one');
ok(wait_for($node, 'postgres', "SELECT used FROM apikeys_internal.quota_used WHERE period = 'hour'", '3'), 'flushed');
set_clock_behind(0);
is(query($node, 'postgres', sprintf $left, $quota{hour}), 'VALID 2', 'set back, the clock locks nobody out until that hour comes');
is(query($node, 'postgres', sprintf $left, $quota{total}), 'VALID 0', 'for all time there is one still');
is(query($node, 'postgres', sprintf $left, $quota{total}), 'QUOTA_EXCEEDED 0', 'and it is used up');
ok(wait_for($node, 'postgres', "SELECT used || ' ' || (since <= now()) FROM apikeys_internal.quota_used WHERE period = 'hour'", '1 true'), 'the table follows');
ok(wait_for($node, 'postgres', $in_table, '19'), 'all of it is counted');

my $before = query($node, 'postgres', 'SELECT now()');
set_clock_behind(3600);
is(query($node, 'postgres', "SELECT now() BETWEEN timestamptz '$before' - interval '1 hour' AND timestamptz '$before' - interval '50 minutes'"),
	't', 'the clock is set back by an hour');
query($node, 'postgres', "SELECT count((apikeys.validate_key('$key')).code) FROM generate_series(1, 10)");
is(query($node, 'postgres', "SELECT string_agg(DISTINCT code, ' ') FROM (SELECT (apikeys.validate_key('$limited')).code FROM generate_series(1, 99)) AS s"),
	'VALID', 'and 99 uses more of the hundred pass');
is(query($node, 'postgres', "SELECT code, retry_after <= 86400 FROM apikeys.validate_key('$limited')"), 'RATE_LIMITED|t', 'the next must wait as if nothing had happened');
# by itself: a worker that is alone also flushes when it leaves, and while this session is there, it is not
my $other = session($node, 'postgres');
$other->run('SELECT 1');
ok(wait_for($node, 'postgres', $in_table, '128'), 'what is counted now is flushed soon');
$other->quit;

SKIP: {
skip 'built without libcurl', 3 if !$mails;

# nobody listens there: the attempts are what we look at
$node->append_conf('postgresql.conf', "apikeys.smtp_url = 'smtp://127.0.0.1:1'");
$node->reload;
ok(wait_for($node, 'postgres', 'SELECT attempts > 0 FROM apikeys.reports'), 'a report that was queued before is tried');
ok(wait_for($node, 'postgres', 'SELECT attempts > 1 FROM apikeys.reports'), 'and tried again');
set_clock_behind(7200);
ok(wait_for($node, 'postgres', 'SELECT attempts > 2 FROM apikeys.reports'), 'also when the clock is set back between two attempts');
}

#
# The sequencer's bound (src/log/sequencer.c), which lasts for ten minutes.  A superuser sets the sequence of the entries' numbers back into a gap, so
# that an entry comes below the bound: it enters the tree when the bound has expired, without anybody asking for a checkpoint.
#
# the worker forgets its bound when a table's description changes
$node->append_conf('postgresql.conf', "apikeys.audit_checkpoint_interval = 0\nautovacuum = off\n");
$node->reload;
my $pending = q{SELECT coalesce(string_agg(audit_id::text, ' '), 'none') FROM apikeys_internal.audit_pending};
my $numbers = q{'apikeys_internal.audit_id_seq'};
# the worker does not leave while there is another connection
my $stays = session($node, 'postgres');
my $gap = query($node, 'postgres', 'SELECT last_value FROM apikeys_internal.audit_id_seq') + 1;
$stays->run("BEGIN; SELECT apikeys.add_team_member('gap', 'platform'); ROLLBACK");
# one run notes the last number, a later one raises the bound above it
foreach my $member (1 .. 4)
{
	$stays->run("SELECT apikeys.add_team_member('$member', 'platform')");
	ok(wait_for($node, 'postgres', $pending, 'none'), "member $member is taken in");
}
$stays->run("SELECT setval($numbers, $gap - 1); SELECT apikeys.add_team_member('below', 'platform')");
is(query($node, 'postgres', $pending), $gap, 'an entry below the bound');
$stays->run("SELECT setval($numbers, (SELECT max(audit_id) FROM apikeys.audit_log))");
foreach my $member (5, 6)
{
	$stays->run("SELECT apikeys.add_team_member('$member', 'platform')");
	ok(wait_for($node, 'postgres', $pending, $gap), "member $member is taken in, that entry is not");
}
set_clock('ahead', 10 * 60 + 5);
ok(wait_for($node, 'postgres', $pending, 'none'), 'ten minutes later it is');
is(query($node, 'postgres', 'SELECT bool_and(ok) FROM apikeys.verify_audit_logs()'), 't', 'and the log verifies');
$stays->quit;

done_testing();
