"""What the tests of estimators share: TAP, scikit-learn's data sets, fitting
with the test driver, and running what was written in our own engine.

x is rounded to float32 first, for that is what a served model gets; both
sides fit the same numbers, in float64.

scikit-learn gets one thread: with the serial OpenBLAS as the system's BLAS
its own threads multiply wrongly (docs/dependencies.md).
"""

import json
import os
import subprocess
import sys
import tempfile

os.environ['OMP_NUM_THREADS'] = '1'

import numpy as np  # noqa: E402

sys.dont_write_bytecode = True

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get('MAAS_BUILD') or ROOT + '/build')
DRIVER = BUILD + '/t/fit_driver'
MAAS = BUILD + '/maas'

folder = tempfile.TemporaryDirectory(prefix='maas_fit_')
TMP = folder.name

count = 0
failed = 0
number = 0


def ok(good, text, why=''):
    global count, failed
    count += 1
    failed += not good
    print('%sok %d - %s' % ('' if good else 'not ', count, text))
    if not good and why:
        for line in str(why).rstrip().split('\n'):
            print('# ' + line, file=sys.stderr)
    sys.stdout.flush()
    return good


def near(got, want, tol, text):
    """Within tol of the largest value."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    if got.shape != want.shape:
        return ok(False, text, 'shapes %s, %s' % (got.shape, want.shape))
    far = np.abs(got - want).max() / max(np.abs(want).max(), 1e-300)
    return ok(far <= tol, text, 'off by %g, %g is allowed' % (far, tol))


def done():
    print('1..%d' % count)
    sys.exit(1 if failed else 0)


def skip_all(why):
    print('1..0 # SKIP ' + why)
    sys.exit(0)


try:
    import sklearn
    from sklearn import datasets
except ImportError:
    skip_all('python3-sklearn is not installed')

if not os.path.exists(DRIVER):
    print('Bail out!  %s is missing: run make tests' % DRIVER)
    sys.exit(1)


def data(name):
    d = getattr(datasets, 'load_' + name)()
    return (d.data.astype(np.float32).astype(np.float64),
            d.target.astype(float if name == 'diabetes' else np.int64))


def scaled(name):
    """The same with mean 0 and variance 1."""
    x, y = data(name)
    s = x.std(0)
    x = (x - x.mean(0)) / np.where(s > 0, s, 1)
    return x.astype(np.float32).astype(np.float64), y


class Failed(Exception):
    pass


class Fit:
    """One fitted model: its summary, its file."""

    def __init__(self, task, name, params, x, y=None, weight=None, **options):
        global number
        number += 1
        base = '%s/%d' % (TMP, number)
        self.path = base + '.onnx'
        json.dump(params, open(base + '.json', 'w'))
        np.save(base + '.x.npy', np.ascontiguousarray(x, dtype=np.float64))
        target = '-'
        if y is not None:
            target = base + '.y.npy'
            kind = np.float64 if task == 'regression' else np.int64
            np.save(target, np.ascontiguousarray(y, dtype=kind))
        argv = [DRIVER, task, name, base + '.json', base + '.x.npy', target,
                self.path]
        if weight is not None:
            np.save(base + '.w.npy', np.asarray(weight, dtype=np.float64))
            argv.append('weight=%s.w.npy' % base)
        argv += ['%s=%s' % o for o in options.items()]
        r = subprocess.run(argv, capture_output=True, text=True)
        if r.returncode != 0:
            raise Failed(r.stderr.strip() or 'exit %d' % r.returncode)
        self.said = json.loads(r.stdout)

    def __getattr__(self, name):
        if name not in self.said:
            raise AttributeError(name)
        v = self.said[name]
        return np.array(v, float) if isinstance(v, list) else v

    def run(self, x):
        """Outputs of our own engine, by name."""
        np.save(TMP + '/in.npy', np.asarray(x, dtype=np.float32))
        out = TMP + '/out'
        r = subprocess.run([MAAS, 'run', self.path, '--input',
                            'x=%s/in.npy' % TMP, '--output-dir', out],
                           capture_output=True, text=True)
        if r.returncode != 0:
            raise Failed(r.stderr.strip())
        names = json.load(open(out + '/outputs.json'))
        return {k: np.load('%s/%s' % (out, v)) for k, v in names.items()}


def refused(text, *args, **options):
    """The fit is an error whose text holds this."""
    try:
        Fit(*args, **options)
    except Failed as e:
        return ok(text in str(e), 'refused: ' + text, e)
    return ok(False, 'refused: ' + text, 'it was fitted')
