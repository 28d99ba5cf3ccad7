"""Fit times beside scikit-learn, runs alternated, at 1 and 2 threads.

To add an estimator: a line in CASES.  Both sides fit the same float64 rows;
the time is of the fit alone, without reading files or writing the model.
Quality is a number of each side's model on held-out rows (or its inertia),
so that nobody is fast by doing less.
"""

import os
import sys

import numpy as np

from bench_base import (ROOT, Skip, alternate, interval, middle, note, say,
                        table)

sys.path.insert(0, ROOT + '/t/train')


# -- data --------------------------------------------------------------------

def made(rows, features, classes=0, noise=1.0):
    """Numbers, or classes, from a few products of normal features."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, features)).astype(np.float32).astype(float)
    z = x @ rng.normal(size=(features, max(classes, 1)))
    z += x[:, :1] * x[:, 1:2] + noise * rng.normal(size=z.shape)
    return x, (z.argmax(1) if classes > 2 else
               (z[:, 0] > 0).astype(int) if classes else z[:, 0])


def blobs(rows, features, k):
    rng = np.random.default_rng(2)
    at = rng.normal(size=(k, features)) * 3
    x = at[rng.integers(0, k, rows)] + rng.normal(size=(rows, features))
    return x.astype(np.float32).astype(float), None


def digits():
    from sklearn import datasets
    d = datasets.load_digits()
    return d.data / 16, d.target


# -- cases -------------------------------------------------------------------

def accuracy(f, x, y):
    got = f.run(x)['label'] if hasattr(f, 'run') else f.predict(x)
    return (np.asarray(got) == y).mean()


def r2(f, x, y):
    got = f.run(x)['prediction'][:, 0] if hasattr(f, 'run') else f.predict(x)
    return 1 - ((y - got) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def inertia(f, x, y):
    return f.inertia if hasattr(f, 'run') else f.inertia_


def explained(f, x, y):
    return (f.explained_variance_ratio if hasattr(f, 'run')
            else f.explained_variance_ratio_).sum()


def spread(f, x, y):
    """Of the scores."""
    return np.std(f.run(x)['scores'] if hasattr(f, 'run')
                  else f.decision_function(x))


def sk(module, name, **params):
    """A scikit-learn estimator that is not imported before it is needed."""
    def make(threads):
        import importlib
        cls = getattr(importlib.import_module('sklearn.' + module), name)
        more = {'n_jobs': threads} if 'n_jobs' in cls().get_params() else {}
        return cls(**{**more, **params})
    return make


def boosted(kind, iterations):
    return sk('ensemble', 'HistGradientBoosting' + kind,
              max_iter=iterations, early_stopping=False)


# What it is called; task, estimator, parameters; theirs; data; quality.
CASES = [
    ('least squares, 200k x 50', 'regression', 'linear_regression', {},
     sk('linear_model', 'LinearRegression'), lambda: made(200000, 50), r2),
    ('ridge, 200k x 50', 'regression', 'ridge', {},
     sk('linear_model', 'Ridge'), lambda: made(200000, 50), r2),
    ('lasso, 20k x 200', 'regression', 'lasso', {'alpha': .1,
                                                 'tolerance': 1e-4},
     sk('linear_model', 'Lasso', alpha=.1), lambda: made(20000, 200), r2),
    ('logistic, 2 classes, 50k x 50', 'classification',
     'logistic_regression', {},
     sk('linear_model', 'LogisticRegression', max_iter=1000),
     lambda: made(50000, 50, 2), accuracy),
    ('logistic, 10 classes, digits', 'classification',
     'logistic_regression', {},
     sk('linear_model', 'LogisticRegression', max_iter=1000), digits,
     accuracy),
    ('linear SVM, 50k x 50', 'classification', 'linear_svm', {},
     sk('svm', 'LinearSVC', dual=False), lambda: made(50000, 50, 2),
     accuracy),
    ('naive Bayes, 200k x 50', 'classification', 'naive_bayes', {},
     sk('naive_bayes', 'GaussianNB'), lambda: made(200000, 50, 5), accuracy),
    ('k-means, 100k x 20, k 16', 'clustering', 'k_means',
     {'k': 16, 'starts': 3}, sk('cluster', 'KMeans', n_clusters=16,
                                n_init=3, random_state=0),
     lambda: blobs(100000, 20, 16), inertia),
    ('PCA, 100k x 50 to 10', 'transform', 'pca', {'components': 10},
     sk('decomposition', 'PCA', n_components=10, svd_solver='full'),
     lambda: made(100000, 50), explained),
    ('decision tree, 50k x 20', 'classification', 'decision_tree', {},
     sk('tree', 'DecisionTreeClassifier', random_state=0),
     lambda: made(50000, 20, 2), accuracy),
    ('decision tree of numbers, 20k x 20', 'regression', 'decision_tree', {},
     sk('tree', 'DecisionTreeRegressor', random_state=0),
     lambda: made(20000, 20), r2),
    ('random forest, 20k x 20, 5 classes, 20 trees', 'classification',
     'random_forest', {'trees': 20},
     sk('ensemble', 'RandomForestClassifier', n_estimators=20,
        random_state=0), lambda: made(20000, 20, 5), accuracy),
    ('random forest, 100k x 50, 2 classes, 4 trees', 'classification',
     'random_forest', {'trees': 4},
     sk('ensemble', 'RandomForestClassifier', n_estimators=4,
        random_state=0), lambda: made(100000, 50, 2), accuracy),
    ('random forest, digits, 100 trees', 'classification', 'random_forest',
     {}, sk('ensemble', 'RandomForestClassifier', random_state=0), digits,
     accuracy),
    ('random forest of numbers, 20k x 20, 6 trees', 'regression',
     'random_forest', {'trees': 6},
     sk('ensemble', 'RandomForestRegressor', n_estimators=6,
        random_state=0), lambda: made(20000, 20), r2),
    ('extra trees, 20k x 20, 5 classes, 20 trees', 'classification',
     'extra_trees', {'trees': 20},
     sk('ensemble', 'ExtraTreesClassifier', n_estimators=20,
        random_state=0), lambda: made(20000, 20, 5), accuracy),
    ('boosting, 100k x 20, 2 classes', 'classification',
     'gradient_boosting', {}, boosted('Classifier', 100),
     lambda: made(100000, 20, 2), accuracy),
    ('boosting, 20k x 20, 5 classes, 20 iterations', 'classification',
     'gradient_boosting', {'iterations': 20}, boosted('Classifier', 20),
     lambda: made(20000, 20, 5), accuracy),
    ('boosting, 100k x 50, numbers', 'regression', 'gradient_boosting', {},
     boosted('Regressor', 100), lambda: made(100000, 50), r2),
    ('boosting, digits, 20 iterations', 'classification',
     'gradient_boosting', {'iterations': 20}, boosted('Classifier', 20),
     digits, accuracy),
    ('isolation forest, 100k x 20', 'outliers', 'isolation_forest', {},
     sk('ensemble', 'IsolationForest', random_state=0),
     lambda: (made(100000, 20)[0], None), spread),
]


# -- measuring ---------------------------------------------------------------

def compare(case, threads, rows):
    from lib_fit import Fit
    from threadpoolctl import threadpool_limits
    import time

    name, task, estimator, params, make, load, quality = case
    x, y = load()
    cut = len(x) * 4 // 5 if y is not None else len(x)
    last = {}

    def ours():
        last['a'] = Fit(task, estimator, params, x[:cut],
                        None if y is None else y[:cut], threads=threads)
        return last['a'].said['seconds']

    def theirs():
        m = make(threads)
        with threadpool_limits(limits=threads):
            start = time.perf_counter()
            m.fit(x[:cut], *([] if y is None else [y[:cut]]))
            took = time.perf_counter() - start
        last['b'] = m
        return took

    pairs = alternate('%s, %d threads' % (name, threads), ours, theirs)
    gain = [b / a for a, b in pairs]
    low, high = interval(gain)
    test = slice(cut, None) if cut < len(x) else slice(None)
    score = [quality(last[k], x[test], None if y is None else y[test])
             for k in 'ab']
    rows.append([name, str(threads), '%.1f' % (middle([a for a, _ in pairs])
                                               * 1000),
                 '%.1f' % (middle([b for _, b in pairs]) * 1000),
                 '%.2f' % middle(gain), '%.2f - %.2f' % (low, high),
                 '%.5g' % score[0], '%.5g' % score[1]])


def main():
    say()
    say('## Fitting')
    say()

    try:
        import sklearn
        import threadpoolctl        # noqa: F401
    except ImportError:
        say('python3-sklearn is not installed: no fit times.')
        return

    import warnings
    warnings.simplefilter('ignore')

    rows = []
    for case in CASES:
        for threads in (1, 2):
            try:
                compare(case, threads, rows)
            except Exception as e:      # one that fails is a line as well
                rows.append([case[0], str(threads)] + [str(e)[:40]]
                            + [''] * 5)
    note('')

    say('The same rows, milliseconds of the fit alone; scikit-learn %s with '
        'its defaults, its BLAS and OpenMP held to the same threads. The '
        'ratio is theirs / ours, above 1 is faster, with its interval at '
        '95 %%. Quality: R2 or accuracy on a held-out fifth, explained '
        'variance, the inertia (less is better), or the deviation of the '
        'scores of outliers.' % sklearn.__version__)
    say()
    table(['estimator', 'threads', 'maas ms', 'sklearn ms', 'ratio',
           'interval', 'maas quality', 'sklearn quality'], rows)


if __name__ == '__main__':
    main()
