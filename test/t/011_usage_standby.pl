# Usage on a standby is counted and shown, but not flushed; after promotion it is flushed.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $primary = new_node('primary', init => { allows_streaming => 1 }, conf => "apikeys.flush_interval = '200ms'\n");
install_in($primary, 'postgres');
my $key = query($primary, 'postgres', "SELECT key FROM apikeys.create_key('one', '{data}')");
my $limited = query($primary, 'postgres', "SELECT key FROM apikeys.create_key('limited', '{data}', rate_limit => 4, rate_window => '1 day')");
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $seen = "SELECT name || ' ' || sum(valid) || ' ' || sum(denied) FROM apikeys.key_usage WHERE name = 'one' GROUP BY name";

sub validate
{
	my ($node, $secret, $times) = @_;

	return query($node, 'postgres', "SELECT count(*) FROM (SELECT (apikeys.validate_key('$secret', 'data')).code FROM generate_series(1, $times)) AS s WHERE code = 'VALID'");
}

validate($primary, $key, 10);
ok(wait_for($primary, 'postgres', "SELECT sum(count) = 10 FROM apikeys_internal.usage"), 'the primary counts and flushes');
$primary->wait_for_catchup($standby);
is(query($standby, 'postgres', $seen), 'one 10 0', 'the standby shows what the primary flushed');

is(validate($standby, $key, 7), '7', 'the standby validates');
is(query($standby, 'postgres', "SELECT count(*) FROM apikeys.validate_key('$key', 'push')"), '1', 'and refuses');
is(query($standby, 'postgres', $seen), 'one 17 1', 'it counts, and shows it beside the primary\'s');
is(query($standby, 'postgres', "SELECT sum(valid) FROM apikeys.usage_history"), '17', 'by hour, too');
is(query($standby, 'postgres', "SELECT code || ' ' || count FROM apikeys.denials WHERE workspace = 'default'"), 'INSUFFICIENT_PERMISSIONS 1', 'and denials');
is(query($standby, 'postgres', "SELECT last_used_at IS NOT NULL FROM apikeys.active_keys WHERE name = 'one'"), 't', 'and the last use');
is(query($primary, 'postgres', $seen), 'one 10 0', 'the primary knows nothing of it');

ok(wait_for($standby, 'postgres', "SELECT worker = 'waiting for promotion' FROM apikeys.status()"), 'the standby\'s worker waits');
is(query($standby, 'postgres', 'SELECT tracking, reason FROM apikeys.status()'), 't|a standby counts in memory alone', 'status() says so');
my ($code, $out, $err) = $standby->psql('postgres', 'SELECT apikeys.flush_usage()', extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
like($err, qr/25006/, 'a standby cannot flush');

# each server limits for itself
is(validate($primary, $limited, 6), '4', 'the limit on the primary');
is(validate($standby, $limited, 6), '4', 'and on the standby');

# what the primary flushes meanwhile is added
validate($primary, $key, 5);
ok(wait_for($primary, 'postgres', "SELECT sum(count) = 21 FROM apikeys_internal.usage"), 'the primary goes on');
$primary->wait_for_catchup($standby);
is(query($standby, 'postgres', $seen), 'one 22 1', 'and both are shown');

# its memory grows as the primary's: 40,000 figures, of 1,600 keys and 25 APIs
$primary->safe_psql('postgres', "SELECT apikeys.create_workspace('many'); SELECT apikeys.register_api('api ' || i) FROM generate_series(1, 24) AS i; "
	  . "SELECT count(apikeys.import_key('key ' || i, '{data}', sha256(convert_to('secret ' || i, 'UTF8')), 'x', 'many')) FROM generate_series(1, 1600) AS i");
$primary->wait_for_catchup($standby);
my $little = query($standby, 'postgres', 'SELECT bytes FROM apikeys.status()');
query($standby, 'postgres', "SELECT count(apikeys.validate_key('secret ' || i, CASE WHEN a > 0 THEN 'api ' || a END)) FROM generate_series(1, 1600) AS i, generate_series(0, 24) AS a");
cmp_ok(query($standby, 'postgres', 'SELECT bytes FROM apikeys.status()'), '>', $little, 'the standby\'s memory grows');
is(query($standby, 'postgres', 'SELECT counts_lost FROM apikeys.status()'), '0', 'nothing is lost');
is(query($standby, 'postgres', "SELECT sum(valid) || ' ' || sum(denied) FROM apikeys.key_usage WHERE workspace = 'many'"), '1600 38400', 'all of it is shown');

# a database that the primary drops is dropped here, although a worker is there
$primary->safe_psql('postgres', 'CREATE DATABASE other');
install_in($primary, 'other');
my $other = query($primary, 'other', "SELECT key FROM apikeys.create_key('other', '{data}')");
$primary->wait_for_catchup($standby);
query($standby, 'other', "SELECT apikeys.validate_key('$other')");
ok(wait_for($standby, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE datname = 'other' AND backend_type = 'apikeys worker'", '1'), 'a second worker');
$primary->safe_psql('postgres', 'DROP DATABASE other');
$primary->wait_for_catchup($standby);
ok(wait_for($standby, 'postgres', "SELECT count(*) FROM pg_database WHERE datname = 'other'", '0'), 'DROP DATABASE is replayed');

# what it counted is in memory alone until it is promoted, then it flushes by itself
my $stays = session($standby, 'postgres');    # while it is there, the worker stays
$stays->run('SELECT 1');
my $worker = query($standby, 'postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'apikeys worker' AND datname = 'postgres'");
$primary->stop;
$standby->promote;
ok(wait_for($standby, 'postgres', "SELECT coalesce(sum(count), 0) = 22 FROM apikeys_internal.usage WHERE code = 'VALID' AND key_id = apikeys.key_id('one')"), 'promoted, it flushes by itself');
is(query($standby, 'postgres', $seen), 'one 22 1', 'no figure has changed');
is(query($standby, 'postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'apikeys worker' AND datname = 'postgres'"), $worker, 'it is the same worker');
$stays->quit;
validate($standby, $key, 3);
is(query($standby, 'postgres', $seen), 'one 25 1', 'and goes on counting');
ok(wait_for($standby, 'postgres', "SELECT sum(count) = 25 FROM apikeys_internal.usage WHERE code = 'VALID' AND key_id = apikeys.key_id('one')"), 'and flushing');
is(query($standby, 'postgres', 'SELECT (SELECT sum(count) FROM apikeys_internal.usage) = (SELECT sum(count) FROM apikeys_internal.usage_hour)'), 't', 'totals and hours agree');
is(validate($standby, $limited, 6), '0', 'its own limits still hold');
is(problems($standby, 'postgres'), '', 'the database is sound');

done_testing();
