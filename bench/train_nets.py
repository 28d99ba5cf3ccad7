"""The networks of the training bench: weights, data, an ONNX file of the
loss, and the same in PyTorch.  Both get one-hot targets and the mean of
-log softmax."""

import numpy as np

BATCH = 64
BATCHES = 8

# At the others' rate the cnn is where steps amplify what rounding changed (a
# maximum of a pool that moves to its neighbour): see bench_train.kinks().
RATE = 0.01
RATES = {'cnn': 0.001}

# lstm: STEPS x WIDTH to HIDDEN; encoder: BLOCKS of attention by HEADS and a
# hidden layer of 4 WIDTH, normalised after each.
STEPS = 32
WIDTH = 64
HIDDEN = 128
BLOCKS = 2
HEADS = 4


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
    if name == 'lstm':                  # gates in PyTorch's order: i f g o
        return {'w': dense(r, 4 * HIDDEN, WIDTH),
                'r': dense(r, 4 * HIDDEN, HIDDEN),
                'b': dense(r, 1, 4 * HIDDEN)[0],
                'w2': dense(r, 10, HIDDEN), 'b2': dense(r, 1, 10)[0]}
    if name == 'encoder':
        w = {'w2': dense(r, 10, WIDTH), 'b2': dense(r, 1, 10)[0]}
        for i in range(BLOCKS):
            for k, n, m in (('qkv', 3 * WIDTH, WIDTH), ('o', WIDTH, WIDTH),
                            ('f', 4 * WIDTH, WIDTH), ('g', WIDTH, 4 * WIDTH)):
                w['%s%d' % (k, i)] = dense(r, n, m)
                w['%s%db' % (k, i)] = dense(r, 1, n)[0]
            for k in 'mn':
                w['%s%d' % (k, i)] = np.ones(WIDTH, np.float32)
                w['%s%db' % (k, i)] = np.zeros(WIDTH, np.float32)
        return w
    return {'w1': dense(r, 512, 784), 'b1': dense(r, 1, 512)[0],
            'w2': dense(r, 10, 512), 'b2': dense(r, 1, 10)[0]}


def rate(name):
    return RATES.get(name, RATE)


def shape(name):
    return {'cnn': (BATCH, 3, 32, 32), 'mlp': (BATCH, 784)}.get(
        name, (BATCH, STEPS, WIDTH))


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


NAMES = list(LAYERS) + ['lstm', 'encoder']


def chain(name, h):
    nodes = []
    v = 'x'
    for i, (op, w, attr) in enumerate(LAYERS[name]):
        nodes.append(h.make_node(op, [v] + w.split(), ['v%d' % i], **attr))
        v = 'v%d' % i
    return nodes, v, weights(name), {}


def lstm(h):
    """ONNX's order of gates is i o f c, with two biases."""
    w = weights('lstm')

    def turn(a):
        i, f, g, o = np.split(a, 4)
        return np.concatenate([i, o, f, g])[None]

    w['w'], w['r'] = turn(w['w']), turn(w['r'])
    w['b'] = np.concatenate([turn(w['b']), np.zeros((1, 4 * HIDDEN),
                                                    np.float32)], 1)
    return [h.make_node('Transpose', ['x'], ['xt'], perm=[1, 0, 2]),
            h.make_node('LSTM', ['xt', 'w', 'r', 'b'], ['', 'yh'],
                        hidden_size=HIDDEN),
            h.make_node('Squeeze', ['yh', 'zero'], ['y']),
            h.make_node('Gemm', ['y', 'w2', 'b2'], ['v'], transB=1)], \
        'v', w, {'zero': [0]}


def block(h, i, x):
    """A block of the encoder, as nn.TransformerEncoderLayer has it."""
    nodes = []

    def n(op, *ins, outs=1, **attr):
        out = ['%s_%d_%d_%d' % (op.lower(), i, len(nodes), k)
               for k in range(outs)]
        nodes.append(h.make_node(op, list(ins), out, **attr))
        return out if outs > 1 else out[0]

    def linear(v, k):
        return n('Add', n('MatMul', v, '%s%dt' % (k, i)), '%s%db' % (k, i))

    parts = n('Split', linear(x, 'qkv'), outs=3, axis=2)
    q, k, v = [n('Transpose', n('Reshape', p, 'heads'), perm=perm)
               for p, perm in zip(parts, ([0, 2, 1, 3], [0, 2, 3, 1],
                                          [0, 2, 1, 3]))]
    a = n('Softmax', n('Mul', n('MatMul', q, k), 'scale'), axis=-1)
    y = n('Reshape', n('Transpose', n('MatMul', a, v), perm=[0, 2, 1, 3]),
          'whole')
    y = n('LayerNormalization', n('Add', x, linear(y, 'o')), 'm%d' % i,
          'm%db' % i)
    z = linear(n('Relu', linear(y, 'f')), 'g')
    return nodes, n('LayerNormalization', n('Add', y, z), 'n%d' % i,
                    'n%db' % i)


def encoder(h):
    w = weights('encoder')
    nodes, v = [], 'x'
    for i in range(BLOCKS):
        for k in ('qkv', 'o', 'f', 'g'):
            w['%s%dt' % (k, i)] = w.pop('%s%d' % (k, i)).T.copy()
        more, v = block(h, i, v)
        nodes += more
    w['scale'] = np.array((WIDTH / HEADS) ** -0.5, np.float32)
    nodes += [h.make_node('ReduceMean', [v], ['mean'], axes=[1], keepdims=0),
              h.make_node('Gemm', ['mean', 'w2', 'b2'], ['v'], transB=1)]
    return nodes, 'v', w, {'heads': [0, 0, HEADS, WIDTH // HEADS],
                           'whole': [0, 0, WIDTH]}


def onnx_file(name, path):
    import onnx
    from onnx import helper as h, numpy_helper as nh, TensorProto as T

    nodes, v, w, ints = {'lstm': lstm, 'encoder': encoder}.get(
        name, lambda h: chain(name, h))(h)
    last = {'axes': [1], 'keepdims': 0}
    nodes += [h.make_node('ReduceLogSumExp', [v], ['lse'], **last),
              h.make_node('Mul', [v, 't'], ['picked']),
              h.make_node('ReduceSum', ['picked', 'axis'], ['own'],
                          keepdims=0),
              h.make_node('Sub', ['lse', 'own'], ['each']),
              h.make_node('ReduceMean', ['each'], ['loss'], axes=[0],
                          keepdims=0)]
    init = [nh.from_array(a, k) for k, a in w.items()]
    init += [nh.from_array(np.array(a, np.int64), k)
             for k, a in dict(ints, axis=[1]).items()]
    g = h.make_graph(
        nodes, name,
        [h.make_tensor_value_info('x', T.FLOAT, shape(name)),
         h.make_tensor_value_info('t', T.FLOAT, (BATCH, 10))],
        [h.make_tensor_value_info('loss', T.FLOAT, ())], init)
    m = h.make_model(g, opset_imports=[h.make_opsetid('', 17)])
    m.ir_version = 8
    onnx.save(m, path)


def torch_lstm(w):
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.LSTM(WIDTH, HIDDEN, batch_first=True)
            self.last = nn.Linear(HIDDEN, 10)

        def forward(self, x):
            return self.last(self.rnn(x)[1][0][-1])

    net = Net()
    zero = 0 * w['b']
    for p, a in ((net.rnn.weight_ih_l0, w['w']), (net.rnn.weight_hh_l0, w['r']),
                 (net.rnn.bias_ih_l0, w['b']), (net.rnn.bias_hh_l0, zero),
                 (net.last.weight, w['w2']), (net.last.bias, w['b2'])):
        p.data.copy_(a)
    return net


def torch_encoder(w):
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.ModuleList([nn.TransformerEncoderLayer(
                WIDTH, HEADS, 4 * WIDTH, dropout=0, batch_first=True)
                for _ in range(BLOCKS)])
            self.last = nn.Linear(WIDTH, 10)

        def forward(self, x):
            for b in self.block:
                x = b(x)
            return self.last(x.mean(1))

    net = Net()
    for i, b in enumerate(net.block):
        for p, k in ((b.self_attn.in_proj_weight, 'qkv%d'),
                     (b.self_attn.in_proj_bias, 'qkv%db'),
                     (b.self_attn.out_proj.weight, 'o%d'),
                     (b.self_attn.out_proj.bias, 'o%db'),
                     (b.linear1.weight, 'f%d'), (b.linear1.bias, 'f%db'),
                     (b.linear2.weight, 'g%d'), (b.linear2.bias, 'g%db'),
                     (b.norm1.weight, 'm%d'), (b.norm1.bias, 'm%db'),
                     (b.norm2.weight, 'n%d'), (b.norm2.bias, 'n%db')):
            p.data.copy_(w[k % i])
    net.last.weight.data.copy_(w['w2'])
    net.last.bias.data.copy_(w['b2'])
    return net


def torch_net(name):
    import torch
    from torch import nn

    w = {k: torch.from_numpy(a) for k, a in weights(name).items()}
    if name in ('lstm', 'encoder'):
        return {'lstm': torch_lstm, 'encoder': torch_encoder}[name](w)
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
