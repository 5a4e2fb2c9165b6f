# The statements of docs/migration.md, run as they are written, move keys of other systems, which filled the tables of
# test/lib/migration.sql. Every original secret is then valid for what it was allowed before, and no other secret is valid.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex sha256_base64 sha512_hex hmac_sha256_hex);
use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $page = slurp_file('docs/migration.md');

# The blocks of SQL of one chapter.
sub blocks
{
	my ($chapter) = @_;

	$page =~ /^## \Q$chapter\E\n(.*?)(?=^## |\z)/ms or die "docs/migration.md has no chapter \"$chapter\"";
	my $body = $1;
	return $body =~ /^```sql\n(.*?)^```$/msg;
}

my $node = new_node('main');
$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', 'CREATE EXTENSION apikeys CASCADE;' . slurp_file('test/lib/migration.sql'));
$node->safe_psql(
	'shop', q{
	CREATE ROLE mover;
	SELECT apikeys.grant_access('mover', 'admin');
	GRANT ALL ON ALL TABLES IN SCHEMA public TO mover;
	GRANT CREATE ON SCHEMA public TO mover;
	CREATE ROLE gateway;
	SELECT apikeys.grant_access('gateway', 'validate');});

sub as
{
	my ($role, $sql) = @_;

	return $node->safe_psql('shop', "SET SESSION AUTHORIZATION $role;\n$sql");
}

# The code, and what stands in the row
sub verdict
{
	my ($secret, $api, $columns) = @_;

	return as('gateway', "SELECT code" . ($columns ? ", $columns" : '') . " FROM apikeys.validate_key('$secret', '$api')");
}

# ---- better-auth

my %secret = (
	plain => 'fnkBGupBQFQhWvTSdkrtuxDHehfnsdbutVxicFGzgqdqECerlcQzdNbxeZbPllQP',
	prefixed => 'acme_yNmVBMHfCDRRUEhzBfRuqTYXEFQegauFZRgFtFUOFjlbIovpKbYFLuAcYLthbLIN',
	paused => 'kEseXUIhAZPVfqJYvutKXMgsFHBnRlVGyrQZREzFvZORYlSOzkVnNleWAnIwPFaw',
);
is(verdict($secret{plain}, 'data'), 'NOT_FOUND', 'better-auth: nothing is known before');
like(as('mover', (blocks('better-auth'))[0]), qr/^plain gBD4\w+\|[0-9a-f-]{36}\n3XcL\w+\|[0-9a-f-]{36}$/, 'better-auth: two keys come along');
is(verdict($secret{plain}, 'data', 'owner, rate_limit, rate_window, rate_remaining, quota, metadata'),
	'VALID|6ywvx8XcgXYqPxCBVsjoOGYPklwNtMrD|10|86400|9||', 'better-auth: a key without a prefix, with its limit');
is(verdict($secret{plain}, 'push'), 'INSUFFICIENT_PERMISSIONS', 'better-auth: a key without permissions may call what the statement says');
is( verdict($secret{prefixed}, 'push', 'owner, rate_limit, rate_window, quota, quota_remaining, metadata'),
	'VALID|6ywvx8XcgXYqPxCBVsjoOGYPklwNtMrD|100|60|999|998|{"plan": "pro"}',
	'better-auth: one with a prefix, permissions, a limit, what remains, and metadata');
is(verdict($secret{prefixed}, 'segmentation'), 'INSUFFICIENT_PERMISSIONS', 'better-auth: and for what it was permitted alone');
is(verdict($secret{paused}, 'data'), 'NOT_FOUND', 'better-auth: a paused one stays where it is');
is($node->psql('shop', 'SET SESSION AUTHORIZATION mover;' . (blocks('better-auth'))[0]), 3, 'better-auth: a second time nothing is imported');

# ---- Unkey

like(as('mover', (blocks('Unkey'))[0]), qr/^with a prefix key_\w+\|\S+\nkey_\w+\|\S+$/, 'Unkey: two keys come along');
is(verdict('unkey_3ZGkAtjNMLPsZPZUBQ2BGdEt', 'data', 'owner, quota_remaining, metadata'), 'VALID|user_1|4|{"plan": "pro"}', 'Unkey: one with a prefix');
is(verdict('3ZjoGQkHVhkFpG4rTzMFyzqE', 'data', 'owner, expires_at IS NOT NULL'), 'VALID||t', 'Unkey: one without');
is(verdict('abc', 'data'), 'NOT_FOUND', 'Unkey: what is used up stays where it is');

# ---- A table of one's own: each expression of the table in docs/, on what Digest::SHA makes

{
	my ($statement) = blocks('A table of your own');
	my ($chapter) = $page =~ /^## A table of your own\n(.*?)^## /ms;
	my @rows = $chapter =~ /^\| ((?!the column)[^|]+) \| `(.+)` \|$/mg;
	my $secret = 0;
	my $n = 0;

	my @columns = (
		sub { (sha256_hex($_[0]), uc sha256_hex($_[0])) },
		sub { my $h = sha256_hex($_[0]); ("sha256:$h", "sha256\$$h", "\\x$h") },
		sub { sha256_base64($_[0]) . '=' },
		sub { my $b = sha256_base64($_[0]) =~ tr{+/}{-_}r; ($b, "$b=") },
		sub { 'sha256-' . sha256_base64($_[0]) . '=' },
		sub { '\x' . sha256_hex($_[0]) },
		sub { $_[0] },
	);
	is(@rows / 2, @columns, 'every form of the table is tried');
	while (my ($form, $expression) = splice @rows, 0, 2)
	{
		my $make = shift @columns;

		# several secrets, so that all letters of an alphabet occur
		foreach my $round (1 .. 5)
		{
			foreach my $which (0 .. $#{ [ $make->('') ] })
			{
				my $key = 'own_' . sha256_hex($secret++);
				my $stored = ($make->($key))[$which];
				my $sql = $statement =~ s/\Qpg_catalog.decode(k.key_hash, 'hex')\E/$expression/r;

				$sql =~ s/k\.key_hash/k.key_hash::bytea/ if $form =~ /bytea/;
				$node->safe_psql('shop', "TRUNCATE public.api_keys; INSERT INTO public.api_keys VALUES ('own $secret', '$stored', 'customer 7')");
				as('mover', $sql);
				$n++ if verdict($key, 'data', 'owner') eq 'VALID|customer 7' or diag("$form: $stored");
			}
		}
	}
	is($n, $secret, "$n keys of seven forms are valid");
}

# ---- Stripe's look

as('mover', (blocks("Prefixes like Stripe's"))[0]);
is(verdict('sk_live_51MzQ7rKx2vTbN8cYdW4hJ', 'data', 'workspace'), 'VALID|live', 'a live key');
is(verdict('sk_test_51MzQ7rKx2vTbN8cYdW4hJ', 'data', 'workspace'), 'VALID|test', 'a test key');
is(as('gateway', "SELECT code FROM apikeys.validate_key('sk_test_51MzQ7rKx2vTbN8cYdW4hJ', 'data', workspace => 'live')"), 'NOT_FOUND',
	'it is nobody\'s where live keys are asked for');
is(as('mover', "SELECT hint FROM apikeys.key_details(apikeys.key_id('shop', 'live'))"), 'sk_live...W4hJ', 'with its hint');
like(as('mover', "SELECT key FROM apikeys.create_key('new', '{data}', 'live')"), qr/^sk_live_\w{49}$/, 'a new key looks like the old ones');

# ---- Laravel Sanctum and prefixed-api-key

{
	my ($import, $requests) = blocks('Laravel Sanctum');
	my ($sanctum, $seam) = $requests =~ /^(SELECT [^;]+;)/mg;

	as('mover', $import);
	is(as('gateway', $sanctum =~ s/\$1/'17|M4kTq0zYc7WvHn2JpR8sXdL1bGfA5eU9oKiQ3yCt9688f216'/r), 't|VALID', 'Sanctum: a token with its number');
	is(as('gateway', $sanctum =~ s/\$1/'M4kTq0zYc7WvHn2JpR8sXdL1bGfA5eU9oKiQ3yCt9688f216'/r), 't|VALID', 'Sanctum: and without');
	is(as('gateway', $sanctum =~ s/\$1/'17|m4kTq0zYc7WvHn2JpR8sXdL1bGfA5eU9oKiQ3yCt9688f216'/r), 'f|NOT_FOUND', 'Sanctum: another token');
	# generateAPIKey({ keyPrefix: 'my_company' }) of prefixed-api-key 1.1.1
	is(as('gateway', $seam =~ s/\$1/'my_company_Hy8C7eB6_9o4ixDfhNAq7BqLXvspoDQpD'/r), 't|VALID', 'prefixed-api-key: its long token');
}

# ---- Adoption at first use

{
	my ($function) = blocks('Adoption at first use');
	my ($chapter) = $page =~ /^## Adoption at first use\n(.*)\z/ms;
	my %instead = $chapter =~ /^\| ([\w -]+)[^|]* \| .*?`((?:k|old)\.[^`]*=(?:[^`]|\\\|)*)`[^`]*\|$/mg;
	my $usual = q{k.key_hash = pg_catalog.encode(pg_catalog.sha512(pg_catalog.convert_to(secret, 'UTF8')), 'hex')};

	$node->safe_psql('shop', 'GRANT ALL ON public.old_keys TO mover; CREATE EXTENSION IF NOT EXISTS pgcrypto');
	like($function, qr/\Q$usual\E/, 'the function compares as this test expects');

	# what the old system stored, the function that finds it, and a secret
	my $adopt = sub {
		my ($what, $row, $sql, $secret, $wrong) = @_;

		$node->safe_psql('shop', "DROP FUNCTION IF EXISTS public.adopt_key(text); INSERT INTO public.old_keys VALUES ($row)");
		as('mover', "$sql; GRANT EXECUTE ON FUNCTION public.adopt_key(text) TO gateway");
		is(verdict($secret, 'data'), 'NOT_FOUND', "$what: not known");
		is(as('gateway', "SELECT public.adopt_key('$wrong')"), 'f', "$what: a wrong secret is not adopted");
		is(as('gateway', "SELECT public.adopt_key('$secret')"), 't', "$what: the right one is");
		is(verdict($secret, 'data', 'owner'), 'VALID|customer 9', "$what: and valid then");
		is(as('gateway', "SELECT public.adopt_key('$secret')"), 'f', "$what: once");
		is(verdict($wrong, 'data'), 'NOT_FOUND', "$what: the wrong one is not");
	};
	my $plain = 'old_' . sha256_hex('a');
	$adopt->('SHA-512', "1, 'sha512', 'customer 9', NULL, '" . sha512_hex($plain) . "'", $function, $plain, "${plain}x");

	# djangorestframework-api-key 3.1.0, crypto.py: 'sha512$$' and the hex of prefix.secret
	my $django = 'Zk3vTq9P.aB4cD6eF8gH0iJ2kL4mN6oP8qR0sT2uV';
	my $compare = $instead{'Django REST framework API Key '} // $instead{'Django REST framework API Key'};
	ok($compare, 'docs/ say how Django REST framework API Key compares') or diag explain \%instead;
	$adopt->('Django REST framework API Key', "2, 'drf', 'customer 9', 'Zk3vTq9P', 'sha512\$\$" . sha512_hex($django) . "'",
		$function =~ s/\Q$usual\E/$compare/r =~ s/k\.hashed_key/k.key_hash/r =~ s/\\\|/|/gr, $django, lc $django);

	# KeyHippo 1.2.5: 32 characters of base64, then 128 of hex, of which it keeps the SHA-512
	my $hex = sha512_hex('k');
	my $hippo = 'q83vASNFZ4mrze8BI0VniavN7wEjRWeJ' . $hex;
	$adopt->('KeyHippo', "3, 'hippo', 'customer 9', 'q83vASNFZ4mrze8BI0VniavN7wEjRWeJ', '" . sha512_hex($hex) . "'",
		$function =~ s/\Q$usual\E/k.prefix = pg_catalog.left(secret, -128) AND k.key_hash = pg_catalog.encode(pg_catalog.sha512(pg_catalog.convert_to(pg_catalog.right(secret, 128), 'UTF8')), 'hex')/r,
		$hippo, $hippo =~ s/.$/g/r);

	my $slow = 'bcr_pt_x' . sha256_hex('b');
	$adopt->('bcrypt', "4, 'bcrypt', 'customer 9', 'bcr_pt_x', public.crypt('$slow', public.gen_salt('bf', 4))",
		$function =~ s/\Q$usual\E/k.prefix = pg_catalog.left(secret, 8)/r =~ s/IF NOT FOUND THEN/IF NOT FOUND OR old.key_hash IS DISTINCT FROM public.crypt(secret, old.key_hash) THEN/r,
		$slow, "${slow}x" =~ s/b/c/r);

	my $mac = 'mac_' . sha256_hex('m');
	$adopt->('HMAC', "5, 'hmac', 'customer 9', NULL, '" . hmac_sha256_hex($mac, 'pepper') . "'",
		$function =~ s/\Q$usual\E/k.key_hash = pg_catalog.encode(public.hmac(secret, 'pepper', 'sha256'), 'hex')/r, $mac, "${mac}x");
	is($node->safe_psql('shop', 'SELECT count(*) FROM public.old_keys'), '0', 'nothing is left in the old table');
}

is($node->safe_psql('shop', 'SELECT bool_and(ok) FROM apikeys.verify_audit_logs()'), 't', 'the log verifies');
done_testing();
