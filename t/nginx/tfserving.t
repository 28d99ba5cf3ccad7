# TensorFlow Serving's REST interface and KServe V1 as their clients see
# them: statuses, headers, exact bodies; and one resident model that answers
# with the same bits in every dialect.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use MaasTest;
use Test::More;

my $http = <<'EOC';
    maas_store %PREFIX%/store;

    maas_model mlp   { source %MODELS%/mlp.onnx; }
    maas_model echo  { source %MODELS%/echo.onnx; limits elements=2000; }
    maas_model half  { source %MODELS%/half.onnx; }
    maas_model text  { source %MODELS%/text.onnx; }
    maas_model pair  { source %MODELS%/pair.onnx; }
    maas_model maps  { source %MODELS%/maps.onnx; }
    maas_model many  { source %MODELS%/many.onnx; }
    maas_model lists { source %MODELS%/lists.onnx; }
    maas_model class { source %MODELS%/class; }
    maas_model value { source %MODELS%/value; }
    maas_model slow  { source %MODELS%/slow.onnx; queue max=1; concurrency 1; }
    maas_model two   { versions all; label stable=1 next=2; }

    server {
        listen 127.0.0.1:%PORT%;
        client_max_body_size 1m;

        location /v1 { maas_api tfserving; }
        location /few { maas_api tfserving; maas_models two empty; }
        location /both { maas_api tfserving kserve; }
        location /late { maas_api tfserving; maas_timeout 1ms; }
        location /closed { maas_api tfserving; deny all; }
        location = /mlp { maas_pass mlp; }
        location = /lists { maas_pass lists; }
    }
EOC

my $t = MaasTest->new;
my $models = $t->fill('%MODELS%');
my $store = "$t->{prefix}/store";

mkdir $_ for $store, map { "$store/$_" } qw(two two/1 two/2 empty);
write_file("$store/two/1/model.onnx", read_file("$models/echo.onnx"));
write_file("$store/two/2/model.onnx", read_file("$models/mlp.onnx"));

$t->conf($http);
$t->start;

my $r;


sub get {
    my ($uri, $status, $body) = @_;

    my $r = $t->get($uri);
    is($r->{status}, $status, $uri) or diag($r->{body});
    is($r->{body}, $body, "$uri: body") if defined $body;
    is($r->{headers}{'content-type'}, 'application/json', "$uri: type");

    return $r;
}


sub post {
    my ($what, $body, $status, $want, $name, $prefix) = @_;

    my $r = $t->post(($prefix // '/v1') . "/models/$what", $body);
    my $got = $status == 200 ? $r->{body}
              : eval { JSON::PP::decode_json($r->{body})->{error} } // '';

    is($r->{status}, $status, "$what, $name: status");
    ref $want ? like($got, $want, "$what, $name") : is($got, $want, "$what, $name");
    is($r->{headers}{'content-type'}, 'application/json', "$what: type");

    return $r;
}


# lists, status, metadata

sub state {
    my ($version) = @_;

    return qq({"version":"$version","state":"AVAILABLE","status":{)
           . '"error_code":"OK","error_message":""}}';
}

get('/few/models', 200, '{"models":["two","empty"]}');
get('/few/v1/models', 200, '{"models":["two","empty"]}');
get('/v1/models/two', 200, '{"model_version_status":[' . state(2) . ','
    . state(1) . '],"name":"two","ready":true}');
get("/v1/models/two/$_", 200, '{"model_version_status":[' . state(2)
    . '],"name":"two","ready":true}') for qw(versions/2 labels/next);
get("/v1/models/two/labels/stable", 200, '{"model_version_status":['
    . state(1) . '],"name":"two","ready":true}');
$r = get('/v1/models/empty', 200);
like($r->{body}, qr/^\{"model_version_status":\[\{"version":"1","state":"END","status":\{"error_code":"UNAVAILABLE","error_message":".+"\}\}\],"name":"empty","ready":false\}$/,
     'a model that does not answer says why');
my $serves = join ', ', map { "\\\"$_\\\"" }
             qw(mlp echo half text pair maps many lists class value slow two
                empty);
get('/v1/models/nobody', 404, '{"error":"unknown model \"nobody\"; this '
    . "location serves $serves\"}");
get('/v1/models/two/versions/3', 404,
    '{"error":"model \"two\" has no version or label \"3\"; it has 1, 2, '
    . '\"next\", \"stable\""}');
get('/v1/models/two/labels/none', 404,
    '{"error":"model \"two\" has no version or label \"none\"; it has 1, 2, '
    . '\"next\", \"stable\""}');
get("/v1/models/$_", 404) for qw(two/versions/next two/labels/2 two/versions/
                                 two/x two/metadata/x);

my $port = sub {
    my ($name, $dtype, @dims) = @_;
    return qq("$name":{"dtype":"$dtype","tensor_shape":{"dim":[)
           . join(',', map { qq({"size":"$_","name":""}) } @dims)
           . qq(],"unknown_rank":false},"name":"$name"});
};

get($_, 200, '{"model_spec":{"name":"pair","signature_name":"","version":"1"'
    . '},"metadata":{"signature_def":{"signature_def":{"serving_default":{'
    . '"inputs":{' . $port->('a', 'DT_FLOAT', -1, 2) . ','
    . $port->('b', 'DT_INT64', -1) . '},"outputs":{'
    . $port->('s', 'DT_FLOAT', -1, 2) . ',' . $port->('t', 'DT_INT64', -1)
    . '},"method_name":"tensorflow/serving/predict"}}}}}')
    for '/v1/models/pair/metadata', '/v1/Models/pair/versions/1/METADATA';

# predict: rows

post('echo:predict', '{"instances": [[1, 2.5], [-0.0, 3e-9]]}', 200,
     '{"predictions":[[1.0,2.5],[-0.0,3e-9]]}', 'values');
post('echo/versions/1:Predict', '{"signature_name":"serving_default",'
     . '"other":{},"instances":[{"x":[1]}]}', 200, '{"predictions":[[1.0]]}',
     'objects');
post('pair:predict', '{"instances":[{"a":[1,2],"b":9007199254740992},'
     . '{"b":-1,"a":[3,4]}]}', 200, '{"predictions":[{"s":[2.0,4.0],"t":'
     . '9007199254740993},{"s":[6.0,8.0],"t":0}]}', 'several inputs');
post('echo:predict', '{"instances":[[NaN,Infinity,-Infinity]]}', 200,
     '{"predictions":[[NaN,Infinity,-Infinity]]}', 'words for numbers');
post('text:predict', '{"instances":[["a",{"b64":"/wA="}]]}', 200,
     '{"predictions":[[{"b64":"YQ=="},{"b64":"/wA="}]]}', 'base64');
post('maps:predict', '{"instances":[[0.25,0.75],[1,2]]}', 200,
     '{"predictions":[{"no":0.25,"yes":0.75},{"no":1.0,"yes":2.0}]}', 'maps');
post('half:predict', '{"instances":[[0.1,65504]]}', 200,
     '{"predictions":[[0.099975586,65504.0]]}', 'float16');
post('two/labels/stable:predict', '{"instances":[[5]]}', 200,
     '{"predictions":[[5.0]]}', 'a label');
post('many:predict', '{"instances":[[1,2,3,4,5]]}', 400, 'output "y" has no '
     . 'dimension 0 of 1 instances; use the column form ("inputs")',
     'no rows in the output');

# predict: columns

post('echo:predict', '{"inputs": [[1, 2]]}', 200, '{"outputs":[[1.0,2.0]]}',
     'a value');
post('pair:predict', '{"inputs":{"b":[1,2],"a":[[1,2],[3,4]]}}', 200,
     '{"outputs":{"s":[[2.0,4.0],[6.0,8.0]],"t":[2,3]}}', 'an object');
post('text:predict', '{"inputs":{"x":[["a"]]}}', 200,
     '{"outputs":[[{"b64":"YQ=="}]]}', 'base64');
post('many:predict', '{"inputs":[[1,2,3,4,5]]}', 200,
     '{"outputs":[1.0,2.0,3.0,4.0,5.0]}', 'no rows');

post('lists:predict', '{"inputs":[[1,2],[3,NaN]]}', 200, '{"outputs":{"y":[[['
     . '1.0,2.0],[3.0,NaN]],[[3.0],[NaN]]],"z":[[2.0,4.0],[6.0,NaN]]}}',
     'a sequence');
post('lists:predict', '{"instances":[[1,2],[3,4]]}', 400, 'output "y" has no '
     . 'dimension 0 of 2 instances; use the column form ("inputs")',
     'a sequence is not rows');
is($t->post('/lists', '[[1,2]]', 'Content-Type' => 'application/json')->{body},
   '{"model":"lists","version":"1","outputs":{"y":[[[1.0,2.0]],[[3.0]]],'
   . '"z":[[2.0,4.0]]}}', 'a sequence by maas_pass');

# classify and regress

post('class:classify', '{"examples":[{"x":[1,2,3,4]},{"x":[9,0,0,0]}]}', 200,
     qr/^\{"results":\[\[\["3",0.6439\d+\],\["l\xc3\xa4mmchen",0.2368\d+\]\],\[\["cat",0.9996\d+\],\["dog: small",0.0001\d+\]\]\]\}$/,
     'labels, the best two');
post('maps:classify', '{"context":{"x":[3,1]},"examples":[{},{"x":[1,NaN]}]}',
     200, '{"results":[[["no",3.0],["yes",1.0]],[["no",1.0],["yes",NaN]]]}',
     'a context');
post('value:regress', '{"signature_name":"serving_default","examples":[{"x":'
     . '[1,2]},{"x":[-3,Infinity]}]}', 200, '{"results":[3.0,Infinity]}',
     'the output of model.json');
post('mlp/versions/1:REGRESS', '{"examples":[{"x":[0.5,-0.5]}]}', 200,
     qr/^\{"results":\[-?\d\S+\]\}$/, 'the only output');
post('echo:classify', '{"examples":[{"x":1}]}', 400, 'model "echo" is no '
     . 'classifier: no output is a map, and its model.json does not say '
     . '"meaning": "classes"; use :predict', 'no classifier');
post('class:regress', '{"examples":[{"x":[1,2,3,4]}]}', 400, 'model "class" '
     . 'is no regressor: its model.json does not say "meaning": "regression"; '
     . 'use :classify', 'a classifier');
post('maps:classify', '{"examples":[{"x":[1,2]},{"x":[1]}]}', 400,
     'example 1: input "x": JSON, byte 33: 1 values, but the examples before '
     . 'have 2', 'uneven examples');

my $long = '"' . 'x' x 900_000 . '"';
post('text:regress', "{\"context\":{\"x\":$long},\"examples\":["
     . join(',', ('{}') x 100) . ']}', 413,
     'example 74: the context is too large for so many examples',
     'a context that is used too often');

# errors

for my $case (
    ['{"instances":[[1,2]],"inputs":[[1,2]]}', 400,
     'more than one of "instances" and "inputs"'],
    ['{}', 400, qr/^the request lacks "instances" or "inputs"; expected \{/],
    ['{"instances":[]}', 400, '"instances" is an empty list'],
    ['{"instances":[[1,2],[3]]}', 400, 'input "x": JSON, byte 22: ragged '
     . 'lists: the list at [1], depth 2, has 1 items, the ones before it '
     . 'have 2'],
    ['{"instances":[[1,2]', 400, 'input "x": JSON, byte 19: the end of the '
     . 'body where \',\' or \']\' is expected'],
    ['{"instances":[{"z":1}]}', 400,
     'instance 0: unknown input "z"; this model takes "x"'],
    ['{"instances":[[1,2,3]]}', 400,
     'input "x": shape [1,3], but the model takes [?,2]'],
    ['{"instances":[["a","b"]]}', 400, 'input "x": JSON, byte 15: element 0: '
     . 'a string where a value of float32 is expected'],
    ['{"signature_name":"other","instances":[[1,2]]}', 400,
     'JSON, byte 25: no signature "other"; there is "serving_default"'])
{
    post('mlp:predict', @$case, 'an error');
}

post('nobody:predict', '{}', 404, qr/^unknown model "nobody"; this/,
     'no model');
post('two/versions/9:predict', '{}', 404,
     qr/^model "two" has no version or label "9"; it has 1, 2, "next"/,
     'no version');
post('mlp:train', '{}', 404, qr{^no route "/models/mlp:train" in TensorFlow Serv},
     'no verb');
post('mlp:explain', '{}', 501, '":explain" is not supported; use :predict',
     'KServe V1');
post('empty:predict', '{}', 503, qr/^model "empty" version 1 is not available/,
     'no image');
post('echo:predict', '{"instances":[[' . join(',', (1) x 2001) . ']]}', 413,
     'input "x": more than 2000 elements, the limit of this model', 'too much');
post('mlp:predict', 'x' x 1_100_000, 413,
     'the body is larger than client_max_body_size', 'too much of a body');
post('slow:predict', '{"instances":[' . join(',', ('[1]') x 500) . ']}', 504,
     qr/^the deadline .*passed/, 'too late', '/late');
post('mlp:predict', '{"instances":[[1,2]]}', 403, 'access is denied',
     'forbidden', '/closed');

$r = get('/v1/models/mlp:predict', 405,
         '{"error":"method GET is not allowed here; use POST"}');
is($r->{headers}{allow}, 'POST', 'Allow');

# both dialects at one place: keys of both in what both have

get('/both/models/mlp', 200, '{"model_version_status":[' . state(1)
    . '],"name":"mlp","ready":true,"versions":["1"],"platform":"onnx",'
    . '"inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],"outputs":[{'
    . '"name":"y","datatype":"FP32","shape":[-1,1]}]}');

# the same bits, whoever asks

my @x = map { $_ / 7 - 3 } 0 .. 39;
my @text = map { sprintf '%.9g', $_ } @x;
my $data = pack 'f<*', @text;
my $rows = join ',', map { "[$text[2 * $_],$text[2 * $_ + 1]]" } 0 .. 19;
my $json = '{"inputs":[{"name":"x","shape":[20,2],"datatype":"FP32",'
           . '"parameters":{"binary_data_size":160}}],"outputs":[{"name":"y",'
           . '"parameters":{"binary_data":true}}]}';

$r = $t->post('/both/models/mlp/infer', $json . $data,
              'Inference-Header-Content-Length' => length $json);
my $bits = substr $r->{body}, $r->{headers}{'inference-header-content-length'};
is(length $bits, 80, 'kserve, binary');

for my $case (
    ['/both/models/mlp:predict', "{\"instances\":[$rows]}"],
    ['/both/models/mlp:predict', "{\"inputs\":{\"x\":[$rows]}}"],
    ['/both/models/mlp:regress', '{"examples":[' . join(',',
         map { "{\"x\":[$text[2 * $_],$text[2 * $_ + 1]]}" } 0 .. 19) . ']}'],
    ['/both/models/mlp/infer', infer([20, 2], @text)],
    ['/mlp', "[$rows]"])
{
    my ($uri, $body) = @$case;
    my $b = $t->post($uri, $body, 'Content-Type' => 'application/json')->{body};
    my ($list) = $b =~ /"(?:predictions|outputs|results|data|y)":(\[[^{}"]*\])/;
    my @y = ($list // '') =~ /[^\[\],]+/g;

    is(unpack('H*', pack 'f<*', @y), unpack('H*', $bits),
       "the same bits: $uri " . substr $body, 0, 12);
}

$r = $t->post('/mlp', $data, 'Content-Type' => 'application/octet-stream',
              Accept => 'application/octet-stream');
is($r->{body}, $bits, 'the same bits: /mlp, raw');

my $stats = JSON::PP::decode_json($t->get('/both/models/mlp/stats')->{body});
is($stats->{model_stats}[0]{batch_stats}[-1]{compute_infer}{count}, 7,
   'all of them are counted');

done($t);
