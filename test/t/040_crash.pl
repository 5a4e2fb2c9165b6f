# kill -9 at random moments, under load: what was acknowledged is there afterwards, and no change is half done.
#
# Eight clients create, change, regenerate, archive and validate keys of several workspaces. Each has its own keys, so it knows
# what was acknowledged, and which one change was under way when its connection broke: that change may have happened or not, but
# as a whole. Meanwhile the worker and one more client take entries into the trees; the checkpoints that this client has read
# must hold afterwards. 10 rounds; APIKEYS_LONG=1: 200, with other random choices each time. APIKEYS_SEED repeats those of a run (not its timing).

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $long = $ENV{APIKEYS_LONG};
my $rounds = $long ? 200 : 10;
my $seed = $ENV{APIKEYS_SEED} // ($long ? int rand 1_000_000 : 1);
my $clients = 8;
my $max_keys = 12;                # of one client, alive
my $archive_limit = 4;
my @workspaces = qw(default red green blue);
note("APIKEYS_SEED=$seed");
srand($seed);

# A test server forbids restarting after a crash unless told otherwise.
my $node = new_node('crash', conf => "restart_after_crash = on\nlog_min_messages = warning\nautovacuum_naptime = 1s\napikeys.flush_interval = '100ms'\n");

# What a client knows: {next => n, keys => {name => {id, workspace, secret, n, entries, old, old_code}}, archived => {...},
# never => [names], pending => {...}}.  A key's metadata {"n": n} counts its updates.
my @known;

sub set_up
{
	@known = map { { next => 0, keys => {}, archived => {}, never => [], errors => [] } } 0 .. $clients;
	install_in($node, 'postgres');
	$node->safe_psql('postgres', "SELECT apikeys.create_workspace('$_', archive_limit => $archive_limit)") foreach @workspaces[1 .. $#workspaces];
	$node->safe_psql('postgres', "SELECT apikeys.update_workspace('default', archive_limit => $archive_limit)");
	return;
}
set_up();

# One change.  Each gives {sql, gives => what it returns when it is acknowledged, done => what is known then, key => the key
# that it changes, or names => the keys that it creates}.
my $secret = qr/ak_[0-9A-Za-z]{49}/;
my $row = qr/[-0-9a-f]{36}\|$secret/;
my %change = (
	create => sub {
		my ($me, $i) = @_;
		my $name = "c$i " . $me->{next}++;
		my $workspace = $workspaces[ rand @workspaces ];

		return {
			what => 'create', names => [$name], gives => qr/^$row$/,
			sql => "SELECT key_id, key FROM apikeys.create_key('$name', '{data}', '$workspace', metadata => '{\"n\": 0}')",
			done => sub {
				my ($id, $secret) = split /\|/, $_[0];
				$me->{keys}{$name} = { id => $id, workspace => $workspace, secret => $secret, n => 0, entries => 1 };
			}
		};
	},
	# two keys in two workspaces, or none; a third is created in a subtransaction that is rolled back
	pair => sub {
		my ($me, $i) = @_;
		my @names = map { "c$i " . $me->{next}++ } 1 .. 3;
		my ($one, $two) = sort { rand() <=> 0.5 } @workspaces;
		my $create = "SELECT key_id, key FROM apikeys.create_key('%s', '{data}', '%s', metadata => '{\"n\": 0}')";

		push @{ $me->{never} }, $names[2];
		return {
			what => 'pair', names => [ @names[0, 1] ], gives => qr/^$row\n$row\n$row$/,
			sql => join('; ', 'BEGIN', sprintf($create, $names[0], $one), 'SAVEPOINT s', sprintf($create, $names[2], $one),
				'ROLLBACK TO s', sprintf($create, $names[1], $two), 'COMMIT'),
			done => sub {
				my @rows = map { [ split /\|/ ] } split /\n/, $_[0];
				$me->{keys}{ $names[0] } = { id => $rows[0][0], workspace => $one, secret => $rows[0][1], n => 0, entries => 1 };
				$me->{keys}{ $names[1] } = { id => $rows[2][0], workspace => $two, secret => $rows[2][1], n => 0, entries => 1 };
			}
		};
	},
	update => sub {
		my ($me, $i, $name) = @_;
		my $key = $me->{keys}{$name};
		my $n = $key->{n} + 1;

		return {
			what => 'update', key => $name, gives => qr/^\Q$name\E$/,
			sql => "SELECT name FROM apikeys.update_key('$key->{id}', team => 'team $n', metadata => '{\"n\": $n}')",
			done => sub { $key->{n}++; $key->{entries}++ }
		};
	},
	regenerate => sub {
		my ($me, $i, $name) = @_;
		my $key = $me->{keys}{$name};
		my $overlap = rand() < 0.5;

		return {
			what => 'regenerate', key => $name, gives => qr/^$secret$/, old_code => $overlap ? 'VALID' : 'REGENERATED',
			sql => "SELECT key FROM apikeys.regenerate_key('$key->{id}', '" . ($overlap ? '1 day' : '0') . "')",
			done => sub {
				@$key{qw(old old_code secret)} = ($key->{secret}, $overlap ? 'VALID' : 'REGENERATED', $_[0]);
				$key->{entries}++;
			}
		};
	},
	archive => sub {
		my ($me, $i, $name) = @_;
		my $key = $me->{keys}{$name};

		return {
			what => 'archive', key => $name, gives => qr/^archived$/,
			sql => "SET LOCAL client_min_messages = warning; SELECT state FROM apikeys.archive_key('$key->{id}')",
			done => sub { $key->{entries}++; $me->{archived}{$name} = delete $me->{keys}{$name} }
		};
	},
	rollback => sub {
		my ($me, $i) = @_;
		my $name = "c$i " . $me->{next}++;

		push @{ $me->{never} }, $name;
		return {
			what => 'rollback', gives => qr/^\Q$name\E$/,
			sql => "BEGIN; SELECT name FROM apikeys.create_key('$name', '{data}'); ROLLBACK", done => sub { }
		};
	});

# A client: works until its connection breaks, and gives back what it knows.
sub client
{
	my ($me, $i) = @_;
	my $session = session($node, 'postgres');

	for (;;)
	{
		my @names = sort keys %{ $me->{keys} };
		my $name = $names[ rand @names ];
		my $what = !@names ? 'create' : @names >= $max_keys ? 'archive' : (qw(create pair update update regenerate archive rollback validate))[ rand 8 ];

		if ($what eq 'validate')
		{
			my $key = $me->{keys}{$name};
			my ($status, $result) = $session->run("SELECT code, metadata->>'n' FROM apikeys.validate_key('$key->{secret}', 'data')");
			return $me if $status eq 'lost';
			push @{ $me->{errors} }, "validate $name: $status $result, and n is $key->{n}" if $result ne "VALID|$key->{n}";
			next;
		}
		my $change = $change{$what}->($me, $i, $name);
		my ($status, $result) = $session->run($change->{sql});
		if ($status eq 'ok' && $result =~ $change->{gives})
		{
			$change->{done}->($result);
		}
		elsif ($status eq 'lost')
		{
			delete @$change{qw(sql done gives)};
			$me->{pending} = $change;
			return $me;
		}
		else
		{
			push @{ $me->{errors} }, "$what: $status $result";
			return $me;
		}
	}
}

# The client that takes entries into the trees until its connection breaks, and gives back the last checkpoints that it saw.  The first
# time that it saw some, it makes the file.
sub sequencer
{
	my ($until, $file) = @_;
	my $session = session($node, 'postgres');
	my $checkpoints = 'NULL';

	for (;;)
	{
		my ($status, $result) = $session->run('CALL apikeys.sequence_audit_logs()');
		return { checkpoints => $checkpoints, error => $status eq 'lost' ? '' : $result } if $status ne 'ok';
		($status, $result) = $session->run("SELECT format('%L::text[]', array_agg(note)) FROM apikeys.audit_checkpoint()");
		return { checkpoints => $checkpoints, error => $status eq 'lost' ? '' : $result } if $status ne 'ok';
		$checkpoints = $result if $result =~ /./;
		append_to_file($file, '.') if !-e $file && $result =~ /./;
		return { checkpoints => $checkpoints, error => '' } if time > $until;
	}
}

# Kills -9 by process id.
my %kill = (
	backend => sub {
		return kill 9, $node->safe_psql('postgres',
			"SELECT pid FROM pg_stat_activity WHERE application_name = 'session' ORDER BY md5(pid::text || $_[0]) LIMIT 1");
	},
	# our own, once there is one; else another one of the server's
	worker => sub {
		return kill 9, $node->safe_psql('postgres', <<'SQL');
SELECT pid FROM pg_stat_activity WHERE backend_type ~ 'apikeys' OR backend_type IN ('checkpointer', 'walwriter')
ORDER BY backend_type !~ 'apikeys', random() LIMIT 1
SQL
	},
	postmaster => sub { return kill 9, $node->{_pid} },
	# as the loss of the machine, but for what the kernel still writes
	server => sub { return kill 9, @{ $_[1] } });

# The processes of the server.
sub processes
{
	my $postmaster = $node->{_pid};
	my @pids = ($postmaster);

	foreach my $file (glob '/proc/[0-9]*/stat')
	{
		open my $stat, '<', $file or next;
		my $line = <$stat> // next;
		push @pids, $1 if $line =~ /^(\d+) \(.*\) \S $postmaster /;
	}
	return @pids;
}

# Until the server is there again.
sub recover
{
	my ($what, @pids) = @_;

	if ($what eq 'postmaster' || $what eq 'server')
	{
		# orphans end by themselves; a new server waits for them
		for (1 .. 1800)
		{
			last if !grep { kill 0, $_ } @pids[1 .. $#pids];
			sleep 0.1;
		}
		$node->{_pid} = undef;
		unlink $node->data_dir . '/postmaster.pid';
		$node->start;
		return;
	}
	for (1 .. 1800)
	{
		# a psql that cannot connect may be gone before it is handed its input
		my ($code, $out) = eval { $node->psql('postgres', 'SELECT 1') };
		return if defined $out && $out eq '1';
		sleep 0.1;
	}
	die 'the server did not come back';
}

# What a pending change came to: asks the database, and brings the client's knowledge up to date.  A key whose new secret
# nobody was told is forgotten.
sub settle
{
	my ($me) = @_;
	my $pending = delete $me->{pending} or return '';
	my $key = defined $pending->{key} ? $me->{keys}{ $pending->{key} } : undef;
	my $list = join ', ', map { "'$_'" } @{ $pending->{names} // [] };

	if ($pending->{what} eq 'create' || $pending->{what} eq 'pair')
	{
		my $found = query($node, 'postgres', "SELECT count(*) FROM apikeys.active_keys WHERE name IN ($list)");
		return $found == 0 || $found == @{ $pending->{names} } ? '' : "half of a transaction: $found of $list";
	}
	return '' if !$key;
	my ($code, $n) = split /\|/,
	  query($node, 'postgres', "SELECT code, metadata->>'n' FROM apikeys.validate_key('$key->{secret}')");
	if ($pending->{what} eq 'update')
	{
		return "update of $pending->{key}: $code, n $n after $key->{n}" if $code ne 'VALID' || $n != $key->{n} && $n != $key->{n} + 1;
		$key->{entries}++, $key->{n} = $n if $n != $key->{n};
	}
	elsif ($pending->{what} eq 'regenerate')
	{
		my $regenerated = query($node, 'postgres',
			"SELECT count(*) FROM apikeys.key WHERE key_id = '$key->{id}' AND old_key_hash = sha256('$key->{secret}')");
		return "regeneration of $pending->{key}: $code" if $code ne ($regenerated ? $pending->{old_code} : 'VALID');
		delete $me->{keys}{ $pending->{key} } if $regenerated;
	}
	elsif ($pending->{what} eq 'archive' && $code ne 'VALID')
	{
		return "archiving $pending->{key}: $code" if $code !~ /^(ARCHIVED|NOT_FOUND)$/;
		$key->{entries}++;
		$me->{archived}{ $pending->{key} } = delete $me->{keys}{ $pending->{key} };
	}
	return '';
}

# What all clients know, against the database: '' if it agrees.
sub disagreements
{
	my (@rows, @never);

	foreach my $me (@known[1 .. $clients])
	{
		foreach my $name (sort keys %{ $me->{keys} })
		{
			my $key = $me->{keys}{$name};
			push @rows, "('$name', '$key->{id}', '$key->{workspace}', '$key->{secret}', 'VALID', $key->{n}, $key->{entries})";
			push @rows, "('$name', '$key->{id}', '$key->{workspace}', '$key->{old}', '$key->{old_code}', $key->{n}, $key->{entries})"
			  if defined $key->{old};
		}
		# an archived key may have been dropped by now
		push @rows, "('$_', '$me->{archived}{$_}{id}', '$me->{archived}{$_}{workspace}', '$me->{archived}{$_}{secret}', 'ARCHIVED', "
		  . "$me->{archived}{$_}{n}, $me->{archived}{$_}{entries})"
		  foreach sort keys %{ $me->{archived} };
		push @never, map { "('$_')" } @{ $me->{never} };
	}
	my $rows = join ",\n", @rows;
	my $never = join ', ', "('')", @never;
	my $wrong = query($node, 'postgres', <<SQL);
WITH known (name, id, workspace, secret, code, n, entries) AS (VALUES $rows)
SELECT k.name, k.code, v.code, k.n, v.metadata->>'n', k.entries, e.count
FROM known k, LATERAL (SELECT * FROM apikeys.validate_key(k.secret) OFFSET 0) AS v,
	LATERAL (SELECT count(*) FROM apikeys.audit_log a WHERE a.key_id = k.id::uuid) AS e
WHERE NOT (v.code = k.code AND v.key_id = k.id::uuid AND v.workspace = k.workspace AND v.name = k.name AND v.metadata->>'n' = k.n::text
	OR k.code = 'ARCHIVED' AND v.code = 'NOT_FOUND') OR e.count <> k.entries
UNION ALL
SELECT 'rolled back, and there: ' || name, NULL, NULL, NULL, NULL, NULL, NULL FROM apikeys.key WHERE name IN (VALUES $never)
UNION ALL
SELECT 'rolled back, and told: ' || key_name, NULL, NULL, NULL, NULL, NULL, NULL FROM apikeys.audit_log WHERE key_name IN (VALUES $never)
SQL
	# as many archived keys as the limit keeps
	foreach my $workspace (@workspaces)
	{
		my $archived = grep { $_->{workspace} eq $workspace } map { values %{ $_->{archived} } } @known[1 .. $clients];
		my $kept = query($node, 'postgres', "SELECT count(*) FROM apikeys.archived_keys WHERE workspace = '$workspace'");

		$archived = $archive_limit if $archived > $archive_limit;
		$wrong .= "$kept archived keys in $workspace, not $archived" if $kept < $archived || $kept > $archive_limit;
	}
	return $wrong;
}

my ($changes, $settled, $checkpointed) = (0, 0, 0);
my $dir = PostgreSQL::Test::Utils::tempdir();
foreach my $round (1 .. $rounds)
{
	if ($round % 20 == 0)
	{
		# a new database: the checks take longer the more there is
		$node->safe_psql('postgres', 'SET client_min_messages = warning; DROP EXTENSION apikeys');
		set_up();
	}
	my $what = (qw(backend worker postmaster server))[ ($round + $seed) % 4 ];
	my $last = 'SELECT last_value FROM apikeys_internal.audit_id_seq';
	my $enough = 40 + query($node, 'postgres', $last);
	my $wait = fork_clients($clients, $seed + $round, sub { client($known[ $_[0] ], $_[0]) });

	# it may survive when another backend alone is killed by a signal that ends all: then it ends by itself
	my $wait_sequencer = fork_clients(1, $seed + $round, sub { sequencer(time + 30, "$dir/$round") });

	wait_for($node, 'postgres', "SELECT ($last) > $enough") or die 'no load';
	for (1 .. 1800) { last if -e "$dir/$round"; sleep 0.1; }
	sleep rand 0.7;
	my @pids = processes();
	$kill{$what}->($seed + $round, \@pids) or die "found no $what";
	my @results = $wait->();
	my ($seen) = $wait_sequencer->();
	is(scalar(grep { defined } @results), $clients, "round $round: every client came to its end");
	@known[1 .. $clients] = map { $results[$_] // $known[ $_ + 1 ] } 0 .. $clients - 1;
	recover($what, @pids);

	$settled += grep { $_->{pending} } @known[1 .. $clients];
	my @errors = grep { $_ ne '' } map { (@{ $_->{errors} }, settle($_)) } @known[1 .. $clients];
	push @errors, $seen->{error} if ($seen->{error} // '') ne '';
	is("@errors", '', "round $round: killed the $what, no client saw anything wrong");
	is(disagreements(), '', "round $round: every acknowledged change is there, none half done");
	is(problems($node, 'postgres'), '', "round $round: sound");
	is(query($node, 'postgres', "SELECT problem FROM apikeys.verify_audit_logs(NULL, $seen->{checkpoints}) WHERE NOT ok"), '',
		"round $round: what was seen of the trees holds");
	$checkpointed++ if $seen->{checkpoints} ne 'NULL';
	is(index_problems($node, 'postgres'), '', "round $round: indexes");
	# what has been checked often enough
	foreach my $me (@known[1 .. $clients])
	{
		$me->{never} = [];
		my @archived = sort keys %{ $me->{archived} };
		delete @{ $me->{archived} }{ @archived[ 0 .. $#archived - 20 ] } if @archived > 20;
	}
	$changes += query($node, 'postgres', 'SELECT last_value FROM apikeys_internal.audit_id_seq') if $round % 20 == 19 || $round == $rounds;
	last if !Test::More->builder->is_passing;
}
note("$changes changes, $settled changes under way when a connection broke");
cmp_ok($changes, '>', $rounds * 20, 'there was a load');
cmp_ok($checkpointed, '>', $rounds / 2, 'and checkpoints were seen');
diag("repeat with APIKEYS_SEED=$seed") if !Test::More->builder->is_passing;

done_testing();
