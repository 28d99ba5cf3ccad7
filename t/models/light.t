#!/usr/bin/python3
"""The nine light/ architectures at full size, with seeded weights."""

import os
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import BUILD, MODELS, Model, done, level, need, skip, source
from randomize import randomize

INPUT = {'resnet50': 'gpu_0/data_0', 'shufflenet': 'gpu_0/data_0',
         'zfnet512': 'gpu_0/data_0'}
NAMES = ['squeezenet', 'resnet50', 'densenet121', 'shufflenet',
         'inception_v1', 'inception_v2', 'bvlc_alexnet', 'zfnet512', 'vgg19']
KEEP = 128 << 20

need()
below = {'avx512': ['avx2']}.get(level(), [])
folder = BUILD + '/models/light'
os.makedirs(folder, exist_ok=True)

for name in NAMES:
    path = source('light/light_%s.onnx' % name)
    if path is None:
        skip(name, 'not in %s/light' % MODELS)
        continue

    model = '%s/%s.onnx' % (folder, name)
    if not os.path.exists(model):
        randomize(path, model + '.tmp')
        os.rename(model + '.tmp', model)

    rng = np.random.default_rng(7)
    x = rng.uniform(-1, 1, (1, 3, 224, 224)).astype(np.float32)
    m = Model('light_' + name, model, {INPUT.get(name, 'data_0'): x},
              'ONNX project, light_%s, seeded weights' % name)
    m.check(below)

    if os.path.getsize(model) > KEEP:
        os.remove(model)

done('Classic image networks')
