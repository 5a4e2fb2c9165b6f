# More databases than workers: the workers serve them in turn, and a clean stop of the server loses no counts of any database.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "apikeys.max_workers = 2\napikeys.flush_interval = '1s'\nmax_worker_processes = 8\nmax_prepared_transactions = 1\n");
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'";
my @databases = map { "db$_" } 1 .. 6;
my (%key, %made);

sub validate
{
	my ($db, $times) = @_;

	query($node, $db, "SELECT count((apikeys.validate_key('$key{$db}', 'data')).code) FROM generate_series(1, $times)");
	$made{$db} += $times;
	return;
}

# What each database's table says, by a session that has not to do with the extension: 'db1 10, db2 20, ...'.
sub in_tables
{
	return join ', ', map { "$_ " . query($node, $_, "SELECT coalesce(sum(count), 0) FROM apikeys_internal.usage WHERE code = 'VALID'") } @databases;
}

sub all_made
{
	return join ', ', map { "$_ $made{$_}" } @databases;
}

sub wait_until_flushed
{
	my ($what) = @_;
	my $until = time + 180;

	1 while in_tables() ne all_made() && time < $until;
	return is(in_tables(), all_made(), $what);
}

foreach my $db (@databases)
{
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	install_in($node, $db);
	$key{$db} = query($node, $db, "SELECT key FROM apikeys.create_key('one', '{data}')");
}
# sessions that stay, and count: what they counted is flushed by workers alone
my @sessions = map { session($node, $_) } @databases;
foreach my $round (1 .. 3)
{
	foreach my $i (0 .. $#databases)
	{
		my ($status, $count) = $sessions[$i]->run("SELECT count((apikeys.validate_key('$key{$databases[$i]}', 'data')).code) FROM generate_series(1, 10)");
		is("$status $count", 'ok 10', "round $round: requests in $databases[$i]");
		$made{ $databases[$i] } += 10;
	}
	wait_until_flushed("round $round: every database has its turn");
	# those that leave may still be there while their successors come
	ok(wait_for($node, 'postgres', $workers, '2'), 'by two workers');
}
# each is asked in its turn, and may just have its own
my %states;
for (1 .. 100)
{
	%states = map { (($_->run('SELECT worker FROM apikeys.status()'))[1] => 1) } @sessions;
	last if $states{'waiting for its turn'};
}
ok($states{'waiting for its turn'}, 'status() tells who waits: ' . join ', ', sort keys %states);

#
# A clean stop, while all sessions count: each count is in the tables.
#
$node->append_conf('postgresql.conf', "apikeys.max_workers = 1\napikeys.flush_interval = '1h'");
$node->reload;
$node->safe_psql($_, 'CREATE SEQUENCE calls') foreach @databases;
foreach my $i (0 .. $#databases)
{
	$sessions[$i]->run("SELECT count((apikeys.validate_key('$key{$databases[$i]}', 'data')).code) FROM generate_series(1, 10)");
	$made{ $databases[$i] } += 10;
}
my @busy;
my $out = '';
foreach my $db (@databases)
{
	push @busy, IPC::Run::start([ 'psql', '-qXAt', '-d', $node->connstr($db), '-c',
		"SELECT count(nextval('calls')), count((apikeys.validate_key('$key{$db}', 'data')).code) FROM generate_series(1, 3000), generate_series(1, 3000) AS b" ],
		'>', \$out, '2>', \$out);
}
ok(wait_for($node, $_, 'SELECT last_value > 100 FROM calls'), "a session in $_ is busy") foreach @databases;
my $log = -s $node->logfile;
$node->stop('fast');
$_->finish foreach @busy;
$node->start;
foreach my $db (@databases)
{
	my $calls = query($node, $db, 'SELECT last_value FROM calls');
	my $counted = query($node, $db, "SELECT sum(count) FROM apikeys_internal.usage WHERE code = 'VALID'");

	cmp_ok(abs($counted - $calls - $made{$db}), '<=', 1, "$db: all are there ($counted counted, $made{$db} + $calls made)");
	$made{$db} = $counted;
}
unlike(slurp_file($node->logfile, $log), qr/ERROR|PANIC|could not (?!send data to client)/, 'and nobody complains');

#
# So it is with sessions that come for one request and go, and with one that crashed nothing: short ones, then a stop.
#
validate($_, 5) foreach @databases;
validate($_, 5) foreach @databases;
$node->stop('fast');
$node->start;
is(in_tables(), all_made(), 'a stop after short sessions loses nothing');

#
# Whoever counted while there was a worker left the counts to it. It flushes them before it serves another database, although a session
# stays that has nothing to do with the extension.
#
@sessions = map { session($node, $_) } @databases[ 0, 1 ];
$_->run('SELECT 1') foreach @sessions;
sub worker_of { return "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'apikeys worker' AND datname = '$_[0]'"; }
validate('db1', 1);
ok(wait_for_round($node, 'db1'), 'the worker is in one database');
validate('db1', 10);
validate('db2', 1);
ok(wait_for($node, 'postgres', worker_of('db2')), 'and goes to another');
$_->quit foreach @sessions;
$node->stop('fast');
$node->start;
is(in_tables(), all_made(), 'a stop after that loses nothing');

#
# Nor does it lose what is counted while a worker does its last work, which waits for a lock here.
#
validate('db1', 1);
ok(wait_for_round($node, 'db1'), 'there is a worker');
query($node, 'db1', "BEGIN; LOCK TABLE apikeys.audit_tree; PREPARE TRANSACTION 'p'");
my $stays = session($node, 'db2');
$stays->run('SELECT 1');
validate('db2', 1);
ok(wait_for($node, 'postgres', 'SELECT (' . worker_of('db1') . " AND wait_event_type = 'Lock') OR (" . worker_of('db2') . ')'), 'it is about to leave');
validate('db1', 10);
wait_for($node, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = 'db1'});
query($node, 'db1', "ROLLBACK PREPARED 'p'");
ok(wait_for($node, 'postgres', worker_of('db2')), 'the other one has its turn');
$stays->quit;
$node->stop('fast');
$node->start;
is(in_tables(), all_made(), 'a stop after that loses nothing');

#
# Preloaded, all databases have their turn; those without the extension are forgotten.
#
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'apikeys'\napikeys.flush_interval = '1s'");
validate($_, 5) foreach @databases;
$node->restart;
ok(wait_for($node, 'postgres', $workers, '1'), 'preloaded, there is one worker');
is(in_tables(), all_made(), 'nor does a restart');
ok(wait_for($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikeys launcher'", '0'), 'the launcher is gone');
validate($_, 5) foreach @databases;
wait_until_flushed('in turn');
run_ok('DROP DATABASE', [ 'psql', '-qX', '-d', $node->connstr('postgres'), '-c', "DROP DATABASE $_" ]) foreach @databases[ 0, 1 ];
splice @databases, 0, 2;
validate($_, 5) foreach @databases;
wait_until_flushed('and the others go on');

done_testing();
