# A subscriber of FOR ALL TABLES, as pg_createsubscriber makes it: it gets the publisher's usage, and what it counts itself stays in memory.
# A flush of its own would collide with what arrives, and stop the replication: a key that was ended would stay valid there.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use Test::More;

my $node = new_node('main', init => { allows_streaming => 'logical' }, conf => "apikeys.flush_interval = '1h'\n");
my $usage = "SELECT coalesce(sum(count), 0) FROM apikeys_internal.usage";
my $arrives = sub {
	my ($what, $sql, $expected) = @_;
	my $until = time + 180;

	select undef, undef, undef, 0.1 while query($node, 'follower', $sql) ne $expected && time < $until;
	return is(query($node, 'follower', $sql), $expected, $what);
};

foreach my $db ('keys', 'follower')
{
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	install_in($node, $db);
}
my $key = query($node, 'keys', "SELECT key FROM apikeys.create_key('one', '{data}')");
query($node, 'keys', "SELECT apikeys.create_workspace('acme')");
my $other = query($node, 'keys', "SELECT key FROM apikeys.create_key('two', '{data}', 'acme')");
query($node, 'keys', "SELECT (apikeys.validate_key('$key')).code; SELECT apikeys.flush_usage()");
$node->safe_psql('keys', 'CREATE PUBLICATION all_of_it FOR ALL TABLES');
# in one server, CREATE SUBSCRIPTION would wait for itself to make the slot
$node->safe_psql('keys', "SELECT pg_create_logical_replication_slot('follower', 'pgoutput')");
$node->safe_psql('follower', "CREATE SUBSCRIPTION follower CONNECTION '" . $node->connstr
	  . " dbname=keys' PUBLICATION all_of_it WITH (create_slot = false, slot_name = 'follower')");
$arrives->('the publisher\'s usage is there', $usage, '1');
$arrives->('and all tables are synchronised', "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'", '0');

# it counts what the publisher has not met yet
is(verdicts($node, 'follower', $other, $other, 'nobody', $key), 'VALID VALID NOT_FOUND VALID', 'the subscriber validates');
is(query($node, 'follower', 'SELECT reason FROM apikeys.status()'), 'a subscriber of the tables of usage counts in memory alone', 'status() says so');
is(query($node, 'follower', "SELECT valid FROM apikeys.key_usage WHERE name = 'two'"), '2', 'its views show what it has counted');
my ($code, $out, $err) = $node->psql('follower', "\\set VERBOSITY verbose\nSELECT apikeys.flush_usage()");
like($err, qr/ERROR:  55000: usage cannot be flushed here/, 'flush_usage() is refused');
# a worker that ends flushes, and so does its successor when it begins
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'apikeys worker' AND datname = 'follower'");
is(verdicts($node, 'follower', $key), 'VALID', 'a request');
wait_for_round($node, 'follower');
is(query($node, 'follower', $usage), '1', 'nothing is flushed');

# then the publisher flushes the same figures for the first time
query($node, 'keys', "SELECT apikeys.flush_usage()") if verdicts($node, 'keys', $other, 'nobody', $other, $other) eq 'VALID NOT_FOUND VALID VALID';
query($node, 'keys', "SELECT apikeys.create_workspace('last'), apikeys.archive_key(apikeys.key_id('two'))");
# not by asking for verdicts, which are counted
$arrives->('a key that ends on the publisher arrives', "SELECT count(*) FROM apikeys.key WHERE name = 'two' AND archived_at IS NOT NULL", '1');
is(verdicts($node, 'follower', $other), 'ARCHIVED', 'and ends here');
$arrives->('the publisher\'s usage goes on', $usage, '5');

# what was counted is flushed once it is on its own
$node->safe_psql('follower', "ALTER SUBSCRIPTION follower DISABLE; ALTER SUBSCRIPTION follower SET (slot_name = NONE)");
$node->safe_psql('follower', 'DROP SUBSCRIPTION follower');
query($node, 'follower', 'SELECT apikeys.flush_usage()');
$arrives->('taken over: its own counts are added', "SELECT count FROM apikeys_internal.usage WHERE code = 'VALID' AND key_id = apikeys.key_id('one')", '3');
is(query($node, 'follower', "SELECT count FROM apikeys_internal.usage WHERE code = 'VALID' AND workspace = 'acme'"), '5', 'key by key');
is(problems($node, 'follower'), '', 'and it is sound');
is(problems($node, 'keys'), '', 'so is the publisher');

done_testing();
