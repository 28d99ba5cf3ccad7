#!/usr/bin/python3
"""M-LSD line detectors: NHWC graphs of tf2onnx with transposes around each
convolution, dilated ones among them."""

import os
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import NPM, Model, done, need

need(models=False)


def picture(n):
    """Boxes with sharp edges, RGB, and the channel of ones."""
    y, x = np.mgrid[0:n, 0:n] * (320 / n)
    rgb = np.full((n, n, 3), 200.0)
    for i, (a, b, c, d) in enumerate([(30, 40, 180, 150), (120, 90, 290, 280),
                                      (60, 200, 110, 300)]):
        inside = (x >= a) & (x < c) & (y >= b) & (y < d)
        rgb[inside] = 40 * i + 20, 90, 220 - 60 * i
    one = np.concatenate([rgb, np.ones((n, n, 1))], axis=2)
    return one[None].astype(np.float32)


def lines(got):
    """Points that are the middle of a line."""
    return int(np.sum(got['scores'] > 0.2))


for size in (320, 512):
    for kind in ('tiny', 'large'):
        name = 'mlsd_%dx%d_%s' % (size, size, kind)
        m = Model('mlsd_%d_%s' % (size, kind),
                  '%s/jp.keijiro.mlsd/ONNX/%s.onnx' % (NPM, name),
                  {'input_image_with_alpha:0': picture(size)},
                  'jp.keijiro.mlsd 1.0.0',
                  # what ONNX Runtime differs by from itself on these
                  floor={'offsets': 3e-2})
        if m.check():
            m.ok(lines(m.got) >= 4, 'lines are seen', str(lines(m.got)))

done('Line segments')
