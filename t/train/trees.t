#!/usr/bin/python3
"""Trees, forests and isolation forests beside scikit-learn's: impurity of the
training rows where nothing is left to chance, held-out scores within its
spread over seeds elsewhere; and what is served beside what was fitted."""

import os
import sys

import numpy as np

sys.dont_write_bytecode = True
os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_fit import Failed, Fit, data, done, near, ok, refused

import onnx
from sklearn import ensemble, metrics, model_selection, tree

SETS = ['iris', 'wine', 'breast_cancer', 'digits', 'diabetes']
SEEDS = range(5)


def halves(name):
    x, y = data(name)
    return model_selection.train_test_split(
        x, y, test_size=.4, random_state=7,
        stratify=None if name == 'diabetes' else y)


def task(name):
    return 'regression' if name == 'diabetes' else 'classification'


def score(name, got, y):
    if name == 'diabetes':
        return metrics.r2_score(y, got['prediction'][:, 0])
    return (got['label'] == y).mean()


def impurity(name, got, y, entropy=False):
    """What is left on these rows: of the leaves' shares, or means."""
    if name == 'diabetes':
        return ((got['prediction'][:, 0] - y) ** 2).mean()
    p = got['probabilities'].astype(float)
    if entropy:
        return -(p * np.log2(np.maximum(p, 1e-300))).sum(1).mean()
    return (1 - (p ** 2).sum(1)).mean()


def attributes(path):
    n = [n for n in onnx.load(path).graph.node
         if n.op_type.startswith('TreeEnsemble')][0]
    return {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute}


def walk(a, x):
    """Leaf weights of each tree, by float64 comparisons: [n][trees]."""
    kind = 'class_' if 'class_ids' in a else 'target_'
    of = {}
    for t, n, k, w in zip(a[kind + 'treeids'], a[kind + 'nodeids'],
                          a[kind + 'ids'], a[kind + 'weights']):
        of.setdefault((t, n), []).append((k, w))
    tree_ids = np.array(a['nodes_treeids'])
    first = {t: np.flatnonzero(tree_ids == t)[0] for t in set(tree_ids)}
    nan = a.get('nodes_missing_value_tracks_true', [0] * len(tree_ids))
    for row in np.asarray(x, np.float64):
        found = []
        for t, at in first.items():
            i = 0
            while a['nodes_modes'][at + i] != b'LEAF':
                v = row[a['nodes_featureids'][at + i]]
                yes = (nan[at + i] if np.isnan(v)
                       else v <= a['nodes_values'][at + i])
                i = a['nodes_truenodeids' if yes else
                      'nodes_falsenodeids'][at + i]
            found += of[t, i]
        yield found


# -- one tree ----------------------------------------------------------------

def beside(got, want, text):
    """Within what scikit-learn reaches with other orders of features, which
    decide between equal cuts; the width of one of its seeds more."""
    lo, hi = min(want), max(want)
    room = max(np.std(want), 1e-5 * max(abs(hi), 1e-9))
    ok(lo - room <= got <= hi + room, text,
       '%g; scikit-learn: %g to %g' % (got, lo, hi))


def one_tree():
    for name in SETS:
        x, xt, y, yt = halves(name)
        for entropy, params in ((0, {}), (0, {'max_depth': 4}),
                                (0, {'min_samples_leaf': 7}),
                                (1, {'max_depth': 5,
                                     'min_samples_split': 12})):
            if name == 'diabetes':
                entropy, make = 0, tree.DecisionTreeRegressor
            else:
                make = tree.DecisionTreeClassifier
            extra = {'criterion': 'entropy'} if entropy else {}
            f = Fit(task(name), 'decision_tree', {**params, **extra}, x, y)
            left, held = [], []
            for seed in range(10):
                m = make(random_state=seed, **params, **extra).fit(x, y)
                leaf = m.tree_.apply(x.astype(np.float32))
                left.append(m.tree_.impurity[leaf].mean())
                held.append(m.score(xt, yt))
            got = f.run(x)
            text = '%s %s' % (name, {**params, **extra})
            beside(impurity(name, got, y, entropy), left,
                   text + ': impurity')
            beside(score(name, f.run(xt), yt), held, text + ': held out')
            if name == 'diabetes':
                near([f.training_mse], [impurity(name, got, y)], 1e-5,
                     text + ': error of the leaves is that of the model')
            else:
                ok(abs(f.training_accuracy - score(name, got, y)) < 1e-9,
                   text + ': accuracy of the leaves is that of the model')


def no_ties():
    """Nothing is left to chance: the same function."""
    r = np.random.default_rng(3)
    x = r.normal(size=(700, 6)).astype(np.float32).astype(float)
    y = x[:, 0] * x[:, 1] + np.sin(x[:, 2]) + r.normal(size=700) * .1
    q = r.normal(size=(500, 6))
    for p in ({'min_samples_leaf': 9}, {'min_samples_leaf': 9, 'max_depth': 4},
              {'min_samples_leaf': 12, 'min_samples_split': 40}):
        m = tree.DecisionTreeRegressor(random_state=0, **p).fit(x, y)
        f = Fit('regression', 'decision_tree', p, x, y)
        near(f.run(q)['prediction'][:, 0], m.predict(q), 1e-6,
             'regression %s: the same function' % p)
        near(f.feature_importances, m.feature_importances_, 1e-6,
             'regression %s: the same importances' % p)
    p = {'min_samples_leaf': 9}
    two = np.c_[y, x[:, 3] ** 2]
    m = tree.DecisionTreeRegressor(random_state=0, **p).fit(x, two)
    f = Fit('regression', 'decision_tree', p, x, two)
    near(f.run(q)['prediction'], m.predict(q), 1e-6, 'two targets')
    w = r.uniform(0, 3, 700)
    m = tree.DecisionTreeRegressor(random_state=0, **p
                                   ).fit(x, y, sample_weight=w)
    f = Fit('regression', 'decision_tree', p, x, y, w)
    near(f.run(q)['prediction'][:, 0], m.predict(q), 1e-6, 'weights')
    p['min_samples_leaf'] = 25
    c = (y > 0) * 1 + (y > 1)
    for k, extra in (('gini', {}), ('entropy', {'criterion': 'entropy'})):
        for cls in (c, c > 0):
            m = tree.DecisionTreeClassifier(random_state=0, **p, **extra
                                            ).fit(x, cls, sample_weight=w)
            f = Fit('classification', 'decision_tree', {**p, **extra},
                    x, cls, w)
            near(f.run(q)['probabilities'], m.predict_proba(q), 1e-6,
                 '%s, %d classes, weights' % (k, cls.max() + 1))


def sides():
    """Neighbouring float32: a threshold between them is none of float32."""
    for start in (1.0, -1.0, 1e-44, -1e-40, 3e38):
        v = [np.float32(start)]
        for _ in range(63):
            v.append(np.nextafter(v[-1], np.float32(np.inf)))
        x = np.array(v)[:, None]
        y = np.random.default_rng(1).integers(0, 3, 64)
        f = Fit('classification', 'decision_tree', {}, x, y)
        g = Fit('classification', 'extra_trees', {'trees': 3}, x, y)
        h = Fit('classification', 'gradient_boosting',
                {'min_samples_leaf': 1, 'max_leaf_nodes': 100}, x, y)
        for m, name in ((f, 'tree'), (g, 'extra trees'), (h, 'boosting')):
            ok((m.run(x)['label'] == y).all(),
               '%s tells neighbours of %g apart' % (name, start))


# -- many trees --------------------------------------------------------------

def forests():
    for kind, c, r in (('random_forest', ensemble.RandomForestClassifier,
                        ensemble.RandomForestRegressor),
                       ('extra_trees', ensemble.ExtraTreesClassifier,
                        ensemble.ExtraTreesRegressor)):
        for name in SETS:
            x, xt, y, yt = halves(name)
            want = [(r if name == 'diabetes' else c)(
                        n_estimators=40, random_state=s).fit(x, y)
                    .score(xt, yt) for s in SEEDS]
            got = [score(name, Fit(task(name), kind, {'trees': 40}, x, y,
                                   seed=s).run(xt), yt) for s in SEEDS]
            # Means of five differ by their standard error; 4 of them.
            room = 4 * np.hypot(np.std(want), np.std(got)) / 5 ** .5
            ok(np.mean(got) > np.mean(want) - max(room, 1 / len(yt)),
               '%s on %s: held out' % (kind, name),
               '%s; scikit-learn: %s' % (got, want))


def served():
    """Sums are exact: float64 walks over the file give the same bits."""
    x, xt, y, yt = halves('digits')
    f = Fit('classification', 'random_forest', {'trees': 13}, x, y, seed=5)
    onnx.checker.check_model(onnx.load(f.path))
    a = attributes(f.path)
    want = np.zeros((100, 10))
    for i, found in enumerate(walk(a, xt[:100])):
        for k, w in found:
            want[i, k] += w
    got = f.run(xt[:100])
    ok((got['probabilities'].astype(float) == want).all(),
       'digits: probabilities are exact sums')
    ok((want.sum(1) == 1).all(), 'digits: they sum up to 1 exactly')
    ok((got['label'] == want.argmax(1)).all(), 'digits: labels')

    x, xt, y, yt = halves('breast_cancer')
    f = Fit('classification', 'random_forest', {'trees': 10}, x, y,
            names='ill,well')
    a = attributes(f.path)
    want = np.array([sum(w for _, w in v) for v in walk(a, xt)])
    got = f.run(xt)
    ok((got['probabilities'][:, 1].astype(float) == want).all()
       and (got['probabilities'].astype(float).sum(1) == 1).all(),
       'two classes: probabilities are exact sums')
    ok((got['label'] == np.where(want > .5, b'well', b'ill')).all(),
       'two classes: names')

    x, xt, y, yt = halves('diabetes')
    f = Fit('regression', 'extra_trees', {'trees': 10}, x, y)
    want = [sum(w for _, w in v) for v in walk(attributes(f.path), xt)]
    near(f.run(xt)['prediction'][:, 0], want, 1e-6, 'diabetes: sums')


def same_bits():
    x, xt, y, yt = halves('digits')
    z = (y * 3.5 + x[:, 3]) / 7
    for t, kind, params, target in (
            ('classification', 'random_forest', {'trees': 12}, y),
            ('classification', 'extra_trees', {'trees': 12}, y),
            ('regression', 'random_forest', {'trees': 5}, z),
            ('classification', 'decision_tree', {'max_features': 'sqrt'}, y),
            ('classification', 'gradient_boosting', {'iterations': 5}, y),
            ('regression', 'gradient_boosting',
             {'iterations': 9, 'early_stopping': True}, z),
            ('outliers', 'isolation_forest', {'contamination': .1}, None)):
        files = []
        for seed, threads in ((1, 1), (1, 2), (1, 3), (2, 2)):
            f = Fit(t, kind, params, x, target, seed=seed, threads=threads)
            files.append(open(f.path, 'rb').read())
        text = '%s, %s' % (kind, t)
        ok(files[0] == files[1] == files[2],
           text + ': threads change no bit')
        if params != {'iterations': 5}:
            ok(files[0] != files[3], text + ': another seed, another model')


# -- isolation ---------------------------------------------------------------

def isolation():
    r = np.random.default_rng(2)
    sets = {'breast_cancer': (lambda x, y: (x, y == 0)),
            'wine': (lambda x, y: (x, y == 2)),
            'digits': (lambda x, y: (x[(y == 0) | (np.arange(len(y)) % 40
                                                   == 0)],
                                     y[(y == 0) | (np.arange(len(y)) % 40
                                                   == 0)] != 0))}
    for name, pick in sets.items():
        x, out = pick(*data(name))
        want = [metrics.roc_auc_score(
                    out, -ensemble.IsolationForest(random_state=s)
                    .fit(x).score_samples(x)) for s in range(6)]
        got = []
        for s in range(6):
            f = Fit('outliers', 'isolation_forest', {}, x, seed=s)
            v = f.run(x)
            got.append(metrics.roc_auc_score(out, -v['scores'][:, 0]))
            if s == 0:
                ok(v['scores'].shape == (len(x), 1)
                   and (v['label'] == np.where(v['scores'][:, 0] < 0, -1, 1)
                        ).all(), name + ': labels are signs of scores')
        room = 4 * np.hypot(np.std(want), np.std(got)) / 6 ** .5
        ok(abs(np.mean(got) - np.mean(want)) < max(room, .01),
           name + ': area under the ROC curve',
           '%s; scikit-learn: %s' % (got, want))

    x = np.r_[r.normal(size=(500, 3)), [[8, 8, 8], [-9, 0, 9]]]
    f = Fit('outliers', 'isolation_forest', {'contamination': .1}, x)
    got = f.run(x)
    ok(abs((got['label'] < 0).mean() - .1) < .004
       and (got['label'][-2:] == -1).all(), 'contamination')
    m = ensemble.IsolationForest(random_state=0).fit(x)
    f = Fit('outliers', 'isolation_forest', {'trees': 400}, x)
    near(f.run(x)['scores'][:, 0], m.decision_function(x), .2,
         'scores mean what those of scikit-learn mean')
    near(f.run(x)['scores'][:, 0],
         [.5 - 2 ** (-sum(w for _, w in v) / 10.2448) for v in
          walk(attributes(f.path), x.astype(np.float32))], 1e-4,
         'scores are the formula of the paper')


# -- odd data ----------------------------------------------------------------

def odd():
    r = np.random.default_rng(0)
    for kind in ('decision_tree', 'random_forest', 'extra_trees',
                 'gradient_boosting'):
        f = Fit('regression', kind, {}, [[1., 2]], [5.])
        near(f.run([[9, 9]])['prediction'], [[5]], 1e-6, kind + ': one row')
        x = np.ones((30, 3))
        y = np.arange(30.)
        p = {} if kind in ('decision_tree', 'gradient_boosting') else {
            'bootstrap': False}
        f = Fit('regression', kind, p, x, y)
        near(f.run(x)['prediction'][:, 0], [14.5] * 30, 1e-6,
             kind + ': constant features')
        f = Fit('classification', kind, {**p}, x, np.arange(30) % 3)
        near(f.run(x)['probabilities'], [[1 / 3] * 3] * 30, 1e-6,
             kind + ': constant features, classes')
        x = r.normal(size=(40, 3))
        f = Fit('regression', kind, {}, x, [7.25] * 40)
        ok((f.run(x)['prediction'] == 7.25).all(), kind + ': constant target')
        x = r.normal(size=(6, 300))
        p = {'min_samples_leaf': 1} if kind == 'gradient_boosting' else {
            'bootstrap': False} if kind != 'decision_tree' else {}
        f = Fit('classification', kind, p, x, [0, 1, 0, 1, 1, 0])
        ok(f.run(x)['label'].tolist() == [0, 1, 0, 1, 1, 0],
           kind + ': more features than rows')
        ok(f.run(x[:0])['label'].shape == (0,), kind + ': no rows are served')

        # A class without rows; rows without weight.
        x = np.arange(60.)[:, None]
        y = np.where(np.arange(60) < 30, 0, 2)
        sure = abs(x[:, 0] - 29.5) > 6
        f = Fit('classification', kind, {}, x, y, names='a,b,c,d')
        got = f.run(x)
        ok((got['label'] == np.where(y == 0, b'a', b'c')).all()
           and got['probabilities'].shape == (60, 4)
           and got['probabilities'][:, [1, 3]].max() < 1e-3,
           kind + ': classes without rows')
        w = np.where(np.arange(60) % 3 == 0, 0., 1.)
        z = np.where(w == 0, 1 - (y > 0), y > 0) * 1
        f = Fit('classification', kind, {'min_samples_leaf': 5}, x, z, w)
        ok((f.run(x)['label'] == (y > 0))[sure].all(),
           kind + ': rows without weight teach nothing')
        f = Fit('regression', kind, {'max_depth': 3}, np.c_[x, x * 1e30],
                y * 1e30, w * 1e300 + 1e-300)
        near(f.run(np.c_[x, x * 1e30])['prediction'][sure, 0],
             y[sure] * 1e30, .3, kind + ': large numbers and weights')

    f = Fit('outliers', 'isolation_forest', {}, np.ones((30, 2)))
    ok((f.run(np.ones((3, 2)))['label'] == 1).all(),
       'isolation_forest: constant features')

    # Weight 2 is a row twice.
    x = r.integers(0, 9, (80, 4)).astype(float)
    y = r.integers(0, 3, 80)
    w = r.integers(0, 4, 80)
    a = Fit('classification', 'decision_tree', {}, x, y, w)
    b = Fit('classification', 'decision_tree', {}, np.repeat(x, w, 0),
            np.repeat(y, w))
    near(a.run(x)['probabilities'], b.run(x)['probabilities'], 1e-6,
         'weights count rows')


def bad():
    r = np.random.default_rng(0)
    x = r.normal(size=(20, 3))
    y = (x[:, 0] > 0) * 1
    kinds = ['decision_tree', 'random_forest', 'extra_trees']
    for kind in kinds + ['isolation_forest']:
        t = 'outliers' if kind == 'isolation_forest' else 'classification'
        z = x.copy()
        z[4, 2] = np.nan
        refused('row 4, feature 2 is NaN', t, kind, {}, z, y)
        z[4, 2] = -np.inf
        refused('row 4, feature 2 is -infinite', t, kind, {}, z, y)
        z[4, 2] = 1e300
        refused('row 4, feature 2 is 1e+300; models are served with float32',
                t, kind, {}, z, y)
        refused('the fit was stopped', t, kind, {}, x, y, cancel=1)
    for kind in kinds + ['gradient_boosting']:
        refused('all rows are of one class', 'classification', kind, {}, x,
                y * 0, names='spam')
        refused('class 1 has no rows', 'classification', kind, {}, x, y,
                1. - y)
        refused('row 3, target 0 is 1e+39', 'regression', kind, {}, x,
                np.where(np.arange(20) == 3, 1e39, 0))
    for v in ('some', 0, 4, 1.5, -.5, [1]):
        refused('max_features: expected "all"', 'classification',
                'random_forest', {'max_features': v}, x, y)
    refused('trees', 'classification', 'random_forest', {'trees': 0}, x, y)
    refused('did you mean "trees"', 'classification', 'random_forest',
            {'tree': 3}, x, y)
    refused('there is one row', 'outliers', 'isolation_forest', {}, x[:1])
    refused('weights', 'outliers', 'isolation_forest', {}, x, None,
            np.ones(20))


def features():
    x, xt, y, yt = halves('digits')
    for v in ('all', 'sqrt', 'log2', 5, .25):
        f = Fit('classification', 'random_forest',
                {'trees': 15, 'max_features': v}, x, y)
        ok(score('digits', f.run(xt), yt) > .9, 'max_features %r' % v)


for test in (one_tree, no_ties, sides, forests, served, same_bits, isolation,
             odd, bad, features):
    test()

done()
