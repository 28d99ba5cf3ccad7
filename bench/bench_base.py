"""Shared by the benches: pairs of runs, their statistics, the report."""

import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(os.environ.get('MAAS_BUILD') or ROOT + '/build')
MODELS = os.environ.get('MAAS_MODELS') or ROOT + '/../shared/models'
MAAS = BUILD + '/maas'
PAIRS = int(os.environ.get('BENCH_PAIRS') or 9)
SECONDS = float(os.environ.get('BENCH_SECONDS') or 2)

report = []


def say(line=''):
    """A line of the report, at once."""
    report.append(line)
    print(line)
    sys.stdout.flush()


def note(text):
    if sys.stderr.isatty():
        sys.stderr.write('\r\x1b[K' + text)
        sys.stderr.flush()


def run(*cmd, **more):
    p = subprocess.run([str(c) for c in cmd], capture_output=True, text=True,
                       **more)
    if p.returncode != 0:
        sys.exit('%s: exit %d\n%s' % (' '.join(map(str, cmd)), p.returncode,
                                      p.stderr or p.stdout))
    return p.stdout


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
