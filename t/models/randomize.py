#!/usr/bin/python3
"""Gives an architecture that was published without weights seeded ones.

    randomize.py LIGHT.onnx OUT.onnx [SEED]

The "light" models of the ONNX project hold ConstantOfShape nodes where the
weights were, so that all classes come out equal and a wrong convolution goes
unnoticed.  Here each of them becomes an initializer, scaled so that signals
keep their size through the layers, and the input of a closing Softmax becomes
an output too: random logits saturate the Softmax and would hide errors.
"""

import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper


def kind(nodes, name):
    """Operator and input number behind a weight, through an Unsqueeze."""
    for n in nodes:
        if name in n.input:
            if n.op_type == 'Unsqueeze':
                return kind(nodes, n.output[0])
            return n, list(n.input).index(name)
    return None, 0


def values(rng, node, at, shape):
    op = node.op_type if node is not None else ''

    if op == 'BatchNormalization' and at in (1, 4) or op == 'Mul':
        return rng.uniform(0.5, 1.5, shape)

    if op in ('Conv', 'Gemm', 'MatMul') and at == 1:
        across = op != 'Conv' and not any(
            a.name == 'transB' and a.i for a in node.attribute)
        fan = shape[0] if across else int(np.prod(shape[1:]))
        return (rng.standard_normal(shape, dtype=np.float32)
                * np.float32(np.sqrt(2.0 / max(fan, 1))))

    return rng.uniform(-0.1, 0.1, shape)


def randomize(source, target, seed=1):
    model = onnx.load(source)
    graph = model.graph
    rng = np.random.default_rng(seed)
    known = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    nodes, spent, made = [], set(), []

    for n in graph.node:
        if n.op_type != 'ConstantOfShape' or n.input[0] not in known:
            nodes.append(n)
            continue

        shape = tuple(int(d) for d in known[n.input[0]])
        user, at = kind(graph.node, n.output[0])
        data = values(rng, user, at, shape).astype(np.float32)
        made.append(numpy_helper.from_array(data, n.output[0]))
        spent.add(n.input[0])

    kept = [i for i in graph.initializer if i.name not in spent]
    inputs = [i for i in graph.input if i.name not in known]

    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept + made)
    graph.input.extend(inputs)

    for n in nodes:
        if n.op_type == 'Softmax':
            graph.output.append(helper.make_tensor_value_info(
                n.input[0], onnx.TensorProto.FLOAT, None))

    # From version 4 on, initializers need not be listed as inputs.
    model.ir_version = max(model.ir_version, 4)
    onnx.save(model, target)


if __name__ == '__main__':
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    randomize(sys.argv[1], sys.argv[2],
              int(sys.argv[3]) if len(sys.argv) == 4 else 1)
