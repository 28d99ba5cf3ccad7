#!/usr/bin/python3
"""Models made with PyTorch: seeded weights, exported to ONNX here.

    torch_export.py NAME OUT.onnx       exports one of them
    torch_export.py                     lists them

The first set of inputs of a case is what the export traces; the others have
other shapes.  BatchNorm's running statistics are those of random pictures, so
that signals keep their size and no layer is saturated.
"""

import sys
import warnings
from collections import namedtuple

import numpy as np
import torch
import torchvision
from torch import nn

sys.dont_write_bytecode = True
warnings.filterwarnings('ignore')

from torch_nets import (Bert, ConvLstm, ElmanRnn, Net3d, Odds, Packed,
                        Selector, Tagger, TorchTransformer, Unet, Upscaler)

torch.set_num_threads(1)

# axes: {input or output: {axis: name}}, as torch.onnx.export takes them.
Case = namedtuple('Case', 'module inputs sets axes outputs opset origin')

OWN = 't/models/torch_nets.py'
VISION = 'torchvision '


def case(module, inputs, sets, axes, outputs, opset=13, origin=OWN):
    return Case(module.eval(), inputs, sets, axes, outputs, opset, origin)


def pictures(*shapes):
    return [(torch.rand(s) * 2 - 1,) for s in shapes]


def calibrated(module, inputs):
    """Gives every BatchNorm a scale, and the statistics of these inputs."""
    module.eval()
    for m in module.modules():
        if isinstance(m, nn.modules.batchnorm._BatchNorm):
            m.momentum = None
            nn.init.uniform_(m.weight, 0.7, 1.3)
            nn.init.uniform_(m.bias, -0.2, 0.2)
            m.train()
    with torch.no_grad():
        for x in inputs:
            module(*x)
    return module.eval()


# -- text --------------------------------------------------------------------

def sentences(batch, length, words=2000):
    lengths = torch.randint(max(1, length // 2), length + 1, (batch,))
    lengths[0] = length
    mask = (torch.arange(length)[None, :] < lengths[:, None]).long()
    ids = torch.randint(0, words, (batch, length)) * mask
    kinds = (torch.arange(length)[None, :] > lengths[:, None] // 2).long()
    return ids, mask, kinds * mask


def bert(opset):
    axes = {0: 'batch', 1: 'sequence'}
    return case(Bert(), ['input_ids', 'attention_mask', 'token_type_ids'],
                [sentences(*s) for s in ((2, 12), (1, 7), (3, 7), (1, 128),
                                         (3, 128))],
                {'input_ids': axes, 'attention_mask': axes,
                 'token_type_ids': axes, 'embedding': {0: 'batch'},
                 'pooled': {0: 'batch'}},
                ['embedding', 'pooled'], opset)


def encoder():
    def one(batch, length):
        padding = torch.arange(length)[None, :] >= torch.randint(
            length // 2 + 1, length + 1, (batch, 1))
        return torch.randn(batch, length, 96), padding
    axes = {0: 'batch', 1: 'sequence'}
    return case(TorchTransformer(), ['x', 'padding'],
                [one(2, 9), one(1, 7), one(3, 128)],
                {'x': axes, 'padding': axes, 'y': axes}, ['y'], 14)


# -- recurrent ---------------------------------------------------------------

def tagger():
    def one(n, t, hidden=40, layers=2):
        return (torch.randn(n, t, 24), torch.randn(2 * layers, n, hidden),
                torch.randn(2 * layers, n, hidden),
                torch.randn(layers, n, hidden))
    axes = {n: {1: 'batch'} for n in ('h0', 'c0', 'g0', 'g', 'h', 'c')}
    axes['x'] = axes['y'] = {0: 'batch', 1: 'sequence'}
    return case(Tagger(), ['x', 'h0', 'c0', 'g0'],
                [one(2, 11), one(1, 7), one(3, 7), one(1, 128), one(3, 128)],
                axes, ['y', 'g', 'h', 'c'])


def packed():
    def one(lengths):
        x = torch.randn(len(lengths), lengths[0], 16)
        return x, torch.tensor(lengths)
    return case(Packed(), ['x', 'lengths'],
                [one([9, 5]), one([7]), one([7, 7, 2]), one([128, 31, 1])],
                {'x': {0: 'batch', 1: 'sequence'}, 'lengths': {0: 'batch'},
                 'y': {0: 'batch', 1: 'sequence'}, 'h': {1: 'batch'},
                 'c': {1: 'batch'}, 'g': {1: 'batch'}},
                ['y', 'h', 'c', 'g'])


def elman():
    return case(ElmanRnn(), ['x'],
                [(torch.randn(n, t, 12),) for n, t in ((2, 5), (1, 7),
                                                       (3, 128))],
                {'x': {0: 'batch', 1: 'sequence'},
                 'y': {0: 'batch', 1: 'sequence'}, 'h': {1: 'batch'},
                 'g': {1: 'batch'}}, ['y', 'h', 'g'])


def conv_lstm():
    module = ConvLstm()
    sets = [(torch.randn(t, n, 2, h, w),)
            for t, n, h, w in ((3, 1, 8, 10), (1, 3, 8, 10), (7, 2, 8, 10))]
    module = torch.jit.script(module.eval())
    return case(module, ['x'], sets,
                {'x': {0: 'time', 1: 'batch'}, 'h': {0: 'batch'},
                 'c': {0: 'batch'}}, ['h', 'c'])


# -- pictures ----------------------------------------------------------------

BATCH = {'image': {0: 'batch'}, 'logits': {0: 'batch'}}
SIZED = {'image': {0: 'batch', 2: 'height', 3: 'width'},
         'mask': {0: 'batch', 2: 'height', 3: 'width'}}


def classifier(module, origin, *shapes, opset=13):
    return case(module, ['image'], pictures(*shapes), BATCH, ['logits'],
                opset, VISION + origin)


def vit():
    v = torchvision.models.VisionTransformer(
        image_size=96, patch_size=16, num_layers=12, num_heads=6,
        hidden_dim=384, mlp_dim=1536, num_classes=50)
    nn.init.normal_(v.heads[-1].weight, std=0.05)
    return classifier(v, 'VisionTransformer S/16', (2, 3, 96, 96), (1, 3, 96, 96),
                      (3, 3, 96, 96), opset=17)


def efficientnet():
    net = calibrated(torchvision.models.efficientnet_b0(),
                     pictures(*[(8, 3, 64, 64)] * 3))
    return case(net, ['image'],
                pictures((2, 3, 64, 64), (1, 3, 64, 64), (3, 3, 96, 64)),
                {'image': SIZED['image'], 'logits': {0: 'batch'}},
                ['logits'], 13, VISION + 'efficientnet_b0')


def mobilenet():
    net = calibrated(torchvision.models.mobilenet_v3_large(),
                     pictures(*[(8, 3, 96, 96)] * 2))
    return classifier(net, 'mobilenet_v3_large', (2, 3, 96, 96),
                      (1, 3, 96, 96), (3, 3, 96, 96), opset=14)


def unet(bilinear):
    return case(calibrated(Unet(bilinear), pictures((4, 3, 32, 32))), ['image'],
                pictures((2, 3, 32, 40), (1, 3, 64, 64), (3, 3, 37, 51)),
                SIZED, ['mask'], 13)


def swin():
    return classifier(torchvision.models.swin_t(num_classes=40), 'swin_t',
                      (2, 3, 96, 96), (1, 3, 96, 96), (3, 3, 96, 96))


def upscaler():
    return case(Upscaler(), ['image'],
                pictures((2, 3, 12, 16), (1, 3, 7, 9), (3, 3, 24, 24)),
                SIZED, ['mask', 'small'], 13)


def resnet():
    return classifier(calibrated(torchvision.models.resnet18(),
                                 pictures((8, 3, 64, 64))), 'resnet18',
                      (2, 3, 64, 64), (1, 3, 64, 64), (3, 3, 64, 64))


def net3d():
    axes = {0: 'batch', 2: 'depth', 3: 'height', 4: 'width'}
    return case(calibrated(Net3d(), pictures((4, 2, 8, 12, 12))), ['volume'],
                pictures((2, 2, 8, 12, 12), (1, 2, 6, 16, 10),
                         (3, 2, 10, 14, 20)),
                {'volume': axes, 'classes': {0: 'batch'}, 'field': axes},
                ['classes', 'field'], 13)


def odds():
    return case(Odds(), ['image'],
                pictures((2, 3, 16, 20), (1, 3, 16, 20), (3, 3, 31, 24)),
                {'image': SIZED['image']},
                ['z', 'pool', 'sum', 'var', 'top', 'norm'], 13)


def selector():
    return case(Selector(), ['x'],
                [(torch.randn(n, t),) for n, t in ((4, 6), (1, 7), (3, 128))],
                {'x': {0: 'rows', 1: 'columns'}},
                ['picked', 'taken', 'columns', 'kinds', 'moved', 'masked'],
                16)


class Boxes(nn.Module):
    """torchvision's detectors answer with lists of dictionaries."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        got = self.net([image])
        got = got[0] if isinstance(got, list) else got[1][0]
        return got['boxes'], got['labels'], got['scores']


def faster_rcnn():
    net = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, num_classes=5,
        min_size=96, max_size=160, box_score_thresh=0.2,
        rpn_pre_nms_top_n_test=200, rpn_post_nms_top_n_test=60,
        box_detections_per_img=20)
    net = Boxes(net)
    calibrated(net, [(torch.rand(3, 96, 96 + 16 * i),) for i in range(5)])
    # Scores and boxes that differ, so that some survive and none is a tie.
    with torch.no_grad():
        for layer, scale in ((net.net.rpn.head.cls_logits, 10),
                             (net.net.rpn.head.bbox_pred, 3),
                             (net.net.roi_heads.box_predictor.cls_score, 12),
                             (net.net.roi_heads.box_predictor.bbox_pred, 2)):
            layer.weight.mul_(scale)
    return case(net, ['image'],
                [(torch.rand(s),) for s in ((3, 96, 128), (3, 120, 90),
                                            (3, 64, 64))],
                {'image': {1: 'height', 2: 'width'}, 'boxes': {0: 'found'},
                 'labels': {0: 'found'}, 'scores': {0: 'found'}},
                ['boxes', 'labels', 'scores'], 11,
                VISION + 'fasterrcnn_mobilenet_v3_large_320_fpn')


CASES = {
    'bert_13': lambda: bert(13),
    'bert_17': lambda: bert(17),
    'encoder_layers': encoder,
    'gru_lstm': tagger,
    'packed_rnn': packed,
    'elman_rnn': elman,
    'conv_lstm': conv_lstm,
    'vit_s16': vit,
    'efficientnet_b0': efficientnet,
    'mobilenet_v3': mobilenet,
    'swin_t': swin,
    'unet_transposed': lambda: unet(False),
    'unet_bilinear': lambda: unet(True),
    'upscaler': upscaler,
    'net3d': net3d,
    'resnet18': resnet,
    'odds': odds,
    'selector': selector,
    'faster_rcnn': faster_rcnn,
}


def build(name, seed=1):
    """The case, made with seeded weights and inputs."""
    torch.manual_seed(seed)
    return CASES[name]()


def export(c, path):
    torch.onnx.export(c.module, c.sets[0], path, opset_version=c.opset,
                      input_names=c.inputs, output_names=c.outputs,
                      dynamic_axes=c.axes)


def feeds(c, i):
    """Inputs of set i by name, as numpy arrays."""
    return {n: x.numpy() for n, x in zip(c.inputs, c.sets[i])}


def answers(c, i):
    """What PyTorch says to set i, by name of the output."""
    with torch.no_grad():
        got = c.module(*[x.clone() for x in c.sets[i]])
    got = got if isinstance(got, tuple) else (got,)
    return {n: y.numpy() for n, y in zip(c.outputs, got)}


if __name__ == '__main__':
    if len(sys.argv) == 1:
        print('\n'.join(CASES))
    elif len(sys.argv) == 3 and sys.argv[1] in CASES:
        export(build(sys.argv[1]), sys.argv[2])
    else:
        sys.exit(__doc__)
