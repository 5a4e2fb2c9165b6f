# The background worker: what wakes it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main');
install_in($node, 'postgres');
my $key = query($node, 'postgres', "SELECT key FROM apikeys.create_key('one', '{data}')");
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'";

#
# Who wakes one job does not run the others: retention, which reads a table whole, runs when the worker starts and then
# once an hour.
#
query($node, 'postgres', "SELECT (apikeys.validate_key('$key')).code");
ok(wait_for($node, 'postgres', "$workers AND state = 'idle'", '1'), 'the worker has done its first round');
my $scans = "SELECT seq_scan FROM pg_stat_all_tables WHERE relid = 'apikeys.usage'::regclass";
SKIP: {
	skip 'built without libcurl', 2 if ($node->psql('postgres', "SELECT apikeys.email_audit_logs('ann\@example.com')"))[0] != 0;
	ok(wait_for($node, 'postgres', "SELECT seq_scan > 0 FROM pg_stat_all_tables WHERE relid = 'apikeys.usage'::regclass"),
		'in it, retention ran');
	my $before = query($node, 'postgres', $scans);
	for (1 .. 10)
	{
		query($node, 'postgres', "SELECT apikeys.email_audit_logs('ann\@example.com')");
		select(undef, undef, undef, 0.1);
	}
	is(query($node, 'postgres', $scans), $before, 'ten reports that are queued do not run it again');
}

done_testing();
