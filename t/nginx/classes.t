#!/usr/bin/perl
# Networks that end in a pooling give [N,classes,1,1]: the classes are named as
# those of [N,classes], in every dialect, by the command, and when labels.txt
# is checked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

my $t = MaasTest->new(http => <<'EOC');
    maas_model class { source %MODELS%/class; }
    maas_model pooled { source %MODELS%/pooled; }

    server {
        listen 127.0.0.1:%PORT%;
        location = /class { maas_pass class; }
        location = /pooled { maas_pass pooled; }
        location / { maas_api kserve tfserving; }
    }
EOC

$t->start;

sub both {
    my ($uri, $body, %h) = @_;

    my @r = map { $t->post($uri =~ s/MODEL/$_/r, $body, %h) } qw(class pooled);
    my @body = map { $_->{body} =~ s/"(?:class|pooled)"/""/gr } @r;

    is($r[1]{status}, 200, "$uri, " . substr $body, 0, 40)
        or diag($r[1]{body});
    is($body[1], $body[0], '  the same classes');
    return $r[1]{body};
}

like(both('/MODEL', '[1, 2, 9, 4]'), qr/"classes":\[\{"label":"l\xc3\xa4mmchen",/,
     'of one row');
like(both('/MODEL', '[[1, 2, 9, 4], [3, 2, 1, 0]]'),
     qr/"results":\[\{"classes":.*"label":"cat"/, 'of two rows');
both('/MODEL?top=0', '[[1, 2, 9, 4], [3, 2, 1, 0]]');
both('/MODEL?top=2', '[[1, 2, 9, 4], [3, 2, 1, 0]]', Accept => 'text/csv');
both('/v1/models/MODEL:classify',
     '{"examples":[{"x":[1,2,3,4]},{"x":[9,0,0,0]}]}');
both('/v2/models/MODEL/infer', '{"inputs":[{"name":"x","shape":[1,4],'
     . '"datatype":"FP32","data":[1,2,9,4]}],"outputs":[{"name":"y",'
     . '"parameters":{"classification":2}}]}');

my $folder = "$t->{prefix}/labels";
mkdir $folder;
write_file("$folder/model.onnx",
           read_file($t->fill('%MODELS%') . '/pooled/model.onnx'));
write_file("$folder/labels.txt", join "\n", 1 .. 5);
my $out = `$MaasTest::build/maas compile $folder -o $folder/x.maas 2>&1`;
like($out, qr/labels\.txt has 5 lines, but output "y" has 4 classes/,
     'labels of another model');

write_file("$folder/labels.txt", join "\n", 'a' .. 'd');
write_file("$folder/x.json", '[[1, 2, 9, 4]]');
$out = `$MaasTest::build/maas run $folder --input $folder/x.json`;
like($out, qr/\n +9\.0* +c\n +4\.0* +d\n/, 'maas run names the best');

# Columns that have names: in CSV, not in JSON, which says so.

my $named = MaasTest->new;
mkdir "$named->{prefix}/named";
write_file("$named->{prefix}/named/model.onnx",
           read_file($t->fill('%MODELS%') . '/mlp.onnx'));
write_file("$named->{prefix}/named/model.json",
           '{"input": {"features": ["width", "height"]}}');
$named->conf(<<'EOC');
    maas_model named { source %PREFIX%/named; }
    server {
        listen 127.0.0.1:%PORT%;
        location = /named { maas_pass named; }
    }
EOC
$named->start;
is($named->post('/named', "width,height\n1,2\n",
                'Content-Type' => 'text/csv')->{status}, 200, 'CSV by name');
my $r = $named->post('/named', '{"width":1,"height":2}');
is($r->{status}, 400, 'JSON by name');
like($r->{body}, qr/\\"width\\"; it is a column of \\"x\\", which takes the 2 col/,
     'says what is expected');

done($t, $named);
