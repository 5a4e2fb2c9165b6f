# A system that gives no shared memory: requests are still answered, what is not counted or limited is reported, and all of it
# works as soon as there is memory. The server's dynamic shared memory is in files here, in a directory that is made read-only.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'root writes to any folder' if $> == 0;
my $node = new_node('main', conf => "dynamic_shared_memory_type = mmap\nfsync = off\nmax_parallel_workers = 0\n");
my $folder = $node->data_dir . '/pg_dynshmem';

sub sql { return query($node, 'postgres', $_[0]); }

sub status { return sql("SELECT $_[0] FROM apikeys.status()"); }

# Does the log come to say that?
sub logged
{
	my ($pattern, $offset) = @_;

	for (1 .. 1800)
	{
		return 1 if slurp_file($node->logfile, $offset) =~ $pattern;
		select undef, undef, undef, 0.1;
	}
	return 0;
}

# From the start there is none.
chmod 0500, $folder or die "$folder: $!";
install_in($node, 'postgres');
my $key = sql("SELECT key FROM apikeys.create_key('A', '{data}')");
my $limited = sql("SELECT key FROM apikeys.create_key('B', '{data}', rate_limit => 1, rate_window => '1 hour')");
my $quota = sql("SELECT key FROM apikeys.create_key('C', '{data}', quota => 1, quota_period => 'total')");
my $codes = 'SELECT string_agg(v.code, \' \') FROM unnest(ARRAY[%s]) AS k, apikeys.validate_key(k) AS v';

sub codes { return sql(sprintf $codes, join ', ', map { "'$_'" } @_); }

is(codes($key, 'nobody', $key), 'VALID NOT_FOUND VALID', 'requests are answered');
is(codes(($limited) x 3), 'VALID VALID VALID', 'limits are not kept');
is(codes(($quota) x 3), 'VALID VALID VALID', 'nor quotas');
is(status('reason'), 'there is no shared memory for it', 'status() says why');
is(status('counts_lost >= 9, limits_not_kept >= 6'), 't|t', 'and how much is lost');
ok(logged(qr/WARNING: .* shared memory of apikeys is full/), 'the log says so');
is(sql('SELECT count(*) FROM apikeys.key_usage WHERE valid > 0'), '0', 'views are empty, and no error');
is(sql('SELECT count(*) FROM apikeys.metrics() WHERE name = \'apikeys_lost_total\' AND value > 0'), '2', 'metrics() tell of it');
is(sql("SELECT quota_used FROM apikeys.key_details(apikeys.key_id('C'))"), '0', 'nothing is used of the quota');
$node->append_conf('postgresql.conf', "apikeys.limits_when_full = deny");
$node->reload;
ok(wait_for($node, 'postgres', 'SHOW apikeys.limits_when_full', 'deny'), 'limits_when_full = deny');
is(codes($key, $limited), 'VALID RATE_LIMITED', 'refuses what it cannot limit, and that alone');
is(sql("SELECT retry_after FROM apikeys.validate_key('$limited')"), '1', 'for a second');
$node->append_conf('postgresql.conf', "apikeys.limits_when_full = allow");
$node->reload;

# Then there is some.
chmod 0700, $folder or die "$folder: $!";
ok(wait_for($node, 'postgres', sprintf($codes, "'$limited', '$limited'") =~ s/string_agg.*?\)/bool_or(v.code = 'RATE_LIMITED')/r, 't'), 'limits are kept once there is memory');
sql("SELECT count(*) FROM generate_series(1, 5) AS i, apikeys.validate_key('$key', 'data', '192.0.2.' || i)");
is(sql("SELECT valid FROM apikeys.key_usage WHERE name = 'A' AND api = 'data'"), '5', 'requests are counted');

# And then no more: it does not grow, and says so once.
chmod 0500, $folder or die "$folder: $!";
sql("SELECT count(apikeys.import_key('key ' || i, '{data}', sha256(convert_to('imported secret ' || i, 'UTF8')), 'x', rate_limit => 5)) FROM generate_series(1, 40000) AS i");
is(sql("SELECT count(*) FROM generate_series(1, 40000) AS i, apikeys.validate_key('imported secret ' || i) AS v WHERE v.valid"), '40000', 'requests are answered where nothing grows');
my $grown = logged(qr/WARNING: .* shared memory of apikeys cannot grow/);
ok($grown, 'the log says that it cannot grow');
is(status('reason'), 'the system has no more shared memory to give', 'status() says why');
chmod 0700, $folder or die "$folder: $!";
is(join('; ', problems($node, 'postgres')), '', 'the database is sound');
$node->stop;
done_testing();
