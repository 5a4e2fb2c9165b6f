# What the TAP tests share: nodes, databases, comparing them, and the oracle.

package AkTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Storable ();
use Test::More;

our @EXPORT = qw(new_node server_major run_ok run_code install_in query sequence checkpoints verdicts contents same_contents problems index_problems
  wait_for
  have_extension session fork_clients);

# A server of its own, running.  conf: further lines of postgresql.conf; init: arguments of init().
sub new_node
{
	my ($name, %args) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%{ $args{init} // {} });
	$node->append_conf('postgresql.conf', "max_connections = 40\nshared_buffers = 16MB\n" . ($args{conf} // ''));
	$node->start;
	return $node;
}

# The server's major version; pg_version() of its node does not exist on PostgreSQL 14.
sub server_major
{
	my ($node) = @_;

	return int($node->safe_psql('postgres', 'SHOW server_version_num') / 10000);
}

# Runs a program: (exit code, stdout, stderr).
sub run_code
{
	my ($command, %args) = @_;
	my ($out, $err, $in) = ('', '', $args{stdin} // '');

	local %ENV = (%ENV, %{ $args{env} // {} });
	IPC::Run::run($command, '<', \$in, '>', \$out, '2>', \$err);
	return ($? >> 8 || $?, $out, $err);
}

# The same, and it is a test: it must succeed and have nothing to complain about.
sub run_ok
{
	my ($what, $command, %args) = @_;
	my ($code, $out, $err) = run_code($command, %args);

	is($code, 0, "$what succeeds");
	is($err, '', "$what is silent");
	return $out;
}

sub install_in
{
	my ($node, $db) = @_;

	$node->safe_psql($db, 'SET client_min_messages = warning; CREATE EXTENSION apikeys CASCADE');
	return;
}

# The result of a query as text; dies of an error.  Settings of the database do not show.
sub query
{
	my ($node, $db, $sql) = @_;

	return $node->safe_psql($db, "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; "
		  . "SET bytea_output = 'hex'; SET extra_float_digits = 1; $sql");
}

# What validation says of secrets: 'code code ...'.
sub verdicts
{
	my ($node, $db, @secrets) = @_;
	my $list = join ', ', map { "'$_'" } @secrets;

	return query($node, $db,
		"SELECT string_agg((apikeys.validate_key(s)).code, ' ' ORDER BY n) FROM unnest(ARRAY[$list]) WITH ORDINALITY AS u (s, n)");
}

# Everything that a dump must bring back: {name => text}, of every table and sequence that the extension registers for
# pg_dump, and of every view.
sub contents
{
	my ($node, $db) = @_;
	my %all;

	my @tables = split /\n/, query($node, $db,
		"SELECT format('%s %s', c.oid::regclass, c.relkind) FROM pg_extension e, unnest(e.extconfig) AS t, pg_class c "
		  . "WHERE e.extname = 'apikeys' AND c.oid = t "
		  . "UNION ALL SELECT format('%s %s', c.oid::regclass, c.relkind) FROM pg_class c "
		  . "WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relkind = 'v'");
	foreach (@tables)
	{
		my ($table, $kind) = split / /;
		# whether an access is in force is each database's own
		my $columns = $kind eq 'S' ? 'last_value, is_called' : $table eq 'apikeys.accesses' ? 'role, capability, workspace' : '*';

		$all{$table} = query($node, $db, "SELECT t::text FROM (SELECT $columns FROM $table) AS t ORDER BY t::text COLLATE \"C\"");
	}
	return \%all;
}

# A test: two results of contents() are the same, table by table.
sub same_contents
{
	my ($got, $expected, $what) = @_;
	my @different = grep { ($got->{$_} // 'none') ne ($expected->{$_} // 'none') } sort keys %{ { %$got, %$expected } };

	is("@different", '', "$what: every table and view is the same");
	foreach my $table (@different)
	{
		my %want = map { $_ => 1 } split /\n/, $expected->{$table} // '';
		my %have = map { $_ => 1 } split /\n/, $got->{$table} // '';

		diag("$table: expected $_") foreach grep { !$have{$_} } sort keys %want;
		diag("$table: got $_") foreach grep { !$want{$_} } sort keys %have;
	}
	return;
}

# Takes all committed entries into the trees.  A standby and a subscriber cannot.
sub sequence
{
	my ($node, $db) = @_;

	my ($code, $out, $err) = $node->psql($db, "\\set VERBOSITY sqlstate\nCALL apikeys.sequence_audit_logs()");

	die $err if $code != 0 && $err !~ /25006|55000/;
	return $code == 0;
}

# The notes of all checkpoints, as an argument of verify_audit_logs(): ARRAY[...].
sub checkpoints
{
	my ($node, $db) = @_;

	return query($node, $db, "SELECT format('%L::text[]', array_agg(note)) FROM apikeys.audit_checkpoint()");
}

# The oracle: what is wrong with a database, '' if nothing.
sub problems
{
	my ($node, $db) = @_;
	my $all = sequence($node, $db) ? 'true' : 'false';

	return query($node, $db, <<"SQL");
SELECT 'log: ' || problem || ' (' || first_bad || ')' FROM apikeys.verify_audit_logs() WHERE NOT ok
UNION ALL
SELECT 'beyond the archive limit: ' || w.workspace FROM apikeys.key k JOIN apikeys.workspace w USING (workspace)
	WHERE k.archived_at IS NOT NULL GROUP BY w.workspace, w.archive_limit HAVING count(*) > w.archive_limit
UNION ALL
SELECT 'name twice: ' || min(name) FROM apikeys.key WHERE archived_at IS NULL
	GROUP BY workspace, name_folded HAVING count(*) > 1
UNION ALL
SELECT 'hash twice' FROM (SELECT key_hash FROM apikeys.key UNION ALL
	SELECT old_key_hash FROM apikeys.key WHERE old_key_hash IS NOT NULL) AS h GROUP BY key_hash HAVING count(*) > 1
UNION ALL
SELECT 'in no tree: entry ' || a.audit_id FROM apikeys.audit_log a
	WHERE $all AND NOT EXISTS (SELECT FROM apikeys.audit_tree t WHERE t.audit_id = a.audit_id)
UNION ALL
SELECT 'in a tree, but no entry, or of another workspace: ' || t.audit_id FROM apikeys.audit_tree t
	WHERE t.audit_id IS NOT NULL AND NOT EXISTS (SELECT FROM apikeys.audit_log a
		WHERE a.audit_id = t.audit_id AND coalesce(a.workspace, '') = t.workspace)
UNION ALL
SELECT 'a gap in the tree of ' || workspace FROM apikeys.audit_tree
	GROUP BY workspace HAVING sum(1::bigint << level) <> max(position) + 1
UNION ALL
SELECT 'not in the order of the feed: ' || workspace || ' ' || position
	FROM (SELECT *, lag(sequence) OVER (PARTITION BY workspace ORDER BY position) AS before FROM apikeys.audit_tree) AS t WHERE sequence < before
UNION ALL
SELECT 'still pending: ' || audit_id FROM apikeys_internal.audit_pending WHERE $all
UNION ALL
SELECT 'the sequence is behind: ' || last_value FROM apikeys_internal.audit_id_seq
	WHERE last_value < (SELECT max(audit_id) FROM apikeys.audit_log)
SQL
}

# The oracle for what a crash could leave of the indexes, '' if nothing.
sub index_problems
{
	my ($node, $db) = @_;
	my @problems;

	if (have_extension($node, $db, 'amcheck'))
	{
		query($node, $db, "SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS amcheck");
		my ($code, $out, $err) = $node->psql($db, <<'SQL');
SELECT count(bt_index_check(c.oid, i.indislive)) FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relnamespace IN ('apikeys'::regnamespace, 'apikeys_internal'::regnamespace) AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
SQL
		push @problems, $err if $code;
	}
	return join "\n", @problems;
}

# Polls until the query gives that result; false after three minutes.
sub wait_for
{
	my ($node, $db, $sql, $expected) = @_;

	return $node->poll_query_until($db, $sql, $expected // 't');
}

# Can that extension be created here?
sub have_extension
{
	my ($node, $db, $name) = @_;

	return query($node, $db, "SELECT count(*) FROM pg_available_extensions WHERE name = '$name'");
}

# Runs a function in n children, each with its number (from 1) and a random seed that follows from "seed"; returns a function
# that waits for all of them and gives a list of what the functions returned (a reference to data), undef for one that died.
sub fork_clients
{
	my ($n, $seed, $work) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my @pids;

	foreach my $i (1 .. $n)
	{
		my $pid = fork // die "fork: $!";
		if ($pid == 0)
		{
			srand($seed * 100 + $i);
			my $result = eval { $work->($i) };
			print STDERR "client $i: $@" if $@;
			Storable::nstore($result, "$dir/$i") if defined $result;
			# no END blocks: they stop the servers
			POSIX::_exit(defined $result ? 0 : 1);
		}
		push @pids, $pid;
	}
	return sub {
		waitpid $_, 0 foreach @pids;
		return map { -e "$dir/$_" ? Storable::retrieve("$dir/$_") : undef } 1 .. $n;
	};
}

# A psql that is kept: AkTest::Session.  options: of the connection string; port, host: of another server than the node.
sub session
{
	my ($node, $db, %args) = @_;

	return AkTest::Session->new($args{connstr} // $node->connstr($db));
}

package AkTest::Session;

use IPC::Open2;

sub new
{
	my ($class, $connstr) = @_;
	my $self = bless {}, $class;

	local $ENV{PGAPPNAME} = 'session';
	# as a shell's child, so that errors come in their place among the results
	$self->{pid} = open2($self->{out}, $self->{in}, 'sh', '-c', 'exec psql -XAtq -v VERBOSITY=sqlstate -v SHOW_CONTEXT=never -d "$1" 2>&1',
		'sh', $connstr);
	return $self;
}

# Runs statements: ('ok', result), ('error', SQLSTATE) or ('lost', '') when the connection broke: then nobody knows.  The
# statements' own words never tell of a secret: errors are SQLSTATEs.
sub run
{
	my ($self, $sql) = @_;
	my ($out, $in) = @$self{qw(out in)};
	my @lines;

	local $SIG{PIPE} = 'IGNORE';
	return ('lost', '') if $self->{lost};
	print $in "$sql\n;\n\\echo == end ==\n";
	$in->flush;
	while (defined(my $line = <$out>))
	{
		chomp $line;
		if ($line eq '== end ==')
		{
			my ($error) = grep { /^(ERROR|FATAL|PANIC):/ } @lines;

			# what a session says that is terminated, and the library that finds it gone: not always does psql end with it
			last if ($error // '') =~ /^FATAL|57P0[123]/
			  || grep { /^server closed the connection|^could not (send|receive) |^(no )?connection to (the )?server/ } @lines;
			return ('error', $error =~ s/^ERROR:\s+//r) if $error;
			return ('ok', join "\n", grep { !/^(NOTICE|WARNING):/ } @lines);
		}
		push @lines, $line;
	}
	$self->{lost} = 1;
	return ('lost', '');
}

sub quit
{
	my ($self) = @_;

	# in words: children that were forked meanwhile hold the pipe open, too
	local $SIG{PIPE} = 'IGNORE';
	print { $self->{in} } "\\q\n";
	close $self->{in};
	close $self->{out};
	waitpid $self->{pid}, 0;
	return;
}

1;
