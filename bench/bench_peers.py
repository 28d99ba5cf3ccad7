"""Networks by JSON over HTTP: nginx with a model, and without one, beside the
servers that people write around a runtime.

All answer the same request: two floats for the 2-10-1 network of
t/data/make_models.py, or 784 for a dense network of 1.9 million weights.
nginx has one worker, each peer one process of one thread, all on one core;
the client has another.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import bench_models
from bench_base import (BUILD, MAAS, PAIRS, PIN, PIN_CLIENT, ROOT, SECONDS,
                        middle, note, peer_library, quartiles, run, say,
                        table)
from bench_http import HEAD, Server, free_port, post, wrk

BODY = {'signature_name': 'serving_default', 'instances': [[0.25, 0.75]]}

CONF = HEAD + """
    maas_model mlp { source %(mlp)s; }
    maas_model dense { source %(dense)s; }
    upstream node {
        server 127.0.0.1:%(node)d;
        keepalive 16;
        keepalive_requests 100000000;
    }
    upstream c {
        server 127.0.0.1:%(c)d;
        keepalive 16;
        keepalive_requests 100000000;
    }
    upstream c_dense {
        server 127.0.0.1:%(c_dense)d;
        keepalive 16;
        keepalive_requests 100000000;
    }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {
        listen 127.0.0.1:%(port)d;
        location /v1 { maas_api tfserving; }
        location = /static.html { root html; }
        location = /ceiling {
            default_type application/json;
            return 200 '%(answer)s';
        }
        client_body_buffer_size 64k;
        location = /node { proxy_pass http://node; }
        location = /c { proxy_pass http://c; }
        location = /c_dense { proxy_pass http://c_dense; }
    }
}
"""


def wait_for(url, body):
    end = time.time() + 60
    while time.time() < end:
        try:
            return json.loads(post(url, body))
        except OSError:
            time.sleep(0.1)
    sys.exit(url + ' does not answer')


def family(pid):
    """A process and those that it has started."""
    p = subprocess.run(['pgrep', '-P', str(pid)], capture_output=True,
                       text=True)
    return [str(pid)] + [x for child in p.stdout.split()
                         for x in family(child)]


def cpu_us(pids):
    """Of all that the processes' threads have run, in microseconds."""
    total = 0
    for pid in pids:
        for task in os.listdir('/proc/%s/task' % pid):
            try:
                with open('/proc/%s/task/%s/schedstat' % (pid, task)) as f:
                    total += int(f.read().split()[0])
            except OSError:
                pass
    return total / 1e3


class Peers:
    def __init__(self, model, dense):
        def start(*cmd, **more):
            self.started.append(subprocess.Popen(
                PIN + [str(x) for x in cmd], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, **more))
            return self.started[-1].pid

        self.started = []
        self.port = {n: free_port() for n in ('node', 'flask', 'c',
                                              'c_dense')}
        library = peer_library()
        self.pid = {
            'node': start('node', ROOT + '/bench/peer_http.mjs',
                          BUILD + '/models', model, self.port['node']),
            'flask': start('/usr/bin/gunicorn', '-w', '1', '-k', 'gthread',
                           '--threads', '4', '--keep-alive', '600', '-b',
                           '127.0.0.1:%d' % self.port['flask'],
                           'peer_flask:app', cwd=ROOT + '/bench',
                           env=dict(os.environ, PEER_MODEL=model)),
            'c': start(BUILD + '/peer_proxy', library, model,
                       self.port['c'], 2),
            'c_dense': start(BUILD + '/peer_proxy', library, dense,
                             self.port['c_dense'], 784)}

    def url(self, name, path=''):
        return 'http://127.0.0.1:%d/%s' % (self.port[name], path)

    def stop(self):
        for p in self.started:
            p.terminate()
        for p in self.started:
            p.wait()


def measure(sides, body):
    """Every side in turn, PAIRS times."""
    got = {name: [] for name, _, _ in sides}
    for i in range(PAIRS):
        for name, url, pids in sides:
            note('%s: %d of %d' % (name, i + 1, PAIRS))
            start = cpu_us(pids)
            r = wrk(url, SECONDS, body=body, pin=PIN_CLIENT)
            r['cpu'] = (cpu_us(pids) - start) / max(r['requests'], 1)
            got[name].append(r)
    note('')
    return got


CEILING = '`return 200`'


def tell(got, sides, ours):
    """With a side that has no model, also what nginx itself reaches."""
    rows, limit = [], got.get(CEILING)
    for name, _, _ in sides:
        g = got[name]
        ratio = [a['rps'] / b['rps'] for a, b in zip(got[ours], g)]
        mid = lambda key: middle([x[key] for x in g])
        over = lambda key: '%.2f' % middle([a[key] / b[key] for a, b in
                                            zip(got[ours], g)])
        rows.append([name, '%.0f' % mid('rps'), '%.2f' % middle(ratio),
                     '%.2f - %.2f' % quartiles(ratio),
                     *(['%.2f' % middle([a['rps'] / b['rps'] for a, b in
                                         zip(limit, g)])] if limit else []),
                     '%.1f' % mid('cpu'), over('cpu'),
                     '%.3f' % mid('p50_ms'), over('p50_ms'),
                     '%.3f' % mid('p99_ms'), over('p99_ms'),
                     '%d' % sum(x['bad'] for x in g)])

    say()
    table(['server', 'req/s', 'ratio', 'quartiles',
           *(['ceiling'] if limit else []), 'CPU us', 'ratio',
           'p50 ms', 'ratio', 'p99 ms', 'ratio', 'errors'], rows)


def compare(model, sides, body):
    """sides: (name, URL, processes); the first is ours."""
    with open(body, 'rb') as f:
        text = f.read()

    want = wait_for(sides[0][1], text)['predictions'][0]

    for name, url, _ in sides:
        came = wait_for(url, text)['predictions'][0]
        if max(abs(a - b) for a, b in zip(came, want)) > 1e-5:
            sys.exit('%s answers %r, not %r' % (name, came, want))

    tell(measure(sides, body), sides, sides[0][0])
    alone = json.loads(run(*PIN, MAAS, 'bench', model, '--json', '--threads',
                           1, '--seconds', 0.5))
    say()
    say('A run of the model alone takes %.2f us (`maas bench`).'
        % (alone['min_ms'] * 1e3))


def small(server, model, peers, body):
    with open(server.prefix + '/nginx.pid') as f:
        nginx = family(f.read().strip())

    c, node, flask = (family(peers.pid[n]) for n in ('c', 'node', 'flask'))

    say()
    say('## HTTP: a 2-10-1 network by JSON')
    say()
    say('`POST /v1/models/mlp:predict` with two floats, keep-alive, `wrk -t1 '
        '-c16`; nginx with one worker, each peer one process of one thread of '
        'compute, all on one core, wrk on the other. `return 200` gives the '
        'same answer without a model; C is bench/peer_proxy.c around ONNX '
        'Runtime, node is its HTTP server with ONNX Runtime in it, gunicorn '
        'is Flask with PyTorch (gthread, 4 threads). Ratios are ngx_maas to '
        'the row; the ceiling is the ratio of `return 200` to the row, which '
        'no server behind this nginx and this client can exceed; CPU is what '
        'all processes of the server use for a request.')
    compare(model, [
        ('ngx_maas', server.url + '/v1/models/mlp:predict', nginx),
        (CEILING, server.url + '/ceiling', nginx),
        ('nginx `proxy_pass` to C', server.url + '/c', nginx + c),
        ('nginx `proxy_pass` to node', server.url + '/node', nginx + node),
        ('C', peers.url('c'), c), ('node', peers.url('node'), node),
        ('gunicorn', peers.url('flask', 'predict'), flask)], body)


def larger(server, model, peers, body):
    with open(server.prefix + '/nginx.pid') as f:
        nginx = family(f.read().strip())

    c = family(peers.pid['c_dense'])

    say()
    say('## HTTP: a dense network by JSON')
    say()
    say('784-1024-1024-10, 1.9 million weights, 784 floats in %d bytes of '
        'JSON; as above.' % os.path.getsize(body))
    compare(model, [
        ('ngx_maas', server.url + '/v1/models/dense:predict', nginx),
        ('nginx `proxy_pass` to C', server.url + '/c_dense', nginx + c),
        ('C', peers.url('c_dense'), c)], body)


def put(path, what):
    with open(path, 'w') as f:
        json.dump(what, f)
    return path


def main():
    work = tempfile.mkdtemp(prefix='maas_bench_')
    model, dense = work + '/mlp.onnx', work + '/dense.onnx'
    run('/usr/bin/python3', ROOT + '/t/data/make_models.py', work)
    bench_models.dense(dense)
    body = put(work + '/body.json', BODY)
    pixels = put(work + '/pixels.json', {'instances': [
        [round((i * 37 % 256) / 255, 4) for i in range(784)]]})

    server, peers = Server(CONF, PIN), Peers(model, dense)
    more = {'mlp': model, 'dense': dense, **peers.port}
    try:
        server.start('', more)
        with open(body, 'rb') as f:
            answer = post(server.url + '/v1/models/mlp:predict', f.read())
        server.stop()
        server.start(answer, more)
        small(server, model, peers, body)
        larger(server, dense, peers, pixels)
    finally:
        server.remove()
        peers.stop()
        shutil.rmtree(work, ignore_errors=True)
