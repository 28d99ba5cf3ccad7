"""For the tests of datasets: the command, TAP, files that it reads."""

import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), '../..'))
BUILD = os.path.abspath(os.environ.get('MAAS_BUILD') or ROOT + '/build')
MAAS = BUILD + '/maas'

tests = 0
failed = 0

if not os.path.exists(MAAS):
    print('Bail out!  %s is missing: run make' % MAAS)
    sys.exit(1)


def ok(cond, name, note=None):
    global tests, failed
    tests += 1
    failed += not cond
    print('%sok %d - %s' % ('' if cond else 'not ', tests, name))
    if not cond and note is not None:
        print('\n'.join('# ' + line for line in str(note).split('\n')))
    sys.stdout.flush()
    return cond


def done():
    print('1..%d' % tests)
    sys.exit(failed != 0)


def temp():
    d = tempfile.TemporaryDirectory(prefix='maas_dataset_')
    done.folder = d             # removed at exit
    return d.name


def maas(*args, **more):
    r = subprocess.run((MAAS, 'dataset') + args, capture_output=True, **more)
    r.stdout = r.stdout.decode('utf-8', 'replace')
    r.stderr = r.stderr.decode('utf-8', 'replace')
    return r


def spew(path, text):
    with open(path, 'wb') as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    return path


def load(source, out, *args, name=None):
    """Imports; {column: what show says}, or None with a failed test."""
    r = maas('import', source, '-o', out, *args)
    if not ok(r.returncode == 0, (name or os.path.basename(source))
              + ': imported', r.stderr):
        return None
    return show(out)


def show(path):
    r = maas('show', '--json', '--verify', path)
    if r.returncode != 0:
        ok(False, path + ': shown', r.stderr)
        return None
    d = json.loads(r.stdout)
    d['column'] = {c['name']: c for c in d['columns']}
    return d


def refused(source, out, want, *args, name=None, **more):
    """The import fails with this text, and leaves nothing behind."""
    before = sorted(os.listdir(os.path.dirname(out)))
    r = maas('import', source, '-o', out, *args, **more)
    name = name or os.path.basename(source)
    ok(r.returncode == 1 and want in r.stderr, '%s: %s' % (name, want),
       '%s %s' % (r.returncode, r.stderr))
    after = sorted(os.listdir(os.path.dirname(out)))
    ok(before == after, name + ': nothing is left', after)
    return r.stderr


def png(width, height, pixel, gray=False):
    """pixel(x, y): (r, g, b), or a gray value."""
    rows = b''
    for y in range(height):
        rows += b'\0' + b''.join(bytes([pixel(x, y)] if gray
                                       else pixel(x, y))
                                 for x in range(width))

    def chunk(kind, data):
        return (struct.pack('>I', len(data)) + kind + data
                + struct.pack('>I', zlib.crc32(kind + data)))

    return (b'\x89PNG\r\n\x1a\n'
            + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8,
                                         0 if gray else 2, 0, 0, 0))
            + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
