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


def ours(base, name, threads, *how, rate=None):
    return (BUILD + '/bench_train', base + '.onnx', base + '.bin', threads,
            rate or train_nets.rate(name)) + how


def theirs(name, threads, *how, rate=None):
    return (sys.executable, ROOT + '/bench/peer_torch.py', name,
            threads, rate or train_nets.rate(name)) + how


def losses(cmd):
    """
    The losses; MiB of memory, the peak and when it began, which for PyTorch
    is with PyTorch imported.
    """
    v = [float(x) for x in run(*cmd).split()]
    return v[:-2], v[-2] / 1024, v[-1] / 1024


def apart(a, b):
    return max(abs(x - y) / abs(y) for x, y in zip(a, b))


def kinks():
    """
    The cnn's losses at a rate that amplifies roundings.  Between PyTorch with
    and without oneDNN, a single maximum of a pool that moves to its neighbour
    (at step 6) changes a gradient by 1e-3 of it; ten steps later 200 of them
    and of relu's signs have changed, and losses are 1e-5 apart.
    """
    far = train_nets.RATE
    base = prepare('cnn')
    note('cnn: float64')

    def at(*how):
        return losses(theirs('cnn', 2, 'losses', STEPS, *how, rate=far))[0]

    a = losses(ours(base, 'cnn', 2, 'losses', STEPS, rate=far))[0]
    exact, b, plain, ulp = at('double'), at(), at('plain'), at('ulp')
    note('')
    say('The rate is %g, of the cnn %g.  At %g no float32 keeps 1e-4 there: '
        'of %d losses those of PyTorch are %.1e from its own in float64, '
        'without oneDNN %.1e, ours %.1e; and %.1e from PyTorch\'s when each '
        'weight is one float32 off at first: a rounding moves the maximum of a '
        'pool to its neighbour, and the steps amplify it.  The first %d '
        'losses are the same within 1e-6.'
        % (far, train_nets.rate('cnn'), far, STEPS, apart(b, exact),
           apart(plain, exact), apart(a, exact), apart(ulp, b),
           next((i for i in range(STEPS) if any(
               apart(x[:i + 1], exact) > 1e-6 for x in (a, b, plain))),
                STEPS)))
    say()


def network(name, threads):
    base = prepare(name)
    note('%s: losses' % name)
    a, peak, began = losses(ours(base, name, threads, 'losses', STEPS))
    b, top, start = losses(theirs(name, threads, 'losses', STEPS))
    c, _, _ = losses(theirs(name, threads, 'losses', STEPS, 'plain'))

    p = Paced(*ours(base, name, threads, 'paced', SECONDS), threads=threads)
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
            '%.0f / %.0f' % (peak, top),
            '%.0f / %.0f' % (peak - began, top - start),
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
        'of registers.  Peak: of the training process, ours / PyTorch; grown: '
        'less what it held at first, PyTorch imported.  Losses: of %d steps, '
        'ours / PyTorch without oneDNN, from PyTorch\'s.'
        % (train_nets.BATCH, STEPS))
    say()
    kinks()
    table(['network', 'threads', 'samples/s', 'PyTorch', 'ratio (95 %)',
           'share', 'peak MiB', 'grown', 'losses apart'],
          [network(name, t) for name in train_nets.NAMES for t in (1, 2)])
