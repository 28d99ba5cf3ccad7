#!/usr/bin/perl
# maas compile, verify and inspect.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

my $image = "$tmp/digits.maas";
my $r = maas('compile', $digits, '-o', $image);
is($r->{status}, 0, 'compiled') or diag $r->{err};
like($r->{out}, qr/^\Q$image\E: \d+ bytes/, 'says what and how much');
is((stat $image)[2] & 0777, 0444, 'mode 0444');

my $two = "$tmp/two.maas";
is(maas('compile', '--json', "$digits/model.onnx", "-o", $two)->{status}, 0,
   'compiled again');
ok(slurp($image) eq slurp($two), 'to the same bytes');

$r = maas('verify', $image, $two);
is($r->{status}, 0, 'verified');
like($r->{out}, qr/: ok, \d+ bytes\n.*: ok/s, 'both');

my $bytes = slurp($image);
my $bad = "$tmp/bad.maas";

for my $at (0, 9, 20, 90, 200, length($bytes) / 2, length($bytes) - 9) {
    my $copy = $bytes;
    substr($copy, $at, 1) ^= "\x11";
    spew($bad, $copy);
    $r = maas('verify', $bad);
    is($r->{status}, 1, 'byte ' . int($at) . " changed: $r->{err}");
    unlike(maas('inspect', '--plan', $bad)->{status}, qr/signal/,
           'and inspect does not die of it');
}

for my $n (0, 7, 100, 1000, length($bytes) - 1) {
    spew($bad, substr $bytes, 0, $n);
    $r = maas('verify', $bad);
    is($r->{status}, 1, "cut to $n bytes: $r->{err}");
    $r = maas('run', $bad, '--input', "$digits/sample.png");
    is($r->{status}, 1, 'and it does not run');
}

$r = maas('verify', '--json', $image, $bad);
is($r->{status}, 1, 'one of two is bad');
my $j = json($r->{out});
ok(ref $j eq 'ARRAY' && $j->[0]{ok} && !$j->[1]{ok} && $j->[1]{error},
   '--json says which');

# inspect

for my $model ($digits, $image) {
    $r = maas('inspect', $model);
    is($r->{status}, 0, "inspect");
    like($r->{out}, qr/image.*float32.*N,1,8,8/, 'names inputs');

    $j = json(maas('inspect', '--json', '--plan', $model)->{out});
    ok(ref $j eq 'HASH' && keys %$j, '--json --plan is JSON');

    $r = maas('inspect', '--plan', $model);
    like($r->{out}, qr/Conv.*\S+\.\S+/, '--plan names kernels');
    like($r->{out}, qr/p16/, 'and formats');
}

$r = maas('inspect', '--plan', $image, '--shape', 'image=7,1,8,8');
like($r->{out}, qr/float32\[7,1,8,8\]/, '--shape');

$r = maas('inspect', '--ops', '--json');
$j = json($r->{out});
ok(ref $j eq 'ARRAY' && @$j > 100, '--ops lists ' . scalar(@$j)
   . ' operators');
ok((grep { $_->{operator} eq 'Conv' && $_->{domain} eq 'ai.onnx' } @$j),
   'Conv is one');
like(maas('inspect', '--ops')->{out}, qr/^ai\.onnx\.ml +TreeEnsemble/m,
     'as text too');

# what cannot be compiled

my @cases = (
    ['absent.onnx', undef, qr/absent\.onnx: No such file/],
    ['empty.onnx', '', qr/./],
    ['text.onnx', "hello\n" x 100, qr/./],
    ['cut.onnx', substr(slurp("$digits/model.onnx"), 0, 5000), qr/./],
    ['zeros.onnx', "\0" x 4096, qr/./],
);

for (@cases) {
    my ($name, $text, $want) = @$_;

    spew("$tmp/$name", $text) if defined $text;
    $r = maas('compile', "$tmp/$name", '-o', "$tmp/x.maas");
    is($r->{status}, 1, "$name: exit 1");
    like($r->{err}, $want, $r->{err});
    is($r->{out}, '', 'nothing on stdout');
    ok(!-e "$tmp/x.maas", 'no image');
}

$r = maas('compile', $digits, '-o', "$tmp/nowhere/x.maas");
is($r->{status}, 1, 'a folder that is not there: exit 1');
like($r->{err}, qr/nowhere/, 'is named');

$r = run('/bin/bash', '-c', "ulimit -f 16; exec $build/maas compile $digits "
         . "-o $tmp/x.maas");
is($r->{status}, 1, 'a limit of the size of files: exit 1');
like($r->{err}, qr/File too large/, 'is named');
ok(!-e "$tmp/x.maas", 'no image');

mkdir "$tmp/broken";
spew("$tmp/broken/model.onnx", slurp("$digits/model.onnx"));
spew("$tmp/broken/model.json", '{"inputs": {}}');
$r = maas('compile', "$tmp/broken");
is($r->{status}, 1, 'a key of model.json that is unknown: exit 1');
like($r->{err}, qr/model\.json.*"inputs".*input/, 'is named, with the known');

done_testing;
