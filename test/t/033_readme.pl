# README and docs/ are true: the first steps and the row-level security of README are run as they are written, and give the
# output beside them; README is short, and all links lead somewhere.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

# ---- README is for ten minutes, and every link of every page leads somewhere.

my %text = map { $_ => slurp_file($_) } 'README.md', sort glob('docs/*.md'), 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md';

cmp_ok(($text{'README.md'} =~ tr/\n//), '<', 300, 'README has less than 300 lines');

# The anchors of a page, as GitHub makes them of its headings.
sub anchors
{
	my ($text) = @_;

	$text =~ s/^```.*?^```$//msg;
	return map {
		my $anchor = lc $_;

		$anchor =~ s/[^\w\- ]//g;
		$anchor =~ tr/ /-/;
		$anchor => 1
	} $text =~ /^#+ +(.*?)\s*$/mg;
}

my ($links, @broken) = (0);
foreach my $page (sort keys %text)
{
	my $folder = $page =~ m{^(.*/)} ? $1 : '';

	while ($text{$page} =~ /\]\(([^)\s]+)\)/g)
	{
		my ($file, $anchor) = split /#/, $1, 2;

		next if $file =~ /^https?:/;
		$links++;
		my $target = $file eq '' ? $page : $folder . $file;
		1 while $target =~ s{[^/]+/\.\./}{};
		push @broken, "$page: $1" if !-e $target;
		push @broken, "$page: $target has no heading #$anchor" if defined $anchor && !{ anchors($text{$target} // '') }->{$anchor};
	}
}
cmp_ok($links, '>=', 30, "$links links were found");
is(join("\n", @broken), '', 'every link leads somewhere');

# ---- The version is the same everywhere, and every version before has a way to it.

{
	my ($version) = slurp_file('apikeys.control') =~ /^default_version = '(.*)'$/m;
	my ($number, $candidate) = $version =~ /^(\d+\.\d+(?:\.\d+)?)(rc\d+)?$/;
	my $semantic = ($number =~ /\..*\./ ? $number : "$number.0") . ($candidate ? "-$candidate" : '');
	my $meta = JSON::PP::decode_json(slurp_file('META.json'));
	my ($layout) = slurp_file('src/core/catalog.h') =~ /^#define AK_LAYOUT (\d+)$/m;
	my ($heading, $date) = slurp_file('CHANGELOG.md') =~ /^## (\S+) \((.*)\)$/m;
	my ($package) = slurp_file('debian/changelog') =~ /\Aapikeys \((.*)-\d+\) unstable; /;

	is($meta->{version}, $semantic, 'META.json: version');
	is($meta->{provides}{apikeys}{version}, $semantic, 'META.json: version of what it provides');
	is($meta->{provides}{apikeys}{file}, "sql/apikeys--$version.sql", 'META.json: file');
	is($meta->{release_status}, $candidate ? 'testing' : 'stable', 'META.json: status');
	is($heading, $version, 'CHANGELOG.md');
	like($date, qr/^(unreleased|\d{4}-\d\d-\d\d)$/, 'CHANGELOG.md: date');
	is($package, $number . ($candidate ? "~$candidate" : ''), 'debian/changelog');
	is(join(' ', slurp_file('sql/20_types.sql') =~ /layout_(\d+)/g), "$layout $layout", 'the layout of CREATE EXTENSION is that of the library');
	foreach my $old (map { m{/apikeys--(.*)\.sql$} } glob 'test/upgrade/apikeys--*.sql')
	{
		ok(-e "sql/apikeys--$old--$version.sql", "from $old to $version");
		ok(-e "test/upgrade/$old.$_", "$old is kept: $_") foreach qw(dump.sql commit);
	}
}

# ---- The reference has every object of the install script and every setting.

{
	my $reference = slurp_file('docs/reference.md');
	my $script = join "\n", map { slurp_file($_) } sort glob('sql/*.sql');
	my %missing;

	my @objects = $script =~ /^CREATE (?:FUNCTION|PROCEDURE|TABLE|VIEW|TYPE) apikeys\.(\w+)/mg;
	my @settings = join("\n", map { slurp_file($_) } glob 'src/*/guc.c') =~ /define\w+\("(apikeys\.\w+)"/gi;
	cmp_ok(@objects, '>=', 60, scalar(@objects) . ' objects are made by the install script');
	cmp_ok(@settings, '>=', 17, scalar(@settings) . ' settings are defined');
	# what the script drops again when it has called it is no object
	$missing{$_} = 1 foreach grep { $reference !~ /`(?:apikeys\.)?$_\b/ && !/^install_/ } @objects, @settings;
	is(join(' ', sort keys %missing), '', 'each of them stands in docs/reference.md');
}

# ---- ARCHITECTURE.md names files and functions that there are.

{
	my $architecture = slurp_file('docs/ARCHITECTURE.md');
	my %files = map { s{.*/}{}r => slurp_file($_) } map { glob "src/$_" } qw(*.[ch] */*.[ch] */*/*.[ch]);
	my $source = join "\n", values %files;
	my @files = $architecture =~ /`(?:src\/)?(\w+\.[ch])`/g;
	my @functions = $architecture =~ /`(ak_\w+)\(\)`/g;

	cmp_ok(@files, '>=', 20, 'it names files');
	cmp_ok(@functions, '>=', 5, 'it names functions');
	is(join(' ', grep { !exists $files{$_} } @files), '', 'each of them is in src/');
	is(join(' ', grep { $source !~ /^$_\(/m } @functions), '', 'each of them is defined there');
}

# ---- First steps, and row-level security.

# The blocks of SQL of one chapter of README.
sub blocks
{
	my ($chapter) = @_;

	$text{'README.md'} =~ /^## \Q$chapter\E\n(.*?)(?=^## |\z)/ms or die "README has no chapter \"$chapter\"";
	my $body = $1;
	return $body =~ /^```sql\n(.*?)^```$/msg;
}

my $node = new_node('main');
$node->safe_psql('postgres', 'CREATE DATABASE shop');

sub as
{
	my ($role, $sql) = @_;

	return $node->safe_psql('shop', ($role eq '' ? '' : "SET SESSION AUTHORIZATION $role;\n") . $sql);
}

my ($install, $use) = blocks('First steps');
as('', $install);
is($node->safe_psql('shop', "SELECT rolcanlogin AND NOT rolsuper FROM pg_roles WHERE rolname = 'app'"), 't', 'the first block makes the role app');

my ($create, $validate) = $use =~ /^(SELECT [^;]+;)/mg;
my ($promised_key) = $use =~ /^--\s+(Mobile app .*ak_)…/m or die "README does not show what create_key returns";
my ($promised_verdict) = $use =~ /^--\s+(t \| VALID.*)$/m or die "README does not show what validate_key returns";
my $issued = as('app', $create);
my ($secret) = $issued =~ /(ak_\w{49})$/;
ok(defined $secret, 'a key is created') or diag $issued;
like($issued =~ s/\|/ | /gr, qr/^\Q$promised_key\E/, 'with the name and access that README shows');
is(as('app', $validate =~ s/ak_…/$secret/r) =~ s/\|/ | /gr, $promised_verdict, 'it is valid as README shows');

my ($policies, $request) = blocks('Row-level security');
$node->safe_psql(
	'shop', q{
	CREATE ROLE seller;
	GRANT CREATE, USAGE ON SCHEMA public TO seller;
	SELECT apikeys.create_workspace('acme');
	SELECT apikeys.grant_access('seller', 'validate');});
as('seller', q{
	CREATE TABLE orders (workspace text, what text);
	INSERT INTO orders VALUES ('acme', 'an anvil'), ('default', 'a box');
	GRANT SELECT ON orders TO app;});
as('seller', $policies);

# The request as README has it, with a secret in place of $1: what a role sees, the table's owner among them.
sub request
{
	my ($role, $key) = @_;

	return as($role, $request =~ s/\$1/'Bearer $key'/r =~ s/\$2/'192.0.2.7'/r);
}

my %key = map { $_ => as('app', "SELECT key FROM apikeys.create_key('web', '{data}', '$_')") } qw(acme default);
my $other = as('app', q{SELECT key FROM apikeys.create_key('other API', '{push}', 'acme')});
foreach my $role (qw(app seller))
{
	is(request($role, $key{acme}), "t|200\nacme|an anvil", "$role sees the orders of the key's workspace");
	is(request($role, $key{default}), 'f|401', "$role sees none with a key of another workspace");
	is(request($role, $other), 'f|403', "$role sees none with a key for another API");
	is(as($role, 'SELECT * FROM orders'), '', "$role sees none without a key");
}

done_testing();
