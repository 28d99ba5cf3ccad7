"""scikit-learn estimators as ONNX models, written with the onnx helper.

Debian has no skl2onnx; what is here is the plain mapping of each fitted
estimator to its operator, for tests and benches.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ML = 'ai.onnx.ml'


def tensor(name, data):
    return numpy_helper.from_array(np.asarray(data), name)


def node(op, inputs, outputs, domain=ML, **attrs):
    """An absent attribute is None."""
    return helper.make_node(op, inputs, outputs, domain=domain, **{
        k: v for k, v in attrs.items() if v is not None})


def save(path, nodes, inputs, outputs, ml=3, opset=15, init=()):
    """inputs, outputs: {name: (onnx type, shape)}; None: no type."""
    def value(name, t):
        return helper.make_tensor_value_info(name, t[0], t[1])
    g = helper.make_graph(nodes, 'sklearn',
                          [value(k, v) for k, v in inputs.items()],
                          [value(k, v) for k, v in outputs.items()],
                          list(init))
    m = helper.make_model(g, opset_imports=[helper.make_opsetid('', opset),
                                            helper.make_opsetid(ML, ml)])
    m.ir_version = 8
    with open(path, 'wb') as f:
        f.write(m.SerializeToString())
    return path


def below(v):
    """float32 thresholds: float32 inputs fall on the same side as of v."""
    v = np.asarray(v, np.float64)
    f = v.astype(np.float32)
    return np.where(f > v, np.nextafter(f, np.float32(-np.inf)), f)


# -- trees -------------------------------------------------------------------

class Forest:
    """trees: [(tree_, scale, first target)]: leaf values times scale go to
    the targets from the first one on; pick: of these values, those that are
    weights."""

    def __init__(self, trees, pick=None):
        self.trees, self.pick = trees, pick

    def leaf(self, t, i, scale, first):
        v = t.value[i].ravel() * scale
        if self.pick is not None:
            v = v[self.pick]
        return [(first + k, float(w)) for k, w in enumerate(v)]

    def old(self, kind):
        """Attributes of TreeEnsembleRegressor ('target') or -Classifier
        ('class')."""
        a = {k: [] for k in ('treeids', 'nodeids', 'featureids', 'values',
                             'modes', 'truenodeids', 'falsenodeids')}
        w = {k: [] for k in ('treeids', 'nodeids', 'ids', 'weights')}
        for k, (t, scale, first) in enumerate(self.trees):
            n = t.node_count
            leaf = t.children_left < 0
            a['treeids'] += [k] * n
            a['nodeids'] += list(range(n))
            a['featureids'] += np.where(leaf, 0, t.feature).tolist()
            a['values'] += np.where(leaf, 0, below(t.threshold)).tolist()
            a['modes'] += np.where(leaf, 'LEAF', 'BRANCH_LEQ').tolist()
            a['truenodeids'] += np.where(leaf, 0, t.children_left).tolist()
            a['falsenodeids'] += np.where(leaf, 0, t.children_right).tolist()
            for i in np.flatnonzero(leaf):
                for target, v in self.leaf(t, i, scale, first):
                    w['treeids'].append(k)
                    w['nodeids'].append(int(i))
                    w['ids'].append(target)
                    w['weights'].append(v)
        return {**{'nodes_' + k: v for k, v in a.items()},
                **{kind + '_' + k: v for k, v in w.items()}}

    def modern(self, dtype=np.float32):
        """Attributes of TreeEnsemble; each leaf has one weight."""
        a = {k: [] for k in ('featureids', 'splits', 'truenodeids',
                             'falsenodeids', 'trueleafs', 'falseleafs')}
        roots, targets, weights = [], [], []
        for t, scale, first in self.trees:
            base = len(a['featureids'])
            number = {}
            for i in np.flatnonzero(t.children_left >= 0):
                number[int(i)] = base + len(number)
            roots.append(base)

            def link(i):
                if i in number:
                    return number[i], 0
                (target, v), = self.leaf(t, i, scale, first)
                targets.append(target)
                weights.append(v)
                return len(targets) - 1, 1

            for i in number:
                a['featureids'].append(int(t.feature[i]))
                a['splits'].append(t.threshold[i])
                for side, child in (('true', t.children_left[i]),
                                    ('false', t.children_right[i])):
                    at, leaf = link(int(child))
                    a[side + 'nodeids'].append(at)
                    a[side + 'leafs'].append(leaf)
        splits = np.asarray(a.pop('splits'))
        splits = splits if dtype == np.float64 else below(splits)
        return {'tree_roots': roots, 'leaf_targetids': targets,
                'leaf_weights': tensor('w', np.asarray(weights, dtype)),
                'nodes_splits': tensor('s', splits.astype(dtype)),
                'nodes_modes': tensor('m', np.zeros(len(splits), np.uint8)),
                **{'nodes_' + k: v for k, v in a.items()}}


def regressor(path, forest, features, base=None, targets=1, **attrs):
    n = node('TreeEnsembleRegressor', ['X'], ['Y'], n_targets=targets,
             base_values=base, **forest.old('target'), **attrs)
    return save(path, [n], {'X': (TensorProto.FLOAT, ['rows', features])},
                {'Y': (TensorProto.FLOAT, ['rows', targets])})


def labels(classes):
    """The attributes of class labels: int64s or strings."""
    if np.asarray(classes).dtype.kind in 'US':
        return {'classlabels_strings': [str(c) for c in classes]}
    return {'classlabels_int64s': [int(c) for c in classes]}


def classified(path, n, features, classes, scores=None, **more):
    """A model of one classifier: label Y, scores Z."""
    text = 'classlabels_strings' in labels(classes)
    return save(path, n if isinstance(n, list) else [n],
                {'X': (TensorProto.FLOAT, ['rows', features])},
                {'Y': (TensorProto.STRING if text else TensorProto.INT64,
                       ['rows']),
                 'Z': (TensorProto.FLOAT, ['rows', scores or len(classes)])},
                **more)


def classifier(path, forest, features, classes, base=None, **attrs):
    n = node('TreeEnsembleClassifier', ['X'], ['Y', 'Z'], base_values=base,
             **labels(classes), **forest.old('class'), **attrs)
    return classified(path, n, features, classes)


# -- vectors -----------------------------------------------------------------

def linear_classifier(m, names=('X', 'Y', 'Z'), post='NONE'):
    """LogisticRegression and its like: all classes have coefficients."""
    w, b = m.coef_, m.intercept_
    if len(m.classes_) == 2:
        w, b = np.vstack([-w, w]), np.hstack([-b, b])
    names_of = {('classlabels_ints' if k == 'classlabels_int64s' else k): v
                for k, v in labels(m.classes_).items()}
    return node('LinearClassifier', [names[0]], list(names[1:]),
                coefficients=w.ravel().tolist(), intercepts=b.tolist(),
                post_transform=post, multi_class=0, **names_of)


def kernel(m):
    return {'kernel_type': {'rbf': 'RBF', 'linear': 'LINEAR', 'poly': 'POLY',
                            'sigmoid': 'SIGMOID'}[m.kernel],
            'kernel_params': [float(m._gamma), float(m.coef0),
                              float(m.degree)]}


def svc(m):
    """One machine for each pair; probabilities where they were trained."""
    names_of = {('classlabels_ints' if k == 'classlabels_int64s' else k): v
                for k, v in labels(m.classes_).items()}
    p = m.probability
    return node('SVMClassifier', ['X'], ['Y', 'Z'],
                coefficients=m._dual_coef_.ravel().tolist(),
                support_vectors=m.support_vectors_.ravel().tolist(),
                vectors_per_class=m.n_support_.tolist(),
                rho=m._intercept_.tolist(),
                prob_a=m._probA.tolist() if p else None,
                prob_b=m._probB.tolist() if p else None,
                post_transform='NONE', **kernel(m), **names_of)


def svr(m, one_class=0):
    return node('SVMRegressor', ['X'], ['Y'],
                coefficients=m.dual_coef_.ravel().tolist(),
                support_vectors=m.support_vectors_.ravel().tolist(),
                rho=m.intercept_.tolist(), n_supports=len(m.support_vectors_),
                one_class=one_class, post_transform='NONE', **kernel(m))
