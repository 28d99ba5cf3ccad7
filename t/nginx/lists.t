# Sequences, maps and optionals as inputs, over HTTP and by `maas run`; texts
# of many lengths make few plans.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use JSON::PP;
use MaasTest;
use Test::More;

my $t = MaasTest->new(http => <<'EOC');
    server {
        listen 127.0.0.1:%PORT%;
        location /pass/ {
            location /pass/dict { maas_pass dict; }
            location /pass/ids  { maas_pass ids; }
            location /pass/cast { maas_pass cast; }
            location /pass/join { maas_pass join; }
            location /pass/opt  { maas_pass opt; }
            location /pass/glue { maas_pass glue; }
        }
        location /v1 { maas_api tfserving; }
        location /v2 { maas_api kserve; }
    }

    maas_model dict { source %PREFIX%/dict.onnx; }
    maas_model ids  { source %PREFIX%/ids.onnx; }
    maas_model cast { source %PREFIX%/cast.onnx; }
    maas_model join { source %PREFIX%/join.onnx; }
    maas_model opt  { source %PREFIX%/opt.onnx; }
    maas_model glue { source %PREFIX%/glue.onnx; }
EOC

my $p = $t->{prefix};

open my $py, '|-', '/usr/bin/python3', '-', $p or die $!;
print $py <<'EOP';
import sys
from onnx import TensorProto as T, TypeProto, helper as h, save


def tensor(name, t, dims):
    return h.make_tensor_value_info(name, t, dims)


def typed(name, kind, t, dims=None, key=None):
    tt = h.make_tensor_type_proto(t, dims)
    if kind == 'sequence':
        tp = h.make_sequence_type_proto(tt)
    elif kind == 'optional':
        tp = h.make_optional_type_proto(tt)
    else:
        tp = TypeProto()
        tp.map_type.key_type = key
        tp.map_type.value_type.CopyFrom(tt)
    return h.make_value_info(name, tp)


def put(name, nodes, ins, outs):
    m = h.make_model(h.make_graph(nodes, name, ins, outs), ir_version=9,
                     opset_imports=[h.make_opsetid('', 20),
                                    h.make_opsetid('ai.onnx.ml', 3)])
    save(m, '%s/%s.onnx' % (sys.argv[1], name))


ML = 'ai.onnx.ml'
put('dict', [h.make_node('DictVectorizer', ['x'], ['y'], domain=ML,
                         string_vocabulary=['cat', 'dog', 'emu', 'cat'])],
    [typed('x', 'map', T.FLOAT, [], T.STRING)],
    [tensor('y', T.FLOAT, [1, 4])])
put('ids', [h.make_node('DictVectorizer', ['x'], ['y'], domain=ML,
                        int64_vocabulary=[7, -3, 11])],
    [typed('x', 'map', T.STRING, [], T.INT64)],
    [tensor('y', T.STRING, [1, 3])])
put('cast', [h.make_node('CastMap', ['x'], ['dense'], domain=ML,
                         cast_to='TO_INT64'),
             h.make_node('CastMap', ['x'], ['sparse'], domain=ML,
                         cast_to='TO_FLOAT', map_form='SPARSE', max_map=6)],
    [typed('x', 'map', T.STRING, [], T.INT64)],
    [tensor('dense', T.INT64, None), tensor('sparse', T.FLOAT, None)])
put('join', [h.make_node('ConcatFromSequence', ['x'], ['y'], axis=0),
             h.make_node('SequenceLength', ['x'], ['n'])],
    [typed('x', 'sequence', T.FLOAT, ['n'])],
    [tensor('y', T.FLOAT, ['m']), tensor('n', T.INT64, [])])
put('opt', [h.make_node('OptionalHasElement', ['x'], ['has'])],
    [typed('x', 'optional', T.FLOAT, ['n'])], [tensor('has', T.BOOL, [])])
put('glue', [h.make_node('StringConcat', ['x', 'x'], ['y'])],
    [tensor('x', T.STRING, ['n'])], [tensor('y', T.STRING, ['n'])])
EOP
close $py or die 'no models';

$t->start;

my $json = JSON::PP->new->canonical->allow_nonref->utf8;


sub answer {
    my ($path, $body) = @_;
    my $r = $t->post($path, $body, 'Content-Type' => 'application/json');

    return ($r->{status}, $r->{body});
}


sub gives {
    my ($model, $value, $want, $text) = @_;
    my ($status, $body) = answer("/pass/$model", '{"x":' . $value . '}');

    is($status, 200, "$text: maas_pass") or diag($body);
    is($json->encode(eval { $json->decode($body)->{outputs} } // $body),
       $want, "$text: the values");

    ($status, $body) = answer("/v1/models/$model:predict",
                              '{"inputs":{"x":' . $value . '}}');
    is($status, 200, "$text: TensorFlow Serving") or diag($body);
    my $got = eval { $json->decode($body)->{outputs} };
    my $all = $json->decode($want);
    is($json->encode($got // $body),
       $json->encode(keys %$all == 1 ? (values %$all)[0] : $all),
       "$text: the same values");

    write_file("$p/in.json", $value);
    is(system($t->maas . " run $p/$model.onnx --input x=$p/in.json "
              . "> $p/run.txt 2>&1"), 0, "$text: maas run")
        or diag(read_file("$p/run.txt"));
}


sub refuses {
    my ($model, $value, $like, $text) = @_;
    my ($status, $body) = answer("/pass/$model", '{"x":' . $value . '}');

    is($status, 400, "$text: 400") or diag($body);
    like($body, $like, "$text: the text");
}


gives('dict', '{"dog":2.5,"cat":1,"fox":9}', '{"y":[[1,2.5,0,1]]}',
      'a map of strings');
gives('dict', '{}', '{"y":[[0,0,0,0]]}', 'an empty map');
gives('ids', '{"11":"eleven","-3":"","7":"seven \u00e4"}',
      $json->encode({ y => [["seven \x{e4}", '', 'eleven']] }),
      'a map of integers to text');
gives('cast', '{"4":"40","1":"-7"}',
      '{"dense":[[-7,40]],"sparse":[[0,-7,0,0,40,0]]}', 'CastMap');
gives('cast', '{}', '{"dense":[[]],"sparse":[[0,0,0,0,0,0]]}',
      'CastMap of nothing');
gives('join', '[[1,2],[],[3.5]]', '{"n":3,"y":[1,2,3.5]}', 'a sequence');
gives('opt', 'null', '{"has":false}', 'nothing');
gives('opt', '[1,2]', '{"has":true}', 'something');

# The key of a plan is hashed where a list is long.
my $long = join(',', map { "[$_]" } 1 .. 3000);
my $more = join(',', map { "[$_]" } 1 .. 2999) . ',[1,2]';
my ($status, $body) = answer('/pass/join', '{"x":[' . $long . ']}');
is($status, 200, '3000 tensors') or diag($body);
is(eval { $json->decode($body)->{outputs}{n} }, 3000, 'all of them');
($status, $body) = answer('/pass/join', '{"x":[' . $more . ']}');
is(scalar @{ $json->decode($body)->{outputs}{y} // [] }, 3001,
   'another plan where the last one is longer');
($status, $body) = answer('/pass/join',
                          '{"x":[' . join(',', ('[]') x 65536) . ']}');
is($status, 413, 'too many tensors') or diag($body);
like($body, qr/a sequence of more than 65535 tensors/, 'and how many may be');

refuses('dict', '{"cat":[1]}', qr/key \\?"cat\\?": a list; the values of this/,
        'a list as value');
refuses('dict', '{"cat":"a"}', qr/key \\?"cat.*float32 is expected/,
        'text as value');
refuses('dict', '[1]', qr/a list where a map, an object, is expected/,
        'a list for a map');
refuses('dict', '{"cat":1,"cat":2}', qr/key \\?"cat\\?" is given twice/,
        'a key twice');
refuses('ids', '{"x":"a"}', qr/the keys of this map are int64, as decimal/,
        'a word as integer key');
refuses('ids', '{"1":"a","01":"b"}', qr/keys of this map|given twice/,
        'a number twice');
refuses('cast', '{"6":"1"}', qr/key 6 of the map is out of range \[0, 5\]/,
        'a key beyond max_map');
refuses('cast', '{"1":"one"}', qr/one/, 'text that is no number');
refuses('join', '[[1],[[2]]]', qr/./, 'tensors of two ranks');
refuses('join', '{"a":1}', qr/an object where a sequence, a list/,
        'an object for a sequence');

($status, $body) = answer('/v2/models/dict/infer',
    '{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}');
is($status, 400, 'kserve has no form for it');
like($body, qr/is a map, which has no form in this protocol; maas_pass and/,
     'and says where it works');

($status, $body) = answer('/v1/models/dict:predict',
                          '{"instances":[{"x":{"cat":1}}]}');
is($status, 400, 'rows have no form for it');
like($body, qr/is a map, which has no form here: give it in the column form/,
     'and what has');

my $text = `@{[ $t->maas ]} inspect $p/dict.onnx 2>&1`;
like($text, qr/^input   x  map of string to float32\[/m,
     'inspect shows the kind');

# Texts of a thousand lengths; model_test.c counts their plans.
for my $n (1 .. 1000) {
    my $s = 'a' x $n;
    ($status, $body) = answer('/pass/glue', '{"x":["' . $s . '"]}');

    if ($body !~ /"\Q$s$s\E"/) {
        fail("text of $n bytes");
        last;
    }
}

is($status, 200, 'texts of a thousand lengths');
$t->done;
