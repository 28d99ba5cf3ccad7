"""The networks of the training bench: weights, data, an ONNX file of the
loss, and the same in PyTorch.  Both get one-hot targets and the mean of
-log softmax."""

import numpy as np

BATCH = 64
RATE = 0.01
BATCHES = 8


def dense(r, n, k):
    return (r.uniform(-1, 1, (n, k)) / np.sqrt(k)).astype(np.float32)


def weights(name):
    r = np.random.RandomState(7)
    if name == 'cnn':
        return {'w1': dense(r, 64, 27).reshape(64, 3, 3, 3),
                'b1': dense(r, 1, 64)[0],
                'w2': dense(r, 128, 576).reshape(128, 64, 3, 3),
                'b2': dense(r, 1, 128)[0],
                'w3': dense(r, 512, 8192), 'b3': dense(r, 1, 512)[0],
                'w4': dense(r, 10, 512), 'b4': dense(r, 1, 10)[0]}
    return {'w1': dense(r, 512, 784), 'b1': dense(r, 1, 512)[0],
            'w2': dense(r, 10, 512), 'b2': dense(r, 1, 10)[0]}


def shape(name):
    return (BATCH, 3, 32, 32) if name == 'cnn' else (BATCH, 784)


def data(name):
    """Batches of inputs and targets: classes are patterns under noise."""
    r = np.random.RandomState(11)
    n = shape(name)
    pattern = r.uniform(-1, 1, (10,) + n[1:])
    got = []
    for _ in range(BATCHES):
        y = r.randint(0, 10, BATCH)
        x = pattern[y] + r.normal(0, 1, n)
        got.append((x.astype(np.float32), np.eye(10, dtype=np.float32)[y]))
    return got


# name: (operator, weights, attributes), from the input on
LAYERS = {
    'cnn': [('Conv', 'w1 b1', {'pads': [1, 1, 1, 1]}), ('Relu', '', {}),
            ('MaxPool', '', {'kernel_shape': [2, 2], 'strides': [2, 2]}),
            ('Conv', 'w2 b2', {'pads': [1, 1, 1, 1]}), ('Relu', '', {}),
            ('MaxPool', '', {'kernel_shape': [2, 2], 'strides': [2, 2]}),
            ('Flatten', '', {}),
            ('Gemm', 'w3 b3', {'transB': 1}), ('Relu', '', {}),
            ('Gemm', 'w4 b4', {'transB': 1})],
    'mlp': [('Gemm', 'w1 b1', {'transB': 1}), ('Relu', '', {}),
            ('Gemm', 'w2 b2', {'transB': 1})],
}


def onnx_file(name, path):
    import onnx
    from onnx import helper as h, numpy_helper as nh, TensorProto as T

    nodes = []
    v = 'x'
    for i, (op, w, attr) in enumerate(LAYERS[name]):
        nodes.append(h.make_node(op, [v] + w.split(), ['v%d' % i], **attr))
        v = 'v%d' % i
    last = {'axes': [1], 'keepdims': 0}
    nodes += [h.make_node('ReduceLogSumExp', [v], ['lse'], **last),
              h.make_node('Mul', [v, 't'], ['picked']),
              h.make_node('ReduceSum', ['picked', 'axis'], ['own'],
                          keepdims=0),
              h.make_node('Sub', ['lse', 'own'], ['each']),
              h.make_node('ReduceMean', ['each'], ['loss'], axes=[0],
                          keepdims=0)]
    init = [nh.from_array(a, k) for k, a in weights(name).items()]
    init.append(nh.from_array(np.array([1], np.int64), 'axis'))
    g = h.make_graph(
        nodes, name,
        [h.make_tensor_value_info('x', T.FLOAT, shape(name)),
         h.make_tensor_value_info('t', T.FLOAT, (BATCH, 10))],
        [h.make_tensor_value_info('loss', T.FLOAT, ())], init)
    m = h.make_model(g, opset_imports=[h.make_opsetid('', 13)])
    m.ir_version = 8
    onnx.save(m, path)


def torch_net(name):
    import torch
    from torch import nn

    w = {k: torch.from_numpy(a) for k, a in weights(name).items()}
    layers = []
    for op, names, attr in LAYERS[name]:
        if op == 'Conv':
            n = w[names.split()[0]].shape
            layers.append(nn.Conv2d(n[1], n[0], n[2], padding=1))
        elif op == 'Gemm':
            n = w[names.split()[0]].shape
            layers.append(nn.Linear(n[1], n[0]))
        else:
            layers.append({'Relu': nn.ReLU, 'Flatten': nn.Flatten,
                           'MaxPool': lambda: nn.MaxPool2d(2)}[op]())
        if names:
            with torch.no_grad():
                for p, k in zip((layers[-1].weight, layers[-1].bias),
                                names.split()):
                    p.copy_(w[k])
    return nn.Sequential(*layers)
