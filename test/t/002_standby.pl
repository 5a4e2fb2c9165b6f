# A hot standby validates keys, and refuses a key as soon as it has replayed its end. It reads and searches like the primary,
# and manages nothing. After promotion it continues where the primary stopped.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

# usage is counted by each server for itself, and would differ
my $conf = "max_prepared_transactions = 4\nclient_min_messages = warning\napikeys.track_usage = off\napikeys.audit_checkpoint_interval = 0\n";
my $primary = new_node('primary', init => { allows_streaming => 1 }, conf => $conf);
install_in($primary, 'postgres');
$primary->safe_psql('postgres', <<'SQL');
CREATE ROLE app;
CREATE ROLE late;
SELECT apikeys.grant_access('app', 'validate');
SELECT apikeys.update_workspace('default', archive_limit => 2);
SELECT apikeys.create_workspace('acme');
CREATE TABLE public.data (workspace text, value int);
INSERT INTO public.data VALUES ('default', 1), ('acme', 2);
ALTER TABLE public.data ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.data USING (workspace = apikeys.current_workspace() AND apikeys.current_key_allows('data'));
GRANT SELECT ON public.data TO app;
SQL

my %secret;
sub keep
{
	my ($name, $sql) = @_;

	$secret{$name} = $primary->safe_psql('postgres', $sql);
	return;
}
keep('k', "SELECT key FROM apikeys.create_key('k', '{data}')");
$primary->safe_psql('postgres', q{SELECT count(apikeys.regenerate_key((apikeys.create_key('turned', '{data}')).key_id, '1 hour'))});
keep('acme', "SELECT key FROM apikeys.create_key('a', '{data,push}', 'acme')");
keep('old', "SELECT key FROM apikeys.create_key('overlap', '{data}')");
keep('new', "SELECT key FROM apikeys.regenerate_key(apikeys.key_id('overlap'), '1 day')");
keep("end$_", "SELECT key FROM apikeys.create_key('end $_', '{data}')") foreach 1 .. 4;
$primary->safe_psql('postgres', "SELECT apikeys.archive_key(apikeys.key_id('end $_'))") foreach 1 .. 2;
my @probe = @secret{qw(k acme old new end1 end2 end3 end4)};

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

# Until the standby has replayed what the primary has written.
sub catch_up
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
	return;
}

# The SQLSTATE and the message of a statement that fails; '' if it does not.
sub failure
{
	my ($node, $sql) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");

	return $err =~ /ERROR:  (\w{5}): (.*)/ ? "$1 $2" : $err;
}

#
# Validation.
#
catch_up();
is(verdicts($standby, 'postgres', @probe), 'VALID VALID VALID VALID ARCHIVED ARCHIVED VALID VALID', 'a standby validates');
is($standby->safe_psql('postgres', <<SQL), "VALID\nNOT_FOUND\nMALFORMED", 'as a role that may do nothing else, READ ONLY');
SET ROLE app;
BEGIN READ ONLY;
SELECT code FROM apikeys.validate_key('$secret{k}', 'data', '192.0.2.1', 'default');
SELECT code FROM apikeys.validate_key('$secret{k}', 'data', '192.0.2.1', 'acme');
SELECT code FROM apikeys.validate_key('no\tkey');
COMMIT;
SQL
is($standby->safe_psql('postgres', <<SQL), "VALID\nt|acme|t|f\n2\nMALFORMED\n|\n", 'authenticate, current_key and row-level security');
SET ROLE app;
BEGIN;
SELECT code FROM apikeys.authenticate('Basic ' || translate(encode('acme:$secret{acme}', 'base64'), E'\n', ''));
SELECT apikeys.current_key() IS NOT NULL, apikeys.current_workspace(), apikeys.current_key_allows('push'), apikeys.current_key_allows('segmentation');
SELECT value FROM public.data;
SELECT code FROM apikeys.authenticate('Bearer');
SELECT apikeys.current_key(), apikeys.current_workspace();
COMMIT;
SELECT apikeys.current_key();
SQL

# What was open before is refused after an end has been replayed.
my $session = $standby->background_psql('postgres', on_error_stop => 0);
$session->query_safe('SET ROLE app');
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $ask = "SELECT code FROM apikeys.validate_key('%s')";
is($session->query_safe(sprintf $ask, $secret{end3}), 'VALID', 'an open transaction on the standby');
$primary->safe_psql('postgres', "SELECT apikeys.archive_key(apikeys.key_id('end 3'))");
$primary->safe_psql('postgres', "SELECT apikeys.end_overlap(apikeys.key_id('overlap'))");
catch_up();
is($session->query_safe(sprintf $ask, $secret{end3}), 'ARCHIVED', 'refused once the archive has been replayed');
is($session->query_safe(sprintf $ask, $secret{end1}), 'NOT_FOUND', 'so is what fell off the archived list');
is($session->query_safe(sprintf $ask, $secret{old}), 'REGENERATED', 'and what the end of an overlap ended');
is($session->query_safe(sprintf $ask, $secret{new}), 'VALID', 'other keys are not');

# Access taken away and given.
$primary->safe_psql('postgres', "SELECT apikeys.revoke_access('app', 'validate')");
catch_up();
$session->query(sprintf $ask, $secret{new});
like($session->{stderr}, qr/ERROR:  permission denied/, 'access taken away holds in it once that has been replayed');
$session->{stderr} = '';
$session->query_safe('ROLLBACK');
$session->query_safe('RESET ROLE');
$session->query_safe('SET ROLE late');
$primary->safe_psql('postgres', "SELECT apikeys.grant_access('app', 'validate'); SELECT apikeys.grant_access('late', 'validate', 'acme')");
catch_up();
is($session->query_safe("SELECT string_agg(code, ' ') FROM apikeys.validate_key('$secret{acme}') UNION ALL SELECT code FROM apikeys.validate_key('$secret{k}')"),
	"VALID\nNOT_FOUND", 'and access given, in its workspace alone');
$session->quit;

#
# Reading.
#
sequence($primary, 'postgres');
catch_up();
foreach my $sql (
	# when a key was last used is each server's own affair
	"SELECT to_jsonb(k) - 'last_used_at' FROM apikeys.active_keys AS k",
	"SELECT to_jsonb(k) - 'last_used_at' FROM apikeys.archived_keys AS k",
	'SELECT * FROM apikeys.apis',
	'SELECT * FROM apikeys.audit_logs',
	"SELECT * FROM apikeys.key_details(apikeys.key_id('k'))",
	"SELECT name FROM apikeys.identify_key('$secret{k}')",
	"SELECT apikeys_internal.visible_workspaces('audit')",
	'SELECT * FROM apikeys.verify_audit_logs()',
	'SELECT * FROM apikeys.audit_checkpoint()',
	'SELECT * FROM apikeys.audit_feed()')
{
	my $expected = query($primary, 'postgres', $sql);

	isnt($expected, '', "$sql: has an answer");
	is(query($standby, 'postgres', $sql), $expected, "$sql: the same on the standby");
}

# Searching, far back in the log. Nothing is written by it.
my @searches = ('', "'old hand'", "'Key 77'", "'no such key'", "NULL, 'acme'", "actors => '{Old Hand}'",
	"'many', before_id => 3000, max_rows => 10", "'many', actions => '{Create}', entities => '{API Keys}', max_rows => 2147483647");
$primary->safe_psql('postgres', <<'SQL');
BEGIN;
SELECT apikeys.act_as('Old Hand', 'Elders', '192.0.2.7');
SELECT apikeys.register_api('bills');
SELECT apikeys.create_key('Key 77', '{bills}', 'acme');
COMMIT;
SELECT count(apikeys.create_key('many ' || n, '{data}', 'many')) FROM apikeys.create_workspace('many'), generate_series(1, 6000) AS n;
SQL
catch_up();
foreach my $arguments (@searches)
{
	my $rows = "SELECT string_agg(s::text, E'\\n') FROM apikeys.search_audit_logs($arguments) AS s";
	my $found = query($primary, 'postgres', $rows);

	is($found eq q{}, scalar($arguments =~ /no such/), "search_audit_logs($arguments) finds what there is");
	is(query($standby, 'postgres', $rows), $found, "the same on the standby");
}
foreach my $arguments ('', "'old hand'", "'many 5'")
{
	my $lines = "SELECT md5(string_agg(l, E'\\n')) || ' ' || count(*) FROM (SELECT apikeys.export_audit_logs($arguments) AS l) AS e";

	is(query($standby, 'postgres', $lines), query($primary, 'postgres', $lines), "export_audit_logs($arguments): the same on the standby");
}
sequence($primary, 'postgres');
catch_up();
my $checkpoints = checkpoints($standby, 'postgres');
is(problems($standby, 'postgres'), '', 'the standby is sound');

#
# Managing: refused with 25006 on the standby, and in a READ ONLY transaction of the primary, and nothing has changed.
#
my $before = contents($primary, 'postgres');
my $k = "(SELECT key_id FROM apikeys.key WHERE name = 'k')";
foreach my $call (
	"create_key('x', '{data}')",
	"import_key('x', '{data}', sha256('x'))",
	"regenerate_key($k)",
	"end_overlap(apikeys.key_id('turned'))",
	"update_key($k, 'x')",
	"disable_key($k)",
	"enable_key($k)",
	"archive_key($k)",
	"revoke_key('x')",
	"register_api('x')",
	"unregister_api('segmentation')",
	"create_workspace('x')",
	"update_workspace('acme', 'x')",
	"add_team_member('x', 'y')",
	"remove_team_member('x')",
	"grant_access('app', 'view')",
	"revoke_access('app', 'validate')")
{
	my ($function) = $call =~ /^(\w+)/;
	my $refused = "25006 cannot execute $function() in a read-only transaction";
	is(failure($standby, "SELECT apikeys.$call"), $refused, "$call on the standby");
	is(failure($primary, "BEGIN READ ONLY; SELECT apikeys.$call"), $refused, "$call in a READ ONLY transaction");
}
same_contents(contents($primary, 'postgres'), $before, 'after what was refused');
catch_up();
# sequences are logged some numbers ahead
my ($there, $here) = (contents($standby, 'postgres'), { %$before });
delete $_->{'apikeys_internal.audit_id_seq'} foreach $there, $here;
same_contents($there, $here, 'the standby');

#
# Promotion, while a transaction is prepared: nobody waits for it, and its entry comes into the tree when it is finished.
#
{
	my $log_metrics = "SELECT string_agg(name || ' ' || value, ', ' ORDER BY name) FROM apikeys.metrics() WHERE name ~ 'audit_(entries|checkpoint|pending_entries)'";
	$primary->safe_psql('postgres', 'CALL apikeys.sequence_audit_logs()');
	catch_up();
	like($standby->safe_psql('postgres', $log_metrics), qr/^apikeys_audit_entries_total [1-9]\d*, apikeys_audit_pending_entries 0$/,
		'metrics: the log, and no age of a checkpoint where none is written');
	is($standby->safe_psql('postgres', $log_metrics), $primary->safe_psql('postgres', $log_metrics), 'the same as on the primary');
	ok(wait_for($standby, 'postgres', "SELECT labels ->> 'state' FROM apikeys.metrics() WHERE name = 'apikeys_worker'", 'waiting for promotion'),
		'and a worker, which is no sign of anything wrong');
}
$primary->safe_psql('postgres', "BEGIN; SELECT apikeys.create_key('prepared', '{data}', 'acme'); PREPARE TRANSACTION 'p'");
catch_up();
$primary->stop('immediate');
is(problems($standby, 'postgres'), '', 'a prepared transaction is not seen');
$standby->promote;
is(verdicts($standby, 'postgres', @probe), 'VALID VALID REGENERATED VALID NOT_FOUND ARCHIVED ARCHIVED VALID', 'promoted: verdicts');
is(failure($standby, "SET lock_timeout = '5s'; SELECT apikeys.create_key('meanwhile', '{data}', 'acme')"), '',
	'nobody waits for the prepared transaction');
sequence($standby, 'postgres');
$standby->safe_psql('postgres', "COMMIT PREPARED 'p'");
my $new = $standby->safe_psql('postgres', "SET ROLE NONE; SELECT key FROM apikeys.create_key('after', '{data}', 'acme')");
is(verdicts($standby, 'postgres', $new), 'VALID', 'a new key');
$standby->safe_psql('postgres', "SELECT apikeys.archive_key(apikeys.key_id('end 4'))");
is(verdicts($standby, 'postgres', @secret{qw(end2 end3 end4)}), 'NOT_FOUND ARCHIVED ARCHIVED', 'the archive limit goes on');
is($standby->safe_psql('postgres', "SELECT count(*) FROM apikeys.verify_audit_logs(NULL, $checkpoints) WHERE NOT ok"), '0',
	'the trees go on where they were');
is(problems($standby, 'postgres'), '', 'sound');

done_testing();
