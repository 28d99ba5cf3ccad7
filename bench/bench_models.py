"""Networks with seeded random weights, as exporters write them.

Shapes and scales as of the published architectures; BatchNormalization is
folded into convolutions, as an export of a network in inference mode has it.
"""

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh


class Graph:
    def __init__(self, seed=1):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.weights, self.n = [], [], 0

    def const(self, a):
        self.n += 1
        name = 'c%d' % self.n
        self.weights.append(nh.from_array(np.ascontiguousarray(a), name))
        return name

    def normal(self, *shape, std=0.02):
        return self.const(self.rng.standard_normal(shape, dtype=np.float32)
                          * np.float32(std))

    def op(self, kind, *inputs, out=None, **attrs):
        self.n += 1
        out = out or 't%d' % self.n
        self.nodes.append(h.make_node(kind, list(inputs), [out],
                                      name='%s_%d' % (kind, self.n), **attrs))
        return out

    def save(self, path, inputs, outputs, opset=13):
        def port(x):
            return h.make_tensor_value_info(*x)
        graph = h.make_graph(self.nodes, 'g', [port(x) for x in inputs],
                             [port(x) for x in outputs], self.weights)
        model = h.make_model(graph,
                             opset_imports=[h.make_opsetid('', opset)])
        model.ir_version = 7
        onnx.save(model, path)


def f32(x):
    return np.array(x, dtype=np.float32)


def i64(x):
    return np.array(x, dtype=np.int64)


# -- images ------------------------------------------------------------------

def conv(g, x, c_in, c_out, k, stride=1, group=1):
    fan = c_in // group * k * k
    return g.op('Conv', x,
                g.normal(c_out, c_in // group, k, k, std=np.sqrt(2 / fan)),
                g.normal(c_out), kernel_shape=[k, k], strides=[stride] * 2,
                pads=[k // 2] * 4, group=group)


def head(g, x, channels, path):
    x = g.op('Flatten', g.op('GlobalAveragePool', x), axis=1)
    g.op('Gemm', x, g.normal(1000, channels, std=0.01), g.normal(1000),
         out='output', transB=1)
    g.save(path, [('input', T.FLOAT, ['batch', 3, 224, 224])],
           [('output', T.FLOAT, ['batch', 1000])])


def resnet50(path):
    g = Graph()
    x = g.op('Relu', conv(g, 'input', 3, 64, 7, 2))
    x = g.op('MaxPool', x, kernel_shape=[3, 3], strides=[2, 2],
             pads=[1, 1, 1, 1])
    c = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2),
                                  (512, 3, 2)):
        for i in range(blocks):
            s = stride if i == 0 else 1
            y = g.op('Relu', conv(g, x, c, width, 1))
            y = g.op('Relu', conv(g, y, width, width, 3, s))
            y = conv(g, y, width, 4 * width, 1)
            if i == 0:
                x = conv(g, x, c, 4 * width, 1, s)
            x = g.op('Relu', g.op('Add', y, x))
            c = 4 * width
    head(g, x, c, path)


def mobilenetv2(path):
    g = Graph()

    def clip(x):
        return g.op('Clip', x, g.const(f32(0)), g.const(f32(6)))

    x, c = clip(conv(g, 'input', 3, 32, 3, 2)), 32
    for t, out, n, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2),
                              (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                              (6, 320, 1, 1)):
        for i in range(n):
            y, wide = x, c * t
            if t != 1:
                y = clip(conv(g, y, c, wide, 1))
            y = clip(conv(g, y, wide, wide, 3, stride if i == 0 else 1,
                          wide))
            y = conv(g, y, wide, out, 1)
            x = g.op('Add', x, y) if i > 0 else y
            c = out
    head(g, clip(conv(g, x, c, 1280, 1)), 1280, path)


# -- text --------------------------------------------------------------------

def norm(g, x, d):
    """LayerNormalization as it is written below opset 17."""
    c = g.op('Sub', x, g.op('ReduceMean', x, axes=[-1], keepdims=1))
    v = g.op('ReduceMean', g.op('Pow', c, g.const(f32(2))), axes=[-1],
             keepdims=1)
    s = g.op('Sqrt', g.op('Add', v, g.const(f32(1e-12))))
    gamma = 1 + 0.02 * g.rng.standard_normal(d, dtype=np.float32)
    y = g.op('Mul', g.op('Div', c, s), g.const(gamma.astype(np.float32)))
    return g.op('Add', y, g.normal(d))


def linear(g, x, c_in, c_out, int8):
    if not int8:
        y = g.op('MatMul', x, g.normal(c_in, c_out, std=1 / np.sqrt(c_in)))
        return g.op('Add', y, g.normal(c_out))
    w = g.rng.integers(-127, 128, (c_in, c_out), dtype=np.int8)
    q, s, z = ('%s%d' % (k, g.n) for k in ('q', 's', 'z'))
    g.nodes.append(h.make_node('DynamicQuantizeLinear', [x], [q, s, z]))
    y = g.op('MatMulInteger', q, g.const(w), z,
             g.const(np.zeros((), np.int8)))
    scale = g.op('Mul', s, g.const(f32(1 / 73 / np.sqrt(c_in))))
    y = g.op('Mul', g.op('Cast', y, to=T.FLOAT), scale)
    return g.op('Add', y, g.normal(c_out))


def heads_of(g, x, heads, size, perm):
    shape = g.const(i64([0, 0, heads, size]))
    return g.op('Transpose', g.op('Reshape', x, shape), perm=perm)


def encoder(g, x, mask, d, heads, inter, int8):
    size = d // heads
    q = heads_of(g, linear(g, x, d, d, int8), heads, size, [0, 2, 1, 3])
    k = heads_of(g, linear(g, x, d, d, int8), heads, size, [0, 2, 3, 1])
    v = heads_of(g, linear(g, x, d, d, int8), heads, size, [0, 2, 1, 3])
    s = g.op('Div', g.op('MatMul', q, k), g.const(f32(np.sqrt(size))))
    p = g.op('Softmax', g.op('Add', s, mask), axis=3)
    o = g.op('Transpose', g.op('MatMul', p, v), perm=[0, 2, 1, 3])
    o = linear(g, g.op('Reshape', o, g.const(i64([0, 0, d]))), d, d, int8)
    x = norm(g, g.op('Add', o, x), d)
    f = linear(g, x, d, inter, int8)
    u = g.op('Erf', g.op('Div', f, g.const(f32(np.sqrt(2)))))
    u = g.op('Mul', f, g.op('Add', u, g.const(f32(1))))
    f = linear(g, g.op('Mul', u, g.const(f32(0.5))), inter, d, int8)
    return norm(g, g.op('Add', f, x), d)


def positions(g, d, longest):
    """The first of them: as many as input_ids has columns."""
    n = g.op('Gather', g.op('Shape', 'input_ids'), g.const(i64([1])))
    return g.op('Slice', g.normal(1, longest, d), g.const(i64([0])), n,
                g.const(i64([1])))


def bert(path, layers, d, heads, inter, seq, int8=False, vocab=30522):
    """seq None: any batch, any length up to 512."""
    g = Graph()
    e = g.op('Add', g.op('Gather', g.normal(vocab, d), 'input_ids'),
             g.op('Gather', g.normal(2, d), 'token_type_ids'))
    at = positions(g, d, 512) if seq is None else g.normal(1, seq, d)
    x = norm(g, g.op('Add', e, at), d)
    m = g.op('Unsqueeze', 'attention_mask', g.const(i64([1])))
    m = g.op('Unsqueeze', m, g.const(i64([2])))
    m = g.op('Sub', g.const(f32(1)), g.op('Cast', m, to=T.FLOAT))
    m = g.op('Mul', m, g.const(f32(-10000)))
    for _ in range(layers):
        x = encoder(g, x, m, d, heads, inter, int8)
    g.nodes[-1].output[0] = 'last_hidden_state'
    dims = ['batch', 'sequence'] if seq is None else [1, seq]
    g.save(path, [(n, T.INT64, dims) for n in
                  ('input_ids', 'attention_mask', 'token_type_ids')],
           [('last_hidden_state', T.FLOAT, dims + [d])])


def bert_base(seq, int8=False):
    return lambda path: bert(path, 12, 768, 12, 3072, seq, int8)


def minilm(seq=None):
    return lambda path: bert(path, 6, 384, 12, 1536, seq)


def mlp(path):
    g = Graph()
    x = g.op('Relu', g.op('Gemm', 'input', g.normal(2, 10, std=.5),
                          g.normal(10)))
    g.op('Sigmoid', g.op('Gemm', x, g.normal(10, 1, std=.5), g.normal(1)),
         out='output')
    g.save(path, [('input', T.FLOAT, ['batch', 2])],
           [('output', T.FLOAT, ['batch', 1])])


def dense(path):
    """784-1024-1024-10: 1.9 million weights, as for small pictures."""
    g = Graph()
    x, c = 'input', 784
    for width in 1024, 1024:
        x = g.op('Relu', g.op('Gemm', x, g.normal(c, width,
                                                  std=np.sqrt(2 / c)),
                              g.normal(width)))
        c = width
    g.op('Softmax', g.op('Gemm', x, g.normal(c, 10, std=0.03), g.normal(10)),
         out='output', axis=1)
    g.save(path, [('input', T.FLOAT, ['batch', 784])],
           [('output', T.FLOAT, ['batch', 10])])
