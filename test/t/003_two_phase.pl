# Prepared transactions: the log makes nobody wait for them, and their entries enter the tree once they are committed, also when
# the server crashes in between.

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

# Does it wait for a transaction that does not end?  '' (it went through), or where.
sub waits
{
	my ($sql) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "SET lock_timeout = '5s';\nBEGIN;\n$sql;\n\\warn done\nCOMMIT");

	return $err eq 'done' ? '' : $err =~ /lock timeout/ ? ($err =~ /^done$/m ? 'at commit' : 'at once') : $err;
}

# Names of the keys there are.
sub keys_are
{
	my ($expected, $what) = @_;

	is(sql("SELECT string_agg(name, ' ' ORDER BY name COLLATE \"C\") FROM apikeys.key"), $expected, "$what: keys");
	is(problems($node, 'postgres'), '', "$what: sound");
	return;
}

# The last entry of a workspace's tree, once all that is committed is there.
sub last_entry
{
	my ($workspace) = @_;

	sequence($node, 'postgres');
	return sql("SELECT a.activity FROM apikeys.audit_tree t JOIN apikeys.audit_log a USING (audit_id) "
		  . "WHERE t.workspace = '$workspace' ORDER BY t.position DESC LIMIT 1");
}

#
# Prepared, and then committed.
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
is(waits("SELECT FROM apikeys.update_key(apikeys.key_id('second'), team => 'y')"), 'at once', 'who changes the same key waits');
is(waits("SELECT FROM apikeys.create_key('meanwhile', '{data}')"), '', 'nobody else does, in this workspace');
is(waits("SELECT FROM apikeys.create_key('b', '{data}', 'acme')"), '', 'nor in another');
is(waits("SELECT FROM apikeys.register_api('billing')"), '', 'nor outside of any');
is(waits("SELECT FROM apikeys.validate_key('$secret'); SELECT FROM apikeys.verify_audit_logs(); SELECT FROM apikeys.audit_logs"), '',
	'nor who validates, verifies and reads');
is(last_entry('default'), 'Created key "meanwhile"', 'the tree goes on without what is prepared');
my $checkpoints = checkpoints($node, 'postgres');
sql("COMMIT PREPARED 'p'");
keys_are('a b first meanwhile prepared second third', 'committed');
is(verdicts($node, 'postgres', $secret), 'VALID', 'what was prepared validates');
is(last_entry('default'), 'Updated key "second": team', 'its entries come after those that were committed before, though their numbers are lower');
is(sql("SELECT count(*) FROM apikeys.verify_audit_logs(NULL, $checkpoints) WHERE NOT ok"), '0', 'and the checkpoints of before hold');

#
# Rolled back.
#
sql("BEGIN; SELECT FROM apikeys.create_key('never', '{data}'); SELECT FROM apikeys.create_key('never', '{data}', 'acme'); PREPARE TRANSACTION 'p'");
is(waits("SELECT FROM apikeys.create_key('c', '{data}', 'acme')"), '', 'nobody waits');
sql("ROLLBACK PREPARED 'p'");
keys_are('a b c first meanwhile prepared second third', 'rolled back');

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
keys_are('a b c d first meanwhile prepared second third', 'one session');

#
# Archiving; and what cannot be prepared.
#
sql("BEGIN; SELECT FROM apikeys.archive_key(apikeys.key_id('second')); PREPARE TRANSACTION 'archive'");
is(waits("SELECT FROM apikeys.archive_key(apikeys.key_id('third'))"), 'at once', 'a prepared archive: who archives there waits');
sql("COMMIT PREPARED 'archive'");
sql("SELECT FROM apikeys.archive_key(apikeys.key_id('third'))");
keys_are('a b c d meanwhile prepared third', 'archived');

foreach my $call ("grant_access('app', 'validate')", "revoke_access('app', 'validate')", "purge_audit_logs(now(), 'acme')", 'flush_usage()')
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
	is(last_entry('default'), $last, "crashed before $finish: the tree is as it was");
	is(waits("SELECT FROM apikeys.update_key(apikeys.key_id('meanwhile'), team => '$finish')"), '', "crashed before $finish: nobody waits");
	is(last_entry('default'), 'Updated key "meanwhile": team', "crashed before $finish: the tree goes on");
	sql("$finish PREPARED 'p'");
	keys_are($finish eq 'COMMIT' ? join(' ', sort split(/ (?=[a-z])/, $before), "crash $finish") : $before, "crash and $finish");
	is(verdicts($node, 'postgres', $new), $finish eq 'COMMIT' ? 'VALID' : 'NOT_FOUND', "crash and $finish: verdict");
	is(last_entry('default'), $finish eq 'COMMIT' ? 'Created key "crash COMMIT"' : 'Updated key "meanwhile": team', "crash and $finish: its entry");
	is(problems($node, 'postgres'), '', "crash and $finish: sound");
}

#
# Transactions in more workspaces than the lock table has room for: an entry takes no lock.
#
my $many = "FROM generate_series(1, 6000) AS i";
sql("SELECT FROM (SELECT apikeys.create_workspace('many' || i) $many) AS w");
sql("SELECT FROM (SELECT apikeys.create_key('k', '{data}', 'many' || i) $many) AS k");
is(problems($node, 'postgres'), '', 'many workspaces in one transaction: sound');
my $rename = "SELECT FROM (SELECT apikeys.update_key(apikeys.key_id('k', 'many' || i), 'new') FROM generate_series(1, 1100) AS i) AS k";
sql("BEGIN; SELECT FROM apikeys.update_key(apikeys.key_id('k', 'many1200'), 'p'); PREPARE TRANSACTION 'p'");
is(waits($rename), '', 'nobody waits for a prepared transaction in another workspace');
sql("COMMIT PREPARED 'p'");
sql("BEGIN; SELECT FROM (SELECT apikeys.update_key(apikeys.key_id('new', 'many' || i), 'old') FROM generate_series(1, 1100) AS i) AS k; PREPARE TRANSACTION 'p'");
is(waits("SELECT FROM apikeys.update_key(apikeys.key_id('k', 'many1300'), 'q')"), '', 'nor for one in so many');
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
