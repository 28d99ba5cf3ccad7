#!/usr/bin/python3
"""Gradient boosting beside scikit-learn's HistGradientBoosting: held-out
scores over splits, losses of the training rows, missing values, and what is
served beside what was fitted."""

import os
import sys
import warnings

import numpy as np

sys.dont_write_bytecode = True
os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_fit import Fit, data, done, near, ok, refused

import onnx
from sklearn import metrics, model_selection
from sklearn.ensemble import (HistGradientBoostingClassifier,
                              HistGradientBoostingRegressor)

warnings.filterwarnings('ignore')
KIND = 'gradient_boosting'
SETS = ['iris', 'wine', 'breast_cancer', 'digits', 'diabetes']


def task(name):
    return 'regression' if name == 'diabetes' else 'classification'


def theirs(name, **p):
    p = {'early_stopping': False, 'max_iter': 30, 'random_state': 0, **p}
    return (HistGradientBoostingRegressor if name == 'diabetes' else
            HistGradientBoostingClassifier)(**p)


def loss(name, got, y):
    if task(name) == 'regression':
        return ((got['prediction'][:, 0] - y) ** 2).mean() / 2
    return metrics.log_loss(y, got['probabilities'].astype(float))


def score(name, got, y):
    if task(name) == 'regression':
        return metrics.r2_score(y, got['prediction'][:, 0])
    return (got['label'] == y).mean()


def split(name, seed):
    x, y = data(name)
    return model_selection.train_test_split(
        x, y, test_size=.4, random_state=seed,
        stratify=None if name == 'diabetes' else y)


# -- scikit-learn ------------------------------------------------------------

def held_out():
    for name in SETS:
        want, got, left = [], [], []
        for seed in range(2 if name == 'digits' else 5):
            x, xt, y, yt = split(name, seed)
            m = theirs(name).fit(x, y)
            f = Fit(task(name), KIND, {'iterations': 30}, x, y)
            want.append(m.score(xt, yt))
            got.append(score(name, f.run(xt), yt))
            mine = loss(name, f.run(x), y)
            near([f.training_loss], [mine], 2e-5,
                 '%s: loss of the leaves is that of the model' % name)
            his = (((m.predict(x) - y) ** 2).mean() / 2
                   if name == 'diabetes' else
                   metrics.log_loss(y, m.predict_proba(x)))
            left.append(mine / his)
        ok(np.mean(got) > np.mean(want) - max(np.std(want), .01),
           '%s: held out' % name, '%s; scikit-learn: %s' % (got, want))
        ok(.9 < np.mean(left) < 1.1, '%s: loss of the training rows' % name,
           'times that of scikit-learn: %s' % left)


def same_function():
    """Few values, no ties: the same cuts."""
    r = np.random.default_rng(5)
    x = r.integers(0, 60, (4000, 5)).astype(float)
    y = np.sin(x[:, 0] / 9) * x[:, 1] + x[:, 2] + r.normal(size=4000)
    q = r.uniform(-3, 63, (500, 5)).astype(np.float32).astype(float)
    for p, s in (({}, {}),
                 ({'l2': 3., 'learning_rate': .3, 'max_leaf_nodes': 9},
                  {'l2_regularization': 3., 'learning_rate': .3,
                   'max_leaf_nodes': 9}),
                 ({'max_depth': 3, 'min_samples_leaf': 60},
                  {'max_depth': 3, 'min_samples_leaf': 60}),
                 ({'max_bins': 16}, None)):
        f = Fit('regression', KIND, {'iterations': 10, **p}, x, y)
        got = f.run(q)['prediction'][:, 0]
        if s is None:
            a = onnx_trees(f.path)
            cuts = {(i, v) for i, v, m in zip(
                a['nodes_featureids'], a['nodes_values'], a['nodes_modes'])
                    if m != b'LEAF'}
            most = max(sum(i == j for i, _ in cuts) for j in range(5))
            ok(0 < most <= 15, 'max_bins 16 makes at most 15 edges', most)
            continue
        m = theirs('diabetes', max_iter=10, **s).fit(x, y)
        near(got, m.predict(q), 1e-5, 'regression %s: the same function' % p)
    c = (y > np.median(y)) * 1
    m = theirs('', max_iter=10).fit(x, c)
    f = Fit('classification', KIND, {'iterations': 10}, x, c)
    near(f.run(q)['probabilities'], m.predict_proba(q), 1e-5,
         'two classes: the same function')
    w = r.uniform(.5, 2, 4000)
    m = theirs('diabetes', max_iter=10).fit(x, y, sample_weight=w)
    f = Fit('regression', KIND, {'iterations': 10}, x, y, w)
    near(f.run(q)['prediction'][:, 0], m.predict(q), 1e-5, 'weights')
    c = np.digitize(y, np.quantile(y, (.2, .6)))
    m = theirs('', max_iter=10).fit(x, c)
    f = Fit('classification', KIND, {'iterations': 10}, x, c)
    near(f.run(q)['probabilities'], m.predict_proba(q), 1e-5,
         'three classes: the same function')
    f = Fit('regression', KIND, {'iterations': 10}, x, np.c_[y, -y * 3])
    g = Fit('regression', KIND, {'iterations': 10}, x, y)
    one, two = g.run(q)['prediction'][:, 0], f.run(q)['prediction']
    near(two[:, 0], one, 1e-6, 'two targets: the first')
    near(two[:, 1], -3 * one, 1e-5, 'two targets: the second')


# -- missing values ----------------------------------------------------------

def onnx_trees(path):
    n = [n for n in onnx.load(path).graph.node
         if n.op_type == 'TreeEnsembleRegressor'][0]
    return {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute}


def missing():
    r = np.random.default_rng(1)
    x = r.integers(0, 50, (3000, 4)).astype(float)
    x[r.random((3000, 4)) < .2] = np.nan
    y = (np.where(np.isnan(x[:, 0]), 30, x[:, 0])
         + np.where(np.isnan(x[:, 1]), -9, x[:, 2] > 20) * 5
         + r.normal(size=3000) * .1)
    f = Fit('regression', KIND, {'iterations': 10}, x, y)
    m = theirs('diabetes', max_iter=10).fit(x, y)
    near(f.run(x)['prediction'][:, 0], m.predict(x), 1e-5,
         'missing values: the same cuts')
    ok(0 < sum(onnx_trees(f.path)['nodes_missing_value_tracks_true'])
       < len(onnx_trees(f.path)['nodes_modes']),
       'missing values go to both sides')

    x = r.normal(size=(400, 3))
    x[::3, 1] = np.nan
    f = Fit('classification', KIND, {'iterations': 20}, x,
            np.isnan(x[:, 1]) * 1)
    q = x.copy()
    q[0, 1] = 3.4e38
    got = f.run(q)
    ok((got['label'] == np.isnan(q[:, 1])).all(),
       'missing against all numbers')
    x = np.full((60, 2), np.nan)
    f = Fit('classification', KIND, {}, x, np.arange(60) % 2)
    near(f.run(x)['probabilities'], np.full((60, 2), .5), 1e-6,
         'nothing but missing values')

    # Missing ones that training never saw: where most rows go.
    x = r.integers(0, 50, (3000, 3)).astype(float)
    y = x[:, 0] * 2 + x[:, 1]
    f = Fit('regression', KIND, {'iterations': 5}, x, y)
    m = theirs('diabetes', max_iter=5).fit(x, y)
    q = np.where(r.random((200, 3)) < .4, np.nan, x[:200])
    near(f.run(q)['prediction'][:, 0], m.predict(q), 1e-5,
         'missing values that training never saw')


# -- stopping ----------------------------------------------------------------

def stopping():
    x, xt, y, yt = split('breast_cancer', 1)
    p = {'early_stopping': True, 'iterations': 400, 'patience': 6,
         'validation_fraction': .2}
    f = Fit('classification', KIND, p, x, y, seed=3)
    ok(5 < f.iterations < 200, 'it stops early', f.iterations)
    ok(f.trees == f.iterations, 'trees after the best one are left out')
    got = score('', f.run(xt), yt)
    ok(got > .92, 'the model that stopped early', got)
    noise = np.random.default_rng(1).normal(size=(300, 2))
    f = Fit('regression', KIND, {**p, 'learning_rate': 1.}, noise,
            np.random.default_rng(2).normal(size=300))
    ok(f.iterations < 12 and np.isfinite(f.run(noise)['prediction']).all(),
       'noise: it stops at once', f.iterations)
    f = Fit('regression', KIND, {**p, 'tolerance': 1e9}, noise, noise[:, 0])
    ok(f.iterations == 0 and np.ptp(f.run(noise)['prediction']) == 0,
       'no iteration is kept: the mean')
    f = Fit('classification', KIND, {**p, 'tolerance': 1e9}, noise,
            (noise[:, 0] > 0) + (noise[:, 1] > 0) * 1)
    ok(f.iterations == 0 and np.ptp(f.run(noise)['probabilities'], 0).max()
       == 0, 'no iteration is kept: the shares')
    refused('early_stopping holds back 0.2 of the rows', 'classification',
            KIND, p, noise[:8], np.arange(8) % 2)


def bad():
    r = np.random.default_rng(0)
    x = r.normal(size=(40, 3))
    y = (x[:, 0] > 0) * 1
    z = x.copy()
    z[4, 2] = np.inf
    refused('row 4, feature 2 is infinite', 'classification', KIND, {}, z, y)
    refused('the fit was stopped', 'classification', KIND, {}, x, y, cancel=1)
    refused('max_bins', 'classification', KIND, {'max_bins': 256}, x, y)
    refused('max_leaf_nodes', 'classification', KIND, {'max_leaf_nodes': 1},
            x, y)
    f = Fit('classification', KIND, {'iterations': 3}, x, y, names='no,yes')
    got = f.run(x)
    ok(set(got['label']) <= {b'no', b'yes'}
       and (got['label'] == np.where(got['probabilities'][:, 1] > .5, b'yes',
                                     b'no')).all(), 'names of classes')
    onnx.checker.check_model(onnx.load(f.path))


for test in (held_out, same_function, missing, stopping, bad):
    test()

done()
