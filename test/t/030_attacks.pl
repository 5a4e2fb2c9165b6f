# Attacks that need a server of their own: secrets in logs and statistics, settings forged before the library is loaded,
# cancellation at any moment.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $libraries = `pg_config --pkglibdir`);
foreach my $module ('pg_stat_statements', 'auto_explain')
{
	plan skip_all => "PostgreSQL's $module is not installed" if !-e "$libraries/$module.so" && !-e "$libraries/$module.dylib";
}
my $modules = "shared_preload_libraries = 'pg_stat_statements, auto_explain'\n";
my $node = new_node('main', conf => $modules . <<'CONF');
log_statement = 'all'
log_min_duration_statement = 0
log_min_messages = 'debug1'
log_min_error_statement = 'debug1'
log_error_verbosity = 'verbose'
log_lock_waits = on
log_line_prefix = '%m [%p] %u '
pg_stat_statements.track = 'all'
pg_stat_statements.track_utility = on
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_triggers = on
CONF
$node->safe_psql('postgres', 'CREATE DATABASE shop');
install_in($node, 'shop');
$node->safe_psql('shop', <<'SQL');
CREATE EXTENSION pg_stat_statements;
CREATE ROLE app LOGIN;
SELECT apikeys.grant_access('app', 'manage');
SELECT apikeys.grant_access('app', 'validate');
ALTER ROLE app SET log_parameter_max_length = 0;
SQL

# What the server logged since the last call.
my $seen = 0;
sub logged
{
	my $log = slurp_file($node->logfile);
	my $new = substr($log, $seen);

	$seen = length($log);
	return $new;
}

# Runs a script of one transaction as a role, with variables as bind parameters of the extended protocol.
sub bound
{
	my ($role, $script, %variables) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/script.sql';
	my @variables = map { ('-D', "$_=$variables{$_}") } sort keys %variables;

	open(my $out, '>', $file) or die;
	print $out $script;
	close $out;
	return run_code([ 'pgbench', '-n', '-t', '1', '-M', 'extended', @variables, '-f', $file, '-h', $node->host, '-p', $node->port,
			'-U', $role, 'shop' ]);
}

#
# What we issue is in no log, whatever is logged.
#
logged();
my @secrets = split /\n/, $node->safe_psql('shop', <<'SQL', extra_params => [ '-U', 'app' ]);
SELECT key FROM apikeys.create_key('One', '{data}');
SELECT key FROM apikeys.create_key('Two', '{data,push}', rate_limit => 100);
SELECT key FROM apikeys.regenerate_key(apikeys.key_id('One'));
SELECT key FROM apikeys.regenerate_key(apikeys.key_id('One'), '1 day');
SQL
is(scalar @secrets, 4, 'four secrets were issued');
# a mistake after the secret was made
$node->psql('shop', "SELECT key, 1 / (length(key) - length(key)) FROM apikeys.create_key('Three', '{data}')", extra_params => [ '-U', 'app' ]);
$node->psql('shop', "SELECT key::int FROM apikeys.create_key('Four', '{data}')", extra_params => [ '-U', 'app' ]);
my $log = logged();
my $found = () = $log =~ /(?<![\w])ak_[0-9A-Za-z]{49}/g;
# PostgreSQL itself quotes what it cannot read as a number: that is said to the one who asked, and logged
my $cast = () = $log =~ /invalid input syntax for type integer: "ak_/g;
is($found - $cast, 0, 'no secret that we issued is in the log');
is($cast, 1, '(the search for them finds what it should)');
foreach my $secret (@secrets)
{
	ok(index($log, $secret) < 0, 'not this one either');
}
# No statement writes a key; one that reads keys shows that they would have been in the log.
$node->safe_psql('shop', "SELECT name FROM apikeys.list_keys(search => 'one')", extra_params => [ '-U', 'app' ]);
like(logged(), qr/Query Text: .*apikeys_internal\.key_rows/, 'statements within our functions are logged, too');

#
# What an application passes as README says is in no log either, error or not.
#
$node->safe_psql('shop', 'ALTER ROLE app SET auto_explain.log_min_duration = -1');
my ($code, $out, $err) = bound('app', <<'SQL', key => $secrets[3], header => "Bearer $secrets[1]");
SELECT code FROM apikeys.validate_key(:key, 'data', '192.0.2.1');
SELECT code FROM apikeys.authenticate(:header, 'push');
SELECT count(*) FROM apikeys.identify_key(:key);
BEGIN;
SELECT valid FROM apikeys.authenticate(:header);
SELECT apikeys.current_key_allows('push');
COMMIT;
SQL
is($code, 0, 'bound parameters are accepted') or diag($err);
$log = logged();
like($log, qr/execute .*: SELECT code FROM apikeys\.validate_key\(\$1/, 'the statement was logged');
ok(index($log, $secrets[3]) < 0 && index($log, $secrets[1]) < 0, 'without its parameters');

($code, $out, $err) = bound('app', <<'SQL', key => $secrets[3]);
SELECT 1 / (length(code) - length(code)) FROM apikeys.validate_key(:key);
SQL
isnt($code, 0, 'an error is raised in the same statement');
$log = logged();
like($log, qr/division by zero/, 'it was logged');
ok(index($log, $secrets[3]) < 0, 'without the parameter');
($code, $out, $err) = bound('app', <<'SQL', key => $secrets[3]);
SELECT apikeys.key_id(:key);
SQL
isnt($code, 0, 'a secret in the wrong place is an error');
$log = logged();
ok(index($log, $secrets[3]) < 0 && index("$out$err", $secrets[3]) < 0, 'whose message does not repeat it, to the log or to the client');

# The advice is needed: without it, parameters are there.
$node->safe_psql('shop', 'ALTER ROLE app RESET log_parameter_max_length');
bound('app', "SELECT code FROM apikeys.validate_key(:key);\n", key => $secrets[3]);
ok(index(logged(), $secrets[3]) >= 0, 'with log_parameter_max_length at its default, the parameter is in the log');
$node->safe_psql('shop', 'ALTER ROLE app SET log_parameter_max_length = 0; ALTER ROLE app RESET auto_explain.log_min_duration');
bound('app', "SELECT code FROM apikeys.validate_key(:key);\n", key => $secrets[3]);
ok(index(logged(), $secrets[3]) >= 0, 'with auto_explain as it is, it is in the plan');
$node->safe_psql('shop', 'ALTER ROLE app SET auto_explain.log_min_duration = -1');

# Waiting, deadlocks and cancellation tell statements, too, and those have no parameters in them.
is($node->safe_psql('shop', 'SELECT count(*) FROM pg_stat_activity WHERE query ~ \'ak_[0-9A-Za-z]{49}\' AND pid <> pg_backend_pid()'), '0',
	'pg_stat_activity shows none');

# Statistics of statements: constants are replaced in queries.
$node->safe_psql('shop', 'SELECT pg_stat_statements_reset()');
$node->safe_psql('shop', "SELECT code FROM apikeys.validate_key('$secrets[3]')", extra_params => [ '-U', 'app' ]);
is($node->safe_psql('shop', "SELECT count(*) FROM pg_stat_statements WHERE query ~ 'validate_key'"), '1', 'pg_stat_statements knows the statement');
is($node->safe_psql('shop', 'SELECT count(*) FROM pg_stat_statements WHERE query ~ \'ak_[0-9A-Za-z]{49}\''), '0',
	'and not the secret, even if it was pasted into it');

#
# The current key, forged before the library is there: start-up options, role, database, configuration file.
#
my $who = q{SELECT coalesce(apikeys.current_workspace(), 'nobody'), apikeys.current_key() IS NULL, apikeys.current_key_allows('data')};
my $nobody = 'nobody|t|f';
my $id = $node->safe_psql('shop', "SELECT apikeys.key_id('One')");
my $forged = "$id\x1fdefault\x1fdata";
(my $option = $forged) =~ s/([\\ ])/\\$1/g;
# From a file: psql may have ended, refused by the server, before it has read its input.
sub as_app
{
	my ($sql, %env) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/as_app.sql';

	PostgreSQL::Test::Utils::append_to_file($file, $sql);
	my ($status, $stdout) = run_code([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', $file, '-U', 'app', '-d', $node->connstr('shop') ], env => \%env);
	chomp $stdout;
	return $stdout;
}

is(as_app($who, PGOPTIONS => "-c apikeys.current_key=$option"), $nobody, 'a start-up option is thrown away');
is(as_app("SET apikeys.current_key = '$forged'; $who"), $nobody, 'a SET before the library is loaded is thrown away');
is(as_app("BEGIN; SET LOCAL apikeys.current_key = '$forged'; SAVEPOINT a; SET LOCAL apikeys.current_key = 'y'; $who; ROLLBACK TO a; $who"),
	"$nobody\n$nobody", 'so are those of a stack of savepoints');
is(as_app("SELECT 1 FROM set_config('apikeys.current_key', '$forged', false); $who; RESET apikeys.current_key; $who"), "1\n$nobody\n$nobody",
	'and RESET brings nothing back');

# who may set it for others, as long as the library is not loaded, is a superuser
isnt(scalar $node->psql('shop', "ALTER ROLE app SET apikeys.current_key = 'x'", extra_params => [ '-U', 'app' ]), 0,
	'a role cannot set it for itself');
$node->safe_psql('shop', "ALTER ROLE app SET apikeys.current_key = '$forged'");
is(as_app($who), $nobody, "a role's setting is thrown away");
is(as_app("SELECT code FROM apikeys.authenticate('Bearer $secrets[1]'); $who"), "VALID\n$nobody", 'and does not come back after a key');
is(as_app("BEGIN; SELECT code FROM apikeys.authenticate('Bearer $secrets[1]'); RESET apikeys.current_key; $who; COMMIT; $who"),
	"VALID\n$nobody\n$nobody", 'nor after RESET');
$node->safe_psql('shop', 'ALTER ROLE app RESET apikeys.current_key');
$node->safe_psql('shop', "ALTER DATABASE shop SET apikeys.current_key = '$forged'");
is(as_app($who), $nobody, "a database's is thrown away");
$node->safe_psql('shop', 'ALTER DATABASE shop RESET apikeys.current_key');
foreach my $preload ('', "session_preload_libraries = 'apikeys'\n", "shared_preload_libraries = 'apikeys'\n")
{
	(my $how = $preload) =~ s/ = .*\n//;

	$node->append_conf('postgresql.conf', "apikeys.current_key = 'x'\n$preload");
	$node->restart;
	is(as_app($who), $nobody, "one in the configuration file is thrown away" . ($how ? ", with $how" : ''));
	is(as_app($who, PGOPTIONS => "-c apikeys.current_key=$option"), $how =~ /^shared/ ? '' : $nobody,
		$how =~ /^shared/ ? 'a start-up option is refused' : 'a start-up option is thrown away');
	my $parallel = as_app("SELECT set_config(name, setting, false) FROM (VALUES ('parallel_setup_cost', '0'), ('parallel_tuple_cost', '0'), "
		  . "('min_parallel_table_scan_size', '0')) AS s (name, setting); SELECT count(*) FROM pg_class WHERE apikeys.current_key() IS NOT NULL");
	like($parallel, qr/\n0$/, 'in parallel workers, too');
}
$node->append_conf('postgresql.conf', "apikeys.current_key = ''\n$modules" . "session_preload_libraries = ''\n");
$node->restart;

# Only our settings are ours.
isnt(scalar $node->psql('shop', "SELECT apikeys.current_key(); SET apikeys.no_such_setting = 1", on_error_stop => 1), 0,
	'the prefix of the settings is reserved')
	if server_major($node) >= 15;

#
# Cancelled while the library is loaded: it is loaded by the next call.
#
# On a machine that is busy, this may be cancelled itself, some times.
my $no_timeout = "SET statement_timeout = 0;\n" x 30;
my ($stdout, $stderr);
$node->psql('shop', "\\set VERBOSITY sqlstate\n" . join('', map { my $ms = 1 + $_ % 3; <<"SQL" } 1 .. 60), stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
\\connect -
SET statement_timeout = $ms;
SELECT apikeys.current_key();
${no_timeout}SELECT 'loaded: ' || (apikeys.current_key() IS NULL);
SQL
is(scalar(() = $stdout =~ /loaded: true/g), 60, 'whenever the load of the library is cancelled, the next call does it')
  or diag($stderr);

#
# Cancelled at any moment: no right, flag or half-done change stays behind.
#
my $script = '';
foreach my $i (1 .. 150)
{
	my $timeout = 1 + $i % 4;

	$script .= "SET statement_timeout = $timeout;\n"
	  . "SELECT count(*) FROM generate_series(1, 40) AS i, apikeys.create_key('Cancelled $i ' || i, '{data}');\n"
	  . "SELECT count(*) FROM (SELECT key_id FROM apikeys.active_keys WHERE name LIKE 'Cancelled%' LIMIT 20) AS k, apikeys.archive_key(k.key_id);\n"
	  . "SELECT count(*) FROM (SELECT key_id FROM apikeys.active_keys LIMIT 20) AS k, apikeys.regenerate_key(k.key_id);\n";
}
$script .= $no_timeout . <<'SQL';
\set VERBOSITY sqlstate
DELETE FROM apikeys.key;
UPDATE apikeys.audit_log SET actor = 'x';
INSERT INTO apikeys.audit_log (audit_id, "time", entity, action, activity, actor, db_user, digest) VALUES (0, now(), 'x', 'x', 'x', 'x', 'x', '');
SET ROLE app;
SELECT count(*) FROM apikeys.key;
SELECT current_user;
SQL
$node->psql('shop', $script, stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
my $cancelled = () = $stderr =~ /canceling statement due to statement timeout/g;
cmp_ok($cancelled, '>', 50, "$cancelled statements were cancelled");
is(join(' ', $stderr =~ /ERROR:  (\d\w{4})$/mg), '55000 55000 55000 42501', 'what was refused before still is');
like($stdout, qr/\napp$/, 'and nobody is somebody else');
is(problems($node, 'shop'), '', 'the log and the caps hold');

$node->stop;
done_testing();
