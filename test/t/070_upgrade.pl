# From every earlier version to this one: ALTER EXTENSION UPDATE, and the restore of a dump. After an update, the catalog is
# what CREATE EXTENSION makes.
#
# test/upgrade holds, for each version, its install script and a dump of the rows of rows.sql (CONTRIBUTING.md, "Releases"). The
# old script is installed in a copy of the server.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $upgrade = "$FindBin::RealBin/../upgrade";
my @versions = sort map { m{/apikeys--(.*)\.sql$} ? $1 : () } glob "$upgrade/apikeys--*.sql";
my $install = private_install();
my $node = new_node('main', install => $install, conf => "apikeys.audit_checkpoint_interval = 0\napikeys.usage_retention = 0\napikeys.flush_interval = 1h\n");
my $count = 0;

$node->safe_psql('postgres', "CREATE ROLE regress_ak_$_") foreach qw(gateway acme admin watch);
$node->safe_psql('postgres', 'CREATE DATABASE fresh TEMPLATE template0');
install_in($node, 'fresh');
my $fresh = catalog($node, 'fresh');
my $present = $node->safe_psql('fresh', "SELECT extversion FROM pg_extension WHERE extname = 'apikeys'");
cmp_ok(scalar(keys %$fresh), '>', 500, 'the catalog is described');

sub new_database
{
	my ($version) = @_;
	my $db = 'db' . ++$count;

	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	$node->safe_psql($db, "SET client_min_messages = warning; CREATE EXTENSION apikeys VERSION '$version' CASCADE");
	return $db;
}

sub restore
{
	my ($db, $file) = @_;

	run_ok("restore into $db", [ "$install->{prefix}/bin/psql", '-qX', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $file, '-d', $node->connstr($db) ]);
	return;
}

# What a database must go on to do.
sub life_goes_on
{
	my ($db, $what) = @_;

	$node->safe_psql($db, "SELECT apikeys.archive_key(key_id) FROM apikeys.create_key('Short', '{data}'); SELECT apikeys.update_key(apikeys.key_id('Plain'), name => 'After')");
	is(rows_problems($node, $db), '', "$what: verdicts, log and proof, after further changes");
	is($node->safe_psql($db, "SET ROLE regress_ak_gateway; SELECT code FROM apikeys.validate_key('x')"), 'NOT_FOUND', "$what: a role may what it might");
	is($node->safe_psql($db, "SET ROLE regress_ak_acme; SELECT bool_and(workspace = 'acme') AND count(*) > 3 FROM apikeys.keys"), 't', "$what: of its workspace alone");
	return;
}

foreach my $version (@versions)
{
	PostgreSQL::Test::Utils::system_or_bail('cp', "$upgrade/apikeys--$version.sql", "$install->{extension}/");

	# the catalog
	my $db = new_database($version);
	$node->safe_psql($db, 'ALTER EXTENSION apikeys UPDATE');
	same_catalog(catalog($node, $db), $fresh, "$version, updated");

	# a database that lived with it, restored as it was, updated
	my $lived = new_database($version);
	restore($lived, "$upgrade/$version.dump.sql");
	is($node->safe_psql($lived, 'SELECT apikeys.regrant_access()'), '5', "$version: accesses");
	is(rows_problems($node, $lived), '', "$version: restored");
	$node->safe_psql($lived, 'SELECT apikeys.flush_usage()');
	my $before = contents($node, $lived);
	$node->safe_psql($lived, 'ALTER EXTENSION apikeys UPDATE');
	my $after = contents($node, $lived);
	# tables and views that one of them has not are the business of the delta
	delete @$before{ grep { !defined $after->{$_} } keys %$before };
	delete @$after{ grep { !defined $before->{$_} } keys %$after };
	same_contents($after, $before, "$version, updated");
	same_catalog(catalog($node, $lived), $fresh, "$version, restored and updated");

	# the same dump, right into this version
	my $direct = new_database($present);
	restore($direct, "$upgrade/$version.dump.sql");
	is($node->safe_psql($direct, 'SELECT apikeys.regrant_access()'), '5', "$version, restored into $present: accesses");
	is(rows_problems($node, $direct), '', "$version, restored into $present");
	$node->safe_psql($direct, 'SELECT apikeys.flush_usage()');
	foreach ('* FROM apikeys.key', '* FROM apikeys.workspace', '* FROM apikeys.team_member', '* FROM apikeys.access', '* FROM apikeys.api',
		'report_id, state, recipient FROM apikeys_internal.report', 'key_id, api, code, old_secret, count FROM apikeys_internal.usage',
		'key_id, used FROM apikeys_internal.quota_used')
	{
		my $rows = "SELECT t::text FROM (SELECT $_) AS t ORDER BY 1";
		is(query($node, $direct, $rows), query($node, $lived, $rows), "$version, restored into $present: $_");
	}
	same_catalog(catalog($node, $direct, roles => 1), catalog($node, $lived, roles => 1), "$version, updated: what roles may, as after a restore into $present");

	# a dump of what was updated
	my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
	run_ok('pg_dump', [ "$install->{prefix}/bin/pg_dump", '-f', $dump, '-d', $node->connstr($lived) ]);
	$before = contents($node, $lived);
	my $copy = 'db' . ++$count;
	$node->safe_psql('postgres', "CREATE DATABASE $copy TEMPLATE template0");
	restore($copy, $dump);
	same_contents(contents($node, $copy), $before, "$version, updated, dumped and restored");

	life_goes_on($lived, "$version, updated");
	life_goes_on($direct, "$version, restored into $present");
}

# every version before has a way here
is($node->safe_psql('postgres', "SELECT string_agg(source, ' ' ORDER BY source) FROM pg_extension_update_paths('apikeys') WHERE target = '$present' AND path IS NOT NULL"),
	join(' ', @versions), 'versions that can be updated');
$node->stop;
done_testing();
