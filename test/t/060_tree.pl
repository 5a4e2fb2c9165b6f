# The audit log's tree: its arithmetic, compared with a second implementation; the sequencer together with writers, long and
# prepared transactions, kills and crashes; proofs and signatures, checked by programs that are not ours.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $model = "$FindBin::RealBin/../model";
my $src = "$FindBin::RealBin/../../src";
my $long = $ENV{APIKEYS_LONG};
my $work = PostgreSQL::Test::Utils::tempdir();

sub pg_config
{
	my ($what) = @_;
	my (undef, $out) = run_code([ $ENV{PG_CONFIG} // 'pg_config', $what ]);

	chomp $out;
	return $out;
}

#
# The arithmetic: every leaf and every pair of sizes up to 300.
#
my ($cc) = split ' ', pg_config('--cc');
run_ok('compiling merkle.c alone',
	[ $cc, '-shared', '-fPIC', '-O1', '-w', "-I$src", '-I' . pg_config('--includedir-server'), "$src/pure/merkle.c", "$src/pure/digest.c",
		"$src/../test/fuzz/backend.c", "$src/../test/fuzz/merkle_check.c", '-o', "$work/merkle.so", '-L' . pg_config('--pkglibdir'), '-L' . pg_config('--libdir'), '-lcrypto' ]);
like(run_ok('the model', [ 'python3', "$model/tree_test.py", "$work/merkle.so" ]),
	qr/^301 roots, 45150 inclusion proofs, 45150 consistency proofs, \d{5} wrong ones refused$/, 'merkle.c and the model agree');

#
# Eight writers, long and prepared transactions, beside a sequencer of a few entries a batch.
#
my $node = new_node('main', init => { allows_streaming => 1 }, conf => "autovacuum = off\nmax_prepared_transactions = 8\napikeys.flush_interval = 100ms\napikeys.audit_checkpoint_interval = 1s\nclient_min_messages = warning\n");
install_in($node, 'postgres');

sub sql { return query($node, 'postgres', $_[0]); }

my $workspaces = 4;
sql("SELECT apikeys.create_workspace('w' || i) FROM generate_series(1, $workspaces) AS i");
sql("SELECT count(name) FROM generate_series(1, $workspaces) AS i, generate_series(1, 8) AS j, LATERAL apikeys.create_key('key ' || j, '{data}', 'w' || i)");

# No gap, no double, in order, every entry once: '' if that is so once all is taken in.
sub tree_problems
{
	sql('CALL apikeys.sequence_audit_logs()');
	return join '; ', grep { $_ ne '' } problems($node, 'postgres'), sql(<<'SQL');
SELECT 'positions of ' || workspace FROM apikeys.audit_tree GROUP BY workspace HAVING min(position) <> 0 OR max(position) + 1 <> count(*)
UNION ALL
SELECT 'sequence' FROM apikeys.audit_tree HAVING min(sequence) <> 1 OR max(sequence) <> count(*) OR count(DISTINCT sequence) <> count(*)
UNION ALL
SELECT 'order of ' || workspace FROM (SELECT workspace, sequence - lag(sequence) OVER (PARTITION BY workspace ORDER BY position) AS step
	FROM apikeys.audit_tree) AS s WHERE step <= 0
UNION ALL
SELECT 'pending ' || audit_id FROM apikeys_internal.audit_pending
SQL
}

my $seconds = $long ? 40 : 4;
my $script = "$work/writer.sql";
# pgbench of PostgreSQL 14 tries nothing again
my $tries_again = server_major($node) >= 15;
append_to_file($script, <<'SQL' =~ s/SERIALIZABLE/$tries_again ? 'SERIALIZABLE' : 'REPEATABLE READ'/er);
\set w random(1, 4)
\set k random(1, 8)
\set how random(1, 10)
\set pause random(1, 200)
\if :how = 1
BEGIN;
SELECT name FROM apikeys.update_key(apikeys.key_id('key ' || :k, 'w' || :w), team => 't' || :pause);
\sleep :pause ms
COMMIT;
\elif :how = 2
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT name FROM apikeys.create_key('s' || :client_id || '.' || random(), '{data}', 'w' || :w);
SAVEPOINT s;
SELECT name FROM apikeys.create_key('s' || :client_id || '.' || random(), '{data}', 'w' || :w);
ROLLBACK TO s;
END;
\elif :how = 3
BEGIN;
SELECT name FROM apikeys.create_key('r' || :client_id || '.' || random(), '{data}', 'w' || :w);
ROLLBACK;
\else
SELECT name FROM apikeys.create_key('c' || :client_id || '.' || random(), '{data}', 'w' || :w);
\endif
SQL
sub start_writers
{
	my ($out, $err) = ('', '');

	return (IPC::Run::start([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', 50 * $seconds, $tries_again ? '--max-tries=100' : (), '-f', $script, $node->connstr('postgres') ], '<', \undef, '>', \$out, '2>', \$err), \$out, \$err);
}

sql(<<'SQL');
BEGIN; SELECT name FROM apikeys.create_key('prepared', '{data}', 'w1'); PREPARE TRANSACTION 'p1'
SQL
my $late = session($node, 'postgres');
$late->run("BEGIN; SELECT name FROM apikeys.create_key('late', '{data}', 'w1')");
my ($writers, $out, $err) = start_writers();
my (@notes, $stop);
for (1 .. $seconds * 2)
{
	select undef, undef, undef, 0.4;
	push @notes, split /\0/, sql(q{SELECT string_agg(note, chr(1)) FROM apikeys.audit_checkpoint()}) =~ s/\x01/\0/gr;
}
$writers->finish;
unlike($$err, qr/aborted|ERROR/, 'no writer failed') or diag($$err);
like($$out, qr/number of transactions actually processed: \d{3,}/, 'they wrote');
is(tree_problems(), '', 'no gap, no double, in order');
is(sql(q{SELECT count(*) FROM apikeys.audit_log l JOIN apikeys.audit_tree t USING (audit_id) WHERE key_name IN ('prepared', 'late')}), '0', 'what is not committed is in no tree');
$late->run('COMMIT');
sql("COMMIT PREPARED 'p1'");
is(tree_problems(), '', 'and after two late commits');
is(sql(q{SELECT string_agg(key_name, ' ' ORDER BY key_name) FROM (SELECT key_name FROM apikeys.audit_feed(0, 'w1', 1000000) ORDER BY sequence DESC LIMIT 2) AS s}),
	'late prepared', 'these come last, though their numbers are among the first');

sub confirmed
{
	my $list = join ', ', map { "'$_'" } @notes;

	return sql("SELECT count(*) || ' ' || bool_and(ok) FROM apikeys.verify_audit_logs(NULL, ARRAY[$list])");
}
cmp_ok(scalar @notes, '>', 20, 'checkpoints were taken meanwhile');
is(confirmed(), "$workspaces t" =~ s/t/true/r, 'all of them are confirmed');

#
# Kills between and inside of batches: the worker, a backend that CALLs, the whole server.
#
for my $round (1 .. ($long ? 12 : 3))
{
	($writers, $out, $err) = start_writers();
	for (1 .. $seconds)
	{
		my $call = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'CALL apikeys.sequence_audit_logs()' ], '<', \undef, '>', '/dev/null', '2>', '/dev/null');

		select undef, undef, undef, rand 0.5;
		sql(q{SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'apikeys worker' OR query ~ '^CALL'}) if rand() < 0.8;
		$call->finish;
		select undef, undef, undef, rand 0.5;
	}
	if ($round == 1)
	{
		$node->stop('immediate');
		$writers->finish;
		$node->start;
	}
	else { $writers->finish; }
	is(tree_problems(), '', "round $round of kills: no gap, no double, in order");
}
is(confirmed(), "$workspaces true", 'and the checkpoints of before are confirmed');

#
# An old snapshot keeps deleted rows: the worker finds the next ones at little cost, once it is proved that none can come before.
#
{
	my $old = session($node, 'postgres');

	$old->run('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM apikeys.audit_logs');
	sql(q{SELECT count(name) FROM generate_series(1, 5000) AS i, LATERAL apikeys.create_key('bulk ' || i, '{data}', 'w2')});
	sql('CALL apikeys.sequence_audit_logs()') for 1 .. 3;
	# the worker proves it in its next rounds, of which each has something to do here
	my $reads;
	foreach my $round (1 .. 300)
	{
		my $read = sql(q{SELECT idx_tup_read FROM pg_stat_all_indexes WHERE indexrelname = 'audit_pending_pkey'});

		sql("SELECT name FROM apikeys.create_key('one more $round', '{data}', 'w2')");
		wait_for($node, 'postgres', "SELECT count(*) = 1 FROM apikeys.audit_log l JOIN apikeys.audit_tree t USING (audit_id) WHERE l.key_name = 'one more $round'") or die;
		# so that the statistics have it
		select undef, undef, undef, 0.5;
		$reads = sql(q{SELECT idx_tup_read FROM pg_stat_all_indexes WHERE indexrelname = 'audit_pending_pkey'}) - $read;
		last if $reads < 1000;
	}
	cmp_ok($reads, '<', 1000, 'when there is one more, none of the 5,000 deleted rows is looked at again');
	is(tree_problems(), '', 'beside an old snapshot');
	$old->run('COMMIT');
}

#
# Where it is refused.
#
foreach my $case (
	[ 'BEGIN; CALL apikeys.sequence_audit_logs()', qr/cannot run inside a transaction block/, 'in a transaction block' ],
	[ 'DO $$ BEGIN CALL apikeys.sequence_audit_logs(); EXCEPTION WHEN division_by_zero THEN NULL; END $$', qr/cannot commit while a subtransaction is active|inside a transaction block/, 'in a subtransaction' ],
	[ 'CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL apikeys.sequence_audit_logs(); END $$; SELECT f()', qr/inside a transaction block/, 'in a function' ],
	[ 'SET default_transaction_read_only = on; CALL apikeys.sequence_audit_logs()', qr/read-only transaction/, 'read-only' ])
{
	my ($sql, $expected, $what) = @$case;
	my ($code, undef, $stderr) = $node->psql('postgres', $sql);

	like($stderr, $expected, "sequence_audit_logs() is refused $what");
}
# A client that reads nothing keeps no lock: while it is held, nothing is sent. Of three commits, with debug5, those are told that
# come before and after it, and the one of SET.
sql("SELECT name FROM apikeys.create_key('unread', '{data}')");
my $messages = ($node->psql('postgres', 'SET client_min_messages = debug5; CALL apikeys.sequence_audit_logs()'))[2];
is(scalar(() = $messages =~ /CommitTransaction/g), 3, 'nothing is sent to the client before a batch has committed');
sql("SELECT name FROM apikeys.create_key('rr', '{data}')");
foreach my $level ('repeatable read', 'serializable')
{
	sql("SELECT name FROM apikeys.create_key('$level', '{data}')");
	is($node->safe_psql('postgres', "SET default_transaction_isolation = '$level'; CALL apikeys.sequence_audit_logs(); SELECT count(*) FROM apikeys_internal.audit_pending"), '0', "it works where the default is $level");
}

#
# What lasts makes the worker fail again and again, at growing intervals; it is told, and when it is over all goes on at once.
#
my $blocker = session($node, 'postgres');
my $before = -s $node->logfile;
$blocker->run('BEGIN; LOCK TABLE apikeys.audit_tree IN SHARE MODE');
sql("SELECT name FROM apikeys.create_key('blocked', '{data}', 'w1')");
my ($code, undef, $told) = $node->psql('postgres', "SET client_min_messages = notice; SELECT ok FROM apikeys.verify_audit_logs('w1')");
is($code, 0, 'verification answers meanwhile');
like($told, qr/NOTICE:  the trees of the audit log lack entries that are committed\nHINT:  .*CALL apikeys.sequence_audit_logs/, 'and says what it lacks');
my @failures;
for (1 .. 1800)
{
	@failures = slurp_file($node->logfile, $before) =~ /^\S+ (\d+:\d+:\d+\.\d+) .*ERROR:  canceling statement due to lock timeout\n.*CONTEXT:  (?:.*\n\t)*apikeys worker, job "audit sequencer"/mg;
	last if @failures >= 3;
	select undef, undef, undef, 0.1;
}
cmp_ok(scalar @failures, '>=', 3, 'it is tried again');
my @at = map { my ($h, $m, $s) = split /:/; $h * 3600 + $m * 60 + $s } @failures;
# the pause, of one second and then of two, and the time that each waits for a lock
is(scalar(grep { my $gap = $at[$_] - $at[ $_ - 1 ]; ($gap < 0 ? $gap + 86400 : $gap) < 2 + $_ - 0.1 } 1, 2), 0, 'but not all the time') or diag("@failures");
$blocker->run('ROLLBACK');
my $since = time;
ok(wait_for($node, 'postgres', 'SELECT count(*) FROM apikeys_internal.audit_pending;', '0'), 'afterwards all is taken in');
# the next pause is of four seconds; the longest would be of 80
cmp_ok(time - $since, '<', 40, 'soon');
# where only proofs wake the worker: that it waited for a lock is no work, from which it would have to rest
$node->append_conf('postgresql.conf', "apikeys.flush_interval = 1h\n");
$node->reload;
select undef, undef, undef, 1;
$blocker->run('BEGIN; LOCK TABLE apikeys.audit_tree IN SHARE MODE');
my $verify = "SET client_min_messages = notice; SELECT ok FROM apikeys.verify_audit_logs('w1')";
sql("SELECT name FROM apikeys.create_key('wakes', '{data}', 'w1')");
my $waits = IPC::Run::start([ 'psql', '-qXAt', '-d', $node->connstr('postgres'), '-c', $verify ], '<', \undef, '>', \my $answer, '2>', \my $notice);
select undef, undef, undef, 1.2;
$blocker->run('ROLLBACK');
$blocker->quit;
$waits->finish;
is($answer, "t\n", 'the worker waited for a lock');
sql("SELECT name FROM apikeys.create_key('wakes again', '{data}', 'w1')");
# it does not rest for the ten seconds that it would after so much work; verification waits for two, and once more if the worker failed meanwhile
my @again;
for (1, 2)
{
	@again = $node->psql('postgres', $verify);
	last if $again[2] eq '';
}
is(join('|', @again), '0|t|', 'it works again at once');
$node->append_conf('postgresql.conf', "apikeys.flush_interval = 100ms\n");
$node->reload;

#
# The first entry of a new database is committed while a run looks for some. That run takes it in, and row 0 goes: while that is there,
# entries may lack.
#
sql('CREATE DATABASE fresh');
install_in($node, 'fresh');
{
	my $held = session($node, 'fresh');
	my $worker = "FROM pg_stat_activity WHERE backend_type = 'apikeys worker' AND datname = 'fresh'";

	# the first use starts the worker, which waits where it first reads the log
	$held->run('BEGIN; LOCK TABLE apikeys.audit_log IN ACCESS EXCLUSIVE MODE');
	$held->run("SELECT apikeys.validate_key('none')");
	ok(wait_for($node, 'postgres', "SELECT count(*) = 1 $worker AND wait_event_type = 'Lock'"), 'a run has begun');
	$held->run("SELECT name FROM apikeys.create_key('first', '{data}')");
	$held->run('COMMIT');
	$held->quit;
	ok(wait_for($node, 'fresh', 'SELECT count(*) FROM apikeys_internal.audit_pending;', '0'), 'the first entry is taken in, and nothing may lack');
}

#
# As after a restore, a call derives what is pending, and is stopped in the middle, while the worker has long known that
# nothing so old can be pending any more.
#
sql('CREATE DATABASE derived');
install_in($node, 'derived');
# what it remembers ends with any change of our tables' definitions
$node->safe_psql('derived', <<'SQL');
CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN IF current_setting('application_name') = 'stopped' AND NEW.position > 6000 THEN RAISE 'stopped'; END IF; RETURN NEW; END $$;
CREATE TRIGGER stop_here AFTER INSERT ON apikeys.audit_tree FOR EACH ROW EXECUTE FUNCTION stop_here();
SQL
my $derive = q{SELECT count(*) FROM apikeys_internal.audit_pending};
$node->safe_psql('derived', "SELECT count(apikeys.create_key('k' || i, '{data}')) FROM generate_series(1, 12000) AS i");
ok(wait_for($node, 'derived', "$derive;", '0'), 'all is taken in');
# the worker notes the last number in one run, raises its bound in another
foreach my $member (1 .. 4)
{
	$node->safe_psql('derived', "SELECT apikeys.add_team_member('$member', 'platform')");
	ok(wait_for($node, 'derived', "$derive;", '0'), "so is member $member");
}
# the call comes first: the worker is stopped where it waits for something to do, and goes on afterwards as if nothing had been
my $worker;
for (1 .. 1800)
{
	$worker = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'apikeys worker' AND datname = 'derived'");
	last if $worker && kill('STOP', $worker) && sql("SELECT state = 'idle' AND wait_event = 'Extension' FROM pg_stat_activity WHERE pid = $worker") eq 't';
	kill 'CONT', $worker if $worker;
	$worker = undef;
	select undef, undef, undef, 0.1;
}
die 'the worker is never idle' if !$worker;
$node->safe_psql('derived', <<'SQL');
BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM apikeys.audit_tree; COMMIT;
INSERT INTO apikeys_internal.audit_pending VALUES (0)
SQL
like(($node->psql('derived', "SET application_name = 'stopped'; CALL apikeys.sequence_audit_logs()"))[2], qr/ERROR:  stopped/, 'a call is stopped');
kill 'CONT', $worker;
ok(wait_for($node, 'derived', "$derive;", '0'), 'the worker takes in the rest');
is($node->safe_psql('derived', 'SELECT count(*) - (SELECT count(*) FROM apikeys.audit_log) FROM apikeys.audit_tree'), '0', 'each once');
is($node->safe_psql('derived', 'SELECT bool_and(ok) FROM apikeys.verify_audit_logs()'), 't', 'and the trees are right');

#
# Somebody sets the sequence of the numbers back, into a gap: an entry comes before what the worker believes to be the first
# that can be pending. A checkpoint has it all the same, and verification tells what was done.
#
my $numbers = q{'apikeys_internal.audit_id_seq'};
my ($gap) = $node->safe_psql('derived', q{SELECT last_value FROM apikeys_internal.audit_id_seq});
$node->safe_psql('derived', q{BEGIN; SELECT apikeys.add_team_member('gone', 'platform'); ROLLBACK});
foreach my $member (5 .. 8)
{
	$node->safe_psql('derived', "SELECT apikeys.add_team_member('$member', 'platform')");
	ok(wait_for($node, 'derived', "$derive;", '0'), "member $member is taken in");
}
$node->safe_psql('derived', "SELECT setval($numbers, $gap); SELECT apikeys.add_team_member('9', 'platform')");
is($node->safe_psql('derived', q{SELECT string_agg(problem, '') FROM apikeys.verify_audit_logs()}), 'the numbers of new entries would not come after this one', 'that the sequence was set back is told');
$node->safe_psql('derived', 'SELECT count(*) FROM apikeys.audit_checkpoint()');
ok(wait_for($node, 'derived', "$derive;", '0'), 'an entry in the gap is taken in');
is($node->safe_psql('derived', "SELECT count(*) FROM apikeys.audit_tree WHERE audit_id = $gap + 1"), '1', 'it is the one');
$node->safe_psql('derived', "SELECT setval($numbers, (SELECT max(audit_id) FROM apikeys.audit_log))");
is($node->safe_psql('derived', 'SELECT bool_and(ok) FROM apikeys.verify_audit_logs()'), 't', 'and all is right');

#
# A standby answers from the tree that it has, and sequences nothing.
#
$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT count(*), bool_and(ok) FROM apikeys.verify_audit_logs()'), $node->safe_psql('postgres', 'SELECT count(*), bool_and(ok) FROM apikeys.verify_audit_logs()'), 'a standby verifies');
is($standby->safe_psql('postgres', 'SELECT workspace, size, root FROM apikeys.audit_checkpoint()'), $node->safe_psql('postgres', 'SELECT workspace, size, root FROM apikeys.audit_checkpoint()'), 'it gives the same checkpoints');
like(($standby->psql('postgres', 'CALL apikeys.sequence_audit_logs()'))[2], qr/cannot execute .* during recovery/, 'it sequences nothing');
$standby->stop;

#
# A proof that a program checks that is not ours, and that knows the entry alone.
#
is(run_ok('check_proof.py', [ 'python3', "$model/check_proof.py", $node->connstr('postgres') ]), "all proofs hold\n", 'proofs of many sizes, checked by another program');

# the auditor's program, as docs/proof.md has it, with files as it says
{
	my ($program) = slurp_file("$src/../docs/proof.md") =~ /^```python\n(.*?)^```/ms;
	my ($id, $note) = split / /, query($node, 'postgres',
		"SELECT t.audit_id || ' ' || c.note FROM apikeys.audit_checkpoint('default') c, apikeys.audit_tree t "
		  . "WHERE t.workspace = 'default' AND t.position = c.size / 2"), 2;
	my $size = (split /\n/, $note)[1];
	my $proof = query($node, 'postgres', "SELECT pg_catalog.to_json(p) FROM apikeys.audit_inclusion_proof($id, $size) AS p");

	cmp_ok($program =~ tr/\n//, '<=', 50, 'the program is short');
	append_to_file("$work/check.py", $program);
	append_to_file("$work/checkpoint", "$note\n");
	append_to_file("$work/proof", $proof);
	my ($code, $out) = run_code([ 'python3', "$work/check.py", "$work/proof", "$work/checkpoint" ]);
	is($code, 0, 'the program of the docs runs');
	like($out, qr{^proved: apikeys/\d+/\d+/workspace/default $size\naudit_id = $id\n}, 'and proves the entry');
	$proof =~ s/("leaf":"\\\\x02.*?)([0-9a-f])(",)/$1 . sprintf('%x', hex($2) ^ 1) . $3/e;
	append_to_file("$work/altered", $proof);
	($code, $out) = run_code([ 'python3', "$work/check.py", "$work/altered", "$work/checkpoint" ]);
	isnt($code, 0, 'an entry altered by one bit is refused');
	unlike($out, qr/^proved/, 'and not called proved');
}

#
# Signatures: by openssl's command line and the format of C2SP.
#
my $key = "$work/key.pem";
my $has_openssl = (run_code([ 'openssl', 'genpkey', '-algorithm', 'ed25519', '-out', $key ]))[0] == 0;
SKIP: {
	skip 'no openssl command with Ed25519', 1 unless $has_openssl;

	sub signed_by
	{
		my ($file) = @_;

		$node->append_conf('postgresql.conf', "apikeys.audit_signing_key_file = '$file'");
		$node->reload;
		wait_for($node, 'postgres', "SELECT current_setting('apikeys.audit_signing_key_file')", $file) or die 'not reloaded';
		return;
	}
	my $checkpoint = "SELECT note FROM apikeys.audit_checkpoint('w1')";

	chmod 0600, $key;
	signed_by($key);
	my $note = sql($checkpoint);
	my ($text, $signatures) = split /\n\n/, $note, 2;
	append_to_file("$work/note", "$note\n");
	is(run_ok('check_note.py', [ 'python3', "$model/check_note.py", "$work/note", $key ]), "the signature is right\n", 'openssl verifies the signature');
	is(sql("SELECT ok FROM apikeys.verify_audit_logs('w1', ARRAY['$note'])"), 't', 'so do we');
	my $wrong = $note =~ s/(\xe2\x80\x94|\x{2014}) (\S+) (.{40})(.)/"$1 $2 $3" . ($4 eq 'A' ? 'B' : 'A')/er;
	isnt($wrong, $note, 'a signature spoiled');
	is(sql("SELECT ok, problem FROM apikeys.verify_audit_logs('w1', ARRAY['$wrong'])"), 'f|the signature of the checkpoint is wrong', 'is found');
	$wrong = $note =~ s/(\xe2\x80\x94|\x{2014}) (\S+) (.)/"$1 $2 " . ($3 eq 'A' ? 'B' : 'A')/er;
	is(sql("SELECT ok, problem FROM apikeys.verify_audit_logs('w1', ARRAY['$wrong'])"), 'f|the checkpoint is signed with another key', 'so is another key');
	$wrong = $note =~ s/timeline=1/timeline=2/r;
	is(sql("SELECT ok, problem FROM apikeys.verify_audit_logs('w1', ARRAY['$wrong'])"), 'f|the signature of the checkpoint is wrong', 'and another text');

	# a new key before the old one: both are recognised
	my $new = "$work/new.pem";
	run_ok('a new key', [ 'openssl', 'genpkey', '-algorithm', 'ed25519', '-out', $new ]);
	append_to_file($new, slurp_file($key));
	chmod 0600, $new;
	signed_by($new);
	my $newer = sql($checkpoint);
	isnt($newer, $note, 'the new key signs');
	is(sql("SELECT ok FROM apikeys.verify_audit_logs('w1', ARRAY['$note', '$newer'])"), 't', 'both are right');

	# Databases in other encodings: where there is no em dash, or one that comes back as another dash, there are two hyphens.
	my $log = -s $node->logfile;
	foreach my $case ([ 'LATIN1', '--' ], [ 'EUC_JP', '--' ], [ 'KOI8R', '--' ], [ 'WIN1252', "\xe2\x80\x94" ], [ 'SQL_ASCII', "\xe2\x80\x94" ])
	{
		my ($encoding, $dash) = @$case;
		my $db = lc $encoding;

		sql("CREATE DATABASE $db ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
		install_in($node, $db);
		$node->safe_psql($db, "SELECT apikeys.create_key('one', '{data}')");
		sequence($node, $db);
		# as psql gives it out in a UTF-8 terminal
		my $signed = $node->safe_psql($db, "SET client_encoding = 'UTF8'; SELECT note FROM apikeys.audit_checkpoint('default')");
		my $bytes = $signed =~ s/([^\x00-\x7f])/ord $1 > 255 ? "\xe2\x80\x94" : $1/egr;
		like($bytes, qr/\n\n\Q$dash\E \S+ \S+$/, "$encoding: the dash");
		is($node->safe_psql($db, "SET client_encoding = 'UTF8'; SELECT ok, problem FROM apikeys.verify_audit_logs('default', ARRAY['$signed'])"), 't|', "$encoding: it is known again");
		my $spoiled = $signed =~ s/timeline=1/timeline=2/r;
		is($node->safe_psql($db, "SET client_encoding = 'UTF8'; SELECT ok, problem FROM apikeys.verify_audit_logs('default', ARRAY['$spoiled'])"), 'f|the signature of the checkpoint is wrong', "$encoding: another text is not");
		# what docs/proof.md says of it
		my $file = "$work/note.$db";
		append_to_file($file, $bytes =~ s/\n\n-- /\n\n\xe2\x80\x94 /r . "\n");
		is(run_ok("check_note.py, $encoding", [ 'python3', "$model/check_note.py", $file, $new ]), "the signature is right\n", "$encoding: openssl verifies it");
		ok(wait_for($node, $db, "SELECT count(*) > 0 FROM apikeys.audit_size WHERE logged_at IS NOT NULL;", 't'), "$encoding: the worker writes it to the server log");
		sql("DROP DATABASE $db");
	}
	unlike(slurp_file($node->logfile, $log), qr/ERROR: /, 'without an error');

	# files that are not right
	chmod 0640, $key;
	signed_by($key);
	like(($node->psql('postgres', $checkpoint))[2], qr/has group or world access/, 'a file that others can read');
	unlike(($node->psql('postgres', $checkpoint))[2], qr/\Q$work\E/, 'its name is not told');
	signed_by("$work/none.pem");
	like(($node->psql('postgres', $checkpoint))[2], qr/could not open the file of "apikeys.audit_signing_key_file": No such file/, 'no file');
	append_to_file("$work/empty.pem", "nothing\n");
	chmod 0600, "$work/empty.pem";
	signed_by("$work/empty.pem");
	like(($node->psql('postgres', $checkpoint))[2], qr/has no private key in PEM/, 'no key');
	run_ok('another kind of key', [ 'openssl', 'genpkey', '-algorithm', 'x25519', '-out', "$work/x.pem" ]);
	chmod 0600, "$work/x.pem";
	signed_by("$work/x.pem");
	like(($node->psql('postgres', $checkpoint))[2], qr/is not an Ed25519 key/, 'another kind of key');
	signed_by($work);
	like(($node->psql('postgres', $checkpoint))[2], qr/is not a regular file|Is a directory/, 'a directory');
	signed_by('');
	$node->safe_psql('postgres', 'CREATE ROLE auditor LOGIN');
	sql("SELECT apikeys.grant_access('auditor', 'audit')");
	like(($node->psql('postgres', 'SELECT FROM apikeys.audit_feed(0, NULL, 0); SHOW apikeys.audit_signing_key_file', extra_params => [ '-U', 'auditor' ]))[2], qr/must be superuser|permission denied/i, 'only superusers see the setting');
}

#
# The server log has the checkpoints of what changed, each once.
#
sql("SELECT name FROM apikeys.create_key('logged', '{data}', 'w3')");
sql("CALL apikeys.sequence_audit_logs()");
my $size = sql("SELECT max(position) + 1 FROM apikeys.audit_tree WHERE workspace = 'w3'");
ok(wait_for($node, 'postgres', "SELECT count(*) FROM apikeys.audit_size WHERE workspace = 'w3' AND size = $size AND logged_at IS NOT NULL", '1'), 'its checkpoint is logged');
like(slurp_file($node->logfile), qr{LOG: .*checkpoint of the audit log\n\tapikeys/\d+/\d+/workspace/w3\n\t$size\n\t\S{44}\n\tsystem=\d+ database=postgres timeline=1\n}, 'in the server log');

#
# A purge spares the sizes of checkpoints: those that are given are noted, or it is told that they are not.
#
my $ask = "SET client_min_messages = notice; SELECT size FROM apikeys.audit_checkpoint('w4')";
my $is_noted = "SELECT count(*) FROM apikeys.audit_size WHERE workspace = 'w4' AND size =";
$blocker = session($node, 'postgres');
$blocker->run('BEGIN; LOCK TABLE apikeys.audit_size IN SHARE MODE');
sql("SELECT name FROM apikeys.create_key('not noted', '{data}', 'w4')");
ok(wait_for($node, 'postgres', "SELECT count(*) FROM apikeys.audit_log l JOIN apikeys.audit_tree t USING (audit_id) WHERE l.key_name = 'not noted'", '1'), 'a tree grows');
my (undef, $given, $unnoted) = $node->psql('postgres', $ask);
is(sql("$is_noted $given"), '0', 'a size could not be noted');
like($unnoted, qr/^psql:.*NOTICE:  the size of a checkpoint is not noted\n.*DETAIL:.*\n.*HINT: .*CALL apikeys.sequence_audit_logs/s, 'and that is told');
$blocker->run('ROLLBACK');
$blocker->quit;
sql("SELECT name FROM apikeys.create_key('noted', '{data}', 'w4')");
for (1 .. 60)
{
	# as long as the worker rests from its failures
	(undef, $given, $unnoted) = $node->psql('postgres', $ask);
	last if $unnoted eq '';
}
is(sql("$is_noted $given"), '1', 'afterwards it is');

# Those in the server log are noted before they are there: what is logged cannot be rolled back.
sql('CREATE DATABASE anchored');
install_in($node, 'anchored');
$node->safe_psql('anchored', <<'SQL');
SELECT apikeys.create_workspace('aa'), apikeys.create_workspace('zz');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused: %', NEW.logged_at; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON apikeys.audit_size FOR EACH ROW WHEN (NEW.workspace = 'zz' AND NEW.logged_at IS NOT NULL) EXECUTE FUNCTION refuse();
SQL
$before = -s $node->logfile;
$node->safe_psql('anchored', "SELECT apikeys.create_key('one', '{data}', w) FROM unnest('{aa,zz}'::text[]) AS w");
my $logged;
for (1 .. 1800)
{
	$logged = slurp_file($node->logfile, $before);
	last if $logged =~ m{\tapikeys/\d+/\d+/workspace/aa\n\t\d+\n} && $logged =~ /ERROR:  refused/;
	select undef, undef, undef, 0.1;
}
like($logged, qr/ERROR:  refused: 20/, 'a checkpoint is logged, and the transaction fails');
$node->safe_psql('anchored', "SELECT apikeys.create_key('two', '{data}', 'aa')");
ok(wait_for($node, 'anchored', "SELECT count(*) FROM apikeys.audit_log l LEFT JOIN apikeys.audit_tree t USING (audit_id) WHERE t.audit_id IS NULL;", '0'), 'its tree grows');
$node->safe_psql('anchored', 'DROP TRIGGER refuse ON apikeys.audit_size');
ok(wait_for($node, 'anchored', "SELECT count(*) FROM apikeys.audit_size WHERE workspace = 'zz' AND logged_at IS NOT NULL;", '1'), 'the next one succeeds');
my %sizes = map { $_ => 1 } slurp_file($node->logfile, $before) =~ m{workspace/aa\n\t(\d+)\n}g;
is($node->safe_psql('anchored', "SELECT count(*) FROM apikeys.audit_size WHERE workspace = 'aa' AND size IN (" . join(', ', keys %sizes) . ')'), scalar(keys %sizes),
	'every size in the log is noted: ' . join ' ', sort keys %sizes);

#
# Who does nothing but read the feed gets the entries that a server without a worker left behind.
#
$node->append_conf('postgresql.conf', "max_worker_processes = 0\n");
$node->restart;
my $seen = sql('SELECT max(sequence) FROM apikeys.audit_tree');
sql("SELECT name FROM apikeys.create_key('left behind', '{data}', 'w4')");
$node->append_conf('postgresql.conf', "max_worker_processes = 8\n");
$node->restart;
ok(wait_for($node, 'postgres', "SELECT count(*) FROM apikeys.audit_feed($seen) WHERE key_name = 'left behind'", '1'), 'the feed gives what a server without a worker left behind');

$node->stop;
done_testing();
