"""What the tests of this folder share: TAP, models, the oracle, the verdict.

A model is compared in every output with ONNX Runtime run without
optimisations: elements within rtol 1e-3 and atol 1e-4 x max|reference|,
relative L2 <= 1e-5, or 4 x the spread: the relative L2 between ONNX Runtime
with and without its optimisations on the same input; the largest difference
between these two is allowed for an element too.  Integers are exact.
Its Sigmoid is off by up to 1.2e-7 whatever the value is (measured against
float64; ours by 1.7e-7 of the value), so that a probability of 1e-3 seems to
be off by 1e-4 of itself: floor is an absolute error that is none, for models
with such outputs.

Each test leaves a record of its models (done()), from which models_table.py
makes the table of docs/models.md.
"""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_server import TYPES, Server

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get('MAAS_BUILD') or ROOT + '/build')
MODELS = os.environ.get('MAAS_MODELS') or ROOT + '/../shared/models'
WORK = BUILD + '/models/work'
RECORDS = BUILD + '/models/work/records'
NPM = BUILD + '/models/node_modules'
MAAS = BUILD + '/maas'

RTOL, ATOL, L2 = 1e-3, 1e-4, 1e-5

# Those that may be switched off; dce, half and zipmap may not.
PASSES = ['convbn', 'cse', 'fold', 'fuse_attention', 'fuse_gelu', 'fuse_norm',
          'fuse_normconv', 'fuse_parts', 'fuse_qmatmul', 'fuse_scale',
          'fuse_swish',
          'layout', 'noop', 'pack', 'postop']

count = 0
failed = 0
rows = {}
models = []


# -- TAP ---------------------------------------------------------------------

def ok(good, text, why=''):
    global count, failed
    count += 1
    failed += not good
    print('%sok %d - %s' % ('' if good else 'not ', count, text))
    if not good:
        for line in ('failed: ' + text + '\n' + why).rstrip().split('\n'):
            print('# ' + line, file=sys.stderr)
    sys.stdout.flush()
    return good


def skip_all(why):
    print('1..0 # SKIP ' + why)
    sys.exit(0)


def skip(text, why):
    global count
    count += 1
    print('ok %d # SKIP %s: %s' % (count, text, why))


def done(title=None):
    """Prints the table in one piece, so that parallel tests don't mix, and
    writes the record of the models under this title."""
    text = '# %-22s %-22s %10s %10s %10s %10s\n' % (
        'model', 'output', 'max error', 'max |ref|', 'rel. L2', 'spread')
    for name, r in rows.items():
        text += '# %-22s %-22s %10.3g %10.3g %10.3g %10.3g\n' % (name + r)
    sys.stderr.write('\n' + text)
    if title is not None:
        record(title)
    print('1..%d' % count)
    sys.exit(1 if failed else 0)


def record(title):
    test = os.path.basename(sys.argv[0])
    os.makedirs(RECORDS, exist_ok=True)
    with open('%s/%s.json' % (RECORDS, test), 'w') as f:
        json.dump({'test': test, 'title': title,
                   'rows': [m.row() for m in models]}, f, indent=1)


def need(models=True):
    """Ends the test when what it needs is missing; models: $MAAS_MODELS."""
    path = '%s/%s.json' % (RECORDS, os.path.basename(sys.argv[0]))
    if os.path.exists(path):
        os.remove(path)
    if models and not os.path.isdir(MODELS):
        skip_all('no models: %s is not there, and $MAAS_MODELS names no other '
                 'folder' % MODELS)
    for name in ('maas', 'ngx_http_maas_module.so'):
        if not os.path.exists(BUILD + '/' + name):
            print('Bail out!  %s/%s is missing: run make' % (BUILD, name))
            sys.exit(1)


def source(name):
    path = os.path.join(MODELS, name)
    return path if os.path.exists(path) else None


def vector(name):
    """{name: array} of an .npz, or the tensor of a .pb, of io/."""
    path = os.path.join(MODELS, 'io', name)
    if path.endswith('.pb'):
        from onnx import TensorProto, numpy_helper
        t = TensorProto()
        with open(path, 'rb') as f:
            t.ParseFromString(f.read())
        return numpy_helper.to_array(t)
    return dict(np.load(path))


# -- running -----------------------------------------------------------------

def outputs(folder):
    with open(folder + '/outputs.json') as f:
        names = json.load(f)
    return {k: np.load(os.path.join(folder, v)) for k, v in names.items()}


def fresh(*parts):
    path = os.path.join(WORK, *parts)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def save(folder, inputs):
    files = {}
    for i, (name, data) in enumerate(inputs.items()):
        data = np.asarray(data, order='C')
        text = data.dtype.kind == 'U'
        files[name] = '%s/in%d.%s' % (folder, i, 'json' if text else 'npy')
        if text:
            with open(files[name], 'w') as f:
                json.dump(data.tolist(), f)
        else:
            np.save(files[name], data)
    return files


def level():
    """The CPU level that maas chooses on this machine."""
    for cpu in ('avx512', 'avx2', 'v2', 'ref'):
        p = subprocess.run([MAAS, 'inspect', '--ops'], capture_output=True,
                           env=dict(os.environ, MAAS_CPU=cpu))
        if p.returncode == 0:
            return cpu
    return ''


def image(model, folder, off=''):
    """The bytes of the image that is compiled without some passes."""
    path = folder + '/image.maas'
    p = subprocess.run([MAAS, 'compile', model, '--name', 'x', '-o', path],
                       capture_output=True, text=True,
                       env=dict(os.environ, MAAS_PASSES_OFF=off))
    if p.returncode != 0:
        return p.stderr.strip()
    with open(path, 'rb') as f:
        return f.read()


def maas(model, files, folder, env=None, args=()):
    """Runs maas; {name: array}, or the text of the failure."""
    shutil.rmtree(folder, ignore_errors=True)
    cmd = [MAAS, 'run', model, '--output-dir', folder, *args]
    for name, path in files.items():
        cmd += ['--input', name + '=' + path]
    p = subprocess.run(cmd, capture_output=True, text=True,
                       env=dict(os.environ, **(env or {})))
    if p.returncode != 0:
        return 'exit %d: %s' % (p.returncode, p.stderr.strip())
    return outputs(folder)


def oracle(model, runs, folder, carry=None):
    """ONNX Runtime's outputs: [{name: (reference, optimised)}, ...].
    carry: {input: output}, from run to run."""
    job = {'npm': BUILD + '/models', 'model': model, 'out': folder,
           'levels': ['disabled', 'all'], 'runs': runs, 'carry': carry or {}}
    with open(folder + '/job.json', 'w') as f:
        json.dump(job, f)
    p = subprocess.run(['node', HERE + '/oracle.mjs', folder + '/job.json'],
                       capture_output=True, text=True)
    if p.returncode != 0:
        return p.stderr.strip() or 'exit %d' % p.returncode
    got = []
    for r in range(len(runs)):
        plain = outputs('%s/disabled/%d' % (folder, r))
        best = outputs('%s/all/%d' % (folder, r))
        got.append({k: (plain[k], best[k]) for k in plain})
    return got


# -- the verdict -------------------------------------------------------------

def relative(a, b):
    """Relative L2 distance of a from b."""
    a, b = np.float64(a).ravel(), np.float64(b).ravel()
    far, size = np.linalg.norm(a - b), np.linalg.norm(b)
    return far / size if far and size else far


def judge(got, want, spread=0.0, floor=0.0, apart=0.0,
          limits=(RTOL, ATOL, L2)):
    """(max error, max |want|, relative L2, what is wrong or '')."""
    rtol, atol, close = limits
    if got.dtype != want.dtype or got.shape != want.shape:
        return 0, 0, 0, 'got %s %s, expected %s %s' % (
            got.dtype, list(got.shape), want.dtype, list(want.shape))
    if want.dtype.kind != 'f':
        n = int(np.sum(got != want))
        return n, 0, 0, '%d of %d integers differ' % (n, want.size) if n else ''
    if not want.size:
        return 0, 0, 0, ''
    if not np.all(np.isfinite(want)):
        return 0, 0, 0, 'the reference is not finite'
    if not np.all(np.isfinite(got)):
        return 0, 0, 0, 'not finite'

    far = np.abs(np.float64(got) - want)
    top = float(np.max(np.abs(want)))
    l2 = relative(got, want)
    out = int(np.sum(far > max(atol * top, apart, floor)
                     + rtol * np.abs(want)))
    most = max(close, 4 * spread)
    if np.linalg.norm(far) <= floor * want.size ** 0.5:
        most = np.inf
    why = ''
    if out:
        at = np.unravel_index(np.argmax(far), far.shape)
        why = '%d of %d elements are off, worst at %s: %.9g for %.9g' % (
            out, far.size, [int(i) for i in at], got[at], want[at])
    if l2 > most:
        why += '; ' if why else ''
        why += 'relative L2 %.3g, limit %.3g' % (l2, most)
    return float(np.max(far)), top, l2, why


def same(got, want, text):
    """Every output has the same bits."""
    if isinstance(got, str) or isinstance(want, str):
        return ok(False, text, got if isinstance(got, str) else want)
    bad = [k for k in want if k not in got or got[k].shape != want[k].shape
           or got[k].tobytes() != want[k].tobytes()]
    return ok(not bad, text, 'these differ: ' + ', '.join(bad))


class Model:
    """One model with its inputs and the oracle's answers.

    source says where it is from, for the table.  want = {output: array} are
    the answers of another oracle, which is then named; else ONNX Runtime
    gives them.
    """

    limits = RTOL, ATOL, L2

    def __init__(self, name, path, inputs, source, want=None,
                 oracle_name='ONNX Runtime', floor=0.0):
        self.name, self.path, self.source = name, path, source
        self.oracle = oracle_name
        self.floor = floor          # of every output, or {output: floor}
        self.tested, self.good = [], True
        self.l2 = self.far = 0.0
        self.dir = fresh(name)
        self.inputs = inputs
        self.files = save(self.dir, inputs)
        self.ref = self.got = None
        models.append(self)

        if want is not None:
            self.refer({k: (v, v) for k, v in want.items()})
            return

        want = oracle(path, [self.files], self.dir)
        if self.ok(not isinstance(want, str), 'ONNX Runtime runs it',
                   str(want)[:2000]):
            self.refer(want[0])

    def refer(self, ref):
        self.ref = ref
        self.spread = {k: relative(b, a) if a.dtype.kind == 'f' else 0.0
                       for k, (a, b) in ref.items()}
        self.apart = {k: float(np.max(np.abs(b - a))) if a.dtype.kind == 'f'
                      and a.size else 0.0 for k, (a, b) in ref.items()}

    def ok(self, good, text, why=''):
        self.good = bool(ok(good, self.name + ': ' + text, why)
                         ) and self.good
        return good

    def same(self, got, want, text):
        good = same(got, want, self.name + ': ' + text)
        self.good = bool(good) and self.good
        return good

    def mark(self, *what):
        """Notes for the table what has been tested."""
        self.tested += [w for w in what if w not in self.tested]

    def row(self):
        """This model in the record."""
        return {'model': self.name, 'source': self.source,
                'tested': self.tested, 'oracle': self.oracle,
                'l2': float(self.l2), 'max': float(self.far),
                'ok': self.good and self.got is not None}

    def run(self, env=None, args=()):
        return maas(self.path, self.files, self.dir + '/maas', env, args)

    def verdict(self, got, text, table=False):
        """Compares all outputs with the oracle's."""
        if self.ref is None:
            return False
        if isinstance(got, str):
            return self.ok(False, text, got)
        why = []
        if list(got) != list(self.ref):
            why = ['outputs %s, expected %s' % (list(got), list(self.ref))]
        for k, (want, _) in self.ref.items():
            if k not in got:
                continue
            floor = self.floor.get(k, 0.0) if isinstance(self.floor, dict) \
                else self.floor
            far, top, l2, bad = judge(got[k], want, self.spread[k], floor,
                                      self.apart[k], self.limits)
            if bad:
                why.append(k + ': ' + bad)
            if table:
                worst = rows.setdefault((self.name, k[-22:]), (0, 0, -1, 0))
                if l2 > worst[2]:
                    rows[self.name, k[-22:]] = (far, top, l2, self.spread[k])
                self.l2 = max(self.l2, l2)
                self.far = max(self.far, far / top if top else far)
        return self.ok(not why, text, '\n'.join(why))

    def again(self, inputs, text, want=None):
        """Another input of the same model: compared, and shown.  Returns
        what came out, or None."""
        self.inputs = inputs
        self.files = save(self.dir, inputs)
        if want is None:
            want = oracle(self.path, [self.files], self.dir)
            if not self.ok(not isinstance(want, str),
                           text + ': ONNX Runtime runs it', str(want)[:2000]):
                return None
            want = want[0]
        else:
            want = {k: (v, v) for k, v in want.items()}
        self.refer(want)
        self.got = self.run()
        good = self.verdict(self.got, text, True)
        return self.got if good else None

    def check(self, levels=(), batch=None, planned=True, http=True):
        """All that holds for every model."""
        start = time.time()
        self.got = self.run()
        good = self.verdict(self.got, 'as in ' + self.oracle, True)

        if isinstance(self.got, str) or self.ref is None:
            return False

        self.same(self.run(args=['--threads', '2']), self.got,
                  'two threads give the same bits')
        self.mark('run', 'threads')

        if planned:
            self.planned()

        for cpu in levels:
            self.verdict(self.run({'MAAS_CPU': cpu}), 'MAAS_CPU=' + cpu)

        for off in PASSES + [','.join(PASSES)]:
            self.verdict(self.run({'MAAS_PASSES_OFF': off}),
                         'without ' + off)
        self.mark('passes')

        if batch:
            self.rows(batch)

        if http:
            self.http()

        print('# %s: %.1f s' % (self.name, time.time() - start))
        return good

    def chain(self, steps, carry, text):
        """Runs the steps one after the other, each with outputs of the one
        before: carry = {input: output}.  In the oracle, with maas run and
        over HTTP.  Returns the outputs of each step."""
        folder = fresh(self.name, 'chain')
        files = [save(fresh(self.name, 'chain', 'in%d' % i), s)
                 for i, s in enumerate(steps)]
        want = oracle(self.path, files, folder, carry)
        if not self.ok(not isinstance(want, str),
                       text + ': ONNX Runtime runs it', str(want)[:2000]):
            return []
        with Server({self.name: self.path}, BUILD, WORK) as server:
            return self.steps(steps, carry, want, server, text)

    def steps(self, steps, carry, want, server, text):
        got, last, equal = [], {}, True
        for i, step in enumerate(steps):
            step = dict(step, **last)
            files = save(fresh(self.name, 'chain', 'step'), step)
            out = maas(self.path, files, self.dir + '/maas')
            self.refer(want[i])
            if not self.verdict(out, '%s: step %d' % (text, i), True):
                return []
            over = server.infer(self.name, step)
            equal = equal and not isinstance(over, str) and all(
                over[k].tobytes() == out[k].tobytes() for k in out)
            last = {to: out[of] for to, of in carry.items()}
            got.append(out)
        self.ok(equal, text + ': over HTTP the same bits', str(over)[:500])
        self.mark('%d steps' % len(steps))
        return got

    def http(self):
        """A server gives the bits that maas run gives."""
        try:
            with Server({self.name: self.path}, BUILD, WORK) as s:
                self.same(s.infer(self.name, self.inputs), self.got,
                          'over HTTP the same bits')
                status, about = s.get('/v2/models/' + self.name)
                self.ok(status == 200 and
                        {o['name']: o['datatype'] for o in about['outputs']}
                        == {k: TYPES[v.dtype.name]
                            for k, v in self.got.items()},
                        'over HTTP the types of its outputs', str(about))
        except AssertionError as e:
            self.ok(False, 'over HTTP', str(e))
        self.mark('HTTP')

    def planned(self):
        """The whole plan is known from the shapes of the inputs."""
        cmd = [MAAS, 'inspect', self.path, '--plan', '--json']
        for k, v in self.inputs.items():
            cmd += ['--shape', '%s=%s' % (k, ','.join(map(str, v.shape)))]
        p = subprocess.run(cmd, capture_output=True, text=True)
        plan = json.loads(p.stdout)['plan'] if p.returncode == 0 else {}
        self.ok(plan.get('cut') is False, 'no step is dynamic',
                p.stderr or 'the plan is cut')

    def rows(self, inputs, axes=None):
        """Row i of a batch has the bits of the run of row i alone.  axes:
        {input or output: batch axis, None: the same for all rows}."""
        axes = axes or {}

        def row(tensors, i):
            return {k: v if axes.get(k, 0) is None
                    else np.take(v, [i], axes.get(k, 0))
                    for k, v in tensors.items()}

        n = len(next(iter(inputs.values())))
        folder = fresh(self.name, 'batch')
        whole = maas(self.path, save(folder, inputs), folder + '/out')
        if isinstance(whole, str):
            self.ok(False, 'a batch of %d' % n, whole)
            return
        for i in range(n):
            one = save(folder, row(inputs, i))
            self.same(maas(self.path, one, folder + '/one'), row(whole, i),
                      'row %d of %d gives the same bits alone' % (i, n))
        self.mark('batch of %d' % n)

    def stored(self, output, want):
        """The vector that was stored with the model."""
        if isinstance(self.got, str) or self.got is None:
            return
        got = self.got.get(output)
        if got is None:
            self.ok(False, 'stored ' + output, 'no such output')
            return
        # Stored vectors come from another machine: no L2 of their own.
        far, top, l2, why = judge(got.reshape(want.shape), want, 1e-4)
        self.ok(not why, 'stored ' + output, why)
        self.mark('stored vector')
