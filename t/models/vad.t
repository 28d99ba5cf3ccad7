#!/usr/bin/python3
"""Silero's voice activity detectors: If branches by sampling rate that read
outer names, and a state that the client carries from frame to frame."""

import os
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import NPM, Model, done, need
from lib_speech import speak

TEXT = 'The server answers before the question has been asked.'
FRAMES = 8
SR = {rate: np.array(rate, np.int64) for rate in (8000, 16000)}
speech = {rate: speak(TEXT, rate) / np.float32(32768) for rate in SR}

need(models=False)


def frames(rate, state, before, skip=6):
    """Frames of 32 ms, each with the end of the one before it."""
    n = rate * 32 // 1000
    x = [speech[rate][i * n - (n // 8 if before else 0):(i + 1) * n][None]
         for i in range(skip, skip + FRAMES)]
    return [{'input': f, **state, 'sr': SR[rate]} for f in x]


def silero(name, file, shape, carry, before):
    """carry: {input: output} of the state, each [2, N, shape].  before: a
    frame has an eighth of the one before it in front, as these were trained
    with."""
    path = '%s/@ricky0123/vad-web/dist/%s' % (NPM, file)

    def zeros(n):
        return {k: np.zeros((2, n, shape), np.float32) for k in carry}

    first = frames(16000, zeros(1), before)
    # The oracle's Sigmoid and Tanh are off by 1.2e-7 and 2.6e-7; cell states
    # up to 7 carry that from step to step.
    m = Model(name, path, first[0], '@ricky0123/vad-web 0.0.31', floor=5e-6)

    # Which branches are taken is known when sr is.
    if not m.check(planned=False):
        return

    for rate in (16000, 8000):
        got = m.chain(frames(rate, zeros(1), before), carry, '%d Hz' % rate)
        best = max((float(g['output'][0, 0]) for g in got), default=0)
        m.ok(best > .9, '%d Hz: speech is heard' % rate, str(best))

        silence = np.zeros_like(first[0]['input'])
        quiet = m.again({'input': silence[:, ::16000 // rate], **zeros(1),
                         'sr': SR[rate]}, '%d Hz: silence' % rate)
        m.ok(quiet is not None and quiet['output'][0, 0] < .1,
             '%d Hz: silence is not speech' % rate, str(quiet))

        rng = np.random.default_rng(rate)
        rows = np.concatenate([f['input'] for f in frames(rate, {}, before)][:3])
        state = {k: rng.uniform(-.5, .5, (2, 3, shape)).astype(np.float32)
                 for k in carry}
        axes = dict({'sr': None}, **{k: 1 for pair in carry.items()
                                     for k in pair})
        batch = {'input': rows, **state, 'sr': SR[rate]}
        m.again(batch, '%d Hz: a batch of 3' % rate)
        m.rows(batch, axes)
        m.http()
        m.mark('%d kHz' % (rate // 1000))


silero('silero_v5', 'silero_vad_v5.onnx', 128, {'state': 'stateN'}, True)
silero('silero_v6', 'silero_vad_v6.onnx', 128, {'state': 'stateN'}, True)
silero('silero_legacy', 'silero_vad_legacy.onnx', 64,
       {'h': 'hn', 'c': 'cn'}, False)

done('Voice activity')
