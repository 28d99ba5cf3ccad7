package MaasCli;

# Tests of the maas command: run() it, look at status, stdout and stderr.
# Core Perl only.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw($root $build $tmp $digits maas run slurp spew npy pb json
                 wait_until);

our $root = abs_path(dirname(__FILE__) . '/../..');
our $build = abs_path($ENV{MAAS_BUILD} || "$root/build");
our $tmp = tempdir('maas_XXXXXX', TMPDIR => 1, CLEANUP => 1);
our $digits = "$root/conf/models/digits";

umask 022;
$ENV{LC_ALL} = 'C.UTF-8';
BAIL_OUT("$build/maas is missing: run make") if !-x "$build/maas";


sub slurp {
    my ($path) = @_;

    open my $fh, '<:raw', $path or return '';
    local $/;
    return scalar <$fh> // '';
}


sub spew {
    my ($path, $text) = @_;

    open my $fh, '>:raw', $path or die "$path: $!";
    print $fh $text;
    close $fh or die "$path: $!";
    return $path;
}


# Any program: { status, out, err }.

sub run {
    my (@argv) = @_;

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$tmp/.out";
        open STDERR, '>', "$tmp/.err";
        exec @argv or exit 127;
    }

    waitpid $pid, 0;
    return { status => $? & 127 ? "signal " . ($? & 127) : $? >> 8,
             out => slurp("$tmp/.out"), err => slurp("$tmp/.err") };
}


sub maas { return run("$build/maas", @_) }


# Waits for what a process in the background is to do; false when it has
# ended without (its status is left to waitpid), or after a minute.

sub wait_until {
    my ($pid, $code) = @_;

    for (my $end = time + 60; time < $end; sleep 0.005) {
        my $ended = slurp("/proc/$pid/stat") !~ /^\d+ \(.*\) [^ZX]/s;

        return 1 if $code->();
        return 0 if $ended;
    }

    return 0;
}


sub json { return eval { decode_json($_[0]) } // {} }


# float32 tensors as files.

sub npy {
    my ($path, $dims, @v) = @_;

    my $head = "{'descr': '<f4', 'fortran_order': False, 'shape': ("
               . join(', ', @$dims) . (@$dims == 1 ? ',' : '') . '), }';
    $head .= ' ' x ((-11 - length $head) % 64) . "\n";
    return spew($path, "\x93NUMPY\x01\x00" . pack('v', length $head) . $head
                       . pack('f<*', @v));
}


sub pb {
    my ($path, $dims, @v) = @_;

    my $raw = pack 'f<*', @v;
    return spew($path, join('', map { "\x08" . pack('w', $_) } @$dims)
                       . "\x10\x01\x4a" . varint(length $raw) . $raw);
}


# pack 'w' is big-endian; protobuf is not.

sub varint {
    my ($n) = @_;

    my $out = '';
    while ($n > 127) {
        $out .= chr($n & 127 | 128);
        $n >>= 7;
    }
    return $out . chr $n;
}

1;
