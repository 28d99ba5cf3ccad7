#!/usr/bin/perl
# maas run: every kind of input, outputs as files, and mistakes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

my @pixels = map { /\d+/g } slurp("$digits/sample.json");
is(scalar @pixels, 64, 'the sample has 64 pixels');

sub scores {
    my ($r) = @_;

    is($r->{status}, 0, 'exit 0') or diag $r->{err};
    my $j = json($r->{out});
    return $j->{outputs} ? $j->{outputs}[0]{data}[0] : [];
}

sub best {
    my ($s) = @_;

    my ($top) = sort { $s->[$b] <=> $s->[$a] } 0 .. $#$s;
    return $top;
}

my $text = '[[[' . join(',', map {
    '[' . join(',', @pixels[$_ * 8 .. $_ * 8 + 7]) . ']' } 0 .. 7) . ']]]';

my %file = (
    npy => npy("$tmp/x.npy", [1, 1, 8, 8], @pixels),
    pb => pb("$tmp/x.pb", [1, 1, 8, 8], @pixels),
    json => spew("$tmp/x.json", $text),
    raw => spew("$tmp/x.raw", pack 'f<*', @pixels),
);

my $want;
for my $kind (sort keys %file) {
    my $s = scores(maas('run', $digits, '--input', "image=$file{$kind}",
                        '--json'));
    $want //= $s;
    is_deeply($s, $want, "$kind gives the same");
}

is(best($want), 7, 'a 7');
is(best(scores(maas('run', $digits, '--json', '--input',
                    "image=$digits/sample.png"))), 7, 'the PNG too');

my $r = maas('run', $digits, "--input=$digits/sample.png");
like($r->{out}, qr/^scores: float32 \[1,10\] = .*\n +0\.9\d+  7\n/,
     'as text, with labels; the name may be left out');

# Bits: threads, images, CPU levels.

is(maas('compile', $digits, '-o', "$tmp/d.maas")->{status}, 0, 'compiled');
is_deeply(scores(maas('run', "$tmp/d.maas", '--json', '--input',
                      "image=$file{npy}")), $want, 'the image gives the same');
is_deeply(scores(maas('run', $digits, '--threads', 3, '--json', '--input',
                      "image=$file{npy}")), $want, 'three threads too');

for my $cpu (qw(ref v2)) {
    local $ENV{MAAS_CPU} = $cpu;
    my $s = scores(maas('run', $digits, '--json', '--input',
                        "image=$file{npy}"));
    ok(@$s == 10 && !(grep { abs($s->[$_] - $want->[$_]) > 1e-4 } 0 .. 9),
       "$cpu agrees");
}

# Rows of a batch.

my @two = (@pixels, map { 16 - $_ } @pixels);
npy("$tmp/two.npy", [2, 1, 8, 8], @two);
npy("$tmp/second.npy", [1, 1, 8, 8], @two[64 .. 127]);
$r = json(maas('run', $digits, '--json', '--input', "image=$tmp/two.npy")
          ->{out});
is_deeply($r->{outputs}[0]{data}[0], $want, 'row 0 of a batch, bit for bit');
is_deeply($r->{outputs}[0]{data}[1],
          scores(maas('run', $digits, '--json', '--input',
                      "image=$tmp/second.npy")), 'row 1');

# Files.

$r = maas('run', $digits, '--input', "image=$file{npy}", '--output-dir',
          "$tmp/out");
is($r->{status}, 0, '--output-dir');
is($r->{out}, '', 'nothing on stdout');
is_deeply(json(slurp("$tmp/out/outputs.json")), { scores => 'scores.npy' },
          'outputs.json');
my $npy = slurp("$tmp/out/scores.npy");
like($npy, qr/^\x93NUMPY.*'<f4'.*\(1, 10,?\)/s, 'an .npy file');
my @got = unpack 'f<*', substr $npy, -40;
ok(!(grep { abs($got[$_] - $want->[$_]) > 1e-6 } 0 .. 9), 'with the scores');

# Mistakes.

spew("$tmp/bad.npy", substr slurp($file{npy}), 0, 100);
spew("$tmp/bad.json", '[[1, 2], [3]]');
spew("$tmp/short.raw", 'abc');
npy("$tmp/shape.npy", [1, 1, 8, 9], (0) x 72);
npy("$tmp/rank.npy", [64], (0) x 64);
spew("$tmp/a=b.raw", pack 'f<*', @pixels);
spew("$tmp/cut.png", substr slurp("$digits/sample.png"), 0, 600);

for ([[], qr/input "image" \(float32 \[N,1,8,8\]\) is not given/],
     [['--input', 'picture=x'], qr/no input "picture"; it takes "image"/],
     [['--input', "image=$tmp/none.npy"], qr/none\.npy: No such file/],
     [['--input', "image=$tmp"], qr/not a file/],
     [['--input', "image=$tmp/bad.npy"], qr/bad\.npy/],
     [['--input', "image=$tmp/bad.json"], qr/bad\.json/],
     [['--input', "image=$tmp/short.raw"], qr/3 raw bytes/],
     [['--input', "image=$tmp/cut.png"], qr/PNG: /],
     [['--input', "image=$tmp/shape.npy"], qr/shape\.npy.*8/],
     [['--input', "image=$tmp/rank.npy"], qr/rank/i],
     [['--input', "a=b=$file{npy}"], qr/no input "a=b"/])
{
    my ($args, $error) = @$_;
    my $x = maas('run', $digits, @$args);
    is($x->{status}, 1, 'exit 1');
    like($x->{err}, $error, $x->{err});
    is($x->{out}, '', 'nothing on stdout');
}

done_testing;
