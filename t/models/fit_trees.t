#!/usr/bin/python3
"""Trees that we fitted, in ONNX Runtime: it reads every model and answers as
our own engine does; forests of classes bit for bit, as their sums are exact.

Half of the rows are asked as they are, half with each feature moved to the
threshold of some node and to its float32 neighbours, where a threshold on
the wrong side shows.
"""

import os
import sys

import numpy as np

sys.dont_write_bytecode = True
os.environ.setdefault('OMP_NUM_THREADS', '1')
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'train'))

from lib_fit import Fit, data
from lib_models import Model, done, need

import onnx

need(models=False)

IRIS = 'setosa,versicolor,virginica'


def edges(path, x):
    """Rows whose features lie at thresholds, and beside them."""
    n = [n for n in onnx.load(path).graph.node
         if n.op_type.startswith('TreeEnsemble')][0]
    a = {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute}
    cuts = {}
    for i, v, m in zip(a['nodes_featureids'], a['nodes_values'],
                       a['nodes_modes']):
        if m != b'LEAF' and np.isfinite(v):
            cuts.setdefault(i, []).append(v)
    r = np.random.default_rng(0)
    q = np.array(x, np.float32)
    for i, v in cuts.items():
        v = r.choice(np.array(v, np.float32), len(q))
        up, down = (np.nextafter(v, np.float32(s)) for s in (np.inf, -np.inf))
        q[:, i] = np.choose(r.integers(0, 4, len(q)), [v, up, down, q[:, i]])
    return q


def check(name, f, x, exact=False):
    q = np.concatenate([np.asarray(x, np.float32), edges(f.path, x)])
    m = Model('fit ' + name, f.path, {'x': q}, 'trees')
    m.got = m.run()
    if not m.verdict(m.got, 'as in ONNX Runtime', True):
        return
    m.same(m.run(args=['--threads', '2']), m.got,
           'two threads give the same bits')
    for cpu in ('ref', 'avx2') if exact else ('avx2',):
        m.same(m.run({'MAAS_CPU': cpu}), m.got,
               'the same bits with MAAS_CPU=' + cpu)
    if exact:
        ref = m.ref['probabilities'][0]
        m.ok((ref == m.got['probabilities']).all(),
             'probabilities are the bits of ONNX Runtime',
             'off by %g' % np.abs(ref - m.got['probabilities']).max())


for what, more in (('iris', {'names': IRIS}), ('wine', {}), ('digits', {}),
                   ('breast_cancer', {'names': 'ill,well'})):
    x, y = data(what)
    for kind, params in (('decision_tree', {}),
                         ('decision_tree', {'criterion': 'entropy',
                                            'max_depth': 3}),
                         ('random_forest', {'trees': 30}),
                         ('extra_trees', {'trees': 30})):
        f = Fit('classification', kind, params, x, y, **more)
        check('%s %s' % (kind, what), f, x, True)
    f = Fit('classification', 'gradient_boosting', {'iterations': 15}, x, y,
            **more)
    check('gradient_boosting ' + what, f, x)
    check('isolation_forest ' + what,
          Fit('outliers', 'isolation_forest', {'contamination': .1}, x), x)

x, y = data('diabetes')
two = np.stack([y, np.sqrt(y)], 1)
for kind, params in (('decision_tree', {'max_depth': 9}),
                     ('random_forest', {'trees': 30}),
                     ('extra_trees', {'trees': 30}),
                     ('gradient_boosting', {'iterations': 40})):
    for t in (y, two):
        check('%s diabetes, %d' % (kind, t.ndim),
              Fit('regression', kind, params, x, t), x)

# Missing values, to both sides and against all numbers.
r = np.random.default_rng(1)
x = r.normal(size=(900, 4))
x[r.random(x.shape) < .25] = np.nan
y = (np.where(np.isnan(x[:, 0]), 2, x[:, 0]) > .3) * 1 + np.isnan(x[:, 2])
check('missing values', Fit('classification', 'gradient_boosting',
                            {'iterations': 12}, x, y), x)
check('missing values, pair', Fit('classification', 'gradient_boosting',
                                  {'iterations': 12}, x, (y > 0) * 1), x)
check('missing values, numbers', Fit(
    'regression', 'gradient_boosting', {'iterations': 12}, x, y * 2.5), x)

# Two of four classes have rows.
x, y = data('iris')
y = np.where(y == 0, 1, 3)
for kind in ('random_forest', 'gradient_boosting'):
    check(kind + ', classes without rows',
          Fit('classification', kind, {}, x, y, names='a,b,c,d'), x)

done()
