#!/usr/bin/perl
# Runs policyd-weight once for each connection to a UNIX socket, under a clock of our own.
#
#     original.pl SCRIPT SOCKET USER
#
# The first line of a connection is "DIRECTORY WORD...": policyd-weight gets the words as its
# arguments, its clock reads DIRECTORY/clock, what it logs goes to DIRECTORY/log, and it runs as
# USER with the connection as standard input and output.  Its patience with name servers is
# shortened to SCALE of what is configured.
use strict;
use warnings;

my $SCALE = $ENV{PARITY_PATIENCE} || 0.2;
my $directory = '.';

sub now
{
	open(my $file, '<', "$directory/clock") or return 1_767_225_600;
	my $line = <$file>;
	return int($line);
}

BEGIN {
	require Time::HiRes;
	*CORE::GLOBAL::time = sub () { main::now() };
	*CORE::GLOBAL::alarm = sub (;$) { Time::HiRes::alarm(($_[0] || 0) * $SCALE) };
}

use Fcntl;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Net::DNS;
use Net::IP;
use POSIX ();
use Sys::Syslog;

{
	no warnings 'redefine';
	my $can_read = \&IO::Select::can_read;
	*IO::Select::can_read = sub { $can_read->($_[0], defined $_[1] ? $_[1] * $SCALE : undef) };
	*Sys::Syslog::setlogsock = sub { 1 };
	*Sys::Syslog::openlog = sub { 1 };
	*Sys::Syslog::syslog = sub {
		my ($priority, $format, @words) = @_;
		open(my $log, '>>', "$directory/log") or return;
		syswrite($log, sprintf($format, @words) . "\n");
	};
}

my ($script, $path, $user) = @ARGV;
my ($uid, $gid) = (getpwnam($user))[2, 3];
unlink $path;
my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 64) or die "$path: $!";
$SIG{CHLD} = 'IGNORE';

while (1) {
	my $connection = $listener->accept() or next;
	my $child = fork();
	if (!defined $child || $child > 0) {
		close($connection);
		next;
	}
	$SIG{CHLD} = 'DEFAULT';
	close($listener);
	my ($line, $byte) = ('', '');
	$line .= $byte while (sysread($connection, $byte, 1) && $byte ne "\n");
	($directory, @ARGV) = split / /, $line;
	POSIX::dup2(fileno($connection), 0);
	POSIX::dup2(fileno($connection), 1);
	close($connection);
	POSIX::setgid($gid);
	POSIX::setuid($uid);
	$0 = 'policyd-weight';
	no strict;
	no warnings;
	$^W = 0;
	do $script;
	POSIX::_exit(255);
}
