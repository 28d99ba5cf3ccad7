#!/usr/bin/python3
"""Policies that agents learned, in ONNX Runtime: the same actions and values
as in our own engine."""

import json
import os
import subprocess
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import MAAS, Model, done, fresh, need, ok

need(models=False)
store = fresh('rl')


def learn(name, **model):
    spec = '%s/%s.json' % (store, name)
    with open(spec, 'w') as f:
        json.dump({'name': name, 'seed': 1, 'store': store, 'model': model}, f)
    r = subprocess.run([MAAS, 'train', '--json', spec], capture_output=True,
                       text=True)
    ok(r.returncode == 0, name + ' is learned', r.stderr)
    return '%s/%s/1/model.onnx' % (store, name)


for name, inputs, model in (
        ('q_learning', {'state': np.arange(48)},
         {'environment': 'cliff_walk', 'discount': 1}),
        ('sarsa', {'state': np.array([0, 5, 11])},
         {'environment': 'grid_world'}),
        ('dqn', {'observation': np.random.default_rng(0).uniform(
            -.2, .2, (100, 4)).astype(np.float32)},
         {'environment': 'cart_pole', 'episodes': 100})):
    path = learn(name, type=name, **model)
    m = Model('rl ' + name, path, inputs, 'maas train')
    m.verdict(m.run(), 'as in ONNX Runtime', True)

done()
