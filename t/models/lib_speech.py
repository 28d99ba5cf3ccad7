"""Speech for tests, by espeak-ng.  Its variants of voices add noise; a plain
voice gives the same samples each time."""

import os
import subprocess
import sys
import tempfile
import wave

import numpy as np

sys.dont_write_bytecode = True


def resample(x, rate, to):
    """A band-limited signal at another rate, by its spectrum."""
    n = len(x) * to // rate
    f = np.fft.rfft(x)
    g = np.zeros(n // 2 + 1, complex)
    m = min(len(f), len(g))
    g[:m] = f[:m]
    return np.fft.irfft(g, n) * (n / len(x))


def speak(text, rate, pad=0.0, voice='en-us'):
    """The text at this rate, int16 values, with pad seconds of silence
    before and behind."""
    with tempfile.TemporaryDirectory() as folder:
        path = folder + '/speech.wav'
        subprocess.run(['espeak-ng', '-v', voice, '-w', path, text],
                       check=True, env=dict(os.environ, HOME=folder))
        with wave.open(path) as w:
            assert w.getnchannels() == 1 and w.getsampwidth() == 2
            x = np.frombuffer(w.readframes(w.getnframes()), '<i2')
            x = resample(x.astype(np.float64), w.getframerate(), rate)
    quiet = np.zeros(int(pad * rate))
    x = np.concatenate([quiet, x, quiet])
    return np.clip(np.rint(x), -32768, 32767).astype(np.float32)
