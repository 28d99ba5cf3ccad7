#!/usr/bin/python3
"""scikit-learn's estimators as ai.onnx.ml models: beside ONNX Runtime as all
models are (lib_models.py), and beside scikit-learn itself.

Labels are exact.  Scores of scikit-learn are float64, and thresholds of
float64 become float32 ones that separate float32 inputs in the same way, so
that only weights and what follows them are rounded: sums of up to 200
float32 weights, each off by 2^-24 of its size, and an exp in float32; 1e-5
of the largest score is some 80 roundings.
"""

import os
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import Model, done, fresh, need, ok

need(models=False)

try:
    from sklearn import (datasets, ensemble, linear_model, neural_network,
                         preprocessing, svm, tree)
    from sklearn.feature_extraction.text import TfidfVectorizer
except ImportError:
    from lib_models import skip_all
    skip_all('python3-sklearn is not installed')

from onnx import TensorProto, helper

import lib_sklearn as sk
from lib_sklearn import Forest, node, tensor

FOLDER = fresh('ml')
SOURCE = 'scikit-learn'
F, I, S, D = (TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING,
              TensorProto.DOUBLE)


def path(name):
    return '%s/%s.onnx' % (FOLDER, name)


def data(loader):
    d = loader()
    return d.data.astype(np.float32), d.target


def check(name, inputs, want=None, levels=()):
    """want: scikit-learn's {output: array}."""
    m = Model(name, path(name), inputs, SOURCE)
    m.got = m.run()
    if not m.verdict(m.got, 'as in ONNX Runtime', True):
        return m
    m.same(m.run(args=['--threads', '2']), m.got,
           'two threads give the same bits')
    for cpu in levels:
        m.same(m.run({'MAAS_CPU': cpu}), m.got,
               'the same bits with MAAS_CPU=' + cpu)
    if want is None:
        return m
    for k, w in want.items():
        w, got = np.asarray(w), m.got[k]
        if w.dtype.kind in 'USi':
            same = got.astype('U') == w.astype('U')
            m.ok(same.all(), '%s as in scikit-learn' % k,
                 '%d of %d differ' % ((~same).sum(), same.size))
            continue
        w = w.reshape(got.shape)
        far = np.abs(got - w).max() / np.abs(w).max()
        m.ok(far < 1e-5, '%s as in scikit-learn' % k, 'off by %g' % far)
    return m


iris, iris_y = data(datasets.load_iris)
wine, wine_y = data(datasets.load_wine)
digits, digits_y = data(datasets.load_digits)
sick, sick_y = data(datasets.load_breast_cancer)
sugar, sugar_y = data(datasets.load_diabetes)


# -- trees -------------------------------------------------------------------

def stages(m, column=0):
    return [(e.tree_, m.learning_rate, 0) for e in m.estimators_[:, column]]


def modern(name, forest, x, y_type, dtype=np.float32, **attrs):
    n = node('TreeEnsemble', ['X'], ['Y'], **forest.modern(dtype), **attrs)
    return sk.save(path(name), [n], {'X': (y_type, ['rows', x.shape[1]])},
                   {'Y': (y_type, ['rows', attrs['n_targets']])}, ml=5)


def boosted_regression():
    m = ensemble.GradientBoostingRegressor(
        n_estimators=150, max_depth=5, random_state=1).fit(sugar, sugar_y)
    base = float(m.init_.constant_.ravel()[0])
    sk.regressor(path('boost'), Forest(stages(m)), 10, [base])
    check('boost', {'X': sugar}, {'Y': m.predict(sugar)}, ['avx2', 'ref'])
    check('boost', {'X': sugar[:1]}, {'Y': m.predict(sugar[:1])}, ['ref'])
    check('boost', {'X': sugar[:3]}, {'Y': m.predict(sugar[:3])})
    check('boost', {'X': sugar[:13]}, {'Y': m.predict(sugar[:13])}
          ).rows({'X': sugar[:13]})

    # Thresholds and inputs of float64; the base value is added apart.
    for bits, kind in ((np.float32, F), (np.float64, D)):
        name = 'boost_v5_%s' % np.dtype(bits).name
        modern(name, Forest(stages(m)), sugar, kind, bits, n_targets=1)
        x = datasets.load_diabetes().data.astype(bits)
        check(name, {'X': x}, {'Y': m.predict(x) - base})


def averages():
    y = np.c_[sugar_y, sugar_y[::-1] / 3]
    m = ensemble.RandomForestRegressor(n_estimators=70, max_depth=9,
                                       random_state=2).fit(sugar, y)
    f = Forest([(e.tree_, 1.0, 0) for e in m.estimators_])
    sk.regressor(path('forest'), f, 10, targets=2,
                 aggregate_function='AVERAGE')
    check('forest', {'X': sugar}, {'Y': m.predict(sugar)})

    m = ensemble.ExtraTreesRegressor(n_estimators=9, random_state=2
                                     ).fit(sugar, sugar_y)
    f = Forest([(e.tree_, 1.0, 0) for e in m.estimators_])
    for fun, way in (('MIN', np.min), ('MAX', np.max)):
        sk.regressor(path('deep_' + fun), f, 10, aggregate_function=fun)
        check('deep_' + fun, {'X': sugar},
              {'Y': way([e.predict(sugar) for e in m.estimators_], axis=0)})
    for i, (word, way) in enumerate((('AVERAGE', np.mean), ('SUM', np.sum),
                                     ('MIN', np.min), ('MAX', np.max))):
        modern('v5_' + word, f, sugar, F, n_targets=1, aggregate_function=i)
        check('v5_' + word, {'X': sugar},
              {'Y': way([e.predict(sugar) for e in m.estimators_], axis=0)})


def forest_classes():
    for names, y in (('int', digits_y),
                     ('text', np.array(['n%d' % v for v in digits_y]))):
        m = ensemble.RandomForestClassifier(
            n_estimators=80, max_depth=10, random_state=3).fit(digits, y)
        f = Forest([(e.tree_, 1 / 80 / e.tree_.value[0].sum(), 0)
                    for e in m.estimators_])
        f.leaf = lambda t, i, scale, first: [
            (k, float(v / t.value[i].sum() / 80))
            for k, v in enumerate(t.value[i].ravel())]
        sk.classifier(path('digits_' + names), f, 64, m.classes_)
        check('digits_' + names, {'X': digits},
              {'Y': m.predict(digits), 'Z': m.predict_proba(digits)})

    m = ensemble.RandomForestClassifier(
        n_estimators=75, random_state=3).fit(sick, sick_y)
    f = Forest([(e.tree_, 1.0, 0) for e in m.estimators_])
    f.leaf = lambda t, i, scale, first: [
        (0, float(t.value[i][0][1] / t.value[i].sum() / 75))]
    sk.classifier(path('sick'), f, 30, m.classes_)
    check('sick', {'X': sick},
          {'Y': m.predict(sick), 'Z': m.predict_proba(sick)})

    m = tree.DecisionTreeClassifier(random_state=3).fit(iris, iris_y)
    f = Forest([(m.tree_, 1.0, 0)])
    f.leaf = lambda t, i, scale, first: [
        (k, float(v / t.value[i].sum()))
        for k, v in enumerate(t.value[i].ravel())]
    sk.classifier(path('tree'), f, 4, m.classes_)
    check('tree', {'X': iris},
          {'Y': m.predict(iris), 'Z': m.predict_proba(iris)})


def boosted_classes():
    m = ensemble.GradientBoostingClassifier(
        n_estimators=60, random_state=4).fit(sick, sick_y)
    prior = m.init_.class_prior_[1]
    sk.classifier(path('boost2'), Forest(stages(m)), 30, m.classes_,
                  [float(np.log(prior / (1 - prior)))],
                  post_transform='LOGISTIC')
    # One base value with weights of one class: both scores.
    check('boost2', {'X': sick}, {'Y': m.predict(sick),
                                  'Z': m.predict_proba(sick)})

    m = ensemble.GradientBoostingClassifier(
        n_estimators=30, random_state=4).fit(wine, wine_y)
    f = Forest([(e.tree_, m.learning_rate, k)
                for row in m.estimators_ for k, e in enumerate(row)])
    sk.classifier(path('boost3'), f, 13, m.classes_,
                  np.log(m.init_.class_prior_).tolist(),
                  post_transform='SOFTMAX')
    check('boost3', {'X': wine}, {'Y': m.predict(wine),
                                  'Z': m.predict_proba(wine)})


def categories():
    """TreeEnsemble with BRANCH_MEMBER and missing values."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(900, 4)).astype(np.float32)
    x[:, 1] = rng.integers(0, 12, 900)
    x[:, 3] = rng.integers(0, 5, 900)
    x[rng.uniform(size=x.shape) < .08] = np.nan
    y = (np.nan_to_num(x[:, 0]) + np.isin(x[:, 1], [2, 3, 7, 11]) * 3
         + np.isin(x[:, 3], [0, 4]) * np.nan_to_num(x[:, 2]))
    m = ensemble.HistGradientBoostingRegressor(
        max_iter=70, categorical_features=[1, 3], random_state=5).fit(x, y)

    a = {k: [] for k in ('featureids', 'splits', 'modes', 'truenodeids',
                         'falsenodeids', 'trueleafs', 'falseleafs',
                         'missing_value_tracks_true')}
    roots, weights, members = [], [], []
    for (p,) in m._predictors:
        number, base = {}, len(a['featureids'])
        for i, n in enumerate(p.nodes):
            if not n['is_leaf']:
                number[i] = base + len(number)
        roots.append(base)
        for i in number:
            n = p.nodes[i]
            a['featureids'].append(int(n['feature_idx']))
            a['missing_value_tracks_true'].append(int(n['missing_go_to_left']))
            set_ = bool(n['is_categorical'])
            a['modes'].append(6 if set_ else 0)
            a['splits'].append(0 if set_ else sk.below(n['num_threshold']))
            if set_:
                bits = p.raw_left_cat_bitsets[n['bitset_idx']]
                # ONNX Runtime refuses a set of none.
                members += [float(v) for v in range(256)
                            if int(bits[v // 32]) >> (v % 32) & 1] or [-1.0]
                members.append(np.nan)
            for side, key in (('true', 'left'), ('false', 'right')):
                child = int(n[key])
                leaf = child not in number
                if leaf:
                    weights.append(p.nodes[child]['value'])
                a[side + 'leafs'].append(int(leaf))
                a[side + 'nodeids'].append(len(weights) - 1 if leaf
                                           else number[child])
    ok(6 in a['modes'], 'categories: there are sets')
    n = node('TreeEnsemble', ['X'], ['Y'], n_targets=1, tree_roots=roots,
             leaf_targetids=[0] * len(weights),
             leaf_weights=tensor('w', np.float32(weights)),
             nodes_splits=tensor('s', np.float32(a.pop('splits'))),
             nodes_modes=tensor('m', np.uint8(a.pop('modes'))),
             membership_values=tensor('v', np.float32(members)),
             **{'nodes_' + k: v for k, v in a.items()})
    sk.save(path('sets'), [n], {'X': (F, ['rows', 4])},
            {'Y': (F, ['rows', 1])}, ml=5)
    base = float(np.ravel(m._baseline_prediction)[0])
    check('sets', {'X': x}, {'Y': m.predict(x) - base})


boosted_regression()
averages()
forest_classes()
boosted_classes()
categories()


# -- vectors -----------------------------------------------------------------

def machines():
    x = preprocessing.StandardScaler().fit_transform(wine).astype(np.float32)
    for k in ('rbf', 'linear', 'poly', 'sigmoid'):
        m = svm.SVC(kernel=k, random_state=0, break_ties=False).fit(x, wine_y)
        sk.classified(path('svc_' + k), sk.svc(m), 13, m.classes_, 3)
        check('svc_' + k, {'X': x}, {'Y': m.predict(x)})
    m = svm.SVC(probability=True, random_state=0).fit(x, wine_y)
    sk.classified(path('svc_prob'), sk.svc(m), 13, m.classes_)
    check('svc_prob', {'X': x})

    text = np.array(['bad', 'good'])[sick_y]
    x = preprocessing.scale(sick).astype(np.float32)
    m = svm.SVC(random_state=0).fit(x, text)
    sk.classified(path('svc_two'), sk.svc(m), 30, m.classes_)
    check('svc_two', {'X': x}, {'Y': m.predict(x)})

    m = svm.SVR(C=100).fit(sugar, sugar_y)
    sk.save(path('svr'), [sk.svr(m)], {'X': (F, ['rows', 10])},
            {'Y': (F, ['rows', 1])})
    check('svr', {'X': sugar}, {'Y': m.predict(sugar)})

    m = svm.OneClassSVM(nu=.2).fit(iris)
    sk.save(path('one_class'), [sk.svr(m, 1)], {'X': (F, ['rows', 4])},
            {'Y': (F, ['rows', 1])})
    check('one_class', {'X': iris}, {'Y': m.predict(iris).astype(float)})


def lines():
    m = linear_model.LinearRegression().fit(
        sugar, np.c_[sugar_y, sugar_y[::-1]])
    sk.save(path('linear'), [node(
        'LinearRegressor', ['X'], ['Y'], targets=2,
        coefficients=m.coef_.ravel().tolist(),
        intercepts=m.intercept_.tolist())], {'X': (F, ['rows', 10])},
        {'Y': (F, ['rows', 2])})
    check('linear', {'X': sugar}, {'Y': m.predict(sugar)})

    for name, x, y in (('logistic', wine, wine_y),
                       ('logistic_text', iris,
                        np.array(['a', 'bb', 'ccc'])[iris_y])):
        m = linear_model.LogisticRegression(max_iter=200).fit(
            preprocessing.scale(x), y)
        x = preprocessing.scale(x).astype(np.float32)
        sk.classified(path(name), sk.linear_classifier(m, post='SOFTMAX'),
                      x.shape[1], m.classes_)
        check(name, {'X': x}, {'Y': m.predict(x), 'Z': m.predict_proba(x)})


machines()
lines()


# -- pipelines ---------------------------------------------------------------

def pipeline():
    """Holes are filled, features scaled, rows normalised, classified; the
    scores become maps."""
    rng = np.random.default_rng(6)
    x = wine.copy()
    x[rng.uniform(size=x.shape) < .1] = np.nan
    mean = np.nanmean(np.float64(x), axis=0).astype(np.float32)
    filled = np.where(np.isnan(x), mean, x)
    scaler = preprocessing.StandardScaler().fit(filled)
    rows = preprocessing.normalize(scaler.transform(filled))
    m = linear_model.LogisticRegression().fit(rows, wine_y)
    nodes = [
        node('Imputer', ['X'], ['a'], imputed_value_floats=mean.tolist(),
             replaced_value_float=float('nan')),
        node('Scaler', ['a'], ['b'], offset=scaler.mean_.tolist(),
             scale=(1 / scaler.scale_).tolist()),
        node('Normalizer', ['b'], ['c'], norm='L2'),
        sk.linear_classifier(m, ('c', 'Y', 'Z'), 'SOFTMAX')]
    sk.classified(path('pipeline'), nodes, 13, m.classes_)
    check('pipeline', {'X': x}, {'Y': m.predict(rows),
                                 'Z': m.predict_proba(rows)})


def columns():
    """One-hot words beside picked and binarised numbers."""
    rng = np.random.default_rng(7)
    words = rng.choice(['red', 'green', 'blue', 'grey'], (60, 1))
    enc = preprocessing.OneHotEncoder(
        categories=[['blue', 'green', 'red']],
        handle_unknown='ignore').fit(words)
    x = iris[:60]
    nodes = [
        node('OneHotEncoder', ['W'], ['a'],
             cats_strings=['blue', 'green', 'red'], zeros=1),
        node('Reshape', ['a', 'flat'], ['b'], domain=''),
        node('ArrayFeatureExtractor', ['X', 'pick'], ['c']),
        node('Binarizer', ['c'], ['d'], threshold=1.5),
        node('FeatureVectorizer', ['b', 'd', 'X'], ['Y'],
             inputdimensions=[3, 2, 4])]
    sk.save(path('columns'), nodes,
            {'W': (S, ['rows', 1]), 'X': (F, ['rows', 4])},
            {'Y': (F, ['rows', 9])},
            init=[tensor('flat', np.int64([-1, 3])),
                  tensor('pick', np.int64([2, 0]))])
    check('columns', {'W': words, 'X': x}, {'Y': np.hstack(
        [enc.transform(words).toarray(), x[:, [2, 0]] > 1.5, x])})


def words():
    """Rows of words, counted and weighed."""
    text = ['the cat sat on the mat', 'the dog sat down again now',
            'a cat and a dog met', 'now the mat is all gone']
    rows = np.array([t.split() for t in text])
    m = TfidfVectorizer(ngram_range=(1, 2), norm=None, token_pattern=r'\S+'
                        ).fit(text)
    grams = sorted(m.vocabulary_, key=lambda g: (g.count(' '), g))
    one = [g for g in grams if ' ' not in g]
    n = node('TfIdfVectorizer', ['X'], ['Y'], domain='', mode='TFIDF',
             min_gram_length=1, max_gram_length=2, max_skip_count=0,
             ngram_counts=[0, len(one)],
             ngram_indexes=[m.vocabulary_[g] for g in grams],
             pool_strings=[w for g in grams for w in g.split()],
             weights=[float(m.idf_[m.vocabulary_[g]]) for g in grams])
    sk.save(path('tfidf'), [n], {'X': (S, ['rows', 6])},
            {'Y': (F, ['rows', len(grams)])})
    check('tfidf', {'X': rows}, {'Y': m.transform(text).toarray()})


def encoders():
    """LabelEncoder's tensors (version 4) and words to numbers and back."""
    kinds = {'text': (S, np.array(['a', 'bc', 'def'])),
             'i64': (I, np.int64([5, -3, 2**40])),
             'i16': (TensorProto.INT16, np.int16([7, -2, 300])),
             'f32': (F, np.float32([.5, np.nan, 0])),
             'f64': (D, np.float64([.1, np.nan, -7]))}
    for a, b in (('text', 'i64'), ('text', 'i16'), ('i64', 'text'),
                 ('f64', 'f64'), ('f64', 'text'), ('f32', 'f32'),
                 ('text', 'f64'), ('text', 'text')):
        name = 'label_%s_%s' % (a, b)
        (ta, keys), (tb, values) = kinds[a], kinds[b]
        other = {'text': 'none', 'i64': -9, 'i16': -9}.get(b, 2.5)
        lost = np.array([other]).astype(values.dtype if b != 'text' else 'U4')
        n = node('LabelEncoder', ['X'], ['Y'],
                 keys_tensor=tensor('k', keys if a != 'text'
                                    else keys.astype(object)),
                 values_tensor=tensor('v', values if b != 'text'
                                      else values.astype(object)),
                 default_tensor=tensor('d', lost if b != 'text'
                                       else lost.astype(object)))
        sk.save(path(name), [n], {'X': (ta, [2, 4])}, {'Y': (tb, [2, 4])},
                ml=4)
        x = np.resize(np.append(keys, keys[0] * 2 if a != 'text' else 'zz'),
                      8)[::-1].reshape(2, 4)
        table = {str(k): v for k, v in zip(keys, values)}
        want = [table.get(str(v), lost[0]) for v in x.ravel()]
        m = Model(name, path(name), {'X': x if a == 'text'
                                     else x.astype(keys.dtype)}, SOURCE,
                  {'Y': np.array(want).astype(
                      'S' if b == 'text' else values.dtype).reshape(2, 4)},
                  'the table')
        m.got = m.run()
        if isinstance(m.got, str):
            m.ok(False, 'runs', m.got)
            continue
        got, w = m.got['Y'], m.ref['Y'][0]
        m.ok(got.dtype.kind == w.dtype.kind and got.tolist() == w.tolist()
             or np.array_equal(got, w, equal_nan=b[0] == 'f'),
             'as the table', '%s for %s' % (got, w))


def letters():
    """StringNormalizer's case of every letter that it knows, beside Python;
    stop words beside ONNX Runtime."""
    all_ = [chr(c) for a, b in ((0x20, 0x180), (0x386, 0x3cf), (0x400, 0x530))
            for c in range(a, b)]
    for action, way in (('UPPER', str.upper), ('LOWER', str.lower)):
        known = np.array([c for c in all_ if len(way(c)) == 1
                          and len(way(c).encode()) <= len(c.encode())])
        name = 'case_' + action
        n = node('StringNormalizer', ['X'], ['Y'], domain='',
                 case_change_action=action)
        sk.save(path(name), [n], {'X': (S, ['n'])}, {'Y': (S, ['m'])})
        m = Model(name, path(name), {'X': known}, SOURCE,
                  {'Y': np.array([way(c).encode() for c in known])}, 'Python')
        m.got = m.run()
        m.verdict(m.got, 'as in Python', True)

    n = node('StringNormalizer', ['X'], ['Y'], domain='',
             stopwords=['The', 'A'], case_change_action='UPPER',
             locale='C.UTF-8')
    sk.save(path('stops'), [n], {'X': (S, [1, 'n'])}, {'Y': (S, [1, 'm'])})
    check('stops', {'X': np.array([['the', 'cat', 'A', 'a', 'Dog']])})
    check('stops', {'X': np.array([['the', 'THE']])})


pipeline()
columns()
words()
letters()
encoders()

done()
