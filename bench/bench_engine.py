"""maas bench beside ONNX Runtime: every network in processes of its own,
which take turns; latency, gates, output error, memory and first runs."""

import json
import os
import sys
import time

import numpy as np

from bench_base import (MAAS, MINUTES, START, TURNS, WORK, Skip, interval,
                        middle, note, ours, quartiles, run, say, settled,
                        table, theirs)
from bench_cases import BATCHES, CASES, EXACT, by_name

MIB = 1048576
BATCH_PAIRS = 6


class Result:
    def __init__(self, case):
        self.case, self.reason = case, None
        self.pairs = {}                 # (numerics, threads): [(a, b)]
        self.error, self.image, self.seconds = {}, {}, {}
        self.source = 0

    def ratios(self, key):
        return [a['median_ms'] / b['median_ms'] for a, b in self.pairs[key]]

    def ms(self, key, side, what='median_ms'):
        return middle([p[side][what] for p in self.pairs[key]])


def images_of(case, model):
    """{numerics: image}, and how long the compiler took."""
    got, took = {}, {}
    for numerics in case.numerics:
        image = '%s/%s.%s.maas' % (WORK, case.same, numerics)
        start = time.time()
        run(MAAS, 'compile', model, '-o', image, '--numerics', numerics)
        got[numerics], took[numerics] = image, time.time() - start
    return got, took


def error_of(image, numerics, inputs, saved):
    """Largest difference, in units of the largest value."""
    to = '%s/out_%s' % (saved, numerics)
    run(MAAS, 'run', image, '--output-dir', to,
        *sum((['--input', '%s=%s' % x] for x in inputs), []))
    with open(to + '/outputs.json') as f:
        files = json.load(f)
    worst = 0.0
    for i, file in enumerate(files.values()):
        a, b = np.load('%s/%s' % (to, file)), np.load('%s/%d.npy'
                                                      % (saved, i))
        if a.dtype.kind != 'f' or a.size == 0:
            continue
        d = np.abs(a.astype(np.float64) - b).max()
        worst = max(worst, d / max(np.abs(b).max(), 1e-30))
    return worst


def turns(r, processes, peers, pairs):
    """Ours exact, ONNX Runtime, ours fast; then backwards."""
    for i in range(pairs):
        note('%s: pair %d of %d' % (r.case.name, i + 1, pairs))
        for threads in r.case.threads:
            order = [(EXACT, threads), None, ('fast', threads)]
            order = [k for k in order if k is None or k in processes]
            got = {}
            for key in order if i % 2 == 0 else order[::-1]:
                p = peers[threads] if key is None else processes[key]
                got[key] = p.ask()
            for key in order:
                if key is not None:
                    r.pairs.setdefault(key, []).append((got[key], got[None]))


def measure(case, pairs):
    begin = time.time()
    r = measured(case, pairs)
    print('%s: %.0f s%s' % (case.name, time.time() - begin,
                            ', ' + r.reason if r.reason else ''),
          file=sys.stderr)
    return r


def measured(case, pairs):
    r = Result(case)
    processes, peers = {}, {}

    try:
        if time.time() - START > MINUTES * 60:
            raise Skip('no time left ($BENCH_MINUTES)')
        model = case.path(case.same)
        r.source = os.path.getsize(model)
        inputs = case.inputs(model)
        images, r.seconds = images_of(case, model)
        saved = '%s/%s' % (WORK, case.name)
        peer = by_name(case.peer).path(case.peer) if case.peer else model
        for t in case.threads:
            peers[t] = theirs(peer, inputs, t,
                              save=saved if t == case.threads[0] else None)
            for numerics, image in images.items():
                processes[numerics, t] = ours(image, inputs, t)
        turns(r, processes, peers, pairs)
        for numerics, image in images.items():
            r.image[numerics] = os.path.getsize(image)
            if case.peer is None:
                r.error[numerics] = error_of(image, numerics, inputs, saved)
    except Skip as e:
        r.reason = str(e)
    finally:
        for p in list(processes.values()) + list(peers.values()):
            p.close()
        note('')

    return r


# -- tables ------------------------------------------------------------------

def verdict(high, gate, stretch):
    if gate is None:
        return ''
    return 'stretch' if stretch and high <= stretch else \
        'pass' if high <= gate else 'MISSED'


def rows_of(r, tally):
    if r.reason:
        return [[r.case.name, '', '', '', '', '', '', '',
                 'skipped: ' + r.reason]]
    rows = []
    for key in sorted(r.pairs, key=lambda k: (k[1], k[0])):
        low, high = interval(r.ratios(key))
        gate, stretch = r.case.gate(*key)
        v = verdict(high, gate, stretch)
        if v:
            tally[v] = tally.get(v, 0) + 1
        rows.append([r.case.name, key[0], str(key[1]),
                     '%.4g' % r.ms(key, 0), '%.4g' % r.ms(key, 1),
                     '%.3f' % middle(r.ratios(key)),
                     '%.3f - %.3f' % (low, high),
                     '%.2f' % gate if gate else '-', v or '-'])
    return rows


def latency(results):
    tally = {}
    rows = sum((rows_of(r, tally) for r in results), [])
    table(['case', 'numerics', 'threads', 'maas ms', 'ORT ms', 'ratio',
           'interval', 'gate', 'verdict'], rows)
    say()
    say('Gates: %s.' % (', '.join('%s %d' % x for x in sorted(tally.items()))
                        or 'none measured'))
    for r in results:
        if r.case.text and not r.reason:
            say('`%s`: %s.' % (r.case.name, r.case.text))


def costs(results):
    rows = []
    for r in results:
        if r.reason:
            continue
        key = (EXACT, r.case.threads[0])
        a, b = r.pairs[key][0]

        def err(n):
            return '%.1e' % r.error[n] if n in r.error else '-'

        def size(n):
            return '%.2f' % (r.image[n] / r.source) if n in r.image else '-'

        rows.append([
            r.case.name, err(EXACT), err('fast'),
            '%.1f' % (r.source / MIB), size(EXACT), size('fast'),
            '%.2f' % r.seconds[EXACT],
            '%.1f / %.1f' % (a['arena_bytes'] / MIB,
                             a['tensor_bytes'] / MIB),
            '%.1f / %.1f' % (a['work_bytes'] / MIB, b['work_bytes'] / MIB),
            '%.0f / %.0f' % (a['peak_rss_bytes'] / MIB,
                             b['peak_rss_bytes'] / MIB),
            '%.1f / %.1f' % (a['load_ms'], b['load_ms']),
            '%.3g / %.3g' % (a['first_ms'], b['first_ms'])])
    if not rows:
        return
    say()
    say('Costs, exact unless said, %s: the largest difference to ONNX '
        'Runtime\'s outputs in units of their largest value; the model '
        'file, the image in units of it, seconds of `maas compile`; MiB of '
        'the plan\'s arena of all tensors it holds; what a process grows by '
        'when it runs, and its peak, beside ONNX Runtime\'s; ms to load '
        '(map) and of the first run.' % 'one thread')
    say()
    table(['case', 'error', 'fast', 'file MiB', 'image', 'fast', 'compile s',
           'arena', 'run MiB', 'peak MiB', 'load ms', 'first ms'], rows)


def batches(results):
    rows = []
    for r in results:
        if r.reason:
            rows.append([r.case.name, '', '', '', '', 'skipped: ' + r.reason])
            continue
        for key in sorted(r.pairs):
            a, b = r.pairs[key][0]
            low, high = interval(r.ratios(key))
            rows.append([r.case.name, key[0],
                         '%.1f' % (r.case.batch / r.ms(key, 0) * 1e3),
                         '%.1f' % (r.case.batch / r.ms(key, 1) * 1e3),
                         '%.3f (%.3f - %.3f)' % (middle(r.ratios(key)), low,
                                                 high),
                         '%.0f / %.0f' % (a['first_ms'] - a['median_ms'],
                                          b['first_ms'] - b['median_ms'])])
    if not rows:
        return
    say()
    say('Batches, two threads, %d pairs; new shape: what the first run at '
        'it takes beyond a later one (ours makes a plan), beside ONNX '
        'Runtime\'s.' % BATCH_PAIRS)
    say()
    table(['case', 'numerics', 'maas images/s', 'ORT images/s',
           'ratio of latency', 'new shape ms'], rows)


def threads(results):
    rows = []
    for r in results:
        if r.reason or r.case.threads != (1, 2):
            continue

        def gain(n, side):
            one, two = ([p[side]['median_ms'] for p in r.pairs[n, t]]
                        for t in (1, 2))
            return [x / y for x, y in zip(one, two)]

        g, peer = gain(EXACT, 0), gain(EXACT, 1)
        gate = 1.8 if r.case.name in ('resnet50', 'bert128') else None
        low, high = interval(g)
        rows.append([r.case.name, '%.2f' % middle(g),
                     '%.2f - %.2f' % (low, high), '%.2f' % middle(peer),
                     '%.2f' % gate if gate else '-', '-' if gate is None
                     else 'pass' if low >= gate else 'MISSED'])
    if not rows:
        return
    say()
    say('Two threads beside one, exact: the gain of latency (a gate passes '
        'when the lower end does).')
    say()
    table(['case', 'gain', 'interval', 'ORT gain', 'gate', 'verdict'], rows)
    low, high = quartiles(settled)
    say()
    say('Before each of the %d turns of two threads all cores are kept busy '
        'until each runs at its full rate, for 0.4 s at most, as the host of '
        'a virtual machine may put two processors on one core while one of '
        'them rests. They gave %.2f times one core (quartiles %.2f - %.2f).'
        % (len(settled), middle(settled), low, high))


def main(names):
    wanted = [c for c in CASES if not names or c.name in names]
    batch = [c for c in BATCHES if not names or c.name in names]
    os.makedirs(WORK, exist_ok=True)

    say()
    say('## The engine')
    say()
    done = [measure(c, TURNS) for c in wanted]
    first = next((r for r in done if r.pairs), None)
    if first is not None:
        a, b = next(iter(first.pairs.values()))[0]
        say('`maas bench` (kernels: %s) beside ONNX Runtime %s by its C '
            'interface (all optimisations, one thread between operators, '
            'outputs in place); the same input files; a process for each '
            'side, numerics and number of threads, which take turns; ours '
            'runs a mapped image. Weights are seeded random numbers but for '
            'ocr and silero; those beyond the last cache are cold in every '
            'run on both sides, as a run passes all of them, smaller ones '
            'are warm on both. A turn has three runs at least; ms are '
            'medians; the ratio, ours / theirs, is the median of %d pairs '
            'with its interval at 95 %% (order statistics). A gate passes when the upper end does, and is '
            'shown for both numerics where it names none.'
            % (a['cpu'], b['version'], TURNS))
        say()
    latency(done)
    threads(done)
    costs(done)
    batches([measure(c, min(TURNS, BATCH_PAIRS)) for c in batch])
    return done
