# The main promise: a key that was archived, regenerated or narrowed is refused by every call that begins after the change has
# returned, in every form of call, at every isolation level, and on a standby with remote_apply. The checker is tested, too:
# with synchronous_commit = local, and with a validator that caches, it must find violations. test/model/promise.py does the
# work. APIKEYS_LONG=1: minutes, and a million validations.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $long = $ENV{APIKEYS_LONG};
my $seed = $ENV{APIKEYS_SEED} // ($long ? int rand 1_000_000 : 1);
my $conf = "max_prepared_transactions = 10\nhot_standby_feedback = on\nmax_standby_streaming_delay = -1\nwal_receiver_status_interval = 1\n";
my $primary = new_node('primary', init => { allows_streaming => 1 }, conf => $conf);
install_in($primary, 'postgres');
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = '*'");
$primary->reload;
ok(wait_for($primary, 'postgres', "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), 'the standby is synchronous');

sub promise
{
	my (@options) = @_;
	my ($code, $out, $err) = run_code([ 'python3', "$FindBin::RealBin/../model/promise.py", '--primary', $primary->connstr('postgres'),
		'--seed', $seed, @options ]);

	is($code, 0, "promise.py @options, seed $seed") or BAIL_OUT($err);
	return JSON::PP::decode_json($out);
}

sub count
{
	my ($result, $server) = @_;
	my $kinds = $result->{violations}{$server};

	return join ', ', map { "$_: $kinds->{$_}" } sort keys %$kinds;
}

#
# What holds.
#
my @both = ('--standby', $standby->connstr('postgres'));
my $result = promise(@both, '--seconds', $long ? 120 : 8, '--calls', $long ? 1_000_000 : 4_000);

note("$result->{calls}{primary} calls on the primary, $result->{calls}{standby} on the standby, $result->{refused} refused; "
	  . "$result->{changes} changes");
is(count($result, $_), '', "the $_ keeps the promise") foreach 'primary', 'standby';
is_deeply($result->{errors}, [], 'and raises no error');
diag($_) foreach @{ $result->{shown} };
cmp_ok($result->{calls}{$_}, '>', $long ? 200_000 : 500, "calls on the $_") foreach 'primary', 'standby';
cmp_ok($result->{calls}{primary} + $result->{calls}{standby}, '>', 1_000_000, 'a million calls') if $long;
cmp_ok($result->{refused}, '>', 200, 'of which some were refused');
cmp_ok($result->{changes}, '>', 50, 'changes');
my @forms = map { s/,.*//r } keys %{ $result->{forms} };
my %forms = map { $_ => 1 } @forms;
is(join(' ', sort keys %forms), 'basic bearer bulk cursor field loop plain prepared probe timed bulk', 'every form of call was used');

#
# What must be found.
#
# by chance, sooner or later
for (1 .. 20)
{
	$result = promise('--cache', 50, '--commit', 'local', '--seconds', 3);
	last if count($result, 'primary') =~ /late VALID/;
}
like(count($result, 'primary'), qr/late VALID/, 'a validator that remembers is found out');

$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
for (1 .. 20)
{
	$result = promise(@both, '--commit', 'local', '--seconds', 3);
	is(count($result, 'primary'), '', 'synchronous_commit = local, the standby behind: the primary keeps the promise');
	last if count($result, 'standby') =~ /late VALID|wrong NOT_FOUND/;
}
like(count($result, 'standby'), qr/late VALID|wrong NOT_FOUND/, 'and the standby, which cannot know, is found out');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');

is(problems($primary, 'postgres'), '', 'sound');

done_testing();
