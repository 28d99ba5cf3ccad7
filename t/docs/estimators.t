# docs/training.md: the table of estimators is what the program has, and the
# examples of "model" are taken.  MAAS_WRITE=1 writes the table.

use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use MaasDocs;
use Test::More;

my $build = $ENV{MAAS_BUILD} || "$root/build";
my $driver = "$build/t/fit_driver";
my $file = "$root/docs/training.md";
my $tmp = tempdir('maas_XXXXXX', TMPDIR => 1, CLEANUP => 1);

BAIL_OUT("$driver is missing: run make tests") if !-x $driver;


# the table

my (%text, $name);

for (`$driver list`) {
    chomp;
    my ($kind, @f) = split /\t/, $_, -1;

    if ($kind eq 'E') {
        ($name, my ($tasks, $missing, $about)) = @f;
        my $more = $missing ? '; takes missing values' : '';
        $text{$name} = "#### $name\n\n\u$about. For: $tasks$more.\n\n"
                       . "| parameter | values | default | |\n"
                       . "| --- | --- | --- | --- |\n";
        next;
    }

    my ($param, $values, $def, $about) = @f;
    ok($about, "$name: $param is explained");
    $text{$name} .= "| `$param` | $values | $def | $about |\n";
}

cmp_ok(scalar keys %text, '>', 5, 'there are estimators');

my $made = join "\n", map { $text{$_} } sort keys %text;
my $doc = slurp($file);

if ($ENV{MAAS_WRITE}) {
    $doc =~ s/(<!-- estimators -->\n).*(<!-- end -->)/$1\n$made\n$2/s;
    open my $fh, '>', $file or die $!;
    print $fh $doc;
    close $fh or die $!;
}

my ($have) = $doc =~ /<!-- estimators -->\n\n(.*)\n<!-- end -->/s;
is($have // '', $made, 'docs/training.md is current');


# the examples

sub npy {
    my ($path, $descr, $dims, $bytes) = @_;

    my $head = "{'descr': '$descr', 'fortran_order': False, 'shape': ($dims), }";
    $head .= ' ' x ((-11 - length $head) % 64) . "\n";
    open my $fh, '>:raw', $path or die $!;
    print $fh "\x93NUMPY\x01\x00" . pack('v', length $head) . $head . $bytes;
    close $fh or die $!;
}

npy("$tmp/x.npy", '<f8', '6, 2', pack 'd<*', 1, 2, 3, 1, 2, 2, 7, 8, 9, 9, 8, 7);
npy("$tmp/y.npy", '<i8', '6,', pack 'q<*', 0, 0, 0, 1, 1, 1);

for my $b (grep { $_->{lang} eq 'json' && $_->{text} =~ /\A\{"type": "/ }
           blocks('docs/training.md'))
{
    my $j = decode_json($b->{text});
    my $type = delete $j->{type};

    open my $fh, '>', "$tmp/p.json" or die $!;
    print $fh encode_json($j);
    close $fh or die $!;

    my ($task) = ($text{$type} // '') =~ /For: (\w+)/;
    $task = 'classification' if ($text{$type} // '') =~ /classification/;
    my $out = `$driver $task $type $tmp/p.json $tmp/x.npy $tmp/y.npy $tmp/m.onnx 2>&1`;
    is($?, 0, "line $b->{line}: $type") or diag $out;
}

done_testing();
