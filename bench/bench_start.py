"""Start, memory and company: what a first answer takes, what the workers of
a server share, what a neighbour costs.  On resnet50, an image of 100 MB."""

import os
import re
import subprocess
import sys
import time
import urllib.request

from bench_base import (PAIRS, Skip, interval, middle, note, ours, say,
                        table, theirs)
from bench_cases import by_name
from bench_engine import images_of
from bench_http import HEAD, Server

MIB = 1048576
BESIDE, BESIDE_PAIRS = 0.2, 15      # seconds of a turn beside a neighbour


def warm(image):
    with open(image, 'rb') as f:
        while f.read(1 << 22):
            pass


def cold(image):
    with open(image, 'rb') as f:
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def first_answer(image, inputs, before):
    """ms of map and first run, ms of a later run: a process for each."""
    got = []
    for i in range(PAIRS):
        note('first answer: %d of %d' % (i + 1, PAIRS))
        before(image)
        p = ours(image, inputs, 1)
        try:
            a = p.ask()
        finally:
            p.close()
        got.append((a['load_ms'] + a['first_ms'], a['median_ms']))
    note('')
    return got


def start(image, inputs, seconds):
    rows = []

    for name, before, gate in (('page cache warm', warm, 50),
                               ('pages cold', cold, None)):
        got = first_answer(image, inputs, before)
        more = [a - b for a, b in got]
        low, high = interval(more)
        rows.append([name, '%.1f' % middle([a for a, _ in got]),
                     '%.1f' % middle([b for _, b in got]),
                     '%.1f' % middle(more), '%.1f - %.1f' % (low, high),
                     '%d' % gate if gate else '-', '-' if not gate
                     else 'pass' if high <= gate else 'MISSED'])

    say()
    say('## Start and memory')
    say()
    say('resnet50 exact, an image of %.0f MiB that a new process maps and '
        'runs once, one thread: ms until the answer, ms of a later run, and '
        'the difference, which is what the start costs. `maas compile` '
        'takes %.2f s (gate 5: %s).'
        % (os.path.getsize(image) / MIB, seconds,
           'pass' if seconds < 5 else 'MISSED'))
    say()
    table(['first answer', 'ms', 'later', 'start', 'interval', 'gate',
           'verdict'], rows)


WORKERS = 4
IDLE = 1.0              # s, maas_memory_idle of the second figure

CONF = HEAD.replace('worker_processes 1;', 'worker_processes %d;' % WORKERS) + """
    maas_threads 1;
    maas_memory_idle %(idle)s;
    maas_model resnet50 { source %(model)s; }
    server {
        listen 127.0.0.1:%(port)d reuseport;
        client_max_body_size 10m;
        location = /static.html { root html; }
        location = /resnet50 { maas_pass resnet50; }
    }
}
"""


def workers(server):
    """Process numbers."""
    with open(server.prefix + '/nginx.pid') as f:
        p = subprocess.run(['pgrep', '-P', f.read().strip(), '-f',
                            'worker process'], capture_output=True, text=True)
    return [int(x) for x in p.stdout.split()]


def memory(pid):
    """PSS in bytes by what is mapped, and bytes of the image's pages."""
    got, image, what = {}, 0, ''
    with open('/proc/%d/smaps' % pid) as f:
        for line in f:
            m = re.match(r'[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)', line)
            if m:
                name = m.group(1)
                what = ('image' if '/images/' in name
                        else 'code and tables' if name.startswith('/')
                        else 'arena and heap')
            elif line.startswith('Pss:'):
                got[what] = got.get(what, 0) + int(line.split()[1]) * 1024
            elif line.startswith('Rss:') and what == 'image':
                image += int(line.split()[1]) * 1024
    return got, image


def asked(server, image, inputs):
    """Asks until every worker has run the model, one request at a time."""
    with open(inputs[0][1], 'rb') as f:
        body = f.read()
    end = time.time() + 60
    while True:
        r = urllib.request.Request(server.url + '/resnet50', body,
                                   {'Content-Type': 'application/x-npy'})
        with urllib.request.urlopen(r, timeout=60) as f:
            f.read()
        got = [memory(pid) for pid in workers(server)]
        if min(pages for _, pages in got) > 0.9 * os.path.getsize(image):
            return got
        if time.time() > end:
            raise Skip('a worker was not asked in 60 s')


def resident(model, image, inputs, idle, wait):
    """PSS of all workers by what is mapped, in MiB."""
    server = Server(CONF)
    try:
        server.start('', {'model': model, 'idle': idle})
        got = asked(server, image, inputs)
        if wait:
            time.sleep(wait)
            got = [memory(pid) for pid in workers(server)]
    finally:
        server.remove()
    return [sum(g.get(k, 0) for g, _ in got) / MIB
            for k in ('image', 'arena and heap', 'code and tables')]


def shared(image, model, inputs):
    """Workers that have all run the model: at work, and at rest."""
    size = os.path.getsize(image) / MIB
    rows = []

    for name, idle, wait in (('after the last run', 'off', 0),
                             ('at rest', '%gs' % IDLE, 3 * IDLE)):
        part = resident(model, image, inputs, idle, wait)
        ratio = sum(part) / size
        rows.append([name] + ['%.1f' % x for x in part]
                    + ['%.1f' % sum(part), '%.2f' % ratio, '1.20',
                       'pass' if ratio <= 1.2 else 'MISSED'])

    arena = WORKERS * ours_arena(image, inputs) / MIB / size
    say()
    say('nginx with %d workers of one thread, each of which has run the '
        'model: PSS of all in MiB. At rest: `maas_memory_idle` (10 s by '
        'default) after its last run a worker has given its arena back, and '
        'what malloc kept. A server whose workers are all at work holds the '
        'upper row; the gate names no moment, so both are judged. The %d '
        'arenas alone, a float for each activation that is still needed, are '
        '%.3f of the image.' % (WORKERS, WORKERS, arena))
    say()
    table(['workers', 'image', 'arena and heap', 'code and tables', 'in all',
           'of the image', 'gate', 'verdict'], rows)


def ours_arena(image, inputs):
    p = ours(image, inputs, 1, seconds=0.1)
    try:
        return p.ask()['arena_bytes']
    finally:
        p.close()


def together(a, b):
    a.begin()
    b.begin()
    return [a.answer()['median_ms'], b.answer()['median_ms']]


def two(image, model, inputs):
    """Runs a second of two processes of one thread each."""
    mine = [ours(image, inputs, 1) for _ in range(2)]
    peers = [theirs(model, inputs, 1) for _ in range(2)]
    got = []
    try:
        for i in range(PAIRS):
            note('two processes: pair %d of %d' % (i + 1, PAIRS))
            got.append([sum(1e3 / ms for ms in together(*p))
                        for p in (mine, peers)])
    finally:
        for p in mine + peers:
            p.close()
        note('')
    low, high = interval([a / b for a, b in got])
    say()
    say('Two processes of one thread each: %.1f runs a second beside ONNX '
        'Runtime\'s %.1f, ratio %.2f (%.2f - %.2f).'
        % (middle([a for a, _ in got]), middle([b for _, b in got]),
           middle([a / b for a, b in got]), low, high))


def neighbour(image, model, inputs):
    """Two threads, and a process that never rests on the first core."""
    both = [ours(image, inputs, 2, BESIDE), theirs(model, inputs, 2, BESIDE)]
    got = []

    def ask(settle):
        return [p.ask(settle)['median_ms'] for p in both]

    try:
        for i in range(BESIDE_PAIRS):
            note('a neighbour: pair %d of %d' % (i + 1, BESIDE_PAIRS))
            alone = ask(True)
            busy = subprocess.Popen(
                [sys.executable, '-c', 'while True: pass'],
                preexec_fn=lambda: os.sched_setaffinity(0, {0}))
            try:
                time.sleep(0.1)
                got.append((alone, ask(False)))
            finally:
                busy.kill()
                busy.wait()
    finally:
        for p in both:
            p.close()
        note('')

    rows = []
    for i, name in enumerate(('maas', 'ONNX Runtime')):
        ratio = [b[i] / a[i] for a, b in got]
        low, high = interval(ratio)
        rows.append([name, '%.1f' % middle([a[i] for a, _ in got]),
                     '%.1f' % middle([b[i] for _, b in got]),
                     '%.2f' % middle(ratio), '%.2f - %.2f' % (low, high)])
    say()
    say('Two threads on %d cores beside a process that keeps the first core '
        'busy, %d pairs of turns of %g s: ms alone and beside it. Its fair '
        'share is half a core; with two cores a run that loses no more than '
        'that takes 1.33 times as long.'
        % (len(os.sched_getaffinity(0)), BESIDE_PAIRS, BESIDE))
    say()
    table(['resnet50 exact', 'alone', 'beside it', 'ratio', 'interval'],
          rows)


def main():
    case = by_name('resnet50')
    model = case.path('resnet50')
    inputs = case.inputs(model)
    images, seconds = images_of(case, model)
    image = images['exact']

    start(image, inputs, seconds['exact'])
    for what in (lambda: shared(image, model, inputs),
                 lambda: two(image, model, inputs),
                 lambda: neighbour(image, model, inputs)):
        try:
            what()
        except Skip as e:
            say()
            say('skipped: %s' % e)
