#!/usr/bin/python3
"""Loop, Scan, SequenceMap, sequences and optionals through `maas run`, beside
the same written in NumPy: iterations that data end, values that grow, bodies
in bodies, axes and directions of Scan, and what is refused."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

sys.dont_write_bytecode = True
F32, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
MAAS = (os.environ.get('MAAS_BUILD') or 'build') + '/maas'
DIR = tempfile.mkdtemp(prefix='maas_')
rng = np.random.default_rng(3)
count = failed = 0


def ok(good, text, why=''):
    global count, failed
    count += 1
    failed += not good
    print('%sok %d - %s' % ('' if good else 'not ', count, text))
    if not good and why:
        print('# ' + str(why).replace('\n', '\n# '))


def value(name, dtype=F32, dims=None):
    return helper.make_tensor_value_info(name, dtype, dims)


def const(name, v, dtype=None):
    return numpy_helper.from_array(np.asarray(v, dtype), name)


def node(op, inputs, outputs, **attrs):
    return helper.make_node(op, inputs.split(), outputs.split(), **attrs)


def model(name, nodes, inputs, outputs, weights=(), opset=17):
    g = helper.make_graph(nodes, name, inputs, outputs, list(weights))
    m = helper.make_model(g, opset_imports=[helper.make_opsetid('', opset)])
    m.ir_version = 8
    path = '%s/%s.onnx' % (DIR, name)
    save(m, path)
    return path


def run(path, **inputs):
    """Outputs by name, or the text of the error."""
    out = tempfile.mkdtemp(dir=DIR)
    cmd = [MAAS, 'run', path, '--output-dir', out]
    for k, v in inputs.items():
        np.save('%s/%s.npy' % (out, k), np.asarray(v, order='C'))
        cmd += ['--input', '%s=%s/%s.npy' % (k, out, k)]
    p = subprocess.run(cmd, capture_output=True, text=True, timeout=60)
    if p.returncode < 0:
        return 'signal %d' % -p.returncode
    if p.returncode != 0:
        return p.stderr
    with open(out + '/outputs.json') as f:
        names = json.load(f)
    return {k: np.load(out + '/' + v) for k, v in names.items()}


def same(got, want, text):
    """want: outputs by name; exact but for a rounding of float32."""
    if not isinstance(got, dict):
        return ok(False, text, got)
    for k, w in want.items():
        w = np.asarray(w)
        if got[k].shape != w.shape or not np.allclose(got[k], w, rtol=1e-6):
            return ok(False, text, '%s: %s\nexpected %s' % (k, got[k], w))
    return ok(True, text)


def refused(got, part, text):
    ok(isinstance(got, str) and part in got, text, got)


def body(nodes, inputs, outputs, weights=()):
    return helper.make_graph(nodes, 'body', inputs, outputs, list(weights))


# -- iterations that data end ------------------------------------------------

def doubling():
    b = body([node('Add', 'v v', 'w'), node('ReduceSum', 'w', 's', keepdims=0),
              node('Less', 's limit', 'go'), node('Add', 'v outer', 'seen')],
             [value('i', I64, []), value('c', BOOL, []), value('v')],
             [value('go', BOOL), value('w'), value('seen')])
    return model('doubling', [
        node('Loop', 'most on x', 'y all', body=b)],
        [value('x', F32, ['N']), value('limit', F32, []),
         value('outer', F32, [1])],
        [value('y'), value('all')],
        [const('most', 20, np.int64), const('on', True)])


def doubling_numpy(x, limit, outer):
    seen = []
    while len(seen) < 20:
        seen.append(x + outer)
        x = x + x
        if not x.sum() < limit:
            break
    return {'y': x, 'all': np.stack(seen)}


path = doubling()
for limit in 0.5, 9, 1000, 1e30:
    x = np.abs(rng.standard_normal(3)).astype(np.float32)
    o = rng.standard_normal(1).astype(np.float32)
    lim = np.float32(limit)
    same(run(path, x=x, limit=lim, outer=o), doubling_numpy(x, lim, o),
         'a condition out of data, limit %g' % limit)


# -- values that grow, no iteration ------------------------------------------

b = body([node('Identity', 'c', 'd'), node('Concat', 'v x', 'w', axis=0),
          node('Cast', 'i', 'j', to=F32)],
         [value('i', I64, []), value('c', BOOL, []), value('v')],
         [value('d', BOOL), value('w'), value('j')])
# An input that is left out is an empty name.
b = helper.make_node('Loop', ['n', '', 'x'], ['y', 'steps'], body=b)
path = model('grow', [b],
             [value('x', F32, ['N', 2]), value('n', I64, [])],
             [value('y'), value('steps')])
for n in 0, 1, 5:
    x = rng.standard_normal((2, 2)).astype(np.float32)
    same(run(path, x=x, n=np.int64(n)),
         {'y': np.concatenate([x] * (n + 1)),
          'steps': np.arange(n, dtype=np.float32)},
         'a value that grows, %d times' % n)


# -- bodies in bodies, extents in bodies -------------------------------------

inner = body([node('Identity', 'c2', 'd2'), node('Mul', 'u half', 'u2')],
             [value('j', I64, []), value('c2', BOOL, []), value('u')],
             [value('d2', BOOL), value('u2')])
then = body([node('Loop', 'i go v', 'p', body=inner)], [], [value('p')])
other = body([node('Add', 'v half', 'q')], [], [value('q')])
outer = body([node('Mod', 'i two', 'r'), node('Cast', 'r', 'odd', to=BOOL),
              node('If', 'odd', 'w', then_branch=then, else_branch=other),
              node('NonZero', 'w', 'at'), node('Shape', 'at', 'sh'),
              node('Clip', 'w low', 'z'), node('Identity', 'c', 'd')],
             [value('i', I64, []), value('c', BOOL, []), value('v')],
             [value('d', BOOL), value('z'), value('sh', I64)])
path = model('nested', [node('Loop', 'n go x', 'y counts', body=outer)],
             [value('x', F32, ['N']), value('n', I64, [])],
             [value('y'), value('counts', I64)],
             [const('go', True), const('half', 0.5, np.float32),
              const('two', 2, np.int64), const('low', 0, np.float32)])


def nested_numpy(x, n):
    counts = []
    for i in range(n):
        w = x * np.float32(0.5) ** i if i % 2 else x + np.float32(0.5)
        counts.append([1, np.count_nonzero(w)])
        x = np.maximum(w, 0)
    return {'y': x, 'counts': np.array(counts, np.int64)}


for i in range(3):
    x = (rng.integers(-3, 3, 6) * 0.5).astype(np.float32)
    same(run(path, x=x, n=np.int64(4)), nested_numpy(x, 4),
         'a loop in a branch in a loop, and extents, %d' % i)


# -- Scan --------------------------------------------------------------------

def scan(name, in_axes, in_back, out_axes, out_back):
    b = body([node('Add', 's a', 't'), node('Mul', 't b', 'm'),
              node('Sub', 't b', 'd')],
             [value('s'), value('a'), value('b')],
             [value('t'), value('m'), value('d')])
    return model(name, [node('Scan', 's0 x w', 's1 ms ds', body=b,
                             num_scan_inputs=2, scan_input_axes=in_axes,
                             scan_input_directions=in_back,
                             scan_output_axes=out_axes,
                             scan_output_directions=out_back)],
                 [value('s0', F32, [3]), value('x', F32, None),
                  value('w', F32, None)],
                 [value('s1'), value('ms'), value('ds')])


def scan_numpy(s, x, w, in_axes, in_back, out_axes, out_back):
    x, w = (np.moveaxis(v, a, 0) for v, a in zip((x, w), in_axes))
    x, w = (v[::-1] if r else v for v, r in zip((x, w), in_back))
    ms, ds = [], []
    for a, b in zip(x, w):
        s = s + a
        ms.append(s * b)
        ds.append(s - b)
    out = [np.stack(v[::-1] if r else v) for v, r in zip((ms, ds), out_back)]
    out = [np.moveaxis(v, 0, a) for v, a in zip(out, out_axes)]
    return {'s1': s, 'ms': out[0], 'ds': out[1]}


for k, how in enumerate([([0, 0], [0, 0], [0, 0], [0, 0]),
                         ([1, 0], [0, 1], [1, 0], [1, 0]),
                         ([-1, 1], [1, 1], [0, -1], [0, 1])]):
    x, w = (np.moveaxis(rng.standard_normal((4, 3)), 0, a).astype(np.float32)
            for a in how[0])
    s = rng.standard_normal(3).astype(np.float32)
    same(run(scan('scan%d' % k, *how), s0=s, x=x, w=w),
         scan_numpy(s, x, w, *how), 'Scan, axes and directions %d' % k)

x = rng.standard_normal((4, 3)).astype(np.float32)
refused(run(scan('uneven', [0, 0], [0, 0], [0, 0], [0, 0]), s0=s, x=x,
            w=x[:2]), 'input 2 has a length of 2; those before have 4',
        'Scan over two lengths')


# -- sequences ---------------------------------------------------------------

b = body([node('Identity', 'c', 'd'), node('Slice', 'x zero end', 'part'),
          node('Add', 'i one', 'e'), node('Reshape', 'e shape', 'end'),
          node('SequenceInsert', 'q part', 'r')][::1],
         [value('i', I64, []), value('c', BOOL, []),
          helper.make_tensor_sequence_value_info('q', F32, None)],
         [value('d', BOOL),
          helper.make_tensor_sequence_value_info('r', F32, None)],
         [const('zero', [0]), const('one', 1), const('shape', [1])])
path = model('parts', [
    node('SequenceEmpty', '', 'q0'), node('Loop', 'n go q0', 'q1', body=b),
    node('SequenceLength', 'q1', 'len'), node('SequenceAt', 'q1 pick', 'it'),
    node('ConcatFromSequence', 'q1', 'flat', axis=0),
    node('SequenceErase', 'q1 pick', 'q2'),
    node('ConcatFromSequence', 'q2', 'rest', axis=-1)],
    [value('x', F32, ['N']), value('n', I64, []), value('pick', I64, [])],
    [value('len', I64), value('it'), value('flat'), value('rest')],
    [const('go', True)])
x = rng.standard_normal(6).astype(np.float32)
for n, pick in (3, 1), (6, -1), (4, -4):
    parts = [x[:i + 1] for i in range(n)]
    rest = [p for i, p in enumerate(parts) if i != pick % n]
    same(run(path, x=x, n=np.int64(n), pick=np.int64(pick)),
         {'len': n, 'it': parts[pick], 'flat': np.concatenate(parts),
          'rest': np.concatenate(rest)}, 'a sequence of %d, item %d'
         % (n, pick))
refused(run(path, x=x, n=np.int64(3), pick=np.int64(3)),
        'position 3 is out of range [-3, 2]', 'an item that is not there')
refused(run(path, x=x, n=np.int64(0), pick=np.int64(0)),
        'the sequence is empty', 'an item of nothing')

path = model('split', [
    node('SplitToSequence', 'x how', 'q', axis=1),
    node('SequenceAt', 'q last', 'y'), node('SequenceLength', 'q', 'n'),
    node('SplitToSequence', 'x', 'rows', axis=0, keepdims=0),
    node('ConcatFromSequence', 'rows', 'z', axis=1, new_axis=1)],
    [value('x', F32, ['N', 'M']), value('how', I64, None)],
    [value('y'), value('n', I64), value('z')], [const('last', -1)])
x = rng.standard_normal((2, 7)).astype(np.float32)
for how in np.array([3, 0, 4]), np.int64(3), np.array([7]):
    cut = np.cumsum(how)[:-1] if how.ndim else np.arange(how, 7, how)
    parts = np.split(x, cut, axis=1)
    same(run(path, x=x, how=how),
         {'y': parts[-1], 'n': len(parts), 'z': x.T},
         'SplitToSequence by %s' % how)
refused(run(path, x=x, how=np.array([3, 3])), 'do not add up to the 7',
        'pieces that are not all')
refused(run(path, x=x, how=np.int64(0)), 'pieces of 0', 'pieces of nothing')

b = body([node('Mul', 'a k', 'm'), node('Shape', 'a', 'sh')],
         [value('a')], [value('m'), value('sh', I64)])
path = model('map', [
    node('SplitToSequence', 'x how', 'q', axis=0),
    node('SequenceMap', 'q', 'ms shapes', body=b),
    node('ConcatFromSequence', 'ms', 'y', axis=0),
    node('ConcatFromSequence', 'shapes', 's', axis=0, new_axis=1)],
    [value('x', F32, ['N', 2]), value('how', I64, ['K'])],
    [value('y'), value('s', I64)], [const('k', 3, np.float32)])
x = rng.standard_normal((5, 2)).astype(np.float32)
same(run(path, x=x, how=np.array([1, 4])),
     {'y': x * 3, 's': [[1, 2], [4, 2]]}, 'SequenceMap')


# -- what is refused ---------------------------------------------------------

b = body([node('Identity', 'c', 'd'), node('Add', 'v v', 'w')],
         [value('i', I64, []), value('c', BOOL, []), value('v')],
         [value('d', BOOL), value('w')])
forever = helper.make_node('Loop', ['', 'on', 'x'], ['y'], body=b)
path = model('forever', [forever], [value('x', F32, [1])], [value('y')],
             [const('on', True)])
refused(run(path, x=np.zeros(1, np.float32)), 'iterations without an end; the limit is 65535',
        'a loop without an end')

b = body([node('Identity', 'c', 'd'), node('Add', 'i i', 'k'),
          node('ConstantOfShape', 'n1', 'z'), node('Unsqueeze', 'i zero',
                                                   'n1')],
         [value('i', I64, []), value('c', BOOL, [])],
         [value('d', BOOL), value('z')], [const('zero', [0])])
path = model('ragged', [node('Loop', 'n on', 'y', body=b)],
             [value('n', I64, [])], [value('y')], [const('on', True)])
refused(run(path, n=np.int64(3)),
        'scanned output 0 has one shape in iteration 0 and another in 1',
        'outputs of several shapes')

b = body([node('Identity', 'c', 'd')],
         [value('i', I64, []), value('c', BOOL, []), value('v')],
         [value('d', BOOL)])
path = model('short', [node('Loop', 'n on x', 'y', body=b)],
             [value('n', I64, []), value('x', F32, [1])], [value('y')],
             [const('on', True)])
refused(run(path, n=np.int64(1), x=np.zeros(1, np.float32)),
        'the body gives 1 outputs; 2 are expected', 'a body without a value')

shutil.rmtree(DIR)
print('1..%d' % count)
sys.exit(failed != 0)
