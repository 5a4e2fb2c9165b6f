# pg_upgrade of a database with an earlier version, to the newest PostgreSQL that has this version, and then ALTER EXTENSION
# UPDATE.
#
# APIKEYS_NEWER=/usr/lib/postgresql/18 names it; by default it is the newest one in /usr/lib/postgresql. pg_upgrade takes the
# old version over from the catalog, so the new server does not need its script.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($newer, $here) = newer_major();
plan skip_all => $here if !defined $newer;

my $upgrade = "$FindBin::RealBin/../upgrade";
my $install = private_install();
# 18 has checksums unless told otherwise, older ones have not, and pg_upgrade wants both alike
my @alike = (extra => ['--data-checksums']);
my $conf = "apikeys.audit_checkpoint_interval = 0\napikeys.usage_retention = 0\n";

foreach my $version (map { m{/apikeys--(.*)\.sql$} ? $1 : () } glob "$upgrade/apikeys--*.sql")
{
	my $old = new_node("old_$version", install => $install, init => {@alike}, conf => $conf);
	PostgreSQL::Test::Utils::system_or_bail('cp', "$upgrade/apikeys--$version.sql", "$install->{extension}/");
	$old->safe_psql('postgres', "CREATE ROLE regress_ak_$_") foreach qw(gateway acme admin watch);
	$old->safe_psql('postgres', "SET client_min_messages = warning; CREATE EXTENSION apikeys VERSION '$version' CASCADE");
	run_ok('restore', [ "$install->{prefix}/bin/psql", '-qX', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$upgrade/$version.dump.sql", '-d', $old->connstr('postgres') ]);
	$old->safe_psql('postgres', 'SELECT apikeys.regrant_access()');
	is(problems($old, 'postgres'), '', "$version: sound before");
	my $before = contents($old, 'postgres');
	$old->stop;

	my $new = bare_node("new_$version", $newer);
	$new->init(@alike);
	$new->append_conf('postgresql.conf', $conf);
	my $dir = PostgreSQL::Test::Utils::tempdir_short();
	my ($code, $out, $err) = run_code([ 'sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', $dir, "$newer/bin/pg_upgrade", '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir,
		'-b', "$install->{prefix}/bin", '-B', "$newer/bin", '-s', $dir, '-p', $old->port, '-P', $new->port ]);
	is($code, 0, "$version: pg_upgrade") or diag("$out\n$err");
	$new->start;
	is($new->safe_psql('postgres', "SELECT extversion FROM pg_extension WHERE extname = 'apikeys'"), $version, "$version: pg_upgrade keeps the version");
	$new->safe_psql('postgres', 'ALTER EXTENSION apikeys UPDATE');

	my $after = contents($new, 'postgres');
	delete @$before{ grep { !defined $after->{$_} } keys %$before };
	delete @$after{ grep { !defined $before->{$_} } keys %$after };
	same_contents($after, $before, "$version, upgraded");
	is(problems($new, 'postgres'), '', "$version, upgraded: sound");
	is($new->safe_psql('postgres', 'SELECT count(*) FROM apikeys.verify_audit_logs(NULL, (SELECT array_agg(note) FROM public.checkpoint)) WHERE NOT ok'), '0', "$version, upgraded: the checkpoints hold");
	is($new->safe_psql('postgres', 'SELECT count(*) FROM public.expected e, apikeys.validate_key(e.secret, e.api, e.client) AS v WHERE v.code <> e.code'), '0', "$version, upgraded: verdicts");
	is($new->safe_psql('postgres', "SET ROLE regress_ak_gateway; SELECT code FROM apikeys.validate_key('x')"), 'NOT_FOUND', "$version, upgraded: privileges");

	$new->safe_psql('postgres', 'CREATE DATABASE fresh TEMPLATE template0');
	install_in($new, 'fresh');
	same_catalog(catalog($new, 'postgres'), catalog($new, 'fresh'), "$version, upgraded");
	$new->stop;
}
done_testing();
