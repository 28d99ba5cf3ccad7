#!/usr/bin/python3
"""Classifiers of one go beside scikit-learn's: convex objectives to 1e-6 of
its solution at tolerance 1e-12, probabilities and labels of what was
written, run in our own engine.
"""

import os
import sys
import warnings

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_fit import Fit, data, done, near, ok, refused, scaled
from sklearn import linear_model, naive_bayes, neighbors, svm

warnings.simplefilter('ignore')

rng = np.random.default_rng(0)
SETS = [('iris', data), ('wine', data), ('wine', scaled),
        ('breast_cancer', scaled), ('digits', scaled)]


def labels(got, want, text):
    got = np.asarray(got)
    return ok((got == want).all(), text,
              '%d of %d differ' % ((got != want).sum(), len(want)))


def served(f, m, x, text, tol=1e-5):
    """Labels and probabilities in our engine, and scikit-learn's."""
    out = f.run(x)
    near(out['probabilities'], m.predict_proba(x), tol,
         text + ': probabilities')
    # Where the best two are equal within float32, either will do.
    top = np.sort(m.predict_proba(x), 1)
    clear = top[:, -1] - top[:, -2] > 1e-5
    labels(out['label'][clear], m.predict(x)[clear], text + ': labels')


# -- logistic regression -----------------------------------------------------

def log_loss(c, b, x, y, big, w=1):
    z = x @ c.T + b
    if z.shape[1] == 1:
        z = np.hstack([-z / 2, z / 2])
    z = z - z.max(1, keepdims=True)
    lp = z - np.log(np.exp(z).sum(1, keepdims=True))
    return -(big * w * lp[np.arange(len(y)), y]).sum() + (c * c).sum() / 2


for name, load in SETS:
    x, y = load(name)
    what = 'logistic, %s, %s' % (name, load.__name__)
    m = linear_model.LogisticRegression(
        tol=1e-12, max_iter=10 ** 4, solver='newton-cg')
    m = m.fit(x, y) if load is scaled or name == 'iris' else None
    f = Fit('classification', 'logistic_regression', {'tolerance': 1e-12}, x,
            y)
    got = log_loss(f.coefficients, f.intercept, x, y, 1)
    near(f.objective, got, 1e-10, what + ': the objective that is told')
    ok(f.converged and f.iterations < 30, what + ': it converges',
       f.iterations)
    if m is not None:
        want = log_loss(m.coef_, m.intercept_, x, y, 1)
        ok(got <= want * (1 + 1e-9), what + ': as good an objective',
           '%.12g, %.12g' % (got, want))
        ok(want <= got * (1 + 1e-6), what + ': and no better one',
           '%.12g, %.12g' % (got, want))
        near(f.coefficients, m.coef_, 1e-4 if name == 'digits' else 1e-5,
             what + ': coefficients')
        served(f, m, x, what, 1e-4)

x, y = scaled('breast_cancer')
w = rng.uniform(0, 2, len(y))
for c in (.01, 100):
    m = linear_model.LogisticRegression(C=c, tol=1e-12, solver='newton-cg',
                                        max_iter=10 ** 5).fit(x, y, w)
    f = Fit('classification', 'logistic_regression',
            {'c': c, 'tolerance': 1e-12}, x, y, w)
    near(f.coefficients, m.coef_, 1e-5, 'C %g and weights' % c)
m = linear_model.LogisticRegression(class_weight='balanced', tol=1e-12,
                                    solver='newton-cg').fit(x, y)
f = Fit('classification', 'logistic_regression',
        {'class_weight': 'balanced', 'tolerance': 1e-12}, x, y)
near(f.coefficients, m.coef_, 1e-5, 'balanced classes')
m = linear_model.LogisticRegression(fit_intercept=False, tol=1e-12,
                                    solver='newton-cg').fit(x, y)
f = Fit('classification', 'logistic_regression',
        {'intercept': False, 'tolerance': 1e-12}, x, y)
near(f.coefficients, m.coef_, 1e-5, 'no intercept')
m = linear_model.LogisticRegression(multi_class='multinomial', tol=1e-12,
                                    solver='newton-cg').fit(x, y)
f = Fit('classification', 'softmax_regression', {'tolerance': 1e-12}, x, y)
near(f.coefficients[1], m.coef_[0], 1e-5, 'a softmax of two classes')
served(f, m, x, 'a softmax of two classes', 1e-4)

# No penalty: overlapping classes have an optimum.
x, y = data('iris')
keep = y > 0
x, y = x[keep][:, :3], y[keep] - 1
m = linear_model.LogisticRegression(penalty='none', tol=1e-12,
                                    solver='newton-cg').fit(x, y)
f = Fit('classification', 'logistic_regression',
        {'penalty': 'none', 'tolerance': 1e-12}, x, y)
near(f.coefficients, m.coef_, 1e-6, 'no penalty')
x, y = data('iris')
f = Fit('classification', 'logistic_regression', {'penalty': 'none'}, x, y)
ok(f.objective < 6 and np.isfinite(f.coefficients).all(),
   'no penalty, classes that are parted: finite', f.objective)

# Constant and equal columns; more features than rows.
odd = np.hstack([x, x[:, :1], np.full((len(x), 1), 3.)])
m = linear_model.LogisticRegression(tol=1e-12, max_iter=10 ** 5).fit(odd, y)
f = Fit('classification', 'logistic_regression', {'tolerance': 1e-12}, odd,
        y)
near(f.objective, log_loss(m.coef_, m.intercept_, odd, y, 1), 1e-6,
     'dependent columns: as good')
ok(np.abs(f.coefficients[:, -1]).max() < 1e-9, 'a constant column is 0')
x, y = scaled('digits')
m = linear_model.LogisticRegression(tol=1e-12, max_iter=10 ** 5
                                    ).fit(x[:40], y[:40])
f = Fit('classification', 'logistic_regression', {'tolerance': 1e-12},
        x[:40], y[:40])
near(f.objective, log_loss(m.coef_, m.intercept_, x[:40], y[:40], 1), 1e-6,
     'more features than rows')
f = Fit('classification', 'logistic_regression', {}, *data('digits'))
ok(f.converged, 'digits as they are')

# Names of classes.
x, y = data('iris')
names = ['setosa', 'versicolor', 'virginica']
f = Fit('classification', 'logistic_regression', {}, x, y,
        names=','.join(names))
got = f.run(x)['label'].astype('U')
ok((got == np.array(names)[y]).mean() > .95, 'classes have names')

# -- linear SVM --------------------------------------------------------------

def margin_loss(c, b, x, y, power, big=1):
    total = 0
    for k in range(len(c)):
        s = np.where(y == (k if len(c) > 1 else 1), 1, -1)
        left = np.maximum(0, 1 - s * (x @ c[k] + b[k]))
        total += big * (left ** power).sum() + (c[k] @ c[k] + b[k] ** 2) / 2
    return total


for name, loss, power in [('iris', 'squared_hinge', 2),
                          ('wine', 'squared_hinge', 2),
                          ('breast_cancer', 'squared_hinge', 2),
                          ('iris', 'hinge', 1), ('wine', 'hinge', 1)]:
    x, y = scaled(name)
    what = 'SVM, %s, %s' % (name, loss)
    # liblinear's shrinking gets stuck at 1e-12 of the hinge loss.
    m = svm.LinearSVC(loss=loss, tol=1e-12 if power == 2 else 1e-8,
                      max_iter=10 ** 6,
                      dual=power == 1, random_state=0).fit(x, y)
    f = Fit('classification', 'linear_svm',
            {'loss': loss, 'tolerance': 1e-12 if power == 2 else 1e-10,
             'max_iterations': 10 ** 5}, x, y)
    got = margin_loss(f.coefficients, f.intercept, x, y, power)
    want = margin_loss(m.coef_, m.intercept_, x, y, power)
    near(f.objective, got, 1e-10, what + ': the objective that is told')
    near(got, want, 1e-6, what + ': the objective')
    ok(got <= want * (1 + 1e-9), what + ': it is not above', got - want)
    near(f.coefficients, m.coef_, 1e-4, what + ': coefficients')
    out = f.run(x)
    s = m.decision_function(x)
    s = np.stack([-s, s], 1) if s.ndim == 1 else s
    near(out['scores'], s, 1e-4, what + ': scores')
    clear = np.sort(s, 1)[:, -1] - np.sort(s, 1)[:, -2] > 1e-4
    labels(out['label'][clear], m.predict(x)[clear], what + ': labels')

x, y = data('breast_cancer')
f = Fit('classification', 'linear_svm', {'tolerance': 1e-12}, x, y)
m = svm.LinearSVC(dual=False, tol=1e-12, max_iter=10 ** 6).fit(x, y)
ok(f.objective <= margin_loss(m.coef_, m.intercept_, x, y, 2) * (1 + 1e-6),
   'SVM of features that are not scaled')
w = rng.uniform(0, 2, len(y))
x, y = scaled('breast_cancer')
m = svm.LinearSVC(dual=False, tol=1e-12, C=.1, class_weight='balanced'
                  ).fit(x, y)
f = Fit('classification', 'linear_svm', {'tolerance': 1e-12, 'c': .1,
        'class_weight': 'balanced'}, x, y)
near(f.coefficients, m.coef_, 1e-5, 'SVM, balanced classes')

# -- many rows, several threads ----------------------------------------------

mx = rng.normal(size=(5000, 20)).astype(np.float32).astype(float)
mz = mx @ rng.normal(size=(20, 3)) + rng.normal(size=(5000, 3))
m2, m3 = (mz[:, 0] > 0).astype(int), mz.argmax(1)
for y in (m2, m3):
    m = linear_model.LogisticRegression(tol=1e-12, solver='newton-cg',
                                        max_iter=10 ** 4).fit(mx, y)
    f = Fit('classification', 'logistic_regression', {'tolerance': 1e-12},
            mx, y)
    near(f.coefficients, m.coef_, 1e-6, 'logistic, 5000 rows')
m = svm.LinearSVC(dual=False, tol=1e-12, max_iter=10 ** 6).fit(mx, m2)
f = Fit('classification', 'linear_svm', {'tolerance': 1e-12}, mx, m2)
near(f.coefficients, m.coef_, 1e-6, 'SVM, 5000 rows')
m = naive_bayes.GaussianNB().fit(mx, m3)
f = Fit('classification', 'naive_bayes', {}, mx, m3)
near(f.means, m.theta_, 1e-12, 'gaussian, 5000 rows: means')
near(f.variances, m.var_, 1e-12, 'gaussian, 5000 rows: variances')
wide = np.hstack([mx] + [mx ** 2 * rng.normal(size=20) for _ in range(17)])
for name, x, y in [('logistic_regression', mx, m2),
                   ('logistic_regression', mx, m3), ('linear_svm', mx, m3),
                   ('naive_bayes', mx, m3),
                   ('logistic_regression', wide, m2)]:
    same = [Fit('classification', name, {}, x, y,
                rng.bit_generator.__class__(1).random_raw(5000) % 3 + 1.,
                threads=t) for t in (1, 2, 3)]
    for s in same:
        del s.said['seconds']
    ok(same[0].said == same[1].said == same[2].said
       and len({open(s.path, 'rb').read() for s in same}) == 1,
       '%s, %d features: the same bits at 1, 2 and 3 threads'
       % (name, x.shape[1]))

# -- naive Bayes -------------------------------------------------------------

for name in ('iris', 'wine', 'breast_cancer', 'digits'):
    x, y = data(name)
    m = naive_bayes.GaussianNB().fit(x, y)
    f = Fit('classification', 'naive_bayes', {}, x, y)
    near(f.means, m.theta_, 1e-12, 'gaussian, %s: means' % name)
    near(f.variances, m.var_, 1e-9, 'gaussian, %s: variances' % name)
    served(f, m, x, 'gaussian, ' + name, 1e-6)
w = rng.uniform(0, 2, len(y))
m = naive_bayes.GaussianNB(priors=[.19] + [.09] * 9).fit(x, y, w)
f = Fit('classification', 'naive_bayes', {'priors': [.19] + [.09] * 9}, x, y,
        w)
near(f.variances, m.var_, 1e-9, 'gaussian: weights')
served(f, m, x, 'gaussian: priors', 1e-6)
for kind, m in (('multinomial', naive_bayes.MultinomialNB(alpha=.5)),
                ('bernoulli', naive_bayes.BernoulliNB(alpha=.5, binarize=3))):
    m.fit(x, y, w)
    f = Fit('classification', 'naive_bayes',
            {'kind': kind, 'alpha': .5, 'threshold': 3}, x, y, w)
    near(f.feature_log_probabilities, m.feature_log_prob_, 1e-12, kind)
    served(f, m, x, kind, 1e-6)
# A threshold between two float32 numbers.
t = 1 + 1e-9
edge = np.array([[1.], [np.nextafter(np.float32(1), np.float32(2))]] * 4)
m = naive_bayes.BernoulliNB(binarize=t).fit(edge, [0, 1] * 4)
f = Fit('classification', 'naive_bayes', {'kind': 'bernoulli',
        'threshold': t}, edge, [0, 1] * 4)
served(f, m, edge, 'bernoulli: float32 on the right side')

# -- nearest neighbours ------------------------------------------------------

for name in ('iris', 'wine', 'digits'):
    for weights in ('uniform', 'distance'):
        x, y = data(name)
        order = rng.permutation(len(x))
        a, b = order[:len(x) * 2 // 3], order[len(x) * 2 // 3:]
        m = neighbors.KNeighborsClassifier(5, weights=weights,
                                           algorithm='brute').fit(x[a], y[a])
        f = Fit('classification', 'k_nearest_neighbours',
                {'k': 5, 'weights': weights}, x[a], y[a])
        # Where the fifth and the sixth are equally far, either is right.
        d = np.sort(((x[b][:, None] - x[a][None]) ** 2).sum(2), 1)
        b = b[d[:, 5] - d[:, 4] > 1e-9 * d[:, 5]]
        served(f, m, x[b], 'neighbours, %s, %s' % (name, weights))
        if weights == 'distance':
            got = f.run(x[a])['label']
            labels(got, y[a], 'neighbours, %s: rows that were seen' % name)

x, y = data('diabetes')
for weights in ('uniform', 'distance'):
    m = neighbors.KNeighborsRegressor(7, weights=weights).fit(x[:300],
                                                              y[:300])
    f = Fit('regression', 'k_nearest_neighbours',
            {'k': 7, 'weights': weights}, x[:300], y[:300])
    near(f.run(x)['prediction'][:, 0], m.predict(x), 1e-6,
         'neighbours, diabetes, ' + weights)

# -- what is refused ---------------------------------------------------------

x, y = data('iris')
one = np.zeros(len(y))
for name in ('logistic_regression', 'softmax_regression', 'linear_svm'):
    refused('all rows are of one class, 0; this model needs at least two',
            'classification', name, {}, x, one)
    refused("class 'b' has no rows to learn from", 'classification', name,
            {}, x, y, names='a,b,c,d', weight=(y != 1).astype(float))
f = Fit('classification', 'naive_bayes', {}, x, one, names='only')
ok(set(f.run(x)['label'].astype('U')) == {'only'}, 'naive Bayes of one class')
f = Fit('classification', 'naive_bayes', {}, x[y != 1], y[y != 1])
ok((f.run(x)['probabilities'][:, 1] == 0).all(), 'a class without rows')
bad = x.copy()
bad[7, 1] = np.nan
for name in ('logistic_regression', 'linear_svm', 'naive_bayes',
             'k_nearest_neighbours'):
    refused('row 7, feature 1 is NaN', 'classification', name, {}, bad, y)
    refused('row 0, feature 0 is -infinite', 'classification', name, {},
            np.where(x == x[0, 0], -np.inf, x), y)
refused('"k" is 151, but there are only 150 rows', 'classification',
        'k_nearest_neighbours', {'k': 151}, x, y)
refused('takes no weights', 'classification', 'k_nearest_neighbours', {}, x,
        y, weight=np.ones(len(y)))
refused('row 0, feature 0 is -5.1', 'classification', 'naive_bayes',
        {'kind': 'multinomial'}, -x, y)
refused('"priors" has 2 values of sum 1; expected 3', 'classification',
        'naive_bayes', {'priors': [.5, .5]}, x, y)
refused('"var_smoothing" must be above 0', 'classification', 'naive_bayes',
        {'var_smoothing': 0}, np.hstack([x, x * 0]), y)
refused('expected "squared_hinge" or "hinge"; did you mean "hinge"?',
        'classification', 'linear_svm', {'loss': 'hing'}, x, y)
for name in ('logistic_regression', 'linear_svm'):
    refused('the fit was stopped', 'classification', name, {}, x, y, cancel=1)

done()
