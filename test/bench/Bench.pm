# test/bench/Bench.pm: what test/bench/run and test/bench/peers share: statements, runs of pgbench, and the table of figures.
#
# The table puts a figure beside its goal. A ratio is the median of the rounds' ratios. CPU time is that of backends that have
# ended, which their postmaster's /proc entry tells.

package Bench;

use strict;
use warnings;

use Cwd 'abs_path';
use Exporter 'import';
use File::Basename 'dirname';
use IO::Handle;
use Time::HiRes qw(sleep time);

our @EXPORT = qw($here $tmp $begun $server @rows @notes say_progress capture psql sql app_sql median percentile number
	each_round ratio row fact measure pgbench growth_of ask_once restart_server data_directory postmaster print_table);

our $here = dirname(abs_path(__FILE__));
our $tmp = $ENV{WORK} or die "test/bench: `make bench` runs this\n";
our $begun = time;
our (@rows, @notes);
my $markdown = ($ENV{FORMAT} // '') eq 'markdown';

# ---------------------------------------------------------------- helpers

sub say_progress { printf STDERR "-- %4d s  %s\n", time - $begun, "@_"; return; }

sub capture
{
	my @command = @_;
	open(my $pipe, '-|', @command) or die "could not run $command[0]: $!\n";
	my @lines = <$pipe>;
	close($pipe) or die "failed: @command\n";
	chomp @lines;
	return @lines;
}

sub psql { my ($db, @args) = @_; return capture('psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $db, @args); }
sub sql { my ($db, $sql) = @_; return psql($db, '-c', $sql); }

# A statement as the application's role, which is no superuser.
sub app_sql { my ($db, $sql) = @_; return psql($db, '-U', 'bench_app', '-c', $sql); }

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return @sorted % 2 ? $sorted[ $#sorted / 2 ] : ($sorted[ @sorted / 2 - 1 ] + $sorted[ @sorted / 2 ]) / 2;
}

sub percentile { my ($p, @sorted) = @_; return $sorted[ int($p / 100 * $#sorted + 0.5) ]; }
sub number { my $n = reverse shift; $n =~ s/(\d{3})(?=\d)/$1,/g; return scalar reverse $n; }

# Per-round lists, element by element.
sub each_round
{
	my ($code, @lists) = @_;
	return map { my $i = $_; $code->(map { $_->[$i] } @lists) } 0 .. $#{ $lists[0] };
}
sub ratio { my ($x, $y) = @_; return median(each_round(sub { $_[0] / $_[1] }, $x, $y)); }

# Add a line to the table. goal: "<= 3.0" or ">= 0.75", in the figure's unit.
sub row
{
	my ($figure, $value, $unit, $goal, $decimals) = @_;
	my $met = '';
	if (defined $goal)
	{
		my ($relation, $bound) = split ' ', $goal;
		$met = ($relation eq '<=' ? $value <= $bound : $value >= $bound) ? 'met' : 'missed';
	}
	push @rows, [ $figure, sprintf('%.*f %s', $decimals // 2, $value, $unit), defined $goal ? "$goal $unit" : '', $met ];
	return;
}

# Add a line that has no goal, as it is to be read.
sub fact { my ($figure, $text) = @_; push @rows, [ $figure, $text, '', '' ]; return; }

# The timings of one kind of arms: arm -> microseconds a call, one for each round. Adds to what is there.
sub measure
{
	my ($into, $db, $user, $kind, $n) = @_;
	my @lines = psql($db, '-U', $user, '-c', 'TRUNCATE bench.timing', '-c', "CALL bench.measure('$kind', $n)",
		'-c', 'SELECT arm, us FROM bench.timing ORDER BY arm, round');
	for (@lines)
	{
		my ($arm, $us) = split /\|/;
		push @{ $into->{$arm} }, $us;
	}
	return;
}

# The directory of the server's data, and the pid of its postmaster.
sub data_directory { return (sql('postgres', 'SHOW data_directory'))[0]; }

sub postmaster
{
	open(my $in, '<', data_directory() . '/postmaster.pid') or die "postmaster.pid: $!\n";
	my ($pid) = <$in> =~ /(\d+)/;
	close $in;
	return $pid;
}

# The CPU time of all backends that have ended, in seconds. undef where there is no /proc.
my ($pid_kept, $ticks);
sub ended_cpu
{
	$pid_kept //= postmaster();
	$ticks //= (capture('getconf', 'CLK_TCK'))[0];
	open(my $in, '<', "/proc/$pid_kept/stat") or return;
	my @field = split ' ', <$in> =~ s/.*\) //r;
	close $in;
	return ($field[13] + $field[14]) / $ticks;
}

# Restarts the server, by which it forgets what it has counted.
sub restart_server
{
	capture('pg_ctl', '-s', '-w', '-m', 'fast', '-D', data_directory(), '-l', "$tmp/server.log", 'restart');
	undef $pid_kept;
	return;
}

# One run of pgbench: clients, and a statement that may use :i, a random number from 0 to 9999. With "warm", a statement that each
# connection sends first, the first warm_seconds (1) are not measured; it must have ended by then. Returns tps, times (sorted
# latencies in microseconds, of three in ten) and cpu: CPU time of the backend, in microseconds a transaction, with its share
# of what "warm" took.
sub pgbench
{
	my ($db, $clients, $seconds, $statement, %opt) = @_;
	my $script = "$tmp/script.sql";
	my $warm = defined $opt{warm} ? $opt{warm_seconds} // 1 : 0;
	my @count = $opt{transactions} ? ('-t', $opt{transactions}) : ('-T', $seconds + $warm);
	open(my $file, '>', $script) or die "$script: $!\n";
	print $file "\\if :new\n$opt{warm}\n\\set new 0\n\\endif\n" if $warm;
	print $file "\\set i random(0, 9999)\n$statement\n";
	close $file;
	unlink glob("$tmp/latency.*");
	my $counted_from = time + $warm;
	my $cpu = ended_cpu();
	my @out = capture('pgbench', '-n', '-M', 'prepared', '-U', $opt{user} // 'bench_app', '-c', $clients, '-j', $clients > 4 ? 2 : 1,
		@count, '-l', "--log-prefix=$tmp/latency", '-D', 'new=1', '--sampling-rate=0.3', '-f', $script, @{ $opt{args} // [] }, $db);
	my $processed = "@out" =~ /transactions actually processed: (\d+)/ ? $1 : die "pgbench said:\n@out\n";
	my $tps = "@out" =~ /tps = ([0-9.]+)/ ? $1 : die "pgbench said:\n@out\n";
	my (@latencies, $logged, $last_us);
	for my $log (glob("$tmp/latency.*"))
	{
		open(my $in, '<', $log) or die "$log: $!\n";
		while (my $line = <$in>)
		{
			my (undef, undef, $us, undef, $second, $rest) = split ' ', $line;
			$logged++;
			$last_us = $us;
			push @latencies, $us if $second + $rest / 1e6 > $counted_from;
		}
		close $in;
	}
	my %result = (transactions => $processed);
	if (defined $cpu)
	{
		sleep 0.1;	# the last backends end
		$result{cpu} = (ended_cpu() - $cpu) * 1e6 / $processed;
	}
	if (!$warm || !@latencies)	# or too busy to get warm within a second
	{
		@latencies = ($last_us // 0) unless @latencies;
		return { %result, tps => $tps, times => [ sort { $a <=> $b } @latencies ] };
	}
	return { %result, tps => @latencies * $processed / $logged / $seconds, times => [ sort { $a <=> $b } @latencies ] };
}

# A file of /proc about a backend: one of its figures, in kB. Nothing where there is no /proc.
sub memory_of
{
	my ($pid, $figure) = @_;
	open(my $status, '<', "/proc/$pid/status") or return;
	my ($kb) = map { /^$figure:\s+(\d+) kB/ ? $1 : () } <$status>;
	close $status;
	return $kb;
}

# How many MB a backend grows while it runs a statement, after another one warmed it up. Nothing where there is no /proc.
sub growth_of
{
	my ($db, $first, $statement) = @_;
	my $out = "$tmp/grow.out";
	my ($before, $most);
	open(my $psql, '|-', "psql -XqAt -v ON_ERROR_STOP=1 -d $db >$out") or die "could not run psql: $!\n";
	$psql->autoflush(1);
	print $psql "SELECT 'pid ' || pg_backend_pid();\n$first;\n\\echo begins\n$statement;\n\\echo ends\n";
	for (1 .. 6000)
	{
		sleep 0.1;
		open(my $in, '<', $out) or next;
		my $said = join '', <$in>;
		close $in;
		if ($said =~ /^pid (\d+)\n.*^begins/ms)
		{
			my $kb = memory_of($1, 'RssAnon') or last;
			$before //= $kb;
			$most = $kb if !defined $most || $kb > $most;
		}
		last if $said =~ /^ends/m;
	}
	close $psql;
	return defined $before ? ($most - $before) / 1024 : undef;
}

# -------------------------------------------------------------------- table

# The rows as two tables of Markdown: what was measured with several numbers of keys, with a column for each; and the rest.
sub print_markdown
{
	my (@figures, @sizes, %value, %goal, @rest);
	for (@rows)
	{
		my ($figure, $measured, $goal, $met) = @$_;
		$measured .= ', missed' if $met eq 'missed';
		if ($figure =~ /^(.*), ([0-9,]+ keys)$/)
		{
			my ($base, $size) = ($1, $2);
			push @figures, $base unless $value{$base};
			push @sizes, $size unless grep { $_ eq $size } @sizes;
			$value{$base}{$size} = $measured;
			$goal{$base} ||= $goal;
		}
		else { push @rest, [ $figure, $measured, $goal ]; }
	}
	my $print = sub { print '| ', join(' | ', @_), " |\n"; return; };
	if (@figures)
	{
		$print->('figure', @sizes, 'goal');
		print '|---' x (@sizes + 2), "|\n";
		for my $figure (@figures) { $print->($figure, (map { $value{$figure}{$_} // '' } @sizes), $goal{$figure}); }
		print "\n";
	}
	$print->('figure', 'measured', 'goal');
	print "|---|---|---|\n";
	$print->(@$_) for @rest;
	return;
}

sub print_table
{
	my @lines = ([ 'figure', 'measured', 'goal', '' ], @rows);
	my @width = (0) x 4;
	for my $line (@lines)
	{
		for (0 .. 3) { $width[$_] = length $line->[$_] if length $line->[$_] > $width[$_]; }
	}
	if ($markdown) { print_markdown(); }
	else
	{
		for my $i (0 .. $#lines)
		{
			print join('  ', map { sprintf '%-*s', $width[$_], $lines[$i][$_] } 0 .. 3) =~ s/\s+$//r, "\n";
			print join('  ', map { '-' x $_ } @width), "\n" if $i == 0;
		}
	}
	my ($version) = sql('postgres', 'SHOW server_version');
	my $missed = grep { $_->[3] eq 'missed' } @rows;
	my $goals = grep { $_->[3] ne '' } @rows;
	print "\n$_\n" for @notes,
		sprintf('%d of %d goals met. PostgreSQL %s, %d processors, %d s. Load average %s.', $goals - $missed, $goals, $version,
		(capture('nproc'))[0], time - $begun, (split ' ', (capture('cat', '/proc/loadavg'))[0])[0]);
	return;
}

1;
