#!/usr/bin/python3
"""What our estimators write, in ONNX Runtime: it reads every model, answers
as our own engine does, and as scikit-learn with the same data.

Scores of scikit-learn are float64 sums; of ours the coefficients are float32
(linear models) or all is float64 (naive Bayes, neighbours, clusters): 2e-5 of
the largest is what products of features as they come may be off by.
"""

import os
import sys
import warnings

import numpy as np

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'train'))

import lib_fit
from lib_fit import Fit, data, scaled
from lib_models import Model, done, need
from sklearn import (cluster, decomposition, linear_model, naive_bayes,
                     neighbors, svm)

need(models=False)
warnings.simplefilter('ignore')

IRIS = ['setosa', 'versicolor', 'virginica']


def check(name, f, x, want=None, clear=None):
    """want: scikit-learn's {output: array}; clear: rows whose label is."""
    x = np.asarray(x, np.float32)
    m = Model('fit ' + name, f.path, {'x': x}, 'scikit-learn')
    m.got = m.run()
    if not m.verdict(m.got, 'as in ONNX Runtime', True):
        return
    m.same(m.run(args=['--threads', '2']), m.got,
           'two threads give the same bits')
    for k, w in (want or {}).items():
        w = np.asarray(w)
        for who, got in (('ours', m.got[k]), ('ONNX Runtime', m.ref[k][0])):
            if w.dtype.kind in 'USi':
                keep = slice(None) if clear is None else clear
                bad = (got.astype('U') != w.astype('U'))[keep].sum()
                m.ok(bad == 0, '%s: %s as in scikit-learn' % (who, k), bad)
                continue
            w = w.reshape(got.shape)
            far = np.abs(got - w).max() / np.abs(w).max()
            m.ok(far < 2e-5, '%s: %s as in scikit-learn' % (who, k), far)


def classes(name, f, m, x, scores=None, names=None):
    p = m.predict_proba(x) if scores is None else scores
    top = np.sort(p, 1)
    label = m.predict(x)
    if names:
        label = np.array(names)[label]
    check(name, f, x, {'label': label, 'probabilities' if scores is None
                       else 'scores': p}, top[:, -1] - top[:, -2] > 1e-5)


TIGHT = {'tolerance': 1e-12}

# -- regressions -------------------------------------------------------------

x, y = data('diabetes')
two = np.stack([y, np.sqrt(y)], 1)
for name, params, m, t in (
        ('linear_regression', {}, linear_model.LinearRegression(), y),
        ('linear_regression', {}, linear_model.LinearRegression(), two),
        ('ridge', {'alpha': .5}, linear_model.Ridge(.5, solver='svd'), y),
        ('lasso', {'alpha': .5, **TIGHT},
         linear_model.Lasso(.5, tol=1e-12), y),
        ('elastic_net', {'alpha': .01, **TIGHT},
         linear_model.ElasticNet(.01, tol=1e-12), two),
        ('k_nearest_neighbours', {},
         neighbors.KNeighborsRegressor(), y),
        ('k_nearest_neighbours', {'weights': 'distance'},
         neighbors.KNeighborsRegressor(weights='distance'), two)):
    f = Fit('regression', name, params, x, t)
    m.fit(x, t)
    check('%s %d' % (name, t.ndim), f, x, {'prediction': m.predict(x)})
wx, wy = data('wine')
m = linear_model.LinearRegression().fit(wx, wy)
check('wine as it is', Fit('regression', 'linear_regression', {}, wx, wy),
      wx, {'prediction': m.predict(wx)})

# -- classifiers -------------------------------------------------------------

for what, load in (('iris', data), ('breast_cancer', scaled),
                   ('wine', scaled)):
    x, y = load(what)
    m = linear_model.LogisticRegression(tol=1e-12, solver='newton-cg',
                                        max_iter=10 ** 4).fit(x, y)
    names = IRIS if what == 'iris' else None
    more = {'names': ','.join(names)} if names else {}
    f = Fit('classification', 'logistic_regression', TIGHT, x, y, **more)
    classes('logistic ' + what, f, m, x, None, names)

    m = svm.LinearSVC(dual=False, tol=1e-12, max_iter=10 ** 6).fit(x, y)
    s = m.decision_function(x)
    s = np.stack([-s, s], 1) if s.ndim == 1 else s
    f = Fit('classification', 'linear_svm', TIGHT, x, y, **more)
    classes('svm ' + what, f, m, x, s, names)

    m = naive_bayes.GaussianNB().fit(x, y)
    f = Fit('classification', 'naive_bayes', {}, x, y, **more)
    classes('gaussian ' + what, f, m, x, None, names)

x, y = scaled('breast_cancer')
m = linear_model.LogisticRegression(tol=1e-12, solver='newton-cg',
                                    multi_class='multinomial').fit(x, y)
classes('softmax', Fit('classification', 'softmax_regression', TIGHT, x, y),
        m, x)

x, y = data('digits')
for kind, m in (('gaussian', naive_bayes.GaussianNB()),
                ('multinomial', naive_bayes.MultinomialNB()),
                ('bernoulli', naive_bayes.BernoulliNB(binarize=7.5))):
    f = Fit('classification', 'naive_bayes',
            {'kind': kind, 'threshold': 7.5}, x, y)
    classes(kind + ' digits', f, m.fit(x, y), x)

a, b = np.arange(1200), np.arange(1200, len(x))
d = np.sort(((x[b][:, None] - x[a][None]) ** 2).sum(2), 1)
b = b[d[:, 5] - d[:, 4] > 1e-9 * d[:, 5]]       # no ties for the fifth place
for weights in ('uniform', 'distance'):
    m = neighbors.KNeighborsClassifier(5, weights=weights,
                                       algorithm='brute').fit(x[a], y[a])
    f = Fit('classification', 'k_nearest_neighbours', {'weights': weights},
            x[a], y[a])
    classes('neighbours ' + weights, f, m, x[b])
ix, iy = data('iris')
m = neighbors.KNeighborsClassifier(1).fit(ix, iy)
classes('neighbours iris', Fit(
    'classification', 'k_nearest_neighbours',
    {'k': 1, 'weights': 'distance'}, ix, iy, names=','.join(IRIS)), m, ix,
    None, IRIS)

# -- clusters, components ----------------------------------------------------

f = Fit('clustering', 'k_means', {'k': 10}, x)
m = cluster.KMeans(10, init=f.centres, n_init=1, max_iter=1).fit(x)
m.cluster_centers_ = f.centres
check('k-means digits', f, x, {'cluster': m.predict(x),
                               'distances': m.transform(x)})
for whiten in (False, True):
    f = Fit('transform', 'pca', {'components': 12, 'whiten': whiten}, x)
    m = decomposition.PCA(12, svd_solver='full', whiten=whiten).fit(x)
    m.components_ = f.components
    name, = f.run(x[:2])
    check('pca %s' % whiten, f, x, {name: m.transform(x)})

done()
