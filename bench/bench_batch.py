"""Requests that run together, beside requests that run one by one; and what
is answered in time when three times as much comes as can be served.

The model is slow.onnx of the tests: 60 products of a row with one matrix of
4 MB, one row a request.  A model without `batch` and one with it serve the
same image in the same worker, alternated.
"""

import asyncio
import json
import time

from bench_base import (SECONDS, alternate, middle, note, quartiles, say,
                        table)
import bench_http

DEADLINE = 0.5          # s, of each request at overload
LOAD = 3.0              # of the peak

MODELS = """
    maas_threads 1;
    maas_model one  { source %(prefix)s/slow.onnx; run pool;
                      queue max=1024 timeout=60s; }
    maas_model many { source %(prefix)s/slow.onnx; run pool; batch max=32;
                      queue max=1024 timeout=60s; }
"""


def conf():
    mark = '    maas_model slow'
    return bench_http.CONF.replace(mark, MODELS + mark)


def request_body(server, n):
    path = server.prefix + '/rows%d.json' % n
    with open(path, 'w') as f:
        json.dump({'inputs': [{'name': 'x', 'shape': [n, 1],
                               'datatype': 'FP32', 'data': [0.25] * n}]}, f)
    return path


def rows(server, body):
    out = []

    for clients in (1, 8, 32):
        def load(model):
            return bench_http.wrk(server.url + '/v2/models/%s/infer' % model,
                                  SECONDS, clients, body)

        pairs = alternate('%d clients' % clients, lambda: load('many'),
                          lambda: load('one'))
        ratio = [a['rps'] / b['rps'] for a, b in pairs]
        low, high = quartiles(ratio)
        out.append(['%d' % clients] + ['%.0f' % middle([p[i]['rps']
                                                        for p in pairs])
                                       for i in (0, 1)]
                   + ['%.2f' % middle(ratio), '%.2f - %.2f' % (low, high)]
                   + ['%.1f' % middle([p[i]['p99_ms'] for p in pairs])
                      for i in (0, 1)]
                   + ['%d' % sum(p[i]['bad'] for p in pairs
                                 for i in (0, 1))])

    return out


# -- overload ----------------------------------------------------------------

async def ask(port, request, got):
    start = time.perf_counter()
    try:
        reader, writer = await asyncio.open_connection('127.0.0.1', port)
        writer.write(request)
        head = await reader.readline()
        status = int(head.split()[1])
        await reader.read()
        writer.close()
    except (OSError, ValueError, IndexError):
        status = 0
    took = time.perf_counter() - start
    if status == 200 and took > DEADLINE:
        status = 'late'
    got[status] = got.get(status, 0) + 1


async def flood(port, request, rate, seconds):
    """An open loop: requests come when they come.  Counts by status."""
    got, tasks = {}, set()
    start = time.perf_counter()
    n = 0

    while True:
        now = time.perf_counter() - start
        if now >= seconds:
            break
        while n < now * rate:
            task = asyncio.create_task(ask(port, request, got))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            n += 1
        await asyncio.sleep(0.002)

    while tasks:
        await asyncio.wait(set(tasks))
    return n, got


def overload(server, body, model):
    with open(body, 'rb') as f:
        data = f.read()

    url = '/v2/models/%s/infer' % model
    request = ('POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n'
               'Content-Length: %d\r\nMaas-Timeout: %dms\r\n\r\n'
               % (url, len(data), DEADLINE * 1000)).encode() + data
    seconds = max(4, 2 * SECONDS)
    # The same client, so that what it costs is on both sides.
    best = 0
    rate = bench_http.wrk(server.url + url, SECONDS, 32, body)['rps']

    for share in (0.7, 0.8, 0.9, 1.0):
        note('%s at %.1f of the closed loop' % (model, share))
        n, got = asyncio.run(flood(server.port, request, rate * share,
                                   seconds))
        best = max(best, got.get(200, 0) / seconds)

    note('%s at %.1f of its peak' % (model, LOAD))
    n, got = asyncio.run(flood(server.port, request, best * LOAD, seconds))
    note('')
    good = got.get(200, 0) / seconds
    late = got.get('late', 0) + got.get(504, 0)

    return [model, '%.0f' % best, '%.0f' % (n / seconds), '%.0f' % good,
            '%.2f' % (good / best), '%.1f %%' % (100 * late / n),
            '%.1f %%' % (100 * got.get(503, 0) / n)]


def main():
    server = bench_http.Server(conf())

    try:
        server.start('')
        body = request_body(server, 1)
        # Of 8 rows: few enough a second for a client in Python.
        heavy = request_body(server, 8)
        time.sleep(1)
        for model in 'one', 'many':
            bench_http.wrk(server.url + '/v2/models/%s/infer' % model, 2, 32,
                           body)

        say()
        say('## Batches')
        say()
        say('One worker, one thread, one row a request (0.126 GFLOP, 4 MB of '
            'weights read 60 times): requests a second with `batch max=32` '
            'and without, by clients that wait for their answer (`wrk`).')
        say()
        table(['clients', 'batch', 'single', 'ratio', 'quartiles',
               'p99 ms, batch', 'p99 ms, single', 'errors'],
              rows(server, body))
        say()
        say('At %g times the load that is answered in time, requests of 8 '
            'rows, each with a deadline of %g ms, in an open loop:'
            % (LOAD, DEADLINE * 1000))
        say()
        table(['model', 'peak/s', 'came/s', 'in time/s', 'of the peak',
               'too late', 'refused'],
              [overload(server, heavy, 'one'),
               overload(server, heavy, 'many')])
    finally:
        server.remove()
