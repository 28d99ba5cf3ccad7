"""A small network by JSON over HTTP: nginx with a model, and without one,
beside the servers that people write around a runtime.

All answer the same request: two floats for the 2-10-1 network of
t/data/make_models.py.  nginx has one worker, each peer one process.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from bench_base import (BUILD, MAAS, PAIRS, ROOT, SECONDS, middle, note,
                        quartiles, run, say, table)
from bench_http import HEAD, Server, free_port, post, wrk

BODY = {'signature_name': 'serving_default', 'instances': [[0.25, 0.75]]}

CONF = HEAD + """
    maas_model mlp { source %(mlp)s; }
    upstream peer {
        server 127.0.0.1:%(node)d;
        keepalive 16;
        keepalive_requests 100000000;
    }
    server {
        listen 127.0.0.1:%(port)d;
        location /v1 { maas_api tfserving; }
        location = /static.html { root html; }
        location = /ceiling {
            default_type application/json;
            return 200 '%(answer)s';
        }
        location = /proxy {
            proxy_pass http://peer;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
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
    def __init__(self, model):
        self.node, self.flask = free_port(), free_port()
        quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}
        self.started = [
            subprocess.Popen(['node', ROOT + '/bench/peer_http.mjs',
                              BUILD + '/models', model, str(self.node)],
                             **quiet),
            subprocess.Popen(['/usr/bin/gunicorn', '-w', '1', '-k', 'gthread',
                              '--threads', '4', '--keep-alive', '600',
                              '-b', '127.0.0.1:%d' % self.flask,
                              'peer_flask:app'], cwd=ROOT + '/bench',
                             env=dict(os.environ, PEER_MODEL=model),
                             **quiet)]

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
            r = wrk(url, SECONDS, body=body)
            r['cpu'] = (cpu_us(pids) - start) / max(r['requests'], 1)
            got[name].append(r)
    note('')
    return got


def tell(got, sides, ours, alone):
    rows = []
    for name, _, _ in sides:
        g = got[name]
        ratio = [a['rps'] / b['rps'] for a, b in zip(got[ours], g)]
        mid = lambda key: middle([x[key] for x in g])
        rows.append([name, '%.0f' % mid('rps'), '%.2f' % middle(ratio),
                     '%.2f - %.2f' % quartiles(ratio),
                     '%.1f' % mid('cpu'),
                     '%.2f' % middle([b['cpu'] / a['cpu']
                                      for a, b in zip(got[ours], g)]),
                     '%.3f' % mid('p50_ms'), '%.3f' % mid('p99_ms'),
                     '%d' % sum(x['bad'] for x in g)])

    say()
    say('## HTTP: a 2-10-1 network by JSON')
    say()
    say('`POST /v1/models/mlp:predict` with two floats, keep-alive, `wrk -t1 '
        '-c16`; nginx with one worker, each peer one process of one thread of '
        'compute. `return 200` gives the same answer without a model; '
        'node is its HTTP server with ONNX Runtime in it, gunicorn is Flask '
        'with PyTorch (gthread, 4 threads). The ratio is ngx_maas to the row '
        'in requests a second; CPU is what all processes of the server '
        'use for a request, its ratio that of the row to ngx_maas. A run of '
        'the model alone takes %.2f us (`maas bench`).' % (alone * 1e3))
    say()
    table(['server', 'req/s', 'ratio', 'quartiles', 'CPU us', 'ratio',
           'p50 ms', 'p99 ms', 'errors'], rows)


def compare(server, model, peers, body):
    with open(body, 'rb') as f:
        text = f.read()

    predict = server.url + '/v1/models/mlp:predict'
    ours = 'ngx_maas'
    sides = [(ours, predict), ('`return 200`', server.url + '/ceiling'),
             ('nginx `proxy_pass` to node', server.url + '/proxy'),
             ('node', 'http://127.0.0.1:%d/' % peers.node),
             ('gunicorn', 'http://127.0.0.1:%d/predict' % peers.flask)]
    want = wait_for(predict, text)['predictions'][0][0]

    for name, url in sides:
        came = wait_for(url, text)['predictions'][0][0]
        if abs(came - want) > 1e-5:
            sys.exit('%s answers %r, not %r' % (name, came, want))

    with open(server.prefix + '/nginx.pid') as f:
        nginx = family(f.read().strip())
    node, flask = [family(p.pid) for p in peers.started]
    pids = [nginx, nginx, nginx + node, node, flask]
    sides = [(*s, p) for s, p in zip(sides, pids)]

    alone = json.loads(run(MAAS, 'bench', model, '--json', '--seconds', 0.5))
    got = measure(sides, body)
    tell(got, sides, ours, alone['min_ms'])


def main():
    work = tempfile.mkdtemp(prefix='maas_bench_')
    model, body = work + '/mlp.onnx', work + '/body.json'
    run('/usr/bin/python3', ROOT + '/t/data/make_models.py', work)
    with open(body, 'w') as f:
        json.dump(BODY, f)

    server, peers = Server(CONF), Peers(model)
    more = {'mlp': model, 'node': peers.node}
    try:
        server.start('', more)
        with open(body, 'rb') as f:
            answer = post(server.url + '/v1/models/mlp:predict', f.read())
        server.stop()
        server.start(answer, more)
        compare(server, model, peers, body)
    finally:
        server.remove()
        peers.stop()
        shutil.rmtree(work, ignore_errors=True)
