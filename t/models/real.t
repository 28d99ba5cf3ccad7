#!/usr/bin/python3
"""Models that people really exported, from $MAAS_MODELS."""

import json
import os
import shutil
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import (MODELS, PASSES, Model, done, fresh, image, level, maas,
                        need, ok, same, skip, source, vector)

need()
rng = np.random.default_rng(1)
host = level()
below = {'avx512': ['avx2'], 'avx2': []}.get(host, [])
small = [c for c in ('avx2', 'v2', 'ref') if c != host]


def mnist():
    x = vector('mnist_8_input_0.pb')
    m = Model('mnist_8', source('mnist_8.onnx'), {'Input3': x},
              'ONNX model zoo')
    if m.check(small):
        y = m.got['Plus214_Output_0']
        m.stored('Plus214_Output_0', vector('mnist_8_output_0.pb'))
        ok(int(np.argmax(y)) == 2, 'mnist_8: the vector shows a 2', str(y))
        same(maas(m.path, {'Input3': MODELS + '/io/mnist_8_input_0.pb'},
                  m.dir + '/maas'), m.got, 'mnist_8: a .pb file as input')


def super_resolution():
    m = Model('super_resolution', source('super_resolution.onnx'),
              {'input': vector('super_resolution_input_0.pb')},
              'ONNX model zoo')
    if m.check(below):
        m.stored('output', vector('super_resolution_output_0.pb'))


# The picture is prepared by maas: an Identity model with the same model.json
# gives the tensor, which then goes to both sides.

def prepared(name, picture):
    import onnx
    from onnx import TensorProto, helper
    folder = fresh('prepare')
    shape = [1, 3, 240, 320]
    meta = {'input': {'name': 'input', 'image': {
        'width': 320, 'height': 240, 'fit': 'stretch', 'color': 'RGB',
        'layout': 'NCHW', 'mean': [127] * 3, 'std': [128] * 3}}}

    os.makedirs(folder + '/face')
    shutil.copyfile(source(name), folder + '/face/model.onnx')
    graph = helper.make_graph(
        [helper.make_node('Identity', ['input'], ['output'])], 'prepare',
        [helper.make_tensor_value_info('input', TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info('output', TensorProto.FLOAT, shape)])
    os.makedirs(folder + '/plain')
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid('', 13)]), folder + '/plain/model.onnx')

    for kind in ('face', 'plain'):
        with open('%s/%s/model.json' % (folder, kind), 'w') as f:
            json.dump(meta, f)

    got = maas(folder + '/plain', {'input': picture}, folder + '/out')
    return folder + '/face', got


def ultraface():
    picture = MODELS + '/io/face.jpg'
    folder, x = prepared('ultraface.onnx', picture)
    if not ok(not isinstance(x, str), 'ultraface: the picture is prepared',
              str(x)):
        return
    m = Model('ultraface', source('ultraface.onnx'), {'input': x['output']},
              'Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB')
    if m.ref is None:
        return
    n = int(np.sum(m.ref['scores'][0][0, :, 1] > 0.7))
    ok(n == 38, 'ultraface: 38 anchors see a face in ONNX Runtime', str(n))
    if m.check(below):
        n = int(np.sum(m.got['scores'][0, :, 1] > 0.7))
        ok(n == 38, 'ultraface: 38 anchors see a face', str(n))
        same(maas(folder, {'input': picture}, m.dir + '/maas'), m.got,
             'ultraface: the JPEG itself as input')


def byte_lstm():
    v = vector('byte_sb_bidi_lstm_io.npz')
    m = Model('byte_lstm', source('byte_lstm.onnx'), {'input': v['input']},
              'sonos/tract')
    if m.check(small, batch={'input': v['input']}):
        m.stored('Add_26', v['Add_26']) if 'Add_26' in m.got \
            else m.stored('output', v['Add_26'])


def lgbm_classifier():
    v = vector('lgbm_classifier_tensor_io.npz')
    m = Model('lgbm_classifier', source('lgbm_classifier.onnx'),
              {'input': v['input']}, 'sonos/tract')
    many = rng.uniform(0, 1000, (5, 13)).astype(np.float32)
    if m.check(small, batch={'input': many}):
        m.stored('probabilities', v['probabilities'])


def xgb_regressor():
    v = vector('xgboost_regressor_tree_io.npz')
    many = rng.uniform(0, 500, (5, 13)).astype(np.float32)
    many[0] = v['input'][0]
    m = Model('xgb_regressor', source('xgb_regressor.onnx'), {'input': many},
              'sonos/tract')
    if m.check(small, batch={'input': many}):
        m.got = maas(m.path, {'input': save_one(m, v['input'])},
                     m.dir + '/maas')
        m.stored('variable', v['variable'])


def save_one(m, x):
    path = m.dir + '/one.npy'
    np.save(path, x)
    return path


# A name that switches nothing off would make the runs without it say nothing.

def passes():
    folder = fresh('passes')
    models = [source(n + '.onnx')
              for n in ('ultraface', 'lgbm_classifier', 'mnist_8')]
    if None in models:
        skip('passes', 'no ultraface, lgbm_classifier or mnist_8 in '
             + MODELS)
        return
    full = [image(m, folder) for m in models]
    ok(full == [image(m, folder) for m in models],
       'the same source gives the same image')
    # No attention, Gelu or product of bytes here: fusion_test has them.
    for off in (p for p in PASSES if not p.startswith('fuse_')):
        ok(full != [image(m, folder, off) for m in models],
           'without %s the image is another one' % off)


for test in (mnist, super_resolution, ultraface, byte_lstm, lgbm_classifier,
             xgb_regressor):
    name = {'mnist': 'mnist_8'}.get(test.__name__, test.__name__)
    if source(name + '.onnx') is None:
        skip(name, 'not in ' + MODELS)
        continue
    test()

passes()
done('Models in public repositories')
