# The Open Inference Protocol as its clients see it: statuses, headers and
# exact bodies of documents and answers, binary tensors, classification,
# statistics.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP ();
use MaasTest;
use Test::More;
use Time::HiRes ();

my $http = <<'EOC';
    maas_store %PREFIX%/store;

    maas_model mlp   { source %MODELS%/mlp.onnx; }
    maas_model echo  { source %MODELS%/echo.onnx; limits elements=2000; }
    maas_model half  { source %MODELS%/half.onnx; }
    maas_model brain { source %MODELS%/brain.onnx; }
    maas_model text  { source %MODELS%/text.onnx; }
    maas_model pair  { source %MODELS%/pair.onnx; }
    maas_model maps  { source %MODELS%/maps.onnx; }
    maas_model many  { source %MODELS%/many.onnx; }
    maas_model lists { source %MODELS%/lists.onnx; }
    maas_model class { source %MODELS%/class; }
    maas_model two   { versions all; label canary=1; }

    server {
        listen 127.0.0.1:%PORT%;
        location /v2 { maas_api kserve; maas_models class half; }
        location /all/ { maas_api kserve; }
        location /root { maas_api kserve tfserving; maas_models two empty;
                         maas_error_detail off; }
    }
EOC

my $t = MaasTest->new(workers => 2);
my $models = $t->fill('%MODELS%');
my $store = "$t->{prefix}/store";

mkdir $_ for $store, map { "$store/$_" } qw(two two/1 two/2 empty);
write_file("$store/two/$_/model.onnx", read_file("$models/mlp.onnx"))
    for 1, 2;

$t->conf($http);
$t->start;

my $all = '/all/v2/models';
my ($r, $m);


sub get {
    my ($uri, $status, $body, $name) = @_;

    my $r = $t->get($uri);
    is($r->{status}, $status, $name // $uri);
    is($r->{body}, $body, "$uri: body") if defined $body;
    is($r->{headers}{'content-type'}, 'application/json', "$uri: type");

    return $r;
}


sub post {
    my ($uri, $body, $status, $want, $name, %h) = @_;

    my $r = $t->post($uri, $body, %h);
    my $got = $status == 200 ? $r->{body}
              : eval { JSON::PP::decode_json($r->{body})->{error} } // '';

    is($r->{status}, $status, "$name: status");
    ref $want ? like($got, $want, $name) : is($got, $want, $name)
        if defined $want;

    return $r;
}


# JSON with binary tensors behind it: the request, and an answer's halves.

sub binary {
    my ($model, $json, @blob) = @_;

    return $t->post("$all/$model/infer", join('', $json, @blob),
                    'Content-Type' => 'application/octet-stream',
                    'Inference-Header-Content-Length' => length $json);
}


sub halves {
    my ($r) = @_;

    my $n = $r->{headers}{'inference-header-content-length'} // 0;

    return (substr($r->{body}, 0, $n), substr $r->{body}, $n);
}


sub input {
    my ($name, $shape, $type, $data) = @_;

    return qq({"name":"$name","shape":$shape,"datatype":"$type",$data});
}


# the server

my $server = '{"name":"ngx_maas","version":"0.1.0","extensions":'
             . '["classification","binary_tensor_data","parameters",'
             . '"statistics","model_configuration"]}';

get($_, 200, $server) for '/v2', '/v2/', '/all/', '/all/v2', '/all/v2/';
$r = $t->get('/all');
is($r->{status}, 301, 'a location with a slash, asked for without');
is($r->{headers}{location}, "http://localhost:$t->{port}/all/",
   'is said where it is');
get($_, 200, '{"live":true}') for '/v2/health/live', '/all/health/live';
get('/v2/health/ready', 200, '{"ready":true}');
get('/root/v2/health/ready', 503, '{"ready":false}',
    'a model without a version');
get('/v2/health/dead', 404,
    '{"error":"no route \"/health/dead\" in the Open Inference Protocol: '
    . 'expected health/live, health/ready, models/NAME[/versions/V][/infer|'
    . '/ready|/config|/stats], models/stats or repository/index"}');

$r = $t->answer($t->send('HEAD', '/v2/health/live'), head => 1);
is($r->{status}, 200, 'HEAD');
is($r->{headers}{'content-length'}, 13, 'HEAD: length');

# models and their versions

get('/v2/models/half', 200, '{"name":"half","versions":["1"],"platform":'
    . '"onnx","inputs":[{"name":"x","datatype":"FP16","shape":[-1,2]}],'
    . '"outputs":[{"name":"y","datatype":"FP16","shape":[-1,2]}]}');
get("$all/$_/ready", 200, '{"name":"two","ready":true}')
    for 'two', 'two/versions/1', 'two/versions/2', 'two/versions/canary';
get("$all/two/versions/3", 404,
    '{"error":"model \"two\" has no version or label \"3\"; it has 1, 2, '
    . '\"canary\""}');
get('/v2/models/mlp/ready', 404, '{"error":"unknown model \"mlp\"; this '
    . 'location serves \"half\", \"class\""}',
    'a model not served here');
get("$all/empty/ready", 503);

$r = $t->post("$all/two/ready", '');
is($r->{status}, 405, 'POST of a document');
is($r->{headers}{allow}, 'GET, HEAD', 'Allow');

# configuration

get('/v2/models/class/config', 200, '{"name":"class","platform":"onnx",'
    . '"backend":"ngx_maas","version_policy":{"specific":{"versions":[1]}},'
    . '"max_batch_size":8,"input":[{"name":"x","data_type":"TYPE_FP32",'
    . '"dims":[4],"format":"FORMAT_NONE","is_shape_tensor":false,'
    . '"allow_ragged_batch":false,"optional":false}],"output":[{"name":"y",'
    . '"data_type":"TYPE_FP32","dims":[4],"label_filename":"",'
    . '"is_shape_tensor":false}],"model_transaction_policy":{"decoupled":'
    . 'false},"parameters":{}}');
$r = get("$all/two/versions/1/config", 200);
like($r->{body}, qr/"versions":\[1,2\].*"max_batch_size":0,.*"dims":\[-1,2\]/,
     'no batches are declared: whole shapes');

# repository

post('/v2/repository/index', '', 200, '[{"name":"half","version":"1","state":'
     . '"READY"},{"name":"class","version":"1","state":"READY"}]', 'index');
post('/all/v2/repository/index', '{"ready":true}', 200, qr/^(?!.*"empty")/,
     'only what is ready');
post('/all/v2/repository/index', '{"ready":false}', 200,
     qr/\{"name":"empty","version":"1","state":"UNAVAILABLE","reason":"/,
     'what is not has a reason');
post('/root/v2/repository/index', '', 200,
     qr/"name":"empty","version":"1","state":"UNAVAILABLE"\}/,
     'which is not for every client');
post('/v2/repository/index', '{"ready":"yes"}', 400,
     qr/^JSON, byte 9: a string where true or false is expected$/,
     'a bad filter');
post('/v2/repository/index', '{"x":"' . 'y' x 40_000 . '"}', 200, qr/^\[/,
     'a large body');
post("/v2/repository/models/half/$_", '{}', 403, 'this location only reads: '
     . "models come and go by nginx's configuration", $_) for qw(load unload);
get('/v2/repository/index', 405);

# infer: JSON

post("$all/echo/infer", '{"id":"4\u00fc","inputs":['
     . input('x', '[2,2]', 'FP32', '"data":[[1,-2.5],[1e-7,3]]') . ']}', 200,
     '{"model_name":"echo","model_version":"1","id":"4' . "\xc3\xbc"
     . '","outputs":[{"name":"y","datatype":"FP32","shape":[2,2],"data":'
     . '[1.0,-2.5,1e-7,3.0]}]}', 'JSON, nested');
post("$all/pair/versions/1/infer", '{"outputs":[{"name":"t"},{"name":"s"}],'
     . '"inputs":[' . input('b', '[1]', 'INT64', '"data":[9007199254740993]')
     . ',' . input('a', '[1,2]', 'FP32', '"data":[1,2]') . ']}', 200,
     '{"model_name":"pair","model_version":"1","outputs":[{"name":"t",'
     . '"datatype":"INT64","shape":[1],"data":[9007199254740994]},{"name":"s",'
     . '"datatype":"FP32","shape":[1,2],"data":[2.0,4.0]}]}',
     'chosen outputs, in their order');
post("$all/text/infer", '{"inputs":['
     . input('x', '[1,3]', 'BYTES', '"data":["a\n","",{"b64":"w7w="}]')
     . ']}', 200, qr/"datatype":"BYTES","shape":\[1,3\],"data":\["a\\n","","\xc3\xbc"\]/,
     'strings');
post("$all/maps/infer", infer([1, 2], 0.25, 0.75), 200,
     qr/"shape":\[1,2\],"parameters":\{"map_keys":"\[\\"no\\",\\"yes\\"\]"\},"data":\[0.25,0.75\]/,
     'maps');
post("$all/two/versions/canary/infer", infer([1, 2], 1, 1), 200,
     qr/"model_version":"1"/, 'a version by its label');

post("$all/lists/infer", infer([1, 2], 1, 2), 400, 'output "y" is a sequence, '
     . 'which has no form in this protocol; request others with "outputs"',
     'a sequence');
$m = infer([1, 2], 1, 2);
$m =~ s/^\{/{"outputs":[{"name":"z"}],/;
post("$all/lists/infer", $m, 200, qr/"name":"z",.*"data":\[2.0,4.0\]/,
     'the tensor beside it');

# infer: binary

my $json = '{"inputs":[' . input('x', '[1,2]', 'FP16',
                                 '"parameters":{"binary_data_size":4}') . ']';
my $bits = pack 'v2', 0x3c01, 0xfc00;       # 1.0009766, -Infinity

$r = binary('half', "$json,\"parameters\":{\"binary_data_output\":true}}", $bits);
is($r->{status}, 200, 'FP16');
is($r->{headers}{'content-type'}, 'application/octet-stream', 'FP16: type');
is((halves($r))[0], '{"model_name":"half","model_version":"1","outputs":[{'
   . '"name":"y","datatype":"FP16","shape":[1,2],"parameters":{'
   . '"binary_data_size":4}}]}', 'FP16: JSON');
is((halves($r))[1], $bits, 'FP16: bits');

$r = binary('half', "$json}", $bits);
is($r->{status}, 400, 'FP16 has no JSON form');
is($r->{body}, '{"error":"output \"y\": FP16 has no JSON form; request it '
   . 'with the parameter binary_data"}', 'and says so');
post("$all/half/infer", '{"inputs":['
     . input('x', '[1,2]', 'FP16', '"data":[1,2]') . ']}', 400,
     'input "x": FP16 has no JSON form; send it as binary data '
     . '(binary_data_size)', 'FP16 as JSON');

$json =~ s/FP16/BF16/;
$bits = pack 'v2', 0x3f81, 0x7fc1;          # NaN with its payload
$r = binary('brain', "$json,\"outputs\":[{\"name\":\"y\",\"parameters\":{"
            . '"binary_data":true}}]}', $bits);
is((halves($r))[1], $bits, 'BF16: bits');

$json = '{"inputs":[' . input('x', '[1,3]', 'BYTES', '"parameters":{'
        . '"binary_data_size":18}') . ']';
$bits = pack '(V/a*)3', "a\0b", '', "\xff\xfe\n";
$r = binary('text', "$json,\"parameters\":{\"binary_data_output\":true}}", $bits);
is((halves($r))[1], $bits, 'BYTES: lengths and bytes');
$r = binary('text', "$json,\"parameters\":{\"binary_data_output\":true},"
            . '"outputs":[{"name":"y_bytes","parameters":{"binary_data":'
            . 'false}}]}', $bits);
like($r->{body}, qr/"data":\["a\\u0000b","","\xef\xbf\xbd\xef\xbf\xbd\\n"\]/,
     'an output for itself: JSON');
is($r->{headers}{'inference-header-content-length'}, undef, 'has no header');

$r = binary('pair', '{"inputs":[' . input('b', '[1]', 'INT64', '"parameters":'
            . '{"binary_data_size":8}') . ','
            . input('a', '[1,2]', 'FP32', '"data":[0.5,-4]') . '],"outputs":'
            . '[{"name":"s","parameters":{"binary_data":true}},{"name":"t"}]}',
            pack 'q<', -9);
like((halves($r))[0], qr/"name":"t","datatype":"INT64","shape":\[1\],"data":\[-8\]/,
     'JSON and binary: JSON');
is((halves($r))[1], pack('f<2', 1, -8), 'JSON and binary: bits');

# one raw tensor

my @raw = ('Inference-Header-Content-Length' => 0,
           'Content-Type' => 'application/octet-stream');

$r = $t->post("$all/echo/infer", pack('f<3', 1, 2, 3), @raw);
is((halves($r))[1], pack('f<3', 1, 2, 3), 'raw: bits');
like((halves($r))[0], qr/"shape":\[1,3\]/, 'raw: a batch of one');
$r = $t->post("$all/text/infer", "a\0b\xff", @raw);
is((halves($r))[1], pack('V/a*', "a\0b\xff"), 'raw: one string');
post("$all/mlp/infer", 'abc', 400, 'input "x": 3 bytes of data, but [?,2] of '
     . 'float32 needs a multiple of 8 bytes', 'raw: bytes', @raw);
post("$all/pair/infer", 'abcd', 400, 'raw bytes can only be the single input '
     . 'of a model; this one has 2', 'raw: two inputs', @raw);

# classification

sub classify {
    my ($model, $shape, $data, $k, $status, $want, $name, $more) = @_;

    my $head = '{"inputs":[' . input('x', $shape, 'FP32', "\"data\":$data")
               . '],"outputs":[{"name":"y","parameters":{"classification":'
               . $k . ($more // '') . '}}]}';

    return post("$all/$model/infer", $head, $status, $want, $name);
}

classify('echo', '[2,3]', '[1,3,2, -1,-1,-4]', 2, 200, '{"model_name":"echo",'
         . '"model_version":"1","outputs":[{"name":"y","datatype":"BYTES",'
         . '"shape":[2,2],"data":["3.000000:1","2.000000:2","-1.000000:0",'
         . '"-1.000000:1"]}]}', 'the best of each row');
classify('class', '[1,4]', '[1,2,3,4]', 9, 200, qr/"shape":\[1,4\],"data":\["0.643914:3","0.236883:2:l\xc3\xa4mmchen","0.087144:1:dog: small","0.032059:0:cat"\]/,
         'labels and probabilities');
classify('maps', '[1,2]', '[0.25,0.75]', 1, 200,
         qr/"shape":\[1,1\],"data":\["0.750000:1:yes"\]/, 'keys of maps');
classify('many', '[1,5]', '[3,1,4,1,5]', 3, 200, qr/"shape":\[3\],"data":\["5.000000:4","4.000000:2","3.000000:0"\]/,
         'a model that takes no rows');
classify('echo', '[1,2]', '[1,2]', -3, 400,
         qr/"classification" is negative$/, 'fewer than none');
$r = classify('class', '[1,4]', '[0,0,0,9]', 1, 200, undef, 'binary classes',
              ',"binary_data":true');
is((halves($r))[1], pack('V/a*', '0.999630:3'), 'have lengths');

# what a request may not say

for my $case (
    ['"parameters":{"sequence_id":7}', qr/"sequence_id": sequences are not/],
    ['"parameters":{"triton_x":1}', qr/"triton_x": this name .* reserved/],
    ['"outputs":[{"name":"z"}]', qr/^unknown output "z"; this model gives "y"$/])
{
    my $body = infer([1, 2], 1, 2);
    $body =~ s/^\{/{$case->[0],/;
    post("$all/mlp/infer", $body, 400, $case->[1], $case->[0]);
}

my $body = infer([1, 2], 1, 2);
$body =~ s/^\{/{"parameters":{"sequence_id":0,"priority":3,"x":{"y":[]}},/;
post("$all/mlp/infer", $body, 200, qr/"outputs"/, 'parameters to be ignored');

post("$all/mlp/infer", infer([1, 3], 1, 2, 3), 400,
     'input "x": shape [1,3], but the model takes [?,2]', 'a wrong shape');
post("$all/mlp/infer", infer([-1, 2], 1, 2), 400,
     qr/"shape" has the negative dimension -1; in place of/, 'an open shape');
post("$all/echo/infer", infer([1000, 3], 1), 413, qr/the limit of this model/,
     'more elements than allowed');
post("$all/mlp/infer", '{"inputs":[' . input('x', '[1,2]', 'FP64',
     '"data":[1,2]') . ']}', 400,
     'input "x": datatype FP64, but the model takes FP32', 'a wrong datatype');
post("$all/mlp/infer", 'abc', 400,
     qr/^application\/octet-stream needs the header Inference-Header-Content-Le/,
     'no header',
     'Content-Type' => 'application/octet-stream');
post("$all/mlp/infer", '{}', 400, 'Inference-Header-Content-Length is 9, but '
     . 'the body has 2 bytes', 'a wrong header', @raw,
     'Inference-Header-Content-Length' => 9);

# statistics: of both workers, the same over a reload

sub stats {
    my ($path) = @_;

    return JSON::PP::decode_json($t->get("$all/$path/stats")->{body})
           ->{model_stats};
}

my $rows = sub { $t->post("$all/two/infer", infer([$_[0], 2], (1) x (2 * $_[0]))) };

is($rows->(3)->{status}, 200, '3 rows') for 1 .. 4;
is($rows->(1)->{status}, 200, '1 row') for 1 .. 6;
is($t->post("$all/two/infer", '{}')->{status}, 400, 'a bad request');

my $s = stats('two');
my $i = $s->[1]{inference_stats};

is(join(' ', map { "$_->{name} $_->{version}" } @$s), 'two 1 two 2',
   'statistics of each version');
is($s->[0]{inference_stats}{success}{count}, 1, 'version 1 ran once');
is($s->[1]{inference_count}, 18, 'inferences are rows');
is($s->[1]{execution_count}, 10, 'executions are runs');
is($i->{$_}{count}, 10, $_) for qw(success queue compute_input compute_infer
                                   compute_output);
is($i->{fail}{count}, 1, 'fail');
is($i->{$_}{count} + $i->{$_}{ns}, 0, $_) for qw(cache_hit cache_miss);
ok((!grep { !$i->{$_}{ns} } qw(success fail compute_input compute_infer
                               compute_output)), 'times are there');

my $sum = 0;
$sum += $i->{$_}{ns} for qw(queue compute_input compute_infer compute_output);
cmp_ok($sum, '<=', $i->{success}{ns}, 'the parts are in the whole');
cmp_ok(abs($s->[1]{last_inference} / 1000 - Time::HiRes::time()), '<', 60,
       'the last one was just now');
is(join(' ', map { "$_->{batch_size}:$_->{compute_infer}{count}" }
                 @{$s->[1]{batch_stats}}), '1:6 3:4', 'batches');
cmp_ok($s->[1]{memory_usage}[0]{byte_size}, '>', 1000, 'memory');
is(scalar @{stats('two/versions/1')}, 1, 'of one version');
is(join(' ', map { $_->{name} } @{JSON::PP::decode_json(
                         $t->get('/v2/models/stats')->{body})->{model_stats}}),
   'half class', 'of all models that are served here');
is($t->get("$all/none/stats")->{status}, 404, 'of no model');

ok((!grep { stats('two')->[1]{execution_count} != 10 } 1 .. 20),
   'each worker answers for both');

# a new file of version 2 begins anew, version 1 goes on

write_file("$store/two/2/model.onnx", read_file("$models/echo.onnx"));
ok($t->reload, 'reload');
$s = stats('two');
is($s->[0]{execution_count}, 1, 'an unchanged version goes on counting');
is($s->[1]{execution_count}, 0, 'a changed one begins anew');
is($rows->(1)->{status}, 200, 'it answers');
is(stats('two')->[1]{execution_count}, 1, 'and counts');

done($t);
