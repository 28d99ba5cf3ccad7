#!/usr/bin/python3
"""Clusters and principal components beside scikit-learn's; the same model
whatever the number of threads.
"""

import os
import sys
import warnings

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_fit import Fit, data, done, near, ok, refused, scaled
from sklearn import cluster, decomposition

warnings.simplefilter('ignore')


# -- k-means -----------------------------------------------------------------

def lloyd_fixed(centres, x, w=None):
    """Centres are the means of the rows that are nearest to them."""
    d = ((x[:, None] - centres[None]) ** 2).sum(2)
    near_ = d.argmin(1)
    w = np.ones(len(x)) if w is None else w
    means = np.array([np.average(x[near_ == k], 0, w[near_ == k])
                      for k in range(len(centres))])
    return means, (w * d.min(1)).sum(), near_


for name, load, k in (('iris', data, 3), ('wine', scaled, 3),
                      ('breast_cancer', scaled, 2), ('digits', data, 10)):
    x, _ = load(name)
    spread = [cluster.KMeans(k, n_init=10, random_state=s, tol=0).fit(x)
              .inertia_ for s in range(5)]
    got = [Fit('clustering', 'k_means', {'k': k, 'tolerance': 0}, x,
               seed=s) for s in range(5)]
    inertia = [f.inertia for f in got]
    ok(min(inertia) <= max(spread) * (1 + 1e-9)
       and max(inertia) <= max(spread) * 1.005,
       'k-means, %s: within the spread' % name, (inertia, spread))
    f = got[0]
    means, total, nearest = lloyd_fixed(f.centres, x)
    near(means, f.centres, 1e-9, 'k-means, %s: centres are means' % name)
    near(f.inertia, total, 1e-9, 'k-means, %s: inertia' % name)
    out = f.run(x)
    d = np.sqrt(((x[:, None] - f.centres[None]) ** 2).sum(2))
    near(out['distances'], d, 1e-6, 'k-means, %s: distances' % name)
    ok((out['cluster'] == nearest).all(), 'k-means, %s: clusters' % name)

# From the same centres Lloyd's iteration has one answer.
x, _ = data('iris')
a = Fit('clustering', 'k_means', {'k': 3}, x, seed=1, threads=1)
b = Fit('clustering', 'k_means', {'k': 3}, x, seed=1, threads=2)
ok(open(a.path, 'rb').read() == open(b.path, 'rb').read(),
   'one thread and two write the same bytes')
rng = np.random.default_rng(0)
big = rng.normal(size=(20000, 8)) + rng.integers(0, 5, (20000, 1)) * 3
a = Fit('clustering', 'k_means', {'k': 6, 'starts': 2}, big, threads=1)
for n in (2, 3):
    b = Fit('clustering', 'k_means', {'k': 6, 'starts': 2}, big, threads=n)
    ok(open(a.path, 'rb').read() == open(b.path, 'rb').read(),
       '20000 rows, %d threads: the same bytes' % n)
b = Fit('clustering', 'k_means', {'k': 6, 'starts': 2}, big, seed=9)
ok(open(a.path, 'rb').read() != open(b.path, 'rb').read(),
   'another seed, another start')

w = rng.integers(0, 3, len(x))
a = Fit('clustering', 'k_means', {'k': 3, 'tolerance': 0}, x, weight=w)
b = Fit('clustering', 'k_means', {'k': 3, 'tolerance': 0},
        np.repeat(x, w, 0))
near(a.inertia, b.inertia, 1e-9, 'a weight of 2 is a row twice')

same = np.repeat(np.array([[1., 2.], [3., 4.]]), 5, 0)
f = Fit('clustering', 'k_means', {'k': 5}, same)
ok(f.inertia < 1e-20, 'more clusters than different rows')
f = Fit('clustering', 'k_means', {'k': 1}, x)
near(f.centres, x.mean(0)[None], 1e-12, 'one cluster: the mean')
f = Fit('clustering', 'k_means', {'k': len(x), 'starts': 1}, x)
ok(f.inertia < 1e-20, 'a cluster for each row', f.inertia)
refused('"k" is 151, but there are only 150 rows', 'clustering', 'k_means',
        {'k': 151}, x)
refused('the fit was stopped', 'clustering', 'k_means', {}, x, cancel=1)
refused('row 0, feature 3 is NaN', 'clustering', 'k_means', {},
        np.where(np.arange(4) == 3, np.nan, x))

# -- principal components ----------------------------------------------------

for name, load in (('iris', data), ('wine', data), ('digits', data),
                   ('breast_cancer', scaled)):
    x, _ = load(name)
    for whiten in (False, True):
        m = decomposition.PCA(5 if name != 'iris' else 3, whiten=whiten,
                              svd_solver='full').fit(x)
        f = Fit('transform', 'pca', {'components': m.n_components_,
                                     'whiten': whiten}, x)
        text = 'PCA, %s%s' % (name, ', whitened' if whiten else '')
        near(f.explained_variance, m.explained_variance_, 1e-10,
             text + ': variances')
        near(f.explained_variance_ratio, m.explained_variance_ratio_, 1e-10,
             text + ': shares')
        sign = np.sign((m.components_ * f.components).sum(1))
        near(f.components * sign[:, None], m.components_, 1e-8,
             text + ': components')
        out, = f.run(x).values()
        near(out * sign, m.transform(x), 2e-6, text + ': served')

m = decomposition.PCA(.9, svd_solver='full').fit(x)
f = Fit('transform', 'pca', {'components': .9}, x)
ok(len(f.components) == m.n_components_, 'a part of the variance')
f = Fit('transform', 'pca', {}, x[:7])
ok(f.components.shape == (7, 30), 'fewer rows than features')
flat = np.hstack([x[:, :3], x[:, :1], np.ones((len(x), 1))])
f = Fit('transform', 'pca', {'whiten': True}, flat)
out, = f.run(flat).values()
ok(np.isfinite(out).all() and (np.abs(out[:, 3:]) < 1e-3).all(),
   'whitened directions without variance are 0')
refused('"components" is 5; 569 rows of 3 features have 1 to 3', 'transform',
        'pca', {'components': 5}, x[:, :3])
refused('at least two rows', 'transform', 'pca', {}, x[:1])
refused('takes no weights', 'transform', 'pca', {}, x, weight=np.ones(569))

done()
