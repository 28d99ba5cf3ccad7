# Requests that are wrong, one a row, in every dialect: status and text.  The
# text says what was wrong and what was expected, and names neither paths nor
# nodes where maas_error_detail is off.  prove -v shows the texts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasTest;
use Test::More;

my $root = "$FindBin::Bin/../..";
my $t = MaasTest->new(debug => 1, http => <<"EOC");
    maas_startup degraded;
    maas_body_memory 4m;
    maas_threads 2;

    maas_model mlp    { source %MODELS%/mlp.onnx; }
    maas_model pair   { source %MODELS%/pair.onnx; }
    maas_model text   { source %MODELS%/text.onnx; }
    maas_model half   { source %MODELS%/half.onnx; }
    maas_model lists  { source %MODELS%/lists.onnx; }
    maas_model class  { source %MODELS%/class; }
    maas_model small  { source %MODELS%/echo.onnx; limits elements=16;
                        label stable=1; }
    maas_model clash  { source %PREFIX%/wrong/clash.onnx; }
    maas_model huge   { source %PREFIX%/wrong/huge.onnx; }
    maas_model digits { source $root/conf/models/digits; }
    maas_model broken { source %PREFIX%/wrong/text.onnx; }
    maas_model slow   { source %MODELS%/slow.onnx; concurrency 1;
                        queue max=1 timeout=100ms; }
    maas_model full   { source %MODELS%/slow.onnx; concurrency 1;
                        queue max=1 timeout=60s; }

    server {
        listen 127.0.0.1:%PORT%;
        client_max_body_size 1m;

        location /v2    { maas_api kserve; }
        location /v1    { maas_api tfserving; }
        location /both  { maas_api kserve tfserving; }
        location /few   { maas_api kserve; maas_models mlp; }
        location /quiet { maas_api kserve tfserving; maas_error_detail off; }
        location /short { maas_api kserve; maas_timeout 50ms; }
        location = /arg { maas_pass \$arg_m; }
        location ~ ^/p/(?<m>[^/]+)\$ { maas_pass \$m; maas_version \$arg_v; }
        location ~ ^/q/(?<q>[^/]+)\$ { maas_pass \$q; maas_error_detail off; }
    }
EOC

system('/usr/bin/python3', "$root/t/data/make_wrong.py", "$t->{prefix}/wrong");
BAIL_OUT('make_wrong.py failed') if $?;

$t->expect_log(qr/model "broken" version 1: .* no ONNX model: it is text/);
$t->start;


# -- bodies ------------------------------------------------------------------

my $mlp = '/v2/models/mlp/infer';
my $one = infer([1, 2], 1, 2);
my $row = '{"instances":[[1,2]]}';
my $type = sub { return ('Content-Type' => $_[0]) };
my @json = $type->('application/json');
my @raw = $type->('application/octet-stream');
my $large = 'x' x 1_500_000;
my $png = read_file("$root/conf/models/digits/sample.png");


sub tensor {
    my ($name, $shape, $datatype, $rest) = @_;

    return qq({"name":"$name","shape":$shape,"datatype":"$datatype"$rest});
}


sub inputs { return '{"inputs":[' . join(',', @_) . ']}' }

sub kserve { return inputs(tensor(@_[0 .. 2], ',"data":' . $_[3])) }


# A request with a binary tensor: JSON and the header of its length.

sub binary {
    my ($what, $size, $bytes, @parts) = @_;

    my $rest = defined $size ? qq(,"parameters":{"binary_data_size":$size})
                             : '';
    my $json = inputs(tensor('x', '[1,2]', 'FP32', $rest));

    return [$what, POST => $mlp, $json . $bytes,
            ['Inference-Header-Content-Length' => length $json], 400, @parts];
}


sub predict { return ($_[0], POST => "/v1/models/$_[1]:predict", $_[2], []) }

sub to_pass { return ($_[0], POST => "/p/$_[1]", $_[2], \@json) }


# what is wrong, method, URI, body, headers, status, parts of the text

my $routes = qr{expected .*models/NAME\[/versions/V\]\[/infer};
my $verbs = qr{expected models/NAME\S+\[:predict\|:classify};

my @rows = (

    # -- Open Inference Protocol: routes

    ['kserve: GET of infer', GET => $mlp, undef, [], 405,
     qr/method GET is not allowed here; use POST/],
    ['kserve: PUT of infer', PUT => $mlp, $one, [], 405,
     qr/method PUT is not allowed here; use POST/],
    ['kserve: POST of metadata', POST => '/v2/models/mlp', '', [], 405,
     qr/method POST is not allowed here; use GET, HEAD/],
    ['kserve: an unknown path', GET => '/v2/nope', undef, [], 404,
     qr{no route "/nope"}, $routes],
    ['kserve: a misspelled path', POST => '/v2/models/mlp/infr', $one, [],
     404, qr{no route "/models/mlp/infr"}, $routes],
    ['kserve: POST of the model', POST => '/v2/models/mlp', $one, [], 405,
     qr{use GET, HEAD, or infer with POST /models/mlp/infer$}],
    ['kserve: POST of a version', POST => '/v2/models/mlp/versions/1/', $one,
     [], 405, qr{infer with POST /models/mlp/versions/1/infer$}],
    map({ ["kserve: $_", POST => "/v2/models/mlp$_", $one, [], 404, $routes,
           qr{; an inference is POST models/NAME\[/versions/V\]/infer$}] }
        ':predict', ':infer', '/predict', '/infer/', '/versions/1:predict'),
    ['kserve: labels', POST => '/v2/models/small/labels/stable/infer', $one,
     [], 404, qr{; a version or a label goes behind versions/$}],
    ['kserve: a list of models', GET => '/v2/models', undef, [], 404,
     qr{; the list of the models is POST repository/index$}],
    ['kserve: a misspelled model', POST => '/v2/models/mpl/infer', $one, [],
     404, qr/unknown model "mpl"; did you mean "mlp"\?/],
    ['kserve: an unknown model', GET => '/v2/models/zebra', undef, [], 404,
     qr/unknown model "zebra"; this location serves "mlp", "pair"/],
    ['kserve: a model of another location', POST => '/few/models/pair/infer',
     $one, [], 404, qr/unknown model "pair"; this location serves "mlp"$/],
    ['kserve: an unknown version',
     POST => '/v2/models/mlp/versions/7/infer', $one, [], 404,
     qr/model "mlp" has no version or label "7"; it has 1$/],
    ['kserve: a misspelled label',
     POST => '/v2/models/small/versions/stabel/infer', $one, [], 404,
     qr/no version or label "stabel"; did you mean "stable"\?/],
    ['kserve: a model that is not available', POST =>
     '/v2/models/broken/infer', $one, [], 503,
     qr/model "broken" version 1 is not available: .*it is text/],
    ['kserve: loading', POST => '/v2/repository/models/mlp/load', '', [], 403,
     qr/only reads: models come and go by nginx's configuration/],

    # -- Open Inference Protocol: JSON

    ['kserve: no body', POST => $mlp, '', [], 400,
     qr/an empty body where an object is expected/],
    ['kserve: half a body', POST => $mlp, '{"inputs":', [], 400,
     qr/JSON, byte 10: the end of the body where a list is expected/],
    ['kserve: single quotes', POST => $mlp, "{'inputs':1}", [], 400,
     qr/JSON, byte 1: a single quote \(JSON has double ones\) where a string/],
    ['kserve: more behind the body', POST => $mlp, "$one x", [], 400,
     qr/JSON, byte \d+: a bare word where the end of the body is expected/],
    ['kserve: a list', POST => $mlp, '[]', [], 400,
     qr/JSON, byte 0: a list where an object is expected/],
    ['kserve: no inputs', POST => $mlp, '{}', [], 400,
     qr/the request lacks "inputs"; expected \{"inputs": \[\{"name"/],
    ['kserve: no input', POST => $mlp, '{"inputs":[]}', [], 400,
     qr/missing input "x"/],
    ['kserve: no shape', POST => $mlp, '{"inputs":[{"name":"x"}]}', [], 400,
     qr/an input "x" without "shape"/],
    ['kserve: no data', POST => $mlp,
     inputs(tensor('x', '[1,2]', 'FP32', '')), [], 400,
     qr/input "x" without "data" \(or the parameter "binary_data_size"\)/],
    ['kserve: one input of two', POST => '/v2/models/pair/infer',
     kserve('a', '[1,2]', 'FP32', '[1,2]'), [], 400, qr/missing input "b"/],
    ['kserve: an unknown input', POST => $mlp,
     kserve('z', '[1,2]', 'FP32', '[1,2]'), [], 400,
     qr/unknown input "z"; this model takes "x"/],
    ['kserve: an input twice', POST => $mlp,
     inputs((tensor('x', '[1,2]', 'FP32', ',"data":[1,2]')) x 2), [], 400,
     qr/input "x" is given twice/],
    ['kserve: another datatype', POST => $mlp,
     kserve('x', '[1,2]', 'INT64', '[1,2]'), [], 400,
     qr/input "x": datatype INT64, but the model takes FP32/],
    ['kserve: an unknown datatype', POST => $mlp,
     kserve('x', '[1,2]', 'FLOAT32', '[1,2]'), [], 400,
     qr/unknown datatype "FLOAT32"; the model takes FP32/],
    ['kserve: float16 in JSON', POST => '/v2/models/half/infer',
     kserve('x', '[1,2]', 'FP16', '[1,2]'), [], 400,
     qr/FP16 has no JSON form; send it as binary data \(binary_data_size\)/],
    ['kserve: another shape', POST => $mlp,
     kserve('x', '[1,3]', 'FP32', '[1,2,3]'), [], 400,
     qr/input "x": shape \[1,3\], but the model takes \[\?,2\]/],
    ['kserve: another rank', POST => $mlp,
     kserve('x', '[2]', 'FP32', '[1,2]'), [], 400,
     qr/input "x": shape \[2\], but the model takes \[\?,2\]/],
    ['kserve: an open dimension', POST => $mlp,
     kserve('x', '[-1,2]', 'FP32', '[1,2]'), [], 400,
     qr/"shape" has the negative dimension -1; in place of an open one/],
    ['kserve: half a dimension', POST => $mlp,
     kserve('x', '[1,2.5]', 'FP32', '[1,2]'), [], 400,
     qr/byte 34: .* a fraction, where a 64-bit integer is expected/],
    ['kserve: too many values', POST => $mlp,
     kserve('x', '[1,2]', 'FP32', '[1,2,3]'), [], 400,
     qr/input "x": 3 values, but the shape needs 2/],
    ['kserve: text for a number', POST => $mlp,
     kserve('x', '[1,2]', 'FP32', '[1,"a"]'), [], 400,
     qr/JSON, byte 65: element 1: a string where a value of float32/],
    ['kserve: null for a number', POST => $mlp,
     kserve('x', '[1,2]', 'FP32', '[null,1]'), [], 400,
     qr/element 0: null where a value of float32 is expected/],
    ['kserve: a number out of range', POST => $mlp,
     kserve('x', '[1,2]', 'FP32', '[1,1e400]'), [], 400,
     qr/1e400 is out of the range of float32/],
    ['kserve: NaN for an integer', POST => '/v2/models/pair/infer',
     kserve('b', '[1]', 'INT64', '[NaN]'), [], 400,
     qr/element 0: NaN is no integer, but the type is int64/],
    ['kserve: a number for text', POST => '/v2/models/text/infer',
     kserve('x', '[1,1]', 'BYTES', '[1]'), [], 400,
     qr/a number where a string is expected/],
    ['kserve: no base64', POST => '/v2/models/text/infer',
     kserve('x', '[1,1]', 'BYTES', '[{"b64":"!"}]'), [], 400,
     qr/element 0: the string is not base64/],
    ['kserve: too many elements', POST => '/v2/models/small/infer',
     kserve('x', '[4,5]', 'FP32', '[' . join(',', (1) x 20) . ']'), [], 413,
     qr/shape \[4,5\] has more than 16 elements, the limit of this model/],
    ['kserve: an unknown output', POST => $mlp, substr($one, 0, -1)
     . ',"outputs":[{"name":"Y"}]}', [], 400,
     qr/unknown output "Y"; this model gives "y"/],
    ['kserve: a strange parameter', POST => $mlp, substr($one, 0, -1)
     . ',"outputs":[{"name":"y","parameters":{"classification":"x"}}]}', [],
     400, qr/"classification": JSON, byte \d+: a string where a 64-bit int/],
    ['kserve: an output without a form', POST => '/v2/models/lists/infer',
     $one, [], 400, qr/output "y" is a sequence, .* request others with/],
    ['kserve: inputs that differ in their rows', POST =>
     '/v2/models/clash/infer',
     inputs(tensor('a', '[2,2]', 'FP32', ',"data":[1,2,3,4]'),
            tensor('b', '[3,2]', 'FP32', ',"data":[1,2,3,4,5,6]')), [], 400,
     qr/node 'plus' \(Add\).*2 against 3/],

    ['kserve: what makes a tensor of petabytes', POST =>
     '/v2/models/huge/infer', $one, [], 413,
     qr/node 'ones' .* output 0 of shape \S+ exceeds \d+ elements/],

    # -- Open Inference Protocol: binary tensors

    binary('kserve: half a tensor', 8, 'x' x 7,
           qr/binary_data_size is 8, but 7 bytes are left in the body/),
    binary('kserve: a tensor of a strange size', 7, 'x' x 7,
           qr/input "x": 7 bytes of data, but 2 elements of float32 need 8/),
    binary('kserve: bytes that belong to nobody', 8, 'x' x 9,
           qr/1 bytes behind the last binary tensor: each has as many as/),
    binary('kserve: a negative size', -8, 'x' x 8,
           qr/"binary_data_size" is negative/),
    ['kserve: a header longer than the body', POST => $mlp, $one,
     ['Inference-Header-Content-Length' => 9999], 400,
     qr/Inference-Header-Content-Length is 9999, but the body has \d+ bytes/],
    ['kserve: a header that is no length', POST => $mlp, $one,
     ['Inference-Header-Content-Length' => 'all'], 400,
     qr/Inference-Header-Content-Length "all" is no decimal length/],
    ['kserve: raw bytes of a strange size', POST => $mlp, 'abc',
     ['Inference-Header-Content-Length' => 0], 400,
     qr/3 bytes of data, but \[\?,2\] of float32 needs a multiple of 8 bytes/],
    ['kserve: raw bytes without the header', POST => $mlp, 'x' x 8, \@raw, 400,
     qr/needs the header Inference-Header-Content-Length: the bytes of JSON/],

    # -- TensorFlow Serving

    ['tfserving: GET of predict', GET => '/v1/models/mlp:predict', undef, [],
     405, qr/method GET is not allowed here; use POST/],
    ['tfserving: POST of the status', POST => '/v1/models/mlp', '{}', [], 405,
     qr/method POST is not allowed here; use GET, HEAD/],
    ['tfserving: a misspelled verb', POST => '/v1/models/mlp:predikt', $row,
     [], 404, qr{no route "/models/mlp:predikt"}, $verbs],
    ['tfserving: a verb that is not served', POST => '/v1/models/mlp:explain',
     '{}', [], 501, qr/":explain" is not supported; use :predict/],
    ['tfserving: an unknown path', GET => '/v1/nope', undef, [], 404,
     qr{no route "/nope"}, $verbs],
    ['tfserving: POST of the model', POST => '/v1/models/mlp', $row, [], 405,
     qr{use GET, HEAD, or infer with POST /models/mlp:predict$}],
    map({ ["tfserving: $_", POST => "/v1/models/mlp$_", $row, [], 404,
           $verbs, qr{; an inference is POST models/NAME:predict$}] }
        '/predict', '/infer', '/versions/1/infer'),
    ['tfserving: a label for a number',
     POST => '/v1/models/small/versions/stable:predict', $row, [], 404,
     qr{; a number goes behind versions/, a label behind labels/$}],
    ['tfserving: a misspelled model', POST => '/v1/models/mpl:predict', $row,
     [], 404, qr/unknown model "mpl"; did you mean "mlp"\?/],
    ['tfserving: an unknown version',
     POST => '/v1/models/mlp/versions/9:predict', $row, [], 404,
     qr/no version or label "9"; it has 1$/],
    ['tfserving: a misspelled label',
     POST => '/v1/models/small/labels/stabel:predict', $row, [], 404,
     qr/no version or label "stabel"; did you mean "stable"\?/],
    ['tfserving: not available', POST => '/v1/models/broken:predict', $row,
     [], 503, qr/model "broken" version 1 is not available: .*it is text/],
    [predict('tfserving: no body', 'mlp', ''), 400,
     qr/an empty body where an object is expected/],
    [predict('tfserving: half a body', 'mlp', '{"instances":[[1,2]'), 400,
     qr/JSON, byte 19: the end of the body where ',' or '\]' is expected/],
    [predict('tfserving: a misspelled key', 'mlp', '{"instance":[[1,2]]}'),
     400, qr/lacks "instances" or "inputs"; expected \{"instances": \[/],
    [predict('tfserving: both forms', 'mlp',
             '{"instances":[[1,2]],"inputs":[[1,2]]}'), 400,
     qr/more than one of "instances" and "inputs"/],
    [predict('tfserving: no instances', 'mlp', '{"instances":[]}'), 400,
     qr/"instances" is an empty list/],
    [predict('tfserving: another shape', 'mlp', '{"instances":[[1,2,3]]}'),
     400, qr/input "x": shape \[1,3\], but the model takes \[\?,2\]/],
    [predict('tfserving: another rank', 'mlp', '{"instances":[1]}'), 400,
     qr/input "x": shape \[1\], but the model takes \[\?,2\]/],
    [predict('tfserving: ragged lists', 'mlp', '{"instances":[[1,2],[3]]}'),
     400, qr/byte 22: ragged lists: the list at \[1\], depth 2, has 1 items/],
    [predict('tfserving: text for a number', 'mlp',
             '{"instances":[["a",2]]}'), 400,
     qr/element 0: a string where a value of float32 is expected/],
    [predict('tfserving: nan', 'mlp', '{"instances":[[1,nan]]}'), 400,
     qr/element 1: a bare word where a value of float32 is expected/],
    [predict('tfserving: an unknown input', 'mlp',
             '{"instances":[{"z":[1,2]}]}'), 400,
     qr/instance 0: unknown input "z"; this model takes "x"/],
    [predict('tfserving: a value for two inputs', 'pair', $row), 400,
     qr/this model has 2 inputs: give an object keyed by input name/],
    [predict('tfserving: an instance without an input', 'pair',
             '{"instances":[{"a":[1,2],"b":3},{"a":[1,2]}]}'), 400,
     qr/instance 1: missing input "b"/],
    [predict('tfserving: an input too many', 'pair',
             '{"inputs":{"a":[[1,2]],"b":[1],"c":1}}'), 400,
     qr/unknown input "c"; this model takes "a", "b"/],
    [predict('tfserving: a fraction for an integer', 'pair',
             '{"instances":[{"a":[1,2],"b":2.0}]}'), 400,
     qr/2\.0 is no integer, but the type is int64/],
    [predict('tfserving: an unknown signature', 'mlp',
             '{"signature_name":"predict","instances":[[1,2]]}'), 400,
     qr/no signature "predict"; there is "serving_default"/],
    [predict('tfserving: too many elements', 'small',
             '{"instances":[' . join(',', ('[1,2,3,4,5]') x 4) . ']}'), 413,
     qr/more than 16 elements, the limit of this model/],
    ['tfserving: no classifier', POST => '/v1/models/mlp:classify',
     '{"examples":[{"x":[1,2]}]}', [], 400,
     qr/model "mlp" is no classifier: .*; use :predict/],
    ['tfserving: no examples', POST => '/v1/models/class:classify', $row, [],
     400, qr/lacks "examples"; expected \{"examples": \[\{\.\.\.\}/],
    ['tfserving: an example of another size',
     POST => '/v1/models/class:classify', '{"examples":[{"x":[1,2]}]}', [],
     400, qr/input "x": an example has 2 values, but the model takes \[\?,4/],

    # -- maas_pass

    ['pass: PUT', PUT => '/p/mlp', '1', \@json, 405,
     qr/method PUT is not allowed here; use GET, HEAD, POST/],
    ['pass: a misspelled model', POST => '/p/mpl', '1', \@json, 404,
     qr/unknown model "mpl"; did you mean "mlp"\?/],
    ['pass: no name at all', POST => '/p/a%20b', '1', \@json, 404,
     qr/unknown model "a b"$/],
    ['pass: an empty name', POST => '/arg', '1', \@json, 404,
     qr/^the request names no model, which this location takes from it$/],
    ['pass: an unknown version', POST => '/p/mlp?v=9', '1', \@json, 404,
     qr/no version or label "9"; it has 1$/],
    ['pass: not available', POST => '/p/broken', '1', \@json, 503,
     qr/model "broken" version 1 is not available: .*it is text/],
    ['pass: a type that nobody reads', POST => '/p/mlp', 'hello',
     [$type->('text/plain')], 415,
     qr/Content-Type "text\/plain" is not accepted; this model takes appl/,
     qr/application\/octet-stream/],
    ['pass: no type', POST => '/p/mlp', 'hello', [], 415,
     qr/Content-Type is not given, and the body does not begin as JSON does/,
     qr/this model takes application\/json/],
    ['pass: a form', POST => '/p/mlp', 'a=b',
     [$type->('application/x-www-form-urlencoded')], 415,
     qr/does not begin as JSON does \(with curl, --data-binary and -H/],
    ['pass: an image to a model of numbers', POST => '/p/mlp', $png,
     [$type->('image/png')], 415,
     qr/Content-Type "image\/png" is not accepted; this model takes/],
    ['pass: an image that nobody reads', POST => '/p/digits', 'GIF89a',
     [$type->('image/gif')], 415, qr/this model takes .*image\/jpeg, image\/p/],
    ['pass: no image', POST => '/p/digits', 'garbage',
     [$type->('image/png')], 400,
     qr/not an image: neither JPEG nor PNG begins so/],
    ['pass: half an image', POST => '/p/digits', substr($png, 0, 60),
     [$type->('image/png')], 400, qr/PNG: the data ends too early/],
    [to_pass('pass: no body', 'mlp', ''), 400, qr/an empty body where a value/],
    ['pass: no body, no type', POST => '/p/mlp', '', [], 400,
     qr/the body is empty; POST the input, for example as JSON/],
    [to_pass('pass: a request of another dialect', 'mlp', '{"inputs":['
             . '{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'),
     400, qr/an object where a value of float32 .*; requests of the Open Infe/,
     qr/go to a location with "maas_api kserve"$/],
    [to_pass('pass: half a body', 'mlp', '[1,2'), 400,
     qr/JSON, byte 4: the end of the body where ',' or '\]' is expected/],
    [to_pass('pass: another shape', 'mlp', '[[1,2,3]]'), 400,
     qr/input "x": shape \[1,3\], but the model takes \[\?,2\]/],
    [to_pass('pass: ragged lists', 'mlp', '[[1,2],[3]]'), 400,
     qr/byte 9: ragged lists: the list at \[1\], depth 2, has 1 items/],
    [to_pass('pass: an unknown input', 'mlp', '{"y":[[1,2]]}'), 400,
     qr/unknown input "y"; this model takes "x"/],
    [to_pass('pass: a missing input', 'pair', '{"a":[[1,2]]}'), 400,
     qr/missing input "b"/],
    [to_pass('pass: a value for two inputs', 'pair', '[[1,2]]'), 400,
     qr/this model has 2 inputs: give an object keyed by input name/],
    [to_pass('pass: a fraction for an integer', 'pair',
             '{"a":[[1,2]],"b":[1.5]}'), 400,
     qr/1\.5 is no integer, but the type is int64/],
    [to_pass('pass: too many elements', 'small',
             '[[' . join(',', (1) x 20) . ']]'), 413,
     qr/more than 16 elements, the limit of this model/],
    ['pass: raw bytes of a strange size', POST => '/p/mlp', 'abc', \@raw, 400,
     qr/3 bytes of data, but \[\?,2\] of float32 needs a multiple of 8 bytes/],
    ['pass: raw bytes for two inputs', POST => '/p/pair', 'abcd', \@raw, 415,
     qr/octet-stream" is not accepted; this model takes application\/json/],
    ['pass: an answer that it has not', POST => '/p/pair',
     '{"a":[[1,2]],"b":[1]}', [@json, Accept => 'image/png'], 406,
     qr/Accept "image\/png" allows none of what this model answers with: app/],
    ['pass: an unknown argument', POST => '/p/digits?tp=3', $png,
     [$type->('image/png')], 200, qr/"classes"/],
    ['pass: a strange argument', POST => '/p/digits?top=all', $png,
     [$type->('image/png')], 400, qr/top/, qr/expected|integer|number/],

    # -- all of them

    map({ ["$_->[0]: a body of gzip", POST => $_->[1], $_->[2],
           [@json, 'Content-Encoding' => 'gzip'], 415,
           qr/Content-Encoding "gzip" is not decoded here; send the body as/],
          ["$_->[0]: a large body", POST => $_->[1], $large, \@json, 413,
           qr/the body is larger than client_max_body_size/] }
        ['kserve', $mlp, $one], ['tfserving', '/v1/models/mlp:predict', $row],
        ['pass', '/p/mlp', '[[1,2]]']),
    ['kserve: the deadline', POST => '/short/models/slow/infer', rows(2048),
     [], 504, qr/the deadline of 50 ms passed/],

    # -- two dialects: the failure that is nearer

    ['both: a path of neither', POST => '/both/models/mlp/predict', $row, [],
     404, qr/an inference is POST models/],
    ['both: GET of predict', GET => '/both/models/mlp:predict', undef, [],
     405, qr/use POST/],
    ['both: PUT of predict', PUT => '/both/models/mlp:predict', $row, [], 405,
     qr/use POST/],
    ['both: a verb that is not served', POST => '/both/models/mlp:explain',
     '{}', [], 501, qr/":explain" is not supported/],
    ['both: not available', POST => '/both/models/broken:predict', $row, [],
     503, qr/model "broken" version 1 is not available/],

    # -- without details

    ['quiet: not available', POST => '/quiet/models/broken/infer', $one, [],
     503, qr/^model "broken" version 1 is not available$/],
    ['quiet: not available, the other dialect',
     POST => '/quiet/models/broken:predict', $row, [], 503,
     qr/^model "broken" version 1 is not available$/],
    ['quiet: not available, maas_pass', POST => '/q/broken', '1', \@json, 503,
     qr/^model "broken" version 1 is not available$/],
    ['quiet: a misspelled model', POST => '/quiet/models/mpl/infer', $one, [],
     404, qr/^unknown model "mpl"$/],
    ['quiet: inputs that differ in their rows',
     POST => '/quiet/models/clash/infer',
     inputs(tensor('a', '[2,2]', 'FP32', ',"data":[1,2,3,4]'),
            tensor('b', '[3,2]', 'FP32', ',"data":[1,2,3,4,5,6]')), [], 400,
     qr/^the model cannot compute from inputs of these shapes and values$/],
);

push @rows, ['quiet: what makes a tensor of petabytes', POST =>
             '/quiet/models/huge/infer', $one, [], 413,
             qr/^the model cannot compute from inputs of these shapes/];

my %allow = ('GET, HEAD' => 1, POST => 1, 'GET, HEAD, POST' => 1);

for my $row (@rows) {
    my ($what, $method, $uri, $body, $headers, $status, @parts) = @$row;

    my $r = $t->answer($t->send($method, $uri, $body, @$headers));
    my $text = $r->{body};

    if ($status >= 400) {
        ($text) = $r->{body} =~ /^\{"error":"(.*)"\}$/;
        $text = defined $text ? $text =~ s/\\"/"/gr : '';
    }

    note("$r->{status} $text");
    is($r->{status}, $status, "$what: $status") or diag($r->{body});
    ok(!grep({ $text !~ $_ } @parts), "$what: why") or diag($r->{body});
    unlike($text, qr{$t->{prefix}|\.onnx|node '}, "$what: no paths, no nodes")
        if $what =~ /^quiet/;
    ok($allow{$r->{headers}{allow} // ''}, "$what: Allow") if $status == 405;
    is($r->{headers}{'accept-encoding'}, 'identity', "$what: Accept-Encoding")
        if $what =~ /gzip/;
}

cmp_ok(scalar @rows, '>=', 100, scalar(@rows) . ' rows');


# -- a full queue, and a wait that is too long

my $run = $t->hold('/v2/models/full/infer');
my $next = $t->queue('/v2/models/full/infer', rows(1));

my $r = $t->post('/v2/models/full/infer', rows(1));
is($r->{status}, 503, 'a full queue');
like($r->{body}, qr/the queue of model \\"full\\" is full/, 'why');
like($r->{headers}{'retry-after'} // '', qr/^[1-9]\d*$/, 'with Retry-After');

close $run;
is($t->answer($next)->{status}, 200, 'the one before is answered');

$run = $t->hold('/v2/models/slow/infer');
$r = $t->post('/v2/models/slow/infer', rows(1));
is($r->{status}, 503, 'a wait that is too long');
like($r->{body}, qr/waited 100 ms in the queue of model \\"slow\\"/, 'why');
close $run;

is($t->post($mlp, $one)->{status}, 200, 'all is well afterwards');

done($t);
