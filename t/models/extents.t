#!/usr/bin/python3
"""Operators whose results only the data count, on random nodes: the bits of
ONNX Runtime."""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import done, fresh, maas, need, oracle, same, save, ok

need(models=False)
rng = np.random.default_rng(3)
KIND = onnx.mapping.NP_TYPE_TO_TENSOR_TYPE


def check(text, node, inputs, outputs):
    ports = [helper.make_tensor_value_info(
        k, KIND[v.dtype], ['%s%d' % (k, i) for i in range(v.ndim)])
        for k, v in inputs.items()]
    graph = helper.make_graph([node], 'node', ports, [
        helper.make_tensor_value_info(k, t, None) for k, t in outputs])
    folder = fresh('extents')
    path = folder + '/model.onnx'
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid('', 13)]), path)
    files = save(folder, inputs)
    want = oracle(path, [files], folder)
    if ok(not isinstance(want, str), text + ': ONNX Runtime runs it',
          str(want)[:500]):
        same(maas(path, files, folder + '/out'),
             {k: v[0] for k, v in want[0].items()}, text)


def suppression(t):
    images, classes, n = (int(rng.integers(1, m)) for m in (4, 4, 400))
    at = rng.uniform(0, 10, (images, n, 2))
    size = rng.uniform(-3, 5, (images, n, 2))
    boxes = np.concatenate([at, size if t % 2 else at + size], 2)
    scores = rng.uniform(0, 1, (images, classes, n))
    if t % 3 == 0:
        boxes, scores = np.round(boxes), np.round(scores * 8) / 8
    inputs = {'boxes': np.float32(boxes), 'scores': np.float32(scores),
              'most': np.array([rng.integers(0, n + 3)]),
              'iou': np.float32([rng.choice([0, 0.3, 0.5, 1])]),
              'score': np.float32([0.4])}
    names = list(inputs)[:int(rng.integers(3, 6))]
    check('NonMaxSuppression %d' % t,
          helper.make_node('NonMaxSuppression', names, ['y'],
                           center_point_box=t % 2),
          {k: inputs[k] for k in names}, [('y', TensorProto.INT64)])


def distinct(t):
    shape = [int(n) for n in rng.integers(1, 7, rng.integers(1, 5))]
    kind = rng.choice([np.float32, np.float64, np.int64])
    x = np.round(rng.normal(0, 1.2, shape)).astype(kind)
    axis = {'axis': int(rng.integers(-len(shape), len(shape)))} \
        if t % 3 else {}
    y = ('y', KIND[x.dtype])
    check('Unique %d' % t,
          helper.make_node('Unique', ['x'], ['y', 'at', 'inverse', 'counts'],
                           sorted=t % 2, **axis), {'x': x},
          [y] + [(k, TensorProto.INT64) for k in ('at', 'inverse', 'counts')])
    n = shape[axis['axis']] if axis else x.size
    keep = rng.uniform(0, 1, max(1, n - t % 2)) > 0.4
    check('Compress %d' % t,
          helper.make_node('Compress', ['x', 'keep'], ['y'], **axis),
          {'x': x, 'keep': keep}, [y])
    # ONNX Runtime has none for float64.
    check('NonZero %d' % t, helper.make_node('NonZero', ['x'], ['y']),
          {'x': np.float32(x) if kind == np.float64 else x},
          [('y', TensorProto.INT64)])


for t in range(8):
    suppression(t)
    distinct(t)

done()
