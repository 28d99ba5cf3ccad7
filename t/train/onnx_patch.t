# A model with values replaced, looked at with Python's onnx: all but those
# values is as it was.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use MaasCli;
use Test::More;

my $build = $ENV{MAAS_BUILD} // 'build';
my $python = '/usr/bin/python3';

spew("$tmp/make.py", <<'EOP');
import sys, numpy as np, onnx
from onnx import helper as h, numpy_helper as nh, TensorProto as T
W = nh.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), 'W')
W.doc_string = 'weights'
b = h.make_tensor('b', T.FLOAT, [3], [1, 2, 3])          # float_data
unused = nh.from_array(np.array([7], np.int64), 'n')
g = h.make_graph(
    [h.make_node('Gemm', ['x', 'W', 'b'], ['h'], 'dense', doc_string='node'),
     h.make_node('Softmax', ['h'], ['y'], axis=-1)], 'graph',
    [h.make_tensor_value_info('x', T.FLOAT, ['N', 4], doc_string='input')],
    [h.make_tensor_value_info('y', T.FLOAT, ['N', 3])], [W, b, unused],
    doc_string='of the graph',
    value_info=[h.make_tensor_value_info('h', T.FLOAT, ['N', 3])])
m = h.make_model(g, opset_imports=[h.make_opsetid('', 17)],
                 producer_name='a test', producer_version='1')
m.ir_version = 8
m.doc_string = 'of the model'
h.set_model_props(m, {'author': 'nobody', 'licence': 'none'})
onnx.save(m, sys.argv[1])
EOP

spew("$tmp/same.py", <<'EOP');
import sys, numpy as np, onnx
from onnx import numpy_helper as nh
a, b = onnx.load(sys.argv[1]), onnx.load(sys.argv[2])
onnx.checker.check_model(b)
for x, y in zip(a.graph.initializer, b.graph.initializer):
    if x.name == sys.argv[3]:
        assert np.array_equal(nh.to_array(x) * 2 + 1, nh.to_array(y))
        for t in x, y:
            t.ClearField('raw_data')
            t.ClearField('float_data')
assert a == b
EOP

is(system($python, "$tmp/make.py", "$tmp/in.onnx"), 0, 'a model');

for my $name ('W', 'b') {
    is(system("$build/t/onnx_patch_test", "$tmp/in.onnx", "$tmp/out.onnx",
              $name), 0, "$name is replaced");
    is(system($python, "$tmp/same.py", "$tmp/in.onnx", "$tmp/out.onnx",
              $name), 0, '  nothing else');
}

done_testing();
