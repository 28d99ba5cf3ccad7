#!/usr/bin/python3
"""Regressions of one go beside scikit-learn's: coefficients where they are
unique, the objective where not; what was written, run in our own engine.
"""

import os
import sys
import warnings

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_fit import Fit, data, done, near, ok, refused, scaled
from sklearn import linear_model

warnings.simplefilter('ignore')

x, y = data('diabetes')
wx, wy = data('wine')
wide, wide_y = data('digits')
weight = np.random.default_rng(0).uniform(0, 2, len(y))
weight[:40] = 0


def beside(name, what, m, params, x, y, tol=1e-9, weight=None, served=2e-6):
    """Same coefficients, same answers."""
    f = Fit('regression', name, params, x, y, weight)
    m.fit(x, y, **({} if weight is None else {'sample_weight': weight}))
    near(f.coefficients, m.coef_, tol, '%s: coefficients' % what)
    near(f.intercept, m.intercept_, tol, '%s: intercept' % what)
    want = m.predict(x).reshape(len(x), -1)
    near(f.run(x)['prediction'], want, served, '%s: served' % what)
    return f


# -- least squares -----------------------------------------------------------

f = beside('linear_regression', 'diabetes', linear_model.LinearRegression(),
           {}, x, y)
ok(f.rank == 10, 'its rank')
beside('linear_regression', 'no intercept',
       linear_model.LinearRegression(fit_intercept=False),
       {'intercept': False}, x, y)
beside('linear_regression', 'weights', linear_model.LinearRegression(), {},
       x, y, weight=weight)
two = np.stack([y, np.sqrt(y)], 1)
beside('linear_regression', 'two targets', linear_model.LinearRegression(),
       {}, x, two)
# Proline is some 1000 times as large as hue.
beside('linear_regression', 'features of very different size',
       linear_model.LinearRegression(), {}, wx, wy, served=2e-5)

far = x + 1e4                  # float64 keeps it; centred, as before
far = far.astype(np.float32).astype(float)
beside('linear_regression', 'far from zero', linear_model.LinearRegression(),
       {}, far, y, tol=1e-7, served=2e-2)


def objective(f, x, y):
    return ((y - x @ f.coefficients - f.intercept) ** 2).sum()


# Constant, equal and summed columns: as good, and of least norm.
odd = np.hstack([x, x[:, :1], x[:, 1:2] + x[:, 2:3], np.full((len(x), 1), 7)])
f = Fit('regression', 'linear_regression', {}, odd, y)
m = linear_model.LinearRegression().fit(odd, y)
want = ((y - m.predict(odd)) ** 2).sum()
near(objective(f, odd, y), want, 1e-9, 'dependent columns: as good')
ok(f.rank == 10, 'dependent columns: the rank', f.rank)
near(np.abs(f.coefficients).sum(), np.abs(m.coef_).sum(), 1e-6,
     'dependent columns: least norm')
ok(f.coefficients[-1] == 0, 'a constant column counts for nothing')

# More features than rows: the rows are met.
f = Fit('regression', 'linear_regression', {}, wide[:20], wide_y[:20])
m = linear_model.LinearRegression().fit(wide[:20], wide_y[:20])
ok(objective(f, wide[:20], wide_y[:20]) < 1e-18, 'more features than rows')
near(f.coefficients, m.coef_, 1e-7, 'the least of them')
f = Fit('regression', 'linear_regression', {}, x[:1], y[:1])
near(f.run(x[:2])['prediction'][:, 0], [y[0], y[0]], 1e-6, 'a single row')

# -- ridge -------------------------------------------------------------------

for alpha in (1e-3, 1, 1e3):
    beside('ridge', 'ridge %g' % alpha,
           linear_model.Ridge(alpha=alpha, solver='svd'), {'alpha': alpha},
           x, y)
beside('ridge', 'ridge of odd columns',
       linear_model.Ridge(solver='svd'), {}, odd, y)
beside('ridge', 'ridge, wide', linear_model.Ridge(solver='svd'), {},
       wide[:20], wide_y[:20])
beside('ridge', 'ridge with weights', linear_model.Ridge(solver='svd'), {},
       x, y, weight=weight)
f = Fit('regression', 'ridge', {'alpha': 0}, odd, y)
near(objective(f, odd, y), want, 1e-9, 'ridge 0 of dependent columns')

# -- lasso -------------------------------------------------------------------

TIGHT = {'tolerance': 1e-13}
SKL = {'tol': 1e-13, 'max_iter': 10 ** 6}

for alpha in (1e-3, .1, 1, 10):
    f = beside('lasso', 'lasso %g' % alpha,
               linear_model.Lasso(alpha=alpha, **SKL),
               {'alpha': alpha, **TIGHT}, x, y, tol=1e-6)
    ok(f.converged, 'lasso %g converged' % alpha)
ok((Fit('regression', 'lasso', {'alpha': 1}, x, y).coefficients == 0).sum()
   >= 5, 'the lasso makes zeros')
beside('lasso', 'lasso with weights', linear_model.Lasso(alpha=.1, **SKL),
       {'alpha': .1, **TIGHT}, x, y, tol=1e-6, weight=weight)

for ratio in (.1, .5, .9):
    beside('elastic_net', 'elastic net %g' % ratio,
           linear_model.ElasticNet(alpha=.01, l1_ratio=ratio, **SKL),
           {'alpha': .01, 'l1_ratio': ratio, **TIGHT}, x, y, tol=1e-6)
beside('elastic_net', 'elastic net, two targets',
       linear_model.ElasticNet(alpha=.01, **SKL), {'alpha': .01, **TIGHT},
       x, two, tol=1e-6)
sx, sy = scaled('digits')
beside('elastic_net', 'elastic net, wide',
       linear_model.ElasticNet(alpha=.1, **SKL), {'alpha': .1, **TIGHT},
       sx[:30], sy[:30].astype(float), tol=1e-5)


def penal(f, x, y, alpha):
    return (objective(f, x, y) / 2 / len(y)
            + alpha * np.abs(f.coefficients).sum())


f = Fit('regression', 'lasso', {'alpha': .1, **TIGHT}, odd, y)
m = linear_model.Lasso(alpha=.1, **SKL).fit(odd, y)
m.coefficients, m.intercept = m.coef_, m.intercept_
near(penal(f, odd, y, .1), penal(m, odd, y, .1), 1e-9,
     'lasso of dependent columns: as good')

# -- many rows: several threads, columns that depend on each other ------------

rng = np.random.default_rng(3)
mx = rng.normal(size=(5000, 30))
mx[:, 20:] = mx[:, :10] + .02 * mx[:, 20:]
mx[:, 12] = 3
mx = mx.astype(np.float32).astype(float)
my = mx @ rng.normal(size=30) + rng.normal(size=5000)
mw = rng.uniform(0, 2, 5000)

for name, params, m in [
        ('linear_regression', {}, linear_model.LinearRegression()),
        ('ridge', {'alpha': 3}, linear_model.Ridge(alpha=3, solver='svd')),
        ('lasso', {'alpha': .01, **TIGHT},
         linear_model.Lasso(alpha=.01, **SKL))]:
    for w in (None, mw):
        if w is not None:               # what scikit-learn gives a constant
            mx[:, 12] = mx[:, 13] ** 2  # column then is rounding
        f = beside(name, '%s of 5000 rows%s' % (name, ', weighted' * (
                   w is not None)), m, params, mx, my,
                   tol=1e-6 if name == 'lasso' else 1e-9, weight=w,
                   served=1e-5)
    same = [Fit('regression', name, params, mx, my, mw, threads=t)
            for t in (1, 2, 3)]
    for s in same:
        del s.said['seconds']
    ok(same[0].said == same[1].said == same[2].said
       and len({open(s.path, 'rb').read() for s in same}) == 1,
       '%s: the same bits at 1, 2 and 3 threads' % name)

# Nearly the same columns: too near for products, not for QR.
for far in (1e-5, 1e-7):
    nx = mx.copy()
    nx[:, 3] = nx[:, 2] * (1 + 1e-3) + far * rng.normal(size=5000)
    m = linear_model.LinearRegression().fit(nx, my)
    f = Fit('regression', 'linear_regression', {}, nx, my)
    near(f.coefficients, m.coef_, 1e-14 / far ** 1.2,
         'columns that differ by %g' % far)
    near(objective(f, nx, my), ((my - m.predict(nx)) ** 2).sum(), 1e-10,
         'and as good')

# -- what is refused ---------------------------------------------------------

bad = x.copy()
bad[3, 2] = np.nan
refused('row 3, feature 2 is NaN; this model takes no missing values',
        'regression', 'ridge', {}, bad, y)
bad[3, 2] = np.inf
refused('row 3, feature 2 is infinite', 'regression', 'lasso', {}, bad, y)
yy = y.copy()
yy[5] = np.nan
refused('the target of row 5 is NaN', 'regression', 'linear_regression', {},
        x, yy)
refused('0 rows with 10 features', 'regression', 'ridge', {}, x[:0], y[:0])
refused('the weight of row 1 is -1', 'regression', 'ridge', {}, x, y,
        weight=np.where(np.arange(len(y)) == 1, -1, 1))
refused('all weights are zero', 'regression', 'ridge', {}, x, y,
        weight=np.zeros(len(y)))
refused('"alpha" is -1, expected a number of at least 0', 'regression',
        'ridge', {'alpha': -1}, x, y)
refused('unknown key "alhpa"; did you mean "alpha"?', 'regression', 'lasso',
        {'alhpa': 1}, x, y)
refused('the fit was stopped', 'regression', 'lasso', {}, x, y, cancel=1)
refused('beyond what float32 holds', 'regression', 'linear_regression', {},
        x * 1e-37, y * 1e10)

done()
