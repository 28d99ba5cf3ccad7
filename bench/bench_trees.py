"""Forests of 1,000 trees beside ONNX Runtime, runs alternated.

The forests are trained here by scikit-learn, on made data of 30 features.
"""

import os
import sys

import numpy as np

from bench_base import (BUILD, MAAS, ROOT, alternate, interval, middle, note,
                        ours, run, say, table, theirs)

sys.path.insert(0, ROOT + '/t/models')

FEATURES, TREES = 30, 1000


def made(rows):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, FEATURES)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2])
         + x[:, 3:12] @ rng.normal(size=9) + rng.normal(size=rows) * .3)
    return x, y


def boosted(path, x, y):
    from sklearn.ensemble import GradientBoostingRegressor
    import lib_sklearn as sk
    m = GradientBoostingRegressor(n_estimators=TREES, max_depth=6,
                                  max_features=6, subsample=.5,
                                  random_state=0).fit(x, y)
    sk.regressor(path, sk.Forest([(e.tree_, m.learning_rate, 0)
                                  for e in m.estimators_[:, 0]]), FEATURES,
                 [float(m.init_.constant_.ravel()[0])])


def forest(path, x, y):
    from sklearn.ensemble import RandomForestRegressor
    import lib_sklearn as sk
    m = RandomForestRegressor(n_estimators=TREES, max_depth=8, max_features=6,
                              n_jobs=-1, random_state=0).fit(x, y)
    sk.regressor(path, sk.Forest([(e.tree_, 1 / TREES, 0)
                                  for e in m.estimators_]), FEATURES)


FORESTS = [('boosted, depth 6', 'boosted_6', boosted),
           ('random forest, depth 8', 'forest_8', forest)]


def prepare(file, train):
    folder = BUILD + '/models/trees'
    os.makedirs(folder, exist_ok=True)
    path, image = '%s/%s.onnx' % (folder, file), '%s/%s.maas' % (folder, file)
    x, y = made(6000)
    if not os.path.exists(path):
        note(file + ': training')
        train(path + '.tmp', x, y)
        os.rename(path + '.tmp', path)
    run(MAAS, 'compile', path, '-o', image)
    return path, image, folder, x


def compare(name, file, train):
    rows = []
    path, image, folder, x = prepare(file, train)
    for n in (1, 1000):
        data = '%s/x%d.npy' % (folder, n)
        np.save(data, x[:n])
        for threads in (1, 2):
            inputs = [('X', data)]
            a = ours(image, inputs, threads)
            b = theirs(path, inputs, threads)
            what = '%s: %d rows, %d threads' % (name, n, threads)
            try:
                rows.append(row(name, n, threads,
                                alternate(what, a.ask, b.ask)))
            finally:
                a.close()
                b.close()
    return rows


def row(name, n, threads, pairs):
    gain = [b['median_ms'] / a['median_ms'] for a, b in pairs]
    low, high = interval(gain)
    a = middle([p[0]['median_ms'] for p in pairs])
    b = middle([p[1]['median_ms'] for p in pairs])
    return [name, str(n), str(threads), '%.0f' % (n / a * 1000),
            '%.0f' % (n / b * 1000), '%.2f' % middle(gain),
            '%.2f - %.2f' % (low, high)]


def main():
    say()
    say('## Trees')
    say()

    try:
        import sklearn
    except ImportError:
        say('python3-sklearn is not installed: no forests.')
        return

    rows = []
    for forest_ in FORESTS:
        rows += compare(*forest_)

    say('%d trees over %d features, trained by scikit-learn %s; rows a '
        'second of `maas bench` and of ONNX Runtime, the same rows in every '
        'run. The ratio is ours / theirs, above 1 is faster; of the medians '
        'of each pair, with its interval at 95 %%.'
        % (TREES, FEATURES, sklearn.__version__))
    say()
    table(['forest', 'rows', 'threads', 'maas rows/s', 'ORT rows/s', 'ratio',
           'interval'], rows)
