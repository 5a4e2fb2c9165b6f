# The SQL that people paste from README, docs/, hints, details and comments, often as superusers. The owner of the database has
# put functions and operators into schema public that match better than PostgreSQL's own: none of them is called.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

sub text_of
{
	my ($file) = @_;

	open(my $in, '<', $file) or die "$file: $!";
	local $/;
	return <$in>;
}

# ---- The rule: every call names its schema.

# What looks like a call, and is syntax.
my $syntax = qr/^(?:AND|ANY|ALL|ARRAY|AS|COALESCE|EXISTS|FROM|GREATEST|IN|INTO|LEAST|LIMIT|NOT|NULLIF|ON|OPERATOR|OR|SELECT|SET|TABLE|USING|VALUES|WHERE|WITH)$/i;

# The calls in a text whose function is looked up by search_path.
sub unqualified
{
	my ($text, $may_be_prose) = @_;
	my @found;

	$text =~ s/'(?:[^']|'')*'/''/g unless $may_be_prose;
	while ($text =~ /(?<![\w.\$:\\])([a-z_]\w*)\(/gi)
	{
		push @found, "$1(" unless $1 =~ $syntax;
	}
	return @found;
}

my %bites = (
	"SELECT format('%s(x)', a)" => 'format(',
	"SELECT pg_catalog.format('now()', a), COALESCE(a, b) FROM apikeys.b WHERE a IN (1) AND (b)" => '',
	"SELECT * FROM apikeys.f(now())" => 'now(',
	"import_key('Legacy', sha256('x'))" => 'import_key( sha256(',
);
is(join(' ', unqualified($_)), $bites{$_}, "rule: $_") foreach sort keys %bites;

# ---- README and docs/: blocks of SQL, SQL in blocks for the shell and for Python, and SQL within the lines.

my (@sql, @inline, $problems);
foreach my $page ('README.md', sort glob('docs/*.md'))
{
	my $text = text_of($page);
	my (@blocks, @found, @in_lines);

	push @blocks, [ $1, $2 ] while $text =~ /^```(\w+)\n(.*?)^```$/msg;
	foreach (@blocks)
	{
		my ($language, $block) = @$_;

		$block =~ s/--.*$//mg if $language eq 'sql';
		push @found, $block if $language eq 'sql';
		push @found, map { s/^\\copy \((.*)\) TO .*/$1/r } $block =~ /-c "([^"]+)"/g if $language eq 'sh';
		push @found, $block =~ /"(SELECT[^"]+)"/g if $language eq 'python';
	}
	$text =~ s/^```.*?^```$//msg;
	# tables tell of signatures and names; a name with empty parentheses is a name, too
	@in_lines = grep { /\w\([^)]/ || /^(?:SELECT|SET|ALTER|LOAD|COPY)\b/ } map { /`([^`]+)`/g } grep { !/^\|/ } split /\n/, $text;
	is(join("\n", map { my $s = $_; map { "$_ in $s" } unqualified($s) } @found), '', "$page: every call in a block names its schema");
	# Basic base64(workspace:key) is no SQL
	is(join("\n", map { my $s = $_; map { "$_ in $s" } unqualified($s) } grep { !/^Basic |^[A-Z][a-z]/ } @in_lines), '',
		"$page: every call in a line names its schema");
	push @sql, @found;
	push @inline, @in_lines;
}
cmp_ok(@sql, '>=', 25, scalar(@sql) . ' blocks of SQL were found in README and docs/');
cmp_ok(@inline, '>=', 10, scalar(@inline) . ' pieces of SQL were found in their lines');

# ---- Hints and details of errors, and comments on objects.

my @told;
foreach my $file (sort glob('src/*/*.c'))
{
	my $text = text_of($file);

	while ($text =~ /\b(?:GUC_check_)?err(?:hint|detail)(?:_\w+)?\(\s*((?:"(?:[^"\\\n]|\\.)*"\s*)+)/g)
	{
		push @told, [ $file, join '', $1 =~ /"((?:[^"\\\n]|\\.)*)"/g ];
	}
}
foreach my $file (sort glob('sql/[0-9]*.sql'))
{
	my $text = text_of($file);

	while ($text =~ /^COMMENT ON .*?\bIS\s+'((?:[^']|'')*)';/msg)
	{
		(my $comment = $1) =~ s/''/'/g;
		push @told, [ $file, $comment ];
	}
}
cmp_ok(@told, '>=', 150, scalar(@told) . ' hints, details and comments were found');
is( join("\n", map { my ($file, $text) = @$_; map { "$file: $_ in: $text" } grep { $_ ne 'base64(' } unqualified($text, 1) } @told),
	'', 'hints, details and comments: every call names its schema');

# ---- All of it is run, by a superuser, among functions and operators of somebody else's.

# What stands for something of the reader's own.
sub filled_in
{
	my ($sql) = @_;

	$sql =~ s/\{…\}/{}/g;
	$sql =~ s/\(…, /(apikeys.key_id('Mobile app'), /g if $sql =~ /update_key/;
	$sql =~ s/\(…, /('ann\@example.com', /g if $sql =~ /email_audit_logs/;
	$sql =~ s/validate_key\(key, api, client, workspace, cost\)/validate_key('key', 'api', 'client', 'default', 1)/;
	$sql =~ s/(authenticate|require_key)\(header, api, client, cost\)/$1('header', 'api', 'client', 1)/g;
	$sql =~ s/\$1/'Bearer x'/g;
	$sql =~ s/\$2/'192.0.2.7'/g;
	$sql =~ s/%s/'x'/g if $sql =~ /authenticate\(%s/;
	$sql =~ s/encrypt_to => key/encrypt_to => 'key'/;
	$sql =~ s/^\\set pgp .*$/\\set pgp key/m;
	# these need other servers, and wait for them
	$sql =~ s/^.*(?:SUBSCRIPTION|PUBLICATION|synchronous_standby_names|remote_apply).*?;.*$//mg;
	$sql =~ s/^CREATE EXTENSION.*$//mg;
	return $sql;
}

my @run = (map { filled_in($_) } @sql), map { filled_in(/^(?:SELECT|SET|ALTER|LOAD|COPY)\b/ ? "$_;" : "SELECT * FROM $_;") }
  grep { /^(?:SELECT \*|SET apikeys|ALTER ROLE app|apikeys\.\w+\()/ && !/f\(…\)/ } @inline;
push @run, map { "SELECT $_ FROM (VALUES ('x')) AS v (key);" } map { $_->[1] =~ /(pg_catalog\.\w+\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))/g } @told;
is(join("\n", grep { /…(?!key'|')/ } @run), '', 'nothing is left to fill in');

my %names;
foreach my $sql (@run)
{
	$names{$1} = 1 while $sql =~ /\b(?:pg_catalog|apikeys)\.(\w+)\(/g;
}
# what README used to call by name alone
$names{$_} = 1 foreach qw(format sha256 convert_to setval max sum now pg_reload_conf md5 encode lower concat);

my $node = new_node('main');
$node->safe_psql('postgres', 'CREATE ROLE dbo LOGIN; CREATE DATABASE shop OWNER dbo; CREATE ROLE app_admin');

# One function of every name, for every signature of PostgreSQL's and ours, and for those that take a literal as text.
my $traps = <<'SQL';
DO $$
DECLARE
	f record;
	args text;
BEGIN
	FOR f IN SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS own, p.prorettype::regtype AS type, p.pronargs, p.proretset
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE n.nspname IN ('pg_catalog', 'apikeys', 'apikeys_internal') AND p.proname = ANY (NAMES) AND p.prokind IN ('f', 'a')
	LOOP
		FOREACH args IN ARRAY ARRAY[f.own, array_to_string(array_fill('text'::text, ARRAY[greatest(f.pronargs::int, 1)]), ', '),
			'text, name, text, text', 'text, text, text, text', 'text, text', 'text, bigint', 'text', 'VARIADIC text[]'] LOOP
			BEGIN
				EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.proname, args,
					CASE WHEN f.type::text ~ '^any' THEN 'text' WHEN f.proretset THEN 'SETOF ' || f.type ELSE f.type::text END,
					format('BEGIN RAISE WARNING ''TRAPPED: %s(%s)''; RETURN%s; END', f.proname, args, CASE WHEN f.proretset THEN '' ELSE ' NULL' END));
			EXCEPTION WHEN duplicate_function OR undefined_object OR insufficient_privilege OR invalid_function_definition OR datatype_mismatch
				OR invalid_parameter_value OR feature_not_supported THEN
				NULL;
			END;
		END LOOP;
	END LOOP;
END $$;
SQL
my $operators = <<'SQL';
DO $$
DECLARE
	o record;
	function text;
	i int = 0;
BEGIN
	FOR o IN SELECT n, l, r FROM unnest('{=,<>,<,>,<=,>=,+,-,||}'::text[]) n,
		unnest('{text,name,bigint,integer,numeric,timestamptz,bytea,varchar}'::text[]) l,
		unnest('{text,name,bigint,integer,numeric,timestamptz,bytea,varchar,interval}'::text[]) r
	LOOP
		i := i + 1;
		function := 'trap_' || i;
		EXECUTE format('CREATE FUNCTION public.%I(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', function, o.l, o.r,
			CASE WHEN o.n IN ('+', '-', '||') THEN o.l ELSE 'boolean' END, format('BEGIN RAISE WARNING ''TRAPPED: %s %s %s''; RETURN NULL; END', o.l, o.n, o.r));
		EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.%I)', o.n, o.l, o.r, function);
	END LOOP;
END $$;
SQL
my $list = 'ARRAY[' . join(', ', map { "'$_'" } sort keys %names) . ']';
$traps =~ s/NAMES/$list/;

# Runs one piece as people do: a line that fails does not stop the next.
sub paste
{
	my ($sql) = @_;
	my (undef, $out, $err) = run_code([ 'psql', '-XAt', '-d', $node->connstr('shop') . ' user=' . getpwuid($>) ], stdin => $sql);

	return $err;
}

sub none_is_called
{
	my ($what, $bait) = @_;
	my (@trapped, @wrong);

	like(paste($bait), qr/TRAPPED/, "$what: the traps are set");
	foreach my $sql (@run)
	{
		my $err = paste($sql);

		push @trapped, "$1 in: $sql" while $err =~ /(TRAPPED: .*)/g;
		push @wrong, "$1 in: $sql" while $err =~ /(.*(?:syntax error|does not exist).*)/g;
	}
	is(join("\n", @trapped), '', "$what: nothing of them was called");
	return @wrong;
}

# what README presumes, and its first lines, which run before anything else
my $ready = "CREATE TABLE IF NOT EXISTS orders (workspace text); SELECT apikeys.create_workspace('acme'); "
  . "SELECT apikeys.create_key(n, '{data}') FROM unnest('{Mobile app,Partner feed}'::text[]) n;"
  . text_of('test/lib/migration.sql');
$node->safe_psql('shop', 'CREATE EXTENSION apikeys CASCADE; ' . $ready);
my @wrong;
{
	$node->safe_psql('shop', "SET SESSION AUTHORIZATION dbo; $traps");
	cmp_ok($node->safe_psql('shop', "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosrc ~ 'TRAPPED'"), '>', 100,
		'traps of all kinds');
	@wrong = none_is_called('functions that fit better', "SELECT format('%L %L %L', 'a'::name, 'b'::text, 'c'::text); SELECT sha256('x')");
	# some lines create what others presume
	is(join("\n", grep { !/"(?:Partner feed(?: EU)?|Mobile app)"|extension|role "app"|entry 42/ } @wrong), '', 'every line is right');

	$node->safe_psql('postgres', 'ALTER DATABASE shop SET search_path = public, pg_catalog');
	none_is_called('functions that stand first in the path', 'SELECT now()');
	$node->safe_psql('postgres', 'ALTER DATABASE shop RESET search_path');

	$node->safe_psql('shop', "SET SESSION AUTHORIZATION dbo; SET search_path = pg_catalog, pg_temp; $operators");
	none_is_called('operators that fit better', "SELECT 'a'::varchar = 'b'::text");

	# as README advises
	$node->safe_psql('postgres', 'ALTER DATABASE shop SET search_path = pg_catalog, pg_temp');
	is(join("\n", grep { /TRAPPED/ } map { paste($_) } @run), '', 'nor under the search_path that README advises');
}

done_testing();
