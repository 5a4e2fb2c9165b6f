# Random operations, each compared with a model of the contract: test/model/random_test.py and contract.py. Two runs, of
# which APIKEYS_SEED sets the seed of the second. APIKEYS_LONG=1: twenty runs of 5,000 steps, all but the first with random seeds.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use Test::More;

my $long = $ENV{APIKEYS_LONG};
my $steps = $long ? 5_000 : 500;
my $node = new_node('model', conf => "fsync = off\n");

# Runs one in a database of its own: (exit code, what it said).
sub random_test
{
	my ($seed, @options) = @_;

	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS model');
	$node->safe_psql('postgres', 'CREATE DATABASE model');
	install_in($node, 'model');
	my ($code, $out, $err) = run_code([ 'python3', "$FindBin::RealBin/../model/random_test.py", '--connect', $node->connstr('model'), '--seed', $seed, @options ]);
	return ($code, $out . $err);
}

foreach my $seed (1, $ENV{APIKEYS_SEED} // ($long ? int rand 1_000_000 : 2), $long ? map { int rand 1_000_000_000 } 1 .. 18 : ())
{
	my ($code, $said) = random_test($seed, '--steps', $steps);

	is($code, 0, "seed $seed: $steps steps as the model says");
	$code ? diag(substr $said, -20_000) : note($said);
	is(problems($node, 'model'), '', 'sound');
}

my ($code, $said) = random_test(1, '--steps', $steps, '--fault');
like($said, qr/seed 1, step \d+: validated .*: got ARCHIVED, expected /, 'a model that is wrong is found out');

done_testing();
