#!/usr/bin/perl
# maas and models whose weights lie in files beside them, or in functions.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

my $corpus = "$root/t/fuzz/corpus/onnx";
my $model = "$tmp/external.onnx";

spew($model, slurp("$corpus/external.onnx"));
spew("$tmp/x.json", '[[1, 2, 3, 4]]');

my $r = maas('compile', $model);
is($r->{status}, 1, 'no file: exit 1');
like($r->{err}, qr/external\.onnx: initializer 'w': file 'w\.bin' cannot be read/,
     'it is named');

spew("$tmp/w.bin", pack 'f<*', 0, 0, 10, 20, 30);
$r = maas('run', $model, '--input', "x=$tmp/x.json");
is($r->{status}, 1, 'a short file: exit 1');
like($r->{err}, qr/'w\.bin' is too short: 16 bytes at offset 8 are needed, but it has 20/,
     'tensor, file and offset are named');

spew("$tmp/w.bin", pack 'f<*', 0, 0, 10, 20, 30, 40);
$r = maas('run', $model, '--input', "x=$tmp/x.json");
is($r->{status}, 0, 'run') or diag $r->{err};
like($r->{out}, qr/11.*22.*33.*44/s, 'with the numbers of the file');

chdir $tmp;
$r = maas('run', 'external.onnx', '--input', 'x=x.json');
is($r->{status}, 0, 'from the folder itself') or diag $r->{err};
chdir $root;

$r = maas('inspect', $model);
like($r->{out}, qr/^file +w\.bin, 24 bytes$/m, 'inspect names the file');
my $j = json(maas('inspect', '--json', $model)->{out});
is_deeply($j->{files}, [{ name => 'w.bin', bytes => 24 }], 'in JSON, too');

my $image = "$tmp/external.maas";
is(maas('compile', $model, '-o', $image)->{status}, 0, 'compiled');
my $one = slurp($image);
utime 1, 1, "$tmp/w.bin";
is(maas('compile', $model, '-o', $image)->{status}, 0, 'compiled');
ok($one ne slurp($image), 'the time of the file is part of the image');
is(maas('verify', $image)->{status}, 0, 'which verifies');

unlink "$tmp/w.bin";
$r = maas('run', $image, '--input', "x=$tmp/x.json");
is($r->{status}, 0, 'an image needs no file');

$r = maas('inspect', '--plan', "$corpus/function.onnx");
is($r->{status}, 0, 'a model of functions') or diag $r->{err};
like(maas('inspect', "$corpus/sparse.onnx")->{out}, qr/^const .*w.*float32\[1,4\]/m,
     'a sparse tensor is a constant');

done_testing;
