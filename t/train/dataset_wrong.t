#!/usr/bin/python3
"""maas dataset: bad files give an error that names what is wrong and where;
nothing is left half-written by an error, a full disk or a kill; memory is
bounded."""

import gzip
import io
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import tarfile
import time
import zipfile

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_dataset import (MAAS, done, load, maas, ok, png, refused, show,
                         spew, temp)

T = temp()
os.makedirs(T + '/out')
OUT = T + '/out/x.maasds'


def wrong(name, text, want, *args, **more):
    return refused(spew(T + '/' + name, text), OUT, want, *args, **more)


# -- CSV --------------------------------------------------------------------

wrong('ragged.csv', 'a,b\n1,2\n"x\ny",2\n3\n',
      'ragged.csv: line 5 has 1 field, and the header has 2')
wrong('more.csv', 'a,b\n' + '1,2\n' * 100000 + '1,2,3\n',
      'more.csv: line 100002 has 3 fields, and the header has 2')
wrong('open.csv', 'a,b\n1,2\n3,"x\n4,5\n',
      'line 3, field 2: a field in quotes does not end')
wrong('behind.csv', 'a,b\n1,2\n3,"x"y\n',
      'line 3, field 2: text behind the closing quote')
wrong('empty.csv', '', 'empty.csv: the file is empty')
wrong('blank.csv', '\n\n\r\n', 'blank.csv: the file is empty')
wrong('header.csv', 'a,b\n', 'header.csv: there is a header and no row')
wrong('twice.csv', 'a,b,a\n1,2,3\n', 'columns 1 and 3 are both called "a"',
      '--header', 'yes')
wrong('utf16.csv', 'a,b\n1,2\n'.encode('utf-16'),
      'the text is UTF-16: save it as UTF-8')
wrong('age.csv', 'age,x\n1,2\nabc,3\n', 'age.csv: line 3, column "age": '
      '"abc" is no integer, as the column is told to be', '--type',
      'age=integer')
wrong('frac.csv', 'age,x\n1.5,2\n', '"1.5" is no integer', '--type',
      'age=integer')
wrong('no.csv', 'age,x\n1,2\n', 'no column is called "aeg"; did you mean '
      '"age"?', '--type', 'aeg=integer')
wrong('sep.csv', 'a|b\n1|2\n3,4|5\n', 'line 3 has 2 fields')
wrong('cut.csv.gz', gzip.compress(b'a,b\n' + os.urandom(9999).hex().encode())
      [:-20], 'bad gzip data')
wrong('class.csv', 'c\n' + ''.join('v%d\n' % i for i in range(70000)),
      'column "c" is to be a category and has more than 65536 values',
      '--type', 'c=category')
wrong('cols.csv', ','.join('c%d' % i for i in range(100001)) + '\n',
      'has 100001 fields; at most 100000 are taken')

# A line of 1 GB: a file with a hole, refused at the limit, in its memory.


def little(mb):
    def set_limits():
        if 'MAAS_PRELOAD' not in os.environ:    # a sanitizer needs more
            resource.setrlimit(resource.RLIMIT_DATA, (mb << 20, mb << 20))
    return set_limits


with open(T + '/long.csv', 'wb') as f:
    f.write(b'a,b\n1,2\n')
    f.truncate(1 << 30)
begin = time.time()
refused(T + '/long.csv', OUT, 'long.csv: line 3 is longer than 16777216 '
        'bytes', preexec_fn=little(64))
ok(time.time() - begin < 5, 'without reading all of it')
refused(T + '/long.csv', OUT, 'line 3 is longer than 1000 bytes',
        '--max-row', '1000', name='--max-row')
os.unlink(T + '/long.csv')

# What is fine, however odd.

spew(T + '/one.csv', 'y\n' + 'same\n' * 50)
d = load(T + '/one.csv', OUT)
ok([k['rows'] for k in d['column']['y']['classes']] == [50], 'one class only')
spew(T + '/nan.csv', 'x,y\nNaN,\n,NA\n')
d = load(T + '/nan.csv', OUT)
ok(d['column']['x']['missing'] == 2, 'nothing but missing values')
spew(T + '/bytes.csv', b'a,b\n\xff\xfe\x00,1\n\x80,2\n')
ok(load(T + '/bytes.csv', OUT)['rows'] == 2, 'bytes that are no UTF-8')
os.unlink(OUT)


# -- JSON -------------------------------------------------------------------

wrong('cut.json', '[{"a":1},\n{"a":2', 'line 2: the value that begins here '
      'does not end')
wrong('nan.json', '[{"a":1},\n{"a":NaN}]', 'write null')
wrong('bad.jsonl', '{"a":1}\n{"a":}\n', 'bad.jsonl: line 2: ')
wrong('deep.json', '[{"a":{"b":1}}]', 'row 1, column "a": an object')
wrong('lists.json', '[{"a":[1,2]},{"a":[1]}]',
      'row 2, column "a": a list of shape [1]; before, from row 1 on, it has '
      'lists[2]')
wrong('jag.json', '[{"a":[[1,2],[1]]}]', 'lists of different lengths')
wrong('number.json', '3', 'neither a list of rows nor an object of columns')
wrong('scalar.json', '[1,2]', 'a row is not an object')
wrong('uneven.json', '{"a":[1,2],"b":[1]}', 'column "a" has 2 rows, column '
      '"b" has 1')
wrong('none.json', '[]', 'there is no row')
wrong('void.json', ' ', 'void.json: the file is empty')
wrong('tail.json', '[{"a":1}] x', 'something stands behind the rows')
wrong('sparse.jsonl', ''.join('{"k%d":1}\n' % i for i in range(20000)),
      'columns, and nearly all cells are empty')
wrong('double.json', '[{"a":1,"a":2}]', 'duplicate object key')


# -- arrays, images ---------------------------------------------------------

def npy(a):
    b = io.BytesIO()
    np.save(b, a)
    return b.getvalue()


wrong('cut.npy', npy(np.zeros((3, 4)))[:-1], 'the shape needs 96 bytes')
wrong('object.npy', npy(np.array([None, 1], dtype=object)), "type '|O'")
wrong('zero.npy', npy(np.zeros((0, 4))), 'has no rows')
b = io.BytesIO()
np.savez(b, x=np.zeros(3), y=np.zeros(4))
wrong('rows.npz', b.getvalue(), '"y" has 4 rows, "x" has 3')
wrong('cut.npz', b.getvalue()[:-30], 'not a whole .npz archive')
raw = bytearray(b.getvalue())
raw[200] ^= 1
wrong('sum.npz', bytes(raw), 'the checksum of a member is wrong')
b = io.BytesIO()
with zipfile.ZipFile(b, 'w') as z:
    z.writestr('a.txt', 'x')
wrong('text.npz', b.getvalue(), 'a member is no .npy file')

os.makedirs(T + '/im/a')
refused(T + '/im', OUT, 'there is no image')
spew(T + '/im/a/1.png', png(4, 4, lambda x, y: (x, y, 0)))
spew(T + '/im/a/2.png', png(4, 5, lambda x, y: (x, y, 0)))
refused(T + '/im', OUT, 'a/2.png: the image is 4x5, and ')
spew(T + '/im/a/2.png', png(4, 4, lambda x, y: (x, y, 0))[:-30])
refused(T + '/im', OUT, 'im/a/2.png: ')
spew(T + '/im/a/2.png', 'text')
refused(T + '/im', OUT, 'im/a/2.png: not an image')
spew(T + '/im/notes', 'text')
os.rename(T + '/im/a/2.png', T + '/im/b')
refused(T + '/im', OUT, 'im/b is no folder: images lie in a folder for each '
        'class')
with tarfile.open(T + '/flat.tar', 'w') as tar:
    tar.add(T + '/im/a/1.png', '1.png')
refused(T + '/flat.tar', OUT, '1.png lies in no folder')
wrong('cut.tar', open(T + '/flat.tar', 'rb').read()[:600], 'not a whole tar')
wrong('head.tar', b'x' * 1024, 'a bad header')
wrong('z.bin', b'', 'z.bin: the file is empty')
wrong('x.bin', bytes(3072), '3072 bytes are not a number of records of 3073')
wrong('y.bin', b'\x0b' + bytes(3072), 'record 0 has label 11, and there are '
      '10 classes')


# -- the command ------------------------------------------------------------

spew(T + '/a.csv', 'a,b\n1,2\n')
for args, want in [
        (['import', T + '/a.csv'], 'where to?'),
        (['improt', T + '/a.csv'], 'did you mean "import"?'),
        (['import', T + '/a.csv', '-o', OUT, '--format', 'xls'],
         'expected csv, json'),
        (['import', T + '/a.csv', '-o', OUT, '--type', 'a=nubmer'],
         'did you mean "number"?'),
        (['import', T + '/a.csv', '-o', OUT, '--size', '3'],
         'expected WIDTHxHEIGHT'),
        (['import', T + '/a.csv', '-o', OUT, '--header', 'maybe'],
         'expected yes or no'),
        (['split', '--by', 'group', OUT], '--by group needs --column'),
        (['show'], 'which dataset?')]:
    if args[0] == 'split':
        load(T + '/a.csv', OUT)
    r = maas(*args)
    ok(r.returncode == 2 and want in r.stderr, ' '.join(args[:1]) + ': '
       + want, r.stderr)
os.unlink(OUT)

refused(T + '/none.csv', OUT, 'none.csv: No such file or directory')
r = maas('import', T + '/a.csv', '-o', T + '/nowhere/x.maasds')
ok(r.returncode == 1 and 'nowhere/x.maasds: No such file' in r.stderr,
   'no folder for the output', r.stderr)
r = maas('import', T + '/a.csv', '-o', T + '/a.csv')
ok(r.returncode == 1 and 'would be written over itself' in r.stderr
   and open(T + '/a.csv').read() == 'a,b\n1,2\n', 'the source as the output')
r = maas('show', T + '/a.csv')
ok(r.returncode == 1 and 'not a dataset' in r.stderr, 'no dataset', r.stderr)
load(T + '/a.csv', OUT)
raw = open(OUT, 'rb').read()
spew(T + '/cut.maasds', raw[:-8])
ok('not a whole dataset' in maas('show', T + '/cut.maasds').stderr, 'cut')
spew(T + '/bit.maasds', raw[:140] + bytes([raw[140] ^ 1]) + raw[141:])
r = maas('show', '--verify', T + '/bit.maasds')
ok(r.returncode == 1 and 'its digest differs' in r.stderr, 'one bit', r.stderr)


# -- disks, kills, memory ---------------------------------------------------

random.seed(1)
with open(T + '/big.csv', 'w') as f:
    f.write('id,x,name,class\n')
    for i in range(200000):
        f.write('%d,%.6f,name of %d,c%d\n' % (i, random.random(), i, i % 9))


def small_files(n):
    def set_limits():
        resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))
    return set_limits


before = open(OUT, 'rb').read()
for n in (100000, 3000000, 5000000):
    refused(T + '/big.csv', OUT, 'cannot write %s: File too large' % OUT,
            '--memory', '200000', name='a full disk at %d bytes' % n,
            preexec_fn=small_files(n))
ok(open(OUT, 'rb').read() == before, 'what was there is still there')

whole = load(T + '/big.csv', T + '/whole.maasds')['sha256']
states = set()
begin = time.time()
maas('import', T + '/big.csv', '-o', OUT, '--memory', '200000')
cost = time.time() - begin
spew(OUT, before)
for i in range(25):
    p = subprocess.Popen([MAAS, 'dataset', 'import', T + '/big.csv', '-o',
                          OUT, '--memory', '200000'],
                         stdout=subprocess.DEVNULL)
    time.sleep(cost * (i + 1) / 24 * random.uniform(0.8, 1.2))
    p.send_signal(signal.SIGKILL)
    p.wait()
    states.add('old' if open(OUT, 'rb').read() == before
               else show(OUT)['sha256'])
    left = [n for n in os.listdir(T + '/out') if n != 'x.maasds']
    if left:
        states.add('left: %s' % left)
        break
ok(states <= {'old', whole} and 'old' in states,
   'killed at any moment: the old file or the new one', states)

r = maas('import', T + '/big.csv', '-o', OUT, '--memory', '2000000',
         preexec_fn=little(24))
ok(r.returncode == 0 and show(OUT)['sha256'] == whole,
   'the same within 24 MB of memory', r.stderr)

# A name of its own in a folder that cannot be written.
if os.geteuid() != 0:
    os.chmod(T + '/out', 0o500)
    r = maas('import', T + '/a.csv', '-o', T + '/out/new.maasds')
    ok(r.returncode == 1 and 'Permission denied' in r.stderr, 'no permission')
    os.chmod(T + '/out', 0o700)

done()
