#!/usr/bin/perl
# maas bench --profile: every step of a run, with its kernel and time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

my $r = maas('bench', $digits, '--seconds', '0.1', '--profile');
is($r->{status}, 0, 'exit 0') or diag $r->{err};

my ($steps, $ms) = $r->{out} =~ /^(\d+) steps, ([\d.]+) ms, believed/m;
ok($steps, "steps: " . ($steps // 'none'));

my ($kernels, $slowest) = $r->{out} =~ /kernel\n(.*?)\n\n.*?step\n(.*)/s;
my $of_kernels = 0;
$of_kernels += $1 while $kernels =~ /(\d+) steps?$/mg;

is($of_kernels, $steps, 'the kernels make all steps');
is(scalar(split /\n/, $slowest), $steps, 'fewer than 15: each is shown');
like($slowest, qr/^ +[\d.]+ +[\d.]+% .* conv\.\S+ +\S+ \[1,32,8,8\]$/m,
     'a step has time, share, kernel, node and shape');

my $sum = 0;
$sum += $1 while $kernels =~ /^ +([\d.]+)/mg;
ok(abs($sum - $ms) < 0.01, "the times of kernels make the whole: $sum, $ms");

$r = maas('bench', $digits, '--seconds', '0.1', '--profile',
          '--threads', 2);
is($r->{status}, 0, 'two threads') or diag $r->{err};
like($r->{out}, qr/^2 threads [\d.]+ ms, gain [\d.]+;/m, 'their gain');
like($r->{out}, qr/^ +[\d.]+ +[\d.]+% .* [\d.]+ +[\d.]+ +-?[\d.]+  conv\.\S+ +\S+ \[1,32,8,8\]$/m,
     'a step has the time of two threads, gain and loss');

$r = maas('bench', $digits, '--profile', '--json');
is($r->{status}, 2, 'not with --json');
like($r->{err}, qr/--profile is text/, $r->{err});

done_testing;
