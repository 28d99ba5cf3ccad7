#!/usr/bin/python3
"""Trains the quick-start model on scikit-learn's copy of the UCI digits.

    apt-get install python3-sklearn python3-onnx
    /usr/bin/python3 conf/models/digits/train_digits.py

1797 real 8x8 scans of handwritten digits (pixels 0 to 16) are split by seed
into training and held-out images, the same share of each digit.  A small
convolutional network is trained with NumPy alone (Adam, cross-entropy); the
training images are shifted and blurred at random, so that a digit drawn
larger and scaled down is read as well.  Writes beside itself: model.onnx,
model.json, labels.txt, sample.png, sample.json and README.md.
"""

import json
import os
import struct
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

SEED = 7
EPOCHS = 60
BATCH = 64
HELD_OUT = 0.2
HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(SEED)


def split(images, digits):
    held = np.zeros(len(digits), bool)
    for d in range(10):
        of = rng.permutation(np.flatnonzero(digits == d))
        held[of[:round(HELD_OUT * len(of))]] = True
    return images[~held], digits[~held], images[held], digits[held]


def blur(x, amount):
    p = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    rows = p[:, :-2] + p[:, 2:]
    p = p[:, 1:-1] * (1 - 2 * amount) + rows * amount
    cols = p[:, :, :-2] + p[:, :, 2:]
    return p[:, :, 1:-1] * (1 - 2 * amount) + cols * amount


def vary(x):
    """Blurs by up to 1/8 a side and shifts by up to one pixel."""
    x = blur(x, rng.uniform(0, 0.125, (len(x), 1, 1)))
    p = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.empty_like(x)
    shift = rng.choice(3, (len(x), 2), p=[0.15, 0.7, 0.15])
    for i, (a, b) in enumerate(shift):
        out[i] = p[i, a:a + 8, b:b + 8]
    return out


def patches(x):
    """[N,C,H,W] -> [N,H,W,C*9] of a 3x3 window, padded with zeros."""
    p = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    w = np.lib.stride_tricks.sliding_window_view(p, (3, 3), (2, 3))
    n, c, h, v = x.shape
    return w.transpose(0, 2, 3, 1, 4, 5).reshape(n, h, v, c * 9)


def unpatch(g, c):
    """The transpose of patches()."""
    n, h, w, _ = g.shape
    g = g.reshape(n, h, w, c, 3, 3)
    out = np.zeros((n, c, h + 2, w + 2), g.dtype)
    for a in range(3):
        for b in range(3):
            out[:, :, a:a + h, b:b + w] += g[..., a, b].transpose(0, 3, 1, 2)
    return out[:, :, 1:-1, 1:-1]


def create():
    def he(*dims, fan):
        return rng.normal(0, np.sqrt(2 / fan), dims).astype(np.float32)

    return {
        'conv1.weight': he(16, 1, 3, 3, fan=9),
        'conv1.bias': np.zeros(16, np.float32),
        'conv2.weight': he(32, 16, 3, 3, fan=144),
        'conv2.bias': np.zeros(32, np.float32),
        'fc1.weight': he(48, 512, fan=512),
        'fc1.bias': np.zeros(48, np.float32),
        'fc2.weight': he(10, 48, fan=48),
        'fc2.bias': np.zeros(10, np.float32),
    }


def conv(x, w, b):
    cols = patches(x)
    y = cols @ w.reshape(len(w), -1).T + b
    return cols, np.maximum(y, 0).transpose(0, 3, 1, 2)


def forward(p, x):
    x = (x[:, None] / 16).astype(np.float32)
    c1, h1 = conv(x, p['conv1.weight'], p['conv1.bias'])
    c2, h2 = conv(h1, p['conv2.weight'], p['conv2.bias'])
    n, c, h, w = h2.shape
    quads = h2.reshape(n, c, h // 2, 2, w // 2, 2)
    pool = quads.max((3, 5))
    flat = pool.reshape(n, -1)
    h3 = np.maximum(flat @ p['fc1.weight'].T + p['fc1.bias'], 0)
    out = h3 @ p['fc2.weight'].T + p['fc2.bias']
    return out, (c1, h1, c2, h2, quads, pool, flat, h3)


def gradient(p, x, digit):
    out, (c1, h1, c2, h2, quads, pool, flat, h3) = forward(p, x)
    g = {}
    e = np.exp(out - out.max(1, keepdims=True))
    d = e / e.sum(1, keepdims=True)
    d[np.arange(len(d)), digit] -= 1
    d /= len(d)
    g['fc2.weight'], g['fc2.bias'] = d.T @ h3, d.sum(0)
    d = (d @ p['fc2.weight']) * (h3 > 0)
    g['fc1.weight'], g['fc1.bias'] = d.T @ flat, d.sum(0)
    d = (d @ p['fc1.weight']).reshape(pool.shape)
    top = quads == pool[:, :, :, None, :, None]
    d = top * d[:, :, :, None, :, None] / top.sum((3, 5), keepdims=True)
    d = (d.reshape(h2.shape) * (h2 > 0)).transpose(0, 2, 3, 1)
    w = p['conv2.weight']
    g['conv2.weight'] = np.tensordot(d, c2, ((0, 1, 2),) * 2).reshape(w.shape)
    g['conv2.bias'] = d.sum((0, 1, 2))
    d = unpatch(d @ w.reshape(len(w), -1), 16) * (h1 > 0)
    d = d.transpose(0, 2, 3, 1)
    w = p['conv1.weight']
    g['conv1.weight'] = np.tensordot(d, c1, ((0, 1, 2),) * 2).reshape(w.shape)
    g['conv1.bias'] = d.sum((0, 1, 2))
    return g


def train(p, images, digits):
    m = {k: np.zeros_like(v) for k, v in p.items()}
    v = {k: np.zeros_like(w) for k, w in p.items()}
    step = 0
    for epoch in range(EPOCHS):
        order = rng.permutation(len(images))
        rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        for at in range(0, len(order), BATCH):
            of = order[at:at + BATCH]
            step += 1
            for k, g in gradient(p, vary(images[of]), digits[of]).items():
                m[k] = 0.9 * m[k] + 0.1 * g
                v[k] = 0.999 * v[k] + 0.001 * g * g
                p[k] -= (rate * (m[k] / (1 - 0.9 ** step))
                         / (np.sqrt(v[k] / (1 - 0.999 ** step)) + 1e-8)
                         + rate * 1e-2 * p[k]).astype(np.float32)


def accuracy(p, images, digits):
    return float((forward(p, images)[0].argmax(1) == digits).mean())


def export(p, path):
    p = dict(p)
    p['conv1.weight'] = p['conv1.weight'] / np.float32(16)
    nodes = [
        helper.make_node('Conv', ['image', 'conv1.weight', 'conv1.bias'],
                         ['c1'], 'conv1', kernel_shape=[3, 3],
                         pads=[1, 1, 1, 1]),
        helper.make_node('Relu', ['c1'], ['r1'], 'relu1'),
        helper.make_node('Conv', ['r1', 'conv2.weight', 'conv2.bias'],
                         ['c2'], 'conv2', kernel_shape=[3, 3],
                         pads=[1, 1, 1, 1]),
        helper.make_node('Relu', ['c2'], ['r2'], 'relu2'),
        helper.make_node('MaxPool', ['r2'], ['p2'], 'pool',
                         kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node('Flatten', ['p2'], ['f'], 'flatten', axis=1),
        helper.make_node('Gemm', ['f', 'fc1.weight', 'fc1.bias'], ['g1'],
                         'fc1', transB=1),
        helper.make_node('Relu', ['g1'], ['r3'], 'relu3'),
        helper.make_node('Gemm', ['r3', 'fc2.weight', 'fc2.bias'], ['scores'],
                         'fc2', transB=1),
    ]
    graph = helper.make_graph(
        nodes, 'digits',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT,
                                       ['N', 1, 8, 8])],
        [helper.make_tensor_value_info('scores', TensorProto.FLOAT,
                                       ['N', 10])],
        [numpy_helper.from_array(w, k) for k, w in p.items()])
    model = helper.make_model(graph, producer_name='ngx_maas digits',
                              opset_imports=[helper.make_opsetid('', 13)])
    model.ir_version = 7
    onnx.checker.check_model(model)
    onnx.save(model, path)


def enlarge(image, side):
    """Bilinear, ink dark on white paper, as bytes."""
    at = np.clip((np.arange(side) + 0.5) * 8 / side - 0.5, 0, 7)
    low = np.minimum(at.astype(int), 6)
    f = at - low
    x = image[low] * (1 - f)[:, None] + image[low + 1] * f[:, None]
    x = x[:, low] * (1 - f) + x[:, low + 1] * f
    return np.clip(np.rint(255 - x * 255 / 16), 0, 255).astype(np.uint8)


def shrink(big):
    """What the server makes of it, without its rounding to bytes."""
    at = (np.arange(8) + 0.5) * len(big) / 8
    j = np.arange(len(big)) + 0.5
    w = np.maximum(0, 1 - np.abs(j - at[:, None]) * 8 / len(big))
    w /= w.sum(1, keepdims=True)
    return w @ (255.0 - big) @ w.T * 16 / 255


def write_png(path, pixels):
    def chunk(kind, data):
        body = kind + data
        return struct.pack('>I', len(data)) + body + \
            struct.pack('>I', zlib.crc32(body))

    rows = b''.join(b'\0' + bytes(r) for r in pixels)
    with open(path, 'wb') as f:
        f.write(b'\x89PNG\r\n\x1a\n')
        f.write(chunk(b'IHDR', struct.pack('>IIBBBBB', pixels.shape[1],
                                           pixels.shape[0], 8, 0, 0, 0, 0)))
        f.write(chunk(b'IDAT', zlib.compress(rows, 9)) + chunk(b'IEND', b''))


def write_text(name, text):
    with open(os.path.join(HERE, name), 'w') as f:
        f.write(text)


README = '''# digits

The quick-start model: a convolutional network of {params} weights that reads
a handwritten digit, made by `train_digits.py` from the 1797 real 8x8 scans
that python3-sklearn ships (UCI, "Optical Recognition of Handwritten Digits").

- Input `image`: float32 [N,1,8,8], ink 0 (paper) to 16 (black).
- Output `scores`: float32 [N,10], logits; `model.json` asks for probabilities.
- As an image: PNG or JPEG of one digit, dark on white, of any size; scaled to
  8x8, inverted, 0..255 to 0..16.
- Accuracy on the {held} images that training never saw: **{acc:.1%}**; drawn at
  64x64 and scaled down as a server does: {big:.1%}.
- `sample.png` and `sample.json` are one of those images, a {digit}.
'''


def main():
    data = load_digits()
    images = data.images.astype(np.float32)
    x, y, hx, hy = split(images, data.target)
    p = create()
    train(p, x, y)

    acc = accuracy(p, hx, hy)
    big = accuracy(p, np.stack([shrink(enlarge(i, 64)) for i in hx]), hy)
    print(f'{len(x)} training images, {len(hx)} held out')
    print(f'held-out accuracy {acc:.4f}, drawn at 64x64 {big:.4f}')

    path = os.path.join(HERE, 'model.onnx')
    export(p, path)
    print(f'{path}: {os.path.getsize(path)} bytes')

    # the sample: the first held-out 7 that is read without doubt
    out = forward(p, np.stack([shrink(enlarge(i, 64)) for i in hx]))[0]
    sure = np.exp(out[:, 7]) / np.exp(out).sum(1) > 0.99
    of = int(np.flatnonzero((hy == 7) & sure)[0])
    write_png(os.path.join(HERE, 'sample.png'), enlarge(hx[of], 64))
    rows = ',\n  '.join(json.dumps([int(v) for v in r]) for r in hx[of])
    write_text('sample.json', '{"instances": [[[\n  ' + rows + '\n]]]}\n')

    write_text('labels.txt', ''.join(f'{d}\n' for d in range(10)))
    write_text('model.json', json.dumps({
        'description': 'Handwritten digits 0 to 9 (UCI optical digits, 8x8); '
                       f'{acc:.1%} of {len(hx)} held-out images are right.',
        'input': {
            'name': 'image',
            'image': {'width': 8, 'height': 8, 'fit': 'stretch',
                      'color': 'GRAY', 'layout': 'NCHW', 'invert': True,
                      'scale': 0.0627450980392157}},
        'output': {'name': 'scores', 'meaning': 'classes', 'softmax': True,
                   'top_k': 3},
        'batch': {'axis': 0, 'max': 16},
    }, indent=4) + '\n')
    write_text('README.md', README.format(
        params=sum(w.size for w in p.values()), held=len(hx), acc=acc,
        big=big, digit=int(hy[of])))


main()
