# Cases for evaluate.t: numpy files, maas evaluate on them, scikit-learn's
# functions on the same arrays; prints TAP.
#     evaluate_oracle.py MAAS FOLDER

import json
import math
import os
import subprocess
import sys
import warnings

os.environ['OMP_NUM_THREADS'] = '1'     # as in lib_fit.py

import numpy as np
from sklearn import metrics as m
from sklearn.calibration import calibration_curve

maas, tmp = sys.argv[1:]
warnings.simplefilter('ignore')
count = 0


def say(good, name, *notes):
    global count
    count += 1
    print('%sok %d - %s' % ('' if good else 'not ', count, name))
    for n in notes if not good else ():
        print('# ' + str(n))


def run(name, pred, true, weight=None, more=(), rows=None):
    np.save(tmp + '/p.npy', pred)
    args = [maas, 'evaluate', '--predictions', tmp + '/p.npy', '--json',
            *more]
    for opt, a in ('--truth', true), ('--weights', weight), ('--rows', rows):
        if a is not None:
            np.save('%s/%s.npy' % (tmp, opt), a)
            args += [opt, '%s/%s.npy' % (tmp, opt)]
    r = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if r.returncode:
        say(False, name, r.stderr.decode())
        return None
    return json.loads(r.stdout)


def near(got, want):
    """Relative to 1, or to the size of the number."""
    if want is None or (isinstance(want, float) and math.isnan(want)):
        return got is None
    return got is not None and abs(got - want) <= 1e-9 * max(1, abs(want))


def check(name, got, want):
    bad = ['%s: %r, scikit-learn %r' % (k, got.get(k, 'absent'), float(v)
                                       if v is not None else None)
           for k, v in want.items()
           if k not in got or not near(got[k], v)]
    say(not bad, '%s: %d measures' % (name, len(want)), *bad)


def lists(name, got, want):
    got, want = [np.array(a, float) for a in (got, want)]
    same = got.shape == want.shape and np.allclose(got, want, rtol=1e-9,
                                                   atol=1e-9, equal_nan=True)
    say(same, name, got, want)


def attempt(f, *a, **k):
    """What scikit-learn refuses is undefined here."""
    try:
        return float(f(*a, **k))
    except ValueError:
        return None


def by_class(y, p, w):
    want = {'accuracy': m.accuracy_score(y, p, sample_weight=w),
            'balanced_accuracy': m.balanced_accuracy_score(y, p,
                                                           sample_weight=w),
            'matthews': m.matthews_corrcoef(y, p, sample_weight=w),
            'kappa': m.cohen_kappa_score(y, p, sample_weight=w)}
    for a in 'macro', 'micro', 'weighted':
        v = m.precision_recall_fscore_support(y, p, average=a,
                                              sample_weight=w)
        for k, x in zip(('precision', 'recall', 'f1'), v):
            want[k + '_' + a] = x
    return want


def each_class(name, r, y, p, w, k):
    v = m.precision_recall_fscore_support(y, p, labels=range(k),
                                          sample_weight=w)
    c = r['classes']
    lists(name + ': each class', [[x[s] for x in c] for s in
          ('precision', 'recall', 'f1', 'support')], v)
    lists(name + ': confusion matrix', r['confusion'],
          m.confusion_matrix(y, p, labels=range(k), sample_weight=w))


def line(name, got, want, keys, skip=0):
    for key, v in zip(keys, want):
        lists('%s: %s' % (name, key),
              [math.nan if x is None else x for x in got[key]][skip:],
              v[skip:])


def classes(name, y, s, w=None, k=None, proba=True):
    """Scores of k classes, one column each."""
    k = k or s.shape[1]
    with open(tmp + '/labels', 'w') as f:
        f.write(''.join('%d\n' % i for i in range(k)))
    top = min(3, k - 1)
    r = run(name, s, y, w, ['--labels', tmp + '/labels', '--curves',
                            '--top-k', str(top)])
    if not r:
        return
    p = s.argmax(axis=1)
    hot = (y[:, None] == np.arange(k)).astype(int)
    want = by_class(y, p, w)
    for a in 'macro', 'weighted', 'micro':
        want['roc_auc_' + a] = attempt(m.roc_auc_score, hot, s, average=a,
                                       sample_weight=w)
        want['average_precision_' + a] = m.average_precision_score(
            hot, s, average=a, sample_weight=w)
    if len(set(y)) > 1 and proba:
        ovo = dict(multi_class='ovo', labels=range(k), sample_weight=w)
        want['roc_auc_ovo'] = attempt(m.roc_auc_score, y, s, **ovo)
        want['roc_auc_ovo_weighted'] = attempt(m.roc_auc_score, y, s,
                                               average='weighted', **ovo)
    want['top_k_accuracy'] = m.top_k_accuracy_score(
        y, s, k=top, labels=range(k), sample_weight=w)
    if proba:
        want['log_loss'] = m.log_loss(y, s, labels=range(k), sample_weight=w)
        want['brier'] = np.average(((hot - s) ** 2).sum(axis=1), weights=w)
    else:
        want['log_loss'] = want['brier'] = None
    check(name, r['metrics'], want)
    each_class(name, r, y, p, w, k)
    for c in 0, k - 1:
        g = r['curves'][c]
        line('%s: class %d' % (name, c), g['roc'],
             m.roc_curve(hot[:, c], s[:, c], sample_weight=w),
             ('fpr', 'tpr'))
        line('%s: class %d' % (name, c), g['pr'],
             m.precision_recall_curve(hot[:, c], s[:, c],
                                      sample_weight=w)[1::-1],
             ('recall', 'precision'))


def binary(name, y, s, w=None, proba=True):
    r = run(name, s, y, w, ['--curves', '--bins', '7', '--task',
                            'classification'])
    if not r:
        return
    p = (s > (0.5 if proba else 0)).astype(int)
    want = by_class(y, p, w)
    v = m.precision_recall_fscore_support(y, p, average='binary',
                                          sample_weight=w)
    want.update(zip(('precision', 'recall', 'f1'), v))
    want['roc_auc'] = attempt(m.roc_auc_score, y, s, sample_weight=w)
    want['average_precision'] = m.average_precision_score(y, s,
                                                          sample_weight=w)
    if proba:
        want['log_loss'] = m.log_loss(y, s, labels=[0, 1], sample_weight=w)
        want['brier'] = m.brier_score_loss(y, s, sample_weight=w,
                                           pos_label=1)
    check(name, r['metrics'], want)
    each_class(name, r, y, p, w, 2)
    g = r['curves'][0]
    fpr, tpr, at = m.roc_curve(y, s, sample_weight=w)
    line(name + ': ROC', g['roc'], (fpr, tpr), ('fpr', 'tpr'))
    lists(name + ': thresholds', g['roc']['threshold'][1:], at[1:])
    precision, recall, at = m.precision_recall_curve(y, s, sample_weight=w)
    line(name + ': PR', g['pr'], (recall, precision),
         ('recall', 'precision'))
    lists(name + ': its thresholds', g['pr']['threshold'][:-1], at)
    if proba:
        line(name + ': calibration', g['calibration'],
             calibration_curve(y, s, n_bins=7, pos_label=1),
             ('share', 'predicted'))


def labels(name, y, p, w=None):
    r = run(name, p, y, w)
    if r:
        want = by_class(y, p, w)
        check(name, r['metrics'], want)


def numbers(name, y, p, w=None):
    r = run(name, p, y, w, ['--task', 'regression'])
    if not r:
        return
    k = dict(sample_weight=w)
    y, p = y.astype(float), p.astype(float)
    want = {'mse': m.mean_squared_error(y, p, **k),
            'rmse': m.mean_squared_error(y, p, squared=False, **k),
            'mae': m.mean_absolute_error(y, p, **k),
            'median_ae': m.median_absolute_error(y, p, **k),
            'mape': m.mean_absolute_percentage_error(y, p, **k),
            'explained_variance': m.explained_variance_score(y, p, **k),
            'r2': m.r2_score(y, p, **k)}
    if y.ndim == 1:
        want['max_error'] = m.max_error(y, p)
    check(name, r['metrics'], want)
    if y.ndim == 2:
        lists(name + ': each target',
              [[t['mse'] for t in r['targets']],
               [t['r2'] for t in r['targets']]],
              [m.mean_squared_error(y, p, multioutput='raw_values', **k),
               m.r2_score(y, p, multioutput='raw_values', **k)])


def clusters(name, x, label):
    r = run(name, label, None, None, ['--task', 'clustering'], rows=x)
    if r:
        check(name, r['metrics'],
              {'silhouette': attempt(m.silhouette_score, x, label)})


g = np.random.default_rng(20)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


for n, k in (40, 3), (300, 4), (1500, 10):
    y = g.integers(0, k, n)
    s = softmax(2 * g.normal(size=(n, k)) + 2 * np.eye(k)[y])
    w = g.integers(0, 4, n) * g.random(n)
    classes('%d rows of %d classes' % (n, k), y, s)
    classes('%d weighted rows of %d classes' % (n, k), y, s, w)
    classes('%d rows of logits' % n, y, np.log(s) + 1, proba=False)

y = g.integers(0, 5, 400)
s = softmax(g.normal(size=(400, 5)) + np.eye(5)[y])
tied = np.round(s, 1)
tied[:, 0] += 1 - tied.sum(axis=1)
tied = np.where((tied < 0).any(axis=1)[:, None], 0.2, tied)
classes('ties', y, tied)
classes('ties, weighted', y, tied, g.integers(0, 3, 400).astype(float))
classes('all scores alike', y, np.full((400, 5), 0.2))
classes('zeros and ones', y, np.eye(5)[g.integers(0, 5, 400)])
classes('a class that is never true', y % 4, s)
classes('two of five classes', np.where(y > 2, 4, 1), s)
classes('one class of five', np.full(400, 3), s)
classes('one row of each', np.arange(5), s[:5])
classes('a class without weight', y, s, (y != 2).astype(float))
classes('a class never taken', y, softmax(
    np.log(s) - 50 * np.eye(5)[0]))

for n in 12, 250, 2000:
    y = g.integers(0, 2, n)
    s = 1 / (1 + np.exp(-g.normal(size=n) - y))
    w = g.integers(0, 5, n) / 4
    binary('%d rows of two classes' % n, y, s)
    binary('%d weighted rows of two classes' % n, y, s, w)
    binary('%d rows, margins' % n, y, np.log(s / (1 - s)), proba=False)

y = g.integers(0, 2, 200)
binary('two scores alone', y, g.integers(0, 2, 200).astype(float))
binary('ties in tenths', y, np.round(g.random(200), 1))
binary('right all the time', y, y * 0.5 + 0.25)
binary('wrong all the time', y, 0.75 - y * 0.5)
binary('one score', y, np.full(200, 0.5))
binary('bins\' edges', y, g.integers(0, 8, 200) / 7)
binary('positive alone', np.ones(50, int), g.random(50))
binary('negative alone', np.zeros(50, int), g.random(50))
binary('two rows', np.array([0, 1]), np.array([0.5, 0.5]))
binary('signed zeros', y, np.where(g.random(200) < .5, 0.0, -0.0),
       proba=False)

for n, k in (50, 2), (200, 7), (200, 40):
    y, p = g.integers(0, k, (2, n))
    labels('labels of %d classes' % k, y, p)
    labels('weighted labels of %d classes' % k, y, p, g.random(n))
labels('labels that are no indices', np.array([5, -3, 100, 5]),
       np.array([5, 100, 100, -3]))
labels('one class in truth and prediction', np.full(9, 4), np.full(9, 4))
labels('one class predicted', np.array([1, 2, 3, 1]), np.full(4, 2))
labels('disjoint classes', np.array([0, 1, 0, 1]), np.array([2, 3, 3, 2]))
labels('one row', np.array([1]), np.array([0]))

for n in 2, 3, 100, 1001:
    y = g.normal(size=n) * 3 + 5
    p = y + g.normal(size=n)
    numbers('%d numbers' % n, y, p)
    numbers('%d weighted numbers' % n, y, p, g.integers(0, 4, n) + .25)
numbers('one number', np.array([1.5]), np.array([2.0]))
numbers('no error', np.arange(9) / 8, np.arange(9) / 8)
numbers('a constant', np.full(10, 3.0), g.normal(size=10))
numbers('a constant that is right', np.full(10, 3.0), np.full(10, 3.0))
numbers('far from zero', 1e6 + g.normal(size=500), 1e6 + g.normal(size=500))
numbers('truth of zero', np.zeros(5), g.normal(size=5))
y = g.normal(size=(200, 3))
numbers('three targets', y, y + g.normal(size=y.shape) * [1, .1, 2])
numbers('three targets, weighted', y, y + g.normal(size=y.shape),
        g.random(200))
numbers('Fortran order', np.asfortranarray(y), y + 1)
numbers('float32', y.astype('f4'), (y + 1).astype('f4'))
w = np.zeros(20)
w[3:7] = 1
numbers('most without weight', g.normal(size=20), g.normal(size=20), w)
numbers('half of the weight at an edge', np.zeros(4), np.arange(4.),
        np.array([1., 1., 1., 1.]))

x = g.normal(size=(300, 4)) + 3 * g.integers(0, 3, 300)[:, None]
clusters('clusters', x, g.integers(0, 3, 300))
clusters('clusters by place', x, (x[:, 0] // 2).astype(int))
clusters('clusters of one row', x[:40], np.minimum(np.arange(40), 20))
clusters('one cluster', x[:9], np.zeros(9, int))
clusters('a cluster a row', x[:9], np.arange(9))
clusters('equal rows', np.zeros((6, 2)), np.array([0, 0, 0, 1, 1, 1]))
clusters('noise of -1', x, g.integers(-1, 2, 300))

print('1..%d' % count)
sys.exit(0)
