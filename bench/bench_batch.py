"""Requests that run together, beside requests that run one by one; and what
is answered in time when three times as much comes as can be served.

The model is slow.onnx of the tests: 60 products of a row with one matrix of
4 MB, one row a request.  A model without `batch` and one with it serve the
same image in the same worker, alternated.
"""

import json
import time

from bench_base import (PAIRS, SECONDS, alternate, interval, load, middle,
                        note, quartiles, say, table)
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
        def ask(model):
            return bench_http.wrk(server.url + '/v2/models/%s/infer' % model,
                                  SECONDS, clients, body)

        pairs = alternate('%d clients' % clients, lambda: ask('many'),
                          lambda: ask('one'))
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

def overload(server, body, model):
    """
    The peak is the best of what is answered in time in an open loop, its load
    found first; then that load and LOAD times the peak take turns.
    """
    url = '/v2/models/%s/infer' % model
    header = 'Maas-Timeout: %dms' % (DEADLINE * 1000)
    seconds = max(2, SECONDS)
    rate = bench_http.wrk(server.url + url, SECONDS, 64, body)['rps']

    def flood(share):
        note('%s at %.1f of the load' % (model, share))
        return load(server.port, url, rate * share, seconds, [body],
                    DEADLINE * 1000, header)

    best, share = max((flood(x)['goodput'], x) for x in (0.9, 1.0, 1.1, 1.2))
    pairs = alternate('%s, overload' % model, lambda: flood(share),
                      lambda: flood(LOAD * best / rate))
    note('')
    peaks = [a['goodput'] for a, _ in pairs]
    got = [b for _, b in pairs]
    ratio = [b['goodput'] / a['goodput'] for a, b in pairs]
    low, high = interval(ratio)
    n = sum(x['came'] for x in got)

    def part(*keys):
        return '%.1f %%' % (100 * sum(x[k] for x in got for k in keys) / n)

    return [model, '%.0f' % middle(peaks), '%.0f' % (n / seconds / len(got)),
            '%.0f' % middle([x['goodput'] for x in got]),
            '%.2f' % middle(ratio), '%.2f - %.2f' % (low, high), '0.90',
            'pass' if low >= 0.9 else 'MISSED', part('late', 'timeout'),
            part('refused'), '%d' % sum(x['bad'] for p in pairs for x in p)]


def main():
    server = bench_http.Server(conf())

    try:
        server.start('')
        body = request_body(server, 1)
        time.sleep(1)
        for model in 'one', 'many':
            url = server.url + '/v2/models/%s/infer' % model
            with open(body, 'rb') as f:
                bench_http.post(url, f.read())      # answers at all
            bench_http.wrk(url, 2, 32, body)

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
        say('At %g times the load that is answered in time, each with a '
            'deadline of %g ms, in an open loop (bench/bench_load.c), in '
            'turns with the load that has the most answers in time; the '
            'ratio is the median of %d pairs with its interval at 95 %%. '
            'Answers count as long as requests come.'
            % (LOAD, DEADLINE * 1000, PAIRS))
        say()
        table(['model', 'peak/s', 'came/s', 'in time/s', 'of the peak',
               'interval', 'gate', 'verdict', 'too late', 'refused',
               'errors'],
              [overload(server, body, 'one'),
               overload(server, body, 'many')])
    finally:
        server.remove()
