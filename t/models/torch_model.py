"""A PyTorch module through `maas run` and over HTTP, in several shapes.

Two oracles: PyTorch itself and ONNX Runtime on the exported graph.  The
limits are those of lib_models.py; the spread of a comparison with PyTorch is
the distance between the two oracles, which must agree themselves: relative
L2 <= 1e-4, so that an export which says something else is noticed.
"""

import os
import sys
import time

import onnx

sys.dont_write_bytecode = True

import torch_export
from lib_models import BUILD, RTOL, WORK, Model, judge, oracle, relative, save
from lib_server import Server

# Two implementations that compute the same thing in another order.
AGREE = RTOL, 1e-3, 1e-4


def exported(name):
    """(case, path) of a case of torch_export.py, exported."""
    c = torch_export.build(name)
    path = '%s/%s.onnx' % (WORK, name)
    os.makedirs(WORK, exist_ok=True)
    torch_export.export(c, path)
    return c, path


class TorchModel(Model):
    agree = AGREE

    def __init__(self, name, change=None):
        """change: (prefix of the name, function of ModelProto and sets that
        gives another model, dtype of its floats)."""
        c, path = exported(name)
        self.axes = c.axes
        self.sets = [torch_export.feeds(c, i) for i in range(len(c.sets))]
        self.torch = [torch_export.answers(c, i) for i in range(len(c.sets))]
        source = 'PyTorch: %s, opset %d' % (c.origin, c.opset)
        if change is not None:
            prefix, function, kind = change
            name, source = prefix + name, source + ', ' + function.__doc__
            model = function(onnx.load(path), self.sets)
            path = '%s/%s.onnx' % (WORK, name)
            onnx.save(model, path)
            self.sets = [cast(s, kind) for s in self.sets]
            self.torch = [cast(s, kind) for s in self.torch]
        super().__init__(name, path, self.sets[0], source, self.torch[0],
                         'PyTorch, ONNX Runtime')
        self.at = 0
        self.ort = self.ask()

    def ask(self):
        """ONNX Runtime's answers to every set."""
        runs = []
        for i, inputs in enumerate(self.sets):
            os.makedirs('%s/set%d' % (self.dir, i))
            runs.append(save('%s/set%d' % (self.dir, i), inputs))
        got = oracle(self.path, runs, self.dir)
        if not self.ok(not isinstance(got, str), 'ONNX Runtime runs it',
                       str(got)[:2000]):
            return None
        for i, answer in enumerate(got):
            why = []
            for k, want in self.torch[i].items():
                bad = judge(answer[k][0], want, limits=self.agree)[3]
                why += [k + ': ' + bad] if bad else []
            self.ok(not why, 'set %d: PyTorch and ONNX Runtime agree' % i,
                    '\n'.join(why))
        return got

    def verdict(self, got, text, table=False):
        """Compares with both oracles."""
        if self.ort is None:
            return False
        ort = self.ort[self.at]
        self.refer(ort)
        good = super().verdict(got, text, table)
        if isinstance(got, str):
            return False
        self.refer({k: (v, ort[k][0]) for k, v in self.torch[self.at].items()})
        return super().verdict(got, text + ': PyTorch', table) and good

    def shapes(self):
        """The other sets; what came out of each, for the server."""
        got = [self.got]
        for i in range(1, len(self.sets)):
            self.at, self.inputs = i, self.sets[i]
            self.files = save(self.dir, self.inputs)
            got.append(self.run())
            text = 'x'.join(map(str, next(iter(self.inputs.values())).shape))
            self.verdict(got[-1], 'shape ' + text, True)
        self.mark('%d shapes' % len(self.sets))
        return got

    def served(self, got):
        """One server, every shape, then the first once more: the bits of
        maas run, whatever plan was made before."""
        try:
            with Server({self.name: self.path}, BUILD, WORK) as s:
                for i in list(range(len(got))) + [0]:
                    self.same(s.infer(self.name, self.sets[i]), got[i],
                              'over HTTP the same bits, set %d' % i)
        except AssertionError as e:
            self.ok(False, 'over HTTP', str(e))
        self.mark('HTTP')

    def batch(self):
        """Axis of the batch in each input and output, 0 where it has none
        in the export."""
        return {k: next((i for i, a in axes.items() if a == 'batch'), 0)
                for k, axes in self.axes.items()}

    def check_all(self, levels=(), batch=False, planned=True):
        start = time.time()
        self.check(levels, None, planned, http=False)
        if not isinstance(self.got, str) and self.ort is not None:
            if batch:
                self.rows(self.sets[0], self.batch())
            self.served(self.shapes())
        print('# %s: %.1f s with all shapes' % (self.name,
                                                time.time() - start))


def cast(tensors, kind):
    return {k: v.astype(kind) if v.dtype.kind == 'f' else v
            for k, v in tensors.items()}


# -- other numbers -----------------------------------------------------------

class Changed(TorchModel):
    """A graph in other numbers.  It means what the float32 module means as
    far as these numbers reach, `loss` in relative L2; how it is computed is
    compared with ONNX Runtime."""

    def __init__(self, name, change, limits, loss):
        self.limits, self.loss = limits, loss
        super().__init__(name, change)
        self.oracle = 'ONNX Runtime'

    def ask(self):
        self.agree = float('inf'), 0, self.loss
        return super().ask()

    def verdict(self, got, text, table=False):
        if self.ort is None:
            return False
        self.refer(self.ort[self.at])
        good = Model.verdict(self, got, text, table)
        if isinstance(got, str):
            return False
        far = max(relative(got[k], v)
                  for k, v in self.torch[self.at].items())
        return self.ok(far <= self.loss, '%s: relative L2 to the float32 '
                       'module' % text, '%.3g, limit %.3g' % (far, self.loss)
                       ) and good
