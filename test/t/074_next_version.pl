# What a later version can do: add columns to sealed tables, in a database where a user has added columns before, and add a
# function and a view.
#
# The next version is built for real: a copy of the tree with the edits of test/upgrade/next.pl, installed beside this one. Only
# this test has two libraries of different layouts of tables, and (the next one with another layout of memory) two libraries
# that each count in their own memory.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

require "$FindBin::RealBin/../upgrade/next.pl";

my $tree = "$FindBin::RealBin/../..";
my $upgrade = "$tree/test/upgrade";
my ($from) = slurp_file("$tree/apikeys.control") =~ /^default_version = '(.*)'$/m;
my ($layout) = slurp_file("$tree/src/core/catalog.h") =~ /^#define AK_LAYOUT (\d+)$/m;
my $to = "${from}next";
my $further = "${to}2";

#
# The tree of the next version.
#
my $work = PostgreSQL::Test::Utils::tempdir();
chomp(my $pgxs = `pg_config --pgxs`);
chomp(my $pg_config = `pg_config --bindir`);
$pg_config .= '/pg_config';

sub edit
{
	my ($file, $pattern, $text) = @_;
	my $content = '';

	if (defined $pattern)
	{
		$content = slurp_file("$work/$file");
		my $count = () = $content =~ /$pattern/g;
		die "test/upgrade/next.pl: $pattern is $count times in $file, not once" if $count != 1;
		$content =~ s/$pattern/$text->()/e;
	}
	else
	{
		$content = $text;
	}
	open my $out, '>', "$work/$file" or die "$file: $!";
	print $out $content;
	close $out;
	return;
}

sub build
{
	my ($version) = @_;
	my ($code, $out, $err) = run_code([ 'make', '-s', '-C', $work, '-j2', "PG_CONFIG=$pg_config", 'with_llvm=no', 'CURL_LIBS=', 'COPT=-O0 -g0', 'apikeys.so', "sql/apikeys--$version.sql" ],
		env => { MAKEFLAGS => '', MAKELEVEL => '' });
	is($code, 0, 'the next version is built') or BAIL_OUT("$out$err");
	return;
}

# Puts files of the next version into a copy of the server, as make install does: new files under the old names.
sub install_next
{
	my ($install) = @_;

	foreach ([ "$work/apikeys.so", $install->{lib} ], map { [ $_, $install->{extension} ] } "$work/apikeys.control", glob "$work/sql/apikeys--*.sql")
	{
		my ($file, $to_dir) = @$_;
		PostgreSQL::Test::Utils::system_or_bail('sh', '-c', 'cp "$1" "$2/.new" && mv "$2/.new" "$2/${1##*/}"', 'sh', $file, $to_dir);
	}
	return;
}

PostgreSQL::Test::Utils::system_or_bail('sh', '-c', 'cp -R "$1/Makefile" "$1/apikeys.control" "$1/src" "$1/sql" "$2" && find "$2" -name "*.o" -delete', 'sh', $tree, $work);
edit(@$_) foreach next_version($from, $to, $layout);
build($to);

#
# A database of this version with rows of all kinds, one like it in which a user has added columns, and two subscribers.
#
my $conf = "apikeys.audit_checkpoint_interval = 0\napikeys.usage_retention = 0\napikeys.flush_interval = 1h\nmax_worker_processes = 24\n"
  . "wal_receiver_status_interval = 1s\nwal_retrieve_retry_interval = 200ms\n";
my $install = private_install();
my $node = new_node('main', install => $install, init => { allows_streaming => 'logical' }, conf => $conf);
my @roles = map { "regress_ak_$_" } qw(gateway acme admin watch);
$node->safe_psql('postgres', "CREATE ROLE $_") foreach @roles;
$node->safe_psql('postgres', 'CREATE DATABASE lived TEMPLATE template0');
install_in($node, 'lived');
run_ok('rows', [ "$install->{prefix}/bin/psql", '-qX', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$upgrade/rows.sql", '-d', $node->connstr('lived') ]);
is(rows_problems($node, 'lived'), '', 'rows of all kinds');

# what a call says, in words
my $says = <<'SQL';
CREATE FUNCTION pg_temp.says(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; hint text;
BEGIN
	EXECUTE call;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(': ', SQLSTATE, message, hint);
END
$$;
SQL

# the worker holds a connection to what is copied
$node->safe_psql('postgres', 'ALTER DATABASE lived ALLOW_CONNECTIONS false; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = \'lived\'');
ok(wait_for($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'lived'"), 'nobody is connected');
$node->safe_psql('postgres', 'CREATE DATABASE owned TEMPLATE lived');
$node->safe_psql('postgres', 'ALTER DATABASE lived ALLOW_CONNECTIONS true; ALTER DATABASE owned ALLOW_CONNECTIONS true');
$node->safe_psql('owned', <<'SQL');
ALTER TABLE apikeys.key ADD COLUMN mine text DEFAULT 'x', ADD COLUMN gone integer;
ALTER TABLE apikeys.key DROP COLUMN gone;
ALTER TABLE apikeys.workspace ADD COLUMN mine integer NOT NULL DEFAULT 7;
ALTER TABLE apikeys.audit_log ADD COLUMN mine text DEFAULT 'x';
ALTER TABLE apikeys.team_member ADD COLUMN mine text;
SQL

my $dump = PostgreSQL::Test::Utils::tempdir();
run_ok('pg_dump', [ "$install->{prefix}/bin/pg_dump", '-f', "$dump/before", '-d', $node->connstr('lived') ]);

# the subscribers, each an installation of its own
my %subscriber;
$node->safe_psql('lived', 'CREATE PUBLICATION apikeys FOR TABLE ' . join ', ', map { "apikeys.$_" } qw(workspace api key team_member access audit_log audit_tree audit_size));
foreach my $when (qw(first last))
{
	my $to_install = private_install();
	my $new = new_node("updated_$when", install => $to_install, init => { allows_streaming => 'logical' }, conf => $conf);
	install_in($new, 'postgres');
	$new->safe_psql('postgres', "CREATE SUBSCRIPTION updated_$when CONNECTION '" . $node->connstr . " dbname=lived' PUBLICATION apikeys");
	$subscriber{$when} = { node => $new, install => $to_install };
}

# Until a subscriber holds what the publisher holds.
sub catch_up
{
	foreach my $when (@_)
	{
		wait_for($subscriber{$when}{node}, 'postgres', "SELECT count(*) > 0 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel") or die 'no first sync';
		$node->wait_for_catchup("updated_$when");
	}
	return;
}

# Is a subscriber what the publisher is?  columns: of the key table.
sub same_keys
{
	my ($when, $what, $columns) = @_;
	my $sql = "SELECT t::text FROM (SELECT $columns, row_digest FROM apikeys.key) AS t ORDER BY 1";

	is(query($subscriber{$when}{node}, 'postgres', $sql), query($node, 'lived', $sql), "$what: the same keys");
	is(problems($subscriber{$when}{node}, 'postgres'), '', "$what: sound");
	return;
}

catch_up(qw(first last));
same_keys($_, "subscriber $_", 'key_id, name, team') foreach qw(first last);

#
# Sessions on the way.
#
my $old = session($node, 'lived');
my ($plain) = split /\n/, query($node, 'lived', "SELECT secret FROM public.expected WHERE name = 'plain'");
my $ask = "SELECT code FROM apikeys.validate_key('$plain', 'data')";
my $counted = "SELECT sum(count) FROM apikeys_internal.usage WHERE code = 'VALID'";
$node->safe_psql('lived', 'SELECT apikeys.flush_usage()');
my $before = $node->safe_psql('lived', $counted);
$old->run($says);
is(join(' ', $old->run($ask)), 'ok VALID', 'the old library') foreach 1 .. 3;

install_next($install);
is($node->safe_psql('lived', "$says SELECT pg_temp.says(\$\$$ask\$\$)"),
	qq{55000: extension "apikeys" is of version $from, and its library in this session of version $to: Run ALTER EXTENSION apikeys UPDATE.}, 'the new library before the update');
is(join(' ', $old->run($ask)), 'ok VALID', 'the old one goes on');

# first a subscriber: it holds a column that the publisher has not
my $first = $subscriber{first};
install_next($first->{install});
$first->{node}->safe_psql('postgres', 'ALTER EXTENSION apikeys UPDATE');
is($first->{node}->safe_psql('postgres', 'SELECT version FROM apikeys.status()'), $to, 'a subscriber is updated first');
is(join(' ', $old->run("SELECT count(*) FROM apikeys.update_key(apikeys.key_id('Plain'), owner => 'between')")), 'ok 1', 'the publisher manages keys');
$old->run('CALL apikeys.sequence_audit_logs()');
catch_up(qw(first));
same_keys('first', 'a newer subscriber of an older publisher', 'key_id, name, owner');
is($first->{node}->safe_psql('postgres', $ask), 'VALID', 'and it validates');

#
# The update.
#
foreach my $db (qw(lived owned))
{
	$node->safe_psql($db, 'ALTER EXTENSION apikeys UPDATE');
	is(rows_problems($node, $db), '', "$db, updated: verdicts, digests, log and checkpoints of before");
}
is(join(' ', $old->run("SELECT pg_temp.says(\$\$$ask\$\$)")),
	qq{ok 55000: extension "apikeys" is of version $to, and its library in this session of version $from: Reconnect. If shared_preload_libraries names apikeys, restart the server.},
	'the old library after the update');
$old->quit;
$node->safe_psql('lived', 'SELECT apikeys.flush_usage()');
# what rows_problems() asks counts, too
cmp_ok($node->safe_psql('lived', $counted), '>=', $before + 4, 'what the old library had counted is not lost');

$node->safe_psql('postgres', 'CREATE DATABASE fresh TEMPLATE template0');
install_in($node, 'fresh');
my $fresh = catalog($node, 'fresh');
# the publication is no object of ours
same_catalog(catalog($node, 'lived'), $fresh, 'updated');

sub new_database
{
	my ($db, $file, @first) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0");
	$node->safe_psql($db, $_) foreach @first;
	run_ok("restore into $db", [ "$install->{prefix}/bin/psql", '-qX', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $file, '-d', $node->connstr($db) ]);
	return;
}
new_database('restored', "$dump/before");
is(rows_problems($node, 'restored'), '', 'a dump of before restores');

#
# The new columns, with and without a user's before them.
#
foreach my $db (qw(lived owned))
{
	# written, audited, shown
	is($node->safe_psql($db, "SELECT attnum FROM pg_attribute WHERE attrelid = 'apikeys.key'::regclass AND attname = 'note'") > $node->safe_psql('fresh', "SELECT max(attnum) FROM pg_attribute WHERE attrelid = 'apikeys.key'::regclass"),
		$db eq 'owned' ? 1 : '', "$db: where the column stands");
	my $made = $node->safe_psql($db, "SELECT key FROM apikeys.create_key('Made with it', '{data}', metadata => '{\"a\": 1}')");
	$node->safe_psql($db, "SET application_name = 'notary'; UPDATE apikeys.key SET note = 'noted' WHERE name = 'Made with it'; UPDATE apikeys.workspace SET tier = 3 WHERE workspace = 'acme'");
	is(verdicts($node, $db, $made), 'VALID', "$db: a key made with it");
	is(query($node, $db, "SELECT changes -> 'note', activity FROM apikeys.audit_logs WHERE key_name = 'Made with it' ORDER BY audit_id DESC LIMIT 1"),
		'{"new": "noted", "old": null}|Updated key "Made with it": note', "$db: its entry");
	is(query($node, $db, "SELECT note FROM apikeys.key_details(apikeys.key_id('Made with it'))"), 'noted', "$db: key_details");
	is(query($node, $db, "SELECT string_agg(coalesce((detail).note, '-'), ' ' ORDER BY time DESC) FROM apikeys.key_history(apikeys.key_id('Made with it'))"), 'noted -', "$db: key_history");
	is(query($node, $db, "SELECT note FROM apikeys.update_key(apikeys.key_id('Made with it'), team => 'platform')"), 'noted', "$db: what a change returns");
	is(query($node, $db, "SELECT note, name FROM apikeys.regenerate_key(apikeys.key_id('Made with it'))"), 'noted|Made with it', "$db: issued_key");
	is(query($node, $db, "SELECT count(*) FROM apikeys.audit_log WHERE program = 'notary'"), '2', "$db: what an entry has of it");
	is(query($node, $db, "SELECT activity, changes -> 'tier' FROM apikeys.audit_logs WHERE entity = 'Workspaces' ORDER BY audit_id DESC LIMIT 1"),
		'Updated workspace "acme": tier|{"new": 3, "old": 1}', "$db: a column with a default");
	is(rows_problems($node, $db), '', "$db: sound");
	is(query($node, $db, "SELECT position('program'::bytea in leaf) > 0 FROM apikeys.audit_inclusion_proof((SELECT max(audit_id) FROM apikeys.audit_log WHERE program = 'notary'))"),
		't', "$db: it is a part of the leaf");

	# sealed: tampering is found
	foreach (
		[ 'apikeys.key', 'note', "'other'", "name = 'Made with it'", 'a key was altered after this entry' ],
		[ 'apikeys.key', 'note', "'new'", "name = 'Plain'", 'a key was altered after this entry' ],
		[ 'apikeys.workspace', 'tier', '2', "workspace = 'acme'", 'what this entry tells of was altered after it' ],
		[ 'apikeys.workspace', 'tier', '2', "workspace = 'globex'", 'what this entry tells of was altered after it' ],
		[ 'apikeys.audit_log', 'program', "'psql'", "audit_id = (SELECT min(audit_id) FROM apikeys.audit_log WHERE program = 'notary')", 'the entry was altered' ],
		[ 'apikeys.audit_log', 'program', "'psql'", "audit_id = (SELECT min(audit_id) FROM apikeys.audit_log WHERE program IS NULL)", 'the entry was altered' ])
	{
		my ($table, $column, $value, $where, $problem) = @$_;

		is($node->safe_psql($db, "BEGIN; SET LOCAL session_replication_role = replica; UPDATE $table SET $column = $value WHERE $where; SELECT string_agg(DISTINCT problem, ', ') FROM apikeys.verify_audit_logs(); ROLLBACK"),
			$problem, "$db: $column $value of $where is found");
	}
	is(rows_problems($node, $db), '', "$db: as it was");
}
is(query($node, 'owned', "SELECT DISTINCT mine FROM apikeys.key"), 'x', "the user's column is there");
is(query($node, 'owned', "SELECT count(mine) = count(*) FROM apikeys.audit_log"), 't', 'and gets its values');
is(query($node, 'owned', "UPDATE apikeys.key SET mine = 'y' WHERE name = 'Plain'; SELECT count(*) FROM apikeys.verify_audit_logs() WHERE NOT ok"), '0', "and is nobody's");

# a dump of each restores, also where the columns then stand in another order
foreach my $db (qw(lived owned))
{
	$node->safe_psql($db, 'SELECT apikeys.flush_usage()');
	my $expected = contents($node, $db);
	run_ok("pg_dump $db", [ "$install->{prefix}/bin/pg_dump", '--no-publications', '-f', "$dump/$db", '-d', $node->connstr($db) ]);
	new_database("copy_$db", "$dump/$db", $db eq 'lived' ? () : (
		'SET client_min_messages = warning; CREATE EXTENSION apikeys CASCADE',
		"ALTER TABLE apikeys.key ADD COLUMN mine text; ALTER TABLE apikeys.workspace ADD COLUMN mine integer; ALTER TABLE apikeys.audit_log ADD COLUMN mine text; ALTER TABLE apikeys.team_member ADD COLUMN mine text"));
	my $got = contents($node, "copy_$db");
	# a queued report is held there
	delete @$_{qw(apikeys.reports apikeys_internal.report)} foreach $expected, $got;
	same_contents($got, $expected, "$db, updated, dumped and restored") if $db eq 'lived';
	is(rows_problems($node, "copy_$db"), '', "$db, updated, dumped and restored: sound");
	is(query($node, "copy_$db", 'SELECT key_id, note, row_digest FROM apikeys.key ORDER BY key_id'), query($node, $db, 'SELECT key_id, note, row_digest FROM apikeys.key ORDER BY key_id'),
		"$db, restored: the same keys and digests");
}

#
# The publisher has the column now, and sends it.
#
catch_up(qw(first));
same_keys('first', 'the subscriber that was updated first', 'key_id, name, note');
is($first->{node}->safe_psql('postgres', "SELECT note FROM apikeys.key WHERE name = 'Made with it'"), 'noted', 'has what is new');
my $last = $subscriber{last};
ok(wait_for($last->{node}, 'postgres', "SELECT count(*) = 0 FROM apikeys.key WHERE name = 'Made with it'"), 'the other one has not');
my $log = '';
for (1 .. 1800)
{
	$log = slurp_file($last->{node}->logfile);
	last if $log =~ /missing replicated column/;
	select undef, undef, undef, 0.1;
}
like($log, qr/logical replication target relation "apikeys\.\w+" is missing replicated column/, 'it cannot take what arrives, and waits');
is($last->{node}->safe_psql('postgres', $ask), 'VALID', 'while it validates');
install_next($last->{install});
$last->{node}->safe_psql('postgres', 'ALTER EXTENSION apikeys UPDATE');
sequence($node, 'lived');
catch_up(qw(first last));
same_keys('last', 'the subscriber that was updated last', 'key_id, name, note');
is($last->{node}->safe_psql('postgres', "SELECT note FROM apikeys.key WHERE name = 'Made with it'"), 'noted', 'has nothing lost');
$_->{node}->stop foreach values %subscriber;

#
# Two libraries of one layout of tables, and of two layouts of memory: what both count in one hour is counted once.
#
my $one = session($node, 'restored');
$one->run('SELECT apikeys.flush_usage()');
edit('src/worker/shmem.c', qr/^#define LAYOUT (\d+)$/m, sub { '#define LAYOUT ' . ($1 + 1) });
# for the last part of this test
edit(@$_) foreach further_version($to, $further);
build($further);
install_next($install);
my $two = session($node, 'restored');
my $total = "SELECT sum(count) FROM apikeys_internal.usage WHERE code = 'VALID'";
my $start = $node->safe_psql('restored', $total);
my $all = 0;
my @memory;
foreach ([ $one, 5 ], [ $two, 7 ], [ $one, 3 ], [ $two, 1 ], [ $two, 2 ], [ $one, 0 ], [ $one, 4 ])
{
	my ($session, $times) = @$_;

	$session->run("SELECT apikeys.validate_key('$plain', 'data') FROM generate_series(1, $times)");
	# or a worker does it, when it starts
	is(($session->run('SELECT apikeys.flush_usage()'))[0], 'ok', "$times more are flushed");
	$all += $times;
	is($node->safe_psql('restored', $total) - $start, $all, "$all in the tables");
	push @memory, ($session->run('SELECT entries FROM apikeys.status()'))[1];
}
isnt($memory[1], $memory[0], 'they are two memories') or diag("@memory");
foreach my $table (qw(usage_hour usage_total))
{
	is($node->safe_psql('restored', "SELECT sum(count) FROM apikeys_internal.$table WHERE code = 'VALID'"), $node->safe_psql('restored', $total), "$table tells the same");
}
$two->quit;

#
# A function and a view that are new: the library names them before the update makes them.  Grants go on, and leave them out; the update gives
# them to all roles whose capabilities need them, and gives nothing else.
#
my $may = <<'SQL';
SELECT string_agg(concat_ws(' ', replace(rolname, 'regress_ak_', ''), has_function_privilege(oid, 'apikeys.owner_count()', 'EXECUTE'), has_table_privilege(oid, 'apikeys.owners', 'SELECT'),
	has_function_privilege(oid, 'apikeys.key_details(uuid)', 'EXECUTE')), ', ' ORDER BY rolname)
FROM pg_roles WHERE rolname LIKE 'regress\_ak\_%'
SQL
$node->safe_psql('postgres', "CREATE ROLE regress_ak_$_") foreach qw(before late none);
is($node->safe_psql('restored', 'SELECT apikeys.regrant_access()'), '5', 'regrant_access() by the newer library');
is($node->safe_psql('restored', "SELECT apikeys.grant_access('regress_ak_before', 'view')"), 'regress_ak_before', 'grant_access()');
is($node->safe_psql('restored', "SELECT apikeys.grant_access('regress_ak_late', 'manage', 'acme')"), 'regress_ak_late', 'in a workspace');
is($node->safe_psql('restored', "SELECT apikeys.grant_access('regress_ak_none', 'view'); SELECT apikeys.revoke_access('regress_ak_none', 'view')"), "regress_ak_none\nregress_ak_none", 'revoke_access()');
# by an admin of one workspace, at commit
$node->safe_psql('restored', "SELECT apikeys.grant_access('regress_ak_before', 'admin', 'acme'); SELECT apikeys.revoke_access('regress_ak_before', 'view')");
is($node->safe_psql('restored', "SET ROLE regress_ak_before; SELECT apikeys.grant_access('regress_ak_none', 'view', 'acme')"), 'regress_ak_none', 'by an admin of a workspace');
is($node->safe_psql('restored', "SET ROLE regress_ak_none; SELECT count(*) > 0 FROM apikeys.keys"), 't', 'what is there already is given');
# what the DBA took stays taken
$node->safe_psql('restored', 'REVOKE EXECUTE ON FUNCTION apikeys.key_details(uuid) FROM regress_ak_late');
# the older library would give the view to nobody
is(join(' ', $one->run("$says SELECT pg_temp.says('ALTER EXTENSION apikeys UPDATE')")),
	"ok 55000: version $further of extension \"apikeys\" is installed, and its library in this session is of version $to: Reconnect. If shared_preload_libraries names apikeys, restart the server.",
	'an update from a session with the older library');
$one->quit;
$node->safe_psql('restored', 'ALTER EXTENSION apikeys UPDATE');
is(query($node, 'restored', $may), 'acme t t t, admin t t t, before t t t, gateway f f f, late t t f, none t t t, watch f f f', 'after the update: who may use what is new, and key_details()');
is($node->safe_psql('restored', "SET ROLE regress_ak_none; SELECT apikeys.owner_count() > 0"), 't', 'it can be used');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
$node->stop;
done_testing();
