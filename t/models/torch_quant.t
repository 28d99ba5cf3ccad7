#!/usr/bin/python3
"""Graphs of PyTorch in float16 and in int8, as converters write them.

Limits.  float16: a value is rounded to 2^-11 of itself where it is stored;
ONNX Runtime stores some that we keep in float32, and the other way round:
four roundings in a row.  int8: where the sums of a product are added up in
another order, a value near the middle of two steps may fall on the other
side; a step is 1/255 of a tensor's range.  With scales that are powers of
two every sum is exact, and so is the comparison.
"""

import os
import sys

import numpy as np
import onnx

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import (WORK, Model, done, fresh, level, need, oracle, save)

need(models=False)

import quantise
from torch_export import answers, feeds
from torch_model import Changed, cast, exported

below = [c for c in ('avx2', 'v2', 'ref') if c != level()]

HALF = 4 / 2048, 4 / 2048, 4 / 2048
STEPS = 0, 0.1, 0.05
EXACT = 0, 0, 0


def half(model, sets):
    """float16"""
    return quantise.half(model)


def ranges(model, sets):
    """What the tensors that are quantised hold."""
    folder = fresh('ranges')
    onnx.save(quantise.observed(model, quantise.activations(model)),
              folder + '/model.onnx')
    runs = []
    for i, inputs in enumerate(sets):
        os.makedirs('%s/set%d' % (folder, i))
        runs.append(save('%s/set%d' % (folder, i), inputs))
    got = oracle(folder + '/model.onnx', runs, folder)
    if isinstance(got, str):
        sys.exit('Bail out!  no ranges: ' + got)
    return {k: (min(float(g[k][0].min()) for g in got),
                max(float(g[k][0].max()) for g in got)) for k in got[0]}


def static(model, sets):
    """QDQ int8"""
    return quantise.qdq(model, ranges(model, sets))


def powers(model, sets):
    """QDQ int8 by powers of two"""
    return quantise.qdq(model, ranges(model, sets), powers=True)


def dynamic(model, sets):
    """MatMulInteger"""
    return quantise.dynamic(model)


for name, loss in (('bert_17', 2e-3), ('mobilenet_v3', 1e-2),
                   ('unet_bilinear', 2e-3)):
    Changed(name, ('half_', half, np.float16), HALF, loss).check_all(below)

# GRU and LSTM of float16 end ONNX Runtime's process: PyTorch alone.
c, path = exported('gru_lstm')
onnx.save(half(onnx.load(path), None), WORK + '/half_gru_lstm.onnx')
m = Model('half_gru_lstm', WORK + '/half_gru_lstm.onnx',
          cast(feeds(c, 0), np.float16), 'PyTorch: %s, opset %d, float16' % (
              c.origin, c.opset), cast(answers(c, 0), np.float16), 'PyTorch')
m.limits = HALF
m.check(below)
for i in range(1, len(c.sets)):
    m.again(cast(feeds(c, i), np.float16), 'set %d' % i,
            cast(answers(c, i), np.float16))


def integers(m):
    """`numerics fast` computes with them, as ONNX Runtime does."""
    for cpu in [level()] + below:
        m.verdict(m.run({'MAAS_CPU': cpu}, ['--numerics', 'fast']),
                  'with integers, MAAS_CPU=' + cpu)


for name, loss in (('resnet18', 0.2), ('bert_13', 0.05)):
    m = Changed(name, ('qdq_', static, np.float32), STEPS, loss)
    m.check_all(below)
    integers(m)

m = Changed('unet_transposed', ('qdq_', powers, np.float32), EXACT, 0.1)
m.check_all(below)
integers(m)

Changed('bert_13', ('dynamic_', dynamic, np.float32), STEPS, 0.02
        ).check_all(below)

done('PyTorch: float16 and int8')
