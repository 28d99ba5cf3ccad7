#!/usr/bin/python3
"""Makes the models that the server tests use: make_models.py FOLDER.

mlp.onnx   x f32[N,2] -> y f32[N,1]: 2-10-1, tanh
echo.onnx  x f32[N,M] -> y f32[N,M]: Identity
colors.onnx  x f32[N,3,H,W] -> y f32[N,H,W]: the mean of the channels
big.onnx   x f32[N,4096] -> y f32[N,4096]: 64 MB of weights
outside.onnx  x f32[N,4] -> y f32[N,4]: x + w, w in weights.bin beside it
half.onnx  x f16[N,2] -> y f16[N,2]: Identity; brain.onnx: bf16
text.onnx  x string[N,M] -> y_bytes string[N,M]: Identity
pair.onnx  a f32[N,2], b i64[N] -> s f32[N,2] = 2a, t i64[N] = b + 1
maps.onnx  x f32[N,2] -> y: maps of "no" and "yes"
many.onnx  x f32[1,5] -> y f32[5]: the elements of x
lists.onnx x f32[N,2] -> y: a sequence of x and its sums; z f32[N,2] = 2x
class/     x f32[N,4] -> y f32[N,4]: logits of classes, 3 with labels
pooled/    the same with y f32[N,4,1,1], as behind a global pooling
value/     x f32[N,2] -> z f32[N,2] = 2x, y f32[N,1]: the sum, a regression
shapes.onnx  x f32[N,M] -> y f32[N,M]: x - 1 by way of six tensors of that size
contents.onnx  x f32[1], s1 i64[2], s2 i64[3] -> y: x - 1 expanded to s1, s2,
           which choose plans by their contents
across.onnx  x f32[N,2] -> y f32[N,2]: softmax along N: rows depend on rows
pick.onnx  i i64[N] -> y f32[N]: of five numbers; others fail
bert/      input_ids, attention_mask, token_type_ids i64[N,S] ->
           last_hidden_state f32[N,S,32], pooled f32[N,32]: two layers of
           attention, two heads, 50 words, 64 positions; lengths are padded
leaky/     x f32[N,S] -> y f32[N,S]: x less its mean, which padding changes
slow.onnx  x f32[N,1] -> y f32[N,1]: 60 products with one 1024x1024 matrix,
           0.126 GFLOP a row; N chooses how long it takes
heavy.onnx the same of 4096 rows and no less: seconds

Weights are seeded.  A file is written under another name and renamed, so
that tests may run side by side.
"""

import os
import sys

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper, save


def tensor(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def value(name, dtype, dims):
    return helper.make_tensor_value_info(name, dtype, dims)


def whole(name, nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(weights))
    m = helper.make_model(
        graph, producer_name="maas-tests",
        opset_imports=[helper.make_opsetid("", 13),
                       helper.make_opsetid("ai.onnx.ml", 1)])
    m.ir_version = 7
    return m


def model(name, nodes, x, y, weights):
    return whole(name, nodes, [value("x", TensorProto.FLOAT, x)],
                 [value("y", TensorProto.FLOAT, y)], weights)


def mlp(rng):
    f = np.float32
    return model("mlp", [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], "dense1"),
        helper.make_node("Tanh", ["h"], ["t"], "tanh"),
        helper.make_node("Gemm", ["t", "w2", "b2"], ["y"], "dense2"),
    ], ["N", 2], ["N", 1], [
        tensor("w1", rng.standard_normal((2, 10)).astype(f)),
        tensor("b1", rng.standard_normal(10).astype(f)),
        tensor("w2", rng.standard_normal((10, 1)).astype(f)),
        tensor("b2", rng.standard_normal(1).astype(f)),
    ])


def echo(rng):
    return model("echo", [
        helper.make_node("Identity", ["x"], ["y"], "identity"),
    ], ["N", "M"], ["N", "M"], [])


def colors(rng):
    return model("colors", [
        helper.make_node("ReduceMean", ["x"], ["y"], "mean", axes=[1],
                         keepdims=0),
    ], ["N", 3, "H", "W"], ["N", "H", "W"], [])


def big(rng):
    w = rng.standard_normal((4096, 4096), np.float32) / 64
    return model("big", [
        helper.make_node("MatMul", ["x", "w"], ["y"], "product"),
    ], ["N", 4096], ["N", 4096], [tensor("w", w)])


def outside(rng):
    w = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4],
                    data_location=TensorProto.EXTERNAL)
    w.external_data.add(key="location", value="weights.bin")
    return model("outside", [
        helper.make_node("Add", ["x", "w"], ["y"], "plus"),
    ], ["N", 4], ["N", 4], [w])


def shapes(rng):
    node = helper.make_node
    return model("shapes", [
        node("Softmax", ["x"], ["s"], "softmax"),
        node("Sub", ["x", "one"], ["t"], "less"),
        node("Mul", ["t", "s"], ["u"], "weigh"),
        node("Sub", ["u", "u"], ["v"], "zero"),
        node("Add", ["t", "v"], ["y"], "sum"),
    ], ["N", "M"], ["N", "M"], [tensor("one", np.float32(1))])


def contents(rng):
    node = helper.make_node
    m = model("contents", [
        node("Sub", ["x", "one"], ["a"], "less"),
        node("Expand", ["a", "s1"], ["b"], "first"),
        node("Neg", ["b"], ["c"], "neg"),
        node("Expand", ["c", "s2"], ["d"], "second"),
        node("Neg", ["d"], ["y"], "neg2"),
    ], [1], ["A", "B", "C"], [tensor("one", np.float32(1))])
    for name, n in (("s1", 2), ("s2", 3)):
        m.graph.input.append(helper.make_tensor_value_info(
            name, TensorProto.INT64, [n]))
    return m


def slow(rng, n="N"):
    w = rng.standard_normal((1024, 1024), np.float32) / 32
    nodes = [helper.make_node("Mul", ["x", "ones"], ["h0"], "spread")]
    for i in range(60):
        nodes.append(helper.make_node(
            "MatMul", [f"h{i}", "w"], [f"h{i + 1}"], f"product{i}"))
    nodes.append(helper.make_node(
        "ReduceMean", ["h60"], ["y"], "mean", axes=[1], keepdims=1))
    return model("slow", nodes, [n, 1], [n, 1], [
        tensor("ones", np.ones((1, 1024), np.float32)),
        tensor("w", w),
    ])


def heavy(rng):
    return slow(rng, 4096)


def across(rng):
    return model("across", [
        helper.make_node("Softmax", ["x"], ["y"], "softmax", axis=0),
    ], ["N", 2], ["N", 2], [])


def pick(rng):
    return whole("pick", [
        helper.make_node("Gather", ["t", "i"], ["y"], "look"),
    ], [value("i", TensorProto.INT64, ["N"])],
       [value("y", TensorProto.FLOAT, ["N"])],
       [tensor("t", np.array([1.5, -2, 3, 0.1, 7], np.float32))])


def identity(name, dtype, y="y"):
    return whole(name, [helper.make_node("Identity", ["x"], [y])],
                 [value("x", dtype, ["N", 2])], [value(y, dtype, ["N", 2])])


def half(rng):
    return identity("half", TensorProto.FLOAT16)


def brain(rng):
    return identity("brain", TensorProto.BFLOAT16)


def text(rng):
    s = TensorProto.STRING
    return whole("text", [helper.make_node("Identity", ["x"], ["y_bytes"])],
                 [value("x", s, ["N", "M"])],
                 [value("y_bytes", s, ["N", "M"])])


def pair(rng):
    f32, i64 = TensorProto.FLOAT, TensorProto.INT64
    return whole("pair", [
        helper.make_node("Add", ["a", "a"], ["s"], "double"),
        helper.make_node("Add", ["b", "one"], ["t"], "next"),
    ], [value("a", f32, ["N", 2]), value("b", i64, ["N"])],
       [value("s", f32, ["N", 2]), value("t", i64, ["N"])],
       [tensor("one", np.array([1], np.int64))])


def maps(rng):
    y = ValueInfoProto(name="y")
    m = y.type.sequence_type.elem_type.map_type
    m.key_type = TensorProto.STRING
    m.value_type.tensor_type.elem_type = TensorProto.FLOAT
    return whole("maps", [
        helper.make_node("ZipMap", ["x"], ["y"], "zip", domain="ai.onnx.ml",
                         classlabels_strings=["no", "yes"]),
    ], [value("x", TensorProto.FLOAT, ["N", 2])], [y])


def many(rng):
    return model("many", [
        helper.make_node("Reshape", ["x", "shape"], ["y"], "flat"),
    ], [1, 5], [5], [tensor("shape", np.array([5], np.int64))])


def lists(rng):
    f32 = TensorProto.FLOAT
    return whole("lists", [
        helper.make_node("ReduceSum", ["x", "one"], ["s"], "sum"),
        helper.make_node("SequenceConstruct", ["x", "s"], ["y"], "both"),
        helper.make_node("Add", ["x", "x"], ["z"], "double"),
    ], [value("x", f32, ["N", 2])],
       [helper.make_tensor_sequence_value_info("y", f32, None),
        value("z", f32, ["N", 2])],
       [tensor("one", np.array([1], np.int64))])


def classes(rng):
    return model("classes", [
        helper.make_node("Identity", ["x"], ["y"], "identity"),
    ], ["N", 4], ["N", 4], [])


def pooled(rng):
    return model("pooled", [
        helper.make_node("Unsqueeze", ["x", "axes"], ["y"], "unsqueeze"),
    ], ["N", 4], ["N", 4, 1, 1], [tensor("axes", np.array([2, 3], np.int64))])


def regression(rng):
    f32 = TensorProto.FLOAT
    return whole("regression", [
        helper.make_node("ReduceSum", ["x", "one"], ["y"], "sum"),
        helper.make_node("Add", ["x", "x"], ["z"], "double"),
    ], [value("x", f32, ["N", 2])],
       [value("z", f32, ["N", 2]), value("y", f32, ["N", 1])],
       [tensor("one", np.array([1], np.int64))])


def bert(rng):
    nodes, weights, i64, f32 = [], [], TensorProto.INT64, TensorProto.FLOAT

    def const(a):
        weights.append(tensor(f"c{len(weights)}", a))
        return weights[-1].name

    def normal(*dims):
        a = rng.standard_normal(dims) / np.sqrt(dims[0])
        return const(a.astype(np.float32))

    def op(kind, *inputs, out=None, **attrs):
        out = out or f"t{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [out],
                                      f"{kind}{len(nodes)}", **attrs))
        return out

    def scalar(x):
        return const(np.float32(x))

    def linear(x, a, b):
        return op("Add", op("MatMul", x, normal(a, b)), normal(b))

    def norm(x):
        c = op("Sub", x, op("ReduceMean", x, axes=[-1], keepdims=1))
        v = op("ReduceMean", op("Mul", c, c), axes=[-1], keepdims=1)
        return op("Div", c, op("Sqrt", op("Add", v, scalar(1e-6))))

    def heads(x, perm):
        x = op("Reshape", x, const(np.array([0, 0, 2, 16])))
        return op("Transpose", x, perm=perm)

    def layer(x):
        q, v = (heads(linear(x, 32, 32), [0, 2, 1, 3]) for _ in range(2))
        k = heads(linear(x, 32, 32), [0, 2, 3, 1])
        s = op("Div", op("MatMul", q, k), scalar(4))
        p = op("Softmax", op("Add", s, mask), axis=3)
        o = op("Transpose", op("MatMul", p, v), perm=[0, 2, 1, 3])
        o = op("Reshape", o, const(np.array([0, 0, 32])))
        x = norm(op("Add", linear(o, 32, 32), x))
        h = linear(x, 32, 64)
        g = op("Erf", op("Div", h, scalar(np.sqrt(2))))
        g = op("Mul", op("Mul", h, op("Add", g, scalar(1))), scalar(0.5))
        return norm(op("Add", linear(g, 64, 32), x))

    seen = op("Cast", "attention_mask", to=f32)
    mask = op("Unsqueeze", seen, const(np.array([1, 2])))
    mask = op("Mul", op("Sub", scalar(1), mask), scalar(-3.4028235e38))
    at = op("Shape", "input_ids")
    at = op("Slice", normal(64, 32), const(np.array([0])),
            op("Gather", at, const(np.array([1]))), const(np.array([0])))
    x = op("Add", op("Gather", normal(50, 32), "input_ids"), at)
    x = norm(op("Add", x, op("Gather", normal(2, 32), "token_type_ids")))
    x = op("Identity", layer(layer(x)), out="last_hidden_state")
    seen = op("Unsqueeze", seen, const(np.array([2])))
    axis = const(np.array([1]))
    total = op("ReduceSum", op("Mul", x, seen), axis, keepdims=0)
    op("Div", total, op("ReduceSum", seen, axis, keepdims=0), out="pooled")

    return whole("bert", nodes,
                 [value(n, i64, ["N", "S"]) for n in
                  ("input_ids", "attention_mask", "token_type_ids")],
                 [value("last_hidden_state", f32, ["N", "S", 32]),
                  value("pooled", f32, ["N", 32])], weights)


def leaky(rng):
    return model("leaky", [
        helper.make_node("ReduceMean", ["x"], ["m"], "mean", axes=[1],
                         keepdims=1),
        helper.make_node("Sub", ["x", "m"], ["y"], "less"),
    ], ["N", "S"], ["N", "S"], [])


BESIDE = {
    "class/model.json": '{"output": {"softmax": true, "top_k": 2},'
                        ' "batch": {"max": 8}}\n',
    "class/labels.txt": "cat\ndog: small\nl\u00e4mmchen\n",
    "pooled/model.json": '{"output": {"softmax": true, "top_k": 2}}\n',
    "pooled/labels.txt": "cat\ndog: small\nl\u00e4mmchen\n",
    "bert/model.json": '{"batch": {"max": 16, "pad": {"axis": 1, "limit": 2,'
                       ' "values": {"input_ids": 0, "attention_mask": 0,'
                       ' "token_type_ids": 0}, "mask": "attention_mask"}}}\n',
    "leaky/model.json": '{"batch": {"pad": {"values": {"x": 0}}}}\n',
    "value/model.json": '{"output": {"name": "y", "meaning": "regression"}}\n',
}


def put(path, write):
    if not os.path.exists(path):
        tmp = f"{path}.{os.getpid()}"
        write(tmp)
        os.rename(tmp, path)


def put_text(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: make_models.py FOLDER")

    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)

    for name in "class", "pooled", "value", "bert", "leaky":
        os.makedirs(os.path.join(folder, name), exist_ok=True)

    for name, content in BESIDE.items():
        put(os.path.join(folder, name), lambda p: put_text(p, content))

    for make, name in [(classes, "class/model"), (pooled, "pooled/model"),
                       (regression, "value/model"),
                       (bert, "bert/model"), (leaky, "leaky/model")]:
        put(os.path.join(folder, name + ".onnx"),
            lambda p: save(make(np.random.default_rng(7)), p))

    for make in (mlp, echo, colors, half, brain, text, pair, maps, many,
                 lists, big, outside, shapes, contents, across, pick, slow,
                 heavy):
        put(os.path.join(folder, make.__name__ + ".onnx"),
            lambda p: save(make(np.random.default_rng(7)), p))


if __name__ == "__main__":
    main()
