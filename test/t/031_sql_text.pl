# Rules for the text of our source that cannot be tested by running it.

use strict;
use warnings;

use Test::More;

sub text_of
{
	my ($file) = @_;

	open(my $in, '<', $file) or die "$file: $!";
	local $/;
	return <$in>;
}

# Our statements need no schema before an operator or a function, because they run in an owner section, with search_path =
# pg_catalog, pg_temp.  ak_query() and what stands beside it in query.c see to that; others must not prepare statements, and
# what they execute is a command without names that are looked up: GRANT and REVOKE, written in full, and SET CONSTRAINTS.
{
	my %commands = ('src/registry/privilege.c' => '(?:GRANT|REVOKE)', 'src/keys/archive_limit.c' => 'SET CONSTRAINTS');
	my @problems;

	foreach my $file (grep { $_ ne 'src/core/query.c' } sort glob('src/*/*.c'))
	{
		my $text = text_of($file);

		$text =~ s{/\*.*?\*/}{}gs;
		# list_keys() has a statement for each set of filters, which is not kept
		$text =~ s/\bSPI_execute_with_args\(sql, // if $file eq 'src/keys/list_keys.c';
		push @problems, "$file: $1" while $text =~ /\b(SPI_(?:prepare|execute_|execp|cursor_(?:open|parse))\w*)/g;
		while ($text =~ /\bSPI_exec(?:ute)?\((.{0,80})/gs)
		{
			my $command = $commands{$file};

			push @problems, "$file: SPI_execute" unless defined $command && $1 =~ /"$command|"%s %s %s/;
		}
	}
	is(join("\n", @problems), '', 'statements are run by ak_query() alone, in an owner section');
	like(text_of('src/core/query.c'), qr/^plan_of\(/m, 'which is in query.c');
}

# The install script is resolved under a path of its own, set before anything else, and leaves nothing behind that is looked
# up later: no function in SQL or a procedural language.
{
	my $script = join '', map { text_of($_) } sort glob('sql/[0-9]*.sql');
	my ($first) = $script =~ m{^(?:/\*.*?\*/|\\echo[^\n]*|\s+)*([^;]*;)}s;

	is($first, 'SET LOCAL search_path = pg_catalog, pg_temp;', 'the script begins with its search_path');
	unlike($script, qr/\bLANGUAGE\s+(?!C\b)\w+/i, 'and its functions are in C');
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
	my ($body) = text_of('src/pure/digest.c') =~ /^ak_hash_equal\(.*?\)\n\{(.*?)^\}/ms;
	unlike($body // 'if', qr/\b(?:if|break|memcmp|goto)\b|\?|&&|\|\||return(?!\s+difference == 0)/,
		'ak_hash_equal() looks at every byte, whatever it sees');
}

done_testing();
