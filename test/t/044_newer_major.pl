# Dump and restore into a newer PostgreSQL, and pg_upgrade to it, if one is installed that has the extension.
#
# APIKEYS_NEWER=/usr/lib/postgresql/18 names it; by default it is the newest one in /usr/lib/postgresql.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($newer, $here) = newer_major();
plan skip_all => $here if !defined $newer;

# 18 has checksums unless told otherwise, older ones have not, and pg_upgrade wants both alike
my @alike = (extra => ['--data-checksums']);
my $old = new_node('old', init => {@alike}, conf => "apikeys.audit_checkpoint_interval = 0\n");
install_in($old, 'postgres');
my %secret;
$old->safe_psql('postgres', <<'SQL');
CREATE ROLE app;
SELECT apikeys.create_workspace('acme', 'Acme & Söhne', 'acme', 2);
SELECT apikeys.register_api('billing');
SELECT apikeys.unregister_api('push');
SELECT apikeys.add_team_member('anna', 'platform');
SELECT apikeys.grant_access('app', 'validate');
SELECT apikeys.grant_access('app', 'audit', 'acme');
SQL
$secret{$_} = $old->safe_psql('postgres', "SELECT key FROM apikeys.create_key('$_', '{data}', 'acme', metadata => '{\"a\": [1, null]}')")
  foreach 'plain', 'renewed', 'end 1', 'end 2', 'end 3';
$secret{new} = $old->safe_psql('postgres', "SELECT key FROM apikeys.regenerate_key(apikeys.key_id('renewed'), '1 day')");
$old->safe_psql('postgres', "SET client_min_messages = warning; SELECT apikeys.archive_key(apikeys.key_id('end $_'))") foreach 1 .. 3;

my @probe = @secret{ 'plain', 'renewed', 'new', 'end 1', 'end 2', 'end 3' };
my $expected = 'VALID VALID VALID NOT_FOUND ARCHIVED ARCHIVED';
is(verdicts($old, 'postgres', @probe), $expected, 'verdicts before');
# what is counted of them is in the dump
$old->safe_psql('postgres', 'SELECT apikeys.flush_usage()');
sequence($old, 'postgres');
my $checkpoints = checkpoints($old, 'postgres');
my $contents = contents($old, 'postgres');

sub check_new
{
	my ($node, $db, $what) = @_;

	same_contents(contents($node, $db), $contents, $what);
	is(verdicts($node, $db, @probe), $expected, "$what: verdicts");
	is(problems($node, $db), '', "$what: sound");
	is($node->safe_psql($db, "SELECT count(*) FROM apikeys.verify_audit_logs(NULL, $checkpoints) WHERE NOT ok"), '0', "$what: the checkpoints hold");
	is(verdicts($node, $db, $node->safe_psql($db, "SELECT key FROM apikeys.create_key('after', '{data}', 'acme')")), 'VALID', "$what: life goes on");
	# roles keep their oids in pg_upgrade, and so their access; after a restore it must be said that they are the same
	is($node->safe_psql($db, 'SELECT apikeys.regrant_access()'), $what eq 'restored' ? 2 : 0, "$what: access that waited");
	is($node->safe_psql($db, "SET ROLE app; SELECT code FROM apikeys.validate_key('$secret{plain}')"), 'VALID', "$what: privileges");
	return;
}

#
# Dump and restore, by the newer version's programs.
#
my $new = bare_node('new', $newer);
$new->init;
$new->start;
$new->safe_psql('postgres', 'CREATE ROLE app; CREATE DATABASE restored TEMPLATE template0');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
run_ok('pg_dump', [ "$newer/bin/pg_dump", '-Fc', '-f', $dump, '-d', $old->connstr('postgres') ]);
run_ok('pg_restore', [ "$newer/bin/pg_restore", '-j2', '-d', $new->connstr('restored'), $dump ]);
check_new($new, 'restored', 'restored');
$new->stop;

#
# pg_upgrade.
#
my $upgraded = bare_node('upgraded', $newer);
$upgraded->init(@alike);
# what must go with the old cluster
$old->stop;
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my ($code, $out, $err) = run_code([ 'sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', $dir, "$newer/bin/pg_upgrade", '--no-sync', '-d', $old->data_dir, '-D', $upgraded->data_dir,
	'-b', "$here/bin", '-B', "$newer/bin", '-s', $dir, '-p', $old->port, '-P', $upgraded->port ]);
is($code, 0, 'pg_upgrade') or diag("$out\n$err");
$upgraded->start;
check_new($upgraded, 'postgres', 'upgraded');

done_testing();
