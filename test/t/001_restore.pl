# Dump and restore in every mode: exact, without messages and without new entries. Secrets issued before stay valid, and
# management works on.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

# checkpoints are logged when we say so: that is noted in a table
my $node = new_node('main', conf => "apikeys.audit_checkpoint_interval = 0\n");
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGUSER} = (split /\n/, $node->safe_psql('postgres', 'SELECT current_user'))[0];
my $dir = PostgreSQL::Test::Utils::tempdir();

# What differs between the databases must not matter.
sub make_database
{
	my ($db, @settings) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	$node->safe_psql('postgres', "ALTER DATABASE $db SET $_") foreach @settings;
	return;
}
my @source_settings = ("TimeZone = 'Asia/Kathmandu'", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'iso_8601'",
	"bytea_output = 'escape'", 'extra_float_digits = 0');
my @target_settings = ("TimeZone = 'America/Los_Angeles'", "DateStyle = 'German'", "IntervalStyle = 'sql_standard'",
	"bytea_output = 'hex'");
# PostgreSQL 19 knows no other strings
push @target_settings, 'standard_conforming_strings = off' if server_major($node) < 19;

#
# A source with a bit of everything.
#
make_database('source', @source_settings);
install_in($node, 'source');
$node->safe_psql('source', <<'SQL');
CREATE ROLE app LOGIN;
CREATE ROLE "Büro 1" LOGIN;
CREATE ROLE gone LOGIN;
CREATE ROLE taken LOGIN;
SELECT apikeys.register_api('billing', 'Rechnungen – 請求');
SELECT apikeys.unregister_api('push');
SELECT apikeys.unregister_api('segmentation');
SELECT apikeys.register_api('segmentation');
SELECT apikeys.register_api('short-lived');
SELECT apikeys.unregister_api('short-lived');
SELECT apikeys.update_workspace('default', 'Zentrale', 'zz_live', 12);
SELECT apikeys.create_workspace('acme', 'Acme & Söhne', 'acme', 3);
SELECT apikeys.create_workspace('Empty.One', key_limit => 5, default_lifetime => '1 mon 2 days', max_lifetime => '90 days', rate_limit => 7, rate_window => '01:02:03.5', leak_action => 'archive');
SELECT apikeys.add_team_member('anna', 'platform');
SELECT apikeys.add_team_member('bob', 'old team', 'acme');
SELECT apikeys.add_team_member('bob', 'vendors', 'acme');
SELECT apikeys.add_team_member('carl', 'x', 'acme');
SELECT apikeys.remove_team_member('carl', 'acme');
SELECT apikeys.grant_access('app', 'validate');
SELECT apikeys.grant_access('app', 'manage');
SELECT apikeys.grant_access('app', 'audit');
SELECT apikeys.grant_access('Büro 1', 'view', 'acme');
SELECT apikeys.grant_access('Büro 1', 'manage', 'acme');
SELECT apikeys.revoke_access('Büro 1', 'manage', 'acme');
SELECT apikeys.grant_access('gone', 'admin');
SELECT apikeys.grant_access('taken', 'admin');
SQL
$node->safe_psql('source', "DROP OWNED BY $_; DROP ROLE $_") foreach 'gone', 'taken';
$node->safe_psql('source', 'CREATE ROLE taken LOGIN');

# $secret{name} is what create_key gave for it.
my %secret;

sub keep
{
	my ($name, $sql) = @_;

	$secret{$name} = $node->safe_psql('source', $sql);
	return;
}
keep('plain', "SELECT key FROM apikeys.create_key('plain', '{data}')");
keep('unicode', "SELECT key FROM apikeys.create_key('Schlüssel 🔑 \\ \"it''s\"', '{billing,data,segmentation}', 'acme')");
keep('all', <<'SQL');
BEGIN;
SELECT FROM apikeys.act_as('anna', NULL, '2001:db8::7');
SELECT key FROM apikeys.create_key('all', '{data,billing}', NULL, 'team ß', 'owner ß "7"', now() + interval '3 years',
	'{10.1.2.3/8,::1,192.0.2.7}', 7, '1 mon 2 days 03:04:05.678901', 9223372036854775807, 'total',
	'{"b": [1, 2.50, null, true], "a": {"ü": "\\ \" \u0001"}, "n": 123456789012345678901234567890.1}');
COMMIT;
SQL
keep('overlap_old', "SELECT key FROM apikeys.create_key('overlap', '{data}')");
keep('overlap_new', "SELECT key FROM apikeys.regenerate_key(apikeys.key_id('overlap'), '10 years')");
keep('dead', "SELECT key FROM apikeys.create_key('regenerated', '{data}')");
keep('alive', "SELECT key FROM apikeys.regenerate_key(apikeys.key_id('regenerated'))");
keep('edited', "SELECT key FROM apikeys.create_key('to be edited', '{data}')");
$node->safe_psql('source', <<'SQL');
SET apikeys.client = '198.51.100.4';
SET apikeys.actor = 'bob';
SELECT apikeys.update_key(apikeys.key_id('to be edited'), 'edited', '{billing}', 'team', 'owner', 'infinity', '{}', 100, '1 day', 3, 'week', '{"x": 1}');
SELECT apikeys.update_key(apikeys.key_id('edited'), expires_at => now() + interval '1 s 1 us');
SELECT apikeys.import_key('imported', '{data}', sha256('from elsewhere'), 'from…', 'acme');
SELECT apikeys.disable_key((SELECT key_id FROM apikeys.create_key('paused', '{data}', owner => 'customer 7')), 'The invoice is open.');
SELECT apikeys.disable_key(apikeys.key_id('paused')), apikeys.enable_key((SELECT k.key_id FROM apikeys.create_key('enabled', '{data}') AS k, apikeys.disable_key(k.key_id)), 'Paid.');
SQL
keep("archived$_", "SELECT key FROM apikeys.create_key('archived $_', '{data}')") foreach 1 .. 10;
$node->safe_psql('source', "SELECT apikeys.archive_key(apikeys.key_id('archived $_'))") foreach 1 .. 10;
keep("evicted$_", "SELECT key FROM apikeys.create_key('evicted $_', '{data}', 'acme')") foreach 1 .. 5;
$node->safe_psql('source', "SET client_min_messages = error; SELECT apikeys.archive_key(apikeys.key_id('evicted $_'))") foreach 1 .. 5;
# what was purged leaves runs; then life went on
$node->safe_psql('source', "SELECT apikeys.purge_audit_logs(now(), 'acme'), apikeys.purge_audit_logs(now() - interval '10 years', 'default')");
keep("late$_", "SELECT key FROM apikeys.create_key('late $_', '{data}', 'acme')") foreach 1 .. 2;
$node->safe_psql('source', "SELECT apikeys.purge_audit_logs(now(), 'acme')");
# a rolled back one leaves a hole in the numbers
$node->safe_psql('source', "BEGIN; SELECT FROM apikeys.create_key('never', '{data}'); ROLLBACK");
$node->safe_psql('source', "SELECT pg_sleep_until((SELECT max(expires_at) FROM apikeys.key WHERE name = 'edited'))");

my @probe = (@secret{qw(plain unicode all overlap_old overlap_new dead alive edited)}, 'from elsewhere',
	$secret{archived1}, $secret{archived10}, $secret{evicted1}, $secret{evicted2}, $secret{evicted3}, $secret{evicted5});
my $expected_verdicts =
	'VALID VALID ADDRESS_NOT_ALLOWED VALID VALID REGENERATED VALID EXPIRED VALID '
  . 'ARCHIVED ARCHIVED NOT_FOUND NOT_FOUND ARCHIVED ARCHIVED';
is(verdicts($node, 'source', @probe), $expected_verdicts, 'verdicts in the source');
is(problems($node, 'source'), '', 'the source is sound');

# Usage: flushed figures are in a dump, with those of an hour long ago, and what was used of quotas.
keep('quota', "SELECT key FROM apikeys.create_key('quota', '{data}')");
$node->safe_psql('source', <<"SQL");
UPDATE apikeys.key SET quota = 10, quota_period = 'total' WHERE name = 'quota';
SELECT apikeys.validate_key('$secret{quota}', cost => 6);
SQL
$node->safe_psql('source', <<'SQL');
SELECT apikeys.flush_usage();
INSERT INTO apikeys_internal.usage_hour SELECT key_id, hour - interval '1000 hours', api, code, old_secret, workspace, count, last_at, '2001:db8::1', slot, slot_count
FROM apikeys_internal.usage_hour;
SQL
isnt(query($node, 'source', 'SELECT sum(count) FROM apikeys_internal.usage'), '', 'there is usage');
is(query($node, 'source', 'SELECT period, used FROM apikeys_internal.quota_used'), 'total|6', 'and a quota that is used');

# The worker removes the access of roles that are gone, and corrects the names of those that were renamed.  (What a dump that
# comes before that holds, restore_rules.sql knows.)
$node->safe_psql('source', 'ALTER ROLE "Büro 1" RENAME TO "Büro 2"');
# a worker that is alone leaves after half a minute, and flush_usage() starts the next one
ok(wait_for($node, 'source', "SELECT apikeys.flush_usage() >= 0 AND count(*) = 0 FROM apikeys.access WHERE role IN ('gone', 'taken', 'Büro 1')"),
	'the worker follows the roles');
is(query($node, 'source', "SELECT capability, workspace FROM apikeys.access WHERE role = 'Büro 2'"), 'view|acme', 'a renamed one keeps its access');
sequence($node, 'source');
my $checkpoints = checkpoints($node, 'source');
my $source = contents($node, 'source');
like($source->{'apikeys.audit_tree'}, qr/^\(acme,\d+,,/m, 'entries were purged');
my $accesses = split /\n/, $source->{'apikeys.access'};
my $acl_query = "SELECT format('%s %s', p.oid::regprocedure, a.grantee::regrole) FROM pg_proc p, aclexplode(p.proacl) AS a "
  . "WHERE p.pronamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) UNION ALL "
  . "SELECT format('%s %s %s', c.oid::regclass, a.grantee::regrole, a.privilege_type) "
  . "FROM pg_class c, aclexplode(c.relacl) AS a WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) "
  . "AND a.grantee <> c.relowner ORDER BY 1";
my $acl = query($node, 'source', $acl_query);

#
# What every restored database must be.
#
sub check_restored
{
	my ($db, $what, $with_privileges) = @_;

	same_contents(contents($node, $db), $source, $what);
	is(verdicts($node, $db, @probe), $expected_verdicts, "$what: secrets issued before");
	is(problems($node, $db), '', "$what: sound");
	is(query($node, $db, "SELECT count(*) FROM apikeys.verify_audit_logs(NULL, $checkpoints) WHERE NOT ok"), '0',
		"$what: the checkpoints hold");
	is(query($node, $db, $acl_query), $acl, "$what: privileges") if $with_privileges;

	# what was granted holds for nobody until somebody says that the roles of these names are meant
	my ($refused, undef, $why) = $node->psql($db, "SET ROLE app; SELECT FROM apikeys.create_key('x', '{data}')");
	isnt($refused, 0, "$what: no access by a name alone");
	if ($with_privileges)
	{
		like($why, qr/regrant_access\(\)/, "$what: the hint tells how");
		is(query($node, $db, 'SELECT apikeys.regrant_access()'), $accesses, "$what: granted again");
		is(query($node, $db, $acl_query), $acl, "$what: the same privileges");
		is(problems($node, $db), '', "$what: sound when granted again");
	}

	# and life goes on
	my $role = $with_privileges ? 'app' : $ENV{PGUSER};
	my $new = $node->safe_psql($db, "SET ROLE $role; SELECT key FROM apikeys.create_key('after', '{data,billing}')");
	is(verdicts($node, $db, $new), 'VALID', "$what: a new key");
	my ($code, $out, $err) = $node->psql($db, "SET ROLE $role; SELECT FROM apikeys.create_key('PLAIN', '{data}')");
	like($err, qr/key "PLAIN" already exists in workspace "default"/, "$what: names are still unique");
	$node->safe_psql($db, "SET client_min_messages = error; SET ROLE $role; "
		  . join ' ', map { "SELECT FROM apikeys.create_key('n$_', '{data}', 'acme'); SELECT FROM apikeys.archive_key(apikeys.key_id('n$_'));" } 1 .. 4);
	is(verdicts($node, $db, $secret{evicted3}, $secret{evicted5}), 'NOT_FOUND NOT_FOUND', "$what: the archive limit goes on");
	is(problems($node, $db), '', "$what: still sound");
	($code, $out, $err) = $node->psql($db, "SELECT FROM apikeys.create_key('x', '{push}')");
	like($err, qr/API "push" does not exist/, "$what: an API that was unregistered stays so");
	return;
}

# Data alone brings no GRANT: what each role may do is given again, as docs/operations.md says.
sub grant_again
{
	my ($db, $what) = @_;

	is(query($node, $db, $acl_query =~ s/UNION/AND a.grantee = 'app'::regrole UNION/r =~ s/ORDER/AND a.grantee = 'app'::regrole ORDER/r),
		'', "$what: no privileges yet");
	my $before = query($node, $db, 'SELECT role, capability, workspace FROM apikeys.access ORDER BY 1, 2, 3');
	is(query($node, $db, 'SELECT apikeys.regrant_access()'), $accesses, "$what: granting again");
	is(query($node, $db, $acl_query), $acl, "$what: privileges after granting again");
	is(query($node, $db, 'SELECT role, capability, workspace FROM apikeys.access ORDER BY 1, 2, 3'), $before, "$what: the same access");
	is(problems($node, $db), '', "$what: sound after granting again");
	return;
}

my $n = 0;

# restore(what, [pg_dump arguments], [restore arguments], data only): through psql when there is no -F.
sub restore
{
	my ($what, $dump, $restore, %args) = @_;
	my $db = 'target' . ++$n;
	my $archive = (grep { /^-F/ } @$dump) ? 1 : 0;
	my $file = "$dir/dump$n";

	make_database($db, @target_settings);
	install_in($node, $db) if $args{into_extension};
	$args{before}->($db) if $args{before};
	run_ok("$what: pg_dump", ['pg_dump', @$dump, '-f', $file, '-d', 'source']);
	run_ok("$what: restore",
		  $archive
		? ['pg_restore', @$restore, '-d', $db, $file]
		: ['psql', '-qXo', "$dir/out", '-v', 'ON_ERROR_STOP=1', @$restore, '-d', $db, '-f', $file]);
	check_restored($db, $what, !$args{into_extension});
	$args{after}->($db, $what) if $args{after};
	$node->safe_psql('postgres', "DROP DATABASE $db");
	return;
}

restore('plain', [], []);
restore('psql -1', [], ['-1']);
restore('--inserts', ['--inserts'], []);
restore('-Fc', ['-Fc'], []);
restore('-Fc -j4', ['-Fc'], ['-j4']);
restore('-Fd -j4', [ '-Fd', '-j4' ], ['-j4']);
restore('-Fc -1 --exit-on-error', ['-Fc'], [ '-1', '--exit-on-error' ]);

# Into a database that has the extension, and so its own default workspace and APIs.
my @into = (into_extension => 1);
restore('--data-only', ['--data-only'], [], @into, after => \&grant_again);
restore('--data-only --inserts', [ '--data-only', '--column-inserts' ], [], @into);
restore('--data-only -Fc', [ '--data-only', '-Fc' ], [], @into);
restore('--data-only -Fc -j4', ['-Fc'], [ '--data-only', '-j4' ], @into);

# --disable-triggers, which nobody needs, switches off what makes room for the restored rows: make it oneself.
my $make_room = sub {
	$node->safe_psql($_[0], 'SET session_replication_role = replica; DELETE FROM apikeys.workspace; DELETE FROM apikeys.api');
};
restore('--data-only --disable-triggers', [ '--data-only', '--disable-triggers' ], [], @into, before => $make_room);

# Entries that were in no tree yet when the database was dumped, and a worker that ticks while it is restored: it takes nothing
# into a tree before somebody acts in the new database; then everything comes into the trees, once.
$node->append_conf('postgresql.conf', "apikeys.flush_interval = '1h'\n");
$node->reload;
make_database('pending', @source_settings);
install_in($node, 'pending');
# its worker runs the jobs once, and stays while there is another session
my $other = session($node, 'pending');
$other->run('SELECT apikeys.flush_usage()');
wait_for_round($node, 'pending') or die 'no worker';
$node->safe_psql('pending', "SELECT FROM apikeys.create_workspace('acme'); SELECT count(apikeys.create_key('in the tree ' || i, '{data}', w)) "
	  . "FROM generate_series(1, 100) AS i, unnest('{default,acme}'::text[]) AS w");
sequence($node, 'pending');
my $seen = checkpoints($node, 'pending');
$node->safe_psql('pending', "SELECT count(apikeys.create_key('not yet ' || i, '{data}', w)) FROM generate_series(1, 3000) AS i, unnest('{default,acme}'::text[]) AS w");
my $outside = 'SELECT count(*) FROM apikeys.audit_log a WHERE NOT EXISTS (SELECT FROM apikeys.audit_tree t WHERE t.audit_id = a.audit_id)';
my $half = contents($node, 'pending');
is(query($node, 'pending', $outside), '6000', 'entries in no tree');
my %dump = (plain => [], data => ['--data-only'], custom => ['-Fc']);
run_ok("pending: pg_dump, $_", [ 'pg_dump', @{ $dump{$_} }, '-f', "$dir/pending_$_", '-d', 'pending' ]) foreach sort keys %dump;
$other->quit;
foreach my $mode ([ 'plain', 'plain' ], [ '-Fc -j4', 'custom', ['-j4'] ], [ '--data-only', 'data', undef, 1 ],
	[ '--data-only -j4', 'custom', [ '--data-only', '-j4' ], 1 ])
{
	my ($what, $dump, $restore, $into) = @$mode;

	make_database('ticking', @target_settings);
	install_in($node, 'ticking') if $into;
	$node->append_conf('postgresql.conf', "apikeys.flush_interval = '100ms'\n");
	$node->reload;
	my $ticks = fork_clients(1, 1, sub {
			my $session = session($node, 'ticking');

			# each starts the worker, where there is none, and lets it run its jobs
			while (time < $^T + 600)
			{
				my ($status, $result) = $session->run("SELECT to_regproc('apikeys.flush_usage') IS NOT NULL");
				return [] if $status ne 'ok';
				$session->run('SELECT apikeys.flush_usage()') if $result eq 't';
				last if ($session->run("SELECT to_regclass('public.over') IS NOT NULL"))[1] eq 't';
				select undef, undef, undef, 0.01;
			}
			return [];
		});
	run_ok("pending, $what: restore", $restore
		? [ 'pg_restore', @$restore, '-d', 'ticking', "$dir/pending_$dump" ]
		: [ 'psql', '-qXo', "$dir/out", '-v', 'ON_ERROR_STOP=1', '-d', 'ticking', '-f', "$dir/pending_$dump" ]);
	select undef, undef, undef, 1;
	same_contents(contents($node, 'ticking'), $half, "pending, $what");
	my $new = query($node, 'ticking', "SELECT key FROM apikeys.create_key('the first', '{data}')");
	ok(wait_for($node, 'ticking', "$outside;", '0'), "pending, $what: with the first action all entries come into the trees");
	query($node, 'ticking', 'CREATE TABLE public.over ()');
	$ticks->();
	is(query($node, 'ticking', "SELECT problem FROM apikeys.verify_audit_logs(NULL, $seen) WHERE NOT ok"), '', "pending, $what: the checkpoints of before hold");
	is(problems($node, 'ticking'), '', "pending, $what: sound");
	is(query($node, 'ticking', 'SELECT count(*) FROM apikeys.audit_tree') - query($node, 'ticking', 'SELECT count(*) FROM apikeys.audit_log'), 0,
		"pending, $what: each entry once");
	$node->append_conf('postgresql.conf', "apikeys.flush_interval = '1h'\n");
	$node->reload;
	$node->safe_psql('postgres', 'DROP DATABASE ticking');
}
# where there is no worker, CALL does it, without another action
make_database('called');
run_ok('pending, called: restore', [ 'psql', '-qXo', "$dir/out", '-v', 'ON_ERROR_STOP=1', '-d', 'called', '-f', "$dir/pending_plain" ]);
query($node, 'called', 'SELECT apikeys.flush_usage()');
is(query($node, 'called', $outside), '6000', 'restored: entries in no tree');
is(problems($node, 'called'), '', 'restored, and called: sound, and all in the trees');
$node->append_conf('postgresql.conf', "apikeys.flush_interval = '10s'\n");
$node->reload;

# A column that somebody added is in the dump with its values, not with its definition: it must be there before.
$node->safe_psql('source', "ALTER TABLE apikeys.key ADD COLUMN note text DEFAULT 'n'; ALTER TABLE apikeys.audit_log ADD COLUMN note text");
my $add_columns = sub {
	$node->safe_psql($_[0], "ALTER TABLE apikeys.key ADD COLUMN note text DEFAULT 'other'; ALTER TABLE apikeys.audit_log ADD COLUMN note text");
};
$source->{$_} = contents($node, 'source')->{$_} foreach 'apikeys.key', 'apikeys.audit_log';
like($source->{'apikeys.key'}, qr/,n\)$/m, 'there is an added column');
restore('an added column', [], [], @into, before => $add_columns);
restore('an added column -Fc -j4', ['-Fc'], [ '-j4' ], @into, before => $add_columns);

# Names are compared as they were when they were given, whatever the databases' LC_CTYPE: no index stands in a restore's way.
$node->safe_psql('postgres', q{CREATE DATABASE bare TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'});
install_in($node, 'bare');
$node->safe_psql('bare', "SELECT FROM apikeys.create_key('$_', '{data}')") foreach 'Café', 'Straße', 'STRASSE', 'İlk', 'ilk', 'ılk';
my ($status, $out, $err) = $node->psql('bare', q{SELECT FROM apikeys.create_key('CAFÉ', '{data}')});
like($err, qr/key "CAFÉ" already exists in workspace "default"/, 'LC_CTYPE C: names are compared without regard to case, beyond ASCII, too');
$node->safe_psql('bare', q{SELECT apikeys.create_workspace('other');
	SELECT FROM apikeys.create_key('CAFÉ', '{data}', 'other'), apikeys.archive_key(apikeys.key_id('Café', 'default'));
	SELECT FROM apikeys.create_key('CAFÉ', '{data}')});
query($node, 'bare', 'CALL apikeys.sequence_audit_logs()');
my $bare = contents($node, 'bare');
foreach my $locale ('C.UTF-8', (grep { /^(tr_TR|az_AZ)\.utf-?8$/i } split /\n/, `locale -a`))
{
	my $n_keys = "SELECT count(*) FROM apikeys.key WHERE key_id IN (apikeys.key_id('café', 'default'), apikeys.key_id('İLK'), apikeys.key_id('ILK'))";

	$node->safe_psql('postgres', "CREATE DATABASE cased TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE '$locale' LC_CTYPE '$locale'");
	run_ok("from C to $locale: pg_dump", [ 'pg_dump', '-f', "$dir/bare", '-d', 'bare' ]);
	run_ok("from C to $locale: restore", [ 'psql', '-qXo', "$dir/out", '-v', 'ON_ERROR_STOP=1', '-d', 'cased', '-f', "$dir/bare" ]);
	same_contents(contents($node, 'cased'), $bare, "from C to $locale");
	is(problems($node, 'cased'), '', "from C to $locale: sound");
	is(query($node, 'cased', $n_keys), query($node, 'bare', $n_keys), "from C to $locale: the same names are found");
	$node->safe_psql('postgres', 'DROP DATABASE cased');
}

done_testing();
