"""Float32 graphs in other numbers, as converters write them.

    half(model)             float16 throughout, inputs and outputs too
    qdq(model, ranges)      QuantizeLinear and DequantizeLinear around Conv,
                            ConvTranspose, Gemm and MatMul: weights int8 for
                            each channel, activations uint8, biases int32;
                            powers: scales are powers of two
    dynamic(model)          MatMul by a weight as DynamicQuantizeLinear,
                            MatMulInteger, Cast, Mul
    observed(model, names)  a copy whose outputs are these tensors, to find
                            the ranges that qdq() wants

Each takes an onnx.ModelProto and returns a new one.
"""

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
KINDS = ('Conv', 'ConvTranspose', 'Gemm', 'MatMul')


def copy(model):
    m = ModelProto()
    m.CopyFrom(model)
    del m.graph.value_info[:]
    return m


def weights(graph):
    """{name: array} of initializers, Constant nodes and copies of them."""
    got = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    for n in graph.node:
        if n.op_type == 'Constant' and n.attribute[0].name == 'value':
            got[n.output[0]] = numpy_helper.to_array(n.attribute[0].t)
        elif n.op_type == 'Identity' and n.input[0] in got:
            got[n.output[0]] = got[n.input[0]]
    return got


def attribute(node, name, absent):
    for a in node.attribute:
        if a.name == name:
            return helper.get_attribute_value(a)
    return absent


# -- float16 -----------------------------------------------------------------

def half_tensor(t):
    if t.data_type != FLOAT:
        return
    data = numpy_helper.to_array(t)
    top = np.finfo(np.float16).max
    t.CopyFrom(numpy_helper.from_array(
        np.clip(data, -top, top).astype(np.float16), t.name))


def half(model):
    m = copy(model)
    keep = {n.input[i] for n in m.graph.node if n.op_type == 'Resize'
            for i in (1, 2) if i < len(n.input)}
    for t in m.graph.initializer:
        if t.name not in keep:
            half_tensor(t)
    for n in m.graph.node:
        for a in n.attribute:
            if a.name == 'value' and n.output[0] not in keep:
                half_tensor(a.t)
            if a.name == 'to' and a.i == FLOAT:
                a.i = HALF
    for v in list(m.graph.input) + list(m.graph.output):
        if v.type.tensor_type.elem_type == FLOAT:
            v.type.tensor_type.elem_type = HALF
    return m


# -- static quantisation -----------------------------------------------------

def activations(model):
    """Tensors that qdq() quantises: what Conv, Gemm, MatMul read, write."""
    known = weights(model.graph)
    names = []
    for n in model.graph.node:
        if n.op_type in KINDS:
            names += [x for x in list(n.input[:2]) + [n.output[0]]
                      if x not in known]
    return list(dict.fromkeys(names))


def observed(model, names):
    m = copy(model)
    del m.graph.output[:]
    m.graph.output.extend(helper.make_tensor_value_info(n, FLOAT, None)
                          for n in names)
    return m


class Writer:
    def __init__(self, model, ranges, powers):
        self.ranges, self.powers = ranges, powers
        self.scales = {}
        self.known = weights(model.graph)
        self.nodes, self.made, self.done = [], [], {}

    def constant(self, name, data):
        self.made.append(numpy_helper.from_array(data, name))
        return name

    def scale(self, s):
        s = np.where(np.asarray(s) > 0, s, 1)
        return np.float32(2 ** np.ceil(np.log2(s)) if self.powers else s)

    def activation(self, name):
        """The tensor after a trip through uint8."""
        if name in self.done:
            return self.done[name]
        low, high = min(self.ranges[name][0], 0), max(self.ranges[name][1], 0)
        scale = self.scales[name] = self.scale((high - low) / 255)
        zero = np.uint8(np.clip(round(-low / scale), 0, 255))
        args = [self.constant(name + '_scale', np.array(scale)),
                self.constant(name + '_zero', np.array(zero))]
        self.nodes += [
            helper.make_node('QuantizeLinear', [name] + args, [name + '_q']),
            helper.make_node('DequantizeLinear', [name + '_q'] + args,
                             [name + '_dq'])]
        self.done[name] = name + '_dq'
        return name + '_dq'

    def weight(self, name, axis):
        if name in self.done:
            return self.done[name]
        w = self.known[name]
        rest = tuple(i for i in range(w.ndim) if i != axis)
        scale = self.scale(np.abs(w).max(rest) / 127)
        shape = [-1 if i == axis else 1 for i in range(w.ndim)]
        q = np.clip(np.rint(w / scale.reshape(shape)), -127, 127)
        self.nodes.append(helper.make_node(
            'DequantizeLinear',
            [self.constant(name + '_q', q.astype(np.int8)),
             self.constant(name + '_scale', scale),
             self.constant(name + '_zero', np.zeros(len(scale), np.int8))],
            [name + '_dq'], axis=axis))
        self.done[name] = name + '_dq'
        self.scales[name + '_dq'] = scale
        return name + '_dq'

    def bias(self, name, x, w):
        """int32 with the scale of the products."""
        scale = self.scales[x] * self.scales[w]
        q = np.rint(self.known[name] / scale).astype(np.int32)
        out = name + '_' + x + '_dq'
        self.nodes.append(helper.make_node(
            'DequantizeLinear',
            [self.constant(out + '_q', q),
             self.constant(out + '_scale', scale)],
            [out], axis=0))
        return out

    def node(self, n):
        x, w = n.input[:2]
        n.input[0] = self.activation(x)
        if w not in self.known:
            n.input[1] = self.activation(w)
        elif n.op_type == 'MatMul':
            n.input[1] = self.weight(w, self.known[w].ndim - 1)
        else:
            across = n.op_type == 'ConvTranspose' or (
                n.op_type == 'Gemm' and not attribute(n, 'transB', 0))
            n.input[1] = self.weight(w, 1 if across else 0)
            if len(n.input) > 2:
                n.input[2] = self.bias(n.input[2], x, n.input[1])


def qdq(model, ranges, powers=False):
    """ranges: {tensor: (lowest, highest)} of activations(model)."""
    m = copy(model)
    w = Writer(m, ranges, powers)
    for n in m.graph.node:
        n.input[:] = [w.done[x] if x in w.done and x in ranges
                      and n.op_type not in KINDS else x for x in n.input]
        if n.op_type in KINDS:
            w.node(n)
        w.nodes.append(n)
        if n.op_type in KINDS and n.output[0] not in {
                o.name for o in m.graph.output}:
            w.activation(n.output[0])
    return rebuilt(m, w.nodes, w.made)


def rebuilt(m, nodes, made):
    """m with these nodes and more initializers, without unread ones."""
    nodes = [type(n).FromString(n.SerializeToString()) for n in nodes]
    read = {x for n in nodes for x in n.input}
    read |= {o.name for o in m.graph.output}
    kept = [i for i in m.graph.initializer if i.name in read]
    nodes = [n for n in nodes if n.op_type not in ('Constant', 'Identity')
             or n.output[0] in read]
    del m.graph.node[:], m.graph.initializer[:]
    m.graph.node.extend(nodes)
    m.graph.initializer.extend(kept + made)
    return m


# -- dynamic quantisation ----------------------------------------------------

def dynamic(model):
    m = copy(model)
    known = weights(m.graph)
    nodes, made, quantised = [], [], {}

    def name(n, what):
        return n.output[0] + '_' + what

    for n in m.graph.node:
        if n.op_type != 'MatMul' or n.input[1] not in known \
                or known[n.input[1]].ndim != 2:
            nodes.append(n)
            continue

        x = n.input[0]
        if x not in quantised:
            quantised[x] = [x + '_q', x + '_scale', x + '_zero']
            nodes.append(helper.make_node('DynamicQuantizeLinear', [x],
                                          quantised[x]))
        w = known[n.input[1]]
        scale = np.float32(np.abs(w).max(0) / 127)
        q = np.clip(np.rint(w / scale), -127, 127).astype(np.int8)
        made += [numpy_helper.from_array(q, name(n, 'w')),
                 numpy_helper.from_array(scale, name(n, 'ws')),
                 numpy_helper.from_array(np.zeros(len(scale), np.int8),
                                         name(n, 'wz'))]
        nodes += [
            helper.make_node('MatMulInteger',
                             [quantised[x][0], name(n, 'w'), quantised[x][2],
                              name(n, 'wz')], [name(n, 'sum')]),
            helper.make_node('Cast', [name(n, 'sum')], [name(n, 'float')],
                             to=FLOAT),
            helper.make_node('Mul', [quantised[x][1], name(n, 'ws')],
                             [name(n, 'scale')]),
            helper.make_node('Mul', [name(n, 'float'), name(n, 'scale')],
                             [n.output[0]])]

    return rebuilt(m, nodes, made)
