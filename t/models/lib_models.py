"""What the tests of this folder share: TAP, models, the oracle, the verdict.

A model is compared in every output with ONNX Runtime run without
optimisations: elements within rtol 1e-3 and atol 1e-4 x max|reference|,
relative L2 <= 1e-5, or 4 x the spread: the relative L2 between ONNX Runtime
with and without its optimisations on the same input.  Integers are exact.
"""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get('MAAS_BUILD') or ROOT + '/build')
MODELS = os.environ.get('MAAS_MODELS') or ROOT + '/../shared/models'
WORK = BUILD + '/models/work'
MAAS = BUILD + '/maas'

RTOL, ATOL, L2 = 1e-3, 1e-4, 1e-5

# Those that may be switched off; dce, half and zipmap may not.
PASSES = ['convbn', 'fold', 'noop', 'pack', 'postop']

count = 0
failed = 0
rows = []


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


def done():
    """Prints the table in one piece, so that parallel tests don't mix."""
    text = '# %-22s %-22s %10s %10s %10s %10s\n' % (
        'model', 'output', 'max error', 'max |ref|', 'rel. L2', 'spread')
    for r in rows:
        text += '# %-22s %-22s %10.3g %10.3g %10.3g %10.3g\n' % r
    sys.stderr.write('\n' + text)
    print('1..%d' % count)
    sys.exit(1 if failed else 0)


def need():
    if not os.path.isdir(MODELS):
        skip_all('no models: %s is not there, and $MAAS_MODELS names no other '
                 'folder' % MODELS)
    if not os.access(MAAS, os.X_OK):
        print('Bail out!  %s is missing: run make' % MAAS)
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
        files[name] = '%s/in%d.npy' % (folder, i)
        np.save(files[name], np.ascontiguousarray(data))
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


def oracle(model, runs, folder):
    """ONNX Runtime's outputs: [{name: (reference, optimised)}, ...]."""
    job = {'npm': BUILD + '/models', 'model': model, 'out': folder,
           'levels': ['disabled', 'all'], 'runs': runs}
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
    if not b.size:
        return 0.0
    far = np.linalg.norm(a - b)
    return far / np.linalg.norm(b) if far else 0.0


def judge(got, want, spread=0.0):
    """(max error, max |want|, relative L2, what is wrong or '')."""
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
    out = int(np.sum(far > ATOL * top + RTOL * np.abs(want)))
    most = max(L2, 4 * spread)
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
    """One model with its inputs and the oracle's answers."""

    def __init__(self, name, path, inputs):
        self.name, self.path = name, path
        self.dir = fresh(name)
        self.files = save(self.dir, inputs)
        self.ref = self.got = None
        want = oracle(path, [self.files], self.dir)
        if ok(not isinstance(want, str), name + ': ONNX Runtime runs it',
              str(want)[:2000]):
            self.ref = want[0]
            self.spread = {k: relative(b, a) if a.dtype.kind == 'f' else 0.0
                           for k, (a, b) in self.ref.items()}

    def run(self, env=None, args=()):
        return maas(self.path, self.files, self.dir + '/maas', env, args)

    def verdict(self, got, text, table=False):
        """Compares all outputs with the oracle's."""
        if self.ref is None:
            return False
        if isinstance(got, str):
            return ok(False, text, got)
        why = []
        if list(got) != list(self.ref):
            why = ['outputs %s, expected %s' % (list(got), list(self.ref))]
        for k, (want, _) in self.ref.items():
            if k not in got:
                continue
            far, top, l2, bad = judge(got[k], want, self.spread[k])
            if bad:
                why.append(k + ': ' + bad)
            if table:
                rows.append((self.name, k[-22:], far, top, l2, self.spread[k]))
        return ok(not why, text, '\n'.join(why))

    def check(self, levels=(), batch=None):
        """All that holds for every model."""
        start = time.time()
        self.got = self.run()
        good = self.verdict(self.got, self.name + ': as in ONNX Runtime', True)

        if not good and isinstance(self.got, str):
            return False

        same(self.run(args=['--threads', '2']), self.got,
             self.name + ': two threads give the same bits')

        self.planned()

        for cpu in levels:
            self.verdict(self.run({'MAAS_CPU': cpu}),
                         '%s: MAAS_CPU=%s' % (self.name, cpu))

        for off in PASSES + [','.join(PASSES)]:
            self.verdict(self.run({'MAAS_PASSES_OFF': off}),
                         '%s: without %s' % (self.name, off))

        if batch:
            self.rows(batch)

        print('# %s: %.1f s' % (self.name, time.time() - start))
        return good

    def planned(self):
        """The whole plan is known from the shapes of the inputs."""
        p = subprocess.run([MAAS, 'inspect', self.path, '--plan', '--json'],
                           capture_output=True, text=True)
        plan = json.loads(p.stdout)['plan'] if p.returncode == 0 else {}
        ok(plan.get('cut') is False, self.name + ': no step is dynamic',
           p.stderr or 'the plan is cut')

    def rows(self, inputs):
        """Row i of a batch has the bits of the run of row i alone."""
        n = len(next(iter(inputs.values())))
        folder = fresh(self.name, 'batch')
        whole = maas(self.path, save(folder, inputs), folder + '/out')
        if isinstance(whole, str):
            ok(False, self.name + ': a batch of %d' % n, whole)
            return
        for i in range(n):
            one = save(folder, {k: v[i:i + 1] for k, v in inputs.items()})
            same(maas(self.path, one, folder + '/one'),
                 {k: v[i:i + 1] for k, v in whole.items()},
                 '%s: row %d of %d gives the same bits alone'
                 % (self.name, i, n))

    def stored(self, output, want):
        """The vector that was stored with the model."""
        if isinstance(self.got, str) or self.got is None:
            return
        got = self.got.get(output)
        if got is None:
            ok(False, '%s: stored %s' % (self.name, output), 'no such output')
            return
        # Stored vectors come from another machine: no L2 of their own.
        far, top, l2, why = judge(got.reshape(want.shape), want, 1e-4)
        ok(not why, '%s: stored %s' % (self.name, output), why)
