#!/usr/bin/python3
"""Metrics of training: what `maas train` tells of a version beside
scikit-learn's functions on what the version answers; in epochs, as the
monitor of early stopping, as the measure of a search; what does not fit.
"""

import json
import os
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_fit import MAAS, TMP, done, near, ok
from sklearn import datasets, metrics as sk

rng = np.random.default_rng(0)


def rows(name, x, y, label):
    """A table whose column t says which rows are the latest."""
    with open('%s/%s.csv' % (TMP, name), 'w') as f:
        f.write(','.join('x%d' % i for i in range(x.shape[1])) + ',t,%s\n'
                % label)
        for i, (a, b) in enumerate(zip(x, y)):
            f.write(','.join('%r' % v for v in a) + ',%d,%s\n' % (i, b))
    return x.astype(np.float32), y


def train(spec, *args, command='train'):
    path = TMP + '/spec.json'
    json.dump(spec, open(path, 'w'))
    r = subprocess.run([MAAS, command, '--json', *args, path], text=True,
                       capture_output=True, cwd=TMP)
    return r, [json.loads(s) for s in r.stdout.split('\n') if s]


def last(events, kind):
    found = [e for e in events if e['event'] == kind]
    return found[-1] if found else {}


def answers(event, x):
    """The outputs of a version, in the order of the model."""
    np.save(TMP + '/in.npy', x)
    out = TMP + '/out'
    r = subprocess.run([MAAS, 'run', event['path'] + '/model.onnx',
                        '--input', TMP + '/in.npy', '--output-dir', out],
                       text=True, capture_output=True)
    if r.returncode != 0:
        raise SystemExit(r.stderr)
    names = json.load(open(out + '/outputs.json'))
    return {k: np.load('%s/%s' % (out, v)) for k, v in names.items()}


# Where the graph of training and the served one round differently.
ROUNDED = ('log_loss', 'brier', 'mean_squared_error', 'mean_absolute_error',
           'r2', 'median_ae', 'max_error', 'mape', 'explained_variance')


def classes(truth, p, binary):
    """scikit-learn's of every name that is told."""
    label = (p[:, 1] > .5).astype(int) if binary else p.argmax(1)
    many = {'average': 'macro', 'zero_division': 0}
    want = {
        'accuracy': sk.accuracy_score(truth, label),
        'balanced_accuracy': sk.balanced_accuracy_score(truth, label),
        'precision_macro': sk.precision_score(truth, label, **many),
        'recall_weighted': sk.recall_score(truth, label,
                                           average='weighted'),
        'f1_micro': sk.f1_score(truth, label, average='micro'),
        'matthews': sk.matthews_corrcoef(truth, label),
        'kappa': sk.cohen_kappa_score(truth, label),
        'log_loss': sk.log_loss(truth, p, eps=np.finfo(float).eps),
    }
    if binary:
        want.update({
            'precision': sk.precision_score(truth, label),
            'recall': sk.recall_score(truth, label),
            'f1': sk.f1_score(truth, label),
            'roc_auc': sk.roc_auc_score(truth, p[:, 1]),
            'average_precision': sk.average_precision_score(truth, p[:, 1]),
            'brier': sk.brier_score_loss(truth, p[:, 1]),
        })
    else:
        want.update({
            'top_k_accuracy': sk.top_k_accuracy_score(truth, p, k=2),
            'roc_auc_macro': sk.roc_auc_score(truth, p, multi_class='ovr'),
            'roc_auc_ovo': sk.roc_auc_score(truth, p, multi_class='ovo'),
        })
    return want


def numbers(truth, p):
    return {
        'mean_squared_error': sk.mean_squared_error(truth, p),
        'mean_absolute_error': sk.mean_absolute_error(truth, p),
        'r2': sk.r2_score(truth, p),
        'median_ae': sk.median_absolute_error(truth, p),
        'max_error': sk.max_error(truth, p),
        'mape': sk.mean_absolute_percentage_error(truth, p),
        'explained_variance': sk.explained_variance_score(truth, p),
    }


def softmax(z):
    z = np.exp(z.astype(float) - z.max(1, keepdims=True))
    return z / z.sum(1, keepdims=True)


def sigmoid(z):
    z = 1 / (1 + np.exp(-z.astype(float)))
    return np.hstack([1 - z, z])


def beside(what, event, want, test):
    """Of all rows of training, and of those held back."""
    for prefix, w in (('', want), ('validation_', test)):
        for name, v in w.items():
            got = event['metrics'].get(prefix + name)
            if got is None:
                ok(False, '%s: %s%s' % (what, prefix, name), 'not told')
                continue
            near(got, v, 3e-6 if name in ROUNDED else 1e-9, '%s: %s%s' % (what, prefix, name))


LATE = {'validation': .25, 'by': 'time', 'column': 't'}

d = datasets.load_breast_cancer()
mix = rng.permutation(len(d.target))[:400]
x2, y2 = rows('two', (d.data / d.data.max(0))[mix][:, :8], d.target[mix],
              'side')
d = datasets.load_iris()
mix = rng.permutation(150)
rows('words', x2, np.where(y2 == 1, 'yes', 'no'), 'side')
x3, y3 = rows('three', d.data[mix], d.target[mix], 'kind')
y3 = y3.astype(int)
xn, yn = rows('number', x3.astype(float), x3[:, 0] * 2 + x3[:, 1] ** 2 + 1,
              'size')


def net(name, label, features, last_layer, metrics, **more):
    return {'name': name, 'seed': 2, 'store': 'store', 'epochs': 8,
            'batch_size': 32, 'metrics': metrics,
            'data': {'path': name + '.csv', 'target': label,
                     'features': ['x%d' % i for i in range(features)],
                     'split': LATE},
            'optimizer': {'type': 'adam', 'learning_rate': .02},
            'model': {'type': 'network', 'layers': [
                {'type': 'dense', 'units': 8, 'activation': 'relu'},
                last_layer]}, **more}


TWO = ['binary_accuracy', 'balanced_accuracy', 'precision', 'recall',
       'f1_score', 'auc', 'average_precision', 'precision_macro',
       'recall_weighted', 'f1_micro', 'matthews', 'kappa', 'log_loss',
       'brier']
MANY = ['categorical_accuracy', 'balanced_accuracy', 'precision_macro',
        'recall_weighted', 'f1_micro', 'matthews', 'kappa', 'log_loss',
        'top_k', 'roc_auc_macro', 'roc_auc_ovo']
NUMBERS = ['mse', 'mae', 'r2_score', 'median_ae', 'max_error', 'mape',
           'explained_variance']


def split(n):
    return n - int(round(n * .25))


# -- networks ----------------------------------------------------------------

for what, end in (('probabilities', 'sigmoid'), ('logits', None)):
    last_layer = {'type': 'dense', 'units': 1}
    if end:
        last_layer['activation'] = end
    r, e = train(net('two', 'side', 8, last_layer, TWO,
                     loss='binary_crossentropy'))
    if not ok(r.returncode == 0, 'two classes, ' + what, r.stderr):
        continue
    p = list(answers(last(e, 'done'), x2).values())[0]
    p = np.hstack([1 - p.astype(float), p]) if end else sigmoid(p)
    cut = split(len(x2))
    beside('two classes, ' + what, last(e, 'done'),
           classes(y2[:cut], p[:cut], True), classes(y2[cut:], p[cut:], True))
    told = last(e, 'epoch')
    ok('validation_roc_auc' in told and 'roc_auc' not in told
       and 'accuracy' in told,
       'epochs tell measures of the validation, sums of both', told)

r, e = train(net('three', 'kind', 4, {'type': 'dense', 'units': 3,
                                      'activation': 'softmax'}, MANY,
                 loss='categorical_crossentropy'))
if ok(r.returncode == 0, 'three classes', r.stderr):
    p = list(answers(last(e, 'done'), x3).values())[0].astype(float)
    cut = split(len(x3))
    beside('three classes', last(e, 'done'), classes(y3[:cut], p[:cut], False),
           classes(y3[cut:], p[cut:], False))

r, e = train(net('number', 'size', 4, {'type': 'dense', 'units': 1}, NUMBERS))
if ok(r.returncode == 0, 'numbers', r.stderr):
    p = list(answers(last(e, 'done'), xn).values())[0][:, 0].astype(float)
    y = yn.astype(np.float32).astype(float)
    cut = split(len(xn))
    beside('numbers', last(e, 'done'), numbers(y[:cut], p[:cut]),
           numbers(y[cut:], p[cut:]))

# -- estimators --------------------------------------------------------------

spec = net('two', 'side', 8, {}, TWO)
spec['model'] = {'type': 'logistic_regression', 'c': 10}
r, e = train(spec)
if ok(r.returncode == 0, 'an estimator of two classes', r.stderr):
    p = answers(last(e, 'done'), x2)['probabilities'].astype(float)
    cut = split(len(x2))
    beside('an estimator', last(e, 'done'), classes(y2[:cut], p[:cut], True),
           classes(y2[cut:], p[cut:], True))
spec = net('number', 'size', 4, {}, NUMBERS)
spec['model'] = {'type': 'random_forest', 'trees': 10}
r, e = train(spec)
if ok(r.returncode == 0, 'an estimator of numbers', r.stderr):
    p = answers(last(e, 'done'), xn)['prediction'][:, 0].astype(float)
    y = yn.astype(np.float32).astype(float)
    cut = split(len(xn))
    beside('an estimator of numbers', last(e, 'done'),
           numbers(y[:cut], p[:cut]), numbers(y[cut:], p[cut:]))

# -- early stopping, search --------------------------------------------------

two = {'type': 'dense', 'units': 1, 'activation': 'sigmoid'}
r, e = train(net('two', 'side', 8, two, ['auc', 'f1'], epochs=60,
                 loss='binary_crossentropy',
                 early_stopping={'monitor': 'validation_auc',
                                 'patience': 2}))
told = [s['validation_roc_auc'] for s in e if s['event'] == 'epoch']
best = last(e, 'done').get('training', {}).get('best_epoch', 0)
ok(r.returncode == 0 and best == 1 + int(np.argmax(told))
   and len(told) == min(60, best + 3), 'early stopping by the AUC',
   r.stderr or (best, told))
ok(abs(last(e, 'done')['metrics']['validation_roc_auc'] - max(told)) < 1e-8,
   'which ends with the best one')

for model, grid in (({'type': 'random_forest', 'trees': 5},
                     {'model.max_depth': [1, 6]}),
                    (None, {'optimizer.learning_rate': [1e-5, .03]})):
    spec = net('two', 'side', 8, two, ['f1', 'log_loss'],
               loss='binary_crossentropy')
    if model:
        spec['model'] = model
        spec['data']['path'] = 'words.csv'
        del spec['loss']
    for metric in ('validation_f1_score', 'validation_log_loss'):
        spec['search'] = {'type': 'grid', 'metric': metric, 'folds': 2,
                          'fields': grid}
        r, e = train(spec, command='tune')
        s = last(e, 'search')
        less = 'loss' in metric
        score = [t['score'] for t in s.get('trials', [])]
        ok(r.returncode == 0 and s['goal'] == ('min' if less else 'max')
           and len(score) == 2 and score[0] != score[1]
           and score == sorted(score, reverse=not less),
           'a search by ' + metric, r.stderr or s)

# -- what does not fit -------------------------------------------------------

three = {'type': 'dense', 'units': 3, 'activation': 'softmax'}
for metrics, text in (
        (['acuracy'], 'metrics: unknown "acuracy"; did you mean "accuracy"?'),
        (['precision'], 'metrics: "precision" does not fit the loss '
         'categorical_crossentropy: it is of two classes; of more there are '
         'the same name with _macro, _micro or _weighted'),
        (['mape'], '"mape" does not fit the loss categorical_crossentropy'),
        (['silhouette'], 'unknown "silhouette"')):
    r, e = train(net('three', 'kind', 4, three, metrics,
                     loss='categorical_crossentropy'))
    ok(r.returncode != 0 and text in r.stderr + r.stdout,
       'refused: ' + text[:60], r.stderr)
r, e = train(net('two', 'side', 8, two, ['top_k'],
                 loss='binary_crossentropy'))
ok('it is of more than two classes' in r.stderr + r.stdout,
   'refused: top k of two classes', r.stderr)
r, e = train(net('two', 'side', 8, two, ['auc'], loss='binary_crossentropy',
                 early_stopping={'monitor': 'auc'}))
ok('"auc" is not measured while rows are learned; watch '
   '"validation_roc_auc"' in r.stderr + r.stdout,
   'refused: a monitor that is no sum', r.stderr)
spec = net('words', 'side', 8, {}, ['mae'])
spec['model'] = {'type': 'decision_tree'}
r, e = train(spec)
ok('"mean_absolute_error" does not fit decision_tree, which gives classes'
   in r.stderr + r.stdout, 'refused: numbers of classes', r.stderr)
spec['metrics'] = ['accuracy']
spec['model'] = {'type': 'k_means', 'k': 2}
del spec['data']['target']
del spec['data']['split']
r, e = train(spec)
ok('metrics: k_means learns without a target' in r.stderr + r.stdout,
   'refused: a metric without a target', r.stderr)

done()
