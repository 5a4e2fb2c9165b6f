# The settings of the configuration file are in force wherever the library is loaded: in a parallel operation, too, in a worker
# or in its leader. (Settings of a session: parallel_load.sql.)

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

# all settings of the server, none at its default
my %setting = (
	audit_checkpoint_interval => '2h', audit_retention => '500d', audit_signing_key_file => '/nowhere/key', flush_interval => '20s',
	limits_when_full => 'deny', mail_from => 'keys@example.com', mail_retry_pause => '2min', max_report_size => '10MB', max_workers => '3',
	notify => 'on', smtp_ca => '/nowhere/ca', smtp_netrc => '/nowhere/netrc', smtp_timeout => '30s', smtp_url => 'smtp://127.0.0.1:1',
	track_usage => 'off', usage_memory => '64MB', usage_retention => '300d');
my $node = new_node('main', conf => join '', map { "apikeys.$_ = '$setting{$_}'\n" } sort keys %setting);
my $db = 'postgres';

install_in($node, $db);
$node->safe_psql($db, q{
	CREATE FUNCTION settings() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE COST 100000 AS $$ BEGIN
		PERFORM FROM apikeys.audit_logs;	-- loads the library
		RETURN (SELECT string_agg(name || ' = ' || setting || ', ' || source, E'\n' ORDER BY name) FROM pg_settings WHERE name LIKE 'apikeys.%');
	END $$;
	CREATE TABLE many (i int) WITH (parallel_workers = 2);
	INSERT INTO many SELECT generate_series(1, 100);
	ANALYZE many;
});
my $expected = $node->safe_psql($db, "LOAD 'apikeys'; SELECT settings()");
is(join(' ', map { /^apikeys\.(\w+) .* configuration file$/ ? $1 : () } split /\n/, $expected), join(' ', sort keys %setting), 'these settings come from the file');
is(join(' ', map { /^apikeys\.(\w+) .* default$/ ? $1 : () } split /\n/, $expected), 'actor client team workspace', 'and all others that are shown are of a session');

my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; ';
my %where = (
	'a worker' => 'SET parallel_leader_participation = off; ',
	'the leader, during the operation' => 'SET max_parallel_workers = 0; ');
for my $where (sort keys %where)
{
	my ($rc, $out, $complaint) = $node->psql($db, "$parallel$where{$where}SELECT DISTINCT s FROM (SELECT settings() AS s FROM many OFFSET 0) AS t");
	is($out, $expected, "loaded in $where: the same settings");
	is($complaint, '', "loaded in $where: no complaint");
}

done_testing();
