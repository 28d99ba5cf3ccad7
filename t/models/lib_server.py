"""A running nginx with the module, for the tests of this folder.

    with Server({'name': '/path/of/model'}) as s:
        out = s.infer('name', {'input': array})     # {name: array} or text
        status, answer = s.post('/name', body, 'image/png')

Each model answers at /NAME (maas_pass) and below /v2 (Open Inference
Protocol; infer() sends and takes binary tensors).  The server is stopped at
the end of the block, and a line of its log with alert, crit or emerg is an
assertion.  One thread.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.dont_write_bytecode = True

CONF = '''load_module %(build)s/ngx_http_maas_module.so;
%(user)s
worker_processes 1;
pid logs/nginx.pid;
error_log logs/error.log info;
events { worker_connections 64; }
http {
    access_log off;
    maas_compiler %(build)s/maas;
    maas_compile_timeout 300s;
    maas_images images;
    client_max_body_size 0;
    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;
%(models)s
    server {
        listen 127.0.0.1:%(port)d;
        maas_timeout 300s;
        location /v2 { maas_api kserve; }
%(places)s
    }
}
'''

TYPES = {'float32': 'FP32', 'float64': 'FP64', 'float16': 'FP16',
         'bool': 'BOOL', 'int8': 'INT8', 'int16': 'INT16', 'int32': 'INT32',
         'int64': 'INT64', 'uint8': 'UINT8', 'uint16': 'UINT16',
         'uint32': 'UINT32', 'uint64': 'UINT64'}
NUMPY = {v: k for k, v in TYPES.items()}

HEAD = 'Inference-Header-Content-Length'


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, models, build=None, folder=None):
        """models: {name: source}; the prefix is made below folder."""
        self.build = os.path.abspath(build or os.environ['MAAS_BUILD'])
        self.prefix = tempfile.mkdtemp(prefix='nginx-', dir=folder)
        self.port = free_port()
        for name in ('logs', 'temp', 'conf'):
            os.mkdir(self.prefix + '/' + name)
        with open(self.prefix + '/conf/nginx.conf', 'w') as f:
            f.write(CONF % {
                'build': self.build, 'port': self.port,
                'user': 'user root;' if os.getuid() == 0 else '',
                'models': ''.join('    maas_model %s { source %s; }\n' % m
                                  for m in models.items()),
                'places': ''.join('        location = /%s { maas_pass %s; }\n'
                                  % (name, name) for name in models)})

    def __enter__(self):
        env = dict(os.environ, PATH=os.environ['PATH'] + ':/usr/sbin:/sbin')
        if env.get('MAAS_PRELOAD'):     # a sanitizer, of the module
            env['LD_PRELOAD'] = env['MAAS_PRELOAD']
        p = subprocess.run([os.environ.get('MAAS_NGINX') or 'nginx',
                            '-p', self.prefix + '/',
                            '-c', self.prefix + '/conf/nginx.conf',
                            '-e', 'logs/error.log'],
                           env=env, stdin=subprocess.DEVNULL,
                           capture_output=True, text=True)
        if p.returncode != 0:
            shutil.rmtree(self.prefix, ignore_errors=True)
            raise AssertionError('nginx does not start: ' + p.stderr.strip())
        end = time.time() + 20
        while not self.answers():
            if time.time() > end:
                self.stop()
                raise AssertionError('nginx does not listen')
            time.sleep(0.01)
        return self

    def __exit__(self, kind, *rest):
        bad = self.stop()
        if kind is None and bad:
            raise AssertionError('\n'.join(bad))

    def answers(self):
        try:
            socket.create_connection(('127.0.0.1', self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        """Ends the server; what its log says against it."""
        bad = []
        try:
            with open(self.prefix + '/logs/nginx.pid') as f:
                master = int(f.read())
            os.kill(master, signal.SIGTERM)
            end = time.time() + 20
            while os.path.exists('/proc/%d' % master):
                if time.time() > end:
                    os.kill(master, signal.SIGKILL)
                    bad.append('nginx had to be killed')
                    break
                time.sleep(0.01)
        except (OSError, ValueError) as e:
            bad.append('nginx is gone: %s' % e)
        with open(self.prefix + '/logs/error.log') as f:
            bad += [line for line in f.read().split('\n')
                    if re.search(r'\[(alert|crit|emerg)\]', line)]
        shutil.rmtree(self.prefix, ignore_errors=True)
        return bad

    # -- requests ------------------------------------------------------------

    def request(self, method, path, body=None, headers=None):
        """(status, headers, bytes) of an answer."""
        c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=300)
        try:
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            return r.status, r.headers, r.read()
        finally:
            c.close()

    def get(self, path):
        return self.json(*self.request('GET', path))

    def post(self, path, body, kind='application/json'):
        """(status, value) of a JSON answer."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self.json(*self.request('POST', path, body,
                                       {'Content-Type': kind}))

    def json(self, status, headers, text):
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors='replace')

    def infer(self, name, inputs):
        """Binary tensors to and fro: {name: array}, or the failure."""
        head = {'inputs': [], 'parameters': {'binary_data_output': True}}
        data = b''
        for k, v in inputs.items():
            v = np.asarray(v)
            head['inputs'].append({
                'name': k, 'shape': list(v.shape),
                'datatype': TYPES[v.dtype.name],
                'parameters': {'binary_data_size': v.nbytes}})
            data += v.tobytes()
        text = json.dumps(head).encode()
        status, headers, body = self.request(
            'POST', '/v2/models/%s/infer' % name, text + data,
            {'Content-Type': 'application/octet-stream',
             HEAD: str(len(text))})
        if status != 200:
            return 'HTTP %d: %s' % (status, body.decode(errors='replace'))
        return self.outputs(headers, body)

    def outputs(self, headers, body):
        at = int(headers.get(HEAD) or len(body))
        got = {}
        for o in json.loads(body[:at])['outputs']:
            kind = np.dtype(NUMPY[o['datatype']])
            size = o.get('parameters', {}).get('binary_data_size')
            if size is None:
                got[o['name']] = np.array(o['data'], kind).reshape(o['shape'])
                continue
            got[o['name']] = np.frombuffer(body[at:at + size], kind
                                           ).reshape(o['shape'])
            at += size
        return got
