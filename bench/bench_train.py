"""Training beside PyTorch: samples a second of the same networks from the
same weights on the same batches, runs alternated, at 1 and 2 threads; peak
memory; and how far the losses of 100 steps are apart.

Losses: largest relative difference, ours from PyTorch's, and PyTorch's from
its own without oneDNN, which adds in another order: what float32 leaves open.

To add a network: train_nets.py.
"""

import os
import sys

from bench_base import (BUILD, ROOT, WORK, Paced, alternate, interval, middle,
                        note, run, say, table)

import train_nets

STEPS = 100
SECONDS = 1.0


def prepare(name):
    os.makedirs(WORK, exist_ok=True)
    base = WORK + '/train_' + name
    train_nets.onnx_file(name, base + '.onnx')
    with open(base + '.bin', 'wb') as f:
        for x, t in train_nets.data(name):
            f.write(x.tobytes() + t.tobytes())
    return base


def ours(base, threads, *how):
    return (BUILD + '/bench_train', base + '.onnx', base + '.bin', threads,
            train_nets.RATE) + how


def theirs(name, threads, *how):
    return (sys.executable, ROOT + '/bench/peer_torch.py', name,
            threads) + how


def losses(*cmd):
    """The losses, and the peak of memory in MiB."""
    v = [float(x) for x in run(*cmd).split()]
    return v[:-1], v[-1] / 1024


def apart(a, b):
    return max(abs(x - y) / abs(y) for x, y in zip(a, b))


def network(name, threads):
    base = prepare(name)
    note('%s: losses' % name)
    a, a_mib = losses(*ours(base, threads, 'losses', STEPS))
    b, b_mib = losses(*theirs(name, threads, 'losses', STEPS))
    c, _ = losses(*theirs(name, threads, 'losses', STEPS, 'plain'))

    p = Paced(*ours(base, threads, 'paced', SECONDS), threads=threads)
    q = Paced(*theirs(name, threads, 'paced', SECONDS), threads=threads)
    pairs = alternate('%s, %d threads' % (name, threads), p.ask, q.ask)
    p.close()
    q.close()

    ratio = [x['steps'] / y['steps'] for x, y in pairs]
    share = [x['steps'] * x['flops'] / (x['peak'] * threads)
             for x, _ in pairs]
    n = train_nets.BATCH
    return [name, '%d' % threads,
            '%.0f' % (n * middle([x['steps'] for x, _ in pairs])),
            '%.0f' % (n * middle([y['steps'] for _, y in pairs])),
            '%.2f (%.2f to %.2f)' % ((middle(ratio),) + interval(ratio)),
            '%.0f %%' % (100 * middle(share)),
            '%.0f / %.0f' % (a_mib, b_mib),
            '%.1e / %.1e' % (apart(a, b), apart(b, c))]


def main():
    import torch

    config = [x.strip(' -') for x in torch.__config__.show().split('\n')]
    say()
    say('## Training beside PyTorch')
    say()
    say('PyTorch %s: %s.' % (torch.__version__, '; '.join(
        x for x in config if 'MKL' in x or 'CPU cap' in x or 'BLAS' in x)
        [:200]))
    say('Batches of %d, plain gradient descent.  Share: of the multiply-adds '
        'of registers.  Losses: of %d steps, ours / PyTorch without oneDNN, '
        'from PyTorch\'s.' % (train_nets.BATCH, STEPS))
    say()
    table(['network', 'threads', 'samples/s', 'PyTorch', 'ratio (95 %)',
           'share', 'peak MiB', 'losses apart'],
          [network(name, t) for name in train_nets.NAMES for t in (1, 2)])
