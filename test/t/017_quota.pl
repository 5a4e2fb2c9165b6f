# Quotas and shared limits in memory: exact with many clients, after restarts and crashes, when memory is short, on a standby
# and after its promotion.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Cluster;
use Test::More;

# The worker flushes when it starts and when it must; else we say when.
my $node = new_node('main', init => { allows_streaming => 1 }, conf => "fsync = off\napikeys.flush_interval = '1h'\n");
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'";

install_in($node, 'postgres');
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION make(name text, quota bigint, period text, lim integer = NULL, ws text = 'default') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	id uuid; secret text;
BEGIN
	SELECT key_id, key INTO id, secret FROM apikeys.create_key(name, '{data}', ws, rate_limit => lim, rate_window => CASE WHEN lim > 0 THEN interval '1 year' END);
	UPDATE apikeys.key k SET quota = make.quota, quota_period = make.period WHERE k.key_id = id;
	RETURN secret;
END
$$;
CREATE FUNCTION secret(i integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'imported secret number ' || i $$;
CREATE FUNCTION use_keys(first integer, last integer) RETURNS bigint LANGUAGE sql AS
$$ SELECT count(*) FILTER (WHERE (v).valid) FROM (SELECT apikeys.validate_key(secret(i)) AS v FROM generate_series(first, last) AS i OFFSET 0) AS s $$;
SELECT apikeys.create_workspace('shared');
SQL

sub make { my (@args) = @_; return query($node, 'postgres', "SELECT make(" . join(', ', map { defined $_ ? "'$_'" : 'NULL' } @args) . ")"); }

# How many of so many requests are VALID.
sub valid
{
	my ($server, $secret, $times) = @_;

	return query($server, 'postgres', "SELECT count(*) FROM (SELECT (apikeys.validate_key('$secret', 'data')).code FROM generate_series(1, $times)) AS s WHERE code = 'VALID'");
}

# What is left: 'code quota_remaining', or of the tighter limit.
sub rest
{
	my ($server, $secret, $column) = @_;
	$column //= 'quota_remaining';

	return query($server, 'postgres', "SELECT code || ' ' || $column FROM apikeys.validate_key('$secret', cost => 0)");
}

# So many clients that ask at once, each with statements of 100 requests: the verdicts of all, code => number.
sub clients
{
	my ($n, $rounds, $secrets, $cost) = @_;
	my %codes;
	my @got = fork_clients($n, 1, sub {
		my ($i) = @_;
		my $session = session($node, 'postgres');
		my %mine;
		for my $round (1 .. $rounds)
		{
			my $secret = $secrets->[ ($i + $round) % @$secrets ];
			my ($how, $out) = $session->run("SELECT code, count(*) FROM (SELECT (apikeys.validate_key('$secret', cost => $cost)).code FROM generate_series(1, 100)) AS s GROUP BY 1");
			die $out if $how ne 'ok';
			foreach (split /\n/, $out)
			{
				my ($code, $count) = split /\|/;
				$mine{$code} += $count;
			}
		}
		$session->quit;
		return \%mine;
	})->();
	foreach my $mine (@got)
	{
		defined $mine or return {};
		$codes{$_} += $mine->{$_} foreach keys %$mine;
	}
	return \%codes;
}

#
# Sixteen clients: exactly what a quota, a key's limit and a workspace's allow, and what one refuses is charged to no other.
#
my $quota = make('quota', 7777, 'total');
is_deeply(clients(16, 10, [$quota], 1), { VALID => 7777, QUOTA_EXCEEDED => 8223 }, 'a quota is exact under 16 clients');
is(rest($node, $quota), 'VALID 0', 'and used up');
my $costly = make('costly', 10000, 'total');
is_deeply(clients(16, 5, [$costly], 7), { VALID => 1428, QUOTA_EXCEEDED => 6572 }, 'so it is with a cost');
is(rest($node, $costly), 'VALID 4', 'what is too little for one more is left');

$node->safe_psql('postgres', "UPDATE apikeys.workspace SET rate_limit = 5000, rate_window = '1 year' WHERE workspace = 'shared'");
my @many = map { make("shared $_", $_ == 1 ? 900 : 1_000_000, 'total', $_ == 2 ? 1100 : 1_000_000, 'shared') } 1 .. 4;
my $codes = clients(16, 16, \@many, 1);
is($codes->{VALID}, 5000, 'the limit of a workspace is exact for four keys and 16 clients');
is($codes->{VALID} + $codes->{RATE_LIMITED} + ($codes->{QUOTA_EXCEEDED} // 0), 25600, 'every request was answered');
my @used = split /\n/, query($node, 'postgres', "SELECT apikeys_internal.quota_used(key_id, 'total') FROM apikeys.key WHERE workspace = 'shared' ORDER BY name");
is($used[0] + $used[1] + $used[2] + $used[3], 5000, "what was refused was charged to no quota (@used)");
ok($used[0] <= 900 && $used[1] <= 1100, 'nor over');
$node->safe_psql('postgres', "UPDATE apikeys.workspace SET rate_limit = NULL, rate_window = NULL WHERE workspace = 'shared'");
is(rest($node, $many[1], 'rate_remaining'), 'VALID ' . (1100 - $used[1]), 'nor to a key\'s limit');

#
# A clean stop loses nothing; a crash what was not flushed, and no more.
#
my $kept = make('kept', 100, 'total');
is(valid($node, $kept, 30), 30, 'thirty of a hundred');
$node->restart;
is(rest($node, $kept), 'VALID 70', 'after a restart');
is(valid($node, $kept, 10), 10, 'ten more');
query($node, 'postgres', 'SELECT apikeys.flush_usage()');
# the worker's first flush may be still to come
my $held = hold_worker($node, 'postgres');
is(valid($node, $kept, 5), 5, 'flushed, and five more');
is(query($node, 'postgres', "SELECT apikeys_internal.quota_used(apikeys.key_id('kept'), 'total')"), 45, 'of which people are told');
$node->stop('immediate');
release_worker($held);
$node->start;
is(rest($node, $kept), 'VALID 60', 'a crash forgets what was not flushed, and nothing else');
is(valid($node, $kept, 100), 60, 'the rest is exact');

# without counting, too: the server that stops flushes it
my $uncounted = make('uncounted', 100, 'total');
query($node, 'postgres', "SET apikeys.track_usage = off; SELECT count(apikeys.validate_key('$uncounted')) FROM generate_series(1, 20)");
$node->restart;
is(rest($node, $uncounted), 'VALID 80', 'a quota needs no counting of usage');

# a worker that starts gives back items of which all is flushed; their quotas begin again with what was flushed
query($node, 'postgres', 'SELECT apikeys.flush_usage()');
ok(wait_for($node, 'postgres', $workers, '1'), 'there is a worker');
query($node, 'postgres', "SELECT pg_terminate_backend(pid, 180000) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'");
ok(wait_for($node, 'postgres', 'SELECT limits FROM apikeys.status()', '0'), 'which go with what is flushed');
is(rest($node, $uncounted), 'VALID 80', 'and nothing is lost');

#
# More quotas than memory holds: given back when they are flushed, they are exact all the same, and a request that found no
# place is told.
#
$node->safe_psql('postgres', "SELECT count(apikeys.import_key('key ' || i, '{data}', sha256(convert_to(secret(i), 'UTF8')), 'x')) FROM generate_series(1, 3000) AS i; "
	  . "UPDATE apikeys.key SET quota = 2, quota_period = 'total' WHERE name LIKE 'key %'");
$node->append_conf('postgresql.conf', "apikeys.usage_memory = '512kB'\napikeys.flush_interval = '100ms'\n");
$node->restart;
my $passed = 0;
for my $round (1 .. 3)
{
	for (my $i = 1; $i <= 2100; $i += 75)
	{
		$passed += query($node, 'postgres', "SELECT use_keys($i, $i + 74)");
		query($node, 'postgres', 'SELECT apikeys.flush_usage()');
		# what is flushed makes room, where there is place for about 1,780
		wait_for($node, 'postgres', 'SELECT limits <= 1680 FROM apikeys.status()');
	}
}
my ($not_kept, $given_up) = split /\|/, query($node, 'postgres', 'SELECT limits_not_kept, limits_given_up FROM apikeys.status()');
cmp_ok($not_kept, '<', 210, "$not_kept requests of 6300 found no place");
is($given_up, 0, 'nothing was forgotten');
is($passed - $not_kept, 4200, '2100 quotas of 2 in a memory for fewer');
# used faster than flushed, they are lost, and status() says so
query($node, 'postgres', "UPDATE apikeys.key SET quota = 1000000 WHERE name LIKE 'key %'");
$held = hold_worker($node, 'postgres');
query($node, 'postgres', 'SELECT use_keys(1, 3000), use_keys(1, 3000)');
release_worker($held);
is(query($node, 'postgres', 'SELECT limits_not_kept + limits_given_up > 0 FROM apikeys.status()'), 't', 'beyond that, status() tells what was lost');

#
# A standby counts for itself, from what it saw flushed; promoted, it has the sum.
#
$node->append_conf('postgresql.conf', "apikeys.usage_memory = '64MB'\napikeys.flush_interval = '200ms'\n");
$node->restart;
my $both = make('both', 1000, 'total');
my $mine = make('mine', 1000, 'month');
my $later = make('later', 1000, 'total');
my $flushed = "SELECT coalesce((SELECT used FROM apikeys_internal.quota_used WHERE key_id = apikeys.key_id('%s')), 0)";
valid($node, $both, 100);
valid($node, $later, 10);
ok(wait_for($node, 'postgres', sprintf($flushed, 'both'), '100'), 'the primary flushes by itself');
ok(wait_for($node, 'postgres', sprintf($flushed, 'later'), '10'), 'another');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(valid($standby, $both, 50), 50, 'the standby counts');
is(rest($standby, $both), 'VALID 850', 'from what the primary had flushed');
is(valid($standby, $mine, 7), 7, 'one that the primary has not met');
is(rest($standby, $later), 'VALID 990', 'and one of which it only looks');
is(rest($node, $both), 'VALID 900', 'the primary knows nothing of it');
valid($node, $both, 30);
valid($node, $later, 20);
ok(wait_for($node, 'postgres', sprintf($flushed, 'both'), '130'), 'the primary goes on');
ok(wait_for($node, 'postgres', sprintf($flushed, 'later'), '30'), 'with both');
$node->wait_for_catchup($standby);
is(rest($standby, $both), 'VALID 850', 'and the standby for itself');
$node->stop;
$standby->promote;
ok(wait_for($standby, 'postgres', sprintf($flushed, 'both'), '180'), 'promoted, it flushes the sum');
ok(wait_for($standby, 'postgres', sprintf($flushed, 'mine'), '7'), 'and what was its own');
is(rest($standby, $both), 'VALID 820', 'which holds from then on');
is(rest($standby, $later), 'VALID 970', 'also where it had charged nothing');
is(valid($standby, $later, 2000), 970, 'exactly');
is(problems($standby, 'postgres'), '', 'the database is sound');

done_testing();
