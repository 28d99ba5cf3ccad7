#!/usr/bin/perl
# Help, exit codes, messages.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

my $r = maas();
is($r->{status}, 2, 'no command: exit 2');
is($r->{out}, '', 'nothing on stdout');
like($r->{err}, qr/usage: maas COMMAND/, 'usage on stderr');

$r = maas('--help');
is($r->{status}, 0, '--help: exit 0');

for my $c (qw(compile verify inspect run bench conformance)) {
    like($r->{out}, qr/^  maas $c /m, "--help names $c");

    my $h = maas($c, '--help');
    is($h->{status}, 0, "$c --help: exit 0");
    like($h->{out}, qr/^usage: maas $c /, "$c --help");
    is($h->{err}, '', 'on stdout alone');

    my $x = maas($c, '--nonsense');
    is($x->{status}, 2, "$c with an unknown option: exit 2");
    like($x->{err}, qr/maas $c: unknown option "--nonsense"/, 'is named');

    $x = maas($c);
    is($x->{status}, 2, "$c without arguments: exit 2");
    like($x->{err}, qr/^maas $c: which /, 'asks for what is missing');
}

$r = maas('fly');
is($r->{status}, 2, 'unknown command: exit 2');
like($r->{err}, qr/unknown command "fly"/, 'is named');

$r = maas('--version');
like($r->{out}, qr/^maas \d+\.\d+\.\d+ \((ref|v2|avx2|avx512)\)\n$/,
     '--version names the CPU level');

{
    local $ENV{MAAS_CPU} = 'ref';
    like(maas('--version')->{out}, qr/\(ref\)/, 'MAAS_CPU=ref');

    $ENV{MAAS_CPU} = 'z80';
    $r = maas('--version');
    is($r->{status}, 1, 'an unknown level: exit 1');
    like($r->{err}, qr/z80/, 'is named');
}

for (['run', '--threads', 'x'], ['run', '--threads', 0],
     ['bench', '--seconds', '-1'], ['run', '--threads'],
     ['run', '--json=1', 'x'], ['compile', 'a', 'b'],
     ['compile', '--numerics', 'loose', 'x'], ['inspect', '--ops', 'x'],
     ['compile', '--config', 'x', '-o', 'y'])
{
    $r = maas(@$_);
    is($r->{status}, 2, "maas @$_: exit 2");
    isnt($r->{err}, '', 'with a text');
}

$r = run('sh', '-c', "$build/maas inspect --ops > /dev/full");
is($r->{status}, 1, 'a full disk is noticed');
like($r->{err}, qr/cannot write/, 'and said');

done_testing;
