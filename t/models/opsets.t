#!/usr/bin/python3
"""Operators as opsets 18 to 24 have them, each beside ONNX Runtime."""

import os
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib_models import MAAS, done
from lib_ops import Case, TensorProto, helper, numpy_helper, run_all

if not os.access(MAAS, os.X_OK):
    print('Bail out!  %s is missing: run make' % MAAS)
    sys.exit(1)

rng = np.random.default_rng(18)
F, I = np.float32, np.int64


def f(*dims):
    return rng.standard_normal(dims).astype(F)


def i64(*v):
    return np.array(v, I)


def ints(dtype, *dims, lo=0, hi=100):
    return rng.integers(lo, hi, dims).astype(dtype)


# -- reductions --------------------------------------------------------------

for op in ('Sum', 'Mean', 'Max', 'Min', 'Prod', 'L1', 'L2', 'LogSum',
           'LogSumExp', 'SumSquare'):
    x = np.abs(f(3, 4, 5)) + F(0.1)
    Case('', 18, 'Reduce' + op, [x, i64(1)], const=[1])
    Case('input axes', 18, 'Reduce' + op, [x, i64(-1, 0)], keepdims=0)
    Case('all', 18, 'Reduce' + op, [x])
    Case('noop', 18, 'Reduce' + op, [x], noop_with_empty_axes=1)
    Case('', 22, 'Reduce' + op, [x, i64(0, 2)], const=[1], half='f16',
         rtol=4e-3)

for op in ('Max', 'Min'):
    Case('bool', 20, 'Reduce' + op,
         [ints(bool, 4, 5, hi=2), i64(1)], const=[1], keepdims=0)

# -- shapes and movement -----------------------------------------------------

Case('num_outputs', 18, 'Split', [f(4, 10)], n_out=3, axis=1, num_outputs=3)
Case('num_outputs equal', 18, 'Split', [f(9, 2)], n_out=3, num_outputs=3)
Case('split', 18, 'Split', [f(7, 2), i64(3, 4)], n_out=2, const=[1])
for mode in ('constant', 'reflect', 'edge', 'wrap'):
    opset = 19 if mode == 'wrap' else 18
    Case(mode + ' axes', opset, 'Pad',
         [f(2, 5, 6), i64(1, 2, 2, 1), None, i64(-1, 1)], const=[1, 3],
         mode=mode)
    Case(mode, opset, 'Pad', [f(4, 5), i64(2, 1, 3, 4)], mode=mode)
Case('value', 21, 'Pad', [f(4, 5), i64(1, 0), np.array(2.5, F), i64(0)],
     const=[1, 2, 3])
Case('far', 19, 'Pad', [f(3), i64(5, 8)], mode='wrap',
     ref=lambda x, p: np.pad(x, (5, 8), 'wrap'))
Case('shape', 18, 'CenterCropPad', [f(5, 8, 3), i64(10, 4, 3)], const=[1])
Case('axes', 18, 'CenterCropPad', [f(5, 8, 3), i64(9, 5)], axes=[1, -3])
Case('odd', 18, 'CenterCropPad', [f(6, 7), i64(3, 10)])
Case('allowzero', 19, 'Reshape', [f(0, 3), i64(3, 0)], const=[1],
     allowzero=1)
Case('start', 21, 'Shape', [f(2, 3, 4)], start=-2)

for red in ('none', 'add', 'mul', 'max', 'min'):
    for dtype in (F, np.int32, np.float64):
        Case('%s %s' % (red, np.dtype(dtype)), 18, 'ScatterElements',
             [ints(dtype, 4, 5, lo=-9), ints(I, 2, 5, lo=-4, hi=4),
              ints(dtype, 2, 5, lo=-9)] if red != 'none' else
             [f(4, 5).astype(dtype), np.tile(i64(1, -1)[:, None], (1, 5)),
              f(2, 5).astype(dtype)], reduction=red)
        Case('%s %s' % (red, np.dtype(dtype)), 18, 'ScatterND',
             [ints(dtype, 4, 5, lo=-9), i64([0], [2], [0])
              if red != 'none' else i64([0], [2], [1]),
              ints(dtype, 3, 5, lo=-9)], reduction=red)

for dtype in (np.uint8, np.int16, np.uint32, np.int64):
    a, b = ints(dtype, 3, 5), ints(dtype, 5)
    Case('', 18, 'BitwiseAnd', [a, b])
    Case('', 18, 'BitwiseOr', [a, b])
    Case('', 18, 'BitwiseXor', [a, b])
    Case('', 18, 'BitwiseNot', [a])

# -- Resize ------------------------------------------------------------------

x = f(1, 2, 17, 13)
for mode in ('linear', 'cubic'):
    for name, size in (('down', (7, 5)), ('up', (20, 30)), ('both', (30, 4))):
        Case('antialias %s %s' % (mode, name), 18, 'Resize',
             [x, None, None, i64(1, 2, *size)], const=[3], mode=mode,
             antialias=1)
    Case('antialias scales ' + mode, 19, 'Resize',
         [x, None, np.array([1, 1, 0.6, 0.31], F)], const=[2], mode=mode,
         antialias=1)
Case('antialias exclude_outside', 18, 'Resize',
     [x, None, None, i64(1, 2, 6, 5)], const=[3], mode='cubic', antialias=1,
     exclude_outside=1)
for policy in ('not_larger', 'not_smaller', 'stretch'):
    for mode in ('linear', 'nearest'):
        Case('%s %s' % (policy, mode), 19, 'Resize',
             [x, None, None, i64(9, 11)], const=[3], mode=mode, axes=[2, 3],
             keep_aspect_ratio_policy=policy)
Case('axes scales', 18, 'Resize', [x, None, np.array([2, 1.5], F)],
     const=[2], mode='linear', axes=[3, 2])
Case('symmetric', 19, 'Resize', [x, None, np.array([1, 1, 0.37, 0.4], F)],
     const=[2], mode='linear',
     coordinate_transformation_mode='half_pixel_symmetric')

# -- activations and normalisation -------------------------------------------

x = f(3, 5, 7) * F(3)
for approximate in ('none', 'tanh'):
    Case(approximate, 20, 'Gelu', [x], approximate=approximate)
    Case(approximate, 20, 'Gelu', [x], approximate=approximate, half='f16',
         rtol=2e-3, atol=1e-3)
Case('', 18, 'Mish', [x])
Case('', 22, 'HardSwish', [x])
Case('', 24, 'Swish', [x], alpha=0.7, ref=lambda x: x / (1 + np.exp(
    -F(0.7) * x)))

x, s, b = f(2, 6, 5, 4), f(6), f(6)
Case('per channel', 21, 'GroupNormalization', [x, s, b], const=[1, 2],
     num_groups=3, epsilon=0.01)
Case('', 18, 'GroupNormalization', [x, s[:3], b[:3]], const=[1, 2],
     num_groups=3)
Case('3-D', 21, 'GroupNormalization', [f(2, 4, 3, 2, 3), f(4), f(4)],
     num_groups=2, half='f16', rtol=5e-3, atol=3e-3)


def rms(axis, eps):
    def ref(x, s):
        ax = tuple(range(axis % x.ndim, x.ndim))
        m = np.mean(np.square(np.float64(x)), axis=ax, keepdims=True)
        return (x / np.sqrt(m + eps) * s).astype(F)
    return ref


Case('', 23, 'RMSNormalization', [f(2, 3, 16), f(16)], ref=rms(-1, 1e-5))
Case('axis', 23, 'RMSNormalization', [f(2, 3, 16), f(3, 16)], axis=1,
     epsilon=0.1, ref=rms(1, 0.1))

# -- windows -----------------------------------------------------------------

for nd in (1, 2, 3):
    x = f(2, 4, *((9, 8, 7)[:nd]))
    k = [3, 2, 2][:nd]
    for kw in ({}, dict(strides=[2] * nd, ceil_mode=1),
               dict(dilations=[2] * nd), dict(pads=[1] * (2 * nd)),
               dict(auto_pad='SAME_UPPER'),
               dict(auto_pad='SAME_LOWER', strides=[2] * nd),
               dict(pads=[1] * nd + [0] * nd, strides=[2] * nd, ceil_mode=1,
                    dilations=[1, 2, 2][:nd])):
        Case('%d-D %s' % (nd, kw), 22, 'MaxPool', [x], kernel_shape=k, **kw)
        Case('%d-D %s' % (nd, kw), 22, 'AveragePool', [x], kernel_shape=k,
             **kw)
        if 'auto_pad' not in kw:
            Case('%d-D counted %s' % (nd, kw), 19, 'AveragePool', [x],
                 kernel_shape=k, count_include_pad=1, **kw)
        Case('%d-D %s' % (nd, kw), 18, 'LpPool', [x], kernel_shape=k,
             **kw)
    Case('%d-D' % nd, 22, 'GlobalMaxPool', [x])
    Case('%d-D' % nd, 22, 'GlobalAveragePool', [x])
    Case('%d-D' % nd, 18, 'GlobalLpPool', [x], p=3)
    Case('%d-D indices' % nd, 22, 'MaxPool', [x], n_out=2, kernel_shape=k)

    for group in (1, 2, 4):
        w, b = f(6 if group < 4 else 8, 4 // group, *k), f(
            6 if group < 4 else 8)
        for kw in ({}, dict(pads=[1] * (2 * nd), strides=[2] * nd),
                   dict(dilations=[2] * nd), dict(auto_pad='SAME_LOWER')):
            Case('%d-D g%d %s' % (nd, group, kw), 22, 'Conv', [x, w, b],
                 const=[1, 2], group=group, **kw)
        w = f(4, 3, *k)
        for kw in ({}, dict(pads=[1] * (2 * nd), strides=[2] * nd),
                   dict(dilations=[2] * nd),
                   dict(strides=[2] * nd, output_padding=[1] * nd),
                   dict(auto_pad='SAME_UPPER', strides=[2] * nd)):
            Case('%d-D g%d %s' % (nd, group, kw), 22, 'ConvTranspose',
                 [x, w, f(3 * group)], const=[1, 2], group=group, **kw)

x = f(2, 4, 6, 5, 7)
Case('3-D', 22, 'Conv', [x, f(4, 4, 3, 3, 3), f(4)], const=[1, 2],
     half='f16', rtol=5e-3, atol=2e-3)
Case('3-D weights given', 22, 'Conv', [x, f(4, 2, 2, 3, 1)], group=2)

x, w = f(2, 4, 7, 6), f(6, 2, 3, 2)
Case('', 22, 'DeformConv',
     [x, w, f(2, 2 * 2 * 6, 7, 7), f(6), np.abs(f(2, 2 * 6, 7, 7))],
     const=[1, 3], group=2, offset_group=2, pads=[1, 1, 1, 1])
Case('plain', 19, 'DeformConv', [x, f(3, 4, 2, 2), f(2, 8, 3, 5)],
     strides=[2, 1])

# -- sampling ----------------------------------------------------------------

grid = (rng.random((2, 3, 4, 2)) * 2.4 - 1.2).astype(F)
for mode in ('linear', 'nearest', 'cubic'):
    for pad in ('zeros', 'border', 'reflection'):
        for corners in (0, 1):
            Case('%s %s %d' % (mode, pad, corners), 20, 'GridSample',
                 [f(2, 3, 6, 5), grid], mode=mode, padding_mode=pad,
                 align_corners=corners)
grid = (rng.random((2, 3, 4, 2, 3)) * 2.4 - 1.2).astype(F)
for mode in ('linear', 'nearest'):
    for pad in ('zeros', 'border', 'reflection'):
        for corners in (0, 1):
            Case('3-D %s %s %d' % (mode, pad, corners), 20, 'GridSample',
                 [f(2, 3, 4, 5, 6), grid], mode=mode, padding_mode=pad,
                 align_corners=corners)
for corners in (0, 1):
    Case('2-D %d' % corners, 20, 'AffineGrid',
         [f(2, 2, 3), i64(2, 3, 4, 5)], const=[1], align_corners=corners)
    Case('3-D %d' % corners, 20, 'AffineGrid',
         [f(2, 3, 4), i64(2, 3, 4, 5, 2)], align_corners=corners)
Case('one', 20, 'AffineGrid', [f(1, 2, 3), i64(1, 1, 1, 3)],
     align_corners=0)

Case('', 18, 'Col2Im', [f(1, 5, 5), i64(5, 5), i64(1, 5)], const=[1, 2])
Case('all', 18, 'Col2Im', [f(2, 12, 12), i64(6, 7), i64(2, 3)],
     const=[1, 2], strides=[2, 1], pads=[1, 0, 0, 1], dilations=[1, 2])
Case('3-D', 18, 'Col2Im', [f(1, 8, 12), i64(3, 3, 4), i64(2, 2, 2)])

# -- transforms --------------------------------------------------------------

x = f(2, 9, 8, 1)
Case('default axis', 20, 'DFT', [x])
Case('axis', 20, 'DFT', [x, None, i64(1).reshape(())], const=[2], onesided=1)
Case('length', 20, 'DFT', [x, i64(12).reshape(()), i64(-3).reshape(())],
     const=[1, 2])
Case('inverse', 20, 'DFT', [f(2, 9, 8, 2), None, i64(1).reshape(())],
     const=[2], inverse=1)
Case('axis', 17, 'DFT', [x], axis=2)

# -- quantised ---------------------------------------------------------------

x = f(3, 10, 4)
for dtype in (np.int8, np.uint8, np.int16, np.uint16):
    z = ints(dtype, 10)
    s = np.abs(f(10)) * F(0.02) + F(0.01)
    text = np.dtype(dtype).name
    Case(text, 21, 'QuantizeLinear', [x, s, z], axis=1)
    Case(text, 21, 'DequantizeLinear', [ints(dtype, 3, 10, 4), s, z], axis=1)
    z = ints(dtype, 3, 4, 4)
    s = np.abs(f(3, 4, 4)) * F(0.02) + F(0.01)
    Case(text + ' blocks', 21, 'QuantizeLinear', [x, s, z], axis=1,
         block_size=3)
    Case(text + ' blocks', 21, 'DequantizeLinear',
         [ints(dtype, 3, 10, 4), s, z], axis=1, block_size=3)
s = np.abs(f(3, 10, 2)) + F(0.01)
Case('last blocks', 21, 'QuantizeLinear', [x, s], axis=-1, block_size=2)
Case('output_dtype', 21, 'QuantizeLinear', [x, np.array([0.01], F)],
     const=[1], output_dtype=TensorProto.INT16)
Case('', 21, 'QuantizeLinear', [x, np.array([0.01], F)], const=[1],
     nodes=[
         helper.make_node('Cast', ['x0'], ['h'], to=TensorProto.FLOAT16),
         helper.make_node('Cast', ['x1'], ['s'], to=TensorProto.FLOAT16),
         helper.make_node('QuantizeLinear', ['h', 's'], ['q']),
         helper.make_node('DequantizeLinear', ['q', 's'], ['d']),
         helper.make_node('Cast', ['d'], ['y0'], to=TensorProto.FLOAT)],
     rtol=2e-3)


def four(dtype, *dims):
    raw = rng.integers(0, 256, (int(np.prod(dims)) + 1) // 2)
    return TensorProto(data_type=dtype, dims=dims,
                       raw_data=raw.astype(np.uint8).tobytes())


for dtype in (21, 22):
    Case('int4 %d' % dtype, 21, 'DequantizeLinear',
         [four(dtype, 5, 7), np.array(0.5, F), four(dtype)], const=[1])
    Case('int4 axis %d' % dtype, 21, 'DequantizeLinear',
         [four(dtype, 5, 7), f(7), four(dtype, 7)], const=[1], axis=1)
    Case('int4 blocks %d' % dtype, 21, 'DequantizeLinear',
         [four(dtype, 5, 7), f(5, 3), four(dtype, 5, 3)], const=[1], axis=1,
         block_size=3)

# -- attention ---------------------------------------------------------------

q, k, v = f(2, 4, 6, 8), f(2, 4, 9, 8), f(2, 4, 9, 10)
Case('', 23, 'Attention', [q, k, v])
Case('scale', 23, 'Attention', [q, k, v], scale=0.3)
Case('mask', 23, 'Attention', [q, k, v, f(6, 9)])
Case('mask 4-D', 23, 'Attention', [q, k, v, f(2, 1, 6, 9)])
Case('bool mask', 23, 'Attention',
     [q, k, v, np.tril(np.ones((6, 9), bool))])
Case('causal', 23, 'Attention', [q, k, v], is_causal=1)
Case('softcap', 23, 'Attention', [q, k, v], softcap=1.5)
Case('softcap mask', 23, 'Attention',
     [q, k, v, np.tril(np.ones((6, 9), bool))], softcap=1.5)
Case('grouped', 23, 'Attention', [q, k[:, :2], v[:, :2]])
Case('3-D', 23, 'Attention', [f(2, 6, 32), f(2, 9, 16), f(2, 9, 24)],
     q_num_heads=4, kv_num_heads=2)
Case('past', 23, 'Attention',
     [q, k, v, None, f(2, 4, 5, 8), f(2, 4, 5, 10)], n_out=3)
Case('past causal', 23, 'Attention',
     [q, k[:, :, :6], v[:, :, :6], f(6, 11), f(2, 4, 5, 8),
      f(2, 4, 5, 10)], n_out=3, is_causal=1)
Case('one row', 23, 'Attention',
     [q[:, :, :1], k, v, f(1, 9)])
mask = np.ones((6, 9), bool)
mask[2] = False
Case('hidden row', 23, 'Attention', [q, k, v, mask])
for mode in range(4):
    Case('qk mode %d' % mode, 23, 'Attention', [q, k, v, f(6, 9)],
         n_out=['y0', '', '', 'y3'], softcap=1.0, qk_matmul_output_mode=mode)
Case('', 23, 'Attention', [q, k, v, f(6, 9)], half='f16', rtol=5e-3,
     atol=3e-3)

x, pos = f(2, 3, 5, 8), ints(I, 2, 5, hi=12)
cos, sin = f(12, 4), f(12, 4)
for inter in (0, 1):
    Case('ids %d' % inter, 23, 'RotaryEmbedding', [x, cos, sin, pos],
         interleaved=inter)
    Case('rows %d' % inter, 23, 'RotaryEmbedding',
         [x, f(2, 5, 4), f(2, 5, 4)], interleaved=inter)
Case('part', 23, 'RotaryEmbedding', [x, cos[:, :2], sin[:, :2], pos],
     rotary_embedding_dim=4)
Case('3-D', 23, 'RotaryEmbedding', [f(2, 5, 24), cos, sin, pos],
     num_heads=3)

# -- com.microsoft -----------------------------------------------------------

MS = 'com.microsoft'
x, s, b = f(2, 5, 8), f(8), f(8)
Case('', 17, 'Gelu', [x], domain=MS)
Case('', 17, 'FastGelu', [x], domain=MS)
Case('bias', 17, 'FastGelu', [x, b], domain=MS)
Case('', 17, 'BiasGelu', [x, b], domain=MS)
Case('', 17, 'QuickGelu', [x], domain=MS)
Case('alpha', 17, 'QuickGelu', [x], domain=MS, alpha=0.9)
Case('', 17, 'SimplifiedLayerNormalization', [x, s])
Case('', 17, 'SkipLayerNormalization', [x, f(2, 5, 8), s, b], domain=MS)
Case('sum', 17, 'SkipLayerNormalization', [x, f(2, 5, 8), s, b, f(8)],
     domain=MS, n_out=['y0', '', '', 'y3'], epsilon=0.01)
Case('', 17, 'SkipSimplifiedLayerNormalization', [x, f(2, 5, 8), s],
     domain=MS)
Case('sum', 17, 'SkipSimplifiedLayerNormalization',
     [x, f(2, 5, 8), s, f(8)], domain=MS, n_out=['y0', '', '', 'y3'])
ids, seg = ints(np.int32, 2, 4, hi=9), ints(np.int32, 2, 4, hi=2)
Case('', 17, 'EmbedLayerNormalization',
     [ids, seg, f(9, 8), f(6, 8), f(2, 8), s, b,
      np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)],
     domain=MS, n_out=2)
Case('no segments', 17, 'EmbedLayerNormalization',
     [ids, None, f(9, 8), f(6, 8), None, s, b], domain=MS,
     n_out=['y0', 'y1', 'y2'])
Case('', 17, 'FusedMatMul', [f(2, 5, 8), f(2, 8, 3)], domain=MS)
Case('trans', 17, 'FusedMatMul', [f(2, 8, 5), f(2, 3, 8)], domain=MS,
     transA=1, transB=1, alpha=0.3)
x, w, b = f(1, 4, 7, 7), f(6, 4, 3, 3), f(6)
for act, params in (('Relu', None), ('Tanh', None), ('LeakyRelu', [0.2]),
                    ('Clip', [-0.5, 1.5]), ('HardSigmoid', [0.3, 0.4])):
    kw = {'activation_params': params} if params else {}
    Case(act, 17, 'FusedConv', [x, w, b], const=[1, 2], domain=MS,
         activation=act, pads=[1, 1, 1, 1], **kw)
Case('sum', 17, 'FusedConv', [x, w, b, f(1, 6, 7, 7)], const=[1, 2],
     domain=MS, activation='Relu', pads=[1, 1, 1, 1])
Case('', 17, 'FusedGemm', [f(3, 8), f(5, 8), f(5)], const=[1, 2], domain=MS,
     activation='LeakyRelu', activation_alpha=0.2, transB=1)

x, w, b = f(2, 6, 16), f(16, 48), f(48)
Case('', 17, 'Attention', [x, w, b], const=[1, 2], domain=MS, num_heads=4)
Case('causal', 17, 'Attention', [x, w, b], const=[1, 2], domain=MS,
     num_heads=4, unidirectional=1)
Case('mask', 17, 'Attention',
     [x, w, b, np.array([[1] * 6, [1] * 4 + [0] * 2], np.int32)],
     const=[1, 2], domain=MS, num_heads=2)
Case('lengths', 17, 'Attention', [x, w, b, np.array([6, 3], np.int32)],
     const=[1, 2], domain=MS, num_heads=2)
Case('mask 3-D', 17, 'Attention',
     [x, w, b, np.tril(np.ones((2, 6, 6), np.int32))],
     const=[1, 2], domain=MS, num_heads=2)
Case('sizes', 17, 'Attention', [x, f(16, 8 + 8 + 24), f(40)], const=[1, 2],
     domain=MS, num_heads=2, qkv_hidden_sizes=[8, 8, 24])
Case('bias', 17, 'Attention', [x, w, b, None, None, f(2, 4, 6, 6)],
     const=[1, 2], domain=MS, num_heads=4)
q, k, v = f(2, 6, 16), f(2, 9, 16), f(2, 9, 16)
Case('', 17, 'MultiHeadAttention', [q, k, v], domain=MS, num_heads=4)
Case('bias', 17, 'MultiHeadAttention', [q, k, v, f(48)], domain=MS,
     num_heads=4, scale=0.2)
Case('mask', 17, 'MultiHeadAttention',
     [q, k, v, None, np.array([[1] * 9, [1] * 4 + [0] * 5], np.int32)],
     domain=MS, num_heads=2)
Case('added', 17, 'MultiHeadAttention', [q, k, v, None, None, f(2, 2, 6, 9)],
     domain=MS, num_heads=2)
x, cos, sin = f(2, 3, 5, 8), f(12, 4), f(12, 4)
for inter in (0, 1):
    Case('rows', 17, 'RotaryEmbedding',
         [x, ints(I, 2, 5, hi=12), cos, sin], domain=MS, interleaved=inter)
Case('start', 17, 'RotaryEmbedding', [x, i64(3), cos, sin], domain=MS)

# -- types -------------------------------------------------------------------

Case('', 20, 'IsNaN', [np.array([1, np.nan, np.inf], F)], half='f16',
     ref=lambda x: np.isnan(x).astype(F))
Case('', 20, 'IsInf', [np.array([1, np.nan, -np.inf], F)])
Case('', 20, 'ConstantOfShape', [i64(2, 3)], value=numpy_helper.from_array(
    np.array([7], np.int32)))
Case('saturate', 19, 'Cast', [f(5)], to=TensorProto.INT64, saturate=0,
     ref=lambda x: x.astype(I))
Case('strings', 19, 'Equal', ['a', 'b'], nodes=[
    helper.make_node('Cast', ['p'], ['a'], to=TensorProto.STRING),
    helper.make_node('Cast', ['q'], ['b'], to=TensorProto.STRING),
    helper.make_node('Equal', ['a', 'b'], ['y0'])], inits=[
        numpy_helper.from_array(i64(1, 2, 13), 'p'),
        numpy_helper.from_array(i64([1], [2]), 'q')])

# -- strings -----------------------------------------------------------------


def text(*v):
    return np.array(v)


Case('', 20, 'StringConcat', [text('a', 'b', ''), text('x', '', '\u00e4')])
Case('broadcast', 20, 'StringConcat',
     [text('a', 'b', 'c').reshape(3, 1), text('1', '22')])
for d in ({}, {'delimiter': ','}, {'delimiter': '--'}, {'delimiter': ''}):
    for most in ({}, {'maxsplit': 1}, {'maxsplit': 2}):
        Case(str({**d, **most}), 20, 'StringSplit',
             [text('a b  c', ' x--y--z ', 'p,q,,r', '', 'one')], n_out=2,
             **d, **most)
Case('[2,2]', 20, 'StringSplit', [text('a,b', 'c', ',', 'd,e,f')
                                  .reshape(2, 2)], n_out=2, delimiter=',')
for pattern in (r'[a-z]+@[a-z]+\.(com|org)', r'a*?b', r'\d{3}-\w+',
                r'(?i)maas|x.y', r'', r'\p{L}+', r'^ab$'):
    Case(pattern, 20, 'RegexFullMatch',
         [text('me@site.com', 'me@site.comx', 'aab', 'ab', '123-abc', 'MAAS',
               'x\ny', 'xzy', '', '\u00e4\u03b2', 'ab\n')], pattern=pattern)

run_all()
done()
