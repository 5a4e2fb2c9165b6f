# What the TAP tests share: nodes, databases, comparisons of databases, and the oracle.

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

# what pg_ctl waits for may take long on a machine that is busy
$ENV{PGCTLTIMEOUT} //= 300;

our @EXPORT = qw(new_node bare_node server_major run_ok run_code install_in query sequence checkpoints verdicts contents same_contents problems rows_problems index_problems
  wait_for private_install catalog same_catalog newer_major
  have_extension session hold_worker release_worker wait_for_round fork_clients);

# A server of its own, running.  conf: further lines of postgresql.conf; init: arguments of init(); install: of private_install().
sub new_node
{
	my ($name, %args) = @_;
	my $node = bare_node($name, $args{install} && $args{install}{prefix});

	$node->init(%{ $args{init} // {} });
	$node->append_conf('postgresql.conf', "max_connections = 40\nshared_buffers = 16MB\n" . ($args{conf} // ''));
	$node->start;
	return $node;
}

# A node that is not initialized yet, of the server that is tested or of the one below that path.
sub bare_node
{
	my ($name, $path) = @_;
	my @install = $path ? (install_path => $path) : ();

	# on PostgreSQL 14, new() takes no options
	return PostgresNode->can('get_new_node') ? PostgresNode->get_new_node($name, @install) : PostgreSQL::Test::Cluster->new($name, @install);
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

# The same of a database with the rows of test/upgrade/rows.sql: they must have the verdicts and confirm the checkpoints of then.
sub rows_problems
{
	my ($node, $db) = @_;

	return problems($node, $db) . query($node, $db, <<'SQL');
SELECT e.name || ': ' || v.code || ', not ' || e.code FROM public.expected e, apikeys.validate_key(e.secret, e.api, e.client) AS v WHERE v.code <> e.code
UNION ALL SELECT 'a checkpoint of before: ' || problem FROM apikeys.verify_audit_logs(NULL, (SELECT array_agg(note) FROM public.checkpoint)) WHERE NOT ok
UNION ALL SELECT 'no checkpoint' WHERE (SELECT count(*) FROM public.checkpoint) < 5
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

# A copy of the server's files, for a test that installs something else there: {prefix => its --prefix, extension => where control files
# and scripts are, lib => where libraries are}.
sub private_install
{
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my %path;

	foreach my $what (qw(bindir sharedir pkglibdir))
	{
		chomp($path{$what} = `pg_config --$what`);
		PostgreSQL::Test::Utils::system_or_bail('mkdir', '-p', "$dir$path{$what}");
		PostgreSQL::Test::Utils::system_or_bail('cp', '-R', '--preserve=mode', "$path{$what}/.", "$dir$path{$what}");
	}
	return { prefix => $dir . $path{bindir} =~ s{/bin$}{}r, extension => "$dir$path{sharedir}/extension", lib => "$dir$path{pkglibdir}" };
}

# What the catalog says of the extension: {object => description}.  Without roles => 1, what roles of tests were granted does not show.
sub catalog
{
	my ($node, $db, %args) = @_;
	my $whose = $args{roles} ? 'true' : "coalesce(r.rolname, '') !~ '^regress_'";
	my $out = query($node, $db, <<"SQL");
CREATE FUNCTION pg_temp.acl(acl aclitem[], kind "char", owner oid) RETURNS text LANGUAGE sql AS \$\$
	SELECT string_agg(format('%s %s by %s%s', coalesce(r.rolname, 'PUBLIC'), a.privilege_type, g.rolname, CASE WHEN a.is_grantable THEN ' *' END), ', '
		ORDER BY coalesce(r.rolname, 'PUBLIC') COLLATE "C", a.privilege_type)
	FROM aclexplode(coalesce(acl, acldefault(kind, owner))) AS a LEFT JOIN pg_roles r ON r.oid = a.grantee JOIN pg_roles g ON g.oid = a.grantor WHERE $whose \$\$;
WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname IN ('apikeys', 'apikeys_internal')),
	ext AS (SELECT oid FROM pg_extension WHERE extname = 'apikeys'),
	member AS (SELECT d.classid, d.objid, d.objsubid, d.deptype FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM ext)),
	line (object, description) AS (
SELECT format('member %s %s', i.type, i.identity), m.deptype::text || ' ' || coalesce(obj_description(m.objid, m.classid::regclass::name), 'no comment')
	FROM member m, pg_identify_object(m.classid, m.objid, m.objsubid) AS i
UNION ALL SELECT 'extension', format('%s %s %s %s, after %s', e.extversion, e.extowner::regrole, e.extnamespace::regnamespace, e.extrelocatable,
		(SELECT string_agg(r.extname, ' ' ORDER BY r.extname) FROM pg_depend d JOIN pg_extension r ON r.oid = d.refobjid
			WHERE d.classid = 'pg_extension'::regclass AND d.objid = e.oid AND d.refclassid = 'pg_extension'::regclass))
	FROM pg_extension e WHERE e.extname = 'apikeys'
UNION ALL SELECT 'dumped ' || t.relid::regclass, t.condition FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS t (relid, condition) WHERE e.extname = 'apikeys'
UNION ALL SELECT 'schema ' || n.nspname, concat_ws('; ', n.nspowner::regrole, pg_temp.acl(n.nspacl, 'n', n.nspowner)) FROM pg_namespace n WHERE n.oid IN (SELECT oid FROM ours)
UNION ALL SELECT 'relation ' || c.oid::regclass, concat_ws('; ', c.relkind, c.relpersistence, c.relowner::regrole, c.reloptions::text, c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
		(SELECT amname FROM pg_am WHERE oid = c.relam), obj_description(c.oid, 'pg_class'), pg_temp.acl(c.relacl, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
	FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM ours)
UNION ALL SELECT format('column %s %s', a.attrelid::regclass, row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum)), concat_ws('; ', a.attname, format_type(a.atttypid, a.atttypmod),
		(SELECT collname FROM pg_collation WHERE oid = a.attcollation), a.attnotnull, a.attstorage, a.attcompression, coalesce(a.attstattarget, -1), a.attidentity, a.attgenerated,
		/* a stamp that some minor versions keep there */
		(SELECT string_agg(o, ' ') FROM unnest(a.attoptions) AS o WHERE o !~ '^pg_attver='),
		(SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum), col_description(a.attrelid, a.attnum), a.attacl::text)
	FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace IN (SELECT oid FROM ours) AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT format('constraint %s of %s', o.conname, o.conrelid::regclass), concat_ws('; ', pg_get_constraintdef(o.oid), o.convalidated, obj_description(o.oid, 'pg_constraint'))
	FROM pg_constraint o WHERE o.connamespace IN (SELECT oid FROM ours)
UNION ALL SELECT 'index ' || i.indexrelid::regclass, concat_ws('; ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready, i.indisclustered, i.indisreplident)
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace IN (SELECT oid FROM ours)
UNION ALL SELECT 'routine ' || p.oid::regprocedure, concat_ws('; ', pg_get_functiondef(p.oid), pg_get_function_result(p.oid), p.proowner::regrole, p.procost, p.prorows, p.prosupport, p.probin, p.prosrc,
		pg_temp.acl(p.proacl, 'f', p.proowner), obj_description(p.oid, 'pg_proc'))
	FROM pg_proc p WHERE p.pronamespace IN (SELECT oid FROM ours)
UNION ALL SELECT 'view ' || c.oid::regclass, pg_get_viewdef(c.oid) FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM ours) AND c.relkind IN ('v', 'm')
UNION ALL SELECT format('trigger %s on %s', t.tgname, t.tgrelid::regclass), concat_ws('; ', pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid, 'pg_trigger'))
	FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace IN (SELECT oid FROM ours) AND NOT t.tgisinternal
UNION ALL SELECT format('rule %s on %s', r.rulename, r.ev_class::regclass), concat_ws('; ', pg_get_ruledef(r.oid), r.ev_enabled) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE c.relnamespace IN (SELECT oid FROM ours)
UNION ALL SELECT 'type ' || t.oid::regtype, concat_ws('; ', t.typtype, t.typcategory, t.typowner::regrole, t.typnotnull, t.typdefault, format_type(t.typbasetype, t.typtypmod), obj_description(t.oid, 'pg_type'),
		pg_temp.acl(t.typacl, 'T', t.typowner)) FROM pg_type t WHERE t.typnamespace IN (SELECT oid FROM ours)
UNION ALL SELECT 'sequence ' || s.seqrelid::regclass, concat_ws('; ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle) FROM pg_sequence s
	JOIN pg_class c ON c.oid = s.seqrelid WHERE c.relnamespace IN (SELECT oid FROM ours)
UNION ALL SELECT 'policy ' || p.polname || ' on ' || p.polrelid::regclass, concat_ws('; ', p.polcmd, p.polpermissive, p.polroles::text, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
	FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace IN (SELECT oid FROM ours)
UNION ALL SELECT 'event trigger ' || t.evtname, concat_ws('; ', t.evtevent, t.evtfoid::regprocedure, t.evtenabled, t.evttags::text) FROM pg_event_trigger t
UNION ALL SELECT format('statistics %s', s.stxname), pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s WHERE s.stxnamespace IN (SELECT oid FROM ours)
/* what pg_dump takes for given: no role that was granted anything may be there */
UNION ALL SELECT format('initial privileges of %s %s', i.type, i.identity), p.privtype::text || ' ' || (SELECT string_agg(format('%s %s', coalesce(r.rolname, 'PUBLIC'), a.privilege_type), ', '
		ORDER BY coalesce(r.rolname, 'PUBLIC') COLLATE "C", a.privilege_type) FROM aclexplode(p.initprivs) AS a LEFT JOIN pg_roles r ON r.oid = a.grantee)
	FROM pg_init_privs p, pg_identify_object(p.classoid, p.objoid, p.objsubid) AS i WHERE (i.schema IN ('apikeys', 'apikeys_internal') OR i.identity IN ('apikeys', 'apikeys_internal'))
)
SELECT object || E'\\t' || replace(coalesce(description, ''), E'\\n', '\\n') FROM line;
SQL
	my %all;

	foreach (split /\n/, $out)
	{
		my ($object, $description) = split /\t/, $_, 2;

		$all{$object} = $description;
	}
	return \%all;
}

# A test: two results of catalog() are the same, object by object.
sub same_catalog
{
	my ($got, $expected, $what) = @_;
	my @different = grep { ($got->{$_} // 'none') ne ($expected->{$_} // 'none') } sort keys %{ { %$got, %$expected } };

	is(scalar(@different), 0, "$what: every object of the catalog is the same");
	diag("$_:\n\texpected $expected->{$_}\n\tgot      $got->{$_}") foreach map { $expected->{$_} //= 'none'; $got->{$_} //= 'none'; $_ } @different;
	return;
}

# The newest PostgreSQL beside this one that has the extension, and this one's place; or undef, and why there is none.
# APIKEYS_NEWER=/usr/lib/postgresql/18 names it.
sub newer_major
{
	# of a program; 0 if there is none
	my $major = sub {
		my ($code, $out) = -x "$_[0]/bin/postgres" ? run_code([ "$_[0]/bin/postgres", '--version' ]) : (1, '');
		return !$code && $out =~ /PostgreSQL\)? (\d+)/ ? $1 : 0;
	};

	chomp(my $here = `pg_config --bindir`);
	$here =~ s{/bin$}{};
	my $present = $major->($here);
	my ($newer) = $ENV{APIKEYS_NEWER} // (sort { $major->($b) <=> $major->($a) } grep { $major->($_) > $present } glob '/usr/lib/postgresql/*');
	return (undef, "no PostgreSQL newer than $present is installed") if !defined $newer;
	chomp(my $share = `$newer/bin/pg_config --sharedir`);
	return (undef, "apikeys is not installed for $newer") if !-e "$share/extension/apikeys.control";
	return ($newer, $here);
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

# Keeps the worker of a database from running jobs until release_worker(): a job begins with a lock on the extension, which this session
# has, and which everything waits for that writes or asks status(), but in this session.  A job that runs comes to its end before.  The log gets errors of jobs that waited two seconds.
sub hold_worker
{
	my ($node, $db) = @_;
	my $session = session($node, $db);
	my ($status, $result) = $session->run("BEGIN; CREATE FUNCTION pg_temp.hold() RETURNS integer LANGUAGE sql AS 'SELECT 1'; "
		  . 'ALTER FUNCTION pg_temp.hold() NO DEPENDS ON EXTENSION apikeys');

	die "the worker is not held: $status $result" if $status ne 'ok';
	return $session;
}

sub release_worker
{
	my ($session) = @_;

	$session->run('ROLLBACK');
	$session->quit;
	return;
}

# Waits until the worker of a database has run all jobs once, as each does when it starts: false after three minutes.  The last of them is
# the one that is idle for a while; who comes too late for that sees a worker that is not new.
sub wait_for_round
{
	my ($node, $db) = @_;

	return wait_for($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'apikeys worker' AND datname = '$db' "
		  . "AND state = 'idle' AND (query = 'checkpoint log' OR backend_start < clock_timestamp() - interval '15 s')");
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
