# Validation does not wait: for open transactions that edit keys, for a key that is edited without pause, or because of an old
# snapshot that keeps every version of a key. VACUUM then removes these versions. APIKEYS_LONG=1: 1,000,000 validations instead
# of 20,000.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $validations = $ENV{APIKEYS_LONG} ? 1_000_000 : 20_000;
my $node = new_node('busy', conf => "autovacuum = off\ndeadlock_timeout = 100ms\nlog_lock_waits = on\n");
install_in($node, 'postgres');
my (%id, %secret);
foreach my $name ('held', 'archived', 'busy', 'other')
{
	($id{$name}, $secret{$name}) = split /\|/, $node->safe_psql('postgres', "SELECT key_id, key FROM apikeys.create_key('$name', '{data}')");
}

# Codes and how often they came, of that many validations in one statement; a wait of a second is an error.
my $many = "SET lock_timeout = '1s'; SELECT string_agg(code || ' ' || n, ', ' ORDER BY code) FROM (SELECT code, count(*) AS n "
  . "FROM generate_series(1, %d) AS i, LATERAL (SELECT code FROM apikeys.validate_key('%s' || left(i::text, 0), 'data') OFFSET 0) AS v GROUP BY code) AS c";

#
# Transactions that stay open: one has changed a key, one has archived another, one has taken a name.
#
my @open = map { session($node, 'postgres') } 1 .. 3;
my @held = ("SELECT count(key_id) FROM apikeys.update_key('$id{held}', 'renamed', team => 'x')", "SELECT count(key_id) FROM apikeys.archive_key('$id{archived}')",
	"SELECT count(key_id) FROM apikeys.create_key('name', '{data}')");
is(join(' ', $open[$_]->run("BEGIN; $held[$_]")), 'ok 1', 'a transaction stays open') foreach 0 .. 2;
is($node->safe_psql('postgres', sprintf $many, $validations / 10, $secret{$_}), 'VALID ' . $validations / 10, "validated meanwhile: $_")
  foreach 'held', 'archived';
is($node->safe_psql('postgres', "SET lock_timeout = '1s'; SELECT name FROM apikeys.update_key('$id{other}', team => 'y')"), 'other',
	'another key is edited meanwhile');
is(join(' ', $_->run('COMMIT')), 'ok ', 'committed') foreach @open;
is(verdicts($node, 'postgres', @secret{qw(held archived)}), 'VALID ARCHIVED', 'and now their changes hold');

#
# A key that is edited all the time: its present secret, which stays, is valid each time that it is asked.
#
my $dir = PostgreSQL::Test::Utils::tempdir();
my $editors = fork_clients(2, 1, sub {
		my ($client) = @_;
		my $session = session($node, 'postgres');
		my $done = 0;

		until (-e "$dir/stop")
		{
			my ($status, $result) = $session->run("SELECT count(key_id) FROM apikeys.update_key('$id{busy}', team => 'team $client $done')");
			die "$status $result" if $status ne 'ok';
			$done++;
		}
		return { done => $done };
	});
# an old snapshot keeps all versions of the key
my $old = session($node, 'postgres');
is(join(' ', $old->run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) > 0 FROM apikeys.key')), 'ok t', 'an old snapshot');
my $validators = fork_clients(2, 2, sub {
		my $session = session($node, 'postgres');
		my ($status, $result) = $session->run(sprintf $many, $validations / 2, $secret{busy});

		return { result => "$status $result" };
	});
is($_->{result}, 'ok VALID ' . $validations / 2, 'validated while it is edited') foreach $validators->();
append_to_file("$dir/stop", '');
my $edits = 0;
$edits += $_->{done} foreach $editors->();
cmp_ok($edits, '>', 10, "it was edited meanwhile: $edits times");
is(join(' ', $old->run("SELECT code FROM apikeys.validate_key('$secret{archived}')")), 'ok ARCHIVED', 'the old snapshot does not see old keys');
is(problems($node, 'postgres'), '', 'sound');
# a table that grows makes others wait, too, if whoever makes it grow does not get on
my $waits = qr/still waiting for (?!ExclusiveLock on (?:tuple|object|extension of relation)|ShareLock on transaction)/;
unlike(slurp_file($node->logfile), $waits, 'nobody waited but who edited the same key');
unlike(slurp_file($node->logfile), qr/still waiting for .*\n(?:.*DETAIL: .*\n)?(?:.*CONTEXT: .*\n)?.*STATEMENT: .*validate_key/, 'and nobody who validated');

#
# Bloat: once nobody needs the versions, their room is used again.
#
is(join(' ', $old->run('COMMIT')), 'ok ', 'the old snapshot ends');
my $edit = "DO \$\$ BEGIN FOR i IN 1 .. 500 LOOP PERFORM apikeys.update_key('$id{busy}', team => 'turn ' || i); COMMIT; END LOOP; END \$\$";
$node->safe_psql('postgres', 'VACUUM apikeys.key');
$node->safe_psql('postgres', $edit);
my $size = "SELECT pg_table_size('apikeys.key'), pg_indexes_size('apikeys.key')";
my ($before, $after) = query($node, 'postgres', $size);
# a job of the worker may need versions that one round leaves behind; not those of each
foreach my $round (1 .. 20)
{
	$node->safe_psql('postgres', $edit);
	$node->safe_psql('postgres', 'VACUUM apikeys.key');
	$after = query($node, 'postgres', $size);
	last if $after eq $before || $round == 20;
	$before = $after;
}
is($after, $before, 'a key that is edited again and again takes no more room');
is(verdicts($node, 'postgres', $secret{busy}), 'VALID', 'and is found');
is(index_problems($node, 'postgres'), '', 'indexes');
$_->quit foreach @open, $old;

done_testing();
