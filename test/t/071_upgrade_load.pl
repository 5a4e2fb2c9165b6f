# ALTER EXTENSION UPDATE while keys are validated and managed: by sessions that keep the old library, by sessions that load the
# new one before or after the update, by the worker, on a standby, and under a postmaster that preloaded the old library.
#
# Every session must get the right verdict or one of the errors that say what to do, and every change that succeeded must be in
# the log. The old library is built from the commit of its release (scripts/release-library, as make check does).
# APIKEYS_RELEASES is the directory with it; CI must have it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep);
use Test::More;

my $releases = $ENV{APIKEYS_RELEASES};
plan skip_all => 'APIKEYS_RELEASES names no directory with the libraries of releases' if !defined $releases;

my $seconds = $ENV{APIKEYS_LONG} ? 8 : 2;    # of each phase
my $stop = PostgreSQL::Test::Utils::tempdir() . '/stop';

# Puts the files of a release, or of this version, into a copy of the server, as make install does: new files under the old names.
sub install_files
{
	my ($install, $lib, $extension) = @_;

	foreach ([ $lib, $install->{lib} ], [ $extension, $install->{extension} ])
	{
		my ($from, $to) = @$_;
		PostgreSQL::Test::Utils::system_or_bail('sh', '-c', 'for f in "$1"/apikeys.so "$1"/apikeys.control "$1"/apikeys--*.sql; do '
			  . '[ ! -e "$f" ] || { cp "$f" "$2/.new" && mv "$2/.new" "$2/${f##*/}"; }; done', 'sh', $from, $to);
	}
	return;
}

# What clients do until the file appears.  Validators call with keys whose verdict is known; managers make, change and end keys.
sub validator
{
	my ($session, $keys) = @_;
	my %seen;

	for (my $i = 0; !-e $stop; $i++)
	{
		my ($secret, $code) = @{ $keys->[ $i % @$keys ] };
		my ($state, $got) = $session->run("SELECT code FROM apikeys.validate_key('$secret', 'data')");

		$seen{ $state eq 'ok' ? ($got eq $code ? 'right' : "WRONG: $got, not $code") : "$state $got" }++;
		$seen{counted}++ if $state eq 'ok';
		append_to_file("$stop.progress", '.') if $i % 50 == 0;
		sleep 0.002;
	}
	return \%seen;
}

sub manager
{
	my ($session, $me) = @_;
	my %seen;

	for (my $i = 0; !-e $stop; $i++)
	{
		my ($state, $got) = $session->run("SELECT key || ' ' || key_id FROM apikeys.create_key('$me $i', '{data}', 'busy')");
		$seen{"$state " . ($state eq 'ok' ? '' : $got)}++;
		next if $state ne 'ok';
		$seen{entries}++;
		my ($secret, $key_id) = split / /, $got;
		foreach (
			[ "SELECT count(*) FROM apikeys.update_key('$key_id', owner => 'o $i')", 'VALID' ],
			[ "SELECT count(*) FROM apikeys.disable_key('$key_id')", 'DISABLED' ],
			[ "SELECT count(*) FROM apikeys.enable_key('$key_id')", 'VALID' ],
			[ "SELECT count(*) FROM apikeys.archive_key('$key_id')", 'ARCHIVED' ])
		{
			my ($sql, $code) = @$_;
			($state, $got) = $session->run("SET client_min_messages = error; $sql");
			$seen{"$state " . ($state eq 'ok' ? '' : $got)}++;
			last if $state ne 'ok';
			$seen{entries}++;
			($state, $got) = $session->run("SELECT code FROM apikeys.validate_key('$secret', 'data')");
			$seen{counted}++ if $state eq 'ok';
			# another manager's archiving may have dropped it from the archive
			$seen{"WRONG: $got, not $code"}++ if $state eq 'ok' && $got ne $code && !($code eq 'ARCHIVED' && $got eq 'NOT_FOUND');
			$seen{"$state $got"}++ if $state ne 'ok';
			last if $state ne 'ok';
		}
	}
	return \%seen;
}

# Starts clients on new connections; returns what waits for them, see fork_clients.
sub start_clients
{
	my ($node, $keys, $validators, $managers, $what) = @_;

	return fork_clients($validators + $managers, 1, sub {
		my ($i) = @_;
		my $session = session($node, 'keys');
		return $i <= $validators ? validator($session, $keys) : manager($session, "$what $i");
	});
}

# A phase: that long, and until the validators have got that many verdicts more.
sub phase
{
	my $done = sub { return (-s "$stop.progress" // 0) * 50 };
	my $start = $done->();

	sleep $seconds;
	for (1 .. 1800)
	{
		last if $done->() >= $start + 400;
		sleep 0.1;
	}
	return;
}

foreach my $version (sort map { m{([^/]+)/apikeys\.so$} } glob "$releases/*/apikeys.so")
{
	my $install = private_install();
	my $new = PostgreSQL::Test::Utils::tempdir();

	# this version is put aside, the old one is installed
	PostgreSQL::Test::Utils::system_or_bail('sh', '-c', 'mv "$1"/apikeys.so "$2"/apikeys.control "$2"/apikeys--*.sql "$3"', 'sh', $install->{lib}, $install->{extension}, $new);
	install_files($install, "$releases/$version", "$releases/$version");

	my $node = new_node("main_$version", install => $install, init => { allows_streaming => 1 },
		conf => "apikeys.flush_interval = 300ms\napikeys.audit_checkpoint_interval = 0\n");
	$node->safe_psql('postgres', 'CREATE DATABASE keys');
	install_in($node, 'keys');
	is($node->safe_psql('keys', 'SELECT version FROM apikeys.status()'), $version, "$version is installed");
	$node->safe_psql('keys', "SELECT apikeys.create_workspace('busy', archive_limit => 100000)");
	my @keys = map { [ $node->safe_psql('keys', "SELECT key FROM apikeys.create_key('Key $_', '{data}')"), 'VALID' ] } 1 .. 5;
	push @keys, [ $node->safe_psql('keys', "SELECT key FROM apikeys.create_key('Push', '{push}')"), 'INSUFFICIENT_PERMISSIONS' ];
	push @keys, [ $node->safe_psql('keys', "SELECT key FROM apikeys.create_key('Paused', '{data}')"), 'DISABLED' ];
	$node->safe_psql('keys', "SELECT apikeys.disable_key(apikeys.key_id('Paused'))");
	push @keys, [ $node->safe_psql('keys', "SELECT key FROM apikeys.create_key('Ended', '{data}')"), 'ARCHIVED' ];
	$node->safe_psql('keys', "SELECT apikeys.archive_key(apikeys.key_id('Ended'))");
	push @keys, [ 'nobody\'\'s', 'MALFORMED' ];
	$keys[-1][1] = $node->safe_psql('keys', "SELECT code FROM apikeys.validate_key('$keys[-1][0]', 'data')");
	sequence($node, 'keys');
	my $checkpoints = checkpoints($node, 'keys');
	my $entries = $node->safe_psql('keys', 'SELECT count(*) FROM apikeys.audit_log');
	$node->safe_psql('keys', 'SELECT apikeys.flush_usage()');
	my $counted = $node->safe_psql('keys', 'SELECT coalesce(sum(count), 0) FROM apikeys_internal.usage');

	$node->backup('copy');
	my $standby = bare_node("standby_$version", $install->{prefix});
	$standby->init_from_backup($node, 'copy', has_streaming => 1);
	$standby->start;
	my $on_standby = session($standby, 'keys');
	is(join(' ', $on_standby->run("SELECT code FROM apikeys.validate_key('$keys[0][0]', 'data')")), 'ok VALID', 'a session of the standby');

	unlink $stop;
	my @waits = start_clients($node, \@keys, 2, 2, 'old');
	phase();
	install_files($install, $new, $new);
	push @waits, start_clients($node, \@keys, 1, 1, 'between');
	phase();
	my ($code, $out, $err) = $node->psql('keys', 'ALTER EXTENSION apikeys UPDATE');
	is($err, '', 'the update says nothing');
	is($code, 0, 'the update succeeds under load');
	push @waits, start_clients($node, \@keys, 1, 1, 'after');
	phase();
	is(join(' ', $on_standby->run("SELECT code FROM apikeys.validate_key('$keys[0][0]', 'data')")), 'ok VALID', 'the session of the standby goes on')
	  if $node->wait_for_catchup($standby) || 1;
	is($standby->safe_psql('keys', "SELECT code FROM apikeys.validate_key('$keys[0][0]', 'data')"), 'VALID', 'and so does a new one');
	open my $file, '>', $stop or die;
	close $file;

	my (%sum, $dead);
	foreach my $result (map { $_->() } @waits)
	{
		$dead++ if !defined $result;
		$sum{$_} += $result->{$_} foreach keys %{ $result // {} };
	}
	is($dead // 0, 0, 'every client came to its end');
	is(join(', ', map { "$_: $sum{$_}" } grep { /WRONG/ } sort keys %sum), '', 'no verdict was wrong');
	is(join(', ', map { "$_: $sum{$_}" } grep { /^(error|lost)/ && !/^error 55000$/ } sort keys %sum), '', 'no error but those that say what to do');
	note join ', ', map { "$_: $sum{$_}" } sort keys %sum;
	cmp_ok($sum{right}, '>', 500, 'and most were verdicts');

	isnt($node->safe_psql('keys', 'SELECT version FROM apikeys.status()'), $version, 'it is of the new version');
	ok(wait_for($node, 'keys', "SELECT worker LIKE 'running%' FROM apikeys.status()"), 'there is a worker');
	is($node->safe_psql('keys', 'SELECT count(*) FROM apikeys.audit_log'), $entries + $sum{entries}, 'every change has its entry');
	is(problems($node, 'keys'), '', 'sound');
	is($node->safe_psql('keys', "SELECT count(*) FROM apikeys.verify_audit_logs(NULL, $checkpoints) WHERE NOT ok"), '0', 'checkpoints of before hold');
	$node->safe_psql('keys', 'SELECT apikeys.flush_usage()');
	# The memory of 1.0rc1 has another layout, and where two memories flush figures of one hour, its flush adds what it has already
	# written; 074_next_version has the same of two versions without that fault.
	cmp_ok($node->safe_psql('keys', 'SELECT sum(count) FROM apikeys_internal.usage'), $version eq '1.0rc1' ? '>=' : '==', $counted + $sum{counted},
		'every validation is counted');

	# the postmaster has preloaded the old library, and every session has it from there
	install_files($install, "$releases/$version", "$releases/$version");
	$standby->stop;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'apikeys'\n");
	$node->restart;
	install_files($install, $new, $new);
	my %codes;
	$codes{ $node->safe_psql('keys', "SELECT code FROM apikeys.validate_key('$_->[0]', 'data')") eq $_->[1] }++ foreach @keys;
	is(join(' ', keys %codes), '1', 'a preloaded old library: right verdicts');
	is($node->safe_psql('keys', "SELECT count(*) FROM apikeys.create_key('By the old one', '{data}')"), '1', 'and management');
	$node->restart;
	is(problems($node, 'keys'), '', 'sound after the restart, with the new library');
	is($node->safe_psql('keys', "SELECT name FROM apikeys.keys WHERE name = 'By the old one'"), 'By the old one', 'which reads it');
	unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
	$node->stop;
}
done_testing();
