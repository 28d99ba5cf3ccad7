"""The operators of lib_graphs.py: each draws its operands and attributes,
computes the shape of its result, or raises Skip where it does not fit."""

import numpy as np

F, I32, I64, U8, I8, B = (np.float32, np.int32, np.int64, np.uint8, np.int8,
                          np.bool_)

# Weights of the operators of a family.
FAMILIES = {
    'elements': dict(unary=4, steps=1, binary=6, divide=1, integers=1,
                     several=3, compare=2, logic=1, where=2, cast=2, clip=2,
                     reduce=1, expand=1, squeeze=1),
    'movement': dict(reshape=3, transpose=3, squeeze=2, slice=3, concat=4,
                     split=3, gather=2, scatter=1, pad=2, tile=1, expand=1,
                     binary=3, unary=2, several=1, extents=1, depth=1,
                     triangle=1, running=1),
    'images': dict(conv=8, pool=3, batchnorm=2, unary=2, binary=3, concat=2,
                   split=1, whole=1, resize=1, prelu=1, transposed=1, clip=1,
                   instance=1, pad=1, depth=1, swish=1, reduce=1, slice=1),
    'products': dict(matmul=5, gemm=2, unary=2, binary=3, softmax=2,
                     layernorm=2, swish=1, attention=1, transpose=2,
                     reshape=1, gather=1, concat=1, split=1, reduce=1,
                     recurrent=1),
    'bytes': dict(quantize=3, dequantize=2, bytesmul=3, bytesconv=3, conv=1,
                  matmul=1, unary=1, reshape=1, transpose=1, concat=1),
}


class Skip(Exception):
    pass


def together(*shapes):
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise Skip from None


class Operators:

    # -- elementwise

    def fits(self, shape):
        """A shape that broadcasts with this one."""
        how = self.rng.random()
        if how < .4:
            return list(shape)
        dims = [d if self.chance(.6) else 1 for d in shape]
        return dims[self.int(0, len(dims)):] if how < .7 else dims

    def other(self, x, exact=False):
        """Another operand for an operation with x."""
        fit = []
        for v in self.values:
            if v.dtype == x.dtype and v is not x and (v.exact or not exact):
                try:
                    size = np.prod(np.broadcast_shapes(v.shape, x.shape))
                except ValueError:
                    continue
                if size <= 4 * max(x.size, 1000):
                    fit.append(v)
        if fit and self.chance(.6):
            return self.one(fit)
        return self.weight(self.fits(x.shape), x.dtype, .4)

    def unary(self):
        x = self.floats()
        op = self.one(['Abs', 'Neg', 'Relu', 'Relu', 'Sigmoid', 'Tanh', 'Erf',
                       'Softplus', 'Softsign', 'Identity', 'Elu', 'Selu',
                       'LeakyRelu', 'HardSigmoid', 'Atan', 'Sin', 'Cos']
                      + ['HardSwish'] * (self.opset >= 14)
                      + ['Mish'] * (self.opset >= 18)
                      + ['Gelu'] * (self.opset >= 20))
        attr = dict(alpha=self.one([.25, .5, 1.])) \
            if op in ('Elu', 'LeakyRelu', 'HardSigmoid') else {}
        self.node(op, [x], [(F, x.shape)],
                  x.exact and op in ('Abs', 'Neg', 'Relu', 'Identity'),
                  **attr)

    def steps(self):
        x = self.floats(exact=True)
        self.node(self.one(['Floor', 'Ceil', 'Sign']
                           + ['Round'] * (self.opset >= 11)),
                  [x], [(F, x.shape)], True)

    def binary(self):
        x = self.any('fi')
        if x.dtype.itemsize < 4:
            raise Skip
        y = self.other(x)
        if self.chance(.05):
            y = x
        op = self.one(['Add', 'Add', 'Sub', 'Mul'])
        if op == 'Mul' and x.dtype.kind != 'f':
            op = 'Add'
        ins = [x, y] if self.chance(.6) else [y, x]
        self.node(op, ins, [(x.dtype, together(x.shape, y.shape))],
                  x.exact and y.exact and op != 'Mul')

    def divide(self):
        x = self.floats()
        y = self.positive(self.fits(x.shape))
        how = self.int(0, 3)
        if how == 0:
            self.node(self.one(['Sqrt', 'Log', 'Reciprocal']), [y],
                      [(F, y.shape)])
        elif how == 1:
            z = self.const(self.one([2., .5, -1., 1.5]), F)
            self.node('Pow', [y, z], [(F, y.shape)])
        else:
            self.node('Div', [x, y], [(F, together(x.shape, y.shape))])

    def integers(self):
        x = self.pick(lambda v: v.dtype in (I32, I64),
                      lambda: self.input(self.one([I32, I64])))
        shape = self.fits(x.shape)
        by = self.data(shape, x.dtype, 1, 7)
        by = np.where(self.rng.random(by.shape) < .4, -by, by)
        by = self.const(by, x.dtype)
        op = self.one(['Div', 'Mod']) if self.opset >= 10 else 'Div'
        attr = dict(fmod=self.int(0, 1)) if op == 'Mod' else {}
        self.node(op, [x, by], [(x.dtype, together(x.shape, shape))], True,
                  **attr)

    def several(self):
        x = self.floats()
        ins = [x] + [self.other(x) for _ in range(self.int(0, 3))]
        if self.chance(.2):
            ins.append(x)
        self.rng.shuffle(ins)
        op = self.one(['Max', 'Min', 'Sum', 'Mean'])
        self.node(op, list(ins), [(F, together(*[v.shape for v in ins]))],
                  op in ('Max', 'Min') and all(v.exact for v in ins))

    def compare(self):
        x = self.floats(exact=True)
        y = self.other(x, exact=True)
        self.node(self.one(['Greater', 'Less']
                           + ['Equal'] * (self.opset >= 11)
                           + ['GreaterOrEqual'] * (self.opset >= 12)),
                  [x, y], [(B, together(x.shape, y.shape))], True)

    def logic(self):
        x = self.pick(lambda v: v.dtype == B, lambda: self.input(B))
        if self.chance(.3):
            self.node('Not', [x], [(B, x.shape)], True)
            return
        y = self.other(x)
        self.node(self.one(['And', 'Or', 'Xor']), [x, y],
                  [(B, together(x.shape, y.shape))], True)

    def where(self):
        x = self.any('fi')
        y = self.other(x)
        if x.dtype.itemsize < 4:
            raise Skip
        shape = together(x.shape, y.shape)
        q = self.input(B, self.fits(shape))
        self.node('Where', [q, x, y], [(x.dtype, shape)],
                  x.exact and y.exact)

    def cast(self):
        x = self.any()
        to = np.dtype(self.one([F, F, I32, I64, B, np.float64]))
        if x.dtype.kind == 'f' and to.kind != 'f' and not x.exact:
            raise Skip
        kind = {'float32': 1, 'int32': 6, 'int64': 7, 'bool': 9,
                'float64': 11}[to.name]
        self.node('Cast', [x], [(to, x.shape)], x.exact, to=kind)

    def clip(self):
        x = self.floats()
        lo, hi = self.one([(-2., 1.), (0., 6.), (0., .5), (-1., 2.)])
        if self.opset < 11:
            self.node('Clip', [x], [(F, x.shape)], x.exact, min=lo, max=hi)
            return
        self.node('Clip', [x, self.const(lo, F) if self.chance(.8) else None,
                           self.const(hi, F) if self.chance(.8) else None],
                  [(F, x.shape)], x.exact)

    def prelu(self):
        x = self.image()
        self.node('PRelu', [x, self.weight([x.shape[1]]
                                           + [1] * (x.rank - 2))],
                  [(F, x.shape)])

    def swish(self):
        """Spellings that passes know."""
        x = self.floats(lo=1)
        out = [(F, x.shape)]
        if self.chance(.4):
            self.node('Mul', [x, self.node('Sigmoid', [x], out)], out)
            return
        y = self.node('Div', [x, self.const(1.4142135, F)], out)
        y = self.node('Add', [self.node('Erf', [y], out), self.const(1, F)],
                      out)
        if self.chance(.5):
            y = self.node('Mul', [x, y], out)
            self.node('Mul', [y, self.const(.5, F)], out)
        else:
            z = self.node('Mul', [x, self.const(.5, F)], out)
            self.node('Mul', [z, y], out)

    # -- movement

    def keep(self, op, ins, shape, **attr):
        return self.node(op, ins, [(ins[0].dtype, shape)], ins[0].exact,
                         **attr)

    def reshape(self):
        x = self.any()
        if x.size == 0:
            raise Skip
        if self.chance(.2) and x.rank:
            axis = self.int(0, x.rank)
            self.keep('Flatten', [x], [int(np.prod(x.shape[:axis])),
                                       int(np.prod(x.shape[axis:]))],
                      axis=axis)
            return
        dims, left = [1] * self.int(1, 5), x.size
        for p in (2, 3, 5, 7, 11, 13, 31):
            while left % p == 0:
                dims[self.int(0, len(dims) - 1)] *= p
                left //= p
        dims[0] *= left
        spec = list(dims)
        if self.chance(.5):
            spec[self.int(0, len(spec) - 1)] = -1
        self.keep('Reshape', [x, self.const(spec, I64)], dims)

    def transpose(self):
        x = self.any(lo=1)
        order = [int(i) for i in self.rng.permutation(x.rank)]
        self.keep('Transpose', [x], [x.shape[i] for i in order], perm=order)

    def squeeze(self):
        x = self.any()
        ones = [i for i, d in enumerate(x.shape) if d == 1]
        if ones and self.chance(.5):
            op, axes = 'Squeeze', sorted(ones[i] for i in self.some(
                len(ones)))
            dims = [d for i, d in enumerate(x.shape) if i not in axes]
        else:
            op, axes = 'Unsqueeze', [self.int(0, x.rank)]
            dims = list(x.shape)
            dims.insert(axes[0], 1)
        if self.opset >= 13:
            self.keep(op, [x, self.const(axes, I64)], dims)
        else:
            self.keep(op, [x], dims, axes=axes)

    def slice(self):
        x = self.any(lo=1)
        axes = self.some(x.rank)
        first, last, step, dims = [], [], [], list(x.shape)
        for a in axes:
            n = x.shape[a]
            s = self.one([1, 1, 1, 2, 3, -1, -2]) if self.opset >= 10 else 1
            b, e = self.int(-n, n + 1), self.int(-n - 1, n + 1)
            if s > 0 and self.chance(.2):
                e = 2 ** 31 - 1
            stop = e if s > 0 or e >= -n else None
            dims[a] = len(range(*slice(b, stop, s).indices(n)))
            first.append(b), last.append(e), step.append(s)
        if 0 in dims and self.chance(.9):
            raise Skip
        if self.opset < 10:
            self.keep('Slice', [x], dims, starts=first, ends=last, axes=axes)
        else:
            kind = self.one([I32, I64])
            self.keep('Slice', [x] + [self.const(v, kind) for v in (
                first, last, axes, step)], dims)

    def concat(self):
        x = self.any(lo=1)
        a = self.int(0, x.rank - 1)
        ins = [x]
        for _ in range(self.int(0, 3)):
            fit = [v for v in self.values
                   if v.dtype == x.dtype and v.rank == x.rank
                   and v.shape[:a] == x.shape[:a]
                   and v.shape[a + 1:] == x.shape[a + 1:]]
            dims = list(x.shape)
            dims[a] = self.dim(True)
            ins.append(self.one(fit) if self.chance(.6)
                       else self.weight(dims, x.dtype, .3))
        self.rng.shuffle(ins)
        dims = list(x.shape)
        dims[a] = sum(v.shape[a] for v in ins)
        self.node('Concat', list(ins), [(x.dtype, dims)],
                  all(v.exact for v in ins), axis=a)

    def split(self):
        x = self.any(lo=1)
        a, k = self.int(0, x.rank - 1), self.int(1, 4)
        n = x.shape[a]
        cut = sorted(int(i) for i in self.rng.integers(1, max(n, 2), k - 1))
        size = [e - b for b, e in zip([0] + cut, cut + [n])]
        if self.chance(.5) and n % k == 0:
            size = [n // k] * k
        if min(size) < 1:
            raise Skip
        outs = [(x.dtype, x.shape[:a] + (s,) + x.shape[a + 1:])
                for s in size]
        if self.opset >= 13:
            self.node('Split', [x, self.const(size, I64)], outs, x.exact,
                      axis=a)
        else:
            self.node('Split', [x], outs, x.exact, axis=a, split=size)

    def gather(self):
        x = self.any(lo=1)
        a = self.int(0, x.rank - 1)
        n = x.shape[a]
        if n == 0:
            raise Skip
        dims = [min(d, 6) for d in self.shape(self.int(0, 2))]
        at = self.rng.integers(-n if self.opset >= 11 else 0, n, dims)
        at = np.asarray(at, self.one([I32, I64]))
        at = self.const(at) if self.chance(.6) else self.feed(at)
        self.keep('Gather', [x, at], list(x.shape[:a]) + dims
                  + list(x.shape[a + 1:]), axis=a)

    def scatter(self):
        x = self.any('fi', lo=1)
        if 0 in x.shape or self.opset < 11:
            raise Skip
        a = self.int(0, x.rank - 1)
        dims = [self.int(1, d) for d in x.shape]
        at = np.argsort(self.rng.random(
            dims[:a] + [x.shape[a]] + dims[a + 1:]), axis=a)
        at = np.take(at, range(dims[a]), a)
        self.keep('ScatterElements', [x, self.const(at, I64),
                                      self.weight(dims, x.dtype)], x.shape,
                  axis=a)

    def pad(self):
        x = self.floats(lo=1)
        mode = self.one(['constant', 'constant', 'edge', 'reflect'])
        pads = [self.one([0, 0, 1, 2]) for _ in range(2 * x.rank)]
        if mode == 'reflect':
            pads = [min(p, x.shape[i % x.rank] - 1)
                    for i, p in enumerate(pads)]
        if min(pads) < 0 or (0 in x.shape and mode != 'constant'):
            raise Skip
        dims = [d + pads[i] + pads[i + x.rank]
                for i, d in enumerate(x.shape)]
        if self.opset < 11:
            self.keep('Pad', [x], dims, mode=mode, pads=pads)
        else:
            self.keep('Pad', [x, self.const(pads, I64)]
                      + ([self.const(2.5, F)] if mode == 'constant' else []),
                      dims, mode=mode)

    def tile(self):
        x = self.any(lo=1)
        times = [self.one([1, 1, 2, 3]) for _ in x.shape]
        self.keep('Tile', [x, self.const(times, I64)],
                  [a * b for a, b in zip(times, x.shape)])

    def expand(self):
        x = self.any(lo=1)
        dims = [self.one([1, 2, 3]) if d == 1 else self.one([1, d])
                for d in x.shape]
        dims = [self.int(1, 3)] + dims if self.chance(.3) else dims
        self.keep('Expand', [x, self.const(dims, I64)],
                  together(x.shape, dims))

    def extents(self):
        """A Reshape whose target a graph computes."""
        x = self.any(lo=1)
        if x.size == 0:
            raise Skip
        v = self.node('Shape', [x], [(I64, [x.rank])], True)
        v = self.node('Gather', [v, self.const([0], I64)], [(I64, [1])],
                      True, axis=0)
        v = self.node('Concat', [v, self.const([-1], I64)], [(I64, [2])],
                      True, axis=0)
        self.keep('Reshape', [x, v],
                  [x.shape[0], x.size // x.shape[0]])

    def depth(self):
        x = self.image(2)
        n, c, h, w = x.shape
        b = self.int(2, 3)
        if c % (b * b) == 0 and c:
            self.keep('DepthToSpace', [x], [n, c // b // b, h * b, w * b],
                      blocksize=b)
        elif h % b == 0 and w % b == 0:
            self.keep('SpaceToDepth', [x], [n, c * b * b, h // b, w // b],
                      blocksize=b)
        else:
            raise Skip

    def triangle(self):
        x = self.floats(lo=2)
        if self.opset < 14:
            raise Skip
        self.keep('Trilu', [x, self.const(self.int(-5, 5), I64)], x.shape,
                  upper=self.int(0, 1))

    def running(self):
        x = self.floats(lo=1)
        if self.opset < 11:
            raise Skip
        self.node('CumSum', [x, self.const(self.int(0, x.rank - 1), I32)],
                  [(F, x.shape)], exclusive=self.int(0, 1),
                  reverse=self.int(0, 1))

    # -- rows

    def reduce(self):
        x = self.floats(lo=1)
        op = self.one(['Sum', 'Mean', 'Max', 'Min', 'L1', 'L2', 'SumSquare'])
        axes = sorted(self.some(x.rank))
        if 0 in x.shape:
            raise Skip
        keep = self.int(0, 1)
        dims = [1 if i in axes else d for i, d in enumerate(x.shape)
                if keep or i not in axes]
        if self.chance(.15) and x.exact:
            a = axes[0]
            dims = [1 if i == a else d for i, d in enumerate(x.shape)
                    if keep or i != a]
            self.node(self.one(['ArgMax', 'ArgMin']), [x], [(I64, dims)],
                      True, axis=a, keepdims=keep)
        elif self.opset >= (13 if op == 'Sum' else 18):
            self.node('Reduce' + op, [x, self.const(axes, I64)], [(F, dims)],
                      op in ('Max', 'Min') and x.exact, keepdims=keep)
        else:
            self.node('Reduce' + op, [x], [(F, dims)],
                      op in ('Max', 'Min') and x.exact, axes=axes,
                      keepdims=keep)

    def softmax(self):
        x = self.floats(lo=1)
        self.node(self.one(['Softmax', 'Softmax', 'LogSoftmax']), [x],
                  [(F, x.shape)], axis=self.int(0, x.rank - 1))

    def mean_of(self, x):
        out = [(F, list(x.shape[:-1]) + [1])]
        if self.opset >= 18:
            return self.node('ReduceMean', [x, self.const([-1], I64)], out)
        return self.node('ReduceMean', [x], out, axes=[x.rank - 1])

    def layernorm(self):
        """As exporters write it, or the operator."""
        x = self.input(F, self.shape(self.int(2, 4)))
        out = [(F, x.shape)]
        n = x.shape[-1]
        if n < 2:
            raise Skip
        if self.opset >= 17 and self.chance(.5):
            self.node('LayerNormalization', [x, self.weight([n]),
                                             self.weight([n])], out)
            return
        d = self.node('Sub', [x, self.mean_of(x)], out)
        v = self.mean_of(self.node('Pow', [d, self.const(2, F)], out))
        row = [(F, v.shape)]
        v = self.node('Add', [v, self.const(.01, F)], row)
        y = self.node('Div', [d, self.node('Sqrt', [v], row)], out)
        y = self.node('Mul', [y, self.weight([n])], out)
        self.node('Add', [y, self.weight([n])], out)

    # -- products

    def matmul(self):
        x = self.floats(lo=1, hi=5)
        k = x.shape[-1]
        dims = [k, self.dim()]
        if x.rank > 2 and self.chance(.3):
            dims = self.fits(x.shape[:-2]) + dims
        elif self.chance(.15):
            dims = [k]
        y = self.weight(dims)
        if y.rank == 1:
            out = list(x.shape[:-1])
        elif x.rank == 1:
            out = list(y.shape[:-2]) + [y.shape[-1]]
        else:
            out = list(together(x.shape[:-2], y.shape[:-2])) + [
                x.shape[-2], y.shape[-1]]
        v = self.node('MatMul', [x, y], [(F, out)])
        if out and self.chance(.5):
            v = self.node('Add', [v, self.weight([out[-1]])], [(F, out)])
            self.node('Relu', [v], [(F, out)])

    def gemm(self):
        x = self.floats(lo=2, hi=2)
        ta, tb = self.int(0, 1), self.int(0, 1)
        m, k = x.shape[::-1] if ta else x.shape
        n = self.dim()
        c = self.weight(self.one([[n], [1, n], [m, n], [m, 1], []]))
        attr = dict(alpha=.5, beta=self.one([1., 2.])) \
            if self.chance(.3) else {}
        self.node('Gemm', [x, self.weight([n, k] if tb else [k, n]), c],
                  [(F, [m, n])], transA=ta, transB=tb, **attr)

    def attention(self):
        b, s, h = self.int(1, 2), self.int(1, 9), self.int(1, 4)
        d = self.one([1, 3, 8, 16, 17])
        x = self.input(F, [b, s, h * d])
        part = []
        for _ in range(3):
            w = self.const(self.data([h * d, h * d], F) / F(8))
            v = self.node('MatMul', [x, w], [(F, x.shape)])
            v = self.node('Add', [v, self.const(self.data([h * d], F))],
                          [(F, x.shape)])
            part.append(self.keep('Reshape', [v, self.const([0, 0, h, d],
                                                            I64)],
                                  [b, s, h, d]))
        q, k, v = (self.keep('Transpose', [p], [b, h, s, d],
                             perm=[0, 2, 1, 3]) for p in part)
        k = self.keep('Transpose', [k], [b, h, d, s], perm=[0, 1, 3, 2])
        a = self.node('MatMul', [q, k], [(F, [b, h, s, s])])
        a = self.node('Mul', [a, self.const(d ** -.5, F)],
                      [(F, a.shape)])
        if self.chance(.5):
            mask = self.input(F, self.one([[b, 1, 1, s], [s, s],
                                           [b, h, s, s]]))
            a = self.node('Add', [a, mask], [(F, a.shape)])
        a = self.node('Softmax', [a], [(F, a.shape)], axis=3)
        o = self.node('MatMul', [a, v], [(F, [b, h, s, d])])
        o = self.keep('Transpose', [o], [b, s, h, d], perm=[0, 2, 1, 3])
        self.keep('Reshape', [o, self.const([0, 0, h * d], I64)], x.shape)

    def recurrent(self):
        s, b, n, h = (self.int(1, 5) for _ in range(4))
        op, g = self.one([('LSTM', 4), ('GRU', 3), ('RNN', 1)])
        way = self.one(['forward', 'reverse', 'bidirectional'])
        d = 2 if way == 'bidirectional' else 1
        attr = dict(linear_before_reset=self.int(0, 1)) \
            if op == 'GRU' else {}
        lens = self.const(self.rng.integers(1, s + 1, b), I32)
        self.node(op, [self.input(F, [s, b, n]), self.weight([d, g * h, n]),
                       self.weight([d, g * h, h]),
                       self.weight([d, 2 * g * h]),
                       lens if self.chance(.3) else None,
                       self.weight([d, b, h]) if self.chance(.5) else None],
                  [(F, [s, d, b, h]), (F, [d, b, h])], hidden_size=h,
                  direction=way, **attr)

    # -- images

    def channels(self):
        return self.one([1, 2, 3, 4, 8, 15, 16, 16, 17, 24, 32, 32, 33, 48])

    def image(self, nd=None):
        def make():
            k = nd or self.one([1, 2, 2, 2, 2, 3])
            dims = [self.one([1, 1, 2, 3]), self.channels()] + [
                self.one([1, 2, 3, 5, 7, 8, 9, 14, 15, 20])
                for _ in range(k)]
            if np.prod(dims) > 20000:
                raise Skip
            return self.input(F, dims)
        return self.pick(lambda v: v.dtype == F and 3 <= v.rank <= 5
                         and nd in (None, v.rank - 2) and v.size <= 40000
                         and 0 not in v.shape, make, .05)

    def window(self, x, kind='conv'):
        """Attributes, and the extents of the result."""
        nd = x.rank - 2
        k = [self.one([1, 1, 2, 3, 3, 3, 5, 7])] * nd if self.chance(.6) \
            else [self.one([1, 2, 3, 4, 5]) for _ in range(nd)]
        s = [self.one([1, 1, 1, 2, 2, 3])] * nd if self.chance(.8) \
            else [self.int(1, 3) for _ in range(nd)]
        attr = dict(kernel_shape=k, strides=s)
        d = [1] * nd
        if self.chance(.15) and self.opset >= {
                'conv': 9, 'max': 10, 'average': 19}[kind]:
            attr['dilations'] = d = [self.int(1, 3) for _ in range(nd)]
        span = [(a - 1) * b + 1 for a, b in zip(k, d)]
        if self.chance(.15) and max(d) == 1 and all(
                a >= b for a, b in zip(k, s)):
            attr['auto_pad'] = self.one(['SAME_UPPER', 'SAME_LOWER'])
            return attr, [-(-n // a) for n, a in zip(x.shape[2:], s)]
        pads = [min(self.int(0, 3), e - 1) for e in span * 2] \
            if self.chance(.4) else [e // 2 for e in span] * 2
        if kind != 'conv':
            pads = [min(p, k[i % nd] - 1) for i, p in enumerate(pads)]
        attr['pads'] = pads
        ceil = kind != 'conv' and self.opset >= 10 and self.chance(.3)
        if ceil:
            attr['ceil_mode'] = 1
        out = []
        for i, n in enumerate(x.shape[2:]):
            room = n + pads[i] + pads[i + nd] - span[i]
            o = (-(-room // s[i]) if ceil else room // s[i]) + 1
            if ceil and (o - 1) * s[i] >= n + pads[i]:
                o -= 1
            if room < 0 or o < 1:
                raise Skip
            out.append(o)
        return attr, out

    def conv(self):
        x = self.image()
        attr, out = self.window(x)
        c, g, m = x.shape[1], 1, self.channels()
        if self.chance(.35):
            g = c if self.chance(.5) else self.one(
                [i for i in range(1, c + 1) if c % i == 0])
            m = g * self.one([1, 1, 2, 3])
        taps = int(np.prod(attr['kernel_shape']))
        if m * c // g * taps > 100000 or x.size * m // g * taps > 3e7:
            raise Skip
        ins = [x, self.weight([m, c // g] + attr['kernel_shape'],
                              constant=.95)]
        if self.chance(.6):
            ins.append(self.weight([m], constant=.95))
        dims = [x.shape[0], m] + out
        v = self.node('Conv', ins, [(F, dims)], group=g, **attr)
        if self.chance(.3):
            v = self.normed(v)
        if self.chance(.5):
            self.node(self.one(['Relu', 'Relu', 'Sigmoid', 'LeakyRelu',
                                'Tanh']), [v], [(F, dims)])

    def normed(self, x):
        c = [x.shape[1]]
        return self.node('BatchNormalization', [
            x, self.weight(c, constant=1), self.weight(c, constant=1),
            self.weight(c, constant=1), self.positive(c, 1)],
            [(F, x.shape)], epsilon=1e-3)

    def batchnorm(self):
        self.normed(self.image())

    def transposed(self):
        x = self.image()
        nd, c = x.rank - 2, x.shape[1]
        g = c if self.chance(.3) else 1
        m = self.int(1, 5)
        k = [self.int(1, 4) for _ in range(nd)]
        s = [self.int(1, 3) for _ in range(nd)]
        pads = [self.int(0, v // 2) for v in k * 2]
        out = [(n - 1) * s[i] + k[i] - pads[i] - pads[i + nd]
               for i, n in enumerate(x.shape[2:])]
        if min(out) < 1 or x.size * m * np.prod(k) > 1e7:
            raise Skip
        self.node('ConvTranspose', [x, self.weight([c, m] + k, constant=1),
                                    self.weight([m * g], constant=1)],
                  [(F, [x.shape[0], m * g] + out)], group=g, kernel_shape=k,
                  strides=s, pads=pads)

    def pool(self):
        x = self.image()
        op = self.one(['MaxPool', 'MaxPool', 'AveragePool'])
        attr, out = self.window(x, 'max' if op == 'MaxPool' else 'average')
        if op == 'AveragePool':
            attr['count_include_pad'] = self.int(0, 1)
        self.node(op, [x], [(F, list(x.shape[:2]) + out)],
                  x.exact and op == 'MaxPool', **attr)

    def whole(self):
        x = self.image()
        op = self.one(['GlobalAveragePool', 'GlobalMaxPool'])
        self.node(op, [x], [(F, x.shape[:2] + (1,) * (x.rank - 2))],
                  x.exact and op == 'GlobalMaxPool')

    def resize(self):
        x = self.image(2)
        if self.opset < 13:
            raise Skip
        if self.chance(.4):
            return self.scaled(x)
        dims = list(x.shape[:2]) + [self.int(1, 25), self.int(1, 25)]
        self.node('Resize', [x, None, None, self.const(dims, I64)],
                  [(F, dims)], mode=self.one(['linear', 'cubic']),
                  coordinate_transformation_mode=self.one([
                      'half_pixel', 'asymmetric', 'align_corners']))

    def scaled(self, x):
        """Up or down by powers of two: nearest has no ties to round."""
        scales = [self.one([1, 2, 2, 4, .5]) for _ in range(2)]
        dims = [int(np.floor(n * k)) for n, k in zip(x.shape[2:], scales)]
        if min(dims) < 1 or max(dims) > 100:
            raise Skip
        mode = self.one(['nearest', 'nearest', 'linear'])
        attr = {'nearest_mode': 'floor'} if mode == 'nearest' else {}
        v = self.node('Resize', [x, None, self.const([1, 1] + scales, F)],
                      [(F, list(x.shape[:2]) + dims)], mode == 'nearest'
                      and x.exact, mode=mode,
                      coordinate_transformation_mode=self.one([
                          'asymmetric', 'half_pixel'])
                      if mode == 'linear' else 'asymmetric', **attr)
        if self.chance(.4):
            self.node('Add', [v, v] if self.chance(.2)
                      else [self.const(.5, F), v], [(F, v.shape)])

    def instance(self):
        x = self.image()
        if np.prod(x.shape[2:]) < 4 or not x.exact:
            raise Skip
        c = [x.shape[1]]
        self.node('InstanceNormalization', [x, self.weight(c),
                                            self.weight(c)], [(F, x.shape)],
                  epsilon=.01)

    # -- 8 bits

    def quantize(self):
        x = self.floats(exact=True)
        if self.opset < 10:
            raise Skip
        kind = self.one([U8, I8])
        scale = self.const(self.one([.25, .5, .125]), F)
        zero = self.const(self.data([], kind))
        v = self.node('QuantizeLinear', [x, scale, zero], [(kind, x.shape)],
                      True)
        if self.chance(.6):
            self.node('DequantizeLinear', [v, scale, zero], [(F, x.shape)],
                      True)

    def bytes_of(self, lo, kinds=(U8, I8), hi=7):
        return self.pick(lambda v: v.dtype in kinds and lo <= v.rank <= hi
                         and 0 not in v.shape,
                         lambda: self.input(self.one(kinds), self.shape(
                             self.int(lo, min(hi, 4)))))

    def dequantize(self):
        x = self.bytes_of(0)
        if self.opset < 10:
            raise Skip
        self.node('DequantizeLinear', [x, self.const(.0625, F),
                                       self.const(3, x.dtype)],
                  [(F, x.shape)])

    def bytesmul(self):
        x = self.bytes_of(2)
        if self.opset < 10:
            raise Skip
        n, kind = self.dim(), self.one([U8, I8])
        w = self.weight([x.shape[-1], n], kind)
        if self.chance(.4) and (x.dtype == U8 or kind == I8):
            self.linear(x, w, n, kind)
            return
        zero = self.const(self.data([n] if self.chance(.4) else [], kind))
        self.node('MatMulInteger', [x, w, self.const(self.data([], x.dtype)),
                                    zero],
                  [(I32, list(x.shape[:-1]) + [n])], True)

    def linear(self, x, w, n, kind):
        by = self.chance(.4)
        scale = np.array([.25, .5, .125] * n, F)[:n] if by else .25
        self.node('QLinearMatMul', [
            x, self.const(.5, F), self.const(self.data([], x.dtype)), w,
            self.const(scale, F),
            self.const(self.data([n] if by else [], kind)),
            self.const(16, F), self.const(self.data([], x.dtype))],
            [(x.dtype, list(x.shape[:-1]) + [n])], True)

    def bytesconv(self):
        x = self.bytes_of(4, (U8,), 4)
        if self.opset < 10:
            raise Skip
        attr, out = self.window(x)
        c = x.shape[1]
        g = c if self.chance(.3) else 1
        m = g * self.int(1, 3)
        kind = self.one([U8, I8])
        w = self.weight([m, c // g] + attr['kernel_shape'], kind,
                        constant=.95)
        dims = [x.shape[0], m] + out
        if self.chance(.5):
            self.node('ConvInteger', [x, w, self.const(self.int(0, 9), U8)],
                      [(I32, dims)], True, group=g, **attr)
            return
        self.node('QLinearConv', [
            x, self.const(.5, F), self.const(self.int(0, 9), U8), w,
            self.const(.25, F), self.const(0, kind), self.const(1, F),
            self.const(self.int(0, 200), U8)], [(U8, dims)], group=g,
            **attr)
