#!/usr/bin/python3
"""Random graphs of a few operators, beside ONNX Runtime; with three threads
the bits of one, and close to them with `numerics fast`, without the passes
and at the level of plain C.

    t/models/run.sh BUILD t/models/graphs.t
    GRAPHS=5000-9000 MAAS_BUILD=... t/models/graphs.t       (others)
"""

import json
import os
import shutil
import subprocess
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_graphs import Graph
from lib_models import (BUILD, HERE, PASSES, done, fresh, maas, need, ok,
                        outputs, save)

need(models=False)

FIRST, LAST = (int(n) for n in os.environ.get('GRAPHS', '200-399').split('-'))
BATCH = 100


def bits(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and (
        a.tobytes() == b.tobytes()
        or np.array_equal(a, b, equal_nan=a.dtype.kind == 'f'))


def near(a, b, rtol, atol):
    """Floats by the largest value; the rest to the bit."""
    if a.shape != b.shape or a.dtype != b.dtype or a.dtype.kind != 'f':
        return bits(a, b)
    top = np.max(np.abs(b[np.isfinite(b)]), initial=1e-30)
    with np.errstate(invalid='ignore'):
        return np.allclose(np.float64(a), np.float64(b), rtol,
                           atol * float(top), equal_nan=True)


def differ(got, want, same):
    """What is wrong with the outputs; None: nothing."""
    if isinstance(got, str):
        return got
    for k, w in want.items():
        if k not in got:
            return 'no output ' + k
        if not same(got[k], w):
            return '%s: %s%s %s, expected %s%s %s' % (
                k, got[k].dtype, got[k].shape, got[k].ravel()[:8], w.dtype,
                w.shape, w.ravel()[:8])
    return None


def theirs(graphs):
    """ONNX Runtime on all of them, in one process."""
    folder = fresh('graphs', 'job')
    job = {'npm': BUILD + '/models', 'levels': ['disabled'],
           'batch': [{'model': g.path, 'out': g.dir, 'runs': [g.files]}
                     for g in graphs]}
    with open(folder + '/job.json', 'w') as f:
        json.dump(job, f)
    subprocess.run(['node', HERE + '/oracle.mjs', folder + '/job.json'],
                   check=True, stdout=subprocess.DEVNULL)


# How else a model runs, and how near to one thread's numbers that has to be.
WAYS = [
    ('3 threads', ('--threads', '3'), {}, bits),
    ('fast', ('--numerics', 'fast', '--threads', '2'), {},
     lambda a, b: near(a, b, 2e-3, 1e-3)),
    ('no passes', (), {'MAAS_PASSES_OFF': ','.join(PASSES)},
     lambda a, b: near(a, b, 1e-3, 1e-4)),
    ('plain C', (), {'MAAS_CPU': 'ref'},
     lambda a, b: near(a, b, 1e-3, 1e-4)),
]


def check(g):
    exact = maas(g.path, g.files, g.dir + '/exact', args=('--threads', '1'))
    if os.path.exists(g.dir + '/error.txt'):
        with open(g.dir + '/error.txt') as f:
            return 'ONNX Runtime: ' + f.read()[:300]
    why = differ(exact, outputs(g.dir + '/disabled/0'),
                 lambda a, b: near(a, b, 1e-3, 1e-4))
    for name, args, env, same in WAYS if why is None else ():
        why = differ(maas(g.path, g.files, g.dir + '/other', env, args),
                     exact, same)
        if why is not None:
            return name + ': ' + why
    return why


for start in range(FIRST, LAST + 1, BATCH):
    graphs, bad = [], []

    for number in range(start, min(start + BATCH, LAST + 1)):
        g = Graph(number)
        g.dir = fresh('graphs', str(number))
        g.path = g.dir + '/model.onnx'
        g.number = number
        with open(g.path, 'wb') as f:
            f.write(g.model().SerializeToString())
        g.files = save(g.dir, g.feeds)
        graphs.append(g)

    theirs(graphs)

    for g in graphs:
        why = check(g)
        if why is None:
            shutil.rmtree(g.dir)
        else:
            bad.append('%d, opset %d, %s: %s' % (
                g.number, g.opset, ' '.join(n.op_type for n in g.nodes),
                why))

    ok(not bad, 'graphs %d to %d' % (start, graphs[-1].number),
       '\n'.join(bad))

done()
