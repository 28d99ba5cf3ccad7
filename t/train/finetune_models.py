# Models and data of the tests of fine-tuning.  With MAAS_WRITE=1 besides what
# PyTorch, which the tests do without, makes of them: t/data/finetune.json.
import json, os, sys
import numpy as np, onnx
from onnx import helper as h, numpy_helper as nh, TensorProto as T
from sklearn.datasets import load_digits

where = sys.argv[1]
rng = np.random.default_rng(5)
F = np.float32


def par(name, *shape, scale=None):
    scale = scale or 1 / np.sqrt(np.prod(shape[1:]) if len(shape) > 1 else 4)
    return nh.from_array((rng.standard_normal(shape) * scale).astype(F), name)


def save(name, nodes, ins, outs, inits, opset=17):
    g = h.make_graph(nodes, name, ins, outs, inits, doc_string='graph ' + name)
    m = h.make_model(g, opset_imports=[h.make_opsetid('', opset)],
                     producer_name='a test')
    m.ir_version = 8
    m.doc_string = 'model ' + name
    h.set_model_props(m, {'author': 'a test'})
    m = onnx.shape_inference.infer_shapes(m)
    onnx.checker.check_model(m)
    onnx.save(m, '%s/%s.onnx' % (where, name))


def io(name, dtype, *dims):
    return h.make_tensor_value_info(name, dtype, list(dims))


def csv(name, x, y, names=None):
    with open('%s/%s.csv' % (where, name), 'w') as f:
        f.write(','.join(names or ['x%d' % i for i in range(x.shape[1])]))
        f.write(',y\n')
        for r, t in zip(x, y):
            f.write(','.join('%.9g' % v for v in r) + ',%s\n' % t)


# digits, and a small convolutional network with normalisation
d = load_digits()
csv('digits', d.data, ['d%d' % t for t in d.target])
csv('even', d.data, [['even', 'odd'][t % 2] for t in d.target])
save('conv', [
    h.make_node('Mul', ['x', 'sixteenth'], ['x0'], 'scale'),
    h.make_node('Reshape', ['x0', 'shape'], ['x1'], 'image'),
    h.make_node('Conv', ['x1', 'conv1.weight', 'conv1.bias'], ['c1'], 'conv1',
                kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    h.make_node('BatchNormalization', ['c1', 'bn.weight', 'bn.bias',
                'bn.mean', 'bn.var'], ['n1'], 'bn'),
    h.make_node('Relu', ['n1'], ['r1'], 'relu1'),
    h.make_node('MaxPool', ['r1'], ['p1'], 'pool', kernel_shape=[2, 2],
                strides=[2, 2]),
    h.make_node('Conv', ['p1', 'conv2.weight', 'conv2.bias'], ['c2'], 'conv2',
                kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    h.make_node('Relu', ['c2'], ['r2'], 'relu2'),
    h.make_node('Flatten', ['r2'], ['f'], 'flatten'),
    h.make_node('Gemm', ['f', 'fc.weight', 'fc.bias'], ['y'], 'fc', transB=1),
], [io('x', T.FLOAT, 'N', 64)], [io('y', T.FLOAT, 'N', 10)], [
    nh.from_array(np.array(1 / 16, F), 'sixteenth'),
    nh.from_array(np.array([-1, 1, 8, 8]), 'shape'),
    par('conv1.weight', 8, 1, 3, 3), par('conv1.bias', 8, scale=0.1),
    nh.from_array(rng.uniform(0.5, 1.5, 8).astype(F), 'bn.weight'),
    par('bn.bias', 8, scale=0.1), par('bn.mean', 8, scale=0.1),
    nh.from_array(rng.uniform(0.1, 0.4, 8).astype(F), 'bn.var'),
    par('conv2.weight', 16, 8, 3, 3), par('conv2.bias', 16, scale=0.1),
    par('fc.weight', 10, 256), par('fc.bias', 10, scale=0.1)])

# an encoder: embedding, self-attention, normalisation, dense
E, L, V = 16, 12, 20


def encoder(name, mask):
    nodes = [h.make_node('Gather', ['embedding', 'input_ids'], ['e0'], 'embed'),
             h.make_node('Add', ['e0', 'position'], ['e'], 'place')]
    for p in 'qkv':
        nodes += [h.make_node('MatMul', ['e', p + '.weight'], [p + '0'],
                              'attention.' + p),
                  h.make_node('Add', [p + '0', p + '.bias'], [p], p + '.add')]
    nodes += [h.make_node('Transpose', ['k'], ['kt'], 'kt', perm=[0, 2, 1]),
              h.make_node('MatMul', ['q', 'kt'], ['s0'], 'scores'),
              h.make_node('Mul', ['s0', 'quarter'], ['s1'], 'scaled')]
    if mask:
        nodes += [h.make_node('Cast', ['attention_mask'], ['m0'], 'm0', to=1),
                  h.make_node('Sub', ['m0', 'one'], ['m1'], 'm1'),
                  h.make_node('Mul', ['m1', 'large'], ['m2'], 'm2'),
                  h.make_node('Unsqueeze', ['m2', 'axis'], ['m3'], 'm3'),
                  h.make_node('Add', ['s1', 'm3'], ['s2'], 'masked')]
    nodes += [h.make_node('Softmax', ['s2' if mask else 's1'], ['a'],
                          'softmax', axis=-1),
              h.make_node('MatMul', ['a', 'v'], ['c'], 'context'),
              h.make_node('Add', ['c', 'e'], ['r'], 'residual'),
              h.make_node('LayerNormalization', ['r', 'ln.weight', 'ln.bias'],
                          ['n'], 'ln', axis=-1),
              h.make_node('ReduceMean', ['n'], ['pooled'], 'mean', axes=[1],
                          keepdims=0),
              h.make_node('MatMul', ['pooled', 'fc.weight'], ['f'], 'fc'),
              h.make_node('Add', ['f', 'fc.bias'], ['scores_out'], 'fc.add')]
    inits = [par('embedding', V, E, scale=1), par('position', L, E, scale=0.3)]
    for p in 'qkv':
        inits += [par(p + '.weight', E, E), par(p + '.bias', E, scale=0.1)]
    inits += [nh.from_array(np.array(0.25, F), 'quarter'),
              nh.from_array(np.ones(E, F), 'ln.weight'),
              nh.from_array(np.zeros(E, F), 'ln.bias'),
              par('fc.weight', E, 3), par('fc.bias', 3, scale=0.1)]
    ins = [io('input_ids', T.INT64, 'N', 'L')]
    if mask:
        ins.append(io('attention_mask', T.INT64, 'N', 'L'))
        inits += [nh.from_array(np.array(1, F), 'one'),
                  nh.from_array(np.array(1e4, F), 'large'),
                  nh.from_array(np.array([1]), 'axis')]
    save(name, nodes, ins, [io('scores_out', T.FLOAT, 'N', 3)], inits)


encoder('encoder', False)
encoder('masked', True)
ids = rng.integers(0, V, (360, L))
odd = (ids == 7).sum(1) * 2 + (ids == 3).sum(1) > 1       # of two tokens
csv('tokens', ids, [['no', 'yes'][int(o)] for o in odd])
length = rng.integers(6, L + 1, 360)
mask = (np.arange(L) < length[:, None]).astype(int)
csv('masked', np.hstack([ids, mask]), [['no', 'yes'][int(o)] for o in odd])

# no gradient on the way; a fixed batch; no float weights at all
save('hard', [h.make_node('MatMul', ['x', 'before'], ['h'], 'first'),
              h.make_node('Det', ['h3'], ['z'], 'det'),
              h.make_node('Reshape', ['h', 's3'], ['h3'], 'r3'),
              h.make_node('Reshape', ['z', 's1'], ['z1'], 'r1'),
              h.make_node('MatMul', ['z1', 'after'], ['y'], 'last')][:1]
     + [h.make_node('Reshape', ['h', 's3'], ['h3'], 'r3'),
        h.make_node('Det', ['h3'], ['z'], 'det'),
        h.make_node('Reshape', ['z', 's1'], ['z1'], 'r1'),
        h.make_node('MatMul', ['z1', 'after'], ['y'], 'last')],
     [io('x', T.FLOAT, 'N', 64)], [io('y', T.FLOAT, 'N', 10)],
     [par('before', 64, 4), par('after', 1, 10),
      nh.from_array(np.array([-1, 2, 2]), 's3'),
      nh.from_array(np.array([-1, 1]), 's1')])
save('fixed', [h.make_node('MatMul', ['x', 'w'], ['y'], 'dense')],
     [io('x', T.FLOAT, 1, 64)], [io('y', T.FLOAT, 1, 10)], [par('w', 64, 10)])
save('bare', [h.make_node('Softmax', ['x'], ['y'], 'softmax')],
     [io('x', T.FLOAT, 'N', 64)], [io('y', T.FLOAT, 'N', 64)], [])


# 20 steps of SGD with momentum on all weights of conv, BatchNormalization
# frozen, rows in order
if os.environ.get('MAAS_WRITE') != '1':
    sys.exit()

import torch

w = {i.name: torch.tensor(nh.to_array(i).copy())
     for i in onnx.load(where + '/conv.onnx').graph.initializer}
keys = [k for k in w if k.startswith('conv') or k.startswith('fc')]
for k in keys:
    w[k].requires_grad_(True)
fn = torch.nn.functional
opt = torch.optim.SGD([w[k] for k in keys], lr=0.02, momentum=0.9)
x = torch.tensor(d.data.astype(F))
t = torch.tensor(d.target)
losses = []
for i in range(20):
    b = x[i * 32:i * 32 + 32].reshape(-1, 1, 8, 8) / 16
    z = fn.conv2d(b, w['conv1.weight'], w['conv1.bias'], padding=1)
    z = fn.batch_norm(z, w['bn.mean'], w['bn.var'], w['bn.weight'],
                      w['bn.bias'], False)
    z = fn.max_pool2d(fn.relu(z), 2)
    z = fn.relu(fn.conv2d(z, w['conv2.weight'], w['conv2.bias'], padding=1))
    z = fn.linear(z.flatten(1), w['fc.weight'], w['fc.bias'])
    loss = fn.cross_entropy(z, t[i * 32:i * 32 + 32])
    opt.zero_grad()
    loss.backward()
    opt.step()
    losses.append(loss.item())
to = os.path.dirname(os.path.abspath(__file__)) + '/../data/finetune.json'
with open(to, 'w') as f:
    json.dump({'torch': torch.__version__, 'losses': losses}, f, indent=1)
    f.write('\n')
