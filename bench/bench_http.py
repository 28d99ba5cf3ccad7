"""nginx with a model beside nginx with a constant, and beside heavy work.

The first: POST of the same JSON by wrk -c16, digits beside `return 200` of
the same answer, alternated.  The second: how long a static file takes while
a model of 200 ms a run keeps every core busy.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from bench_base import (BUILD, MAAS, ROOT, SECONDS, alternate, middle, note,
                        quartiles, run, say, table)

BODY = ROOT + '/conf/models/digits/sample.json'

# Every server here begins so.
HEAD = """
load_module %(build)s/ngx_http_maas_module.so;
%(user)s
worker_processes 1;
pid nginx.pid;
error_log logs/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    maas_images images;
    maas_compiler %(build)s/maas;
"""

CONF = HEAD + """
    maas_model digits { source %(root)s/conf/models/digits; }
    maas_model slow { source %(prefix)s/slow.onnx; queue max=256 timeout=60s; }
    server {
        listen 127.0.0.1:%(port)d;
        client_max_body_size 10m;
        client_body_buffer_size 64k;
        location = /digits { maas_pass digits; }
        location /v2 { maas_api kserve; }
        location = /static.html { root html; }
        location = /ceiling {
            default_type application/json;
            return 200 '%(answer)s';
        }
    }
}
"""


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, conf=CONF, pin=()):
        self.conf, self.pin = conf, list(pin)
        self.prefix = tempfile.mkdtemp(prefix='maas_bench_')
        for d in ('logs', 'temp', 'html', 'images'):
            os.mkdir(self.prefix + '/' + d)
        with open(self.prefix + '/html/static.html', 'w') as f:
            f.write('<p>static</p>\n' * 100)
        self.port = free_port()
        self.url = 'http://127.0.0.1:%d' % self.port
        self.slow_model()

    def slow_model(self):
        work = self.prefix + '/models'
        os.mkdir(work)
        run('/usr/bin/python3', ROOT + '/t/data/make_models.py', work)
        shutil.copyfile(work + '/slow.onnx', self.prefix + '/slow.onnx')
        shutil.rmtree(work)

    def start(self, answer, more={}):
        text = self.conf % {
            **more,
            'build': BUILD, 'root': ROOT, 'prefix': self.prefix,
            'port': self.port, 'answer': answer,
            'user': 'user root;' if os.geteuid() == 0 else ''}
        with open(self.prefix + '/nginx.conf', 'w') as f:
            f.write(text)
        run(*self.pin, 'nginx', '-p', self.prefix + '/', '-c', 'nginx.conf',
            '-e', 'logs/error.log')
        end = time.time() + 20
        while time.time() < end:
            try:
                urllib.request.urlopen(self.url + '/static.html', timeout=2)
                return
            except OSError:
                time.sleep(0.05)
        sys.exit('nginx does not answer')

    def stop(self):
        try:
            with open(self.prefix + '/nginx.pid') as f:
                pid = int(f.read())
            os.kill(pid, 15)
            while os.path.exists('/proc/%d' % pid):
                time.sleep(0.05)
        except (OSError, ValueError):
            pass

    def remove(self):
        self.stop()
        shutil.rmtree(self.prefix, ignore_errors=True)


def post(url, body):
    r = urllib.request.Request(url, body,
                               {'Content-Type': 'application/json'})
    with urllib.request.urlopen(r, timeout=60) as f:
        return f.read().decode()


def wrk(url, seconds, connections=16, body=BODY, pin=()):
    out = run(*pin, 'wrk', '-t1', '-c%d' % connections,
              '-d%ds' % max(1, round(seconds)), '--timeout', '60s', '--latency',
              '-s', ROOT + '/bench/post.lua', url,
              env=dict(os.environ, BENCH_BODY=body))
    line = [x for x in out.split('\n') if x.startswith('RESULT ')][0]
    return json.loads(line[7:])


# -- requests per second -----------------------------------------------------

def requests(server):
    pairs = alternate('digits', lambda: wrk(server.url + '/digits', SECONDS),
                      lambda: wrk(server.url + '/ceiling', SECONDS))
    ratio = [a['rps'] / b['rps'] for a, b in pairs]
    low, high = quartiles(ratio)
    rows = []

    for i, name in ((0, '`maas_pass digits`'), (1, '`return 200`')):
        got = [p[i] for p in pairs]
        rows.append([name, '%.0f' % middle([x['rps'] for x in got]),
                     '%.0f' % max(x['rps'] for x in got),
                     '%.3f' % middle([x['p50_ms'] for x in got]),
                     '%.3f' % middle([x['p99_ms'] for x in got]),
                     '%d' % sum(x['bad'] for x in got)])

    say()
    say('## HTTP: digits beside `return 200`')
    say()
    say('POST of %d bytes of JSON, keep-alive, `wrk -t1 -c16`, one worker; '
        'the other side answers the same bytes without a model.'
        % os.path.getsize(BODY))
    say()
    table(['location', 'req/s', 'best', 'p50 ms', 'p99 ms', 'errors'], rows)
    alone = json.loads(run(MAAS, 'bench', ROOT + '/conf/models/digits',
                           '--json', '--seconds', 1))
    say()
    say('Ratio of requests per second: **%.2f** (quartiles %.2f - %.2f). Of '
        'the time of a request, the model itself takes %.1f us (`maas '
        'bench`).' % (middle(ratio), low, high, alone['min_ms'] * 1e3))


# -- a static file beside heavy work -----------------------------------------

def probe(server, seconds):
    """Latencies of a static file in ms, a request each 5 ms."""
    s = socket.create_connection(('127.0.0.1', server.port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    text = b'GET /static.html HTTP/1.1\r\nHost: localhost\r\n\r\n'
    times = []
    end = time.perf_counter() + seconds

    while time.perf_counter() < end:
        start = time.perf_counter()
        s.sendall(text)
        data = b''
        while b'\r\n\r\n' not in data:
            data += s.recv(65536)
        head, rest = data.split(b'\r\n\r\n', 1)
        size = int([h for h in head.split(b'\r\n')
                    if h.lower().startswith(b'content-length')][0].split()[1])
        while len(rest) < size:
            rest += s.recv(65536)
        times.append((time.perf_counter() - start) * 1e3)
        time.sleep(0.005)

    s.close()
    times.sort()
    return times


def rows_for(ms):
    """How many rows of the slow model take so long, by doubling."""
    def took(n):
        out = run(MAAS, 'bench', SLOW['path'], '--json', '--seconds', 0.5,
                  '--shape', 'x=%d,1' % n)
        return json.loads(out)['median_ms']

    n = 16
    while took(n) < ms and n < 1 << 14:
        n *= 2
    return max(1, round(n * ms / took(n)))


SLOW = {}


def beside(server):
    SLOW['path'] = server.prefix + '/slow.onnx'
    note('calibrating the slow model')
    n = rows_for(200)
    body = server.prefix + '/slow.json'
    with open(body, 'w') as f:
        json.dump({'inputs': [{'name': 'x', 'shape': [n, 1],
                               'datatype': 'FP32', 'data': [0.25] * n}]}, f)

    url = server.url + '/v2/models/slow/infer'
    seconds = max(5, 3 * SECONDS)
    with open(body, 'rb') as f:
        post(url, f.read())

    note('a static file, nothing else')
    idle = probe(server, seconds)
    load = subprocess.Popen(
        ['wrk', '-t1', '-c8', '-d%ds' % round(seconds + 3), '--timeout', '60s',
         '--latency', '-s', ROOT + '/bench/post.lua', url],
        env=dict(os.environ, BENCH_BODY=body), stdout=subprocess.PIPE,
        text=True)
    time.sleep(1.5)
    note('a static file, at full load')
    busy = probe(server, seconds)
    out = load.communicate()[0]
    got = json.loads([x for x in out.split('\n')
                      if x.startswith('RESULT ')][0][7:])
    note('')

    def line(name, t):
        return [name, '%d' % len(t), '%.3f' % t[len(t) // 2],
                '%.3f' % t[int(len(t) * 0.99)], '%.3f' % t[-1]]

    say()
    say('## A static file beside a model')
    say()
    say('One worker; a model of about 200 ms a run on one thread (%d rows), '
        'asked by 8 connections without a pause: %.1f runs a second, %d '
        'errors. The static file is asked for each 5 ms.'
        % (n, got['rps'], got['bad']))
    say()
    table(['static file', 'requests', 'p50 ms', 'p99 ms', 'max ms'],
          [line('alone', idle), line('model at full load', busy)])


def main():
    server = Server()
    try:
        server.start('')
        with open(BODY, 'rb') as f:
            answer = post(server.url + '/digits', f.read())
        server.stop()
        server.start(answer.replace('\\', '\\\\').replace("'", "\\'"))
        requests(server)
        beside(server)
    finally:
        server.remove()
