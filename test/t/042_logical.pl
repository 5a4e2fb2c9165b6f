# Logical replication: two subscribers validate by themselves, and hold each row of the publisher once, from the first sync on,
# which runs under load. They manage nothing, and take over the publisher's trees, until one of them replaces the publisher.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my @tables = qw(workspace api key team_member access audit_log audit_tree audit_size);
my $conf = "max_worker_processes = 24\nmax_logical_replication_workers = 12\nwal_receiver_status_interval = 1s\n";
# it takes entries into the trees when we say so
my $publisher = new_node('publisher', init => { allows_streaming => 'logical' },
	conf => "${conf}apikeys.flush_interval = '1h'\napikeys.audit_checkpoint_interval = 0\n");
install_in($publisher, 'postgres');
$publisher->safe_psql('postgres', <<'SQL');
CREATE ROLE app LOGIN;
SELECT apikeys.register_api('billing');
SELECT apikeys.unregister_api('push');
SELECT apikeys.update_workspace('default', 'Zentrale', 'zz', 3);
SELECT apikeys.create_workspace('acme', archive_limit => 3);
SELECT apikeys.add_team_member('ann', 'platform');
SELECT apikeys.grant_access('app', 'validate');
SELECT apikeys.grant_access('app', 'view', 'acme');
SQL

my %secret;
sub keep
{
	my ($name, $sql) = @_;

	$secret{$name} = $publisher->safe_psql('postgres', $sql);
	return;
}
keep('plain', "SELECT key FROM apikeys.create_key('plain', '{data}')");
keep('old', "SELECT key FROM apikeys.create_key('overlap', '{data}', 'acme')");
keep('new', "SELECT key FROM apikeys.regenerate_key(apikeys.key_id('overlap'), '1 day')");
keep("end$_", "SELECT key FROM apikeys.create_key('end $_', '{data}')") foreach 1 .. 4;
$publisher->safe_psql('postgres', "SELECT apikeys.archive_key(apikeys.key_id('end 1'))");

#
# Two subscribers.  Their first sync runs while clients change keys.
#
my $list = join ', ', map { "apikeys.$_" } @tables;
$publisher->safe_psql('postgres', "CREATE PUBLICATION keys FOR TABLE $list");

my @subscribers = map { new_node("subscriber$_", init => { allows_streaming => 'logical' },
		conf => "${conf}apikeys.flush_interval = '200ms'\n") } 1, 2;
foreach my $subscriber (@subscribers)
{
	install_in($subscriber, 'postgres');
	$subscriber->safe_psql('postgres', 'CREATE ROLE app LOGIN');
}

my $load = fork_clients(2, 1, sub {
		my ($client) = @_;
		my $session = session($publisher, 'postgres');

		foreach my $turn (1 .. 40)
		{
			my $workspace = $turn % 2 ? 'default' : 'acme';
			my ($status, $result) = $session->run("SET client_min_messages = warning; BEGIN; "
				  . "SELECT count(key_id) FROM apikeys.create_key('load $client $turn', '{data}', '$workspace'); "
				  . "SELECT count(key_id) FROM apikeys.update_key(apikeys.key_id('load $client $turn', '$workspace'), team => 'x'); "
				  . "SELECT count(key_id) FROM apikeys.regenerate_key(apikeys.key_id('load $client $turn', '$workspace'), '1 hour'); COMMIT; "
				  . ($turn % 3 ? '' : "SELECT count(key_id) FROM apikeys.archive_key(apikeys.key_id('load $client $turn', '$workspace'))"));
			die "$status: $result" if $status ne 'ok';
			select undef, undef, undef, 0.02;
		}
		return [];
	});
# meanwhile entries enter the trees, too
my $sequencer = fork_clients(1, 1, sub {
		my $session = session($publisher, 'postgres');

		foreach (1 .. 60)
		{
			my ($status, $result) = $session->run('CALL apikeys.sequence_audit_logs()');
			die "$status: $result" if $status ne 'ok';
			select undef, undef, undef, 0.03;
		}
		return [];
	});
foreach my $i (1, 2)
{
	my $connstr = $publisher->connstr . ' dbname=postgres';
	$subscribers[ $i - 1 ]->safe_psql('postgres', "CREATE SUBSCRIPTION keys$i CONNECTION '$connstr' PUBLICATION keys");
}
is(scalar(grep { defined } $load->(), $sequencer->()), 3, 'the clients came to their end');

# Until both subscribers hold all.
sub catch_up
{
	sequence($publisher, 'postgres');
	foreach my $i (@_ ? @_ : 1, 2)
	{
		wait_for($subscribers[ $i - 1 ], 'postgres', "SELECT count(*) > 0 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel")
		  or die "subscriber $i does not come to the end of its first sync";
		$publisher->wait_for_catchup("keys$i");
	}
	return;
}

# What is replicated, and shown; when a key was last used is each server's own affair.
sub replicated
{
	my $all = contents($_[0], 'postgres');

	return { map { $_ => $all->{$_} } map { "apikeys.$_" } @tables, qw(apis audit_logs) };
}

sub check_subscribers
{
	my ($what) = @_;
	my $expected = replicated($publisher);

	foreach my $i (1, 2)
	{
		my $subscriber = $subscribers[ $i - 1 ];
		same_contents(replicated($subscriber), $expected, "$what: subscriber $i");
		is(query($subscriber, 'postgres', 'SELECT string_agg(audit_id::text, \' \') FROM apikeys_internal.audit_pending'), '0',
			"$what: subscriber $i has nothing to take into a tree");
		is(problems($subscriber, 'postgres'), '', "$what: subscriber $i is sound");
	}
	return;
}

catch_up();
cmp_ok($publisher->safe_psql('postgres', 'SELECT count(*) FROM apikeys.audit_log'), '>', 200, 'there was a load');
is(problems($publisher, 'postgres'), '', 'the publisher is sound');
check_subscribers('after the first sync');

# Privileges are not replicated, nor whose an access is: roles are each server's own.  What is recorded is granted again, and
# no entry tells of it.
foreach my $subscriber (@subscribers)
{
	my (undef, undef, $err) = $subscriber->psql('postgres', "SET ROLE app; SELECT apikeys.validate_key('x')");

	like($err, qr/permission denied/, 'no access by a name alone');
	is($subscriber->safe_psql('postgres', 'SELECT apikeys.regrant_access()'), '2', 'granting again');
}
check_subscribers('after granting again');

#
# Validation there.
#
my @probe = @secret{qw(plain old new end1 end2 end3 end4)};
foreach my $i (1, 2)
{
	is(verdicts($subscribers[ $i - 1 ], 'postgres', @probe), verdicts($publisher, 'postgres', @probe), "subscriber $i validates alike");
}
my $open = session($subscribers[0], 'postgres');
my $ask = 'SELECT code FROM apikeys.validate_key(\'%s\')';
is(join(' ', $open->run("SET ROLE app; BEGIN ISOLATION LEVEL REPEATABLE READ; " . sprintf $ask, $secret{plain})), 'ok VALID',
	'as a role, in a transaction');
$publisher->safe_psql('postgres', <<'SQL');
SELECT apikeys.archive_key(apikeys.key_id('plain'));
SELECT apikeys.archive_key(apikeys.key_id('end ' || n)) FROM generate_series(2, 4) AS n;
SELECT apikeys.end_overlap(apikeys.key_id('overlap'));
SELECT apikeys.update_workspace('default', archive_limit => 2);
SELECT apikeys.unregister_api('billing');
SELECT apikeys.remove_team_member('ann');
SELECT apikeys.purge_audit_logs(now(), 'acme');
SQL
catch_up();
is(join(' ', $open->run(sprintf $ask, $secret{plain})), 'ok NOT_FOUND', 'the end of a key is seen in it');
is(verdicts($subscribers[$_], 'postgres', @probe), 'NOT_FOUND REGENERATED VALID NOT_FOUND NOT_FOUND ARCHIVED ARCHIVED',
	"what fell off the archived list is gone from subscriber $_, too") foreach 0, 1;
$publisher->safe_psql('postgres', "SELECT apikeys.revoke_access('app', 'validate')");
catch_up();
is(join(' ', $open->run(sprintf $ask, $secret{new})), 'error 42501', 'access taken away ends in an open session');
$publisher->safe_psql('postgres', "SELECT apikeys.grant_access('app', 'validate', 'acme')");
catch_up();
is(join(' ', $open->run("ROLLBACK; " . sprintf $ask, $secret{new})), 'error 42501', 'access given waits');
$_->safe_psql('postgres', "SELECT apikeys.grant_access('app', 'validate', 'acme')") foreach @subscribers;
is(join(' ', $open->run(sprintf $ask, $secret{new})), 'ok VALID', 'for grant_access() there');
# a role that is renamed on the publisher keeps its access here, where it has another name then
$publisher->safe_psql('postgres', "ALTER ROLE app RENAME TO application; SELECT apikeys.grant_access('application', 'audit', 'acme')");
catch_up();
is($subscribers[0]->safe_psql('postgres', "SELECT count(*) FROM apikeys.access WHERE role = 'application'"), '3', 'renamed there');
is(join(' ', $open->run(sprintf $ask, $secret{new})), 'ok VALID', 'and here it goes on');
$publisher->safe_psql('postgres', "ALTER ROLE application RENAME TO app; SELECT apikeys.revoke_access('app', 'audit', 'acme'); SELECT apikeys.grant_access('app', 'view', 'acme')");
catch_up();
is(join(' ', $open->run(sprintf $ask, $secret{end4})), 'ok NOT_FOUND', 'in its workspace alone');
$open->quit;
check_subscribers('after changes of every kind');
my $checkpoints = checkpoints($publisher, 'postgres');
is($subscribers[0]->safe_psql('postgres', "SELECT count(*) FROM apikeys.verify_audit_logs(NULL, $checkpoints) WHERE NOT ok"), '0',
	"the publisher's checkpoints hold on a subscriber");
is($subscribers[0]->safe_psql('postgres', "SELECT (SELECT array_agg(f ORDER BY sequence) FROM apikeys.audit_feed((SELECT max(sequence) FROM apikeys.audit_tree WHERE audit_id IS NULL), max_rows => 100000) AS f)::text"),
	$publisher->safe_psql('postgres', "SELECT (SELECT array_agg(f ORDER BY sequence) FROM apikeys.audit_feed((SELECT max(sequence) FROM apikeys.audit_tree WHERE audit_id IS NULL), max_rows => 100000) AS f)::text"),
	'and so does its feed');

#
# Management there is refused, and replication goes on.
#
my $key_id = $publisher->safe_psql('postgres', "SELECT apikeys.key_id('overlap')");
foreach my $statement (
	"SELECT apikeys.create_key('x', '{data}')",
	"SELECT apikeys.import_key('x', '{data}', sha256('x'))",
	"SELECT apikeys.regenerate_key('$key_id')",
	"SELECT apikeys.update_key('$key_id', 'x')",
	"SELECT apikeys.disable_key('$key_id')",
	"SELECT apikeys.end_overlap('$key_id')",
	"SELECT apikeys.archive_key('$key_id')",
	"SELECT apikeys.revoke_key('$secret{new}')",
	"SELECT apikeys.register_api('x')",
	"SELECT apikeys.create_workspace('x')",
	"SELECT apikeys.update_workspace('acme', 'x')",
	"SELECT apikeys.add_team_member('x', 'y')",
	"SELECT apikeys.grant_access('app', 'manage')",
	"SELECT apikeys.revoke_access('app', 'view', 'acme')",
	"SELECT apikeys.purge_audit_logs(now(), 'default')",
	'CALL apikeys.sequence_audit_logs()',
	"UPDATE apikeys.key SET name = 'x' WHERE name = 'overlap'",
	"UPDATE apikeys.workspace SET archive_limit = 1",
	"DELETE FROM apikeys.access")
{
	my ($code, $out, $err) = $subscribers[0]->psql('postgres', "\\set VERBOSITY sqlstate\n$statement");
	like($err, qr/ERROR:  55000/, "$statement: refused");
}
keep('later', "SELECT key FROM apikeys.create_key('later', '{data}', 'acme')");
catch_up();
check_subscribers('after what was refused');
is(verdicts($subscribers[$_], 'postgres', $secret{later}), 'VALID', "subscriber $_ goes on") foreach 0, 1;

#
# Where the call waits for the subscriber, what it ended is refused there when it returns.
#
$publisher->append_conf('postgresql.conf', "synchronous_standby_names = 'keys1'\n");
$publisher->reload;
wait_for($publisher, 'postgres', "SELECT sync_state = 'sync' FROM pg_stat_replication WHERE application_name = 'keys1'") or die;
my @late = map { $publisher->safe_psql('postgres', "SET synchronous_commit = remote_apply; SET client_min_messages = warning;"
		  . "SELECT key FROM apikeys.create_key('late $_', '{data}')") } 1 .. 5;
is(verdicts($subscribers[0], 'postgres', @late), join(' ', ('VALID') x 5), 'a subscriber has the keys when the call returns');
my @ended;
foreach (1 .. 5)
{
	$publisher->safe_psql('postgres',
		"SET synchronous_commit = remote_apply; SELECT apikeys.update_key(apikeys.key_id('late $_'), expires_at => now())");
	push @ended, verdicts($subscribers[0], 'postgres', $late[ $_ - 1 ]);
}
is("@ended", join(' ', ('EXPIRED') x 5), 'and has their ends');
$publisher->append_conf('postgresql.conf', "synchronous_standby_names = ''\n");
$publisher->reload;

#
# Usage is counted by each server for itself.
#
SKIP:
{
	skip 'there are no counters', 2 if $publisher->safe_psql('postgres', "SELECT to_regclass('apikeys.key_usage') IS NULL") eq 't';
	my $usage = "SELECT coalesce(sum(valid), 0) FROM apikeys.key_usage WHERE name = 'later'";
	my @before = map { query($_, 'postgres', $usage) } $publisher, @subscribers;

	verdicts($subscribers[0], 'postgres', ($secret{later}) x 3);
	is(query($subscribers[0], 'postgres', $usage) - $before[1], 3, 'the first subscriber counted');
	is(join(' ', map { query($_, 'postgres', $usage) } $publisher, $subscribers[1]), "$before[0] $before[2]", 'the others did not');
}

#
# The second one takes over: it no longer subscribes.  The publisher had not taken its last entries into the trees; the heir
# does.
#
sub take_over
{
	my ($node, $subscription) = @_;

	$node->safe_psql('postgres', <<"SQL");
ALTER SUBSCRIPTION $subscription DISABLE;
ALTER SUBSCRIPTION $subscription SET (slot_name = NONE);
DROP SUBSCRIPTION $subscription;
SQL
	return;
}

catch_up();
keep('last', "SELECT key FROM apikeys.create_key('last', '{data}')");
$publisher->wait_for_catchup('keys2');
$publisher->stop('immediate');
my $heir = $subscribers[1];
my $outside = 'SELECT count(*) FROM apikeys.audit_log a WHERE NOT EXISTS (SELECT FROM apikeys.audit_tree t WHERE t.audit_id = a.audit_id)';
is($heir->safe_psql('postgres', $outside), '1', 'an entry in no tree');
is(problems($heir, 'postgres'), '', 'that is no problem');
take_over($heir, 'keys2');
# the former publisher is to follow from here
$heir->safe_psql('postgres', "CREATE PUBLICATION keys FOR TABLE $list; SELECT pg_create_logical_replication_slot('back', 'pgoutput')");
my $new = $heir->safe_psql('postgres', "SELECT key FROM apikeys.create_key('after', '{data}', 'acme')");
$heir->safe_psql('postgres', "SELECT apikeys.archive_key(apikeys.key_id('after'))");
is(verdicts($heir, 'postgres', $new, $secret{later}, $secret{last}), 'ARCHIVED VALID VALID', 'it manages keys');
ok(wait_for($heir, 'postgres', "$outside;", '0'), 'and its worker takes all entries into the trees');
is(problems($heir, 'postgres'), '', 'and is sound');
is($heir->safe_psql('postgres', "SELECT count(*) FROM apikeys.verify_audit_logs(NULL, $checkpoints) WHERE NOT ok"), '0', 'the trees go on');

#
# The former publisher follows the heir, and takes over in its turn.  It has entries that it had not taken into the trees
# itself, and gets one that the heir has not.
#
$publisher->start;
is($publisher->safe_psql('postgres', 'SELECT count(*) > 0 FROM apikeys_internal.audit_pending WHERE audit_id > 0'), 't', 'what it had not taken in is still pending');
is($publisher->safe_psql('postgres', 'SELECT count(*) FROM apikeys_internal.audit_pending WHERE audit_id = 0'), '0', 'nothing is to be derived');
$publisher->safe_psql('postgres', "CREATE SUBSCRIPTION back CONNECTION '" . $heir->connstr
	  . " dbname=postgres' PUBLICATION keys WITH (copy_data = false, create_slot = false, slot_name = 'back')");
$heir->wait_for_catchup('back');
$heir->append_conf('postgresql.conf', "apikeys.flush_interval = '1h'\n");
$heir->restart;
# a worker that has run does nothing for an hour
my $stays = session($heir, 'postgres');
$stays->run("SELECT apikeys.add_team_member('ann', 'platform')");
ok(wait_for_round($heir, 'postgres'), "the heir's worker has run");
sequence($heir, 'postgres');
$stays->quit;
$heir->safe_psql('postgres', "SET apikeys.actor = 'heir'; SELECT apikeys.create_key('again', '{data}')");
$heir->wait_for_catchup('back');
is($heir->safe_psql('postgres', "$outside AND actor = 'heir'"), '1', 'the heir has not taken it in');
same_contents(replicated($publisher), replicated($heir), 'they are equal');
$heir->stop('immediate');
is(problems($publisher, 'postgres'), '', 'the former publisher is sound');
take_over($publisher, 'back');
$publisher->safe_psql('postgres', "SELECT apikeys.archive_key(apikeys.key_id('again'))");
sequence($publisher, 'postgres');
is($publisher->safe_psql('postgres', $outside), '0', 'all entries have a place again');
is($publisher->safe_psql('postgres', "SELECT count(*) FROM apikeys.audit_tree t JOIN apikeys.audit_log a USING (audit_id) WHERE a.actor = 'heir'"), '1', 'once');
is($publisher->safe_psql('postgres', 'SELECT count(*) FROM apikeys_internal.audit_pending'), '0', 'nothing is pending');
is(problems($publisher, 'postgres'), '', 'and it is sound');
is($publisher->safe_psql('postgres', "SELECT count(*) FROM apikeys.verify_audit_logs(NULL, $checkpoints) WHERE NOT ok"), '0', 'the first checkpoints hold');

done_testing();
