# The extension is installed in a second place, which PostgreSQL 18's extension_control_path and dynamic_library_path name: the
# extension, its worker and its mail library are found there.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($version) = `pg_config --version` =~ /(\d+)/;
plan skip_all => 'extension_control_path came with PostgreSQL 18' if $version < 18;

# the extension is moved out of a copy of the server
my $install = private_install();
my $place = PostgreSQL::Test::Utils::tempdir();
PostgreSQL::Test::Utils::system_or_bail('sh', '-c', 'mkdir -p "$3/extension" "$3/lib" && mv "$1"/apikeys* "$3/extension/" && mv "$2"/apikeys*.so "$3/lib/"',
	'sh', $install->{extension}, $install->{lib}, $place);
my $node = new_node('main', install => $install, conf => "apikeys.flush_interval = 300ms\n");
my ($code, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION apikeys CASCADE');
like($err, qr/extension "apikeys" is not available/, 'it is not where the server looks');

$node->append_conf('postgresql.conf', "extension_control_path = '\$system:$place'\ndynamic_library_path = '\$libdir:$place/lib'\n");
$node->reload;
install_in($node, 'postgres');
my $secret = $node->safe_psql('postgres', "SELECT key FROM apikeys.create_key('Key', '{data}')");
is(verdicts($node, 'postgres', $secret), 'VALID', 'it works there');

# both libraries, their names and versions
my $have_mail = -e "$place/lib/apikeys_mail.so";
my $default = $node->safe_psql('postgres', "SELECT default_version FROM pg_available_extensions WHERE name = 'apikeys'");
is($node->safe_psql('postgres', "SELECT apikeys.current_key(); SELECT module_name, version, file_name FROM pg_get_loaded_modules() WHERE file_name LIKE '%apikeys%'") =~ s/^\n//r,
	"apikeys|$default|apikeys.so", 'the module tells its name and version');
is($node->safe_psql('postgres', "LOAD '$place/lib/apikeys_mail.so'; SELECT module_name, version FROM pg_get_loaded_modules() WHERE file_name = 'apikeys_mail.so'"),
	"apikeys_mail|$default", 'and so does that for mail') if $have_mail;

# the worker, which the postmaster starts by the library's name
ok(wait_for($node, 'postgres', "SELECT worker LIKE 'running%' FROM apikeys.status()"), 'there is a worker');
ok(wait_for($node, 'postgres', 'SELECT count(*) > 0 FROM apikeys_internal.usage'), 'which flushes');
# the library for mail, found beside the other: nobody listens there, and that is what the report says
SKIP:
{
	skip 'built without libcurl', 1 if !$have_mail;
	$node->append_conf('postgresql.conf', "apikeys.smtp_url = 'smtp://127.0.0.1:1'\n");
	$node->reload;
	$node->safe_psql('postgres', "SELECT apikeys.email_audit_logs('ann\@example.invalid')");
	ok(wait_for($node, 'postgres', "SELECT bool_and(last_error LIKE '%connect%') FROM apikeys.reports"), 'it tries to send')
	  or diag($node->safe_psql('postgres', 'SELECT state, attempts, last_error FROM apikeys.reports'));
}

# preloaded by its name
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'apikeys'\n");
$node->restart;
is(verdicts($node, 'postgres', $secret), 'VALID', 'preloaded from there');
ok(wait_for($node, 'postgres', "SELECT worker LIKE 'running%' FROM apikeys.status()"), 'with a worker');
is(problems($node, 'postgres'), '', 'sound');
$node->stop;
done_testing();
