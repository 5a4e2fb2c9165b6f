# pgbouncer with transaction pooling: many clients share one connection to the server, and none finds the actor or the current
# key of the client before it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
plan skip_all => 'pgbouncer is not installed' if !defined $pgbouncer;
plan skip_all => 'pgbouncer does not run as root' if $> == 0;

# libpq 19 offers versions of the protocol that a pgbouncer of before does not know how to decline
$ENV{PGMAXPROTOCOLVERSION} = '3.0';
my $node = new_node('pooled');
install_in($node, 'postgres');
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE app LOGIN;
CREATE ROLE acme_app LOGIN;
SELECT apikeys.create_workspace('acme');
SELECT apikeys.grant_access(r, c) FROM unnest('{app,acme_app}'::name[]) AS r, unnest('{validate,manage,audit}'::text[]) AS c;
SELECT apikeys.add_team_member('app', 'of the application');
ALTER ROLE acme_app SET apikeys.workspace = 'acme';
CREATE TABLE public.data (owner uuid, value text);
ALTER TABLE public.data ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.data USING (owner = apikeys.current_key());
GRANT SELECT ON public.data TO app;
SQL

my %secret;
my %id;
foreach my $name ('one', 'two')
{
	($id{$name}, $secret{$name}) = split /\|/, $node->safe_psql('postgres', "SELECT key_id, key FROM apikeys.create_key('$name', '{data}')");
	$node->safe_psql('postgres', "INSERT INTO public.data VALUES ('$id{$name}', 'data of $name')");
}

#
# One connection to the server for all clients of a role.
#
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $port = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$dir/users", qq("app" ""\n"acme_app" ""\n));
append_to_file("$dir/ini", <<INI);
[databases]
postgres = host=@{[ $node->host ]} port=@{[ $node->port ]}
[pgbouncer]
listen_addr =
unix_socket_dir = $dir
listen_port = $port
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = 1
max_client_conn = 50
logfile = $dir/log
pidfile = $dir/pid
INI
my $pid = fork // die "fork: $!";
if ($pid == 0)
{
	open STDOUT, '>', '/dev/null';
	open STDERR, '>&', \*STDOUT;
	exec $pgbouncer, '-q', "$dir/ini" or POSIX::_exit(1);
}
END { kill 'INT', $pid if $pid; }

sub client
{
	my ($role, @args) = @_;

	return session($node, 'postgres', connstr => "host=$dir port=$port dbname=postgres user=$role");
}

# What a statement gives; 'error' and its SQLSTATE when it fails.
sub gives
{
	my ($session, $sql) = @_;

	return join ' ', grep { $_ ne 'ok' } $session->run($sql);
}

my ($one, $two, $up);
for (1 .. 1800)
{
	$one = client('app');
	last if $up = gives($one, 'SELECT 1') eq '1';
	Time::HiRes::sleep(0.1);
}
die slurp_file("$dir/log") if !$up;
$two = client('app');
my $server = gives($one, 'SELECT pg_backend_pid()');
is(gives($two, 'SELECT pg_backend_pid()'), $server, 'two clients share a connection of the server');

my $as = "SELECT actor, team, ip, db_user FROM apikeys.audit_logs ORDER BY audit_id DESC LIMIT 1";
my $nobody = 'SELECT apikeys.current_key(), apikeys.current_workspace(), apikeys.current_key_allows(\'data\')';

#
# The actor.
#
is(gives($one, "BEGIN; SELECT FROM apikeys.act_as('ann', 'Platform', '192.0.2.7'); SELECT name FROM apikeys.update_key('$id{one}', team => 'a'); COMMIT"),
	"one", 'one acts as ann');
is(gives($two, $as), 'ann|Platform|192.0.2.7|app', 'and is told so');
is(gives($two, "SELECT name FROM apikeys.update_key('$id{one}', team => 'b')"), 'one', 'another client acts after it');
is(gives($two, $as), 'app|of the application||app', 'as itself');
is(gives($one, "SELECT FROM apikeys.act_as('ann'); SELECT name FROM apikeys.update_key('$id{one}', team => 'c')"), "one", 'outside a transaction');
is(gives($two, $as), 'app|of the application||app', 'the actor ends with its statement');
is(gives($one, "BEGIN; SELECT FROM apikeys.act_as('ann'); SELECT 1 / 0"), 'error 22012', 'a transaction that fails');
is(gives($one, 'ROLLBACK'), '', 'and is rolled back');
is(gives($two, "SELECT name FROM apikeys.update_key('$id{one}', team => 'd')"), 'one', 'the next one');
is(gives($two, $as), 'app|of the application||app', 'is nobody else either');

#
# The key that a transaction acts for.
#
is(gives($one, "BEGIN; SELECT code FROM apikeys.authenticate('Bearer $secret{one}'); SELECT value FROM public.data; COMMIT"),
	"VALID\ndata of one", 'row-level security by the key');
is(gives($two, $nobody), '||f', 'the key ends with its transaction');
is(gives($two, 'SELECT count(*) FROM public.data'), '0', 'the next client sees no rows');
is(gives($one, "SELECT code FROM apikeys.authenticate('Bearer $secret{one}')"), 'VALID', 'outside a transaction');
is(gives($two, $nobody), '||f', 'it ends with the statement');
is(gives($one, "BEGIN; SELECT code FROM apikeys.authenticate('Bearer $secret{one}'); SAVEPOINT s; SELECT 1 / 0"), 'error 22012', 'a transaction that fails');
is(gives($one, 'ROLLBACK'), '', 'and is rolled back');
is(gives($two, $nobody), '||f', 'leaves nothing');
# a client that goes away in the middle
my $gone = client('app');
is(gives($gone, "BEGIN; SELECT FROM apikeys.act_as('ann'); SELECT code FROM apikeys.authenticate('Bearer $secret{one}')"), "VALID", 'a client');
$gone->quit;
is(gives($two, $nobody), '||f', 'that goes away in the middle leaves nothing');
is(gives($two, "SELECT current_setting('apikeys.actor')"), '', 'no actor either');

#
# The workspace: of the role, or of the transaction.
#
my $acme = client('acme_app');
is(gives($acme, "SELECT workspace FROM apikeys.create_key('bound', '{data}')"), 'acme', 'a role bound to a workspace is so in the pool');
is(gives($acme, "SELECT code FROM apikeys.validate_key('$secret{one}')"), 'NOT_FOUND', 'and sees no other');
is(gives($one, "BEGIN; SET LOCAL apikeys.workspace = 'acme'; SELECT code FROM apikeys.validate_key('$secret{one}'); COMMIT"), 'NOT_FOUND',
	'SET LOCAL binds a transaction');
is(gives($two, "SELECT code FROM apikeys.validate_key('$secret{one}')"), 'VALID', 'and not the next client');

#
# All at once: everybody is himself all the time.
#
my $n = 4;
my @mine;
$server = gives($one, 'SELECT pg_backend_pid()');    # pgbouncer closed the one that was left in a transaction
foreach my $i (1 .. $n)
{
	push @mine, [ split /\|/, $node->safe_psql('postgres', "SELECT key_id, key FROM apikeys.create_key('of client $i', '{data}')") ];
}
my @wrong = map { defined ? @$_ : 'a client died' } fork_clients($n, 1, sub {
		my ($i) = @_;
		my $session = client('app');
		my ($id, $key) = @{ $mine[ $i - 1 ] };
		my @wrong;

		foreach my $turn (1 .. 50)
		{
			my $end = $turn % 5 ? 'COMMIT' : 'ROLLBACK';
			my $got = gives($session, "BEGIN; SELECT apikeys.current_key() IS NULL AND current_setting('apikeys.actor') = ''; "
				  . "SELECT key_id FROM apikeys.authenticate('Bearer $key'); SELECT FROM apikeys.act_as('actor $i', client => '192.0.2.$i'); "
				  . "SELECT apikeys.current_key(); SELECT team FROM apikeys.update_key('$id', team => 'turn $turn'); $end");
			push @wrong, "client $i, turn $turn: $got" if $got ne "t\n$id\n$id\nturn $turn";
		}
		return \@wrong;
	})->();
is("@wrong", '', 'clients at once: everybody acted for himself');
is($node->safe_psql('postgres', <<'SQL'), "40|4|t", 'and each entry tells of its own actor');
SELECT count(*) / 4, count(DISTINCT key_id), bool_and(actor = replace(key_name, 'of client', 'actor') AND host(ip) = replace(key_name, 'of client ', '192.0.2.'))
FROM apikeys.audit_logs WHERE key_name LIKE 'of client %' AND action = 'Update'
SQL
is(gives($two, 'SELECT pg_backend_pid()'), $server, 'all of it over one connection');
is(problems($node, 'postgres'), '', 'sound');

$_->quit foreach $one, $two, $acme;
kill 'INT', $pid;
waitpid $pid, 0;
$pid = 0;

done_testing();
