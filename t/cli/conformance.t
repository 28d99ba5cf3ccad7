#!/usr/bin/perl
# The ONNX backend test cases of libonnx-testdata: what the list names must
# pass.  And the command itself: a wrong answer, a crash, a bad list.

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

my $data = $ENV{MAAS_ONNX_CASES} || '/usr/share/libonnx-testdata/data';

plan skip_all => "$data is not there" if !-d "$data/node";

my @dirs = grep { -d } map { "$data/$_" }
    qw(node simple pytorch-operator pytorch-converted);
my $r = maas('conformance', @dirs, '--list', "$root/t/data/conformance.txt");
is($r->{status}, 0, 'every listed case passes, none is wrong')
    or diag $r->{out};
my ($last) = $r->{out} =~ /(.*)\n\z/;
like($last, qr/^\d+ passed, 0 failed, \d+ skipped$/, "closes with: $last");

# a case that is wrong, one that is not served, one that is not there

make_path("$tmp/own/wrong/test_data_set_0", "$tmp/own/strange");
for my $f ('model.onnx', 'test_data_set_0/input_0.pb') {
    spew("$tmp/own/wrong/$f", slurp("$data/node/test_relu/$f"));
}
my $out = slurp("$data/node/test_relu/test_data_set_0/output_0.pb");
substr($out, -1) = "\x7f";
spew("$tmp/own/wrong/test_data_set_0/output_0.pb", $out);
spew("$tmp/own/strange/model.onnx",
     slurp("$data/node/test_optional_has_element/model.onnx")
     || slurp("$data/node/test_bernoulli/model.onnx"));

$r = maas('conformance', "$tmp/own", '--verbose');
is($r->{status}, 1, 'a wrong answer: exit 1');
like($r->{out}, qr{^FAILED own/wrong: output "y": .*differ}m, 'with its reason');
like($r->{out}, qr{^skipped own/strange: \S}m, 'what is not served is skipped');
like($r->{out}, qr/^0 passed, 1 failed, 1 skipped\n\z/m, 'the sum');

spew("$tmp/list", "own/strange\n# a comment\nown/absent\n");
$r = maas('conformance', "$tmp/own/strange", '--list', "$tmp/list");
is($r->{status}, 1, 'listed, but not served: exit 1');
like($r->{out}, qr{^FAILED own/strange: }m, 'failed');
like($r->{out}, qr{^FAILED own/absent: }m, 'a listed case that is not there');
like($r->{out}, qr/0 passed, 2 failed, 0 skipped\n\z/, 'the sum');

$r = maas('conformance', "$data/node/test_relu", '--json', '--write-list',
          "$tmp/made");
my $j = json($r->{out});
ok($j->{passed} == 1 && $j->{cases}[0]{name} eq 'node/test_relu', '--json');
is(slurp("$tmp/made"), "node/test_relu\n", '--write-list');

is(maas('conformance', $tmp)->{status}, 1, 'a folder without cases: exit 1');

done_testing;
