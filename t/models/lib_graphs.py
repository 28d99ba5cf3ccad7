"""Random graphs of a few operators: what graphs.t is made of.

A graph is drawn from its number alone: opset 9 to 21, one family of
operators or all of them, values that are reused, some of them outputs, inputs
with symbols for dimensions or without.  Every shape is computed here, so that
the next operator fits.

A value is `exact` while it is made of multiples of 1/4 by operations that do
not round: only such values go where a last bit decides (Floor, comparisons,
ArgMax, conversions to integers).  What is divided by, and what a logarithm or
a root is taken of, is positive data of its own.
"""

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from lib_graph_ops import FAMILIES, Operators, Skip

F, B = np.float32, np.bool_
KIND = {np.dtype(np.float32): TensorProto.FLOAT,
        np.dtype(np.float64): TensorProto.DOUBLE,
        np.dtype(np.int8): TensorProto.INT8,
        np.dtype(np.uint8): TensorProto.UINT8,
        np.dtype(np.int32): TensorProto.INT32,
        np.dtype(np.int64): TensorProto.INT64,
        np.dtype(np.bool_): TensorProto.BOOL}

MOST = 6000                     # elements of an input
OUT_MOST = 150000               # of a result


class Value:
    def __init__(self, name, dtype, shape, exact):
        self.name, self.exact = name, exact
        self.dtype, self.shape = np.dtype(dtype), tuple(shape)
        self.rank = len(self.shape)
        self.size = int(np.prod(self.shape, dtype=np.int64))


class Graph(Operators):
    def __init__(self, number):
        self.rng = np.random.default_rng(number)
        self.opset = self.int(9, 21)
        self.family = self.one(list(FAMILIES) + ['all', 'all'])
        self.empty = self.chance(.05)
        self.symbols = self.chance(.35)
        self.names = 0
        self.nodes, self.inits, self.feeds, self.values = [], [], {}, []
        self.used = set()
        self.grow(self.int(3, 14))

    # -- what is drawn

    def one(self, items):
        return items[int(self.rng.integers(len(items)))]

    def int(self, lo, hi):
        return int(self.rng.integers(lo, hi + 1))

    def chance(self, p):
        return self.rng.random() < p

    def some(self, n, least=1):
        """Axes of n, in any order."""
        if n == 0:
            return []
        return [int(a) for a in self.rng.choice(
            n, self.int(min(least, n), n), False)]

    def dim(self, small=False):
        if self.empty and self.chance(.1):
            return 0
        return self.one([1, 1, 2, 3, 4, 5, 7, 8]
                        + ([] if small else [9, 16, 17, 31, 32, 33, 64, 65]))

    def shape(self, rank=None):
        rank = self.one([0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6]) \
            if rank is None else rank
        for _ in range(20):
            dims = [self.dim(rank > 2) for _ in range(rank)]
            if np.prod(dims) <= MOST:
                return dims
        return [2] * rank

    def data(self, shape, dtype, lo=None, hi=None):
        """Multiples of 1/4, integers of [lo, hi], or bools."""
        dtype, shape = np.dtype(dtype), tuple(shape)
        if dtype == B:
            return self.rng.random(shape) < .5
        if dtype.kind == 'f':
            wide = self.one([1, 4, 12])
            return np.asarray(np.round(self.rng.standard_normal(shape) * wide)
                              / 4).astype(dtype)
        lo = (0 if dtype.kind == 'u' else -10) if lo is None else lo
        return self.rng.integers(lo, (10 if hi is None else hi) + 1,
                                 shape).astype(dtype)

    # -- what the graph is made of

    def name(self, letter):
        self.names += 1
        return '%s%d' % (letter, self.names)

    def feed(self, array):
        array = np.asarray(array)
        v = Value(self.name('x'), array.dtype, array.shape, True)
        self.feeds[v.name] = array
        self.values.append(v)
        return v

    def input(self, dtype=F, shape=None, **kw):
        return self.feed(self.data(self.shape() if shape is None else shape,
                                   dtype, **kw))

    def const(self, array, dtype=None):
        array = np.asarray(array, dtype)
        v = Value(self.name('c'), array.dtype, array.shape, True)
        self.inits.append(numpy_helper.from_array(array, v.name))
        return v

    def weight(self, shape, dtype=F, constant=.8, **kw):
        array = self.data(shape, dtype, **kw)
        return self.const(array) if self.chance(constant) else \
            self.feed(array)

    def positive(self, shape, constant=.5):
        array = np.asarray(np.abs(self.data(shape, F)) + F(.25))
        return self.const(array) if self.chance(constant) else \
            self.feed(array)

    def pick(self, good, make, fresh=.1):
        """A value, the latest ones first; or a new one."""
        fit = [v for v in self.values if good(v)]
        if not fit or self.chance(fresh):
            return make()
        weight = np.arange(1, len(fit) + 1, dtype=float) ** 2
        return fit[int(self.rng.choice(len(fit), p=weight / weight.sum()))]

    def floats(self, lo=0, hi=7, exact=False):
        return self.pick(
            lambda v: v.dtype == F and lo <= v.rank <= hi
            and (v.exact or not exact),
            lambda: self.input(F, self.shape(self.int(lo, min(hi, 5)))))

    def any(self, dtypes='fiub', lo=0):
        return self.pick(
            lambda v: v.dtype.kind in dtypes and v.rank >= lo,
            lambda: self.input(self.one(
                [d for d in (F, F, np.int32, np.int64, B)
                 if np.dtype(d).kind in dtypes]), self.shape(
                     self.int(lo, 5))))

    def node(self, op, ins, outs, exact=False, **attr):
        """outs: (dtype, shape) of each."""
        made = [Value(self.name('v'), d, s, exact) for d, s in outs]
        if max(v.size for v in made) > OUT_MOST or made[0].rank > 7:
            raise Skip
        names = [v.name if v is not None else '' for v in ins]
        while names[-1] == '':
            names.pop()
        self.nodes.append(helper.make_node(op, names,
                                           [v.name for v in made], **attr))
        self.used.update(names)
        self.values += made
        return made[0]

    # -- the whole

    def grow(self, n):
        ops = {}
        for k, family in FAMILIES.items():
            if self.family in (k, 'all'):
                for op, weight in family.items():
                    ops[op] = ops.get(op, 0) + weight
        p = np.array(list(ops.values()), float)

        for _ in range(100):
            if len(self.nodes) >= n:
                break
            op = list(ops)[int(self.rng.choice(len(ops), p=p / p.sum()))]
            old = (len(self.nodes), len(self.inits), len(self.values),
                   dict(self.feeds), set(self.used))
            try:
                getattr(self, op)()
            except Skip:
                del self.nodes[old[0]:], self.inits[old[1]:]
                del self.values[old[2]:]
                self.feeds, self.used = old[3:]

    def model(self):
        """The model; its inputs are in feeds."""
        made = {o for n in self.nodes for o in n.output}
        read = {i for n in self.nodes for i in n.input}
        m = ModelProto(ir_version=10 if self.opset > 18 else 8,
                       producer_name='maas-tests')
        m.opset_import.add(domain='', version=self.opset)
        m.graph.name = 'graph'
        m.graph.node.extend(self.nodes)
        m.graph.initializer.extend(self.inits)
        self.feeds = {k: v for k, v in self.feeds.items() if k in read}
        for k, a in self.feeds.items():
            dims = ['%s_%d' % (k, i) if self.symbols and self.chance(.6)
                    else d for i, d in enumerate(a.shape)]
            m.graph.input.append(helper.make_tensor_value_info(
                k, KIND[a.dtype], dims))
        for v in self.values:
            if v.name in made and (v.name not in self.used
                                   or self.chance(.1)):
                m.graph.output.append(ValueInfoProto(name=v.name))
        return m
