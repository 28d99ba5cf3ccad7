"""Models of one node, beside ONNX Runtime: what opsets.t is made of.

A case is an operator with inputs, attributes and an opset.  All models go
through ONNX Runtime in one process and through `maas run` one by one.  Half
precision goes in and out as float32, with casts around the node.
"""

import os
import subprocess

import json
import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from lib_models import BUILD, HERE, fresh, maas, ok, outputs, save

IR = {18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12}
HALF = {'f16': TensorProto.FLOAT16, 'bf16': TensorProto.BFLOAT16}

cases = []


def value(name, dtype=None, dims=None):
    """A port; without a dtype, one whose type is left to inference."""
    v = ValueInfoProto(name=name)
    if dtype is not None:
        v.CopyFrom(helper.make_tensor_value_info(name, dtype, dims))
    return v


def onnx_dtype(a):
    if a.dtype.kind == 'U':
        return TensorProto.STRING
    return helper.np_dtype_to_tensor_dtype(a.dtype) \
        if hasattr(helper, 'np_dtype_to_tensor_dtype') \
        else numpy_helper.from_array(np.zeros(1, a.dtype)).data_type


def build(path, nodes, inits, ports, outs, opset, ir=None, extra=()):
    m = ModelProto()
    m.ir_version = ir or IR.get(opset, 8)
    m.producer_name = 'maas-tests'
    for domain, version in (('', opset),) + tuple(extra):
        m.opset_import.add(domain=domain, version=version)
    m.graph.name = 'case'
    m.graph.node.extend(nodes)
    m.graph.initializer.extend(inits)
    m.graph.input.extend(ports)
    m.graph.output.extend(outs)
    with open(path, 'wb') as f:
        f.write(m.SerializeToString())


class Case:
    def __init__(self, text, opset, op, ins, n_out=1, const=(), half=None,
                 domain='', ref=None, rtol=1e-4, atol=2e-6, dynamic=False,
                 nodes=None, inits=(), **attr):
        self.text = '%s-%d%s%s' % (op, opset, ' ' + text if text else '',
                                   ' ' + half if half else '')
        self.ref, self.rtol, self.atol = ref, rtol, atol
        self.dir = fresh('ops', '%04d' % len(cases))
        self.path = self.dir + '/model.onnx'
        self.feeds = {}
        self.attr = attr
        self.make(opset, op, ins, n_out, const, half, domain, attr, dynamic,
                  nodes, list(inits))
        cases.append(self)

    def make(self, opset, op, ins, n_out, const, half, domain, attr, dynamic,
             nodes, inits):
        names, ports, before, after = [], [], [], []
        for i, a in enumerate(ins):
            name = 'x%d' % i
            if a is None:
                names.append('')
                continue
            if isinstance(a, str):
                names.append(a)
                continue
            if isinstance(a, TensorProto):
                a.name = name
                inits.append(a)
                names.append(name)
                continue
            if i in const:
                inits.append(numpy_helper.from_array(a, name))
            else:
                self.feeds[name] = a
                dims = [None] * a.ndim if dynamic else a.shape
                ports.append(value(name, onnx_dtype(a), dims))
            if half and a.dtype == np.float32:
                before.append(helper.make_node('Cast', [name], [name + 'h'],
                                               to=HALF[half]))
                name += 'h'
            names.append(name)
        while names and names[-1] == '':
            names.pop()
        outs = list(n_out) if isinstance(n_out, (list, tuple)) else [
            'y%d' % i for i in range(n_out)]
        inner = [o + 'h' if half and o else o for o in outs]
        node = helper.make_node(op, names, inner, 'n', domain=domain, **attr)
        if half:
            for o in outs:
                if o:
                    after.append(helper.make_node('Cast', [o + 'h'], [o],
                                                  to=TensorProto.FLOAT))
        extra = (('com.microsoft', 1),)
        body = [node] if nodes is None else nodes
        build(self.path, before + body + after, inits, ports,
              [value(o) for o in outs if o], opset, extra=extra)
        self.files = save(self.dir, self.feeds)

    def want(self):
        if self.ref is not None:
            w = self.ref(*self.feeds.values())
            w = w if isinstance(w, (list, tuple)) else [w]
            return {'y%d' % i: a for i, a in enumerate(w)}
        if os.path.exists(self.dir + '/error.txt'):
            with open(self.dir + '/error.txt') as f:
                return f.read()
        return outputs(self.dir + '/disabled/0')

    def check(self):
        want = self.want()
        if isinstance(want, str):
            return ok(False, self.text, 'ONNX Runtime: ' + want[:600])
        got = maas(self.path, self.files, self.dir + '/maas')
        if isinstance(got, str):
            return ok(False, self.text, got)
        why = []
        for k, w in want.items():
            if k not in got:
                why.append('no output ' + k)
                continue
            g = got[k]
            if g.shape != w.shape or g.dtype != w.dtype:
                why.append('%s: got %s %s, expected %s %s' % (
                    k, g.dtype, g.shape, w.dtype, w.shape))
            elif w.dtype.kind == 'f':
                top = np.max(np.abs(w[np.isfinite(w)]), initial=0)
                good = np.isclose(np.float64(g), np.float64(w), self.rtol,
                                  self.atol * max(top, 1), equal_nan=True)
                if not np.all(good):
                    at = np.unravel_index(np.argmin(good), good.shape)
                    why.append('%s: %d of %d are off, first at %s: %g for %g'
                               % (k, np.sum(~good), good.size, at, g[at],
                                  w[at]))
            elif not np.array_equal(g, w):
                why.append('%s: %d of %d differ: %s for %s' % (
                    k, np.sum(g != w), w.size, g.ravel()[:8], w.ravel()[:8]))
        return ok(not why, self.text, '\n'.join(why))


def run_all():
    """Oracle over all cases, then the verdicts."""
    folder = fresh('ops-job')
    job = {'npm': BUILD + '/models', 'levels': ['disabled'],
           'batch': [{'model': c.path, 'out': c.dir, 'runs': [c.files]}
                     for c in cases if c.ref is None]}
    with open(folder + '/job.json', 'w') as f:
        json.dump(job, f)
    p = subprocess.run(['node', HERE + '/oracle.mjs', folder + '/job.json'],
                       capture_output=True, text=True)
    ok(p.returncode == 0, 'ONNX Runtime ran', p.stderr[:2000])
    for c in cases:
        c.check()
