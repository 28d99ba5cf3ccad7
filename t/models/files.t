#!/usr/bin/python3
"""Weights in files beside the model, sparse weights, and functions: made
here, compared with ONNX Runtime, which reads the same files."""

import os
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import Model, done, fresh, need

need()

import onnx
from onnx import TensorProto, helper, numpy_helper

F32 = TensorProto.FLOAT
node = helper.make_node
info = helper.make_tensor_value_info
rng = np.random.default_rng(5)


def weights(*shape):
    return (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)


def external(name, value, folder, file, offset):
    """Written at offset of file in folder; what lies before stays."""
    with open(os.path.join(folder, file), 'ab') as f:
        f.truncate(offset)
        f.seek(offset)
        f.write(value.tobytes())
    t = TensorProto(name=name, data_type=F32, dims=value.shape,
                    data_location=TensorProto.EXTERNAL)
    for key, v in (('location', file), ('offset', offset),
                   ('length', value.nbytes)):
        t.external_data.add(key=key, value=str(v))
    return t


def sparse(name, value, linear):
    """COO, with linear or one index an axis."""
    at = np.argwhere(value != 0)
    index = np.ravel_multi_index(at.T, value.shape) if linear else at
    return helper.make_sparse_tensor(
        numpy_helper.from_array(value[value != 0], name),
        numpy_helper.from_array(index.astype(np.int64), name + '_at'),
        list(value.shape))


def refer(n, **attributes):
    """The node's attributes refer to those of the function."""
    for name, (kind, of) in attributes.items():
        n.attribute.add(name=name, type=kind, ref_attr_name=of)
    return n


def branch(nodes, out):
    return helper.make_graph(nodes, 'branch', [], [info(out, F32, None)])


def functions(sets):
    """block = project, activation by branch; project = Gemm with a slope."""
    attr = onnx.AttributeProto
    project = helper.make_function(
        'local', 'Project', ['a', 'w', 'b'], ['y'], [
            refer(node('Gemm', ['a', 'w', 'b'], ['t'], 'gemm'),
                  alpha=(attr.FLOAT, 'scale')),
            refer(node('LeakyRelu', ['t'], ['y'], 'leaky'),
                  alpha=(attr.FLOAT, 'slope')),
        ], sets, ['scale', 'slope'])
    inner = refer(node('Project', ['a', 'w', 'b'], ['t'], domain='local'),
                  scale=(attr.FLOAT, 'scale'))
    inner.attribute.append(helper.make_attribute('slope', 0.25))
    block = helper.make_function(
        'local', 'Block', ['big', 'a', 'w', 'b'], ['y'], [
            inner,
            node('If', ['big'], ['y'], 'choice',
                 then_branch=branch([node('Tanh', ['t'], ['u']),
                                     node('Add', ['u', 't'], ['v'])], 'v'),
                 else_branch=branch([node('Sigmoid', ['t'], ['v'])], 'v')),
        ], sets, ['scale'])
    return [project, block]


def build(folder):
    sets = [helper.make_opsetid('', 17), helper.make_opsetid('local', 1)]
    w = [weights(16, 48), weights(48, 48), weights(48, 8)]
    thin = weights(48, 48) * (rng.uniform(size=(48, 48)) < 0.1)
    few = np.zeros(48, np.float32)
    few[[3, 7, 40]] = 1, -2, 0.5
    graph = helper.make_graph([
        node('ReduceMean', ['x'], ['mean'], keepdims=0),
        node('Constant', [], ['zero'], value_float=0.0),
        node('Greater', ['mean', 'zero'], ['big']),
        node('Block', ['big', 'x', 'w0', 'few'], ['h0'], 'block0',
             domain='local', scale=0.5),
        node('Block', ['big', 'h0', 'w1', 'few'], ['h1'], 'block1',
             domain='local', scale=1.5),
        node('MatMul', ['h1', 'thin'], ['h2'], 'thin'),
        node('Project', ['h2', 'w2', 'bias'], ['y'], 'last',
             domain='local', scale=1.0),
    ], 'files', [info('x', F32, ['N', 16])], [info('y', F32, ['N', 8])], [
        external('w0', w[0], folder, 'model.onnx.data', 0),
        external('w1', w[1], folder, 'model.onnx.data', 4096),
        external('w2', w[2], folder, 'more.bin', 12),
        numpy_helper.from_array(weights(1, 8), 'bias'),
    ])
    graph.sparse_initializer.append(sparse('thin', thin, False))
    graph.sparse_initializer.append(sparse('few', few, True))
    m = helper.make_model(graph, opset_imports=sets,
                          functions=functions(sets), ir_version=8)
    path = folder + '/model.onnx'
    with open(path, 'wb') as f:
        f.write(m.SerializeToString())
    return path


folder = fresh('files_model')
path = build(folder)

for name, mean in (('files_then', 1), ('files_else', -1)):
    x = (rng.standard_normal((3, 16)) + mean).astype(np.float32)
    Model(name, path, {'x': x}, 'made by this test').check(['v2'], planned=False)

done('External data, sparse weights, functions')
