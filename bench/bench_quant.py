"""Statically quantised networks beside ONNX Runtime.

    bench_quant.py [NAME...] [--turns N] [--threads 1,2]

Takes networks of bench_models.py, finds the ranges of their activations with
one run, and writes QuantizeLinear and DequantizeLinear as quantisers export
them: int8 weights for each channel, uint8 activations, int32 biases; nothing
between a convolution and the Relu or Clip behind it.  Both engines then take
turns.  `numerics exact` rounds after every tensor as the graph says, with
float32 sums between; `fast` and ONNX Runtime run integer kernels.
"""

import argparse
import os
import sys

import numpy as np
import onnx
from onnx import version_converter

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, HERE + '/../t/models')
sys.dont_write_bytecode = True

import quantise
from bench_base import (MAAS, TURNS, WORK, Skip, interval, middle, note, ours,
                        run, say, table, theirs)
from bench_cases import by_name

LIMITS = ('Relu', 'Clip')
NAMES = ['resnet50', 'mobilenetv2', 'squeezenet', 'minilm128']
GATE = 1.10                 # of fast, 1 and 2 threads


class Static(quantise.Writer):
    """Every tensor that a quantised operator reads or makes."""

    kinds = quantise.KINDS + ('Add', 'MaxPool', 'GlobalAveragePool',
                               'Concat')

    def __init__(self, model, ranges):
        super().__init__(model, ranges, False)
        self.users = {}
        for n in model.graph.node:
            for x in n.input:
                self.users.setdefault(x, []).append(n)

    def limited(self, name):
        """A Relu or Clip alone reads it, and is quantised in its place."""
        users = self.users.get(name, [])
        return len(users) == 1 and users[0].op_type in LIMITS

    def other(self, n):
        n.input[:] = [self.activation(x) if x in self.ranges else x
                      for x in n.input]


def wanted(model, text):
    """Tensors that pass through uint8."""
    known = quantise.weights(model.graph)
    kinds = quantise.KINDS if text else Static.kinds
    names = []
    for n in model.graph.node:
        if n.op_type in kinds:
            names += [x for x in n.input if x not in known]
            names += n.output
        elif n.op_type in LIMITS and not text:
            names += n.output
    out = {o.name for o in model.graph.output}
    return [n for n in dict.fromkeys(names) if n not in out]


def static(model, ranges):
    m = quantise.copy(model)
    w = Static(m, ranges)
    for n in m.graph.node:
        if n.op_type in quantise.KINDS:
            w.node(n)
        elif n.op_type in Static.kinds and n.input[0] in ranges:
            w.other(n)
        elif n.op_type not in LIMITS:
            n.input[:] = [w.done.get(x, x) if x in ranges else x
                          for x in n.input]
        w.nodes.append(n)
        for x in n.output:
            if x in ranges and not w.limited(x):
                w.activation(x)
    return quantise.rebuilt(m, w.nodes, w.made)


def ranges_of(model, names, inputs, folder):
    path = folder + '/ranges.onnx'
    onnx.save(quantise.observed(model, names), path)
    run(MAAS, 'compile', path, '-o', folder + '/ranges.maas')
    run(MAAS, 'run', folder + '/ranges.maas', '--output-dir', folder + '/got',
        *sum((['--input', '%s=%s' % x] for x in inputs), []))
    import json
    files = json.load(open(folder + '/got/outputs.json'))
    got = {k: np.load(folder + '/got/' + f) for k, f in files.items()}
    return {k: (float(v.min()), float(v.max())) for k, v in got.items()}


def prepared(case):
    """The quantised model's path, made at first use."""
    path = '%s/%s_qdq.onnx' % (WORK, case.name)
    source = case.path(case.same)
    inputs = case.inputs(source)
    if not os.path.exists(path):
        model = onnx.load(source)
        if model.opset_import[0].version < 13:
            model = version_converter.convert_version(model, 13)
        folder = '%s/%s_qdq' % (WORK, case.name)
        os.makedirs(folder, exist_ok=True)
        text = 'bert' in case.name or 'minilm' in case.name
        names = wanted(model, text)
        onnx.save(static(model, ranges_of(model, names, inputs, folder)),
                  path)
    return path, inputs


def measure(name, threads, turns):
    case = by_name(name)
    path, inputs = prepared(case)
    rows, images = [], {}
    for numerics in ('exact', 'fast'):
        images[numerics] = '%s/%s_qdq.%s.maas' % (WORK, name, numerics)
        run(MAAS, 'compile', path, '-o', images[numerics], '--numerics',
            numerics)
    size = os.path.getsize(images['fast']) / os.path.getsize(path)
    for t in threads:
        note('%s, quantised, %d threads' % (name, t))
        sides = [ours(images['exact'], inputs, t),
                 theirs(path, inputs, t), ours(images['fast'], inputs, t)]
        got = [[s.ask()['median_ms'] for s in sides] for _ in range(turns)]
        for s in sides:
            s.close()
        a, b, c = (middle([g[i] for g in got]) for i in range(3))
        fast = [g[2] / g[1] for g in got]
        low, high = interval(fast)
        gate = GATE if name in NAMES else None
        rows.append([name, str(t), '%.2f' % a, '%.2f' % c, '%.2f' % b,
                     '%.2f' % middle([g[0] / g[1] for g in got]),
                     '%.2f' % middle(fast), '%.2f - %.2f' % (low, high),
                     '%.2f' % gate if gate else '',
                     '' if not gate else 'pass' if high <= gate
                     else 'MISSED', '%.2f' % size])
    note('')
    return rows


def main(names=NAMES, threads=(1, 2), turns=TURNS):
    rows, skipped = [], []
    for name in names:
        try:
            rows += measure(name, threads, turns)
        except Skip as e:
            skipped.append('%s: %s' % (name, e))
    say()
    say('## Quantised networks')
    say()
    say('The networks above with QuantizeLinear and DequantizeLinear about '
        'every tensor: int8 weights for each channel, uint8 activations '
        '(bench/bench_quant.py). `exact` sums in float32 as the graph says, '
        '`fast` in integers, as ONNX Runtime does on the same file; ratios '
        'are the median of %d turns, the interval at 95 %% and the gate are '
        "of `fast`; image: its bytes by the model file's." % turns)
    say()
    table(['network', 'threads', 'exact ms', 'fast ms', 'ORT ms', 'exact',
           'fast', 'interval', 'gate', 'verdict', 'image'], rows)
    for text in skipped:
        say()
        say('Not measured: ' + text)


def cli():
    p = argparse.ArgumentParser()
    p.add_argument('names', nargs='*', default=NAMES)
    p.add_argument('--turns', type=int, default=TURNS)
    p.add_argument('--threads', default='1,2')
    a = p.parse_args()
    main(a.names, [int(t) for t in a.threads.split(',')], a.turns)


if __name__ == '__main__':
    cli()
