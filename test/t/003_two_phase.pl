# Prepared transactions: their entries are linked when they are prepared, their workspaces' chains are held until they are
# finished, other workspaces go on, and a crash in between changes nothing of that.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "max_prepared_transactions = 8\nclient_min_messages = warning\n");
install_in($node, 'postgres');
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE app;
SELECT apikeys.update_workspace('default', archive_limit => 1);
SELECT apikeys.create_workspace('acme');
SELECT apikeys.create_key('first', '{data}');
SELECT apikeys.create_key('second', '{data}');
SELECT apikeys.create_key('third', '{data}');
SELECT apikeys.create_key('a', '{data}', 'acme');
SELECT apikeys.archive_key(apikeys.key_id('first'));
SQL

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

# Does it wait for somebody?  In a transaction of its own, so that only its commit can: '' (it went through), or where.
sub waits
{
	my ($sql) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "SET lock_timeout = '200ms';\nBEGIN;\n$sql;\n\\warn done\nCOMMIT");

	return $err eq 'done' ? '' : $err =~ /lock timeout/ ? ($err =~ /^done$/m ? 'at commit' : 'at once') : $err;
}

# Names of the keys there are, and the last entries: in the order of the chain.
sub keys_are
{
	my ($expected, $what) = @_;

	is(sql("SELECT string_agg(name, ' ' ORDER BY name COLLATE \"C\") FROM apikeys.key"), $expected, "$what: keys");
	is(problems($node, 'postgres'), '', "$what: sound");
	return;
}

sub last_entry
{
	my ($workspace) = @_;

	return sql("SELECT a.activity FROM apikeys.audit_link l JOIN apikeys.audit_log a USING (audit_id) "
		  . "WHERE l.workspace = '$workspace' ORDER BY l.position DESC LIMIT 1");
}

#
# Held, and then committed.
#
my $secret = $node->safe_psql('postgres', <<'SQL');
BEGIN;
SELECT key FROM apikeys.create_key('prepared', '{data}');
SAVEPOINT s;
SELECT FROM apikeys.create_key('undone', '{data}');
ROLLBACK TO s;
SELECT FROM apikeys.update_key(apikeys.key_id('second'), team => 'x');
PREPARE TRANSACTION 'p';
SQL
keys_are('a first second third', 'prepared');
is(verdicts($node, 'postgres', $secret), 'NOT_FOUND', 'what is prepared does not validate yet');
is(waits("SELECT FROM apikeys.create_key('x', '{data}')"), 'at commit', 'the chain is held: who commits in the workspace waits');
is(waits("SELECT FROM apikeys.update_key(apikeys.key_id('second'), team => 'y')"), 'at once', 'so does who changes the same key');
is(waits("SELECT FROM apikeys.create_key('b', '{data}', 'acme')"), '', 'nobody waits in another workspace');
is(waits("SELECT FROM apikeys.register_api('billing')"), '', 'nor outside of any');
is(waits("SELECT FROM apikeys.validate_key('$secret'); SELECT FROM apikeys.verify_audit_log(); SELECT FROM apikeys.audit_logs"), '',
	'nor who validates, verifies and reads');

# who waits goes on when it is committed
my $session = $node->background_psql('postgres');
$session->query_until(qr/started/, "\\echo started\nSELECT FROM apikeys.create_key('waited', '{data}');\n");
ok(wait_for($node, 'postgres', "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'object'"), 'somebody waits');
sql("COMMIT PREPARED 'p'");
$session->quit;
keys_are('a b first prepared second third waited', 'committed');
is(verdicts($node, 'postgres', $secret), 'VALID', 'what was prepared validates');
is(last_entry('default'), 'Created key "waited"', 'who waited comes after it in the chain');

#
# Rolled back.
#
sql("BEGIN; SELECT FROM apikeys.create_key('never', '{data}'); SELECT FROM apikeys.create_key('never', '{data}', 'acme'); PREPARE TRANSACTION 'p'");
is(waits("SELECT FROM apikeys.create_key('x', '{data}')"), 'at commit', 'held once more');
is(waits("SELECT FROM apikeys.create_key('x', '{data}', 'acme')"), 'at commit', 'in both workspaces');
sql("ROLLBACK PREPARED 'p'");
keys_are('a b first prepared second third waited', 'rolled back');
is(waits("SELECT FROM apikeys.create_key('c', '{data}', 'acme')"), '', 'nobody waits any more');
keys_are('a b c first prepared second third waited', 'afterwards');

# The session that prepared starts its next transaction with nothing pending.
sql(<<'SQL');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT FROM apikeys.create_key('d', '{data}', 'acme');
PREPARE TRANSACTION 'p';
BEGIN;
SELECT FROM apikeys.update_key(apikeys.key_id('second'), team => 'z');
COMMIT;
COMMIT PREPARED 'p';
SQL
keys_are('a b c d first prepared second third waited', 'one session');

#
# Archiving; and what cannot be prepared.
#
sql("BEGIN; SELECT FROM apikeys.archive_key(apikeys.key_id('second')); PREPARE TRANSACTION 'archive'");
is(waits("SELECT FROM apikeys.archive_key(apikeys.key_id('third'))"), 'at once', 'a prepared archive: who archives there waits');
sql("COMMIT PREPARED 'archive'");
sql("SELECT FROM apikeys.archive_key(apikeys.key_id('third'))");
keys_are('a b c d prepared third waited', 'archived');

foreach my $call ("grant_access('app', 'validate')", "revoke_access('app', 'validate')", "purge_audit_log(now(), 'acme')", 'flush_usage()')
{
	my ($code, $out, $err) = $node->psql('postgres', "BEGIN; SELECT FROM apikeys.$call; PREPARE TRANSACTION 'p'");

	like($err, qr/cannot PREPARE a transaction that has called \w+\(\)/, "$call: not prepared, since others would wait");
	is(waits("SELECT FROM apikeys.$call"), '', "$call: nobody waits");
}
is(problems($node, 'postgres'), '', 'sound after what was refused');

#
# A crash in between.
#
foreach my $finish ('COMMIT', 'ROLLBACK')
{
	my $before = sql("SELECT string_agg(name, ' ' ORDER BY name COLLATE \"C\") FROM apikeys.key");
	my $last = last_entry('default');
	my $new = sql("BEGIN; SELECT key FROM apikeys.create_key('crash $finish', '{data}'); PREPARE TRANSACTION 'p'");

	$node->stop('immediate');
	$node->start;
	keys_are($before, "crashed before $finish");
	is(last_entry('default'), $last, "crashed before $finish: the chain is as it was");
	is(waits("SELECT FROM apikeys.create_key('x', '{data}')"), 'at commit', "crashed before $finish: the chain is held");
	is(waits("SELECT FROM apikeys.update_key(apikeys.key_id('a'), team => '$finish')"), '', "crashed before $finish: another is not");
	sql("$finish PREPARED 'p'");
	keys_are($finish eq 'COMMIT' ? join(' ', sort split(/ (?=[a-z])/, $before), "crash $finish") : $before, "crash and $finish");
	is(verdicts($node, 'postgres', $new), $finish eq 'COMMIT' ? 'VALID' : 'NOT_FOUND', "crash and $finish: verdict");
	sql("SELECT FROM apikeys.update_key(apikeys.key_id('waited'), team => '$finish')");
	is(last_entry('default'), 'Updated key "waited": team', "crash and $finish: life goes on");
	is(problems($node, 'postgres'), '', "crash and $finish: sound");
}

#
# Transactions in more workspaces than the lock table has room for.
#
my $many = "FROM generate_series(1, 6000) AS i";
sql("SELECT FROM (SELECT apikeys.create_workspace('many' || i) $many) AS w");
sql("SELECT FROM (SELECT apikeys.create_key('k', '{data}', 'many' || i) $many) AS k");
is(problems($node, 'postgres'), '', 'many workspaces in one transaction: sound');
my $rename = "SELECT FROM (SELECT apikeys.update_key(apikeys.key_id('k', 'many' || i), 'new') FROM generate_series(1, 1100) AS i) AS k";
sql("BEGIN; SELECT FROM apikeys.create_key('p', '{data}', 'many1200'); PREPARE TRANSACTION 'p'");
is(waits($rename), 'at commit', 'who commits in so many waits for a prepared transaction in any');
is(waits("SELECT FROM apikeys.create_key('x', '{data}', 'many1')"), '', 'who commits in one does not');
sql("COMMIT PREPARED 'p'");
is(waits($rename), '', 'nobody waits any more');
sql("BEGIN; SELECT FROM (SELECT apikeys.update_key(apikeys.key_id('new', 'many' || i), 'old') FROM generate_series(1, 1100) AS i) AS k; PREPARE TRANSACTION 'p'");
is(waits("SELECT FROM apikeys.create_key('x', '{data}', 'many1200')"), 'at commit', 'prepared in so many: all are held');
sql("ROLLBACK PREPARED 'p'");
sql("SELECT FROM (SELECT apikeys.archive_key(apikeys.key_id('k', 'many' || i)) FROM generate_series(2000, 6000) AS i) AS k");
is(problems($node, 'postgres'), '', 'many changes: sound');

# A crash of a commit that never returned leaves all or nothing.
sql('CHECKPOINT');
sql("BEGIN; SELECT FROM apikeys.create_key('half', '{data}'); PREPARE TRANSACTION 'p'");
sql("COMMIT PREPARED 'p'");
$node->stop('immediate');
$node->start;
is(sql("SELECT count(*) FROM apikeys.active_keys WHERE name = 'half'"), '1', 'committed before a crash: there');
is(problems($node, 'postgres'), '', 'committed before a crash: sound');

done_testing();
