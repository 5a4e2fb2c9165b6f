# Reports by email, sent to a real mail server on loopback: what arrives is what was asked for, byte for byte; servers that hang
# up, refuse, do not answer or are not there; logins, TLS, OpenPGP; restarts and restores.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AkTest;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my ($python) = grep { system("$_ -c 'import aiosmtpd' >/dev/null 2>&1") == 0 } 'python3', '/usr/bin/python3';
plan skip_all => 'no aiosmtpd for python3' if !defined $python;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('main', conf => "apikeys.mail_retry_pause = 10ms\napikeys.smtp_timeout = 600s\napikeys.flush_interval = 1s\n"
	  . "apikeys.mail_from = '\"Schlüssel & Söhne, Abteilung Ä\" <reports\@example.com>'\n");
my $db = 'postgres';

my $lib = query($node, $db, "SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'");
install_in($node, $db);

# A build without libcurl has no more to show than this.
if (!-e "$lib/apikeys_mail.so")
{
	my (undef, undef, $complaint) = $node->psql($db, "SELECT apikeys.email_audit_logs('ann\@example.org')");
	like($complaint, qr/reports by email are not installed.*HINT:  Install that package; or libcurl/s, 'built without libcurl, it says what is missing');
	is(query($node, $db, 'SELECT count(*) FROM apikeys_internal.report'), 0, 'and queues nothing');
	done_testing();
	exit;
}
# A build without zlib does not know its function.
my $zlib = slurp_file("$lib/apikeys_mail.so") =~ /deflateInit2_/;

#
# The mail server: started and stopped at will, always on the same port.  This socket does not listen; it keeps the port from others
# while the server is down.
#
my $port_keeper = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp', ReuseAddr => 1, ReusePort => 1) or die "no port: $@";
my %server = (port => $port_keeper->sockport);
my $boxes = 0;

sub start_server
{
	my (@options) = @_;

	%server = (dir => "$dir/box" . ++$boxes, pid => undef, port => $server{port});
	mkdir $server{dir} or die;
	restart_server(@options);
	return;
}

sub restart_server
{
	my (@options) = @_;
	my $before = time;

	unlink "$server{dir}/port";
	$server{pid} = fork // die;
	if (!$server{pid})
	{
		open STDOUT, '>>', "$dir/server.out";
		open STDERR, '>>&', \*STDOUT;
		exec $python, "$FindBin::RealBin/smtp_server.py", $server{dir}, '--port', $server{port}, @options;
		exit 1;
	}
	until (-e "$server{dir}/port")
	{
		die 'the mail server does not start' if time > $before + 60;
		sleep 0.05;
	}
	return;
}

sub stop_server
{
	return if !$server{pid};
	kill 'KILL', $server{pid};
	waitpid $server{pid}, 0;
	$server{pid} = undef;
	return;
}
END { my $code = $?; stop_server(); $? = $code; }

# What the next connections meet: see smtp_server.py.
sub script
{
	open my $out, '>', "$server{dir}/script" or die;
	print $out "$_\n" foreach @_;
	close $out;
	return;
}

sub seen
{
	my ($n) = @_;
	my $file = "$server{dir}/$n.seen";

	return {} if !-e $file;
	return { map { /^([^:]*): (.*)$/ } split /\n/, slurp_file($file) };
}

sub file { my ($n, $kind) = @_; return -e "$server{dir}/$n.$kind" ? slurp_file("$server{dir}/$n.$kind") : undef; }
sub server_log { return -e "$server{dir}/log" ? join(', ', split /\n/, slurp_file("$server{dir}/log")) : ''; }

sub wait_log
{
	my ($pattern) = @_;

	for (my $i = 0; $i < 1800 && server_log() !~ $pattern; $i++)
	{
		sleep 0.1;
	}
	like(server_log(), $pattern, 'the mail server was reached');
	return;
}

# When this returns, every worker knows the settings.
sub configure
{
	my (%settings) = @_;

	# ALTER SYSTEM wants to know the setting
	$node->safe_psql($db, join "\n", q{LOAD 'apikeys';}, map { "ALTER SYSTEM SET apikeys.$_ = '$settings{$_}';" } sort keys %settings);
	$node->reload;
	# the server has read them when a new session knows them
	foreach my $name (keys %settings)
	{
		wait_for($node, $db, "SELECT COALESCE(current_setting('apikeys.$name', true), '') = '$settings{$name}'");
	}
	# a worker reads them between two rounds of its jobs; its successor does so at its start, and then looks for reports at once
	# (asked from elsewhere, since at its end it waits for sessions of its database)
	query($node, 'template1', "SELECT count(pg_terminate_backend(pid, 180000)) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'");
	return;
}

sub ask { my ($arguments) = @_; return query($node, $db, "SELECT apikeys.email_audit_logs($arguments)"); }
sub state_of { my ($id) = @_; return query($node, $db, "SELECT state, attempts, COALESCE(last_error, '') FROM apikeys.reports WHERE report_id = '$id'"); }

# The end of a report's file name: its id and the day on which it was asked for.
sub file_name_end { my ($id) = @_; return query($node, $db, "SELECT report_id || to_char(asked_at AT TIME ZONE 'UTC', '_YYYY-MM-DD.csv') FROM apikeys.reports WHERE report_id = '$id'"); }

# A test: the report comes to that state, with so many attempts and an error like that.
sub comes_to
{
	my ($id, $state, $attempts, $error, $what) = @_;

	wait_for($node, $db, "SELECT state = '$state' FROM apikeys.reports WHERE report_id = '$id'");
	my ($is, $count, $last) = split /\|/, state_of($id), 3;
	is("$is after $count", "$state after $attempts", "$what: $state, attempts");
	like($last // '', $error, "$what: last error") if defined $error;
	return;
}

# What a report without filters must be, as of now: export_audit_logs, CRLF, formulas defused.
sub expected_csv
{
	my ($arguments) = @_;

	my $csv = query($node, $db, "SELECT apikeys.export_audit_logs($arguments)");

	$csv =~ s/(^|,)("?)(?=[=+\-@])/$1$2'/gm;
	return $csv =~ s/\n/\r\n/gr . "\r\n";
}

# A test: the same bytes; or the first line that differs.
sub same_csv
{
	my ($got, $wanted, $what) = @_;
	my @got = split /(?<=\n)/, $got // 'nothing';
	my @wanted = split /(?<=\n)/, $wanted;

	ok(($got // 'nothing') eq $wanted, $what) and return;
	for (my $i = 0; $i < @got || $i < @wanted; $i++)
	{
		next if ($got[$i] // '') eq ($wanted[$i] // '');
		diag('line ' . ($i + 1) . ': got ' . ($got[$i] // 'nothing') . ' expected ' . ($wanted[$i] // 'nothing'));
		last;
	}
	return;
}

start_server();
configure(smtp_url => "smtp://127.0.0.1:$server{port}");

#
# As asked for, byte for byte.
#
my $long = 'Ключ «日本語» – ' . ('😀' x 80);
$node->safe_psql($db, "SELECT apikeys.create_workspace('Acme.Inc-1'); BEGIN; SELECT apikeys.act_as('Jürgen Groß, \"JG\"', '$long'); "
	  . "SELECT count(*) FROM apikeys.create_key('$long', '{data}', 'Acme.Inc-1'); COMMIT;");
my $expected = expected_csv("workspace => 'Acme.Inc-1'");
my $id = ask("'ann\@example.org', workspace => 'Acme.Inc-1'");
comes_to($id, 'sent', 1, qr/^$/, 'a report');
my $mail = seen(1);
same_csv(file(1, 'attachment'), $expected, 'the attachment is the CSV');
is($mail->{'file name'}, 'Acme.Inc-1_' . file_name_end($id), 'its name');
is($mail->{'file type'}, 'text/csv', 'its type');
is($mail->{envelope}, 'reports@example.com -> ann@example.org', 'the envelope');
is($mail->{from}, 'Schlüssel & Söhne, Abteilung Ä / reports@example.com', 'From');
is($mail->{to}, 'ann@example.org', 'To');
is($mail->{subject}, 'Audit log of workspace Acme.Inc-1', 'Subject');
is($mail->{id}, "<$id\@example.com>", 'Message-ID');
is($mail->{date}, query($node, $db, "SELECT to_char(asked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"+00:00\"') FROM apikeys.reports"), 'Date');
is($mail->{headers}, 'Content-Type Mime-Version Date From To Subject Message-ID Auto-Submitted', 'no other header');
is($mail->{defects}, 0, 'a reader of mail finds no defect');
is($mail->{'bare line ends'}, 0, 'every line ends in CRLF');
is($mail->{'not ASCII'}, 0, 'all is ASCII');
cmp_ok($mail->{'longest line'}, '<=', 998, 'no line is too long');
like(file(1, 'body'), qr/Entries: 2\r\n.*Report: $id\r\n/s, 'the body tells of the report');

# Formulas, and filters that are nearly headers.
foreach my $actor ('=1+1', '+1', '-1', '@SUM(1)', "a\"b,c'd")
{
	$node->safe_psql($db, "BEGIN; SELECT apikeys.act_as(\$q\$$actor\$q\$, \$q\$$actor\$q\$); SELECT apikeys.update_workspace('Acme.Inc-1', \$q\$$actor\$q\$); COMMIT");
}
my $filters = "search => E'=1\\r\\nBcc: eve\@example.org\\r\\n\\r\\n'";
$id = ask("'ann\@example.org', $filters");
comes_to($id, 'sent', 1, qr/^$/, 'a search with line ends');
is(seen(2)->{headers}, $mail->{headers}, 'no header from a search');
is(seen(2)->{subject}, 'Audit log', 'Subject of all workspaces');
is(seen(2)->{'file name'}, 'all_' . file_name_end($id), 'the name of a report of all');
is(file(2, 'attachment'), "Time,Team,Entity,Activity,Action,Actor,IP\r\n", 'a report of nothing');
like(file(2, 'body'), qr/Bcc: eve/, 'the search is in the body');
$expected = expected_csv("entities => '{Workspaces}', actions => '{Update}'");
comes_to(ask("'ann\@example.org', entities => '{Workspaces}', actions => '{Update}'"), 'sent', 1, qr/^$/, 'formulas');
same_csv(file(3, 'attachment'), $expected, 'formulas are defused');
like($expected, qr/,'=1\+1,.*,'=1\+1,/, 'there were formulas');

# Only what was there when it was asked for, though what commits later has the lower number; and only what is committed.
my $late = $node->background_psql($db);
$late->query_safe("BEGIN; SELECT apikeys.create_workspace('late')");
my $taken = () = glob "$server{dir}/*.raw";
my $asking = $node->background_psql($db);
$asking->query_safe('BEGIN');
chomp($id = $asking->query_safe("SELECT apikeys.email_audit_logs('bob\@example.org')"));
$late->query_safe('COMMIT');
$late->quit;
sleep 0.5;
is(scalar(() = glob "$server{dir}/*.raw"), $taken, 'nothing is mailed before the commit');
$asking->query_safe('COMMIT');
$asking->quit;
comes_to($id, 'sent', 1, qr/^$/, 'after the commit');
unlike(file($taken + 1, 'attachment'), qr/late/, 'what committed later is not in it');
$node->safe_psql($db, "BEGIN; SELECT apikeys.email_audit_logs('bob\@example.org'); ROLLBACK");
is(query($node, $db, "SELECT count(*) FROM apikeys_internal.report WHERE content IS NOT NULL"), 0, 'nothing is left of what was sent or rolled back');

#
# Servers that misbehave.  Five attempts, always the same mail.
#
start_server_anew();
script('hang-up', 'rcpt 450 4.2.0 greylisted', 'lose-ack', 'data 451 4.3.0 try later');
$id = ask("'ann\@example.org'");
comes_to($id, 'sent', 5, qr/^$/, 'hung up, put off, acknowledgement lost, put off, taken');
# but for the mark between its parts, which libcurl draws anew
my ($first, $second) = map { file($_, 'raw') =~ s/-{24}\w+/MARK/gr } 1, 2;
is($first, $second, 'the mail that came twice is the same');
is(seen(1)->{id}, "<$id\@example.com>", 'and has the same Message-ID');
like(server_log(), qr/^hung up, rcpt 450 .*, taken, acknowledgement lost, data 451 .*, taken$/, 'as the script says');

start_server_anew();
script(('hang-up') x 5);
$id = ask("'ann\@example.org'");
comes_to($id, 'failed', 5, qr/./, 'five attempts');
sleep 0.5;
is(server_log(), join(', ', ('hung up') x 5), 'there is no sixth');

start_server_anew();
script('rcpt 550 5.1.1 no such user', 'data 554 5.7.1 looks like spam', 'rcpt 530 5.7.0 login first');
$id = ask("'ann\@example.org'");
comes_to($id, 'failed', 1, qr/550 5\.1\.1 no such user$/, 'no such user');
$node->safe_psql($db, "SELECT apikeys.release_report('$id')");
comes_to($id, 'failed', 1, qr/554 5\.7\.1 looks like spam$/, 'spam');
$node->safe_psql($db, "SELECT apikeys.release_report('$id')");
comes_to($id, 'sent', 2, qr/^$/, 'released; a login that is missing can be put right');
is(seen(1)->{id}, "<$id\@example.com>", 'still the same Message-ID');

# One that says nothing, and one that is not there.  The pauses are long until the next attempt may be made: a shorter one, too, holds for
# reports that wait already.
start_server_anew();
configure(smtp_timeout => '1s', mail_retry_pause => '1h');
script('mute');
$id = ask("'ann\@example.org'");
ok(wait_for($node, $db, "SELECT last_error IS NOT NULL FROM apikeys.reports WHERE report_id = '$id'"), 'silence ends an attempt');
configure(smtp_timeout => '600s', mail_retry_pause => '10ms');
comes_to($id, 'sent', 2, qr/^$/, 'silence');
is(server_log(), 'mute, taken', 'it was silent');
stop_server();
configure(mail_retry_pause => '1h');
$id = ask("'ann\@example.org'");
wait_for($node, $db, "SELECT last_error IS NOT NULL FROM apikeys.reports WHERE report_id = '$id'");
like(state_of($id), qr/^queued\|1\|.*onnect/, 'no server: it is queued still');
configure(mail_retry_pause => '30min');
wait_for($node, $db, "SELECT attempts = 2 FROM apikeys.reports WHERE report_id = '$id'");
like(state_of($id), qr/^queued\|2\|.*onnect/, 'and after the next attempt');
restart_server();
configure(mail_retry_pause => '10ms');
comes_to($id, 'sent', 3, qr/^$/, 'the server is back');

# A worker that dies in the middle, and a server that is restarted.
start_server_anew();
script('mute', 'mute');
$id = ask("'ann\@example.org'");
wait_for($node, $db, "SELECT attempts = 1 FROM apikeys.reports WHERE report_id = '$id'");
wait_log(qr/mute/);
# its other jobs have short ones
ok(wait_for($node, $db, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'apikeys worker' AND xact_start IS NULL"),
	'no transaction is open while it talks');
SKIP:
{
	skip 'no /proc', 1 if !-r '/proc/self/maps';
	# the one that talks: while it does, it does not end
	like(slurp_file('/proc/' . query($node, $db, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'apikeys worker'") . '/maps'),
		qr/libcurl/, 'the worker has libcurl');
}
my ($secret_key, $key_id) = split /\|/, query($node, $db, "SELECT key, key_id FROM apikeys.create_key('used meanwhile', '{data}')");
query($node, $db, "SELECT apikeys.validate_key('$secret_key')");
ok(wait_for($node, $db, "SELECT EXISTS (SELECT FROM apikeys_internal.usage_hour WHERE key_id = '$key_id')"), 'its other work goes on meanwhile');
is(state_of($id), 'queued|1|', 'the mail server is still silent');
$node->safe_psql($db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'apikeys worker'");
wait_log(qr/mute, mute/);
# not restart(), which would start it around the wrapper of the sanitizers
$node->stop('fast');
$node->start;
query($node, $db, "SELECT code FROM apikeys.validate_key('x')");
my $wake = ask("'wake\@example.org'");
comes_to($id, 'sent', 3, qr/^$/, 'a worker was killed, the server restarted');
comes_to($wake, 'sent', 1, qr/^$/, 'and so was the report that woke it');

#
# Large ones.
#
start_server_anew();
$node->safe_psql($db, "SELECT count(apikeys.add_team_member('actor ' || n, 'team ' || md5(n::text))) FROM generate_series(1, 9000) AS n");
$expected = expected_csv("entities => '{Teams}'");
cmp_ok(length $expected, '>', 1024 * 1024, 'a large report');
$id = ask("'ann\@example.org', entities => '{Teams}'");
comes_to($id, 'sent', 1, qr/^$/, 'a large report');
if ($zlib)
{
	is(seen(1)->{'file name'}, 'all_' . file_name_end($id) . '.gz', 'is compressed');
	is(seen(1)->{'file type'}, 'application/gzip', 'and says so');
	my ($code, $csv) = run_code([ 'gzip', '-dc' ], stdin => file(1, 'attachment'));
	same_csv($csv, $expected, 'gzip gets the CSV out of it');
	unlike(file(1, 'body'), qr/zlib/, 'nothing is missing');
}
else
{
	is(seen(1)->{'file name'}, 'all_' . file_name_end($id), 'without zlib, it comes as it is');
	is(seen(1)->{'file type'}, 'text/csv', 'and says so');
	same_csv(file(1, 'attachment'), $expected, 'all of it');
	like(file(1, 'body'), qr/not compressed: apikeys was built without zlib\.\r\n/, 'and why');
}
my $entries = query($node, $db, "SELECT count(*) FROM apikeys.audit_log");
configure(max_report_size => '1000kB');
$id = ask("'ann\@example.org', entities => '{Teams}'");
comes_to($id, 'failed', 0, qr/larger than apikeys\.max_report_size/, 'too large');
is(query($node, $db, "SELECT count(*) FROM apikeys.audit_log"), $entries, 'no entry tells of what is not mailed');
my ($rc, undef, $complaint) = $node->psql($db, "SELECT apikeys.release_report('$id')");
like($complaint, qr/too large/, 'nor can it be released');
configure(max_report_size => '20MB');

#
# OpenPGP: GnuPG opens what is encrypted to its key.
#
SKIP:
{
	my $home = PostgreSQL::Test::Utils::tempdir_short();
	my @gpg = ('gpg', '--homedir', $home, '--batch', '--quiet', '--no-tty');
	chmod 0700, $home;
	skip 'no gpg', 5 if (run_code([ 'gpg', '--version' ]))[0] != 0;

	my ($code, undef, $err) = run_code([ @gpg, '--passphrase', '', '--quick-generate-key', 'Ann <ann@example.org>', 'rsa2048', 'default', 'never' ]);
	my ($fingerprint) = (run_code([ @gpg, '--list-keys', '--with-colons' ]))[1] =~ /^fpr:+([0-9A-F]+):/m;
	run_code([ @gpg, '--passphrase', '', '--quick-add-key', $fingerprint, 'rsa2048', 'encr', 'never' ]);
	my ($key) = (run_code([ @gpg, '--armor', '--export', $fingerprint ]))[1];

	start_server_anew();
	$expected = expected_csv("workspace => 'Acme.Inc-1'");
	$id = ask("'ann\@example.org', workspace => 'Acme.Inc-1', encrypt_to => convert_to('$key', 'UTF8')");
	comes_to($id, 'sent', 1, qr/^$/, 'an encrypted report');
	is(seen(1)->{'file name'}, 'Acme.Inc-1_' . file_name_end($id) . '.pgp', 'its name');
	my ($status, $csv, $complaints) = run_code([ @gpg, '--decrypt' ], stdin => file(1, 'attachment'));
	is($status, 0, 'GnuPG decrypts it') or diag($complaints);
	same_csv($csv, $expected, 'to the CSV');
	run_code([ 'gpgconf', '--homedir', $home, '--kill', 'all' ]);
}

#
# Logins and TLS.  To this very machine a login may go in the clear; 127.1 is no name of it that is known as one.
#
my $secret = 'Geheim-4711';
sub write_netrc
{
	my ($password, $mode) = @_;

	open my $out, '>', "$dir/netrc" or die;
	print $out "machine $_ login keys password $password\n" foreach '127.0.0.1', '127.1', 'localhost';
	close $out;
	chmod $mode // 0600, "$dir/netrc";
	return;
}
sub certificate
{
	my ($name) = @_;

	run_code([ 'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', "/CN=$name",
		'-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', "$dir/$name.key", '-out', "$dir/$name.crt" ]);
	return ('--cert', "$dir/$name.crt", '--key', "$dir/$name.key");
}

write_netrc($secret);
start_server_anew('--login', "keys:$secret");
comes_to(ask("'ann\@example.org'"), 'failed', 5, qr/530/, 'no login');
configure(smtp_netrc => "$dir/netrc");
comes_to(ask("'ann\@example.org'"), 'sent', 1, qr/^$/, 'a login on loopback');
is(server_log(), 'logged in, taken', 'logged in');
configure(smtp_url => "smtp://127.1:$server{port}");
comes_to(ask("'ann\@example.org'"), 'failed', 5, qr/./, 'a login over a wire needs TLS');
is(server_log(), 'logged in, taken', 'and is not sent');
write_netrc('wrong');
configure(smtp_url => "smtp://127.0.0.1:$server{port}");
comes_to(ask("'ann\@example.org'"), 'failed', 5, qr/535/, 'a wrong login');
is(server_log(), join(', ', 'logged in, taken', ('wrong login') x 5), 'it was tried');
unlink "$dir/netrc";
comes_to(ask("'ann\@example.org'"), 'failed', 5, qr/smtp_netrc names cannot be read$/, 'no file with the login');

write_netrc($secret, 0640);
comes_to(ask("'ann\@example.org'"), 'sent', 1, qr/^$/, 'a login that others can read');
like(slurp_file($node->logfile), qr/WARNING: .* can be read by others/, 'is told of');
write_netrc($secret);
my @tls = certificate('right');
my @other = certificate('other');
start_server_anew(@tls, '--login', "keys:$secret", '--tls-first');
configure(smtp_url => "smtp://127.0.0.1:$server{port}");
comes_to(ask("'ann\@example.org'"), 'sent', 1, qr/^$/, 'STARTTLS on loopback');
is(server_log(), 'logged in, over TLS, taken', 'over TLS');
configure(smtp_url => "smtp://127.1:$server{port}", smtp_ca => "$dir/other.crt");
comes_to(ask("'ann\@example.org'"), 'failed', 5, qr/certificate/i, 'another certificate');
configure(smtp_ca => "$dir/right.crt");
comes_to(ask("'ann\@example.org'"), 'sent', 1, qr/^$/, 'STARTTLS and a login over a wire');
is(server_log(), join(', ', ('logged in, over TLS, taken') x 2), 'over TLS, and nothing to the impostor');
start_server_anew(@tls, '--smtps', '--login', "keys:$secret");
configure(smtp_url => "smtps://127.0.0.1:$server{port}");
comes_to(ask("'ann\@example.org'"), 'sent', 1, qr/^$/, 'smtps');
configure(smtp_ca => '');
comes_to(ask("'ann\@example.org'"), 'failed', 5, qr/certificate/i, 'smtps always looks at the certificate');
is(server_log(), 'logged in, taken', 'one of the two');
start_server_anew();
configure(smtp_netrc => '', smtp_url => "smtp://127.1:$server{port}");
comes_to(ask("'ann\@example.org'"), 'sent', 1, qr/^$/, 'over a wire, without a login, TLS is offered');
unlike(slurp_file($node->logfile), qr/\Q$secret\E|wrong login/, 'no password in the log');

#
# A dump: what was queued is held where it is restored, and comes when it is released.
#
stop_server();
configure(smtp_netrc => '', smtp_url => '');
my $sent = query($node, $db, "SELECT min(report_id::text) FROM apikeys.reports WHERE state = 'sent'");
$node->safe_psql($db, "SELECT apikeys.act_as('ann'); SELECT apikeys.create_workspace('dumped')");
$expected = expected_csv("workspace => 'dumped'");
$id = ask("'ann\@example.org', workspace => 'dumped'");
my $dump = "$dir/dump.sql";
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
run_ok('pg_dump', [ 'pg_dump', '-f', $dump, $db ]);
$node->safe_psql($db, "DELETE FROM apikeys_internal.report WHERE report_id = '$id'");
$node->safe_psql('template1', 'CREATE DATABASE restored TEMPLATE template0');
run_ok('psql', [ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $dump, 'restored' ]);
start_server_anew();
configure(smtp_url => "smtp://127.0.0.1:$server{port}");
query($node, 'restored', "SELECT apikeys.validate_key('x')");
is(query($node, 'restored', "SELECT state FROM apikeys.reports WHERE report_id = '$id'"), 'held', 'restored, it is held');
is(query($node, 'restored', "SELECT state FROM apikeys.reports WHERE report_id = '$sent'"), 'sent', 'what was sent was sent');
my $held = query($node, 'restored', "SELECT apikeys.email_audit_logs('new\@example.org')");
wait_for($node, 'restored', "SELECT state = 'sent' FROM apikeys.reports WHERE report_id = '$held'");
is(seen(1)->{id}, "<$held\@example.com>", 'a new report goes out, the held one does not');
$node->safe_psql('restored', "SELECT apikeys.release_report('$id')");
wait_for($node, 'restored', "SELECT state = 'sent' FROM apikeys.reports WHERE report_id = '$id'");
is(seen(2)->{id}, "<$id\@example.com>", 'until it is released');
same_csv(file(2, 'attachment'), $expected, 'and is what was asked for before the dump');
# a dump in which somebody has put a line behind the recipient
my $forged = query($node, 'restored', "INSERT INTO apikeys_internal.report (report_id, recipient, encrypted, asked_at, asked_by, state, queued_at, content) "
	  . "VALUES (gen_random_uuid(), E'ann\@example.org>\\r\\nBcc: <eve\@example.org', false, now(), 'ann', 'queued', now(), 'x') RETURNING report_id");
is(query($node, 'restored', "SELECT state FROM apikeys.reports WHERE report_id = '$forged'"), 'held', 'one that is no email address is held, too');
$node->safe_psql('restored', "SELECT apikeys.release_report('$forged')");
wait_for($node, 'restored', "SELECT last_error IS NOT NULL FROM apikeys.reports WHERE report_id = '$forged'");
is(query($node, 'restored', "SELECT last_error FROM apikeys.reports WHERE report_id = '$forged'"), 'the recipient is not an email address', 'released, it is not sent');

#
# A database in another encoding: what is mailed is UTF-8.
#
start_server_anew();
$node->safe_psql('template1', "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
install_in($node, 'latin');
$node->safe_psql('latin', "SET client_encoding = 'UTF8'; BEGIN; SELECT apikeys.act_as('Jürgen'); SELECT count(*) FROM apikeys.create_key('Schlüssel', '{data}'); "
	  . "SELECT apikeys.email_audit_logs('ann\@example.org', 'ü'); COMMIT");
wait_for($node, 'latin', "SELECT state = 'sent' FROM apikeys.reports");
like(file(1, 'attachment'), qr/"Created key ""Schlüssel""",Create,Jürgen,\r\n/, 'a report from LATIN1');
like(file(1, 'body'), qr/"ü".*Asked for by: Jürgen\r\n/s, 'and what is said of it');

#
# Without the library that sends.  A copy of the extension's own library stands alone.
#
mkdir "$dir/alone" or die;
PostgreSQL::Test::Utils::system_or_bail('cp', "$lib/apikeys.so", "$dir/alone/apikeys.so");
($rc, undef, $complaint) = $node->psql($db, "\\set VERBOSITY verbose\n"
	  . "CREATE FUNCTION public.alone(recipient text, search text, workspace text, teams text[], actions text[], actors text[], since timestamptz, "
	  . "until timestamptz, entities text[], key_id uuid, encrypt_to bytea) RETURNS uuid LANGUAGE C AS '$dir/alone/apikeys.so', 'ak_email_audit_logs';\n"
	  . "SELECT public.alone('ann\@example.org', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)");
like($complaint, qr/ERROR:  0A000: .*not installed.*HINT:  Install that package; or libcurl/s, 'without libcurl, it says what is missing');

# No backend but the worker has libcurl.
ok(wait_for($node, $db, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"), 'no other session');
SKIP:
{
	skip 'no /proc', 1 if !-r '/proc/self/maps';
	unlike(query($node, $db, "SELECT string_agg(line, E'\\n') FROM (SELECT apikeys.email_audit_logs('ann\@example.org')) AS a, "
		  . "regexp_split_to_table(pg_read_file('/proc/self/maps', 0, 1000000), E'\\n') AS line"), qr/libcurl/, 'a backend that asks for a report has not');
}

is(problems($node, $db), '', 'the log is in order');
done_testing();

# A new box and a server for it, on the same port.
sub start_server_anew
{
	stop_server();
	start_server(@_);
	return;
}
