# What SQL alone does not show of the log: NOTIFY as a gateway receives it, and retention by the worker.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "max_prepared_transactions = 4\n");
my $db = 'postgres';
install_in($node, $db);
my @connect = ('psql', '-qXAt', '-h', $node->host, '-p', $node->port, '-d', $db);

#
# A gateway: a session that listens, and keeps what it cached until it hears of it.
#
my ($in, $out, $err) = ('', '', '');
my $gateway = IPC::Run::start(\@connect, '<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(1800));

# What the gateway heard since it was asked last: the payloads, in order.
sub heard
{
	my @payloads;

	$out = '';
	$in .= "SELECT 'asked';\n";
	$gateway->pump until $out =~ /^asked$/m && ($out =~ /notification|asked/);
	# notifications are printed after the answer of the statement that they came with
	$in .= "SELECT 'again';\n";
	$gateway->pump until $out =~ /^again$/m;
	push @payloads, $1 while $out =~ /^Asynchronous notification "apikeys" with payload "([^"]*)" received/mg;
	return join ' ', @payloads;
}

$in .= "LISTEN apikeys;\n";
is(heard(), '', 'the gateway listens');

my $on = 'SET apikeys.notify = on;';
my $id = $node->safe_psql($db, "SELECT key_id FROM apikeys.create_key('quiet', '{data}')");
is(heard(), '', 'off by default');
my $new = $node->safe_psql($db, "$on SELECT key_id FROM apikeys.create_key('loud', '{data}')");
is(heard(), $new, 'create_key, with the bare id');

# in the cache until commit, and not after
my %cache = ($id => 'VALID');
my ($main_in, $main_out) = ('', '');
my $main = IPC::Run::start([ @connect, '-v', 'ON_ERROR_STOP=1' ], '<', \$main_in, '>', \$main_out, IPC::Run::timeout(1800));
$main_in .= "$on BEGIN; SELECT 'state ' || state FROM apikeys.archive_key('$id');\n";
$main->pump until $main_out =~ /^state archived$/m;
delete @cache{ split / /, heard() };
is($cache{$id}, 'VALID', 'nothing is heard before commit');
$main_in .= "COMMIT; SELECT 'done';\n";
$main->pump until $main_out =~ /^done$/m;
delete @cache{ split / /, heard() };
is($cache{$id}, undef, 'the key is dropped from the cache at commit');

$main_in .= "BEGIN; SELECT name FROM apikeys.update_key('$new', team => 'x'); ROLLBACK; SELECT 'undone';\n";
$main->pump until $main_out =~ /^undone$/m;
is(heard(), '', 'nothing of what was rolled back');
$main_in .= "BEGIN; SAVEPOINT s; SELECT name FROM apikeys.update_key('$new', team => 'x'); ROLLBACK TO s; COMMIT; SELECT 'partly';\n";
$main->pump until $main_out =~ /^partly$/m;
is(heard(), '', 'nor of a savepoint');
$main_in .= "\\q\n";
$main->finish;

foreach my $action ("regenerate_key('$new', '1 day')", "end_overlap('$new')", "update_key('$new', team => 'y')", "archive_key('$new')")
{
	$node->safe_psql($db, "$on SELECT * FROM apikeys.$action");
	is(heard(), $new, $action =~ s/\(.*//r);
}
$node->safe_psql($db, "$on SELECT * FROM apikeys.create_workspace('acme'); SELECT apikeys.register_api('bills')");
is(heard(), '', 'what is no key is not told');
my $direct = $node->safe_psql($db, "SELECT key_id FROM apikeys.create_key('direct', '{data}')");
$node->safe_psql($db, "$on UPDATE apikeys.key SET team = 'z' WHERE key_id = '$direct'");
is(heard(), $direct, 'direct SQL is told, too');
$node->safe_psql($db, "CREATE ROLE app LOGIN; SELECT apikeys.grant_access('app', 'manage')");
my ($code, $stdout, $stderr) = $node->psql($db, 'SELECT FROM apikeys.audit_logs LIMIT 1; SET ROLE app; SET apikeys.notify = on');
like($stderr, qr/permission denied to set parameter "apikeys.notify"/, 'only a superuser turns it on');
($code, $stdout, $stderr) = $node->psql($db, "$on BEGIN; SELECT FROM apikeys.create_key('two-phase', '{data}'); PREPARE TRANSACTION 'x'");
like($stderr, qr/cannot PREPARE a transaction that has executed/, 'and nothing can be prepared then');
$in .= "\\q\n";
$gateway->finish;

#
# Retention: what is older is purged by the worker, in every workspace.
#
$node->safe_psql($db, <<'SQL');
SELECT apikeys.create_key('old ' || n, '{data}', w) FROM generate_series(1, 5) n, unnest('{default,acme}'::text[]) w;
SELECT apikeys.update_key(key_id, team => 'new') FROM apikeys.active_keys;
SELECT apikeys.unregister_api('bills');
SELECT apikeys.register_api('bills');
SQL
# more than one transaction of the worker takes
$node->safe_psql($db, "SELECT count(u.key_id) FROM generate_series(1, 21000) n, LATERAL apikeys.update_key(apikeys.key_id('old 1', 'default'), team => 'team ' || n) u");
my $checkpoint = query($node, $db, 'SELECT array_agg(note) FROM apikeys.audit_checkpoint()');
is(problems($node, $db), '', 'sound before');
my $kept = query($node, $db, 'SELECT count(*) FROM apikeys.key');
# the clock is turned back for what there is; the digests, which purged entries leave, stay what they are
$node->safe_psql($db, "SET session_replication_role = replica; UPDATE apikeys.audit_log SET time = time - interval '3 days' "
	  . 'WHERE audit_id NOT IN (SELECT audit_id FROM apikeys.key UNION ALL SELECT audit_id FROM apikeys.workspace UNION ALL SELECT audit_id FROM apikeys.api '
	  . 'UNION ALL SELECT audit_id FROM apikeys.team_member UNION ALL SELECT audit_id FROM apikeys.access)');
my $old = query($node, $db, "SELECT count(*) FROM apikeys.audit_log WHERE time < now() - interval '2 days'");
cmp_ok($old, '>', 10, 'there are old entries');
$node->append_conf('postgresql.conf', "apikeys.audit_retention = '2d'\n");
$node->restart;
# a purge that somebody leaves open holds up its own workspace alone, which comes before the other
my $open = session($node, $db);
$open->run("BEGIN; SELECT apikeys.purge_audit_logs(now() - interval '10 years', 'acme')");
$node->safe_psql($db, "SELECT apikeys.update_workspace('default', 'Default')");    # any action starts the worker
my $others = "SELECT count(*) FROM apikeys.audit_log WHERE time < now() - interval '2 days' AND workspace %s DISTINCT FROM 'acme'";
ok(wait_for($node, $db, sprintf($others, 'IS'), '0'), 'the worker purges beside an open purge');
isnt(query($node, $db, sprintf($others, 'IS NOT')), '0', 'which holds up its own workspace');
$open->quit;
$node->restart;
$node->safe_psql($db, "SELECT apikeys.update_workspace('acme', 'Acme')");
ok(wait_for($node, $db, "SELECT count(*) FROM apikeys.audit_log WHERE time < now() - interval '2 days'", '0'), 'the worker purged them');
ok(wait_for($node, $db, "SELECT string_agg(DISTINCT coalesce(workspace, '-'), ' ' ORDER BY coalesce(workspace, '-')) FROM apikeys.audit_log WHERE entity = 'Audit Logs'",
		'- acme default'), 'and wrote an entry for each workspace');
is(query($node, $db, "SELECT count(*) FROM apikeys.audit_log WHERE entity = 'Audit Logs' AND workspace = 'default'"), '2', 'many entries go in several transactions');
is(query($node, $db, 'SELECT count(*) FROM apikeys.key k JOIN apikeys.audit_log a USING (audit_id)'), $kept, 'the last entry of every key is there');
is(query($node, $db, "SELECT count(*) FROM apikeys.verify_audit_logs(NULL, '$checkpoint') WHERE NOT ok"), '0', 'the rest verifies, and the checkpoint holds');

done_testing();
