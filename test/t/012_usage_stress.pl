# Sixteen clients at once: the counts add up to the number of calls, and a limit lets pass exactly as many requests as it says,
# also while counts are flushed. USAGE_CALLS is the number of calls of each client.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $calls = $ENV{USAGE_CALLS} // 500;
my $clients = 16;
# memory is small, so that slots are taken and given back all the time
my $node = new_node('main', conf => "apikeys.flush_interval = '100ms'\napikeys.usage_memory = '256kB'\nfsync = off\n");
install_in($node, 'postgres');
$node->safe_psql('postgres', q{
SELECT apikeys.create_workspace('w' || i) FROM generate_series(1, 3) AS i;
CREATE TABLE secret AS SELECT i, k.* FROM generate_series(1, 2000) AS i, apikeys.create_key('k' || i, '{data,push}', 'w' || 1 + i % 3) AS k;
CREATE TABLE limited AS SELECT * FROM apikeys.create_key('limited', '{data}', rate_limit => 1000, rate_window => '1 year');
CREATE TABLE hot AS SELECT * FROM apikeys.create_key('hot', '{data}');
});
my $limited = query($node, 'postgres', 'SELECT key FROM limited');
my $hot = query($node, 'postgres', 'SELECT key FROM hot');

my $dir = PostgreSQL::Test::Utils::tempdir();
my $script = "$dir/calls.sql";
# four calls: one key for all, a limited key, one of many, nobody's
append_to_file($script, <<"SQL");
\\set i random(1, 2000)
SELECT (apikeys.validate_key('$hot', 'data', '192.0.2.' || :client_id)).code;
SELECT (apikeys.validate_key('$limited', 'data')).code;
SELECT (apikeys.validate_key(key, 'push')).code FROM secret WHERE i = :i;
SELECT (apikeys.validate_key('nobody''s', 'data')).code;
SQL

# Meanwhile others flush, some of them in vain, and one watches: no figure of the hot key is ever less than before.
my $others = <<'SQL';
\set how random(1, 3)
BEGIN;
SELECT apikeys.flush_usage();
\if :how = 1
ROLLBACK;
\elif :how = 2
SAVEPOINT s;
SELECT apikeys.flush_usage();
ROLLBACK TO s;
COMMIT;
\else
COMMIT;
\endif
\sleep 20 ms
SQL
append_to_file("$dir/others.sql", $others);
my ($out, $err) = ('', '');
my $flushers = IPC::Run::start([ 'pgbench', '-n', '-c', 2, '-T', 600, '-f', "$dir/others.sql", '-d', $node->connstr('postgres') ], '>', \$out, '2>', \$err);
# It notes the longest time in which it did not get on.
$node->safe_psql('postgres', 'CREATE TABLE pause (longest interval)');
my $watching = "DO \$\$ DECLARE last bigint := 0; now_is bigint; was timestamptz := clock_timestamp(); longest interval := '0'; BEGIN LOOP "
  . "SELECT sum(valid) INTO now_is FROM apikeys.key_usage WHERE name = 'hot'; "
  . "IF now_is < last THEN RAISE 'from % to %', last, now_is; END IF; last := now_is; longest := greatest(longest, clock_timestamp() - was); was := clock_timestamp(); EXIT WHEN to_regclass('public.over') IS NOT NULL; COMMIT; PERFORM pg_sleep(0.01); "
  . "END LOOP; INSERT INTO pause VALUES (longest); END \$\$";
my ($watched, $complaints) = ('', '');
my $watcher = IPC::Run::start([ 'psql', '-qXAt', '-d', $node->connstr('postgres'), '-c', $watching ], '>', \$watched, '2>', \$complaints);

run_code([ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $calls, '-f', $script, '-d', $node->connstr('postgres') ]);

my $total = $clients * $calls;
query($node, 'postgres', 'CREATE TABLE public.over ()');
$watcher->finish;
is($complaints, '', 'and never less than before');
$flushers->signal('TERM');
eval { $flushers->finish };
unlike($err, qr/ERROR/, 'no flush failed');

my $uncounted = query($node, 'postgres', 'SELECT counts_lost FROM apikeys.status()');
is(query($node, 'postgres', 'SELECT bytes <= max_bytes, limits_not_kept, limits_given_up FROM apikeys.status()'), 't|0|0', 'memory is small, and limits have their own');
my $passed = $total < 1000 ? $total : 1000;
is(query($node, 'postgres', "SELECT valid FROM apikeys.key_usage WHERE name = 'limited'"), $passed, 'exactly as many as the limit says passed');
# What clients use without a pause keeps its place, though memory is full. What all of them did not use for a second, because the machine
# stood still, may find none afterwards, which is told.
my $hot_lost = $total - query($node, 'postgres', "SELECT sum(valid) FROM apikeys.key_usage WHERE name = 'hot'");
my $nobody_lost = $total - query($node, 'postgres', "SELECT count FROM apikeys.denials WHERE code = 'NOT_FOUND' AND api = 'data'");
my ($steady, $pause) = split /\|/, query($node, 'postgres', "SELECT longest < '900 ms', longest FROM pause");
my $may_lose = $steady eq 't' ? 0 : $uncounted;
note("the longest pause was $pause");
ok($hot_lost >= 0 && $hot_lost <= $may_lose, "one key for all: $total calls, and so many counted") or diag("$hot_lost lost");
ok($nobody_lost >= 0 && $nobody_lost <= $may_lose, 'nobody\'s calls') or diag("$nobody_lost lost");
# memory may be full, too, when the first request is denied
is(query($node, 'postgres', "SELECT sum(valid + denied) FROM apikeys.key_usage WHERE name ~ '^k' OR name = 'limited'") + $uncounted - $hot_lost - $nobody_lost, 2 * $total,
	"calls of many keys and those that the limit denied; of all calls $uncounted found no room");
like(query($node, 'postgres', "SELECT last_client FROM apikeys.key_usage WHERE name = 'hot'"), qr/^192\.0\.2\.\d+$/, 'the last client');

# tables and memory agree, and so do totals and hours
query($node, 'postgres', 'SELECT apikeys.flush_usage()');
is(query($node, 'postgres', 'SELECT (SELECT sum(count) FROM apikeys_internal.usage) = (SELECT sum(count) FROM apikeys_internal.usage_hour)'), 't', 'totals and hours agree');
is(query($node, 'postgres', "SELECT sum(count) + $uncounted FROM apikeys_internal.usage"), 4 * $total, 'every call is in the tables, but for those');
is(query($node, 'postgres', 'SELECT count(*) FROM apikeys_internal.usage_unflushed'), '0', 'and nothing but in the tables');
is(problems($node, 'postgres'), '', 'the database is sound');

done_testing();
