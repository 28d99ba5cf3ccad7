# maas_pass: bodies, variables, versions and labels, models of the store.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

my $t = MaasTest->new(http => <<'EOC');
    map $arg_c $picked { default echo; m mlp; }

    server {
        listen 127.0.0.1:%PORT%;

        location = /mlp     { maas_pass mlp; }
        location = /echo/   { maas_pass echo; maas_error_detail off; }
        location = /picked  { maas_pass $picked; }
        location = /version { maas_pass two; maas_version $arg_v; }
        location = /old     { maas_pass two; maas_version old; }
        location = /stored  { maas_pass stored; }

        location = /if {
            maas_pass echo;
            if ($arg_m) { maas_pass mlp; }
        }

        location / {
            maas_pass echo;
            location /inner/ { return 200 "static\n"; }
        }

        location /v2 { maas_api kserve; }
        location /other { maas_api kserve tfserving; }
    }

    maas_store %PREFIX%/store;
    maas_model mlp  { source %MODELS%/mlp.onnx; run inline; }
    maas_model echo { source %MODELS%/echo.onnx; }
    maas_model two  { versions 4; label old=2 new=4; }
EOC

my $store = "$t->{prefix}/store";
my $models = $t->fill('%MODELS%');

mkdir $_ for $store, map { "$store/$_" }
             qw(two two/2 two/3 two/4 stored stored/7 empty);
write_file("$store/$_/model.onnx", read_file("$models/mlp.onnx"))
    for qw(two/2 two/3 stored/7);
write_file("$store/two/4/model.onnx", read_file("$models/echo.onnx"));

$t->start;

my ($r, @json);

# what stands behind "outputs", whoever computed it
my $outputs = sub { return $_[0] =~ /("outputs".*)/s ? $1 : $_[0] };
my @type = ('Content-Type' => 'application/octet-stream');

$r = $t->post('/mlp', '[[0.5,-0.5]]', 'Content-Type' => 'application/json');
is($r->{status}, 200, 'JSON') or diag($r->{body});
my $one = $r->{body};

$r = $t->post('/mlp', '[[0.5,-0.5]]',
              'Content-Type' => 'application/x-www-form-urlencoded');
is($r->{body}, $one, 'JSON as curl -d sends it');

$r = $t->post('/mlp', '{"x":[[0.5,-0.5]]}',
              'Content-Type' => 'application/json');
is($r->{body}, $one, 'JSON by the name of the input');

$r = $t->post('/mlp', pack('f<2', 0.5, -0.5), @type);
is($r->{body}, $one, 'raw bytes');

$r = $t->post('/mlp', 'abc', @type);
is($r->{status}, 400, 'too few raw bytes');

$r = $t->post('/mlp', 'a=b',
              'Content-Type' => 'application/x-www-form-urlencoded');
is($r->{status}, 415, 'a form');

is($t->get('/mlp')->{status}, 200, 'GET describes the model');
is($t->answer($t->send('DELETE', '/mlp'))->{status}, 405, 'DELETE');

# which model

@json = ('Content-Type' => 'application/json');
is($t->post('/picked?c=m', '[[0.5,-0.5]]', @json)->{body}, $one,
   'a model by a map');
isnt($t->post('/picked', '[[0.5,-0.5]]', @json)->{body}, $one,
     'another model by the same map');
is($t->post('/if?m=1', '[[0.5,-0.5]]', @json)->{body}, $one,
   'maas_pass in "if"');
isnt($t->post('/if', '[[0.5,-0.5]]', @json)->{body}, $one,
     'and outside of it');
is($t->get('/inner/x')->{body}, "static\n", 'maas_pass is not inherited');

# versions

is($outputs->($t->post('/version?v=2', '[[0.5,-0.5]]', @json)->{body}),
   $outputs->($one),
   'a version by number');
is($outputs->($t->post('/version?v=old', '[[0.5,-0.5]]', @json)->{body}),
   $outputs->($one),
   'by label');
is($outputs->($t->post('/old', '[[0.5,-0.5]]', @json)->{body}),
   $outputs->($one),
   'by a literal label');
my $four = $t->post('/version', '[[0.5,-0.5]]', @json)->{body};
isnt($four, $one, 'the highest by default');
is($t->post('/version?v=new', '[[0.5,-0.5]]', @json)->{body}, $four,
   'which has a label too');
is($t->post('/version?v=3', '[[0.5,-0.5]]', @json)->{status}, 404,
   'a version that is not kept');
is($t->post('/version?v=no', '[[0.5,-0.5]]', @json)->{status}, 404,
   'a label that is none');

# the store

is($outputs->($t->post('/stored', '[[0.5,-0.5]]', @json)->{body}),
   $outputs->($one),
   'a model of the store without a block');
is($t->post('/v2/models/two/versions/2/infer', infer([1, 2], 0.5, -0.5))
     ->{status}, 200, 'and a version of the URL');
is($t->post('/v2/models/empty/infer', infer([1, 2], 0.5, -0.5))->{status},
   503, 'a folder without a version is no error at the start');

# two dialects of one location

$r = $t->post('/other/models/mlp:predict', '{"instances":[[0.5,-0.5]]}');
is($r->{status}, 200, 'tfserving') or diag($r->{body});
like($r->{body}, qr/"predictions"/, 'answers as it should');
$r = $t->post('/other/models/mlp/infer', infer([1, 2], 0.5, -0.5));
like($r->{body}, qr/"outputs"/, 'kserve beside it');

done($t);
