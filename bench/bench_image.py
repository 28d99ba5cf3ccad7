"""ResNet-50 by JPEG over HTTP beside what it is made of: the engine's call
and the picture's preparation (bench_image.c), all on one core and in turn;
the client has another core."""

import json
import os
import socket
import time

import numpy as np

from bench_base import (BUILD, MAAS, PIN, Paced, interval, middle, note,
                        run, say, table)
from bench_cases import by_name
from bench_http import HEAD, Server

GATE = 1.03
WIDTH, HEIGHT, QUALITY = 500, 375, 90
TURNS = 15
SLICE = 0.4             # s of a turn of HTTP and of the engine

META = {
    'input': {'image': {
        'width': 224, 'height': 224, 'fit': 'crop', 'resize': 256,
        'scale': 1 / 255, 'mean': [0.485, 0.456, 0.406],
        'std': [0.229, 0.224, 0.225]}},
    'output': {'meaning': 'classes', 'softmax': True, 'top_k': 5}}

CONF = HEAD + """
    maas_threads 1;
    maas_model resnet50 { source %(model)s; }
    server {
        listen 127.0.0.1:%(port)d;
        client_max_body_size 10m;
        client_body_buffer_size 1m;
        location = /static.html { root html; }
        location = /resnet50 { maas_pass resnet50; }
    }
}
"""


def folder(prefix):
    """The model with its model.json, as an operator lays it out."""
    path = prefix + '/resnet50'
    os.mkdir(path)
    os.symlink(by_name('resnet50').path('resnet50'), path + '/model.onnx')
    with open(path + '/model.json', 'w') as f:
        json.dump(META, f)
    return path


def picture():
    """A JPEG with the detail of a photograph: noise of several sizes."""
    from io import BytesIO
    from PIL import Image

    rng = np.random.default_rng(3)
    total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for cell, weight in ((100, 60), (25, 30), (6, 15), (1, 4)):
        noise = rng.normal(128, weight, (HEIGHT // cell + 1,
                                         WIDTH // cell + 1, 3))
        noise = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
        total += np.asarray(noise.resize((WIDTH, HEIGHT)), np.float32) - 128
    to = BytesIO()
    Image.fromarray((total + 128).clip(0, 255).astype(np.uint8)).save(
        to, 'JPEG', quality=QUALITY)
    return to.getvalue()


class Client:
    """One connection, a request when the last one is answered."""

    def __init__(self, port, body):
        self.s = socket.create_connection(('127.0.0.1', port))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.text = (b'POST /resnet50 HTTP/1.1\r\nHost: localhost\r\n'
                     b'Content-Type: image/jpeg\r\nContent-Length: %d\r\n'
                     b'\r\n' % len(body)) + body

    def once(self):
        self.s.sendall(self.text)
        data = b''
        while b'\r\n\r\n' not in data:
            data += self.receive()
        head, rest = data.split(b'\r\n\r\n', 1)
        size = int([h for h in head.split(b'\r\n')
                    if h.lower().startswith(b'content-length')][0].split()[1])
        while len(rest) < size:
            rest += self.receive()
        if not head.startswith(b'HTTP/1.1 200'):
            raise SystemExit(rest.decode())
        return rest

    def receive(self):
        data = self.s.recv(65536)
        if not data:
            raise SystemExit('the server has closed the connection')
        return data

    def ask(self):
        times, end = [], time.perf_counter() + SLICE
        while time.perf_counter() < end:
            start = time.perf_counter()
            self.once()
            times.append((time.perf_counter() - start) * 1e3)
        return {'median_ms': middle(times)}


def measure(client, engine, decoder):
    got = []
    for i in range(TURNS + 1):
        note('JPEG over HTTP: %d of %d' % (i, TURNS))
        sides = [client, engine, decoder]
        ms = {s: s.ask()['median_ms'] for s in
              (sides if i % 2 == 0 else sides[::-1])}
        got.append([ms[s] for s in sides])
    note('')
    return got[1:]                      # the first turn warms up


def tell(got, size):
    ratio = [http / (engine + decode) for http, engine, decode in got]
    low, high = interval(ratio)
    http, engine, decode = (middle(x) for x in zip(*got))

    say()
    say('## HTTP: ResNet-50 by JPEG')
    say()
    say('A JPEG of %d x %d pixels, %d bytes, by one connection to '
        '`maas_pass`, which decodes, resizes, crops, runs and answers with '
        'the five best classes, beside `maas bench` and bench/bench_image.c, '
        'which prepares the same picture: one thread each, on one core, in '
        'turns of %g s; medians of %d turns. The ratio is that of HTTP to '
        'the sum of the two.' % (WIDTH, HEIGHT, size, SLICE, len(got)))
    say()
    table(['case', 'HTTP ms', 'engine ms', 'decode ms', 'ratio', 'interval',
           'gate', 'verdict'],
          [['resnet50', '%.2f' % http, '%.2f' % engine, '%.2f' % decode,
            '%.3f' % middle(ratio), '%.3f - %.3f' % (low, high),
            '%.2f' % GATE, 'pass' if high <= GATE else 'MISSED']])


def main():
    server, sides = Server(CONF, PIN), []
    try:
        path = folder(server.prefix)
        image = server.prefix + '/resnet50.maas'
        body = picture()
        with open(server.prefix + '/picture.jpg', 'wb') as f:
            f.write(body)
        run(MAAS, 'compile', path, '-o', image)
        server.start('', {'model': path})
        client = Client(server.port, body)
        client.once()
        sides += [Paced(*PIN, MAAS, 'bench', image, '--json', '--paced',
                        '--threads', 1, '--seconds', SLICE),
                  Paced(*PIN, BUILD + '/bench_image', image,
                        server.prefix + '/picture.jpg')]
        got = measure(client, *sides)
        tell(got, len(body))
    finally:
        for s in sides:
            s.close()
        server.remove()
