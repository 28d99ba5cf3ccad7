"""Texts of mixed lengths through MiniLM: one by one, together where they are
equally long, together with padding; and how workers and threads share a
machine.
"""

import json
import os
import shutil
import time
import urllib.request

import numpy as np

import bench_models as made
from bench_base import (PAIRS, PIN, PIN_CLIENT, SECONDS, load, middle, note,
                        quartiles, say, table)
from bench_cases import generated
from bench_http import HEAD, Server, wrk
from bench_peers import cpu_us, family

LIMIT = 100             # ms, of the 99th percentile
BODIES = 64
INPUTS = ('input_ids', 'attention_mask', 'token_type_ids')
STEPS = [0.5 + i / 10 for i in range(16)]
MODELS = ('single', 'equal', 'padded')

PAD = {'batch': {'pad': {'axis': 1, 'values': dict.fromkeys(INPUTS, 0),
                         'mask': 'attention_mask'}}}

CONF = HEAD.replace('worker_processes 1', 'worker_processes %(workers)d') + """
    maas_threads %(threads)d;
    maas_model single { source %(prefix)s/minilm.onnx; run pool;
                        concurrency %(runs)d;
                        queue max=4096 timeout=60s; }
    maas_model equal  { source %(prefix)s/minilm.onnx; run pool;
                        batch max=16; limits plans=400;
                        queue max=4096 timeout=60s; }
    maas_model padded { source %(prefix)s/padded; run pool;
                        batch max=16; limits plans=400;
                        queue max=4096 timeout=60s; }
    server {
        listen 127.0.0.1:%(port)d reuseport;
        client_body_buffer_size 64k;
        location /v2 { maas_api kserve; }
        location = /static.html { root html; }
    }
}
"""


def text(path, rng, length):
    ids = rng.integers(1, 30000, length).tolist()
    data = ids, [1] * length, [0] * length
    with open(path, 'w') as f:
        json.dump({'inputs': [
            {'name': n, 'shape': [1, length], 'datatype': 'INT64', 'data': d}
            for n, d in zip(INPUTS, data)], 'outputs': [
                {'name': 'last_hidden_state',
                 'parameters': {'binary_data': True}}]}, f)
    return path


def mix(server, name, draw):
    rng = np.random.default_rng(3)
    lengths = [int(draw(rng)) for _ in range(BODIES)]
    return lengths, [text('%s/%s%d.json' % (server.prefix, name, i), rng, n)
                     for i, n in enumerate(lengths)]


def url(model):
    return '/v2/models/%s/infer' % model


def answer(server, model, body):
    """Of binary; fails where there is none."""
    r = urllib.request.Request(server.url + url(model), body,
                               {'Content-Type': 'application/json'})
    with urllib.request.urlopen(r, timeout=60) as f:
        return f.read()


def closed(server, bodies):
    """Rate and CPU of 16 clients that wait, every model in turn."""
    with open(server.prefix + '/nginx.pid') as f:
        pids = family(f.read().strip())
    got = {m: [] for m in MODELS}

    for i in range(1 + max(1, PAIRS // 3)):
        for model in MODELS:
            note('%s, 16 clients: %d' % (model, i))
            start = cpu_us(pids)
            r = wrk(server.url + url(model), SECONDS, 16, '\n'.join(bodies),
                    PIN_CLIENT)
            r['cpu'] = (cpu_us(pids) - start) / max(r['requests'], 1)
            if i != 0:                  # the first makes plans
                got[model].append(r)

    return got


def capacity(server, model, bodies, rate):
    """The most that is answered within the limit, of growing loads."""
    seconds = max(3, 2 * SECONDS)
    best = (0, 0)

    for share in STEPS:
        note('%s: %.2f of the load' % (model, share))
        got = load(server.port, url(model), rate * share, seconds, bodies)
        if got['bad'] or got['p99_ms'] > LIMIT:
            break
        best = (got['good'] / seconds, got['p99_ms'])

    note('')
    return best


def lengths(server):
    rows = []

    for name, title, draw in (
            ('query', '3 to 12', lambda r: r.integers(3, 13)),
            ('mixed', '4 to 128',
             lambda r: np.clip(r.lognormal(3, 0.7), 4, 128))):
        sizes, bodies = mix(server, name, draw)
        with open(bodies[0], 'rb') as f:
            answer(server, 'single', f.read())
        got = closed(server, bodies)
        mid = lambda m, key: middle([x[key] for x in got[m]])

        for m in MODELS:
            best, p99 = capacity(server, m, bodies, mid('single', 'rps'))
            rows.append(['%s (mean %.0f)' % (title, np.mean(sizes)), m,
                         '%.0f' % mid(m, 'rps'),
                         '%.2f' % middle([a['rps'] / b['rps'] for a, b in
                                          zip(got[m], got['single'])]),
                         '%.0f' % mid(m, 'cpu'),
                         '%.2f' % middle([a['cpu'] / b['cpu'] for a, b in
                                          zip(got[m], got['single'])]),
                         '%.0f' % best, '%.1f' % p99,
                         '%d' % sum(x['bad'] for x in got[m])])

    say()
    say('## Texts of mixed lengths')
    say()
    say('MiniLM (6 layers of 384, random weights, any length) by JSON, binary '
        'output, one worker, one thread. Single: without `batch`; equal: '
        '`batch max=16`, texts of one length run together; padded: with '
        '`batch.pad` of model.json and its defaults. First 16 clients '
        'that wait for their answers (`wrk`), with the CPU of the server for '
        'a request; then an open loop (bench/bench_load.c): the most that is '
        'answered with a 99th percentile of at most %d ms, loads in steps '
        'of 0.1.' % LIMIT)
    say()
    table(['tokens', 'requests', 'req/s', 'of single', 'CPU us', 'of single',
           'open loop', 'p99 ms', 'errors'], rows)


def layouts(server):
    """Workers and threads, in turn."""
    got = {}
    body = text(server.prefix + '/fixed.json', np.random.default_rng(5), 32)
    ways = ((1, 1, 1), (1, 2, 1), (1, 2, 2), (2, 1, 1))

    for _ in range(max(2, PAIRS // 3)):
        for way in ways:
            note('%d workers of %d threads, %d runs' % way)
            server.stop()
            server.start('', dict(zip(('workers', 'threads', 'runs'), way)))
            with open(body, 'rb') as f:
                answer(server, 'single', f.read())
            r = wrk(server.url + url('single'), SECONDS, 16, body)
            got.setdefault(way, []).append(r)
    note('')

    rows = []
    for way in ways:
        g = got[way]
        ratio = [a['rps'] / b['rps'] for a, b in zip(g, got[ways[0]])]
        rows.append(['%d' % way[0], '%d' % way[1], '%d' % way[2],
                     '%.1f' % middle([x['rps'] for x in g]),
                     '%.2f' % middle(ratio), '%.2f - %.2f' % quartiles(ratio),
                     '%.1f' % middle([x['p50_ms'] for x in g]),
                     '%.1f' % middle([x['p99_ms'] for x in g]),
                     '%d' % sum(x['bad'] for x in g)])

    say()
    say('## Workers and threads')
    say()
    say('MiniLM, texts of 32 tokens, 16 clients that wait for their answers '
        '(`wrk`), every request alone in its run; runs: at a time in a '
        'worker (`concurrency`).')
    say()
    table(['workers', 'threads', 'runs', 'req/s', 'ratio', 'quartiles',
           'p50 ms', 'p99 ms', 'errors'], rows)


def main():
    server = Server(CONF, PIN)
    try:
        os.mkdir(server.prefix + '/padded')
        model = generated(made.minilm())('minilm')
        for to in 'minilm.onnx', 'padded/model.onnx':
            shutil.copyfile(model, server.prefix + '/' + to)
        with open(server.prefix + '/padded/model.json', 'w') as f:
            json.dump(PAD, f)
        server.start('', {'workers': 1, 'threads': 1, 'runs': 1})
        time.sleep(2)
        lengths(server)
        server.pin = []
        layouts(server)
    finally:
        server.remove()
