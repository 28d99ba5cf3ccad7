"""Shared by the benches: processes that take turns, statistics, the report."""

import json
import os
import statistics
import subprocess
import sys
import time
from math import comb

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get('MAAS_BUILD') or ROOT + '/build')
MODELS = os.environ.get('MAAS_MODELS') or ROOT + '/../shared/models'
WORK = BUILD + '/models/bench'
MAAS = BUILD + '/maas'
PEER = BUILD + '/peer_ort'
CORES = BUILD + '/bench_cores'
LOAD = BUILD + '/bench_load'
PAIRS = int(os.environ.get('BENCH_PAIRS') or 9)
TURNS = int(os.environ.get('BENCH_TURNS') or 25)        # of a network
SLICE = float(os.environ.get('BENCH_SLICE') or 0.1)     # of a network
SECONDS = float(os.environ.get('BENCH_SECONDS') or 2)   # of a server
MINUTES = float(os.environ.get('BENCH_MINUTES') or 13)

# Where servers and where clients run, so that neither is in the other's way.
CPUS = sorted(os.sched_getaffinity(0))
PIN = ['taskset', '-c', str(CPUS[0])] if len(CPUS) > 1 else []
PIN_CLIENT = ['taskset', '-c', str(CPUS[1])] if len(CPUS) > 1 else []

START = time.time()
report = []


class Skip(Exception):
    """A case that can't be measured here, and why."""


def say(line=''):
    """A line of the report, at once."""
    report.append(line)
    print(line)
    sys.stdout.flush()


def note(text):
    """What is going on, for whoever watches."""
    if sys.stderr.isatty():
        sys.stderr.write('\r\x1b[K' + text)
        sys.stderr.flush()


def run(*cmd, **more):
    p = subprocess.run([str(c) for c in cmd], capture_output=True, text=True,
                       **more)
    if p.returncode != 0:
        text = (p.stderr or p.stdout).strip().split('\n')[-1]
        raise Skip(text or '%s: exit %d' % (cmd[0], p.returncode))
    return p.stdout


def peer_library():
    base = BUILD + '/models/node_modules/onnxruntime-node/bin'
    for folder, _, files in os.walk(base):
        if '/linux/x64' in folder and 'libonnxruntime.so.1' in files:
            return folder + '/libonnxruntime.so.1'
    raise Skip('ONNX Runtime is not installed (t/models/npm.sh)')


class Paced:
    """A process that measures once whenever it is asked."""

    def __init__(self, *cmd, threads=1):
        self.cmd, self.threads = [str(c) for c in cmd], threads
        self.p = subprocess.Popen(self.cmd, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)

    def begin(self):
        try:
            self.p.stdin.write('\n')
            self.p.stdin.flush()
        except BrokenPipeError:
            pass

    def answer(self):
        line = self.p.stdout.readline()
        if not line:
            text = self.p.stderr.read().strip().split('\n')[-1]
            raise Skip(text or 'exit %s' % self.p.wait())
        return json.loads(line)

    def ask(self, settle=True):
        if self.threads > 1 and settle:
            cores()
        self.begin()
        return self.answer()

    def close(self):
        for f in (self.p.stdin, self.p.stdout, self.p.stderr):
            try:
                f.close()
            except BrokenPipeError:
                pass
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()


settled = []                        # what the cores gave before each turn


def cores():
    """Waits until threads have a core each: see bench_cores.c."""
    if not settled:
        cores.process = Paced(CORES)
    settled.append(cores.process.ask()['cores'])


def ours(image, inputs, threads, seconds=None, paced=True):
    return Paced(MAAS, 'bench', image, '--json', *(['--paced'] * paced),
                 '--threads', threads, '--seconds', seconds or SLICE,
                 *sum((['--input', '%s=%s' % x] for x in inputs), []),
                 threads=threads)


def theirs(model, inputs, threads, seconds=None, save=None):
    return Paced(PEER, peer_library(), model, threads, seconds or SLICE,
                 '--paced', *(['--save', save] if save else []),
                 *['%s=%s' % x for x in inputs], threads=threads)


def load(port, path, rate, seconds, bodies, late_ms=0, header=''):
    """An open loop of requests: see bench_load.c."""
    return json.loads(run(*PIN_CLIENT, LOAD, port, path, rate, seconds,
                          late_ms, header, *bodies))


def alternate(what, a, b):
    """[(a(), b()), ...]: A B A B, PAIRS times."""
    got = []
    for i in range(PAIRS):
        note('%s: pair %d of %d' % (what, i + 1, PAIRS))
        got.append((a(), b()))
    note('')
    return got


def middle(values):
    return statistics.median(values)


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0]
    q = statistics.quantiles(values, n=4, method='inclusive')
    return q[0], q[2]


def interval(values):
    """
    Of the median, at 95 %, by order statistics: of n values, the k-th and
    the k-th last enclose it but for 2 * sum(C(n, i), i < k) / 2^n.  Of less
    than six values: all of them.
    """
    v, n, k, out = sorted(values), len(values), 0, 0
    while k < (n - 1) // 2:
        out += 2 * comb(n, k)
        if out / 2 ** n > 0.05:
            break
        k += 1
    return v[max(k - 1, 0)], v[n - 1 - max(k - 1, 0)]


def table(head, rows):
    """Markdown, with the columns under each other."""
    rows = [head] + rows
    wide = [max(len(r[i]) for r in rows) for i in range(len(head))]

    def line(r):
        return '| ' + ' | '.join(
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(r, wide))) + ' |'

    say(line(head))
    say('|' + '|'.join('-' * (w + 1) + ('-' if i == 0 else ':')
                       for i, w in enumerate(wide)) + '|')
    for r in rows[1:]:
        say(line(r))
