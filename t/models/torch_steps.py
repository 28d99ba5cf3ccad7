#!/usr/bin/python3
# Trains networks with maas and with PyTorch side by side: the model is written
# untrained (epochs 0), read back, and its graph is run by PyTorch's own
# functions with autograd; batches are the rows in order.  The losses of 100
# steps must agree to 1e-4.  Prints TAP.

import json
import os
import re
import subprocess
import sys
import tempfile
import zlib

import numpy as np
import onnx
from onnx import numpy_helper
import torch
import torch.nn.functional as F

MAAS = os.path.join(os.environ["MAAS_BUILD"], "maas")
STEPS = 100
BATCH = 16
ROWS = 200                      # 13 batches an epoch, the last one of 8
SEED = 5

torch.set_num_threads(1)


# -- an ONNX graph, run by PyTorch -------------------------------------------

def attrs(node):
    return {a.name: onnx.helper.get_attribute_value(a)
            for a in node.attribute}


def pool(x, a, fn):
    pads = a.get("pads", [0] * 2 * len(a["kernel_shape"]))
    n = len(pads) // 2
    flat = []
    for i in reversed(range(n)):
        flat += [pads[i], pads[i + n]]
    if fn == "max":
        x = F.pad(x, flat, value=float("-inf"))
        f = F.max_pool1d if n == 1 else F.max_pool2d
        return f(x, a["kernel_shape"], a["strides"])
    f = F.avg_pool1d if n == 1 else F.avg_pool2d
    one = F.pad(torch.ones_like(x), flat)
    return (f(F.pad(x, flat), a["kernel_shape"], a["strides"])
            / f(one, a["kernel_shape"], a["strides"]))


def conv(x, w, b, a):
    n = w.dim() - 2
    pads = a["pads"]
    flat = []
    for i in reversed(range(n)):
        flat += [pads[i], pads[i + n]]
    f = F.conv1d if n == 1 else F.conv2d
    return f(F.pad(x, flat), w, b, a["strides"], 0, a["dilations"],
             a["group"])


# ONNX's gates: LSTM i o f c, GRU z r h; h = act of the last.
def recurrent(op, x, w, r, b, a):
    hidden = a["hidden_size"]
    turn = a.get("direction", b"forward").decode()
    out, last = [], []
    for d in range(w.shape[0]):
        wb, rb = b[d].chunk(2)
        h = torch.zeros(x.shape[1], hidden)
        c = torch.zeros(x.shape[1], hidden)
        steps = range(x.shape[0])
        if turn == "reverse" or d == 1:
            steps = reversed(steps)
        ys = {}
        for t in steps:
            gx = x[t] @ w[d].T + wb
            gh = h @ r[d].T + rb
            if op == "RNN":
                act = a.get("activations", [b"Tanh"])[0].decode()
                h = (torch.relu if act == "Relu" else torch.tanh)(gx + gh)
            elif op == "LSTM":
                i, o, f, g = (gx + gh).chunk(4, 1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
            else:
                zx, rx, nx = gx.chunk(3, 1)
                zh, rh, nh = gh.chunk(3, 1)
                z, q = (zx + zh).sigmoid(), (rx + rh).sigmoid()
                h = (1 - z) * (nx + q * nh).tanh() + z * h
            ys[t] = h
        out.append(torch.stack([ys[t] for t in range(x.shape[0])]))
        last.append(h)
    return torch.stack(out, 1), torch.stack(last)


# Dropout's zeros are numbers of (seed, node, step): Philox4x32-10, as
# engine/base/random.h and engine/ops/train_dropout.c have it.
def philox(key, counter):
    """counter: four arrays of uint32; the same of random numbers."""
    c = [np.asarray(v, np.uint64) for v in counter]
    k = [key & 0xffffffff, key >> 32]
    low = np.uint64(0xffffffff)
    for _ in range(10):
        p = c[0] * np.uint64(0xd2511f53)
        q = c[2] * np.uint64(0xcd9e8d57)
        c = [q >> np.uint64(32) ^ c[1] ^ np.uint64(k[0]), q & low,
             p >> np.uint64(32) ^ c[3] ^ np.uint64(k[1]), p & low]
        k = [(k[0] + 0x9e3779b9) & 0xffffffff, (k[1] + 0xbb67ae85) & 0xffffffff]
    return c


def dropout(x, ratio, seed, node, step):
    ratio = float(ratio)
    block = np.arange(-(-x.numel() // 4), dtype=np.uint64)
    zero = np.zeros_like(block)
    r = philox(seed, [block & np.uint64(0xffffffff), block >> np.uint64(32),
                      zero + np.uint64(0x80000000 | node),
                      zero + np.uint64(step)])
    stays = np.stack(r, 1).ravel()[:x.numel()] >= int(ratio * 2.0 ** 32)
    mask = stays.astype(np.float32) * np.float32(1 / (1 - ratio))
    return x * torch.from_numpy(mask.reshape(tuple(x.shape)))


def batch_norm(x, v, a, stats):
    return F.batch_norm(x, None, None, v[1], v[2], True,
                        eps=a["epsilon"])


def run(graph, values, state):
    v = dict(values)
    for index, node in enumerate(graph.node):
        a = attrs(node)
        x = [v[i] if i else None for i in node.input]
        op = node.op_type
        if op == "Gemm":
            y = x[0] @ x[1] + (x[2] if len(x) > 2 else 0)
        elif op == "MatMul":
            y = x[0] @ x[1]
        elif op in ("Add", "Sub", "Mul", "Div"):
            y = {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul,
                 "Div": torch.div}[op](x[0], x[1])
        elif op == "Conv":
            y = conv(x[0], x[1], x[2] if len(x) > 2 else None, a)
        elif op == "MaxPool":
            y = pool(x[0], a, "max")
        elif op == "AveragePool":
            y = pool(x[0], a, "avg")
        elif op == "GlobalMaxPool":
            y = x[0].amax(tuple(range(2, x[0].dim())), keepdim=True)
        elif op == "GlobalAveragePool":
            y = x[0].mean(tuple(range(2, x[0].dim())), keepdim=True)
        elif op == "Dropout":
            y = dropout(x[0], x[1], SEED, index, state["batch"])
        elif op == "Flatten":
            y = x[0].flatten(1)
        elif op == "Reshape":
            to = [x[0].shape[i] if d == 0 else int(d)
                  for i, d in enumerate(x[1])]
            y = x[0].reshape(to)
        elif op == "Transpose":
            y = x[0].permute(*a["perm"])
        elif op == "Gather":
            y = F.embedding(x[1], x[0])
        elif op in ("RNN", "LSTM", "GRU"):
            y, h = recurrent(op, x[0], x[1], x[2], x[3], a)
            if len(node.output) > 1:
                v[node.output[1]] = h
        elif op == "LayerNormalization":
            y = F.layer_norm(x[0], x[1].shape, x[1], x[2], a["epsilon"])
        elif op == "BatchNormalization":
            y = batch_norm(x[0], x, a, state)
        elif op == "ReduceSum":
            y = x[0].sum(tuple(int(i) for i in x[1]), keepdim=False)
        elif op == "ReduceMean":
            y = x[0].mean(tuple(a["axes"]), keepdim=False)
        elif op == "Softmax":
            state["logits"] = x[0]
            y = torch.softmax(x[0], a["axis"])
        elif op == "LogSoftmax":
            y = torch.log_softmax(x[0], a["axis"])
        elif op == "Sigmoid":
            state["logits"] = x[0]
            y = torch.sigmoid(x[0])
        elif op == "HardSigmoid":
            y = torch.clamp(a["alpha"] * x[0] + a["beta"], 0, 1)
        elif op == "LeakyRelu":
            y = F.leaky_relu(x[0], a["alpha"])
        elif op == "Elu":
            y = F.elu(x[0], a["alpha"])
        else:
            y = {"Relu": torch.relu, "Tanh": torch.tanh, "Erf": torch.erf,
                 "Exp": torch.exp, "Selu": F.selu, "Softplus": F.softplus,
                 "Softsign": F.softsign, "HardSwish": F.hardswish}[op](x[0])
        if node.output[0]:
            v[node.output[0]] = y
    return v[graph.output[0].name]


# -- losses and optimisers ---------------------------------------------------

def cross(o, s, y, l):
    w = l.get("class_weight")
    e = F.cross_entropy(s, y, reduction="none",
                        label_smoothing=l.get("label_smoothing", 0))
    if w:
        e = e * torch.tensor(w)[y]
    return e.mean()


# A class of each step; those below 0 are left out.
def steps(o, s, y, l):
    return F.cross_entropy(s.reshape(-1, s.shape[-1]), y.reshape(-1),
                           ignore_index=-1, reduction="sum",
                           label_smoothing=l.get("label_smoothing", 0)
                           ) / y.numel()


def binary(o, s, y, l):
    k = l.get("label_smoothing", 0)
    return F.binary_cross_entropy_with_logits(s, y * (1 - k) + k / 2)


LOSSES = {
    "mean_squared_error": lambda o, s, y, l: F.mse_loss(o, y),
    "mean_absolute_error": lambda o, s, y, l: F.l1_loss(o, y),
    "huber": lambda o, s, y, l: F.huber_loss(o, y, delta=l.get("delta", 1)),
    "binary_crossentropy": binary,
    "categorical_crossentropy": cross,
    "hinge": lambda o, s, y, l:
        torch.relu(1 - (y * 2 - 1) * o).mean(),
    "kl_divergence": lambda o, s, y, l:
        F.kl_div(o.log(), y, reduction="none").sum(-1).mean(),
}


def optimizer(o, params):
    kind = o["type"]
    lr = o["learning_rate"]
    if kind in ("sgd", "gradient_descent"):
        return torch.optim.SGD(params, lr, momentum=o.get("momentum", 0),
                               nesterov=o.get("nesterov", False))
    if kind == "adam":
        return torch.optim.Adam(params, lr)
    if kind == "adamw":
        return torch.optim.AdamW(params, lr, weight_decay=0.01)
    if kind == "rmsprop":
        return torch.optim.RMSprop(params, lr, momentum=o.get("momentum", 0))
    return torch.optim.Adagrad(params, lr)


def torch_losses(model, spec, x, y, by_step):
    names = [i.name for i in model.graph.initializer]
    # Only biases and norms do not decay, as in maas.
    values, weights, decays = {}, [], []
    for i in model.graph.initializer:
        t = torch.from_numpy(numpy_helper.to_array(i).copy())
        trained = ("." in i.name and t.dtype == torch.float32
                   and "running" not in i.name)
        values[i.name] = t.requires_grad_(trained)
        if trained:
            (decays if t.dim() > 1 and not i.name.endswith(".bias")
             else weights).append(t)
    o = spec["optimizer"]
    groups = [{"params": decays}]
    if weights:
        groups.append({"params": weights, "weight_decay": 0})
    opt = optimizer(o, groups)
    if "l2" in o:
        for g in opt.param_groups[:1]:
            g["weight_decay"] = o["l2"]
    loss = spec["loss"]
    kind = loss["type"] if isinstance(loss, dict) else loss
    arg = loss if isinstance(loss, dict) else {}
    every = o.get("accumulate", 1)
    out, step, at, batch = [], 0, 0, 0
    while step < STEPS:
        opt.zero_grad()
        seen, parts = 0, []
        for _ in range(every):
            if at >= ROWS:
                break
            parts.append((at, min(at + BATCH, ROWS)))
            at += BATCH
        total = sum(b - a for a, b in parts)
        for a, b in parts:
            state = {"batch": batch}
            batch += 1
            values[model.graph.input[0].name] = x[a:b]
            r = run(model.graph, values, state)
            fn = LOSSES[kind] if not by_step else steps
            e = fn(r, state.get("logits", r), y[a:b], arg)
            (e * ((b - a) / total)).backward()
        allp = weights + decays
        for p in allp:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        if "l1" in o:
            for p in decays:
                p.grad = p.grad + o["l1"] * p.detach().sign()
        if "clip_value" in o:
            torch.nn.utils.clip_grad_value_(allp, o["clip_value"])
        if "clip_norm" in o:
            torch.nn.utils.clip_grad_norm_(allp, o["clip_norm"])
        opt.step()
        out.append(float(e.detach()))
        step += 1
        if at >= ROWS:
            at = 0
    return np.array(out)


# -- cases -------------------------------------------------------------------

SHAPES = {}


def case(name, shape, layers, target="classes", loss=None, opt=None,
         integers=0, **more):
    CASES.append(dict(name=name, shape=shape, layers=layers, target=target,
                      loss=loss, opt=opt, integers=integers, more=more))


CASES = []
HEAD = [{"type": "dense", "units": 3, "activation": "softmax"}]
MLP = [{"type": "dense", "units": 8, "activation": "tanh"}] + HEAD
SGD = {"type": "sgd", "learning_rate": 0.05}

for o in (SGD, {"type": "gradient_descent", "learning_rate": 0.1},
          {"type": "sgd", "learning_rate": 0.02, "momentum": 0.9},
          {"type": "sgd", "learning_rate": 0.02, "momentum": 0.9,
           "nesterov": True, "l2": 0.01},
          {"type": "adam", "learning_rate": 0.01},
          {"type": "adamw", "learning_rate": 0.01},
          {"type": "rmsprop", "learning_rate": 0.005},
          {"type": "rmsprop", "learning_rate": 0.005, "momentum": 0.5},
          {"type": "adagrad", "learning_rate": 0.05},
          {"type": "sgd", "learning_rate": 0.05, "l1": 0.01},
          {"type": "sgd", "learning_rate": 0.5, "clip_value": 0.01},
          {"type": "sgd", "learning_rate": 0.5, "clip_norm": 0.1},
          {"type": "adam", "learning_rate": 0.01, "accumulate": 3}):
    case("optimizer " + json.dumps(o), [6], MLP, opt=o)

NUMBERS = [{"type": "dense", "units": 8, "activation": "relu"},
           {"type": "dense", "units": 2}]
for l in ("mean_squared_error", "mean_absolute_error",
          {"type": "huber", "delta": 0.5}):
    case("loss %s" % l, [6], NUMBERS, "numbers", l)
TWO = [{"type": "dense", "units": 8, "activation": "relu"},
       {"type": "dense", "units": 1, "activation": "sigmoid"}]
for l in ("binary_crossentropy",
          {"type": "binary_crossentropy", "label_smoothing": 0.1}):
    case("loss %s" % l, [6], TWO, "two", l)
case("loss hinge", [6], TWO[:1] + [{"type": "dense", "units": 1}], "two",
     "hinge")
case("loss smoothed crossentropy", [6], MLP, loss={
    "type": "categorical_crossentropy", "label_smoothing": 0.2,
    "class_weight": [1, 2, 0.5]})
case("loss crossentropy of logits", [6],
     MLP[:1] + [{"type": "dense", "units": 3}],
     loss="categorical_crossentropy")
case("loss kl_divergence", [6], MLP, "shares", "kl_divergence")

ACT = [{"type": "dense", "units": 6}]
for f in ("relu", "leaky_relu", "elu", "selu", "gelu", "swish", "mish",
          "softplus", "softsign", "sigmoid", "tanh", "exponential",
          "hard_sigmoid", "hard_swish", "log_softmax", "softmax"):
    case("activation " + f, [6], [
        {"type": "dense", "units": 8, "activation": f,
         "kernel_initializer": "glorot_normal"}] + HEAD)

case("conv2d, maxpool", [2, 6, 6], [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "padding": "same",
     "activation": "relu", "kernel_initializer": "he_uniform"},
    {"type": "maxpool"}, {"type": "flatten"}] + HEAD)
# The bench's network, narrower, and at its rate: at ten times as much the
# kinks of relu and maxpool make a difference of roundings grow (bench/
# bench_train.py), in PyTorch beside its own float64 too.
case("conv, pool, conv, pool, dense, dense", [3, 16, 16], [
    {"type": "conv2d", "filters": 16, "kernel_size": 3, "padding": "same",
     "activation": "relu"},
    {"type": "maxpool"},
    {"type": "conv2d", "filters": 32, "kernel_size": 3, "padding": "same",
     "activation": "relu"},
    {"type": "maxpool"}, {"type": "flatten"},
    {"type": "dense", "units": 64, "activation": "relu"}] + HEAD,
    opt={"type": "sgd", "learning_rate": 0.001})
case("conv2d strides, groups, dilation; avgpool", [4, 8, 8], [
    {"type": "conv2d", "filters": 8, "kernel_size": [3, 2], "strides": 2,
     "padding": 1, "groups": 2},
    {"type": "conv2d", "filters": 6, "kernel_size": 2,
     "dilation_rate": 2, "use_bias": False, "activation": "tanh"},
    {"type": "avgpool", "pool_size": 2, "strides": 1, "padding": "same"},
    {"type": "flatten"}] + HEAD)
case("conv1d, maxpool, global_avgpool", [3, 12], [
    {"type": "conv1d", "filters": 6, "kernel_size": 3, "activation": "relu"},
    {"type": "maxpool", "pool_size": 2},
    {"type": "conv1d", "filters": 4, "kernel_size": 3, "padding": "same"},
    {"type": "global_avgpool"}] + HEAD)
case("global_maxpool", [2, 6, 6], [
    {"type": "conv2d", "filters": 4, "kernel_size": 3},
    {"type": "global_maxpool"}] + HEAD)
case("batch_norm", [6], [
    {"type": "dense", "units": 8}, {"type": "batch_norm"},
    {"type": "activation", "function": "relu"}] + HEAD)
case("batch_norm of images, residual", [2, 5, 5], [
    {"type": "conv2d", "filters": 4, "kernel_size": 3, "padding": "same"},
    {"type": "residual", "activation": "relu", "layers": [
        {"type": "conv2d", "filters": 4, "kernel_size": 3,
         "padding": "same"},
        {"type": "batch_norm"}]},
    {"type": "residual", "layers": [
        {"type": "conv2d", "filters": 2, "kernel_size": 3, "strides": 2,
         "padding": 1}],
     "shortcut": [{"type": "conv2d", "filters": 2, "kernel_size": 1,
                   "strides": 2}]},
    {"type": "flatten"}] + HEAD)
case("layer_norm, normalize", [6], [
    {"type": "normalize", "scale": 2, "mean": 0.5, "std": [1, 2, 3, 4, 5, 6]},
    {"type": "dense", "units": 8}, {"type": "layer_norm"}] + HEAD)
case("dropout", [6], [
    {"type": "dense", "units": 9, "activation": "relu"},
    {"type": "dropout", "rate": 0.3}] + HEAD)
case("dropout of images, twice, accumulated", [2, 6, 6], [
    {"type": "dropout", "rate": 0.1},
    {"type": "conv2d", "filters": 17, "kernel_size": 3,
     "activation": "tanh"},
    {"type": "dropout", "rate": 0.5}, {"type": "flatten"}] + HEAD,
    opt={"type": "adam", "learning_rate": 0.01, "accumulate": 3})
case("dropout of attention", [5, 6], [
    {"type": "self_attention", "heads": 2, "dropout": 0.2},
    {"type": "flatten"}] + HEAD)
case("reshape, permute", [6], [
    {"type": "reshape", "target_shape": [2, 3]},
    {"type": "permute", "dims": [2, 1]},
    {"type": "dense", "units": 4, "activation": "tanh"},
    {"type": "flatten"}] + HEAD)
case("embedding, position_embedding", [5], [
    {"type": "embedding", "input_dim": 7, "output_dim": 4},
    {"type": "position_embedding"}, {"type": "flatten"}] + HEAD, integers=7)
case("simple_rnn", [5, 3], [{"type": "simple_rnn", "units": 4}] + HEAD)
case("simple_rnn relu, sequences, backwards", [5, 3], [
    {"type": "simple_rnn", "units": 4, "activation": "relu",
     "return_sequences": True, "go_backwards": True},
    {"type": "flatten"}] + HEAD)
case("lstm", [5, 3], [{"type": "lstm", "units": 4}] + HEAD)
case("lstm, sequences, gru", [5, 3], [
    {"type": "lstm", "units": 4, "return_sequences": True},
    {"type": "gru", "units": 4}] + HEAD)
case("gru", [5, 3], [{"type": "gru", "units": 4}] + HEAD)
case("bidirectional lstm", [5, 3], [
    {"type": "bidirectional", "layer": {"type": "lstm", "units": 3}}] + HEAD)
case("bidirectional gru sequences, summed", [5, 3], [
    {"type": "bidirectional", "merge_mode": "sum",
     "layer": {"type": "gru", "units": 3, "return_sequences": True}},
    {"type": "flatten"}] + HEAD)
TAGS = [{"type": "dense", "units": 3, "activation": "softmax"}]
case("lstm, a class of each step", [5, 4], [
    {"type": "lstm", "units": 6, "return_sequences": True}] + TAGS, "steps",
    loss={"type": "categorical_crossentropy", "label_smoothing": 0.1})
case("bidirectional gru, a class of each step", [5, 4], [
    {"type": "bidirectional",
     "layer": {"type": "gru", "units": 3, "return_sequences": True}}] + TAGS,
    "steps")
case("lstm, two numbers of each step", [5, 4], [
    {"type": "lstm", "units": 6, "return_sequences": True},
    {"type": "dense", "units": 2}], "step numbers", "mean_squared_error")
case("simple_rnn, yes or no of each step", [5, 4], [
    {"type": "simple_rnn", "units": 6, "return_sequences": True},
    {"type": "dense", "units": 1, "activation": "sigmoid"}], "step twos",
    "binary_crossentropy")
case("self_attention", [5, 6], [
    {"type": "self_attention", "heads": 2, "causal": True},
    {"type": "flatten"}] + HEAD)
case("transformer, norm after", [5, 6], [
    {"type": "transformer", "heads": 3, "units": 8},
    {"type": "flatten"}] + HEAD)
case("transformer, norm before, gelu", [5, 6], [
    {"type": "transformer", "heads": 2, "units": 8, "norm": "pre",
     "activation": "gelu"},
    {"type": "flatten"}] + HEAD)


def table(c, rng, path):
    n = int(np.prod(c["shape"]))
    if c["integers"]:
        x = rng.integers(0, c["integers"], (ROWS, n)).astype(np.float32)
    else:
        x = rng.standard_normal((ROWS, n)).astype(np.float32)
    w = rng.standard_normal((n, 3))
    if c["target"] == "classes":
        y = np.argmax((x - x.mean(0)) @ w, 1)
        cols, names = y[:, None], ["y"]
        t = torch.from_numpy(y.astype(np.int64))
    elif c["target"] == "two":
        y = (x @ w[:, 0] > 0).astype(np.float32)
        cols, names = y[:, None].astype(int), ["y"]
        t = torch.from_numpy(y[:, None])
    elif c["target"] == "shares":
        y = np.exp(x @ w)
        y = (y / y.sum(1, keepdims=True)).astype(np.float32)
        cols, names = y, ["y0", "y1", "y2"]
        t = torch.from_numpy(y)
    elif c["target"] in ("steps", "step numbers", "step twos"):
        s = x.reshape([ROWS] + c["shape"])
        w = rng.standard_normal((c["shape"][1], 3))
        y = (s + np.roll(s, 1, 1)) @ w
        if c["target"] == "steps":
            y = np.argmax(y, 2)
            y[:, -1] = np.where(y[:, 0] == 1, -1, y[:, -1])
        elif c["target"] == "step twos":
            y = (y[:, :, :1] > 0).astype(np.float32)
        else:
            y = np.sin(y[:, :, :2]).astype(np.float32)
        cols = y.reshape(ROWS, -1)
        names = ["y%d" % i for i in range(cols.shape[1])]
        t = torch.from_numpy(y)
    else:
        y = np.sin(x @ w[:, :2]).astype(np.float32)
        cols, names = y, ["y0", "y1"]
        t = torch.from_numpy(y)
    with open(path, "w") as f:
        f.write(",".join(["x%d" % i for i in range(n)] + names) + "\n")
        for a, b in zip(x, cols):
            f.write(",".join(repr(float(v)) for v in a) + ","
                    + ",".join(repr(v.item()) for v in b) + "\n")
    x = x.reshape([ROWS] + c["shape"])
    return (torch.from_numpy(x.astype(np.int64) if c["integers"] else x), t,
            names)


def maas(spec, folder, *more):
    path = os.path.join(folder, "spec.json")
    with open(path, "w") as f:
        json.dump(spec, f)
    p = subprocess.run([MAAS, "train", "--threads", "1", "--json"]
                       + list(more) + [path], capture_output=True, text=True)
    if p.returncode:
        raise RuntimeError(p.stderr.strip())
    return [json.loads(l) for l in p.stdout.splitlines()]


def compare(c, folder, seed):
    x, y, names = table(c, np.random.default_rng(seed),
                        os.path.join(folder, "data.csv"))
    opt = c["opt"] or {"type": "adam", "learning_rate": 0.01}
    per = -(-ROWS // BATCH)
    per = -(-per // opt.get("accumulate", 1))
    spec = {"name": "m", "seed": SEED, "store": "models",
            "data": {"path": "data.csv",
                     "target": names if len(names) > 1 else names[0]},
            "model": {"type": "network", "input": {"shape": c["shape"]},
                      "layers": c["layers"]},
            "loss": c["loss"] or "categorical_crossentropy",
            "optimizer": opt, "epochs": -(-STEPS // per),
            "batch_size": BATCH, "shuffle": False}
    maas(spec, folder, "--set", "epochs=0", "--output", folder + "/first")
    got = [e["loss"] for e in maas(spec, folder, "--log-steps", "1")
           if e["event"] == "step"][:STEPS]
    model = onnx.load(folder + "/first/m/1/model.onnx")
    onnx.checker.check_model(model)
    want = torch_losses(model, spec, x, y, c["target"] == "steps")
    got = np.array(got)
    if len(got) < STEPS:
        raise RuntimeError("only %d steps" % len(got))
    if os.environ.get("SHOW"):
        for i in range(STEPS):
            print("#", i, got[i], want[i], abs(got[i] / want[i] - 1))
    return float(np.max(np.abs(got - want) / (np.abs(want) + 1e-6)))


def main():
    build = re.sub(r"\s+", " ", torch.__config__.show())[:200]
    print("# PyTorch %s: %s" % (torch.__version__, build))
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [c for c in CASES if only in c["name"]]
    failed = 0
    for i, c in enumerate(chosen):
        # Nothing here is worth waiting for a disk.
        shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(dir=shm) as folder:
            try:
                worst = compare(c, folder, zlib.crc32(
                    c["name"].encode()))
                good, note = worst < 1e-4, "within %.1g" % worst
            except RuntimeError as e:
                good, note = False, str(e)
        failed += not good
        print("%sok %d - %s: %s" % ("" if good else "not ", i + 1, c["name"],
                                    note), flush=True)
    print("1..%d" % len(chosen))
    sys.exit(failed != 0)


main()
