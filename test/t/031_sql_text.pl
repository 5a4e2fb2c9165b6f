# The text of our SQL, in src/ and in the install script: what is looked up by search_path when it runs must be
# written with its schema, because it runs as a superuser under the search_path of its caller.  Operators come in
# disguise, too: IN, BETWEEN, LIKE, IS DISTINCT FROM, NULLIF, CASE x WHEN, USING and NATURAL mean whatever `=`, `<=` or
# `~~` stands first in the path.

use strict;
use warnings;

use Test::More;

# What looks like a call, and is syntax.
my $syntax = qr/^(?:
	AND|ANY|ALL|ARRAY|AS|BY|CHECK|COALESCE|CONFLICT|CONSTRAINT|DISTINCT|ELSE|EXISTS|FILTER|FOR|FROM|GREATEST|GROUP|HASH|IF|
	IN|INTO|JOIN|KEY|LATERAL|LEAST|NOT|OFFSET|ON|OR|OVER|PARTITION|PRIMARY|RETURNING|ROW|ROWS|SELECT|SET|SOME|THEN|TYPE|UNION|
	UNIQUE|UPDATE|USING|VALUES|WHEN|WHERE|WITH|WITHIN
)$/xi;

# Types that the grammar itself knows as pg_catalog's.
my $keyword_type = qr/^(?:bigint|integer|int|smallint|boolean|real|double|numeric|decimal|interval|timestamp|time|bit|char|character|varchar)\b/i;

# What is looked up by search_path in one piece of SQL; its own literals are gone.
sub unqualified
{
	my ($sql) = @_;
	my @found;

	$sql =~ s/'(?:[^']|'')*'/ '' /g;
	$sql =~ s/"(?:[^"]|"")*"/ quoted /g;
	$sql =~ s/%[sdu]|%l{1,2}[du]|%%/ /g;         # of psprintf()
	$sql =~ s/\bOPERATOR\s*\(\s*pg_catalog\.[^\s\w)]+\s*\)/ , /g;

	# the queries of WITH have names of their own
	my %with;
	$with{$1} = 1 while $sql =~ /\b(\w+)\s*(?:\([\w\s,]*\)\s*)?AS\s+(?:(?:NOT\s+)?MATERIALIZED\s+)?\(/gi;

	push @found, "$1" while $sql =~ /\b(IN\s*\(|NOT\s+IN\b|BETWEEN\b|(?:I?LIKE|SIMILAR\s+TO)\b|DISTINCT\s+FROM\b|NULLIF\s*\(|NATURAL\b|OVERLAPS\b)/gi;
	push @found, "$1" while $sql =~ /\b(CASE\s+(?!WHEN\b)\S+)/gi;
	push @found, "JOIN $1" while $sql =~ /\bJOIN\b[^;]*?\b(USING\s*\()/gi;
	push @found, "$1" while $sql =~ /\b(COLLATE\s+(?!pg_catalog\.)\S+)/gi;

	# functions: a name and a parenthesis, without a schema
	while ($sql =~ /(?<![\w.\$])(\w+)\s*\(/g)
	{
		my ($name, $before) = ($1, substr($sql, 0, $-[0]));

		next if $name =~ $syntax || $name =~ /^\d/ || $with{$name};
		next if $before =~ /\b(?:AS|INTO|WITH|TABLE|VIEW|LATERAL)\s+$/i;           # an alias with its columns, a WITH query
		next if $before =~ /\)\s*$/;
		next if $before =~ /\bINTO\s+[\w.]+\s*(?:AS\s+\w+\s*)?$/i;
		push @found, "$name(";
	}
	# casts
	while ($sql =~ /::\s*(\w[\w.]*)/g)
	{
		push @found, "::$1" unless $1 =~ /^(?:pg_catalog|apikeys)\./ || $1 =~ $keyword_type;
	}
	push @found, "CAST AS $1" while $sql =~ /\bCAST\s*\([^()]*\bAS\s+(?!pg_catalog\.)(\w+)/gi;
	# relations
	while ($sql =~ /\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+(?!ONLY\b|ROWS\b|LATERAL\b|SET\b|SKIP\b|OF\b|\()(\w[\w.]*)/gi)
	{
		my $name = $1;

		next if $name =~ /\./ || $with{$name};
		push @found, "relation $name";
	}
	# operators: what is left of their signs, where no other syntax has them
	$sql =~ s/::/ /g;
	$sql =~ s/=>/ /g;
	$sql =~ s/\b(?:count|ROW)\s*\(\s*\*\s*\)/ /gi;
	$sql =~ s/(?:\bSELECT|\bRETURNING|,|\.)\s*(?:DISTINCT\s+)?\*/ /gi;
	# assignments: SET a = ..., b = ... up to FROM, WHERE, RETURNING
	$sql =~ s{\bSET\s+(.*?)(?=\bWHERE\b|\bFROM\b|\bRETURNING\b|$)}{
		my $list = $1;
		$list =~ s/(^|,)(\s*\w+\s*)=/$1$2 /g;
		$list }gise;
	push @found, "operator $1" while $sql =~ /((?<![\w\$])-(?!\d)|[=<>~!+*\/|@\#^&?%]+)/g;
	return @found;
}

# The rule itself must bite.
my %bites = (
	"SELECT a FROM apikeys.b WHERE a = 1" => 1,
	"SELECT a FROM apikeys.b WHERE a OPERATOR(pg_catalog.=) 'x = y'" => 0,
	"SELECT a FROM b" => 1,
	"SELECT a FROM apikeys.b WHERE a IN (1, 2)" => 1,
	"SELECT CASE pg_catalog.lower(a) WHEN 'b' THEN 1 END FROM apikeys.b" => 1,
	"SELECT CASE WHEN a IS NULL THEN 1 END FROM apikeys.b" => 0,
	"SELECT max(a) FROM apikeys.b" => 1,
	"SELECT pg_catalog.max(a), COALESCE(b, c) FROM apikeys.b" => 0,
	"SELECT a::text FROM apikeys.b" => 1,
	"SELECT a::pg_catalog.text, b::bigint FROM apikeys.b" => 0,
	"SELECT * FROM apikeys.a JOIN apikeys.b USING (c)" => 1,
	"SELECT a FROM apikeys.b WHERE a IS DISTINCT FROM 1" => 1,
	"SELECT a || b FROM apikeys.b" => 1,
	"UPDATE apikeys.a SET b = \$1, c = COALESCE(\$2, c) WHERE d OPERATOR(pg_catalog.=) \$3" => 0,
	"UPDATE apikeys.a SET b = c + 1" => 1,
	"INSERT INTO apikeys.a AS k (b, c) VALUES (\$1, \$2) ON CONFLICT (b) DO UPDATE SET c = EXCLUDED.c" => 0,
	"WITH w AS (SELECT 1) SELECT * FROM w" => 0,
	"WITH RECURSIVE w (a) AS (SELECT 1), v (a, b) AS (SELECT 1, 2) SELECT * FROM w, v" => 0,
	"WITH w (a) AS (SELECT max(1)) SELECT * FROM x" => 1,
	"WITH RECURSIVE w (a) AS MATERIALIZED (SELECT 1), x AS (SELECT a FROM w) SELECT a FROM x" => 0,
	"WITH w AS (SELECT 1) SELECT * FROM x" => 1,
	"SELECT pg_catalog.count(*), x.* FROM apikeys.x ORDER BY a COLLATE \"C\"" => 1,
);
foreach my $sql (sort keys %bites)
{
	is(scalar(my @found = unqualified($sql)) > 0 ? 1 : 0, $bites{$sql}, "rule: $sql");
}

# The strings of a C file, those that follow each other joined, with the line where each begins.
sub strings
{
	my ($file) = @_;
	my ($text, @all);

	open(my $in, '<', $file) or die "$file: $!";
	{ local $/; $text = <$in>; }
	close $in;
	$text =~ s{(/\*.*?\*/)}{ my $c = $1; $c =~ s/[^\n]//g; $c }gse;
	while ($text =~ /((?:"(?:[^"\\\n]|\\.)*"(?:\s|\w+\s(?="))*)+)/g)
	{
		my ($literal, $line) = ($1, 1 + (substr($text, 0, $-[1]) =~ tr/\n//));
		my $value = join '', $literal =~ /"((?:[^"\\\n]|\\.)*)"/g;

		$value =~ s/\\n/\n/g;
		$value =~ s/\\(.)/$1/g;
		push @all, [ $value, $line ];
	}
	return @all;
}

my $statements = 0;
foreach my $file (sort glob('src/*/*.c'))
{
	my @problems;

	foreach my $string (strings($file))
	{
		my ($sql, $line) = @$string;

		next unless $sql =~ /^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|COPY|DECLARE)\s/ && $sql =~ /\s\w+[.\s]/;
		next if $sql =~ /^\w+ (?:and|or) \w+/;
		$statements++;
		push @problems, map { "line $line: $_" } unqualified($sql);
	}
	is(join("\n", @problems), '', "$file: nothing is left to the search_path");
}
cmp_ok($statements, '>=', 25, "$statements statements were found in src/");

# The install script sets a safe path first, under which its views, defaults, indexes and constraints are parsed.  What it
# leaves behind as text must be safe by itself: the conditions that pg_dump runs.
{
	my ($text, @problems);

	foreach my $part (sort glob('sql/[0-9]*.sql'))
	{
		open(my $in, '<', $part) or die "$part: $!";
		local $/;
		$text .= <$in>;
		close $in;
	}
	$text =~ s{/\*.*?\*/}{}gs;
	like($text, qr/\A\s*\\echo [^\n]*\n\s*SET LOCAL search_path = pg_catalog, pg_temp;/, 'the install script begins with its search_path');
	while ($text =~ /pg_extension_config_dump\s*\(\s*'[^']*'\s*,\s*'((?:[^']|'')*)'/g)
	{
		(my $condition = $1) =~ s/''/'/g;
		push @problems, unqualified("SELECT 1 FROM apikeys.x $condition") if $condition ne '';
	}
	is(join("\n", @problems), '', 'the conditions of dumps: nothing is left to the search_path');
}

# A hash that arrives is compared with one that is kept in constant time, everywhere: no memcmp() and no bytea
# comparison over hashes.
{
	my @problems;

	foreach my $file (sort glob('src/*/*.c'))
	{
		open(my $in, '<', $file) or die "$file: $!";
		while (<$in>)
		{
			# the name of a constraint is none
			s/"(?:[^"\\]|\\.)*"/""/g;
			push @problems, "$file:$.: $_" if /\b(?:memcmp|strn?cmp|byteaeq|byteacmp)\s*\(.*(?:HASH_LEN|hash\b)/i && !/ScanKeyInit/;
		}
		close $in;
	}
	is(join('', @problems), '', 'hashes are compared by ak_hash_equal() alone');
	open(my $in, '<', 'src/pure/digest.c') or die;
	my $text = do { local $/; <$in> };
	close $in;
	my ($body) = $text =~ /^ak_hash_equal\(.*?\)\n\{(.*?)^\}/ms;
	unlike($body // 'if', qr/\b(?:if|break|memcmp|goto)\b|\?|&&|\|\||return(?!\s+difference == 0)/,
		'ak_hash_equal() looks at every byte, whatever it sees');
}

done_testing();
