# A standby with synchronous_commit = remote_apply: once the call that ends a key has returned, no server accepts the key,
# although both are queried all the time. A fail-over loses nothing that was acknowledged.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $turns = $ENV{APIKEYS_LONG} ? 2000 : 60;
my $primary = new_node('primary', init => { allows_streaming => 1 },
	conf => "synchronous_commit = remote_apply\nautovacuum_naptime = 1s\n");
install_in($primary, 'postgres');
$primary->safe_psql('postgres', <<'SQL');
CREATE ROLE app LOGIN;
SELECT apikeys.grant_access('app', 'validate');
SQL

$primary->backup('backup');
my @standbys = map { PostgreSQL::Test::Cluster->new("standby$_") } 1, 2;
foreach my $standby (@standbys)
{
	$standby->init_from_backup($primary, 'backup', has_streaming => 1);
	# whoever asks on the standby does not hold replay up
	$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nmax_standby_streaming_delay = 1s\n");
	$standby->start;
}
$primary->append_conf('postgresql.conf', "synchronous_standby_names = 'ANY 2 (standby1, standby2)'\n");
$primary->reload;
wait_for($primary, 'postgres', "SELECT count(*) = 2 FROM pg_stat_replication WHERE sync_state = 'quorum'") or die 'no standby';

#
# One client creates a key, shows it on all servers, ends it in one way or another, and shows it again.  Others hammer the
# standbys with the same keys: what has once been refused is never accepted again.
#
my @ends = (
	[ 'archive', "SELECT count(key_id) FROM apikeys.archive_key('%s')", 'ARCHIVED' ],
	[ 'regenerate', "SELECT count(key_id) FROM apikeys.regenerate_key('%s')", 'REGENERATED' ],
	[ 'suspend', "SELECT count(key_id) FROM apikeys.update_key('%s', expires_at => now())", 'EXPIRED' ],
	[ 'restrict', "SELECT count(key_id) FROM apikeys.update_key('%s', apis => '{push}')", 'INSUFFICIENT_PERMISSIONS' ]);

my $dir = PostgreSQL::Test::Utils::tempdir();
my $hammers = fork_clients(2, 1, sub {
		my ($client) = @_;
		my $session = session($standbys[ $client - 1 ], 'postgres');
		my (%refused, @wrong, $asked);

		until (-e "$dir/stop")
		{
			open my $now, '<', "$dir/now" or next;
			my $secret = <$now> // next;
			close $now;
			my ($status, $code) = $session->run("SET ROLE app; SELECT code FROM apikeys.validate_key('$secret', 'data')");
			push @wrong, "standby $client: $code after $refused{$secret}" if defined $refused{$secret} && $code ne $refused{$secret};
			append_to_file("$dir/refused$client", '.') if $status eq 'ok' && $code ne 'VALID' && !%refused;
			$refused{$secret} = $code if $status eq 'ok' && $code ne 'VALID';
			$asked++;
		}
		return { asked => $asked, wrong => \@wrong, refused => scalar keys %refused };
	});

my @sessions = map { session($_, 'postgres') } @standbys;
my $manager = session($primary, 'postgres');
my @wrong;
# and until both have met a key that was ended
for (my $turn = 1; $turn <= $turns || $turn <= 100 * $turns && grep { !-e "$dir/refused$_" } 1, 2; $turn++)
{
	my ($end, $sql, $expected) = @{ $ends[ $turn % @ends ] };
	my ($status, $result) = $manager->run("SELECT key_id, key FROM apikeys.create_key('key $turn', '{data}')");
	my ($id, $secret) = split /\|/, $result;
	my $ask = "SELECT code FROM apikeys.validate_key('$secret', 'data')";

	push @wrong, "$turn: $_ after its creation" foreach grep { $_ ne 'ok VALID' } map { join ' ', $_->run($ask) } @sessions;
	open my $now, '>', "$dir/next" or die;
	print $now $secret;
	close $now;
	rename "$dir/next", "$dir/now";
	($status, $result) = $manager->run(sprintf $sql, $id);
	push @wrong, "$turn: $status $result" if $status ne 'ok';
	push @wrong, "$turn: $_ after $end" foreach grep { $_ ne "ok $expected" } map { join ' ', $_->run($ask) } @sessions;
}
is("@wrong", '', "$turns times: what the call has ended is refused on every standby when it returns");
append_to_file("$dir/stop", '');
my @hammered = $hammers->();
foreach my $i (0, 1)
{
	is("@{ $hammered[$i]{wrong} }", '', 'what a standby has refused once it never accepts again');
	cmp_ok($hammered[$i]{refused}, '>', 0, "it was asked while keys ended ($hammered[$i]{asked} times)");
}

#
# The primary dies while clients work; what was acknowledged is on the standby that is promoted.
#
my $work = fork_clients(3, 2, sub {
		my ($client) = @_;
		my $session = session($primary, 'postgres');
		my %known;

		foreach my $turn (1 .. 1000)
		{
			my ($status, $result) = $session->run("SELECT key_id, key FROM apikeys.create_key('work $client $turn', '{data}')");
			last if $status ne 'ok' || $result !~ /^(\S+)\|(\S+)$/;
			my ($id, $secret) = ($1, $2);
			$known{$secret} = 'VALID';
			next if $turn % 2;
			delete $known{$secret};
			($status, $result) = $session->run("SELECT count(key_id) FROM apikeys.update_key('$id', expires_at => now())");
			last if $status ne 'ok' || $result ne '1';
			$known{$secret} = 'EXPIRED';
		}
		return \%known;
	});
wait_for($primary, 'postgres', "SELECT count(*) > 100 FROM apikeys.key WHERE name LIKE 'work %'") or die 'no work';
$_->quit foreach @sessions, $manager;
$primary->stop('immediate');
my %known = map { %{ $_ // die 'a client died' } } $work->();
# the new primary is the one that has more, as an operator chooses
my ($new, $other) = sort { $b->safe_psql('postgres', "SELECT pg_last_wal_replay_lsn() - '0/0'") <=> $a->safe_psql('postgres', "SELECT pg_last_wal_replay_lsn() - '0/0'") } @standbys;
$new->promote;
my @secrets = sort keys %known;
cmp_ok(scalar(@secrets), '>', 10, 'clients had work acknowledged: ' . scalar @secrets);
is(verdicts($new, 'postgres', @secrets), join(' ', @known{@secrets}), 'all of which the new primary has');
is(problems($new, 'postgres'), '', 'and it is sound');
$new->safe_psql('postgres', "SET synchronous_commit = local; SELECT apikeys.create_key('after', '{data}')");
is(problems($new, 'postgres'), '', 'and goes on');

done_testing();
