#!/usr/bin/python3
"""maas dataset: files of every format give the values and statistics that
Python's csv and NumPy (scikit-learn, where it is installed) make of them."""

import csv
import gzip
import io
import json
import math
import os
import random
import sys
import tarfile

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_dataset import done, load, maas, ok, png, show, spew, temp

T = temp()
OUT = T + '/x.maasds'


def rows(path=OUT):
    """What export writes, through Python's csv."""
    r = maas('export', path)
    return list(csv.reader(io.StringIO(r.stdout, newline='')))


def column(name, path=OUT):
    table = rows(path)
    i = table[0].index(name)
    return [r[i] for r in table[1:]]


def near(a, b):
    return abs(a - b) <= 1e-12 * max(abs(a), abs(b), 1e-300)


def stats(c, v, name):
    v = np.asarray(v, np.float64)
    v = v[~np.isnan(v)]
    ok(near(c['min'], v.min()) and near(c['max'], v.max())
       and abs(c['mean'] - v.mean()) <= 1e-12 * np.abs(v).max()
       and near(c['std'], v.std()), name + ': statistics as in NumPy',
       (c, v.min(), v.max(), v.mean(), v.std()))


# -- numbers ----------------------------------------------------------------

rng = np.random.default_rng(1)
n = 5000
values = np.concatenate([rng.normal(size=n // 2) * 10.0
                         ** rng.integers(-300, 300, n // 2),
                         rng.normal(size=n // 2)])
text = [repr(float(v)) for v in values]
near_one = rng.normal(size=n)
ints = rng.integers(-2**62, 2**62, n)
late = [str(i) for i in range(n - 1)] + ['0.5']
holes = ['' if i % 7 == 0 else 'NA' if i % 11 == 0 else str(i)
         for i in range(n)]
with open(T + '/n.csv', 'w', newline='') as f:
    w = csv.writer(f)
    w.writerow(['x', 'z', 'i', 'late', 'holes', 'sign'])
    for i in range(n):
        w.writerow([text[i], '%.17g' % near_one[i], ints[i], late[i],
                    holes[i], ['+1', '007', ' 5 ', '.5', '5.', '-1e-3'][i % 6]])

d = load(T + '/n.csv', OUT)
c = d['column']
ok([c[k]['kind'] for k in c] == ['number', 'number', 'integer', 'number',
                                 'integer', 'number'], 'kinds', d)
ok([float(v) for v in column('x')] == list(values), 'doubles are exact')
ok([int(v) for v in column('i')] == list(ints), 'integers are exact')
ok([float(v) for v in column('late')] == [float(v) for v in late],
   'integers until the last row')
ok(column('holes') == ['' if v in ('', 'NA') else v for v in holes]
   and c['holes']['missing'] == sum(v in ('', 'NA') for v in holes),
   'missing values')
ok(column('sign')[:6] == ['1.0', '7.0', '5.0', '0.5', '5.0', '-0.001'],
   'numbers as people write them', column('sign')[:6])
stats(c['z'], near_one, 'numbers')
stats(c['i'], ints, 'integers')
stats(c['holes'], [float(v) if v not in ('', 'NA') else math.nan
                   for v in holes], 'with holes')

digest = d['sha256']
with gzip.open(T + '/n.csv.gz', 'wb') as f:
    f.write(open(T + '/n.csv', 'rb').read())
ok(load(T + '/n.csv.gz', OUT)['sha256'] == digest, 'gzip gives the same')
ok(load(T + '/n.csv', OUT, '--memory', '20000', name='in 20 kB of memory')
   ['sha256'] == digest, 'and little memory')


# -- text -------------------------------------------------------------------

words = ['', 'a', 'plain text', 'with, comma', 'say "so"', 'two\nlines',
         'tab\there', 'caf\u00e9', '\u6f22\u5b57', ' led', 'trail ', '"', '""',
         'a;b', '\r\n', 'true story', '12 monkeys', '-', '1.2.3', '0x10']
random.seed(3)
long = ['t%d %s' % (i, random.choice(words)) for i in range(3000)]
cats = [random.choice(words) for i in range(3000)]

for name, sep, end, bom in [('comma', ',', '\n', b''),
                            ('crlf', ',', '\r\n', b''),
                            ('bom', ',', '\n', b'\xef\xbb\xbf'),
                            ('semicolon', ';', '\r\n', b'\xef\xbb\xbf'),
                            ('tab', '\t', '\n', b'')]:
    s = io.StringIO(newline='')
    w = csv.writer(s, delimiter=sep, lineterminator=end)
    w.writerow(['long', 'cat', 'n'])
    for i in range(3000):
        w.writerow([long[i], cats[i], i])
    spew(T + '/t.csv', bom + s.getvalue().encode())
    d = load(T + '/t.csv', OUT, name=name)
    c = d['column']
    ok([c[k]['kind'] for k in c] == ['text', 'category', 'integer'],
       name + ': kinds', d['columns'])
    ok(column('long') == long and column('cat') == cats, name + ': values')

count = {w: cats.count(w) for w in set(cats) - {''}}
ok([(k['class'], k['rows']) for k in c['cat']['classes']]
   == sorted(count.items(), key=lambda k: k[0].encode()),
   'classes in order, with their rows', c['cat']['classes'])
ok(c['cat']['missing'] == cats.count(''), 'an empty text is missing')

# As np.unique() does it.
ok([k['class'] for k in c['cat']['classes']]
   == [str(v) for v in np.unique([v for v in cats if v])],
   'the order of np.unique()')

# One value more than a category may have.
spew(T + '/many.csv', 'id,k\n' + ''.join('%d,v%d\n' % (i, i % 70000)
                                         for i in range(150000)))
d = load(T + '/many.csv', OUT)
ok(d['column']['k']['kind'] == 'text'
   and column('k') == ['v%d' % (i % 70000) for i in range(150000)],
   'too many classes become text, the first ones too')


# -- kinds that change, headers, options -------------------------------------

spew(T + '/m.csv', 'a,b,c,e\n' + '1,true,x,\n' * 20000 + '2,3,4,\n'
     + 'abc,false,y,\n')
d = load(T + '/m.csv', OUT)
c = d['column']
ok(c['a']['kind'] == 'category' and c['a']['note'] == 'text since line 20003, '
   'which is "abc"; integers before, from line 2 on', 'text late', c['a'])
ok(c['b']['kind'] == 'category' and 'true or false before' in c['b']['note'],
   'bool, then a number', c['b'])
ok(c['c']['note'] == 'text, as line 2 is "x"; other values are integers, as '
   'in line 20002', 'numbers among text', c['c'])
ok(c['e']['kind'] == 'number' and c['e']['missing'] == 20002
   and c['e']['mean'] is None, 'a column of nothing', c['e'])
ok(column('a')[-2:] == ['2', 'abc'] and column('b')[-2:] == ['3', 'false'],
   'texts are as they were')

spew(T + '/h.csv', '1,2\n3,4\n')
ok(list(load(T + '/h.csv', OUT)['column']) == ['column_1', 'column_2']
   and rows()[1:] == [['1', '2'], ['3', '4']], 'no header')
spew(T + '/y.csv', '2019,2020\n3,4\n')
ok(list(load(T + '/y.csv', OUT, '--header', 'yes')['column'])
   == ['2019', '2020'], '--header yes')
spew(T + '/i.csv', ',x\n0,1\n1,\n')
ok(list(load(T + '/i.csv', OUT)['column']) == ['column_1', 'x'],
   'a name that is empty')
spew(T + '/q.csv', 'a|b\n1|x\n-999|?\n')
d = load(T + '/q.csv', OUT, '--separator', '|', '--missing', '-999',
         '--missing', '?', '--type', 'a=number')
ok(d['column']['a']['missing'] == 1 and d['column']['a']['kind'] == 'number'
   and d['column']['b']['missing'] == 1, 'words that mean none, a kind')
spew(T + '/z.csv', 'zip,f\n01234,1\n98765,0\n')
ok(load(T + '/z.csv', OUT, '--type', 'zip=text', '--type', 'f=bool')
   ['column']['f']['classes'][1]['rows'] == 1
   and column('zip') == ['01234', '98765'], 'zip codes stay text')
spew(T + '/inf.csv', 'x\n1\ninf\n-Infinity\n3\n')
c = load(T + '/inf.csv', OUT)['column']['x']
ok(c['infinite'] == 2 and c['mean'] == 2 and c['max'] == 3, 'infinities', c)
spew(T + '/one.csv', 'x\n1\n\n2\n')
ok(load(T + '/one.csv', OUT)['rows'] == 2, 'one column; an empty line')
spew(T + '/end.csv', 'x,y\n1,"a"')
ok(load(T + '/end.csv', OUT)['rows'] == 1 and rows()[1] == ['1', 'a'],
   'no line end at the end')
spew(T + '/quoted.csv', '"x","y"\n"1","NA"\n"2",NA\n')
d = load(T + '/quoted.csv', OUT)
ok(d['column']['x']['kind'] == 'integer' and d['column']['y']['missing'] == 1,
   'NA in quotes is a text')
spew(T + '/wide.csv', ','.join('c%d' % i for i in range(5000)) + '\n'
     + (','.join(['1'] * 5000) + '\n') * 3)
ok(len(load(T + '/wide.csv', OUT)['columns']) == 5000,
   'more columns than rows')


# -- JSON -------------------------------------------------------------------

recs = [{'a': i, 'b': i / 7, 'c': 'k%d' % (i % 3), 'd': i % 2 == 0,
         'v': [[i, 1], [2, 3]]} for i in range(2000)]
del recs[5]['b']
recs[6]['a'] = None
recs[1999]['new'] = 'late'
forms = {
    'rows.json': json.dumps(recs, indent=2),
    'lines.jsonl': '\n'.join(json.dumps(r) for r in recs) + '\n',
    'columns.json': json.dumps({k: [r.get(k) for r in recs]
                                for k in ['a', 'b', 'c', 'd', 'v', 'new']}),
    'pandas.json': json.dumps({k: {str(i): r.get(k)
                                   for i, r in enumerate(recs)}
                               for k in ['a', 'b', 'c', 'd', 'v', 'new']}),
    'lines.json': '\n'.join(json.dumps(r) for r in recs),
}
seen = set()
for name, text in forms.items():
    d = load(spew(T + '/' + name, text), OUT)
    seen.add(d['sha256'])
ok(len(seen) == 1, 'all forms of JSON give the same', seen)
c = d['column']
ok([c[k]['kind'] for k in c] == ['integer', 'number', 'category', 'bool',
                                 'tensor', 'category'], 'kinds', d['columns'])
ok(c['v']['shape'] == [2, 2] and c['new']['missing'] == 1999
   and c['b']['missing'] == 1 and c['a']['missing'] == 1, 'shape, missing')
ok([float(x) for x in column('b') if x] == [r['b'] for r in recs if 'b' in r]
   and column('v_0') == [str(i) for i in range(2000)], 'values')
spew(T + '/mix.jsonl', '{"a": 1.5}\n{"a": "x"}\n{"a": true}')
ok(load(T + '/mix.jsonl', OUT)['column']['a']['kind'] == 'category'
   and column('a') == ['1.5', 'x', 'true'], 'mixed values become text')


# -- NumPy ------------------------------------------------------------------

x = rng.normal(size=(300, 4, 3))
label = np.array(['set\u00f6sa', 'virginica', ''])[rng.integers(0, 3, 300)]
arrays = dict(x=x, y=rng.integers(0, 3, 300), z=rng.normal(size=300).astype(
    np.float32), u=np.arange(300, dtype=np.uint8), b=x[:, 0, 0] > 0, s=label,
    r=np.char.encode(label, 'utf-8'), h=x.astype(np.float16),
    f=np.asfortranarray(x.astype(np.float32)))
np.savez(T + '/a.npz', **arrays)
np.savez_compressed(T + '/c.npz', **arrays)
d = load(T + '/a.npz', OUT)
ok(load(T + '/c.npz', OUT)['sha256'] == d['sha256'],
   'packed and stored are the same')
c = d['column']
ok({k: c[k]['kind'] for k in c}
   == dict(x='tensor', y='integer', z='number', u='integer', b='bool',
           s='category', r='category', h='tensor', f='tensor'), 'kinds', c)
stats(c['x'], x, 'tensor')
stats(c['h'], arrays['h'], 'float16')
stats(c['z'], arrays['z'], 'float32')
ok([float(v) for v in column('f_7')]
   == [float(v) for v in arrays['f'].reshape(300, -1)[:, 7]],
   'Fortran order')
ok([float(v) for v in column('x_11')] == list(x.reshape(300, -1)[:, 11])
   and column('s') == list(label) and column('r') == list(label),
   'values and texts')
np.save(T + '/p.npy', x)
np.save(T + '/q.npy', arrays['y'])
r = maas('import', T + '/p.npy', T + '/q.npy', '-o', OUT)
ok(r.returncode == 0 and list(show(OUT)['column']) == ['p', 'q'],
   'two files, two columns', r.stderr)


# -- images -----------------------------------------------------------------

def color(k):
    return lambda x, y: ((x * 30 + k) % 256, (y * 30) % 256, k * 20 % 256)


os.makedirs(T + '/im')
with tarfile.open(T + '/im.tar', 'w') as tar:
    for k, name in enumerate(['cat', 'dog', 'x' * 120]):
        os.makedirs('%s/im/%s' % (T, name))
        for i in range(4):
            p = spew('%s/im/%s/%d.png' % (T, name, i), png(8, 6,
                                                          color(k * 4 + i)))
    spew(T + '/im/cat/.hidden', 'x')
    tar.add(T + '/im', 'im')
d = load(T + '/im', OUT)
c = d['column']
ok(c['image']['shape'] == [6, 8, 3] and c['image']['image']
   and [k['rows'] for k in c['label']['classes']] == [4, 4, 4],
   'images by folder', c)
want = [color(k)(i % 8, i // 8) for k in range(12) for i in range(48)]
stats(c['image'], np.array(want), 'images')
ok([int(v) for v in rows()[2][:-1]] == [v for i in range(48)
                                        for v in color(1)(i % 8, i // 8)],
   'pixels')
t = load(T + '/im.tar', OUT)
ok(sorted(k['class'][:9] for k in t['column']['label']['classes'])
   == ['cat', 'dog', 'x' * 9] and t['rows'] == 12, 'a tar, with long names')
with tarfile.open(T + '/im.tgz', 'w:gz', format=tarfile.PAX_FORMAT) as tar:
    tar.add(T + '/im', 'im')
t2 = load(T + '/im.tgz', OUT)
ok(t2['rows'] == 12 and max(len(k['class']) for k
                            in t2['column']['label']['classes']) == 120,
   'pax and gzip')
spew(T + '/im/dog/9.png', png(16, 16, color(1)))
t = load(T + '/im', OUT, '--size', '5x4', '--gray')
ok(t['column']['image']['shape'] == [4, 5, 1] and t['rows'] == 13,
   'another size, gray')

os.makedirs(T + '/cifar')
pixels = rng.integers(0, 256, (50, 3072), dtype=np.uint8)
labels = rng.integers(0, 10, 50, dtype=np.uint8)
raw = np.concatenate([labels[:, None], pixels], 1)
spew(T + '/cifar/data_batch_1.bin', raw[:30].tobytes())
spew(T + '/cifar/data_batch_2.bin', raw[30:].tobytes())
spew(T + '/cifar/test_batch.bin', raw[:7].tobytes())
names = 'airplane automobile bird cat deer dog frog horse ship truck'.split()
spew(T + '/cifar/batches.meta.txt', '\n'.join(names) + '\n\n')
d = load(T + '/cifar', OUT)
c = d['column']
ok(d['rows'] == 50 and [k['class'] for k in c['label']['classes']] == names
   and [k['rows'] for k in c['label']['classes']]
   == list(np.bincount(labels, minlength=10)), 'CIFAR-10', c['label'])
ok([int(v) for v in rows()[33][:-1]]
   == list(pixels[32].reshape(3, 32, 32).transpose(1, 2, 0).ravel())
   and column('label') == [names[i] for i in labels], 'its pixels and labels')
ok(load(T + '/cifar/test_batch.bin', OUT)['rows'] == 7, 'one batch')


# -- show, head, split ------------------------------------------------------

spew(T + '/s.csv', 'x,t,y\n' + ''.join('%d,2024-01-%02d,%s\n'
     % (i, i % 28 + 1, 'ab'[i % 4 == 0]) for i in range(400)))
load(T + '/s.csv', OUT)
r = maas('show', OUT)
ok('2 classes: a (300), b (100)' in r.stdout and '400 rows, 3 columns'
   in r.stdout, 'show, for people', r.stdout)
ok(maas('head', '--rows', '2', OUT).stdout
   == 'x,t,y\n0,2024-01-01,b\n1,2024-01-02,a\n', 'head')
r = maas('split', '--validation', '0.2', '--test', '0.1', '--stratify', 'y',
         '-o', T + '/part', OUT)
part = {k: show('%s/part.%s.maasds' % (T, k))
        for k in ('train', 'validation', 'test')}
ok([part[k]['rows'] for k in part] == [280, 80, 40]
   and [part[k]['column']['y']['classes'][1]['rows'] for k in part]
   == [70, 20, 10], 'split, stratified', r.stderr)
ids = sorted(int(v) for k in part
             for v in column('x', '%s/part.%s.maasds' % (T, k)))
ok(ids == list(range(400)), 'each row is in one part')
r = maas('split', '--by', 'time', '--column', 't', '-o', T + '/late', OUT)
ok(max(column('t', T + '/late.train.maasds'))
   < min(column('t', T + '/late.validation.maasds')), 'split by time')

maas('export', OUT, '-o', T + '/out.csv')
ok(open(T + '/out.csv').read() == open(T + '/s.csv').read()
   and load(T + '/out.csv', T + '/again.maasds')['sha256']
   == show(OUT)['sha256'], 'what is exported is imported alike')

try:
    from sklearn import datasets, preprocessing
except ImportError:
    datasets = None

if datasets:
    for name in ('iris', 'wine', 'breast_cancer', 'diabetes', 'digits'):
        b = getattr(datasets, 'load_' + name)()
        with open(T + '/k.csv', 'w', newline='') as f:
            w = csv.writer(f)
            w.writerow(list(b.feature_names) + ['y'])
            w.writerows([list(map(float, r)) + [t]
                         for r, t in zip(b.data, b.target)])
        d = load(T + '/k.csv', OUT, name=name)
        s = preprocessing.StandardScaler().fit(b.data)
        got = [[c['mean'], c['std']] for c in d['columns'][:-1]]
        ok(np.allclose(got, np.column_stack([s.mean_, np.sqrt(s.var_)]),
                       rtol=1e-12, atol=1e-12),
           name + ': mean and deviation as in StandardScaler')
        got = np.array([[float(v) for v in r[:-1]] for r in rows()[1:]])
        ok((got == b.data).all(), name + ': every value')

done()
