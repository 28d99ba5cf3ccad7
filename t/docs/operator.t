# The operator of docs/operators.md: put into a copy of the engine it
# compiles without a warning, is listed, and passes its cases.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use File::Temp qw(tempdir);
use MaasDocs;
use Test::More;

my $build = $ENV{MAAS_BUILD} || "$root/build";
my ($b) = grep { $_->{lang} eq 'c' } blocks('docs/operators.md');

plan(skip_all => "$build/obj is missing") if !-d "$build/obj";
ok($b, 'there is an example');

my ($name) = $b->{text} =~ /maas_op_t\s+maas_ops_(\w+)\[\]/;
my ($op) = $b->{text} =~ /\.name = "(\w+)"/;
ok($name && $op, 'it exports its rows');

# Sources and objects with their times, so that little is compiled.

my $tmp = tempdir('maas_XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $san = $ENV{MAAS_SAN} // '';

mkdir "$tmp/b";
is(system("cp -a $root/engine $tmp/ && cp -a $build/obj $build/gen $tmp/b/"),
   0, 'a copy of the engine');

open my $fh, '>', "$tmp/engine/ops/$name.c" or die $!;
print $fh $b->{text};
close $fh or die $!;

my $out = `make --no-print-directory -C $tmp/engine BUILD=$tmp/b SAN="$san" 2>&1`;
is($?, 0, 'it compiles') or diag($out);

like(scalar `$tmp/b/maas inspect --ops`, qr/ $op /, 'it is listed');

my $blas = '/usr/lib/x86_64-linux-gnu/openblas-serial';
$out = `gcc -std=gnu11 -O1 -g $san -I$tmp/engine -I$tmp/engine/include \\
        -I$root/t -I$tmp/b/gen -o $tmp/cases $root/t/engine/cases_test.c \\
        $tmp/b/libmaas.a -Wl,-rpath,$blas -L$blas -lopenblas -ljansson -ljpeg \\
        -lpng -lz -lprotobuf-c -lpcre2-8 -lcrypto -lm -lpthread -ldl 2>&1`;
is($?, 0, 'the test of cases links with it') or diag($out);

$out = `MAAS_CASES=$op $tmp/cases 2>&1`;
is($?, 0, 'its cases pass') or diag($out);
like($out, qr/^ok .*$op/m, 'they were run') or diag($out);

done_testing();
