#!/usr/bin/python3
"""Operators of com.microsoft over 8-bit numbers, as static quantisation in
operator form writes them, and a small network of them, beside ONNX Runtime;
the same bits at the level of plain C.

QLinearMul, QLinearAveragePool and the network may differ by one code: no
specification says how they round between.
"""

import os
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save as write

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import done, fresh, maas, need, ok, oracle, save

need(models=False)

U8, I8, I32, F = np.uint8, np.int8, np.int32, np.float32
rng = np.random.default_rng(5)


def data(shape, kind=U8):
    return rng.integers(0, 256, shape).astype(U8).view(kind)


def code(scale, zero, kind=U8):
    return [np.array(scale, F), np.array(zero, kind)]


X, Y, Z = code(.03, 120), code(.05, 7), code(.07, 90)
XS, YS, ZS = code(.03, 20, I8), code(.05, -7, I8), code(.07, 9, I8)
ONE, ONES = code(1 / 256, 0), code(1 / 256, -128, I8)
SCALES = (rng.random(40) * .01).astype(F)
ZEROS = np.zeros(40, I8)
BIAS = rng.integers(-900, 900, 40).astype(I32)
POOL = dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])


class Input:
    def __init__(self, *shape, kind=U8):
        self.data = data(shape, kind)


IMAGE, SIGNED = Input(1, 20, 9, 7), Input(1, 20, 9, 7, kind=I8)

# what, operator, inputs, attributes, codes by which it may differ
CASES = [
    ('Add', 'QLinearAdd', [IMAGE, *X, Input(1, 20, 9, 7), *Y, *Z], {}, 0),
    ('Add, int8', 'QLinearAdd', [SIGNED, *XS, Input(20, 1, 1, kind=I8), *YS,
                                 *ZS], {}, 0),
    ('Mul', 'QLinearMul', [IMAGE, *X, Input(1, 20, 1, 1), *Y, *Z], {}, 1),
    ('Sigmoid', 'QLinearSigmoid', [IMAGE, *X, *ONE], {}, 0),
    ('Sigmoid, int8', 'QLinearSigmoid', [SIGNED, *XS, *ONES], {}, 0),
    ('LeakyRelu', 'QLinearLeakyRelu', [IMAGE, *X, *Y], dict(alpha=.2), 0),
    ('Softmax', 'QLinearSoftmax', [Input(5, 33), *X, *ONE],
     dict(axis=-1, opset=13), 0),
    ('Softmax, opset 11', 'QLinearSoftmax', [Input(2, 3, 8), *X, *ONE],
     dict(axis=1, opset=11), 0),
    ('AveragePool', 'QLinearAveragePool', [IMAGE, *X, *Y], POOL, 1),
    ('AveragePool, pads count', 'QLinearAveragePool', [SIGNED, *XS, *YS],
     dict(POOL, count_include_pad=1), 1),
    ('GlobalAveragePool', 'QLinearGlobalAveragePool', [IMAGE, *X, *Y],
     dict(channels_last=0), 1),
    ('GlobalAveragePool, int8', 'QLinearGlobalAveragePool',
     [SIGNED, *XS, *YS], dict(channels_last=0), 1),
    ('Concat', 'QLinearConcat', [*Z, IMAGE, *X, Input(1, 5, 9, 7), *Y],
     dict(axis=1), 0),
    ('Concat, last axis', 'QLinearConcat',
     [*Z, IMAGE, *X, Input(1, 20, 9, 2), *Y], dict(axis=-1), 0),
    ('Gemm', 'QGemm', [Input(7, 33), *X, data([33, 40], I8), SCALES, ZEROS,
                       BIAS, *code(1.5, 90)], {}, 0),
    ('Gemm, transposed, int8', 'QGemm',
     [Input(7, 33, kind=I8), *XS, data([40, 33], I8), *code(.01, 3, I8),
      BIAS, *code(3, 9, I8)], dict(transB=1, alpha=.5), 0),
    ('Gemm to float32', 'QGemm', [Input(7, 33), *X, data([33, 40], I8),
                                  *code(.01, 0, I8)], {}, 0),
]


class Net:
    def __init__(self):
        self.nodes, self.inits, self.ports, self.feed = [], [], [], {}
        self.names, self.kept = {}, []

    def name(self, v):
        if isinstance(v, str):
            return v
        if id(v) not in self.names:
            self.kept.append(v)         # so that no other has its id
            name = self.names[id(v)] = 'v%d' % len(self.names)
            if isinstance(v, Input):
                kind = TensorProto.INT8 if v.data.dtype == I8 \
                    else TensorProto.UINT8
                self.ports.append(helper.make_tensor_value_info(
                    name, kind, v.data.shape))
                self.feed[name] = v.data
            else:
                self.inits.append(numpy_helper.from_array(v, name))
        return self.names[id(v)]

    def node(self, op, ins, **attr):
        out = 'n%d' % len(self.nodes)
        own = op.startswith('QLinear') and op not in ('QLinearConv',) \
            or op == 'QGemm'
        self.nodes.append(helper.make_node(
            op, [self.name(v) for v in ins], [out],
            domain='com.microsoft' if own else '', **attr))
        return out

    def model(self, kind):
        out = helper.make_tensor_value_info(
            'n%d' % (len(self.nodes) - 1), kind, None)
        return helper.make_model(
            helper.make_graph(self.nodes, 'g', self.ports, [out], self.inits),
            ir_version=8, opset_imports=[
                helper.make_opsetid('', 13),
                helper.make_opsetid('com.microsoft', 1)])


def check(what, net, kind, most):
    folder = fresh('qoperators')
    path = folder + '/model.onnx'
    write(net.model(kind), path)
    files = save(folder, net.feed)
    want = oracle(path, [files], folder)
    got = maas(path, files, folder + '/got')
    plain = maas(path, files, folder + '/ref', dict(MAAS_CPU='ref'))
    if any(isinstance(g, str) for g in (want, got, plain)):
        ok(False, what, str([g for g in (want, got, plain)
                             if isinstance(g, str)][0]))
        return
    (w, _), = want[0].values()
    g, = got.values()
    p, = plain.values()
    far = np.abs(g.astype(float) - w).max() if g.shape == w.shape else np.inf
    ok(g.dtype == w.dtype and far <= most and g.tobytes() == p.tobytes(),
       what, '%s%s beside %s%s: differ by %g; plain C: %s' % (
           g.dtype, g.shape, w.dtype, w.shape, far,
           'the same' if g.tobytes() == p.tobytes() else 'others'))


def conv(net, x, c, m, k, zero, sy):
    return net.node('QLinearConv', [
        x, *X, data([m, c, k, k], I8), (rng.random(m) * .003).astype(F),
        np.zeros(m, I8), *code(sy, zero), rng.integers(-99, 99, m).astype(I32)
    ], pads=[k // 2] * 4)


for what, op, ins, attr, most in CASES:
    net = Net()
    net.node(op, ins, **attr)
    check(what, net, TensorProto.FLOAT if 'float32' in what
          else TensorProto.INT8 if 'int8' in what or ins[0] is SIGNED
          else TensorProto.UINT8, most)

net = Net()
x = conv(net, IMAGE, 20, 32, 3, 120, .03)
y = conv(net, x, 32, 32, 1, 7, .05)
y = net.node('QLinearAdd', [y, *Y, x, *X, *X])
y = net.node('QLinearConcat', [*X, y, *X, x, *X], axis=1)
y = net.node('QLinearAveragePool', [y, *X, *X], **POOL)
y = net.node('QLinearGlobalAveragePool', [y, *X, *X], channels_last=0)
y = net.node('Flatten', [y])
net.node('QGemm', [y, *X, data([64, 40], I8), SCALES, ZEROS, BIAS,
                   *code(.5, 128)])
check('a network', net, TensorProto.UINT8, 1)

done()
